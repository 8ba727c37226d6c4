//! Simulated time: what is advertised, when, to whom, and what others' packets do.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant, SystemTime};

use tables::id::IfaceId;
use wire::MacAddr;
use wire::nd::{self, Message, RouterAdvertisement, parse_packet};
use wire::nd_option::{INFINITE_LIFETIME, NdOption, PrefixInformation};

use super::*;
use crate::ra::{Dnssl, Lifetime, Pref64, Preference, Prefix, Rdnss, Route};

pub(super) const IFACE: IfaceId = IfaceId(1);
const OUR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const HOST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x10]);
const MANAGED_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x99]);

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

pub(super) const fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

const fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn date() -> SystemTime {
    SystemTime::UNIX_EPOCH + secs(1_800_000_000)
}

pub(super) struct Bench {
    pub machine: Machine,
    pub now: Instant,
}

impl Bench {
    pub fn new(seed: u64) -> Self {
        let now = Instant::now();
        Bench {
            machine: Machine::new(seed, now, date()),
            now,
        }
    }

    /// Advertises from fe80::1 and has just been switched on.
    fn started(seed: u64, config: Config) -> Self {
        let mut bench = Bench::new(seed);
        bench.configure(config);
        bench.event(Event::LinkUp { iface: IFACE });
        bench.event(Event::LinkLocal {
            iface: IFACE,
            addr: Some(v6("fe80::1")),
        });
        bench
    }

    /// Past the initial advertisements, and past 3 s after the last.
    fn settled(seed: u64, config: Config) -> Self {
        let mut bench = Bench::started(seed, config);
        bench.run(secs(100));
        bench
    }

    pub fn configure(&mut self, config: Config) -> Vec<Action> {
        assert_eq!(config.validate(), []);
        let (iface, mac, mtu, config) = (IFACE, OUR_MAC, 1500, Box::new(config));
        self.event(Event::ConfigureInterface {
            iface,
            config,
            mac,
            mtu,
        })
    }

    pub fn event(&mut self, event: Event<'_>) -> Vec<Action> {
        let mut out = Vec::new();
        self.machine.on_event(self.now, event, &mut out);
        out
    }

    pub fn run(&mut self, span: Duration) -> Vec<(Duration, Action)> {
        let (begin, end) = (self.now, self.now + span);
        let mut all = Vec::new();
        while let Some(at) = self.machine.next_deadline().filter(|at| *at <= end) {
            assert!(at >= self.now, "a deadline lies in the past");
            self.now = at;
            let out = self.event(Event::Timer);
            all.extend(out.into_iter().map(|action| (at - begin, action)));
        }
        self.now = end;
        all
    }

