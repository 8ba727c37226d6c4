//! Typed faults of the room.

use std::net::Ipv4Addr;

use thiserror::Error;

/// A configuration that the relay cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Nobody to relay to.
    #[error("servers: there must be one")]
    NoServers,
    /// An address that is no unicast address.
    #[error("{field}: {address} is not a unicast address")]
    Address {
        /// The field.
        field: &'static str,
        /// The address.
        address: Ipv4Addr,
    },
    /// A name that is empty, or sub-options that together do not fit their option.
    #[error("{field}: {len} bytes are not within 1 to {max}")]
    Length {
        /// The field.
        field: &'static str,
        /// Its bytes.
        len: usize,
        /// The most.
        max: usize,
    },
    /// Links that share a giaddr are told apart by their Circuit IDs.
    #[error("circuit_id: another link with the same giaddr has the same, or none")]
    SameCircuitId,
    /// Zero hops would relay nothing, more than 16 are not allowed (RFC 1542 section 4.1.1).
    #[error("hop_limit: {0} is not within 1 to 16")]
    HopLimit(u8),
    /// Less than a message needs.
    #[error("mtu: {0} is less than 576")]
    Mtu(u16),
}
