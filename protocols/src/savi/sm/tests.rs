mod random;
mod registered;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::*;
use super::Bound;
use tables::id::{AnchorId, LinkId};
use wire::MacAddr;

const LAN: LinkId = LinkId(3);
const A: AnchorId = AnchorId(1);
const B: AnchorId = AnchorId(2);
const MAC_A: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
const MAC_B: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);
const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const STRANGER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x99]);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn prefix(text: &str) -> Prefix {
    let (prefix, len) = text.split_once('/').unwrap();
    Prefix {
        prefix: prefix.parse().unwrap(),
        len: len.parse().unwrap(),
    }
}

/// A machine and the tables that its actions make.
struct World {
    machine: Machine,
    now: Millis,
    bound: Bound,
    held: BTreeMap<(LinkId, IpAddr), (Option<AnchorId>, bool)>,
    macs: BTreeMap<(LinkId, MacAddr), Option<AnchorId>>,
    delegated: BTreeMap<(AnchorId, Prefix), MacAddr>,
    full: BTreeMap<(AnchorId, bool), bool>,
    seen: RefCell<BTreeMap<(AnchorId, IpAddr), u32>>,
    heard: BTreeMap<(LinkId, IpAddr), u32>,
    /// Questions and answers of the last event.
    said: Vec<Action>,
}

fn port(macs: &[MacAddr]) -> Anchor {
    Anchor {
        link: LAN,
        macs: macs.to_vec(),
        learns: true,
        max_addresses: 3,
        ..Anchor::default()
    }
}

fn configuration(has_strangers: bool) -> Configuration {
    let link = Link {
        own: BTreeMap::from([(ip("fe80::1"), OURS), (ip("192.0.2.1"), OURS)]),
        has_strangers,
    };
    Configuration {
        links: BTreeMap::from([(LAN, link)]),
        anchors: BTreeMap::from([(A, port(&[MAC_A])), (B, port(&[MAC_B]))]),
    }
}

impl World {
    fn new(has_strangers: bool) -> Self {
        let mut world = World {
            machine: Machine::new(Timing::default()),
            now: 1_000_000,
            bound: BTreeMap::new(),
            held: BTreeMap::new(),
            macs: BTreeMap::new(),
            delegated: BTreeMap::new(),
            full: BTreeMap::new(),
            seen: RefCell::default(),
            heard: BTreeMap::new(),
            said: Vec::new(),
        };
        world.event(Event::Configure(configuration(has_strangers)));
        world
    }

    fn event(&mut self, event: Event) {
        self.with(|machine, now, seen, out| machine.on_event(now, event, seen, out));
    }

    fn with(&mut self, run: impl FnOnce(&mut Machine, Millis, super::Seen<'_>, &mut Vec<Action>)) {
        let mut out = Vec::new();
        let seen = |used| match used {
            Used::At(anchor, address) => self.seen.borrow().get(&(anchor, address)).copied(),
            Used::On(link, address) => self.heard.get(&(link, address)).copied(),
        };
        run(&mut self.machine, self.now, &seen, &mut out);
        self.said.clear();
        for action in out {
            self.act(action);
        }
    }

    /// Carries out an action; each must change something.
    fn act(&mut self, action: Action) {
        let seconds = (self.now / 1000) as u32;
        match action {
            Action::Bind {
                anchor,
                address,
                mac,
            } => {
                assert_ne!(self.bound.insert((anchor, address), mac), Some(mac));
                self.seen.borrow_mut().insert((anchor, address), seconds);
            }
            Action::Unbind { anchor, address } => {
                assert!(
                    self.bound.remove(&(anchor, address)).is_some(),
                    "{action:?}"
                );
                self.seen.borrow_mut().remove(&(anchor, address));
            }
            Action::Hold {
                link,
                address,
                anchor,
                is_tentative,
            } => {
                let now = (anchor, is_tentative);
                assert_ne!(self.held.insert((link, address), now), Some(now));
                self.heard.insert((link, address), seconds);
            }
            Action::Release { link, address } => {
                assert!(self.held.remove(&(link, address)).is_some(), "{action:?}");
            }
            Action::HoldMac { link, mac, anchor } => {
                assert_ne!(self.macs.insert((link, mac), anchor), Some(anchor));
            }
            Action::ReleaseMac { link, mac } => {
                assert!(self.macs.remove(&(link, mac)).is_some(), "{action:?}");
            }
            Action::Delegate {
                anchor,
                prefix,
                mac,
            } => assert_ne!(self.delegated.insert((anchor, prefix), mac), Some(mac)),
            Action::Undelegate { anchor, prefix } => {
                assert!(self.delegated.remove(&(anchor, prefix)).is_some());
            }
            Action::Full {
                anchor,
                is_ipv4,
                is_full,
            } => {
                let before = self.full.insert((anchor, is_ipv4), is_full);
                assert_ne!(before.unwrap_or(false), is_full);
            }
            Action::Probe { .. } | Action::Ask { .. } | Action::Defend { .. } => {
                self.said.push(action);
            }
        }
    }

    fn hear(&mut self, anchor: AnchorId, mac: MacAddr, address: &str, probes: bool) {
        self.event(Event::Heard {
            link: LAN,
            anchor: (anchor.0 != 0).then_some(anchor),
            mac,
            address: ip(address),
            probes,
        });
    }

    fn probes(&mut self, anchor: AnchorId, mac: MacAddr, address: &str) {
        self.hear(anchor, mac, address, true);
    }

    fn uses(&mut self, anchor: AnchorId, mac: MacAddr, address: &str) {
        self.hear(anchor, mac, address, false);
    }

    fn stranger(&mut self, address: &str) {
        self.hear(AnchorId(0), STRANGER, address, false);
    }

    fn leased(&mut self, address: &str, mac: MacAddr, until: Option<Millis>) {
        self.event(Event::Leased {
            link: LAN,
            address: ip(address),
            mac,
            until,
        });
    }

    /// Lets time pass, with the timer.
    fn pass(&mut self, millis: Millis) {
        let end = self.now + millis;
        while let Some(due) = self.machine.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.with(|machine, now, seen, out| machine.on_timer(now, 1, seen, out));
        }
        self.now = end;
    }

