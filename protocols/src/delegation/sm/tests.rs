use proptest::prelude::*;

use super::*;

const START: u64 = 1_800_000_000;
const HOUR: u64 = 3600;

fn net(text: &str) -> Ipv6Net {
    text.parse().unwrap()
}

fn at(seconds: u64) -> Wall {
    Wall::from_secs(START + seconds)
}

/// Preferred for one hour, valid for three.
fn prefix(text: &str) -> UplinkPrefix {
    UplinkPrefix {
        prefix: net(text),
        exclude: None,
        preferred_until: at(HOUR),
        valid_until: at(3 * HOUR),
    }
}

/// A machine in simulated time, and what it said last.
#[derive(Default)]
struct Bed {
    machine: Machine,
    now: u64,
    kept: Vec<Assignment>,
    outcome: Outcome,
    notices: Vec<Notice>,
    n_applied: usize,
}

impl Bed {
    fn with(plan: Plan) -> Self {
        let mut bed = Bed::default();
        bed.plan(plan);
        bed
    }

    fn on(&mut self, event: Event) {
        let mut out = Vec::new();
        self.machine.on_event(at(self.now), event, &mut out);
        self.notices.clear();
        for action in out {
            match action {
                Action::Keep(kept) => self.kept = kept,
                Action::Apply(outcome) => {
                    assert_eq!(self.kept, outcome.assignments, "kept before it is used");
                    self.outcome = outcome;
                    self.n_applied += 1;
                }
                Action::Notice(notice) => self.notices.push(notice),
            }
        }
    }

    fn plan(&mut self, plan: Plan) {
        let mut uplinks: Vec<Box<str>> = vec!["wan".into()];
        uplinks.extend(plan.wishes.iter().map(|wish| wish.uplink.clone()));
        uplinks.dedup();
        self.on(Event::Plan { uplinks, plan });
    }

    fn held(&mut self, prefixes: &[UplinkPrefix]) {
        self.held_by("wan", prefixes);
    }

    fn held_by(&mut self, uplink: &str, prefixes: &[UplinkPrefix]) {
        self.on(Event::Held {
            uplink: uplink.into(),
            prefixes: prefixes.to_vec(),
        });
    }

    /// Runs every timer until then.
    fn advance_to(&mut self, then: u64) {
        while let Some(due) = self.machine.next_deadline().filter(|due| *due <= at(then)) {
            self.now = (due.as_secs().unwrap() - START).max(self.now);
            self.on(Event::Timer);
            assert_ne!(
                self.machine.next_deadline(),
                Some(due),
                "a timer is due once"
            );
        }
        self.now = then;
    }

    /// The process dies and starts again with what is on disk.
    fn reborn(&mut self, plan: Plan) {
        let kept = self.kept.clone();
        *self = Bed {
            now: self.now,
            kept: kept.clone(),
            ..Bed::default()
        };
        self.on(Event::Restore(kept));
        self.plan(plan);
    }

    /// `interface prefix`, with `-` in front when deprecated.
    fn assigned(&self) -> Vec<String> {
        let word = |a: &Assignment| {
            let sign = if a.deprecated { "-" } else { "" };
            format!("{sign}{} {}", a.interface, a.prefix)
        };
        self.outcome.assignments.iter().map(word).collect()
    }

    fn ends(&self, text: &str) -> (u64, u64) {
        let of = |a: &&Assignment| a.prefix == net(text);
        let a = self.outcome.assignments.iter().find(of).unwrap();
        let since = |wall: Wall| wall.as_secs().unwrap() - START;
        (since(a.preferred_until), since(a.valid_until))
    }

