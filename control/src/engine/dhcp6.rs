//! What the engine tells the DHCPv6 server, and the routes to delegated prefixes that it is told of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv6Addr;

use dataplane::forwarding::Forwarding;
use ipnet::Ipv6Net;
use tables::id::VrfId;
use tracing::warn;

use super::Engine;
use crate::bus::relay::Relay6Message;
use crate::bus::{Bus, Dhcp6Message};
use crate::compile::dhcp6::{interface, remote_link};
use crate::compile::routes::{DELEGATED_DISTANCE, Edit, RibRoute, Source};
use crate::model::{Hop, Model, Router};
use crate::rooms::dhcp6::Sources;
use lease::RealmId;
use protocols::dhcp6::config::Config;
use protocols::dhcp6::{Event, LinkId};

/// A link as the server is told of it: its router's number and what leases know it by, its name, what it does there.
type Served = ((VrfId, RealmId), Box<str>, Config);

impl Engine {
    /// Tells the server what a change of the model means to it.
    pub(super) fn change_dhcp6(&self, old: &Model) {
        for event in changes(&served(old), &served(&self.model)) {
            tell(&self.bus, event);
        }
    }

    /// The routers, as leases know them.
    pub fn lease_routers(&self) -> HashMap<RealmId, String> {
        let routers = self.model.routers.iter();
        routers
            .map(|router| (RealmId::of(&router.name), router.name.clone()))
            .collect()
    }

    /// What people call the links that are served.
    pub fn dhcp6_links(&self) -> HashMap<LinkId, String> {
        let own = self.model.interfaces().filter(|(_, i)| i.serves_dhcp6());
        let own = own.map(|(_, i)| (LinkId::Iface(i.id), i.name.clone()));
        let remote = self.model.remote_links();
        own.chain(remote.map(|(_, link)| (LinkId::Remote(link.id.into()), link.name.clone())))
            .collect()
    }

    /// The server is told everything anew.
    pub(super) fn configure_dhcp6(&self) {
        for event in changes(&BTreeMap::new(), &served(&self.model)) {
            tell(&self.bus, event);
        }
        let sources = self.sources.clone();
        self.bus.dhcp6(Dhcp6Message::Sources(Box::new(sources)));
    }

    /// Tells the server which addresses it may speak from, if they have changed.
    pub(super) fn tell_sources(&mut self, snapshot: &Forwarding) {
        let links = snapshot.interfaces();
        let sources = Sources {
            link_local: links
                .filter_map(|i| Some((i.id, *i.link_local.first()?)))
                .collect(),
            global: snapshot
                .interfaces()
                .filter_map(|i| Some((i.vrf, i.icmp_source6?)))
                .collect(),
        };
        if sources != self.sources {
            self.sources = sources.clone();
            let of_relay = Box::new(sources.clone());
            self.bus.relay6(Relay6Message::Sources(of_relay));
            self.bus.dhcp6(Dhcp6Message::Sources(Box::new(sources)));
        }
    }

    /// A prefix is delegated, and reached there.
    pub(super) fn delegated_up(
        &mut self,
        vrf: VrfId,
        prefix: Ipv6Net,
        interface: &str,
        gateway: Ipv6Addr,
    ) {
        let id = self.interface_id(interface);
        let on_link = gateway.is_unicast_link_local();
        if on_link && id.is_none() {
            // Its lease has outlived it; its client will ask again from where it is now.
            warn!(%prefix, interface, "no route to a delegated prefix: its interface is gone");
            return;
        }
        let hop = Hop {
            gateway: Some(gateway.into()),
            interface: id.filter(|_| on_link),
            weight: 1,
        };
        let route = RibRoute::delegated(prefix, hop);
        self.edit_routes(vrf, vec![Edit::Add(route)]);
    }

    /// A prefix is not delegated any more.
    pub(super) fn delegated_down(&mut self, vrf: VrfId, prefix: Ipv6Net) {
        let edit = Edit::Remove(prefix.into(), Source::Delegated, DELEGATED_DISTANCE);
        self.edit_routes(vrf, vec![edit]);
    }
}

fn tell(bus: &Bus, event: Event<'static>) {
    bus.dhcp6(Dhcp6Message::Event(event));
}

/// Its number, and what leases know it by.
fn ids(router: &Router) -> (VrfId, RealmId) {
    (router.id, RealmId::of(&router.name))
}

