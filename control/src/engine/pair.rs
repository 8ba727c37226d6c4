//! What the other router of a pair is told of the model, and what becomes of what it tells of stations, neighbours and bindings.

use super::Engine;
use crate::model::Model;
use crate::rooms::pair::PortOfFlows;

impl Engine {
    /// Tells the room of the pair which ports have flows.
    pub(super) fn tell_ports(&self) {
        if self.model.pair.is_none() {
            return;
        }
        let guarded = self.model.ports.iter().filter(|port| port.port_security);
        let ports = guarded.map(|port| PortOfFlows {
            anchor: port.id,
            name: port.name.clone(),
            max_flows: port.max_flows,
        });
        self.bus.pair().ports(ports.collect(), alike(&self.intent));
    }
}

/// A hash of what both routers of a pair should have configured alike: the names of things. The same in every release.
fn alike(model: &Model) -> u64 {
    let ports = model.ports.iter().map(|port| ("port", port.name.as_str()));
    let networks = model.networks.iter().map(|n| ("network", n.name.as_str()));
    let groups = model.security_groups.iter();
    let groups = groups.map(|group| ("security_group", group.name.as_str()));
    let routers = model.routers.iter().flat_map(|router| {
        let interfaces = router.interfaces.iter();
        let interfaces = interfaces.map(|interface| ("interface", interface.name.as_str()));
        std::iter::once(("router", router.name.as_str())).chain(interfaces)
    });
    let mut names: Vec<_> = ports.chain(networks).chain(groups).chain(routers).collect();
    names.sort_unstable();
    // FNV-1a.
    let bytes = names
        .iter()
        .flat_map(|(noun, name)| [noun.as_bytes(), b" ", name.as_bytes(), b"\n"])
        .flatten();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
