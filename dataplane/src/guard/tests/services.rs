//! ARP, sources of IPv4, DHCP, listeners: rule by rule.

use super::build::*;
use super::rules::{BEHIND, IN_FRAGMENTS};
use super::*;

#[test]
fn arp_speaks_of_its_sender() {
    let world = world();
    let own = (HOST, ip("192.0.2.7"));
    let of = |mac, address| (mac, ip(address));
    let cases = [
        (arp(HOST, 1, own, ip("192.0.2.1")), Ok(Kind::Arp)),
        (arp(HOST, 2, own, ip("192.0.2.1")), Ok(Kind::Arp)),
        (arp(HOST, 1, own, own.1), Ok(Kind::Arp)),
        (
            arp(HOST, 2, of(HOST, "192.0.2.8"), ip("192.0.2.1")),
            Err(R::ArpSpoofed),
        ),
        (
            arp(HOST, 1, of(HOST, "192.0.2.99"), ip("192.0.2.99")),
            Err(R::ArpSpoofed),
        ),
        (
            arp(HOST, 2, (OTHER, own.1), ip("192.0.2.1")),
            Err(R::ArpSpoofed),
        ),
        (
            arp(HOST, 1, (HOST, ip("0.0.0.0")), ip("192.0.2.77")),
            Ok(Kind::Arp),
        ),
        (arp(HOST, 1, (HOST, ip("0.0.0.0")), own.1), Ok(Kind::Arp)),
        (
            arp(HOST, 1, (HOST, ip("0.0.0.0")), ip("192.0.2.8")),
            Err(R::AddressClaimed),
        ),
        (
            arp(HOST, 1, (HOST, ip("0.0.0.0")), ip("198.51.100.1")),
            Err(R::ArpSpoofed),
        ),
        (
            arp(HOST, 1, (HOST, ip("0.0.0.0")), ip("0.0.0.0")),
            Err(R::ArpSpoofed),
        ),
        (
            arp(HOST, 2, (HOST, ip("0.0.0.0")), ip("192.0.2.77")),
            Err(R::ArpSpoofed),
        ),
        (arp(OTHER, 1, (OTHER, own.1), own.1), Err(R::MacSpoofed)),
        (arp(HOST, 3, own, own.1), Err(R::ArpMalformed)),
    ];
    for (frame, expected) in cases {
        check(&world, &frame, expected);
    }
    let full = World {
        is_full: true,
        ..world
    };
    check(
        &full,
        &arp(HOST, 1, (HOST, ip("0.0.0.0")), ip("192.0.2.77")),
        Err(R::AddressLimit),
    );
}

#[test]
fn an_ipv4_source_is_bound_too() {
    let world = world();
    let to = ip("203.0.113.1");
    for fragment in [(0, false), (0, true), (552, true), (552, false)] {
        let from = |source| v4(ip(source), to, 17, fragment, &udp(1, 2, &[0; 64]));
        check(&world, &from("192.0.2.7"), Ok(Kind::Data));
        for spoofed in [
            "192.0.2.8",
            "192.0.2.99",
            "0.0.0.0",
            "127.0.0.1",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            check(&world, &from(spoofed), Err(R::Ip4SourceSpoofed));
        }
    }
    for offset in [8, 16, 56] {
        let early = v4(ip("192.0.2.7"), to, 17, (offset, false), &[0; 64]);
        check(&world, &early, Err(R::GuardUndecidable));
    }
    let own = ip("192.0.2.7");
    check(
        &world,
        &v4(own, to, 17, (0, true), &[0; 7]),
        Err(R::GuardUndecidable),
    );
    check(
        &world,
        &v4(own, to, 6, (0, true), &[0; 16]),
        Err(R::GuardUndecidable),
    );
    let query = v4(
        own,
        ip("224.0.0.1"),
        2,
        (0, false),
        &[0x11, 0, 0, 0, 0, 0, 0, 0],
    );
    check(&world, &query, Err(R::MldQueryGuard));
    let report = v4(
        own,
        ip("224.0.0.22"),
        2,
        (0, false),
        &[0x22, 0, 0, 0, 0, 0, 0, 0],
    );
    check(&world, &report, Ok(Kind::Listener));
}

