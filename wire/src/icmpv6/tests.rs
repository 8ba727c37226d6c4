//! Error packets byte by byte, and every packet that must not be answered.

use super::*;

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn packet(source: &str, destination: &str, next_header: Protocol, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u16;
    let header = Ipv6Header::new(&ip(source), &ip(destination), next_header, 64, len);
    [header.as_bytes(), payload].concat()
}

const ADDRESS: ErrorMessage = ErrorMessage::DestinationUnreachable(Unreachable::Address);

#[test]
fn time_exceeded_byte_by_byte() {
    // Scapy: IPv6(2001:db8::1 > 2001:db8::2)/ICMPv6TimeExceeded()/IPv6(same)/UDP().
    let offending = packet(
        "2001:db8::1",
        "2001:db8::2",
        Protocol::UDP,
        &[0x00, 0x35, 0x00, 0x35, 0x00, 0x08, 0xa3, 0xff],
    );
    let mut buf = [0xee; 1280];
    let (source, destination) = (ip("2001:db8::1"), ip("2001:db8::2"));
    let message = ErrorMessage::HopLimitExceeded;
    let len = write_error(&mut buf, message, &source, &destination, 64, &offending).unwrap();
    let (header, icmp) = Ipv6Header::parse(&buf[..len]).unwrap();
    assert_eq!(
        (header.hop_limit(), header.next_header()),
        (64, Protocol::ICMPV6)
    );
    assert_eq!(icmp[..8], [3, 0, 0x2f, 0xe9, 0, 0, 0, 0]);
    assert_eq!(icmp[8..], offending);
}

#[test]
fn a_long_packet_is_quoted_up_to_1280_bytes() {
    let offending = packet("2001:db8::1", "2001:db8::2", Protocol::UDP, &[0xab; 1460]);
    let mut buf = [0; 1280];
    let (source, destination) = (ip("2001:db8::9"), ip("2001:db8::1"));
    let message = ErrorMessage::PacketTooBig(1400);
    let len = write_error(&mut buf, message, &source, &destination, 255, &offending).unwrap();
    assert_eq!(len, 1280);
    let (_, icmp) = Ipv6Header::parse(&buf).unwrap();
    let (header, body) = Icmpv6Header::parse_verified(&source, &destination, icmp).unwrap();
    assert_eq!(
        (header.message_type(), header.code()),
        (message::PACKET_TOO_BIG, 0)
    );
    assert_eq!(body[..4], 1400u32.to_be_bytes());
    assert_eq!(body[4..], offending[..1232]);
    let no_room = EmitError::NoRoom {
        need: 1280,
        have: 1279,
    };
    let cut = write_error(
        &mut buf[..1279],
        message,
        &source,
        &destination,
        255,
        &offending,
    );
    assert_eq!(cut, Err(no_room));
}

#[test]
fn type_code_and_field_of_each_error() {
    let cases = [
        (
            ErrorMessage::DestinationUnreachable(Unreachable::NoRoute),
            (1, 0, 0),
        ),
        (
            ErrorMessage::DestinationUnreachable(Unreachable::RejectRoute),
            (1, 6, 0),
        ),
        (ErrorMessage::PacketTooBig(1280), (2, 0, 1280)),
        (ErrorMessage::HopLimitExceeded, (3, 0, 0)),
        (ErrorMessage::ReassemblyTimeExceeded, (3, 1, 0)),
        (ErrorMessage::ErroneousHeader(4), (4, 0, 4)),
        (ErrorMessage::UnrecognizedNextHeader(6), (4, 1, 6)),
        (ErrorMessage::UnrecognizedOption(42), (4, 2, 42)),
        (ErrorMessage::IncompleteHeaderChain(48), (4, 3, 48)),
    ];
    for (message, fields) in cases {
        assert_eq!(message.fields(), fields);
        assert!(is_error(fields.0));
    }
}

