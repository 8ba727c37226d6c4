//! Input: `[[router.interface.port]]` tables; output: the ports, or every fault.

use std::path::Path;

use super::*;
use crate::config::parse;

const BASE: &str = r#"
[[device]]
name = "lan"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64", "192.0.2.1/24"]
"#;

const MAC: &str = "mac = \"02:00:00:00:00:01\"";

fn port(name: &str, keys: &str) -> String {
    format!("[[router.interface.port]]\nname = \"{name}\"\n{keys}\n")
}

fn ports(text: &str) -> Vec<Port> {
    let loaded = parse(Path::new("t.toml"), &format!("{BASE}{text}"));
    let mut model = loaded.unwrap_or_else(|faults| panic!("{faults}")).model;
    model.routers.remove(0).interfaces.remove(0).ports
}

fn faults(text: &str) -> Vec<String> {
    let all = parse(Path::new("t.toml"), &format!("{BASE}{text}"));
    let all = all.expect_err("a bad file was accepted");
    let short = |path: &str| path.replace("router[0].interface[0].", "");
    all.0
        .iter()
        .map(|f| format!("{}: {}", short(&f.path), f.message))
        .collect()
}

#[test]
fn a_port_has_identities_addresses_and_options() {
    let keys = format!(
        "{MAC}\nduid = \"00:03:00:01:02:00:00:00:00:01\"\n\
        addresses = [\"2001:db8:1::5\", \"192.0.2.5\"]\noptions = [\
        {{ code = 59, text = \"http://boot\", always = true }}, \
        {{ code = 23, addresses = [\"2001:db8::1\", \"2001:db8::2\"] }}, \
        {{ code = 24, domains = [\"a.example.\"] }}, \
        {{ code = 42, hex = \"c0000201\", ip_version = 4 }}]"
    );
    let found = ports(&port("vm 1", &keys)).remove(0);
    assert_eq!(found.name, "vm 1");
    assert_eq!(found.mac, Some(MacAddr([2, 0, 0, 0, 0, 1])));
    assert_eq!(found.duid, Some(vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 1]));
    assert_eq!(found.addresses.len(), 2);
    let options: Vec<_> = found
        .options
        .iter()
        .map(|o| (o.ipv6, o.code, o.always))
        .collect();
    assert_eq!(
        options,
        [
            (true, 59, true),
            (true, 23, false),
            (true, 24, false),
            (false, 42, false)
        ]
    );
    assert_eq!(found.options[0].data, b"http://boot");
    assert_eq!(found.options[1].data.len(), 32);
    assert_eq!(found.options[2].data, b"\x01a\x07example\0");
    assert_eq!(found.options[3].data, [192, 0, 2, 1]);
}

#[test]
fn identities_are_there_and_belong_to_one_port() {
    let duid = "duid = \"000300010200\"";
    assert_eq!(
        faults(&port("a", "")),
        ["port[0].mac: a port is told by `mac`, `duid` or `client_id`"]
    );
    let twice = port("a", &format!("{MAC}\n{duid}")) + &port("a", &format!("{MAC}\n{duid}"));
    let mut told = faults(&twice);
    told.sort();
    assert_eq!(
        told,
        [
            "port[1].duid: is another port's",
            "port[1].mac: is another port's",
            "port[1].name: \"a\" is another port's name",
        ]
    );
    for (bad, why) in [
        ("00:0", "is not pairs of hex digits"),
        ("0x01", "is not pairs of hex digits"),
        ("0001", "has 2 bytes; a DUID has 3 to 130"),
    ] {
        let told = faults(&port("a", &format!("duid = \"{bad}\"")));
        assert!(told[0].contains(why), "{told:?}");
    }
    let told = faults(&port("", MAC));
    assert!(
        told[0].starts_with("port[0].name: must have 1 to 255 bytes"),
        "{told:?}"
    );
}

#[test]
fn addresses_are_a_hosts_on_a_subnet_and_one_ports() {
    let addresses = "addresses = [\"2001:db8:1::1\", \"2001:db8:9::1\", \"2001:db8:1::\", \"192.0.2.255\", \"192.0.2.0\", \"ff02::1\", \"192.0.2.9\"]";
    let text = port("a", &format!("{MAC}\n{addresses}"))
        + &port("b", "duid = \"000300010200\"\naddresses = [\"192.0.2.9\"]");
    assert_eq!(
        faults(&text),
        [
            "port[0].addresses[0]: 2001:db8:1::1 is the interface's own",
            "port[0].addresses[1]: 2001:db8:9::1 is on no subnet of the interface",
            "port[0].addresses[2]: 2001:db8:1:: is the subnet-router anycast address of 2001:db8:1::/64",
            "port[0].addresses[3]: 192.0.2.255 is the broadcast address of 192.0.2.0/24",
            "port[0].addresses[4]: 192.0.2.0 is the network address of 192.0.2.0/24",
            "port[0].addresses[5]: \"ff02::1\" is not a unicast host address",
            "port[1].addresses[0]: 192.0.2.9 is an address of router[0].interface[0].port[0] already",
        ]
    );
}

#[test]
fn an_option_has_one_kind_of_data_that_fits() {
    let options = |options: &str| port("a", &format!("{MAC}\noptions = [{options}]"));
    for (bad, why) in [
        ("{ code = 5 }", "code: needs exactly one of"),
        (
            "{ code = 5, hex = \"00\", text = \"a\" }",
            "code: needs exactly one of",
        ),
        ("{ hex = \"00\" }", "code: `code` is missing"),
        (
            "{ code = 255, hex = \"00\", ip_version = 4 }",
            "code: 255 is out of range; allowed: 1 to 254",
        ),
        (
            "{ code = 5, hex = \"00\", ip_version = 5 }",
            "ip_version: must be 4 or 6",
        ),
        (
            "{ code = 5, addresses = [\"192.0.2.1\"] }",
            "addresses[0]: 192.0.2.1 is of the other IP version",
        ),
        (
            "{ code = 5, domains = [\"a..b\"] }",
            "domains[0]: \"a..b\" is not a domain name",
        ),
        (
            "{ code = 5, hex = \"0\" }",
            "hex: \"0\" is not pairs of hex digits",
        ),
    ] {
        let told = faults(&options(bad));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(why), "{told:?}");
    }
    let twice = "{ code = 5, text = \"a\" }, { code = 5, text = \"b\" }";
    assert!(faults(&options(twice))[0].contains("stands in an earlier entry"));
    let other_version = "{ code = 5, text = \"a\" }, { code = 5, text = \"b\", ip_version = 4 }";
    assert_eq!(ports(&options(other_version))[0].options.len(), 2);
    let long = format!(
        "{{ code = 5, text = \"{}\", ip_version = 4 }}",
        "x".repeat(256)
    );
    assert!(faults(&options(&long))[0].contains("has 256 bytes of data; at most 255"));
}
