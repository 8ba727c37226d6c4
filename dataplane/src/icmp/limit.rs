//! Rate limits for the errors we originate (RFC 4443 section 2.4(f), RFC 1812 section 4.3.2.8).
//!
//! Two token buckets must agree: one of the interface whose packets cause the errors, one of the destination that
//! receives them. Destinations share a fixed number of buckets by a seeded hash; IPv6 destinations count by their /64,
//! since a host may own all of one.

use std::net::{Ipv4Addr, Ipv6Addr};

use tables::hash::{FlowHasher, FlowKey};
use tables::id::IfaceId;
use tables::policer::{Rate, TokenBucket};

/// Buckets for destinations: a collision only makes two destinations share a rate.
const DESTINATIONS: usize = 1024;

/// The destination of an error, as the limits see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Destination(u128);

impl From<Ipv6Addr> for Destination {
    fn from(address: Ipv6Addr) -> Self {
        Self(address.to_bits() >> 64 << 64)
    }
}

impl From<Ipv4Addr> for Destination {
    fn from(address: Ipv4Addr) -> Self {
        Self(u128::from(address.to_bits()))
    }
}

/// The two limits of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Errors caused by packets of one interface.
    pub per_interface: Rate,
    /// Errors to one destination.
    pub per_destination: Rate,
}

/// The buckets of one worker. All memory is taken at the start.
#[derive(Debug)]
pub struct ErrorLimiter {
    hasher: FlowHasher,
    interfaces: Box<[TokenBucket]>,
    destinations: Box<[TokenBucket]>,
}

impl ErrorLimiter {
    /// Full buckets for `interfaces` interfaces; those beyond share one. `seed` hides which destinations collide.
    pub fn new(interfaces: usize, seed: u64) -> Self {
        let full = TokenBucket::new(0);
        Self {
            hasher: FlowHasher::new(seed),
            interfaces: vec![full; interfaces.max(1)].into(),
            destinations: vec![full; DESTINATIONS].into(),
        }
    }

    /// Whether an error about a packet of `iface` may go to `destination` now; takes the tokens if so.
    pub fn allow(
        &mut self,
        rates: &Rates,
        iface: IfaceId,
        destination: Destination,
        now: u64,
    ) -> bool {
        let last = self.interfaces.len() - 1;
        let interface = &mut self.interfaces[iface.index().min(last)];
        let key = FlowKey {
            dst: destination.0,
            ..FlowKey::default()
        };
        let place = self.hasher.hash(&key) as usize % DESTINATIONS;
        let destination = &mut self.destinations[place];
        // The destination first: one that gets too many errors must not use up what its neighbours are due.
        let before = *destination;
        if !destination.take(&rates.per_destination, now) {
            return false;
        }
        if !interface.take(&rates.per_interface, now) {
            *destination = before;
            return false;
        }
        true
    }
}
