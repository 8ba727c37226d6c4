//! Other routers of the link: who they are, and where they contradict us (RFC 4861 section 6.2.7).

use std::net::Ipv6Addr;
use std::time::{Duration, Instant, SystemTime};

use wire::MacAddr;
use wire::nd::RouterAdvertisement;
use wire::nd_option::{NdOption, Options};

use super::advert::seconds_left;
use super::config::{Config, Lifetime, Preference};

/// How far a lifetime that counts down may differ before it counts as another: delay, rounding, clocks.
const COUNTDOWN_TOLERANCE: u32 = 60;
/// A router that is no default router is remembered for as long as it could be with the default lifetime.
const REMEMBERED: Duration = Duration::from_secs(1800);

/// A variable in which another router differs from us; ours first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inconsistency {
    /// Cur Hop Limit, both specified.
    CurHopLimit(u8, u8),
    /// M flag.
    Managed(bool, bool),
    /// O flag.
    OtherConfig(bool, bool),
    /// Reachable Time, milliseconds, both specified.
    ReachableTime(u32, u32),
    /// Retrans Timer, milliseconds, both specified.
    RetransTimer(u32, u32),
    /// MTU, both advertised.
    LinkMtu(u32, u32),
    /// Valid lifetime of the same prefix, seconds.
    ValidLifetime(Ipv6Addr, u8, u32, u32),
    /// Preferred lifetime of the same prefix, seconds.
    PreferredLifetime(Ipv6Addr, u8, u32, u32),
    /// Lifetime of the same DNS server, seconds.
    RdnssLifetime(Ipv6Addr, u32, u32),
}

impl Inconsistency {
    /// The same contradiction without numbers that change from packet to packet: what a log line is worth once.
    fn subject(&self) -> Inconsistency {
        match *self {
            Inconsistency::ValidLifetime(p, len, ..) => Inconsistency::ValidLifetime(p, len, 0, 0),
            Inconsistency::PreferredLifetime(p, len, ..) => {
                Inconsistency::PreferredLifetime(p, len, 0, 0)
            }
            Inconsistency::RdnssLifetime(server, ..) => Inconsistency::RdnssLifetime(server, 0, 0),
            ref other => other.clone(),
        }
    }
}

impl std::fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Inconsistency::CurHopLimit(a, b) => {
                write!(f, "current hop limit: ours {a}, theirs {b}")
            }
            Inconsistency::Managed(a, b) => write!(f, "managed flag: ours {a}, theirs {b}"),
            Inconsistency::OtherConfig(a, b) => write!(f, "other flag: ours {a}, theirs {b}"),
            Inconsistency::ReachableTime(a, b) => {
                write!(f, "reachable time: ours {a} ms, theirs {b} ms")
            }
            Inconsistency::RetransTimer(a, b) => {
                write!(f, "retransmission timer: ours {a} ms, theirs {b} ms")
            }
            Inconsistency::LinkMtu(a, b) => write!(f, "MTU: ours {a}, theirs {b}"),
            Inconsistency::ValidLifetime(p, len, a, b) => {
                write!(f, "valid lifetime of {p}/{len}: ours {a} s, theirs {b} s")
            }
            Inconsistency::PreferredLifetime(p, len, a, b) => {
                write!(
                    f,
                    "preferred lifetime of {p}/{len}: ours {a} s, theirs {b} s"
                )
            }
            Inconsistency::RdnssLifetime(server, a, b) => {
                write!(
                    f,
                    "lifetime of DNS server {server}: ours {a} s, theirs {b} s"
                )
            }
        }
    }
}

/// Another router of the link, as its last advertisement told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignRouter {
    /// Its link-local address.
    pub addr: Ipv6Addr,
    /// Its MAC.
    pub mac: MacAddr,
    /// How long it is a default router, seconds; 0: it is none.
    pub router_lifetime: u16,
    /// Its preference.
    pub preference: Preference,
    /// M flag.
    pub managed: bool,
    /// O flag.
    pub other_config: bool,
    /// The prefixes of its last advertisement.
    pub prefixes: Vec<(Ipv6Addr, u8)>,
    /// When it advertised last.
    pub last_seen: Instant,
    /// Where it contradicts us.
    pub inconsistencies: Vec<Inconsistency>,
}

/// Prefixes of one foreign router kept at most.
const MAX_PREFIXES: usize = 64;