    fn problems(&self) -> Vec<String> {
        self.outcome
            .problems
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn unreachable(&self) -> Vec<String> {
        self.outcome
            .unreachable
            .iter()
            .map(ToString::to_string)
            .collect()
    }
}

fn wish(interface: &str, subnet: Option<u64>) -> Wish {
    Wish {
        subnet,
        ..Wish::new(interface, "wan")
    }
}

fn two_links() -> Plan {
    Plan {
        wishes: vec![wish("a", None), wish("b", Some(7))],
        taken: Vec::new(),
    }
}

#[test]
fn each_link_gets_a_subnet_of_each_prefix() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/56"), prefix("2001:db8:2::/60")]);
    assert_eq!(
        bed.assigned(),
        [
            "a 2001:db8:1::/64",
            "a 2001:db8:2::/64",
            "b 2001:db8:1:7::/64",
            "b 2001:db8:2:7::/64"
        ]
    );
    assert_eq!(
        bed.outcome.assignments[2].address.to_string(),
        "2001:db8:1:7::1"
    );
    assert_eq!(bed.ends("2001:db8:1::/64"), (HOUR, 3 * HOUR));
    assert_eq!(bed.unreachable(), ["2001:db8:1::/56", "2001:db8:2::/60"]);
    assert_eq!(bed.notices.len(), 4);
    assert_eq!(bed.n_applied, 2, "the empty plan, and this");
}

#[test]
fn the_same_told_again_changes_nothing() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/56")]);
    let n_applied = bed.n_applied;
    bed.held(&[prefix("2001:db8:1::/56")]);
    bed.plan(two_links());
    bed.on(Event::Timer);
    assert_eq!(bed.n_applied, n_applied);
}

#[test]
fn a_renewal_moves_the_ends_and_nothing_else() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/56")]);
    let before = bed.assigned();
    bed.advance_to(1800);
    bed.held(&[UplinkPrefix {
        preferred_until: at(2 * HOUR),
        valid_until: at(4 * HOUR),
        ..prefix("2001:db8:1::/56")
    }]);
    assert_eq!(bed.assigned(), before);
    assert_eq!(bed.ends("2001:db8:1::/64"), (2 * HOUR, 4 * HOUR));
    assert_eq!(bed.notices, []);
}

#[test]
fn without_renewal_it_is_deprecated_and_then_gone() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/56")]);
    bed.advance_to(HOUR - 1);
    assert_eq!(bed.assigned(), ["a 2001:db8:1::/64", "b 2001:db8:1:7::/64"]);
    bed.advance_to(HOUR);
    assert_eq!(
        bed.assigned(),
        ["-a 2001:db8:1::/64", "-b 2001:db8:1:7::/64"]
    );
    // Not shortened: the lease is still valid.
    assert_eq!(bed.ends("2001:db8:1::/64"), (HOUR, 3 * HOUR));
    bed.advance_to(3 * HOUR - 1);
    assert_eq!(bed.unreachable(), ["2001:db8:1::/56"]);
    bed.advance_to(3 * HOUR);
    assert_eq!(bed.outcome, Outcome::default());
    assert_eq!(bed.kept, []);
    assert_eq!(bed.machine.next_deadline(), None);
}

#[test]
fn a_prefix_that_vanishes_lingers_for_two_hours_at_most() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/56")]);
    bed.advance_to(600);
    bed.held(&[prefix("2001:db8:2::/56")]);
    let both = [
        "a 2001:db8:2::/64",
        "b 2001:db8:2:7::/64",
        "-a 2001:db8:1::/64",
        "-b 2001:db8:1:7::/64",
    ];
    assert_eq!(bed.assigned(), both);
    assert_eq!(bed.ends("2001:db8:1::/64"), (600, 600 + 2 * HOUR));
    assert_eq!(bed.unreachable(), ["2001:db8:1::/56", "2001:db8:2::/56"]);
    // Told again, its end does not move.
    bed.advance_to(1200);
    bed.held(&[prefix("2001:db8:2::/56")]);
    assert_eq!(bed.ends("2001:db8:1::/64"), (600, 600 + 2 * HOUR));
    bed.advance_to(600 + 2 * HOUR);
    assert_eq!(bed.unreachable(), ["2001:db8:2::/56"]);
    assert_eq!(bed.assigned().len(), 2);
    assert_eq!(bed.ends("2001:db8:2::/64"), (HOUR, 3 * HOUR));
}

