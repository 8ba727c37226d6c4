//! What people see of a session.

use std::time::{Duration, Instant};

use super::counters::Counters;
use crate::record::Kind;

/// How far the peer has what is told of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There is no session, or the kind is not told.
    Idle,
    /// All of it is being told.
    Bulk,
    /// What changes is told.
    Current,
    /// The queue was full: all of it will be told again.
    Behind,
}

impl Phase {
    /// As it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Bulk => "bulk",
            Self::Current => "current",
            Self::Behind => "behind",
        }
    }
}

/// A kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindStatus {
    /// Which.
    pub kind: Kind,
    /// How far the peer has it.
    pub phase: Phase,
    /// Bytes that wait.
    pub queued: usize,
    /// Bytes that were sent and not acknowledged.
    pub outstanding: usize,
    /// Age of the oldest record that the peer has not acknowledged.
    pub lag: Duration,
    /// Whether the peer has told all of it.
    pub complete: bool,
}

/// The peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its name.
    pub node: String,
    /// Drawn when its process has started.
    pub boot: u64,
    /// Whether its configuration had the hash of ours when the session began.
    pub same_config: bool,
    /// When the session began.
    pub since: Instant,
    /// How long a message and its answer took, the last time.
    pub round_trip: Option<Duration>,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The peer, while there is a session.
    pub peer: Option<PeerStatus>,
    /// The kinds that are told, and those that were received.
    pub kinds: Vec<KindStatus>,
    /// The counters.
    pub counters: Counters,
}

impl Status {
    /// Age of the oldest record that the peer has not acknowledged.
    pub fn lag(&self) -> Duration {
        let lags = self.kinds.iter().map(|kind| kind.lag);
        lags.max().unwrap_or_default()
    }
}
