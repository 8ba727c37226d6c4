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

#[test]
fn advertisement_of_a_neighbour_both_ways() {
    // Scapy: IPv6(fe80::1 > fe80::2, hlim=255)/ICMPv6ND_NA(tgt=fe80::1, R=1, S=1,
    // O=1)/OptDstLLAddr.
    #[rustfmt::skip]
    let wanted = [
        136, 0, 0x98, 0x1b, 0xe0, 0, 0, 0,
        0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        2, 1, 2, 0, 0, 0, 0, 1,
    ];
    let message = Message::NeighborAdvertisement(NeighborAdvertisement {
        router: true,
        solicited: true,
        override_flag: true,
        target: ip("fe80::1"),
    });
    let options = [NdOption::TargetLinkLayer(MacAddr([2, 0, 0, 0, 0, 1]))];
    let mut buf = [0xee; 72];
    let len = write(&mut buf, &ip("fe80::1"), &ip("fe80::2"), &message, &options).unwrap();
    assert_eq!((len, &buf[40..]), (72, &wanted[..]));
    assert_eq!(parse_packet(&buf).unwrap().message, message);
    let no_room = EmitError::NoRoom { need: 72, have: 71 };
    let cut = write(
        &mut buf[..71],
        &ip("fe80::1"),
        &ip("fe80::2"),
        &message,
        &options,
    );
    assert_eq!(cut, Err(no_room));
}

#[test]
fn solicitation_of_routers_and_redirect_both_ways() {
    // Checksums as scapy computes them.
    let mut buf = [0xee; 256];
    let options = [NdOption::SourceLinkLayer(MacAddr([2, 0, 0, 0, 0, 1]))];
    let message = Message::RouterSolicitation;
    let len = write(&mut buf, &ip("fe80::1"), &ip("ff02::2"), &message, &options).unwrap();
    assert_eq!(buf[40..48], [133, 0, 0x7a, 0x2c, 0, 0, 0, 0]);
    assert_eq!(parse_packet(&buf[..len]).unwrap().message, message);

    #[rustfmt::skip]
    let quoted = [
        0x60, 0, 0, 0, 0, 8, 0x3a, 0x40,
        0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
        0x20, 1, 0xd, 0xb8, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        0x80, 0, 0x24, 0x35, 0, 1, 0, 1,
    ];
    let message = Message::Redirect {
        target: ip("fe80::3"),
        destination: ip("2001:db8:9::1"),
    };
    let options = [
        NdOption::TargetLinkLayer(MacAddr([2, 0, 0, 0, 0, 3])),
        NdOption::RedirectedHeader(&quoted),
    ];
    let len = write(
        &mut buf,
        &ip("fe80::1"),
        &ip("2001:db8:1::9"),
        &message,
        &options,
    )
    .unwrap();
    assert_eq!(buf[40..44], [137, 0, 0x7b, 0xbf]);
    assert_eq!((len, &buf[96..len]), (144, &quoted[..]));
    let received = parse_packet(&buf[..len]).unwrap();
    assert_eq!(received.message, message);
    assert_eq!(
        received.options.target_link_layer(),
        Some(MacAddr([2, 0, 0, 0, 0, 3]))
    );
}

