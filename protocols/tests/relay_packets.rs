//! DHCP messages written by scapy, an independent encoder: what the relays read in them; and thousands of mutations of them,
//! which must neither panic nor reach a client or server as what cannot be read.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Instant, SystemTime};

use lease::RealmId;
use protocols::{Random, relay4, relay6};
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

const MUTATIONS: usize = 20_000;
const LAN: IfaceId = IfaceId(1);
const UPSTREAM: IfaceId = IfaceId(2);
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xc]);

fn seeds(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    let files = fs::read_dir(folder.join(target)).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    files.collect()
}

/// A few octets changed, some cut off, some put in.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let below = |random: &mut Random, n: usize| (random.next_u64() % n.max(1) as u64) as usize;
    for _ in 0..=below(random, 4) {
        let at = below(random, bytes.len());
        match below(random, 8) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.next_u64() as u8),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.next_u64() as u8;
                }
            }
        }
    }
}

/// A DHCPv6 relay that trusts everybody on its link.
fn relay6() -> relay6::Machine {
    let mut machine = relay6::Machine::new(Instant::now(), SystemTime::now());
    let config = relay6::Config {
        servers: vec![relay6::Server::Routed("2001:db8:ff::53".parse().unwrap())],
        link_address: "2001:db8:1::1".parse().unwrap(),
        interface_id: b"lan".to_vec(),
        relays: relay6::Relays::Any,
        ..relay6::Config::default()
    };
    let configure = relay6::Event::ConfigureLink {
        link: LAN,
        vrf: VrfId(0),
        realm: RealmId(1),
        name: "lan".into(),
        config: Box::new(config),
    };
    for event in [configure, relay6::Event::Loaded { leases: vec![] }] {
        let mut out = Vec::new();
        machine.on_event(Instant::now(), SystemTime::now(), event, &mut out);
        assert_eq!(out, []);
    }
    machine
}

/// What the relay does with a payload, from the side that such a message comes from.
fn give6(machine: &mut relay6::Machine, payload: &[u8]) -> Vec<relay6::Action> {
    let is_reply = payload.first() == Some(&13);
    let (iface, src, dst) = match is_reply {
        true => (UPSTREAM, "2001:db8:ff::53", "2001:db8:1::1"),
        false => (LAN, "fe80::c", "ff02::1:2"),
    };
    let datagram = relay6::Datagram {
        iface,
        vrf: VrfId(0),
        src_mac: MAC,
        src: src.parse().unwrap(),
        src_port: 547,
        dst: dst.parse::<Ipv6Addr>().unwrap(),
        payload,
    };
    let mut out = Vec::new();
    let event = relay6::Event::Packet(datagram);
    machine.on_event(Instant::now(), SystemTime::now(), event, &mut out);
    out
}

