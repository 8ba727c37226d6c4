//! The incremental table against a naive computation from scratch, over random histories.

use proptest::prelude::*;

use super::*;

/// Few addresses, so that prefixes, gateways and loops meet.
fn address() -> impl Strategy<Value = [u8; 4]> {
    (0..2u8, 0..4u8, 0..2u8).prop_map(|(a, b, c)| [10 + a, b << 6, 0, c])
}

fn prefix() -> impl Strategy<Value = IpNet> {
    let len = prop::sample::select(vec![0u8, 7, 8, 9, 10, 16, 31, 32]);
    (address(), len).prop_map(|(address, len)| IpNet::new(address.into(), len).unwrap().trunc())
}

fn gateway() -> impl Strategy<Value = IpAddr> {
    prop::sample::select(vec![
        [10, 0, 0, 1],
        [10, 64, 0, 1],
        [10, 192, 0, 0],
        [11, 0, 0, 1],
        [11, 128, 0, 1],
    ])
    .prop_map(IpAddr::from)
}

fn hop() -> impl Strategy<Value = Hop> {
    (
        prop::option::weighted(0.9, gateway()),
        prop::option::weighted(0.4, 1..4u16),
        1..3u16,
    )
        .prop_filter("a hop leads somewhere", |(gateway, iface, _)| {
            gateway.is_some() || iface.is_some()
        })
        .prop_map(|(gateway, iface, weight)| Hop {
            gateway,
            interface: iface.map(IfaceId),
            weight,
        })
}

fn target() -> impl Strategy<Value = RouteTarget> {
    prop_oneof![
        6 => prop::collection::vec(hop(), 1..3).prop_map(RouteTarget::Via),
        1 => Just(RouteTarget::Blackhole),
        1 => Just(RouteTarget::Unreachable),
        1 => Just(RouteTarget::Router(VrfId(9))),
    ]
}

fn route() -> impl Strategy<Value = RibRoute> {
    let source = prop::sample::select(vec![Source::Static, Source::Api]);
    (prefix(), source, 1..3u8, target()).prop_map(|(prefix, source, distance, target)| RibRoute {
        prefix,
        source,
        distance,
        target: Target::Route(target),
    })
}

#[derive(Clone, Debug)]
enum Op {
    Edits(Vec<Edit>),
    Link(IfaceId, Option<Link>),
}

fn op() -> impl Strategy<Value = Op> {
    let source = prop::sample::select(vec![Source::Static, Source::Api]);
    let edit = prop_oneof![
        3 => route().prop_map(Edit::Add),
        1 => (prefix(), source, 1..3u8).prop_map(|(p, s, d)| Edit::Remove(p, s, d)),
    ];
    let link = (
        any::<bool>(),
        prop::collection::btree_set((address(), 8..33u8), 0..3),
        prop::collection::btree_set(gateway(), 0..3),
    )
        .prop_map(|(up, nets, failed)| {
            let nets = nets
                .into_iter()
                .map(|(a, len)| IpNet::new(a.into(), len).unwrap());
            let nets: Vec<IpNet> = nets.collect();
            Link {
                up,
                subnets: nets.iter().map(IpNet::trunc).collect(),
                locals: nets.iter().map(IpNet::addr).collect(),
                failed,
            }
        });
    prop_oneof![
        4 => prop::collection::vec(edit, 1..4).prop_map(Op::Edits),
        1 => (1..4u16, prop::option::weighted(0.8, link)).prop_map(|(i, l)| Op::Link(IfaceId(i), l)),
    ]
}

/// What the table should hold: plain lists and no memory of what was computed.
#[derive(Default)]
struct Naive {
    routes: Vec<RibRoute>,
    links: BTreeMap<IfaceId, Link>,
}

