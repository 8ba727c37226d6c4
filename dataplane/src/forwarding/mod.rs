//! What a worker knows about ports and interfaces: one immutable snapshot, replaced as a whole.
//!
//! The control plane builds a [`Forwarding`], publishes it, and never changes it again. Routes and next hops are not
//! in here: they change a thousand times more often and live in tables of their own.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hashbrown::HashMap;
use tables::hash::FlowHasher;
use tables::id::{AnchorId, AttachId, IfaceId, NetworkId, Place, PortId, TunnelId, VrfId};

use crate::capture::CaptureFilter;
use crate::punt::PuntClass;
use crate::trace::TraceFilter;

pub mod network;
pub mod outer;
pub mod security;
mod shared;
#[cfg(test)]
mod tests;
pub mod virtual_macs;

pub use network::{Network, Networks, Tunnel};
pub use security::Security;
pub use shared::Shared;
pub use virtual_macs::VirtualMacs;

/// An Ethernet address.
pub type MacAddr = [u8; 6];

/// The VLAN tags of an interface. TPIDs are not compared on receive: 0x8100 and 0x88a8 name the same VLAN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tags {
    /// No tag (a priority tag, VID 0, counts as none).
    #[default]
    None,
    /// One tag (IEEE 802.1Q).
    Vlan(u16),
    /// Two tags (IEEE 802.1ad).
    QinQ {
        /// VID of the outer tag.
        outer: u16,
        /// VID of the inner tag.
        inner: u16,
    },
}

/// Reverse path check of RFC 3704 (BCP 84).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Urpf {
    /// No check.
    #[default]
    Off,
    /// The best route to the source must leave by the interface the packet came from.
    Strict,
    /// There must be a route to the source, and not a discard route.
    Loose,
    /// As strict, and the frame must come from the station that the route leads to (source address validation, RFC 7039).
    Station,
}

/// Which DHCP messages an interface hears. Others are UDP datagrams on whose port nothing listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dhcp {
    /// Those for DHCPv6 servers and relay agents: UDP port 547 (RFC 8415 section 7.2).
    pub server6: bool,
    /// Those for DHCPv6 clients: UDP port 546.
    pub client6: bool,
    /// Those for DHCPv4 servers and relay agents: UDP port 67 (RFC 2131 section 4.1).
    pub server4: bool,
}

impl Dhcp {
    /// What either hears.
    pub const fn or(self, other: Self) -> Self {
        Self {
            server6: self.server6 | other.server6,
            client6: self.client6 | other.client6,
            server4: self.server4 | other.server4,
        }
    }
}

/// A token bucket's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens a second; 0 refuses everything.
    pub per_second: u32,
    /// Tokens the bucket holds at most.
    pub burst: u32,
}

/// Limits for ICMP errors (RFC 4443 2.4 f), per worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpLimits {
    /// Errors caused by packets of one interface.
    pub per_interface: Rate,
    /// Errors to one destination.
    pub per_destination: Rate,
}

impl Default for IcmpLimits {
    fn default() -> Self {
        Self {
            per_interface: Rate {
                per_second: 1000,
                burst: 100,
            },
            per_destination: Rate {
                per_second: 50,
                burst: 20,
            },
        }
    }
}

