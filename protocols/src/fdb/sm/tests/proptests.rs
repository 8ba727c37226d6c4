//! Any conversation, against a list of stations that knows no other way than to look at all of them.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Do(Event),
    /// The station is heard where the table has it.
    Touch(NetworkId, MacAddr),
    /// Time passes, and there is a tick with this budget.
    Tick(Seconds, usize),
}

fn network() -> impl Strategy<Value = NetworkId> {
    prop_oneof![Just(BLUE), Just(RED)]
}

fn station() -> impl Strategy<Value = MacAddr> {
    (0..8u32).prop_map(mac)
}

fn place() -> impl Strategy<Value = AttachId> {
    prop_oneof![(1..3u32).prop_map(local), (1..3u16).prop_map(tunnel)]
}

fn scope() -> impl Strategy<Value = Scope> {
    let parts = (
        prop::option::of(network()),
        prop::option::of(station()),
        prop::option::of(place()),
    );
    parts.prop_map(|(network, mac, place)| Scope {
        network,
        mac,
        place,
    })
}

fn config() -> impl Strategy<Value = Config> {
    let damping = (2..5u16, 1..20u32, 1..10u32, 0..30u32);
    let damping = damping.prop_map(|(moves, window, hold_down, more)| Damping {
        moves,
        window,
        hold_down,
        max_hold_down: hold_down + more,
    });
    (
        prop::bool::weighted(0.9),
        0..8u32,
        1..40u32,
        prop::option::weighted(0.8, damping),
    )
        .prop_map(|(learning, max_stations, ageing_time, damping)| Config {
            learning,
            max_stations,
            ageing_time,
            damping,
        })
}

