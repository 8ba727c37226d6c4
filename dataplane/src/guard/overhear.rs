//! Machines without an anchor: their addresses are nobody else's on the link.
//!
//! Uplinks, tunnels and whatever else is no anchor is trusted (RFC 6620 section 2.2). What is said there of addresses is heard, so that no
//! machine behind an anchor takes one of them, nor one that it began to use first if somebody there answers for it.

use tables::id::{AnchorId, LinkId};
use wire::EtherType;
use wire::addr::{v4, v6};
use wire::arp::ArpPacket;
use wire::nd::{self, Message};

use super::book::Known;
use super::note::{Note, Notes, Saying};
use super::rule::is_unicast;
use super::{Seen, Time};
use crate::forwarding::network::mapped;

/// Hears a frame of ARP or neighbour discovery that came from a place of a link which is no anchor. Others say nothing.
pub fn overhear(seen: &Seen<'_>, link: LinkId, known: Known<'_>, notes: &mut Notes, time: Time) {
    let Some((address, saying)) = said(seen) else {
        return;
    };
    if !is_unicast(address) || known.touch_without_anchor(link, address, time.seconds()) {
        return;
    }
    let note = Note {
        link,
        anchor: AnchorId(0),
        mac: seen.source,
        address,
        saying,
        at: time.now,
    };
    notes.tell(note, time);
}

fn said(seen: &Seen<'_>) -> Option<(u128, Saying)> {
    match EtherType(seen.ether_type) {
        EtherType::ARP => {
            let arp = ArpPacket::parse(seen.packet).ok()?;
            let (sender, target) = (arp.sender_ip(), arp.target_ip());
            Some(match v4::is_unspecified(sender.to_bits()) {
                true => (mapped(target.into()), Saying::Probes),
                false => (mapped(sender.into()), Saying::Uses),
            })
        }
        EtherType::IPV6 => {
            let received = nd::parse_packet(seen.packet).ok()?;
            let source = received.envelope.source.to_bits();
            match received.message {
                Message::NeighborSolicitation { target } if v6::is_unspecified(source) => {
                    Some((target.to_bits(), Saying::Probes))
                }
                Message::NeighborAdvertisement(said) => Some((said.target.to_bits(), Saying::Uses)),
                _ => Some((source, Saying::Uses)),
            }
        }
        _ => None,
    }
}
