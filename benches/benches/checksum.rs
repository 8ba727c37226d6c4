//! The Internet checksum (RFC 1071) by length, and its update when one field changes (RFC 1624).
//!
//! `cargo bench -p benches --bench checksum`.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::net::Ipv6Addr;
use wire::Protocol;
use wire::checksum::{checksum, checksum_v6, update_ttl_decremented};

fn sums(c: &mut Criterion) {
    let bytes: Vec<u8> = (0..9000u32).map(|i| (i * 31) as u8).collect();
    let mut group = c.benchmark_group("checksum");
    for len in [20, 64, 576, 1500, 9000] {
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(len),
            &bytes[..len],
            |b, bytes| {
                b.iter(|| checksum(black_box(bytes)));
            },
        );
    }
    group.finish();
    let (source, destination) = (Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED);
    c.bench_function("ICMPv6 error of 1280 bytes", |b| {
        b.iter(|| {
            checksum_v6(
                &source,
                &destination,
                Protocol::ICMPV6,
                black_box(&bytes[..1240]),
            )
        });
    });
    c.bench_function("IPv4 hop", |b| {
        b.iter(|| update_ttl_decremented(black_box(0x1234)));
    });
}

criterion_group!(benches, sums);
criterion_main!(benches);
