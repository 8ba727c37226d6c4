//! The other router of a pair in the API's nouns.

use std::collections::BTreeMap;

use api::{PairSync, SyncKind};
use pair::session::KindStatus;

use super::millis;
use crate::model::Pair;
use crate::rooms::pair::PairSnapshot;

/// What the room of the pair knows.
pub(super) fn of(pair: &Pair, known: PairSnapshot) -> PairSync {
    let PairSnapshot {
        status,
        kept_flows,
        fault,
        now,
    } = known;
    let peer = status.peer.as_ref();
    let kinds = status.kinds.iter().map(|of| {
        let counters = status.counters.kinds[of.kind.index()];
        kind(of, named(counters.iter()))
    });
    PairSync {
        local: pair.local,
        peer: pair.peer,
        connected: peer.is_some(),
        since_ms: peer.map(|peer| millis(now.saturating_duration_since(peer.since))),
        fault,
        same_config: peer.map(|peer| peer.same_config),
        round_trip_us: peer
            .and_then(|peer| peer.round_trip)
            .map(|took| took.as_micros() as u64),
        lag_ms: millis(status.lag()),
        kept_flows: kept_flows as u64,
        kinds: kinds.collect(),
        counters: named(status.counters.session.iter()),
    }
}

fn kind(of: &KindStatus, counters: BTreeMap<String, u64>) -> SyncKind {
    SyncKind {
        kind: of.kind.name().to_owned(),
        phase: of.phase.name().to_owned(),
        complete: of.complete,
        lag_ms: millis(of.lag),
        queued_bytes: of.queued as u64,
        outstanding_bytes: of.outstanding as u64,
        counters,
    }
}

fn named<'a>(counters: impl Iterator<Item = (&'a str, &'a str, u64)>) -> BTreeMap<String, u64> {
    counters
        .map(|(name, _, count)| (name.to_owned(), count))
        .collect()
}
