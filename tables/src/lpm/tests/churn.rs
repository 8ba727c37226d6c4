//! Readers check every result while the writer changes the structure under them.
//!
//! Each prefix of a fixed universe has next hops of its own, so a reader can tell from a result which route it took: one
//! that covers the address, and is not shorter than the longest one that is never removed. A node read after its reuse
//! shows as a poisoned value or as a route to elsewhere.

use super::*;
use crate::testing::Random;
use std::sync::atomic::{AtomicBool, AtomicUsize};

struct Universe<A> {
    prefixes: Vec<Prefix<A>>,
    /// Where a prefix's next hops begin to repeat: id = 1 + index + generation * prefixes.len().
    permanent: usize,
}

impl<A: Address> Universe<A> {
    /// What the route to `next_hop` is.
    fn route(&self, next_hop: NextHopId) -> Prefix<A> {
        self.prefixes[(next_hop.index() - 1) % self.prefixes.len()]
    }

    /// The longest of the routes that are never removed.
    fn least(&self, addr: A) -> Option<u8> {
        let permanent = self.prefixes[..self.permanent].iter();
        permanent
            .filter(|p| p.contains(addr))
            .map(|p| p.len())
            .max()
    }

    fn check(&self, addr: A, least: Option<u8>, next_hop: NextHopId) {
        let host = Prefix::host(addr);
        assert_ne!(next_hop.0, arena::POISON, "{host}: read after reclaim");
        if next_hop.0 == 0 {
            assert_eq!(least, None, "{host}: no route");
            return;
        }
        let route = self.route(next_hop);
        assert!(route.contains(addr), "{host}: took the route of {route}");
        assert!(
            least.is_none_or(|least| route.len() >= least),
            "{host}: {route} is too short"
        );
    }
}

fn churn<A: Address>(universe: &Universe<A>, probes: &[A], changes: usize) {
    let qsbr = Qsbr::new(2);
    let (mut writer, table) = LpmWriter::new(1, qsbr.clone()).unwrap();
    let vrf = VrfId(0);
    writer.add_vrf(vrf).unwrap();
    let mut naive = NaiveLpm::default();
    for (i, &prefix) in universe.prefixes[..universe.permanent].iter().enumerate() {
        writer.insert(vrf, prefix, NextHopId(1 + i as u32)).unwrap();
        naive.insert(vrf, prefix, NextHopId(1 + i as u32));
    }
    let probes: Vec<(A, Option<u8>)> = probes.iter().map(|&a| (a, universe.least(a))).collect();
    let done = AtomicBool::new(false);
    let checked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for id in 0..2u64 {
            let mut reader = qsbr.register().unwrap();
            let (table, probes, done, checked) = (&table, &probes, &done, &checked);
            scope.spawn(move || {
                let mut random = Random::new(id);
                let mut out = [NextHopId(0); BURST];
                while !done.load(Ordering::Relaxed) {
                    let n = 1 + random.below(BURST as u64) as usize;
                    let from = random.below((probes.len() - n) as u64) as usize;
                    let burst = &probes[from..from + n];
                    let addrs: Vec<A> = burst.iter().map(|(addr, _)| *addr).collect();
                    table.lookup_burst(&reader, vrf, &addrs, &mut out);
                    for (&(addr, least), &next_hop) in burst.iter().zip(&out) {
                        universe.check(addr, least, next_hop);
                    }
                    let (addr, least) = burst[0];
                    universe.check(addr, least, table.lookup(&reader, vrf, addr));
                    checked.fetch_add(n + 1, Ordering::Relaxed);
                    reader.quiescent();
                }
            });
        }
        // A panic of the writer must not leave the readers running.
        let stop = Stop(&done);
        let mut random = Random::new(99);
        let count = universe.prefixes.len();
        for change in 0..changes {
            if change % 64 == 0 {
                writer.commit().unwrap();
                if random.below(4) == 0 {
                    writer.begin();
                }
            }
            // Now and then much at once: the structure grows to its big shapes and back.
            let phase = (change / 4000) % 2;
            let index = random.below(count as u64) as usize;
            let prefix = universe.prefixes[index];
            let keep = index < universe.permanent;
            if keep || random.below(4) > 2 * phase as u64 {
                let generation = random.below(4) as usize;
                let next_hop = NextHopId((1 + index + generation * count) as u32);
                writer.insert(vrf, prefix, next_hop).unwrap();
                naive.insert(vrf, prefix, next_hop);
            } else {
                writer.remove(vrf, &prefix).unwrap();
                naive.remove(vrf, &prefix);
            }
        }
        writer.commit().unwrap();
        drop(stop);
    });
    let checked = checked.into_inner();
    println!("{checked} lookups checked during {changes} changes");
    assert!(checked > 0);
    let reader = qsbr.register().unwrap();
    for &(addr, _) in &probes {
        assert_eq!(table.lookup(&reader, vrf, addr), naive.lookup(vrf, addr));
    }
}

/// Says "done" when it goes out of scope.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Distinct prefixes in random order, and the edges of all of them.
fn universe<A: Address>(prefixes: Vec<Prefix<A>>, permanent: usize) -> (Universe<A>, Vec<A>) {
    let mut prefixes = prefixes;
    prefixes.sort_unstable();
    prefixes.dedup();
    let mut random = Random::new(7);
    for i in (1..prefixes.len()).rev() {
        prefixes.swap(i, random.below(i as u64 + 1) as usize);
    }
    let probes = prefixes
        .iter()
        .flat_map(|p| {
            [
                Some(p.addr()),
                Some(p.last()),
                p.last().next(),
                step_back(p.addr()),
            ]
        })
        .flatten()
        .collect();
    (
        Universe {
            prefixes,
            permanent,
        },
        probes,
    )
}

#[test]
fn ipv6_readers_see_only_right_results_under_churn() {
    let mut random = Random::new(11);
    let mut prefixes = Vec::new();
    for i in 0..1200u128 {
        let site = 0x2001_0db8_0000u128 << 80 | (random.below(64) as u128) << 90;
        let subnet = site | (random.below(300) as u128) << 64;
        prefixes.push(Prefix::of(site, 1 + (i % 64) as u8));
        prefixes.push(Prefix::of(subnet, 56 + (i % 9) as u8));
        prefixes.push(Prefix::host(
            subnet & !0xff_u128 << 64 | random.below(2000) as u128,
        ));
        prefixes.push(Prefix::of(
            subnet | random.bits() as u128,
            65 + (i % 64) as u8,
        ));
        prefixes.push(Prefix::of(0x2000u128 << 112 | (i * 77) << 96, 32));
    }
    let (universe, probes) = universe(prefixes, 40);
    churn(&universe, &probes, 24_000);
}

#[test]
fn ipv4_readers_see_only_right_results_under_churn() {
    let mut random = Random::new(12);
    let mut prefixes = Vec::new();
    for i in 0..4000u32 {
        let near = 0x0a00_0000 | random.below(1 << 16) as u32;
        prefixes.push(Prefix::of(near, 1 + (i % 32) as u8));
        prefixes.push(Prefix::of((random.bits() as u32) >> 4, 12 + (i % 20) as u8));
    }
    let (universe, probes) = universe(prefixes, 40);
    churn(&universe, &probes, 24_000);
}
