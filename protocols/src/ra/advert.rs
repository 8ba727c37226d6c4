//! From router variables to packets: one advertisement, split over several when its options exceed the MTU.

use std::net::Ipv6Addr;
use std::time::{Duration, SystemTime};

use wire::MacAddr;
use wire::ipv6::MIN_MTU;
use wire::nd::{self, Message, RouterAdvertisement};
use wire::nd_option::{self, INFINITE_LIFETIME, NdOption, PrefixInformation, RouteInformation};

use super::config::{Config, Dnssl, Lifetime, Pref64, Preference, Prefix, Rdnss, Route};

/// Servers in one option, and bytes of names in one: a long list becomes several options, each small enough to pack.
const SERVERS_PER_OPTION: usize = 16;
const NAMES_PER_OPTION: usize = 256;

/// What was advertised and is no more: sent with lifetime 0 for a while (RFC 9096 section 3.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Withdrawn {
    pub prefixes: Vec<Prefix>,
    pub routes: Vec<Route>,
    pub servers: Vec<Ipv6Addr>,
    pub domains: Vec<String>,
    pub pref64: Vec<(Ipv6Addr, u8)>,
}

/// Withdrawn things of each kind remembered at most.
const MAX_WITHDRAWN: usize = 64;

impl Withdrawn {
    /// What `old` advertises and `new` does not.
    pub fn difference(old: &Config, new: &Config) -> Self {
        let mut gone = Withdrawn {
            prefixes: old.prefixes.clone(),
            routes: old.routes.clone(),
            servers: old
                .rdnss
                .iter()
                .flat_map(|r| r.servers.iter().copied())
                .collect(),
            domains: old
                .dnssl
                .iter()
                .flat_map(|d| d.domains.iter().cloned())
                .collect(),
            pref64: old
                .pref64
                .iter()
                .map(|p| (p.prefix, p.prefix_len))
                .collect(),
        };
        gone.keep_absent_from(new);
        gone
    }

    /// Drops what `config` advertises (again).
    pub fn keep_absent_from(&mut self, config: &Config) {
        self.prefixes.retain(|p| {
            !config
                .prefixes
                .iter()
                .any(|q| (q.prefix, q.prefix_len) == (p.prefix, p.prefix_len))
        });
        self.routes.retain(|p| {
            !config
                .routes
                .iter()
                .any(|q| (q.prefix, q.prefix_len) == (p.prefix, p.prefix_len))
        });
        self.servers
            .retain(|s| !config.rdnss.iter().any(|r| r.servers.contains(s)));
        self.domains
            .retain(|d| !config.dnssl.iter().any(|l| l.domains.contains(d)));
        self.pref64
            .retain(|p| !config.pref64.iter().any(|q| (q.prefix, q.prefix_len) == *p));
    }

    /// Adds `later`, the newest last; the oldest go when there are too many.
    pub fn extend(&mut self, later: Withdrawn) {
        fn merge<T: PartialEq>(into: &mut Vec<T>, from: Vec<T>) {
            into.retain(|old| !from.contains(old));
            into.extend(from);
            let excess = into.len().saturating_sub(MAX_WITHDRAWN);
            into.drain(..excess);
        }
        merge(&mut self.prefixes, later.prefixes);
        merge(&mut self.routes, later.routes);
        merge(&mut self.servers, later.servers);
        merge(&mut self.domains, later.domains);
        merge(&mut self.pref64, later.pref64);
    }

    /// Whether there is nothing to withdraw.
    pub fn is_empty(&self) -> bool {
        *self == Withdrawn::default()
    }
}

/// What an advertisement is made of.
pub(super) struct Advert<'a> {
    pub config: &'a Config,
    pub withdrawn: &'a Withdrawn,
    pub wall: SystemTime,
    pub source: Ipv6Addr,
    pub mac: MacAddr,
    /// MTU of the interface, bytes.
    pub mtu: u16,
    /// AdvManagedFlag as this receiver is told.
    pub managed: bool,
    /// The router ceases: nothing leads through it any more (RFC 4861 section 6.2.5).
    pub last: bool,
}

