//! The `[[router.route]]` tables.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;
use tables::id::VrfId;

use super::document::Seen;
use super::interface::{hint, on_link};
use super::leak::{self, Leak};
use super::net;
use super::reader::{Place, Table, Value};
use super::schema::NEXT_HOP;
use crate::model::{Hop, Interface, Route, RouteTarget};

/// Most next hops of one route.
const MAX_HOPS: usize = 64;

/// Reads the routes of a router that has `interfaces`.
pub(super) fn read(
    tables: &[Table<'_>],
    router: VrfId,
    interfaces: &[Interface],
    seen: &mut Seen,
) -> Vec<Route> {
    let mut leaks = Vec::new();
    let reader = Reader {
        router,
        by_name: interfaces
            .iter()
            .map(|interface| (interface.name.as_str(), interface))
            .collect(),
        own: interfaces
            .iter()
            .flat_map(|i| i.addresses.iter().map(IpNet::addr))
            .collect(),
        seen,
    };
    let mut first: HashMap<(IpNet, u8), &Place> = HashMap::new();
    let mut routes = Vec::with_capacity(tables.len());
    let mut recursive = Vec::new();
    for table in tables {
        let Some(route) = reader.route(table) else {
            continue;
        };
        match first.get(&(route.prefix, route.distance)) {
            Some(other) => table.fault(
                "prefix",
                format_args!(
                    "{} leads to {} already; give several `next_hops`, or another `distance`",
                    other.path, route.prefix
                ),
            ),
            None => {
                first.insert((route.prefix, route.distance), &table.at);
            }
        }
        if let RouteTarget::Router(_) = route.target {
            leaks.push(Leak {
                from: router,
                prefix: route.prefix,
                at: table.place("router"),
            });
        }
        let gateways = route
            .target
            .hops()
            .iter()
            .filter(|hop| hop.interface.is_none());
        recursive.extend(
            gateways
                .filter_map(|hop| hop.gateway)
                .map(|gateway| (gateway, table)),
        );
        routes.push(route);
    }
    warn_unreachable(&recursive, interfaces, &routes);
    seen.leaks.append(&mut leaks);
    routes
}

struct Reader<'a> {
    router: VrfId,
    by_name: HashMap<&'a str, &'a Interface>,
    own: HashSet<IpAddr>,
    seen: &'a Seen,
}

