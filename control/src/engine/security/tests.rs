//! What is kept of ports from one model to the next, and what begins anew.

use std::path::Path;

use dataplane::denied::{Denials, Direction, denied_ring};
use dataplane::drop::DropReason;
use tables::publish::Qsbr;

use super::*;
use crate::config::parse;

const HEAD: &str = r#"
[[device]]
name = "tap0"
kind = "null"
[[device]]
name = "tap1"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "one"
device = "tap0"
addresses = ["2001:db8:1::1/64"]
[[router.interface]]
name = "two"
device = "tap1"
addresses = ["2001:db8:2::1/64"]
"#;

const PORTS: &str = r#"
[[port]]
name = "a"
device = "tap0"
security_groups = ["web"]
[[port]]
name = "b"
device = "tap1"
security_groups = ["web"]
"#;

/// A group whose members may reach these TCP ports of each other, a rule for each.
fn group(ports: &[u16]) -> String {
    let rule = |port: &u16| {
        format!(
            "[[security_group.rule]]\ndirection = \"ingress\"\nethertype = \"ipv6\"\nprotocol = \"tcp\"\n\
             port_range_min = {port}\nport_range_max = {port}\nremote_group = \"web\"\n"
        )
    };
    let rules: String = ports.iter().map(rule).collect();
    format!("[[security_group]]\nname = \"web\"\n{rules}")
}

/// The model of a text after another one.
fn next(before: Option<&Indexed>, text: &str) -> Arc<Indexed> {
    let loaded = parse(Path::new("t.toml"), text);
    let mut model = loaded.unwrap_or_else(|faults| panic!("{faults}")).model;
    if let Some(before) = before {
        model.keep_ids(before);
    }
    Arc::new(Indexed::from(model))
}

fn first() -> Arc<Indexed> {
    next(None, &format!("{HEAD}{}{PORTS}", group(&[80])))
}

fn state() -> (State, Denials) {
    let (flows, _) = FlowTable::new(64, 1, &Qsbr::new(1), 1).unwrap();
    let (denials, notes) = denied_ring(256);
    (State::new(flows, vec![notes]), denials)
}

fn nothing(_: RuleId) -> TrafficSum {
    TrafficSum::default()
}

fn id(model: &Indexed, name: &str) -> AnchorId {
    let mut ports = model.ports.iter();
    ports.find(|port| port.name == name).unwrap().id
}

/// The rule for a TCP port.
fn rule(model: &Indexed, port: u16) -> RuleId {
    let mut rules = model.security_groups.iter().flat_map(|group| &group.rules);
    let found = rules.find(|rule| rule.says.ports == Some((port, port)));
    found.unwrap().id
}

fn note(anchor: AnchorId, frame_len: u32) -> Denied {
    Denied {
        anchor,
        direction: Direction::Egress,
        reason: DropReason::EgressDenied,
        observed: false,
        rule: RuleId(0),
        seconds: 7,
        frame_len,
        l3: 14,
        len: 60,
        bytes: [0; dataplane::denied::SHOWN],
    }
}

#[test]
fn a_model_is_compiled_once_and_what_stays_keeps_its_generation() {
    let (mut state, _) = state();
    let model = first();
    let (a, b) = (id(&model, "a"), id(&model, "b"));
    state.follow(&model, nothing);
    let generations = [a, b].map(|port| state.generation(port).unwrap());
    state.follow(&model, |_| panic!("it was followed before"));
    // The same words again are another model, and nothing is asked anew.
    let same = next(Some(&model), &format!("{HEAD}{}{PORTS}", group(&[80])));
    state.follow(&same, nothing);
    assert_eq!(
        [a, b].map(|port| state.generation(port).unwrap()),
        generations
    );
    let other = next(Some(&same), &format!("{HEAD}{}{PORTS}", group(&[443])));
    state.follow(&other, nothing);
    for port in [a, b] {
        assert!(!generations.contains(&state.generation(port).unwrap()));
    }
    state.follow(&next(Some(&other), HEAD), nothing);
    assert_eq!(state.generation(a), None);
}

#[test]
fn what_a_port_has_learned_makes_a_member_and_goes_with_the_port() {
    let (mut state, _) = state();
    let model = first();
    let (a, set) = (
        id(&model, "a"),
        model
            .security_groups
            .iter()
            .find(|g| g.name == "web")
            .unwrap()
            .id,
    );
    state.follow(&model, nothing);
    assert_eq!(state.members(set), 0);
    let learned = || HashMap::from([(a, BTreeSet::from(["2001:db8:1::7".parse().unwrap()]))]);
    assert!(state.learn(learned()));
    assert!(!state.learn(learned()), "nothing new");
    state.follow(&model, nothing);
    assert_eq!(state.members(set), 1);
    let without = PORTS.replace("name = \"a\"", "name = \"c\"");
    state.follow(
        &next(Some(&model), &format!("{HEAD}{}{without}", group(&[80]))),
        nothing,
    );
    assert_eq!(state.members(set), 0, "the port of that name is another");
}

#[test]
fn the_last_denials_of_a_port_are_kept_as_long_as_it_is_one() {
    let (mut state, mut denials) = state();
    let model = first();
    let (a, b) = (id(&model, "a"), id(&model, "b"));
    state.follow(&model, nothing);
    let hz = 1_000_000;
    for n in 0..40 {
        // A worker tells a few in a second.
        assert!(denials.tell(|| note(a, n), u64::from(n + 1) * hz, hz));
    }
    assert!(denials.tell(|| note(b, 99), 50 * hz, hz));
    state.hear();
    let lens = |state: &State, port| state.denials(port).map(|d| d.frame_len).collect::<Vec<_>>();
    let newest_first: Vec<u32> = (8..40).rev().collect();
    assert_eq!(lens(&state, a), newest_first);
    let only_b = PORTS.split("[[port]]").nth(2).unwrap();
    let text = format!("{HEAD}{}[[port]]{only_b}", group(&[80]));
    state.follow(&next(Some(&model), &text), nothing);
    assert_eq!((lens(&state, a), lens(&state, b)), (vec![], vec![99]));
}

#[test]
fn an_id_that_is_given_again_counts_from_nothing() {
    let (mut state, _) = state();
    let sum = |packets| TrafficSum {
        packets,
        bytes: packets * 100,
    };
    let text = |ports: &[u16]| format!("{HEAD}{}{PORTS}", group(ports));
    let model = next(None, &text(&[80, 443]));
    let freed = rule(&model, 80);
    state.follow(&model, |_| sum(0));
    assert_eq!(state.counted_before(freed), sum(0));
    // It has counted by now: what stays is not touched.
    let model = next(Some(&model), &text(&[443]));
    state.follow(&model, |_| sum(50));
    let stays = rule(&model, 443);
    assert_eq!(state.counted_before(stays), sum(0));
    let mut model = model;
    for port in [8080, 8081, 8082] {
        model = next(Some(&model), &text(&[443, port]));
        state.follow(&model, |id| sum(50 + u64::from(id.0)));
        let new = rule(&model, port);
        let at = sum(50 + u64::from(new.0));
        assert_eq!(state.counted_before(new), at, "rule {new:?}");
        if new == freed {
            return;
        }
    }
    panic!("the id was not given again");
}
