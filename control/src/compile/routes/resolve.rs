//! Resolution: from a candidate to interfaces and neighbours.

use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;
use tables::id::IfaceId;

use super::{Resolution, ResolvedHop, Rib, RibRoute, Source, Target};
use crate::model::{Hop, RouteTarget};

/// LIMIT: gateways behind gateways behind gateways, this many.
const MAX_DEPTH: usize = 8;

/// LIMIT: lookups for one gateway. A web of ECMP routes through one another could cost 64 to the eighth.
const MAX_LOOKUPS: usize = 256;

/// The lookups that led from one gateway.
struct Walk {
    /// Gateways on the way, outermost first.
    stack: Vec<IpAddr>,
    /// Each address looked up, with the shortest prefix length that mattered.
    consulted: HashMap<IpAddr, u8>,
    lookups: usize,
}

impl Rib {
    /// Resolves a gateway by itself, and tells what was looked up for it.
    pub(super) fn resolve(&self, gateway: IpAddr) -> (Option<Resolution>, HashMap<IpAddr, u8>) {
        let mut walk = Walk {
            stack: Vec::new(),
            consulted: HashMap::new(),
            lookups: 0,
        };
        let resolution = self.look_up(gateway, &mut walk);
        (resolution, walk.consulted)
    }

    /// The winner of a prefix, with kept gateways.
    pub(super) fn select(&self, prefix: &IpNet) -> Option<((u8, Source, IfaceId), Resolution)> {
        let kept = |gateway: IpAddr| self.gateways.get(&gateway)?.resolution.clone();
        let candidates = &self.entries.get(prefix)?.candidates;
        candidates
            .iter()
            .find_map(|route| Some((route.rank(), self.usable(route, kept)?)))
    }

    /// What a packet to `gateway` on its way as a next hop meets: longest prefix first.
    fn look_up(&self, gateway: IpAddr, walk: &mut Walk) -> Option<Resolution> {
        walk.lookups += 1;
        if walk.stack.len() >= MAX_DEPTH
            || walk.lookups > MAX_LOOKUPS
            || walk.stack.contains(&gateway)
        {
            return None;
        }
        walk.stack.push(gateway);
        let mut floor = 0;
        let mut found = None;
        for prefix in self.covering(gateway) {
            let candidates = &self.entries[&prefix].candidates;
            let mut usable = candidates
                .iter()
                .filter_map(|route| self.usable(route, |gateway| self.look_up(gateway, walk)));
            if let Some(resolution) = usable.next() {
                floor = prefix.prefix_len();
                found = Some(resolution);
                break;
            }
        }
        walk.stack.pop();
        let mattered = walk.consulted.entry(gateway).or_insert(floor);
        *mattered = floor.min(*mattered);
        match found? {
            Resolution::Connected(iface) if self.has_failed(iface, gateway) => None,
            // The gateway is a host on this link.
            Resolution::Connected(iface) => Some(Resolution::Via(vec![ResolvedHop {
                iface,
                gateway,
                weight: 1,
            }])),
            // We are no gateway to ourselves; and what another router's table says of a gateway is not ours to know.
            Resolution::Local(_) | Resolution::Router(_) => None,
            resolution => Some(resolution),
        }
    }

    /// The prefixes with candidates that cover an address, longest first.
    pub(super) fn covering(&self, address: IpAddr) -> impl Iterator<Item = IpNet> + '_ {
        let lengths = match address {
            IpAddr::V6(_) => &self.lengths[0],
            IpAddr::V4(_) => &self.lengths[1],
        };
        let present = (0..lengths.len()).rev().filter(|len| lengths[*len] > 0);
        present.filter_map(move |len| {
            let prefix = IpNet::new(address, len as u8).ok()?.trunc();
            self.entries.contains_key(&prefix).then_some(prefix)
        })
    }

    /// Where a candidate leads, if it is usable; `gateway` resolves recursive gateways.
    pub(super) fn usable(
        &self,
        route: &RibRoute,
        mut gateway: impl FnMut(IpAddr) -> Option<Resolution>,
    ) -> Option<Resolution> {
        match &route.target {
            Target::Local(iface) => Some(Resolution::Local(*iface)),
            Target::Connected(iface) => self.is_up(*iface).then_some(Resolution::Connected(*iface)),
            Target::Route(RouteTarget::Blackhole) => Some(Resolution::Blackhole),
            Target::Route(RouteTarget::Unreachable) => Some(Resolution::Unreachable),
            Target::Route(RouteTarget::Prohibit) => Some(Resolution::Prohibit),
            Target::Route(RouteTarget::Router(vrf)) => Some(Resolution::Router(*vrf)),
            Target::Route(RouteTarget::Via(hops)) => {
                let resolved: Vec<(u16, Resolution)> = hops
                    .iter()
                    .filter_map(|hop| Some((hop.weight, self.usable_hop(hop, &mut gateway)?)))
                    .collect();
                merge(resolved)
            }
        }
    }

    fn usable_hop(
        &self,
        hop: &Hop,
        gateway: &mut impl FnMut(IpAddr) -> Option<Resolution>,
    ) -> Option<Resolution> {
        match (hop.gateway, hop.interface) {
            (Some(address), None) => gateway(address),
            (Some(address), Some(iface)) if self.has_failed(iface, address) => None,
            (address, Some(iface)) if self.is_up(iface) => Some(match address {
                Some(gateway) => Resolution::Via(vec![ResolvedHop {
                    iface,
                    gateway,
                    weight: 1,
                }]),
                None => Resolution::Connected(iface),
            }),
            _ => None,
        }
    }

    fn has_failed(&self, iface: IfaceId, neighbor: IpAddr) -> bool {
        let link = self.links.get(&iface);
        link.is_some_and(|link| link.failed.contains(&neighbor))
    }

    fn is_up(&self, iface: IfaceId) -> bool {
        self.links.get(&iface).is_some_and(|link| link.up)
    }
}

