//! The store's word, the leases it held, the administrator, the clock.

use super::*;

#[test]
fn no_lease_is_given_before_the_stored_ones_are_there() {
    let (now, wall) = (Instant::now(), SystemTime::UNIX_EPOCH);
    let machine = Machine::new(identity(), 1, now, wall);
    let mut bench = Bench {
        iface: IFACE,
        machine,
        now,
        wall,
    };
    bench.configure(LINK, config());
    let solicit = bytes(&message(Type::Solicit, 1, [na(5, &[])]));
    assert_eq!(bench.send(1, &solicit), []);
    assert_eq!(bench.counters().not_loaded, 1);
    bench.ask(1, &message(Type::InformationRequest, 1, []));
    bench.event(Event::Loaded { leases: vec![] });
    assert!(answer(&bench.send(1, &solicit)).is_some());
}

#[test]
fn what_was_not_stored_is_taken_back() {
    let mut bench = Bench::new(config());
    let kept = bench.lease(1, 5);
    let before = bench.machine.book().get(REALM, Resource::V6(kept)).cloned();
    bench.pass(100);
    let mut failed = writes(&bench.send(1, &bytes(&to_server(Type::Renew, 1, [na(5, &[kept])]))));
    failed.extend(writes(
        &bench.send(2, &bytes(&to_server(Type::Request, 2, [na(5, &[])]))),
    ));
    failed.extend(writes(
        &bench.send(2, &bytes(&to_server(Type::Request, 2, [na(5, &[])]))),
    ));
    assert_eq!(failed.len(), 3);
    let said = bench.event(Event::StoreFailed { writes: failed });
    assert_eq!(said, [Action::Notice(Notice::RefusingService)]);
    assert_eq!(
        bench.machine.book().get(REALM, Resource::V6(kept)).cloned(),
        before
    );
    assert_eq!(bench.machine.book().len(), 1);

    let request = bytes(&to_server(Type::Request, 2, [na(5, &[])]));
    assert_eq!(bench.send(2, &request), [], "refused");
    assert_eq!(
        bench.send(2, &bytes(&message(Type::Solicit, 2, [na(5, &[])]))),
        []
    );
    assert_eq!(bench.counters().not_stored, 2);
    bench.ask(2, &message(Type::InformationRequest, 2, []));

    bench.pass(2);
    let again = writes(&bench.send(2, &request));
    assert_eq!(again.len(), 1, "a trial");
    assert_eq!(
        bench.event(Event::StoreFailed { writes: again }),
        [],
        "said once"
    );
    bench.pass(2);
    assert_eq!(writes(&bench.send(2, &request)).len(), 1);
    assert_eq!(
        bench.event(Event::Stored),
        [Action::Notice(Notice::ServiceResumed)]
    );
    assert_eq!(bench.event(Event::Stored), []);
}

#[test]
fn ends_that_cannot_be_stored_are_tried_again_later() {
    let mut bench = Bench::new(config());
    let address = bench.lease(1, 5);
    bench.pass(86_399);
    bench.advance(bench.now + Duration::from_secs(1));
    let ended = writes(&bench.event(Event::Timer));
    assert_eq!(ended.len(), 1);
    bench.event(Event::StoreFailed { writes: ended });
    assert_eq!(bench.state(Resource::V6(address)), Some(State::Bound));
    let due = bench.machine.next_deadline().unwrap();
    assert_eq!(due - bench.now, REFUSE_FOR, "no sooner");
    assert_eq!(bench.event(Event::Timer), []);
    bench.pass(2);
    assert_eq!(bench.state(Resource::V6(address)), Some(State::Released));
}

#[test]
fn a_restart_goes_on_where_the_last_run_ended() {
    let mut bench = Bench::new(config());
    let address = bench.lease(1, 5);
    let prefix = bench.delegate(1, 5, &[]);
    let leases: Vec<_> = bench.machine.book().iter().cloned().collect();
    let (now, wall) = (bench.now, bench.wall + Duration::from_secs(50));
    let mut bench = Bench {
        iface: IFACE,
        machine: Machine::new(identity(), 9, now, wall),
        now,
        wall,
    };
    bench.configure(LINK, config());
    let routes = bench.event(Event::Loaded { leases });
    let next_hop = NextHop {
        iface: "lan".into(),
        address: link_local(1),
    };
    let until = Wall::from(bench.wall - Duration::from_secs(50)).after(86_400);
    assert_eq!(
        routes,
        [Action::RouteUp {
            prefix,
            vrf: VrfId(0),
            next_hop,
            until
        }]
    );
    let reply = bench.ask(
        1,
        &to_server(Type::Renew, 1, [na(5, &[address]), pd(5, &[prefix])]),
    );
    assert_eq!(
        (addresses(&reply), prefixes_of(&reply)),
        (vec![address], vec![prefix])
    );
    assert_ne!(bench.lease(2, 5), address);
}

