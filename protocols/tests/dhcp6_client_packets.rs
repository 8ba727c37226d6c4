//! DHCPv6 messages of servers written by scapy, an independent encoder: what the client reads in them; and thousands of
//! mutations of them, which must neither panic, nor make the client hold what it must not, nor make it say what dhcproto
//! cannot read.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use dhcproto::{Decodable, Decoder, v6};
use protocols::Random;
use protocols::dhcp6_client::option::{Invalid, LeftOut};
use protocols::dhcp6_client::packet::{Message, Status};
use protocols::dhcp6_client::{Action, Config, Datagram, Duid, Event, Machine};
use tables::id::IfaceId;

const MUTATIONS: usize = 20_000;
const IFACE: IfaceId = IfaceId(1);
const OURS: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 0xaa];

fn seeds() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/dhcp6_client");
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
    let ias = message.ias.iter().map(|ia| {
        let leases = ia
            .leases
            .iter()
            .map(|g| format!("{}/{} {} {}", g.address, g.len, g.preferred, g.valid));
        let leases: Vec<_> = leases.collect();
        let status = match ia.status {
            Status::Success => String::new(),
            status => format!(" {status:?}"),
        };
        format!(
            "{:?} {} {} {}{status} [{}]",
            ia.kind,
            ia.iaid,
            ia.t1,
            ia.t2,
            leases.join(", ")
        )
    });
    let ias: Vec<_> = ias.collect();
    format!("{:?} {:?} {}", message.kind, message.xid, ias.join(" "))
}

#[test]
fn what_scapy_writes_is_read() {
    let seeds = seeds();
    let na = "Na 1 1800 2880 [2001:db8::7/128 3600 7200]";
    let pd = "Pd 1 1800 2880 [2001:db8:100::/56 3600 7200]";
    for (name, expected) in [
        ("advertise", format!("Advertise [1, 2, 3] {na} {pd}")),
        (
            "advertise_none",
            "Advertise [1, 2, 3] Na 1 0 0 NoAddrsAvail [] Pd 1 0 0 NoPrefixAvail []".to_owned(),
        ),
        ("reply", format!("Reply [1, 2, 4] {na} {pd}")),
        ("reply_rapid", format!("Reply [1, 2, 5] {pd}")),
        (
            "reply_renumbered",
            "Reply [1, 2, 6] Pd 1 10 20 [2001:db8:100::/56 0 0, 2001:db8:200::/56 30 40]"
                .to_owned(),
        ),
        ("reply_settings", "Reply [1, 2, 7] ".to_owned()),
        (
            "reply_no_binding",
            "Reply [1, 2, 8] Na 1 0 0 NoBinding []".to_owned(),
        ),
        ("reply_not_on_link", "Reply [1, 2, 9] ".to_owned()),
        ("reply_exclude", format!("Reply [1, 2, 10] {pd}")),
        ("reconfigure", "Reconfigure [0, 0, 0] ".to_owned()),
        ("t1_beyond_t2", "Reply [1, 2, 11] ".to_owned()),
        (
            "nonsense_prefixes",
            "Reply [1, 2, 12] Pd 1 0 0 [2001:db8:4::/56 30 40]".to_owned(),
        ),
        ("solicit", Invalid::WrongDirection.label().to_owned()),
        ("truncated", Invalid::TruncatedOption.label().to_owned()),
    ] {
        assert_eq!(words(&seeds[name]), expected, "{name}");
    }
    let read = |name: &str| Message::read(&seeds[name]).unwrap();
    let advertise = read("advertise");
    assert_eq!(advertise.preference, 7);
    assert_eq!(advertise.settings.dns_servers.len(), 2);
    assert_eq!(
        advertise.settings.domain_search,
        ["example.net".into(), "lab".into()]
    );
    assert_eq!(read("reply").settings.ntp_servers.len(), 1);
    assert!(read("reply_rapid").rapid_commit && !read("reply").rapid_commit);
    assert_eq!(read("reply_settings").information_refresh_time, Some(1200));
    assert_eq!(read("reply_not_on_link").status, Status::NotOnLink);
    let excluded = read("reply_exclude").ias[0].leases[0].exclude;
    assert_eq!(excluded, "2001:db8:100:fe::/64".parse().ok());
    assert_eq!(read("reconfigure").reconf_msg, Some(5));
    assert_eq!(read("t1_beyond_t2").left_out, [LeftOut::T1BeyondT2]);
    assert_eq!(
        read("nonsense_prefixes").left_out,
        [
            LeftOut::PrefixBlock,
            LeftOut::PrefixLength,
            LeftOut::PreferredBeyondValid
        ]
    );
}

