//! The bounds of the neighbour cache (RFC 6583): who may enter, and who leaves for whom.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use super::interface::Interface;
use super::neighbor::{Neighbor, State};
use super::sm::{Action, Context, Key};

/// The neighbours of one interface.
#[derive(Debug, Default)]
pub(super) struct Cache {
    pub entries: BTreeMap<IpAddr, Neighbor>,
    /// Entries without a MAC of addresses never heard of: what a scan makes.
    pub strangers: BTreeSet<IpAddr>,
    /// Addresses that once answered and are no longer in `entries`: resolved again before strangers.
    pub known: BTreeSet<IpAddr>,
    /// Tokens for first solicitations of strangers, in solicitations × 10^-9.
    tokens: u64,
    refilled: Option<Instant>,
}

const TOKEN: u64 = 1_000_000_000;

impl Cache {
    /// Takes a token of the bucket for strangers.
    fn may_solicit(&mut self, rate: u32, now: Instant) -> bool {
        let full = u64::from(rate) * TOKEN;
        let earned = match self.refilled {
            Some(at) => now
                .saturating_duration_since(at)
                .as_nanos()
                .min(u128::from(TOKEN)) as u64,
            None => TOKEN,
        };
        self.refilled = Some(now);
        self.tokens = (self.tokens + earned * u64::from(rate)).min(full);
        let allowed = self.tokens >= TOKEN;
        if allowed {
            self.tokens -= TOKEN;
        }
        allowed
    }

    /// Resolved neighbours.
    pub(super) fn resolved(&self) -> usize {
        self.entries.len() - self.strangers.len()
    }
}

impl Interface {
    /// Whether an address never heard of may be resolved now; makes room among its kind (RFC 6583 section 6).
    pub(super) fn admit_stranger(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.cache.may_solicit(self.config.solicit_rate, cx.now) {
            return false;
        }
        while self.cache.strangers.len() >= self.config.max_incomplete {
            // Failed ones first, then the one that has waited longest: the likeliest never to answer.
            let rank = |addr: &&IpAddr| {
                let neighbor = &self.cache.entries[*addr];
                (neighbor.state == State::Incomplete, neighbor.since)
            };
            let Some(&victim) = self.cache.strangers.iter().min_by_key(rank) else {
                return false;
            };
            self.counters.evicted_incomplete += 1;
            self.forget(cx, victim);
        }
        true
    }

    /// Keeps the resolved part within its bound by forgetting the stale neighbour unused longest.
    pub(super) fn make_room(&mut self, cx: &mut Context<'_>) -> bool {
        while self.cache.resolved() > self.config.max_entries {
            let stale =
                |(_, n): &(&IpAddr, &Neighbor)| matches!(n.state, State::Stale | State::Failed);
            let candidates = self.cache.entries.iter().filter(stale);
            let oldest = candidates
                .filter(|(addr, _)| !self.cache.strangers.contains(*addr))
                .min_by_key(|(_, n)| n.last_used);
            let Some((&victim, _)) = oldest else {
                return false;
            };
            self.counters.evicted_stale += 1;
            self.forget(cx, victim);
        }
        true
    }

    /// As `make_room`, but never at the cost of `addr` while another can go; without any it is `addr` that goes.
    pub(super) fn make_room_for(&mut self, cx: &mut Context<'_>, addr: IpAddr) -> bool {
        if let Some(neighbor) = self.cache.entries.get_mut(&addr) {
            neighbor.state = State::Reachable;
        }
        if self.make_room(cx) {
            return true;
        }
        self.counters.cache_full += 1;
        self.cache.entries.remove(&addr);
        cx.timers.cancel(Key::Neighbor(cx.iface, addr));
        cx.out.push(Action::Fail {
            iface: cx.iface,
            addr,
        });
        false
    }

    /// Removes `addr` whatever its state.
    pub(super) fn forget(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        let iface = cx.iface;
        cx.timers.cancel(Key::Neighbor(iface, addr));
        let stranger = self.cache.strangers.remove(&addr);
        let Some(neighbor) = self.cache.entries.remove(&addr) else {
            return;
        };
        if neighbor.mac.is_some() {
            cx.out.push(Action::Withdraw { iface, addr });
        } else if neighbor.state == State::Incomplete {
            cx.out.push(Action::Fail { iface, addr });
        }
        if !stranger && neighbor.state != State::Permanent {
            if self.cache.known.len() >= self.config.max_entries {
                self.cache.known.pop_first();
            }
            self.cache.known.insert(addr);
        }
    }
}
