//! The same prefixes in two routers: nothing that happens in one is seen in the other.

use super::*;

const THEIRS: IfaceId = IfaceId(2);
const THEIR_REALM: RealmId = RealmId(2);
const THEIR_VRF: VrfId = VrfId(5);

/// A server of two links of two routers, with the same configuration but the name of the subnet.
fn bench() -> Bench {
    let mut bench = Bench::new(config());
    let event = Event::ConfigureLink {
        link: LinkId::Iface(THEIRS),
        vrf: THEIR_VRF,
        realm: THEIR_REALM,
        name: "theirs".into(),
        config: Box::new(config()),
    };
    assert_eq!(bench.event(event), []);
    bench
}

/// Does it on each link; ours first.
fn on_both<T>(bench: &mut Bench, mut work: impl FnMut(&mut Bench) -> T) -> [T; 2] {
    [IFACE, THEIRS].map(|iface| {
        bench.iface = iface;
        work(bench)
    })
}

fn states(bench: &Bench, resource: Resource) -> [Option<State>; 2] {
    let state = |lease: &Lease| lease.state;
    [REALM, THEIR_REALM].map(|realm| bench.machine.book().get(realm, resource).map(state))
}

const BOUND: Option<State> = Some(State::Bound);
const RELEASED: Option<State> = Some(State::Released);

#[test]
fn an_address_is_leased_in_both_and_given_back_in_one() {
    let mut bench = bench();
    // The same client, as a cloned machine is, and so the same draw.
    let [ours, theirs] = on_both(&mut bench, |bench| bench.lease(1, 5));
    assert_eq!(ours, theirs);
    let resource = Resource::V6(ours);
    assert_eq!(states(&bench, resource), [BOUND, BOUND]);
    let release = bytes(&to_server(Type::Release, 1, [na(5, &[ours])]));
    let written = writes(&bench.send(1, &release));
    assert_eq!((written.len(), written[0].realm), (1, THEIR_REALM));
    assert_eq!(states(&bench, resource), [BOUND, RELEASED]);
    // It is no other's here, and anybody's there.
    let [refused, given] = on_both(&mut bench, |bench| {
        bench.ask(2, &to_server(Type::Request, 2, [na(5, &[ours])]))
    });
    assert_ne!(addresses(&refused), [ours]);
    assert_eq!(bench.counters().leases_given, 2);
    let decline = bytes(&to_server(Type::Decline, 2, [na(5, &addresses(&given))]));
    let written = writes(&bench.send(2, &decline));
    assert_eq!(written[0].realm, THEIR_REALM);
    assert_eq!(states(&bench, resource)[0], BOUND);
    let [own, other] = [REALM, THEIR_REALM].map(|realm| Event::Release { realm, resource });
    bench.event(other);
    assert_eq!(states(&bench, resource)[0], BOUND);
    bench.event(own);
    assert_eq!(states(&bench, resource)[0], RELEASED);
}

#[test]
fn a_prefix_has_a_route_in_each_router_and_each_ends_by_itself() {
    let mut bench = bench();
    let [ours, theirs] = on_both(&mut bench, |bench| bench.delegate(1, 7, &[]));
    assert_eq!(ours, theirs);
    let prefix = ours;
    let routes = |actions: &[Action]| -> Vec<(bool, VrfId, Ipv6Net)> {
        let route = |action: &Action| match action {
            Action::RouteUp { prefix, vrf, .. } => Some((true, *vrf, *prefix)),
            Action::RouteDown { prefix, vrf } => Some((false, *vrf, *prefix)),
            _ => None,
        };
        actions.iter().filter_map(route).collect()
    };
    let renewed = on_both(&mut bench, |bench| {
        let renew = bytes(&to_server(Type::Renew, 1, [pd(7, &[prefix])]));
        routes(&bench.send(1, &renew))
    });
    let up = |vrf| vec![(true, vrf, prefix)];
    assert_eq!(renewed, [up(VrfId(0)), up(THEIR_VRF)]);
    let release = bytes(&to_server(Type::Release, 1, [pd(7, &[prefix])]));
    let down = routes(&bench.send(1, &release));
    assert_eq!(down, [(false, THEIR_VRF, prefix)]);
    assert_eq!(states(&bench, Resource::Prefix(prefix)), [BOUND, RELEASED]);
    // A router that goes takes its own routes, and its leases stay until they end.
    let link = LINK;
    let gone = bench.event(Event::RemoveLink { link });
    assert_eq!(routes(&gone), [(false, VrfId(0), prefix)]);
    assert_eq!(states(&bench, Resource::Prefix(prefix)), [BOUND, RELEASED]);
}

