//! The machine: `now` and what happens go in, what to do comes out. Here: who connects, and which connection is used.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::config::Config;
use super::counters::Counters;
use super::dialing::Dialing;
use super::stream::Stream;
use crate::message::{Bye, Heartbeat, Hello, Mark, Message, Records, VERSION};
use crate::record::Kind;

mod streams;

/// Connections that have not said who they are yet.
const MAX_STRANGERS: usize = 4;
/// A channel, as its task numbers it; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// What happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// A channel is open: both have the key.
    Connected {
        /// Which.
        conn: ConnId,
        /// Whether this side has dialled.
        dialled: bool,
    },
    /// An attempt to connect has failed.
    NotConnected {
        /// Because of the key.
        wrong_key: bool,
    },
    /// Somebody has connected and does not have the key.
    Stranger,
    /// A message.
    Frame {
        /// Where.
        conn: ConnId,
        /// What was sealed in it.
        bytes: &'a [u8],
    },
    /// A channel is gone.
    Lost(ConnId),
    /// [`Machine::next_deadline`] has come, or something was pushed or applied.
    Timer,
    /// The router stops.
    Stop,
}

/// Something of a kind that has come, to be applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The kind.
    pub kind: Kind,
    /// Up to where it is applied then: for [`Machine::applied`].
    pub number: u64,
    /// What it is.
    pub what: Delivered,
}

/// What a delivery is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The peer begins to tell all of the kind.
    Begin,
    /// It has: what was not told since the beginning is no more.
    End,
    /// A message of records; see [`Delivery::records`].
    Records(Vec<u8>),
}

impl Delivery {
    /// The bytes of each record.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let bytes = match &self.what {
            Delivered::Records(bytes) => Message::read(bytes),
            Delivered::Begin | Delivered::End => Ok(None),
        };
        let records = match bytes {
            Ok(Some(Message::Records(records))) => Some(records),
            _ => None,
        };
        records
            .into_iter()
            .flat_map(|records: Records<'_>| records.iter())
    }
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The connection is lost.
    #[error("the connection is lost")]
    Lost,
    /// The peer has said nothing for too long.
    #[error("the peer is silent")]
    Silent,
    /// The peer has ended it.
    #[error("{}", .0.text())]
    Bye(Bye),
    /// The peer has said something that it must not.
    #[error("the peer has said something that it must not")]
    Confused,
    /// The peer has connected anew.
    #[error("another connection has taken its place")]
    Replaced,
    /// This side stops.
    #[error("this router stops")]
    Stopped,
}

/// For people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// The peer does not have our key.
    #[error("a router that does not have our key was refused")]
    WrongKey,
    /// Both have one name.
    #[error("the peer has our own name: give the routers of a pair different ones")]
    SameNode,
    /// Versions differ.
    #[error("the peer speaks version {0} of the protocol of pairs, this router {VERSION}")]
    Version(u16),
    /// Configurations differ.
    #[error("the configuration of the peer differs from ours")]
    ConfigDiffers,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect to the peer, and say what came of it.
    Dial,
    /// Send a message.
    Send {
        /// Where.
        conn: ConnId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Close a channel when what was to be sent is sent.
    Close(ConnId),
    /// A session begins.
    Up(Hello),
    /// The session has ended. What the peer has told stays, and nobody keeps it now.
    Down(Why),
    /// Push all of a kind.
    Tell(Kind),
    /// Apply something.
    Deliver(Delivery),
    /// The peer has applied all that was pushed of a kind, up to this number of [`Pushed::Queued`].
    ///
    /// [`Pushed::Queued`]: super::Pushed::Queued
    Applied(Kind, u64),
    /// Tell people.
    Notice(Notice),
}

/// A channel.
#[derive(Debug)]
struct Conn {
    dialled: bool,
    since: Instant,
}

