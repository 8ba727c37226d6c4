//! The machine: events in, actions out.
//!
//! One machine holds all interfaces, so that one task with one deadline serves them; interfaces share nothing but the
//! timer queue and the random numbers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tables::id::IfaceId;
use wire::{EtherType, MacAddr};

use super::address::AddressState;
use super::config::Config;
use super::counters::Counters;
use super::interface::Interface;
use super::neighbor::State;
use crate::{Random, timers::Timers};

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// An interface is there, or its parameters or MAC have changed. It is down until `LinkUp`.
    ConfigureInterface {
        /// Which.
        iface: IfaceId,
        /// Parameters that hold from now on.
        config: Config,
        /// Its own MAC.
        mac: MacAddr,
    },
    /// The interface is gone with all its neighbours.
    RemoveInterface {
        /// Which.
        iface: IfaceId,
    },
    /// Frames can be sent: duplicate detection of all addresses starts (again).
    LinkUp {
        /// Which interface.
        iface: IfaceId,
    },
    /// No frame can be sent: dynamic neighbours are forgotten.
    LinkDown {
        /// Which interface.
        iface: IfaceId,
    },
    /// An own address; the link-local one too.
    AddAddress {
        /// On which interface.
        iface: IfaceId,
        /// The address.
        addr: IpAddr,
        /// Length of the on-link prefix around it: only addresses of such prefixes, and link-local ones, are learnt.
        prefix_len: u8,
        /// Shared with other nodes: no duplicate detection, answers without override flag (RFC 4861 section 7.2.7).
        anycast: bool,
    },
    /// An address of a virtual router that is active here: ours at once, without duplicate detection and announcement, at a MAC of
    /// its own (RFC 9568 sections 8.1.2 and 8.2.2). Nothing is asked from it.
    AddVirtual {
        /// On which interface.
        iface: IfaceId,
        /// The address.
        addr: IpAddr,
        /// The virtual router's MAC.
        mac: MacAddr,
    },
    /// The address is ours no more.
    RemoveAddress {
        /// On which interface.
        iface: IfaceId,
        /// The address.
        addr: IpAddr,
    },
    /// An ICMPv6 packet came, from the IPv6 header on.
    Packet {
        /// Where.
        iface: IfaceId,
        /// Source of the frame.
        src_mac: MacAddr,
        /// The packet; not yet validated.
        packet: &'a [u8],
    },
    /// An ARP packet came, without its Ethernet header.
    ArpPacket {
        /// Where.
        iface: IfaceId,
        /// The packet; not yet validated.
        packet: &'a [u8],
    },
    /// The dataplane holds packets for an address that is not resolved.
    Glean {
        /// Outgoing interface.
        iface: IfaceId,
        /// The address to resolve.
        target: IpAddr,
        /// Source of the first packet held; used for the solicitation when it is ours (RFC 4861 section 7.2.2).
        source: Option<IpAddr>,
    },
    /// The dataplane has sent packets to this neighbour since the last look.
    InUse {
        /// Outgoing interface.
        iface: IfaceId,
        /// The neighbour.
        addr: IpAddr,
    },
    /// Another room has seen who has this address (the source link-layer option of a router solicitation).
    Hint {
        /// Where.
        iface: IfaceId,
        /// The neighbour.
        addr: IpAddr,
        /// Its MAC.
        mac: MacAddr,
        /// Whether it is a router, when the packet says so.
        router: Option<bool>,
    },
    /// A neighbour of the configuration.
    AddStatic {
        /// On which interface.
        iface: IfaceId,
        /// Its address, on-link or not.
        addr: IpAddr,
        /// Its MAC.
        mac: MacAddr,
    },
    /// No longer configured.
    RemoveStatic {
        /// On which interface.
        iface: IfaceId,
        /// Its address.
        addr: IpAddr,
    },
    /// Forget dynamic neighbours: all, those of an interface, or one.
    Flush {
        /// Only this interface.
        iface: Option<IfaceId>,
        /// Only this address.
        addr: Option<IpAddr>,
    },
    /// `next_deadline()` has come.
    Timer,
}

