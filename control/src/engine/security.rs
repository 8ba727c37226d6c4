//! Ports of tenants' machines in the running router: what the workers are told to ask of their packets, and what they have told of those
//! that did not pass.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use dataplane::counters::TrafficSum;
use dataplane::denied::{Denied, DeniedConsumer};
use dataplane::forwarding::{Forwarding, Security, Shared};
use tables::classifier::SetId;
use tables::flow::FlowTable;
use tables::id::{AnchorId, RuleId};

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
    /// What the workers had counted of each rule when it was given its id: the id may have been another's.
    counted: HashMap<RuleId, TrafficSum>,
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
            counted: HashMap::new(),
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

    /// What the workers had counted of a rule before it was this one.
    pub(super) fn counted_before(&self, rule: RuleId) -> TrafficSum {
        self.counted.get(&rule).copied().unwrap_or_default()
    }

    /// Follows a model: it is compiled if it is another than before, or the members of a group are. `counted` says what the workers have
    /// counted of a rule.
    fn follow(
        &mut self,
        model: &Arc<Indexed>,
        counted: impl Fn(RuleId) -> TrafficSum,
    ) -> Shared<Security> {
        if !self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, model)) {
            self.anchors = Anchors::of(model);
            let is_port = |id: &AnchorId| model.port(*id).is_some();
            self.learned.retain(|id, _| is_port(id));
            self.denials.retain(|id, _| is_port(id));
            let members = members(model, &self.anchors, &self.learned);
            *self.snapshot = self.filters.compile(model, &self.anchors, members);
            let groups = model.security_groups.iter();
            let rules: HashSet<RuleId> = groups.flat_map(|g| &g.rules).map(|r| r.id).collect();
            self.counted.retain(|id, _| rules.contains(id));
            for id in rules {
                self.counted.entry(id).or_insert_with(|| counted(id));
            }
            self.of = Some(Arc::clone(model));
        }
        self.snapshot.clone()
    }

    /// The addresses that ports have learned are these now; whether that is something else than before.
    fn learn(&mut self, learned: HashMap<AnchorId, BTreeSet<IpAddr>>) -> bool {
        let is_new = self.learned != learned;
        if is_new {
            self.learned = learned;
            self.of = None;
        }
        is_new
    }

    /// Reads what workers have told of packets that did not pass.
    fn hear(&mut self) {
        for notes in &mut self.denied {
            for note in std::iter::from_fn(|| notes.pop().ok()).take(NOTES) {
                let kept = self.denials.entry(note.anchor).or_default();
                if kept.len() == KEPT {
                    kept.pop_front();
                }
                kept.push_back(note);
            }
        }
    }

    /// The last packets of a port that did not pass, the newest first.
    pub(super) fn denials(&self, anchor: AnchorId) -> impl Iterator<Item = &Denied> {
        self.denials.get(&anchor).into_iter().flatten().rev()
    }
}

impl Engine {
    /// Gives the workers' next snapshot what holds at ports.
    pub(super) fn secure(&mut self, snapshot: &mut Forwarding) {
        let counters = &self.counters;
        let counted = |id| {
            let mut sum = TrafficSum::default();
            counters.iter().for_each(|w| sum += w.rule(id).get());
            sum
        };
        snapshot.security = self.security.follow(&self.model, counted);
    }

    /// The addresses that ports have learned are these now. Rules that name a group of such a port ask anew, at the next snapshot.
    pub(super) fn member_addresses_changed(
        &mut self,
        learned: HashMap<AnchorId, BTreeSet<IpAddr>>,
    ) {
        if self.security.learn(learned) {
            self.stale.get_or_insert_with(std::time::Instant::now);
        }
    }

    /// Reads what workers have told of packets that did not pass.
    pub(super) fn hear_denials(&mut self) {
        self.security.hear();
    }
}

#[cfg(test)]
mod tests;
