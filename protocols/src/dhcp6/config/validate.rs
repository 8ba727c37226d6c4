//! The rules that a configuration keeps, each fault with its field.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;

use ipnet::Ipv6Net;

use super::*;
use crate::dhcp6_wire::{MAX_DUID, MIN_DUID};

pub(super) fn validate(config: &Config) -> Vec<ConfigError> {
    let mut faults = Faults(Vec::new());
    for (i, subnet) in config.subnets.iter().enumerate() {
        faults.subnet(&format!("subnets[{i}]"), subnet);
        faults.overlap("subnets", i, subnet.prefix, |j| config.subnets[j].prefix);
    }
    for (i, pool) in config.prefix_pools.iter().enumerate() {
        faults.prefix_pool(&format!("prefix_pools[{i}]"), pool);
        faults.overlap("prefix_pools", i, pool.prefix, |j| {
            config.prefix_pools[j].prefix
        });
        faults.on_link(i, pool, config);
    }
    faults.names(config);
    faults.reservations(config);
    faults.settings(&config.settings);
    faults.seconds("respond_after", config.respond_after, 0, 655);
    faults.seconds("quarantine", config.quarantine, 1, 31_536_000);
    let sources = match &config.relays {
        Relays::From(prefixes) => prefixes.as_slice(),
        Relays::None | Relays::Any => &[],
    };
    for (i, prefix) in sources.iter().enumerate() {
        faults.host_bits(&format!("relays[{i}]"), *prefix);
    }
    for (i, prefix) in config.link_addresses.iter().enumerate() {
        faults.host_bits(&format!("link_addresses[{i}]"), *prefix);
    }
    faults.0
}

struct Faults(Vec<ConfigError>);

impl Faults {
    fn subnet(&mut self, field: &str, subnet: &Subnet) {
        let prefix = subnet.prefix;
        self.name(&format!("{field}.name"), &subnet.name);
        self.host_bits(&format!("{field}.prefix"), prefix);
        self.unicast(&format!("{field}.prefix"), prefix);
        self.lifetimes(&format!("{field}.lifetimes"), &subnet.lifetimes);
        for (i, range) in subnet.pools.iter().enumerate() {
            let field = format!("{field}.pools[{i}]");
            self.range(&field, range, prefix);
            let earlier = subnet.pools[..i].iter().enumerate();
            for (j, _) in earlier.filter(|(_, o)| o.start <= range.end && range.start <= o.end) {
                self.0.push(ConfigError::Conflict {
                    field: field.clone(),
                    why: "overlaps",
                    other: format!("pools[{j}]"),
                });
            }
        }
        for (i, range) in subnet.exclude.iter().enumerate() {
            self.range(&format!("{field}.exclude[{i}]"), range, prefix);
        }
        if !subnet.stateful && !subnet.pools.is_empty() {
            self.0.push(ConfigError::Missing {
                field: format!("{field}.pools"),
                why: "a subnet that is not stateful gives no addresses and has no pools",
            });
        }
    }

    fn prefix_pool(&mut self, field: &str, pool: &PrefixPool) {
        self.name(&format!("{field}.name"), &pool.name);
        self.host_bits(&format!("{field}.prefix"), pool.prefix);
        self.unicast(&format!("{field}.prefix"), pool.prefix);
        self.lifetimes(&format!("{field}.lifetimes"), &pool.lifetimes);
        let len = u64::from(pool.prefix.prefix_len());
        let (min, max) = (u64::from(pool.min_len), u64::from(pool.max_len));
        self.within(&format!("{field}.min_len"), min, len, 128);
        self.within(&format!("{field}.max_len"), max, min.min(128), 128);
        let delegated = pool.delegated_len.into();
        self.within(
            &format!("{field}.delegated_len"),
            delegated,
            min,
            max.max(min),
        );
        for (i, excluded) in pool.exclude.iter().enumerate() {
            let field = format!("{field}.exclude[{i}]");
            self.host_bits(&field, *excluded);
            if !pool.prefix.contains(excluded) {
                let why = "is not in the pool's prefix";
                self.prefix(&field, *excluded, why);
            }
        }
        if let Some(excluded) = pool.excluded_prefix {
            let field = format!("{field}.excluded_prefix");
            // The option's subnet ID has 1 to 16 octets (RFC 6603 section 4.2); a number of 64 bits is enough for all of them here.
            let (least, most) = (max + 1, (min + 64).min(128));
            self.within(&format!("{field}.len"), excluded.len.into(), least, most);
            let bits = u32::from(excluded.len.saturating_sub(pool.max_len)).min(64);
            let last = u64::MAX.checked_shr(64 - bits).unwrap_or(0);
            self.within(&format!("{field}.subnet_id"), excluded.subnet_id, 0, last);
        }
    }

