//! Where the stations of layer-2 networks are: one writer, any number of readers that never wait.
//!
//! ```text
//!   (network, MAC) ──hash──► two buckets of four slots, a cache line each
//!   slot: key 8 bytes · place 4 · seen 4
//! ```
//!
//! A slot's key is written last when it comes and cleared first when it goes, and a reader that has read the place looks at the key
//! again: what it returns was the key's place at that moment. A move is one store.
//!
//! Readers note when a station was last heard ([`Stations::touch`]); a writer that ages reads it. Buckets are chosen by a hash whose
//! seed is drawn at the start, so that nobody can aim at one; a key whose buckets stay full is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::id::{AttachId, NetworkId};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// Slots of a bucket.
const WAYS: usize = 4;
/// Bit of a place: the entry was configured.
const STATIC: u32 = AttachId::MAX_LOCAL;

#[derive(Debug, Default)]
#[repr(C)]
struct Slot {
    /// 0: free.
    key: AtomicU64,
    place: AtomicU32,
    /// When the station was last heard, seconds of the workers' clock.
    seen: AtomicU32,
}

impl Slot {
    fn fill(&self, key: u64, place: u32, seen: u32) {
        self.seen.store(seen, Ordering::Relaxed);
        self.place.store(place, Ordering::Release);
        self.key.store(key, Ordering::Release);
    }
}

#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Bucket([Slot; WAYS]);

const _: () = assert!(size_of::<Bucket>() == 64);

/// The readers' side: shared by all workers.
#[derive(Debug)]
pub struct Fdb {
    buckets: Box<[Bucket]>,
    seed: u64,
}

/// The table as readers see it.
#[derive(Clone, Copy, Debug)]
pub struct Stations<'a>(&'a Fdb);

/// Where a station is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The place.
    pub attach: AttachId,
    /// For [`Stations::touch`].
    pub handle: u32,
    is_static: bool,
}

impl Entry {
    /// Whether it was configured, and is not to be learned elsewhere.
    #[inline(always)]
    pub const fn is_static(self) -> bool {
        self.is_static
    }
}

/// A station of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station {
    /// The network.
    pub network: NetworkId,
    /// The station's address.
    pub mac: Mac,
    /// Where it is.
    pub attach: AttachId,
    /// Whether it was configured.
    pub is_static: bool,
    /// When it was last heard, seconds of the workers' clock; 0 if never.
    pub seen: u32,
}

/// Why a station was not entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FdbError {
    /// Its buckets are full.
    #[error("no room for another station: {0} are known")]
    Full(usize),
    /// Network 0 with address 0 is no station.
    #[error("not a station")]
    NoStation,
}

/// A station's network and address in one word. Never 0 for a network that is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StationKey(u64);

impl StationKey {
    /// Nobody's.
    pub const NONE: Self = Self(0);

    /// Of an address in a network.
    #[inline(always)]
    pub const fn new(network: NetworkId, mac: Mac) -> Self {
        let [a, b, c, d, e, f] = mac;
        Self((network.0 as u64) << 48 | u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// Whether the address is a group's.
    #[inline(always)]
    pub const fn is_group(self) -> bool {
        self.0 >> 40 & 1 != 0
    }
}

/// The key as the table has it.
#[inline(always)]
const fn key(network: NetworkId, mac: Mac) -> u64 {
    StationKey::new(network, mac).0
}

/// Both halves of the product, folded.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

impl Fdb {
    /// The table for the length of a burst.
    #[inline(always)]
    pub fn read(&self) -> Stations<'_> {
        Stations(self)
    }

    #[inline(always)]
    fn pair(&self, key: u64) -> [usize; 2] {
        let mixed = fold(key ^ self.seed, 0x9e37_79b9_7f4a_7c15);
        let hash = fold(mixed ^ key, self.seed | 1);
        let mask = self.buckets.len() - 1;
        let first = hash as usize & mask;
        // Another one, whatever the hash.
        let second = first ^ ((hash >> 40) as usize | 1) & mask;
        [first, second]
    }
}

impl Stations<'_> {
    /// Where a station is, if that is known.
    #[inline(always)]
    pub fn lookup(self, network: NetworkId, mac: Mac) -> Option<Entry> {
        self.find(StationKey::new(network, mac))
    }

    /// Where the station of a key is, if that is known.
    ///
    /// All slots are compared before one is chosen: which it is cannot be foretold, and a branch for each would be.
    #[inline(always)]
    pub fn find(self, StationKey(key): StationKey) -> Option<Entry> {
        let pair = self.0.pair(key);
        let mut hits = 0_u32;
        for (half, &bucket) in pair.iter().enumerate() {
            for (way, slot) in self.0.buckets[bucket].0.iter().enumerate() {
                hits |= u32::from(slot.key.load(Ordering::Acquire) == key) << (half * WAYS + way);
            }
        }
        // More than one only while the writer moves it.
        while hits != 0 {
            let hit = hits.trailing_zeros() as usize;
            hits &= hits - 1;
            let (bucket, way) = (pair[hit / WAYS], hit % WAYS);
            let slot = &self.0.buckets[bucket].0[way];
            let place = slot.place.load(Ordering::Acquire);
            if slot.key.load(Ordering::Relaxed) == key {
                return Some(Entry {
                    attach: AttachId(place & !STATIC),
                    handle: (bucket * WAYS + way) as u32,
                    is_static: place & STATIC != 0,
                });
            }
        }
        None
    }

