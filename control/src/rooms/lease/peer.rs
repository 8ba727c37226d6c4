//! The other router of a pair, as the rooms of both DHCP servers hear it and speak to it: one stream of records of the room of the
//! pair, which each hold one message.
//!
//! ```text
//!   begin    0   number of the conversation, the sender's (8)
//!   message  1   the sender's number (8)   the hearer's (8)   message (see `lease::sync`)
//! ```
//!
//! Of a conversation no message may be lost. The stream loses some when it is told again from the start, and a server that could not
//! store what it was about to say keeps that to itself: then the side that knows begins anew, with another number, and what
//! belongs to the conversation before is not heard any more. A router that starts, or has a session, begins as well.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pair::record::{self, Kind, Lease};
use pair::session::{Delivered, Delivery};
use protocols::pairing::Holds;
use tracing::warn;

use crate::bus::{Bus, Dhcp4Message, Dhcp6Message};
use crate::rooms::nd::seed;
use crate::rooms::pair::{ToKeeper, Told};
use lease::sync::{Family, Message};

const BEGIN: u8 = 0;
const MESSAGE: u8 = 1;

/// Leases that are told and not dealt with at most, before more of those that were there at the beginning are told.
const WINDOW: u64 = 1024;
/// Messages that wait for the leases to be loaded at most. The other router has a window of its own.
const EARLY: usize = 8192;
/// A pair's session ends when nothing was heard for less than this; so a router that has heard nothing for as long is not taken to be
/// there, nor does it take itself to know what the other one knows.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Which conversation a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversation {
    ours: u64,
    theirs: u64,
}

/// What a room hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerMessage {
    /// The operator says that the other router is gone: everything is given here, until it can be talked to again.
    Gone,
    /// A conversation begins.
    Up(Conversation),
    /// There is none.
    Down,
    /// The other server says this, in its order.
    Told(Vec<Message>),
}

/// The conversation, as far as the channel matters.
#[derive(Debug)]
struct Talk {
    /// The number that is used next.
    next: u64,
    ours: Option<u64>,
    theirs: Option<u64>,
}

/// What has been heard.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// A conversation begins.
    Begin(Conversation),
    Message(Box<Message>),
    /// It belongs to another conversation.
    Stale,
    Malformed,
}

impl Talk {
    /// Begins anew; the bytes that say so.
    fn begin(&mut self) -> Vec<u8> {
        let ours = self.next;
        self.next = self.next.wrapping_add(1);
        self.ours = Some(ours);
        [&[BEGIN][..], &ours.to_be_bytes()].concat()
    }

    fn end(&mut self) {
        (self.ours, self.theirs) = (None, None);
    }

    fn current(&self) -> Option<Conversation> {
        let (ours, theirs) = (self.ours?, self.theirs?);
        Some(Conversation { ours, theirs })
    }

    fn hear(&mut self, bytes: &[u8]) -> Heard {
        let number = |bytes: &[u8; 8]| u64::from_be_bytes(*bytes);
        let Some((kind, rest)) = bytes.split_first() else {
            return Heard::Malformed;
        };
        let Some((theirs, rest)) = rest.split_first_chunk() else {
            return Heard::Malformed;
        };
        let theirs = number(theirs);
        match (*kind, rest.split_first_chunk()) {
            (BEGIN, _) => {
                let is_new = self.theirs.replace(theirs) != Some(theirs);
                match self.current().filter(|_| is_new) {
                    Some(current) => Heard::Begin(current),
                    None => Heard::Stale,
                }
            }
            (MESSAGE, Some((ours, message))) => {
                let ours = number(ours);
                if self.current() != Some(Conversation { ours, theirs }) {
                    return Heard::Stale;
                }
                match Message::decode(message) {
                    Ok(message) => Heard::Message(Box::new(message)),
                    Err(_) => Heard::Malformed,
                }
            }
            _ => Heard::Malformed,
        }
    }
}

