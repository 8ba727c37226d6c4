//! What the API sees: the engine's state in the API's nouns.

use std::net::IpAddr;

use api::{
    Address, AddressOrigin, AddressState, Candidate, Exit, ExplainQuery, ExplainStep,
    InterfaceState, Route, RouteCount, RouteExplain, RouteKind, RouteNextHop, RouteQuery,
    RouteSource,
};
use dataplane::stages::route::MAX_ROUTERS;
use ipnet::IpNet;
use tables::id::{IfaceId, NextHopId, VrfId};
use tables::next_hop::NextHopKind;

use super::Engine;
use super::addresses::own_addresses;
use super::configure::vlans;
use crate::api::Error;
use crate::bus::unmapped;
use crate::compile::routes::{Explanation, Resolution, RibRoute, Source, Target};
use crate::model::{Carrier, Interface, RouteTarget, Router};
use protocols::{nd, vrrp};

/// An interface as far as the engine knows it; counters come from the workers.
#[derive(Clone, Debug)]
pub struct InterfaceView {
    /// Its id.
    pub id: IfaceId,
    /// What the API shows; counters zero.
    pub shown: api::Interface,
}

impl Engine {
    /// Interfaces in the order of the configuration.
    pub fn interfaces(&self) -> Vec<InterfaceView> {
        self.model
            .interfaces()
            .map(|(router, interface)| self.interface(router, interface))
            .collect()
    }

    fn interface(&self, router: &Router, interface: &Interface) -> InterfaceView {
        let mac = self.mac(interface);
        let port = interface.carrier.device();
        let device = port.and_then(|port| self.model.device(port));
        let device = device.map(|d| d.name.clone()).unwrap_or_default();
        let state = match port.map(|port| self.links.get(&port)) {
            Some(Some(true)) => InterfaceState::Up,
            Some(Some(false)) => InterfaceState::LinkDown,
            Some(None) => InterfaceState::DeviceGone,
            None if self.carried.contains(&interface.id) => InterfaceState::Up,
            None => InterfaceState::LinkDown,
        };
        let own = own_addresses(interface, mac).into_iter().filter_map(|own| {
            Some(Address {
                address: IpNet::new(own.addr, own.prefix_len).ok()?,
                state: self.state_of(interface.id, own.addr),
                origin: AddressOrigin::Own,
                vrid: None,
                anycast: own.anycast,
            })
        });
        let addresses = own.chain(self.virtual_addresses(interface)).collect();
        let shown = api::Interface {
            name: interface.name.clone(),
            router: router.name.clone(),
            device,
            network: interface.carrier.network().map(|id| self.network_name(id)),
            vtep: match interface.carrier {
                Carrier::Tunnel { tunnel, .. } => {
                    self.model.vtep(tunnel).map(|vtep| vtep.name.clone())
                }
                Carrier::Device { .. } | Carrier::Network(_) => None,
            },
            vlans: vlans(interface.carrier.tag()),
            mac: api_mac(mac),
            mtu: interface.mtu,
            state,
            addresses,
            counters: api::InterfaceCounters::default(),
        };
        InterfaceView {
            id: interface.id,
            shown,
        }
    }

