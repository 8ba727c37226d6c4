//! ARP and neighbour discovery in a network that suppresses their floods, by lane and graph alike.

mod support;

use std::net::{Ipv4Addr, Ipv6Addr};

use dataplane::claim::{Claim, Saying};
use dataplane::forwarding::MacAddr;
use dataplane::punt::PuntClass;
use dataplane::stages::inject;
use dataplane::stages::suppress::FRESH;
use support::cases::through_both_ways;
use support::overlay::{A, B, C, RED, RED_IFACE, RED_MAC, at, change_network, far, outer, stretch};
use support::packet::Packet;
use support::*;
use tables::binding::Binding;
use tables::id::{AttachId, Place, TunnelId};
use wire::arp::ArpPacket;
use wire::nd::{self, Message, NeighborAdvertisement};
use wire::nd_option::NdOption;

/// Ticks a second of the tests' clock.
const HZ: u64 = 1_000_000_000;
const BROADCAST: MacAddr = [0xff; 6];
/// Tags of A's frames on port 1.
const TAGS: &[u16] = &[500];
/// Addresses of A, B, C, what is behind the first tunnel, and our own.
const A6: &str = "2001:db8:5::a";
const B6: &str = "2001:db8:5::b";
const FAR6: &str = "2001:db8:5::f1";
const OURS6: &str = "2001:db8:5::1";
const A4: &str = "10.5.0.10";
const B4: &str = "10.5.0.11";
const FAR4: &str = "10.5.0.241";
const OURS4: &str = "10.5.0.1";

fn number(address: &str) -> u128 {
    match address.parse().unwrap() {
        std::net::IpAddr::V6(address) => address.to_bits(),
        std::net::IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
    }
}

fn bind(world: &mut World, address: &str, mac: MacAddr, is_router: bool) {
    let binding = Binding {
        network: RED,
        address: number(address),
        mac,
        is_router,
        is_own: mac == RED_MAC,
    };
    let seconds = (world.now / HZ) as u32;
    world.bindings.insert(&binding, seconds).unwrap();
}

/// The network with what is known of its addresses: of A, B, the station behind tunnel 1, which is a router, and of ours.
fn known(world: &mut World) {
    stretch(world);
    change_network(world, |network| network.suppression = true);
    let groups = [OURS6, A6].map(solicited);
    world.configure(|forwarding| {
        let mut red = forwarding.interface(RED_IFACE).unwrap().clone();
        red.groups6 = groups.to_vec();
        forwarding.insert(red);
    });
    for (addresses, mac, is_router) in [
        ([A6, A4], A, false),
        ([B6, B4], B, false),
        ([FAR6, FAR4], far(1), true),
        ([OURS6, OURS4], RED_MAC, true),
    ] {
        for address in addresses {
            bind(world, address, mac, is_router && address.contains(':'));
        }
    }
}

fn solicited(target: &str) -> Ipv6Addr {
    Ipv6Addr::from_bits(wire::addr::v6::solicited_node(number(target)))
}

fn packet(to: MacAddr, from: MacAddr, ether_type: u16, l3: Vec<u8>) -> Packet {
    Packet {
        to,
        from,
        vids: TAGS.to_vec(),
        ether_type,
        l3,
        padding: 0,
    }
}

