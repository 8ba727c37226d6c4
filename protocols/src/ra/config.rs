//! Router variables of one interface (RFC 4861 section 6.2.1) and the options of later RFCs; `Default` is what
//! they say.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::time::{Duration, SystemTime};

use wire::MacAddr;

use super::error::ConfigError;

/// How long something advertised lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// The same in every advertisement, whole seconds on the wire.
    Fixed(Duration),
    /// Counts down in real time to a date, then stays 0 (RFC 4861 section 6.2.1, AdvValidLifetime).
    Until(SystemTime),
    /// Counts down to a date, but is never longer than a span (RFC 9096 section 3.2: what an upstream may change).
    Capped {
        /// The longest that is advertised.
        at_most: Duration,
        /// When it ends.
        until: SystemTime,
    },
    /// Never ends: all ones on the wire.
    Infinite,
}

/// Default router preference (RFC 4191 section 2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Preference {
    /// Only when no other router is left.
    Low,
    /// As routers that know no preferences.
    #[default]
    Medium,
    /// Before others.
    High,
}

/// A prefix information option (RFC 4861 section 4.6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The prefix; bits after its length are 0.
    pub prefix: Ipv6Addr,
    /// Its length; SLAAC needs 64 on Ethernet.
    pub prefix_len: u8,
    /// Hosts may treat it as on-link (L; AdvOnLinkFlag, default on).
    pub on_link: bool,
    /// Hosts may form addresses from it (A; AdvAutonomousFlag, default on).
    pub autonomous: bool,
    /// A host that can had better ask DHCPv6 for a prefix of its own than form addresses from this one (P; RFC 9762), default off.
    pub prefer_delegation: bool,
    /// AdvValidLifetime, 30 days. RFC 9096 section 3.2 advises shorter ones for prefixes that an upstream may change.
    pub valid_lifetime: Lifetime,
    /// AdvPreferredLifetime, 7 days.
    pub preferred_lifetime: Lifetime,
}

impl Prefix {
    /// A prefix with the lifetimes and flags of RFC 4861 section 6.2.1.
    pub fn new(prefix: Ipv6Addr, prefix_len: u8) -> Self {
        Prefix {
            prefix,
            prefix_len,
            on_link: true,
            autonomous: true,
            prefer_delegation: false,
            valid_lifetime: Lifetime::Fixed(Duration::from_secs(2_592_000)),
            preferred_lifetime: Lifetime::Fixed(Duration::from_secs(604_800)),
        }
    }
}

/// A route information option (RFC 4191 section 2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The destination prefix; bits after its length are 0.
    pub prefix: Ipv6Addr,
    /// Its length; 0 is the default route.
    pub prefix_len: u8,
    /// Preference among routers that advertise it.
    pub preference: Preference,
    /// How long it lasts.
    pub lifetime: Lifetime,
}

/// A recursive DNS server option (RFC 8106 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rdnss {
    /// The servers, in order of preference.
    pub servers: Vec<Ipv6Addr>,
    /// How long they may be used; RFC 8106 advises 3 × MaxRtrAdvInterval.
    pub lifetime: Lifetime,
}

/// A DNS search list option (RFC 8106 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dnssl {
    /// The domains, in order.
    pub domains: Vec<String>,
    /// How long they may be used.
    pub lifetime: Lifetime,
}

/// A PREF64 option (RFC 8781 section 4): the NAT64 prefix of this network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pref64 {
    /// The prefix; bits after its length are 0.
    pub prefix: Ipv6Addr,
    /// 32, 40, 48, 56, 64 or 96.
    pub prefix_len: u8,
    /// Up to 65528 s, rounded up to a multiple of 8 s on the wire.
    pub lifetime: Lifetime,
}

