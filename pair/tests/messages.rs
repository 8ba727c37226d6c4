//! Messages and records as seeds of the fuzzer, which are those that this release writes: what it said once, it goes on to read. And
//! thousands of mutations of them, which must not panic.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pair::fuzzing;
use pair::message::{Batch, Bye, Heartbeat, Hello, Mark, Message, VERSION};
use pair::record::{Binding, DelegatedPrefix, Flow, FlowState, Lease, Neighbor, Record, Station};

const MUTATIONS: u64 = 20_000;

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fuzz/{kind}/pair"))
}

fn records<R: Record>(records: &[R]) -> Vec<u8> {
    let mut batch = Batch::new(R::KIND as u8);
    for record in records {
        batch.push(record).unwrap();
    }
    batch.into_message(7)
}

/// One of each message and record.
fn messages() -> BTreeMap<&'static str, Vec<u8>> {
    let mark = Mark {
        kind: 1,
        number: 300,
    };
    let hello = Hello {
        version: VERSION,
        node: "north".into(),
        boot: 0x0123_4567_89ab_cdef,
        config: 42,
    };
    let flow = FlowState {
        port: 3,
        v6: true,
        protocol: 6,
        local: [0x20; 16],
        local_port: 40_000,
        remote: [0x21; 16],
        remote_port: 443,
        asked: 443,
        progress: 0x44_185,
        tags: Some([[1, 2], [3, 4]]),
        age: 10,
        idle: 1,
        handovers: 1,
    };
    let flows = [
        Flow::Port {
            number: 3,
            name: "web-1".into(),
        },
        Flow::Set { slot: 9, flow },
        Flow::Clear { slot: 8 },
    ];
    let neighbor = Neighbor {
        router: "blue".into(),
        interface: "lan".into(),
        address: "2001:db8::1".parse().unwrap(),
        mac: Some([2, 0, 0, 0, 0, 1]),
        is_router: true,
    };
    let gone = Neighbor {
        address: "192.0.2.1".parse().unwrap(),
        mac: None,
        ..neighbor.clone()
    };
    let station = Station {
        network: "green".into(),
        mac: [2, 0, 0, 0, 0, 2],
        at: Some("eth1.7".into()),
        age: 3,
    };
    let binding = Binding {
        port: "web-1".into(),
        address: "2001:db8::2".parse().unwrap(),
        mac: Some([2, 0, 0, 0, 0, 3]),
        left: Some(300_000),
    };
    let lease = Lease {
        message: vec![1, 2, 3],
    };
    let prefix = DelegatedPrefix {
        router: "blue".into(),
        prefix: "2001:db8:100::".parse().unwrap(),
        len: 56,
        next_hop: Some(("lan".into(), "fe80::1".parse().unwrap())),
        left: 3600,
    };
    let heartbeat = Heartbeat {
        sequence: 3,
        sent: 77_000,
        heard: Some((70_000, 12)),
    };
    BTreeMap::from([
        ("hello", Message::Hello(hello).write()),
        ("heartbeat", Message::Heartbeat(heartbeat).write()),
        ("acknowledge", Message::Acknowledge(mark).write()),
        ("begin", Message::Begin(mark).write()),
        ("end", Message::End(mark).write()),
        ("bye", Message::Bye(Bye::Twice).write()),
        ("again", Message::Again(1).write()),
        ("flows", records(&flows)),
        ("neighbors", records(&[neighbor, gone])),
        ("stations", records(&[station])),
        ("bindings", records(&[binding])),
        ("leases", records(&[lease])),
        ("prefixes", records(&[prefix])),
    ])
}

#[test]
fn what_was_said_once_is_said_and_read_still() {
    for (name, bytes) in messages() {
        let file = folder("seeds").join(name);
        if std::env::var_os("HEXTET_BLESS").is_some() {
            fs::create_dir_all(folder("seeds")).unwrap();
            fs::write(&file, &bytes).unwrap();
        }
        let seed = fs::read(&file).unwrap();
        assert_eq!(seed, bytes, "{name}: another layout takes another version");
        assert!(matches!(Message::read(&seed), Ok(Some(_))), "{name}");
        fuzzing::message(&seed);
    }
}

#[test]
fn mutations_of_messages_do_not_panic() {
    let regressions = fs::read_dir(folder("regressions")).into_iter().flatten();
    let found = regressions.map(|entry| fs::read(entry.unwrap().path()).unwrap());
    let mut seeds: Vec<Vec<u8>> = messages().into_values().collect();
    seeds.extend(found);
    let mut random = 1_u64;
    let mut below = |n: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % n.max(1) as u64) as usize
    };
    for seed in &seeds {
        fuzzing::message(seed);
        for _ in 0..MUTATIONS / seeds.len() as u64 {
            let mut bytes = seed.clone();
            for _ in 0..=below(4) {
                let at = below(bytes.len());
                match below(8) {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, below(256) as u8),
                    _ => {
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte = below(256) as u8;
                        }
                    }
                }
            }
            fuzzing::message(&bytes);
        }
    }
}
