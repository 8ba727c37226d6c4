//! What the engine tells the DHCP relays.

use std::collections::{BTreeMap, HashMap};

use tables::id::{IfaceId, VrfId};

use super::Engine;
use crate::bus::relay::{Relay4Message, Relay6Message, Relaying};
use crate::compile::relay;
use crate::model::Model;
use lease::RealmId;
use protocols::{relay4, relay6};

/// A link as the DHCPv6 relay is told of it.
type Link6 = ((VrfId, RealmId), Box<str>, relay6::Config);
/// A link as the DHCPv4 relay is told of it.
type Link4 = (VrfId, relay4::Config);

impl Engine {
    /// Tells the relays what a change of the model means to them.
    pub(super) fn change_relays(&self, old: &Model) {
        self.bus.set_relaying(relaying(&self.model));
        for event in changes6(&links6(old), &links6(&self.model)) {
            self.bus.relay6(Relay6Message::Event(event));
        }
        for event in changes4(&links4(old), &links4(&self.model)) {
            self.bus.relay4(Relay4Message::Event(event));
        }
    }

    /// The DHCPv6 relay is told everything anew.
    pub(super) fn configure_relay6(&self) {
        for event in changes6(&BTreeMap::new(), &links6(&self.model)) {
            self.bus.relay6(Relay6Message::Event(event));
        }
        let sources = Box::new(self.sources.clone());
        self.bus.relay6(Relay6Message::Sources(sources));
    }

    /// The DHCPv4 relay is told everything anew.
    pub(super) fn configure_relay4(&self) {
        for event in changes4(&BTreeMap::new(), &links4(&self.model)) {
            self.bus.relay4(Relay4Message::Event(event));
        }
    }

    /// What people call the links that are relayed for.
    pub fn relay_links(&self) -> HashMap<IfaceId, String> {
        let relays = self.model.interfaces();
        let relays = relays.filter(|(_, i)| i.relays_dhcp6() || i.dhcp4_relay.is_some());
        relays.map(|(_, i)| (i.id, i.name.clone())).collect()
    }
}

fn relaying(model: &Model) -> Relaying {
    let mut relaying = Relaying::default();
    for (router, interface) in model.interfaces() {
        if interface.relays_dhcp6() {
            relaying.v6.insert(interface.id);
            relaying.v6_routers.insert(router.id);
        }
        if interface.dhcp4_relay.is_some() {
            relaying.v4.insert(interface.id);
            relaying.v4_routers.insert(router.id);
        }
    }
    relaying
}

fn links6(model: &Model) -> BTreeMap<IfaceId, Link6> {
    let links = model.interfaces().filter_map(|(router, i)| {
        let config = relay::relay6(router, i)?;
        let ids = (router.id, RealmId::of(&router.name));
        Some((i.id, (ids, i.name.as_str().into(), config)))
    });
    links.collect()
}

fn links4(model: &Model) -> BTreeMap<IfaceId, Link4> {
    let links = model.interfaces().filter_map(|(router, i)| {
        let config = relay::relay4(router, i)?;
        Some((i.id, (router.id, config)))
    });
    links.collect()
}

/// What goes or has changed so that another may have its place, and what has changed or is new.
fn differing<'a, T: PartialEq>(
    old: &BTreeMap<IfaceId, T>,
    new: &'a BTreeMap<IfaceId, T>,
    clash: impl Fn(&T, &T) -> bool,
) -> (Vec<IfaceId>, Vec<(&'a IfaceId, &'a T)>) {
    let is_new = |(id, link): &(&IfaceId, &T)| old.get(id) != Some(*link);
    let changed: Vec<_> = new.iter().filter(is_new).collect();
    let is_in_the_way = |id: &IfaceId, had: &T| {
        !new.contains_key(id)
            || changed
                .iter()
                .any(|(other, link)| *other != id && clash(had, link))
    };
    let removed = old.iter().filter(|(id, had)| is_in_the_way(id, had));
    let removed: Vec<IfaceId> = removed.map(|(id, _)| *id).collect();
    (removed, changed)
}

