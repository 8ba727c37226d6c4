//! Links that come, change and go.

use super::*;

#[test]
fn a_link_that_is_not_configured_is_counted() {
    let mut bench = Bench::new(config());
    bench.event(Event::RemoveLink { link: LINK });
    let solicit = bytes(&message(Type::Solicit, 1, [na(5, &[])]));
    assert_eq!(bench.send(1, &solicit), []);
    assert_eq!(bench.machine.counters_elsewhere().unknown_link, 1);
    assert_eq!(bench.send(1, &[12]), []);
    assert_eq!(
        bench.machine.counters_elsewhere().invalid["short_message"],
        1
    );
}

#[test]
fn where_only_reservations_are_served_others_hear_nothing() {
    let mut config = config();
    config.subnets[0].pools.clear();
    config.reserved_only = true;
    config.reservations = vec![Reservation {
        name: "port".into(),
        mac: Some(mac(2)),
        addresses: vec![ip("2001:db8::c0de")],
        ..Reservation::default()
    }];
    let mut bench = Bench::new(config);
    for message in [
        message(Type::Solicit, 1, [na(5, &[])]),
        message(Type::InformationRequest, 1, []),
    ] {
        assert_eq!(bench.send(1, &bytes(&message)), []);
    }
    let counted: Vec<u64> = bench
        .machine
        .counters()
        .map(|(_, c)| c.not_reserved)
        .collect();
    assert_eq!(counted, [2]);
    let solicit = bytes(&message(Type::Solicit, 2, [na(5, &[])]));
    let advertised = bench.send(2, &solicit);
    let [Action::Send { payload, .. }] = &advertised[..] else {
        panic!("{advertised:?}");
    };
    let address = ip("2001:db8::c0de").octets();
    assert!(payload.windows(16).any(|bytes| bytes == address));
}

#[test]
fn a_faulty_configuration_changes_nothing() {
    let mut bench = Bench::new(config());
    let address = bench.lease(1, 5);
    let mut faulty = config();
    faulty.subnets[0].lifetimes.preferred = Duration::from_secs(100_000);
    let refused = bench.configure(LINK, faulty);
    assert!(
        matches!(&refused[..], [Action::Notice(Notice::ConfigRefused { link: LINK, faults })] if faults.len() == 1),
        "{refused:?}"
    );
    let reply = bench.ask(1, &to_server(Type::Renew, 1, [na(5, &[address])]));
    assert_eq!(leases(&nas(&reply)[0].opts), [(address, 43_200, 86_400)]);
}

#[test]
fn links_must_not_overlap() {
    let mut bench = Bench::new(config());
    let other = LinkId::Iface(IfaceId(2));
    let overlapping = Config {
        subnets: vec![Subnet {
            name: "other".into(),
            ..Subnet::new(net("2001:db8::/48"))
        }],
        ..Config::default()
    };
    let refused = bench.configure(other, overlapping);
    assert!(matches!(
        &refused[..],
        [Action::Notice(Notice::ConfigRefused { faults, .. })] if faults.len() == 1
    ));
    let same_name = Config {
        subnets: vec![Subnet {
            name: "2001:db8::/64".into(),
            ..Subnet::new(net("fd00::/64"))
        }],
        ..Config::default()
    };
    assert_eq!(bench.machine.conflicts(other, REALM, &same_name).len(), 1);
    assert_eq!(
        bench.machine.conflicts(LINK, REALM, &config()),
        [],
        "a link does not conflict with itself"
    );
    assert_eq!(bench.machine.links().count(), 1);
}

#[test]
fn a_pool_with_nothing_in_it_is_refused() {
    let mut bench = Bench::new(config());
    let mut empty = config();
    empty.subnets[0].exclude = empty.subnets[0].pools.clone();
    let refused = bench.configure(LINK, empty);
    let text = format!("{refused:?}");
    assert!(text.contains("subnets[0].pools"), "{text}");
}

#[test]
fn a_removed_link_takes_its_routes_along_and_keeps_its_leases() {
    let mut bench = Bench::new(config());
    let (address, prefix) = (bench.lease(1, 5), bench.delegate(1, 5, &[]));
    let gone = bench.event(Event::RemoveLink { link: LINK });
    assert_eq!(
        gone,
        [Action::RouteDown {
            prefix,
            vrf: VrfId(0)
        }]
    );
    assert_eq!(bench.machine.book().len(), 2);
    let back = bench.configure(LINK, config());
    assert!(
        matches!(back[..], [Action::RouteUp { prefix: p, .. }] if p == prefix),
        "{back:?}"
    );
    assert_eq!(bench.lease(1, 5), address);
}