#[test]
fn mutations_do_no_harm_and_messages_can_be_read() {
    let start = Instant::now();
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let mut machine = Machine::new(Duid::new(&OURS).unwrap(), 1, start, date);
    let mut out = Vec::new();
    let mut tell = |machine: &mut Machine, at: Duration, event: Event<'_>| {
        out.clear();
        machine.on_event(start + at, date + at, event, &mut out);
        let mut xid = None;
        for action in &out {
            match action {
                Action::Send { payload, .. } => {
                    let read = v6::Message::decode(&mut Decoder::new(payload));
                    assert!(read.is_ok(), "{}", payload.escape_ascii());
                    xid = Some([payload[1], payload[2], payload[3]]);
                }
                Action::Held(held) => {
                    for held in &held.prefixes {
                        let len = held.prefix.prefix_len();
                        assert!((16..=64).contains(&len), "{}", held.prefix);
                        assert!(!held.prefix.network().is_multicast(), "{}", held.prefix);
                        let outside = |e: ipnet::Ipv6Net| !held.prefix.contains(&e);
                        assert!(!held.exclude.is_some_and(outside), "{:?}", held.exclude);
                    }
                    assert!(held.addresses.len() + held.prefixes.len() <= 32);
                }
                _ => {}
            }
        }
        xid
    };
    let configure = Event::Configure {
        iface: IFACE,
        name: "wan".into(),
        config: Box::new(Config {
            rapid_commit: true,
            reconfigure: true,
            ..Config::default()
        }),
    };
    tell(&mut machine, Duration::ZERO, configure);
    let link_local: Ipv6Addr = "fe80::aa".parse().unwrap();
    let up = Event::LinkUp {
        iface: IFACE,
        link_local,
    };
    tell(&mut machine, Duration::ZERO, up);
    let (corpus, mut random) = (Vec::from_iter(seeds().into_values()), Random::new(42));
    let (mut at, mut xid) = (Duration::ZERO, [0; 3]);
    let mut bound = 0;
    for _ in 0..MUTATIONS {
        at += Duration::from_millis(below(&mut random, 5000) as u64);
        xid = tell(&mut machine, at, Event::Timer).unwrap_or(xid);
        let mut payload = pick(&corpus, &mut random).clone();
        // Most belong to the exchange under way: others end at the first check.
        if payload.len() > 4 && below(&mut random, 10) > 0 && payload[0] != 10 {
            payload[1..4].copy_from_slice(&xid);
        }
        for _ in 0..below(&mut random, 3) {
            mutate(&mut payload, &corpus, &mut random);
        }
        let datagram = Datagram {
            iface: IFACE,
            src: "fe80::1".parse().unwrap(),
            dst: link_local,
            payload: &payload,
        };
        xid = tell(&mut machine, at, Event::Packet(datagram)).unwrap_or(xid);
        let view = machine.uplinks().next().unwrap();
        bound += usize::from(!view.held.prefixes.is_empty());
    }
    assert!(
        bound > MUTATIONS / 10,
        "{bound} times bound: the mutations are too wild"
    );
    let counters = machine.uplinks().next().unwrap().counters.clone();
    assert!(counters.invalid.len() > 10, "{:?}", counters.invalid);
}

fn below(random: &mut Random, end: usize) -> usize {
    (random.next_u64() % end.max(1) as u64) as usize
}

fn pick<'a>(corpus: &'a [Vec<u8>], random: &mut Random) -> &'a Vec<u8> {
    &corpus[below(random, corpus.len())]
}

/// One change: a bit, a byte, a cut, or the tail of another message.
fn mutate(data: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = below(random, data.len());
    match below(random, 4) {
        0 if !data.is_empty() => data[at] ^= 1 << below(random, 8),
        1 if !data.is_empty() => data[at] = random.next_u64() as u8,
        2 => data.truncate(at),
        _ => {
            let other = pick(corpus, random);
            let from = below(random, other.len());
            data.truncate(at);
            data.extend_from_slice(&other[from..]);
        }
    }
}
