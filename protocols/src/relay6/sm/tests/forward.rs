//! Towards the servers.

use super::*;

#[test]
fn a_clients_message_is_put_into_an_envelope() {
    let mut bench = Bench::new();
    let config = Config {
        remote_id: Some(RemoteId {
            enterprise: 9,
            id: b"cable".to_vec(),
        }),
        subscriber_id: Some(b"smith".to_vec()),
        source: Some(ip("2001:db8:1::1")),
        ..config("lan")
    };
    bench.configure(LAN, "lan", config);
    let solicit = message(Type::Solicit, 1, [pd(&[])]);
    let actions = bench.client(LAN, &solicit);
    let sent = sent(&actions);
    assert_eq!(sent.via, Via::Routed { vrf: VrfId(0) });
    assert_eq!(
        (sent.src, sent.dst),
        (Some(ip("2001:db8:1::1")), ip(SERVER))
    );
    assert_eq!((sent.dst_port, sent.after_commit), (547, false));
    let relayed = v6::RelayMessage::decode(&mut Decoder::new(sent.payload)).unwrap();
    assert_eq!(
        (relayed.msg_type(), relayed.hop_count()),
        (Type::RelayForw, 0)
    );
    assert_eq!(
        (relayed.link_addr(), relayed.peer_addr()),
        (ip("2001:db8:1::1"), ip(CLIENT))
    );
    let id = DhcpOption::InterfaceId(b"lan".to_vec());
    assert_eq!(relayed.opts().get(OptionCode::InterfaceId), Some(&id));
    // RFC 6939, RFC 4649, RFC 4580, as octets.
    for (code, data) in [
        (79, &[0, 1, 2, 0, 0, 0, 0, 0xc][..]),
        (37, &[0, 0, 0, 9, b'c', b'a', b'b', b'l', b'e']),
        (38, b"smith"),
        (9, &solicit),
    ] {
        assert_eq!(option(sent.payload, code), Some(data), "option {code}");
    }
    assert_eq!(
        (
            bench.counters(LAN).solicits,
            bench.counters(GUESTS).solicits
        ),
        (1, 0)
    );
}

fn option(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut options = Tlvs(&bytes[34..]).map(Result::unwrap);
    options
        .find(|(code, _)| *code == wanted)
        .map(|(_, data)| data)
}

#[test]
fn each_message_goes_to_each_server() {
    let mut bench = Bench::new();
    let group = Server::Link {
        iface: UPSTREAM,
        address: ip("ff05::1:3"),
    };
    let servers = vec![Server::Routed(ip(SERVER)), group];
    bench.configure(
        LAN,
        "lan",
        Config {
            servers,
            ..config("lan")
        },
    );
    let actions = bench.client(LAN, &message(Type::Request, 1, []));
    let vias: Vec<_> = actions
        .iter()
        .map(|action| match action {
            Action::Send { via, dst, .. } => (*via, *dst),
            other => panic!("{other:?}"),
        })
        .collect();
    let link = Via::Link {
        iface: UPSTREAM,
        mac: None,
    };
    assert_eq!(
        vias,
        [
            (Via::Routed { vrf: VrfId(0) }, ip(SERVER)),
            (link, ip("ff05::1:3"))
        ]
    );
}

#[test]
fn what_a_client_may_not_send_is_dropped_by_name() {
    let mut bench = Bench::new();
    for kind in [2, 7, 10] {
        assert_eq!(bench.client(LAN, &[kind, 0, 0, 1]), []);
        bench.dropped(Some(LAN), Invalid::NotClientMessage);
    }
    assert_eq!(bench.client(LAN, &[1, 0]), []);
    bench.dropped(Some(LAN), Invalid::ShortMessage);
    assert_eq!(bench.client(LAN, &[1, 0, 0, 1, 9]), []);
    bench.dropped(Some(LAN), Invalid::TruncatedOption);
    let solicit = message(Type::Solicit, 1, []);
    for src in ["::", "ff02::1", "::1"] {
        assert_eq!(bench.packet(LAN, src, 546, "ff02::1:2", &solicit), []);
        bench.dropped(Some(LAN), Invalid::Source);
    }
    assert_eq!(
        bench.packet(LAN, CLIENT, 546, "2001:db8:1::1", &solicit),
        []
    );
    bench.dropped(Some(LAN), Invalid::Unicast);
    // A client that pretends to be a relay.
    let lie = envelope(12, 0, "2001:db8:2::1", CLIENT, &[], &solicit);
    assert_eq!(bench.client(LAN, &lie), []);
    bench.dropped(Some(LAN), Invalid::UntrustedRelay);
    // Nobody relays there.
    assert_eq!(bench.client(UPSTREAM, &solicit), []);
    assert_eq!(bench.machine.elsewhere.invalid["no_relay"], 1);
}

