//! The store's word, leases of an earlier life, and the administrator.

use super::*;

#[test]
fn nothing_is_given_before_the_leases_are_loaded() {
    let (now, wall) = (
        Instant::now(),
        SystemTime::UNIX_EPOCH + Duration::from_secs(9),
    );
    let identity = Identity {
        secret: [1, 2],
        retention: Duration::from_secs(60),
    };
    let machine = Machine::new(identity, 1, now, wall);
    let mut bench = Bench {
        iface: IFACE,
        machine,
        now,
        wall,
    };
    bench.configure(LINK, config(3));
    assert_eq!(bench.broadcast(1, &message(Type::Discover, 1, [])), []);
    assert_eq!(bench.counters().not_loaded, 1);
    let inform = bytes(&with_address(Type::Inform, 1, ip("192.0.2.77"), []));
    let actions = bench.send(1, ip("192.0.2.77"), SERVER, &inform);
    assert!(answer(&actions).is_some(), "settings are no leases");
}

#[test]
fn what_was_not_stored_was_not_given() {
    let mut bench = Bench::new(config(3));
    let address = bench.ask(1, &message(Type::Discover, 1, [])).yiaddr();
    let writes = writes(&bench.broadcast(1, &selecting(1, address)));
    let actions = bench.event(Event::StoreFailed { writes });
    assert_eq!(actions, [Action::Notice(Notice::RefusingService)]);
    assert_eq!(bench.state(address), Some(State::Offered));
    assert_eq!(bench.broadcast(1, &selecting(1, address)), []);
    assert_eq!(bench.counters().not_stored, 1);
    bench.seconds(2);
    let ack = bench.ask(1, &selecting(1, address));
    assert_eq!(kind(&ack), Type::Ack, "a trial");
    let resumed = [Action::Notice(Notice::ServiceResumed)];
    assert_eq!(bench.event(Event::Stored), resumed);
}

#[test]
fn leases_outlive_the_process_and_are_expired_after() {
    let mut bench = Bench::new(config(3));
    let address = bench.lease(1);
    let leases: Vec<Lease> = bench.machine.book().iter().cloned().collect();
    let mut next = Bench::with(config(3), leases.clone());
    let ack = answer(&next.renew(1, address)).unwrap();
    assert_eq!((kind(&ack), ack.yiaddr()), (Type::Ack, address));
    let mut late = Bench::with(config(3), leases);
    let actions = late.seconds(86_400);
    assert_eq!(writes(&actions).len(), 1);
    assert_eq!(late.state(address), Some(State::Released));
}

#[test]
fn an_administrator_gives_and_takes() {
    let mut bench = Bench::new(config(3));
    let address = bench.lease(1);
    let held = bench
        .machine
        .book()
        .get(REALM, Resource::V4(address))
        .unwrap()
        .clone();
    let add = |resource: &str, client: &str, scope: &str| {
        let mut lease = held.clone();
        lease.resource = resource.parse().unwrap();
        lease.holder.client = client.parse().unwrap();
        lease.scope = ScopeId::of(REALM, scope);
        Event::Add {
            lease: Box::new(lease),
        }
    };
    let scope = "192.0.2.0/24";
    let why = |actions: Vec<Action>| match actions.as_slice() {
        [Action::Notice(Notice::NotAdded { why, .. })] => *why,
        other => panic!("{other:?}"),
    };
    let taken = bench.event(add(&address.to_string(), "0102", scope));
    assert_eq!(why(taken), "somebody else has it");
    let elsewhere = bench.event(add("198.51.100.1", "0102", scope));
    assert_eq!(
        why(elsewhere),
        "its subnet is not served, or has no such address"
    );
    let added = bench.event(add("192.0.2.200", "0102", scope));
    assert_eq!(writes(&added).len(), 1);
    assert_eq!(bench.state(ip("192.0.2.200")), Some(State::Bound));
    let resource = Resource::V4(address);
    let realm = REALM;
    let release = || Event::Release { realm, resource };
    assert_eq!(writes(&bench.event(release())).len(), 1);
    assert_eq!(bench.state(address), Some(State::Released));
    assert_eq!(writes(&bench.event(release())).len(), 1);
    assert_eq!(bench.state(address), None);
    assert_eq!(bench.event(release()), []);
}
