//! Good files and bad ones: what the model holds, and every fault with its place.

use std::path::Path;

use super::*;

/// The smallest file with a device, an interface and room for more.
const BASE: &str = r#"
[[device]]
name = "lan"
kind = "af_packet"
interface = "va"

[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64", "192.0.2.1/24"]
"#;

fn good(text: &str) -> Loaded {
    parse(Path::new("t.toml"), text).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Each fault as `line path: message`.
fn faults(text: &str) -> Vec<String> {
    let faults = parse(Path::new("t.toml"), text).expect_err("a bad file was accepted");
    faults
        .0
        .iter()
        .map(|f| format!("{} {}: {}", f.line, f.path, f.message))
        .collect()
}

fn warnings(text: &str) -> Vec<String> {
    let loaded = good(text);
    loaded
        .warnings
        .iter()
        .map(|f| format!("{} {}: {}", f.line, f.path, f.message))
        .collect()
}

#[test]
fn the_base_is_good_and_has_the_defaults() {
    let loaded = good(BASE);
    assert_eq!(loaded.warnings, []);
    let model = loaded.model;
    assert_eq!(model.system, crate::model::System::default());
    let interface = &model.routers[0].interfaces[0];
    assert_eq!(interface.id.0, 1);
    assert_eq!(interface.mtu, 1500);
    assert!(!interface.ra.send_advertisements);
    assert_eq!(interface.addresses.len(), 2);
}

#[test]
fn all_faults_are_found_at_once_with_file_line_and_path() {
    let text = BASE
        .replace("192.0.2.1/24", "192.0.2.1/42")
        .replace("mtu", "mut")
        + "mtu = 1000\n[[router.interface]]\nname = \"lan1\"\ndevice = \"lann\"\nvlanid = 3\n";
    let found = faults(&text);
    assert_eq!(
        found,
        [
            "12 router[0].interface[0].addresses[1]: \"192.0.2.1/42\" is not an address with its prefix length, such as \"2001:db8::1/64\"",
            "13 router[0].interface[0].mtu: 1000 is too small for IPv6, which needs at least 1280",
            "16 router[0].interface[1].device: there is no device \"lann\"; did you mean \"lan\"?",
            "17 router[0].interface[1].vlanid: unknown key `vlanid`; did you mean `vlan`?",
        ]
    );
    let faults = parse(Path::new("dir/t.toml"), &text).unwrap_err();
    assert!(
        faults
            .to_string()
            .starts_with("dir/t.toml:12:34: router[0].interface[0].addresses[1]: ")
    );
}

#[test]
fn a_device_that_no_interface_is_on_is_doubtful() {
    let text = format!("{BASE}[[device]]\nname = \"spare\"\nkind = \"ring\"\n");
    assert_eq!(
        warnings(&text),
        ["14 device[1].name: device \"spare\" has no interface and no network"]
    );
}

/// A device of a kind with its keys; the interface below keeps it from being doubtful.
fn device(keys: &str) -> String {
    format!(
        "[[device]]\nname = \"d\"\n{keys}\n[[router]]\nname = \"r\"\n[[router.interface]]\nname = \"i\"\ndevice = \"d\"\n"
    )
}

#[test]
fn devices_are_read_with_the_options_of_their_kind() {
    use dataplane::ports::*;
    let kinds: [(&str, DeviceKind); 7] = [
        (
            "kind = \"pci\"\naddress = \"0000:03:00.1\"\noptions = [\"a=1\"]",
            Pci {
                address: "0000:03:00.1".into(),
                options: vec!["a=1".into()],
            }
            .into(),
        ),
        (
            "kind = \"tap\"\ninterface = \"t0\"",
            Tap {
                interface: "t0".into(),
                persist: false,
            }
            .into(),
        ),
        (
            "kind = \"af_xdp\"\ninterface = \"e0\"\nstart_queue = 2",
            AfXdp {
                interface: "e0".into(),
                start_queue: 2,
                busy_budget: None,
                force_copy: false,
            }
            .into(),
        ),
        (
            "kind = \"memif\"\nsocket = \"/s\"\nrole = \"client\"\nzero_copy = true",
            Memif {
                socket: "/s".into(),
                role: MemifRole::Client,
                zero_copy: true,
                ..Memif::default()
            }
            .into(),
        ),
        (
            "kind = \"virtio_user\"\nsocket = \"/s\"\npacked = true",
            VirtioUser {
                path: "/s".into(),
                server: false,
                packed_vq: true,
            }
            .into(),
        ),
        (
            "kind = \"pcap\"\nrx = \"/a.pcap\"\ninfinite = true",
            Pcap {
                rx: Some("/a.pcap".into()),
                tx: None,
                infinite: true,
            }
            .into(),
        ),
        (
            "kind = \"null\"\nframe_size = 128\nno_rx = false",
            Null {
                frame_len: 128,
                no_rx: false,
            }
            .into(),
        ),
    ];
    for (text, kind) in kinds {
        let loaded = good(&device(&format!(
            "{text}\nqueues = 2\nmac = \"02:00:00:00:00:07\""
        )));
        let device = &loaded.model.devices[0];
        assert_eq!(device.kind, kind);
        let spec = device.spec();
        assert_eq!(
            (spec.queues, spec.mtu, spec.mac),
            (2, 1500, Some([2, 0, 0, 0, 0, 7]))
        );
    }
}

#[test]
fn router_advertisements_are_read_whole() {
    use protocols::ra::*;
    use std::time::{Duration, UNIX_EPOCH};
    let text = format!(
        "{BASE}[router.interface.ra]\nmax_interval = \"10s\"\nmin_interval = 3\nmtu = 1400\nreachable_time = 1500\n\
         default_lifetime = 0\npreference = \"low\"\nrdnss = [{{ servers = [\"2001:db8::53\"] }}]\n\
         route = [{{ prefix = \"2001:db8:f::/48\", lifetime = \"infinity\" }}]\npref64 = [{{ prefix = \"64:ff9b::/96\" }}]\n\
         [[router.interface.ra.prefix]]\nprefix = \"2001:db8:1::/64\"\nvalid_lifetime = 2027-01-31T00:00:00Z\n\
         preferred_lifetime = 0\n"
    );
    let ra = &good(&text).model.routers[0].interfaces[0].ra;
    assert!(ra.send_advertisements);
    assert_eq!(ra.max_interval, Duration::from_secs(10));
    assert_eq!(ra.min_interval, Some(Duration::from_secs(3)));
    assert_eq!(
        (ra.link_mtu, ra.reachable_time),
        (Some(1400), Duration::from_millis(1500))
    );
    assert_eq!(
        (ra.default_lifetime, ra.preference),
        (Some(Duration::ZERO), Preference::Low)
    );
    // DNS servers and NAT64 last three times the interval by default.
    assert_eq!(
        ra.rdnss[0].lifetime,
        Lifetime::Fixed(Duration::from_secs(30))
    );
    assert_eq!(
        ra.pref64[0].lifetime,
        Lifetime::Fixed(Duration::from_secs(30))
    );
    assert_eq!(ra.routes[0].lifetime, Lifetime::Infinite);
    let date = UNIX_EPOCH + Duration::from_secs(1_801_353_600);
    assert_eq!(ra.prefixes[0].valid_lifetime, Lifetime::Until(date));
    assert_eq!(
        ra.prefixes[0].preferred_lifetime,
        Lifetime::Fixed(Duration::ZERO)
    );
    // Without a list, the interface's own subnets are advertised (RFC 4861 section 6.2.1).
    let default = &good(&format!("{BASE}[router.interface.ra]\n"))
        .model
        .routers[0]
        .interfaces[0]
        .ra;
    assert_eq!(
        default.prefixes,
        [Prefix::new("2001:db8:1::".parse().unwrap(), 64)]
    );
}

#[test]
fn the_sample_files_are_good() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let mut samples = 0;
    for entry in std::fs::read_dir(&configs).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let loaded = load(&path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(loaded.warnings, [], "{}", path.display());
            samples += 1;
        }
    }
    assert_eq!(samples, 5);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = load(Path::new("/nowhere/t.toml")).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot read /nowhere/t.toml: "),
        "{error}"
    );
}

