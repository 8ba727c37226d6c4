//! Release, Decline, changes of the configuration, a store that fails.

use super::*;

#[test]
fn removal_gives_back_what_was_held() {
    let mut bench = Bench::bound();
    bench.event(Event::Remove { iface: IFACE });
    let release = bench.last().clone();
    assert_eq!(release.kind, 8);
    assert_eq!(release.options(2), [SERVER]);
    assert_eq!(release.leases(), ["2001:db8::7", "2001:db8:100::/56"]);
    assert!(release.options(6).is_empty());
    assert_eq!(bench.state(), State::Removed);
    assert!(bench.leases().is_empty() && bench.kept.is_empty());
    let told = bench.held.len();
    bench.answer(REPLY, SERVER, &[status(0)]);
    assert_eq!(bench.machine.uplinks().count(), 0);
    assert_eq!(bench.machine.next_deadline(), None);
    assert_eq!(bench.held.len(), told);
}

#[test]
fn a_release_without_answer_ends_after_four() {
    let mut bench = Bench::bound();
    bench.event(Event::Remove { iface: IFACE });
    bench.pass(60.0);
    assert_eq!(bench.kinds().iter().filter(|k| **k == 8).count(), 4);
    assert_eq!(bench.machine.uplinks().count(), 0);
}

#[test]
fn removal_may_keep_the_lease_with_the_server() {
    let mut bench = Bench::bound_with(Config {
        release_on_removal: false,
        ..Bench::usual()
    });
    bench.event(Event::Remove { iface: IFACE });
    assert_eq!(bench.kinds(), [1, 3]);
    assert_eq!(bench.state(), State::Removed);
    assert_eq!(bench.machine.uplinks().count(), 0);
    // It can be an uplink again.
    bench.configure(Bench::usual());
    bench.until_sent(1);
}

#[test]
fn an_order_releases_and_another_goes_on() {
    let mut bench = Bench::bound();
    bench.event(Event::Release { iface: IFACE });
    assert_eq!((bench.last().kind, bench.state()), (8, State::Releasing));
    bench.answer(REPLY, SERVER, &[status(3)]);
    assert_eq!(bench.state(), State::Released);
    assert_eq!(bench.machine.next_deadline(), None);
    bench.down();
    bench.up();
    assert_eq!(
        (bench.state(), bench.machine.next_deadline()),
        (State::Released, None)
    );
    bench.event(Event::Renew { iface: IFACE });
    bench.until_sent(1);
    bench.answer(ADVERTISE, SERVER, &both());
    bench.until_sent(3);
    bench.answer(REPLY, SERVER, &both());
    bench.event(Event::Renew { iface: IFACE });
    assert_eq!((bench.last().kind, bench.state()), (5, State::Renewing));
}

#[test]
fn a_duplicate_address_is_declined_and_another_one_asked_for() {
    let mut bench = Bench::bound();
    let address = ll("2001:db8::7");
    bench.event(Event::AddressDuplicate {
        iface: IFACE,
        address,
    });
    let decline = bench.last().clone();
    assert_eq!(
        (decline.kind, decline.leases()),
        (9, vec!["2001:db8::7".to_owned()])
    );
    assert_eq!(decline.options(2), [SERVER]);
    assert!(decline.options(25).is_empty());
    assert_eq!(bench.leases(), ["2001:db8:100::/56"]);
    assert!(bench.kept["wan0"].lease.addresses.is_empty());
    bench.answer(REPLY, SERVER, &[status(0)]);
    let request = bench.last().clone();
    assert_eq!(
        (request.kind, request.leases()),
        (3, vec!["2001:db8:100::/56".to_owned()])
    );
    let other = [
        ia_na(1800, 2880, &[super::address("2001:db8::8", 3600, 7200)]),
        both()[1].clone(),
    ];
    bench.answer(REPLY, SERVER, &other);
    assert_eq!(bench.leases(), ["2001:db8::8", "2001:db8:100::/56"]);
    assert_eq!(bench.counters().leases_declined, 1);
    let not_ours = ll("2001:db8::99");
    bench.event(Event::AddressDuplicate {
        iface: IFACE,
        address: not_ours,
    });
    assert_eq!(bench.last().kind, 3);
}

