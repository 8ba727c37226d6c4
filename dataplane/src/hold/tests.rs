use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    ifaces: 4,
    keys: 16,
    keys_per_iface: 12,
    packets: 40,
    per_key: 3,
    request_burst: 5,
    request_reserve: 2,
    request_interval: 10,
    retry: 100,
    timeout: 400,
};

fn key(iface: u16, host: u8) -> Key {
    let mut address = [0x20; 16];
    address[15] = host;
    Key {
        iface: IfaceId(iface),
        address,
    }
}

fn glean(
    hold: &mut Hold<u32>,
    iface: u16,
    host: u8,
    packet: u32,
    now: u64,
) -> (Pushed<u32>, Vec<(u32, Displaced)>) {
    let mut gone = Vec::new();
    let pushed = hold.push(key(iface, host), Origin::Glean, packet, now, |old, why| {
        gone.push((old, why))
    });
    (pushed, gone)
}

fn taken(hold: &mut Hold<u32>, iface: u16, host: u8) -> Vec<u32> {
    std::iter::from_fn(|| hold.take_next(&key(iface, host))).collect()
}

#[test]
fn packets_come_back_in_order_and_one_request_goes_out() {
    let mut hold = Hold::new(LIMITS, 1);
    assert_eq!(glean(&mut hold, 1, 1, 10, 0).0, Pushed::HeldRequest);
    assert_eq!(glean(&mut hold, 1, 1, 11, 1).0, Pushed::Held);
    assert_eq!(glean(&mut hold, 1, 1, 12, 99).0, Pushed::Held);
    assert_eq!((hold.held(), hold.keys()), (3, 1));
    assert_eq!(taken(&mut hold, 1, 1), [10, 11, 12]);
    assert_eq!((hold.held(), hold.keys()), (0, 0));
    assert!(taken(&mut hold, 1, 1).is_empty());
}

#[test]
fn a_newer_packet_displaces_the_oldest_of_its_address() {
    let mut hold = Hold::new(LIMITS, 1);
    for packet in 0..3 {
        glean(&mut hold, 1, 1, packet, 0);
    }
    let (pushed, gone) = glean(&mut hold, 1, 1, 3, 0);
    assert_eq!(
        (pushed, gone),
        (Pushed::Held, vec![(0, Displaced::ByNewer)])
    );
    assert_eq!(taken(&mut hold, 1, 1), [1, 2, 3]);
}

#[test]
fn the_request_is_repeated_after_the_retry_time_only() {
    let mut hold = Hold::new(LIMITS, 1);
    assert_eq!(glean(&mut hold, 1, 1, 0, 1000).0, Pushed::HeldRequest);
    assert_eq!(glean(&mut hold, 1, 1, 0, 1099).0, Pushed::Held);
    assert_eq!(glean(&mut hold, 1, 1, 0, 1100).0, Pushed::HeldRequest);
    assert_eq!(glean(&mut hold, 1, 1, 0, 1101).0, Pushed::Held);
}

#[test]
fn a_request_that_could_not_be_sent_is_due_again() {
    let mut hold = Hold::new(LIMITS, 1);
    assert_eq!(glean(&mut hold, 1, 1, 0, 1000).0, Pushed::HeldRequest);
    hold.request_lost(&key(1, 1));
    assert_eq!(glean(&mut hold, 1, 1, 0, 1001).0, Pushed::HeldRequest);
}

#[test]
fn requests_are_limited_by_interface() {
    let mut hold = Hold::new(LIMITS, 1);
    let requests = |hold: &mut Hold<u32>, iface, hosts: std::ops::Range<u8>, now| {
        hosts
            .filter(|&host| glean(hold, iface, host, 0, now).0 == Pushed::HeldRequest)
            .count()
    };
    assert_eq!(requests(&mut hold, 1, 0..8, 0), 3);
    assert_eq!(
        requests(&mut hold, 2, 0..3, 0),
        3,
        "another interface has its own tokens"
    );
    // Those who ask again have the rest, and what has been earned two intervals later.
    assert_eq!(requests(&mut hold, 1, 0..8, 0), 2);
    assert_eq!(requests(&mut hold, 1, 0..8, 20), 2);
    assert_eq!(requests(&mut hold, 1, 0..8, 20), 0);
}

