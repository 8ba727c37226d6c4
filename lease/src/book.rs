//! All leases in memory: by resource of a realm, by holder, by end; and the pools they came from.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use hashbrown::HashMap;

use super::index::Index;
use super::pool::Known;
use super::slab::{NONE, Slab, Slot};
use super::stamp::Clock;
use super::{Holder, Lease, Pool, RealmId, Resource, ScopeId, State, Wall, Write};
pub(crate) use pair::has_ended;
pub use pair::{Adoption, Standing};

mod pair;

/// All leases of a server.
///
/// About 200 bytes a lease, of which it has 136 itself; names and delegated prefixes apart. Bounded by its pools and by the lives of leases:
/// one that has run out is kept for the retention time and then forgotten.
#[derive(Debug)]
pub struct Book {
    slab: Slab,
    /// Places by the hash of realm and resource, seeded anew in every process: no client can aim at it.
    by_resource: Index,
    /// The first place of each holder, by the hash of the holder; the others are linked behind it.
    by_holder: Index,
    /// Ends that are not never.
    by_end: BTreeSet<(Wall, Slot)>,
    scopes: HashMap<ScopeId, Scope>,
    hasher: RandomState,
    /// Seconds.
    retention: u32,
    clock: Clock,
    standing: Standing,
}

/// How many leases are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In use.
    pub bound: usize,
    /// In quarantine.
    pub declined: usize,
    /// Kept for their last holders.
    pub released: usize,
    /// Offered.
    pub offered: usize,
    /// Registered by who formed them.
    pub registered: usize,
}

#[derive(Debug, Default)]
struct Scope {
    counts: Counts,
    pool: Option<Pool>,
    /// Also those that are in no pool: a pool that comes later may have them.
    reserved: BTreeSet<Resource>,
}

impl Book {
    /// An empty book that keeps a released or expired lease for its last holder for a while, in whole seconds.
    pub fn new(retention: Duration) -> Self {
        Self {
            slab: Slab::default(),
            by_resource: Index::default(),
            by_holder: Index::default(),
            by_end: BTreeSet::new(),
            scopes: HashMap::new(),
            hasher: RandomState::new(),
            retention: seconds(retention),
            clock: Clock::default(),
            standing: Standing::Alone,
        }
    }

    /// Tells the date, which stamps are made of.
    pub fn tick(&mut self, date: SystemTime) {
        self.clock.tick(date);
    }

    /// Changes the retention time, for leases that are released or expire from now on.
    pub fn set_retention(&mut self, retention: Duration) {
        self.retention = seconds(retention);
    }

    // ===== pools =====

    /// Sets the pool of a subnet, or the prefixes of a prefix pool; its leases stay, in the new pool or not. Pools of different
    /// scopes of one realm must not overlap: the configuration sees to that.
    ///
    /// Looks through all leases when the scope has some.
    pub fn set_pool(&mut self, scope: ScopeId, mut pool: Pool) {
        let entry = self.scopes.entry(scope).or_default();
        let leases = entry.counts.total();
        let trusts = self.standing.trusts_itself();
        let mut of_scope = known(&self.slab, trusts).filter(|known| known.lease.scope == scope);
        for resource in &entry.reserved {
            pool.reserve(*resource, true, None);
        }
        let foreign = entry.reserved.iter().any(|r| pool.is_mixed_by(*r));
        if foreign {
            pool.mix(entry.reserved.iter(), of_scope);
        } else if leases > 0 {
            let all: Vec<Known<'_>> = of_scope.by_ref().collect();
            if all
                .iter()
                .any(|known| pool.is_mixed_by(known.lease.resource))
            {
                pool.mix(entry.reserved.iter(), all.into_iter());
            } else if pool.is_crowded(leases) {
                pool.build(all.into_iter());
            } else {
                all.into_iter()
                    .for_each(|known| pool.mark(known.lease.resource, Some(known)));
            }
        }
        pool.set_half(self.standing.half());
        entry.pool = Some(pool);
    }

    /// Takes the pool of a scope away; its leases stay until they end or are removed.
    pub fn remove_pool(&mut self, scope: ScopeId) {
        if let Some(entry) = self.scopes.get_mut(&scope) {
            entry.pool = None;
            self.forget_empty(scope);
        }
    }

    /// The pool of a scope.
    pub fn pool(&self, scope: ScopeId) -> Option<&Pool> {
        self.scopes.get(&scope)?.pool.as_ref()
    }

