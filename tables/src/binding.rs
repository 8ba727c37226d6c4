//! Who has which address in layer-2 networks: one writer, any number of readers that never wait.
//!
//! ```text
//!   (network, address) ──hash──► two buckets of four slots, two cache lines each
//!   slot: word 4 · seen 4 · address 16 · network and MAC 8
//! ```
//!
//! The word of a slot counts its changes and says while one is under way. A reader that sees it move takes the slot for another's: what
//! it returns was so as a whole, and an address that is just being written is unknown for a moment, which is always right to believe.
//!
//! Readers note when a binding was last confirmed ([`Owners::touch`]); a writer that ages reads it. Buckets are chosen by a hash whose
//! seed is drawn at the start, so that nobody can aim at one; an address whose buckets stay full is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use crate::fdb::Mac;
use crate::id::NetworkId;

/// Slots of a bucket.
const WAYS: usize = 4;
/// Bits of a slot's word: it is being written ...
const BUSY: u32 = 1;
/// ... the address is one of our own ...
const OWN: u32 = 2;
/// ... its owner is a router. The other bits count changes.
const ROUTER: u32 = 4;
const MARKS: u32 = BUSY | OWN | ROUTER;
const CHANGE: u32 = 8;

#[derive(Debug, Default)]
#[repr(C)]
struct Slot {
    word: AtomicU32,
    /// When the binding was last confirmed, seconds of the workers' clock.
    seen: AtomicU32,
    high: AtomicU64,
    low: AtomicU64,
    /// Network, 16 bits, and MAC. 0: free.
    owner: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(C, align(128))]
struct Bucket([Slot; WAYS]);

const _: () = assert!(size_of::<Bucket>() == 128);

/// What a slot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Contents {
    address: u128,
    owner: u64,
    marks: u32,
}

impl Slot {
    /// For the writer alone.
    fn write(&self, contents: Contents, seen: u32) {
        let count = self.word.load(Ordering::Relaxed) & !MARKS;
        self.word.store(count | BUSY, Ordering::Relaxed);
        // Who reads anything of what follows sees that the slot is busy, or has changed, when it looks again.
        fence(Ordering::Release);
        self.high
            .store((contents.address >> 64) as u64, Ordering::Relaxed);
        self.low.store(contents.address as u64, Ordering::Relaxed);
        self.owner.store(contents.owner, Ordering::Relaxed);
        self.seen.store(seen, Ordering::Relaxed);
        let word = count.wrapping_add(CHANGE) | contents.marks;
        self.word.store(word, Ordering::Release);
    }

    /// What it holds, whole; `None` while it is being written.
    #[inline(always)]
    fn read(&self) -> Option<Contents> {
        let word = self.word.load(Ordering::Acquire);
        let high = self.high.load(Ordering::Relaxed);
        let low = self.low.load(Ordering::Relaxed);
        let owner = self.owner.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let is_whole = word & BUSY == 0 && self.word.load(Ordering::Relaxed) == word;
        is_whole.then_some(Contents {
            address: u128::from(high) << 64 | u128::from(low),
            owner,
            marks: word & MARKS,
        })
    }
}

/// The readers' side: shared by all workers.
#[derive(Debug)]
pub struct Bindings {
    buckets: Box<[Bucket]>,
    seed: u64,
}

/// The table as readers see it.
#[derive(Clone, Copy, Debug)]
pub struct Owners<'a>(&'a Bindings);

/// An address and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The network.
    pub network: NetworkId,
    /// The address, IPv4 as an IPv4-mapped one.
    pub address: u128,
    /// The station that has it.
    pub mac: Mac,
    /// Whether that station says that it is a router (RFC 4861 section 4.4).
    pub is_router: bool,
    /// Whether it is one of our own: an interface of a router of ours has it.
    pub is_own: bool,
}

/// A binding that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// It.
    pub binding: Binding,
    /// When it was last confirmed, seconds of the workers' clock.
    pub seen: u32,
    /// For [`Owners::touch`].
    pub handle: u32,
}

