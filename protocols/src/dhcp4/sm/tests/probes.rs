//! Addresses are asked for before they are offered (RFC 2131 section 2.2).

use super::*;

fn probing() -> Bench {
    Bench::new(Config {
        probe: Some(Duration::from_millis(500)),
        ..config(3)
    })
}

/// The address that is asked for, and nothing sent.
fn probed(actions: &[Action]) -> Ipv4Addr {
    assert!(answer(actions).is_none(), "{actions:?}");
    let mut asked = actions.iter().filter_map(|action| match action {
        Action::Probe { iface, address } if *iface == IFACE => Some(*address),
        _ => None,
    });
    asked.next().unwrap_or_else(|| panic!("{actions:?}"))
}

#[test]
fn the_offer_waits_for_silence() {
    let mut bench = probing();
    let actions = bench.broadcast(1, &message(Type::Discover, 1, []));
    let address = probed(&actions);
    // The client tries again meanwhile: that is what is answered, once.
    let mut again = message(Type::Discover, 1, []);
    again.set_xid(77);
    assert_eq!(bench.broadcast(1, &again), []);
    assert_eq!(bench.machine.probes(), 1);
    let actions = bench.pass(Duration::from_millis(499));
    assert_eq!(actions, []);
    let actions = bench.pass(Duration::from_millis(1));
    let offer = answer(&actions).unwrap();
    assert_eq!(
        (kind(&offer), offer.xid(), offer.yiaddr()),
        (Type::Offer, 77, address)
    );
    assert_eq!(bench.machine.probes(), 0);
    assert_eq!(kind(&bench.ask(1, &selecting(1, address))), Type::Ack);
    // What the client has had is not asked for again.
    let offer = bench.ask(1, &message(Type::Discover, 1, []));
    assert_eq!(offer.yiaddr(), address);
    let counters = bench.counters();
    assert_eq!(
        (counters.probes, counters.discovers, counters.offers),
        (1, 3, 2)
    );
}

#[test]
fn an_address_that_somebody_answers_for_is_kept_away_and_the_next_one_tried() {
    let mut bench = probing();
    let first = probed(&bench.broadcast(1, &message(Type::Discover, 1, [])));
    let result = |address, by| Event::ProbeResult {
        iface: IFACE,
        address,
        by,
    };
    assert_eq!(bench.event(result(first, mac(1))), [], "the client itself");
    let actions = bench.event(result(first, mac(66)));
    let second = probed(&actions);
    assert_ne!(first, second);
    assert_eq!(bench.state(first), Some(State::Declined));
    assert_eq!(writes(&actions).len(), 1);
    let by = mac(66);
    assert!(actions.contains(&Action::Notice(Notice::Conflict { address: first, by })));
    let third = probed(&bench.event(result(second, by)));
    let actions = bench.event(result(third, by));
    assert!(answer(&actions).is_none(), "three are enough");
    assert_eq!(bench.counters().conflicts, 3);
    assert_eq!(bench.machine.probes(), 0);
    let actions = bench.event(result(third, by));
    assert_eq!(actions, [], "nobody asks for it any longer");
    assert_eq!(bench.seconds(1), []);
}

/// A client takes an offer that we do not remember: we have lost it, or never made it.
#[test]
fn an_address_that_was_never_offered_is_asked_for_before_it_is_given() {
    let mut bench = probing();
    let asked = Ipv4Addr::new(192, 0, 2, 11);
    let take = selecting(1, asked);
    assert_eq!(probed(&bench.broadcast(1, &take)), asked);
    // It says so again, and another wants the same.
    assert_eq!(bench.broadcast(1, &take), []);
    assert_eq!(kind(&bench.ask(2, &selecting(2, asked))), Type::Nak);
    let actions = bench.pass(Duration::from_millis(500));
    let ack = answer(&actions).unwrap();
    assert_eq!((kind(&ack), ack.yiaddr()), (Type::Ack, asked));
    assert_eq!(bench.state(asked), Some(State::Bound));
    // Somebody has it: the client has to begin anew.
    let asked = Ipv4Addr::new(192, 0, 2, 12);
    let take = selecting(3, asked);
    assert_eq!(probed(&bench.broadcast(3, &take)), asked);
    let taken = Event::ProbeResult {
        iface: IFACE,
        address: asked,
        by: mac(66),
    };
    let actions = bench.event(taken);
    assert_eq!(kind(&answer(&actions).unwrap()), Type::Nak);
    assert_eq!(bench.state(asked), Some(State::Declined));
}

