//! Finds a packet's interface and checks its headers: everything that can be said without a table of routes.
//!
//! Ethernet and VLAN tags, IPv6 (RFC 8200) with its extension headers, IPv4 (RFC 1812 section 5.2), ARP. Afterwards
//! [`Meta`] says where the headers stand, and the packet's length is that of its IP header: padding is gone.

use dpdk::Mbuf;
use tables::id::IfaceId;
use wire::EtherType;
use wire::arp::ArpPacket;

use crate::counters::WorkerCounters;
use crate::drop::DropReason;
use crate::forwarding::{Interface, Selected, Urpf};
use crate::frame::{Family, Frame, Meta, flags};
use crate::graph::Stage;
use crate::punt::PuntClass;
use crate::state::{Context, WorkerState};

use super::link::{LinkLayer, short};

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
    if meta.has(flags::BARE) {
        return bare(cx, mbuf, meta, counters);
    }
    let link = match LinkLayer::read(mbuf) {
        Ok(link) => link,
        Err(reason) => return Verdict::Drop(reason),
    };
    // A frame of a network comes with its interface.
    if meta.iface == IfaceId(0) {
        let port = cx.forwarding.port(meta.port);
        match port.map_or(Selected::Nothing, |port| link.select(port)) {
            Selected::Interface(id) => meta.iface = id,
            Selected::Nothing | Selected::Attachment(_) => {
                return Verdict::Drop(DropReason::UnknownVlan);
            }
        }
    }
    let Some(interface) = cx.forwarding.interface(meta.iface) else {
        return Verdict::Drop(DropReason::UnknownVlan);
    };
    // What one router of ours sent is a packet like any other to the next one.
    meta.flags &= !flags::OWN_FRAME;
    meta.vrf = interface.vrf;
    meta.l3 = link.len;
    if link.is_group() {
        meta.flags |= flags::LINK_MULTICAST;
    } else if !interface.owns_mac(&link.destination) {
        return Verdict::Drop(match interface.is_active(&link.destination) {
            Some(_) => DropReason::VirtualRouterBackup,
            None => DropReason::NotOurMac,
        });
    }
    match link.ether_type {
        EtherType::IPV6 => ip6::header(mbuf, meta, interface, counters),
        EtherType::IPV4 => ip4::header(mbuf, meta, interface, counters),
        EtherType::ARP => arp(mbuf, meta, interface),
        _ => Verdict::Drop(DropReason::UnknownEtherType),
    }
}

/// A packet that came without a link-layer header, by an interface that is a tunnel.
fn bare(cx: &Context<'_>, mbuf: &mut Mbuf, meta: &mut Meta, counters: &WorkerCounters) -> Verdict {
    let Some(interface) = cx.forwarding.interface(meta.iface) else {
        return Verdict::Drop(DropReason::InterfaceDown);
    };
    meta.vrf = interface.vrf;
    match mbuf.data().first().map(|byte| byte >> 4) {
        Some(6) => ip6::header(mbuf, meta, interface, counters),
        Some(4) => ip4::header(mbuf, meta, interface, counters),
        _ => Verdict::Drop(DropReason::TunnelMalformed),
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
