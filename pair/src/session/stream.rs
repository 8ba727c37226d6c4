//! What is sent of one kind: a queue, and what is outstanding.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::status::Phase;
use crate::message::{Batch, Mark, Message, TooLong};
use crate::record::{Kind, Record};

/// The shortest time from one bulk to the next of a kind whose queue was full.
const BULK_PAUSE: Duration = Duration::from_secs(1);
/// Bytes that the beginning or end of a bulk counts.
const MARK: usize = 16;

/// Something that waits.
#[derive(Debug)]
enum Item {
    Begin,
    End,
    Records(Batch),
}

impl Item {
    const fn size(&self) -> usize {
        match self {
            Self::Begin | Self::End => MARK,
            Self::Records(batch) => batch.size(),
        }
    }
}

/// Something that waits, or is outstanding.
#[derive(Debug)]
struct Entry<T> {
    what: T,
    /// When the first of it was pushed.
    since: Instant,
    /// Records pushed, up to its last.
    ticket: u64,
}

/// Something outstanding.
#[derive(Debug)]
struct Sent {
    /// The number of its last item.
    last: u64,
    size: usize,
}

/// The sending end of a stream.
#[derive(Debug)]
pub(super) struct Stream {
    kind: Kind,
    pub phase: Phase,
    queue: VecDeque<Entry<Item>>,
    pub queued: usize,
    sent: VecDeque<Entry<Sent>>,
    pub outstanding: usize,
    /// The number of the last item that was sent.
    last: u64,
    /// Records pushed, ever.
    ticket: u64,
    /// When the last bulk began.
    bulk_began: Option<Instant>,
}

/// A message to be sent.
pub(super) struct Outgoing {
    pub bytes: Vec<u8>,
    /// Records in it.
    pub records: u64,
}

/// What has become of a record that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits, or is part of something that will be told again; its number among all that were pushed.
    Queued(u64),
    /// There is no session: the next one begins with all.
    Nobody,
    /// There was no room: all is told again, some time.
    Dropped,
}

