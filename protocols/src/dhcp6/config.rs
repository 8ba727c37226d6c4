//! What the server gives on one link; `Default` gives nothing and answers nobody's wish for an address.

use std::net::Ipv6Addr;
use std::time::{Duration, SystemTime};

use ipnet::Ipv6Net;
use wire::MacAddr;

use super::error::ConfigError;
use super::option::code;

#[cfg(test)]
mod tests;
mod validate;

/// The lifetime that never ends: all ones on the wire (RFC 8415 section 7.7).
pub const INFINITE: Duration = Duration::from_secs(u32::MAX as u64);

/// Most leases of a subnet or prefix pool, where the configuration does not say.
pub const MAX_LEASES: usize = 1 << 20;

/// How an address is chosen from a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Allocation {
    /// By a hash of client and IAID: the same client is likely to get the same address again, even from an empty store.
    #[default]
    Deterministic,
    /// By chance, so that nobody can guess which addresses are in use (RFC 7943 gives the reasons).
    Random,
}

/// Addresses from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The first.
    pub start: Ipv6Addr,
    /// The last.
    pub end: Ipv6Addr,
}

impl Range {
    /// Whether `address` is one of them.
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        (self.start..=self.end).contains(&address)
    }
}

/// When something that was itself delegated or is going away ends at the latest, whatever lifetimes are configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// No lease from it is preferred any longer.
    pub preferred: SystemTime,
    /// No lease from it is valid any longer.
    pub valid: SystemTime,
}

/// How long leases last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Zero: deprecated. Existing leases are renewed with it, new ones are not given.
    pub preferred: Duration,
    /// At least `preferred`; zero: nothing is given, what clients have is taken back at their next renewal.
    pub valid: Duration,
    /// T1: when clients renew; `None`: half of the shortest preferred lifetime (RFC 8415 section 21.4).
    pub t1: Option<Duration>,
    /// T2: when clients ask any server; `None`: 0.8 of the shortest preferred lifetime.
    pub t2: Option<Duration>,
    /// The latest end.
    pub expiry: Option<Expiry>,
}

impl Default for Lifetimes {
    /// One day, preferred for half of it: RFC 8415 names no values.
    fn default() -> Self {
        Lifetimes {
            preferred: Duration::from_secs(43_200),
            valid: Duration::from_secs(86_400),
            t1: None,
            t2: None,
            expiry: None,
        }
    }
}

/// A prefix of the link and what is given of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its lasting name: leases are stored under it. Unique among subnets and prefix pools of the server.
    pub name: String,
    /// The prefix. Addresses in it are appropriate for the link (RFC 8415 section 18.3.3).
    pub prefix: Ipv6Net,
    /// Whether addresses are given at all (Neutron's `dhcpv6-stateful`); otherwise only the other settings.
    pub stateful: bool,
    /// What is given to anybody; none: only what is reserved.
    pub pools: Vec<Range>,
    /// What of it is not given to anybody.
    pub exclude: Vec<Range>,
    /// How addresses are chosen. Temporary addresses are always chosen by chance (RFC 8415 section 6.5).
    pub allocation: Allocation,
    /// How long leases last.
    pub lifetimes: Lifetimes,
    /// Whether IA_TA is served; RFC 9915 has dropped it.
    pub temporary: bool,
    /// No more leases than these at once: a pool may have more addresses than memory has room for.
    pub max_leases: usize,
}

impl Subnet {
    /// A stateful subnet without pools, named as its prefix.
    pub fn new(prefix: Ipv6Net) -> Self {
        Subnet {
            name: prefix.to_string(),
            prefix,
            stateful: true,
            pools: Vec::new(),
            exclude: Vec::new(),
            allocation: Allocation::default(),
            lifetimes: Lifetimes::default(),
            temporary: true,
            max_leases: MAX_LEASES,
        }
    }
}

/// The prefix left out of each delegated one, for the link to the client (RFC 6603).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExcludedPrefix {
    /// Length of the prefix left out; longer than the delegated one by at most 64 bits.
    pub len: u8,
    /// Its number among the prefixes of that length in the delegated one.
    pub subnet_id: u64,
}

/// Prefixes to delegate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixPool {
    /// Its lasting name, as that of a subnet.
    pub name: String,
    /// What is cut up.
    pub prefix: Ipv6Net,
    /// Length of a delegated prefix when the client wishes none.
    pub delegated_len: u8,
    /// The shortest (largest) prefix a client may wish for.
    pub min_len: u8,
    /// The longest (smallest) prefix a client may wish for.
    pub max_len: u8,
    /// What of it is never delegated.
    pub exclude: Vec<Ipv6Net>,
    /// How prefixes are chosen.
    pub allocation: Allocation,
    /// How long leases last.
    pub lifetimes: Lifetimes,
    /// Left out of each delegated prefix, told to clients that ask for the option.
    pub excluded_prefix: Option<ExcludedPrefix>,
    /// No more leases than these at once.
    pub max_leases: usize,
}

impl PrefixPool {
    /// A pool that delegates prefixes of one length, named as its prefix.
    pub fn new(prefix: Ipv6Net, delegated_len: u8) -> Self {
        PrefixPool {
            name: prefix.to_string(),
            prefix,
            delegated_len,
            min_len: delegated_len,
            max_len: delegated_len,
            exclude: Vec::new(),
            allocation: Allocation::default(),
            lifetimes: Lifetimes::default(),
            excluded_prefix: None,
            max_leases: MAX_LEASES,
        }
    }
}

