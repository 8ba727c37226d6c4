//! The `[router.interface.dhcp4]` tables.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::document::Seen;
use super::net;
use super::port::options;
use super::reader::{Table, Value};
use super::subnet4::{prefix_v4, unicast_v4};
use super::time::{Unit, duration};
use crate::model::Subnet4;
use protocols::dhcp4::config::{Config, INFINITE, RawOption, Relays, Settings};

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(31_536_000);

/// Reads the table. What subnets and ports say is not in the result.
pub(super) fn read(table: &Table<'_>) -> Config {
    let default = Config::default();
    let probe = duration(table, "probe", Unit::Ms, Duration::ZERO, 5 * SECOND);
    Config {
        authoritative: table
            .boolean("authoritative")
            .unwrap_or(default.authoritative),
        rapid_commit: table
            .boolean("rapid_commit")
            .unwrap_or(default.rapid_commit),
        probe: match probe {
            None => default.probe,
            Some(wait) => Some(wait).filter(|wait| !wait.is_zero()),
        },
        quarantine: duration(table, "quarantine", Unit::S, SECOND, YEAR)
            .unwrap_or(default.quarantine),
        relays: relays(table),
        link_addresses: table.list("link_addresses", prefix_v4).unwrap_or_default(),
        settings: Settings {
            dns_servers: table.list("dns_servers", unicast_v4).unwrap_or_default(),
            domain: table.get("domain").and_then(|value| net::domain(&value)),
            domain_search: table.list("domain_search", net::domain).unwrap_or_default(),
            ntp_servers: table.list("ntp_servers", unicast_v4).unwrap_or_default(),
            mtu: table.integer("mtu", 68..=u16::MAX.into()),
            next_server: table
                .get("next_server")
                .and_then(|value| unicast_v4(&value)),
            boot_file: text(table, "boot_file"),
            tftp_server: text(table, "tftp_server"),
            ipv6_only_wait: duration(table, "ipv6_only_wait", Unit::S, 300 * SECOND, INFINITE),
            extra: extra(table),
        },
        ..default
    }
}

fn text(table: &Table<'_>, name: &'static str) -> Option<String> {
    let value = table.get(name)?;
    let text = value.string()?;
    if text.is_empty() || text.len() > 255 || text.contains('\0') {
        value.fault("must have 1 to 255 bytes, none of them zero");
        return None;
    }
    Some(text.to_owned())
}

fn relays(table: &Table<'_>) -> Relays {
    let Some(value) = table.get("relays") else {
        return Relays::None;
    };
    if matches!(value.value, toml::de::DeValue::String(word) if word.as_ref() == "any") {
        return Relays::Any;
    }
    // An address stands for itself, so that a relay agent can be named without its length.
    let prefix = |value: &Value<'_>| match value.string()?.parse::<Ipv4Addr>() {
        Ok(_) => unicast_v4(value).map(Ipv4Net::from),
        Err(_) => prefix_v4(value),
    };
    Relays::From(table.list("relays", prefix).unwrap_or_default())
}

fn extra(table: &Table<'_>) -> Vec<RawOption> {
    let options = options(table);
    if options.iter().any(|option| option.ipv6) {
        table.fault("options", "ip_version must be 4 here");
    }
    options.iter().filter_map(raw_option).collect()
}

/// An option of DHCPv4 as the server knows it.
fn raw_option(option: &crate::model::PortOption) -> Option<RawOption> {
    Some(RawOption {
        code: u8::try_from(option.code).ok().filter(|_| !option.ipv6)?,
        data: option.data.clone(),
        always: option.always,
    })
}

/// Faults what two links of a router would lease out: an address is one thing in it.
pub(super) fn claim(table: &Table<'_>, seen: &mut Seen, subnets: &[Subnet4]) {
    for (i, subnet) in subnets.iter().enumerate() {
        if !subnet.enable_dhcp {
            continue;
        }
        let (prefix, path) = (subnet.prefix, format!("{}.subnet", table.at.path));
        let overlaps =
            |(other, _): &&(Ipv4Net, String)| other.contains(&prefix) || prefix.contains(other);
        if let Some((other, place)) = seen.leased4.iter().find(overlaps) {
            let why = format!(
                "{prefix}, IPv4 subnet {i} of {path}, overlaps {other} of {place}: nothing is leased out twice"
            );
            table.fault("subnet", why);
        }
        seen.leased4.push((prefix, path));
    }
}

#[cfg(test)]
mod tests;
