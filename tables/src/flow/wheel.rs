//! When to look at a flow again: a wheel of seconds.
//!
//! Touching a flow does not move it; when its second comes and it was used since, it is put on again. No flow is put farther ahead
//! than [`CHECK`], because its timeout may have become shorter meanwhile: a connection of hours that was closed.

use super::lists::{Chain, Chains, List};

/// Seconds after which a flow is looked at at the latest.
pub(super) const CHECK: u32 = 64;
/// Lists, a power of two; more than [`CHECK`].
const SECONDS: u32 = 128;

/// The flows of one worker by the second when they are looked at.
#[derive(Debug)]
pub(super) struct Wheel {
    lists: [List; SECONDS as usize],
    /// The second being dealt with; those before are done.
    time: u32,
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            lists: [List::default(); SECONDS as usize],
            time: 0,
        }
    }
}

impl Wheel {
    /// Puts a flow on, to be looked at in `seconds` from `now`, or sooner.
    pub fn arm(&mut self, chains: &mut Chains, number: u32, now: u32, seconds: u32) {
        let due = now.wrapping_add(seconds.min(CHECK));
        // The wheel may be behind, or not have begun.
        let ahead = due.wrapping_sub(self.time) as i32;
        let ahead = ahead.clamp(1, SECONDS as i32 - 1) as u32;
        let second = self.time.wrapping_add(ahead) % SECONDS;
        chains.of(number).second = second as u8;
        chains.push(Chain::Wheel, &mut self.lists[second as usize], number);
    }

    /// Takes a flow off.
    pub fn disarm(&mut self, chains: &mut Chains, number: u32) {
        let second = chains.of(number).second;
        chains.unlink(Chain::Wheel, &mut self.lists[usize::from(second)], number);
    }

    /// Takes a flow off whose second has come, if there is one.
    #[inline]
    pub fn due(&mut self, chains: &mut Chains, now: u32) -> Option<u32> {
        loop {
            let list = &mut self.lists[(self.time % SECONDS) as usize];
            if let Some(number) = chains.pop(Chain::Wheel, list) {
                return Some(number);
            }
            let behind = now.wrapping_sub(self.time) as i32;
            match behind {
                ..=0 => return None,
                // More than a turn: once around is all.
                _ if behind >= SECONDS as i32 => self.time = now.wrapping_sub(SECONDS - 1),
                _ => self.time = self.time.wrapping_add(1),
            }
        }
    }

    /// Who is looked at next in the second that has come.
    pub fn peek(&self) -> u32 {
        self.lists[(self.time % SECONDS) as usize].head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(wheel: &mut Wheel, chains: &mut Chains, now: u32) -> Vec<u32> {
        std::iter::from_fn(|| wheel.due(chains, now)).collect()
    }

    #[test]
    fn flows_come_in_their_second_at_the_latest_after_check() {
        let start = u32::MAX - 300;
        let mut chains = Chains::new(1, 1000).unwrap();
        let mut wheel = Wheel {
            time: start,
            ..Wheel::default()
        };
        for number in 1..=100 {
            wheel.arm(&mut chains, number, start, number - 1);
        }
        wheel.disarm(&mut chains, 30);
        // One that is due at once comes a second later; the clock goes over its end.
        assert_eq!(turn(&mut wheel, &mut chains, start), []);
        for second in 1..=CHECK {
            let now = start.wrapping_add(second);
            let expected: Vec<u32> = match second {
                1 => vec![1, 2],
                29 => vec![],
                CHECK => (CHECK + 1..=100).collect(),
                _ => vec![second + 1],
            };
            assert_eq!(
                turn(&mut wheel, &mut chains, now),
                expected,
                "second {second}"
            );
        }
    }

    #[test]
    fn a_worker_that_was_away_misses_nobody() {
        let mut chains = Chains::new(1, 1000).unwrap();
        let mut wheel = Wheel::default();
        for number in 1..=1000 {
            wheel.arm(&mut chains, number, 70_000 + number % 7, number);
        }
        let mut all = turn(&mut wheel, &mut chains, 70_500);
        all.sort_unstable();
        assert_eq!(all, (1..=1000).collect::<Vec<u32>>());
        // A clock that goes back finds nothing due.
        wheel.arm(&mut chains, 1, 70_500, 5);
        assert_eq!(turn(&mut wheel, &mut chains, 70_400), []);
        assert_eq!(turn(&mut wheel, &mut chains, 70_505), [1]);
    }
}
