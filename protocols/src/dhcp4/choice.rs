//! Which address a client gets, in this order:
//!
//! 1. what is reserved for it, if nobody else has it;
//! 2. what it has, or was offered;
//! 3. what it asks for, if that is free;
//! 4. what it had last;
//! 5. what a pool gives.
//!
//! Of a pair of routers each gives new leases of its half; what a client had, or asks for, or all there is left, is asked for at
//! the other one when that can be talked to.

use super::exchange::Desk;
use super::sm::{Action, Notice};
use lease::{Lease, Resource, ScopeId, State};
use std::net::Ipv4Addr;

impl Desk<'_> {
    /// Subnets that the client may get an address of. A relay's own subnet comes first, for others may share its link; a link
    /// selection leaves no choice (RFC 3527).
    pub(super) fn sources(&self) -> Vec<usize> {
        let subnets = &self.link.config.subnets;
        let has = |i: &usize| {
            let selector = self.selector.as_ref();
            selector.is_none_or(|address| subnets[*i].prefix.contains(address))
        };
        let (mut sources, others): (Vec<usize>, Vec<usize>) = (0..subnets.len()).partition(has);
        if self.message.agent.link_selection.is_none() || sources.is_empty() {
            sources.extend(others);
        }
        sources
    }

    /// The address that the client gets, and its subnet.
    pub(super) fn choose(&mut self, sources: &[usize]) -> Option<(usize, Ipv4Addr)> {
        let of = |desk: &Self, address: Ipv4Addr| {
            let subnet = desk.link.subnet_of(address)?;
            sources.contains(&subnet).then_some((subnet, address))
        };
        let reserved = self.reserved(sources).first().copied();
        if let Some(found) = reserved.or_else(|| self.has(sources)) {
            return of(self, found);
        }
        let asked = self.message.requested.and_then(|address| of(self, address));
        for (subnet, address) in [asked, self.had(sources)].into_iter().flatten() {
            let is_free = self.free(subnet, Some(address)) == Some(address);
            if is_free || self.may_borrow(subnet, address) {
                return Some((subnet, address));
            }
        }
        for subnet in sources {
            let found = self.free(*subnet, None);
            match found.or_else(|| self.free_elsewhere(*subnet)) {
                Some(address) => return Some((*subnet, address)),
                None => self.say_used_up(*subnet),
            }
        }
        None
    }

    /// Whether an address of the other router's half can be asked for at that router.
    fn may_borrow(&self, subnet: usize, address: Ipv4Addr) -> bool {
        let (scope, holder) = (self.link.scopes[subnet], &self.client.holder);
        self.peer.may_ask
            && self.peer.refused != Some(address)
            && self.book.may_borrow(scope, holder, Resource::V4(address))
    }

    /// What the other router may have left, when nothing of the own half is.
    fn free_elsewhere(&mut self, subnet: usize) -> Option<Ipv4Addr> {
        let scope = self.link.scopes[subnet];
        if !self.peer.may_ask
            || self.book.counts(scope).bound >= self.link.config.subnets[subnet].max_leases
        {
            return None;
        }
        let random = self.random.next_u64();
        match self.book.borrow(scope, &self.client.holder, None, random)? {
            Resource::V4(address) => (self.peer.refused != Some(address)).then_some(address),
            Resource::V6(_) | Resource::Prefix(_) => None,
        }
    }

    /// Whether the client may have the address that it names; `anew`: also one of which nothing is known.
    pub(super) fn may_have(&mut self, sources: &[usize], address: Ipv4Addr, anew: bool) -> bool {
        let Some(subnet) = self.link.subnet_of(address).filter(|i| sources.contains(i)) else {
            return false;
        };
        let reserved = self.reserved(sources);
        if !reserved.is_empty() {
            return reserved.contains(&address);
        }
        let scope = self.link.scopes[subnet];
        let lease = self.book.get(self.link.realm, Resource::V4(address));
        match lease.filter(|lease| lease.holder == self.client.holder) {
            Some(lease) if lease.state != State::Declined => self.may_keep(address, scope),
            _ => {
                let is_free = anew && self.free(subnet, Some(address)) == Some(address);
                is_free || anew && self.may_borrow(subnet, address)
            }
        }
    }

    /// What the client has of these subnets, or was offered, and may keep.
    fn has(&self, sources: &[usize]) -> Option<Ipv4Addr> {
        let is = |state: State| {
            self.of_client(sources)
                .find(|l| l.state == state)
                .and_then(address)
        };
        is(State::Bound).or_else(|| is(State::Offered))
    }

    /// What it had last.
    fn had(&self, sources: &[usize]) -> Option<(usize, Ipv4Addr)> {
        let mut leases = self.of_client(sources);
        let had = leases.find(|l| l.state == State::Released)?;
        let address = address(had)?;
        Some((self.link.subnet_of(address)?, address))
    }

    /// The client's leases in these subnets that it may keep.
    fn of_client(&self, sources: &[usize]) -> impl Iterator<Item = &Lease> {
        let leases = self.book.of_holder(&self.client.holder);
        leases.filter(move |l| {
            let mut scopes = sources.iter().map(|i| self.link.scopes[*i]);
            let is_here = scopes.any(|scope| scope == l.scope);
            is_here && address(l).is_some_and(|address| self.may_keep(address, l.scope))
        })
    }

    /// Everything that the client has on this link.
    pub(super) fn bound(&self) -> Vec<Ipv4Addr> {
        let leases = self.book.of_holder(&self.client.holder);
        let here = leases.filter(|l| self.link.scopes.contains(&l.scope));
        here.filter(|l| l.state == State::Bound)
            .filter_map(address)
            .collect()
    }

    fn free(&mut self, subnet: usize, hint: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        let scope = self.link.scopes[subnet];
        if self.book.counts(scope).bound >= self.link.config.subnets[subnet].max_leases {
            return None;
        }
        let random = self.random.next_u64();
        let hint = hint.map(Resource::V4);
        match self.book.free(scope, &self.client.holder, hint, random)? {
            Resource::V4(address) => {
                self.link.used_up.remove(&scope);
                Some(address)
            }
            Resource::V6(_) | Resource::Prefix(_) => None,
        }
    }

    /// Said once until something is given from there again.
    fn say_used_up(&mut self, subnet: usize) {
        let scope = self.link.scopes[subnet];
        let subnet = &self.link.config.subnets[subnet];
        let has_pool = !subnet.pools.is_empty();
        if has_pool && self.link.used_up.insert(scope) {
            let name = subnet.name.clone();
            self.out.push(Action::Notice(Notice::PoolUsedUp { name }));
        }
    }

    /// What is reserved for this client in these subnets, and not in use by others.
    fn reserved(&self, sources: &[usize]) -> Vec<Ipv4Addr> {
        let reservations = &self.link.config.reservations;
        let mine = self.client.reservation.and_then(|i| reservations.get(i));
        let addresses = mine.map_or(&[][..], |mine| &mine.addresses);
        let of = |i: &usize| {
            let prefix = self.link.config.subnets[*i].prefix;
            addresses.iter().filter(move |a| prefix.contains(*a))
        };
        let all = sources.iter().flat_map(of).copied();
        all.filter(|a| self.is_open_to_owner(*a)).collect()
    }

    /// Whether the owner of a reserved address can have it now.
    fn is_open_to_owner(&self, address: Ipv4Addr) -> bool {
        let Some(lease) = self.book.get(self.link.realm, Resource::V4(address)) else {
            return true;
        };
        match lease.state {
            State::Released => true,
            State::Declined => lease.ends <= self.now(),
            // The same port with another identifier: a boot loader, or its machine was installed anew.
            State::Bound | State::Offered | State::Registered => {
                lease.holder == self.client.holder
                    || lease.ends <= self.now()
                    || (lease.mac.is_some() && lease.mac == self.client.mac)
            }
        }
    }

    /// Whether a lease may be renewed: what was configured since may have taken it out of the pool or given it to another.
    fn may_keep(&self, address: Ipv4Addr, scope: ScopeId) -> bool {
        match self.link.owner(address) {
            Some(owner) => Some(owner) == self.client.reservation,
            None => {
                let pool = self.book.pool(scope);
                pool.is_some_and(|pool| pool.contains(Resource::V4(address)))
            }
        }
    }
}

fn address(lease: &Lease) -> Option<Ipv4Addr> {
    match lease.resource {
        Resource::V4(address) => Some(address),
        Resource::V6(_) | Resource::Prefix(_) => None,
    }
}
