//! Subnets and ports in the words of Neutron: how hosts get addresses, and which host gets which.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::{Ipv4Net, Ipv6Net};
use wire::ether::MacAddr;

use super::Interface;
use protocols::dhcp6::config::{Expiry, INFINITE, Lifetimes};
use protocols::ra::config::{Dnssl, Lifetime, Prefix, Rdnss};
use protocols::{dhcp4, dhcp6, ra};

/// What an RA mode or an address mode of Neutron says; for an unset one there is no `Mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Hosts form addresses from advertised prefixes (RFC 4862).
    Slaac,
    /// So they do, and get other settings by DHCPv6.
    Stateless,
    /// Hosts get addresses and settings by DHCPv6.
    Stateful,
}

impl Mode {
    /// Neutron's word.
    pub const fn label(self) -> &'static str {
        match self {
            Mode::Slaac => "slaac",
            Mode::Stateless => "dhcpv6-stateless",
            Mode::Stateful => "dhcpv6-stateful",
        }
    }
}

/// How a DHCP server chooses an address for a client that is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Allocation {
    /// By a hash of the client's identity.
    #[default]
    Deterministic,
    /// By chance.
    Random,
}

/// How long something lasts that hosts are told of; `None`: what it has by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseTimes {
    /// How long it is preferred.
    pub preferred: Option<Lifetime>,
    /// How long it is valid.
    pub valid: Option<Lifetime>,
    /// When clients renew (T1).
    pub t1: Option<Duration>,
    /// When clients ask any server (T2).
    pub t2: Option<Duration>,
}

impl LeaseTimes {
    /// Lifetimes of leases. One with a date ends then at the latest; a short valid lifetime alone shortens the other.
    pub fn leased(&self) -> Lifetimes {
        let default = Lifetimes::default();
        let span = |lifetime: Option<Lifetime>, default: Duration| match lifetime {
            Some(Lifetime::Fixed(span) | Lifetime::Capped { at_most: span, .. }) => span,
            Some(Lifetime::Infinite) => INFINITE,
            Some(Lifetime::Until(_)) | None => default,
        };
        let date = |lifetime: Option<Lifetime>| match lifetime {
            Some(Lifetime::Until(date) | Lifetime::Capped { until: date, .. }) => Some(date),
            _ => None,
        };
        let valid = span(self.valid, default.valid).max(match self.preferred {
            // Named alone, it lengthens what is valid.
            Some(Lifetime::Fixed(preferred)) if self.valid.is_none() => preferred,
            Some(Lifetime::Infinite) if self.valid.is_none() => INFINITE,
            _ => Duration::ZERO,
        });
        let ends = date(self.valid).or(date(self.preferred));
        Lifetimes {
            preferred: span(self.preferred, default.preferred).min(valid),
            valid,
            t1: self.t1,
            t2: self.t2,
            expiry: ends.map(|valid| Expiry {
                preferred: date(self.preferred).unwrap_or(valid),
                valid,
            }),
        }
    }
}

/// How hosts get addresses of one IPv6 prefix of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The prefix: that of an address of the interface.
    pub prefix: Ipv6Net,
    /// What our router advertisements say; `None`: this prefix is another router's to advertise.
    pub ra_mode: Option<Mode>,
    /// How ports get addresses; `None`: not by us.
    pub address_mode: Option<Mode>,
    /// Whether the prefix is in the advertisements, if `ra_mode` has them sent.
    pub advertise: bool,
    /// Whether hosts may form addresses from it (the A flag); by default what `ra_mode` says.
    pub autonomous: bool,
    /// Whether hosts may treat it as on-link (the L flag).
    pub on_link: bool,
    /// Whether hosts that can had better ask for a prefix of their own (the P flag, RFC 9762).
    pub prefer_delegation: bool,
    /// Of advertised prefixes and leases.
    pub times: LeaseTimes,
    /// Recursive DNS servers, told by DHCPv6 and in advertisements.
    pub dns_servers: Vec<Ipv6Addr>,
    /// Domain search list, told in the same ways.
    pub domain_search: Vec<String>,
    /// What is given to clients; empty: the whole prefix.
    pub pools: Vec<RangeInclusive<Ipv6Addr>>,
    /// What is not.
    pub exclude: Vec<RangeInclusive<Ipv6Addr>>,
    /// How an address is chosen.
    pub allocation: Allocation,
}

impl Subnet {
    /// A subnet without modes: nothing is advertised and nothing is given.
    pub fn new(prefix: Ipv6Net) -> Self {
        Subnet {
            prefix,
            ra_mode: None,
            address_mode: None,
            advertise: true,
            autonomous: false,
            on_link: true,
            prefer_delegation: false,
            times: LeaseTimes::default(),
            dns_servers: Vec::new(),
            domain_search: Vec::new(),
            pools: Vec::new(),
            exclude: Vec::new(),
            allocation: Allocation::default(),
        }
    }

