//! Faults of a plan.

use std::net::Ipv6Addr;

/// What is wrong with one wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A subnet has a length that no address fits in, or a whole internet.
    #[error("/{0} is not within /16 to /126")]
    Length(u8),
    /// The interface identifier reaches into the prefix.
    #[error("{interface_id} has bits set in the first {length}, which are the prefix's")]
    InterfaceId {
        /// The identifier.
        interface_id: Ipv6Addr,
        /// The length of the subnet.
        length: u8,
    },
    /// It is the subnet-router anycast address (RFC 4291 section 2.6.1).
    #[error("an interface identifier of zero is the subnet-router anycast address")]
    Anycast,
}
