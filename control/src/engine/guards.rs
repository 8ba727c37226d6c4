//! The guards of ports in the running router: what their room is told of links and ports, and the frames that it has sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::SystemTime;

use ::lease::{RealmId, Resource, Wall};
use dataplane::guard::{Learning, LinkId};
use tables::id::{AnchorId, PortId};

use super::Engine;
use super::addresses::own_addresses;
use crate::bus::Leasing;
use crate::compile::interfaces::Learned;
use crate::compile::security::{Anchors, interface_link, network_link, reservations};
use crate::model::security::TenantPort;
use crate::model::{Carrier, Interface, Model, Network, Router, Tag};
use crate::rooms::savi::{AnchorConfig, BindingView, Configured, LinkConfig, Towards};

impl Engine {
    /// Has the guards' room follow the model.
    pub(super) fn follow_guards(&mut self) {
        let anchors = guarded_ports(&self.model, &self.security.anchors);
        let links = self.guarded_links();
        let wanted = Configured { links, anchors };
        if self.guards.follow(wanted) {
            // What a port had by a lease, it has again: who has just come is told too.
            self.bus.hear_leases(!self.model.ports.is_empty());
        }
    }

    /// Tells the guards of leases of our servers, on links with ports.
    pub(super) fn hear_leases(&mut self, leases: &[Leasing]) {
        let now = Wall::from(SystemTime::now());
        let model = Arc::clone(&self.model);
        let guarded = self.guarded_interfaces(&model);
        for leasing in leases {
            let on = |(realm, interface, _): &&(RealmId, &Interface, LinkId)| {
                *realm == leasing.realm && is_on(leasing, interface)
            };
            let Some((_, _, link)) = guarded.iter().find(on) else {
                continue;
            };
            // As on the wire: all bits set, for ever.
            let given = leasing.given.map(|(mac, ends)| {
                let left = ends.left(now);
                (mac, (left != u32::MAX).then_some(left))
            });
            match (as_address(leasing.resource), given) {
                (Ok(address), _) if leasing.is_registered => {
                    self.guards.registered(*link, address, given);
                }
                (Ok(address), Some((mac, left))) => self.guards.leased(*link, address, mac, left),
                (Ok(address), None) => self.guards.released(*link, address),
                (Err(prefix), Some((mac, left))) => {
                    self.guards.delegated(*link, prefix, mac, left);
                }
                (Err(prefix), None) => self.guards.undelegated(*link, prefix),
            }
        }
    }

