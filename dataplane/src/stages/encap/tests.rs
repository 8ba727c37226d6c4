use std::net::IpAddr;

use tables::id::{AnchorId, AttachId, IfaceId, PortId, VrfId};
use wire::checksum;
use wire::traffic_class::{Dscp, DscpMode};

use super::*;
use crate::forwarding::network::{Local, Segment, TunnelKind};
use crate::forwarding::{Interface, MacAddr, Network, Tags};
use crate::stages::testbed::{
    HOST_MAC, LAN, LAN_MAC, PEER_MAC, Testbed, WAN, WAN_MAC, framed, tcp, udp,
};

const RED: NetworkId = NetworkId(3);
const TUNNEL: TunnelId = TunnelId(2);
const A: MacAddr = [2, 0, 0, 0, 0xa, 1];
const FAR: MacAddr = [2, 0, 0, 0, 0xf, 1];
/// The testbed has routes to both by its peer on the WAN.
const REMOTE6: &str = "2001:db8:2::77";
const REMOTE4: &str = "198.51.100.77";
/// The WAN's MTU is 1,280: what is longer is too big for the path.
const PATH: u16 = 1280;

fn tunnel(kind: TunnelKind, local: &str, remote: &str) -> Tunnel {
    Tunnel {
        id: TUNNEL,
        kind,
        vrf: VrfId(0),
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
        out: None,
        port: if kind == TunnelKind::Gre { 0 } else { 4789 },
        hop_limit: 64,
        dscp: DscpMode::Uniform,
        checksum: true,
        mtu: PATH,
    }
}

/// RED: A untagged on the LAN's device, FAR behind the tunnel.
fn bed(tunnel: Tunnel) -> Testbed {
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
        let segment = Segment {
            kind: tunnel.kind,
            vni: 0x12_3456,
            tunnels: [TUNNEL].into(),
            flood: None,
        };
        forwarding.networks.insert_tunnel(tunnel);
        forwarding.networks.insert(Network {
            local: vec![at],
            segments: vec![segment],
            ..Network::new(RED)
        });
    });
    let far = AttachId::of(Place::Tunnel(TUNNEL));
    bed.stations.insert(RED, A, at, false, 0).unwrap();
    bed.stations.insert(RED, FAR, far, false, 0).unwrap();
    bed
}

fn inner(len: usize) -> Vec<u8> {
    let mut packet = udp("2001:db8:5::a", "2001:db8:5::f", 64, len);
    // DSCP 10, ECT(0).
    (packet[0], packet[1]) = (0x62, 0xa0 | packet[1] & 0xf);
    framed(FAR, A, &packet)
}

/// The outer packet that a frame became, its link-layer header looked at.
fn packed(bed: &mut Testbed, frame: &[u8]) -> Vec<u8> {
    bed.receive(LAN, &[frame]);
    let mut sent = bed.sent(WAN);
    assert_eq!(sent.len(), 1, "{:?}", bed.drops());
    let frame = sent.remove(0);
    assert_eq!((&frame[..6], &frame[6..12]), (&PEER_MAC[..], &WAN_MAC[..]));
    let ether_type = if frame[14] >> 4 == 6 {
        [0x86, 0xdd]
    } else {
        [8, 0]
    };
    assert_eq!(frame[12..14], ether_type);
    frame[14..].to_vec()
}

#[test]
fn vxlan_over_ipv6_is_as_rfc_7348_has_it() {
    let mut bed = bed(tunnel(TunnelKind::Vxlan, "2001:db8:1::1", REMOTE6));
    let frame = inner(40);
    let outer = packed(&mut bed, &frame);
    assert_eq!(outer.len(), 40 + 8 + 8 + frame.len());
    let word = u32::from_be_bytes(outer[..4].try_into().unwrap());
    assert_eq!((word >> 28, word >> 20 & 0xff), (6, 10 << 2 | 2));
    assert_ne!(word & 0xf_ffff, 0, "the flow label spreads");
    assert_eq!(
        u16::from_be_bytes([outer[4], outer[5]]) as usize,
        outer.len() - 40
    );
    assert_eq!(outer[6..8], [17, 64]);
    let addresses: [IpAddr; 2] = ["2001:db8:1::1", REMOTE6].map(|a| a.parse().unwrap());
    let [IpAddr::V6(local), IpAddr::V6(remote)] = addresses else {
        panic!("IPv6");
    };
    assert_eq!(
        (&outer[8..24], &outer[24..40]),
        (&local.octets()[..], &remote.octets()[..])
    );
    let source = u16::from_be_bytes([outer[40], outer[41]]);
    assert!(49152 <= source, "{source}");
    assert_eq!(outer[42..44], 4789_u16.to_be_bytes());
    assert!(checksum::is_valid_v6(
        &local,
        &remote,
        wire::Protocol::UDP,
        &outer[40..]
    ));
    assert_eq!(outer[48..56], [8, 0, 0, 0, 0x12, 0x34, 0x56, 0]);
    assert_eq!(outer[56..], frame);
    // The same flow takes the same way, another may take another.
    assert_eq!(packed(&mut bed, &frame)[40..42], source.to_be_bytes());
    let mut other = frame.clone();
    other[14 + 40] ^= 1;
    assert_ne!(packed(&mut bed, &other)[40..42], source.to_be_bytes());
    let counted = bed.w.counters.tunnel(TUNNEL).tx.get();
    assert_eq!(
        (counted.packets, counted.bytes),
        (3, 3 * outer.len() as u64)
    );
}