    /// A packet of a bound address is seen by a worker.
    fn touch(&self, anchor: AnchorId, address: &str) {
        let seconds = (self.now / 1000) as u32;
        let mut seen = self.seen.borrow_mut();
        if let Some(seen) = seen.get_mut(&(anchor, ip(address))) {
            *seen = seconds;
        }
    }

    fn owner(&self, address: &str) -> Option<AnchorId> {
        let mut at = self.bound.keys().filter(|(_, bound)| *bound == ip(address));
        let first = at.next().map(|(anchor, _)| *anchor);
        assert_eq!(at.next(), None, "{address} is bound twice");
        first
    }

    fn counters(&self, anchor: AnchorId) -> Counters {
        let mut ports = self.machine.ports();
        ports.find(|(id, ..)| *id == anchor).unwrap().2.clone()
    }

    fn state(&self, address: &str) -> Option<(Option<AnchorId>, Origin, State)> {
        let all = self.machine.snapshot(self.now, None, &|_| None);
        let mut of = all.into_iter().filter(|view| view.address == ip(address));
        of.next().map(|view| (view.anchor, view.origin, view.state))
    }
}

#[test]
fn where_nobody_else_is_the_first_has_it_at_once() {
    let mut world = World::new(false);
    world.probes(A, MAC_A, "2001:db8::a");
    world.uses(A, MAC_A, "192.0.2.10");
    assert_eq!(world.owner("2001:db8::a"), Some(A));
    assert_eq!(world.owner("192.0.2.10"), Some(A));
    assert_eq!(world.said, []);
    // Not another's, not ours, not with another MAC, not what is nobody's.
    world.uses(B, MAC_B, "2001:db8::a");
    world.uses(B, MAC_B, "fe80::1");
    world.uses(B, MAC_A, "2001:db8::b");
    world.uses(B, MAC_B, "ff02::1");
    assert_eq!(world.owner("2001:db8::a"), Some(A));
    assert_eq!(
        (world.owner("fe80::1"), world.owner("2001:db8::b")),
        (None, None)
    );
    let counters = world.counters(B);
    assert_eq!((counters.contested, counters.learned), (2, 0));
    assert_eq!(counters.invalid["address"], 1);
}

#[test]
fn who_looks_whether_an_address_is_free_is_told_that_it_is_not() {
    let mut world = World::new(true);
    let defended = |owner, address| {
        vec![Action::Defend {
            anchor: B,
            to: MAC_B,
            address: ip(address),
            owner,
        }]
    };
    world.probes(A, MAC_A, "2001:db8::a");
    // Even while the first still looks itself.
    world.probes(B, MAC_B, "2001:db8::a");
    assert_eq!(world.said, defended(MAC_A, "2001:db8::a"));
    world.pass(500);
    world.probes(B, MAC_B, "2001:db8::a");
    assert_eq!(world.said, defended(MAC_A, "2001:db8::a"));
    world.probes(B, MAC_B, "192.0.2.1");
    assert_eq!(world.said, defended(OURS, "192.0.2.1"));
    assert_eq!(world.owner("2001:db8::a"), Some(A));
    assert_eq!(world.counters(B).contested, 3);
}

