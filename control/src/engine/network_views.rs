//! Networks, their stations and the peers of tunnels as the API sees them.

use std::collections::HashMap;
use std::time::Instant;

use api::{
    Binding, BindingQuery, Network, NetworkSegment, SegmentKind, Station, StationQuery, Vtep,
};
use dataplane::forwarding::network::{TunnelKind, UnknownUnicast};
use protocols::binding;
use protocols::fdb::{Counters, Scope, Size};
use tables::id::{NetworkId, TunnelId};
use wire::MacAddr;

use super::Engine;
use super::configure::vlans;
use super::views::api_mac;
use crate::api::Error;
use crate::model::{self, Carrier, Tag};

/// Stations of an answer, unless another limit is asked for.
const STATIONS: u64 = 1000;

impl Engine {
    /// Networks in the order of the configuration; counters come from the workers.
    pub fn network_views(&self) -> Vec<(NetworkId, Network)> {
        let machine = self.stations.machine();
        let sizes: HashMap<NetworkId, Size> = machine.networks().collect();
        let events: HashMap<NetworkId, &Counters> = machine.counters().collect();
        let bound = self.bindings.machine();
        let bindings: HashMap<NetworkId, usize> = bound.networks().collect();
        let claims: HashMap<NetworkId, &binding::Counters> = bound.counters().collect();
        let mut interfaces: HashMap<NetworkId, Vec<String>> = HashMap::new();
        for (_, interface) in self.model.interfaces() {
            if let Carrier::Network(network) = interface.carrier {
                let on = interfaces.entry(network).or_default();
                on.push(interface.name.clone());
            }
        }
        let view = |network: &model::Network| {
            let size = sizes.get(&network.id).copied().unwrap_or_default();
            let counted = events.get(&network.id).map(|counters| counters.iter());
            let events = counted.into_iter().flatten();
            let claimed = claims.get(&network.id).map(|counters| counters.iter());
            let claimed = claimed.into_iter().flatten();
            let bindings = bindings.get(&network.id).copied().unwrap_or_default();
            let shown = Network {
                name: network.name.clone(),
                up: self.is_network_up(network),
                mtu: network.mtu,
                learning: network.learning,
                floods_unknown: network.unknown_unicast == UnknownUnicast::Flood,
                suppression: network.suppression,
                segments: self.segments(network),
                interfaces: interfaces.get(&network.id).cloned().unwrap_or_default(),
                learned: size.learned as u64,
                statics: size.statics as u64,
                max_stations: network.max_stations.into(),
                counters: api::NetworkCounters::default(),
                bindings: bindings as u64,
                events: events.map(|(name, _, n)| (name.to_owned(), n)).collect(),
                binding_events: claimed.map(|(name, _, n)| (name.to_owned(), n)).collect(),
            };
            (network.id, shown)
        };
        self.model.networks.iter().map(view).collect()
    }

    fn segments(&self, network: &model::Network) -> Vec<NetworkSegment> {
        let locals = network.locals.iter().map(|local| NetworkSegment {
            kind: match local.tag {
                Tag::Untagged => SegmentKind::Flat,
                Tag::Vlan(_) => SegmentKind::Vlan,
                Tag::QinQ { .. } => SegmentKind::Qinq,
            },
            device: self.model.device(local.device).map(|d| d.name.clone()),
            vlans: vlans(local.tag),
            vni: None,
            vteps: Vec::new(),
            flood: None,
        });
        let vtep = |id: &TunnelId| self.model.vtep(*id).map(|vtep| vtep.name.clone());
        let overlays = network.overlays.iter().map(|overlay| NetworkSegment {
            kind: kind(overlay.kind),
            device: None,
            vlans: Vec::new(),
            vni: Some(overlay.vni),
            vteps: overlay.vteps.iter().filter_map(vtep).collect(),
            flood: overlay.flood.as_ref().and_then(vtep),
        });
        locals.chain(overlays).collect()
    }

