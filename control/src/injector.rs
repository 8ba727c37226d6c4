//! The injector: control-plane packets on their way to the workers.
//!
//! Frames go to the first worker, which has a queue on every device or hands over; neighbour verdicts go to all, because
//! each worker holds its own waiting packets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use dataplane::inject::{Inject, InjectProducer};
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use crate::publish::{Link, mapped};

/// What the injector knows of an interface.
#[derive(Clone, Debug)]
pub struct NamedLink {
    /// Its name, for logs.
    pub name: String,
    /// How its frames look.
    pub link: Link,
}

/// See the module.
#[derive(Debug)]
pub struct Injector {
    rings: Mutex<Vec<InjectProducer>>,
    links: ArcSwap<HashMap<IfaceId, NamedLink>>,
    full: AtomicU64,
}

/// How long a verdict waits for room in a worker's ring, in steps of a millisecond.
const PATIENCE: u32 = 200;

impl Injector {
    /// An injector into these rings, one per worker.
    pub fn new(rings: Vec<InjectProducer>) -> Self {
        Self {
            rings: Mutex::new(rings),
            links: ArcSwap::default(),
            full: AtomicU64::new(0),
        }
    }

    /// Replaces what is known of the interfaces.
    pub fn set_links(&self, links: HashMap<IfaceId, NamedLink>) {
        self.links.store(links.into());
    }

    /// An interface's name, or its number when it is gone.
    pub fn name(&self, iface: IfaceId) -> String {
        self.links
            .load()
            .get(&iface)
            .map_or_else(|| iface.to_string(), |link| link.name.clone())
    }

    /// Sends a layer-3 packet in a frame out of an interface. Lost, and counted, when the worker does not keep up: the
    /// protocols repeat themselves.
    pub fn frame(&self, iface: IfaceId, to: MacAddr, ethertype: u16, packet: &[u8]) {
        let Some(link) = self.links.load().get(&iface).map(|named| named.link) else {
            return;
        };
        let bytes = link.frame(to, ethertype, packet);
        self.first(Inject::Frame {
            port: link.port,
            bytes,
        });
    }

    /// Routes a packet of our own.
    pub fn routed(&self, vrf: VrfId, bytes: Vec<u8>) {
        self.first(Inject::Routed { vrf, bytes });
    }

    /// A neighbour is resolved and published: the packets that wait for it are routed again.
    pub fn release(&self, iface: IfaceId, addr: IpAddr) {
        let address = mapped(addr);
        self.every(|| Inject::Release { iface, address });
    }

    /// A neighbour does not answer.
    pub fn fail(&self, iface: IfaceId, addr: IpAddr) {
        let address = mapped(addr);
        self.every(|| Inject::Fail { iface, address });
    }

    /// Packets and verdicts lost because a worker's ring was full.
    pub fn full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    fn first(&self, request: Inject) {
        let mut rings = lock(&self.rings);
        let sent = rings
            .first_mut()
            .is_some_and(|ring| ring.send(request).is_ok());
        if !sent {
            self.full.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn every(&self, request: impl Fn() -> Inject) {
        for ring in lock(&self.rings).iter_mut() {
            let mut waited = 0;
            while !ring.is_abandoned() && ring.send(request()).is_err() {
                if waited == PATIENCE {
                    self.full.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                waited += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// The lock, also when a holder panicked: the rings are whole between two calls.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
