//! Delegated prefixes: which subnets of them do our own links have, and what becomes of those of a prefix that goes?
//!
//! ```text
//!   what each uplink holds (dhcp6_client)        the plan: which links want a subnet of which uplink's prefixes
//!            └──────────────────────┬───────────────────────┘
//!                                   ▼
//!        plan.rs     where a subnet may lie: numbers, excluded and taken parts
//!        sm.rs       who has which, until when, and what is kept for a restart
//!                                   ▼
//!   assignments (addresses, advertisements, leases) · unreachable routes for the rest · notices
//!
//!   wanted ──► ASSIGNED ── preferred time over ──► DEPRECATED ── valid time over ──► gone
//!                  └────── prefix vanished ──────────► │  (2 h at most)
//! ```
//!
//! One machine a router. Links are known by their names, because what is kept outlives the ids.
//!
//! # Rules followed
//!
//! - RFC 7084 section 4.2: each link gets a subnet of each delegated prefix (WPD-3, L-2); one that is too small for all
//!   of them is told of (WPD-4); the rest of it is unreachable (WPD-5).
//! - RFC 6603: an excluded prefix is never assigned, and is not unreachable: it belongs to the link of the uplink.
//! - RFC 8978, RFC 9096: what vanished is kept, deprecated, for what remains of its life and two hours at most, so
//!   that hosts are told and their sessions live on; all that is on disk, so that a restart changes nothing of it.
//! - Not done: a choice of uplink by source address (RFC 8678): with several uplinks the routes choose.
//!
//! # Invariants
//!
//! - No two assignments overlap, nor does one overlap what the configuration has given away, or an excluded prefix.
//! - An assignment lies in its delegated prefix and does not outlive it.
//! - A link keeps its subnet of a prefix for as long as the plan wants one of the same shape.
//! - Bounded by the plan and by [`MAX_PREFIXES`] an uplink.
//!
//! # What its owner must do
//!
//! - `Restore` first, then `Plan`. Until an uplink tells what it holds, what is kept of it stays as it was.
//! - Make each `Keep` durable before the `Apply` behind it is carried out.
//! - `Timer` at `next_deadline()`, by the wall clock; a step of that clock is harmless.

mod error;
mod plan;
pub mod sm;

pub use error::PlanError;
pub use plan::{Plan, Wish};
pub use sm::{Action, Assignment, Event, Machine, Notice, Outcome, Problem, UplinkPrefix};

/// Delegated prefixes of one uplink that are used at most; more are told of and left alone.
pub const MAX_PREFIXES: usize = 16;

/// How long a prefix that vanished is kept at most, seconds (RFC 9096 section 3.5: two hours, for RFC 4862 section
/// 5.5.3 e has hosts ignore a shorter end).
pub const MAX_LINGER: u32 = 7200;
