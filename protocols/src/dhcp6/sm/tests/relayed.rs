//! Clients behind relays: which link, which client, the way back.

use super::*;

/// A Relay-forward with these options and a Relay Message.
fn forward(hops: u8, link: &str, peer: &str, options: &[(u16, &[u8])], inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![12, hops];
    bytes.extend(ip(link).octets());
    bytes.extend(ip(peer).octets());
    for (code, data) in options.iter().chain(&[(9, inner)]) {
        bytes.extend(code.to_be_bytes());
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(*data);
    }
    bytes
}

const RELAY: &str = "2001:db8:ff::1";
const REMOTE: LinkId = LinkId::Remote(7);

/// A server whose own link is only the way to relays; the clients are on another.
fn bench() -> Bench {
    let mut bench = Bench::new(Config {
        relays: Relays::From(vec![net("2001:db8:ff::/64"), net("fe80::/10")]),
        ..Config::default()
    });
    assert_eq!(bench.configure(REMOTE, config()), []);
    bench
}

fn from(bench: &mut Bench, relay: &str, port: u16, payload: &[u8]) -> Vec<Action> {
    bench.event(Event::Packet(Datagram {
        iface: IFACE,
        src_mac: mac(0xee),
        src: ip(relay),
        src_port: port,
        dst: ip("2001:db8:ff::ff"),
        payload,
    }))
}

fn sent(actions: &[Action]) -> (&Via, Option<Ipv6Addr>, Ipv6Addr, u16, &[u8]) {
    let send = actions.iter().find_map(|action| match action {
        Action::Send {
            via,
            src,
            dst,
            dst_port,
            payload,
            ..
        } => Some((via, *src, *dst, *dst_port, &payload[..])),
        _ => None,
    });
    send.unwrap_or_else(|| panic!("{actions:?}"))
}

/// The outermost Relay-reply: header, options as dhcproto reads them.
fn relay_reply(bytes: &[u8]) -> v6::RelayMessage {
    v6::RelayMessage::decode(&mut Decoder::new(bytes)).unwrap()
}

/// The client's message in the last Relay Message option of a Relay-reply with one envelope.
fn inner(bytes: &[u8]) -> v6::Message {
    let (layers, rest) = unwrap_reply(bytes);
    assert!(layers >= 1);
    v6::Message::decode(&mut Decoder::new(&rest)).unwrap()
}

/// How many envelopes a Relay-reply has, and what is in the last.
fn unwrap_reply(bytes: &[u8]) -> (usize, Vec<u8>) {
    let (mut bytes, mut layers) = (bytes.to_vec(), 0);
    while bytes[0] == 13 {
        let options = crate::dhcp6_wire::Tlvs(&bytes[34..]);
        let inner = options
            .map(Result::unwrap)
            .find(|(code, _)| *code == 9)
            .unwrap();
        bytes = inner.1.to_vec();
        layers += 1;
    }
    (layers, bytes)
}

#[test]
fn the_answer_takes_the_way_back() {
    let mut bench = bench();
    let solicit = bytes(&message(Type::Solicit, 1, [na(5, &[]), pd(5, &[])]));
    let payload = forward(0, "2001:db8::fe", "fe80::1", &[(18, b"eth7")], &solicit);
    let actions = from(&mut bench, RELAY, 547, &payload);
    let (via, src, dst, port, bytes) = sent(&actions);
    assert_eq!(*via, Via::Routed { vrf: VrfId(0) });
    assert_eq!(
        (src, dst, port),
        (Some(ip("2001:db8:ff::ff")), ip(RELAY), 547)
    );
    let outer = relay_reply(bytes);
    assert_eq!((outer.msg_type(), outer.hop_count()), (Type::RelayRepl, 0));
    assert_eq!(
        (outer.link_addr(), outer.peer_addr()),
        (ip("2001:db8::fe"), ip("fe80::1"))
    );
    let id = DhcpOption::InterfaceId(b"eth7".to_vec());
    assert_eq!(outer.opts().get(OptionCode::InterfaceId), Some(&id));
    let advertise = inner(bytes);
    assert_eq!(advertise.msg_type(), Type::Advertise);
    assert!(net("2001:db8::/64").contains(&addresses(&advertise)[0]));
    let counters = &bench.machine.links[&REMOTE].counters;
    assert_eq!(
        (counters.solicits, counters.relayed, counters.advertises),
        (1, 1, 1)
    );
}

