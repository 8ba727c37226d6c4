//! One router's routes by example.

use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn up(subnets: &[&str]) -> Link {
    Link {
        up: true,
        subnets: subnets.iter().map(|s| net(s).trunc()).collect(),
        locals: subnets.iter().map(|s| net(s).addr()).collect(),
        failed: BTreeSet::new(),
    }
}

/// `gateway`, `gateway%iface` or `%iface`, each with an optional `*weight`.
fn via(hops: &[&str]) -> RouteTarget {
    let hop = |text: &&str| {
        let (text, weight) = text.split_once('*').unwrap_or((text, "1"));
        let (gateway, iface) = text.split_once('%').unwrap_or((text, ""));
        Hop {
            gateway: gateway.parse().ok(),
            interface: iface.parse().ok().map(IfaceId),
            weight: weight.parse().unwrap(),
        }
    };
    RouteTarget::Via(hops.iter().map(hop).collect())
}

fn fixed(prefix: &str, target: RouteTarget) -> RibRoute {
    let (source, target) = (Source::Static, Target::Route(target));
    RibRoute {
        prefix: net(prefix),
        source,
        distance: 1,
        target,
    }
}

fn resolved(hops: &[(u16, &str, u16)]) -> Resolution {
    let hop = |(iface, gateway, weight): &(u16, &str, u16)| ResolvedHop {
        iface: IfaceId(*iface),
        gateway: ip(gateway),
        weight: *weight,
    };
    Resolution::Via(hops.iter().map(hop).collect())
}

fn changes(list: Vec<Change>) -> BTreeMap<IpNet, Option<Resolution>> {
    list.into_iter()
        .map(|change| (change.prefix, change.resolution))
        .collect()
}

/// Two interfaces: 1 on 10.1/16 and 2001:db8:1::/48, 2 on 10.2/16 and 2001:db8:2::/48.
fn base() -> Rib {
    let mut rib = Rib::new(VrfId(3));
    rib.set_link(IfaceId(1), up(&["10.1.0.1/16", "2001:db8:1::1/48"]));
    rib.set_link(IfaceId(2), up(&["10.2.0.1/16", "2001:db8:2::1/48"]));
    rib
}

#[test]
fn connected_and_local_routes_follow_the_link() {
    let mut rib = base();
    assert_eq!(
        rib.resolution(&net("10.1.0.0/16")),
        Some(&Resolution::Connected(IfaceId(1)))
    );
    assert_eq!(
        rib.resolution(&net("2001:db8:2::1/128")),
        Some(&Resolution::Local(IfaceId(2)))
    );
    let down = Link {
        up: false,
        ..up(&["10.1.0.1/16", "2001:db8:1::1/48"])
    };
    let gone = changes(rib.set_link(IfaceId(1), down));
    assert_eq!(
        gone,
        BTreeMap::from([(net("10.1.0.0/16"), None), (net("2001:db8:1::/48"), None)])
    );
    assert_eq!(
        rib.resolution(&net("10.1.0.1/32")),
        Some(&Resolution::Local(IfaceId(1)))
    );
    assert_eq!(changes(rib.remove_link(IfaceId(1))).len(), 2);
    assert_eq!(rib.counts(), (2, 2));
}

#[test]
fn recursion_ends_at_a_connected_interface_and_follows_it() {
    let mut rib = base();
    rib.add(fixed("10.9.0.0/16", via(&["10.1.0.9"])));
    let added = changes(rib.add(fixed("10.77.0.0/16", via(&["10.9.1.1"]))));
    assert_eq!(
        added,
        BTreeMap::from([(net("10.77.0.0/16"), Some(resolved(&[(1, "10.1.0.9", 1)])))])
    );
    // A more specific route for the gateway moves what depends on it, and nothing else.
    let moved = changes(rib.add(fixed("10.9.1.0/24", via(&["10.2.0.5%2"]))));
    let there = Some(resolved(&[(2, "10.2.0.5", 1)]));
    assert_eq!(
        moved,
        BTreeMap::from([
            (net("10.9.1.0/24"), there.clone()),
            (net("10.77.0.0/16"), there)
        ])
    );
    // A route that covers the gateway less specifically than the one in use asks nobody again.
    let other = changes(rib.add(fixed("10.0.0.0/8", RouteTarget::Blackhole)));
    assert_eq!(other.len(), 1);
    // The link goes: the specific route does, the gateway falls back to 10.9/16.
    let down = rib.set_link(
        IfaceId(2),
        Link {
            up: false,
            ..up(&["10.2.0.1/16", "2001:db8:2::1/48"])
        },
    );
    let down = changes(down);
    assert_eq!(down[&net("10.9.1.0/24")], None);
    assert_eq!(
        down[&net("10.77.0.0/16")],
        Some(resolved(&[(1, "10.1.0.9", 1)]))
    );
    let back = changes(rib.set_link(IfaceId(2), up(&["10.2.0.1/16", "2001:db8:2::1/48"])));
    assert_eq!(
        back[&net("10.77.0.0/16")],
        Some(resolved(&[(2, "10.2.0.5", 1)]))
    );
}

