//! Typed faults of the room.

use std::net::Ipv6Addr;

use thiserror::Error;

/// A router variable that the protocol does not allow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A number out of its range; durations in milliseconds.
    #[error("{field}: {value} is not within {min} to {max}")]
    Range {
        /// Path of the field in [`super::Config`], such as `prefixes[2].prefix_len`.
        field: String,
        /// What it was.
        value: u64,
        /// Least value allowed.
        min: u64,
        /// Greatest value allowed.
        max: u64,
    },
    /// A prefix that cannot be advertised: link-local, multicast, or bits set after its length.
    #[error("{field}: {prefix}/{len} cannot be advertised: {why}")]
    Prefix {
        /// Path of the field.
        field: String,
        /// The prefix.
        prefix: Ipv6Addr,
        /// Its length.
        len: u8,
        /// The rule it breaks.
        why: &'static str,
    },
    /// The same prefix twice.
    #[error("{field}: the same prefix stands in an earlier entry")]
    Duplicate {
        /// Path of the field.
        field: String,
    },
    /// A preferred lifetime longer than the valid one (RFC 4861 section 6.2.1).
    #[error("{field}: the preferred lifetime is longer than the valid lifetime")]
    PreferredBeyondValid {
        /// Path of the field.
        field: String,
    },
    /// A list that must name at least one.
    #[error("{field}: names nothing")]
    Empty {
        /// Path of the field.
        field: String,
    },
    /// A name or URI that cannot be encoded.
    #[error("{field}: \"{value}\" {why}")]
    Text {
        /// Path of the field.
        field: String,
        /// The text.
        value: String,
        /// The rule it breaks.
        why: &'static str,
    },
}
