//! Ports of tenants' machines, security groups, flows, and why a packet did not pass.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::Mac;
use crate::word::words;

words! {
    /// What becomes of frames that a port's machine may not send.
    GuardMode {
        /// They are dropped.
        Enforce = "enforce",
        /// They are counted, and pass.
        Observe = "observe",
        /// Nothing is asked.
        Off = "off",
    }
}

words! {
    /// Which way a packet goes, as the machine of the port sees it.
    FlowDirection {
        /// From the machine.
        Egress = "egress",
        /// To the machine.
        Ingress = "ingress",
    }
}

/// A port: where a machine of a tenant is plugged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Name in the configuration.
    pub name: String,
    /// The device.
    pub device: String,
    /// VLAN ids there, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vlans: Vec<u16>,
    /// The network or the interface that it is plugged into.
    pub link: String,
    /// Its MAC address; absent: any that nobody else on the link has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<Mac>,
    /// Its addresses.
    pub fixed_ips: Vec<IpAddr>,
    /// What it may send from besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_address_pairs: Vec<AllowedAddressPair>,
    /// Addresses that it has beside the configured ones: learned and leased.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned_ips: Vec<IpAddr>,
    /// Whether there are a guard and groups at all.
    pub port_security_enabled: bool,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// Its guard.
    pub guard: GuardMode,
    /// What its machine may play: `ra`, `dhcpv6`, `dhcpv4`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<String>,
    /// Addresses of each family that it learns at most.
    pub max_addresses: u16,
    /// Flows that it has.
    pub flows: u64,
    /// Flows that it may have.
    pub max_flows: u64,
    /// What passed.
    pub counters: PortCounters,
    /// Packets that did not pass, by reason. Reasons that were not seen are left out.
    #[serde(default)]
    pub drops: BTreeMap<String, u64>,
    /// Packets that passed and would not have, did its guard more than observe, by reason.
    #[serde(default)]
    pub observed: BTreeMap<String, u64>,
    /// What became of its addresses, by event.
    #[serde(default)]
    pub events: BTreeMap<String, u64>,
}

/// An address or a prefix that a port may send from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedAddressPair {
    /// The prefix; of a single address it has all bits.
    pub ip_address: IpNet,
    /// The MAC address that goes with it; absent: the port's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<Mac>,
}

/// Counters of a port, or of a flow: what passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortCounters {
    /// Packets from the machine.
    pub egress_packets: u64,
    /// Their bytes.
    pub egress_bytes: u64,
    /// Packets to the machine.
    pub ingress_packets: u64,
    /// Their bytes.
    pub ingress_bytes: u64,
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Name in the configuration.
    pub name: String,
    /// Whether answers to what a rule has let pass need no rule.
    pub stateful: bool,
    /// Ports that have it.
    pub ports: u64,
    /// Addresses and prefixes of its members, if a rule of any group names it.
    pub members: u64,
    /// Its rules.
    pub rules: Vec<SecurityRule>,
}

/// A rule of a security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityRule {
    /// Its id, as traces and flows tell it; the same after a reload.
    pub id: u32,
    /// To the machine, or from it.
    pub direction: FlowDirection,
    /// `ipv6` or `ipv4`.
    pub ethertype: String,
    /// Upper-layer protocol: its name, or its number; `any` for all.
    pub protocol: String,
    /// First port; of ICMP the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_range_min: Option<u16>,
    /// Last port; of ICMP the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_range_max: Option<u16>,
    /// The other end is in this prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_ip_prefix: Option<IpNet>,
    /// The other end is a member of this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_group: Option<String>,
    /// The other end is in this address group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_address_group: Option<String>,
    /// Packets that passed because of it, those of flows that it allowed included.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Which flows: all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowQuery {
    /// Of this port.
    pub port: Option<String>,
    /// So many at most.
    pub limit: Option<u64>,
}

/// A flow of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The port.
    pub port: String,
    /// The direction of its first packet.
    pub opened: FlowDirection,
    /// Upper-layer protocol, by name or number.
    pub protocol: String,
    /// The machine's address.
    pub local: IpAddr,
    /// Its port; of ICMP the identifier.
    pub local_port: u16,
    /// The other end's address.
    pub remote: IpAddr,
    /// Its port; of ICMP the identifier.
    pub remote_port: u16,
    /// How far the two are.
    pub state: String,
    /// Seconds since its first packet.
    pub age_seconds: u32,
    /// Seconds since its last packet.
    pub idle_seconds: u32,
    /// Seconds until it is forgotten if no packet comes.
    pub left_seconds: u32,
    /// The rule that allowed it.
    pub rule: u32,
    /// Whether rules have changed since: its next packet is judged anew.
    pub stale: bool,
    /// Packets and bytes.
    pub counters: PortCounters,
}

/// An address of a link with ports, and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBinding {
    /// The network or the interface.
    pub link: String,
    /// The port that has it; absent: it is our own, or of a machine without a port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The address.
    pub address: IpAddr,
    /// The MAC address that goes with it; absent: any that the port may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// How it came to its holder: `own`, `fixed`, `shared`, `lease`, `learned`, `stranger`.
    pub origin: String,
    /// Where it is in its life (RFC 6620).
    pub state: String,
    /// Seconds since it was last used, where that is noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u32>,
    /// Seconds that it has left if it is not used again; absent: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_seconds: Option<u32>,
}

/// A packet that a port did not let pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// How long ago, seconds.
    pub age_seconds: u32,
    /// Which way it went.
    pub direction: FlowDirection,
    /// Why, by the name of the drop reason.
    pub reason: String,
    /// What that reason means.
    pub about: String,
    /// Whether it was only noted, and passed.
    pub observed: bool,
    /// The rule that had allowed its flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<u32>,
    /// Its source MAC address.
    pub source: Mac,
    /// Its destination MAC address.
    pub destination: Mac,
    /// What it said, in a line.
    pub packet: String,
    /// Bytes of the frame.
    pub bytes: u32,
    /// What would let one like it pass.
    pub remedy: String,
}

/// The flow table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowUsage {
    /// Flows there can be.
    pub capacity: u64,
    /// Flows there are.
    pub flows: u64,
    /// Flows made.
    pub created: u64,
    /// Flows that were not used for too long.
    pub expired: u64,
    /// Unanswered flows that made room for others.
    pub evicted: u64,
}
