//! Leases: who has which address or delegated prefix, until when, and what is free?
//!
//! ```text
//!   configuration ─► Pool ─┐               machine (dhcp6, dhcp4)
//!                          ▼                 │ free · put · release · decline · expire
//!                        Book  ◄─────────────┘
//!                          │ Write            the task gathers the writes of many packets
//!                          ▼
//!                        Disk                 on disk, then the replies leave
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | `Lease`, `State`, `NextHop`, `Write` |
//! | `resource.rs`, `realm.rs` | what is leased, and in which router: the same address in two of them is two things |
//! | `holder.rs`, `relay.rs`, `scope.rs`, `wall.rs` | who has it and where, where it came from, when |
//! | `book.rs`, `slab.rs`, `index.rs` | all leases in memory: by resource, by holder, by end |
//! | `pool/` | what may be given out, and how a free one is found without looking through them |
//! | `disk.rs`, `record.rs` | the durable store, its journal, and the bytes of one lease |
//! | `export.rs` | CSV and JSON for people, and back |
//! | `import.rs` | leases of a file into a book: what is new, and what stands against it |
//! | `stamp.rs`, `sync.rs`, `book/pair.rs` | two routers that have the same leases: which change is the later, what they tell each other, who gives what |
//! | `siphash.rs` | a keyed hash that is the same in every process |
//!
//! Both machines use this room; it knows neither of them, reads no clock, and only `disk.rs` does I/O.
//!
//! # Invariants
//!
//! - A `Book` holds at most one lease of a resource of a realm, and what it gives as free overlaps no lease of that realm.
//! - Every change of a `Book` is a [`Write`] which can be taken back ([`Book::undo`]) and committed ([`Disk::commit`]).
//! - After `commit` has returned, the writes survive a crash of process or machine; when it fails, none is on disk.
//!
//! # The clock
//!
//! A lease outlives the process, so its life is wall-clock time. A step of the clock is not smoothed: a step of `n` seconds
//! forward ends every lease `n` seconds before its client expects it, a step back `n` seconds after; never more than
//! the step, and the client's next Renew puts it right. A machine without a battery-backed clock should be given the
//! time before hextetd starts: at 1970 no lease ends, at a date too late all do.

mod book;
mod disk;
pub mod export;
mod holder;
mod import;
mod index;
mod pool;
mod realm;
mod record;
mod relay;
mod resource;
mod scope;
mod siphash;
mod slab;
mod stamp;
pub mod sync;
#[cfg(test)]
mod testing;
mod wall;

use std::net::Ipv6Addr;

use wire::MacAddr;

pub use book::{Adoption, Book, Counts, Standing};
pub use disk::{Adopted, Disk, DiskError};
pub use holder::{ClientId, ClientIdError, Holder, Kind};
pub use import::{Blame, Conflict, ImportRefused, Imported, place};
pub use pool::{Allocation, Lengths, Pool, PoolError};
pub use realm::{IdParseError, RealmId};
pub use record::RecordError;
pub use relay::{RelayId, RelayIdError, RelayInfo};
pub use resource::{Resource, ResourceParseError};
pub use scope::{PoolId, ScopeId};
use siphash::siphash;
pub use stamp::{Half, Stamp};
pub use wall::{Wall, WallParseError};

/// One lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What is leased.
    pub resource: Resource,
    /// Whether it is in use.
    pub state: State,
    /// The link-layer address of the client, as far as known (RFC 6939, the DUID, or the frame).
    pub mac: Option<MacAddr>,
    /// Who has it.
    pub holder: Holder,
    /// The subnet or prefix pool it came from, and so the realm that it is in.
    pub scope: ScopeId,
    /// When this version of it was made, and by which router of a pair; a book sets it.
    pub stamp: Stamp,
    /// When this state began.
    pub starts: Wall,
    /// Until when it is preferred (RFC 4862 section 5.5.4); the same as `ends` for DHCPv4.
    pub preferred_until: Wall,
    /// Bound: until when it is valid. Declined: end of the quarantine. Released, offered: until when it is kept.
    pub ends: Wall,
    /// The client's name (RFC 4704, RFC 4702), as the server granted it.
    pub hostname: Option<Box<str>>,
    /// Where the route to a delegated prefix leads.
    pub next_hop: Option<Box<NextHop>>,
    /// The key for Reconfigure messages to this client (RFC 8415 section 20.4).
    pub reconfigure_key: Option<Box<[u8; 16]>>,
    /// What the relay told about where the client is.
    pub relay: Option<Box<RelayInfo>>,
}

impl Lease {
    /// A bound lease with neither MAC, name, next hop, key nor relay.
    pub fn bound(
        resource: Resource,
        holder: Holder,
        scope: ScopeId,
        starts: Wall,
        preferred_until: Wall,
        ends: Wall,
    ) -> Self {
        Self {
            resource,
            state: State::Bound,
            mac: None,
            holder,
            scope,
            stamp: Stamp::NONE,
            starts,
            preferred_until,
            ends,
            hostname: None,
            next_hop: None,
            reconfigure_key: None,
            relay: None,
        }
    }

    /// The router whose resource it is.
    pub fn realm(&self) -> RealmId {
        self.scope.realm
    }
}

/// What a lease's resource is to its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// The holder uses it.
    Bound,
    /// The holder found it used by another station (RFC 8415 section 18.3.8): nobody gets it before `ends`.
    Declined,
    /// Given back or run out: its last holder may have it again until `ends`, anyone else when the pool is used up.
    Released,
    /// Offered and not yet requested: nobody else gets it before `ends`. In memory only, never on disk.
    Offered,
    /// An address that its holder formed itself and registered (RFC 9686): nobody else gets it before `ends`.
    Registered,
}

impl State {
    /// All, in the order of their codes on disk.
    pub const ALL: [State; 5] = [
        State::Bound,
        State::Declined,
        State::Released,
        State::Offered,
        State::Registered,
    ];

    /// The word for people.
    pub const fn label(self) -> &'static str {
        match self {
            State::Bound => "bound",
            State::Declined => "declined",
            State::Released => "released",
            State::Offered => "offered",
            State::Registered => "registered",
        }
    }
}

/// Where a delegated prefix is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// The interface's name.
    pub iface: Box<str>,
    /// The requesting router (or the relay before it) on that link.
    pub address: Ipv6Addr,
}

/// A change of one resource, made in the book and to be made on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The router whose resource it is.
    pub realm: RealmId,
    /// The resource.
    pub resource: Resource,
    /// What was known of it before.
    pub before: Option<Lease>,
    /// What is known of it now.
    pub after: Option<Lease>,
}

impl Write {
    /// Whether the disk has to know: not when an offer came or went.
    pub fn is_durable(&self) -> bool {
        let on_disk = |lease: &Option<Lease>| matches!(lease, Some(l) if l.state != State::Offered);
        on_disk(&self.before) || on_disk(&self.after)
    }
}
