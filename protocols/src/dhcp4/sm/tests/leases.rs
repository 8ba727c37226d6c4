//! The life of a lease (RFC 2131 section 4.3).

use super::*;

#[test]
fn discover_offer_request_ack() {
    let mut bench = Bench::new(config(100));
    let discover = message(Type::Discover, 1, []);
    let actions = bench.broadcast(1, &discover);
    assert_eq!(writes(&actions), [], "an offer promises nothing");
    let offer = answer(&actions).unwrap();
    let address = offer.yiaddr();
    assert!(net("192.0.2.0/24").contains(&address));
    assert_eq!(way(&actions), (Some(mac(1)), address, 68), "without ARP");
    let option = |code| offer.opts().get(code).cloned();
    assert_eq!(
        option(OptionCode::ServerIdentifier),
        Some(DhcpOption::ServerIdentifier(SERVER))
    );
    assert_eq!(
        option(OptionCode::AddressLeaseTime),
        Some(DhcpOption::AddressLeaseTime(86_400))
    );
    assert_eq!(
        option(OptionCode::Renewal),
        Some(DhcpOption::Renewal(43_200))
    );
    assert_eq!(
        option(OptionCode::Rebinding),
        Some(DhcpOption::Rebinding(75_600))
    );
    assert_eq!(
        option(OptionCode::SubnetMask),
        Some(DhcpOption::SubnetMask(ip("255.255.255.0")))
    );
    assert_eq!(
        option(OptionCode::Router),
        Some(DhcpOption::Router(vec![SERVER]))
    );
    assert_eq!(bench.state(address), Some(State::Offered));

    let actions = bench.broadcast(1, &selecting(1, address));
    assert_eq!(writes(&actions).len(), 1);
    assert!(matches!(
        actions.last(),
        Some(Action::Send {
            after_commit: true,
            ..
        })
    ));
    assert_eq!(answer(&actions).unwrap().yiaddr(), address);
    assert_eq!(bench.state(address), Some(State::Bound));
    let counters = bench.counters();
    assert_eq!((counters.discovers, counters.offers), (1, 1));
    assert_eq!(
        (counters.requests, counters.acks, counters.leases_given),
        (1, 1, 1)
    );
}

#[test]
fn a_client_that_cannot_hear_unicast_is_answered_by_broadcast() {
    let mut bench = Bench::new(config(100));
    let mut discover = message(Type::Discover, 1, []);
    discover.set_flags(Flags::default().set_broadcast());
    let actions = bench.broadcast(1, &discover);
    let broadcast = (Some(MacAddr::BROADCAST), Ipv4Addr::BROADCAST, 68);
    assert_eq!(way(&actions), broadcast);
    assert!(answer(&actions).unwrap().flags().broadcast());
}

#[test]
fn no_address_twice_and_none_when_all_are_given() {
    let mut bench = Bench::new(config(3));
    let mut addresses: Vec<_> = (1..=3).map(|n| bench.lease(n)).collect();
    addresses.sort();
    assert_eq!(
        addresses,
        [ip("192.0.2.10"), ip("192.0.2.11"), ip("192.0.2.12")]
    );
    let actions = bench.broadcast(4, &message(Type::Discover, 4, []));
    let name = "192.0.2.0/24".to_owned();
    assert_eq!(actions, [Action::Notice(Notice::PoolUsedUp { name })]);
    assert_eq!(
        bench.broadcast(4, &message(Type::Discover, 4, [])),
        [],
        "said once"
    );
    assert_eq!(bench.counters().no_address, 2);
    // Everybody has what he had.
    assert_eq!(bench.lease(2), bench.lease(2));
    // What is asked for and somebody else's is not given.
    let nak = bench.ask(4, &selecting(4, addresses[0]));
    assert_eq!(kind(&nak), Type::Nak);
}

