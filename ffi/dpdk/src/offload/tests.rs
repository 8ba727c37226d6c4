use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::*;
use crate::testing::{Arena, bytes};

const SOFTWARE: Egress = Egress {
    offloads: Offloads {
        tx_multi_segment: true,
        ..NOTHING
    },
    mtu: 1500,
    bare: false,
};
const NOTHING: Offloads = Offloads {
    rx_checksum: false,
    rx_scatter: false,
    rss: false,
    vlan_strip: false,
    vlan_insert: false,
    tx_ipv4_checksum: false,
    tx_l4_checksum: false,
    tx_tcp_segmentation: false,
    tx_multi_segment: false,
    tx_fast_free: false,
};

#[derive(Clone, Copy, Debug)]
struct Kind {
    ipv6: bool,
    tcp: bool,
    tagged: bool,
}

/// A correct frame, as an independent library makes it.
fn frame(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let ethernet = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let mut out = Vec::new();
    macro_rules! finish {
        ($step:expr) => {
            match kind.tcp {
                true => $step
                    .tcp(5000, 80, 0xffff_ff00, 4096)
                    .psh()
                    .fin()
                    .cwr()
                    .ack(7)
                    .options_raw(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2])
                    .unwrap()
                    .write(&mut out, payload)
                    .unwrap(),
                false => $step.udp(5000, 53).write(&mut out, payload).unwrap(),
            }
        };
    }
    let (a4, b4) = ([192, 0, 2, 1], [198, 51, 100, 2]);
    let (a6, b6) = ([0xfd; 16], [0x20; 16]);
    match (kind.tagged, kind.ipv6) {
        (false, false) => finish!(ethernet.ipv4(a4, b4, 9)),
        (false, true) => finish!(ethernet.ipv6(a6, b6, 9)),
        (true, false) => finish!(ethernet.single_vlan(7.try_into().unwrap()).ipv4(a4, b4, 9)),
        (true, true) => finish!(ethernet.single_vlan(7.try_into().unwrap()).ipv6(a6, b6, 9)),
    }
    out
}

/// Opens the checksum as a virtual machine does: the field holds the pseudo-header's sum.
fn open_checksum(frame: &mut [u8]) {
    let layout = Layout::parse(frame, false).unwrap();
    let l4_len = (frame.len() - layout.l4) as u16;
    layout.write_checksum(frame, layout.pseudo_header_sum(l4_len));
}

/// Whether all checksums and lengths of a frame are right, by the independent library.
fn check(frame: &[u8]) -> Vec<u8> {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let net = packet.net.as_ref().unwrap();
    let (stated, found) = match packet.transport.as_ref().unwrap() {
        TransportSlice::Tcp(tcp) => {
            let header = tcp.to_header();
            let expected = match net {
                etherparse::NetSlice::Ipv4(ip) => {
                    let ip = ip.header();
                    assert_eq!(ip.header_checksum(), ip.to_header().calc_header_checksum());
                    header.calc_checksum_ipv4(&ip.to_header(), tcp.payload())
                }
                etherparse::NetSlice::Ipv6(ip) => {
                    header.calc_checksum_ipv6(&ip.header().to_header(), tcp.payload())
                }
                _ => panic!("not IP"),
            };
            (header.checksum, expected.unwrap())
        }
        TransportSlice::Udp(udp) => {
            let header = udp.to_header();
            let expected = match net {
                etherparse::NetSlice::Ipv4(ip) => {
                    header.calc_checksum_ipv4(&ip.header().to_header(), udp.payload())
                }
                etherparse::NetSlice::Ipv6(ip) => {
                    header.calc_checksum_ipv6(&ip.header().to_header(), udp.payload())
                }
                _ => panic!("not IP"),
            };
            (header.checksum, expected.unwrap())
        }
        _ => panic!("neither TCP nor UDP"),
    };
    assert_eq!(stated, found, "checksum");
    match packet.transport.as_ref().unwrap() {
        TransportSlice::Tcp(tcp) => tcp.payload().to_vec(),
        TransportSlice::Udp(udp) => udp.payload().to_vec(),
        _ => Vec::new(),
    }
}

/// The frame as a packet, cut into buffers at the given places.
fn packet(arena: &Arena, frame: &[u8], cuts: &[usize]) -> Mbuf {
    let mut parts = Vec::new();
    let mut rest = frame;
    for &cut in cuts {
        let (part, after) = rest.split_at(cut.min(rest.len()));
        parts.push(part);
        rest = after;
    }
    parts.extend(rest.chunks(2048));
    parts.retain(|part| !part.is_empty());
    arena.chain(&parts)
}

