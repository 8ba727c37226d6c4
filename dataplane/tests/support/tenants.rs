//! Machines of tenants for the router of the tests.
//!
//! ```text
//!   VM 1: plugged into the interface LAN     2001:db8:1::10, 10.1.0.10
//!   VM 2: plugged into the interface VLAN    2001:db8:3::10, 10.3.0.10
//!   A 3:  plugged into the network RED, port 1 tag 500
//!   B 4:  plugged into the network RED, port 0 tag 501
//! ```

use std::sync::Arc;

use dataplane::forwarding::security::{Anchor, Filter, Rules};
use tables::classifier::{Protocol, Remote, Rule};
use tables::id::{AnchorId, RuleId};

use super::World;

pub const VM1: AnchorId = AnchorId(1);
pub const VM2: AnchorId = AnchorId(2);
pub const AT_A: AnchorId = AnchorId(3);
pub const AT_B: AnchorId = AnchorId(4);

/// A rule that lets everything of a family pass.
pub fn any(id: u32, v6: bool) -> Rule {
    Rule {
        id: RuleId(id),
        v6,
        protocol: Protocol::Any,
        ports: None,
        remote: Remote::Any,
    }
}

/// A rule for a protocol and ports.
pub fn rule(id: u32, v6: bool, protocol: u8, ports: impl Into<Option<(u16, u16)>>) -> Rule {
    Rule {
        protocol: Protocol::Number(protocol),
        ports: ports.into(),
        ..any(id, v6)
    }
}

/// What a port's groups say.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    pub ingress: Vec<Rule>,
    pub egress: Vec<Rule>,
    /// Its rules are asked for every packet.
    pub stateless: bool,
    pub generation: u32,
    pub max_flows: Option<u32>,
}

impl Groups {
    /// As the packet path has them.
    pub fn compile(&self) -> Filter {
        let rules = |list: &[Rule]| match self.stateless {
            false => Rules::new(list, &[]),
            true => Rules::new(&[], list),
        };
        Filter {
            ingress: rules(&self.ingress),
            egress: rules(&self.egress),
            generation: self.generation,
            max_flows: self.max_flows.unwrap_or(1000),
        }
    }
}

/// Gives a port groups.
pub fn secure(world: &mut World, id: AnchorId, groups: &Groups) {
    let anchor = Anchor {
        id,
        guard: None,
        filter: Some(groups.compile()),
    };
    world.configure(|forwarding| {
        forwarding.security.tcp_window_checks = true;
        forwarding.security.insert(Arc::new(anchor));
    });
}

/// Plugs machines into the interfaces of the router.
pub fn plug(world: &mut World) {
    world.change(super::LAN, |interface| interface.anchor = VM1);
    world.change(super::VLAN, |interface| interface.anchor = VM2);
}
