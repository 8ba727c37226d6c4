//! Clients behind relays (RFC 3046 and its kin).

use super::*;

const FAR: LinkId = LinkId::Remote(7);
const RELAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
const GIADDR: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// Our own link, which takes one relay, and one behind it.
fn bench() -> Bench {
    let mut bench = Bench::new(Config {
        relays: Relays::From(vec![RELAY.into()]),
        probe: Some(Duration::from_millis(500)),
        ..config(3)
    });
    let range = Range {
        start: ip("203.0.113.10"),
        end: ip("203.0.113.19"),
    };
    let subnet = Subnet {
        pools: vec![range],
        routers: vec![GIADDR],
        ..Subnet::new(net("203.0.113.0/24"))
    };
    let far = Config {
        subnets: vec![subnet],
        ..Config::default()
    };
    assert_eq!(bench.configure(FAR, far), []);
    bench
}

fn relay(bench: &mut Bench, message: &Message, info: &[u8]) -> Vec<Action> {
    let mut message = message.clone();
    message.set_giaddr(GIADDR);
    let mut payload = bytes(&message);
    let end = payload.iter().rposition(|b| *b == 255).unwrap();
    if !info.is_empty() {
        let option = [&[82, info.len() as u8], info].concat();
        payload.splice(end..end, option);
    }
    bench.event(Event::Packet(Datagram {
        iface: IFACE,
        src_mac: mac(254),
        src: RELAY,
        src_port: 6700,
        dst: SERVER,
        payload: &payload,
    }))
}

#[test]
fn an_answer_goes_to_the_relay_with_what_it_said() {
    let mut bench = bench();
    let info = [1, 4, b'e', b't', b'h', b'7'];
    let actions = relay(&mut bench, &message(Type::Discover, 1, []), &info);
    let offer = answer(&actions).expect("no ARP reaches so far, so that nobody is asked");
    assert!(net("203.0.113.0/24").contains(&offer.yiaddr()));
    assert_eq!(offer.giaddr(), GIADDR);
    assert_eq!(way(&actions), (None, GIADDR, 67));
    let Some(Action::Send { payload, src, .. }) = actions.last() else {
        panic!("{actions:?}");
    };
    assert_eq!(*src, SERVER);
    let echoed = [&[82, 6], &info[..], &[255]].concat();
    assert!(payload.windows(echoed.len()).any(|bytes| bytes == echoed));
    let actions = relay(&mut bench, &selecting(1, offer.yiaddr()), &info);
    assert_eq!(kind(&answer(&actions).unwrap()), Type::Ack);
    let lease = bench
        .machine
        .book()
        .get(REALM, Resource::V4(offer.yiaddr()))
        .unwrap();
    let told = lease.relay.as_ref().unwrap().interface_id.as_ref().unwrap();
    assert_eq!(told.as_bytes(), b"eth7");
    // It renews past its relay, from afar.
    let renew = bytes(&with_address(Type::Request, 1, offer.yiaddr(), []));
    let actions = bench.send(254, offer.yiaddr(), SERVER, &renew);
    assert_eq!(kind(&answer(&actions).unwrap()), Type::Ack);
    assert_eq!(way(&actions), (None, offer.yiaddr(), 68));
    let far = &bench.machine.links[&FAR].counters;
    assert_eq!((far.relayed, far.acks), (2, 2));
}

#[test]
fn a_nak_is_broadcast_by_the_relay() {
    let mut bench = bench();
    let asked = DhcpOption::RequestedIpAddress(ip("198.51.100.1"));
    let actions = relay(&mut bench, &message(Type::Request, 1, [asked]), &[]);
    let nak = answer(&actions).unwrap();
    assert_eq!(kind(&nak), Type::Nak);
    assert!(nak.flags().broadcast());
    assert_eq!(way(&actions), (None, GIADDR, 67));
}

#[test]
fn a_link_selection_counts_more_than_the_relays_address() {
    let mut bench = bench();
    // The relay stands on our own link and speaks for a client on the far one, or the other way round (RFC 3527).
    let selection = [5, 4, 192, 0, 2, 0];
    let actions = relay(&mut bench, &message(Type::Discover, 1, []), &selection);
    let Some(Action::Probe { address, .. }) = actions.last() else {
        panic!("{actions:?}");
    };
    assert!(net("192.0.2.0/24").contains(address));
    let nowhere = [5, 4, 198, 51, 100, 0];
    assert_eq!(
        relay(&mut bench, &message(Type::Discover, 2, []), &nowhere),
        []
    );
    assert_eq!(bench.counters().unknown_link, 1);
}

#[test]
fn a_relay_may_stand_for_the_server() {
    let mut bench = bench();
    let info = [11, 4, 203, 0, 113, 1];
    let actions = relay(&mut bench, &message(Type::Discover, 1, []), &info);
    let offer = answer(&actions).unwrap();
    let server = DhcpOption::ServerIdentifier(GIADDR);
    assert_eq!(
        offer.opts().get(OptionCode::ServerIdentifier),
        Some(&server),
        "RFC 5107"
    );
    let asked = DhcpOption::RequestedIpAddress(offer.yiaddr());
    let request = message(Type::Request, 1, [server, asked]);
    let actions = relay(&mut bench, &request, &info);
    assert_eq!(kind(&answer(&actions).unwrap()), Type::Ack);
    // Without the relay's word that address is another server's.
    let actions = relay(&mut bench, &request, &[]);
    assert_eq!(answer(&actions), None);
}

#[test]
fn a_relay_may_speak_from_a_port_of_its_own() {
    let mut bench = bench();
    let actions = relay(&mut bench, &message(Type::Discover, 1, []), &[19, 0]);
    assert_eq!(way(&actions), (None, GIADDR, 6700), "RFC 8357");
}

#[test]
fn only_relays_that_are_trusted() {
    let mut bench = bench();
    let mut discover = message(Type::Discover, 1, []);
    discover.set_giaddr(GIADDR);
    let actions = bench.send(9, ip("192.0.2.66"), SERVER, &bytes(&discover));
    assert_eq!(actions, []);
    assert_eq!(bench.invalid(), [("untrusted_relay", 1)]);
}