fn run(packet: Mbuf, egress: &Egress, arena: &Arena) -> Result<Vec<Mbuf>, OffloadError> {
    let mut out = Vec::new();
    finish(packet, egress, arena.pool(), |segment| out.push(segment))?;
    Ok(out)
}

fn kinds() -> impl Strategy<Value = Kind> {
    any::<(bool, bool, bool)>().prop_map(|(ipv6, tcp, tagged)| Kind { ipv6, tcp, tagged })
}

proptest! {
    #[test]
    fn an_open_checksum_is_completed(
        kind in kinds(),
        payload in proptest::collection::vec(any::<u8>(), 0..1400),
        cut in 90usize..1400,
        padding in 0usize..20,
    ) {
        let arena = Arena::new(8);
        let right = frame(kind, &payload);
        let mut wrong = right.clone();
        open_checksum(&mut wrong);
        wrong.extend(std::iter::repeat_n(0xa5, padding));
        let mut p = packet(&arena, &wrong, &[cut]);
        p.set_ol_flags(flags::RX_L4_CKSUM_NONE);
        prop_assert!(needs_finishing(p));
        let out = run(p, &SOFTWARE, &arena).unwrap();
        prop_assert_eq!(out.len(), 1);
        prop_assert!(!needs_finishing(out[0]));
        prop_assert_eq!(bytes(out[0]), right);
        out[0].free();
        prop_assert_eq!(arena.in_use(), 0);
    }

    #[test]
    fn a_large_packet_becomes_right_segments(
        ipv6: bool,
        tagged: bool,
        payload in proptest::collection::vec(any::<u8>(), 1..9000),
        segment in SMALLEST..3000,
        mtu in 576u16..4000,
        chains: bool,
        open: bool,
    ) {
        let arena = Arena::new(600);
        let kind = Kind { ipv6, tcp: true, tagged };
        let mut large = frame(kind, &payload);
        if open {
            open_checksum(&mut large);
        }
        let mut p = packet(&arena, &large, &[1000, 77]);
        p.set_ol_flags(flags::RX_LRO | if open { flags::RX_L4_CKSUM_NONE } else { 0 });
        p.set_tx_offload(mbuf::tx_offload(0, 0, 0, segment));
        let offloads = Offloads { tx_multi_segment: chains, ..NOTHING };
        let egress = Egress { offloads, mtu, bare: false };
        let out = run(p, &egress, &arena).unwrap();
        let mut all = Vec::new();
        for (i, &s) in out.iter().enumerate() {
            let frame = bytes(s);
            let layout = Layout::parse(&frame, false).unwrap();
            prop_assert!(frame.len() - layout.l3 <= mtu as usize || out.len() == 1);
            prop_assert!(chains || s.nb_segs() == 1 || out.len() == 1);
            let sequence = &frame[layout.l4 + 4..layout.l4 + 8];
            let expected = 0xffff_ff00u32.wrapping_add(all.len() as u32).to_be_bytes();
            prop_assert_eq!(sequence, &expected[..]);
            let (tcp_flags, last) = (frame[layout.l4 + 13], i + 1 == out.len());
            prop_assert_eq!(tcp_flags & 0x09, if last { 0x09 } else { 0 }, "FIN and PSH at the end");
            prop_assert_eq!(tcp_flags & 0x80, if i == 0 { 0x80 } else { 0 }, "CWR at the start");
            let part = check(&frame);
            prop_assert!(part.len() <= segment as usize || out.len() == 1);
            all.extend(part);
            prop_assert!(!needs_finishing(s));
        }
        prop_assert_eq!(all, payload);
        Mbuf::free_bulk(&out);
        prop_assert_eq!(arena.in_use(), 0);
    }

    #[test]
    fn a_large_datagram_becomes_right_fragments(
        ipv6: bool,
        tagged: bool,
        payload in proptest::collection::vec(any::<u8>(), 1..9000),
        size in SMALLEST..3000,
        mtu in 576u16..4000,
        chains: bool,
        open: bool,
    ) {
        let arena = Arena::new(600);
        let right = frame(Kind { ipv6, tcp: false, tagged }, &payload);
        let mut large = right.clone();
        if open {
            open_checksum(&mut large);
        }
        let l3 = if tagged { 18 } else { 14 };
        let p = packet(&arena, &large, &[1000, 77]);
        let p = p.then_set(flags::RX_LRO | if open { flags::RX_L4_CKSUM_NONE } else { 0 }, size);
        let longest = wire_len(p).unwrap() as usize;
        let offloads = Offloads { tx_multi_segment: chains, ..NOTHING };
        let egress = Egress { offloads, mtu, bare: false };
        let out = run(p, &egress, &arena).unwrap();
        let (mut all, mut names, headers) = (Vec::new(), Vec::new(), if ipv6 { 48 } else { 20 });
        if let [whole] = out[..] {
            prop_assert_eq!(bytes(whole), &right[..]);
            all.extend_from_slice(&right[l3 + if ipv6 { 40 } else { 20 }..]);
        } else {
            for (i, &fragment) in out.iter().enumerate() {
                let frame = bytes(fragment);
                let l3 = &frame[l3..];
                prop_assert!(l3.len() <= longest.min(mtu as usize), "{} {longest} {mtu}", l3.len());
                prop_assert!(chains || fragment.nb_segs() == 1);
                let word = |at: usize| u16::from_be_bytes([l3[at], l3[at + 1]]);
                let (offset, more) = if ipv6 {
                    prop_assert_eq!((l3[6], l3[40], l3[41]), (44, 17, 0));
                    prop_assert_eq!(word(4) as usize, l3.len() - 40);
                    names.push(l3[44..48].to_vec());
                    (word(42) & !7, word(42) & 1 == 1)
                } else {
                    prop_assert_eq!(checksum::sum(&l3[..20]), 0xffff);
                    prop_assert_eq!((word(2) as usize, word(6) & 0x4000), (l3.len(), 0));
                    names.push(l3[4..6].to_vec());
                    ((word(6) & 0x1fff) * 8, word(6) & 0x2000 != 0)
                };
                prop_assert_eq!(offset as usize, all.len());
                prop_assert_eq!(more, i + 1 < out.len());
                prop_assert!(!more || (l3.len() - headers).is_multiple_of(8));
                all.extend_from_slice(&l3[headers..]);
                prop_assert!(!needs_finishing(fragment));
            }
        }
        let datagram = l3 + if ipv6 { 40 } else { 20 };
        prop_assert_eq!(&all[..], &right[datagram..]);
        names.dedup();
        prop_assert!(names.len() <= 1, "one identification");
        Mbuf::free_bulk(&out);
        prop_assert_eq!(arena.in_use(), 0);
    }

    #[test]
    fn any_octets_are_refused_or_finished_and_nothing_leaks(
        octets in proptest::collection::vec(any::<u8>(), 1..200),
        ethertype in prop_oneof![Just(0x0800u16), Just(0x86dd), Just(0x8100), any::<u16>()],
        flags in prop_oneof![Just(flags::RX_LRO), Just(flags::RX_L4_CKSUM_NONE)],
        segment: u16,
    ) {
        let arena = Arena::new(512);
        let mut octets = octets;
        if octets.len() > 14 {
            octets[12..14].copy_from_slice(&ethertype.to_be_bytes());
        }
        let mut p = packet(&arena, &octets, &[]).then_set(flags, segment);
        let _ = wire_len(p);
        match run(p, &SOFTWARE, &arena) {
            Ok(out) => Mbuf::free_bulk(&out),
            Err(_) => {
                p.set_ol_flags(0);
                p.free();
            }
        }
        prop_assert_eq!(arena.in_use(), 0);
    }
}

