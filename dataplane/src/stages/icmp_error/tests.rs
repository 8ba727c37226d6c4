//! Input: a packet from the host; output: the error that goes back to it, or none.

use etherparse::{Icmpv4Slice, Icmpv6Slice, Ipv4Header, Ipv6Header};
use tables::next_hop::NextHop;
use tables::next_hop::NextHopKind::{self, Blackhole, Prohibit, Unreachable};

use crate::drop::DropReason;
use crate::forwarding::{Rate, Urpf};
use crate::stages::testbed::*;

const FAR6: &str = "2001:db8:2::9";
const HOST6: &str = "2001:db8:1::10";
const FAR4: &str = "198.51.100.9";
const HOST4: &str = "192.0.2.10";

/// (type, code, word, quotation) of the ICMPv6 error in `packet`, its headers checked.
fn error6(packet: &[u8], source: &str, destination: &str) -> (u8, u8, u32, Vec<u8>) {
    assert!(packet.len() <= 1280);
    let (ip, rest) = Ipv6Header::from_slice(packet).unwrap();
    assert_eq!(
        (ip.source, ip.destination),
        (v6(source).octets(), v6(destination).octets())
    );
    assert_eq!(
        (usize::from(ip.payload_length), ip.hop_limit),
        (rest.len(), 64)
    );
    assert!(
        Icmpv6Slice::from_slice(rest)
            .unwrap()
            .is_checksum_valid(ip.source, ip.destination)
    );
    let word = u32::from_be_bytes([rest[4], rest[5], rest[6], rest[7]]);
    (rest[0], rest[1], word, rest[8..].to_vec())
}

/// As `error6`, from the LAN interface's address to the host.
fn error4(packet: &[u8]) -> (u8, u8, u32, Vec<u8>) {
    assert!(packet.len() <= 576);
    let (ip, rest) = Ipv4Header::from_slice(packet).unwrap();
    assert_eq!(
        (ip.source, ip.destination),
        ([192, 0, 2, 1], v4(HOST4).octets())
    );
    assert_eq!(ip.header_checksum, ip.calc_header_checksum());
    assert_eq!(usize::from(ip.total_len), packet.len());
    assert!(Icmpv4Slice::from_slice(rest).is_ok());
    assert_eq!(
        wire::checksum::checksum(rest),
        0,
        "the message sums to zero"
    );
    let word = u32::from_be_bytes([rest[4], rest[5], rest[6], rest[7]]);
    (rest[0], rest[1], word, rest[8..].to_vec())
}

#[test]
fn each_drop_is_answered_by_its_error() {
    let check = |kind: NextHopKind, hop_limit, reason6, code6, reason4, code4| {
        let mut bed = Testbed::new();
        if kind != NextHopKind::Forward {
            bed.route("2001:db8:2::", 64, NextHop::of_kind(kind));
            bed.route("198.51.100.0", 24, NextHop::of_kind(kind));
        }
        let packet = udp(HOST6, FAR6, hop_limit, 40);
        bed.hear_host(&packet);
        let (kind, code, word, quote) = error6(&bed.reply(), "2001:db8:1::1", HOST6);
        assert_eq!(((kind, code), word, quote), (code6, 0, packet));
        assert_eq!(bed.drops(), [(reason6, 1)]);
        let packet = udp(HOST4, FAR4, hop_limit, 40);
        bed.hear_host(&packet);
        let (kind, code, word, quote) = error4(&bed.reply());
        assert_eq!(((kind, code), word, quote), (code4, 0, packet));
        assert!(
            bed.drops()
                .contains(&(reason4, if reason4 == reason6 { 2 } else { 1 }))
        );
        assert_eq!(bed.w.counters.icmp_sent.get(), 2);
        assert_eq!(bed.w.counters.originated.get(), 2);
    };
    use DropReason as R;
    check(
        NextHopKind::NoRoute,
        64,
        R::Ip6NoRoute,
        (1, 0),
        R::Ip4NoRoute,
        (3, 0),
    );
    check(
        Unreachable,
        64,
        R::Unreachable,
        (1, 6),
        R::Unreachable,
        (3, 1),
    );
    check(Prohibit, 64, R::Prohibited, (1, 1), R::Prohibited, (3, 13));
    check(
        NextHopKind::Forward,
        1,
        R::Ip6HopLimit,
        (3, 0),
        R::Ip4TtlExceeded,
        (11, 0),
    );
}