    /// What is on this link is not delegated.
    fn on_link(&mut self, i: usize, pool: &PrefixPool, config: &Config) {
        for (j, subnet) in config.subnets.iter().enumerate() {
            let prefix = subnet.prefix;
            let overlaps = pool.prefix.contains(&prefix) || prefix.contains(&pool.prefix);
            if overlaps
                && !pool
                    .exclude
                    .iter()
                    .any(|excluded| excluded.contains(&prefix))
            {
                self.0.push(ConfigError::Conflict {
                    field: format!("prefix_pools[{i}].prefix"),
                    why: "has in it, and does not exclude,",
                    other: format!("subnets[{j}].prefix"),
                });
            }
        }
    }

    fn lifetimes(&mut self, field: &str, lifetimes: &Lifetimes) {
        let infinite = INFINITE.as_secs();
        let (preferred, valid) = (lifetimes.preferred.as_secs(), lifetimes.valid.as_secs());
        self.within(&format!("{field}.valid"), valid, 0, infinite);
        self.within(
            &format!("{field}.preferred"),
            preferred,
            0,
            valid.min(infinite),
        );
        let bound = |t: Option<Duration>| t.map_or(preferred, |t| t.as_secs());
        if let Some(t2) = lifetimes.t2 {
            self.seconds(&format!("{field}.t2"), t2, 0, preferred);
        }
        if let Some(t1) = lifetimes.t1 {
            self.seconds(
                &format!("{field}.t1"),
                t1,
                0,
                bound(lifetimes.t2).min(preferred),
            );
        }
    }

    /// Names are what leases are stored under.
    fn names(&mut self, config: &Config) {
        let subnets = config.subnets.iter().enumerate();
        let pools = config.prefix_pools.iter().enumerate();
        let named = subnets
            .map(|(i, subnet)| (format!("subnets[{i}].name"), &subnet.name))
            .chain(pools.map(|(i, pool)| (format!("prefix_pools[{i}].name"), &pool.name)));
        let mut first = BTreeMap::new();
        for (field, name) in named {
            if let Some(other) = first.insert(name, field.clone()) {
                let why = "has the same name as";
                self.0.push(ConfigError::Conflict { field, why, other });
            }
        }
    }

