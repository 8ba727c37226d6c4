//! Any processor.

use super::{Simd, Tags, Words};

/// Plain Rust; the compiler may still vectorise it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scalar;

impl Simd for Scalar {
    #[inline(always)]
    unsafe fn below_narrow(self, line: *const u32, key: u32) -> usize {
        // SAFETY: the caller gives a whole line, which holds 16 of them.
        let line = unsafe { &*line.cast::<[u32; 16]>() };
        line.iter()
            .map(|&separator| (separator < key) as usize)
            .sum()
    }

    #[inline(always)]
    unsafe fn below_wide(self, line: *const u64, key: u64) -> usize {
        // SAFETY: the caller gives two whole lines, which hold 16 of them.
        let line = unsafe { &*line.cast::<[u64; 16]>() };
        line.iter()
            .map(|&separator| (separator < key) as usize)
            .sum()
    }

    #[inline(always)]
    fn collect(self, words: [u32; 16]) -> Words {
        Words(words)
    }

    #[inline(always)]
    fn matching(self, tags: &Tags, mask: u8, value: u8) -> u64 {
        let at = |(i, &tag): (usize, &u8)| ((tag & mask == value) as u64) << i;
        tags.0
            .iter()
            .enumerate()
            .map(at)
            .fold(0, |all, bit| all | bit)
    }
}
