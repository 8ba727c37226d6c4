//! Finds a packet's interface and checks its headers: everything that can be said without a table of routes.
//!
//! Ethernet and VLAN tags, IPv6 (RFC 8200) with its extension headers, IPv4 (RFC 1812 section 5.2), ARP. Afterwards
//! [`Meta`] says where the headers stand, and the packet's length is that of its IP header: padding is gone.

use dpdk::{Mbuf, mbuf};
use tables::id::IfaceId;
use wire::EtherType;
use wire::arp::ArpPacket;

use crate::counters::WorkerCounters;
use crate::drop::DropReason;
use crate::forwarding::{Interface, PortView, Urpf};
use crate::frame::{Family, Frame, Meta, flags};
use crate::graph::Stage;
use crate::punt::PuntClass;
use crate::state::{Context, WorkerState};

mod ip4;
mod ip6;

/// Where a stage sends a packet.
pub(super) enum Verdict {
    /// On to a stage.
    To(Stage),
    /// To the control plane.
    Punt(PuntClass),
    /// Away.
    Drop(DropReason),
    /// Away with an ICMP error; the parameter is [`Meta::param`].
    Refuse(DropReason, u32),
}

/// Bytes of an Ethernet header without tags.
const ETHERNET: usize = 14;
/// Bytes of a VLAN tag.
const TAG: usize = 4;

/// Checks the packets of its list.
pub fn parse(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Parse) {
        let mut mbuf = frame.mbuf(slot);
        let verdict = packet(cx, &mut mbuf, &mut frame[slot], &w.counters);
        match verdict {
            Verdict::To(stage) => frame.send(slot, stage),
            Verdict::Punt(class) => frame.punt(slot, class),
            Verdict::Drop(reason) => frame.drop(slot, reason),
            Verdict::Refuse(reason, param) => frame.refuse(slot, reason, param),
        }
    }
}

fn packet(
    cx: &Context<'_>,
    mbuf: &mut Mbuf,
    meta: &mut Meta,
    counters: &WorkerCounters,
) -> Verdict {
    // Headers are read from the first segment. A chain that is short enough becomes one segment here; a longer one
    // has all its headers in the first, or is dropped where they are missed.
    if mbuf.nb_segs() > 1 {
        let _ = mbuf.linearize();
    }
    let link = match LinkLayer::read(mbuf) {
        Ok(link) => link,
        Err(reason) => return Verdict::Drop(reason),
    };
    let Some(port) = cx.forwarding.port(meta.port) else {
        return Verdict::Drop(DropReason::UnknownVlan);
    };
    let Some(interface) = cx.forwarding.interface(link.interface(port)) else {
        return Verdict::Drop(DropReason::UnknownVlan);
    };
    meta.iface = interface.id;
    meta.vrf = interface.vrf;
    meta.l3 = link.len;
    if link.destination[0] & 1 != 0 {
        meta.flags |= flags::LINK_MULTICAST;
    } else if !interface.owns_mac(&link.destination) {
        return Verdict::Drop(DropReason::NotOurMac);
    }
    match link.ether_type {
        EtherType::IPV6 => ip6::header(mbuf, meta, interface, counters),
        EtherType::IPV4 => ip4::header(mbuf, meta, interface, counters),
        EtherType::ARP => arp(mbuf, meta, interface),
        _ => Verdict::Drop(DropReason::UnknownEtherType),
    }
}

/// What the link-layer header says.
struct LinkLayer {
    destination: [u8; 6],
    ether_type: EtherType,
    /// VIDs, outermost first; priority tags (VID 0) left out.
    vids: [u16; 2],
    n_vids: usize,
    /// Bytes of the header, tags in the data included.
    len: u16,
}

impl LinkLayer {
    fn read(mbuf: &Mbuf) -> Result<Self, DropReason> {
        let data = mbuf.data();
        let Some(header) = data.first_chunk::<ETHERNET>() else {
            return Err(short(mbuf, ETHERNET, DropReason::FrameTruncated));
        };
        let [d0, d1, d2, d3, d4, d5, s0, .., t0, t1] = *header;
        if s0 & 1 != 0 {
            return Err(DropReason::SourceMacMulticast);
        }
        let mut link = Self {
            destination: [d0, d1, d2, d3, d4, d5],
            ether_type: EtherType(u16::from_be_bytes([t0, t1])),
            vids: [0; 2],
            n_vids: 0,
            len: ETHERNET as u16,
        };
        if mbuf.ol_flags() & mbuf::flags::RX_VLAN_STRIPPED != 0 {
            link.tag(mbuf.vlan_tci())?;
        }
        while link.ether_type.is_vlan() {
            let at = usize::from(link.len);
            let Some(&[c0, c1, t0, t1]) = data.get(at..).and_then(|rest| rest.first_chunk()) else {
                return Err(short(mbuf, at + TAG, DropReason::FrameTruncated));
            };
            link.tag(u16::from_be_bytes([c0, c1]))?;
            link.ether_type = EtherType(u16::from_be_bytes([t0, t1]));
            link.len += TAG as u16;
            if usize::from(link.len) > ETHERNET + 2 * TAG {
                return Err(DropReason::UnknownVlan);
            }
        }
        Ok(link)
    }

    fn tag(&mut self, control: u16) -> Result<(), DropReason> {
        let vid = control & 0xfff;
        if vid != 0 {
            *self
                .vids
                .get_mut(self.n_vids)
                .ok_or(DropReason::UnknownVlan)? = vid;
            self.n_vids += 1;
        }
        Ok(())
    }

    fn interface(&self, port: &PortView) -> IfaceId {
        match self.n_vids {
            0 => port.tags.untagged(),
            1 => port.tags.vlan(self.vids[0]),
            _ => port.tags.qinq(self.vids[0], self.vids[1]),
        }
    }
}

/// Why the first segment ends before byte `need`: because the packet does, or because another segment follows.
fn short(mbuf: &Mbuf, need: usize, truncated: DropReason) -> DropReason {
    if (mbuf.pkt_len() as usize) < need {
        truncated
    } else {
        DropReason::HeaderNotContiguous
    }
}

fn arp(mbuf: &Mbuf, meta: &mut Meta, interface: &Interface) -> Verdict {
    meta.family = Family::Arp;
    meta.len = mbuf.pkt_len() - u32::from(meta.l3);
    if !interface.ip4 {
        return Verdict::Drop(DropReason::ArpNotEnabled);
    }
    match ArpPacket::parse(&mbuf.data()[usize::from(meta.l3)..]) {
        Ok(_) => Verdict::Punt(PuntClass::Arp),
        Err(_) => Verdict::Drop(DropReason::ArpMalformed),
    }
}

/// Cuts link-layer padding off, now that the packet's own length is known.
fn trim(mbuf: &mut Mbuf, meta: &Meta) {
    let end = u32::from(meta.l3) + meta.len;
    if mbuf.pkt_len() > end {
        // Cannot fail: the packet is longer.
        let _ = mbuf.truncate(end);
    }
}

/// To the routing table, by way of the reverse path check where it is on.
fn onward(urpf: Urpf) -> Verdict {
    match urpf {
        Urpf::Off => Verdict::To(Stage::Route),
        Urpf::Strict | Urpf::Loose | Urpf::Station => Verdict::To(Stage::Urpf),
    }
}
