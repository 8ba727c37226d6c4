//! Leases of a file, which an administrator imports: all of them, or none.

use super::client::reservation;
use super::config::Subnet;
use super::link::Link;
use super::sm::{Action, Machine, Notice};
use lease::{Blame, Conflict, ImportRefused, Imported, Lease, Resource, ScopeId, Wall};

impl Machine {
    /// Puts the leases; or says what stands against it, and does nothing. What is known already, or known better, stays.
    pub(super) fn import(&mut self, mut leases: Vec<Lease>, out: &mut Vec<Action>) {
        if !self.is_loaded {
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
            let Some(lease) = self.book.news(&lease) else {
                done.unchanged += 1;
                continue;
            };
            let write = self.book.put(lease);
            match write.before {
                Some(_) => done.replaced += 1,
                None => done.added += 1,
            }
            if let Some(link) = self.link_of(write.after.as_ref()) {
                link.counters.leases_imported += 1;
            }
            out.push(Action::Write(write));
        }
        out.push(Action::Notice(Notice::Imported(done)));
    }

    /// Whether a lease is one that this server could give, and there is room for it.
    pub(super) fn has_room_for(&self, lease: &Lease) -> bool {
        let max = self.subnet_at(lease.scope).map(|(_, s)| s.max_leases);
        let has = self.book.counts(lease.scope).bound;
        max.is_some_and(|max| has < max) && self.blame(lease).is_empty()
    }

    fn import_conflicts(&self, leases: &[Lease]) -> Vec<Conflict> {
        let now = Wall::from(self.clock.1);
        let limit = |scope| Some(self.subnet_at(scope)?.1.max_leases);
        let blame = |lease: &Lease| self.blame(lease);
        self.book.conflicts(leases, now, blame, limit)
    }

    /// The subnet of a scope, with its link.
    fn subnet_at(&self, scope: ScopeId) -> Option<(&Link, &Subnet)> {
        let link = self.links.get(&self.by_scope(scope)?)?;
        let i = link.scopes.iter().position(|s| *s == scope)?;
        Some((link, link.config.subnets.get(i)?))
    }

    /// What of the configuration stands against a lease.
    fn blame(&self, lease: &Lease) -> Vec<Blame> {
        let Some((link, subnet)) = self.subnet_at(lease.scope) else {
            return vec![("scope", "no subnet of this name is served".to_owned())];
        };
        let name = &subnet.name;
        let address = match lease.resource {
            Resource::V4(address) if subnet.prefix.contains(&address) => address,
            _ => return vec![("resource", format!("it is not in {name}"))],
        };
        let mut faults = Vec::new();
        if lease.holder.iaid != 0 {
            faults.push(("iaid", "DHCPv4 has none: it is 0".to_owned()));
        }
        let mine = reservation(link, lease.mac, Some(lease.holder.client.as_bytes()));
        let pool = self.book.pool(lease.scope);
        match link.owner(address) {
            Some(owner) if mine == Some(owner) => {}
            Some(owner) => {
                let whose = &link.config.reservations[owner].name;
                faults.push(("resource", format!("it is reserved for port {whose}")));
            }
            None if pool.is_some_and(|pool| pool.contains(lease.resource)) => {}
            None => faults.push(("resource", format!("no pool of {name} has it"))),
        }
        faults
    }
}
