//! Subnets, ports and settings of a link to what its DHCPv4 server does there.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use ipnet::Ipv4Net;

use crate::model::{self, Gateway, Interface, Port, RemoteLink, Router, Subnet4};
use protocols::dhcp4::config::{Allocation, Config, Range, RawOption, Reservation, Route, Subnet};

/// What the server does on the link of an interface; `None` when there is none.
pub fn interface(router: &Router, interface: &Interface) -> Option<Config> {
    interface.serves_dhcp4().then(|| {
        let v4 = |address: IpAddr| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        };
        // Those of virtual routers first: clients know the server by an address that moves with them, and their gateway too.
        let moving = interface.vrrp.iter().flat_map(|group| group.addresses());
        let moving = moving.copied().filter_map(v4);
        let own = interface.addresses.iter().map(|net| net.addr());
        let own = moving.chain(own.filter_map(v4));
        let (subnets, ports) = (&interface.subnets4, &interface.ports);
        let settings = interface.dhcp4.as_ref();
        let mut config = Config {
            link_mtu: interface.mtu,
            ..link(router, subnets, ports, settings, own.collect())
        };
        if interface.carrier.network().is_some() {
            // Hosts cannot know what lies between the segments.
            config.settings.mtu.get_or_insert(interface.mtu);
        }
        config
    })
}

/// What the server does for a link behind relay agents; `None` when that has no IPv4.
pub fn remote_link(router: &Router, remote: &RemoteLink) -> Option<Config> {
    let (subnets, settings) = (&remote.subnets4, remote.dhcp4.as_ref());
    let serves = settings.is_some() || subnets.iter().any(|subnet| subnet.enable_dhcp);
    serves.then(|| link(router, subnets, &remote.ports, settings, Vec::new()))
}

fn link(
    router: &Router,
    subnets: &[Subnet4],
    ports: &[Port],
    settings: Option<&Config>,
    own: Vec<Ipv4Addr>,
) -> Config {
    let served: Vec<&Subnet4> = subnets.iter().filter(|s| s.enable_dhcp).collect();
    Config {
        subnets: served.iter().map(|s| subnet(router, s, &own)).collect(),
        reservations: ports
            .iter()
            .map(|port| reservation(port, &served))
            .collect(),
        own,
        ..settings.cloned().unwrap_or_default()
    }
}

/// The name that leases of a subnet are stored under: it outlives a new name of the interface.
pub fn subnet_name(router: &Router, prefix: &Ipv4Net) -> String {
    format!("{} {prefix}", router.name)
}

fn subnet(router: &Router, subnet: &Subnet4, own: &[Ipv4Addr]) -> Subnet {
    let prefix = subnet.prefix;
    let pools = match &subnet.pools[..] {
        [] => vec![Range {
            start: prefix.network(),
            end: prefix.broadcast(),
        }],
        pools => pools.iter().map(range).collect(),
    };
    let ours: Vec<Ipv4Addr> = own
        .iter()
        .copied()
        .filter(|address| prefix.contains(address))
        .collect();
    let routers = match subnet.gateway {
        Gateway::Own => ours.first().copied().into_iter().collect(),
        Gateway::Address(address) => vec![address],
        Gateway::None => Vec::new(),
    };
    let single = |address: &Ipv4Addr| Range {
        start: *address,
        end: *address,
    };
    let kept = ours.iter().chain(&routers).map(single);
    Subnet {
        name: subnet_name(router, &prefix),
        pools,
        exclude: subnet.exclude.iter().map(range).chain(kept).collect(),
        allocation: match subnet.allocation {
            model::Allocation::Deterministic => Allocation::Deterministic,
            model::Allocation::Random => Allocation::Random,
        },
        lifetimes: subnet.lifetimes,
        routes: subnet
            .routes
            .iter()
            .map(|(destination, gateway)| Route {
                destination: *destination,
                gateway: *gateway,
            })
            .collect(),
        routers,
        dns_servers: subnet.dns_servers.clone(),
        domain_search: subnet.domain_search.clone(),
        ..Subnet::new(prefix)
    }
}

fn range(range: &RangeInclusive<Ipv4Addr>) -> Range {
    Range {
        start: *range.start(),
        end: *range.end(),
    }
}

