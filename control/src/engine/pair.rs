//! What the other router of a pair is told of the model, of stations, neighbours and addresses of ports, and what becomes of what it tells.
//!
//! What it has told is a hint here, and is not told back: a neighbour is stale, and asked when it is used; a station ages, unless it is told
//! of again or heard here; an address of a port is kept for the time that it has there.

use std::collections::HashMap;
use std::net::IpAddr;

use ::pair::record::{self, Binding, Kind, Neighbor, Record, Station};
use ::pair::session::{Delivered, Delivery};
use protocols::fdb::Scope;
use protocols::nd;
use tables::id::{AnchorId, AttachId, IfaceId, NetworkId};
use wire::MacAddr;

use super::Engine;
use crate::model::Model;
use crate::rooms::pair::{PortOfFlows, ToKeeper, Told};

/// How often stations and addresses of ports are told again, seconds: what is told ages at the other router.
const AGAIN: u32 = 60;
/// How long an address of a port is kept that the other router does not say the end of, seconds.
const KEPT: u32 = 300;
/// A station that was heard so many seconds after the other router has told of it was heard here.
const HEARD: u32 = 2;

/// What the other router was told, and has told.
#[derive(Default)]
pub(super) struct Peer {
    /// Neighbours that are known here.
    neighbors: HashMap<(IfaceId, IpAddr), MacAddr>,
    /// Those that the other router has told of.
    hinted: HashMap<(IfaceId, IpAddr), MacAddr>,
    /// Stations that it has told of, and when.
    stations: HashMap<(NetworkId, MacAddr), u32>,
    /// Addresses of ports that it has told of, and when.
    bindings: HashMap<(AnchorId, IpAddr), u32>,
    /// What it was told of stations and addresses of ports.
    told_stations: HashMap<(NetworkId, MacAddr), AttachId>,
    told_bindings: HashMap<(AnchorId, IpAddr), MacAddr>,
    /// When it was last told of all of them.
    told_at: u32,
}

impl Engine {
    /// Tells the room of the pair which ports have flows.
    pub(super) fn tell_ports(&self) {
        if self.model.pair.is_none() {
            return;
        }
        let guarded = self.model.ports.iter().filter(|port| port.port_security);
        let ports = guarded.map(|port| PortOfFlows {
            anchor: port.id,
            name: port.name.clone(),
            max_flows: port.max_flows,
        });
        self.bus.pair().ports(ports.collect(), alike(&self.intent));
    }

    /// A neighbour is known, or is not any more.
    pub(super) fn tell_neighbor(&mut self, iface: IfaceId, addr: IpAddr, mac: Option<MacAddr>) {
        if self.model.pair.is_none() {
            return;
        }
        let key = (iface, addr);
        match mac {
            Some(mac) => self.peer.neighbors.insert(key, mac),
            None => self.peer.neighbors.remove(&key),
        };
        // It is the other router's own word.
        if mac.is_some() && self.peer.hinted.get(&key) == mac.as_ref() {
            return;
        }
        self.peer.hinted.remove(&key);
        if let Some(neighbor) = self.neighbor_record(iface, addr, mac) {
            self.bus.pair().push(Told::Neighbor(neighbor));
        }
    }

    fn neighbor_record(
        &self,
        iface: IfaceId,
        address: IpAddr,
        mac: Option<MacAddr>,
    ) -> Option<Neighbor> {
        Some(Neighbor {
            router: self.router_name(iface)?,
            interface: self.interface_name(iface)?,
            address,
            mac: mac.map(MacAddr::octets),
            is_router: false,
        })
    }

    /// Tells what has changed of stations and addresses of ports. Once a second.
    pub(super) fn tell_peer(&mut self) {
        if !self.bus.pair().is_up() {
            return;
        }
        let now = seconds();
        let again = now.wrapping_sub(self.peer.told_at) >= AGAIN;
        if again {
            self.peer.told_at = now;
            self.forget_told(now);
        }
        let stations = self.stations_to_tell();
        let mut told = HashMap::with_capacity(stations.len());
        for (key, at, age) in stations {
            if (again || self.peer.told_stations.get(&key) != Some(&at))
                && let Some(station) = self.station_record(key, at, age)
            {
                self.bus.pair().push(Told::Station(station));
            }
            told.insert(key, at);
        }
        self.peer.told_stations = told;
        let bindings = self.bindings_to_tell();
        let mut told = HashMap::with_capacity(bindings.len());
        for (key, mac, left) in bindings {
            if (again || self.peer.told_bindings.get(&key) != Some(&mac))
                && let Some(binding) = self.binding_record(key, mac, left)
            {
                self.bus.pair().push(Told::Binding(binding));
            }
            told.insert(key, mac);
        }
        self.peer.told_bindings = told;
    }

