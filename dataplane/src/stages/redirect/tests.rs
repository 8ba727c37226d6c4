use etherparse::{Icmpv6Slice, Ipv4Header, Ipv6Header};
use tables::next_hop::NextHop;

use crate::forwarding::Rate;
use crate::stages::testbed::*;

const HOST6: &str = "2001:db8:1::10";
const HOST4: &str = "192.0.2.10";
const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 1, 0x30];

/// A LAN with a second router, fe80::30 or 192.0.2.30, that leads to 2001:db8:3::/64 and 203.0.113.0/24.
fn bed() -> Testbed {
    let mut bed = Testbed::new();
    bed.configure_lan(|lan| lan.redirects = true);
    let mut router = host();
    router.header[..6].copy_from_slice(&ROUTER_MAC);
    let by6 = NextHop {
        gateway: v6("fe80::30").octets(),
        ..router
    };
    let by4 = NextHop {
        gateway: v4("192.0.2.30").to_ipv6_mapped().octets(),
        ..router
    };
    bed.route("2001:db8:3::", 64, by6);
    bed.route("203.0.113.0", 24, by4);
    bed
}

/// What went out of the LAN: frames to the second router, and frames to the host.
fn sorted(bed: &mut Testbed) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    bed.sent(LAN)
        .into_iter()
        .partition(|frame| frame[..6] == ROUTER_MAC)
}

#[test]
fn a_host_is_told_the_router_on_its_link() {
    let mut bed = bed();
    let packet = udp(HOST6, "2001:db8:3::1", 64, 100);
    bed.hear_host(&packet);
    let (forwarded, told) = sorted(&mut bed);
    assert_eq!(forwarded.len(), 1, "the packet is forwarded all the same");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0][..6], HOST_MAC);
    let (ip, rest) = Ipv6Header::from_slice(&told[0][14..]).unwrap();
    assert_eq!(
        (ip.source, ip.destination),
        (v6("fe80::1").octets(), v6(HOST6).octets())
    );
    assert_eq!(ip.hop_limit, 255);
    assert!(
        Icmpv6Slice::from_slice(rest)
            .unwrap()
            .is_checksum_valid(ip.source, ip.destination)
    );
    assert_eq!((rest[0], rest[1]), (137, 0));
    assert_eq!(rest[8..24], v6("fe80::30").octets());
    assert_eq!(rest[24..40], v6("2001:db8:3::1").octets());
    assert_eq!(rest[42..48], ROUTER_MAC);
    assert_eq!(rest[56..], packet[..packet.len() & !7]);
}

#[test]
fn a_host_is_told_the_destination_on_its_link() {
    let mut bed = bed();
    let mut neighbour = host();
    neighbour.header[..6].copy_from_slice(&ROUTER_MAC);
    bed.route("2001:db8:1::30", 128, neighbour);
    bed.hear_host(&udp(HOST6, "2001:db8:1::30", 64, 100));
    let (forwarded, told) = sorted(&mut bed);
    assert_eq!((forwarded.len(), told.len()), (1, 1));
    let message = &told[0][14 + 40..];
    assert_eq!(
        message[8..24],
        message[24..40],
        "target and destination are one"
    );
}

#[test]
fn an_ipv4_host_is_told_too() {
    let mut bed = bed();
    let packet = udp(HOST4, "203.0.113.9", 64, 100);
    bed.hear_host(&packet);
    let (forwarded, told) = sorted(&mut bed);
    assert_eq!((forwarded.len(), told.len()), (1, 1));
    let (ip, rest) = Ipv4Header::from_slice(&told[0][14..]).unwrap();
    assert_eq!(
        (ip.source, ip.destination),
        ([192, 0, 2, 1], v4(HOST4).octets())
    );
    assert_eq!(rest[..2], [5, 1]);
    assert_eq!(rest[4..8], v4("192.0.2.30").octets());
    assert_eq!(rest[8..], packet);
}

#[test]
fn who_must_not_be_told_is_not() {
    let check = |change: fn(&mut Testbed), packet: &[u8]| {
        let mut bed = bed();
        change(&mut bed);
        bed.hear_host(packet);
        let (forwarded, told) = sorted(&mut bed);
        assert_eq!((forwarded.len(), told.len()), (1, 0));
        assert_eq!(bed.w.counters.icmp_sent.get(), 0);
    };
    let plain = udp(HOST6, "2001:db8:3::1", 64, 100);
    // Switched off.
    check(|bed| bed.configure_lan(|lan| lan.redirects = false), &plain);
    // The source is behind another interface: it could not reach the router.
    check(|_| (), &udp("2001:db8:2::9", "2001:db8:3::1", 64, 100));
    check(|_| (), &udp("198.51.100.9", "203.0.113.9", 64, 100));
    // An error is never answered, not even by a redirect.
    check(|_| (), &icmp6(HOST6, "2001:db8:3::1", 64, 1, &[0; 60]));
    // No link-local address to speak from.
    check(
        |bed| bed.configure_lan(|lan| lan.link_local.clear()),
        &plain,
    );
    // The limit.
    check(
        |bed| {
            bed.configure(|forwarding| {
                forwarding.icmp.per_destination = Rate {
                    per_second: 1,
                    burst: 0,
                };
            });
        },
        &plain,
    );
}

#[test]
fn a_gateway_that_hosts_cannot_know_is_not_told() {
    let mut bed = bed();
    let mut router = host();
    router.header[..6].copy_from_slice(&ROUTER_MAC);
    let global = NextHop {
        gateway: v6("2001:db8:1::30").octets(),
        ..router
    };
    bed.route("2001:db8:4::", 64, global);
    bed.hear_host(&udp(HOST6, "2001:db8:4::1", 64, 100));
    let (forwarded, told) = sorted(&mut bed);
    assert_eq!((forwarded.len(), told.len()), (1, 0));
}