impl Stream {
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            phase: Phase::Idle,
            queue: VecDeque::new(),
            queued: 0,
            sent: VecDeque::new(),
            outstanding: 0,
            last: 0,
            ticket: 0,
            bulk_began: None,
        }
    }

    /// There is no session any more.
    pub fn end(&mut self) {
        let ticket = self.ticket;
        *self = Self::new(self.kind);
        self.ticket = ticket;
    }

    /// All of the kind is to be told.
    pub fn begin_bulk(&mut self, now: Instant) {
        self.phase = Phase::Bulk;
        self.bulk_began = Some(now);
        self.put(now, Item::Begin);
    }

    /// What waits is dropped, and all told again when what is outstanding is acknowledged. Records dropped.
    pub fn fall_behind(&mut self) -> u64 {
        let waited = self.waiting();
        self.queue.clear();
        self.queued = 0;
        self.phase = Phase::Behind;
        waited
    }

    /// All of the kind was told.
    pub fn told(&mut self, now: Instant) {
        if self.phase == Phase::Bulk {
            self.phase = Phase::Current;
            self.put(now, Item::End);
        }
    }

    /// Whether all of it should be told again now.
    pub fn wants_bulk(&self, now: Instant) -> bool {
        self.phase == Phase::Behind
            && self.sent.is_empty()
            && self.bulk_at().is_none_or(|at| at <= now)
    }

    /// When all of it may be told again.
    pub fn bulk_at(&self) -> Option<Instant> {
        let waits = self.phase == Phase::Behind && self.sent.is_empty();
        self.bulk_began
            .filter(|_| waits)
            .map(|began| began + BULK_PAUSE)
    }

    fn put(&mut self, now: Instant, what: Item) {
        self.queued += what.size();
        self.queue.push_back(Entry {
            what,
            since: now,
            ticket: self.ticket,
        });
    }

    /// Bytes that may be pushed, of `limit`.
    pub fn room(&self, limit: usize) -> usize {
        match self.phase {
            Phase::Bulk | Phase::Current => limit.saturating_sub(self.queued),
            Phase::Idle | Phase::Behind => 0,
        }
    }

    /// Queues a record, and says how many were dropped. An error: it is too long to be told.
    pub fn push(
        &mut self,
        now: Instant,
        record: &impl Record,
        limit: usize,
    ) -> Result<(Pushed, u64), TooLong> {
        match self.phase {
            Phase::Idle => return Ok((Pushed::Nobody, 0)),
            Phase::Behind => return Ok((Pushed::Dropped, 1)),
            Phase::Bulk | Phase::Current => {}
        }
        let has_open = |entry: &mut Entry<Item>| matches!(&entry.what, Item::Records(batch) if !batch.is_full());
        if !self.queue.back_mut().is_some_and(has_open) {
            self.put(now, Item::Records(Batch::new(self.kind as u8)));
        }
        let Some(Entry {
            what: Item::Records(batch),
            ticket,
            ..
        }) = self.queue.back_mut()
        else {
            unreachable!("the last one is a batch");
        };
        let before = batch.size();
        let pushed = batch.push(record);
        self.queued += batch.size() - before;
        if pushed.is_ok() {
            self.ticket += 1;
            *ticket = self.ticket;
        } else if batch.count() == 0 {
            self.queued -= batch.size();
            self.queue.pop_back();
        }
        pushed?;
        if self.queued <= limit {
            return Ok((Pushed::Queued(self.ticket), 0));
        }
        Ok((Pushed::Dropped, self.fall_behind()))
    }

    /// Records that wait.
    fn waiting(&self) -> u64 {
        let counts = self.queue.iter().map(|entry| match &entry.what {
            Item::Records(batch) => batch.count(),
            Item::Begin | Item::End => 0,
        });
        counts.sum()
    }

    /// Whether something can be sent, with so many bytes outstanding at most. One message may always be.
    pub fn can_send(&self, window: usize) -> bool {
        let next = self.queue.front().map(|entry| entry.what.size());
        next.is_some_and(|size| self.sent.is_empty() || self.outstanding + size <= window)
    }

    /// The next message.
    pub fn next(&mut self) -> Option<Outgoing> {
        let Entry {
            what,
            since,
            ticket,
        } = self.queue.pop_front()?;
        let size = what.size();
        self.queued -= size;
        let first = self.last + 1;
        let kind = self.kind as u8;
        let mark = Mark {
            kind,
            number: first,
        };
        let (count, outgoing) = match what {
            Item::Begin => (1, Outgoing::mark(&Message::Begin(mark))),
            Item::End => (1, Outgoing::mark(&Message::End(mark))),
            Item::Records(batch) => {
                let records = batch.count();
                let bytes = batch.into_message(first);
                (records, Outgoing { bytes, records })
            }
        };
        self.last += count;
        self.outstanding += size;
        self.sent.push_back(Entry {
            what: Sent {
                last: self.last,
                size,
            },
            since,
            ticket,
        });
        Some(outgoing)
    }

    /// Takes an acknowledgement: the number among all pushed records of the last one that the peer has applied now. An
    /// error: of what was never sent.
    pub fn acknowledge(&mut self, number: u64) -> Result<Option<u64>, ()> {
        if number > self.last {
            return Err(());
        }
        let mut ticket = None;
        while let Some(entry) = self.sent.front()
            && entry.what.last <= number
        {
            ticket = Some(entry.ticket);
            self.outstanding -= entry.what.size;
            self.sent.pop_front();
        }
        Ok(ticket)
    }

    /// Age of the oldest record that the peer has not acknowledged.
    pub fn lag(&self, now: Instant) -> Duration {
        let sent = self.sent.front().map(|entry| entry.since);
        let oldest = sent.or(self.queue.front().map(|entry| entry.since));
        oldest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

impl Outgoing {
    fn mark(message: &Message<'_>) -> Self {
        Self {
            bytes: message.write(),
            records: 0,
        }
    }
}
