//! What a lookup in the flow table, a new flow, and a question to the rules cost, in nanoseconds.
//!
//! `cargo run --release -p tables --example flow_cost`. One thread, nothing else in the caches' way but the table itself; a router's
//! packets and other tables come on top.

use std::hint::black_box;
use std::time::Instant;

use tables::classifier::{AddressSets, Member, Protocol, Query, Remote, Rule, RuleSet, SetId};
use tables::flow::{
    Direction, FlowKey, FlowTable, FlowWorker, New, Probe, Segment, Tcp, Upper, Verdict,
};
use tables::id::{AnchorId, RuleId};
use tables::publish::{Qsbr, Reader};
use tables::testing::Random;

const BURST: usize = 64;
const ACK: u8 = 16;
const SYN: u8 = 2;

fn key(n: u32, protocol: u8) -> FlowKey {
    FlowKey {
        anchor: AnchorId(1 + (n & 63) as u16),
        v6: true,
        protocol,
        local: (
            0x2001_0db8 << 96 | u128::from(n & 0xff),
            1024 + (n >> 8 & 0xfff) as u16,
        ),
        remote: (0x2001_0db8_0001 << 80 | u128::from(n >> 20), 443),
    }
}

fn tcp(flags: u8, sequence: u32, acknowledgment: u32) -> Upper {
    Upper::Tcp(Tcp {
        flags,
        sequence,
        acknowledgment,
        window: 65_535,
        ..Tcp::default()
    })
}

fn segment(upper: Upper) -> Segment {
    Segment {
        bytes: 100,
        upper,
        liberal: false,
    }
}

fn new(segment: Segment) -> New {
    New {
        generation: 1,
        rule: RuleId(1),
        opened: Direction::Egress,
        asked: 443,
        quota: u32::MAX,
        segment,
        now: 1000,
    }
}

/// Makes all flows, in bursts as a worker does. Nanoseconds each.
fn fill(
    table: &FlowTable,
    worker: &mut FlowWorker,
    reader: &mut Reader,
    flows: u32,
    protocol: u8,
) -> f64 {
    let first = match protocol {
        6 => segment(tcp(SYN, 0, 0)),
        _ => segment(Upper::Other),
    };
    let begin = Instant::now();
    for burst in 0..flows.div_ceil(BURST as u32) {
        let seen = table.read(reader);
        let keys: [FlowKey; BURST] =
            std::array::from_fn(|n| key(burst * BURST as u32 + n as u32, protocol));
        let mut probes = keys.map(|key| seen.probe(&key));
        probes.iter_mut().for_each(|probe| seen.fetch(probe));
        for (key, probe) in keys.iter().zip(&probes) {
            if seen.probed(probe).is_none() {
                let _ = black_box(worker.insert(reader, seen.hash(key), key, &new(first)));
            }
        }
        worker.expire(1000);
        reader.quiescent();
    }
    begin.elapsed().as_nanos() as f64 / f64::from(flows)
}

/// Packets of flows at random, in bursts. Nanoseconds each, and how many passed.
fn packets(
    table: &FlowTable,
    reader: &mut Reader,
    flows: u32,
    protocol: u8,
    count: u32,
) -> (f64, u32) {
    let random = &mut Random::new(3);
    // The keys are made before: a router reads them from packets.
    let order: Vec<FlowKey> = (0..flows.clamp(1 << 12, 1 << 16))
        .map(|_| key(random.below(u64::from(flows)) as u32, protocol))
        .collect();
    let segment = match protocol {
        6 => segment(tcp(ACK, 1, 1)),
        _ => segment(Upper::Other),
    };
    let mut passed = 0;
    let begin = Instant::now();
    for burst in order
        .as_chunks::<BURST>()
        .0
        .iter()
        .cycle()
        .take(count as usize / BURST)
    {
        let seen = table.read(reader);
        let mut probes = [Probe::NONE; BURST];
        for (probe, key) in probes.iter_mut().zip(burst) {
            *probe = seen.probe(key);
        }
        probes.iter_mut().for_each(|probe| seen.fetch(probe));
        for probe in &probes {
            if let Some(flow) = seen.probed(probe)
                && flow.generation() == 1
                && flow.packet(Direction::Egress, &segment, 1000) == Verdict::Pass
            {
                passed += flow.rule().0;
            }
        }
        reader.quiescent();
    }
    (begin.elapsed().as_nanos() as f64 / f64::from(count), passed)
}

