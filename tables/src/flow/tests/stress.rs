//! Workers on threads of their own over few keys, and somebody who looks on.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;
use crate::testing::Random;
use Direction::{Egress, Ingress};

const UDP: u8 = 17;
const KEYS: u64 = 60;
const STEPS: u32 = 50_000;
/// Flows made by all.
const CREATED: u64 = 3000;

/// A rule that only this key has.
fn rule_of(key: &FlowKey) -> RuleId {
    RuleId(u32::from(key.local.1) << 8 | u32::from(key.anchor.0))
}

fn work(
    worker: &mut FlowWorker,
    reader: &mut Reader,
    table: &FlowTable,
    clock: &AtomicU32,
    seed: u64,
) {
    let random = &mut Random::new(seed);
    for step in 0.. {
        if step % 1024 == 0 && step >= STEPS && table.usage().created >= CREATED {
            break;
        }
        let now = clock.load(Ordering::Relaxed);
        let anchor = AnchorId(1 + random.below(4) as u16);
        let key = key_of(anchor, UDP, random.below(KEYS) as u32);
        let direction = if random.below(2) == 0 {
            Egress
        } else {
            Ingress
        };
        let flows = table.read(reader);
        let hash = flows.hash(&key);
        let mut probe = flows.probe(&key);
        flows.fetch(&mut probe);
        if let Some(flow) = flows.probed(&probe) {
            flow.packet(direction, &segment(Upper::Other), now);
            // Nobody makes it another's while it is held.
            assert_eq!((flow.key(), flow.rule()), (key, rule_of(&key)));
            match random.below(8) {
                0 => worker.remove(flow),
                1 => flows.remove(flow),
                2 => flow.restamp(now, rule_of(&key)),
                _ => {}
            }
            assert_eq!(flow.key(), key);
        } else {
            let new = New {
                generation: 1,
                rule: rule_of(&key),
                opened: direction,
                asked: 1,
                quota: 40,
                segment: segment(Upper::Other),
                now,
            };
            match worker.insert(reader, hash, &key, &new) {
                Ok(flow) => assert_eq!((flow.key(), flow.rule()), (key, rule_of(&key))),
                // The other one has to say that it holds nothing.
                Err(_) => std::thread::yield_now(),
            }
        }
        if step % 32 == 0 {
            worker.expire(now);
            reader.quiescent();
        }
        if step % 2048 == 0 {
            clock.fetch_add(1, Ordering::Relaxed);
        }
    }
    // It waits for nobody, and nobody for it.
    std::mem::forget(reader.offline());
}

#[test]
fn workers_share_a_table() {
    let mut kit = Kit::new(256, 2);
    let table = kit.table.clone();
    let (clock, stop) = (AtomicU32::new(1000), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = 0;
            while !stop.load(Ordering::Relaxed) || seen == 0 {
                for info in table.snapshot(None, usize::MAX, clock.load(Ordering::Relaxed)) {
                    assert_eq!(info.rule, rule_of(&info.key), "of one flow, not of two");
                    assert_eq!(
                        info.key,
                        key_of(info.key.anchor, UDP, u32::from(info.key.local.1) - 40_000)
                    );
                    seen += 1;
                }
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
        });
        let parts = kit.workers.iter_mut().zip(&mut kit.readers).zip(1..);
        let threads: Vec<_> = parts
            .map(|((worker, reader), seed)| {
                let (table, clock) = (&table, &clock);
                scope.spawn(move || work(worker, reader, table, clock, seed))
            })
            .collect();
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        stop.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(|end| end.unwrap());
        watch.join().unwrap();
    });
    let usage = table.usage();
    assert!(usage.created >= CREATED && usage.evicted > 0, "{usage:?}");
    // Every count comes back.
    kit.now = clock.load(Ordering::Relaxed);
    kit.wait(500);
    assert_eq!(table.usage().flows, 0);
    assert!((0..=u16::MAX).all(|anchor| table.count(AnchorId(anchor)) == 0));
    assert_eq!(table.snapshot(None, usize::MAX, kit.now), []);
}

