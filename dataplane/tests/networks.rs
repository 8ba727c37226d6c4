//! Layer-2 networks and tunnels: lane and graph must agree about every packet, and the lane must take the common ones.

mod support;

use dataplane::drop::DropReason;
use dataplane::forwarding::Urpf;
use dataplane::forwarding::network::TunnelKind;
use support::cases::through_both_ways;
use support::overlay::{
    RED_IFACE, RED_MAC, TUNNELS, VNI, change_network, change_tunnel, far, outer, own, stretch,
    wrapped,
};
use support::packet::{Packet, SENDER};
use support::*;
use wire::checksum::{Sum, checksum_v6};
use wire::traffic_class::{Dscp, DscpMode};

/// Through both ways, which must agree; and whether the lane took it.
fn taken(name: &str, packet: &Packet) -> (Outcome, bool) {
    let (outcome, lane) = through_both_ways(name, PORT0, packet, stretch);
    (outcome, lane == 1)
}

/// From the station behind a tunnel to a host beyond our router, on the WAN.
fn inner6(n: usize) -> Packet {
    let packet = Packet::udp6(RED_MAC, "2001:db8:5::99", "2001:db8:2::10", 40);
    packet.from(far(n))
}

fn inner4(n: usize) -> Packet {
    Packet::udp4(RED_MAC, "10.5.0.99", "10.2.0.10", 40).from(far(n))
}

/// Gives the UDP packet in an outer IPv6 or IPv4 packet its right checksum.
fn udp_summed(packet: Packet) -> Packet {
    let is6 = packet.ether_type == 0x86dd;
    let (addresses, l4) = if is6 { (8, 40) } else { (12, 20) };
    let mut sum = Sum::new();
    sum.add(&packet.l3[addresses..]);
    sum.add_u32(17 + (packet.l3.len() - l4) as u32);
    packet.set(l4 + 6, &sum.finish_udp().to_be_bytes())
}

#[test]
fn frames_out_of_every_kind_of_tunnel_are_routed_by_the_lane() {
    for n in 1..=TUNNELS.len() {
        for inner in [inner6(n), inner4(n)] {
            let (outcome, lane) = taken("routed", &outer(n, &inner));
            assert!(lane, "{n}: {outcome:#?}");
            let [(port, sent)] = &outcome.sent[..] else {
                panic!("{n}: {outcome:#?}");
            };
            assert_eq!((*port, &sent[..6]), (PORT1, &HOST[..]));
            let hop_limit = if inner.ether_type == 0x86dd { 7 } else { 8 };
            assert_eq!(sent[14 + hop_limit], 63);
            assert_eq!(outcome.count(&format!("tunnel rx {n} packets")), 1);
            assert_eq!(outcome.count("network rx 1 packets"), 1);
            assert_eq!(
                outcome.count("iface 1 rx6 packets"),
                u64::from(TUNNELS[n - 1].1)
            );
        }
    }
}

#[test]
fn what_outer_headers_may_also_be() {
    let plain = || outer(1, &inner6(1));
    let cases = [
        ("hop limit 1", plain().set(7, &[1])),
        ("hop limit 0", plain().set(7, &[0])),
        ("flow label", plain().set(1, &[0x0a, 0xbc, 0xde])),
        ("padded", plain().padded(7)),
        ("padded inside", {
            let frame = [own(TunnelKind::Vxlan, VNI), inner6(1).padded(9).bytes()].concat();
            wrapped(TunnelKind::Vxlan, true, &frame)
        }),
        ("reserved VXLAN bits", plain().set(48, &[0xf8, 1, 2, 3])),
        ("reserved VXLAN byte", plain().set(55, &[9])),
        ("with a checksum", udp_summed(plain())),
        ("with a checksum, IPv4", udp_summed(outer(2, &inner6(2)))),
        (
            "IPv4, don't fragment",
            outer(2, &inner6(2)).set(6, &[0x40]).summed(),
        ),
        ("IPv4, TTL 1", outer(2, &inner6(2)).set(8, &[1]).summed()),
        (
            "GRE, reserved bits",
            outer(3, &inner6(3)).set(40, &[0x22, 0x18]),
        ),
        (
            "Geneve, critical bit, reserved bits",
            outer(5, &inner6(5)).set(49, &[0x3f]),
        ),
        (
            "congestion on the way",
            outer(1, &inner6(1).set(0, &[0x60, 0x20])).set(1, &[0x30]),
        ),
        (
            "another DSCP on the way",
            outer(1, &inner6(1).set(0, &[0x6b, 0x80])).set(0, &[0x64]),
        ),
        (
            "another DSCP, IPv4",
            outer(4, &inner4(4).set(1, &[0x48]).summed())
                .set(1, &[0xb8])
                .summed(),
        ),
    ];
    for (name, packet) in cases {
        let (outcome, lane) = taken(name, &packet);
        assert!(lane, "{name}: {outcome:#?}");
        assert_eq!(outcome.sent.len(), 1, "{name}: {outcome:#?}");
    }
}

