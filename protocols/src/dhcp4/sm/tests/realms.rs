//! The same subnet in two routers: nothing that happens in one is seen in the other.

use super::*;

const THEIRS: IfaceId = IfaceId(2);
const THEIR_REALM: RealmId = RealmId(2);

/// A server of two links of two routers, with the same configuration.
fn bench(config: &Config) -> Bench {
    let mut bench = Bench::new(config.clone());
    let event = Event::ConfigureLink {
        link: LinkId::Iface(THEIRS),
        vrf: VrfId(5),
        realm: THEIR_REALM,
        config: Box::new(config.clone()),
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

fn states(bench: &Bench, address: Ipv4Addr) -> [Option<State>; 2] {
    let book = bench.machine.book();
    let state = |realm| book.get(realm, Resource::V4(address)).map(|l| l.state);
    [REALM, THEIR_REALM].map(state)
}

const BOUND: Option<State> = Some(State::Bound);
const RELEASED: Option<State> = Some(State::Released);

#[test]
fn an_address_is_leased_in_both_and_given_back_in_one() {
    let mut bench = bench(&config(3));
    // The same client, as a cloned machine is, and so the same draw.
    let [ours, theirs] = on_both(&mut bench, |bench| bench.lease(1));
    assert_eq!(ours, theirs);
    assert_eq!(states(&bench, ours), [BOUND, BOUND]);
    let server = || DhcpOption::ServerIdentifier(SERVER);
    let release = bytes(&with_address(Type::Release, 1, ours, [server()]));
    let written = writes(&bench.send(1, ours, SERVER, &release));
    assert_eq!((written.len(), written[0].realm), (1, THEIR_REALM));
    assert_eq!(states(&bench, ours), [BOUND, RELEASED]);
    // There it is forgotten, too.
    let resource = Resource::V4(ours);
    let release = |realm| Event::Release { realm, resource };
    bench.event(release(THEIR_REALM));
    assert_eq!(states(&bench, ours), [BOUND, None]);
    // Where it is somebody's a Request of another is refused, and where it is free it is taken.
    let [refused, given] = on_both(&mut bench, |bench| kind(&bench.ask(2, &selecting(2, ours))));
    assert_eq!((refused, given), (Type::Nak, Type::Ack));
    let asked = DhcpOption::RequestedIpAddress(ours);
    let decline = message(Type::Decline, 2, [server(), asked]);
    bench.broadcast(2, &decline);
    assert_eq!(states(&bench, ours), [BOUND, Some(State::Declined)]);
    bench.event(release(REALM));
    assert_eq!(states(&bench, ours), [RELEASED, Some(State::Declined)]);
}

#[test]
fn one_address_is_asked_for_on_two_links_at_once() {
    let probing = Config {
        probe: Some(Duration::from_millis(500)),
        ..config(1)
    };
    let mut bench = bench(&probing);
    let discover = message(Type::Discover, 1, []);
    let [ours, theirs] = on_both(&mut bench, |bench| bench.broadcast(1, &discover));
    let asked = |actions: &[Action]| {
        let probe = |action: &Action| match action {
            Action::Probe { iface, address } => Some((*iface, *address)),
            _ => None,
        };
        actions.iter().find_map(probe)
    };
    let address = ip("192.0.2.10");
    assert_eq!(asked(&ours), Some((IFACE, address)));
    assert_eq!(asked(&theirs), Some((THEIRS, address)));
    assert_eq!(bench.machine.probes(), 2);
    // Somebody has it there: here it is offered all the same.
    bench.event(Event::ProbeResult {
        iface: THEIRS,
        address,
        by: mac(66),
    });
    let offered = Some(State::Offered);
    assert_eq!(states(&bench, address), [offered, Some(State::Declined)]);
    let offer = answer(&bench.pass(Duration::from_millis(500))).unwrap();
    assert_eq!((kind(&offer), offer.yiaddr()), (Type::Offer, address));
}

#[test]
fn who_takes_another_servers_offer_there_keeps_ours_here() {
    let mut bench = bench(&config(3));
    let discover = message(Type::Discover, 1, []);
    let [offer, _] = on_both(&mut bench, |bench| bench.ask(1, &discover));
    let other = DhcpOption::ServerIdentifier(ip("192.0.2.99"));
    let asked = DhcpOption::RequestedIpAddress(ip("192.0.2.98"));
    bench.broadcast(1, &message(Type::Request, 1, [other, asked]));
    let offered = Some(State::Offered);
    assert_eq!(states(&bench, offer.yiaddr()), [offered, None]);
}
