//! What an administrator does to leases.

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
        if let Some(link) = self.link_of(write.before.as_ref()) {
            link.counters.leases_released += 1;
        }
        out.push(Action::Write(write));
    }

    /// Gives a lease.
    pub(super) fn add(&mut self, lease: Lease, out: &mut Vec<Action>) {
        let resource = lease.resource;
        let is_taken = |l: &Lease| l.state == State::Bound && l.holder != lease.holder;
        let is_served = match resource {
            Resource::V4(address) => self.links.values().any(|link| {
                let scope = link.subnet_of(address).map(|i| link.scopes[i]);
                scope == Some(lease.scope)
            }),
            Resource::V6(_) | Resource::Prefix(_) => false,
        };
        let why = match self.book.get(lease.realm(), resource) {
            _ if !self.is_loaded => "the leases are not loaded yet",
            Some(other) if is_taken(other) => "somebody else has it",
            _ if !is_served => "its subnet is not served, or has no such address",
            _ => {
                out.push(Action::Write(self.book.put(lease)));
                return;
            }
        };
        out.push(Action::Notice(Notice::NotAdded { resource, why }));
    }
}
