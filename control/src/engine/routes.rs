//! Routes of the API: checked, stored, then used; all changes of a batch or none.

use std::collections::HashMap;
use std::net::IpAddr;

use api::{AddRoute, DelRoute, NextHopSpec, RouteBatch, RouteChange, RouteChanges, RouteKind};
use ipnet::IpNet;
use tables::id::VrfId;
use tracing::warn;

use super::Engine;
use crate::api::Error;
use crate::compile::routes::{Edit, RibRoute, Source};
use crate::model::{Hop, RouteTarget, Router};
use crate::store::RouteWrite;

/// Distance of the API's routes (see [`RibRoute::from_api`]).
const DISTANCE: u8 = 1;

/// A change that has been checked.
struct Checked {
    vrf: VrfId,
    edit: Edit,
    write: RouteWrite,
}

impl Engine {
    /// Makes all changes, in order, or none. The caller's acknowledgement follows the store's.
    ///
    /// # Errors
    /// Names the field at fault; nothing has changed then.
    pub fn change_routes(&mut self, batch: &RouteBatch) -> Result<RouteChanges, Error> {
        let mut checked = Vec::with_capacity(batch.changes.len());
        let mut done = RouteChanges::default();
        // What the batch itself has added or deleted so far decides as much as what was there before.
        let mut present = HashMap::new();
        for (i, change) in batch.changes.iter().enumerate() {
            let at = format!("changes[{i}]");
            let one = match change {
                RouteChange::Add(route) => self.check_add(route).map_err(|e| e.within("add")),
                RouteChange::Delete(route) => {
                    self.check_delete(route).map_err(|e| e.within("delete"))
                }
            };
            let one = one.map_err(|error| error.within(&at))?;
            let prefix = match change {
                RouteChange::Add(route) => route.prefix.trunc(),
                RouteChange::Delete(route) => route.prefix.trunc(),
            };
            let rib = self.ribs.get(&one.vrf);
            let there = present.entry((one.vrf, prefix)).or_insert_with(|| {
                rib.is_some_and(|rib| rib.route(&prefix, Source::Api, DISTANCE).is_some())
            });
            match change {
                RouteChange::Add(_) => {
                    if *there {
                        done.replaced += 1
                    } else {
                        done.added += 1
                    }
                    *there = true;
                }
                RouteChange::Delete(_) if *there => {
                    done.deleted += 1;
                    *there = false;
                }
                RouteChange::Delete(_) => {
                    let missing = Error::not_found(
                        "prefix",
                        format!("the API has made no route to {prefix}"),
                    );
                    return Err(missing.within("delete").within(&at));
                }
            }
            checked.push(one);
        }
        let writes: Vec<RouteWrite> = checked.iter().map(|c| c.write.clone()).collect();
        self.store
            .write_routes(&writes)
            .map_err(|e| Error::Internal(format!("{:#}", anyhow::Error::from(e))))?;
        let mut by_router: Vec<(VrfId, Vec<Edit>)> = Vec::new();
        for Checked { vrf, edit, .. } in checked {
            match by_router.last_mut() {
                Some((last, edits)) if *last == vrf => edits.push(edit),
                _ => by_router.push((vrf, vec![edit])),
            }
        }
        for (vrf, edits) in by_router {
            self.edit_routes(vrf, edits);
        }
        Ok(done)
    }

    /// Adds one route, or replaces the API's own for the prefix.
    ///
    /// # Errors
    /// Names the field at fault.
    pub fn add_route(&mut self, route: AddRoute) -> Result<RouteChanges, Error> {
        self.check_add(&route)?;
        self.change_routes(&RouteBatch {
            changes: vec![RouteChange::Add(route)],
        })
    }

