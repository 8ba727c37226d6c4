//! What people say and see: configuration, static entries, flushes, the list of stations.

use std::collections::BTreeMap;

use tables::id::{AttachId, NetworkId, Place};
use wire::MacAddr;

use super::Seconds;
use super::config::Config;
use super::counters::Counters;
use super::error::ConfigError;
use super::notice::Notice;
use super::sm::{Action, Machine, Scope, Station};
use super::stations::Static;

/// How many stations a network has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Learned ones.
    pub learned: usize,
    /// Configured ones, those that wait among them.
    pub statics: usize,
}

/// What is wrong with a static entry.
fn fault(mac: MacAddr, place: AttachId) -> Option<ConfigError> {
    if !mac.is_station() {
        Some(ConfigError::NoStation(mac))
    } else if place.place() == Place::Nowhere {
        Some(ConfigError::Nowhere(mac))
    } else {
        None
    }
}

fn refuse(network: NetworkId, faults: Vec<ConfigError>, out: &mut Vec<Action>) {
    out.push(Action::Notice(Notice::ConfigRefused { network, faults }));
}

impl Machine {
    // ----- configuration -----

    pub(super) fn configure(
        &mut self,
        now: Seconds,
        id: NetworkId,
        config: Config,
        statics: &BTreeMap<MacAddr, AttachId>,
        out: &mut Vec<Action>,
    ) {
        let mut faults = config.validate();
        if id == NetworkId(0) {
            faults.push(ConfigError::NoNetwork);
        }
        faults.extend(statics.iter().filter_map(|(mac, at)| fault(*mac, *at)));
        if !faults.is_empty() {
            return refuse(id, faults, out);
        }
        let network = self.stations.networks.entry(id).or_default();
        let before = std::mem::replace(&mut network.config, config.clone());
        let known = network.statics.keys().copied();
        let mut gone: Vec<_> = known.filter(|mac| !statics.contains_key(mac)).collect();
        gone.sort_unstable();
        for mac in gone {
            self.remove_static(id, mac, out);
        }
        self.apply(id, &before, &config, out);
        for (mac, place) in statics {
            self.set_static(now, id, *mac, *place, out);
        }
    }

    /// Makes learned stations agree with what has changed.
    fn apply(&mut self, id: NetworkId, before: &Config, config: &Config, out: &mut Vec<Action>) {
        if !config.learning {
            let scope = Scope {
                network: Some(id),
                ..Scope::default()
            };
            return self.forget_all(scope, |counters| &mut counters.flushed, out);
        }
        let Some(network) = self.stations.networks.get(&id) else {
            return;
        };
        let over = network.learned.len();
        let over = over.saturating_sub(config.max_stations as usize);
        if 0 < over {
            // Those that were longest not heard, as far as we know.
            let learned = network.learned.iter();
            let mut oldest: Vec<_> = learned.map(|(mac, l)| (l.due, *mac)).collect();
            oldest.sort_unstable();
            for (_, mac) in oldest.into_iter().take(over) {
                self.drop_learned(id, mac, |counters| &mut counters.evicted, out);
            }
        }
        if before.ageing_time != config.ageing_time
            && let Some(network) = self.stations.networks.get(&id)
        {
            for mac in network.in_order() {
                self.stations.look_again(id, mac, config.ageing_time);
            }
        }
    }

    pub(super) fn remove_network(&mut self, id: NetworkId, out: &mut Vec<Action>) {
        let scope = Scope {
            network: Some(id),
            ..Scope::default()
        };
        self.forget_all(scope, |counters| &mut counters.flushed, out);
        let Some(network) = self.stations.networks.get(&id) else {
            return;
        };
        let mut statics: Vec<_> = network.statics.keys().copied().collect();
        statics.sort_unstable();
        for mac in statics {
            self.remove_static(id, mac, out);
        }
        self.stations.networks.remove(&id);
    }

    // ----- static entries -----

    pub(super) fn one_static(
        &mut self,
        now: Seconds,
        id: NetworkId,
        mac: MacAddr,
        place: Option<AttachId>,
        out: &mut Vec<Action>,
    ) {
        if !self.stations.networks.contains_key(&id) {
            return refuse(id, vec![ConfigError::NoNetwork], out);
        }
        match place {
            None => self.remove_static(id, mac, out),
            Some(place) => match fault(mac, place) {
                Some(fault) => refuse(id, vec![fault], out),
                None => self.set_static(now, id, mac, place, out),
            },
        }
    }

    fn set_static(
        &mut self,
        now: Seconds,
        id: NetworkId,
        mac: MacAddr,
        place: AttachId,
        out: &mut Vec<Action>,
    ) {
        let Some(network) = self.stations.networks.get_mut(&id) else {
            return;
        };
        let fresh = Static { place, waits: true };
        match network.statics.insert(mac, fresh) {
            Some(before) if before.waits => {}
            Some(before) => {
                network.statics.insert(mac, Static { place, ..before });
                if before.place != place {
                    out.push(insert(id, mac, place));
                }
            }
            None => self.enter_static(now, id, mac, out),
        }
    }

