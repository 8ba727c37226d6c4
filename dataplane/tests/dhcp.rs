//! DHCP messages for us: which interfaces hear them, what is wrong with some, and whose flood they are.
//!
//! Input: a datagram and what its interface hears; output: its punt class, or what became of it without DHCP.

mod support;

use dataplane::drop::DropReason::{self, *};
use dataplane::forwarding::{Dhcp, Rate};
use dataplane::punt::PuntClass::{Dhcp4, Dhcp6, Fragment};
use dpdk::mbuf::flags;
use support::cases::Expect::{self, Drop, Punt};
use support::cases::check_with;
use support::packet::Packet;
use support::*;
use wire::checksum::Sum;
use wire::ipv6::Protocol;

const AGENTS: &str = "ff02::1:2";
const SERVERS: &str = "ff05::1:3";
const AGENTS_MAC: [u8; 6] = [0x33, 0x33, 0, 1, 0, 2];
const SERVERS_MAC: [u8; 6] = [0x33, 0x33, 0, 1, 0, 3];
const BROADCAST: [u8; 6] = [0xff; 6];
/// Where the UDP header of an IPv4 packet without options starts.
const UDP4: usize = 20;
/// The same of IPv6.
const UDP6: usize = 40;

/// A datagram with its right checksum.
fn sealed(packet: Packet, port: u16) -> Packet {
    let is6 = packet.ether_type == 0x86dd;
    let at = if is6 { UDP6 } else { UDP4 };
    let packet = packet.set(at + 2, &port.to_be_bytes()).set(at + 6, &[0, 0]);
    let udp = &packet.l3[at..];
    let mut sum = if is6 {
        let address = |from: usize| <[u8; 16]>::try_from(&packet.l3[from..from + 16]).unwrap();
        Sum::pseudo_v6(
            &address(8).into(),
            &address(24).into(),
            Protocol::UDP,
            udp.len(),
        )
    } else {
        let address = |from: usize| <[u8; 4]>::try_from(&packet.l3[from..from + 4]).unwrap();
        Sum::pseudo_v4(
            address(12).into(),
            address(16).into(),
            Protocol::UDP,
            udp.len(),
        )
    };
    sum.add(udp);
    packet.set(at + 6, &sum.finish_udp().to_be_bytes())
}

/// From a host on the LAN, in a frame for us or for the group's MAC.
fn v6(source: &str, to: &str, port: u16) -> Packet {
    let mac = match to {
        AGENTS => AGENTS_MAC,
        SERVERS => SERVERS_MAC,
        "ff02::1" => [0x33, 0x33, 0, 0, 0, 1],
        _ => MAC0,
    };
    sealed(Packet::udp6(mac, source, to, 61), port)
}

fn v4(source: &str, to: &str, mac: [u8; 6], port: u16) -> Packet {
    sealed(Packet::udp4(mac, source, to, 301), port)
}

/// DHCP is on at the LAN: servers or relay agents of both kinds, and a client.
fn on(world: &mut World) {
    world.change(LAN, |lan| {
        lan.dhcp = Dhcp {
            server6: true,
            client6: true,
            server4: true,
        };
        lan.groups6.push(AGENTS.parse().unwrap());
        lan.groups6.push(SERVERS.parse().unwrap());
    });
}

fn off(_: &mut World) {}

#[test]
fn messages_to_a_server_or_client_are_punted() {
    let host = "fe80::10";
    check_with(
        vec![
            ("multicast", PORT0, v6(host, AGENTS, 547), Punt(Dhcp6)),
            (
                "site",
                PORT0,
                v6("2001:db8:1::10", SERVERS, 547),
                Punt(Dhcp6),
            ),
            ("link-local", PORT0, v6(host, "fe80::1", 547), Punt(Dhcp6)),
            (
                "global",
                PORT0,
                v6("2001:db8:1::10", "2001:db8:1::1", 547),
                Punt(Dhcp6),
            ),
            ("to a client", PORT0, v6(host, "fe80::1", 546), Punt(Dhcp6)),
            (
                "no address yet",
                PORT0,
                v4("0.0.0.0", "255.255.255.255", BROADCAST, 67),
                Punt(Dhcp4),
            ),
            (
                "with an address",
                PORT0,
                v4("10.1.0.10", "255.255.255.255", BROADCAST, 67),
                Punt(Dhcp4),
            ),
            (
                "to the subnet",
                PORT0,
                v4("10.1.0.10", "10.1.0.255", BROADCAST, 67),
                Punt(Dhcp4),
            ),
            (
                "unicast",
                PORT0,
                v4("10.1.0.10", "10.1.0.1", MAC0, 67),
                Punt(Dhcp4),
            ),
        ],
        on,
    );
}