    /// Deletes a route of the API.
    ///
    /// # Errors
    /// Names the field at fault.
    pub fn del_route(&mut self, route: DelRoute) -> Result<RouteChanges, Error> {
        let checked = self.check_delete(&route)?;
        let prefix = route.prefix.trunc();
        let there = self
            .ribs
            .get(&checked.vrf)
            .and_then(|rib| rib.route(&prefix, Source::Api, DISTANCE));
        if there.is_none() {
            return Err(Error::not_found(
                "prefix",
                format!("the API has made no route to {prefix}"),
            ));
        }
        self.change_routes(&RouteBatch {
            changes: vec![RouteChange::Delete(route)],
        })
    }

    /// Brings the API's routes in line with the routers and interfaces there are: stored ones come back, at the start or
    /// when what they name is there again; those whose router or interface is gone stay stored and go out of use.
    pub(super) fn settle_api_routes(&mut self) {
        let stored = match self.store.routes() {
            Ok(stored) => stored,
            Err(error) => {
                warn!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "the API's routes cannot be restored"
                );
                return;
            }
        };
        let mut wanted: HashMap<VrfId, Vec<RibRoute>> = HashMap::new();
        for (router, route) in stored {
            let named = AddRoute {
                router: Some(router),
                ..route
            };
            match self.check_add(&named) {
                Ok(Checked {
                    vrf,
                    edit: Edit::Add(route),
                    ..
                }) => wanted.entry(vrf).or_default().push(route),
                Ok(_) => {}
                Err(error) => {
                    warn!(prefix = %named.prefix, %error, "a stored route has lost its ground and stays out")
                }
            }
        }
        let edits: Vec<(VrfId, Vec<Edit>)> = self
            .ribs
            .iter()
            .map(|(vrf, rib)| {
                let present = rib.iter().map(|(route, _)| route);
                let present = present.filter(|route| route.source == Source::Api);
                (
                    *vrf,
                    settle(present, wanted.remove(vrf).unwrap_or_default()),
                )
            })
            .collect();
        for (vrf, edits) in edits {
            self.edit_routes(vrf, edits);
        }
    }

    /// The router that a request names, or the only one.
    pub(super) fn named_router(&self, name: Option<&str>) -> Result<&Router, Error> {
        match (name, self.model.routers.as_slice()) {
            (Some(name), _) => self
                .model
                .router(name)
                .ok_or_else(|| Error::not_found("router", format!("there is no router `{name}`"))),
            (None, [only]) => Ok(only),
            (None, []) => Err(Error::not_found("router", "there is no router")),
            (None, _) => Err(Error::invalid(
                "router",
                "there are several routers: name one",
            )),
        }
    }

    fn check_add(&self, route: &AddRoute) -> Result<Checked, Error> {
        let router = self.named_router(route.router.as_deref())?;
        let target = match route.kind {
            RouteKind::Blackhole => RouteTarget::Blackhole,
            RouteKind::Unreachable => RouteTarget::Unreachable,
            RouteKind::Prohibit => RouteTarget::Prohibit,
            RouteKind::Forward => {
                let hop = |(i, hop)| {
                    check_hop(router, route, hop).map_err(|e| e.within(&format!("next_hops[{i}]")))
                };
                let hops: Vec<Hop> = route
                    .next_hops
                    .iter()
                    .enumerate()
                    .map(hop)
                    .collect::<Result<_, _>>()?;
                if hops.is_empty() {
                    return Err(Error::invalid(
                        "next_hops",
                        "a route of kind `forward` needs at least one",
                    ));
                }
                RouteTarget::Via(hops)
            }
            other => {
                return Err(Error::invalid(
                    "kind",
                    format!("`{other}` routes are made by the router itself"),
                ));
            }
        };
        let stored = AddRoute {
            router: Some(router.name.clone()),
            ..route.clone()
        };
        Ok(Checked {
            vrf: router.id,
            edit: Edit::Add(RibRoute::from_api(route.prefix, target)),
            write: RouteWrite::Put {
                router: router.name.clone(),
                route: stored,
            },
        })
    }

    fn check_delete(&self, route: &DelRoute) -> Result<Checked, Error> {
        let router = self.named_router(route.router.as_deref())?;
        let prefix = route.prefix.trunc();
        Ok(Checked {
            vrf: router.id,
            edit: Edit::Remove(prefix, Source::Api, DISTANCE),
            write: RouteWrite::Delete {
                router: router.name.clone(),
                prefix,
            },
        })
    }
}

