//! Leases of a file, which an administrator imports: all of them, or none.

use super::client::reservation_of;
use super::link::Link;
use super::sm::{Action, Machine, Notice};
use lease::{Blame, Conflict, ImportRefused, Imported, Kind, Lease, RelayId, ScopeId, Wall};

impl Machine {
    /// Puts the leases, and tells routes to those that are delegated prefixes; or says what stands against it, and does
    /// nothing. What is known already, or known better, stays.
    pub(super) fn import(&mut self, mut leases: Vec<Lease>, out: &mut Vec<Action>) {
        if !self.is_loaded() {
            let why = ImportRefused::NotLoaded;
            return out.push(Action::Notice(Notice::NotImported { why }));
        }
        lease::place(&mut leases, self.scopes());
        let conflicts = self.import_conflicts(&leases);
        if !conflicts.is_empty() {
            let why = ImportRefused::Conflicts(conflicts);
            return out.push(Action::Notice(Notice::NotImported { why }));
        }
        let mut done = Imported::default();
        for lease in leases {
            match self.book.news(&lease) {
                Some(lease) => self.put_imported(lease, &mut done, out),
                None => done.unchanged += 1,
            }
        }
        out.push(Action::Notice(Notice::Imported(done)));
    }

    fn put_imported(&mut self, lease: Lease, done: &mut Imported, out: &mut Vec<Action>) {
        let now = Wall::from(self.clock.1);
        let write = self.book.put(lease);
        match write.before {
            Some(_) => done.replaced += 1,
            None => done.added += 1,
        }
        if let Some(link) = self.link_of(write.after.as_ref()) {
            link.counters.leases_imported += 1;
        }
        self.put_with_route(write, now, out);
    }

    /// Whether a lease is one that this server could give, and there is room for it.
    pub(super) fn has_room_for(&self, lease: &Lease) -> bool {
        let source = |link| source(link, lease.scope);
        let max = self.link_at(lease.scope).and_then(source);
        let has = self.book.counts(lease.scope).bound;
        max.is_some_and(|source| has < source.max_leases) && self.blame(lease).is_empty()
    }

    fn import_conflicts(&self, leases: &[Lease]) -> Vec<Conflict> {
        let now = Wall::from(self.clock.1);
        let limit = |scope| Some(source(self.link_at(scope)?, scope)?.max_leases);
        let blame = |lease: &Lease| self.blame(lease);
        self.book.conflicts(leases, now, blame, limit)
    }

    fn link_at(&self, scope: ScopeId) -> Option<&Link> {
        self.links.get(&self.by_scope(scope)?)
    }

    /// What of the configuration stands against a lease.
    fn blame(&self, lease: &Lease) -> Vec<Blame> {
        let (scope, resource) = (lease.scope, lease.resource);
        let found = self
            .link_at(scope)
            .and_then(|link| Some((link, source(link, scope)?)));
        let Some((link, source)) = found else {
            let why = "no subnet or prefix pool of this name is served".to_owned();
            return vec![("scope", why)];
        };
        let name = source.name;
        if link.scope_of(resource) != Some(scope) {
            return vec![("resource", format!("it is not in {name}"))];
        }
        let mut faults = Vec::new();
        match lease.holder.kind {
            Kind::Na | Kind::Ta if !source.stateful => {
                faults.push(("scope", format!("{name} gives no addresses")));
            }
            Kind::Ta if !source.temporary => {
                faults.push(("kind", format!("{name} gives no temporary addresses")));
            }
            _ => {}
        }
        let pool = self.book.pool(scope);
        match link.owner(resource) {
            Some(owner) if is_owner(link, lease, owner) => {}
            Some(owner) => {
                let whose = &link.config.reservations[owner].name;
                faults.push(("resource", format!("it is reserved for port {whose}")));
            }
            None if link.overlaps_reserved(resource) => {
                faults.push(("resource", "a part of it is reserved".to_owned()));
            }
            None if pool.is_some_and(|pool| pool.contains(resource)) => {}
            None => faults.push(("resource", format!("no pool of {name} has it"))),
        }
        let next_hop = lease.next_hop.as_ref();
        if let Some(hop) = next_hop.filter(|hop| hop.address.is_unicast_link_local())
            && !self.links.values().any(|link| link.name == hop.iface)
        {
            let why = format!("no interface {} is served", hop.iface);
            faults.push(("next_hop_interface", why));
        }
        faults
    }
}

/// A subnet or prefix pool, as far as imports are concerned.
struct Source<'a> {
    name: &'a str,
    stateful: bool,
    temporary: bool,
    max_leases: usize,
}

fn source(link: &Link, scope: ScopeId) -> Option<Source<'_>> {
    let at = |scopes: &[ScopeId]| scopes.iter().position(|s| *s == scope);
    let subnet = at(&link.subnets).map(|i| &link.config.subnets[i]);
    let pool = at(&link.pools).map(|i| &link.config.prefix_pools[i]);
    let of_subnet = subnet.map(|s| Source {
        name: &s.name,
        stateful: s.stateful,
        temporary: s.temporary,
        max_leases: s.max_leases,
    });
    of_subnet.or_else(|| {
        pool.map(|p| Source {
            name: &p.name,
            stateful: false,
            temporary: false,
            max_leases: p.max_leases,
        })
    })
}

/// Whether the holder of a lease is the one that a reservation is for.
fn is_owner(link: &Link, lease: &Lease, owner: usize) -> bool {
    let relay = lease.relay.as_ref();
    let subscriber = relay.and_then(|relay| relay.subscriber_id.as_ref());
    let subscriber = subscriber.map(RelayId::as_bytes);
    let duid = lease.holder.client.as_bytes();
    reservation_of(link, lease.mac, subscriber, duid) == Some(owner)
}
