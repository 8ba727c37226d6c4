//! Multicast listener discovery, the listener's side: which groups does this router listen to on this link?
//!
//! A switch that snoops (RFC 4541) sends a group's packets only to ports that have asked for it. Neighbour solicitations go
//! to solicited-node groups: a router that tells nobody is not found (RFC 4861 section 7.2.1, RFC 4862 section 5.4.2).
//!
//! ```text
//!   queries (punt)                              groups of an interface, link, link-local address
//!        │                                            │
//!        ▼                                            ▼
//!   answers after a random delay           state changes: at once, and again within a second
//!        └─────────────────────┬──────────────────────┘
//!                              ▼                ┌── query of version 1 ──► VERSION 1 ─┐
//!               report to ff02::16        VERSION 2 ◄── no such query for 260 s ──────┘
//!               (version 1: report to the group, done to all routers)
//! ```
//!
//! # Rules followed
//!
//! - RFC 3810 section 6 for listeners of whole groups, EXCLUDE {}: state changes sent \[Robustness Variable\] times, answers to
//!   general and to group queries. Queries about sources of a group are answered for the whole group.
//! - RFC 3810 section 8.2: version 1 (RFC 2710) while a querier of version 1 is present.
//! - RFC 3590: reports come from `::` until the link-local address is valid, and are told again when it is.
//! - Never told: all nodes (`ff02::1`) and groups of reserved or interface-local scope (RFC 3810 section 6).
//! - Not done: the querier's side; source filters; suppression of version 2 reports (RFC 3810 has none).
//!
//! LIMIT: the solicited-node groups of a proxied *prefix* cannot be listed, so they are not reported: behind a switch that
//! snoops, proxied addresses must be listed one by one.
//!
//! # Invariants
//!
//! - Nothing is sent while the link is down, and nothing with a hop limit other than 1 or without a router alert.
//! - At most one timer for each group and three for each interface.
//!
//! # What the task must do
//!
//! - Feed punted ICMPv6 types 130 to 132 and 143 as `Packet`; `LinkLocal` when the nd room says that the address is valid.
//! - Send `ConfigureInterface` with the *whole* set of groups whenever it may have changed.

pub mod config;
pub mod counters;
mod interface;
mod packet;
pub mod sm;

pub use config::Config;
pub use counters::Counters;
pub use sm::{Action, Event, Machine};
