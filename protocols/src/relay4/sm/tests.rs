//! Clients and servers that speak through dhcproto.

use dhcproto::v4::{self, DhcpOption, MessageType as Type, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};
use ipnet::Ipv4Net;

use super::super::config::{Existing, Relays};
use super::*;

const LAN: IfaceId = IfaceId(1);
const GUESTS: IfaceId = IfaceId(2);
const UPSTREAM: IfaceId = IfaceId(9);
const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xc]);

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn config(id: &str) -> Config {
    Config {
        servers: vec![ip("192.0.2.53")],
        address: ip("10.1.0.1"),
        giaddr: ip("10.1.0.1"),
        circuit_id: Some(id.into()),
        remote_id: Some(b"hextet".to_vec()),
        ..Config::default()
    }
}

fn guests() -> Config {
    Config {
        address: ip("10.2.0.1"),
        giaddr: ip("10.2.0.1"),
        ..config("guests")
    }
}

struct Bench(Machine);

impl Bench {
    fn new() -> Self {
        let mut bench = Self(Machine::default());
        assert_eq!(bench.configure(LAN, config("lan")), []);
        assert_eq!(bench.configure(GUESTS, guests()), []);
        bench
    }

    fn event(&mut self, event: Event<'_>) -> Vec<Action> {
        let mut out = Vec::new();
        self.0.on_event(event, &mut out);
        out
    }

    fn configure(&mut self, link: IfaceId, config: Config) -> Vec<Action> {
        let (vrf, config) = (VrfId(0), Box::new(config));
        self.event(Event::ConfigureLink { link, vrf, config })
    }

    fn packet(&mut self, iface: IfaceId, src: &str, dst: &str, payload: &[u8]) -> Vec<Action> {
        self.event(Event::Packet(Datagram {
            iface,
            vrf: VrfId(0),
            src: ip(src),
            dst: ip(dst),
            payload,
        }))
    }

    fn client(&mut self, payload: &[u8]) -> Vec<Action> {
        self.packet(LAN, "0.0.0.0", "255.255.255.255", payload)
    }

    fn server(&mut self, payload: &[u8]) -> Vec<Action> {
        self.packet(UPSTREAM, "192.0.2.53", "10.1.0.1", payload)
    }

    fn counters(&self) -> &Counters {
        &self.0.links[&LAN].counters
    }

    fn dropped(&mut self, iface: Option<IfaceId>, invalid: Invalid) {
        let counters = match iface {
            Some(iface) => &mut self.0.links.get_mut(&iface).unwrap().counters,
            None => &mut self.0.elsewhere,
        };
        let counted: Vec<_> = std::mem::take(&mut counters.invalid).into_iter().collect();
        assert_eq!(counted, [(invalid.label(), 1)]);
    }
}

fn message(kind: Type, change: impl FnOnce(&mut v4::Message)) -> Vec<u8> {
    let zero = Ipv4Addr::UNSPECIFIED;
    let mut message = v4::Message::new_with_id(7, zero, zero, zero, zero, &CLIENT.octets());
    message.opts_mut().insert(DhcpOption::MessageType(kind));
    change(&mut message);
    let mut out = Vec::new();
    message.encode(&mut Encoder::new(&mut out)).unwrap();
    out
}

fn discover() -> Vec<u8> {
    message(Type::Discover, |_| {})
}

/// An answer to a link, with Relay Agent Information as the relay wrote it.
fn answer(
    kind: Type,
    giaddr: &str,
    agent: Option<&[u8]>,
    change: impl FnOnce(&mut v4::Message),
) -> Vec<u8> {
    let mut bytes = message(kind, |message| {
        message.set_opcode(v4::Opcode::BootReply);
        message.set_giaddr(ip(giaddr));
        change(message);
    });
    if let Some(agent) = agent {
        let read = Message::read(&bytes).unwrap();
        bytes = read.with_agent(agent);
    }
    bytes
}

/// What each datagram is, and where it goes.
fn sent(actions: &[Action]) -> Vec<(Via, String, String, u16, v4::Message)> {
    let each = |action: &Action| match action {
        Action::Send {
            via,
            src,
            dst,
            dst_port,
            payload,
        } => {
            let message = v4::Message::decode(&mut Decoder::new(payload)).unwrap();
            (*via, src.to_string(), dst.to_string(), *dst_port, message)
        }
        Action::Notice(notice) => panic!("{notice:?}"),
    };
    actions.iter().map(each).collect()
}

