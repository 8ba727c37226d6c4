//! Each rule with the packet it is about; etherparse reads what we write.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::PacketBuilder;
use tables::id::IfaceId;
use tables::policer::Rate;

use super::limit::{ErrorLimiter, Rates};
use super::message::*;
use super::permit::{Arrival, Silence};
use super::*;

fn v6(address: &str) -> Ipv6Addr {
    address.parse().unwrap()
}

/// A UDP packet of 40 + 8 + 16 bytes.
fn udp_v6(source: &str, destination: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6(v6(source).octets(), v6(destination).octets(), 5)
        .udp(1024, 33434)
        .write(&mut bytes, &[0x55; 16])
        .unwrap();
    bytes
}

fn icmp_v6(kind: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6(v6("2001:db8::1").octets(), v6("2001:db8:9::9").octets(), 5)
        .icmpv6_raw(kind, 0, [0; 4])
        .write(&mut bytes, &[0; 8])
        .unwrap();
    bytes
}

fn udp_v4(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(source, destination, 5)
        .udp(1024, 33434)
        .write(&mut bytes, &[0x55; 16])
        .unwrap();
    bytes
}

fn icmp_v4(kind: u8) -> Vec<u8> {
    let mut bytes = udp_v4(HOST, FAR);
    bytes[9] = PROTOCOL_ICMP;
    bytes[20] = kind;
    bytes
}

const HOST: [u8; 4] = [192, 0, 2, 1];
const FAR: [u8; 4] = [198, 51, 100, 9];
const TOO_BIG: Cause = Cause::TooBig { mtu: 1400 };
const OPTION_10: Cause = Cause::Option {
    pointer: 42,
    even_multicast: true,
};
const OPTION_11: Cause = Cause::Option {
    pointer: 42,
    even_multicast: false,
};

fn insert_v6(mut packet: Vec<u8>, protocol: u8, header: [u8; 8]) -> Vec<u8> {
    packet[6] = protocol;
    packet.splice(40..40, header);
    packet
}

#[test]
fn codes_of_rfc_4443() {
    let check = |cause: Cause, kind, code, word| {
        assert_eq!(cause.v6(), Code { kind, code, word }, "{cause:?}");
    };
    check(Cause::NoRoute, 1, 0, 0);
    check(Cause::Prohibited, 1, 1, 0);
    check(Cause::BeyondScope, 1, 2, 0);
    check(Cause::AddressUnreachable, 1, 3, 0);
    check(Cause::PortUnreachable, 1, 4, 0);
    check(Cause::SourcePolicy, 1, 5, 0);
    check(Cause::RejectRoute, 1, 6, 0);
    check(TOO_BIG, 2, 0, 1400);
    check(Cause::HopLimit, 3, 0, 0);
    check(Cause::Field { pointer: 4 }, 4, 0, 4);
    check(Cause::NextHeader { pointer: 6 }, 4, 1, 6);
    check(Cause::ProtocolUnreachable { pointer: 6 }, 4, 1, 6);
    check(OPTION_11, 4, 2, 42);
    check(Cause::HeaderChain, 4, 3, 0);
}

#[test]
fn codes_of_rfc_792_and_1812() {
    let check = |cause: Cause, kind, code, word| {
        assert_eq!(cause.v4(), Some(Code { kind, code, word }), "{cause:?}");
    };
    check(Cause::NoRoute, 3, 0, 0);
    check(Cause::AddressUnreachable, 3, 1, 0);
    check(Cause::RejectRoute, 3, 1, 0);
    check(Cause::ProtocolUnreachable { pointer: 9 }, 3, 2, 0);
    check(Cause::PortUnreachable, 3, 3, 0);
    check(TOO_BIG, 3, 4, 1400);
    check(Cause::TooBig { mtu: 70_000 }, 3, 4, 0xffff);
    check(Cause::Prohibited, 3, 13, 0);
    check(Cause::HopLimit, 11, 0, 0);
    check(Cause::Field { pointer: 20 }, 12, 0, 20 << 24);
    assert_eq!(Cause::BeyondScope.v4(), None);
    assert_eq!(Cause::HeaderChain.v4(), None);
}

