//! The task of the DHCPv6 client: datagrams in, what is held to disk and then to the engine, messages out.
//!
//! ```text
//!   store ─► Restore ─► machine ◄─ configuration, links (engine), datagrams (punt), orders (API)
//!                          │
//!                          ▼
//!                 keep, forget ─► one transaction ─► then: held (engine), sends (injector), notices (log)
//! ```
//!
//! What cannot be stored is used all the same, and stored later: a router that forgets its lease in the next restart is better
//! than one without an upstream.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use tables::id::IfaceId;
use tokio::sync::{Mutex, oneshot};
use tracing::{error, info, warn};
use wire::MacAddr;
use wire::udp;

use super::nd::{NoteBudget, now, seed, until};
use crate::bus::{Bus, Dhcp6ClientMessage, EngineMessage, Inbox, Packet};
use crate::injector::Injector;
use crate::store::{Store, StoreError, UplinkWrite};
use protocols::dhcp6_client::{Action, Datagram, Duid, Event, Machine, Notice};

/// UDP ports (RFC 8415 section 7.2).
const CLIENT_PORT: u16 = 546;
const SERVER_PORT: u16 = 547;

/// A question about the machine, answered by what it captured.
pub struct Question(Box<dyn FnOnce(&Machine) + Send>);

impl Question {
    /// Asks `question`; the answer comes by the receiver, or not at all when the room has ended.
    pub fn new<T: Send + 'static>(
        question: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> (Self, oneshot::Receiver<T>) {
        let (reply, answer) = oneshot::channel();
        let ask = move |machine: &Machine| {
            let _ = reply.send(question(machine));
        };
        (Self(Box::new(ask)), answer)
    }
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Question")
    }
}

/// What the task has that outlives a panic of the machine.
#[derive(Clone, Debug)]
pub struct Means {
    /// The way to the engine.
    pub bus: Bus,
    /// The way to the workers.
    pub injector: Arc<Injector>,
    /// Where leases are kept.
    pub store: Arc<Store>,
    /// Who the client is (RFC 8415 section 11); the same as the server's.
    pub duid: Vec<u8>,
}

/// Owner of the machine.
#[derive(Debug)]
pub struct Dhcp6ClientTask {
    machine: Machine,
    means: Means,
    actions: Vec<Action>,
    notes: NoteBudget,
}

impl Dhcp6ClientTask {
    /// Runs until the inbox is closed. The inbox outlives a panic, so that a room that starts again hears all.
    pub async fn run(means: Means, inbox: Arc<Mutex<Inbox<Dhcp6ClientMessage>>>) {
        let mut inbox = inbox.lock().await;
        let Inbox { messages, packets } = &mut *inbox;
        let duid = match Duid::new(&means.duid) {
            Ok(duid) => duid,
            Err(error) => {
                error!(%error, "no DHCPv6 client runs");
                return;
            }
        };
        let machine = Machine::new(duid, seed(), now(), SystemTime::now());
        let mut task = Self {
            machine,
            means,
            actions: Vec::new(),
            notes: NoteBudget::default(),
        };
        // Before the first configuration: what is held is told with it, and not what would be held without.
        task.restore().await;
        loop {
            let deadline = task.machine.next_deadline();
            tokio::select! {
                biased;
                message = messages.recv() => match message {
                    Some(Dhcp6ClientMessage::Event(event)) => task.event(event),
                    Some(Dhcp6ClientMessage::Ask(Question(question))) => question(&task.machine),
                    None => return,
                },
                () = until(deadline) => task.event(Event::Timer),
                packet = packets.recv() => match packet {
                    Some(packet) => task.packet(&packet),
                    None => return,
                },
            }
            task.settle().await;
        }
    }