/// The channel in use.
#[derive(Debug)]
struct Session {
    conn: ConnId,
    dialled: bool,
    hello: Hello,
    same_config: bool,
    since: Instant,
    heard: Instant,
    /// The peer's latest heartbeat, and when it came.
    beat: Option<(u64, Instant)>,
    round_trip: Option<Duration>,
    sequence: u64,
    beats_at: Instant,
    receiving: [Receiving; crate::record::KINDS],
}

/// The receiving end of a stream.
#[derive(Clone, Copy, Debug, Default)]
struct Receiving {
    /// The number of the last item that came.
    last: u64,
    applied: u64,
    acknowledged: u64,
    /// A bulk is under way.
    in_bulk: bool,
    complete: bool,
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    start: Instant,
    dialing: Dialing,
    /// Channels that have not said who they are.
    strangers: BTreeMap<ConnId, Conn>,
    session: Option<Session>,
    streams: [Stream; crate::record::KINDS],
    /// Records that may be sent; negative: some went ahead of the rate.
    tokens: i64,
    filled: Instant,
    stopped: bool,
    counters: Counters,
}

impl Machine {
    /// A machine that dials at once.
    pub fn new(config: Config, now: Instant) -> Self {
        let mut dialing = Dialing::new(config.seed);
        dialing.now(now);
        Self {
            dialing,
            start: now,
            strangers: BTreeMap::new(),
            session: None,
            streams: Kind::ALL.map(Stream::new),
            tokens: 0,
            filled: now,
            stopped: false,
            counters: Counters::default(),
            config,
        }
    }

    /// Deals with something.
    pub fn on_event(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Action>) {
        match event {
            Event::Connected { conn, dialled } => self.connected(now, conn, dialled, out),
            Event::NotConnected { wrong_key } => {
                self.counters.session.failed_dials += 1;
                if self.session.is_none() && !self.stopped {
                    self.dialing.later(now, self.config.retry);
                }
                if wrong_key {
                    self.counters.session.wrong_key += 1;
                    out.push(Action::Notice(Notice::WrongKey));
                }
            }
            Event::Stranger => {
                self.counters.session.wrong_key += 1;
                out.push(Action::Notice(Notice::WrongKey));
            }
            Event::Frame { conn, bytes } => self.frame(now, conn, bytes, out),
            Event::Lost(conn) => self.lost(now, conn, out),
            Event::Timer => {}
            Event::Stop => self.stop(now, out),
        }
        self.look(now, out);
    }

