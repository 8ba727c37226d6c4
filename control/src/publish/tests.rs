use super::testbed::*;
use super::*;
use crate::model::{Carrier, Tag};
use tables::id::PortId;

const KEPT: (usize, usize) = (3, 0);

#[test]
fn a_neighbour_of_a_connected_prefix_has_a_host_route_while_it_is_up() {
    let mut bed = Testbed::new();
    bed.interface(1);
    bed.route("2001:db8::/64", connected(1));
    assert_eq!(bed.kind("2001:db8::7"), NextHopKind::Glean);
    assert_eq!(bed.at("2001:db8::7").iface, IfaceId(1));
    bed.up(1, "2001:db8::7", 7);
    let host = bed.at("2001:db8::7");
    assert_eq!(host.kind, NextHopKind::Forward);
    assert_eq!(&host.header[..6], &mac(7).octets());
    assert_eq!(&host.header[6..12], &link(1).mac.octets());
    assert_eq!((host.header_len, host.mtu), (14, 1500));
    assert_eq!(bed.kind("2001:db8::8"), NextHopKind::Glean);
    bed.down(1, "2001:db8::7");
    assert_eq!(bed.kind("2001:db8::7"), NextHopKind::Glean);
}

#[test]
fn ipv4_neighbours_are_published_the_same_way() {
    let mut bed = Testbed::new();
    bed.interface(1);
    bed.route("192.0.2.0/24", connected(1));
    bed.up(1, "192.0.2.7", 7);
    assert_eq!(bed.kind("192.0.2.7"), NextHopKind::Forward);
    assert_eq!(bed.kind("192.0.2.8"), NextHopKind::Glean);
    bed.route("0.0.0.0/0", via(&[(1, "192.0.2.9")]));
    let gateway = bed.at("198.51.100.1");
    assert_eq!(gateway.kind, NextHopKind::Incomplete);
    assert_eq!(gateway.gateway, mapped(ip("192.0.2.9")));
    bed.down(1, "192.0.2.7");
    assert_eq!(bed.kind("192.0.2.7"), NextHopKind::Glean);
}

#[test]
fn a_neighbour_known_before_its_connected_prefix_gets_its_host_route_then() {
    let mut bed = Testbed::new();
    bed.interface(1);
    bed.up(1, "2001:db8::7", 7);
    assert_eq!(bed.kind("2001:db8::7"), NextHopKind::NoRoute);
    bed.route("2001:db8::/64", connected(1));
    assert_eq!(bed.kind("2001:db8::7"), NextHopKind::Forward);
    bed.withdraw("2001:db8::/64");
    assert_eq!(bed.kind("2001:db8::7"), NextHopKind::NoRoute);
}

#[test]
fn a_gateway_keeps_its_id_from_incomplete_to_another_mac() {
    let mut bed = Testbed::new();
    bed.interface(1);
    bed.route("2001:db8::/64", connected(1));
    for i in 0..50 {
        bed.route(
            &format!("2001:db8:1:{i:x}::/64"),
            via(&[(1, "2001:db8::1")]),
        );
    }
    let id = bed.id(ip("2001:db8:1:5::1"));
    assert_eq!(bed.record(id).kind, NextHopKind::Incomplete);
    assert_eq!(bed.record(id).gateway, mapped(ip("2001:db8::1")));
    bed.up(1, "2001:db8::1", 1);
    assert_eq!(bed.record(id).kind, NextHopKind::Forward);
    bed.up(1, "2001:db8::1", 2);
    assert_eq!(&bed.record(id).header[..6], &mac(2).octets());
    for i in 0..50 {
        assert_eq!(bed.id(ip(&format!("2001:db8:1:{i:x}::9"))), id);
    }
    assert_eq!(bed.id(ip("2001:db8::1")), id, "its own host route");
    bed.down(1, "2001:db8::1");
    assert_eq!(bed.record(id).kind, NextHopKind::Incomplete);
    assert_eq!(bed.kind("2001:db8::1"), NextHopKind::Glean);
    // Three fixed ones, glean and local, the gateway.
    assert_eq!(bed.in_use(), (6, 0));
}

#[test]
fn a_link_local_gateway_has_no_host_route() {
    let mut bed = Testbed::new();
    bed.interface(1);
    bed.interface(2);
    bed.route("2001:db8:1::/48", via(&[(1, "fe80::1")]));
    bed.route("2001:db8:2::/48", via(&[(2, "fe80::1")]));
    bed.up(1, "fe80::1", 1);
    assert_eq!(bed.kind("2001:db8:1::1"), NextHopKind::Forward);
    assert_eq!(bed.kind("2001:db8:2::1"), NextHopKind::Incomplete);
    assert_eq!(bed.kind("fe80::1"), NextHopKind::NoRoute);
    assert!(bed.publisher.is_resolved(IfaceId(1), ip("fe80::1")));
    assert!(!bed.publisher.is_resolved(IfaceId(2), ip("fe80::1")));
}

