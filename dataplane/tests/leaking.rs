//! Routes into another router's table: what crosses, both families, and all that must not.
//!
//! ```text
//!   port 0: lan, of the tenant's router      port 1: wan, of the router "shared"; the others stay with the tenant's
//! ```

mod support;

use dataplane::drop::DropReason;
use dataplane::forwarding::Urpf;
use support::cases::Expect::{Drop, Held, Sent};
use support::cases::{check_with, through_both_ways, v4, v4_from, v6, v6_from};
use support::packet::{Packet, ethernet};
use support::*;
use tables::id::VrfId;

const SHARED: VrfId = VrfId(2);

/// What the tenant is told of: a service of the shared router. No way leads back.
fn told(world: &mut World) {
    world.add_vrf(SHARED);
    world.change(WAN, |wan| wan.vrf = SHARED);
    let shared = world.leak(SHARED);
    let server = world.neighbour(WAN, GATEWAYS[0]);
    for (net, len) in [("2001:db8:5::", 48), ("50.0.0.0", 8)] {
        world.route(net, len, shared);
        world.route_in(SHARED, net, len, server);
    }
    // The shared router knows this, too, and nobody was told.
    for (net, len) in [("2001:db8:6::", 48), ("60.0.0.0", 8)] {
        world.route_in(SHARED, net, len, server);
    }
    // The tenant was told of this, and the shared router does not know it.
    for (net, len) in [("2001:db8:7::", 48), ("70.0.0.0", 8)] {
        world.route(net, len, shared);
    }
}

/// The same with the way back.
fn both_told(world: &mut World) {
    told(world);
    let tenant = world.leak(VRF);
    for (net, len) in [("2001:db8:1::", 64), ("10.1.0.0", 24)] {
        world.route_in(SHARED, net, len, tenant);
    }
}

fn in_circles(world: &mut World) {
    told(world);
    let (tenant, shared) = (world.leak(VRF), world.leak(SHARED));
    for (net, len) in [("2001:db8:9::", 48), ("90.0.0.0", 8)] {
        world.route(net, len, shared);
        world.route_in(SHARED, net, len, tenant);
    }
}

/// From a host on the shared router's link to one of the tenant.
fn answers() -> [Packet; 2] {
    [
        Packet::udp6(MAC1, "2001:db8:5::1", "2001:db8:1::10", 64),
        Packet::udp4(MAC1, "50.0.0.1", "10.1.0.10", 64),
    ]
}

#[test]
fn what_was_told_crosses_and_nothing_else() {
    let server = |ether_type| Sent(PORT1, ethernet(GATEWAYS[0], MAC1, &[], ether_type));
    let [answer6, answer4] = answers();
    check_with(
        vec![
            ("told", PORT0, v6("2001:db8:5::1"), server(0x86dd)),
            ("told, IPv4", PORT0, v4("50.0.0.1"), server(0x0800)),
            (
                "not told",
                PORT0,
                v6("2001:db8:6::1"),
                Drop(DropReason::Ip6NoRoute),
            ),
            (
                "not told, IPv4",
                PORT0,
                v4("60.0.0.1"),
                Drop(DropReason::Ip4NoRoute),
            ),
            (
                "unknown there",
                PORT0,
                v6("2001:db8:7::1"),
                Drop(DropReason::Ip6NoRoute),
            ),
            (
                "unknown there, IPv4",
                PORT0,
                v4("70.0.0.1"),
                Drop(DropReason::Ip4NoRoute),
            ),
            ("no way back", PORT1, answer6, Drop(DropReason::Ip6NoRoute)),
            (
                "no way back, IPv4",
                PORT1,
                answer4,
                Drop(DropReason::Ip4NoRoute),
            ),
        ],
        told,
    );
}

#[test]
fn with_the_way_back_answers_cross_to_hosts_and_to_those_yet_to_be_resolved() {
    let [answer6, answer4] = answers();
    let host = |ether_type| Sent(PORT0, ethernet(HOST, MAC0, &[], ether_type));
    let unresolved = Packet::udp6(MAC1, "2001:db8:5::1", "2001:db8:1::77", 64);
    check_with(
        vec![
            ("an answer", PORT1, answer6, host(0x86dd)),
            ("an answer, IPv4", PORT1, answer4, host(0x0800)),
            ("to an unresolved host", PORT1, unresolved, Held),
        ],
        both_told,
    );
}

