//! The other router of a pair.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Another router with the same configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Where this router listens; its text is this router's name in the pair.
    pub local: SocketAddr,
    /// Where the other one does.
    pub peer: SocketAddr,
    /// The file with the key that both have.
    pub key_file: PathBuf,
    /// Records a second that are sent at most.
    pub rate: u32,
    /// Flows of the other router at most.
    pub max_flows: u32,
}

impl Pair {
    /// Records a second where nothing is said.
    pub const RATE: u32 = 250_000;
}