    /// Reserves a resource in a scope: [`Book::free`] never gives it, nor a prefix that overlaps it. A lease of it may be put
    /// all the same: by whom it is reserved for. A lease that has it already stays.
    pub fn reserve(&mut self, scope: ScopeId, resource: Resource) {
        self.set_reserved(scope, resource, true);
    }

    /// Takes a reservation back.
    pub fn unreserve(&mut self, scope: ScopeId, resource: Resource) {
        self.set_reserved(scope, resource, false);
        self.forget_empty(scope);
    }

    fn set_reserved(&mut self, scope: ScopeId, resource: Resource, reserve: bool) {
        let slot = self.find(scope.realm, resource);
        let trusts = self.standing.trusts_itself();
        let entry = self.scopes.entry(scope).or_default();
        let changed = match reserve {
            true => entry.reserved.insert(resource),
            false => entry.reserved.remove(&resource),
        };
        if !changed {
            return;
        }
        if let Some(pool) = &mut entry.pool {
            if reserve && pool.is_mixed_by(resource) {
                let leases = known(&self.slab, trusts);
                pool.mix(
                    entry.reserved.iter(),
                    leases.filter(|known| known.lease.scope == scope),
                );
            } else {
                let lease = slot.and_then(|slot| known_at(&self.slab, slot, trusts));
                let lease = lease.filter(|known| known.lease.scope == scope);
                pool.reserve(resource, reserve, lease);
            }
        }
    }

    /// Whether the resource is reserved in this scope.
    pub fn is_reserved(&self, scope: ScopeId, resource: Resource) -> bool {
        self.scopes
            .get(&scope)
            .is_some_and(|scope| scope.reserved.contains(&resource))
    }

    /// A resource that may be given to this holder, out of the scope's pool: what the hint names (of a hinted prefix the
    /// length counts too, RFC 8168), else one by the pool's allocation. Never one that is bound, offered, declined, reserved
    /// or excluded, and never a prefix that overlaps one; a released one of somebody else only when nothing else is left.
    /// `None` when there is none, which costs no more to find out. Of a pair each router gives what is of its own half.
    ///
    /// `random` is a random number, used where the allocation is random. Nothing changes until the lease is [`Book::put`].
    pub fn free(
        &self,
        scope: ScopeId,
        holder: &Holder,
        hint: Option<Resource>,
        random: u64,
    ) -> Option<Resource> {
        let get = |resource| self.known(scope.realm, resource);
        let half = self.standing.half();
        self.pool(scope)?
            .free(get, self.slab.len(), holder, hint, (half, random))
    }

    // ===== leases =====

    /// The lease of a resource in a realm, in whatever state.
    pub fn get(&self, realm: RealmId, resource: Resource) -> Option<&Lease> {
        self.slab.lease(self.find(realm, resource)?)
    }

    /// The leases of a holder, in whatever realm and state, the newest first: also what it declined or released.
    pub fn of_holder(&self, holder: &Holder) -> impl Iterator<Item = &Lease> {
        let mut slot = self.first_of(holder).unwrap_or(NONE);
        std::iter::from_fn(move || {
            let entry = self.slab.get(slot)?;
            slot = entry.next;
            entry.lease.as_ref()
        })
    }

    /// Puts a lease, in place of what was known of its resource. It gets a stamp, unless it is an offer.
    pub fn put(&mut self, mut lease: Lease) -> Write {
        if lease.state != State::Offered {
            lease.stamp = self.clock.next();
        }
        self.put_as_it_is(lease)
    }

    fn put_as_it_is(&mut self, lease: Lease) -> Write {
        let after = Some(lease.clone());
        let (realm, resource) = (lease.realm(), lease.resource);
        let before = self.insert(lease);
        Write {
            realm,
            resource,
            before,
            after,
        }
    }

    /// Puts a lease that is on disk already; gives what it replaces.
    pub fn insert(&mut self, lease: Lease) -> Option<Lease> {
        self.clock.see(lease.stamp);
        let before = self.take(lease.realm(), lease.resource);
        let slot = self.slab.insert(lease);
        self.link(slot);
        before
    }

    /// Forgets a resource's lease; `None` when there is none. Of a pair the other router has to hear of it: until then it is kept as
    /// one that has been released and ends now.
    pub fn remove(&mut self, realm: RealmId, resource: Resource, now: Wall) -> Option<Write> {
        let lease = self.get(realm, resource)?;
        if self.standing.trusts_itself() || lease.state == State::Offered {
            return self.forget(realm, resource);
        }
        let ended = released(lease, now, now);
        Some(self.put(ended))
    }

    fn forget(&mut self, realm: RealmId, resource: Resource) -> Option<Write> {
        let before = self.take(realm, resource)?;
        Some(Write {
            realm,
            resource,
            before: Some(before),
            after: None,
        })
    }