    pub fn receive(
        &mut self,
        src: &str,
        message: Message,
        options: &[NdOption<'_>],
    ) -> Vec<Action> {
        let mut packet = vec![0; nd::packet_len(&message, options)];
        nd::write(&mut packet, &v6(src), &v6("ff02::2"), &message, options).unwrap();
        self.event(Event::Packet {
            iface: IFACE,
            src_mac: HOST_MAC,
            packet: &packet,
        })
    }

    pub fn solicit(&mut self, src: &str) -> Vec<Action> {
        let slla = [NdOption::SourceLinkLayer(HOST_MAC)];
        let options = if src == "::" { &[][..] } else { &slla };
        self.receive(src, Message::RouterSolicitation, options)
    }

    fn counters(&self) -> &Counters {
        self.machine.counters().next().unwrap().1
    }
}

fn on() -> Config {
    Config {
        send_advertisements: true,
        ..Config::default()
    }
}

fn with_prefix(text: &str) -> Config {
    Config {
        prefixes: vec![Prefix::new(v6(text), 64)],
        ..on()
    }
}

fn ra(action: &Action) -> (Ipv6Addr, RouterAdvertisement, Vec<NdOption<'_>>) {
    let Action::Send {
        dst,
        dst_mac,
        packet,
        ..
    } = action
    else {
        panic!("{action:?}")
    };
    let received = parse_packet(packet).unwrap();
    let Message::RouterAdvertisement(ra) = received.message else {
        panic!("{received:?}")
    };
    assert_eq!(
        (received.envelope.source, received.envelope.destination),
        (v6("fe80::1"), *dst)
    );
    // To the group, or to a station that hears what holds for it alone (RFC 6085).
    if dst.is_multicast() && *dst_mac != HOST_MAC && *dst_mac != MANAGED_MAC {
        assert_eq!(*dst_mac, MacAddr::for_ipv6_multicast(dst));
    }
    (
        *dst,
        ra,
        received.options.map(|option| option.unwrap()).collect(),
    )
}

fn prefixes(action: &Action) -> Vec<PrefixInformation> {
    let only = |option| match option {
        NdOption::PrefixInformation(p) => Some(p),
        _ => None,
    };
    ra(action).2.into_iter().filter_map(only).collect()
}

#[test]
fn nothing_is_sent_before_the_link_local_address_is_valid() {
    let mut bench = Bench::new(1);
    bench.configure(on());
    bench.event(Event::LinkUp { iface: IFACE });
    bench.solicit("fe80::10");
    assert_eq!(bench.run(secs(3600)), []);
    bench.event(Event::LinkLocal {
        iface: IFACE,
        addr: Some(v6("fe80::1")),
    });
    assert_eq!(bench.run(secs(1)).len(), 1);
}

#[test]
fn advertisements_keep_the_intervals_of_the_rfc() {
    for seed in 0..200 {
        let mut bench = Bench::started(seed, on());
        let times: Vec<_> = bench
            .run(secs(6000))
            .into_iter()
            .map(|(at, _)| at)
            .collect();
        assert!(times[0] <= millis(500));
        let gaps: Vec<_> = times.windows(2).map(|w| w[1] - w[0]).collect();
        assert_eq!(gaps[..2], [secs(16); 2], "initial ones");
        assert!(
            gaps[2..]
                .iter()
                .all(|gap| (secs(198)..=secs(600)).contains(gap)),
            "{gaps:?}"
        );
        assert!(
            gaps[2..].windows(2).any(|w| w[0] != w[1]),
            "not random: {gaps:?}"
        );
    }
}

#[test]
fn power_friendly_variables_stay_below_seven_an_hour() {
    let config = Config {
        send_advertisements: true,
        ..Config::power_friendly()
    };
    for seed in 0..50 {
        let sent = Bench::settled(seed, config.clone()).run(secs(3600)).len();
        assert!((2..=6).contains(&sent), "{sent}");
    }
}

#[test]
fn a_solicitation_is_answered_to_its_host_within_half_a_second() {
    for seed in 0..200 {
        let mut bench = Bench::settled(seed, on());
        let hint = bench.solicit("fe80::10");
        let (addr, mac, iface) = (v6("fe80::10"), HOST_MAC, IFACE);
        assert_eq!(
            hint,
            [Action::NeighborHint {
                iface,
                addr,
                mac,
                router: false
            }]
        );
        bench.solicit("fe80::10");
        let out = bench.run(millis(500));
        let to_host: Vec<_> = out.iter().filter(|(_, a)| ra(a).0 == addr).collect();
        assert_eq!(to_host.len(), 1, "two solicitations, one answer");
        assert!(matches!(
            to_host[0].1,
            Action::Send {
                dst_mac: HOST_MAC,
                ..
            }
        ));
    }
}

#[test]
fn a_station_with_an_address_of_its_own_is_told_to_ask_for_it_and_nobody_else_is() {
    let mut config = on();
    config.managed_hosts = [HOST_MAC, MANAGED_MAC].into();
    let mut bench = Bench::settled(7, config.clone());
    let told = |out: &[(Duration, Action)]| -> Vec<(Ipv6Addr, MacAddr, bool)> {
        let sent = out.iter().filter_map(|(_, action)| match action {
            Action::Send { dst, dst_mac, .. } => Some((*dst, *dst_mac, ra(action).1.managed)),
            _ => None,
        });
        sent.collect()
    };
    let all_nodes = v6("ff02::1");
    let group = MacAddr::for_ipv6_multicast(&all_nodes);
    // What holds for all comes first, so that what holds for the station is what it heard last.
    assert_eq!(
        told(&bench.run(secs(600)))[..3],
        [
            (all_nodes, group, false),
            (all_nodes, HOST_MAC, true),
            (all_nodes, MANAGED_MAC, true)
        ]
    );
    bench.run(secs(4));
    bench.solicit("fe80::10");
    let answers = told(&bench.run(millis(500)));
    assert!(
        answers.contains(&(v6("fe80::10"), HOST_MAC, true)),
        "{answers:?}"
    );
    assert!(bench.counters().managed_sent > 2);
    // Where all ask DHCPv6 there is nothing to tell them apart.
    config.managed = true;
    let mut bench = Bench::settled(7, config);
    let sent = told(&bench.run(secs(600)));
    assert!(!sent.is_empty() && sent.iter().all(|told| *told == (all_nodes, group, true)));
}

#[test]
fn a_host_without_address_and_a_crowd_are_answered_by_multicast() {
    let mut bench = Bench::settled(1, on());
    assert_eq!(bench.solicit("::"), []);
    let out = bench.run(millis(500));
    assert_eq!(out.len(), 1);
    assert_eq!(ra(&out[0].1).0, v6("ff02::1"));
    bench.run(secs(4));
    for n in 0..500 {
        bench.solicit(&format!("fe80::1:{n:x}"));
    }
    let out = bench.run(secs(1));
    let unicast = out.iter().filter(|(_, a)| !ra(a).0.is_multicast()).count();
    assert_eq!((unicast, out.len() - unicast), (64, 1));
    assert_eq!(bench.counters().unicast_full, 500 - 64);
}

#[test]
fn multicast_answers_are_three_seconds_apart_and_never_late() {
    for seed in 0..50 {
        let mut bench = Bench::settled(
            seed,
            Config {
                unicast_solicited: false,
                ..on()
            },
        );
        let (mut last, mut asked) = (None::<Instant>, None::<Instant>);
        for step in 0..3000u64 {
            if step % 7 < 3 {
                bench.solicit("fe80::10");
                asked = asked.or(Some(bench.now));
            }
            let begin = bench.now;
            for (at, _) in bench.run(millis(37)) {
                let at = begin + at;
                assert!(last.is_none_or(|last| at - last >= secs(3)));
                assert!(asked.is_none_or(|asked| at - asked <= millis(3500)));
                (last, asked) = (Some(at), None);
            }
        }
        assert!(last.is_some());
    }
}

#[test]
fn every_variable_and_option_is_advertised() {
    let fixed = |s| Lifetime::Fixed(secs(s));
    let config = Config {
        managed: true,
        other_config: true,
        link_mtu: Some(1492),
        reachable_time: secs(30),
        retrans_timer: secs(1),
        preference: Preference::High,
        prefixes: vec![
            Prefix::new(v6("2001:db8:1::"), 64),
            Prefix::new(v6("2001:db8:2::"), 64),
        ],
        routes: vec![Route {
            prefix: v6("2001:db8:ff::"),
            prefix_len: 48,
            preference: Preference::Low,
            lifetime: Lifetime::Infinite,
        }],
        rdnss: vec![
            Rdnss {
                servers: vec![v6("2001:db8::53")],
                lifetime: fixed(1800),
            },
            Rdnss {
                servers: vec![v6("2001:db8::54")],
                lifetime: fixed(60),
            },
        ],
        dnssl: vec![Dnssl {
            domains: vec!["example.org".into()],
            lifetime: fixed(1800),
        }],
        pref64: vec![Pref64 {
            prefix: v6("64:ff9b::"),
            prefix_len: 96,
            lifetime: fixed(1801),
        }],
        captive_portal: Some("https://example.org/portal".into()),
        ..on()
    };
    let mut bench = Bench::started(1, config);
    let out = bench.run(secs(1));
    let (dst, header, options) = ra(&out[0].1);
    assert_eq!(dst, v6("ff02::1"));
    let expected = RouterAdvertisement {
        cur_hop_limit: 64,
        managed: true,
        other_config: true,
        preference: wire::nd_option::Preference::High,
        router_lifetime: 1800,
        reachable_time: 30_000,
        retrans_timer: 1000,
        ..Default::default()
    };
    assert_eq!(header, expected);
    let shown: Vec<_> = options.iter().map(|option| format!("{option:?}")).collect();
    assert_eq!(options.len(), 10, "{shown:#?}");
    assert_eq!(options[0], NdOption::SourceLinkLayer(OUR_MAC));
    assert_eq!(options[1], NdOption::Mtu(1492));
    let NdOption::PrefixInformation(prefix) = options[3] else {
        panic!("{shown:?}")
    };
    assert_eq!(
        (prefix.prefix, prefix.valid_lifetime),
        (v6("2001:db8:2::"), 2_592_000)
    );
    assert!(prefix.on_link && prefix.autonomous && prefix.preferred_lifetime == 604_800);
    let NdOption::RouteInformation(route) = options[4] else {
        panic!("{shown:?}")
    };
    assert_eq!((route.prefix_len, route.lifetime), (48, INFINITE_LIFETIME));
    let servers = [v6("2001:db8::54")];
    assert_eq!(
        options[6],
        NdOption::Rdnss {
            lifetime: 60,
            servers: servers[..].into()
        }
    );
    let domains = ["example.org".to_owned()];
    assert_eq!(
        options[7],
        NdOption::Dnssl {
            lifetime: 1800,
            domains: domains[..].into()
        }
    );
    assert!(matches!(options[8], NdOption::Pref64(p) if p.lifetime == 1808 && p.prefix_len == 96));
    assert_eq!(
        options[9],
        NdOption::CaptivePortal("https://example.org/portal")
    );
}

#[test]
fn a_router_that_is_no_default_router_has_medium_preference() {
    let config = Config {
        default_lifetime: Some(Duration::ZERO),
        preference: Preference::High,
        ..on()
    };
    let out = Bench::started(1, config).run(secs(1));
    let (_, header, _) = ra(&out[0].1);
    assert_eq!(
        (header.router_lifetime, header.preference),
        (0, Default::default())
    );
}

#[test]
fn lifetimes_count_down_to_a_date_and_follow_the_clock() {
    let mut config = with_prefix("2001:db8:1::");
    config.prefixes[0].valid_lifetime = Lifetime::Until(date() + secs(1000));
    config.prefixes[0].preferred_lifetime = Lifetime::Until(date() + secs(500));
    let mut bench = Bench::settled(1, config);
    let lifetimes = |bench: &mut Bench| {
        bench.solicit("fe80::10");
        let out = bench.run(millis(500));
        let unicast = out.iter().find(|(_, a)| !ra(a).0.is_multicast()).unwrap();
        let prefix = prefixes(&unicast.1)[0];
        (prefix.valid_lifetime, prefix.preferred_lifetime)
    };
    let (valid, preferred) = lifetimes(&mut bench);
    assert!(
        (898..=900).contains(&valid) && (398..=400).contains(&preferred),
        "{valid} {preferred}"
    );
    bench.run(secs(600));
    let (valid, preferred) = lifetimes(&mut bench);
    assert!(
        (298..=300).contains(&valid) && preferred == 0,
        "{valid} {preferred}"
    );
    bench.event(Event::Clock {
        wall: date() + secs(990),
    });
    assert!((9..=10).contains(&lifetimes(&mut bench).0));
    bench.run(secs(60));
    assert_eq!(lifetimes(&mut bench), (0, 0));
}

#[test]
fn capped_lifetimes_are_whole_until_their_end_comes_near() {
    let capped = |at_most, until| Lifetime::Capped {
        at_most: secs(at_most),
        until: date() + secs(until),
    };
    let mut config = with_prefix("2001:db8:1::");
    config.prefixes[0].valid_lifetime = capped(300, 1000);
    config.prefixes[0].preferred_lifetime = capped(200, 150);
    assert_eq!(config.validate(), []);
    // 100 s have passed.
    let mut bench = Bench::settled(1, config.clone());
    let lifetimes = |bench: &mut Bench| {
        bench.solicit("fe80::10");
        let out = bench.run(millis(500));
        let unicast = out.iter().find(|(_, a)| !ra(a).0.is_multicast()).unwrap();
        let prefix = prefixes(&unicast.1)[0];
        (prefix.valid_lifetime, prefix.preferred_lifetime)
    };
    let (valid, preferred) = lifetimes(&mut bench);
    assert_eq!(valid, 300);
    assert!((48..=50).contains(&preferred), "{preferred}");
    bench.run(secs(800));
    let (valid, preferred) = lifetimes(&mut bench);
    assert!((97..=100).contains(&valid), "{valid}");
    assert_eq!(preferred, 0);
    config.prefixes[0].preferred_lifetime = capped(301, 1001);
    assert_eq!(config.validate().len(), 1, "surely beyond the valid one");
}

#[test]
fn a_router_that_ceases_says_so_three_times() {
    let shutdown: fn(&mut Bench) -> Vec<Action> = |bench| bench.event(Event::Shutdown);
    let switched_off: fn(&mut Bench) -> Vec<Action> = |bench| bench.configure(Config::default());
    for stop in [shutdown, switched_off] {
        let mut bench = Bench::settled(1, with_prefix("2001:db8:1::"));
        let first = stop(&mut bench);
        assert_eq!(first.len(), 1, "the first at once");
        let (dst, header, _) = ra(&first[0]);
        assert_eq!((dst, header.router_lifetime), (v6("ff02::1"), 0));
        assert_eq!(
            prefixes(&first[0])[0].valid_lifetime,
            2_592_000,
            "the prefix lives on"
        );
        let rest = bench.run(secs(3600));
        assert_eq!(
            rest.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
            [secs(3), secs(6)]
        );
        assert!(rest.iter().all(|(_, a)| ra(a).1.router_lifetime == 0));
        assert_eq!(bench.machine.next_deadline(), None, "then it is silent");
        bench.solicit("fe80::10");
        assert_eq!(bench.run(secs(3600)), []);
    }
}

#[test]
fn a_removed_interface_says_so_once_and_one_without_link_cannot() {
    let mut bench = Bench::settled(1, on());
    let out = bench.event(Event::RemoveInterface { iface: IFACE });
    assert_eq!(out.len(), 1);
    assert_eq!(ra(&out[0]).1.router_lifetime, 0);
    assert_eq!(bench.machine.next_deadline(), None);
    let mut bench = Bench::settled(1, on());
    assert_eq!(bench.event(Event::LinkDown { iface: IFACE }), []);
    assert_eq!(bench.event(Event::Shutdown), []);
    assert_eq!(bench.run(secs(3600)), []);
}

#[test]
fn what_is_configured_away_is_withdrawn_for_a_while() {
    let server = Rdnss {
        servers: vec![v6("2001:db8::53")],
        lifetime: Lifetime::Infinite,
    };
    let old = Config {
        rdnss: vec![server],
        ..with_prefix("2001:db8:1::")
    };
    let mut bench = Bench::settled(1, old);
    bench.configure(with_prefix("2001:db8:2::"));
    let out = bench.run(secs(7150));
    assert!(out[0].0 <= millis(500), "told at once");
    for (_, action) in &out {
        let shown = prefixes(action);
        let lifetimes: Vec<_> = shown
            .iter()
            .map(|p| (p.prefix, p.valid_lifetime, p.preferred_lifetime))
            .collect();
        let (new, old) = (v6("2001:db8:2::"), v6("2001:db8:1::"));
        assert_eq!(lifetimes, [(new, 2_592_000, 604_800), (old, 0, 0)]);
        let servers = [v6("2001:db8::53")];
        let gone = NdOption::Rdnss {
            lifetime: 0,
            servers: servers[..].into(),
        };
        assert!(ra(action).2.contains(&gone));
    }
    bench.run(secs(100));
    let out = bench.run(secs(1300));
    assert!(
        !out.is_empty() && out.iter().all(|(_, a)| prefixes(a).len() == 1),
        "forgotten"
    );
    bench.configure(with_prefix("2001:db8:1::"));
    let out = bench.run(secs(4));
    assert_eq!(
        prefixes(&out[0].1)[0].valid_lifetime,
        2_592_000,
        "and back again"
    );
}

#[test]
fn an_advertisement_too_long_for_the_mtu_is_split() {
    let many = (0..120).map(|n| Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, 0, 0), 64));
    let servers: Vec<_> = (1..=100)
        .map(|n| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n))
        .collect();
    let rdnss = vec![Rdnss {
        servers,
        lifetime: Lifetime::Infinite,
    }];
    let config = Config {
        prefixes: many.collect(),
        rdnss,
        link_mtu: Some(1280),
        ..on()
    };
    let mut bench = Bench::started(1, config);
    let out = bench.run(secs(1));
    assert!(out.len() > 4, "{} packets", out.len());
    let (mut n_prefixes, mut n_servers) = (0, 0);
    for (_, action) in &out {
        let Action::Send { packet, .. } = action else {
            panic!("{action:?}")
        };
        assert!(packet.len() <= 1280);
        let (_, header, options) = ra(action);
        assert_eq!(
            (header.router_lifetime, options[0]),
            (1800, NdOption::SourceLinkLayer(OUR_MAC))
        );
        n_prefixes += prefixes(action).len();
        for option in options {
            if let NdOption::Rdnss { servers, .. } = option {
                n_servers += servers.len();
            }
        }
    }
    assert_eq!((n_prefixes, n_servers), (120, 100));
    assert_eq!(
        (bench.counters().split, bench.counters().option_too_big),
        (1, 0)
    );
}