#[test]
fn syntax_errors_do_not_hide_what_follows() {
    let text = format!("[system]\nidle = poll\nworkers = \"two\"\n{BASE}mtu = 5\n");
    assert_eq!(
        faults(&text),
        [
            "2 : string values must be quoted, expected literal string",
            "3 system.workers: must be an integer, not a string",
            "16 router[0].interface[0].mtu: 5 is out of range; allowed: 68 to 9600",
        ]
    );
    // One fault a line, and none that recovery made up.
    assert_eq!(faults("[system]\nlog = [1, 2\n").len(), 1);
    assert_eq!(faults("oops\n"), ["1 : key with no value, expected `=`"]);
}

/// Lines added to the base's interface, and the one fault they must give.
#[test]
fn faults_of_an_interface() {
    let cases = [
        (
            "vlan = 4095",
            "vlan: 4095 is out of range; allowed: 1 to 4094",
        ),
        ("vlan = \"7\"", "vlan: must be an integer, not a string"),
        ("outer_vlan = 7", "outer_vlan: needs `vlan`, the inner tag"),
        ("outer_tpid = \"802.1ad\"", "outer_tpid: needs `outer_vlan`"),
        ("mtu = 9000", "mtu: 9000 is above the device's mtu, 1500"),
        (
            "urpf = \"on\"",
            "urpf: \"on\" is not one of: off, strict, loose, station",
        ),
        (
            "directed_broadcast = true",
            "directed_broadcast: packets to a subnet's broadcast address are never forwarded (RFC 2644)",
        ),
        (
            "link_local = \"2001:db8::1\"",
            "link_local: \"2001:db8::1\" is not a link-local address: fe80::/64, not fe80:: itself",
        ),
        (
            "mac = \"ff:ff:ff:ff:ff:ff\"",
            "mac: must be a unicast MAC address, neither a group's nor all zero",
        ),
        (
            "mac = \"2:0\"",
            "mac: \"2:0\" is not a MAC address such as \"02:00:00:00:00:01\"",
        ),
        (
            "anycast = [\"2001:db8:1::1\"]",
            "anycast[0]: \"2001:db8:1::1\" is an address of this interface already",
        ),
        (
            "anycast = [\"ff02::1\"]",
            "anycast[0]: \"ff02::1\" is not a unicast address",
        ),
        (
            "proxy_nd = [\"2001:db8:9::1/64\"]",
            "proxy_nd[0]: \"2001:db8:9::1/64\" has host bits set; the prefix is \"2001:db8:9::/64\"",
        ),
        (
            "neighbor = [{ address = \"2001:db8:2::5\", mac = \"02:00:00:00:00:05\" }]",
            "neighbor[0].address: 2001:db8:2::5 is neither link-local nor on a subnet of the interface",
        ),
        (
            "neighbor = [{ address = \"192.0.2.1\", mac = \"02:00:00:00:00:05\" }]",
            "neighbor[0].address: 192.0.2.1 is the interface's own",
        ),
        (
            "neighbor = [{ address = \"192.0.2.5\" }]",
            "neighbor[0].mac: `mac` is missing and has no default",
        ),
        ("neighbor = 3", "neighbor: must be an array, not an integer"),
        (
            "[router.interface.neighbor]\naddress = \"192.0.2.5\"",
            "neighbor: must be an array of tables: write [[...neighbor]]",
        ),
        (
            "nd = { dad_transmits = 21 }",
            "nd.dad_transmits: 21 is out of range; allowed: 0 to 20",
        ),
        (
            "nd = { max_entries = 100, max_incomplete = 101 }",
            "nd.max_incomplete: 101 is out of range; allowed: 1 to 100",
        ),
        (
            "nd = { reachable_time = \"30 parsecs\" }",
            "nd.reachable_time: \"30 parsecs\" is not a duration: a number with ms, s, m, h or d, such as \"90s\"",
        ),
        (
            "nd = { retrans_timer = 10 }",
            "nd.retrans_timer: 10ms is out of range; allowed: 100ms to 3600s",
        ),
        (
            "ra = { max_interval = 3 }",
            "ra.max_interval: 3s is out of range; allowed: 4s to 1800s",
        ),
        (
            "ra = { max_interval = 10, min_interval = 8 }",
            "ra.min_interval: 8s must be at most 0.75 × max_interval, here 7.5s (RFC 4861 section 6.2.1)",
        ),
        (
            "ra = { default_lifetime = 599 }",
            "ra.default_lifetime: 599s must be 0 (no default router) or at least max_interval, here 600s",
        ),
        (
            "ra = { mtu = 1279 }",
            "ra.mtu: 1279 is out of range; allowed: 1280 to 65535",
        ),
        (
            "ra = { prefix = [{ prefix = \"2001:db8:1::/64\", valid_lifetime = 10, preferred_lifetime = 11 }] }",
            "ra.prefix[0].preferred_lifetime: is longer than valid_lifetime (RFC 4861 section 6.2.1)",
        ),
        (
            "ra = { prefix = [{ prefix = \"fe80::/64\" }] }",
            "ra.prefix[0].prefix: \"fe80::/64\" must be a unicast prefix, and not a link-local one",
        ),
        (
            "ra = { prefix = [{ prefix = \"2001:db8::/64\" }, { prefix = \"2001:db8::/64\" }] }",
            "ra.prefix[1].prefix: \"2001:db8::/64\" stands in an earlier entry",
        ),
        (
            "ra = { prefix = [{ prefix = \"2001:db8::/64\", valid_lifetime = 2027-01-31 }] }",
            "ra.prefix[0].valid_lifetime: must be a date after 1970 with time and zone, such as 2027-01-31T00:00:00Z",
        ),
        (
            "ra = { rdnss = [{ servers = [] }] }",
            "ra.rdnss[0].servers: must name 1 to 127 servers",
        ),
        (
            "ra = { dnssl = [{ domains = [\"a..b\"] }] }",
            "ra.dnssl[0].domains[0]: \"a..b\" is not a domain name (RFC 1035 section 2.3.1)",
        ),
        (
            "ra = { pref64 = [{ prefix = \"64:ff9b::/95\" }] }",
            "ra.pref64[0].prefix: a NAT64 prefix has 32, 40, 48, 56, 64 or 96 bits (RFC 6052 section 2.2)",
        ),
        (
            "ra = { pref64 = [{ prefix = \"64:ff9b::/96\", lifetime = 65529 }] }",
            "ra.pref64[0].lifetime: 65529s is out of range; allowed: 0ns to 65528s",
        ),
        (
            "ra = { captive_portal = \"a b\" }",
            "ra: captive_portal: \"a b\" is not a URI: it has blanks or bytes outside ASCII",
        ),
    ];
    for (lines, wanted) in cases {
        let found = faults(&format!("{BASE}{lines}\n"));
        assert_eq!(found.len(), 1, "{lines}: {found:#?}");
        let (line, fault) = found[0].split_once(' ').unwrap();
        assert_eq!(fault, format!("router[0].interface[0].{wanted}"), "{lines}");
        assert!(line.parse::<usize>().unwrap() >= 13, "{lines}: {line}");
    }
}