/// A layer-3 interface as the packet path sees it.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its id, not 0.
    pub id: IfaceId,
    /// The port it lives on; [`PortId::NETWORK`] or [`PortId::TUNNEL`] if it lives on none.
    pub port: PortId,
    /// The tags that select it.
    pub tags: Tags,
    /// The network it is on, if its port is [`PortId::NETWORK`].
    pub network: NetworkId,
    /// The tunnel that it is, with its key, if its port is [`PortId::TUNNEL`].
    pub tunnel: Option<(TunnelId, Option<u32>)>,
    /// Its own MAC address; packets for it are for us.
    pub mac: MacAddr,
    /// The MAC addresses of its virtual routers, if it takes part in any; VRRP is heard then.
    pub virtual_macs: Option<Arc<VirtualMacs>>,
    /// The routing domain of what it receives.
    pub vrf: VrfId,
    /// Layer-3 MTU, bytes.
    pub mtu: u16,
    /// Whether IPv6 is spoken.
    pub ip6: bool,
    /// Whether IPv4 (and ARP) is spoken.
    pub ip4: bool,
    /// Own link-local addresses; link-local destinations never meet the routing table.
    pub link_local: Vec<Ipv6Addr>,
    /// Addresses of virtual routers that are not ours to use: only neighbour discovery, ARP and DHCP are answered (Accept_Mode of
    /// RFC 9568 section 6.1 is false). IPv4 as IPv4-mapped addresses.
    pub unaccepted: Vec<Ipv6Addr>,
    /// Own anycast addresses: no answer comes from one (RFC 4443 2.2, 4.2).
    pub anycast6: Vec<Ipv6Addr>,
    /// Source of ICMPv6 errors: a global address of the interface, or of its router (RFC 4443 2.2).
    pub icmp_source6: Option<Ipv6Addr>,
    /// Source of ICMP errors (RFC 1812 4.3.2.4).
    pub icmp_source4: Option<Ipv4Addr>,
    /// IPv6 multicast groups joined on the link.
    pub groups6: Vec<Ipv6Addr>,
    /// Every solicited-node group counts as joined: there are proxied prefixes, whose addresses cannot be listed.
    pub all_solicited_nodes: bool,
    /// IPv4 multicast groups joined on the link.
    pub groups4: Vec<Ipv4Addr>,
    /// Broadcast addresses of the connected IPv4 prefixes: never forwarded to (RFC 2644).
    pub broadcast4: Vec<Ipv4Addr>,
    /// Reverse path check for IPv6.
    pub urpf6: Urpf,
    /// Reverse path check for IPv4.
    pub urpf4: Urpf,
    /// Tell hosts of a better first hop (RFC 4861 8.2, RFC 1812 5.2.7.2).
    pub redirects: bool,
    /// Answer echo requests to multicast groups (RFC 4443 4.2).
    pub echo_multicast: bool,
    /// DHCP messages that are heard: those that come in here, and those to an address of this interface that come in
    /// anywhere (from a relay agent, or from the server of ours).
    pub dhcp: Dhcp,
    /// Whether it has BFD sessions: control packets are heard then.
    pub bfd: bool,
    /// The machine of a tenant that is plugged here, 0 if the link is the operator's own.
    pub anchor: AnchorId,
}

impl Interface {
    /// A minimal interface: both families on, no address, MTU 1500, every option off.
    pub fn new(id: IfaceId, port: PortId, tags: Tags, mac: MacAddr, vrf: VrfId) -> Self {
        Self {
            id,
            port,
            tags,
            network: NetworkId(0),
            tunnel: None,
            mac,
            virtual_macs: None,
            vrf,
            mtu: 1500,
            ip6: true,
            ip4: true,
            link_local: Vec::new(),
            unaccepted: Vec::new(),
            anycast6: Vec::new(),
            icmp_source6: None,
            icmp_source4: None,
            groups6: Vec::new(),
            all_solicited_nodes: false,
            groups4: Vec::new(),
            broadcast4: Vec::new(),
            urpf6: Urpf::Off,
            urpf4: Urpf::Off,
            redirects: false,
            echo_multicast: true,
            dhcp: Dhcp::default(),
            bfd: false,
            anchor: AnchorId(0),
        }
    }

    /// Whether a frame with this destination is for us.
    #[inline]
    pub fn owns_mac(&self, mac: &MacAddr) -> bool {
        self.mac == *mac || self.is_active(mac) == Some(true)
    }

    /// Whether this is the MAC address of a virtual router that is active here; `None` if it is none.
    #[inline]
    pub fn is_active(&self, mac: &MacAddr) -> Option<bool> {
        self.virtual_macs.as_ref()?.is_active(mac)
    }
}

/// What a frame's tags select on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// Nothing: the frame is for nobody here.
    Nothing,
    /// An interface.
    Interface(IfaceId),
    /// A network, by this local attachment.
    Attachment(AttachId),
}

/// A [`Selected`] in 32 bits: an interface's number, or a local attachment's with the highest bit set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry(u32);

impl Entry {
    const ATTACHMENT: u32 = 1 << 31;

    const fn interface(id: IfaceId) -> Self {
        Self(id.0 as u32)
    }

    const fn attachment(id: AttachId) -> Self {
        Self(Self::ATTACHMENT | id.0)
    }