    /// When [`Event::Timer`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        let hello = self.strangers.values().map(|c| c.since + self.config.hello);
        let session = self.session.as_ref().map(|session| {
            let beat = session.beats_at.min(session.heard + self.config.dead);
            let bulk = self.streams.iter().filter_map(Stream::bulk_at).min();
            let waits = |stream: &Stream| stream.can_send(self.config.window);
            let sends = self.streams.iter().any(waits).then(|| self.may_send_at());
            [Some(beat), bulk, sends].into_iter().flatten().min()
        });
        hello
            .chain(self.dialing.at())
            .chain(session.flatten())
            .min()
    }

    /// Does what is due.
    fn look(&mut self, now: Instant, out: &mut Vec<Action>) {
        let hello = self.config.hello;
        let overdue = |conn: &Conn| conn.since + hello <= now;
        while let Some((&conn, _)) = self.strangers.iter().find(|(_, conn)| overdue(conn)) {
            out.push(Action::Close(conn));
            self.forget(now, conn);
        }
        if let Some(session) = &self.session
            && session.heard + self.config.dead <= now
        {
            let conn = session.conn;
            self.down(now, Why::Silent, out);
            out.push(Action::Close(conn));
        }
        if self.dialing.take(now) {
            out.push(Action::Dial);
        }
        self.send(now, out);
    }

    // ----- connections -----

    /// What both should have configured alike has this hash from now on: told when a session begins.
    pub const fn configured(&mut self, config: u64) {
        self.config.config = config;
    }

    fn connected(&mut self, now: Instant, conn: ConnId, dialled: bool, out: &mut Vec<Action>) {
        if self.stopped {
            return out.push(Action::Close(conn));
        }
        if self.strangers.len() >= MAX_STRANGERS {
            // The oldest one had the most time to say who it is.
            if let Some((oldest, _)) = self.strangers.pop_first() {
                out.push(Action::Close(oldest));
            }
        }
        let since = now;
        self.strangers.insert(conn, Conn { dialled, since });
        let hello = Message::Hello(Hello {
            version: VERSION,
            node: self.config.node.clone(),
            boot: self.config.boot,
            config: self.config.config,
        });
        let bytes = hello.write();
        out.push(Action::Send { conn, bytes });
    }

    fn frame(&mut self, now: Instant, conn: ConnId, bytes: &[u8], out: &mut Vec<Action>) {
        let message = match Message::read(bytes) {
            Ok(Some(message)) => message,
            Ok(None) => {
                self.counters.session.unknown_messages += 1;
                return;
            }
            Err(_) => return self.confused(now, conn, out),
        };
        if let Some(stranger) = self.strangers.remove(&conn) {
            return match message {
                Message::Hello(hello) => self.greet(now, conn, stranger, hello, out),
                Message::Bye(bye) => self.parted(now, bye, conn, out),
                _ => self.confused(now, conn, out),
            };
        }
        // Of a channel that was closed, some may still come.
        let Some(session) = self.session.as_mut().filter(|s| s.conn == conn) else {
            return;
        };
        session.heard = now;
        match message {
            Message::Hello(_) => self.confused(now, conn, out),
            Message::Heartbeat(heartbeat) => session.hear(now, self.start, &heartbeat),
            Message::Bye(bye) => {
                self.down(now, Why::Bye(bye), out);
                self.parted(now, bye, conn, out);
            }
            Message::Acknowledge(mark) => self.acknowledged(now, conn, mark, out),
            Message::Again(kind) => self.wanted_again(kind),
            Message::Begin(mark) => self.deliver(now, conn, mark, 1, Delivered::Begin, out),
            Message::End(mark) => self.deliver(now, conn, mark, 1, Delivered::End, out),
            Message::Records(records) => {
                let mark = Mark {
                    kind: records.kind,
                    number: records.first,
                };
                let (n, what) = (records.len() as u64, Delivered::Records(bytes.to_vec()));
                self.deliver(now, conn, mark, n, what, out);
            }
        }
    }

    /// Somebody says who it is.
    fn greet(
        &mut self,
        now: Instant,
        conn: ConnId,
        stranger: Conn,
        hello: Hello,
        out: &mut Vec<Action>,
    ) {
        if hello.version != VERSION {
            out.push(Action::Notice(Notice::Version(hello.version)));
            return self.dismiss(now, conn, Bye::Version, out);
        }
        if hello.node == self.config.node {
            out.push(Action::Notice(Notice::SameNode));
            return self.dismiss(now, conn, Bye::SameNode, out);
        }
        if let Some(session) = &self.session {
            let ours_wins = self.config.node > hello.node;
            let keeps = session.hello.boot == hello.boot
                && session.dialled == ours_wins
                && stranger.dialled != ours_wins;
            if keeps {
                return self.dismiss(now, conn, Bye::Twice, out);
            }
            let old = session.conn;
            self.down(now, Why::Replaced, out);
            self.part(old, Bye::Twice, out);
        }
        self.up(now, conn, stranger.dialled, hello, out);
    }

    fn up(
        &mut self,
        now: Instant,
        conn: ConnId,
        dialled: bool,
        hello: Hello,
        out: &mut Vec<Action>,
    ) {
        self.counters.session.sessions += 1;
        self.dialing.stop();
        let same_config = hello.config == self.config.config;
        if !same_config {
            out.push(Action::Notice(Notice::ConfigDiffers));
        }
        out.push(Action::Up(hello.clone()));
        self.session = Some(Session {
            conn,
            dialled,
            hello,
            same_config,
            since: now,
            heard: now,
            beat: None,
            round_trip: None,
            sequence: 0,
            beats_at: now,
            receiving: Default::default(),
        });
        for kind in self.config.kinds.clone() {
            self.streams[kind.index()].begin_bulk(now);
            self.counters.of(kind).bulks_sent += 1;
            out.push(Action::Tell(kind));
        }
    }

    fn down(&mut self, now: Instant, why: Why, out: &mut Vec<Action>) {
        if self.session.take().is_none() {
            return;
        }
        self.counters.session.ended += 1;
        self.streams.iter_mut().for_each(Stream::end);
        out.push(Action::Down(why));
        if !self.stopped {
            self.dialing.later(now, self.config.retry);
        }
    }

    fn lost(&mut self, now: Instant, conn: ConnId, out: &mut Vec<Action>) {
        if self.session.as_ref().is_some_and(|s| s.conn == conn) {
            self.down(now, Why::Lost, out);
        }
        self.forget(now, conn);
    }

    /// A channel that was not the session's is gone.
    fn forget(&mut self, now: Instant, conn: ConnId) {
        self.strangers.remove(&conn);
        if self.session.is_none() && !self.stopped && self.dialing.at().is_none() {
            self.dialing.later(now, self.config.retry);
        }
    }

    /// The peer has ended a channel, and says why.
    fn parted(&mut self, now: Instant, bye: Bye, conn: ConnId, out: &mut Vec<Action>) {
        match bye {
            Bye::SameNode => out.push(Action::Notice(Notice::SameNode)),
            Bye::Stops | Bye::Twice | Bye::Version | Bye::Confused | Bye::Other => {}
        }
        out.push(Action::Close(conn));
        self.forget(now, conn);
    }

    fn part(&mut self, conn: ConnId, bye: Bye, out: &mut Vec<Action>) {
        let bytes = Message::Bye(bye).write();
        out.push(Action::Send { conn, bytes });
        out.push(Action::Close(conn));
    }

    /// Ends a channel that is none of the session.
    fn dismiss(&mut self, now: Instant, conn: ConnId, bye: Bye, out: &mut Vec<Action>) {
        self.part(conn, bye, out);
        self.forget(now, conn);
    }

    fn confused(&mut self, now: Instant, conn: ConnId, out: &mut Vec<Action>) {
        self.counters.session.confused += 1;
        if self.session.as_ref().is_some_and(|s| s.conn == conn) {
            self.down(now, Why::Confused, out);
        }
        self.dismiss(now, conn, Bye::Confused, out);
    }

    fn stop(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.stopped = true;
        self.dialing.stop();
        if let Some(conn) = self.session.as_ref().map(|session| session.conn) {
            self.part(conn, Bye::Stops, out);
            self.down(now, Why::Stopped, out);
        }
        for conn in std::mem::take(&mut self.strangers).into_keys() {
            out.push(Action::Close(conn));
        }
    }
}

impl Session {
    /// A heartbeat to be sent.
    fn beat(&mut self, now: Instant, start: Instant) -> Vec<u8> {
        self.sequence += 1;
        let heartbeat = Heartbeat {
            sequence: self.sequence,
            sent: micros(now.saturating_duration_since(start)),
            heard: self
                .beat
                .map(|(sent, came)| (sent, micros(now.saturating_duration_since(came)))),
        };
        Message::Heartbeat(heartbeat).write()
    }

    /// A heartbeat of the peer.
    fn hear(&mut self, now: Instant, start: Instant, heartbeat: &Heartbeat) {
        self.beat = Some((heartbeat.sent, now));
        if let Some((sent, waited)) = heartbeat.heard {
            let passed = micros(now.saturating_duration_since(start));
            let took = passed.checked_sub(sent).and_then(|t| t.checked_sub(waited));
            self.round_trip = took.map(Duration::from_micros).or(self.round_trip);
        }
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}
