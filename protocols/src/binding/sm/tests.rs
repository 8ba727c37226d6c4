use proptest::prelude::*;

use super::*;

const BLUE: NetworkId = NetworkId(1);
const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);
const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn address(n: u8) -> IpAddr {
    IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(n)])
}

/// The machine with the table that its actions make.
struct Room {
    machine: Machine,
    table: BTreeMap<(NetworkId, IpAddr), (MacAddr, bool, bool)>,
    seen: HashMap<IpAddr, Seconds>,
}

impl Room {
    fn new(capacity: usize, config: Config, own: &[(IpAddr, MacAddr)]) -> Self {
        let mut room = Self {
            machine: Machine::new(capacity),
            table: BTreeMap::new(),
            seen: HashMap::new(),
        };
        room.configure(config, own);
        room
    }

    fn configure(&mut self, config: Config, own: &[(IpAddr, MacAddr)]) {
        let event = Event::Configure {
            network: BLUE,
            config,
            own: own.iter().copied().collect(),
        };
        self.tell(0, event);
    }

    fn tell(&mut self, now: Seconds, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.machine.on_event(now, event, &mut actions);
        self.act(&actions);
        actions
    }

    fn act(&mut self, actions: &[Action]) {
        for action in actions {
            match *action {
                Action::Insert {
                    network,
                    address,
                    mac,
                    is_router,
                    is_own,
                } => {
                    let new = (mac, is_router, is_own);
                    let before = self.table.insert((network, address), new);
                    assert_ne!(before, Some(new), "an insertion that changes nothing");
                }
                Action::Remove { network, address } => {
                    let before = self.table.remove(&(network, address));
                    assert!(before.is_some(), "{address} was not there");
                }
            }
        }
        assert_eq!(self.table.len(), self.machine.len());
    }

    fn claim(&mut self, now: Seconds, n: u8, mac: MacAddr) {
        self.tell(
            now,
            Event::Claimed {
                network: BLUE,
                address: address(n),
                mac,
                is_router: false,
            },
        );
    }

    fn age(&mut self, now: Seconds, budget: usize) {
        let mut actions = Vec::new();
        let Self { machine, seen, .. } = self;
        let seen = |_, address| seen.get(&address).copied();
        machine.age(now, budget, seen, &mut actions);
        self.act(&actions);
    }

    /// Who has an address.
    fn owner(&self, n: u8) -> Option<MacAddr> {
        self.table.get(&(BLUE, address(n))).map(|(mac, ..)| *mac)
    }

    fn counters(&self) -> Counters {
        let (_, counters) = self.machine.counters().next().unwrap();
        counters.clone()
    }
}

#[test]
fn what_is_claimed_is_believed_until_another_claims_it() {
    let mut room = Room::new(10, Config::default(), &[]);
    room.claim(5, 1, A);
    assert_eq!(room.owner(1), Some(A));
    room.claim(6, 1, B);
    assert_eq!(room.owner(1), Some(B));
    let router = Event::Claimed {
        network: BLUE,
        address: address(1),
        mac: B,
        is_router: true,
    };
    assert_eq!(room.tell(7, router.clone()).len(), 1);
    assert_eq!(room.tell(7, router), [], "no news");
    let counters = room.counters();
    assert_eq!((counters.learned, counters.moved), (1, 1));
    for wrong in ["::", "ff02::1", "::1", "255.255.255.255", "0.0.0.0"] {
        let event = Event::Claimed {
            network: BLUE,
            address: wrong.parse().unwrap(),
            mac: A,
            is_router: false,
        };
        assert_eq!(room.tell(7, event), [], "{wrong}");
    }
    assert_eq!(room.counters().invalid["address"], 5);
    let elsewhere = Event::Claimed {
        network: NetworkId(2),
        address: address(1),
        mac: A,
        is_router: false,
    };
    assert_eq!(room.tell(7, elsewhere), []);
}

