use etherparse::Ipv4Header;
use wire::checksum::Sum;

use crate::drop::DropReason;
use crate::stages::testbed::*;

const HOST4: &str = "192.0.2.10";
const FAR4: &str = "198.51.100.9";

/// A packet that may be fragmented.
fn packet(len: usize, identification: u16) -> Vec<u8> {
    may_be_fragmented(udp(HOST4, FAR4, 64, len), identification)
}

fn may_be_fragmented(mut packet: Vec<u8>, identification: u16) -> Vec<u8> {
    packet[4..6].copy_from_slice(&identification.to_be_bytes());
    packet[6] = 0;
    packet[10..12].fill(0);
    let sum = wire::checksum::checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// What the receiver puts together: the payload, checked piece by piece.
fn reassemble(frames: &[Vec<u8>], identification: u16) -> Vec<u8> {
    let mut payload = Vec::new();
    for (i, frame) in frames.iter().enumerate() {
        assert_eq!(frame[..14], framed(PEER_MAC, WAN_MAC, &[0x45])[..14]);
        let (ip, rest) = Ipv4Header::from_slice(&frame[14..]).unwrap();
        assert!(frame.len() - 14 <= usize::from(WAN_MTU));
        assert_eq!(ip.header_checksum, ip.calc_header_checksum());
        assert_eq!(usize::from(ip.total_len), frame.len() - 14);
        assert_eq!((ip.identification, ip.time_to_live), (identification, 63));
        assert_eq!(
            (ip.source, ip.destination),
            (v4(HOST4).octets(), v4(FAR4).octets())
        );
        assert_eq!(usize::from(ip.fragment_offset.value()) * 8, payload.len());
        assert_eq!(ip.more_fragments, i + 1 < frames.len());
        payload.extend_from_slice(rest);
    }
    payload
}

#[test]
fn a_packet_is_cut_forwarded_and_counted() {
    let mut bed = Testbed::new();
    let packet = packet(1400, 0xbeef);
    bed.hear_host(&packet);
    let frames = bed.sent(WAN);
    assert_eq!(frames.len(), 2);
    assert_eq!(reassemble(&frames, 0xbeef), packet[20..]);
    assert_eq!(bed.w.counters.fragmented.get(), 1);
    assert_eq!(bed.w.counters.originated.get(), 1, "one more than came in");
}

/// Leaves a checksum open as a virtual machine does: the field holds the pseudo-header's sum.
fn open(packet: &[u8], at: usize) -> Vec<u8> {
    let protocol = wire::Protocol(packet[9]);
    let sum = Sum::pseudo_v4(v4(HOST4), v4(FAR4), protocol, packet.len() - 20);
    let mut packet = packet.to_vec();
    packet[20 + at..22 + at].copy_from_slice(&sum.fold().to_be_bytes());
    framed(LAN_MAC, HOST_MAC, &packet)
}

#[test]
fn a_datagram_of_a_virtual_machine_is_cut_with_its_checksum_completed() {
    let mut bed = Testbed::new();
    let packet = packet(1400, 0xbeef);
    // As one packet, as a datagram to be cut that fits the MTU then, and as one that does not.
    for (size, cut, pieces) in [(None, 1, 2), (Some(1000), 0, 2), (Some(1480), 0, 2)] {
        let before = bed.w.counters.fragmented.get();
        bed.receive_unfinished(LAN, &open(&packet, 6), size);
        let frames = bed.sent(WAN);
        assert_eq!(frames.len(), pieces, "{:?}", bed.drops());
        assert_eq!(reassemble(&frames, 0xbeef), packet[20..]);
        assert_eq!(bed.w.counters.fragmented.get() - before, cut);
    }
}

#[test]
fn a_batch_of_segments_that_do_not_fit_is_cut_smaller_where_fragments_are_allowed() {
    let mut bed = Testbed::new();
    let packet = may_be_fragmented(tcp(HOST4, FAR4, 1800), 7);
    bed.receive_unfinished(LAN, &open(&packet, 16), Some(1400));
    let frames = bed.sent(WAN);
    let sizes: Vec<usize> = frames.iter().map(|frame| frame.len() - 54).collect();
    assert_eq!(sizes, [1240, 560], "{:?}", bed.drops());
    assert!(
        frames.iter().all(|frame| frame[20..22] == [0, 0]),
        "no fragments"
    );
}

#[test]
fn a_jumbo_packet_of_many_segments_is_cut_too() {
    let mut bed = Testbed::new();
    let packet = packet(20_000, 7);
    let frame = framed(LAN_MAC, HOST_MAC, &packet);
    let segments: Vec<&[u8]> = frame.chunks(1999).collect();
    bed.receive(LAN, &segments);
    let frames = bed.sent(WAN);
    assert_eq!(frames.len(), 16);
    assert_eq!(reassemble(&frames, 7), packet[20..]);
}

#[test]
fn without_buffers_the_packet_is_dropped_whole() {
    let mut bed = Testbed::new();
    let packet = packet(1400, 7);
    let mut taken = Vec::new();
    while bed.arena.pool().available() > 2 {
        taken.push(bed.arena.packet(b"x"));
    }
    // One buffer for the packet, one for the first piece, none for the second.
    bed.hear_host(&packet);
    bed.silent();
    assert_eq!(bed.drops(), [(DropReason::FragmentFailed, 1)]);
    assert_eq!(bed.w.counters.originated.get(), 0);
    taken.into_iter().for_each(dpdk::Mbuf::free);
}

#[test]
fn a_piece_longer_than_a_buffer_is_a_chain() {
    let mut bed = Testbed::new();
    let wide = tables::next_hop::NextHop {
        mtu: 9000,
        ..peer()
    };
    bed.route("198.51.100.0", 24, wide);
    let packet = packet(20_000, 7);
    let frame = framed(LAN_MAC, HOST_MAC, &packet);
    let segments: Vec<&[u8]> = frame.chunks(1999).collect();
    bed.receive(LAN, &segments);
    let frames = bed.sent(WAN);
    assert_eq!(
        frames.iter().map(Vec::len).collect::<Vec<_>>(),
        [14 + 8996, 14 + 8996, 14 + 2076]
    );
    let payload: Vec<u8> = frames
        .iter()
        .flat_map(|frame| &frame[34..])
        .copied()
        .collect();
    assert_eq!(payload, packet[20..]);
}
