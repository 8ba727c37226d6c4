//! The tallies that belong to no single device, interface or worker, and those that do, in one document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{DeviceCounters, InterfaceCounters, NudState};

/// Everything that is counted, but the drops (`/v1/drops`) and the books (`/v1/accounting`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// By device name.
    pub devices: BTreeMap<String, DeviceCounters>,
    /// By interface name.
    pub interfaces: BTreeMap<String, InterfaceCounters>,
    /// Packets given to the control plane, by class; classes without any are listed too.
    pub punted: BTreeMap<String, u64>,
    /// Packets meant for the control plane and dropped on their way, by drop reason: its ring was full, say, or their
    /// class over its rate.
    #[serde(default)]
    pub punts_refused: BTreeMap<String, u64>,
    /// What the control plane lost or left, by cause; causes without any are listed too.
    #[serde(default)]
    pub control_lost: BTreeMap<String, u64>,
    /// What the workers made themselves.
    #[serde(default)]
    pub originated: OriginatedCounters,
    /// What neighbour discovery and ARP counted, by interface.
    #[serde(default)]
    pub nd: Vec<ProtocolCounters>,
    /// What router advertisement counted, by interface.
    #[serde(default)]
    pub ra: Vec<ProtocolCounters>,
    /// What the DHCPv6 server counted, by link: an interface, or a link behind relay agents.
    #[serde(default)]
    pub dhcp6: Vec<ProtocolCounters>,
    /// What the DHCPv4 server counted, by link.
    #[serde(default)]
    pub dhcp4: Vec<ProtocolCounters>,
    /// What the DHCPv6 relay counted, by interface.
    #[serde(default)]
    pub dhcp6_relay: Vec<ProtocolCounters>,
    /// What the DHCPv4 relay counted, by interface.
    #[serde(default)]
    pub dhcp4_relay: Vec<ProtocolCounters>,
    /// What the DHCPv6 client counted, by uplink.
    #[serde(default)]
    pub dhcp6_client: Vec<ProtocolCounters>,
    /// Neighbours, counted by interface and state; pairs without any may be left out.
    pub neighbors: Vec<NeighborCount>,
    /// Installed routes, counted by router and family.
    pub routes: Vec<RouteCount>,
    /// Packet buffers.
    pub mempools: Vec<Mempool>,
    /// Reloads of the configuration.
    pub reloads: ReloadCounters,
}

/// What the workers made themselves, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginatedCounters {
    /// ICMP errors and redirects sent.
    pub icmp_errors: u64,
    /// ICMP errors that were due and not sent because of a rate limit (RFC 4443, section 2.4).
    pub icmp_errors_limited: u64,
    /// Echo requests answered.
    pub echo_replies: u64,
    /// IPv4 packets sent in fragments.
    pub fragmented: u64,
    /// Requests to resolve a neighbour.
    pub resolve_requests: u64,
}

/// What a protocol counted on an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolCounters {
    /// The interface.
    pub interface: String,
    /// By event.
    pub events: BTreeMap<String, u64>,
    /// Packets that were ignored because they broke a rule of the protocol, by rule; rules without any are left out.
    pub invalid: BTreeMap<String, u64>,
}

/// Neighbours of an interface in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighborCount {
    /// The interface.
    pub interface: String,
    /// The state.
    pub state: NudState,
    /// How many.
    pub count: u64,
}

/// Installed routes of a router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteCount {
    /// The router.
    pub router: String,
    /// IPv6 routes.
    pub ipv6: u64,
    /// IPv4 routes.
    pub ipv4: u64,
}

/// A pool of packet buffers (mbufs).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mempool {
    /// Its name.
    pub name: String,
    /// Buffers that are free.
    pub available: u64,
    /// Buffers that hold a packet, or wait in a device's receive queue for one.
    pub in_use: u64,
}

/// Reloads of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadCounters {
    /// Applied.
    pub applied: u64,
    /// Refused because of faults; they changed nothing.
    pub refused: u64,
}
