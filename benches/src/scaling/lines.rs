//! What does it cost when two CPUs share a cache line?
//!
//! Two threads on two CPUs take turns. The price depends on how far apart they are: on the machine of `docs/scaling.md` a read
//! that waits took 6, 25 or 110 ns in different runs, as its hypervisor had the two CPUs on one core, below one third-level
//! cache, or on two. So the figure also tells what to think of other measurements on two CPUs: at 6 ns they share a core.

use super::{all_cycles, median};
use crate::versus::{MAIN_CORE, WORKER_CORE};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A word in two lines of its own: processors prefetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line(AtomicU64);

/// Lines that are handed to and fro: 16 KiB of the first-level cache.
const LINES: usize = 128;
/// Turns of each thread.
const TURNS: usize = 400;

/// Nanoseconds per line.
#[derive(Clone, Copy, Debug)]
pub struct Prices {
    /// Reading lines that the other CPU has written, each read waiting for the one before.
    pub read_one: f64,
    /// The same, reads that do not wait for each other: what a writer's look at all readers is.
    pub read_many: f64,
    /// Adding to lines that nobody else has looked at: a worker's counters as a rule.
    pub add_own: f64,
    /// Adding to lines that the other CPU has just read: a worker's counters after a scrape.
    pub add_read: f64,
}

/// Has two threads on two CPUs take turns: `far` on one, `near` on the calling thread's, `near` giving cycles. The cycles of
/// all turns come back; `None` if there are no two CPUs to be had.
pub fn in_turns(
    turns: usize,
    mut far: impl FnMut() + Send,
    mut near: impl FnMut() -> u64,
) -> Option<Vec<f64>> {
    let before = sched_getaffinity(Pid::from_raw(0)).ok()?;
    pin(WORKER_CORE)?;
    let (turn, turns) = (AtomicU32::new(0), turns as u32);
    let await_turn = |n: u32| {
        while turn.load(Ordering::Acquire) != n {
            spin_loop();
        }
    };
    let cycles = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            pin(MAIN_CORE)?;
            for n in 0..turns {
                await_turn(2 * n);
                far();
                turn.store(2 * n + 1, Ordering::Release);
            }
            // It stays until its last turn has been answered, so that its end means that something went wrong.
            await_turn(2 * turns);
            Some(())
        });
        let mut cycles = Vec::new();
        for n in 0..turns {
            while turn.load(Ordering::Acquire) != 2 * n + 1 {
                if other.is_finished() {
                    return None;
                }
                spin_loop();
            }
            cycles.push(near() as f64);
            turn.store(2 * n + 2, Ordering::Release);
        }
        Some(cycles)
    });
    // The caller goes on where it may.
    sched_setaffinity(Pid::from_raw(0), &before).ok()?;
    cycles
}

fn pin(cpu: usize) -> Option<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu).ok()?;
    sched_setaffinity(Pid::from_raw(0), &cpus).ok()
}

/// Measures; `None` if there are no two CPUs to be had.
pub fn measure(tsc_ghz: f64) -> Option<Prices> {
    let lines: Vec<Line> = std::iter::repeat_with(Line::default).take(LINES).collect();
    // A way through all lines that no prefetcher guesses: 53 and 128 have no common divisor.
    let next = |at: usize| (at + 53) % LINES;
    let write = || {
        for (at, line) in lines.iter().enumerate() {
            line.0.store(next(at) as u64, Ordering::Relaxed);
        }
    };
    let read = || {
        let sum: u64 = lines.iter().map(|l| l.0.load(Ordering::Relaxed)).sum();
        black_box(sum);
    };
    let add = || {
        for line in &lines {
            let n = line.0.load(Ordering::Relaxed);
            line.0.store(n.wrapping_add(1), Ordering::Relaxed);
        }
    };
    let walk = || {
        let mut at = 0;
        for _ in 0..LINES {
            at = lines[at % LINES].0.load(Ordering::Relaxed) as usize;
        }
        black_box(at);
    };
    let timed = |work: &dyn Fn()| all_cycles(work).0;
    let ns = |cycles: Vec<f64>| median(cycles) / tsc_ghz / LINES as f64;
    Some(Prices {
        read_one: ns(in_turns(TURNS, write, || timed(&walk))?),
        read_many: ns(in_turns(TURNS, write, || timed(&read))?),
        add_own: ns(in_turns(TURNS, || (), || timed(&add))?),
        add_read: ns(in_turns(TURNS, read, || timed(&add))?),
    })
}

/// Prints the section.
pub fn print(prices: Option<&Prices>) {
    println!("\nlines: what a line costs that two CPUs share, ns per line");
    let Some(prices) = prices else {
        println!("  not run: it needs two CPUs");
        return;
    };
    let rows = [
        (
            "read, written by the other, one after the other",
            prices.read_one,
        ),
        ("read, written by the other, many at once", prices.read_many),
        ("counted in, nobody looked", prices.add_own),
        ("counted in, the other has just looked", prices.add_read),
    ];
    for (what, ns) in rows {
        println!("  {what:<50} {ns:>6.1}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_take_turns() {
        let (count, mut expected) = (AtomicU64::new(0), 0);
        let far = || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let near = || {
            expected += 1;
            assert_eq!(count.load(Ordering::Relaxed), expected);
            7
        };
        match in_turns(20, far, near) {
            Some(cycles) => assert_eq!(cycles, vec![7.0; 20]),
            None => assert_eq!(expected, 0, "it began, and gave no figures"),
        }
    }
}
