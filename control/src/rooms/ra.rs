//! The task of router advertisement: packets and events in, advertisements out.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use tracing::{info, warn};
use wire::EtherType;

use super::nd::{now, seed, until};
use crate::bus::{Bus, Inbox, Packet, RaMessage};
use crate::injector::{Frame, Injector};
use protocols::nd;
use protocols::ra::{Action, Event, Machine};

/// How often the machine is told the wall clock, for lifetimes that end at a date.
const CLOCK: Duration = Duration::from_secs(10);

/// Owner of the machine.
#[derive(Debug)]
pub struct RaTask {
    machine: Machine,
    bus: Bus,
    injector: Arc<Injector>,
    actions: Vec<Action>,
}

impl RaTask {
    /// Runs until the inbox is closed. The inbox outlives a panic, so that a room that starts again hears all.
    pub async fn run(bus: Bus, injector: Arc<Injector>, inbox: Arc<Mutex<Inbox<RaMessage>>>) {
        let mut inbox = inbox.lock().await;
        let Inbox { messages, packets } = &mut *inbox;
        let machine = Machine::new(seed(), now(), SystemTime::now());
        let mut task = Self {
            machine,
            bus,
            injector,
            actions: Vec::new(),
        };
        let mut clock = tokio::time::interval(CLOCK);
        loop {
            let deadline = task.machine.next_deadline();
            tokio::select! {
                biased;
                message = messages.recv() => match message {
                    Some(message) => task.message(message),
                    None => return,
                },
                packet = packets.recv() => match packet {
                    Some(Packet { iface, src_mac, bytes, .. }) => {
                        task.handle(Event::Packet { iface, src_mac, packet: &bytes });
                    }
                    None => return,
                },
                () = until(deadline) => task.handle(Event::Timer),
                _ = clock.tick() => task.handle(Event::Clock { wall: SystemTime::now() }),
            }
        }
    }

    fn message(&mut self, message: RaMessage) {
        match message {
            RaMessage::Event(event) => self.handle(event),
            RaMessage::Snapshot(reply) => {
                let _ = reply.send(self.snapshot());
            }
            RaMessage::Shutdown(reply) => {
                self.handle(Event::Shutdown);
                let _ = reply.send(());
            }
        }
    }

    fn snapshot(&self) -> crate::bus::RaSnapshot {
        crate::bus::RaSnapshot {
            interfaces: self.machine.snapshot(),
            counters: self
                .machine
                .counters()
                .map(|(iface, counters)| (iface, counters.clone()))
                .collect(),
        }
    }

    fn handle(&mut self, event: Event<'_>) {
        self.machine.on_event(now(), event, &mut self.actions);
        for action in self.actions.drain(..) {
            match action {
                Action::Send {
                    iface,
                    src_mac,
                    dst_mac,
                    packet,
                    ..
                } => {
                    let frame = Frame {
                        iface,
                        src_mac: Some(src_mac),
                        dst_mac,
                        ether_type: EtherType::IPV6,
                        packet: &packet,
                    };
                    self.injector.send(&frame);
                }
                Action::NeighborHint {
                    iface,
                    addr,
                    mac,
                    router,
                } => {
                    let (addr, router) = (addr.into(), Some(router));
                    self.bus.nd(nd::Event::Hint {
                        iface,
                        addr,
                        mac,
                        router,
                    });
                }
                Action::Inconsistent { iface, from, what } => {
                    let interface = self.injector.name(iface);
                    warn!(%interface, %from, "another router advertises otherwise: {what}");
                }
                Action::ForeignRouter { iface, from } => {
                    let interface = self.injector.name(iface);
                    info!(%interface, %from, "another router advertises on this link");
                }
            }
        }
    }
}
