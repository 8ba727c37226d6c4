//! What the routers of a pair tell each other.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The other router of a pair, and how far each knows what the other has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairSync {
    /// Where this router listens.
    pub local: SocketAddr,
    /// Where the other one does.
    pub peer: SocketAddr,
    /// Whether they are connected.
    pub connected: bool,
    /// Since when, milliseconds.
    #[serde(default)]
    pub since_ms: Option<u64>,
    /// Why they are not, as far as is known.
    #[serde(default)]
    pub fault: Option<String>,
    /// Whether both had the same configuration, but for addresses, when they connected.
    #[serde(default)]
    pub same_config: Option<bool>,
    /// How long a message and its answer take, microseconds.
    #[serde(default)]
    pub round_trip_us: Option<u64>,
    /// Age of the oldest record that the other router has not acknowledged, milliseconds.
    pub lag_ms: u64,
    /// Flows here that the other router keeps.
    pub kept_flows: u64,
    /// What is told, by kind.
    pub kinds: Vec<SyncKind>,
    /// What was counted, by name.
    pub counters: BTreeMap<String, u64>,
}

/// A kind of records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncKind {
    /// The kind.
    pub kind: String,
    /// How far the other router has ours: idle, bulk, current, behind.
    pub phase: String,
    /// Whether we have all of its.
    pub complete: bool,
    /// Age of the oldest record that it has not acknowledged, milliseconds.
    pub lag_ms: u64,
    /// Bytes that wait.
    pub queued_bytes: u64,
    /// Bytes on their way.
    pub outstanding_bytes: u64,
    /// What was counted, by name.
    pub counters: BTreeMap<String, u64>,
}