#[test]
fn a_vanished_prefix_does_not_outlive_its_lease() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/56")]);
    bed.advance_to(2 * HOUR);
    bed.held(&[]);
    assert_eq!(bed.ends("2001:db8:1::/64"), (HOUR, 3 * HOUR));
    bed.advance_to(3 * HOUR);
    assert_eq!(bed.outcome, Outcome::default());
}

#[test]
fn withdrawn_by_lifetimes_of_zero_is_vanished() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/56")]);
    bed.advance_to(60);
    let zero = UplinkPrefix {
        preferred_until: at(60),
        valid_until: at(60),
        ..prefix("2001:db8:1::/56")
    };
    bed.held(&[zero, prefix("2001:db8:2::/56")]);
    assert_eq!(bed.ends("2001:db8:1::/64"), (60, 60 + 2 * HOUR));
    assert_eq!(
        bed.assigned()[..2],
        ["a 2001:db8:2::/64", "b 2001:db8:2:7::/64"]
    );
}

#[test]
fn deprecated_by_its_server_it_stays_for_its_life_and_is_not_given_anew() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/56")]);
    let old = UplinkPrefix {
        preferred_until: at(0),
        ..prefix("2001:db8:1::/56")
    };
    bed.held(&[old]);
    assert_eq!(bed.ends("2001:db8:1::/64"), (0, 3 * HOUR));
    let mut plan = two_links();
    plan.wishes.push(wish("c", None));
    bed.plan(plan);
    assert_eq!(
        bed.assigned(),
        ["-a 2001:db8:1::/64", "-b 2001:db8:1:7::/64"]
    );
}

#[test]
fn one_that_comes_back_is_preferred_again() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/56")]);
    let before = bed.outcome.clone();
    bed.held(&[]);
    assert!(
        bed.outcome
            .assignments
            .iter()
            .all(|a| a.deprecated && a.vanished)
    );
    bed.held(&[prefix("2001:db8:1::/56")]);
    assert_eq!(bed.outcome, before);
}

#[test]
fn a_restart_keeps_subnets_and_what_is_deprecated() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/56")]);
    bed.advance_to(600);
    bed.held(&[prefix("2001:db8:2::/56")]);
    let before = bed.outcome.clone();
    bed.advance_to(900);
    bed.reborn(two_links());
    // Before the client has said a word.
    assert_eq!(bed.outcome.assignments, before.assignments);
    assert_eq!(bed.unreachable(), ["2001:db8:1::/56", "2001:db8:2::/56"]);
    bed.held(&[prefix("2001:db8:2::/56")]);
    assert_eq!(bed.outcome.assignments, before.assignments);
    bed.advance_to(600 + 2 * HOUR);
    assert_eq!(bed.assigned().len(), 2);
}

#[test]
fn flash_renumbering_hosts_are_told_of_what_was_before_the_restart() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/56")]);
    bed.advance_to(60);
    bed.reborn(two_links());
    bed.held(&[prefix("2001:db8:2::/56")]);
    assert_eq!(bed.ends("2001:db8:1::/64"), (60, 60 + 2 * HOUR));
    assert!(bed.assigned().contains(&"-a 2001:db8:1::/64".to_owned()));
    assert!(bed.assigned().contains(&"a 2001:db8:2::/64".to_owned()));
}

#[test]
fn what_ended_while_the_router_was_off_is_not_restored() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/56")]);
    bed.now = 3 * HOUR;
    bed.reborn(two_links());
    assert_eq!(bed.outcome, Outcome::default());
    assert_eq!(bed.kept, []);
}

#[test]
fn subnets_stay_when_other_links_come_and_go() {
    let mut bed = Bed::with(two_links());
    let mut plan = two_links();
    plan.wishes.insert(0, wish("0", None));
    plan.wishes.push(wish("c", None));
    bed.plan(plan.clone());
    bed.held(&[prefix("2001:db8:1::/56")]);
    let expected = [
        "0 2001:db8:1::/64",
        "a 2001:db8:1:1::/64",
        "b 2001:db8:1:7::/64",
        "c 2001:db8:1:2::/64",
    ];
    assert_eq!(bed.assigned(), expected);
    plan.wishes.remove(0);
    bed.plan(plan.clone());
    assert_eq!(bed.assigned(), expected[1..]);
    // Also across a change of the prefix: a link's number is its own.
    bed.held(&[prefix("2001:db8:2::/56")]);
    assert_eq!(
        bed.assigned()[..3],
        [
            "a 2001:db8:2:1::/64",
            "b 2001:db8:2:7::/64",
            "c 2001:db8:2:2::/64"
        ]
    );
}

