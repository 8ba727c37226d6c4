//! What the workers are told of ports: places, guards, members, and filters whose generation says when to ask anew.

use std::path::Path;
use std::sync::Arc;

use dataplane::forwarding::Security;
use tables::classifier::Query;
use tables::id::RuleId;

use super::*;
use crate::config::parse;

const BASE: &str = r#"
[[device]]
name = "tap0"
kind = "null"
[[device]]
name = "tap1"
kind = "null"
[[device]]
name = "tap2"
kind = "null"
[[network]]
name = "blue"
segments = [{ kind = "flat", device = "tap0" }, { kind = "flat", device = "tap1" }]
[[router]]
name = "main"
[[router.interface]]
name = "blue0"
network = "blue"
addresses = ["2001:db8:1::1/64"]
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
address_mode = "dhcpv6-stateful"
[[router.interface.port]]
name = "reserved"
mac = "52:54:00:00:00:01"
addresses = ["2001:db8:1::99"]
[[router.interface]]
name = "direct0"
device = "tap2"
addresses = ["2001:db8:2::1/64", "192.0.2.1/24"]
[[address_group]]
name = "office"
addresses = ["2001:db8:f::/48", "198.51.100.7"]
[[security_group]]
name = "web"
[[security_group.rule]]
direction = "ingress"
ethertype = "ipv6"
protocol = "tcp"
port_range_min = 80
port_range_max = 80
remote_group = "clients"
[[security_group.rule]]
direction = "ingress"
ethertype = "ipv4"
remote_address_group = "office"
[[security_group]]
name = "clients"
[[security_group.rule]]
direction = "egress"
ethertype = "ipv6"
[[port]]
name = "server"
device = "tap0"
mac_address = "52:54:00:00:00:01"
security_groups = ["web"]
[[port]]
name = "client"
device = "tap2"
fixed_ips = ["2001:db8:2::10", "192.0.2.10"]
security_groups = ["clients"]
"#;

fn model(text: &str) -> Model {
    let loaded = parse(Path::new("t.toml"), text);
    loaded.unwrap_or_else(|faults| panic!("{faults}")).model
}

fn id(model: &Model, name: &str) -> AnchorId {
    let mut ports = model.ports.iter();
    ports.find(|port| port.name == name).unwrap().id
}

/// Addresses that ports have learned.
type Learned = HashMap<AnchorId, BTreeSet<IpAddr>>;

fn compile(filters: &mut Filters, model: &Model, learned: &Learned) -> Security {
    let anchors = Anchors::of(model);
    let members = members(model, &anchors, learned);
    filters.compile(model, &anchors, members)
}

fn generation(security: &Security, id: AnchorId) -> u32 {
    let anchor = security.get(id).unwrap();
    anchor.filter.as_ref().unwrap().generation
}

/// The rule that lets a TCP segment from an address to port 80 of the server in.
fn asked(security: &Security, server: AnchorId, from: &str) -> Option<RuleId> {
    let filter = security.get(server).unwrap().filter.as_ref().unwrap();
    let (v6, remote) = match from.parse().unwrap() {
        IpAddr::V6(v6) => (true, v6.to_bits()),
        IpAddr::V4(v4) => (false, u128::from(v4.to_bits())),
    };
    let query = Query {
        v6,
        protocol: 6,
        port: Some(80),
        remote,
    };
    filter.ingress.stateful.lookup(&query, &security.sets)
}

#[test]
fn ports_are_places_of_the_snapshot() {
    let model = model(BASE);
    let anchors = Anchors::of(&model);
    let (server, client) = (id(&model, "server"), id(&model, "client"));
    let direct = model.interfaces().find(|(_, i)| i.name == "direct0");
    let direct = direct.unwrap().1.id;
    let network = &model.networks[0];
    assert_eq!(anchors.local(network.locals[0].number), server);
    assert_eq!(anchors.local(network.locals[1].number), AnchorId(0));
    assert_eq!(anchors.interface(direct), client);
    assert_eq!(anchors.link(server), network_link(network.id));
    assert_eq!(anchors.link(client), interface_link(direct));
    // One without security is no port to the workers.
    let open = BASE.replace(
        "security_groups = [\"clients\"]",
        "port_security_enabled = false",
    );
    let model = self::model(&open);
    let anchors = Anchors::of(&model);
    assert_eq!(anchors.interface(direct), AnchorId(0));
    let security = compile(&mut Filters::default(), &model, &HashMap::new());
    assert!(security.get(client).is_none());
    assert!(security.get(server).is_some());
}

