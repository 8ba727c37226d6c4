//! What may be given out, and which of it is free?
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | `Pool`: ranges of addresses, or prefixes to delegate from |
//! | `slots.rs` | resources of one size: numbered; a bitmap where they are few or crowded, chance where they are many |
//! | `bitmap.rs` | the bitmap, whose next absent number is found in a handful of steps |
//! | `buddy.rs` | prefixes of several lengths |
//!
//! A pool belongs to a [`super::Book`], which tells it of every lease. No search looks through the pool: memory and time go
//! with the leases, not with the addresses.

mod bitmap;
mod buddy;
mod slots;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::Ipv6Net;

use super::{Half, Holder, Lease, Resource, State, siphash};
use buddy::{Buddy, Reason};
use slots::{Slots, Use};

/// Interface identifiers that no interface may have: subnet-router anycast, Ethernet block and reserved anycast of RFC 5453
/// and RFC 2526 (RFC 8415 section 13.1 keeps servers from them).
const RESERVED_IIDS: [RangeInclusive<u64>; 3] = [
    0..=0,
    0x0200_5eff_fe00_0000..=0x0200_5eff_feff_ffff,
    0xfdff_ffff_ffff_ff80..=0xfdff_ffff_ffff_ffff,
];

/// How a resource is chosen among the free ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// By a keyed hash of the holder: it gets the same again, if free, even when the leases were lost; in the spirit of
    /// RFC 7943. The key should be drawn once, kept, and secret: who knows it can tell addresses from identifiers.
    Deterministic {
        /// The key.
        secret: [u64; 2],
    },
    /// At random: neither order nor holder can be told from the address (RFC 7824 section 4.3 on scanning).
    Random,
}

/// The lengths of the prefixes that a pool delegates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// The shortest that a client may ask for.
    pub min: u8,
    /// What a client gets that does not ask.
    pub default: u8,
    /// The longest that a client may ask for.
    pub max: u8,
}

impl Lengths {
    /// This length for everybody.
    pub const fn only(len: u8) -> Self {
        Self {
            min: len,
            default: len,
            max: len,
        }
    }
}

/// Why a pool cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Nothing to give out.
    #[error("the pool is empty: no range or prefix, or all of it excluded")]
    Empty,
    /// A range that ends before it begins.
    #[error("the range {first} - {last} ends before it begins")]
    Backwards {
        /// Its first address.
        first: Resource,
        /// Its last.
        last: Resource,
    },
    /// Two prefixes of a pool, of which one is in the other.
    #[error("{inner} is already in {outer}")]
    Overlap {
        /// The longer one.
        inner: Ipv6Net,
        /// The shorter one.
        outer: Ipv6Net,
    },
    /// Lengths that are in no order or beyond 128.
    #[error("delegated lengths must be min <= default <= max <= 128, not {min}, {default}, {max}")]
    Lengths {
        /// The shortest.
        min: u8,
        /// The one by default.
        default: u8,
        /// The longest.
        max: u8,
    },
    /// A delegated prefix would be larger than what it is taken from.
    #[error("a /{min} does not fit into {prefix}")]
    TooShort {
        /// The shortest delegated length.
        min: u8,
        /// The prefix.
        prefix: Ipv6Net,
    },
}

/// What may be given out.
#[derive(Clone, Debug)]
pub struct Pool {
    space: Space,
    allocation: Allocation,
}

#[derive(Clone, Debug)]
enum Space {
    V6(Slots),
    V4(Slots),
    /// Prefixes of one length, as long as no lease or reservation of another length is among them.
    Uniform {
        slots: Slots,
        len: u8,
        bases: Vec<Ipv6Net>,
        exclude: Vec<Ipv6Net>,
    },
    Mixed {
        buddy: Box<Buddy>,
        lengths: Lengths,
    },
}

