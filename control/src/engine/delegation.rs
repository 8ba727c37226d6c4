//! Delegated prefixes: what is decided for each router is kept, then the model follows it by difference.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::SystemTime;

use ipnet::{IpNet, Ipv6Net};
use lease::Wall;
use tables::id::VrfId;
use tracing::{error, info, warn};

use super::Engine;
use crate::compile::delegation::{Learned, effective, plan};
use crate::compile::routes::{Edit, RibRoute, Source, UNASSIGNED_DISTANCE};
use crate::model::{Indexed, Model, diff};
use protocols::delegation::{Action, Assignment, Event, Machine, Notice, UplinkPrefix};
use protocols::dhcp6_client::{Held, HeldPrefix};

/// The machines, and what they have decided.
#[derive(Debug, Default)]
pub(super) struct Delegation {
    machines: BTreeMap<String, Machine>,
    learned: Learned,
    /// Routes for what is not assigned.
    unreachable: BTreeMap<VrfId, BTreeSet<Ipv6Net>>,
}

impl Engine {
    /// Takes back what was kept before the process started; before the first plan.
    pub(super) fn restore_delegations(&mut self) {
        let kept = match self.store.delegations() {
            Ok(kept) => kept,
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                warn!(
                    error,
                    "what was assigned of delegated prefixes is not known any more"
                );
                return;
            }
        };
        for (router, assignments) in kept {
            self.tell_delegation(&router, Event::Restore(assignments));
        }
    }

    /// Has every router's machine know what is configured. What routers had that are gone is forgotten.
    pub(super) fn plan_delegations(&mut self) {
        let intent = Arc::clone(&self.intent);
        let gone = |name: &&String| intent.router(name).is_none();
        let gone: Vec<String> = self
            .delegation
            .machines
            .keys()
            .filter(gone)
            .cloned()
            .collect();
        for name in gone {
            self.delegation.machines.remove(&name);
            self.delegation.learned.outcomes.remove(&name);
            if let Err(error) = self.store.write_delegations(&name, &[]) {
                let error = format!("{:#}", anyhow::Error::from(error));
                warn!(router = %name, error, "its assignments stay on disk");
            }
        }
        let known = |name: &str| intent.interfaces().any(|(_, i)| i.name == *name);
        self.delegation
            .learned
            .addresses
            .retain(|name, _| known(name));
        for router in &intent.routers {
            let (uplinks, plan) = plan(router, &self.delegation.learned);
            self.tell_delegation(&router.name, Event::Plan { uplinks, plan });
        }
    }

    /// What is configured, with what is delegated.
    pub(super) fn effective(&self, intent: &Arc<Indexed>) -> Arc<Indexed> {
        effective(intent, &self.delegation.learned)
    }

    /// All that an uplink has been given: its own addresses, and prefixes to assign.
    pub(super) fn held(&mut self, held: &Held) {
        let interface = self.model.interface(held.iface);
        let Some(uplink) = interface.map(|interface| interface.name.clone()) else {
            return;
        };
        let prefix = |held: &HeldPrefix| UplinkPrefix {
            prefix: held.prefix,
            exclude: held.exclude,
            preferred_until: held.preferred_until,
            valid_until: held.valid_until,
        };
        let addresses = held.addresses.iter().map(|held| held.address);
        let prefixes = held.prefixes.iter().map(prefix);
        self.uplink_holds(&uplink, prefixes.collect(), addresses.collect());
    }

    fn uplink_holds(
        &mut self,
        uplink: &str,
        prefixes: Vec<UplinkPrefix>,
        addresses: Vec<Ipv6Addr>,
    ) {
        let of = |model: &Model| {
            let on = model.interfaces().find(|(_, i)| i.name == *uplink);
            on.map(|(router, _)| router.name.clone())
        };
        let Some(router) = of(&self.intent) else {
            return;
        };
        let had = self.delegation.learned.addresses.get(uplink);
        if had.map_or(&[][..], Vec::as_slice) != addresses {
            let uplink = uplink.to_owned();
            self.delegation.learned.addresses.insert(uplink, addresses);
            self.plan_delegations();
        }
        let uplink = uplink.into();
        self.tell_delegation(&router, Event::Held { uplink, prefixes });
        self.follow_delegations();
    }

    /// Has the machines know that time passes.
    pub(super) fn delegations_due(&mut self) {
        let now = wall();
        let due = |machine: &Machine| machine.next_deadline().is_some_and(|at| at <= now);
        let machines = self.delegation.machines.iter();
        let due: Vec<String> = machines
            .filter(|(_, machine)| due(machine))
            .map(|(router, _)| router.clone())
            .collect();
        if due.is_empty() {
            return;
        }
        for router in due {
            self.tell_delegation(&router, Event::Timer);
        }
        self.follow_delegations();
    }

    /// The machines, by router.
    pub fn delegations(&self) -> impl Iterator<Item = (&String, &Machine)> {
        self.delegation.machines.iter()
    }

    /// Makes the router what the machines have decided.
    fn follow_delegations(&mut self) {
        let model = self.effective(&self.intent);
        let changes = diff(&self.model, &model);
        if !changes.is_empty() {
            let old = std::mem::replace(&mut self.model, model);
            self.apply(&old, &changes);
        }
        self.route_unassigned();
    }

    /// Brings the routes for what is not assigned in line with what was decided.
    pub(super) fn route_unassigned(&mut self) {
        let mut wanted: BTreeMap<VrfId, BTreeSet<Ipv6Net>> = BTreeMap::new();
        for router in &self.model.routers {
            if let Some(outcome) = self.delegation.learned.outcomes.get(&router.name) {
                wanted.insert(router.id, outcome.unreachable.iter().copied().collect());
            }
        }
        let before = std::mem::replace(&mut self.delegation.unreachable, wanted.clone());
        let vrfs: BTreeSet<VrfId> = before.keys().chain(wanted.keys()).copied().collect();
        let none = BTreeSet::new();
        for vrf in vrfs {
            let (was, is) = (
                before.get(&vrf).unwrap_or(&none),
                wanted.get(&vrf).unwrap_or(&none),
            );
            let remove = |net: &Ipv6Net| {
                Edit::Remove(IpNet::V6(*net), Source::Delegated, UNASSIGNED_DISTANCE)
            };
            let gone = was.difference(is).map(remove);
            let new = is
                .difference(was)
                .map(|net| Edit::Add(RibRoute::unassigned(*net)));
            let edits: Vec<Edit> = gone.chain(new).collect();
            if !edits.is_empty() {
                self.edit_routes(vrf, edits);
            }
        }
    }

    /// One event for a router's machine. Nothing is used before it is stored.
    fn tell_delegation(&mut self, router: &str, event: Event) {
        let mut out = Vec::new();
        let machines = &mut self.delegation.machines;
        let machine = machines.entry(router.to_owned()).or_default();
        machine.on_event(wall(), event, &mut out);
        for action in out {
            match action {
                Action::Keep(assignments) => {
                    let Err(fault) = self.store.write_delegations(router, &assignments) else {
                        continue;
                    };
                    let fault = format!("{:#}", anyhow::Error::from(fault));
                    error!(
                        router,
                        fault, "a change of delegated prefixes waits for the disk"
                    );
                    // It says nothing itself, and everything again a little later.
                    machine.on_event(wall(), Event::StoreFailed, &mut Vec::new());
                    return;
                }
                Action::Apply(outcome) => {
                    let outcomes = &mut self.delegation.learned.outcomes;
                    outcomes.insert(router.to_owned(), outcome);
                }
                Action::Notice(notice) => tell(router, &notice),
            }
        }
    }
}

fn tell(router: &str, notice: &Notice) {
    let told = |what: &str, a: &Assignment| {
        let (interface, uplink, until) = (&*a.interface, &*a.uplink, a.valid_until);
        info!(router, interface, prefix = %a.prefix, uplink, valid_until = %until, "{what}");
    };
    match notice {
        Notice::Assigned(a) => told("a subnet of a delegated prefix is in use", a),
        Notice::Deprecated(a) => told("a subnet of a delegated prefix is deprecated", a),
        Notice::Ended(a) => told("a subnet of a delegated prefix is not in use any more", a),
        Notice::Problem(problem) => warn!(router, "{problem}"),
        Notice::Solved(problem) => info!(router, "no more: {problem}"),
    }
}

fn wall() -> Wall {
    Wall::from(SystemTime::now())
}
