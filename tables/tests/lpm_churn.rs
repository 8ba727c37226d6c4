//! Several readers check every result of the routing table while the writer changes it without pause.
//!
//! Every change has a number. Before the writer makes change `n` it notes, for each probed address that `n` concerns, what the
//! address will find (an [`Answers`] entry with that number); then it says `started = n`, makes the change, and says
//! `finished = n`. A reader notes `finished` before a lookup and `started` behind it: the result must be what the address finds
//! after some change between the two, that is, the last answer up to `finished` or any up to `started`. Nothing else is right, so
//! a route of another address, one withdrawn before, one missed, or a node read after its reuse (which is poisoned in debug
//! builds) is noticed at once.
//!
//! `CHURN_SECONDS` is how long each family is churned (default 2).
#![cfg(not(loom))]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tables::id::{NextHopId, VrfId};
use tables::lpm::{Address, Lpm, LpmWriter, Prefix, Scalar, Simd};
#[cfg(target_arch = "x86_64")]
use tables::lpm::{Avx2, Avx512};
use tables::publish::{Qsbr, Reader};
use tables::testing::{Random, bgp4, bgp6, connected6, uniform_trace};

const READERS: usize = 2;
/// Answers that are remembered of an address. A reader that is suspended for longer than they last cannot judge.
const HISTORY: usize = 32;
const NEXT_HOP_BITS: u32 = 28;

/// The last answers of an address: number of the change and next hop in one word, so that they are read whole.
struct Answers {
    ring: [AtomicU64; HISTORY],
    /// The writer's alone.
    count: AtomicU64,
}

impl Answers {
    fn new() -> Answers {
        Answers {
            // The first: nothing is found before the first change. The others are never older than what is asked for.
            ring: std::array::from_fn(|i| AtomicU64::new(if i == 0 { 0 } else { u64::MAX })),
            count: AtomicU64::new(1),
        }
    }

    fn push(&self, change: u64, next_hop: u32) {
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        let word = change << NEXT_HOP_BITS | next_hop as u64;
        self.ring[count as usize % HISTORY].store(word, Ordering::SeqCst);
    }

    /// What is remembered: numbers of changes and next hops, in no order.
    fn history(&self) -> Vec<(u64, u32)> {
        loop {
            let count = self.count.load(Ordering::SeqCst);
            let words = self.ring.iter().map(|word| word.load(Ordering::SeqCst));
            let mask = (1 << NEXT_HOP_BITS) - 1;
            let history = words
                .map(|word| (word >> NEXT_HOP_BITS, word as u32 & mask))
                .collect();
            // Else it could be older answers from before a pause and newer ones from after it, without those between.
            if self.count.load(Ordering::SeqCst) == count {
                return history;
            }
        }
    }

    /// Whether `next_hop` was right at some moment from `finished` to `started`; `None` if that is forgotten.
    fn allow(&self, next_hop: u32, finished: u64, started: u64) -> Option<bool> {
        let history = self.history();
        let before = history.iter().filter(|(change, _)| *change <= finished);
        let (_, answer) = before.max()?;
        let between = finished + 1..=started;
        let meanwhile = history
            .iter()
            .any(|(c, n)| between.contains(c) && *n == next_hop);
        Some(*answer == next_hop || meanwhile)
    }
}

struct Probe<A> {
    vrf: VrfId,
    addr: A,
    /// Routes that cover the address, longest first.
    routes: Vec<usize>,
    answers: Answers,
}

/// All routes that come and go, and all addresses that are looked up.
struct World<A: Address> {
    routes: Vec<(VrfId, Prefix<A>)>,
    /// By VRF.
    probes: Vec<Vec<Probe<A>>>,
    /// Per route, the VRF's probes that it covers.
    covered: Vec<Vec<usize>>,
    started: AtomicU64,
    finished: AtomicU64,
}