    /// Asks for a station's buckets to be in the cache soon.
    #[inline(always)]
    pub fn fetch(self, StationKey(key): StationKey) {
        for bucket in self.0.pair(key) {
            crate::prefetch(std::ptr::from_ref(&self.0.buckets[bucket]).cast());
        }
    }

    /// Notes that the station of a handle was heard. One that has just gone is of no matter: its slot is not read.
    #[inline(always)]
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
pub struct FdbWriter {
    table: Arc<Fdb>,
    len: usize,
}

impl FdbWriter {
    /// A table for up to `stations`; twice as many slots.
    pub fn new(stations: usize, seed: u64) -> (Self, Arc<Fdb>) {
        let buckets = (2 * stations.max(WAYS)).div_ceil(WAYS).next_power_of_two();
        let buckets = std::iter::repeat_with(Bucket::default).take(buckets);
        let table = Arc::new(Fdb {
            buckets: buckets.collect(),
            seed: seed | 1 << 63,
        });
        let writer = Self {
            table: table.clone(),
            len: 0,
        };
        (writer, table)
    }

    /// How many stations are known.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Enters a station, or moves it. Where it was before.
    ///
    /// # Errors
    /// There is no room for it; nothing has changed.
    pub fn insert(
        &mut self,
        network: NetworkId,
        mac: Mac,
        attach: AttachId,
        is_static: bool,
        now: u32,
    ) -> Result<Option<AttachId>, FdbError> {
        let key = key(network, mac);
        if key == 0 {
            return Err(FdbError::NoStation);
        }
        let place = attach.0 | if is_static { STATIC } else { 0 };
        if let Some(slot) = self.slot(key) {
            let before = slot.place.swap(place, Ordering::AcqRel);
            slot.seen.store(now, Ordering::Relaxed);
            return Ok(Some(AttachId(before & !STATIC)));
        }
        let [first, second] = self.table.pair(key);
        // Into the emptier one.
        let bucket = match self.free(first).count() < self.free(second).count() {
            true => second,
            false => first,
        };
        let slot = self.free(bucket).next();
        let slot = slot.or_else(|| self.make_room([first, second]));
        slot.ok_or(FdbError::Full(self.len))?.fill(key, place, now);
        self.len += 1;
        Ok(None)
    }

    /// The free slots of a bucket.
    fn free(&self, bucket: usize) -> impl Iterator<Item = &Slot> {
        let slots = self.table.buckets[bucket].0.iter();
        slots.filter(|slot| slot.key.load(Ordering::Relaxed) == 0)
    }

    /// Moves a station of full buckets to its other bucket. It is in both for a moment: readers always find it.
    fn make_room(&self, full: [usize; 2]) -> Option<&Slot> {
        let slots = full
            .iter()
            .flat_map(|&bucket| &self.table.buckets[bucket].0);
        for slot in slots {
            let key = slot.key.load(Ordering::Relaxed);
            let others = self.table.pair(key).into_iter();
            let room = others.flat_map(|bucket| self.free(bucket)).next();
            if let Some(room) = room {
                let place = slot.place.load(Ordering::Relaxed);
                room.fill(key, place, slot.seen.load(Ordering::Relaxed));
                slot.key.store(0, Ordering::Release);
                return Some(slot);
            }
        }
        None
    }

    /// Forgets a station. Where it was.
    pub fn remove(&mut self, network: NetworkId, mac: Mac) -> Option<AttachId> {
        let slot = self.slot(key(network, mac))?;
        slot.key.store(0, Ordering::Release);
        let place = slot.place.load(Ordering::Relaxed);
        self.len -= 1;
        Some(AttachId(place & !STATIC))
    }

    /// A station, if it is known.
    pub fn get(&self, network: NetworkId, mac: Mac) -> Option<Station> {
        self.slot(key(network, mac)).and_then(station)
    }

    /// Every station, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Station> + '_ {
        self.table
            .buckets
            .iter()
            .flat_map(|bucket| &bucket.0)
            .filter_map(station)
    }

    fn slot(&self, key: u64) -> Option<&Slot> {
        if key == 0 {
            return None;
        }
        let buckets = self.table.pair(key).into_iter();
        buckets
            .flat_map(|bucket| &self.table.buckets[bucket].0)
            .find(|slot| slot.key.load(Ordering::Relaxed) == key)
    }
}

