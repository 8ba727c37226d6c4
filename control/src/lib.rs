//! The control plane: *what should the router be, and how is it made so?*
//!
//! ```text
//!   config ─► model ─► compile ─► publish ─► tables ─► workers
//!               ▲          ▲
//!              api     protocols (nd, ra)
//! ```
//!
//! Read `runtime` first: it starts everything and draws the threads and tasks; then `engine`, the owner of the state, and
//! `bus`, the messages between the rooms. Machines of protocols are pure and stand in the crate `protocols`, leases in `lease`; their tasks in `rooms`.

#![forbid(unsafe_code)]

pub mod api;
pub mod appliance;
#[cfg(test)]
mod blessed;
mod bounded;
pub mod bus;
pub mod compile;
pub mod config;
pub mod engine;
pub mod events;
mod identification;
pub mod injector;
pub mod log;
pub mod metrics;
pub mod model;
pub mod observe;
pub mod publish;
pub mod rooms;
pub mod runtime;
pub mod store;

pub use runtime::{check, run};
