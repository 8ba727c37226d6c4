//! One flow: two cache lines of words that all workers read and store.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::key::{Direction, FlowKey, Words};
use super::segment::{Segment, Upper};
use super::state::{Progress, State, Word};
use super::tcp::Side;
use super::timeouts::{ICMP, ICMPV6, is_udp};
use super::{sctp, tcp};
use crate::id::RuleId;

/// The generation of no rules: the flow is another router's, and no rule of this one has allowed it yet.
pub const FOREIGN: u32 = 0;

/// Seconds after which two UDP ends that both send are taken for a stream.
const STREAM_AFTER: u32 = 2;

/// A flow. Whoever holds a reference holds the flow that was found, or one that has died since.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Flow {
    key: [AtomicU64; 5],
    /// Generation and rule.
    stamp: AtomicU64,
    /// State and life; see [`Word`].
    pub(super) word: AtomicU64,
    /// When a packet last passed, seconds of the workers' clock.
    seen: AtomicU32,
    created: AtomicU32,
    sides: [Side; 2],
    packets: [AtomicU64; 2],
    bytes: [AtomicU64; 2],
}

const _: () = assert!(size_of::<Flow>() == 128);

/// What becomes of a packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass.
    Pass,
    /// It cannot belong to the flow as its state is. The flow has not changed.
    Invalid,
    /// The flow is over and the packet begins another one, from the other side; or somebody has just removed the flow. Remove it
    /// ([`Flows::remove`]), ask the rules, and insert another.
    ///
    /// [`Flows::remove`]: super::Flows::remove
    Over,
}

/// What has become of a step to another state.
struct Changed {
    verdict: Verdict,
    /// Whether another router is told.
    tells: bool,
}

/// What a state machine says of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub verdict: Verdict,
    /// The state then.
    pub word: Word,
    /// Whether the flow was used.
    pub touches: bool,
}

impl Step {
    #[inline(always)]
    pub const fn pass(word: Word) -> Self {
        Self {
            verdict: Verdict::Pass,
            word,
            touches: true,
        }
    }

    /// A packet that passes, but does not keep the flow alive.
    pub const fn pass_untouched(word: Word) -> Self {
        Self {
            verdict: Verdict::Pass,
            word,
            touches: false,
        }
    }

    pub const fn invalid(word: Word) -> Self {
        Self::of(Verdict::Invalid, word)
    }

    pub const fn of(verdict: Verdict, word: Word) -> Self {
        Self {
            verdict,
            word,
            touches: false,
        }
    }
}

/// What is remembered of a flow of another router's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resumed {
    /// As [`Flow::tags`]; of other protocols 0, which TCP takes for not known.
    pub tags: [[u32; 2]; 2],
    pub seen: u32,
    pub created: u32,
}

/// The state that a first packet makes; `None` if it cannot be the first.
pub(super) fn open(protocol: u8, opened: Direction, segment: &Segment) -> Option<Word> {
    match (protocol, &segment.upper) {
        (tcp::PROTOCOL, Upper::Tcp(tcp)) => tcp::open(opened, tcp, segment.liberal),
        (sctp::PROTOCOL, Upper::Sctp(sctp)) => sctp::open(opened, sctp, segment.liberal),
        (tcp::PROTOCOL | sctp::PROTOCOL, _) => None,
        (ICMP | ICMPV6, Upper::Query { is_request: false }) => None,
        _ => Some(Word::new(State::Unreplied, opened)),
    }
}

impl Flow {
    /// Makes a dead entry a flow. It is found once a slot names it.
    pub(super) fn fill(&self, key: Words, word: Word, stamp: u64, segment: &Segment, now: u32) {
        // Whoever reads any of what follows, and knew the old flow, sees that it is dead.
        fence(Ordering::Release);
        for (cell, word) in self.key.iter().zip(key) {
            cell.store(word, Ordering::Relaxed);
        }
        self.stamp.store(stamp, Ordering::Relaxed);
        self.seen.store(now, Ordering::Relaxed);
        self.created.store(now, Ordering::Relaxed);
        let opened = word.opened();
        match &segment.upper {
            Upper::Tcp(tcp) => tcp::begin(&self.sides, opened, tcp),
            Upper::Sctp(sctp) => sctp::begin(&self.sides, opened, sctp),
            Upper::Query { .. } | Upper::Other => {}
        }
        for direction in 0..2 {
            let (packets, bytes) = match direction == opened as usize {
                true => (1, u64::from(segment.bytes)),
                false => (0, 0),
            };
            self.packets[direction].store(packets, Ordering::Relaxed);
            self.bytes[direction].store(bytes, Ordering::Relaxed);
        }
        self.word.store(word.0, Ordering::Release);
    }

