//! For any bytes and any values: no decoder panics, and what is written is what is read.

use std::net::Ipv6Addr;

use proptest::prelude::*;
use wire::nd::{self, Message, NeighborAdvertisement, RouterAdvertisement};
use wire::nd_option::{
    AddressList, DomainList, NdOption, Pref64, Preference, PrefixInformation, RouteInformation,
};
use wire::{MacAddr, addr, fuzzing};

/// An option with what it borrows.
#[derive(Debug, Clone)]
enum Owned {
    Copy(NdOption<'static>),
    Bytes(u8, Vec<u8>),
    Rdnss(u32, Vec<Ipv6Addr>),
    Dnssl(u32, Vec<String>),
    Portal(String),
}

impl Owned {
    fn borrow(&self) -> NdOption<'_> {
        match self {
            Owned::Copy(option) => *option,
            Owned::Bytes(14, data) => NdOption::Nonce(data),
            Owned::Bytes(4, data) => NdOption::RedirectedHeader(data),
            Owned::Bytes(kind, data) => NdOption::Unknown { kind: *kind, data },
            Owned::Rdnss(lifetime, servers) => NdOption::Rdnss {
                lifetime: *lifetime,
                servers: AddressList::from(&servers[..]),
            },
            Owned::Dnssl(lifetime, names) => NdOption::Dnssl {
                lifetime: *lifetime,
                domains: DomainList::from(&names[..]),
            },
            Owned::Portal(uri) => NdOption::CaptivePortal(uri),
        }
    }
}

fn address() -> impl Strategy<Value = Ipv6Addr> + Clone {
    any::<u128>().prop_map(Ipv6Addr::from_bits)
}

fn preference() -> impl Strategy<Value = Preference> {
    prop_oneof![
        Just(Preference::High),
        Just(Preference::Medium),
        Just(Preference::Low)
    ]
}

fn prefix_information() -> impl Strategy<Value = NdOption<'static>> {
    let flags = any::<[bool; 4]>();
    (0u8..=128, flags, any::<[u32; 2]>(), address()).prop_map(
        |(prefix_len, [on_link, autonomous, router_address, pd], [valid, preferred], prefix)| {
            NdOption::PrefixInformation(PrefixInformation {
                prefix_len,
                on_link,
                autonomous,
                router_address,
                dhcpv6_pd_preferred: pd,
                valid_lifetime: valid,
                preferred_lifetime: preferred,
                prefix,
            })
        },
    )
}

fn route_information() -> impl Strategy<Value = NdOption<'static>> {
    (0u8..=128, preference(), any::<u32>(), address()).prop_map(
        |(prefix_len, preference, lifetime, prefix)| {
            let prefix = addr::v6::truncated(&prefix, prefix_len);
            NdOption::RouteInformation(RouteInformation {
                prefix_len,
                preference,
                lifetime,
                prefix,
            })
        },
    )
}

fn pref64() -> impl Strategy<Value = NdOption<'static>> {
    let lengths = prop::sample::select(vec![32u8, 40, 48, 56, 64, 96]);
    (lengths, 0u16..=8191, address()).prop_map(|(prefix_len, units, prefix)| {
        let prefix = addr::v6::truncated(&prefix, prefix_len);
        NdOption::Pref64(Pref64 {
            lifetime: units * 8,
            prefix_len,
            prefix,
        })
    })
}

fn option() -> impl Strategy<Value = Owned> {
    // Data of these kinds has no length of its own: only whole units come back as they were.
    let bytes = |unit: usize, extra: usize| {
        (1usize..6).prop_flat_map(move |n| prop::collection::vec(any::<u8>(), n * unit - extra))
    };
    let name = prop::collection::vec("[a-z0-9][a-z0-9-]{0,62}", 1..4).prop_map(|l| l.join("."));
    prop_oneof![
        any::<[u8; 6]>().prop_map(|mac| Owned::Copy(NdOption::SourceLinkLayer(MacAddr(mac)))),
        any::<[u8; 6]>().prop_map(|mac| Owned::Copy(NdOption::TargetLinkLayer(MacAddr(mac)))),
        any::<u32>().prop_map(|mtu| Owned::Copy(NdOption::Mtu(mtu))),
        any::<[u8; 6]>().prop_map(|flags| Owned::Copy(NdOption::RaFlags(flags))),
        prefix_information().prop_map(Owned::Copy),
        route_information().prop_map(Owned::Copy),
        pref64().prop_map(Owned::Copy),
        bytes(8, 2).prop_map(|data| Owned::Bytes(14, data)),
        bytes(8, 0).prop_map(|data| Owned::Bytes(4, data)),
        (100u8..=255, bytes(8, 2)).prop_map(|(kind, data)| Owned::Bytes(kind, data)),
        (any::<u32>(), prop::collection::vec(address(), 1..5))
            .prop_map(|(lifetime, servers)| Owned::Rdnss(lifetime, servers)),
        (any::<u32>(), prop::collection::vec(name, 1..4))
            .prop_map(|(lifetime, names)| Owned::Dnssl(lifetime, names)),
        "[!-~]{1,60}".prop_map(Owned::Portal),
    ]
}

