//! One example of everything: a small router with two interfaces, one uplink and an hour of life. The fake appliance
//! of the tests serves it, and docs/api.md shows it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

use crate::*;

mod ha;
mod security;

pub use ha::{bfd_sessions, events, syncs, virtual_routers};
pub use security::{denied, flow_usage, flows, port_bindings, ports, security_groups};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("a sample address")
}

fn ip6(text: &str) -> Ipv6Addr {
    text.parse().expect("a sample address")
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a sample prefix")
}

fn net6(text: &str) -> Ipv6Net {
    text.parse().expect("a sample prefix")
}

fn mac(last: u8) -> Mac {
    Mac([0x02, 0x00, 0x5e, 0x00, 0x53, last])
}

fn tally(entries: &[(&str, u64)]) -> BTreeMap<String, u64> {
    entries
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

/// A router that is up, with one warning.
pub fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        dpdk_version: "DPDK 22.11.9".into(),
        pid: 4242,
        uptime_ms: 3_723_000,
        config_file: "/etc/hextet/hextetd.toml".into(),
        ready: true,
        not_ready: vec![],
        warnings: vec!["no hugepages: packet buffers lie in ordinary memory".into()],
    }
}

/// A tap that filters multicast, and an AF_PACKET device that refused to.
pub fn devices() -> Vec<Device> {
    let offload = |name: &str, place| Offload {
        name: name.into(),
        place,
    };
    let lan = Device {
        name: "lan".into(),
        kind: DeviceKind::Tap,
        state: DeviceState::Running,
        driver: "net_tap".into(),
        port: 0,
        mac: mac(0x01),
        mtu: 1500,
        link: Link {
            up: true,
            speed_mbps: Some(10_000),
            full_duplex: Some(true),
        },
        rx_queues: 1,
        tx_queues: 1,
        offloads: vec![
            offload("rx_checksum", OffloadPlace::Hardware),
            offload("tx_checksum", OffloadPlace::Software),
            offload("tso", OffloadPlace::Off),
        ],
        multicast: MulticastFilter {
            mode: MulticastMode::Filter,
            macs: vec![
                Mac([0x33, 0x33, 0, 0, 0, 2]),
                Mac([0x33, 0x33, 0xff, 0, 0, 1]),
            ],
            refused: None,
        },
        counters: DeviceCounters {
            rx_packets: 1_500_000,
            rx_bytes: 1_200_000_000,
            rx_missed: 3,
            tx_packets: 1_400_000,
            tx_bytes: 1_100_000_000,
            ..DeviceCounters::default()
        },
    };
    let wan = Device {
        name: "wan".into(),
        kind: DeviceKind::AfPacket,
        driver: "net_af_packet".into(),
        port: 1,
        mac: mac(0x02),
        link: Link {
            up: false,
            speed_mbps: None,
            full_duplex: None,
        },
        multicast: MulticastFilter {
            mode: MulticastMode::AllMulticast,
            macs: vec![Mac([0x33, 0x33, 0, 0, 0, 2])],
            refused: Some("the driver has no multicast filter".into()),
        },
        counters: DeviceCounters {
            rx_packets: 12,
            rx_bytes: 1_020,
            ..DeviceCounters::default()
        },
        ..lan.clone()
    };
    vec![lan, wan]
}

/// One untagged interface, and one on a VLAN with an address that somebody else has.
pub fn interfaces() -> Vec<Interface> {
    let address = |text: &str, state| Address {
        address: net(text),
        state,
        origin: AddressOrigin::Own,
        vrid: None,
        anycast: false,
    };
    let counters = InterfaceCounters {
        ipv6: FamilyCounters {
            rx_packets: 1_400_000,
            rx_bytes: 1_150_000_000,
            tx_packets: 1_300_000,
            tx_bytes: 1_050_000_000,
        },
        ipv4: FamilyCounters {
            rx_packets: 100_000,
            rx_bytes: 50_000_000,
            ..Default::default()
        },
    };
    vec![
        Interface {
            name: "lan0".into(),
            router: "main".into(),
            device: "lan".into(),
            network: None,
            vtep: None,
            vlans: vec![],
            mac: mac(0x01),
            mtu: 1500,
            state: InterfaceState::Up,
            addresses: vec![
                address("fe80::5eff:fe00:5301/64", AddressState::Valid),
                address("2001:db8:1::1/64", AddressState::Valid),
                Address {
                    address: net("2001:db8:1::/64"),
                    state: AddressState::Valid,
                    origin: AddressOrigin::Own,
                    vrid: None,
                    anycast: true,
                },
                address("192.0.2.1/24", AddressState::Valid),
                Address {
                    origin: AddressOrigin::Virtual,
                    vrid: Some(61),
                    ..address("2001:db8:1::254/64", AddressState::Backup)
                },
            ],
            counters,
        },
        Interface {
            name: "wan0".into(),
            router: "main".into(),
            device: "wan".into(),
            network: None,
            vtep: None,
            vlans: vec![100, 7],
            mac: mac(0x02),
            mtu: 1500,
            state: InterfaceState::LinkDown,
            addresses: vec![
                address("fe80::5eff:fe00:5302/64", AddressState::Tentative),
                address("2001:db8:2::1/64", AddressState::Duplicate),
            ],
            counters: InterfaceCounters::default(),
        },
    ]
}

