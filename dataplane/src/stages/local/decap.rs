//! Takes frames and packets out of the outer packets of tunnels that end here.
//!
//! Only a configured peer is listened to, whether it sends to our address or to a group, and only for networks that are stretched to it: whatever else names one of our
//! addresses and a tunnel's port is dropped under its own name.

use dpdk::{Mbuf, mbuf};
use tables::id::{AttachId, NetworkId, Place};
use wire::EtherType;
use wire::checksum::Sum;
use wire::geneve::GeneveHeader;
use wire::gre::GreHeader;
use wire::traffic_class::{self, Decapsulated, Dscp, Ecn};
use wire::udp::{ChecksumDuty, UdpHeader, ZeroChecksum};
use wire::vxlan::VxlanHeader;

use super::{is_intact, upper, upper_len};
use crate::drop::DropReason;
use crate::forwarding::Tunnel;
use crate::forwarding::network::{Ends, TunnelKind, mapped};
use crate::frame::{Family, Meta, flags};
use crate::graph::Stage;
use crate::stages::encap::DEPTH;
use crate::stages::encap::header::{GRE, UDP};
use crate::stages::link::ETHERNET;
use crate::stages::route::{destination4, destination6, source4, source6};
use crate::state::{Context, WorkerState};

#[cfg(test)]
mod tests;

/// Whether a packet for us is a tunnel's.
#[inline]
pub(super) fn is_ours(cx: &Context<'_>, mbuf: &Mbuf, meta: &Meta) -> bool {
    if !cx.forwarding.networks.has_tunnels() || meta.has(flags::FRAGMENT) {
        return false;
    }
    let kind = kind(cx, mbuf, meta);
    kind.is_some_and(|kind| {
        !meta.has(flags::LINK_MULTICAST) || group(cx, &ends(mbuf, meta, kind), meta).is_some()
    })
}

/// The tunnel to the multicast group that a packet went to, if there is one and the packet came by the group's interface.
fn group<'r>(cx: &Context<'r>, ends: &Ends, meta: &Meta) -> Option<&'r Tunnel> {
    let networks = &cx.forwarding.networks;
    let group = networks.to_group(ends.vrf, ends.kind, ends.local)?;
    (group.out == Some(meta.iface)).then_some(group)
}

/// The kind of tunnel that a packet for us would be of.
fn kind(cx: &Context<'_>, mbuf: &Mbuf, meta: &Meta) -> Option<TunnelKind> {
    match meta.protocol {
        UDP => {
            let &[_, _, p0, p1] = upper(mbuf, meta)?;
            let port = u16::from_be_bytes([p0, p1]);
            cx.forwarding.networks.on_port(meta.vrf, port)
        }
        GRE => Some(TunnelKind::Gre),
        _ => None,
    }
}