/// Why a binding was not entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// Its buckets are full.
    #[error("no room for another address: {0} are known")]
    Full(usize),
    /// Network 0 with MAC 0 is nobody.
    #[error("not a station")]
    NoStation,
}

/// Both halves of the product, folded.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

const fn owner(network: NetworkId, mac: Mac) -> u64 {
    let [a, b, c, d, e, f] = mac;
    (network.0 as u64) << 48 | u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

impl Contents {
    fn binding(self) -> Binding {
        let [_, _, mac @ ..] = self.owner.to_be_bytes();
        Binding {
            network: NetworkId((self.owner >> 48) as u16),
            address: self.address,
            mac,
            is_router: self.marks & ROUTER != 0,
            is_own: self.marks & OWN != 0,
        }
    }

    const fn is(&self, network: NetworkId, address: u128) -> bool {
        self.owner != 0 && (self.owner >> 48) as u16 == network.0 && self.address == address
    }
}

impl From<&Binding> for Contents {
    fn from(binding: &Binding) -> Self {
        let mark = |is, mark| if is { mark } else { 0 };
        Self {
            address: binding.address,
            owner: owner(binding.network, binding.mac),
            marks: mark(binding.is_router, ROUTER) | mark(binding.is_own, OWN),
        }
    }
}

impl Bindings {
    /// The table for the length of a burst.
    #[inline(always)]
    pub fn read(&self) -> Owners<'_> {
        Owners(self)
    }

    fn pair(&self, network: NetworkId, address: u128) -> [usize; 2] {
        let high = fold((address >> 64) as u64 ^ self.seed, 0x9e37_79b9_7f4a_7c15);
        let low = address as u64 ^ u64::from(network.0) << 48;
        let hash = fold(
            high ^ low,
            self.seed.rotate_left(32) ^ 0xd6e8_feb8_6659_fd93,
        );
        let hash = fold(hash ^ low, self.seed | 1);
        let mask = self.buckets.len() - 1;
        let first = hash as usize & mask;
        // Another one, whatever the hash.
        let second = first ^ ((hash >> 40) as usize | 1) & mask;
        [first, second]
    }
}

impl Owners<'_> {
    /// Whose an address is, if that is known. IPv4 as an IPv4-mapped address.
    pub fn lookup(self, network: NetworkId, address: u128) -> Option<Found> {
        for bucket in self.0.pair(network, address) {
            for (way, slot) in self.0.buckets[bucket].0.iter().enumerate() {
                if let Some(contents) = slot.read()
                    && contents.is(network, address)
                {
                    return Some(Found {
                        binding: contents.binding(),
                        seen: slot.seen.load(Ordering::Relaxed),
                        handle: (bucket * WAYS + way) as u32,
                    });
                }
            }
        }
        None
    }

    /// Begins to bring what [`Owners::lookup`] will read, of the first bucket: few addresses are in their second one.
    #[inline(always)]
    pub fn prefetch(self, network: NetworkId, address: u128) {
        let [first, _] = self.0.pair(network, address);
        let bucket = std::ptr::from_ref(&self.0.buckets[first]).cast::<u8>();
        crate::prefetch(bucket);
        crate::prefetch(bucket.wrapping_add(64));
    }

    /// Notes that the binding of a handle was confirmed. That of another which has just taken the slot is as young.
    pub fn touch(self, handle: u32, seconds: u32) {
        let (bucket, way) = (handle as usize / WAYS, handle as usize % WAYS);
        if let Some(bucket) = self.0.buckets.get(bucket) {
            let seen = &bucket.0[way].seen;
            if seen.load(Ordering::Relaxed) != seconds {
                seen.store(seconds, Ordering::Relaxed);
            }
        }
    }
}

/// The writer's side: one per table.
#[derive(Debug)]
pub struct BindingWriter {
    table: Arc<Bindings>,
    len: usize,
}

