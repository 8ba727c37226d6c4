use tables::next_hop::{NextHop, NextHopKind};

use super::{expire, fail, release};
use crate::drop::DropReason;
use crate::punt::PuntClass;
use crate::stages::testbed::*;

const FAR6: &str = "2001:db8:2::9";
const UNKNOWN: &str = "2001:db8:1::99";

/// A packet from the WAN's side for a host on the LAN.
fn from_peer(bed: &mut Testbed, packet: &[u8]) {
    bed.receive(WAN, &[&framed(WAN_MAC, PEER_MAC, packet)]);
}

#[test]
fn packets_wait_for_one_request_and_leave_in_order() {
    let mut bed = Testbed::new();
    for len in [1, 2, 3] {
        from_peer(&mut bed, &udp(FAR6, UNKNOWN, 64, len));
    }
    bed.silent();
    assert_eq!((bed.w.hold.len(), bed.w.counters.held.get()), (3, 3));
    let requests = bed.punted();
    assert_eq!(requests.len(), 1, "one request for three packets");
    let (meta, bytes) = &requests[0];
    assert_eq!((meta.class, meta.iface), (PuntClass::Resolve, LAN_IFACE));
    assert_eq!(meta.address, v6(UNKNOWN).octets());
    assert!(bytes.is_empty());
    assert_eq!(bed.w.counters.resolve_requests.get(), 1);

    bed.route(UNKNOWN, 128, host());
    bed.with(|cx, w| release(cx, w, LAN_IFACE, v6(UNKNOWN).octets()));
    let frames = bed.sent(LAN);
    let lengths: Vec<usize> = frames.iter().map(|frame| frame.len() - 14 - 48).collect();
    assert_eq!(lengths, [1, 2, 3]);
    for frame in &frames {
        assert_eq!((&frame[..6], &frame[6..12]), (&HOST_MAC[..], &LAN_MAC[..]));
        assert_eq!(frame[14 + 7], 63, "the hop limit went down once");
    }
    assert_eq!(bed.w.counters.held.get(), 0);
}

#[test]
fn ipv4_waits_under_its_mapped_address() {
    let mut bed = Testbed::new();
    from_peer(&mut bed, &udp("198.51.100.9", "192.0.2.99", 64, 5));
    let address = v4("192.0.2.99").to_ipv6_mapped().octets();
    assert_eq!(bed.punted()[0].0.address, address);
    bed.route("192.0.2.99", 32, host());
    bed.with(|cx, w| release(cx, w, LAN_IFACE, address));
    assert_eq!(bed.sent(LAN).len(), 1);
}

#[test]
fn a_gateway_is_resolved_for_all_its_destinations() {
    let mut bed = Testbed::new();
    let gateway = v6("fe80::20").octets();
    let incomplete = NextHop {
        gateway,
        iface: WAN_IFACE,
        mtu: WAN_MTU,
        ..NextHop::of_kind(NextHopKind::Incomplete)
    };
    let id = bed.route("2001:db8:3::", 64, incomplete);
    bed.hear_host(&udp("2001:db8:1::10", "2001:db8:3::1", 64, 1));
    bed.hear_host(&udp("2001:db8:1::10", "2001:db8:3::2", 64, 2));
    let requests = bed.punted();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].0.class, PuntClass::ResolveGateway);
    assert_eq!(
        (requests[0].0.iface, requests[0].0.address),
        (WAN_IFACE, gateway)
    );
    bed.change(id, peer());
    bed.with(|cx, w| release(cx, w, WAN_IFACE, gateway));
    assert_eq!(bed.sent(WAN).len(), 2);
}

