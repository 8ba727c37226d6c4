//! Paths of tunnels that carry less than their networks: what we are told of them, and what we tell hosts, by lane and graph alike.

mod support;

use dataplane::drop::DropReason;
use dataplane::punt::PuntClass;
use support::cases::through_both_ways;
use support::overlay::{A, TUNNELS, change_tunnel, ends, far, neighbour, outer, stretch};
use support::packet::Packet;
use support::*;
use tables::id::PortId;

/// Every path carries outer packets of this size.
const PATH: u16 = 1380;
/// The byte of an IPv4 header that says so.
const DONT_FRAGMENT: [u8; 1] = [0x40];

fn narrow(world: &mut World) {
    stretch(world);
    for n in 1..=TUNNELS.len() {
        change_tunnel(world, n as u16, |tunnel| tunnel.mtu = PATH);
    }
}

/// Longest IP packet within the n-th tunnel, from 1.
fn within(n: usize) -> usize {
    let (kind, is6) = TUNNELS[n - 1];
    let ip = if is6 { 40 } else { 20 };
    usize::from(PATH) - ip - kind.header_len() - 14
}

/// An IPv6 or IPv4 packet of `len` bytes.
fn of_len(to: [u8; 6], [source, destination]: [&str; 2], len: usize) -> Packet {
    match source.contains(':') {
        true => Packet::udp6(to, source, destination, len - 48),
        false => Packet::udp4(to, source, destination, len - 28)
            .set(6, &DONT_FRAGMENT)
            .summed(),
    }
}

