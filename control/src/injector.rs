//! The injector: control-plane packets on their way to the workers.
//!
//! Frames go to the first worker, which has a queue on every device or hands over; neighbour verdicts go to all, because
//! each worker holds its own waiting packets.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use dataplane::inject::{Inject, InjectProducer};
use tables::id::{IfaceId, NetworkId, PortId, VrfId};
use wire::ipv6::MIN_MTU;
use wire::udp::Datagram;
use wire::{EmitError, EtherType, MacAddr};

use crate::identification::Identifications;
use crate::model::Tag;
use crate::publish::{self, Link, mapped};
use protocols::reassembly::split::split;

/// What the injector knows of an interface.
#[derive(Clone, Debug)]
pub struct NamedLink {
    /// Its name, for logs.
    pub name: String,
    /// How its frames look.
    pub link: Link,
}

/// A layer-3 packet for the link of an interface.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Out of which interface.
    pub iface: IfaceId,
    /// Source of the frame, when it may be another than the interface's own (a virtual router's).
    pub src_mac: Option<MacAddr>,
    /// Destination of the frame.
    pub dst_mac: MacAddr,
    /// What the packet is.
    pub ether_type: EtherType,
    /// From its layer-3 header on.
    pub packet: &'a [u8],
}

/// See the module.
#[derive(Debug)]
pub struct Injector {
    rings: Mutex<Vec<InjectProducer>>,
    /// Rings that workers empty first.
    urgent: Mutex<Vec<InjectProducer>>,
    links: ArcSwap<HashMap<IfaceId, NamedLink>>,
    full: AtomicU64,
    identifications: Identifications,
}

/// How long a verdict waits for room in a worker's ring, in steps of a millisecond.
const PATIENCE: u32 = 200;
/// How often an answer is offered to a worker whose ring is full, and how long it waits in between: a sleeping worker
/// is awake by then.
const ANSWER_PATIENCE: u32 = 100;
const ANSWER_STEP: Duration = Duration::from_micros(50);
/// Hop limit and TTL of what we send (RFC 1700).
const HOP_LIMIT: u8 = 64;