#[test]
fn a_member_that_leaves_a_group_moves_no_flow_of_the_others() {
    let mut bed = Testbed::new();
    bed.interface(1);
    let hops = [(1, "fe80::1"), (1, "fe80::2"), (1, "fe80::3")];
    bed.route("2001:db8:1::/48", via(&hops));
    let paths = |bed: &Testbed| -> Vec<[u8; 16]> {
        let group = bed.at("2001:db8:1::1").group;
        (0..256)
            .map(|bucket| bed.record(bed.select(group, bucket)).gateway)
            .collect()
    };
    let before = paths(&bed);
    bed.route("2001:db8:1::/48", via(&hops[..2]));
    let after = paths(&bed);
    let left = mapped(ip("fe80::3"));
    for (was, is) in before.iter().zip(&after) {
        assert!(
            *was == left || was == is,
            "a flow of a member that stayed has moved"
        );
        assert_ne!(*is, left);
    }
    assert!(before.contains(&left));
}

#[test]
fn groups_are_shared_and_spread_over_their_members() {
    let mut bed = Testbed::new();
    bed.interface(1);
    bed.interface(2);
    let both = [(1, "fe80::1"), (2, "fe80::2")];
    bed.route("2001:db8:1::/48", via(&both));
    bed.route("2001:db8:2::/48", via(&both));
    let group = bed.at("2001:db8:1::1");
    assert_eq!(group.kind, NextHopKind::Group);
    assert_eq!(bed.id(ip("2001:db8:1::1")), bed.id(ip("2001:db8:2::1")));
    let members: Vec<NextHop> = bed
        .members(group.group)
        .into_iter()
        .map(|id| bed.record(id))
        .collect();
    let gateways: Vec<(IfaceId, [u8; 16])> = members.iter().map(|m| (m.iface, m.gateway)).collect();
    assert_eq!(
        gateways,
        [
            (IfaceId(1), mapped(ip("fe80::1"))),
            (IfaceId(2), mapped(ip("fe80::2")))
        ]
    );
    bed.withdraw("2001:db8:1::/48");
    assert_eq!(bed.kind("2001:db8:2::1"), NextHopKind::Group);
    bed.route("2001:db8:2::/48", via(&[(2, "fe80::2")]));
    assert_eq!(bed.kind("2001:db8:2::1"), NextHopKind::Incomplete);
    // Three fixed ones, two of each interface, and the gateway that is left.
    assert_eq!(bed.in_use(), (8, 0));
}

#[test]
fn a_host_route_of_the_configuration_wins_over_the_neighbour_which_comes_back_after() {
    let mut bed = Testbed::new();
    bed.interface(1);
    bed.route("2001:db8::/64", connected(1));
    bed.up(1, "2001:db8::7", 7);
    bed.route("2001:db8::7/128", Resolution::Blackhole);
    assert_eq!(bed.kind("2001:db8::7"), NextHopKind::Blackhole);
    bed.up(1, "2001:db8::7", 8);
    assert_eq!(bed.kind("2001:db8::7"), NextHopKind::Blackhole);
    bed.withdraw("2001:db8::7/128");
    let back = bed.at("2001:db8::7");
    assert_eq!(
        (back.kind, back.header[5]),
        (NextHopKind::Forward, 8),
        "with its latest MAC"
    );
    bed.route("2001:db8::7/128", Resolution::Local(IfaceId(1)));
    bed.down(1, "2001:db8::7");
    assert_eq!(bed.kind("2001:db8::7"), NextHopKind::Local);
    bed.withdraw("2001:db8::7/128");
    assert_eq!(bed.kind("2001:db8::7"), NextHopKind::Glean);
}

#[test]
fn a_neighbour_of_two_interfaces_keeps_its_host_route_until_both_have_lost_it() {
    let mut bed = Testbed::new();
    for iface in [1, 2] {
        bed.interface(iface);
    }
    bed.route("2001:db8::/64", connected(1));
    bed.route("2001:db8::/56", connected(2));
    bed.up(2, "2001:db8::7", 2);
    assert_eq!(bed.at("2001:db8::7").iface, IfaceId(2));
    bed.up(1, "2001:db8::7", 1);
    assert_eq!(bed.at("2001:db8::7").iface, IfaceId(1));
    bed.down(1, "2001:db8::7");
    assert_eq!(bed.at("2001:db8::7").iface, IfaceId(2));
    bed.down(2, "2001:db8::7");
    assert_eq!(bed.kind("2001:db8::7"), NextHopKind::Glean);
}

