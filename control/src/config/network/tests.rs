//! Networks, peers of tunnels, and interfaces on them: what the model holds, and every fault with its place.

use std::path::Path;

use dataplane::forwarding::network::{TunnelKind, UnknownUnicast};
use tables::id::{NetworkId, Place, TunnelId};
use wire::traffic_class::{Dscp, DscpMode};

use crate::config::parse;
use crate::model::network::{Local, Overlay};
use crate::model::{Carrier, Model, Tag};

const BASE: &str = r#"
[[device]]
name = "lan"
kind = "null"
[[device]]
name = "trunk"
kind = "null"
mtu = 1400
[[vtep]]
name = "west"
kind = "vxlan"
router = "underlay"
local = "2001:db8::1"
remote = "2001:db8::2"
[[vtep]]
name = "hq"
kind = "gre"
router = "underlay"
local = "192.0.2.1"
remote = "192.0.2.2"
dscp = 46
mtu = 1600
[[router]]
name = "underlay"
[[router.interface]]
name = "up0"
device = "trunk"
addresses = ["2001:db8::1/64", "192.0.2.1/24"]
"#;

fn model(more: &str) -> Model {
    let loaded = parse(Path::new("t.toml"), &format!("{BASE}{more}"));
    let loaded = loaded.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.warnings, [], "{more}");
    loaded.model
}

/// Path and message of each fault and warning.
fn told(text: &str) -> Vec<String> {
    let told = match parse(Path::new("t.toml"), text) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults.0,
    };
    told.iter()
        .map(|fault| format!("{}: {}", fault.path, fault.message))
        .collect()
}

fn faults(more: &str) -> Vec<String> {
    told(&format!("{BASE}{more}"))
}

#[test]
fn a_network_stands_on_all_kinds_of_segments() {
    let model = model(
        r#"
[[network]]
name = "blue"
learning = false
unknown_unicast = "drop"
ageing = "2m"
segments = [
  { kind = "flat", device = "lan" },
  { kind = "vlan", device = "trunk", vlan = 100 },
  { kind = "qinq", device = "trunk", outer = 7, vlan = 100 },
  { kind = "vxlan", vni = 77, vteps = ["west"] },
  { kind = "gre", vni = 4294967295, vteps = ["hq"] },
]
stations = [
  { mac = "02:00:00:00:00:05", device = "trunk", vlan = 100, outer = 7 },
  { mac = "02:00:00:00:00:06", vtep = "hq" },
]
[[router]]
name = "tenant"
[[router.interface]]
name = "blue0"
network = "blue"
addresses = ["2001:db8:1::1/64"]
ra = {}
[[router.interface]]
name = "hq0"
gre = { vtep = "hq", key = 5 }
addresses = ["2001:db8:2::1/127"]
"#,
    );
    let network = &model.networks[0];
    assert_eq!((network.id, network.ageing), (NetworkId(1), 120));
    assert_eq!(network.unknown_unicast, UnknownUnicast::Drop);
    assert!(!network.learning);
    // 1500 of west, less 40 of IPv6, 8 of UDP, 8 of VXLAN and 14 of Ethernet, is 1430: the trunk carries less.
    assert_eq!(network.mtu, 1400);
    let tags: Vec<Tag> = network.locals.iter().map(|local| local.tag).collect();
    let qinq = Tag::QinQ {
        outer_tpid: 0x88a8,
        outer: 7,
        inner: 100,
    };
    assert_eq!(tags, [Tag::Untagged, Tag::Vlan(100), qinq]);
    let stretched = |kind, vni, id| Overlay {
        kind,
        vni,
        vteps: vec![TunnelId(id)],
        flood: None,
    };
    assert_eq!(
        network.overlays,
        [
            stretched(TunnelKind::Vxlan, 77, 1),
            stretched(TunnelKind::Gre, u32::MAX, 2)
        ]
    );
    let at: Vec<Place> = network.stations.iter().map(|station| station.at).collect();
    assert_eq!(at, [Place::Local(3), Place::Tunnel(TunnelId(2))]);
    let west = model.vteps[0].tunnel();
    assert_eq!((west.port, west.hop_limit, west.checksum), (4789, 64, true));
    assert_eq!(west.dscp, DscpMode::Uniform);
    let dscp = Dscp::try_from(46).unwrap();
    assert_eq!(model.vteps[1].dscp, DscpMode::Pipe(dscp));
    let [blue0, hq0] = &model.routers[1].interfaces[..] else {
        panic!("two interfaces");
    };
    assert_eq!(blue0.carrier, Carrier::Network(NetworkId(1)));
    assert_eq!((blue0.mtu, blue0.ra.link_mtu), (1400, Some(1400)));
    let tunnel = Carrier::Tunnel {
        tunnel: TunnelId(2),
        key: Some(5),
    };
    // 1600 less 20 of IPv4 and 8 of GRE.
    assert_eq!((hq0.carrier, hq0.mtu), (tunnel, 1572));
}