#[test]
fn where_dhcp_is_off_nothing_changes() {
    let host = "fe80::10";
    check_with(
        vec![
            ("multicast", PORT0, v6(host, AGENTS, 547), Drop(Ip6NoGroup)),
            (
                "link-local",
                PORT0,
                v6(host, "fe80::1", 547),
                Drop(NoListener),
            ),
            ("client", PORT0, v6(host, "fe80::1", 546), Drop(NoListener)),
            (
                "global",
                PORT0,
                v6("2001:db8:1::10", "2001:db8:1::1", 547),
                Drop(NoListener),
            ),
            (
                "broadcast",
                PORT0,
                v4("0.0.0.0", "255.255.255.255", BROADCAST, 67),
                Drop(Ip4Broadcast),
            ),
            (
                "subnet",
                PORT0,
                v4("10.1.0.10", "10.1.0.255", BROADCAST, 67),
                Drop(Ip4DirectedBroadcast),
            ),
            (
                "unicast",
                PORT0,
                v4("10.1.0.10", "10.1.0.1", MAC0, 67),
                Drop(NoListener),
            ),
        ],
        off,
    );
}

#[test]
fn only_the_ports_of_what_is_on_are_heard() {
    let host = "fe80::10";
    let other = |name, packet, reason| (name, PORT0, packet, Drop(reason));
    check_with(
        vec![
            other(
                "another port of the group",
                v6(host, AGENTS, 546),
                NoListener,
            ),
            other("another port", v6(host, "fe80::1", 5353), NoListener),
            other("client's port", v6(host, "fe80::1", 546), NoListener),
            other(
                "DHCPv4",
                v4("0.0.0.0", "255.255.255.255", BROADCAST, 67),
                Ip4Broadcast,
            ),
        ],
        |world| {
            world.change(LAN, |lan| {
                lan.dhcp.server6 = true;
                lan.groups6.push(AGENTS.parse().unwrap());
            });
        },
    );
    check_with(
        vec![
            other("DHCPv6", v6(host, "fe80::1", 547), NoListener),
            other(
                "client's port",
                v4("10.1.0.10", "255.255.255.255", BROADCAST, 68),
                Ip4Broadcast,
            ),
            other(
                "subnet",
                v4("10.1.0.10", "10.1.0.255", BROADCAST, 137),
                Ip4DirectedBroadcast,
            ),
            other(
                "another subnet",
                v4("10.1.0.10", "10.2.0.255", BROADCAST, 67),
                Ip4UnicastInMulticastFrame,
            ),
            other(
                "another port",
                v4("10.1.0.10", "10.1.0.1", MAC0, 53),
                NoListener,
            ),
        ],
        |world| world.change(LAN, |lan| lan.dhcp.server4 = true),
    );
}

/// A relay agent's packet comes from far away: what counts is whose address it goes to.
#[test]
fn unicast_messages_are_heard_by_the_owner_of_their_destination() {
    let from_afar = || {
        sealed(
            Packet::udp6(MAC1, "2001:db8:2::10", "2001:db8:1::1", 40),
            547,
        )
    };
    let to_another = || {
        sealed(
            Packet::udp6(MAC0, "2001:db8:1::10", "2001:db8:3::1", 40),
            547,
        )
    };
    let relayed = || sealed(Packet::udp4(MAC1, "10.2.0.10", "10.1.0.1", 300), 67);
    check_with(
        vec![
            ("to the LAN's address", PORT1, from_afar(), Punt(Dhcp6)),
            ("by the LAN", PORT0, to_another(), Punt(Dhcp6)),
            ("IPv4", PORT1, relayed(), Punt(Dhcp4)),
        ],
        on,
    );
    check_with(
        vec![
            ("to the LAN's address", PORT1, from_afar(), Drop(NoListener)),
            ("IPv4", PORT1, relayed(), Drop(NoListener)),
        ],
        off,
    );
}

#[test]
fn malformed_datagrams_are_dropped_by_name() {
    let good6 = || v6("fe80::10", AGENTS, 547);
    let good4 = || v4("0.0.0.0", "255.255.255.255", BROADCAST, 67);
    // An IP packet that ends inside the UDP header.
    let short = |n: usize| {
        let header = [0x02, 0x22, 0x02, 0x23, 0, 8, 0, 0];
        Packet::ip6(AGENTS_MAC, "fe80::10", AGENTS, 17, &header[..n])
    };
    let bad = |name, packet, reason: DropReason| (name, PORT0, packet, Expect::Drop(reason));
    check_with(
        vec![
            bad("length 7", good6().set(UDP6 + 4, &[0, 7]), UdpBadLength),
            bad(
                "length beyond the packet",
                good6().set(UDP6 + 4, &[0, 70]),
                UdpBadLength,
            ),
            bad("header cut behind the ports", short(4), UdpBadLength),
            bad("header cut by one byte", short(7), UdpBadLength),
            bad("header cut in the ports", short(3), NoListener),
            bad(
                "bit flipped",
                good6().set(UDP6 + 30, &[0xaa]),
                UdpBadChecksum,
            ),
            bad(
                "no checksum",
                good6().set(UDP6 + 6, &[0, 0]),
                UdpBadChecksum,
            ),
            bad(
                "length 7, IPv4",
                good4().set(UDP4 + 4, &[0, 7]),
                UdpBadLength,
            ),
            bad(
                "beyond the packet, IPv4",
                good4().set(UDP4 + 4, &[9, 0]),
                UdpBadLength,
            ),
            bad(
                "bit flipped, IPv4",
                good4().set(UDP4 + 99, &[0xaa]),
                UdpBadChecksum,
            ),
            bad(
                "fragment, IPv4",
                good4().set(6, &[0x20, 0]).summed(),
                Ip4Broadcast,
            ),
        ],
        on,
    );
    let without = good4().set(UDP4 + 6, &[0, 0]);
    check_with(
        vec![("IPv4 without a checksum", PORT0, without, Punt(Dhcp4))],
        on,
    );
}

