//! Routes to delegated prefixes (RFC 8987).

use super::*;

const A: &str = "2001:db8:a000::/56";
const B: &str = "2001:db8:b000::/56";
const C: &str = "2001:db8:c000::/56";
const UP_A: &str = "+2001:db8:a000::/56 lan fe80::c";
const DOWN_A: &str = "-2001:db8:a000::/56";

/// The client asks, and the server delegates.
fn delegate(bench: &mut Bench, prefixes: &[(&str, u32)]) -> Vec<Action> {
    bench.client(LAN, &message(Type::Request, 1, [pd(&[])]));
    bench.server(&reply("lan", &message(Type::Reply, 1, [pd(prefixes)])))
}

/// A message of another client or to it.
fn of_another(kind: Type, xid: u8, options: impl IntoIterator<Item = DhcpOption>) -> Vec<u8> {
    let mut message = v6::Message::new_with_id(kind, [0, 0, xid]);
    message
        .opts_mut()
        .insert(DhcpOption::ClientId(vec![0, 3, 0, 1, 8]));
    options.into_iter().for_each(|option| {
        message.opts_mut().insert(option);
    });
    bytes(&message)
}

#[test]
fn a_delegated_prefix_is_stored_before_its_client_hears_of_it() {
    let mut bench = Bench::new();
    let actions = delegate(&mut bench, &[(A, 100), (B, 50)]);
    assert_eq!(routes(&actions), [UP_A, "+2001:db8:b000::/56 lan fe80::c"]);
    let writes = writes(&actions);
    assert_eq!(writes.len(), 2);
    let lease = writes[0].after.as_ref().unwrap();
    assert_eq!(lease.resource, Resource::Prefix(net(A)));
    assert_eq!(lease.ends, Wall::from_secs(1_800_000_100));
    assert_eq!((lease.holder.iaid, lease.mac), (5, Some(mac(0xc))));
    assert!(sent(&actions).after_commit);
    assert!(matches!(actions.last(), Some(Action::Send { .. })));
    assert_eq!(bench.counters(LAN).prefixes_delegated, 2);
    // An Advertise promises nothing.
    let offer = reply("lan", &message(Type::Advertise, 1, [pd(&[(C, 9)])]));
    assert_eq!(routes(&bench.server(&offer)), [""; 0]);
    // Each ends when it said.
    assert_eq!(routes(&bench.pass(49)), [""; 0]);
    assert_eq!(routes(&bench.pass(1)), ["-2001:db8:b000::/56"]);
    assert_eq!(routes(&bench.pass(50)), [DOWN_A]);
    assert_eq!(bench.machine.next_deadline(), None);
    assert_eq!(bench.counters(LAN).prefixes_expired, 2);
}

#[test]
fn a_renewal_prolongs_it_and_leaves_the_route_alone() {
    let mut bench = Bench::new();
    delegate(&mut bench, &[(A, 100)]);
    bench.pass(50);
    let actions = delegate(&mut bench, &[(A, 100)]);
    assert_eq!(routes(&actions), [""; 0]);
    assert_eq!(writes(&actions).len(), 1);
    assert_eq!(routes(&bench.pass(99)), [""; 0]);
    assert_eq!(routes(&bench.pass(1)), [DOWN_A]);
    assert_eq!(bench.counters(LAN).prefixes_renewed, 1);
}

#[test]
fn a_lifetime_of_zero_takes_it_away_and_infinity_never() {
    let mut bench = Bench::new();
    delegate(&mut bench, &[(A, 100), (B, u32::MAX)]);
    assert_eq!(routes(&delegate(&mut bench, &[(A, 0)])), [DOWN_A]);
    assert_eq!(routes(&bench.pass(1_000_000)), [""; 0]);
    assert_eq!(bench.machine.prefixes().count(), 1);
    // What was never there is not taken away.
    assert_eq!(routes(&delegate(&mut bench, &[(A, 0)])), [""; 0]);
}

