//! The `[[router.interface.subnet]]` tables whose prefix is one of IPv4.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use super::net;
use super::reader::{Table, Value};
use super::schema::{HOST_ROUTE, RANGE};
use super::subnet::allocation;
use super::time::{Unit, duration};
use crate::model::{Gateway, Subnet4};
use protocols::dhcp4::config::{INFINITE, Lifetimes};

/// Keys of IPv6 subnets, which mean nothing here.
const V6_ONLY: [&str; 8] = [
    "ra_mode",
    "address_mode",
    "advertise",
    "autonomous",
    "on_link",
    "prefer_delegation",
    "preferred_lifetime",
    "valid_lifetime",
];
/// Keys of IPv4 subnets, which mean nothing elsewhere.
const V4_ONLY: [&str; 3] = ["gateway", "routes", "lease_time"];
/// Longest prefix with room for us and a host.
const MAX_PREFIX: u8 = 30;

/// Whether the subnet is one of IPv4. What is no prefix at all is told by who reads it.
pub(super) fn is_one(table: &Table<'_>) -> bool {
    let text = table.get("prefix").and_then(|value| match value.value {
        toml::de::DeValue::String(text) => Some(text.as_ref()),
        _ => None,
    });
    text.is_some_and(|text| {
        let address = text.split('/').next().unwrap_or_default();
        address.parse::<Ipv4Addr>().is_ok()
    })
}

/// Faults what only an IPv4 subnet has.
pub(super) fn only_there(table: &Table<'_>) {
    for name in V4_ONLY {
        if table.get(name).is_some() {
            table.fault(name, "is for IPv4 subnets");
        }
    }
}

/// Reads one of an interface that has `addresses`; of a link that is not ours without.
pub(super) fn read(table: &Table<'_>, addresses: Option<&[IpNet]>, subnets: &mut Vec<Subnet4>) {
    for name in V6_ONLY {
        if table.get(name).is_some() {
            table.fault(name, "is for IPv6 subnets");
        }
    }
    let prefix = table.get("prefix").and_then(|value| prefix_v4(&value));
    let routes = routes(table);
    let subnet = Subnet4 {
        enable_dhcp: table.boolean("enable_dhcp").unwrap_or(true),
        gateway: gateway(table, prefix.as_ref()),
        routes,
        lifetimes: lifetimes(table),
        dns_servers: table.list("dns_servers", unicast_v4).unwrap_or_default(),
        domain_search: table.list("domain_search", net::domain).unwrap_or_default(),
        pools: ranges(table, "pools", prefix.as_ref()),
        exclude: ranges(table, "exclude", prefix.as_ref()),
        allocation: allocation(table),
        ..Subnet4::new(prefix.unwrap_or_default())
    };
    let Some(prefix) = prefix else { return };
    if MAX_PREFIX < prefix.prefix_len() && subnet.enable_dhcp {
        let len = prefix.prefix_len();
        table.fault(
            "prefix",
            format_args!("a /{len} has no room for DHCP: at most /{MAX_PREFIX}"),
        );
    }
    let own = |net: &IpNet| matches!(net, IpNet::V4(net) if net.trunc() == prefix);
    if addresses.is_some_and(|addresses| !addresses.iter().any(own)) {
        let why = format!("no address of the interface is in the subnet {prefix}");
        table.fault("prefix", why);
    }
    let overlaps =
        |other: &Subnet4| other.prefix.contains(&prefix) || prefix.contains(&other.prefix);
    if subnets.iter().any(overlaps) {
        table.fault("prefix", format!("\"{prefix}\" stands in an earlier entry"));
        return;
    }
    subnets.push(subnet);
}

fn gateway(table: &Table<'_>, prefix: Option<&Ipv4Net>) -> Gateway {
    let Some(value) = table.get("gateway") else {
        return Gateway::Own;
    };
    if matches!(value.value, toml::de::DeValue::String(word) if word.as_ref() == "none") {
        return Gateway::None;
    }
    let Some(address) = unicast_v4(&value) else {
        return Gateway::Own;
    };
    if let Some(prefix) = prefix.filter(|prefix| !prefix.contains(&address)) {
        value.fault(format_args!("{address} is not in {prefix}"));
    }
    Gateway::Address(address)
}