#[test]
fn a_discard_route_is_silent() {
    let mut bed = Testbed::new();
    bed.route("2001:db8:2::", 64, NextHop::of_kind(Blackhole));
    bed.hear_host(&udp(HOST6, FAR6, 64, 40));
    bed.silent();
    assert_eq!(bed.drops(), [(DropReason::Blackhole, 1)]);
}

#[test]
fn too_big_tells_the_mtu_and_quotes_what_fits() {
    let mut bed = Testbed::new();
    let packet = udp(HOST6, FAR6, 64, 1400);
    bed.hear_host(&packet);
    let reply = bed.reply();
    let (kind, code, mtu, quote) = error6(&reply, "2001:db8:1::1", HOST6);
    assert_eq!((kind, code, mtu), (2, 0, u32::from(WAN_MTU)));
    assert_eq!((reply.len(), quote.as_slice()), (1280, &packet[..1232]));

    let mut packet = udp(HOST4, FAR4, 64, 1400);
    packet[6] = 0x40;
    let sum = etherparse::Ipv4HeaderSlice::from_slice(&packet)
        .unwrap()
        .to_header();
    packet[10..12].copy_from_slice(&sum.calc_header_checksum().to_be_bytes());
    bed.hear_host(&packet);
    let reply = bed.reply();
    let (kind, code, mtu, quote) = error4(&reply);
    assert_eq!((kind, code, mtu), (3, 4, u32::from(WAN_MTU)));
    assert_eq!((reply.len(), quote.as_slice()), (576, &packet[..548]));
}

#[test]
fn too_big_answers_a_packet_of_many_segments() {
    let mut bed = Testbed::new();
    let packet = udp(HOST6, FAR6, 64, 8000);
    let frame = framed(LAN_MAC, HOST_MAC, &packet);
    let segments: Vec<&[u8]> = frame.chunks(700).collect();
    bed.receive(LAN, &segments);
    let (kind, _, _, quote) = error6(&bed.reply(), "2001:db8:1::1", HOST6);
    assert_eq!((kind, quote.as_slice()), (2, &packet[..1232]));
}

#[test]
fn a_link_local_source_is_answered_on_its_link() {
    let mut bed = Testbed::new();
    let packet = udp("fe80::10", FAR6, 64, 40);
    bed.hear_host(&packet);
    // RFC 4443 section 3.1, code 2: beyond the scope of the source address.
    let (kind, code, _, quote) = error6(&bed.reply(), "fe80::1", "fe80::10");
    assert_eq!((kind, code, quote), (1, 2, packet));
}