/// Router variables of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether to advertise at all (AdvSendAdvertisements, off).
    pub send_advertisements: bool,
    /// MaxRtrAdvInterval: 4 to 65535 s (RFC 8319), default 600 s.
    pub max_interval: Duration,
    /// MinRtrAdvInterval: 3 s to 0.75 × max; `None`: 0.33 × max (max itself below 9 s).
    pub min_interval: Option<Duration>,
    /// AdvManagedFlag: addresses by DHCPv6.
    pub managed: bool,
    /// Stations that are told to get an address by DHCPv6 where the others form theirs: their advertisements, sent to their
    /// MAC alone (RFC 6085), have AdvManagedFlag set.
    pub managed_hosts: BTreeSet<MacAddr>,
    /// AdvOtherConfigFlag: other settings by DHCPv6.
    pub other_config: bool,
    /// AdvLinkMTU, bytes; `None`: not advertised.
    pub link_mtu: Option<u32>,
    /// AdvReachableTime, at most one hour; zero: unspecified.
    pub reachable_time: Duration,
    /// AdvRetransTimer; zero: unspecified.
    pub retrans_timer: Duration,
    /// AdvCurHopLimit, 64; 0: unspecified.
    pub cur_hop_limit: u8,
    /// AdvDefaultLifetime: 0 (not a default router) or from max_interval to 65535 s (RFC 8319); `None`: 3 × max_interval.
    pub default_lifetime: Option<Duration>,
    /// Default router preference (RFC 4191); sent as medium when the lifetime is 0.
    pub preference: Preference,
    /// Include the source link-layer address option, which spares each host a solicitation.
    pub source_link_layer: bool,
    /// AdvPrefixList.
    pub prefixes: Vec<Prefix>,
    /// More specific routes.
    pub routes: Vec<Route>,
    /// DNS servers.
    pub rdnss: Vec<Rdnss>,
    /// DNS search lists.
    pub dnssl: Vec<Dnssl>,
    /// NAT64 prefixes.
    pub pref64: Vec<Pref64>,
    /// Captive portal API URI (RFC 8910 section 2.3).
    pub captive_portal: Option<String>,
    /// Answer solicitations by unicast to hosts that gave their address: RFC 7772 section 5.1 advises it where
    /// multicast wakes sleeping hosts.
    pub unicast_solicited: bool,
    /// How long removed prefixes, routes and servers are still advertised with lifetime 0 (RFC 9096 section 3.5).
    pub deprecate_for: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            send_advertisements: false,
            max_interval: Duration::from_secs(600),
            min_interval: None,
            managed: false,
            managed_hosts: BTreeSet::new(),
            other_config: false,
            link_mtu: None,
            reachable_time: Duration::ZERO,
            retrans_timer: Duration::ZERO,
            cur_hop_limit: 64,
            default_lifetime: None,
            preference: Preference::Medium,
            source_link_layer: true,
            prefixes: Vec::new(),
            routes: Vec::new(),
            rdnss: Vec::new(),
            dnssl: Vec::new(),
            pref64: Vec::new(),
            captive_portal: None,
            unicast_solicited: true,
            deprecate_for: Duration::from_secs(7200),
        }
    }
}

impl Config {
    /// Variables for links with many sleeping hosts: about three multicast advertisements an hour, where RFC 7772
    /// section 4 allows seven, and unicast answers.
    pub fn power_friendly() -> Self {
        Config {
            max_interval: Duration::from_secs(1800),
            min_interval: Some(Duration::from_secs(600)),
            unicast_solicited: true,
            ..Config::default()
        }
    }

    /// MinRtrAdvInterval as it applies.
    pub fn effective_min_interval(&self) -> Duration {
        self.min_interval
            .unwrap_or(if self.max_interval >= Duration::from_secs(9) {
                self.max_interval * 33 / 100
            } else {
                self.max_interval * 3 / 4
            })
    }

    /// AdvDefaultLifetime as it applies.
    pub fn effective_default_lifetime(&self) -> Duration {
        self.default_lifetime
            .unwrap_or((self.max_interval * 3).min(Duration::from_secs(65_535)))
    }