    fn reservations(&mut self, config: &Config) {
        let (mut duids, mut macs, mut subscribers) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (mut addresses, mut prefixes) = (BTreeMap::new(), BTreeMap::<Ipv6Net, String>::new());
        for (i, reservation) in config.reservations.iter().enumerate() {
            let field = format!("reservations[{i}]");
            if let Some(duid) = &reservation.duid {
                let (min, max) = (MIN_DUID as u64, MAX_DUID as u64);
                self.within(&format!("{field}.duid"), duid.len() as u64, min, max);
                self.distinct(&mut duids, duid, format!("{field}.duid"));
            }
            if let Some(mac) = &reservation.mac {
                self.distinct(&mut macs, mac, format!("{field}.mac"));
            }
            if let Some(id) = &reservation.subscriber_id {
                self.distinct(&mut subscribers, id, format!("{field}.subscriber_id"));
            }
            let known_by = (
                &reservation.duid,
                &reservation.mac,
                &reservation.subscriber_id,
            );
            if known_by == (&None, &None, &None) {
                self.0.push(ConfigError::Missing {
                    field: field.clone(),
                    why: "a reservation is known by duid, mac or subscriber_id, and has none",
                });
            }
            for (j, address) in reservation.addresses.iter().enumerate() {
                let field = format!("{field}.addresses[{j}]");
                let mut subnets = config.subnets.iter().filter(|subnet| subnet.stateful);
                if !subnets.any(|subnet| subnet.prefix.contains(address)) {
                    let why = "is in no stateful subnet of the link";
                    self.address(&field, *address, why);
                }
                self.distinct(&mut addresses, address, field);
            }
            for (j, prefix) in reservation.prefixes.iter().enumerate() {
                let field = format!("{field}.prefixes[{j}]");
                self.host_bits(&field, *prefix);
                let mut pools = config.prefix_pools.iter();
                if !pools.any(|pool| pool.prefix.contains(prefix)) {
                    self.prefix(&field, *prefix, "is in no prefix pool of the link");
                }
                if let Some((_, other)) = prefixes
                    .iter()
                    .find(|(p, _)| p.contains(prefix) || prefix.contains(*p))
                {
                    self.0.push(ConfigError::Conflict {
                        field: field.clone(),
                        why: "overlaps",
                        other: other.clone(),
                    });
                }
                prefixes.insert(*prefix, field);
            }
            self.raw(&format!("{field}.options"), &reservation.options);
        }
    }

    fn settings(&mut self, settings: &Settings) {
        let domains = settings.domain_search.iter().enumerate();
        for (i, domain) in domains {
            self.domain(&format!("settings.domain_search[{i}]"), domain);
        }
        for (i, server) in settings.dns_servers.iter().enumerate() {
            if server.is_multicast() || server.is_unspecified() {
                let field = format!("settings.dns_servers[{i}]");
                self.address(&field, *server, "is not a unicast address");
            }
        }
        for (i, server) in settings.ntp_servers.iter().enumerate() {
            let field = format!("settings.ntp_servers[{i}]");
            match server {
                NtpServer::Address(a) if a.is_multicast() || a.is_unspecified() => {
                    self.address(&field, *a, "is not a unicast address");
                }
                NtpServer::Multicast(a) if !a.is_multicast() => {
                    self.address(&field, *a, "is not a multicast address");
                }
                NtpServer::Name(name) => self.domain(&field, name),
                NtpServer::Address(_) | NtpServer::Multicast(_) => {}
            }
        }
        if let Some(url) = &settings.bootfile_url {
            let graphic = url.bytes().all(|b| b.is_ascii_graphic());
            if url.is_empty() || url.len() > 1024 || !graphic {
                let why = "is not a URL of 1 to 1024 bytes of ASCII";
                self.text("settings.bootfile_url", url, why);
            }
        }
        for (i, param) in settings.bootfile_params.iter().enumerate() {
            if param.is_empty() || param.len() > 1024 {
                let why = "must have 1 to 1024 bytes";
                self.text(&format!("settings.bootfile_params[{i}]"), param, why);
            }
        }
        if let Some(time) = settings.information_refresh_time {
            // IRT_MINIMUM (RFC 8415 section 7.6).
            let (field, max) = ("settings.information_refresh_time", INFINITE.as_secs());
            self.seconds(field, time, 600, max);
        }
        for (field, time) in [
            ("settings.sol_max_rt", settings.sol_max_rt),
            ("settings.inf_max_rt", settings.inf_max_rt),
        ] {
            if let Some(time) = time {
                self.seconds(field, time, 60, 86_400);
            }
        }
        if let Some(domain) = &settings.fqdn_domain {
            self.domain("settings.fqdn_domain", domain);
        }
        for (i, vendor) in settings.vendor.iter().enumerate() {
            let bytes: usize = vendor.options.iter().map(|(_, d)| d.len() + 4).sum();
            let field = format!("settings.vendor[{i}].options");
            self.within(&field, bytes as u64, 0, 4096);
        }
        self.raw("settings.extra", &settings.extra);
    }