fn nd_packet(
    (to, from): (MacAddr, MacAddr),
    [source, destination]: [Ipv6Addr; 2],
    message: Message,
    options: &[NdOption<'_>],
) -> Packet {
    let mut l3 = vec![0; nd::packet_len(&message, options)];
    nd::write(&mut l3, &source, &destination, &message, options).unwrap();
    packet(to, from, 0x86dd, l3)
}

/// Who has `target`? To all.
fn solicit(from: MacAddr, source: &str, target: &str) -> Packet {
    let group = solicited(target);
    let to = wire::MacAddr::for_ipv6_multicast(&group).octets();
    let message = Message::NeighborSolicitation {
        target: target.parse().unwrap(),
    };
    let options = [NdOption::SourceLinkLayer(wire::MacAddr(from))];
    let options = if source == "::" {
        &[][..]
    } else {
        &options[..]
    };
    let ends = [source.parse().unwrap(), group];
    nd_packet((to, from), ends, message, options)
}

/// `from` says to `to` that it has an address.
fn advertise(
    (to, from): (MacAddr, MacAddr),
    [target, asker]: [&str; 2],
    router: bool,
    override_flag: bool,
) -> Packet {
    let target: Ipv6Addr = target.parse().unwrap();
    let message = Message::NeighborAdvertisement(NeighborAdvertisement {
        router,
        solicited: true,
        override_flag,
        target,
    });
    let options = [NdOption::TargetLinkLayer(wire::MacAddr(from))];
    let ends = [target, asker.parse().unwrap()];
    nd_packet((to, from), ends, message, &options)
}

fn arp(to: MacAddr, from: MacAddr, arp: ArpPacket) -> Packet {
    use zerocopy::IntoBytes;
    packet(to, from, 0x0806, arp.as_bytes().to_vec())
}

fn ip4(address: &str) -> Ipv4Addr {
    address.parse().unwrap()
}

fn request(from: MacAddr, source: &str, target: &str) -> Packet {
    let asks = ArpPacket::request(wire::MacAddr(from), ip4(source), ip4(target));
    arp(BROADCAST, from, asks)
}

fn reply((to, from): (MacAddr, MacAddr), [own, asker]: [&str; 2]) -> Packet {
    let asker = (wire::MacAddr(to), ip4(asker));
    arp(
        to,
        from,
        ArpPacket::reply(wire::MacAddr(from), ip4(own), asker),
    )
}

/// Frames of A's on port 1, and what becomes of them in the network where all is known.
fn sent(name: &str, packet: &Packet) -> Outcome {
    let (outcome, lane) = through_both_ways(name, PORT1, packet, known);
    assert_eq!(lane, 0, "{name}: what is to be read takes the graph");
    outcome
}

/// That a frame of the network went everywhere, and nothing was answered.
fn flooded(name: &str, outcome: &Outcome) {
    assert_eq!(
        outcome.count("network flooded 1 packets"),
        1,
        "{name}: {outcome:#?}"
    );
    // Two other places on devices, and five tunnels.
    assert_eq!(outcome.sent.len(), 7, "{name}: {outcome:#?}");
    assert_eq!(outcome.count("network answered 1 packets"), 0, "{name}");
    assert_eq!(outcome.count("network directed 1 packets"), 0, "{name}");
}

#[test]
fn who_asks_for_a_known_owner_is_answered_as_the_owner_would() {
    let cases = [
        (
            solicit(A, A6, FAR6),
            advertise((A, far(1)), [FAR6, A6], true, true),
        ),
        (solicit(A, A6, B6), advertise((A, B), [B6, A6], false, true)),
        (
            request(A, A4, FAR4).padded(18),
            reply((A, far(1)), [FAR4, A4]).padded(18),
        ),
        (request(A, A4, B4), reply((A, B), [B4, A4])),
    ];
    for (asked, answer) in cases {
        let outcome = sent("asked", &asked);
        assert_eq!(outcome.sent, [(PORT1, answer.bytes())]);
        assert_eq!(outcome.count("network answered 1 packets"), 1);
        assert_eq!(outcome.count("network flooded 1 packets"), 0);
        assert_eq!(
            (outcome.count("consumed"), outcome.count("originated")),
            (1, 1)
        );
        assert_eq!(outcome.claimed, [], "what A says is known");
    }
}

#[test]
fn an_answer_is_as_long_as_it_must_be_whatever_the_question() {
    let group = solicited(FAR6);
    let to = wire::MacAddr::for_ipv6_multicast(&group).octets();
    let message = Message::NeighborSolicitation {
        target: FAR6.parse().unwrap(),
    };
    let options = [
        NdOption::SourceLinkLayer(wire::MacAddr(A)),
        NdOption::Nonce(&[1, 2, 3, 4, 5, 6]),
    ];
    let asked = nd_packet((to, A), [A6.parse().unwrap(), group], message, &options);
    let outcome = sent("with a nonce", &asked.padded(3));
    let answer = advertise((A, far(1)), [FAR6, A6], true, true);
    assert_eq!(outcome.sent, [(PORT1, answer.bytes())]);
}

#[test]
fn what_the_owner_must_hear_goes_everywhere() {
    let a = wire::MacAddr(A);
    let mut cases = vec![
        ("duplicate detection", solicit(A, "::", FAR6)),
        ("of its own address", solicit(A, "::", A6)),
        ("unknown", solicit(A, A6, "2001:db8:5::99")),
        ("unknown IPv4", request(A, A4, "10.5.0.99")),
        ("probe", request(A, "0.0.0.0", FAR4)),
        (
            "announcement",
            arp(BROADCAST, A, ArpPacket::announcement(a, ip4(A4))),
        ),
        ("for another station", request(A, A4, FAR4).from(C)),
        (
            "nothing asked",
            advertise(([0x33, 0x33, 0, 0, 0, 1], A), [A6, "ff02::1"], false, true),
        ),
        ("from far away", solicit(A, A6, FAR6).set(7, &[64])),
        (
            "a wrong checksum",
            solicit(A, A6, FAR6).set(42, &[0x12, 0x34]),
        ),
    ];
    // A solicitation to a group says where its source is; one that does not is not answered.
    let group = solicited(FAR6);
    let to = wire::MacAddr::for_ipv6_multicast(&group).octets();
    let message = Message::NeighborSolicitation {
        target: FAR6.parse().unwrap(),
    };
    let nobody = nd_packet((to, A), [A6.parse().unwrap(), group], message, &[]);
    cases.push(("without a link-layer address", nobody));
    for (name, packet) in cases {
        let from_a = packet.from == A;
        let packet = if from_a {
            packet
        } else {
            packet.tagged(&[600, 601])
        };
        flooded(name, &sent(name, &packet));
    }
}

#[test]
fn an_owner_that_is_not_known_to_be_there_is_asked_itself() {
    fn stale(world: &mut World) {
        known(world);
        world.now += u64::from(FRESH + 1) * HZ;
    }
    fn gone(world: &mut World) {
        known(world);
        world.stations.remove(RED, far(1));
    }
    fn beside(world: &mut World) {
        known(world);
        world.stations.insert(RED, far(1), at(1), false, 0).unwrap();
    }
    fn fresh(world: &mut World) {
        known(world);
        world.now += u64::from(FRESH) * HZ;
    }
    for packet in [solicit(A, A6, FAR6), request(A, A4, FAR4)] {
        for (name, prepare) in [
            ("stale", stale as fn(&mut World)),
            ("gone", gone),
            ("beside", beside),
        ] {
            let (outcome, _) = through_both_ways(name, PORT1, &packet, prepare);
            flooded(name, &outcome);
        }
        let (outcome, _) = through_both_ways("fresh", PORT1, &packet, fresh);
        assert_eq!(outcome.count("network answered 1 packets"), 1);
        // Elsewhere nothing is read.
        let (outcome, _) = through_both_ways("off", PORT1, &packet, |world| {
            known(world);
            change_network(world, |network| network.suppression = false);
        });
        assert_eq!(outcome.count("network flooded 1 packets"), 1);
        assert_eq!(outcome.count("network answered 1 packets"), 0);
    }
}

#[test]
fn our_own_addresses_are_asked_for_at_our_interface_alone() {
    fn behind(world: &mut World) {
        known(world);
        let place = AttachId::of(Place::Tunnel(TunnelId(1)));
        world.stations.insert(RED, A, place, false, 0).unwrap();
    }
    for (packet, class) in [
        (solicit(A, A6, OURS6), PuntClass::Nd),
        (request(A, A4, OURS4), PuntClass::Arp),
    ] {
        let tunnelled = outer(1, &packet.clone().tagged(&[]));
        let [here, there] = [
            (PORT1, packet, known as fn(&mut World)),
            (PORT0, tunnelled, behind),
        ]
        .map(|(port, packet, prepare)| through_both_ways("ours", port, &packet, prepare).0);
        for outcome in [here, there] {
            let punted: Vec<_> = outcome.punted.iter().map(|(class, _)| *class).collect();
            assert_eq!(punted, [class], "{outcome:#?}");
            assert_eq!(outcome.sent, []);
            assert_eq!(outcome.count("network directed 1 packets"), 1);
        }
    }
}

#[test]
fn what_comes_out_of_a_tunnel_is_not_answered_here() {
    let asked = solicit(far(1), FAR6, B6).tagged(&[]);
    let (outcome, _) = through_both_ways("tunnel", PORT0, &outer(1, &asked), known);
    // To the three places on devices.
    assert_eq!(outcome.sent.len(), 3, "{outcome:#?}");
    assert_eq!(outcome.count("network answered 1 packets"), 0);
}

#[test]
fn an_interface_of_ours_asks_the_owner_alone() {
    let question = |world: &mut World, packet: &Packet| {
        inject::network(
            &mut world.w,
            RED,
            RED_IFACE,
            &packet.clone().tagged(&[]).bytes(),
        );
        world.round();
        world.outcome()
    };
    let mut world = World::new(true);
    known(&mut world);
    let asked = solicit(RED_MAC, OURS6, A6);
    let outcome = question(&mut world, &asked);
    assert_eq!(outcome.sent, [(PORT1, asked.bytes())], "A hears it itself");
    assert_eq!(outcome.count("network directed 1 packets"), 1);
    // Its own duplicate detection is for all to hear.
    let probe = solicit(RED_MAC, "::", A6);
    assert_eq!(question(&mut world, &probe).sent.len(), 8);
    // What we say of ourselves is no news.
    assert_eq!(question(&mut world, &solicit(RED_MAC, A6, B6)).claimed, []);
}

/// What the control plane is told of an address.
fn claim(mac: MacAddr, address: &str, saying: Saying) -> Claim {
    Claim {
        network: RED,
        mac,
        address: number(address),
        saying,
    }
}

#[test]
fn what_stations_say_of_addresses_is_told_once_and_confirmed_after() {
    let mine = |is_router| Saying::Mine { is_router };
    let new6 = "2001:db8:5::77";
    let cases = [
        // Unicast goes on to where it goes, and is read on the way.
        (
            "advertised",
            advertise((B, A), [new6, B6], true, true),
            vec![claim(A, new6, mine(true))],
            1,
        ),
        (
            "said in a reply",
            reply((B, A), ["10.5.0.77", B4]),
            vec![claim(A, "10.5.0.77", mine(false))],
            1,
        ),
        (
            "a router no more",
            advertise((B, A), [A6, B6], true, true),
            vec![claim(A, A6, mine(true))],
            1,
        ),
        (
            "another's",
            advertise((B, A), [FAR6, B6], false, true),
            vec![claim(A, FAR6, mine(false))],
            1,
        ),
        (
            "ours",
            advertise((B, A), [OURS6, B6], true, true),
            vec![claim(A, OURS6, mine(true))],
            1,
        ),
        // A source alone does not say whether it is a router's.
        ("source", solicit(A, new6, "2001:db8:5::99"), vec![], 7),
        (
            "another's source",
            solicit(A, B6, "2001:db8:5::99"),
            vec![claim(A, B6, Saying::Doubt)],
            7,
        ),
        (
            "another's probe",
            solicit(A, "::", B6),
            vec![claim(A, B6, Saying::Doubt)],
            7,
        ),
        (
            "another's ARP probe",
            request(A, "0.0.0.0", B4),
            vec![claim(A, B4, Saying::Doubt)],
            7,
        ),
        (
            "an anycast address",
            advertise((B, A), [new6, B6], false, false),
            vec![],
            1,
        ),
        (
            "nothing new",
            advertise((B, A), [A6, B6], false, true),
            vec![],
            1,
        ),
        ("nothing new in ARP", reply((B, A), [A4, B4]), vec![], 1),
        (
            "of another station",
            reply((B, C), [A4, B4]).from(A),
            vec![],
            1,
        ),
    ];
    for (name, packet, claimed, n) in cases {
        let outcome = sent(name, &packet);
        assert_eq!(outcome.claimed, claimed, "{name}");
        assert_eq!(outcome.sent.len(), n, "{name}");
    }
    let mut world = World::new(true);
    known(&mut world);
    world.now += 10 * HZ;
    let seen = |world: &World, address| world.bindings.seen(RED, number(address)).unwrap();
    let now = (world.now / HZ) as u32;
    for (address, packet) in [
        (A6, advertise((B, A), [A6, B6], false, true)),
        (A4, request(A, A4, "10.5.0.99")),
    ] {
        assert_eq!(seen(&world, address), now - 10);
        world.receive(PORT1, &packet.bytes());
        world.round();
        assert_eq!(seen(&world, address), now, "{address}");
    }
    // Whoever looks whether an address is taken has not confirmed that it has it.
    world.now += 10 * HZ;
    world.receive(PORT1, &solicit(A, "::", A6).bytes());
    world.round();
    assert_eq!(seen(&world, A6), now);
    assert_eq!(world.outcome().claimed, []);
}