impl BindingWriter {
    /// A table for up to `addresses`; twice as many slots.
    pub fn new(addresses: usize, seed: u64) -> (Self, Arc<Bindings>) {
        let buckets = (2 * addresses.max(WAYS)).div_ceil(WAYS).next_power_of_two();
        let buckets = std::iter::repeat_with(Bucket::default).take(buckets);
        let table = Arc::new(Bindings {
            buckets: buckets.collect(),
            seed: seed | 1 << 63,
        });
        let writer = Self {
            table: table.clone(),
            len: 0,
        };
        (writer, table)
    }

    /// How many addresses are known.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Enters a binding, in the place of one of the same address.
    ///
    /// # Errors
    /// There is no room for it; nothing has changed.
    pub fn insert(&mut self, binding: &Binding, now: u32) -> Result<(), BindingError> {
        let contents = Contents::from(binding);
        if contents.owner == 0 {
            return Err(BindingError::NoStation);
        }
        if let Some(slot) = self.slot(binding.network, binding.address) {
            slot.write(contents, now);
            return Ok(());
        }
        let pair = self.table.pair(binding.network, binding.address);
        // Into the emptier one.
        let [first, second] = pair;
        let bucket = match self.free(first).count() < self.free(second).count() {
            true => second,
            false => first,
        };
        let slot = self.free(bucket).next().or_else(|| self.make_room(pair));
        slot.ok_or(BindingError::Full(self.len))?
            .write(contents, now);
        self.len += 1;
        Ok(())
    }

    /// The free slots of a bucket.
    fn free(&self, bucket: usize) -> impl Iterator<Item = &Slot> {
        let slots = self.table.buckets[bucket].0.iter();
        slots.filter(|slot| slot.owner.load(Ordering::Relaxed) == 0)
    }

    /// Moves an address of full buckets to its other bucket. It is in both for a moment.
    fn make_room(&self, full: [usize; 2]) -> Option<&Slot> {
        let slots = full
            .iter()
            .flat_map(|&bucket| &self.table.buckets[bucket].0);
        for slot in slots {
            // Nobody else writes: it is whole.
            let Some(contents) = slot.read() else {
                continue;
            };
            let Binding {
                network, address, ..
            } = contents.binding();
            let others = self.table.pair(network, address).into_iter();
            let room = others.flat_map(|bucket| self.free(bucket)).next();
            if let Some(room) = room {
                room.write(contents, slot.seen.load(Ordering::Relaxed));
                slot.write(Contents::default(), 0);
                return Some(slot);
            }
        }
        None
    }

    /// Forgets an address. Whether it was known.
    pub fn remove(&mut self, network: NetworkId, address: u128) -> bool {
        let Some(slot) = self.slot(network, address) else {
            return false;
        };
        slot.write(Contents::default(), 0);
        self.len -= 1;
        true
    }

    /// When the binding of an address was last confirmed, if it is known.
    pub fn seen(&self, network: NetworkId, address: u128) -> Option<u32> {
        let slot = self.slot(network, address)?;
        Some(slot.seen.load(Ordering::Relaxed))
    }

