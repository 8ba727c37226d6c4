//! DHCPv6, the relay agent's side: which server hears this client, and which client gets that answer?
//!
//! ```text
//!   client or relay ─► packet.rs ─► forward.rs  one envelope more ─► servers, by unicast or on an upstream link
//!   server          ─► packet.rs ─► backward.rs one envelope less ─► client or relay, on its link
//!                                        │ a Reply with prefixes
//!                                        ▼
//!                                   prefix.rs   what is delegated behind which client ─► write · route up, down
//!   ldra.rs    the same between ports of one link (RFC 6221)
//! ```
//!
//! # Rules followed
//!
//! - RFC 8415 section 19: Relay-forward and Relay-reply, hop-count up to HOP_COUNT_LIMIT, relays behind relays. Message types that
//!   nobody knows yet are relayed (RFC 7283, section 16 of RFC 8415); those that only servers send are not taken from clients.
//! - Reconfigure passes as any message of a server.
//! - RFC 6939 client's link-layer address, RFC 4649 Remote-ID, RFC 4580 Subscriber-ID, on the first hop alone. RFC 8357 source
//!   port of the relay before us; our own is always 547.
//! - RFC 8987: routes to the prefixes that servers delegate to our clients. They live as long as the Reply says, survive a
//!   restart, and go with the server's answer to the Release, with their end, or with the interface.
//! - RFC 6221: [`ldra::Ldra`], a machine for ports of one link.
//! - Not done: leasequery of a relay that has lost its state (RFC 5007, RFC 5460): the state is on disk before the client hears of
//!   it. Options that relays supply for clients (RFC 6422).
//!
//! # Invariants
//!
//! - A Reply that delegates reaches its client only when its prefixes are on disk (`Action::Send::after_commit`).
//! - What is refused changes nothing but one counter.
//! - Maps are bounded: prefixes by `max_prefixes` of each link, neighbours and pending releases by constants.
//!
//! # What the task must do
//!
//! - Feed datagrams to UDP port 547, checksum verified, from interfaces with a link, and Relay-replies from everywhere; whole,
//!   those that came in fragments too.
//! - Cut what is longer than the MTU of its way: an envelope makes a message longer than its client made it.
//! - Commit the writes of an event, tell `Stored` or `StoreFailed` before any other event, and carry out what waited (sends with
//!   `after_commit`, routes) only when it is `Stored`.
//! - Find the MAC of a neighbour where a `Via::Link` has none.

mod backward;
pub mod config;
pub mod counters;
pub mod error;
mod forward;
pub mod ldra;
pub mod packet;
mod prefix;
pub mod sm;

pub use config::{Config, Relays, Server};
pub use counters::Counters;
pub use error::ConfigError;
pub use packet::Invalid;
pub use sm::{Action, Datagram, Event, Machine, Notice, Via};

/// Reads a payload in both directions, and the prefixes in it. For fuzzers.
///
/// # Errors
/// The first rule that it breaks.
pub fn read(payload: &[u8]) -> Result<(), Invalid> {
    match packet::Message::read(payload)? {
        packet::Message::Client { .. } => packet::Delegation::read(payload).map(drop),
        packet::Message::Relayed(_) => Ok(()),
        packet::Message::Reply(envelope) => {
            packet::Answer::read(envelope.message)?;
            packet::Delegation::read(envelope.message).map(drop)
        }
    }
}
