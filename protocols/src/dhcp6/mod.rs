//! DHCPv6, the server's side: what does this client get on this link?
//!
//! ```text
//!   datagrams to port 547 (punt)       configuration, stored leases, store's word, administrator
//!            │                                   │
//!            ▼                                   ▼
//!   relay.rs    envelopes ─► link        link.rs, config.rs   what a link gives, and to whom
//!   packet.rs   the message              lease::Book   who has what
//!   client.rs   MAC, reservation
//!            │                                   │
//!            ▼                                   ▼
//!   exchange.rs  RFC 8415 section 18.3 ─► binding.rs, choice.rs   from an association to leases
//!            │
//!            ▼
//!   reply.rs, settings.rs, auth.rs, relay.rs ─► send · write · route up, down · notice
//!                                               (reconfigure.rs sends without being asked)
//! ```
//!
//! # Rules followed
//!
//! - RFC 8415 sections 16 and 18.3 whole, for IA_NA, IA_TA and IA_PD in one exchange; RFC 9915, its revision, where the two
//!   differ, but for what older clients still need: IA_TA is served, and UseMulticast is answered to the messages of
//!   section 18.4 of RFC 8415 that came by unicast. The Server Unicast option is never sent.
//! - T1 and T2 are the same in all associations of an answer (section 18.3.2).
//! - Section 13.1 and 19.3: relays, up to HOP_COUNT_LIMIT in a row; RFC 6221 (lightweight relays), RFC 6939, RFC 4649, RFC 4580,
//!   RFC 4994 (echo), RFC 8357 (source port). Only relays that the configuration trusts.
//! - RFC 8168 length hints, RFC 6603 prefix exclude, RFC 8987 routes to delegated prefixes, through relays too.
//! - Sections 18.3.11 and 20.4: Reconfigure with RKAP, to clients that accept it.
//! - RFC 9686: a host registers an address that it has formed (`register.rs`). It is kept as a lease in a state of its own: nobody is
//!   given it, and nobody's lease, reservation or quarantine gives way to it.
//! - RFC 3646, 4704, 5908, 5970, vendor options, SOL_MAX_RT, INF_MAX_RT, any option by code.
//! - Not done: DNS updates (RFC 4704 flags say so), leasequery (RFC 5007), options that relays supply for clients (RFC 6422),
//!   DHCPv4 over DHCPv6 (RFC 7341), registration of addresses of a prefix that was delegated to the client itself.
//!
//! Messages are read by `packet.rs` and `relay.rs` in one walk that names every way to be malformed, and written by `writer.rs`:
//! order and repetition of options matter, and names must not be compressed. The crate dhcproto checks both in tests.
//!
//! # Invariants
//!
//! - Nothing is given twice: a resource is bound to one holder, and what is reserved is given to its owner only. In a router
//!   resources are told apart by address alone, so subnets and pools of all its links must not overlap: others are refused. Each
//!   router has resources of its own.
//! - An answer that promises something leaves only after its writes (`Action::Send::after_commit`). An Advertise promises nothing.
//! - When the store fails, what was not stored is taken back and, for two seconds at a time, no message that would change leases
//!   is served. Settings are.
//! - A message that is refused changes nothing but one counter.
//! - Maps are bounded: leases by `max_leases`, clients for Reconfigure by a constant, the rest by the configuration.
//!
//! # One of a pair
//!
//! Two routers may have the same leases (`pair.rs`, [`crate::pairing`]): each change is told to the other one when it is on disk, and
//! taken over there. New leases are given of the own half; for one of the other half the other router is asked, and the client's
//! message waits (`borrow.rs`). A link that is not served ([`Event::Serve`]) is silent, and learns.
//!
//! # The clock
//!
//! Leases end by the wall clock, for they outlive the process (see [`lease`]). Reconfigure is retransmitted by `now`.
//!
//! # What the task must do
//!
//! - Feed datagrams to UDP port 547, checksum verified, that came for `ff02::1:2`, `ff05::1:3` or an own address, from interfaces
//!   with a link. Configure links before `Loaded`, so that routes are told once.
//! - Take all datagrams that wait, gather the writes, commit them at once, then tell `Stored` or `StoreFailed` *before any other
//!   event*, and carry out what waited (sends with `after_commit`, routes) only when it is `Stored`.
//! - Keep `Identity` over restarts; both routers of a pair have the same one, or clients are other servers' to them.
//! - Of a pair, tell `Tell` to the other router in order, after the writes before it are on disk; when they fail, end the channel.
//!   What was to be told in one channel is not told in the next.

mod admin;
mod auth;
mod binding;
mod borrow;
mod choice;
mod client;
pub mod config;
pub mod counters;
pub mod error;
mod exchange;
mod import;
mod link;
pub mod option;
pub mod packet;
mod pair;
mod pools;
mod receive;
mod reconfigure;
mod register;
pub mod relay;
mod reply;
mod routes;
mod settings;
pub mod sm;
mod writer;

pub use auth::Secret;
pub use config::Config;
pub use counters::Counters;
pub use error::ConfigError;
pub use link::LinkId;
pub use option::Invalid;
pub use packet::MessageType;
pub use reconfigure::Reconfigure;
pub use sm::{Action, Datagram, Event, Identity, Machine, Notice, Via, Whom};

/// Reads a whole payload as the server does: envelopes, then the message. For fuzzers, and for tools that show a packet.
///
/// # Errors
/// The first rule that it breaks.
pub fn read(payload: &[u8]) -> Result<(Vec<relay::Layer<'_>>, packet::Message<'_>), Invalid> {
    let (layers, inner) = relay::unwrap(payload)?;
    Ok((layers, packet::Message::read(inner)?))
}
