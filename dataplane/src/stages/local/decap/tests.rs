use etherparse::PacketBuilder;
use tables::id::{AnchorId, IfaceId, PortId, TunnelId, VrfId};
use wire::traffic_class::DscpMode;

use super::*;
use crate::forwarding::network::{Local, Segment};
use crate::forwarding::{Interface, MacAddr, Network, Tags};
use crate::stages::testbed::{LAN, PEER_MAC, Testbed, WAN, WAN_MAC, framed, udp};

const RED: NetworkId = NetworkId(3);
const GREEN: NetworkId = NetworkId(4);
const VNI: u32 = 0x12_3456;
const OTHER_VNI: u32 = 9;
const A: MacAddr = [2, 0, 0, 0, 0xa, 1];
const FAR: MacAddr = [2, 0, 0, 0, 0xf, 1];
const OWN6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const PEER6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77];
const P2P: IfaceId = IfaceId(7);

fn tunnel(id: u16, kind: TunnelKind, remote: [u8; 16]) -> Tunnel {
    Tunnel {
        id: TunnelId(id),
        kind,
        vrf: VrfId(0),
        local: OWN6.into(),
        remote: remote.into(),
        out: None,
        port: match kind {
            TunnelKind::Vxlan => 4789,
            TunnelKind::Geneve => 6081,
            TunnelKind::Gre => 0,
        },
        hop_limit: 64,
        dscp: DscpMode::Uniform,
        checksum: true,
        mtu: 1500,
    }
}

/// RED on the LAN's device and stretched to the peer by all three kinds; GREEN stretched to another peer.
fn bed() -> Testbed {
    let mut bed = Testbed::new();
    let mut at = AttachId(0);
    bed.configure(|forwarding| {
        let local = Local {
            network: RED,
            port: LAN,
            tags: Tags::None,
            anchor: AnchorId(0),
        };
        at = forwarding.attach(1, local);
        let kinds = [TunnelKind::Vxlan, TunnelKind::Geneve, TunnelKind::Gre];
        let mut segments = Vec::new();
        for (n, kind) in (1..).zip(kinds) {
            forwarding.networks.insert_tunnel(tunnel(n, kind, PEER6));
            segments.push(Segment {
                kind,
                vni: VNI,
                tunnels: [TunnelId(n)].into(),
                flood: None,
            });
        }
        let mut elsewhere = PEER6;
        elsewhere[15] = 0x78;
        forwarding
            .networks
            .insert_tunnel(tunnel(4, TunnelKind::Vxlan, elsewhere));
        forwarding.networks.insert(Network {
            local: vec![at],
            segments,
            ..Network::new(RED)
        });
        forwarding.networks.insert(Network {
            segments: vec![Segment {
                kind: TunnelKind::Vxlan,
                vni: OTHER_VNI,
                tunnels: [TunnelId(4)].into(),
                flood: None,
            }],
            ..Network::new(GREEN)
        });
        forwarding.networks.insert_routed(TunnelId(3), Some(5), P2P);
        let mut p2p = Interface::new(P2P, PortId::TUNNEL, Tags::None, [0; 6], VrfId(0));
        p2p.tunnel = Some((TunnelId(3), Some(5)));
        forwarding.insert(p2p);
    });
    bed.stations.insert(RED, A, at, false, 0).unwrap();
    bed
}

fn inner() -> Vec<u8> {
    framed(A, FAR, &udp("2001:db8:5::f", "2001:db8:5::a", 64, 40))
}

/// A frame from the underlay's router with a UDP packet to our address; etherparse computes its checksum.
fn in_udp(from: [u8; 16], port: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv6(from, OWN6, 60)
        .udp(50_000, port)
        .write(&mut packet, payload)
        .unwrap();
    framed(WAN_MAC, PEER_MAC, &packet)
}

fn in_gre(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv6(PEER6, OWN6, 60)
        .write(&mut packet, etherparse::IpNumber::GRE, payload)
        .unwrap();
    framed(WAN_MAC, PEER_MAC, &packet)
}

fn vxlan(vni: u32, frame: &[u8]) -> Vec<u8> {
    [&[8, 0, 0, 0], &(vni << 8).to_be_bytes()[..], frame].concat()
}