/// A message from `source` to `destination`, changed by `change` before its checksum is filled, as
/// it is judged.
fn judged(
    (source, destination): (&str, &str),
    message: Message,
    options: &[NdOption<'_>],
    change: impl FnOnce(&mut Vec<u8>),
) -> Result<(), NdError> {
    let mut buf = [0; 512];
    let (source, destination) = (ip(source), ip(destination));
    let len = write(&mut buf, &source, &destination, &message, options).unwrap();
    let mut icmp = buf[40..len].to_vec();
    change(&mut icmp);
    if icmp.len() >= 4 {
        icmpv6::fill_checksum(&source, &destination, &mut icmp);
    }
    parse(
        Envelope {
            source,
            destination,
            hop_limit: 255,
        },
        &icmp,
    )
    .map(|_| ())
}

const LINK: (&str, &str) = ("fe80::1", "fe80::2");
const SLLA: NdOption<'_> = NdOption::SourceLinkLayer(MacAddr([2, 0, 0, 0, 0, 1]));

fn ns(target: &str) -> Message {
    Message::NeighborSolicitation { target: ip(target) }
}

fn na(target: &str, solicited: bool) -> Message {
    let target = ip(target);
    let (router, override_flag) = (true, true);
    Message::NeighborAdvertisement(NeighborAdvertisement {
        router,
        solicited,
        override_flag,
        target,
    })
}

fn redirect(target: &str, destination: &str) -> Message {
    Message::Redirect {
        target: ip(target),
        destination: ip(destination),
    }
}

fn ra() -> Message {
    Message::RouterAdvertisement(RouterAdvertisement::default())
}

#[test]
fn rules_about_addresses() {
    let rs = Message::RouterSolicitation;
    let dad = ("::", "ff02::1:ff00:2");
    let to_all = ("fe80::1", "ff02::1");
    let no: &[NdOption<'_>] = &[];
    let cases = [
        (dad, ns("fe80::2"), no, Ok(())),
        (
            dad,
            ns("fe80::2"),
            &[SLLA],
            Err(NdError::UnspecifiedSourceWithLinkLayer),
        ),
        (
            ("::", "fe80::2"),
            ns("fe80::2"),
            no,
            Err(NdError::UnspecifiedSourceNotSolicitedNode),
        ),
        (LINK, ns("ff02::1"), no, Err(NdError::TargetMulticast)),
        (
            ("ff02::1", "fe80::2"),
            ns("fe80::2"),
            no,
            Err(NdError::SourceMulticast),
        ),
        (("2001:db8::1", "fe80::2"), ns("fe80::2"), no, Ok(())),
        (to_all, na("fe80::1", false), no, Ok(())),
        (
            to_all,
            na("fe80::1", true),
            no,
            Err(NdError::SolicitedToMulticast),
        ),
        (LINK, na("ff02::1", true), no, Err(NdError::TargetMulticast)),
        (("::", "ff02::2"), rs, no, Ok(())),
        (
            ("::", "ff02::2"),
            rs,
            &[SLLA],
            Err(NdError::UnspecifiedSourceWithLinkLayer),
        ),
        (to_all, ra(), no, Ok(())),
        (
            ("2001:db8::1", "ff02::1"),
            ra(),
            no,
            Err(NdError::SourceNotLinkLocal),
        ),
        (
            ("::", "ff02::1"),
            ra(),
            no,
            Err(NdError::SourceNotLinkLocal),
        ),
        (LINK, redirect("fe80::3", "2001:db8::9"), no, Ok(())),
        (LINK, redirect("2001:db8::9", "2001:db8::9"), no, Ok(())),
        (
            LINK,
            redirect("2001:db8::3", "2001:db8::9"),
            no,
            Err(NdError::TargetNotRouter),
        ),
        (
            LINK,
            redirect("fe80::3", "ff0e::9"),
            no,
            Err(NdError::DestinationMulticast),
        ),
        (
            ("2001:db8::1", "fe80::2"),
            redirect("fe80::3", "2001:db8::9"),
            no,
            Err(NdError::SourceNotLinkLocal),
        ),
    ];
    for (addresses, message, options, wanted) in cases {
        let verdict = judged(addresses, message, options, |_| {});
        assert_eq!(verdict, wanted, "{addresses:?} {message:?}");
    }
}

#[test]
fn rules_common_to_all_types() {
    for message in [
        Message::RouterSolicitation,
        ra(),
        ns("fe80::2"),
        na("fe80::1", true),
    ] {
        let verdict = |change: fn(&mut Vec<u8>)| judged(LINK, message, &[SLLA], change);
        assert_eq!(verdict(|_| {}), Ok(()));
        assert_eq!(verdict(|icmp| icmp[1] = 1), Err(NdError::Code(1)));
        assert_eq!(
            verdict(|icmp| icmp.truncate(7)),
            Err(NdError::Length { need: 8, have: 7 })
        );
        assert_eq!(verdict(|icmp| icmp[0] = 128), Err(NdError::NotNd(128)));
        assert_eq!(
            judged(LINK, message, &[SLLA, SLLA], |icmp| {
                let second = icmp.len() - 8;
                icmp[second + 1] = 0;
            }),
            Err(NdError::ZeroLengthOption { at: 8 })
        );
        assert_eq!(
            judged(LINK, message, &[SLLA], |icmp| icmp.extend([5, 2, 0, 0])),
            Err(NdError::TruncatedOption { at: 8 })
        );
        let fixed_len = message.fixed_len();
        if fixed_len > 8 {
            let have = fixed_len - 1;
            let cut = judged(LINK, message, &[], |icmp| icmp.truncate(have));
            assert_eq!(
                cut,
                Err(NdError::Length {
                    need: fixed_len,
                    have
                })
            );
        }
    }
}

#[test]
fn rules_about_the_packet() {
    let with = |at: usize, value: u8| {
        let mut bytes = NS;
        bytes[at] = value;
        parse_packet(&bytes).map(|_| ())
    };
    assert_eq!(with(7, 254), Err(NdError::HopLimit(254)));
    assert_eq!(with(71, 2), Err(NdError::Checksum));
    assert_eq!(with(6, 17), Err(NdError::NotIcmpv6));
    assert_eq!(with(0, 0x40), Err(NdError::NotIcmpv6));
    assert_eq!(
        parse_packet(&NS[..71]),
        Err(NdError::NotIcmpv6),
        "cut by the link"
    );
    // RFC 6980: even a fragment that is whole is refused.
    let mut fragment = NS[..40].to_vec();
    (fragment[5], fragment[6]) = (40, 44);
    fragment.extend([58, 0, 0, 0, 0, 0, 0, 1]);
    fragment.extend(&NS[40..]);
    assert_eq!(parse_packet(&fragment), Err(NdError::Fragmented));
}

#[test]
fn options_of_a_wrong_kind_do_not_invalidate() {
    // A source link-layer address of 14 bytes: ignored, and still counted as there.
    let mac = [9; 14];
    let odd = NdOption::Unknown {
        kind: kind::SOURCE_LINK_LAYER,
        data: &mac,
    };
    assert_eq!(judged(LINK, ns("fe80::2"), &[odd], |_| {}), Ok(()));
    let dad = ("::", "ff02::1:ff00:2");
    let verdict = judged(dad, ns("fe80::2"), &[odd], |_| {});
    assert_eq!(verdict, Err(NdError::UnspecifiedSourceWithLinkLayer));
}

#[test]
fn flags_of_a_router_advertisement() {
    let bits = |ra: RouterAdvertisement| {
        let mut icmp = [0; 16];
        Message::RouterAdvertisement(ra).fill(&mut icmp);
        assert_eq!(read_advertisement(&icmp), ra);
        icmp[5]
    };
    let none = RouterAdvertisement::default();
    assert_eq!(bits(none), 0);
    assert_eq!(
        bits(RouterAdvertisement {
            managed: true,
            ..none
        }),
        0x80
    );
    assert_eq!(
        bits(RouterAdvertisement {
            other_config: true,
            ..none
        }),
        0x40
    );
    assert_eq!(
        bits(RouterAdvertisement {
            home_agent: true,
            ..none
        }),
        0x20
    );
    assert_eq!(
        bits(RouterAdvertisement {
            preference: Preference::High,
            ..none
        }),
        0x08
    );
    assert_eq!(
        bits(RouterAdvertisement {
            preference: Preference::Low,
            ..none
        }),
        0x18
    );
    assert_eq!(
        bits(RouterAdvertisement {
            proxy: true,
            ..none
        }),
        0x04
    );
    // The reserved preference reads as medium (RFC 4191 section 2.2).
    let mut icmp = [0; 16];
    icmp[5] = 0x10;
    assert_eq!(read_advertisement(&icmp), none);
}
