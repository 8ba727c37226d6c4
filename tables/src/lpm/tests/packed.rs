//! IPv4 below a direct root: packed chunks in all their forms, what takes their place, and the ways between them.

use super::*;
use crate::lpm::chunk::{Chunk, Slots};
use crate::lpm::node::{FORM_LINES, FORM_SIDE, Kind, PLACES, Window};
use crate::testing::Random;
use std::collections::BTreeSet;

const VRF: VrfId = VrfId(0);
/// The span that is looked at.
const NET: u32 = 10 << 24;
/// The least next hop that takes an entry of a side line.
const BIG: u32 = 1 << 15;

/// A table with so many routes elsewhere that its root is a direct node.
fn big_table() -> Fixture<u32> {
    let mut f = Fixture::new();
    f.writer.begin();
    for i in 0..2500u32 {
        f.change(VRF, Prefix::of(192 << 24 | i << 9, 24), 1 + i % 2);
    }
    f.writer.commit().unwrap();
    f.reader.quiescent();
    f
}

/// What stands for the span of `len` bits that holds an address.
fn kind(f: &Fixture<u32>, addr: u32, len: u8) -> Kind {
    let nodes = Nodes(f.table.region.base());
    let mut entry = Entry(f.table.vrfs[0].root.load(Ordering::Relaxed));
    let mut at = 0;
    while at < len {
        // SAFETY: this thread is also the writer.
        (entry, at) = unsafe { nodes.step(Scalar, entry, addr, at) }.unwrap();
    }
    assert_eq!(at, len, "{entry:?} is no span of that length");
    entry.kind()
}

/// Looks up everything about the span's routes, and addresses spread over it.
fn check(f: &Fixture<u32>) {
    let mut addrs: Vec<u32> = (0..600).map(|i| NET | (i * 109)).collect();
    for (vrf, prefix, _) in f.naive.iter() {
        if vrf == VRF && prefix.addr() >> 16 == NET >> 16 {
            addrs.extend([prefix.addr(), prefix.last()]);
            addrs.extend([prefix.addr().wrapping_sub(1), prefix.last().wrapping_add(1)]);
        }
    }
    f.check(VRF, &addrs);
}

#[test]
fn a_packed_chunk_of_every_form_is_read_as_it_was_written() {
    let mut arena = arena::Arena::new(16 << 20).unwrap();
    let mut random = Random::new(4);
    let mut forms = BTreeSet::new();
    for round in 0..4000 {
        let n = 1 + random.below(1 + round % PLACES as u64);
        let mut keys = BTreeSet::from([0]);
        // Crowded in one half, so that lines fill unevenly, or spread.
        let range = [PLACES as u64, 128][random.below(2) as usize];
        (1..n).for_each(|_| {
            keys.insert(random.below(range));
        });
        let mut slots = Slots::default();
        let rare = 1 + random.below(64);
        for &key in &keys {
            // What goes on is one place.
            let alone = key + 1 == PLACES as u64 || keys.contains(&(key + 1));
            let entry = match random.below(rare * 4) {
                0 if alone => Entry::node(Kind::Chunk(Window::F, 3), 77),
                1 => Entry::leaf(BIG + random.below(9) as u32),
                _ => Entry::leaf(random.below(BIG as u64) as u32),
            };
            slots.push(key, entry);
        }
        let Some((plan, count)) = Chunk::plan(Window::E, &slots) else {
            continue;
        };
        let lines = arena.alloc(count).unwrap();
        let entry = plan.write(&arena, lines.first, &slots);
        let Kind::Chunk(Window::E, form) = entry.kind() else {
            panic!("{entry:?}");
        };
        forms.insert(form);
        let chunk = Chunk::of(entry).unwrap();
        assert_eq!(chunk.lines(&arena), lines);
        let mut read = Slots::default();
        chunk.read(&arena, 0, &mut read);
        assert_eq!((&read.keys, &read.entries), (&slots.keys, &slots.entries));
        for key in 0..PLACES as u64 {
            let found = chunk.find(&arena, key);
            let interval = slots.keys.partition_point(|&start| start <= key) - 1;
            assert_eq!(found.slot.load(&arena), slots.entries[interval]);
            assert!(slots.keys[interval] <= found.first && found.first <= key);
            let next = slots
                .keys
                .get(interval + 1)
                .map_or(PLACES as u64, |&key| key);
            assert!(key <= found.last && found.last < next);
        }
        arena.free(lines);
    }
    assert!(forms.into_iter().eq(0..16), "not every form was met");
}

#[test]
fn a_span_grows_through_all_forms_and_back() {
    let mut f = big_table();
    let mut random = Random::new(7);
    let mut order: Vec<u32> = (0..PLACES as u32).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, random.below(i as u64 + 1) as usize);
    }
    let mut lines = BTreeSet::new();
    let mut steps = Vec::new();
    steps.extend(order.iter().map(|&i| (i, 2 + i)));
    steps.extend(order.iter().rev().map(|&i| (i, 0)));
    for (step, (i, next_hop)) in steps.into_iter().enumerate() {
        f.change(VRF, Prefix::of(NET | i << 8, 24), next_hop);
        match kind(&f, NET, 16) {
            Kind::Chunk(Window::E, form) => lines.insert(form & FORM_LINES),
            kind => panic!("{kind:?} after {step} changes"),
        };
        if step % 5 == 0 {
            check(&f);
        }
        if step == PLACES {
            break;
        }
    }
    assert!(lines.iter().copied().eq(0..8), "{lines:?}");
    for &i in &order {
        if f.naive.lookup(VRF, NET | i << 8) != NextHopId(0) {
            f.change(VRF, Prefix::of(NET | i << 8, 24), 0);
        }
    }
    // Boundaries of routes that went are kept for a while: others going are what tidies them away.
    for i in 0..2500u32 {
        f.change(VRF, Prefix::of(192 << 24 | i << 9, 24), 0);
    }
    check(&f);
    assert_eq!(f.writer.memory_bytes(VRF), size_of::<Vrf>());
}