impl Pool {
    /// IPv6 addresses. Reserved interface identifiers are left out (RFC 8415 section 13.1).
    ///
    /// # Errors
    /// When a range is backwards or nothing is left.
    pub fn v6(
        ranges: &[RangeInclusive<Ipv6Addr>],
        exclude: &[RangeInclusive<Ipv6Addr>],
    ) -> Result<Self, PoolError> {
        let ranges = numbers(ranges, |a| a.to_bits(), Resource::V6)?;
        let mut exclude = numbers(exclude, |a| a.to_bits(), Resource::V6)?;
        for edge in ranges.iter().flat_map(|r| [r.start(), r.end()]) {
            // Between these two /64s others may stand: such a pool is huge and has `usable` look at each address.
            let network = u128::from((edge >> 64) as u64) << 64;
            exclude.extend(RESERVED_IIDS.iter().map(|iids| {
                network | u128::from(*iids.start())..=network | u128::from(*iids.end())
            }));
        }
        Self::of(Space::V6(Slots::new(&ranges, &exclude)))
    }

    /// IPv4 addresses.
    ///
    /// # Errors
    /// When a range is backwards or nothing is left.
    pub fn v4(
        ranges: &[RangeInclusive<Ipv4Addr>],
        exclude: &[RangeInclusive<Ipv4Addr>],
    ) -> Result<Self, PoolError> {
        let bits = |address: &Ipv4Addr| u128::from(address.to_bits());
        let ranges = numbers(ranges, bits, Resource::V4)?;
        let exclude = numbers(exclude, bits, Resource::V4)?;
        Self::of(Space::V4(Slots::new(&ranges, &exclude)))
    }

    /// Prefixes to delegate, out of some larger ones; nothing that overlaps an excluded one is delegated.
    ///
    /// With one length the allocation is as for addresses. With several, the smallest free block that is large enough is
    /// used, so that large prefixes stay available; among those of one size the allocation decides.
    ///
    /// # Errors
    /// When the lengths are in no order or do not fit, the larger prefixes overlap, or nothing is left.
    pub fn prefixes(
        bases: &[Ipv6Net],
        exclude: &[Ipv6Net],
        lengths: Lengths,
    ) -> Result<Self, PoolError> {
        let Lengths { min, default, max } = lengths;
        if !(min <= default && default <= max && max <= 128) {
            return Err(PoolError::Lengths { min, default, max });
        }
        let mut bases: Vec<Ipv6Net> = bases.iter().map(Ipv6Net::trunc).collect();
        let exclude: Vec<Ipv6Net> = exclude.iter().map(Ipv6Net::trunc).collect();
        bases.sort_unstable();
        for pair in bases.windows(2) {
            if let [outer, inner] = *pair
                && outer.contains(&inner)
            {
                return Err(PoolError::Overlap { inner, outer });
            }
        }
        if let Some(&prefix) = bases.iter().find(|base| base.prefix_len() > min) {
            return Err(PoolError::TooShort { min, prefix });
        }
        if min < max {
            let buddy = Box::new(Buddy::new(&bases, &exclude, min));
            return Self::of(Space::Mixed { buddy, lengths });
        }
        let numbers = |nets: &[Ipv6Net]| -> Vec<RangeInclusive<u128>> {
            let number = |address: Ipv6Addr| number_of(address, default);
            nets.iter()
                .map(|net| number(net.network())..=number(net.broadcast()))
                .collect()
        };
        Self::of(Space::Uniform {
            slots: Slots::new(&numbers(&bases), &numbers(&exclude)),
            len: default,
            bases,
            exclude,
        })
    }

    fn of(space: Space) -> Result<Self, PoolError> {
        let empty = match &space {
            Space::V6(slots) | Space::V4(slots) | Space::Uniform { slots, .. } => slots.size() == 0,
            Space::Mixed { buddy, lengths } => buddy.find(lengths.max, 0, None).is_none(),
        };
        if empty {
            return Err(PoolError::Empty);
        }
        Ok(Self {
            space,
            allocation: Allocation::Random,
        })
    }

    /// The same pool with another way to choose; without, it is at random.
    #[must_use]
    pub fn with_allocation(self, allocation: Allocation) -> Self {
        Self { allocation, ..self }
    }