/// Takes the outer headers off. What is known of what was in them, and the stage that it goes to.
pub(super) fn unpack(
    cx: &Context<'_>,
    mut mbuf: Mbuf,
    meta: &Meta,
    w: &WorkerState,
) -> Result<(Meta, Stage), DropReason> {
    let networks = &cx.forwarding.networks;
    let kind = kind(cx, &mbuf, meta).ok_or(DropReason::TunnelMalformed)?;
    let mut ends = ends(&mbuf, meta, kind);
    let group = match meta.has(flags::LINK_MULTICAST) {
        true => group(cx, &ends, meta),
        false => None,
    };
    // Who floods by the group is one of the peers that reach our own address.
    if let Some(group) = group {
        ends.local = mapped(group.local);
    }
    let tunnel = networks
        .between(&ends)
        .ok_or(DropReason::TunnelUnknownPeer)?;
    if DEPTH <= meta.tunnels {
        return Err(DropReason::TunnelDepth);
    }
    let contents = match kind {
        TunnelKind::Vxlan | TunnelKind::Geneve => {
            check_udp(&mbuf, meta, tunnel)?;
            in_udp(&mbuf, meta, kind)?
        }
        TunnelKind::Gre => in_gre(&mbuf, meta)?,
    };
    let inner = Meta {
        tunnels: meta.tunnels + 1,
        ..Meta::from_port(meta.port)
    };
    let (inner, stage) = match contents.protocol {
        EtherType::TRANSPARENT_BRIDGING => {
            let key = contents.key.ok_or(DropReason::TunnelUnknownNetwork)?;
            let network = networks
                .by_vni(tunnel.vrf, kind, key)
                .ok_or(DropReason::TunnelUnknownNetwork)?;
            let is_member = |id| network.vni(id) == Some(key);
            if !is_member(tunnel.id) || group.is_some_and(|group| !is_member(group.id)) {
                return Err(DropReason::TunnelNotMember);
            }
            let inner = Meta {
                network: network.id,
                from: AttachId::of(Place::Tunnel(tunnel.id)),
                ..inner
            };
            (inner, Stage::Switch)
        }
        EtherType::IPV6 | EtherType::IPV4 if group.is_none() => {
            let iface = networks.routed(tunnel.id, contents.key);
            let inner = Meta {
                iface: iface.ok_or(DropReason::TunnelUnknownNetwork)?,
                network: NetworkId(0),
                flags: flags::BARE,
                ..inner
            };
            (inner, Stage::Parse)
        }
        _ => return Err(DropReason::TunnelUnsupported),
    };
    let class = traffic_class::read(&mbuf.data()[usize::from(meta.l3)..]).unwrap_or_default();
    if !mbuf.adj(contents.at) {
        return Err(DropReason::TunnelMalformed);
    }
    mark(&mut mbuf, inner.has(flags::BARE), class, tunnel)?;
    // What the driver said was said of the outer packet.
    mbuf.set_ol_flags(mbuf.ol_flags() & mbuf::flags::ATTACHED_MASK);
    w.counters.tunnel(tunnel.id).rx.add(1, u64::from(meta.len));
    Ok((inner, stage))
}

/// Between which addresses a packet came.
fn ends(mbuf: &Mbuf, meta: &Meta, kind: TunnelKind) -> Ends {
    let mapped = |address: u32| 0xffff << 32 | u128::from(address);
    let (local, remote) = match meta.family {
        Family::V6 => (destination6(mbuf, meta), source6(mbuf, meta)),
        _ => (
            mapped(destination4(mbuf, meta)),
            mapped(source4(mbuf, meta)),
        ),
    };
    Ends {
        vrf: meta.vrf,
        kind,
        local,
        remote,
    }
}

/// Length and checksum of the UDP header, as far as the tunnel wants one.
fn check_udp(mbuf: &Mbuf, meta: &Meta, tunnel: &Tunnel) -> Result<(), DropReason> {
    let header: &[u8; UdpHeader::LEN] = upper(mbuf, meta).ok_or(DropReason::TunnelMalformed)?;
    let (header, _) = UdpHeader::parse_prefix(header).map_err(|_| DropReason::TunnelMalformed)?;
    let len = u32::from(header.len_field());
    if len < UdpHeader::LEN as u32 || upper_len(meta) < len {
        return Err(DropReason::TunnelMalformed);
    }
    let zero = match meta.family {
        Family::V6 if tunnel.checksum => ZeroChecksum::Refused,
        _ => ZeroChecksum::Permitted,
    };
    match header.checksum_duty(zero) {
        ChecksumDuty::Nothing => return Ok(()),
        ChecksumDuty::Drop => return Err(DropReason::TunnelChecksum),
        ChecksumDuty::Verify => {}
    }
    use mbuf::flags::{RX_L4_CKSUM_GOOD, RX_L4_CKSUM_MASK, RX_L4_CKSUM_NONE};
    let said = mbuf.ol_flags() & RX_L4_CKSUM_MASK;
    if said == RX_L4_CKSUM_GOOD || said == RX_L4_CKSUM_NONE {
        return Ok(());
    }
    let mut sum = Sum::new();
    match meta.family {
        Family::V6 => {
            sum.add(&source6(mbuf, meta).to_be_bytes());
            sum.add(&destination6(mbuf, meta).to_be_bytes());
        }
        _ => {
            sum.add(&source4(mbuf, meta).to_be_bytes());
            sum.add(&destination4(mbuf, meta).to_be_bytes());
        }
    }
    sum.add_u32(len);
    sum.add_u32(u32::from(UDP));
    match is_intact(sum, mbuf, meta, len) {
        true => Ok(()),
        false => Err(DropReason::TunnelChecksum),
    }
}

