//! What does one writer pay for many readers?
//!
//! Grace periods alone, with the real [`Qsbr`]: a look at all readers, and a change published and its memory taken back. Then
//! changes of a full IPv6 table, with the real writer. Readers are quiescent after every change or batch; all are ticked by
//! one thread, so what they write is near. *far*: they are ticked by another CPU, so each slot must come from there.

use super::lines::in_turns;
use super::{all_cycles, cycles, median};
use crate::versus::meter::tsc;
use anyhow::Result;
use std::hint::black_box;
use std::sync::Arc;
use tables::id::VrfId;
use tables::lpm::LpmWriter;
use tables::publish::{Qsbr, Reader, Retired, TooManyReaders};
use tables::testing::{Random, Route, bgp6};

/// Readers.
const READERS: [usize; 4] = [1, 8, 32, 64];
/// Changes that are made visible together.
const BATCH: usize = 1000;
/// Routes of the table.
const ROUTES: usize = 160_000;
/// The rate that the page asks about, changes a second.
pub const RATE: f64 = 500_000.0;

/// Nanoseconds, by number of readers.
#[derive(Clone, Copy, Debug)]
pub struct Grace {
    /// A look at all of them.
    pub check: f64,
    /// The same when another CPU has just written their slots.
    pub check_far: Option<f64>,
    /// One change: retire, begin a grace period; when all have been quiescent, take back.
    pub single: f64,
    /// The same per change, [`BATCH`] to a grace period.
    pub batched: f64,
    /// A reader's word that it holds nothing.
    pub quiescent: f64,
}

fn readers(n: usize) -> Result<(Arc<Qsbr>, Vec<Reader>), TooManyReaders> {
    let qsbr = Qsbr::new(n);
    let readers = (0..n).map(|_| qsbr.register()).collect::<Result<_, _>>()?;
    Ok((qsbr, readers))
}

/// Measures grace periods with `n` readers.
///
/// # Errors
/// Never: there is a slot for each.
pub fn grace(n: usize, tsc_ghz: f64) -> Result<Grace, TooManyReaders> {
    const CALLS: usize = 64;
    let (qsbr, mut all) = readers(n)?;
    let token = qsbr.advance();
    all.iter_mut().for_each(Reader::quiescent);
    let check = cycles(300, || {
        for _ in 0..CALLS {
            black_box(black_box(&qsbr).passed(token));
        }
    }) / CALLS as f64;
    let one = &mut all[0];
    let quiescent = cycles(300, || {
        for _ in 0..CALLS {
            black_box(&mut *one).quiescent();
        }
    }) / CALLS as f64;
    let mut retired = Retired::default();
    let mut rounds = |batch: u32| {
        let mut round = || {
            let began = tsc();
            (0..batch).for_each(|item| retired.push(item));
            retired.seal(&qsbr);
            let published = tsc();
            all.iter_mut().for_each(Reader::quiescent);
            let quiet = tsc();
            let back = retired.reclaim(&qsbr, |item| {
                black_box(item);
            });
            assert_eq!(back, batch as usize, "all have been quiescent");
            ((published - began) + (tsc() - quiet)) as f64 / f64::from(batch)
        };
        median((0..500).map(|_| round()).collect())
    };
    let (single, batched) = (rounds(1), rounds(BATCH as u32));
    let mut token = qsbr.advance();
    let far = in_turns(
        400,
        || all.iter_mut().for_each(Reader::quiescent),
        || {
            let (took, passed) = all_cycles(|| qsbr.passed(token));
            assert!(passed, "all have been quiescent");
            token = qsbr.advance();
            took
        },
    );
    let ns = |cycles: f64| cycles / tsc_ghz;
    Ok(Grace {
        check: ns(check),
        check_far: far.map(|cycles| ns(median(cycles))),
        single: ns(single),
        batched: ns(batched),
        quiescent: ns(quiescent),
    })
}

/// A full table whose routes are withdrawn and announced again.
struct Churn {
    writer: LpmWriter<u128>,
    readers: Vec<Reader>,
    routes: Vec<Route<u128>>,
    random: Random,
}

