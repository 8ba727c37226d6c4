//! The machine: events in, actions out. One machine serves all links; they share the book of leases.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use ipnet::Ipv4Net;
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use super::config::Config;
use super::counters::Counters;
use super::error::ConfigError;
use super::link::{Link, LinkId};
use super::probe::{Probes, Question};
use crate::Random;
use crate::pairing::{PairEvent, Pairing, Questions};
use lease::sync::{Family, Message as PairMessage};
use lease::{
    Book, ClientId, ImportRefused, Imported, Lease, RealmId, Resource, ScopeId, State, Wall, Write,
};

/// A UDP datagram to port 67, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Where.
    pub iface: IfaceId,
    /// Source of the frame.
    pub src_mac: MacAddr,
    /// Source address; 0.0.0.0 of a client without one.
    pub src: Ipv4Addr,
    /// Source port: where a relay of RFC 8357 wants its answer.
    pub src_port: u16,
    /// Destination address: a broadcast address, or one of ours.
    pub dst: Ipv4Addr,
    /// What follows the UDP header.
    pub payload: &'a [u8],
}

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A link is served, or its configuration has changed. Leases outlive both.
    ConfigureLink {
        /// Which.
        link: LinkId,
        /// Its router.
        vrf: VrfId,
        /// Its router, as leases know it: the same after a restart.
        realm: RealmId,
        /// What holds from now on.
        config: Box<Config>,
    },
    /// A link is not served any more. Its leases stay until they end.
    RemoveLink {
        /// Which.
        link: LinkId,
    },
    /// What the store holds. Until it is there, no lease is given.
    Loaded {
        /// All IPv4 leases.
        leases: Vec<Lease>,
    },
    /// A datagram came.
    Packet(Datagram<'a>),
    /// Somebody answered for an address that was asked for by [`Action::Probe`]. Silence needs no event.
    ProbeResult {
        /// On which interface.
        iface: IfaceId,
        /// The address.
        address: Ipv4Addr,
        /// Who has it.
        by: MacAddr,
    },
    /// The writes so far are on disk.
    Stored,
    /// Some writes are not on disk and never will be: they are taken back. To be told before any other event, and the actions
    /// that waited for them are not carried out.
    StoreFailed {
        /// All writes that failed, in the order in which they were asked for.
        writes: Vec<Write>,
    },
    /// An import was not made after all, though nothing stood against it here: it is taken back. To be told before any other
    /// event, and instead of `Stored`.
    Withdrawn {
        /// All its writes, in the order in which they were asked for.
        writes: Vec<Write>,
    },
    /// An administrator ends a lease, or forgets a declined or released one.
    Release {
        /// Of which router.
        realm: RealmId,
        /// What is released.
        resource: Resource,
    },
    /// An administrator gives a lease.
    Add {
        /// The lease.
        lease: Box<Lease>,
    },
    /// An administrator gives many leases: all of them or none. Answered by [`Notice::Imported`] or [`Notice::NotImported`].
    Import {
        /// The leases; in each router each of another resource.
        leases: Vec<Lease>,
    },
    /// Whether clients on a link of an interface of ours are answered from now on, until this is told anew; they are, where it was
    /// never told. A link that is not served keeps its leases, and learns what the other router of a pair gives.
    Serve {
        /// Which.
        link: LinkId,
        /// Whether.
        serving: bool,
    },
    /// Of the pair that the server is one of.
    Pair(PairEvent),
    /// `next_deadline()` has come.
    Timer,
}

/// How a datagram leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Out of this interface, in a frame to this address: that of a client which answers no ARP yet, or the broadcast address.
    Link {
        /// The interface.
        iface: IfaceId,
        /// The frame's destination.
        mac: MacAddr,
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
    /// Send a UDP datagram from port 67.
    Send {
        /// How.
        via: Via,
        /// Its source.
        src: Ipv4Addr,
        /// Its destination.
        dst: Ipv4Addr,
        /// Its destination port.
        dst_port: u16,
        /// What follows the UDP header.
        payload: Vec<u8>,
        /// Only when the writes asked for before it are on disk.
        after_commit: bool,
    },
    /// Store this.
    Write(Write),
    /// Ask by ARP whether somebody has this address (RFC 5227 section 2.1.1). Answers come as [`Event::ProbeResult`].
    Probe {
        /// On which interface.
        iface: IfaceId,
        /// The address.
        address: Ipv4Addr,
    },
    /// Tell the other router of the pair; after the writes asked for before it are on disk.
    Tell(PairMessage),
    /// Something to log, and to tell who watches.
    Notice(Notice),
}

