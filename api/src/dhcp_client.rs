//! The DHCPv6 client: what each uplink has been given.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use crate::word::words;

words! {
    /// What the client of an uplink is doing (RFC 8415 section 18.2).
    DhcpClientState {
        /// Waiting for the link, or for its link-local address.
        Down = "down",
        /// Looking for servers.
        Soliciting = "soliciting",
        /// Asking the chosen server.
        Requesting = "requesting",
        /// Holding leases.
        Bound = "bound",
        /// Past T1: asking the server that gave them.
        Renewing = "renewing",
        /// Past T2, or after a restart with prefixes: asking all servers.
        Rebinding = "rebinding",
        /// Asking whether the addresses are still right on this link.
        Confirming = "confirming",
        /// Refusing an address that is somebody else's.
        Declining = "declining",
        /// Giving leases back.
        Releasing = "releasing",
        /// Leases were given back by order.
        Released = "released",
        /// Asking for settings.
        Informing = "informing",
        /// Having settings.
        Informed = "informed",
        /// Not configured any more; leases are being given back.
        Removed = "removed",
    }
}

words! {
    /// What an uplink's client shall do.
    DhcpClientOrder {
        /// Ask the server now; or go on after `release`.
        Renew = "renew",
        /// Give the leases back, and rest until `renew`.
        Release = "release",
    }
}

/// An uplink. Times are in UTC (RFC 3339), or `never`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpClient {
    /// The interface.
    pub interface: String,
    /// What the client is doing.
    pub state: DhcpClientState,
    /// Messages sent in the exchange under way.
    pub attempts: u32,
    /// The server's DUID, in hex digits.
    #[serde(default)]
    pub server: Option<String>,
    /// When the server is asked to make the leases last longer (T1).
    pub renew_at: String,
    /// When any server is asked (T2).
    pub rebind_at: String,
    /// Addresses of the interface.
    pub addresses: Vec<DhcpClientLease>,
    /// Delegated prefixes.
    pub prefixes: Vec<DhcpClientLease>,
    /// Recursive name servers.
    pub dns_servers: Vec<Ipv6Addr>,
    /// Domains to search.
    pub domain_search: Vec<String>,
    /// Time servers, by address or name.
    pub ntp_servers: Vec<String>,
    /// Options asked for by code, as they came.
    pub options: Vec<DhcpClientOption>,
}

/// An address or a prefix that an uplink holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpClientLease {
    /// The address, or the prefix with its length.
    pub resource: String,
    /// The identity association.
    pub iaid: u32,
    /// The part of a prefix that stays the uplink's (RFC 6603).
    #[serde(default)]
    pub exclude: Option<Ipv6Net>,
    /// Whether its preferred lifetime is over.
    pub deprecated: bool,
    /// Until when it is preferred.
    pub preferred_until: String,
    /// Until when it is valid.
    pub valid_until: String,
}

/// An option as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpClientOption {
    /// Its code.
    pub code: u16,
    /// Its data, in hex digits.
    pub hex: String,
}

/// An order to an uplink's client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderDhcpClient {
    /// The interface.
    pub interface: String,
    /// What to do.
    pub order: DhcpClientOrder,
}

/// An order that was given; what comes of it, the uplink's state shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpClientOrdered {
    /// The interface.
    pub interface: String,
}
