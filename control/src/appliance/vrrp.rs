//! Virtual routers in the API's nouns.

use std::collections::BTreeMap;
use std::time::Instant;

use api::{VirtualRouter, VrrpState};

use super::millis;
use crate::engine::{Engine, api_mac};
use crate::rooms::liveness::VrrpSnapshot;
use protocols::vrrp::{Counters, Family, Snapshot, State, Version};

/// What the liveness thread knows, by interface, IP version and VRID.
pub(super) fn virtual_routers(
    engine: &Engine,
    known: VrrpSnapshot,
    now: Instant,
) -> Vec<VirtualRouter> {
    let strays: BTreeMap<_, _> = known.strays.into_iter().collect();
    let shown = |group: Snapshot| {
        let strays = strays.get(&group.id.iface).map(invalid);
        one(engine, group, strays.unwrap_or_default(), now)
    };
    let mut all: Vec<_> = known.groups.into_iter().filter_map(shown).collect();
    all.sort_by(|a, b| {
        let key = |v: &VirtualRouter| (v.interface.clone(), 10 - v.ip_version, v.vrid);
        key(a).cmp(&key(b))
    });
    all
}

fn one(
    engine: &Engine,
    group: Snapshot,
    strays: BTreeMap<String, u64>,
    now: Instant,
) -> Option<VirtualRouter> {
    let id = group.id;
    let interface = engine.model().interface(id.iface)?;
    let model = interface.vrrp.iter().find(|of| of.id(id.iface) == id)?;
    let counters = &group.counters;
    Some(VirtualRouter {
        interface: interface.name.clone(),
        router: engine.router_name(id.iface)?,
        ip_version: match id.family {
            Family::V6 => 6,
            Family::V4 => 4,
        },
        vrid: id.vrid,
        state: match group.state {
            State::Initialize => VrrpState::Initialize,
            State::Backup => VrrpState::Backup,
            State::Active => VrrpState::Active,
        },
        since_ms: millis(now.saturating_duration_since(group.since)),
        priority: group.priority,
        configured_priority: group.config.priority,
        version: match group.config.version {
            Version::V2 => 2,
            Version::V3 => 3,
        },
        addresses: group.config.addresses.clone(),
        mac: api_mac(group.config.mac),
        accept: model.accept,
        preempt: group.config.preempt,
        interval_ms: millis(group.config.interval),
        active_interval_ms: millis(group.interval),
        source: group.source,
        active: group.active.map(|(active, _)| active),
        active_priority: group.active.map(|(_, priority)| priority),
        transitions: counters.became_active + counters.became_backup,
        counters: counters
            .iter()
            .map(|(name, _, count)| (name.to_owned(), count))
            .collect(),
        invalid: invalid(counters),
        strays,
    })
}

fn invalid(counters: &Counters) -> BTreeMap<String, u64> {
    let rules = counters.invalid.iter();
    rules
        .map(|(rule, count)| ((*rule).to_owned(), *count))
        .collect()
}