/// What is in an outer packet, and where.
struct Contents {
    key: Option<u32>,
    protocol: EtherType,
    /// Offset from the first byte of the mbuf's data.
    at: u16,
}

fn in_udp(mbuf: &Mbuf, meta: &Meta, kind: TunnelKind) -> Result<Contents, DropReason> {
    let l4 = usize::from(meta.l4) + UdpHeader::LEN;
    let own = mbuf.data().get(l4..).unwrap_or_default();
    let malformed = DropReason::TunnelMalformed;
    let (key, protocol, len) = match kind {
        TunnelKind::Vxlan => {
            let (header, _) = VxlanHeader::parse(own).map_err(|_| malformed)?;
            (
                header.vni(),
                EtherType::TRANSPARENT_BRIDGING,
                VxlanHeader::LEN,
            )
        }
        _ => {
            let packet = GeneveHeader::parse(own).map_err(|_| malformed)?;
            let known = packet.options.check(|_| false);
            if packet.header.is_control() || known.is_err() {
                return Err(DropReason::TunnelUnsupported);
            }
            let header = packet.header;
            (header.vni(), header.protocol(), header.header_len())
        }
    };
    Ok(Contents {
        key: Some(key.get()),
        protocol,
        at: (l4 + len) as u16,
    })
}

fn in_gre(mbuf: &Mbuf, meta: &Meta) -> Result<Contents, DropReason> {
    let l4 = usize::from(meta.l4);
    let own = mbuf.data().get(l4..).unwrap_or_default();
    let packet = GreHeader::parse(own).map_err(|_| DropReason::TunnelMalformed)?;
    if packet.header.checksum.is_some() && !is_intact(Sum::new(), mbuf, meta, upper_len(meta)) {
        return Err(DropReason::TunnelChecksum);
    }
    Ok(Contents {
        key: packet.header.key,
        protocol: packet.header.protocol,
        at: (l4 + packet.header_len()) as u16,
    })
}

/// Has the inner packet say what routers have said to the outer one (RFC 6040 section 4.2, RFC 2983). What is no IP packet
/// cannot say anything.
fn mark(mbuf: &mut Mbuf, bare: bool, outer: u8, tunnel: &Tunnel) -> Result<(), DropReason> {
    let l3 = match (bare, mbuf.data().get(12..ETHERNET)) {
        (true, _) => 0,
        (false, Some([0x86, 0xdd] | [0x08, 0x00])) => ETHERNET,
        (false, _) => return Ok(()),
    };
    let Some(packet) = mbuf.data_mut().get_mut(l3..) else {
        return Ok(());
    };
    let Ok(inner) = traffic_class::read(packet) else {
        return Ok(());
    };
    let ecn = match traffic_class::decapsulate(Ecn::of(inner), Ecn::of(outer)) {
        Decapsulated::Forward { ecn, .. } => ecn,
        Decapsulated::Drop => return Err(DropReason::TunnelEcn),
    };
    let dscp = tunnel.dscp.inner(Dscp::of(inner), Dscp::of(outer));
    let class = traffic_class::join(dscp, ecn);
    if class != inner {
        // Cannot fail: it was read there.
        let _ = traffic_class::replace(packet, class);
    }
    Ok(())
}
