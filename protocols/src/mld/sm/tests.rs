//! Simulated time: what is told, when, to whom, in which version.

use std::time::Duration;

use wire::addr::v6;
use wire::checksum::checksum_v6;
use wire::ipv6::{Ipv6Header, Protocol};
use wire::mld::{Message, RecordType, parse_packet};
use zerocopy::IntoBytes;

use super::*;

const IFACE: IfaceId = IfaceId(1);
const SECOND: Duration = Duration::from_secs(1);
const ROUTER: &str = "fe80::99";

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn groups(list: &[&str]) -> BTreeSet<Ipv6Addr> {
    list.iter().map(|text| ip(text)).collect()
}

/// What a packet says, and from where to where, in one line.
fn told(
    Action::Send {
        dst,
        dst_mac,
        packet,
        ..
    }: &Action,
) -> String {
    let (header, _) = Ipv6Header::parse(packet).unwrap();
    assert_eq!((header.destination(), header.hop_limit()), (*dst, 1));
    assert_eq!(*dst_mac, MacAddr::for_ipv6_multicast(dst));
    let (from, to) = (header.source(), header.destination());
    // It reads what hop limit, router alert, checksum and source must be.
    let what = match parse_packet(packet).unwrap() {
        Message::ReportV2(records) => {
            assert_eq!(to, Ipv6Addr::from_bits(v6::ALL_MLDV2_ROUTERS));
            let said: Vec<String> = records
                .map(|record| {
                    assert_eq!(record.sources, None);
                    let sign = match record.record_type.unwrap() {
                        RecordType::ModeIsExclude => "=",
                        RecordType::ChangeToExclude => "+",
                        RecordType::ChangeToInclude => "-",
                        other => panic!("{other:?}"),
                    };
                    format!("{sign}{}", record.group)
                })
                .collect();
            return format!("{from}: {}", said.join(" "));
        }
        Message::Report { group } => {
            assert_eq!(to, group);
            format!("report {group}")
        }
        Message::Done { group } => {
            assert_eq!(to, ip("ff02::2"));
            format!("done {group}")
        }
        Message::Query(query) => panic!("{query:?}"),
    };
    format!("{from}: {what}")
}

