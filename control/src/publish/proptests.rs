//! Random changes, compared with what a worker must find if the tables were made from nothing.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::testbed::*;
use super::*;
use crate::model::{Carrier, Tag};
use tables::id::{NetworkId, PortId, TunnelId};

const IFACES: [u16; 3] = [1, 2, 3];
const PREFIXES: [&str; 7] = [
    "::/0",
    "2001:db8::/56",
    "2001:db8::/64",
    "2001:db8:0:1::/64",
    "2001:db8::1/128",
    "2001:db8::2/128",
    "2001:db8:0:1::1/128",
];
const NEIGHBORS: [&str; 4] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "fe80::1"];
const ASKED: [&str; 7] = [
    "2001:db8::1",
    "2001:db8::2",
    "2001:db8::3",
    "2001:db8:0:1::1",
    "2001:db8:0:1::3",
    "2001:db8:0:2::1",
    "fe80::1",
];

#[derive(Clone, Debug)]
enum Op {
    Interface(u16, u16),
    RemoveInterface(u16),
    Route(&'static str, Resolution),
    Withdraw(&'static str),
    Up(u16, &'static str, u8),
    Down(u16, &'static str),
    Quiesce,
    /// Route changes that readers see as one.
    Batch(Vec<(&'static str, Option<Resolution>)>),
}

fn any_resolution() -> impl Strategy<Value = Resolution> {
    let iface = || prop::sample::select(&IFACES[..]);
    let hops = prop::collection::btree_set((iface(), prop::sample::select(&NEIGHBORS[..])), 1..4);
    prop_oneof![
        4 => iface().prop_map(connected),
        1 => iface().prop_map(|iface| Resolution::Local(IfaceId(iface))),
        1 => Just(Resolution::Blackhole),
        1 => Just(Resolution::Prohibit),
        1 => Just(Resolution::Router(VrfId(2))),
        5 => hops.prop_map(|hops| via(&hops.into_iter().collect::<Vec<_>>())),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    let iface = || prop::sample::select(&IFACES[..]);
    let prefix = || prop::sample::select(&PREFIXES[..]);
    let neighbor = || prop::sample::select(&NEIGHBORS[..]);
    let change = (prefix(), prop::option::of(any_resolution()));
    prop_oneof![
        3 => (iface(), 0u16..5).prop_map(|(iface, vid)| Op::Interface(iface, vid)),
        1 => iface().prop_map(Op::RemoveInterface),
        5 => (prefix(), any_resolution()).prop_map(|(prefix, to)| Op::Route(prefix, to)),
        2 => prefix().prop_map(Op::Withdraw),
        6 => (iface(), neighbor(), 0u8..3).prop_map(|(iface, a, last)| Op::Up(iface, a, last)),
        2 => (iface(), neighbor()).prop_map(|(iface, a)| Op::Down(iface, a)),
        1 => Just(Op::Quiesce),
        1 => prop::collection::vec(change, 0..5).prop_map(Op::Batch),
    ]
}

/// What is wanted, in the plainest words.
#[derive(Default)]
struct Naive {
    links: BTreeMap<IfaceId, Link>,
    routes: BTreeMap<IpNet, Resolution>,
    neighbors: BTreeMap<(IfaceId, IpAddr), MacAddr>,
}

/// What a worker must find.
#[derive(Debug, PartialEq)]
enum Found {
    One(NextHop),
    Group(BTreeSet<(IfaceId, [u8; 16], [u8; 6])>),
}

impl Naive {
    fn adjacency(&self, iface: IfaceId, address: IpAddr) -> NextHop {
        let mac = self.neighbors.get(&(iface, address)).copied();
        self.links[&iface].adjacency(iface, address, mac)
    }

    fn uses(resolution: &Resolution, iface: IfaceId) -> bool {
        match resolution {
            Resolution::Connected(on) | Resolution::Local(on) => *on == iface,
            Resolution::Via(hops) => hops.iter().any(|hop| hop.iface == iface),
            _ => false,
        }
    }

    fn possible(&self, resolution: &Resolution) -> bool {
        let missing = |iface: &&u16| !self.links.contains_key(&IfaceId(**iface));
        !IFACES
            .iter()
            .filter(missing)
            .any(|iface| Self::uses(resolution, IfaceId(*iface)))
    }

    fn lookup(&self, address: IpAddr) -> Found {
        let best = self
            .routes
            .iter()
            .filter(|(prefix, _)| prefix.contains(&address))
            .max_by_key(|(prefix, _)| prefix.prefix_len());
        let host = self
            .neighbors
            .keys()
            .filter(|(iface, neighbor)| {
                *neighbor == address
                    && self.routes.iter().any(|(prefix, to)| {
                        *to == Resolution::Connected(*iface) && prefix.contains(&address)
                    })
            })
            .min();
        let to = match (best, host) {
            (Some((prefix, to)), _) if prefix.prefix_len() == 128 => to,
            (_, Some((iface, _))) => return Found::One(self.adjacency(*iface, address)),
            (Some((_, to)), None) => to,
            (None, None) => return Found::One(NextHop::NO_ROUTE),
        };
        let link = |iface: &IfaceId| self.links[iface];
        match to {
            Resolution::Connected(iface) => Found::One(link(iface).connected(*iface)),
            Resolution::Local(iface) => Found::One(link(iface).local(*iface)),
            Resolution::Blackhole => Found::One(NextHop::of_kind(NextHopKind::Blackhole)),
            Resolution::Unreachable => Found::One(NextHop::of_kind(NextHopKind::Unreachable)),
            Resolution::Prohibit => Found::One(NextHop::of_kind(NextHopKind::Prohibit)),
            Resolution::Router(vrf) => Found::One(NextHop {
                vrf: *vrf,
                ..NextHop::of_kind(NextHopKind::Router)
            }),
            Resolution::Via(hops) => match hops.as_slice() {
                [hop] => Found::One(self.adjacency(hop.iface, hop.gateway)),
                _ => Found::Group(
                    hops.iter()
                        .map(|hop| member(&self.adjacency(hop.iface, hop.gateway)))
                        .collect(),
                ),
            },
        }
    }
}

fn member(record: &NextHop) -> (IfaceId, [u8; 16], [u8; 6]) {
    let mut mac = [0; 6];
    mac.copy_from_slice(&record.header[..6]);
    (record.iface, record.gateway, mac)
}

fn found(bed: &Testbed, address: IpAddr) -> Found {
    let record = bed.record(bed.id(address));
    if record.kind != NextHopKind::Group {
        return Found::One(record);
    }
    let members = bed.members(record.group);
    Found::Group(members.iter().map(|id| member(&bed.record(*id))).collect())
}

fn change(bed: &mut Testbed, naive: &mut Naive, prefix: &str, to: Option<Resolution>) {
    let key = net(prefix);
    let done = bed.publisher.route(VRF, key, to.as_ref());
    match to {
        Some(to) if naive.possible(&to) => {
            done.unwrap();
            naive.routes.insert(key, to);
        }
        Some(_) => assert!(matches!(done, Err(PublishError::Interface(_))), "{done:?}"),
        None => {
            done.unwrap();
            naive.routes.remove(&key);
        }
    }
}

fn remove_interface(bed: &mut Testbed, naive: &mut Naive, iface: IfaceId) {
    // The routing table withdraws what leads over an interface before it goes.
    let over: Vec<IpNet> = naive
        .routes
        .iter()
        .filter(|(_, to)| Naive::uses(to, iface))
        .map(|(prefix, _)| *prefix)
        .collect();
    for prefix in over {
        bed.publisher.route(VRF, prefix, None).unwrap();
        naive.routes.remove(&prefix);
    }
    bed.publisher.remove_interface(iface).unwrap();
    naive.links.remove(&iface);
    naive.neighbors.retain(|(on, _), _| *on != iface);
}

fn apply(bed: &mut Testbed, naive: &mut Naive, op: Op) {
    match op {
        Op::Interface(iface, vid) => {
            let port = PortId(iface - 1);
            let carrier = match vid {
                0 => link(iface).carrier,
                1 => Carrier::Network(NetworkId(iface)),
                2 => Carrier::Tunnel {
                    tunnel: TunnelId(iface),
                    key: None,
                },
                vid => Carrier::Device {
                    port,
                    tag: Tag::Vlan(vid),
                },
            };
            let link = Link {
                carrier,
                ..link(iface)
            };
            bed.publisher.set_interface(IfaceId(iface), link).unwrap();
            naive.links.insert(IfaceId(iface), link);
        }
        Op::RemoveInterface(iface) => remove_interface(bed, naive, IfaceId(iface)),
        Op::Route(prefix, to) => change(bed, naive, prefix, Some(to)),
        Op::Withdraw(prefix) => change(bed, naive, prefix, None),
        Op::Up(iface, address, last) => {
            let (iface, address) = (IfaceId(iface), ip(address));
            let done = bed.publisher.neighbor_up(iface, address, mac(last));
            if naive.links.contains_key(&iface) {
                done.unwrap();
                naive.neighbors.insert((iface, address), mac(last));
            } else {
                assert!(matches!(done, Err(PublishError::Interface(_))), "{done:?}");
            }
        }
        Op::Down(iface, address) => {
            bed.down(iface, address);
            naive.neighbors.remove(&(IfaceId(iface), ip(address)));
        }
        Op::Quiesce => bed.quiesce(),
        Op::Batch(changes) => {
            bed.publisher.begin();
            for (prefix, to) in changes {
                change(bed, naive, prefix, to);
            }
            bed.publisher.commit().unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// After every change a worker finds what the changes so far ask for, and nothing is left when all has gone.
    #[test]
    fn tables_are_what_a_fresh_start_would_make(ops in prop::collection::vec(any_op(), 1..60)) {
        let mut bed = Testbed::new();
        let mut naive = Naive::default();
        for op in ops {
            let told = format!("{op:?}");
            apply(&mut bed, &mut naive, op);
            for address in ASKED {
                prop_assert_eq!(
                    found(&bed, ip(address)), naive.lookup(ip(address)), "{} after {}", address, told
                );
            }
        }
        for prefix in PREFIXES {
            bed.withdraw(prefix);
        }
        for iface in IFACES {
            bed.publisher.remove_interface(IfaceId(iface)).unwrap();
        }
        prop_assert_eq!(bed.in_use(), (3, 0));
        for address in ASKED {
            prop_assert_eq!(bed.id(ip(address)), NextHopId(0));
        }
    }
}
