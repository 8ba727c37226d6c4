//! Whose receive queue is polled?
//!
//! A worker polls its queues one after the other, a burst each. Bursts do not cost alike: one of packets that each begin a flow takes
//! several times as long as one of a flow that is known. So the time that each queue's packets take is counted, and one that is a slice
//! ahead waits for the others. Whoever floods one port has that port's share of the worker, and the others keep theirs.

/// Things that take turns, and what each has used.
///
/// A round is [`Turns::begin`]; for each of [`Turns::iter_mut`], if [`Round::may`], the work and [`Round::end`]; [`Turns::finish`]. It is not
/// one function that takes a closure, because that might be compiled on its own, without the worker's instructions.
#[derive(Debug)]
pub struct Turns<T> {
    turns: Vec<Turn<T>>,
    /// What the one has used that has used the least, of those that had something to do in the last round.
    least: u64,
    /// How far one may be ahead, ticks.
    slice: u64,
}

/// One of them.
#[derive(Debug)]
pub struct Turn<T> {
    /// Who.
    pub of: T,
    /// Ticks.
    used: u64,
}

/// A round that goes on.
#[derive(Debug)]
pub struct Round {
    /// What everybody has used at least.
    floor: u64,
    /// Who has used more waits.
    latest: u64,
    /// What one turn is counted as, at most: a worker that the kernel has kept from running has not spent that time on anybody.
    longest: u64,
    least: u64,
    /// When the turn began.
    before: u64,
}

impl<T> Turns<T> {
    /// Nobody; room for `most`.
    pub fn new(most: usize, slice: u64) -> Self {
        Self {
            turns: Vec::with_capacity(most),
            least: 0,
            slice,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.turns.len()
    }

    /// Adds one, that has no claim on the time before it came.
    pub fn push(&mut self, of: T) {
        let used = self.least;
        self.turns.push(Turn { of, used });
    }

    /// Keeps those that are wanted.
    pub fn retain(&mut self, mut wanted: impl FnMut(&T) -> bool) {
        self.turns.retain(|turn| wanted(&turn.of));
    }

    /// All.
    #[inline(always)]
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Turn<T>> {
        self.turns.iter_mut()
    }

    /// A round that begins at this tick.
    #[inline(always)]
    pub fn begin(&self, now: u64) -> Round {
        Round {
            floor: self.least,
            latest: self.least + self.slice,
            longest: self.slice,
            least: u64::MAX,
            before: now,
        }
    }

    /// The end of a round.
    #[inline(always)]
    pub fn finish(&mut self, round: &Round) {
        if round.least != u64::MAX {
            self.least = round.least;
        }
    }
}

impl Round {
    /// Whether it is somebody's turn.
    #[inline(always)]
    pub fn may<T>(&mut self, turn: &Turn<T>) -> bool {
        let may = turn.used <= self.latest;
        if !may {
            self.least = self.least.min(turn.used);
        }
        may
    }

    /// The end of somebody's turn. Who had nothing to do has taken no time, and keeps no claim on it.
    #[inline(always)]
    pub fn end<T>(&mut self, turn: &mut Turn<T>, worked: bool, ticks: impl Fn() -> u64) {
        if !worked {
            turn.used = turn.used.max(self.floor);
            return;
        }
        let now = ticks();
        turn.used += now.saturating_sub(self.before).min(self.longest);
        self.before = now;
        self.least = self.least.min(turn.used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const SLICE: u64 = 1000;

    /// A queue: what a burst of it costs, how many bursts it has, how many it has had.
    struct Queue {
        cost: u64,
        left: usize,
        had: u64,
    }

    fn turns(queues: &[(u64, usize)]) -> Turns<Queue> {
        let mut turns = Turns::new(queues.len(), SLICE);
        for &(cost, left) in queues {
            turns.push(Queue { cost, left, had: 0 });
        }
        turns
    }

    /// Runs for so many rounds, and says what time each queue has had.
    fn run(turns: &mut Turns<Queue>, rounds: usize) -> Vec<u64> {
        let clock = Cell::new(0);
        for _ in 0..rounds {
            let mut round = turns.begin(clock.get());
            for turn in turns.iter_mut() {
                if !round.may(turn) {
                    continue;
                }
                let queue = &mut turn.of;
                let has_some = queue.left > 0;
                if has_some {
                    queue.left -= 1;
                    queue.had += queue.cost;
                    clock.set(clock.get() + queue.cost);
                }
                round.end(turn, has_some, || clock.get());
            }
            turns.finish(&round);
        }
        turns.turns.iter().map(|turn| turn.of.had).collect()
    }

    #[test]
    fn a_queue_whose_bursts_cost_more_has_no_more_time() {
        let mut turns = turns(&[(10, usize::MAX), (90, usize::MAX), (35, usize::MAX)]);
        let had = run(&mut turns, 100_000);
        let least = *had.iter().min().unwrap();
        assert!(10 * 90_000 <= least, "{had:?}");
        assert!(had.iter().all(|had| had - least <= SLICE + 90), "{had:?}");
    }

    #[test]
    fn time_that_nobody_else_wants_is_had() {
        let mut turns = turns(&[(10, 0), (90, usize::MAX)]);
        assert_eq!(run(&mut turns, 10_000), [0, 90 * 10_000]);
        // Who was idle comes back: it has no claim on what went by, and no debt.
        turns.turns[0].of.left = usize::MAX;
        let before = turns.turns[1].of.had;
        let had = run(&mut turns, 10_000);
        assert!(had[0].abs_diff(had[1] - before) <= 2 * SLICE, "{had:?}");
    }

    #[test]
    fn who_is_ahead_goes_on_when_the_others_stop() {
        let mut turns = turns(&[(10, 5), (900, 30)]);
        assert_eq!(run(&mut turns, 100), [50, 27_000]);
    }

    #[test]
    fn time_that_the_worker_did_not_run_is_nobodys() {
        let mut turns = turns(&[(10, usize::MAX), (90, usize::MAX)]);
        // The cheap one is stopped at, for as long as a million rounds.
        turns.turns[0].of.cost = 100_000_000;
        run(&mut turns, 1);
        turns.turns[0].of = Queue {
            cost: 10,
            left: usize::MAX,
            had: 0,
        };
        let before = turns.turns[1].of.had;
        let had = run(&mut turns, 10_000);
        assert!(
            had[0].abs_diff(had[1] - before) <= 3 * SLICE,
            "{had:?} {before}"
        );
    }

    #[test]
    fn who_comes_later_has_no_claim_on_the_time_before() {
        let mut turns = turns(&[(90, usize::MAX)]);
        run(&mut turns, 10_000);
        let before = turns.turns[0].of.had;
        turns.push(Queue {
            cost: 10,
            left: usize::MAX,
            had: 0,
        });
        let had = run(&mut turns, 10_000);
        assert!((had[0] - before).abs_diff(had[1]) <= SLICE + 90, "{had:?}");
        turns.retain(|queue| queue.cost == 10);
        assert_eq!(turns.len(), 1);
    }
}
