//! Router advertisement in the API's nouns.

use std::time::{Duration, Instant, SystemTime};

use api::{
    ForeignRa, RaConfig, RaCounters, RaDnssl, RaPref64, RaPrefix, RaRdnss, RaRoute, RaState,
    RouterPreference,
};
use ipnet::Ipv6Net;

use super::millis;
use crate::bus::RaSnapshot;
use crate::engine::{Engine, api_mac};
use protocols::ra::{Config, Counters, Lifetime, Preference, Snapshot};

/// What the RA room knows, interface by interface.
pub(super) fn states(engine: &Engine, known: RaSnapshot, now: Instant) -> Vec<RaState> {
    let mut states: Vec<RaState> = known
        .interfaces
        .into_iter()
        .filter_map(|snapshot| {
            let counters = known
                .counters
                .iter()
                .find(|(iface, _)| *iface == snapshot.iface)
                .map(|(_, c)| c);
            state(engine, snapshot, counters, now)
        })
        .collect();
    states.sort_by(|a, b| a.interface.cmp(&b.interface));
    states
}

fn state(
    engine: &Engine,
    snapshot: Snapshot,
    counters: Option<&Counters>,
    now: Instant,
) -> Option<RaState> {
    let iface = snapshot.iface;
    let interface = engine.model().interface(iface)?;
    let mac = engine.mac_of(iface);
    Some(RaState {
        interface: interface.name.clone(),
        router: engine.router_name(iface)?,
        advertising: snapshot.advertising,
        config: config(&snapshot.config, mac.map(api_mac)),
        next_due_ms: snapshot
            .next_multicast
            .map(|due| millis(due.saturating_duration_since(now))),
        counters: counters.map(shown).unwrap_or_default(),
        foreign: snapshot
            .foreign
            .iter()
            .map(|router| ForeignRa {
                source: router.addr,
                age_ms: millis(now.saturating_duration_since(router.last_seen)),
                router_lifetime_seconds: router.router_lifetime,
                inconsistencies: router
                    .inconsistencies
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            })
            .collect(),
    })
}

fn config(config: &Config, mac: Option<api::Mac>) -> RaConfig {
    let min = config.effective_min_interval();
    let net = |prefix, len| Ipv6Net::new(prefix, len).unwrap_or_default();
    RaConfig {
        min_interval_ms: millis(min),
        max_interval_ms: millis(config.max_interval),
        cur_hop_limit: config.cur_hop_limit,
        managed: config.managed,
        other_config: config.other_config,
        preference: preference(config.preference),
        router_lifetime_seconds: u16::try_from(config.effective_default_lifetime().as_secs())
            .unwrap_or(u16::MAX),
        reachable_time_ms: config.reachable_time.as_millis() as u32,
        retrans_timer_ms: config.retrans_timer.as_millis() as u32,
        source_link_layer_address: mac.filter(|_| config.source_link_layer),
        mtu: config.link_mtu,
        prefixes: config
            .prefixes
            .iter()
            .map(|p| RaPrefix {
                prefix: net(p.prefix, p.prefix_len),
                on_link: p.on_link,
                autonomous: p.autonomous,
                prefer_delegation: p.prefer_delegation,
                valid_lifetime_seconds: seconds(p.valid_lifetime),
                preferred_lifetime_seconds: seconds(p.preferred_lifetime),
            })
            .collect(),
        routes: config
            .routes
            .iter()
            .map(|r| RaRoute {
                prefix: net(r.prefix, r.prefix_len),
                preference: preference(r.preference),
                lifetime_seconds: seconds(r.lifetime),
            })
            .collect(),
        rdnss: config
            .rdnss
            .iter()
            .map(|r| RaRdnss {
                servers: r.servers.clone(),
                lifetime_seconds: seconds(r.lifetime),
            })
            .collect(),
        dnssl: config
            .dnssl
            .iter()
            .map(|d| RaDnssl {
                domains: d.domains.clone(),
                lifetime_seconds: seconds(d.lifetime),
            })
            .collect(),
        pref64: config
            .pref64
            .iter()
            .map(|p| RaPref64 {
                prefix: net(p.prefix, p.prefix_len),
                lifetime_seconds: u16::try_from(seconds(p.lifetime)).unwrap_or(u16::MAX),
            })
            .collect(),
        captive_portal: config.captive_portal.clone(),
    }
}

/// A lifetime as it would be sent now.
fn seconds(lifetime: Lifetime) -> u32 {
    let left = |end: SystemTime| {
        let left = end.duration_since(SystemTime::now());
        left.unwrap_or(Duration::ZERO)
    };
    let span = match lifetime {
        Lifetime::Fixed(duration) => duration,
        Lifetime::Until(end) => left(end),
        Lifetime::Capped { at_most, until } => left(until).min(at_most),
        Lifetime::Infinite => return u32::MAX,
    };
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

fn preference(preference: Preference) -> RouterPreference {
    match preference {
        Preference::Low => RouterPreference::Low,
        Preference::Medium => RouterPreference::Medium,
        Preference::High => RouterPreference::High,
    }
}

fn shown(counters: &Counters) -> RaCounters {
    RaCounters {
        ra_sent_unsolicited: counters.multicast_sent + counters.final_sent,
        ra_sent_solicited: counters.unicast_sent,
        rs_received: counters.solicitations_received,
        rs_invalid: counters.solicitations_invalid,
        ra_received: counters.advertisements_received,
        ra_invalid: counters
            .invalid
            .values()
            .sum::<u64>()
            .saturating_sub(counters.solicitations_invalid),
        ra_inconsistent: counters.inconsistent,
    }
}
