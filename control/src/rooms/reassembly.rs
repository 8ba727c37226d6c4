//! The task of reassembly: fragments for us in, answers out.

use std::sync::Arc;

use tokio::sync::Mutex;
use wire::EtherType;
use wire::addr::{v4, v6};
use wire::ipv4::Ipv4Header;
use wire::ipv6::Ipv6Header;

use super::nd::{now, until};
use crate::bus::{Bus, Inbox, Packet, ReassemblyMessage};
use crate::identification::Identifications;
use crate::injector::Injector;
use protocols::reassembly::{Action, Arrival, Event, Machine};

/// Owner of the machine.
#[derive(Debug)]
pub struct ReassemblyTask {
    machine: Machine,
    bus: Bus,
    injector: Arc<Injector>,
    actions: Vec<Action>,
    identifications: Identifications,
}

impl ReassemblyTask {
    /// Runs until the inbox is closed.
    pub async fn run(
        bus: Bus,
        injector: Arc<Injector>,
        inbox: Arc<Mutex<Inbox<ReassemblyMessage>>>,
    ) {
        let mut inbox = inbox.lock().await;
        let Inbox { messages, packets } = &mut *inbox;
        let mut task = Self {
            machine: Machine::default(),
            bus,
            injector,
            actions: Vec::new(),
            identifications: Identifications::default(),
        };
        loop {
            let deadline = task.machine.next_deadline();
            tokio::select! {
                biased;
                message = messages.recv() => match message {
                    Some(ReassemblyMessage::Snapshot(reply)) => {
                        let _ = reply.send(task.machine.counters().clone());
                    }
                    None => return,
                },
                () = until(deadline) => task.handle(Event::Timer),
                packet = packets.recv() => match packet {
                    Some(packet) => task.packet(&packet),
                    None => return,
                },
            }
        }
    }

    fn packet(&mut self, packet: &Packet) {
        let &Packet {
            iface,
            vrf,
            src_mac,
            ref bytes,
            ..
        } = packet;
        let identification = self.identifications.next();
        self.handle(Event::Packet {
            from: Arrival {
                iface,
                vrf,
                src_mac,
            },
            packet: bytes,
            identification,
        });
    }

    fn handle(&mut self, event: Event<'_>) {
        self.machine.on_event(now(), event, &mut self.actions);
        for action in self.actions.drain(..) {
            let (to, packet) = match action {
                Action::Send { to, packet } => (to, packet),
                Action::Dhcp6 { from, packet } => {
                    self.bus.offer_dhcp6(Packet {
                        iface: from.iface,
                        vrf: from.vrf,
                        src_mac: from.src_mac,
                        arp: false,
                        bytes: packet,
                    });
                    continue;
                }
            };
            match stays_on_link(&packet) {
                Some(ether_type) => {
                    self.injector
                        .frame(to.iface, to.src_mac, ether_type.0, &packet);
                }
                None => self.injector.routed(to.vrf, packet),
            }
        }
    }
}

/// What the frame carries, if the packet is from or to a link-local address: routes mean nothing to it (RFC 4007).
fn stays_on_link(packet: &[u8]) -> Option<EtherType> {
    if let Ok((header, _)) = Ipv6Header::parse_prefix(packet) {
        return [header.source(), header.destination()]
            .iter()
            .any(|address| v6::is_link_local(address.to_bits()))
            .then_some(EtherType::IPV6);
    }
    let header = Ipv4Header::parse_prefix(packet).ok()?.header;
    [header.source(), header.destination()]
        .iter()
        .any(|address| v4::is_link_local(address.to_bits()))
        .then_some(EtherType::IPV4)
}
