//! Routes into another router's table (`router` of `[[router.route]]`), and whether any leads back.
//!
//! Two routers that know of each other is what such routes are for, so only the way of each prefix is followed: in every router
//! on it by the longest route of the file, or connected prefix, that covers all of it. What comes back by routes to the very
//! same prefix can never arrive and is refused; what comes back by a wider route may have longer ones to stop it while the router
//! runs, and is warned of. Packets that go in circles all the same are dropped as `router_loop`.

use dataplane::stages::route::MAX_ROUTERS;
use ipnet::IpNet;
use tables::id::VrfId;

use super::document::Seen;
use super::interface::hint;
use super::reader::{Place, Table, Value};
use crate::model::{RouteTarget, Router};

/// A route into another router's table.
pub(super) struct Leak {
    pub(super) from: VrfId,
    pub(super) prefix: IpNet,
    /// The place of its `router`.
    pub(super) at: Place,
}

/// The router that a route of `own` leads to.
pub(super) fn router(value: &Value<'_>, own: VrfId, seen: &Seen) -> Option<VrfId> {
    let name = value.string()?;
    match seen.router_ids.get(name).copied() {
        Some(id) if id == own => {
            value.fault(format_args!("\"{name}\" is this router itself"));
            None
        }
        None => {
            let hint = hint(name, seen.router_ids.keys().map(String::as_str));
            value.fault(format_args!("there is no router \"{name}\"{hint}"));
            None
        }
        found => found,
    }
}

/// What a prefix meets in a router.
enum Met {
    /// Something that ends its way, or nothing.
    End,
    /// A route on to another router.
    On(IpNet, VrfId),
}

/// Faults routes that lead back to themselves, or through too many routers.
pub(super) fn check(root: &Table<'_>, routers: &[Router], leaks: &[Leak]) {
    for leak in leaks {
        if let Some(way) = Way::of(leak, routers) {
            way.tell(root, leak);
        }
    }
}

/// The way of a route that does not end.
struct Way<'a> {
    /// The routers on it, from the first one on.
    routers: Vec<&'a str>,
    /// Whether it comes back.
    returns: bool,
    /// Whether each route on it has the same prefix.
    is_same: bool,
}

impl<'a> Way<'a> {
    fn of(leak: &Leak, routers: &'a [Router]) -> Option<Self> {
        let (mut at, mut is_same) = (leak.from, true);
        let mut names = Vec::new();
        for _ in 0..=MAX_ROUTERS {
            let router = routers.iter().find(|router| router.id == at)?;
            let is_back = at == leak.from && !names.is_empty();
            names.push(router.name.as_str());
            let Met::On(prefix, to) = meets(router, &leak.prefix) else {
                return None;
            };
            is_same &= prefix == leak.prefix;
            if is_back {
                return Some(Self {
                    routers: names,
                    returns: true,
                    is_same,
                });
            }
            at = to;
        }
        Some(Self {
            routers: names,
            returns: false,
            is_same,
        })
    }

    fn tell(&self, root: &Table<'_>, leak: &Leak) {
        let (way, prefix) = (self.routers.join(", "), leak.prefix);
        if !self.returns {
            let why = format!("{prefix} goes through more than {MAX_ROUTERS} other routers: {way}");
            root.cx.fault(&leak.at, why);
        } else if self.is_same {
            let why = format!("{prefix} goes in a circle: {way}");
            root.cx.fault(&leak.at, why);
        } else {
            let why = format!(
                "what of {prefix} has no longer route goes in a circle: {way}; a route of kind \"unreachable\" ends it"
            );
            root.cx.warn(&leak.at, why);
        }
    }
}