#[test]
fn rfc_4443_2_4_e_must_not() {
    let check = |packet: &[u8], cause, arrival, verdict| {
        assert_eq!(
            permit::v6(packet, cause, arrival),
            verdict,
            "{cause:?} {arrival:?}"
        );
    };
    let plain = udp_v6("2001:db8::1", "2001:db8:9::9");
    let here = Arrival::default();
    check(&plain, Cause::NoRoute, here, Ok(()));
    check(&plain[..39], Cause::NoRoute, here, Err(Silence::Malformed));

    // e.1, e.2: errors and redirects; informational messages and unknown ones above 127 may be answered.
    for kind in [0, 1, 2, 3, 4, 127, 137] {
        check(
            &icmp_v6(kind),
            Cause::NoRoute,
            here,
            Err(Silence::AboutError),
        );
        check(&icmp_v6(kind), TOO_BIG, here, Err(Silence::AboutError));
    }
    for kind in [128, 129, 135, 136, 255] {
        check(&icmp_v6(kind), Cause::NoRoute, here, Ok(()));
    }
    // The same error behind extension headers, an authentication header among them.
    let hidden = insert_v6(icmp_v6(3), 60, [58, 0, 1, 4, 0, 0, 0, 0]);
    check(&hidden, Cause::HopLimit, here, Err(Silence::AboutError));
    let hidden = insert_v6(icmp_v6(3), 44, [58, 0, 0, 1, 0, 0, 0, 1]);
    check(&hidden, Cause::HopLimit, here, Err(Silence::AboutError));
    let hidden = insert_v6(icmp_v6(3), 51, [58, 0, 0, 0, 0, 0, 0, 1]);
    check(&hidden, Cause::HopLimit, here, Err(Silence::AboutError));
    // A later fragment is data, whatever its first byte.
    let later = insert_v6(icmp_v6(3), 44, [58, 0, 1, 0, 0, 0, 0, 1]);
    check(&later, TOO_BIG, here, Ok(()));
    // A chain cut off cannot be judged, but for the errors that are about just that.
    let cut = &insert_v6(plain.clone(), 60, [17, 9, 1, 4, 0, 0, 0, 0])[..44];
    check(cut, Cause::NoRoute, here, Err(Silence::Malformed));
    check(cut, Cause::HeaderChain, here, Ok(()));
    check(
        &icmp_v6(3)[..40],
        Cause::NoRoute,
        here,
        Err(Silence::Malformed),
    );

    // e.3 to e.5: groups, with their two exceptions.
    let group = udp_v6("2001:db8::1", "ff0e::1");
    check(&group, Cause::NoRoute, here, Err(Silence::GroupDestination));
    check(
        &group,
        Cause::HopLimit,
        here,
        Err(Silence::GroupDestination),
    );
    check(&group, OPTION_11, here, Err(Silence::GroupDestination));
    check(&group, TOO_BIG, here, Ok(()));
    check(&group, OPTION_10, here, Ok(()));
    let link_group = Arrival {
        link_group: true,
        ..here
    };
    check(&plain, Cause::NoRoute, link_group, Err(Silence::LinkGroup));
    check(&plain, TOO_BIG, link_group, Ok(()));
    check(&plain, OPTION_10, link_group, Ok(()));

    // e.6: sources that are not a node.
    for source in ["::", "::1", "ff02::1", "ff0e::1"] {
        let packet = udp_v6(source, "2001:db8:9::9");
        check(&packet, TOO_BIG, here, Err(Silence::Source));
    }
    let anycast = Arrival {
        source_not_unique: true,
        ..here
    };
    check(&plain, TOO_BIG, anycast, Err(Silence::Source));
}

#[test]
fn rfc_1812_4_3_2_7_must_not() {
    let check = |packet: &[u8], cause, arrival, verdict| {
        assert_eq!(
            permit::v4(packet, cause, arrival),
            verdict,
            "{cause:?} {arrival:?}"
        );
    };
    let plain = udp_v4(HOST, FAR);
    let here = Arrival::default();
    check(&plain, Cause::HopLimit, here, Ok(()));
    check(&plain[..19], Cause::HopLimit, here, Err(Silence::Malformed));
    check(&[], Cause::HopLimit, here, Err(Silence::Malformed));
    check(&[0x44; 20], Cause::HopLimit, here, Err(Silence::Malformed));
    check(&plain, Cause::BeyondScope, here, Err(Silence::NoMessage));
    for kind in [3, 4, 5, 11, 12, 42] {
        check(
            &icmp_v4(kind),
            Cause::HopLimit,
            here,
            Err(Silence::AboutError),
        );
    }
    for kind in [0, 8, 13, 17] {
        check(&icmp_v4(kind), Cause::HopLimit, here, Ok(()));
    }
    check(
        &icmp_v4(3)[..20],
        Cause::HopLimit,
        here,
        Err(Silence::Malformed),
    );
    for source in [
        [0, 0, 0, 0],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [240, 1, 1, 1],
        [255; 4],
    ] {
        check(
            &udp_v4(source, FAR),
            Cause::HopLimit,
            here,
            Err(Silence::Source),
        );
    }
    for destination in [[224, 0, 0, 5], [239, 1, 1, 1], [255; 4]] {
        let packet = udp_v4(HOST, destination);
        check(
            &packet,
            Cause::HopLimit,
            here,
            Err(Silence::GroupDestination),
        );
        check(&packet, TOO_BIG, here, Err(Silence::GroupDestination));
    }
    let broadcast = Arrival {
        directed_broadcast: true,
        ..here
    };
    check(
        &plain,
        Cause::HopLimit,
        broadcast,
        Err(Silence::GroupDestination),
    );
    let link_group = Arrival {
        link_group: true,
        ..here
    };
    check(&plain, Cause::HopLimit, link_group, Err(Silence::LinkGroup));
    let mut fragment = plain.clone();
    fragment[7] = 1;
    check(
        &fragment,
        Cause::HopLimit,
        here,
        Err(Silence::LaterFragment),
    );
    fragment[6..8].copy_from_slice(&[0x20, 0]);
    check(&fragment, Cause::HopLimit, here, Ok(()));
}

