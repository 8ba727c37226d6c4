//! The task of the DHCPv4 relay: datagrams in, datagrams out. It has no timer and no store.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Mutex;
use tracing::{error, warn};
use wire::udp;

use crate::bus::relay::{Question, Relay4Message};
use crate::bus::{Inbox, Packet};
use crate::injector::Injector;
use protocols::relay4::{Action, Datagram, Event, Machine, Notice, Via};

/// UDP port of servers and relay agents (RFC 2131 section 4.1).
const SERVER_PORT: u16 = 67;

/// Owner of the machine.
#[derive(Debug)]
pub struct Relay4Task {
    machine: Machine,
    injector: Arc<Injector>,
    actions: Vec<Action>,
}

impl Relay4Task {
    /// Runs until the inbox is closed. The inbox outlives a panic, so that a room that starts again hears all.
    pub async fn run(injector: Arc<Injector>, inbox: Arc<Mutex<Inbox<Relay4Message>>>) {
        let mut inbox = inbox.lock().await;
        let Inbox { messages, packets } = &mut *inbox;
        let mut task = Self {
            machine: Machine::default(),
            injector,
            actions: Vec::new(),
        };
        loop {
            tokio::select! {
                biased;
                message = messages.recv() => match message {
                    Some(Relay4Message::Event(event)) => task.event(event),
                    Some(Relay4Message::Ask(Question(question))) => question(&task.machine),
                    None => return,
                },
                packet = packets.recv() => match packet {
                    Some(packet) => task.packet(&packet),
                    None => return,
                },
            }
        }
    }

    fn packet(&mut self, packet: &Packet) {
        // The worker has checked length and checksum, and that it is UDP for the servers' port.
        let Ok(datagram) = udp::Datagram::parse(&packet.bytes) else {
            return;
        };
        let (SocketAddr::V4(src), SocketAddr::V4(dst)) = (datagram.source, datagram.destination)
        else {
            return;
        };
        self.event(Event::Packet(Datagram {
            iface: packet.iface,
            vrf: packet.vrf,
            src: *src.ip(),
            dst: *dst.ip(),
            payload: datagram.payload,
        }));
    }

    fn event(&mut self, event: Event<'_>) {
        self.machine.on_event(event, &mut self.actions);
        for action in std::mem::take(&mut self.actions) {
            self.carry_out(action);
        }
    }

    fn carry_out(&self, action: Action) {
        match action {
            Action::Send {
                via,
                src,
                dst,
                dst_port,
                payload,
            } => {
                let destination = SocketAddr::new(dst.into(), dst_port);
                let datagram = udp::Datagram {
                    source: SocketAddr::new(src.into(), SERVER_PORT),
                    destination,
                    payload: &payload,
                };
                let sent = match via {
                    Via::Link { iface, mac } => self.injector.datagram(iface, mac, &datagram),
                    Via::Routed { vrf } => self.injector.routed_datagram(vrf, &datagram),
                };
                if let Err(error) = sent {
                    warn!(%destination, %error, "a relayed DHCPv4 message cannot be sent");
                }
            }
            Action::Notice(Notice::ConfigRefused { link, faults }) => {
                let link = self.injector.name(link);
                for fault in &faults {
                    error!(%link, %fault, "DHCPv4 relay refused");
                }
            }
        }
    }
}
