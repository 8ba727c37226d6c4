//! DHCP relays of an interface.

use std::net::Ipv6Addr;

use super::Interface;
use protocols::{relay4, relay6};

/// The DHCPv6 relay's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dhcp6Relay {
    /// Servers: unicast addresses, and link-local ones and groups on `upstream`.
    pub servers: Vec<Ipv6Addr>,
    /// The interface on which groups and link-local servers are.
    pub upstream: Option<String>,
    /// The rest, without servers and MTUs.
    pub config: relay6::Config,
}

/// The DHCPv4 relay's table, without the MTU of the way to the servers.
pub type Dhcp4Relay = relay4::Config;

impl Interface {
    /// Whether it has a DHCPv6 relay that listens to clients.
    pub fn relays_dhcp6(&self) -> bool {
        self.dhcp6_relay.is_some()
    }
}