    /// Whether the resource is in the pool, of a length it delegates, and not excluded. It may be reserved or in use.
    pub fn contains(&self, resource: Resource) -> bool {
        match (&self.space, resource) {
            (Space::Mixed { buddy, lengths }, Resource::Prefix(prefix)) => {
                (lengths.min..=lengths.max).contains(&prefix.prefix_len())
                    && buddy.contains(prefix)
                    && !buddy.is_excluded(prefix)
            }
            _ => !is_reserved_iid(resource) && self.number(resource).is_some(),
        }
    }

    /// Prepares to look for resources of one half, or no longer does.
    pub(super) fn set_half(&mut self, half: Option<Half>) {
        match &mut self.space {
            Space::V6(slots) | Space::V4(slots) | Space::Uniform { slots, .. } => {
                slots.set_half(half);
            }
            Space::Mixed { .. } => {}
        }
    }

    /// Whether the resource is in the pool and reserved.
    pub fn is_reserved(&self, resource: Resource) -> bool {
        match (&self.space, resource) {
            (Space::Mixed { buddy, .. }, Resource::Prefix(prefix)) => buddy.is_reserved(prefix),
            (Space::V6(slots) | Space::V4(slots) | Space::Uniform { slots, .. }, _) => self
                .number(resource)
                .is_some_and(|number| slots.is_reserved(number)),
            _ => false,
        }
    }

    /// The number of an addressed slot, when the resource is one of the pool.
    fn number(&self, resource: Resource) -> Option<u128> {
        let (slots, number) = match (&self.space, resource) {
            (Space::V6(slots), Resource::V6(address)) => (slots, address.to_bits()),
            (Space::V4(slots), Resource::V4(address)) => (slots, u128::from(address.to_bits())),
            (Space::Uniform { slots, len, .. }, Resource::Prefix(p)) if p.prefix_len() == *len => {
                (slots, number_of(p.network(), *len))
            }
            _ => return None,
        };
        slots.number(number).map(|_| number)
    }

    /// Reserves the resource, so that only an explicit lease takes it, or gives it free again.
    pub(super) fn reserve(&mut self, resource: Resource, reserve: bool, lease: Option<Known<'_>>) {
        let number = self.number(resource);
        match (&mut self.space, resource) {
            (Space::Mixed { buddy, .. }, Resource::Prefix(prefix)) if reserve => {
                buddy.hold(prefix, Reason::Reserved);
            }
            (Space::Mixed { buddy, .. }, Resource::Prefix(prefix)) => {
                buddy.unhold(prefix, Reason::Reserved);
            }
            (Space::V6(slots) | Space::V4(slots) | Space::Uniform { slots, .. }, _) => {
                if let Some(number) = number {
                    slots.reserve(number, reserve, use_of(lease));
                }
            }
            _ => {}
        }
    }

    /// Notes the lease of a resource, or that it has none.
    pub(super) fn mark(&mut self, resource: Resource, lease: Option<Known<'_>>) {
        let number = self.number(resource);
        match (&mut self.space, resource) {
            (Space::Mixed { buddy, .. }, Resource::Prefix(prefix)) => {
                buddy.mark(prefix, use_of(lease));
            }
            (Space::V6(slots) | Space::V4(slots) | Space::Uniform { slots, .. }, _) => {
                if let Some(number) = number {
                    slots.mark(number, use_of(lease));
                }
            }
            _ => {}
        }
    }

    /// Whether this resource makes the pool one of several lengths.
    pub(super) fn is_mixed_by(&self, resource: Resource) -> bool {
        match (&self.space, resource) {
            (Space::Uniform { len, bases, .. }, Resource::Prefix(prefix)) => {
                let overlaps = |b: &Ipv6Net| b.contains(&prefix) || prefix.contains(b);
                prefix.prefix_len() != *len && bases.iter().any(overlaps)
            }
            _ => false,
        }
    }

