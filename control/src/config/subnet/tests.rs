//! Input: `[[router.interface.subnet]]` tables; output: the subnets, the advertisements, or every fault.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::parse;
use crate::model::Interface;

/// An interface of two prefixes, to which subnets are added.
const BASE: &str = r#"
[[device]]
name = "lan"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64", "2001:db8:2::1/80", "2001:db8:3::1/127", "192.0.2.1/24"]
"#;

const P64: &str = "2001:db8:1::/64";
const P80: &str = "2001:db8:2::/80";

fn subnet(prefix: &str, keys: &str) -> String {
    format!("[[router.interface.subnet]]\nprefix = \"{prefix}\"\n{keys}\n")
}

fn interface(text: &str) -> Interface {
    let loaded = parse(Path::new("t.toml"), &format!("{BASE}{text}"));
    let mut model = loaded.unwrap_or_else(|faults| panic!("{faults}")).model;
    model.routers.remove(0).interfaces.remove(0)
}

/// Each fault as `path: message`.
fn faults(text: &str) -> Vec<String> {
    let all = parse(Path::new("t.toml"), &format!("{BASE}{text}"));
    let all = all.expect_err("a bad file was accepted");
    let short = |path: &str| path.replace("router[0].interface[0].", "");
    all.0
        .iter()
        .map(|f| format!("{}: {}", short(&f.path), f.message))
        .collect()
}

fn warnings(text: &str) -> Vec<String> {
    let loaded = parse(Path::new("t.toml"), &format!("{BASE}{text}")).unwrap();
    let paths = loaded.warnings.iter().map(|f| &f.path);
    paths
        .map(|path| path.rsplit('.').next().unwrap().to_owned())
        .collect()
}

const WORDS: [&str; 4] = ["", "slaac", "dhcpv6-stateless", "dhcpv6-stateful"];

/// The table of Neutron: which pairs stand together.
#[test]
fn the_legal_pairs_of_modes_are_accepted_and_the_others_say_why() {
    for (i, ra) in WORDS.iter().enumerate() {
        for (j, address) in WORDS.iter().enumerate() {
            let key = |name: &str, word: &str| match word {
                "" => String::new(),
                word => format!("{name} = \"{word}\"\n"),
            };
            let text = subnet(P64, &(key("ra_mode", ra) + &key("address_mode", address)));
            if i == 0 || j == 0 || i == j {
                let interface = interface(&text);
                let [subnet] = &interface.subnets[..] else {
                    panic!("{text}");
                };
                let label = |mode: Option<Mode>| mode.map_or("", Mode::label);
                assert_eq!(
                    (label(subnet.ra_mode), label(subnet.address_mode)),
                    (*ra, *address)
                );
                assert_eq!(interface.ra.send_advertisements, i != 0, "{text}");
                assert_eq!(interface.serves_dhcp6(), j >= 2, "{text}");
            } else {
                let told = faults(&text);
                assert_eq!(told.len(), 1, "{told:?}");
                let why = format!(
                    "subnet[0].ra_mode: ra_mode \"{ra}\" with address_mode \"{address}\" is not valid"
                );
                assert!(told[0].starts_with(&why), "{told:?}");
            }
        }
    }
}

#[test]
fn modes_need_enable_dhcp_and_a_fitting_length() {
    let off = "enable_dhcp = false\n";
    for key in ["ra_mode", "address_mode"] {
        let told = faults(&subnet(P64, &format!("{off}{key} = \"slaac\"")));
        assert_eq!(
            told,
            [
                "subnet[0].enable_dhcp: ra_mode and address_mode cannot be set when enable_dhcp is false"
            ]
        );
        for mode in ["slaac", "dhcpv6-stateless"] {
            let told = faults(&subnet(P80, &format!("{key} = \"{mode}\"")));
            assert_eq!(told.len(), 1);
            let why = format!("subnet[0].{key}: {mode} needs a /64");
            assert!(told[0].starts_with(&why), "{told:?}");
        }
        let stateful = format!("{key} = \"dhcpv6-stateful\"");
        assert_eq!(interface(&subnet(P80, &stateful)).subnets.len(), 1);
        let told = faults(&subnet("2001:db8:3::/127", &stateful));
        assert!(
            told[0].contains("a /127 has no room for DHCPv6"),
            "{told:?}"
        );
    }
    assert!(!interface(&subnet(P64, off)).ra.send_advertisements);
}