/// The packets of one advertisement.
pub(super) struct Packets {
    pub packets: Vec<Vec<u8>>,
    /// Options that cannot be sent at all.
    pub too_big: u64,
}

impl Advert<'_> {
    /// The packets to `dst`: mostly one.
    pub fn build(&self, dst: Ipv6Addr) -> Packets {
        let message = Message::RouterAdvertisement(self.header());
        let mtu = self
            .config
            .link_mtu
            .unwrap_or(self.mtu.into())
            .min(self.mtu.into()) as usize;
        let limit = mtu.max(MIN_MTU);
        let names = self.domain_options();
        let options = self.options(&names);
        // The source's MAC stands in each packet: a host may see only one of them.
        let first: Vec<NdOption<'_>> = if self.config.source_link_layer {
            vec![NdOption::SourceLinkLayer(self.mac)]
        } else {
            Vec::new()
        };
        let (mut packets, mut too_big) = (Vec::new(), 0);
        let mut current = first.clone();
        let mut flush = |options: &mut Vec<NdOption<'_>>| {
            let mut packet = vec![0; nd::packet_len(&message, options)];
            if nd::write(&mut packet, &self.source, &dst, &message, options).is_ok() {
                packets.push(packet);
            }
            options.truncate(first.len());
        };
        for option in options {
            if nd::packet_len(&message, &first) + option.encoded_len() > limit
                || option.write(&mut [0; 2048]).is_err()
            {
                too_big += 1;
                continue;
            }
            if nd::packet_len(&message, &current) + option.encoded_len() > limit {
                flush(&mut current);
            }
            current.push(option);
        }
        flush(&mut current);
        Packets { packets, too_big }
    }

    fn header(&self) -> RouterAdvertisement {
        let c = self.config;
        let lifetime = if self.last {
            0
        } else {
            c.effective_default_lifetime().as_secs()
        };
        RouterAdvertisement {
            cur_hop_limit: c.cur_hop_limit,
            managed: self.managed,
            other_config: c.other_config,
            // RFC 4191 section 2.2: with lifetime 0 the preference is sent as medium.
            preference: if lifetime == 0 {
                Default::default()
            } else {
                c.preference.into()
            },
            router_lifetime: u16::try_from(lifetime).unwrap_or(u16::MAX),
            reachable_time: millis(c.reachable_time),
            retrans_timer: millis(c.retrans_timer),
            ..Default::default()
        }
    }

    /// Seconds that a lifetime has left.
    fn seconds(&self, lifetime: Lifetime) -> u32 {
        seconds_left(lifetime, self.wall)
    }

    /// The lifetime of what leads through this router: 0 when it ceases.
    fn service(&self, lifetime: Lifetime) -> u32 {
        if self.last { 0 } else { self.seconds(lifetime) }
    }

    /// Lists of names, each small enough for one option, with their lifetimes.
    fn domain_options(&self) -> Vec<(u32, Vec<String>)> {
        let mut lists = Vec::new();
        let gone = Dnssl {
            domains: self.withdrawn.domains.clone(),
            lifetime: Lifetime::Fixed(Duration::ZERO),
        };
        for list in self.config.dnssl.iter().chain([&gone]) {
            let lifetime = self.service(list.lifetime);
            let mut chunk: Vec<String> = Vec::new();
            for domain in &list.domains {
                let used: usize = chunk.iter().map(|name| name.len() + 2).sum();
                if !chunk.is_empty() && used + domain.len() + 2 > NAMES_PER_OPTION {
                    lists.push((lifetime, std::mem::take(&mut chunk)));
                }
                chunk.push(domain.clone());
            }
            if !chunk.is_empty() {
                lists.push((lifetime, chunk));
            }
        }
        lists
    }

    /// All options but the source link-layer address, what hosts need most first.
    fn options<'b>(&'b self, names: &'b [(u32, Vec<String>)]) -> Vec<NdOption<'b>> {
        let (c, gone) = (self.config, self.withdrawn);
        let mut options = Vec::new();
        options.extend(c.link_mtu.map(NdOption::Mtu));
        for p in &c.prefixes {
            let valid = self.seconds(p.valid_lifetime);
            let preferred = self.seconds(p.preferred_lifetime).min(valid);
            options.push(prefix_option(p, valid, preferred));
        }
        options.extend(gone.prefixes.iter().map(|p| prefix_option(p, 0, 0)));
        options.extend(
            c.routes
                .iter()
                .map(|r| route_option(r, self.service(r.lifetime))),
        );
        options.extend(gone.routes.iter().map(|r| route_option(r, 0)));
        let servers = |lifetime| {
            move |servers: &'b [Ipv6Addr]| NdOption::Rdnss {
                lifetime,
                servers: servers.into(),
            }
        };
        for Rdnss {
            servers: list,
            lifetime,
        } in &c.rdnss
        {
            let lifetime = self.service(*lifetime);
            options.extend(list.chunks(SERVERS_PER_OPTION).map(servers(lifetime)));
        }
        options.extend(gone.servers.chunks(SERVERS_PER_OPTION).map(servers(0)));
        options.extend(names.iter().map(|(lifetime, list)| NdOption::Dnssl {
            lifetime: *lifetime,
            domains: list.as_slice().into(),
        }));
        for Pref64 {
            prefix,
            prefix_len,
            lifetime,
        } in &c.pref64
        {
            options.push(pref64_option(*prefix, *prefix_len, self.service(*lifetime)));
        }
        options.extend(
            gone.pref64
                .iter()
                .map(|(prefix, len)| pref64_option(*prefix, *len, 0)),
        );
        options.extend(c.captive_portal.as_deref().map(NdOption::CaptivePortal));
        options
    }
}