    /// Whether so many leases are too many to find a free resource by chance.
    pub(super) fn is_crowded(&self, leases: usize) -> bool {
        match &self.space {
            Space::V6(slots) | Space::V4(slots) | Space::Uniform { slots, .. } => {
                slots.is_crowded(leases)
            }
            Space::Mixed { .. } => false,
        }
    }

    /// Takes the leases of a crowded pool.
    pub(super) fn build<'a>(&mut self, leases: impl Iterator<Item = Known<'a>>) {
        let numbers: Vec<(u128, Use)> = leases
            .filter_map(|lease| Some((self.number(lease.lease.resource)?, use_of(Some(lease)))))
            .collect();
        if let Space::V6(slots) | Space::V4(slots) | Space::Uniform { slots, .. } = &mut self.space
        {
            slots.build(numbers.into_iter());
        }
    }

    /// Makes a pool of one length one of several, so that leases and reservations of other lengths have a place in it.
    pub(super) fn mix<'a>(
        &mut self,
        reserved: impl Iterator<Item = &'a Resource>,
        leases: impl Iterator<Item = Known<'a>>,
    ) {
        if let Space::Uniform {
            len,
            bases,
            exclude,
            ..
        } = &self.space
        {
            self.space = Space::Mixed {
                buddy: Box::new(Buddy::new(bases, exclude, *len)),
                lengths: Lengths::only(*len),
            };
            reserved.for_each(|resource| self.reserve(*resource, true, None));
            leases.for_each(|known| self.mark(known.lease.resource, Some(known)));
        }
    }

    /// Which router of a pair gives this resource to new clients, as the pool's configuration says: by the last bit of an address,
    /// of a prefix by the last bit of the shortest prefix that is delegated there. Nothing for what is not of the pool.
    pub fn half_of(&self, resource: Resource) -> Option<Half> {
        if !self.contains(resource) {
            return None;
        }
        let block = |prefix: Ipv6Net, len| Half::of(number_of(prefix.network(), len));
        Some(match (&self.space, resource) {
            (_, Resource::V4(address)) => Half::of(address.to_bits().into()),
            (_, Resource::V6(address)) => Half::of(address.to_bits()),
            (Space::Mixed { lengths, .. }, Resource::Prefix(prefix)) => block(prefix, lengths.min),
            (_, Resource::Prefix(prefix)) => block(prefix, prefix.prefix_len()),
        })
    }

    /// A resource for this holder: the one it hints at, if it may have that, or one that the allocation chooses; of one half, when
    /// that is told. `get` finds the lease of a resource, `leases` is the number of all, `random` a random number.
    pub(super) fn free<'a>(
        &self,
        get: impl Fn(Resource) -> Option<Known<'a>>,
        leases: usize,
        holder: &Holder,
        hint: Option<Resource>,
        (half, random): (Option<Half>, u64),
    ) -> Option<Resource> {
        if let Some(hint) = hint
            && half.is_none_or(|half| self.half_of(hint) == Some(half))
            && self.is_open_to(hint, holder, get(hint))
        {
            return Some(hint);
        }
        // The holder is in both: a poor source of random numbers does not make all of them meet.
        let key = match self.allocation {
            Allocation::Random => [random, 0],
            Allocation::Deterministic { secret } => secret,
        };
        let draw = siphash(key, &bytes_of(holder));
        let by_number = |slots: &Slots, resource: &dyn Fn(u128) -> Resource| {
            let leased = |number| {
                let resource = resource(number);
                if is_reserved_iid(resource) {
                    Use::Busy
                } else {
                    use_of(get(resource))
                }
            };
            slots.free(draw, half, leases, leased).map(resource)
        };
        match &self.space {
            Space::V6(slots) => by_number(slots, &|n| Resource::V6(Ipv6Addr::from_bits(n))),
            Space::V4(slots) => by_number(slots, &|n| Resource::V4(Ipv4Addr::from_bits(n as u32))),
            Space::Uniform { slots, len, .. } => {
                by_number(slots, &|n| Resource::Prefix(prefix_of(n, *len)))
            }
            Space::Mixed { buddy, lengths } => {
                let wanted = match hint {
                    Some(Resource::Prefix(prefix)) => prefix.prefix_len(),
                    _ => lengths.default,
                };
                // RFC 8168 section 3.2: as close to the hint as can be; the larger ones are used up when it is.
                (wanted.clamp(lengths.min, lengths.max)..=lengths.max)
                    .find_map(|len| buddy.find(len, draw, half))
                    .map(Resource::Prefix)
            }
        }
    }

    /// Whether the holder may have just this resource.
    fn is_open_to(&self, resource: Resource, holder: &Holder, known: Option<Known<'_>>) -> bool {
        let is_its_own = |known: Known<'_>| {
            known.lease.state == State::Released && known.lease.holder == *holder
        };
        if !self.contains(resource) || self.is_reserved(resource) {
            return false;
        }
        match (&self.space, resource) {
            // Its own kept prefix holds its space; nothing else may.
            (Space::Mixed { buddy, .. }, Resource::Prefix(prefix)) => match known {
                Some(known) => is_its_own(known) && buddy.is_sole(prefix),
                None => buddy.is_free(prefix),
            },
            _ => known.is_none_or(is_its_own),
        }
    }

    /// Whether the holder may have just this resource, also when another one was its last and has it no more.
    pub(super) fn may_give(
        &self,
        resource: Resource,
        holder: &Holder,
        known: Option<Known<'_>>,
    ) -> bool {
        let is_kept = matches!(use_of(known), Use::Kept);
        let is_alone = || match (&self.space, resource) {
            (Space::Mixed { buddy, .. }, Resource::Prefix(prefix)) => buddy.is_sole(prefix),
            _ => true,
        };
        let is_given = self.contains(resource) && !self.is_reserved(resource);
        self.is_open_to(resource, holder, known) || is_given && is_kept && is_alone()
    }
}

