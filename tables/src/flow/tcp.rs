//! TCP as someone on the way sees it (RFC 9293 section 3.3.2, RFC 5961), and which segments can belong to a connection.
//!
//! Of each direction is remembered how far it has sent, how far it has let the other send, its greatest window, and how far it has
//! acknowledged. A segment is genuine (Guido van Rooij: "Real Stateful TCP Packet Filtering in IP Filter", 2001) if
//!
//! ```text
//!   I    it begins within what the receiver has ever allowed      seq       ≤ limit(receiver) + 1
//!   II   it ends no farther back than the receiver's window       seq + len ≥ end(sender) − window(receiver)
//!   III  it acknowledges nothing that was not sent                ack       ≤ end(receiver)
//!   IV   nor something of long ago                                ack       ≥ end(receiver) − max(window(sender), 66000)
//! ```
//!
//! One more, because a byte is sent into a closed window to see whether it has opened (RFC 9293 section 3.8.6.1).
//!
//! Of a flow that another router has told of, these numbers are not known, as they change with every segment. The first segment of each
//! direction is believed then, and what the other side may have sent before is bounded by what this one has let it send ([`learn`]).
//!
//! A reset ends the flow only where its receiver would believe it too: between what the receiver has acknowledged and what was
//! sent. One elsewhere in the window goes by without effect, so that the challenge ACK of RFC 5961 can answer it. A SYN in
//! an open connection is answered likewise (section 4), so it passes, from the side that opened, and changes nothing.

use std::sync::atomic::{AtomicU32, Ordering};

use super::entry::{Step, Verdict};
use super::key::Direction;
use super::segment::Tcp;
use super::state::{State, Word};

/// The protocol's number.
pub(super) const PROTOCOL: u8 = 6;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
/// The flags that say what a segment is for.
const KIND: u8 = FIN | SYN | RST | ACK;

/// How old an acknowledgment may be at least: a window that is not scaled, and some.
const OLD_ACK: u32 = 66_000;
/// Bytes beyond the window that ask whether it has opened.
const PROBE: u32 = 1;
/// Data that a SYN may carry (RFC 7413), of which the answer may have taken any part.
const FAST_OPEN: u32 = 16_384;

/// What is remembered of one direction. All of it is written by packets of that direction, but at the handshake.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Side {
    /// The number behind the last one sent. SCTP: the tag that packets to this side have.
    pub end: AtomicU32,
    /// The greatest window announced, scaled; 0 before its SYN. SCTP: the tag of an INIT that was not answered by a cookie yet.
    pub window: AtomicU32,
    /// The number behind the last one that the other side may send.
    pub limit: AtomicU32,
    /// The greatest number acknowledged.
    pub acked: AtomicU32,
}

impl Side {
    pub fn set(&self, end: u32, window: u32, limit: u32, acked: u32) {
        self.end.store(end, Ordering::Relaxed);
        self.window.store(window, Ordering::Relaxed);
        self.limit.store(limit, Ordering::Relaxed);
        self.acked.store(acked, Ordering::Relaxed);
    }
}

/// Whether a number is at `other` or behind it, modulo 2^32 (RFC 9293 section 3.4).
#[inline(always)]
const fn at_least(number: u32, other: u32) -> bool {
    number.wrapping_sub(other) as i32 >= 0
}

/// Lets a number grow.
#[inline(always)]
fn grow(cell: &AtomicU32, number: u32) {
    if number.wrapping_sub(cell.load(Ordering::Relaxed)) as i32 > 0 {
        cell.store(number, Ordering::Relaxed);
    }
}

impl Tcp {
    #[inline(always)]
    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// A SYN that is no answer.
    #[inline(always)]
    const fn is_opening(&self) -> bool {
        self.flags & (SYN | ACK) == SYN
    }

    /// Whether a stack sends such flags (RFC 9293 section 3.10.7; others are probes).
    #[inline(always)]
    const fn is_sane(&self) -> bool {
        let kind = self.flags & KIND;
        matches!(kind, ACK | SYN)
            || kind == RST
            || kind == RST | ACK
            || kind == SYN | ACK
            || kind == FIN | ACK
    }

    /// The number behind its last one.
    #[inline(always)]
    const fn end(&self) -> u32 {
        let marks = self.has(SYN) as u32 + self.has(FIN) as u32;
        self.sequence.wrapping_add(self.data).wrapping_add(marks)
    }
}

