//! How an interface's frames look: what a next hop prepends.

use std::net::IpAddr;

use tables::id::{IfaceId, PortId, VrfId};
use tables::next_hop::{MAX_HEADER, NextHop, NextHopKind};
use wire::ether::MacAddr;

use crate::model::Tag;

/// EtherType of an 802.1Q tag.
const TPID_VLAN: u16 = 0x8100;

/// An interface as its next hops see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The port to send from.
    pub port: PortId,
    /// The routing domain.
    pub vrf: VrfId,
    /// Our MAC address.
    pub mac: MacAddr,
    /// VLAN tags.
    pub tag: Tag,
    /// Layer-3 MTU, bytes.
    pub mtu: u16,
}

impl Link {
    /// A next hop of the interface itself: `Glean` or `Local`.
    pub fn special(&self, iface: IfaceId, kind: NextHopKind) -> NextHop {
        NextHop {
            port: self.port,
            iface,
            mtu: self.mtu,
            ..NextHop::of_kind(kind)
        }
    }

    /// The next hop of a neighbour: `Forward` with its MAC, `Incomplete` without.
    pub fn adjacency(&self, iface: IfaceId, address: IpAddr, mac: Option<MacAddr>) -> NextHop {
        let gateway = mapped(address);
        let kind = if mac.is_some() {
            NextHopKind::Forward
        } else {
            NextHopKind::Incomplete
        };
        let (header, header_len) = mac
            .map(|mac| self.header(mac))
            .unwrap_or(([0; MAX_HEADER], 0));
        NextHop {
            header,
            header_len,
            gateway,
            ..self.special(iface, kind)
        }
    }

    /// Ethernet header with VLAN tags; the EtherType at its end is the rewrite's to fill (zero here).
    fn header(&self, to: MacAddr) -> ([u8; MAX_HEADER], u8) {
        let mut header = [0; MAX_HEADER];
        header[..6].copy_from_slice(&to.octets());
        header[6..12].copy_from_slice(&self.mac.octets());
        let mut tag = |at: usize, tpid: u16, vid: u16| {
            header[at..at + 2].copy_from_slice(&tpid.to_be_bytes());
            header[at + 2..at + 4].copy_from_slice(&vid.to_be_bytes());
        };
        let length = match self.tag {
            Tag::Untagged => 14,
            Tag::Vlan(vid) => {
                tag(12, TPID_VLAN, vid);
                18
            }
            Tag::QinQ {
                outer_tpid,
                outer,
                inner,
            } => {
                tag(12, outer_tpid, outer);
                tag(16, TPID_VLAN, inner);
                22
            }
        };
        (header, length)
    }

    /// A whole frame around a layer-3 packet.
    pub fn frame(&self, to: MacAddr, ethertype: u16, packet: &[u8]) -> Vec<u8> {
        let (header, length) = self.header(to);
        let length = usize::from(length);
        let mut frame = Vec::with_capacity(length + packet.len());
        frame.extend_from_slice(&header[..length - 2]);
        frame.extend_from_slice(&ethertype.to_be_bytes());
        frame.extend_from_slice(packet);
        frame
    }
}

/// An address as the tables carry it: IPv4 as an IPv4-mapped address.
pub fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(a) => a.octets(),
        IpAddr::V4(a) => a.to_ipv6_mapped().octets(),
    }
}
