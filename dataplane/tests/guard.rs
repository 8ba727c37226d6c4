//! First-hop security in the packet path: what a machine of a tenant may not send reaches nobody in its network, and is counted by name; what
//! it may send does, and so does the same from the operator's places. By lane and graph alike.

mod support;

use std::sync::Arc;

use dataplane::forwarding::network::{Local, mapped};
use dataplane::forwarding::security::Anchor;
use dataplane::forwarding::{MacAddr, Tags};
use dataplane::guard::{Guard, Holder, LinkId, Mode, Note, Pair, Roles, Saying};
use support::overlay::{A, B, C, RED, RED_MAC, change_network, neighbour, stretch};
use support::packet::Packet;
use support::tenants::{AT_A, VM1, plug};
use support::*;
use tables::id::{AnchorId, PortId};

const LINK: LinkId = LinkId(1);
const VICTIM: &str = "2001:db8:5::11";

fn ip(text: &str) -> u128 {
    mapped(text.parse().unwrap())
}

fn guard() -> Guard {
    Guard {
        link: LINK,
        macs: vec![A],
        on_link: vec![Pair {
            prefix: ip("2001:db8:5::"),
            len: 64,
            mac: None,
        }],
        ..Guard::default()
    }
}

/// A is a tenant's machine at port 1 tag 500; B at port 0 tag 501 and C at port 1 tags 600 and 601 are the operator's, and so are those
/// behind tunnels.
fn network(with_lane: bool, guard: Guard) -> World {
    let mut world = World::new(with_lane);
    stretch(&mut world);
    world.configure(|forwarding| {
        let place = Local {
            network: RED,
            port: PORT1,
            tags: Tags::Vlan(500),
            anchor: AT_A,
        };
        forwarding.attach(1, place);
        let anchor = Anchor {
            id: AT_A,
            guard: Some(guard),
            filter: None,
        };
        forwarding.security.insert(Arc::new(anchor));
    });
    change_network(&mut world, |network| network.link = LINK);
    for own in [neighbour(0, true), neighbour(0, false), "fe80::a".into()] {
        world.book.bind(AT_A, ip(&own), A, 0).unwrap();
    }
    world
        .book
        .hold(LINK, ip(VICTIM), Holder::NO_ANCHOR, 0)
        .unwrap();
    world
}

/// How many frames came out, why frames did not, and what was told.
fn say(world: &mut World, port: PortId, frame: &Packet) -> (usize, Vec<String>, Vec<Note>) {
    let before = world.outcome().counters;
    world.receive(port, &frame.bytes());
    world.round();
    let after = world.outcome();
    let is_new = |name: &&str| {
        // Our own interface is one of those that hear it, and is in no group here.
        if *name == "ip6_no_group_member" {
            return false;
        }
        let name = format!("drop {name}");
        after.count(&name) > before.get(&name).copied().unwrap_or(0)
    };
    let drops = after.drops().into_iter().filter(is_new);
    let drops = drops.map(str::to_owned).collect();
    (after.sent.len(), drops, after.noted)
}

fn from_a(packet: Packet) -> Packet {
    packet.from(A).tagged(&[500])
}

fn from_c(packet: Packet) -> Packet {
    packet.from(C).tagged(&[600, 601])
}