    /// What the other router has told and did not say again is not its any more.
    fn forget_told(&mut self, now: u32) {
        let is_fresh = |at: &mut u32| now.wrapping_sub(*at) < 3 * AGAIN;
        self.peer.stations.retain(|_, at| is_fresh(at));
        self.peer.bindings.retain(|_, at| is_fresh(at));
    }

    /// Learned stations that were heard here, where they are, and seconds since they were heard.
    fn stations_to_tell(&self) -> Vec<((NetworkId, MacAddr), AttachId, u32)> {
        let heard_here = |network: NetworkId, mac: MacAddr| {
            let Some(told) = self.peer.stations.get(&(network, mac)) else {
                return true;
            };
            let heard = self.stations.heard(network, mac);
            heard.is_some_and(|heard| HEARD < heard.wrapping_sub(*told) && *told < heard)
        };
        let stations = self.stations.snapshot(Scope::default()).into_iter();
        stations
            .filter(|station| !station.is_static && heard_here(station.network, station.mac))
            .map(|station| {
                let key = (station.network, station.mac);
                (key, station.place, station.age.unwrap_or(0))
            })
            .collect()
    }

    fn station_record(
        &self,
        (network, mac): (NetworkId, MacAddr),
        at: AttachId,
        age: u32,
    ) -> Option<Station> {
        Some(Station {
            network: self.model.network(network)?.name.clone(),
            mac: mac.octets(),
            at: Some(self.place_name(at)),
            age,
        })
    }

    /// Addresses that ports have learned here.
    fn bindings_to_tell(&self) -> Vec<((AnchorId, IpAddr), MacAddr, Option<u32>)> {
        let learned = self.guards.bindings(None).into_iter();
        learned
            .filter(|binding| binding.origin == "learned" && binding.state != "tentative")
            .filter_map(|binding| {
                let key = (binding.anchor?, binding.address);
                let is_ours = !self.peer.bindings.contains_key(&key);
                is_ours.then_some((key, binding.mac?, binding.left))
            })
            .collect()
    }

    fn binding_record(
        &self,
        (anchor, address): (AnchorId, IpAddr),
        mac: MacAddr,
        left: Option<u32>,
    ) -> Option<Binding> {
        let port = self.model.ports.iter().find(|port| port.id == anchor)?;
        Some(Binding {
            port: port.name.clone(),
            address,
            mac: Some(mac.octets()),
            left: left.map(|seconds| u64::from(seconds) * 1000),
        })
    }

    /// What the room of the pair has to say.
    pub(super) fn keep(&mut self, message: ToKeeper) {
        match message {
            ToKeeper::Tell(kind) => self.tell_all(kind),
            ToKeeper::Deliver(delivery) => {
                let refused = self.apply_told(&delivery);
                let (kind, number) = (delivery.kind, delivery.number);
                self.bus.pair().applied(kind, number, refused);
            }
            // The other router has nothing of what it has told: it is ours, and is told.
            ToKeeper::Up { anew: true } => {
                self.peer.hinted.clear();
                self.peer.stations.clear();
                self.peer.bindings.clear();
            }
            ToKeeper::Up { anew: false } | ToKeeper::Down | ToKeeper::Applied(..) => {}
        }
    }

    fn tell_all(&mut self, kind: Kind) {
        let told: Vec<Told> = match kind {
            Kind::Neighbor => {
                let known = self.peer.neighbors.iter();
                let ours = known.filter(|(key, mac)| self.peer.hinted.get(key) != Some(mac));
                ours.filter_map(|((iface, addr), mac)| {
                    self.neighbor_record(*iface, *addr, Some(*mac))
                })
                .map(Told::Neighbor)
                .collect()
            }
            Kind::Station => {
                let stations = self.stations_to_tell();
                self.peer.told_stations = stations.iter().map(|(key, at, _)| (*key, *at)).collect();
                let records = stations.into_iter();
                records
                    .filter_map(|(key, at, age)| self.station_record(key, at, age))
                    .map(Told::Station)
                    .collect()
            }
            Kind::Binding => {
                let bindings = self.bindings_to_tell();
                self.peer.told_bindings = bindings.iter().map(|(k, mac, _)| (*k, *mac)).collect();
                let records = bindings.into_iter();
                records
                    .filter_map(|(key, mac, left)| self.binding_record(key, mac, left))
                    .map(Told::Binding)
                    .collect()
            }
            Kind::Flow | Kind::Lease | Kind::Prefix => Vec::new(),
        };
        self.bus.pair().all(kind, told);
    }