    #[inline(always)]
    const fn selected(self) -> Selected {
        match self.0 {
            0 => Selected::Nothing,
            number if number & Self::ATTACHMENT == 0 => Selected::Interface(IfaceId(number as u16)),
            number => Selected::Attachment(AttachId(number & !Self::ATTACHMENT)),
        }
    }
}

/// Which interface or network a frame's tags select on a port.
#[derive(Clone, Debug, Default)]
pub struct TagMap {
    untagged: Entry,
    single: Option<Box<[Entry]>>,
    double: HashMap<(u16, u16), Entry>,
}

const VIDS: usize = 4096;

impl TagMap {
    /// The interface of an untagged frame, 0 if there is none.
    #[inline(always)]
    pub fn untagged(&self) -> IfaceId {
        match self.untagged.selected() {
            Selected::Interface(id) => id,
            _ => IfaceId(0),
        }
    }

    /// What these VIDs select, outermost first; `n` of them count.
    #[inline]
    pub fn select(&self, vids: [u16; 2], n: usize) -> Selected {
        let tags = match n {
            0 => Tags::None,
            1 => Tags::Vlan(vids[0]),
            _ => Tags::QinQ {
                outer: vids[0],
                inner: vids[1],
            },
        };
        self.get(tags).selected()
    }

    #[inline(always)]
    fn get(&self, tags: Tags) -> Entry {
        match tags {
            Tags::None => self.untagged,
            Tags::Vlan(vid) => {
                let single = self.single.as_ref();
                single.map_or_else(Entry::default, |table| table[vid as usize % VIDS])
            }
            Tags::QinQ { outer, inner } => {
                let entry = self.double.get(&(outer, inner));
                entry.copied().unwrap_or_default()
            }
        }
    }

    fn insert(&mut self, tags: Tags, entry: Entry) {
        match tags {
            Tags::None => self.untagged = entry,
            Tags::Vlan(vid) => {
                let table = self
                    .single
                    .get_or_insert_with(|| vec![Entry::default(); VIDS].into());
                table[vid as usize % VIDS] = entry;
            }
            Tags::QinQ { outer, inner } => {
                self.double.insert((outer, inner), entry);
            }
        }
    }
}

/// A port as the packet path sees it.
#[derive(Clone, Debug, Default)]
pub struct PortView {
    /// Interfaces and networks by tag.
    pub tags: Shared<TagMap>,
    /// Some of its frames belong to networks: all but the lane's begin in the switch stage.
    pub switched: bool,
    /// Machines of tenants are plugged here: what the lane does not admit begins in the admit stage.
    pub secured: bool,
    /// Trace or capture wants to see the packets of this port: all of them take the graph.
    pub observed: bool,
}

/// The whole snapshot.
#[derive(Clone, Debug)]
pub struct Forwarding {
    ports: Vec<PortView>,
    interfaces: Vec<Option<Interface>>,
    /// Layer-2 networks and tunnels.
    pub networks: Shared<Networks>,
    /// Machines of tenants, and what they may do.
    pub security: Shared<Security>,
    /// Chooses the member of a next-hop group for a flow.
    pub flow_hash: FlowHasher,
    /// Limits for ICMP errors.
    pub icmp: IcmpLimits,
    /// Policers of the punt classes, per worker and port; indexed by [`PuntClass::index`].
    pub punt_rates: [Rate; PuntClass::COUNT],
    /// What to trace, if anything; see [`Forwarding::watch`].
    pub trace: Option<TraceFilter>,
    /// What to capture, if anything; see [`Forwarding::watch`].
    pub capture: Option<CaptureFilter>,
}

impl Default for Rate {
    /// 1,000 a second, in bursts of 256.
    fn default() -> Self {
        Self {
            per_second: 1000,
            burst: 256,
        }
    }
}

/// A DHCP server is asked by a whole network at once when the power comes back; the other protocols are not.
fn punt_rates() -> [Rate; PuntClass::COUNT] {
    let mut rates = [Rate::default(); PuntClass::COUNT];
    for class in [PuntClass::Dhcp6, PuntClass::Dhcp4] {
        rates[class.index()] = DHCP_RATE;
    }
    rates[PuntClass::PathMtu.index()] = PATH_MTU_RATE;
    for class in PuntClass::ALL.iter().filter(|class| class.is_urgent()) {
        rates[class.index()] = URGENT_RATE;
    }
    rates
}

