//! Packets as scapy writes them, all combinations of options, and what is refused.

use proptest::prelude::*;

use super::*;

/// Scapy: GRE(proto=0x86dd)/"payload".
const PLAIN: [u8; 11] = *b"\x00\x00\x86\xddpayload";

/// Scapy: GRE(proto=0x6558, key_present=1, key=0x12345607)/Ether(02:00:00:00:00:02 >
/// 02:00:00:00:00:01, type=0x9000).
const BRIDGED: [u8; 22] = [
    0x20, 0x00, 0x65, 0x58, 0x12, 0x34, 0x56, 0x07, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x90, 0,
];

/// Scapy: GRE(proto=0x0800, chksum_present=1)/"odd payload".
const WITH_CHECKSUM: [u8; 19] = *b"\x80\x00\x08\x00\xe7\x4a\x00\x00odd payload";

/// Scapy: GRE(proto=0x0800, chksum_present=1, key_present=1, key=0x01020304, seqnum_present=1,
/// sequence_number=9)/"payload".
const ALL_OPTIONS: [u8; 23] =
    *b"\xb0\x00\x08\x00\x86\xc0\x00\x00\x01\x02\x03\x04\x00\x00\x00\x09payload";

/// Reads a packet, writes its header again, and compares.
fn rewritten(bytes: &[u8]) -> GreHeader {
    let packet = GreHeader::parse(bytes).unwrap();
    let header = packet.header;
    assert_eq!(packet.verify_checksum([packet.payload]), Ok(()));
    let (built, len) = match header.checksum {
        Some(_) => header.with_checksum([packet.payload]),
        None => header,
    }
    .to_bytes();
    assert_eq!(built[..len], bytes[..len]);
    assert_eq!((len, packet.header_len()), (header.encoded_len(), len));
    assert_eq!(packet.payload, &bytes[len..]);
    header
}

#[test]
fn packets_of_scapy_both_ways() {
    assert_eq!(rewritten(&PLAIN), GreHeader::new(EtherType::IPV6));
    let bridged = rewritten(&BRIDGED);
    assert_eq!(bridged.protocol, EtherType::TRANSPARENT_BRIDGING);
    assert_eq!(bridged.key, Some(0x1234_5607));
    let with_checksum = rewritten(&WITH_CHECKSUM);
    assert_eq!(with_checksum.checksum, Some(0xe74a));
    assert_eq!(
        rewritten(&ALL_OPTIONS),
        GreHeader {
            protocol: EtherType::IPV4,
            checksum: Some(0x86c0),
            key: Some(0x0102_0304),
            sequence: Some(9),
        }
    );
}

#[test]
fn the_key_of_nvgre() {
    let (vsid, flow_id) = nvgre_ids(0x1234_5607);
    assert_eq!((vsid.get(), flow_id), (0x12_3456, 7));
    assert_eq!(nvgre_key(vsid, flow_id), 0x1234_5607);
}

#[test]
fn the_checksum_covers_header_and_payload_in_any_pieces() {
    let packet = GreHeader::parse(&ALL_OPTIONS).unwrap();
    for cut in 0..=packet.payload.len() {
        let (a, b) = packet.payload.split_at(cut);
        assert_eq!(packet.verify_checksum([a, b]), Ok(()), "cut at {cut}");
    }
    assert!(packet.verify_checksum([&packet.payload[1..]]).is_err());
    for at in 4..ALL_OPTIONS.len() {
        let mut bytes = ALL_OPTIONS;
        bytes[at] ^= 0x10;
        let packet = GreHeader::parse(&bytes).unwrap();
        let error = packet.verify_checksum([packet.payload]).unwrap_err();
        assert_eq!((error, error.class()), (GreError::Checksum, "checksum"));
    }
}

#[test]
fn reserved_bits_that_are_ignored_are_covered_by_the_checksum() {
    let mut bytes = WITH_CHECKSUM;
    bytes[1] = 0xf8;
    bytes[0] |= 0x03;
    bytes[7] = 5;
    let packet = GreHeader::parse(&bytes).unwrap();
    assert_eq!(packet.header.checksum, Some(0xe74a));
    assert!(packet.verify_checksum([packet.payload]).is_err());
    bytes[4..6].fill(0);
    let sum = crate::checksum::checksum(&bytes);
    bytes[4..6].copy_from_slice(&sum.to_be_bytes());
    let packet = GreHeader::parse(&bytes).unwrap();
    assert_eq!(packet.verify_checksum([packet.payload]), Ok(()));
}

#[test]
fn what_is_refused_has_a_name() {
    let refused = |bytes: &[u8], error: GreError, class| {
        assert_eq!(GreHeader::parse(bytes), Err(error));
        assert_eq!(error.class(), class);
    };
    // Scapy: GRE(routing_present=1, proto=0x0800)/"p", and the same of strict_route_source and
    // recursion_control=4.
    refused(b"\x40\x00\x08\x00\0\0\0\0p", GreError::Routing, "routing");
    let reserved = GreError::ReservedBit;
    refused(b"\x08\x00\x08\x00p", reserved(0x0800), "reserved_bit");
    refused(b"\x04\x00\x08\x00p", reserved(0x0400), "reserved_bit");
    // Scapy: GRE_PPTP(payload_len=3, call_id=5, seqnum_present=1, sequence_number=1)/"abc".
    let pptp = b"\x30\x01\x88\x0b\x00\x03\x00\x05\x00\x00\x00\x01abc";
    refused(pptp, GreError::Version(1), "version");
    refused(b"\x40\x07\x08\x00", GreError::Version(7), "version");
    for have in 0..16 {
        let need = if have < 4 { 4 } else { 16 };
        let error = GreError::Truncated { need, have };
        refused(&ALL_OPTIONS[..have], error, "truncated");
    }
    assert!(GreHeader::parse(&ALL_OPTIONS[..16]).is_ok());
}

#[test]
fn a_small_buffer_is_refused() {
    let header = GreHeader::parse(&ALL_OPTIONS).unwrap().header;
    let mut buf = [0xee; 17];
    let error = EmitError::NoRoom { need: 16, have: 15 };
    assert_eq!(header.write(&mut buf[..15]), Err(error));
    assert_eq!(header.write(&mut buf), Ok(16));
    assert_eq!(buf[..16], ALL_OPTIONS[..16]);
    assert_eq!(buf[16], 0xee);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        protocol in any::<u16>(),
        with_checksum in any::<bool>(),
        key in any::<Option<u32>>(),
        sequence in any::<Option<u32>>(),
        payload in prop::collection::vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(),
    ) {
        let protocol = EtherType(protocol);
        let mut header = GreHeader { key, sequence, ..GreHeader::new(protocol) };
        let (a, b) = payload.split_at(cut.index(payload.len() + 1));
        if with_checksum {
            header = header.with_checksum([a, b]);
        }
        let mut packet = vec![0xee; header.encoded_len()];
        prop_assert_eq!(header.write(&mut packet), Ok(packet.len()));
        packet.extend(&payload);
        let read = GreHeader::parse(&packet).unwrap();
        prop_assert_eq!((read.header, read.payload), (header, &payload[..]));
        prop_assert_eq!(read.verify_checksum([read.payload]), Ok(()));
        prop_assert!(!with_checksum || crate::checksum::is_valid(&packet));
    }
}
