//! The task with a real store: what leaves, and what is on disk by then.

use std::time::Duration;

use dataplane::inject::{Inject, InjectConsumer, inject_ring};
use tables::id::PortId;

use super::*;
use crate::bus::Inboxes;
use crate::injector::NamedLink;
use crate::model::{Carrier, Tag};
use crate::publish::Link;
use crate::rooms::lease::import::{ImportError, import};
use protocols::dhcp6::Secret;
use protocols::dhcp6::config::{Config, Range, Subnet};

const LAN: IfaceId = IfaceId(1);
const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x10]);
const SOLICIT: u8 = 1;
const REPLY: u8 = 7;
const INFORMATION_REQUEST: u8 = 11;

/// A running task, the way to it and what came out of it.
struct Room {
    bus: Bus,
    ring: InjectConsumer,
    disk: Option<Arc<Disk>>,
    task: tokio::task::JoinHandle<()>,
    /// Keeps the engine's inbox open.
    _engine: crossbeam_channel::Receiver<EngineMessage>,
}

impl Room {
    fn start(disk: Option<Arc<Disk>>) -> Self {
        let (bus, inboxes) = Bus::new();
        let Inboxes { dhcp6, engine, .. } = inboxes;
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
        injector.set_links(HashMap::from([(LAN, named)]));
        let means = Means {
            bus: bus.clone(),
            injector,
            disk: disk.clone(),
            identity: Identity {
                duid: vec![0, 4, 1, 2, 3],
                secret: Secret([7; 32]),
                retention: Duration::from_secs(3600),
            },
            peer: None,
        };
        let task = tokio::spawn(Dhcp6Task::run(means, Arc::new(Mutex::new(dhcp6))));
        let room = Self {
            bus,
            ring,
            disk,
            task,
            _engine: engine,
        };
        room.configure();
        room
    }

    fn configure(&self) {
        let mut subnet = Subnet::new("2001:db8:1::/64".parse().unwrap());
        subnet.pools.push(Range {
            start: "2001:db8:1::1000".parse().unwrap(),
            end: "2001:db8:1::1fff".parse().unwrap(),
        });
        let mut config = Config {
            subnets: vec![subnet],
            rapid_commit: true,
            ..Config::default()
        };
        config.settings.dns_servers = vec!["2001:db8::53".parse().unwrap()];
        self.bus.dhcp6(Dhcp6Message::Event(Event::ConfigureLink {
            link: LinkId::Iface(LAN),
            vrf: VrfId(0),
            realm: lease::RealmId::of("main"),
            name: "lan0".into(),
            config: Box::new(config),
        }));
        let sources = Sources {
            link_local: HashMap::from([(LAN, "fe80::1".parse().unwrap())]),
            global: HashMap::new(),
        };
        self.bus.dhcp6(Dhcp6Message::Sources(Box::new(sources)));
    }

    /// A message of the client numbered `n`, as the punt thread hands it over.
    fn hear(&self, kind: u8, n: u8) {
        let payload = message(kind, n);
        let datagram = udp::Datagram {
            source: "[fe80::10]:546".parse().unwrap(),
            destination: "[ff02::1:2]:547".parse().unwrap(),
            payload: &payload,
        };
        let mut bytes = vec![0; datagram.packet_len()];
        datagram.write(&mut bytes, 1).unwrap();
        self.bus.offer_dhcp6(Packet {
            iface: LAN,
            vrf: VrfId(0),
            src_mac: CLIENT,
            arp: false,
            bytes,
        });
    }

    /// Until the task has loaded its leases.
    async fn loaded(&self) {
        self.wait(|leases| leases.is_some()).await;
    }

