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
    /// Packets given to the control plane and refused there because its ring was full or the class over its rate, by
    /// class; they count as dropped.
    #[serde(default)]
    pub punts_refused: BTreeMap<String, u64>,
    /// Neighbours, counted by interface and state; pairs without any may be left out.
    pub neighbors: Vec<NeighborCount>,
    /// Installed routes, counted by router and family.
    pub routes: Vec<RouteCount>,
    /// Packet buffers.
    pub mempools: Vec<Mempool>,
    /// Reloads of the configuration.
    pub reloads: ReloadCounters,
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