impl<A: Address> World<A> {
    /// A world of these prefixes, by VRF; probed are the edges of all and some addresses inside.
    fn new(prefixes: Vec<Vec<Prefix<A>>>) -> World<A> {
        let mut routes = Vec::new();
        let mut probes = Vec::new();
        for (vrf, mut prefixes) in prefixes.into_iter().enumerate() {
            let vrf = VrfId(vrf as u16);
            prefixes.sort_unstable();
            prefixes.dedup();
            let list: Vec<_> = prefixes.iter().map(|&p| (p, NextHopId(1))).collect();
            let mut addrs = uniform_trace(&list, prefixes.len(), 5);
            for prefix in &prefixes {
                addrs.extend([prefix.addr(), prefix.last()]);
                addrs.extend(prefix.addr().previous());
                addrs.extend(prefix.last().next());
            }
            addrs.sort_unstable();
            addrs.dedup();
            let first = routes.len();
            routes.extend(prefixes.iter().map(|&prefix| (vrf, prefix)));
            // Both are sorted: those that cover an address are open when it is met, shortest first.
            let (mut open, mut next) = (Vec::<usize>::new(), 0);
            let probe = |addr: A| {
                while prefixes.get(next).is_some_and(|p| p.addr() <= addr) {
                    open.retain(|&i| prefixes[i].contains(prefixes[next].addr()));
                    open.push(next);
                    next += 1;
                }
                let covering = open.iter().rev().filter(|&&i| prefixes[i].contains(addr));
                Probe {
                    vrf,
                    addr,
                    routes: covering.map(|i| first + i).collect(),
                    answers: Answers::new(),
                }
            };
            probes.push(addrs.into_iter().map(probe).collect::<Vec<_>>());
        }
        let mut covered = vec![Vec::new(); routes.len()];
        for (i, probe) in probes.iter().flat_map(|probes| probes.iter().enumerate()) {
            for &route in &probe.routes {
                covered[route].push(i);
            }
        }
        World {
            routes,
            probes,
            covered,
            started: AtomicU64::new(0),
            finished: AtomicU64::new(0),
        }
    }
}

/// What the writer does and knows.
struct Churn<'w, A: Address> {
    world: &'w World<A>,
    writer: LpmWriter<A>,
    /// The next hops of all routes, 0 where withdrawn: what is true, whatever the table says.
    now: Vec<u32>,
    changes: u64,
}

impl<A: Address> Churn<'_, A> {
    fn answer(&self, probe: &Probe<A>) -> u32 {
        let mut next_hops = probe.routes.iter().map(|&route| self.now[route]);
        next_hops.find(|&next_hop| next_hop != 0).unwrap_or(0)
    }

    /// Makes changes (route, next hop or 0) that become visible one by one in any order, with all that this takes.
    fn make(&mut self, changes: &[(usize, u32)], apply: impl FnOnce(&mut LpmWriter<A>)) {
        // Two numbers a step: the first for answers on the way, the second for the answer at its end.
        let number = self.world.started.load(Ordering::Relaxed) + 2;
        let mut touched: Vec<(usize, usize)> = Vec::new();
        for &(route, _) in changes {
            let vrf = self.world.routes[route].0.index();
            touched.extend(self.world.covered[route].iter().map(|&probe| (vrf, probe)));
        }
        touched.sort_unstable();
        touched.dedup();
        let before = self.now.clone();
        for &(route, next_hop) in changes {
            self.now[route] = next_hop;
        }
        let probes = || {
            touched
                .iter()
                .map(|&(vrf, probe)| &self.world.probes[vrf][probe])
        };
        if changes.len() > 1 {
            for probe in probes() {
                // Longest first, what each may be found with when some changes have been made and others not.
                let states = probe.routes.iter().map(|&i| (before[i], self.now[i]));
                let always = states.clone().position(|(old, new)| old != 0 && new != 0);
                let until = always.map_or(states.len(), |i| i + 1);
                for (old, new) in states.take(until) {
                    for next_hop in [old, new].into_iter().filter(|&next_hop| next_hop != 0) {
                        probe.answers.push(number - 1, next_hop);
                    }
                }
                if always.is_none() {
                    probe.answers.push(number - 1, 0);
                }
            }
        }
        for probe in probes() {
            probe.answers.push(number, self.answer(probe));
        }
        self.world.started.store(number, Ordering::SeqCst);
        apply(&mut self.writer);
        self.world.finished.store(number, Ordering::SeqCst);
        self.changes += changes.len() as u64;
    }

    /// A change, or a batch of them, of random routes; `share` of all routes tend to be there.
    fn step(&mut self, random: &mut Random, share: f64) {
        let count = match random.below(8) {
            0 => 2 + random.below(30) as usize,
            _ => 1,
        };
        let near = random.below(self.now.len() as u64) as usize;
        let mut changes: Vec<(usize, u32)> = Vec::new();
        for i in 0..count {
            // Batches of neighbours meet in a chunk.
            let route = match random.below(2) {
                0 => random.below(self.now.len() as u64) as usize,
                _ => (near + i) % self.now.len(),
            };
            let stays = self.now[route] == 0 || random.below(2) == 0;
            // Often few, so that neighbours merge; often ones that no other route has.
            let range = 1 << random.below(19);
            let next_hop = if stays && random.fraction() < share {
                1 + random.below(range) as u32
            } else {
                0
            };
            if changes.iter().all(|(other, _)| *other != route) {
                changes.push((route, next_hop));
            }
        }
        let routes = &self.world.routes;
        self.make(&changes, |writer| {
            if changes.len() > 1 {
                writer.begin();
                // Nobody may ever find this.
                change(writer, routes[changes[0].0], (1 << 20) - 1);
            }
            for &(route, next_hop) in &changes {
                change(writer, routes[route], next_hop);
            }
            writer.commit().unwrap();
        });
    }

    /// A VRF goes, and comes back empty.
    fn empty(&mut self, vrf: VrfId) {
        let routes = self.world.routes.iter().enumerate();
        let changes: Vec<_> = routes
            .filter(|(_, (v, _))| *v == vrf)
            .map(|(i, _)| (i, 0))
            .collect();
        self.make(&changes, |writer| {
            writer.remove_vrf(vrf).unwrap();
            writer.add_vrf(vrf).unwrap();
        });
    }
}

