//! Layer-2 networks, their stations, and peers of tunnels.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::Mac;
use crate::word::words;

words! {
    /// What a segment of a network is.
    SegmentKind {
        /// The untagged frames of a device.
        Flat = "flat",
        /// A VLAN of a device.
        Vlan = "vlan",
        /// A VLAN in a service VLAN of a device.
        Qinq = "qinq",
        /// VXLAN tunnels.
        Vxlan = "vxlan",
        /// Geneve tunnels.
        Geneve = "geneve",
        /// GRE tunnels.
        Gre = "gre",
    }
}

/// A layer-2 network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Name in the configuration.
    pub name: String,
    /// Whether a device of it has a link, or it is stretched over tunnels.
    pub up: bool,
    /// Largest layer-3 packet, bytes.
    pub mtu: u16,
    /// Whether stations are learned.
    pub learning: bool,
    /// Whether frames to unknown stations go everywhere.
    pub floods_unknown: bool,
    /// Whether ARP and neighbour discovery are answered from bindings.
    #[serde(default)]
    pub suppression: bool,
    /// Where it is.
    pub segments: Vec<NetworkSegment>,
    /// Interfaces of routers on it.
    pub interfaces: Vec<String>,
    /// Stations that were learned.
    pub learned: u64,
    /// Stations that are configured, our routers' among them.
    pub statics: u64,
    /// Most stations that are learned.
    pub max_stations: u64,
    /// Addresses of which the owner is known, our own among them.
    #[serde(default)]
    pub bindings: u64,
    /// What passed through it.
    pub counters: NetworkCounters,
    /// What became of stations, by event.
    #[serde(default)]
    pub events: BTreeMap<String, u64>,
    /// What became of bindings, by event.
    #[serde(default)]
    pub binding_events: BTreeMap<String, u64>,
}

/// A segment of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSegment {
    /// What it is.
    pub kind: SegmentKind,
    /// The device, if it is on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// VLAN ids there, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vlans: Vec<u16>,
    /// Its identifier in tunnels; of GRE the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vni: Option<u32>,
    /// The peers it is stretched to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vteps: Vec<String>,
    /// The group by which frames for everybody are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flood: Option<String>,
}

/// Counters of a network: frames without tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkCounters {
    /// Frames that came in from stations.
    pub rx_frames: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Frames that left for stations, copies among them.
    pub tx_frames: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Frames that went everywhere, each counted once.
    pub flooded_frames: u64,
    /// Their bytes.
    pub flooded_bytes: u64,
    /// Questions for the owner of an address that were answered in its stead.
    #[serde(default)]
    pub answered_frames: u64,
    /// Questions that went to the owner alone.
    #[serde(default)]
    pub directed_frames: u64,
}

/// A station of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Station {
    /// The network.
    pub network: String,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Where it is: a device with its VLANs, a peer of tunnels, or an interface of ours.
    pub at: String,
    /// Whether it is configured.
    pub is_static: bool,
    /// It is configured, and the table has no room for it.
    #[serde(default)]
    pub waits: bool,
    /// How long ago it was heard; absent when it does not age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u32>,
    /// Moves since it was learned.
    pub moves: u32,
    /// For how long it is held where it is, because it moved too often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_seconds: Option<u32>,
}

/// Which stations: all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StationQuery {
    /// Of this network.
    pub network: Option<String>,
    /// With this address.
    pub mac: Option<Mac>,
    /// So many at most.
    pub limit: Option<u64>,
}

/// An address of a network and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The network.
    pub network: String,
    /// The address.
    pub address: IpAddr,
    /// The Ethernet address of the station that has it.
    pub mac: Mac,
    /// Whether it is one of our own.
    pub is_own: bool,
    /// Whether the station says that it is a router.
    pub is_router: bool,
    /// Whether who asks is answered from it; not while it is doubted or held.
    pub in_use: bool,
    /// How long ago it was confirmed; absent when it does not age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u32>,
    /// How often it changed hands.
    pub moves: u32,
    /// For how long nobody is answered for, because it changed hands too often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_seconds: Option<u32>,
}

/// Which bindings: all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingQuery {
    /// Of this network.
    pub network: Option<String>,
    /// Of this address.
    pub address: Option<IpAddr>,
    /// So many at most.
    pub limit: Option<u64>,
}

/// A peer of tunnels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vtep {
    /// Name in the configuration.
    pub name: String,
    /// How frames are packed.
    pub kind: SegmentKind,
    /// The router that routes the outer packets.
    pub router: String,
    /// Our address.
    pub local: IpAddr,
    /// Its address, or a multicast group.
    pub remote: IpAddr,
    /// UDP port, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Largest outer packet, bytes.
    pub mtu: u16,
    /// What routers on the way have said that fits, if that is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_mtu: Option<u16>,
    /// For how long that is believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_mtu_seconds: Option<u64>,
    /// How many networks are stretched to it.
    pub networks: u64,
    /// Interfaces that are a tunnel to it.
    pub interfaces: Vec<String>,
    /// What passed between it and us.
    pub counters: VtepCounters,
    /// What became of words of a smaller path MTU, by event.
    #[serde(default)]
    pub path_events: BTreeMap<String, u64>,
}

/// Counters of a peer: outer packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VtepCounters {
    /// Packets that were unpacked.
    pub rx_packets: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Packets that were packed.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Packets that did not fit the path, and were dropped.
    pub too_big: u64,
}