/// A network on a VLAN and a tunnel.
pub fn networks() -> Vec<Network> {
    vec![Network {
        name: "blue".into(),
        up: true,
        mtu: 1430,
        learning: true,
        floods_unknown: true,
        suppression: true,
        segments: vec![
            NetworkSegment {
                kind: SegmentKind::Vlan,
                device: Some("lan".into()),
                vlans: vec![100],
                vni: None,
                vteps: vec![],
                flood: None,
            },
            NetworkSegment {
                kind: SegmentKind::Vxlan,
                device: None,
                vlans: vec![],
                vni: Some(77),
                vteps: vec!["west".into()],
                flood: Some("all".into()),
            },
        ],
        interfaces: vec!["blue0".into()],
        learned: 2,
        statics: 1,
        max_stations: 8192,
        bindings: 3,
        counters: NetworkCounters {
            rx_frames: 5_000,
            rx_bytes: 4_000_000,
            tx_frames: 6_000,
            tx_bytes: 4_500_000,
            flooded_frames: 12,
            flooded_bytes: 1_032,
            answered_frames: 40,
            directed_frames: 7,
        },
        events: tally(&[("learned", 2), ("moved", 1), ("aged", 0)]),
        binding_events: tally(&[("learned", 2), ("doubted", 1)]),
    }]
}

/// Stations of the network: one learned, one held, one configured.
pub fn stations() -> Vec<Station> {
    let station = |last, at: &str, age_seconds: Option<u32>| Station {
        network: "blue".into(),
        mac: mac(last),
        at: at.into(),
        is_static: age_seconds.is_none(),
        waits: false,
        age_seconds,
        moves: 0,
        held_seconds: None,
    };
    vec![
        station(0x01, "blue0", None),
        station(0x10, "lan.100", Some(3)),
        Station {
            moves: 5,
            held_seconds: Some(27),
            ..station(0x11, "west", Some(0))
        },
    ]
}

/// Bindings of the network: one of our own, one learned, one held.
pub fn bindings() -> Vec<Binding> {
    let binding = |address: &str, last, age_seconds: Option<u32>| Binding {
        network: "blue".into(),
        address: ip(address),
        mac: mac(last),
        is_own: age_seconds.is_none(),
        is_router: age_seconds.is_none(),
        in_use: true,
        age_seconds,
        moves: 0,
        held_seconds: None,
    };
    vec![
        binding("2001:db8:1::1", 0x01, None),
        binding("2001:db8:1::10", 0x10, Some(3)),
        Binding {
            in_use: false,
            moves: 5,
            held_seconds: Some(27),
            ..binding("2001:db8:1::11", 0x11, Some(0))
        },
    ]
}

/// A peer.
pub fn vteps() -> Vec<Vtep> {
    vec![Vtep {
        name: "west".into(),
        kind: SegmentKind::Vxlan,
        router: "main".into(),
        local: ip("2001:db8:2::1"),
        remote: ip("2001:db8:3::1"),
        port: Some(4789),
        mtu: 1500,
        path_mtu: Some(1400),
        path_mtu_seconds: Some(590),
        networks: 1,
        interfaces: vec![],
        counters: VtepCounters {
            rx_packets: 2_000,
            rx_bytes: 1_700_000,
            tx_packets: 2_500,
            tx_bytes: 2_100_000,
            too_big: 1,
        },
        path_events: tally(&[("lowered", 1), ("ignored", 0)]),
    }]
}

