//! BFD control packets for us: where they are heard, and what is wrong with some.
//!
//! Input: a datagram, at an interface with sessions or without; output: its punt class, or what became of it.

mod support;

use dataplane::drop::DropReason::{BfdHopLimit, NoListener, UdpBadChecksum, UdpBadLength};
use dataplane::punt::PuntClass::Bfd;
use support::cases::Expect::{Drop, Punt};
use support::cases::check_with;
use support::packet::Packet;
use support::*;
use wire::checksum::Sum;
use wire::ipv6::Protocol;

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

/// To an address of ours, as a peer sends it, but for the hop limit.
fn v6(to: &str, hop_limit: u8) -> Packet {
    let packet = Packet::udp6(MAC0, "fe80::10", to, 24).set(7, &[hop_limit]);
    sealed(packet, 3784)
}

fn v4(hop_limit: u8) -> Packet {
    let packet = Packet::udp4(MAC0, "10.1.0.10", "10.1.0.1", 24)
        .set(8, &[hop_limit])
        .summed();
    sealed(packet, 3784)
}

fn on(world: &mut World) {
    world.change(LAN, |lan| lan.bfd = true);
}

#[test]
fn control_packets_of_neighbours_are_punted() {
    check_with(
        vec![
            ("link-local", PORT0, v6("fe80::1", 255), Punt(Bfd)),
            ("global", PORT0, v6("2001:db8:1::1", 255), Punt(Bfd)),
            ("ipv4", PORT0, v4(255), Punt(Bfd)),
        ],
        on,
    );
}

#[test]
fn what_came_through_a_router_is_dropped_by_name() {
    check_with(
        vec![
            ("254", PORT0, v6("fe80::1", 254), Drop(BfdHopLimit)),
            ("64", PORT0, v6("2001:db8:1::1", 64), Drop(BfdHopLimit)),
            ("ipv4", PORT0, v4(254), Drop(BfdHopLimit)),
        ],
        on,
    );
}

#[test]
fn damaged_datagrams_are_dropped_by_name() {
    let bad_sum = |packet: Packet, at: usize| packet.set(at + 8, &[0xee]);
    check_with(
        vec![
            (
                "checksum",
                PORT0,
                bad_sum(v6("fe80::1", 255), UDP6),
                Drop(UdpBadChecksum),
            ),
            (
                "checksum, ipv4",
                PORT0,
                bad_sum(v4(255), UDP4),
                Drop(UdpBadChecksum),
            ),
            (
                "length",
                PORT0,
                v6("fe80::1", 255).set(UDP6 + 4, &[0, 200]),
                Drop(UdpBadLength),
            ),
        ],
        on,
    );
}

#[test]
fn other_ports_and_interfaces_without_sessions_do_not_listen() {
    let echo = |packet: Packet| sealed(packet, 3785);
    check_with(
        vec![(
            "echo",
            PORT0,
            echo(v6("2001:db8:1::1", 255)),
            Drop(NoListener),
        )],
        on,
    );
    check_with(
        vec![("off", PORT0, v6("2001:db8:1::1", 255), Drop(NoListener))],
        |_| {},
    );
}
