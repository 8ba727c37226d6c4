//! Does a station move, or do two places fight over it? (RFC 7432 section 15.1) And does an address change hands, or do two
//! stations fight over it? (RFC 9161 section 3.7)

/// A span, in seconds.
type Seconds = u32;

/// When something moves too often, and how long it is held then (RFC 7432 section 15.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damping {
    /// So many moves within the window are one too many, which is not made: 5.
    pub moves: u16,
    /// The window, from the first of these moves on: 180.
    pub window: Seconds,
    /// How long the station is held at first: 30. It doubles when the station goes on.
    pub hold_down: Seconds,
    /// The longest it is held: 1800.
    pub max_hold_down: Seconds,
}

impl Default for Damping {
    fn default() -> Self {
        Damping {
            moves: 5,
            window: 180,
            hold_down: 30,
            max_hold_down: 1800,
        }
    }
}

/// What is remembered of one's moves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moves {
    /// The first move of the window.
    since: Seconds,
    /// How many there were in it.
    moves: u16,
    /// How often it was held in a row.
    holds: u8,
    held_until: Seconds,
}

/// What becomes of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is made.
    Made,
    /// It is not: it was the one too many, and it is held from now on, for so long.
    Hold(Seconds),
    /// It is not: it is held.
    Held,
}

impl Moves {
    /// It was heard elsewhere.
    pub fn judge(&mut self, now: Seconds, damping: &Damping) -> Verdict {
        if self.held_for(now).is_some() {
            return Verdict::Held;
        }
        if self.moves == 0 || now.saturating_sub(self.since) >= damping.window {
            self.since = now;
            self.moves = 0;
        }
        self.moves = self.moves.saturating_add(1);
        if self.moves < damping.moves {
            return Verdict::Made;
        }
        // Whoever goes on is held again within a window of its next move.
        if now.saturating_sub(self.held_until) >= damping.window.saturating_mul(2) {
            self.holds = 0;
        }
        let doubled = 1_u32.checked_shl(self.holds.into()).unwrap_or(u32::MAX);
        let hold = damping.hold_down.saturating_mul(doubled);
        let hold = hold.min(damping.max_hold_down);
        self.holds = self.holds.saturating_add(1);
        self.held_until = now.saturating_add(hold);
        self.moves = 0;
        Verdict::Hold(hold)
    }

    /// How long it is held from now on, if it is.
    pub fn held_for(&self, now: Seconds) -> Option<Seconds> {
        self.held_until.checked_sub(now).filter(|left| *left != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAMPING: Damping = Damping {
        moves: 3,
        window: 60,
        hold_down: 10,
        max_hold_down: 35,
    };

    #[test]
    fn who_goes_on_is_held_twice_as_long_up_to_the_longest() {
        let (mut moves, mut now) = (Moves::default(), 1000);
        for hold in [10, 20, 35, 35] {
            assert_eq!(moves.judge(now, &DAMPING), Verdict::Made);
            assert_eq!(moves.judge(now + 1, &DAMPING), Verdict::Made);
            assert_eq!(moves.judge(now + 2, &DAMPING), Verdict::Hold(hold));
            assert_eq!(moves.held_for(now + 2), Some(hold));
            assert_eq!(moves.judge(now + 1 + hold, &DAMPING), Verdict::Held);
            now += 2 + hold;
            assert_eq!(moves.held_for(now), None);
        }
        // Two windows of peace, and all is forgiven.
        now += 120;
        let verdicts = [(); 3].map(|()| moves.judge(now, &DAMPING));
        assert_eq!(verdicts[2], Verdict::Hold(10));
    }

    #[test]
    fn moves_that_no_window_holds_are_made() {
        let mut moves = Moves::default();
        for now in (0..6000).step_by(30) {
            assert_eq!(moves.judge(now, &DAMPING), Verdict::Made, "{now}");
        }
        assert_eq!(moves.judge(6000, &DAMPING), Verdict::Made);
        assert_eq!(moves.judge(6001, &DAMPING), Verdict::Made);
        assert_eq!(moves.judge(6002, &DAMPING), Verdict::Hold(10));
    }

    #[test]
    fn holding_for_ever_again_never_overflows() {
        let longest = Damping {
            hold_down: u32::MAX,
            max_hold_down: u32::MAX,
            ..DAMPING
        };
        let mut moves = Moves::default();
        for _ in 0..300 {
            moves.held_until = 0;
            let verdicts = [(); 3].map(|()| moves.judge(5, &longest));
            assert_eq!(verdicts[2], Verdict::Hold(u32::MAX));
        }
    }
}
