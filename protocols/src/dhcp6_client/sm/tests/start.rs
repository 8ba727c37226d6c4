//! From nothing to leases.

use super::*;

#[test]
fn solicit_advertise_request_reply() {
    let mut bench = Bench::new(Bench::usual());
    assert_eq!(bench.state(), State::Soliciting);
    let solicit = bench.until_sent(1);
    assert!(solicit.at <= Duration::from_secs(1), "{:?}", solicit.at);
    assert_eq!(solicit.options(1), [OURS]);
    assert!(solicit.options(2).is_empty());
    assert_eq!(solicit.options(8), [[0, 0]]);
    assert_eq!(solicit.options(3), [[words(&[IAID]), vec![0; 8]].concat()]);
    assert_eq!(solicit.options(25).len(), 1);
    let oro = solicit.options(6).concat();
    for code in [23_u8, 24, 31, 56, 67, 82] {
        assert!(oro.chunks(2).any(|c| c == [0, code]), "{code} in {oro:?}");
    }
    bench.answer(ADVERTISE, SERVER, &both());
    assert_eq!(bench.kinds(), [1], "others may still answer");
    let request = bench.until_sent(3);
    let waited = request.at - solicit.at;
    assert!(waited > Duration::from_secs(1) && waited <= Duration::from_millis(1100));
    assert_ne!(request.xid, solicit.xid);
    assert_eq!(request.options(2), [SERVER]);
    assert_eq!(request.leases(), ["2001:db8::7", "2001:db8:100::/56"]);
    let mut parts = both();
    parts.push(option(23, &ll("2001:db8::53").octets()));
    parts.push(option(24, b"\x07example\x03net\0"));
    bench.answer(REPLY, SERVER, &parts);
    let held = bench.held();
    assert_eq!(held.state, State::Bound);
    assert_eq!(held.server, Some(Duid::new(SERVER).unwrap()));
    assert_eq!(held.prefixes[0].iaid, IAID);
    let now = bench.wall();
    assert_eq!(held.addresses[0].preferred_until, now.after(3600));
    assert_eq!(held.prefixes[0].valid_until, now.after(7200));
    assert_eq!(
        (held.renew_at, held.rebind_at),
        (now.after(1800), now.after(2880))
    );
    assert_eq!(held.settings.dns_servers, [ll("2001:db8::53")]);
    assert_eq!(held.settings.domain_search, ["example.net".into()]);
    assert_eq!(bench.kept["wan0"].lease.prefixes, held.prefixes);
    let server = Duid::new(SERVER).unwrap();
    assert_eq!(
        bench.notices,
        [Notice::Bound {
            iface: IFACE,
            server
        }]
    );
    assert_eq!(
        bench.machine.next_deadline(),
        Some(bench.start + bench.at + until_second(&bench, 1800))
    );
}

/// From now until the wall clock has moved by `seconds` whole ones.
fn until_second(bench: &Bench, seconds: u64) -> Duration {
    let part = Duration::from_nanos(u64::from(bench.at.subsec_nanos()));
    Duration::from_secs(seconds) - part
}

#[test]
fn hints_go_out_and_each_prefix_has_its_number() {
    let mut bench = Bench::new(Config {
        address: false,
        prefixes: vec![
            PrefixHint {
                prefix: None,
                len: Some(56),
            },
            PrefixHint {
                prefix: Some(ll("2001:db8:7700::")),
                len: Some(48),
            },
            PrefixHint::default(),
        ],
        options: vec![64],
        ..Bench::usual()
    });
    let solicit = bench.until_sent(1);
    assert!(solicit.options(3).is_empty());
    assert_eq!(solicit.leases(), ["::/56", "2001:db8:7700::/48"]);
    let iaids: Vec<_> = solicit.options(25).iter().map(|ia| ia[3]).collect();
    assert_eq!(iaids, [70, 71, 72]);
    assert!(solicit.options(6).concat().ends_with(&[0, 64]));
    let parts = [
        ia_pd(70, 0, 0, &[prefix("2001:db8:1::/56", 100, 200)]),
        ia_pd(72, 0, 0, &[prefix("2001:db8:3::/64", 1000, 2000)]),
        option(64, b"aftr"),
    ];
    bench.answer(ADVERTISE, SERVER, &parts);
    bench.until_sent(3);
    bench.answer(REPLY, SERVER, &parts);
    let held = bench.held();
    let iaids: Vec<_> = held.prefixes.iter().map(|h| h.iaid).collect();
    assert_eq!(iaids, [70, 72]);
    assert_eq!(held.settings.options, [(64, Box::from(&b"aftr"[..]))]);
    // Half and four fifths of the shortest preferred lifetime.
    let now = bench.wall();
    assert_eq!(
        (held.renew_at, held.rebind_at),
        (now.after(50), now.after(80))
    );
}