    /// Ends a lease before its time: it is kept for its holder for the retention time. `None` when it is not bound.
    pub fn release(&mut self, realm: RealmId, resource: Resource, now: Wall) -> Option<Write> {
        let lease = self.get(realm, resource);
        let lease = lease.filter(|l| l.state == State::Bound)?;
        if self.retention == 0 {
            return self.remove(realm, resource, now);
        }
        let kept = released(lease, now, now.after(self.retention));
        Some(self.put(kept))
    }

    /// Notes that the holder found the address in use by another station: nobody gets it for a while. `None` when it is
    /// neither bound nor offered.
    pub fn decline(
        &mut self,
        realm: RealmId,
        resource: Resource,
        now: Wall,
        quarantine: Duration,
    ) -> Option<Write> {
        let lease = self
            .get(realm, resource)
            .filter(|l| matches!(l.state, State::Bound | State::Offered))?;
        let declined = Lease {
            state: State::Declined,
            ..released(lease, now, now.after(seconds(quarantine)))
        };
        Some(self.put(declined))
    }

    /// Takes a write back. Several are taken back in reverse order.
    pub fn undo(&mut self, write: &Write) {
        match &write.before {
            Some(lease) => drop(self.insert(lease.clone())),
            None => drop(self.take(write.realm, write.resource)),
        }
    }

    /// When the next lease ends.
    pub fn due(&self) -> Option<Wall> {
        self.by_end.first().map(|(end, _)| *end)
    }

    /// Ends what has ended by now, at most so many, the earliest first: bound leases become released ones, everything
    /// else is forgotten. When [`Book::due`] is still past, there are more. Of a pair the other router has to agree before anything
    /// but an offer is forgotten; until then it is kept as a released one ([`Book::acked`]).
    pub fn expire(&mut self, now: Wall, max: usize) -> Vec<Write> {
        let mut writes = Vec::new();
        while writes.len() < max
            && let Some((end, slot)) = self.by_end.first().copied()
            && end <= now
        {
            let trusts = self.standing.trusts_itself();
            // What `by_end` names is in its place.
            let Some(Known { lease, is_settled }) = known_at(&self.slab, slot, trusts) else {
                self.by_end.pop_first();
                continue;
            };
            let (realm, resource) = (lease.realm(), lease.resource);
            let kept_until = match lease.state {
                State::Bound => end.after(self.retention),
                _ => end,
            };
            let waits = !is_settled && lease.state == State::Released;
            let has_to_be_told =
                !trusts && !matches!(lease.state, State::Offered | State::Released);
            if waits {
                // The other router's word calls it back.
                self.by_end.remove(&(end, slot));
            } else if has_to_be_told || kept_until > now {
                // The stamp stays: the other router comes to the same by itself.
                let kept = released(lease, end, kept_until);
                writes.push(self.put_as_it_is(kept));
            } else {
                writes.extend(self.forget(realm, resource));
            }
        }
        writes
    }

    /// How many leases there are, in all states.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of a scope's leases are in which state.
    pub fn counts(&self, scope: ScopeId) -> Counts {
        self.scopes
            .get(&scope)
            .map(|scope| scope.counts)
            .unwrap_or_default()
    }