/// One route of each source, with two next hops, and of a kind without any.
pub fn routes() -> Vec<Route> {
    let hop = |interface: &str, via: Option<&str>, weight, resolved| RouteNextHop {
        interface: Some(interface.into()),
        via: via.map(ip),
        weight,
        resolved,
    };
    let route = |prefix: &str, source, kind, next_hops| Route {
        router: "main".into(),
        prefix: net(prefix),
        source,
        distance: u8::from(matches!(source, RouteSource::Static | RouteSource::Api)),
        kind,
        next_hops,
        to_router: None,
        installed: true,
    };
    vec![
        route(
            "2001:db8:1::/64",
            RouteSource::Connected,
            RouteKind::Connected,
            vec![hop("lan0", None, 1, true)],
        ),
        route(
            "2001:db8:1::1/128",
            RouteSource::Local,
            RouteKind::Local,
            vec![hop("lan0", None, 1, true)],
        ),
        route(
            "::/0",
            RouteSource::Static,
            RouteKind::Forward,
            vec![
                hop("wan0", Some("fe80::1"), 3, true),
                hop("wan0", Some("2001:db8:2::fe"), 1, false),
            ],
        ),
        route(
            "2001:db8:dead::/48",
            RouteSource::Api,
            RouteKind::Blackhole,
            vec![],
        ),
        Route {
            to_router: Some("shared".into()),
            ..route(
                "2001:db8:5::/48",
                RouteSource::Static,
                RouteKind::Router,
                vec![],
            )
        },
        Route {
            router: "blue".into(),
            installed: false,
            ..route(
                "198.51.100.0/24",
                RouteSource::Static,
                RouteKind::Forward,
                vec![RouteNextHop {
                    interface: None,
                    via: Some(ip("192.0.2.9")),
                    weight: 1,
                    resolved: false,
                }],
            )
        },
    ]
}

/// A destination behind a recursive static route, with the default route as the other candidate.
pub fn explain() -> RouteExplain {
    RouteExplain {
        router: "main".into(),
        address: ip("2001:db8:9::42"),
        prefix: Some(net("2001:db8:9::/48")),
        source: Some(RouteSource::Static),
        kind: Some(RouteKind::Forward),
        chain: vec![
            ExplainStep {
                lookup: ip("2001:db8:9::42"),
                prefix: net("2001:db8:9::/48"),
                source: RouteSource::Static,
                kind: RouteKind::Forward,
                via: vec![ip("2001:db8:1::fe")],
            },
            ExplainStep {
                lookup: ip("2001:db8:1::fe"),
                prefix: net("2001:db8:1::/64"),
                source: RouteSource::Connected,
                kind: RouteKind::Connected,
                via: vec![],
            },
        ],
        exits: vec![Exit {
            interface: "lan0".into(),
            neighbor: ip("2001:db8:1::fe"),
            neighbor_state: Some(NudState::Reachable),
            mac: Some(mac(0xfe)),
            weight: 1,
        }],
        why: "2001:db8:9::/48 (static) is the longest match in router main; its gateway 2001:db8:1::fe is on the \
              link of lan0 and reachable"
            .into(),
        candidates: vec![Candidate {
            prefix: net("::/0"),
            source: RouteSource::Static,
            kind: RouteKind::Forward,
            why_not: "shorter prefix".into(),
        }],
    }
}

/// One neighbour that is known, one that is not, one that is configured.
pub fn neighbors() -> Vec<Neighbor> {
    let neighbor = |address: &str, last, state, age_ms| Neighbor {
        router: "main".into(),
        interface: "lan0".into(),
        address: ip(address),
        mac: Some(mac(last)),
        state,
        is_router: false,
        age_ms,
        origin: NeighborOrigin::Learned,
    };
    vec![
        Neighbor {
            is_router: true,
            ..neighbor("fe80::1", 0xfe, NudState::Reachable, 12_345)
        },
        Neighbor {
            mac: None,
            ..neighbor("2001:db8:1::bad", 0, NudState::Incomplete, 800)
        },
        Neighbor {
            origin: NeighborOrigin::Static,
            ..neighbor("192.0.2.10", 0x10, NudState::Permanent, 3_600_000)
        },
    ]
}

