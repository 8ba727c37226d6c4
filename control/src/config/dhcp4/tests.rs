use std::path::Path;

use crate::config::parse;
use crate::model::{Gateway, Interface};

/// A file with one interface, to which `more` belongs.
fn file(more: &str) -> String {
    format!(
        r#"
[[device]]
name = "lan"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["192.0.2.1/24", "2001:db8:1::1/64"]
{more}
"#
    )
}

fn interface(more: &str) -> Interface {
    let loaded = parse(Path::new("t.toml"), &file(more));
    let model = loaded.unwrap_or_else(|faults| panic!("{faults}")).model;
    model.routers[0].interfaces[0].clone()
}

/// The faults of such a file, without where they stand.
fn faults(more: &str) -> Vec<String> {
    match parse(Path::new("t.toml"), &file(more)) {
        Ok(_) => panic!("no fault in {more}"),
        Err(faults) => faults.0.iter().map(ToString::to_string).collect(),
    }
}

/// The one fault, which must name the field and say this.
fn fault(more: &str, field: &str, says: &str) {
    let faults = faults(more);
    let [fault] = &faults[..] else {
        panic!("{faults:#?}");
    };
    assert!(fault.contains(field) && fault.contains(says), "{fault}");
}

const SUBNET: &str = "[[router.interface.subnet]]\nprefix = \"192.0.2.0/24\"\n";

#[test]
fn an_ipv4_subnet_switches_the_server_on() {
    assert!(!interface("").serves_dhcp4());
    let lan = interface(SUBNET);
    assert!(lan.serves_dhcp4() && !lan.serves_dhcp6());
    assert_eq!((lan.subnets.len(), lan.subnets4.len()), (0, 1));
    assert_eq!(lan.subnets4[0].gateway, Gateway::Own);
    assert!(!interface(&format!("{SUBNET}enable_dhcp = false")).serves_dhcp4());
    assert!(interface("[router.interface.dhcp4]\nrelays = \"any\"").serves_dhcp4());
    let none = interface(&format!(
        "{SUBNET}gateway = \"none\"\nlease_time = \"infinite\""
    ));
    assert_eq!(none.subnets4[0].gateway, Gateway::None);
    assert_eq!(
        none.subnets4[0].lifetimes.lease.as_secs(),
        u64::from(u32::MAX)
    );
}

#[test]
fn what_an_ipv4_subnet_cannot_have() {
    let with = |key: &str| format!("{SUBNET}{key}");
    fault(
        &with("ra_mode = \"slaac\""),
        "subnet[0].ra_mode",
        "is for IPv6 subnets",
    );
    fault(
        &with("gateway = \"192.0.3.1\""),
        "subnet[0].gateway",
        "is not in 192.0.2.0/24",
    );
    fault(
        &with("gateway = \"224.0.0.1\""),
        "subnet[0].gateway",
        "not a unicast",
    );
    fault(
        &with("dns_servers = [\"2001:db8::1\"]"),
        "dns_servers[0]",
        "an IPv4 address",
    );
    fault(&with("lease_time = 0"), "subnet[0].lease_time", "");
    fault(&with("t1 = 90000"), "subnet[0].t1", "is after");
    fault(
        &with("pools = [{ start = \"192.0.2.9\", end = \"192.0.2.3\" }]"),
        "subnet[0].pools[0].end",
        "comes before",
    );
    fault(
        &with("pools = [{ start = \"192.0.3.9\" }]"),
        "subnet[0].pools[0].start",
        "is not in 192.0.2.0/24",
    );
    fault(
        &with("routes = [{ destination = \"10.0.0.1/8\", gateway = \"192.0.2.2\" }]"),
        "subnet[0].routes[0].destination",
        "host bits",
    );
    fault(
        &with("routes = [{ destination = \"10.0.0.0/8\" }]"),
        "routes[0]",
        "gateway",
    );
    let elsewhere = SUBNET.replace("192.0.2.0", "198.51.100.0");
    fault(
        &elsewhere,
        "subnet[0].prefix",
        "no address of the interface",
    );
    fault(
        &format!("{SUBNET}{SUBNET}"),
        "subnet[1].prefix",
        "stands in an earlier entry",
    );
    let v6 = "[[router.interface.subnet]]\nprefix = \"2001:db8:1::/64\"\ngateway = \"192.0.2.1\"";
    fault(v6, "subnet[0].gateway", "is for IPv4 subnets");
}

#[test]
fn what_the_table_cannot_have() {
    let with = |key: &str| format!("[router.interface.dhcp4]\n{key}");
    fault(&with("probe = \"6s\""), "dhcp4.probe", "5");
    fault(&with("quarantine = 0"), "dhcp4.quarantine", "");
    fault(&with("mtu = 10"), "dhcp4.mtu", "68");
    fault(
        &with("relays = [\"fe80::1\"]"),
        "dhcp4.relays[0]",
        "an IPv4 prefix",
    );
    fault(
        &with("next_server = \"0.0.0.0\""),
        "dhcp4.next_server",
        "not a unicast",
    );
    fault(&with("boot_file = \"\""), "dhcp4.boot_file", "1 to 255");
    fault(&with("ipv6_only_wait = 10"), "dhcp4.ipv6_only_wait", "");
    fault(
        &with("authoritativ = true"),
        "authoritativ",
        "authoritative",
    );
    fault(
        &with("options = [{ code = 43, hex = \"00\" }]"),
        "dhcp4.options",
        "must be 4 here",
    );
}

#[test]
fn a_port_may_be_told_by_its_client_identifier() {
    let port = "[[router.interface.port]]\nname = \"vm\"\n";
    let lan = interface(&format!(
        "{port}client_id = \"01:02\"\naddresses = [\"192.0.2.9\"]"
    ));
    assert_eq!(lan.ports[0].client_id.as_deref(), Some(&[1, 2][..]));
    fault(
        &format!("{port}client_id = \"01\""),
        "port[0].client_id",
        "2 to 255",
    );
    fault(port, "port[0]", "is told by `mac`, `duid` or `client_id`");
}

#[test]
fn two_links_of_a_router_do_not_lease_out_the_same() {
    let other = "[[router.remote_link]]\nname = \"far\"\n[[router.remote_link.subnet]]\nprefix = \"192.0.2.128/25\"";
    fault(
        &format!("{SUBNET}{other}"),
        "subnet",
        "nothing is leased out twice",
    );
    // Another router has the same addresses, and they are others.
    interface(&format!("{SUBNET}[[router]]\nname = \"other\"\n{other}"));
}