    /// Whether our DHCPv6 server answers its hosts.
    pub fn has_dhcp(&self) -> bool {
        matches!(self.address_mode, Some(Mode::Stateless | Mode::Stateful))
    }

    /// Whether it is the prefix of this option.
    pub fn is_of(&self, prefix: &Prefix) -> bool {
        prefix.prefix == self.prefix.network() && prefix.prefix_len == self.prefix.prefix_len()
    }

    /// Has the advertisements of its interface say what `ra_mode` wants said; nothing without a mode.
    pub fn advertise_in(&self, ra: &mut ra::Config) {
        let Some(mode) = self.ra_mode else { return };
        ra.send_advertisements = true;
        ra.managed |= mode == Mode::Stateful;
        ra.other_config |= mode == Mode::Stateless;
        ra.prefixes.retain(|prefix| !self.is_of(prefix));
        if self.advertise {
            ra.prefixes.push(self.advertised());
        }
        let lifetime = Lifetime::Fixed(3 * ra.max_interval);
        let told = |server: &&Ipv6Addr| ra.rdnss.iter().any(|set| set.servers.contains(server));
        let servers: Vec<Ipv6Addr> = self
            .dns_servers
            .iter()
            .filter(|s| !told(s))
            .copied()
            .collect();
        if !servers.is_empty() {
            ra.rdnss.push(Rdnss { servers, lifetime });
        }
        let told = |domain: &&String| ra.dnssl.iter().any(|set| set.domains.contains(domain));
        let domains: Vec<String> = self
            .domain_search
            .iter()
            .filter(|d| !told(d))
            .cloned()
            .collect();
        if !domains.is_empty() {
            ra.dnssl.push(Dnssl { domains, lifetime });
        }
    }

    fn advertised(&self) -> Prefix {
        let default = Prefix::new(self.prefix.network(), self.prefix.prefix_len());
        let valid_lifetime = self.times.valid.unwrap_or(default.valid_lifetime);
        let shorter = match (default.preferred_lifetime, valid_lifetime) {
            (Lifetime::Fixed(preferred), Lifetime::Fixed(valid)) => {
                Lifetime::Fixed(preferred.min(valid))
            }
            (preferred, _) => preferred,
        };
        Prefix {
            on_link: self.on_link,
            autonomous: self.autonomous,
            prefer_delegation: self.prefer_delegation,
            valid_lifetime,
            preferred_lifetime: self.times.preferred.unwrap_or(shorter),
            ..default
        }
    }

    /// Whether one of these ports has an address in it that our DHCPv6 server gives.
    pub fn has_fixed(&self, ports: &[Port]) -> bool {
        self.address_mode.is_some() && ports.iter().any(|port| self.is_fixed(port))
    }

    /// Whether this port has an address in it.
    pub fn is_fixed(&self, port: &Port) -> bool {
        port.addresses
            .iter()
            .any(|address| matches!(address, IpAddr::V6(address) if self.prefix.contains(address)))
    }

    /// Why Neutron's `ipv6_ra_mode` and `ipv6_address_mode` cannot stand together on `prefix`, in Neutron's own words.
    pub fn refuses(
        prefix: &Ipv6Net,
        ra_mode: Option<Mode>,
        address_mode: Option<Mode>,
    ) -> Option<String> {
        if let (Some(ra), Some(address)) = (ra_mode, address_mode)
            && ra != address
        {
            return Some(format!(
                "ra_mode \"{}\" with address_mode \"{}\" is not valid: if both are set, they must be the same",
                ra.label(),
                address.label()
            ));
        }
        match ra_mode.or(address_mode)? {
            mode @ (Mode::Slaac | Mode::Stateless) if prefix.prefix_len() != 64 => Some(format!(
                "{} needs a /64: hosts form the second half of their address themselves",
                mode.label()
            )),
            Mode::Stateful if prefix.prefix_len() > 126 => Some(format!(
                "a /{} has no room for DHCPv6: at most /126",
                prefix.prefix_len()
            )),
            _ => None,
        }
    }
}

