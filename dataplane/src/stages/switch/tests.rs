use tables::id::{AnchorId, IfaceId, PortId, VrfId};
use tables::next_hop::{NextHop, NextHopKind};

use super::*;
use crate::forwarding::network::Local;
use crate::forwarding::{Interface, Rate, Tags};
use crate::punt::PuntClass;
use crate::stages::testbed::{HOST_MAC, LAN, PEER_MAC, Testbed, WAN, echo, framed, udp, v4, v6};

const BLUE: NetworkId = NetworkId(1);
const ROUTER: IfaceId = IfaceId(5);
const ROUTER_MAC: MacAddr = [2, 0, 0, 0, 5, 1];
const A: MacAddr = [2, 0, 0, 0, 0xa, 1];
const B: MacAddr = [2, 0, 0, 0, 0xb, 1];
const C: MacAddr = [2, 0, 0, 0, 0xc, 1];
const BROADCAST: MacAddr = [0xff; 6];

/// BLUE: untagged on the LAN's device in the place of its interface, VLAN 100 and tags 7, 8 on the WAN's.
///
/// ```text
///   A ── LAN untagged ──┐
///   B ── WAN vlan 100 ──┼── BLUE ── router fe80::5, 2001:db8:5::1, 10.5.0.1
///   C ── WAN 7.8 ───────┘
/// ```
fn bed() -> (Testbed, [AttachId; 3]) {
    let mut bed = Testbed::new();
    let mut places = [AttachId(0); 3];
    bed.configure(|forwarding| {
        let tags = [
            (LAN, Tags::None),
            (WAN, Tags::Vlan(100)),
            (WAN, Tags::QinQ { outer: 7, inner: 8 }),
        ];
        for (n, (port, tags)) in tags.into_iter().enumerate() {
            let local = Local {
                network: BLUE,
                port,
                tags,
                anchor: AnchorId(0),
            };
            places[n] = forwarding.attach(n as u32 + 1, local);
        }
        let mut router = Interface::new(ROUTER, PortId::NETWORK, Tags::None, ROUTER_MAC, VrfId(0));
        router.network = BLUE;
        router.link_local = vec![v6("fe80::5")];
        router.icmp_source6 = Some(v6("2001:db8:5::1"));
        router.icmp_source4 = Some(v4("10.5.0.1"));
        router.groups6 = vec![v6("ff02::2"), v6("ff02::1:ff00:1")];
        forwarding.insert(router);
        forwarding.networks.insert(Network {
            routers: vec![ROUTER],
            local: places.to_vec(),
            ..Network::new(BLUE)
        });
    });
    let at = AttachId::of(Place::Router(ROUTER));
    let entered = bed.stations.insert(BLUE, ROUTER_MAC, at, true, 0);
    assert_eq!(entered, Ok(None));
    let own = NextHop {
        iface: ROUTER,
        ..NextHop::of_kind(NextHopKind::Local)
    };
    bed.route("2001:db8:5::1", 128, own);
    bed.route("10.5.0.1", 32, own);
    bed.route("2001:db8:5::b", 128, neighbour(B));
    (bed, places)
}

/// A resolved neighbour on BLUE.
fn neighbour(mac: MacAddr) -> NextHop {
    let mut next_hop = NextHop::of_kind(NextHopKind::Bridge);
    next_hop.header[..6].copy_from_slice(&mac);
    next_hop.header[6..12].copy_from_slice(&ROUTER_MAC);
    NextHop {
        header_len: 14,
        port: PortId::NETWORK,
        iface: ROUTER,
        mtu: 1500,
        ..next_hop
    }
}

/// The same frame with tags behind its addresses.
fn tagged(frame: &[u8], tags: &[[u8; 4]]) -> Vec<u8> {
    [&frame[..12], &tags.concat(), &frame[12..]].concat()
}

const VLAN_100: [[u8; 4]; 1] = [[0x81, 0, 0, 100]];
const TAGS_7_8: [[u8; 4]; 2] = [[0x88, 0xa8, 0, 7], [0x81, 0, 0, 8]];

fn packet() -> Vec<u8> {
    udp("2001:db8:5::a", "2001:db8:5::b", 64, 30)
}

