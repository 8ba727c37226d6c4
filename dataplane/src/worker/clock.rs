//! The workers' clock: the time-stamp counter, which costs nothing to read.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Ticks now.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction; user space may use it on Linux.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Ticks now.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub fn ticks() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Ticks a second, measured once.
pub fn hz() -> u64 {
    static HZ: OnceLock<u64> = OnceLock::new();
    *HZ.get_or_init(|| {
        let (start, begin) = (Instant::now(), ticks());
        std::thread::sleep(Duration::from_millis(20));
        let (elapsed, passed) = (start.elapsed(), ticks() - begin);
        (u128::from(passed) * 1_000_000_000 / elapsed.as_nanos().max(1)) as u64
    })
}
