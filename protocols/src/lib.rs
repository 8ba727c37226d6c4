//! Protocol rooms: each speaks one protocol, knows no other room, and does no I/O.
//!
//! # The plan of every room
//!
//! ```text
//!  packets punted, configuration, link state, timer        what the router shall do
//!            │ Event                                           ▲ Action
//!            ▼                                                 │
//!   ┌─────────────────────────── Machine (sm.rs) ──────────────────────────┐
//!   │ on_event(now, event, &mut actions)      next_deadline() -> Instant?   │
//!   └───────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | the question the room answers, RFCs with what is not done, invariants, what its task must do |
//! | `sm.rs` | `Machine`, `Event`, `Action`: pure; `now` is passed in, randomness comes from a seed |
//! | `config.rs` | plain structs whose `Default` is what the RFC says, and their validation |
//! | `packet.rs` | bytes to messages and back, each invalid class named |
//! | `counters.rs` | plain counters, one list that feeds CLI and metrics |
//! | `error.rs` | typed faults |
//! | `sm/tests.rs` | simulated time; whole conversations stand as data in `tests/conformance/` |
//!
//! # What the task of a room does
//!
//! One Tokio task owns the machine: it waits for the next event or for `next_deadline()`, whichever is first, calls
//! `on_event` (with `Event::Timer` for the deadline) and carries out the actions *in order* before it takes the
//! next event. It holds no other state, so that dropping it at any await point loses nothing but the event at hand.
//!
//! What several rooms need stands beside them: counters, timers, randomness, damping, the options of DHCPv6 (`dhcp6_wire`), what
//! two servers with the same leases tell each other (`pairing`).
//!
//! **Invariants**: rooms never import each other; a machine never reads a clock, never blocks, and every map
//! in it is bounded by its configuration.

#![forbid(unsafe_code)]

pub mod bfd;
pub mod binding;
mod counters;
pub mod damping;
pub mod delegation;
pub mod dhcp4;
pub mod dhcp6;
pub mod dhcp6_client;
pub mod dhcp6_wire;
pub mod fdb;
pub mod igmp;
pub mod mld;
pub mod nd;
pub mod pairing;
pub mod path_mtu;
pub mod ra;
pub mod random;
pub mod reassembly;
pub mod relay4;
pub mod relay6;
pub mod savi;
pub mod timers;
pub mod vrrp;

pub use random::Random;