/// The state that a first segment makes, if it may.
pub(super) fn open(opened: Direction, tcp: &Tcp, liberal: bool) -> Option<Word> {
    if !tcp.is_sane() {
        return None;
    }
    let word = Word::new(State::SynSent, opened);
    if tcp.is_opening() {
        return Some(word.offered(opened, tcp.scale));
    }
    // Picked up in mid-stream: its window scales are not known, so its windows cannot be checked.
    (liberal && !tcp.has(RST | SYN)).then(|| word.with(State::Established).freed())
}

/// Remembers the first segment.
pub(super) fn begin(sides: &[Side; 2], opened: Direction, tcp: &Tcp) {
    let [this, other] = pair(sides, opened);
    this.set(tcp.end(), u32::from(tcp.window).max(1), 0, 0);
    other.set(0, 0, 0, 0);
}

/// Remembers the first segment of the other side: now both know where the other begins.
fn meet(sides: &[Side; 2], direction: Direction, tcp: &Tcp) {
    let [this, other] = pair(sides, direction);
    let window = u32::from(tcp.window).max(1);
    let sent = other.end.load(Ordering::Relaxed);
    // Without ACK, which is both opening at once, the other's SYN is not known to have come.
    let (first, acked) = match tcp.has(ACK) {
        true => (tcp.acknowledgment, tcp.acknowledgment),
        false => (sent, sent.wrapping_sub(1)),
    };
    this.set(tcp.end(), window, first.wrapping_add(window), acked);
    let begun = tcp.sequence.wrapping_add(1);
    let opening = other.window.load(Ordering::Relaxed);
    other
        .limit
        .store(begun.wrapping_add(opening), Ordering::Relaxed);
    other.acked.store(tcp.sequence, Ordering::Relaxed);
}

#[inline(always)]
fn pair(sides: &[Side; 2], direction: Direction) -> [&Side; 2] {
    [
        &sides[direction as usize],
        &sides[direction.reverse() as usize],
    ]
}

/// What becomes of a segment, and of the flow.
#[inline(always)]
pub(super) fn step(
    word: Word,
    sides: &[Side; 2],
    direction: Direction,
    tcp: &Tcp,
    liberal: bool,
) -> Step {
    // Windows that were not followed cannot be checked later.
    let word = if liberal { word.freed() } else { word };
    match tcp.flags & KIND {
        ACK => segment(word, sides, direction, tcp),
        _ => mark(word, sides, direction, tcp),
    }
}

/// A segment that opens, closes or breaks.
#[inline(never)]
fn mark(word: Word, sides: &[Side; 2], direction: Direction, tcp: &Tcp) -> Step {
    match tcp.flags & (SYN | RST | ACK) {
        _ if !tcp.is_sane() => Step::invalid(word),
        ACK => segment(word, sides, direction, tcp),
        SYN => syn(word, sides, direction, tcp),
        kind if kind & RST != 0 => reset(word, sides, direction, tcp),
        _ => syn_ack(word, sides, direction, tcp),
    }
}

/// Whether a segment is genuine (I to IV above).
#[inline(always)]
fn is_genuine(sides: &[Side; 2], direction: Direction, tcp: &Tcp) -> bool {
    let [sender, receiver] = pair(sides, direction);
    let receiver_end = receiver.end.load(Ordering::Relaxed);
    let window = sender.window.load(Ordering::Relaxed).max(OLD_ACK);
    let ack = tcp.acknowledgment;
    is_in_window(sides, direction, tcp)
        & at_least(receiver_end, ack)
        & at_least(ack, receiver_end.wrapping_sub(window))
}

/// I and II. Nothing is, if one side's numbers are not known: an attempt that was refused.
#[inline(always)]
fn is_in_window(sides: &[Side; 2], direction: Direction, tcp: &Tcp) -> bool {
    let [sender, receiver] = pair(sides, direction);
    let limit = receiver.limit.load(Ordering::Relaxed).wrapping_add(PROBE);
    let window = receiver.window.load(Ordering::Relaxed);
    let end = sender.end.load(Ordering::Relaxed);
    let known = sender.window.load(Ordering::Relaxed) != 0 && window != 0;
    known & at_least(limit, tcp.sequence) & at_least(tcp.end(), end.wrapping_sub(window))
}

