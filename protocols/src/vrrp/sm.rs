//! The machine: events in, actions out. One machine holds all virtual routers, which share nothing but the timer queue.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tables::id::IfaceId;
use wire::{EtherType, MacAddr};

use super::config::{Config, Family, GroupId};
use super::counters::Counters;
use super::group::{Group, Snapshot, State};
use super::packet;
use crate::timers::Timers;

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A virtual router is there, or is another one now.
    Configure {
        /// Which.
        id: GroupId,
        /// What it is from now on.
        config: Box<Config>,
    },
    /// It goes: others may take over at once.
    Remove {
        /// Which.
        id: GroupId,
    },
    /// What advertisements of an interface are sent from: its link-local address, or its IPv4 address, once duplicate
    /// detection has passed. `None`: not to be used any more.
    Source {
        /// On which interface.
        iface: IfaceId,
        /// Of which family.
        family: Family,
        /// The address.
        addr: Option<IpAddr>,
    },
    /// Frames can be sent, or cannot.
    Link {
        /// On which interface.
        iface: IfaceId,
        /// Whether they can.
        up: bool,
    },
    /// What is watched has changed.
    Track {
        /// For which virtual router.
        id: GroupId,
        /// Taken off its priority, which stays 1 at least.
        lowered: u8,
        /// It shall not take part at all.
        held: bool,
    },
    /// A packet of protocol 112 came, from its IP header on.
    Packet {
        /// Where.
        iface: IfaceId,
        /// The packet; not yet validated.
        packet: &'a [u8],
    },
    /// The process stops: all virtual routers are left to others at once.
    Shutdown,
    /// `next_deadline()` has come.
    Timer,
}

/// Why a virtual router has changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It takes part from now on.
    Started,
    /// Nobody advertised for too long.
    Silence,
    /// This router goes before ours.
    Outranked(IpAddr),
    /// Its addresses or its MAC have changed.
    Configured,
    /// The link is down.
    LinkDown,
    /// There is no address to advertise from.
    NoAddress,
    /// What is watched forbids it, or the router is not ready to forward.
    Held,
    /// It was configured away.
    Removed,
    /// The process stops.
    Stopped,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::Started => f.write_str("takes part"),
            Why::Silence => f.write_str("nobody advertised for too long"),
            Why::Outranked(by) => write!(f, "{by} goes before us"),
            Why::Configured => f.write_str("configured anew"),
            Why::LinkDown => f.write_str("the link is down"),
            Why::NoAddress => f.write_str("the interface has no address to advertise from"),
            Why::Held => f.write_str("something that it needs is down, or not ready yet"),
            Why::Removed => f.write_str("no longer configured"),
            Why::Stopped => f.write_str("the process stops"),
        }
    }
}

/// What the router shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The virtual router has this state now; said again when its addresses or its MAC have changed.
    Become {
        /// Which.
        id: GroupId,
        /// Its state.
        state: State,
        /// Why.
        why: Why,
    },
    /// Send a packet in a frame of this source.
    Send {
        /// Out of which interface.
        iface: IfaceId,
        /// Source of the frame.
        source_mac: MacAddr,
        /// Destination of the frame.
        dst_mac: MacAddr,
        /// What the packet is.
        ether_type: EtherType,
        /// From the layer-3 header on.
        packet: Vec<u8>,
    },
    /// Route an IP packet to a peer, in the routing domain of the interface.
    Route {
        /// Of which interface.
        iface: IfaceId,
        /// From the IP header on.
        packet: Vec<u8>,
    },
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// Adver_Timer.
    Advertise(GroupId),
    /// Active_Down_Timer.
    Down(GroupId),
    /// The next announcement of the addresses.
    Announce(GroupId),
}

/// What a group needs from outside while it handles one event.
pub(super) struct Context<'a> {
    pub now: Instant,
    pub id: GroupId,
    pub timers: &'a mut Timers<Key>,
    pub out: &'a mut Vec<Action>,
}

/// All virtual routers.
#[derive(Debug, Default)]
pub struct Machine {
    groups: BTreeMap<GroupId, Group>,
    sources: BTreeMap<(IfaceId, Family), IpAddr>,
    links: BTreeMap<IfaceId, bool>,
    /// What came for no virtual router of ours.
    strays: BTreeMap<IfaceId, Counters>,
    timers: Timers<Key>,
}

