//! Simulated time: every transition, every bound on time, each over many seeds where chance is involved.

mod first_come;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use tables::id::IfaceId;
use wire::arp::{ArpPacket, Operation};
use wire::nd::{self, Message, NeighborAdvertisement, parse_packet};
use wire::nd_option::NdOption;
use wire::{EtherType, MacAddr};
use zerocopy::IntoBytes;

use super::*;

pub(super) const IFACE: IfaceId = IfaceId(1);
pub(super) const OUR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
pub(super) const HOST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x10]);
const OTHER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x20]);

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

const fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The machine with one interface and a clock that is ours.
pub(super) struct Bench {
    pub machine: Machine,
    pub now: Instant,
}

impl Bench {
    /// An interface that is up, without addresses.
    pub fn bare(seed: u64, config: Config) -> Self {
        let now = Instant::now();
        let mut bench = Bench {
            machine: Machine::new(seed),
            now,
        };
        bench.event(Event::ConfigureInterface {
            iface: IFACE,
            config,
            mac: OUR_MAC,
        });
        bench.event(Event::LinkUp { iface: IFACE });
        bench
    }

    /// With fe80::1, 2001:db8::1/64 and 192.0.2.1/24, all valid and announced.
    pub fn ready(seed: u64, config: Config) -> Self {
        let mut bench = Bench::bare(seed, config);
        bench.add("fe80::1", 64);
        bench.add("2001:db8::1", 64);
        bench.add("192.0.2.1", 24);
        bench.run(secs(30));
        bench
    }

    fn add(&mut self, addr: &str, prefix_len: u8) -> Vec<Action> {
        let anycast = false;
        self.event(Event::AddAddress {
            iface: IFACE,
            addr: ip(addr),
            prefix_len,
            anycast,
        })
    }

    pub fn event(&mut self, event: Event<'_>) -> Vec<Action> {
        let mut out = Vec::new();
        self.machine.on_event(self.now, event, &mut out);
        out
    }

    /// Lets time pass; actions with the time since the start of this run.
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

    fn glean(&mut self, target: &str) -> Vec<Action> {
        self.event(Event::Glean {
            iface: IFACE,
            target: ip(target),
            source: None,
        })
    }

