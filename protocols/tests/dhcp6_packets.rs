//! DHCPv6 messages written by scapy, an independent encoder: what the server reads in them; and thousands of mutations of
//! them, which must neither panic nor be answered by what dhcproto cannot read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use dhcproto::{Decodable, Decoder, v6};
use lease::RealmId;
use protocols::Random;
use protocols::dhcp6::config::{PrefixPool, Range, Relays, Subnet};
use protocols::dhcp6::option::Invalid;
use protocols::dhcp6::{
    Action, Config, Datagram, Event, Identity, LinkId, Machine, MessageType, Secret, read,
};
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

const MUTATIONS: usize = 20_000;

fn seeds() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/dhcp6");
    let files = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    files.collect()
}

/// What is read in a message, in words.
fn words(bytes: &[u8]) -> String {
    let (layers, message) = match read(bytes) {
        Ok(read) => read,
        Err(invalid) => return invalid.label().to_owned(),
    };
    let ias: Vec<_> = message
        .ias
        .iter()
        .map(|ia| {
            let asked = message.asked(ia).iter();
            let asked: Vec<_> = asked.map(|a| format!("{}/{}", a.address, a.len)).collect();
            format!("{:?} {} {}", ia.kind, ia.iaid, asked.join(" "))
        })
        .collect();
    let relays: Vec<_> = layers
        .iter()
        .map(|l| {
            let id = l.interface_id.map(|id| id.escape_ascii().to_string());
            format!(
                "{} {} {} {:?} {:?}",
                l.hop_count, l.link_address, l.peer_address, id, l.mac
            )
        })
        .collect();
    let requested: Vec<u16> = (0..100).filter(|code| message.requests(*code)).collect();
    format!(
        "{:?} {:?} {ias:?} {requested:?} {} {} {} {relays:?}",
        message.kind,
        message.xid,
        message.elapsed,
        message.rapid_commit,
        message.reconfigure_accept,
    )
}

#[test]
fn what_scapy_writes_is_read() {
    let seeds = seeds();
    let requested = "[23, 24, 39, 56, 59, 82]";
    for (name, expected) in [
        ("solicit", format!("Solicit [1, 2, 3] [\"Na 1 \"] {requested} 150 false false []")),
        (
            "solicit_rapid",
            "Solicit [1, 2, 4] [\"Na 1 \", \"Pd 1 ::/56\"] [] 150 true true []".to_owned(),
        ),
        ("solicit_ta", "Solicit [0, 0, 5] [\"Ta 9 \"] [] 0 false false []".to_owned()),
        (
            "request",
            format!(
                "Request [1, 2, 5] [\"Na 1 2001:db8::1000/128\", \"Pd 2 2001:db8:8000::/56\"] \
                 {requested} 150 false false []"
            ),
        ),
        ("request_vendor", "Request [1, 2, 7] [\"Na 7 \"] [] 0 false false []".to_owned()),
        (
            "confirm",
            "Confirm [0, 0, 8] [\"Na 1 2001:db8::1000/128 2001:db8:1::1/128\"] [] 150 false false []"
                .to_owned(),
        ),
        (
            "relayed",
            format!(
                "Solicit [1, 2, 3] [\"Na 1 \"] {requested} 150 false false \
                 [\"0 2001:db8::fe fe80::1 Some(\\\"eth7\\\") Some(02:00:00:00:00:09)\"]"
            ),
        ),
        ("advertise", Invalid::WrongDirection.label().to_owned()),
        ("reply_relayed", Invalid::WrongDirection.label().to_owned()),
        ("truncated", Invalid::TruncatedOption.label().to_owned()),
    ] {
        assert_eq!(words(&seeds[name]), expected, "{name}");
    }
    let (layers, message) = read(&seeds["relayed_twice"]).unwrap();
    assert_eq!((layers.len(), message.kind), (2, MessageType::Solicit));
    assert_eq!(layers[1].subscriber_id, Some(&b"flat 3"[..]));
    assert_eq!(layers[1].remote_id, Some(&b"\0\0\0\x09line 3"[..]));
    let (_, message) = read(&seeds["request_fqdn"]).unwrap();
    let fqdn = message.fqdn.unwrap();
    assert_eq!(
        (fqdn.flags, fqdn.name),
        (1, &b"\x04host\x07example\x03org\0"[..])
    );
    assert_eq!(read(&seeds["request_vendor"]).unwrap().1.vendor, Some(3561));
}

