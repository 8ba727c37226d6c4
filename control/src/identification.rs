//! Identifications of fragmented packets.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers that nobody outside can foresee (RFC 7739 section 5.3): a counter under a keyed hash.
#[derive(Debug, Default)]
pub struct Identifications {
    keys: RandomState,
    count: AtomicU64,
}

impl Identifications {
    /// The next one.
    pub fn next(&self) -> u32 {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        self.keys.hash_one(count) as u32
    }
}