#[test]
fn a_scan_leaves_requests_for_gateways_and_for_those_who_try_again() {
    let limits = Limits {
        packets: 64,
        ..LIMITS
    };
    let mut hold = Hold::new(limits, 1);
    let scan = |hold: &mut Hold<u32>, now, hosts: std::ops::Range<u32>| {
        for host in hosts {
            let mut scanned = key(1, 0);
            scanned.address[..4].copy_from_slice(&host.to_be_bytes());
            hold.push(scanned, Origin::Glean, host, now, |_, _| ());
        }
    };
    scan(&mut hold, 0, 0..1000);
    // Its first packet is one of the scan, and is displaced by it; the next one is told from it.
    assert_eq!(glean(&mut hold, 1, 7, 1, 1).0, Pushed::Held);
    scan(&mut hold, 1, 1000..2000);
    assert_eq!(taken(&mut hold, 1, 7), []);
    assert_eq!(glean(&mut hold, 1, 7, 2, 2).0, Pushed::HeldRequest);
    let gateway = hold.push(key(1, 8), Origin::Gateway, 3, 2, |_, _| ());
    assert_eq!(gateway, Pushed::HeldRequest);
}

#[test]
fn who_asked_long_ago_is_a_newcomer_again() {
    let mut recent = Recent::new(100);
    let hash = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    assert!(!recent.again(hash(1), 10));
    assert!(recent.again(hash(1), 99), "in the same span");
    assert!(recent.again(hash(1), 150), "in the next");
    assert!(!recent.again(hash(1), 400), "all of it has passed");
    for n in 100..10_100 {
        recent.again(hash(n), 401);
    }
    let mistaken = (20_000..30_000).filter(|&n| recent.again(hash(n), 402));
    assert!(mistaken.count() < 300);
    assert!((100..10_100).all(|n| recent.again(hash(n), 403)));
}

#[test]
fn a_scan_takes_at_most_half_and_yields_to_itself_only() {
    let mut hold = Hold::new(LIMITS, 1);
    glean(&mut hold, 2, 200, 1007, 0);
    let mut gone = Vec::new();
    for host in 0..100 {
        gone.extend(glean(&mut hold, 1, host, u32::from(host), 0).1);
    }
    // 16 keys, one taken by interface 2: the scan stops growing when it holds what is still free.
    assert_eq!(hold.keys(), 1 + 8);
    assert_eq!(gone.len(), 92);
    assert_eq!(gone[0], (0, Displaced::ByOther), "the oldest yields");
    assert!(gone.iter().all(|&(packet, _)| packet != 1007));
    assert_eq!(
        taken(&mut hold, 2, 200),
        [1007],
        "the other interface lost nothing"
    );
    // The newest of the scan are still there.
    assert_eq!(taken(&mut hold, 1, 99), [99]);
}

#[test]
fn a_gateway_never_yields_to_a_scan() {
    let mut hold = Hold::new(LIMITS, 1);
    assert_eq!(
        hold.push(key(1, 254), Origin::Gateway, 77, 0, |_, _| ()),
        Pushed::HeldRequest
    );
    for host in 0..100 {
        glean(&mut hold, 1, host, 0, 0);
    }
    assert_eq!(taken(&mut hold, 1, 254), [77]);
}

#[test]
fn gateways_alone_fill_the_share_and_the_packet_comes_back() {
    let mut hold = Hold::new(LIMITS, 1);
    let mut refused = 0;
    for host in 0..20 {
        match hold.push(key(1, host), Origin::Gateway, 5, 0, |_, _| {
            panic!("nothing may yield")
        }) {
            Pushed::Full(packet) => {
                assert_eq!(packet, 5);
                refused += 1;
            }
            _ => assert_eq!(refused, 0),
        }
    }
    assert_eq!((hold.keys(), refused), (8, 12));
}

