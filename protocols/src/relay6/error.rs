//! Typed faults of the room.

use std::net::Ipv6Addr;

use thiserror::Error;

/// A configuration that the relay cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Nobody to relay to.
    #[error("servers: there must be one")]
    NoServers,
    /// A server's address that is no unicast address, or a group without a link.
    #[error("servers: {0} needs an upstream interface, or is no address of a server")]
    Server(Ipv6Addr),
    /// A name or number of bytes that no option holds.
    #[error("{field}: {len} bytes are not within 1 to {max}")]
    Length {
        /// The field.
        field: &'static str,
        /// Its bytes.
        len: usize,
        /// The most.
        max: usize,
    },
    /// Neither the answer's Interface-Id nor its link-address would say which link it is for.
    #[error("interface_id: another link of the router has the same")]
    SameInterfaceId,
}