#[test]
fn with_strangers_an_address_is_tentative_for_half_a_second() {
    let mut world = World::new(true);
    world.probes(A, MAC_A, "2001:db8::a");
    assert_eq!((world.owner("2001:db8::a"), world.said.len()), (None, 0));
    assert_eq!(world.held[&(LAN, ip("2001:db8::a"))], (Some(A), true));
    // What is used without a probe of its own is asked for.
    world.uses(A, MAC_A, "2001:db8::c");
    let ask = Action::Ask {
        link: LAN,
        address: ip("2001:db8::c"),
    };
    assert_eq!(world.said, [ask]);
    world.pass(499);
    world.stranger("2001:db8::c");
    assert_eq!(world.counters(A).denied, 1);
    world.pass(1);
    assert_eq!(world.owner("2001:db8::a"), Some(A));
    assert_eq!(world.held[&(LAN, ip("2001:db8::a"))], (Some(A), false));
    let stranger = Some((None, Origin::Stranger, State::Valid));
    assert_eq!(world.state("2001:db8::c"), stranger);
    world.uses(A, MAC_A, "2001:db8::c");
    assert_eq!(world.state("2001:db8::c"), stranger);
}

#[test]
fn a_silent_owner_loses_to_a_rival_and_one_that_answers_does_not() {
    let mut world = World::new(false);
    world.uses(A, MAC_A, "2001:db8::a");
    world.pass(20_000);
    let probe = [Action::Probe {
        anchor: A,
        address: ip("2001:db8::a"),
        mac: MAC_A,
    }];
    world.probes(B, MAC_B, "2001:db8::a");
    assert_eq!(world.said, probe);
    let testing = Some((Some(A), Origin::Learned, State::TestingRival));
    assert_eq!(world.state("2001:db8::a"), testing);
    world.pass(100);
    world.touch(A, "2001:db8::a");
    world.pass(400);
    assert!(matches!(world.said[..], [Action::Defend { to: MAC_B, .. }]));
    assert_eq!(world.owner("2001:db8::a"), Some(A));
    // It was just there: it is not even asked.
    world.pass(5_000);
    world.uses(B, MAC_B, "2001:db8::a");
    assert_eq!(world.said, []);
    world.pass(20_000);
    world.uses(B, MAC_B, "2001:db8::a");
    world.pass(500);
    assert_eq!(world.owner("2001:db8::a"), Some(B));
    assert_eq!((world.counters(A).lost, world.counters(B).moved), (1, 1));
}

#[test]
fn a_stranger_gets_what_its_owner_does_not_answer_for() {
    let mut world = World::new(true);
    world.probes(A, MAC_A, "2001:db8::a");
    world.pass(60_000);
    world.stranger("2001:db8::a");
    assert!(matches!(world.said[..], [Action::Probe { anchor: A, .. }]));
    world.pass(300);
    world.touch(A, "2001:db8::a");
    world.pass(300);
    assert_eq!(world.owner("2001:db8::a"), Some(A));
    world.pass(2_000);
    world.stranger("2001:db8::a");
    world.pass(500);
    assert_eq!(world.owner("2001:db8::a"), None);
    let stranger = Some((None, Origin::Stranger, State::Valid));
    assert_eq!(world.state("2001:db8::a"), stranger);
    // Strangers are forgotten too.
    world.pass(400_000);
    assert_eq!(world.state("2001:db8::a"), None);
}

#[test]
fn an_unused_address_is_asked_for_three_times_and_forgotten() {
    let mut world = World::new(false);
    world.uses(A, MAC_A, "2001:db8::a");
    world.pass(200_000);
    world.touch(A, "2001:db8::a");
    world.pass(299_000);
    assert_eq!(
        world.owner("2001:db8::a"),
        Some(A),
        "it was used in between"
    );
    world.pass(2_000);
    assert!(matches!(world.said[..], [Action::Probe { .. }]));
    world.touch(A, "2001:db8::a");
    world.pass(1_000);
    let valid = Some((Some(A), Origin::Learned, State::Valid));
    assert_eq!(world.state("2001:db8::a"), valid);
    world.pass(302_900);
    assert_eq!(world.owner("2001:db8::a"), Some(A));
    world.pass(1_000);
    assert_eq!(world.owner("2001:db8::a"), None);
    assert_eq!(world.counters(A).aged, 1);
    assert!(world.machine.next_deadline().is_none());
}

