//! The table as all workers share it: buckets, entries, counts.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::changes::Changes;
use super::entry::Flow;
use super::key::{FlowHash, FlowKey, Probe, Secrets, Words};
use super::loose::ANCHORS;
use super::memory::Lines;
use super::peer::{FlowPeer, Pairing};
use super::timeouts::{Shared, Timeouts};
use super::worker::FlowWorker;
use crate::id::AnchorId;
use crate::publish::{Qsbr, Reader};

/// Slots of a bucket.
pub(super) const WAYS: usize = 8;
/// Flows up to which a first bucket is taken whatever the second has.
const CROWD: u32 = 5;

/// Slots: who names an entry sets its number first and its tag then, and who frees the slot clears the tag first.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Bucket {
    /// 16 bits a slot, in turn of the one word and the other. 0: free.
    tags: [AtomicU64; WORDS],
    /// Numbers of entries. 0: free.
    numbers: [AtomicU32; WAYS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// Words of tags, and bits of one.
const WORDS: usize = 2;
const TAG: usize = 16;
/// A 1 for each.
const ONES: u64 = 0x0001_0001_0001_0001;

impl Bucket {
    /// The slots with a tag, as the highest bits of their lanes; maybe, above one that has it, some that have not. All are compared
    /// before one is chosen: which it is cannot be foretold.
    #[inline(always)]
    fn hits(&self, tag: u16) -> Hits {
        let wanted = u64::from(tag) * ONES;
        let hits = |word: &AtomicU64| {
            let differs = word.load(Ordering::Acquire) ^ wanted;
            differs.wrapping_sub(ONES) & !differs & ONES << 15
        };
        let [even, odd] = &self.tags;
        // The bits of the one word beside those of the other, so that the slots are in order.
        Hits(hits(even) >> 1 | hits(odd))
    }

    #[inline(always)]
    fn number(&self, way: usize) -> u32 {
        self.numbers[way & (WAYS - 1)].load(Ordering::Acquire)
    }

    fn used(&self) -> u32 {
        let used = self
            .numbers
            .iter()
            .filter(|number| number.load(Ordering::Relaxed) != 0);
        used.count() as u32
    }

    /// Takes a free slot for an entry, if there is one.
    fn set(&self, tag: u16, entry: u32) -> Option<usize> {
        let way = self.numbers.iter().position(|number| {
            number.load(Ordering::Relaxed) == 0
                && number
                    .compare_exchange(0, entry, Ordering::SeqCst, Ordering::Relaxed)
                    .is_ok()
        })?;
        let tag = u64::from(tag) << (TAG * (way / WORDS));
        self.tags[way % WORDS].fetch_or(tag, Ordering::SeqCst);
        Some(way)
    }

    fn clear(&self, way: usize) {
        let lane = u64::from(u16::MAX) << (TAG * (way / WORDS));
        self.tags[way % WORDS].fetch_and(!lane, Ordering::SeqCst);
        self.numbers[way].store(0, Ordering::Release);
    }
}

/// Slots of a bucket that may be the right ones.
#[derive(Clone, Copy)]
struct Hits(u64);

impl Iterator for Hits {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let bit = self.0.trailing_zeros() as usize;
        (self.0 != 0).then(|| {
            self.0 &= self.0 - 1;
            bit / TAG * WORDS + (bit & 1)
        })
    }
}

/// What a worker counts, for everybody to read. In lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Cells {
    /// Number behind the greatest of its entries ever used.
    pub used: AtomicU32,
    pub flows: AtomicU64,
    pub created: AtomicU64,
    pub expired: AtomicU64,
    pub evicted: AtomicU64,
}

/// How full the table is, and what has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Flows there can be.
    pub capacity: u64,
    /// Flows there are, with those that were removed and not taken back yet.
    pub flows: u64,
    /// Flows made.
    pub created: u64,
    /// Flows that were not used for too long.
    pub expired: u64,
    /// Flows unanswered, or over, that made room for others.
    pub evicted: u64,
}

/// The flows of all anchors.
#[derive(Debug)]
pub struct FlowTable {
    buckets: Lines<Bucket>,
    pub(super) entries: Lines<Flow>,
    mask: usize,
    secrets: Secrets,
    /// Flows of each anchor.
    counts: Box<[AtomicU32]>,
    pub(super) timeouts: Shared,
    pub(super) cells: Box<[Cells]>,
    /// Entries of a worker.
    part: u32,
    workers: u32,
    /// What each part's worker tells of flows that change.
    pub(super) changes: Box<[Changes]>,
    qsbr: Arc<Qsbr>,
}