#[test]
fn longer_routes_and_great_ids_go_aside_and_too_many_take_other_nodes() {
    let mut f = big_table();
    for i in 0..40 {
        f.change(VRF, Prefix::of(NET | i << 9, 24), 2 + i);
    }
    let side = |f: &Fixture<u32>| match kind(f, NET, 16) {
        Kind::Chunk(Window::E, form) => Some(form & FORM_SIDE != 0),
        _ => None,
    };
    assert_eq!(side(&f), Some(false));
    // Hosts and great ids, until there is no more room.
    let change = |f: &mut Fixture<u32>, i: u32, on: bool| {
        let next_hop = if on { BIG + i } else { 0 };
        match i % 2 {
            0 => f.change(VRF, Prefix::host(NET | i << 8 | 9), next_hop),
            _ => f.change(VRF, Prefix::of(NET | i << 8, 24), next_hop),
        }
        check(f);
    };
    for i in 0..16 {
        change(&mut f, i, true);
        assert_eq!(side(&f), Some(true), "{i}");
    }
    assert!(matches!(kind(&f, NET, 24), Kind::Chunk(Window::F, _)));
    change(&mut f, 16, true);
    assert!(matches!(kind(&f, NET, 16), Kind::Chunk(Window::B, _)));
    for i in 17..60 {
        change(&mut f, i, true);
    }
    // So many hosts that it is divided: the /24s, each with 256 next hops, are packed again.
    f.writer.begin();
    for i in 0..6000 {
        f.change(VRF, Prefix::host(NET | i), 1 + i % 30_000);
    }
    f.writer.commit().unwrap();
    f.reader.quiescent();
    check(&f);
    assert_eq!(kind(&f, NET, 16), Kind::Direct8);
    assert!(matches!(kind(&f, NET, 24), Kind::Chunk(Window::F, _)));
    for i in 0..6000 {
        f.change(VRF, Prefix::host(NET | i), 0);
    }
    check(&f);
    for i in (0..60).rev() {
        change(&mut f, i, false);
    }
    // What is left is few /24s; one more change finds that they fit.
    for i in 0..300u32 {
        f.change(VRF, Prefix::of(192 << 24 | i << 9, 24), 0);
    }
    f.change(VRF, Prefix::of(NET | 200 << 8, 24), 5);
    check(&f);
    assert_eq!(side(&f), Some(false), "{:?}", kind(&f, NET, 16));
}

#[test]
fn a_next_hop_changes_in_place_unless_its_slot_is_too_small() {
    let mut f = big_table();
    for i in 0..60 {
        f.change(VRF, Prefix::of(NET | i << 9, 24), 2 + i);
    }
    let prefix = Prefix::of(NET | 8 << 9, 24);
    let root = f.table.vrfs[0].root.load(Ordering::Relaxed);
    let entry = |f: &Fixture<u32>| {
        let nodes = Nodes(f.table.region.base());
        // SAFETY: this thread is also the writer.
        unsafe { nodes.step(Scalar, Entry(root), NET, 0) }
            .unwrap()
            .0
    };
    let before = entry(&f);
    for next_hop in [900, BIG - 1, 0, 12] {
        f.change(VRF, prefix, next_hop);
        assert_eq!(entry(&f), before, "the chunk was copied for {next_hop}");
        check(&f);
    }
    f.change(VRF, prefix, BIG);
    let aside = entry(&f);
    assert_ne!(aside, before);
    for next_hop in [BIG + 7, 3, 0, 1 << 20] {
        f.change(VRF, prefix, next_hop);
        assert_eq!(entry(&f), aside, "the chunk was copied for {next_hop}");
        check(&f);
    }
}

/// A default route with a great id is not taken for something else.
#[test]
fn the_default_route_may_have_any_id() {
    let mut f = big_table();
    f.change(VRF, Prefix::all(), BIG + 5);
    f.change(VRF, Prefix::of(NET, 24), 3);
    f.change(VRF, Prefix::host(NET | 1 << 12), BIG);
    check(&f);
    f.change(VRF, Prefix::all(), 4);
    check(&f);
}

fn ops4() -> impl Strategy<Value = Vec<(Prefix<u32>, u32)>> {
    let prefix = (0u32..0x1_0000, 14u8..=32, 0u32..4).prop_map(|(bits, len, places)| {
        // Often few /24s, so that routes meet.
        let bits = if places > 0 { bits & 0x0fff } else { bits };
        Prefix::of(NET | bits, len)
    });
    let next_hop = prop_oneof![8 => 0u32..9, 2 => BIG - 2..BIG + 2, 1 => 1u32 << 25..1 << 26];
    proptest::collection::vec((prefix, next_hop), 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn ipv4_below_a_direct_root_agrees_with_the_naive_table(ops in ops4(), batch in 1usize..12) {
        let mut f = big_table();
        for ops in ops.chunks(batch) {
            f.writer.begin();
            for &(prefix, next_hop) in ops {
                f.change(VRF, prefix, next_hop);
            }
            f.writer.commit().unwrap();
            f.reader.quiescent();
            check(&f);
        }
        for (_, prefix, _) in f.naive.clone().iter() {
            f.change(VRF, prefix, 0);
        }
        check(&f);
        prop_assert_eq!(f.writer.memory_bytes(VRF), size_of::<Vrf>());
    }
}
