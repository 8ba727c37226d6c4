//! Error packets byte by byte, and every packet that must not be answered.

use super::*;
use crate::checksum;

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn packet(source: Ipv4Addr, destination: Ipv4Addr, protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    let header = Ipv4Header::new(source, destination, protocol, 64, payload.len() as u16);
    [header.as_bytes(), payload].concat()
}

#[test]
fn a_long_packet_is_quoted_up_to_576_bytes() {
    let offending = packet(A, B, Protocol::UDP, &[0xab; 1480]);
    let mut buf = [0; 576];
    let message = ErrorMessage::FragmentationNeeded(1280);
    let len = write_error(
        &mut buf,
        message,
        Ipv4Addr::new(10, 0, 0, 9),
        A,
        64,
        &offending,
    )
    .unwrap();
    assert_eq!(len, 576);
    let error = Ipv4Header::parse(&buf).unwrap();
    error.verify_checksum().unwrap();
    assert_eq!((error.header.tos(), error.header.ttl()), (0xc0, 64));
    assert_eq!((error.payload[0], error.payload[1]), (3, 4));
    assert_eq!(error.payload[4..8], [0, 0, 0x05, 0x00]);
    assert_eq!(error.payload[8..], offending[..548]);
    assert!(checksum::is_valid(error.payload));
    assert!(write_error(&mut buf[..575], message, B, A, 64, &offending).is_err());
}

#[test]
fn type_code_and_field_of_each_error() {
    let cases = [
        (
            ErrorMessage::DestinationUnreachable(Unreachable::Net),
            (3, 0, 0),
        ),
        (
            ErrorMessage::DestinationUnreachable(Unreachable::Prohibited),
            (3, 13, 0),
        ),
        (ErrorMessage::FragmentationNeeded(1500), (3, 4, 1500)),
        (ErrorMessage::TtlExceeded, (11, 0, 0)),
        (ErrorMessage::ReassemblyTimeExceeded, (11, 1, 0)),
        (ErrorMessage::ParameterProblem(20), (12, 0, 20 << 24)),
        (ErrorMessage::RedirectHost(B), (5, 1, 0x0a00_0002)),
    ];
    for (message, fields) in cases {
        assert_eq!(message.fields(), fields);
        assert!(is_error(fields.0));
    }
}

#[test]
fn what_is_never_answered() {
    let udp = [0, 1, 0, 2, 0, 8, 0, 0];
    let from_to = |source: [u8; 4], destination: [u8; 4]| {
        packet(source.into(), destination.into(), Protocol::UDP, &udp)
    };
    let icmp = |message_type| packet(A, B, Protocol::ICMPV4, &[message_type, 0, 0, 0, 0, 0, 0, 0]);
    let fragment = |offset| {
        let header =
            Ipv4Header::new(A, B, Protocol::UDP, 64, 8).with_fragment(1, false, true, offset);
        [header.as_bytes(), &udp].concat()
    };
    let cases: [(&str, &[u8], Result<(), Silence>); 14] = [
        ("udp", &from_to([10, 0, 0, 1], [10, 0, 0, 2]), Ok(())),
        ("echo request", &icmp(8), Ok(())),
        ("first fragment", &fragment(0), Ok(())),
        ("later fragment", &fragment(8), Err(Silence::LaterFragment)),
        ("unreachable", &icmp(3), Err(Silence::IcmpError)),
        ("redirect", &icmp(5), Err(Silence::IcmpError)),
        ("time exceeded", &icmp(11), Err(Silence::IcmpError)),
        ("unknown type", &icmp(77), Err(Silence::IcmpError)),
        (
            "to a group",
            &from_to([10, 0, 0, 1], [224, 0, 0, 5]),
            Err(Silence::Multicast),
        ),
        (
            "to all",
            &from_to([10, 0, 0, 1], [255; 4]),
            Err(Silence::Multicast),
        ),
        (
            "from 0.0.0.0",
            &from_to([0; 4], [10, 0, 0, 2]),
            Err(Silence::SourceNotOneNode),
        ),
        (
            "from loopback",
            &from_to([127, 0, 0, 1], [10, 0, 0, 2]),
            Err(Silence::SourceNotOneNode),
        ),
        (
            "from a group",
            &from_to([224, 0, 0, 5], [10, 0, 0, 2]),
            Err(Silence::SourceNotOneNode),
        ),
        ("short", &[0x45; 19], Err(Silence::NotIpv4)),
    ];
    for (name, offending, wanted) in cases {
        assert_eq!(may_be_answered(offending, false), wanted, "{name}");
    }
    assert_eq!(may_be_answered(&fragment(0), true), Err(Silence::Multicast));
}

#[test]
fn echo_both_ways() {
    // Scapy: ICMP(type=8, id=77, seq=3)/"abcdefgh".
    let wanted = *b"\x08\x00\x66\x1a\x00\x4d\x00\x03abcdefgh";
    let echo = Echo {
        reply: false,
        identifier: 77,
        sequence: 3,
        data: b"abcdefgh",
    };
    assert_eq!(Echo::parse(&wanted), Ok(echo));
    let mut buf = [0xee; 36];
    assert_eq!(echo.write(&mut buf, A, B, 64), Ok(36));
    assert_eq!(buf[20..], wanted);
    let mut wrong = wanted;
    wrong[9] ^= 1;
    assert_eq!(
        Echo::parse(&wrong),
        Err(DecodeError::Checksum {
            header: Header::Icmpv4
        })
    );
    assert!(Echo::parse(&wanted[..7]).is_err());
}
