//! Compiled filters from one snapshot to the next: what stays the same is kept, what is another gets a new generation.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use dataplane::forwarding::Security;
use dataplane::forwarding::security::{Anchor, Filter, Rules};
use tables::classifier::{AddressSets, SetId};
use tables::id::AnchorId;

use super::{Anchors, Effective, Members, flat, guard, prefixes, virtual_routers};
use crate::model::{Model, TenantPort};

/// What was compiled last, of every port.
#[derive(Debug, Default)]
pub struct Filters {
    /// The last generation that was given. All ports count together: an id that goes to another port brings no old flows along.
    generation: u32,
    ports: HashMap<AnchorId, Port>,
    /// Ports with the same groups have their rules together.
    compiled: HashMap<Vec<SetId>, Arc<Compiled>>,
    members: Members,
    sets: Arc<AddressSets>,
}

#[derive(Debug)]
struct Port {
    rules: Arc<Compiled>,
    generation: u32,
}

/// The rules of some groups together.
#[derive(Debug)]
struct Compiled {
    effective: Effective,
    /// The sets that they name.
    sets: BTreeSet<SetId>,
    ingress: Rules,
    egress: Rules,
}

impl Compiled {
    fn new(effective: Effective) -> Self {
        let [ingress, egress] = [0, 1].map(|direction: usize| {
            Rules::new(
                &effective.stateful[direction],
                &effective.stateless[direction],
            )
        });
        Self {
            sets: effective.sets(),
            effective,
            ingress,
            egress,
        }
    }
}

impl Filters {
    /// The snapshot of a model whose sets have these members.
    pub fn compile(&mut self, model: &Model, anchors: &Anchors, members: Members) -> Security {
        let changed = self.take_members(members);
        self.compile_groups(model);
        let on_link = prefixes(model, anchors);
        let virtual_routers = virtual_routers(model);
        let mut before = std::mem::take(&mut self.ports);
        let mut security = Security::default();
        security.sets = Arc::clone(&self.sets);
        security.tcp_window_checks = model.security.tcp_window_checks;
        for port in model.ports.iter().filter(|port| port.port_security) {
            let link = anchors.link(port.id);
            let on_link = on_link.get(&link).map_or(&[][..], Vec::as_slice);
            let virtual_routers = virtual_routers.get(&link).copied().unwrap_or_default();
            let filter = self.filter(port, before.remove(&port.id), &changed);
            security.insert(Arc::new(Anchor {
                id: port.id,
                guard: Some(guard(port, link, on_link, virtual_routers)),
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

    /// Compiles the rules of each combination of groups that a port has, unless they are as they were.
    fn compile_groups(&mut self, model: &Model) {
        let groups = model.security_groups.iter();
        let groups = groups.map(|group| (group.id, group)).collect();
        let before = std::mem::take(&mut self.compiled);
        for port in model.ports.iter().filter(|port| port.port_security) {
            if self.compiled.contains_key(&port.groups) {
                continue;
            }
            let effective = Effective::of(port, &groups);
            let was = before.get(&port.groups);
            let compiled = match was.filter(|was| was.effective == effective) {
                Some(was) => Arc::clone(was),
                None => Arc::new(Compiled::new(effective)),
            };
            self.compiled.insert(port.groups.clone(), compiled);
        }
    }

    fn filter(
        &mut self,
        port: &TenantPort,
        was: Option<Port>,
        changed: &BTreeSet<SetId>,
    ) -> Filter {
        // Without rules nothing passes.
        let rules = self.compiled.get(&port.groups).map(Arc::clone);
        let rules = rules.unwrap_or_else(|| Arc::new(Compiled::new(Effective::default())));
        let same = was.filter(|was| {
            let as_before =
                Arc::ptr_eq(&was.rules, &rules) || was.rules.effective == rules.effective;
            as_before && rules.sets.is_disjoint(changed)
        });
        let generation = same.map_or_else(
            || {
                // After four thousand million changes the first flows of all are long gone.
                self.generation = self.generation.wrapping_add(1);
                self.generation
            },
            |was| was.generation,
        );
        let filter = Filter {
            ingress: rules.ingress.clone(),
            egress: rules.egress.clone(),
            generation,
            max_flows: port.max_flows,
        };
        self.ports.insert(port.id, Port { rules, generation });
        filter
    }

    /// The generation of a port's filter; `None`: it has none.
    pub fn generation(&self, anchor: AnchorId) -> Option<u32> {
        self.ports.get(&anchor).map(|port| port.generation)
    }

    /// The members of the sets that rules name.
    pub fn members(&self) -> &Members {
        &self.members
    }
}