fn check_hop(router: &Router, route: &AddRoute, hop: &NextHopSpec) -> Result<Hop, Error> {
    let interface = match &hop.interface {
        None => None,
        Some(name) => match router.interfaces.iter().find(|i| i.name == *name) {
            Some(interface) => Some(interface.id),
            None => {
                let text = format!("router `{}` has no interface `{name}`", router.name);
                return Err(Error::not_found("interface", text));
            }
        },
    };
    if hop.via.is_none() && interface.is_none() {
        return Err(Error::invalid(
            "via",
            "a next hop needs `via`, `interface` or both",
        ));
    }
    if let Some(via) = hop.via {
        if via.is_ipv4() != matches!(route.prefix, IpNet::V4(_)) {
            return Err(Error::invalid(
                "via",
                format!("{via} is not of the family of {}", route.prefix),
            ));
        }
        if via.is_unspecified() || via.is_multicast() {
            return Err(Error::invalid("via", format!("{via} cannot be a gateway")));
        }
        if let IpAddr::V6(v6) = via
            && v6.is_unicast_link_local()
            && interface.is_none()
        {
            return Err(Error::invalid(
                "interface",
                format!("the link-local gateway {via} needs one"),
            ));
        }
    }
    if !(1..=256).contains(&hop.weight) {
        return Err(Error::invalid(
            "weight",
            format!("{} is not within 1 to 256", hop.weight),
        ));
    }
    Ok(Hop {
        gateway: hop.via,
        interface,
        weight: hop.weight,
    })
}

/// The edits that turn `present` routes of the API into `wanted` ones.
fn settle<'a>(present: impl Iterator<Item = &'a RibRoute>, wanted: Vec<RibRoute>) -> Vec<Edit> {
    let mut missing: HashMap<IpNet, RibRoute> = wanted
        .into_iter()
        .map(|route| (route.prefix, route))
        .collect();
    let mut edits = Vec::new();
    for route in present {
        match missing.get(&route.prefix) {
            Some(same) if same == route => drop(missing.remove(&route.prefix)),
            Some(_) => {}
            None => edits.push(Edit::Remove(route.prefix, route.source, route.distance)),
        }
    }
    edits.extend(missing.into_values().map(Edit::Add));
    edits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::routes::Rib;

    fn route(prefix: &str, target: RouteTarget) -> RibRoute {
        RibRoute::from_api(prefix.parse().unwrap(), target)
    }

    #[test]
    fn settling_changes_only_what_differs() {
        let stays = route("2001:db8:1::/48", RouteTarget::Blackhole);
        let gone = route("2001:db8:2::/48", RouteTarget::Blackhole);
        let other = route("2001:db8:3::/48", RouteTarget::Blackhole);
        let changed = route("2001:db8:3::/48", RouteTarget::Prohibit);
        let new = route("2001:db8:4::/48", RouteTarget::Unreachable);
        let mut rib = Rib::new(VrfId(0));
        let present = [stays.clone(), gone.clone(), other];
        rib.apply(present.iter().cloned().map(Edit::Add));
        let edits = settle(present.iter(), vec![stays, changed.clone(), new.clone()]);
        assert_eq!(edits.len(), 3, "{edits:?}");
        let mut touched: Vec<IpNet> = rib
            .apply(edits)
            .iter()
            .map(|change| change.prefix)
            .collect();
        touched.sort();
        assert_eq!(touched, [gone.prefix, changed.prefix, new.prefix]);
        assert!(rib.route(&gone.prefix, Source::Api, DISTANCE).is_none());
        assert_eq!(
            rib.route(&changed.prefix, Source::Api, DISTANCE),
            Some(&changed)
        );
        assert_eq!(rib.route(&new.prefix, Source::Api, DISTANCE), Some(&new));
    }
}