/// What another router tells while workers use the table, and what it is told.
fn tell(peer: &mut FlowPeer, reader: &mut Reader, clock: &AtomicU32, stop: &AtomicBool) -> u64 {
    let random = &mut Random::new(77);
    let mut told = 0;
    while !stop.load(Ordering::Relaxed) {
        let now = clock.load(Ordering::Relaxed);
        for _ in 0..20 {
            let anchor = AnchorId(1 + random.below(4) as u16);
            let record = Record {
                key: key_of(anchor, UDP, random.below(KEYS) as u32),
                asked: 1,
                progress: Progress(State::Replied as u32),
                tags: [[0; 2]; 2],
                age: 1,
                idle: 0,
                handovers: random.below(3) as u8,
            };
            let slot = random.below(40) as u32;
            match random.below(3) {
                0 => peer.clear(reader, slot),
                _ => {
                    let _ = peer.set(reader, slot, &record, 40, now);
                }
            }
        }
        match random.below(40) {
            0 => peer.gone(now),
            1 => peer.back(random.below(2) == 0, now),
            2 => peer.bulk_begins(),
            3 => peer.bulk_ends(reader),
            4 => peer.begin_bulk(),
            _ => {}
        }
        peer.changes(reader, 100, now, |_| told += 1);
        peer.bulk(reader, 10, now, |_| told += 1);
        peer.expire(now);
        reader.quiescent();
        if random.below(8) == 0 {
            std::thread::yield_now();
        }
    }
    std::mem::forget(reader.offline());
    told
}

#[test]
fn another_router_tells_of_the_same_flows_meanwhile() {
    let qsbr = Qsbr::new(3);
    let pairing = Pairing {
        flows: 64,
        notes: 256,
    };
    let (table, workers, peer) = FlowTable::paired(256, 2, &qsbr, 5, &pairing).unwrap();
    let mut peer = peer.unwrap();
    let mut kit = Kit {
        table: table.clone(),
        workers,
        readers: (0..2).map(|_| qsbr.register().unwrap()).collect(),
        now: 1000,
        quota: u32::MAX,
    };
    let mut reader = qsbr.register().unwrap();
    let (clock, stop) = (AtomicU32::new(1000), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let teller = scope.spawn(|| tell(&mut peer, &mut reader, &clock, &stop));
        let parts = kit.workers.iter_mut().zip(&mut kit.readers).zip(1..);
        let threads: Vec<_> = parts
            .map(|((worker, reader), seed)| {
                let (table, clock) = (&table, &clock);
                scope.spawn(move || share(worker, reader, table, clock, seed))
            })
            .collect();
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        stop.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(|end| end.unwrap());
        assert!(teller.join().unwrap() > 100);
    });
    peer.gone(clock.load(Ordering::Relaxed));
    for _ in 0..500 {
        kit.now = kit.now.max(clock.load(Ordering::Relaxed));
        kit.wait(1);
        while peer.expire(kit.now) > 0 {}
        reader.quiescent();
    }
    assert_eq!(table.usage().flows, 0);
    assert!((0..=u16::MAX).all(|anchor| table.count(AnchorId(anchor)) == 0));
    // All entries of the part are there for others.
    let record = |n| Record {
        key: key_of(AnchorId(9), UDP, n),
        asked: 1,
        progress: Progress(State::Replied as u32),
        tags: [[0; 2]; 2],
        age: 1,
        idle: 0,
        handovers: 0,
    };
    for n in 0..64 {
        let set = peer.set(&reader, n, &record(n), u32::MAX, kit.now);
        assert_eq!(set, Ok(true), "{n}");
    }
}

/// As [`work`], over flows that may be another router's.
fn share(
    worker: &mut FlowWorker,
    reader: &mut Reader,
    table: &FlowTable,
    clock: &AtomicU32,
    seed: u64,
) {
    let random = &mut Random::new(seed);
    for step in 0..2 * STEPS {
        let now = clock.load(Ordering::Relaxed);
        let anchor = AnchorId(1 + random.below(4) as u16);
        let key = key_of(anchor, UDP, random.below(KEYS) as u32);
        let direction = if random.below(2) == 0 {
            Egress
        } else {
            Ingress
        };
        let flows = table.read(reader);
        let hash = flows.hash(&key);
        if let Some(flow) = flows.find(hash, &key) {
            if flow.generation() == FOREIGN {
                flow.restamp(1, rule_of(&key));
                worker.tell(flow);
            }
            flow.packet_telling(direction, &segment(Upper::Other), now, || worker.tell(flow));
            assert_eq!(
                flow.key(),
                key,
                "nobody makes it another's while it is held"
            );
            if random.below(8) == 0 {
                worker.remove(flow);
            }
        } else {
            let new = New {
                generation: 1,
                rule: rule_of(&key),
                opened: direction,
                asked: 1,
                quota: 40,
                segment: segment(Upper::Other),
                now,
            };
            if worker.insert(reader, hash, &key, &new).is_err() {
                std::thread::yield_now();
            }
        }
        if step % 32 == 0 {
            worker.expire(now);
            reader.quiescent();
        }
        if step % 2048 == 0 {
            clock.fetch_add(1, Ordering::Relaxed);
        }
    }
    std::mem::forget(reader.offline());
}
