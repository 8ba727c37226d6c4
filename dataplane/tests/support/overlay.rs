//! A layer-2 network for the router of the tests, on two devices and stretched over tunnels to two peers.
//!
//! ```text
//!   RED: port 1 tag 500 ── A        port 0 tag 501 ── B        port 1 tags 600, 601 ── C
//!        tunnels 1 VXLAN, 3 GRE, 5 Geneve over IPv6; 2 VXLAN, 4 GRE over IPv4; each with a station behind it
//!        our interface RED_IFACE, 2001:db8:5::/64 10.5.0.0/24, neighbours on every place
//! ```

use dataplane::forwarding::network::{Local, Segment, TunnelKind};
use dataplane::forwarding::{Interface, MacAddr, Network, Tags, Tunnel};
use tables::id::{AnchorId, AttachId, IfaceId, NetworkId, Place, PortId, TunnelId};
use tables::next_hop::{NextHop, NextHopKind};
use wire::traffic_class::DscpMode;

use super::packet::Packet;
use super::{MAC0, PORT0, PORT1, VRF, World};

pub const RED: NetworkId = NetworkId(1);
pub const RED_IFACE: IfaceId = IfaceId(5);
pub const RED_MAC: MacAddr = [2, 0, 0, 0, 0, 0x55];
pub const VNI: u32 = 0x12_3456;
pub const MTU: u16 = 1450;
/// Stations on local attachments 1, 2 and 3.
pub const A: MacAddr = [2, 0, 0, 0, 0xa, 1];
pub const B: MacAddr = [2, 0, 0, 0, 0xb, 1];
pub const C: MacAddr = [2, 0, 0, 0, 0xc, 1];
/// The tunnels' kinds, and whether their outer packets are IPv6; the first has number 1.
pub const TUNNELS: [(TunnelKind, bool); 5] = [
    (TunnelKind::Vxlan, true),
    (TunnelKind::Vxlan, false),
    (TunnelKind::Gre, true),
    (TunnelKind::Gre, false),
    (TunnelKind::Geneve, true),
];

/// Our address and the peer's.
pub fn ends(is6: bool) -> [&'static str; 2] {
    match is6 {
        true => ["2001:db8:2::1", "2001:db8:2::10"],
        false => ["10.2.0.1", "10.2.0.10"],
    }
}

/// The station behind a tunnel.
pub fn far(tunnel: usize) -> MacAddr {
    [2, 0, 0, 0, 0xf, tunnel as u8]
}

/// The place of a local attachment.
pub fn at(number: u32) -> AttachId {
    AttachId::of(Place::Local(number))
}

/// Adds the network to the world.
pub fn stretch(world: &mut World) {
    let locals = [
        (1, PORT1, Tags::Vlan(500)),
        (2, PORT0, Tags::Vlan(501)),
        (
            3,
            PORT1,
            Tags::QinQ {
                outer: 600,
                inner: 601,
            },
        ),
    ];
    world.configure(|forwarding| {
        let mut segments = Vec::new();
        for kind in [TunnelKind::Vxlan, TunnelKind::Gre, TunnelKind::Geneve] {
            let of_kind = (1..).zip(TUNNELS).filter(|(_, (of, _))| *of == kind);
            segments.push(Segment {
                kind,
                vni: VNI,
                tunnels: of_kind.map(|(n, _)| TunnelId(n)).collect(),
                flood: None,
            });
        }
        for (n, (kind, is6)) in (1..).zip(TUNNELS) {
            let [local, remote] = ends(is6).map(|address| address.parse().unwrap());
            forwarding.networks.insert_tunnel(Tunnel {
                id: TunnelId(n),
                kind,
                vrf: VRF,
                local,
                remote,
                out: None,
                port: match kind {
                    TunnelKind::Vxlan => 4789,
                    TunnelKind::Geneve => 6081,
                    TunnelKind::Gre => 0,
                },
                hop_limit: 64,
                dscp: DscpMode::Uniform,
                checksum: false,
                mtu: 1400,
            });
        }
        forwarding.networks.insert(Network {
            mtu: MTU,
            routers: vec![RED_IFACE],
            local: (1..=3).map(at).collect(),
            segments,
            ..Network::new(RED)
        });
        for (number, port, tags) in locals {
            let network = RED;
            forwarding.attach(
                number,
                Local {
                    network,
                    port,
                    tags,
                    anchor: AnchorId(0),
                },
            );
        }
        let mut red = Interface::new(RED_IFACE, PortId::NETWORK, Tags::None, RED_MAC, VRF);
        red.network = RED;
        red.mtu = MTU;
        red.icmp_source6 = Some("2001:db8:5::1".parse().unwrap());
        red.icmp_source4 = Some("10.5.0.1".parse().unwrap());
        forwarding.insert(red);
    });
    let router = AttachId::of(Place::Router(RED_IFACE));
    let mut stations = vec![(A, at(1)), (B, at(2)), (C, at(3))];
    stations.extend(
        (1..=TUNNELS.len()).map(|n| (far(n), AttachId::of(Place::Tunnel(TunnelId(n as u16))))),
    );
    for (host, &(mac, place)) in (0x10..).zip(&stations) {
        world.stations.insert(RED, mac, place, false, 0).unwrap();
        let mut next_hop = NextHop::of_kind(NextHopKind::Bridge);
        next_hop.header[..6].copy_from_slice(&mac);
        next_hop.header[6..12].copy_from_slice(&RED_MAC);
        let id = world.next_hops.alloc(NextHop {
            header_len: 14,
            port: PortId::NETWORK,
            iface: RED_IFACE,
            mtu: MTU,
            ..next_hop
        });
        let id = id.unwrap();
        world.route(&format!("2001:db8:5::{host:x}"), 128, id);
        world.route(&format!("10.5.0.{host}"), 32, id);
    }
    world
        .stations
        .insert(RED, RED_MAC, router, true, 0)
        .unwrap();
    let local = NextHop {
        iface: RED_IFACE,
        ..NextHop::of_kind(NextHopKind::Local)
    };
    let local = world.next_hops.alloc(local).unwrap();
    world.route("2001:db8:5::1", 128, local);
    world.route("10.5.0.1", 32, local);
}

