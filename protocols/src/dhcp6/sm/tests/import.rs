//! Leases of a file: all or none, news only, and as good as granted ones.

use super::*;
use ::lease::{Conflict, ImportRefused, Imported};

/// Two subnets, of which one gives temporary addresses, a pool of prefixes, and something for client 9 alone.
fn served() -> Config {
    Config {
        subnets: vec![
            subnet(0x1000),
            Subnet {
                temporary: false,
                max_leases: 2,
                pools: vec![Range {
                    start: ip("2001:db8:1::10"),
                    end: ip("2001:db8:1::1f"),
                }],
                ..Subnet::new(net("2001:db8:1::/64"))
            },
            Subnet {
                stateful: false,
                ..Subnet::new(net("2001:db8:2::/64"))
            },
        ],
        reservations: vec![Reservation {
            name: "web".into(),
            mac: Some(mac(9)),
            addresses: vec![ip("2001:db8::80")],
            prefixes: vec![net("2001:db8:80ff::/48")],
            ..Reservation::default()
        }],
        prefix_pools: vec![PrefixPool {
            min_len: 48,
            max_len: 64,
            ..PrefixPool::new(net("2001:db8:8000::/40"), 56)
        }],
        ..Config::default()
    }
}

fn lease(bench: &Bench, resource: &str, n: u8, scope: &str) -> Lease {
    let resource: Resource = resource.parse().unwrap();
    let now = Wall::from(bench.wall);
    let holder = ::lease::Holder {
        client: ClientId::new(&duid(n)).unwrap(),
        iaid: 5,
        kind: match resource {
            Resource::Prefix(_) => ::lease::Kind::Pd,
            _ => ::lease::Kind::Na,
        },
    };
    let next_hop = matches!(resource, Resource::Prefix(_)).then(|| {
        Box::new(NextHop {
            iface: "lan".into(),
            address: link_local(n),
        })
    });
    Lease {
        mac: Some(mac(n)),
        next_hop,
        ..Lease::bound(
            resource,
            holder,
            ScopeId::of(REALM, scope),
            now,
            now.after(1800),
            now.after(3600),
        )
    }
}

fn import(bench: &mut Bench, leases: &[Lease]) -> Vec<Action> {
    let leases = leases.to_vec();
    bench.event(Event::Import { leases })
}

/// What stood against an import, which did nothing else.
fn faults(actions: &[Action]) -> Vec<String> {
    let [Action::Notice(Notice::NotImported { why })] = actions else {
        panic!("{actions:?}");
    };
    let ImportRefused::Conflicts(conflicts) = why else {
        panic!("{why:?}");
    };
    let text = |c: &Conflict| format!("{} {}: {}", c.index, c.field, c.why);
    conflicts.iter().map(text).collect()
}

fn done(added: usize, replaced: usize, unchanged: usize) -> Action {
    Action::Notice(Notice::Imported(Imported {
        added,
        replaced,
        unchanged,
    }))
}

#[test]
fn an_empty_server_goes_on_where_another_ended() {
    let mut first = Bench::new(config());
    let (address, prefix) = (first.lease(1, 5), first.delegate(1, 5, &[]));
    let mut leases: Vec<Lease> = first.machine.book().iter().cloned().collect();
    leases.sort_by_key(|lease| lease.resource);

    let mut bench = Bench::new(config());
    let actions = import(&mut bench, &leases);
    assert_eq!(writes(&actions).len(), 2);
    assert!(writes(&actions).iter().all(Write::is_durable));
    let route = Action::RouteUp {
        prefix,
        vrf: VrfId(0),
        next_hop: NextHop {
            iface: "lan".into(),
            address: link_local(1),
        },
        until: Wall::from(bench.wall).after(86_400),
    };
    assert_eq!(actions[2..], [route, done(2, 0, 0)]);
    assert_eq!(bench.counters().leases_imported, 2);

    // A second time it is no news.
    assert_eq!(import(&mut bench, &leases), [done(0, 0, 2)]);
    // The client renews what it has, and nobody else gets it.
    let renew = to_server(Type::Renew, 1, [na(5, &[address]), pd(5, &[prefix])]);
    let reply = bench.ask(1, &renew);
    assert_eq!(
        (addresses(&reply), prefixes_of(&reply)),
        (vec![address], vec![prefix])
    );
    let wish = message(Type::Solicit, 2, [na(5, &[address]), pd(5, &[prefix])]);
    let advertise = bench.ask(2, &wish);
    assert!(!addresses(&advertise).contains(&address));
    assert!(!prefixes_of(&advertise).contains(&prefix));
}

