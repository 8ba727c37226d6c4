//! What the relay does on one link.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::error::ConfigError;

/// Most hops of RFC 1542 section 4.1.1.
pub const MAX_HOPS: u8 = 16;
/// Octets of a datagram that every host takes (RFC 1122 section 3.3.2), and the least of a DHCP message's way.
pub const MIN_MTU: u16 = 576;
/// Most octets of an option's data.
const MAX_OPTION: usize = 255;

/// What becomes of a client's message that already carries Relay Agent Information (RFC 3046 section 2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Existing {
    /// It is dropped: no honest client has any.
    #[default]
    Drop,
    /// It is relayed as it is: a trusted switch put it there.
    Keep,
    /// Ours takes its place.
    Replace,
}

/// Whose messages are taken that went through a relay already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Relays {
    /// Nobody's.
    #[default]
    None,
    /// Of relays whose address is in one of these prefixes.
    From(Vec<Ipv4Net>),
    /// Anybody's.
    Any,
}

impl Relays {
    /// Whether `relay` may speak for clients.
    pub fn allow(&self, relay: Ipv4Addr) -> bool {
        match self {
            Relays::None => false,
            Relays::From(prefixes) => prefixes.iter().any(|prefix| prefix.contains(&relay)),
            Relays::Any => true,
        }
    }
}

/// What the relay does on one link; `Default` has no server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where messages go: to all of them.
    pub servers: Vec<Ipv4Addr>,
    /// Our address on the link: what clients are answered from.
    pub address: Ipv4Addr,
    /// Where servers answer to, and by which they tell the link; one of our addresses.
    pub giaddr: Ipv4Addr,
    /// Add Relay Agent Information, on.
    pub agent_option: bool,
    /// What the link is called (RFC 3046 section 3.1).
    pub circuit_id: Option<Vec<u8>>,
    /// What the router is called (RFC 3046 section 3.2).
    pub remote_id: Option<Vec<u8>>,
    /// An address of the link where `giaddr` is not one (RFC 3527).
    pub link_selection: Option<Ipv4Addr>,
    /// Have clients renew through us (RFC 5107), off.
    pub server_override: bool,
    /// Tell servers whether the client asked by unicast (RFC 5010), off.
    pub flags: bool,
    /// What becomes of Relay Agent Information that is there already.
    pub existing: Existing,
    /// Whose relayed messages are taken on this link.
    pub relays: Relays,
    /// Hops at which a message is discarded, 16.
    pub hop_limit: u8,
    /// MTU of the link, bytes.
    pub link_mtu: u16,
    /// MTU of the way to the servers, bytes.
    pub path_mtu: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            address: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            agent_option: true,
            circuit_id: None,
            remote_id: None,
            link_selection: None,
            server_override: false,
            flags: false,
            existing: Existing::Drop,
            relays: Relays::None,
            hop_limit: MAX_HOPS,
            link_mtu: 1500,
            path_mtu: 1500,
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
        let servers = self.servers.iter().map(|server| ("servers", *server));
        let own = [("address", self.address), ("giaddr", self.giaddr)];
        for (field, address) in servers.chain(own) {
            if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
                faults.push(ConfigError::Address { field, address });
            }
        }
        let ids = [
            ("circuit_id", &self.circuit_id),
            ("remote_id", &self.remote_id),
        ];
        for (field, id) in ids {
            if id.as_ref().is_some_and(Vec::is_empty) {
                let (len, max) = (0, MAX_OPTION);
                faults.push(ConfigError::Length { field, len, max });
            }
        }
        // With the longest of everything that it may have.
        let len = self.agent(true).len();
        if MAX_OPTION < len {
            faults.push(ConfigError::Length {
                field: "circuit_id and remote_id",
                len,
                max: MAX_OPTION,
            });
        }
        if self.hop_limit == 0 || MAX_HOPS < self.hop_limit {
            faults.push(ConfigError::HopLimit(self.hop_limit));
        }
        let mtus = [self.link_mtu, self.path_mtu];
        let small = mtus.into_iter().filter(|mtu| *mtu < MIN_MTU);
        faults.extend(small.map(ConfigError::Mtu));
        faults
    }

    /// The data of our Relay Agent Information, for a message that came by unicast or not.
    pub(super) fn agent(&self, unicast: bool) -> Vec<u8> {
        use super::packet::{CIRCUIT_ID, FLAGS, LINK_SELECTION, REMOTE_ID, SERVER_OVERRIDE};
        let mut out = Vec::new();
        let mut add = |code: u8, data: &[u8]| {
            out.extend([code, data.len().min(MAX_OPTION) as u8]);
            out.extend_from_slice(data);
        };
        if let Some(id) = &self.circuit_id {
            add(CIRCUIT_ID, id);
        }
        if let Some(id) = &self.remote_id {
            add(REMOTE_ID, id);
        }
        if let Some(address) = self.link_selection {
            add(LINK_SELECTION, &address.octets());
        }
        if self.flags {
            add(FLAGS, &[if unicast { 0x80 } else { 0 }]);
        }
        if self.server_override {
            add(SERVER_OVERRIDE, &self.address.octets());
        }
        out
    }
}
