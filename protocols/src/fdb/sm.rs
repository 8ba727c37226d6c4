//! The machine: events in, actions out. One machine knows the stations of all networks, which share the table's room.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use tables::id::{AttachId, NetworkId, Place};
use wire::MacAddr;

use super::Seconds;
use super::config::Config;
use super::counters::Counters;
use super::notice::{Kind, Notice, Told};
use super::stations::{Network, Stations};
use crate::damping::Verdict;

/// Seconds after which configured stations for which there was no room are tried again.
pub const RETRY: Seconds = 5;

/// Some learned stations: all for which everything holds that is given. `Default` is all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Of this network.
    pub network: Option<NetworkId>,
    /// With this address.
    pub mac: Option<MacAddr>,
    /// At this place.
    pub place: Option<AttachId>,
}

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event {
    /// A network is there, or its configuration has changed.
    ConfigureNetwork {
        /// Which.
        network: NetworkId,
        /// What holds from now on.
        config: Config,
        /// Every configured station, addresses of our routers among them. Others that were configured are removed.
        statics: BTreeMap<MacAddr, AttachId>,
    },
    /// A network goes, with all its stations.
    RemoveNetwork {
        /// Which.
        network: NetworkId,
    },
    /// One configured station comes, has another place, or goes (`None`).
    Static {
        /// In which network.
        network: NetworkId,
        /// The station.
        mac: MacAddr,
        /// Its place.
        place: Option<AttachId>,
    },
    /// A worker heard a station where the table has it not.
    Heard {
        /// In which network.
        network: NetworkId,
        /// The station.
        mac: MacAddr,
        /// Where.
        at: AttachId,
    },
    /// A place is gone, or dead: what was learned there is forgotten. What is configured stays.
    PlaceGone {
        /// In one network alone, or in all.
        network: Option<NetworkId>,
        /// The place.
        place: AttachId,
    },
    /// Somebody wants learned stations forgotten. Held ones are free again.
    Flush(Scope),
    /// The table had no room for the station that was to be inserted last.
    Refused {
        /// In which network.
        network: NetworkId,
        /// The station.
        mac: MacAddr,
    },
}

/// What the router shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Enter a station in the FDB, or move it.
    Insert {
        /// In which network.
        network: NetworkId,
        /// The station.
        mac: MacAddr,
        /// Where it is.
        place: AttachId,
        /// Whether it is configured.
        is_static: bool,
    },
    /// Take a station out of the FDB.
    Remove {
        /// Of which network.
        network: NetworkId,
        /// The station.
        mac: MacAddr,
    },
    /// Something to log.
    Notice(Notice),
}

/// A station as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station {
    /// Its network.
    pub network: NetworkId,
    /// Its address.
    pub mac: MacAddr,
    /// Where it is.
    pub place: AttachId,
    /// Whether it is configured.
    pub is_static: bool,
    /// The table has no room for it: it is configured and not in use.
    pub waits: bool,
    /// How long ago it was heard, seconds. `None`: it is configured, and does not age.
    pub age: Option<Seconds>,
    /// Moves since it was learned.
    pub moves: u32,
    /// For how long it will be held where it is, seconds, because it moved too often.
    pub held: Option<Seconds>,
}

/// The stations of all networks.
#[derive(Debug)]
pub struct Machine {
    pub(super) capacity: usize,
    pub(super) stations: Stations,
    /// Configured stations for which there was no room.
    pub(super) waiting: BTreeSet<(NetworkId, MacAddr)>,
    /// When the next round of trying those begins, and the one that was tried last in the round that goes on.
    retry_at: Seconds,
    tried: Option<(NetworkId, MacAddr)>,
    told: Told,
    /// Of networks that are not configured.
    elsewhere: Counters,
}

impl Machine {
    /// A machine without networks, for a table that has room for so many stations.
    pub fn new(capacity: usize) -> Self {
        Machine {
            capacity,
            stations: Stations::default(),
            waiting: BTreeSet::new(),
            retry_at: 0,
            tried: None,
            told: Told::default(),
            elsewhere: Counters::default(),
        }
    }

    /// When there is something for [`Machine::age`] to do.
    pub fn next_deadline(&self) -> Option<Seconds> {
        let due = self.stations.due.first().map(|(due, _)| due);
        let retry = (!self.waiting.is_empty()).then_some(self.retry_at);
        due.into_iter().chain(retry).min()
    }