impl Injector {
    /// An injector into these rings, one per worker of each kind.
    pub fn new(rings: Vec<InjectProducer>, urgent: Vec<InjectProducer>) -> Self {
        Self {
            rings: Mutex::new(rings),
            urgent: Mutex::new(urgent),
            links: ArcSwap::default(),
            full: AtomicU64::new(0),
            identifications: Identifications::default(),
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

    /// An interface's MAC address.
    pub fn mac(&self, iface: IfaceId) -> Option<MacAddr> {
        self.links.load().get(&iface).map(|named| named.link.mac)
    }

    /// Sends a layer-3 packet in a frame out of an interface. Lost, and counted, when the worker does not keep up: the
    /// protocols repeat themselves.
    pub fn frame(&self, iface: IfaceId, to: MacAddr, ethertype: u16, packet: &[u8]) {
        self.send(&Frame {
            iface,
            src_mac: None,
            dst_mac: to,
            ether_type: EtherType(ethertype),
            packet,
        });
    }

    /// As [`Injector::frame`], with all that can be said of a frame.
    pub fn send(&self, frame: &Frame<'_>) {
        if let Some(request) = self.request(frame) {
            self.first(&self.rings, request);
        }
    }

    /// As [`Injector::send`], before everything else that workers are asked for: for what says that we are alive.
    pub fn send_urgently(&self, frame: &Frame<'_>) {
        if let Some(request) = self.request(frame) {
            self.first(&self.urgent, request);
        }
    }

    /// Routes an IP packet of our own, as urgently, in the routing domain of an interface.
    pub fn route_urgently(&self, iface: IfaceId, bytes: Vec<u8>) {
        let link = self.links.load().get(&iface).map(|named| named.link);
        if let Some(Link { vrf, .. }) = link {
            self.first(&self.urgent, Inject::Routed { vrf, bytes });
        }
    }

    fn request(&self, frame: &Frame<'_>) -> Option<Inject> {
        let mut link = self.links.load().get(&frame.iface)?.link;
        link.mac = frame.src_mac.unwrap_or(link.mac);
        let Frame {
            iface,
            dst_mac,
            ether_type,
            packet,
            ..
        } = *frame;
        link.inject(iface, dst_mac, ether_type.0, packet)
    }

    /// Sends a UDP datagram in a frame out of an interface, to a station or to a group's address: for answers that go
    /// back to who asked, known to a neighbour cache or not. Answers come in batches: it waits a moment for a worker that
    /// does not keep up. What is longer than the link's MTU goes in fragments.
    ///
    /// Errors: why there is no such packet.
    pub fn datagram(
        &self,
        iface: IfaceId,
        to: MacAddr,
        datagram: &Datagram<'_>,
    ) -> Result<(), EmitError> {
        let Some(link) = self.links.load().get(&iface).map(|named| named.link) else {
            return Ok(());
        };
        let ether_type = match datagram.source {
            SocketAddr::V6(_) => EtherType::IPV6,
            SocketAddr::V4(_) => EtherType::IPV4,
        };
        for packet in self.pieces(datagram, link.mtu.into())? {
            if let Some(request) = link.inject(iface, to, ether_type.0, &packet) {
                self.patiently(request);
            }
        }
        Ok(())
    }

    /// Routes a UDP datagram of our own, as patiently. What is longer than 1,280 octets goes in fragments: nothing is known of
    /// the path (RFC 8200 section 5).
    ///
    /// Errors: why there is no such packet.
    pub fn routed_datagram(&self, vrf: VrfId, datagram: &Datagram<'_>) -> Result<(), EmitError> {
        for bytes in self.pieces(datagram, MIN_MTU)? {
            self.patiently(Inject::Routed { vrf, bytes });
        }
        Ok(())
    }

    /// The packet of a datagram of ours, or its fragments.
    fn pieces(&self, datagram: &Datagram<'_>, mtu: usize) -> Result<Vec<Vec<u8>>, EmitError> {
        let packet = packet(datagram)?;
        if packet.len() <= mtu {
            return Ok(vec![packet]);
        }
        Ok(split(packet, mtu, self.identifications.next()))
    }

    /// Sends a frame without tags out of a device, with these tags. Lost, and counted, as those of [`Injector::frame`].
    pub fn tagged(&self, port: PortId, tag: Tag, frame: &[u8]) {
        let bytes = publish::tagged(tag, frame);
        self.first(&self.rings, Inject::Frame { port, bytes });
    }

    /// Sends a frame without tags into a network, as of our interface on it. Lost, and counted, in the same way.
    pub fn network(&self, network: NetworkId, iface: IfaceId, bytes: Vec<u8>) {
        let request = Inject::Network {
            network,
            iface,
            bytes,
        };
        self.first(&self.rings, request);
    }

    /// Routes a packet of our own.
    pub fn routed(&self, vrf: VrfId, bytes: Vec<u8>) {
        self.first(&self.rings, Inject::Routed { vrf, bytes });
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

    fn first(&self, rings: &Mutex<Vec<InjectProducer>>, request: Inject) {
        let mut rings = lock(rings);
        let sent = rings
            .first_mut()
            .is_some_and(|ring| ring.send(request).is_ok());
        if !sent {
            self.full.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn patiently(&self, mut request: Inject) {
        for _ in 0..ANSWER_PATIENCE {
            let sent = match lock(&self.rings).first_mut() {
                Some(ring) if !ring.is_abandoned() => ring.send(request),
                _ => Err(request),
            };
            match sent {
                Ok(()) => return,
                Err(back) => request = back,
            }
            std::thread::sleep(ANSWER_STEP);
        }
        self.full.fetch_add(1, Ordering::Relaxed);
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

/// The packet of a datagram of ours.
fn packet(datagram: &Datagram<'_>) -> Result<Vec<u8>, EmitError> {
    let mut packet = vec![0; datagram.packet_len()];
    datagram.write(&mut packet, HOP_LIMIT)?;
    Ok(packet)
}

/// The lock, also when a holder panicked: the rings are whole between two calls.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use dataplane::inject::{InjectConsumer, inject_ring};
    use tables::id::PortId;

    use super::*;
    use crate::model::{Carrier, Tag};

    const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x10]);

    fn injector() -> (Injector, InjectConsumer) {
        let (producer, consumer) = inject_ring(8);
        let injector = Injector::new(vec![producer], Vec::new());
        let link = Link {
            carrier: Carrier::Device {
                port: PortId(3),
                tag: Tag::Vlan(100),
            },
            vrf: VrfId(0),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu: 1280,
        };
        let named = NamedLink {
            name: "lan0".into(),
            link,
        };
        injector.set_links(HashMap::from([(IfaceId(1), named)]));
        (injector, consumer)
    }

    fn reply(payload: &[u8]) -> Datagram<'_> {
        Datagram {
            source: "[fe80::1]:547".parse().unwrap(),
            destination: "[fe80::2]:546".parse().unwrap(),
            payload,
        }
    }

    #[test]
    fn a_datagram_leaves_in_a_tagged_frame_or_by_the_routes() {
        let (injector, mut ring) = injector();
        injector
            .datagram(IfaceId(1), CLIENT, &reply(&[1, 2, 3]))
            .unwrap();
        let Some(Inject::Frame { port, bytes }) = ring.pop() else {
            panic!("no frame");
        };
        assert_eq!((port, &bytes[..6]), (PortId(3), &CLIENT.octets()[..]));
        assert_eq!(bytes[12..18], [0x81, 0, 0, 100, 0x86, 0xdd]);
        assert_eq!(Datagram::parse(&bytes[18..]), Ok(reply(&[1, 2, 3])));
        injector.routed_datagram(VrfId(7), &reply(&[4])).unwrap();
        let Some(Inject::Routed { vrf, bytes }) = ring.pop() else {
            panic!("no packet");
        };
        assert_eq!(vrf, VrfId(7));
        assert_eq!(Datagram::parse(&bytes), Ok(reply(&[4])));
    }

    #[test]
    fn an_answer_waits_for_room_and_is_counted_when_there_is_none() {
        let (injector, mut ring) = injector();
        for _ in 0..9 {
            injector.datagram(IfaceId(1), CLIENT, &reply(&[1])).unwrap();
        }
        assert_eq!(injector.full(), 1, "the ring has room for eight");
        std::thread::scope(|scope| {
            scope.spawn(|| injector.datagram(IfaceId(1), CLIENT, &reply(&[2])));
            while ring.pop().is_some() {}
        });
        assert_eq!(injector.full(), 1);
    }

    #[test]
    fn a_datagram_longer_than_the_mtu_is_cut() {
        let (injector, mut ring) = injector();
        let long = [7; 1233];
        injector
            .datagram(IfaceId(1), CLIENT, &reply(&long))
            .unwrap();
        injector.routed_datagram(VrfId(0), &reply(&long)).unwrap();
        let mut payload = Vec::new();
        for _ in 0..2 {
            let Some(Inject::Frame { bytes, .. }) = ring.pop() else {
                panic!("no frame");
            };
            let packet = &bytes[18..];
            assert!(packet.len() <= 1280);
            assert_eq!(packet[6], 44, "a fragment header");
            payload.extend_from_slice(&packet[48..]);
        }
        assert_eq!(payload.len(), 8 + long.len());
        assert_eq!(payload[8..], long);
        for _ in 0..2 {
            assert!(matches!(ring.pop(), Some(Inject::Routed { .. })));
        }
        injector
            .datagram(IfaceId(1), CLIENT, &reply(&[0; 1232]))
            .unwrap();
        assert!(matches!(ring.pop(), Some(Inject::Frame { .. })));
        assert!(ring.pop().is_none(), "1,280 octets are no fragments");
        assert_eq!(injector.datagram(IfaceId(2), CLIENT, &reply(&[])), Ok(()));
        assert!(
            ring.pop().is_none(),
            "an interface that is gone sends nothing"
        );
    }
}