#[test]
fn the_mtu_follows_from_the_narrowest_segment() {
    let of = |segments: &str| {
        let text = format!("[[network]]\nname = \"n\"\nsegments = [{segments}]\n");
        model(&text).networks[0].mtu
    };
    // The device that no network uses needs an interface, or it is warned of.
    let lan = "{ kind = \"flat\", device = \"lan\" }";
    assert_eq!(of(lan), 1500);
    let west = "{ kind = \"vxlan\", vni = 1, vteps = [\"west\"] }";
    assert_eq!(of(&format!("{lan}, {west}")), 1430);
    let hq = "{ kind = \"gre\", vni = 1, vteps = [\"hq\"] }";
    // 1600 less 20, 8 and 14.
    assert_eq!(of(&format!("{lan}, {hq}")), 1500);
    let number = model(&format!("[[network]]\nname = \"n\"\nsegments = [{lan}]\n"));
    let expected = Local {
        number: 1,
        device: tables::id::PortId(0),
        tag: Tag::Untagged,
    };
    assert_eq!(number.networks[0].locals, [expected]);
}

#[test]
fn every_fault_of_peers_is_found() {
    let text = BASE
        .replace(
            "remote = \"2001:db8::2\"",
            "remote = \"192.0.2.9\"\nhop_limit = 0",
        )
        .replace("mtu = 1600", "mtu = 1200\nport = 4789\nudp_checksum = true")
        .replace("dscp = 46", "dscp = 64");
    let more = r#"
[[vtep]]
name = "hq"
kind = "ipip"
router = "underlai"
local = "fe80::1"
remote = "ff02::1"
dscp = "pipe"
"#;
    assert_eq!(
        told(&format!("{text}{more}")),
        [
            "vtep[0].remote: 192.0.2.9 and `local`, 2001:db8::1, are of different families",
            "vtep[0].hop_limit: 0 is out of range; allowed: 1 to 255",
            "vtep[1].dscp: 64 is out of range; allowed: 0 to 63",
            "vtep[1].mtu: 1200 is out of range; allowed: 1280 to 9600",
            "vtep[1].port: GRE has no UDP header",
            "vtep[1].udp_checksum: GRE has no UDP header",
            "vtep[2].name: vtep[1] is already the vtep named \"hq\"",
            "vtep[2].kind: \"ipip\" is not one of: vxlan, geneve, gre",
            "vtep[2].router: there is no router \"underlai\"; did you mean \"underlay\"?",
            "vtep[2].local: \"fe80::1\" is link-local; packets of tunnels are routed",
            "vtep[2].remote: a multicast group needs `interface`, by which its packets leave and come",
            "vtep[2].dscp: must be \"inherit\" or a DSCP, 0 to 63",
        ]
    );
}

#[test]
fn peers_have_their_ends_and_ports_to_themselves() {
    let more = r#"
[[vtep]]
name = "west2"
kind = "vxlan"
router = "underlay"
local = "2001:db8::1"
remote = "2001:db8::2"
[[vtep]]
name = "north"
kind = "geneve"
router = "underlay"
local = "2001:db8::1"
remote = "2001:db8::2"
port = 4789
[[vtep]]
name = "self"
kind = "geneve"
router = "underlay"
local = "2001:db8::1"
remote = "2001:db8::1"
"#;
    assert_eq!(
        faults(more),
        [
            "vtep[2].remote: vtep \"west\" is vxlan from 2001:db8::1 to 2001:db8::2 already",
            "vtep[3].port: 4789 is the port of vtep \"west\", which is of kind vxlan",
            "vtep[4].remote: 2001:db8::1 is `local` itself",
        ]
    );
    let elsewhere = BASE.replace("local = \"2001:db8::1\"", "local = \"2001:db8::7\"")
        + "[[network]]\nname = \"n\"\nsegments = [{ kind = \"flat\", device = \"lan\" }]\n";
    assert_eq!(
        told(&elsewhere),
        [
            "vtep[0].local: 2001:db8::7 is no address of an interface of router \"underlay\": no packet of the tunnel is for us until it is"
        ]
    );
}

