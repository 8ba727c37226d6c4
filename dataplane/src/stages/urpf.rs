//! Does the way back to the source lead where the packet came from? (RFC 3704, BCP 84)
//!
//! *Strict*: by the interface that it came in by; for a group, one of its members does. *Loose*: anywhere. *Station*: as
//! strict, and to the very station that sent the frame: the neighbour cache is the binding table (RFC 7039), and a packet
//! whose source is on the link and not in it waits until somebody answers for that address. In all, a
//! source without a route, with a discard route, or that is one of our own addresses fails. Fails are dropped without an
//! answer: the answer would go to whoever the source was stolen from.

use dpdk::Mbuf;
use tables::group::BUCKETS;
use tables::id::{IfaceId, NextHopId};
use tables::next_hop::NextHopKind;
use wire::MacAddr;
use wire::addr::v6;

use crate::drop::DropReason;
use crate::forwarding::Urpf;
use crate::frame::{Family, Frame, flags};
use crate::graph::Stage;
use crate::stages::route::{across, source4, source6};
use crate::state::{Context, WorkerState};

/// Checks the sources of the packets of its list.
pub fn urpf(cx: &Context<'_>, frame: &mut Frame, _: &mut WorkerState) {
    for slot in frame.take(Stage::Urpf) {
        let (mbuf, meta) = (frame.mbuf(slot), frame[slot]);
        let mode = cx
            .forwarding
            .interface(meta.iface)
            .map_or(Urpf::Off, |interface| {
                if meta.family == Family::V6 {
                    interface.urpf6
                } else {
                    interface.urpf4
                }
            });
        let way_back = match meta.family {
            Family::V6 => {
                let source = source6(&mbuf, &meta);
                // On the link by definition; whether it may be forwarded is the route stage's question.
                if v6::is_link_local(source) {
                    frame.send(slot, Stage::Route);
                    continue;
                }
                let look_up = |vrf| cx.lpm6.lookup(cx.reader, vrf, source);
                across(cx, meta.vrf, look_up(meta.vrf), look_up)
            }
            _ => {
                let source = source4(&mbuf, &meta);
                let look_up = |vrf| cx.lpm4.lookup(cx.reader, vrf, source);
                across(cx, meta.vrf, look_up(meta.vrf), look_up)
            }
        };
        let way_back = way_back.map_or(NextHopId(0), |(id, _)| id);
        let sender = (mode == Urpf::Station).then(|| sender(&mbuf));
        match verdict(cx, mode, way_back, meta.iface, sender) {
            Found::Back => frame.send(slot, Stage::Route),
            Found::Unresolved(id) => {
                frame[slot].next_hop = id;
                frame[slot].flags |= flags::SOURCE;
                frame.send(slot, Stage::Hold);
            }
            Found::Other => frame.drop(slot, DropReason::SourceStation),
            Found::Nothing => frame.drop(slot, DropReason::Urpf),
        }
    }
}

/// What the way back to a source has shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It leads where the packet came from.
    Back,
    /// To the link that it came from; which station has the source is not known yet.
    Unresolved(NextHopId),
    /// To another station of that link.
    Other,
    /// Not where it came from.
    Nothing,
}

/// MAC of the station that sent the frame.
fn sender(mbuf: &Mbuf) -> MacAddr {
    let mut octets = [0; 6];
    octets.copy_from_slice(&mbuf.data()[6..12]);
    MacAddr(octets)
}

/// `sender`: who sent the frame, where that matters.
fn verdict(
    cx: &Context<'_>,
    mode: Urpf,
    way_back: NextHopId,
    iface: IfaceId,
    sender: Option<MacAddr>,
) -> Found {
    let leads = |id: NextHopId| {
        let next_hop = cx.next_hops.get(id);
        let here = mode == Urpf::Loose || next_hop.iface == iface;
        match (next_hop.kind, sender) {
            _ if !here => Found::Nothing,
            (NextHopKind::Forward | NextHopKind::Bridge, Some(mac))
                if next_hop.header[..6] != mac.0 =>
            {
                Found::Other
            }
            (NextHopKind::Forward | NextHopKind::Bridge | NextHopKind::Tunnel, _) => Found::Back,
            (NextHopKind::Glean | NextHopKind::Incomplete, None) => Found::Back,
            (NextHopKind::Glean | NextHopKind::Incomplete, Some(_)) => Found::Unresolved(id),
            _ => Found::Nothing,
        }
    };
    if mode == Urpf::Off {
        return Found::Back;
    }
    let next_hop = cx.next_hops.get(way_back);
    match next_hop.kind {
        NextHopKind::Group => {
            let members = (0..BUCKETS as u32)
                .map(|hash| leads(cx.groups.select(cx.reader, next_hop.group, hash)));
            best(members)
        }
        _ => leads(way_back),
    }
}

/// One member that leads back is enough, and one that may yet do so is waited for.
fn best(members: impl Iterator<Item = Found>) -> Found {
    let mut found = Found::Nothing;
    for member in members {
        found = match (member, found) {
            (Found::Back, _) => return Found::Back,
            (Found::Unresolved(_), _) => member,
            (Found::Other, Found::Nothing) => member,
            _ => found,
        };
    }
    found
}

#[cfg(test)]
mod tests;