    /// Our interfaces on links with ports.
    fn guarded_interfaces<'a>(&self, model: &'a Model) -> Vec<(RealmId, &'a Interface, LinkId)> {
        let link = |(router, interface): (&'a Router, &'a Interface)| {
            let link = match interface.carrier {
                Carrier::Network(network) => network_link(network),
                Carrier::Device { .. } => interface_link(interface.id),
                Carrier::Tunnel { .. } => return None,
            };
            let has_ports = self.guards.has_link(link);
            has_ports.then(|| (RealmId::of(&router.name), interface, link))
        };
        model.interfaces().filter_map(link).collect()
    }

    /// The links with ports.
    fn guarded_links(&self) -> BTreeMap<LinkId, LinkConfig> {
        let anchors = &self.security.anchors;
        let with_ports = anchors.links();
        let mut links = BTreeMap::new();
        if with_ports.is_empty() {
            return links;
        }
        for network in &self.model.networks {
            let link = network_link(network.id);
            if with_ports.contains(&link) {
                let config = LinkConfig {
                    own: BTreeMap::new(),
                    has_strangers: self.strangers(network).next().is_some()
                        || network.tunnels().next().is_some(),
                    speaker: self.learned().made_mac(&network.name),
                };
                links.insert(link, config);
            }
        }
        for (_, interface) in self.model.interfaces() {
            let link = match interface.carrier {
                Carrier::Network(network) => network_link(network),
                Carrier::Device { .. } => interface_link(interface.id),
                Carrier::Tunnel { .. } => continue,
            };
            if !with_ports.contains(&link) {
                continue;
            }
            let mac = self.mac(interface);
            let config: &mut LinkConfig = links.entry(link).or_default();
            config.speaker = mac;
            let own = own_addresses(interface, mac).into_iter();
            config.own.extend(own.map(|own| (own.addr, mac)));
            // Active or not: they are no machine's.
            for group in &interface.vrrp {
                let virtual_mac = match group.virtual_mac {
                    true => group.config.mac,
                    false => mac,
                };
                let addresses = group.addresses().iter();
                config
                    .own
                    .extend(addresses.map(|&address| (address, virtual_mac)));
            }
        }
        links
    }

    /// The places of a network on devices that are no ports.
    fn strangers<'a>(&'a self, network: &'a Network) -> impl Iterator<Item = (PortId, Tag)> + 'a {
        let locals = network.locals.iter();
        let free = locals.filter(|local| self.security.anchors.local(local.number) == AnchorId(0));
        free.map(|local| (local.device, local.tag))
    }

    /// Has the room read what workers have heard, and sends what it has to say.
    pub(super) fn tick_guards(&mut self) {
        self.guards.tick();
        let frames: Vec<_> = self.guards.take_frames().collect();
        for frame in frames {
            match frame.towards {
                Towards::Anchor(anchor) => {
                    if let Some(port) = self.model.port(anchor) {
                        self.injector.tagged(port.device, port.tag, &frame.bytes);
                    }
                }
                Towards::Strangers(link) => self.tell_strangers(link, &frame.bytes),
            }
        }
        if self.guards.take_changed() {
            self.members_learned();
        }
    }

    /// Sends a frame to whoever of a link has no port.
    fn tell_strangers(&self, link: LinkId, frame: &[u8]) {
        let mut networks = self.model.networks.iter();
        let Some(network) = networks.find(|network| network_link(network.id) == link) else {
            return;
        };
        for (device, tag) in self.strangers(network) {
            self.injector.tagged(device, tag, frame);
        }
        // LIMIT: machines behind tunnels are asked only where a router of ours is on the network, as its interface; ports hear it too.
        let mut on = self.model.interfaces().map(|(_, interface)| interface);
        let own = on.find(|interface| interface.carrier.network() == Some(network.id));
        if let (Some(own), true) = (own, network.tunnels().next().is_some()) {
            self.injector.network(network.id, own.id, frame.to_vec());
        }
    }

    /// What ports have learned is another thing than before: groups have other members.
    fn members_learned(&mut self) {
        let mut learned: HashMap<AnchorId, BTreeSet<IpAddr>> = HashMap::new();
        for binding in self.guards.bindings(None) {
            if let (Some(anchor), true) = (binding.anchor, is_members(&binding)) {
                learned.entry(anchor).or_default().insert(binding.address);
            }
        }
        self.member_addresses_changed(learned);
    }
}

/// What the guards' room is told of ports: of those that have security.
fn guarded_ports(model: &Model, anchors: &Anchors) -> BTreeMap<AnchorId, AnchorConfig> {
    let secure = model.ports.iter().filter(|port| port.port_security);
    let mut reserved = reservations(model, anchors);
    let config = |port: &TenantPort| {
        let fixed = port.fixed_ips.iter().copied();
        let reserved = reserved.remove(&port.id).unwrap_or_default();
        let single = port.pairs.iter().filter(|pair| {
            let prefix = pair.prefix;
            prefix.prefix_len() == prefix.max_prefix_len()
        });
        let config = AnchorConfig {
            link: anchors.link(port.id),
            macs: port.macs(),
            fixed: fixed.chain(reserved).collect(),
            shared: single.map(|pair| (pair.prefix.addr(), pair.mac)).collect(),
            learns: port.learning == Learning::Fcfs,
            max_addresses: port.max_addresses,
        };
        (port.id, config)
    };
    secure.map(config).collect()
}

/// Whether a lease is of an interface's link.
fn is_on(leasing: &Leasing, interface: &Interface) -> bool {
    match as_address(leasing.resource) {
        Ok(address) => {
            let mut subnets = interface.addresses.iter();
            subnets.any(|net| net.contains(&address))
        }
        Err(_) => leasing.interface.as_deref() == Some(interface.name.as_str()),
    }
}

/// The address that is leased; an error: the prefix that is.
fn as_address(resource: Resource) -> Result<IpAddr, (Ipv6Addr, u8)> {
    match resource {
        Resource::V6(address) => Ok(address.into()),
        Resource::V4(address) => Ok(address.into()),
        Resource::Prefix(net) => Err((net.network(), net.prefix_len())),
    }
}

/// Whether the address is its port's, and not only said to be.
fn is_members(binding: &BindingView) -> bool {
    binding.state != "tentative"
}

#[cfg(test)]
mod tests;
