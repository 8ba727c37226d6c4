//! Does the way back to the source lead where the packet came from? (RFC 3704, BCP 84)
//!
//! *Strict*: by the interface that it came in by; for a group, one of its members does. *Loose*: anywhere. In both, a
//! source without a route, with a discard route, or that is one of our own addresses fails. Fails are dropped without an
//! answer: the answer would go to whoever the source was stolen from.

use tables::group::BUCKETS;
use tables::id::{IfaceId, NextHopId};
use tables::next_hop::NextHopKind;
use wire::addr::v6;

use crate::drop::DropReason;
use crate::forwarding::Urpf;
use crate::frame::{Family, Frame};
use crate::graph::Stage;
use crate::stages::route::{source4, source6};
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
                cx.lpm6.lookup(cx.reader, meta.vrf, source)
            }
            _ => cx.lpm4.lookup(cx.reader, meta.vrf, source4(&mbuf, &meta)),
        };
        if passes(cx, mode, way_back, meta.iface) {
            frame.send(slot, Stage::Route);
        } else {
            frame.drop(slot, DropReason::Urpf);
        }
    }
}

fn passes(cx: &Context<'_>, mode: Urpf, way_back: NextHopId, iface: IfaceId) -> bool {
    let leads = |id: NextHopId| {
        let next_hop = cx.next_hops.get(id);
        let usable = matches!(
            next_hop.kind,
            NextHopKind::Forward | NextHopKind::Glean | NextHopKind::Incomplete
        );
        usable && (mode == Urpf::Loose || next_hop.iface == iface)
    };
    if mode == Urpf::Off {
        return true;
    }
    let next_hop = cx.next_hops.get(way_back);
    match next_hop.kind {
        NextHopKind::Group => {
            (0..BUCKETS as u32).any(|hash| leads(cx.groups.select(cx.reader, next_hop.group, hash)))
        }
        _ => leads(way_back),
    }
}
