//! How an interface's frames look: what a next hop prepends.

use std::net::IpAddr;

use dataplane::inject::Inject;
use tables::id::{IfaceId, PortId, VrfId};
use tables::next_hop::{MAX_HEADER, NextHop, NextHopKind};
use wire::ether::MacAddr;

use crate::model::{Carrier, Tag};

/// EtherType of an 802.1Q tag.
const TPID_VLAN: u16 = 0x8100;

/// An interface as its next hops see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// What carries its packets.
    pub carrier: Carrier,
    /// The routing domain.
    pub vrf: VrfId,
    /// Our MAC address.
    pub mac: MacAddr,
    /// Layer-3 MTU, bytes.
    pub mtu: u16,
}

impl Link {
    /// The next hop of the interface's own addresses.
    pub fn local(&self, iface: IfaceId) -> NextHop {
        self.special(iface, NextHopKind::Local)
    }

    /// The next hop of a connected prefix: its destinations are resolved, or are the other end of a tunnel.
    pub fn connected(&self, iface: IfaceId) -> NextHop {
        let kind = match self.carrier {
            Carrier::Tunnel { .. } => NextHopKind::Tunnel,
            Carrier::Device { .. } | Carrier::Network(_) => NextHopKind::Glean,
        };
        self.special(iface, kind)
    }

    fn special(&self, iface: IfaceId, kind: NextHopKind) -> NextHop {
        NextHop {
            port: self.port(),
            iface,
            mtu: self.mtu,
            ..NextHop::of_kind(kind)
        }
    }

    /// The port of its next hops.
    fn port(&self) -> PortId {
        match self.carrier {
            Carrier::Device { port, .. } => port,
            Carrier::Network(_) => PortId::NETWORK,
            Carrier::Tunnel { .. } => PortId::TUNNEL,
        }
    }

    /// Whether a neighbour with or without this MAC address can be sent to.
    pub fn reaches(&self, mac: Option<MacAddr>) -> bool {
        mac.is_some() || self.carrier.is_tunnel()
    }

    /// The next hop of a neighbour: `Incomplete` as long as its MAC is wanted and not known.
    pub fn adjacency(&self, iface: IfaceId, address: IpAddr, mac: Option<MacAddr>) -> NextHop {
        let gateway = mapped(address);
        let kind = match (self.carrier, mac) {
            (Carrier::Tunnel { .. }, _) => NextHopKind::Tunnel,
            (_, None) => NextHopKind::Incomplete,
            (Carrier::Device { .. }, Some(_)) => NextHopKind::Forward,
            (Carrier::Network(_), Some(_)) => NextHopKind::Bridge,
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
        let length = match self.carrier.tag() {
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

    /// What has a layer-3 packet sent in a frame; `None` on a tunnel, which has no frames.
    pub fn inject(
        &self,
        iface: IfaceId,
        to: MacAddr,
        ethertype: u16,
        packet: &[u8],
    ) -> Option<Inject> {
        match self.carrier {
            Carrier::Device { port, .. } => Some(Inject::Frame {
                port,
                bytes: self.frame(to, ethertype, packet),
            }),
            Carrier::Network(network) => Some(Inject::Network {
                network,
                iface,
                bytes: self.frame(to, ethertype, packet),
            }),
            Carrier::Tunnel { .. } => None,
        }
    }

    /// A whole frame around a layer-3 packet.
    fn frame(&self, to: MacAddr, ethertype: u16, packet: &[u8]) -> Vec<u8> {
        let (header, length) = self.header(to);
        let length = usize::from(length);
        let mut frame = Vec::with_capacity(length + packet.len());
        frame.extend_from_slice(&header[..length - 2]);
        frame.extend_from_slice(&ethertype.to_be_bytes());
        frame.extend_from_slice(packet);
        frame
    }
}

/// A frame without tags, tagged.
pub fn tagged(tag: Tag, frame: &[u8]) -> Vec<u8> {
    let tags = match tag {
        Tag::Untagged => Vec::new(),
        Tag::Vlan(vid) => vec![TPID_VLAN, vid],
        Tag::QinQ {
            outer_tpid,
            outer,
            inner,
        } => vec![outer_tpid, outer, TPID_VLAN, inner],
    };
    let (addresses, rest) = frame.split_at(frame.len().min(12));
    let tags = tags.into_iter().flat_map(u16::to_be_bytes);
    let tagged = addresses.iter().copied().chain(tags);
    tagged.chain(rest.iter().copied()).collect()
}

/// An address as the tables carry it: IPv4 as an IPv4-mapped address.
pub fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(a) => a.octets(),
        IpAddr::V4(a) => a.to_ipv6_mapped().octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_stand_between_addresses_and_ethertype() {
        let frame: Vec<u8> = (0..20).collect();
        let tags = |tag| tagged(tag, &frame)[12..].to_vec();
        assert_eq!(tags(Tag::Untagged), frame[12..]);
        assert_eq!(tags(Tag::Vlan(5))[..6], [0x81, 0, 0, 5, 12, 13]);
        let qinq = Tag::QinQ {
            outer_tpid: 0x88a8,
            outer: 7,
            inner: 5,
        };
        assert_eq!(tags(qinq)[..10], [0x88, 0xa8, 0, 7, 0x81, 0, 0, 5, 12, 13]);
        assert_eq!(tagged(qinq, &frame)[..12], frame[..12]);
        assert_eq!(tagged(Tag::Untagged, &[1, 2]), [1, 2]);
    }
}
