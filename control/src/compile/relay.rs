//! Relay tables of interfaces to what the relays do there, and where their messages are heard.

use std::net::IpAddr;

use crate::model::{Interface, Router};
use protocols::relay4::config::MIN_MTU;
use protocols::relay6::config::Server;
use protocols::{relay4, relay6};

/// What the DHCPv6 relay does on the link of an interface; `None` when there is none.
pub fn relay6(router: &Router, interface: &Interface) -> Option<relay6::Config> {
    let relay = interface.dhcp6_relay.as_ref()?;
    let upstream = relay.upstream.as_ref().and_then(|name| named(router, name));
    let server = |address: &std::net::Ipv6Addr| {
        let on_link = address.is_multicast() || address.is_unicast_link_local();
        match (on_link, upstream) {
            (false, _) => Some(Server::Routed(*address)),
            (true, Some(upstream)) => Some(Server::Link {
                iface: upstream.id,
                address: *address,
            }),
            (true, None) => None,
        }
    };
    Some(relay6::Config {
        servers: relay.servers.iter().filter_map(server).collect(),
        ..relay.config.clone()
    })
}

/// What the DHCPv4 relay does on the link of an interface; `None` when there is none.
pub fn relay4(router: &Router, interface: &Interface) -> Option<relay4::Config> {
    let relay = interface.dhcp4_relay.as_ref()?;
    Some(relay4::Config {
        link_mtu: interface.mtu,
        path_mtu: path_mtu(router),
        ..relay.clone()
    })
}

/// Whether DHCPv6 for relay agents is heard on an interface: of clients where it relays, and of servers where the router has
/// the address that they answer to.
pub fn hears6(router: &Router, interface: &Interface) -> bool {
    let owns = |address: IpAddr| interface.addresses.iter().any(|net| net.addr() == address);
    let relays = router
        .interfaces
        .iter()
        .filter_map(|i| i.dhcp6_relay.as_ref());
    interface.relays_dhcp6()
        || relays.into_iter().any(|relay| {
            relay.upstream.as_ref() == Some(&interface.name)
                || match relay.config.source {
                    Some(source) => owns(source.into()),
                    None => interface.addresses.iter().any(|net| net.addr().is_ipv6()),
                }
        })
}

/// The same of DHCPv4.
pub fn hears4(router: &Router, interface: &Interface) -> bool {
    let owns = |address: IpAddr| interface.addresses.iter().any(|net| net.addr() == address);
    let mut relays = router
        .interfaces
        .iter()
        .filter_map(|i| i.dhcp4_relay.as_ref());
    interface.dhcp4_relay.is_some() || relays.any(|relay| owns(relay.giaddr.into()))
}

/// The way to servers is not known here: none of the router's links is narrower.
fn path_mtu(router: &Router) -> u16 {
    let mtus = router.interfaces.iter().map(|interface| interface.mtu);
    let wide = mtus.filter(|mtu| MIN_MTU <= *mtu);
    wide.min().unwrap_or(MIN_MTU)
}

fn named<'a>(router: &'a Router, name: &str) -> Option<&'a Interface> {
    router
        .interfaces
        .iter()
        .find(|interface| interface.name == name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn router(table: &str) -> Router {
        let text = format!(
            "[[device]]\nname = \"d\"\nkind = \"null\"\n[[router]]\nname = \"main\"\n\
             [[router.interface]]\nname = \"lan0\"\ndevice = \"d\"\naddresses = [\"2001:db8:1::1/64\", \"10.1.0.1/24\"]\n\
             {table}\n\
             [[router.interface]]\nname = \"wan0\"\ndevice = \"d\"\nvlan = 7\nmtu = 1400\n\
             addresses = [\"2001:db8:2::1/64\", \"192.0.2.1/24\"]\n\
             [[router.interface]]\nname = \"idle\"\ndevice = \"d\"\nvlan = 8\naddresses = [\"2001:db8:3::1/64\"]\n"
        );
        let loaded = crate::config::parse(Path::new("t.toml"), &text);
        let mut model = loaded.unwrap_or_else(|faults| panic!("{faults}")).model;
        model.routers.remove(0)
    }

    /// Which interfaces hear DHCPv6, and which DHCPv4.
    fn heard(table: &str) -> (Vec<bool>, Vec<bool>) {
        let router = router(table);
        let v6 = router.interfaces.iter().map(|i| hears6(&router, i));
        let v4 = router.interfaces.iter().map(|i| hears4(&router, i));
        (v6.collect(), v4.collect())
    }

    #[test]
    fn answers_are_heard_where_servers_send_them() {
        let relay = |keys: &str| format!("[router.interface.dhcp6_relay]\n{keys}\n");
        let servers = "servers = [\"2001:db8:9::53\"]";
        let none = vec![false; 3];
        assert_eq!(heard(""), (none.clone(), none.clone()));
        assert_eq!(heard(&relay(servers)).0, [true, false, false]);
        assert_eq!(heard(&relay("upstream = \"wan0\"")).0, [true, true, false]);
        let source = format!("{servers}\nsource = \"2001:db8:3::1\"");
        assert_eq!(heard(&relay(&source)).0, [true, false, true]);
        let relay = "[router.interface.dhcp4_relay]\nservers = [\"192.0.2.53\"]\n";
        assert_eq!(heard(relay), (none, vec![true, false, false]));
        let giaddr = format!("{relay}giaddr = \"192.0.2.1\"\n");
        assert_eq!(heard(&giaddr).1, [true, true, false]);
    }

    #[test]
    fn the_narrowest_link_bounds_the_way() {
        let router = router(
            "[router.interface.dhcp6_relay]\nservers = [\"2001:db8:9::53\", \"ff05::1:3\"]\nupstream = \"wan0\"\n\
             [router.interface.dhcp4_relay]\nservers = [\"192.0.2.53\"]\n",
        );
        let lan = &router.interfaces[0];
        let v6 = relay6(&router, lan).unwrap();
        assert_eq!(v6.validate(), []);
        let group = Server::Link {
            iface: router.interfaces[1].id,
            address: "ff05::1:3".parse().unwrap(),
        };
        assert_eq!(v6.servers[1], group);
        let v4 = relay4(&router, lan).unwrap();
        assert_eq!((v4.link_mtu, v4.path_mtu), (1500, 1400));
        assert_eq!(v4.validate(), []);
        assert_eq!(relay6(&router, &router.interfaces[1]), None);
    }
}
