//! The `[[router.interface.vrrp]]` tables.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
use protocols::vrrp::{Checksum, Config, Family, MAX_INTERVAL, MIN_INTERVAL, Version, virtual_mac};

use super::document::Seen;
use super::interface::{hint, on_link};
use super::net;
use super::reader::Table;
use super::schema::{VRRP, VRRP_TRACK};
use super::time::{Unit, duration};
use crate::model::{Track, Vrrp, Watched};

/// Addresses that an advertisement can name.
const MAX_ADDRESSES: usize = 255;
const HOUR: Duration = Duration::from_secs(3600);

/// Reads the virtual routers of an interface with these own addresses.
pub(super) fn read(
    table: &Table<'_>,
    own: &[IpNet],
    link_local: Option<Ipv6Addr>,
    seen: &mut Seen,
) -> Vec<Vrrp> {
    let mut groups: Vec<Vrrp> = Vec::new();
    for table in table.tables("vrrp", &VRRP) {
        let Some(group) = group(&table, own, link_local, seen) else {
            continue;
        };
        let same = |other: &&Vrrp| (other.family, other.vrid) == (group.family, group.vrid);
        if groups.iter().any(|other| same(&other)) {
            let vrid = group.vrid;
            let why =
                format!("the interface has a virtual router {vrid} of this IP version already");
            table.fault("vrid", why);
            continue;
        }
        let taken = groups.iter().flat_map(Vrrp::addresses);
        if let Some(twice) = taken
            .clone()
            .find(|address| group.addresses().contains(address))
        {
            table.fault(
                "addresses",
                format_args!("{twice} is an address of another virtual router"),
            );
            continue;
        }
        groups.push(group);
    }
    groups
}

fn group(
    table: &Table<'_>,
    own: &[IpNet],
    link_local: Option<Ipv6Addr>,
    seen: &mut Seen,
) -> Option<Vrrp> {
    let vrid: Option<u8> = {
        table.require("vrid");
        table.integer("vrid", 1..=255)
    };
    let addresses = addresses(table, own, link_local);
    let family = addresses.first().map(Family::of);
    let version = match table.integer("version", 2..=3) {
        Some(2u8) => Version::V2,
        _ => Version::V3,
    };
    let family_or_6 = family.unwrap_or(Family::V6);
    let mut config = Config::new(family_or_6, vrid.unwrap_or(1), addresses);
    config.version = version;
    if let Some(priority) = table.integer("priority", 1..=255) {
        config.priority = priority;
    }
    let name = "advertisement_interval";
    if let Some(interval) = duration(table, name, Unit::Ms, MIN_INTERVAL, MAX_INTERVAL) {
        let step = match version {
            Version::V3 => 10,
            Version::V2 => 1000,
        };
        if interval.as_millis() % step != 0 {
            let why = format!(
                "{interval:?} cannot be told: version {} counts in steps of {step} ms",
                number(version)
            );
            table.fault(name, why);
        }
        config.interval = interval;
    }
    if (version, family) == (Version::V2, Some(Family::V6)) {
        table.fault("version", "version 2 (RFC 3768) knows no IPv6");
    }
    config.preempt = table.boolean("preempt").unwrap_or(config.preempt);
    if let Some(delay) = duration(table, "preempt_delay", Unit::S, Duration::ZERO, HOUR) {
        config.preempt_delay = delay;
        if !config.preempt {
            table.fault("preempt_delay", "says nothing where `preempt` is false");
        }
    }
    let checksums = [
        ("auto", Checksum::Auto),
        ("message", Checksum::Message),
        ("pseudo-header", Checksum::PseudoHeader),
    ];
    if let Some(checksum) = table.choice("checksum", &checksums) {
        config.checksum = checksum;
        if family == Some(Family::V6) {
            table.fault("checksum", "IPv6 checksums always cover the pseudo-header");
        }
    }
    for peer in table
        .list("peers", |value| {
            Some((net::unicast(value)?, value.at.clone()))
        })
        .unwrap_or_default()
    {
        let (address, at) = peer;
        if family.is_some_and(|family| family != Family::of(&address)) {
            table.cx.fault(
                &at,
                format_args!("{address} is of another IP version than the virtual addresses"),
            );
        }
        config.peers.push(address);
    }
    let accept = table.boolean("accept").unwrap_or(false);
    let virtual_mac = table.boolean("virtual_mac").unwrap_or(true);
    let track = track(table, seen);
    Some(Vrrp {
        vrid: vrid?,
        family: family?,
        config,
        accept,
        virtual_mac,
        track,
    })
}