/// The agent's option in the only datagram.
fn agent(actions: &[Action]) -> Option<Vec<u8>> {
    match actions {
        [Action::Send { payload, .. }] => Message::read(payload).unwrap().agent.map(<[u8]>::to_vec),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_clients_message_gets_giaddr_hops_and_the_agents_option() {
    let mut bench = Bench::new();
    let config = Config {
        servers: vec![ip("192.0.2.53"), ip("192.0.2.54")],
        ..config("lan")
    };
    bench.configure(LAN, config);
    let actions = bench.client(&discover());
    let all = sent(&actions);
    assert_eq!(all.len(), 2);
    for ((via, src, dst, port, message), server) in all.iter().zip(["192.0.2.53", "192.0.2.54"]) {
        assert_eq!(*via, Via::Routed { vrf: VrfId(0) });
        assert_eq!(
            (src.as_str(), dst.as_str(), *port),
            ("10.1.0.1", server, 67)
        );
        assert_eq!((message.giaddr(), message.hops()), (ip("10.1.0.1"), 1));
        assert!(
            message
                .opts()
                .get(OptionCode::RelayAgentInformation)
                .is_some()
        );
    }
    assert_eq!(agent(&actions[..1]).unwrap(), b"\x01\x03lan\x02\x06hextet");
    assert_eq!(bench.counters().discovers, 1);
}

#[test]
fn sub_options_that_are_configured() {
    let mut bench = Bench::new();
    let config = Config {
        giaddr: ip("192.0.2.1"),
        link_selection: Some(ip("10.1.0.1")),
        server_override: true,
        flags: true,
        remote_id: None,
        ..config("lan")
    };
    bench.configure(LAN, config.clone());
    let agent_of = |unicast: u8| {
        let parts: [&[u8]; 4] = [
            b"\x01\x03lan",
            &[5, 4, 10, 1, 0, 1],
            &[10, 1, unicast],
            &[11, 4, 10, 1, 0, 1],
        ];
        parts.concat()
    };
    assert_eq!(agent(&bench.client(&discover())), Some(agent_of(0)));
    let actions = bench.packet(LAN, "10.1.0.9", "10.1.0.1", &discover());
    assert_eq!(agent(&actions), Some(agent_of(0x80)));
    bench.configure(
        LAN,
        Config {
            agent_option: false,
            ..config
        },
    );
    assert_eq!(agent(&bench.client(&discover())), None);
}

#[test]
fn hops_end_at_the_limit() {
    let mut bench = Bench::new();
    let with = |hops| {
        message(Type::Discover, |m| {
            m.set_hops(hops);
        })
    };
    assert_eq!(sent(&bench.client(&with(15)))[0].4.hops(), 16);
    for hops in [16, 17, 255] {
        assert_eq!(bench.client(&with(hops)), []);
        bench.dropped(Some(LAN), Invalid::HopLimit);
    }
    bench.configure(
        LAN,
        Config {
            hop_limit: 4,
            ..config("lan")
        },
    );
    assert_eq!(bench.client(&with(4)), []);
    bench.dropped(Some(LAN), Invalid::HopLimit);
}

#[test]
fn what_carries_the_agents_option_already_is_dropped_kept_or_replaced() {
    let mut bench = Bench::new();
    let forged = Message::read(&discover())
        .unwrap()
        .with_agent(b"\x01\x03bad");
    assert_eq!(bench.client(&forged), []);
    bench.dropped(Some(LAN), Invalid::UntrustedAgentOption);
    for (existing, agent_option, expected) in [
        (Existing::Keep, true, Some(&b"\x01\x03bad"[..])),
        (Existing::Replace, true, Some(b"\x01\x03lan\x02\x06hextet")),
        (Existing::Replace, false, None),
    ] {
        bench.configure(
            LAN,
            Config {
                existing,
                agent_option,
                ..config("lan")
            },
        );
        let actions = bench.client(&forged);
        assert_eq!(agent(&actions).as_deref(), expected, "{existing:?}");
        assert_eq!(sent(&actions)[0].4.giaddr(), ip("10.1.0.1"));
    }
    assert_eq!(bench.counters().agent_option_replaced, 2);
}

#[test]
fn a_relay_behind_us_is_trusted_only_by_configuration() {
    let mut bench = Bench::new();
    let relayed = message(Type::Discover, |m| {
        m.set_giaddr(ip("10.9.0.1"));
    });
    assert_eq!(bench.packet(LAN, "10.1.0.9", "10.1.0.1", &relayed), []);
    bench.dropped(Some(LAN), Invalid::UntrustedRelay);
    let relays = Relays::From(vec!["10.1.0.9/32".parse::<Ipv4Net>().unwrap()]);
    bench.configure(
        LAN,
        Config {
            relays,
            ..config("lan")
        },
    );
    let actions = bench.packet(LAN, "10.1.0.9", "10.1.0.1", &relayed);
    let all = sent(&actions);
    assert_eq!((all[0].4.giaddr(), all[0].4.hops()), (ip("10.9.0.1"), 1));
    assert_eq!(agent(&actions), None);
    assert_eq!(bench.counters().relayed, 1);
    assert_eq!(bench.packet(LAN, "10.1.0.8", "10.1.0.1", &relayed), []);
    bench.dropped(Some(LAN), Invalid::UntrustedRelay);
    // Nobody claims our own address.
    for own in ["10.1.0.1", "10.2.0.1"] {
        let spoofed = message(Type::Discover, |m| {
            m.set_giaddr(ip(own));
        });
        assert_eq!(bench.packet(LAN, "10.1.0.9", "10.1.0.1", &spoofed), []);
        bench.dropped(Some(LAN), Invalid::SpoofedGiaddr);
    }
}

#[test]
fn an_answer_goes_to_the_clients_mac_without_its_relays_option() {
    let mut bench = Bench::new();
    let offer = answer(Type::Offer, "10.1.0.1", Some(b"\x01\x03lan"), |m| {
        m.set_yiaddr(ip("10.1.0.50"));
    });
    let actions = bench.server(&offer);
    let (via, src, dst, port, message) = sent(&actions).remove(0);
    assert_eq!(
        via,
        Via::Link {
            iface: LAN,
            mac: CLIENT
        }
    );
    assert_eq!(
        (src.as_str(), dst.as_str(), port),
        ("10.1.0.1", "10.1.0.50", 68)
    );
    assert_eq!(message.opts().get(OptionCode::RelayAgentInformation), None);
    assert_eq!(bench.counters().offers, 1);
    // A server that echoes nothing.
    let ack = answer(Type::Ack, "10.2.0.1", None, |m| {
        m.set_ciaddr(ip("10.2.0.9"));
    });
    let actions = bench.server(&ack);
    let (via, src, dst, ..) = sent(&actions).remove(0);
    assert_eq!(
        via,
        Via::Link {
            iface: GUESTS,
            mac: CLIENT
        }
    );
    assert_eq!((src.as_str(), dst.as_str()), ("10.2.0.1", "10.2.0.9"));
}

#[test]
fn an_answer_is_broadcast_where_it_must_be() {
    let mut bench = Bench::new();
    let flagged = answer(Type::Offer, "10.1.0.1", None, |m| {
        m.set_yiaddr(ip("10.1.0.50"))
            .set_flags(v4::Flags::default().set_broadcast());
    });
    let nak = answer(Type::Nak, "10.1.0.1", None, |_| {});
    let nowhere = answer(Type::Ack, "10.1.0.1", None, |_| {});
    let mut odd = answer(Type::Offer, "10.1.0.1", None, |m| {
        m.set_yiaddr(ip("10.1.0.50"));
    });
    // Hardware that is not Ethernet.
    odd[1] = 32;
    for bytes in [flagged, nak, nowhere, odd] {
        let actions = bench.server(&bytes);
        let (via, _, dst, ..) = sent(&actions).remove(0);
        assert_eq!(
            via,
            Via::Link {
                iface: LAN,
                mac: MacAddr::BROADCAST
            }
        );
        assert_eq!(dst, "255.255.255.255");
    }
    assert_eq!(bench.counters().broadcasts, 4);
}

#[test]
fn only_servers_are_believed() {
    let mut bench = Bench::new();
    let offer = answer(Type::Offer, "10.1.0.1", Some(b"\x01\x03lan"), |_| {});
    for iface in [LAN, UPSTREAM] {
        assert_eq!(bench.packet(iface, "192.0.2.99", "10.1.0.1", &offer), []);
        bench.dropped(None, Invalid::UnknownServer);
    }
    let other = answer(Type::Offer, "10.3.0.1", None, |_| {});
    assert_eq!(bench.server(&other), []);
    bench.dropped(None, Invalid::UnknownGiaddr);
    let other = answer(Type::Offer, "10.1.0.1", Some(b"\x01\x03bad"), |_| {});
    assert_eq!(bench.server(&other), []);
    bench.dropped(None, Invalid::UnknownCircuitId);
    let damaged = answer(Type::Offer, "10.1.0.1", Some(b"\x01\x09bad"), |_| {});
    assert_eq!(bench.server(&damaged), []);
    bench.dropped(None, Invalid::AgentOption);
    let wrong = answer(Type::Discover, "10.1.0.1", None, |_| {});
    assert_eq!(bench.server(&wrong), []);
    bench.dropped(None, Invalid::NotServerMessage);
    // A server of another link.
    bench.configure(
        GUESTS,
        Config {
            servers: vec![ip("192.0.2.60")],
            ..guests()
        },
    );
    assert_eq!(bench.packet(UPSTREAM, "192.0.2.60", "10.1.0.1", &offer), []);
    bench.dropped(None, Invalid::UnknownServer);
}

#[test]
fn links_that_share_a_giaddr_are_told_by_their_circuits() {
    let mut bench = Bench::new();
    for (link, id) in [(LAN, "lan"), (GUESTS, "guests")] {
        bench.configure(
            link,
            Config {
                giaddr: ip("192.0.2.1"),
                ..config(id)
            },
        );
    }
    let offer = |agent| answer(Type::Offer, "192.0.2.1", agent, |_| {});
    let actions = bench.server(&offer(Some(b"\x01\x06guests")));
    assert!(matches!(
        sent(&actions)[0].0,
        Via::Link { iface: GUESTS, .. }
    ));
    assert_eq!(bench.server(&offer(None)), []);
    bench.dropped(None, Invalid::UnknownCircuitId);
    let same = Config {
        giaddr: ip("192.0.2.1"),
        ..config("lan")
    };
    let faults = vec![ConfigError::SameCircuitId];
    let refused = Action::Notice(Notice::ConfigRefused {
        link: GUESTS,
        faults,
    });
    assert_eq!(bench.configure(GUESTS, same), [refused]);
}

#[test]
fn what_is_malformed_is_counted_where_it_came_in() {
    let mut bench = Bench::new();
    assert_eq!(bench.client(&[1; 100]), []);
    bench.dropped(Some(LAN), Invalid::ShortMessage);
    assert_eq!(
        bench.packet(UPSTREAM, "10.0.0.1", "10.1.0.1", &[1; 100]),
        []
    );
    bench.dropped(None, Invalid::ShortMessage);
    let ack = message(Type::Ack, |_| {});
    assert_eq!(bench.client(&ack), []);
    bench.dropped(Some(LAN), Invalid::NotClientMessage);
    assert_eq!(
        bench.packet(UPSTREAM, "0.0.0.0", "255.255.255.255", &discover()),
        []
    );
    assert_eq!(bench.0.elsewhere.invalid["no_relay"], 1);
}

#[test]
fn what_is_too_long_with_the_option_goes_without_and_then_not_at_all() {
    let mut bench = Bench::new();
    bench.configure(
        LAN,
        Config {
            path_mtu: 576,
            link_mtu: 576,
            ..config("lan")
        },
    );
    let of = |len: usize| {
        let mut bytes = vec![0; 240];
        bytes.copy_from_slice(&discover()[..240]);
        while bytes.len() + 202 < len {
            bytes.extend([12, 200]);
            bytes.extend([b'x'; 200]);
        }
        let left = len - bytes.len() - 3;
        bytes.extend([12, left as u8]);
        bytes.extend(vec![b'x'; left]);
        bytes.push(255);
        bytes
    };
    // 13 octets of sub-options and 2 before them.
    for (len, has) in [(533, true), (534, false), (548, false)] {
        let actions = bench.client(&of(len));
        assert_eq!(agent(&actions).is_some(), has, "{len}");
    }
    assert_eq!(bench.counters().agent_option_omitted, 2);
    assert_eq!(bench.client(&of(549)), []);
    bench.dropped(Some(LAN), Invalid::TooLong);
}

#[test]
fn a_wrong_configuration_names_its_fields() {
    let faults = Config::default().validate();
    assert_eq!(faults.len(), 3, "{faults:?}");
    let long = Config {
        circuit_id: Some(vec![1; 200]),
        remote_id: Some(vec![1; 60]),
        hop_limit: 17,
        path_mtu: 575,
        ..config("x")
    };
    let faults = long.validate();
    assert_eq!(faults.len(), 3, "{faults:?}");
    let empty = Config {
        circuit_id: Some(vec![]),
        ..config("x")
    };
    assert_eq!(empty.validate().len(), 1);
}

#[test]
fn a_link_that_is_not_served_is_silent() {
    let mut bench = Bench::new();
    let serve = |serving| Event::Serve { link: LAN, serving };
    assert_eq!(bench.event(serve(false)), []);
    assert_eq!(bench.client(&discover()), []);
    bench.configure(LAN, config("lan"));
    assert_eq!(bench.client(&discover()), []);
    bench.event(serve(true));
    assert_eq!(bench.client(&discover()).len(), 1);
    let counters = bench.counters();
    assert_eq!((counters.not_serving, counters.discovers), (2, 1));
}
