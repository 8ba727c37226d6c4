//! The `[[router.interface.subnet]]` tables, and what follows from them for router advertisements.

use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};

use super::ra::{exceeds, prefers_delegation};
use super::reader::Table;
use super::schema::{RANGE, SUBNET};
use super::time::{Unit, any_lifetime, duration};
use super::{net, subnet4};
use crate::model::{Allocation, LeaseTimes, Mode, Port, Subnet, Subnet4};
use protocols::ra;
use protocols::ra::config::{Lifetime, Prefix};

const MODES: [(&str, Mode); 3] = [
    ("slaac", Mode::Slaac),
    ("dhcpv6-stateless", Mode::Stateless),
    ("dhcpv6-stateful", Mode::Stateful),
];
/// Longest T1 and T2: those of an infinite lifetime.
const MAX_RENEW: Duration = Duration::from_secs(u32::MAX as u64);

/// Reads the subnets of an interface that has `addresses`; of a link that is not ours without. Those of IPv4 stand apart.
pub(super) fn read(table: &Table<'_>, addresses: Option<&[IpNet]>) -> (Vec<Subnet>, Vec<Subnet4>) {
    let mut subnets: Vec<Subnet> = Vec::new();
    let mut subnets4: Vec<Subnet4> = Vec::new();
    for entry in table.tables("subnet", &SUBNET) {
        if subnet4::is_one(&entry) {
            subnet4::read(&entry, addresses, &mut subnets4);
            continue;
        }
        subnet4::only_there(&entry);
        let Some(subnet) = subnet(&entry) else {
            continue;
        };
        let prefix = subnet.prefix;
        let own = |net: &IpNet| matches!(net, IpNet::V6(net) if net.trunc() == prefix);
        if addresses.is_some_and(|addresses| !addresses.iter().any(own)) {
            let why = format!("no address of the interface is in the subnet {prefix}");
            entry.fault("prefix", why);
        }
        if addresses.is_none() && subnet.ra_mode.is_some() {
            let why = "a link that is not ours hears no advertisements from us";
            entry.fault("ra_mode", why);
        }
        if subnets.iter().any(|other| other.prefix == prefix) {
            entry.fault("prefix", format!("\"{prefix}\" stands in an earlier entry"));
        }
        subnets.push(subnet);
    }
    (subnets, subnets4)
}

/// Reads one; `None` when its prefix is wrong.
fn subnet(table: &Table<'_>) -> Option<Subnet> {
    let prefix = table
        .require("prefix")
        .and_then(|value| net::prefix_v6(&value));
    let (ra_mode, address_mode) = modes(table, prefix.as_ref());
    let advertise = table.boolean("advertise").unwrap_or(true);
    let times = lease_times(table);
    let preferred = times.preferred.unwrap_or(Lifetime::Infinite);
    let mut subnet = Subnet {
        ra_mode,
        address_mode,
        advertise,
        on_link: table.boolean("on_link").unwrap_or(true),
        prefer_delegation: prefers_delegation(table, ra_mode.is_some() && advertise, preferred),
        autonomous: table
            .boolean("autonomous")
            .unwrap_or(matches!(ra_mode, Some(Mode::Slaac | Mode::Stateless))),
        times,
        dns_servers: table
            .list("dns_servers", net::unicast_v6)
            .unwrap_or_default(),
        domain_search: table.list("domain_search", net::domain).unwrap_or_default(),
        allocation: allocation(table),
        ..Subnet::new(prefix.unwrap_or_default())
    };
    subnet.pools = ranges(table, "pools", prefix.as_ref());
    subnet.exclude = ranges(table, "exclude", prefix.as_ref());
    only_stateful(table, &subnet);
    if table.get("autonomous").is_some() && ra_mode.is_some() {
        contradiction(table, &subnet);
    }
    prefix.map(|_| subnet)
}

/// The legal pairs of modes, and what refuses the others.
pub(super) fn modes(table: &Table<'_>, prefix: Option<&Ipv6Net>) -> (Option<Mode>, Option<Mode>) {
    let ra_mode = table.choice("ra_mode", &MODES);
    let address_mode = table.choice("address_mode", &MODES);
    let enabled = table.boolean("enable_dhcp").unwrap_or(true);
    let field = match ra_mode {
        Some(_) => "ra_mode",
        None => "address_mode",
    };
    if !enabled && (ra_mode.is_some() || address_mode.is_some()) {
        let why = "ra_mode and address_mode cannot be set when enable_dhcp is false";
        table.fault("enable_dhcp", why);
    } else if let Some(prefix) = prefix
        && let Some(why) = Subnet::refuses(prefix, ra_mode, address_mode)
    {
        table.fault(field, why);
    }
    (ra_mode, address_mode)
}

pub(super) fn allocation(table: &Table<'_>) -> Allocation {
    let choices = [
        ("deterministic", Allocation::Deterministic),
        ("random", Allocation::Random),
    ];
    table.choice("allocation", &choices).unwrap_or_default()
}

