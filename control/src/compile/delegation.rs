//! Delegated prefixes to the model: what the router is, given what is configured and what its uplinks hold.
//!
//! ```text
//!   intent ──┬──► plan ──► protocols::delegation ──► outcome ─┐
//!            └────────────────────── effective ◄──────────────┘
//!                                        └──► the model that the engine applies by difference
//! ```

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipnet::{IpNet, Ipv6Net};
use lease::Wall;

use crate::model::{Delegated, Indexed, Model, Router, Subnet};
use protocols::delegation::{Assignment, Outcome, Plan};
use protocols::ra::config::Lifetime;

/// What the model gets beside what is configured, by names.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    /// What was decided for each router.
    pub outcomes: BTreeMap<String, Outcome>,
    /// Addresses that uplinks have been given by DHCPv6.
    pub addresses: BTreeMap<String, Vec<Ipv6Addr>>,
}

impl Learned {
    /// Whether the model is what is configured, and nothing else.
    fn is_empty(&self) -> bool {
        let mut outcomes = self.outcomes.values();
        outcomes.all(|outcome| outcome.assignments.is_empty())
            && self.addresses.values().all(Vec::is_empty)
    }
}

/// What a router's machine is to know of its configuration: its uplinks, and the plan.
pub fn plan(router: &Router, learned: &Learned) -> (Vec<Box<str>>, Plan) {
    let wishes = router.interfaces.iter().flat_map(|interface| {
        let wishes = interface.delegated.iter();
        wishes.map(|delegated| delegated.wish(&interface.name))
    });
    let plan = Plan {
        wishes: wishes.collect(),
        taken: taken(router, learned),
    };
    // One that nobody wants a subnet of is delegated prefixes all the same: they are unreachable, and do not loop.
    let clients = router
        .interfaces
        .iter()
        .filter(|i| i.dhcp6_client.is_some());
    let clients = clients.map(|i| Box::<str>::from(i.name.as_str()));
    let wanted = plan.wishes.iter().map(|wish| wish.uplink.clone());
    let mut uplinks: Vec<Box<str>> = clients.chain(wanted).collect();
    uplinks.sort();
    uplinks.dedup();
    (uplinks, plan)
}

/// Prefixes that the configuration, or an uplink's own address, has given away.
fn taken(router: &Router, learned: &Learned) -> Vec<Ipv6Net> {
    let mut taken = Vec::new();
    for interface in &router.interfaces {
        taken.extend(interface.addresses.iter().filter_map(v6));
        let given = learned.addresses.get(&interface.name);
        taken.extend(
            given
                .into_iter()
                .flatten()
                .map(|address| Ipv6Net::from(*address)),
        );
        let pools = interface.dhcp6.iter().flat_map(|dhcp6| &dhcp6.prefix_pools);
        taken.extend(pools.map(|pool| pool.prefix));
    }
    for link in &router.remote_links {
        taken.extend(link.subnets.iter().map(|subnet| subnet.prefix));
        let pools = link.dhcp6.iter().flat_map(|dhcp6| &dhcp6.prefix_pools);
        taken.extend(pools.map(|pool| pool.prefix));
    }
    taken
}

fn v6(net: &IpNet) -> Option<Ipv6Net> {
    match net {
        IpNet::V6(net) => Some(net.trunc()),
        IpNet::V4(_) => None,
    }
}

/// What is configured, with the addresses and subnets that are delegated.
///
/// What the configuration has given away since they were assigned is left out: the machine decides anew in a moment.
pub fn effective(intent: &Arc<Indexed>, learned: &Learned) -> Arc<Indexed> {
    if learned.is_empty() {
        return Arc::clone(intent);
    }
    let mut model = Model::clone(intent.as_ref());
    for router in &mut model.routers {
        let taken = taken(router, learned);
        for interface in &mut router.interfaces {
            let given = learned.addresses.get(&interface.name);
            for address in given.into_iter().flatten() {
                let net = IpNet::V6(Ipv6Net::from(*address));
                if !interface
                    .addresses
                    .iter()
                    .any(|own| own.addr() == net.addr())
                {
                    interface.addresses.push(net);
                }
            }
        }
        let outcome = learned.outcomes.get(&router.name);
        for assigned in outcome.iter().flat_map(|outcome| &outcome.assignments) {
            let clash =
                |net: &Ipv6Net| net.contains(&assigned.prefix) || assigned.prefix.contains(net);
            let mut interfaces = router.interfaces.iter_mut();
            let interface = interfaces.find(|i| *i.name == *assigned.interface);
            let Some(interface) = interface.filter(|_| !taken.iter().any(clash)) else {
                continue;
            };
            let mut wishes = interface.delegated.iter();
            let wish = wishes.find(|wish| *wish.uplink == *assigned.uplink);
            let length = assigned.prefix.prefix_len();
            let Some(wish) = wish.filter(|w| w.subnet.prefix.prefix_len() == length) else {
                continue;
            };
            let subnet = subnet(wish, assigned);
            if let Ok(net) = Ipv6Net::new(assigned.address, length) {
                interface.addresses.push(IpNet::V6(net));
            }
            subnet.advertise_in(&mut interface.ra);
            interface.subnets.push(subnet);
        }
    }
    Arc::new(model.into())
}

