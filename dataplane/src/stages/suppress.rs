//! ARP and neighbour discovery in a network that suppresses their floods: who has an address is learned here from what stations say,
//! and who asks for one that is known is answered as its owner would answer.
//!
//! ```text
//!   what is asked                                          what becomes of it
//!   an address of our own                                  the interface that has it hears it, and nobody else
//!   by a station on a device, of an owner somewhere else   answered here
//!   by an interface of ours, of a known owner              goes to the owner's place, and nowhere else
//!   anything else                                          as in any network: everywhere
//! ```
//!
//! A station that looks whether anybody has an address (duplicate address detection, RFC 4862 section 5.4; ARP probe, RFC 5227)
//! is never answered here, as RFC 9161 section 3.3 leaves it to the owner, who must defend the address; and what it says of itself goes to all. Nor is one answered whose
//! owner is where it is itself: it hears it. What comes out of a tunnel was answered, or is to be flooded here, by who sent it.
//!
//! An owner is answered for while it is known to be in the network (the FDB has it), and has shown within [`FRESH`] that it still has
//! the address: then it is asked again, by the flood. IPv6 owners are known by advertisements alone, which say whether they are
//! routers: a wrong word of that would cost a host its default route (RFC 4861 section 7.2.5).

use std::net::Ipv6Addr;

use dpdk::{Mbuf, mbuf, offload};
use tables::binding::Binding;
use tables::id::Place;
use wire::addr::v6;
use wire::arp::{ArpPacket, Operation};
use wire::nd::{self, Message, NeighborAdvertisement};
use wire::nd_option::NdOption;
use wire::{EtherType, MacAddr as Mac};

use crate::claim::{Claim, Saying};
use crate::forwarding::network::mapped;
use crate::forwarding::{MacAddr, Network};
use crate::frame::{Frame, Slot};
use crate::graph::Stage;
use crate::stages::link::{ETHERNET, LinkLayer};
use crate::state::{Context, WorkerState};

/// An owner that has shown for so long, seconds, that it has its address is not answered for without asking it.
pub const FRESH: u32 = 60;

const ICMPV6: u8 = 58;
/// Offsets in a frame without tags and an IPv6 header without extension headers.
const NEXT_HEADER: usize = ETHERNET + 6;
const ICMP_TYPE: usize = ETHERNET + 40;

/// Whether a frame whose tags take `tags` bytes is ARP, or a solicitation or advertisement of a neighbour.
#[inline]
pub fn is_discovery(frame: &Mbuf, tags: usize) -> bool {
    let data = frame.data();
    match data.get(tags + 12..tags + ETHERNET) {
        Some([0x08, 0x06]) => true,
        Some([0x86, 0xdd]) => {
            data.get(tags + NEXT_HEADER) == Some(&ICMPV6)
                && matches!(data.get(tags + ICMP_TYPE), Some(135 | 136))
        }
        _ => false,
    }
}

/// What a frame says of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    /// Its sender has this address.
    has: Option<(u128, bool)>,
    /// Its sender uses this address, and has not said all that is to be known of it.
    uses: Option<u128>,
    /// Its sender looks whether anybody has this address.
    probes: Option<u128>,
    /// It asks all for the owner of an address, and wants to hear it at its own.
    asks: Option<Question>,
}

/// Who has an address?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    wanted: u128,
    /// The asker's address.
    asker: u128,
}

/// Learns from a frame of ARP or neighbour discovery, and says where it goes if not where every frame to its destination goes.
pub(super) fn heed(
    cx: &Context<'_>,
    frame: &mut Frame,
    slot: Slot,
    w: &mut WorkerState,
    network: &Network,
    link: &LinkLayer,
) -> Option<Stage> {
    let mbuf = frame.mbuf(slot);
    if !is_discovery(&mbuf, 0) || offload::needs_finishing(mbuf) {
        return None;
    }
    let said = match link.ether_type {
        EtherType::ARP => arp(&mbuf, link)?,
        _ => discovery(&mbuf, link)?,
    };
    let from = frame[slot].from;
    if !matches!(from.place(), Place::Router(_)) {
        learn(cx, w, network, link.source, &said);
    }
    let question = said.asks?;
    let found = cx.bindings.lookup(network.id, question.wanted)?;
    let owner = cx.fdb.lookup(network.id, found.binding.mac)?.attach;
    if owner == from || found.binding.mac == link.source {
        return None;
    }
    let bytes = u64::from(mbuf.pkt_len());
    let counters = w.counters.network(network.id);
    if let (Place::Router(iface), true) = (owner.place(), found.binding.is_own) {
        frame[slot].iface = iface;
        counters.directed.add(1, bytes);
        return Some(Stage::Parse);
    }
    if cx.seconds().saturating_sub(found.seen) > FRESH || found.binding.is_own {
        return None;
    }
    match from.place() {
        Place::Local(_) => {
            answer(mbuf, link.source, &question, &found.binding)?;
            let meta = &mut frame[slot];
            (meta.from, meta.to) = (owner, from);
            w.counters.consumed.add(1);
            w.counters.originated.add(1);
            counters.answered.add(1, bytes);
        }
        Place::Router(_) => {
            frame[slot].to = owner;
            counters.directed.add(1, bytes);
        }
        Place::Tunnel(_) | Place::Nowhere => return None,
    }
    Some(Stage::Egress)
}

