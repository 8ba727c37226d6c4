//! Subnets, ports and settings of a link to what its DHCPv6 server does there.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::Ipv6Net;

use crate::model::{self, Interface, Mode, Port, RemoteLink, Router};
use protocols::dhcp6::config::{
    Allocation, Config, PrefixPool, Range, RawOption, Reservation, Subnet,
};

/// What the server does on the link of an interface; `None` when there is none.
pub fn interface(router: &Router, interface: &Interface) -> Option<Config> {
    interface.serves_dhcp6().then(|| {
        let own: Vec<Ipv6Addr> = interface
            .addresses
            .iter()
            .filter_map(|net| match net.addr() {
                IpAddr::V6(address) => Some(address),
                IpAddr::V4(_) => None,
            })
            .chain(interface.anycast.iter().copied())
            .collect();
        let (subnets, ports) = (&interface.subnets, &interface.ports);
        link(router, subnets, ports, interface.dhcp6.as_ref(), &own)
    })
}

/// What the server does for a link behind relay agents.
pub fn remote_link(router: &Router, remote: &RemoteLink) -> Config {
    let settings = remote.dhcp6.as_ref();
    link(router, &remote.subnets, &remote.ports, settings, &[])
}

fn link(
    router: &Router,
    subnets: &[model::Subnet],
    ports: &[Port],
    settings: Option<&Config>,
    own: &[Ipv6Addr],
) -> Config {
    let mut config = settings.cloned().unwrap_or_else(|| {
        let mut config = Config::default();
        config.settings.address_registration = true;
        config
    });
    let is_served = |s: &&model::Subnet| s.has_dhcp() || s.has_fixed(ports);
    let served: Vec<&model::Subnet> = subnets.iter().filter(is_served).collect();
    config.reserved_only = settings.is_none() && !subnets.iter().any(model::Subnet::has_dhcp);
    config.subnets = served
        .iter()
        .map(|s| subnet(router, s, ports, own))
        .collect();
    // Without a subnet there is no address to register.
    config.settings.address_registration &= !served.is_empty();
    for pool in &mut config.prefix_pools {
        pool.name = pool_name(router, pool);
    }
    let mut dns_servers: Vec<Ipv6Addr> = Vec::new();
    let mut domain_search: Vec<String> = Vec::new();
    for subnet in &served {
        dns_servers.extend(&subnet.dns_servers);
        domain_search.extend(subnet.domain_search.iter().cloned());
    }
    dns_servers.append(&mut config.settings.dns_servers);
    domain_search.append(&mut config.settings.domain_search);
    config.settings.dns_servers = distinct(dns_servers);
    config.settings.domain_search = distinct(domain_search);
    config.reservations = ports
        .iter()
        .map(|port| reservation(port, &served))
        .collect();
    config
}

/// The name that leases of a subnet are stored under: it outlives a new name of the interface.
pub fn subnet_name(router: &Router, prefix: &Ipv6Net) -> String {
    format!("{} {prefix}", router.name)
}

/// The same of a prefix pool.
pub fn pool_name(router: &Router, pool: &PrefixPool) -> String {
    format!("{} pd {}", router.name, pool.prefix)
}

fn subnet(router: &Router, subnet: &model::Subnet, ports: &[Port], own: &[Ipv6Addr]) -> Subnet {
    let stateful = subnet.address_mode == Some(Mode::Stateful);
    let prefix = subnet.prefix;
    let pools = match (&subnet.pools[..], stateful) {
        (_, false) => Vec::new(),
        ([], true) => vec![Range {
            start: prefix.network(),
            end: prefix.broadcast(),
        }],
        (pools, true) => pools.iter().map(range).collect(),
    };
    // The first address is the subnet-router anycast address (RFC 4291 section 2.6.1).
    let single = |address: Ipv6Addr| Range {
        start: address,
        end: address,
    };
    let ours = own
        .iter()
        .copied()
        .filter(|address| prefix.contains(address));
    let exclude = subnet
        .exclude
        .iter()
        .map(range)
        .chain(std::iter::once(prefix.network()).chain(ours).map(single));
    Subnet {
        name: subnet_name(router, &prefix),
        // Where hosts form their addresses, only what a port has is given.
        stateful: stateful || subnet.has_fixed(ports),
        pools,
        exclude: exclude.collect(),
        allocation: subnet.allocation.into(),
        lifetimes: subnet.times.leased(),
        ..Subnet::new(prefix)
    }
}