#[test]
fn only_servers_of_dhcp_answer() {
    let world = world();
    let servers = World {
        roles: Roles {
            router: false,
            dhcp6_server: true,
            dhcp4_server: true,
            vrrp: false,
        },
        ..world.clone()
    };
    let (own, group) = (ip("fe80::7"), ip("ff02::1:2"));
    // (from, to, message type)
    for case in [
        (546, 547, 1),
        (546, 547, 36),
        (546, 547, 3),
        (1234, 547, 11),
    ] {
        let (from, to, kind) = case;
        let message = udp6(own, group, from, to, &[kind, 1, 2, 3]);
        for ext in BEHIND.into_iter().chain(IN_FRAGMENTS) {
            check(&world, &message.behind(ext).frame(), Ok(Kind::Dhcp));
        }
        check(&world, &message.from(0).frame(), Err(R::Ip6SourceSpoofed));
        check(
            &world,
            &message.to(ip("2001:db8::1")).frame(),
            Ok(Kind::Data),
        );
    }
    for case in [
        (547, 546, 2),
        (547, 546, 7),
        (1234, 546, 7),
        (546, 547, 7),
        (547, 547, 12),
        (546, 547, 13),
    ] {
        let (from, to, kind) = case;
        let message = udp6(own, ip("fe80::9"), from, to, &[kind, 1, 2, 3]);
        for ext in BEHIND.into_iter().chain(IN_FRAGMENTS) {
            check(&world, &message.behind(ext).frame(), Err(R::Dhcp6Guard));
            check(&servers, &message.behind(ext).frame(), Ok(Kind::Dhcp));
        }
    }
    let hidden = udp6(own, group, 546, 547, &[]).behind(&[Ext::Fragment(0, true)]);
    check(&world, &hidden.frame(), Err(R::GuardUndecidable));

    let (none, all) = (ip("0.0.0.0"), ip("255.255.255.255"));
    let dhcp = |source, destination, from, to, message: &[u8]| {
        v4(source, destination, 17, (0, false), &udp(from, to, message))
    };
    let request = dhcp4(1, [0; 4], HOST);
    check(&world, &dhcp(none, all, 68, 67, &request), Ok(Kind::Dhcp));
    check(
        &world,
        &dhcp(ip("192.0.2.7"), all, 68, 67, &request),
        Ok(Kind::Dhcp),
    );
    check(
        &world,
        &dhcp(ip("192.0.2.7"), ip("192.0.2.1"), 68, 67, &request),
        Ok(Kind::Data),
    );
    check(
        &world,
        &dhcp(none, ip("192.0.2.1"), 68, 67, &request),
        Err(R::Ip4SourceSpoofed),
    );
    check(
        &world,
        &dhcp(none, all, 69, 67, &request),
        Err(R::Ip4SourceSpoofed),
    );
    check(
        &world,
        &dhcp(none, all, 68, 67, &request[..20]),
        Err(R::GuardUndecidable),
    );
    for message in [
        dhcp4(2, [0; 4], HOST),
        dhcp4(1, [0; 4], OTHER),
        dhcp4(1, [192, 0, 2, 1], HOST),
    ] {
        check(
            &world,
            &dhcp(none, all, 68, 67, &message),
            Err(R::Dhcp4Guard),
        );
    }
    let reply = dhcp4(2, [0; 4], OTHER);
    for (from, to) in [(67, 68), (67, 67), (1000, 68)] {
        check(
            &world,
            &dhcp(ip("192.0.2.7"), all, from, to, &reply),
            Err(R::Dhcp4Guard),
        );
        let in_pieces = v4(ip("192.0.2.7"), all, 17, (0, true), &udp(from, to, &reply));
        check(&world, &in_pieces, Err(R::Dhcp4Guard));
        check(
            &servers,
            &dhcp(ip("192.0.2.7"), all, from, to, &reply),
            Ok(Kind::Dhcp),
        );
    }
}

#[test]
fn listeners_report_from_an_address_or_from_none() {
    let world = world();
    let group = ip("ff02::16");
    for kind in [131, 132, 143] {
        let report = icmp(ip("fe80::7"), group, kind, &[0; 20]);
        check(
            &world,
            &report.behind(&[Ext::HopByHop]).frame(),
            Ok(Kind::Listener),
        );
        check(
            &world,
            &report.from(0).behind(&[Ext::HopByHop]).frame(),
            Ok(Kind::Listener),
        );
        check(
            &world,
            &report.from(ip("fe80::8")).frame(),
            Err(R::Ip6SourceSpoofed),
        );
        check(
            &world,
            &report.from(ip("2001:db8:1::77")).frame(),
            Err(R::Ip6SourceSpoofed),
        );
        check(
            &world,
            &report.to(ip("2001:db8::1")).frame(),
            Ok(Kind::Data),
        );
    }
}

/// The boot of a host on a port whose MAC is not configured: its link-local address is new, then tentative, then its own.
#[test]
fn what_a_host_says_while_its_link_local_address_begins_is_not_lost() {
    let fresh = ip("fe80::77");
    let report = icmp(fresh, ip("ff02::16"), 143, &[0; 20]).behind(&[Ext::HopByHop]);
    let asked = icmp(fresh, ip("ff02::2"), 133, &[0; 4]);
    let names = [&[0; 4][..], &[1, 1], &HOST].concat();
    let asked_by_name = icmp(fresh, ip("ff02::2"), 133, &names);
    let data = udp6(fresh, ip("fe80::1"), 1000, 53, b"");
    let any_mac = World {
        macs: Vec::new(),
        ..world()
    };
    let held = |is_own| World {
        held: HashMap::from([(fresh, is_own)]),
        ..any_mac.clone()
    };
    let lost = Err(R::Ip6SourceSpoofed);
    for world in [&any_mac, &held(true)] {
        check(world, &report.frame(), Ok(Kind::Listener));
        check(world, &asked.frame(), Ok(Kind::Router));
        // Who hears these learns whose the address is: not before that is known.
        check(world, &asked_by_name.frame(), lost);
        check(world, &data.frame(), lost);
    }
    for packet in [&report, &asked, &asked_by_name, &data] {
        check(&held(false), &packet.frame(), lost);
    }
    let full = World {
        is_full: true,
        ..any_mac.clone()
    };
    check(&full, &report.frame(), lost);
    let told = verdict_of(&any_mac, &report.frame()).claim;
    assert_eq!(
        told.map(|claim| claim.address),
        Some(fresh),
        "it is learned"
    );
}