fn routes(table: &Table<'_>) -> Vec<(Ipv4Net, Ipv4Addr)> {
    let mut routes: Vec<(Ipv4Net, Ipv4Addr)> = Vec::new();
    for entry in table.tables("routes", &HOST_ROUTE) {
        let destination = entry
            .require("destination")
            .and_then(|value| prefix_v4(&value));
        let gateway = entry
            .require("gateway")
            .and_then(|value| unicast_v4(&value));
        let (Some(destination), Some(gateway)) = (destination, gateway) else {
            continue;
        };
        if routes.iter().any(|(other, _)| *other == destination) {
            let why = format!("\"{destination}\" stands in an earlier entry");
            entry.fault("destination", why);
        }
        routes.push((destination, gateway));
    }
    routes
}

fn lifetimes(table: &Table<'_>) -> Lifetimes {
    let (second, default) = (Duration::from_secs(1), Lifetimes::default());
    let time = |name| duration(table, name, Unit::S, second, INFINITE);
    let lease = match table.get("lease_time") {
        Some(value) if matches!(value.value, toml::de::DeValue::String(word) if word.as_ref() == "infinite") => {
            INFINITE
        }
        _ => time("lease_time").unwrap_or(default.lease),
    };
    let (t1, t2) = (time("t1"), time("t2"));
    for (name, t, most) in [("t2", t2, lease), ("t1", t1, t2.unwrap_or(lease))] {
        if let Some(t) = t.filter(|t| *t > most) {
            let why = format!("{t:?} is after {most:?} (RFC 2131 section 4.4.5)");
            table.fault(name, why);
        }
    }
    Lifetimes { lease, t1, t2 }
}

/// Ranges inside `prefix` that do not overlap.
fn ranges(
    table: &Table<'_>,
    name: &'static str,
    prefix: Option<&Ipv4Net>,
) -> Vec<RangeInclusive<Ipv4Addr>> {
    let mut ranges: Vec<RangeInclusive<Ipv4Addr>> = Vec::new();
    for entry in table.tables(name, &RANGE) {
        let start = entry.require("start").and_then(|value| unicast_v4(&value));
        let end = match entry.get("end") {
            Some(value) => unicast_v4(&value),
            None => start,
        };
        let (Some(start), Some(end)) = (start, end) else {
            continue;
        };
        for (field, address) in [("start", start), ("end", end)] {
            let is_given = entry.get(field).is_some();
            if let Some(prefix) = prefix.filter(|prefix| is_given && !prefix.contains(&address)) {
                entry.fault(field, format_args!("{address} is not in {prefix}"));
            }
        }
        if end < start {
            entry.fault("end", format_args!("{end} comes before {start}"));
        } else if ranges
            .iter()
            .any(|r| start <= *r.end() && *r.start() <= end)
        {
            entry.fault("start", "the range overlaps an earlier one");
        } else {
            ranges.push(start..=end);
        }
    }
    ranges
}

/// An IPv4 address that a host may have.
pub(super) fn unicast_v4(value: &Value<'_>) -> Option<Ipv4Addr> {
    let address: Ipv4Addr = value.parse("an IPv4 address")?;
    let first = address.octets()[0];
    if first == 0 || first == 127 || 224 <= first {
        value.fault(format_args!("\"{address}\" is not a unicast host address"));
        return None;
    }
    Some(address)
}

/// An IPv4 prefix without host bits.
pub(super) fn prefix_v4(value: &Value<'_>) -> Option<Ipv4Net> {
    let net: Ipv4Net = value.parse("an IPv4 prefix such as \"192.0.2.0/24\"")?;
    if net.trunc() != net {
        value.fault(format_args!(
            "\"{net}\" has host bits set; the prefix is \"{}\"",
            net.trunc()
        ));
        return None;
    }
    let first = net.addr().octets()[0];
    if first == 127 || 224 <= first {
        value.fault(format_args!("\"{net}\" must be a unicast prefix"));
        return None;
    }
    Some(net)
}