#[test]
fn errors_about_what_crosses_go_back_where_it_came_from() {
    for packet in [
        v6("2001:db8:5::1").set(7, &[1]),
        v6("2001:db8:7::1"),
        v4("50.0.0.1").set(8, &[1]).summed(),
        v4("70.0.0.1"),
    ] {
        let prepare = |world: &mut World| {
            told(world);
            world.change(LAN, |lan| {
                lan.icmp_source6 = Some("2001:db8:1::1".parse().unwrap());
                lan.icmp_source4 = Some("10.1.0.1".parse().unwrap());
            });
        };
        let (outcome, _) = through_both_ways("an error", PORT0, &packet, prepare);
        let ports: Vec<_> = outcome.sent.iter().map(|(port, _)| *port).collect();
        assert_eq!(ports, [PORT0], "{outcome:#?}");
    }
}

#[test]
fn a_circle_ends_under_its_name() {
    let six = v6("2001:db8:9::1");
    let four = v4("90.0.0.1");
    check_with(
        vec![
            ("a circle", PORT0, six, Drop(DropReason::RouterLoop)),
            ("a circle, IPv4", PORT0, four, Drop(DropReason::RouterLoop)),
        ],
        in_circles,
    );
}

#[test]
fn a_chain_ends_after_so_many_routers() {
    use dataplane::stages::route::MAX_ROUTERS;
    for (others, reaches) in [(MAX_ROUTERS, true), (MAX_ROUTERS + 1, false)] {
        let prepare: fn(&mut World) = match reaches {
            true => |world: &mut World| chain(world, MAX_ROUTERS),
            false => |world: &mut World| chain(world, MAX_ROUTERS + 1),
        };
        let expect = match reaches {
            true => Sent(PORT1, ethernet(GATEWAYS[0], MAC1, &[], 0x86dd)),
            false => Drop(DropReason::RouterLoop),
        };
        let name = format!("{others} others");
        check_with(
            vec![(name.as_str(), PORT0, v6("2001:db8:5::1"), expect)],
            prepare,
        );
    }
}

/// Each router knows that the next one knows; the last has the way out.
fn chain(world: &mut World, others: usize) {
    let vrf = |n: usize| VrfId(VRF.0 + n as u16);
    let out = world.neighbour(WAN, GATEWAYS[0]);
    for n in 1..=others {
        world.add_vrf(vrf(n));
        let next = world.leak(vrf(n));
        world.route_in(vrf(n - 1), "2001:db8:5::", 48, next);
    }
    world.route_in(vrf(others), "2001:db8:5::", 48, out);
}

#[test]
fn a_source_behind_another_router_is_known_where_its_way_is() {
    // The lan has seen the server's address as a source: the way there leads out of another interface.
    let strict = |world: &mut World| {
        both_told(world);
        world.change(LAN, |lan| {
            (lan.urpf6, lan.urpf4) = (Urpf::Strict, Urpf::Strict)
        });
    };
    let loose = |world: &mut World| {
        both_told(world);
        world.change(LAN, |lan| {
            (lan.urpf6, lan.urpf4) = (Urpf::Loose, Urpf::Loose)
        });
    };
    let to_vlan = |mut packet: Packet, to: &[u8], at: usize| {
        packet = packet.set(at, to);
        packet
    };
    let six = v6_from("2001:db8:5::1");
    let four = v4_from("50.0.0.1");
    let to6: std::net::Ipv6Addr = "2001:db8:3::10".parse().unwrap();
    let six = to_vlan(six, &to6.octets(), 24);
    let four = to_vlan(four, &[10, 3, 0, 10], 16).summed();
    let vlan = |ether_type| Sent(PORT1, ethernet(HOST, MAC1, &[100], ether_type));
    check_with(
        vec![
            ("strict", PORT0, six.clone(), Drop(DropReason::Urpf)),
            ("strict, IPv4", PORT0, four.clone(), Drop(DropReason::Urpf)),
        ],
        strict,
    );
    check_with(
        vec![
            ("loose", PORT0, six, vlan(0x86dd)),
            ("loose, IPv4", PORT0, four, vlan(0x0800)),
        ],
        loose,
    );
    let unknown = v6_from("2001:db8:7::1");
    let none = vec![("unknown there", PORT0, unknown, Drop(DropReason::Urpf))];
    check_with(none, loose);
}
