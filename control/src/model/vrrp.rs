//! Virtual routers.

use std::net::IpAddr;

use ipnet::IpNet;
use protocols::vrrp::{Config, Family, GroupId};
use tables::id::IfaceId;

/// A virtual router of an interface (RFC 9568).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vrrp {
    /// Virtual router identifier, 1 to 255.
    pub vrid: u8,
    /// Of its addresses.
    pub family: Family,
    /// What it says and does. Its MAC is the virtual one, also where the device cannot have it.
    pub config: Config,
    /// Whether packets to its addresses are accepted as if they were our own (Accept_Mode).
    pub accept: bool,
    /// Whether it has a MAC of its own.
    pub virtual_mac: bool,
    /// What is watched on its behalf.
    pub track: Vec<Track>,
}

impl Vrrp {
    /// Its name in the process.
    pub const fn id(&self, iface: IfaceId) -> GroupId {
        GroupId {
            iface,
            family: self.family,
            vrid: self.vrid,
        }
    }

    /// Its addresses.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.config.addresses
    }
}

/// Something that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// What.
    pub watched: Watched,
    /// Taken off the priority while it is down; `None`: the virtual router is left to others altogether.
    pub decrement: Option<u8>,
}

/// What can be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// The link of an interface of the same router, by its name.
    Interface(String),
    /// A prefix in the routing table of the same router: that a route leads to exactly it.
    Route(IpNet),
    /// The BFD session with this neighbour of the same router.
    Bfd(IpAddr),
}