fn prefix_option(p: &Prefix, valid_lifetime: u32, preferred_lifetime: u32) -> NdOption<'static> {
    NdOption::PrefixInformation(PrefixInformation {
        prefix_len: p.prefix_len,
        on_link: p.on_link,
        autonomous: p.autonomous,
        router_address: false,
        dhcpv6_pd_preferred: p.prefer_delegation,
        valid_lifetime,
        preferred_lifetime,
        prefix: p.prefix,
    })
}

fn route_option(r: &Route, lifetime: u32) -> NdOption<'static> {
    NdOption::RouteInformation(RouteInformation {
        prefix_len: r.prefix_len,
        preference: r.preference.into(),
        lifetime,
        prefix: r.prefix,
    })
}

fn pref64_option(prefix: Ipv6Addr, prefix_len: u8, lifetime: u32) -> NdOption<'static> {
    // Rounded up to a multiple of 8 s (RFC 8781 section 4), as far as the field goes.
    let most = nd_option::Pref64::MAX_LIFETIME;
    let lifetime = u16::try_from(lifetime)
        .unwrap_or(most)
        .min(most)
        .next_multiple_of(8);
    NdOption::Pref64(nd_option::Pref64 {
        lifetime,
        prefix_len,
        prefix,
    })
}

fn millis(d: Duration) -> u32 {
    u32::try_from(d.as_millis()).unwrap_or(u32::MAX)
}

/// Seconds that a lifetime has left at `wall`; a date that has passed leaves 0.
pub(super) fn seconds_left(lifetime: Lifetime, wall: SystemTime) -> u32 {
    let left = |date: SystemTime| date.duration_since(wall).unwrap_or(Duration::ZERO);
    let left = match lifetime {
        Lifetime::Infinite => return INFINITE_LIFETIME,
        Lifetime::Fixed(d) => d,
        Lifetime::Until(date) => left(date),
        Lifetime::Capped { at_most, until } => left(until).min(at_most),
    };
    u32::try_from(left.as_secs())
        .unwrap_or(INFINITE_LIFETIME)
        .min(INFINITE_LIFETIME - 1)
}

impl From<Preference> for nd_option::Preference {
    fn from(preference: Preference) -> Self {
        match preference {
            Preference::Low => nd_option::Preference::Low,
            Preference::Medium => nd_option::Preference::Medium,
            Preference::High => nd_option::Preference::High,
        }
    }
}

impl From<nd_option::Preference> for Preference {
    fn from(preference: nd_option::Preference) -> Self {
        match preference {
            nd_option::Preference::Low => Preference::Low,
            nd_option::Preference::Medium => Preference::Medium,
            nd_option::Preference::High => Preference::High,
        }
    }
}