fn range(range: &RangeInclusive<Ipv6Addr>) -> Range {
    Range {
        start: *range.start(),
        end: *range.end(),
    }
}

/// A port as the server knows it: with the addresses that it is to give.
fn reservation(port: &Port, served: &[&model::Subnet]) -> Reservation {
    let given = |address: &Ipv6Addr| served.iter().any(|s| s.prefix.contains(address));
    let address = |address: &IpAddr| match address {
        IpAddr::V6(address) => Some(*address).filter(|address| given(address)),
        IpAddr::V4(_) => None,
    };
    let option = |option: &model::PortOption| RawOption {
        code: option.code,
        data: option.data.clone(),
        always: option.always,
    };
    Reservation {
        name: port.name.clone(),
        duid: port.duid.clone(),
        mac: port.mac,
        addresses: port.addresses.iter().filter_map(address).collect(),
        options: port.options.iter().filter(|o| o.ipv6).map(option).collect(),
        ..Reservation::default()
    }
}

fn distinct<T: PartialEq>(list: Vec<T>) -> Vec<T> {
    let mut out: Vec<T> = Vec::with_capacity(list.len());
    for item in list {
        if !out.contains(&item) {
            out.push(item);
        }
    }
    out
}

impl From<model::Allocation> for Allocation {
    fn from(allocation: model::Allocation) -> Self {
        match allocation {
            model::Allocation::Deterministic => Allocation::Deterministic,
            model::Allocation::Random => Allocation::Random,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::Model;

    const TEXT: &str = r#"
[[device]]
name = "lan"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64", "2001:db8:2::1/64", "192.0.2.1/24"]
anycast = ["2001:db8:1::53"]
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
address_mode = "dhcpv6-stateful"
dns_servers = ["2001:db8::53"]
domain_search = ["example.net"]
exclude = [{ start = "2001:db8:1::100", end = "2001:db8:1::1ff" }]
valid_lifetime = 600
[[router.interface.subnet]]
prefix = "2001:db8:2::/64"
address_mode = "dhcpv6-stateless"
dns_servers = ["2001:db8::54", "2001:db8::53"]
[[router.interface.port]]
name = "vm"
mac = "02:00:00:00:00:09"
addresses = ["2001:db8:1::9", "2001:db8:2::9", "192.0.2.9"]
options = [{ code = 59, text = "tftp://x/y" }, { code = 12, text = "vm", ip_version = 4 }]
[router.interface.dhcp6]
preference = 7
dns_servers = ["2001:db8::55"]
[[router.interface.dhcp6.prefix_pool]]
prefix = "2001:db8:8000::/36"
length = 56
min_length = 48
[[router.remote_link]]
name = "far"
[[router.remote_link.subnet]]
prefix = "2001:db8:7::/64"
address_mode = "dhcpv6-stateful"
"#;

    fn model(text: &str) -> Model {
        let loaded = crate::config::parse(Path::new("t.toml"), text);
        loaded.unwrap_or_else(|faults| panic!("{faults}")).model
    }

    fn config() -> Config {
        let model = model(TEXT);
        let router = &model.routers[0];
        interface(router, &router.interfaces[0]).unwrap()
    }

    #[test]
    fn a_link_gives_what_its_subnets_and_ports_say() {
        let config = config();
        assert_eq!(config.validate(), []);
        let [stateful, stateless] = &config.subnets[..] else {
            panic!("{config:#?}");
        };
        assert_eq!(stateful.name, "main 2001:db8:1::/64");
        assert!(stateful.stateful && stateless.stateful && stateless.pools.is_empty());
        assert!(!config.reserved_only);
        let [pool] = &stateful.pools[..] else {
            panic!("{stateful:#?}");
        };
        assert!(pool.contains("2001:db8:1::ffff:0:0:1".parse().unwrap()));
        let excluded = |address: &str| {
            let address = address.parse().unwrap();
            stateful.exclude.iter().any(|range| range.contains(address))
        };
        for address in [
            "2001:db8:1::",
            "2001:db8:1::1",
            "2001:db8:1::53",
            "2001:db8:1::180",
        ] {
            assert!(excluded(address), "{address}");
        }
        assert!(!excluded("2001:db8:1::2"));
        let times = stateful.lifetimes;
        assert_eq!(
            (times.preferred.as_secs(), times.valid.as_secs()),
            (600, 600)
        );
        let [port] = &config.reservations[..] else {
            panic!("{config:#?}");
        };
        // The second one is given where other hosts form theirs, the third is IPv4.
        let given = ["2001:db8:1::9", "2001:db8:2::9"].map(|a| a.parse::<Ipv6Addr>().unwrap());
        assert_eq!(port.addresses, given);
        assert_eq!(port.options.len(), 1);
        assert_eq!(port.options[0].code, 59);
    }

    #[test]
    fn settings_of_subnets_come_before_those_of_the_link() {
        let config = config();
        let servers: Vec<_> = config
            .settings
            .dns_servers
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(servers, ["2001:db8::53", "2001:db8::54", "2001:db8::55"]);
        assert_eq!(config.settings.domain_search, ["example.net"]);
        assert_eq!(config.preference, 7);
        let [pool] = &config.prefix_pools[..] else {
            panic!("{config:#?}");
        };
        assert_eq!(pool.name, "main pd 2001:db8:8000::/36");
        assert_eq!(
            (pool.min_len, pool.delegated_len, pool.max_len),
            (48, 56, 56)
        );
    }

    #[test]
    fn ports_alone_are_served_where_hosts_form_their_addresses() {
        let slaac = |ports: &str| {
            let text = format!(
                "[[device]]\nname = \"lan\"\nkind = \"null\"\n[[router]]\nname = \"main\"\n\
                 [[router.interface]]\nname = \"lan0\"\ndevice = \"lan\"\naddresses = [\"2001:db8:1::1/64\"]\n\
                 [[router.interface.subnet]]\nprefix = \"2001:db8:1::/64\"\nra_mode = \"slaac\"\n\
                 address_mode = \"slaac\"\n{ports}"
            );
            let model = model(&text);
            let router = &model.routers[0];
            let told = router.interfaces[0].ra.managed_hosts.len();
            (interface(router, &router.interfaces[0]), told)
        };
        assert_eq!(slaac(""), (None, 0));
        let port = "[[router.interface.port]]\nname = \"vm\"\nmac = \"02:00:00:00:00:09\"\n";
        assert_eq!(slaac(port), (None, 0));
        let (config, told) = slaac(&format!("{port}addresses = [\"2001:db8:1::9\"]\n"));
        let config = config.expect("a server for the port");
        assert_eq!(config.validate(), []);
        assert!(config.reserved_only && config.subnets[0].pools.is_empty());
        assert_eq!((config.reservations[0].addresses.len(), told), (1, 1));
    }

    #[test]
    fn a_remote_link_has_no_addresses_of_ours() {
        let model = model(TEXT);
        let router = &model.routers[0];
        let config = remote_link(router, &router.remote_links[0]);
        assert_eq!(config.validate(), []);
        assert_eq!(config.subnets.len(), 1);
        assert_eq!(config.subnets[0].exclude.len(), 1);
    }
}
