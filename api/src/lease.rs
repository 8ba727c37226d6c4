//! Leases of the DHCP servers, and the pools that they come from.

use std::fmt;
use std::net::Ipv6Addr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::Mac;
use crate::word::words;

words! {
    /// What is leased.
    LeaseKind {
        /// An IPv6 address (IA_NA).
        Address = "address",
        /// A temporary IPv6 address (IA_TA).
        Temporary = "temporary",
        /// A delegated prefix (IA_PD).
        Prefix = "prefix",
        /// An IPv4 address.
        Address4 = "address4",
    }
}

words! {
    /// What a lease is to its client.
    LeaseState {
        /// The client uses it.
        Bound = "bound",
        /// The client found it used by another station: nobody gets it for a while.
        Declined = "declined",
        /// Given back or run out: kept for its client until it is needed.
        Released = "released",
        /// Offered, and not requested yet.
        Offered = "offered",
        /// The client formed the address itself and registered it (RFC 9686).
        Registered = "registered",
    }
}

/// A lease. Times are in UTC (RFC 3339), or `never`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The address, or the prefix with its length.
    pub resource: String,
    /// The router whose it is: each may have a lease of the same address. Of one that is no longer configured its id; absent for
    /// what an older release has left and no router is known for.
    #[serde(default)]
    pub router: Option<String>,
    /// What it is.
    pub kind: LeaseKind,
    /// What it is to its client.
    pub state: LeaseState,
    /// The subnet or prefix pool it came from; absent when that is no longer configured.
    #[serde(default)]
    pub pool: Option<String>,
    /// The client's DUID or identifier, in hex digits.
    pub client: String,
    /// The client's identity association (RFC 8415 section 4.2).
    pub iaid: u32,
    /// The client's MAC address, when known.
    #[serde(default)]
    pub mac: Option<Mac>,
    /// The client's name, when it told one.
    #[serde(default)]
    pub hostname: Option<String>,
    /// When this state began.
    pub starts: String,
    /// Until when it is preferred.
    pub preferred_until: String,
    /// When it ends: as a lease, as a quarantine, or as what is kept for its client.
    pub ends: String,
    /// Where the route to a delegated prefix leads.
    #[serde(default)]
    pub next_hop: Option<LeaseNextHop>,
}

/// Where a delegated prefix is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseNextHop {
    /// The interface; empty for a gateway that is looked up in the routing table.
    #[serde(default)]
    pub interface: String,
    /// The client, or the relay agent before it.
    pub address: Ipv6Addr,
}

/// Which leases: all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseQuery {
    /// Of this router.
    pub router: Option<String>,
    /// Of this pool.
    pub pool: Option<String>,
    /// Of this client, its identifier in hex digits.
    pub client: Option<String>,
    /// Only these within this prefix.
    pub within: Option<IpNet>,
    /// Of this kind.
    pub kind: Option<LeaseKind>,
    /// So many at most.
    pub limit: Option<u64>,
}

words! {
    /// The form of a file of leases.
    LeaseFormat {
        /// Comma-separated values with a header (RFC 4180).
        Csv = "csv",
        /// An array of objects, one a line.
        Json = "json",
    }
}

words! {
    /// Whose leases: of one of the two DHCP servers.
    LeaseFamily {
        /// Addresses and prefixes of DHCPv6.
        Ipv6 = "ipv6",
        /// Addresses of DHCPv4.
        Ipv4 = "ipv4",
    }
}

/// Which leases to export, and how. The answer is the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseExport {
    /// The form of the file.
    pub format: LeaseFormat,
    /// Only of this family.
    pub family: Option<LeaseFamily>,
}

/// Leases to import: a file that an export made, all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportLeases {
    /// The form of the file; absent: JSON when it begins with a bracket.
    pub format: Option<LeaseFormat>,
    /// The file.
    pub text: String,
}

/// What an import did; on disk when it is told. Status 200 when there was no fault, else 422 and nothing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseImported {
    /// Leases of addresses and prefixes of which nothing was known.
    pub added: u64,
    /// Leases that took the place of older ones.
    pub replaced: u64,
    /// Leases that were known already, or renewed since.
    pub unchanged: u64,
    /// What is wrong with the file, or stands against it: up to fifty faults at once.
    pub faults: Vec<LeaseFault>,
}

/// A fault of a file of leases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseFault {
    /// The line, from 1.
    pub line: u64,
    /// The field; empty when it is the line as a whole.
    #[serde(default)]
    pub field: String,
    /// What is wrong with it, or stands against it.
    pub message: String,
}

impl fmt::Display for LeaseFault {
    /// As compilers print it, behind the file's name: `line: field: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.line)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// A lease that an administrator gives, or changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddLease {
    /// The address, or the prefix with its length; of a pool that is configured.
    pub resource: String,
    /// The router; absent: the only one that has such a pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<String>,
    /// The client's DUID, in hex digits.
    pub client: String,
    /// The client's identity association.
    pub iaid: u32,
    /// How long it is valid, from now on; absent: as its pool says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_seconds: Option<u32>,
    /// The client's MAC address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// A prefix: who routes it on, the client or the relay agent before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv6Addr>,
    /// The interface of a link-local gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
}

/// A lease that an administrator ends, or a quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseLease {
    /// The address, or the prefix with its length.
    pub resource: String,
    /// The router; absent: the only one that has a lease of it.
    pub router: Option<String>,
}

/// What was done to leases; on disk when it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseChanges {
    /// Leases given.
    pub added: u64,
    /// Leases ended, or quarantines lifted.
    pub released: u64,
}

/// A subnet of which addresses are leased, or a prefix pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasePool {
    /// Its name: leases are stored under it.
    pub name: String,
    /// The router.
    pub router: String,
    /// The interface or remote link that it serves.
    pub link: String,
    /// What is leased.
    pub kind: LeaseKind,
    /// The prefix it comes from.
    pub prefix: IpNet,
    /// How much there is to give, as a decimal number, addresses or prefixes of the usual length.
    pub size: String,
    /// Leases in use.
    pub bound: u64,
    /// Addresses in quarantine.
    pub declined: u64,
    /// Leases kept for their last clients.
    pub released: u64,
    /// Leases offered.
    pub offered: u64,
}
