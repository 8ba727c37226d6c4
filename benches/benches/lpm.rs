//! Longest prefix match: lookups a second in bursts of 32 and 64, and what a change costs.
//!
//! `cargo bench -p benches --bench lpm`. Compare ratios between tables of one run, not absolute figures between machines;
//! `make versus` puts other lookups beside it.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use tables::id::{NextHopId, VrfId};
use tables::lpm::{Address, Isa, Lpm, LpmWriter};
use tables::publish::{Qsbr, Reader};
use tables::testing::{Route, bgp4, bgp6, connected6, uniform_trace, zipf_trace};

const VRF: VrfId = VrfId(0);
const TRACE: usize = 1 << 20;

struct Loaded<A: Address> {
    writer: LpmWriter<A>,
    table: Arc<Lpm<A>>,
    reader: Reader,
}

fn load<A: Address>(routes: &[Route<A>], isa: Isa) -> Loaded<A> {
    let qsbr = Qsbr::new(1);
    let (mut writer, table) = LpmWriter::with_isa(1, qsbr.clone(), isa).expect("memory");
    writer.add_vrf(VRF).expect("VRF 0 is below 1");
    writer.begin();
    for &(prefix, next_hop) in routes {
        writer.insert(VRF, prefix, next_hop).expect("memory");
    }
    writer.commit().expect("memory");
    Loaded {
        writer,
        table,
        reader: qsbr.register().expect("one slot"),
    }
}

fn lookups<A: Address>(
    c: &mut Criterion,
    name: &str,
    routes: &[Route<A>],
    trace: &[A],
    isas: &[Isa],
) {
    for &isa in isas {
        let loaded = load(routes, isa);
        eprintln!(
            "{name}: {} routes, {} bytes",
            routes.len(),
            loaded.writer.memory_bytes(VRF)
        );
        let mut group = c.benchmark_group(format!("lookup/{name}/{isa:?}"));
        for burst in [32, 64] {
            group.throughput(Throughput::Elements(burst as u64));
            let mut bursts = trace.chunks_exact(burst).cycle();
            let mut out = [NextHopId(0); 64];
            group.bench_function(format!("b{burst}"), |b| {
                b.iter(|| {
                    let Some(addrs) = bursts.next() else {
                        unreachable!("an endless cycle")
                    };
                    loaded
                        .table
                        .lookup_burst(&loaded.reader, VRF, addrs, &mut out);
                    black_box(&mut out);
                });
            });
        }
        group.finish();
    }
}

fn lookup(c: &mut Criterion) {
    let all = Isa::available();
    let best = [Isa::best()];
    let full = bgp6(160_000, 1000, 1);
    lookups(
        c,
        "lpm6/8/uniform",
        &full[1000..1008],
        &uniform_trace(&full[1000..1008], TRACE, 2),
        &best,
    );
    let few = bgp6(1000, 1000, 1);
    lookups(
        c,
        "lpm6/1k/uniform",
        &few,
        &uniform_trace(&few, TRACE, 2),
        &best,
    );
    lookups(
        c,
        "lpm6/160k/uniform",
        &full,
        &uniform_trace(&full, TRACE, 2),
        &all,
    );
    lookups(
        c,
        "lpm6/160k/zipf64k",
        &full,
        &zipf_trace(&full, 65_536, TRACE, 2),
        &best,
    );
    let lans = connected6(1000, 20, 1000, 1);
    lookups(
        c,
        "lpm6/connected/uniform",
        &lans,
        &uniform_trace(&lans, TRACE, 2),
        &best,
    );
    let full4 = bgp4(900_000, 1000, 1);
    lookups(
        c,
        "lpm4/900k/uniform",
        &full4,
        &uniform_trace(&full4, TRACE, 2),
        &best,
    );
}

fn update(c: &mut Criterion) {
    let routes = bgp6(160_000, 1000, 1);
    let mut group = c.benchmark_group("update/lpm6/160k");
    group.throughput(Throughput::Elements(1));
    let mut loaded = load(&routes, Isa::best());
    let mut at = 0;
    group.bench_function("change", |b| {
        b.iter(|| {
            at = (at + 7919) % routes.len();
            let (prefix, NextHopId(old)) = routes[at];
            let next_hop = NextHopId(1 + (old + at as u32) % 1000);
            let _ = black_box(loaded.writer.insert(VRF, prefix, next_hop));
            loaded.reader.quiescent();
        });
    });
    group.throughput(Throughput::Elements(2 * 1000));
    group.bench_function("1000 withdrawals and announcements, coalesced", |b| {
        b.iter(|| {
            at += 7919;
            let some = &routes[(at * 31) % (routes.len() - 1000)..][..1000];
            for remove in [true, false] {
                loaded.writer.begin();
                for (prefix, next_hop) in some {
                    let result = match remove {
                        true => loaded.writer.remove(VRF, prefix),
                        false => loaded.writer.insert(VRF, *prefix, *next_hop),
                    };
                    let _ = black_box(result);
                }
                let _ = black_box(loaded.writer.commit());
                loaded.reader.quiescent();
            }
        });
    });
    group.finish();
}

criterion_group! {
    name = lpm;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(2))
        .sample_size(20);
    targets = lookup, update
}
criterion_main!(lpm);