/// The neighbour on the network with the n-th station: A, B, C, then those behind tunnels.
pub fn neighbour(n: usize, is6: bool) -> String {
    match is6 {
        true => format!("2001:db8:5::{:x}", 0x10 + n),
        false => format!("10.5.0.{}", 0x10 + n),
    }
}

/// The tunnel's own header in front of a frame.
pub fn own(kind: TunnelKind, vni: u32) -> Vec<u8> {
    match kind {
        TunnelKind::Vxlan => [&[8, 0, 0, 0], &(vni << 8).to_be_bytes()[..]].concat(),
        TunnelKind::Geneve => [&[0, 0, 0x65, 0x58], &(vni << 8).to_be_bytes()[..]].concat(),
        TunnelKind::Gre => [&[0x20, 0, 0x65, 0x58], &vni.to_be_bytes()[..]].concat(),
    }
}

/// A frame in an outer packet of the n-th tunnel, from 1.
pub fn outer(n: usize, frame: &Packet) -> Packet {
    let (kind, is6) = TUNNELS[n - 1];
    wrapped(kind, is6, &[own(kind, VNI), frame.bytes()].concat())
}

/// An outer packet of a kind of tunnel around the tunnel's own header and what follows, without a UDP checksum.
pub fn wrapped(kind: TunnelKind, is6: bool, rest: &[u8]) -> Packet {
    let [own, peer] = ends(is6);
    let port: u16 = match kind {
        TunnelKind::Vxlan => 4789,
        TunnelKind::Geneve => 6081,
        TunnelKind::Gre => 0,
    };
    let (protocol, payload) = match kind {
        TunnelKind::Gre => (47, rest.to_vec()),
        _ => {
            let mut udp = vec![0xc3, 0x50];
            udp.extend_from_slice(&port.to_be_bytes());
            udp.extend_from_slice(&((rest.len() + 8) as u16).to_be_bytes());
            udp.extend_from_slice(&[0, 0]);
            udp.extend_from_slice(rest);
            (17, udp)
        }
    };
    match is6 {
        true => Packet::ip6(MAC0, peer, own, protocol, &payload),
        false => Packet::ip4(MAC0, peer, own, protocol, &payload),
    }
}

/// Changes a tunnel.
pub fn change_tunnel(world: &mut World, n: u16, change: impl FnOnce(&mut Tunnel)) {
    world.configure(|forwarding| {
        let mut tunnel = forwarding.networks.tunnel(TunnelId(n)).unwrap().clone();
        change(&mut tunnel);
        forwarding.networks.insert_tunnel(tunnel);
    });
}

/// Changes the network.
pub fn change_network(world: &mut World, change: impl FnOnce(&mut Network)) {
    world.configure(|forwarding| {
        let mut network = forwarding.networks.get(RED).unwrap().clone();
        change(&mut network);
        forwarding.networks.insert(network);
    });
}