#[test]
fn what_leads_through_a_failed_neighbour_is_left() {
    let mut rib = base();
    let with_failed = |failed: &[&str]| Link {
        failed: failed.iter().map(|text| ip(text)).collect(),
        ..up(&["10.1.0.1/16", "2001:db8:1::1/48"])
    };
    // A next hop with its interface, one without, one that is found through a route, and one of two.
    rib.add(fixed("10.50.0.0/16", via(&["10.1.0.9%1"])));
    rib.add(fixed("10.51.0.0/16", via(&["10.1.0.9"])));
    rib.add(fixed("10.52.0.0/16", via(&["10.51.1.1"])));
    rib.add(fixed("10.53.0.0/16", via(&["10.1.0.9", "10.2.0.9"])));
    let mut other = fixed("10.50.0.0/16", via(&["10.2.0.9"]));
    other.distance = 10;
    rib.add(other);
    let there = Some(resolved(&[(1, "10.1.0.9", 1)]));
    let elsewhere = Some(resolved(&[(2, "10.2.0.9", 1)]));
    let both = Some(resolved(&[(1, "10.1.0.9", 1), (2, "10.2.0.9", 1)]));
    let failed = changes(rib.set_link(IfaceId(1), with_failed(&["10.1.0.9"])));
    let expected = BTreeMap::from([
        (net("10.50.0.0/16"), elsewhere.clone()),
        (net("10.51.0.0/16"), None),
        (net("10.52.0.0/16"), None),
        (net("10.53.0.0/16"), elsewhere),
    ]);
    assert_eq!(failed, expected);
    // The subnet is where it was, and so are other neighbours.
    let connected = rib.resolution(&net("10.1.0.0/16"));
    assert_eq!(connected, Some(&Resolution::Connected(IfaceId(1))));
    let late = changes(rib.add(fixed("10.54.0.0/16", via(&["10.1.0.8"]))));
    assert_eq!(
        late[&net("10.54.0.0/16")],
        Some(resolved(&[(1, "10.1.0.8", 1)]))
    );
    let back = changes(rib.set_link(IfaceId(1), with_failed(&["10.1.0.7"])));
    let expected = BTreeMap::from([
        (net("10.50.0.0/16"), there.clone()),
        (net("10.51.0.0/16"), there.clone()),
        (net("10.52.0.0/16"), there),
        (net("10.53.0.0/16"), both),
    ]);
    assert_eq!(back, expected);
}

#[test]
fn ecmp_keeps_the_usable_hops_and_shares_by_weight() {
    let mut rib = base();
    let hops = via(&["10.1.0.9*1", "10.2.0.9*3", "192.0.2.1*5"]);
    let added = changes(rib.add(fixed("10.50.0.0/16", hops)));
    let both = resolved(&[(1, "10.1.0.9", 1), (2, "10.2.0.9", 3)]);
    assert_eq!(added[&net("10.50.0.0/16")], Some(both));
    let late = changes(rib.add(fixed("192.0.2.0/24", via(&["10.1.0.9"]))));
    let all = resolved(&[(1, "10.1.0.9", 2), (2, "10.2.0.9", 1)]);
    assert_eq!(late[&net("10.50.0.0/16")], Some(all));
}