#[test]
fn renewing_and_rebinding_make_a_lease_last() {
    let mut bench = Bench::new(config(100));
    let address = bench.lease(1);
    bench.seconds(43_200);
    let actions = bench.renew(1, address);
    let ack = answer(&actions).unwrap();
    assert_eq!(
        (kind(&ack), ack.yiaddr(), ack.ciaddr()),
        (Type::Ack, address, address)
    );
    assert_eq!(way(&actions), (Some(mac(1)), address, 68));
    assert_eq!(writes(&actions).len(), 1);
    bench.seconds(75_600);
    let rebind = with_address(Type::Request, 1, address, []);
    let actions = bench.send(1, address, Ipv4Addr::BROADCAST, &bytes(&rebind));
    assert_eq!(kind(&answer(&actions).unwrap()), Type::Ack);
    assert_eq!(bench.counters().leases_renewed, 2);
    bench.seconds(86_400);
    assert_eq!(bench.state(address), Some(State::Released));
    assert_eq!(bench.counters().leases_expired, 1);
    // It comes late and gets it again, for nobody else has it.
    let actions = bench.renew(1, address);
    assert_eq!(kind(&answer(&actions).unwrap()), Type::Ack);
}

#[test]
fn a_client_that_starts_again_keeps_its_address_or_is_told_that_it_is_wrong() {
    let mut bench = Bench::new(config(100));
    let address = bench.lease(1);
    let reboot = |asked| message(Type::Request, 1, [DhcpOption::RequestedIpAddress(asked)]);
    let ack = bench.ask(1, &reboot(address));
    assert_eq!((kind(&ack), ack.yiaddr()), (Type::Ack, address));
    let actions = bench.broadcast(1, &reboot(ip("198.51.100.7")));
    let nak = answer(&actions).unwrap();
    assert_eq!((kind(&nak), nak.yiaddr()), (Type::Nak, ANY));
    assert_eq!(way(&actions).1, Ipv4Addr::BROADCAST);
    assert!(nak.opts().get(OptionCode::AddressLeaseTime).is_none());
    let nak = bench.ask(1, &reboot(ip("192.0.2.99")));
    assert_eq!(kind(&nak), Type::Nak, "it has another");
    assert_eq!(bench.counters().naks, 2);
}

#[test]
fn a_server_among_others_says_nothing_of_what_it_does_not_know() {
    let mut bench = Bench::new(Config {
        authoritative: false,
        ..config(100)
    });
    let reboot = |asked| {
        let asked = DhcpOption::RequestedIpAddress(asked);
        bytes(&message(Type::Request, 1, [asked]))
    };
    for asked in [ip("192.0.2.40"), ip("198.51.100.7")] {
        let actions = bench.send(1, ANY, Ipv4Addr::BROADCAST, &reboot(asked));
        assert_eq!(actions, []);
    }
    assert_eq!(bench.counters().unanswered, 2);
    let address = bench.lease(1);
    assert_ne!(address, ip("192.0.2.200"));
    let actions = bench.send(1, ANY, Ipv4Addr::BROADCAST, &reboot(ip("192.0.2.200")));
    let nak = answer(&actions).unwrap();
    assert_eq!(kind(&nak), Type::Nak, "it knows that client");
}

#[test]
fn released_and_declined() {
    let mut bench = Bench::new(config(2));
    let (one, two) = (bench.lease(1), bench.lease(2));
    let server = || DhcpOption::ServerIdentifier(SERVER);
    let release = bytes(&with_address(Type::Release, 1, one, [server()]));
    assert_eq!(bench.send(2, one, SERVER, &release).len(), 1);
    assert_eq!(bench.state(one), Some(State::Released));
    assert_eq!(bench.send(1, one, SERVER, &release), [], "a second time");
    let asked = DhcpOption::RequestedIpAddress(two);
    let decline = message(Type::Decline, 2, [server(), asked]);
    let actions = bench.broadcast(2, &decline);
    assert_eq!(bench.state(two), Some(State::Declined));
    assert!(
        matches!(&actions[1], Action::Notice(Notice::Declined { address, .. }) if *address == two)
    );
    // One has gone, two is in quarantine: the next client gets one, the one after it nothing.
    assert_eq!(bench.lease(3), one);
    assert!(answer(&bench.broadcast(2, &message(Type::Discover, 2, []))).is_none());
    bench.seconds(86_400 + 3600);
    assert!(answer(&bench.broadcast(2, &message(Type::Discover, 2, []))).is_some());
    // What is not one's own is neither released nor declined.
    let foreign = message(
        Type::Decline,
        9,
        [server(), DhcpOption::RequestedIpAddress(one)],
    );
    assert_eq!(bench.broadcast(9, &foreign), []);
    assert_eq!(bench.counters().no_binding, 2);
}

