//! How does the control plane replace something that workers are reading, without a lock in the worker?
//!
//! By quiescent-state-based reclamation (QSBR): a worker says "I hold nothing" once per poll, and what the writer
//! has unpublished is reused when every worker has said so since.
//!
//! ```text
//!   writer    unpublish ──► advance() = token ──────────► passed(token)? ──► reuse
//!   reader A  ──burst──┤quiescent├──burst──┤quiescent├──        ▲
//!   reader B  ────────────burst────────────┤quiescent├──────────┘ (the last one)
//!   reader C  ··offline (asleep, holds nothing, is not waited for)··
//! ```
//!
//! A reader pays one load of the global epoch (a line that changes only when the writer retires something) and
//! one store into a cache line of its own.
//!
//! The borrow checker holds readers to the rules: whatever is read borrows the [`Reader`], and
//! [`Reader::quiescent`] and [`Reader::offline`] take it mutably, so nothing read can outlive a quiescent state.
//!
//! # Invariants
//! 1. A slot is 0 while its reader is absent or offline, else the epoch at its last quiescent state.
//! 2. The epoch only grows, and only after the old pointer can no longer be found ([`Qsbr::advance`]).
//! 3. A reader whose slot is at least `token` loaded the epoch after it had become `token`, so all it reads from
//!    then on is what was published before; what it read earlier happens before the writer's look at the slot.
//! 4. Coming online is a store, a `SeqCst` fence and only then the first read; the writer's unpublishing is followed by
//!    a `SeqCst` fence and only then by the look at the slots: one of the two sees the other.
#![allow(unsafe_code)]

use crate::sync::{AtomicPtr, AtomicU64, Mutex, MutexGuard, Ordering, fence};
use std::cell::Cell;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;

/// Value of a slot whose reader is absent or offline.
const OFFLINE: u64 = 0;

/// A cell in two cache lines of its own: x86 prefetches lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct OwnLine(AtomicU64);

/// All slots of a [`Qsbr`] are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all {max} reader slots are registered")]
pub struct TooManyReaders {
    /// Slots that the instance was created with.
    pub max: usize,
}

/// A moment after which a reader must have been quiescent for something to be reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(u64);

/// The readers of one process and the epoch that they report.
#[derive(Debug)]
pub struct Qsbr {
    epoch: OwnLine,
    slots: Box<[OwnLine]>,
    /// Which slots belong to a [`Reader`]; taken at registration and drop only.
    taken: Mutex<Vec<bool>>,
}

impl Qsbr {
    /// An instance for up to `max_readers` readers at a time.
    pub fn new(max_readers: usize) -> Arc<Qsbr> {
        Arc::new(Qsbr {
            epoch: OwnLine(AtomicU64::new(OFFLINE + 1)),
            slots: (0..max_readers)
                .map(|_| OwnLine(AtomicU64::new(OFFLINE)))
                .collect(),
            taken: Mutex::new(vec![false; max_readers]),
        })
    }

    /// Registers a reader, online at once.
    pub fn register(self: &Arc<Self>) -> Result<Reader, TooManyReaders> {
        let mut taken = lock(&self.taken);
        let max = taken.len();
        let slot = taken
            .iter()
            .position(|t| !t)
            .ok_or(TooManyReaders { max })?;
        taken[slot] = true;
        drop(taken);
        let reader = Reader {
            qsbr: self.clone(),
            slot,
            not_sync: PhantomData,
        };
        reader.go_online();
        Ok(reader)
    }

    /// The token of the current epoch: passed once every reader has been quiescent since the last [`advance`].
    ///
    /// [`advance`]: Qsbr::advance
    pub fn token(&self) -> Token {
        Token(self.epoch.0.load(Ordering::Relaxed))
    }

    /// Begins a grace period. Call it *after* the old version has been unpublished; when the token has
    /// [`passed`](Qsbr::passed), no reader can hold the old version.
    pub fn advance(&self) -> Token {
        // Invariant 4: orders the unpublishing store before every later look at the slots.
        fence(Ordering::SeqCst);
        // Release, so that a reader which sees the new epoch also sees the unpublishing (invariant 3).
        Token(self.epoch.0.fetch_add(1, Ordering::AcqRel) + 1)
    }

    /// Whether every reader has been quiescent, or offline, since `token` was taken.
    pub fn passed(&self, token: Token) -> bool {
        self.slots.iter().all(|slot| {
            // Acquire: all that the reader did before its quiescent state happened before what we do next.
            let seen = slot.0.load(Ordering::Acquire);
            seen == OFFLINE || seen >= token.0
        })
    }

    /// Waits for a whole grace period. For tests and shutdown: never call it on a thread that owns an online reader.
    pub fn synchronize(&self) {
        let token = self.advance();
        while !self.passed(token) {
            #[cfg(loom)]
            loom::thread::yield_now();
            #[cfg(not(loom))]
            std::thread::yield_now();
        }
    }
}

/// One worker's registration. `Send`, so that it can be handed to the worker's thread, but not `Sync`.
#[derive(Debug)]
pub struct Reader {
    qsbr: Arc<Qsbr>,
    slot: usize,
    not_sync: PhantomData<Cell<()>>,
}

impl Reader {
    /// Says that this reader holds nothing: once per poll, and often enough for the writer's memory (a worker
    /// that never calls it stops all reclamation).
    #[inline(always)]
    pub fn quiescent(&mut self) {
        let epoch = self.qsbr.epoch.0.load(Ordering::Acquire);
        self.qsbr.slots[self.slot].0.store(epoch, Ordering::Release);
    }