#[test]
fn a_changed_interface_rewrites_the_headers_of_all_its_next_hops() {
    let mut bed = Testbed::new();
    bed.interface(1);
    bed.interface(2);
    bed.route("2001:db8::/64", connected(1));
    bed.route("2001:db8:1::/48", via(&[(1, "fe80::1")]));
    bed.route("2001:db8:2::/48", via(&[(2, "fe80::1")]));
    bed.up(1, "2001:db8::7", 7);
    bed.up(1, "fe80::1", 1);
    let ids = [bed.id(ip("2001:db8::7")), bed.id(ip("2001:db8:1::1"))];
    let other = bed.at("2001:db8:2::1");

    let vlan = Link {
        carrier: Carrier::Device {
            port: PortId(0),
            tag: Tag::Vlan(100),
        },
        mtu: 9000,
        ..link(1)
    };
    bed.publisher.set_interface(IfaceId(1), vlan).unwrap();
    for (id, last) in ids.into_iter().zip([7, 1]) {
        let record = bed.record(id);
        assert_eq!((record.header_len, record.mtu), (18, 9000));
        assert_eq!(&record.header[..6], &mac(last).octets());
        assert_eq!(&record.header[12..18], &[0x81, 0, 0, 100, 0, 0]);
    }
    assert_eq!(bed.at("2001:db8::8").mtu, 9000, "glean");

    let stacked = Link {
        carrier: Carrier::Device {
            port: PortId(5),
            tag: Tag::QinQ {
                outer_tpid: 0x88a8,
                outer: 0x123,
                inner: 0xffe,
            },
        },
        ..link(1)
    };
    bed.publisher.set_interface(IfaceId(1), stacked).unwrap();
    for id in ids {
        let record = bed.record(id);
        assert_eq!((record.header_len, record.port), (22, PortId(5)));
        assert_eq!(
            &record.header[12..22],
            &[0x88, 0xa8, 0x01, 0x23, 0x81, 0, 0x0f, 0xfe, 0, 0]
        );
    }
    assert_eq!(bed.at("2001:db8:2::1"), other, "another interface's");
}

#[test]
fn forgotten_neighbours_are_resolved_anew() {
    let mut bed = Testbed::new();
    bed.interface(1);
    bed.route("2001:db8::/64", connected(1));
    bed.route("::/0", via(&[(1, "fe80::1")]));
    let before = bed.in_use();
    bed.up(1, "2001:db8::7", 7);
    bed.up(1, "fe80::1", 1);
    bed.publisher.forget_neighbors().unwrap();
    assert_eq!(bed.kind("2001:db8::7"), NextHopKind::Glean);
    assert_eq!(bed.kind("2001:db9::1"), NextHopKind::Incomplete);
    assert_eq!(bed.in_use(), before);
}

#[test]
fn removing_everything_frees_all_next_hops_and_groups() {
    let mut bed = Testbed::new();
    assert_eq!(bed.in_use(), KEPT);
    for _ in 0..3 {
        bed.interface(1);
        bed.interface(2);
        bed.route("2001:db8::/64", connected(1));
        bed.route("2001:db8:a::/64", via(&[(1, "fe80::1"), (2, "fe80::2")]));
        bed.route("2001:db8:b::/64", via(&[(1, "2001:db8::7")]));
        bed.up(1, "2001:db8::7", 7);
        bed.up(1, "2001:db8::8", 8);
        bed.up(2, "fe80::2", 2);
        for prefix in ["2001:db8:a::/64", "2001:db8:b::/64", "2001:db8::/64"] {
            bed.withdraw(prefix);
        }
        for iface in [1, 2] {
            bed.publisher.remove_interface(IfaceId(iface)).unwrap();
        }
        bed.quiesce();
        assert_eq!(bed.in_use(), KEPT);
        assert_eq!(bed.kind("2001:db8::7"), NextHopKind::NoRoute);
    }
}

#[test]
fn a_batch_is_seen_as_a_whole_and_frees_nothing_that_is_still_found() {
    let mut bed = Testbed::new();
    bed.interface(1);
    bed.route("2001:db8:1::/48", via(&[(1, "fe80::1")]));
    let old = bed.id(ip("2001:db8:1::1"));
    let before = bed.in_use();
    bed.publisher.begin();
    bed.route("2001:db8:1::/48", via(&[(1, "fe80::2")]));
    bed.route("2001:db8:2::/48", via(&[(1, "fe80::2")]));
    bed.quiesce();
    assert_eq!(bed.id(ip("2001:db8:1::1")), old);
    assert_eq!(bed.record(old).gateway, mapped(ip("fe80::1")));
    assert_eq!(bed.kind("2001:db8:2::1"), NextHopKind::NoRoute);
    bed.publisher.commit().unwrap();
    assert_eq!(bed.at("2001:db8:1::1").gateway, mapped(ip("fe80::2")));
    assert_eq!(bed.at("2001:db8:2::1").gateway, mapped(ip("fe80::2")));
    assert_eq!(bed.in_use(), before);
    assert_eq!(
        bed.record(old).gateway,
        mapped(ip("fe80::1")),
        "for a worker in the middle of a burst"
    );
    bed.quiesce();
    assert_eq!(bed.record(old).kind, NextHopKind::NoRoute);
}

