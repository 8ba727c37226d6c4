//! Neighbours: who is on the link, and how sure we are.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::Mac;
use crate::word::words;

words! {
    /// State of neighbour unreachability detection (RFC 4861, section 7.3.2; RFC 7048).
    NudState {
        /// Asked for, not answered yet.
        Incomplete = "incomplete",
        /// Known to be reachable.
        Reachable = "reachable",
        /// Was reachable; not confirmed since.
        Stale = "stale",
        /// Used while stale: waits for a confirmation from above before it probes.
        Delay = "delay",
        /// Probing.
        Probe = "probe",
        /// Probes went unanswered; still used, and probed ever more slowly (RFC 7048).
        Unreachable = "unreachable",
        /// Resolution failed: packets are answered with *address unreachable*.
        Failed = "failed",
        /// Configured: neither probed nor aged.
        Permanent = "permanent",
    }
}

words! {
    /// How we came to know a neighbour.
    NeighborOrigin {
        /// By resolution or from the neighbour's own messages.
        Learned = "learned",
        /// From the configuration file.
        Static = "static",
        /// We answer for it (proxy ND or ARP).
        Proxy = "proxy",
    }
}

/// A neighbour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbor {
    /// Router of the interface.
    pub router: String,
    /// The interface it is on.
    pub interface: String,
    /// Its address.
    pub address: IpAddr,
    /// Its link-layer address, when known.
    #[serde(default)]
    pub mac: Option<Mac>,
    /// How sure we are.
    pub state: NudState,
    /// Whether it says that it is a router.
    pub is_router: bool,
    /// Milliseconds since reachability was last confirmed, or since it was created when it never was.
    pub age_ms: u64,
    /// How we came to know it.
    pub origin: NeighborOrigin,
}

/// Forgets learned neighbours; those that are still in use are resolved again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeighFlush {
    /// Only on this interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Only this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighFlushed {
    /// Neighbours forgotten.
    pub flushed: u64,
}
