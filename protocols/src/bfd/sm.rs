//! The machine: events in, actions out. One machine holds all sessions, which share nothing but the timer queue.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tables::id::IfaceId;

use super::config::{Config, MAX_SESSIONS, SessionId};
use super::counters::Counters;
use super::error::ConfigError;
use super::packet::{Diagnostic, Invalid, Packet, State};
use super::session::{Remote, Session};
use crate::{Random, timers::Timers};

/// UDP port that control packets go to (RFC 5881 section 4).
pub const PORT: u16 = 3784;
/// First of the source ports (RFC 5881 section 4); the last is 65535.
const FIRST_SOURCE_PORT: u16 = 49_152;
/// What control packets leave with, and must come with (RFC 5881 section 5).
pub const HOP_LIMIT: u8 = 255;

/// A UDP datagram to port 3784, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Where.
    pub iface: IfaceId,
    /// Source address.
    pub source: IpAddr,
    /// Destination address: one of ours.
    pub destination: IpAddr,
    /// Hop limit, or time to live.
    pub hop_limit: u8,
    /// What follows the UDP header.
    pub payload: &'a [u8],
}

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A session is wanted, or its variables have changed.
    Configure {
        /// Which.
        session: SessionId,
        /// What holds from now on.
        config: Box<Config>,
    },
    /// A session is not wanted any more: the peer is told, once.
    Remove {
        /// Which.
        session: SessionId,
    },
    /// Packets can be sent. An interface of which nothing is told is down.
    LinkUp {
        /// On which interface.
        iface: IfaceId,
    },
    /// No packet can be sent: its sessions are down.
    LinkDown {
        /// On which interface.
        iface: IfaceId,
    },
    /// A datagram came; its checksum is right.
    Packet(Datagram<'a>),
    /// The router stops: every peer is told that it is no failure.
    Shutdown,
    /// `next_deadline()` has come.
    Timer,
}

/// What a session says about the path to its peer (RFC 5882 sections 3.2 and 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// Nothing: it was never Up since it began, or since it was switched on again.
    #[default]
    Unknown,
    /// Both ends hear each other.
    Up,
    /// They did, and do not any more.
    Failed,
    /// Nothing: it was switched off, here or there.
    SwitchedOff,
}

impl Path {
    /// Its name in the CLI and in events.
    pub const fn label(self) -> &'static str {
        match self {
            Path::Unknown => "unknown",
            Path::Up => "up",
            Path::Failed => "failed",
            Path::SwitchedOff => "switched_off",
        }
    }
}

/// What the router shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a UDP datagram to [`PORT`] with [`HOP_LIMIT`].
    Send {
        /// From and to the addresses, and out of the interface, of this session.
        session: SessionId,
        /// Its source port.
        source_port: u16,
        /// What follows the UDP header.
        payload: Vec<u8>,
    },
    /// A session has changed its state: for the log.
    State {
        /// Which.
        session: SessionId,
        /// What it was.
        from: State,
        /// What it is.
        to: State,
        /// Why.
        diagnostic: Diagnostic,
    },
    /// What is known of the path has changed: for routes and whoever else depends on it.
    Path {
        /// By which session.
        session: SessionId,
        /// What is known.
        path: Path,
    },
    /// A session that cannot be kept; it is as it was.
    Refused {
        /// Which.
        session: SessionId,
        /// Why.
        faults: Vec<ConfigError>,
    },
}

/// A session as `show bfd` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Which.
    pub session: SessionId,
    /// Its variables.
    pub config: Config,
    /// How far it is.
    pub state: State,
    /// Why its state changed last.
    pub diagnostic: Diagnostic,
    /// What it says about the path.
    pub path: Path,
    /// Since when it is in its state.
    pub since: Instant,
    /// Our name of it.
    pub local_discriminator: u32,
    /// Our source port.
    pub source_port: u16,
    /// What the peer has told, if it is heard.
    pub remote: Option<Remote>,
    /// At what interval we send, before jitter; none when we are silent.
    pub transmit_interval: Option<Duration>,
    /// After how long a silence the peer is given up, if it is heard.
    pub detection_time: Option<Duration>,
    /// Whether we wait for the peer to confirm a change of our timers.
    pub polling: bool,
}