/// Ranges inside `prefix` that do not overlap.
fn ranges(
    table: &Table<'_>,
    name: &'static str,
    prefix: Option<&Ipv6Net>,
) -> Vec<RangeInclusive<Ipv6Addr>> {
    let mut ranges: Vec<RangeInclusive<Ipv6Addr>> = Vec::new();
    for entry in table.tables(name, &RANGE) {
        let start = entry
            .require("start")
            .and_then(|value| net::unicast_v6(&value));
        let end = match entry.get("end") {
            Some(value) => net::unicast_v6(&value),
            None => start,
        };
        let (Some(start), Some(end)) = (start, end) else {
            continue;
        };
        for (field, address) in [("start", start), ("end", end)] {
            if entry.get(field).is_none() {
                continue;
            }
            if let Some(prefix) = prefix.filter(|prefix| !prefix.contains(&address)) {
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

/// How long what is given lasts, as four keys of a table say.
pub(super) fn lease_times(table: &Table<'_>) -> LeaseTimes {
    let times = LeaseTimes {
        preferred: any_lifetime(table, "preferred_lifetime"),
        valid: any_lifetime(table, "valid_lifetime"),
        t1: duration(table, "t1", Unit::S, Duration::ZERO, MAX_RENEW),
        t2: duration(table, "t2", Unit::S, Duration::ZERO, MAX_RENEW),
    };
    if let (Some(preferred), Some(valid)) = (times.preferred, times.valid)
        && exceeds(preferred, valid)
    {
        let why = "is longer than valid_lifetime (RFC 4861 section 6.2.1)";
        table.fault("preferred_lifetime", why);
    }
    if let (Some(t1), Some(t2)) = (times.t1, times.t2)
        && t2 < t1
    {
        let why = format!("{t2:?} is before t1, {t1:?} (RFC 8415 section 14.2)");
        table.fault("t2", why);
    }
    if let (Some(last), Some(Lifetime::Fixed(preferred))) = (times.t2.or(times.t1), times.preferred)
        && preferred < last
    {
        let field = if times.t2.is_some() { "t2" } else { "t1" };
        let why = format!("{last:?} is after leases cease to be preferred, {preferred:?}");
        table.fault(field, why);
    }
    times
}

/// Keys that only a subnet with leases uses are a mistake elsewhere.
fn only_stateful(table: &Table<'_>, subnet: &Subnet) {
    if subnet.address_mode == Some(Mode::Stateful) {
        return;
    }
    for name in ["pools", "exclude", "allocation", "t1", "t2"] {
        if table.get(name).is_some() {
            let why =
                "has no effect: leases are given with address_mode = \"dhcpv6-stateful\" only";
            table.warn(name, why);
        }
    }
}

/// The A flag against the mode: legal, and hosts will not do what the mode says.
fn contradiction(table: &Table<'_>, subnet: &Subnet) {
    match (subnet.ra_mode, subnet.autonomous) {
        (Some(mode @ (Mode::Slaac | Mode::Stateless)), false) => {
            let why = format!(
                "no host forms an address, as ra_mode = \"{}\" has it",
                mode.label()
            );
            table.warn("autonomous", why);
        }
        (Some(Mode::Stateful), true) if subnet.prefix.prefix_len() != 64 => {
            let why = format!(
                "hosts form no addresses from a /{} (RFC 4862 section 5.5.3 d)",
                subnet.prefix.prefix_len()
            );
            table.warn("autonomous", why);
        }
        _ => {}
    }
}

/// What the advertisements of the interface say because of its subnets. `ra` is what its own table says; `given`: there
/// is such a table; `listed`: it lists its prefixes itself.
pub(super) fn advertise(
    table: &Table<'_>,
    ra: &mut ra::Config,
    subnets: &[Subnet],
    given: bool,
    listed: bool,
) {
    let advertised = |subnet: &&Subnet| subnet.ra_mode.is_some();
    if given && !ra.send_advertisements && subnets.iter().any(|s| s.ra_mode.is_some()) {
        let why = "is false, and a subnet's ra_mode has advertisements sent";
        let at = super::reader::Place {
            path: format!("{}.ra.enabled", table.at.path),
            span: table.place("ra").span,
        };
        table.cx.fault(&at, why);
    }
    // Whose mode is unset is another router's to advertise, if it is not listed here by hand.
    if !listed {
        let own = |prefix: &Prefix| subnets.iter().any(|subnet| subnet.is_of(prefix));
        ra.prefixes.retain(|prefix| !own(prefix));
    }
    for subnet in subnets.iter().filter(advertised) {
        if listed && ra.prefixes.iter().any(|prefix| subnet.is_of(prefix)) {
            let why = format!(
                "{} stands in ra.prefix too: what the subnet says holds",
                subnet.prefix
            );
            table.warn("subnet", why);
        }
        subnet.advertise_in(ra);
    }
}

/// Ports with an address where hosts form theirs are told to ask DHCPv6 for it, and they alone.
pub(super) fn tell_ports(
    table: &Table<'_>,
    ra: &mut ra::Config,
    subnets: &[Subnet],
    ports: &[Port],
) {
    let formed = |subnet: &&Subnet| {
        let forms = matches!(subnet.ra_mode, Some(Mode::Slaac | Mode::Stateless));
        forms && subnet.address_mode.is_some()
    };
    for subnet in subnets.iter().filter(formed) {
        for port in ports.iter().filter(|port| subnet.is_fixed(port)) {
            match port.mac {
                Some(mac) => drop(ra.managed_hosts.insert(mac)),
                None if ra.managed => {}
                None => {
                    let why = format!(
                        "\"{}\" has an address in {}, where hosts form theirs, and no `mac`: it is not told to ask for it",
                        port.name, subnet.prefix
                    );
                    table.warn("port", why);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