#[test]
fn leases_of_ipv4_are_not_ours() {
    let lease = Lease::bound(
        Resource::V4([192, 0, 2, 1].into()),
        lease::Holder {
            client: ClientId::new(&[1]).unwrap(),
            iaid: 0,
            kind: lease::Kind::V4,
        },
        ScopeId::of(REALM, "x"),
        Wall::EPOCH,
        Wall::NEVER,
        Wall::NEVER,
    );
    assert!(Bench::with(config(), vec![lease]).machine.book().is_empty());
}

#[test]
fn an_administrator_releases_and_gives() {
    let mut bench = Bench::new(config());
    let address = bench.lease(1, 5);
    let resource = Resource::V6(address);
    let lease = bench.machine.book().get(REALM, resource).unwrap().clone();
    let realm = REALM;
    let release = || Event::Release { realm, resource };
    assert_eq!(writes(&bench.event(release())).len(), 1);
    assert_eq!(bench.state(resource), Some(State::Released));
    assert_eq!(writes(&bench.event(release())).len(), 1);
    assert_eq!(bench.state(resource), None, "forgotten");
    assert_eq!(bench.event(release()), []);

    assert_eq!(
        writes(&bench.event(Event::Add {
            lease: Box::new(lease.clone())
        }))
        .len(),
        1
    );
    assert_eq!(bench.lease(1, 5), address);
    let mut others = lease.clone();
    others.holder.client = ClientId::new(&duid(2)).unwrap();
    let mut foreign = lease.clone();
    foreign.resource = Resource::V6(ip("2001:db8:1::1"));
    let mut unknown = lease;
    unknown.scope = ScopeId::of(REALM, "none");
    for (lease, why) in [
        (others, "somebody else has it"),
        (
            foreign,
            "its subnet or prefix pool is not served, or has no such resource",
        ),
        (
            unknown,
            "its subnet or prefix pool is not served, or has no such resource",
        ),
    ] {
        let resource = lease.resource;
        let actions = bench.event(Event::Add {
            lease: Box::new(lease),
        });
        assert_eq!(
            actions,
            [Action::Notice(Notice::NotAdded { resource, why })]
        );
    }
}

#[test]
fn a_given_prefix_must_not_overlap_a_delegated_one() {
    let mut bench = Bench::new(Config {
        prefix_pools: vec![PrefixPool {
            min_len: 48,
            max_len: 64,
            ..PrefixPool::new(net("2001:db8:8000::/40"), 56)
        }],
        ..config()
    });
    let prefix = bench.delegate(1, 5, &[]);
    let mut lease = bench
        .machine
        .book()
        .get(REALM, Resource::Prefix(prefix))
        .unwrap()
        .clone();
    lease.resource = Resource::Prefix(Ipv6Net::new(prefix.addr(), 48).unwrap().trunc());
    lease.holder.client = ClientId::new(&duid(2)).unwrap();
    let actions = bench.event(Event::Add {
        lease: Box::new(lease),
    });
    assert!(matches!(
        actions[..],
        [Action::Notice(Notice::NotAdded {
            why: "a part of it is delegated to somebody else",
            ..
        })]
    ));
}

#[test]
fn a_step_of_the_clock_moves_ends_by_no_more_than_itself() {
    let mut bench = Bench::new(config());
    let address = bench.lease(1, 5);
    bench.wall -= Duration::from_secs(1000);
    bench.event(Event::Timer);
    let due = bench.machine.next_deadline().unwrap() - bench.now;
    assert_eq!(due, Duration::from_secs(86_400 + 1000));
    bench.wall += Duration::from_secs(3000);
    bench.event(Event::Timer);
    let due = bench.machine.next_deadline().unwrap() - bench.now;
    assert_eq!(due, Duration::from_secs(86_400 - 2000));
    let reply = bench.ask(1, &to_server(Type::Renew, 1, [na(5, &[address])]));
    assert_eq!(
        leases(&nas(&reply)[0].opts),
        [(address, 43_200, 86_400)],
        "put right"
    );
}
