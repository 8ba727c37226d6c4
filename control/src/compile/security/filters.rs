//! Compiled filters from one snapshot to the next: what stays the same is kept, what is another gets a new generation.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use dataplane::forwarding::Security;
use dataplane::forwarding::security::{Anchor, Filter, Rules};
use tables::classifier::{AddressSets, Rule, RuleSet, SetId};
use tables::id::AnchorId;

use super::{Anchors, Effective, Members, flat, guard, prefixes};
use crate::model::Model;

/// What was compiled last, of every port.
#[derive(Debug, Default)]
pub struct Filters {
    /// The last generation that was given. All ports count together: an id that goes to another port brings no old flows along.
    generation: u32,
    ports: HashMap<AnchorId, Compiled>,
    members: Members,
    sets: Arc<AddressSets>,
    /// Rule sets by their rules: ports with the same groups have them together.
    rule_sets: HashMap<Vec<Rule>, Arc<RuleSet>>,
}

#[derive(Debug)]
struct Compiled {
    effective: Effective,
    filter: Filter,
}

impl Filters {
    /// The snapshot of a model whose sets have these members.
    pub fn compile(&mut self, model: &Model, anchors: &Anchors, members: Members) -> Security {
        let changed = self.take_members(members);
        let groups = model.security_groups.iter();
        let groups = groups.map(|group| (group.id, group)).collect();
        let on_link = prefixes(model, anchors);
        let mut before = std::mem::take(&mut self.ports);
        let known = std::mem::take(&mut self.rule_sets);
        let mut security = Security::default();
        security.sets = Arc::clone(&self.sets);
        security.tcp_window_checks = model.security.tcp_window_checks;
        for port in model.ports.iter().filter(|port| port.port_security) {
            let link = anchors.link(port.id);
            let on_link = on_link.get(&link).map_or(&[][..], Vec::as_slice);
            let effective = Effective::of(port, &groups);
            let was = before.remove(&port.id);
            let compiled = self.filter(effective, was, &changed, &known, port.max_flows);
            let filter = compiled.filter.clone();
            self.ports.insert(port.id, compiled);
            security.insert(Arc::new(Anchor {
                id: port.id,
                guard: Some(guard(port, link, on_link)),
                filter: Some(filter),
            }));
        }
        security
    }

    /// Takes new members over. Which sets have changed.
    fn take_members(&mut self, members: Members) -> BTreeSet<SetId> {
        let sets = self.members.keys().chain(members.keys());
        let changed: BTreeSet<SetId> = sets
            .copied()
            .filter(|set| self.members.get(set) != members.get(set))
            .collect();
        if !changed.is_empty() {
            self.sets = Arc::new(AddressSets::new(flat(&members)));
            self.members = members;
        }
        changed
    }

    fn filter(
        &mut self,
        effective: Effective,
        was: Option<Compiled>,
        changed: &BTreeSet<SetId>,
        known: &HashMap<Vec<Rule>, Arc<RuleSet>>,
        max_flows: u32,
    ) -> Compiled {
        let sets = effective.sets();
        let same = was
            .filter(|was| was.effective == effective && sets.is_disjoint(changed))
            .map(|was| was.filter.generation);
        let generation = same.unwrap_or_else(|| {
            // After four thousand million changes the first flows of all are long gone.
            self.generation = self.generation.wrapping_add(1);
            self.generation
        });
        let mut compile = |rules: &Vec<Rule>| match self.rule_sets.get(rules) {
            Some(set) => Arc::clone(set),
            None => {
                let set = known.get(rules).map(Arc::clone);
                let set = set.unwrap_or_else(|| Arc::new(RuleSet::compile(rules)));
                self.rule_sets.insert(rules.clone(), Arc::clone(&set));
                set
            }
        };
        let [ingress, egress] = [0, 1].map(|direction: usize| Rules {
            stateful: compile(&effective.stateful[direction]),
            stateless: compile(&effective.stateless[direction]),
        });
        Compiled {
            filter: Filter {
                ingress,
                egress,
                generation,
                max_flows,
            },
            effective,
        }
    }

    /// The members of the sets that rules name.
    pub fn members(&self) -> &Members {
        &self.members
    }
}