/// An interface that advertises all there is, and heard a router that contradicts it.
pub fn ra() -> Vec<RaState> {
    vec![RaState {
        interface: "lan0".into(),
        router: "main".into(),
        advertising: true,
        config: RaConfig {
            min_interval_ms: 198_000,
            max_interval_ms: 600_000,
            cur_hop_limit: 64,
            managed: false,
            other_config: true,
            preference: RouterPreference::Medium,
            router_lifetime_seconds: 1800,
            reachable_time_ms: 0,
            retrans_timer_ms: 0,
            source_link_layer_address: Some(mac(0x01)),
            mtu: Some(1500),
            prefixes: vec![RaPrefix {
                prefix: net6("2001:db8:1::/64"),
                on_link: true,
                autonomous: true,
                prefer_delegation: false,
                valid_lifetime_seconds: 2_592_000,
                preferred_lifetime_seconds: 604_800,
            }],
            routes: vec![RaRoute {
                prefix: net6("2001:db8:2::/48"),
                preference: RouterPreference::High,
                lifetime_seconds: 1800,
            }],
            rdnss: vec![RaRdnss {
                servers: vec![ip6("2001:db8:1::53")],
                lifetime_seconds: 1800,
            }],
            dnssl: vec![RaDnssl {
                domains: vec!["example.org".into()],
                lifetime_seconds: 1800,
            }],
            pref64: vec![RaPref64 {
                prefix: net6("64:ff9b::/96"),
                lifetime_seconds: 1800,
            }],
            captive_portal: Some("https://example.org/captive".into()),
        },
        next_due_ms: Some(123_400),
        counters: RaCounters {
            ra_sent_unsolicited: 12,
            ra_sent_solicited: 4,
            rs_received: 5,
            rs_invalid: 1,
            ra_received: 2,
            ra_invalid: 0,
            ra_inconsistent: 1,
        },
        foreign: vec![ForeignRa {
            source: ip6("fe80::bad"),
            age_ms: 61_000,
            router_lifetime_seconds: 9000,
            inconsistencies: vec!["MTU 1400, ours is 1500".into()],
        }],
    }]
}

/// Two workers, one of them floating and idle.
pub fn workers() -> Vec<Worker> {
    vec![
        Worker {
            id: 0,
            cpu: Some(2),
            idle_policy: IdlePolicy::Poll,
            load: 0.254,
            cycles_per_packet: 96.5,
            burst_average: 17.25,
            packets: 1_500_012,
            polls: 90_000_000,
            polls_empty: 89_900_000,
            cycles_busy: 145_000_000,
            queues: vec![WorkerQueue {
                device: "lan".into(),
                queue: 0,
            }],
        },
        Worker {
            id: 1,
            cpu: None,
            idle_policy: IdlePolicy::Adaptive,
            load: 0.0,
            cycles_per_packet: 0.0,
            burst_average: 0.0,
            packets: 0,
            polls: 1_000,
            polls_empty: 1_000,
            cycles_busy: 0,
            queues: vec![WorkerQueue {
                device: "wan".into(),
                queue: 0,
            }],
        },
    ]
}

/// Two reasons, one of them never met.
pub fn drops() -> Vec<Drop> {
    vec![
        Drop {
            reason: "no_route".into(),
            help: "No route to the destination; answered with ICMP.".into(),
            total: 12,
            devices: vec![DropAt {
                device: "lan".into(),
                packets: 11,
            }],
        },
        Drop {
            reason: "hop_limit".into(),
            help: "The hop limit ran out; answered with ICMP time exceeded.".into(),
            total: 0,
            devices: vec![],
        },
    ]
}

/// An address, a delegated prefix, and an address in quarantine.
pub fn leases() -> Vec<Lease> {
    let lease = |resource: &str, kind, pool: &str| Lease {
        resource: resource.into(),
        router: Some("main".into()),
        kind,
        state: LeaseState::Bound,
        pool: Some(pool.into()),
        client: "000300010200000000aa".into(),
        iaid: 1,
        mac: Some(mac(0xaa)),
        hostname: None,
        starts: "2026-08-22T10:00:00Z".into(),
        preferred_until: "2026-08-22T22:00:00Z".into(),
        ends: "2026-08-23T10:00:00Z".into(),
        next_hop: None,
    };
    let (subnet, pool) = ("main 2001:db8:1::/64", "main pd 2001:db8:8000::/36");
    vec![
        Lease {
            hostname: Some("host.example".into()),
            ..lease("2001:db8:1::1000", LeaseKind::Address, subnet)
        },
        Lease {
            state: LeaseState::Declined,
            mac: None,
            ..lease("2001:db8:1::1010", LeaseKind::Address, subnet)
        },
        Lease {
            next_hop: Some(LeaseNextHop {
                interface: "lan0".into(),
                address: ip6("fe80::aa"),
            }),
            ..lease("2001:db8:8000:100::/56", LeaseKind::Prefix, pool)
        },
    ]
}

