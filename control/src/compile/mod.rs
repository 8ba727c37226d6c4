//! Intent and learned state to tables, as pure functions: same inputs, same tables.
//!
//! ```text
//!   model ─┬─► interfaces, networks ──► dataplane::forwarding::Forwarding, MAC filters
//!          ├─► security (ports, groups) ──► dataplane::forwarding::Security
//!          └─► routes (RIB, per router) ──► changed prefixes with their resolution ──► publish
//!   link state, valid addresses, API routes ──▲
//! ```

pub mod delegation;
pub mod devices;
pub mod dhcp4;
pub mod dhcp6;
pub mod interfaces;
pub mod networks;
pub mod relay;
pub mod routes;
pub mod security;
