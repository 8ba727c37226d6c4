use proptest::prelude::*;

use super::*;

fn v6_udp() -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ipv6(
        "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets(),
        "2001:db8:2::2".parse::<Ipv6Addr>().unwrap().octets(),
        61,
    )
    .udp(5000, 53);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, b"query").unwrap();
    bytes
}

fn v4_icmp() -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ipv4([192, 0, 2, 1], [198, 51, 100, 9], 7)
        .icmpv4_echo_request(3, 4);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, b"ping").unwrap();
    bytes
}

fn prefix(address: &str, len: u8) -> Option<Prefix> {
    Some(Prefix {
        address: address.parse().unwrap(),
        len,
    })
}

#[test]
fn a_packet_in_one_line() {
    let check = |bytes: &[u8], line: &str| assert_eq!(Summary::of(bytes).to_string(), line);
    check(
        &v6_udp(),
        "2001:db8::1 > 2001:db8:2::2 udp 5000 > 53 hop limit 61",
    );
    check(
        &v4_icmp(),
        "192.0.2.1 > 198.51.100.9 icmp type 8 code 0 hop limit 7",
    );
    check(
        &v6_udp()[..41],
        "2001:db8::1 > 2001:db8:2::2 protocol 17 hop limit 61",
    );
    check(&v6_udp()[..39], "not IP");
    check(&[], "not IP");
    check(&[0, 1, 8, 0], "not IP");
}

#[test]
fn the_protocol_is_found_behind_extension_headers() {
    let mut bytes = v6_udp();
    bytes[6] = 0;
    bytes.splice(
        40..40,
        [
            60, 0, 1, 4, 0, 0, 0, 0, 17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
    );
    let summary = Summary::of(&bytes);
    assert_eq!(
        (summary.protocol, summary.ports),
        (Some(17), Some((5000, 53)))
    );
    // A later fragment: the protocol is known, the bytes behind it are data.
    let mut bytes = v6_udp();
    bytes[6] = 44;
    bytes.splice(40..40, [17, 0, 0, 8, 0, 0, 0, 1]);
    let summary = Summary::of(&bytes);
    assert_eq!((summary.protocol, summary.ports), (Some(17), None));
}

#[test]
fn every_condition_must_hold() {
    let summary = Summary::of(&v6_udp());
    let all = Filter {
        iface: Some(IfaceId(3)),
        src: prefix("2001:db8::", 64),
        dst: prefix("2001:db8:2::", 48),
        protocol: Some(17),
    };
    assert!(Filter::default().matches(IfaceId(1), &summary));
    assert!(all.matches(IfaceId(3), &summary));
    assert!(!all.matches(IfaceId(4), &summary));
    for wrong in [
        Filter {
            src: prefix("2001:db8:0:1::", 64),
            ..all
        },
        Filter {
            dst: prefix("2001:db8::", 48),
            ..all
        },
        Filter {
            dst: prefix("0.0.0.0", 0),
            ..all
        },
        Filter {
            protocol: Some(6),
            ..all
        },
    ] {
        assert!(!wrong.matches(IfaceId(3), &summary), "{wrong:?}");
    }
    let any_v4 = Filter {
        src: prefix("0.0.0.0", 0),
        ..Filter::default()
    };
    assert!(any_v4.matches(IfaceId(3), &Summary::of(&v4_icmp())));
    assert!(!any_v4.matches(IfaceId(3), &Summary::of(b"arp")));
}

proptest! {
    #[test]
    fn no_bytes_can_break_it(bytes in prop::collection::vec(any::<u8>(), 0..120), family in 0u8..16) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = family << 4 | *first & 0x0f;
        }
        let summary = Summary::of(&bytes);
        prop_assert_eq!(summary.addresses.is_some(), summary.protocol.is_some());
        prop_assert!(!summary.to_string().is_empty());
    }
}