#[test]
fn an_unknown_station_is_looked_for_everywhere_and_a_known_one_in_its_place() {
    let (mut bed, [at_a, at_b, _]) = bed();
    let frame = framed(B, A, &packet());
    bed.receive(LAN, &[&frame]);
    assert_eq!(
        bed.sent(WAN),
        [tagged(&frame, &VLAN_100), tagged(&frame, &TAGS_7_8)]
    );
    assert_eq!(bed.w.counters.replicated.get(), 1);
    let heard = Heard {
        network: BLUE,
        mac: A,
        at: at_a,
    };
    assert_eq!(bed.heard.pop(), Ok(heard));
    assert!(bed.heard.pop().is_err());

    bed.stations.insert(BLUE, A, at_a, false, 0).unwrap();
    bed.stations.insert(BLUE, B, at_b, false, 0).unwrap();
    bed.receive(LAN, &[&frame]);
    assert_eq!(bed.sent(WAN), [tagged(&frame, &VLAN_100)]);
    let seconds = (bed.now / crate::stages::testbed::HZ) as u32;
    assert_eq!(bed.stations.get(BLUE, A).unwrap().seen, seconds);
    let back = framed(A, B, &packet());
    bed.receive(WAN, &[&tagged(&back, &VLAN_100)]);
    assert_eq!(bed.sent(LAN), [back]);
    bed.silent();
    assert_eq!(bed.drops(), []);
    // Between two VLANs of one device.
    bed.receive(WAN, &[&tagged(&framed(B, C, &packet()), &TAGS_7_8)]);
    assert_eq!(bed.sent(WAN), [tagged(&framed(B, C, &packet()), &VLAN_100)]);
    let counted = bed.w.counters.network(BLUE);
    assert_eq!(
        (
            counted.rx.get().packets,
            counted.tx.get().packets,
            counted.flooded.get().packets
        ),
        (4, 5, 1)
    );
}

#[test]
fn a_group_reaches_all_and_the_router_if_it_has_joined() {
    let (mut bed, _) = bed();
    let arp = [
        &[0, 1, 8, 0, 6, 4, 0, 1][..],
        &A,
        &[10, 5, 0, 9],
        &[0; 6],
        &[10, 5, 0, 1],
    ]
    .concat();
    let frame = [&BROADCAST[..], &A, &[8, 6], &arp].concat();
    bed.receive(LAN, &[&frame]);
    assert_eq!(bed.sent(WAN).len(), 2);
    let punted = bed.punted();
    assert_eq!(punted.len(), 1);
    assert_eq!(
        (punted[0].0.class, punted[0].0.iface),
        (PuntClass::Arp, ROUTER)
    );
    assert_eq!(punted[0].1, frame);
    // A group that only hosts have joined.
    let group = [0x33, 0x33, 0, 1, 0, 3];
    let packet = udp("fe80::a", "ff05::1:3", 1, 8);
    bed.receive(LAN, &[&framed(group, A, &packet)]);
    assert_eq!(bed.sent(WAN).len(), 2);
    assert_eq!((bed.punted_classes(), bed.drops()), (vec![], vec![]));
    assert_eq!(bed.w.counters.replicated.get(), 3);
}

#[test]
fn packets_are_routed_into_the_network_and_out_of_it() {
    let (mut bed, [_, at_b, _]) = bed();
    // Out: the WAN's own untagged interface is no part of the network.
    let out = udp("2001:db8:5::a", "2001:db8:2::9", 64, 30);
    bed.receive(LAN, &[&framed(ROUTER_MAC, A, &out)]);
    let sent = bed.sent(WAN);
    assert_eq!(sent.len(), 1, "{:?}", bed.drops());
    assert_eq!(sent[0][..6], PEER_MAC);
    assert_eq!(sent[0][14 + 7], 63);
    // In, to a station that nobody has heard of, and then to its place.
    let into = framed(
        crate::stages::testbed::WAN_MAC,
        PEER_MAC,
        &udp("2001:db8:2::9", "2001:db8:5::b", 64, 30),
    );
    bed.receive(WAN, &[&into]);
    assert_eq!((bed.sent(LAN).len(), bed.sent(WAN).len()), (1, 2));
    bed.stations.insert(BLUE, B, at_b, false, 0).unwrap();
    bed.receive(WAN, &[&into]);
    let sent = bed.sent(WAN);
    assert_eq!(sent.len(), 1);
    let untagged = [&sent[0][..12], &sent[0][16..]].concat();
    assert_eq!(sent[0][12..16], VLAN_100[0]);
    assert_eq!(
        (&untagged[..6], &untagged[6..12]),
        (&B[..], &ROUTER_MAC[..])
    );
    assert_eq!(untagged[14 + 7], 63);
    assert_eq!(bed.w.counters.interface(ROUTER).tx6.get().packets, 2);
    // An echo to the router's own address is answered into the network.
    let ping = framed(ROUTER_MAC, B, &echo("fe80::b", "fe80::5", 16));
    bed.receive(WAN, &[&tagged(&ping, &VLAN_100)]);
    let sent = bed.sent(WAN);
    assert_eq!(sent.len(), 1, "{:?}", bed.drops());
    assert_eq!(
        (&sent[0][..6], &sent[0][12..16]),
        (&B[..], &VLAN_100[0][..])
    );
    bed.silent();
}

#[test]
fn another_router_may_speak_for_a_virtual_router_of_ours() {
    const VIRTUAL: [u8; 6] = [0, 0, 0x5e, 0, 2, 61];
    let (mut bed, _) = bed();
    let ours = AttachId::of(Place::Router(ROUTER));
    bed.stations.insert(BLUE, VIRTUAL, ours, true, 0).unwrap();
    bed.receive(
        LAN,
        &[&framed([0x33, 0x33, 0, 0, 0, 0x12], VIRTUAL, &packet())],
    );
    let own = bed
        .drops()
        .into_iter()
        .any(|(reason, _)| reason == DropReason::L2OwnSource);
    assert!(!own, "{:?}", bed.drops());
    assert!(bed.heard.pop().is_err(), "it is not learned elsewhere");
}

