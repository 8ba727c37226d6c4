//! The machine: events in, actions out. One machine relays for all links.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::{Duration, Instant, SystemTime};

use ipnet::Ipv6Net;
use lease::{Lease, NextHop, RealmId, Resource, Wall, Write};
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use super::config::Config;
use super::counters::Counters;
use super::error::ConfigError;
use super::packet::kind;
use super::prefix::{Named, Neighbors, Prefixes, Releases, link_of};

/// UDP port of servers and relay agents (RFC 8415 section 7.2).
pub(super) const SERVER_PORT: u16 = 547;
/// UDP port of clients.
pub(super) const CLIENT_PORT: u16 = 546;
/// How long no delegation is let through after one could not be stored: the next one is a trial.
const REFUSE_FOR: Duration = Duration::from_secs(2);
/// Prefixes ended by one event; the rest has its own.
const EXPIRE_AT_ONCE: usize = 4096;

/// A UDP datagram to port 547, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Where.
    pub iface: IfaceId,
    /// Its router.
    pub vrf: VrfId,
    /// Source of the frame.
    pub src_mac: MacAddr,
    /// Source address.
    pub src: Ipv6Addr,
    /// Source port.
    pub src_port: u16,
    /// Destination address: a group, or one of ours.
    pub dst: Ipv6Addr,
    /// What follows the UDP header.
    pub payload: &'a [u8],
}

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A link is relayed for, or its configuration has changed.
    ConfigureLink {
        /// Which.
        link: IfaceId,
        /// Its router.
        vrf: VrfId,
        /// Its router, as leases know it: the same after a restart.
        realm: RealmId,
        /// The interface's name, which is stored with routes.
        name: Box<str>,
        /// What holds from now on.
        config: Box<Config>,
    },
    /// A link is not relayed for any more. What is delegated there stays known until it ends; its routes go.
    RemoveLink {
        /// Which.
        link: IfaceId,
    },
    /// What the store holds. Until it is there, no Reply that delegates is let through.
    Loaded {
        /// All delegated prefixes.
        leases: Vec<Lease>,
    },
    /// Whether messages of clients on a link are relayed from now on, until this is told anew; they are, where it was never told. Answers
    /// to what was relayed before are.
    Serve {
        /// Which.
        link: IfaceId,
        /// Whether.
        serving: bool,
    },
    /// A datagram came.
    Packet(Datagram<'a>),
    /// The writes so far are on disk.
    Stored,
    /// Some writes are not on disk and never will be: they are taken back. To be told before any other event, and the actions
    /// that waited for them are not carried out.
    StoreFailed {
        /// All writes that failed, in the order in which they were asked for.
        writes: Vec<Write>,
    },
    /// `next_deadline()` has come.
    Timer,
}

/// How a datagram leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Out of this interface, to a neighbour or a group; the neighbour's MAC when it is known.
    Link {
        /// The interface.
        iface: IfaceId,
        /// The neighbour's MAC.
        mac: Option<MacAddr>,
    },
    /// By the routing table.
    Routed {
        /// Of this router.
        vrf: VrfId,
    },
}

/// What the router shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "writes are half of what is done, and live for a moment"
)]
pub enum Action {
    /// Send a UDP datagram from port 547.
    Send {
        /// How.
        via: Via,
        /// Its source; `None`: the interface's link-local address, or the one that routing chooses.
        src: Option<Ipv6Addr>,
        /// Its destination.
        dst: Ipv6Addr,
        /// Its destination port.
        dst_port: u16,
        /// What follows the UDP header.
        payload: Vec<u8>,
        /// Only when the writes asked for before it are on disk.
        after_commit: bool,
    },
    /// Store this.
    Write(Write),
    /// A delegated prefix is reached there; after the writes asked for before it are on disk.
    RouteUp {
        /// The prefix.
        prefix: Ipv6Net,
        /// Of this router.
        vrf: VrfId,
        /// The client on its link.
        next_hop: NextHop,
    },
    /// A prefix is not delegated any more; after the writes asked for before it are on disk.
    RouteDown {
        /// The prefix.
        prefix: Ipv6Net,
        /// Of this router.
        vrf: VrfId,
    },
    /// Something to log.
    Notice(Notice),
}

