//! Which leases an identity association gets.
//!
//! For each subnet of the link (for prefixes: the first prefix pool that has one) a client gets, in this order:
//!
//! 1. what is reserved for it, if nobody else has it;
//! 2. what it has;
//! 3. what it hints at, if that is free;
//! 4. what it had last;
//! 5. what the pool gives.
//!
//! Of a pair of routers each gives new leases of its half; what a client had, or hints at, or all there is left, is asked for at
//! the other one when that can be talked to.

use super::binding::{Desk, kind};
use super::config::{Lifetimes, Subnet};
use super::link;
use super::packet::{Ia, IaKind, MessageType};
use super::settings::seconds;
use super::sm::{Action, Notice};
use lease::{Holder, PoolId, Resource, ScopeId, Standing, State};

/// A subnet or prefix pool, as far as leases are concerned.
#[derive(Clone, Copy)]
pub(super) struct Source {
    pub index: usize,
    pub scope: ScopeId,
    pub max_leases: usize,
    /// Lifetimes of what it gives now, seconds.
    pub preferred: u32,
    pub valid: u32,
    pub t1: Option<u32>,
    pub t2: Option<u32>,
}

impl Desk<'_> {
    /// What gives leases of this kind now.
    pub(super) fn sources(&self, kind: IaKind) -> Vec<Source> {
        let source = |index, scope: &ScopeId, lifetimes: &Lifetimes, max_leases| {
            let (preferred, valid) = link::lifetimes(lifetimes, self.wall);
            Source {
                index,
                scope: *scope,
                max_leases,
                preferred,
                valid,
                t1: lifetimes.t1.map(seconds),
                t2: lifetimes.t2.map(seconds),
            }
        };
        let config = &self.link.config;
        let sources: Vec<_> = match kind {
            IaKind::Na | IaKind::Ta => {
                let subnets = config.subnets.iter().zip(&self.link.subnets).enumerate();
                let gives = |s: &Subnet| s.stateful && (kind == IaKind::Na || s.temporary);
                subnets
                    .filter(|(_, (subnet, _))| gives(subnet))
                    .map(|(i, (s, scope))| source(i, scope, &s.lifetimes, s.max_leases))
                    .collect()
            }
            IaKind::Pd => {
                let pools = config.prefix_pools.iter().zip(&self.link.pools).enumerate();
                pools
                    .map(|(i, (p, scope))| source(i, scope, &p.lifetimes, p.max_leases))
                    .collect()
            }
        };
        sources
            .into_iter()
            .filter(|source| source.valid > 0)
            .collect()
    }

    /// What of one subnet the holder gets.
    pub(super) fn choose(
        &mut self,
        kind: IaKind,
        source: &Source,
        holder: &Holder,
        hints: &[Resource],
    ) -> Vec<Resource> {
        let mut chosen = match kind {
            IaKind::Na | IaKind::Pd => self.reserved(kind, source, holder),
            // Temporary addresses come by chance (RFC 8415 section 6.5).
            IaKind::Ta => Vec::new(),
        };
        if chosen.is_empty() {
            chosen = self.has(source, holder);
            self.keep_named(&mut chosen, hints);
        }
        if chosen.is_empty() {
            chosen.extend(self.find_new(kind, source, holder, hints));
        }
        chosen
    }

    /// The prefix that the holder gets, out of the first pool that has one; or all that are reserved for it.
    pub(super) fn choose_prefix(
        &mut self,
        sources: &[Source],
        holder: &Holder,
        hints: &[Resource],
    ) -> Vec<(Source, Resource)> {
        let each = |choose: &dyn Fn(&Source) -> Vec<Resource>| -> Vec<(Source, Resource)> {
            let of = |source: &Source| {
                let source = *source;
                choose(&source)
                    .into_iter()
                    .map(move |resource| (source, resource))
            };
            sources.iter().flat_map(of).collect()
        };
        let mut chosen = each(&|source| self.reserved(IaKind::Pd, source, holder));
        if chosen.is_empty() {
            chosen = each(&|source| {
                let mut has = self.has(source, holder);
                self.keep_named(&mut has, hints);
                has
            });
        }
        for source in sources {
            if chosen.is_empty() {
                let new = self.find_new(IaKind::Pd, source, holder, hints);
                chosen.extend(new.map(|resource| (*source, resource)));
            }
        }
        chosen
    }

    /// What the holder has of one source and may keep.
    fn has(&self, source: &Source, holder: &Holder) -> Vec<Resource> {
        let leases = self.book.of_holder(holder);
        leases
            .filter(|l| l.scope == source.scope && l.state == State::Bound)
            .map(|l| l.resource)
            .filter(|resource| self.may_keep(*resource, source.scope))
            .collect()
    }

    /// A client that both routers of a pair have given something to, while they could not talk, keeps what it goes on with.
    fn keep_named(&self, has: &mut Vec<Resource>, names: &[Resource]) {
        let goes_on = matches!(self.message.kind, MessageType::Renew | MessageType::Rebind);
        let is_paired = self.book.standing() != Standing::Alone;
        if goes_on && is_paired && has.iter().any(|resource| names.contains(resource)) {
            has.retain(|resource| names.contains(resource));
        }
    }

    /// What the holder had last of one source.
    fn had(&self, scope: ScopeId, holder: &Holder) -> Option<Resource> {
        let mut leases = self.book.of_holder(holder);
        let had = leases.find(|l| l.scope == scope && l.state == State::Released);
        had.map(|lease| lease.resource)
    }

    /// A resource of one source that the holder does not have yet.
    fn find_new(
        &mut self,
        kind: IaKind,
        source: &Source,
        holder: &Holder,
        hints: &[Resource],
    ) -> Option<Resource> {
        let scope = source.scope;
        if source.preferred == 0 || self.book.pool(scope).is_none() {
            return None;
        }
        let mut found = None;
        if self.book.counts(scope).bound < source.max_leases {
            let hint = hints
                .iter()
                .find(|hint| self.covers(kind, source.index, **hint));
            let had = self.had(scope, holder);
            for wish in [hint.copied(), had].into_iter().flatten() {
                if found.is_none() {
                    let free = self.free(scope, holder, Some(wish));
                    found = (free == Some(wish) || self.may_borrow(scope, holder, wish))
                        .then_some(wish);
                }
            }
            // Of a prefix that cannot be had the length is still a wish (RFC 8168).
            let wish = hints.first().copied();
            found = found
                .or_else(|| self.free(scope, holder, wish))
                .or_else(|| self.borrow(scope, holder, wish));
        }
        match found {
            Some(_) => drop(self.link.used_up.remove(&scope)),
            None => self.say_used_up(scope),
        }
        found
    }

    fn free(
        &mut self,
        scope: ScopeId,
        holder: &Holder,
        hint: Option<Resource>,
    ) -> Option<Resource> {
        let random = self.random.next_u64();
        self.book.free(scope, holder, hint, random)
    }

    /// What the other router of the pair may have left, when nothing of the own half is.
    fn borrow(
        &mut self,
        scope: ScopeId,
        holder: &Holder,
        hint: Option<Resource>,
    ) -> Option<Resource> {
        let random = self.random.next_u64();
        let found = match self.peer.may_ask {
            true => self.book.borrow(scope, holder, hint, random),
            false => None,
        };
        found.filter(|found| self.peer.refused != Some(*found))
    }

    /// Whether the other router can be asked for just this.
    fn may_borrow(&self, scope: ScopeId, holder: &Holder, wish: Resource) -> bool {
        self.peer.may_ask
            && self.peer.refused != Some(wish)
            && self.book.may_borrow(scope, holder, wish)
    }

    /// Said once until something is given from there again.
    fn say_used_up(&mut self, scope: ScopeId) {
        if self.link.used_up.insert(scope) {
            let names = self.link.config.subnets.iter().map(|s| &s.name);
            let mut names = names.chain(self.link.config.prefix_pools.iter().map(|p| &p.name));
            let name = names.find(|name| PoolId::of(name) == scope.pool);
            let name = name.cloned().unwrap_or_default();
            self.out.push(Action::Notice(Notice::PoolUsedUp { name }));
        }
    }

    /// Whether a subnet or prefix pool has this resource.
    fn covers(&self, kind: IaKind, index: usize, resource: Resource) -> bool {
        let config = &self.link.config;
        match (kind, resource) {
            (IaKind::Na | IaKind::Ta, Resource::V6(address)) => {
                config.subnets[index].prefix.contains(&address)
            }
            (IaKind::Pd, Resource::Prefix(p)) => config.prefix_pools[index].prefix.contains(&p),
            _ => false,
        }
    }

    /// What is reserved for this client in one source, and not in use by others.
    fn reserved(&self, kind: IaKind, source: &Source, holder: &Holder) -> Vec<Resource> {
        let Some(mine) = self.client.reservation else {
            return Vec::new();
        };
        link::resources(&self.link.config.reservations[mine])
            .filter(|resource| self.covers(kind, source.index, *resource))
            .filter(|resource| self.is_open_to_owner(*resource, holder))
            .collect()
    }

    /// Whether the owner of a reserved resource can have it now.
    fn is_open_to_owner(&self, resource: Resource, holder: &Holder) -> bool {
        if let Resource::Prefix(prefix) = resource
            && self.link.is_overlapped(prefix, self.book)
        {
            return false;
        }
        let Some(lease) = self.book.get(self.link.realm, resource) else {
            return true;
        };
        match lease.state {
            // What is reserved is not its host's to register; this one was registered before.
            State::Released | State::Registered => true,
            State::Declined => lease.ends <= self.now(),
            State::Bound | State::Offered if lease.holder == *holder => true,
            State::Bound | State::Offered if lease.holder.client == holder.client => {
                // A client that was installed anew has other IAIDs; one that asks for two at once shall not have it twice.
                let both =
                    |ia: &Ia| (kind(ia.kind), ia.iaid) == (lease.holder.kind, lease.holder.iaid);
                !self.message.ias.iter().any(both)
            }
            // The same port with another DUID: its machine was installed anew.
            State::Bound | State::Offered => {
                lease.ends <= self.now() || (lease.mac.is_some() && lease.mac == self.client.mac)
            }
        }
    }

    /// Whether a lease may be renewed: what was configured since may have taken it out of the pool or given it to another.
    fn may_keep(&self, resource: Resource, scope: ScopeId) -> bool {
        match self.link.owner(resource) {
            Some(owner) => Some(owner) == self.client.reservation,
            None => {
                let pool = self.book.pool(scope);
                pool.is_some_and(|pool| pool.contains(resource))
                    && !self.link.overlaps_reserved(resource)
            }
        }
    }
}