fn flows() {
    for flows in [1000_u32, 100_000, 1_000_000, 4_000_000] {
        for protocol in [17, 6] {
            let qsbr = Qsbr::new(1);
            let Ok((table, mut workers)) = FlowTable::new(flows as usize * 9 / 8, 1, &qsbr, 99)
            else {
                return println!("no memory for {flows} flows");
            };
            let Ok(mut reader) = qsbr.register() else {
                return;
            };
            let set_up = fill(&table, &mut workers[0], &mut reader, flows, protocol);
            for n in 0..flows {
                let seen = table.read(&reader);
                let key = key(n, protocol);
                let Some(flow) = seen.find(seen.hash(&key), &key) else {
                    continue;
                };
                if protocol == 6 {
                    flow.packet(Direction::Ingress, &segment(tcp(SYN | ACK, 0, 1)), 1000);
                    flow.packet(Direction::Egress, &segment(tcp(ACK, 1, 1)), 1000);
                } else {
                    flow.packet(Direction::Ingress, &segment(Upper::Other), 1000);
                }
            }
            let mut best = f64::MAX;
            for _ in 0..60 {
                let (each, passed) = packets(&table, &mut reader, flows, protocol, 1 << 18);
                assert!(passed == 1 << 18, "{passed} have passed");
                best = best.min(each);
            }
            // A minute later all are looked at.
            let begin = Instant::now();
            while workers[0].expire(1064) + usize::from(begin.elapsed().as_millis() < 1) > 0 {}
            println!(
                "{flows:>8} flows, protocol {protocol:>2}: packet {best:5.1} ns, new flow {set_up:6.1} ns"
            );
        }
    }
}

fn flood() {
    const FLOWS: u32 = 100_000;
    let qsbr = Qsbr::new(1);
    let Ok((table, mut workers)) = FlowTable::new(FLOWS as usize, 1, &qsbr, 99) else {
        return;
    };
    let Ok(mut reader) = qsbr.register() else {
        return;
    };
    fill(&table, &mut workers[0], &mut reader, FLOWS, 6);
    let each = fill(&table, &mut workers[0], &mut reader, 2_000_000, 6);
    println!(
        "a flood into a full table of {FLOWS}: new flow {each:6.1} ns ({:?})",
        table.usage()
    );
}

fn rules(count: u32, kind: &str) -> (Vec<Rule>, Vec<Member>) {
    let random = &mut Random::new(1);
    let site = |n: u32| 0x2001_0db8 << 96 | u128::from(n) << 80;
    let rule = |n: u32| Rule {
        id: RuleId(n + 1),
        v6: true,
        protocol: Protocol::Number(if n.is_multiple_of(3) { 17 } else { 6 }),
        ports: Some((n as u16, n as u16)),
        remote: Remote::Any,
    };
    let mut prefix = |n: u32| Remote::Prefix {
        address: site(n) | u128::from(random.bits()),
        len: [32, 48, 48, 56, 64, 64, 128][n as usize % 7],
    };
    let list = 0..count;
    match kind {
        "ports" => (list.map(rule).collect(), vec![]),
        "prefixes" => (
            list.map(|n| Rule {
                remote: prefix(n),
                ..rule(443)
            })
            .collect(),
            vec![],
        ),
        "sets" => {
            let remote = |n| Remote::Set(SetId(n));
            let member = |n| Member {
                set: SetId(n),
                v6: true,
                address: site(n),
                len: 48,
            };
            let rules = list.clone().map(|n| Rule {
                remote: remote(n),
                ..rule(443)
            });
            (rules.collect(), list.map(member).collect())
        }
        _ => (
            list.map(|n| Rule {
                remote: prefix(n),
                ..rule(n)
            })
            .collect(),
            vec![],
        ),
    }
}

fn classifier() {
    for kind in ["ports", "prefixes", "sets", "mixed"] {
        for count in [10, 100, 1000, 10_000] {
            let (rules, members) = rules(count, kind);
            let begin = Instant::now();
            let (set, sets) = (RuleSet::compile(&rules), AddressSets::new(members));
            let compiled = begin.elapsed().as_secs_f64() * 1e3;
            let random = &mut Random::new(2);
            let queries: Vec<Query> = (0..4096)
                .map(|_| {
                    let n = random.below(u64::from(count)) as u32;
                    let rule = rules[n as usize];
                    let Protocol::Number(protocol) = rule.protocol else {
                        unreachable!("all have one")
                    };
                    let remote = match rule.remote {
                        Remote::Prefix { address, .. } => address,
                        _ => 0x2001_0db8 << 96 | u128::from(n) << 80 | u128::from(random.bits()),
                    };
                    Query {
                        v6: true,
                        protocol,
                        port: rule.ports.map(|(first, _)| first),
                        remote,
                    }
                })
                .collect();
            let mut best = f64::MAX;
            for _ in 0..20 {
                let begin = Instant::now();
                for query in &queries {
                    assert!(black_box(set.lookup(query, &sets)).is_some());
                }
                best = best.min(begin.elapsed().as_nanos() as f64 / queries.len() as f64);
            }
            println!(
                "{count:>6} rules by {kind:8}: lookup {best:5.1} ns, compiled in {compiled:6.2} ms"
            );
        }
    }
}

fn main() {
    // What to measure; all of it by default.
    let asked: Vec<String> = std::env::args().skip(1).collect();
    for (name, measure) in [
        ("rules", classifier as fn()),
        ("flows", flows),
        ("flood", flood),
    ] {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            measure();
        }
    }
}
