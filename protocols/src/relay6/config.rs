//! What the relay does on one link.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use tables::id::IfaceId;

use super::error::ConfigError;

/// Most bytes of an Interface-Id, Remote-ID or Subscriber-ID: what the server's book of leases keeps of them.
pub const MAX_ID: usize = 255;

/// Where messages of clients go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// To this address, by the routing table.
    Routed(Ipv6Addr),
    /// Out of this interface, to a group of servers or a link-local address.
    Link {
        /// The upstream interface.
        iface: IfaceId,
        /// The group or address.
        address: Ipv6Addr,
    },
}

/// Whose Relay-forward messages are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Relays {
    /// Nobody's: on a link of clients, a Relay-forward is a lie.
    #[default]
    None,
    /// Of relays whose address is in one of these prefixes.
    From(Vec<Ipv6Net>),
    /// Anybody's.
    Any,
}

impl Relays {
    /// Whether `relay` may speak for clients.
    pub fn allow(&self, relay: Ipv6Addr) -> bool {
        match self {
            Relays::None => false,
            Relays::From(prefixes) => prefixes.iter().any(|prefix| prefix.contains(&relay)),
            Relays::Any => true,
        }
    }
}

/// A Remote-ID (RFC 4649 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteId {
    /// The enterprise number of who defined it.
    pub enterprise: u32,
    /// The identifier.
    pub id: Vec<u8>,
}

/// What the relay does on one link; `Default` has no server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where messages go: to all of them.
    pub servers: Vec<Server>,
    /// An address of the link, by which servers tell it; unspecified: they go by the Interface-Id.
    pub link_address: Ipv6Addr,
    /// Source of what is sent to routed servers; none: an address of the router.
    pub source: Option<Ipv6Addr>,
    /// How the link is called (RFC 8415 section 21.18); the same after a restart, unique in the router.
    pub interface_id: Vec<u8>,
    /// Remote-ID of clients of the link.
    pub remote_id: Option<RemoteId>,
    /// Subscriber-ID of clients of the link (RFC 4580).
    pub subscriber_id: Option<Vec<u8>>,
    /// Tell servers the MAC of a client (RFC 6939), on.
    pub client_mac: bool,
    /// Whose Relay-forward messages are taken on this link.
    pub relays: Relays,
    /// Install routes to prefixes that servers delegate to clients of the link (RFC 8987), on.
    pub routes: bool,
    /// Most prefixes delegated on the link.
    pub max_prefixes: usize,
    /// Most prefixes delegated to one client.
    pub max_prefixes_per_client: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            link_address: Ipv6Addr::UNSPECIFIED,
            source: None,
            interface_id: Vec::new(),
            remote_id: None,
            subscriber_id: None,
            client_mac: true,
            relays: Relays::None,
            routes: true,
            max_prefixes: 4096,
            max_prefixes_per_client: 16,
        }
    }
}

impl Config {
    /// Every fault, not only the first.
    pub fn validate(&self) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        if self.servers.is_empty() {
            faults.push(ConfigError::NoServers);
        }
        faults.extend(self.servers.iter().filter_map(|server| match *server {
            Server::Routed(a)
                if a.is_multicast() || a.is_unspecified() || a.is_unicast_link_local() =>
            {
                Some(ConfigError::Server(a))
            }
            Server::Link { address, .. } if address.is_unspecified() => {
                Some(ConfigError::Server(address))
            }
            _ => None,
        }));
        let remote = self.remote_id.as_ref().map(|remote| &remote.id);
        for (field, id) in [
            ("interface_id", Some(&self.interface_id)),
            ("remote_id", remote),
            ("subscriber_id", self.subscriber_id.as_ref()),
        ] {
            if let Some(id) = id.filter(|id| id.is_empty() || MAX_ID < id.len()) {
                faults.push(ConfigError::Length {
                    field,
                    len: id.len(),
                    max: MAX_ID,
                });
            }
        }
        faults
    }
}