fn change<A: Address>(writer: &mut LpmWriter<A>, (vrf, prefix): (VrfId, Prefix<A>), next_hop: u32) {
    match next_hop {
        0 => writer.remove(vrf, &prefix).unwrap(),
        _ => writer.insert(vrf, prefix, NextHopId(next_hop)).unwrap(),
    };
}

/// Looks up until `done`; returns how many results were checked, and how many it could not judge.
fn read<A: Address>(
    world: &World<A>,
    table: &Lpm<A>,
    mut reader: Reader,
    seed: u64,
    done: &AtomicBool,
) -> (u64, u64) {
    let mut random = Random::new(seed);
    let (mut checked, mut forgotten) = (0, 0);
    let mut out = [NextHopId(0); 64];
    while !done.load(Ordering::Relaxed) {
        let vrf = random.below(world.probes.len() as u64) as usize;
        let probes = &world.probes[vrf];
        let n = 1 + random.below(64) as usize;
        let (from, step) = (random.bits() as usize, 1 + random.below(3) as usize * 4999);
        let burst: Vec<&Probe<A>> = (0..n)
            .map(|i| &probes[(from % probes.len() + i * step) % probes.len()])
            .collect();
        let addrs: Vec<A> = burst.iter().map(|probe| probe.addr).collect();
        let vrf = burst[0].vrf;
        let finished = world.finished.load(Ordering::SeqCst);
        let way = random.below(5);
        look_up(table, &reader, vrf, way, &addrs, &mut out);
        let started = world.started.load(Ordering::SeqCst);
        for (probe, next_hop) in burst.iter().zip(&out) {
            match probe.answers.allow(next_hop.0, finished, started) {
                Some(allowed) => assert!(
                    allowed,
                    "{} in VRF {vrf} found {next_hop}, looked up in way {way} during changes {finished} to {started} of {:?}",
                    Prefix::host(probe.addr),
                    probe.answers.history(),
                ),
                None => forgotten += 1,
            }
        }
        checked += n as u64;
        reader.quiescent();
    }
    (checked, forgotten)
}

/// One of the ways to look up.
fn look_up<A: Address>(
    table: &Lpm<A>,
    reader: &Reader,
    vrf: VrfId,
    way: u64,
    addrs: &[A],
    out: &mut [NextHopId],
) {
    match way {
        0 => {
            for (addr, out) in addrs.iter().zip(out) {
                *out = table.lookup(reader, vrf, *addr);
            }
        }
        1 => lane(Scalar, table, reader, vrf, addrs, out),
        #[cfg(target_arch = "x86_64")]
        2 if let Some(simd) = Avx2::detect() => lane(simd, table, reader, vrf, addrs, out),
        #[cfg(target_arch = "x86_64")]
        3 if let Some(simd) = Avx512::detect() => lane(simd, table, reader, vrf, addrs, out),
        _ => table.lookup_burst(reader, vrf, addrs, out),
    }
}

fn lane<A: Address, S: Simd>(
    simd: S,
    table: &Lpm<A>,
    reader: &Reader,
    vrf: VrfId,
    addrs: &[A],
    out: &mut [NextHopId],
) {
    let high: Vec<u64> = addrs.iter().map(|addr| addr.high()).collect();
    table.lookup_lane(simd, reader, vrf, &high, |i| addrs[i], out);
}