#[test]
fn the_excluded_part_is_neither_assigned_nor_unreachable() {
    let mut bed = Bed::with(Plan {
        wishes: vec![wish("a", None), wish("b", Some(0))],
        taken: Vec::new(),
    });
    let held = UplinkPrefix {
        exclude: Some(net("2001:db8:1::/64")),
        ..prefix("2001:db8:1::/62")
    };
    bed.held(&[held]);
    assert_eq!(bed.assigned(), ["a 2001:db8:1:1::/64"]);
    assert_eq!(
        bed.problems(),
        ["2001:db8:1::/64 cannot be on b: it overlaps 2001:db8:1::/64"]
    );
    assert_eq!(
        bed.unreachable(),
        ["2001:db8:1:1::/64", "2001:db8:1:2::/63"]
    );
    // Another part is excluded later: who has it moves.
    bed.held(&[UplinkPrefix {
        exclude: Some(net("2001:db8:1:1::/64")),
        ..held
    }]);
    assert_eq!(bed.assigned(), ["a 2001:db8:1:2::/64", "b 2001:db8:1::/64"]);
    assert_eq!(bed.problems(), [""; 0]);
    // A restart knows of it before the uplink speaks.
    let unreachable = bed.unreachable();
    bed.reborn(Plan {
        wishes: vec![wish("a", None), wish("b", Some(0))],
        taken: Vec::new(),
    });
    assert_eq!(bed.unreachable(), unreachable);
}

#[test]
fn what_cannot_be_done_is_told_once_and_when_it_is_solved() {
    let mut bed = Bed::with(Plan {
        wishes: vec![
            wish("a", Some(16)),
            wish("b", None),
            wish("c", None),
            Wish {
                length: 60,
                ..wish("d", None)
            },
            wish("e", Some(0)),
        ],
        taken: vec![net("2001:db8:1::/64")],
    });
    bed.held(&[prefix("2001:db8:1::/63")]);
    assert_eq!(bed.assigned(), ["b 2001:db8:1:1::/64"]);
    assert_eq!(
        bed.problems(),
        [
            "2001:db8:1::/63 is too small for a /60 on d",
            "2001:db8:1::/63 has no subnet 16 for a",
            "2001:db8:1::/64 cannot be on e: it overlaps 2001:db8:1::/64",
            "2001:db8:1::/63 has no free subnet for c",
        ]
    );
    let told = |bed: &Bed| {
        let problem = |n: &&Notice| matches!(n, Notice::Problem(_));
        bed.notices.iter().filter(problem).count()
    };
    assert_eq!(told(&bed), 4);
    bed.on(Event::Timer);
    assert_eq!(told(&bed), 0);
    bed.held(&[prefix("2001:db8:4::/48")]);
    assert_eq!(bed.problems(), [""; 0]);
    let solved = bed
        .notices
        .iter()
        .filter(|n| matches!(n, Notice::Solved(_)));
    assert_eq!(solved.count(), 4);
}

#[test]
fn more_prefixes_than_are_used_are_told_of() {
    let mut bed = Bed::with(Plan {
        wishes: vec![wish("a", None)],
        taken: Vec::new(),
    });
    let held: Vec<UplinkPrefix> = (0..20)
        .map(|n| prefix(&format!("2001:db8:{n:x}::/56")))
        .collect();
    bed.held(&held);
    assert_eq!(bed.outcome.assignments.len(), MAX_PREFIXES);
    assert_eq!(
        bed.problems(),
        ["2001:db8:10::/56 is one prefix more than wan may use"]
    );
    assert_eq!(bed.unreachable().len(), 20, "none of them loops");
}

