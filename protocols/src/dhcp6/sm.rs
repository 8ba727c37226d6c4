//! The machine: events in, actions out. One machine serves all links; they share the book of leases.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv6Addr;
use std::time::{Duration, Instant, SystemTime};

use ipnet::Ipv6Net;
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use super::auth::Secret;
use super::binding::end;
use super::borrow::Question;
use super::config::Config;
use super::counters::Counters;
use super::error::ConfigError;
use super::link::{Link, LinkId};
use super::packet::MessageType;
use super::reconfigure::{Reconfigure, Reconfigures};
use crate::Random;
use crate::pairing::{PairEvent, Pairing, Questions};
use lease::sync::{Family, Message as PairMessage};
use lease::{
    Book, ClientId, ImportRefused, Imported, Lease, NextHop, RealmId, Resource, ScopeId, State,
    Wall, Write,
};

/// A UDP datagram to port 547, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Where.
    pub iface: IfaceId,
    /// Source of the frame.
    pub src_mac: MacAddr,
    /// Source address.
    pub src: Ipv6Addr,
    /// Source port: where a relay of RFC 8357 wants its answer.
    pub src_port: u16,
    /// Destination address: a group of servers, or one of ours.
    pub dst: Ipv6Addr,
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
        /// The interface's name, which is stored with routes; empty for a remote link.
        name: Box<str>,
        /// What holds from now on.
        config: Box<Config>,
    },
    /// A link is not served any more. Its leases stay until they end; routes to what was delegated go.
    RemoveLink {
        /// Which.
        link: LinkId,
    },
    /// What the store holds. Until it is there, no lease is given.
    Loaded {
        /// All IPv6 leases.
        leases: Vec<Lease>,
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
    /// Clients shall come and ask again (RFC 8415 section 18.3.11).
    Reconfigure {
        /// Who.
        whom: Whom,
        /// What with: Renew, Rebind or Information-request (RFC 8415 section 21.19); others do nothing.
        with: MessageType,
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
        /// The leases; in each router each of another resource, none a part of another.
        leases: Vec<Lease>,
    },
    /// Whether clients on a link of an interface of ours are answered from now on, until this is told anew; they are, where it was
    /// never told. A link that is not served keeps its leases and its routes, and learns what the other router of a pair gives.
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

/// Which clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// One.
    Client(ClientId),
    /// All of a link.
    Link(LinkId),
    /// All.
    All,
}

/// How a datagram leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Out of this interface, to a neighbour; its MAC when it is known.
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
    /// A delegated prefix is reached there, now or still; after the writes asked for before it are on disk.
    RouteUp {
        /// The prefix.
        prefix: Ipv6Net,
        /// Of this router.
        vrf: VrfId,
        /// The client, or the relay before it (RFC 8987). An address that is not link-local is looked up in the routing table.
        next_hop: NextHop,
        /// Until then, unless it is told anew.
        until: Wall,
    },
    /// A prefix is not delegated any more; after the writes asked for before it are on disk.
    RouteDown {
        /// The prefix.
        prefix: Ipv6Net,
        /// Of this router.
        vrf: VrfId,
    },
    /// Tell the other router of the pair; after the writes asked for before it are on disk.
    Tell(PairMessage),
    /// Something to log, and to tell who watches.
    Notice(Notice),
}

/// What people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A subnet or prefix pool has nothing left for a new client; said once until it has.
    PoolUsedUp {
        /// Its name.
        name: String,
    },
    /// A client found its address in use by somebody else.
    Declined {
        /// The address.
        address: Ipv6Addr,
        /// The client.
        client: ClientId,
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
    /// An address was registered by another client than before (RFC 9686 section 4.2.1).
    RegistrationMoved {
        /// The address.
        address: Ipv6Addr,
        /// Who had it.
        from: ClientId,
        /// Who has it now.
        to: ClientId,
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
    /// A client did not follow its Reconfigure messages.
    ReconfigureFailed {
        /// The client.
        client: ClientId,
    },
}

/// Who this server is; the same after a restart.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its DUID (RFC 8415 section 11).
    pub duid: Vec<u8>,
    /// What keys and deterministic addresses are made with.
    pub secret: Secret,
    /// How long an ended lease is kept for its holder.
    pub retention: Duration,
}

