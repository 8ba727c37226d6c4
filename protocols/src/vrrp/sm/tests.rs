//! Simulated time: what RFC 9568 leaves to us. Its state tables stand in `tests/conformance/vrrp/`.

use std::net::Ipv6Addr;

use super::*;
use crate::vrrp::packet::{Advertisement, GROUP4, GROUP6};
use crate::vrrp::{Checksum, Version, virtual_mac};

const IFACE: IfaceId = IfaceId(1);
const ID: GroupId = GroupId {
    iface: IFACE,
    family: Family::V4,
    vrid: 7,
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

struct Bed {
    now: Instant,
    machine: Machine,
    out: Vec<Action>,
}

impl Bed {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut bed = Self {
            now: Instant::now(),
            machine: Machine::default(),
            out: Vec::new(),
        };
        let mut config = Config::new(Family::V4, 7, vec![ip("192.0.2.1")]);
        config.interval = Duration::from_millis(100);
        change(&mut config);
        bed.event(Event::Configure {
            id: ID,
            config: Box::new(config),
        });
        bed.event(Event::Source {
            iface: IFACE,
            family: Family::V4,
            addr: Some(ip("192.0.2.2")),
        });
        bed.event(Event::Link {
            iface: IFACE,
            up: true,
        });
        bed
    }

    fn event(&mut self, event: Event<'_>) -> Vec<Action> {
        self.machine.on_event(self.now, event, &mut self.out);
        std::mem::take(&mut self.out)
    }

    /// Lets time pass; timers run when they are due.
    fn wait(&mut self, ms: u64) -> Vec<Action> {
        let until = self.now + Duration::from_millis(ms);
        let mut all = Vec::new();
        while let Some(due) = self.machine.next_deadline().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            all.extend(self.event(Event::Timer));
        }
        self.now = until;
        all
    }

    /// Nothing runs meanwhile.
    fn sleep(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    fn hear(
        &mut self,
        source: &str,
        priority: u8,
        change: impl FnOnce(&mut Advertisement),
    ) -> Vec<Action> {
        let mut said = Advertisement {
            version: Version::V3,
            vrid: 7,
            priority,
            interval: Duration::from_millis(100),
            addresses: vec![ip("192.0.2.1")],
        };
        change(&mut said);
        let packet = packet::write(ip(source), GROUP4.into(), &said, false);
        self.event(Event::Packet {
            iface: IFACE,
            packet: &packet,
        })
    }

    fn state(&self) -> State {
        self.machine.snapshot()[0].state
    }

    fn counters(&self) -> Counters {
        self.machine.snapshot()[0].counters.clone()
    }
}

fn sent(actions: &[Action]) -> Vec<u8> {
    let said = actions.iter().filter_map(|action| match action {
        Action::Send { packet, .. } | Action::Route { packet, .. } => packet::read(packet).ok(),
        Action::Become { .. } => None,
    });
    said.map(|said| said.advertisement.priority).collect()
}

#[test]
fn a_router_of_lower_priority_is_left_alone_for_a_while() {
    let mut bed = Bed::new(|config| config.preempt_delay = Duration::from_secs(1));
    for _ in 0..10 {
        bed.hear("192.0.2.3", 50, |_| ());
        bed.wait(100);
        assert_eq!(bed.state(), State::Backup);
    }
    bed.hear("192.0.2.3", 50, |_| ());
    let took = bed.wait(400);
    assert_eq!(bed.state(), State::Active);
    assert!(sent(&took).starts_with(&[100]));
    assert_eq!(bed.counters().tolerated, 10);
}

#[test]
fn without_preemption_it_is_left_alone_for_good() {
    let mut bed = Bed::new(|config| config.preempt = false);
    for _ in 0..100 {
        bed.hear("192.0.2.3", 1, |_| ());
        bed.wait(100);
    }
    assert_eq!(bed.state(), State::Backup);
    bed.wait(400);
    assert_eq!(bed.state(), State::Active, "until it falls silent");
}

