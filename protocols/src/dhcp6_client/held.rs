//! What an uplink holds: told to the router on every change, and kept over restarts.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use lease::{ClientId, Wall};
use tables::id::IfaceId;

/// A DUID (RFC 8415 section 11).
pub type Duid = ClientId;

/// The whole of what an uplink holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which uplink.
    pub iface: IfaceId,
    /// What the client is doing.
    pub state: State,
    /// Who gave it.
    pub server: Option<Duid>,
    /// When the server is asked to make it last longer (T1, RFC 8415 section 14.2).
    pub renew_at: Wall,
    /// When any server is asked (T2).
    pub rebind_at: Wall,
    /// Addresses of the uplink.
    pub addresses: Vec<HeldAddress>,
    /// Delegated prefixes.
    pub prefixes: Vec<HeldPrefix>,
    /// Everything else the server said.
    pub settings: Settings,
}

impl Held {
    /// Nothing, of an uplink in `state`.
    pub fn nothing(iface: IfaceId, state: State) -> Self {
        Held {
            iface,
            state,
            server: None,
            renew_at: Wall::NEVER,
            rebind_at: Wall::NEVER,
            addresses: Vec::new(),
            prefixes: Vec::new(),
            settings: Settings::default(),
        }
    }
}

/// An address of the uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldAddress {
    /// Its identity association.
    pub iaid: u32,
    /// The address. It has no prefix length: what is on link, Router Advertisements say (RFC 5942).
    pub address: Ipv6Addr,
    /// Until when it is preferred; in the past: deprecated.
    pub preferred_until: Wall,
    /// Until when it is valid; always in the future.
    pub valid_until: Wall,
}

/// A delegated prefix. A deprecated one stays listed until its valid lifetime ends, unless the server withdraws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldPrefix {
    /// Its identity association: `Config::iaid` and the number of the hint in `Config::prefixes` added up.
    pub iaid: u32,
    /// The prefix.
    pub prefix: Ipv6Net,
    /// The part of it that is the uplink's own and must not be used downstream (RFC 6603).
    pub exclude: Option<Ipv6Net>,
    /// Until when it is preferred; in the past: deprecated.
    pub preferred_until: Wall,
    /// Until when it is valid; always in the future.
    pub valid_until: Wall,
}

/// What a server says beside leases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Recursive name servers (RFC 3646), best first.
    pub dns_servers: Vec<Ipv6Addr>,
    /// Domains to search (RFC 3646), without the dot at the end.
    pub domain_search: Vec<Box<str>>,
    /// Time servers (RFC 5908, RFC 4075).
    pub ntp_servers: Vec<NtpServer>,
    /// Options that the configuration asked for by code, as they came.
    pub options: Vec<(u16, Box<[u8]>)>,
}

/// A time server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NtpServer {
    /// By unicast or multicast address.
    Address(Ipv6Addr),
    /// By name.
    Name(Box<str>),
}

/// What the client of an uplink is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Waiting for the link, or for its link-local address.
    Down,
    /// Looking for servers (Solicit), or waiting before the next try.
    Soliciting,
    /// Asking the chosen server (Request).
    Requesting,
    /// Holding leases.
    Bound,
    /// Past T1: asking the server that gave them (Renew).
    Renewing,
    /// Past T2, or after a restart with prefixes: asking all servers (Rebind).
    Rebinding,
    /// Asking whether the addresses are still right on this link (Confirm).
    Confirming,
    /// Refusing an address that is somebody else's (Decline).
    Declining,
    /// Giving leases back (Release).
    Releasing,
    /// Leases were given back by order; the client rests until it is told to go on.
    Released,
    /// Asking for settings (Information-request).
    Informing,
    /// Having settings.
    Informed,
    /// Not configured any more.
    Removed,
}

impl State {
    /// All.
    pub const ALL: [State; 13] = [
        State::Down,
        State::Soliciting,
        State::Requesting,
        State::Bound,
        State::Renewing,
        State::Rebinding,
        State::Confirming,
        State::Declining,
        State::Releasing,
        State::Released,
        State::Informing,
        State::Informed,
        State::Removed,
    ];

    /// The word for people and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            State::Down => "down",
            State::Soliciting => "soliciting",
            State::Requesting => "requesting",
            State::Bound => "bound",
            State::Renewing => "renewing",
            State::Rebinding => "rebinding",
            State::Confirming => "confirming",
            State::Declining => "declining",
            State::Releasing => "releasing",
            State::Released => "released",
            State::Informing => "informing",
            State::Informed => "informed",
            State::Removed => "removed",
        }
    }
}

/// What is kept over restarts, by the interface's name: numbers of interfaces are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The interface's name.
    pub name: Box<str>,
    /// What it holds.
    pub lease: Binding,
}

/// Leases of one uplink, and what belongs to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Who gave them.
    pub server: Duid,
    /// T1.
    pub renew_at: Wall,
    /// T2.
    pub rebind_at: Wall,
    /// Addresses.
    pub addresses: Vec<HeldAddress>,
    /// Prefixes.
    pub prefixes: Vec<HeldPrefix>,
    /// What came with them.
    pub settings: Settings,
    /// With what the server proves that a Reconfigure is its own.
    pub reconfigure: Option<ReconfigureKey>,
}

impl Binding {
    /// Whether nothing is leased.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.prefixes.is_empty()
    }
}

/// A key of RKAP (RFC 8415 section 20.4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReconfigureKey {
    /// The key.
    pub key: [u8; 16],
    /// The greatest replay detection value seen with it.
    pub replay: u64,
}

impl std::fmt::Debug for ReconfigureKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReconfigureKey(.., replay {})", self.replay)
    }
}
