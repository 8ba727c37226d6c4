//! The lease store: how fast leases become durable, and how fast and how large a million of them load.
//!
//! `cargo bench -p benches --bench lease`; `... -- 100000` for fewer. Commits wait for the disk under `target/`, so that the
//! figures are this machine's; they are printed, not compared.
#![allow(
    clippy::print_stdout,
    reason = "it prints what it measures, and criterion cannot measure a load in a fresh process"
)]

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use lease::{
    Allocation, Book, ClientId, Disk, Holder, Kind, Lease, Lengths, Pool, RealmId, Resource,
    ScopeId, Wall, Write,
};

const NOW: u64 = 1_800_000_000;

/// The environment variable that names the directory to a process which only loads.
const LOAD: &str = "LEASE_BENCH_LOAD";

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    if let Some(directory) = std::env::var_os(LOAD) {
        return load(directory.as_ref());
    }
    let count: u32 = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(1_000_000);
    allocate(count)?;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let disk = Disk::open(directory.path())?;
    let mut book = Book::new(Duration::from_secs(3600));
    book.set_pool(scope(), pool()?);

    let started = Instant::now();
    let mut batch = Vec::new();
    for n in 0..count {
        batch.push(put(&mut book, n, NOW)?);
        if batch.len() == 10_000 || n + 1 == count {
            disk.commit(&batch)?;
            batch.clear();
        }
    }
    report("filled", count, started.elapsed());

    for size in [1, 64, 512] {
        let leases = (size * 100).min(count as usize / 4 / size * size);
        for (what, from) in [("new", count), ("renewed", 0)] {
            let mut writes = Vec::new();
            for n in 0..leases as u32 {
                // Renewals come from all over the pool.
                let n = if from == 0 {
                    n.wrapping_mul(7919) % count
                } else {
                    from + n
                };
                writes.push(put(&mut book, n, NOW + 10)?);
            }
            let started = Instant::now();
            for batch in writes.chunks(size) {
                disk.commit(batch)?;
            }
            report(
                &format!("{what}, {size} a commit"),
                leases as u32,
                started.elapsed(),
            );
            // As many leases for the next measurement.
            if from > 0 {
                let removed: Vec<Write> = writes
                    .iter()
                    .filter_map(|w| book.remove(w.realm, w.resource, Wall::from_secs(NOW)))
                    .collect();
                disk.commit(&removed)?;
            }
        }
    }
    let size = std::fs::metadata(directory.path().join("leases.redb"))?.len();
    println!("file: {} MB", size >> 20);
    drop(disk);
    let status = std::process::Command::new(std::env::current_exe()?)
        .env(LOAD, directory.path())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("the process that loads failed".into())
    }
}

/// What it costs to find a free resource and lease it, in each kind of pool.
fn allocate(count: u32) -> Result<()> {
    let first = 0x0a00_0000_u32;
    let full = Pool::v4(&[first.into()..=(first + count - 1).into()], &[])?;
    let base = ["2001:db8::/32".parse()?];
    let lengths = Lengths {
        min: 48,
        default: 56,
        max: 64,
    };
    for (what, pool) in [
        ("addresses of a /80", pool()?),
        ("all addresses of an IPv4 range", full),
        (
            "/56 of a /32",
            Pool::prefixes(&base, &[], Lengths::only(56))?,
        ),
        (
            "/56 of a /32 with /48 to /64",
            Pool::prefixes(&base, &[], lengths)?,
        ),
    ] {
        let mut book = Book::new(Duration::from_secs(3600));
        book.set_pool(scope(), pool);
        let started = Instant::now();
        for n in 0..count {
            put(&mut book, n, NOW)?;
        }
        report(what, count, started.elapsed());
    }
    Ok(())
}

/// Opens a store and fills a book with it, in a process that has done nothing else.
fn load(directory: &std::path::Path) -> Result<()> {
    let before = rss()?;
    let started = Instant::now();
    let disk = Disk::open(directory)?;
    let opened = started.elapsed();
    let mut book = Book::new(Duration::from_secs(3600));
    book.set_pool(scope(), pool()?);
    let count = disk.load(|lease| drop(book.insert(lease)))?;
    report("loaded", count as u32, started.elapsed());
    println!("  of which open and verify: {opened:.2?}");
    println!("memory: {} MB more", rss()?.saturating_sub(before) >> 20);
    println!("  {} MB at the peak", peak()?.saturating_sub(before) >> 20);
    let started = Instant::now();
    let holders: Vec<Holder> = (0..100_000).map(|n| holder(n * 7)).collect::<Result<_>>()?;
    let made = started.elapsed();
    let found = holders
        .iter()
        .filter(|holder| book.of_holder(holder).next().is_some())
        .count();
    report("found by holder", found as u32, started.elapsed() - made);
    Ok(())
}

/// Resident bytes of this process.
fn rss() -> Result<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split(' ').nth(1).ok_or("statm")?.parse()?;
    Ok(pages * 4096)
}

/// The most that was ever resident.
fn peak() -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.ok_or("VmHWM")?.parse::<usize>()? << 10)
}

fn scope() -> ScopeId {
    ScopeId::of(RealmId::of("main"), "lan")
}

fn pool() -> Result<Pool> {
    let first: Ipv6Addr = "2001:db8::1:0:0".parse()?;
    let last: Ipv6Addr = "2001:db8::ffff:ffff:ffff".parse()?;
    let secret = Allocation::Deterministic { secret: [1, 2] };
    Ok(Pool::v6(&[first..=last], &[])?.with_allocation(secret))
}

fn holder(n: u32) -> Result<Holder> {
    // DUID-LLT: type, hardware type, time, address.
    let mut duid = vec![0, 1, 0, 1, 0x2a, 0x10, 0x20, 0x30, 2, 0];
    duid.extend(n.to_be_bytes());
    Ok(Holder {
        client: ClientId::new(&duid)?,
        iaid: n,
        kind: Kind::Na,
    })
}

fn put(book: &mut Book, n: u32, now: u64) -> Result<Write> {
    let holder = holder(n)?;
    let resource: Resource = match book.of_holder(&holder).next() {
        Some(lease) => lease.resource,
        None => book
            .free(scope(), &holder, None, mixed(n))
            .ok_or("nothing is free")?,
    };
    let now = Wall::from_secs(now);
    // Ends lie as far apart as in a network that has run for a while.
    let valid = now.after(3600 + n.wrapping_mul(7919) % 3600);
    let preferred = now.after(1800);
    Ok(book.put(Lease::bound(
        resource,
        holder,
        scope(),
        now,
        preferred,
        valid,
    )))
}

/// Something like a random number for each.
fn mixed(n: u32) -> u64 {
    u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn report(what: &str, leases: u32, took: Duration) {
    let rate = f64::from(leases) / took.as_secs_f64();
    println!("{what}: {leases} leases in {took:.2?}, {rate:.0} a second");
}