const VRF: VrfId = VrfId(0);

impl Churn {
    fn new(routes: &[Route<u128>], n: usize) -> Result<Self> {
        let (qsbr, readers) = readers(n)?;
        let (mut writer, _) = LpmWriter::new(1, qsbr)?;
        writer.add_vrf(VRF)?;
        writer.begin();
        for &(prefix, next_hop) in routes {
            writer.insert(VRF, prefix, next_hop)?;
        }
        writer.commit()?;
        let (routes, random) = (routes.to_vec(), Random::new(5));
        Ok(Self {
            writer,
            readers,
            routes,
            random,
        })
    }

    /// Cycles per change of `batch` routes drawn evenly, withdrawn together and announced together.
    fn step(&mut self, batch: usize) -> Result<f64> {
        let n = self.routes.len() as u64;
        let draw = |_| self.routes[self.random.below(n) as usize];
        let routes: Vec<_> = (0..batch).map(draw).collect();
        let mut cycles = 0;
        for announce in [false, true] {
            let began = tsc();
            self.writer.begin();
            for (prefix, next_hop) in &routes {
                match announce {
                    true => self.writer.insert(VRF, *prefix, *next_hop)?,
                    false => self.writer.remove(VRF, prefix)?,
                };
            }
            self.writer.commit()?;
            cycles += tsc() - began;
            self.readers.iter_mut().for_each(Reader::quiescent);
        }
        Ok(cycles as f64 / (2 * batch) as f64)
    }

    /// Microseconds of a change in batches of that size: the mean.
    fn changes(&mut self, batch: usize, batches: usize, tsc_ghz: f64) -> Result<f64> {
        let mut sum = 0.0;
        for _ in 0..batches {
            sum += self.step(batch)?;
        }
        Ok(sum / batches as f64 / tsc_ghz / 1000.0)
    }
}

/// Prints the section.
///
/// # Errors
/// When the table refuses a route.
pub fn print(tsc_ghz: f64) -> Result<()> {
    println!("\nwriter: grace periods, ns");
    println!("  readers  check  check far   single   of {BATCH}  quiescent");
    for n in READERS {
        let grace = grace(n, tsc_ghz)?;
        let far = grace
            .check_far
            .map_or("not run".into(), |ns| format!("{ns:.0}"));
        println!(
            "  {n:>7} {:>6.1} {far:>10} {:>8.0} {:>9.1} {:>10.1}",
            grace.check, grace.single, grace.batched, grace.quiescent
        );
    }
    println!(
        "writer: changes of {ROUTES} IPv6 routes, drawn evenly, us each; what {RATE:.0} a second are of a CPU"
    );
    println!("  readers  one by one  batches of {BATCH}   of a CPU");
    let routes = bgp6(ROUTES, 1000, 1);
    for n in READERS {
        let mut churn = Churn::new(&routes, n)?;
        // The first batches make room.
        churn.changes(BATCH, 10, tsc_ghz)?;
        let (single, batched) = (
            churn.changes(1, 20_000, tsc_ghz)?,
            churn.changes(BATCH, 60, tsc_ghz)?,
        );
        println!(
            "  {n:>7} {single:>11.2} {batched:>16.2} {:>8.0} %",
            batched * RATE / 1e4
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_at_more_readers_takes_longer_and_a_batch_shares_it() {
        let (few, many) = (grace(1, 1.0).unwrap(), grace(64, 1.0).unwrap());
        assert!(
            0.0 < few.check && few.check < many.check,
            "{few:?} {many:?}"
        );
        assert!(many.batched < many.single, "{many:?}");
    }

    #[test]
    fn churn_leaves_the_table_as_it_was() {
        let routes = bgp6(2000, 10, 1);
        let mut churn = Churn::new(&routes, 3).unwrap();
        assert!(churn.changes(50, 20, 1.0).unwrap() > 0.0);
        let left: Vec<_> = churn.writer.iter(VRF).collect();
        assert_eq!(left, routes);
    }
}
