//! Addresses in layer-2 networks: which station has each, and whom do we answer for?
//!
//! ```text
//!   workers hear a claim      configuration, own addresses, stations that go      tick, with when bindings were last confirmed
//!        │                               │                                          │
//!        └──► sm.rs: believed? ──► the table as it is to be ◄── age, bounded work ──┘
//!             limits, damping                │
//!                                            ▼
//!                           Insert and Remove, told to the table in order
//! ```
//!
//! # Rules followed
//!
//! - RFC 9161 section 3.1: bindings are learned from what stations say of their own addresses; sections 3.2 and 3.3: who asks is answered
//!   from them (that is the packet path's: `dataplane::stages::suppress`). Of a neighbour advertisement the router flag is remembered.
//! - RFC 9161 section 3.7: an address that goes to and fro between stations 5 times within 180 s is a duplicate. We answer for neither
//!   of them as long as it is held (30 s, twice as long each time that it goes on): what is asked is flooded, and both hear it.
//! - An address of our own belongs to nobody else, whatever is claimed.
//! - A doubt takes a binding out of the table at once: whoever is the owner says so when it is next asked, as in any network.
//! - A station that is gone from the FDB takes its addresses with it. Where it is is the FDB's to know: a station that moves keeps
//!   its addresses.
//! - Where there is no room the bindings that are known stay; who invents addresses drives out nobody. A station has few of them.
//! - Not done: asking owners whether they are still there (RFC 9161 section 3.4), but by the flood when a binding is not fresh; bindings
//!   from leases of DHCP.
//!
//! # Invariants
//!
//! - Never more bindings in a network than its limit, of a station than its limit, nor in all than the table is for.
//! - No address is both our own and learned in a network.
//! - What [`Machine`] believes is in the table is what its actions, less the refused ones, have put there.
//! - Work: a claim costs the logarithm of the number of bindings; a station that goes costs by its addresses; ageing costs no more
//!   than its budget.
//!
//! # What the task must do
//!
//! - Count time in seconds of the workers' clock. Carry out actions in order; for an `Insert` that the table refuses send `Refused`
//!   before any other event.
//! - Call [`Machine::age`] about once a second, and again soon while [`Machine::next_deadline`] is not in the future.
//! - Begin with an empty table.

pub mod counters;
pub mod event;
pub mod sm;

pub use crate::damping::Damping;
pub use counters::Counters;
pub use event::{Action, Binding, Config, Event, Seconds};
pub use sm::Machine;
