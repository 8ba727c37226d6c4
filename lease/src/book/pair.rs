//! Two routers with the same leases: who gives what, and what one makes of what the other tells.
//!
//! Nothing is given twice, whether the two can talk or not:
//!
//! 1. A resource is of one half ([`Pool::half_of`](crate::Pool::half_of)), and its router alone gives it to a *new* holder: to one
//!    that the book does not show as having it now. The other router asks it first ([`Book::may_lend`]).
//! 2. A holder that has a lease, as the book shows, may have it longer by either router.
//! 3. So when a lease has ended here, the other router may have let it last longer. Its resource goes to somebody else only when
//!    the other router has said that the lease has ended there, too ([`Book::acked`]): it then lets it last no longer, by 1. Until
//!    then it is kept for its last holder, however long that takes.
//!
//! No clock has a part in this: what has run out here by a clock that is wrong is not taken over there ([`Adoption::Early`]).
//! Which of two versions of a lease is the later, stamps say ([`crate::Stamp`]).

use super::{Book, Known};
use crate::{Half, Holder, Lease, RealmId, Resource, ScopeId, Stamp, State, Wall, Write};

/// How a book stands to that of another router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// There is no other: everything is given here.
    #[default]
    Alone,
    /// There is: only what is of this half is given to new holders here.
    Paired(Half),
    /// There was one, and its operator has said that it is gone: everything is given here.
    Survivor(Half),
}

impl Standing {
    /// The half that is given here, when that is not everything.
    pub const fn half(self) -> Option<Half> {
        match self {
            Standing::Paired(half) => Some(half),
            Standing::Alone | Standing::Survivor(_) => None,
        }
    }

    /// Whether a lease that has ended here has ended.
    pub(super) const fn trusts_itself(self) -> bool {
        !matches!(self, Standing::Paired(_))
    }
}

/// What became of a lease that the other router told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "most are taken, and live for a moment"
)]
pub enum Adoption {
    /// It was news, and is put.
    Taken(Write),
    /// It is what is known here, too.
    Known,
    /// What is known here is later: the other router should hear of it.
    Older,
    /// It has run out by the other router's clock, and not by that of this one: it stays until then.
    Early,
}

impl Book {
    /// Sets how the book stands to another router's. Looks through all leases.
    pub fn set_standing(&mut self, standing: Standing) {
        if let Standing::Paired(half) | Standing::Survivor(half) = standing {
            self.clock.set_half(half);
        }
        self.standing = standing;
        let trusts = standing.trusts_itself();
        let leases = self.slab.iter_from(0);
        for (slot, lease, is_acked) in leases.filter(|(_, l, _)| l.state == State::Released) {
            let is_settled = trusts || is_acked;
            if lease.ends != Wall::NEVER {
                self.by_end.insert((lease.ends, slot));
            }
            let scope = self.scopes.get_mut(&lease.scope);
            if let Some(pool) = scope.and_then(|scope| scope.pool.as_mut()) {
                pool.mark(lease.resource, Some(Known { lease, is_settled }));
            }
        }
        for pool in self.scopes.values_mut().filter_map(|s| s.pool.as_mut()) {
            pool.set_half(standing.half());
        }
    }

    /// How the book stands to another router's.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether the other router gives this resource to new holders, and this one does not.
    pub fn is_others(&self, scope: ScopeId, resource: Resource) -> bool {
        let Some(half) = self.standing.half() else {
            return false;
        };
        let of = self.pool(scope).and_then(|pool| pool.half_of(resource));
        of == Some(half.other())
    }

    /// Whether the holder may be given a resource of the other half, as far as this book shows: the other router is to be asked.
    pub fn may_borrow(&self, scope: ScopeId, holder: &Holder, resource: Resource) -> bool {
        let known = self.known(scope.realm, resource);
        let pool = self.pool(scope);
        self.is_others(scope, resource)
            && pool.is_some_and(|pool| pool.may_give(resource, holder, known))
    }

    /// One of the other half that the other router can be asked for when nothing of this half is left, as [`Book::free`] gives it.
    pub fn borrow(
        &self,
        scope: ScopeId,
        holder: &Holder,
        hint: Option<Resource>,
        random: u64,
    ) -> Option<Resource> {
        let half = self.standing.half()?.other();
        let get = |resource| self.known(scope.realm, resource);
        self.pool(scope)?
            .free(get, self.slab.len(), holder, hint, (Some(half), random))
    }

