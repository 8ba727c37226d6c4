//! What the relay remembers: delegated prefixes, Releases under way, and the MACs of those it relays for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use ipnet::Ipv6Net;
use lease::{ClientId, Lease, RealmId, Resource, Wall, Write};
use tables::id::IfaceId;
use wire::MacAddr;

use super::packet::Delegation;
use super::sm::Datagram;

/// A prefix of a router: the same in another one is another prefix.
pub(super) type Named = (RealmId, Ipv6Net);

/// Delegated prefixes of all links.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    leases: BTreeMap<Named, Lease>,
    ends: BTreeSet<(Wall, Named)>,
    per_client: HashMap<(Box<str>, ClientId), usize>,
    per_link: HashMap<Box<str>, usize>,
}

impl Prefixes {
    /// Replaces what is known of a prefix.
    pub(super) fn set(&mut self, named: Named, after: Option<Lease>) -> Write {
        let (realm, prefix) = named;
        let before = match &after {
            Some(lease) => self.leases.insert(named, lease.clone()),
            None => self.leases.remove(&named),
        };
        if let Some(lease) = &before {
            self.ends.remove(&(lease.ends, named));
            if let Some((link, client)) = owner(lease) {
                lower(&mut self.per_link, &link);
                lower(&mut self.per_client, &(link, client));
            }
        }
        if let Some(lease) = &after {
            self.ends.insert((lease.ends, named));
            if let Some((link, client)) = owner(lease) {
                *self.per_link.entry(link.clone()).or_default() += 1;
                *self.per_client.entry((link, client)).or_default() += 1;
            }
        }
        Write {
            realm,
            resource: Resource::Prefix(prefix),
            before,
            after,
        }
    }

    /// Takes back what could not be stored.
    pub(super) fn undo(&mut self, write: &Write) {
        if let Resource::Prefix(prefix) = write.resource {
            self.set((write.realm, prefix), write.before.clone());
        }
    }

    /// Whether the prefix is delegated to this client of this link.
    pub(super) fn is_of(&self, named: &Named, link: &str, client: &ClientId) -> bool {
        let lease = self.leases.get(named);
        lease.is_some_and(|lease| lease.holder.client == *client && link_of(lease) == Some(link))
    }

    /// How many a client of a link has.
    pub(super) fn of_client(&self, link: &str, client: &ClientId) -> usize {
        let key = (link.into(), client.clone());
        self.per_client.get(&key).copied().unwrap_or_default()
    }

    /// How many there are on a link.
    pub(super) fn of_link(&self, link: &str) -> usize {
        self.per_link.get(link).copied().unwrap_or_default()
    }

    /// When the first one ends.
    pub(super) fn due(&self) -> Option<Wall> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// Those that have ended by `now`, no more than `max`.
    pub(super) fn ended(&self, now: Wall, max: usize) -> Vec<Named> {
        let ended = self.ends.iter().take_while(|(end, _)| *end <= now);
        ended.take(max).map(|(_, named)| *named).collect()
    }

    /// All.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Ipv6Net, &Lease)> {
        let leases = self.leases.iter();
        leases.map(|((_, prefix), lease)| (prefix, lease))
    }
}

fn owner(lease: &Lease) -> Option<(Box<str>, ClientId)> {
    Some((link_of(lease)?.into(), lease.holder.client.clone()))
}

/// The name of the link that a lease is on.
pub(super) fn link_of(lease: &Lease) -> Option<&str> {
    lease.next_hop.as_ref().map(|hop| &*hop.iface)
}

fn lower<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// Most Releases whose Reply is waited for.
const MAX_RELEASES: usize = 4096;
/// How long: REL_TIMEOUT and its REL_MAX_RC retransmissions (RFC 8415 section 7.6) are over by then.
const RELEASE_LIFE: Duration = Duration::from_secs(64);

/// Which prefixes a client wants to give back, until its server has said that it got them.
#[derive(Debug, Default)]
pub(super) struct Releases {
    prefixes: HashMap<Exchange, (Instant, Vec<Ipv6Net>)>,
    order: BTreeSet<(Instant, Exchange)>,
}

/// A client's exchange: where, who, transaction-id.
type Exchange = (IfaceId, Ipv6Addr, [u8; 3]);

impl Releases {
    /// A Release went by.
    pub(super) fn remember(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        xid: [u8; 3],
        given_back: &Delegation<'_>,
    ) {
        let prefixes: Vec<_> = given_back.prefixes.iter().map(|d| d.prefix).collect();
        self.put_back(now, datagram.iface, datagram.src, xid, prefixes);
    }

    /// The same with a list of prefixes.
    pub(super) fn put_back(
        &mut self,
        now: Instant,
        iface: IfaceId,
        peer: Ipv6Addr,
        xid: [u8; 3],
        prefixes: Vec<Ipv6Net>,
    ) {
        if prefixes.is_empty() {
            return;
        }
        self.take(iface, peer, xid);
        while let Some((since, oldest)) = self.order.first().copied() {
            if self.order.len() < MAX_RELEASES && now < since + RELEASE_LIFE {
                break;
            }
            self.take(oldest.0, oldest.1, oldest.2);
        }
        self.order.insert((now, (iface, peer, xid)));
        self.prefixes.insert((iface, peer, xid), (now, prefixes));
    }

    /// What the Release that this answers wanted to give back.
    pub(super) fn take(&mut self, iface: IfaceId, peer: Ipv6Addr, xid: [u8; 3]) -> Vec<Ipv6Net> {
        let exchange = (iface, peer, xid);
        let Some((since, prefixes)) = self.prefixes.remove(&exchange) else {
            return Vec::new();
        };
        self.order.remove(&(since, exchange));
        prefixes
    }
}

/// Neighbours of one generation.
const MAX_NEIGHBORS: usize = 16_384;

/// The MACs of clients and relays, so that an answer needs no neighbour discovery. Two generations: when the young one is full
/// it becomes the old one, and the old one is forgotten.
#[derive(Debug, Default)]
pub(super) struct Neighbors {
    young: HashMap<(IfaceId, Ipv6Addr), MacAddr>,
    old: HashMap<(IfaceId, Ipv6Addr), MacAddr>,
}

impl Neighbors {
    /// A message came from there.
    pub(super) fn learn(&mut self, iface: IfaceId, address: Ipv6Addr, mac: MacAddr) {
        if !mac.is_station() {
            return;
        }
        if MAX_NEIGHBORS <= self.young.len() && !self.young.contains_key(&(iface, address)) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert((iface, address), mac);
    }

    /// Its MAC, if it is still known.
    pub(super) fn get(&self, iface: IfaceId, address: Ipv6Addr) -> Option<MacAddr> {
        let key = (iface, address);
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }
}
