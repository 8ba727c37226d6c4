//! Router advertisements: what do hosts on this link need to know to reach the world?
//!
//! ```text
//!   solicitations, others' advertisements (punt)     configuration, link-local address, link, clock
//!            └───────────────────────────┬─────────────────────────┘
//!                                        ▼
//!      per interface:    interface.rs    when, and to whom
//!                        advert.rs       what: options, lifetimes, splitting
//!                        foreign.rs      other routers, and where they contradict us
//!                                        ▼
//!      send · neighbour hint (nd room) · inconsistent, foreign router (log)
//!
//!   SILENT ── link up, link-local valid, switched on ──► ADVERTISING ── switched off, shutdown ──► CEASING (3 × lifetime 0)
//! ```
//!
//! # Rules followed
//!
//! - RFC 4861 section 6.2 whole: router variables, initial, periodic and solicited advertisements, final ones,
//!   consistency check, change of the link-local address; splitting over several packets (6.2.3).
//! - RFC 4191 preference and routes, RFC 8106 DNS servers and search lists, RFC 8781 PREF64, RFC 8910 captive portal,
//!   RFC 8319 longer intervals, RFC 7772 unicast answers and rates (`Config::power_friendly`).
//! - RFC 9096 section 3.5: what is configured away is advertised with lifetime 0 for a while.
//! - Not done: home agents (RFC 6275), SEND (RFC 3971), flags of RFC 5175 (none is assigned to routers like this).
//!
//! # Invariants
//!
//! - Nothing is sent but from a link-local address that has passed duplicate detection, while the link is up.
//! - Advertisements to all nodes are at least 3 s apart, but for the first final one; answers come within 0.5 s, or
//!   3.5 s after the last multicast one.
//! - Hosts waiting, foreign routers and withdrawn options are bounded.
//!
//! # What the task must do
//!
//! - Feed punted ICMPv6 types 133 and 134 as `Packet`; `LinkLocal` when the nd room says that the address is valid.
//! - Send `Clock` about once a minute, for the wall clock may step.
//! - On SIGTERM: `Shutdown`, carry out the actions, and when there is time wait until `next_deadline()` is `None` (6 s).

mod advert;
pub mod config;
pub mod counters;
pub mod error;
pub mod foreign;
mod interface;
pub mod sm;

pub use config::{Config, Dnssl, Lifetime, Pref64, Preference, Prefix, Rdnss, Route};
pub use counters::Counters;
pub use error::ConfigError;
pub use foreign::{ForeignRouter, Inconsistency};
pub use sm::{Action, Event, Machine, Snapshot};