/// What people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A subnet has nothing left for a new client; said once until it has.
    PoolUsedUp {
        /// Its name.
        name: String,
    },
    /// A client found its address in use by somebody else.
    Declined {
        /// The address.
        address: Ipv4Addr,
        /// The client.
        client: ClientId,
    },
    /// Somebody uses an address that was to be offered.
    Conflict {
        /// The address.
        address: Ipv4Addr,
        /// Who.
        by: MacAddr,
    },
    /// A lease of the other router of a pair has taken the place of one that somebody else has here.
    TwoHolders {
        /// What both have.
        resource: Resource,
        /// Who has it no more.
        from: ClientId,
        /// Who has it now.
        to: ClientId,
    },
    /// Leases cannot be stored: no client is served until they can; said once.
    RefusingService,
    /// Leases can be stored again.
    ServiceResumed,
    /// A configuration that cannot be followed; the link is as it was.
    ConfigRefused {
        /// Which link.
        link: LinkId,
        /// Why.
        faults: Vec<ConfigError>,
    },
    /// A lease that an administrator wanted to give and that cannot be.
    NotAdded {
        /// What was to be leased.
        resource: Resource,
        /// Why not.
        why: &'static str,
    },
    /// The leases of an import were put, as far as they were news.
    Imported(Imported),
    /// No lease of an import was put.
    NotImported {
        /// Why not.
        why: ImportRefused,
    },
}

/// What this server keeps over restarts.
#[derive(Clone)]
pub struct Identity {
    /// The key of deterministic allocation.
    pub secret: [u64; 2],
    /// How long an ended lease is kept for its holder.
    pub retention: Duration,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// How long no lease is given after one could not be stored: the next one is a trial.
const REFUSE_FOR: Duration = Duration::from_secs(2);
/// Leases ended by one event; the rest has its own.
const EXPIRE_AT_ONCE: usize = 4096;

/// The server.
#[derive(Debug)]
pub struct Machine {
    identity: Identity,
    pub(super) links: BTreeMap<LinkId, Link>,
    /// Which link a subnet belongs to.
    by_scope: HashMap<ScopeId, LinkId>,
    /// Our addresses on the links.
    pub(super) own: HashMap<(VrfId, Ipv4Addr), LinkId>,
    /// Which link an address of a relay or of a far client has been found to belong to.
    pub(super) by_address: HashMap<(VrfId, Ipv4Addr), LinkId>,
    pub(super) book: Book,
    pub(super) is_loaded: bool,
    pub(super) random: Random,
    /// What the wall clock said when.
    pub(super) clock: (Instant, SystemTime),
    /// Since leases could not be stored: until when none is given, or tried.
    pub(super) refuse_until: Option<Instant>,
    pub(super) probes: Probes,
    /// Links that are not served.
    pub(super) silent: BTreeSet<LinkId>,
    pub(super) pairing: Pairing,
    /// Messages that wait for the other router of the pair.
    pub(super) questions: Questions<(Question, u8)>,
    /// Of datagrams on interfaces that are no links of the server.
    pub(super) elsewhere: Counters,
}

impl Machine {
    /// A server without links and leases; `seed` sets what is left to chance, `wall` is the date at `now`.
    pub fn new(identity: Identity, seed: u64, now: Instant, wall: SystemTime) -> Self {
        Machine {
            links: BTreeMap::new(),
            by_scope: HashMap::new(),
            own: HashMap::new(),
            by_address: HashMap::new(),
            book: Book::new(identity.retention),
            is_loaded: false,
            random: Random::new(seed),
            clock: (now, wall),
            refuse_until: None,
            probes: Probes::default(),
            silent: BTreeSet::new(),
            pairing: Pairing::new(Family::V4),
            questions: Questions::default(),
            elsewhere: Counters::default(),
            identity,
        }
    }

    /// When `Event::Timer` is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        let (now, wall) = self.clock;
        let ends = self.book.due().and_then(Wall::as_secs).map(|secs| {
            let end = SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
            let due = now + end.duration_since(wall).unwrap_or_default();
            self.refuse_until.map_or(due, |until| due.max(until))
        });
        let probes = self.probes.next_deadline();
        let questions = self.questions.next_deadline();
        [ends, probes, questions].into_iter().flatten().min()
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
        self.book.tick(wall);
        let from = out.len();
        match event {
            Event::ConfigureLink {
                link,
                vrf,
                realm,
                config,
            } => self.configure(link, vrf, realm, *config, out),
            Event::RemoveLink { link } => {
                if let Some(link) = self.forget(link) {
                    link.leave(&mut self.book);
                }
            }
            Event::Loaded { leases } => self.load(leases),
            Event::Packet(datagram) => self.receive(&datagram, out),
            Event::ProbeResult { iface, address, by } => {
                self.probe_result(iface, address, by, out);
            }
            Event::Stored => {
                if self.refuse_until.take().is_some() {
                    out.push(Action::Notice(Notice::ServiceResumed));
                }
            }
            Event::Withdrawn { writes } => self.take_back(&writes),
            Event::StoreFailed { writes } => {
                self.take_back(&writes);
                if self.refuse_until.replace(now + REFUSE_FOR).is_none() {
                    out.push(Action::Notice(Notice::RefusingService));
                }
            }
            Event::Release { realm, resource } => self.release(realm, resource, out),
            Event::Add { lease } => self.add(*lease, out),
            Event::Import { leases } => self.import(leases, out),
            Event::Serve { link, serving } => {
                if serving {
                    self.silent.remove(&link);
                } else {
                    self.silent.insert(link);
                }
            }
            Event::Pair(event) => self.pair(event, out),
            Event::Timer => {
                self.expire(out);
                self.probe_timer(out);
                self.question_timer();
            }
        }
        self.tell_writes(from, out);
    }