/// One resolution of several with weights: neighbours share; without any, an on-link interface or else the first
/// drop decides.
fn merge(resolved: Vec<(u16, Resolution)>) -> Option<Resolution> {
    // Each part's own weights sum up to its `total`; the common multiple keeps the shares exact.
    let mut parts: Vec<(u64, u64, &[ResolvedHop])> = Vec::new();
    let mut multiple: u64 = 1;
    for (weight, resolution) in &resolved {
        if let Resolution::Via(hops) = resolution {
            let total: u64 = hops.iter().map(|hop| u64::from(hop.weight)).sum();
            multiple = lcm(multiple, total).unwrap_or(multiple);
            parts.push((u64::from(*weight), total, hops));
        }
    }
    if parts.is_empty() {
        // LIMIT: on-link interfaces do not share with one another; the first one takes all.
        let link = resolved
            .iter()
            .find(|(_, r)| matches!(r, Resolution::Connected(_)));
        return link
            .or(resolved.first())
            .map(|(_, resolution)| resolution.clone());
    }
    let mut shares: std::collections::BTreeMap<(IfaceId, IpAddr), u128> = Default::default();
    for (weight, total, hops) in parts {
        for hop in hops {
            let share = u128::from(weight) * u128::from(hop.weight) * u128::from(multiple)
                / u128::from(total);
            *shares.entry((hop.iface, hop.gateway)).or_default() += share.max(1);
        }
    }
    let divisor = shares.values().copied().fold(0, gcd).max(1);
    let largest = shares.values().copied().max().unwrap_or(1) / divisor;
    // Beyond what the type holds, small shares are rounded.
    let scale = largest.div_ceil(u128::from(u16::MAX)).max(1);
    let hop = |((iface, gateway), share): ((IfaceId, IpAddr), u128)| {
        let weight = u16::try_from((share / divisor / scale).max(1)).unwrap_or(u16::MAX);
        ResolvedHop {
            iface,
            gateway,
            weight,
        }
    };
    Some(Resolution::Via(shares.into_iter().map(hop).collect()))
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The least common multiple, if it is small enough to multiply weights with.
fn lcm(a: u64, b: u64) -> Option<u64> {
    let divisor = gcd(a.into(), b.into()) as u64;
    a.checked_mul(b / divisor.max(1))
        .filter(|product| *product < 1 << 48)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(hops: &[(u16, u16)]) -> Resolution {
        let hop = |(last, weight): &(u16, u16)| ResolvedHop {
            iface: IfaceId(1),
            gateway: IpAddr::from([192, 0, 2, *last as u8]),
            weight: *weight,
        };
        Resolution::Via(hops.iter().map(hop).collect())
    }

    #[test]
    fn shares_of_nested_groups_are_exact() {
        // Half to a group of two, half to one: 1 : 1 : 2.
        let merged = merge(vec![(1, via(&[(1, 1), (2, 1)])), (1, via(&[(3, 1)]))]);
        assert_eq!(merged, Some(via(&[(1, 1), (2, 1), (3, 2)])));
        // The same neighbour by two ways is one with both shares.
        let merged = merge(vec![(2, via(&[(1, 1)])), (1, via(&[(1, 1), (2, 2)]))]);
        assert_eq!(merged, Some(via(&[(1, 7), (2, 2)])));
    }

    #[test]
    fn neighbours_win_over_drops_and_drops_over_nothing() {
        let merged = merge(vec![(1, Resolution::Blackhole), (5, via(&[(1, 1)]))]);
        assert_eq!(merged, Some(via(&[(1, 1)])));
        assert_eq!(
            merge(vec![(1, Resolution::Prohibit)]),
            Some(Resolution::Prohibit)
        );
        assert_eq!(merge(vec![]), None);
    }

    #[test]
    fn huge_shares_are_scaled() {
        let merged = merge(vec![(256, via(&[(1, 65535), (2, 1)])), (1, via(&[(3, 1)]))]);
        let Some(Resolution::Via(hops)) = merged else {
            panic!("{merged:?}")
        };
        assert!(
            hops[0].weight > 60_000 && hops[1].weight == 1 && hops[2].weight > 1,
            "{hops:?}"
        );
    }
}
