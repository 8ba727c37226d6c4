//! What an administrator does to leases.

use super::binding::end;
use super::sm::{Action, Machine, Notice};
use lease::{Lease, RealmId, Resource, State, Wall};

impl Machine {
    /// Ends a lease, or forgets one that has ended.
    pub(super) fn release(&mut self, realm: RealmId, resource: Resource, out: &mut Vec<Action>) {
        let now = Wall::from(self.clock.1);
        let write = match self.book.release(realm, resource, now) {
            Some(write) => Some(write),
            None => self.book.remove(realm, resource, now),
        };
        let Some(write) = write else { return };
        match self.link_of(write.before.as_ref()) {
            Some(link) => {
                link.counters.leases_released += 1;
                end(write, link.vrf, out);
            }
            None => out.push(Action::Write(write)),
        }
    }

    /// Gives a lease.
    pub(super) fn add(&mut self, lease: Lease, out: &mut Vec<Action>) {
        let resource = lease.resource;
        let is_taken = |l: &Lease| l.state == State::Bound && l.holder != lease.holder;
        let link = self.by_scope(lease.scope);
        let link = link.and_then(|id| self.links.get(&id));
        let link = link.filter(|link| link.scope_of(resource) == Some(lease.scope));
        let known = self.book.get(lease.realm(), resource);
        let why = match link {
            _ if !self.is_loaded() => "the leases are not loaded yet",
            _ if known.is_some_and(is_taken) => "somebody else has it",
            _ if self.takes_of_another(&lease) => "a part of it is delegated to somebody else",
            None => "its subnet or prefix pool is not served, or has no such resource",
            Some(link) => {
                let (vrf, until) = (link.vrf, lease.ends);
                let route = lease
                    .next_hop
                    .clone()
                    .filter(|_| lease.state == State::Bound);
                out.push(Action::Write(self.book.put(lease)));
                if let (Resource::Prefix(prefix), Some(next_hop)) = (resource, route) {
                    let next_hop = *next_hop;
                    out.push(Action::RouteUp {
                        prefix,
                        vrf,
                        next_hop,
                        until,
                    });
                }
                return;
            }
        };
        out.push(Action::Notice(Notice::NotAdded { resource, why }));
    }

    /// Whether a lease overlaps another of its router. Looks through all: an administrator has time.
    fn takes_of_another(&self, lease: &Lease) -> bool {
        let Resource::Prefix(prefix) = lease.resource else {
            return false;
        };
        let mut others = self.book.iter().filter(|l| l.realm() == lease.realm());
        others.any(|other| match other.resource {
            Resource::Prefix(p) => {
                p != prefix
                    && other.state == State::Bound
                    && (p.contains(&prefix) || prefix.contains(&p))
            }
            Resource::V6(_) | Resource::V4(_) => false,
        })
    }
}