#[test]
fn an_error_speaks_from_the_fitting_scope() {
    let own = ["fe80::1", "fd00:1::1", "2001:db8:a::1", "2001:db8:b::1"].map(v6);
    let check = |peer: &str, expected: &str| {
        assert_eq!(source::v6(v6(peer), own), Some(v6(expected)), "{peer}");
    };
    check("fe80::99", "fe80::1");
    check("2001:db8:b:7::1", "2001:db8:b::1");
    check("2001:db8:a:7::1", "2001:db8:a::1");
    check("2a00::1", "2001:db8:a::1");
    check("fd00:9::1", "fd00:1::1");
    // A link-local address cannot answer a wider scope, nor the other way round.
    assert_eq!(source::v6(v6("2001:db8::1"), [v6("fe80::1")]), None);
    assert_eq!(source::v6(v6("fe80::99"), [v6("2001:db8::1")]), None);
    // Any realm is better than none.
    assert_eq!(
        source::v6(v6("2001:db8::1"), [v6("fd00::1")]),
        Some(v6("fd00::1"))
    );
    let own = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(192, 0, 2, 254)];
    assert_eq!(source::v4(HOST.into(), own), Some(own[1]));
    assert_eq!(source::v4([10, 9, 9, 9].into(), own), Some(own[0]));
    assert_eq!(source::v4(HOST.into(), [Ipv4Addr::LOCALHOST]), None);
}

#[test]
fn an_icmpv6_error_as_etherparse_reads_it() {
    for len in [0, 1, 63, 64, 1231, 1232, 1233, 9000] {
        let offender = vec![0xa5; len];
        let quote = &offender[..quote_v6(len)];
        let (source, host) = (v6("2001:db8::fe"), v6("2001:db8:1::1"));
        let mut bytes = error_v6(TOO_BIG.v6(), source, host, quote).to_vec();
        bytes.extend_from_slice(quote);
        assert!(bytes.len() <= 1280);
        assert_eq!(quote.len(), len.min(1232));
        let (header, rest) = etherparse::Ipv6Header::from_slice(&bytes).unwrap();
        assert_eq!(usize::from(header.payload_length), rest.len());
        assert_eq!(
            (header.source, header.destination),
            (source.octets(), host.octets())
        );
        assert_eq!((header.hop_limit, header.next_header.0), (64, 58));
        let message = etherparse::Icmpv6Slice::from_slice(rest).unwrap();
        assert!(message.is_checksum_valid(header.source, header.destination));
        assert_eq!(
            message.icmp_type(),
            etherparse::Icmpv6Type::PacketTooBig { mtu: 1400 }
        );
        assert_eq!(message.payload(), quote);
    }
}

#[test]
fn an_icmp_error_as_etherparse_reads_it() {
    for len in [0, 1, 28, 547, 548, 549, 1500] {
        let offender = vec![0x5a; len];
        let quote = &offender[..quote_v4(len)];
        let source = Ipv4Addr::new(192, 0, 2, 254);
        let code = TOO_BIG.v4().unwrap();
        let mut bytes = error_v4(code, source, HOST.into(), quote).to_vec();
        bytes.extend_from_slice(quote);
        assert!(bytes.len() <= 576);
        assert_eq!(quote.len(), len.min(548));
        let (header, rest) = etherparse::Ipv4Header::from_slice(&bytes).unwrap();
        assert_eq!(header.header_checksum, header.calc_header_checksum());
        assert_eq!(usize::from(header.total_len), bytes.len());
        assert_eq!((header.source, header.destination), (source.octets(), HOST));
        assert_eq!((header.time_to_live, header.protocol.0), (64, 1));
        let message = etherparse::Icmpv4Slice::from_slice(rest).unwrap();
        let etherparse::Icmpv4Type::DestinationUnreachable(kind) = message.icmp_type() else {
            panic!("{:?}", message.icmp_type());
        };
        let mtu =
            etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1400 };
        assert_eq!(kind, mtu);
        let sum = etherparse::checksum::Sum16BitWords::new()
            .add_slice(rest)
            .ones_complement();
        assert_eq!(
            sum, 0,
            "the message sums to zero with its checksum in place"
        );
    }
}

