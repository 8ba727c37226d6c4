//! The four operations of the lookup that differ by instruction set.
//!
//! A type of this module is the proof that the processor has the instructions: it can only be had from `detect`. The
//! lookup is one algorithm, generic over them and inlined, so a caller whose own poll loop is compiled for the
//! instruction set (`#[target_feature]`) gets all of it compiled for that.

mod noting;
mod scalar;
pub(super) use noting::Noting;
pub use scalar::Scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
pub use {avx2::Avx2, avx512::Avx512};

mod private {
    pub trait Sealed {}
    impl Sealed for super::Scalar {}
    impl Sealed for super::Noting<'_> {}
    #[cfg(target_arch = "x86_64")]
    impl Sealed for super::Avx2 {}
    #[cfg(target_arch = "x86_64")]
    impl Sealed for super::Avx512 {}
}

/// A byte for each address of a burst.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Tags(pub [u8; 64]);

/// A word for each of sixteen addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Words(pub [u32; 16]);

/// An instruction set.
pub trait Simd: Copy + private::Sealed {
    /// How many of the 16 separators at `line` are below `key`.
    ///
    /// # Safety
    /// `line` is valid for reading 64 bytes, aligned to them.
    unsafe fn below_narrow(self, line: *const u32, key: u32) -> usize;

    /// How many of the 16 separators at `line` are below `key`.
    ///
    /// # Safety
    /// `line` is valid for reading 128 bytes, aligned to 64.
    unsafe fn below_wide(self, line: *const u64, key: u64) -> usize;

    /// Is told of every other line that a lookup of one address reads; only [`Noting`] listens.
    #[inline(always)]
    fn reads(self, _line: *const u8) {}

    /// Words that come one by one, in a vector: in memory one write, which a read of all need not wait for.
    fn collect(self, words: [u32; 16]) -> Words;

    /// The places where `tags & mask == value`, as bits.
    fn matching(self, tags: &Tags, mask: u8, value: u8) -> u64;
}

/// The instruction sets by name, best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust.
    Scalar,
    /// 256-bit vectors.
    Avx2,
    /// 512-bit vectors.
    Avx512,
}

impl Isa {
    /// The best that this processor has.
    pub fn best() -> Isa {
        Isa::available().last().copied().unwrap_or(Isa::Scalar)
    }

    /// All that this processor has, best last.
    pub fn available() -> Vec<Isa> {
        let mut all = vec![Isa::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Avx2::detect().map(|_| Isa::Avx2));
            all.extend(Avx512::detect().map(|_| Isa::Avx512));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[repr(align(64))]
    #[derive(Debug)]
    struct Lines<T>([T; 16]);

    fn check<S: Simd>(simd: S, narrow: &Lines<u32>, wide: &Lines<u64>, tags: &Tags, key: u64) {
        // SAFETY: the arrays are whole lines, aligned.
        let (n, w) = unsafe {
            (
                simd.below_narrow(narrow.0.as_ptr(), key as u32),
                simd.below_wide(wide.0.as_ptr(), key),
            )
        };
        assert_eq!(n, narrow.0.iter().filter(|&&s| s < key as u32).count());
        assert_eq!(w, wide.0.iter().filter(|&&s| s < key).count());
        let words = std::array::from_fn(|i| u32::from(tags.0[i]) << 16);
        assert_eq!(simd.collect(words).0, words);
        for (mask, value) in [(15, 4), (11, 1), (11, 9), (8, 8), (32, 32), (0, 0), (0, 1)] {
            let expected = (0..64)
                .filter(|&i| tags.0[i] & mask == value)
                .map(|i| 1u64 << i)
                .sum();
            assert_eq!(simd.matching(tags, mask, value), expected, "{mask} {value}");
        }
    }

    proptest! {
        #[test]
        fn every_instruction_set_does_what_the_words_say(
            mut separators in proptest::collection::vec(any::<u64>(), 16),
            used in 0usize..=16,
            tags in proptest::collection::vec(0u8..48, 64),
            near in 0usize..16,
            offset in -1i64..=1,
        ) {
            separators.sort_unstable();
            separators[used..].fill(u64::MAX);
            let wide = Lines(std::array::from_fn(|i| separators[i]));
            let narrow = Lines(std::array::from_fn(|i| separators[i] as u32));
            let tags = Tags(std::array::from_fn(|i| tags[i]));
            let key = separators[near].wrapping_add_signed(offset);
            check(Scalar, &narrow, &wide, &tags, key);
            #[cfg(target_arch = "x86_64")]
            {
                Avx2::detect().into_iter().for_each(|s| check(s, &narrow, &wide, &tags, key));
                Avx512::detect().into_iter().for_each(|s| check(s, &narrow, &wide, &tags, key));
            }
        }
    }
}
