//! Ports of tenants' machines in the running router: what the workers are told to ask of their packets, and what they have told of those
//! that did not pass.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use dataplane::denied::{Denied, DeniedConsumer};
use dataplane::forwarding::{Forwarding, Security, Shared};
use tables::classifier::SetId;
use tables::flow::FlowTable;
use tables::id::AnchorId;

use super::Engine;
use crate::compile::security::{Anchors, Filters, members};
use crate::model::Indexed;

/// Packets that did not pass which are kept of each port.
const KEPT: usize = 32;
/// Notes of each worker that are read at once.
const NOTES: usize = 4096;

/// What the engine knows of ports.
pub(super) struct State {
    filters: Filters,
    /// Which places are ports, in the model of the snapshot.
    pub(super) anchors: Anchors,
    /// The model that the snapshot was made of; `None`: it must be made anew.
    of: Option<Arc<Indexed>>,
    snapshot: Shared<Security>,
    /// Addresses that ports have learned.
    learned: HashMap<AnchorId, BTreeSet<IpAddr>>,
    denied: Vec<DeniedConsumer>,
    denials: HashMap<AnchorId, VecDeque<Denied>>,
    /// Flows of all ports.
    pub(super) flows: Arc<FlowTable>,
}

impl State {
    /// Without ports.
    pub(super) fn new(flows: Arc<FlowTable>, denied: Vec<DeniedConsumer>) -> Self {
        Self {
            filters: Filters::default(),
            anchors: Anchors::default(),
            of: None,
            snapshot: Shared::default(),
            learned: HashMap::new(),
            denied,
            denials: HashMap::new(),
            flows,
        }
    }

    /// The generation of a port's filter; `None`: it has none.
    pub(super) fn generation(&self, anchor: AnchorId) -> Option<u32> {
        self.filters.generation(anchor)
    }

    /// How many members a set has, if a rule names it.
    pub(super) fn members(&self, set: SetId) -> usize {
        self.filters.members().get(&set).map_or(0, BTreeSet::len)
    }

    /// The last packets of a port that did not pass, the newest first.
    pub(super) fn denials(&self, anchor: AnchorId) -> impl Iterator<Item = &Denied> {
        self.denials.get(&anchor).into_iter().flatten().rev()
    }
}

impl Engine {
    /// Gives the workers' next snapshot what holds at ports: compiled anew when the model is another, or the members of a group are.
    pub(super) fn secure(&mut self, snapshot: &mut Forwarding) {
        let model = Arc::clone(&self.model);
        let state = &mut self.security;
        if !state.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, &model)) {
            state.anchors = Anchors::of(&model);
            let is_port = |id: &AnchorId| model.port(*id).is_some();
            state.learned.retain(|id, _| is_port(id));
            state.denials.retain(|id, _| is_port(id));
            let members = members(&model, &state.anchors, &state.learned);
            *state.snapshot = state.filters.compile(&model, &state.anchors, members);
            state.of = Some(model);
        }
        snapshot.security = state.snapshot.clone();
    }

    /// The addresses that ports have learned are these now. Rules that name a group of such a port ask anew, at the next snapshot.
    pub(super) fn member_addresses_changed(
        &mut self,
        learned: HashMap<AnchorId, BTreeSet<IpAddr>>,
    ) {
        if self.security.learned == learned {
            return;
        }
        self.security.learned = learned;
        self.security.of = None;
        self.stale.get_or_insert_with(std::time::Instant::now);
    }

    /// Reads what workers have told of packets that did not pass.
    pub(super) fn hear_denials(&mut self) {
        let State {
            denied, denials, ..
        } = &mut self.security;
        for notes in denied {
            for note in std::iter::from_fn(|| notes.pop().ok()).take(NOTES) {
                let kept = denials.entry(note.anchor).or_default();
                if kept.len() == KEPT {
                    kept.pop_front();
                }
                kept.push_back(note);
            }
        }
    }
}
