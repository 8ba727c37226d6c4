//! Headers: what a packet costs before anything is decided about it.
//!
//! `cargo bench -p benches --bench parse`. The views copy nothing, so the figures are those of the checks.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::ext_header::walk;
use wire::{EtherHeader, Ipv4Header, Ipv6Header, Protocol};
use zerocopy::IntoBytes;

const SOURCE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x10);
const DESTINATION: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x10);

/// Type and the bytes behind its next-header field.
type Extension = (u8, &'static [u8]);

/// An IPv6 packet with this chain of extension headers and 16 bytes of UDP.
fn ip6(chain: &[Extension]) -> Vec<u8> {
    let upper = 17;
    let types = chain.iter().map(|(kind, _)| *kind).chain([upper]);
    let mut types = types.collect::<Vec<_>>().into_iter();
    let first = types.next().unwrap_or(upper);
    let mut payload = Vec::new();
    for ((_, bytes), next) in chain.iter().zip(types) {
        payload.push(next);
        payload.extend_from_slice(bytes);
    }
    payload.extend_from_slice(&[0x30, 0x39, 0, 53, 0, 16, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0]);
    let header = Ipv6Header::new(
        &SOURCE,
        &DESTINATION,
        Protocol(first),
        64,
        payload.len() as u16,
    );
    [header.as_bytes(), &payload].concat()
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    group.throughput(Throughput::Elements(1));
    let ether = [
        &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd],
        &ip6(&[])[..],
    ]
    .concat();
    group.bench_function("ethernet and IPv6", |b| {
        b.iter(|| {
            let (header, rest) = EtherHeader::parse(black_box(&ether)).ok()?;
            let (ip, _) = Ipv6Header::parse(rest).ok()?;
            Some((header.ether_type(), ip.destination(), ip.hop_limit()))
        });
    });
    let source = Ipv4Addr::new(192, 0, 2, 1);
    let destination = Ipv4Addr::new(198, 51, 100, 1);
    let header = Ipv4Header::new(source, destination, Protocol::UDP, 64, 8);
    let ip4 = [header.as_bytes(), &[0x30, 0x39, 0, 53, 0, 8, 0, 0]].concat();
    assert!(Ipv4Header::parse(&ip4).is_ok_and(|packet| packet.verify_checksum().is_ok()));
    group.bench_function("IPv4 with its checksum", |b| {
        b.iter(|| {
            let packet = Ipv4Header::parse(black_box(&ip4)).ok()?;
            packet.verify_checksum().ok()?;
            Some((packet.header.destination(), packet.header.ttl()))
        });
    });
    group.finish();
}

fn chains(c: &mut Criterion) {
    let hop_by_hop: Extension = (0, &[0, 5, 2, 0, 0, 1, 0]);
    let routing: Extension = (
        43,
        &[
            2, 4, 0, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        ],
    );
    let fragment: Extension = (44, &[0, 0, 1, 0, 0, 0, 7]);
    let options: Extension = (60, &[0, 1, 4, 0, 0, 0, 0]);
    let cases: [(&str, &[Extension]); 4] = [
        ("none", &[]),
        ("fragment", &[fragment]),
        (
            "hop-by-hop, routing, fragment",
            &[hop_by_hop, routing, fragment],
        ),
        (
            "eight",
            &[
                hop_by_hop, options, options, options, options, options, options, options,
            ],
        ),
    ];
    let mut group = c.benchmark_group("extension headers");
    group.throughput(Throughput::Elements(1));
    for (name, chain) in cases {
        let packet = ip6(chain);
        let walked = walk(&packet);
        assert!(
            walked
                .is_ok_and(|w| w.n_headers as usize == chain.len() && w.protocol == Protocol::UDP),
            "{name}: {walked:?}"
        );
        group.bench_function(name, |b| b.iter(|| walk(black_box(&packet))));
    }
    group.finish();
}

criterion_group!(benches, parse, chains);
criterion_main!(benches);
