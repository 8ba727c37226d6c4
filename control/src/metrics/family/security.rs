//! Ports of tenants' machines, security groups and flows.

use std::collections::BTreeMap;

use dataplane::drop::DropReason;

use super::{Family, counter, gauge, number};
use crate::metrics::Snapshot;

/// Rules that are told one by one; of more than that the API tells.
const RULES: usize = 2048;

/// Families of ports.
pub(super) const FAMILIES: &[Family] = &[
    counter(
        "hextet_port_packets_total",
        "Packets that passed the guard and the security groups of a port.",
        &["port", "direction"],
        |s, out| {
            for p in &s.ports {
                out.add([&p.name, &"egress"], number(p.counters.egress_packets));
                out.add([&p.name, &"ingress"], number(p.counters.ingress_packets));
            }
        },
    ),
    counter(
        "hextet_port_bytes_total",
        "Bytes of packets that passed the guard and the security groups of a port.",
        &["port", "direction"],
        |s, out| {
            for p in &s.ports {
                out.add([&p.name, &"egress"], number(p.counters.egress_bytes));
                out.add([&p.name, &"ingress"], number(p.counters.ingress_bytes));
            }
        },
    ),
    counter(
        "hextet_port_dropped_packets_total",
        "Packets that the guard or the security groups of a port did not let pass, by reason; reasons that were not seen are left out.",
        &["port", "reason"],
        |s, out| {
            for p in &s.ports {
                for (reason, count) in &p.drops {
                    out.add([&p.name, reason], number(*count));
                }
            }
        },
    ),
    counter(
        "hextet_port_observed_packets_total",
        "Packets that passed a guard that only observes, and would not have, by reason; reasons that were not seen are left out.",
        &["port", "reason"],
        |s, out| {
            for p in &s.ports {
                for (reason, count) in &p.observed {
                    out.add([&p.name, reason], number(*count));
                }
            }
        },
    ),
    gauge(
        "hextet_port_flows",
        "Flows of a port.",
        &["port"],
        |s, out| {
            for p in &s.ports {
                out.add([&p.name], number(p.flows));
            }
        },
    ),
    gauge(
        "hextet_port_flows_limit",
        "Flows that a port may have at once.",
        &["port"],
        |s, out| {
            for p in &s.ports {
                out.add([&p.name], number(p.max_flows));
            }
        },
    ),
    counter(
        "hextet_port_binding_events_total",
        "What became of addresses of a port; the event's name says what.",
        &["port", "event"],
        |s, out| {
            for p in &s.ports {
                for (event, count) in &p.events {
                    out.add([&p.name, event], number(*count));
                }
            }
        },
    ),
    gauge(
        "hextet_port_bindings",
        "Addresses of links with ports, by how they came to their holder and where they are in their life.",
        &["origin", "state"],
        |s, out| {
            let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
            for binding in &s.port_bindings {
                let of = (binding.origin.as_str(), binding.state.as_str());
                *counts.entry(of).or_default() += 1;
            }
            for ((origin, state), count) in counts {
                out.add([&origin, &state], number(count));
            }
        },
    ),
    counter(
        "hextet_security_rule_packets_total",
        "Packets that passed because of a rule of a security group, those of flows that it allowed included; of the first 2048 rules.",
        &["group", "rule"],
        |s, out| {
            for (group, rule) in rules(s) {
                out.add([&group, &rule.id.to_string()], number(rule.packets));
            }
        },
    ),
    counter(
        "hextet_security_rule_bytes_total",
        "Bytes of packets that passed because of a rule of a security group; of the first 2048 rules.",
        &["group", "rule"],
        |s, out| {
            for (group, rule) in rules(s) {
                out.add([&group, &rule.id.to_string()], number(rule.bytes));
            }
        },
    ),
    gauge("hextet_flows", "Flows of all ports.", &[], |s, out| {
        out.add([], number(s.flow_usage.flows));
    }),
    gauge(
        "hextet_flows_limit",
        "Flows that there can be.",
        &[],
        |s, out| {
            out.add([], number(s.flow_usage.capacity));
        },
    ),
    counter(
        "hextet_flow_events_total",
        "What became of flows: made, expired, evicted unanswered because others needed the room, or refused for want of room or quota.",
        &["event"],
        |s, out| {
            let usage = &s.flow_usage;
            out.add([&"created"], number(usage.created));
            out.add([&"expired"], number(usage.expired));
            out.add([&"evicted"], number(usage.evicted));
            out.add([&"refused"], number(refused(s)));
        },
    ),
];

/// Packets that were to begin a flow, and were dropped because there could be none.
fn refused(snapshot: &Snapshot) -> u64 {
    let reasons = [DropReason::FlowQuota, DropReason::FlowTableFull].map(DropReason::label);
    let drops = snapshot.drops.iter();
    let refused = drops.filter(|drop| reasons.contains(&drop.reason.as_str()));
    refused.map(|drop| drop.total).sum()
}

fn rules(snapshot: &Snapshot) -> impl Iterator<Item = (&str, &api::SecurityRule)> {
    let groups = snapshot.security_groups.iter();
    let rules = groups.flat_map(|group| {
        let name = group.name.as_str();
        group.rules.iter().map(move |rule| (name, rule))
    });
    rules.take(RULES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fake::Fake;

    #[tokio::test]
    async fn what_began_no_flow_is_counted_for_either_reason() {
        let mut snapshot = Snapshot::take(&Fake::default()).await.unwrap();
        assert_eq!(refused(&snapshot), 0);
        for (reason, total) in [
            ("flow_quota", 3),
            ("flow_table_full", 2),
            ("flow_invalid", 9),
        ] {
            snapshot.drops.push(api::Drop {
                reason: reason.into(),
                total,
                ..snapshot.drops[0].clone()
            });
        }
        assert_eq!(refused(&snapshot), 5);
    }
}