#[test]
fn what_must_not_be_answered_is_not() {
    let check = |packet: Vec<u8>, to: [u8; 6], reason: DropReason| {
        let mut bed = Testbed::new();
        bed.receive(LAN, &[&framed(to, HOST_MAC, &packet)]);
        bed.silent();
        assert_eq!(bed.drops(), [(reason, 1)]);
        assert_eq!(bed.w.counters.icmp_sent.get(), 0);
    };
    use DropReason as R;
    // No route to any of these destinations: but for the rule, 1/0 or 3/0 would be due.
    let nowhere = "2001:db8:ffff::1";
    check(
        icmp6(HOST6, nowhere, 9, 3, &[0; 40]),
        LAN_MAC,
        R::Ip6NoRoute,
    );
    check(
        icmp6(HOST6, nowhere, 9, 2, &[0; 40]),
        LAN_MAC,
        R::Ip6NoRoute,
    );
    check(
        icmp6(HOST6, nowhere, 255, 137, &[0; 40]),
        LAN_MAC,
        R::Ip6NoRoute,
    );
    check(udp("::", nowhere, 9, 8), LAN_MAC, R::Ip6NoRoute);
    let mut error = udp(HOST4, "203.0.113.9", 9, 8);
    error[9] = 1;
    error[20] = 11;
    let mut later = udp(HOST4, "203.0.113.9", 9, 8);
    later[7] = 1;
    let seal = |mut packet: Vec<u8>| {
        packet[10..12].fill(0);
        let sum = wire::checksum::checksum(&packet[..20]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet
    };
    check(seal(error), LAN_MAC, R::Ip4NoRoute);
    check(seal(later), LAN_MAC, R::Ip4NoRoute);
    check(
        udp("192.0.2.255", "203.0.113.9", 9, 8),
        LAN_MAC,
        R::Ip4NoRoute,
    );
}

#[test]
fn an_echo_request_to_nowhere_is_answered() {
    let mut bed = Testbed::new();
    bed.hear_host(&echo(HOST6, "2001:db8:ffff::1", 8));
    assert_eq!(error6(&bed.reply(), "2001:db8:1::1", HOST6).0, 1);
}

#[test]
fn errors_are_limited_and_the_suppressed_are_counted() {
    let mut bed = Testbed::new();
    bed.configure(|forwarding| {
        forwarding.icmp.per_interface = Rate {
            per_second: 1000,
            burst: 100,
        };
        forwarding.icmp.per_destination = Rate {
            per_second: 10,
            burst: 3,
        };
    });
    for _ in 0..20 {
        bed.hear_host(&udp(HOST6, FAR6, 1, 8));
    }
    assert_eq!(bed.sent(LAN).len(), 3);
    assert_eq!(bed.w.counters.icmp_limited.get(), 17);
    bed.now += HZ / 5;
    for _ in 0..20 {
        bed.hear_host(&udp(HOST6, FAR6, 1, 8));
    }
    assert_eq!(bed.sent(LAN).len(), 2, "a fifth of a second earned two");
    assert_eq!(bed.drops(), [(DropReason::Ip6HopLimit, 40)]);
}

#[test]
fn without_an_address_to_speak_from_there_is_no_error() {
    let mut bed = Testbed::new();
    bed.configure_lan(|lan| (lan.icmp_source6, lan.icmp_source4) = (None, None));
    bed.hear_host(&udp(HOST6, FAR6, 1, 8));
    bed.hear_host(&udp(HOST4, FAR4, 1, 8));
    bed.silent();
}

#[test]
fn without_a_buffer_there_is_no_error() {
    let mut bed = Testbed::new();
    let frame = framed(LAN_MAC, HOST_MAC, &udp(HOST6, FAR6, 1, 8));
    let mut taken = Vec::new();
    while bed.arena.pool().available() > 1 {
        taken.push(bed.arena.packet(b"x"));
    }
    bed.receive(LAN, &[&frame]);
    bed.silent();
    assert_eq!(bed.w.counters.icmp_sent.get(), 0);
    taken.into_iter().for_each(dpdk::Mbuf::free);
}

#[test]
fn the_reverse_path_check_is_silent_towards_forged_sources() {
    let mut bed = Testbed::new();
    bed.configure_lan(|lan| lan.urpf6 = Urpf::Strict);
    bed.hear_host(&udp("2001:db8:2::77", FAR6, 9, 8));
    bed.silent();
    assert_eq!(bed.drops(), [(DropReason::Urpf, 1)]);
}

#[test]
fn an_error_for_an_unresolved_host_waits_for_it() {
    let mut bed = Testbed::new();
    // 2001:db8:1::77 is on the link, and nobody has resolved it.
    bed.hear_host(&udp("2001:db8:1::77", FAR6, 1, 8));
    bed.silent();
    assert_eq!(bed.w.hold.len(), 1);
    let id = bed.route("2001:db8:1::77", 128, host());
    assert_ne!(id.0, 0);
    bed.with(|cx, w| {
        let address = v6("2001:db8:1::77").octets();
        crate::stages::hold::release(cx, w, LAN_IFACE, address);
    });
    assert_eq!(error6(&bed.reply(), "2001:db8:1::1", "2001:db8:1::77").0, 3);
}
