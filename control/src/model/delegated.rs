//! What an interface wants of the prefixes that an uplink is delegated.

use std::net::Ipv6Addr;
use std::time::Duration;

use protocols::delegation::Wish;

use super::Subnet;

/// How long a prefix that an upstream may change is told to be preferred and valid, by default (RFC 9096 section 3.2).
pub const PREFERRED: Duration = Duration::from_secs(2700);
/// See [`PREFERRED`].
pub const VALID: Duration = Duration::from_secs(5400);

/// One subnet of each prefix of an uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegated {
    /// The interface that is delegated the prefixes; of the same router.
    pub uplink: String,
    /// Which subnet, counted from 0; `None`: one that is free.
    pub number: Option<u64>,
    /// What follows the prefix in our own address.
    pub interface_id: Ipv6Addr,
    /// Advertised and leased for so long at most, and never longer than the delegation: preferred.
    pub preferred: Duration,
    /// The same: valid.
    pub valid: Duration,
    /// All else that holds for the subnet; its prefix is `::` with the length that is wanted.
    pub subnet: Subnet,
}

impl Delegated {
    /// The same for the machine that assigns subnets.
    pub fn wish(&self, interface: &str) -> Wish {
        Wish {
            interface: interface.into(),
            uplink: self.uplink.as_str().into(),
            subnet: self.number,
            length: self.subnet.prefix.prefix_len(),
            interface_id: self.interface_id,
        }
    }
}
