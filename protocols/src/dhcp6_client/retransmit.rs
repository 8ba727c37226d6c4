//! When a message is sent again (RFC 8415 section 15).

use std::time::{Duration, Instant};

use crate::Random;

/// Parameters of one exchange (RFC 8415 section 7.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// IRT: until the first repetition.
    pub(super) initial: Duration,
    /// MRT: between two at most; zero: no limit.
    pub(super) max: Duration,
    /// MRC: so many messages at most; zero: no limit.
    pub(super) count: u32,
    /// The first interval is never shorter than IRT (section 18.2.1, for Solicit).
    pub(super) at_least_initial: bool,
}

const fn pace(initial: u64, max: u64, count: u32) -> Pace {
    Pace {
        initial: Duration::from_secs(initial),
        max: Duration::from_secs(max),
        count,
        at_least_initial: false,
    }
}

/// SOL_TIMEOUT, SOL_MAX_RT.
pub(super) const SOLICIT: Pace = Pace {
    at_least_initial: true,
    ..pace(1, 3600, 0)
};
/// REQ_TIMEOUT, REQ_MAX_RT, REQ_MAX_RC.
pub(super) const REQUEST: Pace = pace(1, 30, 10);
/// CNF_TIMEOUT, CNF_MAX_RT; for Rebind after a change of link too (section 18.2.12).
pub(super) const CONFIRM: Pace = pace(1, 4, 0);
/// CNF_MAX_RD.
pub(super) const CONFIRM_FOR: Duration = Duration::from_secs(10);
/// REN_TIMEOUT, REN_MAX_RT; REB_TIMEOUT, REB_MAX_RT are the same.
pub(super) const RENEW: Pace = pace(10, 600, 0);
/// INF_TIMEOUT, INF_MAX_RT.
pub(super) const INFORM: Pace = pace(1, 3600, 0);
/// REL_TIMEOUT, REL_MAX_RC; DEC_TIMEOUT, DEC_MAX_RC are the same.
pub(super) const RELEASE: Pace = pace(1, 0, 4);
/// SOL_MAX_DELAY, CNF_MAX_DELAY, INF_MAX_DELAY: the first message waits for so long at most.
pub(super) const MAX_DELAY: Duration = Duration::from_secs(1);

impl Pace {
    /// RT of the first message.
    pub(super) fn first(&self, random: &mut Random) -> Duration {
        let low = match self.at_least_initial {
            true => self.initial + Duration::from_millis(1),
            false => self.initial * 9 / 10,
        };
        random.between(low, self.initial * 11 / 10)
    }

    /// RT after one of `previous`.
    pub(super) fn next(&self, previous: Duration, random: &mut Random) -> Duration {
        let doubled = random.between(previous * 19 / 10, previous * 21 / 10);
        if self.max > Duration::ZERO && doubled > self.max {
            return random.between(self.max * 9 / 10, self.max * 11 / 10);
        }
        doubled
    }
}

/// How often a client may send whatever servers make it do (RFC 8415 section 14.1): so many messages in so long a time.
const BURST: u32 = 20;
const BURST_TIME: Duration = Duration::from_secs(20);

/// Counts what was sent of late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limit {
    since: Option<Instant>,
    sent: u32,
}

impl Limit {
    /// Whether one more may be sent now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let is_over = |since| now.saturating_duration_since(since) >= BURST_TIME;
        if self.since.is_none_or(is_over) {
            *self = Limit {
                since: Some(now),
                sent: 0,
            };
        }
        self.sent += 1;
        self.sent <= BURST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_double_up_to_the_maximum_and_vary_by_a_tenth() {
        let mut random = Random::new(1);
        for seed in 0..200 {
            random = Random::new(seed ^ random.next_u64());
            let first = SOLICIT.first(&mut random);
            assert!(first > Duration::from_secs(1) && first <= Duration::from_millis(1100));
            let first = REQUEST.first(&mut random);
            assert!((900..=1100).contains(&first.as_millis()));
            let next = REQUEST.next(first, &mut random).as_secs_f64() / first.as_secs_f64();
            assert!((1.9..=2.1).contains(&next));
            let last = REQUEST.next(Duration::from_secs(29), &mut random);
            assert!((27..=33).contains(&last.as_secs()));
            let unlimited = RELEASE.next(Duration::from_secs(5000), &mut random);
            assert!(unlimited > Duration::from_secs(9000));
        }
    }

    #[test]
    fn twenty_messages_in_twenty_seconds() {
        let mut limit = Limit::default();
        let start = Instant::now();
        let sent = (0..40).filter(|_| limit.take(start)).count();
        assert_eq!(sent, 20);
        assert!(!limit.take(start + Duration::from_secs(19)));
        assert!(limit.take(start + Duration::from_secs(20)));
    }
}
