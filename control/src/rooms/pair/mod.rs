//! The room of the pair: tells the other router the state of this one, and applies what that one tells.
//!
//! ```text
//!   workers ── notes of flows ──► ┌──────────────────────┐
//!   engine, rooms ── PairHandle ► │ thread: session,     │ ◄══ TCP of the kernel's network ══► the other router
//!                 ◄── ToKeeper ── │ flows, sockets       │
//!                                 └──────────────────────┘
//! ```
//!
//! A thread with a Tokio runtime of its own: what it does for a hundred thousand flows a second delays no other room. Flows it tells and
//! applies itself. Every other kind has a *keeper*, which is told what has come, and which tells what it has: all of it when it is
//! asked to ([`ToKeeper::Tell`]), and then what changes. Nobody ever waits for the peer: what cannot be sent is dropped, and the
//! kind told again from the start ([`pair::session`]).

mod flows;
mod net;
mod task;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use pair::message::TooLong;
use pair::record::{Binding, DelegatedPrefix, Kind, Lease, Neighbor, Record, Station};
use pair::session::{Delivery, Machine, Pushed, Status};
use tables::id::AnchorId;
use tokio::sync::{mpsc, oneshot};

pub use task::{Means, PairTask};

/// A record of a kind that has a keeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A neighbour.
    Neighbor(Neighbor),
    /// A station of a network.
    Station(Station),
    /// An address of a port.
    Binding(Binding),
    /// A lease.
    Lease(Lease),
    /// A delegated prefix.
    Prefix(DelegatedPrefix),
}

impl Told {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Neighbor(_) => Neighbor::KIND,
            Self::Station(_) => Station::KIND,
            Self::Binding(_) => Binding::KIND,
            Self::Lease(_) => Lease::KIND,
            Self::Prefix(_) => DelegatedPrefix::KIND,
        }
    }

    fn push(&self, machine: &mut Machine, now: Instant) -> Result<Pushed, TooLong> {
        match self {
            Self::Neighbor(record) => machine.push(now, record),
            Self::Station(record) => machine.push(now, record),
            Self::Binding(record) => machine.push(now, record),
            Self::Lease(record) => machine.push(now, record),
            Self::Prefix(record) => machine.push(now, record),
        }
    }
}

/// What the keeper of a kind hears.
#[derive(Debug)]
pub enum ToKeeper {
    /// Tell all of the kind: [`PairHandle::all`].
    Tell(Kind),
    /// Apply this, and say so: [`PairHandle::applied`].
    Deliver(Delivery),
    /// The peer has applied the first so many records of the kind that were told since the start of the process.
    Applied(Kind, u64),
    /// The session has begun; whether the peer's process is another one than last time.
    Up {
        /// It has nothing of what it was told before.
        anew: bool,
    },
    /// It has ended.
    Down,
}

/// How a keeper is told.
pub type Keeper = Box<dyn Fn(ToKeeper) + Send>;

/// A port as flows need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOfFlows {
    /// Its anchor.
    pub anchor: AnchorId,
    /// Its name.
    pub name: String,
    /// Flows it may have.
    pub max_flows: u32,
}

/// To the room.
#[derive(Debug)]
pub enum PairMessage {
    /// A record is what it is now.
    Push(Told),
    /// These are all records of a kind.
    All(Kind, Vec<Told>),
    /// Deliveries of a kind are applied up to here; so many records were refused.
    Applied(Kind, u64, u64),
    /// The ports that have groups, and a hash of what both routers should have configured alike.
    Ports(Vec<PortOfFlows>, u64),
    /// What people see.
    Snapshot(oneshot::Sender<PairSnapshot>),
}

/// What people see.
#[derive(Clone, Debug)]
pub struct PairSnapshot {
    /// The session.
    pub status: Status,
    /// Flows that the peer keeps here.
    pub kept_flows: usize,
    /// The last thing that went wrong, and is so still.
    pub fault: Option<String>,
    /// When this was so.
    pub now: Instant,
}

/// Sends to the room; cheap to clone. Without a pair nobody listens, and nothing is kept.
#[derive(Clone, Debug)]
pub struct PairHandle {
    messages: mpsc::UnboundedSender<PairMessage>,
    is_up: Arc<AtomicBool>,
}

/// The room's ends.
#[derive(Debug)]
pub struct PairInbox {
    messages: mpsc::UnboundedReceiver<PairMessage>,
    is_up: Arc<AtomicBool>,
}

impl PairHandle {
    /// A handle, and what belongs to the room.
    pub fn new() -> (Self, PairInbox) {
        let (sender, messages) = mpsc::unbounded_channel();
        let is_up = Arc::<AtomicBool>::default();
        let handle = Self {
            messages: sender,
            is_up: is_up.clone(),
        };
        (handle, PairInbox { messages, is_up })
    }

    /// Whether there is a session: otherwise nothing needs to be told, as the next one begins with all.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Tells a record as it is now.
    pub fn push(&self, told: Told) {
        if self.is_up() {
            let _ = self.messages.send(PairMessage::Push(told));
        }
    }

    /// Tells all records of a kind: answers [`ToKeeper::Tell`].
    pub fn all(&self, kind: Kind, told: Vec<Told>) {
        let _ = self.messages.send(PairMessage::All(kind, told));
    }

    /// Says up to where deliveries of a kind are applied, and how many records could not be.
    pub fn applied(&self, kind: Kind, number: u64, refused: u64) {
        let _ = self
            .messages
            .send(PairMessage::Applied(kind, number, refused));
    }

    /// Says which ports there are; `config`: a hash of what both routers should have configured alike.
    pub fn ports(&self, ports: Vec<PortOfFlows>, config: u64) {
        let _ = self.messages.send(PairMessage::Ports(ports, config));
    }

    /// What people see; `None`: there is no pair.
    pub async fn snapshot(&self) -> Option<PairSnapshot> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(PairMessage::Snapshot(reply)).ok()?;
        answer.await.ok()
    }
}

/// Keepers by kind.
pub type Keepers = HashMap<Kind, Keeper>;
