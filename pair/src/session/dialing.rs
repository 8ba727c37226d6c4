//! When to connect: at once, and then after pauses that grow.

use std::time::{Duration, Instant};

/// Attempts to connect.
#[derive(Debug)]
pub(super) struct Dialing {
    /// When the next one is due. `None`: there is a connection, or an attempt under way.
    at: Option<Instant>,
    pause: Duration,
    random: u64,
}

impl Dialing {
    pub const fn new(seed: u64) -> Self {
        Self {
            at: None,
            pause: Duration::ZERO,
            random: seed,
        }
    }

    /// When an attempt is due.
    pub const fn at(&self) -> Option<Instant> {
        self.at
    }

    /// One is due now.
    pub fn now(&mut self, now: Instant) {
        self.pause = Duration::ZERO;
        self.at = Some(now);
    }

    /// Whether one is due; it is under way then.
    pub fn take(&mut self, now: Instant) -> bool {
        let due = self.at.is_some_and(|at| at <= now);
        if due {
            self.at = None;
        }
        due
    }

    /// None is needed.
    pub fn stop(&mut self) {
        self.at = None;
        self.pause = Duration::ZERO;
    }

    /// The next one, after a pause that is longer than the last.
    pub fn later(&mut self, now: Instant, [shortest, longest]: [Duration; 2]) {
        self.pause = (self.pause * 2).clamp(shortest, longest);
        // Up to a quarter more or less, so that two that dial do not go on in step.
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let share = (self.random >> 56) as u32;
        self.at = Some(now + self.pause * 3 / 4 + self.pause * share / 512);
    }
}