/// That the only thing that left is an error of a router of ours, which says that so much fits.
fn told(name: &str, outcome: &Outcome, port: PortId, mtu: usize) {
    assert_eq!(
        outcome.drops(),
        [DropReason::TunnelTooBig.label()],
        "{name}: {outcome:#?}"
    );
    let [(out, frame)] = &outcome.sent[..] else {
        panic!("{name}: {outcome:#?}");
    };
    assert_eq!(*out, port, "{name}");
    let at = frame
        .windows(2)
        .position(|w| w == [0x86, 0xdd] || w == [8, 0]);
    let packet = &frame[at.unwrap() + 2..];
    let (said, word) = match packet[0] >> 4 {
        6 => (&packet[40..42], &packet[44..48]),
        _ => (&packet[20..22], &packet[24..28]),
    };
    let right = if packet[0] >> 4 == 6 { [2, 0] } else { [3, 4] };
    assert_eq!(said, right, "{name}");
    assert_eq!(word, (mtu as u32).to_be_bytes(), "{name}");
    let source = &packet[if packet[0] >> 4 == 6 { 8..24 } else { 12..16 }];
    let ours: [&[u8]; 4] = [
        &[0x20, 1, 0xd, 0xb8, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        &[10, 5, 0, 1],
        &[0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        &[10, 1, 0, 1],
    ];
    assert!(ours.contains(&source), "{name}: {source:?}");
}

#[test]
fn senders_of_what_does_not_fit_a_tunnel_are_told_what_does() {
    for n in 1..=TUNNELS.len() {
        let mtu = within(n);
        for is6 in [true, false] {
            let ends = |host: &'static str, host4: &'static str| if is6 { host } else { host4 };
            // A of the network itself.
            let behind = ends("2001:db8:5::77", "10.5.0.77");
            let between = [&neighbour(0, is6), behind];
            let bridged = |len| {
                of_len(far(n), between.map(AsRef::as_ref), len)
                    .from(A)
                    .tagged(&[500])
            };
            // A host elsewhere, whose packets are routed to a neighbour behind the tunnel.
            let there = neighbour(2 + n, is6);
            let host = ends("2001:db8:1::10", "10.1.0.10");
            let routed = |len| of_len(MAC0, [host, &there], len);
            for (name, port, packet) in [
                ("bridged", PORT1, &bridged as &dyn Fn(usize) -> Packet),
                ("routed", PORT0, &routed),
            ] {
                let (outcome, _) = through_both_ways(name, port, &packet(mtu + 1), narrow);
                told(name, &outcome, port, mtu);
                assert_eq!(outcome.count(&format!("tunnel {n} too big")), 1);
                let (outcome, lane) = through_both_ways(name, port, &packet(mtu), narrow);
                assert_eq!(outcome.sent.len(), 1, "{name} {n}: {outcome:#?}");
                assert_eq!((lane, outcome.drops()), (1, vec![]), "{name} {n}");
            }
        }
    }
}

#[test]
fn nobody_is_told_what_would_not_help_or_is_not_for_one() {
    let silent = |name: &str, packet: &Packet, prepare: fn(&mut World)| {
        let (outcome, _) = through_both_ways(name, PORT1, packet, prepare);
        assert_eq!(
            outcome.drops(),
            [DropReason::TunnelTooBig.label()],
            "{name}"
        );
        assert_eq!(outcome.sent, [], "{name}");
    };
    let (six, four) = (
        ["2001:db8:5::10", "2001:db8:5::77"],
        ["10.5.0.16", "10.5.0.77"],
    );
    let from_a = |ends, len| of_len(far(1), ends, len).from(A).tagged(&[500]);
    let cut = from_a(four, 1400).set(6, &[0]).summed();
    silent("may be cut, but not here", &cut, narrow);
    silent("no IP", &from_a(six, 1400).ether_type(0x88b5), narrow);
    silent(
        "not as long as it says",
        &from_a(six, 1400).set(4, &[0xff, 0xff]),
        narrow,
    );
    silent(
        "of another version",
        &from_a(six, 1400).set(0, &[0x40]),
        narrow,
    );
    // IPv6 hosts send 1280 bytes whatever they are told.
    fn useless(world: &mut World) {
        stretch(world);
        change_tunnel(world, 1, |tunnel| tunnel.mtu = 1300);
    }
    silent("least of IPv6", &from_a(six, 1280), useless);
    // Without a router of ours in the network there is nobody to say it.
    fn without_router(world: &mut World) {
        narrow(world);
        support::overlay::change_network(world, |network| network.routers.clear());
    }
    silent("nobody to say it", &from_a(six, 1400), without_router);
}

/// An ICMP error of a router on the way, about an outer packet of the n-th tunnel.
fn word(n: usize, mtu: u16, change: impl FnOnce(&mut Vec<u8>)) -> Packet {
    let (_, is6) = TUNNELS[n - 1];
    let [own, _] = ends(is6);
    // What the peer would send has the ends the other way.
    let frame = Packet::udp6(far(n), "2001:db8:5::10", "2001:db8:5::77", 1352).from(A);
    let mut quote = outer(n, &frame).l3;
    let (at, len) = if is6 { (8, 16) } else { (12, 4) };
    let (from, to) = (
        quote[at..at + len].to_vec(),
        quote[at + len..at + 2 * len].to_vec(),
    );
    quote[at..at + len].copy_from_slice(&to);
    quote[at + len..at + 2 * len].copy_from_slice(&from);
    if !is6 {
        quote[6] = 0x40;
    }
    change(&mut quote);
    quote.truncate(if is6 { 1232 } else { 548 });
    let kind: [u8; 4] = if is6 { [2, 0, 0, 0] } else { [3, 4, 0, 0] };
    let word = u32::from(mtu).to_be_bytes();
    let mut icmp = [&kind[..], &word, &quote].concat();
    match is6 {
        true => {
            let router = "2001:db8:2::99";
            let ends = [router, own].map(|end| end.parse().unwrap());
            let sum =
                wire::checksum::checksum_v6(&ends[0], &ends[1], wire::Protocol::ICMPV6, &icmp);
            icmp[2..4].copy_from_slice(&sum.to_be_bytes());
            Packet::ip6(MAC0, router, own, 58, &icmp)
        }
        false => {
            let sum = wire::checksum::checksum(&icmp);
            icmp[2..4].copy_from_slice(&sum.to_be_bytes());
            Packet::ip4(MAC0, "10.2.0.99", own, 1, &icmp)
        }
    }
}

/// What is changed of a quotation.
type Change<'a> = &'a dyn Fn(&mut Vec<u8>);

#[test]
fn a_word_of_a_smaller_path_is_taken_to_the_control_plane_if_it_is_about_a_tunnel_of_ours() {
    for n in 1..=TUNNELS.len() {
        let (outcome, _) = through_both_ways("word", PORT0, &word(n, 1350, |_| ()), stretch);
        let punted: Vec<_> = outcome.punted.iter().map(|(class, _)| *class).collect();
        assert_eq!(punted, [PuntClass::PathMtu], "{n}: {outcome:#?}");
        let is6 = TUNNELS[n - 1].1;
        let at = if is6 { 8 } else { 12 };
        let own_header = if is6 { 40 } else { 20 };
        let changes: [(&str, Change<'_>); 3] = [
            ("of another", &|quote| quote[at + 3] ^= 1),
            ("to another", &|quote| quote[if is6 { 39 } else { 19 }] ^= 1),
            ("another network's", &|quote| {
                let key = match TUNNELS[n - 1].0 {
                    dataplane::forwarding::network::TunnelKind::Gre => own_header + 7,
                    _ => own_header + 8 + 6,
                };
                quote[key] ^= 1;
            }),
        ];
        for (name, change) in changes {
            let packet = word(n, 1350, change);
            let (outcome, _) = through_both_ways(name, PORT0, &packet, stretch);
            assert_eq!(
                outcome.drops(),
                [DropReason::IcmpIgnored.label()],
                "{n} {name}"
            );
        }
        let more = word(n, 9000, |_| ());
        let (outcome, _) = through_both_ways("more", PORT0, &more, stretch);
        assert_eq!(outcome.drops(), [DropReason::IcmpIgnored.label()], "{n}");
    }
}
