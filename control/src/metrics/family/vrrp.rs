//! Virtual routers.

use api::VirtualRouter;

use super::{Family, counter, gauge, number};

/// Labels of a virtual router.
const LABELS: &[&str] = &["interface", "ip_version", "vrid"];

/// Families of virtual routers.
pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "hextet_vrrp_state",
        "1 for the state that the virtual router has, 0 for the others.",
        &["interface", "ip_version", "vrid", "state"],
        |s, out| {
            for v in &s.vrrp {
                for state in api::VrrpState::ALL {
                    out.add(
                        [&v.interface, &v.ip_version, &v.vrid, state],
                        number(u64::from(v.state == *state)),
                    );
                }
            }
        },
    ),
    gauge(
        "hextet_vrrp_priority",
        "The priority that counts now.",
        LABELS,
        |s, out| out.vrrp(s, |v| v.priority.into()),
    ),
    counter(
        "hextet_vrrp_transitions_total",
        "Times that the virtual router became active, or backup after it was active.",
        LABELS,
        |s, out| out.vrrp(s, |v| v.transitions),
    ),
    counter(
        "hextet_vrrp_events_total",
        "What the virtual router has counted; the event's name says what.",
        &["interface", "ip_version", "vrid", "event"],
        |s, out| {
            for v in &s.vrrp {
                for (event, count) in &v.counters {
                    out.add(
                        [&v.interface, &v.ip_version, &v.vrid, event],
                        number(*count),
                    );
                }
            }
        },
    ),
    counter(
        "hextet_vrrp_advertisements_invalid_total",
        "Advertisements that were not believed, by the rule that they broke; VRID 0: for no virtual router of ours.",
        &["interface", "ip_version", "vrid", "rule"],
        |s, out| {
            let mut seen: Vec<&VirtualRouter> = Vec::new();
            for v in &s.vrrp {
                for (rule, count) in &v.invalid {
                    out.add([&v.interface, &v.ip_version, &v.vrid, rule], number(*count));
                }
                if !seen.iter().any(|other| other.interface == v.interface) {
                    for (rule, count) in &v.strays {
                        out.add([&v.interface, &0, &0, rule], number(*count));
                    }
                }
                seen.push(v);
            }
        },
    ),
];