const fn number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}

/// The virtual addresses, those of IPv6 with a link-local one first.
fn addresses(table: &Table<'_>, own: &[IpNet], link_local: Option<Ipv6Addr>) -> Vec<IpAddr> {
    table.require("addresses");
    let read = |value: &super::reader::Value<'_>| Some((net::unicast(value)?, value.at.clone()));
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (address, at) in table.list("addresses", read).unwrap_or_default() {
        let fault = |why: &str| table.cx.fault(&at, format_args!("{address} {why}"));
        let is_own = own.iter().any(|net| net.addr() == address)
            || link_local.is_some_and(|own| own == address);
        if addresses
            .first()
            .is_some_and(|first| first.is_ipv6() != address.is_ipv6())
        {
            fault("is of another IP version: a virtual router has addresses of one");
        } else if is_own {
            fault(
                "is the interface's own: a virtual address is not among them (priority 255 says whose it is)",
            );
        } else if !on_link(own, address) {
            fault("is neither link-local nor on a subnet of the interface");
        } else if addresses.contains(&address) {
            fault("stands here twice");
        } else {
            addresses.push(address);
            continue;
        }
        return Vec::new();
    }
    if addresses.first().is_some_and(IpAddr::is_ipv6) {
        let is_link_local = |a: &IpAddr| matches!(a, IpAddr::V6(v6) if v6.is_unicast_link_local());
        match addresses.iter().position(is_link_local) {
            Some(place) => addresses[..=place].rotate_right(1),
            None => {
                let vrid = table.integer("vrid", 1..=255).unwrap_or(1);
                let made = virtual_mac(Family::V6, vrid).link_local();
                addresses.insert(0, made.into());
            }
        }
    }
    if addresses.is_empty()
        && table
            .get("addresses")
            .and_then(|v| v.items())
            .is_some_and(|items| items.is_empty())
    {
        table.fault("addresses", "a virtual router has at least one address");
    }
    if addresses.len() > MAX_ADDRESSES {
        table.fault(
            "addresses",
            format_args!("an advertisement names {MAX_ADDRESSES} at most"),
        );
    }
    addresses
}

fn track(table: &Table<'_>, seen: &mut Seen) -> Vec<Track> {
    let mut tracks = Vec::new();
    for table in table.tables("track", &VRRP_TRACK) {
        let interface = table.get("interface").and_then(|value| {
            let name = value.string()?;
            let known = &seen.relays.interfaces;
            if known.iter().any(|known| known == name) {
                return Some(Watched::Interface(name.to_owned()));
            }
            let hint = hint(name, known.iter().map(String::as_str));
            value.fault(format_args!(
                "there is no interface \"{name}\" in this router{hint}"
            ));
            None
        });
        let route: Option<IpNet> = table.parse("route", "a prefix such as \"::/0\"");
        let peer = table.get("bfd").and_then(|value| {
            let peer = net::unicast(&value)?;
            seen.bfd_tracks.push((peer, value.at.clone()));
            Some(Watched::Bfd(peer))
        });
        let decrement = table.integer("decrement", 1..=254);
        let keys = ["interface", "route", "bfd"];
        let given: Vec<_> = keys
            .into_iter()
            .filter(|key| table.get(key).is_some())
            .collect();
        match given[..] {
            [] => table.fault(
                "interface",
                "one of `interface`, `route` and `bfd` must say what is watched",
            ),
            [_] => {}
            [first, second, ..] => {
                let why = format!("`{first}` says already what is watched");
                table.fault(second, why);
            }
        }
        let route = route.map(|route| Watched::Route(route.trunc()));
        let watched = interface.or(route).or(peer);
        tracks.extend(watched.map(|watched| Track { watched, decrement }));
    }
    tracks
}

#[cfg(test)]
mod tests;
