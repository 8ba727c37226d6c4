//! The `[router.interface.dhcp6]` and `[[router.remote_link]]` tables.

use std::net::Ipv6Addr;
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};

use super::document::Seen;
use super::port::options;
use super::reader::{Table, Value};
use super::schema::{DHCP4, DHCP6, PREFIX_POOL, VENDOR};
use super::subnet::{allocation, lease_times};
use super::time::{Unit, duration};
use super::{dhcp4, net, port, subnet};
use crate::model::{Mode, Port, RemoteLink, Subnet};
use protocols::dhcp6::config::{
    Config, ExcludedPrefix, INFINITE, NtpServer, PrefixPool, RawOption, Relays, Settings,
    VendorOptions,
};

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(31_536_000);

/// Reads the table. What subnets and ports say is not in the result.
pub(super) fn read(table: &Table<'_>) -> Config {
    let default = Config::default();
    let seconds = |name, min: Duration, max| duration(table, name, Unit::S, min, max);
    let minute_to_day = |name| seconds(name, 60 * SECOND, 86_400 * SECOND);
    Config {
        preference: table
            .integer("preference", 0..=255)
            .unwrap_or(default.preference),
        rapid_commit: table
            .boolean("rapid_commit")
            .unwrap_or(default.rapid_commit),
        reconfigure: table.boolean("reconfigure").unwrap_or(default.reconfigure),
        respond_after: seconds("respond_after", Duration::ZERO, 655 * SECOND)
            .unwrap_or(default.respond_after),
        quarantine: seconds("quarantine", SECOND, YEAR).unwrap_or(default.quarantine),
        relays: relays(table),
        link_addresses: table
            .list("link_addresses", net::prefix_v6)
            .unwrap_or_default(),
        settings: Settings {
            dns_servers: table
                .list("dns_servers", net::unicast_v6)
                .unwrap_or_default(),
            domain_search: table.list("domain_search", net::domain).unwrap_or_default(),
            ntp_servers: table.list("ntp_servers", ntp_server).unwrap_or_default(),
            bootfile_url: table.get("boot_file").and_then(|value| url(&value)),
            bootfile_params: table
                .list("boot_parameters", |value| value.string().map(str::to_owned))
                .unwrap_or_default(),
            vendor: vendors(table),
            information_refresh_time: seconds("information_refresh_time", 600 * SECOND, INFINITE),
            sol_max_rt: minute_to_day("sol_max_rt"),
            inf_max_rt: minute_to_day("inf_max_rt"),
            address_registration: table.boolean("address_registration").unwrap_or(true),
            fqdn_domain: table.get("domain").and_then(|value| net::domain(&value)),
            extra: extra(table),
        },
        prefix_pools: prefix_pools(table),
        ..default
    }
}

fn relays(table: &Table<'_>) -> Relays {
    let Some(value) = table.get("relays") else {
        return Relays::None;
    };
    if matches!(value.value, toml::de::DeValue::String(word) if word.as_ref() == "any") {
        return Relays::Any;
    }
    // An address stands for itself, so that a relay agent can be named without its length.
    let prefix = |value: &Value<'_>| match value.string()?.parse::<Ipv6Addr>() {
        Ok(_) => net::unicast_v6(value).map(Ipv6Net::from),
        Err(_) => net::prefix_v6(value),
    };
    Relays::From(table.list("relays", prefix).unwrap_or_default())
}

fn ntp_server(value: &Value<'_>) -> Option<NtpServer> {
    match value.string()?.parse::<Ipv6Addr>() {
        Ok(address) if address.is_multicast() => Some(NtpServer::Multicast(address)),
        Ok(_) => net::unicast_v6(value).map(NtpServer::Address),
        Err(_) => net::domain(value).map(NtpServer::Name),
    }
}

fn url(value: &Value<'_>) -> Option<String> {
    let text = value.string()?;
    if !text.contains("://") || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        value.fault(format_args!(
            "\"{text}\" is not a URL such as \"tftp://[2001:db8::1]/boot\""
        ));
        return None;
    }
    Some(text.to_owned())
}

