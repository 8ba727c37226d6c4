//! Input: a packet for the router; output: its answer, its punt class, or its drop reason.

use etherparse::{Icmpv4Slice, Icmpv6Slice, Ipv4Header, Ipv6Header};

use crate::drop::DropReason as R;
use crate::punt::PuntClass;
use crate::stages::testbed::*;

const OWN6: &str = "2001:db8:1::1";
const HOST6: &str = "2001:db8:1::10";
const OWN4: &str = "192.0.2.1";
const HOST4: &str = "192.0.2.10";
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

/// Checks an echo reply against its request: `at` is where the ICMPv6 message starts in the request.
fn check_reply6(reply: &[u8], request: &[u8], at: usize, from: &str, to: &str) {
    let (ip, rest) = Ipv6Header::from_slice(reply).unwrap();
    assert_eq!(
        (ip.source, ip.destination),
        (v6(from).octets(), v6(to).octets())
    );
    assert_eq!((ip.hop_limit, ip.next_header.0), (64, 58));
    assert_eq!(usize::from(ip.payload_length), rest.len());
    assert!(
        Icmpv6Slice::from_slice(rest)
            .unwrap()
            .is_checksum_valid(ip.source, ip.destination)
    );
    assert_eq!((rest[0], rest[1]), (129, 0));
    assert_eq!(
        rest[4..],
        request[at + 4..],
        "identifier, sequence number and data come back"
    );
}

fn check_reply4(reply: &[u8], request: &[u8], at: usize) {
    let (ip, rest) = Ipv4Header::from_slice(reply).unwrap();
    assert_eq!(
        (ip.source, ip.destination),
        (v4(OWN4).octets(), v4(HOST4).octets())
    );
    assert_eq!((ip.time_to_live, ip.header_len()), (64, 20));
    assert_eq!(ip.header_checksum, ip.calc_header_checksum());
    assert_eq!(usize::from(ip.total_len), reply.len());
    assert!(Icmpv4Slice::from_slice(rest).is_ok());
    assert_eq!(
        wire::checksum::checksum(rest),
        0,
        "the message sums to zero"
    );
    assert_eq!((rest[0], rest[1]), (0, 0));
    assert_eq!(rest[4..], request[at + 4..]);
}