/// What people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A configuration that cannot be followed; the link is as it was.
    ConfigRefused {
        /// Which link.
        link: IfaceId,
        /// Why.
        faults: Vec<ConfigError>,
    },
    /// Delegations cannot be stored, and their Replies do not pass; said once.
    RefusingService,
    /// They can be stored again.
    ServiceResumed,
}

/// A link that is relayed for.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) vrf: VrfId,
    pub(super) realm: RealmId,
    pub(super) name: Box<str>,
    pub(super) config: Config,
    pub(super) counters: Counters,
}

/// The relay.
#[derive(Debug)]
pub struct Machine {
    pub(super) links: BTreeMap<IfaceId, Link>,
    /// Links that are not served.
    pub(super) silent: BTreeSet<IfaceId>,
    pub(super) prefixes: Prefixes,
    pub(super) releases: Releases,
    pub(super) neighbors: Neighbors,
    is_loaded: bool,
    refuse_until: Option<Instant>,
    /// What the wall clock said when.
    pub(super) clock: (Instant, SystemTime),
    /// Of datagrams that belong to no link.
    pub(super) elsewhere: Counters,
}

impl Machine {
    /// A relay without links; `wall` is the date at `now`.
    pub fn new(now: Instant, wall: SystemTime) -> Self {
        Self {
            links: BTreeMap::new(),
            silent: BTreeSet::new(),
            prefixes: Prefixes::default(),
            releases: Releases::default(),
            neighbors: Neighbors::default(),
            is_loaded: false,
            refuse_until: None,
            clock: (now, wall),
            elsewhere: Counters::default(),
        }
    }

