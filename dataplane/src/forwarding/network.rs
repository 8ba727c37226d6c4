//! Layer-2 networks: where their frames come from, and where they can go.
//!
//! ```text
//!   network ──┬── local attachments   (device, tags)
//!             ├── segments            (kind, VNI, the tunnels it is stretched over)
//!             └── routers             interfaces of ours
//! ```
//!
//! Which station is where is not in here: that is the FDB (`tables::fdb`).

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use tables::id::{AnchorId, AttachId, IfaceId, NetworkId, Place, PortId, TunnelId, VrfId};
use wire::traffic_class::DscpMode;

use super::outer::Opening;
use super::{Rate, Tags};
use crate::guard::LinkId;

/// What becomes of unicast frames to stations that nobody has heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnknownUnicast {
    /// They go everywhere, as frames to groups do.
    #[default]
    Flood,
    /// They are dropped: all stations are known by configuration.
    Drop,
}

/// A layer-2 network.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its id, not 0.
    pub id: NetworkId,
    /// Longest IP packet in it, bytes.
    pub mtu: u16,
    /// Interfaces of routers of ours on it.
    pub routers: Vec<IfaceId>,
    /// Its local attachments.
    pub local: Vec<AttachId>,
    /// What it is stretched over.
    pub segments: Vec<Segment>,
    /// What becomes of frames to unknown stations.
    pub unknown_unicast: UnknownUnicast,
    /// Whether stations are learned from the frames they send.
    pub learning: bool,
    /// Frames a second that go everywhere, per worker.
    pub flood_rate: Rate,
    /// Whether ARP and neighbour discovery are answered from what is known, and not flooded.
    pub suppression: bool,
    /// The link as guards know it; 0: no machine of a tenant is plugged here.
    pub link: LinkId,
}

impl Network {
    /// A network that learns and floods, MTU 1500, without attachments.
    pub fn new(id: NetworkId) -> Self {
        Self {
            id,
            mtu: 1500,
            routers: Vec::new(),
            local: Vec::new(),
            segments: Vec::new(),
            unknown_unicast: UnknownUnicast::Flood,
            learning: true,
            flood_rate: Rate {
                per_second: 10_000,
                burst: 1_000,
            },
            suppression: false,
            link: LinkId(0),
        }
    }

    /// The identifier under which a tunnel carries the network, if it does.
    #[inline]
    pub fn vni(&self, tunnel: TunnelId) -> Option<u32> {
        let mut segments = self.segments.iter();
        segments
            .find(|segment| segment.has(tunnel))
            .map(|segment| segment.vni)
    }
}

/// A network's identifier on tunnels, and which they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The tunnels' kind.
    pub kind: TunnelKind,
    /// VXLAN and Geneve: the VNI, 24 bits; GRE: the key, 32 bits.
    pub vni: u32,
    /// The tunnels, ascending.
    pub tunnels: Arc<[TunnelId]>,
    /// What goes everywhere takes this one alone, whose peer is a multicast group that all peers have joined.
    pub flood: Option<TunnelId>,
}

impl Segment {
    /// Whether the network is stretched over this tunnel.
    #[inline]
    pub fn has(&self, tunnel: TunnelId) -> bool {
        self.tunnels.binary_search(&tunnel).is_ok() || self.flood == Some(tunnel)
    }

    /// The tunnels that a frame takes which goes everywhere.
    pub fn flooded(&self) -> &[TunnelId] {
        match &self.flood {
            Some(group) => std::slice::from_ref(group),
            None => &self.tunnels,
        }
    }
}

/// How frames are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    /// VXLAN (RFC 7348).
    Vxlan,
    /// Geneve (RFC 8926), without options of ours.
    Geneve,
    /// GRE with a key (RFC 2890): Ethernet frames for networks, IP packets for interfaces.
    Gre,
}

impl TunnelKind {
    /// Bytes of what stands between the outer IP header and the inner frame.
    pub const fn header_len(self) -> usize {
        match self {
            Self::Vxlan | Self::Geneve => 16,
            Self::Gre => 8,
        }
    }
}