impl Naive {
    fn edit(&mut self, edit: &Edit) {
        let key = |r: &RibRoute| (r.prefix, r.source, r.distance);
        match edit {
            Edit::Add(route) => {
                self.routes.retain(|other| key(other) != key(route));
                self.routes.push(route.clone());
            }
            Edit::Remove(prefix, source, distance) => {
                self.routes
                    .retain(|other| key(other) != (*prefix, *source, *distance));
            }
        }
    }

    /// All candidates, best first among those of a prefix.
    fn candidates(&self) -> Vec<RibRoute> {
        let mut all = self.routes.clone();
        for (iface, link) in &self.links {
            let of = |prefix: IpNet, source, target| RibRoute {
                prefix,
                source,
                distance: 0,
                target,
            };
            let connected = Target::Connected(*iface);
            all.extend(
                link.subnets
                    .iter()
                    .map(|net| of(*net, Source::Connected, connected.clone())),
            );
            let local = Target::Local(*iface);
            all.extend(
                link.locals
                    .iter()
                    .map(|a| of((*a).into(), Source::Local, local.clone())),
            );
        }
        let iface = |route: &RibRoute| match route.target {
            Target::Local(iface) | Target::Connected(iface) => iface.0,
            Target::Route(_) => 0,
        };
        all.sort_by_key(|route| (route.distance, route.source, iface(route)));
        all
    }

    fn table(&self) -> BTreeMap<IpNet, Resolution> {
        let all = self.candidates();
        let mut table = BTreeMap::new();
        for route in &all {
            if !table.contains_key(&route.prefix)
                && let Some(resolution) = self.leads(&all, route, &[])
            {
                table.insert(route.prefix, resolution);
            }
        }
        table
    }

    fn leads(&self, all: &[RibRoute], route: &RibRoute, way: &[IpAddr]) -> Option<Resolution> {
        let has_failed = |iface: &IfaceId, gateway: &IpAddr| {
            let link = self.links.get(iface);
            link.is_some_and(|link| link.failed.contains(gateway))
        };
        let is_up = |iface: &IfaceId| self.links.get(iface).is_some_and(|link| link.up);
        let target = match &route.target {
            Target::Local(iface) => return Some(Resolution::Local(*iface)),
            Target::Connected(iface) => {
                return is_up(iface).then_some(Resolution::Connected(*iface));
            }
            Target::Route(target) => target,
        };
        let hops = match target {
            RouteTarget::Blackhole => return Some(Resolution::Blackhole),
            RouteTarget::Unreachable => return Some(Resolution::Unreachable),
            RouteTarget::Prohibit => return Some(Resolution::Prohibit),
            RouteTarget::Router(vrf) => return Some(Resolution::Router(*vrf)),
            RouteTarget::Via(hops) => hops,
        };
        // Shares as fractions of all flows, multiplied by a number that all small weights divide.
        let mut shares: BTreeMap<(IfaceId, IpAddr), f64> = BTreeMap::new();
        let mut rest = Vec::new();
        for hop in hops {
            let found = match (hop.gateway, hop.interface) {
                (Some(gateway), Some(iface)) if has_failed(&iface, &gateway) => None,
                (gateway, Some(iface)) if is_up(&iface) => match gateway {
                    Some(gateway) => Some(Resolution::Via(vec![ResolvedHop {
                        iface,
                        gateway,
                        weight: 1,
                    }])),
                    None => Some(Resolution::Connected(iface)),
                },
                (Some(gateway), None) => self.gateway(all, gateway, way),
                _ => None,
            };
            match found {
                Some(Resolution::Via(parts)) => {
                    let total: f64 = parts.iter().map(|part| f64::from(part.weight)).sum();
                    for part in parts {
                        *shares.entry((part.iface, part.gateway)).or_default() +=
                            f64::from(hop.weight) * f64::from(part.weight) / total;
                    }
                }
                other => rest.extend(other),
            }
        }
        if shares.is_empty() {
            let link = rest.iter().find(|r| matches!(r, Resolution::Connected(_)));
            return link.or(rest.first()).cloned();
        }
        // The smallest multiplier that makes all shares whole.
        let whole = |m: &u32| {
            shares
                .values()
                .all(|s| (s * f64::from(*m) - (s * f64::from(*m)).round()).abs() < 1e-6)
        };
        let times = (1..10_000u32).find(whole).unwrap_or(1);
        let mut weights: Vec<u64> = shares
            .values()
            .map(|s| (s * f64::from(times)).round() as u64)
            .collect();
        let mut divisor = weights[0];
        for weight in &weights {
            let (mut a, mut b) = (divisor, *weight);
            while b > 0 {
                (a, b) = (b, a % b);
            }
            divisor = a;
        }
        weights.iter_mut().for_each(|weight| *weight /= divisor);
        let hops = shares
            .keys()
            .zip(weights)
            .map(|((iface, gateway), weight)| ResolvedHop {
                iface: *iface,
                gateway: *gateway,
                weight: weight as u16,
            });
        Some(Resolution::Via(hops.collect()))
    }

