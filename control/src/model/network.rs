//! Layer-2 networks, what they are stretched over, and the peers of tunnels.

use std::net::IpAddr;

use dataplane::forwarding::Tunnel;
use dataplane::forwarding::network::{TunnelKind, UnknownUnicast};
use tables::id::{IfaceId, NetworkId, Place, PortId, TunnelId, VrfId};
use wire::MacAddr;
use wire::traffic_class::DscpMode;

use super::{Rate, Tag};

/// A layer-2 network.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Its id; never 0.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
    /// Longest layer-3 packet in it, bytes; at least 1280.
    pub mtu: u16,
    /// Whether stations are learned from what they send.
    pub learning: bool,
    /// What becomes of frames to stations that nobody has heard of.
    pub unknown_unicast: UnknownUnicast,
    /// Most stations that are learned.
    pub max_stations: u32,
    /// A learned station that is not heard for so long is forgotten, seconds.
    pub ageing: u32,
    /// Frames that go everywhere, per worker.
    pub flood: Rate,
    /// Whether ARP and neighbour discovery are answered from what is known, and not flooded.
    pub suppression: bool,
    /// Most addresses that are learned for that.
    pub max_bindings: u32,
    /// Where it is on devices.
    pub locals: Vec<Local>,
    /// The tunnels it is stretched over.
    pub overlays: Vec<Overlay>,
    /// Stations that are configured.
    pub stations: Vec<Station>,
}

impl Network {
    /// The tunnels it is stretched over.
    pub fn tunnels(&self) -> impl Iterator<Item = TunnelId> + '_ {
        self.overlays
            .iter()
            .flat_map(|overlay| overlay.vteps.iter().copied())
    }

    /// Every place of it but those of routers.
    pub fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let locals = self.locals.iter().map(|local| Place::Local(local.number));
        locals.chain(self.tunnels().map(Place::Tunnel))
    }
}

/// A place of a network on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Local {
    /// Its number among all networks' local places; never 0.
    pub number: u32,
    /// The device.
    pub device: PortId,
    /// The tags of its frames there.
    pub tag: Tag,
}

/// Tunnels that carry a network, and under which identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// The kind of all these tunnels.
    pub kind: TunnelKind,
    /// VNI (24 bits), or GRE key (32 bits).
    pub vni: u32,
    /// The tunnels, ascending.
    pub vteps: Vec<TunnelId>,
    /// What goes everywhere takes this one alone, whose peer is a multicast group.
    pub flood: Option<TunnelId>,
}

/// A station that is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station {
    /// Its address.
    pub mac: MacAddr,
    /// Where it is: on a device, or behind a tunnel.
    pub at: Place,
}

/// A peer of tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vtep {
    /// Its id; never 0.
    pub id: TunnelId,
    /// Its name.
    pub name: String,
    /// How frames are packed.
    pub kind: TunnelKind,
    /// The router that routes the outer packets.
    pub router: VrfId,
    /// Our address.
    pub local: IpAddr,
    /// Its address, of the same family; or a multicast group.
    pub remote: IpAddr,
    /// Of a group: the interface by which its packets leave and come.
    pub out: Option<IfaceId>,
    /// UDP port; 0 for GRE.
    pub port: u16,
    /// Whether outer UDP checksums are computed and wanted.
    pub checksum: bool,
    /// What the DSCPs of outer and inner packets have to do with each other.
    pub dscp: DscpMode,
    /// Hop limit or TTL of outer packets.
    pub hop_limit: u8,
    /// Longest outer packet, bytes.
    pub mtu: u16,
}

impl Vtep {
    /// The tunnel as the packet path sees it.
    pub fn tunnel(&self) -> Tunnel {
        Tunnel {
            id: self.id,
            kind: self.kind,
            vrf: self.router,
            local: self.local,
            remote: self.remote,
            out: self.out,
            port: self.port,
            hop_limit: self.hop_limit,
            dscp: self.dscp,
            checksum: self.checksum,
            mtu: self.mtu,
        }
    }

    /// Longest IP packet of a network that is stretched over it, bytes.
    pub fn network_mtu(&self) -> u16 {
        self.packet_mtu().saturating_sub(ETHERNET)
    }

    /// Longest IP packet of an interface that is a tunnel to it, bytes.
    pub fn packet_mtu(&self) -> u16 {
        // An overhead is below 100.
        self.mtu.saturating_sub(self.tunnel().overhead() as u16)
    }
}

/// Bytes of the header of a frame in a tunnel, which has no tag.
const ETHERNET: u16 = 14;
