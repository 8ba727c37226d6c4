//! Messages as scapy writes them, our own reports, and what is refused.

use super::*;

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// Headers of a packet from fe80::1: hop limit 1, router alert.
fn packet(destination: &str, icmp: &[u8]) -> Vec<u8> {
    let payload_len = (8 + icmp.len()) as u16;
    let (source, destination) = (ip("fe80::1"), ip(destination));
    let header = Ipv6Header::new(&source, &destination, Protocol::HOP_BY_HOP, 1, payload_len);
    [header.as_bytes(), &ROUTER_ALERT_HEADER, icmp].concat()
}

#[rustfmt::skip]
const GENERAL_V1: [u8; 24] = [
    0x82, 0, 0x59, 0x17, 0x27, 0x10, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

#[rustfmt::skip]
const GROUP_V2: [u8; 44] = [
    0x82, 0, 0xc7, 0xa5, 0x81, 0x23, 0, 0,
    0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5,
    0x0a, 0x7d, 0, 1,
    0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7,
];

#[test]
fn queries_of_both_versions() {
    let wanted = Query {
        max_response_delay: 10_000,
        group: Ipv6Addr::UNSPECIFIED,
        v2: None,
    };
    let general = packet("ff02::1", &GENERAL_V1);
    assert_eq!(parse_packet(&general), Ok(Message::Query(wanted)));

    let group_specific = packet("ff02::5", &GROUP_V2);
    let Ok(Message::Query(query)) = parse_packet(&group_specific) else {
        panic!("not read")
    };
    // 0x8123: mantissa 0x1123, exponent 0.
    assert_eq!(
        (query.max_response_delay, query.group),
        (0x1123 << 3, ip("ff02::5"))
    );
    let v2 = query.v2.unwrap();
    assert_eq!(
        (v2.suppress, v2.robustness, v2.query_interval),
        (true, 2, 125)
    );
    assert!(v2.sources.unwrap().iter().eq([ip("2001:db8::7")]));
}

#[test]
fn codes_above_the_linear_part() {
    assert_eq!(
        (expand(127, 4), expand(128, 4), expand(255, 4)),
        (127, 128, 31 << 10)
    );
    assert_eq!((expand(32767, 12), expand(32768, 12)), (32767, 32768));
    assert_eq!(expand(0xffff, 12), 0x1fff << 10);
}

#[test]
fn report_and_done_of_version_1() {
    let group = ip("ff02::1:ff00:2");
    #[rustfmt::skip]
    let mut icmp = [
        0x83, 0, 0x82, 0x1d, 0, 0, 0, 0,
        0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 2,
    ];
    assert_eq!(
        parse_packet(&packet("ff02::1:ff00:2", &icmp)),
        Ok(Message::Report { group })
    );
    icmp[..4].copy_from_slice(&[0x84, 0, 0x80, 0x1f]);
    assert_eq!(
        parse_packet(&packet("ff02::2", &icmp)),
        Ok(Message::Done { group })
    );
}

#[test]
fn report_of_version_2_is_read() {
    #[rustfmt::skip]
    let icmp = [
        0x8f, 0, 0x14, 0x47, 0, 0, 0, 2,
        4, 0, 0, 0, 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
        1, 0, 0, 2, 0xff, 0x05, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3,
        0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7,
        0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8,
    ];
    let packet = packet("ff02::16", &icmp);
    let Ok(Message::ReportV2(records)) = parse_packet(&packet) else {
        panic!("not read")
    };
    let records: Vec<_> = records.collect();
    assert_eq!(records[0].record_type, Some(RecordType::ChangeToExclude));
    assert_eq!(
        (records[0].group, records[0].sources),
        (ip("ff02::2"), None)
    );
    assert_eq!(records[1].record_type, Some(RecordType::ModeIsInclude));
    assert_eq!(records[1].sources.unwrap().len(), 2);
    // Auxiliary data is skipped, and must be there.
    let mut with_aux = icmp.to_vec();
    with_aux[29] = 1;
    assert!(parse(&with_aux).is_err());
    with_aux.extend([0; 4]);
    let Ok(Message::ReportV2(records)) = parse(&with_aux) else {
        panic!("not read")
    };
    assert_eq!(records.count(), 2);
    assert!(parse(&icmp[..icmp.len() - 1]).is_err());
}

#[test]
fn our_report_as_scapy_writes_it() {
    let mut buf = [0xee; 96];
    let records = [(RecordType::ChangeToExclude, ip("ff02::2"))];
    let len = write_report(&mut buf, &ip("fe80::1"), &records).unwrap();
    assert_eq!(len, report_len(1));
    let (header, _) = Ipv6Header::parse(&buf[..len]).unwrap();
    assert_eq!(header.destination(), ip("ff02::16"));
    assert_eq!(buf[40..48], [0x3a, 0, 5, 2, 0, 0, 1, 0]);
    let Ok(Message::ReportV2(read)) = parse_packet(&buf[..len]) else {
        panic!("not read")
    };
    assert!(read.map(|r| (r.record_type.unwrap(), r.group)).eq(records));
    // While the link-local address is tentative (RFC 3590).
    let len = write_report(&mut buf, &Ipv6Addr::UNSPECIFIED, &records).unwrap();
    assert!(parse_packet(&buf[..len]).is_ok());
    let no_room = EmitError::NoRoom {
        need: len,
        have: len - 1,
    };
    assert_eq!(
        write_report(&mut buf[..len - 1], &ip("fe80::1"), &records),
        Err(no_room)
    );
}

#[test]
fn our_report_and_done_of_version_1_byte_for_byte() {
    let group = ip("ff02::1:ff00:2");
    #[rustfmt::skip]
    let mut wanted = [
        0x60, 0, 0, 0, 0, 32, 0, 1,
        0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 2,
        0x3a, 0, 5, 2, 0, 0, 1, 0,
        0x83, 0, 0x82, 0x1d, 0, 0, 0, 0,
        0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 2,
    ];
    let mut buf = [0xee; V1_LEN];
    assert_eq!(
        write_report_v1(&mut buf, &ip("fe80::1"), &group),
        Ok(V1_LEN)
    );
    assert_eq!(buf, wanted);
    // Done goes to all routers.
    wanted[24..40].copy_from_slice(&ip("ff02::2").octets());
    wanted[48..52].copy_from_slice(&[0x84, 0, 0x80, 0x1f]);
    assert_eq!(write_done(&mut buf, &ip("fe80::1"), &group), Ok(V1_LEN));
    assert_eq!(buf, wanted);
    let no_room = EmitError::NoRoom {
        need: V1_LEN,
        have: V1_LEN - 1,
    };
    let short = &mut buf[..V1_LEN - 1];
    assert_eq!(write_done(short, &ip("fe80::1"), &group), Err(no_room));
}

#[test]
fn what_is_refused() {
    let good = packet("ff02::1", &GENERAL_V1);
    let field = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        match parse_packet(&bytes) {
            Err(DecodeError::Field { field, .. }) => field,
            Err(DecodeError::Checksum { .. }) => "checksum",
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(field(7, 2), "hop limit");
    assert_eq!(field(42, 1), "router alert");
    assert_eq!(field(63, 1), "checksum");
    assert_eq!(field(8, 0x20), "checksum");
    // A query from anywhere but a link-local address.
    let mut bytes = good.clone();
    bytes[8..24].copy_from_slice(&ip("2001:db8::1").octets());
    icmpv6::fill_checksum(&ip("2001:db8::1"), &ip("ff02::1"), &mut bytes[48..]);
    let source = DecodeError::field(Header::Mld, "source", 8, 0x20);
    assert_eq!(parse_packet(&bytes), Err(source));
    // Lengths between the versions, and a group that is none.
    assert!(parse(&GROUP_V2[..27]).is_err());
    assert!(parse(&GROUP_V2[..43]).is_err());
    let mut unicast = GENERAL_V1;
    unicast[8] = 0x20;
    let group = DecodeError::field(Header::Mld, "multicast address", 8, 0x20);
    assert_eq!(parse(&unicast), Err(group));
}
