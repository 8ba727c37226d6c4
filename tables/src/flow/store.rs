//! A worker's entries that are no flows: never used, free, or in their grace period.

use std::sync::Arc;

use super::lists::{Chain, Chains, List, NOBODY};
use crate::publish::{Qsbr, Token};

/// Grace periods that can be under way at a time; what is given back beyond waits for the next one.
const BATCHES: usize = 16;
/// Entries for which a grace period is begun at once.
const BATCH: u32 = 64;

/// What was given back, in batches.
#[derive(Debug)]
pub(super) struct Store {
    qsbr: Arc<Qsbr>,
    /// Numbers never used yet.
    fresh: std::ops::Range<u32>,
    free: List,
    n_free: u32,
    /// Given back, the grace period not begun.
    given: List,
    n_given: u32,
    /// Batches that wait, as a ring.
    waiting: [(Token, List, u32); BATCHES],
    oldest: usize,
    n_waiting: usize,
    n_in_grace: u32,
}

impl Store {
    /// All entries, never used.
    pub fn new(qsbr: Arc<Qsbr>, numbers: std::ops::Range<u32>) -> Self {
        let none = (qsbr.token(), List::default(), 0);
        Self {
            qsbr,
            fresh: numbers,
            free: List::default(),
            n_free: 0,
            given: List::default(),
            n_given: 0,
            waiting: [none; BATCHES],
            oldest: 0,
            n_waiting: 0,
            n_in_grace: 0,
        }
    }

    /// Entries that can be taken now or soon.
    pub fn spare(&self) -> u32 {
        self.ready() + self.n_given + self.n_in_grace
    }

    /// Entries that can be taken now.
    pub fn ready(&self) -> u32 {
        self.n_free + self.fresh.len() as u32
    }

    /// The number behind the greatest ever used.
    pub fn used(&self) -> u32 {
        self.fresh.start
    }

    /// An entry that nobody can hold.
    pub fn take(&mut self, chains: &mut Chains) -> Option<u32> {
        if self.n_free == 0 && self.fresh.is_empty() {
            self.reclaim(chains);
        }
        match chains.pop(Chain::Wheel, &mut self.free) {
            Some(number) => {
                self.n_free -= 1;
                Some(number)
            }
            None => self.fresh.next(),
        }
    }

    /// The entry that is taken next, if there is one.
    pub fn peek(&self) -> u32 {
        match self.free.head {
            NOBODY => self.fresh.start,
            head => head,
        }
    }

    /// An entry that was taken and named by no slot: nobody has seen it.
    pub fn give_back(&mut self, chains: &mut Chains, number: u32) {
        chains.push(Chain::Wheel, &mut self.free, number);
        self.n_free += 1;
    }

    /// An entry that no slot names any more, but somebody may hold.
    pub fn retire(&mut self, chains: &mut Chains, number: u32) {
        chains.push(Chain::Wheel, &mut self.given, number);
        self.n_given += 1;
    }

    /// Begins and ends grace periods. Once a round; free if there is nothing to do.
    #[inline]
    pub fn recycle(&mut self, chains: &mut Chains, hurry: bool) {
        if self.n_given != 0 && (hurry || self.n_given >= BATCH) {
            self.seal();
        }
        if self.n_waiting != 0 {
            self.reclaim(chains);
        }
    }

    fn seal(&mut self) {
        if self.n_waiting == BATCHES {
            return;
        }
        let newest = (self.oldest + self.n_waiting) % BATCHES;
        let given = std::mem::take(&mut self.given);
        self.waiting[newest] = (self.qsbr.advance(), given, self.n_given);
        self.n_waiting += 1;
        self.n_in_grace += self.n_given;
        self.n_given = 0;
    }

    fn reclaim(&mut self, chains: &mut Chains) {
        while self.n_waiting != 0 {
            let (token, list, n) = self.waiting[self.oldest];
            if !self.qsbr.passed(token) {
                return;
            }
            chains.join(Chain::Wheel, list, &mut self.free);
            self.n_free += n;
            self.n_in_grace -= n;
            self.oldest = (self.oldest + 1) % BATCHES;
            self.n_waiting -= 1;
        }
    }
}