#[test]
fn it_goes_with_the_answer_to_its_release() {
    let mut bench = Bench::new();
    delegate(&mut bench, &[(A, 100), (B, 100)]);
    let release = message(Type::Release, 7, [pd(&[(A, 0)])]);
    assert_eq!(routes(&bench.client(LAN, &release)), [""; 0]);
    // The answer to something else.
    let other = reply("lan", &message(Type::Reply, 8, []));
    assert_eq!(routes(&bench.server(&other)), [""; 0]);
    let done = reply("lan", &message(Type::Reply, 7, []));
    let actions = bench.server(&done);
    assert_eq!(routes(&actions), [DOWN_A]);
    assert!(sent(&actions).after_commit);
    assert_eq!(bench.counters(LAN).prefixes_released, 1);
    // Said twice, it does no more.
    let actions = bench.server(&done);
    assert_eq!(
        (routes(&actions).len(), sent(&actions).after_commit),
        (0, false)
    );
    assert_eq!(bench.machine.prefixes().count(), 1);
}

#[test]
fn nobody_releases_the_prefix_of_another() {
    let mut bench = Bench::new();
    delegate(&mut bench, &[(A, 100)]);
    bench.client(LAN, &of_another(Type::Release, 7, [pd(&[(A, 0)])]));
    let actions = bench.server(&reply("lan", &of_another(Type::Reply, 7, [])));
    assert_eq!(routes(&actions), [""; 0]);
    assert_eq!(bench.machine.prefixes().count(), 1);
}

#[test]
fn what_cannot_be_stored_is_not_told_and_not_kept() {
    let mut bench = Bench::new();
    let writes = writes(&delegate(&mut bench, &[(A, 100)]));
    let out = bench.event(Event::StoreFailed { writes });
    assert_eq!(out, [Action::Notice(Notice::RefusingService)]);
    assert_eq!(bench.machine.prefixes().count(), 0);
    assert_eq!(delegate(&mut bench, &[(A, 100)]), []);
    bench.dropped(Some(LAN), Invalid::NotStored);
    // Others are served meanwhile.
    let actions = bench.server(&reply("lan", &message(Type::Reply, 1, [])));
    assert_eq!(sent(&actions).dst, ip(CLIENT));
    bench.pass(2);
    assert_eq!(routes(&delegate(&mut bench, &[(A, 100)])), [UP_A]);
    assert_eq!(
        bench.event(Event::Stored),
        [Action::Notice(Notice::ServiceResumed)]
    );
}

#[test]
fn an_end_that_cannot_be_stored_is_tried_again() {
    let mut bench = Bench::new();
    delegate(&mut bench, &[(A, 100)]);
    let writes = writes(&bench.pass(100));
    bench.event(Event::StoreFailed { writes });
    assert_eq!(bench.machine.prefixes().count(), 1);
    assert_eq!(routes(&bench.pass(1)), [""; 0]);
    assert_eq!(routes(&bench.pass(1)), [DOWN_A]);
}

#[test]
fn it_survives_a_restart() {
    let mut bench = Bench::new();
    let lease = writes(&delegate(&mut bench, &[(A, 100)]))[0]
        .after
        .clone()
        .unwrap();
    let mut bench = Bench::empty();
    bench.now = Duration::from_secs(10);
    bench.configure(LAN, "lan", config("lan"));
    assert_eq!(
        delegate(&mut bench, &[(B, 100)]),
        [],
        "the store has not been read"
    );
    bench.dropped(Some(LAN), Invalid::NotStored);
    let leases = vec![lease.clone()];
    assert_eq!(routes(&bench.event(Event::Loaded { leases })), [UP_A]);
    assert_eq!(routes(&bench.pass(89)), [""; 0]);
    assert_eq!(routes(&bench.pass(1)), [DOWN_A]);
    // Whichever comes first, configuration or store.
    let mut bench = Bench::empty();
    let leases = vec![lease];
    assert_eq!(routes(&bench.event(Event::Loaded { leases })), [""; 0]);
    assert_eq!(routes(&bench.configure(LAN, "lan", config("lan"))), [UP_A]);
    assert_eq!(routes(&bench.configure(LAN, "lan", config("lan"))), [""; 0]);
    let off = Config {
        routes: false,
        ..config("lan")
    };
    assert_eq!(routes(&bench.configure(LAN, "lan", off)), [DOWN_A]);
    bench.configure(LAN, "lan", config("lan"));
    assert_eq!(
        routes(&bench.event(Event::RemoveLink { link: LAN })),
        [DOWN_A]
    );
}

