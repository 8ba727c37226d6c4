//! The bindings' room: runs `protocols::binding`, writes the table of addresses.
//!
//! ```text
//!   workers ── claims ──► Bindings ── Claimed, Doubted ──► Machine ── Insert, Remove ──► tables::binding ──► workers
//!   engine ── networks, own addresses, stations that go ──►
//! ```
//!
//! It lives in the engine's thread, as the FDB's room does, and works for a bounded time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use dataplane::claim::{ClaimConsumer, Saying};
use dataplane::forwarding::network::mapped;
use protocols::binding::{Action, Binding, Config, Event, Machine, Seconds};
use tables::binding::BindingWriter;
use tables::id::NetworkId;
use wire::MacAddr;

use super::fdb::now;
use crate::bus::unmapped;

/// Claims of each worker that are read at once.
const CLAIMS: usize = 1024;
/// Bindings that are looked at at once, to see whether they are too old.
const AGED: usize = 1024;

/// What the room is told of a network that learns addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// How it learns.
    pub config: Config,
    /// Addresses of our own in it that are in use.
    pub own: BTreeMap<IpAddr, MacAddr>,
}

/// See the module.
#[derive(Debug)]
pub struct Bindings {
    machine: Machine,
    table: BindingWriter,
    claims: Vec<ClaimConsumer>,
    settings: HashMap<NetworkId, Setting>,
    /// Reused.
    actions: Vec<Action>,
}

impl Bindings {
    /// A room for a table with room for so many bindings; it is empty.
    pub fn new(table: BindingWriter, claims: Vec<ClaimConsumer>, capacity: usize) -> Self {
        Self {
            machine: Machine::new(capacity),
            table,
            claims,
            settings: HashMap::new(),
            actions: Vec::new(),
        }
    }

    /// Has these networks learn addresses, and no others.
    pub fn follow(&mut self, wanted: HashMap<NetworkId, Setting>) {
        let before = std::mem::take(&mut self.settings);
        for &network in before.keys().filter(|id| !wanted.contains_key(id)) {
            self.handle(Event::Remove { network });
        }
        for (&network, now) in &wanted {
            if before.get(&network) != Some(now) {
                let Setting { config, own } = now.clone();
                self.handle(Event::Configure {
                    network,
                    config,
                    own,
                });
            }
        }
        self.settings = wanted;
    }

    /// A station is gone from the FDB.
    pub fn station_gone(&mut self, network: NetworkId, mac: MacAddr) {
        if self.settings.contains_key(&network) {
            self.handle(Event::StationGone { network, mac });
        }
    }

    /// Reads the workers' claims, and forgets what is too old.
    pub fn tick(&mut self) {
        for worker in 0..self.claims.len() {
            for _ in 0..CLAIMS {
                let Ok(claim) = self.claims[worker].pop() else {
                    break;
                };
                let network = claim.network;
                let (address, mac) = (unmapped(claim.address.to_be_bytes()), MacAddr(claim.mac));
                self.handle(match claim.saying {
                    Saying::Mine { is_router } => Event::Claimed {
                        network,
                        address,
                        mac,
                        is_router,
                    },
                    Saying::Doubt => Event::Doubted {
                        network,
                        address,
                        mac,
                    },
                });
            }
        }
        let now = now();
        if self.machine.next_deadline().is_some_and(|due| due <= now) {
            let Self { machine, table, .. } = self;
            let seen = |network, address| table.seen(network, mapped(address));
            machine.age(now, AGED, seen, &mut self.actions);
            self.act(now);
        }
    }

    /// The bindings of one network, or of all, by network and address.
    pub fn snapshot(&self, network: Option<NetworkId>) -> Vec<Binding> {
        let seen = |network, address| self.table.seen(network, mapped(address));
        self.machine.snapshot(now(), network, seen)
    }

