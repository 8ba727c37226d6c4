//! Stations of layer-2 networks: behind which place of its network is each, and whom do we believe?
//!
//! ```text
//!   workers hear a station         configuration, places that go, flush        tick, with when stations were last heard
//!   where the table has it not           │                                        │
//!        │                               ▼                                        ▼
//!        └──► sm.rs: believed? ──► stations.rs: the table as it is to be ◄── age, bounded work
//!             limits, statics,                     │
//!             damping                              ▼
//!                                    Insert and Remove, told to the FDB in order
//! ```
//!
//! # Rules followed
//!
//! - IEEE 802.1D section 7.9: stations are learned where they are heard, and forgotten when they were not heard for the ageing time
//!   (300 s). What is configured stays, and wins over what is heard.
//! - RFC 7432 section 15.1: a station that moves 5 times within 180 s is held where it is, and people are told. Its end is
//!   ours: held for 30 s, twice as long each time that it goes on, until it has kept still for two windows.
//! - A place that goes takes what was learned there with it, at once: the next frame from elsewhere is no move.
//! - Where there is no room the stations that are known stay, and new ones are refused: who invents addresses drives out
//!   nobody. Only a configured station takes the room of a learned one.
//! - Not done: sequence numbers of moves, sticky stations learned from peers (RFC 7432 sections 15 and 15.2).
//!
//! # Invariants
//!
//! - Never more learned stations in a network than its limit, nor more stations in all than the table is for.
//! - No address is both configured and learned in a network.
//! - What [`Machine`] believes is in the table is what its actions, less the refused ones, have put there.
//! - Work: a station that is heard costs the same whatever the number of stations (and grows with the logarithm of the number of
//!   places). A place that goes costs by what was learned there. Ageing costs no more than its budget.
//!
//! # What the task must do
//!
//! - Count time in seconds of the workers' clock, by which the FDB notes when stations were heard.
//! - Carry out actions in order; for an `Insert` that the FDB refuses send `Refused` before any other event.
//! - Call [`Machine::age`] about once a second, and again soon while [`Machine::next_deadline`] is not in the future.
//! - Send `PlaceGone` and `RemoveNetwork` when no worker uses the place any more and what they told of it before is read: a late
//!   note would have stations learned there again.
//! - Begin with an empty table: a new machine does not know what another has learned.

pub mod config;
pub mod counters;
pub mod error;
pub mod sm;

mod admin;
mod notice;
mod stations;

pub use admin::Size;
pub use config::{Config, Damping};
pub use counters::Counters;
pub use error::ConfigError;
pub use notice::Notice;
pub use sm::{Action, Event, Machine, Scope, Station};

/// A point in time or a span, in seconds of the workers' clock.
pub type Seconds = u32;