#[test]
fn a_client_that_moves_takes_its_route_along() {
    let mut bench = Bench::new();
    delegate(&mut bench, &[(A, 100)]);
    bench.client(GUESTS, &message(Type::Rebind, 1, [pd(&[])]));
    let answer = reply("guests", &message(Type::Reply, 1, [pd(&[(A, 100)])]));
    assert_eq!(
        routes(&bench.server(&answer)),
        ["+2001:db8:a000::/56 guests fe80::c"]
    );
    assert_eq!(
        routes(&bench.event(Event::RemoveLink { link: LAN })),
        [""; 0]
    );
}

#[test]
fn no_client_and_no_link_fills_the_memory() {
    let mut bench = Bench::new();
    let config = Config {
        max_prefixes: 3,
        max_prefixes_per_client: 2,
        ..config("lan")
    };
    bench.configure(LAN, "lan", config);
    assert_eq!(delegate(&mut bench, &[(A, 9), (B, 9), (C, 9)]), []);
    bench.dropped(Some(LAN), Invalid::TooManyPrefixes);
    assert_eq!(routes(&delegate(&mut bench, &[(A, 9), (B, 9)])).len(), 2);
    // Those that it has are renewed.
    assert_eq!(writes(&delegate(&mut bench, &[(A, 9), (B, 9)])).len(), 2);
    let prefixes = pd(&[("2001:db8:d000::/56", 9), ("2001:db8:e000::/56", 9)]);
    let answer = reply("lan", &of_another(Type::Reply, 1, [prefixes]));
    assert_eq!(bench.server(&answer), []);
    bench.dropped(Some(LAN), Invalid::TooManyPrefixes);
    for wrong in ["::/0", "ff00::/16", "fe80::/64", "2000::/3", "::/96"] {
        assert_eq!(delegate(&mut bench, &[(wrong, 9)]), [], "{wrong}");
        bench.dropped(Some(LAN), Invalid::Prefix);
    }
}

#[test]
fn routes_are_left_alone_where_they_are_switched_off() {
    let mut bench = Bench::new();
    bench.configure(
        LAN,
        "lan",
        Config {
            routes: false,
            ..config("lan")
        },
    );
    let actions = delegate(&mut bench, &[(A, 100)]);
    assert_eq!((routes(&actions).len(), writes(&actions).len()), (0, 0));
    assert!(!sent(&actions).after_commit);
}

#[test]
fn a_prefix_is_another_in_another_router() {
    let mut bench = Bench::new();
    bench.event(Event::ConfigureLink {
        link: GUESTS,
        vrf: VrfId(1),
        realm: RealmId(2),
        name: "guests".into(),
        config: Box::new(config("guests")),
    });
    delegate(&mut bench, &[(A, 100)]);
    // Their server, which has the same address as ours, delegates the same prefix.
    let ask = message(Type::Request, 1, [pd(&[])]);
    bench.client(GUESTS, &ask);
    let given = reply("guests", &message(Type::Reply, 1, [pd(&[(A, 50)])]));
    let actions = bench.server_of(VrfId(1), &given);
    assert_eq!(routes(&actions), ["+2001:db8:a000::/56 guests fe80::c"]);
    let write = &writes(&actions)[0];
    assert_eq!((write.realm, write.before.as_ref()), (RealmId(2), None));
    assert_eq!(bench.machine.prefixes().count(), 2);
    let down = |vrf| {
        let prefix = net(A);
        Action::RouteDown { prefix, vrf }
    };
    assert!(bench.pass(50).contains(&down(VrfId(1))));
    assert_eq!(bench.machine.prefixes().count(), 1);
    assert!(bench.pass(50).contains(&down(VrfId(0))));
}