#[test]
fn a_lowered_priority_is_told_at_once_and_the_owners_is_not_lowered() {
    let mut bed = Bed::new(|_| ());
    bed.wait(400);
    let told = bed.event(Event::Track {
        id: ID,
        lowered: 60,
        held: false,
    });
    assert_eq!(sent(&told), [40]);
    let told = bed.event(Event::Track {
        id: ID,
        lowered: 200,
        held: false,
    });
    assert_eq!(sent(&told), [1], "1 at least");
    let gone = bed.event(Event::Track {
        id: ID,
        lowered: 0,
        held: true,
    });
    assert_eq!(sent(&gone), [0]);
    assert_eq!(bed.state(), State::Initialize);

    let mut owner = Bed::new(|config| config.priority = 255);
    assert_eq!(owner.state(), State::Active, "the owner waits for nobody");
    assert_eq!(
        sent(&owner.event(Event::Track {
            id: ID,
            lowered: 60,
            held: false
        })),
        [] as [u8; 0]
    );
}

#[test]
fn one_that_has_slept_listens_before_it_speaks() {
    let mut bed = Bed::new(|config| config.preempt = false);
    bed.wait(400);
    assert_eq!(bed.state(), State::Active);
    bed.sleep(2000);
    assert_eq!(sent(&bed.event(Event::Timer)), [] as [u8; 0]);
    // Another one took over meanwhile: without preemption it goes on.
    bed.hear("192.0.2.3", 50, |_| ());
    assert_eq!((bed.state(), bed.counters().slept), (State::Backup, 1));

    let mut bed = Bed::new(|_| ());
    bed.wait(400);
    bed.sleep(2000);
    bed.event(Event::Timer);
    assert_eq!(
        sent(&bed.hear("192.0.2.3", 50, |_| ())),
        [100],
        "it asserts itself"
    );
    assert_eq!(bed.state(), State::Active);

    let mut alone = Bed::new(|_| ());
    alone.wait(400);
    alone.sleep(2000);
    alone.event(Event::Timer);
    assert_eq!(
        sent(&alone.wait(100)),
        [100],
        "nobody was there: it goes on"
    );
    assert_eq!(alone.state(), State::Active);
}

#[test]
fn a_backup_that_has_slept_listens_once_more() {
    let mut bed = Bed::new(|_| ());
    bed.hear("192.0.2.3", 200, |_| ());
    bed.sleep(2000);
    bed.event(Event::Timer);
    assert_eq!((bed.state(), bed.counters().slept), (State::Backup, 1));
    bed.hear("192.0.2.3", 200, |_| ());
    bed.wait(300);
    assert_eq!(
        bed.state(),
        State::Backup,
        "what waited was news of the active one"
    );
    bed.sleep(2000);
    bed.event(Event::Timer);
    bed.wait(100);
    assert_eq!(bed.state(), State::Active, "or there was none");
}

#[test]
fn peers_are_told_by_unicast_and_heard_alone() {
    let mut bed = Bed::new(|config| config.peers = vec![ip("192.0.2.3"), ip("192.0.2.4")]);
    bed.hear("192.0.2.3", 200, |_| ());
    assert_eq!(bed.counters().invalid.get("peer"), Some(&1), "to the group");
    let took = bed.wait(400);
    let routed = took
        .iter()
        .filter(|a| matches!(a, Action::Route { .. }))
        .count();
    assert_eq!(routed, 2);
    assert_eq!(sent(&took), [100, 100]);
    let said = Advertisement {
        version: Version::V3,
        vrid: 7,
        priority: 200,
        interval: Duration::from_millis(100),
        addresses: vec![ip("192.0.2.1")],
    };
    for (source, state) in [("192.0.2.9", State::Active), ("192.0.2.4", State::Backup)] {
        let packet = packet::write(ip(source), ip("192.0.2.2"), &said, false);
        bed.event(Event::Packet {
            iface: IFACE,
            packet: &packet,
        });
        assert_eq!(bed.state(), state, "{source}");
    }
}

