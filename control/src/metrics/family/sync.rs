//! The other router of a pair.

use super::{Family, counter, gauge, number, truth};

/// Families of the pair.
pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "hextet_sync_connected",
        "1 while the other router of the pair is told our state.",
        &[],
        |s, out| {
            for sync in &s.syncs {
                out.add([], truth(sync.connected));
            }
        },
    ),
    gauge(
        "hextet_sync_lag_seconds",
        "Age of the oldest record that the other router has not acknowledged.",
        &["kind"],
        |s, out| {
            for kind in s.syncs.iter().flat_map(|sync| &sync.kinds) {
                out.add([&kind.kind], kind.lag_ms as f64 / 1000.0);
            }
        },
    ),
    gauge(
        "hextet_sync_complete",
        "1 if the other router has told all of its records of the kind.",
        &["kind"],
        |s, out| {
            for kind in s.syncs.iter().flat_map(|sync| &sync.kinds) {
                out.add([&kind.kind], truth(kind.complete));
            }
        },
    ),
    gauge(
        "hextet_sync_queued_bytes",
        "Bytes of records that wait to be sent to the other router.",
        &["kind"],
        |s, out| {
            for kind in s.syncs.iter().flat_map(|sync| &sync.kinds) {
                out.add([&kind.kind], number(kind.queued_bytes));
            }
        },
    ),
    gauge(
        "hextet_sync_kept_flows",
        "Flows here that the other router keeps.",
        &[],
        |s, out| {
            for sync in &s.syncs {
                out.add([], number(sync.kept_flows));
            }
        },
    ),
    counter(
        "hextet_sync_records_total",
        "Records sent to the other router, received, refused, and dropped as it was slow; and how often all of a kind was told.",
        &["kind", "event"],
        |s, out| {
            for kind in s.syncs.iter().flat_map(|sync| &sync.kinds) {
                for (event, count) in &kind.counters {
                    out.add([&kind.kind, event], number(*count));
                }
            }
        },
    ),
    counter(
        "hextet_sync_events_total",
        "What the session with the other router has counted; the event's name says what.",
        &["event"],
        |s, out| {
            for (event, count) in s.syncs.iter().flat_map(|sync| &sync.counters) {
                out.add([event], number(*count));
            }
        },
    ),
];
