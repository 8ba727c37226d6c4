//! What is told and what has come: streams of records, their numbers, window and rate.

use std::time::{Duration, Instant};

use super::super::status::{KindStatus, PeerStatus, Phase, Status};
use super::super::stream::Pushed;
use super::{Action, ConnId, Delivered, Delivery, Machine};
use crate::message::{Mark, Message, TooLong};
use crate::record::{Kind, Record};

/// The order in which kinds are sent: first what is rare and dear to lose.
const ORDER: [Kind; 6] = [
    Kind::Lease,
    Kind::Prefix,
    Kind::Binding,
    Kind::Neighbor,
    Kind::Station,
    Kind::Flow,
];

impl Machine {
    // ----- what is told -----

    /// Bytes of a kind that can be pushed now without any being dropped.
    pub fn room(&self, kind: Kind) -> usize {
        self.streams[kind.index()].room(self.config.queue)
    }

    /// Tells a record. It is sent at the next event.
    ///
    /// # Errors
    /// It is too long.
    pub fn push<R: Record>(&mut self, now: Instant, record: &R) -> Result<Pushed, TooLong> {
        let stream = &mut self.streams[R::KIND.index()];
        let (pushed, dropped) = stream.push(now, record, self.config.queue)?;
        self.counters.of(R::KIND).dropped += dropped;
        Ok(pushed)
    }

    /// All of a kind was pushed: answers [`Action::Tell`].
    pub fn told(&mut self, now: Instant, kind: Kind) {
        self.streams[kind.index()].told(now);
    }

    /// All of a kind should be told again, as something of it was lost before it was pushed.
    pub fn tell_again(&mut self, now: Instant, kind: Kind, out: &mut Vec<Action>) {
        let stream = &mut self.streams[kind.index()];
        if matches!(stream.phase, Phase::Current | Phase::Bulk) {
            stream.begin_bulk(now);
            self.counters.of(kind).bulks_sent += 1;
            out.push(Action::Tell(kind));
        }
    }

    // ----- what has come -----

    /// A delivery is applied, and all before it. It is acknowledged at the next event.
    pub fn applied(&mut self, kind: Kind, number: u64) {
        if let Some(session) = &mut self.session {
            let receiving = &mut session.receiving[kind.index()];
            receiving.applied = receiving.applied.max(number.min(receiving.last));
        }
    }

    /// Has the peer tell all of a kind again: more of it can be applied now.
    pub fn ask_again(&self, kind: Kind, out: &mut Vec<Action>) {
        if let Some(session) = &self.session {
            let conn = session.conn;
            let bytes = Message::Again(kind as u8).write();
            out.push(Action::Send { conn, bytes });
        }
    }

    /// The peer wants all of a kind again. It is told when what is on its way has arrived, and not twice in a second.
    pub(super) fn wanted_again(&mut self, number: u8) {
        if let Some(kind) = Kind::of_number(number)
            && self.streams[kind.index()].phase == Phase::Current
        {
            self.streams[kind.index()].fall_behind();
        }
    }

    /// Counts records that were refused.
    pub fn refused(&mut self, kind: Kind, records: u64) {
        self.counters.of(kind).refused += records;
    }

    /// Whether there is a session.
    pub const fn is_up(&self) -> bool {
        self.session.is_some()
    }

    /// What people see.
    pub fn status(&self, now: Instant) -> Status {
        let session = self.session.as_ref();
        let kinds = self.streams.iter().zip(Kind::ALL).map(|(stream, kind)| {
            let receiving = session.map(|session| session.receiving[kind.index()]);
            KindStatus {
                kind,
                phase: stream.phase,
                queued: stream.queued,
                outstanding: stream.outstanding,
                lag: stream.lag(now),
                complete: receiving.is_some_and(|receiving| receiving.complete),
            }
        });
        Status {
            peer: session.map(|session| PeerStatus {
                node: session.hello.node.clone(),
                boot: session.hello.boot,
                same_config: session.same_config,
                since: session.since,
                round_trip: session.round_trip,
            }),
            kinds: kinds.collect(),
            counters: self.counters,
        }
    }

    // ----- streams -----