fn vendors(table: &Table<'_>) -> Vec<VendorOptions> {
    let mut vendors: Vec<VendorOptions> = Vec::new();
    for entry in table.tables("vendor", &VENDOR) {
        let enterprise = entry
            .require("enterprise")
            .and_then(|value| value.integer(1..=u32::MAX.into()));
        let given = options(&entry);
        entry.require("options");
        let Some(enterprise) = enterprise else {
            continue;
        };
        if vendors.iter().any(|other| other.enterprise == enterprise) {
            let why = format!("{enterprise} stands in an earlier entry");
            entry.fault("enterprise", why);
        }
        let options = given.into_iter().map(|option| (option.code, option.data));
        vendors.push(VendorOptions {
            enterprise,
            options: options.collect(),
        });
    }
    vendors
}

fn extra(table: &Table<'_>) -> Vec<RawOption> {
    let options = options(table);
    if options.iter().any(|option| !option.ipv6) {
        table.fault("options", "ip_version must be 6 here");
    }
    let raw = |option: crate::model::PortOption| RawOption {
        code: option.code,
        data: option.data,
        always: option.always,
    };
    options.into_iter().map(raw).collect()
}

fn prefix_pools(table: &Table<'_>) -> Vec<PrefixPool> {
    let mut pools: Vec<PrefixPool> = Vec::new();
    for entry in table.tables("prefix_pool", &PREFIX_POOL) {
        let Some(pool) = prefix_pool(&entry) else {
            continue;
        };
        let overlaps = |other: &&PrefixPool| {
            other.prefix.contains(&pool.prefix) || pool.prefix.contains(&other.prefix)
        };
        if let Some(other) = pools.iter().find(overlaps) {
            let why = format!("\"{}\" overlaps {}", pool.prefix, other.prefix);
            entry.fault("prefix", why);
        }
        pools.push(pool);
    }
    pools
}

fn prefix_pool(table: &Table<'_>) -> Option<PrefixPool> {
    let prefix = table
        .require("prefix")
        .and_then(|value| net::prefix_v6(&value));
    let least = prefix.map_or(1, |prefix| prefix.prefix_len().max(1).into());
    let length: Option<u8> = table
        .require("length")
        .and_then(|value| value.integer(least..=128));
    let at = length.map_or(least, u64::from);
    let min_len = table.integer("min_length", least..=at);
    let max_len = table.integer("max_length", at..=128);
    let exclude = table.list("exclude", |value| {
        let net = net::prefix_v6(value)?;
        let inside = prefix.is_none_or(|prefix| prefix.contains(&net));
        if !inside {
            value.fault(format_args!("\"{net}\" is not in the pool"));
        }
        Some(net)
    });
    let longest = max_len.or(length).unwrap_or(128);
    let excluded_prefix = excluded_prefix(table, length.unwrap_or(0), longest);
    let allocation = allocation(table);
    let lifetimes = lease_times(table).leased();
    let (prefix, length) = (prefix?, length?);
    Some(PrefixPool {
        min_len: min_len.unwrap_or(length),
        max_len: max_len.unwrap_or(length),
        exclude: exclude.unwrap_or_default(),
        excluded_prefix,
        allocation: allocation.into(),
        lifetimes,
        ..PrefixPool::new(prefix, length)
    })
}

