//! What the server gives on one link; `Default` gives nothing.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use wire::MacAddr;

use super::error::ConfigError;
use super::option::code;

#[cfg(test)]
mod tests;
mod validate;

/// The lease that never ends: all ones on the wire (RFC 2131 section 3.3).
pub const INFINITE: Duration = Duration::from_secs(u32::MAX as u64);

/// Most leases of a subnet, where the configuration does not say.
pub const MAX_LEASES: usize = 1 << 20;

/// How an address is chosen from a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Allocation {
    /// By a hash of the client: the same client is likely to get the same address again, even from an empty store.
    #[default]
    Deterministic,
    /// By chance.
    Random,
}

/// Addresses from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The first.
    pub start: Ipv4Addr,
    /// The last.
    pub end: Ipv4Addr,
}

impl Range {
    /// Whether `address` is one of them.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (self.start..=self.end).contains(&address)
    }
}

/// How long leases last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// A lease; [`INFINITE`]: for ever.
    pub lease: Duration,
    /// T1: when clients renew; `None`: 0.5 of the lease (RFC 2131 section 4.4.5).
    pub t1: Option<Duration>,
    /// T2: when clients ask any server; `None`: 0.875 of the lease.
    pub t2: Option<Duration>,
}

impl Default for Lifetimes {
    /// One day: RFC 2131 names no value, Neutron this one.
    fn default() -> Self {
        Lifetimes {
            lease: Duration::from_secs(86_400),
            t1: None,
            t2: None,
        }
    }
}

/// A route that clients shall have (RFC 3442): one of Neutron's `host_routes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Where to.
    pub destination: Ipv4Net,
    /// By which router; 0.0.0.0: it is on the link.
    pub gateway: Ipv4Addr,
}

/// A prefix of the link and what is given of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its lasting name: leases are stored under it. Unique among the subnets of the server.
    pub name: String,
    /// The prefix.
    pub prefix: Ipv4Net,
    /// What is given to anybody; none: only what is reserved.
    pub pools: Vec<Range>,
    /// What of it is not given to anybody.
    pub exclude: Vec<Range>,
    /// How addresses are chosen.
    pub allocation: Allocation,
    /// How long leases last.
    pub lifetimes: Lifetimes,
    /// Default routers, in order of preference.
    pub routers: Vec<Ipv4Addr>,
    /// Further routes.
    pub routes: Vec<Route>,
    /// Recursive DNS servers; none: those of the link.
    pub dns_servers: Vec<Ipv4Addr>,
    /// Domain search list; none: that of the link.
    pub domain_search: Vec<String>,
    /// No more leases than these at once.
    pub max_leases: usize,
}

impl Subnet {
    /// A subnet without pools, named as its prefix.
    pub fn new(prefix: Ipv4Net) -> Self {
        Subnet {
            name: prefix.to_string(),
            prefix,
            pools: Vec::new(),
            exclude: Vec::new(),
            allocation: Allocation::default(),
            lifetimes: Lifetimes::default(),
            routers: Vec::new(),
            routes: Vec::new(),
            dns_servers: Vec::new(),
            domain_search: Vec::new(),
            max_leases: MAX_LEASES,
        }
    }
}

/// An option as its code and its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawOption {
    /// Option code.
    pub code: u8,
    /// Option data; more than 255 octets are split (RFC 3396).
    pub data: Vec<u8>,
    /// Sent also to clients that do not request it.
    pub always: bool,
}