#[test]
fn every_fault_of_networks_is_found() {
    let more = r#"
[[network]]
name = "blue"
mtu = 1400
segments = [
  { kind = "flat", device = "trunk" },
  { kind = "flat", device = "lan" },
  { kind = "vlan", device = "lan" },
  { kind = "vxlan", vni = 16777216, vteps = ["hq", "wst", "west"] },
  { kind = "vxlan", vni = 7, vteps = ["west"] },
  { kind = "l2tp", device = "lan" },
]
[[network]]
name = "red"
mtu = 1279
segments = [
  { kind = "flat", device = "lan" },
  { kind = "qinq", device = "lan", outer = 7, vlan = 4095 },
  { kind = "vxlan", vni = 7, vteps = ["west"], vlan = 5 },
]
stations = [
  { mac = "01:00:5e:00:00:01", device = "lan" },
  { mac = "02:00:00:00:00:05", device = "lan", vlan = 9 },
  { mac = "02:00:00:00:00:05", device = "lan", vtep = "west" },
  { mac = "02:00:00:00:00:06", vtep = "hq" },
]
"#;
    assert_eq!(
        faults(more),
        [
            "router[0].interface[0].device: the device has an untagged network already: \"blue\"",
            "network[0].segments[2].vlan: `vlan` is missing and has no default",
            "network[0].segments[3].vni: 16777216 is out of range; allowed: 0 to 16777215",
            "network[0].segments[3].vteps[0]: vtep \"hq\" is of kind gre, and the segment of kind vxlan",
            "network[0].segments[3].vteps[1]: there is no vtep \"wst\"; did you mean \"west\"?",
            "network[0].segments[5].kind: \"l2tp\" is not one of: flat, vlan, qinq, vxlan, geneve, gre",
            "network[1].mtu: 1279 is out of range; allowed: 1280 to 9600",
            "network[1].segments[0].device: the device has an untagged network already: \"blue\"",
            "network[1].segments[1].vlan: 4095 is out of range; allowed: 1 to 4094",
            "network[1].segments[2].vni: 7 is network \"blue\" for vxlan at the router of vtep \"west\" already",
            "network[1].segments[2].vlan: unknown key `vlan`; known here: kind, vni, vteps, flood",
            "network[1].stations[0].mac: must be a unicast MAC address, neither a group's nor all zero",
            "network[1].stations[1].device: no segment of the network is on this device with these tags",
            "network[1].stations[2].mac: 02:00:00:00:00:05 is the address of network[1].stations[1] already",
            "network[1].stations[2].device: either `device` or `vtep` must say where the station is",
            "network[1].stations[3].vtep: no segment of the network is stretched to vtep \"hq\"",
        ]
    );
}

#[test]
fn a_network_that_no_packet_of_1280_bytes_crosses_is_none() {
    let text = BASE.replace("mtu = 1400", "mtu = 1000").replace(
        "addresses = [\"2001:db8::1/64\", \"192.0.2.1/24\"]",
        "vlan = 5\naddresses = [\"192.0.2.1/24\"]",
    );
    let blue = r#"
[[network]]
name = "blue"
segments = [{ kind = "flat", device = "trunk" }]
"#;
    let wide = blue.replace("segments", "mtu = 1500\nsegments");
    let of = |network: &str| {
        let told = told(&format!("{text}{network}"));
        told.into_iter().find(|t| t.starts_with("network"))
    };
    assert_eq!(
        of(blue).unwrap(),
        "network[0].mtu: device \"trunk\" carries 1000, and a network must carry 1280 at least"
    );
    assert_eq!(
        of(&wide).unwrap(),
        "network[0].mtu: 1500 is above what device \"trunk\" carries, 1000"
    );
}