#[test]
fn what_is_odd_about_outer_packets_is_left_to_the_graph() {
    use DropReason::*;
    let plain = || outer(1, &inner6(1));
    let mut wrong_sum = udp_summed(plain());
    wrong_sum.l3[47] ^= 1;
    let cut = |len: usize| {
        let len6 = (len - 40) as u16;
        plain()
            .set(4, &len6.to_be_bytes())
            .set(44, &len6.to_be_bytes())
    };
    let cases = [
        (
            "unknown peer",
            plain().set(23, &[9]),
            Some(TunnelUnknownPeer),
        ),
        ("other port", plain().set(42, &[0, 9]), Some(NoListener)),
        ("no VNI", plain().set(48, &[0]), Some(TunnelMalformed)),
        (
            "other VNI",
            plain().set(54, &[0]),
            Some(TunnelUnknownNetwork),
        ),
        (
            "UDP length below 8",
            plain().set(44, &[0, 7]),
            Some(TunnelMalformed),
        ),
        (
            "UDP length beyond",
            plain().set(44, &[9, 0]),
            Some(TunnelMalformed),
        ),
        ("wrong checksum", wrong_sum, Some(TunnelChecksum)),
        (
            "wrong IPv4 checksum",
            outer(2, &inner6(2)).set(10, &[0]),
            Some(Ip4BadChecksum),
        ),
        (
            "longer than the frame",
            plain().set(4, &[9, 0]),
            Some(Ip6BadLength),
        ),
        (
            "to another MAC",
            plain().to([2, 9, 9, 9, 9, 9]),
            Some(NotOurMac),
        ),
        (
            "from a group",
            plain().from([3, 0, 0, 0, 0, 1]),
            Some(SourceMacMulticast),
        ),
        ("tagged", plain().tagged(&[0]), None),
        ("cut in the UDP header", cut(44), Some(TunnelMalformed)),
        ("cut in the inner link layer", cut(60), Some(FrameTruncated)),
        ("cut in the inner header", cut(80), Some(Ip6Truncated)),
        (
            "fragment",
            outer(2, &inner6(2)).set(6, &[0x20, 0]).summed(),
            None,
        ),
        (
            "GRE with a sequence number",
            {
                let gre = [
                    &[0x30, 0, 0x65, 0x58][..],
                    &VNI.to_be_bytes(),
                    &[0, 0, 0, 1],
                    &inner6(3).bytes(),
                ];
                wrapped(TunnelKind::Gre, true, &gre.concat())
            },
            None,
        ),
        (
            "GRE without a key",
            {
                wrapped(
                    TunnelKind::Gre,
                    true,
                    &[&[0, 0, 0x65, 0x58][..], &inner6(3).bytes()].concat(),
                )
            },
            Some(TunnelUnknownNetwork),
        ),
        (
            "GRE around IPv6",
            outer(3, &inner6(3)).set(42, &[0x86, 0xdd]),
            Some(TunnelUnknownNetwork),
        ),
        (
            "Geneve control",
            outer(5, &inner6(5)).set(49, &[0x80]),
            Some(TunnelUnsupported),
        ),
        (
            "Geneve with an option",
            {
                let rest = [
                    &[1, 0, 0x65, 0x58][..],
                    &(VNI << 8).to_be_bytes(),
                    &[1, 2, 3, 0],
                    &inner6(5).bytes(),
                ];
                wrapped(TunnelKind::Geneve, true, &rest.concat())
            },
            None,
        ),
        (
            "congestion for who cannot know",
            plain().set(1, &[0x30]),
            Some(TunnelEcn),
        ),
        (
            "inner tag",
            outer(1, &inner6(1).tagged(&[5])),
            Some(TunnelInnerTag),
        ),
        (
            "inner version",
            outer(1, &inner6(1).set(0, &[0x40])),
            Some(Ip6BadVersion),
        ),
        (
            "inner ARP",
            outer(1, &inner4(1).ether_type(0x0806)),
            Some(ArpMalformed),
        ),
        (
            "inner source unknown",
            outer(1, &inner6(1).from(SENDER)),
            None,
        ),
        ("inner source elsewhere", outer(1, &inner6(2)), None),
        (
            "inner source ours",
            outer(1, &inner6(1).from(RED_MAC)),
            Some(L2OwnSource),
        ),
        (
            "inner source a group",
            outer(1, &inner6(1).from([3, 0, 0, 0, 0, 1])),
            Some(SourceMacMulticast),
        ),
        (
            "to everybody",
            outer(1, &inner6(1).to([0xff; 6])),
            Some(Ip6UnicastInMulticastFrame),
        ),
        (
            "to an unknown station",
            outer(1, &inner6(1).to(SENDER)),
            None,
        ),
        (
            "to another tunnel",
            outer(1, &inner6(1).to(far(2))),
            Some(L2SplitHorizon),
        ),
        (
            "to the same tunnel",
            outer(1, &inner6(1).to(far(1))),
            Some(L2SamePlace),
        ),
    ];
    for (name, packet, reason) in cases {
        let (outcome, lane) = taken(name, &packet);
        assert!(!lane, "{name}: {outcome:#?}");
        let reasons: Vec<_> = reason.iter().map(|reason| reason.label()).collect();
        let dropped = outcome
            .drops()
            .into_iter()
            .filter(|name| reasons.contains(name));
        assert_eq!(dropped.count(), reasons.len(), "{name}: {outcome:#?}");
    }
}

