//! What limits 8, 32, 64 workers? The figures of `docs/scaling.md`, from a machine that may have no more than two CPUs.
//!
//! ```text
//!   rss.rs     how evenly a card's hash spreads flows over workers   simulated
//!   lines.rs   what it costs two CPUs to share a cache line          measured
//!   writer.rs  grace periods and changes, by number of readers       measured
//!   scrape.rs  reading everybody's counters                          measured, and computed for far CPUs
//!   round.rs   what a worker's round costs that grows with workers   measured
//!   reuse.rs   how many accesses a cache would serve
//!   lookups.rs cache lines of lookups, and how many miss             simulated over the real table
//!   memory.rs  bytes that packets move                               computed
//! ```
//!
//! What is simulated is the same in every run. What is measured is one thread's time on this machine, or two in turns.

pub mod lines;
pub mod lookups;
pub mod memory;
pub mod reuse;
pub mod round;
pub mod rss;
pub mod scrape;
pub mod writer;

use crate::versus::meter::tsc;
use anyhow::Result;
use std::sync::atomic::{Ordering, fence};

/// The numbers of workers that are looked at.
pub const WORKERS: [usize; 3] = [8, 32, 64];
/// Bytes of a cache line.
pub const LINE: usize = 64;

/// The sections by name, in the order of the page.
pub const SECTIONS: [&str; 6] = ["rss", "lines", "writer", "scrape", "round", "memory"];

/// Prints the sections that are wanted; all if none is named.
///
/// # Errors
/// When a table of ours refuses what is put into it.
pub fn run(wanted: &[String], tsc_ghz: f64) -> Result<()> {
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if wants("rss") {
        rss::print();
    }
    // Others need to know what a line of another CPU costs.
    let far = if ["lines", "writer", "scrape"].iter().any(|name| wants(name)) {
        lines::measure(tsc_ghz)
    } else {
        None
    };
    if wants("lines") {
        lines::print(far.as_ref());
    }
    if wants("writer") {
        writer::print(tsc_ghz)?;
    }
    if wants("scrape") {
        scrape::print(tsc_ghz, far.as_ref());
    }
    if wants("round") {
        round::print(tsc_ghz);
    }
    if wants("memory") {
        lookups::print(&lookups::measure()?);
        memory::print();
    }
    Ok(())
}

/// The median of some figures.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Median cycles of a call, which is made `times` times.
fn cycles(times: usize, mut call: impl FnMut()) -> f64 {
    let timed = (0..times).map(|_| {
        let began = tsc();
        call();
        (tsc() - began) as f64
    });
    median(timed.collect())
}

/// Cycles of a short piece of work until all that it reads has arrived and all that it writes is seen: the counter alone waits
/// for neither.
fn all_cycles<T>(work: impl FnOnce() -> T) -> (u64, T) {
    fence(Ordering::SeqCst);
    let began = tsc();
    let done = work();
    fence(Ordering::SeqCst);
    (tsc() - began, done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
        assert!(median(Vec::new()).is_nan());
        let mut calls = 0;
        assert!(cycles(7, || calls += 1) >= 0.0);
        assert_eq!(calls, 7);
        let few = (0..50).map(|_| all_cycles(|| ()).0).min().unwrap();
        let (many, sum) = all_cycles(|| (0..100_000u64).map(std::hint::black_box).sum::<u64>());
        assert!(few < many && sum == 4_999_950_000);
    }
}