/// What is done, in words: `send 12` is a datagram whose first octet is 12.
fn words6(actions: &[relay6::Action]) -> String {
    let word = |action: &relay6::Action| match action {
        relay6::Action::Send { payload, .. } => format!("send {}", payload[0]),
        relay6::Action::Write(write) => format!("write {}", write.resource),
        relay6::Action::RouteUp { prefix, .. } => format!("up {prefix}"),
        other => format!("{other:?}"),
    };
    actions.iter().map(word).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_scapy_writes_is_relayed_or_dropped_by_name() {
    for (name, payload) in seeds("relay6") {
        let mut machine = relay6();
        let done = words6(&give6(&mut machine, &payload));
        let dropped: Vec<_> = machine
            .counters()
            .flat_map(|(_, counters)| counters.invalid.keys().copied())
            .collect();
        let (expected, why): (&str, &[&str]) = match name.as_str() {
            "solicit" | "release" | "relayed" | "relayed_twice" => ("send 12", &[]),
            "relayed_32" => ("", &["hop_limit"]),
            "relayed_32_counting_none" => ("", &["relay_too_deep"]),
            "advertise" => ("", &["not_client_message"]),
            "reply_advertise" => ("send 2", &[]),
            "reply_delegates" => (
                "write 2001:db8:a000::/56, up 2001:db8:a000::/56, send 7",
                &[],
            ),
            "reply_reconfigure" => ("send 10", &[]),
            "reply_twice" => ("send 13", &[]),
            other => panic!("what of {other}?"),
        };
        assert_eq!((done.as_str(), &dropped[..]), (expected, why), "{name}");
    }
}

#[test]
fn mutations_are_relayed_whole_or_dropped() {
    let seeds: Vec<_> = seeds("relay6").into_values().collect();
    let (mut machine, mut random) = (relay6(), Random::new(1));
    let mut relayed = 0;
    for n in 0..MUTATIONS {
        let mut payload = seeds[n % seeds.len()].clone();
        mutate(&mut payload, &mut random);
        let _ = relay6::read(&payload);
        for action in give6(&mut machine, &payload) {
            if let relay6::Action::Send { payload, .. } = action {
                relayed += 1;
                match relay6::packet::Message::read(&payload) {
                    Ok(_) | Err(relay6::Invalid::NotClientMessage) => {}
                    Err(invalid) => panic!("{invalid}: {}", payload.escape_ascii()),
                }
            }
        }
    }
    assert!(MUTATIONS / 10 < relayed, "{relayed} of {MUTATIONS}");
}

fn relay4() -> relay4::Machine {
    let mut machine = relay4::Machine::default();
    let config = relay4::Config {
        servers: vec![Ipv4Addr::new(192, 0, 2, 53)],
        address: Ipv4Addr::new(10, 1, 0, 1),
        giaddr: Ipv4Addr::new(10, 1, 0, 1),
        circuit_id: Some(b"lan".to_vec()),
        relays: relay4::Relays::Any,
        ..relay4::Config::default()
    };
    let event = relay4::Event::ConfigureLink {
        link: LAN,
        vrf: VrfId(0),
        config: Box::new(config),
    };
    let mut out = Vec::new();
    machine.on_event(event, &mut out);
    assert_eq!(out, []);
    machine
}

fn give4(machine: &mut relay4::Machine, payload: &[u8]) -> Vec<relay4::Action> {
    let is_reply = payload.first() == Some(&2);
    let datagram = relay4::Datagram {
        iface: if is_reply { UPSTREAM } else { LAN },
        vrf: VrfId(0),
        src: Ipv4Addr::new(192, 0, 2, 53),
        dst: Ipv4Addr::new(10, 1, 0, 1),
        payload,
    };
    let mut out = Vec::new();
    machine.on_event(relay4::Event::Packet(datagram), &mut out);
    out
}

#[test]
fn what_scapy_writes_over_ipv4_is_relayed_or_dropped_by_name() {
    for (name, payload) in seeds("relay4") {
        let mut machine = relay4();
        let actions = give4(&mut machine, &payload);
        let of_links = machine.counters().map(|(_, counters)| counters);
        let all = of_links.chain([machine.counters_elsewhere()]);
        let dropped: Vec<_> = all
            .flat_map(|counters| counters.invalid.keys().copied())
            .collect();
        let (expected, why): (&[&str], &[&str]) = match name.as_str() {
            "discover" | "request_agent" => (&["192.0.2.53"], &[]),
            "offer" => (&["10.1.0.50"], &[]),
            "nak_broadcast" => (&["255.255.255.255"], &[]),
            "agent_damaged" => (&[], &["agent_option"]),
            "no_end" => (&[], &["no_end"]),
            other => panic!("what of {other}?"),
        };
        let sent: Vec<_> = actions
            .iter()
            .map(|action| match action {
                relay4::Action::Send { dst, .. } => dst.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            (sent, &dropped[..]),
            (expected.iter().map(|s| (*s).to_owned()).collect(), why),
            "{name}"
        );
    }
}

#[test]
fn mutations_over_ipv4_are_relayed_whole_or_dropped() {
    let seeds: Vec<_> = seeds("relay4").into_values().collect();
    let (mut machine, mut random) = (relay4(), Random::new(1));
    let mut relayed = 0;
    for n in 0..MUTATIONS {
        let mut payload = seeds[n % seeds.len()].clone();
        mutate(&mut payload, &mut random);
        let _ = relay4::read(&payload);
        for action in give4(&mut machine, &payload) {
            if let relay4::Action::Send { payload, via, .. } = action {
                relayed += 1;
                let message = relay4::packet::Message::read(&payload);
                let message = message.unwrap_or_else(|e| panic!("{e}: {}", payload.escape_ascii()));
                let to_client = matches!(via, relay4::Via::Link { .. });
                assert!(!to_client || message.agent.is_none(), "{message:?}");
            }
        }
    }
    assert!(MUTATIONS / 10 < relayed, "{relayed} of {MUTATIONS}");
}