/// A prefix that is delegated to the uplink, and what is left of the one before.
pub fn delegations() -> Vec<Delegation> {
    let subnet = |prefix: &str, deprecated: bool, preferred: &str, valid: &str| DelegatedSubnet {
        interface: "lan0".into(),
        prefix: net6(prefix),
        address: Ipv6Addr::from_bits(net6(prefix).network().to_bits() | 1),
        deprecated,
        preferred_until: preferred.into(),
        valid_until: valid.into(),
    };
    let (now, soon, later) = (
        "2026-08-22T10:00:00Z",
        "2026-08-22T12:00:00Z",
        "2026-08-23T10:00:00Z",
    );
    vec![
        Delegation {
            router: "main".into(),
            uplink: "wan".into(),
            prefix: net6("2001:db8:a00::/56"),
            exclude: None,
            state: DelegationState::Vanished,
            preferred_until: now.into(),
            valid_until: soon.into(),
            subnets: vec![subnet("2001:db8:a00::/64", true, now, soon)],
            problems: vec![],
        },
        Delegation {
            router: "main".into(),
            uplink: "wan".into(),
            prefix: net6("2001:db8:b00::/56"),
            exclude: Some(net6("2001:db8:b00:ff::/64")),
            state: DelegationState::Held,
            preferred_until: soon.into(),
            valid_until: later.into(),
            subnets: vec![subnet("2001:db8:b00::/64", false, soon, later)],
            problems: vec!["2001:db8:b00::/56 has no subnet 256 for lan1".into()],
        },
    ]
}

/// The relays.
pub fn relays() -> Vec<Relay> {
    vec![
        Relay {
            interface: "lan0".into(),
            ip_version: 6,
            servers: vec![ip("2001:db8:ff::53")],
            address: ip("2001:db8:1::1"),
            id: "lan0".into(),
            prefixes: vec![RelayedPrefix {
                prefix: "2001:db8:a000::/56".parse().expect("a sample prefix"),
                client: "000300010200000000aa".into(),
                gateway: ip("fe80::ff:fe00:aa"),
                ends: "2026-08-22T12:00:00Z".into(),
            }],
        },
        Relay {
            interface: "lan0".into(),
            ip_version: 4,
            servers: vec![ip("192.0.2.53")],
            address: ip("10.1.0.1"),
            id: "lan0".into(),
            prefixes: vec![],
        },
    ]
}

/// An uplink with an address and two prefixes, of which one is deprecated.
pub fn dhcp_clients() -> Vec<DhcpClient> {
    let lease = |resource: &str, preferred: &str| DhcpClientLease {
        resource: resource.into(),
        iaid: 1936,
        exclude: None,
        deprecated: false,
        preferred_until: preferred.into(),
        valid_until: "2026-08-23T10:00:00Z".into(),
    };
    let later = "2026-08-22T22:00:00Z";
    vec![DhcpClient {
        interface: "wan0".into(),
        state: DhcpClientState::Bound,
        attempts: 0,
        server: Some("00030001020000000001".into()),
        renew_at: "2026-08-22T16:00:00Z".into(),
        rebind_at: "2026-08-22T19:36:00Z".into(),
        addresses: vec![lease("2001:db8::7", later)],
        prefixes: vec![
            DhcpClientLease {
                deprecated: true,
                ..lease("2001:db8:100::/56", "2026-08-22T10:00:00Z")
            },
            DhcpClientLease {
                exclude: "2001:db8:200:ff::/64".parse().ok(),
                ..lease("2001:db8:200::/56", later)
            },
        ],
        dns_servers: vec![ip6("2001:db8::53")],
        domain_search: vec!["example.net".into()],
        ntp_servers: vec!["2001:db8::7b".into()],
        options: vec![DhcpClientOption {
            code: 64,
            hex: "0461667472".into(),
        }],
    }]
}

