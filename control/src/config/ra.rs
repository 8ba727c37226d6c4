//! The `[router.interface.ra]` table.

use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};

use super::net;
use super::reader::Table;
use super::schema::{RA_DNSSL, RA_PREF64, RA_PREFIX, RA_RDNSS, RA_ROUTE};
use super::time::{Unit, any_lifetime, duration, lifetime};
use protocols::ra::Config;
use protocols::ra::config::{Dnssl, Lifetime, Pref64, Preference, Prefix, Rdnss, Route};

const SECOND: Duration = Duration::from_secs(1);

/// Longest lifetime of a PREF64 option (RFC 8781 section 4: 13 bits of 8 seconds).
const MAX_PREF64_LIFETIME: Duration = Duration::from_secs(65_528);

/// Reads the table of an interface that has `addresses` and `mtu`.
pub(super) fn read(table: &Table<'_>, addresses: &[IpNet], mtu: u16) -> Config {
    let before = table.fault_count();
    let default = Config::default();
    let max_interval = duration(table, "max_interval", Unit::S, 4 * SECOND, 1800 * SECOND)
        .unwrap_or(default.max_interval);
    let min_interval =
        duration(table, "min_interval", Unit::S, 3 * SECOND, 1350 * SECOND).filter(|min| {
            let good = *min <= max_interval * 3 / 4;
            if !good {
                let limit = max_interval * 3 / 4;
                let why = format!(
                    "{min:?} must be at most 0.75 × max_interval, here {limit:?} (RFC 4861 section 6.2.1)"
                );
                table.fault("min_interval", why);
            }
            good
        });
    let default_lifetime =
        duration(table, "default_lifetime", Unit::S, Duration::ZERO, 65_535 * SECOND).filter(
            |lifetime| {
                let good = lifetime.is_zero() || *lifetime >= max_interval;
                if !good {
                    let why = format!(
                        "{lifetime:?} must be 0 (no default router) or at least max_interval, here {max_interval:?}"
                    );
                    table.fault("default_lifetime", why);
                }
                good
            },
        );
    let hour = 3600 * SECOND;
    let millis = |name, max| duration(table, name, Unit::Ms, Duration::ZERO, max);
    let mut config = Config {
        send_advertisements: table.boolean("enabled").unwrap_or(true),
        max_interval,
        min_interval,
        managed: table.boolean("managed").unwrap_or(default.managed),
        other_config: table
            .boolean("other_config")
            .unwrap_or(default.other_config),
        link_mtu: table.integer("mtu", 1280..=65_535),
        reachable_time: millis("reachable_time", hour).unwrap_or(default.reachable_time),
        retrans_timer: millis("retrans_timer", Duration::from_millis(u32::MAX.into()))
            .unwrap_or(default.retrans_timer),
        cur_hop_limit: table
            .integer("cur_hop_limit", 0..=255)
            .unwrap_or(default.cur_hop_limit),
        default_lifetime,
        preference: preference(table),
        source_link_layer: table
            .boolean("source_link_layer")
            .unwrap_or(default.source_link_layer),
        unicast_solicited: table
            .boolean("unicast_solicited")
            .unwrap_or(default.unicast_solicited),
        captive_portal: table.string("captive_portal").map(str::to_owned),
        deprecate_for: duration(
            table,
            "deprecate_for",
            Unit::S,
            Duration::ZERO,
            hour * 24 * 7,
        )
        .unwrap_or(default.deprecate_for),
        prefixes: prefixes(table, addresses),
        ..default
    };
    if config
        .link_mtu
        .is_some_and(|advertised| advertised > u32::from(mtu))
    {
        table.warn(
            "mtu",
            format_args!("is above the interface's own mtu, {mtu}"),
        );
    }
    let names = 3 * max_interval;
    config.rdnss = rdnss(table, Lifetime::Fixed(names));
    config.dnssl = dnssl(table, Lifetime::Fixed(names));
    config.pref64 = pref64(table, Lifetime::Fixed(names.min(MAX_PREF64_LIFETIME)));
    config.routes = routes(table, Lifetime::Fixed(config.effective_default_lifetime()));
    if table.fault_count() == before {
        // The machine has the last word on its own numbers.
        for fault in config.validate() {
            table.cx.fault(&table.at, fault);
        }
    }
    config
}