    /// Every fault, not only the first.
    pub fn validate(&self) -> Vec<ConfigError> {
        let mut faults = Faults(Vec::new());
        let max = ms(self.max_interval);
        faults.range("max_interval", max, 4000, 65_535_000);
        if let Some(min) = self.min_interval {
            faults.range("min_interval", ms(min), 3000, max * 3 / 4);
        }
        if let Some(lifetime) = self.default_lifetime.filter(|l| !l.is_zero()) {
            faults.range("default_lifetime", ms(lifetime), max, 65_535_000);
        }
        if let Some(mtu) = self.link_mtu {
            faults.range("link_mtu", mtu.into(), 1280, 65_535);
        }
        faults.range("reachable_time", ms(self.reachable_time), 0, 3_600_000);
        faults.range("retrans_timer", ms(self.retrans_timer), 0, u32::MAX.into());
        for (i, p) in self.prefixes.iter().enumerate() {
            let field = format!("prefixes[{i}]");
            faults.prefix(&field, p.prefix, p.prefix_len);
            faults.lifetime(&format!("{field}.valid_lifetime"), p.valid_lifetime);
            faults.lifetime(&format!("{field}.preferred_lifetime"), p.preferred_lifetime);
            if exceeds(p.preferred_lifetime, p.valid_lifetime) {
                faults.0.push(ConfigError::PreferredBeyondValid {
                    field: field.clone(),
                });
            }
            let same = |q: &Prefix| (q.prefix, q.prefix_len) == (p.prefix, p.prefix_len);
            if self.prefixes[..i].iter().any(same) {
                faults.0.push(ConfigError::Duplicate { field });
            }
        }
        for (i, r) in self.routes.iter().enumerate() {
            let field = format!("routes[{i}]");
            faults.prefix(&field, r.prefix, r.prefix_len);
            faults.lifetime(&format!("{field}.lifetime"), r.lifetime);
            let same = |q: &Route| (q.prefix, q.prefix_len) == (r.prefix, r.prefix_len);
            if self.routes[..i].iter().any(same) {
                faults.0.push(ConfigError::Duplicate { field });
            }
        }
        for (i, r) in self.rdnss.iter().enumerate() {
            // One option counts its length in 8 bytes in one byte: (255 - 1) / 2 servers.
            faults.range(
                &format!("rdnss[{i}].servers"),
                r.servers.len() as u64,
                1,
                127,
            );
            faults.lifetime(&format!("rdnss[{i}].lifetime"), r.lifetime);
        }
        for (i, d) in self.dnssl.iter().enumerate() {
            if d.domains.is_empty() {
                faults.0.push(ConfigError::Empty {
                    field: format!("dnssl[{i}].domains"),
                });
            }
            for (j, domain) in d.domains.iter().enumerate() {
                faults.domain(&format!("dnssl[{i}].domains[{j}]"), domain);
            }
            faults.lifetime(&format!("dnssl[{i}].lifetime"), d.lifetime);
        }
        for (i, p) in self.pref64.iter().enumerate() {
            let field = format!("pref64[{i}]");
            faults.prefix(&field, p.prefix, p.prefix_len);
            if ![32, 40, 48, 56, 64, 96].contains(&p.prefix_len) {
                let why = "a NAT64 prefix has 32, 40, 48, 56, 64 or 96 bits (RFC 6052)";
                let (prefix, len) = (p.prefix, p.prefix_len);
                faults.0.push(ConfigError::Prefix {
                    field: field.clone(),
                    prefix,
                    len,
                    why,
                });
            }
            if let Lifetime::Fixed(lifetime) = p.lifetime {
                faults.range(&format!("{field}.lifetime"), ms(lifetime), 0, 65_528_000);
            }
        }
        if let Some(uri) = &self.captive_portal {
            // RFC 8910 section 2: it should fit the minimum MTU together with the rest; 255 × 8 - 2 bytes at most.
            let why = if uri.is_empty() || uri.len() > 1024 {
                "must have 1 to 1024 bytes"
            } else if !uri.bytes().all(|b| b.is_ascii_graphic()) {
                "is not a URI: it has blanks or bytes outside ASCII"
            } else {
                ""
            };
            faults.text("captive_portal", uri, why);
        }
        faults.0
    }
}

fn ms(d: Duration) -> u64 {
    d.as_millis() as u64
}

