//! What has changed, as it changes.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::VrrpState;

/// A change of state: a line of `/v1/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened: RFC 3339, UTC, with milliseconds.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// A virtual router has another state here (RFC 9568 section 6.4).
    VirtualRouter {
        /// The interface.
        interface: String,
        /// Virtual router identifier.
        vrid: u8,
        /// 6 or 4.
        ip_version: u8,
        /// The state before.
        from: VrrpState,
        /// The state now.
        to: VrrpState,
        /// Why, in words.
        why: String,
    },
    /// A BFD session has another state (RFC 5880 section 6.2).
    BfdSession {
        /// The interface.
        interface: String,
        /// The neighbour.
        peer: IpAddr,
        /// Our end.
        local: IpAddr,
        /// The state before: admin_down, down, init, up.
        from: String,
        /// The state now.
        to: String,
        /// Our diagnostic: why it left Up last (RFC 5880 section 4.1).
        diagnostic: String,
    },
    /// The routers of a pair are connected, or not any more.
    Pair {
        /// Where the other one listens.
        peer: SocketAddr,
        /// Whether they are.
        connected: bool,
        /// Why they are not, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The link of a device went up or down.
    Link {
        /// The device.
        device: String,
        /// Whether frames can pass.
        up: bool,
    },
    /// The reader was too slow for so many records, or the router too busy to tell them: they came here.
    Missed {
        /// How many.
        records: u64,
    },
    /// Something that this version does not know: told by a newer one.
    #[serde(other)]
    Unknown,
}