/// What the router shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a packet.
    Send {
        /// Out of which interface.
        iface: IfaceId,
        /// Source of the frame.
        src_mac: MacAddr,
        /// Destination of the frame.
        dst_mac: MacAddr,
        /// ARP or IPv6.
        ether_type: EtherType,
        /// From the layer-3 header on.
        packet: Vec<u8>,
    },
    /// `addr` is at `mac`: make it a host route and an adjacency, or replace the MAC of the one there is.
    Install {
        /// Outgoing interface.
        iface: IfaceId,
        /// The neighbour.
        addr: IpAddr,
        /// Its MAC.
        mac: MacAddr,
        /// It has said that it is a router.
        router: bool,
    },
    /// Take back what was installed.
    Withdraw {
        /// Outgoing interface.
        iface: IfaceId,
        /// The neighbour.
        addr: IpAddr,
    },
    /// Route the packets held for `addr` again.
    Release {
        /// Outgoing interface.
        iface: IfaceId,
        /// The neighbour.
        addr: IpAddr,
    },
    /// Answer the packets held for `addr` with address unreachable.
    Fail {
        /// Outgoing interface.
        iface: IfaceId,
        /// The neighbour.
        addr: IpAddr,
    },
    /// An own address has changed state: join its solicited-node group when tentative, serve it when valid.
    AddressState {
        /// On which interface.
        iface: IfaceId,
        /// The address.
        addr: IpAddr,
        /// Its state.
        state: AddressState,
    },
    /// Something an operator wants to read in the log.
    Note {
        /// On which interface.
        iface: IfaceId,
        /// What.
        note: Note,
    },
}

/// What is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Duplicate detection has found `addr` at another station.
    Duplicate {
        /// Our address.
        addr: IpAddr,
        /// Who has it.
        mac: MacAddr,
    },
    /// Another station uses our valid address.
    Conflict {
        /// Our address.
        addr: IpAddr,
        /// Who uses it.
        mac: MacAddr,
    },
    /// A neighbour has moved to another MAC.
    MacChanged {
        /// The neighbour.
        addr: IpAddr,
        /// Its MAC before.
        from: MacAddr,
        /// Its MAC now.
        to: MacAddr,
    },
    /// A station has claimed an address that another has and answers for (RFC 6620).
    ClaimRefused {
        /// The address.
        addr: IpAddr,
        /// Who has it.
        holder: MacAddr,
        /// Who claimed it.
        claimer: MacAddr,
    },
    /// A neighbour no longer answers probes.
    Unreachable {
        /// The neighbour.
        addr: IpAddr,
    },
    /// A router has become a host (RFC 4861 section 7.2.5).
    NoLongerRouter {
        /// The neighbour.
        addr: IpAddr,
    },
}

/// A neighbour as `show neighbors` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighborSnapshot {
    /// On which interface.
    pub iface: IfaceId,
    /// Its address.
    pub addr: IpAddr,
    /// Its MAC, when known.
    pub mac: Option<MacAddr>,
    /// Its state.
    pub state: State,
    /// It has said that it is a router.
    pub router: bool,
    /// Since when it is in this state.
    pub in_state: Duration,
    /// Since when nothing was sent to it, as far as the dataplane has told.
    pub unused: Duration,
}

/// An own address as `show addresses` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSnapshot {
    /// On which interface.
    pub iface: IfaceId,
    /// The address.
    pub addr: IpAddr,
    /// Length of its on-link prefix.
    pub prefix_len: u8,
    /// Its state.
    pub state: AddressState,
    /// Shared with other nodes.
    pub anycast: bool,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Neighbor(IfaceId, IpAddr),
    Address(IfaceId, IpAddr),
    ReachableTime(IfaceId),
    Delayed(IfaceId),
}

/// What an interface needs from outside while it handles one event.
pub(super) struct Context<'a> {
    pub now: Instant,
    pub iface: IfaceId,
    pub timers: &'a mut Timers<Key>,
    pub random: &'a mut Random,
    pub out: &'a mut Vec<Action>,
}

impl Context<'_> {
    pub fn note(&mut self, note: Note) {
        self.out.push(Action::Note {
            iface: self.iface,
            note,
        });
    }
}

/// Neighbour discovery and ARP of all interfaces.
#[derive(Debug)]
pub struct Machine {
    interfaces: BTreeMap<IfaceId, Interface>,
    timers: Timers<Key>,
    random: Random,
}

impl Machine {
    /// A machine without interfaces; `seed` sets jitter and nonces.
    pub fn new(seed: u64) -> Self {
        Machine {
            interfaces: BTreeMap::new(),
            timers: Timers::default(),
            random: Random::new(seed),
        }
    }

