//! 512-bit vectors: a key line is one register, a comparison gives the mask.

use super::{Simd, Tags, Words};
use std::arch::x86_64::*;

/// Proof that the processor has AVX-512 F, BW, DQ and VL, BMI1 and POPCNT.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// The proof, if it is so.
    pub fn detect() -> Option<Avx512> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt");
        all.then_some(Avx512(()))
    }
}

impl Simd for Avx512 {
    #[inline(always)]
    unsafe fn below_narrow(self, line: *const u32, key: u32) -> usize {
        // SAFETY: the processor has AVX-512 (`self` is the proof); the caller gives a whole aligned line.
        unsafe {
            let separators = _mm512_load_si512(line.cast());
            let below = _mm512_cmplt_epu32_mask(separators, _mm512_set1_epi32(key as i32));
            (below as u32).count_ones() as usize
        }
    }

    #[inline(always)]
    unsafe fn below_wide(self, line: *const u64, key: u64) -> usize {
        // SAFETY: the processor has AVX-512 (`self` is the proof); the caller gives two whole aligned lines.
        unsafe {
            let key = _mm512_set1_epi64(key as i64);
            let first = _mm512_cmplt_epu64_mask(_mm512_load_si512(line.cast()), key);
            let second = _mm512_cmplt_epu64_mask(_mm512_load_si512(line.add(8).cast()), key);
            (first as u32 | (second as u32) << 8).count_ones() as usize
        }
    }

    #[inline(always)]
    fn collect(self, w: [u32; 16]) -> Words {
        let mut all = Words([0; 16]);
        // SAFETY: the processor has AVX-512 (`self` is the proof); `Words` is a vector, aligned.
        unsafe {
            let vector = _mm512_setr_epi32(
                w[0] as i32,
                w[1] as i32,
                w[2] as i32,
                w[3] as i32,
                w[4] as i32,
                w[5] as i32,
                w[6] as i32,
                w[7] as i32,
                w[8] as i32,
                w[9] as i32,
                w[10] as i32,
                w[11] as i32,
                w[12] as i32,
                w[13] as i32,
                w[14] as i32,
                w[15] as i32,
            );
            _mm512_store_si512(all.0.as_mut_ptr().cast(), vector);
        }
        all
    }

    #[inline(always)]
    fn matching(self, tags: &Tags, mask: u8, value: u8) -> u64 {
        // SAFETY: the processor has AVX-512 (`self` is the proof); `Tags` is 64 bytes, aligned.
        unsafe {
            let tags = _mm512_load_si512(tags.0.as_ptr().cast());
            let masked = _mm512_and_si512(tags, _mm512_set1_epi8(mask as i8));
            _mm512_cmpeq_epi8_mask(masked, _mm512_set1_epi8(value as i8))
        }
    }
}