#[test]
fn solicit_is_repeated_up_to_sol_max_rt_which_servers_may_set() {
    let mut bench = Bench::new(Bench::usual());
    bench.until(20_000.0);
    let at: Vec<_> = bench.sent.iter().map(|out| out.at.as_secs_f64()).collect();
    for (i, pair) in at.windows(2).enumerate() {
        let expected = f64::from(1 << i.min(12)).min(3600.0);
        let ratio = (pair[1] - pair[0]) / expected;
        assert!((0.6..1.7).contains(&ratio), "{i}: {ratio}");
    }
    assert!(bench.sent.iter().all(|out| out.xid == bench.sent[0].xid));
    assert_eq!(bench.sent[3].options(8).len(), 1);
    assert_ne!(bench.sent[3].options(8), [[0, 0]], "elapsed time grows");
    assert_eq!(bench.last().options(8), [[0xff, 0xff]], "and is capped");
    assert_eq!(bench.counters().retransmissions, at.len() as u64 - 1);
    // RFC 7083: also from a server that has nothing to give.
    let nothing = [ia_na(0, 0, &[status(2)]), option(82, &words(&[120]))];
    bench.answer(ADVERTISE, SERVER, &nothing);
    assert_eq!(bench.counters().empty_advertises, 1);
    assert_eq!(bench.counters().no_addrs_avail, 1);
    bench.until_sent(1);
    let (first, second) = (bench.until_sent(1), bench.until_sent(1));
    let gap = (second.at - first.at).as_secs_f64();
    assert!((108.0..=132.0).contains(&gap), "{gap}");
    bench.answer(ADVERTISE, SERVER, &[option(82, &words(&[59]))]);
    assert_eq!(bench.invalid(LeftOut::MaxRt.label()), 1);
}

#[test]
fn the_offer_of_all_wins_then_preference() {
    let preference = |p: u8| option(7, &[p]);
    let only_address = vec![both()[0].clone(), preference(200)];
    let mut better = both();
    better.push(preference(10));
    let mut bench = Bench::new(Bench::usual());
    bench.until_sent(1);
    bench.answer(ADVERTISE, &[0, 9, 9], &only_address);
    bench.answer(ADVERTISE, SERVER, &both());
    bench.answer(ADVERTISE, OTHER, &better);
    bench.answer(ADVERTISE, SERVER, &both());
    assert_eq!(bench.until_sent(3).options(2), [OTHER]);
    assert_eq!(bench.counters().advertises, 4);
}

#[test]
fn preference_255_is_taken_at_once() {
    let mut bench = Bench::new(Bench::usual());
    let solicit = bench.until_sent(1);
    let mut parts = both();
    parts.push(option(7, &[255]));
    bench.answer(ADVERTISE, SERVER, &parts);
    assert_eq!(bench.kinds(), [1, 3]);
    assert_eq!(bench.last().at, solicit.at);
}

#[test]
fn after_the_first_interval_the_first_offer_is_taken() {
    let mut bench = Bench::new(Bench::usual());
    bench.until_sent(1);
    let again = bench.until_sent(1);
    bench.answer(ADVERTISE, SERVER, &both());
    assert_eq!(bench.kinds(), [1, 1, 3]);
    assert_eq!(bench.last().at, again.at);
}

#[test]
fn rapid_commit_takes_a_reply_that_has_it_and_no_other() {
    let mut bench = Bench::new(Config {
        rapid_commit: true,
        ..Bench::usual()
    });
    let solicit = bench.until_sent(1);
    assert_eq!(solicit.options(14).len(), 1);
    bench.answer(REPLY, SERVER, &both());
    assert_eq!(bench.invalid(Invalid::Unexpected.label()), 1);
    assert_eq!(bench.state(), State::Soliciting);
    let mut parts = both();
    parts.push(option(14, &[]));
    bench.answer(REPLY, SERVER, &parts);
    assert_eq!(bench.state(), State::Bound);
    assert_eq!(bench.kinds(), [1]);
    // Who did not ask for it does not take it.
    let mut bench = Bench::new(Bench::usual());
    assert!(bench.until_sent(1).options(14).is_empty());
    bench.answer(REPLY, SERVER, &parts);
    assert_eq!(bench.state(), State::Soliciting);
}