fn message() -> impl Strategy<Value = (Ipv6Addr, Ipv6Addr, Message)> {
    let link_local =
        any::<u64>().prop_map(|id| Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(id)));
    let unicast = address().prop_map(|a| Ipv6Addr::from_bits(a.to_bits() & !(1 << 120)));
    let ra = (
        any::<u8>(),
        any::<[bool; 4]>(),
        preference(),
        any::<u16>(),
        any::<[u32; 2]>(),
    )
        .prop_map(
            |(cur_hop_limit, flags, preference, router_lifetime, [reachable, retrans])| {
                let [managed, other_config, home_agent, proxy] = flags;
                Message::RouterAdvertisement(RouterAdvertisement {
                    cur_hop_limit,
                    managed,
                    other_config,
                    home_agent,
                    preference,
                    proxy,
                    router_lifetime,
                    reachable_time: reachable,
                    retrans_timer: retrans,
                })
            },
        );
    let na = (any::<[bool; 3]>(), unicast.clone()).prop_map(|(flags, target)| {
        let [router, solicited, override_flag] = flags;
        Message::NeighborAdvertisement(NeighborAdvertisement {
            router,
            solicited,
            override_flag,
            target,
        })
    });
    let message = prop_oneof![
        Just(Message::RouterSolicitation),
        ra,
        unicast
            .clone()
            .prop_map(|target| Message::NeighborSolicitation { target }),
        na,
        (link_local.clone(), unicast.clone()).prop_map(|(target, destination)| Message::Redirect {
            target,
            destination
        }),
    ];
    (link_local, unicast, message)
}

/// A byte that means something in many headers.
fn telling_byte() -> impl Strategy<Value = u8> {
    prop::sample::select(vec![0u8, 1, 2, 44, 58, 60, 133, 255])
}

proptest! {
    #[test]
    fn options_come_back(options in prop::collection::vec(option(), 0..6), m in message()) {
        let (source, destination, message) = m;
        let options: Vec<NdOption<'_>> = options.iter().map(Owned::borrow).collect();
        let mut buf = vec![0xee; 8192];
        let len = nd::write(&mut buf, &source, &destination, &message, &options).unwrap();
        prop_assert_eq!(len, nd::packet_len(&message, &options));
        let received = nd::parse_packet(&buf[..len]).unwrap();
        prop_assert_eq!(received.message, message);
        prop_assert_eq!(received.options.collect::<Result<Vec<_>, _>>().unwrap(), options);
    }

    #[test]
    fn no_bytes_break_a_target(data in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, target) in fuzzing::TARGETS {
            target(&data);
        }
    }

    /// Bytes that look like IP more often than chance would have it.
    #[test]
    fn no_ip_like_bytes_break_a_target(
        version in prop::sample::select(vec![0x45u8, 0x46, 0x60]),
        next in prop::sample::select(vec![0u8, 6, 17, 43, 44, 51, 58, 59, 60, 135]),
        mut data in prop::collection::vec(telling_byte(), 48..160),
    ) {
        data[0] = version;
        let len = data.len() as u16;
        if version == 0x60 {
            data[4..6].copy_from_slice(&(len - 40).to_be_bytes());
            data[6] = next;
        } else {
            data[2..4].copy_from_slice(&len.to_be_bytes());
            data[9] = next;
        }
        for (_, target) in fuzzing::TARGETS {
            target(&data);
        }
    }

    #[test]
    fn mac_addresses_come_back(octets in any::<[u8; 6]>()) {
        let mac = MacAddr(octets);
        prop_assert_eq!(mac.to_string().parse::<MacAddr>(), Ok(mac));
        prop_assert!(addr::v6::is_link_local(mac.link_local().to_bits()));
    }
}
