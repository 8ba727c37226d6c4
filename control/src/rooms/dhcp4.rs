//! The task of the DHCPv4 server: datagrams in, leases to disk, answers out.
//!
//! It works as that of DHCPv6 does ([`super::dhcp6`]), and shares the store with it. Besides, it asks by ARP whether somebody
//! has an address, and hears the answers as long as a question is open.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::SystemTime;

use tables::id::IfaceId;
use tokio::sync::Mutex;
use tracing::{error, info, warn};
use wire::arp::ArpPacket;
use wire::udp;
use wire::{EtherType, MacAddr};
use zerocopy::IntoBytes;

use super::lease::import::{Import, Verdict};
use super::lease::peer::{Peer, PeerMessage, Way};
use super::lease::{OrderError, commit, load};
use super::nd::{NoteBudget, now, seed, until};
use crate::bus::{Bus, Dhcp4Message, Inbox, Leasing, Packet};
use crate::injector::Injector;
use lease::{Disk, DiskError, Half, Imported, Kind, Lease, Standing, Write};
use protocols::dhcp4::{Action, Datagram, Event, Identity, LinkId, Machine, Notice, Via};
use protocols::pairing::PairEvent;

/// Packets that share one transaction at most.
const BATCH: usize = 1024;
/// The server's UDP port (RFC 2131 section 4.1).
const SERVER_PORT: u16 = 67;

/// What the task has that outlives a panic of the machine.
#[derive(Clone, Debug)]
pub struct Means {
    /// The way to the other rooms.
    pub bus: Bus,
    /// The way to the workers.
    pub injector: Arc<Injector>,
    /// The leases' store; `None` when it cannot be used, and no lease is given.
    pub disk: Option<Arc<Disk>>,
    /// What the server keeps.
    pub identity: Identity,
    /// Which half of what is free it gives, beside the server of the other router of the pair, and the way there; nothing: there is none.
    pub peer: Option<(Half, Arc<Way>)>,
}

/// Owner of the machine.
#[derive(Debug)]
pub struct Dhcp4Task {
    machine: Machine,
    means: Means,
    actions: Vec<Action>,
    notes: NoteBudget,
    /// Holds answers.
    peer: Peer<Action>,
    is_loaded: bool,
}

