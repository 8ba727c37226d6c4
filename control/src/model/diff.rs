//! What a reload must do: the difference of two models, in the terms of the nouns.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use ipnet::IpNet;
use tables::classifier::SetId;
use tables::id::{AnchorId, IfaceId, NetworkId, PortId, TunnelId, VrfId};

use super::{Interface, Model, Route, Router, StaticNeighbor};

/// Additions and removals of one kind of thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta<T> {
    /// What is new.
    pub added: Vec<T>,
    /// What is gone.
    pub removed: Vec<T>,
}

impl<T> Default for Delta<T> {
    fn default() -> Self {
        Delta {
            added: Vec::new(),
            removed: Vec::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Delta<T> {
    /// The difference of two lists in which order does not matter.
    fn of(old: &[T], new: &[T]) -> Self {
        if old == new {
            return Self::default();
        }
        let (before, after): (HashSet<&T>, HashSet<&T>) =
            (old.iter().collect(), new.iter().collect());
        Delta {
            added: new
                .iter()
                .filter(|item| !before.contains(item))
                .cloned()
                .collect(),
            removed: old
                .iter()
                .filter(|item| !after.contains(item))
                .cloned()
                .collect(),
        }
    }
}

impl<T> Delta<T> {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// What changed on an interface that both models have (on the same device, network or tunnel, with the same tag, in the same router).
#[derive(Clone, Debug, PartialEq)]
pub struct InterfaceChange {
    /// The interface.
    pub id: IfaceId,
    /// Own addresses with their subnets.
    pub addresses: Delta<IpNet>,
    /// Anycast addresses.
    pub anycast: Delta<std::net::Ipv6Addr>,
    /// Static neighbours.
    pub neighbors: Delta<StaticNeighbor>,
    /// Whether the link-local address changed.
    pub link_local: bool,
    /// Whether something only the forwarding snapshot holds changed: MTU, uRPF, redirects, groups of tunnels.
    pub forwarding: bool,
    /// Whether neighbour discovery's parameters or proxied prefixes changed.
    pub nd: bool,
    /// Whether the router advertisements changed.
    pub ra: bool,
    /// Whether subnets, ports, a DHCP server, relay or client changed.
    pub dhcp: bool,
    /// Whether virtual routers changed.
    pub vrrp: bool,
    /// Whether BFD sessions changed.
    pub bfd: bool,
}

impl InterfaceChange {
    fn of(old: &Interface, new: &Interface) -> Option<Self> {
        let change = InterfaceChange {
            id: new.id,
            addresses: Delta::of(&old.addresses, &new.addresses),
            anycast: Delta::of(&old.anycast, &new.anycast),
            neighbors: Delta::of(&old.neighbors, &new.neighbors),
            link_local: old.link_local != new.link_local,
            forwarding: old.mtu != new.mtu
                || old.urpf_v4 != new.urpf_v4
                || old.urpf_v6 != new.urpf_v6
                || old.redirects != new.redirects
                || old.tunnel_groups != new.tunnel_groups,
            nd: old.nd != new.nd,
            ra: old.ra != new.ra,
            dhcp: old.subnets != new.subnets
                || old.ports != new.ports
                || old.dhcp6 != new.dhcp6
                || old.subnets4 != new.subnets4
                || old.dhcp4 != new.dhcp4
                || old.dhcp6_relay != new.dhcp6_relay
                || old.dhcp4_relay != new.dhcp4_relay
                || old.dhcp6_client != new.dhcp6_client,
            vrrp: old.vrrp != new.vrrp,
            bfd: old.bfd != new.bfd,
        };
        let nothing = change.addresses.is_empty()
            && change.anycast.is_empty()
            && change.neighbors.is_empty()
            && !change.link_local
            && !change.forwarding
            && !change.nd
            && !change.ra
            && !change.dhcp
            && !change.vrrp
            && !change.bfd;
        (!nothing).then_some(change)
    }
}

/// Everything that differs between two models. Ids are those of the new model, but for what was removed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Keys whose change needs a restart, such as `system.workers`. When there is one, a reload applies nothing.
    pub needs_restart: Vec<String>,
    /// The log filter changed.
    pub log: bool,
    /// What holds for all interfaces changed.
    pub forwarding: bool,
    /// Devices to open and to close. One whose options changed is in both, under its id.
    pub devices: Delta<PortId>,
    /// Peers of tunnels that are new or changed, and that are gone or changed.
    pub vteps: Delta<TunnelId>,
    /// Networks that are new or changed, and that are gone or changed.
    pub networks: Delta<NetworkId>,
    /// Routers to make and to remove.
    pub routers: Delta<VrfId>,
    /// Interfaces to make and to remove, with their router. One that moved (device, network, tag, MAC, router) is in both.
    pub interfaces: Delta<(VrfId, IfaceId)>,
    /// Interfaces that stay and change.
    pub changed: Vec<InterfaceChange>,
    /// Links behind relay agents that are new or changed, and that are gone or changed, by id.
    pub remote_links: Delta<u16>,
    /// Ports of tenants' machines that are new or changed, and that are gone or changed.
    pub ports: Delta<AnchorId>,
    /// Security groups and address groups that are new or changed, and that are gone or changed.
    pub groups: Delta<SetId>,
    /// What holds for all ports changed.
    pub security: bool,
    /// Static routes of routers that both models have; a new router's routes are in `added` and a removed one's in
    /// `removed` too.
    pub routes: Delta<(VrfId, Route)>,
}

impl Changes {
    /// Has a device that both models have closed and opened again, with its interfaces.
    pub fn reopen(&mut self, port: PortId, old: &Model, new: &Model) {
        let known = |model: &Model| model.device(port).is_some();
        if self.devices.added.contains(&port) || !known(old) || !known(new) {
            return;
        }
        self.devices.added.push(port);
        self.devices.removed.push(port);
        let on = |model: &Model| -> Vec<(VrfId, IfaceId)> {
            let on = model
                .interfaces()
                .filter(|(_, i)| i.carrier.device() == Some(port));
            on.map(|(router, i)| (router.id, i.id)).collect()
        };
        let (before, after) = (on(old), on(new));
        self.changed
            .retain(|change| !after.iter().any(|(_, iface)| *iface == change.id));
        for (list, add) in [
            (&mut self.interfaces.removed, before),
            (&mut self.interfaces.added, after),
        ] {
            for interface in add {
                if !list.contains(&interface) {
                    list.push(interface);
                }
            }
        }
    }

    /// Whether the models are the same.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }
}

/// What turns `old` into `new`, whose ids must be kept from `old` ([`Model::keep_ids`]).
pub fn diff(old: &Model, new: &Model) -> Changes {
    let mut changes = Changes {
        needs_restart: system(old, new),
        log: old.system.log != new.system.log,
        forwarding: old.forwarding != new.forwarding,
        ..Changes::default()
    };
    changes.devices = by_id(&old.devices, &new.devices, |device| device.id);
    changes.vteps = by_id(&old.vteps, &new.vteps, |vtep| vtep.id);
    changes.security = old.security != new.security;
    changes.ports = by_id(&old.ports, &new.ports, |port| port.id);
    changes.groups = groups(old, new);
    changes.networks = by_id(&old.networks, &new.networks, |network| network.id);
    routers(&old.routers, &new.routers, &mut changes);
    interfaces(old, new, &mut changes);
    remote_links(old, new, &mut changes);
    changes
}

fn system(old: &Model, new: &Model) -> Vec<String> {
    let (a, b) = (&old.system, &new.system);
    let fixed = [
        ("name", a.name != b.name),
        ("workers", a.workers != b.workers),
        ("idle", a.idle != b.idle),
        ("memory", a.memory != b.memory),
        ("hugepages", a.hugepages != b.hugepages),
        ("mbufs", a.mbufs != b.mbufs),
        ("mbuf_size", a.mbuf_size != b.mbuf_size),
        ("max_routers", a.max_routers != b.max_routers),
        ("max_interfaces", a.max_interfaces != b.max_interfaces),
        ("max_networks", a.max_networks != b.max_networks),
        ("max_vteps", a.max_vteps != b.max_vteps),
        ("max_stations", a.max_stations != b.max_stations),
        ("state_dir", a.state_dir != b.state_dir),
        ("api_socket", a.api_socket != b.api_socket),
        ("metrics", a.metrics != b.metrics),
    ];
    let changed = fixed.into_iter().filter(|(_, changed)| *changed);
    let (a, b) = (&old.security, &new.security);
    let security = [
        ("max_flows", a.max_flows != b.max_flows),
        ("max_ports", a.max_ports != b.max_ports),
        ("max_rules", a.max_rules != b.max_rules),
    ];
    let sized = security.into_iter().filter(|(_, changed)| *changed);
    changed
        .map(|(key, _)| format!("system.{key}"))
        .chain(sized.map(|(key, _)| format!("security.{key}")))
        .chain((old.pair != new.pair).then(|| "pair".to_owned()))
        .collect()
}

/// Those of both kinds.
fn groups(old: &Model, new: &Model) -> Delta<SetId> {
    let mut groups = by_id(&old.security_groups, &new.security_groups, |group| group.id);
    let addresses = by_id(&old.address_groups, &new.address_groups, |group| group.id);
    groups.added.extend(addresses.added);
    groups.removed.extend(addresses.removed);
    groups
}

/// What is new or changed, and what is gone or changed.
fn by_id<T: PartialEq, Id: Copy + Eq + Hash>(
    old: &[T],
    new: &[T],
    id: impl Fn(&T) -> Id,
) -> Delta<Id> {
    let before: HashMap<Id, &T> = old.iter().map(|item| (id(item), item)).collect();
    let after: HashMap<Id, &T> = new.iter().map(|item| (id(item), item)).collect();
    let differs = |id: &Id| before.get(id) != after.get(id);
    Delta {
        added: new.iter().map(&id).filter(differs).collect(),
        removed: old.iter().map(&id).filter(differs).collect(),
    }
}

fn routers(old: &[Router], new: &[Router], changes: &mut Changes) {
    let ids = |routers: &[Router]| routers.iter().map(|router| router.id).collect::<Vec<_>>();
    changes.routers = Delta::of(&ids(old), &ids(new));
    let routes = |routers: &[Router]| -> Vec<(VrfId, Route)> {
        let of = |router: &Router| -> Vec<(VrfId, Route)> {
            router
                .routes
                .iter()
                .map(|route| (router.id, route.clone()))
                .collect()
        };
        routers.iter().flat_map(of).collect()
    };
    changes.routes = Delta::of(&routes(old), &routes(new));
}

fn remote_links(old: &Model, new: &Model, changes: &mut Changes) {
    let by_id = |model: &Model| -> HashMap<u16, (VrfId, super::RemoteLink)> {
        let links = model.remote_links();
        links
            .map(|(router, link)| (link.id, (router.id, link.clone())))
            .collect()
    };
    let (before, after) = (by_id(old), by_id(new));
    let differs = |id: &&u16| before.get(id) != after.get(id);
    let sorted = |links: &HashMap<u16, _>| {
        let mut ids: Vec<u16> = links.keys().filter(differs).copied().collect();
        ids.sort_unstable();
        ids
    };
    changes.remote_links = Delta {
        added: sorted(&after),
        removed: sorted(&before),
    };
}

fn interfaces(old: &Model, new: &Model, changes: &mut Changes) {
    let reopened: HashSet<PortId> = changes.devices.added.iter().copied().collect();
    let before: HashMap<IfaceId, (VrfId, &Interface)> = old
        .interfaces()
        .map(|(router, interface)| (interface.id, (router.id, interface)))
        .collect();
    let mut stayed = HashSet::new();
    for (router, interface) in new.interfaces() {
        let same_place = before.get(&interface.id).filter(|(vrf, was)| {
            *vrf == router.id
                && was.carrier == interface.carrier
                && was.mac == interface.mac
                && !was
                    .carrier
                    .device()
                    .is_some_and(|port| reopened.contains(&port))
        });
        match same_place {
            Some((_, was)) => {
                stayed.insert(interface.id);
                changes.changed.extend(InterfaceChange::of(was, interface));
            }
            None => changes.interfaces.added.push((router.id, interface.id)),
        }
    }
    changes.interfaces.removed = old
        .interfaces()
        .map(|(router, interface)| (router.id, interface.id))
        .filter(|(_, id)| !stayed.contains(id))
        .collect();
}
