//! DHCPv4 messages written by scapy, an independent encoder: what the server reads in them; and thousands of mutations of
//! them, which must neither panic nor be answered by what dhcproto cannot read.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use dhcproto::{Decodable, Decoder, v4};
use lease::RealmId;
use protocols::Random;
use protocols::dhcp4::config::{Range, Relays, Subnet};
use protocols::dhcp4::{
    Action, Config, Datagram, Event, Identity, Invalid, LinkId, Machine, Message,
};
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

const MUTATIONS: usize = 20_000;

fn seeds() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/dhcp4");
    let files = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    files.collect()
}

/// What is read in a message, in words.
fn words(bytes: &[u8]) -> String {
    let message = match Message::read(bytes) {
        Ok(message) => message,
        Err(invalid) => return invalid.label().to_owned(),
    };
    let address = |address: Option<Ipv4Addr>| address.map_or("-".into(), |a| a.to_string());
    let codes: Vec<u8> = match &message.parameters {
        Some(list) => list.to_vec(),
        None => Vec::new(),
    };
    format!(
        "{:?} {} secs {} asked {} server {} {codes:?} {} {} {}",
        message.kind,
        message.ciaddr,
        message.secs,
        address(message.requested),
        address(message.server_id),
        message.max_size,
        message.broadcast(),
        message.rapid_commit,
    )
}

#[test]
fn what_scapy_writes_is_read() {
    let seeds = seeds();
    let codes = "[1, 3, 6, 15, 26, 42, 119, 121]";
    let cases = [
        (
            "discover",
            format!("Discover 0.0.0.0 secs 3 asked - server - {codes} 1500 true false"),
        ),
        (
            "discover_rapid",
            "Discover 0.0.0.0 secs 0 asked 192.0.2.42 server - [] 576 false true".to_owned(),
        ),
        (
            "request_selecting",
            format!(
                "Request 0.0.0.0 secs 0 asked 192.0.2.42 server 192.0.2.1 {codes} 576 false false"
            ),
        ),
        (
            "request_reboot",
            "Request 0.0.0.0 secs 0 asked 192.0.2.42 server - [] 576 false false".to_owned(),
        ),
        (
            "request_renew",
            format!("Request 192.0.2.42 secs 0 asked - server - {codes} 576 false false"),
        ),
        (
            "decline",
            "Decline 0.0.0.0 secs 0 asked 192.0.2.42 server 192.0.2.1 [] 576 false false"
                .to_owned(),
        ),
        (
            "release",
            "Release 192.0.2.42 secs 0 asked - server 192.0.2.1 [] 576 false false".to_owned(),
        ),
        (
            "inform",
            format!("Inform 192.0.2.77 secs 0 asked - server - {codes} 576 false false"),
        ),
        ("offer", Invalid::Op.label().to_owned()),
        ("ack_as_request", Invalid::WrongDirection.label().to_owned()),
        ("bootp", Invalid::NoMessageType.label().to_owned()),
        ("truncated", Invalid::TruncatedOption.label().to_owned()),
        ("no_cookie", Invalid::NoCookie.label().to_owned()),
    ];
    for (name, expected) in cases {
        assert_eq!(words(&seeds[name]), expected, "{name}");
    }
    let relayed = Message::read(&seeds["relayed"]).unwrap();
    assert_eq!(relayed.giaddr, Ipv4Addr::new(203, 0, 113, 1));
    let info = &relayed.agent.info;
    assert_eq!(info.interface_id.as_ref().unwrap().as_bytes(), b"eth7");
    assert_eq!(info.remote_id.as_ref().unwrap().as_bytes(), b"abc");
    let selection = relayed.agent.link_selection;
    assert_eq!(selection, Some(Ipv4Addr::new(192, 0, 2, 0)));
    assert_eq!(relayed.agent.server_id, Some(relayed.giaddr));
    let overloaded = Message::read(&seeds["overloaded"]).unwrap();
    assert_eq!(overloaded.host_name.as_deref(), Some(&b"abcde"[..]));
    let discover = Message::read(&seeds["discover"]).unwrap();
    assert_eq!(discover.mac(), Some(MacAddr([2, 0, 0, 0, 0, 9])));
    assert_eq!(
        discover.client_id.as_deref(),
        Some(&[1, 2, 0, 0, 0, 0, 9][..])
    );
}

#[test]
fn mutations_do_no_harm_and_answers_can_be_read() {
    let (now, wall) = (
        Instant::now(),
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    );
    let identity = Identity {
        secret: [1, 2],
        retention: Duration::from_secs(3600),
    };
    let mut machine = Machine::new(identity, 1, now, wall);
    let subnet = Subnet {
        pools: vec![Range {
            start: Ipv4Addr::new(192, 0, 2, 10),
            end: Ipv4Addr::new(192, 0, 2, 200),
        }],
        ..Subnet::new("192.0.2.0/24".parse().unwrap())
    };
    let config = Config {
        own: vec![Ipv4Addr::new(192, 0, 2, 1)],
        subnets: vec![subnet],
        relays: Relays::Any,
        rapid_commit: true,
        probe: None,
        ..Config::default()
    };
    let mut out = Vec::new();
    let configure = Event::ConfigureLink {
        link: LinkId::Iface(IfaceId(1)),
        vrf: VrfId(0),
        realm: RealmId(1),
        config: Box::new(config),
    };
    machine.on_event(now, wall, configure, &mut out);
    machine.on_event(now, wall, Event::Loaded { leases: vec![] }, &mut out);
    assert_eq!(out, []);
    let seeds: Vec<Vec<u8>> = seeds().into_values().collect();
    let mut random = Random::new(7);
    let mut below = |n: usize| (random.next_u64() % n as u64) as usize;
    let (mut answers, mut acks) = (0, 0);
    for _ in 0..MUTATIONS {
        let mut payload = seeds[below(seeds.len())].clone();
        for _ in 0..below(4) {
            let at = below(payload.len());
            payload[at] = below(256) as u8;
        }
        let datagram = Datagram {
            iface: IfaceId(1),
            src_mac: MacAddr([2, 0, 0, 0, 0, below(4) as u8]),
            src: Ipv4Addr::new(192, 0, 2, 42),
            src_port: 68,
            dst: Ipv4Addr::new(192, 0, 2, 1),
            payload: &payload,
        };
        let mut out = Vec::new();
        machine.on_event(now, wall, Event::Packet(datagram), &mut out);
        for action in out {
            let Action::Send { payload, .. } = action else {
                continue;
            };
            let answer = v4::Message::decode(&mut Decoder::new(&payload)).unwrap();
            assert_eq!(answer.opcode(), v4::Opcode::BootReply);
            answers += 1;
            acks += u32::from(answer.opts().has_msg_type(v4::MessageType::Ack));
        }
    }
    assert!(
        answers > 1000 && acks > 100,
        "{answers} answers, {acks} acks"
    );
}