#[test]
fn a_port_learns_so_many_and_what_is_unused_makes_room() {
    let mut world = World::new(false);
    for n in 1..=3 {
        world.probes(A, MAC_A, &format!("2001:db8::{n}"));
    }
    world.probes(A, MAC_A, "192.0.2.10");
    assert_eq!(world.owner("192.0.2.10"), Some(A), "a family of its own");
    world.probes(A, MAC_A, "2001:db8::4");
    assert_eq!(world.owner("2001:db8::4"), None);
    assert!(world.full[&(A, false)]);
    assert_eq!(world.counters(A).limited, 1);
    world.pass(70_000);
    world.touch(A, "2001:db8::1");
    world.touch(A, "2001:db8::3");
    world.probes(A, MAC_A, "2001:db8::4");
    assert_eq!(world.owner("2001:db8::4"), Some(A));
    assert_eq!(
        (world.owner("2001:db8::2"), world.owner("2001:db8::1")),
        (None, Some(A))
    );
    assert!(!world.full[&(A, false)]);
    // Another port is not full.
    world.probes(B, MAC_B, "2001:db8::5");
    assert_eq!(world.owner("2001:db8::5"), Some(B));
}

#[test]
fn where_macs_are_not_configured_they_belong_to_the_first_too() {
    let mut world = World::new(false);
    let mut any = configuration(false);
    any.anchors = BTreeMap::from([(A, port(&[])), (B, port(&[]))]);
    world.event(Event::Configure(any));
    assert_eq!(world.macs[&(LAN, OURS)], None);
    world.uses(A, MAC_A, "2001:db8::a");
    world.uses(A, MAC_A, "2001:db8::aa");
    assert_eq!(world.macs[&(LAN, MAC_A)], Some(A));
    world.uses(B, MAC_A, "2001:db8::b");
    world.uses(B, OURS, "2001:db8::b");
    assert_eq!(world.owner("2001:db8::b"), None);
    assert_eq!(world.counters(B).foreign_mac, 2);
    world.uses(B, MAC_B, "2001:db8::b");
    assert_eq!(world.owner("2001:db8::b"), Some(B));
    world.pass(400_000);
    assert_eq!(world.macs.len(), 1, "{:?}", world.macs);
}

#[test]
fn a_lease_is_its_clients_until_it_ends() {
    let mut world = World::new(false);
    world.uses(B, MAC_B, "192.0.2.10");
    let end = world.now + 600_000;
    world.leased("192.0.2.10", MAC_A, Some(end));
    assert_eq!(world.owner("192.0.2.10"), Some(A));
    assert_eq!(world.counters(B).lost, 1);
    world.pass(60_000);
    world.uses(B, MAC_B, "192.0.2.10");
    assert_eq!((world.owner("192.0.2.10"), world.said.len()), (Some(A), 0));
    world.pass(480_000);
    world.leased("192.0.2.10", MAC_A, Some(end + 600_000));
    world.pass(480_000);
    assert_eq!(world.owner("192.0.2.10"), Some(A), "it was renewed");
    world.pass(180_000);
    assert_eq!(world.owner("192.0.2.10"), None);
    world.leased("2001:db8::1:1", MAC_A, None);
    world.event(Event::Configure(configuration(true)));
    assert_eq!(
        world.owner("2001:db8::1:1"),
        Some(A),
        "configuration keeps it"
    );
    let released = ip("2001:db8::1:1");
    world.event(Event::Released {
        link: LAN,
        address: released,
    });
    assert_eq!(world.owner("2001:db8::1:1"), None);
    // Ours and what is configured is not leased to anybody else.
    world.leased("192.0.2.1", MAC_A, None);
    assert_eq!(world.owner("192.0.2.1"), None);
}

