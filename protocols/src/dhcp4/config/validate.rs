//! The rules that a configuration keeps, each fault with its field.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::*;
use crate::dhcp4::packet::is_host;

/// Longest prefix of which addresses are leased: one for us, one for a client.
const MAX_PREFIX: u64 = 30;

pub(super) fn validate(config: &Config) -> Vec<ConfigError> {
    let mut faults = Faults(Vec::new());
    for (i, address) in config.own.iter().enumerate() {
        faults.host(&format!("own[{i}]"), *address);
    }
    for (i, subnet) in config.subnets.iter().enumerate() {
        faults.subnet(&format!("subnets[{i}]"), subnet);
        let prefix = |j: usize| config.subnets[j].prefix;
        let overlaps =
            |j: &usize| prefix(*j).contains(&subnet.prefix) || subnet.prefix.contains(&prefix(*j));
        if let Some(j) = (0..i).find(overlaps) {
            faults.conflict(
                format!("subnets[{i}].prefix"),
                "overlaps",
                format!("subnets[{j}].prefix"),
            );
        }
        let mut earlier = config.subnets[..i].iter();
        if let Some(j) = earlier.position(|other| other.name == subnet.name) {
            let why = "has the same name as";
            faults.conflict(
                format!("subnets[{i}].name"),
                why,
                format!("subnets[{j}].name"),
            );
        }
    }
    faults.reservations(config);
    faults.settings(&config.settings);
    if let Some(probe) = config.probe {
        let millis = u64::try_from(probe.as_millis()).unwrap_or(u64::MAX);
        if !(1..=5000).contains(&millis) {
            faults.within("probe", probe.as_secs(), 0, 5);
        }
    }
    faults.seconds("quarantine", config.quarantine, 1, 31_536_000);
    // RFC 791 section 3.2: what every link carries.
    faults.within("link_mtu", config.link_mtu.into(), 68, u16::MAX.into());
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
        if subnet.name.is_empty() || subnet.name.len() > 255 {
            self.text(
                &format!("{field}.name"),
                &subnet.name,
                "must have 1 to 255 bytes",
            );
        }
        self.host_bits(&format!("{field}.prefix"), prefix);
        let len = u64::from(prefix.prefix_len());
        self.within(&format!("{field}.prefix"), len, 1, MAX_PREFIX);
        let network = prefix.network();
        if network.is_multicast() || network.is_loopback() || network.octets()[0] >= 240 {
            let field = format!("{field}.prefix");
            self.prefix(&field, prefix, "is not a prefix of unicast addresses");
        }
        self.lifetimes(field, &subnet.lifetimes);
        for (i, range) in subnet.pools.iter().enumerate() {
            let field = format!("{field}.pools[{i}]");
            self.range(&field, range, prefix);
            let earlier = subnet.pools[..i].iter().enumerate();
            for (j, _) in earlier.filter(|(_, o)| o.start <= range.end && range.start <= o.end) {
                self.conflict(field.clone(), "overlaps", format!("pools[{j}]"));
            }
        }
        for (i, range) in subnet.exclude.iter().enumerate() {
            self.range(&format!("{field}.exclude[{i}]"), range, prefix);
        }
        for (i, router) in subnet.routers.iter().enumerate() {
            self.host(&format!("{field}.routers[{i}]"), *router);
        }
        for (i, route) in subnet.routes.iter().enumerate() {
            let field = format!("{field}.routes[{i}]");
            self.host_bits(&format!("{field}.destination"), route.destination);
            if !route.gateway.is_unspecified() {
                self.host(&format!("{field}.gateway"), route.gateway);
            }
        }
        for (i, server) in subnet.dns_servers.iter().enumerate() {
            self.host(&format!("{field}.dns_servers[{i}]"), *server);
        }
        for (i, domain) in subnet.domain_search.iter().enumerate() {
            self.domain(&format!("{field}.domain_search[{i}]"), domain);
        }
    }

    fn lifetimes(&mut self, field: &str, lifetimes: &Lifetimes) {
        let lease = lifetimes.lease.as_secs();
        self.within(
            &format!("{field}.lifetimes.lease"),
            lease,
            1,
            INFINITE.as_secs(),
        );
        if let Some(t2) = lifetimes.t2 {
            self.seconds(&format!("{field}.lifetimes.t2"), t2, 0, lease);
        }
        if let Some(t1) = lifetimes.t1 {
            let most = lifetimes.t2.map_or(lease, |t2| t2.as_secs()).min(lease);
            self.seconds(&format!("{field}.lifetimes.t1"), t1, 0, most);
        }
    }

    fn reservations(&mut self, config: &Config) {
        let (mut macs, mut ids, mut duids) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut addresses = BTreeMap::new();
        for (i, reservation) in config.reservations.iter().enumerate() {
            let field = format!("reservations[{i}]");
            if let Some(mac) = &reservation.mac {
                self.distinct(&mut macs, mac, format!("{field}.mac"));
            }
            if let Some(id) = &reservation.client_id {
                self.within(&format!("{field}.client_id"), id.len() as u64, 2, 255);
                self.distinct(&mut ids, id, format!("{field}.client_id"));
            }
            if let Some(duid) = &reservation.duid {
                self.distinct(&mut duids, duid, format!("{field}.duid"));
            }
            if (&reservation.mac, &reservation.client_id, &reservation.duid)
                == (&None, &None, &None)
            {
                self.0.push(ConfigError::Missing {
                    field: field.clone(),
                    why: "a reservation is known by mac, client_id or duid, and has none",
                });
            }
            for (j, address) in reservation.addresses.iter().enumerate() {
                let field = format!("{field}.addresses[{j}]");
                let mut subnets = config.subnets.iter();
                match subnets.find(|subnet| subnet.prefix.contains(address)) {
                    None => self.address(&field, *address, "is in no subnet of the link"),
                    Some(subnet) if is_edge(subnet.prefix, *address) => {
                        let why = "is the network's or the broadcast address";
                        self.address(&field, *address, why);
                    }
                    Some(_) => {}
                }
                self.distinct(&mut addresses, address, field);
            }
            self.raw(&format!("{field}.options"), &reservation.options);
        }
    }

    fn settings(&mut self, settings: &Settings) {
        for (i, server) in settings.dns_servers.iter().enumerate() {
            self.host(&format!("settings.dns_servers[{i}]"), *server);
        }
        for (i, server) in settings.ntp_servers.iter().enumerate() {
            self.host(&format!("settings.ntp_servers[{i}]"), *server);
        }
        for (i, domain) in settings.domain_search.iter().enumerate() {
            self.domain(&format!("settings.domain_search[{i}]"), domain);
        }
        if let Some(domain) = &settings.domain {
            self.domain("settings.domain", domain);
        }
        if let Some(server) = settings.next_server {
            self.host("settings.next_server", server);
        }
        for (field, text) in [
            ("settings.boot_file", &settings.boot_file),
            ("settings.tftp_server", &settings.tftp_server),
        ] {
            let is_wrong =
                |text: &&String| text.is_empty() || text.len() > 255 || text.contains('\0');
            if let Some(text) = text.as_ref().filter(is_wrong) {
                self.text(field, text, "must have 1 to 255 bytes, none of them zero");
            }
        }
        if let Some(mtu) = settings.mtu {
            // RFC 2132 section 5.1.
            self.within("settings.mtu", mtu.into(), 68, u16::MAX.into());
        }
        if let Some(wait) = settings.ipv6_only_wait {
            // MIN_V6ONLY_WAIT (RFC 8925 section 3.4).
            let most = INFINITE.as_secs();
            self.seconds("settings.ipv6_only_wait", wait, 300, most);
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
            self.within(&format!("{field}.data"), option.data.len() as u64, 0, 1024);
        }
    }

    fn range(&mut self, field: &str, range: &Range, prefix: Ipv4Net) {
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

    fn distinct<'a, T: Ord + ?Sized>(
        &mut self,
        seen: &mut BTreeMap<&'a T, String>,
        value: &'a T,
        field: String,
    ) {
        match seen.get(value) {
            Some(other) => self.conflict(field, "is the same as", other.clone()),
            None => drop(seen.insert(value, field)),
        }
    }

    fn conflict(&mut self, field: String, why: &'static str, other: String) {
        self.0.push(ConfigError::Conflict { field, why, other });
    }

    fn host_bits(&mut self, field: &str, prefix: Ipv4Net) {
        if prefix != prefix.trunc() {
            self.prefix(field, prefix, "has bits set after its length");
        }
    }

    fn host(&mut self, field: &str, address: Ipv4Addr) {
        if !is_host(address) {
            self.address(field, address, "is not a unicast address");
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

    fn address(&mut self, field: &str, address: Ipv4Addr, why: &'static str) {
        let field = field.to_owned();
        self.0.push(ConfigError::Address {
            field,
            address,
            why,
        });
    }

    fn prefix(&mut self, field: &str, prefix: Ipv4Net, why: &'static str) {
        let field = field.to_owned();
        self.0.push(ConfigError::Prefix { field, prefix, why });
    }

    fn text(&mut self, field: &str, value: &str, why: &'static str) {
        let (field, value) = (field.to_owned(), value.to_owned());
        self.0.push(ConfigError::Text { field, value, why });
    }
}

/// Whether an address is the first or last of its prefix, which no host has (RFC 1122 section 3.2.1.3).
fn is_edge(prefix: Ipv4Net, address: Ipv4Addr) -> bool {
    prefix.prefix_len() < 31 && (address == prefix.network() || address == prefix.broadcast())
}
