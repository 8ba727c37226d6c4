//! BFD sessions in the API's nouns.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use api::{BfdPath, BfdRemote, BfdSession, BfdState};

use super::millis;
use crate::engine::Engine;
use crate::rooms::liveness::BfdSnapshot;
use protocols::bfd::{Counters, Path, Snapshot, State};

/// What the liveness thread knows, by interface and peer.
pub(super) fn sessions(engine: &Engine, known: BfdSnapshot, now: Instant) -> Vec<BfdSession> {
    let strays: BTreeMap<_, _> = known.strays.into_iter().collect();
    let shown = |(session, counters): (Snapshot, Counters)| {
        let strays = strays.get(&session.session.iface).map(invalid);
        one(engine, session, &counters, strays.unwrap_or_default(), now)
    };
    let mut all: Vec<_> = known.sessions.into_iter().filter_map(shown).collect();
    all.sort_by(|a, b| (&a.interface, a.peer).cmp(&(&b.interface, b.peer)));
    all
}

fn one(
    engine: &Engine,
    session: Snapshot,
    counters: &Counters,
    strays: BTreeMap<String, u64>,
    now: Instant,
) -> Option<BfdSession> {
    let id = session.session;
    let interface = engine.model().interface(id.iface)?;
    let model = interface.bfd.iter().find(|of| of.peer == id.peer)?;
    let config = &session.config;
    Some(BfdSession {
        interface: interface.name.clone(),
        router: engine.router_name(id.iface)?,
        peer: id.peer,
        local: id.local,
        state: state(session.state),
        since_ms: millis(now.saturating_duration_since(session.since)),
        diagnostic: session.diagnostic.label().to_owned(),
        path: match session.path {
            Path::Unknown => BfdPath::Untold,
            Path::Up => BfdPath::Up,
            Path::Failed => BfdPath::Failed,
            Path::SwitchedOff => BfdPath::SwitchedOff,
        },
        withdraw_routes: model.withdraw_routes,
        local_discriminator: session.local_discriminator,
        source_port: session.source_port,
        desired_min_tx_us: micros(config.desired_min_tx),
        required_min_rx_us: micros(config.required_min_rx),
        detect_multiplier: config.detect_mult,
        transmit_interval_us: session.transmit_interval.map(micros),
        detection_time_us: session.detection_time.map(micros),
        polling: session.polling,
        authenticated: config.auth.is_some(),
        remote: session.remote.map(|remote| BfdRemote {
            state: state(remote.state),
            diagnostic: remote.diagnostic.label().to_owned(),
            discriminator: remote.discriminator,
            desired_min_tx_us: micros(remote.desired_min_tx),
            required_min_rx_us: micros(remote.required_min_rx),
            detect_multiplier: remote.detect_mult,
            demand: remote.demand,
        }),
        counters: counters
            .iter()
            .map(|(name, _, count)| (name.to_owned(), count))
            .collect(),
        invalid: invalid(counters),
        strays,
    })
}

const fn state(state: State) -> BfdState {
    match state {
        State::AdminDown => BfdState::AdminDown,
        State::Down => BfdState::Down,
        State::Init => BfdState::Init,
        State::Up => BfdState::Up,
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn invalid(counters: &Counters) -> BTreeMap<String, u64> {
    let rules = counters.invalid.iter();
    rules
        .map(|(rule, count)| ((*rule).to_owned(), *count))
        .collect()
}