/// What a timer is for, by the local discriminator of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The next packet.
    Transmit(u32),
    /// The peer is given up.
    Detect(u32),
}

/// What a session needs from outside while it handles one event.
pub(super) struct Context<'a> {
    pub now: Instant,
    pub discriminator: u32,
    pub timers: &'a mut Timers<Key>,
    pub random: &'a mut Random,
    pub out: &'a mut Vec<Action>,
}

/// All sessions.
#[derive(Debug)]
pub struct Machine {
    /// By our discriminator.
    sessions: BTreeMap<u32, Session>,
    discriminators: BTreeMap<SessionId, u32>,
    /// Source ports of the sessions.
    ports: BTreeSet<u16>,
    /// Interfaces that are up.
    up: BTreeSet<IfaceId>,
    timers: Timers<Key>,
    random: Random,
    /// Of all sessions; it is asked for more often than it changes.
    shortest: Option<Duration>,
    /// Of packets that belong to no session, by interface.
    strays: BTreeMap<IfaceId, Counters>,
}

impl Machine {
    /// A machine without sessions; `seed` sets discriminators, source ports and jitter.
    pub fn new(seed: u64) -> Self {
        Machine {
            sessions: BTreeMap::new(),
            discriminators: BTreeMap::new(),
            ports: BTreeSet::new(),
            up: BTreeSet::new(),
            timers: Timers::default(),
            random: Random::new(seed),
            shortest: None,
            strays: BTreeMap::new(),
        }
    }

    /// When `Event::Timer` is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The shortest interval at which packets of any session are expected or due; none without sessions.
    pub fn shortest_interval(&self) -> Option<Duration> {
        self.shortest
    }

    /// Handles one event; what is to be done is appended to `out`, in order.
    pub fn on_event(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Action>) {
        match event {
            Event::Configure { session, config } => {
                self.configure(now, session, *config, out);
                self.find_shortest();
            }
            Event::Remove { session } => {
                if let Some(discriminator) = self.discriminators.remove(&session) {
                    self.with(now, discriminator, out, Session::remove);
                    if let Some(session) = self.sessions.remove(&discriminator) {
                        self.ports.remove(&session.source_port());
                    }
                    self.find_shortest();
                }
            }
            Event::LinkUp { iface } => {
                self.up.insert(iface);
                self.set_link(now, iface, true, out);
            }
            Event::LinkDown { iface } => {
                self.up.remove(&iface);
                self.set_link(now, iface, false, out);
            }
            Event::Packet(datagram) => self.receive(now, &datagram, out),
            Event::Shutdown => {
                for discriminator in self.sessions.keys().copied().collect::<Vec<_>>() {
                    self.with(now, discriminator, out, Session::switch_off);
                }
            }
            Event::Timer => {
                // It ends: what a timer arms is later, or is one packet that is overdue.
                while let Some(key) = self.timers.pop_due(now) {
                    match key {
                        Key::Transmit(of) => self.with(now, of, out, Session::transmit_timer),
                        Key::Detect(of) => self.with(now, of, out, Session::detect_timer),
                    }
                }
            }
        }
    }

    fn find_shortest(&mut self) {
        let each = self.sessions.values().map(Session::shortest_interval);
        self.shortest = each.min();
    }

    fn configure(&mut self, now: Instant, id: SessionId, config: Config, out: &mut Vec<Action>) {
        let known = self.discriminators.get(&id).copied();
        let mut faults = id.validate();
        faults.extend(config.validate());
        if known.is_none() && MAX_SESSIONS <= self.sessions.len() {
            faults.push(ConfigError::Full(MAX_SESSIONS));
        }
        if !faults.is_empty() {
            let session = id;
            out.push(Action::Refused { session, faults });
            return;
        }
        if let Some(discriminator) = known {
            self.with(now, discriminator, out, |s, cx| s.configure(cx, config));
            return;
        }
        let discriminator = self.unused_discriminator();
        let source_port = self.unused_source_port();
        let mut cx = Context {
            now,
            discriminator,
            timers: &mut self.timers,
            random: &mut self.random,
            out,
        };
        let mut session = Session::new(&mut cx, id, source_port, config.clone());
        session.configure(&mut cx, config);
        session.set_link(&mut cx, self.up.contains(&id.iface));
        self.sessions.insert(discriminator, session);
        self.discriminators.insert(id, discriminator);
    }