    /// When `Event::Timer` is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        let (now, wall) = self.clock;
        let end = self.prefixes.due().and_then(Wall::as_secs)?;
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(end);
        let due = now + end.duration_since(wall).unwrap_or_default();
        Some(self.refuse_until.map_or(due, |until| due.max(until)))
    }

    /// Handles one event; what is to be done is appended to `out`, in order. `wall` is the date at `now`.
    pub fn on_event(
        &mut self,
        now: Instant,
        wall: SystemTime,
        event: Event<'_>,
        out: &mut Vec<Action>,
    ) {
        self.clock = (now, wall);
        match event {
            Event::ConfigureLink {
                link,
                vrf,
                realm,
                name,
                config,
            } => {
                self.configure(link, (vrf, realm), name, *config, out);
            }
            Event::RemoveLink { link } => {
                if let Some(link) = self.links.remove(&link) {
                    self.routes_down(&link, out);
                }
            }
            Event::Loaded { leases } => self.load(leases, out),
            Event::Serve { link, serving } => {
                if serving {
                    self.silent.remove(&link);
                } else {
                    self.silent.insert(link);
                }
            }
            Event::Packet(datagram) => match datagram.payload.first() {
                Some(&kind::RELAY_REPLY) => self.backward(&datagram, out),
                _ => self.forward(&datagram, out),
            },
            Event::Stored => {
                if self.refuse_until.take().is_some() {
                    out.push(Action::Notice(Notice::ServiceResumed));
                }
            }
            Event::StoreFailed { writes } => {
                for write in writes.iter().rev() {
                    self.prefixes.undo(write);
                }
                if self.refuse_until.replace(now + REFUSE_FOR).is_none() {
                    out.push(Action::Notice(Notice::RefusingService));
                }
            }
            Event::Timer => self.expire(out),
        }
    }

    /// Whether a delegation may be tried to be stored.
    pub(super) fn may_store(&self) -> bool {
        self.is_loaded && self.refuse_until.is_none_or(|until| until <= self.clock.0)
    }

    fn configure(
        &mut self,
        id: IfaceId,
        (vrf, realm): (VrfId, RealmId),
        name: Box<str>,
        config: Config,
        out: &mut Vec<Action>,
    ) {
        let mut faults = config.validate();
        let others = self
            .links
            .iter()
            .filter(|(other, link)| **other != id && link.vrf == vrf);
        let mut ids = others.map(|(_, link)| &link.config.interface_id);
        if ids.any(|other| *other == config.interface_id) {
            faults.push(ConfigError::SameInterfaceId);
        }
        if !faults.is_empty() {
            out.push(Action::Notice(Notice::ConfigRefused { link: id, faults }));
            return;
        }
        let old = self.links.remove(&id);
        let counters = old
            .as_ref()
            .map(|old| old.counters.clone())
            .unwrap_or_default();
        let link = Link {
            vrf,
            realm,
            name,
            config,
            counters,
        };
        let had = old.as_ref().filter(|old| old.config.routes);
        let same = had.is_some_and(|old| {
            let is_there = (old.vrf, old.realm) == (vrf, realm) && old.name == link.name;
            is_there && link.config.routes
        });
        if let Some(old) = had.filter(|_| !same) {
            self.routes_down(old, out);
        }
        if !same {
            self.routes_up(&link, out);
        }
        self.links.insert(id, link);
    }

    fn load(&mut self, leases: Vec<Lease>, out: &mut Vec<Action>) {
        for lease in leases {
            if let Resource::Prefix(prefix) = lease.resource {
                self.prefixes.set((lease.realm(), prefix), Some(lease));
            }
        }
        self.is_loaded = true;
        for link in self.links.values() {
            self.routes_up(link, out);
        }
    }

    fn routes_up(&self, link: &Link, out: &mut Vec<Action>) {
        if !link.config.routes {
            return;
        }
        for (prefix, lease) in self.of_link(link) {
            if let Some(next_hop) = lease.next_hop.as_deref() {
                out.push(Action::RouteUp {
                    prefix: *prefix,
                    vrf: link.vrf,
                    next_hop: next_hop.clone(),
                });
            }
        }
    }

    fn routes_down(&self, link: &Link, out: &mut Vec<Action>) {
        for (prefix, _) in self.of_link(link) {
            let (prefix, vrf) = (*prefix, link.vrf);
            out.push(Action::RouteDown { prefix, vrf });
        }
    }

    fn of_link<'a>(&'a self, link: &'a Link) -> impl Iterator<Item = (&'a Ipv6Net, &'a Lease)> {
        self.prefixes
            .iter()
            .filter(|(_, lease)| link.realm == lease.realm())
            .filter(|(_, lease)| link_of(lease) == Some(&*link.name))
    }

    fn expire(&mut self, out: &mut Vec<Action>) {
        let (now, wall) = self.clock;
        if self.refuse_until.is_some_and(|until| now < until) {
            return;
        }
        for named in self.prefixes.ended(wall.into(), EXPIRE_AT_ONCE) {
            if let Some(link) = self.forget(named, out) {
                link.counters.prefixes_expired += 1;
            }
        }
    }

    /// Forgets a delegation; the link that it was on, if it is still there.
    pub(super) fn forget(&mut self, named: Named, out: &mut Vec<Action>) -> Option<&mut Link> {
        let (realm, prefix) = named;
        let write = self.prefixes.set(named, None);
        let name: Box<str> = write.before.as_ref().and_then(link_of)?.into();
        out.push(Action::Write(write));
        let mut links = self.links.values_mut();
        let link = links.find(|link| link.realm == realm && link.name == name)?;
        let vrf = link.vrf;
        out.push(Action::RouteDown { prefix, vrf });
        Some(link)
    }

    /// What is delegated, and behind whom.
    pub fn prefixes(&self) -> impl Iterator<Item = (&Ipv6Net, &Lease)> {
        self.prefixes.iter()
    }

    /// The links that are relayed for.
    pub fn links(&self) -> impl Iterator<Item = (IfaceId, &Config)> {
        self.links.iter().map(|(id, link)| (*id, &link.config))
    }

    /// The counters of each link.
    pub fn counters(&self) -> impl Iterator<Item = (IfaceId, &Counters)> {
        self.links.iter().map(|(id, link)| (*id, &link.counters))
    }

    /// The counters of datagrams that belong to no link.
    pub fn counters_elsewhere(&self) -> &Counters {
        &self.elsewhere
    }
}

#[cfg(test)]
mod tests;