    /// A lease to ask the other router for, with the stamp that it has if that one allows it.
    pub fn propose(&mut self, lease: Lease) -> Lease {
        let stamp = self.clock.next();
        Lease { stamp, ..lease }
    }

    /// Puts what the other router has proposed. What that one makes of the lease since is the later, so the stamp stays.
    pub fn lend(&mut self, lease: Lease) -> Write {
        self.clock.see(lease.stamp);
        self.put_as_it_is(lease)
    }

    /// Whether this router can let the other one have a lease made for a client of its own.
    pub fn may_lend(&self, lease: &Lease) -> bool {
        let known = self.known(lease.realm(), lease.resource);
        let Some(pool) = self.pool(lease.scope) else {
            return false;
        };
        self.standing.half() == pool.half_of(lease.resource)
            && pool.may_give(lease.resource, &lease.holder, known)
    }

    /// Takes a lease over from the other router, unless what is known here is later.
    pub fn adopt(&mut self, theirs: Lease, now: Wall) -> Adoption {
        self.clock.see(theirs.stamp);
        let (realm, resource) = (theirs.realm(), theirs.resource);
        match self.get(realm, resource) {
            None if has_ended(&theirs) && theirs.ends <= now => return Adoption::Known,
            Some(ours) if ours.state != State::Offered => {
                if is_same(&theirs, ours) {
                    self.set_acked(realm, resource);
                    return Adoption::Known;
                }
                if !is_later(&theirs, ours) {
                    return Adoption::Older;
                }
                if theirs.stamp == ours.stamp && now < ours.ends && theirs.holder == ours.holder {
                    return Adoption::Early;
                }
            }
            None | Some(_) => {}
        }
        let write = self.put_as_it_is(theirs);
        self.set_acked(realm, resource);
        Adoption::Taken(write)
    }

    /// The other router has said that it has this version of a lease: the one with this stamp, ended or not. A later one that is
    /// known here by now is not meant.
    pub fn acked(&mut self, realm: RealmId, resource: Resource, stamp: Stamp, ended: bool) {
        let is_it = |l: &Lease| l.stamp == stamp && has_ended(l) == ended;
        if self.get(realm, resource).is_some_and(is_it) {
            self.set_acked(realm, resource);
        }
    }

    /// Whether the other router is known to have what is known here of a resource.
    pub fn is_acked(&self, realm: RealmId, resource: Resource) -> bool {
        let entry = self.find(realm, resource).and_then(|s| self.slab.get(s));
        entry.is_some_and(|entry| entry.is_acked)
    }

    fn set_acked(&mut self, realm: RealmId, resource: Resource) {
        let Some(slot) = self.find(realm, resource) else {
            return;
        };
        let Some(entry) = self.slab.get_mut(slot) else {
            return;
        };
        entry.is_acked = true;
        let Some(lease) = entry.lease.as_ref().filter(|lease| has_ended(lease)) else {
            return;
        };
        // Somebody else may have it now, and when it is kept no longer it is forgotten.
        if lease.ends != Wall::NEVER {
            self.by_end.insert((lease.ends, slot));
        }
        let scope = self.scopes.get_mut(&lease.scope);
        if let Some(pool) = scope.and_then(|scope| scope.pool.as_mut()) {
            let is_settled = true;
            pool.mark(resource, Some(Known { lease, is_settled }));
        }
    }
}

/// Whether nobody has it any more, in this version.
pub(crate) fn has_ended(lease: &Lease) -> bool {
    lease.state == State::Released
}

fn is_same(theirs: &Lease, ours: &Lease) -> bool {
    let version = |l: &Lease| (l.stamp, has_ended(l));
    version(theirs) == version(ours) && theirs.holder == ours.holder
}

/// Whether one version comes after the other. What runs out keeps its stamp and comes after what it was; a lease, or a quarantine,
/// comes before another host's word that it has formed the address. Of leases of before there were stamps, which may be two, the
/// holders decide: any way will do that is the same on both sides.
fn is_later(theirs: &Lease, ours: &Lease) -> bool {
    let is_registered = |lease: &Lease| lease.state == State::Registered;
    let are_live = !has_ended(theirs) && !has_ended(ours);
    if are_live && theirs.holder != ours.holder && is_registered(theirs) != is_registered(ours) {
        return is_registered(ours);
    }
    let version = |lease: &Lease| (lease.stamp, has_ended(lease));
    (version(theirs), &theirs.holder) > (version(ours), &ours.holder)
}

#[cfg(test)]
mod tests;
