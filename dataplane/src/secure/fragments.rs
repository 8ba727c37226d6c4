//! Virtual reassembly: the verdict on a packet's first fragment is the verdict on all of it.
//!
//! A later fragment has no ports; it passes if the first one has passed, and waits, a short time and among few, if the first one has
//! not come yet. No byte of a packet passes twice: a fragment that overlaps another one spoils its packet (RFC 5722; RFC 1858 for IPv4),
//! an exact repetition is dropped alone. Atomic fragments never come here (RFC 6946).
//!
//! ```text
//!   (anchor, direction) ──► one of the sets ──► ways: one packet each, with a bit for every 8 bytes that were seen
//! ```
//!
//! All memory is taken at the start. A set is chosen by anchor and direction alone, and within it the oldest packet yields: who sends
//! fragments without end pushes out its own. The table is generic over the packet so that it can be tested without an mbuf.

use tables::id::AnchorId;

use super::upper::Piece;
use crate::denied::Direction;
use crate::drop::DropReason;

/// Sets of a worker's table ...
const SETS: usize = 64;
/// ... and packets of each.
const WAYS: usize = 32;
/// Fragments of one packet that wait for the first one.
const WAITING: usize = 8;
/// Fragments of all packets of a set that wait.
const WAITING_IN_SET: usize = 32;
/// A packet is forgotten so long after its latest fragment, milliseconds. Hosts give up after 60 s (RFC 8200 section 4.5), but a path
/// that takes seconds between two fragments delivers none.
const LIFE: u64 = 5_000;
/// Bytes that a bit stands for.
const UNIT: usize = 8;

/// Which packet a fragment is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Whose it is.
    pub anchor: AnchorId,
    /// Which way it goes.
    pub direction: Direction,
    /// Source address.
    pub source: u128,
    /// Destination address.
    pub destination: u128,
    /// Identification.
    pub id: u32,
    /// Protocol; 0 for IPv6, whose later fragments may name another one than the first.
    pub protocol: u8,
}

/// What becomes of a later fragment.
#[derive(Debug, PartialEq, Eq)]
pub enum Later<T> {
    /// It passes.
    Pass,
    /// It was kept: the first one has not come yet.
    Kept,
    /// It does not pass: here it is back.
    Drop(T, DropReason),
}

/// Why a fragment waits no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The first one has come: offered again, it shares its verdict.
    Waited,
    /// It had to yield.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The first fragment has not come.
    Unknown,
    Pass,
    Drop,
}

struct Entry<T> {
    whole: Whole,
    verdict: Verdict,
    /// When its latest fragment came, milliseconds. 0: nothing is here.
    touched: u64,
    /// Units of the packet, once the last fragment has said how many there are.
    units: Option<u16>,
    seen: Box<Seen>,
    waiting: [Option<T>; WAITING],
}

/// Which units of a packet have been seen.
struct Seen([u64; Seen::UNITS / 64]);

impl Seen {
    const UNITS: usize = 0x1_0000 / UNIT;

    /// What of `units` was seen: all, or some.
    fn overlap(&self, units: std::ops::Range<usize>) -> (bool, bool) {
        let mut bits = units.map(|unit| self.0[unit / 64] >> (unit % 64) & 1 != 0);
        let first = bits.next().unwrap_or(false);
        let same = bits.all(|bit| bit == first);
        (first && same, first || !same)
    }

    fn mark(&mut self, units: std::ops::Range<usize>) {
        for unit in units {
            self.0[unit / 64] |= 1 << (unit % 64);
        }
    }

    fn all(&self, n: usize) -> bool {
        (0..n / 64).all(|word| self.0[word] == u64::MAX)
            && (n.is_multiple_of(64) || self.0[n / 64] | u64::MAX << (n % 64) == u64::MAX)
    }
}

/// The fragments of one worker.
pub struct Fragments<T> {
    entries: Box<[Entry<T>]>,
    seed: u64,
    waiting: usize,
    in_set: [u8; SETS],
    /// Where the search for what has waited too long goes on.
    hand: usize,
}

