//! Ids that survive a reload, and the difference that a reload applies.

use std::path::Path;

use super::*;

const BASE: &str = r#"
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
addresses = ["2001:db8:1::1/64", "192.0.2.1/24"]
[[router.interface]]
name = "wan0"
device = "wan"
addresses = ["2001:db8:2::1/64"]
[[router.route]]
prefix = "::/0"
via = "2001:db8:2::2"
interface = "wan0"
"#;

fn model(text: &str) -> Model {
    let loaded = crate::config::parse(Path::new("t.toml"), text);
    loaded.unwrap_or_else(|faults| panic!("{faults}")).model
}

/// The changes from `BASE` to `text`, as a reload sees them.
fn changes(text: &str) -> Changes {
    let old = model(BASE);
    let mut new = model(text);
    new.keep_ids(&old);
    diff(&old, &new)
}

#[test]
fn ids_follow_names() {
    let old = model(BASE);
    let lan = BASE.find("[[device]]\nname = \"wan\"").unwrap();
    let text = format!(
        "[[device]]\nname = \"new\"\nkind = \"null\"\n{}",
        &BASE[lan..]
    )
    .replace(
        "name = \"lan0\"\ndevice = \"lan\"",
        "name = \"new0\"\ndevice = \"new\"",
    );
    let mut new = model(&text);
    new.keep_ids(&old);
    let id = |model: &Model, name: &str| {
        model
            .devices
            .iter()
            .find(|device| device.name == name)
            .map(|device| device.id)
    };
    assert_eq!(id(&new, "wan"), id(&old, "wan"));
    // "lan" is gone with its id 0; the new one does not take it in the same reload.
    assert_eq!(id(&new, "new"), Some(PortId(2)));
    let interfaces: Vec<(&str, u16, Option<PortId>)> = new
        .interfaces()
        .map(|(_, i)| (i.name.as_str(), i.id.0, i.carrier.device()))
        .collect();
    let on = |port| Some(PortId(port));
    assert_eq!(interfaces, [("new0", 3, on(2)), ("wan0", 2, on(1))]);
    assert_eq!(
        new.routers[0].routes[0].target.hops()[0].interface,
        Some(IfaceId(2))
    );
}

#[test]
fn the_same_text_is_no_change() {
    assert!(changes(BASE).is_empty());
}

#[test]
fn only_what_differs_is_in_the_difference() {
    let text = BASE
        .replace(", \"192.0.2.1/24\"]", ", \"2001:db8:3::1/64\"]\nurpf = \"strict\"")
        .replace("[[router.route]]", "[router.interface.ra]\n[[router.route]]\nprefix = \"2001:db8:9::/48\"\nkind = \"blackhole\"\n[[router.route]]");
    let changes = changes(&text);
    assert!(changes.needs_restart.is_empty());
    assert!(
        changes.devices.is_empty() && changes.routers.is_empty() && changes.interfaces.is_empty()
    );
    let [lan, wan] = &changes.changed[..] else {
        panic!("{changes:#?}")
    };
    assert_eq!(lan.id, IfaceId(1));
    assert_eq!(
        lan.addresses.added,
        ["2001:db8:3::1/64".parse::<IpNet>().unwrap()]
    );
    assert_eq!(
        lan.addresses.removed,
        ["192.0.2.1/24".parse::<IpNet>().unwrap()]
    );
    assert!(lan.forwarding && !lan.ra && !lan.nd && !lan.link_local);
    assert!(wan.ra && !wan.forwarding && wan.addresses.is_empty());
    let added: Vec<String> = changes
        .routes
        .added
        .iter()
        .map(|(_, r)| r.prefix.to_string())
        .collect();
    assert_eq!(added, ["2001:db8:9::/48"]);
    assert!(changes.routes.removed.is_empty());
}

#[test]
fn a_device_with_other_options_is_reopened_with_its_interfaces() {
    let changes = changes(&BASE.replacen("kind = \"null\"", "kind = \"null\"\nmtu = 1400", 1));
    assert_eq!(changes.devices.added, [PortId(0)]);
    assert_eq!(changes.devices.removed, [PortId(0)]);
    assert_eq!(changes.interfaces.added, [(VrfId(0), IfaceId(1))]);
    assert_eq!(changes.interfaces.removed, [(VrfId(0), IfaceId(1))]);
}

#[test]
fn what_cannot_change_live_is_named() {
    let changes = changes(&format!(
        "[system]\nworkers = 2\nmemory = 512\nlog = \"debug\"\n{BASE}"
    ));
    assert_eq!(changes.needs_restart, ["system.workers", "system.memory"]);
    assert!(changes.log);
}

#[test]
fn groups_and_anycast_addresses_are_those_of_the_rfc() {
    let solicited = solicited_node("2001:db8::1:2:3456".parse().unwrap());
    assert_eq!(solicited, "ff02::1:ff02:3456".parse::<Ipv6Addr>().unwrap());
    let mut interface = model(BASE).routers[0].interfaces[0].clone();
    interface
        .addresses
        .push("2001:db8:5::1/127".parse().unwrap());
    let anycast: Vec<_> = interface.subnet_router_anycast().collect();
    assert_eq!(anycast, ["2001:db8:1::".parse::<Ipv6Addr>().unwrap()]);
    assert_eq!(
        broadcast(&"192.0.2.1/24".parse().unwrap()),
        Some(Ipv4Addr::new(192, 0, 2, 255))
    );
    assert_eq!(broadcast(&"192.0.2.0/31".parse().unwrap()), None);
}

