//! From a hash to places in the slab: half of each hash is kept beside the place, so that a table that grows does not have
//! to hash all leases anew, nor look at a lease that merely collides.

use hashbrown::HashTable;

use super::slab::Slot;

/// A hash table of places; what they are looked up by stands in the slab.
#[derive(Debug, Default)]
pub struct Index(HashTable<(u32, Slot)>);

impl Index {
    /// The place with this hash that is the right one.
    pub fn find(&self, hash: u64, right: impl Fn(Slot) -> bool) -> Option<Slot> {
        let half = hash as u32;
        let found = self
            .0
            .find(spread(half), |(h, slot)| *h == half && right(*slot));
        found.map(|(_, slot)| *slot)
    }

    /// Enters a place that is not there yet.
    pub fn insert(&mut self, hash: u64, slot: Slot) {
        let half = hash as u32;
        self.0
            .insert_unique(spread(half), (half, slot), |(h, _)| spread(*h));
    }

    /// Takes a place out, or puts another one in its stead.
    pub fn replace(&mut self, hash: u64, slot: Slot, by: Option<Slot>) {
        let half = hash as u32;
        if let Ok(mut entry) = self.0.find_entry(spread(half), |(_, s)| *s == slot) {
            match by {
                Some(by) => entry.get_mut().1 = by,
                None => drop(entry.remove()),
            }
        }
    }
}

/// The table takes its group from the low bits and its tag from the high ones.
fn spread(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
