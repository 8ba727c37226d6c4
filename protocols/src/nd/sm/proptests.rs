//! Random lives of an interface against the invariants that `mod.rs` states.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;
use wire::MacAddr;
use wire::arp::{ArpPacket, Operation};
use wire::nd::{Message, NeighborAdvertisement};
use wire::nd_option::NdOption;
use zerocopy::IntoBytes;

use super::tests::{Bench, IFACE, OUR_MAC, packet};
use super::*;

#[derive(Clone, Debug)]
enum Op {
    Wait(u64),
    Glean(u8),
    InUse(u8),
    Advertisement {
        host: u8,
        mac: u8,
        flags: u8,
        with_mac: bool,
    },
    Solicitation {
        host: u8,
        mac: u8,
        dad: bool,
    },
    Arp {
        host: u8,
        mac: u8,
        reply: bool,
    },
    Static(u8),
    RemoveStatic(u8),
    Flush,
    Link(bool),
    Bytes(Vec<u8>),
}

fn op() -> impl Strategy<Value = Op> {
    let host = 0..24u8;
    let mac = 2..5u8;
    prop_oneof![
        4 => (0..8000u64).prop_map(Op::Wait),
        6 => host.clone().prop_map(Op::Glean),
        2 => host.clone().prop_map(Op::InUse),
        6 => (host.clone(), mac.clone(), 0..8u8, any::<bool>())
            .prop_map(|(host, mac, flags, with_mac)| Op::Advertisement { host, mac, flags, with_mac }),
        3 => (host.clone(), mac.clone(), any::<bool>())
            .prop_map(|(host, mac, dad)| Op::Solicitation { host, mac, dad }),
        3 => (host.clone(), mac, any::<bool>()).prop_map(|(host, mac, reply)| Op::Arp { host, mac, reply }),
        1 => (20..24u8).prop_map(Op::Static),
        1 => (20..24u8).prop_map(Op::RemoveStatic),
        1 => Just(Op::Flush),
        1 => any::<bool>().prop_map(Op::Link),
        1 => proptest::collection::vec(any::<u8>(), 0..90).prop_map(Op::Bytes),
    ]
}

/// Hosts 0 to 15 and 20 to 23 speak IPv6, the others IPv4.
fn host_addr(n: u8) -> IpAddr {
    match n {
        16..20 => Ipv4Addr::new(192, 0, 2, 100 + n).into(),
        _ => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, n.into()).into(),
    }
}

/// What the dataplane knows, from the actions alone.
#[derive(Default)]
struct Dataplane {
    installed: BTreeMap<IpAddr, MacAddr>,
    held: BTreeSet<IpAddr>,
}