#[test]
fn checksums_follow_the_peers() {
    let covers = |actions: &[Action]| {
        let send = actions.iter().find_map(|action| match action {
            Action::Send { packet, .. } => packet::read(packet).ok(),
            _ => None,
        });
        send.unwrap().pseudo_header
    };
    for (checksum, before, after) in [
        (Checksum::Auto, false, true),
        (Checksum::Message, false, false),
        (Checksum::PseudoHeader, true, true),
    ] {
        let mut bed = Bed::new(|config| config.checksum = checksum);
        assert_eq!(covers(&bed.wait(400)), before);
        let said = Advertisement {
            version: Version::V3,
            vrid: 7,
            priority: 5,
            interval: Duration::from_millis(100),
            addresses: vec![ip("192.0.2.1")],
        };
        let packet = packet::write(ip("192.0.2.3"), GROUP4.into(), &said, true);
        let answer = bed.event(Event::Packet {
            iface: IFACE,
            packet: &packet,
        });
        assert_eq!(covers(&answer), after, "{checksum:?}");
    }
}

#[test]
fn a_change_of_addresses_is_told_to_the_link() {
    let mut bed = Bed::new(|_| ());
    bed.wait(400);
    let mut config = Config::new(Family::V4, 7, vec![ip("192.0.2.1"), ip("192.0.2.99")]);
    config.interval = Duration::from_millis(100);
    let told = bed.event(Event::Configure {
        id: ID,
        config: Box::new(config),
    });
    let again = Action::Become {
        id: ID,
        state: State::Active,
        why: Why::Configured,
    };
    assert!(told.contains(&again));
    let announced = told.iter().filter(|a| {
        matches!(
            a,
            Action::Send {
                ether_type: EtherType::ARP,
                ..
            }
        )
    });
    assert_eq!(announced.count(), 2);
    let gone = bed.event(Event::Remove { id: ID });
    assert_eq!(sent(&gone), [0]);
    assert!(bed.machine.snapshot().is_empty());
}

#[test]
fn what_comes_for_nobody_is_counted_on_its_interface() {
    let mut bed = Bed::new(|_| ());
    bed.hear("192.0.2.3", 200, |said| said.vrid = 8);
    let strays: Vec<_> = bed.machine.strays().collect();
    assert_eq!(strays[0].1.invalid.get("unknown_vrid"), Some(&1));
    bed.hear("192.0.2.2", 200, |_| ());
    assert_eq!(bed.counters().invalid.get("own_source"), Some(&1));
    bed.hear("192.0.2.3", 200, |said| {
        said.addresses = vec![ip("192.0.2.8")]
    });
    assert_eq!(
        (bed.counters().address_mismatches, bed.counters().received),
        (1, 1)
    );
}

#[test]
fn the_families_are_apart() {
    let mut bed = Bed::new(|_| ());
    let id = GroupId {
        family: Family::V6,
        ..ID
    };
    let first = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 7));
    let config = Config::new(Family::V6, 7, vec![first]);
    bed.event(Event::Configure {
        id,
        config: Box::new(config),
    });
    bed.event(Event::Source {
        iface: IFACE,
        family: Family::V6,
        addr: Some(ip("fe80::2")),
    });
    let took = bed.wait(5000);
    let macs: std::collections::BTreeSet<_> = took
        .iter()
        .filter_map(|action| match action {
            Action::Send {
                source_mac, packet, ..
            } if packet::read(packet).is_ok() => Some(*source_mac),
            _ => None,
        })
        .collect();
    assert_eq!(
        macs,
        [virtual_mac(Family::V4, 7), virtual_mac(Family::V6, 7)].into()
    );
    let to_group = took.iter().any(|action| match action {
        Action::Send { packet, .. } => packet.get(24..40) == Some(&GROUP6.octets()),
        _ => false,
    });
    assert!(to_group);
}
