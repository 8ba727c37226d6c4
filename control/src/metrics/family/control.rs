//! The control plane: neighbours, routes, protocols, buffers.

use api::{ProtocolCounters, RaCounters};

use super::{Family, Snapshot, counter, gauge, number};

/// What each DHCP server counted.
fn servers(s: &Snapshot) -> [(&'static str, &[ProtocolCounters]); 2] {
    [("dhcp6", &s.counters.dhcp6), ("dhcp4", &s.counters.dhcp4)]
}

/// Families of the control plane.
pub(super) const FAMILIES: &[Family] = &[
    // Control plane
    gauge(
        "hextet_neighbors",
        "Neighbours by interface and state (RFC 4861).",
        &["interface", "state"],
        |s, out| {
            for n in &s.counters.neighbors {
                out.add([&n.interface, &n.state], number(n.count));
            }
        },
    ),
    gauge(
        "hextet_routes",
        "Installed routes.",
        &["router", "family"],
        |s, out| {
            for r in &s.counters.routes {
                out.add([&r.router, &"ipv6"], number(r.ipv6));
                out.add([&r.router, &"ipv4"], number(r.ipv4));
            }
        },
    ),
    counter(
        "hextet_nd_events_total",
        "What neighbour discovery and ARP counted; the event's name says what.",
        &["interface", "event"],
        |s, out| out.events(&s.counters.nd),
    ),
    counter(
        "hextet_nd_invalid_total",
        "Neighbour discovery and ARP packets ignored because they broke a rule (RFC 4861, section 7.1); only pairs \
         that occurred.",
        &["interface", "rule"],
        |s, out| out.invalid(&s.counters.nd),
    ),
    counter(
        "hextet_ra_events_total",
        "What router advertisement counted; the event's name says what.",
        &["interface", "event"],
        |s, out| out.events(&s.counters.ra),
    ),
    counter(
        "hextet_ra_rule_broken_total",
        "Router solicitations and advertisements ignored because they broke a rule (RFC 4861, section 6.1); only \
         pairs that occurred.",
        &["interface", "rule"],
        |s, out| out.invalid(&s.counters.ra),
    ),
    counter(
        "hextet_ra_sent_total",
        "Router advertisements sent: by the timer (unsolicited) or because a host asked (solicited).",
        &["interface", "trigger"],
        |s, out| {
            for ra in &s.ra {
                let RaCounters {
                    ra_sent_unsolicited,
                    ra_sent_solicited,
                    ..
                } = ra.counters;
                out.add([&ra.interface, &"unsolicited"], number(ra_sent_unsolicited));
                out.add([&ra.interface, &"solicited"], number(ra_sent_solicited));
            }
        },
    ),
    counter(
        "hextet_ra_received_total",
        "Other routers' advertisements received.",
        &["interface"],
        |s, out| {
            out.ra(s, |c| c.ra_received);
        },
    ),
    counter(
        "hextet_ra_invalid_total",
        "Other routers' advertisements that failed validation (RFC 4861, section 6.1.2).",
        &["interface"],
        |s, out| out.ra(s, |c| c.ra_invalid),
    ),
    counter(
        "hextet_ra_inconsistent_total",
        "Other routers' advertisements that contradict ours (RFC 4861, section 6.2.7).",
        &["interface"],
        |s, out| out.ra(s, |c| c.ra_inconsistent),
    ),
    counter(
        "hextet_rs_received_total",
        "Router solicitations received.",
        &["interface"],
        |s, out| {
            out.ra(s, |c| c.rs_received);
        },
    ),
    counter(
        "hextet_rs_invalid_total",
        "Router solicitations that failed validation (RFC 4861, section 6.1.1).",
        &["interface"],
        |s, out| out.ra(s, |c| c.rs_invalid),
    ),
    counter(
        "hextet_dhcp_events_total",
        "What a DHCP server counted on a link; the event's name says what.",
        &["server", "link", "event"],
        |s, out| {
            for (server, links) in servers(s) {
                for on in links {
                    for (event, count) in &on.events {
                        out.add([&server, &on.interface, event], number(*count));
                    }
                }
            }
        },
    ),
    counter(
        "hextet_dhcp_invalid_total",
        "DHCP messages ignored because they broke a rule (RFC 8415 section 16, RFC 2131 section 4.3); only those that occurred.",
        &["server", "link", "rule"],
        |s, out| {
            for (server, links) in servers(s) {
                for on in links {
                    for (rule, count) in &on.invalid {
                        out.add([&server, &on.interface, rule], number(*count));
                    }
                }
            }
        },
    ),
    counter(
        "hextet_dhcp_relay_events_total",
        "Messages that a DHCP relay has relayed, to servers and to clients by their types, and prefixes delegated behind it.",
        &["family", "link", "event"],
        |s, out| {
            for (family, links) in relays(s) {
                for on in links {
                    for (event, count) in &on.events {
                        out.add([&family, &on.interface, event], number(*count));
                    }
                }
            }
        },
    ),
    counter(
        "hextet_dhcp_relay_dropped_total",
        "DHCP messages that a relay has dropped, by class; only those that occurred.",
        &["family", "link", "class"],
        |s, out| {
            for (family, links) in relays(s) {
                for on in links {
                    for (class, count) in &on.invalid {
                        out.add([&family, &on.interface, class], number(*count));
                    }
                }
            }
        },
    ),
    gauge(
        "hextet_dhcp_leases",
        "Leases by pool and state.",
        &["pool", "link", "state"],
        |s, out| {
            for pool in &s.pools {
                for (state, count) in [
                    ("bound", pool.bound),
                    ("declined", pool.declined),
                    ("released", pool.released),
                    ("offered", pool.offered),
                ] {
                    out.add([&pool.name, &pool.link, &state], number(count));
                }
            }
        },
    ),
    gauge(
        "hextet_dhcp_pool_size",
        "Addresses, or prefixes of the usual length, that a pool has to give.",
        &["pool", "link"],
        |s, out| {
            for pool in &s.pools {
                out.add([&pool.name, &pool.link], pool.size.parse().unwrap_or(0.0));
            }
        },
    ),
    gauge(
        "hextet_delegated_prefixes",
        "Prefixes that are delegated to an uplink, by what they are to it.",
        &["interface", "state"],
        |s, out| {
            let mut counts = std::collections::BTreeMap::<_, u64>::new();
            for delegation in &s.delegations {
                *counts
                    .entry((&delegation.uplink, delegation.state.as_str()))
                    .or_default() += 1;
            }
            for ((uplink, state), count) in counts {
                out.add([uplink, &state], number(count));
            }
        },
    ),
    gauge(
        "hextet_delegated_subnets",
        "Subnets of delegated prefixes on an interface: preferred, and deprecated ones that come to their end.",
        &["interface", "state"],
        |s, out| {
            let mut counts = std::collections::BTreeMap::<_, u64>::new();
            for subnet in s.delegations.iter().flat_map(|d| &d.subnets) {
                let word = ["preferred", "deprecated"][usize::from(subnet.deprecated)];
                *counts.entry((&subnet.interface, word)).or_default() += 1;
            }
            for ((interface, word), count) in counts {
                out.add([interface, &word], number(count));
            }
        },
    ),
    gauge(
        "hextet_delegation_problems",
        "What could not be done with the prefixes delegated to an uplink; `show delegations` says what.",
        &["interface"],
        |s, out| {
            let mut counts = std::collections::BTreeMap::<_, u64>::new();
            for delegation in &s.delegations {
                let count = u64::try_from(delegation.problems.len()).unwrap_or(u64::MAX);
                *counts.entry(&delegation.uplink).or_default() += count;
            }
            for (uplink, count) in counts {
                out.add([uplink], number(count));
            }
        },
    ),
    counter(
        "hextet_dhcp_client_events_total",
        "What the DHCPv6 client counted on an uplink; the event's name says what.",
        &["interface", "event"],
        |s, out| {
            for on in &s.counters.dhcp6_client {
                for (event, count) in &on.events {
                    out.add([&on.interface, event], number(*count));
                }
            }
        },
    ),
    counter(
        "hextet_dhcp_client_invalid_total",
        "Messages of DHCPv6 servers, or parts of them, ignored because they broke a rule; only those that occurred.",
        &["interface", "rule"],
        |s, out| {
            for on in &s.counters.dhcp6_client {
                for (rule, count) in &on.invalid {
                    out.add([&on.interface, rule], number(*count));
                }
            }
        },
    ),
    gauge(
        "hextet_dhcp_client_state",
        "1 for the state that the client of an uplink is in.",
        &["interface", "state"],
        |s, out| {
            for uplink in &s.dhcp_clients {
                out.add([&uplink.interface, &uplink.state], 1.0);
            }
        },
    ),
    gauge(
        "hextet_dhcp_client_leases",
        "Addresses and delegated prefixes that an uplink holds, preferred and deprecated.",
        &["interface", "kind", "state"],
        |s, out| {
            for uplink in &s.dhcp_clients {
                for (kind, leases) in [("address", &uplink.addresses), ("prefix", &uplink.prefixes)]
                {
                    let deprecated = leases.iter().filter(|lease| lease.deprecated).count() as u64;
                    let preferred = leases.len() as u64 - deprecated;
                    out.add([&uplink.interface, &kind, &"preferred"], number(preferred));
                    out.add(
                        [&uplink.interface, &kind, &"deprecated"],
                        number(deprecated),
                    );
                }
            }
        },
    ),
    gauge(
        "hextet_mbufs_available",
        "Packet buffers that are free.",
        &["pool"],
        |s, out| {
            s.counters
                .mempools
                .iter()
                .for_each(|p| out.add([&p.name], number(p.available)));
        },
    ),
    gauge(
        "hextet_mbufs_in_use",
        "Packet buffers that hold a packet, or wait in a receive queue for one.",
        &["pool"],
        |s, out| {
            s.counters
                .mempools
                .iter()
                .for_each(|p| out.add([&p.name], number(p.in_use)))
        },
    ),
];

/// The relays by family.
fn relays(s: &Snapshot) -> [(&'static str, &[ProtocolCounters]); 2] {
    [
        ("ipv6", &s.counters.dhcp6_relay),
        ("ipv4", &s.counters.dhcp4_relay),
    ]
}
