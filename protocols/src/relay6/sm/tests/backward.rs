//! Towards the clients.

use super::*;

#[test]
fn an_answer_goes_to_the_client_on_the_link_that_it_names() {
    let mut bench = Bench::new();
    let advertise = message(Type::Advertise, 1, []);
    bench.client(GUESTS, &message(Type::Solicit, 1, []));
    let actions = bench.server(&reply("guests", &advertise));
    let answer = sent(&actions);
    let mac = Some(mac(0xc));
    assert_eq!(answer.via, Via::Link { iface: GUESTS, mac });
    assert_eq!(
        (answer.src, answer.dst, answer.dst_port),
        (None, ip(CLIENT), 546)
    );
    assert_eq!(
        (answer.payload, answer.after_commit),
        (&advertise[..], false)
    );
    assert_eq!(bench.counters(GUESTS).advertises, 1);
    // Nobody of that address was heard on the other link.
    let actions = bench.server(&reply("lan", &advertise));
    assert_eq!(
        sent(&actions).via,
        Via::Link {
            iface: LAN,
            mac: None
        }
    );
}

#[test]
fn without_an_interface_id_the_link_address_says_it() {
    let mut bench = Bench::new();
    let advertise = message(Type::Advertise, 1, []);
    let answer = |link: &str| envelope(13, 0, link, CLIENT, &[], &advertise);
    let actions = bench.server(&answer("2001:db8:2::1"));
    assert_eq!(
        sent(&actions).via,
        Via::Link {
            iface: GUESTS,
            mac: None
        }
    );
    for link in ["::", "2001:db8:3::1"] {
        assert_eq!(bench.server(&answer(link)), []);
        bench.dropped(None, Invalid::UnknownLinkAddress);
    }
}

#[test]
fn only_servers_are_believed() {
    let mut bench = Bench::new();
    let advertise = message(Type::Advertise, 1, []);
    let answer = reply("lan", &advertise);
    for iface in [LAN, UPSTREAM] {
        let actions = bench.packet(iface, "2001:db8:ff::54", 547, "2001:db8:1::1", &answer);
        assert_eq!(actions, []);
        bench.dropped(None, Invalid::UnknownServer);
    }
    assert_eq!(
        bench.packet(UPSTREAM, SERVER, 546, "2001:db8:1::1", &answer),
        []
    );
    bench.dropped(None, Invalid::ClientPort);
    assert_eq!(bench.server(&reply("cellar", &advertise)), []);
    bench.dropped(None, Invalid::UnknownInterfaceId);
    // A server of one link is none of another.
    let servers = vec![Server::Routed(ip("2001:db8:ff::99"))];
    bench.configure(
        GUESTS,
        "guests",
        Config {
            servers,
            ..config("guests")
        },
    );
    assert_eq!(bench.server(&reply("guests", &advertise)), []);
    bench.dropped(Some(GUESTS), Invalid::UnknownServer);
    // Nor is it of another router.
    bench.event(Event::ConfigureLink {
        link: LAN,
        vrf: VrfId(1),
        realm: RealmId(2),
        name: "lan".into(),
        config: Box::new(config("lan")),
    });
    assert_eq!(bench.server(&answer), []);
    bench.dropped(None, Invalid::UnknownServer);
}

#[test]
fn behind_a_group_any_server_of_that_link_is_believed() {
    let mut bench = Bench::new();
    let servers = vec![Server::Link {
        iface: UPSTREAM,
        address: ip("ff05::1:3"),
    }];
    bench.configure(
        LAN,
        "lan",
        Config {
            servers,
            ..config("lan")
        },
    );
    bench.event(Event::RemoveLink { link: GUESTS });
    let answer = reply("lan", &message(Type::Advertise, 1, []));
    let actions = bench.packet(UPSTREAM, "fe80::5", 547, "fe80::1", &answer);
    assert_eq!(sent(&actions).dst, ip(CLIENT));
    assert_eq!(bench.packet(GUESTS, "fe80::5", 547, "fe80::1", &answer), []);
    bench.dropped(None, Invalid::UnknownServer);
}

