//! The next-hop table: what a route's `NextHopId` stands for.
//!
//! Readers pay two dependent loads (slot, record). A record is immutable while readers may hold it: a change
//! writes a free record and stores its number into the slot, so that any number of routes change their next hop by
//! one store (prefix-independent convergence); the old record is reused after a grace period.
//!
//! ```text
//!   NextHopId ──► slots[id]: AtomicU32 ──► records[n]: NextHop, 64 bytes
//! ```
//!
//! # Invariants
//! 1. Record 0 is `NoRoute` for ever, and every slot that is not allocated holds 0.
//! 2. A record is written only while no slot holds its number and no reader can hold a reference to it: when it was
//!    never used, or after the grace period that began when its number was stored over.
//! 3. An id is handed out again only after a grace period, so that no reader can mix up its two lives.
#![allow(unsafe_code)]

use crate::id::{IfaceId, NextHopId, PortId, VrfId};
use crate::publish::{Qsbr, Reader, Retired};
use crate::region::Region;
use hashbrown::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes of the longest layer-2 header a next hop can prepend: Ethernet with two VLAN tags.
pub const MAX_HEADER: usize = 22;

/// What happens to a packet that takes this next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NextHopKind {
    /// No route: answered with ICMP no route. Only id 0 has it.
    NoRoute = 0,
    /// A resolved neighbour: prepend `header`, send out of `port`.
    Forward = 1,
    /// An ECMP group: `gateway` is unused, `group` names the members.
    Group = 2,
    /// One of our own addresses.
    Local = 3,
    /// A connected prefix: resolve the packet's destination on `iface`.
    Glean = 4,
    /// A gateway whose link-layer address is not known yet: resolve `gateway` on `iface`.
    Incomplete = 5,
    /// Dropped silently (RFC 6666 discard).
    Blackhole = 6,
    /// Dropped with ICMP unreachable (no route / host).
    Unreachable = 7,
    /// Dropped with ICMP administratively prohibited.
    Prohibit = 8,
    /// A resolved neighbour on a layer-2 network: prepend `header`, then ask the network's FDB where it is.
    Bridge = 9,
    /// An interface that is a tunnel: the packet goes into it as it is.
    Tunnel = 10,
    /// Looked up once more, in the table of the router `vrf`.
    Router = 11,
}

impl NextHopKind {
    /// Whether a packet can leave this way at once, unless it is too long.
    #[inline(always)]
    pub const fn is_resolved(self) -> bool {
        matches!(self, Self::Forward | Self::Bridge | Self::Tunnel)
    }
}

/// One next hop: one cache line, plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct NextHop {
    /// Destination MAC, source MAC, VLAN tags if any, EtherType last; `header_len` bytes, network order. The
    /// EtherType is written by the rewrite stage for the packet's family, so one record serves both.
    pub header: [u8; MAX_HEADER],
    /// Bytes of `header` in use: 14, 18 or 22.
    pub header_len: u8,
    /// What to do.
    pub kind: NextHopKind,
    /// Port to send from (`Forward`).
    pub port: PortId,
    /// Outgoing interface (`Forward`, `Glean`, `Incomplete`); the interface that owns the address (`Local`).
    pub iface: IfaceId,
    /// Layer-3 MTU of the interface, bytes: longer packets get Packet Too Big or are fragmented.
    pub mtu: u16,
    /// Index of the group's buckets (`Group`).
    pub group: u16,
    /// The router whose table says more (`Router`).
    pub vrf: VrfId,
    /// Address to resolve (`Incomplete`): IPv6, or IPv4 in its last 4 bytes as an IPv4-mapped address.
    pub gateway: [u8; 16],
}

const _: () = assert!(size_of::<NextHop>() == 64);

impl NextHop {
    /// The record of id 0: there is no route.
    pub const NO_ROUTE: NextHop = NextHop::of_kind(NextHopKind::NoRoute);

    /// A record with nothing but its kind: what `Blackhole`, `Unreachable`, `Prohibit` need.
    pub const fn of_kind(kind: NextHopKind) -> NextHop {
        NextHop {
            header: [0; MAX_HEADER],
            header_len: 0,
            kind,
            port: PortId(0),
            iface: IfaceId(0),
            mtu: 0,
            group: 0,
            vrf: VrfId(0),
            gateway: [0; 16],
        }
    }
}