    fn slot(&self, network: NetworkId, address: u128) -> Option<&Slot> {
        let buckets = self.table.pair(network, address).into_iter();
        buckets
            .flat_map(|bucket| &self.table.buckets[bucket].0)
            .find(|slot| slot.read().is_some_and(|c| c.is(network, address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::sync::atomic::AtomicBool;

    const BLUE: NetworkId = NetworkId(1);

    /// The n-th address, with a MAC and marks that are its own.
    fn binding(n: u32) -> Binding {
        let [a, b, c, d] = n.to_be_bytes();
        Binding {
            network: BLUE,
            address: u128::from(n) << 64 | u128::from(!n),
            mac: [2, 0, a, b, c, d],
            is_router: n & 1 != 0,
            is_own: n & 2 != 0,
        }
    }

    fn owned(table: &Bindings, n: u32) -> Option<Binding> {
        let found = table.read().lookup(BLUE, binding(n).address);
        found.map(|found| found.binding)
    }

    #[test]
    fn an_address_comes_changes_hands_and_goes() {
        let (mut writer, table) = BindingWriter::new(16, 7);
        assert_eq!(writer.insert(&binding(1), 5), Ok(()));
        let found = table.read().lookup(BLUE, binding(1).address).unwrap();
        assert_eq!((found.binding, found.seen), (binding(1), 5));
        assert_eq!(table.read().lookup(NetworkId(2), binding(1).address), None);
        table.read().touch(found.handle, 9);
        assert_eq!(writer.seen(BLUE, binding(1).address), Some(9));
        let other = Binding {
            mac: [2, 9, 9, 9, 9, 9],
            is_router: false,
            ..binding(1)
        };
        assert_eq!(writer.insert(&other, 10), Ok(()));
        assert_eq!((owned(&table, 1), writer.len()), (Some(other), 1));
        assert!(writer.remove(BLUE, other.address));
        assert_eq!((owned(&table, 1), writer.is_empty()), (None, true));
        assert!(!writer.remove(BLUE, other.address));
        assert_eq!(writer.seen(BLUE, other.address), None);
        let nobody = Binding {
            network: NetworkId(0),
            mac: [0; 6],
            ..binding(1)
        };
        assert_eq!(writer.insert(&nobody, 0), Err(BindingError::NoStation));
    }

    #[test]
    fn as_many_as_were_asked_for_fit_and_a_full_table_says_so() {
        let (mut writer, table) = BindingWriter::new(65_536, 99);
        for n in 0..65_536 {
            assert_eq!(writer.insert(&binding(n), 0), Ok(()), "{n}");
        }
        for n in 0..65_536 {
            assert_eq!(owned(&table, n), Some(binding(n)));
        }
        let (mut small, table) = BindingWriter::new(8, 99);
        let refused = (0..100).filter(|&n| small.insert(&binding(n), 0).is_err());
        assert_eq!(refused.count() + small.len(), 100);
        assert!(small.len() <= 16);
        let found = (0..100).filter(|&n| owned(&table, n).is_some());
        assert_eq!(found.count(), small.len());
    }

    /// Readers see of every address its own owner or none, never another's, while addresses come and go in the same slots.
    #[test]
    fn readers_never_read_the_owner_of_another() {
        let (mut writer, table) = BindingWriter::new(8, 3);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut found = 0_u64;
                    while !stop.load(Ordering::Relaxed) || found == 0 {
                        for n in 0..32 {
                            if let Some(read) = owned(&table, n) {
                                assert_eq!(read, binding(n));
                                found += 1;
                            }
                        }
                    }
                });
            }
            for round in 0..200_000_u32 {
                let n = round.wrapping_mul(2_654_435_761) >> 27;
                if !writer.remove(BLUE, binding(n).address) {
                    let _ = writer.insert(&binding(n), round);
                }
            }
            let _ = writer.insert(&binding(1), 0);
            stop.store(true, Ordering::Relaxed);
        });
    }

    proptest! {
        #[test]
        fn the_table_is_a_map(ops in proptest::collection::vec((any::<bool>(), 0..60_u32, 0..4_u8), 0..400), seed: u64) {
            let (mut writer, table) = BindingWriter::new(32, seed);
            let mut map = HashMap::new();
            for (insert, n, last) in ops {
                let new = Binding { mac: [2, 0, 0, 0, 0, last], ..binding(n) };
                if !insert {
                    prop_assert_eq!(writer.remove(BLUE, new.address), map.remove(&n).is_some());
                } else if writer.insert(&new, 0).is_ok() {
                    map.insert(n, new);
                } else {
                    prop_assert!(!map.contains_key(&n), "one that is there was refused");
                }
            }
            prop_assert_eq!(writer.len(), map.len());
            for n in 0..60 {
                prop_assert_eq!(owned(&table, n), map.get(&n).copied());
            }
        }
    }
}
