//! Configured stations, limits, and a table without room.

use super::*;

#[test]
fn a_configured_station_wins_over_what_is_heard() {
    let mut bench = Bench::with(10, &[BLUE]);
    bench.heard(BLUE, mac(1), local(1));
    let statics = [(mac(1), local(2)), (mac(9), router(4))];
    assert_eq!(
        bench.configure(BLUE, Config::default(), &statics),
        [
            entered(BLUE, mac(1), local(2)),
            entered(BLUE, mac(9), router(4))
        ]
    );
    for (address, at) in [
        (mac(1), local(1)),
        (mac(1), local(2)),
        (mac(9), tunnel(1)),
        (mac(9), local(1)),
    ] {
        assert_eq!(bench.heard(BLUE, address, at), []);
    }
    assert_eq!(bench.count(BLUE, "contradicted"), 3);
    bench.now += 10_000;
    assert_eq!(bench.age(10), (vec![], 0));
    // The same again changes nothing; another place is a move; what is not named goes.
    assert_eq!(bench.configure(BLUE, Config::default(), &statics), []);
    assert_eq!(
        bench.configure(BLUE, Config::default(), &[(mac(1), local(3))]),
        [removed(BLUE, mac(9)), entered(BLUE, mac(1), local(3))]
    );
    bench.check();
    let of = |place| Event::Static {
        network: BLUE,
        mac: mac(1),
        place,
    };
    assert_eq!(
        bench.event(of(Some(tunnel(2)))),
        [entered(BLUE, mac(1), tunnel(2))]
    );
    assert_eq!(bench.event(of(None)), [removed(BLUE, mac(1))]);
    assert_eq!(bench.event(of(None)), []);
    assert_eq!(
        bench.heard(BLUE, mac(1), local(1)),
        [learned(BLUE, mac(1), local(1))]
    );
    bench.check();
}

#[test]
fn what_cannot_be_followed_changes_nothing() {
    let mut bench = Bench::with(10, &[BLUE]);
    bench.configure(BLUE, Config::default(), &[(mac(1), local(1))]);
    let config = Config {
        ageing_time: 0,
        damping: Some(Damping {
            moves: 1,
            hold_down: 60,
            max_hold_down: 59,
            ..Damping::default()
        }),
        ..Config::default()
    };
    let statics = [(MacAddr::BROADCAST, local(1)), (mac(2), AttachId(0))];
    let told = bench.configure(BLUE, config, &statics);
    let [Notice::ConfigRefused { network, faults }] = notices(&told)[..] else {
        panic!("{told:?}");
    };
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(*network, BLUE);
    assert_eq!(
        faults,
        [
            "ageing_time: 0 is not within 1 to 1000000",
            "damping.moves: 1 is not within 2 to 65535",
            "damping.max_hold_down: 59 is not within 60 to 86400",
            "02:00:00:00:00:02 is nowhere",
            "ff:ff:ff:ff:ff:ff is not the address of one station",
        ]
    );
    let refused = |told: Vec<Action>, fault| {
        let Some(Notice::ConfigRefused { faults, .. }) = notices(&told).first().copied() else {
            panic!("{told:?}");
        };
        assert_eq!(faults[..], [fault]);
    };
    refused(
        bench.configure(NetworkId(0), Config::default(), &[]),
        ConfigError::NoNetwork,
    );
    let of = |network, place| Event::Static {
        network,
        mac: mac(5),
        place: Some(place),
    };
    refused(bench.event(of(RED, local(1))), ConfigError::NoNetwork);
    refused(
        bench.event(of(BLUE, AttachId(0))),
        ConfigError::Nowhere(mac(5)),
    );
    assert_eq!(bench.place(BLUE, mac(1)), Some(local(1)));
    bench.heard(BLUE, mac(3), local(1));
    assert_eq!(bench.machine.next_deadline(), Some(bench.now + 300));
    bench.check();
}

