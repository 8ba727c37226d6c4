use super::*;
use crate::mempool::HEADROOM;
use crate::testing::{Arena, bytes};

#[test]
fn a_new_packet_is_as_dpdk_makes_it() {
    let arena = Arena::new(1);
    let packet = arena.packet(b"abc");
    assert_eq!(packet.headroom(), HEADROOM);
    assert_eq!(packet.tailroom(), 2048 - 3);
    assert_eq!(
        (packet.data_len(), packet.pkt_len(), packet.nb_segs()),
        (3, 3, 1)
    );
    assert_eq!(
        (packet.ol_flags(), packet.next(), packet.port()),
        (0, None, u16::MAX)
    );
    packet.free();
    assert_eq!(arena.in_use(), 0);
}

#[test]
fn room_is_taken_and_given_back_at_both_ends() {
    let arena = Arena::new(1);
    let mut packet = arena.packet(b"payload");
    assert!(packet.prepend(4));
    packet.data_mut()[..4].copy_from_slice(b"head");
    assert!(packet.append(4));
    packet.data_mut()[11..].copy_from_slice(b"tail");
    assert_eq!(packet.data(), b"headpayloadtail");
    assert_eq!(packet.pkt_len(), 15);
    assert!(packet.adj(4) && packet.trim(4));
    assert_eq!(packet.data(), b"payload");

    assert!(!packet.prepend(HEADROOM + 1), "no more than the headroom");
    assert!(!packet.append(2048), "no more than the tailroom");
    assert!(!packet.adj(8) && !packet.trim(8), "no more than there is");
    assert_eq!(packet.data(), b"payload");
    packet.free();
}

#[test]
fn chains_are_copied_cut_and_gathered() {
    let arena = Arena::new(4);
    let mut packet = arena.chain(&[b"ab", b"cde", b"f"]);
    assert_eq!(
        (packet.nb_segs(), packet.pkt_len(), packet.data_len()),
        (3, 6, 2)
    );
    assert_eq!(bytes(packet), b"abcdef");
    let mut part = [0; 4];
    assert_eq!(packet.copy_to(&mut part), 4);
    assert_eq!(&part, b"abcd");

    assert!(
        packet.append(1) && packet.trim(1),
        "the end is the last segment's"
    );
    assert!(packet.truncate(4));
    assert_eq!(bytes(packet), b"abcd");
    assert!(!packet.truncate(5));

    assert!(packet.linearize());
    assert_eq!((packet.nb_segs(), packet.data()), (1, &b"abcd"[..]));
    assert_eq!(arena.in_use(), 1, "the emptied segments went back");
    packet.free();
    assert_eq!(arena.in_use(), 0);
}

#[test]
fn a_chain_too_long_for_one_buffer_stays_a_chain() {
    let arena = Arena::with_data_room(3, 64);
    let mut packet = arena.chain(&[&[1; 60], &[2; 60]]);
    assert!(!packet.linearize());
    assert_eq!((packet.nb_segs(), packet.pkt_len()), (2, 120));
    packet.free();
    assert_eq!(arena.in_use(), 0);
}

#[test]
fn offload_fields_have_their_place_in_the_word() {
    let arena = Arena::new(1);
    let mut packet = arena.packet(b"");
    packet.set_tx_offload(tx_offload(14, 40, 20, 1440));
    assert_eq!(packet.tx_offload(), 14 | 40 << 7 | 20 << 16 | 1440 << 24);
    assert_eq!(packet.tso_segsz(), 1440);
    packet.set_vlan_tci(7);
    packet.set_packet_type(0x11);
    packet.set_ol_flags(flags::RX_VLAN);
    assert_eq!((packet.vlan_tci(), packet.packet_type()), (7, 0x11));
    assert_eq!(packet.ol_flags(), flags::RX_VLAN);
    packet.free();
}

#[test]
fn a_packet_does_not_inherit_from_the_one_before() {
    let arena = Arena::new(1);
    let mut first = arena.packet(b"x");
    first.set_ol_flags(flags::TX_TCP_SEG);
    first.set_tx_offload(u64::MAX);
    assert!(first.prepend(10));
    first.free();
    let second = arena.packet(b"y");
    assert_eq!(
        (second.ol_flags(), second.tx_offload(), second.headroom()),
        (0, 0, HEADROOM)
    );
    second.free();
}