#[test]
fn loops_resolve_to_what_lies_behind_them_or_to_nothing() {
    let mut rib = base();
    rib.add(fixed("10.20.0.0/16", via(&["10.30.0.1"])));
    assert!(
        rib.add(fixed("10.30.0.0/16", via(&["10.20.0.1"])))
            .is_empty()
    );
    // Its own gateway.
    assert!(
        rib.add(fixed("10.40.0.0/16", via(&["10.40.0.1"])))
            .is_empty()
    );
    let all = changes(rib.add(fixed("0.0.0.0/0", via(&["10.1.0.9%1"]))));
    assert_eq!(all.len(), 4);
    assert!(
        all.values()
            .all(|r| *r == Some(resolved(&[(1, "10.1.0.9", 1)]))),
        "{all:?}"
    );
    let none = changes(rib.remove(net("0.0.0.0/0"), Source::Static, 1));
    assert!(
        none.len() == 4 && none.values().all(Option::is_none),
        "{none:?}"
    );
}

#[test]
fn drops_are_inherited_and_own_addresses_are_no_gateways() {
    let mut rib = base();
    rib.add(fixed("192.0.2.1/32", RouteTarget::Blackhole));
    let added = changes(rib.add(fixed("203.0.113.0/24", via(&["192.0.2.1"]))));
    assert_eq!(added[&net("203.0.113.0/24")], Some(Resolution::Blackhole));
    assert!(
        rib.add(fixed("198.51.100.0/24", via(&["10.1.0.1"])))
            .is_empty()
    );
    let on_link = changes(rib.add(fixed("198.51.100.0/24", via(&["%2"]))));
    assert_eq!(
        on_link[&net("198.51.100.0/24")],
        Some(Resolution::Connected(IfaceId(2)))
    );
}

#[test]
fn an_ipv4_prefix_may_have_an_ipv6_gateway() {
    let mut rib = base();
    let added = changes(rib.add(fixed(
        "203.0.113.0/24",
        via(&["2001:db8:1::9", "fe80::9%2"]),
    )));
    let both = resolved(&[(1, "2001:db8:1::9", 1), (2, "fe80::9", 1)]);
    assert_eq!(added[&net("203.0.113.0/24")], Some(both));
}

#[test]
fn distance_and_then_source_decide() {
    let mut rib = base();
    let api = RibRoute::from_api(net("10.60.0.0/16"), RouteTarget::Prohibit);
    rib.add(api.clone());
    assert_eq!(
        rib.resolution(&net("10.60.0.0/16")),
        Some(&Resolution::Prohibit)
    );
    rib.add(fixed("10.60.0.0/16", RouteTarget::Unreachable));
    assert_eq!(
        rib.resolution(&net("10.60.0.0/16")),
        Some(&Resolution::Unreachable)
    );
    let backup = RibRoute {
        distance: 9,
        ..fixed("10.60.0.0/16", RouteTarget::Blackhole)
    };
    assert!(rib.add(backup).is_empty());
    rib.remove(net("10.60.0.0/16"), Source::Static, 1);
    rib.remove(net("10.60.0.0/16"), Source::Api, 1);
    assert_eq!(
        rib.resolution(&net("10.60.0.0/16")),
        Some(&Resolution::Blackhole)
    );
    // A connected prefix is not overridden.
    rib.add(fixed("10.1.0.0/16", RouteTarget::Blackhole));
    assert_eq!(
        rib.resolution(&net("10.1.0.0/16")),
        Some(&Resolution::Connected(IfaceId(1)))
    );
    assert!(rib.add(api).len() == 1);
}

