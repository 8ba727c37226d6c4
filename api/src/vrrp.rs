//! Virtual routers (VRRP).

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::Mac;
use crate::word::words;

words! {
    /// State of a virtual router (RFC 9568 section 6.4).
    VrrpState {
        /// It takes no part: no link, no address of its own, or something that is tracked is down.
        Initialize = "initialize",
        /// It listens and is silent.
        Backup = "backup",
        /// It does the virtual router's work.
        Active = "active",
    }
}

/// A virtual router that an interface takes part in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualRouter {
    /// The interface.
    pub interface: String,
    /// Its router.
    pub router: String,
    /// 6 or 4.
    pub ip_version: u8,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Its state.
    pub state: VrrpState,
    /// Since when, milliseconds.
    pub since_ms: u64,
    /// The priority that counts now.
    pub priority: u8,
    /// The priority that is configured.
    pub configured_priority: u8,
    /// Version of VRRP that is spoken.
    pub version: u8,
    /// Virtual addresses.
    pub addresses: Vec<IpAddr>,
    /// The MAC at which they are: the virtual one, or the interface's own.
    pub mac: Mac,
    /// Whether packets to them are accepted.
    pub accept: bool,
    /// Whether it takes over from a router of lower priority.
    pub preempt: bool,
    /// Our time between advertisements, milliseconds.
    pub interval_ms: u64,
    /// The time that the timers go by: the active router's, milliseconds.
    pub active_interval_ms: u64,
    /// What our advertisements are sent from; absent while there is no such address.
    #[serde(default)]
    pub source: Option<IpAddr>,
    /// Who was active when it was heard last, or ourselves.
    #[serde(default)]
    pub active: Option<IpAddr>,
    /// The priority of that router.
    #[serde(default)]
    pub active_priority: Option<u8>,
    /// How often it became active, and backup again.
    pub transitions: u64,
    /// What was counted, by name.
    pub counters: BTreeMap<String, u64>,
    /// Advertisements that were not believed, by the rule that they broke.
    pub invalid: BTreeMap<String, u64>,
    /// The same of those that came to the interface for no virtual router of ours.
    pub strays: BTreeMap<String, u64>,
}