    pub(super) fn acknowledged(
        &mut self,
        now: Instant,
        conn: ConnId,
        mark: Mark,
        out: &mut Vec<Action>,
    ) {
        let Some(kind) = Kind::of_number(mark.kind) else {
            return self.confused(now, conn, out);
        };
        match self.streams[kind.index()].acknowledge(mark.number) {
            Ok(Some(ticket)) => out.push(Action::Applied(kind, ticket)),
            Ok(None) => {}
            Err(()) => self.confused(now, conn, out),
        }
    }

    /// Takes `n` items of a stream, the first of which has the number of the mark.
    pub(super) fn deliver(
        &mut self,
        now: Instant,
        conn: ConnId,
        mark: Mark,
        n: u64,
        what: Delivered,
        out: &mut Vec<Action>,
    ) {
        let Some(session) = &mut self.session else {
            return;
        };
        let number = mark.number.saturating_add(n - 1);
        let Some(kind) = Kind::of_number(mark.kind) else {
            // A later release's. It is not kept waiting.
            if let Delivered::Records(_) = what {
                self.counters.session.unknown_records += n;
            }
            let kind = mark.kind;
            let bytes = Message::Acknowledge(Mark { kind, number }).write();
            return out.push(Action::Send { conn, bytes });
        };
        let receiving = &mut session.receiving[kind.index()];
        if mark.number != receiving.last + 1 {
            return self.confused(now, conn, out);
        }
        receiving.last = number;
        let counters = self.counters.of(kind);
        match what {
            Delivered::Begin => {
                receiving.in_bulk = true;
                receiving.complete = false;
            }
            Delivered::End if !receiving.in_bulk => return self.confused(now, conn, out),
            Delivered::End => {
                receiving.in_bulk = false;
                receiving.complete = true;
                counters.bulks_received += 1;
            }
            Delivered::Records(_) => counters.received += n,
        }
        out.push(Action::Deliver(Delivery { kind, number, what }));
    }

    pub(super) fn send(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.fill(now);
        let Some(session) = &mut self.session else {
            return;
        };
        let conn = session.conn;
        let mut put = |bytes: Vec<u8>| out.push(Action::Send { conn, bytes });
        if session.beats_at <= now {
            session.beats_at = now + self.config.heartbeat;
            put(session.beat(now, self.start));
        }
        for (receiving, kind) in session.receiving.iter_mut().zip(Kind::ALL) {
            if receiving.acknowledged < receiving.applied {
                receiving.acknowledged = receiving.applied;
                let (kind, number) = (kind as u8, receiving.applied);
                put(Message::Acknowledge(Mark { kind, number }).write());
            }
        }
        for kind in ORDER {
            let stream = &mut self.streams[kind.index()];
            if stream.wants_bulk(now) {
                stream.begin_bulk(now);
                self.counters.of(kind).bulks_sent += 1;
                out.push(Action::Tell(kind));
            }
            while self.tokens >= 0
                && stream.can_send(self.config.window)
                && let Some(outgoing) = stream.next()
            {
                self.tokens -= outgoing.records as i64;
                self.counters.of(kind).sent += outgoing.records;
                out.push(Action::Send {
                    conn,
                    bytes: outgoing.bytes,
                });
            }
        }
    }

    /// Lets records be sent, as time passes: those of a tenth of a second at a time at most.
    fn fill(&mut self, now: Instant) {
        let rate = u128::from(self.config.rate.max(1));
        let passed = now.saturating_duration_since(self.filled);
        let tokens = (passed.as_nanos() * rate / 1_000_000_000).min(i64::MAX as u128) as i64;
        if tokens > 0 {
            self.filled = now;
            let most = i64::from(self.config.rate / 10);
            self.tokens = self.tokens.saturating_add(tokens).min(most);
        }
    }

    /// When the rate lets something be sent.
    pub(super) fn may_send_at(&self) -> Instant {
        let missing = u64::try_from(-self.tokens).unwrap_or(0);
        let nanos = missing.saturating_mul(1_000_000_000) / u64::from(self.config.rate.max(1));
        self.filled + Duration::from_nanos(nanos)
    }
}