#[test]
fn our_own_addresses_are_nobody_elses() {
    let mut room = Room::new(10, Config::default(), &[]);
    room.claim(1, 1, A);
    room.configure(Config::default(), &[(address(1), ROUTER)]);
    assert_eq!(room.table[&(BLUE, address(1))], (ROUTER, true, true));
    room.claim(2, 1, A);
    assert_eq!(room.owner(1), Some(ROUTER));
    assert_eq!(room.counters().contradicted, 1);
    // Another MAC of ours, then no address of ours any more.
    room.configure(Config::default(), &[(address(1), B)]);
    assert_eq!(room.owner(1), Some(B));
    room.configure(Config::default(), &[]);
    assert_eq!(room.owner(1), None);
    room.claim(3, 1, A);
    room.configure(Config::default(), &[(address(2), ROUTER)]);
    room.tell(4, Event::Remove { network: BLUE });
    assert!(room.table.is_empty() && room.machine.is_empty());
    assert_eq!(room.machine.next_deadline(), None);
}

#[test]
fn a_doubt_takes_a_binding_out_until_somebody_claims_it() {
    let mut room = Room::new(10, Config::default(), &[]);
    room.claim(1, 1, A);
    let doubt = |mac| Event::Doubted {
        network: BLUE,
        address: address(1),
        mac,
    };
    assert_eq!(room.tell(2, doubt(A)), [], "its own owner");
    assert_eq!(room.tell(2, doubt(B)).len(), 1);
    assert_eq!(room.owner(1), None);
    assert_eq!(room.tell(2, doubt(B)), []);
    let listed = room.machine.snapshot(3, Some(BLUE), |_, _| None);
    assert_eq!((listed.len(), listed[0].in_use), (1, false));
    room.claim(3, 1, A);
    assert_eq!(room.owner(1), Some(A));
    assert_eq!(room.counters().doubted, 1);
}

#[test]
fn nobody_is_answered_for_while_two_fight_over_an_address() {
    let mut room = Room::new(10, Config::default(), &[]);
    let mut now = 100;
    room.claim(now, 1, A);
    for n in 0..5 {
        now += 1;
        room.claim(now, 1, if n % 2 == 0 { B } else { A });
    }
    assert_eq!(room.owner(1), None, "the fifth is one too many");
    room.claim(now + 1, 1, A);
    room.claim(now + 2, 1, B);
    assert_eq!(room.owner(1), None);
    let listed = room.machine.snapshot(now + 2, None, |_, _| None);
    assert_eq!((listed[0].held, listed[0].moves), (Some(28), 4));
    let counters = room.counters();
    assert_eq!((counters.held, counters.damped), (1, 3));
    room.claim(now + 30, 1, B);
    assert_eq!(room.owner(1), Some(B));
}

#[test]
fn a_station_that_goes_takes_its_addresses_with_it() {
    let mut room = Room::new(10, Config::default(), &[]);
    for (n, mac) in [(1, A), (2, A), (3, B)] {
        room.claim(1, n, mac);
    }
    room.claim(2, 2, B);
    let gone = Event::StationGone {
        network: BLUE,
        mac: A,
    };
    room.tell(3, gone);
    let owners = [1, 2, 3].map(|n| room.owner(n));
    assert_eq!(owners, [None, Some(B), Some(B)]);
    assert_eq!(room.counters().vanished, 1);
}

#[test]
fn bindings_age_unless_the_table_has_seen_them() {
    let mut room = Room::new(10, Config::default(), &[(address(9), ROUTER)]);
    room.claim(1000, 1, A);
    room.claim(1000, 2, A);
    room.age(1299, 10);
    assert_eq!(room.table.len(), 3);
    room.seen.insert(address(2), 1200);
    room.age(1300, 10);
    assert_eq!(
        [1, 2, 9].map(|n| room.owner(n).is_some()),
        [false, true, true]
    );
    assert_eq!(room.machine.next_deadline(), Some(1500));
    room.age(1500, 10);
    assert_eq!((room.table.len(), room.counters().aged), (1, 2));
    assert_eq!(room.machine.next_deadline(), None);
    // No more than its budget.
    for n in 1..=8 {
        room.claim(2000, n, A);
    }
    room.age(3000, 3);
    assert_eq!(room.table.len(), 1 + 5);
}

