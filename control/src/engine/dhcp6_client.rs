//! What the engine tells the DHCPv6 client, and what it is told.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use dataplane::forwarding::{self, Forwarding};
use tables::id::{IfaceId, VrfId};

use super::Engine;
use crate::model::Model;
use protocols::dhcp6_client::{Config, Event};
use protocols::nd::AddressState;

/// Every uplink: name and configuration.
type Uplinks = BTreeMap<IfaceId, (Box<str>, Config)>;

fn uplinks(model: &Model) -> Uplinks {
    let uplink = |interface: &crate::model::Interface| {
        let config = interface.dhcp6_client.clone()?;
        Some((interface.id, (interface.name.as_str().into(), config)))
    };
    let interfaces = model.interfaces();
    interfaces.filter_map(|(_, i)| uplink(i)).collect()
}

/// The events that make the client ask for `new` instead of `old`. An interface with another name is another uplink.
fn changes(old: &Uplinks, new: &Uplinks) -> Vec<Event<'static>> {
    let has_name = |uplinks: &Uplinks, iface, name: &str| {
        uplinks
            .get(&iface)
            .is_some_and(|(other, _)| **other == *name)
    };
    let removed = old
        .iter()
        .filter(|(iface, (name, _))| !has_name(new, **iface, name))
        .map(|(iface, _)| Event::Remove { iface: *iface });
    let configured = new
        .iter()
        .filter(|(iface, uplink)| old.get(iface) != Some(uplink))
        .map(|(iface, (name, config))| Event::Configure {
            iface: *iface,
            name: name.clone(),
            config: Box::new(config.clone()),
        });
    removed.chain(configured).collect()
}

impl Engine {
    /// Tells the client what a change of the model means to it.
    pub(super) fn change_dhcp6_client(&self, old: &Model) {
        for event in changes(&uplinks(old), &uplinks(&self.model)) {
            self.bus.dhcp6_client(event);
        }
    }

    /// Uplinks whose interface is about to go give their leases back, while messages can still leave.
    pub(super) fn give_back(&self, removed: &[(VrfId, IfaceId)]) {
        let stay = uplinks(&self.model);
        for (_, iface) in removed {
            if self.uplinks.contains_key(iface) && !stay.contains_key(iface) {
                self.bus.dhcp6_client(Event::Remove { iface: *iface });
            }
        }
        self.bus.dhcp6_client_settled();
    }

    /// The client is told everything anew.
    pub(super) fn configure_dhcp6_client(&self) {
        for event in changes(&BTreeMap::new(), &uplinks(&self.model)) {
            self.bus.dhcp6_client(event);
        }
        for (iface, link_local) in &self.uplinks {
            self.bus.dhcp6_client(Event::LinkUp {
                iface: *iface,
                link_local: *link_local,
            });
        }
    }

    /// Tells the client on which uplinks it can speak, if that has changed: where the link is up and the link-local address
    /// has passed duplicate detection.
    pub(super) fn tell_uplinks(&mut self, snapshot: &Forwarding) {
        let is_up = |view: &forwarding::Interface| {
            let interface = self.model.interface(view.id);
            interface.is_some_and(|interface| self.is_up(interface))
        };
        let uplinks: BTreeMap<IfaceId, Ipv6Addr> = snapshot
            .interfaces()
            .filter(|i| i.dhcp.client6 && is_up(i))
            .filter_map(|i| Some((i.id, *i.link_local.first()?)))
            .collect();
        for (iface, link_local) in &uplinks {
            if self.uplinks.get(iface) != Some(link_local) {
                self.bus.dhcp6_client(Event::LinkUp {
                    iface: *iface,
                    link_local: *link_local,
                });
            }
        }
        for iface in self.uplinks.keys().filter(|id| !uplinks.contains_key(id)) {
            self.bus.dhcp6_client(Event::LinkDown { iface: *iface });
        }
        self.uplinks = uplinks;
    }

    /// Tells the client when an address is somebody else's. It knows which ones it got.
    pub(super) fn tell_duplicate(&self, iface: IfaceId, addr: IpAddr, state: AddressState) {
        let is_uplink = self
            .model
            .interface(iface)
            .is_some_and(|interface| interface.dhcp6_client.is_some());
        if let (IpAddr::V6(address), AddressState::Duplicate, true) = (addr, state, is_uplink) {
            self.bus
                .dhcp6_client(Event::AddressDuplicate { iface, address });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TEXT: &str = r#"
[[device]]
name = "d"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "a"
device = "d"
[router.interface.dhcp6_client]
rapid_commit = true
[[router.interface]]
name = "b"
device = "d"
vlan = 2
"#;

    fn told(old: &str, new: &str) -> Vec<String> {
        let model = |text: &str| {
            let loaded = crate::config::parse(Path::new("t.toml"), text);
            uplinks(&loaded.unwrap_or_else(|faults| panic!("{faults}")).model)
        };
        let words = changes(&model(old), &model(new)).into_iter();
        let words = words.map(|event| match event {
            Event::Configure { name, .. } => format!("+{name}"),
            Event::Remove { iface } => format!("-{}", iface.0),
            other => panic!("{other:?}"),
        });
        words.collect()
    }

    #[test]
    fn only_what_changed_is_told() {
        let none = TEXT.replace("[router.interface.dhcp6_client]\nrapid_commit = true", "");
        assert_eq!(told(&none, TEXT), ["+a"]);
        assert_eq!(told(TEXT, TEXT), [""; 0]);
        assert_eq!(told(TEXT, &none), ["-1"]);
        let other = TEXT.replace("true", "false");
        assert_eq!(told(TEXT, &other), ["+a"]);
        let renamed = TEXT.replace("\"a\"", "\"c\"");
        assert_eq!(told(TEXT, &renamed), ["-1", "+c"]);
    }
}
