//! SCTP as someone on the way sees it (RFC 9260), coarsely: who has told which tag, and whether packets have it.
//!
//! A side tells its tag in the INIT or INIT ACK that it sends; all packets *to* it have that tag (section 8.5). An INIT in an
//! association is a restart (section 5.2): its tags wait until a cookie is echoed to the one that was answered last.

use std::sync::atomic::Ordering;

use super::entry::{Step, Verdict};
use super::key::Direction;
use super::segment::Sctp;
use super::state::{State, Word};
use super::tcp::Side;

/// The protocol's number.
pub(super) const PROTOCOL: u8 = 132;

const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const SHUTDOWN_COMPLETE: u8 = 14;
/// The tag is the sender's own, for want of another (section 8.5.1).
const T: u8 = 1;

/// The state that a first packet makes, if it may.
pub(super) fn open(opened: Direction, sctp: &Sctp, liberal: bool) -> Option<Word> {
    if sctp.chunk == INIT && sctp.tag == 0 && sctp.initiate_tag != 0 {
        return Some(Word::new(State::Init, opened));
    }
    let picks_up = liberal && !matches!(sctp.chunk, INIT | ABORT | SHUTDOWN_COMPLETE);
    picks_up.then(|| Word::new(State::Associated, opened).freed())
}

/// Remembers the first packet.
pub(super) fn begin(sides: &[Side; 2], opened: Direction, sctp: &Sctp) {
    sides[opened as usize].set(sctp.initiate_tag, sctp.initiate_tag, 0, 0);
    sides[opened.reverse() as usize].set(0, 0, 0, 0);
}

/// What becomes of a packet, and of the flow.
#[inline(never)]
pub(super) fn step(
    word: Word,
    sides: &[Side; 2],
    direction: Direction,
    sctp: &Sctp,
    liberal: bool,
) -> Step {
    let word = if liberal { word.freed() } else { word };
    let (this, other) = (
        &sides[direction as usize],
        &sides[direction.reverse() as usize],
    );
    let (own, tag) = (
        this.end.load(Ordering::Relaxed),
        other.end.load(Ordering::Relaxed),
    );
    let waiting = other.window.load(Ordering::Relaxed);
    let has = |tag: u32| word.is_free() || tag != 0 && sctp.tag == tag;
    let reflects = sctp.flags & T != 0 && has(own);
    let pass = |state| Step::pass(word.with(state));
    match sctp.chunk {
        INIT => init(word, sides, direction, sctp),
        // Only now does whoever opens learn the other's tag.
        INIT_ACK if has(waiting) && sctp.initiate_tag != 0 => {
            this.window.store(sctp.initiate_tag, Ordering::Relaxed);
            if word.state() != State::Init {
                return Step::pass_untouched(word);
            }
            this.end.store(sctp.initiate_tag, Ordering::Relaxed);
            pass(State::Cookie)
        }
        COOKIE_ECHO if has(waiting) || has(tag) => {
            if has(waiting) && !word.is_free() {
                other.end.store(waiting, Ordering::Relaxed);
                let own = this.window.load(Ordering::Relaxed);
                this.end.store(own, Ordering::Relaxed);
            }
            match word.state() {
                State::Associated => Step::pass(word),
                _ => pass(State::Cookie),
            }
        }
        COOKIE_ACK if has(tag) => match word.state() {
            State::Init | State::Cookie => pass(State::Associated),
            _ => Step::pass(word),
        },
        ABORT if has(tag) || reflects => pass(State::Closed),
        SHUTDOWN_COMPLETE if has(tag) || reflects => match word.state() {
            State::Shutdown => pass(State::Closed),
            _ => Step::pass_untouched(word),
        },
        SHUTDOWN | SHUTDOWN_ACK if has(tag) => match word.state() {
            State::Associated => pass(State::Shutdown),
            _ => Step::pass(word),
        },
        INIT_ACK | COOKIE_ECHO => Step::invalid(word),
        _ if has(tag) => match word.state() {
            State::Closed => Step::pass_untouched(word),
            _ => Step::pass(word),
        },
        _ => Step::invalid(word),
    }
}

/// An INIT: again, from both sides at once, or a restart.
fn init(word: Word, sides: &[Side; 2], direction: Direction, sctp: &Sctp) -> Step {
    if sctp.tag != 0 || sctp.initiate_tag == 0 {
        return Step::invalid(word);
    }
    let side = &sides[direction as usize];
    match (word.state(), direction == word.opened()) {
        (State::Closed, true) => {
            begin(sides, direction, sctp);
            Step::pass(word.again(State::Init))
        }
        (State::Closed, false) => Step::of(Verdict::Over, word),
        (State::Init, _) => {
            side.set(sctp.initiate_tag, sctp.initiate_tag, 0, 0);
            Step::pass(word)
        }
        (_, true) => {
            side.window.store(sctp.initiate_tag, Ordering::Relaxed);
            Step::pass_untouched(word)
        }
        (_, false) => Step::invalid(word),
    }
}
