//! The task of reassembly: fragments for us in, answers out.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tokio::sync::Mutex;
use wire::EtherType;
use wire::addr::{v4, v6};
use wire::ipv4::Ipv4Header;
use wire::ipv6::Ipv6Header;

use super::nd::{now, until};
use crate::bus::{Inbox, Packet, ReassemblyMessage};
use crate::injector::Injector;
use protocols::reassembly::{Action, Arrival, Event, Machine};

/// Owner of the machine.
#[derive(Debug)]
pub struct ReassemblyTask {
    machine: Machine,
    injector: Arc<Injector>,
    actions: Vec<Action>,
    identifications: Identifications,
}

impl ReassemblyTask {
    /// Runs until the inbox is closed.
    pub async fn run(injector: Arc<Injector>, inbox: Arc<Mutex<Inbox<ReassemblyMessage>>>) {
        let mut inbox = inbox.lock().await;
        let Inbox { messages, packets } = &mut *inbox;
        let mut task = Self {
            machine: Machine::default(),
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
        for Action::Send { to, packet } in self.actions.drain(..) {
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

/// Numbers that nobody outside can foresee (RFC 7739 section 5.3): a counter under a keyed hash.
#[derive(Debug, Default)]
struct Identifications {
    keys: RandomState,
    count: u64,
}

impl Identifications {
    fn next(&mut self) -> u32 {
        self.count += 1;
        self.keys.hash_one(self.count) as u32
    }
}
