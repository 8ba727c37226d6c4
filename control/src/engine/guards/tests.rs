//! What the guards' room is told of ports and leases.

use std::path::Path;

use super::*;
use crate::config::parse;
use wire::MacAddr;

const TEXT: &str = r#"
[[device]]
name = "tap0"
kind = "null"
[[device]]
name = "tap1"
kind = "null"
[[device]]
name = "tap2"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "one"
device = "tap0"
addresses = ["2001:db8:1::1/64", "192.0.2.1/24"]
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
address_mode = "dhcpv6-stateful"
[[router.interface.port]]
name = "reserved"
mac = "52:54:00:00:00:01"
addresses = ["2001:db8:1::99"]
[[router.interface]]
name = "two"
device = "tap1"
addresses = ["2001:db8:2::1/64"]
[[router.interface]]
name = "three"
device = "tap2"
addresses = ["2001:db8:3::1/64"]
[[port]]
name = "known"
device = "tap0"
mac_address = "52:54:00:00:00:01"
fixed_ips = ["2001:db8:1::10"]
allowed_address_pairs = [{ ip_address = "2001:db8:1::aa" }, { ip_address = "2001:db8:99::/64" }]
address_learning = "none"
max_addresses = 4
[[port]]
name = "any"
device = "tap1"
fixed_ips = ["2001:db8:2::10"]
[[port]]
name = "open"
device = "tap2"
port_security_enabled = false
"#;

fn model() -> Model {
    let loaded = parse(Path::new("t.toml"), TEXT);
    loaded.unwrap_or_else(|faults| panic!("{faults}")).model
}

fn interface<'a>(model: &'a Model, name: &str) -> &'a Interface {
    let mut all = model.interfaces();
    all.find(|(_, interface)| interface.name == name).unwrap().1
}

#[test]
fn each_port_with_security_is_told_with_what_is_its_own() {
    let model = model();
    let anchors = Anchors::of(&model);
    let ports = guarded_ports(&model, &anchors);
    let of = |name: &str| {
        let port = model.ports.iter().find(|port| port.name == name).unwrap();
        ports.get(&port.id)
    };
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let mac = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
    let known = of("known").unwrap();
    assert_eq!(known.link, interface_link(interface(&model, "one").id));
    assert_eq!(known.macs.first(), Some(&mac));
    assert_eq!(known.fixed, [ip("2001:db8:1::10"), ip("2001:db8:1::99")]);
    let shared: Vec<IpAddr> = known.shared.iter().map(|(address, _)| *address).collect();
    assert_eq!(
        shared,
        [ip("2001:db8:1::aa")],
        "a prefix is its guard's alone"
    );
    assert_eq!((known.learns, known.max_addresses), (false, 4));
    let any = of("any").unwrap();
    assert_eq!(
        (&any.macs, &any.fixed),
        (&vec![], &vec![ip("2001:db8:2::10")])
    );
    assert!(any.learns);
    assert_eq!(of("open"), None);
}

#[test]
fn a_lease_is_of_the_interface_whose_prefix_or_name_it_has() {
    let model = model();
    let leasing = |resource: &str, interface: Option<&str>| Leasing {
        realm: RealmId::of("main"),
        resource: resource.parse().unwrap(),
        given: None,
        interface: interface.map(Into::into),
        is_registered: false,
    };
    let cases = [
        ("2001:db8:1::5", None, [true, false]),
        ("192.0.2.5", None, [true, false]),
        ("2001:db8:2::5", None, [false, true]),
        ("2001:db8:9::5", Some("one"), [false, false]),
        ("2001:db8:8000::/56", Some("two"), [false, true]),
        ("2001:db8:8000::/56", None, [false, false]),
    ];
    for (resource, by, expected) in cases {
        let leasing = leasing(resource, by);
        let on = ["one", "two"].map(|name| is_on(&leasing, interface(&model, name)));
        assert_eq!(on, expected, "{resource}");
    }
}

#[test]
fn what_is_only_said_to_be_a_ports_makes_no_member() {
    let binding = |state| BindingView {
        link: LinkId(1),
        anchor: Some(AnchorId(1)),
        address: "2001:db8:1::5".parse().unwrap(),
        mac: None,
        origin: "learned",
        state,
        age: None,
        left: None,
    };
    assert!(!is_members(&binding("tentative")));
    assert!(is_members(&binding("valid")) && is_members(&binding("testing_rival")));
}