/// Whether lifetime `a` surely ends after `b`; a date and a span cannot be compared without a clock.
fn exceeds(a: Lifetime, b: Lifetime) -> bool {
    match (a, b) {
        (Lifetime::Fixed(a), Lifetime::Fixed(b)) => a > b,
        (Lifetime::Until(a), Lifetime::Until(b)) => a > b,
        // Never above `b` when neither its span nor its end is.
        (
            Lifetime::Capped {
                at_most: a,
                until: x,
            },
            Lifetime::Capped {
                at_most: b,
                until: y,
            },
        ) => a > b && x > y,
        (Lifetime::Infinite, b) => b != Lifetime::Infinite,
        _ => false,
    }
}

struct Faults(Vec<ConfigError>);

impl Faults {
    fn range(&mut self, field: &str, value: u64, min: u64, max: u64) {
        if !(min..=max).contains(&value) {
            self.0.push(ConfigError::Range {
                field: field.to_owned(),
                value,
                min,
                max,
            });
        }
    }

    fn text(&mut self, field: &str, value: &str, why: &'static str) {
        if !why.is_empty() {
            let (field, value) = (field.to_owned(), value.to_owned());
            self.0.push(ConfigError::Text { field, value, why });
        }
    }

    fn lifetime(&mut self, field: &str, lifetime: Lifetime) {
        if let Lifetime::Fixed(d) = lifetime {
            // All ones means infinity.
            self.range(field, ms(d), 0, u64::from(u32::MAX - 1) * 1000);
        }
    }

    fn prefix(&mut self, field: &str, prefix: Ipv6Addr, len: u8) {
        let host_bits = u128::MAX.checked_shr(len.into()).unwrap_or(0);
        let why = if len > 128 {
            "its length is above 128"
        } else if prefix.to_bits() & host_bits != 0 {
            "it has bits set after its length"
        } else if len >= 10 && prefix.is_unicast_link_local() {
            "link-local prefixes are not advertised"
        } else if len >= 8 && prefix.is_multicast() {
            "multicast is not a prefix of hosts"
        } else {
            return;
        };
        self.0.push(ConfigError::Prefix {
            field: field.to_owned(),
            prefix,
            len,
            why,
        });
    }

    fn domain(&mut self, field: &str, name: &str) {
        let stripped = name.strip_suffix('.').unwrap_or(name);
        let label = |l: &str| {
            !l.is_empty()
                && l.len() <= 63
                && l.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let why = if stripped.len() > 253 || !stripped.split('.').all(label) {
            "is not a domain name (RFC 1035 section 3.1)"
        } else {
            ""
        };
        self.text(field, name, why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_derives_its_intervals() {
        let config = Config::default();
        assert_eq!(config.validate(), []);
        assert_eq!(config.effective_min_interval(), Duration::from_secs(198));
        assert_eq!(
            config.effective_default_lifetime(),
            Duration::from_secs(1800)
        );
    }

    #[test]
    fn every_fault_is_named() {
        let mut prefix = Prefix::new("2001:db8::1".parse().unwrap(), 64);
        prefix.preferred_lifetime = Lifetime::Infinite;
        let config = Config {
            max_interval: Duration::from_secs(3),
            link_mtu: Some(1279),
            prefixes: vec![prefix, Prefix::new("fe80::".parse().unwrap(), 64)],
            rdnss: vec![Rdnss {
                servers: vec![],
                lifetime: Lifetime::Infinite,
            }],
            dnssl: vec![Dnssl {
                domains: vec!["a..b".into()],
                lifetime: Lifetime::Infinite,
            }],
            pref64: vec![Pref64 {
                prefix: "64:ff9b::".parse().unwrap(),
                prefix_len: 95,
                lifetime: Lifetime::Fixed(Duration::from_secs(70_000)),
            }],
            captive_portal: Some(String::new()),
            ..Config::default()
        };
        let faults: Vec<_> = config.validate().iter().map(ToString::to_string).collect();
        let fields = [
            "max_interval",
            "link_mtu",
            "prefixes[0]:",
            "prefixes[0]:",
            "prefixes[1]:",
            "rdnss[0].servers",
            "dnssl[0].domains[0]",
            "pref64[0]:",
            "pref64[0].lifetime",
            "captive_portal",
        ];
        assert_eq!(faults.len(), fields.len(), "{faults:#?}");
        for (fault, field) in faults.iter().zip(fields) {
            assert!(fault.starts_with(field), "{fault} is not about {field}");
        }
    }
}