/// Settings of the whole link, sent to clients that request them (RFC 2132 section 9.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Recursive DNS servers (RFC 2132 section 3.8).
    pub dns_servers: Vec<Ipv4Addr>,
    /// The domain of the clients (RFC 2132 section 3.17).
    pub domain: Option<String>,
    /// Domain search list (RFC 3397).
    pub domain_search: Vec<String>,
    /// Time servers (RFC 2132 section 8.3).
    pub ntp_servers: Vec<Ipv4Addr>,
    /// MTU of the link (RFC 2132 section 5.1).
    pub mtu: Option<u16>,
    /// The next server of a boot (`siaddr`, RFC 2131 section 2).
    pub next_server: Option<Ipv4Addr>,
    /// The boot file: in `file`, and as option 67 for who requests it.
    pub boot_file: Option<String>,
    /// The boot server's name (RFC 2132 section 9.4).
    pub tftp_server: Option<String>,
    /// How long a client that can do without IPv4 shall do so (RFC 8925), at least 300 s; `None`: none shall.
    pub ipv6_only_wait: Option<Duration>,
    /// Further options.
    pub extra: Vec<RawOption>,
}

/// What one client gets that nobody else does: a port, in Neutron's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// A name for people.
    pub name: String,
    /// The client's MAC.
    pub mac: Option<MacAddr>,
    /// Its Client-identifier, type included.
    pub client_id: Option<Vec<u8>>,
    /// The DUID in its Client-identifier, when that is one of RFC 4361.
    pub duid: Option<Vec<u8>>,
    /// Its addresses: one of each subnet.
    pub addresses: Vec<Ipv4Addr>,
    /// Its options; they hold before those of the link.
    pub options: Vec<RawOption>,
}

/// Whose relayed messages are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Relays {
    /// Nobody's.
    #[default]
    None,
    /// Of relays whose address is in one of these prefixes.
    From(Vec<Ipv4Net>),
    /// Anybody's: a host may then claim to be on any link that this server serves.
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

/// What the server does on one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Our addresses on the link: server identifiers, the first one of a client's subnet its own. One that moves between routers stands
    /// before the others, so that clients of the one know the other. None for a link behind relays.
    pub own: Vec<Ipv4Addr>,
    /// The link's prefixes.
    pub subnets: Vec<Subnet>,
    /// What is kept for whom.
    pub reservations: Vec<Reservation>,
    /// Settings besides addresses.
    pub settings: Settings,
    /// Whether no other server has leases here: clients with addresses that we do not know are told to give them up
    /// (RFC 2131 section 4.3.2). On.
    pub authoritative: bool,
    /// Answer a Discover that asks for it by an Ack (RFC 4039), off: of several servers, one only.
    pub rapid_commit: bool,
    /// How long to wait for an answer of who uses an address already before it is offered to a new client (RFC 2131
    /// section 2.2); `None`: it is not asked for.
    pub probe: Option<Duration>,
    /// How long a declined address, or one that somebody answered for, is given to nobody.
    pub quarantine: Duration,
    /// Whose relayed messages are taken when they come in by this interface.
    pub relays: Relays,
    /// Addresses of relays that stand for this link, besides those in its subnets.
    pub link_addresses: Vec<Ipv4Net>,
    /// MTU of the link, bytes: options that make an answer longer are left out.
    pub link_mtu: u16,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            own: Vec::new(),
            subnets: Vec::new(),
            reservations: Vec::new(),
            settings: Settings::default(),
            authoritative: true,
            rapid_commit: false,
            probe: Some(Duration::from_millis(500)),
            quarantine: Duration::from_secs(86_400),
            relays: Relays::None,
            link_addresses: Vec::new(),
            link_mtu: 1500,
        }
    }
}

impl Config {
    /// Every fault, not only the first.
    pub fn validate(&self) -> Vec<ConfigError> {
        validate::validate(self)
    }
}

/// Options that the server writes itself, which [`RawOption`] must not name.
const OWN: [u8; 17] = [
    code::PAD,
    code::SUBNET_MASK,
    code::REQUESTED_ADDRESS,
    code::LEASE_TIME,
    code::OVERLOAD,
    code::MESSAGE_TYPE,
    code::SERVER_ID,
    code::PARAMETERS,
    code::MESSAGE,
    code::MAX_SIZE,
    code::T1,
    code::T2,
    code::CLIENT_ID,
    code::RAPID_COMMIT,
    code::RELAY_INFO,
    code::IPV6_ONLY,
    code::END,
];
