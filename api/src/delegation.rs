//! Prefixes that are delegated to the router, and what it has made of them.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use crate::word::words;

words! {
    /// What a delegated prefix is to its uplink.
    DelegationState {
        /// The uplink holds it.
        Held = "held",
        /// The uplink has not told yet, since the start, whether it holds it.
        Restored = "restored",
        /// The uplink does not hold it any more: what was assigned of it comes to its end.
        Vanished = "vanished",
    }
}

/// A prefix that is, or was, delegated to an uplink. Times are in UTC (RFC 3339), or `never`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// The router.
    pub router: String,
    /// The interface that it is delegated to.
    pub uplink: String,
    /// The prefix.
    pub prefix: Ipv6Net,
    /// The part of it that stays with the uplink's link (RFC 6603).
    #[serde(default)]
    pub exclude: Option<Ipv6Net>,
    /// What it is to the uplink.
    pub state: DelegationState,
    /// Until when it is preferred.
    pub preferred_until: String,
    /// Until when it is valid.
    pub valid_until: String,
    /// What is assigned of it.
    pub subnets: Vec<DelegatedSubnet>,
    /// What could not be done with it.
    pub problems: Vec<String>,
}

/// A subnet of a delegated prefix on an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedSubnet {
    /// The interface.
    pub interface: String,
    /// The subnet.
    pub prefix: Ipv6Net,
    /// The router's own address in it.
    pub address: Ipv6Addr,
    /// Hosts are told to use it for no new session.
    pub deprecated: bool,
    /// Until when it is preferred.
    pub preferred_until: String,
    /// Until when it is valid.
    pub valid_until: String,
}