/// M, O and A as Neutron's modes have them (RFC 4861 section 4.2, RFC 4862 section 5.5.3).
#[test]
fn flags_of_the_advertisements_follow_from_the_modes() {
    for (mode, managed, other, autonomous) in [
        ("slaac", false, false, true),
        ("dhcpv6-stateless", false, true, true),
        ("dhcpv6-stateful", true, false, false),
    ] {
        let ra = interface(&subnet(P64, &format!("ra_mode = \"{mode}\""))).ra;
        assert_eq!((ra.managed, ra.other_config), (managed, other), "{mode}");
        let [prefix] = &ra.prefixes[..] else {
            panic!("{:?}", ra.prefixes);
        };
        assert_eq!(
            (prefix.autonomous, prefix.on_link),
            (autonomous, true),
            "{mode}"
        );
        assert_eq!(prefix.prefix_len, 64);
    }
    let both = subnet(P64, "ra_mode = \"slaac\"") + &subnet(P80, "ra_mode = \"dhcpv6-stateful\"");
    let ra = interface(&both).ra;
    assert!(ra.managed && !ra.other_config);
    let flags: Vec<_> = ra
        .prefixes
        .iter()
        .map(|p| (p.prefix_len, p.autonomous))
        .collect();
    assert_eq!(flags, [(64, true), (80, false)]);
}

#[test]
fn prefixes_are_advertised_by_their_subnet_or_as_ever() {
    let advertised = |text: &str| -> Vec<u8> {
        let ra = interface(text).ra;
        assert!(ra.send_advertisements, "{text}");
        ra.prefixes.iter().map(|p| p.prefix_len).collect()
    };
    let ra = "[router.interface.ra]\n";
    let slaac = "ra_mode = \"slaac\"\n";
    assert_eq!(advertised(ra), [64, 80, 127]);
    // Another router advertises it.
    assert_eq!(advertised(&format!("{ra}{}", subnet(P64, ""))), [80, 127]);
    assert_eq!(
        advertised(&format!("{ra}{}", subnet(P64, slaac))),
        [80, 127, 64]
    );
    assert_eq!(advertised(&subnet(P64, slaac)), [64]);
    assert_eq!(
        advertised(&subnet(P64, &format!("{slaac}advertise = false"))),
        [0; 0]
    );
    // A list made by hand holds, but for what a subnet says of the same prefix.
    let listed = format!("{ra}[[router.interface.ra.prefix]]\nprefix = \"{P64}\"\n");
    assert_eq!(advertised(&format!("{listed}{}", subnet(P64, ""))), [64]);
    let stateful = subnet(P64, "ra_mode = \"dhcpv6-stateful\"\non_link = false");
    let prefixes = interface(&format!("{listed}{stateful}")).ra.prefixes;
    assert_eq!(prefixes.len(), 1);
    assert_eq!(warnings(&format!("{listed}{stateful}")), ["subnet"]);
    assert!(!prefixes[0].autonomous && !prefixes[0].on_link);
    let off = format!("{ra}enabled = false\n{}", subnet(P64, slaac));
    assert_eq!(
        faults(&off),
        ["ra.enabled: is false, and a subnet's ra_mode has advertisements sent"]
    );
}

#[test]
fn lifetimes_and_names_reach_the_advertisements() {
    let keys = "ra_mode = \"slaac\"\nvalid_lifetime = \"1h\"\npreferred_lifetime = \"30m\"\n\
        dns_servers = [\"2001:db8::53\", \"2001:db8::54\"]\ndomain_search = [\"example.net\"]";
    let ra = interface(&subnet(P64, keys)).ra;
    let fixed = |seconds| Lifetime::Fixed(Duration::from_secs(seconds));
    let prefix = &ra.prefixes[0];
    assert_eq!(
        (prefix.preferred_lifetime, prefix.valid_lifetime),
        (fixed(1800), fixed(3600))
    );
    assert_eq!(ra.rdnss.len(), 1);
    assert_eq!(
        (ra.rdnss[0].servers.len(), ra.rdnss[0].lifetime),
        (2, fixed(1800))
    );
    assert_eq!(ra.dnssl[0].domains, ["example.net"]);
    // What the interface's own table lists already is not told twice.
    let listed = "[router.interface.ra]\nrdnss = [{ servers = [\"2001:db8::53\"] }]\n";
    let ra = interface(&format!("{listed}{}", subnet(P64, keys))).ra;
    let servers: Vec<_> = ra.rdnss.iter().map(|set| set.servers.len()).collect();
    assert_eq!(servers, [1, 1]);
    // A short valid lifetime alone shortens the preferred one.
    let ra = interface(&subnet(P64, "ra_mode = \"slaac\"\nvalid_lifetime = 60")).ra;
    assert_eq!(ra.prefixes[0].preferred_lifetime, fixed(60));
    let ra = interface(&subnet(
        P64,
        "address_mode = \"dhcpv6-stateful\"\ndns_servers = [\"2001:db8::53\"]",
    ))
    .ra;
    assert!(ra.rdnss.is_empty() && !ra.send_advertisements);
}