/// A file of leases.
pub fn lease_file(format: LeaseFormat) -> &'static str {
    match format {
        LeaseFormat::Csv => concat!(
            "resource,router,kind,client,iaid,state,scope,starts,preferred_until,ends,mac,hostname,next_hop_interface,next_hop_address,",
            "relay_interface_id,relay_remote_id,relay_subscriber_id\r\n",
            "2001:db8:1::1000,main,ia_na,00030001020000000010,1,bound,main 2001:db8:1::/64,2026-08-22T10:00:00Z,2026-08-22T22:00:00Z,",
            "2026-08-23T10:00:00Z,02:00:00:00:00:10,,,,,,\r\n",
        ),
        LeaseFormat::Json | LeaseFormat::Unknown => concat!(
            "[\n",
            r#"{"resource":"2001:db8:1::1000","router":"main","kind":"ia_na","client":"00030001020000000010","iaid":1,"state":"bound","#,
            r#""scope":"main 2001:db8:1::/64","starts":"2026-08-22T10:00:00Z","preferred_until":"2026-08-22T22:00:00Z","#,
            r#""ends":"2026-08-23T10:00:00Z","mac":"02:00:00:00:00:10"}"#,
            "\n]\n",
        ),
    }
}

/// The pools of the leases.
pub fn pools() -> Vec<LeasePool> {
    let pool = |name: &str, kind, prefix: &str, size: &str| LeasePool {
        name: name.into(),
        router: "main".into(),
        link: "lan0".into(),
        kind,
        prefix: net(prefix),
        size: size.into(),
        bound: 1,
        declined: 0,
        released: 0,
        offered: 0,
    };
    vec![
        LeasePool {
            declined: 1,
            ..pool(
                "main 2001:db8:1::/64",
                LeaseKind::Address,
                "2001:db8:1::/64",
                "4096",
            )
        },
        pool(
            "main pd 2001:db8:8000::/36",
            LeaseKind::Prefix,
            "2001:db8:8000::/36",
            "1048576",
        ),
    ]
}

/// The tallies of the other samples.
pub fn counters() -> Counters {
    Counters {
        devices: devices()
            .into_iter()
            .map(|d| (d.name, d.counters))
            .collect(),
        interfaces: interfaces()
            .into_iter()
            .map(|i| (i.name, i.counters))
            .collect(),
        punted: tally(&[("nd", 40), ("glean", 7)]),
        punts_refused: tally(&[("punt_policed", 1), ("punt_ring_full", 0)]),
        control_lost: tally(&[("inject_ring_full", 0), ("room_full", 2)]),
        originated: OriginatedCounters {
            icmp_errors: 20,
            icmp_errors_limited: 5,
            echo_replies: 10,
            fragmented: 0,
            resolve_requests: 7,
        },
        nd: vec![ProtocolCounters {
            interface: "lan0".into(),
            events: tally(&[("resolved", 6), ("solicitations_sent", 9)]),
            invalid: tally(&[("hop_limit", 1)]),
        }],
        ra: vec![ProtocolCounters {
            interface: "lan0".into(),
            events: tally(&[("multicast_sent", 12), ("solicitations_received", 5)]),
            invalid: tally(&[("source_not_link_local", 1)]),
        }],
        dhcp6: vec![ProtocolCounters {
            interface: "lan0".into(),
            events: tally(&[("solicits", 5), ("replies", 4), ("leases_given", 2)]),
            invalid: tally(&[("option_truncated", 1)]),
        }],
        dhcp4: vec![ProtocolCounters {
            interface: "lan0".into(),
            events: tally(&[("discovers", 3), ("acks", 2)]),
            invalid: tally(&[("no_cookie", 1)]),
        }],
        dhcp6_relay: vec![ProtocolCounters {
            interface: "lan0".into(),
            events: tally(&[("solicits", 5), ("replies", 4), ("prefixes_delegated", 1)]),
            invalid: tally(&[("unknown_server", 1)]),
        }],
        dhcp4_relay: vec![ProtocolCounters {
            interface: "lan0".into(),
            events: tally(&[("discovers", 3), ("offers", 3)]),
            invalid: tally(&[("untrusted_agent_option", 1)]),
        }],
        dhcp6_client: vec![ProtocolCounters {
            interface: "wan0".into(),
            events: tally(&[("solicits", 1), ("requests", 1), ("replies", 1)]),
            invalid: tally(&[("foreign_transaction", 1)]),
        }],
        neighbors: vec![
            NeighborCount {
                interface: "lan0".into(),
                state: NudState::Reachable,
                count: 1,
            },
            NeighborCount {
                interface: "lan0".into(),
                state: NudState::Incomplete,
                count: 1,
            },
        ],
        routes: vec![
            RouteCount {
                router: "main".into(),
                ipv6: 4,
                ipv4: 0,
            },
            RouteCount {
                router: "blue".into(),
                ipv6: 0,
                ipv4: 1,
            },
        ],
        mempools: vec![Mempool {
            name: "frames0".into(),
            available: 7_000,
            in_use: 1_192,
        }],
        reloads: ReloadCounters {
            applied: 2,
            refused: 1,
        },
    }
}