#[test]
fn what_is_never_answered() {
    let udp = [0, 1, 0, 2, 0, 8, 0, 0];
    let from_to =
        |source: &str, destination: &str| packet(source, destination, Protocol::UDP, &udp);
    let icmp = |message_type: u8| {
        packet(
            "2001:db8::1",
            "2001:db8::2",
            Protocol::ICMPV6,
            &[message_type, 0, 0, 0, 0, 0, 0, 0],
        )
    };
    let behind_options = {
        let payload = [58, 0, 1, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        packet(
            "2001:db8::1",
            "2001:db8::2",
            Protocol::DESTINATION_OPTIONS,
            &payload,
        )
    };
    let later = {
        let payload = [17, 0, 0, 0x18, 0, 0, 0, 5, 1, 2, 3, 4];
        packet("2001:db8::1", "2001:db8::2", Protocol::FRAGMENT, &payload)
    };
    let multicast = from_to("2001:db8::1", "ff0e::1");
    let cases: [(&str, &[u8], Result<(), Silence>); 13] = [
        ("udp", &from_to("2001:db8::1", "2001:db8::2"), Ok(())),
        ("echo request", &icmp(128), Ok(())),
        ("echo reply", &icmp(129), Ok(())),
        ("error", &icmp(1), Err(Silence::IcmpError)),
        ("unknown error", &icmp(127), Err(Silence::IcmpError)),
        (
            "error behind options",
            &behind_options,
            Err(Silence::IcmpError),
        ),
        ("redirect", &icmp(137), Err(Silence::Redirect)),
        ("multicast", &multicast, Err(Silence::Multicast)),
        (
            "from ::",
            &from_to("::", "2001:db8::2"),
            Err(Silence::SourceNotOneNode),
        ),
        (
            "from a group",
            &from_to("ff02::1", "2001:db8::2"),
            Err(Silence::SourceNotOneNode),
        ),
        (
            "from ::1",
            &from_to("::1", "2001:db8::2"),
            Err(Silence::SourceNotOneNode),
        ),
        ("later fragment", &later, Err(Silence::LaterFragment)),
        ("short", &[0x60; 39], Err(Silence::NotIpv6)),
    ];
    for (name, offending, wanted) in cases {
        assert_eq!(may_be_answered(offending, ADDRESS, false), wanted, "{name}");
    }
    // RFC 4443 section 2.4(e.3): two errors do answer groups.
    assert_eq!(
        may_be_answered(&multicast, ErrorMessage::PacketTooBig(1280), false),
        Ok(())
    );
    assert_eq!(
        may_be_answered(&multicast, ErrorMessage::UnrecognizedOption(42), false),
        Ok(())
    );
    let unicast = from_to("2001:db8::1", "2001:db8::2");
    assert_eq!(
        may_be_answered(&unicast, ADDRESS, true),
        Err(Silence::Multicast)
    );
    assert_eq!(
        may_be_answered(&later, ErrorMessage::PacketTooBig(1280), false),
        Ok(())
    );
}

#[test]
fn echo_both_ways() {
    // Scapy: IPv6(2001:db8::1 > 2001:db8::2, hlim=64)/ICMPv6EchoRequest(id=77, seq=3,
    // data="abcdefgh").
    let wanted = *b"\x80\x00\x92\x5a\x00\x4d\x00\x03abcdefgh";
    let echo = Echo {
        reply: false,
        identifier: 77,
        sequence: 3,
        data: b"abcdefgh",
    };
    assert_eq!(Echo::parse(&wanted), Ok(echo));
    let mut buf = [0xee; 56];
    let len = echo
        .write(&mut buf, &ip("2001:db8::1"), &ip("2001:db8::2"), 64)
        .unwrap();
    assert_eq!((len, &buf[40..]), (56, &wanted[..]));
    assert!(Echo::parse(&wanted[..7]).is_err());
    assert!(Echo::parse(&[130, 0, 0, 0, 0, 0, 0, 0]).is_err());
}

#[test]
fn a_wrong_checksum_is_seen() {
    let (a, b) = (ip("2001:db8::1"), ip("2001:db8::2"));
    let mut bytes = *b"\x80\x00\x92\x5a\x00\x4d\x00\x03abcdefgh";
    assert!(Icmpv6Header::parse_verified(&a, &b, &bytes).is_ok());
    bytes[9] ^= 1;
    let wrong = Err(DecodeError::Checksum {
        header: Header::Icmpv6,
    });
    assert_eq!(Icmpv6Header::parse_verified(&a, &b, &bytes), wrong);
}