impl Machine {
    /// When `Event::Timer` is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Handles one event; what is to be done is appended to `out`, in order.
    pub fn on_event(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Action>) {
        match event {
            Event::Configure { id, config } => self.configure(now, id, *config, out),
            Event::Remove { id } => {
                self.with(now, id, out, |g, cx| g.stop(cx, Why::Removed));
                self.groups.remove(&id);
                if self.of(id.iface).next().is_none() {
                    self.strays.remove(&id.iface);
                }
            }
            Event::Source {
                iface,
                family,
                addr,
            } => {
                match addr {
                    Some(addr) => self.sources.insert((iface, family), addr),
                    None => self.sources.remove(&(iface, family)),
                };
                for id in self
                    .of(iface)
                    .filter(|id| id.family == family)
                    .collect::<Vec<_>>()
                {
                    self.with(now, id, out, |group, cx| group.set_source(cx, addr));
                }
            }
            Event::Link { iface, up } => {
                self.links.insert(iface, up);
                for id in self.of(iface).collect::<Vec<_>>() {
                    self.with(now, id, out, |group, cx| group.set_up(cx, up));
                }
            }
            Event::Track { id, lowered, held } => {
                self.with(now, id, out, |group, cx| group.track(cx, lowered, held));
            }
            Event::Packet { iface, packet } => self.packet(now, iface, packet, out),
            Event::Shutdown => {
                for id in self.groups.keys().copied().collect::<Vec<_>>() {
                    self.with(now, id, out, |g, cx| g.stop(cx, Why::Stopped));
                }
            }
            Event::Timer => {
                for _ in 0..self.timers.len() {
                    let Some(due) = self.timers.next() else {
                        return;
                    };
                    let Some(key) = self.timers.pop_due(now) else {
                        return;
                    };
                    self.timer(now, key, due, out);
                }
            }
        }
    }

    fn configure(&mut self, now: Instant, id: GroupId, config: Config, out: &mut Vec<Action>) {
        if self.groups.contains_key(&id) {
            return self.with(now, id, out, |group, cx| group.configure(cx, config));
        }
        self.groups.insert(id, Group::new(config, now));
        let source = self.sources.get(&(id.iface, id.family)).copied();
        let up = self.links.get(&id.iface).copied().unwrap_or(false);
        self.with(now, id, out, |group, cx| {
            group.set_source(cx, source);
            group.set_up(cx, up);
        });
    }

    fn timer(&mut self, now: Instant, key: Key, due: Instant, out: &mut Vec<Action>) {
        let late: Duration = now.saturating_duration_since(due);
        match key {
            Key::Advertise(id) => self.with(now, id, out, |g, cx| g.advertise_timer(cx, due)),
            Key::Down(id) => self.with(now, id, out, |g, cx| g.down_timer(cx, late)),
            Key::Announce(id) => self.with(now, id, out, Group::announce_timer),
        }
    }

    fn packet(&mut self, now: Instant, iface: IfaceId, packet: &[u8], out: &mut Vec<Action>) {
        let family = match packet.first() {
            Some(byte) if byte >> 4 == 4 => Family::V4,
            _ => Family::V6,
        };
        let (vrid, broken) = match packet::read(packet) {
            Ok(received) => {
                let vrid = received.advertisement.vrid;
                let id = GroupId {
                    iface,
                    family,
                    vrid,
                };
                let mut broken = Err("unknown_vrid");
                self.with(now, id, out, |g, cx| broken = g.received(cx, received));
                (Some(vrid), broken)
            }
            Err((rule, vrid)) => (vrid, Err(rule)),
        };
        if let Err(rule) = broken {
            let id = vrid.map(|vrid| GroupId {
                iface,
                family,
                vrid,
            });
            match id.and_then(|id| self.groups.get_mut(&id)) {
                Some(group) => group.counters.count_invalid(rule),
                None => self.strays.entry(iface).or_default().count_invalid(rule),
            }
        }
    }

    /// The virtual routers of an interface.
    fn of(&self, iface: IfaceId) -> impl Iterator<Item = GroupId> {
        let all = self.groups.keys().copied();
        all.filter(move |id| id.iface == iface)
    }

    /// Lets one virtual router act; nothing happens when there is none.
    fn with(
        &mut self,
        now: Instant,
        id: GroupId,
        out: &mut Vec<Action>,
        act: impl FnOnce(&mut Group, &mut Context<'_>),
    ) {
        if let Some(group) = self.groups.get_mut(&id) {
            let timers = &mut self.timers;
            act(
                group,
                &mut Context {
                    now,
                    id,
                    timers,
                    out,
                },
            );
        }
    }

    /// The MAC at which a virtual router's addresses are.
    pub fn mac(&self, id: GroupId) -> Option<MacAddr> {
        self.groups.get(&id).map(Group::mac)
    }

    /// The shortest time between two advertisements; `None` without virtual routers.
    pub fn shortest_interval(&self) -> Option<Duration> {
        self.groups.values().map(Group::interval).min()
    }

    /// All virtual routers.
    pub fn snapshot(&self) -> Vec<Snapshot> {
        let each = |(id, group): (&GroupId, &Group)| {
            let takes_over = self.timers.at(Key::Down(*id));
            group.snapshot(*id, takes_over)
        };
        self.groups.iter().map(each).collect()
    }

    /// What came to each interface for no virtual router of ours.
    pub fn strays(&self) -> impl Iterator<Item = (IfaceId, &Counters)> {
        self.strays
            .iter()
            .map(|(iface, counters)| (*iface, counters))
    }
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