fn preference(table: &Table<'_>) -> Preference {
    let choices = [
        ("low", Preference::Low),
        ("medium", Preference::Medium),
        ("high", Preference::High),
    ];
    table.choice("preference", &choices).unwrap_or_default()
}

/// The key `prefix` of a list's entry, faulted when an earlier entry has it.
fn unique(table: &Table<'_>, seen: &mut HashSet<Ipv6Net>) -> Option<Ipv6Net> {
    let value = table.require("prefix")?;
    let prefix = net::prefix_v6(&value)?;
    if !seen.insert(prefix) {
        value.fault(format_args!("\"{prefix}\" stands in an earlier entry"));
        return None;
    }
    Some(prefix)
}

fn prefixes(table: &Table<'_>, addresses: &[IpNet]) -> Vec<Prefix> {
    if table.get("prefix").is_none() {
        return subnets(addresses);
    }
    let mut seen = HashSet::new();
    let mut prefixes = Vec::new();
    for entry in table.tables("prefix", &RA_PREFIX) {
        let prefix = unique(&entry, &mut seen);
        let default = Prefix::new(Ipv6Addr::UNSPECIFIED, 64);
        let on_link = entry.boolean("on_link").unwrap_or(default.on_link);
        let autonomous = entry.boolean("autonomous").unwrap_or(default.autonomous);
        let valid = any_lifetime(&entry, "valid_lifetime");
        let preferred = any_lifetime(&entry, "preferred_lifetime");
        let valid_lifetime = valid.unwrap_or(default.valid_lifetime);
        // A short valid lifetime alone shortens the default of the other one too.
        let preferred_lifetime =
            preferred.unwrap_or(match (valid_lifetime, default.preferred_lifetime) {
                (Lifetime::Fixed(valid), Lifetime::Fixed(preferred)) => {
                    Lifetime::Fixed(valid.min(preferred))
                }
                (_, preferred) => preferred,
            });
        if exceeds(preferred_lifetime, valid_lifetime) {
            let why = "is longer than valid_lifetime (RFC 4861 section 6.2.1)";
            entry.fault("preferred_lifetime", why);
        }
        let prefer_delegation = prefers_delegation(&entry, true, preferred_lifetime);
        let Some(prefix) = prefix else { continue };
        if autonomous && prefix.prefix_len() != 64 {
            let why = format!(
                "hosts form no addresses from a /{} (RFC 4862 section 5.5.3 d); say autonomous = false",
                prefix.prefix_len()
            );
            entry.warn("prefix", why);
        }
        prefixes.push(Prefix {
            prefix: prefix.network(),
            prefix_len: prefix.prefix_len(),
            on_link,
            autonomous,
            prefer_delegation,
            valid_lifetime,
            preferred_lifetime,
        });
    }
    prefixes
}

/// The prefixes that RFC 4861 advertises by default: the interface's own, but no host's.
fn subnets(addresses: &[IpNet]) -> Vec<Prefix> {
    let mut seen = HashSet::new();
    let own = |address: &IpNet| match address {
        IpNet::V6(net) if net.prefix_len() < 128 => Some(net.trunc()),
        _ => None,
    };
    addresses
        .iter()
        .filter_map(own)
        .filter(|net| seen.insert(*net))
        .map(|net| Prefix {
            autonomous: net.prefix_len() == 64,
            ..Prefix::new(net.network(), net.prefix_len())
        })
        .collect()
}

