//! Who is believed to be where: the table as it is to be, and the lists by which stations are found again.
//!
//! Every learned station is in two lists: of its place, so that a place that goes costs by what was learned there, and of the second
//! in which it is next looked at. It knows its position in both, so that it leaves them at once.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeBounds;

use tables::id::{AttachId, NetworkId};
use wire::MacAddr;

use super::Seconds;
use super::config::Config;
use super::counters::Counters;
use super::notice::Silence;
use crate::damping::Moves;

/// Room of a list or map that is kept whatever happens.
const SMALL: usize = 32;

/// Lists by key, which members leave from anywhere.
#[derive(Debug)]
pub(super) struct Lists<K, T>(BTreeMap<K, Vec<T>>);

impl<K, T> Default for Lists<K, T> {
    fn default() -> Self {
        Lists(BTreeMap::new())
    }
}

impl<K: Ord + Copy, T: Copy> Lists<K, T> {
    /// Adds a member. Its position.
    fn push(&mut self, key: K, member: T) -> u32 {
        let list = self.0.entry(key).or_default();
        list.push(member);
        list.len() as u32 - 1
    }

    /// Removes a member. The one that stands in its position now, if one does.
    fn remove(&mut self, key: K, position: u32) -> Option<T> {
        let list = self.0.get_mut(&key)?;
        if list.len() == 1 {
            self.0.remove(&key);
            return None;
        }
        list.swap_remove(position as usize);
        if list.len() * 4 < list.capacity() {
            list.shrink_to(SMALL.max(list.len() * 2));
        }
        list.get(position as usize).copied()
    }

    /// A member of the first list, and its key.
    pub fn first(&self) -> Option<(K, T)> {
        let (key, list) = self.0.first_key_value()?;
        Some((*key, *list.last()?))
    }

    /// All members of these lists.
    pub fn range(&self, keys: impl RangeBounds<K>) -> impl Iterator<Item = (K, T)> {
        self.0
            .range(keys)
            .flat_map(|(key, list)| list.iter().map(|member| (*key, *member)))
    }
}

/// A learned station.
#[derive(Clone, Copy, Debug)]
pub(super) struct Learned {
    pub place: AttachId,
    /// Position in the list of its place.
    in_place: u32,
    /// When it is next asked whether it was heard.
    pub due: Seconds,
    /// Position in the list of that second.
    in_due: u32,
    /// When it was heard last, as far as we were told.
    pub heard: Seconds,
    /// Moves since it was learned.
    pub moved: u32,
    pub moves: Moves,
}

/// A configured station.
#[derive(Clone, Copy, Debug)]
pub(super) struct Static {
    pub place: AttachId,
    /// The table had no room for it.
    pub waits: bool,
}

#[derive(Debug, Default)]
pub(super) struct Network {
    pub config: Config,
    pub statics: HashMap<MacAddr, Static>,
    pub learned: HashMap<MacAddr, Learned>,
    pub silence: Silence,
    pub counters: Counters,
}

impl Network {
    pub fn is_at_limit(&self) -> bool {
        self.learned.len() >= self.config.max_stations as usize
    }

    /// Learned stations in the order of their addresses: no run differs from another.
    pub fn in_order(&self) -> Vec<MacAddr> {
        let mut all: Vec<_> = self.learned.keys().copied().collect();
        all.sort_unstable();
        all
    }
}

/// The stations of all networks.
#[derive(Debug, Default)]
pub(super) struct Stations {
    pub networks: BTreeMap<NetworkId, Network>,
    /// Learned ones by place and network.
    pub places: Lists<(AttachId, NetworkId), MacAddr>,
    /// Learned ones by when they are next looked at.
    pub due: Lists<Seconds, (NetworkId, MacAddr)>,
    /// How many are in the table.
    pub len: usize,
}

impl Stations {
    fn learned_mut(&mut self, network: NetworkId, mac: MacAddr) -> Option<&mut Learned> {
        self.networks.get_mut(&network)?.learned.get_mut(&mac)
    }