#[test]
fn invalid_packets_are_counted_by_rule() {
    let mut bench = Bench::settled(1, on());
    bench.receive(
        "::",
        Message::RouterSolicitation,
        &[NdOption::SourceLinkLayer(HOST_MAC)],
    );
    let theirs = Message::RouterAdvertisement(RouterAdvertisement::default());
    bench.receive("2001:db8::9", theirs, &[]);
    bench.event(Event::Packet {
        iface: IFACE,
        src_mac: HOST_MAC,
        packet: &[0x60; 7],
    });
    let invalid = &bench.counters().invalid;
    assert_eq!(invalid["unspecified_source_with_link_layer"], 1);
    assert_eq!(
        (invalid["source_not_link_local"], invalid["not_icmpv6"]),
        (1, 1)
    );
    assert_eq!(bench.run(millis(600)), [], "and not answered");
}

#[test]
fn contradictions_of_another_router_are_told_once_and_counted_each_time() {
    let server = Rdnss {
        servers: vec![v6("2001:db8::53")],
        lifetime: Lifetime::Fixed(secs(60)),
    };
    let config = Config {
        link_mtu: Some(1500),
        reachable_time: secs(30),
        retrans_timer: secs(1),
        rdnss: vec![server],
        ..with_prefix("2001:db8:1::")
    };
    let mut bench = Bench::settled(1, config);
    let theirs = Message::RouterAdvertisement(RouterAdvertisement {
        cur_hop_limit: 63,
        managed: true,
        other_config: true,
        router_lifetime: 600,
        reachable_time: 1,
        retrans_timer: 2,
        ..Default::default()
    });
    let servers = [v6("2001:db8::53")];
    let options = [
        NdOption::SourceLinkLayer(HOST_MAC),
        NdOption::Mtu(1400),
        NdOption::PrefixInformation(PrefixInformation {
            prefix_len: 64,
            on_link: true,
            autonomous: true,
            router_address: false,
            dhcpv6_pd_preferred: false,
            valid_lifetime: 7,
            preferred_lifetime: 6,
            prefix: v6("2001:db8:1::"),
        }),
        NdOption::Rdnss {
            lifetime: 61,
            servers: servers[..].into(),
        },
    ];
    let out = bench.receive("fe80::99", theirs, &options);
    let (iface, from) = (IFACE, v6("fe80::99"));
    assert_eq!(
        out[0],
        Action::NeighborHint {
            iface,
            addr: from,
            mac: HOST_MAC,
            router: true
        }
    );
    assert_eq!(out[1], Action::ForeignRouter { iface, from });
    let prefix = v6("2001:db8:1::");
    let whats = [
        Inconsistency::CurHopLimit(64, 63),
        Inconsistency::Managed(false, true),
        Inconsistency::OtherConfig(false, true),
        Inconsistency::ReachableTime(30_000, 1),
        Inconsistency::RetransTimer(1000, 2),
        Inconsistency::LinkMtu(1500, 1400),
        Inconsistency::ValidLifetime(prefix, 64, 2_592_000, 7),
        Inconsistency::PreferredLifetime(prefix, 64, 604_800, 6),
        Inconsistency::RdnssLifetime(servers[0], 60, 61),
    ];
    assert_eq!(
        out[2..],
        whats.map(|what| Action::Inconsistent { iface, from, what })
    );
    assert_eq!(
        bench.receive("fe80::99", theirs, &options).len(),
        1,
        "no news, only the hint"
    );
    assert_eq!(bench.counters().inconsistent, 18);
    assert_eq!(bench.machine.snapshot()[0].foreign.len(), 1);
    bench.run(secs(1801));
    assert_eq!(
        bench.machine.snapshot()[0].foreign,
        [],
        "forgotten when silent"
    );
}