    /// Until the task knows so many leases, if any are to be known.
    async fn wait(&self, is_so: impl Fn(Option<usize>) -> bool) {
        for _ in 0..500 {
            let known = self.bus.ask_dhcp6(|machine| machine.book().len()).await;
            if is_so(known) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the task did not get there");
    }

    /// The types of the messages that left, once `n` did; fewer after a while.
    async fn sent(&mut self, n: usize) -> Vec<u8> {
        let mut kinds = Vec::new();
        for _ in 0..200 {
            while let Some(request) = self.ring.pop() {
                let Inject::Frame { bytes, .. } = request else {
                    panic!("{request:?}");
                };
                assert_eq!(bytes[..6], CLIENT.octets());
                let answer = udp::Datagram::parse(&bytes[14..]).unwrap();
                assert_eq!(answer.source, "[fe80::1]:547".parse().unwrap());
                assert_eq!(answer.destination, "[fe80::10]:546".parse().unwrap());
                kinds.push(answer.payload[0]);
            }
            if n <= kinds.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        kinds
    }

    fn on_disk(&self) -> usize {
        let disk = self.disk.as_ref().unwrap();
        let mut n = 0;
        disk.load(|_| n += 1).unwrap();
        n
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A message with a DUID-LL, an IA_NA where it makes sense, rapid commit, and the wish for DNS servers.
fn message(kind: u8, n: u8) -> Vec<u8> {
    let mut bytes = vec![kind, 0, 0, n];
    let mut option = |code: u8, data: &[u8]| {
        bytes.extend([0, code, 0, data.len() as u8]);
        bytes.extend(data);
    };
    option(1, &[0, 3, 0, 1, 2, 0, 0, 0, 0, n]);
    option(8, &[0, 0]);
    option(6, &[0, 23]);
    if kind == SOLICIT {
        option(14, &[]);
        option(3, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_on_disk_when_its_reply_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::open(dir.path()).unwrap());
    let mut room = Room::start(Some(disk.clone()));
    room.loaded().await;
    // The store may still be read: clients ask again.
    for _ in 0..50 {
        room.hear(SOLICIT, 1);
        if !room.sent(1).await.is_empty() {
            break;
        }
    }
    assert_eq!(room.on_disk(), 1);
    for n in 2..40 {
        room.hear(SOLICIT, n);
    }
    assert_eq!(room.sent(38).await, [REPLY; 38]);
    assert_eq!(room.on_disk(), 39);

    // A task that starts again knows them all.
    drop(room);
    let room = Room::start(Some(disk));
    room.wait(|leases| leases == Some(39)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_store_settings_are_told_and_no_lease_is_given() {
    let mut room = Room::start(None);
    room.loaded().await;
    room.hear(SOLICIT, 1);
    room.hear(INFORMATION_REQUEST, 2);
    assert_eq!(room.sent(1).await, [REPLY]);
    room.wait(|leases| leases == Some(0)).await;
    assert_eq!(room.sent(1).await, [0; 0], "nothing was promised");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_answered_when_they_are_on_disk_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::open(dir.path()).unwrap());
    let mut room = Room::start(Some(disk));
    for _ in 0..50 {
        room.hear(SOLICIT, 1);
        if !room.sent(1).await.is_empty() {
            break;
        }
    }
    let lease = room
        .bus
        .ask_dhcp6(|machine| machine.book().iter().next().cloned())
        .await
        .flatten()
        .unwrap();
    let resource = lease.resource;
    let add = |lease: Lease| Event::Add {
        lease: Box::new(lease),
    };
    let elsewhere = Lease {
        scope: lease::ScopeId::of(lease::RealmId::of("main"), "nowhere"),
        resource: "2001:db8:9::1".parse().unwrap(),
        ..lease.clone()
    };
    let refused = room.bus.order_dhcp6(add(elsewhere)).await.unwrap();
    assert!(
        matches!(refused, Err(OrderError::Refused(_))),
        "{refused:?}"
    );
    let realm = lease::RealmId::of("main");
    let done = room
        .bus
        .order_dhcp6(Event::Release { realm, resource })
        .await;
    assert_eq!(done, Some(Ok(())));
    let state = room
        .bus
        .ask_dhcp6(move |machine| machine.book().get(realm, resource).map(|lease| lease.state))
        .await
        .flatten();
    assert_ne!(state, Some(lease::State::Bound));
    assert_eq!(room.bus.order_dhcp6(add(lease)).await, Some(Ok(())));
    assert_eq!(room.on_disk(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_is_on_disk_when_it_is_answered_or_was_never_there() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::open(dir.path()).unwrap());
    let mut room = Room::start(Some(disk.clone()));
    for _ in 0..50 {
        room.hear(SOLICIT, 1);
        if !room.sent(1).await.is_empty() {
            break;
        }
    }
    let first = room
        .bus
        .ask_dhcp6(|machine| machine.book().iter().next().cloned())
        .await
        .flatten()
        .unwrap();
    let numbered = |n: u8, address: &str| Lease {
        resource: address.parse().unwrap(),
        holder: lease::Holder {
            client: lease::ClientId::new(&[0, 3, 0, 1, 2, 0, 0, 0, 1, n]).unwrap(),
            ..first.holder.clone()
        },
        ..first.clone()
    };
    // Room for what is imported: the first client has one of these three.
    let mut wanted = ["2001:db8:1::1100", "2001:db8:1::1101", "2001:db8:1::1102"]
        .map(|text| numbered(9, text))
        .to_vec();
    wanted.retain(|lease| lease.resource != first.resource);
    wanted.truncate(2);
    let import = |leases: Vec<Lease>| import(room.bus.clone(), Some(disk.clone()), leases);

    let mut with_fault = wanted.clone();
    with_fault.push(numbered(7, &first.resource.to_string()));
    let refused = import(with_fault).await.unwrap_err();
    assert!(matches!(refused, ImportError::Conflicts(c) if c[0].index == 2));
    assert_eq!(room.on_disk(), 1);

    // Nobody answers for DHCPv4 here: what DHCPv6 has put is taken back, and it serves on.
    let mut with_v4 = wanted.clone();
    let mut v4 = numbered(8, "192.0.2.1");
    v4.holder.kind = Kind::V4;
    with_v4.push(v4);
    assert_eq!(import(with_v4).await, Err(ImportError::Stopping));
    assert_eq!(room.on_disk(), 1);
    room.wait(|leases| leases == Some(1)).await;

    let done = import(wanted.clone()).await.unwrap();
    assert_eq!((done.added, done.replaced, done.unchanged), (2, 0, 0));
    assert_eq!(room.on_disk(), 3);
    room.wait(|leases| leases == Some(3)).await;
    let again = import(wanted).await.unwrap();
    assert_eq!((again.added, again.unchanged), (0, 2));
    room.hear(SOLICIT, 2);
    assert_eq!(room.sent(1).await, [REPLY]);
    assert_eq!(room.on_disk(), 4);
}