#[test]
fn settings_without_a_lease() {
    let mut bench = Bench::new(config(100));
    let address = ip("192.0.2.77");
    let inform = bytes(&with_address(Type::Inform, 1, address, []));
    let actions = bench.send(1, address, Ipv4Addr::BROADCAST, &inform);
    let ack = answer(&actions).unwrap();
    assert_eq!((kind(&ack), ack.yiaddr()), (Type::Ack, ANY));
    assert!(ack.opts().get(OptionCode::AddressLeaseTime).is_none());
    assert!(ack.opts().get(OptionCode::DomainNameServer).is_some());
    assert_eq!(way(&actions), (Some(mac(1)), address, 68));
    assert_eq!(bench.machine.book().len(), 0);
}

#[test]
fn a_client_is_its_identifier_and_not_its_mac() {
    let mut bench = Bench::new(config(100));
    let id = |id: u8| DhcpOption::ClientIdentifier(vec![0, id]);
    let one = bench.ask(1, &message(Type::Discover, 1, [id(1)]));
    assert_eq!(
        one.opts().get(OptionCode::ClientIdentifier),
        Some(&id(1)),
        "RFC 6842"
    );
    let two = bench.ask(1, &message(Type::Discover, 1, [id(2)]));
    assert_ne!(one.yiaddr(), two.yiaddr());
    let again = bench.ask(9, &message(Type::Discover, 9, [id(1)]));
    assert_eq!(again.yiaddr(), one.yiaddr());
    let plain = bench.ask(1, &message(Type::Discover, 1, []));
    assert!(plain.opts().get(OptionCode::ClientIdentifier).is_none());
}

#[test]
fn an_offer_that_another_server_wins_is_taken_back() {
    let mut bench = Bench::new(config(1));
    let offer = bench.ask(1, &message(Type::Discover, 1, []));
    let other = DhcpOption::ServerIdentifier(ip("192.0.2.250"));
    let asked = DhcpOption::RequestedIpAddress(ip("192.0.2.99"));
    let request = message(Type::Request, 1, [other, asked]);
    let actions = bench.broadcast(1, &request);
    assert!(answer(&actions).is_none());
    assert_eq!(bench.state(offer.yiaddr()), None);
    assert_eq!(bench.counters().other_server, 1);
    assert_eq!(bench.lease(2), offer.yiaddr());
}

#[test]
fn an_offer_does_not_last() {
    let mut bench = Bench::new(config(1));
    let offer = bench.ask(1, &message(Type::Discover, 1, []));
    assert!(answer(&bench.broadcast(2, &message(Type::Discover, 2, []))).is_none());
    bench.seconds(61);
    assert_eq!(bench.lease(2), offer.yiaddr());
}

#[test]
fn a_client_may_wish_for_an_address_and_for_less_time() {
    let mut bench = Bench::new(config(100));
    let wish = ip("192.0.2.42");
    let options = [
        DhcpOption::RequestedIpAddress(wish),
        DhcpOption::AddressLeaseTime(600),
    ];
    let offer = bench.ask(1, &message(Type::Discover, 1, options));
    assert_eq!(offer.yiaddr(), wish);
    assert_eq!(
        offer.opts().get(OptionCode::AddressLeaseTime),
        Some(&DhcpOption::AddressLeaseTime(600))
    );
    let more = DhcpOption::AddressLeaseTime(u32::MAX);
    let offer = bench.ask(2, &message(Type::Discover, 2, [more]));
    assert_eq!(
        offer.opts().get(OptionCode::AddressLeaseTime),
        Some(&DhcpOption::AddressLeaseTime(86_400))
    );
}

#[test]
fn a_rapid_commit_saves_two_messages_where_it_is_on() {
    let rapid = || {
        let mut discover = message(Type::Discover, 1, []);
        discover.opts_mut().insert(DhcpOption::RapidCommit);
        discover
    };
    let mut bench = Bench::new(config(100));
    assert_eq!(kind(&bench.ask(1, &rapid())), Type::Offer);
    let mut bench = Bench::new(Config {
        rapid_commit: true,
        ..config(100)
    });
    let actions = bench.broadcast(1, &rapid());
    assert_eq!(writes(&actions).len(), 1);
    let ack = answer(&actions).unwrap();
    assert_eq!(kind(&ack), Type::Ack);
    assert!(ack.opts().get(OptionCode::RapidCommit).is_some());
    assert_eq!(bench.state(ack.yiaddr()), Some(State::Bound));
}