#[test]
fn a_neighbour_that_does_not_answer_is_answered_for() {
    let mut bed = Testbed::new();
    let packet = udp("2001:db8:1::10", "2001:db8:1::99", 64, 10);
    bed.hear_host(&packet);
    bed.with(|cx, w| fail(cx, w, LAN_IFACE, v6(UNKNOWN).octets()));
    let reply = bed.reply();
    assert_eq!(reply[40..42], [1, 3], "address unreachable");
    assert_eq!(reply[48..], packet, "the packet as it came");
    assert_eq!(bed.drops(), [(DropReason::NeighbourFailed, 1)]);

    bed.hear_host(&udp("192.0.2.10", "192.0.2.99", 64, 10));
    let address = v4("192.0.2.99").to_ipv6_mapped().octets();
    bed.with(|cx, w| fail(cx, w, LAN_IFACE, address));
    assert_eq!(bed.reply()[20..22], [3, 1], "host unreachable");
}

#[test]
fn without_a_verdict_packets_are_given_up_after_four_seconds() {
    let mut bed = Testbed::new();
    bed.hear_host(&udp("2001:db8:1::10", UNKNOWN, 64, 10));
    bed.now += 4 * HZ - HZ / 100;
    bed.with(expire);
    bed.silent();
    assert_eq!(bed.w.hold.len(), 1);
    bed.now += HZ / 50;
    bed.with(expire);
    assert_eq!(bed.reply()[40..42], [1, 3]);
    assert_eq!(bed.drops(), [(DropReason::HoldTimeout, 1)]);
}

#[test]
fn the_ninth_packet_displaces_the_first() {
    let mut bed = Testbed::new();
    for len in 1..=9 {
        from_peer(&mut bed, &udp(FAR6, UNKNOWN, 64, len));
    }
    assert_eq!(bed.drops(), [(DropReason::HoldDisplaced, 1)]);
    bed.route(UNKNOWN, 128, host());
    bed.with(|cx, w| release(cx, w, LAN_IFACE, v6(UNKNOWN).octets()));
    assert_eq!(bed.sent(LAN)[0].len(), 14 + 48 + 2);
}

#[test]
fn a_request_that_finds_the_ring_full_is_sent_later() {
    let mut bed = Testbed::new();
    // The test's ring has 32 slots.
    for host in 0..40 {
        from_peer(
            &mut bed,
            &udp(FAR6, &format!("2001:db8:1::f{host:02}"), 64, 1),
        );
    }
    assert_eq!(bed.punted().len(), 32);
    for host in 0..40 {
        from_peer(
            &mut bed,
            &udp(FAR6, &format!("2001:db8:1::f{host:02}"), 64, 1),
        );
    }
    assert_eq!(
        bed.punted().len(),
        8,
        "only those that were not asked for yet"
    );
}

#[test]
fn a_scan_does_not_take_the_packets_of_others() {
    let mut bed = Testbed::new();
    let id = bed.route("2001:db8:3::", 64, glean(WAN_IFACE, WAN_MTU));
    assert_ne!(id.0, 0);
    bed.hear_host(&udp("2001:db8:1::10", "2001:db8:3::7", 64, 1));
    let punted = bed.punted().len();
    assert_eq!(punted, 1);
    // Buffers of the testbed are fewer than the table's quota; the arithmetic of shares is tested in `hold`.
    for host in 0..300 {
        from_peer(
            &mut bed,
            &udp(FAR6, &format!("2001:db8:1::a:{host:x}"), 64, 1),
        );
    }
    assert!(bed.punted().len() <= 32, "requests are limited");
    bed.route("2001:db8:3::7", 128, peer());
    bed.with(|cx, w| release(cx, w, WAN_IFACE, v6("2001:db8:3::7").octets()));
    assert_eq!(bed.sent(WAN).len(), 1);
}

#[test]
fn a_verdict_for_nobody_changes_nothing() {
    let mut bed = Testbed::new();
    bed.with(|cx, w| release(cx, w, LAN_IFACE, [1; 16]));
    bed.with(|cx, w| fail(cx, w, LAN_IFACE, [1; 16]));
    bed.with(expire);
    bed.silent();
}
