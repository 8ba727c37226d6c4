//! BFD sessions.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::word::words;

words! {
    /// State of a session (RFC 5880 section 6.2).
    BfdState {
        /// Switched off.
        AdminDown = "admin_down",
        /// The peer is not heard.
        Down = "down",
        /// The peer is heard, and does not say that it hears us.
        Init = "init",
        /// Both hear each other.
        Up = "up",
    }
}

words! {
    /// What a session says of the path to its peer (RFC 5882 section 3.2).
    BfdPath {
        /// Nothing yet: it was not up since it began.
        Untold = "untold",
        /// The peer is there.
        Up = "up",
        /// It was there, and is not any more: routes through it are withdrawn.
        Failed = "failed",
        /// Nothing: switched off, here or there.
        SwitchedOff = "switched_off",
    }
}

/// A session with a neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdSession {
    /// The interface.
    pub interface: String,
    /// Its router.
    pub router: String,
    /// The neighbour.
    pub peer: IpAddr,
    /// Our address.
    pub local: IpAddr,
    /// How far it is.
    pub state: BfdState,
    /// Since when, milliseconds.
    pub since_ms: u64,
    /// Why the state changed last (RFC 5880 section 4.1).
    pub diagnostic: String,
    /// What it says of the path.
    pub path: BfdPath,
    /// Whether routes through the neighbour are withdrawn when it fails.
    pub withdraw_routes: bool,
    /// Our name of the session.
    pub local_discriminator: u32,
    /// Our UDP port.
    pub source_port: u16,
    /// What is configured: we send no faster, microseconds.
    pub desired_min_tx_us: u64,
    /// What is configured: the peer shall send no faster, microseconds.
    pub required_min_rx_us: u64,
    /// What is configured: after so many of our packets lost the peer gives us up.
    pub detect_multiplier: u8,
    /// At what interval we send now, before jitter, microseconds; absent while we are silent.
    #[serde(default)]
    pub transmit_interval_us: Option<u64>,
    /// After how long a silence the peer is given up, microseconds; absent while it is not heard.
    #[serde(default)]
    pub detection_time_us: Option<u64>,
    /// Whether we wait for the peer to confirm a change of our timers.
    pub polling: bool,
    /// Whether packets are authenticated.
    pub authenticated: bool,
    /// What the peer has told; absent while it is not heard.
    #[serde(default)]
    pub remote: Option<BfdRemote>,
    /// What was counted, by name.
    pub counters: BTreeMap<String, u64>,
    /// Packets that were not believed, by the rule that they broke.
    pub invalid: BTreeMap<String, u64>,
    /// The same of those that came to the interface for no session of ours.
    pub strays: BTreeMap<String, u64>,
}

/// What a peer has told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdRemote {
    /// Its state.
    pub state: BfdState,
    /// Why its state changed last.
    pub diagnostic: String,
    /// Its name of the session.
    pub discriminator: u32,
    /// It sends no faster, microseconds.
    pub desired_min_tx_us: u64,
    /// We shall send no faster, microseconds; 0: not at all.
    pub required_min_rx_us: u64,
    /// After so many of its packets lost we give it up.
    pub detect_multiplier: u8,
    /// Whether it wants no packets while both are up.
    pub demand: bool,
}