/// A peer of tunnels as one of our addresses reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Its id, not 0.
    pub id: TunnelId,
    /// How frames are packed.
    pub kind: TunnelKind,
    /// The routing domain of the outer packets.
    pub vrf: VrfId,
    /// Our address.
    pub local: IpAddr,
    /// The peer's, of the same family; or a multicast group, to which all peers listen.
    pub remote: IpAddr,
    /// Of a group: the interface by which its packets leave, and come.
    pub out: Option<IfaceId>,
    /// UDP port of VXLAN and Geneve; 0 for GRE.
    pub port: u16,
    /// Hop limit or TTL of outer packets.
    pub hop_limit: u8,
    /// What the DSCPs of outer and inner packets have to do with each other.
    pub dscp: DscpMode,
    /// Outer UDP checksums are computed, and received ones must not be zero over IPv6; if not, zero is sent and
    /// accepted (RFC 6935, RFC 6936).
    pub checksum: bool,
    /// Longest outer packet, bytes: what is known of the path.
    pub mtu: u16,
}

impl Tunnel {
    /// Bytes of the outer IP header.
    pub const fn ip_header_len(&self) -> usize {
        match self.remote {
            IpAddr::V6(_) => 40,
            IpAddr::V4(_) => 20,
        }
    }

    /// Bytes that an inner frame grows by before it is an outer IP packet.
    pub const fn overhead(&self) -> usize {
        self.ip_header_len() + self.kind.header_len()
    }
}

/// A place of a network on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The network.
    pub network: NetworkId,
    /// The device.
    pub port: PortId,
    /// The tags its frames have there.
    pub tags: Tags,
    /// The machine of a tenant that is plugged there, 0 if the place is the operator's own.
    pub anchor: AnchorId,
}

/// What an outer packet is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// The routing domain.
    pub vrf: VrfId,
    /// The kind.
    pub kind: TunnelKind,
    /// Our address, IPv4 as an IPv4-mapped one.
    pub local: u128,
    /// The peer's, the same way.
    pub remote: u128,
}

/// What an IPv4 address becomes an IPv4-mapped IPv6 address by (RFC 4291 section 2.5.5.2).
pub const V4_MAPPED: u128 = 0xffff << 32;

/// An address as one number: IPv4 as an IPv4-mapped IPv6 address.
pub const fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V6(address) => address.to_bits(),
        IpAddr::V4(address) => V4_MAPPED | address.to_bits() as u128,
    }
}

/// All networks of the snapshot.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    networks: Vec<Option<Network>>,
    locals: Vec<Option<Local>>,
    tunnels: Vec<Option<Tunnel>>,
    openings: Vec<Option<Opening>>,
    ends: HashMap<Ends, TunnelId>,
    groups: HashMap<(VrfId, TunnelKind, u128), TunnelId>,
    vnis: HashMap<(VrfId, TunnelKind, u32), NetworkId>,
    routed: HashMap<(TunnelId, Option<u32>), IfaceId>,
    udp_ports: Vec<(VrfId, u16, TunnelKind)>,
}

impl Networks {
    /// Adds a network, replacing one of the same id. Its tunnels and local attachments are to be added too.
    pub fn insert(&mut self, network: Network) {
        let index = network.id.index();
        let Self { tunnels, vnis, .. } = self;
        for segment in &network.segments {
            // Thousands of networks on hundreds of tunnels of one routing domain or two: each once.
            let mut known = None;
            let of = |id: &TunnelId| tunnels.get(id.index())?.as_ref();
            for tunnel in segment.tunnels.iter().filter_map(of) {
                if known.replace(tunnel.vrf) != Some(tunnel.vrf) {
                    vnis.insert((tunnel.vrf, segment.kind, segment.vni), network.id);
                }
            }
        }
        place(&mut self.networks, index, network);
    }

