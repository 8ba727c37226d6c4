//! The task with a real store: what leaves, and what is on disk by then.

use std::time::Duration;

use dataplane::inject::{Inject, InjectConsumer, inject_ring};
use tables::id::{PortId, VrfId};

use super::*;
use crate::bus::Inboxes;
use crate::injector::NamedLink;
use crate::model::{Carrier, Tag};
use crate::publish::Link;
use protocols::dhcp4::config::{Config, Range, Subnet};

const LAN: IfaceId = IfaceId(1);
const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x10]);
const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x66]);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const WISH: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 42);

/// A running task, the way to it and what came out of it.
struct Room {
    bus: Bus,
    ring: InjectConsumer,
    task: tokio::task::JoinHandle<()>,
}

/// What left.
#[derive(Debug, PartialEq, Eq)]
enum Sent {
    Probe(Ipv4Addr),
    /// Message type and yiaddr.
    Answer(u8, Ipv4Addr),
}

impl Room {
    fn start(disk: Option<Arc<Disk>>, probe: Option<Duration>) -> Self {
        let (bus, inboxes) = Bus::new();
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
            name: "lan0".into(),
            link,
        };
        injector.set_links([(LAN, named)].into());
        let means = Means {
            bus: bus.clone(),
            injector,
            disk,
            identity: Identity {
                secret: [1, 2],
                retention: Duration::from_secs(3600),
            },
            peer: None,
        };
        let Inboxes { dhcp4, .. } = inboxes;
        let task = tokio::spawn(Dhcp4Task::run(means, Arc::new(Mutex::new(dhcp4))));
        let mut subnet = Subnet::new("192.0.2.0/24".parse().unwrap());
        subnet.pools.push(Range {
            start: Ipv4Addr::new(192, 0, 2, 10),
            end: Ipv4Addr::new(192, 0, 2, 99),
        });
        let config = Config {
            own: vec![SERVER],
            subnets: vec![subnet],
            probe,
            ..Config::default()
        };
        bus.dhcp4(Dhcp4Message::Event(Event::ConfigureLink {
            link: LinkId::Iface(LAN),
            vrf: VrfId(0),
            realm: lease::RealmId::of("main"),
            config: Box::new(config),
        }));
        Self { bus, ring, task }
    }

    fn offer(&self, arp: bool, bytes: Vec<u8>) {
        self.bus.offer_dhcp4(Packet {
            iface: LAN,
            vrf: VrfId(0),
            src_mac: CLIENT,
            arp,
            bytes,
        });
    }

    /// A message of the client that wishes for an address, as the punt thread hands it over.
    fn hear(&self, kind: u8) {
        let mut payload = vec![0; 236];
        payload[..4].copy_from_slice(&[1, 1, 6, 0]);
        payload[28..34].copy_from_slice(&CLIENT.octets());
        payload.extend([99, 130, 83, 99, 53, 1, kind, 50, 4]);
        payload.extend(WISH.octets());
        if kind == 3 {
            payload.extend([54, 4]);
            payload.extend(SERVER.octets());
        }
        let datagram = udp::Datagram {
            source: "0.0.0.0:68".parse().unwrap(),
            destination: "255.255.255.255:67".parse().unwrap(),
            payload: &payload,
        };
        let mut bytes = vec![0; datagram.packet_len()];
        datagram.write(&mut bytes, 64).unwrap();
        self.offer(false, bytes);
    }

    /// Until the task knows so many leases.
    async fn knows(&self, n: usize) {
        for _ in 0..500 {
            let known = self.bus.ask_dhcp4(|machine| machine.book().len()).await;
            if known == Some(n) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the task never knew {n} leases");
    }

    /// What left, once something did; nothing after a while.
    async fn sent(&mut self) -> Option<Sent> {
        for _ in 0..200 {
            if let Some(request) = self.ring.pop() {
                let Inject::Frame { bytes, .. } = request else {
                    panic!("{request:?}");
                };
                if let Ok(arp) = ArpPacket::parse(&bytes[14..]) {
                    assert_eq!(bytes[..6], [0xff; 6]);
                    assert!(arp.is_probe());
                    return Some(Sent::Probe(arp.target_ip()));
                }
                assert_eq!(bytes[..6], CLIENT.octets());
                let answer = udp::Datagram::parse(&bytes[14..]).unwrap();
                assert_eq!(answer.source, "192.0.2.1:67".parse().unwrap());
                assert_eq!(answer.destination.port(), 68);
                let payload = answer.payload;
                let yiaddr = <[u8; 4]>::try_from(&payload[16..20]).unwrap();
                return Some(Sent::Answer(payload[242], yiaddr.into()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn stored(disk: &Disk) -> Vec<Lease> {
    let mut leases = Vec::new();
    disk.load(|lease| leases.push(lease)).unwrap();
    leases
}

/// Once the store is loaded.
async fn offered(room: &mut Room) {
    for _ in 0..100 {
        room.hear(1);
        if room.sent().await == Some(Sent::Answer(2, WISH)) {
            return;
        }
    }
    panic!("no offer");
}

#[tokio::test]
async fn an_ack_leaves_when_its_lease_is_on_disk_and_outlives_the_task() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::open(directory.path()).unwrap());
    let mut room = Room::start(Some(disk.clone()), None);
    offered(&mut room).await;
    assert_eq!(stored(&disk), [], "an offer promises nothing");
    room.hear(3);
    assert_eq!(room.sent().await, Some(Sent::Answer(5, WISH)));
    let leases = stored(&disk);
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].mac, Some(CLIENT));
    drop(room);
    let room = Room::start(Some(disk), None);
    room.knows(1).await;
}

#[tokio::test]
async fn without_a_store_nothing_is_given() {
    let mut room = Room::start(None, None);
    room.hear(1);
    assert_eq!(room.sent().await, None);
}

#[tokio::test]
async fn somebody_who_answers_keeps_the_address_from_being_offered() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::open(directory.path()).unwrap());
    let mut room = Room::start(Some(disk.clone()), Some(Duration::from_secs(5)));
    let mut probe = None;
    for _ in 0..100 {
        room.hear(1);
        probe = room.sent().await;
        if probe.is_some() {
            break;
        }
    }
    assert_eq!(probe, Some(Sent::Probe(WISH)));
    for _ in 0..100 {
        if room.bus.hears_arp() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(room.bus.hears_arp());
    let reply = ArpPacket::reply(
        OTHER,
        WISH,
        (MacAddr([2, 0, 0, 0, 0, 1]), Ipv4Addr::UNSPECIFIED),
    );
    room.offer(true, reply.as_bytes().to_vec());
    let Some(Sent::Probe(next)) = room.sent().await else {
        panic!("no other address is tried");
    };
    assert_ne!(next, WISH);
    let leases = stored(&disk);
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].state, ::lease::State::Declined);
}