    /// Stops being waited for, for as long as the guard lives: for a worker that is about to sleep.
    pub fn offline(&mut self) -> Offline<'_> {
        self.qsbr.slots[self.slot]
            .0
            .store(OFFLINE, Ordering::Release);
        Offline { reader: self }
    }

    /// Whether this reader is registered with `qsbr`: what protects a table is the instance its writer asks.
    #[inline(always)]
    pub fn belongs_to(&self, qsbr: &Arc<Qsbr>) -> bool {
        Arc::ptr_eq(&self.qsbr, qsbr)
    }

    fn go_online(&self) {
        let epoch = self.qsbr.epoch.0.load(Ordering::Acquire);
        self.qsbr.slots[self.slot].0.store(epoch, Ordering::Relaxed);
        // Invariant 4: the store is visible before the first read that it protects.
        fence(Ordering::SeqCst);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.qsbr.slots[self.slot]
            .0
            .store(OFFLINE, Ordering::Release);
        lock(&self.qsbr.taken)[self.slot] = false;
    }
}

/// A reader that is offline; dropping it brings the reader back online.
#[derive(Debug)]
#[must_use = "the reader comes back online when this is dropped"]
pub struct Offline<'r> {
    reader: &'r mut Reader,
}

impl Offline<'_> {
    /// Comes back online: the same as dropping the guard, by a name.
    pub fn online(self) {}
}

impl Drop for Offline<'_> {
    fn drop(&mut self) {
        self.reader.go_online();
    }
}

/// What has been unpublished and waits for its grace period.
///
/// Retiring is cheap; one [`seal`](Retired::seal) per batch of changes begins one grace period for all of them.
#[derive(Debug)]
pub struct Retired<T> {
    unsealed: Vec<T>,
    waiting: VecDeque<(Token, Vec<T>)>,
}

impl<T> Default for Retired<T> {
    fn default() -> Self {
        Retired {
            unsealed: Vec::new(),
            waiting: VecDeque::new(),
        }
    }
}

impl<T> Retired<T> {
    /// Adds something that readers may still hold but can no longer find.
    pub fn push(&mut self, item: T) {
        self.unsealed.push(item);
    }

    /// Begins the grace period of everything pushed so far.
    pub fn seal(&mut self, qsbr: &Qsbr) {
        if !self.unsealed.is_empty() {
            self.waiting
                .push_back((qsbr.advance(), std::mem::take(&mut self.unsealed)));
        }
    }

    /// Hands out everything whose grace period has passed; returns how many items that were.
    pub fn reclaim(&mut self, qsbr: &Qsbr, mut reuse: impl FnMut(T)) -> usize {
        let mut count = 0;
        while self
            .waiting
            .front()
            .is_some_and(|(token, _)| qsbr.passed(*token))
        {
            for item in self
                .waiting
                .pop_front()
                .into_iter()
                .flat_map(|(_, items)| items)
            {
                reuse(item);
                count += 1;
            }
        }
        count
    }

    /// Items not handed out yet.
    pub fn len(&self) -> usize {
        self.unsealed.len()
            + self
                .waiting
                .iter()
                .map(|(_, items)| items.len())
                .sum::<usize>()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.unsealed.is_empty() && self.waiting.is_empty()
    }
}

/// An immutable snapshot, replaced as a whole by one atomic store. In lines of its own, as readers look here every burst.
#[derive(Debug)]
#[repr(align(64))]
pub struct Published<T: Send + Sync> {
    current: AtomicPtr<T>,
    qsbr: Arc<Qsbr>,
    /// The writer's side: a lock that no reader takes.
    retired: Mutex<Retired<Box<T>>>,
}

impl<T: Send + Sync> Published<T> {
    /// Publishes the first version.
    pub fn new(qsbr: Arc<Qsbr>, first: Box<T>) -> Published<T> {
        Published {
            current: AtomicPtr::new(Box::into_raw(first)),
            qsbr,
            retired: Mutex::new(Retired::default()),
        }
    }

    /// The current version, until the reader's next quiescent state.
    ///
    /// # Panics
    /// If `reader` is registered with another [`Qsbr`] than the one this was created with.
    #[inline(always)]
    pub fn load<'r>(&'r self, reader: &'r Reader) -> &'r T {
        assert!(
            reader.belongs_to(&self.qsbr),
            "reader of another QSBR instance"
        );
        // SAFETY: the pointer came from `Box::into_raw`, and the box is dropped only after a grace period that began
        // after it was unpublished. The result borrows `reader`, which is online (`offline` takes it mutably)
        // and cannot be quiescent before the borrow ends.
        unsafe { &*self.current.load(Ordering::Acquire) }
    }

    /// Replaces the current version, and drops earlier ones that nobody can hold any more.
    pub fn publish(&self, next: Box<T>) {
        let mut retired = lock(&self.retired);
        let old = self.current.swap(Box::into_raw(next), Ordering::AcqRel);
        // SAFETY: `old` came from `Box::into_raw` and has just left `current`, so this is its only owner; that
        // readers may still hold it is why it goes to the retired list and not to its destructor.
        retired.push(unsafe { Box::from_raw(old) });
        retired.seal(&self.qsbr);
        retired.reclaim(&self.qsbr, drop);
    }

    /// Drops the versions that nobody can hold any more; returns how many are still waiting.
    pub fn reclaim(&self) -> usize {
        let mut retired = lock(&self.retired);
        retired.reclaim(&self.qsbr, drop);
        retired.len()
    }
}

impl<T: Send + Sync> Drop for Published<T> {
    fn drop(&mut self) {
        let current = self.current.load(Ordering::Relaxed);
        // SAFETY: `&mut self`: no reader borrows this any more, so nobody holds the current version.
        drop(unsafe { Box::from_raw(current) });
    }
}

/// Locks a mutex whose data stays valid whatever a panicking holder did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(all(test, not(loom)))]
mod tests;
