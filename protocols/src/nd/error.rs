//! Typed faults of the room.

use thiserror::Error;

/// A parameter that the protocol does not allow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A number out of its range; durations in milliseconds.
    #[error("{field}: {value} is not within {min} to {max}")]
    Range {
        /// The field of [`super::Config`].
        field: &'static str,
        /// What it was.
        value: u64,
        /// Least value allowed.
        min: u64,
        /// Greatest value allowed.
        max: u64,
    },
    /// A proxy prefix longer than its address.
    #[error("proxy[{index}]: prefix length {len} is above {max}")]
    ProxyLength {
        /// Which one, from 0.
        index: usize,
        /// What it was.
        len: u8,
        /// 32 or 128.
        max: u8,
    },
}
