//! 256-bit vectors. Comparisons are signed there: both sides get their top bit flipped.

use super::{Simd, Tags, Words};
use std::arch::x86_64::*;

/// Proof that the processor has AVX2, BMI1 and POPCNT.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The proof, if it is so.
    pub fn detect() -> Option<Avx2> {
        let all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt");
        all.then_some(Avx2(()))
    }
}

impl Simd for Avx2 {
    #[inline(always)]
    unsafe fn below_narrow(self, line: *const u32, key: u32) -> usize {
        // SAFETY: the processor has AVX2 (`self` is the proof); the caller gives a whole aligned line.
        unsafe {
            let flip = _mm256_set1_epi32(i32::MIN);
            let key = _mm256_xor_si256(_mm256_set1_epi32(key as i32), flip);
            let below = |half: usize| {
                let separators = _mm256_load_si256(line.cast::<__m256i>().add(half));
                let below = _mm256_cmpgt_epi32(key, _mm256_xor_si256(separators, flip));
                _mm256_movemask_ps(_mm256_castsi256_ps(below)) as u32
            };
            (below(0) | below(1) << 8).count_ones() as usize
        }
    }

    #[inline(always)]
    unsafe fn below_wide(self, line: *const u64, key: u64) -> usize {
        // SAFETY: the processor has AVX2 (`self` is the proof); the caller gives two whole aligned lines.
        unsafe {
            let flip = _mm256_set1_epi64x(i64::MIN);
            let key = _mm256_xor_si256(_mm256_set1_epi64x(key as i64), flip);
            let below = |quarter: usize| {
                let separators = _mm256_load_si256(line.cast::<__m256i>().add(quarter));
                let below = _mm256_cmpgt_epi64(key, _mm256_xor_si256(separators, flip));
                _mm256_movemask_pd(_mm256_castsi256_pd(below)) as u32
            };
            (below(0) | below(1) << 4 | below(2) << 8 | below(3) << 12).count_ones() as usize
        }
    }

    #[inline(always)]
    fn collect(self, w: [u32; 16]) -> Words {
        let mut all = Words([0; 16]);
        // SAFETY: the processor has AVX2 (`self` is the proof); `Words` is two vectors, aligned.
        unsafe {
            let first = _mm256_setr_epi32(
                w[0] as i32,
                w[1] as i32,
                w[2] as i32,
                w[3] as i32,
                w[4] as i32,
                w[5] as i32,
                w[6] as i32,
                w[7] as i32,
            );
            let second = _mm256_setr_epi32(
                w[8] as i32,
                w[9] as i32,
                w[10] as i32,
                w[11] as i32,
                w[12] as i32,
                w[13] as i32,
                w[14] as i32,
                w[15] as i32,
            );
            let to = all.0.as_mut_ptr().cast::<__m256i>();
            _mm256_store_si256(to, first);
            _mm256_store_si256(to.add(1), second);
        }
        all
    }

    #[inline(always)]
    fn matching(self, tags: &Tags, mask: u8, value: u8) -> u64 {
        // SAFETY: the processor has AVX2 (`self` is the proof); `Tags` is 64 bytes, aligned.
        unsafe {
            let half = |half: usize| {
                let tags = _mm256_load_si256(tags.0.as_ptr().cast::<__m256i>().add(half));
                let masked = _mm256_and_si256(tags, _mm256_set1_epi8(mask as i8));
                let equal = _mm256_cmpeq_epi8(masked, _mm256_set1_epi8(value as i8));
                _mm256_movemask_epi8(equal) as u32 as u64
            };
            half(0) | half(1) << 32
        }
    }
}