#[test]
fn faults_of_an_address() {
    let cases = [
        (
            "2001:db8:1::1",
            "\"2001:db8:1::1\" lacks a prefix length, such as \"2001:db8:1::1/64\"",
        ),
        (
            "ff02::1/64",
            "\"ff02::1/64\" is a multicast address; an interface's own must be unicast",
        ),
        (
            "2001:db8:1::/64",
            "\"2001:db8:1::/64\" is the subnet-router anycast address of its subnet, not a host's",
        ),
        (
            "fe80::1/64",
            "\"fe80::1/64\" is link-local; give it as `link_local`",
        ),
        ("::1/128", "\"::1/128\" is the loopback address"),
        (
            "192.0.2.0/24",
            "\"192.0.2.0/24\" is the network address of its subnet, not a host's",
        ),
        (
            "192.0.2.255/24",
            "\"192.0.2.255/24\" is the broadcast address of its subnet, not a host's",
        ),
        (
            "224.0.0.1/24",
            "\"224.0.0.1/24\" is a multicast address; an interface's own must be unicast",
        ),
        (
            "240.0.0.1/24",
            "\"240.0.0.1/24\" is in 240.0.0.0/4, which is reserved",
        ),
        ("127.0.0.1/8", "\"127.0.0.1/8\" is a loopback address"),
    ];
    for (address, wanted) in cases {
        let found = faults(&BASE.replace("192.0.2.1/24", address));
        assert_eq!(
            found,
            [format!("12 router[0].interface[0].addresses[1]: {wanted}")]
        );
    }
    // Both ends of a point-to-point link are hosts (RFC 6164, RFC 3021).
    for address in [
        "2001:db8:5::/127",
        "192.0.2.0/31",
        "192.0.2.0/32",
        "2001:db8:5::/128",
    ] {
        good(&BASE.replace("192.0.2.1/24", address));
    }
}