#[test]
fn a_number_that_is_asked_for_moves_who_has_it_by_chance() {
    let mut bed = Bed::with(Plan {
        wishes: vec![wish("a", None)],
        taken: Vec::new(),
    });
    bed.held(&[prefix("2001:db8:1::/56")]);
    bed.plan(Plan {
        wishes: vec![wish("a", None), wish("b", Some(0))],
        taken: Vec::new(),
    });
    assert_eq!(bed.assigned(), ["a 2001:db8:1:1::/64", "b 2001:db8:1::/64"]);
    bed.plan(Plan {
        wishes: vec![wish("a", Some(5)), wish("b", Some(0))],
        taken: Vec::new(),
    });
    assert_eq!(bed.assigned(), ["a 2001:db8:1:5::/64", "b 2001:db8:1::/64"]);
    // A static subnet that is configured on top of it has it.
    bed.plan(Plan {
        wishes: vec![wish("a", Some(5)), wish("b", None)],
        taken: vec![net("2001:db8:1::/64")],
    });
    assert_eq!(
        bed.assigned(),
        ["a 2001:db8:1:5::/64", "b 2001:db8:1:1::/64"]
    );
}

#[test]
fn another_interface_identifier_or_length_changes_address_or_subnet() {
    let plan = |length, id: &str| Plan {
        wishes: vec![Wish {
            length,
            interface_id: id.parse().unwrap(),
            ..wish("a", None)
        }],
        taken: Vec::new(),
    };
    let mut bed = Bed::with(plan(64, "::1"));
    bed.held(&[prefix("2001:db8:1::/56")]);
    bed.plan(plan(64, "::53"));
    assert_eq!(
        bed.outcome.assignments[0].address.to_string(),
        "2001:db8:1::53"
    );
    bed.plan(plan(60, "::53"));
    assert_eq!(bed.assigned(), ["a 2001:db8:1::/60"]);
    bed.plan(Plan::default());
    assert_eq!(bed.outcome.assignments, []);
    assert_eq!(bed.unreachable(), ["2001:db8:1::/56"]);
}

#[test]
fn a_prefix_delegated_with_another_length_keeps_the_subnets_it_still_has() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/60")]);
    let before = bed.assigned();
    bed.held(&[prefix("2001:db8:1::/56")]);
    assert_eq!(bed.assigned(), before);
    assert_eq!(bed.unreachable(), ["2001:db8:1::/56"]);
}

#[test]
fn two_uplinks_give_one_subnet_each() {
    let mut bed = Bed::with(Plan {
        wishes: vec![wish("a", None), Wish::new("a", "wan2")],
        taken: Vec::new(),
    });
    bed.held(&[prefix("2001:db8:1::/56")]);
    bed.held_by("wan2", &[prefix("2001:db8:2::/56")]);
    bed.held_by("stranger", &[prefix("2001:db8:3::/56")]);
    assert_eq!(bed.assigned(), ["a 2001:db8:1::/64", "a 2001:db8:2::/64"]);
    bed.held(&[]);
    assert_eq!(bed.assigned(), ["a 2001:db8:2::/64", "-a 2001:db8:1::/64"]);
}

#[test]
fn what_is_not_on_disk_is_said_again() {
    let mut bed = Bed::with(two_links());
    bed.held(&[prefix("2001:db8:1::/56")]);
    bed.on(Event::StoreFailed);
    assert_eq!(bed.machine.next_deadline(), Some(at(10)));
    bed.kept.clear();
    let n_applied = bed.n_applied;
    bed.advance_to(10);
    assert_eq!(bed.kept, bed.outcome.assignments);
    assert_eq!((bed.kept.len(), bed.n_applied), (2, n_applied + 1));
    // That there is nothing must be on disk too.
    bed.held(&[]);
    bed.plan(Plan::default());
    bed.on(Event::StoreFailed);
    let mut out = Vec::new();
    bed.machine.on_event(at(20), Event::Timer, &mut out);
    assert_eq!(out[0], Action::Keep(Vec::new()));
}

