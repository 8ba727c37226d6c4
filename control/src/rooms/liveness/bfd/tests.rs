//! The way of packets between the machine and the rings.

use std::collections::HashMap as Map;

use dataplane::inject::{Inject, InjectConsumer, inject_ring};
use protocols::bfd::{Config, packet};
use tables::id::{PortId, VrfId};

use super::*;
use crate::bus::{Inboxes, NdMessage};
use crate::injector::NamedLink;
use crate::model::{Carrier, Tag};
use crate::publish::Link;

const IFACE: IfaceId = IfaceId(1);
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const PEER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

struct Bench {
    sessions: Sessions,
    bus: Bus,
    inboxes: Inboxes,
    injector: Injector,
    ring: InjectConsumer,
}

impl Bench {
    fn new() -> Self {
        let (producer, ring) = inject_ring(8);
        let injector = Injector::new(Vec::new(), vec![producer]);
        let link = Link {
            carrier: Carrier::Device {
                port: PortId(3),
                tag: Tag::Untagged,
            },
            vrf: VrfId(0),
            mac: MAC,
            mtu: 1500,
        };
        let named = NamedLink {
            name: "wan0".into(),
            link,
        };
        injector.set_links(Map::from([(IFACE, named)]));
        let (bus, inboxes) = Bus::new();
        let sessions = Sessions::new(1);
        Bench {
            sessions,
            bus,
            inboxes,
            injector,
            ring,
        }
    }

    fn begin(&mut self, session: SessionId) {
        let config = Box::new(Config::default());
        self.handle(Event::LinkUp { iface: IFACE });
        self.handle(Event::Configure { session, config });
    }

    fn handle(&mut self, event: Event<'_>) {
        self.sessions.handle(&self.bus, &self.injector, event);
    }

    /// Neighbours that the ND room was asked for.
    fn asked(&mut self) -> Vec<IpAddr> {
        let mut asked = Vec::new();
        while let Ok(message) = self.inboxes.nd.messages.try_recv() {
            if let NdMessage::Event(nd::Event::Glean { target, .. }) = message {
                asked.push(target);
            }
        }
        asked
    }

    fn frame(&mut self) -> Option<Vec<u8>> {
        match self.ring.pop()? {
            Inject::Frame { port, bytes } => {
                assert_eq!(port, PortId(3));
                Some(bytes)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn session(local: &str, peer: &str) -> SessionId {
    SessionId {
        iface: IFACE,
        local: local.parse().unwrap(),
        peer: peer.parse().unwrap(),
    }
}

#[test]
fn a_packet_leaves_once_the_peer_is_found() {
    for (local, peer, ether_type) in [
        ("fe80::1", "fe80::2", [0x86, 0xdd]),
        ("192.0.2.1", "192.0.2.2", [0x08, 0x00]),
    ] {
        let mut bench = Bench::new();
        let of = session(local, peer);
        bench.begin(of);
        bench.handle(Event::Timer);
        assert_eq!((bench.asked(), bench.frame()), (vec![of.peer], None));
        bench.sessions.neighbor(IFACE, of.peer, Some(PEER));
        bench.handle(Event::Shutdown);
        let frame = bench.frame().unwrap();
        assert_eq!(frame[..6], PEER.octets());
        assert_eq!(frame[6..12], MAC.octets());
        assert_eq!(frame[12..14], ether_type);
        assert_eq!(hop_limit(&frame[14..]), Some(255));
        let datagram = udp::Datagram::parse(&frame[14..]).unwrap();
        assert_eq!(
            (datagram.source.ip(), datagram.destination.ip()),
            (of.local, of.peer)
        );
        assert_eq!(datagram.destination.port(), 3784);
        assert!(49_152 <= datagram.source.port());
        let control = packet::Packet::read(datagram.payload).unwrap().control;
        assert_eq!(control.state, State::AdminDown);
        assert_eq!(bench.asked(), [] as [IpAddr; 0]);
    }
}

#[test]
fn a_peer_that_the_cache_has_forgotten_is_asked_for_and_sent_to_all_the_same() {
    let mut bench = Bench::new();
    let of = session("fe80::1", "fe80::2");
    bench.begin(of);
    bench.sessions.neighbor(IFACE, of.peer, Some(PEER));
    bench.sessions.neighbor(IFACE, of.peer, None);
    bench.handle(Event::Timer);
    assert_eq!(bench.asked(), [of.peer]);
    assert!(bench.frame().is_some());
    // Not with every packet.
    bench.handle(Event::Shutdown);
    assert_eq!(bench.asked(), [] as [IpAddr; 0]);
    assert!(bench.frame().is_some());
    bench.handle(Event::Remove { session: of });
    assert!(bench.sessions.neighbors.is_empty());
}

#[test]
fn what_comes_reaches_its_session_and_the_engine_hears_of_the_path() {
    let mut bench = Bench::new();
    let of = session("192.0.2.1", "192.0.2.2");
    bench.begin(of);
    let ours = bench.sessions.machine.snapshot()[0].local_discriminator;
    let mut give = |state, hop_limit| {
        let control = packet::Control {
            diagnostic: Diagnostic::NONE,
            state,
            poll: false,
            is_final: false,
            independent: false,
            demand: false,
            detect_mult: 3,
            my_discriminator: 7,
            your_discriminator: ours,
            desired_min_tx: Duration::from_secs(1),
            required_min_rx: Duration::from_secs(1),
            required_min_echo_rx: Duration::ZERO,
        };
        let payload = control.write(None);
        let datagram = udp::Datagram {
            source: "192.0.2.2:50000".parse().unwrap(),
            destination: "192.0.2.1:3784".parse().unwrap(),
            payload: &payload,
        };
        let mut packet = vec![0; datagram.packet_len()];
        datagram.write(&mut packet, hop_limit).unwrap();
        bench
            .sessions
            .packet(&bench.bus, &bench.injector, IFACE, &packet);
    };
    give(State::Down, 255);
    give(State::Up, 254);
    give(State::Up, 255);
    let known = bench.sessions.snapshot();
    let (shown, counters) = &known.sessions[0];
    assert_eq!(shown.state, State::Up);
    assert_eq!((counters.received, counters.invalid["hop_limit"]), (2, 1));
    let mut told = Vec::new();
    while let Ok(message) = bench.inboxes.engine.try_recv() {
        if let EngineMessage::BfdPath { session, path } = message {
            told.push((session, path));
        }
    }
    assert_eq!(told, [(of, protocols::bfd::Path::Up)]);
}
