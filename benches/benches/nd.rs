//! The neighbour table: what an event of the neighbour discovery room costs with many neighbours on a link.
//!
//! `cargo bench -p benches --bench nd`. Events are handed over as the room's task does it, packets as they came off the
//! wire: validated, checksum included.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use protocols::nd::{Action, Config, Event, Machine, State};
use std::hint::black_box;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};
use tables::id::IfaceId;
use wire::MacAddr;
use wire::nd::{Message, NeighborAdvertisement, write};
use wire::nd_option::NdOption;

const IFACE: IfaceId = IfaceId(1);
const OWN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

fn host(n: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits((OWN.to_bits() & !0xffff) + 0x1_0000 + u128::from(n))
}

fn mac(n: u32) -> MacAddr {
    let [a, b, c, d] = n.to_be_bytes();
    MacAddr([2, 1, a, b, c, d])
}

fn packet(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    message: &Message,
    option: NdOption<'_>,
) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    let len = write(&mut bytes, &source, &destination, message, &[option]).unwrap_or(0);
    bytes.truncate(len);
    bytes
}

/// "I am here", asked or unasked.
fn advertisement(n: u32, solicited: bool) -> Vec<u8> {
    let message = Message::NeighborAdvertisement(NeighborAdvertisement {
        router: false,
        solicited,
        override_flag: true,
        target: host(n),
    });
    let to = if solicited { OWN } else { ALL_NODES };
    packet(host(n), to, &message, NdOption::TargetLinkLayer(mac(n)))
}

fn heard(n: u32, packet: &[u8]) -> Event<'_> {
    Event::Packet {
        iface: IFACE,
        src_mac: mac(n),
        packet,
    }
}

/// A link with `count` neighbours, learnt from their advertisements.
fn link(count: u32, now: Instant, out: &mut Vec<Action>) -> Machine {
    let mut machine = Machine::new(7);
    let config = Config {
        dad_transmits: 0,
        max_entries: 2 * count as usize,
        ..Config::default()
    };
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let events = [
        Event::ConfigureInterface {
            iface: IFACE,
            config,
            mac,
        },
        Event::AddAddress {
            iface: IFACE,
            addr: OWN.into(),
            prefix_len: 64,
            anycast: false,
        },
        Event::LinkUp { iface: IFACE },
    ];
    for event in events {
        machine.on_event(now, event, out);
    }
    for n in 0..count {
        machine.on_event(now, heard(n, &advertisement(n, false)), out);
    }
    assert_eq!(machine.neighbors(now).len(), count as usize);
    out.clear();
    machine
}

fn events(c: &mut Criterion) {
    let mut out = Vec::new();
    for count in [64, 8192] {
        let start = Instant::now();
        let mut now = start;
        let mut machine = link(count, now, &mut out);
        let mut group = c.benchmark_group("nd");
        group.throughput(Throughput::Elements(1));
        let solicitations: Vec<_> = (0..count)
            .map(|n| {
                let message = Message::NeighborSolicitation { target: OWN };
                packet(host(n), OWN, &message, NdOption::SourceLinkLayer(mac(n)))
            })
            .collect();
        let confirmations: Vec<_> = (0..count).map(|n| advertisement(n, true)).collect();
        let mut n = 0;
        // Every neighbour in turn, a little later each time.
        let mut bench = |name: &str,
                         machine: &mut Machine,
                         event: &dyn Fn(u32) -> Event<'static>,
                         packets: &[Vec<u8>]| {
            group.bench_function(BenchmarkId::new(name, count), |b| {
                b.iter(|| {
                    n = (n + 1) % count;
                    now += Duration::from_nanos(1);
                    let event = match packets.get(n as usize) {
                        Some(packet) => heard(n, packet),
                        None => event(n),
                    };
                    machine.on_event(now, event, &mut out);
                    black_box(&mut out).clear();
                });
            });
        };
        let in_use = |n| Event::InUse {
            iface: IFACE,
            addr: IpAddr::V6(host(n)),
        };
        let glean = |n| Event::Glean {
            iface: IFACE,
            target: IpAddr::V6(host(n)),
            source: None,
        };
        let scan = |n| Event::Glean {
            iface: IFACE,
            target: IpAddr::V6(host(n + 0x100_0000)),
            source: None,
        };
        bench(
            "solicitation of ours",
            &mut machine,
            &in_use,
            &solicitations,
        );
        bench("confirmation", &mut machine, &in_use, &confirmations);
        bench("in use", &mut machine, &in_use, &[]);
        bench("glean of a neighbour", &mut machine, &glean, &[]);
        bench("glean of a stranger (scan)", &mut machine, &scan, &[]);
        group.finish();
        // A scan fills its own room and evicts no neighbour (RFC 6583).
        let resolved = machine
            .neighbors(start)
            .into_iter()
            .filter(|n| n.state != State::Incomplete);
        assert!(resolved.count() >= count as usize);
    }
}

criterion_group!(benches, events);
criterion_main!(benches);