#[test]
fn a_frame_comes_out_as_it_went_in_and_its_sender_is_heard() {
    let geneve = |options: &[u8]| {
        let header = [
            (options.len() / 4) as u8,
            0,
            0x65,
            0x58,
            0x12,
            0x34,
            0x56,
            0,
        ];
        [&header[..], options, &inner()].concat()
    };
    let gre = |flags: u8, rest: &[u8]| [&[flags, 0, 0x65, 0x58][..], rest, &inner()].concat();
    let key = VNI.to_be_bytes();
    let cases = [
        (in_udp(PEER6, 4789, &vxlan(VNI, &inner())), 1),
        (in_udp(PEER6, 6081, &geneve(&[])), 2),
        // An option that need not be known.
        (in_udp(PEER6, 6081, &geneve(&[1, 2, 3, 0])), 2),
        (in_gre(&gre(0x20, &key)), 3),
        // With a sequence number.
        (in_gre(&gre(0x30, &[key, [0, 0, 0, 7]].concat())), 3),
    ];
    for (n, (frame, id)) in cases.into_iter().enumerate() {
        let mut bed = bed();
        bed.receive(WAN, &[&frame]);
        assert_eq!(bed.sent(LAN), [inner()], "{n}: {:?}", bed.drops());
        let heard = bed.heard.pop().unwrap();
        let from = AttachId::of(Place::Tunnel(TunnelId(id)));
        assert_eq!(
            (heard.network, heard.mac, heard.at),
            (RED, FAR, from),
            "{n}"
        );
        assert_eq!(bed.w.counters.tunnel(TunnelId(id)).rx.get().packets, 1);
        bed.silent();
    }
}

#[test]
fn what_routers_said_on_the_way_is_told_inside() {
    let mut bed = bed();
    let mut frame = in_udp(PEER6, 4789, &vxlan(VNI, &inner()));
    // The outer packet: DSCP 46, CE; the inner one does not know ECN.
    (frame[14], frame[15]) = (0x6b, 0xb0 | frame[15] & 0xf);
    bed.receive(WAN, &[&frame]);
    assert_eq!(bed.drops(), [(DropReason::TunnelEcn, 1)]);
    let mut aware = inner();
    aware[15] |= 0x20;
    let mut frame = in_udp(PEER6, 4789, &vxlan(VNI, &aware));
    (frame[14], frame[15]) = (0x6b, 0xb0 | frame[15] & 0xf);
    bed.receive(WAN, &[&frame]);
    let sent = bed.sent(LAN);
    assert_eq!(sent.len(), 1, "{:?}", bed.drops());
    assert_eq!(sent[0][14..16], [0x6b, 0xb0]);
}

