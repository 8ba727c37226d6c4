//! Who is learned, who moves, who is held, and who is forgotten for being silent.

use super::*;

#[test]
fn a_station_is_learned_once_and_in_its_network_alone() {
    let mut bench = Bench::with(10, &[BLUE, RED]);
    assert_eq!(
        bench.heard(BLUE, mac(1), local(1)),
        [learned(BLUE, mac(1), local(1))]
    );
    assert_eq!(bench.heard(BLUE, mac(1), local(1)), []);
    assert_eq!(
        bench.heard(RED, mac(1), tunnel(1)),
        [learned(RED, mac(1), tunnel(1))]
    );
    assert_eq!(bench.heard(NetworkId(3), mac(1), local(1)), []);
    assert_eq!(bench.count(BLUE, "learned"), 1);
    assert_eq!(bench.machine.counters_elsewhere().ignored, 1);
    bench.check();
}

#[test]
fn what_is_no_station_and_what_is_no_place_is_not_learned() {
    let mut bench = Bench::with(10, &[BLUE]);
    for address in [MacAddr::ZERO, MacAddr::BROADCAST, MacAddr([1; 6])] {
        assert_eq!(bench.heard(BLUE, address, local(1)), []);
    }
    for place in [router(1), AttachId(0)] {
        assert_eq!(bench.heard(BLUE, mac(1), place), []);
    }
    let (_, counters) = bench.machine.counters().next().unwrap();
    assert_eq!(counters.invalid["address"], 3);
    assert_eq!(counters.invalid["place"], 2);
    assert!(bench.machine.is_empty());
}

#[test]
fn stations_move_between_devices_and_tunnels_and_people_hear_of_it_now_and_then() {
    let mut bench = Bench::with(10, &[BLUE]);
    bench.heard(BLUE, mac(1), local(1));
    let moved = |from, to, unsaid| {
        Action::Notice(Notice::Moved {
            network: BLUE,
            mac: mac(1),
            from,
            to,
            unsaid,
        })
    };
    assert_eq!(
        bench.heard(BLUE, mac(1), tunnel(1)),
        [
            learned(BLUE, mac(1), tunnel(1)),
            moved(local(1), tunnel(1), 0)
        ]
    );
    assert_eq!(
        bench.heard(BLUE, mac(1), tunnel(2)),
        [learned(BLUE, mac(1), tunnel(2))]
    );
    bench.now += SILENCE;
    assert_eq!(
        bench.heard(BLUE, mac(1), local(2)),
        [
            learned(BLUE, mac(1), local(2)),
            moved(tunnel(2), local(2), 1)
        ]
    );
    assert_eq!(bench.count(BLUE, "moved"), 3);
    assert_eq!(bench.show(Scope::default())[0].moves, 3);
    bench.check();
}

#[test]
fn a_station_that_moves_too_often_is_held_and_longer_each_time() {
    let mut bench = Bench::with(10, &[BLUE]);
    let places = [local(1), tunnel(1)];
    bench.heard(BLUE, mac(1), places[0]);
    let mut held = 0;
    for hold_down in [30, 60] {
        for n in 1..5 {
            bench.now += 1;
            bench.heard(BLUE, mac(1), places[n % 2]);
            assert_eq!(bench.place(BLUE, mac(1)), Some(places[n % 2]));
        }
        bench.now += 1;
        let told = bench.heard(BLUE, mac(1), places[1]);
        assert_eq!(
            told,
            [Action::Notice(Notice::Flapping {
                network: BLUE,
                mac: mac(1),
                at: places[0],
                other: places[1],
                hold_down,
                unsaid: 0,
            })]
        );
        held += 1;
        assert_eq!(bench.count(BLUE, "held"), held);
        assert_eq!(bench.show(Scope::default())[0].held, Some(hold_down));
        bench.now += hold_down - 1;
        assert_eq!(bench.heard(BLUE, mac(1), places[1]), []);
        assert_eq!(bench.place(BLUE, mac(1)), Some(places[0]));
        bench.now += 1;
        assert_eq!(bench.show(Scope::default())[0].held, None);
    }
    assert_eq!(bench.count(BLUE, "damped"), 4);
    assert_eq!(bench.count(BLUE, "moved"), 8);
    // Where nothing is damped it moves at once.
    let config = Config {
        damping: None,
        ..Config::default()
    };
    bench.configure(BLUE, config, &[]);
    for n in 0..20 {
        bench.heard(BLUE, mac(1), places[(n + 1) % 2]);
        assert_eq!(bench.place(BLUE, mac(1)), Some(places[(n + 1) % 2]));
    }
    bench.check();
}