    /// When `Event::Timer` is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Handles one event; what is to be done is appended to `out`, in order.
    pub fn on_event(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Action>) {
        match event {
            Event::ConfigureInterface { iface, config, mac } => {
                let fresh = !self.interfaces.contains_key(&iface);
                if fresh {
                    self.interfaces
                        .insert(iface, Interface::new(config.clone(), mac));
                }
                self.with(now, iface, out, |i, cx| i.configure(cx, config, mac));
            }
            Event::RemoveInterface { iface } => {
                self.with(now, iface, out, Interface::remove);
                self.interfaces.remove(&iface);
            }
            Event::LinkUp { iface } => self.with(now, iface, out, Interface::link_up),
            Event::LinkDown { iface } => self.with(now, iface, out, Interface::link_down),
            Event::AddAddress {
                iface,
                addr,
                prefix_len,
                anycast,
            } => {
                self.with(now, iface, out, |i, cx| {
                    i.add_address(cx, addr, prefix_len, anycast)
                });
            }
            Event::AddVirtual { iface, addr, mac } => {
                self.with(now, iface, out, |i, cx| i.add_virtual(cx, addr, mac));
            }
            Event::RemoveAddress { iface, addr } => {
                self.with(now, iface, out, |i, cx| i.remove_address(cx, addr));
            }
            Event::Packet {
                iface,
                src_mac,
                packet,
            } => {
                self.with(now, iface, out, |i, cx| i.packet(cx, src_mac, packet));
            }
            Event::ArpPacket { iface, packet } => {
                self.with(now, iface, out, |i, cx| i.arp_packet(cx, packet));
            }
            Event::Glean {
                iface,
                target,
                source,
            } => {
                if self.interfaces.contains_key(&iface) {
                    self.with(now, iface, out, |i, cx| i.glean(cx, target, source));
                } else {
                    out.push(Action::Fail {
                        iface,
                        addr: target,
                    });
                }
            }
            Event::InUse { iface, addr } => {
                self.with(now, iface, out, |i, cx| i.used(cx, addr));
            }
            Event::Hint {
                iface,
                addr,
                mac,
                router,
            } => {
                self.with(now, iface, out, |i, cx| i.learn(cx, addr, mac, router));
            }
            Event::AddStatic { iface, addr, mac } => {
                self.with(now, iface, out, |i, cx| i.add_static(cx, addr, mac));
            }
            Event::RemoveStatic { iface, addr } => {
                self.with(now, iface, out, |i, cx| i.remove_static(cx, addr));
            }
            Event::Flush { iface, addr } => {
                let chosen = |i: &IfaceId| iface.is_none_or(|wanted| wanted == *i);
                let ids: Vec<_> = self.interfaces.keys().copied().filter(chosen).collect();
                for iface in ids {
                    self.with(now, iface, out, |i, cx| i.flush(cx, addr));
                }
            }
            Event::Timer => self.on_timer(now, out),
        }
    }

    fn on_timer(&mut self, now: Instant, out: &mut Vec<Action>) {
        // What a timer arms lies after `now`, but for zero parameters: bounded by what is due on entry.
        for _ in 0..self.timers.len() {
            let Some(key) = self.timers.pop_due(now) else {
                return;
            };
            match key {
                Key::Neighbor(iface, addr) => {
                    self.with(now, iface, out, |i, cx| i.neighbor_timer(cx, addr));
                }
                Key::Address(iface, addr) => {
                    self.with(now, iface, out, |i, cx| i.address_timer(cx, addr));
                }
                Key::ReachableTime(iface) => {
                    self.with(now, iface, out, Interface::draw_reachable_time);
                }
                Key::Delayed(iface) => self.with(now, iface, out, Interface::send_delayed),
            }
        }
    }

    /// Lets one interface act; nothing happens when there is none.
    fn with(
        &mut self,
        now: Instant,
        iface: IfaceId,
        out: &mut Vec<Action>,
        act: impl FnOnce(&mut Interface, &mut Context<'_>),
    ) {
        if let Some(interface) = self.interfaces.get_mut(&iface) {
            let (timers, random) = (&mut self.timers, &mut self.random);
            act(
                interface,
                &mut Context {
                    now,
                    iface,
                    timers,
                    random,
                    out,
                },
            );
        }
    }

    /// All neighbours, by interface and address.
    pub fn neighbors(&self, now: Instant) -> Vec<NeighborSnapshot> {
        let each = |(iface, interface): (&IfaceId, &Interface)| {
            let iface = *iface;
            let show = move |(addr, n): (&IpAddr, &super::neighbor::Neighbor)| NeighborSnapshot {
                iface,
                addr: *addr,
                mac: n.mac,
                state: n.state,
                router: n.router,
                in_state: now.saturating_duration_since(n.since),
                unused: now.saturating_duration_since(n.last_used),
            };
            interface.cache.entries.iter().map(show).collect::<Vec<_>>()
        };
        self.interfaces.iter().flat_map(each).collect()
    }

    /// All own addresses, by interface and address.
    pub fn addresses(&self) -> Vec<AddressSnapshot> {
        let mut all = Vec::new();
        for (iface, interface) in &self.interfaces {
            all.extend(
                interface
                    .addresses
                    .iter()
                    .map(|(addr, own)| AddressSnapshot {
                        iface: *iface,
                        addr: *addr,
                        prefix_len: own.prefix_len,
                        state: own.state,
                        anycast: own.anycast,
                    }),
            );
        }
        all
    }

    /// The counters of each interface.
    pub fn counters(&self) -> impl Iterator<Item = (IfaceId, &Counters)> {
        self.interfaces
            .iter()
            .map(|(iface, interface)| (*iface, &interface.counters))
    }
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