/// What all of a prefix meets in a router, as far as the file tells: the route of this very length or the next shorter one.
fn meets(router: &Router, prefix: &IpNet) -> Met {
    let connected = router.interfaces.iter().flat_map(|i| &i.addresses);
    let connected = connected.map(|net| (net.trunc(), 0, None));
    let routes = router.routes.iter().map(|route| {
        let to = match route.target {
            RouteTarget::Router(to) => Some(to),
            _ => None,
        };
        (route.prefix, route.distance, to)
    });
    let covering = connected
        .chain(routes)
        .filter(|(net, ..)| net.contains(prefix));
    let best = covering.min_by_key(|(net, distance, _)| (u8::MAX - net.prefix_len(), *distance));
    match best {
        Some((net, _, Some(to))) => Met::On(net, to),
        _ => Met::End,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::Model;

    /// Routers a, b, c, ... each with these keys of one route; `subnet` is connected to the last.
    fn text(routes: &[(&str, &str)], subnet: &str) -> String {
        let mut text = "[[device]]\nname = \"d\"\nkind = \"null\"\n".to_owned();
        for (n, (prefix, to)) in routes.iter().enumerate() {
            let name = char::from(b'a' + n as u8);
            text += &format!("[[router]]\nname = \"{name}\"\n");
            if n + 1 == routes.len() && !subnet.is_empty() {
                text += &format!(
                    "[[router.interface]]\nname = \"i\"\ndevice = \"d\"\naddresses = [\"{subnet}\"]\n"
                );
            }
            if !prefix.is_empty() {
                text += &format!("[[router.route]]\nprefix = \"{prefix}\"\n{to}\n");
            }
        }
        text
    }

    fn load(text: &str) -> Result<(Model, Vec<String>), Vec<String>> {
        let words = |faults: Vec<crate::config::Fault>| -> Vec<String> {
            let word = |f: &crate::config::Fault| format!("{}: {}", f.path, f.message);
            faults.iter().map(word).collect()
        };
        match crate::config::parse(Path::new("t.toml"), text) {
            Ok(loaded) => Ok((loaded.model, words(loaded.warnings))),
            Err(faults) => Err(words(faults.0)),
        }
    }

    fn refused(routes: &[(&str, &str)]) -> Vec<String> {
        load(&text(routes, "")).unwrap_err()
    }

    #[test]
    fn a_route_leads_to_a_router_of_either_place() {
        let routes = [
            ("2001:db8:5::/48", "router = \"b\""),
            ("10.0.0.0/8", "router = \"a\""),
        ];
        let (model, _) = load(&text(&routes, "")).unwrap();
        let target = |n: usize| model.routers[n].routes[0].target.clone();
        assert_eq!(target(0), RouteTarget::Router(VrfId(1)));
        assert_eq!(target(1), RouteTarget::Router(VrfId(0)));
    }

    #[test]
    fn what_leads_nowhere_or_two_ways_is_refused() {
        let said = |route| refused(&[("2001:db8:5::/48", route), ("", "")]);
        let at = "router[0].route[0].router";
        assert_eq!(
            said("router = \"a\""),
            [format!("{at}: \"a\" is this router itself")]
        );
        assert!(
            said("router = \"bb\"")[0].starts_with(&format!("{at}: there is no router \"bb\""))
        );
        let two = said("router = \"b\"\nkind = \"blackhole\"");
        assert!(two[0].contains("must lead one way"), "{two:?}");
    }

    #[test]
    fn a_circle_of_one_prefix_is_refused() {
        let prefix = "2001:db8:5::/48";
        let two = [(prefix, "router = \"b\""), (prefix, "router = \"a\"")];
        assert_eq!(
            refused(&two),
            [
                "router[0].route[0].router: 2001:db8:5::/48 goes in a circle: a, b, a",
                "router[1].route[0].router: 2001:db8:5::/48 goes in a circle: b, a, b",
            ]
        );
        let three = [
            (prefix, "router = \"b\""),
            (prefix, "router = \"c\""),
            (prefix, "router = \"a\""),
        ];
        assert_eq!(refused(&three).len(), 3);
    }

    #[test]
    fn a_default_route_and_the_way_back_are_no_fault() {
        let routes = [
            ("2001:db8:1::/48", "router = \"b\""),
            ("::/0", "router = \"a\""),
        ];
        // Of the tenant's prefix more is asked for than the tenant has: that part goes back and forth.
        let (_, warned) = load(&text(&routes, "2001:db8:1:7::1/64")).unwrap();
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(
            warned[0].contains("2001:db8:1::/48 has no longer route goes in a circle: a, b, a"),
            "{warned:?}"
        );
        let exact = [("2001:db8:1:7::/64", routes[0].1), routes[1]];
        let (_, warned) = load(&text(&exact, "2001:db8:1:7::1/64")).unwrap();
        assert_eq!(warned, [""; 0]);
    }

    #[test]
    fn a_way_is_only_so_long() {
        let prefix = "10.0.0.0/8";
        let names = ["b", "c", "d", "e", "f"].map(|name| format!("router = \"{name}\""));
        let mut routes: Vec<(&str, &str)> = names.iter().map(|to| (prefix, to.as_str())).collect();
        routes.push(("", ""));
        let said = refused(&routes);
        assert_eq!(
            said,
            [
                "router[0].route[0].router: 10.0.0.0/8 goes through more than 4 other routers: a, b, c, d, e"
            ]
        );
        routes.truncate(4);
        routes.push(("", ""));
        assert!(load(&text(&routes, "")).is_ok());
    }
}
