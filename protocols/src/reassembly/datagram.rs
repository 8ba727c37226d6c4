//! The pieces of one datagram.

use std::collections::BTreeMap;

use super::packet::{self, Piece};

/// Pieces of a datagram at most: enough for 64 KiB in pieces of 576 octets.
pub(super) const MAX_PIECES: usize = 128;
/// What a piece costs beside its octets.
const PIECE_COST: usize = 64;

/// What a new piece did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// Some are still missing.
    Waiting,
    /// It was the last one missing: the whole packet.
    Whole(Vec<u8>),
    /// It was there already, exactly alike.
    Duplicate,
    /// It overlaps another, or lies beyond the end that another set.
    Overlap,
    /// One too many.
    TooMany,
    /// The whole packet would be too long.
    TooLong,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Datagram {
    /// By where they start; they never overlap.
    pieces: BTreeMap<usize, Box<[u8]>>,
    /// Headers of the first piece, once it came.
    head: Option<Box<[u8]>>,
    /// Length, once the last piece came.
    total: Option<usize>,
    octets: usize,
}

impl Datagram {
    /// Octets of memory that it takes.
    pub(super) fn size(&self) -> usize {
        self.octets + self.pieces.len() * PIECE_COST
    }

    /// The first piece as it came, if it came: what an error quotes.
    pub(super) fn first(&self) -> Option<Vec<u8>> {
        let data = self.pieces.get(&0)?;
        Some([self.head.as_deref()?, data].concat())
    }

    /// Adds a piece. After `Overlap`, `TooMany` and `TooLong` the datagram is to be discarded.
    pub(super) fn add(&mut self, piece: &Piece<'_>) -> Added {
        let end = piece.start + piece.data.len();
        if self.has(piece, end) {
            return Added::Duplicate;
        }
        if self.overlaps(piece, end) {
            return Added::Overlap;
        }
        if self.pieces.len() == MAX_PIECES {
            return Added::TooMany;
        }
        if piece.head.len() + end > usize::from(u16::MAX) + super::packet::FRAGMENT_HEADER + 40 {
            return Added::TooLong;
        }
        if piece.start == 0 {
            self.head = Some(piece.head.into());
        }
        if !piece.more {
            self.total = Some(end);
        }
        self.octets += piece.data.len();
        self.pieces.insert(piece.start, piece.data.into());
        // Pieces neither overlap nor pass the end: as many octets as there must be are all of them.
        match (self.total, &self.head) {
            (Some(total), Some(head)) if total == self.octets => {
                let data = self.pieces.values().flatten().copied();
                packet::whole(head, data).map_or(Added::TooLong, Added::Whole)
            }
            _ => Added::Waiting,
        }
    }

    fn has(&self, piece: &Piece<'_>, end: usize) -> bool {
        let same = self.pieces.get(&piece.start);
        same.is_some_and(|data| **data == *piece.data) && piece.more == (self.total != Some(end))
    }

    fn overlaps(&self, piece: &Piece<'_>, end: usize) -> bool {
        let before = self.pieces.range(..=piece.start).next_back();
        let before = before.map_or(0, |(start, data)| start + data.len());
        let after = self.pieces.range(piece.start..).next();
        let farthest = self.pieces.last_key_value();
        let farthest = farthest.map_or(0, |(start, data)| start + data.len());
        before > piece.start
            || after.is_some_and(|(start, _)| *start < end)
            || self.total.is_some_and(|total| end > total || !piece.more)
            || (!piece.more && farthest > end)
    }
}