    /// Makes a dead entry a flow of another router's. It is found once a slot names it.
    pub(super) fn restore(&self, key: Words, word: Word, resumed: &Resumed) {
        fence(Ordering::Release);
        for (cell, word) in self.key.iter().zip(key) {
            cell.store(word, Ordering::Relaxed);
        }
        self.remember(resumed);
        for cell in self.packets.iter().chain(&self.bytes) {
            cell.store(0, Ordering::Relaxed);
        }
        self.word.store(word.0, Ordering::Release);
    }

    /// Makes a flow what another router says that it is. False if it has died, or cannot be so.
    pub(super) fn resume(&self, protocol: u8, progress: Progress, resumed: &Resumed) -> bool {
        let next = |word| {
            let word = Word(word);
            let next = word.resumed(protocol, progress)?;
            word.is_live().then_some(next.0)
        };
        let changed = self
            .word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        if changed.is_ok() {
            self.remember(resumed);
        }
        changed.is_ok()
    }

    fn remember(&self, resumed: &Resumed) {
        self.stamp
            .store(stamp(FOREIGN, RuleId(0)), Ordering::Relaxed);
        self.seen.store(resumed.seen, Ordering::Relaxed);
        self.created.store(resumed.created, Ordering::Relaxed);
        for (side, [tag, waiting]) in self.sides.iter().zip(resumed.tags) {
            side.set(tag, waiting, 0, 0);
        }
    }

    /// SCTP: the tag of each side, and that of an INIT that waits.
    pub(super) fn tags(&self) -> [[u32; 2]; 2] {
        [0, 1].map(|at| {
            let Side { end, window, .. } = &self.sides[at];
            [end, window].map(|cell| cell.load(Ordering::Relaxed))
        })
    }

    /// It counts as used now.
    pub(super) fn touch(&self, now: u32) {
        self.seen.store(now, Ordering::Relaxed);
    }

    /// Takes the life. Whether it had one.
    pub(super) fn kill(&self) -> bool {
        Word(self.word.swap(Word::DEAD.0, Ordering::AcqRel)).is_live()
    }

    /// Whether it lives and has this key.
    #[inline(always)]
    pub(super) fn is(&self, key: &Words) -> bool {
        let live = self.word().is_live();
        let differs = self.key.iter().zip(key);
        let differs = differs.fold(0, |bits, (cell, word)| {
            bits | (cell.load(Ordering::Relaxed) ^ word)
        });
        live & (differs == 0)
    }

    #[inline(always)]
    pub(super) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// What it is known by.
    pub fn key(&self) -> FlowKey {
        FlowKey::from_words(std::array::from_fn(|n| self.key[n].load(Ordering::Relaxed)))
    }

    /// Under which generation of its anchor's rules it was last allowed.
    #[inline(always)]
    pub fn generation(&self) -> u32 {
        (self.stamp.load(Ordering::Relaxed) >> 32) as u32
    }

    /// The rule that has allowed it.
    #[inline(always)]
    pub fn rule(&self) -> RuleId {
        RuleId(self.stamp.load(Ordering::Relaxed) as u32)
    }

    /// The direction of its first packet: the rules of that one are asked about it.
    #[inline(always)]
    pub fn opened(&self) -> Direction {
        self.word().opened()
    }

    /// What rules were asked for as the port, by its first packet.
    #[inline(always)]
    pub fn asked(&self) -> u16 {
        self.word().asked()
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.word().state()
    }

    /// Notes that it is allowed under this generation, by this rule.
    pub fn restamp(&self, generation: u32, rule: RuleId) {
        self.stamp.store(stamp(generation, rule), Ordering::Relaxed);
    }

    /// Seconds without a packet. Another worker's clock may be ahead of ours by one.
    #[inline(always)]
    pub(super) fn idle(&self, now: u32) -> u32 {
        let idle = now.wrapping_sub(self.seen.load(Ordering::Relaxed)) as i32;
        idle.max(0) as u32
    }

    /// Seconds since its first packet.
    #[inline(always)]
    pub(super) fn age(&self, now: u32) -> u32 {
        let age = now.wrapping_sub(self.created.load(Ordering::Relaxed)) as i32;
        age.max(0) as u32
    }

    /// Packets and bytes of a direction.
    pub(super) fn counts(&self, direction: Direction) -> (u64, u64) {
        let [packets, bytes] = [&self.packets, &self.bytes]
            .map(|cells| cells[direction as usize].load(Ordering::Relaxed));
        (packets, bytes)
    }