#[test]
fn an_interface_is_in_one_place_and_has_its_address_there_to_itself() {
    let more = r#"
[[network]]
name = "blue"
segments = [{ kind = "flat", device = "lan" }]
stations = [{ mac = "02:00:00:00:00:05", device = "lan" }]
[[router]]
name = "tenant"
[[router.interface]]
name = "a"
network = "blu"
device = "lan"
vlan = 5
[[router.interface]]
name = "b"
network = "blue"
vlan = 5
mtu = 1501
mac = "02:00:00:00:00:05"
[[router.interface]]
name = "c"
gre = { vtep = "west" }
[[router.interface]]
name = "d"
gre = { vtep = "hq", key = 1 }
mtu = 1573
mac = "02:00:00:00:00:06"
urpf = "station"
ra = {}
[[router.interface]]
name = "e"
gre = { vtep = "hq", key = 1 }
[[router.interface]]
name = "f"
network = "green"
[[router.interface]]
name = "g"
"#;
    assert_eq!(
        faults(more),
        [
            "router[1].interface[0].network: `device` says already where it is",
            "router[1].interface[1].vlan: goes with `device`, not with `network`",
            "router[1].interface[1].mtu: 1501 is above the network's mtu, 1500",
            "router[1].interface[1].mac: 02:00:00:00:00:05 is the address of network[0].stations[0] on this network",
            "router[1].interface[2].gre.vtep: vtep \"west\" is of kind vxlan; an interface is a tunnel of kind gre",
            "router[1].interface[3].mtu: 1573 is above what the tunnel carries, 1572",
            "router[1].interface[3].mac: a tunnel has no stations, only its other end",
            "router[1].interface[3].urpf: \"station\" tells stations apart, and a tunnel has none",
            "router[1].interface[3].ra: a tunnel has no stations, only its other end",
            "router[1].interface[4].gre.key: interface \"d\" is the tunnel to vtep \"hq\" with this key",
            "router[1].interface[5].network: there is no network \"green\"; the file defines: blue",
            "router[1].interface[6].device: one of `device`, `network` and `gre` must say where the interface is",
        ]
    );
}

#[test]
fn there_are_no_more_networks_and_peers_than_were_asked_for() {
    let more = "[[network]]\nname = \"a\"\nsegments = [{ kind = \"flat\", device = \"lan\" }]\n[[network]]\nname = \"b\"\n";
    let limits = "max_networks = 1\nmax_vteps = 1\nmax_routers = 1\nmax_interfaces = 1";
    let text = format!(
        "[system]\n{limits}\n{BASE}{more}[[router]]\nname = \"second\"\n[[router.interface]]\nname = \"b0\"\nnetwork = \"b\"\naddresses = [\"2001:db8:b::1/64\"]\n"
    );
    assert_eq!(
        told(&text),
        [
            "vtep: 2 are more than `system.max_vteps`, 1",
            "router: 2 are more than `system.max_routers`, 1",
            "router: 2 interfaces are more than `system.max_interfaces`, 1",
            "network: 2 are more than `system.max_networks`, 1",
        ]
    );
}

#[test]
fn a_segment_names_a_group_for_all_its_peers() {
    let peers: String = (1..=3)
        .map(|n| {
            format!(
                "[[vtep]]\nname = \"v{n}\"\nkind = \"vxlan\"\nrouter = \"underlay\"\nlocal = \"2001:db8::1\"\n\
                 remote = \"2001:db8::1:{n}\"\ngroup = \"fabric\"\n"
            )
        })
        .collect();
    let network = |vteps: &str| {
        format!(
            "{peers}[[network]]\nname = \"blue\"\nsegments = [{{ kind = \"vxlan\", vni = 7, vteps = [{vteps}] }}, {{ kind = \"flat\", device = \"lan\" }}]\n"
        )
    };
    let model = model(&network("\"fabric\", \"west\""));
    let ids = |names: &[&str]| -> Vec<TunnelId> {
        let id = |name: &&str| model.vteps.iter().find(|v| v.name == **name).map(|v| v.id);
        names.iter().filter_map(id).collect()
    };
    assert_eq!(
        model.networks[0].overlays[0].vteps,
        ids(&["west", "v1", "v2", "v3"])
    );
    assert_eq!(
        faults(&network("\"fabric\", \"v2\"")),
        ["network[0].segments[0].vteps[1]: the network is stretched to vtep \"v2\" already"]
    );
    assert_eq!(
        faults(&network("\"fabrik\"")),
        ["network[0].segments[0].vteps[0]: there is no vtep \"fabrik\"; did you mean \"fabric\"?"]
    );
    let same = peers.replace("name = \"v3\"", "name = \"fabric\"");
    assert_eq!(
        faults(&same),
        ["vtep[4].name: \"fabric\" is the name of a group"]
    );
    let late = peers.replacen("group = \"fabric\"", "group = \"west\"", 1);
    assert_eq!(
        faults(&late),
        ["vtep[2].group: \"west\" is the name of a vtep"]
    );
}

