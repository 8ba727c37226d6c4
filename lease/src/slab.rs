//! Where the leases lie: in chunks that never move, so that a growing book neither copies itself nor doubles.

use super::Lease;

/// A place in the slab; stable while its lease is there.
pub type Slot = u32;

/// No place.
pub const NONE: Slot = Slot::MAX;

const CHUNK: usize = 1024;

/// Leases by place.
#[derive(Debug, Default)]
pub struct Slab {
    chunks: Vec<Vec<Entry>>,
    /// The first unused place below the end, linked by `next`.
    unused: Option<Slot>,
    len: usize,
}

#[derive(Debug)]
pub struct Entry {
    pub lease: Option<Lease>,
    /// The next lease of the same holder; of an empty place, the next empty one. [`NONE`] at the end.
    pub next: Slot,
    /// Whether the other router of a pair is known to have this version of it.
    pub is_acked: bool,
}

impl Slab {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn get(&self, slot: Slot) -> Option<&Entry> {
        self.chunks
            .get(slot as usize / CHUNK)?
            .get(slot as usize % CHUNK)
    }

    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.chunks
            .get_mut(slot as usize / CHUNK)?
            .get_mut(slot as usize % CHUNK)
    }

    pub fn lease(&self, slot: Slot) -> Option<&Lease> {
        self.get(slot)?.lease.as_ref()
    }

    /// Puts a lease into an empty place.
    pub fn insert(&mut self, lease: Lease) -> Slot {
        self.len += 1;
        let entry = Entry {
            lease: Some(lease),
            next: NONE,
            is_acked: false,
        };
        if let Some(slot) = self.unused
            && let Some(place) = self.get_mut(slot)
        {
            let next = std::mem::replace(place, entry).next;
            self.unused = (next != NONE).then_some(next);
            return slot;
        }
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => chunk.push(entry),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(entry);
                self.chunks.push(chunk);
            }
        }
        let last = self.chunks.last().map_or(0, Vec::len);
        ((self.chunks.len() - 1) * CHUNK + last - 1) as Slot
    }

    /// Empties a place.
    pub fn remove(&mut self, slot: Slot) -> Option<Lease> {
        let next = self.unused.unwrap_or(NONE);
        let entry = self.get_mut(slot)?;
        let lease = entry.lease.take()?;
        entry.next = next;
        self.unused = Some(slot);
        self.len -= 1;
        Some(lease)
    }

    /// The leases in places from this one on, with their places, and whether the other router of a pair has them.
    pub fn iter_from(&self, slot: Slot) -> impl Iterator<Item = (Slot, &Lease, bool)> {
        let (chunk, within) = (slot as usize / CHUNK, slot as usize % CHUNK);
        let chunks = self.chunks.iter().enumerate().skip(chunk);
        chunks.flat_map(move |(n, entries)| {
            let skip = if n == chunk { within } else { 0 };
            let places = entries.iter().enumerate().skip(skip);
            places.filter_map(move |(at, entry)| {
                let slot = (n * CHUNK + at) as Slot;
                Some((slot, entry.lease.as_ref()?, entry.is_acked))
            })
        })
    }
}
