//! The task of the DHCPv6 server: datagrams in, leases to disk, answers out.
//!
//! ```text
//!   packets that wait (up to BATCH) ─► machine ─► writes ─► one transaction ─► answers, routes
//!                                        ▲                       │
//!                                        └── Stored, StoreFailed ┘
//! ```
//!
//! The more packets come while a transaction is under way, the more share the next one ([`commit`]). What waits for a
//! transaction is carried out only when it is on disk; when it fails, the machine takes its writes back and the clients hear
//! nothing. An Advertise promises nothing and waits for nothing.

mod commit;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::SystemTime;

use tables::id::{IfaceId, VrfId};
use tokio::sync::Mutex;
use tracing::{error, info, warn};
use wire::MacAddr;
use wire::udp;

use super::lease::import::{Import, Verdict};
use super::lease::peer::{Peer, PeerMessage, Way};
use super::lease::{OrderError, load};
use super::nd::{NoteBudget, now, seed, until};
use crate::bus::{Bus, Dhcp6Message, EngineMessage, Inbox, Leasing, Packet};
use crate::injector::Injector;
use commit::{Commits, Done};
use lease::{Disk, DiskError, Half, Imported, Kind, Lease, Standing};
use protocols::dhcp6::{Action, Datagram, Event, Identity, LinkId, Machine, Notice, Via};
use protocols::pairing::PairEvent;

/// Packets that share one transaction at most.
const BATCH: usize = 1024;
/// The server's UDP port (RFC 8415 section 7.2).
const SERVER_PORT: u16 = 547;

/// What the machine may ask to be told of the router.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Link-local address of each interface that has one in use.
    pub link_local: HashMap<IfaceId, Ipv6Addr>,
    /// An address of each router for answers that are routed.
    pub global: HashMap<VrfId, Ipv6Addr>,
}

/// What the task has that outlives a panic of the machine.
#[derive(Clone, Debug)]
pub struct Means {
    /// The way to the engine.
    pub bus: Bus,
    /// The way to the workers.
    pub injector: Arc<Injector>,
    /// The leases' store; `None` when it cannot be used, and no lease is given.
    pub disk: Option<Arc<Disk>>,
    /// Who the server is.
    pub identity: Identity,
    /// Which half of what is free it gives, beside the server of the other router of the pair, and the way there; nothing: there is none.
    pub peer: Option<(Half, Arc<Way>)>,
}

/// Owner of the machine.
#[derive(Debug)]
pub struct Dhcp6Task {
    machine: Machine,
    means: Means,
    sources: Sources,
    actions: Vec<Action>,
    commits: Commits,
    notes: NoteBudget,
    /// Holds answers.
    peer: Peer<Action>,
    is_loaded: bool,
}