/// Every link that the server serves.
fn served(model: &Model) -> BTreeMap<LinkId, Served> {
    let own = model.interfaces().filter_map(|(router, i)| {
        let config = interface(router, i)?;
        Some((
            LinkId::Iface(i.id),
            (ids(router), i.name.as_str().into(), config),
        ))
    });
    let remote = model.remote_links().map(|(router, link)| {
        let config = remote_link(router, link);
        // Routes of a link that is not ours lead to its relay agents, not to an interface.
        (
            LinkId::Remote(link.id.into()),
            (ids(router), "".into(), config),
        )
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
    for (id, ((_, realm), _, config)) in &changed {
        let others = old.iter().filter(|(other, _)| other != id);
        for (other, (_, _, had)) in others.filter(|(_, ((_, of), _, _))| of == realm) {
            if changed.iter().any(|(id, _)| *id == other) && overlap(config, had) {
                remove.insert(*other);
            }
        }
    }
    let removed = remove.into_iter().map(|link| Event::RemoveLink { link });
    let configured =
        changed.into_iter().map(
            |(link, ((vrf, realm), name, config))| Event::ConfigureLink {
                link: *link,
                vrf: *vrf,
                realm: *realm,
                name: name.clone(),
                config: Box::new(config.clone()),
            },
        );
    removed.chain(configured).collect()
}

/// Whether both lease out a part of the same prefix.
fn overlap(a: &Config, b: &Config) -> bool {
    let prefixes = |config: &Config| -> Vec<Ipv6Net> {
        let subnets = config.subnets.iter().map(|subnet| subnet.prefix);
        let pools = config.prefix_pools.iter().map(|pool| pool.prefix);
        subnets.chain(pools).collect()
    };
    let theirs = prefixes(b);
    prefixes(a)
        .iter()
        .any(|p| theirs.iter().any(|q| p.contains(q) || q.contains(p)))
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
addresses = ["2001:db8:1::1/64"]
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
address_mode = "dhcpv6-stateful"
[[router.interface]]
name = "b"
device = "lan"
vlan = 2
addresses = ["2001:db8:2::1/64"]
[[router.interface.subnet]]
prefix = "2001:db8:2::/64"
address_mode = "dhcpv6-stateful"
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
                Event::ConfigureLink { name, .. } => format!("+{name}"),
                Event::RemoveLink { link } => format!("-{link:?}"),
                other => panic!("{other:?}"),
            });
        words.collect()
    }

    #[test]
    fn only_what_changed_is_told() {
        assert_eq!(told("", TEXT), ["+a", "+b"]);
        assert_eq!(told(TEXT, TEXT), [""; 0]);
        let pool = TEXT.replacen("dhcpv6-stateful\"", "dhcpv6-stateful\"\nt1 = 60", 1);
        assert_eq!(told(TEXT, &pool), ["+a"]);
        let off = TEXT.replacen("address_mode = \"dhcpv6-stateful\"", "", 1);
        assert_eq!(
            told(TEXT, &off),
            [format!("-{:?}", LinkId::Iface(IfaceId(1)))]
        );
    }

    #[test]
    fn the_same_prefix_in_another_router_is_no_move() {
        let other = "[[router]]\nname = \"other\"\n[[router.interface]]\nname = \"o\"\ndevice = \"lan\"\nvlan = 9\n\
            addresses = [\"2001:db8:1::1/64\"]\n[[router.interface.subnet]]\nprefix = \"2001:db8:1::/64\"\n\
            address_mode = \"dhcpv6-stateful\"\n";
        let both = format!("{TEXT}{other}");
        assert_eq!(told(TEXT, &both), ["+o"]);
        // Both change, and neither is in the other's way.
        let shorter = both.replace("stateful\"", "stateful\"\nt1 = 60");
        assert_eq!(told(&both, &shorter), ["+a", "+b", "+o"]);
        let moved = links(&both);
        let served = moved.values().filter(|(_, name, _)| **name == *"o");
        let ids: Vec<_> = served.map(|((_, realm), ..)| *realm).collect();
        assert_eq!(ids, [RealmId::of("other")]);
    }

    #[test]
    fn a_prefix_that_moves_is_given_up_first() {
        let swapped = TEXT
            .replace("db8:1:", "db8:x:")
            .replace("db8:2:", "db8:1:")
            .replace("db8:x:", "db8:2:");
        let id = |n| LinkId::Iface(IfaceId(n));
        let all = [
            format!("-{:?}", id(1)),
            format!("-{:?}", id(2)),
            "+a".into(),
            "+b".into(),
        ];
        assert_eq!(told(TEXT, &swapped), all);
    }
}