    fn raw(&mut self, field: &str, options: &[RawOption]) {
        for (i, option) in options.iter().enumerate() {
            let field = format!("{field}[{i}]");
            if OWN.contains(&option.code) {
                let why = "is an option that the server writes itself";
                self.text(&format!("{field}.code"), &option.code.to_string(), why);
            }
            self.within(&format!("{field}.data"), option.data.len() as u64, 0, 4096);
        }
    }

    fn range(&mut self, field: &str, range: &Range, prefix: Ipv6Net) {
        for (end, address) in [("start", range.start), ("end", range.end)] {
            if !prefix.contains(&address) {
                self.address(&format!("{field}.{end}"), address, "is not in the subnet");
            }
        }
        if range.start > range.end {
            let why = "comes before the start of its range";
            self.address(&format!("{field}.end"), range.end, why);
        }
    }

    fn overlap(&mut self, list: &str, i: usize, prefix: Ipv6Net, of: impl Fn(usize) -> Ipv6Net) {
        let overlaps = |j: &usize| of(*j).contains(&prefix) || prefix.contains(&of(*j));
        if let Some(j) = (0..i).find(overlaps) {
            self.0.push(ConfigError::Conflict {
                field: format!("{list}[{i}].prefix"),
                why: "overlaps",
                other: format!("{list}[{j}].prefix"),
            });
        }
    }

    fn distinct<'a, T: Ord + ?Sized>(
        &mut self,
        seen: &mut BTreeMap<&'a T, String>,
        value: &'a T,
        field: String,
    ) {
        if let Some(other) = seen.get(value) {
            self.0.push(ConfigError::Conflict {
                field,
                why: "is the same as",
                other: other.clone(),
            });
        } else {
            seen.insert(value, field);
        }
    }

    fn host_bits(&mut self, field: &str, prefix: Ipv6Net) {
        if prefix != prefix.trunc() {
            self.prefix(field, prefix, "has bits set after its length");
        }
    }

    fn unicast(&mut self, field: &str, prefix: Ipv6Net) {
        let address = prefix.network();
        if address.is_multicast() || address.is_unicast_link_local() {
            self.prefix(
                field,
                prefix,
                "is not a prefix of global or unique local addresses",
            );
        }
    }

    fn name(&mut self, field: &str, name: &str) {
        if name.is_empty() || name.len() > 255 {
            self.text(field, name, "must have 1 to 255 bytes");
        }
    }

    fn domain(&mut self, field: &str, name: &str) {
        let stripped = name.strip_suffix('.').unwrap_or(name);
        let label = |l: &str| {
            let word = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
            (1..=63).contains(&l.len()) && l.bytes().all(word)
        };
        if stripped.len() > 253 || !stripped.split('.').all(label) {
            self.text(field, name, "is not a domain name (RFC 1035 section 3.1)");
        }
    }

    fn seconds(&mut self, field: &str, value: Duration, min: u64, max: u64) {
        self.within(field, value.as_secs(), min, max);
    }

    fn within(&mut self, field: &str, value: u64, min: u64, max: u64) {
        if !(min..=max).contains(&value) {
            self.0.push(ConfigError::Range {
                field: field.to_owned(),
                value,
                min,
                max,
            });
        }
    }

    fn address(&mut self, field: &str, address: Ipv6Addr, why: &'static str) {
        let field = field.to_owned();
        self.0.push(ConfigError::Address {
            field,
            address,
            why,
        });
    }

    fn prefix(&mut self, field: &str, prefix: Ipv6Net, why: &'static str) {
        let field = field.to_owned();
        self.0.push(ConfigError::Prefix { field, prefix, why });
    }

    fn text(&mut self, field: &str, value: &str, why: &'static str) {
        let (field, value) = (field.to_owned(), value.to_owned());
        self.0.push(ConfigError::Text { field, value, why });
    }
}
