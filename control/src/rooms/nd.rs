//! The task of neighbour discovery: packets and events in, frames and table changes out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::bus::{Bus, EngineMessage, Inbox, NdMessage, NdSnapshot, Packet};
use crate::injector::{Frame, Injector};
use protocols::nd::{Action, Event, Machine, Note};

/// Owner of the machine.
#[derive(Debug)]
pub struct NdTask {
    machine: Machine,
    bus: Bus,
    injector: Arc<Injector>,
    actions: Vec<Action>,
    notes: NoteBudget,
}

/// Log lines of notes in one second: whoever can send ARP or advertisements can cause them.
const NOTES_PER_SECOND: u32 = 20;

/// Keeps a flood on a link from becoming a flood in the log.
#[derive(Debug, Default)]
pub(super) struct NoteBudget {
    second: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl NoteBudget {
    /// Whether one more line may be written now, and how many were left out before it.
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
        let fresh = |since| now.saturating_duration_since(since) >= Duration::from_secs(1);
        if self.second.is_none_or(fresh) {
            (self.second, self.written) = (Some(now), 0);
        }
        if self.written == NOTES_PER_SECOND {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl NdTask {
    /// Runs until the inbox is closed. The inbox outlives a panic, so that a room that starts again hears all.
    pub async fn run(bus: Bus, injector: Arc<Injector>, inbox: Arc<Mutex<Inbox<NdMessage>>>) {
        let mut inbox = inbox.lock().await;
        let Inbox { messages, packets } = &mut *inbox;
        let machine = Machine::new(seed());
        let mut task = Self {
            machine,
            bus,
            injector,
            actions: Vec::new(),
            notes: NoteBudget::default(),
        };
        loop {
            let deadline = task.machine.next_deadline();
            tokio::select! {
                biased;
                message = messages.recv() => match message {
                    Some(message) => task.message(message),
                    None => return,
                },
                packet = packets.recv() => match packet {
                    Some(packet) => task.packet(&packet),
                    None => return,
                },
                () = until(deadline) => task.handle(Event::Timer),
            }
        }
    }

    fn message(&mut self, message: NdMessage) {
        match message {
            NdMessage::Event(event) => self.handle(event),
            NdMessage::Snapshot(reply) => {
                let neighbors = self.machine.neighbors(now());
                let addresses = self.machine.addresses();
                let counters = self.machine.counters();
                let _ = reply.send(NdSnapshot {
                    neighbors,
                    addresses,
                    counters: counters.map(|(iface, c)| (iface, c.clone())).collect(),
                });
            }
        }
    }

    fn packet(&mut self, packet: &Packet) {
        let &Packet {
            iface,
            src_mac,
            arp,
            ref bytes,
            ..
        } = packet;
        self.handle(if arp {
            Event::ArpPacket {
                iface,
                packet: bytes,
            }
        } else {
            Event::Packet {
                iface,
                src_mac,
                packet: bytes,
            }
        });
    }

    fn handle(&mut self, event: Event<'_>) {
        self.machine.on_event(now(), event, &mut self.actions);
        for action in self.actions.drain(..) {
            match action {
                Action::Send {
                    iface,
                    src_mac,
                    dst_mac,
                    ether_type,
                    packet,
                } => {
                    let frame = Frame {
                        iface,
                        src_mac: Some(src_mac),
                        dst_mac,
                        ether_type,
                        packet: &packet,
                    };
                    self.injector.send(&frame);
                }
                Action::Install {
                    iface, addr, mac, ..
                } => {
                    self.bus
                        .engine(EngineMessage::NeighborUp { iface, addr, mac });
                }
                Action::Withdraw { iface, addr } => {
                    self.bus.engine(EngineMessage::NeighborDown { iface, addr });
                }
                Action::Release { iface, addr } => {
                    self.bus.engine(EngineMessage::Release { iface, addr });
                }
                Action::Fail { iface, addr } => {
                    self.bus.engine(EngineMessage::Fail { iface, addr })
                }
                Action::AddressState { iface, addr, state } => {
                    self.bus
                        .engine(EngineMessage::AddressState { iface, addr, state });
                }
                Action::Note { iface, note } => {
                    let Some(left_out) = self.notes.take(now()) else {
                        continue;
                    };
                    if left_out > 0 {
                        warn!(left_out, "too many neighbour events to write them all down");
                    }
                    log(&self.injector.name(iface), &note);
                }
            }
        }
    }
}

fn log(interface: &str, note: &Note) {
    match note {
        Note::Duplicate { addr, mac } => {
            warn!(%interface, %addr, %mac, "address is in use by another station and stays unused here");
        }
        Note::Conflict { addr, mac } => {
            warn!(%interface, %addr, %mac, "another station uses our address");
        }
        Note::MacChanged { addr, from, to } => {
            info!(%interface, %addr, %from, %to, "neighbour changed its MAC");
        }
        Note::ClaimRefused {
            addr,
            holder,
            claimer,
        } => {
            warn!(%interface, %addr, %holder, %claimer, "an address was claimed that another station has");
        }
        Note::Unreachable { addr } => info!(%interface, %addr, "neighbour does not answer"),
        Note::NoLongerRouter { addr } => {
            info!(%interface, %addr, "neighbour is no router any more")
        }
    }
}

/// The clock of the rooms: machines have none.
pub(super) fn now() -> Instant {
    Instant::now()
}

/// A seed that differs from start to start.
pub(super) fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

/// Sleeps until a deadline; for ever without one.
pub(super) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_notes_is_written_in_part_and_its_rest_counted() {
        let mut budget = NoteBudget::default();
        let began = now();
        let written = (0..1000).filter(|_| budget.take(began).is_some()).count();
        assert_eq!(written, NOTES_PER_SECOND as usize);
        let later = began + Duration::from_secs(1);
        assert_eq!(budget.take(later), Some(1000 - u64::from(NOTES_PER_SECOND)));
        assert_eq!(budget.take(later), Some(0));
    }
}
