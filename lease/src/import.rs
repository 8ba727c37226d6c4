//! Leases of a file into a book: what of them is new, and what stands against it.
//!
//! A server takes an import whole or not at all. What is said here holds for both; what each knows besides (which subnets it
//! serves, what is reserved for whom) it adds itself.

use std::collections::{BTreeSet, HashMap};

use ipnet::Ipv6Net;

use super::{Book, Lease, PoolId, RealmId, Resource, ScopeId, State, Wall};

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Leases of resources of which nothing was known.
    pub added: usize,
    /// Leases that took the place of what was known of their resources.
    pub replaced: usize,
    /// Leases that were known already, or of which the book knows something newer.
    pub unchanged: usize,
}

/// What stands against one of the leases of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Which of them, from 0.
    pub index: usize,
    /// The field that is to blame, as an export names it.
    pub field: &'static str,
    /// What stands against it.
    pub why: String,
}

/// Why nothing was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportRefused {
    /// The leases that the store holds are not loaded yet.
    NotLoaded,
    /// Of these leases; at least one.
    Conflicts(Vec<Conflict>),
}

/// Puts leases that name no router, as files of older releases do not, into those of `scopes` that have the names of theirs. A
/// name that several routers have tells nothing.
pub fn place(leases: &mut [Lease], scopes: impl Iterator<Item = ScopeId>) {
    let mut by_name: HashMap<PoolId, Option<ScopeId>> = HashMap::new();
    for scope in scopes {
        let only = by_name.entry(scope.pool).or_insert(Some(scope));
        *only = only.filter(|first| *first == scope);
    }
    let is_placeless = |lease: &&mut Lease| lease.realm() == RealmId::UNKNOWN;
    for lease in leases.iter_mut().filter(is_placeless) {
        if let Some(Some(scope)) = by_name.get(&lease.scope.pool) {
            lease.scope = *scope;
        }
    }
}

/// The field that is to blame, and why.
pub type Blame = (&'static str, String);

impl Book {
    /// What an import makes of a lease: the lease to put; none when what is known of its resource stays. It stays when it is the
    /// same, and when it is of the same holder and began later: who has renewed since the export was told something else.
    ///
    /// An export has no key for Reconfigure; the one that the holder has is kept.
    pub fn news(&self, lease: &Lease) -> Option<Lease> {
        let Some(known) = self.get(lease.realm(), lease.resource) else {
            return Some(lease.clone());
        };
        if known.holder != lease.holder {
            return Some(lease.clone());
        }
        let news = Lease {
            reconfigure_key: known.reconfigure_key.clone(),
            stamp: known.stamp,
            ..lease.clone()
        };
        (known.starts <= news.starts && *known != news).then_some(news)
    }

    /// What stands against the leases of an import, in their order: what `blame` says of each, that others have its resource or
    /// a part of it, and that its scope has no room for more (`limit` gives how many it may have). Leases that are no news are
    /// not asked about.
    pub fn conflicts(
        &self,
        leases: &[Lease],
        now: Wall,
        blame: impl Fn(&Lease) -> Vec<Blame>,
        limit: impl Fn(ScopeId) -> Option<usize>,
    ) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        let mut bound: HashMap<ScopeId, usize> = HashMap::new();
        // Only prefixes can overlap; there may be very many addresses.
        let has_prefixes = leases.iter().any(|lease| prefix(lease).is_some());
        let in_use = has_prefixes.then(|| self.prefixes_in_use(now));
        for (index, lease) in leases.iter().enumerate() {
            if self.news(lease).is_none() {
                continue;
            }
            let mut faults = blame(lease);
            let overlap = in_use.as_ref().and_then(|in_use| overlap(in_use, lease));
            faults.extend(self.taken(lease.resource, lease, now));
            faults.extend(overlap.and_then(|p| self.taken(Resource::Prefix(p), lease, now)));
            if lease.state == State::Bound && !self.is_bound(lease) {
                let more = bound.entry(lease.scope).or_default();
                *more += 1;
                let room = limit(lease.scope).map(|most| (most, self.counts(lease.scope).bound));
                // Said once a scope: the first that is too much.
                if let Some((most, has)) = room
                    && has + *more == most.max(has) + 1
                {
                    let why = format!("it has room for {most} leases, and has {has} already");
                    faults.push(("scope", why));
                }
            }
            let conflict = |(field, why)| Conflict { index, field, why };
            conflicts.extend(faults.into_iter().map(conflict));
        }
        conflicts
    }

    fn is_bound(&self, lease: &Lease) -> bool {
        let known = self.get(lease.realm(), lease.resource);
        known.is_some_and(|l| l.state == State::Bound)
    }

    /// Who has a resource of the lease's realm, when it keeps `lease` from its holder. An offer promises nothing and gives way.
    fn taken(&self, resource: Resource, lease: &Lease, now: Wall) -> Option<Blame> {
        let known = self.get(lease.realm(), resource)?;
        let is_other = resource != lease.resource || known.holder != lease.holder;
        if !is_other || known.ends <= now {
            return None;
        }
        let (client, ends) = (&known.holder.client, known.ends);
        let why = match known.state {
            State::Bound => format!("{client} has {resource} until {ends}"),
            State::Declined => format!("{resource} is in quarantine until {ends}"),
            // Who has formed the address says so again.
            State::Released | State::Offered | State::Registered => return None,
        };
        Some(("resource", why))
    }

    /// Delegated prefixes in use; none overlaps another of its realm.
    fn prefixes_in_use(&self, now: Wall) -> BTreeSet<(RealmId, Ipv6Net)> {
        let bound = self
            .iter()
            .filter(|l| l.state == State::Bound && now < l.ends);
        bound
            .filter_map(|l| Some((l.realm(), prefix(l)?)))
            .collect()
    }
}