impl Identity {
    /// Of both routers of a pair: made of the key that they share, so that each is to clients what the other one is. The DUID is one
    /// of a UUID (RFC 6355), the UUID one of version 8 (RFC 9562).
    pub fn of_pair(key: &[u8], retention: Duration) -> Self {
        let draw = |what: &[u8]| super::auth::digest(key, what);
        let mut uuid = draw(b"hextet dhcp6 duid");
        uuid[6] = uuid[6] & 0x0f | 0x80;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(&draw(b"hextet dhcp6 secret, first"));
        secret[16..].copy_from_slice(&draw(b"hextet dhcp6 secret, second"));
        Identity {
            duid: [&[0, 4][..], &uuid].concat(),
            secret: Secret(secret),
            retention,
        }
    }
}

/// How long no lease is given after one could not be stored: the next one is a trial.
const REFUSE_FOR: Duration = Duration::from_secs(2);
/// Leases ended by one event; the rest has its own.
const EXPIRE_AT_ONCE: usize = 4096;

/// The server.
#[derive(Debug)]
pub struct Machine {
    pub(super) identity: Identity,
    pub(super) links: BTreeMap<LinkId, Link>,
    /// Which link a subnet or prefix pool belongs to.
    by_scope: HashMap<ScopeId, LinkId>,
    /// Which link a relay's link-address has been found to belong to.
    pub(super) by_address: HashMap<(VrfId, Ipv6Addr), LinkId>,
    pub(super) book: Book,
    is_loaded: bool,
    pub(super) random: Random,
    /// What the wall clock said when.
    pub(super) clock: (Instant, SystemTime),
    /// Since leases could not be stored: until when none is given, or tried.
    pub(super) refuse_until: Option<Instant>,
    pub(super) reconfigures: Reconfigures,
    /// Links that are not served.
    pub(super) silent: BTreeSet<LinkId>,
    pub(super) pairing: Pairing,
    /// Messages that wait for the other router of the pair.
    pub(super) questions: Questions<Question>,
    /// Of datagrams on interfaces that are no links of the server.
    pub(super) elsewhere: Counters,
}