/// DHCP messages of one port, of each IP version: a burst fills at most half of the punt ring.
pub const DHCP_RATE: Rate = Rate {
    per_second: 20_000,
    burst: 512,
};

/// VRRP and BFD of one port: 255 virtual routers that advertise each centisecond. A burst fits the urgent ring.
const URGENT_RATE: Rate = Rate {
    per_second: 25_600,
    burst: 256,
};

/// Words of smaller path MTUs from one port: a path says so once, and again when it has been tried again.
const PATH_MTU_RATE: Rate = Rate {
    per_second: 50,
    burst: 32,
};

impl Default for Forwarding {
    fn default() -> Self {
        Self {
            ports: Vec::new(),
            interfaces: Vec::new(),
            networks: Shared::default(),
            security: Shared::default(),
            flow_hash: FlowHasher::new(0),
            icmp: IcmpLimits::default(),
            punt_rates: punt_rates(),
            trace: None,
            capture: None,
        }
    }
}

impl Forwarding {
    /// A snapshot without interfaces: every packet is dropped as `unknown_vlan`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The ports, tags, networks and tunnels of this snapshot without its interfaces: what a snapshot begins with that differs
    /// in no more than what interfaces are, not in where they are. No network is copied.
    pub fn places(&self) -> Self {
        Self {
            ports: self.ports.clone(),
            interfaces: Vec::new(),
            networks: self.networks.clone(),
            security: self.security.clone(),
            flow_hash: self.flow_hash,
            icmp: self.icmp,
            punt_rates: self.punt_rates,
            trace: self.trace,
            capture: self.capture,
        }
    }

    /// Adds an interface, replacing one of the same id or of the same port and tags.
    pub fn insert(&mut self, interface: Interface) {
        let (id, port, tags) = (interface.id, interface.port, interface.tags);
        if self.interfaces.len() <= id.index() {
            self.interfaces.resize(id.index() + 1, None);
        }
        if port != PortId::NETWORK && port != PortId::TUNNEL {
            let (map, entry) = (&mut self.port_mut(port).tags, Entry::interface(id));
            if map.get(tags) != entry {
                map.insert(tags, entry);
            }
            self.port_mut(port).secured |= interface.anchor != AnchorId(0);
        }
        self.interfaces[id.index()] = Some(interface);
    }

    /// Has the frames with these tags on a port belong to a network, and says by which attachment. `number` is the
    /// attachment's, not 0, and stays its own as long as stations may be known by it.
    pub fn attach(&mut self, number: u32, local: network::Local) -> AttachId {
        let id = AttachId::of(Place::Local(number));
        let port = self.port_mut(local.port);
        port.tags.insert(local.tags, Entry::attachment(id));
        port.switched = true;
        port.secured |= local.anchor != AnchorId(0);
        self.networks.insert_local(number, local);
        id
    }

    /// Arms trace and capture, or disarms them: while either is armed, the packets of every port take the graph.
    /// Call it when all interfaces are in.
    pub fn watch(&mut self, trace: Option<TraceFilter>, capture: Option<CaptureFilter>) {
        (self.trace, self.capture) = (trace, capture);
        let observed = self.is_watched();
        for port in &mut self.ports {
            port.observed = observed;
        }
    }

    /// Whether trace or capture is armed.
    #[inline(always)]
    pub fn is_watched(&self) -> bool {
        self.trace.is_some() || self.capture.is_some()
    }

    /// Marks a port as observed by trace or capture (or no longer).
    pub fn observe(&mut self, port: PortId, observed: bool) {
        self.port_mut(port).observed = observed;
    }

    /// The port, if any interface was ever put on it.
    #[inline]
    pub fn port(&self, port: PortId) -> Option<&PortView> {
        self.ports.get(port.index())
    }

    /// The interface of this id.
    #[inline]
    pub fn interface(&self, id: IfaceId) -> Option<&Interface> {
        self.interfaces.get(id.index())?.as_ref()
    }

    /// Every interface.
    pub fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.iter().flatten()
    }

    fn port_mut(&mut self, port: PortId) -> &mut PortView {
        if self.ports.len() <= port.index() {
            self.ports.resize_with(port.index() + 1, PortView::default);
        }
        &mut self.ports[port.index()]
    }
}