    /// Enters a station that is not known.
    pub fn learn(&mut self, now: Seconds, id: NetworkId, mac: MacAddr, place: AttachId) {
        let Some(network) = self.networks.get_mut(&id) else {
            return;
        };
        let due = now.saturating_add(network.config.ageing_time);
        let learned = Learned {
            place,
            in_place: self.places.push((place, id), mac),
            due,
            in_due: self.due.push(due, (id, mac)),
            heard: now,
            moved: 0,
            moves: Moves::default(),
        };
        network.learned.insert(mac, learned);
        self.len += 1;
    }

    /// A learned station was heard somewhere else, and is there now.
    pub fn relocate(&mut self, now: Seconds, id: NetworkId, mac: MacAddr, to: AttachId) {
        let Some(learned) = self.learned_mut(id, mac) else {
            return;
        };
        let (from, position) = (learned.place, learned.in_place);
        self.leave_place(id, from, position);
        let in_place = self.places.push((to, id), mac);
        let Some(learned) = self.learned_mut(id, mac) else {
            return;
        };
        (learned.place, learned.in_place) = (to, in_place);
        learned.heard = now;
        learned.moved = learned.moved.saturating_add(1);
        if let Some(network) = self.networks.get(&id) {
            let due = now.saturating_add(network.config.ageing_time);
            self.look_at(id, mac, due);
        }
    }

    /// A learned station is next looked at then.
    pub fn look_at(&mut self, id: NetworkId, mac: MacAddr, due: Seconds) {
        let Some(learned) = self.learned_mut(id, mac) else {
            return;
        };
        let (before, position) = (learned.due, learned.in_due);
        self.leave_due(before, position);
        let in_due = self.due.push(due, (id, mac));
        if let Some(learned) = self.learned_mut(id, mac) {
            (learned.due, learned.in_due) = (due, in_due);
        }
    }

    /// A learned station is looked at when its network's ageing time may be over, as far as we know.
    pub fn look_again(&mut self, id: NetworkId, mac: MacAddr, ageing_time: Seconds) {
        if let Some(learned) = self.learned_mut(id, mac) {
            let due = learned.heard.saturating_add(ageing_time);
            self.look_at(id, mac, due);
        }
    }

    /// A learned station is no more.
    pub fn forget(&mut self, id: NetworkId, mac: MacAddr) -> Option<Learned> {
        let map = &mut self.networks.get_mut(&id)?.learned;
        let learned = map.remove(&mac)?;
        if map.len() * 8 < map.capacity() {
            map.shrink_to(SMALL.max(map.len() * 2));
        }
        self.leave_place(id, learned.place, learned.in_place);
        self.leave_due(learned.due, learned.in_due);
        self.len -= 1;
        Some(learned)
    }

    fn leave_place(&mut self, id: NetworkId, place: AttachId, position: u32) {
        if let Some(mac) = self.places.remove((place, id), position)
            && let Some(learned) = self.learned_mut(id, mac)
        {
            learned.in_place = position;
        }
    }

    fn leave_due(&mut self, due: Seconds, position: u32) {
        if let Some((id, mac)) = self.due.remove(due, position)
            && let Some(learned) = self.learned_mut(id, mac)
        {
            learned.in_due = position;
        }
    }

    /// Whether every list holds what the stations say, and nothing else.
    #[cfg(test)]
    pub fn is_sound(&self) -> bool {
        let mut n_learned = 0;
        let mut n_statics = 0;
        for (id, network) in &self.networks {
            n_learned += network.learned.len();
            n_statics += network.statics.values().filter(|s| !s.waits).count();
            for (mac, learned) in &network.learned {
                let place = &self.places.0[&(learned.place, *id)];
                let due = &self.due.0[&learned.due];
                if place[learned.in_place as usize] != *mac
                    || due[learned.in_due as usize] != (*id, *mac)
                    || network.statics.contains_key(mac)
                {
                    return false;
                }
            }
        }
        let in_places: usize = self.places.0.values().map(Vec::len).sum();
        let in_due: usize = self.due.0.values().map(Vec::len).sum();
        [in_places, in_due] == [n_learned; 2] && self.len == n_learned + n_statics
    }
}
