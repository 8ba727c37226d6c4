//! Delegated prefixes as the API shows them.

use std::collections::BTreeMap;

use api::{DelegatedSubnet, Delegation, DelegationState};
use ipnet::Ipv6Net;
use lease::Wall;

use crate::engine::Engine;
use protocols::delegation::{Assignment, Machine};

/// Every prefix that an uplink holds or of which something is still assigned, by router, uplink and prefix.
pub(super) fn list(engine: &Engine) -> Vec<Delegation> {
    engine
        .delegations()
        .flat_map(|(router, machine)| of_router(router, machine))
        .collect()
}

fn of_router(router: &str, machine: &Machine) -> Vec<Delegation> {
    let mut found: BTreeMap<(String, Ipv6Net), Delegation> = BTreeMap::new();
    let new = |uplink: &str, prefix, exclude, state, preferred: Wall, valid: Wall| Delegation {
        router: router.to_owned(),
        uplink: uplink.to_owned(),
        prefix,
        exclude,
        state,
        preferred_until: preferred.to_string(),
        valid_until: valid.to_string(),
        subnets: Vec::new(),
        problems: Vec::new(),
    };
    for (uplink, held) in machine.held() {
        let (preferred, valid) = (held.preferred_until, held.valid_until);
        let state = DelegationState::Held;
        let whole = new(uplink, held.prefix, held.exclude, state, preferred, valid);
        found.insert((uplink.to_owned(), held.prefix), whole);
    }
    let Some(outcome) = machine.outcome() else {
        return found.into_values().collect();
    };
    for a in &outcome.assignments {
        let state = if a.vanished {
            DelegationState::Vanished
        } else {
            DelegationState::Restored
        };
        let (preferred, valid) = (a.preferred_until, a.valid_until);
        found
            .entry((a.uplink.to_string(), a.delegated))
            .or_insert_with(|| new(&a.uplink, a.delegated, a.exclude, state, preferred, valid))
            .subnets
            .push(subnet(a));
    }
    for delegation in found.values_mut() {
        let concern = outcome.problems.iter();
        let concern = concern.filter(|problem| problem.concerns(delegation.prefix));
        delegation.problems = concern.map(ToString::to_string).collect();
    }
    found.into_values().collect()
}

fn subnet(a: &Assignment) -> DelegatedSubnet {
    DelegatedSubnet {
        interface: a.interface.to_string(),
        prefix: a.prefix,
        address: a.address,
        deprecated: a.deprecated,
        preferred_until: a.preferred_until.to_string(),
        valid_until: a.valid_until.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocols::delegation::{Event, Plan, UplinkPrefix, Wish};

    fn wall(seconds: u64) -> Wall {
        Wall::from_secs(1_800_000_000 + seconds)
    }

    #[test]
    fn every_prefix_is_shown_with_what_became_of_it() {
        let held = |prefix: &str| UplinkPrefix {
            prefix: prefix.parse().unwrap(),
            exclude: None,
            preferred_until: wall(60),
            valid_until: wall(120),
        };
        let mut machine = Machine::default();
        let mut out = Vec::new();
        let mut on = |machine: &mut Machine, event| machine.on_event(wall(0), event, &mut out);
        let plan = Plan {
            wishes: vec![Wish::new("lan", "wan"), Wish::new("lan2", "wan")],
            taken: Vec::new(),
        };
        let uplinks = vec!["wan".into()];
        on(&mut machine, Event::Plan { uplinks, plan });
        let (old, new) = (held("2001:db8:1::/56"), held("2001:db8:2::/64"));
        for prefixes in [vec![old], vec![new]] {
            let uplink = "wan".into();
            on(&mut machine, Event::Held { uplink, prefixes });
        }
        let shown = of_router("main", &machine);
        let [old, new] = &shown[..] else {
            panic!("{shown:#?}");
        };
        assert_eq!(old.state, DelegationState::Vanished);
        assert_eq!(old.subnets.len(), 2);
        assert!(old.subnets.iter().all(|subnet| subnet.deprecated));
        assert_eq!(new.state, DelegationState::Held);
        assert_eq!(new.valid_until, "2027-01-15T08:02:00Z");
        assert_eq!(new.subnets[0].address.to_string(), "2001:db8:2::1");
        assert_eq!(
            new.problems,
            ["2001:db8:2::/64 has no free subnet for lan2"]
        );
        assert_eq!(old.problems, [""; 0]);
    }
}