/// The way from the rooms to the room of the pair, and back.
#[derive(Debug)]
pub struct Way {
    bus: Bus,
    talk: Mutex<Talk>,
}

impl Way {
    /// Without a session. The numbers of this process are others than those of the last.
    pub fn new(bus: Bus) -> Arc<Self> {
        let talk = Mutex::new(Talk {
            next: seed(),
            ours: None,
            theirs: None,
        });
        Arc::new(Self { bus, talk })
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the room of the pair says of leases.
    pub fn keep(&self, what: ToKeeper) {
        match what {
            ToKeeper::Up { .. } => self.begin(),
            ToKeeper::Down => {
                self.talk().end();
                self.to_rooms(&PeerMessage::Down);
            }
            // What is there is told by the rooms, as the other router deals with it. But what was under way is lost.
            ToKeeper::Tell(kind) => {
                let has_begun = self.talk().current().is_some();
                self.bus.pair().all(kind, Vec::new());
                if has_begun {
                    self.begin();
                }
            }
            ToKeeper::Deliver(delivery) => self.deliver(&delivery),
            ToKeeper::Applied(..) => {}
        }
    }

    fn deliver(&self, delivery: &Delivery) {
        let mut refused = 0;
        let mut told = Vec::new();
        let records = match delivery.what {
            Delivered::Records(_) => Some(delivery.records()),
            Delivered::Begin | Delivered::End => None,
        };
        for record in records.into_iter().flatten() {
            let heard = match record::read::<Lease>(record) {
                Ok(lease) => self.talk().hear(&lease.message),
                Err(_) => Heard::Malformed,
            };
            match heard {
                Heard::Begin(conversation) => {
                    self.tell_rooms(&mut told);
                    self.to_rooms(&PeerMessage::Up(conversation));
                }
                Heard::Message(message) => told.push(*message),
                Heard::Stale => {}
                Heard::Malformed => refused += 1,
            }
        }
        self.tell_rooms(&mut told);
        if refused > 0 {
            warn!(
                refused,
                "what the other router says of leases is not understood"
            );
        }
        let pair = self.bus.pair();
        pair.applied(Kind::Lease, delivery.number, refused);
    }

    /// Gives each room what is for it.
    fn tell_rooms(&self, told: &mut Vec<Message>) {
        let is_4 = |message: &Message| message.family() == Family::V4;
        let (of_4, of_6): (Vec<_>, Vec<_>) = told.drain(..).partition(is_4);
        if !of_4.is_empty() {
            self.bus.dhcp4(Dhcp4Message::Peer(PeerMessage::Told(of_4)));
        }
        if !of_6.is_empty() {
            self.bus.dhcp6(Dhcp6Message::Peer(PeerMessage::Told(of_6)));
        }
    }

    /// Says something in a conversation; nothing, when that is over.
    pub fn tell(&self, conversation: Conversation, message: &Message) {
        let mut bytes = vec![MESSAGE];
        bytes.extend(conversation.ours.to_be_bytes());
        bytes.extend(conversation.theirs.to_be_bytes());
        message.encode(&mut bytes);
        self.push(bytes);
    }

    /// Begins anew, when the conversation that has gone wrong is the one that is held.
    pub fn restart(&self, conversation: Conversation) {
        if self.talk().current() == Some(conversation) {
            self.begin();
        }
    }

    /// Begins anew, if one is held: a room has forgotten it.
    pub fn forgotten(&self) {
        let current = self.talk().current();
        if let Some(conversation) = current {
            self.restart(conversation);
        }
    }

    /// The operator says that the other router is gone. Not while it can be talked to: then nothing is done, and false is told.
    pub fn gone(&self) -> bool {
        let is_gone = self.talk().current().is_none();
        if is_gone {
            self.to_rooms(&PeerMessage::Gone);
        }
        is_gone
    }

    fn begin(&self) {
        let (bytes, current) = {
            let mut talk = self.talk();
            (talk.begin(), talk.current())
        };
        self.push(bytes);
        if let Some(conversation) = current {
            self.to_rooms(&PeerMessage::Up(conversation));
        }
    }

    fn push(&self, message: Vec<u8>) {
        self.bus.pair().push(Told::Lease(Lease { message }));
    }

    fn to_rooms(&self, message: &PeerMessage) {
        self.bus.dhcp6(Dhcp6Message::Peer(message.clone()));
        self.bus.dhcp4(Dhcp4Message::Peer(message.clone()));
    }
}

/// A room's side: what waits for the other server, each of it a `T`.
#[derive(Debug)]
pub struct Peer<T> {
    way: Option<Arc<Way>>,
    conversation: Option<Conversation>,
    holds: Holds<T>,
    /// What has come before the leases were loaded.
    early: VecDeque<PeerMessage>,
    /// Until then the other server may take itself to know all, for it has not noticed that this one was away.
    unnoticed_until: Option<Instant>,
    unnoticed: Vec<T>,
}

impl<T> Peer<T> {
    /// Of a server that starts; without a way there is no other one.
    pub fn new(way: Option<Arc<Way>>, now: Instant) -> Self {
        if let Some(way) = &way {
            way.forgotten();
        }
        Peer {
            unnoticed_until: way.is_some().then(|| now + PATIENCE),
            way,
            conversation: None,
            holds: Holds::default(),
            early: VecDeque::new(),
            unnoticed: Vec::new(),
        }
    }