#[test]
fn a_changed_pool_moves_clients_at_their_next_renewal() {
    let mut bench = Bench::new(config());
    let old = bench.lease(1, 5);
    let mut moved = config();
    moved.subnets[0].pools = vec![Range {
        start: ip("2001:db8::5000"),
        end: ip("2001:db8::5fff"),
    }];
    assert_eq!(bench.configure(LINK, moved.clone()), []);
    let reply = bench.ask(1, &to_server(Type::Renew, 1, [na(5, &[old])]));
    let got = leases(&nas(&reply)[0].opts);
    assert!(got.contains(&(old, 0, 0)), "{got:?}");
    assert_eq!(got.len(), 2);
    assert!(
        got.iter()
            .any(|l| l.2 > 0 && moved.subnets[0].pools[0].contains(l.0))
    );
    assert_eq!(bench.state(Resource::V6(old)), Some(State::Released));
}

#[test]
fn counters_survive_a_change_of_configuration() {
    let mut bench = Bench::new(config());
    bench.lease(1, 5);
    bench.configure(LINK, config());
    assert_eq!(bench.counters().requests, 1);
    let counted: u64 = bench.machine.counters().map(|(_, c)| c.requests).sum();
    assert_eq!(counted, 1);
}

#[test]
fn a_client_that_moves_gets_an_address_of_the_new_link() {
    let mut bench = Bench::new(config());
    let old = bench.lease(1, 5);
    let second = IfaceId(2);
    let there = Config {
        subnets: vec![Subnet {
            pools: vec![Range {
                start: ip("fd00::1000"),
                end: ip("fd00::1fff"),
            }],
            ..Subnet::new(net("fd00::/64"))
        }],
        ..Config::default()
    };
    bench.configure(LinkId::Iface(second), there);
    let mut ask = |message: &v6::Message| {
        let payload = bytes(message);
        let actions = bench.event(Event::Packet(Datagram {
            iface: second,
            src_mac: mac(1),
            src: link_local(1),
            src_port: 546,
            dst: ip(GROUP),
            payload: &payload,
        }));
        answer(&actions).unwrap()
    };
    let confirm = ask(&message(Type::Confirm, 1, [na(5, &[old])]));
    assert_eq!(status(confirm.opts()), Some(Status::NotOnLink));
    let new = ask(&to_server(Type::Request, 1, [na(5, &[])]));
    assert!(net("fd00::/64").contains(&addresses(&new)[0]));
    let release = ask(&to_server(Type::Release, 1, [na(6, &[old]), na(5, &[old])]));
    assert_eq!(status(release.opts()), Some(Status::Success));
    assert_eq!(
        bench.state(Resource::V6(old)),
        Some(State::Bound),
        "until it ends: DUIDs may be cloned"
    );
}

#[test]
fn routes_go_with_their_pool_and_move_with_their_router() {
    let mut bench = Bench::new(config());
    let prefix = bench.delegate(1, 5, &[]);
    let up = |actions: &[Action]| {
        actions.iter().find_map(|action| match action {
            Action::RouteUp { prefix: p, vrf, .. } if *p == prefix => Some(*vrf),
            _ => None,
        })
    };
    let down = |vrf| Action::RouteDown { prefix, vrf };
    let same = bench.configure(LINK, config());
    assert_eq!((up(&same), same.len()), (Some(VrfId(0)), 1));
    let moved = bench.event(Event::ConfigureLink {
        link: LINK,
        vrf: VrfId(3),
        realm: REALM,
        name: "lan".into(),
        config: Box::new(config()),
    });
    assert_eq!(moved[0], down(VrfId(0)));
    assert_eq!((up(&moved), moved.len()), (Some(VrfId(3)), 2));
    bench.configure(LINK, config());
    let without = Config {
        prefix_pools: vec![],
        ..config()
    };
    assert_eq!(bench.configure(LINK, without), [down(VrfId(0))]);
    assert_eq!(
        bench.state(Resource::Prefix(prefix)),
        Some(State::Bound),
        "the lease stays until it ends"
    );
    assert_eq!(up(&bench.configure(LINK, config())), Some(VrfId(0)));
}

#[test]
fn what_is_reserved_no_more_is_free_again() {
    let wish = ip("2001:db8::1001");
    let with = |addresses: Vec<Ipv6Addr>| Config {
        reservations: vec![Reservation {
            mac: Some(mac(1)),
            addresses,
            ..Reservation::default()
        }],
        ..config()
    };
    let mut bench = Bench::new(with(vec![wish]));
    let asks = message(Type::Solicit, 2, [na(5, &[wish])]);
    assert_ne!(addresses(&bench.ask(2, &asks)), [wish]);
    bench.configure(LINK, with(vec![ip("2001:db8::1002")]));
    assert_eq!(addresses(&bench.ask(2, &asks)), [wish]);
    let asks = message(Type::Solicit, 2, [na(5, &[ip("2001:db8::1002")])]);
    assert_ne!(addresses(&bench.ask(2, &asks)), [ip("2001:db8::1002")]);
}