#[test]
fn the_only_address_declined_is_a_new_search_after_a_while() {
    let mut bench = Bench::new(Config {
        prefixes: Vec::new(),
        ..Bench::usual()
    });
    let mut waits = Vec::new();
    for _ in 0..3 {
        bench.until_sent(1);
        bench.answer(ADVERTISE, SERVER, &both()[..1]);
        bench.until_sent(3);
        bench.answer(REPLY, SERVER, &both()[..1]);
        let address = ll("2001:db8::7");
        bench.event(Event::AddressDuplicate {
            iface: IFACE,
            address,
        });
        bench.answer(REPLY, SERVER, &[]);
        let next = bench.machine.next_deadline().unwrap() - bench.start;
        waits.push((next - bench.at).as_secs_f64());
    }
    assert!(waits.iter().all(|wait| *wait >= 1.0), "{waits:?}");
    assert!(bench.kept.is_empty());
}

#[test]
fn what_is_not_asked_for_any_more_is_given_back_and_the_rest_stays() {
    let mut bench = Bench::bound();
    bench.configure(Config {
        address: false,
        ..Bench::usual()
    });
    assert_eq!(
        (bench.last().kind, bench.last().leases()),
        (8, vec!["2001:db8::7".to_owned()])
    );
    assert_eq!(bench.leases(), ["2001:db8:100::/56"]);
    bench.answer(REPLY, SERVER, &[]);
    assert_eq!(bench.state(), State::Bound);
    // What is asked for from now on is got by Renew from the server there is (RFC 7550).
    bench.configure(Bench::usual());
    assert_eq!((bench.last().kind, bench.last().options(3).len()), (5, 1));
    bench.answer(REPLY, SERVER, &both());
    assert_eq!(bench.leases(), ["2001:db8::7", "2001:db8:100::/56"]);
    // The same again changes nothing.
    let (sent, told) = (bench.sent.len(), bench.held.len());
    bench.configure(Bench::usual());
    assert_eq!((bench.sent.len(), bench.held.len()), (sent, told));
}

#[test]
fn another_length_is_another_prefix() {
    let mut bench = Bench::bound();
    let longer = |len| Config {
        prefixes: vec![PrefixHint {
            prefix: None,
            len: Some(len),
        }],
        ..Bench::usual()
    };
    // What the server gave anyway stays.
    bench.configure(longer(56));
    assert_eq!(bench.leases().len(), 2);
    bench.configure(longer(48));
    assert_eq!((bench.last().kind, bench.leases().len()), (8, 1));
    bench.answer(REPLY, SERVER, &[]);
    assert_eq!(bench.last().kind, 3);
}

#[test]
fn from_leases_to_settings_only() {
    let mut bench = Bench::bound();
    bench.configure(Config {
        information_only: true,
        ..Bench::usual()
    });
    assert_eq!((bench.last().kind, bench.leases().len()), (8, 0));
    bench.answer(REPLY, SERVER, &[]);
    bench.until_sent(11);
    bench.answer(REPLY, SERVER, &[]);
    assert_eq!(bench.state(), State::Informed);
    bench.configure(Bench::usual());
    bench.until_sent(1);
}

#[test]
fn a_configuration_that_cannot_be_followed_changes_nothing() {
    let mut bench = Bench::bound();
    bench.configure(Config {
        prefixes: vec![
            PrefixHint {
                prefix: None,
                len: Some(65),
            },
            PrefixHint {
                prefix: Some(ll("fe80::")),
                len: Some(64),
            },
        ],
        options: vec![25],
        ..Bench::usual()
    });
    let Some(Notice::ConfigRefused { faults, .. }) = bench.notices.last() else {
        panic!("{:?}", bench.notices);
    };
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "prefix[0].length: 65 is not within 16 to 64",
            "prefix[1].prefix: fe80:: is no prefix that can be delegated",
            "options[0]: option 25 is of the protocol itself, or asked for anyway",
        ]
    );
    assert_eq!(bench.leases().len(), 2);
    let many = Config {
        prefixes: vec![PrefixHint::default(); 17],
        ..Bench::usual()
    };
    assert_eq!(
        many.validate()[0].to_string(),
        "prefix: 17 are more than 16"
    );
}

#[test]
fn leases_that_cannot_be_kept_are_used_and_kept_later() {
    let mut bench = Bench::bound();
    bench.event(Event::StoreFailed);
    bench.event(Event::StoreFailed);
    assert_eq!(bench.leases().len(), 2);
    assert_eq!(bench.notices[1..], [Notice::NotKept]);
    bench.kept.clear();
    bench.pass(31.0);
    assert_eq!(bench.kept.len(), 1, "it is tried again");
    bench.event(Event::Stored);
    assert_eq!(bench.notices.last(), Some(&Notice::KeptAgain));
    bench.kept.clear();
    bench.pass(100.0);
    assert!(bench.kept.is_empty());
}
