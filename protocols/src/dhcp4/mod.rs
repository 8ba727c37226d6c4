//! DHCPv4, the server's side: which address does this client get on this link?
//!
//! ```text
//!   datagrams to port 67 (punt)       configuration, stored leases, store's word, administrator, answers to ARP
//!            │                                   │
//!            ▼                                   ▼
//!   packet.rs   the message            link.rs, config.rs   what a link gives, and to whom
//!   relay.rs    whose link             lease::Book   who has what
//!   client.rs   identity, reservation
//!            │                                   │
//!            ▼                                   ▼
//!   exchange.rs  RFC 2131 section 4.3 ─► choice.rs   which address ─► probe.rs   does somebody use it?
//!            │
//!            ▼
//!   reply.rs, writer.rs ─► send · write · probe · notice
//! ```
//!
//! # Rules followed
//!
//! - RFC 2131 section 4.3 whole; options of RFC 2132, long ones split (RFC 3396), overload read and written.
//! - RFC 6842 (client identifier goes back), RFC 4361 (a DUID in it tells a port), RFC 4039 (rapid commit), RFC 3442
//!   (classless routes), RFC 3397 (domain search), RFC 8925 (IPv6-only preferred).
//! - RFC 3046 relays with RFC 3527 (link selection), RFC 5107 (server identifier override), RFC 3993, RFC 8357 (source port).
//!   Only relays that the configuration trusts.
//! - RFC 2131 section 2.2: an address that is new to its client is asked for by ARP before it is offered.
//! - Not done: BOOTP without DHCP, FORCERENEW (RFC 3203), authentication (RFC 3118), leasequery (RFC 4388), DNS updates and the
//!   Client FQDN option (RFC 4702), vendor-identifying options (RFC 3925) other than by code, subnet selection (RFC 3011).
//!
//! # Invariants
//!
//! - Nothing is given twice: an address is bound to one client, and what is reserved is given to its owner only. Addresses are
//!   told apart by themselves alone, so subnets of all links, of all routers, must not overlap: others are refused.
//! - An Ack leaves only after its writes (`Action::Send::after_commit`). An offer is kept in memory alone.
//! - When the store fails, what was not stored is taken back and, for two seconds at a time, no message that would change leases
//!   is served. Settings are.
//! - A message that is refused changes nothing but one counter.
//! - Maps are bounded: leases by `max_leases` and the pools, addresses asked for by a constant, the rest by the configuration.
//!
//! # One of a pair
//!
//! Two routers may have the same leases (`pair.rs`, [`crate::pairing`]): each change is told to the other one when it is on disk, and
//! taken over there. New leases are given of the own half; for one of the other half the other router is asked, and the client's
//! message waits. A link that is not served ([`Event::Serve`]) is silent, and learns.
//!
//! # The clock
//!
//! Leases end by the wall clock, for they outlive the process (see [`lease`]). Probes end by `now`.
//!
//! # What the task must do
//!
//! - Feed datagrams to UDP port 67, checksum verified, that came for a broadcast or an own address, from interfaces with a link.
//! - Take all datagrams that wait, gather the writes, commit them at once, then tell `Stored` or `StoreFailed` *before any other
//!   event*, and carry out what waited (sends with `after_commit`) only when it is `Stored`.
//! - Send an ARP probe for `Probe`, and tell every ARP packet of that interface whose sender has that address.
//! - Keep `Identity` over restarts.
//! - Of a pair, tell `Tell` to the other router in order, after the writes before it are on disk; when they fail, end the channel.
//!   What was to be told in one channel is not told in the next.

mod admin;
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
mod probe;
mod receive;
pub mod relay;
mod reply;
pub mod sm;
mod writer;

pub use config::Config;
pub use counters::Counters;
pub use error::ConfigError;
pub use link::LinkId;
pub use option::Invalid;
pub use packet::{Message, MessageType};
pub use sm::{Action, Datagram, Event, Identity, Machine, Notice, Via};