    /// Addresses of the virtual routers of an interface, with the length of the subnet that each is on.
    fn virtual_addresses<'a>(
        &'a self,
        interface: &'a Interface,
    ) -> impl Iterator<Item = Address> + 'a {
        let all = interface.vrrp.iter();
        let all = all.flat_map(|group| group.addresses().iter().map(move |addr| (group, *addr)));
        all.filter_map(move |(group, addr)| {
            let mut subnets = interface.addresses.iter();
            let subnet = subnets.find(|net| net.contains(&addr));
            let state = match self.virtual_state(group.id(interface.id)) {
                vrrp::State::Active => AddressState::Active,
                vrrp::State::Backup => AddressState::Backup,
                vrrp::State::Initialize => AddressState::Initialize,
            };
            Some(Address {
                // What is on no subnet is link-local.
                address: IpNet::new(addr, subnet.map_or(64, IpNet::prefix_len)).ok()?,
                state,
                origin: AddressOrigin::Virtual,
                vrid: Some(group.vrid),
                anycast: false,
            })
        })
    }

    fn state_of(&self, iface: IfaceId, addr: IpAddr) -> AddressState {
        match self.addresses.get(&(iface, addr)) {
            Some(nd::AddressState::Valid) => AddressState::Valid,
            Some(nd::AddressState::Duplicate) => AddressState::Duplicate,
            Some(nd::AddressState::Tentative) | None => AddressState::Tentative,
        }
    }

    /// Routes that a query selects, by router and prefix.
    ///
    /// # Errors
    /// When it names a router that does not exist.
    pub fn routes(&self, query: &RouteQuery) -> Result<Vec<Route>, Error> {
        if let Some(name) = &query.router {
            self.named_router(Some(name))?;
        }
        let mut found = Vec::new();
        for router in &self.model.routers {
            if query
                .router
                .as_ref()
                .is_some_and(|name| *name != router.name)
            {
                continue;
            }
            let Some(rib) = self.ribs.get(&router.id) else {
                continue;
            };
            let mut routes: Vec<(&RibRoute, Option<&Resolution>)> = rib
                .iter()
                .filter(|(route, _)| {
                    query
                        .prefix
                        .is_none_or(|within| within.contains(&route.prefix))
                })
                .collect();
            routes.sort_by(|(a, _), (b, _)| {
                let order =
                    |r: &RibRoute| (r.prefix.addr().is_ipv4(), r.prefix, r.distance, r.source);
                order(a).cmp(&order(b))
            });
            found.extend(
                routes
                    .into_iter()
                    .map(|(route, used)| self.route(router, route, used)),
            );
        }
        Ok(found)
    }

    fn route(&self, router: &Router, route: &RibRoute, used: Option<&Resolution>) -> Route {
        Route {
            router: router.name.clone(),
            prefix: route.prefix,
            source: source(route.source),
            distance: route.distance,
            kind: kind(&route.target),
            next_hops: self.next_hops(route, used),
            to_router: match &route.target {
                Target::Route(RouteTarget::Router(vrf)) => Some(self.vrf_name(*vrf)),
                _ => None,
            },
            installed: used.is_some(),
        }
    }

    fn next_hops(&self, route: &RibRoute, used: Option<&Resolution>) -> Vec<RouteNextHop> {
        let on = |iface: IfaceId| RouteNextHop {
            interface: self.interface_name(iface),
            via: None,
            weight: 1,
            resolved: true,
        };
        match (&route.target, used) {
            (Target::Local(iface) | Target::Connected(iface), _) => vec![on(*iface)],
            (_, Some(Resolution::Via(hops))) => hops
                .iter()
                .map(|hop| RouteNextHop {
                    interface: self.interface_name(hop.iface),
                    via: Some(hop.gateway),
                    weight: hop.weight,
                    resolved: self.publisher.is_resolved(hop.iface, hop.gateway),
                })
                .collect(),
            (_, Some(Resolution::Connected(iface) | Resolution::Local(iface))) => vec![on(*iface)],
            _ => route
                .hops()
                .iter()
                .map(|hop| RouteNextHop {
                    interface: hop.interface.and_then(|iface| self.interface_name(iface)),
                    via: hop.gateway,
                    weight: hop.weight,
                    resolved: false,
                })
                .collect(),
        }
    }

    /// Why packets to an address go where they go; the neighbours' states are filled in by whoever knows them.
    ///
    /// # Errors
    /// When it names a router that does not exist.
    pub fn explain(
        &self,
        query: &ExplainQuery,
    ) -> Result<(RouteExplain, Vec<(IfaceId, IpAddr)>), Error> {
        let router = self.named_router(query.router.as_deref())?;
        let rib = self
            .ribs
            .get(&router.id)
            .ok_or_else(|| Error::Internal("the router has no table".into()))?;
        let told = rib.explain(query.address);
        let (mut why, mut chain) = (self.sentence(router, &told), told.chain.clone());
        let mut end = told.resolution.clone();
        for _ in 0..MAX_ROUTERS {
            let Some(Resolution::Router(vrf)) = end else {
                break;
            };
            let next = self.model.routers.iter().find(|router| router.id == vrf);
            let Some((router, rib)) = next.zip(self.ribs.get(&vrf)) else {
                break;
            };
            let further = rib.explain(query.address);
            why = format!("{why}; there {}", self.sentence(router, &further));
            chain.extend(further.chain);
            end = further.resolution;
        }
        let hops: Vec<(IfaceId, IpAddr, u16)> = match &end {
            Some(Resolution::Via(hops)) => hops
                .iter()
                .map(|h| (h.iface, h.gateway, h.weight))
                .collect(),
            Some(Resolution::Connected(iface)) => vec![(*iface, query.address, 1)],
            _ => Vec::new(),
        };
        let exits = hops
            .iter()
            .map(|(iface, neighbor, weight)| Exit {
                interface: self.interface_name(*iface).unwrap_or_default(),
                neighbor: *neighbor,
                neighbor_state: None,
                mac: None,
                weight: *weight,
            })
            .collect();
        let candidate = |(route, why): &(RibRoute, crate::compile::routes::WhyNot)| Candidate {
            prefix: route.prefix,
            source: source(route.source),
            kind: kind(&route.target),
            why_not: why.to_string(),
        };
        let step = |step: &crate::compile::routes::Step| ExplainStep {
            lookup: step.lookup,
            prefix: step.route.prefix,
            source: source(step.route.source),
            kind: kind(&step.route.target),
            via: step
                .route
                .hops()
                .iter()
                .filter_map(|hop| hop.gateway)
                .collect(),
        };
        let explain = RouteExplain {
            router: router.name.clone(),
            address: query.address,
            prefix: told.route.as_ref().map(|r| r.prefix),
            source: told.route.as_ref().map(|r| source(r.source)),
            kind: told.route.as_ref().map(|r| kind(&r.target)),
            chain: chain.iter().map(step).collect(),
            exits,
            why,
            candidates: told.passed_over.iter().map(candidate).collect(),
        };
        Ok((
            explain,
            hops.into_iter()
                .map(|(iface, addr, _)| (iface, addr))
                .collect(),
        ))
    }

    fn sentence(&self, router: &Router, told: &Explanation) -> String {
        let address = told.address;
        let Some(route) = &told.route else {
            return format!(
                "router {} has no route that covers {address}: it is answered with no route",
                router.name
            );
        };
        let name = |iface: &IfaceId| self.interface_name(*iface).unwrap_or_default();
        let end = match &told.resolution {
            Some(Resolution::Local(iface)) => {
                format!("is an own address of interface {}", name(iface))
            }
            Some(Resolution::Connected(iface)) => {
                format!("is on the link of interface {}", name(iface))
            }
            Some(Resolution::Via(hops)) => {
                let each = hops
                    .iter()
                    .map(|h| format!("{} on {}", h.gateway, name(&h.iface)));
                format!(
                    "is reached through {}",
                    each.collect::<Vec<_>>().join(" or ")
                )
            }
            Some(Resolution::Blackhole) => "is dropped silently".into(),
            Some(Resolution::Unreachable) => "is answered with unreachable".into(),
            Some(Resolution::Prohibit) => "is answered with administratively prohibited".into(),
            Some(Resolution::Router(vrf)) => {
                format!("is looked up further in router {}", self.vrf_name(*vrf))
            }
            None => "leads nowhere".into(),
        };
        format!(
            "{address} {end}, because {} is the longest matching prefix in router {} ({} route)",
            route.prefix,
            router.name,
            source(route.source)
        )
    }

    /// Routes in use, by router.
    pub fn route_counts(&self) -> Vec<RouteCount> {
        self.model
            .routers
            .iter()
            .filter_map(|router| {
                let (ipv6, ipv4) = self.ribs.get(&router.id)?.counts();
                Some(RouteCount {
                    router: router.name.clone(),
                    ipv6: ipv6 as u64,
                    ipv4: ipv4 as u64,
                })
            })
            .collect()
    }

    /// A next hop in words, for traces of packets that came in by `from`: of another router it says which.
    pub fn next_hop_told(&self, id: NextHopId, from: IfaceId) -> String {
        let told = self.next_hop_text(id);
        let next_hop = self.publisher.next_hop(id);
        let out = next_hop.and_then(|next_hop| self.vrf_of(next_hop.iface));
        match self.vrf_of(from).zip(out).filter(|(from, out)| from != out) {
            Some((_, out)) => format!("{told} of router {}", self.vrf_name(out)),
            None => told,
        }
    }

    fn next_hop_text(&self, id: NextHopId) -> String {
        let Some(next_hop) = self.publisher.next_hop(id) else {
            return format!("next hop {id}, gone");
        };
        let on = self
            .interface_name(next_hop.iface)
            .unwrap_or_else(|| "?".into());
        let gateway = unmapped(next_hop.gateway);
        match next_hop.kind {
            NextHopKind::Forward | NextHopKind::Bridge => format!("via {gateway} dev {on}"),
            NextHopKind::Tunnel => format!("into tunnel {on}"),
            NextHopKind::Incomplete => format!("via {gateway} dev {on}, unresolved"),
            NextHopKind::Glean => format!("connected dev {on}"),
            NextHopKind::Local => format!("local dev {on}"),
            NextHopKind::Group => format!("group {}", next_hop.group),
            NextHopKind::Blackhole => "blackhole".into(),
            NextHopKind::Unreachable => "unreachable".into(),
            NextHopKind::Prohibit => "prohibit".into(),
            NextHopKind::Router => format!("router {}", self.vrf_name(next_hop.vrf)),
            NextHopKind::NoRoute => "no route".into(),
        }
    }

    /// The name of a router.
    fn vrf_name(&self, vrf: VrfId) -> String {
        let mut routers = self.model.routers.iter();
        let router = routers.find(|router| router.id == vrf);
        router.map_or_else(|| "?".into(), |router| router.name.clone())
    }

    /// An interface's name.
    pub fn interface_name(&self, iface: IfaceId) -> Option<String> {
        self.model
            .interface(iface)
            .map(|interface| interface.name.clone())
    }

    /// An interface's id.
    pub fn interface_id(&self, name: &str) -> Option<IfaceId> {
        self.model
            .interfaces()
            .find(|(_, i)| i.name == name)
            .map(|(_, i)| i.id)
    }

    /// The name of an interface's router.
    pub fn router_name(&self, iface: IfaceId) -> Option<String> {
        let placed = self.model.placed(iface);
        placed.map(|(router, _)| router.name.clone())
    }

    /// The intent that holds.
    pub fn model(&self) -> &crate::model::Model {
        &self.model
    }

    /// An interface's MAC.
    pub fn mac_of(&self, iface: IfaceId) -> Option<wire::MacAddr> {
        self.model
            .interface(iface)
            .map(|interface| self.mac(interface))
    }

    /// Reloads so far.
    pub fn reload_counters(&self) -> api::ReloadCounters {
        api::ReloadCounters {
            applied: self.reloads.applied,
            refused: self.reloads.refused,
        }
    }

    /// What the operator should know.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// A MAC as the API shows it.
pub fn api_mac(mac: wire::MacAddr) -> api::Mac {
    api::Mac(mac.octets())
}

fn source(source: Source) -> RouteSource {
    match source {
        Source::Local => RouteSource::Local,
        Source::Connected => RouteSource::Connected,
        Source::Static => RouteSource::Static,
        Source::Api => RouteSource::Api,
        Source::Delegated => RouteSource::Delegated,
    }
}

fn kind(target: &Target) -> RouteKind {
    match target {
        Target::Local(_) => RouteKind::Local,
        Target::Connected(_) => RouteKind::Connected,
        Target::Route(RouteTarget::Via(_)) => RouteKind::Forward,
        Target::Route(RouteTarget::Blackhole) => RouteKind::Blackhole,
        Target::Route(RouteTarget::Unreachable) => RouteKind::Unreachable,
        Target::Route(RouteTarget::Prohibit) => RouteKind::Prohibit,
        Target::Route(RouteTarget::Router(_)) => RouteKind::Router,
    }
}
