//! Typed faults of the room.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use thiserror::Error;

use lease::PoolError;

/// A configuration that the server cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A number out of its range; durations in seconds.
    #[error("{field}: {value} is not within {min} to {max}")]
    Range {
        /// Path of the field in [`super::Config`], such as `subnets[0].lifetime`.
        field: String,
        /// What it was.
        value: u64,
        /// Least value allowed.
        min: u64,
        /// Greatest value allowed.
        max: u64,
    },
    /// An address that cannot be given, or not from here.
    #[error("{field}: {address} {why}")]
    Address {
        /// Path of the field.
        field: String,
        /// The address.
        address: Ipv4Addr,
        /// The rule it breaks.
        why: &'static str,
    },
    /// A prefix that cannot be served.
    #[error("{field}: {prefix} {why}")]
    Prefix {
        /// Path of the field.
        field: String,
        /// The prefix.
        prefix: Ipv4Net,
        /// The rule it breaks.
        why: &'static str,
    },
    /// Two that must differ, or must not overlap, and do.
    #[error("{field}: {why} {other}")]
    Conflict {
        /// Path of the field.
        field: String,
        /// The rule.
        why: &'static str,
        /// Path of the one that stands first.
        other: String,
    },
    /// A name or option that cannot be encoded.
    #[error("{field}: \"{value}\" {why}")]
    Text {
        /// Path of the field.
        field: String,
        /// The text.
        value: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// Ranges of which no pool can be made.
    #[error("{field}: {error}")]
    Pool {
        /// Path of the field.
        field: String,
        /// Why not.
        #[source]
        error: PoolError,
    },
    /// Something that must be there and is not.
    #[error("{field}: {why}")]
    Missing {
        /// Path of the field.
        field: String,
        /// What is missing.
        why: &'static str,
    },
}
