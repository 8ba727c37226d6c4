//! The task of multicast listeners, MLD and IGMP: queries and groups in, reports out.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Mutex;
use tracing::debug;
use wire::EtherType;

use super::nd::{now, seed, until};
use crate::bus::{Inbox, MldMessage, Packet};
use crate::injector::Injector;
use protocols::igmp;
use protocols::mld::{Action, Event, Machine};

/// Owner of the machine.
#[derive(Debug)]
pub struct MldTask {
    machine: Machine,
    igmp: igmp::Machine,
    injector: Arc<Injector>,
    actions: Vec<Action>,
    igmp_actions: Vec<igmp::Action>,
}

impl MldTask {
    /// Runs until the inbox is closed. The inbox outlives a panic, so that a room that starts again hears all.
    pub async fn run(injector: Arc<Injector>, inbox: Arc<Mutex<Inbox<MldMessage>>>) {
        let mut inbox = inbox.lock().await;
        let Inbox { messages, packets } = &mut *inbox;
        let mut task = Self {
            machine: Machine::new(seed()),
            igmp: igmp::Machine::new(seed()),
            injector,
            actions: Vec::new(),
            igmp_actions: Vec::new(),
        };
        loop {
            let deadline = task.next_deadline();
            tokio::select! {
                biased;
                message = messages.recv() => match message {
                    Some(MldMessage::Event(event)) => task.handle(event),
                    Some(MldMessage::Igmp(event)) => task.handle_igmp(event),
                    None => return,
                },
                packet = packets.recv() => match packet {
                    Some(packet) => task.packet(&packet),
                    None => return,
                },
                () = until(deadline) => task.timer(),
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let both = [self.machine.next_deadline(), self.igmp.next_deadline()];
        both.into_iter().flatten().min()
    }

    fn timer(&mut self) {
        self.handle(Event::Timer);
        self.handle_igmp(igmp::Event::Timer);
    }

    fn packet(&mut self, packet: &Packet) {
        let &Packet {
            iface, ref bytes, ..
        } = packet;
        if bytes.first().is_some_and(|byte| byte >> 4 == 4) {
            let packet = bytes;
            self.handle_igmp(igmp::Event::Packet { iface, packet });
        } else {
            let packet = bytes;
            self.handle(Event::Packet { iface, packet });
        }
    }

    fn handle_igmp(&mut self, event: igmp::Event<'_>) {
        self.igmp.on_event(now(), event, &mut self.igmp_actions);
        for action in self.igmp_actions.drain(..) {
            let igmp::Action::Send {
                iface,
                dst,
                dst_mac,
                packet,
            } = action;
            debug!(interface = %self.injector.name(iface), %dst, "group membership report");
            self.injector
                .frame(iface, dst_mac, EtherType::IPV4.0, &packet);
        }
    }

    fn handle(&mut self, event: Event<'_>) {
        self.machine.on_event(now(), event, &mut self.actions);
        for action in self.actions.drain(..) {
            let Action::Send {
                iface,
                dst,
                dst_mac,
                packet,
            } = action;
            debug!(interface = %self.injector.name(iface), %dst, "multicast listener report");
            self.injector
                .frame(iface, dst_mac, EtherType::IPV6.0, &packet);
        }
    }
}
