//! The compiled rules beside a list that is read from its beginning.

use proptest::prelude::*;

use super::*;
use crate::id::RuleId;
use crate::testing::Random;

const TCP: Protocol = Protocol::Number(6);

fn rule(id: u32, v6: bool, protocol: Protocol, ports: Option<(u16, u16)>, remote: Remote) -> Rule {
    Rule {
        id: RuleId(id),
        v6,
        protocol,
        ports,
        remote,
    }
}

fn query(v6: bool, protocol: u8, port: Option<u16>, remote: u128) -> Query {
    Query {
        v6,
        protocol,
        port,
        remote,
    }
}

fn naive(rules: &[Rule], members: &[Member], query: &Query) -> Option<RuleId> {
    let within = |address: u128, len: u8| {
        let bits = if query.v6 { 128 } else { 32 };
        let significant = |address: u128| address << (128 - bits);
        let len = u32::from(len).min(bits);
        len == 0 || (significant(address) ^ significant(query.remote)) >> (128 - len) == 0
    };
    let matches = |rule: &&Rule| {
        rule.v6 == query.v6
            && match rule.protocol {
                Protocol::Any => true,
                Protocol::Number(number) => number == query.protocol,
            }
            && match (rule.ports, query.port) {
                (None, _) => true,
                (Some((first, last)), Some(port)) => (first..=last).contains(&port),
                (Some(_), None) => false,
            }
            && match rule.remote {
                Remote::Any => true,
                Remote::Prefix { address, len } => within(address, len),
                Remote::Set(set) => members.iter().any(|member| {
                    member.set == set && member.v6 == query.v6 && within(member.address, member.len)
                }),
            }
    };
    rules.iter().find(matches).map(|rule| rule.id)
}

#[test]
fn nothing_is_allowed_by_no_rule() {
    let sets = AddressSets::default();
    let none = RuleSet::compile(&[]);
    assert!(none.is_empty());
    assert_eq!(none.lookup(&query(true, 6, Some(80), 1), &sets), None);
    let set = RuleSet::default();
    assert_eq!(set.lookup(&query(false, 6, Some(80), 1), &sets), None);
}

#[test]
fn what_a_rule_says_counts_and_nothing_else() {
    let documentation = 0x2001_0db8_u128 << 96;
    let prefix = Remote::Prefix {
        address: documentation | 7,
        len: 32,
    };
    let rules = [rule(9, true, TCP, Some((80, 81)), prefix)];
    let (set, none) = (RuleSet::compile(&rules), AddressSets::default());
    let ask = |query| set.lookup(&query, &none);
    assert_eq!(
        ask(query(true, 6, Some(80), documentation)),
        Some(RuleId(9))
    );
    assert_eq!(
        ask(query(true, 6, Some(81), documentation | 1)),
        Some(RuleId(9))
    );
    for other in [
        query(true, 6, Some(82), documentation),
        query(true, 6, Some(79), documentation),
        query(true, 6, None, documentation),
        query(true, 17, Some(80), documentation),
        query(true, 6, Some(80), documentation ^ 1 << 96),
        query(false, 6, Some(80), documentation),
    ] {
        assert_eq!(ask(other), None, "{other:?}");
    }
}

#[test]
fn the_first_of_the_list_is_told_wherever_it_stands() {
    let prefix = |address, len| Remote::Prefix { address, len };
    let host = 0xc000_0201;
    let list = [
        rule(1, false, Protocol::Any, None, prefix(0xc000_0000, 8)),
        rule(2, false, TCP, None, prefix(host, 32)),
        rule(3, false, TCP, Some((80, 80)), Remote::Any),
        rule(4, false, TCP, Some((80, 80)), Remote::Set(SetId(5))),
    ];
    let sets = AddressSets::new([Member {
        set: SetId(5),
        v6: false,
        address: host,
        len: 32,
    }]);
    for turn in 0..4 {
        let mut rules = list;
        rules.rotate_left(turn);
        let set = RuleSet::compile(&rules);
        // An IPv4-mapped address is the same.
        for address in [host, 0xffff << 32 | host] {
            let found = set.lookup(&query(false, 6, Some(80), address), &sets);
            assert_eq!(found, Some(rules[0].id));
        }
    }
}

