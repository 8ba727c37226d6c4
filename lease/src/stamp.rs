//! Which of two routers changed a lease, and in which order: stamps that two clocks which differ cannot confuse.

use std::time::{Duration, SystemTime};

use super::Wall;

/// Which of the two routers of a pair one is, and so which half of what is free it gives to new clients: the one whose node
/// comes first has the even addresses and prefix numbers, the other one the odd ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Half {
    /// Of the node that comes first.
    Even,
    /// Of the other one.
    Odd,
}

impl Half {
    /// The half of a number.
    pub const fn of(number: u128) -> Self {
        match number & 1 {
            0 => Half::Even,
            _ => Half::Odd,
        }
    }

    /// The other router's.
    pub const fn other(self) -> Self {
        match self {
            Half::Even => Half::Odd,
            Half::Odd => Half::Even,
        }
    }
}

/// When a lease was changed last, and by which router: milliseconds since 1970 (47 bits), a counter (16) and the router (1). The
/// later of two changes has the greater stamp; no two have the same, but for leases of before there were stamps.
///
/// It is a hybrid logical clock (Kulkarni et al., 2014): a router that has seen a stamp makes greater ones only, whatever its own
/// clock says. So of two changes of which one router knew when it made its own, that one is the later.
///
/// LIMIT: of changes that two routers made while they could not talk, the clocks decide. A client that goes from one side of a
/// split to the other in less time than they differ may be taken to have gone the other way.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stamp(u64);

/// Bits of counter and router.
const BELOW: u32 = 17;

impl Stamp {
    /// Before all others: of a lease that was never put into a book.
    pub const NONE: Stamp = Stamp(0);

    /// Of a lease of an older release, which kept no stamps: when its state began.
    pub fn of_start(starts: Wall) -> Self {
        Self((starts.as_secs().unwrap_or(0) * 1000) << BELOW)
    }

    /// Its bits, as records have them.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The stamp with these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl std::fmt::Debug for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (millis, counter) = (self.0 >> BELOW, (self.0 & 0x1_ffff) >> 1);
        write!(f, "{millis}.{counter}/{}", self.0 & 1)
    }
}

/// What makes stamps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    now: u64,
    last: u64,
    /// 1 for the odd half.
    node: u64,
}

impl Clock {
    /// Which router this one is; without a pair it does not matter.
    pub fn set_half(&mut self, half: Half) {
        self.node = half as u64;
    }

    /// Tells the date.
    pub fn tick(&mut self, date: SystemTime) {
        let since = date.duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.unwrap_or(Duration::ZERO).as_millis();
        self.now = u64::try_from(millis).unwrap_or(0) << BELOW;
    }

    /// A stamp that is greater than all that were made or seen.
    pub fn next(&mut self) -> Stamp {
        let after = (self.last & !1) + 2;
        self.last = self.now.max(after) | self.node;
        Stamp(self.last)
    }

    /// The other router, or an earlier life of this one, has made this stamp.
    pub fn see(&mut self, stamp: Stamp) {
        self.last = self.last.max(stamp.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn stamps_grow_and_no_two_are_the_same() {
        let [mut even, mut odd] = [Clock::default(), Clock::default()];
        odd.set_half(Half::Odd);
        even.tick(at(5000));
        odd.tick(at(5000));
        let (a, b) = (even.next(), even.next());
        assert!(a < b);
        assert_ne!(odd.next(), a, "the same moment at the other router");
        // Its clock is behind, but it has seen.
        odd.tick(at(1000));
        odd.see(b);
        let c = odd.next();
        assert!(b < c);
        even.tick(at(6000));
        assert!(c < even.next());
        even.tick(SystemTime::UNIX_EPOCH - Duration::from_secs(1));
        assert!(c < even.next(), "a clock that was set back");
    }

    #[test]
    fn a_lease_without_stamp_is_as_old_as_its_state() {
        let mut clock = Clock::default();
        clock.tick(at(5_000_000));
        let stamp = clock.next();
        assert!(Stamp::of_start(Wall::from_secs(4999)) < stamp);
        assert!(stamp < Stamp::of_start(Wall::from_secs(5001)));
        assert_eq!(Stamp::from_bits(stamp.to_bits()), stamp);
        assert_eq!(format!("{stamp:?}"), "5000000.0/0");
        assert_eq!([0, 1, 2].map(Half::of), [Half::Even, Half::Odd, Half::Even]);
    }
}