    /// Adds a tunnel, replacing one of the same id. Tunnels are added before the networks that are stretched over them.
    pub fn insert_tunnel(&mut self, tunnel: Tunnel) {
        let ends = Ends {
            vrf: tunnel.vrf,
            kind: tunnel.kind,
            local: mapped(tunnel.local),
            remote: mapped(tunnel.remote),
        };
        if tunnel.remote.is_multicast() {
            let group = (tunnel.vrf, tunnel.kind, ends.remote);
            self.groups.insert(group, tunnel.id);
        } else {
            self.ends.insert(ends, tunnel.id);
        }
        let port = (tunnel.vrf, tunnel.port, tunnel.kind);
        if tunnel.kind != TunnelKind::Gre && !self.udp_ports.contains(&port) {
            self.udp_ports.push(port);
        }
        let index = tunnel.id.index();
        put(&mut self.openings, index, Opening::of(&tunnel));
        place(&mut self.tunnels, index, tunnel);
    }

    /// An interface that is a tunnel: IP packets in GRE, with this key or with none.
    pub fn insert_routed(&mut self, tunnel: TunnelId, key: Option<u32>, iface: IfaceId) {
        self.routed.insert((tunnel, key), iface);
    }

    /// Adds a local attachment under its number.
    pub(super) fn insert_local(&mut self, number: u32, local: Local) {
        place(&mut self.locals, number as usize, local);
    }

    /// The network of this id.
    #[inline]
    pub fn get(&self, id: NetworkId) -> Option<&Network> {
        self.networks.get(id.index())?.as_ref()
    }

    /// Every network.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.networks.iter().flatten()
    }

    /// The local attachment of this number.
    #[inline]
    pub fn local(&self, number: u32) -> Option<&Local> {
        self.locals.get(number as usize)?.as_ref()
    }

    /// The tunnel of this id.
    #[inline]
    pub fn tunnel(&self, id: TunnelId) -> Option<&Tunnel> {
        self.tunnels.get(id.index())?.as_ref()
    }

    /// What the packets of the tunnel between these ends begin with, if they are common ones.
    #[inline]
    pub fn opening(&self, ends: &Ends) -> Option<(&Tunnel, &Opening)> {
        let tunnel = self.between(ends)?;
        let opening = self.openings.get(tunnel.id.index())?.as_ref()?;
        Some((tunnel, opening))
    }

    /// Whether there is any tunnel.
    #[inline]
    pub fn has_tunnels(&self) -> bool {
        !self.ends.is_empty()
    }

    /// The tunnel between these ends.
    #[inline]
    pub fn between(&self, ends: &Ends) -> Option<&Tunnel> {
        self.tunnel(*self.ends.get(ends)?)
    }

    /// The tunnel to a multicast group.
    #[inline]
    pub fn to_group(&self, vrf: VrfId, kind: TunnelKind, group: u128) -> Option<&Tunnel> {
        self.tunnel(*self.groups.get(&(vrf, kind, group))?)
    }

    /// The kind of tunnels whose packets come to a UDP port of a routing domain.
    #[inline]
    pub fn on_port(&self, vrf: VrfId, port: u16) -> Option<TunnelKind> {
        let mut ports = self.udp_ports.iter();
        ports
            .find(|(of, number, _)| (*of, *number) == (vrf, port))
            .map(|(_, _, kind)| *kind)
    }

    /// The network that tunnels of a kind carry under an identifier in a routing domain.
    #[inline]
    pub fn by_vni(&self, vrf: VrfId, kind: TunnelKind, vni: u32) -> Option<&Network> {
        self.get(*self.vnis.get(&(vrf, kind, vni))?)
    }

    /// The interface that a GRE tunnel with this key is.
    #[inline]
    pub fn routed(&self, tunnel: TunnelId, key: Option<u32>) -> Option<IfaceId> {
        self.routed.get(&(tunnel, key)).copied()
    }

    /// Whether a frame that came from one place of a network may go to another: not back where it came from, and not from
    /// one tunnel to another (split horizon: every peer has sent to all others itself).
    #[inline]
    pub fn may_pass(from: AttachId, to: AttachId) -> bool {
        from != to
            && !(matches!(from.place(), Place::Tunnel(_)) && matches!(to.place(), Place::Tunnel(_)))
    }
}

fn place<T>(list: &mut Vec<Option<T>>, index: usize, value: T) {
    put(list, index, Some(value));
}

fn put<T>(list: &mut Vec<Option<T>>, index: usize, value: Option<T>) {
    if list.len() <= index {
        list.resize_with(index + 1, || None);
    }
    list[index] = value;
}