fn any_event() -> impl Strategy<Value = (u64, Event)> {
    let uplink = || prop_oneof![Just("wan"), Just("wan2")];
    let held = (
        0u64..6,
        56u8..=66,
        0u64..9000,
        0u64..9000,
        any::<bool>(),
        0u64..4,
    )
        .prop_map(|(n, length, preferred, valid, hole, hole_at)| {
            let whole = nth(net("2001:db8::/48"), 56, n).unwrap();
            let whole = Ipv6Net::new(whole.network(), length).unwrap().trunc();
            let exclude = nth(whole, length.max(62) + 2, hole_at).filter(|_| hole);
            // What the client gives may be nonsense: preferred after valid.
            (whole, exclude, preferred, valid)
        });
    let held = (uplink(), proptest::collection::vec(held, 0..4));
    let wish = (0u8..4, uplink(), proptest::option::of(0u64..5), 62u8..=66).prop_map(
        |(n, uplink, subnet, length)| Wish {
            subnet,
            length,
            ..Wish::new(&format!("lan{n}"), uplink)
        },
    );
    let taken = (0u64..6, 60u8..=65).prop_map(|(n, length)| {
        let whole = nth(net("2001:db8::/48"), 56, n).unwrap();
        Ipv6Net::new(whole.network(), length).unwrap().trunc()
    });
    let plan = (
        proptest::collection::vec(wish, 0..6),
        proptest::collection::vec(taken, 0..2),
    );
    let event = prop_oneof![
        4 => held.prop_map(|(uplink, prefixes)| Event::Held {
            uplink: uplink.into(),
            prefixes: prefixes
                .into_iter()
                .map(|(prefix, exclude, preferred, valid)| UplinkPrefix {
                    prefix,
                    exclude,
                    preferred_until: at(preferred),
                    valid_until: at(valid),
                })
                .collect(),
        }),
        2 => plan.prop_map(|(mut wishes, taken)| {
            wishes.sort();
            wishes.dedup_by(|a, b| a.is_of(&b.interface, &b.uplink));
            let uplinks = vec!["wan".into(), "wan2".into()];
            Event::Plan { uplinks, plan: Plan { wishes, taken } }
        }),
        2 => Just(Event::Timer),
        1 => Just(Event::StoreFailed),
    ];
    (0u64..900, event)
}

proptest! {
    /// Whatever uplinks and people do: nothing overlaps, nothing outlives its lease, everything is kept.
    #[test]
    fn invariants(events in proptest::collection::vec(any_event(), 1..40)) {
        let mut bed = Bed::default();
        let mut plan = Plan::default();
        for (passed, event) in events {
            bed.advance_to(bed.now + passed);
            if let Event::Plan { plan: new, .. } = &event {
                plan = new.clone();
            }
            let failed = matches!(event, Event::StoreFailed);
            bed.on(event);
            if failed || bed.machine.retry.is_some() {
                continue;
            }
            let assignments = &bed.outcome.assignments;
            prop_assert_eq!(&bed.kept, assignments);
            for (i, a) in assignments.iter().enumerate() {
                prop_assert!(a.delegated.contains(&a.prefix));
                prop_assert!(a.valid_until > at(bed.now));
                prop_assert!(a.preferred_until <= a.valid_until);
                prop_assert_eq!(a.deprecated, a.preferred_until <= at(bed.now));
                prop_assert!(!a.vanished || a.deprecated);
                prop_assert!(a.prefix.contains(&a.address));
                let clear = |net: &Ipv6Net| !overlap(*net, a.prefix);
                prop_assert!(plan.taken.iter().all(clear));
                prop_assert!(bed.machine.excluded().iter().all(clear));
                prop_assert!(assignments[..i].iter().all(|b| clear(&b.prefix)));
                prop_assert!(plan.wishes.iter().any(|w| w.is_of(&a.interface, &a.uplink)));
                let inside = bed.outcome.unreachable.iter().any(|net| net.contains(&a.prefix) || a.prefix.contains(net));
                prop_assert!(inside, "{} is not under a route for the whole", a.prefix);
            }
        }
    }
}
