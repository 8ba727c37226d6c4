//! Renew, Rebind, restarts, links, renumbering.

use super::*;

#[test]
fn renew_at_t1_makes_it_last_longer() {
    let mut bench = Bench::bound();
    let bound = bench.at;
    let renew = bench.until_sent(5);
    let after = renew.at - bound;
    assert!(after > Duration::from_secs(1799) && after <= Duration::from_secs(1800));
    assert_eq!(renew.options(2), [SERVER]);
    assert_eq!(renew.leases(), ["2001:db8::7", "2001:db8:100::/56"]);
    assert_eq!(bench.state(), State::Renewing);
    let before = bench.held().clone();
    bench.answer(REPLY, SERVER, &both());
    assert_eq!(bench.state(), State::Bound);
    let later = before.prefixes[0].valid_until.after(1800);
    assert_eq!(bench.held().prefixes[0].valid_until, later);
    assert_eq!(bench.kept["wan0"].lease.prefixes[0].valid_until, later);
    assert_eq!(bench.counters().leases_renewed, 2);
    assert_eq!(bench.counters().leases_new, 2);
}

#[test]
fn a_server_that_vanishes_is_asked_then_all_then_a_new_one_is_found_while_the_old_lease_lives() {
    let mut bench = Bench::bound();
    let bound = bench.at.as_secs_f64();
    let rebind = bench.until_sent(6);
    assert!((rebind.at.as_secs_f64() - bound - 2880.0).abs() < 1.5);
    assert!(rebind.options(2).is_empty());
    assert_eq!(rebind.leases(), ["2001:db8::7", "2001:db8:100::/56"]);
    let solicit = bench.until_sent(1);
    let after = solicit.at.as_secs_f64() - bound;
    assert!((3600.0..3603.0).contains(&after), "{after}");
    assert_eq!(bench.leases(), ["-2001:db8::7", "-2001:db8:100::/56"]);
    assert_eq!(
        solicit.leases(),
        ["2001:db8::7", "2001:db8:100::/56"],
        "as hints"
    );
    // Another server gives other things: the old ones stay, deprecated, until their end.
    let new = [
        ia_na(1800, 2880, &[address("2001:db8:2::7", 3600, 7200)]),
        ia_pd(IAID, 1800, 2880, &[prefix("2001:db8:200::/56", 3600, 7200)]),
    ];
    bench.answer(ADVERTISE, OTHER, &new);
    bench.until_sent(3);
    bench.answer(REPLY, OTHER, &new);
    assert_eq!(
        bench.leases(),
        [
            "-2001:db8::7",
            "2001:db8:2::7",
            "-2001:db8:100::/56",
            "2001:db8:200::/56"
        ]
    );
    assert_eq!(
        bench.until_sent(5).leases(),
        ["2001:db8:2::7", "2001:db8:200::/56"]
    );
    bench.answer(REPLY, OTHER, &new);
    bench.until(bound + 7201.0);
    assert_eq!(bench.leases(), ["2001:db8:2::7", "2001:db8:200::/56"]);
    assert_eq!(bench.counters().leases_expired, 2);
}

#[test]
fn without_any_server_leases_run_out_and_are_forgotten() {
    let mut bench = Bench::bound();
    let bound = bench.at.as_secs_f64();
    bench.until(bound + 7199.0);
    assert_eq!(bench.leases().len(), 2);
    bench.until(bound + 7201.0);
    assert!(bench.leases().is_empty());
    assert!(bench.kept.is_empty());
    assert_eq!(bench.state(), State::Soliciting);
    assert!(bench.notices.contains(&Notice::Lost { iface: IFACE }));
    assert_eq!(bench.held().server, None);
}

#[test]
fn rebind_is_answered_by_another_server_which_is_renewed_from_then_on() {
    let mut bench = Bench::bound();
    bench.until_sent(6);
    bench.answer(REPLY, OTHER, &both());
    assert_eq!(bench.state(), State::Bound);
    assert_eq!(bench.until_sent(5).options(2), [OTHER]);
}

#[test]
fn renumbered_in_renew() {
    let mut bench = Bench::bound();
    bench.until_sent(5);
    let parts = [
        both()[0].clone(),
        ia_pd(
            IAID,
            1800,
            2880,
            &[
                prefix("2001:db8:100::/56", 0, 0),
                prefix("2001:db8:200::/56", 3600, 7200),
            ],
        ),
    ];
    bench.answer(REPLY, SERVER, &parts);
    assert_eq!(bench.leases(), ["2001:db8::7", "2001:db8:200::/56"]);
    assert_eq!(bench.counters().leases_withdrawn, 1);
    // Deprecated by the server, and still valid: it stays, and is not asked for again.
    bench.until_sent(5);
    let parts = [
        both()[0].clone(),
        ia_pd(
            IAID,
            1800,
            2880,
            &[
                prefix("2001:db8:200::/56", 0, 5000),
                prefix("2001:db8:300::/56", 3600, 7200),
            ],
        ),
    ];
    bench.answer(REPLY, SERVER, &parts);
    assert_eq!(
        bench.leases(),
        ["2001:db8::7", "-2001:db8:200::/56", "2001:db8:300::/56"]
    );
    assert_eq!(
        bench.until_sent(5).leases(),
        ["2001:db8::7", "2001:db8:300::/56"]
    );
}