#[test]
fn pools_lie_in_the_prefix_and_do_not_overlap() {
    let keys = "address_mode = \"dhcpv6-stateful\"\n\
        pools = [{ start = \"2001:db8:1::1000\", end = \"2001:db8:1::1fff\" }, { start = \"2001:db8:1::9\" }]\n\
        exclude = [{ start = \"2001:db8:1::1100\", end = \"2001:db8:1::11ff\" }]\n\
        allocation = \"random\"\nt1 = 100\nt2 = \"3m\"";
    let found = interface(&subnet(P64, keys)).subnets.remove(0);
    let range = |start: &str, end: &str| -> RangeInclusive<Ipv6Addr> {
        start.parse().unwrap()..=end.parse().unwrap()
    };
    assert_eq!(
        found.pools,
        [
            range("2001:db8:1::1000", "2001:db8:1::1fff"),
            range("2001:db8:1::9", "2001:db8:1::9")
        ]
    );
    assert_eq!(
        found.exclude,
        [range("2001:db8:1::1100", "2001:db8:1::11ff")]
    );
    assert_eq!(found.allocation, Allocation::Random);
    assert_eq!(
        (found.times.t1, found.times.t2),
        (
            Some(Duration::from_secs(100)),
            Some(Duration::from_secs(180))
        )
    );
    let bad = "address_mode = \"dhcpv6-stateful\"\npools = [\
        { start = \"2001:db8:1::5\", end = \"2001:db8:1::1\" }, \
        { start = \"2001:db8:9::1\" }, \
        { start = \"2001:db8:1::10\", end = \"2001:db8:1::20\" }, \
        { start = \"2001:db8:1::20\", end = \"2001:db8:1::30\" }, \
        { end = \"2001:db8:1::40\" }]";
    assert_eq!(
        faults(&subnet(P64, bad)),
        [
            "subnet[0].pools[0].end: 2001:db8:1::1 comes before 2001:db8:1::5",
            "subnet[0].pools[1].start: 2001:db8:9::1 is not in 2001:db8:1::/64",
            "subnet[0].pools[3].start: the range overlaps an earlier one",
            "subnet[0].pools[4].start: `start` is missing and has no default",
        ]
    );
}

#[test]
fn what_contradicts_itself_is_named() {
    let missing = subnet("2001:db8:7::/64", "");
    assert_eq!(
        faults(&missing),
        ["subnet[0].prefix: no address of the interface is in the subnet 2001:db8:7::/64"]
    );
    assert_eq!(
        faults(&(subnet(P64, "") + &subnet(P64, ""))),
        ["subnet[1].prefix: \"2001:db8:1::/64\" stands in an earlier entry"]
    );
    let stateful = "address_mode = \"dhcpv6-stateful\"\n";
    let told = faults(&subnet(
        P64,
        &format!("{stateful}preferred_lifetime = 10\nvalid_lifetime = 5"),
    ));
    assert!(
        told[0].starts_with("subnet[0].preferred_lifetime: is longer"),
        "{told:?}"
    );
    let told = faults(&subnet(P64, &format!("{stateful}t1 = 10\nt2 = 5")));
    assert!(
        told[0].starts_with("subnet[0].t2: 5s is before t1, 10s"),
        "{told:?}"
    );
    let told = faults(&subnet(
        P64,
        &format!("{stateful}t2 = 10\npreferred_lifetime = 5"),
    ));
    assert!(
        told[0].starts_with("subnet[0].t2: 10s is after"),
        "{told:?}"
    );
    let slaac = "ra_mode = \"slaac\"\n";
    let preferred = subnet(P64, &format!("{slaac}prefer_delegation = true\n"));
    assert_eq!(warnings(&preferred), ["dhcp6"]);
    let pool =
        "[[router.interface.dhcp6.prefix_pool]]\nprefix = \"2001:db8:f000::/48\"\nlength = 64\n";
    assert_eq!(
        warnings(&format!("{preferred}{pool}")),
        Vec::<String>::new()
    );
    // No host hears it, or none follows it.
    for keys in [
        "advertise = false\nra_mode = \"slaac\"",
        "",
        "ra_mode = \"slaac\"\npreferred_lifetime = 0",
    ] {
        let text = subnet(P64, &format!("{keys}\nprefer_delegation = true"));
        assert_eq!(
            warnings(&format!("{text}{pool}")),
            ["prefer_delegation"],
            "{keys}"
        );
    }
    assert_eq!(
        warnings(&subnet(P64, &format!("{slaac}autonomous = false"))),
        ["autonomous"]
    );
    assert_eq!(
        warnings(&subnet(
            P64,
            &format!("{slaac}t1 = 5\nallocation = \"random\"")
        )),
        ["t1", "allocation"]
    );
    let stateful = "ra_mode = \"dhcpv6-stateful\"\nautonomous = true";
    assert_eq!(warnings(&subnet(P80, stateful)), ["autonomous"]);
    assert_eq!(warnings(&subnet(P64, stateful)), [""; 0]);
}