impl Reader<'_> {
    fn route(&self, table: &Table<'_>) -> Option<Route> {
        let prefix = table.require("prefix").and_then(|value| {
            let prefix = net::prefix(&value)?;
            let bad = match prefix {
                IpNet::V6(net) => net.addr().is_multicast() || net.addr().is_unicast_link_local(),
                IpNet::V4(net) => net.addr().is_multicast(),
            };
            if bad {
                value.fault(format_args!(
                    "\"{prefix}\" must be a unicast prefix, and not a link-local one"
                ));
                return None;
            }
            Some(prefix)
        });
        let distance = table.integer("distance", 1..=254).unwrap_or(1);
        let kinds = [
            ("blackhole", RouteKind::Blackhole),
            ("unreachable", RouteKind::Unreachable),
            ("prohibit", RouteKind::Prohibit),
        ];
        let kind = table.choice("kind", &kinds);
        let single = self.hop(table, prefix);
        let hops = self.next_hops(table, prefix);
        let router = table.get("router");
        let router = router.and_then(|value| leak::router(&value, self.router, self.seen));
        let given = |key| table.get(key).is_some();
        let ways = [
            given("via") || given("interface"),
            given("next_hops"),
            given("kind"),
            given("router"),
        ];
        if ways.iter().filter(|way| **way).count() != 1 {
            table.cx.fault(
                &table.at,
                "must lead one way: `via` and/or `interface`, or `next_hops`, or `kind`, or `router`",
            );
            return None;
        }
        let target = if given("kind") {
            match kind? {
                RouteKind::Blackhole => RouteTarget::Blackhole,
                RouteKind::Unreachable => RouteTarget::Unreachable,
                RouteKind::Prohibit => RouteTarget::Prohibit,
            }
        } else if given("router") {
            RouteTarget::Router(router?)
        } else if given("next_hops") {
            RouteTarget::Via(hops?)
        } else {
            RouteTarget::Via(vec![single?])
        };
        Some(Route {
            prefix: prefix?,
            distance,
            target,
        })
    }

    fn next_hops(&self, table: &Table<'_>, prefix: Option<IpNet>) -> Option<Vec<Hop>> {
        let value = table.get("next_hops")?;
        let mut hops: Vec<Hop> = Vec::new();
        for entry in table.tables("next_hops", &NEXT_HOP) {
            let weight = entry.integer("weight", 1..=256).unwrap_or(1);
            if entry.get("via").is_none() && entry.get("interface").is_none() {
                entry
                    .cx
                    .fault(&entry.at, "needs `via`, `interface`, or both");
            }
            let Some(hop) = self.hop(&entry, prefix) else {
                continue;
            };
            let same =
                |other: &Hop| (other.gateway, other.interface) == (hop.gateway, hop.interface);
            if hops.iter().any(same) {
                entry.cx.fault(
                    &entry.at,
                    "is the same as an earlier next hop; give it more `weight`",
                );
            }
            hops.push(Hop { weight, ..hop });
        }
        if value
            .items()
            .is_some_and(|items| items.is_empty() || items.len() > MAX_HOPS)
        {
            value.fault(format_args!("must hold 1 to {MAX_HOPS} next hops"));
        }
        (!hops.is_empty()).then_some(hops)
    }

    /// The next hop that `via` and `interface` of a table make.
    fn hop(&self, table: &Table<'_>, prefix: Option<IpNet>) -> Option<Hop> {
        let via = table.get("via");
        let link = table.get("interface");
        let interface = link.as_ref().map(|value| self.interface(value));
        let gateway = via.as_ref().map(|value| self.gateway(value, prefix));
        // Given and wrong is not the same as not given.
        let (interface, gateway) = match (interface, gateway) {
            (Some(None), _) | (_, Some(None)) | (None, None) => return None,
            (interface, gateway) => (interface.flatten(), gateway.flatten()),
        };
        match (gateway, interface) {
            (Some(IpAddr::V6(address)), None) if address.is_unicast_link_local() => {
                table.fault(
                    "via",
                    format_args!("{address} is link-local: say on which `interface`"),
                );
                return None;
            }
            (Some(address), Some(interface)) if !on_link(&interface.addresses, address) => {
                let name = &interface.name;
                let why = format!(
                    "{address} is on no subnet of \"{name}\": it must answer there all the same"
                );
                table.warn("via", why);
            }
            _ => {}
        }
        Some(Hop {
            gateway,
            interface: interface.map(|interface| interface.id),
            weight: 1,
        })
    }

    fn interface(&self, value: &Value<'_>) -> Option<&Interface> {
        let name = value.string()?;
        let found = self.by_name.get(name).copied();
        if found.is_none() && self.seen.interfaces.contains(name) {
            value.fault(format_args!(
                "\"{name}\" is not an interface of this router"
            ));
        } else if found.is_none() {
            let hint = hint(name, self.by_name.keys().copied());
            value.fault(format_args!(
                "there is no interface \"{name}\" in this router{hint}"
            ));
        }
        found
    }

    fn gateway(&self, value: &Value<'_>, prefix: Option<IpNet>) -> Option<IpAddr> {
        let gateway = net::unicast(value)?;
        if let (Some(IpNet::V6(_)), IpAddr::V4(_)) = (prefix, gateway) {
            value.fault(format_args!(
                "{gateway} cannot be the gateway of an IPv6 prefix"
            ));
            return None;
        }
        if self.own.contains(&gateway) {
            value.fault(format_args!(
                "{gateway} is an address of this router itself"
            ));
            return None;
        }
        Some(gateway)
    }
}

#[derive(Clone, Copy)]
enum RouteKind {
    Blackhole,
    Unreachable,
    Prohibit,
}

/// Warns of gateways that neither a subnet nor another route of the file covers. A route that is added while the
/// router runs may still make them reachable.
fn warn_unreachable(
    recursive: &[(IpAddr, &Table<'_>)],
    interfaces: &[Interface],
    routes: &[Route],
) {
    if recursive.is_empty() {
        return;
    }
    let covering: HashSet<IpNet> = interfaces
        .iter()
        .flat_map(|interface| interface.addresses.iter().map(IpNet::trunc))
        .chain(routes.iter().map(|route| route.prefix))
        .collect();
    let lengths: HashSet<u8> = covering.iter().map(IpNet::prefix_len).collect();
    let mut known: HashMap<IpAddr, bool> = HashMap::new();
    for (gateway, table) in recursive {
        let reachable = *known.entry(*gateway).or_insert_with(|| {
            lengths.iter().any(|len| {
                IpNet::new(*gateway, *len).is_ok_and(|net| covering.contains(&net.trunc()))
            })
        });
        if !reachable {
            let at = gateway_place(table, *gateway);
            table.cx.warn(
                &at,
                format_args!("{gateway} is on no subnet and behind no route of this router; the route waits for one"),
            );
        }
    }
}

/// Where the gateway stands: `via` of the route or of one of its next hops.
fn gateway_place(table: &Table<'_>, gateway: IpAddr) -> Place {
    let is_gateway = |value: &Value<'_>| matches!(value.value, toml::de::DeValue::String(text) if text.parse() == Ok(gateway));
    table
        .raw_tables("next_hops")
        .iter()
        .filter_map(|hop| hop.get("via"))
        .find(is_gateway)
        .map_or_else(|| table.place("via"), |value| value.at)
}
