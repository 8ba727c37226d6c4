//! Typed faults of the room.

use thiserror::Error;
use wire::MacAddr;

/// A configuration that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Network 0, or a static entry of a network that is not configured.
    #[error("no such network")]
    NoNetwork,
    /// A number out of its range; durations in seconds.
    #[error("{field}: {value} is not within {min} to {max}")]
    Range {
        /// Path of the field in [`super::Config`].
        field: &'static str,
        /// What it was.
        value: u32,
        /// Least value allowed.
        min: u32,
        /// Greatest value allowed.
        max: u32,
    },
    /// A static entry of a group, or of no address.
    #[error("{0} is not the address of one station")]
    NoStation(MacAddr),
    /// A static entry that leads nowhere.
    #[error("{0} is nowhere")]
    Nowhere(MacAddr),
}
