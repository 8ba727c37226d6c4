//! BFD sessions.

use std::net::IpAddr;

use protocols::bfd::Config;

/// A BFD session with a neighbour of an interface (RFC 5881).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bfd {
    /// The neighbour.
    pub peer: IpAddr,
    /// Our own address, when it is not the one that fits: the link-local one, or the one of the peer's subnet.
    pub local: Option<IpAddr>,
    /// What is said and expected.
    pub config: Config,
    /// Whether routes through the neighbour are withdrawn when it fails.
    pub withdraw_routes: bool,
}