#[test]
fn what_must_not_pass_is_dropped_by_name() {
    use DropReason::*;
    let (mut bed, [at_a, at_b, _]) = bed();
    bed.stations.insert(BLUE, A, at_a, false, 0).unwrap();
    bed.stations.insert(BLUE, B, at_b, true, 0).unwrap();
    let mut expect = |frame: Vec<u8>, reason| {
        let before = bed.drops();
        bed.receive(LAN, &[&frame]);
        bed.silent();
        let mut wanted: Vec<_> = before.into_iter().collect();
        wanted.push((reason, 1));
        wanted.sort_by_key(|(reason, _)| reason.index());
        assert_eq!(bed.drops(), wanted);
    };
    expect(framed(A, C, &packet()), L2SamePlace);
    expect(framed(C, ROUTER_MAC, &packet()), L2OwnSource);
    expect(framed(C, B, &packet()), L2StationElsewhere);
    let long = udp("2001:db8:5::a", "2001:db8:5::b", 64, 1500);
    expect(framed(B, A, &long), L2TooBig);
    expect(framed(B, [3; 6], &packet()), SourceMacMulticast);
    expect(tagged(&framed(B, A, &packet()), &VLAN_100), UnknownVlan);
    expect(vec![2; 9], FrameTruncated);
    bed.configure(|forwarding| {
        let mut blue = forwarding.networks.get(BLUE).unwrap().clone();
        blue.unknown_unicast = UnknownUnicast::Drop;
        forwarding.networks.insert(blue);
    });
    bed.receive(LAN, &[&framed(C, A, &packet())]);
    bed.silent();
    assert!(bed.drops().contains(&(L2UnknownUnicast, 1)));
}

#[test]
fn a_storm_is_policed_and_a_network_of_one_is_quiet() {
    let (mut bed, [at_a, ..]) = bed();
    bed.configure(|forwarding| {
        let mut blue = forwarding.networks.get(BLUE).unwrap().clone();
        blue.flood_rate = Rate {
            per_second: 1,
            burst: 2,
        };
        forwarding.networks.insert(blue);
    });
    for _ in 0..5 {
        bed.receive(LAN, &[&framed(BROADCAST, HOST_MAC, &packet())]);
    }
    assert_eq!(bed.sent(WAN).len(), 4);
    assert!(bed.drops().contains(&(DropReason::L2StormPoliced, 3)));
    bed.configure(|forwarding| {
        let blue = Network {
            local: vec![at_a],
            ..Network::new(BLUE)
        };
        forwarding.networks.insert(blue);
    });
    bed.receive(LAN, &[&framed(BROADCAST, HOST_MAC, &packet())]);
    assert!(bed.drops().contains(&(DropReason::L2Nobody, 1)));
    bed.silent();
}

#[test]
fn a_frame_of_ours_is_sent_where_its_station_is() {
    let (mut bed, [_, at_b, _]) = bed();
    bed.stations.insert(BLUE, B, at_b, false, 0).unwrap();
    let frame = framed(B, ROUTER_MAC, &packet());
    bed.with(|_, w| crate::stages::inject::network(w, BLUE, ROUTER, &frame));
    assert_eq!(bed.sent(WAN), [tagged(&frame, &VLAN_100)]);
    let everywhere = framed([0x33, 0x33, 0, 0, 0, 1], ROUTER_MAC, &packet());
    bed.with(|_, w| crate::stages::inject::network(w, BLUE, ROUTER, &everywhere));
    assert_eq!((bed.sent(LAN).len(), bed.sent(WAN).len()), (1, 2));
    assert!(bed.punted().is_empty(), "the router does not hear itself");
}

#[test]
fn a_switched_frames_way_is_told() {
    let (mut bed, [_, at_b, _]) = bed();
    bed.stations.insert(BLUE, B, at_b, false, 0).unwrap();
    bed.configure(|forwarding| forwarding.watch(Some(Default::default()), None));
    bed.receive(LAN, &[&framed(B, A, &packet())]);
    bed.receive(
        LAN,
        &[&framed(
            ROUTER_MAC,
            A,
            &udp("2001:db8:5::a", "2001:db8:5::b", 64, 9),
        )],
    );
    bed.receive(WAN, &[&framed(B, A, &packet())]);
    let ways: Vec<String> = std::iter::from_fn(|| bed.watch.traces.pop())
        .map(|trace| {
            let steps = trace.steps.iter();
            let steps: Vec<_> = steps
                .map(|s| format!("{}>{}", s.stage, s.verdict))
                .collect();
            format!("{} {:?}", steps.join(" "), trace.outcome)
        })
        .collect();
    assert_eq!(
        ways,
        [
            "switch>egress egress>tx Tx(PortId(29))",
            "switch>parse parse>route route>rewrite rewrite>egress egress>tx Tx(PortId(29))",
            "parse>drop Drop(NotOurMac)",
        ]
    );
    bed.sent(WAN);
}