    async fn restore(&mut self) {
        let store = self.means.store.clone();
        match tokio::task::spawn_blocking(move || store.uplinks()).await {
            Ok(Ok(kept)) => self.event(Event::Restore(kept)),
            Ok(Err(error)) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                error!(%error, "leases of the uplinks cannot be read: they are asked for anew");
            }
            // The process is stopping.
            Err(_) => std::future::pending().await,
        }
    }

    fn packet(&mut self, packet: &Packet) {
        // The worker has checked length and checksum, and that it is UDP for a port of DHCPv6.
        let Ok(datagram) = udp::Datagram::parse(&packet.bytes) else {
            return;
        };
        let (SocketAddr::V6(src), SocketAddr::V6(dst)) = (datagram.source, datagram.destination)
        else {
            return;
        };
        self.event(Event::Packet(Datagram {
            iface: packet.iface,
            src: *src.ip(),
            dst: *dst.ip(),
            payload: datagram.payload,
        }));
    }

    fn event(&mut self, event: Event<'_>) {
        self.machine
            .on_event(now(), SystemTime::now(), event, &mut self.actions);
    }

    /// Stores what is to be kept, then carries out the rest.
    async fn settle(&mut self) {
        let (mut writes, mut rest) = (Vec::new(), Vec::new());
        for action in std::mem::take(&mut self.actions) {
            match action {
                Action::Keep(kept) => writes.push(UplinkWrite::Keep(Box::new(kept))),
                Action::Forget { name } => writes.push(UplinkWrite::Forget(name)),
                action => rest.push(action),
            }
        }
        if !writes.is_empty() {
            match self.store(writes).await {
                Ok(()) => self.event(Event::Stored),
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    error!(%error, "leases of uplinks could not be stored");
                    self.event(Event::StoreFailed);
                }
            }
        }
        // What the machine says to the store's word are notices.
        rest.append(&mut self.actions);
        for action in rest {
            self.carry_out(action);
        }
    }

    async fn store(&self, writes: Vec<UplinkWrite>) -> Result<(), StoreError> {
        let store = self.means.store.clone();
        match tokio::task::spawn_blocking(move || store.write_uplinks(&writes)).await {
            Ok(done) => done,
            Err(failure) => match failure.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process is stopping.
                Err(_) => std::future::pending().await,
            },
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Send {
                iface,
                src,
                dst,
                payload,
            } => self.send(iface, src, dst, &payload),
            Action::Held(held) => self.means.bus.engine(EngineMessage::Held(Box::new(held))),
            Action::Notice(notice) => self.notice(&notice),
            Action::Keep(_) | Action::Forget { .. } => {
                unreachable!("the store's word asks for no writes")
            }
        }
    }

    fn send(&self, iface: IfaceId, src: Ipv6Addr, dst: Ipv6Addr, payload: &[u8]) {
        let datagram = udp::Datagram {
            source: SocketAddr::new(src.into(), CLIENT_PORT),
            destination: SocketAddr::new(dst.into(), SERVER_PORT),
            payload,
        };
        let to = MacAddr::for_ipv6_multicast(&dst);
        if let Err(error) = self.means.injector.datagram(iface, to, &datagram) {
            let uplink = self.name(iface);
            warn!(%uplink, %error, "a DHCPv6 message cannot be sent");
        }
    }

    fn notice(&mut self, notice: &Notice) {
        let Some(left_out) = self.notes.take(now()) else {
            return;
        };
        if left_out > 0 {
            warn!(left_out, "too many DHCPv6 events to write them all down");
        }
        match notice {
            Notice::ConfigRefused { iface, faults } => {
                let uplink = self.name(*iface);
                for fault in faults {
                    error!(%uplink, %fault, "DHCPv6 client's configuration refused");
                }
            }
            Notice::Bound { iface, server } => {
                info!(uplink = %self.name(*iface), %server, "leases from a DHCPv6 server");
            }
            Notice::Lost { iface } => {
                warn!(uplink = %self.name(*iface), "all leases have ended: looking for servers");
            }
            Notice::Duplicate { iface, address } => {
                let uplink = self.name(*iface);
                warn!(%uplink, %address, "a leased address is in use by another station: declined");
            }
            Notice::Refused { iface, server } => {
                let uplink = self.name(*iface);
                warn!(%uplink, %server, "a DHCPv6 server does not give what it offered");
            }
            Notice::Reconfigured { iface } => {
                info!(uplink = %self.name(*iface), "the DHCPv6 server called");
            }
            Notice::ClockStep { seconds } => {
                info!(seconds, "the clock was set: leases are checked");
            }
            Notice::NotKept => {
                error!("leases of uplinks cannot be stored: a restart would forget them");
            }
            Notice::KeptAgain => info!("leases of uplinks can be stored again"),
        }
    }

    fn name(&self, iface: IfaceId) -> String {
        self.means.injector.name(iface)
    }
}

#[cfg(test)]
mod tests;
