//! SIGINT and SIGTERM: whatever is under way ends with an error, so that everything is cleaned up on the way out.

use anyhow::{Result, ensure};
use nix::sys::signal::{SigSet, Signal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Takes the two signals from now on; to be called before any thread is started.
///
/// # Errors
/// When the kernel refuses.
pub fn on_signals() -> Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGHUP);
    // Children start with no signal blocked: the standard library sees to it.
    signals.thread_block()?;
    std::thread::spawn(move || {
        while signals.wait().is_ok() {
            eprintln!("stopping");
            ASKED.store(true, Ordering::Relaxed);
        }
    });
    Ok(())
}

/// # Errors
/// When this program was asked to stop.
pub fn check() -> Result<()> {
    ensure!(!ASKED.load(Ordering::Relaxed), "asked to stop");
    Ok(())
}

/// Whether this program was asked to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Sleeps, not much longer than until this program is asked to stop.
///
/// # Errors
/// When this program was asked to stop.
pub fn sleep(length: Duration) -> Result<()> {
    let end = Instant::now() + length;
    loop {
        check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
}
