//! The file as a whole: its sections in turn, and what must hold between them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::{IpNet, Ipv4Net};
use tables::id::{IfaceId, NetworkId, PortId, TunnelId, VrfId};

use super::dhcp6::Leased;
use super::leak::{self, Leak};
use super::network::NetworksSeen;
use super::reader::{Place, Table};
use super::relay::RelaysSeen;
use super::schema::{INTERFACE, NETWORK, REMOTE_LINK, ROOT, ROUTE, ROUTER, VTEP};
use super::security::{self, GroupsSeen};
use super::vtep::{self, VtepsSeen};
use super::{
    delegated, device, dhcp6, forwarding, interface, network, pair, route, system, tenant_port,
};
use crate::model::{Interface, Model, Network, Router, System, Tag, Vtep};

/// Most devices and interfaces that ids leave room for; a file never comes near.
pub(super) const MAX_ITEMS: usize = 16_384;

/// Longest name, characters.
const MAX_NAME: usize = 32;

/// Reads the document. With faults recorded the model is only good for the checks that follow.
pub(super) fn read(mut root: Table<'_>) -> Model {
    root.check_keys(&[&ROOT]);
    let system = system::read(root.get("system").and_then(|value| value.table()));

    let forwarding = forwarding::read(root.get("forwarding").and_then(|value| value.table()));

    let mut seen = Seen::default();
    let mut devices = Vec::new();
    for (index, table) in root
        .raw_tables("device")
        .into_iter()
        .enumerate()
        .take(MAX_ITEMS)
    {
        let id = PortId(index as u16);
        let device = device::read(table, id, &mut seen.devices);
        if let Some(device) = device {
            seen.device_mtu
                .insert(device.name.clone(), (id, device.mtu));
            devices.push(device);
        }
    }
    let router_tables = root.tables("router", &ROUTER);
    let most = system.max_routers;
    check_count(&root, "router", router_tables.len(), "max_routers", most);
    for (index, table) in router_tables.iter().enumerate().take(MAX_ITEMS) {
        let name = table.get("name").and_then(|name| name.as_text());
        if let Some(name) = name {
            let id = seen.router_ids.entry(name);
            id.or_insert(VrfId(index as u16));
        }
    }
    let mut vteps = read_vteps(&root, &system, &mut seen);
    let networks = read_networks(&root, &system, &mut seen);
    let security = security::read(root.get("security").and_then(|value| value.table()));
    let pair = pair::read(root.get("pair").and_then(|value| value.table()), &security);
    let (address_groups, security_groups) =
        security::read_groups(&root, &security, &mut seen.groups);
    let mut routers = Vec::new();
    for (index, table) in router_tables.iter().enumerate().take(MAX_ITEMS) {
        routers.push(read_router(table, VrfId(index as u16), &mut seen));
    }
    let (count, most) = (seen.interface_count, system.max_interfaces);
    check_count(&root, "router", count, "max_interfaces", most);
    vtep::check_local(&root, &routers, &seen.vteps);
    leak::check(&root, &routers, &seen.leaks);
    vtep::join_groups(&root, &mut vteps, &mut routers, &seen.vteps);
    let ports = tenant_port::read(&root, &security, (&networks, &routers), &seen);
    for device in &devices {
        let unused = !seen.tags.keys().any(|(port, _)| *port == device.id);
        if let (true, Some(at)) = (unused, seen.devices.places.get(&device.name)) {
            root.cx.warn(
                at,
                format_args!("device \"{}\" has no interface and no network", device.name),
            );
        }
    }
    Model {
        system,
        forwarding,
        pair,
        devices,
        vteps,
        networks,
        routers,
        security,
        address_groups,
        security_groups,
        ports,
    }
}

/// Faults more tables than `[system]` leaves room for.
fn check_count(root: &Table<'_>, of: &'static str, count: usize, limit: &'static str, most: u16) {
    if usize::from(most) < count {
        let what = match limit {
            "max_interfaces" => " interfaces",
            _ => "",
        };
        let why = format!("{count}{what} are more than `system.{limit}`, {most}");
        root.fault(of, why);
    }
}

fn read_vteps(root: &Table<'_>, system: &System, seen: &mut Seen) -> Vec<Vtep> {
    let tables = root.tables("vtep", &VTEP);
    check_count(root, "vtep", tables.len(), "max_vteps", system.max_vteps);
    let read = |(index, table): (usize, &Table<'_>)| {
        let id = TunnelId(index as u16 + 1);
        vtep::read(table, id, seen)
    };
    let tables = tables.iter().enumerate().take(MAX_ITEMS);
    tables.filter_map(read).collect()
}

fn read_networks(root: &Table<'_>, system: &System, seen: &mut Seen) -> Vec<Network> {
    let tables = root.tables("network", &NETWORK);
    let most = system.max_networks;
    check_count(root, "network", tables.len(), "max_networks", most);
    let read = |(index, table): (usize, &Table<'_>)| {
        let id = NetworkId(index as u16 + 1);
        network::read(table, id, seen)
    };
    let tables = tables.iter().enumerate().take(MAX_ITEMS);
    tables.filter_map(read).collect()
}