#[test]
fn a_message_longer_than_a_datagram_is_dropped() {
    let mut bench = Bench::new();
    // Header 34, Interface-Id 7, MAC 12, header of the Relay Message 4.
    let overhead = 34 + 7 + 12 + 4;
    let long = |len: usize| {
        let mut bytes = vec![99, 0, 0, 1];
        bytes.resize(len, 0);
        bytes
    };
    assert_eq!(
        sent(&bench.client(LAN, &long(65_527 - overhead)))
            .payload
            .len(),
        65_527
    );
    assert_eq!(bench.client(LAN, &long(65_528 - overhead)), []);
    bench.dropped(Some(LAN), Invalid::TooLong);
}

/// A link on which other relays are heard.
fn chained() -> Bench {
    let mut bench = Bench::new();
    let relays = Relays::From(vec![net("fe80::/10"), net("2001:db8:77::/64")]);
    bench.configure(
        LAN,
        "lan",
        Config {
            relays,
            ..config("lan")
        },
    );
    bench
}

#[test]
fn a_relay_behind_us_is_put_into_one_envelope_more() {
    let mut bench = chained();
    let solicit = message(Type::Solicit, 1, []);
    for (src, link) in [("fe80::77", "2001:db8:1::1"), ("2001:db8:77::1", "::")] {
        for hops in 0..8 {
            let forward = envelope(12, hops, "2001:db8:9::1", "fe80::99", &[], &solicit);
            let actions = bench.packet(LAN, src, 547, "2001:db8:1::1", &forward);
            let outer = Envelope::read(sent(&actions).payload).unwrap();
            assert_eq!(outer.hop_count, hops + 1);
            assert_eq!(
                (outer.link_address, outer.peer_address),
                (ip(link), ip(src))
            );
            assert_eq!((outer.message, outer.source_port), (&forward[..], None));
        }
        for hops in [8, 9, 255] {
            let forward = envelope(12, hops, "2001:db8:9::1", "fe80::99", &[], &solicit);
            assert_eq!(bench.packet(LAN, src, 547, "2001:db8:1::1", &forward), []);
            bench.dropped(Some(LAN), Invalid::HopLimit);
        }
    }
    assert_eq!(bench.counters(LAN).relay_forwards, 16);
    let forward = envelope(12, 0, "::", "fe80::99", &[], &solicit);
    assert_eq!(
        bench.packet(LAN, "2001:db8:78::1", 547, "2001:db8:1::1", &forward),
        []
    );
    bench.dropped(Some(LAN), Invalid::UntrustedRelay);
}

#[test]
fn nesting_is_checked_whatever_hop_count_says() {
    let mut bench = chained();
    let mut bytes = message(Type::Solicit, 1, []);
    for _ in 0..32 {
        bytes = envelope(12, 0, "::", "fe80::99", &[], &bytes);
    }
    assert_eq!(bench.packet(LAN, "fe80::77", 547, "ff02::1:2", &bytes), []);
    bench.dropped(Some(LAN), Invalid::RelayTooDeep);
    let damaged = envelope(12, 0, "::", "fe80::99", &[], &[1, 0, 0, 1, 9]);
    assert_eq!(
        bench.packet(LAN, "fe80::77", 547, "ff02::1:2", &damaged),
        []
    );
    bench.dropped(Some(LAN), Invalid::NestedDamage);
}

#[test]
fn the_port_of_a_relay_that_asks_for_it_is_kept() {
    let mut bench = chained();
    let solicit = message(Type::Solicit, 1, []);
    let asks = envelope(12, 0, "::", "fe80::99", &[(135, &[0, 0])], &solicit);
    let silent = envelope(12, 0, "::", "fe80::99", &[], &solicit);
    for (forward, port, kept) in [
        (&asks, 1547, Some(1547)),
        (&asks, 547, None),
        (&silent, 1547, None),
    ] {
        let actions = bench.packet(LAN, "fe80::77", port, "ff02::1:2", forward);
        assert_eq!(
            Envelope::read(sent(&actions).payload).unwrap().source_port,
            kept
        );
    }
}

#[test]
fn a_link_that_is_not_served_is_silent() {
    let mut bench = Bench::new();
    let solicit = message(Type::Solicit, 1, [pd(&[])]);
    let serve = |serving| Event::Serve { link: LAN, serving };
    assert_eq!(bench.event(serve(false)), []);
    assert_eq!(bench.client(LAN, &solicit), []);
    // Also after a change of what is configured, and on no other link.
    bench.configure(LAN, "lan", config("lan"));
    assert_eq!(bench.client(LAN, &solicit), []);
    assert_eq!(bench.client(GUESTS, &solicit).len(), 1);
    bench.event(serve(true));
    assert_eq!(bench.client(LAN, &solicit).len(), 1);
    let counters = bench.counters(LAN);
    assert_eq!((counters.not_serving, counters.solicits), (2, 1));
}