#[test]
fn a_redirect_holds_target_destination_mac_and_the_packet() {
    let packet = udp_v6("2001:db8::1", "2001:db8:9::9");
    let redirect = RedirectV6 {
        source: v6("fe80::1"),
        host: v6("2001:db8::1"),
        target: v6("fe80::2"),
        target_mac: [2, 0, 0, 0, 0, 7],
        destination: v6("2001:db8:9::9"),
    };
    for len in [packet.len(), 2000] {
        let mut offender = packet.clone();
        offender.resize(len, 0);
        let quote = &offender[..quote_redirect_v6(len)];
        let mut bytes = redirect_v6(&redirect, quote).to_vec();
        bytes.extend_from_slice(quote);
        assert!(bytes.len() <= 1280);
        let (header, rest) = etherparse::Ipv6Header::from_slice(&bytes).unwrap();
        assert_eq!(header.hop_limit, 255);
        assert_eq!(usize::from(header.payload_length), rest.len());
        let message = etherparse::Icmpv6Slice::from_slice(rest).unwrap();
        assert!(message.is_checksum_valid(header.source, header.destination));
        assert_eq!((rest[0], rest[1]), (137, 0));
        assert_eq!(rest[8..24], redirect.target.octets());
        assert_eq!(rest[24..40], redirect.destination.octets());
        assert_eq!(rest[40..48], [2, 1, 2, 0, 0, 0, 0, 7]);
        assert_eq!((rest[48], usize::from(rest[49]) * 8), (4, rest.len() - 48));
        assert_eq!(&rest[56..], quote);
    }
    assert_eq!(
        redirect_v4(Ipv4Addr::new(192, 0, 2, 2)),
        Code {
            kind: 5,
            code: 1,
            word: 0xc000_0202
        }
    );
}

const HZ: u64 = 1_000_000;

fn rates(interface: (u32, u32), destination: (u32, u32)) -> Rates {
    Rates {
        per_interface: Rate::new(interface.0, interface.1, HZ),
        per_destination: Rate::new(destination.0, destination.1, HZ),
    }
}

#[test]
fn a_bucket_gives_its_burst_then_its_rate() {
    let mut limiter = ErrorLimiter::new(4, 7);
    let rates = rates((1_000_000, 1000), (10, 5));
    let host = v6("2001:db8::1").into();
    let mut sent = |at: u64, tries: usize| {
        (0..tries)
            .filter(|_| limiter.allow(&rates, IfaceId(1), host, at))
            .count()
    };
    assert_eq!(sent(HZ, 20), 5);
    assert_eq!(sent(HZ + HZ / 10, 20), 1);
    assert_eq!(sent(HZ + HZ / 10 + 1, 20), 0);
    assert_eq!(sent(HZ + HZ / 2, 20), 4);
    assert_eq!(
        sent(20 * HZ, 20),
        5,
        "a long silence earns no more than the burst"
    );
}

#[test]
fn a_scan_of_one_interface_leaves_the_other_its_errors() {
    let mut limiter = ErrorLimiter::new(4, 7);
    let rates = rates((10, 3), (10, 2));
    let to = |n: u16| v6(&format!("2001:db8:{n:x}::1")).into();
    let sent = (0..100)
        .filter(|&n| limiter.allow(&rates, IfaceId(1), to(n), HZ))
        .count();
    assert_eq!(sent, 3);
    assert!(limiter.allow(&rates, IfaceId(2), to(500), HZ));
    // Addresses of one /64 share their bucket; the refusals above cost no destination its tokens.
    let mut limiter = ErrorLimiter::new(4, 7);
    let host = |n: u16| v6(&format!("2001:db8::{n:x}")).into();
    let sent = (0..10)
        .filter(|&n| limiter.allow(&rates, IfaceId(1), host(n), HZ))
        .count();
    assert_eq!(sent, 2);
}

#[test]
fn a_rate_of_zero_is_silence() {
    let mut limiter = ErrorLimiter::new(1, 7);
    let rates = rates((0, 0), (10, 10));
    let host = Ipv4Addr::from(HOST).into();
    assert!(!limiter.allow(&rates, IfaceId(0), host, 0));
    assert!(!limiter.allow(&rates, IfaceId(9), host, u64::MAX / 2));
}