#[test]
fn limits_keep_those_that_are_known() {
    let config = Config {
        max_bindings: 3,
        per_station: 2,
        ..Config::default()
    };
    let mut room = Room::new(3, config.clone(), &[]);
    for n in 1..=3 {
        room.claim(1, n, A);
    }
    assert_eq!([1, 2, 3].map(|n| room.owner(n)), [Some(A), Some(A), None]);
    room.claim(1, 4, B);
    room.claim(1, 5, B);
    assert_eq!((room.owner(4), room.owner(5)), (Some(B), None));
    assert_eq!(room.counters().limited, 2);
    // One that would be too many for its new owner is answered for by nobody.
    room.claim(2, 4, A);
    assert_eq!(room.owner(4), None);
    // One that only changes hands is not one more.
    let mut room = Room::new(3, config.clone(), &[]);
    for (n, mac) in [(1, A), (2, A), (3, B)] {
        room.claim(1, n, mac);
    }
    room.claim(2, 1, B);
    assert_eq!(room.owner(1), Some(B));
    // The table's room is all networks'.
    let mut small = Room::new(1, Config::default(), &[(address(9), ROUTER)]);
    small.claim(1, 1, A);
    assert_eq!((small.table.len(), small.counters().full), (1, 1));
    // What the table refuses is not believed to be there.
    let mut room = Room::new(10, config, &[]);
    let mut actions = Vec::new();
    let claim = Event::Claimed {
        network: BLUE,
        address: address(1),
        mac: A,
        is_router: false,
    };
    room.machine.on_event(1, claim, &mut actions);
    room.tell(
        1,
        Event::Refused {
            network: BLUE,
            address: address(1),
        },
    );
    assert!(room.machine.is_empty());
    assert_eq!(room.machine.snapshot(1, None, |_, _| None), []);
}

proptest! {
    /// Whatever happens: the table is what the machine believes, within its limits, and no address has two owners.
    #[test]
    fn the_machine_and_its_table_agree(
        steps in prop::collection::vec((0..7_u8, 0..6_u8, 0..3_u8, 0..40_u32), 0..200)
    ) {
        let config = Config { max_bindings: 4, per_station: 2, ageing_time: 60, ..Config::default() };
        let mut room = Room::new(5, config.clone(), &[]);
        let mut now = 100;
        for (what, n, mac, later) in steps {
            now += later;
            let (address, mac) = (address(n), MacAddr([2, 0, 0, 0, 0, mac]));
            match what {
                0..=2 => room.claim(now, n, mac),
                3 => drop(room.tell(now, Event::Doubted { network: BLUE, address, mac })),
                4 => drop(room.tell(now, Event::StationGone { network: BLUE, mac })),
                5 => room.age(now, 2),
                _ => room.configure(config.clone(), &[(address, ROUTER)]),
            }
            let listed = room.machine.snapshot(now, None, |_, _| None);
            let in_use = listed.iter().filter(|binding| binding.in_use);
            let in_use: BTreeMap<_, _> = in_use
                .map(|b| ((b.network, b.address), (b.mac, b.is_router, b.is_own)))
                .collect();
            prop_assert_eq!(&in_use, &room.table);
            prop_assert!(room.table.len() <= 5);
            let learned = listed.iter().filter(|binding| !binding.is_own);
            prop_assert!(learned.clone().count() <= 4);
            let addresses: BTreeSet<_> = listed.iter().map(|b| b.address).collect();
            prop_assert_eq!(addresses.len(), listed.len());
            for one in 0..3 {
                let one = MacAddr([2, 0, 0, 0, 0, one]);
                prop_assert!(learned.clone().filter(|b| b.mac == one).count() <= 2);
            }
            let n_due = room.machine.due.len();
            prop_assert_eq!(n_due, learned.count());
        }
    }
}