#[test]
fn at_its_limit_a_network_keeps_those_that_it_knows() {
    let mut bench = Bench::new(100);
    let of = |max_stations| Config {
        max_stations,
        ..Config::default()
    };
    bench.configure(BLUE, of(2), &[(mac(9), local(1))]);
    bench.configure(RED, Config::default(), &[]);
    for n in 0..2 {
        bench.heard(BLUE, mac(n), local(1));
        bench.now += 1;
    }
    assert_eq!(
        notices(&bench.heard(BLUE, mac(2), local(1))),
        [&Notice::Limit {
            network: BLUE,
            mac: mac(2),
            max_stations: 2,
            unsaid: 0
        }]
    );
    assert_eq!(bench.heard(BLUE, mac(3), local(1)), []);
    assert_eq!(bench.count(BLUE, "limited"), 2);
    // They may move, and others are not concerned.
    assert_eq!(
        bench.heard(BLUE, mac(0), local(2))[0],
        learned(BLUE, mac(0), local(2))
    );
    bench.heard(RED, mac(2), local(1));
    assert_eq!(bench.machine.len(), 4);
    // Lowered, it lets go of the one that was not heard longest; the configured one stays.
    assert_eq!(
        bench.configure(BLUE, of(1), &[(mac(9), local(1))]),
        [removed(BLUE, mac(1))]
    );
    assert_eq!(bench.count(BLUE, "evicted"), 1);
    let size = bench.machine.networks().next().unwrap().1;
    assert_eq!((size.learned, size.statics), (1, 1));
    bench.check();
}

#[test]
fn when_all_room_is_taken_a_configured_station_takes_that_of_a_learned_one() {
    let mut bench = Bench::with(2, &[BLUE, RED]);
    bench.heard(BLUE, mac(1), local(1));
    bench.now += 1;
    bench.heard(RED, mac(2), local(1));
    assert_eq!(
        notices(&bench.heard(RED, mac(3), local(1))),
        [&Notice::Full {
            network: RED,
            mac: mac(3),
            unsaid: 0
        }]
    );
    let of = |network, n| Event::Static {
        network,
        mac: mac(n),
        place: Some(local(7)),
    };
    // Its own room first.
    assert_eq!(bench.event(of(RED, 2)), [entered(RED, mac(2), local(7))]);
    assert_eq!(
        bench.event(of(RED, 4)),
        [removed(BLUE, mac(1)), entered(RED, mac(4), local(7))]
    );
    assert_eq!(bench.count(BLUE, "evicted"), 1);
    // Among configured ones nobody gives way: the last one waits, and nothing is learned in its place.
    let told = bench.event(of(BLUE, 5));
    assert!(matches!(notices(&told)[..], [Notice::StaticWaits { .. }]));
    assert_eq!(bench.heard(BLUE, mac(5), local(1)), []);
    assert!(bench.show(Scope::default())[0].waits);
    bench.check();
    bench.now += RETRY;
    assert_eq!(bench.age(10).0, []);
    let gone = Event::Static {
        network: RED,
        mac: mac(2),
        place: None,
    };
    bench.event(gone);
    assert_eq!(bench.machine.next_deadline(), Some(bench.now + RETRY));
    bench.now += RETRY;
    assert_eq!(bench.age(10).0, [entered(BLUE, mac(5), local(7))]);
    assert_eq!(bench.machine.next_deadline(), None);
    bench.check();
}

#[test]
fn what_the_table_refuses_is_not_believed() {
    let mut bench = Bench::with(10, &[BLUE]);
    bench.refuses = |n| n == 1 || n >= 7;
    assert_eq!(
        bench.heard(BLUE, mac(1), local(1)),
        [Action::Notice(Notice::Full {
            network: BLUE,
            mac: mac(1),
            unsaid: 0
        })]
    );
    bench.check();
    assert_eq!((bench.count(BLUE, "full"), bench.machine.len()), (1, 0));
    let statics: Vec<_> = (6..10).map(|n| (mac(n), local(1))).collect();
    bench.configure(BLUE, Config::default(), &statics);
    bench.check();
    assert_eq!((bench.count(BLUE, "full"), bench.machine.len()), (4, 1));
    // Tried in turn, each once a round, even if there is time for one at a time only.
    for round in 1..3 {
        bench.now += RETRY;
        for _ in 0..4 {
            bench.age(1);
        }
        assert_eq!(bench.count(BLUE, "full"), 4 + 3 * round);
        assert_eq!(bench.machine.next_deadline(), Some(bench.now + RETRY));
    }
    bench.refuses = |n| n == 9;
    bench.now += RETRY;
    assert_eq!(bench.age(10).0.len(), 2);
    bench.check();
    // One that goes while it waits is not tried again.
    bench.configure(BLUE, Config::default(), &statics[..3]);
    assert_eq!(bench.machine.next_deadline(), None);
    bench.check();
}
