//! Any number of routers on a link that loses advertisements: at most one is active for longer than the timers say, and one is in the end.

use std::net::{IpAddr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::vrrp::State;
use crate::vrrp::fuzzing;

const ID: GroupId = fuzzing::GROUP;
const STEP: Duration = Duration::from_millis(1);
const INTERVAL: Duration = Duration::from_millis(10);

fn own(n: usize) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n as u16 + 1))
}

/// Routers on one link.
struct Link {
    now: Instant,
    routers: Vec<Machine>,
    /// Those that run.
    alive: Vec<bool>,
}

impl Link {
    fn new(priorities: &[u8]) -> Self {
        let now = Instant::now();
        let mut link = Self {
            now,
            routers: Vec::new(),
            alive: vec![true; priorities.len()],
        };
        for (n, priority) in priorities.iter().enumerate() {
            link.routers.push(Machine::default());
            link.start(n, *priority);
        }
        link
    }

    fn start(&mut self, n: usize, priority: u8) {
        self.routers[n] = Machine::default();
        self.alive[n] = true;
        let mut config = Config::new(
            Family::V6,
            ID.vrid,
            vec![IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x61))],
        );
        (config.priority, config.interval) = (priority, INTERVAL);
        let iface = ID.iface;
        let source = Event::Source {
            iface,
            family: Family::V6,
            addr: Some(own(n)),
        };
        for event in [
            Event::Link { iface, up: true },
            source,
            Event::Configure {
                id: ID,
                config: Box::new(config),
            },
        ] {
            self.routers[n].on_event(self.now, event, &mut Vec::new());
        }
    }

    /// A millisecond passes; `lost` says which advertisements do not arrive.
    fn step(&mut self, mut lost: impl FnMut() -> bool) {
        self.now += STEP;
        let mut out = Vec::new();
        for n in 0..self.routers.len() {
            if self.alive[n]
                && self.routers[n]
                    .next_deadline()
                    .is_some_and(|due| due <= self.now)
            {
                self.routers[n].on_event(self.now, Event::Timer, &mut out);
            }
            // What one says may have others speak at once.
            let mut rounds = 0;
            let mut from = n;
            while !out.is_empty() && rounds < 4 {
                rounds += 1;
                let said: Vec<Action> = std::mem::take(&mut out);
                for action in said {
                    let Action::Send { packet, .. } = action else {
                        continue;
                    };
                    for m in 0..self.routers.len() {
                        if m != from && self.alive[m] && !lost() {
                            let iface = ID.iface;
                            self.routers[m].on_event(
                                self.now,
                                Event::Packet {
                                    iface,
                                    packet: &packet,
                                },
                                &mut out,
                            );
                            from = m;
                        }
                    }
                }
            }
        }
    }

    fn active(&self) -> Vec<usize> {
        let is =
            |n: &usize| self.alive[*n] && self.routers[*n].snapshot()[0].state == State::Active;
        (0..self.routers.len()).filter(is).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// After a storm of losses and deaths the best that lives is active, alone.
    #[test]
    fn the_best_that_lives_is_active_alone(
        priorities in prop::collection::vec(1u8..=254, 2..5),
        storm in prop::collection::vec(any::<u16>(), 0..400),
    ) {
        let mut link = Link::new(&priorities);
        for word in &storm {
            let n = usize::from(word % 7);
            if n < priorities.len() && word % 31 == 0 {
                if link.alive[n] {
                    link.alive[n] = false;
                } else {
                    link.start(n, priorities[n]);
                }
            }
            let mut bits = *word;
            link.step(|| {
                bits = bits.rotate_left(3);
                bits & 3 == 0
            });
        }
        if !link.alive.contains(&true) {
            link.start(0, priorities[0]);
        }
        // Twice Active_Down_Interval of the least important one.
        for _ in 0..100 {
            link.step(|| false);
        }
        // Among equals the one that is there stays: addresses decide between active ones only.
        let alive = (0..priorities.len()).filter(|n| link.alive[*n]);
        let best = alive.map(|n| priorities[n]).max().unwrap();
        let active = link.active();
        prop_assert_eq!(active.len(), 1, "active: {:?}", active);
        prop_assert_eq!(priorities[active[0]], best, "active: {:?}", active);
    }

    /// Whatever comes, and in whatever order.
    #[test]
    fn the_invariants_hold(data in prop::collection::vec(any::<u8>(), 0..2048)) {
        fuzzing::drive(&data);
    }
}
