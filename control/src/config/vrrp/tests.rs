//! Input: `[[router.interface.vrrp]]` tables; output: the virtual routers, or every fault.

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
addresses = ["2001:db8:1::2/64", "192.0.2.2/24"]
link_local = "fe80::2"
"#;

fn group(keys: &str) -> String {
    format!("[[router.interface.vrrp]]\n{keys}\n")
}

fn groups(text: &str) -> Vec<Vrrp> {
    let loaded = parse(Path::new("t.toml"), &format!("{BASE}{text}"));
    let mut model = loaded.unwrap_or_else(|faults| panic!("{faults}")).model;
    model.routers.remove(0).interfaces.remove(0).vrrp
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

fn fault(keys: &str) -> String {
    let mut all = faults(&group(keys));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn defaults_are_the_rfcs_and_the_link_local_address_is_made() {
    let found = groups(&group("vrid = 61\naddresses = [\"2001:db8:1::1\"]")).remove(0);
    let first = "fe80::200:5eff:fe00:23d".parse::<IpAddr>().unwrap();
    let second = "2001:db8:1::1".parse::<IpAddr>().unwrap();
    assert_eq!(found.addresses(), [first, second]);
    let expected = Config::new(Family::V6, 61, vec![first, second]);
    assert_eq!(found.config, expected);
    assert_eq!((found.accept, found.virtual_mac), (false, true));
    let second = groups(&group(
        "vrid = 61\naddresses = [\"2001:db8:1::1\", \"fe80::61\"]",
    ));
    assert_eq!(
        second[0].addresses()[0].to_string(),
        "fe80::61",
        "it goes first"
    );
}

#[test]
fn every_key_is_read() {
    let keys = "vrid = 5\naddresses = [\"192.0.2.1\"]\npriority = 255\nadvertisement_interval = \"50ms\"\n\
                preempt_delay = 30\naccept = true\npeers = [\"192.0.2.3\"]\nchecksum = \"pseudo-header\"\nvirtual_mac = false\n\
                [[router.interface.vrrp.track]]\ninterface = \"lan0\"\ndecrement = 20\n\
                [[router.interface.vrrp.track]]\nroute = \"::/0\"";
    let found = groups(&group(keys)).remove(0);
    let config = &found.config;
    assert_eq!(
        (config.priority, config.interval),
        (255, Duration::from_millis(50))
    );
    assert_eq!(config.preempt_delay, Duration::from_secs(30));
    assert_eq!(config.peers, ["192.0.2.3".parse::<IpAddr>().unwrap()]);
    assert_eq!(config.checksum, Checksum::PseudoHeader);
    assert!(found.accept && !found.virtual_mac);
    let tracks = [
        Track {
            watched: Watched::Interface("lan0".into()),
            decrement: Some(20),
        },
        Track {
            watched: Watched::Route("::/0".parse().unwrap()),
            decrement: None,
        },
    ];
    assert_eq!(found.track, tracks);
    let old = groups(&group(
        "vrid = 5\naddresses = [\"192.0.2.1\"]\nversion = 2\nadvertisement_interval = \"2s\"",
    ));
    assert_eq!(old[0].config.version, Version::V2);
}

#[test]
fn the_families_may_share_a_number_and_no_two_of_one_may() {
    let v6 = group("vrid = 1\naddresses = [\"2001:db8:1::1\"]");
    let v4 = group("vrid = 1\naddresses = [\"192.0.2.1\"]");
    assert_eq!(groups(&(v6.clone() + &v4)).len(), 2);
    let all = faults(&(v6.clone() + &group("vrid = 1\naddresses = [\"2001:db8:1::9\"]")));
    assert_eq!(
        all,
        ["vrrp[1].vrid: the interface has a virtual router 1 of this IP version already"]
    );
    let all = faults(&(v6 + &group("vrid = 2\naddresses = [\"2001:db8:1::1\"]")));
    assert_eq!(
        all,
        ["vrrp[1].addresses: 2001:db8:1::1 is an address of another virtual router"]
    );
}

#[test]
fn faults_name_the_key_and_say_why() {
    let six = "vrid = 1\naddresses = [\"2001:db8:1::1\"]";
    let four = "vrid = 1\naddresses = [\"192.0.2.1\"]";
    for (keys, part) in [
        ("addresses = [\"192.0.2.1\"]".to_owned(), "vrrp[0].vrid: "),
        ("vrid = 1".into(), "vrrp[0].addresses: "),
        (
            "vrid = 0\naddresses = [\"192.0.2.1\"]".into(),
            "vrrp[0].vrid: 0 is out of range",
        ),
        (
            "vrid = 1\naddresses = []".into(),
            "vrrp[0].addresses: a virtual router has at least one address",
        ),
        (
            "vrid = 1\naddresses = [\"192.0.2.2\"]".into(),
            "192.0.2.2 is the interface's own",
        ),
        (
            "vrid = 1\naddresses = [\"fe80::2\"]".into(),
            "fe80::2 is the interface's own",
        ),
        (
            "vrid = 1\naddresses = [\"198.51.100.1\"]".into(),
            "198.51.100.1 is neither link-local nor on a subnet",
        ),
        (
            "vrid = 1\naddresses = [\"192.0.2.1\", \"2001:db8:1::1\"]".into(),
            "2001:db8:1::1 is of another IP version",
        ),
        (
            "vrid = 1\naddresses = [\"192.0.2.1\", \"192.0.2.1\"]".into(),
            "192.0.2.1 stands here twice",
        ),
        (
            format!("{six}\npriority = 0"),
            "vrrp[0].priority: 0 is out of range",
        ),
        (
            format!("{six}\nadvertisement_interval = \"15ms\""),
            "vrrp[0].advertisement_interval: 15ms cannot be told: version 3 counts in steps of 10 ms",
        ),
        (
            format!("{four}\nversion = 2\nadvertisement_interval = \"500ms\""),
            "500ms cannot be told: version 2 counts in steps of 1000 ms",
        ),
        (
            format!("{six}\nadvertisement_interval = \"1ms\""),
            "1ms is out of range",
        ),
        (
            format!("{six}\nversion = 2"),
            "vrrp[0].version: version 2 (RFC 3768) knows no IPv6",
        ),
        (
            format!("{six}\nversion = 4"),
            "vrrp[0].version: 4 is out of range",
        ),
        (
            format!("{six}\npreempt = false\npreempt_delay = 1"),
            "vrrp[0].preempt_delay: says nothing where `preempt` is false",
        ),
        (
            format!("{six}\nchecksum = \"message\""),
            "vrrp[0].checksum: IPv6 checksums always cover",
        ),
        (
            format!("{six}\npeers = [\"192.0.2.3\"]"),
            "vrrp[0].peers[0]: 192.0.2.3 is of another IP version",
        ),
        (
            format!("{six}\n[[router.interface.vrrp.track]]\ninterface = \"lan1\""),
            "vrrp[0].track[0].interface: there is no interface \"lan1\" in this router; did you mean \"lan0\"?",
        ),
        (
            format!("{six}\n[[router.interface.vrrp.track]]\ndecrement = 5"),
            "vrrp[0].track[0].interface: one of `interface`, `route` and `bfd`",
        ),
        (
            format!(
                "{six}\n[[router.interface.vrrp.track]]\ninterface = \"lan0\"\nroute = \"::/0\""
            ),
            "vrrp[0].track[0].route: `interface` says already",
        ),
        (
            format!("{six}\n[[router.interface.vrrp.track]]\nroute = \"::/0\"\ndecrement = 255"),
            "vrrp[0].track[0].decrement: 255 is out of range",
        ),
    ] {
        let fault = fault(&keys);
        assert!(fault.contains(part), "{keys}\ngave: {fault}\nnot: {part}");
    }
}