#[test]
fn a_chain_of_relays_up_to_the_limit() {
    for depth in 1..=9u8 {
        let mut bench = bench();
        let mut payload = bytes(&message(Type::Solicit, 1, [na(5, &[])]));
        for hop in 0..depth {
            // Only the relay next to the client knows the link.
            let link = if hop == 0 { "2001:db8::fe" } else { "::" };
            let id = [hop];
            payload = forward(hop, link, "fe80::1", &[(18, &id)], &payload);
        }
        let actions = from(&mut bench, RELAY, 547, &payload);
        let (_, _, _, _, reply) = sent(&actions);
        let (layers, rest) = unwrap_reply(reply);
        assert_eq!(layers, usize::from(depth));
        assert_eq!(rest[0], 2);
        // Each Interface-Id is back in its envelope.
        let ids: Vec<_> = reply
            .windows(5)
            .filter(|w| w[..4] == [0, 18, 0, 1])
            .map(|w| w[4])
            .collect();
        assert_eq!(ids, (0..depth).rev().collect::<Vec<_>>());
    }
    let mut bench = bench();
    let mut payload = bytes(&message(Type::Solicit, 1, [na(5, &[])]));
    for hop in 0..10 {
        payload = forward(hop.min(8), "2001:db8::fe", "fe80::1", &[], &payload);
    }
    assert_eq!(from(&mut bench, RELAY, 547, &payload), []);
    let far = forward(
        9,
        "2001:db8::fe",
        "fe80::1",
        &[],
        &bytes(&message(Type::Solicit, 1, [])),
    );
    assert_eq!(from(&mut bench, RELAY, 547, &far), []);
    assert_eq!(bench.counters().invalid["relay_too_deep"], 2);
}

#[test]
fn the_link_address_chooses_the_link() {
    let mut bench = bench();
    let other = Config {
        subnets: vec![Subnet {
            pools: vec![Range {
                start: ip("fd00::1000"),
                end: ip("fd00::1fff"),
            }],
            ..Subnet::new(net("fd00::/64"))
        }],
        link_addresses: vec![net("2001:db8:77::/64")],
        ..Config::default()
    };
    bench.configure(LinkId::Remote(8), other);
    let solicit = bytes(&message(Type::Solicit, 1, [na(5, &[])]));
    for (link, prefix) in [
        ("2001:db8::1", "2001:db8::/64"),
        ("fd00::1", "fd00::/64"),
        ("2001:db8:77::1", "fd00::/64"),
        ("fd00::1", "fd00::/64"),
    ] {
        let actions = from(
            &mut bench,
            RELAY,
            547,
            &forward(0, link, "fe80::1", &[], &solicit),
        );
        let got = addresses(&inner(sent(&actions).4));
        assert!(net(prefix).contains(&got[0]), "{link}: {got:?}");
    }
    let unknown = forward(0, "2001:db9::1", "fe80::1", &[], &solicit);
    assert_eq!(from(&mut bench, RELAY, 547, &unknown), []);
    assert_eq!(bench.counters().unknown_link, 1);
    // A changed configuration forgets what it remembered.
    bench.event(Event::RemoveLink {
        link: LinkId::Remote(8),
    });
    let gone = forward(0, "fd00::1", "fe80::1", &[], &solicit);
    assert_eq!(from(&mut bench, RELAY, 547, &gone), []);
}

#[test]
fn links_of_another_router_are_not_found() {
    let mut bench = bench();
    bench.event(Event::ConfigureLink {
        link: LinkId::Iface(IfaceId(2)),
        vrf: VrfId(1),
        realm: REALM,
        name: "other".into(),
        config: Box::new(Config {
            relays: Relays::Any,
            ..Config::default()
        }),
    });
    let solicit = bytes(&message(Type::Solicit, 1, [na(5, &[])]));
    let actions = bench.event(Event::Packet(Datagram {
        iface: IfaceId(2),
        src_mac: mac(1),
        src: ip(RELAY),
        src_port: 547,
        dst: ip(GROUP),
        payload: &forward(0, "2001:db8::1", "fe80::1", &[], &solicit),
    }));
    assert_eq!(actions, []);
}

#[test]
fn a_lightweight_relay_has_no_link_address() {
    let mut bench = Bench::new(Config {
        relays: Relays::Any,
        ..config()
    });
    let request = bytes(&to_server(Type::Request, 1, [na(5, &[]), pd(5, &[])]));
    let payload = forward(0, "::", "fe80::1", &[(18, b"port 3")], &request);
    let actions = bench.send(1, &payload);
    let (via, _, dst, port, _) = sent(&actions);
    assert_eq!(
        *via,
        Via::Link {
            iface: IFACE,
            mac: Some(mac(1))
        }
    );
    assert_eq!((dst, port), (link_local(1), 547));
    let hops: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::RouteUp { next_hop, .. } => Some(next_hop.address),
            _ => None,
        })
        .collect();
    assert_eq!(hops, [ip("fe80::1")], "the client behind the bridge");
}