#[test]
fn what_a_renew_does_not_name_stays_as_it_was() {
    let mut bench = Bench::bound();
    bench.until_sent(5);
    let before = bench.held().prefixes.clone();
    bench.answer(REPLY, SERVER, &both()[..1]);
    assert_eq!(bench.held().prefixes, before);
    assert_eq!(bench.state(), State::Bound);
}

#[test]
fn all_withdrawn_is_nothing_held() {
    let mut bench = Bench::bound();
    bench.until_sent(5);
    let parts = [
        ia_na(0, 0, &[address("2001:db8::7", 0, 0)]),
        ia_pd(IAID, 0, 0, &[prefix("2001:db8:100::/56", 0, 0)]),
    ];
    bench.answer(REPLY, SERVER, &parts);
    assert!(bench.leases().is_empty() && bench.kept.is_empty());
    assert_eq!(bench.state(), State::Soliciting);
    let at = bench.at;
    assert!(
        bench.until_sent(1).at >= at + Duration::from_secs(1),
        "not at once"
    );
}

#[test]
fn no_binding_is_a_request_for_all() {
    let mut bench = Bench::bound();
    bench.until_sent(5);
    let parts = [both()[0].clone(), ia_pd(IAID, 0, 0, &[status(3)])];
    bench.answer(REPLY, SERVER, &parts);
    assert_eq!(bench.last().kind, 3);
    assert_eq!(bench.last().options(2), [SERVER]);
    assert_eq!(bench.last().leases(), ["2001:db8::7", "2001:db8:100::/56"]);
    assert_eq!(bench.leases().len(), 2, "what there is goes on");
    let parts = [
        both()[0].clone(),
        ia_pd(IAID, 1800, 2880, &[prefix("2001:db8:200::/56", 3600, 7200)]),
    ];
    bench.answer(REPLY, SERVER, &parts);
    assert_eq!(
        bench.leases(),
        ["2001:db8::7", "-2001:db8:100::/56", "2001:db8:200::/56"]
    );
    assert_eq!(bench.counters().no_binding, 1);
}

#[test]
fn what_is_missing_does_not_hold_up_the_rest_and_is_asked_for_again() {
    let mut bench = Bench::new(Bench::usual());
    bench.until_sent(1);
    let long = |inner| ia_na(400_000, 600_000, &[inner]);
    let some = [
        long(address("2001:db8::7", 800_000, 900_000)),
        ia_pd(IAID, 0, 0, &[status(6)]),
    ];
    bench.answer(ADVERTISE, SERVER, &some);
    bench.until_sent(3);
    bench.answer(REPLY, SERVER, &some);
    assert_eq!(bench.leases(), ["2001:db8::7"]);
    let at = bench.at;
    let renew = bench.until_sent(5);
    assert!(renew.at - at <= Duration::from_secs(600));
    assert_eq!(renew.options(25).len(), 1);
    let all = [
        some[0].clone(),
        ia_pd(
            IAID,
            400_000,
            600_000,
            &[prefix("2001:db8:100::/56", 800_000, 900_000)],
        ),
    ];
    bench.answer(REPLY, SERVER, &all);
    assert_eq!(bench.leases(), ["2001:db8::7", "2001:db8:100::/56"]);
    assert_eq!(bench.held().renew_at, bench.wall().after(400_000));
}

#[test]
fn a_restart_with_prefixes_begins_with_rebind_and_tells_at_once() {
    let kept: Vec<_> = Bench::bound().kept.into_values().collect();
    let mut bench = Bench::bare();
    bench.at = Duration::from_secs(100);
    bench.event(Event::Restore(kept.clone()));
    bench.configure(Bench::usual());
    assert_eq!(bench.leases(), ["2001:db8::7", "2001:db8:100::/56"]);
    assert_eq!(bench.state(), State::Down);
    assert!(bench.kept.is_empty(), "nothing new to keep");
    bench.up();
    let rebind = bench.until_sent(6);
    assert_eq!(bench.kinds(), [6]);
    assert_eq!(rebind.leases(), ["2001:db8::7", "2001:db8:100::/56"]);
    bench.answer(REPLY, SERVER, &both());
    assert_eq!(bench.state(), State::Bound);
    // Nobody there: what is held stays as it was.
    let mut bench = Bench::bare();
    bench.event(Event::Restore(kept));
    bench.configure(Bench::usual());
    bench.up();
    bench.pass(20.0);
    assert_eq!(bench.state(), State::Bound);
    let rebinds = bench.kinds();
    assert!(
        rebinds.len() >= 3 && rebinds.iter().all(|k| *k == 6),
        "{rebinds:?}"
    );
    bench.until_sent(5);
}