    /// Applies what the other router tells. Records that were refused: they name what is not here.
    fn apply_told(&mut self, delivery: &Delivery) -> u64 {
        // What it does not tell any more ages here.
        let Delivered::Records(_) = delivery.what else {
            return 0;
        };
        let mut refused = 0;
        for bytes in delivery.records() {
            let done = match delivery.kind {
                Kind::Neighbor => self.apply_one(bytes, Self::told_neighbor),
                Kind::Station => self.apply_one(bytes, Self::told_station),
                Kind::Binding => self.apply_one(bytes, Self::told_binding),
                Kind::Flow | Kind::Lease | Kind::Prefix => None,
            };
            refused += u64::from(done.is_none());
        }
        refused
    }

    fn apply_one<R: Record>(
        &mut self,
        bytes: &[u8],
        with: impl FnOnce(&mut Self, R) -> Option<()>,
    ) -> Option<()> {
        with(self, record::read(bytes).ok()?)
    }

    fn told_neighbor(&mut self, told: Neighbor) -> Option<()> {
        let mut routers = self.model.routers.iter();
        let router = routers.find(|router| router.name == told.router)?;
        let mut interfaces = router.interfaces.iter();
        let iface = interfaces.find(|of| of.name == told.interface)?.id;
        let key = (iface, told.address);
        match told.mac.map(MacAddr) {
            // Who is known here is known better.
            Some(_) if self.peer.neighbors.contains_key(&key) => {}
            Some(mac) => {
                self.peer.hinted.insert(key, mac);
                self.bus.nd(nd::Event::Hint {
                    iface,
                    addr: told.address,
                    mac,
                    router: None,
                });
            }
            None => drop(self.peer.hinted.remove(&key)),
        }
        Some(())
    }

    fn told_station(&mut self, told: Station) -> Option<()> {
        let mut networks = self.model.networks.iter();
        let network = networks.find(|network| network.name == told.network)?.id;
        let Some(at) = told.at else {
            return Some(());
        };
        let mac = MacAddr(told.mac);
        let at = self.place_of(network, &at)?;
        let key = (network, mac);
        if self.stations.told(network, mac, at) || self.peer.stations.contains_key(&key) {
            self.peer.stations.insert(key, seconds());
        }
        Some(())
    }

    /// The place of a network that has this name.
    fn place_of(&self, network: NetworkId, name: &str) -> Option<AttachId> {
        let mut places = self.stations.places(network);
        places.find(|at| self.place_name(*at) == name)
    }

    fn told_binding(&mut self, told: Binding) -> Option<()> {
        let port = self
            .model
            .ports
            .iter()
            .find(|port| port.name == told.port)?;
        let anchor = port.id;
        let key = (anchor, told.address);
        let Some(mac) = told.mac.map(MacAddr) else {
            return Some(());
        };
        let mut known = self.guards.bindings(Some(anchor)).into_iter();
        let is_known = known.any(|binding| binding.address == told.address);
        if !is_known || self.peer.bindings.contains_key(&key) {
            self.peer.bindings.insert(key, seconds());
            let left = told.left.map(|ms| u32::try_from(ms / 1000).unwrap_or(KEPT));
            self.guards.known(
                anchor,
                told.address,
                mac,
                left.unwrap_or(KEPT).clamp(1, KEPT),
            );
        }
        Some(())
    }
}

/// Seconds of the workers' clock.
fn seconds() -> u32 {
    (dataplane::ticks() / dataplane::hz().max(1)) as u32
}

/// A hash of what both routers of a pair should have configured alike: the names of things. The same in every release.
fn alike(model: &Model) -> u64 {
    let ports = model.ports.iter().map(|port| ("port", port.name.as_str()));
    let networks = model.networks.iter().map(|n| ("network", n.name.as_str()));
    let groups = model.security_groups.iter();
    let groups = groups.map(|group| ("security_group", group.name.as_str()));
    let routers = model.routers.iter().flat_map(|router| {
        let interfaces = router.interfaces.iter();
        let interfaces = interfaces.map(|interface| ("interface", interface.name.as_str()));
        std::iter::once(("router", router.name.as_str())).chain(interfaces)
    });
    let mut names: Vec<_> = ports.chain(networks).chain(groups).chain(routers).collect();
    names.sort_unstable();
    // FNV-1a.
    let bytes = names
        .iter()
        .flat_map(|(noun, name)| [noun.as_bytes(), b" ", name.as_bytes(), b"\n"])
        .flatten();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