/// Says "done" when it goes out of scope: a panic of the writer must not leave the readers running.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn seconds() -> f64 {
    let given = std::env::var("CHURN_SECONDS").ok();
    given.and_then(|given| given.parse().ok()).unwrap_or(2.0)
}

fn churn<A: Address>(family: &str, prefixes: Vec<Vec<Prefix<A>>>) {
    let world = World::new(prefixes);
    let qsbr = Qsbr::new(READERS);
    let (writer, table): (_, Arc<Lpm<A>>) =
        LpmWriter::new(world.probes.len(), qsbr.clone()).unwrap();
    let mut churn = Churn {
        world: &world,
        writer,
        now: vec![0; world.routes.len()],
        changes: 0,
    };
    let vrfs = (0..world.probes.len() as u16).map(VrfId);
    vrfs.clone()
        .for_each(|vrf| churn.writer.add_vrf(vrf).unwrap());
    let done = AtomicBool::new(false);
    let (mut checked, mut forgotten) = (0, 0);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS as u64)
            .map(|seed| {
                let (world, table, done) = (&world, &table, &done);
                let reader = qsbr.register().unwrap();
                scope.spawn(move || read(world, table, reader, seed, done))
            })
            .collect();
        let stop = Stop(&done);
        let mut random = Random::new(99);
        let until = Instant::now() + Duration::from_secs_f64(seconds());
        let mut round = 0;
        while round < 4 || Instant::now() < until {
            // The structure grows to its big shapes, and back to nothing.
            let share = [0.95, 0.6, 0.02, 0.3][round % 4];
            for _ in 0..2 * world.routes.len() {
                churn.step(&mut random, share);
            }
            round += 1;
            if round % 4 == 0 {
                churn.empty(VrfId(random.below(world.probes.len() as u64) as u16));
            }
        }
        drop(stop);
        for reader in readers {
            let (c, f) = reader.join().unwrap();
            (checked, forgotten) = (checked + c, forgotten + f);
        }
    });
    println!(
        "{family}: {checked} lookups checked during {} changes, {forgotten} could not be judged",
        churn.changes
    );
    assert!(
        checked > 100 * forgotten,
        "{forgotten} of {checked} were not judged"
    );
    let reader = qsbr.register().unwrap();
    for probe in world.probes.iter().flatten() {
        let found = table.lookup(&reader, probe.vrf, probe.addr);
        assert_eq!(found.0, churn.answer(probe), "{}", Prefix::host(probe.addr));
    }
}

fn prefixes<A: Address>(routes: Vec<(Prefix<A>, NextHopId)>) -> Vec<Prefix<A>> {
    routes.into_iter().map(|(prefix, _)| prefix).collect()
}

/// Prefixes of all lengths that lead to some of `targets`.
fn towards<A: Address>(targets: &[Prefix<A>], random: &mut Random) -> Vec<Prefix<A>> {
    let pick = |len: u8| {
        let target = targets[random.below(targets.len() as u64) as usize];
        Prefix::new(target.last(), len)
    };
    (0..=A::BITS).cycle().take(900).flat_map(pick).collect()
}

#[test]
fn ipv6_readers_see_only_right_results_while_routes_of_all_lengths_come_and_go() {
    let mut random = Random::new(11);
    let mut internet = prefixes(bgp6(3000, 1, 1));
    internet.extend(towards(&internet, &mut random));
    let mut lans = prefixes(connected6(300, 4, 1, 2));
    // One LAN that fills a chunk of three levels.
    lans.extend((0..400u128).map(|i| Prefix::host(0x2001_0db8 << 96 | (i * i * 7))));
    let mut few = towards(&lans[..8], &mut random);
    few.truncate(129);
    churn("IPv6", vec![internet, lans, few]);
}

#[test]
fn ipv4_readers_see_only_right_results_while_routes_of_all_lengths_come_and_go() {
    let mut random = Random::new(12);
    let mut internet = prefixes(bgp4(3000, 1, 1));
    internet.extend(towards(&internet, &mut random));
    // A /16 that is split again.
    internet.extend((0..1500u32).map(|i| Prefix::host(10 << 24 | (i * 37))));
    let mut few = towards(&internet[..8], &mut random);
    few.truncate(33);
    churn("IPv4", vec![internet, few]);
}