/// A multicast group beside west, which floods network blue.
const FLOOD: &str = r#"
[[vtep]]
name = "all"
kind = "vxlan"
router = "underlay"
local = "2001:db8::1"
remote = "ff05::77"
interface = "up0"
hop_limit = 4
[[network]]
name = "blue"
segments = [{ kind = "vxlan", vni = 77, vteps = ["west"], flood = "all" }, { kind = "flat", device = "lan" }]
"#;

#[test]
fn a_network_floods_by_a_multicast_group_that_its_interface_joins() {
    let mut model = model(FLOOD);
    let overlay = &model.networks[0].overlays[0];
    assert_eq!(
        (&overlay.vteps[..], overlay.flood),
        (&[TunnelId(1)][..], Some(TunnelId(3)))
    );
    let tunnel = model.vteps[2].tunnel();
    let up0 = &model.routers[0].interfaces[0];
    assert_eq!((tunnel.out, tunnel.hop_limit), (Some(up0.id), 4));
    let group: std::net::IpAddr = "ff05::77".parse().unwrap();
    assert!(up0.tunnel_groups.contains(&group));
    // Ids follow their names in a reload.
    let more = "[[router]]\nname = \"first\"\n[[router.interface]]\nname = \"one\"\ndevice = \"lan\"\nvlan = 9\n";
    let base = BASE.replacen("[[router]]", &format!("{more}[[router]]"), 1);
    let loaded = parse(Path::new("t.toml"), &format!("{base}{FLOOD}")).unwrap();
    let before = (model.vteps[2].id, model.vteps[2].out);
    let after = std::mem::replace(&mut model, loaded.model);
    model.keep_ids(&after);
    assert_eq!((model.vteps[2].id, model.vteps[2].out), before);
    assert_eq!(model.networks[0].overlays[0].flood, Some(before.0));
}

#[test]
fn every_fault_of_multicast_groups_is_told() {
    let changed = |from: &str, to: &str| {
        assert!(FLOOD.contains(from), "{from}");
        faults(&FLOOD.replace(from, to))
    };
    let cases = [
        (
            "interface = \"up0\"\n",
            "",
            "vtep[2].remote: a multicast group needs `interface`, by which its packets leave and come",
        ),
        (
            "\"up0\"",
            "\"up1\"",
            "vtep[2].interface: router \"underlay\" has no interface \"up1\"",
        ),
        (
            "\"ff05::77\"",
            "\"ff01::77\"",
            "vtep[2].remote: \"ff01::77\" is no group for packets of tunnels",
        ),
        (
            "flood = \"all\"",
            "flood = \"west\"",
            "network[0].segments[0].flood: vtep \"west\" is one peer, and no multicast group",
        ),
        (
            "flood = \"all\"",
            "flood = \"al\"",
            "network[0].segments[0].flood: there is no vtep \"al\"; did you mean \"all\"?",
        ),
        (
            "vteps = [\"west\"]",
            "vteps = [\"west\", \"all\"]",
            "network[0].segments[0].vteps[1]: vtep \"all\" is a multicast group: `flood` names it",
        ),
        (
            "local = \"2001:db8::1\"",
            "local = \"2001:db8::9\"",
            "network[0].segments[0].flood: vtep \"west\" has another `router` or `local` than multicast group \"all\"",
        ),
        (
            "remote = \"ff05::77\"",
            "remote = \"2001:db8::7\"",
            "vtep[2].interface: packets to one peer are routed: only a multicast group has an interface",
        ),
    ];
    for (from, to, expected) in cases {
        let told = changed(from, to);
        assert!(told.iter().any(|fault| fault == expected), "{told:#?}");
    }
}

#[test]
fn suppression_is_asked_for() {
    let network = |more: &str| {
        format!(
            "[[network]]\nname = \"blue\"\nsegments = [{{ kind = \"flat\", device = \"lan\" }}]\n{more}\n"
        )
    };
    let plain = model(&network(""));
    assert_eq!(
        (
            plain.networks[0].suppression,
            plain.networks[0].max_bindings
        ),
        (false, 8192)
    );
    let asked = model(&network("arp_nd_suppression = true\nmax_bindings = 100"));
    assert_eq!(
        (
            asked.networks[0].suppression,
            asked.networks[0].max_bindings
        ),
        (true, 100)
    );
}