    /// Enters a configured station that is not in the table as such.
    pub(super) fn enter_static(
        &mut self,
        now: Seconds,
        id: NetworkId,
        mac: MacAddr,
        out: &mut Vec<Action>,
    ) {
        // Where it was learned it has its room already.
        if self.stations.forget(id, mac).is_none() && self.stations.len >= self.capacity {
            let Some((_, (other, oldest))) = self.stations.due.first() else {
                return self.wait(now, id, mac, out);
            };
            self.drop_learned(other, oldest, |counters| &mut counters.evicted, out);
        }
        let network = self.stations.networks.get_mut(&id);
        if let Some(entry) = network.and_then(|network| network.statics.get_mut(&mac)) {
            entry.waits = false;
            out.push(insert(id, mac, entry.place));
            self.stations.len += 1;
        }
    }

    fn remove_static(&mut self, id: NetworkId, mac: MacAddr, out: &mut Vec<Action>) {
        let network = self.stations.networks.get_mut(&id);
        let Some(entry) = network.and_then(|network| network.statics.remove(&mac)) else {
            return;
        };
        if entry.waits {
            self.waiting.remove(&(id, mac));
        } else {
            self.stations.len -= 1;
            out.push(Action::Remove { network: id, mac });
        }
    }

    // ----- scopes -----

    pub(super) fn forget_all(
        &mut self,
        scope: Scope,
        why: impl Fn(&mut Counters) -> &mut u64,
        out: &mut Vec<Action>,
    ) {
        for (network, mac) in self.select(scope) {
            self.drop_learned(network, mac, &why, out);
        }
    }

    /// The learned stations of a scope, at a cost that grows with what is found where that can be.
    fn select(&self, scope: Scope) -> Vec<(NetworkId, MacAddr)> {
        let (first, last) = match scope.network {
            Some(network) => (network, network),
            None => (NetworkId(0), NetworkId(u16::MAX)),
        };
        let networks = self.stations.networks.range(first..=last);
        match (scope.mac, scope.place) {
            (Some(mac), place) => {
                let known = networks.filter(|(_, network)| {
                    let learned = network.learned.get(&mac);
                    learned.is_some_and(|l| place.is_none_or(|place| l.place == place))
                });
                known.map(|(id, _)| (*id, mac)).collect()
            }
            (None, Some(place)) => {
                let there = self.stations.places.range((place, first)..=(place, last));
                there.map(|((_, id), mac)| (id, mac)).collect()
            }
            (None, None) => {
                let all =
                    networks.flat_map(|(id, n)| n.in_order().into_iter().map(|mac| (*id, mac)));
                all.collect()
            }
        }
    }

    // ----- what people see -----

    /// The stations of a scope, configured ones too, by network and address. `seen` is that of [`Machine::age`].
    pub fn snapshot(
        &self,
        now: Seconds,
        scope: Scope,
        seen: impl Fn(NetworkId, MacAddr) -> Option<Seconds>,
    ) -> Vec<Station> {
        let networks = &self.stations.networks;
        let mut all = Vec::new();
        for (network, mac) in self.select(scope) {
            let Some((of, l)) = networks
                .get(&network)
                .and_then(|of| Some((of, of.learned.get(&mac)?)))
            else {
                continue;
            };
            let heard = seen(network, mac).unwrap_or(0).max(l.heard);
            all.push(Station {
                network,
                mac,
                place: l.place,
                is_static: false,
                waits: false,
                age: Some(now.saturating_sub(heard)),
                moves: l.moved,
                held: of.config.damping.as_ref().and(l.moves.held_for(now)),
            });
        }
        for (network, of) in networks {
            if scope.network.is_some_and(|only| only != *network) {
                continue;
            }
            let statics = of.statics.iter().filter(|(mac, entry)| {
                scope.mac.is_none_or(|only| only == **mac)
                    && scope.place.is_none_or(|only| only == entry.place)
            });
            all.extend(statics.map(|(mac, entry)| Station {
                network: *network,
                mac: *mac,
                place: entry.place,
                is_static: true,
                waits: entry.waits,
                age: None,
                moves: 0,
                held: None,
            }));
        }
        all.sort_unstable_by_key(|station| (station.network, station.mac));
        all
    }

    /// Each network and how many stations it has.
    pub fn networks(&self) -> impl Iterator<Item = (NetworkId, Size)> {
        let networks = self.stations.networks.iter();
        networks.map(|(id, network)| {
            let size = Size {
                learned: network.learned.len(),
                statics: network.statics.len(),
            };
            (*id, size)
        })
    }

    /// Stations of all networks that are in the table.
    pub fn len(&self) -> usize {
        self.stations.len
    }

    /// Whether the table has none.
    pub fn is_empty(&self) -> bool {
        self.stations.len == 0
    }
}

fn insert(network: NetworkId, mac: MacAddr, place: AttachId) -> Action {
    Action::Insert {
        network,
        mac,
        place,
        is_static: true,
    }
}