trait ThenSet {
    fn then_set(self, flags: u64, segment: u16) -> Self;
}

impl ThenSet for Mbuf {
    fn then_set(mut self, flags: u64, segment: u16) -> Self {
        self.set_ol_flags(flags);
        self.set_tx_offload(mbuf::tx_offload(0, 0, 0, segment));
        self
    }
}

const TCP6: Kind = Kind {
    ipv6: true,
    tcp: true,
    tagged: false,
};

#[test]
fn ordinary_packets_are_left_alone() {
    let arena = Arena::new(1);
    let p = packet(&arena, &frame(TCP6, b"x"), &[]);
    for state in [
        0,
        flags::RX_L4_CKSUM_GOOD,
        flags::RX_L4_CKSUM_BAD,
        flags::RX_VLAN,
    ] {
        assert!(!needs_finishing(p.then_set(state, 0)), "{state:#x}");
    }
    assert_eq!(wire_len(p), None);
    p.free();
}

#[test]
fn a_capable_device_is_asked_instead() {
    let arena = Arena::new(8);
    let offloads = Offloads {
        tx_l4_checksum: true,
        tx_tcp_segmentation: true,
        ..SOFTWARE.offloads
    };
    let egress = Egress {
        offloads,
        ..SOFTWARE
    };
    let mut open = frame(TCP6, b"data");
    open_checksum(&mut open);
    let p = packet(&arena, &open, &[]).then_set(flags::RX_L4_CKSUM_NONE, 0);
    let out = run(p, &egress, &arena).unwrap();
    assert_eq!(out[0].ol_flags(), flags::TX_TCP_CKSUM | flags::TX_IPV6);
    assert_eq!(out[0].tx_offload(), mbuf::tx_offload(14, 40, 32, 0));
    assert_eq!(bytes(out[0]), open, "the field holds what the device wants");
    out[0].free();

    let large = frame(TCP6, &[7; 6000]);
    let p = packet(&arena, &large, &[]).then_set(flags::RX_LRO, 9000);
    assert_eq!(wire_len(p), Some(6000 + 72));
    let p = p.then_set(flags::RX_LRO, 4000);
    assert_eq!(
        wire_len(p),
        Some(4000 + 72),
        "what the sender should learn the MTU for"
    );
    let out = run(p, &egress, &arena).unwrap();
    assert_eq!(out.len(), 1);
    assert_eq!(out[0].ol_flags(), flags::TX_TCP_SEG | flags::TX_IPV6);
    assert_eq!(out[0].tso_segsz(), 1500 - 72, "cut down to the MTU");
    out[0].free();
    assert_eq!(arena.in_use(), 0);
}