impl Dhcp4Task {
    /// Runs until the inbox is closed. The inbox outlives a panic, so that a room that starts again hears all.
    pub async fn run(means: Means, inbox: Arc<Mutex<Inbox<Dhcp4Message>>>) {
        let mut inbox = inbox.lock().await;
        let Inbox { messages, packets } = &mut *inbox;
        let machine = Machine::new(means.identity.clone(), seed(), now(), SystemTime::now());
        let (half, way) = means.peer.clone().unzip();
        let mut task = Self {
            machine,
            means,
            actions: Vec::new(),
            notes: NoteBudget::default(),
            peer: Peer::new(way, now()),
            is_loaded: false,
        };
        task.stand_beside(half);
        // Beside it the room hears its configuration, and answers those who only want settings.
        let mut loading = pin!(load(task.means.disk.clone(), is_ours));
        let mut is_loading = task.means.disk.is_some();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            task.means.bus.hear_arp(task.machine.probes() > 0);
            let deadline = task.machine.next_deadline();
            let peer_deadline = task.peer.deadline();
            tokio::select! {
                biased;
                message = messages.recv() => match message {
                    Some(message) => task.message(message).await,
                    None => return,
                },
                leases = &mut loading, if is_loading => {
                    is_loading = false;
                    task.loaded(leases);
                }
                () = until(deadline) => task.event(Event::Timer),
                () = until(peer_deadline) => {
                    let ready = task.peer.timer(now());
                    task.release(ready);
                }
                n = packets.recv_many(&mut batch, BATCH) => {
                    if n == 0 {
                        return;
                    }
                    for packet in batch.drain(..) {
                        task.packet(&packet);
                    }
                }
            }
            // A failure is told to the machine and to the log; nobody else waits for it.
            let _ = task.settle().await;
            task.tell_more().await;
        }
    }

    /// What was in the store when it was asked. Without it the machine gives no leases.
    fn loaded(&mut self, leases: Result<Vec<Lease>, DiskError>) {
        match leases {
            Ok(leases) => {
                info!(leases = leases.len(), "DHCPv4 leases loaded");
                self.event(Event::Loaded { leases });
                self.is_loaded = true;
                self.tell_leases();
                for message in self.peer.early() {
                    self.peer_says(message);
                }
            }
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                error!(%error, "DHCPv4 gives no leases: those there are cannot be read");
            }
        }
    }

    /// Tells the guards of ports of all leases.
    fn tell_leases(&self) {
        let leases = self.machine.book().iter();
        self.means.bus.leases(leases.filter_map(Leasing::of));
    }

    async fn message(&mut self, message: Dhcp4Message) {
        match message {
            Dhcp4Message::Event(event) => self.event(event),
            Dhcp4Message::Ask(question) => question.ask(&self.machine),
            Dhcp4Message::Order(order) => {
                let (event, reply) = *order;
                let done = self.order(event).await;
                let _ = reply.send(done);
            }
            Dhcp4Message::Import(import) => {
                self.import(*import).await;
                self.tell_leases();
            }
            Dhcp4Message::TellLeases => self.tell_leases(),
            Dhcp4Message::Peer(message) if self.is_loaded => self.peer_says(message),
            Dhcp4Message::Peer(message) => self.peer.keep_early(message),
        }
    }

    /// What the other router of the pair says, or that it can be talked to, or not.
    fn peer_says(&mut self, message: PeerMessage) {
        let conversation = match message {
            PeerMessage::Gone => {
                if let Some(half) = self.means.peer.as_ref().map(|(half, _)| *half) {
                    warn!(
                        "the other router is said to be gone: its half of what is free is given here"
                    );
                    self.event(Event::Pair(PairEvent::Standing(Standing::Survivor(half))));
                }
                return;
            }
            PeerMessage::Told(messages) => {
                for message in messages {
                    let ready = self.peer.heard(&message);
                    self.release(ready);
                    self.event(Event::Pair(PairEvent::Told(message)));
                }
                return;
            }
            PeerMessage::Up(conversation) => Some(conversation),
            PeerMessage::Down => None,
        };
        // What was to be said in the conversation before has no place in this one.
        let is_else = |action: &Action| !matches!(action, Action::Tell(_));
        self.actions.retain(is_else);
        self.event(Event::Pair(PairEvent::Down));
        let ready = self.peer.set(conversation);
        self.release(ready);
        if conversation.is_some() {
            let half = self.means.peer.as_ref().map(|(half, _)| *half);
            self.stand_beside(half);
            self.event(Event::Pair(PairEvent::Up));
        }
    }

    /// There is another server, and this one gives its half: also when the other one was said to be gone.
    fn stand_beside(&mut self, half: Option<Half>) {
        let standing = half.map(Standing::Paired);
        if let Some(standing) = standing.filter(|s| *s != self.machine.standing()) {
            self.event(Event::Pair(PairEvent::Standing(standing)));
        }
    }

    /// Tells the other router more of the leases that are there, as it deals with them.
    async fn tell_more(&mut self) {
        while self.machine.pairing().has_more() && self.peer.has_room() {
            self.event(Event::Pair(PairEvent::More));
            let _ = self.settle().await;
        }
    }

    /// Carries out an order by itself, so that its answer speaks of nothing else.
    async fn order(&mut self, event: Event<'static>) -> Result<(), OrderError> {
        let _ = self.settle().await;
        self.event(event);
        let refused = self.actions.iter().find_map(|action| match action {
            Action::Notice(Notice::NotAdded { why, .. }) => Some((*why).to_owned()),
            _ => None,
        });
        if let Some(why) = refused {
            self.actions.clear();
            return Err(OrderError::Refused(why));
        }
        self.settle().await.map_err(OrderError::NotStored)
    }

    /// Has the machine put its part of an import, and waits for what becomes of the whole.
    async fn import(&mut self, import: Import) {
        let _ = self.settle().await;
        let leases = import.leases;
        self.event(Event::Import { leases });
        let actions = std::mem::take(&mut self.actions);
        let said = |action: &Action| match action {
            Action::Notice(Notice::Imported(imported)) => Some(Ok(*imported)),
            Action::Notice(Notice::NotImported { why }) => Some(Err(why.clone())),
            _ => None,
        };
        let Some(said) = actions.iter().rev().find_map(said) else {
            unreachable!("the machine answers an import")
        };
        let write = |action: &Action| match action {
            Action::Write(write) => Some(write.clone()),
            _ => None,
        };
        let writes: Vec<Write> = actions.iter().filter_map(write).collect();
        let (verdict, _told_when_done) = import.part.offer(said, writes.clone()).await;
        match verdict {
            Verdict::Stored => {
                if !writes.is_empty() {
                    self.event(Event::Stored);
                }
                self.go_out(actions);
            }
            Verdict::NotStored(why) => {
                error!(error = %why, writes = writes.len(), "DHCPv4 leases could not be stored");
                self.event(Event::StoreFailed { writes });
            }
            Verdict::Withdrawn => self.event(Event::Withdrawn { writes }),
        }
    }

    fn packet(&mut self, packet: &Packet) {
        if packet.arp {
            return self.arp(packet);
        }
        // The worker has checked length and checksum, and that it is UDP for the port of DHCPv4.
        let Ok(datagram) = udp::Datagram::parse(&packet.bytes) else {
            return;
        };
        let (SocketAddr::V4(src), SocketAddr::V4(dst)) = (datagram.source, datagram.destination)
        else {
            return;
        };
        if dst.port() == SERVER_PORT {
            self.event(Event::Packet(Datagram {
                iface: packet.iface,
                src_mac: packet.src_mac,
                src: *src.ip(),
                src_port: src.port(),
                dst: *dst.ip(),
                payload: datagram.payload,
            }));
        }
    }

    /// Whoever speaks by ARP with an address has it. A probe for it has no address yet (RFC 5227 section 2.1.1).
    fn arp(&mut self, packet: &Packet) {
        let Ok(arp) = ArpPacket::parse(&packet.bytes) else {
            return;
        };
        if !arp.sender_ip().is_unspecified() {
            self.event(Event::ProbeResult {
                iface: packet.iface,
                address: arp.sender_ip(),
                by: arp.sender_mac(),
            });
        }
    }

    fn event(&mut self, event: Event<'_>) {
        self.machine
            .on_event(now(), SystemTime::now(), event, &mut self.actions);
    }

    /// Stores what is to be stored, and carries out what is to be done.
    async fn settle(&mut self) -> Result<(), String> {
        let actions = std::mem::take(&mut self.actions);
        let write = |action: &Action| match action {
            Action::Write(write) if write.is_durable() => Some(write.clone()),
            _ => None,
        };
        let writes: Vec<Write> = actions.iter().filter_map(write).collect();
        // Before it is on disk: the client is not told sooner than that, and may use it at once then.
        let leases = writes.iter().filter_map(Leasing::of_write);
        self.means.bus.leases(leases);
        let stored = self.store(writes).await;
        match stored {
            Ok(()) => self.go_out(actions),
            Err(_) => {
                let waits = |action: &Action| {
                    matches!(
                        action,
                        Action::Tell(_)
                            | Action::Send {
                                after_commit: true,
                                ..
                            }
                    )
                };
                self.release(actions.into_iter().filter(|action| !waits(action)));
                self.peer.broken();
            }
        }
        // What the machine says to a success or failure waits for nothing.
        let actions = std::mem::take(&mut self.actions);
        self.release(actions);
        stored
    }

    /// Carries out what waits for the disk no more. The other router of the pair is told first: answers wait until it has dealt with
    /// that.
    fn go_out(&mut self, actions: Vec<Action>) {
        for action in &actions {
            if let Action::Tell(message) = action {
                self.peer.tell(message);
            }
        }
        for action in actions {
            let ready = match action {
                Action::Send {
                    after_commit: true, ..
                } => self.peer.hold(action, now()),
                _ => Some(action),
            };
            self.release(ready);
        }
    }

    fn release(&mut self, ready: impl IntoIterator<Item = Action>) {
        for action in ready {
            self.carry_out(action);
        }
    }

    /// Makes the writes durable, and tells the machine. A failure says why.
    async fn store(&mut self, writes: Vec<Write>) -> Result<(), String> {
        if writes.is_empty() {
            return Ok(());
        }
        let (writes, done) = commit(self.means.disk.clone(), writes).await;
        match done {
            Ok(()) => {
                self.event(Event::Stored);
                Ok(())
            }
            Err(why) => {
                error!(error = %why, writes = writes.len(), "DHCPv4 leases could not be stored");
                self.event(Event::StoreFailed { writes });
                Err(why)
            }
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Send {
                via,
                src,
                dst,
                dst_port,
                payload,
                ..
            } => self.send(via, src, SocketAddr::new(dst.into(), dst_port), &payload),
            Action::Probe { iface, address } => self.probe(iface, address),
            Action::Notice(notice) => self.notice(&notice),
            // Said before.
            Action::Tell(_) => {}
            // On disk by now.
            Action::Write(_) => {}
        }
    }

    fn send(&self, via: Via, src: Ipv4Addr, destination: SocketAddr, payload: &[u8]) {
        let datagram = udp::Datagram {
            source: SocketAddr::new(IpAddr::V4(src), SERVER_PORT),
            destination,
            payload,
        };
        let injector = &self.means.injector;
        let sent = match via {
            Via::Link { iface, mac } => injector.datagram(iface, mac, &datagram),
            Via::Routed { vrf } => injector.routed_datagram(vrf, &datagram),
        };
        if let Err(error) = sent {
            warn!(%destination, %error, "a DHCPv4 answer cannot be sent");
        }
    }

    /// RFC 5227 section 2.1.1: a request from nobody, so that no cache learns anything.
    fn probe(&self, iface: IfaceId, address: Ipv4Addr) {
        let injector = &self.means.injector;
        let Some(mac) = injector.mac(iface) else {
            return;
        };
        // An answer may be faster than the next round of the task.
        self.means.bus.hear_arp(true);
        let probe = ArpPacket::request(mac, Ipv4Addr::UNSPECIFIED, address);
        injector.frame(
            iface,
            MacAddr::BROADCAST,
            EtherType::ARP.0,
            probe.as_bytes(),
        );
    }

    fn notice(&mut self, notice: &Notice) {
        let Some(left_out) = self.notes.take(now()) else {
            return;
        };
        if left_out > 0 {
            warn!(left_out, "too many DHCPv4 events to write them all down");
        }
        match notice {
            Notice::PoolUsedUp { name } => warn!(pool = %name, "nothing is left for new clients"),
            Notice::Declined { address, client } => {
                warn!(%address, %client, "a client found its address in use by another station");
            }
            Notice::Conflict { address, by } => {
                warn!(%address, %by, "an address to be offered is in use by another station");
            }
            Notice::TwoHolders { resource, from, to } => {
                error!(%resource, %from, %to, "the other router of the pair has given to another client what one has here");
            }
            Notice::RefusingService => {
                error!("DHCPv4 refuses service: leases cannot be stored");
            }
            Notice::ServiceResumed => info!("DHCPv4 serves again: leases can be stored"),
            Notice::ConfigRefused { link, faults } => {
                let link = match link {
                    LinkId::Iface(iface) => self.means.injector.name(*iface),
                    LinkId::Remote(number) => format!("remote link {number}"),
                };
                for fault in faults {
                    error!(%link, %fault, "DHCPv4 configuration refused");
                }
            }
            Notice::NotAdded { resource, why } => warn!(%resource, why, "lease not added"),
            Notice::Imported(Imported {
                added, replaced, ..
            }) => info!(added, replaced, "DHCPv4 leases imported"),
            // Who imports is told why.
            Notice::NotImported { .. } => {}
        }
    }
}

/// The other server's are none of ours.
fn is_ours(lease: &Lease) -> bool {
    lease.holder.kind == Kind::V4
}

#[cfg(test)]
mod tests;
