//! What another router is told.

use std::sync::atomic::{Ordering, fence};

use super::{Change, FlowPeer, Record, is_used};
use crate::flow::entry::Flow;
use crate::flow::sctp;
use crate::publish::Reader;

/// Entries looked at in one call of [`FlowPeer::bulk`] for each that may be told: most of a table may be free.
const LOOKS: usize = 16;

impl FlowPeer {
    /// Tells what has changed, up to `limit` notes of workers. How many notes there were. The reader is the caller's, of the table's
    /// [`Qsbr`](crate::publish::Qsbr).
    pub fn changes(
        &mut self,
        reader: &Reader,
        limit: usize,
        now: u32,
        mut tell: impl FnMut(Change),
    ) -> usize {
        let _ = self.table.read(reader);
        let mut notes = std::mem::take(&mut self.notes);
        let rings = self.table.changes.len();
        let mut empty = 0;
        while notes.len() < limit && empty < rings {
            match self.table.changes[self.turn].take() {
                Some(number) => {
                    empty = 0;
                    notes.push(number);
                }
                None => {
                    empty += 1;
                    self.turn = (self.turn + 1) % rings;
                }
            }
        }
        let taken = notes.len();
        // A flow that has made some steps meanwhile is told once.
        notes.sort_unstable();
        notes.dedup();
        for number in notes.drain(..) {
            self.look(number, now, &mut tell);
        }
        self.notes = notes;
        taken
    }

    /// Whether notes were lost since somebody has asked: then all is to be told again.
    pub fn has_lost(&mut self) -> bool {
        let lost = self.table.changes.iter();
        let lost = lost.map(|changes| changes.lost()).sum();
        std::mem::replace(&mut self.lost, lost) != lost
    }

    /// All is to be told, from now on.
    pub fn begin_bulk(&mut self) {
        self.told.fill(0);
        self.next = Some(1);
    }

    /// Tells some of all: `limit` flows at most. Whether there are more.
    pub fn bulk(
        &mut self,
        reader: &Reader,
        limit: usize,
        now: u32,
        mut tell: impl FnMut(Change),
    ) -> bool {
        let _ = self.table.read(reader);
        let Some(next) = self.next else {
            return false;
        };
        let (mut told, mut looked) = (0, 0);
        let table = self.table.clone();
        for number in table.used_from(next) {
            if told == limit || looked == limit.saturating_mul(LOOKS) {
                self.next = Some(number);
                return true;
            }
            looked += 1;
            // One that has changed meanwhile was told.
            if self.told_of(number) == 0 {
                self.look(number, now, &mut |change| {
                    told += 1;
                    tell(change);
                });
            }
        }
        self.next = None;
        false
    }

    pub(super) fn told_of(&self, number: u32) -> u32 {
        let told = self.told.get((number as usize).wrapping_sub(1));
        told.copied().unwrap_or(0)
    }

    /// Tells what an entry is now, if it is another thing than was told.
    pub(super) fn look(&mut self, number: u32, now: u32, tell: &mut impl FnMut(Change)) {
        let table = self.table.clone();
        let Some(flow) = table.entry(number) else {
            return;
        };
        if self.is_of_part(number) {
            if !flow.word().is_live() {
                // Our rules did not allow it, or it has begun anew.
                self.forget(number);
            } else if is_used(flow) {
                self.take_over(number);
            }
        }
        let is_kept = self.part.kept.slot(number).is_some();
        let found = match is_kept {
            true => None,
            false => record(flow, self.handovers(number), now),
        };
        let life = found.as_ref().map_or(0, |(life, _)| *life);
        let Some(told) = self.told.get_mut((number as usize).wrapping_sub(1)) else {
            return;
        };
        let was = std::mem::replace(told, life);
        match found {
            Some((_, flow)) => tell(Change::Set { slot: number, flow }),
            None if was != 0 => tell(Change::Clear { slot: number }),
            None => {}
        }
    }
}

/// A flow as it is told, and its life; `None` if it is none, or becomes another one just now.
fn record(flow: &Flow, handovers: u8, now: u32) -> Option<(u32, Record)> {
    let word = flow.word();
    if !word.is_live() || !word.state().is_answered() {
        return None;
    }
    let key = flow.key();
    let is_sctp = key.protocol == sctp::PROTOCOL;
    let record = Record {
        key,
        asked: word.asked(),
        progress: word.progress(),
        tags: if is_sctp { flow.tags() } else { [[0; 2]; 2] },
        age: flow.age(now),
        idle: flow.idle(now),
        handovers,
    };
    // Its life is the same after all of that was read, so all of it was this flow's.
    fence(Ordering::Acquire);
    (flow.word().life() == word.life()).then_some((word.life(), record))
}