/// ICMPv6 to all nodes, hop limit 255, with a right checksum.
fn icmp(source: &str, destination: &str, kind: u8, body: &[u8]) -> Packet {
    let mut message = [&[kind, 0, 0, 0], body].concat();
    let [from, to] = [source, destination].map(|text| text.parse().unwrap());
    let sum = wire::checksum::checksum_v6(&from, &to, wire::ipv6::Protocol::ICMPV6, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let packet = Packet::ip6([0x33, 0x33, 0, 0, 0, 1], source, destination, 58, &message);
    packet.set(7, &[255])
}

fn ra(source: &str) -> Packet {
    icmp(
        source,
        "ff02::1",
        134,
        &[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0],
    )
}

fn na(source: &str, target: &str, mac: MacAddr) -> Packet {
    let target: std::net::Ipv6Addr = target.parse().unwrap();
    let body = [&[0x20, 0, 0, 0][..], &target.octets(), &[2, 1], &mac].concat();
    icmp(source, "ff02::1", 136, &body)
}

fn detection(target: &str) -> Packet {
    let target: std::net::Ipv6Addr = target.parse().unwrap();
    let group = wire::addr::v6::solicited_node(target.to_bits());
    let group = std::net::Ipv6Addr::from_bits(group).to_string();
    icmp("::", &group, 135, &[&[0; 4][..], &target.octets()].concat())
}

/// The same behind extension headers: hop-by-hop options, destination options, a routing header, or a fragment header.
fn behind(packet: &Packet, kind: u8, word: [u8; 2]) -> Packet {
    let mut packet = packet.clone();
    let next = packet.l3[6];
    let header = match kind {
        43 => [next, 0, 4, 0, 0, 0, 0, 0],
        44 => [next, 0, word[0], word[1], 0, 0, 0, 1],
        _ => [next, 0, 1, 4, 0, 0, 0, 0],
    };
    packet.l3.splice(40..40, header);
    let len = (packet.l3.len() as u16 - 40).to_be_bytes();
    packet.set(4, &len).set(6, &[kind])
}

fn udp6(source: &str, destination: &str, ports: (u16, u16), payload: &[u8]) -> Packet {
    let mut udp = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
    udp.extend((8 + payload.len() as u16).to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(payload);
    Packet::ip6([0x33, 0x33, 0, 1, 0, 2], source, destination, 17, &udp)
}

fn arp(mac: MacAddr, sender: [u8; 4]) -> Packet {
    let l3 = [
        &[0, 1, 8, 0, 6, 4, 0, 2][..],
        &mac,
        &sender,
        &[0; 6],
        &[10, 5, 0, 1],
    ]
    .concat();
    Packet {
        l3,
        ..Packet::udp4([0xff; 6], "10.5.0.16", "10.5.0.1", 0)
    }
    .ether_type(0x0806)
}

#[test]
fn what_attacks_a_network_reaches_nobody_in_it() {
    let own = neighbour(0, true);
    let forged = Packet::udp6(B, VICTIM, "2001:db8:2::10", 40);
    let attacks = [
        (ra("fe80::a"), "ra_guard"),
        (behind(&ra("fe80::a"), 0, [0; 2]), "ra_guard"),
        (behind(&ra("fe80::a"), 60, [0; 2]), "ra_guard"),
        (behind(&ra("fe80::a"), 43, [0; 2]), "ra_guard"),
        (behind(&ra("fe80::a"), 44, [0, 0]), "ra_guard"),
        (behind(&ra("fe80::a"), 44, [0, 1]), "ra_guard"),
        (
            behind(&behind(&ra("fe80::a"), 60, [0; 2]), 44, [0, 1]),
            "ra_guard",
        ),
        (behind(&forged, 44, [0, 8]), "guard_undecidable"),
        (
            behind(&behind(&ra("fe80::a"), 44, [0; 2]), 44, [0; 2]),
            "guard_undecidable",
        ),
        (icmp("fe80::a", "ff02::1", 137, &[0; 36]), "redirect_guard"),
        (icmp("fe80::a", "ff02::1", 130, &[0; 20]), "mld_query_guard"),
        (na(&own, VICTIM, A), "address_claimed"),
        (na(&own, "2001:db8:5::99", A), "nd_spoofed"),
        (na(&own, &own, B), "nd_spoofed"),
        (behind(&na(&own, &own, A), 44, [0; 2]), "nd_fragmented"),
        (detection(VICTIM), "address_claimed"),
        (arp(A, [10, 5, 0, 17]), "arp_spoofed"),
        (arp(B, [10, 5, 0, 16]), "arp_spoofed"),
        (
            udp6(&own, "ff02::1", (547, 546), &[2, 0, 0, 0]),
            "dhcp6_guard",
        ),
        (
            behind(&udp6(&own, "ff02::1", (547, 546), &[2, 0, 0, 0]), 0, [0; 2]),
            "dhcp6_guard",
        ),
        (forged.clone(), "ip6_source_spoofed"),
        (behind(&forged, 60, [0; 2]), "ip6_source_spoofed"),
        (behind(&forged, 44, [4, 0xd1]), "ip6_source_spoofed"),
        (
            Packet::udp4(B, "10.5.0.17", "10.2.0.10", 40),
            "ip4_source_spoofed",
        ),
        (ra("fe80::a").tagged(&[0]), "ra_guard"),
    ];
    for with_lane in [true, false] {
        for (packet, reason) in &attacks {
            let mut frame = from_a(packet.clone());
            if packet.vids == [0] {
                // Behind another tag, which a host may take off.
                frame.l3 = [&[0, 0, 0x86, 0xdd], packet.l3.as_slice()].concat();
                frame.ether_type = 0x8100;
            }
            let mut world = network(with_lane, guard());
            let (sent, drops, _) = say(&mut world, PORT1, &frame);
            assert_eq!((sent, drops), (0, vec![reason.to_string()]), "{packet:?}");
            // The other MAC too.
            let (sent, drops, _) = say(&mut world, PORT1, &frame.from(B));
            assert_eq!((sent, drops), (0, vec!["mac_spoofed".into()]), "{packet:?}");
        }
    }
}

#[test]
fn the_same_from_the_operators_places_reaches_the_machine() {
    for with_lane in [true, false] {
        let mut world = network(with_lane, guard());
        let packets = [
            ra("fe80::c"),
            behind(&ra("fe80::c"), 0, [0; 2]),
            na("fe80::c", "fe80::c", C),
            udp6("fe80::c", "ff02::1", (547, 546), &[2, 0, 0, 0]),
            arp(C, [10, 5, 0, 18]),
        ];
        for packet in packets {
            let (sent, drops, _) = say(&mut world, PORT1, &from_c(packet.clone()));
            // A, B and the tunnels.
            assert!(sent >= 7, "{sent} {drops:?} {packet:?}");
            assert_eq!(drops, Vec::<String>::new(), "{packet:?}");
        }
    }
}

#[test]
fn what_a_machine_may_say_goes_everywhere_and_new_addresses_are_told_of() {
    let own = neighbour(0, true);
    let router = Guard {
        roles: Roles {
            router: true,
            ..Roles::default()
        },
        ..guard()
    };
    for with_lane in [true, false] {
        let mut world = network(with_lane, guard());
        let packets = [
            na(&own, &own, A),
            behind(&na(&own, &own, A), 60, [0; 2]),
            udp6("fe80::a", "ff02::1:2", (546, 547), &[1, 0, 0, 0]),
            arp(A, [10, 5, 0, 16]),
            detection(&own),
        ];
        for packet in packets {
            let (sent, drops, noted) = say(&mut world, PORT1, &from_a(packet.clone()));
            assert!(sent >= 6, "{sent} {drops:?} {packet:?}");
            assert_eq!((drops, noted), (vec![], vec![]), "{packet:?}");
        }
        let free = from_a(detection("2001:db8:5::abcd"));
        let (sent, drops, noted) = say(&mut world, PORT1, &free);
        assert!(sent >= 6 && drops.is_empty());
        let [note] = noted[..] else {
            panic!("{noted:?}")
        };
        let said = (note.anchor, note.mac, note.address, note.saying);
        assert_eq!(said, (AT_A, A, ip("2001:db8:5::abcd"), Saying::Probes));
        drop(world);
        let mut world = network(with_lane, router.clone());
        let (sent, drops, _) = say(&mut world, PORT1, &from_a(ra("fe80::a")));
        assert!(sent >= 6 && drops.is_empty(), "{drops:?}");
        let fragment = behind(&ra("fe80::a"), 44, [0; 2]);
        let (sent, drops, _) = say(&mut world, PORT1, &from_a(fragment));
        assert_eq!((sent, drops), (0, vec!["nd_fragmented".into()]));
    }
}

#[test]
fn the_operators_machines_are_heard() {
    for with_lane in [true, false] {
        let mut world = network(with_lane, guard());
        let (_, _, noted) = say(&mut world, PORT1, &from_c(na("fe80::c", "fe80::c", C)));
        let [note] = noted[..] else {
            panic!("{noted:?}")
        };
        let said = (note.anchor, note.mac, note.address, note.saying);
        assert_eq!(said, (AnchorId(0), C, ip("fe80::c"), Saying::Uses));
        let (_, _, noted) = say(&mut world, PORT1, &from_c(na(VICTIM, VICTIM, C)));
        assert_eq!(noted, [], "it is known");
    }
}

#[test]
fn who_only_observes_lets_it_pass_and_counts_it() {
    for with_lane in [true, false] {
        let observing = Guard {
            mode: Mode::Observe,
            ..guard()
        };
        let mut world = network(with_lane, observing);
        let (sent, drops, _) = say(&mut world, PORT1, &from_a(ra("fe80::a")));
        assert!(sent >= 6 && drops.is_empty(), "{sent} {drops:?}");
        let counters = world.w.counters.anchor(AT_A);
        let of = |reason| counters.observed(reason).get();
        assert_eq!(of(dataplane::drop::DropReason::RaGuard), 1);
        assert_eq!(of(dataplane::drop::DropReason::NdSpoofed), 0);
    }
}

#[test]
fn a_routed_packet_takes_the_lane_only_from_a_bound_address() {
    for is6 in [true, false] {
        let [own, other, to] = match is6 {
            true => ["2001:db8:1::10", "2001:db8:1::11", "2001:db8:2::10"],
            false => ["10.1.0.10", "10.1.0.11", "10.2.0.10"],
        };
        let packet = |source: &str| match is6 {
            true => Packet::udp6(MAC0, source, to, 40).from(HOST),
            false => Packet::udp4(MAC0, source, to, 40).from(HOST),
        };
        let reason = if is6 {
            "ip6_source_spoofed"
        } else {
            "ip4_source_spoofed"
        };
        for with_lane in [true, false] {
            let mut world = World::new(with_lane);
            plug(&mut world);
            let guard = Guard {
                macs: vec![HOST],
                on_link: vec![Pair {
                    prefix: ip(own),
                    len: 128,
                    mac: None,
                }],
                ..guard()
            };
            world.configure(|forwarding| {
                let anchor = Anchor {
                    id: VM1,
                    guard: Some(guard),
                    filter: None,
                };
                forwarding.security.insert(Arc::new(anchor));
            });
            // Until it is bound it is only told of.
            let (sent, drops, noted) = say(&mut world, PORT0, &packet(own));
            assert_eq!((sent, drops), (0, vec![reason.to_string()]));
            assert_eq!(noted.len(), 1);
            world.book.bind(VM1, ip(own), HOST, 0).unwrap();
            for _ in 0..3 {
                let before = world.lane_packets();
                let (sent, drops, noted) = say(&mut world, PORT0, &packet(own));
                assert_eq!((sent, drops, noted), (1, vec![], vec![]));
                assert_eq!(world.lane_packets() - before, u64::from(with_lane));
            }
            let seconds = (world.now / 1_000_000_000) as u32;
            assert_eq!(world.book.seen(VM1, ip(own)), Some(seconds));
            let (sent, drops, noted) = say(&mut world, PORT0, &packet(other));
            assert_eq!((sent, drops, noted), (0, vec![reason.into()], vec![]));
            let (sent, drops, _) = say(&mut world, PORT0, &packet(own).from(RED_MAC));
            assert_eq!((sent, drops), (0, vec!["mac_spoofed".into()]));
            world.book.unbind(VM1, ip(own));
            let (sent, drops, _) = say(&mut world, PORT0, &packet(own));
            assert_eq!((sent, drops), (0, vec![reason.into()]));
        }
    }
}
