//! Randomness for jitter and nonces: a small seedable generator, so that a test or a replay sees the same run.

use std::time::Duration;

/// SplitMix64: full period, passes the usual statistical batteries; *not* for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that always gives the same sequence for the same seed.
    pub const fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform between two durations, both possible; `low` when they are the wrong way round.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = high.saturating_sub(low).as_nanos() as u64;
        if span == 0 {
            return low;
        }
        // The bias of the remainder is below 2^-20 for any span under five hours.
        low + Duration::from_nanos(self.next_u64() % span.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_stays_within_and_reaches_both_halves() {
        let (low, high) = (Duration::from_millis(500), Duration::from_millis(1500));
        let mut random = Random::new(7);
        let drawn: Vec<_> = (0..1000).map(|_| random.between(low, high)).collect();
        assert!(drawn.iter().all(|d| (low..=high).contains(d)));
        let below = drawn
            .iter()
            .filter(|d| **d < Duration::from_secs(1))
            .count();
        assert!(
            (400..600).contains(&below),
            "{below} of 1000 in the lower half"
        );
    }

    #[test]
    fn same_seed_same_sequence() {
        let (mut a, mut b) = (Random::new(1), Random::new(1));
        assert!((0..100).all(|_| a.next_u64() == b.next_u64()));
        assert_ne!(Random::new(1).next_u64(), Random::new(2).next_u64());
    }
}