#[test]
fn explain_tells_the_winner_the_way_and_the_others() {
    let mut rib = base();
    rib.add(fixed("::/0", via(&["fe80::1%1"])));
    rib.add(fixed("2001:db8:8::/48", via(&["2001:db8:2::b"])));
    rib.add(fixed("2001:db8:9::/48", via(&["2001:db8:8::1"])));
    rib.add(fixed("2001:db8:9:1::/64", via(&["fe80::5%7"])));
    rib.add(RibRoute::from_api(
        net("2001:db8:9::/48"),
        RouteTarget::Blackhole,
    ));
    let told = rib.explain(ip("2001:db8:9:1::9"));
    assert_eq!(
        told.route.as_ref().map(|r| r.prefix),
        Some(net("2001:db8:9::/48"))
    );
    assert_eq!(told.resolution, Some(resolved(&[(2, "2001:db8:2::b", 1)])));
    let chain: Vec<String> = told
        .chain
        .iter()
        .map(|step| format!("{} {}", step.lookup, step.route.prefix))
        .collect();
    assert_eq!(
        chain,
        [
            "2001:db8:9:1::9 2001:db8:9::/48",
            "2001:db8:8::1 2001:db8:8::/48",
            "2001:db8:2::b 2001:db8:2::/48"
        ]
    );
    let others: Vec<String> = told
        .passed_over
        .iter()
        .map(|(route, why)| format!("{} {why}", route.prefix))
        .collect();
    assert_eq!(
        others,
        [
            "2001:db8:9:1::/64 interface down, or gateway not reachable or failed",
            "2001:db8:9::/48 static route with distance 1 is preferred",
            "::/0 shorter prefix"
        ]
    );
    assert_eq!(rib.explain(ip("192.0.2.1")).route, None);
}

#[test]
fn links_of_an_interface_hold_valid_and_anycast_addresses_and_what_is_on_link() {
    let text = "[[device]]\nname = \"d\"\nkind = \"null\"\n[[router]]\nname = \"r\"\n[[router.interface]]\n\
                name = \"i\"\ndevice = \"d\"\naddresses = [\"2001:db8::1/64\", \"2001:db8:1::1/64\", \"192.0.2.1/24\", \"198.51.100.1/24\"]\n\
                anycast = [\"2001:db8::53\"]\n";
    let model = crate::config::parse("t.toml".as_ref(), text).unwrap().model;
    let bad = [ip("2001:db8:1::1"), ip("198.51.100.1")];
    let link = Link::of(&model.routers[0].interfaces[0], true, |address| {
        !bad.contains(&address)
    });
    let subnets = ["2001:db8::/64", "2001:db8:1::/64", "192.0.2.0/24"];
    assert_eq!(link.subnets, subnets.iter().map(|text| net(text)).collect());
    let locals = [
        "2001:db8::1",
        "2001:db8::53",
        "2001:db8::",
        "2001:db8:1::",
        "192.0.2.1",
    ];
    assert_eq!(link.locals, locals.iter().map(|text| ip(text)).collect());
}

/// A table of 100,000 recursive routes: changes cost what they touch, not what there is.
#[test]
fn changes_of_a_large_table_are_cheap() {
    let mut rib = base();
    let gateway = |i: u32| format!("10.1.{}.{}", i % 4, 10 + i % 200);
    let route = |i: u32, hop: u32| {
        let prefix = format!("20.{}.{}.{}/30", i >> 14, (i >> 6) & 0xff, (i & 0x3f) << 2);
        fixed(&prefix, via(&[&gateway(hop)]))
    };
    rib.apply((0..100_000).map(|i| Edit::Add(route(i, i))));
    assert_eq!(rib.counts().1, 100_004);
    let start = std::time::Instant::now();
    for i in 0..10_000 {
        assert_eq!(rib.add(route(i, i + 1)).len(), 1);
    }
    let elapsed = start.elapsed();
    println!("10,000 changes in {elapsed:?}");
    // The goal is 1 s; a machine that does other things too gets more.
    assert!(elapsed < std::time::Duration::from_secs(5), "{elapsed:?}");
}

#[test]
fn a_route_into_another_router_leads_packets_there_and_no_gateway() {
    let mut rib = base();
    let shared = || RouteTarget::Router(VrfId(7));
    rib.add(fixed("2001:db8:5::/48", shared()));
    rib.add(fixed("2001:db8:9::/48", via(&["2001:db8:5::1"])));
    let there = Resolution::Router(VrfId(7));
    assert_eq!(rib.resolution(&net("2001:db8:5::/48")), Some(&there));
    assert_eq!(rib.resolution(&net("2001:db8:9::/48")), None);
    assert_eq!(rib.explain(ip("2001:db8:5::1")).resolution, Some(there));
    rib.remove(net("2001:db8:5::/48"), Source::Static, 1);
    assert_eq!(rib.resolution(&net("2001:db8:5::/48")), None);
}