#[test]
fn what_overlaps_in_one_router_does_not_in_another() {
    let bench = bench();
    let third = LinkId::Iface(IfaceId(3));
    let faults = |realm| bench.machine.conflicts(third, realm, &config()).len();
    assert_ne!(faults(REALM), 0);
    assert_eq!(faults(THEIR_REALM), faults(REALM));
    assert_eq!(faults(RealmId(3)), 0);
}

#[test]
fn a_client_is_called_where_it_was_met() {
    let accepting = Config {
        reconfigure: true,
        ..config()
    };
    let mut bench = bench();
    bench.configure(LINK, accepting.clone());
    bench.event(Event::ConfigureLink {
        link: LinkId::Iface(THEIRS),
        vrf: THEIR_VRF,
        realm: THEIR_REALM,
        name: "theirs".into(),
        config: Box::new(accepting),
    });
    // The same identifier in both; the second one came later.
    let [address, _] = on_both(&mut bench, |bench| {
        let request = to_server(Type::Request, 1, [na(5, &[]), DhcpOption::ReconfAccept]);
        addresses(&bench.ask(1, &request))[0]
    });
    let called = |actions: &[Action]| -> Vec<IfaceId> {
        let iface = |action: &Action| match action {
            Action::Send {
                via: Via::Link { iface, .. },
                ..
            } => Some(*iface),
            _ => None,
        };
        actions.iter().filter_map(iface).collect()
    };
    let whom = Whom::Link(LINK);
    let with = MessageType::Renew;
    let actions = bench.event(Event::Reconfigure { whom, with });
    assert_eq!(called(&actions), [IFACE]);
    // Who comes elsewhere is not the one that was called.
    bench.iface = THEIRS;
    bench.ask(1, &to_server(Type::Renew, 1, [na(5, &[address])]));
    assert_eq!(bench.machine.reconfigures().count(), 1);
    bench.iface = IFACE;
    bench.ask(1, &to_server(Type::Renew, 1, [na(5, &[address])]));
    assert_eq!(bench.machine.reconfigures().count(), 0);
    let client = ClientId::new(&duid(1)).unwrap();
    let whom = Whom::Client(client);
    bench.event(Event::Reconfigure { whom, with });
    assert_eq!(bench.machine.reconfigures().count(), 2, "in both");
}

#[test]
fn what_is_imported_goes_to_its_router() {
    let mut first = bench();
    on_both(&mut first, |bench| bench.lease(1, 5));
    let leases: Vec<Lease> = first.machine.book().iter().cloned().collect();
    let mut second = bench();
    let import = Event::Import {
        leases: leases.clone(),
    };
    let written = writes(&second.event(import));
    assert_eq!(written.len(), 2);
    assert_eq!(states(&second, leases[0].resource), [BOUND, BOUND]);
    // Without a router a name that both have tells nothing; one that only one has does.
    let placeless = Lease {
        scope: ScopeId {
            realm: RealmId::UNKNOWN,
            ..leases[0].scope
        },
        ..leases[0].clone()
    };
    let mut third = bench();
    let import = |lease: &Lease| Event::Import {
        leases: vec![lease.clone()],
    };
    let refused = third.event(import(&placeless));
    assert!(
        matches!(&refused[..], [Action::Notice(Notice::NotImported { .. })]),
        "{refused:?}"
    );
    third.event(Event::RemoveLink {
        link: LinkId::Iface(THEIRS),
    });
    assert_eq!(writes(&third.event(import(&placeless)))[0].realm, REALM);
}
