//! What keeps a pair of routers one: virtual routers, BFD, what they tell each other, and what is told of all that.

use super::ip;
use crate::*;

/// Changes of state.
pub fn events() -> Vec<Event> {
    let event = |millis: u32, what| Event {
        time: format!("2026-08-22T10:00:00.{millis:03}Z"),
        what,
    };
    let peer = "[fd00::2]:9462".parse().expect("a sample socket");
    vec![
        event(
            31,
            Happening::VirtualRouter {
                interface: "lan0".into(),
                vrid: 61,
                ip_version: 6,
                from: VrrpState::Backup,
                to: VrrpState::Active,
                why: "nobody advertised for too long".into(),
            },
        ),
        event(
            32,
            Happening::BfdSession {
                interface: "wan0".into(),
                peer: ip("2001:db8:2::2"),
                local: ip("2001:db8:2::1"),
                from: "up".into(),
                to: "down".into(),
                diagnostic: "control detection time expired".into(),
            },
        ),
        event(
            940,
            Happening::Pair {
                peer,
                connected: false,
                why: Some("the peer is silent".into()),
            },
        ),
        event(
            951,
            Happening::Link {
                device: "wan".into(),
                up: false,
            },
        ),
        event(952, Happening::Missed { records: 12 }),
    ]
}

/// The other router of a pair.
pub fn syncs() -> Vec<PairSync> {
    let kind = |kind: &str, phase: &str, sent| SyncKind {
        kind: kind.into(),
        phase: phase.into(),
        complete: true,
        lag_ms: 3,
        queued_bytes: 0,
        outstanding_bytes: 4096,
        counters: [("sent", sent), ("received", 77), ("refused", 1)]
            .map(|(name, n)| (name.to_owned(), n))
            .into(),
    };
    vec![PairSync {
        local: "[fd00::1]:9462".parse().expect("a sample socket"),
        peer: "[fd00::2]:9462".parse().expect("a sample socket"),
        connected: true,
        since_ms: Some(86_400_000),
        fault: None,
        same_config: Some(true),
        round_trip_us: Some(210),
        lag_ms: 3,
        kept_flows: 12_000,
        kinds: vec![
            kind("flow", "current", 1_234_567),
            kind("station", "bulk", 120),
        ],
        counters: [("sessions", 2), ("wrong_key", 0)]
            .map(|(name, n)| (name.to_owned(), n))
            .into(),
    }]
}

/// A virtual router of each IP version.
pub fn virtual_routers() -> Vec<VirtualRouter> {
    let counters = [("sent", 86_400), ("became_active", 1)];
    let active = VirtualRouter {
        interface: "lan0".into(),
        router: "main".into(),
        ip_version: 6,
        vrid: 61,
        state: VrrpState::Active,
        since_ms: 86_400_000,
        priority: 200,
        configured_priority: 200,
        version: 3,
        addresses: vec![ip("fe80::200:5eff:fe00:23d"), ip("2001:db8:1::1")],
        mac: "00:00:5e:00:02:3d".parse().expect("a sample MAC"),
        accept: true,
        preempt: true,
        interval_ms: 1000,
        active_interval_ms: 1000,
        source: Some(ip("fe80::ff:fe00:1")),
        active: Some(ip("fe80::ff:fe00:1")),
        active_priority: Some(200),
        transitions: 1,
        counters: counters.map(|(name, n)| (name.to_owned(), n)).into(),
        invalid: [("hop_limit".to_owned(), 0), ("checksum".to_owned(), 3)].into(),
        strays: [("unknown_vrid".to_owned(), 12)].into(),
    };
    vec![
        active.clone(),
        VirtualRouter {
            ip_version: 4,
            state: VrrpState::Backup,
            priority: 50,
            configured_priority: 100,
            addresses: vec![ip("192.0.2.1")],
            mac: "00:00:5e:00:01:3d".parse().expect("a sample MAC"),
            source: Some(ip("192.0.2.2")),
            active: Some(ip("192.0.2.3")),
            active_priority: Some(150),
            transitions: 2,
            invalid: std::collections::BTreeMap::new(),
            ..active
        },
    ]
}

/// A session that is up, and one that has failed.
pub fn bfd_sessions() -> Vec<BfdSession> {
    let counters = [("sent", 8_640_000), ("received", 8_640_120), ("ups", 1)];
    let up = BfdSession {
        interface: "wan0".into(),
        router: "main".into(),
        peer: ip("fe80::2"),
        local: ip("fe80::ff:fe00:2"),
        state: BfdState::Up,
        since_ms: 86_400_000,
        diagnostic: "none".into(),
        path: BfdPath::Up,
        withdraw_routes: true,
        local_discriminator: 2_864_434_397,
        source_port: 51_234,
        desired_min_tx_us: 10_000,
        required_min_rx_us: 10_000,
        detect_multiplier: 3,
        transmit_interval_us: Some(10_000),
        detection_time_us: Some(30_000),
        polling: false,
        authenticated: true,
        remote: Some(BfdRemote {
            state: BfdState::Up,
            diagnostic: "none".into(),
            discriminator: 7,
            desired_min_tx_us: 10_000,
            required_min_rx_us: 10_000,
            detect_multiplier: 3,
            demand: false,
        }),
        counters: counters.map(|(name, n)| (name.to_owned(), n)).into(),
        invalid: [("auth_digest".to_owned(), 3)].into(),
        strays: [("unknown_session".to_owned(), 12)].into(),
    };
    vec![
        up.clone(),
        BfdSession {
            peer: ip("192.0.2.2"),
            local: ip("192.0.2.1"),
            state: BfdState::Down,
            since_ms: 65_000,
            diagnostic: "detection_time_expired".into(),
            path: BfdPath::Failed,
            local_discriminator: 305_419_896,
            source_port: 60_123,
            transmit_interval_us: Some(1_000_000),
            detection_time_us: None,
            authenticated: false,
            remote: None,
            invalid: std::collections::BTreeMap::new(),
            ..up
        },
    ]
}