/// Follows a genuine segment.
#[inline(always)]
fn follow(word: Word, sides: &[Side; 2], direction: Direction, tcp: &Tcp) {
    let side = &sides[direction as usize];
    // The window of a SYN is never scaled (RFC 7323 section 2.2).
    let scale = if tcp.has(SYN) {
        0
    } else {
        word.scale(direction)
    };
    let window = u32::from(tcp.window) << scale;
    grow(&side.end, tcp.end());
    if window > side.window.load(Ordering::Relaxed) {
        side.window.store(window, Ordering::Relaxed);
    }
    grow(&side.limit, tcp.acknowledgment.wrapping_add(window));
    grow(&side.acked, tcp.acknowledgment);
}

/// A segment with ACK, maybe FIN, but neither SYN nor RST; or a SYN+ACK of a connection that is open.
#[inline(always)]
fn segment(word: Word, sides: &[Side; 2], direction: Direction, tcp: &Tcp) -> Step {
    if word.is(State::SynSent) {
        return early(word, direction, tcp);
    }
    if !word.is_free() {
        if !is_genuine(sides, direction, tcp) {
            return unknown(word, sides, direction, tcp);
        }
        follow(word, sides, direction, tcp);
    }
    if word.is(State::Established) && !tcp.has(FIN) {
        return Step::pass(word);
    }
    advance(word, direction, tcp)
}

/// A segment that does not fit what is known: which may be nothing yet.
#[inline(never)]
fn unknown(word: Word, sides: &[Side; 2], direction: Direction, tcp: &Tcp) -> Step {
    match word.learns().then(|| learn(word, sides, direction, tcp)) {
        None | Some(None) => Step::invalid(word),
        Some(Some(word)) if word.is(State::Established) && !tcp.has(FIN) => Step::pass(word),
        Some(Some(word)) => advance(word, direction, tcp),
    }
}

/// Takes the numbers of a direction from its segment. `None`: both are known by now.
fn learn(word: Word, sides: &[Side; 2], direction: Direction, tcp: &Tcp) -> Option<Word> {
    let [this, other] = pair(sides, direction);
    let scale = if tcp.has(SYN) {
        0
    } else {
        word.scale(direction)
    };
    let window = u32::from(tcp.window) << scale;
    // It may have allowed more before, and the other side have sent that.
    let limit = tcp.acknowledgment.wrapping_add(window + OLD_ACK);
    let knows = |side: &Side| side.window.load(Ordering::Relaxed) != 0;
    match (knows(this), knows(other)) {
        (true, true) => None,
        // Only the other's numbers say whether it fits.
        (true, false) => {
            follow(word, sides, direction, tcp);
            Some(word)
        }
        (false, is_known) => {
            this.set(tcp.end(), window + 2 * OLD_ACK, limit, tcp.acknowledgment);
            if !is_known {
                return Some(word);
            }
            // Each may have sent all that the other allowed, before anybody looked here; what is acknowledged of that is no news.
            grow(&this.end, other.limit.load(Ordering::Relaxed));
            grow(&other.end, limit);
            let greatest = other.window.load(Ordering::Relaxed);
            other
                .window
                .store(greatest + 2 * OLD_ACK, Ordering::Relaxed);
            Some(word.learned())
        }
    }
}

/// The steps of opening and closing.
#[inline(never)]
fn advance(word: Word, direction: Direction, tcp: &Tcp) -> Step {
    let mut next = word.acked(direction);
    if tcp.has(FIN) {
        next = next.fin(direction);
    }
    let fins = [direction, direction.reverse()].map(|d| next.has_fin(d));
    let state = match word.state() {
        // Kept as it is: whoever was reset says no more of importance.
        State::Closed => return Step::pass_untouched(word),
        State::SynReceived if !next.has_acked(direction.reverse()) => State::SynReceived,
        _ => match fins {
            [true, true] => State::TimeWait,
            [false, false] => State::Established,
            _ => State::Closing,
        },
    };
    Step::pass(next.with(state))
}

/// A segment with ACK before the SYN is answered: the other end may remember an older connection and says where that one is
/// (RFC 9293 section 3.5.1); whoever opens will reset that.
#[inline(never)]
fn early(word: Word, direction: Direction, tcp: &Tcp) -> Step {
    if word.is_free() {
        return Step::pass(word);
    }
    match direction != word.opened() && tcp.data == 0 && !tcp.has(FIN) {
        true => Step::pass_untouched(word),
        false => Step::invalid(word),
    }
}