/// An ICMPv6 message of MLD in its packet.
fn packet(source: &str, destination: &str, mut icmp: Vec<u8>) -> Vec<u8> {
    let (source, destination) = (ip(source), ip(destination));
    let sum = checksum_v6(&source, &destination, Protocol::ICMPV6, &icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    let len = 8 + icmp.len() as u16;
    let header = Ipv6Header::new(&source, &destination, Protocol::HOP_BY_HOP, 1, len);
    [header.as_bytes(), &[58, 0, 5, 2, 0, 0, 1, 0], &icmp].concat()
}

/// A query of version 1: everything when `group` is `::`.
fn query_v1(group: &str, most: u16) -> Vec<u8> {
    let mut icmp = vec![130, 0, 0, 0];
    icmp.extend(most.to_be_bytes());
    icmp.extend([0, 0]);
    icmp.extend(ip(group).octets());
    let to = if group == "::" { "ff02::1" } else { group };
    packet(ROUTER, to, icmp)
}

/// The same of version 2, with a query interval of 125 s and sources.
fn query_v2(group: &str, most: u16, sources: &[&str]) -> Vec<u8> {
    let v1 = query_v1(group, most);
    let mut icmp = v1[48..].to_vec();
    icmp[2..4].fill(0);
    icmp.extend([2, 125, 0, sources.len() as u8]);
    icmp.extend(sources.iter().flat_map(|source| ip(source).octets()));
    let to = if group == "::" { "ff02::1" } else { group };
    packet(ROUTER, to, icmp)
}

struct Bench {
    machine: Machine,
    now: Instant,
}

impl Bench {
    fn new(seed: u64) -> Self {
        Bench {
            machine: Machine::new(seed),
            now: Instant::now(),
        }
    }

    /// Up, with a valid link-local address, and everything told that is to be told of these groups.
    fn settled(seed: u64, list: &[&str]) -> Self {
        let mut bench = Bench::new(seed);
        bench.listen(list);
        bench.event(Event::LinkUp { iface: IFACE });
        bench.event(Event::LinkLocal {
            iface: IFACE,
            addr: Some(ip("fe80::1")),
        });
        bench.run(10 * SECOND);
        bench
    }

    fn listen(&mut self, list: &[&str]) -> Vec<String> {
        self.event(Event::ConfigureInterface {
            iface: IFACE,
            config: Config::default(),
            groups: groups(list),
        })
    }

    fn event(&mut self, event: Event<'_>) -> Vec<String> {
        let mut out = Vec::new();
        self.machine.on_event(self.now, event, &mut out);
        out.iter().map(told).collect()
    }

    fn receive(&mut self, packet: &[u8]) {
        let iface = IFACE;
        assert!(self.event(Event::Packet { iface, packet }).is_empty());
    }

    /// Lets time pass; what was sent, each with its time from now.
    fn run(&mut self, span: Duration) -> Vec<(Duration, String)> {
        let start = self.now;
        let mut sent = Vec::new();
        while let Some(due) = self
            .machine
            .next_deadline()
            .filter(|due| *due <= start + span)
        {
            self.now = due;
            let said = self.event(Event::Timer);
            sent.extend(said.into_iter().map(|line| (due - start, line)));
        }
        self.now = start + span;
        sent
    }

    fn counters(&self) -> Counters {
        self.machine.counters().next().unwrap().1.clone()
    }
}

/// The lines alone.
fn lines(sent: Vec<(Duration, String)>) -> Vec<String> {
    sent.into_iter().map(|(_, line)| line).collect()
}

#[test]
fn joining_and_leaving_is_told_at_once_and_once_more() {
    for seed in 0..50 {
        let mut bench = Bench::settled(seed, &["ff02::1", "ff02::2", "ff01::2", "ff00::1"]);
        let joined = bench.listen(&["ff02::2", "ff02::1:ff00:1"]);
        assert_eq!(joined, ["fe80::1: +ff02::1:ff00:1"]);
        let again = bench.run(60 * SECOND);
        assert!(again[0].0 <= SECOND, "{again:?}");
        assert_eq!(lines(again), joined);

        let left = bench.listen(&["ff02::2"]);
        assert_eq!(left, ["fe80::1: -ff02::1:ff00:1"]);
        assert_eq!(lines(bench.run(60 * SECOND)), left);
        assert_eq!(bench.listen(&["ff02::2"]), [""; 0], "nothing has changed");
        assert_eq!(bench.machine.next_deadline(), None);
    }
}

#[test]
fn a_change_before_the_repetition_is_merged_with_it() {
    let mut bench = Bench::settled(1, &["ff02::2"]);
    bench.listen(&["ff02::2", "ff02::a"]);
    // RFC 3810 section 6.1: at once, with what waits; the last word on a group holds.
    assert_eq!(
        bench.listen(&["ff02::2", "ff02::a", "ff02::b"]),
        ["fe80::1: +ff02::a +ff02::b"]
    );
    assert_eq!(bench.listen(&["ff02::2", "ff02::a"]), ["fe80::1: -ff02::b"]);
    assert_eq!(lines(bench.run(60 * SECOND)), ["fe80::1: -ff02::b"]);
}

#[test]
fn a_tentative_link_local_address_is_no_source() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.listen(&["ff02::2"]), [""; 0], "the link is down");
    let first = bench.event(Event::LinkUp { iface: IFACE });
    assert_eq!(first, ["::: +ff02::2"]);
    assert_eq!(lines(bench.run(10 * SECOND)), first);
    let addr = Some(ip("fe80::1"));
    let valid = bench.event(Event::LinkLocal { iface: IFACE, addr });
    assert_eq!(valid, ["fe80::1: +ff02::2"]);
    assert_eq!(lines(bench.run(10 * SECOND)), valid);
    assert_eq!(
        bench.event(Event::LinkLocal { iface: IFACE, addr }),
        [""; 0]
    );
    // Version 1 must not say done from `::`.
    bench.event(Event::LinkLocal {
        iface: IFACE,
        addr: None,
    });
    bench.receive(&query_v1("::", 1000));
    bench.run(2 * SECOND);
    assert_eq!(bench.listen(&[]), [""; 0]);
}

#[test]
fn a_general_query_is_answered_once_within_its_delay() {
    let mut delays = Vec::new();
    for seed in 0..100 {
        let mut bench = Bench::settled(seed, &["ff02::2", "ff02::1:ff00:1"]);
        bench.receive(&query_v2("::", 10_000, &[]));
        bench.receive(&query_v2("::", 10_000, &[]));
        let answers = bench.run(60 * SECOND);
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(answers[0].1, "fe80::1: =ff02::2 =ff02::1:ff00:1");
        delays.push(answers[0].0);
        assert_eq!(bench.counters().queries_received, 2);
    }
    assert!(delays.iter().all(|delay| *delay <= 10 * SECOND));
    let early = delays.iter().filter(|d| **d < 3 * SECOND).count();
    assert!((20..90).contains(&early), "{early} of 100 before 3 s");
}

#[test]
fn a_group_query_is_answered_by_its_listeners_alone() {
    let mut bench = Bench::settled(1, &["ff02::2", "ff02::1:ff00:1"]);
    bench.receive(&query_v2("ff02::1:ff00:2", 1000, &[]));
    assert_eq!(bench.run(10 * SECOND), []);
    bench.receive(&query_v2("ff02::1:ff00:1", 1000, &[]));
    let answers = bench.run(10 * SECOND);
    assert!(answers[0].0 <= SECOND);
    assert_eq!(lines(answers), ["fe80::1: =ff02::1:ff00:1"]);
    // About sources: all are wanted.
    bench.receive(&query_v2("ff02::1:ff00:1", 1000, &["2001:db8::7"]));
    assert_eq!(lines(bench.run(10 * SECOND)), ["fe80::1: =ff02::1:ff00:1"]);
    // A group that is left meanwhile is not claimed.
    bench.receive(&query_v2("ff02::1:ff00:1", 1000, &[]));
    bench.listen(&["ff02::2"]);
    let after = lines(bench.run(10 * SECOND));
    assert_eq!(after, ["fe80::1: -ff02::1:ff00:1"]);
}

