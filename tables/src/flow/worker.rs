//! One worker's part of the table: it alone fills, ages and takes back the entries in it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::changes::Changes;
use super::entry::{self, Flow};
use super::key::{Direction, FlowHash, FlowKey};
use super::lists::{Chain, Chains};
use super::loose::Loose;
use super::peer::{Kept, Record};
use super::segment::Segment;
use super::state::{LIVES, Word};
use super::store::Store;
use super::table::{Cells, FlowTable};
use super::wheel::Wheel;
use crate::id::{AnchorId, RuleId};
use crate::publish::{Qsbr, Reader};

/// Flows looked at in one call of [`FlowWorker::expire`].
const LOOKS: usize = 64;
/// Old flows looked at for one that is loose, when one has to go.
const TRIES: usize = 32;
/// Anchors asked to give a flow.
const ANCHORS_ASKED: usize = 4;
/// The part of the entries, and how many at most, that is kept free while there are loose flows to take: an entry that
/// was taken from one can be used only after a grace period.
const RESERVE: (u32, u32) = (16, 4096);

/// A flow to be made, and its first packet.
#[derive(Clone, Copy, Debug)]
pub struct New {
    /// The generation of the anchor's rules.
    pub generation: u32,
    /// The rule that allows it.
    pub rule: RuleId,
    /// Which way the packet goes.
    pub opened: Direction,
    /// What the rules were asked for as the port: see [`Flow::asked`].
    pub asked: u16,
    /// Flows that the anchor may have.
    pub quota: u32,
    /// The packet.
    pub segment: Segment,
    /// Seconds of the workers' clock.
    pub now: u32,
}

/// Why a flow was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The packet cannot be the first of a flow: of TCP no SYN, of SCTP no INIT, an answer without a query.
    #[error("the packet does not begin a flow")]
    Invalid,
    /// The anchor has as many flows as it may have, and of this worker's none that is loose.
    #[error("the port has as many flows as it may have")]
    Quota,
    /// There is no room, and nobody has a loose flow to give.
    #[error("the flow table is full")]
    Full,
}

/// A worker's part. To be called by one thread.
#[derive(Debug)]
pub struct FlowWorker {
    table: Arc<FlowTable>,
    /// Which part.
    number: usize,
    chains: Chains,
    store: Store,
    wheel: Wheel,
    loose: Loose,
    lives: u32,
    reserve: u32,
    /// When it last began grace periods, seconds.
    sealed: u32,
    /// Which of its flows another router keeps.
    pub(super) kept: Kept,
}

impl FlowWorker {
    pub(super) fn new(table: &Arc<FlowTable>, number: usize, qsbr: &Arc<Qsbr>) -> io::Result<Self> {
        let numbers = table.numbers(number);
        let (first, part) = (numbers.start, numbers.len() as u32);
        let (share, most) = RESERVE;
        Ok(Self {
            table: table.clone(),
            number,
            chains: Chains::new(first, part as usize)?,
            store: Store::new(qsbr.clone(), numbers),
            wheel: Wheel::default(),
            loose: Loose::new()?,
            lives: 0,
            reserve: (part / share).min(most),
            sealed: 0,
            kept: Kept::none(first),
        })
    }

    /// Makes a flow of a packet that a rule has let pass, and that no flow was found for. `hash` is the key's.
    ///
    /// # Errors
    /// See [`Refused`]. Of [`Refused::Quota`] and [`Refused::Full`] the flow may be made another time.
    pub fn insert(
        &mut self,
        reader: &Reader,
        hash: FlowHash,
        key: &FlowKey,
        new: &New,
    ) -> Result<&Flow, Refused> {
        // Whoever calls is a reader of the table: what it gets stays what it is until its next quiescent state.
        let _ = self.table.read(reader);
        let word = entry::open(key.protocol, new.opened, &new.segment).ok_or(Refused::Invalid)?;
        let number = self.take(key.anchor, new.quota)?;
        let word = word.with_life(self.next_life(), new.asked);
        let stamp = entry::stamp(new.generation, new.rule);
        self.own(number)
            .fill(key.words(), word, stamp, &new.segment, new.now);
        if let Some(other) = self.place(number, hash, key)? {
            return Ok(self.own(other));
        }
        self.watch(number, key, word, new.now);
        self.loose.push(&mut self.chains, key.anchor, number);
        if word.state().is_answered() {
            self.changes().tell(number);
        }
        // What the next one will write, and look at.
        self.table.fetch(self.store.peek());
        self.chains.fetch(self.store.peek());
        self.fetch_oldest(key.anchor);
        Ok(self.own(number))
    }