fn configure() -> impl Strategy<Value = Event> {
    let statics = prop::collection::btree_map(station(), place(), 0..4);
    let parts = (network(), config(), statics);
    parts.prop_map(|(network, config, statics)| Event::ConfigureNetwork {
        network,
        config,
        statics,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let heard = (network(), station(), place());
    let heard = heard.prop_map(|(network, mac, at)| Event::Heard { network, mac, at });
    let one = (network(), station(), prop::option::of(place()));
    let one = one.prop_map(|(network, mac, place)| Event::Static {
        network,
        mac,
        place,
    });
    let gone = (prop::option::of(network()), place());
    let gone = gone.prop_map(|(network, place)| Event::PlaceGone { network, place });
    let remove = network().prop_map(|network| Event::RemoveNetwork { network });
    prop_oneof![
        40 => heard.prop_map(Step::Do),
        10 => (network(), station()).prop_map(|(network, mac)| Step::Touch(network, mac)),
        10 => (0..15u32, 0..6usize).prop_map(|(pass, budget)| Step::Tick(pass, budget)),
        5 => one.prop_map(Step::Do),
        2 => gone.prop_map(Step::Do),
        2 => scope().prop_map(|scope| Step::Do(Event::Flush(scope))),
        2 => configure().prop_map(Step::Do),
        1 => remove.prop_map(Step::Do),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let first = prop::collection::vec(configure().prop_map(Step::Do), 2);
    let rest = prop::collection::vec(step(), 1..250);
    (first, rest).prop_map(|(first, rest)| [first, rest].concat())
}

impl Bench {
    fn step(&mut self, step: Step) {
        match step {
            Step::Do(event) => drop(self.event(event)),
            Step::Touch(network, mac) => {
                if let Some(entry) = self.table.get_mut(&(network, mac)) {
                    entry.seen = self.now;
                }
            }
            Step::Tick(pass, budget) => {
                self.now += pass;
                let (_, asked) = self.age(budget);
                assert!(asked <= budget);
            }
        }
    }
}

/// A station of the list.
#[derive(Clone, Debug)]
struct Known {
    network: NetworkId,
    mac: MacAddr,
    place: AttachId,
    is_static: bool,
    heard: Seconds,
    moved: u32,
    /// When it moved, in the window that began with the first of these.
    window: Vec<Seconds>,
    holds: u32,
    held_until: Seconds,
}

/// What the room does, said without lists, timers or budgets.
#[derive(Default)]
struct Naive {
    configs: BTreeMap<NetworkId, Config>,
    known: Vec<Known>,
}

impl Naive {
    fn find(&mut self, network: NetworkId, mac: MacAddr) -> Option<&mut Known> {
        let mut known = self.known.iter_mut();
        known.find(|known| (known.network, known.mac) == (network, mac))
    }

    fn forget(&mut self, scope: Scope) {
        self.known.retain(|known| {
            known.is_static
                || scope
                    .network
                    .is_some_and(|network| network != known.network)
                || scope.mac.is_some_and(|mac| mac != known.mac)
                || scope.place.is_some_and(|place| place != known.place)
        });
    }

    fn set_static(&mut self, now: Seconds, network: NetworkId, mac: MacAddr, at: AttachId) {
        let mut known = Known::new(now, network, mac, at);
        known.is_static = true;
        self.known.retain(|k| (k.network, k.mac) != (network, mac));
        self.known.push(known);
    }

    fn remove_static(&mut self, network: NetworkId, mac: MacAddr) {
        self.known
            .retain(|k| !k.is_static || (k.network, k.mac) != (network, mac));
    }

    fn heard(&mut self, now: Seconds, network: NetworkId, mac: MacAddr, at: AttachId) {
        let Some(config) = self.configs.get(&network).cloned() else {
            return;
        };
        let learned = self.known.iter();
        let learned = learned.filter(|k| k.network == network && !k.is_static);
        let is_at_limit = learned.count() >= config.max_stations as usize;
        let Some(known) = self.find(network, mac) else {
            if config.learning && !is_at_limit {
                self.known.push(Known::new(now, network, mac, at));
            }
            return;
        };
        if !known.is_static && (known.place == at || known.may_move(now, &config)) {
            known.moved += u32::from(known.place != at);
            known.place = at;
            known.heard = now;
        }
    }

    fn event(&mut self, now: Seconds, event: Event) {
        match event {
            Event::ConfigureNetwork {
                network,
                config,
                statics,
            } => {
                self.configs.insert(network, config.clone());
                self.known.retain(|k| {
                    k.network != network || !k.is_static || statics.contains_key(&k.mac)
                });
                if !config.learning {
                    self.forget(Scope {
                        network: Some(network),
                        ..Scope::default()
                    });
                }
                for (mac, place) in statics {
                    self.set_static(now, network, mac, place);
                }
            }
            Event::RemoveNetwork { network } => {
                self.configs.remove(&network);
                self.known.retain(|k| k.network != network);
            }
            Event::Static {
                network,
                mac,
                place,
            } => match place {
                Some(at) if self.configs.contains_key(&network) => {
                    self.set_static(now, network, mac, at);
                }
                Some(_) => {}
                None => self.remove_static(network, mac),
            },
            Event::Heard { network, mac, at } => self.heard(now, network, mac, at),
            Event::PlaceGone { network, place } => self.forget(Scope {
                network,
                mac: None,
                place: Some(place),
            }),
            Event::Flush(scope) => self.forget(scope),
            Event::Refused { network, mac } => {
                self.known.retain(|k| (k.network, k.mac) != (network, mac));
            }
        }
    }

    fn age(&mut self, now: Seconds) {
        let configs = &self.configs;
        self.known
            .retain(|k| k.is_static || now - k.heard < configs[&k.network].ageing_time);
    }
}

impl Known {
    fn new(now: Seconds, network: NetworkId, mac: MacAddr, place: AttachId) -> Self {
        Known {
            network,
            mac,
            place,
            is_static: false,
            heard: now,
            moved: 0,
            window: Vec::new(),
            holds: 0,
            held_until: 0,
        }
    }

    fn may_move(&mut self, now: Seconds, config: &Config) -> bool {
        let Some(damping) = &config.damping else {
            return true;
        };
        if now < self.held_until {
            return false;
        }
        if self
            .window
            .first()
            .is_some_and(|first| now - first >= damping.window)
        {
            self.window.clear();
        }
        self.window.push(now);
        if self.window.len() < usize::from(damping.moves) {
            return true;
        }
        self.window.clear();
        if now - self.held_until >= 2 * damping.window {
            self.holds = 0;
        }
        let hold = (0..self.holds).fold(damping.hold_down, |hold, _| 2 * hold);
        self.holds = (self.holds + 1).min(20);
        self.held_until = now + hold.min(damping.max_hold_down);
        false
    }

    fn shown(&self, now: Seconds, configs: &BTreeMap<NetworkId, Config>) -> Station {
        let is_damped = configs[&self.network].damping.is_some();
        let is_held = is_damped && now < self.held_until;
        Station {
            network: self.network,
            mac: self.mac,
            place: self.place,
            is_static: self.is_static,
            waits: false,
            age: (!self.is_static).then(|| now - self.heard),
            moves: self.moved,
            held: is_held.then(|| self.held_until - now),
        }
    }
}

proptest! {
    /// With room and time enough, all that is shown is what the list says.
    #[test]
    fn it_knows_what_the_list_knows(steps in steps()) {
        let (mut bench, mut naive) = (Bench::new(1000), Naive::default());
        for mut step in steps {
            match &mut step {
                Step::Do(event) => naive.event(bench.now, event.clone()),
                Step::Touch(network, mac) => {
                    let now = bench.now;
                    if let Some(known) = naive.find(*network, *mac) {
                        known.heard = now;
                    }
                }
                Step::Tick(pass, budget) => {
                    *budget = 1000;
                    naive.age(bench.now + *pass);
                }
            }
            bench.step(step.clone());
            let shown = bench.show(Scope::default());
            if let Step::Do(Event::ConfigureNetwork { network, config, .. }) = &step {
                // Whom a lowered limit hits is the machine's affair; how many is not.
                let n_before = naive.known.iter().filter(|k| k.network == *network && !k.is_static).count();
                naive.known.retain(|k| shown.iter().any(|s| (s.network, s.mac) == (k.network, k.mac)));
                let n_after = naive.known.iter().filter(|k| k.network == *network && !k.is_static).count();
                prop_assert!(n_after == n_before || n_after <= config.max_stations as usize);
            }
            naive.known.sort_unstable_by_key(|known| (known.network, known.mac));
            let known = naive.known.iter();
            let expected: Vec<_> = known.map(|known| known.shown(bench.now, &naive.configs)).collect();
            prop_assert_eq!(shown, expected, "after {:?}", step);
            bench.check();
        }
    }

    /// Whatever the room and whatever the table refuses: bounds hold, and the table has what the machine believes.
    #[test]
    fn bounds_hold_and_the_table_is_what_the_machine_believes(
        steps in steps(),
        capacity in 0..12usize,
        refuses in prop::sample::select(vec![(|_| false) as fn(u8) -> bool, |n| n % 3 == 0, |_| true]),
    ) {
        let mut bench = Bench::new(capacity);
        bench.refuses = refuses;
        let mut limits = BTreeMap::new();
        let mut statics: BTreeMap<(NetworkId, MacAddr), AttachId> = BTreeMap::new();
        for (n, step) in steps.into_iter().enumerate() {
            // By and by the table has room.
            if n % 50 == 49 {
                bench.refuses = |_| false;
            }
            match &step {
                Step::Do(Event::ConfigureNetwork { network, config, statics: all }) => {
                    limits.insert(*network, config.max_stations as usize);
                    statics.retain(|(id, _), _| id != network);
                    statics.extend(all.iter().map(|(mac, at)| ((*network, *mac), *at)));
                }
                Step::Do(Event::RemoveNetwork { network }) => {
                    limits.remove(network);
                    statics.retain(|(id, _), _| id != network);
                }
                Step::Do(Event::Static { network, mac, place }) if limits.contains_key(network) => {
                    match place {
                        Some(at) => statics.insert((*network, *mac), *at),
                        None => statics.remove(&(*network, *mac)),
                    };
                }
                _ => {}
            }
            bench.step(step);
            bench.check();
            prop_assert!(bench.table.len() <= capacity);
            for (network, size) in bench.machine.networks() {
                prop_assert!(size.learned <= limits[&network]);
            }
            // Configured ones are where they were configured, or wait; nothing is learned in their place.
            let shown = bench.show(Scope::default());
            let shown = shown.iter().filter(|station| station.is_static);
            let shown: BTreeMap<_, _> = shown.map(|s| ((s.network, s.mac), s.place)).collect();
            prop_assert_eq!(&shown, &statics);
            let waiting = statics.keys().filter(|key| !bench.table.contains_key(key));
            let waiting: BTreeSet<_> = waiting.copied().collect();
            prop_assert_eq!(&waiting, &bench.machine.waiting);
        }
        // With room at last, those that wait are entered.
        bench.machine.capacity = 100;
        bench.refuses = |_| false;
        for _ in 0..3 {
            bench.now += RETRY;
            bench.age(1000);
        }
        prop_assert!(bench.machine.waiting.is_empty());
        bench.check();
    }
}
