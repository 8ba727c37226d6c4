//! The punt thread: empties the workers' punt rings and sorts what it finds to the rooms.
//!
//! A thread of its own, because workers do not wake anybody: it looks often while packets come ([`PAUSES`]) and rarely when
//! none do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dataplane::path_mtu;
use dataplane::punt::{Punt, PuntClass, PuntConsumer};
use wire::MacAddr;
use wire::udp;

use crate::bus::{Bus, EngineMessage, Packet, unmapped};
use protocols::nd;

/// The UDP port of DHCPv6 clients (RFC 8415 section 7.2).
const DHCP6_CLIENT: u16 = 546;
/// How long the thread sleeps when the last packet is so long ago.
const PAUSES: [(Duration, Duration); 2] = [
    (Duration::from_millis(1), Duration::from_micros(20)),
    (Duration::from_millis(50), Duration::from_micros(100)),
];
const IDLE: Duration = Duration::from_millis(1);

/// Counters of the thread.
#[derive(Debug, Default)]
pub struct Counters {
    /// Packets that no room takes yet.
    pub unclaimed: AtomicU64,
}

/// Runs until `stop`, or until the workers are gone.
pub fn run(mut rings: Vec<PuntConsumer>, bus: &Bus, counters: &Counters, stop: &Arc<AtomicBool>) {
    // Without it the short pauses are some times as long.
    let _ = nix::sys::prctl::set_timerslack(1);
    let mut last = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let mut any = false;
        for ring in &mut rings {
            while let Some(punt) = ring.pop() {
                sort(&punt, bus, counters);
                any = true;
            }
        }
        if any {
            last = Instant::now();
        }
        let quiet = last.elapsed();
        let pause = PAUSES.iter().find(|(until, _)| quiet < *until);
        std::thread::sleep(pause.map_or(IDLE, |(_, pause)| *pause));
    }
}

fn sort(punt: &Punt, bus: &Bus, counters: &Counters) {
    let meta = &punt.meta;
    let packet = |arp| Packet {
        iface: meta.iface,
        vrf: meta.vrf,
        src_mac: source_mac(punt.bytes()),
        arp,
        bytes: punt.l3().to_vec(),
    };
    match meta.class {
        PuntClass::Nd => bus.offer_nd(packet(false)),
        PuntClass::Arp => {
            if bus.hears_arp() {
                bus.offer_dhcp4(packet(true));
            }
            bus.offer_nd(packet(true));
        }
        PuntClass::Rs | PuntClass::Ra => bus.offer_ra(packet(false)),
        PuntClass::Mld | PuntClass::Igmp => bus.offer_mld(packet(false)),
        PuntClass::Dhcp6 => dhcp6(packet(false), bus),
        PuntClass::Dhcp4 => bus.offer_dhcp4(packet(false)),
        PuntClass::Fragment => bus.offer_fragment(packet(false)),
        PuntClass::PathMtu => {
            if let Some(told) = path_mtu::read(punt.l3()) {
                bus.engine(EngineMessage::TooBig {
                    vrf: meta.vrf,
                    told,
                });
            }
        }
        PuntClass::Resolve | PuntClass::ResolveGateway => bus.nd(nd::Event::Glean {
            iface: meta.iface,
            target: unmapped(meta.address),
            source: None,
        }),
        // Rooms to come: local services.
        _ => {
            counters.unclaimed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// To the client or the server, as the port says. The worker has checked that it is a whole datagram.
fn dhcp6(packet: Packet, bus: &Bus) {
    match udp::Datagram::parse(&packet.bytes) {
        Ok(datagram) if datagram.destination.port() == DHCP6_CLIENT => {
            bus.offer_dhcp6_client(packet);
        }
        _ => bus.offer_dhcp6(packet),
    }
}

/// The frame's source, zero when it is cut off.
fn source_mac(frame: &[u8]) -> MacAddr {
    frame
        .get(6..12)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or_else(MacAddr::default, MacAddr)
}
