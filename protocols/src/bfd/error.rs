//! Typed faults of the room.

use std::net::IpAddr;

use thiserror::Error;

/// A session that the room cannot keep.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// An interval out of its range; microseconds.
    #[error("{field}: {value} us is not within {min} us to {max} us")]
    Interval {
        /// The field of [`super::Config`].
        field: &'static str,
        /// What it was.
        value: u128,
        /// Least value allowed.
        min: u128,
        /// Greatest value allowed.
        max: u128,
    },
    /// A multiplier of 0 would detect everything at once (RFC 5880 section 6.8.6).
    #[error("detect_mult: 0 is not within 1 to 255")]
    DetectMult,
    /// A key that is empty, or longer than its digest (RFC 5880 section 4.4).
    #[error("key: {0} octets are not within 1 to 20")]
    KeyLength(usize),
    /// An address that is no unicast address.
    #[error("{field}: {address} is not a unicast address")]
    Address {
        /// The field of [`super::SessionId`].
        field: &'static str,
        /// The address.
        address: IpAddr,
    },
    /// Addresses of two versions of IP.
    #[error("peer: {peer} and {local} are of two versions of IP")]
    Versions {
        /// Our address.
        local: IpAddr,
        /// The peer's.
        peer: IpAddr,
    },
    /// A session with ourselves.
    #[error("peer: {0} is our own address")]
    Ourselves(IpAddr),
    /// No room for another session.
    #[error("there are {0} sessions already")]
    Full(usize),
}