/// Why the next-hop table refused a change.
#[derive(Debug, thiserror::Error)]
pub enum NextHopError {
    /// The memory could not be reserved.
    #[error("cannot reserve the next-hop table")]
    Memory(#[source] std::io::Error),
    /// The capacity is not in `1..2^28`.
    #[error("a capacity of {0} next hops is not in 1..2^28")]
    Capacity(usize),
    /// All ids are in use or wait for their grace period.
    #[error("all {0} next hops are in use")]
    Full(usize),
    /// Too many records wait for their grace period: workers have not been quiescent for long.
    #[error("no free record: {0} wait for workers to be quiescent")]
    NoRecord(usize),
    /// The id is not allocated (0 never is).
    #[error("next hop {0} is not allocated")]
    Unknown(NextHopId),
}

/// The readers' side: shared by all workers. In lines of its own: its neighbours on the heap may be written at any time.
#[derive(Debug)]
#[repr(align(64))]
pub struct NextHopTable {
    slots: Region,
    records: Region,
    /// Number of slots; there are twice as many records.
    capacity: usize,
    qsbr: Arc<Qsbr>,
}

impl NextHopTable {
    /// The table as `reader` may see it until its next quiescent state: taken once a burst.
    ///
    /// # Panics
    /// If `reader` belongs to another [`Qsbr`] than the table.
    #[inline(always)]
    pub fn read<'r>(&'r self, reader: &'r Reader) -> NextHops<'r> {
        assert!(
            reader.belongs_to(&self.qsbr),
            "reader of another QSBR instance"
        );
        NextHops { table: self }
    }

    #[inline(always)]
    fn slot(&self, index: usize) -> &AtomicU32 {
        debug_assert!(index < self.capacity);
        // SAFETY: `index` is below the capacity, and the region holds that many aligned u32, which the kernel zeroed.
        unsafe { &*self.slots.base().cast::<AtomicU32>().add(index) }
    }

    #[inline(always)]
    fn record(&self, number: u32) -> *mut NextHop {
        // SAFETY: numbers are handed out below twice the capacity, which is what the region holds.
        unsafe { self.records.base().cast::<NextHop>().add(number as usize) }
    }
}

/// [`NextHopTable`] for the length of a burst.
#[derive(Clone, Copy, Debug)]
pub struct NextHops<'r> {
    table: &'r NextHopTable,
}

impl<'r> NextHops<'r> {
    /// The record of `id`; `NoRoute` if it is 0, not allocated or out of range.
    #[inline(always)]
    pub fn get(self, id: NextHopId) -> &'r NextHop {
        let index = if id.index() < self.table.capacity {
            id.index()
        } else {
            0
        };
        let number = self.table.slot(index).load(Ordering::Acquire);
        // SAFETY: a number found in a slot names a record that is not written (invariant 2) before the reader, which
        // `'r` borrows, has been quiescent.
        unsafe { &*self.table.record(number) }
    }

    /// As [`NextHops::get`], without a look at the record yet: it is asked for, to be in the cache soon.
    #[inline(always)]
    pub fn fetch(self, id: NextHopId) -> &'r NextHop {
        let record = self.get(id);
        crate::prefetch(std::ptr::from_ref(record).cast());
        record
    }
}

/// The writer's side: one per table.
#[derive(Debug)]
pub struct NextHopWriter {
    table: Arc<NextHopTable>,
    free_ids: Vec<u32>,
    next_id: u32,
    /// Freed, but still in their grace period.
    freed: HashSet<u32>,
    free_records: Vec<u32>,
    next_record: u32,
    retired: Retired<Retiree>,
}

/// What waits for its grace period.
#[derive(Debug)]
enum Retiree {
    Record(u32),
    Id(u32),
}

impl NextHopWriter {
    /// A table for `capacity` ids, id 0 included. Memory is only taken as ids are used.
    pub fn new(
        capacity: usize,
        qsbr: Arc<Qsbr>,
    ) -> Result<(NextHopWriter, Arc<NextHopTable>), NextHopError> {
        if capacity == 0 || capacity >= 1 << 28 {
            return Err(NextHopError::Capacity(capacity));
        }
        let region = |bytes| Region::fixed(bytes).map_err(NextHopError::Memory);
        let table = Arc::new(NextHopTable {
            slots: region(capacity * size_of::<AtomicU32>())?,
            records: region(2 * capacity * size_of::<NextHop>())?,
            capacity,
            qsbr,
        });
        // SAFETY: record 0 exists, and nobody else has seen the table yet.
        unsafe { table.record(0).write(NextHop::NO_ROUTE) };
        let writer = NextHopWriter {
            table: table.clone(),
            free_ids: Vec::new(),
            next_id: 1,
            freed: HashSet::new(),
            free_records: Vec::new(),
            next_record: 1,
            retired: Retired::default(),
        };
        Ok((writer, table))
    }

