//! Ports, several links, and changes of configuration.

use super::*;

fn port(n: u8, address: &str) -> Reservation {
    Reservation {
        name: format!("port {n}"),
        mac: Some(mac(n)),
        addresses: vec![ip(address)],
        ..Reservation::default()
    }
}

fn with_ports(ports: &[(u8, &str)]) -> Config {
    Config {
        reservations: ports.iter().map(|(n, a)| port(*n, a)).collect(),
        ..config(3)
    }
}

#[test]
fn a_port_gets_its_address_in_or_out_of_the_pool_and_nobody_else_does() {
    let mut bench = Bench::new(with_ports(&[(1, "192.0.2.200"), (2, "192.0.2.10")]));
    let others: Vec<_> = (3..=4).map(|n| bench.lease(n)).collect();
    assert!(!others.contains(&ip("192.0.2.10")), "{others:?}");
    assert!(answer(&bench.broadcast(5, &message(Type::Discover, 5, []))).is_none());
    assert_eq!(bench.lease(1), ip("192.0.2.200"));
    assert_eq!(bench.lease(2), ip("192.0.2.10"));
    let asked = DhcpOption::RequestedIpAddress(ip("192.0.2.200"));
    let actions = bench.broadcast(6, &message(Type::Discover, 6, [asked]));
    assert!(answer(&actions).is_none());
}

#[test]
fn a_port_is_told_by_mac_by_identifier_or_by_duid() {
    let mut config = config(3);
    config.reservations = vec![
        Reservation {
            client_id: Some(b"\0vm".to_vec()),
            addresses: vec![ip("192.0.2.201")],
            ..Reservation::default()
        },
        Reservation {
            duid: Some(vec![0, 3, 0, 1, 9]),
            addresses: vec![ip("192.0.2.202")],
            ..Reservation::default()
        },
    ];
    let mut bench = Bench::new(config);
    let id = |id: &[u8]| [DhcpOption::ClientIdentifier(id.to_vec())];
    let offer = bench.ask(1, &message(Type::Discover, 1, id(b"\0vm")));
    assert_eq!(offer.yiaddr(), ip("192.0.2.201"));
    let with_duid = id(&[255, 1, 2, 3, 4, 0, 3, 0, 1, 9]);
    let offer = bench.ask(2, &message(Type::Discover, 2, with_duid));
    assert_eq!(offer.yiaddr(), ip("192.0.2.202"));
}

#[test]
fn a_port_whose_machine_is_installed_anew_keeps_its_address() {
    let mut bench = Bench::new(with_ports(&[(1, "192.0.2.200")]));
    assert_eq!(bench.lease(1), ip("192.0.2.200"));
    let id = DhcpOption::ClientIdentifier(vec![0, 9, 9]);
    let offer = bench.ask(1, &message(Type::Discover, 1, [id.clone()]));
    assert_eq!(offer.yiaddr(), ip("192.0.2.200"));
    let mut request = selecting(1, ip("192.0.2.200"));
    request.opts_mut().insert(id);
    assert_eq!(kind(&bench.ask(1, &request)), Type::Ack);
}

#[test]
fn an_address_that_becomes_a_ports_is_not_renewed_by_others() {
    let mut bench = Bench::new(config(3));
    let address = bench.lease(1);
    bench.configure(LINK, with_ports(&[(2, &address.to_string())]));
    let nak = answer(&bench.renew(1, address)).unwrap();
    assert_eq!(kind(&nak), Type::Nak);
    let other = bench.lease(1);
    assert_ne!(other, address);
    assert_eq!(bench.state(address), Some(State::Released), "given back");
    assert_eq!(bench.lease(2), address);
}

#[test]
fn a_client_that_gets_a_port_moves_to_its_address() {
    let mut bench = Bench::new(config(3));
    let address = bench.lease(1);
    bench.configure(LINK, with_ports(&[(1, "192.0.2.200")]));
    assert_eq!(kind(&answer(&bench.renew(1, address)).unwrap()), Type::Nak);
    assert_eq!(bench.lease(1), ip("192.0.2.200"));
    assert_eq!(bench.state(address), Some(State::Released));
}

#[test]
fn what_cannot_be_followed_changes_nothing() {
    let mut bench = Bench::new(config(3));
    let address = bench.lease(1);
    let mut wrong = config(3);
    wrong.subnets[0].pools[0].end = ip("198.51.100.1");
    let actions = bench.configure(LINK, wrong);
    assert!(
        matches!(&actions[..], [Action::Notice(Notice::ConfigRefused { faults, .. })] if faults.len() == 1)
    );
    assert_eq!(kind(&answer(&bench.renew(1, address)).unwrap()), Type::Ack);
    let other = LinkId::Iface(IfaceId(2));
    let actions = bench.configure(other, config(3));
    let [Action::Notice(Notice::ConfigRefused { faults, .. })] = &actions[..] else {
        panic!("{actions:?}");
    };
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "subnets[0].prefix: overlaps, on another link, 192.0.2.0/24",
            "subnets[0].name: has the name, on another link, of 192.0.2.0/24",
        ]
    );
}

#[test]
fn a_link_with_several_subnets_gives_what_is_left() {
    let mut config = config(1);
    let range = Range {
        start: ip("198.51.100.10"),
        end: ip("198.51.100.10"),
    };
    config.own.push(ip("198.51.100.1"));
    config.subnets.push(Subnet {
        pools: vec![range],
        ..Subnet::new(net("198.51.100.0/24"))
    });
    let mut bench = Bench::new(config);
    let first = bench.ask(1, &message(Type::Discover, 1, []));
    let second = bench.ask(2, &message(Type::Discover, 2, []));
    assert_eq!(first.yiaddr(), ip("192.0.2.10"));
    assert_eq!(second.yiaddr(), ip("198.51.100.10"));
    let server = |message: &Message| message.opts().get(OptionCode::ServerIdentifier).cloned();
    assert_eq!(server(&first), Some(DhcpOption::ServerIdentifier(SERVER)));
    let other = DhcpOption::ServerIdentifier(ip("198.51.100.1"));
    assert_eq!(server(&second), Some(other));
}

#[test]
fn a_link_without_subnets_says_nothing_to_its_own() {
    let mut bench = Bench::new(Config {
        own: vec![SERVER],
        ..Config::default()
    });
    let asked = DhcpOption::RequestedIpAddress(ip("192.0.2.9"));
    assert_eq!(bench.broadcast(1, &message(Type::Discover, 1, [])), []);
    assert_eq!(bench.broadcast(1, &message(Type::Request, 1, [asked])), []);
    assert_eq!(bench.counters().unanswered, 2);
}