    /// Whether a packet may pass, and what the flow is then. `now` in seconds of the workers' clock.
    #[inline(always)]
    pub fn packet(&self, direction: Direction, segment: &Segment, now: u32) -> Verdict {
        self.packet_telling(direction, segment, now, || ())
    }

    /// As [`Flow::packet`]; `tells` is called when the flow has come to another state of those that are told to another router
    /// ([`FlowWorker::tell`]).
    ///
    /// [`FlowWorker::tell`]: super::FlowWorker::tell
    #[inline(always)]
    pub fn packet_telling(
        &self,
        direction: Direction,
        segment: &Segment,
        now: u32,
        tells: impl FnOnce(),
    ) -> Verdict {
        let word = self.word();
        let step = self.step(word, direction, segment, now);
        let verdict = match step.word == word && word.is_live() {
            true => step.verdict,
            false => {
                let changed = self.change(word, step, direction, segment, now);
                if changed.tells {
                    tells();
                }
                changed.verdict
            }
        };
        if verdict == Verdict::Pass {
            if step.touches && self.seen.load(Ordering::Relaxed) != now {
                self.seen.store(now, Ordering::Relaxed);
            }
            add(&self.packets[direction as usize], 1);
            add(&self.bytes[direction as usize], u64::from(segment.bytes));
        }
        verdict
    }

    /// Takes a step to another state, unless somebody is first: then the one from there.
    #[cold]
    #[inline(never)]
    fn change(
        &self,
        mut word: Word,
        mut step: Step,
        direction: Direction,
        segment: &Segment,
        now: u32,
    ) -> Changed {
        while word.is_live() {
            let (old, new) = (word.0, step.word.0);
            let changed = self
                .word
                .compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire);
            let state = step.word.state();
            match changed {
                Ok(_) => {
                    return Changed {
                        verdict: step.verdict,
                        tells: word.state() != state && state.is_answered(),
                    };
                }
                Err(other) => word = Word(other),
            }
            step = self.step(word, direction, segment, now);
        }
        Changed {
            verdict: Verdict::Over,
            tells: false,
        }
    }

    #[inline(always)]
    fn step(&self, word: Word, direction: Direction, segment: &Segment, now: u32) -> Step {
        let protocol = (self.key[4].load(Ordering::Relaxed) >> 40) as u8;
        match (&segment.upper, protocol) {
            (Upper::Tcp(tcp), tcp::PROTOCOL) => {
                tcp::step(word, &self.sides, direction, tcp, segment.liberal)
            }
            (Upper::Sctp(sctp), sctp::PROTOCOL) => {
                sctp::step(word, &self.sides, direction, sctp, segment.liberal)
            }
            (_, tcp::PROTOCOL | sctp::PROTOCOL) => Step::invalid(word),
            (Upper::Query { is_request }, _) if *is_request != (direction == word.opened()) => {
                Step::invalid(word)
            }
            _ => {
                let answers = direction != word.opened();
                let state = match word.state() {
                    State::Unreplied if answers => State::Replied,
                    State::Replied
                        if is_udp(protocol) && !answers && self.age(now) >= STREAM_AFTER =>
                    {
                        State::Stream
                    }
                    state => state,
                };
                Step::pass(word.with(state))
            }
        }
    }

    /// Whether an ICMP error can be about a packet of this flow: one that went this `direction`, of TCP with this sequence number
    /// (RFC 5927 section 4). It does not keep the flow alive.
    pub fn cites(&self, direction: Direction, sequence: Option<u32>) -> bool {
        let word = self.word();
        let is_tcp = (self.key[4].load(Ordering::Relaxed) >> 40) as u8 == tcp::PROTOCOL;
        let has_sent = direction == word.opened()
            || !matches!(
                word.state(),
                State::Unreplied | State::SynSent | State::Init
            );
        word.is_live()
            && has_sent
            && match (is_tcp, sequence) {
                (true, Some(sequence)) => tcp::is_in_flight(word, &self.sides, direction, sequence),
                (true, None) => word.is_free(),
                (false, _) => true,
            }
    }
}

/// Generation and rule in one word, so that they are one moment's.
pub(super) const fn stamp(generation: u32, rule: RuleId) -> u64 {
    (generation as u64) << 32 | rule.0 as u64
}

/// Adds to a cell that has one writer at a time.
#[inline(always)]
fn add(cell: &AtomicU64, n: u64) {
    cell.store(
        cell.load(Ordering::Relaxed).wrapping_add(n),
        Ordering::Relaxed,
    );
}
