//! Internet group management, the host's side: which IPv4 groups does this router listen to on this link?
//!
//! The groups are those by which tunnels flood: a switch that snoops (RFC 4541), or a multicast router, must know of them.
//!
//! ```text
//!   queries (punt)                              groups of an interface, link
//!        │                                            │
//!        ▼                                            ▼
//!   answers after a random delay           state changes: at once, and again within a second
//!        └─────────────────────┬──────────────────────┘
//!                              ▼                ┌── query of version 1 or 2 ──► VERSION 2 ─┐
//!               report to 224.0.0.22      VERSION 3 ◄── no such query for 260 s ───────────┘
//!               (version 2: report to the group, leave to all routers)
//! ```
//!
//! # Rules followed
//!
//! - RFC 3376 section 5 for hosts that listen to whole groups, EXCLUDE {}: state changes sent \[Robustness Variable\] times, answers
//!   to general and to group queries. Queries about sources of a group are answered for the whole group.
//! - RFC 3376 section 7.2: version 2 (RFC 2236) while a querier of an older version is present.
//! - RFC 2236 section 3: an answer of version 2 is not given when another host has given it.
//! - Never told: all systems, 224.0.0.1 (RFC 3376 section 6).
//! - Not done: the querier's side; source filters; reports of version 1: a querier of version 1 is answered
//!   by version 2.
//!
//! # Invariants
//!
//! - Nothing is sent while the link is down, nor with a TTL other than 1 or without a router alert.
//! - At most one timer for each group and three for each interface.
//!
//! # What the task must do
//!
//! - Feed punted IGMP packets as `Packet`, and send `ConfigureInterface` with the *whole* set of groups whenever it may have changed.

pub mod counters;
mod packet;
pub mod sm;

pub use counters::Counters;
pub use sm::{Action, Event, Machine};
