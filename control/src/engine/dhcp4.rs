//! What the engine tells the DHCPv4 server.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ipnet::Ipv4Net;
use tables::id::VrfId;

use super::Engine;
use crate::bus::{Bus, Dhcp4Message};
use crate::compile::dhcp4::{interface, remote_link};
use crate::model::{Model, Router};
use lease::RealmId;
use protocols::dhcp4::{Config, Event, LinkId};

/// A link as the server is told of it: its router's number and what leases know it by, and what it does there.
type Served = ((VrfId, RealmId), Config);

impl Engine {
    /// Tells the server what a change of the model means to it.
    pub(super) fn change_dhcp4(&self, old: &Model) {
        for event in changes(&served(old), &served(&self.model)) {
            tell(&self.bus, event);
        }
    }

    /// What people call the links that are served.
    pub fn dhcp4_links(&self) -> HashMap<LinkId, String> {
        let own = self.model.interfaces().filter(|(_, i)| i.serves_dhcp4());
        let own = own.map(|(_, i)| (LinkId::Iface(i.id), i.name.clone()));
        let remote = self.model.remote_links();
        own.chain(remote.map(|(_, link)| (LinkId::Remote(link.id.into()), link.name.clone())))
            .collect()
    }

    /// The server is told everything anew.
    pub(super) fn configure_dhcp4(&self) {
        for event in changes(&BTreeMap::new(), &served(&self.model)) {
            tell(&self.bus, event);
        }
    }
}

fn tell(bus: &Bus, event: Event<'static>) {
    bus.dhcp4(Dhcp4Message::Event(event));
}

/// Its number, and what leases know it by.
fn ids(router: &Router) -> (VrfId, RealmId) {
    (router.id, RealmId::of(&router.name))
}

/// Every link that the server serves.
fn served(model: &Model) -> BTreeMap<LinkId, Served> {
    let own = model.interfaces().filter_map(|(router, i)| {
        let config = interface(router, i)?;
        Some((LinkId::Iface(i.id), (ids(router), config)))
    });
    let remote = model.remote_links().filter_map(|(router, link)| {
        let config = remote_link(router, link)?;
        Some((LinkId::Remote(link.id.into()), (ids(router), config)))
    });
    own.chain(remote).collect()
}

/// The events that make the server serve `new` instead of `old`.
fn changes(old: &BTreeMap<LinkId, Served>, new: &BTreeMap<LinkId, Served>) -> Vec<Event<'static>> {
    let changed: Vec<_> = new
        .iter()
        .filter(|(id, link)| old.get(id) != Some(link))
        .collect();
    let mut remove: BTreeSet<LinkId> = old
        .keys()
        .filter(|id| !new.contains_key(id))
        .copied()
        .collect();
    // What moves from one link of a router to another must be free before it is taken.
    for (id, ((_, realm), config)) in &changed {
        let others = old.iter().filter(|(other, _)| other != id);
        for (other, (_, had)) in others.filter(|(_, ((_, of), _))| of == realm) {
            if changed.iter().any(|(id, _)| *id == other) && overlap(config, had) {
                remove.insert(*other);
            }
        }
    }
    let removed = remove.into_iter().map(|link| Event::RemoveLink { link });
    let configured =
        changed
            .into_iter()
            .map(|(link, ((vrf, realm), config))| Event::ConfigureLink {
                link: *link,
                vrf: *vrf,
                realm: *realm,
                config: Box::new(config.clone()),
            });
    removed.chain(configured).collect()
}

/// Whether both lease out a part of the same prefix.
fn overlap(a: &Config, b: &Config) -> bool {
    let overlaps = |p: &Ipv4Net, q: &Ipv4Net| p.contains(q) || q.contains(p);
    let theirs = || b.subnets.iter().map(|subnet| subnet.prefix);
    let mut ours = a.subnets.iter().map(|subnet| subnet.prefix);
    ours.any(|p| theirs().any(|q| overlaps(&p, &q)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tables::id::IfaceId;

    use super::*;

    const TEXT: &str = r#"
[[device]]
name = "lan"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "a"
device = "lan"
addresses = ["192.0.2.1/24"]
[[router.interface.subnet]]
prefix = "192.0.2.0/24"
[[router.interface]]
name = "b"
device = "lan"
vlan = 2
addresses = ["198.51.100.1/24"]
[[router.interface.subnet]]
prefix = "198.51.100.0/24"
[[router.interface]]
name = "c"
device = "lan"
vlan = 3
"#;

    fn links(text: &str) -> BTreeMap<LinkId, Served> {
        let loaded = crate::config::parse(Path::new("t.toml"), text);
        served(&loaded.unwrap_or_else(|faults| panic!("{faults}")).model)
    }

    /// Each event as a word.
    fn told(old: &str, new: &str) -> Vec<String> {
        let old = if old.is_empty() {
            BTreeMap::new()
        } else {
            links(old)
        };
        let words = changes(&old, &links(new))
            .into_iter()
            .map(|event| match event {
                Event::ConfigureLink { link, .. } => format!("+{link:?}"),
                Event::RemoveLink { link } => format!("-{link:?}"),
                other => panic!("{other:?}"),
            });
        words.collect()
    }

    fn id(n: u16) -> LinkId {
        LinkId::Iface(IfaceId(n))
    }

    #[test]
    fn only_what_changed_is_told() {
        let (a, b) = (format!("+{:?}", id(1)), format!("+{:?}", id(2)));
        assert_eq!(told("", TEXT), [a.as_str(), b.as_str()]);
        assert_eq!(told(TEXT, TEXT), [""; 0]);
        let gateway = TEXT.replacen("0/24\"\n[[", "0/24\"\ngateway = \"none\"\n[[", 1);
        assert_eq!(told(TEXT, &gateway), [a.as_str()]);
        let off = TEXT.replacen("0/24\"\n[[", "0/24\"\nenable_dhcp = false\n[[", 1);
        assert_eq!(told(TEXT, &off), [format!("-{:?}", id(1))]);
    }

    #[test]
    fn a_prefix_that_moves_is_given_up_first() {
        let swapped = TEXT
            .replace("192.0.2.", "@")
            .replace("198.51.100.", "192.0.2.")
            .replace('@', "198.51.100.");
        let all = [
            format!("-{:?}", id(1)),
            format!("-{:?}", id(2)),
            format!("+{:?}", id(1)),
            format!("+{:?}", id(2)),
        ];
        assert_eq!(told(TEXT, &swapped), all);
    }
}
