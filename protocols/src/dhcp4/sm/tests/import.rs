//! Leases of a file: all or none, news only, and as good as given ones.

use super::*;
use ::lease::{Conflict, Holder, ImportRefused, Imported, Kind};

const LAN: &str = "192.0.2.0/24";

fn lease(bench: &Bench, address: &str, n: u8, scope: &str) -> Lease {
    let now = Wall::from(bench.wall);
    let ends = now.after(3600);
    let holder = Holder {
        client: ClientId::new(&[&[1][..], &mac(n).octets()].concat()).unwrap(),
        iaid: 0,
        kind: Kind::V4,
    };
    let resource = address.parse().unwrap();
    Lease {
        mac: Some(mac(n)),
        ..Lease::bound(resource, holder, ScopeId::of(REALM, scope), now, ends, ends)
    }
}

fn import(bench: &mut Bench, leases: &[Lease]) -> Vec<Action> {
    let leases = leases.to_vec();
    bench.event(Event::Import { leases })
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
    let mut first = Bench::new(config(3));
    let addresses = [first.lease(1), first.lease(2)];
    let leases: Vec<Lease> = first.machine.book().iter().cloned().collect();
    let mut bench = Bench::new(config(3));
    let actions = import(&mut bench, &leases);
    assert_eq!(writes(&actions).len(), 2);
    assert_eq!(actions.last(), Some(&done(2, 0, 0)));
    assert_eq!(bench.counters().leases_imported, 2);
    assert_eq!(import(&mut bench, &leases), [done(0, 0, 2)], "no news");
    let ack = answer(&bench.renew(1, addresses[0])).unwrap();
    assert_eq!((kind(&ack), ack.yiaddr()), (Type::Ack, addresses[0]));
    // Of three addresses one is left for another.
    assert!(!addresses.contains(&bench.lease(3)));
    let nothing = bench.broadcast(4, &message(Type::Discover, 4, []));
    assert!(matches!(
        nothing[..],
        [Action::Notice(Notice::PoolUsedUp { .. })]
    ));
}

#[test]
fn one_that_cannot_be_keeps_all_out_and_each_is_told() {
    let mut served = config(5);
    served.subnets[0].max_leases = 3;
    served.reservations = vec![Reservation {
        name: "web".into(),
        mac: Some(mac(9)),
        addresses: vec![ip("192.0.2.80")],
        ..Reservation::default()
    }];
    let mut bench = Bench::new(served);
    let taken = bench.lease(1);
    let before: Vec<Lease> = bench.machine.book().iter().cloned().collect();
    let others: Vec<String> = (10..15)
        .map(|n| format!("192.0.2.{n}"))
        .filter(|a| *a != taken.to_string())
        .collect();
    let numbered = {
        let mut numbered = lease(&bench, &others[0], 2, LAN);
        numbered.holder.iaid = 7;
        numbered
    };
    let leases = [
        numbered,
        lease(&bench, &taken.to_string(), 2, LAN),
        lease(&bench, "192.0.2.11", 2, "guests"),
        lease(&bench, "198.51.100.1", 2, LAN),
        lease(&bench, "192.0.2.200", 2, LAN),
        lease(&bench, "192.0.2.80", 2, LAN),
    ];
    let until = Wall::from(bench.wall).after(86_400);
    let refused = import(&mut bench, &leases);
    let [Action::Notice(Notice::NotImported { why })] = &refused[..] else {
        panic!("{refused:?}");
    };
    let ImportRefused::Conflicts(conflicts) = why else {
        panic!("{why:?}");
    };
    let text = |c: &Conflict| format!("{} {}: {}", c.index, c.field, c.why);
    assert_eq!(
        conflicts.iter().map(text).collect::<Vec<_>>(),
        [
            "0 iaid: DHCPv4 has none: it is 0".to_owned(),
            format!("1 resource: 01020000000001 has {taken} until {until}"),
            "2 scope: no subnet of this name is served".into(),
            "3 resource: it is not in 192.0.2.0/24".into(),
            "4 resource: no pool of 192.0.2.0/24 has it".into(),
            "4 scope: it has room for 3 leases, and has 1 already".into(),
            "5 resource: it is reserved for port web".into(),
        ]
    );
    let after: Vec<Lease> = bench.machine.book().iter().cloned().collect();
    assert_eq!(after, before, "nothing was changed");

    let good = [
        lease(&bench, &others[0], 2, LAN),
        lease(&bench, "192.0.2.80", 9, LAN),
    ];
    let actions = import(&mut bench, &good);
    assert_eq!(actions.last(), Some(&done(2, 0, 0)));
    let writes = writes(&actions);
    assert_eq!(bench.event(Event::Withdrawn { writes }), []);
    let after: Vec<Lease> = bench.machine.book().iter().cloned().collect();
    assert_eq!(after, before, "as if it had not been");
    bench.lease(3);
}

#[test]
fn before_the_stored_leases_are_there_nothing_is_imported() {
    let mut bench = Bench::new(config(3));
    let lease = lease(&bench, "192.0.2.10", 2, LAN);
    let identity = Identity {
        secret: [1, 2],
        retention: Duration::from_secs(60),
    };
    bench.machine = Machine::new(identity, 1, bench.now, bench.wall);
    bench.configure(LINK, config(3));
    let why = ImportRefused::NotLoaded;
    let refused = Action::Notice(Notice::NotImported { why });
    assert_eq!(import(&mut bench, &[lease]), [refused]);
    assert!(bench.machine.book().is_empty());
}
