//! BFD in the liveness thread: the machine, and where its packets go.
//!
//! A control packet leaves in a frame to the peer's MAC address, which the ND room finds out: it is asked when there is none.
//! The last one known is used until another is told, so that a cache that forgets is no failure.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use api::Happening;
use protocols::bfd::{
    Action, Counters, Datagram, Diagnostic, Event, HOP_LIMIT, Machine, PORT, SessionId, Snapshot,
    State,
};
use protocols::nd;
use tables::id::IfaceId;
use tracing::{error, info, warn};
use wire::ipv4::Ipv4Header;
use wire::ipv6::Ipv6Header;
use wire::udp;
use wire::{EtherType, MacAddr};

use crate::bus::{Bus, EngineMessage};
use crate::injector::{Frame, Injector};

/// How often the ND room is asked for a neighbour.
const ASK: Duration = Duration::from_secs(1);

/// What is known of sessions, for the API.
#[derive(Debug, Default)]
pub struct BfdSnapshot {
    /// Each with its counters.
    pub sessions: Vec<(Snapshot, Counters)>,
    /// Of packets that belong to none, by interface.
    pub strays: Vec<(IfaceId, Counters)>,
}

/// A peer on its link.
#[derive(Debug, Default)]
struct Neighbor {
    mac: Option<MacAddr>,
    /// Whether the ND room knows it.
    known: bool,
    /// When the ND room was asked last.
    asked: Option<Instant>,
}

/// The machine, and the peers of its sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    machine: Machine,
    neighbors: HashMap<(IfaceId, IpAddr), Neighbor>,
    actions: Vec<Action>,
}

impl Sessions {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            machine: Machine::new(seed),
            neighbors: HashMap::new(),
            actions: Vec::new(),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.machine.next_deadline()
    }

    pub(super) fn shortest_interval(&self) -> Option<Duration> {
        self.machine.shortest_interval()
    }

    pub(super) fn snapshot(&self) -> BfdSnapshot {
        let counters: HashMap<_, _> = self.machine.counters().collect();
        let sessions = self.machine.snapshot().into_iter();
        let with_counters = sessions.map(|shown| {
            let of = counters.get(&shown.session).copied();
            (shown, of.cloned().unwrap_or_default())
        });
        BfdSnapshot {
            sessions: with_counters.collect(),
            strays: {
                let strays = self.machine.strays();
                strays.map(|(iface, c)| (iface, c.clone())).collect()
            },
        }
    }

    /// The ND room has found a peer, or does not know it any more.
    pub(super) fn neighbor(&mut self, iface: IfaceId, addr: IpAddr, mac: Option<MacAddr>) {
        let neighbor = self.neighbors.entry((iface, addr)).or_default();
        neighbor.known = mac.is_some();
        neighbor.mac = mac.or(neighbor.mac);
    }

    /// A packet that a worker takes for BFD, from its IP header on; its lengths and its checksum are right.
    pub(super) fn packet(&mut self, bus: &Bus, injector: &Injector, iface: IfaceId, packet: &[u8]) {
        let (Ok(datagram), Some(hop_limit)) = (udp::Datagram::parse(packet), hop_limit(packet))
        else {
            return;
        };
        let event = Event::Packet(Datagram {
            iface,
            source: datagram.source.ip(),
            destination: datagram.destination.ip(),
            hop_limit,
            payload: datagram.payload,
        });
        self.handle(bus, injector, event);
    }

    pub(super) fn handle(&mut self, bus: &Bus, injector: &Injector, event: Event<'_>) {
        let removed = match &event {
            Event::Remove { session } => Some(*session),
            _ => None,
        };
        let now = Instant::now();
        let mut actions = std::mem::take(&mut self.actions);
        self.machine.on_event(now, event, &mut actions);
        for action in actions.drain(..) {
            self.carry_out(bus, injector, now, action);
        }
        self.actions = actions;
        if let Some(session) = removed {
            self.neighbors.remove(&(session.iface, session.peer));
        }
    }

    fn carry_out(&mut self, bus: &Bus, injector: &Injector, now: Instant, action: Action) {
        match action {
            Action::Send {
                session,
                source_port,
                payload,
            } => self.send(bus, injector, now, session, source_port, &payload),
            Action::State {
                session,
                from,
                to,
                diagnostic,
            } => {
                let interface = injector.name(session.iface);
                log(&interface, session, from, to, diagnostic);
                // The way up is told by its end.
                if (from, to) != (State::Down, State::Init) {
                    bus.events().tell(Happening::BfdSession {
                        interface,
                        peer: session.peer,
                        local: session.local,
                        from: from.label().to_owned(),
                        to: to.label().to_owned(),
                        diagnostic: diagnostic.to_string(),
                    });
                }
            }
            Action::Path { session, path } => bus.engine(EngineMessage::BfdPath { session, path }),
            // The configuration knows the same bounds.
            Action::Refused { session, faults } => {
                let interface = injector.name(session.iface);
                for fault in faults {
                    error!(%interface, peer = %session.peer, %fault, "BFD session refused");
                }
            }
        }
    }

    fn send(
        &mut self,
        bus: &Bus,
        injector: &Injector,
        now: Instant,
        session: SessionId,
        source_port: u16,
        payload: &[u8],
    ) {
        let SessionId { iface, local, peer } = session;
        let neighbor = self.neighbors.entry((iface, peer)).or_default();
        let is_time = |asked| ASK <= now.saturating_duration_since(asked);
        if !neighbor.known && neighbor.asked.is_none_or(is_time) {
            neighbor.asked = Some(now);
            bus.nd(nd::Event::Glean {
                iface,
                target: peer,
                source: Some(local),
            });
        }
        let Some(mac) = neighbor.mac else {
            return;
        };
        let datagram = udp::Datagram {
            source: SocketAddr::new(local, source_port),
            destination: SocketAddr::new(peer, PORT),
            payload,
        };
        let mut packet = vec![0; datagram.packet_len()];
        if let Err(error) = datagram.write(&mut packet, HOP_LIMIT) {
            unreachable!("addresses of one IP version and a short payload: {error}");
        }
        injector.send_urgently(&Frame {
            iface,
            src_mac: None,
            dst_mac: mac,
            ether_type: match peer {
                IpAddr::V6(_) => EtherType::IPV6,
                IpAddr::V4(_) => EtherType::IPV4,
            },
            packet: &packet,
        });
    }
}

/// Hop limit or TTL of an IP packet.
fn hop_limit(packet: &[u8]) -> Option<u8> {
    match packet.first()? >> 4 {
        6 => Some(Ipv6Header::parse(packet).ok()?.0.hop_limit()),
        _ => Some(Ipv4Header::parse(packet).ok()?.header.ttl()),
    }
}

fn log(interface: &str, session: SessionId, from: State, to: State, diagnostic: Diagnostic) {
    let SessionId { local, peer, .. } = session;
    let (state, was) = (to.label(), from.label());
    match (from, to) {
        // The way up, told by its end.
        (State::Down, State::Init) => {}
        (State::Up, State::Down) => {
            warn!(%interface, %peer, %local, state, was, %diagnostic, "BFD session has failed");
        }
        _ => info!(%interface, %peer, %local, state, was, %diagnostic, "BFD session"),
    }
}

#[cfg(test)]
mod tests;
