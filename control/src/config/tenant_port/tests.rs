//! Ports of tenants' machines: what the model holds, and every fault with its place.

use std::path::Path;

use dataplane::guard::{Learning, Mode, Roles};
use tables::id::{AnchorId, PortId};

use crate::config::parse;
use crate::model::security::{AddressPair, Plug};
use crate::model::{Model, Tag};

const BASE: &str = r#"
[[device]]
name = "tap0"
kind = "null"
[[device]]
name = "tap1"
kind = "null"
[[device]]
name = "host"
kind = "null"
[[network]]
name = "blue"
segments = [
    { kind = "flat", device = "tap0" },
    { kind = "flat", device = "tap1" },
    { kind = "vlan", device = "host", vlan = 7 },
    { kind = "qinq", device = "host", outer = 9, vlan = 7 },
]
[[security_group]]
name = "web"
[[router]]
name = "main"
[[router.interface]]
name = "blue0"
network = "blue"
addresses = ["2001:db8:1::1/64"]
[[router.interface]]
name = "direct0"
device = "host"
vlan = 8
outer_vlan = 2
outer_tpid = "802.1q"
addresses = ["2001:db8:2::1/64"]
"#;

fn model(more: &str) -> Model {
    let loaded = parse(Path::new("t.toml"), &format!("{BASE}{more}"));
    let loaded = loaded.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.warnings, [], "{more}");
    loaded.model
}

/// Path and message of each fault.
fn told(more: &str) -> Vec<String> {
    let told = match parse(Path::new("t.toml"), &format!("{BASE}{more}")) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults.0,
    };
    told.iter()
        .map(|fault| format!("{}: {}", fault.path, fault.message))
        .collect()
}

fn port(name: &str, more: &str) -> String {
    format!("[[port]]\nname = \"{name}\"\n{more}\n")
}

#[test]
fn a_port_is_secure_by_default() {
    let model = model(&port("vm1", "device = \"tap0\""));
    let port = &model.ports[0];
    assert_eq!(
        (port.id, port.device, port.tag),
        (AnchorId(1), PortId(0), Tag::Untagged)
    );
    assert!(port.port_security);
    assert_eq!(
        (port.mode, port.learning, port.roles),
        (Mode::Enforce, Learning::Fcfs, Roles::default())
    );
    assert_eq!((port.max_addresses, port.max_flows), (16, 1 << 17));
    let names: Vec<_> = port.groups.iter().map(|id| model.set_name(*id)).collect();
    assert_eq!(names, [Some("default")]);
}

#[test]
fn a_port_says_everything() {
    let model = model(&port(
        "vm1",
        r#"device = "tap0"
mac_address = "52:54:00:00:00:01"
fixed_ips = ["2001:db8:1::10", "192.0.2.10"]
allowed_address_pairs = [
    { ip_address = "2001:db8:99::/64" },
    { ip_address = "192.0.2.99", mac_address = "52:54:00:00:00:02" },
]
security_groups = ["web", "default"]
guard = "observe"
trusted = ["ra", "dhcpv4", "vrrp"]
address_learning = "none"
max_addresses = 3
max_flows = 100"#,
    ));
    let port = &model.ports[0];
    assert_eq!(
        port.mac.map(|mac| mac.to_string()).as_deref(),
        Some("52:54:00:00:00:01")
    );
    let pairs = [
        AddressPair {
            prefix: "2001:db8:99::/64".parse().unwrap(),
            mac: None,
        },
        AddressPair {
            prefix: "192.0.2.99/32".parse().unwrap(),
            mac: Some("52:54:00:00:00:02".parse().unwrap()),
        },
    ];
    assert_eq!(port.pairs, pairs);
    assert_eq!(port.fixed_ips.len(), 2);
    let names: Vec<_> = port.groups.iter().map(|id| model.set_name(*id)).collect();
    assert_eq!(names, [Some("web"), Some("default")]);
    assert_eq!((port.mode, port.learning), (Mode::Observe, Learning::None));
    let roles = Roles {
        router: true,
        dhcp6_server: false,
        dhcp4_server: true,
        vrrp: true,
    };
    assert_eq!(port.roles, roles);
    assert_eq!((port.max_addresses, port.max_flows), (3, 100));
}