impl<T> Fragments<T> {
    /// An empty table. `seed` keeps senders from choosing whose set they share.
    pub fn new(seed: u64) -> Self {
        let entry = || Entry {
            whole: Whole {
                anchor: AnchorId(0),
                direction: Direction::Egress,
                source: 0,
                destination: 0,
                id: 0,
                protocol: 0,
            },
            verdict: Verdict::Unknown,
            touched: 0,
            units: None,
            seen: Box::new(Seen([0; Seen::UNITS / 64])),
            waiting: std::array::from_fn(|_| None),
        };
        Self {
            entries: std::iter::repeat_with(entry).take(SETS * WAYS).collect(),
            seed: seed | 1,
            waiting: 0,
            in_set: [0; SETS],
            hand: 0,
        }
    }

    /// How many fragments wait.
    pub fn held(&self) -> usize {
        self.waiting
    }

    fn set(&self, whole: &Whole) -> usize {
        let number =
            u64::from(whole.anchor.0) << 1 | u64::from(whole.direction == Direction::Egress);
        ((number + 1).wrapping_mul(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 58) as usize
            % SETS
    }

    /// The packet's entry, a new one if it has none. What waited in the one that yielded goes to `lost`.
    fn entry(&mut self, whole: &Whole, now: u64, lost: &mut impl FnMut(T)) -> usize {
        let set = self.set(whole);
        let ways = set * WAYS..(set + 1) * WAYS;
        let known = |entry: &Entry<T>| {
            entry.touched != 0 && entry.whole == *whole && now.saturating_sub(entry.touched) <= LIFE
        };
        if let Some(way) = ways.clone().find(|&way| known(&self.entries[way])) {
            return way;
        }
        let oldest = ways
            .min_by_key(|&way| self.entries[way].touched)
            .unwrap_or(set * WAYS);
        self.clear(oldest, lost);
        let entry = &mut self.entries[oldest];
        entry.whole = *whole;
        entry.touched = now.max(1);
        oldest
    }

    fn clear(&mut self, at: usize, lost: &mut impl FnMut(T)) {
        let entry = &mut self.entries[at];
        for waiting in entry.waiting.iter_mut().filter_map(Option::take) {
            self.waiting -= 1;
            self.in_set[at / WAYS] -= 1;
            lost(waiting);
        }
        entry.verdict = Verdict::Unknown;
        entry.touched = 0;
        entry.units = None;
        entry.seen.0.fill(0);
    }

    /// Takes note of a first fragment, whose verdict is known. Those that wait no longer go to `out`.
    /// An error: that it does not pass after all. `now` in milliseconds.
    pub fn first(
        &mut self,
        whole: &Whole,
        piece: Piece,
        pass: bool,
        now: u64,
        mut out: impl FnMut(T, Fate),
    ) -> Result<(), DropReason> {
        let at = self.entry(whole, now, &mut |lost| out(lost, Fate::Lost));
        let entry = &mut self.entries[at];
        if !pass {
            entry.verdict = Verdict::Drop;
        } else {
            cover(entry, piece, now)?;
            entry.verdict = Verdict::Pass;
        }
        for waiting in entry.waiting.iter_mut().filter_map(Option::take) {
            self.waiting -= 1;
            self.in_set[at / WAYS] -= 1;
            out(waiting, Fate::Waited);
        }
        Ok(())
    }

    /// What becomes of a later fragment.
    pub fn later(
        &mut self,
        whole: &Whole,
        piece: Piece,
        packet: T,
        now: u64,
        mut lost: impl FnMut(T),
    ) -> Later<T> {
        let at = self.entry(whole, now, &mut lost);
        let entry = &mut self.entries[at];
        match entry.verdict {
            Verdict::Drop => Later::Drop(packet, DropReason::FragmentUnknown),
            Verdict::Pass => match cover(entry, piece, now) {
                Ok(complete) => {
                    if complete {
                        self.clear(at, &mut lost);
                    }
                    Later::Pass
                }
                Err(reason) => Later::Drop(packet, reason),
            },
            Verdict::Unknown => {
                let in_set = &mut self.in_set[at / WAYS];
                let room = entry.waiting.iter_mut().find(|place| place.is_none());
                match room.filter(|_| usize::from(*in_set) < WAITING_IN_SET) {
                    Some(place) => {
                        *place = Some(packet);
                        *in_set += 1;
                        self.waiting += 1;
                        entry.touched = now.max(1);
                        Later::Kept
                    }
                    None => Later::Drop(packet, DropReason::FragmentUnknown),
                }
            }
        }
    }

    /// Gives up packets whose fragments have waited too long, some at a time: called once a round.
    pub fn expire(&mut self, now: u64, mut lost: impl FnMut(T)) {
        if self.waiting == 0 {
            return;
        }
        for _ in 0..WAYS {
            self.hand = (self.hand + 1) % self.entries.len();
            let entry = &self.entries[self.hand];
            if entry.touched != 0 && LIFE < now.saturating_sub(entry.touched) {
                self.clear(self.hand, &mut lost);
            }
        }
    }

    /// Gives up everything.
    pub fn close(&mut self, mut lost: impl FnMut(T)) {
        for at in 0..self.entries.len() {
            self.clear(at, &mut lost);
        }
    }
}

/// Notes that a piece has come. Whether its packet is complete now.
fn cover<T>(entry: &mut Entry<T>, piece: Piece, now: u64) -> Result<bool, DropReason> {
    let (start, len) = (usize::from(piece.start), usize::from(piece.len));
    let units = start / UNIT..(start + len).div_ceil(UNIT);
    if len == 0 || piece.more && !len.is_multiple_of(UNIT) || Seen::UNITS < units.end {
        entry.verdict = Verdict::Drop;
        return Err(DropReason::FragmentOverlap);
    }
    let beyond = entry
        .units
        .is_some_and(|all| usize::from(all) < units.end || !piece.more);
    let (all, some) = entry.seen.overlap(units.clone());
    if all && (piece.more || entry.units == Some(units.end as u16)) {
        // Sent twice, or copied on the way: the packet is as good as before.
        return Err(DropReason::FragmentOverlap);
    }
    if some || beyond {
        entry.verdict = Verdict::Drop;
        return Err(DropReason::FragmentOverlap);
    }
    entry.seen.mark(units.clone());
    entry.touched = now.max(1);
    if !piece.more {
        entry.units = Some(units.end as u16);
    }
    Ok(entry.units.is_some_and(|all| entry.seen.all(all.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(id: u32) -> Whole {
        Whole {
            anchor: AnchorId(1),
            direction: Direction::Egress,
            source: 1,
            destination: 2,
            id,
            protocol: 0,
        }
    }

    fn piece(start: u16, len: u16, more: bool) -> Piece {
        Piece {
            id: 7,
            start,
            len,
            more,
        }
    }

    fn no(_: u32) {
        panic!("nothing waits")
    }

    fn none(_: u32, _: Fate) {
        panic!("nothing waits")
    }

    #[test]
    fn later_fragments_share_the_verdict_of_the_first() {
        let mut table = Fragments::new(1);
        assert_eq!(
            table.first(&whole(7), piece(0, 1024, true), true, 10, none),
            Ok(())
        );
        assert_eq!(
            table.later(&whole(7), piece(1024, 1024, true), 1, 11, no),
            Later::Pass
        );
        let other = Later::Drop(2, DropReason::FragmentUnknown);
        assert_eq!(
            table.first(&whole(8), piece(0, 1024, true), false, 10, none),
            Ok(())
        );
        assert_eq!(
            table.later(&whole(8), piece(1024, 8, false), 2, 11, no),
            other
        );
        // Complete: what comes of it again has no first fragment.
        assert_eq!(
            table.later(&whole(7), piece(2048, 3, false), 3, 12, no),
            Later::Pass
        );
        assert_eq!(
            table.later(&whole(7), piece(1024, 1024, true), 4, 13, no),
            Later::Kept
        );
        assert_eq!(table.held(), 1);
    }

    #[test]
    fn early_fragments_wait_for_the_first_and_for_no_longer_than_that() {
        let mut table = Fragments::new(1);
        for n in 0..WAITING as u32 {
            let piece = piece(1024 + 8 * n as u16, 8, true);
            assert_eq!(table.later(&whole(7), piece, n, 10, no), Later::Kept);
        }
        let full = Later::Drop(99, DropReason::FragmentUnknown);
        assert_eq!(
            table.later(&whole(7), piece(4096, 8, true), 99, 10, no),
            full
        );
        let mut waited = Vec::new();
        let first = table.first(&whole(7), piece(0, 1024, true), true, 11, |n, fate| {
            waited.push((n, fate))
        });
        assert_eq!((first, waited.len(), table.held()), (Ok(()), WAITING, 0));
        assert!(waited.iter().all(|(_, fate)| *fate == Fate::Waited));
        assert_eq!(
            table.later(&whole(9), piece(8, 8, true), 5, 20, no),
            Later::Kept
        );
        let mut lost = Vec::new();
        for _ in 0..SETS {
            table.expire(20 + LIFE, |n| lost.push(n));
        }
        assert!(lost.is_empty(), "it may wait so long");
        for _ in 0..SETS {
            table.expire(21 + LIFE, |n| lost.push(n));
        }
        assert_eq!((lost, table.held()), (vec![5], 0));
    }

    #[test]
    fn what_overlaps_spoils_the_packet_and_what_repeats_does_not() {
        let mut table = Fragments::new(1);
        let overlap = |n| Later::Drop(n, DropReason::FragmentOverlap);
        table
            .first(&whole(7), piece(0, 1024, true), true, 1, none)
            .unwrap();
        assert_eq!(
            table.later(&whole(7), piece(1024, 512, true), 1, 2, no),
            Later::Pass
        );
        assert_eq!(
            table.later(&whole(7), piece(1024, 512, true), 2, 3, no),
            overlap(2)
        );
        assert_eq!(
            table.later(&whole(7), piece(1536, 512, true), 3, 4, no),
            Later::Pass
        );
        assert_eq!(
            table.later(&whole(7), piece(2040, 512, true), 4, 5, no),
            overlap(4)
        );
        let spoiled = Later::Drop(5, DropReason::FragmentUnknown);
        assert_eq!(
            table.later(&whole(7), piece(2552, 512, true), 5, 6, no),
            spoiled
        );
        // Over the upper-layer header of the first one (RFC 1858), and beyond the end.
        table
            .first(&whole(8), piece(0, 24, true), true, 1, none)
            .unwrap();
        assert_eq!(
            table.later(&whole(8), piece(8, 16, true), 6, 2, no),
            Later::Drop(6, DropReason::FragmentOverlap)
        );
        table
            .first(&whole(9), piece(0, 24, true), true, 1, none)
            .unwrap();
        assert_eq!(
            table.later(&whole(9), piece(32, 7, false), 7, 2, no),
            Later::Pass
        );
        assert_eq!(
            table.later(&whole(9), piece(40, 8, true), 8, 2, no),
            overlap(8)
        );
        let uneven = table.first(&whole(10), piece(0, 23, true), true, 1, none);
        assert_eq!(uneven, Err(DropReason::FragmentOverlap));
    }

    #[test]
    fn a_flood_of_one_port_pushes_out_its_own() {
        let mut table = Fragments::new(1);
        let other = Whole {
            anchor: AnchorId(2),
            ..whole(7)
        };
        assert_ne!(table.set(&other), table.set(&whole(7)));
        table
            .first(&other, piece(0, 1024, true), true, 1, none)
            .unwrap();
        let mut lost = 0;
        for id in 0..1000 {
            table.later(&whole(id), piece(1024, 8, true), id, 2, |_| lost += 1);
        }
        assert!(table.held() <= WAITING_IN_SET && 0 < lost);
        assert_eq!(
            table.later(&other, piece(1024, 8, false), 1, 3, no),
            Later::Pass
        );
    }
}