#[test]
fn every_interface_always_finds_room() {
    let mut hold = Hold::new(LIMITS, 1);
    for iface in 0..3 {
        for host in 0..100 {
            glean(&mut hold, iface, host, 0, 0);
        }
    }
    let (pushed, gone) = glean(&mut hold, 3, 1, 9, 0);
    assert_eq!((pushed, gone), (Pushed::HeldRequest, vec![]));
}

#[test]
fn an_interface_out_of_range_is_refused() {
    let mut hold = Hold::new(LIMITS, 1);
    assert_eq!(glean(&mut hold, 4, 1, 9, 0).0, Pushed::Full(9));
    assert_eq!(hold.held(), 0);
}

#[test]
fn the_silent_are_given_up_after_the_timeout_oldest_first() {
    let mut hold = Hold::new(LIMITS, 1);
    for (host, now) in [(1, 0), (2, 10), (3, 300)] {
        glean(&mut hold, 1, host, u32::from(host), now);
    }
    let expired = |hold: &mut Hold<u32>, now, n| -> Vec<u32> {
        std::iter::from_fn(|| hold.expire_next(now))
            .take(n)
            .collect()
    };
    assert!(expired(&mut hold, 399, 10).is_empty());
    assert_eq!(expired(&mut hold, 500, 1), [1], "no more than the budget");
    assert_eq!(expired(&mut hold, 500, 10), [2]);
    assert_eq!(expired(&mut hold, 700, 10), [3]);
    assert_eq!(hold.held(), 0);
}

#[derive(Clone, Debug)]
enum Op {
    Push { iface: u16, host: u8, gateway: bool },
    Take { iface: u16, host: u8 },
    Expire,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0u16..5, 0u8..40, any::<bool>())
            .prop_map(|(iface, host, gateway)| Op::Push { iface, host, gateway: gateway && host < 3 }),
        3 => (0u16..5, 0u8..40).prop_map(|(iface, host)| Op::Take { iface, host }),
        1 => Just(Op::Expire),
    ]
}

proptest! {
    /// Against a plain map: no packet is lost or doubled, order holds, no bound is passed.
    #[test]
    fn every_packet_is_accounted_for(ops in prop::collection::vec(op(), 1..400)) {
        let mut hold = Hold::new(LIMITS, 99);
        let mut model: HashMap<Key, Vec<u32>> = HashMap::new();
        let mut serial = 0;
        let mut now = 0;
        for op in ops {
            now += 3;
            match op {
                Op::Push { iface, host, gateway } => {
                    serial += 1;
                    let origin = if gateway { Origin::Gateway } else { Origin::Glean };
                    let mut gone = Vec::new();
                    let pushed = hold.push(key(iface, host), origin, serial, now, |old, _| gone.push(old));
                    for old in gone {
                        let held = model.values_mut().find(|held| held.first() == Some(&old));
                        prop_assert!(held.is_some(), "displaced {} which was not an oldest", old);
                        held.unwrap().remove(0);
                    }
                    if pushed != Pushed::Full(serial) {
                        model.entry(key(iface, host)).or_default().push(serial);
                    }
                }
                Op::Take { iface, host } => {
                    let expected = model.remove(&key(iface, host)).unwrap_or_default();
                    prop_assert_eq!(taken(&mut hold, iface, host), expected);
                }
                Op::Expire => {
                    now += 350;
                    for _ in 0..3 {
                        let Some(packet) = hold.expire_next(now) else { break };
                        let held = model.values_mut().find(|held| held.first() == Some(&packet));
                        prop_assert!(held.is_some(), "{} was not an oldest", packet);
                        held.unwrap().remove(0);
                    }
                }
            }
            model.retain(|_, held| !held.is_empty());
            prop_assert_eq!(hold.held(), model.values().map(Vec::len).sum::<usize>());
            prop_assert_eq!(hold.keys(), model.len());
            prop_assert!(model.values().all(|held| held.len() <= LIMITS.per_key));
            prop_assert!(hold.keys() < LIMITS.keys);
        }
    }
}