#[test]
fn no_packet_becomes_thousands() {
    let arena = Arena::new(200);
    let p = packet(&arena, &frame(TCP6, &[1; 4800]), &[]).then_set(flags::RX_LRO, 1);
    assert_eq!(wire_len(p), Some(48 + 72));
    let out = run(p, &SOFTWARE, &arena).unwrap();
    assert_eq!(out.len(), 100);
    Mbuf::free_bulk(&out);
}

#[test]
fn a_packet_without_a_link_header_is_finished_too() {
    let arena = Arena::new(8);
    let bare = Egress {
        bare: true,
        ..SOFTWARE
    };
    for kind in [
        TCP6,
        Kind {
            ipv6: false,
            ..TCP6
        },
    ] {
        let right = frame(kind, b"data");
        let mut open = right.clone();
        open_checksum(&mut open);
        let p = packet(&arena, &open[14..], &[]).then_set(flags::RX_L4_CKSUM_NONE, 0);
        let out = run(p, &bare, &arena).unwrap();
        assert_eq!(bytes(out[0]), right[14..]);
        out[0].free();
    }
    let p = packet(&arena, &[0x50; 100], &[]).then_set(flags::RX_L4_CKSUM_NONE, 0);
    assert_eq!(run(p, &bare, &arena), Err(OffloadError::Headers));
    p.free();
}

#[test]
fn what_cannot_be_finished_stays_the_callers() {
    let arena = Arena::new(8);
    let udp = Kind { tcp: false, ..TCP6 };
    for (kind, mtu) in [(udp, 40 + 8 + 7), (TCP6, 72)] {
        let p = packet(&arena, &frame(kind, &[1; 3000]), &[]).then_set(flags::RX_LRO, 1000);
        let tiny = Egress { mtu, ..SOFTWARE };
        assert_eq!(run(p, &tiny, &arena), Err(OffloadError::SegmentTooLarge));
        p.free();
    }
    let p = packet(&arena, &frame(TCP6, &[1; 3000]), &[]).then_set(flags::RX_LRO, 1000);
    let _hold: Vec<Mbuf> = std::iter::from_fn(|| arena.pool().alloc()).collect();
    assert_eq!(run(p, &SOFTWARE, &arena), Err(OffloadError::NoBuffers));
    p.free();
}

#[test]
fn the_sum_is_that_of_rfc_1071() {
    // Section 3 of the RFC, and an odd octet.
    assert_eq!(
        checksum::sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
        0xddf2
    );
    assert_eq!(checksum::sum(&[0xab]), 0xab00);
    assert_eq!(checksum::add(0xffff, 0x0001), 0x0001);
    assert_eq!(checksum::field(0xffff, Protocol::Udp), 0xffff);
    assert_eq!(checksum::field(0xffff, Protocol::Tcp), 0);
}