#[test]
fn what_does_not_fit_changes_nothing() {
    // Id 0, three fixed ones, two of the interface: two are left.
    let mut bed = Testbed::with_next_hops(8);
    bed.interface(1);
    bed.route("2001:db8::/64", connected(1));
    bed.route("2001:db8:1::/48", via(&[(1, "fe80::1")]));
    let group = via(&[(1, "fe80::2"), (1, "fe80::3")]);
    let refused = bed
        .publisher
        .route(VRF, net("2001:db8:1::/48"), Some(&group));
    assert!(
        matches!(refused, Err(PublishError::NextHop(_))),
        "{refused:?}"
    );
    assert_eq!(bed.at("2001:db8:1::1").gateway, mapped(ip("fe80::1")));
    bed.quiesce();
    bed.up(1, "2001:db8::7", 7);
    let refused = bed
        .publisher
        .neighbor_up(IfaceId(1), ip("2001:db8::8"), mac(8));
    assert!(
        matches!(refused, Err(PublishError::NextHop(_))),
        "{refused:?}"
    );
    assert_eq!(bed.kind("2001:db8::8"), NextHopKind::Glean);
    let refused = bed.publisher.set_interface(IfaceId(2), link(2));
    assert!(
        matches!(refused, Err(PublishError::NextHop(_))),
        "{refused:?}"
    );
    bed.down(1, "2001:db8::7");
    bed.withdraw("2001:db8:1::/48");
    bed.withdraw("2001:db8::/64");
    bed.publisher.remove_interface(IfaceId(1)).unwrap();
    assert_eq!(bed.in_use(), KEPT);
}

#[test]
fn what_names_a_missing_interface_is_refused_but_a_late_farewell_is_not() {
    let mut bed = Testbed::new();
    let missing = bed
        .publisher
        .route(VRF, net("::/0"), Some(&via(&[(9, "fe80::1")])));
    assert!(matches!(missing, Err(PublishError::Interface(IfaceId(9)))));
    let missing = bed.publisher.neighbor_up(IfaceId(9), ip("fe80::1"), mac(1));
    assert!(matches!(missing, Err(PublishError::Interface(IfaceId(9)))));
    bed.down(9, "fe80::1");
    assert_eq!(bed.in_use(), KEPT);
    assert_eq!(bed.kind("2001:db8::1"), NextHopKind::NoRoute);
}

#[test]
fn only_neighbours_that_carried_packets_are_in_use() {
    let mut bed = Testbed::new();
    bed.interface(1);
    bed.route("2001:db8::/64", connected(1));
    bed.up(1, "2001:db8::7", 7);
    bed.up(1, "2001:db8::8", 8);
    let busy = bed.id(ip("2001:db8::7"));
    let count = |n| move |id| if id == busy { n } else { 0 };
    let neighbor = (IfaceId(1), ip("2001:db8::7"));
    assert_eq!(bed.publisher.sample_use(count(5)), [neighbor]);
    assert_eq!(bed.publisher.sample_use(count(5)), []);
    assert_eq!(bed.publisher.sample_use(count(6)), [neighbor]);
    bed.down(1, "2001:db8::7");
    assert_eq!(bed.publisher.sample_use(count(7)), []);
}

#[test]
fn routes_into_a_router_share_a_next_hop_that_goes_with_the_last() {
    let mut bed = Testbed::new();
    let shared = || Resolution::Router(VrfId(2));
    bed.route("2001:db8:5::/48", shared());
    bed.route("50.0.0.0/8", shared());
    let found = bed.at("2001:db8:5::1");
    assert_eq!((found.kind, found.vrf), (NextHopKind::Router, VrfId(2)));
    assert_eq!(bed.id(ip("2001:db8:5::1")), bed.id(ip("50.0.0.1")));
    bed.route("2001:db8:6::/48", Resolution::Router(VrfId(3)));
    assert_eq!(bed.at("2001:db8:6::1").vrf, VrfId(3));
    bed.withdraw("2001:db8:5::/48");
    assert_eq!(bed.kind("50.0.0.1"), NextHopKind::Router);
    bed.withdraw("50.0.0.0/8");
    bed.withdraw("2001:db8:6::/48");
    assert_eq!(bed.in_use(), KEPT);
}