#[test]
fn version_1_while_its_querier_is_present() {
    let mut bench = Bench::settled(1, &["ff02::2", "ff02::a"]);
    bench.receive(&query_v1("::", 10_000));
    let mut answers = lines(bench.run(10 * SECOND));
    answers.sort();
    assert_eq!(
        answers,
        ["fe80::1: report ff02::2", "fe80::1: report ff02::a"]
    );
    assert_eq!(
        bench.listen(&["ff02::2", "ff02::b"]),
        ["fe80::1: done ff02::a", "fe80::1: report ff02::b"]
    );
    assert_eq!(lines(bench.run(20 * SECOND)), ["fe80::1: report ff02::b"]);
    // A querier of version 2 does not end it (RFC 3810 section 8.2.1).
    bench.receive(&query_v2("ff02::b", 1000, &[]));
    assert_eq!(lines(bench.run(2 * SECOND)), ["fe80::1: report ff02::b"]);
    // 2 × 125 s + 10 s after its query; 32 s have passed.
    bench.run(227 * SECOND);
    assert_eq!(
        bench.listen(&["ff02::2", "ff02::b", "ff02::c"]),
        ["fe80::1: report ff02::c"]
    );
    bench.run(2 * SECOND);
    assert_eq!(bench.listen(&["ff02::2", "ff02::b"]), ["fe80::1: -ff02::c"]);
}

#[test]
fn version_1_keeps_silent_when_another_has_answered() {
    let mut bench = Bench::settled(1, &["ff02::2", "ff02::a"]);
    bench.receive(&query_v1("::", 10_000));
    let mut report = vec![131, 0, 0, 0, 0, 0, 0, 0];
    report.extend(ip("ff02::a").octets());
    bench.receive(&packet("fe80::77", "ff02::a", report.clone()));
    assert_eq!(lines(bench.run(10 * SECOND)), ["fe80::1: report ff02::2"]);
    bench.receive(&packet("fe80::77", "ff02::a", report));
    let counters = bench.counters();
    assert_eq!((counters.suppressed, counters.ignored), (1, 1));
    assert_eq!(counters.queries_v1_received, 1);
}

#[test]
fn many_groups_take_several_reports_that_fit_any_link() {
    let mut bench = Bench::settled(1, &[]);
    let list: BTreeSet<Ipv6Addr> = (0..150)
        .map(|n| Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, n))
        .collect();
    let mut out = Vec::new();
    let event = Event::ConfigureInterface {
        iface: IFACE,
        config: Config::default(),
        groups: list.clone(),
    };
    bench.machine.on_event(bench.now, event, &mut out);
    assert_eq!(out.len(), 3);
    let mut told = BTreeSet::new();
    for Action::Send { packet, .. } in &out {
        assert!(packet.len() <= wire::ipv6::MIN_MTU);
        let Ok(Message::ReportV2(records)) = parse_packet(packet) else {
            panic!("not a report")
        };
        told.extend(records.map(|record| record.group));
    }
    assert_eq!(told, list);
    assert_eq!(bench.counters().changes_sent, 3);
}

#[test]
fn broken_queries_are_counted_by_the_rule_they_break() {
    let mut bench = Bench::settled(1, &["ff02::2"]);
    let good = query_v2("::", 1000, &[]);
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    bench.receive(&with(7, 255));
    bench.receive(&with(42, 1));
    bench.receive(&with(60, 1));
    let icmp = |len: usize| {
        let mut icmp = good[48..48 + len].to_vec();
        icmp[2..4].fill(0);
        icmp
    };
    bench.receive(&packet("2001:db8::1", "ff02::1", icmp(28)));
    bench.receive(&packet(ROUTER, "ff02::1", icmp(26)));
    assert_eq!(bench.run(60 * SECOND), []);
    let invalid = bench.counters().invalid;
    let rules: Vec<_> = invalid.iter().map(|(rule, n)| (*rule, *n)).collect();
    assert_eq!(
        rules,
        [
            ("checksum", 1),
            ("hop limit", 1),
            ("length", 1),
            ("router alert", 1),
            ("source", 1)
        ]
    );
}

#[test]
fn a_link_that_went_down_forgets_and_tells_all_when_it_is_back() {
    let mut bench = Bench::settled(1, &["ff02::2"]);
    bench.receive(&query_v1("::", 10_000));
    bench.event(Event::LinkDown { iface: IFACE });
    assert_eq!(bench.machine.next_deadline(), None);
    assert_eq!(bench.listen(&["ff02::2", "ff02::a"]), [""; 0]);
    assert_eq!(
        bench.event(Event::LinkUp { iface: IFACE }),
        ["fe80::1: +ff02::2 +ff02::a"]
    );
    assert_eq!(
        bench.event(Event::RemoveInterface { iface: IFACE }),
        ["fe80::1: -ff02::2 -ff02::a"]
    );
    assert_eq!(bench.machine.next_deadline(), None);
}