    fn nd(
        &mut self,
        mac: MacAddr,
        src: &str,
        dst: &str,
        m: Message,
        o: &[NdOption<'_>],
    ) -> Vec<Action> {
        let packet = packet(&v6(src), &v6(dst), &m, o);
        self.event(Event::Packet {
            iface: IFACE,
            src_mac: mac,
            packet: &packet,
        })
    }

    /// An advertisement of `target`: flags among R, S and O.
    fn na(&mut self, target: &str, flags: &str, mac: Option<MacAddr>) -> Vec<Action> {
        let message = Message::NeighborAdvertisement(NeighborAdvertisement {
            router: flags.contains('R'),
            solicited: flags.contains('S'),
            override_flag: flags.contains('O'),
            target: v6(target),
        });
        let option = mac.map(NdOption::TargetLinkLayer);
        let dst = if flags.contains('S') {
            "fe80::1"
        } else {
            "ff02::1"
        };
        self.nd(
            mac.unwrap_or(HOST_MAC),
            target,
            dst,
            message,
            option.as_slice(),
        )
    }

    fn ns(&mut self, mac: MacAddr, src: &str, target: &str, o: &[NdOption<'_>]) -> Vec<Action> {
        let target = v6(target);
        let group = Ipv6Addr::from_bits(wire::addr::v6::solicited_node(target.to_bits()));
        let message = Message::NeighborSolicitation { target };
        self.nd(mac, src, &group.to_string(), message, o)
    }

    fn arp(
        &mut self,
        op: Operation,
        sender: (MacAddr, &str),
        target: (MacAddr, &str),
    ) -> Vec<Action> {
        let v4 = |text: &str| text.parse::<Ipv4Addr>().unwrap();
        let arp = ArpPacket::new(op, (sender.0, v4(sender.1)), (target.0, v4(target.1)));
        self.event(Event::ArpPacket {
            iface: IFACE,
            packet: arp.as_bytes(),
        })
    }

    fn neighbor(&self, addr: &str) -> Option<NeighborSnapshot> {
        self.machine
            .neighbors(self.now)
            .into_iter()
            .find(|n| n.addr == ip(addr))
    }

    fn state(&self, addr: &str) -> Option<State> {
        self.neighbor(addr).map(|n| n.state)
    }

    fn address(&self, addr: &str) -> Option<AddressState> {
        self.machine
            .addresses()
            .into_iter()
            .find(|a| a.addr == ip(addr))
            .map(|a| a.state)
    }

    pub fn counters(&self) -> &Counters {
        self.machine.counters().next().unwrap().1
    }

    /// A host that has just answered.
    fn reachable(seed: u64) -> Bench {
        let mut bench = Bench::ready(seed, Config::default());
        bench.glean(HOST);
        bench.na(HOST, "SO", Some(HOST_MAC));
        assert_eq!(bench.state(HOST), Some(State::Reachable));
        bench
    }

    /// Reachable long ago.
    fn stale(seed: u64) -> Bench {
        let mut bench = Bench::reachable(seed);
        bench.run(secs(46));
        assert_eq!(bench.state(HOST), Some(State::Stale));
        bench
    }

    fn in_use(&mut self) {
        self.event(Event::InUse {
            iface: IFACE,
            addr: ip(HOST),
        });
    }
}

const HOST: &str = "2001:db8::10";

pub(super) fn packet(src: &Ipv6Addr, dst: &Ipv6Addr, m: &Message, o: &[NdOption<'_>]) -> Vec<u8> {
    let mut packet = vec![0; nd::packet_len(m, o)];
    nd::write(&mut packet, src, dst, m, o).unwrap();
    packet
}

/// What an action sends, in words.
fn sent(action: &Action) -> Option<String> {
    let Action::Send {
        dst_mac,
        ether_type,
        packet,
        ..
    } = action
    else {
        return None;
    };
    if *ether_type == EtherType::ARP {
        let arp = ArpPacket::parse(packet).unwrap();
        let (from, to) = (arp.sender_ip(), arp.target_ip());
        return Some(format!("{:?} {from} {to} to {dst_mac}", arp.operation()));
    }
    // All that is sent must pass the receiver's own rules.
    let received = parse_packet(packet).unwrap();
    let (src, dst) = (received.envelope.source, received.envelope.destination);
    if dst.is_multicast() {
        assert_eq!(*dst_mac, MacAddr::for_ipv6_multicast(&dst));
    }
    Some(match received.message {
        Message::NeighborSolicitation { target } => format!("NS {target} from {src} to {dst}"),
        Message::NeighborAdvertisement(na) => {
            assert!(received.options.target_link_layer() == Some(OUR_MAC) && na.router);
            let s = if na.solicited { "S" } else { "" };
            let o = if na.override_flag { "O" } else { "" };
            format!("NA {} R{s}{o} from {src} to {dst}", na.target)
        }
        other => panic!("{other:?} is not for this room to send"),
    })
}

fn all_sent<'a>(actions: impl IntoIterator<Item = &'a Action>) -> Vec<String> {
    actions.into_iter().filter_map(sent).collect()
}

fn install(addr: &str, mac: MacAddr, router: bool) -> Action {
    Action::Install {
        iface: IFACE,
        addr: ip(addr),
        mac,
        router,
    }
}

fn release(addr: &str) -> Action {
    Action::Release {
        iface: IFACE,
        addr: ip(addr),
    }
}

fn fail(addr: &str) -> Action {
    Action::Fail {
        iface: IFACE,
        addr: ip(addr),
    }
}

fn withdraw(addr: &str) -> Action {
    Action::Withdraw {
        iface: IFACE,
        addr: ip(addr),
    }
}

#[test]
fn resolution_asks_the_group_and_releases_what_waits() {
    let mut bench = Bench::ready(1, Config::default());
    let asked = bench.glean(HOST);
    assert_eq!(
        all_sent(&asked),
        ["NS 2001:db8::10 from fe80::1 to ff02::1:ff00:10"]
    );
    assert_eq!(bench.state(HOST), Some(State::Incomplete));
    assert_eq!(bench.glean(HOST), [], "one solicitation serves all");
    let answer = bench.na(HOST, "SO", Some(HOST_MAC));
    assert_eq!(answer, [install(HOST, HOST_MAC, false), release(HOST)]);
    assert_eq!(bench.state(HOST), Some(State::Reachable));
}

#[test]
fn resolution_speaks_from_the_source_that_waits_when_it_is_ours() {
    let mut bench = Bench::ready(1, Config::default());
    let (target, source) = (ip(HOST), Some(ip("2001:db8::1")));
    let asked = bench.event(Event::Glean {
        iface: IFACE,
        target,
        source,
    });
    assert_eq!(
        all_sent(&asked),
        ["NS 2001:db8::10 from 2001:db8::1 to ff02::1:ff00:10"]
    );
}

#[test]
fn an_unsolicited_answer_resolves_to_stale_and_one_without_mac_does_not() {
    let mut bench = Bench::ready(1, Config::default());
    bench.glean(HOST);
    assert_eq!(bench.na(HOST, "SO", None), []);
    assert_eq!(bench.state(HOST), Some(State::Incomplete));
    let answer = bench.na(HOST, "R", Some(HOST_MAC));
    assert_eq!(answer, [install(HOST, HOST_MAC, true), release(HOST)]);
    assert_eq!(bench.state(HOST), Some(State::Stale));
}

#[test]
fn resolution_fails_after_three_solicitations_and_is_remembered_as_failed() {
    let mut bench = Bench::ready(1, Config::default());
    bench.glean(HOST);
    let later = bench.run(millis(3999));
    let times: Vec<_> = later.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [secs(1), secs(2), secs(3)]);
    assert_eq!(all_sent(later.iter().map(|(_, a)| a)).len(), 2);
    assert_eq!(later[2].1, fail(HOST));
    assert_eq!(bench.state(HOST), Some(State::Failed));
    assert_eq!(
        bench.glean(HOST),
        [fail(HOST)],
        "refused without asking again"
    );
    bench.run(secs(3));
    assert_eq!(bench.state(HOST), None);
    assert_eq!(all_sent(&bench.glean(HOST)).len(), 1);
}

#[test]
fn reachable_time_is_random_within_its_bounds() {
    let mut seen = Vec::new();
    for seed in 0..200 {
        let mut bench = Bench::reachable(seed);
        let mut lasted = Duration::ZERO;
        while bench.state(HOST) == Some(State::Reachable) {
            bench.run(millis(100));
            lasted += millis(100);
        }
        assert!((secs(15)..=millis(45_100)).contains(&lasted), "{lasted:?}");
        seen.push(lasted);
    }
    assert!(*seen.iter().min().unwrap() < secs(20) && *seen.iter().max().unwrap() > secs(40));
}

#[test]
fn a_stale_neighbour_is_probed_only_when_used() {
    let mut bench = Bench::stale(1);
    assert_eq!(bench.run(secs(600)), [], "idle neighbours cost nothing");
    bench.in_use();
    assert_eq!(bench.state(HOST), Some(State::Delay));
    let probes = bench.run(millis(7500));
    let asked = all_sent(probes.iter().map(|(_, a)| a));
    assert_eq!(
        asked,
        vec!["NS 2001:db8::10 from fe80::1 to 2001:db8::10"; 3]
    );
    assert_eq!(
        probes.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
        [secs(5), secs(6), secs(7)]
    );
    assert!(matches!(
        &probes[0].1,
        Action::Send {
            dst_mac: HOST_MAC,
            ..
        }
    ));
    assert_eq!(bench.state(HOST), Some(State::Probe));
    assert_eq!(bench.na(HOST, "S", None), [], "an answer needs no MAC");
    assert_eq!(bench.state(HOST), Some(State::Reachable));
}

#[test]
fn a_silent_neighbour_is_asked_by_multicast_with_growing_pauses_then_withdrawn() {
    let mut bench = Bench::stale(1);
    bench.in_use();
    bench.run(secs(8));
    assert_eq!(bench.state(HOST), Some(State::Unreachable));
    let last = bench.run(millis(13_500));
    let times: Vec<_> = last.iter().map(|(at, _)| at.as_secs()).collect();
    assert_eq!(times, [1, 4, 13, 13], "pauses of 1, 3 and 9 s");
    assert_eq!(last[2].1, withdraw(HOST));
    assert_eq!(last[3].1, fail(HOST));
    let multicast = all_sent(last.iter().map(|(_, a)| a));
    assert_eq!(
        multicast,
        vec!["NS 2001:db8::10 from fe80::1 to ff02::1:ff00:10"; 2]
    );
    assert_eq!(bench.state(HOST), Some(State::Failed));
}

#[test]
fn an_unreachable_neighbour_that_answers_was_never_withdrawn() {
    let mut bench = Bench::stale(1);
    bench.in_use();
    bench.run(secs(9));
    assert_eq!(bench.state(HOST), Some(State::Unreachable));
    assert_eq!(bench.na(HOST, "SO", Some(HOST_MAC)), []);
    assert_eq!(bench.state(HOST), Some(State::Reachable));
}

#[test]
fn stale_neighbours_are_forgotten_after_their_lifetime() {
    let mut bench = Bench::reachable(1);
    let out = bench.run(secs(4 * 3600 + 60));
    assert_eq!(
        out.into_iter().map(|(_, a)| a).collect::<Vec<_>>(),
        [withdraw(HOST)]
    );
    assert_eq!((bench.state(HOST), bench.counters().expired), (None, 1));
}

/// RFC 4861 section 7.2.5 and appendix C: state before, flags, MAC in the answer; state after, whether the MAC changes.
#[test]
fn advertisements_change_the_cache_as_the_table_says() {
    use State::{Probe, Reachable, Stale};
    let (same, other) = (Some(HOST_MAC), Some(OTHER_MAC));
    let table = [
        (Reachable, "", same, Reachable, false),
        (Reachable, "S", same, Reachable, false),
        (Reachable, "O", same, Reachable, false),
        (Reachable, "", other, Stale, false),
        (Reachable, "S", other, Stale, false),
        (Reachable, "O", other, Stale, true),
        (Reachable, "SO", other, Reachable, true),
        (Stale, "", same, Stale, false),
        (Stale, "S", same, Reachable, false),
        (Stale, "S", None, Reachable, false),
        (Stale, "", other, Stale, false),
        (Stale, "S", other, Stale, false),
        (Stale, "O", other, Stale, true),
        (Stale, "SO", other, Reachable, true),
        (Probe, "", same, Probe, false),
        (Probe, "O", same, Probe, false),
        (Probe, "S", same, Reachable, false),
        (Probe, "S", other, Probe, false),
        (Probe, "O", other, Stale, true),
        (Probe, "SO", other, Reachable, true),
    ];
    for (before, flags, mac, after, changes) in table {
        let mut bench = match before {
            Reachable => Bench::reachable(1),
            _ => Bench::stale(1),
        };
        if before == Probe {
            bench.in_use();
            bench.run(millis(5500));
        }
        assert_eq!(bench.state(HOST), Some(before));
        let out = bench.na(HOST, flags, mac);
        let case = format!("{before:?} {flags} {mac:?}: {out:?}");
        let now = bench.neighbor(HOST).unwrap();
        assert_eq!(now.state, after, "{case}");
        assert_eq!(
            now.mac,
            Some(if changes { OTHER_MAC } else { HOST_MAC }),
            "{case}"
        );
        assert_eq!(
            out.contains(&install(HOST, OTHER_MAC, false)),
            changes,
            "{case}"
        );
    }
}

#[test]
fn the_router_flag_follows_valid_advertisements() {
    let mut bench = Bench::reachable(1);
    assert_eq!(bench.na(HOST, "RSO", None), [install(HOST, HOST_MAC, true)]);
    let out = bench.na(HOST, "SO", None);
    assert!(out.contains(&install(HOST, HOST_MAC, false)));
    let note = Note::NoLongerRouter { addr: ip(HOST) };
    assert!(out.contains(&Action::Note { iface: IFACE, note }));
}

#[test]
fn solicitations_for_us_are_answered_and_teach_who_asks() {
    let mut bench = Bench::ready(1, Config::default());
    let slla = [NdOption::SourceLinkLayer(HOST_MAC)];
    let out = bench.ns(HOST_MAC, HOST, "2001:db8::1", &slla);
    assert_eq!(out[0], install(HOST, HOST_MAC, false));
    assert_eq!(
        all_sent(&out),
        ["NA 2001:db8::1 RSO from 2001:db8::1 to 2001:db8::10"]
    );
    assert!(matches!(
        &out[1],
        Action::Send {
            dst_mac: HOST_MAC,
            ..
        }
    ));
    assert_eq!(bench.state(HOST), Some(State::Stale));
    assert_eq!(
        bench.ns(HOST_MAC, HOST, "2001:db8::99", &slla),
        [],
        "not ours"
    );
}

#[test]
fn duplicate_detection_of_others_is_answered_to_all() {
    let mut bench = Bench::ready(1, Config::default());
    let out = bench.ns(HOST_MAC, "::", "2001:db8::1", &[NdOption::Nonce(&[1; 6])]);
    assert_eq!(
        all_sent(&out),
        ["NA 2001:db8::1 RO from 2001:db8::1 to ff02::1"]
    );
}

#[test]
fn anycast_and_proxied_addresses_are_answered_late_and_without_override() {
    for seed in 0..100 {
        let proxy = vec![(ip("2001:db8::8000:0"), 112)];
        let mut bench = Bench::ready(
            seed,
            Config {
                proxy,
                ..Config::default()
            },
        );
        let addr = ip("2001:db8::");
        bench.event(Event::AddAddress {
            iface: IFACE,
            addr,
            prefix_len: 64,
            anycast: true,
        });
        bench.run(secs(10));
        for target in ["2001:db8::", "2001:db8::8000:7"] {
            bench.ns(
                HOST_MAC,
                HOST,
                target,
                &[NdOption::SourceLinkLayer(HOST_MAC)],
            );
            let out = bench.run(secs(2));
            assert_eq!(out.len(), 1);
            assert!(out[0].0 <= secs(1));
            let said = sent(&out[0].1).unwrap();
            assert_eq!(said, format!("NA {target} RS from fe80::1 to 2001:db8::10"));
        }
    }
}

#[test]
fn a_proxy_keeps_silent_for_who_lives_here() {
    let proxy = vec![(ip("2001:db8::"), 64)];
    let mut bench = Bench::ready(
        1,
        Config {
            proxy,
            ..Config::default()
        },
    );
    bench.glean(HOST);
    bench.na(HOST, "SO", Some(HOST_MAC));
    bench.ns(OTHER_MAC, "2001:db8::20", HOST, &[]);
    assert_eq!(
        all_sent(bench.run(secs(2)).iter().map(|(_, a)| a)),
        [] as [String; 0]
    );
}

#[test]
fn an_address_is_valid_after_its_probe_and_is_announced() {
    for seed in 0..200 {
        let mut bench = Bench::bare(seed, Config::default());
        let out = bench.add("fe80::1", 64);
        let state = |state| Action::AddressState {
            iface: IFACE,
            addr: ip("fe80::1"),
            state,
        };
        assert_eq!(out, [state(AddressState::Tentative)]);
        let out = bench.run(secs(10));
        assert_eq!(
            sent(&out[0].1).unwrap(),
            "NS fe80::1 from :: to ff02::1:ff00:1"
        );
        assert!(out[0].0 <= secs(1));
        assert_eq!(out[1], (out[0].0 + secs(1), state(AddressState::Valid)));
        let announced = all_sent(out[2..].iter().map(|(_, a)| a));
        assert_eq!(announced, vec!["NA fe80::1 RO from fe80::1 to ff02::1"; 3]);
    }
}

#[test]
fn a_duplicate_is_found_by_solicitation_and_by_advertisement() {
    for by_advertisement in [false, true] {
        let mut bench = Bench::bare(3, Config::default());
        bench.add("fe80::1", 64);
        bench.run(millis(1001));
        let out = if by_advertisement {
            bench.na("fe80::1", "O", Some(HOST_MAC))
        } else {
            bench.ns(HOST_MAC, "::", "fe80::1", &[])
        };
        let (iface, addr) = (IFACE, ip("fe80::1"));
        let state = AddressState::Duplicate;
        let note = Note::Duplicate {
            addr,
            mac: HOST_MAC,
        };
        assert_eq!(
            out,
            [
                Action::AddressState { iface, addr, state },
                Action::Note { iface, note }
            ]
        );
        assert_eq!(bench.run(secs(60)), [], "it stays off");
        assert_eq!(bench.address("fe80::1"), Some(AddressState::Duplicate));
        // The link comes back: it is tested again.
        bench.event(Event::LinkDown { iface });
        bench.event(Event::LinkUp { iface });
        bench.run(secs(3));
        assert_eq!(bench.address("fe80::1"), Some(AddressState::Valid));
    }
}

#[test]
fn a_tentative_address_is_silent_and_knows_its_own_echo() {
    let mut bench = Bench::bare(3, Config::default());
    bench.add("fe80::1", 64);
    let probe = bench.run(secs(1)).remove(0).1;
    let Action::Send { packet, .. } = probe else {
        panic!("{probe:?}")
    };
    // Looped back by a bridge that rewrites the source MAC: the nonce tells (RFC 7527).
    let looped = bench.event(Event::Packet {
        iface: IFACE,
        src_mac: OTHER_MAC,
        packet: &packet,
    });
    assert_eq!((looped, bench.counters().looped_back), (vec![], 1));
    assert_eq!(
        bench.ns(HOST_MAC, "fe80::10", "fe80::1", &[]),
        [],
        "no answer while tentative"
    );
    bench.run(secs(2));
    assert_eq!(bench.address("fe80::1"), Some(AddressState::Valid));
}

#[test]
fn anycast_addresses_need_no_duplicate_detection() {
    let mut bench = Bench::bare(1, Config::default());
    let (addr, iface) = (ip("2001:db8::"), IFACE);
    let out = bench.event(Event::AddAddress {
        iface,
        addr,
        prefix_len: 64,
        anycast: true,
    });
    assert!(out.contains(&Action::AddressState {
        iface,
        addr,
        state: AddressState::Valid
    }));
}

#[test]
fn a_conflict_is_answered_once_in_ten_seconds() {
    let mut bench = Bench::ready(1, Config::default());
    let mut answers = 0;
    for _ in 0..100 {
        answers += all_sent(&bench.na("2001:db8::1", "O", Some(HOST_MAC))).len();
        bench.run(millis(200));
    }
    assert_eq!((answers, bench.counters().conflicts), (2, 100));
    assert_eq!(bench.address("2001:db8::1"), Some(AddressState::Valid));
}

#[test]
fn hosts_are_learnt_from_unsolicited_advertisements_on_link_only() {
    let mut bench = Bench::ready(1, Config::default());
    assert_eq!(
        bench.na(HOST, "O", Some(HOST_MAC)),
        [install(HOST, HOST_MAC, false)]
    );
    assert_eq!(bench.state(HOST), Some(State::Stale));
    assert_eq!(bench.na("2001:db8:bad::1", "O", Some(HOST_MAC)), []);
    assert_eq!(
        (
            bench.counters().learnt_unsolicited,
            bench.counters().off_link
        ),
        (1, 1)
    );
    let mut bench = Bench::ready(
        1,
        Config {
            learn_unsolicited: false,
            ..Config::default()
        },
    );
    assert_eq!(bench.na(HOST, "O", Some(HOST_MAC)), []);
}

#[test]
fn a_new_mac_is_announced() {
    let mut bench = Bench::ready(1, Config::default());
    let (config, mac) = (Config::default(), OTHER_MAC);
    let out = bench.event(Event::ConfigureInterface {
        iface: IFACE,
        config,
        mac,
    });
    let sends = |out: &[Action]| {
        out.iter()
            .filter(|a| matches!(a, Action::Send { .. }))
            .count()
    };
    assert_eq!(sends(&out), 3, "one for each address");
    let later: Vec<_> = bench.run(secs(10)).into_iter().map(|(_, a)| a).collect();
    assert_eq!(sends(&later), 6);
}

#[test]
fn link_down_and_removal_withdraw_everything() {
    let mut bench = Bench::reachable(1);
    assert_eq!(
        bench.event(Event::LinkDown { iface: IFACE }),
        [withdraw(HOST)]
    );
    assert_eq!(bench.glean(HOST), [fail(HOST)]);
    let mut bench = Bench::reachable(1);
    assert_eq!(
        bench.event(Event::RemoveInterface { iface: IFACE }),
        [withdraw(HOST)]
    );
    assert_eq!(
        bench.machine.next_deadline(),
        None,
        "no timer is left behind"
    );
}

#[test]
fn static_neighbours_are_neither_probed_nor_replaced_nor_flushed() {
    let mut bench = Bench::ready(1, Config::default());
    bench.glean(HOST);
    let (iface, addr) = (IFACE, ip(HOST));
    let out = bench.event(Event::AddStatic {
        iface,
        addr,
        mac: HOST_MAC,
    });
    assert_eq!(out, [install(HOST, HOST_MAC, false), release(HOST)]);
    assert_eq!(bench.na(HOST, "SO", Some(OTHER_MAC)), []);
    assert_eq!(
        bench.event(Event::Flush {
            iface: None,
            addr: None
        }),
        []
    );
    bench.in_use();
    assert_eq!(bench.run(secs(86_400)), []);
    assert_eq!(bench.state(HOST), Some(State::Permanent));
    assert_eq!(
        bench.event(Event::RemoveStatic { iface, addr }),
        [withdraw(HOST)]
    );
}

#[test]
fn arp_resolves_answers_and_confirms_as_nd_does() {
    let mut bench = Bench::ready(1, Config::default());
    let asked = bench.glean("192.0.2.10");
    assert_eq!(
        all_sent(&asked),
        ["Request 192.0.2.1 192.0.2.10 to ff:ff:ff:ff:ff:ff"]
    );
    let host = (HOST_MAC, "192.0.2.10");
    let out = bench.arp(Operation::Reply, host, (OUR_MAC, "192.0.2.1"));
    assert_eq!(
        out,
        [
            install("192.0.2.10", HOST_MAC, false),
            release("192.0.2.10")
        ]
    );
    assert_eq!(bench.state("192.0.2.10"), Some(State::Reachable));
    let out = bench.arp(
        Operation::Request,
        (OTHER_MAC, "192.0.2.20"),
        (MacAddr::ZERO, "192.0.2.1"),
    );
    assert_eq!(out[0], install("192.0.2.20", OTHER_MAC, false));
    assert_eq!(
        all_sent(&out),
        ["Reply 192.0.2.1 192.0.2.20 to 02:00:00:00:00:20"]
    );
    // A gratuitous request moves the host, and what it claims is checked when it is used.
    let moved = (OTHER_MAC, "192.0.2.10");
    let out = bench.arp(Operation::Request, moved, (MacAddr::ZERO, "192.0.2.10"));
    assert_eq!(out[0], install("192.0.2.10", OTHER_MAC, false));
    assert_eq!(bench.state("192.0.2.10"), Some(State::Stale));
    let out = bench.arp(
        Operation::Request,
        (HOST_MAC, "198.51.100.9"),
        (MacAddr::ZERO, "192.0.2.1"),
    );
    assert_eq!(all_sent(&out).len(), 1, "answered");
    assert_eq!(
        bench.state("198.51.100.9"),
        None,
        "but not learnt: it is not on this link"
    );
}

#[test]
fn ipv4_addresses_are_probed_announced_and_defended() {
    for seed in 0..200 {
        let mut bench = Bench::bare(seed, Config::default());
        bench.add("192.0.2.1", 24);
        let out = bench.run(secs(20));
        let said = all_sent(out.iter().map(|(_, a)| a));
        assert_eq!(
            said[..3],
            vec!["Request 0.0.0.0 192.0.2.1 to ff:ff:ff:ff:ff:ff"; 3]
        );
        assert_eq!(
            said[3..],
            vec!["Request 192.0.2.1 192.0.2.1 to ff:ff:ff:ff:ff:ff"; 3]
        );
        let gap = |i: usize| out[i].0 - out[i - 1].0;
        assert!(out[0].0 <= secs(1));
        let probes = Duration::from_millis(200)..=Duration::from_millis(400);
        assert!((1..=2).all(|i| probes.contains(&gap(i))));
        assert_eq!(gap(3), Duration::from_millis(400), "ANNOUNCE_WAIT");
    }
    let mut bench = Bench::bare(1, Config::default());
    bench.add("192.0.2.1", 24);
    bench.arp(
        Operation::Request,
        (HOST_MAC, "0.0.0.0"),
        (MacAddr::ZERO, "192.0.2.1"),
    );
    assert_eq!(bench.address("192.0.2.1"), Some(AddressState::Duplicate));
}

/// RFC 6583: a scan of a /64 takes only its own room.
#[test]
fn a_scan_neither_evicts_nor_starves_the_living() {
    let config = Config {
        max_entries: 64,
        max_incomplete: 32,
        ..Config::default()
    };
    let mut bench = Bench::ready(1, config);
    for n in 0..64 {
        let host = format!("2001:db8::1:{n:x}");
        bench.glean(&host);
        bench.na(&host, "SO", Some(HOST_MAC));
    }
    bench.event(Event::Flush {
        iface: None,
        addr: Some(ip("2001:db8::1:7")),
    });
    let mut asked = 0;
    let mut withdrawn = 0;
    for n in 0..50_000u32 {
        let out = bench.glean(&format!("2001:db8::2:{:x}:{:x}", n >> 16, n & 0xffff));
        asked += all_sent(&out).len();
        let later = bench.run(millis(1));
        withdrawn += later
            .iter()
            .filter(|(_, a)| matches!(a, Action::Withdraw { .. }))
            .count();
        let waiting = bench
            .machine
            .neighbors(bench.now)
            .iter()
            .filter(|n| n.mac.is_none())
            .count();
        assert!(n % 1000 != 0 || waiting <= 32, "{waiting} unresolved");
        if n == 25_000 {
            // A host that was known before it was flushed does not stand in the scan's queue.
            assert_eq!(all_sent(&bench.glean("2001:db8::1:7")).len(), 1);
            let answer = bench.na("2001:db8::1:7", "SO", Some(HOST_MAC));
            assert!(answer.contains(&release("2001:db8::1:7")));
        }
    }
    assert_eq!(withdrawn, 0);
    assert!(
        (9_000..=10_250).contains(&asked),
        "{asked} first solicitations in 50 s, 200/s"
    );
    let alive = bench
        .machine
        .neighbors(bench.now)
        .iter()
        .filter(|n| n.mac.is_some())
        .count();
    assert_eq!(alive, 64);
    assert!(bench.counters().refused > 30_000 && bench.counters().evicted_incomplete > 1000);
}

#[test]
fn a_full_cache_forgets_the_stalest_for_what_is_asked_and_nothing_for_what_is_told() {
    let mut bench = Bench::ready(
        1,
        Config {
            max_entries: 16,
            ..Config::default()
        },
    );
    for n in 0..16 {
        bench.na(&format!("2001:db8::1:{n:x}"), "O", Some(HOST_MAC));
        bench.run(secs(1));
    }
    assert_eq!(bench.na("2001:db8::2", "O", Some(HOST_MAC)), []);
    assert_eq!(bench.counters().cache_full, 1);
    bench.glean("2001:db8::2");
    let out = bench.na("2001:db8::2", "SO", Some(HOST_MAC));
    let mac = HOST_MAC;
    assert_eq!(
        out,
        [
            withdraw("2001:db8::1:0"),
            install("2001:db8::2", mac, false),
            release("2001:db8::2")
        ]
    );
}

#[test]
fn invalid_packets_are_counted_by_rule_and_change_nothing() {
    let mut bench = Bench::ready(1, Config::default());
    let message = Message::NeighborSolicitation {
        target: v6("2001:db8::1"),
    };
    let options = [NdOption::SourceLinkLayer(HOST_MAC)];
    let good = packet(&v6(HOST), &v6("ff02::1:ff00:1"), &message, &options);
    let mut far = good.clone();
    far[7] = 64;
    let mut garbled = good.clone();
    *garbled.last_mut().unwrap() ^= 1;
    for packet in [&far[..], &garbled, &good[..50], &[]] {
        assert_eq!(
            bench.event(Event::Packet {
                iface: IFACE,
                src_mac: HOST_MAC,
                packet
            }),
            []
        );
    }
    assert_eq!(
        bench.event(Event::ArpPacket {
            iface: IFACE,
            packet: &[0; 28]
        }),
        []
    );
    let invalid = &bench.counters().invalid;
    assert_eq!(
        (
            invalid["hop_limit"],
            invalid["checksum"],
            invalid["not_icmpv6"]
        ),
        (1, 1, 2)
    );
    assert_eq!(invalid["arp_malformed"], 1);
    assert_eq!(bench.machine.neighbors(bench.now), []);
}
