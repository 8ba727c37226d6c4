//! Flooding by a multicast group of the underlay, by lane and graph alike.

mod support;

use std::net::IpAddr;

use dataplane::drop::DropReason;
use dataplane::forwarding::Tunnel;
use dataplane::forwarding::network::TunnelKind;
use support::cases::through_both_ways;
use support::overlay::{A, VNI, change_network, change_tunnel, ends, far, outer, own, stretch};
use support::packet::{Packet, ethernet};
use support::*;
use tables::id::TunnelId;

/// The tunnels to the group, beside those to the peers: VXLAN over IPv6, or over IPv4.
const GROUP: TunnelId = TunnelId(6);
const BROADCAST: [u8; 6] = [0xff; 6];

fn group(is6: bool) -> IpAddr {
    let group = if is6 { "ff05::77" } else { "239.129.2.77" };
    group.parse().unwrap()
}

fn group_mac(is6: bool) -> [u8; 6] {
    match is6 {
        // RFC 2464 section 7.
        true => [0x33, 0x33, 0, 0, 0, 0x77],
        // RFC 1112 section 6.4: 23 bits of the group.
        false => [1, 0, 0x5e, 1, 2, 77],
    }
}

/// VXLAN floods by the group, whose packets leave and come by the VLAN's interface.
fn by_group(world: &mut World, is6: bool) {
    stretch(world);
    world.configure(|forwarding| {
        let like = forwarding
            .networks
            .tunnel(TunnelId(if is6 { 1 } else { 2 }));
        let group = Tunnel {
            id: GROUP,
            remote: group(is6),
            out: Some(VLAN),
            hop_limit: 9,
            ..like.unwrap().clone()
        };
        forwarding.networks.insert_tunnel(group);
    });
    change_network(world, |network| network.segments[0].flood = Some(GROUP));
}

fn by6(world: &mut World) {
    by_group(world, true);
}

fn by4(world: &mut World) {
    by_group(world, false);
}

#[test]
fn what_goes_everywhere_goes_to_the_group_once() {
    for (is6, prepare) in [(true, by6 as fn(&mut World)), (false, by4)] {
        for to in [BROADCAST, [2, 9, 9, 9, 9, 9]] {
            let frame = Packet::udp6(to, "2001:db8:5::10", "2001:db8:5::77", 40).from(A);
            let tagged = frame.clone().tagged(&[500]);
            let (outcome, _) = through_both_ways("flood", PORT1, &tagged, prepare);
            // To two places on devices, to the group, to two peers of GRE and one of Geneve.
            assert_eq!(outcome.sent.len(), 6, "{outcome:#?}");
            assert_eq!(outcome.count("tunnel tx 6 packets"), 1);
            for peer in [1, 2] {
                let name = format!("tunnel tx {peer} packets");
                assert_eq!(outcome.count(&name), 0, "the group is for them");
            }
            let link = ethernet(
                group_mac(is6),
                MAC1,
                &[100],
                if is6 { 0x86dd } else { 0x0800 },
            );
            let to_group = outcome
                .sent
                .iter()
                .filter(|(_, sent)| sent.starts_with(&link));
            let [(port, packed)] = &to_group.collect::<Vec<_>>()[..] else {
                panic!("{outcome:#?}");
            };
            assert_eq!(*port, PORT1);
            let packet = &packed[link.len()..];
            let (hop_limit, destination, ip) = match is6 {
                true => (packet[7], &packet[24..40], 40),
                false => (packet[8], &packet[16..20], 20),
            };
            let octets: Vec<u8> = match group(is6) {
                IpAddr::V6(group) => group.octets().to_vec(),
                IpAddr::V4(group) => group.octets().to_vec(),
            };
            assert_eq!((hop_limit, destination), (9, &octets[..]));
            let inner = [own(TunnelKind::Vxlan, VNI), frame.bytes()].concat();
            assert_eq!(packet[ip + 8..], inner);
        }
        // Who is known is sent to alone.
        let known = Packet::udp6(far(1), "2001:db8:5::10", "2001:db8:5::77", 40).from(A);
        let (outcome, lane) = through_both_ways("known", PORT1, &known.tagged(&[500]), prepare);
        assert_eq!((lane, outcome.count("tunnel tx 1 packets")), (1, 1));
    }
}

