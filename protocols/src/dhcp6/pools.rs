//! What a link tells the book: which pools there are, and what is kept for whom.

use std::collections::HashSet;

use super::config::{Allocation, PrefixPool, Range, Subnet};
use super::error::ConfigError;
use super::link::Link;
use lease::{self, Book, Lengths, Pool, PoolError, Resource, ScopeId};

impl Link {
    /// The pools of its subnets and prefix pools, for the book.
    pub(super) fn make_pools(&self, secret: [u64; 2]) -> Result<Vec<(ScopeId, Pool)>, ConfigError> {
        let fault = |field: String| {
            move |error: PoolError| ConfigError::Pool {
                field: field.clone(),
                error,
            }
        };
        let by = |allocation| match allocation {
            Allocation::Deterministic => lease::Allocation::Deterministic { secret },
            Allocation::Random => lease::Allocation::Random,
        };
        let ranges = |ranges: &[Range]| -> Vec<_> {
            ranges.iter().map(|range| range.start..=range.end).collect()
        };
        let mut pools = Vec::new();
        let subnets = self.config.subnets.iter().zip(&self.subnets).enumerate();
        for (i, (subnet, scope)) in subnets.filter(|(_, (s, _))| !s.pools.is_empty()) {
            let pool = Pool::v6(&ranges(&subnet.pools), &ranges(&subnet.exclude))
                .map_err(fault(format!("subnets[{i}].pools")))?;
            pools.push((*scope, pool.with_allocation(by(subnet.allocation))));
        }
        for (i, (pool, scope)) in self.config.prefix_pools.iter().zip(&self.pools).enumerate() {
            let lengths = Lengths {
                min: pool.min_len,
                default: pool.delegated_len,
                max: pool.max_len,
            };
            let made = Pool::prefixes(&[pool.prefix], &pool.exclude, lengths)
                .map_err(fault(format!("prefix_pools[{i}]")))?;
            pools.push((*scope, made.with_allocation(by(pool.allocation))));
        }
        Ok(pools)
    }

    /// Tells the book, so far as `old`, which was this link before, has not told the same: a new pool looks through all leases.
    pub(super) fn enter(&self, old: Option<&Link>, pools: Vec<(ScopeId, Pool)>, book: &mut Book) {
        let before = old.map(Link::kept).unwrap_or_default();
        let now = self.kept();
        for (scope, resource) in before.difference(&now) {
            book.unreserve(*scope, *resource);
        }
        for scope in old.into_iter().flat_map(Link::scopes) {
            if !pools.iter().any(|(new, _)| *new == scope) {
                book.remove_pool(scope);
            }
        }
        for (scope, pool) in pools {
            if !old.is_some_and(|old| self.gives_the_same(old, scope)) {
                book.set_pool(scope, pool);
            }
        }
        for (scope, resource) in now.difference(&before) {
            book.reserve(*scope, *resource);
        }
    }

    /// Takes all of that back; leases stay.
    pub(super) fn leave(&self, book: &mut Book) {
        for (scope, resource) in self.kept() {
            book.unreserve(scope, resource);
        }
        for scope in self.scopes() {
            book.remove_pool(scope);
        }
    }

    /// What is reserved, with where it is.
    fn kept(&self) -> HashSet<(ScopeId, Resource)> {
        let each = |resource: &Resource| Some((self.scope_of(*resource)?, *resource));
        self.reserved.keys().filter_map(each).collect()
    }

    /// Whether a subnet or prefix pool has the same to give as before; for how long does not matter here.
    fn gives_the_same(&self, old: &Link, scope: ScopeId) -> bool {
        let subnet = |link: &Link| {
            let of = |s: &Subnet| (s.pools.clone(), s.exclude.clone(), s.allocation);
            let i = link.subnets.iter().position(|s| *s == scope)?;
            link.config.subnets.get(i).map(of)
        };
        let pool = |link: &Link| {
            let of = |p: &PrefixPool| {
                let lengths = (p.min_len, p.delegated_len, p.max_len);
                (p.prefix, lengths, p.exclude.clone(), p.allocation)
            };
            let i = link.pools.iter().position(|p| *p == scope)?;
            link.config.prefix_pools.get(i).map(of)
        };
        subnet(self) == subnet(old) && pool(self) == pool(old)
    }
}