/// A port as the server knows it: with the addresses that it is to give.
fn reservation(port: &Port, served: &[&Subnet4]) -> Reservation {
    let address = |address: &IpAddr| match address {
        IpAddr::V4(address) => {
            let gives = |s: &&Subnet4| s.prefix.contains(address);
            served.iter().any(gives).then_some(*address)
        }
        IpAddr::V6(_) => None,
    };
    let option = |option: &model::PortOption| {
        Some(RawOption {
            code: u8::try_from(option.code).ok().filter(|_| !option.ipv6)?,
            data: option.data.clone(),
            always: option.always,
        })
    };
    Reservation {
        name: port.name.clone(),
        mac: port.mac,
        client_id: port.client_id.clone(),
        duid: port.duid.clone(),
        addresses: port.addresses.iter().filter_map(address).collect(),
        options: port.options.iter().filter_map(option).collect(),
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
mtu = 1450
addresses = ["192.0.2.1/24", "192.0.2.2/24", "198.51.100.1/24", "2001:db8:1::1/64"]
[[router.interface.subnet]]
prefix = "192.0.2.0/24"
gateway = "192.0.2.254"
dns_servers = ["192.0.2.53"]
exclude = [{ start = "192.0.2.100", end = "192.0.2.199" }]
routes = [{ destination = "10.0.0.0/8", gateway = "192.0.2.3" }]
lease_time = 600
[[router.interface.subnet]]
prefix = "198.51.100.0/24"
enable_dhcp = false
[[router.interface.port]]
name = "vm"
mac = "02:00:00:00:00:09"
client_id = "00:01"
addresses = ["2001:db8:1::9", "192.0.2.9", "198.51.100.9"]
options = [{ code = 59, text = "tftp://x/y" }, { code = 12, text = "vm", ip_version = 4 }]
[router.interface.dhcp4]
mtu = 1400
probe = 0
relays = ["192.0.2.7"]
[[router.remote_link]]
name = "far"
[[router.remote_link.subnet]]
prefix = "203.0.113.0/24"
gateway = "203.0.113.1"
[[router.remote_link]]
name = "no-ipv4"
"#;

    fn model() -> Model {
        let loaded = crate::config::parse(Path::new("t.toml"), TEXT);
        loaded.unwrap_or_else(|faults| panic!("{faults}")).model
    }

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    #[test]
    fn a_link_gives_what_its_subnets_and_ports_say() {
        let model = model();
        let router = &model.routers[0];
        let config = interface(router, &router.interfaces[0]).unwrap();
        assert_eq!(config.validate(), []);
        assert_eq!(config.own.len(), 3);
        let [subnet] = &config.subnets[..] else {
            panic!("{config:#?}");
        };
        assert_eq!(subnet.name, "main 192.0.2.0/24");
        assert_eq!(subnet.routers, [ip("192.0.2.254")]);
        assert_eq!(subnet.lifetimes.lease.as_secs(), 600);
        assert_eq!(subnet.routes.len(), 1);
        let excluded = |address: &str| subnet.exclude.iter().any(|r| r.contains(ip(address)));
        for address in ["192.0.2.1", "192.0.2.2", "192.0.2.254", "192.0.2.150"] {
            assert!(excluded(address), "{address}");
        }
        assert!(!excluded("192.0.2.3"));
        let [port] = &config.reservations[..] else {
            panic!("{config:#?}");
        };
        assert_eq!(port.addresses, [ip("192.0.2.9")], "what is served here");
        assert_eq!(port.client_id.as_deref(), Some(&[0, 1][..]));
        assert_eq!(port.options.len(), 1);
        assert_eq!(port.options[0].code, 12);
        assert_eq!((config.settings.mtu, config.probe), (Some(1400), None));
        assert_eq!(config.link_mtu, 1450);
        assert!(config.relays.allow(ip("192.0.2.7")) && !config.relays.allow(ip("192.0.2.8")));
    }

    #[test]
    fn a_remote_link_is_served_when_it_has_ipv4() {
        let model = model();
        let router = &model.routers[0];
        let config = remote_link(router, &router.remote_links[0]).unwrap();
        assert_eq!(config.validate(), []);
        assert_eq!((config.own.len(), config.subnets.len()), (0, 1));
        assert_eq!(remote_link(router, &router.remote_links[1]), None);
    }
}
