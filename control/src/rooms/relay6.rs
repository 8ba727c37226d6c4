//! The task of the DHCPv6 relay: datagrams in, delegations to disk, datagrams out.
//!
//! Packets that wait share a transaction, as those of the server do. A Reply that delegates, and the route of what it
//! delegates, wait until the delegation is on disk.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::SystemTime;

use tables::id::IfaceId;
use tokio::sync::Mutex;
use tracing::{debug, error, info, warn};
use wire::MacAddr;
use wire::udp;

use super::dhcp6::Sources;
use super::nd::{NoteBudget, now, until};
use crate::bus::relay::{Question, Relay6Message, group_mac};
use crate::bus::{Bus, EngineMessage, Inbox, Packet};
use crate::injector::Injector;
use lease::{Disk, DiskError, Lease, Write};
use protocols::nd;
use protocols::relay6::{Action, Datagram, Event, Machine, Notice, Via};

/// Packets that share one transaction at most.
const BATCH: usize = 256;
/// UDP port of servers and relay agents (RFC 8415 section 7.2).
const SERVER_PORT: u16 = 547;

/// What the task has that outlives a panic of the machine.
#[derive(Clone, Debug)]
pub struct Means {
    /// The way to the engine.
    pub bus: Bus,
    /// The way to the workers.
    pub injector: Arc<Injector>,
    /// The store of what is delegated behind us; `None` when it cannot be used, and no delegation passes.
    pub disk: Option<Arc<Disk>>,
}

/// Owner of the machine.
#[derive(Debug)]
pub struct Relay6Task {
    machine: Machine,
    means: Means,
    sources: Sources,
    actions: Vec<Action>,
    notes: NoteBudget,
}

