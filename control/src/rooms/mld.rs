//! The task of multicast listener discovery: queries and groups in, reports out.

use std::sync::Arc;

use tokio::sync::Mutex;
use tracing::debug;
use wire::EtherType;

use super::nd::{now, seed, until};
use crate::bus::{Inbox, MldMessage, Packet};
use crate::injector::Injector;
use protocols::mld::{Action, Event, Machine};

/// Owner of the machine.
#[derive(Debug)]
pub struct MldTask {
    machine: Machine,
    injector: Arc<Injector>,
    actions: Vec<Action>,
}

impl MldTask {
    /// Runs until the inbox is closed. The inbox outlives a panic, so that a room that starts again hears all.
    pub async fn run(injector: Arc<Injector>, inbox: Arc<Mutex<Inbox<MldMessage>>>) {
        let mut inbox = inbox.lock().await;
        let Inbox { messages, packets } = &mut *inbox;
        let mut task = Self {
            machine: Machine::new(seed()),
            injector,
            actions: Vec::new(),
        };
        loop {
            let deadline = task.machine.next_deadline();
            tokio::select! {
                biased;
                message = messages.recv() => match message {
                    Some(MldMessage::Event(event)) => task.handle(event),
                    None => return,
                },
                packet = packets.recv() => match packet {
                    Some(Packet { iface, bytes, .. }) => task.handle(Event::Packet { iface, packet: &bytes }),
                    None => return,
                },
                () = until(deadline) => task.handle(Event::Timer),
            }
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
