//! The machine: events in, actions out. One machine holds all interfaces, which share nothing but the timer queue.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::{Instant, SystemTime};

use tables::id::IfaceId;
use wire::MacAddr;

use super::config::Config;
use super::counters::Counters;
use super::foreign::{ForeignRouter, Inconsistency};
use super::interface::Interface;
use crate::{Random, timers::Timers};

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// An interface is there, or its variables have changed. It is down until `LinkUp`.
    ConfigureInterface {
        /// Which.
        iface: IfaceId,
        /// Router variables that hold from now on.
        config: Box<Config>,
        /// Its own MAC.
        mac: MacAddr,
        /// Its layer-3 MTU, bytes.
        mtu: u16,
    },
    /// The interface goes: one final advertisement while it is still there.
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
    /// Another router speaks for the virtual router whose address ours is (RFC 9568 section 6.4.2): nothing is sent, and hosts
    /// are not told that we cease.
    Withhold {
        /// On which interface.
        iface: IfaceId,
        /// Whether it does.
        withheld: bool,
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
        /// Source of the frame.
        src_mac: MacAddr,
        /// The packet; not yet validated.
        packet: &'a [u8],
    },
    /// The wall clock, told now and then, for lifetimes that count down to a date.
    Clock {
        /// What it says.
        wall: SystemTime,
    },
    /// The router stops: final advertisements at once and, if the task stays, twice more.
    Shutdown,
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
        /// Source of the frame.
        src_mac: MacAddr,
        /// Destination of the frame.
        dst_mac: MacAddr,
        /// From the IPv6 header on.
        packet: Vec<u8>,
    },
    /// A packet has told who has `addr`: for the nd room.
    NeighborHint {
        /// Where.
        iface: IfaceId,
        /// The neighbour.
        addr: Ipv6Addr,
        /// Its MAC.
        mac: MacAddr,
        /// Whether it is a router.
        router: bool,
    },
    /// Another router contradicts us; said once until it changes.
    Inconsistent {
        /// Where.
        iface: IfaceId,
        /// The other router.
        from: Ipv6Addr,
        /// In what.
        what: Inconsistency,
    },
    /// A router that was not seen before advertises.
    ForeignRouter {
        /// Where.
        iface: IfaceId,
        /// The other router.
        from: Ipv6Addr,
    },
}

/// An interface as `show ra` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Which.
    pub iface: IfaceId,
    /// Whether it advertises now.
    pub advertising: bool,
    /// The source of its advertisements.
    pub link_local: Option<Ipv6Addr>,
    /// When it advertised to all last.
    pub last_multicast: Option<Instant>,
    /// When it will next.
    pub next_multicast: Option<Instant>,
    /// Its variables.
    pub config: Config,
    /// Other routers of the link.
    pub foreign: Vec<ForeignRouter>,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The next advertisement to all nodes, or the next final one.
    Multicast(IfaceId),
    /// The next answer to one host.
    Unicast(IfaceId),
    /// The end of a withdrawal, or of a foreign router.
    Expiry(IfaceId),
}

/// What an interface needs from outside while it handles one event.
pub(super) struct Context<'a> {
    pub now: Instant,
    pub wall: SystemTime,
    pub iface: IfaceId,
    pub timers: &'a mut Timers<Key>,
    pub random: &'a mut Random,
    pub out: &'a mut Vec<Action>,
}

/// Router advertisements of all interfaces.
#[derive(Debug)]
pub struct Machine {
    interfaces: BTreeMap<IfaceId, Interface>,
    timers: Timers<Key>,
    random: Random,
    /// What the wall clock said when.
    clock: (Instant, SystemTime),
}

impl Machine {
    /// A machine without interfaces; `seed` sets the intervals, `wall` is the date at `now`.
    pub fn new(seed: u64, now: Instant, wall: SystemTime) -> Self {
        Machine {
            interfaces: BTreeMap::new(),
            timers: Timers::default(),
            random: Random::new(seed),
            clock: (now, wall),
        }
    }

    /// When `Event::Timer` is due. After `Shutdown`, `None` says that all final advertisements are sent.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Handles one event; what is to be done is appended to `out`, in order.
    pub fn on_event(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Action>) {
        match event {
            Event::ConfigureInterface {
                iface,
                config,
                mac,
                mtu,
            } => {
                self.interfaces
                    .entry(iface)
                    .or_insert_with(|| Interface::new(mac, mtu));
                self.with(now, iface, out, |i, cx| i.configure(cx, *config, mac, mtu));
            }
            Event::RemoveInterface { iface } => {
                self.with(now, iface, out, Interface::remove);
                self.interfaces.remove(&iface);
            }
            Event::LinkLocal { iface, addr } => {
                self.with(now, iface, out, |i, cx| i.set_link_local(cx, addr));
            }
            Event::Withhold { iface, withheld } => {
                self.with(now, iface, out, |i, cx| i.set_withheld(cx, withheld));
            }
            Event::LinkUp { iface } => self.with(now, iface, out, |i, cx| i.set_up(cx, true)),
            Event::LinkDown { iface } => self.with(now, iface, out, |i, cx| i.set_up(cx, false)),
            Event::Packet {
                iface,
                src_mac,
                packet,
            } => {
                self.with(now, iface, out, |i, cx| i.packet(cx, src_mac, packet));
            }
            Event::Clock { wall } => self.clock = (now, wall),
            Event::Shutdown => {
                for iface in self.interfaces.keys().copied().collect::<Vec<_>>() {
                    self.with(now, iface, out, Interface::shut_down);
                }
            }
            Event::Timer => {
                for _ in 0..self.timers.len() {
                    let Some(key) = self.timers.pop_due(now) else {
                        return;
                    };
                    let (iface, act): (_, fn(&mut Interface, &mut Context<'_>)) = match key {
                        Key::Multicast(iface) => (iface, Interface::multicast_timer),
                        Key::Unicast(iface) => (iface, Interface::unicast_timer),
                        Key::Expiry(iface) => (iface, Interface::expiry_timer),
                    };
                    self.with(now, iface, out, act);
                }
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
        let (then, said) = self.clock;
        let wall = said + now.saturating_duration_since(then);
        if let Some(interface) = self.interfaces.get_mut(&iface) {
            let (timers, random) = (&mut self.timers, &mut self.random);
            act(
                interface,
                &mut Context {
                    now,
                    wall,
                    iface,
                    timers,
                    random,
                    out,
                },
            );
        }
    }

    /// All interfaces.
    pub fn snapshot(&self) -> Vec<Snapshot> {
        let each = |(iface, interface): (&IfaceId, &Interface)| {
            let next_multicast = self.timers.at(Key::Multicast(*iface));
            interface.snapshot(*iface, next_multicast)
        };
        self.interfaces.iter().map(each).collect()
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