/// The subnet of an assignment: hosts are told of a deprecated one that it is (RFC 9096 section 3.5), and of no
/// lifetime beyond the delegation's.
fn subnet(wish: &Delegated, assigned: &Assignment) -> Subnet {
    let capped = |at_most: Duration, until: Wall| match date(until) {
        Some(until) => Lifetime::Capped { at_most, until },
        None => Lifetime::Fixed(at_most),
    };
    let mut subnet = wish.subnet.clone();
    subnet.prefix = assigned.prefix;
    subnet.times.valid = Some(capped(wish.valid, assigned.valid_until));
    // Its date is past when it is deprecated.
    subnet.times.preferred = Some(capped(wish.preferred, assigned.preferred_until));
    subnet
}

/// `None` for never.
fn date(wall: Wall) -> Option<SystemTime> {
    wall.as_secs()
        .map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::diff;
    use protocols::delegation::{Action, Event, Machine, UplinkPrefix};

    const TEXT: &str = r#"
[[device]]
name = "d"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "wan"
device = "d"
[router.interface.dhcp6_client]
[[router.interface]]
name = "lan"
device = "d"
vlan = 1
addresses = ["2001:db8:0:1::1/64", "fd00:1::1/64"]
[[router.interface.delegated]]
uplink = "wan"
ra_mode = "dhcpv6-stateless"
address_mode = "dhcpv6-stateless"
dns_servers = ["2001:db8::53"]
[[router.interface]]
name = "other"
device = "d"
vlan = 2
[[router.interface.delegated]]
uplink = "wan"
"#;

    fn model(text: &str) -> Arc<Indexed> {
        let loaded = crate::config::parse(Path::new("t.toml"), text);
        let loaded = loaded.unwrap_or_else(|faults| panic!("{faults}"));
        Arc::new(loaded.model.into())
    }

    fn net(text: &str) -> Ipv6Net {
        text.parse().unwrap()
    }

    /// What is learned when the uplink holds this.
    fn learned(intent: &Model, prefixes: &[(&str, u64, u64)]) -> Learned {
        let mut machine = Machine::default();
        let mut out = Vec::new();
        let (uplinks, plan) = plan(&intent.routers[0], &Learned::default());
        let now = Wall::from_secs(1000);
        machine.on_event(now, Event::Plan { uplinks, plan }, &mut out);
        let held = prefixes
            .iter()
            .map(|(prefix, preferred, valid)| UplinkPrefix {
                prefix: net(prefix),
                exclude: None,
                preferred_until: Wall::from_secs(1000 + preferred),
                valid_until: Wall::from_secs(1000 + valid),
            });
        let (uplink, prefixes) = ("wan".into(), held.collect());
        machine.on_event(now, Event::Held { uplink, prefixes }, &mut out);
        let applied = out.into_iter().rev().find_map(|action| match action {
            Action::Apply(outcome) => Some(outcome),
            _ => None,
        });
        Learned {
            outcomes: [("main".to_owned(), applied.unwrap())].into(),
            addresses: BTreeMap::new(),
        }
    }

    #[test]
    fn an_interface_has_its_subnet_as_if_it_were_configured() {
        let intent = model(TEXT);
        assert_eq!(effective(&intent, &Learned::default()), intent);
        let learned = learned(&intent, &[("2001:db8::/56", 3600, 7200)]);
        let model = effective(&intent, &learned);
        let [_, lan, other] = &model.routers[0].interfaces[..] else {
            panic!("three interfaces");
        };
        // The one that is configured is not given twice.
        assert_eq!(lan.addresses[2].to_string(), "2001:db8::1/64");
        assert_eq!(other.addresses[0].to_string(), "2001:db8:0:2::1/64");
        assert!(lan.ra.send_advertisements && lan.ra.other_config && lan.serves_dhcp6());
        assert_eq!(lan.ra.prefixes.len(), 1);
        assert_eq!(lan.ra.rdnss.len(), 1);
        assert_eq!(lan.ra.validate(), []);
        assert!(!other.ra.send_advertisements && !other.serves_dhcp6());
        let prefix = &lan.ra.prefixes[0];
        let capped = |at_most, until: u64| Lifetime::Capped {
            at_most: Duration::from_secs(at_most),
            until: UNIX_EPOCH + Duration::from_secs(1000 + until),
        };
        assert_eq!(prefix.preferred_lifetime, capped(2700, 3600));
        assert_eq!(prefix.valid_lifetime, capped(5400, 7200));
        let changes = diff(&intent, &model);
        assert!(changes.needs_restart.is_empty() && changes.interfaces.is_empty());
        assert_eq!(changes.changed.len(), 2);
    }

    #[test]
    fn an_endless_delegation_is_told_for_the_longest_time_there_is() {
        let intent = model(TEXT);
        let mut learned = learned(&intent, &[("2001:db8::/56", 3600, 7200)]);
        for a in &mut learned.outcomes.get_mut("main").unwrap().assignments {
            (a.preferred_until, a.valid_until) = (Wall::NEVER, Wall::NEVER);
        }
        let model = effective(&intent, &learned);
        let prefix = &model.routers[0].interfaces[1].ra.prefixes[0];
        let fixed = |seconds| Lifetime::Fixed(Duration::from_secs(seconds));
        assert_eq!(prefix.preferred_lifetime, fixed(2700));
        assert_eq!(prefix.valid_lifetime, fixed(5400));
    }

    #[test]
    fn what_is_deprecated_comes_after_what_is_not() {
        let intent = model(TEXT);
        let held = [
            ("2001:db8:a::/56", 3600, 7200),
            ("2001:db8:b::/56", 3600, 7200),
        ];
        let mut learned = learned(&intent, &held);
        let outcome = learned.outcomes.get_mut("main").unwrap();
        let old = |a: &Assignment| a.delegated == net("2001:db8:a::/56");
        for a in outcome.assignments.iter_mut().filter(|a| old(a)) {
            (a.preferred_until, a.deprecated) = (Wall::from_secs(1000), true);
        }
        outcome.assignments.sort_by_key(|a| a.deprecated);
        let model = effective(&intent, &learned);
        let other = &model.routers[0].interfaces[2];
        let addresses: Vec<String> = other.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["2001:db8:b:1::1/64", "2001:db8:a:1::1/64"]);
    }

    #[test]
    fn what_the_configuration_takes_back_is_left_out() {
        let intent = model(TEXT);
        let learned = learned(&intent, &[("2001:db8::/56", 3600, 7200)]);
        let taken = model(&TEXT.replace("fd00:1::1/64", "2001:db8:0:2::1/63"));
        let effective = effective(&taken, &learned);
        assert_eq!(effective.routers[0].interfaces[2].addresses, []);
        let renamed = model(&TEXT.replace("name = \"other\"", "name = \"else\""));
        let effective = self::effective(&renamed, &learned);
        assert_eq!(effective.routers[0].interfaces[2].addresses, []);
        let longer = TEXT.replace(
            "vlan = 2\n[[router.interface.delegated]]\n",
            "vlan = 2\n[[router.interface.delegated]]\nlength = 72\n",
        );
        let effective = self::effective(&model(&longer), &learned);
        assert_eq!(effective.routers[0].interfaces[2].addresses, []);
    }

    #[test]
    fn an_uplink_has_the_address_it_was_given_and_nothing_is_assigned_over_it() {
        let intent = model(TEXT);
        let mut learned = learned(&intent, &[("2001:db8::/56", 3600, 7200)]);
        let address: Ipv6Addr = "2001:db8:0:9::5".parse().unwrap();
        learned.addresses.insert("wan".into(), vec![address]);
        let model = effective(&intent, &learned);
        let wan = &model.routers[0].interfaces[0];
        assert_eq!(wan.addresses[0].to_string(), "2001:db8:0:9::5/128");
        assert_eq!(wan.subnet_router_anycast().count(), 0);
        let (uplinks, plan) = plan(&intent.routers[0], &learned);
        assert_eq!(uplinks, ["wan".into()]);
        assert!(plan.taken.contains(&net("2001:db8:0:9::5/128")));
        assert!(plan.taken.contains(&net("2001:db8:0:1::/64")));
    }
}