impl FlowTable {
    /// A table for `flows`, shared by `workers` (one at least), and each one's part of it. `flows` is rounded up so that the parts
    /// are alike. Memory, taken as it is used: 170 bytes a flow. Workers register with `qsbr`; nobody should know the `seed`.
    ///
    /// # Errors
    /// The memory is not to be had.
    pub fn new(
        flows: usize,
        workers: usize,
        qsbr: &Arc<Qsbr>,
        seed: u64,
    ) -> io::Result<(Arc<Self>, Vec<FlowWorker>)> {
        let (table, parts, _) = Self::paired(flows, workers, qsbr, seed, &Pairing::default())?;
        Ok((table, parts))
    }

    /// As [`FlowTable::new`], with a part for the flows of another router and what tells that router of ours, unless there is none.
    ///
    /// # Errors
    /// The memory is not to be had.
    pub fn paired(
        flows: usize,
        workers: usize,
        qsbr: &Arc<Qsbr>,
        seed: u64,
        pairing: &Pairing,
    ) -> io::Result<(Arc<Self>, Vec<FlowWorker>, Option<FlowPeer>)> {
        let workers = workers.max(1);
        let part = flows.max(1).div_ceil(workers);
        let entries = (part * workers).saturating_add(pairing.flows);
        // Slots are numbered in 32 bits, and there are twice as many or more.
        if entries > 1 << 28 {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let parts = workers + usize::from(pairing.flows != 0);
        let notes = match pairing.flows {
            0 => 0,
            _ => pairing.notes.max(1),
        };
        let buckets = (2 * entries).div_ceil(WAYS).next_power_of_two().max(2);
        let table = Arc::new(Self {
            buckets: Lines::new(buckets)?,
            entries: Lines::new(entries)?,
            mask: buckets - 1,
            secrets: Secrets::new(seed),
            counts: std::iter::repeat_with(AtomicU32::default)
                .take(ANCHORS)
                .collect(),
            timeouts: Shared::new(&Timeouts::default()),
            cells: std::iter::repeat_with(Cells::default).take(parts).collect(),
            part: part as u32,
            workers: workers as u32,
            changes: (0..parts).map(|_| Changes::new(notes)).collect(),
            qsbr: qsbr.clone(),
        });
        let parts = (0..workers).map(|number| FlowWorker::new(&table, number, qsbr));
        let parts = parts.collect::<io::Result<_>>()?;
        let peer = match pairing.flows {
            0 => None,
            _ => Some(FlowPeer::new(
                &table,
                FlowWorker::new(&table, workers, qsbr)?,
            )),
        };
        Ok((table, parts, peer))
    }

    /// The numbers of a part's entries. The last one is for another router's, if there is one more than there are workers.
    pub(super) fn numbers(&self, part: usize) -> std::ops::Range<u32> {
        let first = (part as u32).min(self.workers) * self.part + 1;
        let behind = match part < self.workers as usize {
            true => first + self.part,
            false => self.entries.len() as u32 + 1,
        };
        first..behind
    }

    /// The table for the length of a burst.
    #[inline(always)]
    pub fn read<'r>(&'r self, reader: &'r Reader) -> Flows<'r> {
        debug_assert!(reader.belongs_to(&self.qsbr));
        Flows(self)
    }

    /// Replaces the timeouts. They hold from the next time that a flow is looked at.
    pub fn set_timeouts(&self, timeouts: &Timeouts) {
        self.timeouts.set(timeouts);
    }

    /// The timeouts.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts.get()
    }

    /// Flows of an anchor.
    pub fn count(&self, anchor: AnchorId) -> u32 {
        self.counts[anchor.index()].load(Ordering::Relaxed)
    }

