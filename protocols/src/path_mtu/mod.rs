//! Path MTUs of tunnels: what do routers on the way say that fits, and for how long do we believe it?
//!
//! # Rules followed
//!
//! - RFC 8201 section 4, RFC 1191 section 3: a path MTU is lowered by what a router says, never raised by it, and never below
//!   1280 bytes of IPv6. Of IPv4 we do not go below 576 bytes: less would be of no use for what tunnels carry.
//! - RFC 8201 section 4, RFC 1191 section 6.3: ten minutes after it was last lowered the path is tried anew, with what is
//!   configured.
//! - Whether the message is about a packet of ours is the packet path's to check (`dataplane::path_mtu`).
//! - Not done: probes of our own (RFC 8899).
//!
//! # Invariants
//!
//! - A path MTU is below the configured one of its tunnel, and not below the least.
//! - No more is remembered than there are tunnels.

pub mod counters;
pub mod sm;

pub use counters::Counters;
pub use sm::{AGE, Machine, PathMtu};
