//! Fragments, as a list of packets with a set of what has come of each.

use std::collections::BTreeSet;

use super::read::Piece;
use super::{Offered, Verdict};
use crate::denied::Direction;
use crate::drop::DropReason;

/// Milliseconds after which a packet of which nothing comes is forgotten.
const LIFE: u64 = 5_000;
/// Fragments of a packet that wait for the first one.
const WAITING: usize = 8;

/// Which packet it is: anchor, direction, addresses, identification, and the protocol of IPv4.
pub type Whole = (u16, Direction, u128, u128, u32, u8);

struct Entry {
    whole: Whole,
    /// What has become of its first fragment.
    passes: Option<bool>,
    touched: u64,
    /// Units of 8 bytes that it has, and those that came.
    units: Option<usize>,
    seen: BTreeSet<usize>,
    waiting: Vec<Offered>,
}

/// Packets of which fragments came.
#[derive(Default)]
pub struct Fragments(Vec<Entry>);

impl Fragments {
    fn entry(&mut self, whole: Whole, now: u64) -> &mut Entry {
        self.0.retain(|entry| now - entry.touched <= LIFE);
        let at = self.0.iter().position(|entry| entry.whole == whole);
        let at = at.unwrap_or_else(|| {
            self.0.push(Entry {
                whole,
                passes: None,
                touched: now,
                units: None,
                seen: BTreeSet::new(),
                waiting: Vec::new(),
            });
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    /// A first fragment, which the rules let pass or not. Those that have waited for it.
    pub fn first(
        &mut self,
        whole: Whole,
        piece: Piece,
        passes: bool,
        now: u64,
    ) -> Result<Vec<Offered>, DropReason> {
        let entry = self.entry(whole, now);
        if passes {
            entry.cover(piece, now)?;
        }
        entry.passes = Some(passes);
        Ok(std::mem::take(&mut entry.waiting))
    }

    /// What becomes of a later one.
    pub fn later(&mut self, whole: Whole, piece: Piece, offered: &Offered, now: u64) -> Verdict {
        let entry = self.entry(whole, now);
        match entry.passes {
            Some(false) => Verdict::Drop(DropReason::FragmentUnknown),
            Some(true) => match entry.cover(piece, now) {
                Err(reason) => Verdict::Drop(reason),
                Ok(()) => {
                    let is_complete = |units| (0..units).all(|unit| entry.seen.contains(&unit));
                    if entry.units.is_some_and(is_complete) {
                        self.0.retain(|entry| entry.whole != whole);
                    }
                    Verdict::Pass(0)
                }
            },
            None if entry.waiting.len() == WAITING => Verdict::Drop(DropReason::FragmentUnknown),
            None => {
                entry.waiting.push(offered.clone());
                entry.touched = now;
                Verdict::Kept
            }
        }
    }
}

impl Entry {
    /// Takes note of a piece that may pass, unless its bytes have come before or it is none that a sender makes.
    fn cover(&mut self, piece: Piece, now: u64) -> Result<(), DropReason> {
        let end = (piece.start + piece.len).div_ceil(8);
        let units: Vec<usize> = (piece.start / 8..end).collect();
        let n_seen = units.iter().filter(|unit| self.seen.contains(unit)).count();
        let is_sound = piece.len > 0 && (piece.len.is_multiple_of(8) || !piece.more) && end <= 8192;
        let is_copy = n_seen == units.len() && (piece.more || self.units == Some(end));
        let fits = self.units.is_none_or(|all| piece.more && end <= all);
        if is_sound && n_seen == 0 && fits {
            self.seen.extend(units);
            self.touched = now;
            if !piece.more {
                self.units = Some(end);
            }
            return Ok(());
        }
        if !(is_sound && is_copy) {
            self.passes = Some(false);
        }
        Err(DropReason::FragmentOverlap)
    }
}