    fn gateway(&self, all: &[RibRoute], gateway: IpAddr, way: &[IpAddr]) -> Option<Resolution> {
        if way.contains(&gateway) {
            return None;
        }
        let way: Vec<IpAddr> = way.iter().copied().chain([gateway]).collect();
        for len in (0..=32).rev() {
            let covers =
                |r: &&RibRoute| r.prefix.prefix_len() == len && r.prefix.contains(&gateway);
            let found = all
                .iter()
                .filter(covers)
                .find_map(|route| self.leads(all, route, &way));
            if let Some(found) = found {
                return match found {
                    Resolution::Connected(iface)
                        if self.links[&iface].failed.contains(&gateway) =>
                    {
                        None
                    }
                    Resolution::Connected(iface) => Some(Resolution::Via(vec![ResolvedHop {
                        iface,
                        gateway,
                        weight: 1,
                    }])),
                    Resolution::Local(_) | Resolution::Router(_) => None,
                    other => Some(other),
                };
            }
        }
        None
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// After every step the table is what it would be from scratch, and the changes told are the difference.
    #[test]
    fn every_history_ends_where_a_fresh_start_would(ops in prop::collection::vec(op(), 1..25)) {
        let (mut rib, mut naive) = (Rib::new(VrfId(0)), Naive::default());
        let mut told: BTreeMap<IpNet, Resolution> = BTreeMap::new();
        for op in ops {
            let changes = match op {
                Op::Edits(edits) => {
                    edits.iter().for_each(|edit| naive.edit(edit));
                    rib.apply(edits)
                }
                Op::Link(iface, Some(link)) => {
                    naive.links.insert(iface, link.clone());
                    rib.set_link(iface, link)
                }
                Op::Link(iface, None) => {
                    naive.links.remove(&iface);
                    rib.remove_link(iface)
                }
            };
            for change in changes {
                let before = told.get(&change.prefix).cloned();
                prop_assert_ne!(&before, &change.resolution, "told a change that is none");
                match change.resolution {
                    Some(resolution) => told.insert(change.prefix, resolution),
                    None => told.remove(&change.prefix),
                };
            }
            prop_assert_eq!(&told, &naive.table());
        }
        let snapshot: BTreeMap<IpNet, Resolution> =
            rib.snapshot().filter_map(|change| Some((change.prefix, change.resolution?))).collect();
        prop_assert_eq!(snapshot, told);
    }

    /// Nothing is kept of what is gone.
    #[test]
    fn an_emptied_table_holds_nothing(routes in prop::collection::vec(route(), 0..20)) {
        let mut rib = Rib::new(VrfId(0));
        rib.apply(routes.iter().cloned().map(Edit::Add));
        rib.apply(routes.iter().map(|r| Edit::Remove(r.prefix, r.source, r.distance)));
        prop_assert!(rib.entries.is_empty() && rib.gateways.is_empty() && rib.consulted.is_empty());
        prop_assert!(rib.lengths.iter().flatten().all(|count| *count == 0));
    }
}