    /// Allocates an id for `next_hop`.
    pub fn alloc(&mut self, next_hop: NextHop) -> Result<NextHopId, NextHopError> {
        if self.free_ids.is_empty() && self.next_id as usize == self.table.capacity {
            self.reclaim();
        }
        let id = match self.free_ids.pop() {
            Some(id) => id,
            None if (self.next_id as usize) < self.table.capacity => {
                self.next_id += 1;
                self.next_id - 1
            }
            None => return Err(NextHopError::Full(self.table.capacity)),
        };
        match self.write_record(next_hop) {
            Ok(number) => {
                self.table
                    .slot(id as usize)
                    .store(number, Ordering::Release);
                Ok(NextHopId(id))
            }
            Err(error) => {
                self.free_ids.push(id);
                Err(error)
            }
        }
    }

    /// Changes what `id` stands for: one store, whatever the number of routes that lead there.
    pub fn set(&mut self, id: NextHopId, next_hop: NextHop) -> Result<(), NextHopError> {
        self.number(id)?;
        let new = self.write_record(next_hop)?;
        let old = self.table.slot(id.index()).swap(new, Ordering::AcqRel);
        self.retired.push(Retiree::Record(old));
        self.retired.seal(&self.table.qsbr);
        Ok(())
    }

    /// What `id` stands for.
    pub fn get(&self, id: NextHopId) -> Option<NextHop> {
        let number = self.number(id).ok()?;
        // SAFETY: the slot holds the number, so the record is not being written: only `&mut self` does that.
        Some(unsafe { *self.table.record(number) })
    }

    /// Gives up `id`. Call it after the last route to it is gone: a worker that took the id from a route just
    /// before still finds its record. The id is not handed out again before all workers have been quiescent.
    pub fn free(&mut self, id: NextHopId) -> Result<(), NextHopError> {
        self.number(id)?;
        self.freed.insert(id.0);
        self.retired.push(Retiree::Id(id.0));
        self.retired.seal(&self.table.qsbr);
        Ok(())
    }

    /// Takes back what no worker can hold any more. Cheap; called from the writer's tick.
    pub fn reclaim(&mut self) {
        let NextHopWriter {
            table,
            free_ids,
            free_records,
            freed,
            retired,
            ..
        } = self;
        let mut emptied = Vec::new();
        retired.reclaim(&table.qsbr, |retiree| match retiree {
            Retiree::Record(number) => free_records.push(number),
            Retiree::Id(id) => {
                emptied.push(table.slot(id as usize).swap(0, Ordering::AcqRel));
                freed.remove(&id);
                free_ids.push(id);
            }
        });
        // The slots held these until a moment ago: one more grace period.
        for number in emptied {
            retired.push(Retiree::Record(number));
        }
        retired.seal(&table.qsbr);
    }

    /// Ids in use, id 0 and those that wait for their grace period not counted.
    pub fn len(&self) -> usize {
        self.next_id as usize - 1 - self.free_ids.len() - self.freed.len()
    }

    /// Whether no id is allocated.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn number(&self, id: NextHopId) -> Result<u32, NextHopError> {
        if id.0 == 0 || id.0 >= self.next_id || self.freed.contains(&id.0) {
            return Err(NextHopError::Unknown(id));
        }
        match self.table.slot(id.index()).load(Ordering::Relaxed) {
            0 => Err(NextHopError::Unknown(id)),
            number => Ok(number),
        }
    }

    fn write_record(&mut self, next_hop: NextHop) -> Result<u32, NextHopError> {
        let limit = 2 * self.table.capacity as u32;
        if self.free_records.is_empty() && self.next_record == limit {
            self.reclaim();
        }
        let number = match self.free_records.pop() {
            Some(number) => number,
            None if self.next_record < limit => {
                self.next_record += 1;
                self.next_record - 1
            }
            None => return Err(NextHopError::NoRecord(self.retired.len())),
        };
        // SAFETY: invariant 2: the number is from the free list or was never used.
        unsafe { self.table.record(number).write(next_hop) };
        Ok(number)
    }
}

#[cfg(test)]
mod tests;
