//! The machine: events in, actions out. One machine holds all interfaces, which share nothing but the timer queue.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Instant;

use tables::id::IfaceId;
use wire::MacAddr;

use super::config::Config;
use super::counters::Counters;
use super::interface::Interface;
use crate::{Random, timers::Timers};

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// An interface is there, or what it listens to may have changed. It is down until `LinkUp`.
    ConfigureInterface {
        /// Which.
        iface: IfaceId,
        /// Variables that hold from now on.
        config: Config,
        /// Every group it listens to; those that are never told may be among them.
        groups: BTreeSet<Ipv6Addr>,
    },
    /// The interface goes: its groups are left while it is still there.
    RemoveInterface {
        /// Which.
        iface: IfaceId,
    },
    /// Our link-local address has passed duplicate detection (`Some`), or is not to be used any more (`None`).
    LinkLocal {
        /// On which interface.
        iface: IfaceId,
        /// The address.
        addr: Option<Ipv6Addr>,
    },
    /// Frames can be sent.
    LinkUp {
        /// On which interface.
        iface: IfaceId,
    },
    /// No frame can be sent.
    LinkDown {
        /// On which interface.
        iface: IfaceId,
    },
    /// An ICMPv6 packet came, from the IPv6 header on.
    Packet {
        /// Where.
        iface: IfaceId,
        /// The packet; not yet validated.
        packet: &'a [u8],
    },
    /// `next_deadline()` has come.
    Timer,
}

/// What the router shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an IPv6 packet.
    Send {
        /// Out of which interface.
        iface: IfaceId,
        /// Its destination.
        dst: Ipv6Addr,
        /// Destination of the frame.
        dst_mac: MacAddr,
        /// From the IPv6 header on.
        packet: Vec<u8>,
    },
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The next repetition of what has changed.
    Changes(IfaceId),
    /// The answer to a general query (version 2).
    General(IfaceId),
    /// The answer for one group.
    Group(IfaceId, Ipv6Addr),
    /// Older Version Querier Present; version 1 is spoken while it runs.
    OlderQuerier(IfaceId),
}

/// What an interface needs from outside while it handles one event.
pub(super) struct Context<'a> {
    pub now: Instant,
    pub iface: IfaceId,
    pub timers: &'a mut Timers<Key>,
    pub random: &'a mut Random,
    pub out: &'a mut Vec<Action>,
}

/// The listeners of all interfaces.
#[derive(Debug)]
pub struct Machine {
    interfaces: BTreeMap<IfaceId, Interface>,
    timers: Timers<Key>,
    random: Random,
}

impl Machine {
    /// A machine without interfaces; `seed` sets the delays.
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
            Event::ConfigureInterface {
                iface,
                config,
                groups,
            } => {
                self.interfaces
                    .entry(iface)
                    .or_insert_with(|| Interface::new(config.clone()));
                self.with(now, iface, out, |i, cx| i.configure(cx, config, groups));
            }
            Event::RemoveInterface { iface } => {
                self.with(now, iface, out, Interface::remove);
                self.interfaces.remove(&iface);
            }
            Event::LinkLocal { iface, addr } => {
                self.with(now, iface, out, |i, cx| i.set_link_local(cx, addr));
            }
            Event::LinkUp { iface } => self.with(now, iface, out, |i, cx| i.set_up(cx, true)),
            Event::LinkDown { iface } => self.with(now, iface, out, |i, cx| i.set_up(cx, false)),
            Event::Packet { iface, packet } => {
                self.with(now, iface, out, |i, cx| i.packet(cx, packet));
            }
            Event::Timer => {
                for _ in 0..self.timers.len() {
                    let Some(key) = self.timers.pop_due(now) else {
                        return;
                    };
                    self.timer(now, key, out);
                }
            }
        }
    }

    fn timer(&mut self, now: Instant, key: Key, out: &mut Vec<Action>) {
        match key {
            Key::Changes(iface) => self.with(now, iface, out, Interface::tell_changes),
            Key::General(iface) => self.with(now, iface, out, Interface::general_timer),
            Key::Group(iface, group) => {
                self.with(now, iface, out, |i, cx| i.group_timer(cx, group));
            }
            Key::OlderQuerier(iface) => {
                self.with(now, iface, out, Interface::older_querier_timer);
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

    /// The counters of each interface.
    pub fn counters(&self) -> impl Iterator<Item = (IfaceId, &Counters)> {
        self.interfaces
            .iter()
            .map(|(iface, interface)| (*iface, &interface.counters))
    }
}

#[cfg(test)]
mod tests;