    /// What is known of the bindings.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    fn handle(&mut self, event: Event) {
        let now = now();
        self.machine.on_event(now, event, &mut self.actions);
        self.act(now);
    }

    /// Does what the machine wants, in order. A refused binding is told of before anything else happens.
    fn act(&mut self, now: Seconds) {
        let mut todo: VecDeque<Action> = self.actions.drain(..).collect();
        while let Some(action) = todo.pop_front() {
            match action {
                Action::Insert {
                    network,
                    address,
                    mac,
                    is_router,
                    is_own,
                } => {
                    let binding = tables::binding::Binding {
                        network,
                        address: mapped(address),
                        mac: mac.octets(),
                        is_router,
                        is_own,
                    };
                    if self.table.insert(&binding, now).is_err() {
                        let refused = Event::Refused { network, address };
                        self.machine.on_event(now, refused, &mut self.actions);
                        for action in self.actions.drain(..).rev() {
                            todo.push_front(action);
                        }
                    }
                }
                Action::Remove { network, address } => {
                    self.table.remove(network, mapped(address));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dataplane::claim::{Claim, Claims, claim_ring};
    use std::sync::Arc;

    use super::*;

    const BLUE: NetworkId = NetworkId(1);
    const HOST: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
    const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn room(capacity: usize) -> (Bindings, Arc<tables::binding::Bindings>, Claims) {
        let (writer, table) = BindingWriter::new(capacity, 7);
        let (claims, claimed) = claim_ring(256);
        let mut room = Bindings::new(writer, vec![claimed], 1024);
        let setting = Setting {
            config: Config::default(),
            own: BTreeMap::from([(ip("fe80::1"), OURS), (ip("192.0.2.1"), OURS)]),
        };
        room.follow(HashMap::from([(BLUE, setting)]));
        (room, table, claims)
    }

    fn tell(claims: &mut Claims, address: &str, saying: Saying) {
        let claim = Claim {
            network: BLUE,
            mac: HOST.octets(),
            address: mapped(ip(address)),
            saying,
        };
        assert!(claims.tell(claim, 0, 100));
    }

    #[test]
    fn what_workers_hear_of_addresses_is_in_the_table_until_its_station_goes() {
        let (mut room, table, mut claims) = room(16);
        let mine = Saying::Mine { is_router: false };
        let owner = |address| {
            let found = table.read().lookup(BLUE, mapped(ip(address)));
            found.map(|found| (MacAddr(found.binding.mac), found.binding.is_own))
        };
        assert_eq!(owner("192.0.2.1"), Some((OURS, true)));
        for address in ["2001:db8::9", "192.0.2.9", "192.0.2.1"] {
            tell(&mut claims, address, mine);
        }
        room.tick();
        assert_eq!(owner("2001:db8::9"), Some((HOST, false)));
        assert_eq!(owner("192.0.2.9"), Some((HOST, false)));
        assert_eq!(owner("192.0.2.1"), Some((OURS, true)), "ours stays ours");
        assert_eq!(room.snapshot(Some(BLUE)).len(), 4);
        room.station_gone(BLUE, HOST);
        assert_eq!(room.snapshot(None).len(), 2);
        assert_eq!(owner("192.0.2.9"), None);
        room.follow(HashMap::new());
        assert!(room.machine().is_empty());
        assert_eq!(owner("fe80::1"), None);
    }

    #[test]
    fn a_binding_that_the_table_refuses_is_not_believed_to_be_there() {
        // The table is smaller than the machine believes.
        let (mut room, table, mut claims) = room(4);
        for n in 10..40 {
            let mine = Saying::Mine { is_router: false };
            tell(&mut claims, &format!("192.0.2.{n}"), mine);
        }
        room.tick();
        let listed = room.snapshot(None);
        let found = listed.iter().filter(|binding| {
            let found = table.read().lookup(BLUE, mapped(binding.address));
            found.is_some()
        });
        assert_eq!(found.count(), listed.len());
        assert!(listed.len() < 32, "{}", listed.len());
        assert_eq!(listed.len(), room.machine().len());
    }
}