#[test]
fn what_is_not_from_a_peer_for_its_network_is_dropped_by_name() {
    use DropReason::*;
    let mut stranger = PEER6;
    stranger[15] = 0x99;
    let mut elsewhere = PEER6;
    elsewhere[15] = 0x78;
    let tagged = [&inner()[..12], &[0x81, 0, 0, 5], &inner()[12..]].concat();
    let no_flag = [&[0; 4], &(VNI << 8).to_be_bytes()[..], &inner()].concat();
    let critical = [
        &[1, 0, 0x65, 0x58, 0x12, 0x34, 0x56, 0, 0, 1, 0x80, 0][..],
        &inner(),
    ]
    .concat();
    let oam = [&[0, 0x80, 0x65, 0x58, 0x12, 0x34, 0x56, 0][..], &inner()].concat();
    let gre = |flags: u8, protocol: [u8; 2], rest: &[u8]| {
        in_gre(&[&[flags, 0], &protocol[..], rest, &inner()].concat())
    };
    let key = VNI.to_be_bytes();
    let mut bad_sum = in_udp(PEER6, 4789, &vxlan(VNI, &inner()));
    bad_sum[14 + 46] ^= 1;
    let mut no_sum = in_udp(PEER6, 4789, &vxlan(VNI, &inner()));
    no_sum[14 + 46..14 + 48].fill(0);
    let cases = [
        (
            in_udp(stranger, 4789, &vxlan(VNI, &inner())),
            TunnelUnknownPeer,
        ),
        (
            in_udp(PEER6, 4789, &vxlan(77, &inner())),
            TunnelUnknownNetwork,
        ),
        // A peer of ours, but of another network: tenants stay apart.
        (
            in_udp(PEER6, 4789, &vxlan(OTHER_VNI, &inner())),
            TunnelNotMember,
        ),
        (
            in_udp(elsewhere, 4789, &vxlan(VNI, &inner())),
            TunnelNotMember,
        ),
        (in_udp(PEER6, 4789, &vxlan(VNI, &tagged)), TunnelInnerTag),
        (
            in_udp(PEER6, 4789, &vxlan(VNI, &inner()[..9])),
            FrameTruncated,
        ),
        (in_udp(PEER6, 4789, &[8, 0, 0]), TunnelMalformed),
        (in_udp(PEER6, 4789, &no_flag), TunnelMalformed),
        (in_udp(PEER6, 6081, &critical), TunnelUnsupported),
        (in_udp(PEER6, 6081, &oam), TunnelUnsupported),
        (
            in_udp(PEER6, 6081, &[0x40, 0, 0x65, 0x58, 0, 0, 1, 0]),
            TunnelMalformed,
        ),
        (gre(0x40, [0x65, 0x58], &[]), TunnelMalformed),
        (gre(0x24, [0x65, 0x58], &key), TunnelMalformed),
        (gre(0, [0x65, 0x58], &[]), TunnelUnknownNetwork),
        (gre(0x20, [0x88, 0xbe], &key), TunnelUnsupported),
        (gre(0x20, [0x86, 0xdd], &key), TunnelUnknownNetwork),
        (
            gre(
                0xa0,
                [0x65, 0x58],
                &[&[0xbe, 0xef, 0, 0][..], &key].concat(),
            ),
            TunnelChecksum,
        ),
        (bad_sum, TunnelChecksum),
        (no_sum.clone(), TunnelChecksum),
    ];
    for (n, (frame, reason)) in cases.into_iter().enumerate() {
        let mut bed = bed();
        bed.receive(WAN, &[&frame]);
        bed.silent();
        assert_eq!(bed.drops(), [(reason, 1)], "case {n}");
    }
    // Where the tunnel does without, none is needed.
    let mut bed = bed();
    bed.configure(|forwarding| {
        let mut vxlan = forwarding.networks.tunnel(TunnelId(1)).unwrap().clone();
        vxlan.checksum = false;
        forwarding.networks.insert_tunnel(vxlan);
    });
    bed.receive(WAN, &[&no_sum]);
    assert_eq!(bed.sent(LAN), [inner()], "{:?}", bed.drops());
}

#[test]
fn peers_are_not_connected_with_each_other() {
    let mut bed = bed();
    let third: MacAddr = [2, 0, 0, 0, 0xe, 1];
    let behind = AttachId::of(Place::Tunnel(TunnelId(2)));
    bed.stations.insert(RED, third, behind, false, 0).unwrap();
    let frame = framed(third, FAR, &udp("2001:db8:5::f", "2001:db8:5::e", 64, 8));
    bed.receive(WAN, &[&in_udp(PEER6, 4789, &vxlan(VNI, &frame))]);
    bed.silent();
    assert_eq!(bed.drops(), [(DropReason::L2SplitHorizon, 1)]);
    // To all: those on this node alone.
    let frame = framed(
        [0xff; 6],
        FAR,
        &udp("2001:db8:5::f", "2001:db8:5::e", 64, 8),
    );
    bed.receive(WAN, &[&in_udp(PEER6, 4789, &vxlan(VNI, &frame))]);
    assert_eq!(bed.sent(LAN), [frame]);
    bed.silent();
}

#[test]
fn a_packet_in_gre_comes_in_by_the_interface_that_the_tunnel_is() {
    let mut bed = bed();
    let packet = udp("2001:db8:9::1", "2001:db8:1::10", 64, 40);
    bed.configure(|forwarding| {
        // The host of the testbed is on the LAN's own interface again.
        let lan = forwarding.interface(IfaceId(1)).unwrap().clone();
        forwarding.insert(lan);
    });
    bed.receive(
        WAN,
        &[&in_gre(
            &[&[0x20, 0, 0x86, 0xdd, 0, 0, 0, 5][..], &packet].concat(),
        )],
    );
    let sent = bed.sent(LAN);
    assert_eq!(sent.len(), 1, "{:?}", bed.drops());
    assert_eq!((sent[0][14 + 7], &sent[0][14 + 8..]), (63, &packet[8..]));
    assert_eq!(bed.w.counters.interface(P2P).rx6.get().packets, 1);
}
