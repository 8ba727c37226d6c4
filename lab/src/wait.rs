//! Waiting for something to become true; never a bare sleep.

use crate::Result;
use anyhow::bail;
use std::time::{Duration, Instant};

/// Asks `check` every 50 ms until it gives a value.
///
/// # Errors
/// After `limit`: an error that names `what` was waited for.
pub fn wait_for<T>(limit: Duration, what: &str, mut check: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = check() {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("waited {limit:?} in vain for: {what}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
