//! Layer-3 interfaces and their addresses.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::Mac;
use crate::word::words;

words! {
    /// Whether an interface carries packets.
    InterfaceState {
        /// Configured, and its device's link is up, or its network is.
        Up = "up",
        /// Its device has no link, or no device of its network has.
        LinkDown = "link_down",
        /// Switched off in the configuration.
        Disabled = "disabled",
        /// Its device disappeared.
        DeviceGone = "device_gone",
    }
}

words! {
    /// Whose an address is.
    AddressOrigin {
        /// The interface's own.
        Own = "own",
        /// A virtual router's (VRRP): ours while that is active here.
        Virtual = "virtual",
    }
}

words! {
    /// The life of an own address (RFC 4862, section 5.4), or the state of the virtual router whose it is (RFC 9568 section 6.4).
    AddressState {
        /// Duplicate address detection runs: not yet ours.
        Tentative = "tentative",
        /// Ours.
        Valid = "valid",
        /// Somebody else has it: not used.
        Duplicate = "duplicate",
        /// A virtual router's, active here: ours now.
        Active = "active",
        /// A virtual router's, which is backup here: another router has it.
        Backup = "backup",
        /// A virtual router's, which takes no part here.
        Initialize = "initialize",
    }
}

impl AddressOrigin {
    /// What an address is of which an older router does not say it: it tells of no others.
    const fn of_old() -> Self {
        Self::Own
    }
}

/// A layer-3 interface of a router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// Name in the configuration.
    pub name: String,
    /// The router it belongs to.
    pub router: String,
    /// The device it stands on; empty when it stands on none.
    pub device: String,
    /// The layer-2 network it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The peer to which it is a tunnel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vtep: Option<String>,
    /// VLAN ids, outermost first; empty when untagged.
    pub vlans: Vec<u16>,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Largest layer-3 packet, bytes.
    pub mtu: u16,
    /// Whether it carries packets.
    pub state: InterfaceState,
    /// Its addresses, link-local included, and then those of virtual routers.
    pub addresses: Vec<Address>,
    /// What passed through it.
    pub counters: InterfaceCounters,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Address {
    /// The address with the length of its connected prefix.
    pub address: IpNet,
    /// Its life; of a virtual router's address: the state of that.
    pub state: AddressState,
    /// Whose it is.
    #[serde(default = "AddressOrigin::of_old")]
    pub origin: AddressOrigin,
    /// The virtual router identifier of the virtual router whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vrid: Option<u8>,
    /// Whether it is an anycast address (RFC 4291, section 2.6).
    #[serde(default)]
    pub anycast: bool,
}

/// An address and where it stands: a row of `show addresses`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// The interface.
    pub interface: String,
    /// The interface's router.
    pub router: String,
    /// The address.
    #[serde(flatten)]
    pub address: Address,
}

/// Counters of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceCounters {
    /// IPv6.
    pub ipv6: FamilyCounters,
    /// IPv4.
    pub ipv4: FamilyCounters,
}

/// Counters of an interface for one address family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyCounters {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes of those packets, without the layer-2 header.
    pub rx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes of those packets, without the layer-2 header.
    pub tx_bytes: u64,
}
