use std::path::Path;

use crate::config::parse;
use crate::model::Model;
use protocols::relay6;

/// A router with two interfaces, the first with these tables.
fn text(tables: &str) -> String {
    format!(
        r#"
[[device]]
name = "lan"
kind = "null"
[[device]]
name = "wan"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64", "10.1.0.1/24"]
{tables}
[[router.interface]]
name = "wan0"
device = "wan"
addresses = ["2001:db8:2::1/64", "192.0.2.1/24"]
"#
    )
}

fn model(tables: &str) -> Model {
    let loaded = parse(Path::new("t.toml"), &text(tables));
    loaded.unwrap_or_else(|faults| panic!("{faults}")).model
}

/// Path and message of each fault.
fn faults(tables: &str) -> Vec<String> {
    match parse(Path::new("t.toml"), &text(tables)) {
        Ok(loaded) => panic!("no faults: {:#?}", loaded.model),
        Err(faults) => faults.0.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_relay_needs_only_its_servers() {
    let model = model(
        "[router.interface.dhcp6_relay]\nservers = [\"2001:db8:9::53\"]\n\
         [router.interface.dhcp4_relay]\nservers = [\"192.0.2.53\"]\n",
    );
    let lan = &model.routers[0].interfaces[0];
    let v6 = lan.dhcp6_relay.as_ref().unwrap();
    assert_eq!(
        v6.servers,
        ["2001:db8:9::53".parse::<std::net::Ipv6Addr>().unwrap()]
    );
    assert_eq!(v6.config.interface_id, b"lan0");
    assert_eq!(v6.config.link_address.to_string(), "2001:db8:1::1");
    assert_eq!(v6.config.source, Some(v6.config.link_address));
    assert!(v6.config.routes && v6.config.client_mac);
    let v4 = lan.dhcp4_relay.as_ref().unwrap();
    assert_eq!(
        (v4.giaddr, v4.address),
        ("10.1.0.1".parse().unwrap(), v4.giaddr)
    );
    assert_eq!(
        (v4.circuit_id.as_deref(), v4.link_selection),
        (Some(&b"lan0"[..]), None)
    );
    assert!(!model.routers[0].interfaces[1].relays_dhcp6());
}

#[test]
fn everything_that_can_be_said_is_heard() {
    let model = model(
        "[router.interface.dhcp6_relay]\nupstream = \"wan0\"\nlink_address = \"2001:db8:1::2\"\n\
         source = \"2001:db8:2::1\"\ninterface_id = \"port 7\"\nremote_id = \"cable\"\nremote_enterprise = 9\n\
         subscriber_id = \"smith\"\nclient_mac = false\nrelays = [\"fe80::/10\", \"2001:db8:77::1\"]\nroutes = false\n\
         max_prefixes = 5\nmax_prefixes_per_client = 2\n\
         [router.interface.dhcp4_relay]\nservers = [\"192.0.2.53\"]\ngiaddr = \"192.0.2.1\"\ncircuit_id = \"c\"\n\
         remote_id = \"r\"\nserver_override = true\nflags = true\nexisting = \"replace\"\nrelays = \"any\"\nhop_limit = 4\n\
         agent_option = true\nlink_selection = true\n",
    );
    let lan = &model.routers[0].interfaces[0];
    let v6 = lan.dhcp6_relay.as_ref().unwrap();
    assert_eq!(v6.servers[0].to_string(), "ff05::1:3");
    assert_eq!(v6.upstream.as_deref(), Some("wan0"));
    let config = &v6.config;
    assert_eq!(config.remote_id.as_ref().unwrap().enterprise, 9);
    assert_eq!(config.subscriber_id.as_deref(), Some(&b"smith"[..]));
    let relay6::Relays::From(relays) = &config.relays else {
        panic!("{config:?}");
    };
    assert_eq!(relays.len(), 2);
    assert_eq!(
        (config.max_prefixes, config.max_prefixes_per_client),
        (5, 2)
    );
    let v4 = lan.dhcp4_relay.as_ref().unwrap();
    assert_eq!(v4.giaddr.to_string(), "192.0.2.1");
    assert_eq!(v4.link_selection, Some("10.1.0.1".parse().unwrap()));
    assert_eq!(v4.hop_limit, 4);
}

#[test]
fn wrong_input_names_its_field() {
    for (table, field) in [
        ("", "dhcp6_relay.servers"),
        ("servers = [\"ff05::1:3\"]", "dhcp6_relay.servers[0]"),
        ("servers = [\"fe80::1\"]", "dhcp6_relay.servers[0]"),
        ("servers = [\"::\"]", "dhcp6_relay.servers[0]"),
        ("upstream = \"wan1\"", "dhcp6_relay.upstream"),
        (
            "upstream = \"wan0\"\nlink_address = \"fe80::1\"",
            "dhcp6_relay.link_address",
        ),
        (
            "upstream = \"wan0\"\nsource = \"ff02::1\"",
            "dhcp6_relay.source",
        ),
        (
            "upstream = \"wan0\"\ninterface_id = \"\"",
            "dhcp6_relay.interface_id",
        ),
        (
            "upstream = \"wan0\"\nremote_id = \"x\"",
            "dhcp6_relay.remote_id",
        ),
        (
            "upstream = \"wan0\"\nremote_enterprise = 1",
            "dhcp6_relay.remote_enterprise",
        ),
        (
            "upstream = \"wan0\"\nmax_prefixes = 0",
            "dhcp6_relay.max_prefixes",
        ),
        (
            "upstream = \"wan0\"\nrelays = [\"x\"]",
            "dhcp6_relay.relays[0]",
        ),
    ] {
        let all = faults(&format!("[router.interface.dhcp6_relay]\n{table}\n"));
        assert!(all.len() == 1 && all[0].contains(field), "{table}: {all:?}");
    }
    for (table, field) in [
        ("", "dhcp4_relay.servers"),
        ("servers = []", "dhcp4_relay.servers"),
        ("servers = [\"2001:db8::1\"]", "dhcp4_relay.servers[0]"),
        (
            "servers = [\"192.0.2.53\"]\ngiaddr = \"255.255.255.255\"",
            "dhcp4_relay.giaddr",
        ),
        (
            "servers = [\"192.0.2.53\"]\nexisting = \"eat\"",
            "dhcp4_relay.existing",
        ),
        (
            "servers = [\"192.0.2.53\"]\nhop_limit = 17",
            "dhcp4_relay.hop_limit",
        ),
        (
            "servers = [\"192.0.2.53\"]\nrelays = [\"2001:db8::/64\"]",
            "dhcp4_relay.relays[0]",
        ),
    ] {
        let all = faults(&format!("[router.interface.dhcp4_relay]\n{table}\n"));
        let is_it = all.iter().any(|fault| fault.contains(field));
        assert!(is_it, "{table}: {all:?}");
    }
}

#[test]
fn a_server_and_a_relay_on_one_link_are_refused() {
    let relay = "[router.interface.dhcp6_relay]\nservers = [\"2001:db8:9::53\"]\n";
    for server in [
        "[router.interface.dhcp6]\npreference = 1\n",
        "[[router.interface.subnet]]\nprefix = \"2001:db8:1::/64\"\naddress_mode = \"dhcpv6-stateful\"\n",
    ] {
        let all = faults(&format!("{relay}{server}"));
        assert!(all.len() == 1 && all[0].contains("dhcp6_relay"), "{all:?}");
    }
    // Advertising that another server gives addresses is what a relay is for.
    let subnet = "[[router.interface.subnet]]\nprefix = \"2001:db8:1::/64\"\nra_mode = \"dhcpv6-stateful\"\n";
    assert!(model(&format!("{relay}{subnet}")).routers[0].interfaces[0].relays_dhcp6());
}

#[test]
fn two_links_are_told_apart() {
    let relay =
        "[router.interface.dhcp6_relay]\nservers = [\"2001:db8:9::53\"]\ninterface_id = \"x\"\n";
    let second = "[[router.interface]]\nname = \"lan1\"\ndevice = \"lan\"\nvlan = 7\naddresses = [\"2001:db8:7::1/64\"]\n";
    let all = faults(&format!("{relay}{second}{relay}"));
    assert!(all.len() == 1 && all[0].contains("interface_id"), "{all:?}");
    let relay = "[router.interface.dhcp4_relay]\nservers = [\"192.0.2.53\"]\ncircuit_id = \"x\"\ngiaddr = \"192.0.2.1\"\n";
    let second = second.replace("2001:db8:7::1/64", "10.7.0.1/24");
    let all = faults(&format!("{relay}{second}{relay}"));
    assert!(all.len() == 1 && all[0].contains("circuit_id"), "{all:?}");
}