    /// Keeps what has come before the leases are loaded.
    pub fn keep_early(&mut self, message: PeerMessage) {
        if self.early.len() < EARLY {
            self.early.push_back(message);
        }
    }

    /// What has come by then.
    pub fn early(&mut self) -> VecDeque<PeerMessage> {
        std::mem::take(&mut self.early)
    }

    /// A conversation begins, or there is none; what waits no more.
    pub fn set(&mut self, conversation: Option<Conversation>) -> Vec<T> {
        self.conversation = conversation;
        let mut ready = self.holds.end();
        if conversation.is_some() {
            self.unnoticed_until = None;
            ready.append(&mut self.unnoticed);
        }
        ready
    }

    /// Says something.
    pub fn tell(&mut self, message: &Message) {
        if let (Some(way), Some(conversation)) = (&self.way, self.conversation) {
            self.holds.tell(message);
            way.tell(conversation, message);
        }
    }

    /// Something was said; what waits no more.
    pub fn heard(&mut self, message: &Message) -> Vec<T> {
        self.holds.heard(message)
    }

    /// Gives back what has to wait for nothing.
    pub fn hold(&mut self, what: T, now: Instant) -> Option<T> {
        if self.unnoticed_until.is_some_and(|until| now < until) {
            self.unnoticed.push(what);
            return None;
        }
        self.holds.hold(what, now)
    }

    /// Whether more of the leases that are there may be told.
    pub fn has_room(&self) -> bool {
        self.conversation.is_some() && self.holds.outstanding() < WINDOW
    }

    /// What was to be told will not be: the conversation is over.
    pub fn broken(&self) {
        if let (Some(way), Some(conversation)) = (&self.way, self.conversation) {
            way.restart(conversation);
        }
    }

    /// When [`Peer::timer`] is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let unnoticed = self.unnoticed_until.filter(|_| !self.unnoticed.is_empty());
        let held = self.holds.since().map(|since| since + PATIENCE);
        [unnoticed, held].into_iter().flatten().min()
    }

    /// What waits no more. A server that does not deal with what it is told is not waited for: it is begun anew with.
    pub fn timer(&mut self, now: Instant) -> Vec<T> {
        let mut ready = Vec::new();
        if self.unnoticed_until.is_some_and(|until| until <= now) {
            self.unnoticed_until = None;
            ready.append(&mut self.unnoticed);
        }
        if self
            .holds
            .since()
            .is_some_and(|since| since + PATIENCE <= now)
        {
            self.broken();
            ready.extend(self.holds.end());
        }
        ready
    }
}

#[cfg(test)]
mod tests;
