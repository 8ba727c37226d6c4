//! Station mode: who may speak as whom, and what waits until that is known. (The other modes: tests/forwarding.rs.)

use crate::drop::DropReason;
use crate::forwarding::Urpf;
use crate::punt::PuntClass;
use crate::stages::hold::{fail, release};
use crate::stages::testbed::*;

const THIEF_MAC: [u8; 6] = [2, 0, 0, 0, 1, 0x66];
const FAR6: &str = "2001:db8:2::9";
const FAR4: &str = "198.51.100.9";
const UNKNOWN: &str = "2001:db8:1::99";

fn guarded() -> Testbed {
    let mut bed = Testbed::new();
    bed.configure_lan(|lan| (lan.urpf6, lan.urpf4) = (Urpf::Station, Urpf::Station));
    bed
}

fn dropped(bed: &Testbed, reason: DropReason) -> u64 {
    let drops = bed.drops();
    drops
        .iter()
        .find(|(r, _)| *r == reason)
        .map_or(0, |(_, n)| *n)
}

fn from(bed: &mut Testbed, mac: [u8; 6], packet: &[u8]) {
    bed.receive(LAN, &[&framed(LAN_MAC, mac, packet)]);
}

#[test]
fn a_station_speaks_as_itself_and_for_what_is_routed_to_it() {
    let mut bed = guarded();
    bed.route("2001:db8:c0::", 48, host());
    for packet in [
        udp("2001:db8:1::10", FAR6, 64, 1),
        udp("192.0.2.10", FAR4, 64, 1),
        udp("2001:db8:c0:7::1", FAR6, 64, 1),
    ] {
        from(&mut bed, HOST_MAC, &packet);
        assert_eq!(bed.sent(WAN).len(), 1);
        from(&mut bed, THIEF_MAC, &packet);
        assert_eq!(bed.sent(WAN).len(), 0, "the source is another station's");
    }
    assert_eq!(dropped(&bed, DropReason::SourceStation), 3);
    bed.silent();
}

#[test]
fn a_source_of_another_link_is_no_stations() {
    let mut bed = guarded();
    from(&mut bed, HOST_MAC, &udp("2001:db8:2::20", FAR6, 64, 1));
    assert_eq!(dropped(&bed, DropReason::Urpf), 1);
    bed.silent();
}

#[test]
fn a_packet_of_an_unknown_station_waits_until_it_is_known_whose_the_source_is() {
    let mut bed = guarded();
    from(&mut bed, HOST_MAC, &udp(UNKNOWN, FAR6, 64, 1));
    from(&mut bed, THIEF_MAC, &udp(UNKNOWN, FAR6, 64, 2));
    assert_eq!(bed.w.hold.len(), 2);
    let requests = bed.punted();
    assert_eq!(requests.len(), 1, "one request for both");
    let meta = &requests[0].0;
    assert_eq!((meta.class, meta.iface), (PuntClass::Resolve, LAN_IFACE));
    assert_eq!(meta.address, v6(UNKNOWN).octets());

    bed.route(UNKNOWN, 128, host());
    bed.with(|cx, w| release(cx, w, LAN_IFACE, v6(UNKNOWN).octets()));
    let frames = bed.sent(WAN);
    assert_eq!(frames.len(), 1, "the host's, not the thief's");
    assert_eq!(frames[0].len() - 14 - 48, 1);
    assert_eq!(frames[0][14 + 7], 63, "the hop limit went down once");
    assert_eq!(dropped(&bed, DropReason::SourceStation), 1);
    bed.silent();
}

#[test]
fn a_source_that_nobody_answers_for_is_dropped_without_an_answer() {
    let mut bed = guarded();
    from(&mut bed, HOST_MAC, &udp("192.0.2.99", FAR4, 64, 1));
    let address = v4("192.0.2.99").to_ipv6_mapped().octets();
    assert_eq!(bed.punted()[0].0.address, address);
    bed.with(|cx, w| fail(cx, w, LAN_IFACE, address));
    assert_eq!(dropped(&bed, DropReason::SourceUnknown), 1);
    bed.silent();
}