    /// All leases, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.slab.iter_from(0).map(|(_, lease, _)| lease)
    }

    /// The leases from a place on, each with the place after it: for listings in pages. A lease that is there from the
    /// first page to the last is listed once, unless it is changed meanwhile; others may be missed.
    pub fn page(&self, from: u32) -> impl Iterator<Item = (u32, &Lease)> {
        self.slab
            .iter_from(from)
            .map(|(slot, lease, _)| (slot.saturating_add(1), lease))
    }

    // ===== indexes =====

    fn find(&self, realm: RealmId, resource: Resource) -> Option<Slot> {
        let is_it = |l: &Lease| l.resource == resource && l.realm() == realm;
        let right = |slot| self.slab.lease(slot).is_some_and(is_it);
        let hash = self.hasher.hash_one((realm, resource));
        self.by_resource.find(hash, right)
    }

    fn known(&self, realm: RealmId, resource: Resource) -> Option<Known<'_>> {
        let slot = self.find(realm, resource)?;
        known_at(&self.slab, slot, self.standing.trusts_itself())
    }

    fn first_of(&self, holder: &Holder) -> Option<Slot> {
        let right = |slot| self.slab.lease(slot).is_some_and(|l| l.holder == *holder);
        self.by_holder.find(self.hasher.hash_one(holder), right)
    }

    /// Enters a lease that was put into an empty place into all indexes.
    fn link(&mut self, slot: Slot) {
        let Some(lease) = self.slab.lease(slot) else {
            return;
        };
        let hash = self.hasher.hash_one((lease.realm(), lease.resource));
        self.by_resource.insert(hash, slot);
        let hash = self.hasher.hash_one(&lease.holder);
        let next = self.first_of(&lease.holder);
        match next {
            Some(first) => self.by_holder.replace(hash, first, Some(slot)),
            None => self.by_holder.insert(hash, slot),
        }
        if lease.ends != Wall::NEVER {
            self.by_end.insert((lease.ends, slot));
        }
        let trusts = self.standing.trusts_itself();
        let scope = self.scopes.entry(lease.scope).or_default();
        *scope.counts.of(lease.state) += 1;
        if let Some(pool) = &mut scope.pool {
            let of_scope = known(&self.slab, trusts);
            let of_scope = of_scope.filter(|other| other.lease.scope == lease.scope);
            if pool.is_mixed_by(lease.resource) {
                pool.mix(scope.reserved.iter(), of_scope);
            } else if pool.is_crowded(scope.counts.total()) {
                pool.build(of_scope);
                pool.set_half(self.standing.half());
            } else {
                pool.mark(lease.resource, known_at(&self.slab, slot, trusts));
            }
        }
        if let Some(entry) = self.slab.get_mut(slot) {
            entry.next = next.unwrap_or(NONE);
        }
    }

    /// Takes a lease out of its place and of all indexes.
    fn take(&mut self, realm: RealmId, resource: Resource) -> Option<Lease> {
        let slot = self.find(realm, resource)?;
        self.unlink_holder(slot);
        let hash = self.hasher.hash_one((realm, resource));
        self.by_resource.replace(hash, slot, None);
        let lease = self.slab.remove(slot)?;
        self.by_end.remove(&(lease.ends, slot));
        if let Some(scope) = self.scopes.get_mut(&lease.scope) {
            *scope.counts.of(lease.state) -= 1;
            if let Some(pool) = &mut scope.pool {
                pool.mark(resource, None);
            }
        }
        self.forget_empty(lease.scope);
        Some(lease)
    }

    fn unlink_holder(&mut self, slot: Slot) {
        let Some(entry) = self.slab.get(slot) else {
            return;
        };
        let (next, Some(lease)) = (entry.next, &entry.lease) else {
            return;
        };
        let first = self.first_of(&lease.holder);
        if first == Some(slot) {
            let hash = self.hasher.hash_one(&lease.holder);
            let next = (next != NONE).then_some(next);
            self.by_holder.replace(hash, slot, next);
            return;
        }
        let mut at = first.unwrap_or(NONE);
        while let Some(entry) = self.slab.get_mut(at) {
            if entry.next == slot {
                entry.next = next;
                return;
            }
            at = entry.next;
        }
    }

    /// Scopes without pool, lease and reservation leave no trace.
    fn forget_empty(&mut self, scope: ScopeId) {
        if let Some(entry) = self.scopes.get(&scope)
            && entry.pool.is_none()
            && entry.reserved.is_empty()
            && entry.counts.total() == 0
        {
            self.scopes.remove(&scope);
        }
    }
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> usize {
        self.bound + self.declined + self.released + self.offered + self.registered
    }

    fn of(&mut self, state: State) -> &mut usize {
        match state {
            State::Bound => &mut self.bound,
            State::Declined => &mut self.declined,
            State::Released => &mut self.released,
            State::Offered => &mut self.offered,
            State::Registered => &mut self.registered,
        }
    }
}

/// All leases as pools look at them; `trusts`: that one has ended needs nobody else's word.
fn known(slab: &Slab, trusts: bool) -> impl Iterator<Item = Known<'_>> {
    let leases = slab.iter_from(0);
    leases.map(move |(_, lease, is_acked)| Known {
        lease,
        is_settled: trusts || is_acked,
    })
}

fn known_at(slab: &Slab, slot: Slot, trusts: bool) -> Option<Known<'_>> {
    let entry = slab.get(slot)?;
    let is_settled = trusts || entry.is_acked;
    Some(Known {
        lease: entry.lease.as_ref()?,
        is_settled,
    })
}

/// What is left of a lease that nobody uses: no route leads to it, and its key is void.
fn released(lease: &Lease, now: Wall, kept_until: Wall) -> Lease {
    Lease {
        state: State::Released,
        starts: now,
        preferred_until: now,
        ends: kept_until,
        next_hop: None,
        reconfigure_key: None,
        ..lease.clone()
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
