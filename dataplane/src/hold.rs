//! Packets that wait for a neighbour's link-layer address, bounded in every direction.
//!
//! RFC 4861 section 7.2.2 lets a small queue wait for each address being resolved; RFC 6583 warns what a scan of a
//! /64 does to it. The rules here:
//!
//! - at most `per_key` packets wait for one (interface, address); a newer packet displaces the oldest;
//! - an interface may use at most its quota, and never more than what is still free. So one scanned interface takes at
//!   most half of the table, two take a third each, and an interface that is not scanned always finds room;
//! - an interface at its limit makes room at its own cost: its oldest scan entry yields. Gateways of configured routes
//!   never yield to a scan;
//! - one request per address goes to the control plane, repeated only after `retry`, and limited by interface. Some are
//!   kept for gateways and for addresses asked for a second time: a scan names each once, a user tries again.
//!
//! All memory is taken when the table is made. Time is a number of ticks of the worker's clock; the table is generic
//! over the packet so that it can be tested without an mbuf.

mod limits;
mod recent;
#[cfg(test)]
mod tests;

pub use limits::Limits;
use recent::Recent;
use tables::id::IfaceId;

const NIL: u32 = u32::MAX;

/// What a packet waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The interface on whose link the address lives.
    pub iface: IfaceId,
    /// The address to resolve: IPv6, or IPv4 as an IPv4-mapped address.
    pub address: [u8; 16],
}

/// Who asked for the address: it decides who yields when an interface is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The gateway of a route: configured, few, wanted.
    Gateway,
    /// A destination on a connected prefix: anyone who can send a packet can name one.
    Glean,
}

/// Why a packet left the table without its neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Displaced {
    /// A newer packet for the same address took its place.
    ByNewer,
    /// Its address yielded to another of the same interface.
    ByOther,
}

/// What became of a packet that was offered.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed<T> {
    /// It waits, and a request for the address must go to the control plane now.
    HeldRequest,
    /// It waits; the address is being asked for already, or the interface asks too much (see `Limits::requests`).
    Held,
    /// There was no room, and nothing that should yield to it: here it is back.
    Full(T),
}

struct Entry {
    key: Key,
    origin: Origin,
    /// Ticks when the address was first asked for.
    since: u64,
    /// Ticks of the last request, if one was sent.
    requested: Option<u64>,
    /// Oldest and newest waiting packet.
    head: u32,
    tail: u32,
    count: u32,
    /// Next entry of the hash bucket, or of the free list.
    chain: u32,
    /// Neighbours in the list of all entries, oldest first.
    older: u32,
    newer: u32,
    /// Neighbours in the interface's list for this origin, oldest first.
    iface_older: u32,
    iface_newer: u32,
}

struct Slot<T> {
    packet: Option<T>,
    next: u32,
}

#[derive(Clone, Copy)]
struct List {
    oldest: u32,
    newest: u32,
}

const EMPTY: List = List {
    oldest: NIL,
    newest: NIL,
};

struct Iface {
    /// Entries made by glean, oldest first: those that yield.
    gleans: List,
    keys: usize,
    packets: usize,
    /// Requests that may be sent now, and the time up to which they have been earned.
    tokens: u32,
    earned: u64,
}

/// Packets waiting by (interface, address). See the module's text for its rules.
pub struct Hold<T> {
    limits: Limits,
    seed: u64,
    buckets: Box<[u32]>,
    entries: Box<[Entry]>,
    slots: Box<[Slot<T>]>,
    ifaces: Box<[Iface]>,
    recent: Recent,
    all: List,
    free_entry: u32,
    free_slot: u32,
    keys: usize,
    packets: usize,
}

impl<T> Hold<T> {
    /// An empty table. `seed` keeps senders from choosing addresses that share a hash bucket.
    pub fn new(limits: Limits, seed: u64) -> Self {
        let keys = limits.keys.clamp(1, NIL as usize - 1);
        let packets = limits.packets.clamp(1, NIL as usize - 1);
        let next = |i: usize, len: usize| if i + 1 < len { i as u32 + 1 } else { NIL };
        let entry = |i| Entry {
            key: Key {
                iface: IfaceId(0),
                address: [0; 16],
            },
            origin: Origin::Glean,
            since: 0,
            requested: None,
            head: NIL,
            tail: NIL,
            count: 0,
            chain: next(i, keys),
            older: NIL,
            newer: NIL,
            iface_older: NIL,
            iface_newer: NIL,
        };
        let iface = |_| Iface {
            gleans: EMPTY,
            keys: 0,
            packets: 0,
            tokens: limits.request_burst,
            earned: 0,
        };
        Self {
            limits: Limits {
                keys,
                packets,
                per_key: limits.per_key.max(1),
                ..limits
            },
            seed,
            buckets: vec![NIL; (keys * 2).next_power_of_two()].into_boxed_slice(),
            entries: (0..keys).map(entry).collect(),
            slots: (0..packets)
                .map(|i| Slot {
                    packet: None,
                    next: next(i, packets),
                })
                .collect(),
            ifaces: (0..limits.ifaces).map(iface).collect(),
            recent: Recent::new(limits.retry),
            all: EMPTY,
            free_entry: 0,
            free_slot: 0,
            keys: 0,
            packets: 0,
        }
    }