#[test]
fn mutations_do_no_harm_and_answers_can_be_read() {
    let (now, wall) = (
        Instant::now(),
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    );
    let identity = Identity {
        duid: vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 0xff],
        secret: Secret([1; 32]),
        retention: Duration::from_secs(3600),
    };
    let mut machine = Machine::new(identity, 1, now, wall);
    let subnet = Subnet {
        pools: vec![Range {
            start: "2001:db8::1000".parse().unwrap(),
            end: "2001:db8::1fff".parse().unwrap(),
        }],
        ..Subnet::new("2001:db8::/64".parse().unwrap())
    };
    let config = Config {
        subnets: vec![subnet],
        prefix_pools: vec![PrefixPool::new("2001:db8:8000::/40".parse().unwrap(), 56)],
        relays: Relays::Any,
        rapid_commit: true,
        reconfigure: true,
        ..Config::default()
    };
    let mut out = Vec::new();
    let link = LinkId::Iface(IfaceId(1));
    let configure = Event::ConfigureLink {
        link,
        vrf: VrfId(0),
        realm: RealmId(1),
        name: "lan".into(),
        config: Box::new(config),
    };
    machine.on_event(now, wall, configure, &mut out);
    machine.on_event(now, wall, Event::Loaded { leases: vec![] }, &mut out);
    assert_eq!(out, []);
    let (corpus, mut random) = (Vec::from_iter(seeds().into_values()), Random::new(42));
    let mut answered = 0;
    for _ in 0..MUTATIONS {
        let mut payload = pick(&corpus, &mut random).clone();
        for _ in 0..below(&mut random, 4) {
            mutate(&mut payload, &corpus, &mut random);
        }
        out.clear();
        let datagram = Datagram {
            iface: IfaceId(1),
            src_mac: MacAddr([2, 0, 0, 0, 0, 1]),
            src: "fe80::1".parse().unwrap(),
            src_port: 546,
            dst: "ff02::1:2".parse().unwrap(),
            payload: &payload,
        };
        machine.on_event(now, wall, Event::Packet(datagram), &mut out);
        for action in &out {
            if let Action::Send { payload, .. } = action {
                answered += 1;
                let mut decoder = Decoder::new(payload);
                let is_relayed = payload[0] == 13;
                let readable = match is_relayed {
                    true => v6::RelayMessage::decode(&mut decoder).is_ok(),
                    false => v6::Message::decode(&mut decoder).is_ok(),
                };
                assert!(readable, "{}", payload.escape_ascii());
            }
        }
    }
    assert!(
        answered > MUTATIONS / 10,
        "{answered} answers: the mutations are too wild"
    );
}

fn below(random: &mut Random, end: usize) -> usize {
    (random.next_u64() % end.max(1) as u64) as usize
}

fn pick<'a>(corpus: &'a [Vec<u8>], random: &mut Random) -> &'a Vec<u8> {
    &corpus[below(random, corpus.len())]
}

/// One change: a bit, a byte, a cut, a repetition, or the tail of another message.
fn mutate(data: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = below(random, data.len());
    match below(random, 5) {
        0 if !data.is_empty() => data[at] ^= 1 << below(random, 8),
        1 if !data.is_empty() => data[at] = [0, 1, 3, 5, 25, 26, 128, 255][below(random, 8)],
        2 => data.truncate(at),
        3 => {
            let piece = data[at..(at + below(random, 60)).min(data.len())].to_vec();
            data.splice(at..at, piece);
        }
        _ => {
            let other = pick(corpus, random);
            let from = below(random, other.len());
            data.truncate(at);
            data.extend(&other[from..]);
        }
    }
}
