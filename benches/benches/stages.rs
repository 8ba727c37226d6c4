//! Stages: a burst of 64 equal packets through one round of a worker, by the fast lane and by the graph.
//!
//! `cargo bench -p benches --bench stages`. The router is the one of the dataplane's own tests, real tables and real
//! buffers between fake devices, whose receive and transmit calls (a lock each and a copy of pointers) are in every
//! figure alike: compare ways, don't add them up. `make versus` has the cost of the whole.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

#[path = "../../dataplane/tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::{Duration, Instant};
use support::packet::Packet;
use support::{HOST, MAC0, PORT0, World};

const BURST: u64 = 64;

/// What becomes of a packet, by the counter that shows it.
type Case = (&'static str, Packet, &'static str);

fn cases() -> Vec<Case> {
    let udp6 = |to: &str| Packet::udp6(MAC0, "2001:db8:1::10", to, 16);
    let udp4 = |to: &str| Packet::udp4(MAC0, "10.1.0.10", to, 16);
    // Destination options, empty: transit reads past them.
    let options = [17, 0, 1, 4, 0, 0, 0, 0, 0x30, 0x39, 0, 53, 0, 8, 0x12, 0x34];
    let chained = Packet::ip6(MAC0, "2001:db8:1::10", "2001:db8:2::10", 60, &options);
    vec![
        ("ipv6", udp6("2001:db8:2::10"), "tx port 1 packets"),
        ("ipv4", udp4("10.2.0.10"), "tx port 1 packets"),
        (
            "ipv6 to a VLAN",
            udp6("2001:db8:3::10"),
            "tx port 1 packets",
        ),
        (
            "ipv6 over two paths",
            udp6("2001:db8:e::1"),
            "tx port 1 packets",
        ),
        ("ipv6 with options", chained, "tx port 1 packets"),
        ("no route", udp6("2001:db9::1"), "drop ip6_no_route"),
        ("blackhole", udp6("2001:db8:b0::1"), "drop blackhole"),
        (
            "for another station",
            udp6("2001:db8:2::10").to(HOST),
            "drop not_our_mac",
        ),
    ]
}

fn round(c: &mut Criterion) {
    for (way, with_lane) in [("lane", true), ("graph", false)] {
        let mut group = c.benchmark_group(format!("round/{way}"));
        group.throughput(Throughput::Elements(BURST));
        for (name, packet, counter) in cases() {
            let mut world = World::new(with_lane);
            let bytes = packet.bytes();
            let mut sent = 0;
            group.bench_function(name, |b| {
                b.iter_custom(|rounds| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..rounds {
                        (0..BURST).for_each(|_| world.receive(PORT0, &bytes));
                        let began = Instant::now();
                        world.round();
                        spent += began.elapsed();
                        world.forget();
                        sent += BURST;
                    }
                    spent
                });
            });
            assert_eq!(world.outcome().count(counter), sent, "{name}");
        }
        group.finish();
    }
}

criterion_group!(benches, round);
criterion_main!(benches);