/// How hosts get addresses of one IPv4 prefix of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet4 {
    /// The prefix: that of an address of the interface.
    pub prefix: Ipv4Net,
    /// Whether our DHCPv4 server answers its hosts.
    pub enable_dhcp: bool,
    /// Their default router.
    pub gateway: Gateway,
    /// Further routes for them (Neutron's `host_routes`); a gateway of 0.0.0.0: on the link.
    pub routes: Vec<(Ipv4Net, Ipv4Addr)>,
    /// How long leases last.
    pub lifetimes: dhcp4::config::Lifetimes,
    /// Recursive DNS servers.
    pub dns_servers: Vec<Ipv4Addr>,
    /// Domain search list.
    pub domain_search: Vec<String>,
    /// What is given to clients; empty: the whole prefix.
    pub pools: Vec<RangeInclusive<Ipv4Addr>>,
    /// What is not.
    pub exclude: Vec<RangeInclusive<Ipv4Addr>>,
    /// How an address is chosen.
    pub allocation: Allocation,
}

impl Subnet4 {
    /// A subnet with all by default.
    pub fn new(prefix: Ipv4Net) -> Self {
        Subnet4 {
            prefix,
            enable_dhcp: true,
            gateway: Gateway::default(),
            routes: Vec::new(),
            lifetimes: dhcp4::config::Lifetimes::default(),
            dns_servers: Vec::new(),
            domain_search: Vec::new(),
            pools: Vec::new(),
            exclude: Vec::new(),
            allocation: Allocation::default(),
        }
    }
}

/// The default router of a subnet's hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gateway {
    /// Our own address in the subnet.
    #[default]
    Own,
    /// Another one.
    Address(Ipv4Addr),
    /// None.
    None,
}

/// One station of an interface's link, as Neutron knows a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name, unique on the interface.
    pub name: String,
    /// Its MAC address.
    pub mac: Option<MacAddr>,
    /// Its DHCPv6 identity (RFC 8415 section 11). At least one of `mac`, `duid` and `client_id` is given.
    pub duid: Option<Vec<u8>>,
    /// Its DHCPv4 client identifier, type included (RFC 2132 section 9.14).
    pub client_id: Option<Vec<u8>>,
    /// Addresses that are its own: nobody else gets them, and it gets no other by DHCP.
    pub addresses: Vec<IpAddr>,
    /// DHCP options for it alone.
    pub options: Vec<PortOption>,
}

/// A DHCP option that one port gets (Neutron's `extra_dhcp_opts`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOption {
    /// Of DHCPv6, or of DHCPv4.
    pub ipv6: bool,
    /// Option code.
    pub code: u16,
    /// Option data.
    pub data: Vec<u8>,
    /// Sent also when the client does not ask for it.
    pub always: bool,
}

/// A link that is not ours and that relay agents speak for.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteLink {
    /// Its id: kept by name, as those of interfaces.
    pub id: u16,
    /// Its name, unique among interfaces and remote links.
    pub name: String,
    /// Its prefixes.
    pub subnets: Vec<Subnet>,
    /// Stations with addresses or options of their own.
    pub ports: Vec<Port>,
    /// Settings of its DHCPv6 server.
    pub dhcp6: Option<dhcp6::Config>,
    /// Its IPv4 prefixes.
    pub subnets4: Vec<Subnet4>,
    /// Settings of its DHCPv4 server.
    pub dhcp4: Option<dhcp4::Config>,
}

impl Interface {
    /// Whether its DHCPv6 server answers anybody.
    pub fn serves_dhcp6(&self) -> bool {
        self.dhcp6.is_some() || self.subnets.iter().any(Subnet::has_dhcp) || self.gives_fixed()
    }

    /// Whether a port has an address where hosts form theirs: the server gives it, and answers nobody else for that.
    fn gives_fixed(&self) -> bool {
        self.subnets
            .iter()
            .any(|subnet| subnet.has_fixed(&self.ports))
    }

    /// Whether its DHCPv4 server answers anybody.
    pub fn serves_dhcp4(&self) -> bool {
        self.dhcp4.is_some() || self.subnets4.iter().any(|subnet| subnet.enable_dhcp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_follow_each_other() {
        let fixed = |seconds| Some(Lifetime::Fixed(Duration::from_secs(seconds)));
        let seconds = |preferred, valid| {
            let times = LeaseTimes {
                preferred,
                valid,
                ..LeaseTimes::default()
            }
            .leased();
            (times.preferred.as_secs(), times.valid.as_secs())
        };
        assert_eq!(seconds(None, None), (43_200, 86_400));
        assert_eq!(seconds(None, fixed(60)), (60, 60));
        assert_eq!(seconds(fixed(100_000), None), (100_000, 100_000));
        assert_eq!(seconds(fixed(5), fixed(60)), (5, 60));
        let forever = u64::from(u32::MAX);
        assert_eq!(seconds(Some(Lifetime::Infinite), None), (forever, forever));
        let date = std::time::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        let times = LeaseTimes {
            valid: Some(Lifetime::Until(date)),
            ..LeaseTimes::default()
        }
        .leased();
        assert_eq!(times.expiry.unwrap().preferred, date);
    }
}