#[test]
fn a_damaged_answer_is_dropped_by_name() {
    let mut bench = Bench::new();
    let empty = envelope(13, 0, "::", CLIENT, &[(18, b"lan")], &[]);
    assert_eq!(bench.server(&empty), []);
    bench.dropped(Some(LAN), Invalid::NestedDamage);
    assert_eq!(bench.server(&empty[..empty.len() - 4]), []);
    bench.dropped(None, Invalid::RelayEmpty);
    assert_eq!(bench.server(&empty[..30]), []);
    bench.dropped(None, Invalid::ShortMessage);
    assert_eq!(
        bench.server(&reply("lan", &message(Type::Solicit, 1, []))),
        []
    );
    bench.dropped(Some(LAN), Invalid::NotServerMessage);
    let answer = message(Type::Reply, 1, []);
    let nobody = envelope(13, 0, "::", "ff02::1", &[(18, b"lan")], &answer);
    assert_eq!(bench.server(&nobody), []);
    bench.dropped(Some(LAN), Invalid::NestedDamage);
}

#[test]
fn an_answer_may_be_longer_than_the_mtu() {
    let mut bench = Bench::new();
    let answer = [&[99, 0, 0, 1][..], &[0; 9000]].concat();
    let actions = bench.server(&reply("lan", &answer));
    assert_eq!(sent(&actions).payload, answer);
}

#[test]
fn reconfigure_passes_to_a_client_that_was_not_heard_for_long() {
    let mut bench = Bench::new();
    let actions = bench.server(&reply("lan", &message(Type::Reconfigure, 0, [])));
    let answer = sent(&actions);
    assert_eq!((answer.dst, answer.dst_port), (ip(CLIENT), 546));
    assert_eq!(
        answer.via,
        Via::Link {
            iface: LAN,
            mac: None
        }
    );
    assert_eq!(bench.counters(LAN).reconfigures, 1);
}

#[test]
fn an_answer_to_a_relay_behind_us_goes_where_it_listens() {
    let mut bench = Bench::new();
    let answer = message(Type::Reply, 1, []);
    let inner = envelope(13, 0, "2001:db8:9::1", "fe80::99", &[], &answer);
    let routed = (Via::Routed { vrf: VrfId(0) }, Some(ip("2001:db8:1::1")));
    let link = (
        Via::Link {
            iface: LAN,
            mac: None,
        },
        None,
    );
    for (peer, port, dst_port, (via, src)) in [
        ("2001:db8:77::1", None, 547, routed),
        ("fe80::77", None, 547, link),
        ("fe80::77", Some([6, 11]), 1547, link),
        ("fe80::77", Some([0, 0]), 547, link),
    ] {
        let mut options: Vec<(u16, &[u8])> = vec![(18, b"lan")];
        if let Some(port) = &port {
            options.push((135, port));
        }
        let actions = bench.server(&envelope(13, 1, "::", peer, &options, &inner));
        let sent = sent(&actions);
        assert_eq!((sent.dst, sent.dst_port), (ip(peer), dst_port));
        assert_eq!((sent.via, sent.src, sent.payload), (via, src, &inner[..]));
    }
    assert_eq!(bench.counters(LAN).relay_replies, 4);
}

#[test]
fn a_wrong_configuration_is_refused_and_changes_nothing() {
    let mut bench = Bench::new();
    let faults = |actions: Vec<Action>| match &actions[..] {
        [Action::Notice(Notice::ConfigRefused { faults, .. })] => faults.clone(),
        other => panic!("{other:?}"),
    };
    let wrong = Config {
        servers: vec![],
        interface_id: vec![],
        ..config("x")
    };
    assert_eq!(faults(bench.configure(LAN, "lan", wrong)).len(), 2);
    let same = config("guests");
    assert_eq!(
        faults(bench.configure(LAN, "lan", same)),
        [ConfigError::SameInterfaceId]
    );
    for address in ["ff05::1:3", "::", "fe80::1"] {
        let servers = vec![Server::Routed(ip(address))];
        let wrong = Config {
            servers,
            ..config("lan")
        };
        assert_eq!(
            faults(bench.configure(LAN, "lan", wrong)),
            [ConfigError::Server(ip(address))]
        );
    }
    assert_eq!(bench.machine.links[&LAN].config, config("lan"));
}
