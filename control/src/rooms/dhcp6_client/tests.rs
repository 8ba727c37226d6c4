//! The task with a real store: what leaves, what the engine is told, and what is on disk by then.

use std::collections::HashMap;
use std::time::Duration;

use dataplane::inject::{Inject, InjectConsumer, inject_ring};
use tables::id::{PortId, VrfId};

use super::*;
use crate::bus::Inboxes;
use crate::injector::NamedLink;
use crate::model::{Carrier, Tag};
use crate::publish::Link;
use protocols::dhcp6_client::{Config, Held, State};

const WAN: IfaceId = IfaceId(1);
const DUID: [u8; 5] = [0, 4, 1, 2, 3];
const SERVER: [u8; 4] = [0, 3, 0, 9];
const SOLICIT: u8 = 1;
const REBIND: u8 = 6;
const RELEASE: u8 = 8;

struct Room {
    bus: Bus,
    ring: InjectConsumer,
    engine: crossbeam_channel::Receiver<EngineMessage>,
    task: tokio::task::JoinHandle<()>,
}

impl Room {
    fn start(store: Arc<Store>) -> Self {
        let (bus, inboxes) = Bus::new();
        let Inboxes {
            dhcp6_client,
            engine,
            ..
        } = inboxes;
        let (producer, ring) = inject_ring(64);
        let injector = Arc::new(Injector::new(vec![producer], Vec::new()));
        let link = Link {
            carrier: Carrier::Device {
                port: PortId(0),
                tag: Tag::Untagged,
            },
            vrf: VrfId(0),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
        };
        let named = NamedLink {
            name: "wan0".into(),
            link,
        };
        injector.set_links(HashMap::from([(WAN, named)]));
        let means = Means {
            bus: bus.clone(),
            injector,
            store,
            duid: DUID.to_vec(),
        };
        let inbox = Arc::new(Mutex::new(dhcp6_client));
        let task = tokio::spawn(Dhcp6ClientTask::run(means, inbox));
        bus.dhcp6_client(Event::Configure {
            iface: WAN,
            name: "wan0".into(),
            config: Box::new(Config {
                rapid_commit: true,
                address: false,
                ..Config::default()
            }),
        });
        bus.dhcp6_client(Event::LinkUp {
            iface: WAN,
            link_local: "fe80::1".parse().unwrap(),
        });
        Self {
            bus,
            ring,
            engine,
            task,
        }
    }

    /// The next message that leaves.
    async fn sent(&mut self) -> Vec<u8> {
        for _ in 0..500 {
            if let Some(request) = self.ring.pop() {
                let Inject::Frame { bytes, .. } = request else {
                    panic!("{request:?}");
                };
                assert_eq!(bytes[..6], [0x33, 0x33, 0, 1, 0, 2]);
                let datagram = udp::Datagram::parse(&bytes[14..]).unwrap();
                assert_eq!(datagram.source, "[fe80::1]:546".parse().unwrap());
                assert_eq!(datagram.destination, "[ff02::1:2]:547".parse().unwrap());
                return datagram.payload.to_vec();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nothing was sent");
    }

    /// Answers `message` with a Reply that commits a prefix, as the punt thread hands it over.
    fn answer(&self, message: &[u8]) {
        let mut payload = vec![7, message[1], message[2], message[3]];
        let mut option = |code: u8, data: &[u8]| {
            payload.extend([0, code, 0, data.len() as u8]);
            payload.extend(data);
        };
        option(1, &DUID);
        option(2, &SERVER);
        option(14, &[]);
        let mut ia = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 26, 0, 25];
        ia.extend([0, 0, 0x0e, 0x10, 0, 0, 0x1c, 0x20, 56]);
        ia.extend("2001:db8:100::".parse::<Ipv6Addr>().unwrap().octets());
        option(25, &ia);
        let datagram = udp::Datagram {
            source: "[fe80::2]:547".parse().unwrap(),
            destination: "[fe80::1]:546".parse().unwrap(),
            payload: &payload,
        };
        let mut bytes = vec![0; datagram.packet_len()];
        datagram.write(&mut bytes, 1).unwrap();
        self.bus.offer_dhcp6_client(Packet {
            iface: WAN,
            vrf: VrfId(0),
            src_mac: MacAddr([2, 0, 0, 0, 0, 2]),
            arp: false,
            bytes,
        });
    }

    /// What the engine is told, once it is so.
    fn held(&self, is_so: impl Fn(&Held) -> bool) -> Held {
        loop {
            let told = self.engine.recv_timeout(Duration::from_secs(10));
            if let EngineMessage::Held(held) = told.expect("the engine is told")
                && is_so(&held)
            {
                return *held;
            }
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_on_disk_when_the_engine_hears_of_it_and_a_new_task_begins_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path()).unwrap());
    let mut room = Room::start(store.clone());
    let solicit = room.sent().await;
    assert_eq!(solicit[0], SOLICIT);
    room.answer(&solicit);
    let held = room.held(|held| held.state == State::Bound);
    assert_eq!(held.prefixes[0].prefix.to_string(), "2001:db8:100::/56");
    assert_eq!(store.uplinks().unwrap()[0].lease.prefixes, held.prefixes);

    drop(room);
    let mut room = Room::start(store.clone());
    let told = room.held(|_| true);
    assert_eq!(told.prefixes, held.prefixes, "before any server is asked");
    let rebind = room.sent().await;
    assert_eq!(rebind[0], REBIND);
    room.answer(&rebind);
    room.held(|held| held.state == State::Bound);
    let attempts = room
        .bus
        .ask_dhcp6_client(|machine| machine.uplinks().map(|view| view.attempts).sum::<u32>());
    assert_eq!(attempts.await, Some(0));

    room.bus.dhcp6_client(Event::Remove { iface: WAN });
    assert_eq!(room.sent().await[0], RELEASE);
    room.held(|held| held.state == State::Removed && held.prefixes.is_empty());
    assert_eq!(store.uplinks().unwrap(), []);
}