#[test]
fn vxlan_over_ipv4_without_checksum_and_geneve_and_gre() {
    let mut vxlan = tunnel(TunnelKind::Vxlan, "192.0.2.1", REMOTE4);
    (vxlan.checksum, vxlan.dscp) = (false, DscpMode::Pipe(Dscp::try_from(46).unwrap()));
    let frame = inner(40);
    let outer = packed(&mut bed(vxlan), &frame);
    assert_eq!(outer[..2], [0x45, 46 << 2 | 2]);
    assert_eq!(
        u16::from_be_bytes([outer[2], outer[3]]) as usize,
        outer.len()
    );
    assert_eq!((outer[6], outer[8], outer[9]), (0x40, 64, 17));
    assert!(checksum::is_valid(&outer[..20]));
    assert_eq!(outer[12..20], [192, 0, 2, 1, 198, 51, 100, 77]);
    assert_eq!(outer[26..28], [0, 0], "no checksum");
    assert_eq!(
        (&outer[28..36], &outer[36..]),
        (&[8, 0, 0, 0, 0x12, 0x34, 0x56, 0][..], &frame[..])
    );

    let outer = packed(
        &mut bed(tunnel(TunnelKind::Geneve, "192.0.2.1", REMOTE4)),
        &frame,
    );
    assert_ne!(outer[26..28], [0, 0]);
    let geneve = [0, 0, 0x65, 0x58, 0x12, 0x34, 0x56, 0];
    assert_eq!((&outer[28..36], &outer[36..]), (&geneve[..], &frame[..]));

    let outer = packed(
        &mut bed(tunnel(TunnelKind::Gre, "2001:db8:1::1", REMOTE6)),
        &frame,
    );
    assert_eq!(outer[6], 47);
    let gre = [0x20, 0, 0x65, 0x58, 0, 0x12, 0x34, 0x56];
    assert_eq!((&outer[40..48], &outer[48..]), (&gre[..], &frame[..]));
}

#[test]
fn what_does_not_fit_the_path_is_dropped_and_counted() {
    let mut bed = bed(tunnel(TunnelKind::Vxlan, "2001:db8:1::1", REMOTE6));
    let fits = usize::from(PATH) - 56 - 14 - 48;
    assert_eq!(packed(&mut bed, &inner(fits)).len(), usize::from(PATH));
    bed.receive(LAN, &[&inner(fits + 1)]);
    bed.silent();
    assert_eq!(bed.drops(), [(DropReason::TunnelTooBig, 1)]);
    assert_eq!(bed.w.counters.tunnel(TUNNEL).too_big.get(), 1);
    drop(bed);
    // A peer that is said to be reached by more than the way to it carries: known at once by the next hop, and by the route
    // stage otherwise. Over IPv4 too, nobody is told and nothing is fragmented.
    for (local, remote) in [("2001:db8:1::1", REMOTE6), ("192.0.2.1", REMOTE4)] {
        let mut wide = tunnel(TunnelKind::Vxlan, local, remote);
        wide.mtu = 1500;
        let mut bed = self::bed(wide);
        bed.receive(LAN, &[&inner(fits + 21)]);
        bed.silent();
        assert_eq!(bed.drops(), [(DropReason::TunnelTooBig, 1)], "{remote}");
        assert_eq!(bed.w.counters.tunnel(TUNNEL).too_big.get(), 1);
    }
}

#[test]
fn an_outer_packet_without_a_neighbour_waits_as_one_of_ours() {
    let mut bed = bed(tunnel(TunnelKind::Vxlan, "2001:db8:1::1", "2001:db8:1::99"));
    bed.receive(LAN, &[&inner(40)]);
    bed.silent();
    assert_eq!((bed.drops(), bed.w.hold.len()), (vec![], 1));
    assert_eq!(
        bed.punted_classes(),
        [crate::punt::PuntClass::Resolve],
        "the peer's address is asked for"
    );
    drop(bed);
    // No route at all.
    let mut bed = self::bed(tunnel(
        TunnelKind::Vxlan,
        "2001:db8:1::1",
        "2001:db8:ffff::1",
    ));
    bed.receive(LAN, &[&inner(40)]);
    bed.silent();
    assert_eq!(bed.drops(), [(DropReason::Ip6NoRoute, 1)]);
}