#[test]
fn inner_packets_that_ask_for_more_take_the_graph_from_where_they_are() {
    let to = |address: &str| Packet::udp6(RED_MAC, "2001:db8:5::99", address, 40).from(far(1));
    let cases = [
        ("hop limit 1", inner6(1).set(7, &[1])),
        ("no route", to("2001:db9::1")),
        ("for us", to("2001:db8:5::1")),
        ("to be resolved", to("2001:db8:2::77")),
        ("link-local", to("fe80::9")),
        ("extension header", inner6(1).set(6, &[60])),
        (
            "too big for the WAN",
            Packet::udp6(RED_MAC, "2001:db8:5::99", "2001:db8:2::10", 1380).from(far(1)),
        ),
        (
            "too big for the network",
            Packet::udp6(RED_MAC, "2001:db8:5::99", "2001:db8:2::10", 1410).from(far(1)),
        ),
        ("IPv4 options", inner4(1).options(&[1, 1, 1, 1])),
        ("back into the network", to("2001:db8:5::13")),
    ];
    for (name, inner) in cases {
        let (outcome, _) = taken(name, &outer(1, &inner));
        assert_eq!(
            outcome.count("tunnel rx 1 packets"),
            1,
            "{name}: {outcome:#?}"
        );
    }
}

#[test]
fn what_tunnels_networks_and_interfaces_are_told_to_do_the_lane_does() {
    type Case = (&'static str, fn(&mut World), Packet, bool);
    let cases: [Case; 9] = [
        (
            "checksums wanted",
            |world| {
                stretch(world);
                change_tunnel(world, 1, |tunnel| tunnel.checksum = true);
            },
            outer(1, &inner6(1)),
            false,
        ),
        (
            "checksums wanted and there",
            |world| {
                stretch(world);
                change_tunnel(world, 1, |tunnel| tunnel.checksum = true);
            },
            udp_summed(outer(1, &inner6(1))),
            true,
        ),
        (
            "DSCP of its own",
            |world| {
                stretch(world);
                change_tunnel(world, 1, |tunnel| {
                    tunnel.dscp = DscpMode::Pipe(Dscp::of(0xb8))
                });
            },
            outer(1, &inner6(1)).set(0, &[0x6b, 0x80]),
            true,
        ),
        (
            "no learning, unknown source",
            |world| {
                stretch(world);
                change_network(world, |network| network.learning = false);
            },
            outer(1, &inner6(1).from(SENDER)),
            true,
        ),
        (
            "not a member",
            |world| {
                stretch(world);
                change_network(world, |network| {
                    network
                        .segments
                        .retain(|segment| segment.kind != TunnelKind::Vxlan)
                });
            },
            outer(1, &inner6(1)),
            false,
        ),
        (
            "reverse path check",
            |world| {
                stretch(world);
                world.change(RED_IFACE, |red| red.urpf6 = Urpf::Loose);
            },
            outer(1, &inner6(1)),
            false,
        ),
        (
            "no IPv6 outside",
            |world| {
                stretch(world);
                world.change(LAN, |lan| lan.ip6 = false);
            },
            outer(1, &inner6(1)),
            false,
        ),
        (
            "no IPv4 inside",
            |world| {
                stretch(world);
                world.change(RED_IFACE, |red| red.ip4 = false);
            },
            outer(1, &inner4(1)),
            false,
        ),
        (
            "another UDP port",
            |world| {
                stretch(world);
                change_tunnel(world, 1, |tunnel| tunnel.port = 8472);
            },
            outer(1, &inner6(1)).set(42, &8472_u16.to_be_bytes()),
            true,
        ),
    ];
    for (name, prepare, packet, in_lane) in cases {
        let (outcome, lane) = through_both_ways(name, PORT0, &packet, prepare);
        assert_eq!(lane == 1, in_lane, "{name}: {outcome:#?}");
    }
}

#[test]
fn our_address_that_is_not_routed_to_us_opens_no_tunnel() {
    let (outcome, lane) = through_both_ways("moved away", PORT0, &outer(1, &inner6(1)), |world| {
        stretch(world);
        let away = world.lookup6("2001:db8:1::10");
        world.route("2001:db8:2::1", 128, away);
    });
    assert_eq!(lane, 1, "as transit");
    assert_eq!(outcome.sent[0].0, PORT0, "{outcome:#?}");
    assert_eq!(outcome.count("tunnel rx 1 packets"), 0);
}

#[test]
fn the_checksum_helper_is_right() {
    let packet = udp_summed(outer(1, &inner6(1)));
    let address = |at: usize| {
        <[u8; 16]>::try_from(&packet.l3[at..at + 16])
            .unwrap()
            .into()
    };
    let mut udp = packet.l3[40..].to_vec();
    let sum = [udp[6], udp[7]];
    udp[6..8].fill(0);
    let want = checksum_v6(&address(8), &address(24), wire::Protocol::UDP, &udp);
    assert_eq!(u16::from_be_bytes(sum), want);
}