#[test]
fn a_lost_device_is_opened_again_with_its_interfaces() {
    let old = model(BASE);
    let mut new = model(&BASE.replace("2001:db8:1::1/64", "2001:db8:3::1/64"));
    new.keep_ids(&old);
    let mut changes = diff(&old, &new);
    assert_eq!(changes.changed.len(), 1);
    let lan = PortId(0);
    changes.reopen(lan, &old, &new);
    let moved = vec![(VrfId(0), IfaceId(1))];
    assert_eq!(changes.devices.added, [lan]);
    assert_eq!(changes.devices.removed, [lan]);
    assert_eq!(changes.interfaces.removed, moved);
    assert_eq!(changes.interfaces.added, moved);
    assert_eq!(changes.changed, []);
    let once = changes.clone();
    changes.reopen(lan, &old, &new);
    assert_eq!(changes, once);
    changes.reopen(PortId(9), &old, &new);
    assert_eq!(changes, once, "an unknown device");
}

const NETWORKS: &str = r#"
[[device]]
name = "a"
kind = "null"
[[device]]
name = "b"
kind = "null"
[[vtep]]
name = "west"
kind = "vxlan"
router = "main"
local = "2001:db8::1"
remote = "2001:db8::2"
[[network]]
name = "blue"
segments = [
  { kind = "vlan", device = "a", vlan = 5 },
  { kind = "flat", device = "b" },
  { kind = "vxlan", vni = 7, vteps = ["west"] },
]
stations = [
  { mac = "02:00:00:00:00:05", device = "b" },
  { mac = "02:00:00:00:00:06", vtep = "west" },
]
[[router]]
name = "main"
[[router.interface]]
name = "blue0"
network = "blue"
addresses = ["2001:db8::1/64"]
"#;

#[test]
fn networks_peers_and_places_keep_their_ids_by_name() {
    let old = model(NETWORKS);
    let before = r#"
[[vtep]]
name = "east"
kind = "vxlan"
router = "main"
local = "2001:db8::1"
remote = "2001:db8::3"
"#;
    let red = r#"
[[network]]
name = "red"
segments = [{ kind = "vlan", device = "a", vlan = 6 }, { kind = "vxlan", vni = 8, vteps = ["east", "west"] }]
[[network]]
"#;
    let (devices, rest) = NETWORKS.split_once("[[vtep]]").unwrap();
    let text = format!(
        "{devices}{before}[[vtep]]{}",
        rest.replacen("[[network]]\n", red, 1)
    );
    let text = text.replace("  { kind = \"vlan\", device = \"a\", vlan = 5 },\n", "");
    let mut new = model(&text);
    new.keep_ids(&old);
    assert_eq!(diff(&old, &new).needs_restart, Vec::<String>::new());
    let network = |model: &Model, name| {
        let mut networks = model.networks.iter();
        networks.find(|n| n.name == name).cloned().unwrap()
    };
    let (was, blue, red) = (
        network(&old, "blue"),
        network(&new, "blue"),
        network(&new, "red"),
    );
    assert_eq!(
        (was.id, blue.id, red.id),
        (NetworkId(1), NetworkId(1), NetworkId(2))
    );
    let numbers = |n: &network::Network| n.locals.iter().map(|l| l.number).collect::<Vec<_>>();
    // What is new gets no number that was another's a moment ago.
    assert_eq!(
        (numbers(&was), numbers(&blue), numbers(&red)),
        (vec![1, 2], vec![2], vec![3])
    );
    assert_eq!(blue.stations, was.stations);
    assert_eq!(red.overlays[0].vteps, [TunnelId(1), TunnelId(2)]);
    let changes = diff(&old, &new);
    assert_eq!(changes.vteps.added, [TunnelId(2)]);
    assert_eq!(changes.vteps.removed, []);
    assert_eq!(changes.networks.added, [NetworkId(2), NetworkId(1)]);
    assert_eq!(changes.networks.removed, [NetworkId(1)]);
    assert!(changes.interfaces.is_empty());
}

#[test]
fn ports_and_groups_that_change_are_told_and_sizes_need_a_restart() {
    let text = |max_flows: u32, port: u16, groups: &str| {
        format!(
            "[security]\nmax_flows = {max_flows}\n[[device]]\nname = \"d\"\nkind = \"null\"\n\
             [[network]]\nname = \"n\"\nsegments = [{{ kind = \"flat\", device = \"d\" }}]\n\
             [[security_group]]\nname = \"a\"\n[[security_group.rule]]\ndirection = \"ingress\"\n\
             ethertype = \"ipv6\"\nprotocol = \"tcp\"\nport_range_min = {port}\nport_range_max = {port}\n\
             [[security_group]]\nname = \"b\"\n\
             [[port]]\nname = \"p\"\ndevice = \"d\"\nsecurity_groups = [{groups}]\nmax_flows = 10\n"
        )
    };
    let model = |text: String| {
        crate::config::parse("t.toml".as_ref(), &text)
            .unwrap()
            .model
    };
    let old = model(text(1024, 80, "\"a\""));
    let changes = |text: String| {
        let mut new = model(text);
        new.keep_ids(&old);
        diff(&old, &new)
    };
    assert!(changes(text(1024, 80, "\"a\"")).is_empty());
    let (group, port) = (old.security_groups[0].id, old.ports[0].id);
    let other_rule = changes(text(1024, 81, "\"a\""));
    assert_eq!(other_rule.groups.added, [group]);
    assert_eq!(other_rule.groups.removed, [group]);
    assert!(other_rule.ports.is_empty() && !other_rule.security);
    let other_groups = changes(text(1024, 80, "\"b\", \"a\""));
    assert_eq!(other_groups.ports.added, [port]);
    assert!(other_groups.groups.is_empty());
    let larger = changes(text(2048, 80, "\"a\""));
    assert_eq!(larger.needs_restart, ["security.max_flows"]);
}