#[test]
fn a_guard_knows_the_port_and_its_link() {
    let text = BASE.replace(
        "security_groups = [\"web\"]",
        "allowed_address_pairs = [{ ip_address = \"2001:db8:99::/64\" }, \
         { ip_address = \"192.0.2.99\", mac_address = \"52:54:00:00:00:02\" }]",
    );
    let model = model(&text);
    let security = compile(&mut Filters::default(), &model, &HashMap::new());
    let guard = |name| {
        security
            .get(id(&model, name))
            .unwrap()
            .guard
            .clone()
            .unwrap()
    };
    let (own, other) = ([0x52, 0x54, 0, 0, 0, 1], [0x52, 0x54, 0, 0, 0, 2]);
    let server = guard("server");
    assert_eq!(server.macs, [own, other]);
    let prefix = "2001:db8:99::".parse::<std::net::Ipv6Addr>().unwrap();
    assert_eq!(
        (server.pairs[0].prefix, server.pairs[0].len),
        (prefix.to_bits(), 64)
    );
    assert_eq!(server.pairs[0].mac, Some(own));
    assert_eq!(
        (server.pairs[1].prefix, server.pairs[1].len),
        (mapped("192.0.2.99".parse().unwrap()), 128)
    );
    assert_eq!(server.pairs[1].mac, Some(other));
    let may = |guard: &Guard, address: &str| {
        let address = mapped(address.parse().unwrap());
        guard.on_link.iter().any(|prefix| prefix.has(address))
    };
    assert!(may(&server, "2001:db8:1::7"));
    assert!(!may(&server, "2001:db8:2::7"));
    assert!(
        may(&server, "203.0.113.7"),
        "nothing is known of IPv4 there"
    );
    let client = guard("client");
    assert_eq!(client.macs, [[0; 6]; 0]);
    assert!(may(&client, "192.0.2.7") && !may(&client, "203.0.113.7"));
    // No MAC to bind its addresses to: they are its with any.
    for address in ["2001:db8:2::10", "192.0.2.10"] {
        let address = mapped(address.parse().unwrap());
        let own = |pair: &Pair| (pair.prefix, pair.len, pair.mac) == (address, 128, None);
        assert!(client.pairs.iter().any(own), "{:?}", client.pairs);
    }
    assert_eq!(client.pairs.len(), 2);
    assert_eq!(server.pairs.len(), 2, "with a MAC they are bound");
}

/// Addresses as what a port has learned.
fn addresses<const N: usize>(of: [&str; N]) -> BTreeSet<IpAddr> {
    of.map(|address| address.parse().unwrap()).into()
}

/// The members of a set in words.
fn shown(members: &Members, set: SetId) -> Vec<String> {
    let word = |(v6, address, len): &Range| match v6 {
        true => format!("{}/{len}", std::net::Ipv6Addr::from_bits(*address)),
        false => format!("{}/{len}", std::net::Ipv4Addr::from_bits(*address as u32)),
    };
    members[&set].iter().map(word).collect()
}

#[test]
fn members_are_configured_reserved_and_learned() {
    let text = BASE.replace("remote_group = \"clients\"", "remote_group = \"web\"");
    let model = model(&text);
    let anchors = Anchors::of(&model);
    let learned = Learned::from([(id(&model, "server"), addresses(["2001:db8:1::abc"]))]);
    let members = members(&model, &anchors, &learned);
    let web = model.security_groups[0].id;
    assert_eq!(
        shown(&members, web),
        ["2001:db8:1::99/128", "2001:db8:1::abc/128"]
    );
    // The group that no rule names any more has no list.
    let clients = model.security_groups[1].id;
    assert_eq!(members.get(&clients), None);
    let office = members[&model.address_groups[0].id].len();
    assert_eq!(office, 2);
}

#[test]
fn nobody_becomes_a_member_by_what_only_his_own_link_knows() {
    let pairs = "allowed_address_pairs = [{ ip_address = \"fe80::/64\" }, { ip_address = \"169.254.7.0/24\" }, \
                 { ip_address = \"2001:db8:99::/64\" }]\n";
    let text = BASE
        .replace("remote_group = \"clients\"", "remote_group = \"web\"")
        .replace(
            "name = \"server\"\n",
            &format!("name = \"server\"\n{pairs}"),
        )
        .replace(
            "security_groups = [\"clients\"]",
            "security_groups = [\"web\"]",
        )
        .replace("\"2001:db8:2::10\"", "\"2001:db8:2::10\", \"fe80::2\"");
    let model = model(&text);
    let anchors = Anchors::of(&model);
    let learned = Learned::from([
        // Nothing is known of IPv4 on its link: there the address is its own, elsewhere it may be anybody's.
        (
            id(&model, "server"),
            addresses(["fe80::1", "169.254.1.1", "198.51.100.200", "2001:db8:1::7"]),
        ),
        (
            id(&model, "client"),
            addresses(["192.0.2.77", "203.0.113.7", "2001:db8:1::66"]),
        ),
    ]);
    let members = members(&model, &anchors, &learned);
    assert_eq!(
        shown(&members, model.security_groups[0].id),
        [
            "192.0.2.10/32",
            "192.0.2.77/32",
            "2001:db8:1::7/128",
            "2001:db8:1::99/128",
            "2001:db8:2::10/128",
            "2001:db8:99::/64",
        ]
    );
}