#[test]
fn ports_are_plugged_into_networks_and_interfaces() {
    let model = model(
        &[
            port("flat", "device = \"tap1\""),
            port("vlan", "device = \"host\"\nvlan = 7"),
            port("qinq", "device = \"host\"\nvlan = 7\nouter = 9"),
            // The packet path does not tell outer TPIDs apart, nor does this.
            port("direct", "device = \"host\"\nvlan = 8\nouter = 2"),
            port("none", "device = \"tap0\"\nport_security_enabled = false"),
        ]
        .concat(),
    );
    let direct = model.interfaces().find(|(_, i)| i.name == "direct0");
    let plugs: Vec<_> = model.ports.iter().map(|port| model.plug(port)).collect();
    assert_eq!(
        plugs,
        [
            Some(Plug::Local(2)),
            Some(Plug::Local(3)),
            Some(Plug::Local(4)),
            Some(Plug::Interface(direct.unwrap().1.id)),
            Some(Plug::Local(1)),
        ]
    );
    assert_eq!(model.ports[4].groups, [], "no security, no groups");
}

#[test]
fn each_wrong_port_is_told_by_its_field() {
    let on = |more: &str| port("vm1", &format!("device = \"tap0\"\n{more}"));
    let pairs = |n: usize| {
        let pair = |i| format!("{{ ip_address = \"192.0.2.{i}\" }}");
        let list: Vec<_> = (0..n).map(pair).collect();
        format!("allowed_address_pairs = [{}]", list.join(", "))
    };
    for (text, field, why) in [
        (port("vm1", ""), "device", "`device` is missing"),
        (
            port("vm1", "device = \"tap9\""),
            "device",
            "there is no device \"tap9\"",
        ),
        (
            port("vm1", "device = \"host\""),
            "device",
            "no network and no interface",
        ),
        (
            port("vm1", "device = \"tap0\"\nvlan = 3"),
            "device",
            "no network and no interface",
        ),
        (on("outer = 3"), "outer", "needs `vlan`"),
        (on("vlan = 4095"), "vlan", "allowed: 1 to 4094"),
        (
            on("mac_address = \"01:00:00:00:00:01\""),
            "mac_address",
            "must be a unicast MAC address",
        ),
        (
            on("fixed_ips = [\"ff02::1\"]"),
            "fixed_ips[0]",
            "is not a unicast host address",
        ),
        (
            on("fixed_ips = [\"2001:db8:1::1\"]"),
            "fixed_ips[0]",
            "is an address of interface \"blue0\" already",
        ),
        (
            on("fixed_ips = [\"2001:db8:1::2\", \"2001:db8:1::2\"]"),
            "fixed_ips[1]",
            "is an address of port[0] already",
        ),
        (
            on("allowed_address_pairs = [{ ip_address = \"::/0\" }]"),
            "allowed_address_pairs[0].ip_address",
            "multicast",
        ),
        (
            on("allowed_address_pairs = [{ ip_address = \"ff05::/16\" }]"),
            "allowed_address_pairs[0].ip_address",
            "multicast",
        ),
        (
            on("allowed_address_pairs = [{ ip_address = \"239.1.2.3\" }]"),
            "allowed_address_pairs[0].ip_address",
            "multicast",
        ),
        (
            on("allowed_address_pairs = [{ ip_address = \"192.0.2.1/24\" }]"),
            "allowed_address_pairs[0].ip_address",
            "host bits",
        ),
        (
            on(
                "allowed_address_pairs = [{ ip_address = \"192.0.2.1\" }, { ip_address = \"192.0.2.1/32\" }]",
            ),
            "allowed_address_pairs[1].ip_address",
            "stands in an earlier pair",
        ),
        (
            on(&pairs(11)),
            "allowed_address_pairs",
            "11 are more than 10",
        ),
        (
            on(&format!("port_security_enabled = false\n{}", pairs(1))),
            "allowed_address_pairs",
            "need port security",
        ),
        (
            on("port_security_enabled = false\nsecurity_groups = [\"web\"]"),
            "security_groups",
            "need port security",
        ),
        (
            on("security_groups = [\"wob\"]"),
            "security_groups[0]",
            "there is no security group \"wob\"; did you mean \"web\"?",
        ),
        (
            on("security_groups = [\"web\", \"web\"]"),
            "security_groups[1]",
            "one of its groups already",
        ),
        (on("guard = \"off\""), "guard", "enforce, observe"),
        (
            on("trusted = [\"dns\"]"),
            "trusted[0]",
            "ra, dhcpv6, dhcpv4",
        ),
        (
            on("address_learning = \"all\""),
            "address_learning",
            "fcfs, none",
        ),
        (on("max_addresses = 1025"), "max_addresses", "0 to 1024"),
        (on("max_flows = 0"), "max_flows", "1 to 1048576"),
    ] {
        let told = told(&text);
        let [one] = &told[..] else {
            panic!("{text}: {told:?}");
        };
        assert!(one.starts_with(&format!("port[0].{field}: ")), "{one}");
        assert!(one.contains(why), "{one}");
    }
    assert!(told(&on(&pairs(10))).is_empty());
}

