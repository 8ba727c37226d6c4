//! DHCP relays.

use std::net::IpAddr;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

/// A link whose clients are served by servers elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// The interface that the clients are on.
    pub interface: String,
    /// 6: DHCPv6, 4: DHCPv4.
    pub ip_version: u8,
    /// Where messages go.
    pub servers: Vec<IpAddr>,
    /// By which servers tell the link: the link-address, or giaddr.
    pub address: IpAddr,
    /// What the link is called: the Interface-Id, or Circuit ID, other bytes than printable ones escaped.
    pub id: String,
    /// Prefixes that servers have delegated to its clients.
    #[serde(default)]
    pub prefixes: Vec<RelayedPrefix>,
}

/// A prefix delegated to a client behind a relay; a route leads to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayedPrefix {
    /// The prefix.
    pub prefix: Ipv6Net,
    /// The client's DUID.
    pub client: String,
    /// The client's address on the link.
    pub gateway: IpAddr,
    /// Until when it is valid: UTC, or `never`.
    pub ends: String,
}