#[test]
fn a_new_generation_for_who_is_concerned_alone() {
    let mut filters = Filters::default();
    let old = model(BASE);
    let (server, client) = (id(&old, "server"), id(&old, "client"));
    let none = Learned::new();
    let security = compile(&mut filters, &old, &none);
    let first = [server, client].map(|id| generation(&security, id));
    assert_ne!(first[0], first[1]);
    let http = old.security_groups[0].rules[0].id;
    assert_eq!(asked(&security, server, "2001:db8:2::10"), Some(http));
    assert_eq!(asked(&security, server, "2001:db8:2::11"), None);
    assert_eq!(
        asked(&security, server, "198.51.100.7"),
        Some(old.security_groups[0].rules[1].id)
    );
    let again = compile(&mut filters, &old, &none);
    assert_eq!([server, client].map(|id| generation(&again, id)), first);
    assert!(Arc::ptr_eq(&security.sets, &again.sets));

    // A new member of a group that a rule of the server names: the server alone asks anew.
    let learned = Learned::from([(client, BTreeSet::from(["2001:db8:2::11".parse().unwrap()]))]);
    let joined = compile(&mut filters, &old, &learned);
    assert!(first.iter().all(|was| *was < generation(&joined, server)));
    assert_eq!(generation(&joined, client), first[1]);
    assert_eq!(asked(&joined, server, "2001:db8:2::11"), Some(http));
    let left = compile(&mut filters, &old, &none);
    assert!(generation(&joined, server) < generation(&left, server));
    assert_eq!(asked(&left, server, "2001:db8:2::11"), None);

    // A rule of the client goes: its own alone.
    let mut new = model(&BASE.replace("direction = \"egress\"", "direction = \"ingress\""));
    new.keep_ids(&old);
    let changed = compile(&mut filters, &new, &none);
    assert_eq!(generation(&changed, server), generation(&left, server));
    assert!(generation(&left, server) < generation(&changed, client));

    // The client leaves the group.
    let mut new = model(&BASE.replace(
        "security_groups = [\"clients\"]",
        "security_groups = [\"web\"]",
    ));
    new.keep_ids(&old);
    let moved = compile(&mut filters, &new, &none);
    assert!(generation(&changed, client) < generation(&moved, server));
    assert_eq!(asked(&moved, server, "2001:db8:2::10"), None);
    assert_eq!(
        asked(&moved, client, "198.51.100.7"),
        Some(old.security_groups[0].rules[1].id)
    );
}

#[test]
fn an_id_that_goes_to_another_port_brings_nothing_along() {
    let mut filters = Filters::default();
    let old = model(BASE);
    let (server, none) = (id(&old, "server"), Learned::new());
    let before = generation(&compile(&mut filters, &old, &none), server);
    let mut gone = model(&BASE.replace("\"server\"", "\"another\""));
    let without = {
        let mut model = gone.clone();
        model.ports.retain(|port| port.name != "another");
        model
    };
    compile(&mut filters, &without, &none);
    for port in &mut gone.ports {
        if port.name == "another" {
            port.id = server;
        }
    }
    assert!(before < generation(&compile(&mut filters, &gone, &none), server));
}

#[test]
fn ports_with_the_same_groups_share_what_is_compiled_and_stateless_is_apart() {
    let text = BASE
        .replace("name = \"web\"\n", "name = \"web\"\nstateful = false\n")
        .replace(
            "security_groups = [\"clients\"]",
            "security_groups = [\"web\"]",
        );
    let model = model(&text);
    let security = compile(&mut Filters::default(), &model, &Learned::new());
    let filter = |name| {
        let anchor = security.get(id(&model, name)).unwrap();
        anchor.filter.clone().unwrap()
    };
    let (server, client) = (filter("server"), filter("client"));
    assert!(Arc::ptr_eq(
        &server.ingress.stateless,
        &client.ingress.stateless
    ));
    assert_eq!(server.ingress.stateless.len(), 2);
    assert!(server.ingress.stateful.is_empty() && server.egress.stateless.is_empty());
}
