//! The machine: events in, actions out. One machine knows the addresses of all networks, which share the table's room.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use tables::id::NetworkId;
use wire::MacAddr;

use super::counters::Counters;
use super::event::{Action, Binding, Config, Event, Seconds};
use crate::damping::{Moves, Verdict};

#[derive(Clone, Copy, Debug)]
struct Learned {
    mac: MacAddr,
    is_router: bool,
    /// It is in the table.
    in_use: bool,
    /// When it is next asked whether it was confirmed.
    due: Seconds,
    /// When it was confirmed last, as far as we were told.
    heard: Seconds,
    moved: u32,
    moves: Moves,
}

#[derive(Clone, Copy, Debug)]
struct Own {
    mac: MacAddr,
    in_use: bool,
}

#[derive(Debug, Default)]
struct Network {
    config: Config,
    own: BTreeMap<IpAddr, Own>,
    learned: BTreeMap<IpAddr, Learned>,
    /// The addresses of each station.
    of: HashMap<MacAddr, BTreeSet<IpAddr>>,
    counters: Counters,
}

impl Network {
    /// Whether a station may have one more address.
    fn has_room_of(&self, mac: MacAddr) -> bool {
        let its = self.of.get(&mac).map_or(0, BTreeSet::len);
        its < self.config.per_station as usize
    }

    /// Whether there may be one more, and a station may have it.
    fn has_room(&self, mac: MacAddr) -> bool {
        self.learned.len() < self.config.max_bindings as usize && self.has_room_of(mac)
    }

    fn leave(&mut self, mac: MacAddr, address: IpAddr) {
        if let Some(its) = self.of.get_mut(&mac) {
            its.remove(&address);
            if its.is_empty() {
                self.of.remove(&mac);
            }
        }
    }
}

/// The addresses of all networks.
#[derive(Debug)]
pub struct Machine {
    capacity: usize,
    networks: BTreeMap<NetworkId, Network>,
    due: BTreeSet<(Seconds, NetworkId, IpAddr)>,
    /// Bindings in the table.
    in_use: usize,
    /// Claims in networks that learn no addresses.
    ignored: u64,
}

impl Machine {
    /// A machine without networks, for a table that has room for so many bindings.
    pub fn new(capacity: usize) -> Self {
        Machine {
            capacity,
            networks: BTreeMap::new(),
            due: BTreeSet::new(),
            in_use: 0,
            ignored: 0,
        }
    }

    /// When there is something for [`Machine::age`] to do.
    pub fn next_deadline(&self) -> Option<Seconds> {
        self.due.first().map(|(due, ..)| *due)
    }