#[test]
fn routes_to_delegated_prefixes_lead_to_the_relay() {
    let mut bench = bench();
    let request = bytes(&to_server(Type::Request, 1, [pd(5, &[])]));
    let payload = forward(0, "2001:db8::fe", "fe80::1", &[], &request);
    let actions = from(&mut bench, RELAY, 547, &payload);
    let hops: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::RouteUp { next_hop, .. } => Some(next_hop.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(
        hops,
        [NextHop {
            iface: "lan".into(),
            address: ip(RELAY)
        }]
    );
}

#[test]
fn the_relay_tells_the_mac_and_the_subscriber() {
    let mut bench = bench();
    let mut known = config();
    known.reservations = vec![
        Reservation {
            mac: Some(mac(9)),
            addresses: vec![ip("2001:db8::9")],
            ..Reservation::default()
        },
        Reservation {
            subscriber_id: Some(b"flat 3".to_vec()),
            addresses: vec![ip("2001:db8::3")],
            ..Reservation::default()
        },
    ];
    bench.configure(REMOTE, known);
    let mut ask = |n, options: &[(u16, &[u8])]| {
        let request = bytes(&to_server(Type::Request, n, [na(5, &[])]));
        let payload = forward(0, "2001:db8::fe", "fe80::1", options, &request);
        let actions = from(&mut bench, RELAY, 547, &payload);
        addresses(&inner(sent(&actions).4))[0]
    };
    let told = [&[0, 1][..], &mac(9).octets()].concat();
    assert_eq!(ask(1, &[(79, &told)]), ip("2001:db8::9"));
    assert_eq!(ask(2, &[(38, b"flat 3")]), ip("2001:db8::3"));
    let token_ring = [&[0, 6][..], &mac(9).octets()].concat();
    assert!(
        ask(3, &[(79, &token_ring)]) >= ip("2001:db8::1000"),
        "of another kind of link"
    );
    let stored = bench
        .machine
        .book()
        .get(REALM, Resource::V6(ip("2001:db8::9")))
        .unwrap();
    assert_eq!(stored.mac, Some(mac(9)));
}

#[test]
fn without_a_told_mac_the_duid_has_to_do() {
    let mut bench = bench();
    let mut known = config();
    known.reservations = vec![Reservation {
        mac: Some(mac(1)),
        addresses: vec![ip("2001:db8::9")],
        ..Reservation::default()
    }];
    bench.configure(REMOTE, known);
    let request = bytes(&to_server(Type::Request, 1, [na(5, &[])]));
    let actions = from(
        &mut bench,
        RELAY,
        547,
        &forward(0, "2001:db8::fe", "fe80::1", &[], &request),
    );
    assert_eq!(addresses(&inner(sent(&actions).4)), [ip("2001:db8::9")]);
}

#[test]
fn what_the_relay_tells_is_kept_with_the_lease() {
    let mut bench = bench();
    let request = bytes(&to_server(Type::Request, 1, [na(5, &[])]));
    let options: &[(u16, &[u8])] = &[(18, b"eth7"), (37, b"\0\0\0\x09line 3"), (38, b"flat 3")];
    let payload = forward(0, "2001:db8::fe", "fe80::1", options, &request);
    let outer = forward(1, "::", "2001:db8::fe", &[(18, b"up")], &payload);
    let lease = writes(&from(&mut bench, RELAY, 547, &outer))[0]
        .after
        .clone();
    let relay = lease.and_then(|lease| lease.relay).unwrap();
    let id = |bytes: &[u8]| lease::RelayId::new(bytes);
    assert_eq!(
        relay.interface_id,
        id(b"eth7"),
        "of the relay next to the client"
    );
    assert_eq!(relay.remote_id, id(b"\0\0\0\x09line 3"));
    assert_eq!(relay.subscriber_id, id(b"flat 3"));
}

#[test]
fn source_port_and_echo() {
    let mut bench = bench();
    let solicit = bytes(&message(Type::Solicit, 1, [na(5, &[])]));
    let options: &[(u16, &[u8])] = &[
        (135, &[0, 0]),
        (37, b"\0\0\0\x09remote"),
        (43, &[0, 37, 0, 18, 0, 9, 0, 43]),
        (66, &[0, 64, 0, 1, 0]),
    ];
    let payload = forward(0, "2001:db8::fe", "fe80::1", options, &solicit);
    let actions = from(&mut bench, RELAY, 40_000, &payload);
    let (_, _, _, port, bytes) = sent(&actions);
    assert_eq!(port, 40_000, "RFC 8357");
    let outer = relay_reply(bytes);
    let codes: Vec<_> = outer
        .opts()
        .iter()
        .map(|o| u16::from(OptionCode::from(o)))
        .collect();
    assert_eq!(
        codes,
        [9, 37, 135],
        "the echo once, no loop, nothing supplied by the relay"
    );
    assert_eq!(data(outer.opts(), 37).unwrap(), b"\0\0\0\x09remote");
}

#[test]
fn an_untrusted_relay_is_not_heard() {
    let mut bench = bench();
    let request = bytes(&to_server(Type::Request, 1, [na(5, &[])]));
    let payload = forward(0, "2001:db8::fe", "fe80::1", &[], &request);
    assert_eq!(from(&mut bench, "2001:db8:bad::1", 547, &payload), []);
    assert_eq!(bench.counters().invalid["untrusted_relay"], 1);
    let mut closed = Bench::new(config());
    assert_eq!(
        closed.send(1, &payload),
        [],
        "nobody is trusted unless configured"
    );
    assert!(closed.machine.book().is_empty());
}
