//! What tables of real sizes take, and what changes of them write.

use super::*;
use crate::testing::{Random, Route, bgp4, bgp6};

const VRF: VrfId = VrfId(0);

/// Loads in batches of the given size.
fn load<A: Address>(f: &mut Fixture<A>, routes: &[Route<A>], batch: usize) {
    for routes in routes.chunks(batch) {
        f.writer.begin();
        for &(prefix, next_hop) in routes {
            f.writer.insert(VRF, prefix, next_hop).unwrap();
        }
        f.writer.commit().unwrap();
        f.reader.quiescent();
    }
}

/// All words that readers can meet.
fn image<A: Address>(f: &Fixture<A>) -> Vec<u32> {
    let words = f.writer.arena.used_bytes() / size_of::<u32>();
    let word = |i| {
        // SAFETY: lines that have been used are open memory, and this thread is the writer.
        unsafe { *f.writer.arena.line(0).add(i) }
    };
    (0..words).map(word).collect()
}

fn shuffle<T>(list: &mut [T], seed: u64) {
    let mut random = Random::new(seed);
    for i in (1..list.len()).rev() {
        list.swap(i, random.below(i as u64 + 1) as usize);
    }
}

#[test]
fn a_full_ipv6_table_takes_less_than_4_mb_also_after_it_has_changed() {
    let mut routes = bgp6(160_000, 1000, 1);
    let mut f = Fixture::<u128>::new();
    load(&mut f, &routes, usize::MAX);
    let fresh = f.writer.memory_bytes(VRF);
    println!("160,000 IPv6 routes: {fresh} bytes");
    assert!(fresh <= 4_000_000, "{fresh} bytes");
    assert!(f.writer.arena.used_bytes() <= fresh + fresh / 8);
    shuffle(&mut routes, 1);
    for &(prefix, next_hop) in &routes[..20_000] {
        f.writer.remove(VRF, &prefix).unwrap();
        f.writer.insert(VRF, prefix, next_hop).unwrap();
        f.reader.quiescent();
    }
    for &(prefix, _) in &routes[..20_000] {
        f.writer.remove(VRF, &prefix).unwrap();
        f.reader.quiescent();
    }
    let shrunk = f.writer.memory_bytes(VRF);
    load(&mut f, &routes[..20_000], 1);
    let changed = f.writer.memory_bytes(VRF);
    let used = f.writer.arena.used_bytes();
    println!("without an eighth of them {shrunk}, with it again {changed}; {used} of the arena");
    assert!(shrunk < fresh && changed <= fresh + fresh / 16);
    assert!(used <= 2 * fresh, "{used} bytes of the arena used");
}

#[test]
fn a_table_loaded_piece_by_piece_takes_no_more() {
    let mut routes = bgp6(40_000, 1000, 1);
    let mut whole = Fixture::<u128>::new();
    load(&mut whole, &routes, usize::MAX);
    shuffle(&mut routes, 2);
    let mut pieces = Fixture::<u128>::new();
    load(&mut pieces, &routes, 100);
    let (whole, pieces, used) = (
        whole.writer.memory_bytes(VRF),
        pieces.writer.memory_bytes(VRF),
        pieces.writer.arena.used_bytes(),
    );
    println!("at once {whole}, in pieces {pieces}; {used} of the arena");
    assert!(pieces <= whole + whole / 8);
    assert!(used <= 2 * whole);
}

#[test]
fn a_full_ipv4_table_takes_little_for_each_route() {
    let routes = bgp4(300_000, 1000, 1);
    let mut f = Fixture::<u32>::new();
    load(&mut f, &routes, usize::MAX);
    let bytes = f.writer.memory_bytes(VRF);
    println!("{} IPv4 routes: {bytes} bytes", routes.len());
    assert!(bytes <= 8 * routes.len(), "{bytes} bytes");
}

#[test]
fn thousands_of_small_vrfs_take_a_kilobyte_each() {
    let qsbr = Qsbr::new(1);
    let (mut writer, _table) = LpmWriter::<u128>::new(4000, qsbr).unwrap();
    for vrf in (0..4000).map(VrfId) {
        writer.add_vrf(vrf).unwrap();
        for subnet in 0..4 {
            let lan = 0x2001_0db8u128 << 96 | (vrf.0 as u128) << 80 | subnet << 64;
            writer
                .insert(vrf, Prefix::of(lan, 64), NextHopId(1))
                .unwrap();
            for host in 1..=3 {
                let neighbour = Prefix::host(lan | host << 8);
                writer.insert(vrf, neighbour, NextHopId(2)).unwrap();
            }
        }
    }
    let bytes: usize = (0..4000).map(|vrf| writer.memory_bytes(VrfId(vrf))).sum();
    let used = writer.arena.used_bytes();
    println!("4,000 VRFs of 4 prefixes and 12 hosts: {bytes} bytes, {used} of the arena");
    assert!(bytes <= 4000 << 10 && used <= 8000 << 10);
}

#[test]
fn a_default_route_is_one_word_whatever_the_table() {
    let mut f = Fixture::<u128>::new();
    load(&mut f, &bgp6(40_000, 1000, 1), usize::MAX);
    let before = (image(&f), f.table.vrfs[0].root.load(Ordering::Relaxed));
    for next_hop in [5, 6, 0, 7] {
        let default = f.table.vrfs[0].default.load(Ordering::Relaxed);
        f.change(VRF, Prefix::all(), next_hop);
        assert_ne!(f.table.vrfs[0].default.load(Ordering::Relaxed), default);
        let after = (image(&f), f.table.vrfs[0].root.load(Ordering::Relaxed));
        assert!(after == before, "more than the default route was written");
    }
}

#[test]
fn a_next_hop_is_one_word_and_so_is_a_route_that_comes_back() {
    let routes = bgp6(40_000, 1000, 1);
    let mut f = Fixture::<u128>::new();
    load(&mut f, &routes, usize::MAX);
    let differ = |f: &Fixture<u128>, before: &[u32]| {
        let after = image(f);
        assert_eq!(after.len(), before.len(), "something was allocated");
        after.iter().zip(before).filter(|(a, b)| a != b).count()
    };
    // Routes without longer ones inside, whose neighbours have other next hops than they.
    let alone = routes.windows(2).filter(|w| !w[0].0.covers(w[1].0));
    for &(prefix, next_hop) in alone.map(|w| &w[0]).step_by(2000) {
        let before = image(&f);
        f.writer.insert(VRF, prefix, NextHopId(5000)).unwrap();
        assert_eq!(differ(&f, &before), 1, "{prefix}");
        f.writer.insert(VRF, prefix, next_hop).unwrap();
        assert_eq!(differ(&f, &before), 0, "{prefix}");
        f.writer.remove(VRF, &prefix).unwrap();
        assert_eq!(differ(&f, &before), 1, "{prefix}");
        f.writer.insert(VRF, prefix, next_hop).unwrap();
        assert_eq!(differ(&f, &before), 0, "{prefix}");
    }
}
