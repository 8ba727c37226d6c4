//! Tables big enough to reach every kind of node, and back.

use super::*;
use crate::lpm::node::{Kind, Window};
use crate::testing::Random;

fn root<A: Address>(f: &Fixture<A>) -> Kind {
    Entry(f.table.vrfs[0].root.load(Ordering::Relaxed)).kind()
}

/// Inserts in one batch, checks, and removes one by one in another order, checking now and then.
fn grow_and_shrink<A: Address>(prefixes: Vec<Prefix<A>>, kind: Kind) {
    let mut f = Fixture::new();
    let mut random = Random::new(1);
    f.writer.begin();
    for (i, &prefix) in prefixes.iter().enumerate() {
        f.change(VrfId(0), prefix, 1 + i as u32 % 500);
    }
    f.writer.commit().unwrap();
    f.reader.quiescent();
    assert_eq!(root(&f), kind);
    f.check_all();
    let mut left = prefixes;
    while !left.is_empty() {
        let prefix = left.swap_remove(random.below(left.len() as u64) as usize);
        f.change(VrfId(0), prefix, 0);
        if left.len().is_multiple_of(97) {
            f.check_all();
        }
    }
    assert_eq!(
        (root(&f), f.writer.memory_bytes(VrfId(0))),
        (Kind::Leaf, size_of::<Vrf>())
    );
}

#[test]
fn hosts_in_one_lan_of_every_size() {
    for (hosts, levels) in [(3u128, 1), (100, 2), (400, 3)] {
        let lan = 0x2001_0db8_0000_0001u128 << 64;
        let prefixes: Vec<_> = (0..hosts)
            .map(|i| Prefix::host(lan | (i * i * 7)))
            .collect();
        let mut f = Fixture::new();
        for (i, &prefix) in prefixes.iter().enumerate() {
            f.change(VrfId(0), prefix, 1 + i as u32);
        }
        f.check_all();
        assert_eq!(root(&f), Kind::Chunk(Window::C, 1));
        // SAFETY: this thread is also the writer.
        let inner = unsafe {
            let nodes = Nodes(f.table.region.base());
            let root = Entry(f.table.vrfs[0].root.load(Ordering::Relaxed));
            nodes.step(Scalar, root, lan, 0).unwrap().0
        };
        assert_eq!(
            inner.kind(),
            Kind::Chunk(Window::D, levels),
            "{hosts} hosts"
        );
        grow_and_shrink(prefixes, Kind::Chunk(Window::C, 1));
    }
}

#[test]
fn a_lan_of_many_thousands_of_hosts_has_four_levels() {
    let lan = 0x2001_0db8_0000_0001u128 << 64;
    let mut f = Fixture::new();
    f.writer.begin();
    for i in 0..6000u128 {
        f.change(VrfId(0), Prefix::host(lan | (i * 5 + 1)), 1 + i as u32 % 9);
    }
    f.writer.commit().unwrap();
    f.check_all();
    assert!(f.writer.memory_bytes(VrfId(0)) < 6000 * 2 * 16);
}

#[test]
fn a_lan_too_big_for_a_chunk_is_split_by_direct_nodes() {
    let lan = 0x2001_0db8_0000_0001u128 << 64;
    let mut f = Fixture::new();
    f.writer.begin();
    for i in 0..40_000u128 {
        // Sequential low bytes, so that the split goes down to the last one.
        f.change(VrfId(0), Prefix::host(lan | (i * 2)), 1 + i as u32 % 9);
    }
    f.writer.commit().unwrap();
    let mut random = Random::new(3);
    let addrs: Vec<u128> = (0..2000)
        .map(|_| lan | random.below(90_000) as u128)
        .collect();
    f.check(VrfId(0), &addrs);
    f.change(VrfId(0), Prefix::host(lan | 4), 0);
    f.change(VrfId(0), Prefix::host(lan | 5), 77);
    f.check(VrfId(0), &[lan | 3, lan | 4, lan | 5, lan | 6]);
}

#[test]
fn many_connected_subnets_and_a_provider_table() {
    let mut random = Random::new(5);
    let mut prefixes = std::collections::BTreeSet::new();
    for i in 0..1500u128 {
        let top = 0x2000 + random.below(6) as u128;
        let provider = top << 112 | (random.below(1 << 10) as u128) << 96;
        let len = [29, 32, 36, 40, 44, 48, 48, 48, 56, 64][i as usize % 10];
        let bits = (random.bits() as u128) << 64 >> 32;
        prefixes.insert(Prefix::of(provider | bits, len));
        prefixes.insert(Prefix::of(0x2001_0db8u128 << 96 | i << 64, 64));
        prefixes.insert(Prefix::host(0x2001_0db8u128 << 96 | i << 64 | 1));
    }
    prefixes.extend((0..24).map(|len| Prefix::of(0x2001_0db8u128 << 96, len)));
    grow_and_shrink(prefixes.into_iter().collect(), Kind::DirectWide);
}

#[test]
fn an_ipv4_table_with_a_direct_root() {
    let mut random = Random::new(6);
    let mut prefixes = std::collections::BTreeSet::new();
    while prefixes.len() < 4000 {
        let len = [8, 12, 16, 19, 20, 22, 24, 24, 24, 32][random.below(10) as usize];
        prefixes.insert(Prefix::of(random.bits() as u32 & 0x0fff_ffff, len));
    }
    // One /16 so full that it is split again.
    prefixes.extend((0..3000u32).map(|i| Prefix::host(0x0a00_0000 | (i * 21))));
    grow_and_shrink(prefixes.into_iter().collect(), Kind::DirectWide);
}

#[test]
fn a_small_vrf_is_about_a_kilobyte() {
    let mut f = Fixture::new();
    for subnet in 0..4u128 {
        let lan = 0x2001_0db8_0000_0000u128 << 64 | subnet << 64;
        f.change(VrfId(0), Prefix::of(lan, 64), 1);
        for host in 1..=3 {
            f.change(VrfId(0), Prefix::host(lan | host << 8), 2 + host as u32);
        }
    }
    f.change(VrfId(0), Prefix::all(), 9);
    f.check_all();
    let bytes = f.writer.memory_bytes(VrfId(0));
    assert!(
        bytes <= 1024,
        "4 prefixes, 12 hosts and a default route take {bytes} bytes"
    );
}

#[test]
fn the_default_route_touches_nothing_else() {
    let mut f = Fixture::new();
    for i in 0..2000u128 {
        f.change(
            VrfId(0),
            Prefix::of(0x2001_0db8u128 << 96 | i << 80, 48),
            1 + i as u32 % 7,
        );
    }
    let root = f.table.vrfs[0].root.load(Ordering::Relaxed);
    let bytes = f.writer.memory_bytes(VrfId(0));
    for next_hop in [5, 6, 0, 7] {
        f.change(VrfId(0), Prefix::all(), next_hop);
        assert_eq!(f.table.vrfs[0].root.load(Ordering::Relaxed), root);
        assert_eq!(f.writer.memory_bytes(VrfId(0)), bytes);
    }
    f.check_all();
}
