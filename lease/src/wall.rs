//! Wall-clock time in seconds, and its text.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// Seconds since 1970-01-01 UTC, until February 2106; and *never*, the end of an infinite lifetime.
///
/// Four bytes, because a book has three of them a lease. A finite end past 2106 stands as the last second before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wall(u32);

/// The lifetime that means infinity on the wire (RFC 8415 section 7.7, RFC 2131 section 3.3).
const INFINITY: u32 = u32::MAX;

impl Wall {
    /// The end of an infinite lifetime; after all others.
    pub const NEVER: Wall = Wall(u32::MAX);
    /// 1970-01-01 00:00:00 UTC; before all others.
    pub const EPOCH: Wall = Wall(0);
    const LAST: u32 = u32::MAX - 1;

    /// So many seconds after 1970.
    pub fn from_secs(seconds: u64) -> Self {
        Self(u32::try_from(seconds).map_or(Self::LAST, |s| s.min(Self::LAST)))
    }

    /// The first whole second that is not before this time: what lasts from then on ends here no sooner than at who was told of it.
    pub fn rounded_up(time: SystemTime) -> Self {
        let next = Self::from(time + Duration::from_nanos(999_999_999));
        match time < SystemTime::UNIX_EPOCH {
            true => Self::EPOCH,
            false => next,
        }
    }

    /// Seconds after 1970; `None` for never.
    pub fn as_secs(self) -> Option<u64> {
        (self != Self::NEVER).then_some(u64::from(self.0))
    }

    /// A lifetime (in seconds, `0xffffffff` is infinity) later.
    #[must_use]
    pub fn after(self, lifetime: u32) -> Self {
        if lifetime == INFINITY || self == Self::NEVER {
            return Self::NEVER;
        }
        Self(self.0.saturating_add(lifetime).min(Self::LAST))
    }

    /// The lifetime that is left at `now`, as it stands on the wire: 0 when past, `0xffffffff` for never.
    pub fn left(self, now: Wall) -> u32 {
        if self == Self::NEVER {
            return INFINITY;
        }
        self.0.saturating_sub(now.0)
    }

    pub(super) const fn to_bits(self) -> u32 {
        self.0
    }

    pub(super) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

impl From<SystemTime> for Wall {
    /// Whole seconds, rounded down; times before 1970 are 1970.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        Self::from_secs(since.unwrap_or(Duration::ZERO).as_secs())
    }
}

impl fmt::Display for Wall {
    /// RFC 3339 in UTC, as `2026-08-22T10:00:00Z`, or `never`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(seconds) = self.as_secs() else {
            return f.write_str("never");
        };
        let (year, month, day) = date_of(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

impl fmt::Debug for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is UTC as 2026-08-22T10:00:00Z, from 1970 to 2106, or the word never")]
pub struct WallParseError;

impl FromStr for Wall {
    type Err = WallParseError;

    fn from_str(text: &str) -> Result<Self, WallParseError> {
        if text == "never" {
            return Ok(Self::NEVER);
        }
        let number = |range: std::ops::Range<usize>| {
            text.get(range)
                .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|d| d.parse::<u64>().ok())
        };
        let read = || {
            let [year, month, day] = [number(0..4)?, number(5..7)?, number(8..10)?];
            let [hour, minute, second] = [number(11..13)?, number(14..16)?, number(17..19)?];
            let days = days_of(year, month, day)?;
            Some(Self::from_secs(
                days * 86_400 + hour * 3600 + minute * 60 + second,
            ))
        };
        // What the same time is written as is compared, so that no sloppy or impossible text passes.
        read()
            .filter(|wall| wall.to_string() == text)
            .ok_or(WallParseError)
    }
}

/// The civil date of a day after 1970-01-01 (Gregorian; valid for all of `Wall`). Counts from 1 March 1968, so that a leap
/// day ends a four-year cycle; 2100 is the one exception in range.
fn date_of(days: u64) -> (u64, u64, u64) {
    // 2100-02-28 is day 47540; without a leap day after it, later days are one further in the cycle.
    let cycle_days = days + 671 + u64::from(days > 47_540);
    let (cycle, day) = (cycle_days / 1461, cycle_days % 1461);
    let year = (day / 365).min(3);
    let day_of_year = day - year * 365;
    // Months from March: 153 days in five.
    let shifted = (day_of_year * 5 + 2) / 153;
    let day = day_of_year - (shifted * 153 + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (1968 + cycle * 4 + year + u64::from(month <= 2), month, day)
}

/// The inverse of `date_of`, sloppy about days that do not exist.
fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=2106).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let since = year - u64::from(month <= 2) - 1968;
    let shifted = (month + 9) % 12;
    let days = since / 4 * 1461 + since % 4 * 365 + (shifted * 153 + 2) / 5 + day - 1;
    let days = days.checked_sub(671)?;
    Some(days - u64::from(days > 47_541))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_787_392_800, "2026-08-22T10:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (4_294_967_294, "2106-02-07T06:28:14Z"),
        ] {
            assert_eq!(Wall::from_secs(seconds).to_string(), text);
            assert_eq!(text.parse(), Ok(Wall::from_secs(seconds)), "{text}");
        }
        assert_eq!("never".parse(), Ok(Wall::NEVER));
        for text in [
            "2100-02-29T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-08-22 10:00:00Z",
            "2026-08-22T10:00:00",
            "2026-08-22T24:00:00Z",
            "2107-01-01T00:00:00Z",
            "",
        ] {
            assert_eq!(text.parse::<Wall>(), Err(WallParseError), "{text}");
        }
    }

    #[test]
    fn infinity_and_the_end_of_time() {
        let now = Wall::from_secs(1000);
        assert_eq!(now.after(INFINITY), Wall::NEVER);
        assert_eq!(Wall::NEVER.left(now), INFINITY);
        assert_eq!(now.after(60).left(now), 60);
        assert_eq!(now.left(now.after(60)), 0);
        assert_ne!(now.after(INFINITY - 1), Wall::NEVER);
        assert_eq!(
            Wall::from_secs(u64::MAX).as_secs(),
            Some(u64::from(Wall::LAST))
        );
        assert_eq!(Wall::NEVER.as_secs(), None);
    }

    #[test]
    fn what_begins_in_a_second_counts_from_the_next() {
        let at = |nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
        for (nanos, floor, up) in [
            (0, 0, 0),
            (1, 0, 1),
            (999_999_999, 0, 1),
            (1_000_000_000, 1, 1),
            (1_000_000_001, 1, 2),
        ] {
            assert_eq!(Wall::from(at(nanos)), Wall(floor));
            assert_eq!(Wall::rounded_up(at(nanos)), Wall(up), "{nanos}");
        }
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(Wall::rounded_up(before), Wall::EPOCH);
    }

    proptest! {
        #[test]
        fn text_and_back(seconds in 0..=Wall::LAST) {
            let wall = Wall(seconds);
            prop_assert_eq!(wall.to_string().parse(), Ok(wall));
        }

        #[test]
        fn days_follow_each_other(day in 0u64..49_000) {
            let (today, tomorrow) = (date_of(day), date_of(day + 1));
            prop_assert!(today < tomorrow);
            prop_assert!(tomorrow.2 == 1 || tomorrow == (today.0, today.1, today.2 + 1));
        }
    }
}