fn changes6(
    old: &BTreeMap<IfaceId, Link6>,
    new: &BTreeMap<IfaceId, Link6>,
) -> Vec<relay6::Event<'static>> {
    let same_id = |a: &Link6, b: &Link6| a.0 == b.0 && a.2.interface_id == b.2.interface_id;
    let (removed, changed) = differing(old, new, same_id);
    let removed = removed
        .into_iter()
        .map(|link| relay6::Event::RemoveLink { link });
    let configured = changed
        .into_iter()
        .map(
            |(link, ((vrf, realm), name, config))| relay6::Event::ConfigureLink {
                link: *link,
                vrf: *vrf,
                realm: *realm,
                name: name.clone(),
                config: Box::new(config.clone()),
            },
        );
    removed.chain(configured).collect()
}

fn changes4(
    old: &BTreeMap<IfaceId, Link4>,
    new: &BTreeMap<IfaceId, Link4>,
) -> Vec<relay4::Event<'static>> {
    let same_circuit = |a: &Link4, b: &Link4| {
        (a.0, a.1.giaddr, &a.1.circuit_id) == (b.0, b.1.giaddr, &b.1.circuit_id)
    };
    let (removed, changed) = differing(old, new, same_circuit);
    let removed = removed
        .into_iter()
        .map(|link| relay4::Event::RemoveLink { link });
    let configured =
        changed
            .into_iter()
            .map(|(link, (vrf, config))| relay4::Event::ConfigureLink {
                link: *link,
                vrf: *vrf,
                config: Box::new(config.clone()),
            });
    removed.chain(configured).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A model with two links whose Interface-Ids are these.
    fn links(ids: [&str; 2]) -> BTreeMap<IfaceId, Link6> {
        let mut text = String::from(
            "[[device]]\nname = \"d\"\nkind = \"null\"\n[[router]]\nname = \"main\"\n",
        );
        for (n, id) in ids.iter().enumerate() {
            let vlan = n + 1;
            text += &format!(
                "[[router.interface]]\nname = \"i{n}\"\ndevice = \"d\"\nvlan = {vlan}\naddresses = [\"2001:db8:{n}::1/64\"]\n"
            );
            if !id.is_empty() {
                text += &format!(
                    "[router.interface.dhcp6_relay]\nservers = [\"2001:db8:9::53\"]\ninterface_id = \"{id}\"\n"
                );
            }
        }
        let loaded = crate::config::parse(Path::new("t.toml"), &text);
        links6(&loaded.unwrap_or_else(|faults| panic!("{faults}")).model)
    }

    fn told(old: &BTreeMap<IfaceId, Link6>, new: [&str; 2]) -> Vec<String> {
        let words = changes6(old, &links(new))
            .into_iter()
            .map(|event| match event {
                relay6::Event::ConfigureLink { name, .. } => format!("+{name}"),
                relay6::Event::RemoveLink { link } => format!("-{link}"),
                other => panic!("{other:?}"),
            });
        words.collect()
    }

    #[test]
    fn only_what_changed_is_told_and_what_is_in_the_way_goes_first() {
        assert_eq!(told(&BTreeMap::new(), ["a", "b"]), ["+i0", "+i1"]);
        let old = links(["a", "b"]);
        assert_eq!(told(&old, ["a", "b"]), [""; 0]);
        assert_eq!(told(&old, ["a", "c"]), ["+i1"]);
        assert_eq!(told(&old, ["a", ""]).len(), 1);
        let swapped = told(&old, ["b", "a"]);
        assert_eq!(swapped.len(), 4);
        assert!(
            swapped[0].starts_with('-') && swapped[1].starts_with('-'),
            "{swapped:?}"
        );
    }
}
