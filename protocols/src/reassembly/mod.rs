//! Reassembly: what did a host ask of one of our addresses, in a packet too long for a link?
//!
//! ```text
//!   fragments for own addresses (punt)
//!        │
//!        ▼
//!   packet.rs     what the piece is of, where it stands, whether its lengths are right
//!   datagram.rs   the pieces of one datagram: gaps, duplicates, overlaps
//!   sm.rs         the datagrams of all interfaces, their bounds and their timers
//!   answer.rs     the whole packet: echo reply, port unreachable, one for the DHCPv6 room, or nothing
//!   split.rs      a reply cut to what every link carries
//!        │
//!        ▼
//!   send
//! ```
//!
//! # Rules followed
//!
//! - RFC 8200 section 4.5 and RFC 791 section 3.2: reassembly, 60 s for IPv6 and 30 s for IPv4 (RFC 1122 section
//!   3.3.2); time exceeded if the first piece came; parameter problem for a length that is no multiple of 8.
//! - RFC 5722: a datagram with overlapping pieces is discarded in silence, and so are its later pieces. IPv4 is held to
//!   the same. An exact duplicate is ignored.
//! - RFC 6980: neighbour discovery in fragments is ignored: of ICMP nothing but echo is looked at.
//! - RFC 8200 section 5: IPv6 replies are cut to 1,280 octets, which need no path MTU; so are IPv4 replies, which the
//!   dataplane cuts further where a link has less.
//! - RFC 8415 section 7: DHCPv6 messages may be long; those to its servers' groups are put together too.
//! - Not here: atomic fragments (RFC 6946) are whole packets to the dataplane; fragments to other groups are dropped there.
//! - Not done: TCP, and protocols other than ICMP and UDP, are counted and not answered.
//!
//! # Invariants
//!
//! - An interface has at most [`sm::MAX_DATAGRAMS`] datagrams of [`sm::MAX_OCTETS`] octets together waiting; one too
//!   many takes the place of the oldest.
//! - Nothing that is sent is longer than 1,280 octets, and nothing is sent but in answer.
//! - ICMP errors are limited to [`sm::ERRORS_PER_SECOND`], all interfaces together.
//!
//! # What the task must do
//!
//! - Feed punted packets of class `fragment`, each with a number that nobody can foresee (RFC 7739).
//! - Hand DHCPv6 messages to their room.
//! - Route what is sent; a packet from or to a link-local address goes back to the station that sent the question.

mod answer;
mod counters;
mod datagram;
mod packet;
pub mod sm;
pub mod split;

pub use counters::Counters;
pub use sm::{Action, Arrival, Event, Machine};
