//! BFD sessions.

use api::BfdSession;

use super::{Family, counter, gauge, number};

/// Labels of a session.
const LABELS: &[&str] = &["interface", "peer"];

/// Families of BFD sessions.
pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "hextet_bfd_state",
        "1 for the state that the session has, 0 for the others.",
        &["interface", "peer", "state"],
        |s, out| {
            for b in &s.bfd {
                for state in api::BfdState::ALL {
                    out.add(
                        [&b.interface, &b.peer, state],
                        number(u64::from(b.state == *state)),
                    );
                }
            }
        },
    ),
    gauge(
        "hextet_bfd_path_failed",
        "1 while the neighbour was there and is not any more: routes through it are withdrawn, unless `withdraw_routes` is false.",
        LABELS,
        |s, out| out.bfd(s, |b| u64::from(b.path == api::BfdPath::Failed)),
    ),
    counter(
        "hextet_bfd_events_total",
        "What the session has counted; the event's name says what.",
        &["interface", "peer", "event"],
        |s, out| {
            for b in &s.bfd {
                for (event, count) in &b.counters {
                    out.add([&b.interface, &b.peer, event], number(*count));
                }
            }
        },
    ),
    counter(
        "hextet_bfd_packets_invalid_total",
        "Packets that were not believed, by the rule that they broke; an empty peer: for no session of ours.",
        &["interface", "peer", "rule"],
        |s, out| {
            let mut seen: Vec<&BfdSession> = Vec::new();
            for b in &s.bfd {
                for (rule, count) in &b.invalid {
                    out.add([&b.interface, &b.peer, rule], number(*count));
                }
                if !seen.iter().any(|other| other.interface == b.interface) {
                    for (rule, count) in &b.strays {
                        out.add([&b.interface, &"", rule], number(*count));
                    }
                }
                seen.push(b);
            }
        },
    ),
];
