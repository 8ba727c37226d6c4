//! The `[[port]]` tables.

use std::collections::HashMap;
use std::net::IpAddr;

use dataplane::guard::{Learning, Mode, Roles};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tables::classifier::SetId;
use tables::id::{AnchorId, PortId};
use wire::MacAddr;

use super::document::{MAX_ITEMS, Names, Seen};
use super::interface::{device, hint, same_tag};
use super::net;
use super::reader::{Table, Value};
use super::schema::{ADDRESS_PAIR, TENANT_PORT};
use super::security::{DEFAULT, prefix};
use crate::model::security::{AddressPair, Security, TenantPort};
use crate::model::{Carrier, Network, Router, Tag};

/// Most pairs of a port, as Neutron has it.
const MAX_PAIRS: usize = 10;

/// What a port is on: the noun with its article, and the name.
type Link = (&'static str, String);

/// What earlier ports have.
#[derive(Default)]
struct Taken {
    names: Names,
    places: HashMap<(PortId, Tag), String>,
    macs: HashMap<(Link, MacAddr), String>,
    addresses: HashMap<(Link, IpAddr), String>,
}

/// Reads the ports, when everything that they are plugged into has been read.
pub(super) fn read(
    root: &Table<'_>,
    security: &Security,
    (networks, routers): (&[Network], &[Router]),
    seen: &Seen,
) -> Vec<TenantPort> {
    let mut taken = Taken::default();
    let tables = root.tables("port", &TENANT_PORT);
    let (count, most) = (tables.len(), security.max_ports);
    if usize::from(most) < count {
        let why = format!("{count} are more than `security.max_ports`, {most}");
        root.fault("port", why);
    }
    own_addresses(networks, routers, &mut taken);
    let read = |(index, table): (usize, &Table<'_>)| {
        port(
            table,
            AnchorId(index as u16 + 1),
            security,
            &mut taken,
            seen,
        )
    };
    let tables = tables.iter().enumerate().take(MAX_ITEMS);
    tables.filter_map(read).collect()
}

/// Addresses of our own on links are no port's.
fn own_addresses(networks: &[Network], routers: &[Router], taken: &mut Taken) {
    for interface in routers.iter().flat_map(|router| &router.interfaces) {
        let link = match interface.carrier {
            Carrier::Network(id) => match networks.iter().find(|network| network.id == id) {
                Some(network) => ("a network", network.name.clone()),
                None => continue,
            },
            Carrier::Device { .. } => ("an interface", interface.name.clone()),
            Carrier::Tunnel { .. } => continue,
        };
        for virtual_router in &interface.vrrp {
            for address in virtual_router.addresses().iter().copied() {
                let owner = format!("a virtual router of interface \"{}\"", interface.name);
                taken
                    .addresses
                    .entry((link.clone(), address))
                    .or_insert(owner);
            }
        }
        for net in &interface.addresses {
            let owner = format!("interface \"{}\"", interface.name);
            let place = (link.clone(), net.addr());
            taken.addresses.entry(place).or_insert(owner);
        }
    }
}

fn port(
    table: &Table<'_>,
    id: AnchorId,
    security: &Security,
    taken: &mut Taken,
    seen: &Seen,
) -> Option<TenantPort> {
    let name = taken.names.take(table, "port");
    let path = &table.at.path;
    let place = place(table, seen);
    if let Some((device, tag, _)) = &place {
        match taken.places.get(&(*device, *tag)) {
            Some(other) => {
                table.fault("device", format_args!("{other} is plugged there already"));
            }
            None => {
                taken.places.insert((*device, *tag), path.clone());
            }
        }
    }
    let link = place.as_ref().map(|(_, _, link)| link.clone());
    let mac = table.get("mac_address").and_then(|value| net::mac(&value));
    if let (Some(link), Some(mac)) = (&link, mac) {
        let owner = taken.macs.entry((link.clone(), mac));
        if let std::collections::hash_map::Entry::Occupied(owner) = &owner {
            let why = format!("{mac} is the address of {} already", owner.get());
            table.fault("mac_address", why);
        }
        owner.or_insert_with(|| path.clone());
    }
    let fixed_ips = fixed_ips(table, link.as_ref(), taken);
    let pairs = pairs(table);
    let port_security = table.boolean("port_security_enabled").unwrap_or(true);
    let groups = groups(table, port_security, seen);
    if !port_security && !pairs.is_empty() {
        table.fault(
            "allowed_address_pairs",
            "need port security: `port_security_enabled` is false",
        );
    }
    let default_flows = (security.max_flows / 8).max(1);
    let port = TenantPort {
        id,
        mac,
        fixed_ips,
        pairs,
        port_security,
        groups,
        mode: table
            .choice(
                "guard",
                &[("enforce", Mode::Enforce), ("observe", Mode::Observe)],
            )
            .unwrap_or_default(),
        roles: roles(table),
        learning: table
            .choice(
                "address_learning",
                &[("fcfs", Learning::Fcfs), ("none", Learning::None)],
            )
            .unwrap_or_default(),
        max_addresses: table.integer("max_addresses", 0..=1024).unwrap_or(16),
        max_flows: table
            .integer("max_flows", 1..=u64::from(security.max_flows))
            .unwrap_or(default_flows),
        name: name?,
        device: place.as_ref()?.0,
        tag: place?.1,
    };
    Some(port)
}

/// Where it is plugged, and on which link that is.
fn place(table: &Table<'_>, seen: &Seen) -> Option<(PortId, Tag, Link)> {
    let vlan: Option<u16> = table.integer("vlan", 1..=4094);
    let outer: Option<u16> = table.integer("outer", 1..=4094);
    let given = |name| table.get(name).is_some();
    let device = device(table, seen);
    if (given("vlan") && vlan.is_none()) || (given("outer") && outer.is_none()) {
        return None;
    }
    let (port, _) = device?;
    let tag = match (outer, vlan) {
        (None, None) => Tag::Untagged,
        (None, Some(vlan)) => Tag::Vlan(vlan),
        (Some(outer), Some(inner)) => Tag::QinQ {
            outer_tpid: 0x88a8,
            outer,
            inner,
        },
        (Some(_), None) => {
            table.fault("outer", "needs `vlan`, the inner tag");
            return None;
        }
    };
    let Some((noun, name)) = seen.tags.get(&(port, same_tag(tag))) else {
        let why = "no network and no interface is on this device with these tags";
        table.fault("device", why);
        return None;
    };
    Some((port, tag, (*noun, name.clone())))
}

fn fixed_ips(table: &Table<'_>, link: Option<&Link>, taken: &mut Taken) -> Vec<IpAddr> {
    let items = table.get("fixed_ips").and_then(|value| value.items());
    let mut addresses = Vec::new();
    for item in items.unwrap_or_default() {
        let Some(address) = net::unicast(&item) else {
            continue;
        };
        let Some(link) = link else { continue };
        let place = (link.clone(), address);
        if let Some(owner) = taken.addresses.get(&place) {
            item.fault(format_args!("{address} is an address of {owner} already"));
            continue;
        }
        taken.addresses.insert(place, table.at.path.clone());
        addresses.push(address);
    }
    addresses
}

fn pairs(table: &Table<'_>) -> Vec<AddressPair> {
    let mut pairs = Vec::new();
    let tables = table.tables("allowed_address_pairs", &ADDRESS_PAIR);
    if MAX_PAIRS < tables.len() {
        let why = format!("{} are more than {MAX_PAIRS}", tables.len());
        table.fault("allowed_address_pairs", why);
    }
    for entry in tables {
        let address = entry.require("ip_address");
        let prefix = address.as_ref().and_then(unicast_prefix);
        let mac = entry.get("mac_address").and_then(|value| net::mac(&value));
        let Some(prefix) = prefix else { continue };
        let pair = AddressPair { prefix, mac };
        if pairs.contains(&pair) {
            entry.fault(
                "ip_address",
                format_args!("{prefix} stands in an earlier pair"),
            );
            continue;
        }
        pairs.push(pair);
    }
    pairs
}

/// An address or a prefix without multicast in it.
fn unicast_prefix(value: &Value<'_>) -> Option<IpNet> {
    let net = prefix(value)?;
    let multicast = match net {
        IpNet::V6(net) => {
            let all = Ipv6Net::new_assert([0xff00, 0, 0, 0, 0, 0, 0, 0].into(), 8);
            all.contains(&net) || net.contains(&all)
        }
        IpNet::V4(net) => {
            let all = Ipv4Net::new_assert([224, 0, 0, 0].into(), 4);
            all.contains(&net) || net.contains(&all)
        }
    };
    if multicast {
        value.fault(format_args!(
            "{net} has multicast addresses, which nobody sends from"
        ));
        return None;
    }
    Some(net)
}

fn groups(table: &Table<'_>, port_security: bool, seen: &Seen) -> Vec<SetId> {
    let Some(value) = table.get("security_groups") else {
        let default = seen.groups.ids.get(DEFAULT).copied();
        return default.filter(|_| port_security).into_iter().collect();
    };
    let mut groups = Vec::new();
    let items = value.items().unwrap_or_default();
    if !port_security && !items.is_empty() {
        value.fault("need port security: `port_security_enabled` is false");
    }
    for item in items {
        let Some(name) = item.string() else { continue };
        let Some(id) = seen.groups.ids.get(name) else {
            if !seen.groups.security.contains(name) {
                let hint = hint(name, seen.groups.ids.keys().map(String::as_str));
                item.fault(format_args!("there is no security group \"{name}\"{hint}"));
            }
            continue;
        };
        if groups.contains(id) {
            item.fault(format_args!("\"{name}\" is one of its groups already"));
            continue;
        }
        groups.push(*id);
    }
    groups
}

fn roles(table: &Table<'_>) -> Roles {
    let words = [("ra", 0), ("dhcpv6", 1), ("dhcpv4", 2), ("vrrp", 3)];
    let trusted = table.list("trusted", |value| value.choice(&words));
    let trusted = trusted.unwrap_or_default();
    Roles {
        router: trusted.contains(&0),
        dhcp6_server: trusted.contains(&1),
        dhcp4_server: trusted.contains(&2),
        vrrp: trusted.contains(&3),
    }
}

#[cfg(test)]
mod tests;