#[test]
fn what_ran_out_while_the_process_was_away_is_not_restored() {
    let kept: Vec<_> = Bench::bound().kept.into_values().collect();
    let mut bench = Bench::bare();
    bench.at = Duration::from_secs(8000);
    bench.event(Event::Restore(kept.clone()));
    bench.configure(Bench::usual());
    bench.up();
    assert!(bench.leases().is_empty());
    assert_eq!(bench.until_sent(1).kind, 1);
    // Nor what is not asked for any more.
    let mut bench = Bench::bare();
    bench.event(Event::Restore(kept));
    bench.configure(Config {
        prefixes: Vec::new(),
        ..Bench::usual()
    });
    assert_eq!(bench.leases(), ["2001:db8::7"]);
}

fn only_address() -> Config {
    Config {
        prefixes: Vec::new(),
        ..Bench::usual()
    }
}

#[test]
fn a_link_that_was_down_is_confirmed_when_there_are_only_addresses() {
    let mut bench = Bench::new(only_address());
    bench.until_sent(1);
    bench.answer(ADVERTISE, SERVER, &both()[..1]);
    bench.until_sent(3);
    bench.answer(REPLY, SERVER, &both()[..1]);
    bench.down();
    assert_eq!(bench.state(), State::Down);
    assert_eq!(bench.leases().len(), 1, "it may come back");
    bench.up();
    let confirm = bench.until_sent(4);
    assert!(confirm.options(2).is_empty() && confirm.options(6).is_empty());
    assert_eq!(confirm.leases(), ["2001:db8::7"]);
    let held = bench.held().addresses.clone();
    bench.answer(REPLY, OTHER, &[status(0)]);
    assert_eq!(
        (bench.state(), &bench.held().addresses),
        (State::Bound, &held)
    );
    // On another link they are wrong.
    bench.down();
    bench.up();
    bench.until_sent(4);
    bench.answer(REPLY, SERVER, &[status(4)]);
    assert!(bench.leases().is_empty() && bench.kept.is_empty());
    assert_eq!(bench.until_sent(1).kind, 1);
}

#[test]
fn confirm_without_answer_changes_nothing() {
    let mut bench = Bench::new(only_address());
    bench.until_sent(1);
    bench.answer(ADVERTISE, SERVER, &both()[..1]);
    bench.until_sent(3);
    bench.answer(REPLY, SERVER, &both()[..1]);
    bench.down();
    bench.up();
    let first = bench.until_sent(4).at;
    bench.pass(12.0);
    assert_eq!(bench.state(), State::Bound);
    assert!(bench.last().at - first < Duration::from_secs(10));
    assert_eq!(bench.leases(), ["2001:db8::7"]);
    assert_eq!(bench.until_sent(5).kind, 5);
}

#[test]
fn a_clock_that_is_set_moves_the_ends_and_the_servers_are_asked() {
    let mut bench = Bench::bound();
    let left = bench.held().prefixes[0].valid_until.left(bench.wall());
    bench.step = -1_000_000;
    bench.event(Event::Timer);
    assert_eq!(
        bench.held().prefixes[0].valid_until.left(bench.wall()),
        left
    );
    assert_eq!(bench.kept["wan0"].lease.prefixes, bench.held().prefixes);
    assert!(bench.notices.contains(&Notice::ClockStep {
        seconds: -1_000_000
    }));
    bench.until_sent(6);
    bench.answer(REPLY, SERVER, &both());
    let at = bench.at;
    let renew = bench.until_sent(5);
    let after = (renew.at - at).as_secs_f64();
    assert!((1798.0..1801.0).contains(&after), "{after}");
    assert_eq!(bench.counters().clock_steps, 1);
}

#[test]
fn infinite_lifetimes_need_nothing() {
    let mut bench = Bench::new(Config {
        address: false,
        ..Bench::usual()
    });
    let forever = [ia_pd(
        IAID,
        0,
        0,
        &[prefix("2001:db8:1::/48", u32::MAX, u32::MAX)],
    )];
    bench.until_sent(1);
    bench.answer(ADVERTISE, SERVER, &forever);
    bench.until_sent(3);
    bench.answer(REPLY, SERVER, &forever);
    assert_eq!(bench.held().prefixes[0].valid_until, Wall::NEVER);
    assert_eq!(bench.held().renew_at, Wall::NEVER);
    assert_eq!(bench.machine.next_deadline(), None);
}