    /// Random, so that nobody can guess it (RFC 5880 section 9), and not 0.
    fn unused_discriminator(&mut self) -> u32 {
        loop {
            let discriminator = self.random.next_u64() as u32;
            if discriminator != 0 && !self.sessions.contains_key(&discriminator) {
                return discriminator;
            }
        }
    }

    /// The port of no other session; there are more than sessions.
    fn unused_source_port(&mut self) -> u16 {
        loop {
            let port = FIRST_SOURCE_PORT | self.random.next_u64() as u16;
            if self.ports.insert(port) {
                return port;
            }
        }
    }

    fn set_link(&mut self, now: Instant, iface: IfaceId, up: bool, out: &mut Vec<Action>) {
        let on_link =
            |(id, discriminator): (&SessionId, &u32)| (id.iface == iface).then_some(*discriminator);
        let affected: Vec<_> = self.discriminators.iter().filter_map(on_link).collect();
        for discriminator in affected {
            self.with(now, discriminator, out, |s, cx| s.set_link(cx, up));
        }
    }

    fn receive(&mut self, now: Instant, datagram: &Datagram<'_>, out: &mut Vec<Action>) {
        let id = SessionId {
            iface: datagram.iface,
            local: datagram.destination,
            peer: datagram.source,
        };
        let ours = self.discriminators.get(&id).copied();
        let mut verdict = self.read(datagram, ours);
        if let (Ok(packet), Some(of)) = (verdict, ours) {
            let mut received = Ok(());
            self.with(now, of, out, |s, cx| received = s.receive(cx, &packet));
            verdict = received.map(|()| packet);
        }
        if let Err(invalid) = verdict {
            let session = ours.and_then(|of| self.sessions.get_mut(&of));
            let counters = match session {
                Some(session) => &mut session.counters,
                None => self.strays.entry(datagram.iface).or_default(),
            };
            counters.count_invalid(invalid.label());
        }
    }

    /// The packet of a datagram, if the session of its addresses is the one that it means (RFC 5880 section 6.8.6).
    fn read<'a>(&self, datagram: &Datagram<'a>, ours: Option<u32>) -> Result<Packet<'a>, Invalid> {
        if datagram.hop_limit != HOP_LIMIT {
            return Err(Invalid::HopLimit);
        }
        let packet = Packet::read(datagram.payload)?;
        let means = packet.control.your_discriminator;
        match ours {
            Some(of) if means == of || means == 0 => Ok(packet),
            _ if means != 0 && self.sessions.contains_key(&means) => Err(Invalid::WrongPeer),
            _ => Err(Invalid::UnknownSession),
        }
    }

    /// Lets one session act; nothing happens when there is none.
    fn with(
        &mut self,
        now: Instant,
        discriminator: u32,
        out: &mut Vec<Action>,
        act: impl FnOnce(&mut Session, &mut Context<'_>),
    ) {
        if let Some(session) = self.sessions.get_mut(&discriminator) {
            let (timers, random) = (&mut self.timers, &mut self.random);
            let mut cx = Context {
                now,
                discriminator,
                timers,
                random,
                out,
            };
            act(session, &mut cx);
        }
    }

    /// All sessions, in the order of their interfaces and addresses.
    pub fn snapshot(&self) -> Vec<Snapshot> {
        let sessions = self.discriminators.values();
        sessions
            .filter_map(|of| self.sessions.get(of).map(Session::snapshot))
            .collect()
    }

    /// The counters of each session.
    pub fn counters(&self) -> impl Iterator<Item = (SessionId, &Counters)> {
        self.sessions.values().map(|s| (s.id(), &s.counters))
    }

    /// The counters of packets that belong to no session, of each interface.
    pub fn strays(&self) -> impl Iterator<Item = (IfaceId, &Counters)> {
        self.strays
            .iter()
            .map(|(iface, counters)| (*iface, counters))
    }
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