    /// Makes a flow of one that another router has told of. Its number; `None` if there is another one of its key.
    pub(super) fn adopt(
        &mut self,
        hash: FlowHash,
        record: &Record,
        quota: u32,
        now: u32,
    ) -> Result<Option<u32>, Refused> {
        let key = &record.key;
        let word = Word::DEAD.resumed(key.protocol, record.progress);
        let word = word.ok_or(Refused::Invalid)?;
        let number = self.take(key.anchor, quota)?;
        let word = word.with_life(self.next_life(), record.asked);
        self.own(number)
            .restore(key.words(), word, &record.resumed(now));
        if self.place(number, hash, key)?.is_some() {
            return Ok(None);
        }
        self.watch(number, key, word, now);
        if word.state().is_loose() {
            self.loose.push(&mut self.chains, key.anchor, number);
        }
        Ok(Some(number))
    }

    /// An entry for a flow of an anchor that may have `quota`.
    fn take(&mut self, anchor: AnchorId, quota: u32) -> Result<u32, Refused> {
        self.tidy(anchor);
        if self.table.count(anchor) >= quota && !self.evict(anchor) {
            return Err(Refused::Quota);
        }
        if self.store.spare() <= self.reserve {
            self.make_room();
        }
        self.store.take(&mut self.chains).ok_or(Refused::Full)
    }

    /// An entry of the table by its number.
    #[inline(always)]
    fn own(&self, number: u32) -> &Flow {
        let Some(flow) = self.table.entry(number) else {
            unreachable!("numbers of workers are entries of the table");
        };
        flow
    }

    fn next_life(&mut self) -> u32 {
        self.lives = (self.lives + 1) % LIVES;
        self.lives = self.lives.max(1);
        self.lives
    }

    /// Has a filled entry found by lookups, unless there is another flow of its key: the number of that one, and
    /// the entry is taken back.
    fn place(
        &mut self,
        number: u32,
        hash: FlowHash,
        key: &FlowKey,
    ) -> Result<Option<u32>, Refused> {
        self.table.add_count(key.anchor);
        let Some(slot) = self.table.name(hash, number) else {
            self.table.kill(self.own(number));
            self.store.give_back(&mut self.chains, number);
            return Err(Refused::Full);
        };
        if let Some(other) = self.table.earlier(hash, key, number) {
            // Another worker was first.
            let other = self.table.number(other);
            self.table.kill(self.own(number));
            self.table.clear(slot);
            self.store.retire(&mut self.chains, number);
            return Ok(Some(other));
        }
        self.chains.of(number).slot = slot;
        Ok(None)
    }

    /// Ages a flow from now on.
    fn watch(&mut self, number: u32, key: &FlowKey, word: Word, now: u32) {
        let timeout = self.table.timeouts().of(key, word.state());
        self.chains.of(number).is_flow = true;
        self.wheel.arm(&mut self.chains, number, now, timeout);
        let cells = self.cells();
        cells.used.store(self.store.used(), Ordering::Relaxed);
        add(&cells.flows, 1);
        add(&cells.created, 1);
    }

    /// Tells whoever keeps another router informed that a flow has changed: [`Flow::packet_telling`]. Costs nothing if nobody does.
    #[inline]
    pub fn tell(&self, flow: &Flow) {
        self.changes().tell(self.table.number(flow));
    }

    /// Removes a flow: nobody finds it from now on. One of this worker's is taken back at once.
    pub fn remove(&mut self, flow: &Flow) {
        let number = self.table.number(flow);
        match self.chains.has(number) && flow.word().is_live() {
            true => self.drop_one(number),
            false => {
                self.table.kill(flow);
                self.changes().tell(number);
            }
        }
    }

    /// Takes back one of this worker's flows, unless it is none any more.
    pub(super) fn drop_one(&mut self, number: u32) {
        if self.chains.has(number) && self.chains.of(number).is_flow {
            self.wheel.disarm(&mut self.chains, number);
            self.take_back(number);
        }
    }

    /// Forgets flows that were not used for too long, some at a time, and lets entries be used again. Once a round; costs
    /// nothing where nothing is due. `now` in seconds of the workers' clock. How many flows it has forgotten.
    #[inline]
    pub fn expire(&mut self, now: u32) -> usize {
        let mut forgotten = 0;
        for _ in 0..LOOKS {
            let Some(number) = self.wheel.due(&mut self.chains, now) else {
                break;
            };
            forgotten += usize::from(self.look(number, now));
        }
        let hurry = self.sealed != now || self.store.ready() <= self.reserve;
        self.sealed = now;
        self.store.recycle(&mut self.chains, hurry);
        forgotten
    }

