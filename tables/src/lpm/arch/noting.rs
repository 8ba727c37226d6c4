//! Any processor, telling which cache lines it looks at: for models of memory traffic, never for packets.

use super::{Scalar, Simd, Tags, Words};
use std::fmt;

/// As [`Scalar`]; the function given is called with an address in each line that is read.
#[derive(Clone, Copy)]
pub struct Noting<'a>(pub &'a dyn Fn(*const u8));

impl fmt::Debug for Noting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Noting")
    }
}

impl Simd for Noting<'_> {
    unsafe fn below_narrow(self, line: *const u32, key: u32) -> usize {
        (self.0)(line.cast());
        // SAFETY: the caller's promise.
        unsafe { Scalar.below_narrow(line, key) }
    }

    unsafe fn below_wide(self, line: *const u64, key: u64) -> usize {
        (self.0)(line.cast());
        (self.0)(line.wrapping_add(8).cast());
        // SAFETY: the caller's promise.
        unsafe { Scalar.below_wide(line, key) }
    }

    fn reads(self, line: *const u8) {
        (self.0)(line);
    }

    fn collect(self, words: [u32; 16]) -> Words {
        Scalar.collect(words)
    }

    fn matching(self, tags: &Tags, mask: u8, value: u8) -> u64 {
        Scalar.matching(tags, mask, value)
    }
}
