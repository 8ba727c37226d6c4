//! DHCPv4, the relay agent's side: which servers hear this client, and which client gets that answer?
//!
//! ```text
//!   client ─► packet.rs ─► forward.rs   giaddr, hops, agent option ─► servers, by unicast
//!   server ─► packet.rs ─► backward.rs  agent option off ─► client, by its MAC or by broadcast
//! ```
//!
//! # Rules followed
//!
//! - RFC 1542 section 4 and RFC 2131 section 4.1: giaddr, hops (limit 16), answers by the broadcast flag or straight to chaddr
//!   without ARP.
//! - RFC 3046: Relay Agent Information with Circuit ID and Remote ID; what already carries one is dropped, kept or replaced.
//!   RFC 3527 link selection, RFC 5107 server identifier override, RFC 5010 flags.
//! - Not done: authentication of the option (RFC 4030), DHCP over TCP leasequery, BOOTP without a magic cookie, the `secs`
//!   threshold of RFC 1542 section 3.
//!
//! # Invariants
//!
//! - The machine keeps nothing but its configuration and counters.
//! - What is refused changes nothing but one counter.
//! - No client sees the Relay Agent Information of its relay.
//!
//! # What the task must do
//!
//! Feed datagrams to UDP port 67 from interfaces with a link, and answers of servers (op 2) from everywhere.

pub mod config;
pub mod counters;
pub mod error;
pub mod packet;
pub mod sm;

mod backward;
mod forward;

pub use config::{Config, Existing, Relays};
pub use counters::Counters;
pub use error::ConfigError;
pub use packet::Invalid;
pub use sm::{Action, Datagram, Event, Machine, Notice, Via};

/// Reads a payload, and writes it anew as it would leave in both directions. For fuzzers.
///
/// # Errors
/// The first rule that it breaks.
pub fn read(payload: &[u8]) -> Result<(), Invalid> {
    let message = packet::Message::read(payload)?;
    if let Some(agent) = message.agent {
        packet::sub_option(agent, packet::CIRCUIT_ID)?;
    }
    message.without_agent();
    Ok(())
}