#[test]
fn what_does_not_fit_the_groups_path_is_dropped() {
    fn narrow(world: &mut World) {
        by6(world);
        change_tunnel(world, GROUP.0, |tunnel| tunnel.mtu = 1300);
    }
    let long = Packet::udp6([2, 9, 9, 9, 9, 9], "2001:db8:5::10", "2001:db8:5::77", 1200).from(A);
    let (outcome, _) = through_both_ways("long", PORT1, &long.tagged(&[500]), narrow);
    assert_eq!(outcome.drops(), [DropReason::TunnelTooBig.label()]);
    assert_eq!(outcome.count("tunnel 6 too big"), 1);
}

/// What a peer sends to the group: as `outer`, with another destination.
fn to_group(is6: bool, frame: &Packet) -> Packet {
    let packet = outer(if is6 { 1 } else { 2 }, frame).to(group_mac(is6));
    match group(is6) {
        IpAddr::V6(group) => packet.set(24, &group.octets()),
        IpAddr::V4(group) => packet.set(16, &group.octets()).summed(),
    }
}

#[test]
fn what_comes_to_the_group_is_taken_from_peers_alone_and_by_its_interface() {
    for (is6, prepare) in [(true, by6 as fn(&mut World)), (false, by4)] {
        let from = far(if is6 { 1 } else { 2 });
        let frame = |to| Packet::udp6(to, "2001:db8:5::66", "2001:db8:5::77", 40).from(from);
        let heard = |name: &str, packet: &Packet, vids: &[u16]| {
            let tagged = packet.clone().tagged(vids);
            through_both_ways(name, PORT1, &tagged, prepare).0
        };
        let outcome = heard("unicast", &to_group(is6, &frame(A)), &[100]);
        assert_eq!(outcome.sent.len(), 1, "{outcome:#?}");
        let outcome = heard("broadcast", &to_group(is6, &frame(BROADCAST)), &[100]);
        assert_eq!(
            outcome.sent.len(),
            3,
            "to the places on devices: {outcome:#?}"
        );
        assert_eq!(outcome.heard, [], "the station is where the peer is");
        let [_, peer] = ends(is6);
        let other = match peer.parse().unwrap() {
            IpAddr::V6(_) => to_group(is6, &frame(A)).set(23, &[0x66]),
            IpAddr::V4(_) => to_group(is6, &frame(A)).set(15, &[0x66]).summed(),
        };
        let outcome = heard("stranger", &other, &[100]);
        assert_eq!(outcome.drops(), [DropReason::TunnelUnknownPeer.label()]);
        let key = if is6 { 40 } else { 20 } + 8 + 6;
        let outcome = heard(
            "identifier",
            &to_group(is6, &frame(A)).set(key, &[0xee]),
            &[100],
        );
        assert_eq!(outcome.drops(), [DropReason::TunnelUnknownNetwork.label()]);
        let no_group = match is6 {
            true => DropReason::Ip6NoGroup,
            false => DropReason::Ip4NoGroup,
        };
        let outcome = heard("another interface", &to_group(is6, &frame(A)), &[]);
        assert_eq!(outcome.drops(), [no_group.label()]);
        // A network that floods in copies takes nothing from the group.
        let (outcome, _) = through_both_ways(
            "no member",
            PORT1,
            &to_group(is6, &frame(A)).tagged(&[100]),
            match is6 {
                true => |world: &mut World| {
                    by6(world);
                    change_network(world, |network| network.segments[0].flood = None);
                },
                false => |world: &mut World| {
                    by4(world);
                    change_network(world, |network| network.segments[0].flood = None);
                },
            },
        );
        assert_eq!(outcome.drops(), [DropReason::TunnelNotMember.label()]);
    }
}