#[test]
fn faults_between_things() {
    let second = "[[router.interface]]\nname = \"lan1\"\ndevice = \"lan\"\nvlan = 5\n";
    let cases = [
        (
            format!("{second}addresses = [\"2001:db8:1:0:1::1/80\"]\n"),
            "17 router[0].interface[1].addresses[0]: \"2001:db8:1:0:1::1/80\" overlaps router[0].interface[0].addresses[0]: a router's subnets must not, or it could not tell where hosts are",
        ),
        (
            second.replace("vlan = 5\n", ""),
            "15 router[0].interface[1].device: the device has an untagged interface already: \"lan0\"",
        ),
        (
            format!("{second}{}", second.replace("lan1", "lan2")),
            "20 router[0].interface[2].vlan: the device has an interface of VLAN 5 already: \"lan1\"",
        ),
        (
            second.replace("lan1", "lan0"),
            "14 router[0].interface[1].name: router[0].interface[0] is already the interface named \"lan0\"",
        ),
        (
            second.replace("lan1", "lan 1"),
            "14 router[0].interface[1].name: \"lan 1\" is not a name: 1 to 32 letters, digits, `-`, `_` or `.`",
        ),
        (
            "[[router]]\nname = \"main\"\n".into(),
            "14 router[1].name: router[0] is already the router named \"main\"",
        ),
        (
            "[[router]]\n".into(),
            "13 router[1].name: `name` is missing and has no default",
        ),
    ];
    for (lines, wanted) in cases {
        assert_eq!(faults(&format!("{BASE}{lines}")), [wanted]);
    }
    // Two routers may use the same addresses.
    good(&format!(
        "{BASE}[[router]]\nname = \"other\"\n{}addresses = [\"192.0.2.1/24\"]\n",
        second
    ));
}