#[test]
fn a_server_that_does_not_keep_its_word_is_asked_less_and_less() {
    let mut bench = Bench::new(Bench::usual());
    let none = [ia_na(0, 0, &[status(2)]), ia_pd(IAID, 0, 0, &[status(6)])];
    let mut waits = Vec::new();
    for _ in 0..8 {
        bench.until_sent(1);
        bench.answer(ADVERTISE, SERVER, &both());
        let request = bench.until_sent(3);
        bench.answer(REPLY, SERVER, &none);
        let next = bench.machine.next_deadline().unwrap() - bench.start;
        waits.push((next - request.at).as_secs_f64());
    }
    assert!(waits[0] >= 1.0 && waits[7] >= 128.0, "{waits:?}");
    assert_eq!(bench.counters().no_prefix_avail, 8);
    assert_eq!(bench.notices.len(), 8);
    // Another server comes before the one that refused, whatever it offers.
    bench.until_sent(1);
    bench.answer(ADVERTISE, SERVER, &both());
    bench.answer(ADVERTISE, OTHER, &both()[..1]);
    assert_eq!(bench.until_sent(3).options(2), [OTHER]);
}

#[test]
fn a_request_without_answer_ends_after_ten() {
    let mut bench = Bench::new(Bench::usual());
    bench.until_sent(1);
    bench.answer(ADVERTISE, SERVER, &both());
    bench.until_sent(3);
    bench.until_sent(1);
    assert_eq!(bench.kinds().iter().filter(|k| **k == 3).count(), 10);
    assert_eq!(bench.counters().exchanges_given_up, 1);
}

#[test]
fn unspec_fail_is_waited_out() {
    let mut bench = Bench::new(Bench::usual());
    bench.until_sent(1);
    bench.answer(ADVERTISE, SERVER, &both());
    let first = bench.until_sent(3);
    for code in [1, 99, 5] {
        bench.answer(REPLY, SERVER, &[status(code)]);
    }
    assert_eq!(bench.until_sent(3).xid, first.xid);
    assert_eq!(
        (bench.counters().unspec_fail, bench.counters().use_multicast),
        (2, 1)
    );
    bench.answer(REPLY, SERVER, &both());
    assert_eq!(bench.state(), State::Bound);
}

#[test]
fn not_on_link_begins_again() {
    let mut bench = Bench::new(Bench::usual());
    bench.until_sent(1);
    bench.answer(ADVERTISE, SERVER, &both());
    bench.until_sent(3);
    bench.answer(REPLY, SERVER, &[status(4)]);
    assert_eq!(bench.state(), State::Soliciting);
    assert_eq!(bench.counters().not_on_link, 1);
    assert!(bench.leases().is_empty());
}

#[test]
fn settings_only_are_refreshed_when_they_are_old() {
    let mut bench = Bench::new(Config {
        information_only: true,
        ..Bench::usual()
    });
    let asked = bench.until_sent(11);
    assert!(asked.options(3).is_empty() && asked.options(25).is_empty());
    assert!(asked.options(6).concat().chunks(2).any(|c| c == [0, 32]));
    bench.until_sent(11);
    let dns = |a: &str| option(23, &ll(a).octets());
    bench.answer(
        REPLY,
        SERVER,
        &[dns("2001:db8::53"), option(32, &words(&[700]))],
    );
    assert_eq!(bench.state(), State::Informed);
    assert_eq!(bench.held().settings.dns_servers, [ll("2001:db8::53")]);
    assert!(bench.kept.is_empty());
    let answered = bench.at;
    let again = bench.until_sent(11);
    assert_eq!(again.at - answered, Duration::from_secs(700));
    // A time below the minimum counts as the minimum, none as a day, infinity as never.
    bench.answer(
        REPLY,
        SERVER,
        &[dns("2001:db8::54"), option(32, &words(&[1]))],
    );
    assert_eq!(bench.until_sent(11).at - again.at, Duration::from_secs(600));
    let before = bench.at;
    bench.answer(REPLY, SERVER, &[dns("2001:db8::54")]);
    assert_eq!(
        bench.until_sent(11).at - before,
        Duration::from_secs(86_400)
    );
    bench.answer(
        REPLY,
        OTHER,
        &[dns("2001:db8::55"), option(32, &words(&[u32::MAX]))],
    );
    assert_eq!(bench.machine.next_deadline(), None);
    assert_eq!(bench.held().settings.dns_servers, [ll("2001:db8::55")]);
    // After a change of link they may be others.
    bench.down();
    bench.up();
    bench.until_sent(11);
}

#[test]
fn nothing_is_sent_without_a_link() {
    let mut bench = Bench::bare();
    bench.configure(Bench::usual());
    assert_eq!(bench.state(), State::Down);
    assert_eq!(bench.machine.next_deadline(), None);
    // A link may be up before it is an uplink.
    let mut bench = Bench::bare();
    bench.up();
    bench.configure(Bench::usual());
    bench.until_sent(1);
    bench.down();
    assert_eq!(bench.machine.next_deadline(), None);
}
