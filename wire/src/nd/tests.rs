//! Messages as real stacks send them, both ways, and every validity rule.

use std::net::Ipv6Addr;

use super::*;
use crate::ether::MacAddr;
use crate::nd_option::{AddressList, PrefixInformation};

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// A solicitation by Linux: fe80::1 (02:00:00:00:00:01) asks for fe80::2.
#[rustfmt::skip]
const NS: [u8; 72] = [
    0x60, 0, 0, 0, 0, 32, 58, 255,
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 2,
    135, 0, 0x7a, 0x97, 0, 0, 0, 0,
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
    1, 1, 2, 0, 0, 0, 0, 1,
];

#[test]
fn solicitation_both_ways() {
    let mut buf = [0xee; 80];
    let message = Message::NeighborSolicitation {
        target: ip("fe80::2"),
    };
    let options = [NdOption::SourceLinkLayer(MacAddr([2, 0, 0, 0, 0, 1]))];
    let len = write(
        &mut buf,
        &ip("fe80::1"),
        &ip("ff02::1:ff00:2"),
        &message,
        &options,
    )
    .unwrap();
    assert_eq!(buf[..len], NS);
    let received = parse_packet(&NS).unwrap();
    assert_eq!(received.message, message);
    assert_eq!(
        received.options.source_link_layer(),
        Some(MacAddr([2, 0, 0, 0, 0, 1]))
    );
}

#[test]
fn advertisement_of_a_router_both_ways() {
    let ra = RouterAdvertisement {
        cur_hop_limit: 64,
        managed: true,
        other_config: true,
        preference: Preference::High,
        router_lifetime: 1800,
        reachable_time: 30_000,
        retrans_timer: 1000,
        ..RouterAdvertisement::default()
    };
    let servers = [ip("2001:db8::53"), ip("2001:db8::54")];
    let options = [
        NdOption::SourceLinkLayer(MacAddr([2, 0, 0, 0, 0, 1])),
        NdOption::PrefixInformation(PrefixInformation {
            prefix_len: 64,
            on_link: true,
            autonomous: true,
            router_address: false,
            dhcpv6_pd_preferred: false,
            valid_lifetime: 86400,
            preferred_lifetime: 14400,
            prefix: ip("2001:db8:1::"),
        }),
        NdOption::Mtu(1500),
        NdOption::Rdnss {
            lifetime: 3600,
            servers: AddressList::from(&servers[..]),
        },
    ];
    let mut buf = [0; 1280];
    let message = Message::RouterAdvertisement(ra);
    let len = write(&mut buf, &ip("fe80::1"), &ip("ff02::1"), &message, &options).unwrap();
    assert_eq!(len, packet_len(&message, &options));
    let received = parse_packet(&buf[..len]).unwrap();
    assert_eq!(received.message, message);
    let read: Vec<_> = received.options.collect::<Result<_, _>>().unwrap();
    assert_eq!(read, options);
}