/// INIT-REBOOT with an address of which nothing is known (RFC 2131 section 4.3.2): an answer that needs no probe, or none.
#[test]
fn an_address_that_is_only_claimed_is_not_asked_for() {
    let reboot = |asked| message(Type::Request, 1, [DhcpOption::RequestedIpAddress(asked)]);
    let mut bench = probing();
    assert_eq!(kind(&bench.ask(1, &reboot(ip("192.0.2.11")))), Type::Nak);
    let mut bench = Bench::new(Config {
        authoritative: false,
        probe: Some(Duration::from_millis(500)),
        ..config(3)
    });
    assert_eq!(bench.broadcast(1, &reboot(ip("192.0.2.11"))), []);
    assert_eq!((bench.machine.probes(), bench.counters().probes), (0, 0));
}

/// A port's address of which there is no record: its client starts again, or renews what another store remembers.
#[test]
fn a_reserved_address_without_a_lease_is_asked_for() {
    let address = ip("192.0.2.50");
    let port = || {
        Bench::new(Config {
            probe: Some(Duration::from_millis(500)),
            reservations: vec![Reservation {
                mac: Some(mac(7)),
                addresses: vec![address],
                ..Reservation::default()
            }],
            ..config(3)
        })
    };
    let reboot = message(Type::Request, 7, [DhcpOption::RequestedIpAddress(address)]);
    let mut bench = port();
    assert_eq!(probed(&bench.broadcast(7, &reboot)), address);
    let actions = bench.pass(Duration::from_millis(500));
    let ack = answer(&actions).unwrap();
    assert_eq!((kind(&ack), ack.yiaddr()), (Type::Ack, address));
    // Who renews uses the address, and answers for it: that is no conflict.
    let mut bench = port();
    assert_eq!(probed(&bench.renew(7, address)), address);
    let own = Event::ProbeResult {
        iface: IFACE,
        address,
        by: mac(7),
    };
    assert_eq!(bench.event(own), []);
    let actions = bench.pass(Duration::from_millis(500));
    assert_eq!(kind(&answer(&actions).unwrap()), Type::Ack);
    assert_eq!(bench.counters().conflicts, 0);
    // From then on it is remembered.
    let ack = answer(&bench.renew(7, address)).unwrap();
    assert_eq!((kind(&ack), ack.yiaddr()), (Type::Ack, address));
    // Somebody else has it: the client is told to give it up.
    let mut bench = port();
    assert_eq!(probed(&bench.broadcast(7, &reboot)), address);
    let taken = Event::ProbeResult {
        iface: IFACE,
        address,
        by: mac(66),
    };
    let actions = bench.event(taken);
    assert_eq!(kind(&answer(&actions).unwrap()), Type::Nak);
    assert_eq!(bench.state(address), Some(State::Declined));
}

#[test]
fn a_rapid_commit_waits_as_well() {
    let mut bench = Bench::new(Config {
        rapid_commit: true,
        probe: Some(Duration::from_millis(500)),
        ..config(3)
    });
    let mut discover = message(Type::Discover, 1, []);
    discover.opts_mut().insert(DhcpOption::RapidCommit);
    let address = probed(&bench.broadcast(1, &discover));
    assert_eq!(bench.broadcast(1, &discover), []);
    let actions = bench.seconds(1);
    assert_eq!(kind(&answer(&actions).unwrap()), Type::Ack);
    assert_eq!(bench.state(address), Some(State::Bound));
}

#[test]
fn a_link_that_goes_takes_its_questions_along() {
    let mut bench = probing();
    probed(&bench.broadcast(1, &message(Type::Discover, 1, [])));
    bench.event(Event::RemoveLink { link: LINK });
    assert_eq!(bench.seconds(1), []);
    assert_eq!(bench.machine.probes(), 0);
}