impl Relay6Task {
    /// Runs until the inbox is closed. The inbox outlives a panic, so that a room that starts again hears all.
    pub async fn run(means: Means, inbox: Arc<Mutex<Inbox<Relay6Message>>>) {
        let mut inbox = inbox.lock().await;
        let Inbox { messages, packets } = &mut *inbox;
        let mut task = Self {
            machine: Machine::new(now(), SystemTime::now()),
            means,
            sources: Sources::default(),
            actions: Vec::new(),
            notes: NoteBudget::default(),
        };
        let mut loading = pin!(load(task.means.disk.clone()));
        let mut is_loading = task.means.disk.is_some();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let deadline = task.machine.next_deadline();
            tokio::select! {
                biased;
                message = messages.recv() => match message {
                    Some(message) => task.message(message),
                    None => return,
                },
                leases = &mut loading, if is_loading => {
                    is_loading = false;
                    task.loaded(leases);
                }
                () = until(deadline) => task.event(Event::Timer),
                n = packets.recv_many(&mut batch, BATCH) => {
                    if n == 0 {
                        return;
                    }
                    for packet in batch.drain(..) {
                        task.packet(&packet);
                    }
                }
            }
            task.settle().await;
        }
    }

    fn message(&mut self, message: Relay6Message) {
        match message {
            Relay6Message::Event(event) => self.event(event),
            Relay6Message::Sources(sources) => self.sources = *sources,
            Relay6Message::Ask(Question(question)) => question(&self.machine),
        }
    }

    fn loaded(&mut self, leases: Result<Vec<Lease>, DiskError>) {
        match leases {
            Ok(leases) => {
                info!(
                    prefixes = leases.len(),
                    "prefixes delegated behind the relay loaded"
                );
                self.event(Event::Loaded { leases });
            }
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                error!(%error, "no delegation passes the relay: those there are cannot be read");
            }
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
        if dst.port() == SERVER_PORT {
            self.event(Event::Packet(Datagram {
                iface: packet.iface,
                vrf: packet.vrf,
                src_mac: packet.src_mac,
                src: *src.ip(),
                src_port: src.port(),
                dst: *dst.ip(),
                payload: datagram.payload,
            }));
        }
    }

    fn event(&mut self, event: Event<'_>) {
        self.machine
            .on_event(now(), SystemTime::now(), event, &mut self.actions);
    }

    /// Stores what is to be stored, and carries out what is to be done.
    async fn settle(&mut self) {
        let actions = std::mem::take(&mut self.actions);
        let write = |action: &Action| match action {
            Action::Write(write) => Some(write.clone()),
            _ => None,
        };
        let writes: Vec<Write> = actions.iter().filter_map(write).collect();
        let stored = self.store(writes).await;
        for action in actions {
            let waits = match &action {
                Action::Send { after_commit, .. } => *after_commit,
                Action::RouteUp { .. } | Action::RouteDown { .. } => true,
                Action::Write(_) | Action::Notice(_) => false,
            };
            if stored || !waits {
                self.carry_out(action).await;
            }
        }
        // What the machine says to a success or failure waits for nothing.
        for action in std::mem::take(&mut self.actions) {
            self.carry_out(action).await;
        }
    }

    /// Makes the writes durable, and tells the machine; whether they are.
    async fn store(&mut self, writes: Vec<Write>) -> bool {
        if writes.is_empty() {
            return true;
        }
        let Some(disk) = self.means.disk.clone() else {
            self.event(Event::StoreFailed { writes });
            return false;
        };
        let (writes, done) = blocking(move || {
            let done = disk.commit(&writes);
            (writes, done)
        })
        .await;
        match done {
            Ok(()) => {
                self.event(Event::Stored);
                true
            }
            Err(why) => {
                let error = format!("{:#}", anyhow::Error::from(why));
                error!(%error, prefixes = writes.len(), "delegated prefixes could not be stored");
                self.event(Event::StoreFailed { writes });
                false
            }
        }
    }

    async fn carry_out(&mut self, action: Action) {
        match action {
            Action::Send {
                via,
                src,
                dst,
                dst_port,
                payload,
                ..
            } => {
                let to = SocketAddr::new(dst.into(), dst_port);
                self.send(via, src, to, &payload).await;
            }
            Action::RouteUp {
                prefix,
                vrf,
                next_hop,
            } => self.means.bus.engine(EngineMessage::DelegatedUp {
                vrf,
                prefix,
                interface: next_hop.iface.into(),
                gateway: next_hop.address,
            }),
            Action::RouteDown { prefix, vrf } => {
                let message = EngineMessage::DelegatedDown { vrf, prefix };
                self.means.bus.engine(message);
            }
            Action::Notice(notice) => self.notice(&notice),
            // On disk by now.
            Action::Write(_) => {}
        }
    }

    async fn send(&self, via: Via, src: Option<Ipv6Addr>, destination: SocketAddr, payload: &[u8]) {
        let source = src.or_else(|| match via {
            Via::Link { iface, .. } => self.sources.link_local.get(&iface).copied(),
            Via::Routed { vrf } => self.sources.global.get(&vrf).copied(),
        });
        // Without an address in use there is nobody to speak as; the client asks again.
        let Some(source) = source else { return };
        let datagram = udp::Datagram {
            source: SocketAddr::new(source.into(), SERVER_PORT),
            destination,
            payload,
        };
        let injector = &self.means.injector;
        let sent = match via {
            Via::Link { iface, mac } => {
                let known = mac.or_else(|| group_mac(destination.ip()));
                let to = match known {
                    Some(to) => to,
                    None => match self.neighbor(iface, destination.ip()).await {
                        Some(to) => to,
                        None => return,
                    },
                };
                injector.datagram(iface, to, &datagram)
            }
            Via::Routed { vrf } => injector.routed_datagram(vrf, &datagram),
        };
        if let Err(error) = sent {
            warn!(%destination, %error, "a relayed DHCPv6 message cannot be sent");
        }
    }

    /// The MAC of who was not heard for long, as neighbour discovery knows it. It is asked to find out what it does not know:
    /// the server repeats its Reconfigure, and a client its question.
    async fn neighbor(&self, iface: IfaceId, address: IpAddr) -> Option<MacAddr> {
        let known = self.means.bus.nd_snapshot().await.neighbors;
        let mut neighbors = known.iter();
        let found = neighbors.find(|n| n.iface == iface && n.addr == address);
        let mac = found.and_then(|neighbor| neighbor.mac);
        if mac.is_none() {
            debug!(%address, "a relayed answer waits for neighbour discovery");
            self.means.bus.nd(nd::Event::Glean {
                iface,
                target: address,
                source: None,
            });
        }
        mac
    }

    fn notice(&mut self, notice: &Notice) {
        if let Some(left_out) = self.notes.take(now()) {
            if left_out > 0 {
                warn!(
                    left_out,
                    "too many events of the relay to write them all down"
                );
            }
            match notice {
                Notice::ConfigRefused { link, faults } => {
                    let link = self.means.injector.name(*link);
                    for fault in faults {
                        error!(%link, %fault, "DHCPv6 relay refused");
                    }
                }
                Notice::RefusingService => {
                    error!("no delegation passes the DHCPv6 relay: it cannot be stored");
                }
                Notice::ServiceResumed => info!("delegations pass the DHCPv6 relay again"),
            }
        }
    }
}

/// Reads what is delegated.
async fn load(disk: Option<Arc<Disk>>) -> Result<Vec<Lease>, DiskError> {
    let Some(disk) = disk else {
        return Ok(Vec::new());
    };
    let read = move || {
        let mut leases = Vec::new();
        disk.load(|lease| leases.push(lease))?;
        Ok(leases)
    };
    blocking(read).await
}

/// Runs what blocks where it may. A panic in it goes on here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failure) => match failure.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process is stopping.
            Err(_) => std::future::pending().await,
        },
    }
}