    /// Packets waiting now: the *held* of the accounting equation.
    pub fn held(&self) -> usize {
        self.packets
    }

    /// Addresses waited for now.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Lets `packet` wait for `key`. Packets that have to go for it are given to `displaced`.
    pub fn push(
        &mut self,
        key: Key,
        origin: Origin,
        packet: T,
        now: u64,
        mut displaced: impl FnMut(T, Displaced),
    ) -> Pushed<T> {
        if key.iface.index() >= self.ifaces.len() {
            return Pushed::Full(packet);
        }
        let mut found = self.find(&key);
        if let Some(at) = found
            && self.entries[at as usize].count as usize >= self.limits.per_key
        {
            // RFC 4861 section 7.2.2: on overflow the new arrival should replace the oldest entry.
            if let Some(old) = self.pop(at) {
                displaced(old, Displaced::ByNewer);
            }
        }
        while self.no_room(key.iface, found.is_none()) {
            let yielding = self.yielding(key.iface, found);
            match (yielding, found) {
                (Some(victim), _) => self.remove(victim, |old| displaced(old, Displaced::ByOther)),
                // Only its own queue is left to take from.
                (None, Some(own)) if self.entries[own as usize].count > 0 => {
                    if let Some(old) = self.pop(own) {
                        displaced(old, Displaced::ByNewer);
                    }
                }
                _ => return Pushed::Full(packet),
            }
        }
        let at = match found.take() {
            Some(at) => at,
            None => self.insert(key, origin, now),
        };
        self.append(at, packet);
        if self.request_due(at, now) {
            Pushed::HeldRequest
        } else {
            Pushed::Held
        }
    }

    /// Says that the request which [`Pushed::HeldRequest`] asked for could not be sent: the next packet tries again.
    pub fn request_lost(&mut self, key: &Key) {
        if let Some(at) = self.find(key) {
            self.entries[at as usize].requested = None;
        }
    }

    /// Ends the wait for `key`, whatever the verdict: takes its packets one by one, oldest first.
    pub fn take_next(&mut self, key: &Key) -> Option<T> {
        let at = self.find(key)?;
        self.take_from(at)
    }

    /// Takes the packets of addresses that have waited for `Limits::timeout`, one by one, oldest address first.
    pub fn expire_next(&mut self, now: u64) -> Option<T> {
        let at = self.all.oldest;
        if at == NIL || now.saturating_sub(self.entries[at as usize].since) < self.limits.timeout {
            return None;
        }
        self.take_from(at)
    }

    /// The oldest packet of an entry, which goes with its last one.
    fn take_from(&mut self, at: u32) -> Option<T> {
        let packet = self.pop(at);
        if self.entries[at as usize].count == 0 {
            self.remove(at, |_| ());
        }
        packet
    }

    /// Whether a packet of `iface` must displace something: no free slot, or the interface has its share. The share
    /// is what is still free for all, so that the last of it is never taken by one interface alone.
    fn no_room(&self, iface: IfaceId, new_key: bool) -> bool {
        let own = &self.ifaces[iface.index()];
        let free_packets = self.limits.packets - self.packets;
        let free_keys = self.limits.keys - self.keys;
        own.packets >= free_packets.max(1) && own.packets > 0
            || free_packets == 0
            || new_key
                && (own.keys >= self.limits.keys_per_iface
                    || own.keys >= free_keys.max(1) && own.keys > 0
                    || free_keys == 0)
    }

    /// The interface's oldest glean entry other than `spare`.
    fn yielding(&self, iface: IfaceId, spare: Option<u32>) -> Option<u32> {
        let oldest = self.ifaces[iface.index()].gleans.oldest;
        let victim = if Some(oldest) == spare {
            self.entries[oldest as usize].iface_newer
        } else {
            oldest
        };
        (victim != NIL).then_some(victim)
    }