/// What a client or relay agent says may be long. Only where a server listens is it put together.
#[test]
fn fragments_to_the_servers_are_punted() {
    let to = |group: &str| fragment6(v6("fe80::10", group, 547));
    check_with(
        vec![
            ("all agents", PORT0, to(AGENTS), Punt(Fragment)),
            ("all servers", PORT0, to(SERVERS), Punt(Fragment)),
            ("another group", PORT0, to("ff02::1"), Drop(LocalFragment)),
        ],
        on,
    );
    check_with(
        vec![("no server", PORT0, to(AGENTS), Drop(LocalFragment))],
        |world| world.change(LAN, |lan| lan.groups6.push(AGENTS.parse().unwrap())),
    );
}

/// The packet as the first of two fragments.
fn fragment6(mut packet: Packet) -> Packet {
    packet.l3[6] = 44;
    packet.l3.splice(40..40, [17, 0, 0, 1, 0, 0, 0, 9]);
    // The data of all fragments but the last comes in eights.
    packet.l3.truncate(48 + 64);
    let len = (packet.l3.len() - 40) as u16;
    packet.set(4, &len.to_be_bytes())
}

#[test]
fn bytes_behind_the_datagram_are_not_summed() {
    let mut packet = v6("fe80::10", AGENTS, 547);
    packet.l3.extend_from_slice(&[1, 2, 3]);
    let len = (packet.l3.len() - 40) as u16;
    let packet = packet.set(4, &len.to_be_bytes());
    check_with(vec![("trailing bytes", PORT0, packet, Punt(Dhcp6))], on);
}

/// A virtual machine leaves its checksum to a device that is never asked.
#[test]
fn a_checksum_that_was_left_open_is_not_missed() {
    let open = v6("fe80::10", AGENTS, 547).set(UDP6 + 6, &[0x12, 0x34]);
    for (state, drops) in [
        (flags::RX_L4_CKSUM_NONE, &[][..]),
        (flags::RX_L4_CKSUM_GOOD, &[]),
        (flags::RX_L4_CKSUM_BAD, &["udp_bad_checksum"]),
        (0, &["udp_bad_checksum"]),
    ] {
        let mut world = World::new(true);
        on(&mut world);
        let mut mbuf = world.arena.packet(&open.bytes());
        mbuf.set_ol_flags(state);
        world.receive_mbuf(PORT0, mbuf);
        world.round();
        let outcome = world.outcome();
        assert_eq!(outcome.drops(), drops, "{state:#x}");
        assert_eq!(outcome.punted.len(), 1 - drops.len(), "{state:#x}");
    }
}

#[test]
fn a_flood_from_one_port_leaves_the_others_and_other_classes_alone() {
    let mut world = World::new(true);
    on(&mut world);
    world.change(VLAN, |vlan| vlan.dhcp.server6 = true);
    for class in [Dhcp6, Dhcp4] {
        world.forwarding.punt_rates[class.index()] = Rate {
            per_second: 1,
            burst: 4,
        };
    }
    // Publishes the rates.
    world.change(LAN, |_| ());
    for _ in 0..10 {
        world.receive(PORT0, &v6("fe80::10", AGENTS, 547).bytes());
    }
    world.round();
    let outcome = world.outcome();
    assert_eq!(outcome.count("punt dhcp6"), 4);
    assert_eq!(outcome.count("drop punt_policed"), 6);
    let other_port = sealed(Packet::udp6(MAC1, "fe80::10", "fe80::1", 40), 547).tagged(&[100]);
    world.receive(PORT1, &other_port.bytes());
    let other_class = v4("0.0.0.0", "255.255.255.255", BROADCAST, 67);
    world.receive(PORT0, &other_class.bytes());
    world.round();
    let outcome = world.outcome();
    assert_eq!(outcome.count("punt dhcp6"), 5);
    assert_eq!(outcome.count("punt dhcp4"), 1);
    assert_eq!(outcome.count("drop punt_policed"), 6);
}