#[test]
fn faults_of_a_device() {
    let cases = [
        (
            "kind = \"veth\"",
            "3 device[0].kind: \"veth\" is not one of: pci, af_packet, tap, af_xdp, memif, vhost_user, virtio_user, pcap, ring, null",
        ),
        (
            "mtu = 1500",
            "1 device[0].kind: `kind` is missing and has no default",
        ),
        (
            "kind = \"af_packet\"",
            "1 device[0].interface: `interface` is missing and has no default",
        ),
        (
            "kind = \"af_packet\"\ninterface = \"a-name-that-is-too-long\"",
            "4 device[0].interface: \"a-name-that-is-too-long\" is not a kernel interface: 1 to 15 printable characters without / : , =",
        ),
        (
            "kind = \"ring\"\ninterface = \"x\"",
            "4 device[0].interface: unknown key `interface`; known here: name, kind, queues, mtu, mac, rx_desc, tx_desc",
        ),
        (
            "kind = \"pci\"\naddress = \"3:0\"",
            "4 device[0].address: \"3:0\" is not a PCI address such as \"0000:03:00.1\"",
        ),
        (
            "kind = \"tap\"\ninterface = \"t\"\nmtu = 9000",
            "5 device[0].mtu: a tap device carries at most 1504 bytes",
        ),
        (
            "kind = \"memif\"\nsocket = \"/s\"\nzero_copy = true",
            "5 device[0].zero_copy: only the client can share its packet buffers",
        ),
        (
            "kind = \"vhost_user\"\nsocket = \"a,b\"",
            "4 device[0].socket: \"a,b\" must be a path without `,` and `=`",
        ),
        (
            "kind = \"pcap\"",
            "1 device[0].rx: a pcap device needs `rx` (or `tx` alone)",
        ),
        (
            "kind = \"null\"\nqueues = 0",
            "4 device[0].queues: 0 is out of range; allowed: 1 to 64",
        ),
    ];
    for (keys, wanted) in cases {
        assert_eq!(faults(&device(keys)), [wanted]);
    }
}