    /// Looks at a flow that was on the wheel. Whether it is forgotten.
    fn look(&mut self, number: u32, now: u32) -> bool {
        if let Some(next) = self.table.entry(self.wheel.peek()) {
            crate::prefetch(std::ptr::from_ref(next).cast());
        }
        let Some(flow) = self.table.entry(number) else {
            return false;
        };
        let (word, key) = (flow.word(), flow.key());
        let timeout = self.table.timeouts().of(&key, word.state());
        let idle = self.kept.idle(number, flow.idle(now), now);
        if !word.is_live() || idle >= timeout {
            if word.is_live() {
                add(&self.cells().expired, 1);
            }
            self.take_back(number);
            return true;
        }
        match (word.state().is_loose(), self.chains.of(number).is_loose) {
            (true, false) => self.loose.push(&mut self.chains, key.anchor, number),
            (false, true) => self.loose.unlink(&mut self.chains, key.anchor, number),
            _ => {}
        }
        self.wheel
            .arm(&mut self.chains, number, now, timeout - idle);
        false
    }

    /// Takes back an entry that is not on the wheel.
    fn take_back(&mut self, number: u32) {
        let Some(flow) = self.table.entry(number) else {
            return;
        };
        self.loose
            .unlink(&mut self.chains, flow.key().anchor, number);
        let word = flow.word();
        if !word.is_live() || word.state().is_answered() {
            self.changes().tell(number);
        }
        self.kept.release(number);
        self.chains.of(number).is_flow = false;
        self.table.kill(flow);
        self.table.clear(self.chains.of(number).slot);
        self.store.retire(&mut self.chains, number);
        let flows = &self.cells().flows;
        flows.store(
            flows.load(Ordering::Relaxed).wrapping_sub(1),
            Ordering::Relaxed,
        );
    }

    /// Asks for the oldest loose flow of an anchor to be in the cache soon.
    fn fetch_oldest(&self, anchor: AnchorId) {
        if let Some(oldest) = self.loose.oldest(anchor) {
            self.table.fetch(oldest);
            self.chains.fetch(oldest);
        }
    }

    /// Asks for all that taking the oldest loose flow of an anchor needs, and for what is needed to ask that of the one after it.
    fn fetch_victims(&mut self, anchor: AnchorId) {
        if let Some(oldest) = self.loose.oldest(anchor) {
            self.table.fetch_slot(self.chains.of(oldest).slot);
            let next = self.chains.next(Chain::Loose, oldest);
            self.table.fetch(next);
            self.chains.fetch(next);
        }
    }

    /// Takes flows that hold now off an anchor's list of loose ones, two at most.
    fn tidy(&mut self, anchor: AnchorId) {
        for _ in 0..2 {
            match self
                .loose
                .oldest(anchor)
                .map(|number| (number, self.table.entry(number)))
            {
                Some((number, Some(flow))) if !is_victim(flow) => {
                    self.loose.unlink(&mut self.chains, anchor, number);
                }
                _ => return,
            }
        }
    }

    /// Takes the oldest loose flow of an anchor. Whether there was one.
    fn evict(&mut self, anchor: AnchorId) -> bool {
        for _ in 0..TRIES {
            let Some(number) = self.loose.oldest(anchor) else {
                return false;
            };
            if self.table.entry(number).is_some_and(is_victim) {
                self.wheel.disarm(&mut self.chains, number);
                self.take_back(number);
                add(&self.cells().evicted, 1);
                self.fetch_victims(anchor);
                return true;
            }
            self.loose.unlink(&mut self.chains, anchor, number);
        }
        false
    }

    /// Takes a loose flow of the anchor that has most.
    #[cold]
    fn make_room(&mut self) {
        for _ in 0..ANCHORS_ASKED {
            let Some(anchor) = self.loose.heaviest() else {
                return;
            };
            if self.evict(anchor) {
                return;
            }
        }
    }

    fn changes(&self) -> &Changes {
        &self.table.changes[self.number]
    }

    fn cells(&self) -> &Cells {
        &self.table.cells[self.number]
    }
}

/// Whether a flow may have to go for another: loose, or dead already.
fn is_victim(flow: &Flow) -> bool {
    let word = flow.word();
    !word.is_live() || word.state().is_loose()
}

/// Adds to a cell of one writer.
fn add(cell: &AtomicU64, n: u64) {
    cell.store(
        cell.load(Ordering::Relaxed).wrapping_add(n),
        Ordering::Relaxed,
    );
}