#[test]
fn two_ports_share_nothing_on_a_link() {
    let mac = "mac_address = \"52:54:00:00:00:01\"\nfixed_ips = [\"2001:db8:1::9\"]";
    let on = |name: &str, place: &str| port(name, &format!("{place}\n{mac}"));
    assert_eq!(
        told(&(on("a", "device = \"tap0\"") + &on("b", "device = \"tap1\""))),
        [
            "port[1].mac_address: 52:54:00:00:00:01 is the address of port[0] already",
            "port[1].fixed_ips[0]: 2001:db8:1::9 is an address of port[0] already",
        ]
    );
    // On another link it is another machine.
    let other = "device = \"host\"\nvlan = 8\nouter = 2";
    assert_eq!(
        model(&(on("a", "device = \"tap0\"") + &on("b", other)))
            .ports
            .len(),
        2
    );
    assert_eq!(
        told(&(port("a", "device = \"tap0\"") + &port("a", "device = \"tap0\""))),
        [
            "port[1].name: port[0] is already the port named \"a\"",
            "port[1].device: port[0] is plugged there already",
        ]
    );
    let limited = format!(
        "[security]\nmax_ports = 1\n{}{}",
        port("a", "device = \"tap0\""),
        port("b", "device = \"tap1\"")
    );
    assert_eq!(
        told(&limited),
        ["port: 2 are more than `security.max_ports`, 1"]
    );
}

#[test]
fn the_example_of_the_documentation_loads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/security.toml");
    let loaded = crate::config::load(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.model.ports.len(), 2);
    assert_eq!(loaded.model.security_groups.len(), 3, "`default` too");
}

#[test]
fn a_reload_keeps_ports_by_name() {
    let ports = |names: [&str; 2]| {
        let [a, b] = names;
        port(a, "device = \"tap0\"") + &port(b, "device = \"tap1\"")
    };
    let old = model(&ports(["a", "b"]));
    let mut new = model(&ports(["b", "c"]));
    new.keep_ids(&old);
    let ids: Vec<_> = new
        .ports
        .iter()
        .map(|port| (port.name.as_str(), port.id.0))
        .collect();
    assert_eq!(ids, [("b", 2), ("c", 3)]);
    assert_eq!(new.port(AnchorId(2)).unwrap().device, PortId(0));
}