/// The prefix left out of each delegated one; its number must fit in the shortest pool prefix that is given by default.
fn excluded_prefix(table: &Table<'_>, delegated: u8, longest: u8) -> Option<ExcludedPrefix> {
    let least = u64::from(longest) + 1;
    // RFC 6603 section 4.2: the subnet ID field has 1 to 16 bytes; ours is a number.
    let most = u64::from(delegated) + 64;
    let len: Option<u8> = table.integer("excluded_length", least..=most.min(128));
    let subnet_id: Option<u64> = table.integer("excluded_subnet_id", 0..=u64::MAX);
    if table.get("excluded_length").is_none() && table.get("excluded_subnet_id").is_some() {
        table.fault("excluded_subnet_id", "needs `excluded_length`");
    }
    let (len, subnet_id) = (len?, subnet_id.unwrap_or(0));
    let bits = len - longest;
    if bits < 64 && subnet_id >> bits != 0 {
        let why = format!("{subnet_id} is no number of a /{len} in a /{longest}");
        table.fault("excluded_subnet_id", why);
    }
    Some(ExcludedPrefix { len, subnet_id })
}

/// Reads a link behind relay agents.
pub(super) fn remote_link(table: &Table<'_>, id: u16, seen: &mut Seen) -> Option<RemoteLink> {
    let name = seen.interfaces.take(table, "interface or remote link");
    let (subnets, subnets4) = subnet::read(table, None);
    let prefixes = subnets.iter().map(|s| IpNet::V6(s.prefix));
    let prefixes4 = subnets4.iter().map(|s| IpNet::V4(s.prefix));
    let prefixes: Vec<IpNet> = prefixes.chain(prefixes4).collect();
    let ports = port::read(table, &prefixes);
    let dhcp6 = table.table("dhcp6", &DHCP6).map(|table| read(&table));
    claim(table, seen, (&subnets, &ports), dhcp6.as_ref());
    let dhcp4 = table
        .table("dhcp4", &DHCP4)
        .map(|table| dhcp4::read(&table));
    dhcp4::claim(table, seen, &subnets4);
    Some(RemoteLink {
        id,
        name: name?,
        subnets,
        ports,
        dhcp6,
        subnets4,
        dhcp4,
    })
}

/// A prefix of which leases are given.
pub(super) struct Leased {
    prefix: Ipv6Net,
    /// Whole prefixes are delegated, not addresses.
    delegated: bool,
    /// What of it is not given.
    exclude: Vec<Ipv6Net>,
    /// The field path of its table.
    path: String,
}

/// Faults what two links of a router would lease out: an address is one thing in it.
pub(super) fn claim(
    table: &Table<'_>,
    seen: &mut Seen,
    (subnets, ports): (&[Subnet], &[Port]),
    dhcp6: Option<&Config>,
) {
    let path = |name: &str, i: usize| format!("{}.{name}[{i}]", table.at.path);
    let stateful = subnets.iter().enumerate();
    let stateful =
        stateful.filter(|(_, s)| s.address_mode == Some(Mode::Stateful) || s.has_fixed(ports));
    let addresses = stateful.map(|(i, subnet)| Leased {
        prefix: subnet.prefix,
        delegated: false,
        exclude: Vec::new(),
        path: path("subnet", i),
    });
    let pools = dhcp6.map_or(&[][..], |config| &config.prefix_pools);
    let prefixes = pools.iter().enumerate().map(|(i, pool)| Leased {
        prefix: pool.prefix,
        delegated: true,
        exclude: pool.exclude.clone(),
        path: path("dhcp6.prefix_pool", i),
    });
    for leased in addresses.chain(prefixes) {
        if let Some(other) = seen.leased.iter().find(|other| other.clashes(&leased)) {
            let field = if leased.delegated { "dhcp6" } else { "subnet" };
            let why = format!(
                "{} of {} overlaps {} of {}: nothing is leased out twice",
                leased.prefix, leased.path, other.prefix, other.path
            );
            table.fault(field, why);
        }
        seen.leased.push(leased);
    }
}

impl Leased {
    fn clashes(&self, other: &Leased) -> bool {
        let (a, b) = (&self.prefix, &other.prefix);
        let excludes = |pool: &Leased, prefix| pool.exclude.iter().any(|net| net.contains(prefix));
        (a.contains(b) || b.contains(a)) && !excludes(self, b) && !excludes(other, a)
    }
}

#[cfg(test)]
mod tests;