    /// Stations that a query selects, by network and address.
    ///
    /// # Errors
    /// When it names a network that does not exist.
    pub fn station_list(&self, query: &StationQuery) -> Result<Vec<Station>, Error> {
        let scope = Scope {
            network: self.named_network(query.network.as_deref())?,
            mac: query.mac.map(|mac| MacAddr(mac.0)),
            place: None,
        };
        let limit = usize::try_from(query.limit.unwrap_or(STATIONS)).unwrap_or(usize::MAX);
        let stations = self.stations.snapshot(scope).into_iter().take(limit);
        let view = |station: protocols::fdb::Station| Station {
            network: self.network_name(station.network),
            mac: api_mac(station.mac),
            at: self.place_name(station.place),
            is_static: station.is_static,
            waits: station.waits,
            age_seconds: station.age,
            moves: station.moves,
            held_seconds: station.held,
        };
        Ok(stations.map(view).collect())
    }

    /// Bindings that a query selects, by network and address.
    ///
    /// # Errors
    /// When it names a network that does not exist.
    pub fn binding_list(&self, query: &BindingQuery) -> Result<Vec<Binding>, Error> {
        let network = self.named_network(query.network.as_deref())?;
        let limit = usize::try_from(query.limit.unwrap_or(STATIONS)).unwrap_or(usize::MAX);
        let bindings = self.bindings.snapshot(network).into_iter();
        let bindings = bindings.filter(|binding| {
            let wanted = query.address;
            wanted.is_none_or(|address| address == binding.address)
        });
        let view = |binding: binding::Binding| Binding {
            network: self.network_name(binding.network),
            address: binding.address,
            mac: api_mac(binding.mac),
            is_own: binding.is_own,
            is_router: binding.is_router,
            in_use: binding.in_use,
            age_seconds: binding.age,
            moves: binding.moves,
            held_seconds: binding.held,
        };
        Ok(bindings.take(limit).map(view).collect())
    }

    /// The network of a name, if one is given.
    fn named_network(&self, name: Option<&str>) -> Result<Option<NetworkId>, Error> {
        let Some(name) = name else { return Ok(None) };
        let mut networks = self.model.networks.iter();
        let network = networks.find(|network| network.name == name);
        let network = network
            .ok_or_else(|| Error::not_found("network", format!("there is no network {name}")))?;
        Ok(Some(network.id))
    }

    /// Peers of tunnels in the order of the configuration; counters come from the workers.
    pub fn vtep_views(&self) -> Vec<(TunnelId, Vtep)> {
        let mut networks: HashMap<TunnelId, u64> = HashMap::new();
        let flood = |n: &model::Network| {
            n.overlays
                .iter()
                .filter_map(|o| o.flood)
                .collect::<Vec<_>>()
        };
        let stretched = self.model.networks.iter();
        for tunnel in stretched.flat_map(|n| n.tunnels().chain(flood(n))) {
            *networks.entry(tunnel).or_default() += 1;
        }
        let mut interfaces: HashMap<TunnelId, Vec<String>> = HashMap::new();
        for (_, interface) in self.model.interfaces() {
            if let Carrier::Tunnel { tunnel, .. } = interface.carrier {
                let on = interfaces.entry(tunnel).or_default();
                on.push(interface.name.clone());
            }
        }
        let view = |vtep: &model::Vtep| {
            let mut routers = self.model.routers.iter();
            let router = routers.find(|router| router.id == vtep.router);
            let path = self.paths.learned(vtep.id);
            let counted = self.paths.counters(vtep.id).map(|counters| counters.iter());
            let path_events = counted.into_iter().flatten();
            let shown = Vtep {
                name: vtep.name.clone(),
                kind: kind(vtep.kind),
                router: router.map(|r| r.name.clone()).unwrap_or_default(),
                local: vtep.local,
                remote: vtep.remote,
                port: (vtep.port != 0).then_some(vtep.port),
                mtu: vtep.mtu,
                path_mtu: path.map(|path| path.mtu),
                path_mtu_seconds: path.map(|path| {
                    path.until
                        .saturating_duration_since(Instant::now())
                        .as_secs()
                }),
                networks: networks.get(&vtep.id).copied().unwrap_or_default(),
                interfaces: interfaces.get(&vtep.id).cloned().unwrap_or_default(),
                counters: api::VtepCounters::default(),
                path_events: path_events
                    .map(|(name, _, n)| (name.to_owned(), n))
                    .collect(),
            };
            (vtep.id, shown)
        };
        self.model.vteps.iter().map(view).collect()
    }
}

const fn kind(kind: TunnelKind) -> SegmentKind {
    match kind {
        TunnelKind::Vxlan => SegmentKind::Vxlan,
        TunnelKind::Geneve => SegmentKind::Geneve,
        TunnelKind::Gre => SegmentKind::Gre,
    }
}
