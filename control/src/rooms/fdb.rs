//! The FDB's room: runs `protocols::fdb`, writes the table of stations.
//!
//! ```text
//!   workers ── notes ──► Stations ── Heard ──► Machine ── Insert, Remove ──► tables::fdb ──► workers
//!   engine ── networks, places ──►
//! ```
//!
//! It lives in the engine's thread, which owns the tables, and not in a task of its own: it is called often, and works for a bounded
//! time. A note of a place that its network has no more is not heard.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use dataplane::learn::HeardConsumer;
use protocols::fdb::{Action, Config, Event, Machine, Notice, Scope, Seconds, Station};
use tables::fdb::FdbWriter;
use tables::id::{AttachId, NetworkId};
use wire::MacAddr;

/// Notes of each worker that are read at once.
const NOTES: usize = 1024;
/// Stations that are looked at at once, to see whether they are too old.
const AGED: usize = 1024;

/// What the room is told of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// How it learns.
    pub config: Config,
    /// Stations that are where they are: those that are configured, and our routers.
    pub statics: BTreeMap<MacAddr, AttachId>,
    /// Where stations can be learned.
    pub places: HashSet<AttachId>,
}

/// See the module.
#[derive(Debug)]
pub struct Stations {
    machine: Machine,
    table: FdbWriter,
    heard: Vec<HeardConsumer>,
    settings: HashMap<NetworkId, Setting>,
    /// Stations that have gone and nobody was told of yet.
    gone: Vec<(NetworkId, MacAddr)>,
    /// Reused.
    actions: Vec<Action>,
}

impl Stations {
    /// A room for a table with room for so many stations; it is empty.
    pub fn new(table: FdbWriter, heard: Vec<HeardConsumer>, capacity: usize) -> Self {
        Self {
            machine: Machine::new(capacity),
            table,
            heard,
            settings: HashMap::new(),
            gone: Vec::new(),
            actions: Vec::new(),
        }
    }

    /// Makes the networks what they are to be. What has to be said.
    pub fn follow(&mut self, wanted: HashMap<NetworkId, Setting>) -> Vec<Notice> {
        let mut said = Vec::new();
        let before = std::mem::take(&mut self.settings);
        for (&network, was) in &before {
            let Some(now) = wanted.get(&network) else {
                said.extend(self.handle(Event::RemoveNetwork { network }));
                continue;
            };
            for &place in was.places.difference(&now.places) {
                said.extend(self.place_gone(Some(network), place));
            }
        }
        for (&network, now) in &wanted {
            let same = |was: &Setting| (&was.config, &was.statics) == (&now.config, &now.statics);
            if !before.get(&network).is_some_and(same) {
                said.extend(self.handle(Event::ConfigureNetwork {
                    network,
                    config: now.config.clone(),
                    statics: now.statics.clone(),
                }));
            }
        }
        self.settings = wanted;
        said
    }

    /// A place is gone or dead: nobody is there any more. What has to be said.
    pub fn place_gone(&mut self, network: Option<NetworkId>, place: AttachId) -> Vec<Notice> {
        self.handle(Event::PlaceGone { network, place })
    }

    /// Another router has heard a station at a place that this one has too. Whether it was not known here.
    pub fn told(&mut self, network: NetworkId, mac: MacAddr, at: AttachId) -> bool {
        let setting = self.settings.get(&network);
        if !setting.is_some_and(|setting| setting.places.contains(&at)) {
            return false;
        }
        let known = self.table.get(network, mac.octets());
        // Whoever has heard it here knows better where it is.
        if known.as_ref().is_none_or(|known| known.attach == at) {
            self.handle(Event::Heard { network, mac, at });
        }
        known.is_none()
    }

    /// Where stations of a network can be learned.
    pub fn places(&self, network: NetworkId) -> impl Iterator<Item = AttachId> + '_ {
        let setting = self.settings.get(&network);
        setting.into_iter().flat_map(|of| of.places.iter().copied())
    }

    /// When a station was heard last, seconds of the workers' clock.
    pub fn heard(&self, network: NetworkId, mac: MacAddr) -> Option<Seconds> {
        seen(&self.table, network, mac)
    }

    /// Forgets learned stations. What has to be said.
    pub fn flush(&mut self, scope: Scope) -> Vec<Notice> {
        self.handle(Event::Flush(scope))
    }

    /// Reads the workers' notes, and forgets who is too old. What has to be said.
    pub fn tick(&mut self) -> Vec<Notice> {
        let mut said = Vec::new();
        for worker in 0..self.heard.len() {
            for _ in 0..NOTES {
                let Ok(note) = self.heard[worker].pop() else {
                    break;
                };
                let setting = self.settings.get(&note.network);
                if setting.is_some_and(|setting| setting.places.contains(&note.at)) {
                    said.extend(self.handle(Event::Heard {
                        network: note.network,
                        mac: MacAddr(note.mac),
                        at: note.at,
                    }));
                }
            }
        }
        let now = now();
        if self.machine.next_deadline().is_some_and(|due| due <= now) {
            let Self { machine, table, .. } = self;
            let seen = |network, mac| seen(table, network, mac);
            machine.age(now, AGED, seen, &mut self.actions);
            said.extend(self.act(now));
        }
        said
    }

    /// The stations of a scope, configured ones too, by network and address.
    pub fn snapshot(&self, scope: Scope) -> Vec<Station> {
        let seen = |network, mac| seen(&self.table, network, mac);
        self.machine.snapshot(now(), scope, seen)
    }

    /// Stations that have gone since this was last asked.
    pub fn take_gone(&mut self) -> Vec<(NetworkId, MacAddr)> {
        std::mem::take(&mut self.gone)
    }

    /// What is known of the stations.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    fn handle(&mut self, event: Event) -> Vec<Notice> {
        let now = now();
        self.machine.on_event(now, event, &mut self.actions);
        self.act(now)
    }

    /// Does what the machine wants, in order. A refused station is told of before anything else happens.
    fn act(&mut self, now: Seconds) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut todo: VecDeque<Action> = self.actions.drain(..).collect();
        while let Some(action) = todo.pop_front() {
            match action {
                Action::Insert {
                    network,
                    mac,
                    place,
                    is_static,
                } => {
                    let table = &mut self.table;
                    let entered = table.insert(network, mac.octets(), place, is_static, now);
                    if entered.is_err() {
                        let refused = Event::Refused { network, mac };
                        self.machine.on_event(now, refused, &mut self.actions);
                        for action in self.actions.drain(..).rev() {
                            todo.push_front(action);
                        }
                    }
                }
                Action::Remove { network, mac } => {
                    self.table.remove(network, mac.octets());
                    self.gone.push((network, mac));
                }
                Action::Notice(notice) => notices.push(notice),
            }
        }
        notices
    }
}