    /// Faults of `config` beside the configurations of the other links of its router: their leases share one realm.
    pub fn conflicts(&self, link: LinkId, realm: RealmId, config: &Config) -> Vec<ConfigError> {
        let is_other = |(id, other): &(&LinkId, &Link)| **id != link && other.realm == realm;
        let others = self.links.iter().filter(is_other);
        let taken: Vec<(&str, Ipv4Net)> = others
            .flat_map(|(_, other)| &other.config.subnets)
            .map(|subnet| (subnet.name.as_str(), subnet.prefix))
            .collect();
        let mut faults = Vec::new();
        for (i, subnet) in config.subnets.iter().enumerate() {
            let prefix = subnet.prefix;
            for (other, theirs) in &taken {
                if theirs.contains(&prefix) || prefix.contains(theirs) {
                    faults.push(ConfigError::Conflict {
                        field: format!("subnets[{i}].prefix"),
                        why: "overlaps, on another link,",
                        other: theirs.to_string(),
                    });
                }
                if *other == subnet.name {
                    faults.push(ConfigError::Conflict {
                        field: format!("subnets[{i}].name"),
                        why: "has the name, on another link, of",
                        other: theirs.to_string(),
                    });
                }
            }
        }
        faults
    }

    fn configure(
        &mut self,
        id: LinkId,
        vrf: VrfId,
        realm: RealmId,
        config: Config,
        out: &mut Vec<Action>,
    ) {
        let mut faults = config.validate();
        faults.extend(self.conflicts(id, realm, &config));
        let mut link = Link::new(id, vrf, realm, config);
        match link.make_pools(self.identity.secret) {
            Ok(pools) if faults.is_empty() => {
                let old = self.forget(id);
                link.enter(old.as_ref(), pools, &mut self.book);
                self.by_scope
                    .extend(link.scopes.iter().map(|scope| (*scope, id)));
                self.own
                    .extend(link.config.own.iter().map(|a| ((vrf, *a), id)));
                link.counters = old.map(|old| old.counters).unwrap_or_default();
                self.links.insert(id, link);
                self.by_address.clear();
            }
            pools => {
                faults.extend(pools.err());
                let notice = Notice::ConfigRefused { link: id, faults };
                out.push(Action::Notice(notice));
            }
        }
    }

    /// Takes a link out of all tables but the book.
    fn forget(&mut self, id: LinkId) -> Option<Link> {
        let link = self.links.remove(&id)?;
        for scope in &link.scopes {
            self.by_scope.remove(scope);
        }
        for address in &link.config.own {
            self.own.remove(&(link.vrf, *address));
        }
        self.by_address.clear();
        Some(link)
    }

    fn take_back(&mut self, writes: &[Write]) {
        for write in writes.iter().rev() {
            self.book.undo(write);
        }
    }

    /// Every subnet that is served.
    pub(super) fn scopes(&self) -> impl Iterator<Item = ScopeId> {
        self.by_scope.keys().copied()
    }

    /// The link that a subnet belongs to.
    pub(super) fn by_scope(&self, scope: ScopeId) -> Option<LinkId> {
        self.by_scope.get(&scope).copied()
    }

    /// The link that a lease belongs to.
    pub(super) fn link_of(&mut self, lease: Option<&Lease>) -> Option<&mut Link> {
        self.links.get_mut(self.by_scope.get(&lease?.scope)?)
    }

    fn load(&mut self, leases: Vec<Lease>) {
        for lease in leases {
            if matches!(lease.resource, Resource::V4(_)) {
                self.book.insert(lease);
            }
        }
        self.is_loaded = true;
    }

    fn expire(&mut self, out: &mut Vec<Action>) {
        let (now, wall) = self.clock;
        if self.refuse_until.is_some_and(|until| now < until) {
            return;
        }
        for write in self.book.expire(wall.into(), EXPIRE_AT_ONCE) {
            let before = write.before.as_ref().filter(|l| l.state == State::Bound);
            if let Some(link) = self.link_of(before) {
                link.counters.leases_expired += 1;
            }
            out.push(Action::Write(write));
        }
    }

    /// All leases.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// The links that are served, each with its router.
    pub fn links(&self) -> impl Iterator<Item = (LinkId, RealmId, &Config)> {
        let links = self.links.iter();
        links.map(|(id, link)| (*id, link.realm, &link.config))
    }

    /// The counters of each link.
    pub fn counters(&self) -> impl Iterator<Item = (LinkId, &Counters)> {
        self.links.iter().map(|(id, link)| (*id, &link.counters))
    }

    /// The counters of datagrams that came in where no link is served.
    pub fn counters_elsewhere(&self) -> &Counters {
        &self.elsewhere
    }

    /// How the conversation with the other router of the pair goes.
    pub fn pairing(&self) -> &Pairing {
        &self.pairing
    }

    /// How many addresses are being asked for.
    pub fn probes(&self) -> usize {
        self.probes.len()
    }
}

#[cfg(test)]
mod tests;