/// An option as its code and its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawOption {
    /// Option code.
    pub code: u16,
    /// Option data.
    pub data: Vec<u8>,
    /// Sent also to clients that do not request it.
    pub always: bool,
}

/// Vendor-specific information (RFC 8415 section 21.17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorOptions {
    /// The vendor's enterprise number.
    pub enterprise: u32,
    /// Its options, codes and data as the vendor defines them.
    pub options: Vec<(u16, Vec<u8>)>,
}

/// One NTP or SNTP server (RFC 5908 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NtpServer {
    /// At a unicast address.
    Address(Ipv6Addr),
    /// Heard at a multicast address.
    Multicast(Ipv6Addr),
    /// By name.
    Name(String),
}

/// Settings besides addresses, sent to clients that request them (RFC 8415 section 21.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Recursive DNS servers (RFC 3646 section 3).
    pub dns_servers: Vec<Ipv6Addr>,
    /// Domain search list (RFC 3646 section 4).
    pub domain_search: Vec<String>,
    /// Time servers (RFC 5908).
    pub ntp_servers: Vec<NtpServer>,
    /// URL of the boot file (RFC 5970 section 3.1).
    pub bootfile_url: Option<String>,
    /// Parameters for the boot file (RFC 5970 section 3.2).
    pub bootfile_params: Vec<String>,
    /// Vendor-specific information.
    pub vendor: Vec<VendorOptions>,
    /// When clients without leases ask again (RFC 8415 section 21.23): 600 s to [`INFINITE`].
    pub information_refresh_time: Option<Duration>,
    /// SOL_MAX_RT (RFC 8415 section 21.24): 60 to 86400 s.
    pub sol_max_rt: Option<Duration>,
    /// INF_MAX_RT (RFC 8415 section 21.25): 60 to 86400 s.
    pub inf_max_rt: Option<Duration>,
    /// Take registrations of addresses that hosts have formed, and tell who asks that they are taken (RFC 9686), off.
    pub address_registration: bool,
    /// The domain for clients that tell only a part of their name (RFC 4704 section 6).
    pub fqdn_domain: Option<String>,
    /// Further options.
    pub extra: Vec<RawOption>,
}

/// What one client gets that nobody else does: a port, in Neutron's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// A name for people.
    pub name: String,
    /// The client's DUID.
    pub duid: Option<Vec<u8>>,
    /// The client's MAC: as a relay tells it, or of the frame, or of a DUID-LL or DUID-LLT when a relay tells none.
    pub mac: Option<MacAddr>,
    /// The relay's Subscriber-ID (RFC 4580).
    pub subscriber_id: Option<Vec<u8>>,
    /// Its addresses.
    pub addresses: Vec<Ipv6Addr>,
    /// Its prefixes.
    pub prefixes: Vec<Ipv6Net>,
    /// Its options; they hold before those of the link.
    pub options: Vec<RawOption>,
}

/// Whose Relay-forward messages are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Relays {
    /// Nobody's.
    #[default]
    None,
    /// Of relays whose address is in one of these prefixes.
    From(Vec<Ipv6Net>),
    /// Anybody's: a host may then claim to be on any link that this server serves.
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

/// What the server does on one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The link's prefixes.
    pub subnets: Vec<Subnet>,
    /// What is delegated, in order of preference.
    pub prefix_pools: Vec<PrefixPool>,
    /// What is kept for whom.
    pub reservations: Vec<Reservation>,
    /// Answer clients with a reservation only, off: to others there is no server on the link.
    pub reserved_only: bool,
    /// Settings besides addresses.
    pub settings: Settings,
    /// Preference (RFC 8415 section 21.8), 0.
    pub preference: u8,
    /// Answer a Solicit that asks for it by a Reply (RFC 8415 section 18.3.1), off: of several servers, one only.
    pub rapid_commit: bool,
    /// Make a lease for a Renew of an unknown one (RFC 8415 section 18.3.4), on.
    pub create_on_renew: bool,
    /// Give clients that accept Reconfigure messages a key for them (RFC 8415 section 20.4), off.
    pub reconfigure: bool,
    /// Do not answer a Solicit before the client has tried for so long (RFC 8415 section 21.9): for a second server. Zero.
    pub respond_after: Duration,
    /// Whose Relay-forward messages are taken when they come in by this interface.
    pub relays: Relays,
    /// Link-addresses of relays that stand for this link, besides those in its subnets.
    pub link_addresses: Vec<Ipv6Net>,
    /// How long a declined address is given to nobody.
    pub quarantine: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            subnets: Vec::new(),
            reserved_only: false,
            prefix_pools: Vec::new(),
            reservations: Vec::new(),
            settings: Settings::default(),
            preference: 0,
            rapid_commit: false,
            create_on_renew: true,
            reconfigure: false,
            respond_after: Duration::ZERO,
            relays: Relays::None,
            link_addresses: Vec::new(),
            quarantine: Duration::from_secs(86_400),
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
const OWN: [u16; 18] = [
    code::CLIENT_ID,
    code::SERVER_ID,
    code::IA_NA,
    code::IA_TA,
    code::IA_ADDR,
    code::ORO,
    code::PREFERENCE,
    code::ELAPSED_TIME,
    code::RELAY_MSG,
    code::AUTH,
    code::STATUS_CODE,
    code::RAPID_COMMIT,
    code::RECONF_MSG,
    code::RECONF_ACCEPT,
    code::IA_PD,
    code::IA_PREFIX,
    code::CLIENT_FQDN,
    code::ADDR_REG_ENABLE,
];