/// What an ARP packet says. Nothing, if it speaks for another station than has sent it.
fn arp(mbuf: &Mbuf, link: &LinkLayer) -> Option<Said> {
    let arp = ArpPacket::parse(mbuf.data().get(ETHERNET..)?).ok()?;
    if arp.sender_mac().octets() != link.source {
        return None;
    }
    let (sender, target) = (arp.sender_ip(), arp.target_ip());
    let [own, wanted] = [sender, target].map(|address| mapped(address.into()));
    if sender.is_unspecified() {
        return Some(Said {
            probes: Some(wanted),
            ..Said::default()
        });
    }
    let asks = arp.operation() == Operation::Request && link.is_group() && own != wanted;
    Some(Said {
        has: Some((own, false)),
        asks: asks.then_some(Question { wanted, asker: own }),
        ..Said::default()
    })
}

/// What a solicitation or advertisement says. Nothing, if it is not valid, or speaks for another station than has sent it.
fn discovery(mbuf: &Mbuf, link: &LinkLayer) -> Option<Said> {
    let received = nd::parse_packet(mbuf.data().get(ETHERNET..)?).ok()?;
    let (source, options) = (received.envelope.source, received.options);
    let of_sender = |mac: Option<Mac>| mac.is_some_and(|mac| mac.octets() == link.source);
    match received.message {
        Message::NeighborSolicitation { target } if source.is_unspecified() => Some(Said {
            probes: Some(target.to_bits()),
            ..Said::default()
        }),
        // RFC 4861 section 4.3: to a group it has its source's link-layer address with it.
        Message::NeighborSolicitation { target } if of_sender(options.source_link_layer()) => {
            let group = received.envelope.destination;
            let asks = group.to_bits() == v6::solicited_node(target.to_bits()) && source != target;
            Some(Said {
                uses: Some(source.to_bits()),
                asks: asks.then_some(Question {
                    wanted: target.to_bits(),
                    asker: source.to_bits(),
                }),
                ..Said::default()
            })
        }
        Message::NeighborAdvertisement(said) => {
            // It need not say its link-layer address to one who knows it (RFC 4861 section 7.2.4).
            let mac = options.target_link_layer();
            if mac.is_some() && !of_sender(mac) {
                return None;
            }
            let target = said.target.to_bits();
            // Without the override flag it is an anycast address, or somebody's who speaks for another: not one owner's.
            Some(match said.override_flag {
                true => Said {
                    has: Some((target, said.router)),
                    ..Said::default()
                },
                false => Said {
                    uses: Some(target),
                    ..Said::default()
                },
            })
        }
        _ => None,
    }
}

/// Notes what a station has said: confirms what is known, tells the control plane of what is not.
fn learn(cx: &Context<'_>, w: &mut WorkerState, network: &Network, mac: MacAddr, said: &Said) {
    let known = |address| cx.bindings.lookup(network.id, address);
    let mut tell = |address, saying| {
        let claim = Claim {
            network: network.id,
            mac,
            address,
            saying,
        };
        if !w.claims.tell(claim, cx.now, cx.hz) {
            w.counters.unheard.add(1);
        }
    };
    if let Some((address, is_router)) = said.has {
        match known(address) {
            Some(found)
                if (found.binding.mac, found.binding.is_router) == (mac, is_router)
                    && !found.binding.is_own =>
            {
                cx.bindings.touch(found.handle, cx.seconds());
            }
            _ => tell(address, Saying::Mine { is_router }),
        }
    }
    for address in said.uses.into_iter().chain(said.probes) {
        match known(address) {
            Some(found) if found.binding.is_own => {}
            Some(found) if found.binding.mac != mac => tell(address, Saying::Doubt),
            Some(found) if said.uses.is_some() => {
                cx.bindings.touch(found.handle, cx.seconds());
            }
            _ => {}
        }
    }
}

/// Makes the owner's answer of a frame that asks. `None` if it cannot; the frame is as it was then.
fn answer(mut mbuf: Mbuf, to: MacAddr, question: &Question, owner: &Binding) -> Option<()> {
    if v6::is_v4_mapped(question.wanted) {
        let arp = mbuf.data_mut().get_mut(ETHERNET..)?;
        let arp: &mut [u8; ArpPacket::LEN] = arp.first_chunk_mut()?;
        // A reply (RFC 826) has owner and asker in each other's place.
        arp[6..8].copy_from_slice(&[0, 2]);
        arp[8..14].copy_from_slice(&owner.mac);
        arp[14..18].copy_from_slice(&(question.wanted as u32).to_be_bytes());
        arp[18..24].copy_from_slice(&to);
        arp[24..28].copy_from_slice(&(question.asker as u32).to_be_bytes());
    } else {
        let [target, asker] = [question.wanted, question.asker].map(Ipv6Addr::from_bits);
        let said = Message::NeighborAdvertisement(NeighborAdvertisement {
            router: owner.is_router,
            solicited: true,
            override_flag: true,
            target,
        });
        // As long as the question is at least, which has its source's link-layer address with it.
        let options = [NdOption::TargetLinkLayer(Mac(owner.mac))];
        let packet = mbuf.data_mut().get_mut(ETHERNET..)?;
        let len = nd::write(packet, &target, &asker, &said, &options).ok()?;
        // Cannot fail: it was written there.
        let _ = mbuf.truncate((ETHERNET + len) as u32);
    }
    let data = mbuf.data_mut();
    data[..6].copy_from_slice(&to);
    data[6..12].copy_from_slice(&owner.mac);
    // What the driver said was said of the question.
    mbuf.set_ol_flags(mbuf.ol_flags() & mbuf::flags::ATTACHED_MASK);
    Some(())
}
