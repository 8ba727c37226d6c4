//! What goes with its place, its network, or because somebody said so; and many stations.

use super::*;

#[test]
fn a_place_that_goes_takes_what_was_learned_there_and_nothing_else() {
    let mut bench = Bench::with(100, &[BLUE, RED]);
    bench.configure(BLUE, Config::default(), &[(mac(9), tunnel(1))]);
    for network in [BLUE, RED] {
        bench.heard(network, mac(1), tunnel(1));
        bench.heard(network, mac(2), tunnel(2));
        bench.heard(network, mac(3), tunnel(1));
    }
    let gone = |network| Event::PlaceGone {
        network,
        place: tunnel(1),
    };
    let done = bench.event(gone(Some(RED)));
    assert_eq!(done, [removed(RED, mac(1)), removed(RED, mac(3))]);
    let done = bench.event(gone(None));
    assert_eq!(done, [removed(BLUE, mac(1)), removed(BLUE, mac(3))]);
    assert_eq!(bench.count(BLUE, "vanished"), 2);
    assert_eq!(bench.place(BLUE, mac(9)), Some(tunnel(1)));
    bench.check();
    // Whoever was behind the dead peer speaks from elsewhere: that is no move.
    assert_eq!(
        bench.heard(BLUE, mac(1), tunnel(3)),
        [learned(BLUE, mac(1), tunnel(3))]
    );
    assert_eq!(bench.count(BLUE, "moved"), 0);
}

#[test]
fn a_flush_forgets_what_is_in_its_scope() {
    let mut bench = Bench::with(100, &[BLUE, RED]);
    let fill = |bench: &mut Bench| {
        for network in [BLUE, RED] {
            bench.configure(network, Config::default(), &[(mac(9), local(1))]);
            for n in 1..4 {
                bench.heard(network, mac(n), local(1 + n % 2));
            }
        }
    };
    let scope = |network, mac, place| Scope {
        network,
        mac,
        place,
    };
    for (scope, flushed) in [
        (scope(None, None, None), 6),
        (scope(Some(BLUE), None, None), 3),
        (scope(None, Some(mac(1)), None), 2),
        (scope(None, None, Some(local(2))), 4),
        (scope(Some(RED), None, Some(local(2))), 2),
        (scope(Some(RED), Some(mac(1)), Some(local(2))), 1),
        (scope(Some(RED), Some(mac(1)), Some(local(1))), 0),
        (scope(None, Some(mac(9)), None), 0),
        (scope(Some(NetworkId(7)), None, None), 0),
    ] {
        fill(&mut bench);
        assert_eq!(bench.machine.len(), 8);
        let shown = bench.show(scope);
        assert_eq!(shown.iter().filter(|s| !s.is_static).count(), flushed);
        let done = bench.event(Event::Flush(scope));
        assert_eq!(done.len(), flushed, "{scope:?}");
        assert!(bench.show(scope).iter().all(|station| station.is_static));
        bench.check();
    }
}

#[test]
fn a_network_that_goes_or_learns_no_more_leaves_nothing_learned() {
    let mut bench = Bench::with(100, &[BLUE, RED]);
    bench.configure(BLUE, Config::default(), &[(mac(9), router(1))]);
    bench.heard(BLUE, mac(1), local(1));
    bench.heard(RED, mac(1), local(1));
    let config = Config {
        learning: false,
        ..Config::default()
    };
    let done = bench.configure(BLUE, config, &[(mac(9), router(1))]);
    assert_eq!(done, [removed(BLUE, mac(1))]);
    assert_eq!(bench.heard(BLUE, mac(1), local(1)), []);
    assert_eq!(bench.count(BLUE, "ignored"), 1);
    let done = bench.event(Event::RemoveNetwork { network: BLUE });
    assert_eq!(done, [removed(BLUE, mac(9))]);
    let done = bench.event(Event::RemoveNetwork { network: RED });
    assert_eq!(done, [removed(RED, mac(1))]);
    assert_eq!(bench.machine.networks().count(), 0);
    assert_eq!(bench.machine.next_deadline(), None);
    bench.check();
}

/// Work is counted, not timed: the places that go cost by what is there, a tick by its budget.
#[test]
fn fifty_thousand_stations_behind_two_hundred_peers() {
    const STATIONS: u32 = 50_000;
    let networks: Vec<_> = (1..101).map(NetworkId).collect();
    let mut bench = Bench::with(STATIONS as usize, &networks);
    let of = |n: u32| (networks[n as usize % 100], mac(n));
    for n in 0..STATIONS {
        let (network, mac) = of(n);
        let done = bench.heard(network, mac, tunnel((n % 200) as u16));
        assert_eq!(done.len(), 1);
        bench.now += u32::from(n % 1000 == 0);
    }
    bench.check();
    for n in 0..STATIONS {
        let (network, mac) = of(n);
        assert_eq!(bench.heard(network, mac, tunnel((n % 200) as u16)), []);
    }
    for n in 0..STATIONS / 2 {
        let (network, mac) = of(n);
        bench.heard(network, mac, local(1));
    }
    bench.check();
    let gone = |place| Event::PlaceGone {
        network: None,
        place,
    };
    assert_eq!(bench.event(gone(tunnel(7))).len(), 125);
    assert_eq!(bench.event(gone(local(1))).len(), 25_000);
    bench.check();
    bench.now += 300;
    let mut ticks = 0;
    while bench
        .machine
        .next_deadline()
        .is_some_and(|due| due <= bench.now)
    {
        let (_, asked) = bench.age(1000);
        assert!(asked <= 1000);
        ticks += 1;
    }
    assert_eq!((ticks, bench.machine.len()), (25, 0));
    // Nothing of the crowd is kept.
    let kept = bench.machine.stations.networks.values();
    let kept = kept.map(|network| network.learned.capacity()).max();
    assert!(kept < Some(100), "{kept:?}");
}
