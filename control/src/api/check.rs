//! What can be told of a request without knowing the appliance.

use std::net::IpAddr;

use api::{AddRoute, DelRoute, NextHopSpec, RouteBatch, RouteChange, RouteKind};
use ipnet::IpNet;

use super::Error;
use super::params::no_host_bits;

/// Most next hops of a route: the size of an ECMP group.
const NEXT_HOPS_MAX: usize = 64;
/// Largest weight of a next hop.
const WEIGHT_MAX: u16 = 256;

/// Checks a route to add.
pub(super) fn add(route: &AddRoute) -> Result<(), Error> {
    prefix(route.prefix)?;
    match route.kind {
        RouteKind::Forward if route.next_hops.is_empty() => {
            return Err(Error::invalid(
                "next_hops",
                "a route of kind `forward` needs at least one",
            ));
        }
        RouteKind::Forward => {}
        RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit => {
            if !route.next_hops.is_empty() {
                let message = format!("a route of kind `{}` has none", route.kind);
                return Err(Error::invalid("next_hops", message));
            }
        }
        RouteKind::Local | RouteKind::Connected | RouteKind::Router | RouteKind::Unknown => {
            let message = "a route is added as forward, blackhole, unreachable or prohibit";
            return Err(Error::invalid("kind", message));
        }
    }
    if route.next_hops.len() > NEXT_HOPS_MAX {
        let message = format!(
            "{} next hops; at most {NEXT_HOPS_MAX}",
            route.next_hops.len()
        );
        return Err(Error::invalid("next_hops", message));
    }
    for (index, hop) in route.next_hops.iter().enumerate() {
        next_hop(hop, route.prefix).map_err(|e| e.within(&format!("next_hops[{index}]")))?;
        if route.next_hops[..index]
            .iter()
            .any(|h| (h.via, &h.interface) == (hop.via, &hop.interface))
        {
            let message = "the same as an earlier one; a weight would say it";
            return Err(Error::invalid(format!("next_hops[{index}]"), message));
        }
    }
    Ok(())
}

/// Checks a route to delete.
pub(super) fn delete(route: &DelRoute) -> Result<(), Error> {
    prefix(route.prefix)
}

/// Checks every change of a batch.
pub(super) fn batch(batch: &RouteBatch) -> Result<(), Error> {
    for (index, change) in batch.changes.iter().enumerate() {
        match change {
            RouteChange::Add(route) => {
                add(route).map_err(|e| e.within(&format!("changes[{index}].add")))?;
            }
            RouteChange::Delete(route) => {
                delete(route).map_err(|e| e.within(&format!("changes[{index}].delete")))?;
            }
        }
    }
    Ok(())
}

fn prefix(prefix: IpNet) -> Result<(), Error> {
    no_host_bits(prefix).map_err(|message| Error::invalid("prefix", message))?;
    // These never meet the routing table: link-local destinations and groups are the interface's own matter.
    let network = prefix.network();
    if network.is_multicast() {
        return Err(Error::invalid("prefix", format!("{prefix} is multicast")));
    }
    if prefix.prefix_len() >= 10 && is_link_local(network) {
        return Err(Error::invalid(
            "prefix",
            format!("{prefix} is link-local: it is never routed"),
        ));
    }
    Ok(())
}

fn next_hop(hop: &NextHopSpec, prefix: IpNet) -> Result<(), Error> {
    if !(1..=WEIGHT_MAX).contains(&hop.weight) {
        let message = format!("{} is not from 1 to {WEIGHT_MAX}", hop.weight);
        return Err(Error::invalid("weight", message));
    }
    if hop.interface.as_deref() == Some("") {
        return Err(Error::invalid("interface", "empty"));
    }
    let Some(via) = hop.via else {
        return match hop.interface {
            Some(_) => Ok(()),
            None => Err(Error::invalid(
                "via",
                "a next hop needs `via`, `interface` or both",
            )),
        };
    };
    if via.is_ipv6() != matches!(prefix, IpNet::V6(_)) {
        return Err(Error::invalid(
            "via",
            format!("{via} is not of the family of {prefix}"),
        ));
    }
    if via.is_unspecified() || via.is_multicast() || via.is_loopback() {
        return Err(Error::invalid("via", format!("{via} is no gateway")));
    }
    if matches!(via, IpAddr::V6(_)) && is_link_local(via) && hop.interface.is_none() {
        let message = format!("{via} is link-local: it needs `interface` too");
        return Err(Error::invalid("via", message));
    }
    Ok(())
}

/// Link-local unicast of IPv6 (RFC 4291, section 2.5.6); IPv4's (RFC 3927) is an ordinary prefix to a router that
/// is told to use it.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V6(address) => address.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    }
}