impl Machine {
    /// A server without links and leases; `seed` sets what is left to chance, `wall` is the date at `now`.
    pub fn new(identity: Identity, seed: u64, now: Instant, wall: SystemTime) -> Self {
        Machine {
            links: BTreeMap::new(),
            by_scope: HashMap::new(),
            by_address: HashMap::new(),
            book: Book::new(identity.retention),
            is_loaded: false,
            random: Random::new(seed),
            clock: (now, wall),
            refuse_until: None,
            reconfigures: Reconfigures::default(),
            silent: BTreeSet::new(),
            pairing: Pairing::new(Family::V6),
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
        let others = [
            self.reconfigures.next_deadline(),
            self.questions.next_deadline(),
        ];
        [ends].into_iter().chain(others).flatten().min()
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
                name,
                config,
            } => self.configure(link, (vrf, realm), name, *config, out),
            Event::RemoveLink { link } => self.remove(link, out),
            Event::Loaded { leases } => self.load(leases, out),
            Event::Packet(datagram) => self.receive(&datagram, out),
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
            Event::Reconfigure { whom, with } => self.reconfigure(&whom, with, out),
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
                self.reconfigure_timer(out);
                self.question_timer();
            }
        }
        self.tell_writes(from, out);
    }

    fn take_back(&mut self, writes: &[Write]) {
        for write in writes.iter().rev() {
            self.book.undo(write);
        }
    }

    /// Whether leases may be given now.
    pub(super) fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// Faults of `config` beside the configurations of the other links of its router: their leases share one realm.
    pub fn conflicts(&self, link: LinkId, realm: RealmId, config: &Config) -> Vec<ConfigError> {
        let is_other = |(id, other): &(&LinkId, &Link)| **id != link && other.realm == realm;
        let others = self.links.iter().filter(is_other);
        let taken: Vec<_> = others
            .flat_map(|(_, other)| prefixes(&other.config))
            .collect();
        let mut faults = Vec::new();
        for (list, i, name, prefix) in prefixes(config) {
            for (_, _, other, theirs) in &taken {
                if theirs.contains(&prefix) || prefix.contains(theirs) {
                    faults.push(ConfigError::Conflict {
                        field: format!("{list}[{i}].prefix"),
                        why: "overlaps, on another link,",
                        other: theirs.to_string(),
                    });
                }
                if *other == name {
                    faults.push(ConfigError::Conflict {
                        field: format!("{list}[{i}].name"),
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
        (vrf, realm): (VrfId, RealmId),
        name: Box<str>,
        config: Config,
        out: &mut Vec<Action>,
    ) {
        let mut faults = config.validate();
        faults.extend(self.conflicts(id, realm, &config));
        let mut link = Link::new(vrf, realm, name, config);
        let secret = self.identity.secret.for_addresses();
        match link.make_pools(secret) {
            Ok(pools) if faults.is_empty() => {
                let old = self.forget(id);
                link.enter(old.as_ref(), pools, &mut self.book);
                link.find_overlapped(&self.book);
                self.by_scope.extend(link.scopes().map(|scope| (scope, id)));
                if let Some(mut old) = old {
                    link.counters = std::mem::take(&mut old.counters);
                    let stays = |scope: &ScopeId| link.pools.contains(scope) && link.vrf == old.vrf;
                    old.pools.retain(|scope| !stays(scope));
                    self.routes_down(&old, out);
                }
                self.links.insert(id, link);
                self.by_address.clear();
                self.routes_up(id, out);
            }
            pools => {
                faults.extend(pools.err());
                let notice = Notice::ConfigRefused { link: id, faults };
                out.push(Action::Notice(notice));
            }
        }
    }

    fn remove(&mut self, id: LinkId, out: &mut Vec<Action>) {
        if let Some(link) = self.forget(id) {
            self.routes_down(&link, out);
            link.leave(&mut self.book);
        }
    }

    /// Takes a link out of all tables but the book.
    fn forget(&mut self, id: LinkId) -> Option<Link> {
        let link = self.links.remove(&id)?;
        for scope in link.scopes() {
            self.by_scope.remove(&scope);
        }
        self.by_address.clear();
        Some(link)
    }

    /// Every subnet and prefix pool that is served.
    pub(super) fn scopes(&self) -> impl Iterator<Item = ScopeId> {
        self.by_scope.keys().copied()
    }

    /// The link that a subnet or prefix pool belongs to.
    pub(super) fn by_scope(&self, scope: ScopeId) -> Option<LinkId> {
        self.by_scope.get(&scope).copied()
    }

    /// The link that a lease belongs to.
    pub(super) fn link_of(&mut self, lease: Option<&Lease>) -> Option<&mut Link> {
        self.links.get_mut(self.by_scope.get(&lease?.scope)?)
    }

    fn load(&mut self, leases: Vec<Lease>, out: &mut Vec<Action>) {
        for lease in leases {
            if !matches!(lease.resource, Resource::V4(_)) {
                self.book.insert(lease);
            }
        }
        self.is_loaded = true;
        for id in self.links.keys().copied().collect::<Vec<_>>() {
            if let Some(link) = self.links.get_mut(&id) {
                link.find_overlapped(&self.book);
            }
            self.routes_up(id, out);
        }
    }

    fn expire(&mut self, out: &mut Vec<Action>) {
        let (now, wall) = self.clock;
        if self.refuse_until.is_some_and(|until| now < until) {
            return;
        }
        for write in self.book.expire(wall.into(), EXPIRE_AT_ONCE) {
            let ended = write.before.as_ref();
            let is_registered = ended.is_some_and(|l| l.state == State::Registered);
            if let Some(link) = self.link_of(ended.filter(|_| is_registered)) {
                link.counters.registrations_expired += 1;
            }
            let before = ended.filter(|l| l.state == State::Bound);
            match self.link_of(before) {
                Some(link) => {
                    link.counters.leases_expired += 1;
                    end(write, link.vrf, out);
                }
                None => out.push(Action::Write(write)),
            }
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

    /// How many clients are being asked to come.
    pub fn reconfigures(&self) -> impl Iterator<Item = Reconfigure<'_>> {
        self.reconfigures.iter()
    }
}

/// List and index, name and prefix of all that a link gives.
fn prefixes(config: &Config) -> impl Iterator<Item = (&str, usize, &str, Ipv6Net)> {
    let subnets = config.subnets.iter().enumerate();
    let pools = config.prefix_pools.iter().enumerate();
    subnets
        .map(|(i, s)| ("subnets", i, s.name.as_str(), s.prefix))
        .chain(pools.map(|(i, p)| ("prefix_pools", i, p.name.as_str(), p.prefix)))
}

#[cfg(test)]
mod tests;