    /// Handles one event; what is to be done is appended to `out`, in order.
    pub fn on_event(&mut self, now: Seconds, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::ConfigureNetwork {
                network,
                config,
                statics,
            } => self.configure(now, network, config, &statics, out),
            Event::RemoveNetwork { network } => self.remove_network(network, out),
            Event::Static {
                network,
                mac,
                place,
            } => self.one_static(now, network, mac, place, out),
            Event::Heard { network, mac, at } => self.heard(now, network, mac, at, out),
            Event::PlaceGone { network, place } => {
                let scope = Scope {
                    network,
                    mac: None,
                    place: Some(place),
                };
                self.forget_all(scope, |counters| &mut counters.vanished, out);
            }
            Event::Flush(scope) => self.forget_all(scope, |counters| &mut counters.flushed, out),
            Event::Refused { network, mac } => self.refused(now, network, mac, out),
        }
    }

    // ----- heard -----

    fn heard(
        &mut self,
        now: Seconds,
        id: NetworkId,
        mac: MacAddr,
        at: AttachId,
        out: &mut Vec<Action>,
    ) {
        let is_full = self.stations.len >= self.capacity;
        let Some(network) = self.stations.networks.get_mut(&id) else {
            self.elsewhere.ignored += 1;
            return;
        };
        if !mac.is_station() {
            network.counters.count_invalid("address");
        } else if !matches!(at.place(), Place::Local(_) | Place::Tunnel(_)) {
            network.counters.count_invalid("place");
        } else if let Some(entry) = network.statics.get(&mac) {
            network.counters.contradicted += u64::from(entry.place != at);
        } else if !network.config.learning {
            network.counters.ignored += 1;
        } else if let Some(learned) = network.learned.get_mut(&mac) {
            if learned.place == at {
                learned.heard = now;
            } else {
                self.heard_elsewhere(now, id, mac, at, out);
            }
        } else if network.is_at_limit() {
            network.counters.limited += 1;
            let max_stations = network.config.max_stations;
            let notice = |unsaid| Notice::Limit {
                network: id,
                mac,
                max_stations,
                unsaid,
            };
            self.notify(now, id, Kind::Limit, notice, out);
        } else if is_full {
            self.full(now, id, mac, out);
        } else {
            network.counters.learned += 1;
            self.stations.learn(now, id, mac, at);
            out.push(learned(id, mac, at));
        }
    }

    /// A learned station was heard where it is not.
    fn heard_elsewhere(
        &mut self,
        now: Seconds,
        id: NetworkId,
        mac: MacAddr,
        to: AttachId,
        out: &mut Vec<Action>,
    ) {
        let Some(network) = self.stations.networks.get_mut(&id) else {
            return;
        };
        let Some(station) = network.learned.get_mut(&mac) else {
            return;
        };
        let from = station.place;
        let verdict = match &network.config.damping {
            Some(damping) => station.moves.judge(now, damping),
            None => Verdict::Made,
        };
        match verdict {
            Verdict::Made => {
                network.counters.moved += 1;
                self.stations.relocate(now, id, mac, to);
                out.push(learned(id, mac, to));
                let notice = |unsaid| Notice::Moved {
                    network: id,
                    mac,
                    from,
                    to,
                    unsaid,
                };
                self.notify(now, id, Kind::Moved, notice, out);
            }
            Verdict::Held => network.counters.damped += 1,
            Verdict::Hold(hold_down) => {
                network.counters.damped += 1;
                network.counters.held += 1;
                let notice = |unsaid| Notice::Flapping {
                    network: id,
                    mac,
                    at: from,
                    other: to,
                    hold_down,
                    unsaid,
                };
                self.notify(now, id, Kind::Flapping, notice, out);
            }
        }
    }

    // ----- no room -----

    fn refused(&mut self, now: Seconds, id: NetworkId, mac: MacAddr, out: &mut Vec<Action>) {
        if self.stations.forget(id, mac).is_some() {
            return self.full(now, id, mac, out);
        }
        let network = self.stations.networks.get_mut(&id);
        let entry = network.and_then(|network| network.statics.get_mut(&mac));
        if let Some(entry) = entry.filter(|entry| !entry.waits) {
            entry.waits = true;
            self.stations.len -= 1;
            self.wait(now, id, mac, out);
        }
    }

    /// A station that was heard finds no room.
    fn full(&mut self, now: Seconds, network: NetworkId, mac: MacAddr, out: &mut Vec<Action>) {
        self.count(network, |counters| &mut counters.full);
        let notice = |unsaid| Notice::Full {
            network,
            mac,
            unsaid,
        };
        self.notify(now, network, Kind::Full, notice, out);
    }

    /// A configured station finds no room.
    pub(super) fn wait(
        &mut self,
        now: Seconds,
        network: NetworkId,
        mac: MacAddr,
        out: &mut Vec<Action>,
    ) {
        self.count(network, |counters| &mut counters.full);
        if self.waiting.is_empty() {
            self.retry_at = now.saturating_add(RETRY);
            self.tried = None;
        }
        self.waiting.insert((network, mac));
        let notice = |unsaid| Notice::StaticWaits {
            network,
            mac,
            unsaid,
        };
        self.notify(now, network, Kind::StaticWaits, notice, out);
    }

    // ----- time -----

    /// Forgets stations that were not heard for the ageing time, and tries configured ones again for which there was no room.
    /// Looks at no more than `budget` stations; `seen` says when the table has one heard last, `None` if it has none such.
    pub fn age(
        &mut self,
        now: Seconds,
        budget: usize,
        seen: impl Fn(NetworkId, MacAddr) -> Option<Seconds>,
        out: &mut Vec<Action>,
    ) {
        let mut left = budget;
        while 0 < left
            && let Some((due, (id, mac))) = self.stations.due.first()
            && due <= now
        {
            left -= 1;
            let Some(ends) = self.ends(now, id, mac, seen(id, mac)) else {
                unreachable!("a list holds a station that is not learned");
            };
            if now < ends {
                self.stations.look_at(id, mac, ends);
            } else {
                self.drop_learned(id, mac, |counters| &mut counters.aged, out);
            }
        }
        while 0 < left && self.retry_at <= now && !self.waiting.is_empty() {
            left -= 1;
            self.try_next(now, out);
        }
    }

    /// When a learned station has not been heard for its ageing time.
    fn ends(
        &self,
        now: Seconds,
        id: NetworkId,
        mac: MacAddr,
        seen: Option<Seconds>,
    ) -> Option<Seconds> {
        let network = self.stations.networks.get(&id)?;
        let learned = network.learned.get(&mac)?;
        // A worker's clock may be a little ahead.
        let heard = seen.unwrap_or(0).min(now).max(learned.heard);
        Some(heard.saturating_add(network.config.ageing_time))
    }

    /// Tries the next configured station that waits; after the last one there is a pause.
    fn try_next(&mut self, now: Seconds, out: &mut Vec<Action>) {
        let after = self.tried.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.waiting.range((after, Bound::Unbounded)).next();
        self.tried = next.copied();
        match self.tried {
            Some((network, mac)) => {
                self.waiting.remove(&(network, mac));
                self.enter_static(now, network, mac, out);
            }
            None => self.retry_at = now.saturating_add(RETRY),
        }
    }

    // ----- what all need -----

    /// Takes a learned station out of the table, and counts why.
    pub(super) fn drop_learned(
        &mut self,
        network: NetworkId,
        mac: MacAddr,
        why: impl Fn(&mut Counters) -> &mut u64,
        out: &mut Vec<Action>,
    ) {
        if self.stations.forget(network, mac).is_some() {
            self.count(network, why);
            out.push(Action::Remove { network, mac });
        }
    }

    fn count(&mut self, id: NetworkId, which: impl Fn(&mut Counters) -> &mut u64) {
        if let Some(network) = self.stations.networks.get_mut(&id) {
            *which(&mut network.counters) += 1;
        }
    }

    fn notify(
        &mut self,
        now: Seconds,
        id: NetworkId,
        kind: Kind,
        notice: impl FnOnce(u64) -> Notice,
        out: &mut Vec<Action>,
    ) {
        let network = self.stations.networks.get_mut(&id);
        let unsaid = network.and_then(|n: &mut Network| n.silence.admit(now, kind, &mut self.told));
        out.extend(unsaid.map(notice).map(Action::Notice));
    }

    /// The counters of each network.
    pub fn counters(&self) -> impl Iterator<Item = (NetworkId, &Counters)> {
        let networks = self.stations.networks.iter();
        networks.map(|(id, network)| (*id, &network.counters))
    }

    /// The counters of networks that are not configured.
    pub fn counters_elsewhere(&self) -> &Counters {
        &self.elsewhere
    }
}

fn learned(network: NetworkId, mac: MacAddr, place: AttachId) -> Action {
    Action::Insert {
        network,
        mac,
        place,
        is_static: false,
    }
}

#[cfg(test)]
mod tests;