    fn hash(&self, key: &Key) -> u64 {
        let low = u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| key.address[i]));
        let high = u64::from_le_bytes([8, 9, 10, 11, 12, 13, 14, 15].map(|i| key.address[i]));
        let mut hash = self.seed ^ u64::from(key.iface.0);
        for word in [low, high] {
            let wide = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15;
            hash = (wide >> 64) as u64 ^ wide as u64;
        }
        hash
    }

    fn bucket(&self, key: &Key) -> usize {
        (self.hash(key) >> 32) as usize & (self.buckets.len() - 1)
    }

    fn find(&self, key: &Key) -> Option<u32> {
        let mut at = self.buckets[self.bucket(key)];
        while at != NIL {
            let entry = &self.entries[at as usize];
            if entry.key == *key {
                return Some(at);
            }
            at = entry.chain;
        }
        None
    }

    /// Takes a free entry for `key`; the caller has made sure that there is one.
    fn insert(&mut self, key: Key, origin: Origin, now: u64) -> u32 {
        let at = self.free_entry;
        let bucket = self.bucket(&key);
        let iface = &mut self.ifaces[key.iface.index()];
        let iface_newest = iface.gleans.newest;
        let newest = self.all.newest;
        let entry = &mut self.entries[at as usize];
        self.free_entry = entry.chain;
        *entry = Entry {
            key,
            origin,
            since: now,
            requested: None,
            head: NIL,
            tail: NIL,
            count: 0,
            chain: self.buckets[bucket],
            older: newest,
            newer: NIL,
            iface_older: if origin == Origin::Glean {
                iface_newest
            } else {
                NIL
            },
            iface_newer: NIL,
        };
        self.buckets[bucket] = at;
        match newest {
            NIL => self.all.oldest = at,
            newest => self.entries[newest as usize].newer = at,
        }
        self.all.newest = at;
        if origin == Origin::Glean {
            match iface_newest {
                NIL => iface.gleans.oldest = at,
                newest => self.entries[newest as usize].iface_newer = at,
            }
            iface.gleans.newest = at;
        }
        iface.keys += 1;
        self.keys += 1;
        at
    }

    /// Frees the entry `at` and gives its packets to `each`, oldest first.
    fn remove(&mut self, at: u32, mut each: impl FnMut(T)) {
        while let Some(packet) = self.pop(at) {
            each(packet);
        }
        let bucket = self.bucket(&self.entries[at as usize].key);
        let Entry {
            key,
            origin,
            chain,
            older,
            newer,
            iface_older,
            iface_newer,
            ..
        } = self.entries[at as usize];
        let mut link = self.buckets[bucket];
        if link == at {
            self.buckets[bucket] = chain;
        } else {
            while self.entries[link as usize].chain != at {
                link = self.entries[link as usize].chain;
            }
            self.entries[link as usize].chain = chain;
        }
        match older {
            NIL => self.all.oldest = newer,
            older => self.entries[older as usize].newer = newer,
        }
        match newer {
            NIL => self.all.newest = older,
            newer => self.entries[newer as usize].older = older,
        }
        let iface = &mut self.ifaces[key.iface.index()];
        if origin == Origin::Glean {
            match iface_older {
                NIL => iface.gleans.oldest = iface_newer,
                older => self.entries[older as usize].iface_newer = iface_newer,
            }
            match iface_newer {
                NIL => iface.gleans.newest = iface_older,
                newer => self.entries[newer as usize].iface_older = iface_older,
            }
        }
        iface.keys -= 1;
        self.keys -= 1;
        self.entries[at as usize].chain = self.free_entry;
        self.free_entry = at;
    }

    /// Appends a packet to the entry `at`; the caller has made sure that there is a free slot.
    fn append(&mut self, at: u32, packet: T) {
        let slot = self.free_slot;
        self.free_slot = self.slots[slot as usize].next;
        self.slots[slot as usize] = Slot {
            packet: Some(packet),
            next: NIL,
        };
        let entry = &mut self.entries[at as usize];
        match entry.tail {
            NIL => entry.head = slot,
            tail => self.slots[tail as usize].next = slot,
        }
        entry.tail = slot;
        entry.count += 1;
        self.packets += 1;
        self.ifaces[entry.key.iface.index()].packets += 1;
    }

    /// Takes the oldest packet of the entry `at`.
    fn pop(&mut self, at: u32) -> Option<T> {
        let entry = &mut self.entries[at as usize];
        let slot = entry.head;
        if slot == NIL {
            return None;
        }
        let freed = &mut self.slots[slot as usize];
        entry.head = freed.next;
        if entry.head == NIL {
            entry.tail = NIL;
        }
        entry.count -= 1;
        freed.next = self.free_slot;
        self.free_slot = slot;
        self.packets -= 1;
        self.ifaces[entry.key.iface.index()].packets -= 1;
        freed.packet.take()
    }

    /// Whether the entry `at` should ask (again) for its address now; spends one of the interface's tokens if so.
    fn request_due(&mut self, at: u32, now: u64) -> bool {
        let entry = &self.entries[at as usize];
        if entry
            .requested
            .is_some_and(|then| now.saturating_sub(then) < self.limits.retry)
        {
            return false;
        }
        let (key, origin) = (entry.key, entry.origin);
        let again = self.recent.again(self.hash(&key), now);
        let kept = match origin {
            Origin::Glean if !again => self.limits.request_reserve,
            Origin::Glean | Origin::Gateway => 0,
        };
        let iface = &mut self.ifaces[key.iface.index()];
        let interval = self.limits.request_interval.max(1);
        let earned = now.saturating_sub(iface.earned) / interval;
        if earned > 0 {
            let tokens = u64::from(iface.tokens) + earned;
            iface.tokens = tokens.min(u64::from(self.limits.request_burst)) as u32;
            iface.earned += earned * interval;
        }
        if iface.tokens <= kept {
            return false;
        }
        iface.tokens -= 1;
        self.entries[at as usize].requested = Some(now);
        true
    }
}