/// When the table has a station heard last.
fn seen(table: &FdbWriter, network: NetworkId, mac: MacAddr) -> Option<Seconds> {
    let station = table.get(network, mac.octets());
    station.map(|station| station.seen)
}

/// Seconds of the workers' clock.
pub(super) fn now() -> Seconds {
    (dataplane::ticks() / dataplane::hz().max(1)) as Seconds
}

#[cfg(test)]
mod tests {
    use dataplane::learn::{Heard, Learner, learn_ring};
    use tables::fdb::Fdb;
    use tables::id::Place;

    use super::*;
    use std::sync::Arc;

    const BLUE: NetworkId = NetworkId(1);
    const HOST: [u8; 6] = [2, 0, 0, 0, 0, 9];

    fn at(n: u32) -> AttachId {
        AttachId::of(Place::Local(n))
    }

    fn setting(places: &[u32]) -> HashMap<NetworkId, Setting> {
        let setting = Setting {
            config: Config::default(),
            statics: BTreeMap::from([(MacAddr([2, 0, 0, 0, 0, 1]), at(1))]),
            places: places.iter().map(|n| at(*n)).collect(),
        };
        HashMap::from([(BLUE, setting)])
    }

    fn room(capacity: usize) -> (Stations, Arc<Fdb>, Learner) {
        let (writer, table) = FdbWriter::new(capacity, 7);
        let (learner, heard) = learn_ring(64);
        let room = Stations::new(writer, vec![heard], capacity);
        (room, table, learner)
    }

    fn tell(learner: &mut Learner, mac: [u8; 6], n: u32) {
        let heard = Heard {
            network: BLUE,
            mac,
            at: at(n),
        };
        assert!(learner.tell(heard, 0, 100));
    }

    #[test]
    fn what_workers_hear_is_in_the_table_until_its_place_goes() {
        let (mut room, table, mut learner) = room(16);
        room.follow(setting(&[1, 2]));
        let place = |mac| table.read().lookup(BLUE, mac).map(|entry| entry.attach);
        assert_eq!(place([2, 0, 0, 0, 0, 1]), Some(at(1)), "a static one");
        tell(&mut learner, HOST, 2);
        assert_eq!(place(HOST), None);
        room.tick();
        assert_eq!(place(HOST), Some(at(2)));
        let listed = room.snapshot(Scope::default());
        assert_eq!(listed.len(), 2);
        room.follow(setting(&[1]));
        assert_eq!(place(HOST), None);
        assert_eq!(room.take_gone(), [(BLUE, MacAddr(HOST))]);
        assert_eq!(room.take_gone(), []);
        // A note that was on its way.
        tell(&mut learner, [2, 0, 0, 0, 0, 8], 2);
        room.tick();
        assert_eq!(place([2, 0, 0, 0, 0, 8]), None);
        room.follow(HashMap::new());
        assert_eq!(place([2, 0, 0, 0, 0, 1]), None);
        assert!(room.machine().is_empty());
    }

    #[test]
    fn a_station_that_the_table_refuses_is_not_believed_to_be_there() {
        // The table is smaller than the machine believes.
        let (writer, table) = FdbWriter::new(4, 7);
        let (mut learner, heard) = learn_ring(256);
        let mut room = Stations::new(writer, vec![heard], 1024);
        room.follow(setting(&[1]));
        for n in 0..100 {
            tell(&mut learner, [2, 0, 0, 0, 1, n], 1);
        }
        room.tick();
        let listed = room.snapshot(Scope::default());
        let found = listed.iter().filter(|station| {
            let entry = table.read().lookup(BLUE, station.mac.octets());
            entry.is_some()
        });
        assert_eq!(found.count(), listed.len());
        assert!(listed.len() < 100, "{}", listed.len());
    }
}