#[test]
fn a_client_whose_mac_is_not_configured_shows_where_it_is() {
    let mut world = World::new(false);
    let mut any = configuration(false);
    any.anchors.insert(
        A,
        Anchor {
            learns: false,
            ..port(&[])
        },
    );
    world.event(Event::Configure(any));
    world.leased("192.0.2.10", MAC_A, None);
    assert_eq!(world.owner("192.0.2.10"), None);
    world.uses(B, MAC_B, "192.0.2.10");
    assert_eq!(world.owner("192.0.2.10"), None, "it is the client's");
    world.probes(A, MAC_A, "192.0.2.10");
    assert_eq!(world.owner("192.0.2.10"), Some(A));
    world.probes(A, MAC_A, "192.0.2.11");
    assert_eq!(world.owner("192.0.2.11"), None, "it does not learn");
}

#[test]
fn a_delegated_prefix_is_its_clients() {
    let mut world = World::new(false);
    let of = prefix("2001:db8:77::/56");
    let event = |mac, until| Event::Delegated {
        link: LAN,
        prefix: of,
        mac,
        until,
    };
    let end = world.now + 1000;
    world.event(event(MAC_A, Some(end)));
    assert_eq!(world.delegated, BTreeMap::from([((A, of), MAC_A)]));
    world.event(event(MAC_B, Some(end + 1000)));
    assert_eq!(world.delegated, BTreeMap::from([((B, of), MAC_B)]));
    world.pass(1_500);
    assert_eq!(world.delegated.len(), 1);
    world.pass(500);
    assert!(world.delegated.is_empty());
    // A client that is found later; a port that goes.
    world.event(event(STRANGER, None));
    assert!(world.delegated.is_empty());
    let mut any = configuration(false);
    any.anchors.insert(A, port(&[]));
    world.event(Event::Configure(any));
    world.uses(A, STRANGER, "fe80::99");
    assert_eq!(world.delegated, BTreeMap::from([((A, of), STRANGER)]));
    let mut without = configuration(false);
    without.anchors.remove(&A);
    world.event(Event::Configure(without));
    assert!(world.delegated.is_empty());
    world.event(Event::Undelegated {
        link: LAN,
        prefix: of,
    });
    assert!(world.machine.next_deadline().is_none());
}

#[test]
fn configuration_comes_before_all_else_and_touches_nothing_it_need_not() {
    let mut world = World::new(true);
    world.uses(A, MAC_A, "2001:db8::a");
    world.uses(B, MAC_B, "2001:db8::b");
    world.stranger("2001:db8::99");
    world.pass(500);
    let mut with = configuration(true);
    let fixed = BTreeMap::from([(ip("2001:db8::b"), Some(MAC_A)), (ip("2001:db8::f"), None)]);
    with.anchors.get_mut(&A).unwrap().fixed = fixed;
    let vip = BTreeMap::from([(ip("2001:db8::99"), Some(MAC_A))]);
    with.anchors.get_mut(&A).unwrap().shared = vip;
    let vip = BTreeMap::from([(ip("2001:db8::99"), Some(MAC_B))]);
    with.anchors.get_mut(&B).unwrap().shared = vip;
    world.event(Event::Configure(with.clone()));
    assert_eq!(world.owner("2001:db8::a"), Some(A), "it has stayed");
    assert_eq!(world.owner("2001:db8::b"), Some(A));
    assert_eq!(world.owner("2001:db8::f"), None, "with any MAC");
    assert_eq!(world.held[&(LAN, ip("2001:db8::f"))], (Some(A), false));
    assert_eq!(world.held[&(LAN, ip("2001:db8::99"))], (None, false));
    assert_eq!(world.bound[&(A, ip("2001:db8::99"))], MAC_A);
    assert_eq!(world.bound[&(B, ip("2001:db8::99"))], MAC_B);
    let views = world.machine.snapshot(world.now, Some(B), &|_| None);
    assert_eq!(views.len(), 1, "{views:?}");
    // The same again does nothing: actions that change nothing fail in `act`.
    world.event(Event::Configure(with));
    world.event(Event::Configure(configuration(true)));
    assert_eq!(world.bound.len(), 1, "{:?}", world.bound);
    world.event(Event::Configure(Configuration::default()));
    assert!(world.bound.is_empty() && world.held.is_empty() && world.macs.is_empty());
    assert!(world.machine.is_empty() && world.machine.next_deadline().is_none());
}

#[test]
fn what_the_table_refuses_is_not_believed() {
    let mut world = World::new(false);
    world.uses(A, MAC_A, "2001:db8::a");
    world.event(Event::Refused {
        link: LAN,
        address: ip("2001:db8::a"),
    });
    assert_eq!(
        (world.owner("2001:db8::a"), world.counters(A).full),
        (None, 1)
    );
    assert_eq!(world.state("2001:db8::a"), None);
}
