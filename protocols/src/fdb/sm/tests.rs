//! Simulated time, with a table that is what the actions make it.

use std::cell::Cell;

use tables::id::{IfaceId, TunnelId};

use super::*;
use crate::fdb::config::Damping;
use crate::fdb::error::ConfigError;
use crate::fdb::notice::SILENCE;

mod gone;
mod learning;
mod proptests;
mod room;

const BLUE: NetworkId = NetworkId(1);
const RED: NetworkId = NetworkId(2);

fn mac(n: u32) -> MacAddr {
    let [a, b, c, d] = n.to_be_bytes();
    MacAddr([2, 0, a, b, c, d])
}

fn local(n: u32) -> AttachId {
    AttachId::of(Place::Local(n))
}

fn tunnel(n: u16) -> AttachId {
    AttachId::of(Place::Tunnel(TunnelId(n)))
}

fn router(n: u16) -> AttachId {
    AttachId::of(Place::Router(IfaceId(n)))
}

/// What the FDB has of a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    place: AttachId,
    is_static: bool,
    seen: Seconds,
}

type Table = BTreeMap<(NetworkId, MacAddr), Entry>;

/// A machine and the table that it writes.
struct Bench {
    machine: Machine,
    table: Table,
    now: Seconds,
    /// Stations that the table has no room for, by the last byte of their address.
    refuses: fn(u8) -> bool,
}

impl Bench {
    fn new(capacity: usize) -> Self {
        Bench {
            machine: Machine::new(capacity),
            table: Table::new(),
            now: 1000,
            refuses: |_| false,
        }
    }

    /// With networks that do as the standards say.
    fn with(capacity: usize, networks: &[NetworkId]) -> Self {
        let mut bench = Bench::new(capacity);
        for network in networks {
            bench.configure(*network, Config::default(), &[]);
        }
        bench
    }

    /// What was done: every action but those that the table refused, after each of which the machine was told.
    fn event(&mut self, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        self.machine.on_event(self.now, event, &mut out);
        self.carry_out(out)
    }

    /// A tick. What was done, and how many stations were asked for.
    fn age(&mut self, budget: usize) -> (Vec<Action>, usize) {
        let (mut out, asked) = (Vec::new(), Cell::new(0));
        let seen = |network, mac| {
            asked.set(asked.get() + 1);
            let entry: Option<&Entry> = self.table.get(&(network, mac));
            entry.map(|entry| entry.seen)
        };
        self.machine.age(self.now, budget, seen, &mut out);
        (self.carry_out(out), asked.get())
    }

    fn carry_out(&mut self, actions: Vec<Action>) -> Vec<Action> {
        let mut done = Vec::new();
        let mut refused = Vec::new();
        for action in actions {
            match action {
                Action::Insert {
                    network,
                    mac,
                    place,
                    is_static,
                } => {
                    let key = (network, mac);
                    if !self.table.contains_key(&key) && (self.refuses)(mac.0[5]) {
                        refused.push(key);
                        continue;
                    }
                    let entry = Entry {
                        place,
                        is_static,
                        seen: self.now,
                    };
                    let before = self.table.insert(key, entry);
                    // A station is entered anew only where something changes, and never learned over a configured one.
                    let fits = |before: Entry| match (before.is_static, is_static) {
                        (true, false) => false,
                        (false, true) => true,
                        _ => before.place != place,
                    };
                    assert!(before.is_none_or(fits), "{action:?}");
                }
                Action::Remove { network, mac } => {
                    assert!(self.table.remove(&(network, mac)).is_some(), "{action:?}");
                }
                Action::Notice(_) => {}
            }
            done.push(action);
        }
        for (network, mac) in refused {
            let mut out = Vec::new();
            let event = Event::Refused { network, mac };
            self.machine.on_event(self.now, event, &mut out);
            assert!(out.iter().all(|action| matches!(action, Action::Notice(_))));
            done.extend(out);
        }
        done
    }

    /// The machine's own view is the table, and its lists are in order.
    fn check(&self) {
        assert!(self.machine.stations.is_sound());
        assert_eq!(self.machine.len(), self.table.len());
        let shown = self.show(Scope::default());
        let used = shown.iter().filter(|station| !station.waits);
        let used = used.map(|s| ((s.network, s.mac), (s.place, s.is_static)));
        let table = self.table.iter().map(|(k, e)| (*k, (e.place, e.is_static)));
        assert!(used.eq(table), "{shown:?} {:?}", self.table);
    }

    fn show(&self, scope: Scope) -> Vec<Station> {
        let seen = |network, mac| self.table.get(&(network, mac)).map(|entry| entry.seen);
        self.machine.snapshot(self.now, scope, seen)
    }

    fn configure(
        &mut self,
        network: NetworkId,
        config: Config,
        statics: &[(MacAddr, AttachId)],
    ) -> Vec<Action> {
        self.event(Event::ConfigureNetwork {
            network,
            config,
            statics: statics.iter().copied().collect(),
        })
    }

    fn heard(&mut self, network: NetworkId, mac: MacAddr, at: AttachId) -> Vec<Action> {
        self.event(Event::Heard { network, mac, at })
    }

    fn place(&self, network: NetworkId, mac: MacAddr) -> Option<AttachId> {
        self.table.get(&(network, mac)).map(|entry| entry.place)
    }

    fn touch(&mut self, network: NetworkId, mac: MacAddr) {
        self.table.get_mut(&(network, mac)).unwrap().seen = self.now;
    }

    fn count(&self, network: NetworkId, name: &str) -> u64 {
        let (_, counters) = self
            .machine
            .counters()
            .find(|(id, _)| *id == network)
            .unwrap();
        counters.iter().find(|(n, ..)| *n == name).unwrap().2
    }
}

fn entered(network: NetworkId, mac: MacAddr, place: AttachId) -> Action {
    Action::Insert {
        network,
        mac,
        place,
        is_static: true,
    }
}

fn removed(network: NetworkId, mac: MacAddr) -> Action {
    Action::Remove { network, mac }
}

fn notices(actions: &[Action]) -> Vec<&Notice> {
    let told = actions.iter().map(|action| match action {
        Action::Notice(notice) => Some(notice),
        _ => None,
    });
    told.flatten().collect()
}