/// Whether the P flag is to be set (RFC 9762). Where no host would follow it, that is said.
pub(super) fn prefers_delegation(
    table: &Table<'_>,
    is_advertised: bool,
    preferred: Lifetime,
) -> bool {
    let prefers = table.boolean("prefer_delegation").unwrap_or(false);
    let is_over = preferred == Lifetime::Fixed(Duration::ZERO);
    let why = if !is_advertised {
        "has no effect: the prefix is not advertised"
    } else if is_over {
        "has no effect: hosts follow it for prefixes with a preferred lifetime"
    } else {
        return prefers;
    };
    if prefers {
        table.warn("prefer_delegation", why);
    }
    prefers
}

/// Whether `a` surely ends after `b`; a date and a span cannot be compared without a clock.
pub(super) fn exceeds(a: Lifetime, b: Lifetime) -> bool {
    match (a, b) {
        (Lifetime::Fixed(a), Lifetime::Fixed(b)) => a > b,
        (Lifetime::Until(a), Lifetime::Until(b)) => a > b,
        (Lifetime::Infinite, b) => b != Lifetime::Infinite,
        _ => false,
    }
}

fn rdnss(table: &Table<'_>, default: Lifetime) -> Vec<Rdnss> {
    let mut list = Vec::new();
    for entry in table.tables("rdnss", &RA_RDNSS) {
        let lifetime = any_lifetime(&entry, "lifetime").unwrap_or(default);
        if entry.require("servers").is_none() {
            continue;
        }
        let Some(servers) = entry.list("servers", net::unicast_v6) else {
            continue;
        };
        let given = entry
            .get("servers")
            .and_then(|value| value.items())
            .unwrap_or_default();
        if given.is_empty() || given.len() > 127 {
            entry.fault("servers", "must name 1 to 127 servers");
        }
        list.push(Rdnss { servers, lifetime });
    }
    list
}

fn dnssl(table: &Table<'_>, default: Lifetime) -> Vec<Dnssl> {
    let mut list = Vec::new();
    for entry in table.tables("dnssl", &RA_DNSSL) {
        let lifetime = any_lifetime(&entry, "lifetime").unwrap_or(default);
        if entry.require("domains").is_none() {
            continue;
        }
        let Some(domains) = entry.list("domains", net::domain) else {
            continue;
        };
        let given = entry
            .get("domains")
            .and_then(|value| value.items())
            .unwrap_or_default();
        if given.is_empty() {
            entry.fault("domains", "must name at least one domain");
        }
        list.push(Dnssl { domains, lifetime });
    }
    list
}

fn routes(table: &Table<'_>, default: Lifetime) -> Vec<Route> {
    let mut seen = HashSet::new();
    let mut list = Vec::new();
    for entry in table.tables("route", &RA_ROUTE) {
        let lifetime = any_lifetime(&entry, "lifetime").unwrap_or(default);
        let preference = preference(&entry);
        let Some(prefix) = unique(&entry, &mut seen) else {
            continue;
        };
        let (prefix, prefix_len) = (prefix.network(), prefix.prefix_len());
        list.push(Route {
            prefix,
            prefix_len,
            preference,
            lifetime,
        });
    }
    list
}

fn pref64(table: &Table<'_>, default: Lifetime) -> Vec<Pref64> {
    let mut seen = HashSet::new();
    let mut list = Vec::new();
    for entry in table.tables("pref64", &RA_PREF64) {
        let lifetime = lifetime(&entry, "lifetime", MAX_PREF64_LIFETIME).unwrap_or(default);
        if lifetime == Lifetime::Infinite {
            entry.fault("lifetime", "must end: at most 65528 s (RFC 8781 section 4)");
        }
        let Some(prefix) = unique(&entry, &mut seen) else {
            continue;
        };
        if ![32, 40, 48, 56, 64, 96].contains(&prefix.prefix_len()) {
            let why = "a NAT64 prefix has 32, 40, 48, 56, 64 or 96 bits (RFC 6052 section 2.2)";
            entry.fault("prefix", why);
        }
        let (prefix, prefix_len) = (prefix.network(), prefix.prefix_len());
        list.push(Pref64 {
            prefix,
            prefix_len,
            lifetime,
        });
    }
    list
}