#[test]
fn a_tunnel_that_leads_into_itself_ends() {
    let mut bed = bed(tunnel(TunnelKind::Gre, "192.0.2.1", "10.5.0.15"));
    // The peer is a station of the network that the tunnel carries.
    let iface = IfaceId(6);
    bed.configure(|forwarding| {
        let mut router = Interface::new(
            iface,
            PortId::NETWORK,
            Tags::None,
            [2, 0, 0, 0, 6, 1],
            VrfId(0),
        );
        router.network = RED;
        forwarding.insert(router);
    });
    let mut next_hop = NextHop::of_kind(NextHopKind::Bridge);
    next_hop.header[..6].copy_from_slice(&FAR);
    next_hop.header_len = 14;
    (next_hop.iface, next_hop.port, next_hop.mtu) = (iface, PortId::NETWORK, 1500);
    bed.route("10.5.0.15", 32, next_hop);
    bed.receive(LAN, &[&inner(40)]);
    bed.silent();
    assert_eq!(bed.drops(), [(DropReason::TunnelDepth, 1)]);
}

/// Bytes of payload of TCP segments over IPv6, whose checksums are right.
fn segments(packets: &[&[u8]]) -> Vec<usize> {
    let payload = |packet: &&[u8]| {
        let address = |at: usize| std::net::Ipv6Addr::from(*packet[at..].first_chunk().unwrap());
        let (source, destination) = (address(8), address(24));
        let protocol = wire::Protocol::TCP;
        let right = checksum::is_valid_v6(&source, &destination, protocol, &packet[40..]);
        assert!(right, "a segment's checksum");
        packet.len() - 60
    };
    packets.iter().map(payload).collect()
}

#[test]
fn a_batch_of_segments_is_cut_before_it_is_packed() {
    let mut bed = bed(tunnel(TunnelKind::Vxlan, "2001:db8:1::1", REMOTE6));
    let packet = tcp("2001:db8:5::a", "2001:db8:5::f", 1800);
    // To a known station, and to one that nobody has heard of: to everyone.
    for to in [FAR, [2, 0, 0, 0, 0xf, 2]] {
        bed.receive_unfinished(LAN, &framed(to, A, &packet), Some(700));
        let sent = bed.sent(WAN);
        let inner: Vec<&[u8]> = sent.iter().map(|f| &f[14 + 56 + 14..]).collect();
        assert_eq!(segments(&inner), [700, 700, 400], "{:?}", bed.drops());
    }
    // Nobody is told the MTU of a path within a network.
    bed.receive_unfinished(LAN, &framed(FAR, A, &packet), Some(1200));
    assert_eq!(bed.sent(WAN).len(), 1, "the rest of 600 bytes fits");
    assert_eq!(bed.drops(), [(DropReason::TunnelTooBig, 1)]);
}

#[test]
fn packets_of_an_interface_that_is_a_gre_tunnel_go_as_they_are() {
    let gre = tunnel(TunnelKind::Gre, "192.0.2.1", REMOTE4);
    for (key, header) in [
        (None, vec![0, 0, 0x86, 0xdd]),
        (Some(5), vec![0x20, 0, 0x86, 0xdd, 0, 0, 0, 5]),
    ] {
        let mut bed = Testbed::new();
        let iface = IfaceId(7);
        bed.configure(|forwarding| {
            forwarding.networks.insert_tunnel(gre.clone());
            forwarding.networks.insert_routed(TUNNEL, key, iface);
            let mut p2p = Interface::new(iface, PortId::TUNNEL, Tags::None, [0; 6], VrfId(0));
            p2p.tunnel = Some((TUNNEL, key));
            forwarding.insert(p2p);
        });
        let into = NextHop {
            iface,
            port: PortId::TUNNEL,
            mtu: 1200,
            ..NextHop::of_kind(NextHopKind::Tunnel)
        };
        bed.route("2001:db8:9::", 64, into);
        let packet = udp("2001:db8:1::10", "2001:db8:9::1", 64, 40);
        bed.hear_host(&packet);
        let sent = bed.sent(WAN);
        assert_eq!(sent.len(), 1, "{:?}", bed.drops());
        let (outer, rest) = sent[0][14..].split_at(20);
        assert_eq!(
            (outer[9], outer[16..].to_vec()),
            (47, vec![198, 51, 100, 77])
        );
        let (own, packed) = rest.split_at(header.len());
        assert_eq!(own, header);
        assert_eq!((packed[7], &packed[8..]), (63, &packet[8..]));
        // What a virtual machine left for later is done now: nobody behind sees the inner packet.
        let batch = tcp("2001:db8:1::10", "2001:db8:9::1", 1500);
        bed.receive_unfinished(LAN, &framed(LAN_MAC, HOST_MAC, &batch), Some(800));
        let sent = bed.sent(WAN);
        let inner: Vec<&[u8]> = sent.iter().map(|f| &f[34 + header.len()..]).collect();
        assert_eq!(segments(&inner), [800, 700], "{:?}", bed.drops());
        // What is too long for it is answered.
        bed.hear_host(&udp("2001:db8:1::10", "2001:db8:9::1", 64, 1200));
        let reply = bed.reply();
        assert_eq!(
            (reply[40], &reply[44..48]),
            (2, &1200_u32.to_be_bytes()[..])
        );
    }
}