#[test]
fn another_router_that_leaves_things_unspecified_contradicts_nothing() {
    let mut bench = Bench::settled(1, with_prefix("2001:db8:1::"));
    let theirs = Message::RouterAdvertisement(RouterAdvertisement::default());
    let (iface, from) = (IFACE, v6("fe80::99"));
    assert_eq!(
        bench.receive("fe80::99", theirs, &[]),
        [Action::ForeignRouter { iface, from }]
    );
    for n in 0..200 {
        bench.receive(&format!("fe80::2:{n:x}"), theirs, &[]);
    }
    assert_eq!(
        bench.machine.snapshot()[0].foreign.len(),
        64,
        "the table is bounded"
    );
    assert_eq!(bench.counters().foreign_full, 201 - 64);
}

#[test]
fn a_new_link_local_address_ceases_the_old_one_and_waits_its_turn() {
    let mut bench = Bench::started(1, on());
    let out = bench.event(Event::LinkLocal {
        iface: IFACE,
        addr: None,
    });
    assert_eq!(out.len(), 1);
    assert_eq!(ra(&out[0]).1.router_lifetime, 0);
    bench.event(Event::LinkLocal {
        iface: IFACE,
        addr: Some(v6("fe80::1")),
    });
    let out = bench.run(secs(4));
    assert_eq!(out.len(), 1);
    assert!(
        (secs(3)..=millis(3500)).contains(&out[0].0),
        "{:?}",
        out[0].0
    );
    assert_eq!(ra(&out[0].1).1.router_lifetime, 1800);
}