#[test]
fn a_flush_frees_a_station_that_is_held() {
    let mut bench = Bench::with(10, &[BLUE]);
    for n in 0..6 {
        bench.heard(BLUE, mac(1), local(1 + n % 2));
    }
    assert_eq!(bench.heard(BLUE, mac(1), local(2)), []);
    let scope = Scope {
        network: Some(BLUE),
        mac: Some(mac(1)),
        place: None,
    };
    assert_eq!(bench.event(Event::Flush(scope)), [removed(BLUE, mac(1))]);
    assert_eq!(
        bench.heard(BLUE, mac(1), local(2)),
        [learned(BLUE, mac(1), local(2))]
    );
}

#[test]
fn a_station_ages_from_when_it_was_heard_last() {
    let mut bench = Bench::with(10, &[BLUE]);
    bench.heard(BLUE, mac(1), local(1));
    bench.heard(BLUE, mac(2), local(1));
    assert_eq!(bench.machine.next_deadline(), Some(bench.now + 300));
    bench.now += 100;
    bench.touch(BLUE, mac(2));
    bench.now += 199;
    assert_eq!(bench.age(10), (vec![], 0));
    bench.now += 1;
    assert_eq!(bench.age(10), (vec![removed(BLUE, mac(1))], 2));
    assert_eq!(bench.machine.next_deadline(), Some(bench.now + 100));
    assert_eq!(bench.show(Scope::default())[0].age, Some(200));
    bench.now += 100;
    assert_eq!(bench.age(10), (vec![removed(BLUE, mac(2))], 1));
    assert_eq!(bench.machine.next_deadline(), None);
    assert_eq!(bench.count(BLUE, "aged"), 2);
    bench.check();
}

#[test]
fn a_move_makes_a_station_young_and_a_clock_ahead_does_not_make_it_immortal() {
    let mut bench = Bench::with(10, &[BLUE]);
    bench.heard(BLUE, mac(1), local(1));
    bench.now += 299;
    bench.heard(BLUE, mac(1), local(2));
    bench.table.get_mut(&(BLUE, mac(1))).unwrap().seen = u32::MAX;
    bench.now += 299;
    assert_eq!(bench.age(10).0, []);
    bench.touch(BLUE, mac(1));
    bench.now += 300;
    assert_eq!(bench.age(10).0, [removed(BLUE, mac(1))]);
}

#[test]
fn ageing_does_no_more_than_its_budget_and_says_that_there_is_more() {
    let mut bench = Bench::with(1000, &[BLUE]);
    for n in 0..100 {
        bench.heard(BLUE, mac(n), local(1));
    }
    bench.now += 300;
    for n in 0..10 {
        assert!(bench.machine.next_deadline() <= Some(bench.now), "{n}");
        let (done, asked) = bench.age(10);
        assert_eq!((done.len(), asked), (10, 10));
        bench.check();
    }
    assert_eq!(
        (bench.machine.next_deadline(), bench.machine.len()),
        (None, 0)
    );
    assert_eq!(bench.age(0), (vec![], 0));
}

#[test]
fn a_new_ageing_time_holds_for_those_that_are_known() {
    let mut bench = Bench::with(10, &[BLUE]);
    bench.heard(BLUE, mac(1), local(1));
    bench.heard(BLUE, mac(2), local(1));
    let of = |ageing_time| Config {
        ageing_time,
        ..Config::default()
    };
    bench.now += 50;
    bench.touch(BLUE, mac(2));
    assert_eq!(bench.configure(BLUE, of(20), &[]), []);
    assert_eq!(bench.age(10).0, [removed(BLUE, mac(1))]);
    bench.configure(BLUE, of(1000), &[]);
    bench.now += 999;
    assert_eq!(bench.age(10).0, []);
    bench.now += 1;
    assert_eq!(bench.age(10).0, [removed(BLUE, mac(2))]);
    bench.check();
}