/// Books that balance.
pub fn accounting() -> Vec<Accounting> {
    let first = Accounting {
        worker: 0,
        rx: 1_500_012,
        injected: 20,
        originated: 30,
        tx: 1_499_990,
        dropped: tally(&[("no_route", 12)]),
        punted: tally(&[("nd", 40), ("glean", 7)]),
        consumed: 10,
        held: 3,
        ..Accounting::default()
    };
    vec![
        first.balance(),
        Accounting {
            worker: 1,
            ..Accounting::default()
        }
        .balance(),
    ]
}

/// A reload that changed two things.
pub fn reload() -> ReloadResponse {
    let change = |kind, what: &str, detail: &str| Change {
        kind,
        what: what.into(),
        detail: detail.into(),
    };
    ReloadResponse {
        applied: true,
        changes: vec![
            change(ChangeKind::Added, "route 2001:db8:9::/48", ""),
            change(ChangeKind::Changed, "interface lan0", "mtu 1500 to 9000"),
        ],
        faults: vec![],
    }
}

/// A reload that was refused for two faults.
pub fn reload_refused() -> ReloadResponse {
    let fault = |line, path: &str, message: &str| Fault {
        file: "/etc/hextet/hextetd.toml".into(),
        line: Some(line),
        column: Some(7),
        path: path.into(),
        message: message.into(),
    };
    ReloadResponse {
        applied: false,
        changes: vec![],
        faults: vec![
            fault(
                12,
                "interfaces.lan0.mtu",
                "900 is less than the 1280 that IPv6 needs",
            ),
            fault(20, "interfaces.wan0.device", "there is no device `wann`"),
        ],
    }
}

/// A packet that was forwarded, and one that was dropped.
pub fn trace() -> Vec<TraceEvent> {
    let step = |stage: &str, verdict: &str, detail: &str| TraceStep {
        stage: stage.into(),
        verdict: verdict.into(),
        detail: detail.into(),
    };
    let forwarded = TraceEvent {
        time_ns: 1_795_534_496_123_456_789,
        worker: 0,
        device: Some("lan".into()),
        interface: Some("lan0".into()),
        length: 118,
        src: Some(ip("2001:db8:1::10")),
        dst: Some(ip("2001:db8:2::20")),
        protocol: Some(Protocol(58)),
        summary: "2001:db8:1::10 > 2001:db8:2::20 icmp6 echo request".into(),
        steps: vec![
            step("parse", "route", ""),
            step("route", "rewrite", "2001:db8:2::/64 to wan0"),
            step("rewrite", "tx", ""),
        ],
        outcome: "tx wan".into(),
    };
    let dropped = TraceEvent {
        dst: Some(ip("2001:db8:ffff::1")),
        summary: "2001:db8:1::10 > 2001:db8:ffff::1 icmp6 echo request".into(),
        steps: vec![
            step("parse", "route", ""),
            step("route", "icmp_error", "no route"),
        ],
        outcome: "drop no_route".into(),
        ..forwarded.clone()
    };
    vec![forwarded, dropped]
}

/// An empty pcapng file, in two pieces: the section header block and one interface description block.
pub fn capture() -> Vec<Vec<u8>> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
    vec![
        words(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28]),
        words(&[1, 20, 1, 0, 20]),
    ]
}

#[cfg(test)]
mod tests;