/// Recomputes an IPv4 header's checksum after a change.
fn seal(mut packet: Vec<u8>) -> Vec<u8> {
    let len = usize::from(packet[0] & 0x0f) * 4;
    packet[10..12].fill(0);
    let sum = wire::checksum::checksum(&packet[..len]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

#[test]
fn echo_requests_of_every_size_are_answered_in_place() {
    for len in [0, 1, 2, 55, 56, 1001, 1400] {
        let mut bed = Testbed::new();
        let request = echo(HOST6, OWN6, len);
        bed.hear_host(&request);
        check_reply6(&bed.reply(), &request, 40, OWN6, HOST6);
        let request = echo(HOST4, OWN4, len);
        bed.hear_host(&request);
        check_reply4(&bed.reply(), &request, 20);
        assert_eq!(bed.w.counters.consumed.get(), 2);
        assert_eq!(bed.w.counters.originated.get(), 2);
        assert_eq!(bed.w.counters.echo_replies.get(), 2);
    }
}

#[test]
fn a_jumbo_echo_request_of_many_segments_is_answered_in_place() {
    let mut bed = Testbed::new();
    let wide = tables::next_hop::NextHop {
        mtu: 9000,
        ..host()
    };
    bed.route(HOST6, 128, wide);
    bed.route(HOST4, 32, wide);
    for split in [701, 1999] {
        let request = echo(HOST6, OWN6, 8900);
        let frame = framed(LAN_MAC, HOST_MAC, &request);
        bed.receive(LAN, &frame.chunks(split).collect::<Vec<_>>());
        check_reply6(&bed.reply(), &request, 40, OWN6, HOST6);
        let request = echo(HOST4, OWN4, 8901);
        let frame = framed(LAN_MAC, HOST_MAC, &request);
        bed.receive(LAN, &frame.chunks(split).collect::<Vec<_>>());
        check_reply4(&bed.reply(), &request, 20);
    }
}

#[test]
fn link_layer_padding_does_not_come_back() {
    let mut bed = Testbed::new();
    let request = echo(HOST4, OWN4, 3);
    bed.receive(LAN, &[&framed(LAN_MAC, HOST_MAC, &request), &[0xee; 15]]);
    check_reply4(&bed.reply(), &request, 20);
}

#[test]
fn a_link_local_echo_stays_on_the_link() {
    let mut bed = Testbed::new();
    for (from, to) in [
        ("fe80::10", "fe80::1"),
        (HOST6, "fe80::1"),
        ("fe80::10", OWN6),
    ] {
        let request = echo(from, to, 10);
        bed.hear_host(&request);
        check_reply6(&bed.reply(), &request, 40, to, from);
    }
    assert_eq!(bed.w.counters.interface(LAN_IFACE).tx6.get().packets, 3);
}

#[test]
fn a_reply_on_a_vlan_has_its_tag() {
    let mut bed = Testbed::new();
    bed.configure(|forwarding| {
        let tags = crate::forwarding::Tags::QinQ {
            outer: 10,
            inner: 20,
        };
        let iface = tables::id::IfaceId(3);
        let mut vlan =
            crate::forwarding::Interface::new(iface, LAN, tags, LAN_MAC, tables::id::VrfId(0));
        vlan.link_local = vec![v6("fe80::1")];
        forwarding.insert(vlan);
    });
    let request = echo("fe80::10", "fe80::1", 10);
    let tags = [0x88, 0xa8, 0, 10, 0x81, 0, 0, 20, 0x86, 0xdd];
    let frame = [&LAN_MAC[..], &HOST_MAC, &tags, &request].concat();
    bed.receive(LAN, &[&frame]);
    let sent = bed.sent(LAN);
    assert_eq!(sent.len(), 1, "{:?}", bed.drops());
    assert_eq!(sent[0][..22], [&HOST_MAC[..], &LAN_MAC, &tags].concat());
    check_reply6(&sent[0][22..], &request, 40, "fe80::1", "fe80::10");
}

#[test]
fn a_group_is_answered_from_an_own_address_if_that_is_wanted() {
    for (from, own) in [("fe80::10", "fe80::1"), (HOST6, OWN6)] {
        let mut bed = Testbed::new();
        let request = echo(from, "ff02::1", 10);
        let frame = framed(ALL_NODES_MAC, HOST_MAC, &request);
        bed.receive(LAN, &[&frame]);
        check_reply6(&bed.reply(), &request, 40, own, from);
        bed.configure_lan(|lan| lan.echo_multicast = false);
        bed.receive(LAN, &[&frame]);
        bed.silent();
        assert_eq!(bed.drops(), [(R::IcmpIgnored, 1)]);
    }
}

#[test]
fn extension_headers_and_options_are_not_repeated() {
    let mut bed = Testbed::new();
    let mut request = echo(HOST6, OWN6, 10);
    request[6] = 60;
    request[5] += 8;
    request.splice(40..40, [58, 0, 1, 4, 0, 0, 0, 0]);
    bed.hear_host(&request);
    check_reply6(&bed.reply(), &request, 48, OWN6, HOST6);

    let mut request = echo(HOST4, OWN4, 10);
    request[0] = 0x46;
    request[3] += 4;
    request.splice(20..20, [1, 1, 1, 0]);
    let request = seal(request);
    bed.hear_host(&request);
    check_reply4(&bed.reply(), &request, 24);
}

/// The one drop of a packet that is not answered.
#[track_caller]
fn dropped(packet: &[u8], reason: R) {
    let mut bed = Testbed::new();
    let group = if packet[0] >> 4 == 6 {
        packet[24] == 0xff
    } else {
        packet[16] >= 224
    };
    let to = if group { ALL_NODES_MAC } else { LAN_MAC };
    bed.receive(LAN, &[&framed(to, HOST_MAC, packet)]);
    bed.silent();
    assert_eq!(bed.punted(), []);
    assert_eq!(bed.drops(), [(reason, 1)]);
}

#[test]
fn broken_and_unwanted_icmp_is_dropped_by_name() {
    let mut bad_sum = echo(HOST6, OWN6, 10);
    bad_sum[45] ^= 1;
    dropped(&bad_sum, R::IcmpMalformed);
    let mut bad_sum = echo(HOST4, OWN4, 10);
    bad_sum[25] ^= 1;
    dropped(&bad_sum, R::IcmpMalformed);
    let mut short = echo(HOST4, OWN4, 0);
    short[3] -= 2;
    dropped(&seal(short), R::IcmpMalformed);
    // Errors, replies and types that nobody here waits for.
    for kind in [1, 2, 3, 4, 129, 200] {
        dropped(&icmp6(HOST6, OWN6, 64, kind, &[0; 12]), R::IcmpIgnored);
    }
    dropped(&echo("::", OWN6, 10), R::IcmpIgnored);
    dropped(&echo(HOST4, "224.0.0.1", 10), R::IcmpIgnored);
    dropped(&echo("0.0.0.0", OWN4, 10), R::IcmpIgnored);
}

#[test]
fn what_is_not_ours_is_dropped_by_name() {
    dropped(&echo(HOST6, "fe80::2", 10), R::Ip6DestinationLinkLocal);
    dropped(&echo(HOST6, "ff02::99", 10), R::Ip6NoGroup);
    dropped(&echo(HOST4, "224.0.0.99", 10), R::Ip4NoGroup);
    dropped(&udp("fe80::10", "ff02::1", 1, 10), R::NoListener);
    dropped(&udp(HOST4, "224.0.0.1", 1, 10), R::NoListener);
    dropped(&raw(HOST6, "ff02::1", 99, &[0; 20]), R::NoProtocol);
    dropped(&raw(HOST6, OWN6, 59, &[]), R::NoProtocol);
    dropped(&first_fragment6("ff02::1"), R::LocalFragment);
    dropped(&first_fragment4("224.0.0.1"), R::LocalFragment);
    let tcp = [
        0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0,
    ];
    dropped(&raw(HOST6, OWN6, 6, &tcp), R::NoListener);
    dropped(&raw(HOST4, OWN4, 6, &tcp), R::NoListener);
}

/// The first piece of an echo request.
fn first_fragment6(to: &str) -> Vec<u8> {
    let mut fragment = echo(HOST6, to, 8);
    fragment[6] = 44;
    fragment[5] += 8;
    fragment.splice(40..40, [58, 0, 0, 1, 0, 0, 0, 9]);
    fragment
}

fn first_fragment4(to: &str) -> Vec<u8> {
    let mut fragment = echo(HOST4, to, 8);
    fragment[6] = 0x20;
    seal(fragment)
}

#[test]
fn a_fragment_with_a_routing_header_is_refused_before_it_is_punted() {
    let mut routed = first_fragment6(OWN6);
    routed[6] = 43;
    routed[5] += 8;
    routed.splice(40..40, [44, 0, 4, 1, 0, 0, 0, 0]);
    assert_eq!(refused(&routed, R::Ip6RoutingHeader), (4, 0, 42));
}

#[test]
fn an_atomic_fragment_is_a_whole_packet() {
    let mut bed = Testbed::new();
    let mut request = echo(HOST6, OWN6, 10);
    request[6] = 44;
    request[5] += 8;
    request.splice(40..40, [58, 0, 0, 0, 0, 0, 0, 9]);
    bed.hear_host(&request);
    check_reply6(&bed.reply(), &request, 48, OWN6, HOST6);
}

/// The ICMP error (type, code, word) that answers a packet, sent from the address that was asked.
#[track_caller]
fn refused(packet: &[u8], reason: R) -> (u8, u8, u32) {
    let mut bed = Testbed::new();
    bed.hear_host(packet);
    let reply = bed.reply();
    assert_eq!(bed.drops(), [(reason, 1)]);
    let (at, quote) = if reply[0] >> 4 == 6 {
        assert_eq!(reply[8..24], packet[24..40]);
        (40, &reply[48..])
    } else {
        assert_eq!(reply[12..16], packet[16..20]);
        (20, &reply[28..])
    };
    assert_eq!(quote, packet);
    let word = [reply[at + 4], reply[at + 5], reply[at + 6], reply[at + 7]];
    (reply[at], reply[at + 1], u32::from_be_bytes(word))
}

#[test]
fn who_asks_for_a_closed_port_or_protocol_is_told() {
    assert_eq!(refused(&udp(HOST6, OWN6, 64, 10), R::NoListener), (1, 4, 0));
    assert_eq!(refused(&udp(HOST4, OWN4, 64, 10), R::NoListener), (3, 3, 0));
    assert_eq!(
        refused(&udp("fe80::10", "fe80::1", 64, 10), R::NoListener),
        (1, 4, 0)
    );
    // The pointer is to the next-header field that names the protocol.
    assert_eq!(
        refused(&raw(HOST6, OWN6, 99, &[0; 20]), R::NoProtocol),
        (4, 1, 6)
    );
    assert_eq!(
        refused(&raw(HOST4, OWN4, 99, &[0; 20]), R::NoProtocol),
        (3, 2, 0)
    );
    let mut behind = raw(HOST6, OWN6, 60, &[99, 0, 1, 4, 0, 0, 0, 0, 1, 2, 3, 4]);
    assert_eq!(refused(&behind, R::NoProtocol), (4, 1, 40));
    // A routing header with segments left: the pointer is to its type.
    behind = raw(
        HOST6,
        OWN6,
        43,
        &[17, 0, 4, 1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 8, 0, 0],
    );
    assert_eq!(refused(&behind, R::Ip6RoutingHeader), (4, 0, 42));
}

/// An echo request with one option of this type in a destination options header.
fn with_option(kind: u8, source: &str, destination: &str) -> Vec<u8> {
    let mut request = echo(source, destination, 10);
    request[6] = 60;
    request[5] += 8;
    request.splice(40..40, [58, 0, kind, 4, 0, 0, 0, 0]);
    request
}

#[test]
fn unknown_options_are_treated_as_their_types_say() {
    // RFC 8200 section 4.2: 00 passed over, 01 silence, 10 answered, 11 answered unless it went to a group.
    let mut bed = Testbed::new();
    let request = with_option(0x1e, HOST6, OWN6);
    bed.hear_host(&request);
    check_reply6(&bed.reply(), &request, 48, OWN6, HOST6);
    drop(bed);
    dropped(&with_option(0x5e, HOST6, OWN6), R::Ip6OptionUnknown);
    for kind in [0x9e, 0xde] {
        let request = with_option(kind, HOST6, OWN6);
        assert_eq!(refused(&request, R::Ip6OptionUnknown), (4, 2, 42));
    }
    dropped(&with_option(0xde, HOST6, "ff02::1"), R::Ip6OptionUnknown);
    let mut bed = Testbed::new();
    let request = with_option(0x9e, HOST6, "ff02::1");
    bed.receive(LAN, &[&framed(ALL_NODES_MAC, HOST_MAC, &request)]);
    let reply = bed.reply();
    assert_eq!((reply[40], reply[41], reply[47]), (4, 2, 42));
    assert_eq!(reply[8..24], v6(OWN6).octets());
}

#[test]
fn no_answer_comes_from_an_anycast_address() {
    const ANYCAST: &str = "2001:db8:1::";
    let mut bed = Testbed::new();
    bed.configure_lan(|lan| lan.anycast6 = vec![v6(ANYCAST)]);
    let own = tables::next_hop::NextHop {
        iface: LAN_IFACE,
        ..tables::next_hop::NextHop::of_kind(tables::next_hop::NextHopKind::Local)
    };
    bed.route(ANYCAST, 128, own);
    let mut request = echo(HOST6, ANYCAST, 10);
    bed.hear_host(&request);
    check_reply6(&bed.reply(), &request, 40, OWN6, HOST6);
    request = udp(HOST6, ANYCAST, 64, 10);
    bed.hear_host(&request);
    let error = bed.reply();
    assert_eq!((error[40], error[41]), (1, 4));
    assert_eq!(error[8..24], v6(OWN6).octets());
    assert_eq!(error[48..], request);
}

#[test]
fn protocols_of_the_control_plane_are_punted_by_class() {
    let check = |packet: &[u8], class: PuntClass| {
        let mut bed = Testbed::new();
        let frame = framed(LAN_MAC, HOST_MAC, packet);
        let group = if packet[0] >> 4 == 6 {
            packet[24] == 0xff
        } else {
            packet[16] >= 224
        };
        let frame = if group {
            framed(ALL_NODES_MAC, HOST_MAC, packet)
        } else {
            frame
        };
        bed.receive(LAN, &[&frame]);
        let punted = bed.punted();
        assert_eq!(punted.len(), 1, "{class}: {:?}", bed.drops());
        let (meta, bytes) = &punted[0];
        assert_eq!(
            (meta.class, meta.iface, meta.port, meta.l3_offset),
            (class, LAN_IFACE, LAN, 14)
        );
        assert_eq!(bytes, &frame);
        bed.silent();
    };
    use PuntClass as C;
    check(
        &icmp6("fe80::10", "ff02::1:ff00:1", 255, 135, &[0; 20]),
        C::Nd,
    );
    check(&icmp6("::", "ff02::1:ff00:1", 255, 135, &[0; 20]), C::Nd);
    check(&icmp6("fe80::10", "fe80::1", 255, 135, &[0; 20]), C::Nd);
    check(&icmp6(HOST6, OWN6, 255, 136, &[0; 20]), C::Nd);
    check(&icmp6("fe80::10", "ff02::2", 255, 133, &[0; 4]), C::Rs);
    check(&icmp6("fe80::10", "ff02::1", 255, 134, &[0; 12]), C::Ra);
    check(
        &icmp6("fe80::10", "fe80::1", 255, 137, &[0; 36]),
        C::Redirect,
    );
    check(&icmp6("fe80::10", "ff02::1", 1, 130, &[0; 20]), C::Mld);
    check(
        &raw(HOST4, "224.0.0.1", 2, &[0x11, 0, 0xee, 0xff, 0, 0, 0, 0]),
        C::Igmp,
    );
    let mut later = first_fragment6(OWN6);
    later[43] = 8;
    check(&later, C::Fragment);
    check(&first_fragment6(OWN6), C::Fragment);
    check(&first_fragment6("fe80::1"), C::Fragment);
    check(&first_fragment4(OWN4), C::Fragment);
    check(&raw("fe80::10", "ff02::5", 89, &[0; 24]), C::Local);
    check(&raw(HOST4, "224.0.0.5", 89, &[0; 24]), C::Local);
}

#[test]
fn listener_reports_with_a_router_alert_are_for_every_router() {
    let mut bed = Testbed::new();
    let mut report = icmp6("fe80::10", "ff02::1:2:3", 1, 131, &[0; 20]);
    report[6] = 0;
    report[5] += 8;
    report.splice(40..40, [58, 0, 5, 2, 0, 0, 1, 0]);
    bed.receive(LAN, &[&framed([0x33, 0x33, 0, 2, 0, 3], HOST_MAC, &report)]);
    assert_eq!(bed.punted_classes(), [PuntClass::Mld]);
}

#[test]
fn discovery_that_came_through_a_router_is_dropped() {
    for kind in [133, 134, 135, 136, 137] {
        dropped(
            &icmp6("fe80::10", "fe80::1", 254, kind, &[0; 36]),
            R::NdHopLimit,
        );
    }
}

#[test]
fn arp_is_punted() {
    let mut bed = Testbed::new();
    let mut frame = [&[0xff; 6][..], &HOST_MAC, &[8, 6]].concat();
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(HOST_MAC);
    frame.extend([192, 0, 2, 10, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
    bed.receive(LAN, &[&frame]);
    assert_eq!(bed.punted_classes(), [PuntClass::Arp]);
}

/// A VRRP advertisement, of which the packet path reads no more than where it stands.
fn vrrp(source: &str, destination: &str, hop_limit: u8) -> Vec<u8> {
    let mut packet = raw(source, destination, 112, &[0x31, 61, 100, 0, 0, 1, 0, 0]);
    if packet[0] >> 4 == 6 {
        packet[7] = hop_limit;
        return packet;
    }
    packet[8] = hop_limit;
    seal(packet)
}

#[test]
fn advertisements_of_virtual_routers_go_their_own_way_where_they_are_heard() {
    let hear = |packet: &[u8], heard: bool| {
        let mut bed = Testbed::new();
        bed.configure_lan(|lan| {
            if heard {
                lan.virtual_macs = Some(std::sync::Arc::default());
                lan.groups6.push(v6("ff02::12"));
                lan.groups4.push(v4("224.0.0.18"));
            }
        });
        let to = match packet[0] >> 4 {
            6 if packet[24] == 0xff => [0x33, 0x33, 0, 0, 0, 0x12],
            4 if packet[16] == 224 => [1, 0, 0x5e, 0, 0, 0x12],
            _ => LAN_MAC,
        };
        bed.receive(LAN, &[&framed(to, HOST_MAC, packet)]);
        let punted = bed.punted_classes();
        let drops: Vec<R> = bed.drops().into_iter().map(|(reason, _)| reason).collect();
        (punted, drops)
    };
    for (source, group, own) in [
        ("fe80::10", "ff02::12", "fe80::1"),
        (HOST4, "224.0.0.18", OWN4),
    ] {
        for to in [group, own] {
            let said = vrrp(source, to, 255);
            assert_eq!(hear(&said, true), (vec![PuntClass::Vrrp], vec![]), "{to}");
            let far = vrrp(source, to, 254);
            assert_eq!(hear(&far, true), (vec![], vec![R::VrrpHopLimit]), "{to}");
        }
        let (punted, drops) = hear(&vrrp(source, group, 255), false);
        assert_eq!((punted.len(), drops.len()), (0, 1), "nobody listens");
    }
}

#[test]
fn an_address_that_does_not_accept_is_found_and_nothing_else() {
    let mut bed = Testbed::new();
    bed.configure_lan(|lan| {
        lan.unaccepted = vec![v6(OWN6), v4(OWN4).to_ipv6_mapped()];
    });
    for packet in [
        echo(HOST6, OWN6, 10),
        echo(HOST4, OWN4, 10),
        udp(HOST6, OWN6, 64, 10),
        first_fragment6(OWN6),
    ] {
        bed.hear_host(&packet);
    }
    assert_eq!(bed.drops(), [(R::UnacceptedAddress, 4)]);
    bed.silent();
    assert_eq!(bed.punted_classes(), []);
    bed.hear_host(&icmp6(HOST6, OWN6, 255, 135, &[0; 20]));
    assert_eq!(bed.punted_classes(), [PuntClass::Nd]);
    // Another address of the same interface.
    bed.hear_host(&echo("fe80::10", "fe80::1", 10));
    assert_eq!(bed.w.counters.echo_replies.get(), 1);
}