#[test]
fn faults_of_a_route() {
    let cases = [
        (
            "via = \"192.0.2.9\"",
            "prefix: `prefix` is missing and has no default",
        ),
        (
            "prefix = \"2001:db8:2::1/48\"\nkind = \"blackhole\"",
            "prefix: \"2001:db8:2::1/48\" has host bits set; the prefix is \"2001:db8:2::/48\"",
        ),
        (
            "prefix = \"ff00::/8\"\nkind = \"blackhole\"",
            "prefix: \"ff00::/8\" must be a unicast prefix, and not a link-local one",
        ),
        (
            "prefix = \"::/0\"",
            ": must lead one way: `via` and/or `interface`, or `next_hops`, or `kind`, or `router`",
        ),
        (
            "prefix = \"::/0\"\nvia = \"fe80::1\"\ninterface = \"lan0\"\nkind = \"prohibit\"",
            ": must lead one way: `via` and/or `interface`, or `next_hops`, or `kind`, or `router`",
        ),
        (
            "prefix = \"::/0\"\nkind = \"drop\"",
            "kind: \"drop\" is not one of: blackhole, unreachable, prohibit",
        ),
        (
            "prefix = \"::/0\"\nvia = \"fe80::1\"",
            "via: fe80::1 is link-local: say on which `interface`",
        ),
        (
            "prefix = \"::/0\"\nvia = \"192.0.2.9\"",
            "via: 192.0.2.9 cannot be the gateway of an IPv6 prefix",
        ),
        (
            "prefix = \"::/0\"\nvia = \"2001:db8:1::1\"",
            "via: 2001:db8:1::1 is an address of this router itself",
        ),
        (
            "prefix = \"::/0\"\nvia = \"fe80::1\"\ninterface = \"lan\"",
            "interface: there is no interface \"lan\" in this router; did you mean \"lan0\"?",
        ),
        (
            "prefix = \"::/0\"\nnext_hops = []",
            "next_hops: must hold 1 to 64 next hops",
        ),
        (
            "prefix = \"::/0\"\nnext_hops = [{ weight = 3 }]",
            "next_hops[0]: needs `via`, `interface`, or both",
        ),
        (
            "prefix = \"::/0\"\nnext_hops = [{ via = \"fe80::1\", interface = \"lan0\", weight = 257 }]",
            "next_hops[0].weight: 257 is out of range; allowed: 1 to 256",
        ),
        (
            "prefix = \"::/0\"\nnext_hops = [{ via = \"2001:db8:1::9\" }, { via = \"2001:db8:1::9\" }]",
            "next_hops[1]: is the same as an earlier next hop; give it more `weight`",
        ),
        (
            "prefix = \"::/0\"\ndistance = 0\nkind = \"prohibit\"",
            "distance: 0 is out of range; allowed: 1 to 254",
        ),
        (
            "prefix = \"::/0\"\nvia = \"fe80::1\"\ndev = \"lan0\"",
            "dev: unknown key `dev`; known here: prefix, via, interface, next_hops, kind, router, distance",
        ),
    ];
    for (keys, wanted) in cases {
        let found = faults(&format!("{BASE}[[router.route]]\n{keys}\n"));
        let wanted = match wanted.strip_prefix(':') {
            Some(rest) => format!("router[0].route[0]:{rest}"),
            None => format!("router[0].route[0].{wanted}"),
        };
        assert!(
            found.iter().any(|fault| fault.ends_with(&wanted)),
            "{keys}: {found:#?}"
        );
        let extra = usize::from(keys.contains("dev ="));
        assert_eq!(found.len(), 1 + extra, "{keys}: {found:#?}");
    }
    let twice = "[[router.route]]\nprefix = \"::/0\"\nkind = \"prohibit\"\n".repeat(2);
    let found = faults(&format!("{BASE}{twice}"));
    let wanted = "17 router[0].route[1].prefix: router[0].route[0] leads to ::/0 already; give several `next_hops`, or another `distance`";
    assert_eq!(found, [wanted]);
}