#[test]
fn one_that_cannot_be_keeps_all_out_and_each_is_told() {
    let mut bench = Bench::new(served());
    let taken = bench.lease(1, 5);
    let delegated = bench.delegate(1, 5, &[net("::/48")]);
    let before: Vec<Lease> = bench.machine.book().iter().cloned().collect();
    let (lan, pool) = ("2001:db8::/64", "2001:db8:8000::/40");
    let far = {
        let mut far = lease(&bench, "2001:db8:8011::/48", 3, pool);
        far.next_hop = Some(Box::new(NextHop {
            iface: "wan".into(),
            address: link_local(3),
        }));
        far
    };
    let temporary = {
        let mut temporary = lease(&bench, "2001:db8:1::14", 3, "2001:db8:1::/64");
        temporary.holder.kind = ::lease::Kind::Ta;
        temporary
    };
    let inside = net(&delegated.to_string().replace("::/48", ":100::/56"));
    let leases = [
        lease(&bench, "2001:db8::1007", 2, lan),
        lease(&bench, &taken.to_string(), 2, lan),
        lease(&bench, "2001:db8::1008", 2, "guests"),
        lease(&bench, "2001:db8::1008", 2, pool),
        lease(&bench, "2001:db8::9", 2, lan),
        lease(&bench, "2001:db8::80", 2, lan),
        lease(&bench, "2001:db8:2::1", 2, "2001:db8:2::/64"),
        temporary,
        lease(&bench, "2001:db8:80ff:100::/56", 2, pool),
        lease(&bench, "2001:db8:8002::/47", 2, pool),
        lease(&bench, &inside.to_string(), 2, pool),
        far,
        lease(&bench, "2001:db8:1::11", 1, "2001:db8:1::/64"),
    ];
    let until = Wall::from(bench.wall).after(86_400);
    let client = "00030001020000000001";
    assert_eq!(
        faults(&import(&mut bench, &leases)),
        [
            format!("1 resource: {client} has {taken} until {until}"),
            "2 scope: no subnet or prefix pool of this name is served".into(),
            "3 resource: it is not in 2001:db8:8000::/40".into(),
            "4 resource: no pool of 2001:db8::/64 has it".into(),
            "5 resource: it is reserved for port web".into(),
            "6 scope: 2001:db8:2::/64 gives no addresses".into(),
            "6 resource: no pool of 2001:db8:2::/64 has it".into(),
            "7 kind: 2001:db8:1::/64 gives no temporary addresses".into(),
            "8 resource: a part of it is reserved".into(),
            "9 resource: no pool of 2001:db8:8000::/40 has it".into(),
            format!("10 resource: {client} has {delegated} until {until}"),
            "11 next_hop_interface: no interface wan is served".into(),
            "12 scope: it has room for 2 leases, and has 1 already".into(),
        ]
    );
    let after: Vec<Lease> = bench.machine.book().iter().cloned().collect();
    assert_eq!(after, before, "nothing was changed");
    assert_eq!(bench.counters().leases_imported, 0);

    // The first is in order, and what is reserved is its owner's.
    let owned = lease(&bench, "2001:db8::80", 9, lan);
    let good = [leases[0].clone(), owned];
    let actions = import(&mut bench, &good);
    assert_eq!(actions.last(), Some(&done(2, 0, 0)));
}

#[test]
fn before_the_stored_leases_are_there_nothing_is_imported() {
    let (now, wall) = (Instant::now(), SystemTime::UNIX_EPOCH);
    let machine = Machine::new(identity(), 1, now, wall);
    let mut bench = Bench {
        iface: IFACE,
        machine,
        now,
        wall,
    };
    bench.configure(LINK, served());
    let lease = lease(&bench, "2001:db8::1007", 2, "2001:db8::/64");
    let why = ImportRefused::NotLoaded;
    let refused = Action::Notice(Notice::NotImported { why });
    assert_eq!(import(&mut bench, &[lease]), [refused]);
    assert!(bench.machine.book().is_empty());
}

#[test]
fn what_is_withdrawn_was_never_there_and_service_goes_on() {
    let mut bench = Bench::new(served());
    let address = bench.lease(1, 5);
    let mine = {
        let mut mine = lease(&bench, &address.to_string(), 1, "2001:db8::/64");
        mine.hostname = Some("one".into());
        mine
    };
    let new = lease(&bench, "2001:db8:8001::/48", 2, "2001:db8:8000::/40");
    let of = |bench: &Bench| {
        let book = bench.machine.book();
        (book.len(), book.get(REALM, Resource::V6(address)).cloned())
    };
    let before = of(&bench);
    let actions = import(&mut bench, &[mine.clone(), new.clone()]);
    assert_eq!(actions.last(), Some(&done(1, 1, 0)));
    let writes = writes(&actions);
    assert_eq!(
        bench.event(Event::Withdrawn {
            writes: writes.clone()
        }),
        []
    );
    assert_eq!(of(&bench), before);
    bench.delegate(3, 5, &[]);

    // The same when it could not be stored; then the server refuses service for a while.
    import(&mut bench, &[mine, new]);
    let said = bench.event(Event::StoreFailed { writes });
    assert_eq!(said, [Action::Notice(Notice::RefusingService)]);
    assert_eq!(of(&bench).1, before.1);
}

#[test]
fn routes_follow_what_an_import_changes() {
    let mut bench = Bench::new(served());
    let pool = "2001:db8:8000::/40";
    let routed = lease(&bench, "2001:db8:8001::/48", 1, pool);
    let prefix = net("2001:db8:8001::/48");
    let route = |actions: &[Action]| {
        let is_route = |a: &&Action| matches!(a, Action::RouteUp { .. } | Action::RouteDown { .. });
        actions.iter().filter(is_route).cloned().collect::<Vec<_>>()
    };
    let ended = Lease {
        preferred_until: Wall::from(bench.wall),
        ends: Wall::from(bench.wall),
        ..routed.clone()
    };
    assert_eq!(route(&import(&mut bench, &[ended])), [], "it has run out");
    let up = import(&mut bench, std::slice::from_ref(&routed));
    assert!(matches!(route(&up)[..], [Action::RouteUp { prefix: p, .. }] if p == prefix));
    let down = Action::RouteDown {
        prefix,
        vrf: VrfId(0),
    };
    let without = Lease {
        next_hop: None,
        ..routed.clone()
    };
    let gone = route(&import(&mut bench, &[without]));
    assert_eq!(gone, std::slice::from_ref(&down));
    let released = Lease {
        state: State::Released,
        next_hop: None,
        ..routed
    };
    assert_eq!(route(&import(&mut bench, &[released])), [down]);
    assert_eq!(bench.state(Resource::Prefix(prefix)), Some(State::Released));
}