/// A lease as a pool looks at it.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub lease: &'a Lease,
    /// Whether, once it has ended, somebody else may have its resource: the other router of a pair, which might have let it last
    /// longer, has said that it has ended there, too.
    pub is_settled: bool,
}

/// What a lease makes of its resource.
fn use_of(known: Option<Known<'_>>) -> Use {
    match known.map(|known| (known.lease.state, known.is_settled)) {
        None => Use::Free,
        Some((State::Released, true)) => Use::Kept,
        Some(_) => Use::Busy,
    }
}

/// What a holder is hashed as; addresses that were promised depend on it.
fn bytes_of(holder: &Holder) -> Vec<u8> {
    let mut bytes = vec![holder.kind as u8];
    bytes.extend(holder.iaid.to_be_bytes());
    bytes.extend(holder.client.as_bytes());
    bytes
}

fn is_reserved_iid(resource: Resource) -> bool {
    let Resource::V6(address) = resource else {
        return false;
    };
    let iid = address.to_bits() as u64;
    RESERVED_IIDS.iter().any(|iids| iids.contains(&iid))
}

/// The ranges as numbers.
fn numbers<A: Copy + PartialOrd>(
    ranges: &[RangeInclusive<A>],
    number: impl Fn(&A) -> u128,
    resource: impl Fn(A) -> Resource,
) -> Result<Vec<RangeInclusive<u128>>, PoolError> {
    let numbers = |range: &RangeInclusive<A>| {
        let (first, last) = (*range.start(), *range.end());
        if first > last {
            return Err(PoolError::Backwards {
                first: resource(first),
                last: resource(last),
            });
        }
        Ok(number(&first)..=number(&last))
    };
    ranges.iter().map(numbers).collect()
}

/// The network bits of an address as a number.
fn number_of(address: Ipv6Addr, len: u8) -> u128 {
    address
        .to_bits()
        .checked_shr(128 - u32::from(len))
        .unwrap_or(0)
}

fn prefix_of(number: u128, len: u8) -> Ipv6Net {
    let bits = number.checked_shl(128 - u32::from(len)).unwrap_or(0);
    Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), len)
}