fn station(slot: &Slot) -> Option<Station> {
    let key = slot.key.load(Ordering::Relaxed);
    let [_, _, mac @ ..] = key.to_be_bytes();
    let place = slot.place.load(Ordering::Relaxed);
    (key != 0).then(|| Station {
        network: NetworkId((key >> 48) as u16),
        mac,
        attach: AttachId(place & !STATIC),
        is_static: place & STATIC != 0,
        seen: slot.seen.load(Ordering::Relaxed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Place;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::sync::atomic::AtomicBool;

    const BLUE: NetworkId = NetworkId(1);

    fn mac(n: u32) -> Mac {
        let [a, b, c, d] = n.to_be_bytes();
        [2, 0, a, b, c, d]
    }

    fn at(n: u32) -> AttachId {
        AttachId::of(Place::Local(n))
    }

    #[test]
    fn a_station_comes_moves_and_goes() {
        let (mut writer, table) = FdbWriter::new(16, 7);
        assert_eq!(writer.insert(BLUE, mac(1), at(1), false, 5), Ok(None));
        let entry = table.read().lookup(BLUE, mac(1)).unwrap();
        assert_eq!((entry.attach, entry.is_static()), (at(1), false));
        assert_eq!(table.read().lookup(NetworkId(2), mac(1)), None);
        table.read().touch(entry.handle, 9);
        assert_eq!(writer.get(BLUE, mac(1)).unwrap().seen, 9);
        assert_eq!(
            writer.insert(BLUE, mac(1), at(2), true, 10),
            Ok(Some(at(1)))
        );
        let entry = table.read().lookup(BLUE, mac(1)).unwrap();
        assert_eq!((entry.attach, entry.is_static()), (at(2), true));
        assert_eq!(writer.len(), 1);
        assert_eq!(writer.remove(BLUE, mac(1)), Some(at(2)));
        assert_eq!(table.read().lookup(BLUE, mac(1)), None);
        assert_eq!((writer.remove(BLUE, mac(1)), writer.len()), (None, 0));
        assert_eq!(
            writer.insert(NetworkId(0), [0; 6], at(1), false, 0),
            Err(FdbError::NoStation)
        );
    }

    #[test]
    fn as_many_as_were_asked_for_fit_and_a_full_table_says_so() {
        let (mut writer, table) = FdbWriter::new(65_536, 99);
        for n in 0..65_536 {
            assert_eq!(
                writer.insert(BLUE, mac(n), at(n + 1), false, 0),
                Ok(None),
                "{n}"
            );
        }
        for n in 0..65_536 {
            let found = table.read().lookup(BLUE, mac(n)).map(|entry| entry.attach);
            assert_eq!(found, Some(at(n + 1)));
        }
        let (mut small, table) = FdbWriter::new(8, 99);
        let refused = (0..100).filter(|&n| small.insert(BLUE, mac(n), at(1), false, 0).is_err());
        assert_eq!(refused.count() + small.len(), 100);
        assert!(small.len() <= 16);
        let found = (0..100).filter(|&n| table.read().lookup(BLUE, mac(n)).is_some());
        assert_eq!(found.count(), small.len());
    }

    /// Readers see of every station its own place or none, never another's, while stations come and go.
    #[test]
    fn readers_never_read_the_place_of_another() {
        let (mut writer, table) = FdbWriter::new(8, 3);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut found = 0_u64;
                    while !stop.load(Ordering::Relaxed) || found == 0 {
                        for n in 0..32 {
                            if let Some(entry) = table.read().lookup(BLUE, mac(n)) {
                                assert_eq!(entry.attach, at(n + 1));
                                found += 1;
                            }
                        }
                    }
                });
            }
            for round in 0..200_000_u32 {
                let n = round.wrapping_mul(2_654_435_761) >> 27;
                if writer.remove(BLUE, mac(n)).is_none() {
                    let _ = writer.insert(BLUE, mac(n), at(n + 1), false, round);
                }
            }
            let _ = writer.insert(BLUE, mac(1), at(2), false, 0);
            stop.store(true, Ordering::Relaxed);
        });
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_map(steps in prop::collection::vec((0..3u16, 0..40u32, 0..4u32), 1..400)) {
            let (mut writer, table) = FdbWriter::new(256, 1);
            let mut model = HashMap::new();
            for (network, station, place) in steps {
                let (network, mac) = (NetworkId(network + 1), mac(station));
                if place == 0 {
                    prop_assert_eq!(writer.remove(network, mac), model.remove(&(network, mac)));
                } else if let Ok(before) = writer.insert(network, mac, at(place), false, 0) {
                    prop_assert_eq!(before, model.insert((network, mac), at(place)));
                } else {
                    prop_assert!(!model.contains_key(&(network, mac)));
                }
            }
            prop_assert_eq!(writer.len(), model.len());
            prop_assert_eq!(writer.iter().count(), model.len());
            for ((network, mac), place) in model {
                prop_assert_eq!(table.read().lookup(network, mac).map(|e| e.attach), Some(place));
            }
        }
    }
}