impl Dhcp6Task {
    /// Runs until the inbox is closed. The inbox outlives a panic, so that a room that starts again hears all.
    pub async fn run(means: Means, inbox: Arc<Mutex<Inbox<Dhcp6Message>>>) {
        let mut inbox = inbox.lock().await;
        let Inbox { messages, packets } = &mut *inbox;
        let machine = Machine::new(means.identity.clone(), seed(), now(), SystemTime::now());
        let (half, way) = means.peer.clone().unzip();
        let mut task = Self {
            machine,
            means,
            sources: Sources::default(),
            actions: Vec::new(),
            commits: Commits::default(),
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
            let deadline = task.machine.next_deadline();
            let peer_deadline = task.peer.deadline();
            let is_full = task.commits.is_full();
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
                done = task.commits.done() => {
                    // A failure is told to the machine and to the log; nobody else waits for it.
                    let _ = task.done(done);
                }
                () = until(deadline) => task.event(Event::Timer),
                () = until(peer_deadline) => {
                    let ready = task.peer.timer(now());
                    task.release(ready);
                }
                n = packets.recv_many(&mut batch, BATCH), if !is_full => {
                    if n == 0 {
                        return;
                    }
                    for packet in batch.drain(..) {
                        task.packet(&packet);
                    }
                }
            }
            task.settle();
            task.tell_more();
        }
    }

    /// What was in the store when it was asked. Without it the machine gives no leases.
    fn loaded(&mut self, leases: Result<Vec<Lease>, DiskError>) {
        match leases {
            Ok(leases) => {
                info!(leases = leases.len(), "DHCPv6 leases loaded");
                self.event(Event::Loaded { leases });
                self.is_loaded = true;
                self.tell_leases();
                for message in self.peer.early() {
                    self.peer_says(message);
                }
            }
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                error!(%error, "DHCPv6 gives no leases: those there are cannot be read");
            }
        }
    }

    /// Tells the guards of ports of all leases.
    fn tell_leases(&self) {
        let leases = self.machine.book().iter();
        self.means.bus.leases(leases.filter_map(Leasing::of));
    }

    async fn message(&mut self, message: Dhcp6Message) {
        match message {
            Dhcp6Message::Event(event) => self.event(event),
            Dhcp6Message::Sources(sources) => self.sources = *sources,
            Dhcp6Message::Ask(question) => {
                // Only what is on disk is told.
                let _ = self.drain().await;
                question.ask(&self.machine);
            }
            Dhcp6Message::Order(order) => {
                let (event, reply) = *order;
                let done = self.order(event).await;
                let _ = reply.send(done);
            }
            Dhcp6Message::Import(import) => {
                self.import(*import).await;
                self.tell_leases();
            }
            Dhcp6Message::TellLeases => self.tell_leases(),
            Dhcp6Message::Peer(message) if self.is_loaded => self.peer_says(message),
            Dhcp6Message::Peer(message) => self.peer.keep_early(message),
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
        self.settle();
        self.commits.forget_told();
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
    fn tell_more(&mut self) {
        while self.machine.pairing().has_more() && self.peer.has_room() && !self.commits.is_full() {
            self.event(Event::Pair(PairEvent::More));
            self.settle();
        }
    }

    /// Carries out an order by itself, so that its answer speaks of nothing else.
    async fn order(&mut self, event: Event<'static>) -> Result<(), OrderError> {
        let _ = self.drain().await;
        self.event(event);
        let refused = self.actions.iter().find_map(|action| match action {
            Action::Notice(Notice::NotAdded { why, .. }) => Some((*why).to_owned()),
            _ => None,
        });
        if let Some(why) = refused {
            self.actions.clear();
            return Err(OrderError::Refused(why));
        }
        self.drain().await.map_err(OrderError::NotStored)
    }

    /// Has the machine put its part of an import, and waits for what becomes of the whole.
    async fn import(&mut self, import: Import) {
        let _ = self.drain().await;
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
        let writes = commit::writes(&actions);
        let (verdict, _told_when_done) = import.part.offer(said, writes.clone()).await;
        match verdict {
            Verdict::Stored => {
                if !writes.is_empty() {
                    self.event(Event::Stored);
                }
                self.go_out(actions);
            }
            Verdict::NotStored(why) => {
                error!(error = %why, writes = writes.len(), "DHCPv6 leases could not be stored");
                self.event(Event::StoreFailed { writes });
            }
            Verdict::Withdrawn => self.event(Event::Withdrawn { writes }),
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

    /// Carries out what waits for nothing, and begins to store what is to be stored.
    fn settle(&mut self) {
        // Before it is on disk: the client is not told sooner than that, and may use it at once then.
        let writes = self.actions.iter().filter_map(|action| match action {
            Action::Write(write) => Leasing::of_write(write),
            _ => None,
        });
        self.means.bus.leases(writes);
        let at_once = self.commits.sort(&mut self.actions);
        self.go_out(at_once);
        let disk = self.means.disk.clone();
        self.commits.begin(move |writes| match disk {
            _ if writes.is_empty() => Ok(()),
            Some(disk) => disk.commit(writes).map_err(commit::said),
            None => Err("the leases' store cannot be used".into()),
        });
    }

    /// Waits until everything so far is stored and carried out, or has failed.
    async fn drain(&mut self) -> Result<(), String> {
        self.settle();
        while !self.commits.is_idle() {
            let done = self.commits.done().await;
            self.done(done)?;
            self.settle();
        }
        Ok(())
    }

    /// Tells the machine what became of a transaction, and carries out what waited for it. A failure says why.
    fn done(&mut self, done: Done) -> Result<(), String> {
        match done {
            Done::Stored { wrote, actions } => {
                if wrote {
                    self.event(Event::Stored);
                }
                self.go_out(actions);
                Ok(())
            }
            Done::Failed { writes, why } => {
                error!(error = %why, writes = writes.len(), "DHCPv6 leases could not be stored");
                self.peer.broken();
                self.event(Event::StoreFailed { writes });
                Err(why)
            }
        }
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
            Action::RouteUp {
                prefix,
                vrf,
                next_hop,
                ..
            } => self.means.bus.engine(EngineMessage::DelegatedUp {
                vrf,
                prefix,
                interface: next_hop.iface.into(),
                gateway: next_hop.address,
            }),
            Action::RouteDown { prefix, vrf } => {
                self.means
                    .bus
                    .engine(EngineMessage::DelegatedDown { vrf, prefix });
            }
            Action::Notice(notice) => self.notice(&notice),
            // On disk by now, and told.
            Action::Write(_) | Action::Tell(_) => {}
        }
    }

    fn send(&self, via: Via, src: Option<Ipv6Addr>, destination: SocketAddr, payload: &[u8]) {
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
                let to = mac.or_else(|| group_mac(destination.ip()));
                let Some(to) = to else { return };
                injector.datagram(iface, to, &datagram)
            }
            Via::Routed { vrf } => injector.routed_datagram(vrf, &datagram),
        };
        if let Err(error) = sent {
            warn!(%destination, %error, "a DHCPv6 answer cannot be sent");
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
            Notice::PoolUsedUp { name } => warn!(pool = %name, "nothing is left for new clients"),
            Notice::Declined { address, client } => {
                warn!(%address, %client, "a client found its address in use by another station");
            }
            Notice::TwoHolders { resource, from, to } => {
                error!(%resource, %from, %to, "the other router of the pair has given to another client what one has here");
            }
            Notice::RefusingService => {
                error!("DHCPv6 refuses service: leases cannot be stored");
            }
            Notice::ServiceResumed => info!("DHCPv6 serves again: leases can be stored"),
            Notice::ConfigRefused { link, faults } => {
                let link = self.link_name(*link);
                for fault in faults {
                    error!(%link, %fault, "DHCPv6 configuration refused");
                }
            }
            Notice::NotAdded { resource, why } => warn!(%resource, why, "lease not added"),
            Notice::Imported(Imported {
                added, replaced, ..
            }) => info!(added, replaced, "DHCPv6 leases imported"),
            // Who imports is told why.
            Notice::NotImported { .. } => {}
            Notice::RegistrationMoved { address, from, to } => {
                info!(%address, %from, %to, "an address was registered by another client than before");
            }
            Notice::ReconfigureFailed { client } => {
                info!(%client, "client did not follow its Reconfigure messages");
            }
        }
    }

    fn link_name(&self, link: LinkId) -> String {
        match link {
            LinkId::Iface(iface) => self.means.injector.name(iface),
            LinkId::Remote(number) => format!("remote link {number}"),
        }
    }
}

/// The MAC of a multicast destination.
fn group_mac(destination: IpAddr) -> Option<MacAddr> {
    match destination {
        IpAddr::V6(group) if group.is_multicast() => Some(MacAddr::for_ipv6_multicast(&group)),
        _ => None,
    }
}

/// The other server's are none of ours.
fn is_ours(lease: &Lease) -> bool {
    lease.holder.kind != Kind::V4
}

#[cfg(test)]
mod tests;