    /// Handles one event; what is to be done is appended to `out`, in order.
    pub fn on_event(&mut self, now: Seconds, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Configure {
                network,
                config,
                own,
            } => self.configure(network, config, &own, out),
            Event::Remove { network } => self.remove(network, out),
            Event::Claimed {
                network,
                address,
                mac,
                is_router,
            } => self.claimed(now, network, address, (mac, is_router), out),
            Event::Doubted {
                network,
                address,
                mac,
            } => self.doubted(network, address, mac, out),
            Event::StationGone { network, mac } => self.station_gone(network, mac, out),
            Event::Refused { network, address } => self.refused(network, address),
        }
    }

    // ----- configuration -----

    fn configure(
        &mut self,
        id: NetworkId,
        config: Config,
        own: &BTreeMap<IpAddr, MacAddr>,
        out: &mut Vec<Action>,
    ) {
        let network = self.networks.entry(id).or_default();
        network.config = config;
        let before = std::mem::take(&mut network.own);
        for (&address, was) in &before {
            if !own.contains_key(&address) && was.in_use {
                self.in_use -= 1;
                out.push(Action::Remove {
                    network: id,
                    address,
                });
            }
        }
        for &address in own.keys() {
            self.forget(id, address, out);
        }
        for (&address, &mac) in own {
            let was = before.get(&address).filter(|was| was.in_use);
            let in_use = was.is_some() || self.in_use < self.capacity;
            if in_use && was.is_none_or(|was| was.mac != mac) {
                self.in_use += usize::from(was.is_none());
                out.push(Action::Insert {
                    network: id,
                    address,
                    mac,
                    is_router: true,
                    is_own: true,
                });
            }
            if let Some(network) = self.networks.get_mut(&id) {
                network.counters.full += u64::from(!in_use);
                network.own.insert(address, Own { mac, in_use });
            }
        }
    }

    fn remove(&mut self, id: NetworkId, out: &mut Vec<Action>) {
        let Some(network) = self.networks.remove(&id) else {
            return;
        };
        let own = network
            .own
            .iter()
            .map(|(address, own)| (address, own.in_use));
        let learned = network.learned.iter();
        let learned = learned.map(|(address, learned)| (address, learned.in_use));
        for (&address, _) in own.chain(learned).filter(|(_, in_use)| *in_use) {
            self.in_use -= 1;
            out.push(Action::Remove {
                network: id,
                address,
            });
        }
        for (address, learned) in &network.learned {
            self.due.remove(&(learned.due, id, *address));
        }
    }

    // ----- claims -----

    fn claimed(
        &mut self,
        now: Seconds,
        id: NetworkId,
        address: IpAddr,
        (mac, is_router): (MacAddr, bool),
        out: &mut Vec<Action>,
    ) {
        let Some(network) = self.networks.get_mut(&id) else {
            self.ignored += 1;
            return;
        };
        if !mac.is_station() || !is_owned(address) {
            return network.counters.count_invalid("address");
        }
        if network.own.contains_key(&address) {
            network.counters.contradicted += 1;
            return;
        }
        let Some(known) = network.learned.get(&address).copied() else {
            return self.learn(now, id, address, (mac, is_router), out);
        };
        let mut new = Learned {
            mac,
            is_router,
            heard: now,
            ..known
        };
        if known.mac != mac {
            match new.moves.judge(now, &network.config.damping) {
                Verdict::Made => {
                    network.counters.moved += 1;
                    new.moved = new.moved.saturating_add(1);
                }
                verdict => {
                    network.counters.damped += 1;
                    network.counters.held += u64::from(matches!(verdict, Verdict::Hold(_)));
                    let held = Learned {
                        moves: new.moves,
                        ..known
                    };
                    network.learned.insert(address, held);
                    return self.take_out(id, address, out);
                }
            }
            network.leave(known.mac, address);
            if !network.has_room_of(mac) {
                network.of.entry(known.mac).or_default().insert(address);
                network.counters.limited += 1;
                return self.take_out(id, address, out);
            }
            network.of.entry(mac).or_default().insert(address);
        } else if known.moves.held_for(now).is_some() {
            // Neither of those who claim it is answered for.
            network.counters.damped += 1;
            new.in_use = false;
            network.learned.insert(address, new);
            return;
        }
        if !known.in_use && self.in_use >= self.capacity {
            network.counters.full += 1;
            network.learned.insert(address, new);
            return;
        }
        self.in_use += usize::from(!known.in_use);
        new.in_use = true;
        network.learned.insert(address, new);
        if !known.in_use || (known.mac, known.is_router) != (mac, is_router) {
            out.push(insert(id, address, mac, is_router));
        }
    }

    fn learn(
        &mut self,
        now: Seconds,
        id: NetworkId,
        address: IpAddr,
        (mac, is_router): (MacAddr, bool),
        out: &mut Vec<Action>,
    ) {
        let Some(network) = self.networks.get_mut(&id) else {
            return;
        };
        if !network.has_room(mac) {
            network.counters.limited += 1;
            return;
        }
        if self.in_use >= self.capacity {
            network.counters.full += 1;
            return;
        }
        network.counters.learned += 1;
        let due = now.saturating_add(network.config.ageing_time);
        let learned = Learned {
            mac,
            is_router,
            in_use: true,
            due,
            heard: now,
            moved: 0,
            moves: Moves::default(),
        };
        network.learned.insert(address, learned);
        network.of.entry(mac).or_default().insert(address);
        self.due.insert((due, id, address));
        self.in_use += 1;
        out.push(insert(id, address, mac, is_router));
    }

    fn doubted(&mut self, id: NetworkId, address: IpAddr, mac: MacAddr, out: &mut Vec<Action>) {
        let Some(network) = self.networks.get_mut(&id) else {
            return;
        };
        let known = network.learned.get(&address);
        if known.is_some_and(|known| known.mac != mac && known.in_use) {
            network.counters.doubted += 1;
            self.take_out(id, address, out);
        }
    }

    fn station_gone(&mut self, id: NetworkId, mac: MacAddr, out: &mut Vec<Action>) {
        let Some(network) = self.networks.get_mut(&id) else {
            return;
        };
        let its = network.of.remove(&mac).unwrap_or_default();
        network.counters.vanished += its.len() as u64;
        for address in its {
            self.forget(id, address, out);
        }
    }

    fn refused(&mut self, id: NetworkId, address: IpAddr) {
        let Some(network) = self.networks.get_mut(&id) else {
            return;
        };
        network.counters.full += 1;
        if let Some(own) = network.own.get_mut(&address).filter(|own| own.in_use) {
            own.in_use = false;
            self.in_use -= 1;
        } else if network.learned.contains_key(&address) {
            // What is to be done of it has been refused already.
            self.forget(id, address, &mut Vec::new());
        }
    }

    /// Takes a binding out of the table; it is remembered, so that whoever claims it next is judged by what was.
    fn take_out(&mut self, id: NetworkId, address: IpAddr, out: &mut Vec<Action>) {
        let network = self.networks.get_mut(&id);
        let known = network.and_then(|network| network.learned.get_mut(&address));
        if let Some(known) = known.filter(|known| known.in_use) {
            known.in_use = false;
            self.in_use -= 1;
            out.push(Action::Remove {
                network: id,
                address,
            });
        }
    }

    fn forget(&mut self, id: NetworkId, address: IpAddr, out: &mut Vec<Action>) {
        self.take_out(id, address, out);
        let Some(network) = self.networks.get_mut(&id) else {
            return;
        };
        if let Some(known) = network.learned.remove(&address) {
            network.leave(known.mac, address);
            self.due.remove(&(known.due, id, address));
        }
    }

    // ----- time -----

    /// Forgets bindings that were not confirmed for the ageing time. Looks at no more than `budget` of them; `seen` says when
    /// the table has one confirmed last, `None` if it has none such.
    pub fn age(
        &mut self,
        now: Seconds,
        budget: usize,
        seen: impl Fn(NetworkId, IpAddr) -> Option<Seconds>,
        out: &mut Vec<Action>,
    ) {
        for _ in 0..budget {
            let Some(&(due, id, address)) = self.due.first().filter(|(due, ..)| *due <= now) else {
                return;
            };
            let Some(network) = self.networks.get_mut(&id) else {
                unreachable!("a binding of a network that is gone is looked at");
            };
            let Some(known) = network.learned.get_mut(&address) else {
                unreachable!("a binding that is not known is looked at");
            };
            // A worker's clock may be a little ahead.
            let heard = seen(id, address).unwrap_or(0).min(now).max(known.heard);
            let ends = heard.saturating_add(network.config.ageing_time);
            if now < ends {
                self.due.remove(&(due, id, address));
                known.due = ends;
                self.due.insert((ends, id, address));
            } else {
                network.counters.aged += 1;
                self.forget(id, address, out);
            }
        }
    }

    // ----- what people see -----

    /// The bindings of one network, or of all, by network and address. `seen` is that of [`Machine::age`].
    pub fn snapshot(
        &self,
        now: Seconds,
        network: Option<NetworkId>,
        seen: impl Fn(NetworkId, IpAddr) -> Option<Seconds>,
    ) -> Vec<Binding> {
        let mut all = Vec::new();
        let networks = self.networks.iter();
        for (&id, of) in networks.filter(|(id, _)| network.is_none_or(|only| only == **id)) {
            all.extend(of.own.iter().map(|(&address, own)| Binding {
                network: id,
                address,
                mac: own.mac,
                is_router: true,
                is_own: true,
                in_use: own.in_use,
                age: None,
                moves: 0,
                held: None,
            }));
            all.extend(of.learned.iter().map(|(&address, l)| {
                let heard = seen(id, address).unwrap_or(0).max(l.heard);
                Binding {
                    network: id,
                    address,
                    mac: l.mac,
                    is_router: l.is_router,
                    is_own: false,
                    in_use: l.in_use,
                    age: Some(now.saturating_sub(heard)),
                    moves: l.moved,
                    held: l.moves.held_for(now),
                }
            }));
        }
        all.sort_unstable_by_key(|binding| (binding.network, binding.address));
        all
    }

    /// Each network that learns addresses, and how many bindings it has, our own among them.
    pub fn networks(&self) -> impl Iterator<Item = (NetworkId, usize)> {
        let networks = self.networks.iter();
        networks.map(|(id, network)| (*id, network.learned.len() + network.own.len()))
    }

    /// The counters of each network.
    pub fn counters(&self) -> impl Iterator<Item = (NetworkId, &Counters)> {
        let networks = self.networks.iter();
        networks.map(|(id, network)| (*id, &network.counters))
    }

    /// Bindings of all networks that are in the table.
    pub fn len(&self) -> usize {
        self.in_use
    }

    /// Whether the table has none.
    pub fn is_empty(&self) -> bool {
        self.in_use == 0
    }
}

/// Whether an address can be one station's.
fn is_owned(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || address.is_loopback() || broadcast)
}

fn insert(network: NetworkId, address: IpAddr, mac: MacAddr, is_router: bool) -> Action {
    Action::Insert {
        network,
        address,
        mac,
        is_router,
        is_own: false,
    }
}

#[cfg(test)]
mod tests;
