//! What is known of the machines of tenants: where they are plugged, what they may send, and who may send to them.
//!
//! An *anchor* is a place (an attachment of a network, or an interface on a device) at which one machine is plugged: the port of the
//! tenant model. Places without an anchor are the operator's own, and nothing is asked there.

use std::sync::Arc;

use tables::classifier::{AddressSets, Protocol, Remote, Rule, RuleSet};
use tables::id::{AnchorId, RuleId};

use crate::denied::Direction;
use crate::guard::Guard;

/// One machine's place.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// Its id, not 0.
    pub id: AnchorId,
    /// Who it may say that it is; `None`: anybody.
    pub guard: Option<Guard>,
    /// What may pass from it and to it; `None`: everything.
    pub filter: Option<Filter>,
}

/// The security groups of a port, compiled.
#[derive(Clone, Debug)]
pub struct Filter {
    /// What may pass to the machine.
    pub ingress: Rules,
    /// What may pass from it.
    pub egress: Rules,
    /// Changes with every change of what the rules allow: a flow that was allowed under another one is judged anew.
    pub generation: u32,
    /// Flows that it may have at once.
    pub max_flows: u32,
}

impl Filter {
    /// The rule that lets everything of a family pass with nobody asked, if there is one. Where rules of the port make flows there is
    /// none: a flow must hear of the packets of both directions.
    #[inline(always)]
    pub fn unasked(&self, direction: Direction, v6: bool) -> Option<RuleId> {
        let rules = match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        };
        let rule = rules.everything[usize::from(v6)]?;
        let makes_flows = !self.ingress.stateful.is_empty() || !self.egress.stateful.is_empty();
        (!makes_flows).then_some(rule)
    }
}

/// The rules of one direction.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Those that let answers pass too: what they allow becomes a flow.
    pub stateful: Arc<RuleSet>,
    /// Those that are asked for every packet.
    pub stateless: Arc<RuleSet>,
    /// The stateless rule that lets everything of a family pass, if it is the first of that family: by IPv4, IPv6.
    /// See [`Filter::unasked`].
    pub everything: [Option<RuleId>; 2],
}

impl Rules {
    /// Compiles them.
    pub fn new(stateful: &[Rule], stateless: &[Rule]) -> Self {
        let first = |v6| stateless.iter().find(|rule| rule.v6 == v6);
        let everything = |rule: &Rule| {
            let asks = (rule.protocol, rule.ports, rule.remote);
            (asks == (Protocol::Any, None, Remote::Any)).then_some(rule.id)
        };
        Self {
            stateful: Arc::new(RuleSet::compile(stateful)),
            stateless: Arc::new(RuleSet::compile(stateless)),
            everything: [false, true].map(|v6| first(v6).and_then(everything)),
        }
    }
}

/// All anchors of the snapshot.
#[derive(Clone, Debug, Default)]
pub struct Security {
    anchors: Vec<Option<Arc<Anchor>>>,
    /// Which remote groups and address groups an address is in.
    pub sets: Arc<AddressSets>,
    /// TCP segments beside the window of their flow are dropped.
    pub tcp_window_checks: bool,
}

impl Security {
    /// Adds an anchor, replacing one of the same id.
    pub fn insert(&mut self, anchor: Arc<Anchor>) {
        let index = anchor.id.index();
        if self.anchors.len() <= index {
            self.anchors.resize(index + 1, None);
        }
        self.anchors[index] = Some(anchor);
    }

    /// The anchor of this id.
    #[inline(always)]
    pub fn get(&self, id: AnchorId) -> Option<&Anchor> {
        self.anchors.get(id.index())?.as_deref()
    }

    /// Whether there is none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// Every anchor.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Anchor>> {
        self.anchors.iter().flatten()
    }
}