fn prefix(lease: &Lease) -> Option<Ipv6Net> {
    match lease.resource {
        Resource::Prefix(prefix) => Some(prefix),
        Resource::V6(_) | Resource::V4(_) => None,
    }
}

/// The prefix in use that a lease would overlap without being it. Of those that stand before it in their order only the last can
/// be around it, and those inside it stand right behind it.
fn overlap(in_use: &BTreeSet<(RealmId, Ipv6Net)>, lease: &Lease) -> Option<Ipv6Net> {
    let (realm, prefix) = (lease.realm(), prefix(lease)?);
    let of_realm = |(of, p): &(RealmId, Ipv6Net)| (*of == realm).then_some(*p);
    let before = in_use.range(..(realm, prefix)).next_back();
    let behind = in_use.range((realm, prefix)..).map_while(of_realm);
    let mut behind = behind.filter(|p| *p != prefix);
    let around = before.and_then(of_realm).filter(|p| p.contains(&prefix));
    let inside = || behind.next().filter(|p| prefix.contains(p));
    around.or_else(inside)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{holder, in_realm, lan, lease};
    use crate::{Kind, Pool};

    const NOW: Wall = Wall::EPOCH;

    fn book(leases: &[Lease]) -> Book {
        let mut book = Book::new(Duration::from_secs(3600));
        for lease in leases {
            book.put(lease.clone());
        }
        book
    }

    fn said(book: &Book, leases: &[Lease]) -> Vec<String> {
        let conflicts = book.conflicts(leases, NOW, |_| Vec::new(), |_| Some(3));
        let text = |c: &Conflict| format!("{} {}: {}", c.index, c.field, c.why);
        conflicts.iter().map(text).collect()
    }

    fn delegated(text: &str, n: u32) -> Lease {
        let mut lease = lease(text, n, 5000);
        lease.holder.kind = Kind::Pd;
        lease
    }

    #[test]
    fn the_newer_of_two_records_of_a_holder_stands() {
        let known = Lease {
            reconfigure_key: Some(Box::new([7; 16])),
            ..lease("2001:db8::1", 1, 5000)
        };
        let book = book(std::slice::from_ref(&known));
        let same = lease("2001:db8::1", 1, 5000);
        assert_eq!(book.news(&same), None, "an export has no key");
        let older = Lease {
            starts: Wall::from_secs(999),
            ends: Wall::from_secs(9000),
            ..same.clone()
        };
        assert_eq!(book.news(&older), None, "it has renewed since");
        let newer = Lease {
            starts: Wall::from_secs(1001),
            state: State::Released,
            ..same.clone()
        };
        let kept_key = book.news(&newer).unwrap();
        assert_eq!(kept_key.reconfigure_key, known.reconfigure_key);
        assert_eq!(
            (kept_key.state, kept_key.starts),
            (State::Released, newer.starts)
        );
        let edited = Lease {
            hostname: Some("a".into()),
            ..same
        };
        assert!(book.news(&edited).is_some(), "somebody has edited it");
        let other = lease("2001:db8::2", 1, 5000);
        assert_eq!(book.news(&other), Some(other.clone()));
    }

    #[test]
    fn who_names_no_router_is_placed_by_the_scope() {
        let in_scope = |realm, name: &str| Lease {
            scope: ScopeId::of(realm, name),
            ..lease("192.0.2.1", 1, 5000)
        };
        let [a, b, unknown] = [RealmId::of("a"), RealmId::of("b"), RealmId::UNKNOWN];
        let mut leases = ["of a", "of both", "of none"].map(|name| in_scope(unknown, name));
        let scopes = [(a, "of a"), (a, "of both"), (b, "of both"), (a, "of a")];
        place(
            &mut leases,
            scopes.map(|(r, name)| ScopeId::of(r, name)).into_iter(),
        );
        assert_eq!(leases.map(|lease| lease.realm()), [a, unknown, unknown]);
        let mut named = [in_scope(b, "of a")];
        place(&mut named, [ScopeId::of(a, "of a")].into_iter());
        assert_eq!(named[0].realm(), b, "it says whose it is");
    }

    #[test]
    fn what_others_have_stands_against_an_import() {
        let in_state = |text: &str, n, state| Lease {
            state,
            ..lease(text, n, 5000)
        };
        let book = book(&[
            lease("2001:db8::1", 1, 5000),
            in_state("2001:db8::2", 2, State::Declined),
            in_state("2001:db8::3", 3, State::Released),
            in_state("2001:db8::4", 4, State::Offered),
        ]);
        let others = [1, 2, 3, 4].map(|n| lease(&format!("2001:db8::{n}"), 9, 6000));
        assert_eq!(
            said(&book, &others),
            [
                "0 resource: 00030001020000000001 has 2001:db8::1 until 1970-01-01T01:23:20Z",
                "1 resource: 2001:db8::2 is in quarantine until 1970-01-01T01:23:20Z",
                "3 scope: it has room for 3 leases, and has 1 already",
            ]
        );
        let late = book.conflicts(&others, Wall::from_secs(5000), |_| Vec::new(), |_| None);
        assert_eq!(late, [], "all of that has ended");
        assert_eq!(said(&book, &[lease("2001:db8::1", 1, 5000)]), [""; 0]);
    }

    #[test]
    fn an_overlap_with_a_delegated_prefix_is_found_on_either_side() {
        let in_use = ["2001:db8:1::/48", "2001:db8:2:100::/56", "2001:db8:4::/56"];
        let mut n = 0;
        let mut leases = in_use.map(|text| {
            n += 1;
            delegated(text, n)
        });
        leases[2].state = State::Released;
        let mut book = book(&leases);
        let lengths = crate::Lengths {
            min: 40,
            default: 56,
            max: 64,
        };
        let pool = Pool::prefixes(&["2001:db8::/32".parse().unwrap()], &[], lengths).unwrap();
        book.set_pool(lan(), pool);
        let imported = [
            delegated("2001:db8::/48", 9),
            delegated("2001:db8:1:ff00::/56", 9),
            delegated("2001:db8:2::/48", 1),
            delegated("2001:db8:3::/48", 9),
            delegated("2001:db8:4::/48", 9),
            leases[0].clone(),
            in_realm("tenant", delegated("2001:db8:1:ff00::/56", 9)),
        ];
        let conflicts = book.conflicts(&imported, NOW, |_| Vec::new(), |_| None);
        let text: Vec<String> = conflicts
            .iter()
            .map(|c| format!("{} {}", c.index, c.why))
            .collect();
        assert_eq!(
            text,
            [
                "1 00030001020000000001 has 2001:db8:1::/48 until 1970-01-01T01:23:20Z",
                "2 00030001020000000002 has 2001:db8:2:100::/56 until 1970-01-01T01:23:20Z",
            ]
        );
        assert_eq!(holder(1).client.to_string(), "00030001020000000001");
    }
}