impl Dataplane {
    fn apply(&mut self, actions: &[Action]) -> Result<(), TestCaseError> {
        for action in actions {
            match action {
                Action::Install { addr, mac, .. } => {
                    prop_assert!(mac.is_station() && *mac != OUR_MAC);
                    self.installed.insert(*addr, *mac);
                }
                Action::Withdraw { addr, .. } => {
                    prop_assert!(
                        self.installed.remove(addr).is_some(),
                        "{addr} was not installed"
                    );
                }
                Action::Release { addr, .. } => {
                    prop_assert!(
                        self.installed.contains_key(addr),
                        "{addr} released into nothing"
                    );
                    self.held.remove(addr);
                }
                Action::Fail { addr, .. } => {
                    prop_assert!(
                        !self.installed.contains_key(addr),
                        "{addr} failed but is installed"
                    );
                    self.held.remove(addr);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn perform(bench: &mut Bench, op: Op) -> Vec<Action> {
    let (iface, us) = (IFACE, Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    let station = |n: u8| MacAddr([2, 0, 0, 0, 0, n]);
    let v6 = |n: u8| match host_addr(n) {
        IpAddr::V6(addr) => addr,
        IpAddr::V4(addr) => addr.to_ipv6_mapped(),
    };
    match op {
        Op::Wait(ms) => bench
            .run(Duration::from_millis(ms))
            .into_iter()
            .map(|(_, a)| a)
            .collect(),
        Op::Glean(n) => bench.event(Event::Glean {
            iface,
            target: host_addr(n),
            source: None,
        }),
        Op::InUse(n) => bench.event(Event::InUse {
            iface,
            addr: host_addr(n),
        }),
        Op::Advertisement {
            host,
            mac,
            flags,
            with_mac,
        } => {
            let solicited = flags & 2 != 0;
            let message = Message::NeighborAdvertisement(NeighborAdvertisement {
                router: flags & 1 != 0,
                solicited,
                override_flag: flags & 4 != 0,
                target: v6(host),
            });
            let option = with_mac.then_some(NdOption::TargetLinkLayer(station(mac)));
            let packet = packet(&v6(host), &us, &message, option.as_slice());
            bench.event(Event::Packet {
                iface,
                src_mac: station(mac),
                packet: &packet,
            })
        }
        Op::Solicitation { host, mac, dad } => {
            let message = Message::NeighborSolicitation { target: us };
            let group = Ipv6Addr::from_bits(wire::addr::v6::solicited_node(us.to_bits()));
            let option = (!dad).then_some(NdOption::SourceLinkLayer(station(mac)));
            let source = if dad { Ipv6Addr::UNSPECIFIED } else { v6(host) };
            let packet = packet(&source, &group, &message, option.as_slice());
            bench.event(Event::Packet {
                iface,
                src_mac: station(mac),
                packet: &packet,
            })
        }
        Op::Arp { host, mac, reply } => {
            let operation = if reply {
                Operation::Reply
            } else {
                Operation::Request
            };
            let sender = (station(mac), Ipv4Addr::new(192, 0, 2, 100 + host));
            let arp = ArpPacket::new(operation, sender, (OUR_MAC, Ipv4Addr::new(192, 0, 2, 1)));
            bench.event(Event::ArpPacket {
                iface,
                packet: arp.as_bytes(),
            })
        }
        Op::Static(n) => bench.event(Event::AddStatic {
            iface,
            addr: host_addr(n),
            mac: station(9),
        }),
        Op::RemoveStatic(n) => bench.event(Event::RemoveStatic {
            iface,
            addr: host_addr(n),
        }),
        Op::Flush => bench.event(Event::Flush {
            iface: None,
            addr: None,
        }),
        Op::Link(true) => bench.event(Event::LinkUp { iface }),
        Op::Link(false) => bench.event(Event::LinkDown { iface }),
        Op::Bytes(bytes) => {
            let mut out = bench.event(Event::Packet {
                iface,
                src_mac: station(7),
                packet: &bytes,
            });
            out.extend(bench.event(Event::ArpPacket {
                iface,
                packet: &bytes,
            }));
            out
        }
    }
}

proptest! {
    #[test]
    fn invariants_hold(seed: u64, ops in proptest::collection::vec(op(), 1..120)) {
        let config = Config { max_entries: 8, max_incomplete: 4, ..Config::default() };
        let mut bench = Bench::ready(seed, config);
        let mut dataplane = Dataplane::default();
        for op in ops {
            if let Op::Glean(n) = op {
                dataplane.held.insert(host_addr(n));
            }
            let actions = perform(&mut bench, op);
            dataplane.apply(&actions)?;
            let neighbors = bench.machine.neighbors(bench.now);
            let usable = neighbors.iter().filter_map(|n| Some((n.addr, n.mac?)));
            prop_assert_eq!(&usable.collect::<BTreeMap<_, _>>(), &dataplane.installed);
            prop_assert!(neighbors.iter().all(|n| n.state.is_usable() == n.mac.is_some()));
            let statics = neighbors.iter().filter(|n| n.state == State::Permanent).count();
            prop_assert!(neighbors.len() - statics <= 8 + 4, "{} neighbours", neighbors.len());
            // Time never stands still: what is due has been done.
            prop_assert!(bench.machine.next_deadline().is_none_or(|at| at >= bench.now));
        }
        let rest: Vec<_> = bench.run(Duration::from_secs(10)).into_iter().map(|(_, a)| a).collect();
        dataplane.apply(&rest)?;
        prop_assert!(dataplane.held.is_empty(), "never answered: {:?}", dataplane.held);
    }
}