    pub(super) fn add_count(&self, anchor: AnchorId) {
        self.counts[anchor.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// Kills a flow, and gives its anchor's count back if it lived.
    pub(super) fn kill(&self, flow: &Flow) {
        if flow.kill() {
            let anchor = flow.key().anchor;
            self.counts[anchor.index()].fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How full it is.
    pub fn usage(&self) -> Usage {
        let capacity = self.entries.len() as u64;
        let none = Usage {
            capacity,
            ..Usage::default()
        };
        let get = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        self.cells.iter().fold(none, |sum, cells| Usage {
            flows: sum.flows + get(&cells.flows),
            created: sum.created + get(&cells.created),
            expired: sum.expired + get(&cells.expired),
            evicted: sum.evicted + get(&cells.evicted),
            ..sum
        })
    }

    /// An entry by its number.
    #[inline(always)]
    pub(super) fn entry(&self, number: u32) -> Option<&Flow> {
        self.entries.get((number as usize).wrapping_sub(1))
    }

    /// Asks for an entry to be in the cache soon.
    #[inline(always)]
    pub(super) fn fetch(&self, number: u32) {
        if let Some(flow) = self.entry(number) {
            let line: *const u8 = std::ptr::from_ref(flow).cast();
            crate::prefetch(line);
            crate::prefetch(line.wrapping_add(64));
        }
    }

    /// Asks for the bucket of a slot to be in the cache soon.
    pub(super) fn fetch_slot(&self, slot: u32) {
        if let Some(bucket) = self.buckets.get(slot as usize / WAYS) {
            fetch(bucket);
        }
    }

    /// The number of an entry.
    pub(super) fn number(&self, flow: &Flow) -> u32 {
        let [flow, first] =
            [std::ptr::from_ref(flow), self.entries.as_ptr()].map(<*const Flow>::addr);
        (flow.wrapping_sub(first) / size_of::<Flow>()) as u32 + 1
    }

    pub(super) fn hash(&self, key: &FlowKey) -> FlowHash {
        self.secrets.hash(key.words())
    }

    /// Has a free slot of a hash name an entry. Which one; `None` if both buckets are full.
    pub(super) fn name(&self, hash: FlowHash, number: u32) -> Option<u32> {
        let [first, second] = hash.pair(self.mask);
        let used = self.buckets[first].used();
        // Most flows are in their first bucket, so that a lookup need not look at the second.
        let order = match used <= CROWD || used <= self.buckets[second].used() {
            true => [first, second],
            false => [second, first],
        };
        order.into_iter().find_map(|bucket| {
            let way = self.buckets[bucket].set(hash.tag(), number)?;
            Some((bucket * WAYS + way) as u32)
        })
    }

    /// Frees a slot. For the worker whose entry it names.
    pub(super) fn clear(&self, slot: u32) {
        let slot = slot as usize;
        self.buckets[slot / WAYS].clear(slot % WAYS);
    }

    /// A flow of the same key that lookups find before the entry that was just named.
    pub(super) fn earlier(&self, hash: FlowHash, key: &FlowKey, number: u32) -> Option<&Flow> {
        // Of two workers that name their entries at once, one sees the other's.
        fence(Ordering::SeqCst);
        let found = self.search(hash, &key.words())?;
        (self.number(found) != number).then_some(found)
    }

    #[inline(always)]
    fn find(&self, hash: FlowHash, words: &Words) -> Option<&Flow> {
        // As fetched, most likely.
        if let Some(flow) = self.entry(hash.number())
            && flow.is(words)
        {
            return Some(flow);
        }
        self.search(hash, words)
    }

    #[inline(never)]
    fn search(&self, hash: FlowHash, words: &Words) -> Option<&Flow> {
        hash.pair(self.mask).into_iter().find_map(|bucket| {
            let bucket = &self.buckets[bucket];
            // More than one only where tags meet, or beside a flow that is dead.
            bucket.hits(hash.tag()).find_map(|way| {
                let flow = self.entry(bucket.number(way))?;
                flow.is(words).then_some(flow)
            })
        })
    }
}

/// The flows as a worker sees them until its next quiescent state.
#[derive(Clone, Copy, Debug)]
pub struct Flows<'r>(&'r FlowTable);

impl<'r> Flows<'r> {
    /// Where a key is looked for.
    #[inline(always)]
    pub fn hash(self, key: &FlowKey) -> FlowHash {
        self.0.hash(key)
    }

    /// Begins to look for a flow: asks for its first bucket to be in the cache soon.
    #[inline(always)]
    pub fn probe(self, key: &FlowKey) -> Probe {
        let words = key.words();
        let hash = self.0.secrets.hash(words);
        let [first, _] = hash.pair(self.0.mask);
        fetch(&self.0.buckets[first]);
        Probe { words, hash }
    }

    /// Asks for the flow that its first bucket names to be in the cache soon, or else for the second bucket. The probe is good until
    /// the next quiescent state.
    #[inline(always)]
    pub fn fetch(self, probe: &mut Probe) {
        let [first, second] = probe.hash.pair(self.0.mask);
        let bucket = &self.0.buckets[first];
        let Some(way) = bucket.hits(probe.hash.tag()).next() else {
            return fetch(&self.0.buckets[second]);
        };
        let number = bucket.number(way);
        self.0.fetch(number);
        probe.hash = probe.hash.at(number);
    }

    /// The flow that was looked for.
    #[inline(always)]
    pub fn probed(self, probe: &Probe) -> Option<&'r Flow> {
        self.0.find(probe.hash, &probe.words)
    }

    /// The flow of a key.
    #[inline(always)]
    pub fn find(self, hash: FlowHash, key: &FlowKey) -> Option<&'r Flow> {
        self.0.find(hash, &key.words())
    }

    /// Removes a flow: nobody finds it from now on. Whose entry it is takes it back in time.
    pub fn remove(self, flow: &Flow) {
        self.0.kill(flow);
    }
}

#[inline(always)]
fn fetch(bucket: &Bucket) {
    crate::prefetch(std::ptr::from_ref(bucket).cast());
}