#[test]
fn faults_of_the_system() {
    let cases = [
        (
            "workers = 65",
            "workers: 65 is out of range; allowed: 1 to 64",
        ),
        (
            "workers = 1\ncpus = [1]",
            "workers: give either `workers` or `cpus`, not both",
        ),
        ("cpus = []", "cpus: must name at least one CPU"),
        (
            "cpus = [1, 1]",
            "cpus: names a CPU twice; each polling thread needs its own",
        ),
        (
            "metrics = \"9461\"",
            "metrics: \"9461\" is not an address and port, such as \"[::1]:9461\" or \"127.0.0.1:9461\"",
        ),
        (
            "memory = -1",
            "memory: -1 is out of range; allowed: 16 to 1048576",
        ),
        (
            "worker = 1",
            "worker: unknown key `worker`; did you mean `workers`?",
        ),
    ];
    for (keys, wanted) in cases {
        let found = faults(&format!("[system]\n{keys}\n{BASE}"));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            found[0].ends_with(&format!("system.{wanted}")),
            "{found:#?}"
        );
    }
    assert!(faults("[systen]\n")[0].contains("did you mean `system`?"));
}

#[test]
fn what_is_doubtful_is_a_warning() {
    let cases = [
        (
            "[[router.route]]\nprefix = \"203.0.113.0/24\"\nvia = \"198.51.100.9\"\n",
            "15 router[0].route[0].via: 198.51.100.9 is on no subnet and behind no route of this router; the route waits for one",
        ),
        (
            "[[router.route]]\nprefix = \"203.0.113.0/24\"\nvia = \"198.51.100.9\"\ninterface = \"lan0\"\n",
            "15 router[0].route[0].via: 198.51.100.9 is on no subnet of \"lan0\": it must answer there all the same",
        ),
        (
            "ra = { prefix = [{ prefix = \"2001:db8:1::/56\" }] }\n",
            "13 router[0].interface[0].ra.prefix[0].prefix: hosts form no addresses from a /56 (RFC 4862 section 5.5.3 d); say autonomous = false",
        ),
        (
            "ra = { prefix = [{ prefix = \"2001:db8:1::/64\", preferred_lifetime = 0, prefer_delegation = true }] }\n\
             dhcp6 = { prefix_pool = [{ prefix = \"2001:db8:f000::/48\", length = 64 }] }\n",
            "13 router[0].interface[0].ra.prefix[0].prefer_delegation: has no effect: hosts follow it for prefixes with a preferred lifetime",
        ),
        (
            "ra = { mtu = 9000 }\n",
            "13 router[0].interface[0].ra.mtu: is above the interface's own mtu, 1500",
        ),
    ];
    for (lines, wanted) in cases {
        assert_eq!(warnings(&format!("{BASE}{lines}")), [wanted]);
    }
    let reachable = "[[router.route]]\nprefix = \"203.0.113.0/24\"\nvia = \"198.51.100.9\"\n\
                     [[router.route]]\nprefix = \"198.51.100.0/24\"\nvia = \"192.0.2.9\"\n";
    assert_eq!(warnings(&format!("{BASE}{reachable}")), [""; 0]);
}

#[test]
fn a_large_file_is_read_in_reasonable_time() {
    use std::fmt::Write;
    let mut text = BASE.to_owned();
    for i in 0..20_000u32 {
        let (a, b) = (i >> 8, i & 0xff);
        write!(
            text,
            "[[router.route]]\nprefix = \"10.{a}.{b}.0/24\"\nvia = \"198.51.100.{}\"\n",
            i % 200 + 1
        )
        .unwrap();
    }
    let start = std::time::Instant::now();
    assert_eq!(good(&text).warnings.len(), 20_000);
    assert!(
        start.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}