/// A SYN without ACK.
fn syn(word: Word, sides: &[Side; 2], direction: Direction, tcp: &Tcp) -> Step {
    let opens = direction == word.opened();
    let is_repeated = || tcp.end() == sides[direction as usize].end.load(Ordering::Relaxed);
    match word.state() {
        // Sent once more, or another attempt.
        State::SynSent if opens => {
            begin(sides, direction, tcp);
            Step::pass(word.offered(direction, tcp.scale))
        }
        // Both open at once (RFC 9293 section 3.5).
        State::SynSent => {
            meet(sides, direction, tcp);
            let word = word.offered(direction, tcp.scale).agreed();
            Step::pass(word.with(State::SynReceived))
        }
        // A late copy of the one that began it: the other end answers that by where it is, and nothing begins anew.
        State::TimeWait if opens && is_late(word, &sides[direction as usize], tcp) => {
            Step::pass_untouched(word)
        }
        State::Closed | State::TimeWait if opens => {
            begin(sides, direction, tcp);
            let again = word.again(State::SynSent);
            let again = if word.is_free() { again.freed() } else { again };
            Step::pass(again.offered(direction, tcp.scale))
        }
        State::Closed | State::TimeWait => Step::of(Verdict::Over, word),
        _ if opens || is_repeated() => Step::pass_untouched(word),
        _ => Step::invalid(word),
    }
}

/// Whether a SYN has a number that its sender has used already: who begins anew takes a greater one (RFC 9293 section 3.4.1).
/// One far away is new all the same: not everybody does.
fn is_late(word: Word, sender: &Side, tcp: &Tcp) -> bool {
    let end = sender.end.load(Ordering::Relaxed);
    let back = end.wrapping_sub(tcp.sequence);
    !word.is_free() && !word.learns() && (1..=OLD_ACK).contains(&back)
}

/// A SYN with ACK.
fn syn_ack(word: Word, sides: &[Side; 2], direction: Direction, tcp: &Tcp) -> Step {
    if word.state() != State::SynSent {
        return segment(word, sides, direction, tcp);
    }
    let sent = sides[direction.reverse() as usize]
        .end
        .load(Ordering::Relaxed);
    let answers = at_least(sent, tcp.acknowledgment)
        && at_least(tcp.acknowledgment, sent.wrapping_sub(FAST_OPEN));
    if direction == word.opened() || !(answers || word.is_free()) {
        return Step::invalid(word);
    }
    meet(sides, direction, tcp);
    let word = word.offered(direction, tcp.scale).agreed();
    Step::pass(word.acked(direction).with(State::SynReceived))
}

/// A segment with RST.
fn reset(word: Word, sides: &[Side; 2], direction: Direction, tcp: &Tcp) -> Step {
    let closed = Step::pass(word.with(State::Closed));
    let untouched = Step::pass_untouched(word);
    let [sender, receiver] = pair(sides, direction).map(|side| side.end.load(Ordering::Relaxed));
    match word.state() {
        State::Closed if word.is_free() => untouched,
        _ if word.is_free() => closed,
        // Of the attempt, or of an older connection that the other end still has.
        State::SynSent if direction == word.opened() => match tcp.sequence == sender {
            true => closed,
            false => untouched,
        },
        State::SynSent => {
            let answers = at_least(receiver, tcp.acknowledgment)
                && at_least(tcp.acknowledgment, receiver.wrapping_sub(FAST_OPEN));
            match tcp.has(ACK) && answers {
                true => closed,
                false => Step::invalid(word),
            }
        }
        // Nobody can tell whether its receiver believes it.
        _ if word.learns() => untouched,
        _ if !is_in_window(sides, direction, tcp) => Step::invalid(word),
        State::Closed => untouched,
        _ => {
            let acked = sides[direction.reverse() as usize]
                .acked
                .load(Ordering::Relaxed);
            let believed = at_least(tcp.sequence, acked) && at_least(sender, tcp.sequence);
            if believed { closed } else { untouched }
        }
    }
}

/// Whether the other side, or someone on the way, can have been told of a segment of this direction: it was sent, and not
/// acknowledged yet (RFC 5927 section 4.1).
pub(super) fn is_in_flight(
    word: Word,
    sides: &[Side; 2],
    direction: Direction,
    sequence: u32,
) -> bool {
    if word.is_free() || word.learns() {
        return true;
    }
    let [sender, receiver] = pair(sides, direction);
    let end = sender.end.load(Ordering::Relaxed);
    let from = match word.state() {
        State::SynSent => end.wrapping_sub(FAST_OPEN),
        _ => receiver.acked.load(Ordering::Relaxed),
    };
    at_least(sequence, from) && at_least(end, sequence)
}