#[test]
fn types_of_icmp_are_ranges() {
    const ICMPV6: u8 = 58;
    let echo = Some((128 << 8, 128 << 8 | 255));
    let rules = [rule(1, true, Protocol::Number(ICMPV6), echo, Remote::Any)];
    let (set, none) = (RuleSet::compile(&rules), AddressSets::default());
    let ask = |kind: u8, code: u8| {
        let port = Some(u16::from_be_bytes([kind, code]));
        set.lookup(&query(true, ICMPV6, port, 1), &none)
    };
    assert_eq!(ask(128, 0), Some(RuleId(1)));
    assert_eq!(ask(128, 255), Some(RuleId(1)));
    assert_eq!((ask(127, 255), ask(129, 0)), (None, None));
}

#[test]
fn members_come_and_go_without_the_rules() {
    let rules = [rule(1, true, Protocol::Any, None, Remote::Set(SetId(3)))];
    let set = RuleSet::compile(&rules);
    let member = |set, address, len| Member {
        set: SetId(set),
        v6: true,
        address,
        len,
    };
    let before = AddressSets::new([member(3, 1, 128), member(4, 2, 128)]);
    let after = AddressSets::new([member(4, 1, 128), member(3, 2, 127), member(3, 2, 127)]);
    let ask = |sets, address| set.lookup(&query(true, 17, Some(1), address), sets);
    assert_eq!(
        [1, 2, 3].map(|a| ask(&before, a)),
        [Some(RuleId(1)), None, None]
    );
    assert_eq!(
        [1, 2, 3].map(|a| ask(&after, a)),
        [None, Some(RuleId(1)), Some(RuleId(1))]
    );
    assert!(after.contains(SetId(3), true, 3));
    assert!(!after.contains(SetId(3), false, 3) && !after.contains(SetId(4), true, 3));
}

/// Addresses with few bits, so that prefixes nest and meet.
fn address(rng: &mut Random, v6: bool) -> u128 {
    let bits = u128::from(rng.below(256));
    let spread = (0..8).fold(0, |a, n| {
        a | (bits >> n & 1) << (n * if v6 { 16 } else { 4 })
    });
    if v6 {
        0x2001 << 112 | spread
    } else {
        0x0a00_0000 | spread
    }
}

fn port(rng: &mut Random) -> u16 {
    match rng.below(4) {
        0 => rng.below(1 << 16) as u16,
        1 => (128 << 8) | rng.below(512) as u16,
        _ => 80 + rng.below(40) as u16,
    }
}

fn protocol(rng: &mut Random) -> u8 {
    [1, 6, 6, 17, 17, 58, 132, 47, rng.below(256) as u8][rng.below(9) as usize]
}

fn random_rule(rng: &mut Random, id: u32) -> Rule {
    let v6 = rng.below(3) != 0;
    let len = if v6 { 129 } else { 33 };
    Rule {
        id: RuleId(id),
        v6,
        protocol: match rng.below(5) {
            0 => Protocol::Any,
            _ => Protocol::Number(protocol(rng)),
        },
        ports: (rng.below(5) != 0).then(|| {
            let first = port(rng);
            (first, first.saturating_add(rng.below(30) as u16))
        }),
        remote: match rng.below(8) {
            0 => Remote::Any,
            1 | 2 => Remote::Set(SetId(rng.below(12) as u32)),
            _ => Remote::Prefix {
                address: address(rng, v6),
                len: rng.below(len) as u8,
            },
        },
    }
}

/// Cases and packets of each: more than a million in all.
const CASES: u32 = 64;
const PACKETS: usize = 20_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn a_million_packets_find_the_rule_that_the_list_says(seed: u64, rules in 0..60_u64, members in 0..40_u64) {
        let rng = &mut Random::new(seed);
        let rules: Vec<Rule> = (0..rules).map(|n| random_rule(rng, 1000 - n as u32)).collect();
        let members: Vec<Member> = (0..members)
            .map(|_| {
                let v6 = rng.below(3) != 0;
                Member {
                    set: SetId(rng.below(12) as u32),
                    v6,
                    address: address(rng, v6),
                    len: rng.below(if v6 { 129 } else { 33 }) as u8,
                }
            })
            .collect();
        let (set, sets) = (RuleSet::compile(&rules), AddressSets::new(members.iter().copied()));
        prop_assert_eq!(set.len(), rules.len());
        for _ in 0..PACKETS {
            let v6 = rng.below(3) != 0;
            let port = (rng.below(8) != 0).then(|| port(rng));
            let query = query(v6, protocol(rng), port, address(rng, v6));
            prop_assert_eq!(set.lookup(&query, &sets), naive(&rules, &members, &query), "{:?}", query);
        }
    }
}
