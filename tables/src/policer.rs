//! Token buckets: how many things a second may happen, how many at once.
//!
//! Worker-local and without a clock: the caller passes the time in ticks (of the TSC, say) and says how many make a second.
//! Credit is counted in token-ticks per second, so that no rate is rounded: a tick earns `rate` of them, a token costs
//! `hz` of them.

/// How fast, and in what units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: u64,
    cost: u64,
    cap: u64,
    /// Ticks after which any bucket is full again: bounds the multiplication.
    full_after: u64,
}

impl Rate {
    /// `per_second` tokens a second, at most `burst` at once, with `hz` ticks a second. A rate of 0 gives nothing
    /// after the first `burst`; a burst of 0 gives nothing at all. A clock of 0 Hz is taken as 1.
    pub fn new(per_second: u32, burst: u32, hz: u64) -> Rate {
        let hz = hz.max(1);
        let cap = hz.saturating_mul(burst as u64);
        let full_after = match per_second {
            0 => u64::MAX,
            rate => cap.div_ceil(rate as u64),
        };
        Rate {
            per_second: per_second as u64,
            cost: hz,
            cap,
            full_after,
        }
    }
}

/// One bucket. It begins full.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    /// What is missing from a full bucket, so that all zeroes is a full one.
    spent: u64,
    last: u64,
}

impl TokenBucket {
    /// A full bucket at time `now`.
    pub const fn new(now: u64) -> TokenBucket {
        TokenBucket {
            spent: 0,
            last: now,
        }
    }

    /// Takes one token if there is one. A clock that goes backwards earns nothing.
    #[inline]
    pub fn take(&mut self, rate: &Rate, now: u64) -> bool {
        let elapsed = now.saturating_sub(self.last);
        if elapsed >= rate.full_after {
            self.spent = 0;
        } else {
            // Below `full_after` ticks this earns less than `cap` plus a tick's worth: no overflow.
            self.spent = self
                .spent
                .saturating_sub(elapsed.saturating_mul(rate.per_second));
        }
        self.last = self.last.max(now);
        if self.spent.saturating_add(rate.cost) > rate.cap {
            return false;
        }
        self.spent += rate.cost;
        true
    }
}

/// Many buckets, one for each key (a destination, say), in memory of a fixed size.
///
/// Keys are hashed with a seed; two that meet in a bucket share its tokens, so the limit on a key is never exceeded, and
/// an attacker with many keys gets at most `buckets` times the rate (put a plain [`TokenBucket`] in front for the sum).
#[derive(Clone, Debug)]
pub struct KeyedPolicer {
    rate: Rate,
    buckets: Box<[TokenBucket]>,
    seed: u64,
}

impl KeyedPolicer {
    /// `buckets` is rounded up to a power of two.
    pub fn new(rate: Rate, buckets: usize, seed: u64, now: u64) -> KeyedPolicer {
        let buckets = vec![TokenBucket::new(now); buckets.max(1).next_power_of_two()];
        KeyedPolicer {
            rate,
            buckets: buckets.into(),
            seed,
        }
    }

    /// Takes one token of `key`'s bucket if there is one.
    #[inline]
    pub fn take(&mut self, key: u128, now: u64) -> bool {
        let key = crate::hash::FlowKey {
            dst: key,
            ..Default::default()
        };
        let hash = crate::hash::FlowHasher::new(self.seed).hash(&key) as usize;
        let index = hash & (self.buckets.len() - 1);
        self.buckets[index].take(&self.rate, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HZ: u64 = 2_596_000_000;

    #[test]
    fn a_burst_and_then_the_rate() {
        let rate = Rate::new(10, 3, HZ);
        let mut bucket = TokenBucket::new(0);
        let mut given = |now| (0..100).filter(|_| bucket.take(&rate, now)).count();
        assert_eq!(given(0), 3);
        assert_eq!(given(HZ / 10 - 1), 0);
        assert_eq!(given(HZ / 10), 1);
        assert_eq!(given(HZ / 10 * 3), 2);
        assert_eq!(given(HZ * 1000), 3, "never more than the burst");
        assert_eq!(given(HZ * 999), 0, "a clock that goes backwards");
        assert_eq!(given(u64::MAX), 3);
    }

    #[test]
    fn nothing_is_nothing() {
        let mut bucket = TokenBucket::new(0);
        assert!(!bucket.take(&Rate::new(10, 0, HZ), HZ));
        let once = Rate::new(0, 1, HZ);
        assert!(bucket.take(&once, 0));
        assert!(!bucket.take(&once, u64::MAX - 1));
    }

    #[test]
    fn keys_have_their_own_tokens() {
        let mut policer = KeyedPolicer::new(Rate::new(1, 2, HZ), 1000, 42, 0);
        assert_eq!(policer.buckets.len(), 1024);
        assert_eq!((0..10).filter(|_| policer.take(1, 0)).count(), 2);
        assert_eq!((0..10).filter(|_| policer.take(2, 0)).count(), 2);
        let keys = (3..1003).filter(|&key| policer.take(key, 0)).count();
        assert!(keys > 700, "{keys} of 1000 keys got their first token");
    }

    proptest! {
        #[test]
        fn no_window_gets_more_than_burst_plus_rate(
            per_second in 1u32..1_000_000,
            burst in 1u32..1000,
            hz in 1u64..4_000_000_000,
            steps in proptest::collection::vec(0u64..10_000_000, 1..400),
        ) {
            let rate = Rate::new(per_second, burst, hz);
            let mut bucket = TokenBucket::new(0);
            let (mut now, mut given) = (0u64, 0u64);
            for step in steps {
                now += step;
                given += bucket.take(&rate, now) as u64;
                let most = burst as u128 + now as u128 * per_second as u128 / hz as u128;
                prop_assert!(given as u128 <= most);
            }
        }
    }
}
