//! Tells a host of a better first hop (RFC 4861 section 8.2, RFC 1812 section 5.2.7.2), and forwards its packet.
//!
//! The route stage sends packets here that leave by the interface they came in by, where redirects are switched on.
//! A redirect is due when the packet's source is on that link too, so that it can reach the next hop itself.

use std::net::{Ipv4Addr, Ipv6Addr};

use dpdk::Mbuf;
use tables::id::{IfaceId, NextHopId};
use tables::next_hop::{NextHop, NextHopKind};
use wire::addr::v6;

use crate::forwarding::{Interface, MacAddr};
use crate::frame::{Family, Frame, Meta, flags};
use crate::graph::Stage;
use crate::icmp::message::{self, RedirectV6, V6_REDIRECT_HEAD};
use crate::icmp::permit::{self, Arrival};
use crate::icmp::{Cause, source};
use crate::stages::answer::{self, Asker};
use crate::stages::icmp_error::{build, error4};
use crate::stages::route::{after_redirect, destination4, destination6, source4, source6};
use crate::state::{Context, WorkerState};

#[cfg(test)]
mod tests;

/// Redirects the senders of the packets of its list, and forwards the packets.
pub fn redirect(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Redirect) {
        let (mbuf, meta) = (frame.mbuf(slot), frame[slot]);
        let next_hop = cx.next_hops.get(meta.next_hop);
        if let Some(interface) = cx.forwarding.interface(meta.iface) {
            match meta.family {
                Family::V6 => redirect6(cx, mbuf, &meta, interface, next_hop, w),
                _ => redirect4(cx, mbuf, &meta, interface, next_hop, w),
            };
        }
        frame.send(slot, after_redirect(&mbuf, &meta, next_hop));
    }
}

/// Whether the address that `id` was found for is a neighbour on `iface`: resolved, or to be resolved there.
fn is_neighbour(cx: &Context<'_>, id: NextHopId, iface: IfaceId, address: [u8; 16]) -> bool {
    let next_hop = cx.next_hops.get(id);
    next_hop.iface == iface
        && match next_hop.kind {
            NextHopKind::Glean => true,
            NextHopKind::Forward | NextHopKind::Bridge => {
                gateway(next_hop).is_none_or(|gateway| gateway == address)
            }
            _ => false,
        }
}

/// The gateway of a next hop, unless it leads straight to the destination.
fn gateway(next_hop: &NextHop) -> Option<[u8; 16]> {
    (next_hop.gateway != [0; 16]).then_some(next_hop.gateway)
}

fn mac(next_hop: &NextHop) -> MacAddr {
    let [a, b, c, d, e, f, ..] = next_hop.header;
    [a, b, c, d, e, f]
}

fn redirect6(
    cx: &Context<'_>,
    mbuf: Mbuf,
    meta: &Meta,
    interface: &Interface,
    next_hop: &NextHop,
    w: &mut WorkerState,
) -> Option<()> {
    let (from, to) = (source6(&mbuf, meta), destination6(&mbuf, meta));
    let packet = mbuf.data().get(usize::from(meta.l3)..)?;
    // The rules against errors about errors and groups are sound for redirects too.
    permit::v6(packet, Cause::NoRoute, arrival(meta)).ok()?;
    let id = cx.lpm6.lookup(cx.reader, meta.vrf, from);
    if !is_neighbour(cx, id, interface.id, from.to_be_bytes()) {
        return None;
    }
    let target = match gateway(next_hop).map(u128::from_be_bytes) {
        None => to,
        Some(gateway) if gateway == to => to,
        // Hosts know routers by their link-local addresses only (RFC 4861 section 8.2).
        Some(gateway) if v6::is_link_local(gateway) => gateway,
        Some(_) => return None,
    };
    let host = Ipv6Addr::from_bits(from);
    let redirect = RedirectV6 {
        source: *interface.link_local.first()?,
        host,
        target: Ipv6Addr::from_bits(target),
        target_mac: mac(next_hop),
        destination: Ipv6Addr::from_bits(to),
    };
    if !w.icmp.allow(cx, interface, host.into()) {
        w.counters.icmp_limited.add(1);
        return None;
    }
    let quoted = message::quote_redirect_v6(meta.len as usize);
    let head = |quote: &[u8]| message::redirect_v6(&redirect, quote);
    let packet = build::<V6_REDIRECT_HEAD>(w, mbuf, meta, quoted, head)?;
    w.counters.icmp_sent.add(1);
    answer::send(w, packet, Family::V6, Asker::of(cx, &mbuf, meta));
    Some(())
}

fn redirect4(
    cx: &Context<'_>,
    mbuf: Mbuf,
    meta: &Meta,
    interface: &Interface,
    next_hop: &NextHop,
    w: &mut WorkerState,
) -> Option<()> {
    let (from, to) = (source4(&mbuf, meta), destination4(&mbuf, meta));
    let packet = mbuf.data().get(usize::from(meta.l3)..)?;
    permit::v4(packet, Cause::NoRoute, arrival(meta)).ok()?;
    let id = cx.lpm4.lookup(cx.reader, meta.vrf, from);
    let mapped = (0xffff << 32 | u128::from(from)).to_be_bytes();
    if !is_neighbour(cx, id, interface.id, mapped) {
        return None;
    }
    let target = match gateway(next_hop).map(|gateway| Ipv6Addr::from(gateway).to_ipv4_mapped()) {
        None => Ipv4Addr::from_bits(to),
        // An IPv4 route by an IPv6 gateway (RFC 8950) cannot be told in a redirect.
        Some(gateway) => gateway?,
    };
    let host = Ipv4Addr::from_bits(from);
    let own = source::v4(host, interface.icmp_source4)?;
    let mac = Asker::of(cx, &mbuf, meta).mac?;
    if !w.icmp.allow(cx, interface, host.into()) {
        w.counters.icmp_limited.add(1);
        return None;
    }
    let packet = error4(w, mbuf, meta, message::redirect_v4(target), own, host)?;
    w.counters.icmp_sent.add(1);
    answer::send_on_link(w, packet, Family::V4, interface, mac);
    Some(())
}

fn arrival(meta: &Meta) -> Arrival {
    Arrival {
        link_group: meta.has(flags::LINK_MULTICAST),
        ..Arrival::default()
    }
}
