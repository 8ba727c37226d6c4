//! Typed faults of the room.

use std::net::Ipv6Addr;

use super::config::PREFIX_LENGTHS;

/// A configuration that the client cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// More than the room keeps.
    #[error("{field}: {count} are more than {max}")]
    TooMany {
        /// Path of the field.
        field: &'static str,
        /// How many there are.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// A length that no delegated prefix has.
    #[error("{field}: {len} is not within {} to {}", PREFIX_LENGTHS.start(), PREFIX_LENGTHS.end())]
    Length {
        /// Path of the field.
        field: String,
        /// The length, in bits.
        len: u8,
    },
    /// A prefix that is never delegated: link-local, multicast, loopback.
    #[error("{field}: {prefix} is no prefix that can be delegated")]
    Prefix {
        /// Path of the field.
        field: String,
        /// The prefix.
        prefix: Ipv6Addr,
    },
    /// An option that the protocol itself needs, and cannot be asked for.
    #[error("{field}: option {code} is of the protocol itself, or asked for anyway")]
    Option {
        /// Path of the field.
        field: String,
        /// The option's code.
        code: u16,
    },
}

/// Why bytes are not what the client kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Of a later version, or no record at all.
    #[error("record version {0} is not known")]
    Version(u8),
    /// The record ends before the field does.
    #[error("it ends within {0}")]
    Short(&'static str),
    /// There is more than a record.
    #[error("{0} bytes follow it")]
    Trailing(usize),
    /// A field has a value that no release wrote.
    #[error("{0} has a value that was never written")]
    Value(&'static str),
}