fn read_router(table: &Table<'_>, id: VrfId, seen: &mut Seen) -> Router {
    let name = seen.routers.take(table, "router");
    let mut subnets = Subnets::default();
    let mut interfaces: Vec<Interface> = Vec::new();
    let tables = table.tables("interface", &INTERFACE);
    seen.relays = RelaysSeen::default();
    // The same may be leased out in another router.
    seen.leased.clear();
    seen.leased4.clear();
    let names = tables.iter().filter_map(|t| t.get("name"));
    seen.relays.interfaces = names.filter_map(|name| name.as_text()).collect();
    for table in tables {
        let id = IfaceId(seen.interface_count as u16 + 1);
        seen.interface_count = (seen.interface_count + 1).min(MAX_ITEMS);
        interfaces.extend(interface::read(&table, id, seen, &mut subnets));
    }
    delegated::check(table, &std::mem::take(&mut seen.delegated), &interfaces);
    let peers = std::mem::take(&mut seen.bfd_peers);
    for (peer, at) in std::mem::take(&mut seen.bfd_tracks) {
        if !peers.contains(&peer) {
            let why = format_args!("no interface of this router has a BFD session with {peer}");
            table.cx.fault(&at, why);
        }
    }
    let mut remote_links = Vec::new();
    for table in table.tables("remote_link", &REMOTE_LINK) {
        let id = seen.remote_link_count as u16;
        seen.remote_link_count = (seen.remote_link_count + 1).min(MAX_ITEMS);
        remote_links.extend(dhcp6::remote_link(&table, id, seen));
    }
    let routes = route::read(&table.tables("route", &ROUTE), id, &interfaces, seen);
    Router {
        id,
        name: name.unwrap_or_default(),
        interfaces,
        routes,
        remote_links,
    }
}

/// What the sections have seen, for the checks between them.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) devices: Names,
    pub(super) routers: Names,
    pub(super) interfaces: Names,
    /// Devices that were read whole, with their MTU.
    pub(super) device_mtu: HashMap<String, (PortId, u16)>,
    /// Ids of routers that are named, read or not.
    pub(super) router_ids: HashMap<String, VrfId>,
    pub(super) vteps: VtepsSeen,
    pub(super) networks: NetworksSeen,
    pub(super) groups: GroupsSeen,
    /// Which interface or network has a tag of a device: the noun with its article, and the name.
    pub(super) tags: HashMap<(PortId, Tag), (&'static str, String)>,
    /// Which interface is a tunnel with a key.
    pub(super) tunnels: HashMap<(TunnelId, Option<u32>), String>,
    /// Prefixes of which the router that is read gives leases, each with whose they are.
    pub(super) leased: Vec<Leased>,
    /// The same of IPv4.
    pub(super) leased4: Vec<(Ipv4Net, String)>,
    /// What the interfaces of the router at hand want of delegated prefixes.
    pub(super) delegated: Vec<delegated::Claim>,
    /// Routes into other routers' tables.
    pub(super) leaks: Vec<Leak>,
    /// Relays of the router that is read.
    pub(super) relays: RelaysSeen,
    /// BFD sessions of all routers.
    pub(super) bfd_sessions: usize,
    /// Peers of BFD sessions of the router that is read.
    pub(super) bfd_peers: Vec<IpAddr>,
    /// Peers that its virtual routers watch, each with where that stands.
    pub(super) bfd_tracks: Vec<(IpAddr, Place)>,
    /// Numbers of the DHCPv6 client's associations, each with the interface they are of.
    pub(super) iaids: Vec<(RangeInclusive<u64>, String)>,
    interface_count: usize,
    remote_link_count: usize,
}

/// Names of one kind of thing, each with where it was given.
#[derive(Default)]
pub(super) struct Names {
    places: HashMap<String, Place>,
}

impl Names {
    /// Reads the key `name` of `table`: well formed, and not seen before among things of this `noun`.
    pub(super) fn take(&mut self, table: &Table<'_>, noun: &str) -> Option<String> {
        let value = table.require("name")?;
        let name = value.string()?;
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(good) {
            value.fault(format_args!(
                "\"{name}\" is not a name: 1 to {MAX_NAME} letters, digits, `-`, `_` or `.`"
            ));
            return None;
        }
        if let Some(first) = self.places.get(name) {
            let parent = first.path.trim_end_matches(".name");
            value.fault(format_args!(
                "{parent} is already the {noun} named \"{name}\""
            ));
            return None;
        }
        self.places.insert(name.to_owned(), value.at.clone());
        Some(name.to_owned())
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }
}

/// The subnets of a router, to find overlaps.
#[derive(Default)]
pub(super) struct Subnets {
    list: Vec<(IpNet, IfaceId, String)>,
}

impl Subnets {
    /// The path of an address of another interface whose subnet overlaps that of `net`, or of the same address.
    pub(super) fn overlap(&self, net: &IpNet, iface: IfaceId) -> Option<&str> {
        let clash = |(other, owner, _): &&(IpNet, IfaceId, String)| {
            if *owner == iface {
                other.addr() == net.addr()
            } else {
                other.contains(&net.network()) || net.contains(&other.network())
            }
        };
        self.list
            .iter()
            .find(clash)
            .map(|(_, _, path)| path.as_str())
    }

    pub(super) fn insert(&mut self, net: IpNet, iface: IfaceId, path: String) {
        self.list.push((net, iface, path));
    }
}