impl ForeignRouter {
    pub(super) fn new(
        addr: Ipv6Addr,
        mac: MacAddr,
        ra: &RouterAdvertisement,
        options: &Options<'_>,
        now: Instant,
    ) -> Self {
        let prefixes = options.readable().filter_map(|option| match option {
            NdOption::PrefixInformation(p) => Some((p.prefix, p.prefix_len)),
            _ => None,
        });
        ForeignRouter {
            addr,
            mac,
            router_lifetime: ra.router_lifetime,
            preference: ra.preference.into(),
            managed: ra.managed,
            other_config: ra.other_config,
            prefixes: prefixes.take(MAX_PREFIXES).collect(),
            last_seen: now,
            inconsistencies: Vec::new(),
        }
    }

    /// When it is forgotten unless it advertises again.
    pub(super) fn expires(&self) -> Instant {
        self.last_seen + REMEMBERED.max(Duration::from_secs(self.router_lifetime.into()))
    }

    /// Which of `found` had not been found in the advertisement before.
    pub(super) fn news(&self, found: &[Inconsistency]) -> Vec<Inconsistency> {
        let seen: Vec<_> = self
            .inconsistencies
            .iter()
            .map(Inconsistency::subject)
            .collect();
        found
            .iter()
            .filter(|i| !seen.contains(&i.subject()))
            .cloned()
            .collect()
    }
}

/// Everything in which an advertisement differs from what we advertise.
pub(super) fn inconsistencies(
    config: &Config,
    wall: SystemTime,
    ra: &RouterAdvertisement,
    options: &Options<'_>,
) -> Vec<Inconsistency> {
    let mut found = Vec::new();
    // 0 means unspecified, which contradicts nothing.
    let differ = |ours: u32, theirs: u32| ours != 0 && theirs != 0 && ours != theirs;
    let (reachable, retrans) = (
        config.reachable_time.as_millis() as u32,
        config.retrans_timer.as_millis() as u32,
    );
    if differ(config.cur_hop_limit.into(), ra.cur_hop_limit.into()) {
        found.push(Inconsistency::CurHopLimit(
            config.cur_hop_limit,
            ra.cur_hop_limit,
        ));
    }
    if config.managed != ra.managed {
        found.push(Inconsistency::Managed(config.managed, ra.managed));
    }
    if config.other_config != ra.other_config {
        found.push(Inconsistency::OtherConfig(
            config.other_config,
            ra.other_config,
        ));
    }
    if differ(reachable, ra.reachable_time) {
        found.push(Inconsistency::ReachableTime(reachable, ra.reachable_time));
    }
    if differ(retrans, ra.retrans_timer) {
        found.push(Inconsistency::RetransTimer(retrans, ra.retrans_timer));
    }
    for option in options.readable() {
        match option {
            NdOption::Mtu(theirs) => {
                if let Some(ours) = config.link_mtu.filter(|ours| *ours != theirs) {
                    found.push(Inconsistency::LinkMtu(ours, theirs));
                }
            }
            NdOption::PrefixInformation(p) => {
                let same = config
                    .prefixes
                    .iter()
                    .find(|q| (q.prefix, q.prefix_len) == (p.prefix, p.prefix_len));
                let Some(ours) = same else { continue };
                if let Some((a, b)) = unlike(ours.valid_lifetime, p.valid_lifetime, wall) {
                    found.push(Inconsistency::ValidLifetime(p.prefix, p.prefix_len, a, b));
                }
                if let Some((a, b)) = unlike(ours.preferred_lifetime, p.preferred_lifetime, wall) {
                    found.push(Inconsistency::PreferredLifetime(
                        p.prefix,
                        p.prefix_len,
                        a,
                        b,
                    ));
                }
            }
            NdOption::Rdnss { lifetime, servers } => {
                for server in servers.iter() {
                    let ours = config.rdnss.iter().find(|r| r.servers.contains(&server));
                    if let Some((a, b)) = ours.and_then(|r| unlike(r.lifetime, lifetime, wall)) {
                        found.push(Inconsistency::RdnssLifetime(server, a, b));
                    }
                }
            }
            _ => {}
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Both lifetimes in seconds when they contradict each other.
fn unlike(ours: Lifetime, theirs: u32, wall: SystemTime) -> Option<(u32, u32)> {
    let tolerance = if matches!(ours, Lifetime::Until(_) | Lifetime::Capped { .. }) {
        COUNTDOWN_TOLERANCE
    } else {
        0
    };
    let ours = seconds_left(ours, wall);
    (ours.abs_diff(theirs) > tolerance).then_some((ours, theirs))
}
