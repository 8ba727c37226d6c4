//! The bus: *how do rooms talk?* By these messages and in no other way.
//!
//! ```text
//!                 NdMessage                        EngineMessage
//!   punt ───────────────────► nd task ───────────────────────────► engine thread ──► tables, workers
//!    │                          ▲  ▲                                 │      ▲
//!    │            RaMessage     │  └──────────── NdMessage ──────────┤      │ EngineMessage
//!    ├────────────────────► ra task ◄──────────── RaMessage ─────────┤     API, signals, reload
//!    ├────────────────────► mld task ◄────────── MldMessage ─────────┤
//!    ├────────────────────► dhcp6 task ◄──────── Dhcp6Message ───────┤
//!    ├────────────────────► dhcp4 task ◄──────── Dhcp4Message ───────┤
//!    ├────────────────────► relay6, relay4 tasks ◄ Relay6Message, ... ┤
//!    ├─────────────► dhcp6_client task ◄── Dhcp6ClientMessage ───────┘
//!    └────────────────────► reassembly task ──► injector
//!   urgent punts ─────────► liveness thread ◄─ LivenessMessage ─ engine
//! ```
//!
//! Packets are offered ([`Bus::offer_nd`]): a room that does not keep up loses packets, which are counted, and never
//! stalls the punt thread. Everything else is delivered. The inboxes of the engine and the rooms' control messages
//! are unbounded because their senders are bounded: packets by the dataplane's policers, configuration by its file.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dataplane::path_mtu::TooBig;
use ipnet::Ipv6Net;
use tables::id::{IfaceId, PortId, VrfId};
use tokio::sync::{mpsc, oneshot};
use wire::MacAddr;

use crate::engine::Request;
use crate::events::{EventInbox, Events};
use crate::rooms::dhcp6::Sources;
use crate::rooms::dhcp6_client::Question as ClientQuestion;
use crate::rooms::lease::import::Import;
use crate::rooms::lease::peer::PeerMessage;
use crate::rooms::lease::{Order, OrderError, Question};
use crate::rooms::liveness::{BfdSnapshot, LivenessMessage, VrrpSnapshot};
use crate::rooms::pair::{PairHandle, PairInbox, ToKeeper};
use protocols::vrrp::{GroupId, State};
use protocols::{bfd, dhcp4, dhcp6, dhcp6_client, igmp, mld, nd, ra, reassembly, vrrp};

pub mod leasing;
pub mod relay;

pub use leasing::Leasing;

/// Packets that may wait for a room.
const PACKETS: usize = 4096;

/// To the ND room.
#[derive(Debug)]
pub enum NdMessage {
    /// An event without packet bytes.
    Event(nd::Event<'static>),
    /// What is known, for the API.
    Snapshot(oneshot::Sender<NdSnapshot>),
}

/// To the RA room.
#[derive(Debug)]
pub enum RaMessage {
    /// An event without packet bytes.
    Event(ra::Event<'static>),
    /// What is known, for the API.
    Snapshot(oneshot::Sender<RaSnapshot>),
    /// Say goodbye on every link, then tell.
    Shutdown(oneshot::Sender<()>),
}

/// To the room of multicast listeners.
#[derive(Debug)]
pub enum MldMessage {
    /// An event of MLD without packet bytes.
    Event(mld::Event<'static>),
    /// The same of IGMP.
    Igmp(igmp::Event<'static>),
}

/// To the DHCPv6 server's room.
#[derive(Debug)]
pub enum Dhcp6Message {
    /// An event without packet bytes.
    Event(dhcp6::Event<'static>),
    /// Which addresses it may speak from.
    Sources(Box<Sources>),
    /// A question of the API.
    Ask(Question<dhcp6::Machine>),
    /// An order of the API, answered when it is on disk.
    Order(Box<Order<dhcp6::Event<'static>>>),
    /// Its part of an import of leases.
    Import(Box<Import>),
    /// Tell the engine of all leases.
    TellLeases,
    /// Of the other router of the pair.
    Peer(PeerMessage),
}

/// To the DHCPv4 server's room.
#[derive(Debug)]
pub enum Dhcp4Message {
    /// An event without packet bytes.
    Event(dhcp4::Event<'static>),
    /// A question of the API.
    Ask(Question<dhcp4::Machine>),
    /// An order of the API, answered when it is on disk.
    Order(Box<Order<dhcp4::Event<'static>>>),
    /// Its part of an import of leases.
    Import(Box<Import>),
    /// Tell the engine of all leases.
    TellLeases,
    /// Of the other router of the pair.
    Peer(PeerMessage),
}

/// To the DHCPv6 client's room.
#[derive(Debug)]
pub enum Dhcp6ClientMessage {
    /// An event without packet bytes.
    Event(dhcp6_client::Event<'static>),
    /// A question of the API.
    Ask(ClientQuestion),
}

/// A packet for a room, from its layer-3 header on.
#[derive(Debug)]
pub struct Packet {
    /// Where it came in.
    pub iface: IfaceId,
    /// The routing domain.
    pub vrf: VrfId,
    /// Source of the frame.
    pub src_mac: MacAddr,
    /// ARP, not IPv6.
    pub arp: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The ND room's answer to [`NdMessage::Snapshot`].
#[derive(Debug, Default)]
pub struct NdSnapshot {
    /// The neighbours.
    pub neighbors: Vec<nd::NeighborSnapshot>,
    /// Own addresses.
    pub addresses: Vec<nd::AddressSnapshot>,
    /// What it counted on each interface.
    pub counters: Vec<(IfaceId, nd::Counters)>,
}

/// The RA room's answer to [`RaMessage::Snapshot`].
#[derive(Debug, Default)]
pub struct RaSnapshot {
    /// Its interfaces.
    pub interfaces: Vec<ra::Snapshot>,
    /// What it counted on each.
    pub counters: Vec<(IfaceId, ra::Counters)>,
}

/// To the reassembly room.
#[derive(Debug)]
pub enum ReassemblyMessage {
    /// What was counted, for the API.
    Snapshot(oneshot::Sender<reassembly::Counters>),
}

/// To the engine, the owner of the tables.
#[derive(Debug)]
pub enum EngineMessage {
    /// A neighbour's MAC is known.
    NeighborUp {
        /// On which interface.
        iface: IfaceId,
        /// Its address.
        addr: IpAddr,
        /// Its MAC.
        mac: MacAddr,
    },
    /// It is not known any more.
    NeighborDown {
        /// On which interface.
        iface: IfaceId,
        /// Its address.
        addr: IpAddr,
    },
    /// Workers shall route the packets that wait for it.
    Release {
        /// On which interface.
        iface: IfaceId,
        /// Its address.
        addr: IpAddr,
    },
    /// Workers shall answer the packets that wait for it.
    Fail {
        /// On which interface.
        iface: IfaceId,
        /// Its address.
        addr: IpAddr,
    },
    /// What the room of the pair has to say of kinds that the engine keeps.
    Pair(ToKeeper),
    /// Leases of our servers, for the guards of ports.
    Leases(Vec<Leasing>),
    /// A router on the way of a tunnel's outer packets says what fits.
    TooBig {
        /// The routing domain.
        vrf: VrfId,
        /// What it said.
        told: TooBig,
    },
    /// An own address has changed state.
    AddressState {
        /// On which interface.
        iface: IfaceId,
        /// The address.
        addr: IpAddr,
        /// Its state now.
        state: nd::AddressState,
    },
    /// The ND room has been started again after a fault and knows nothing.
    NdRestarted,
    /// The same of the RA room.
    RaRestarted,
    /// The same of the MLD room.
    MldRestarted,
    /// The same of the DHCPv6 server's room.
    Dhcp6Restarted,
    /// The same of the DHCPv4 server's room.
    Dhcp4Restarted,
    /// The same of the DHCPv6 relay's room.
    Relay6Restarted,
    /// The same of the DHCPv4 relay's room.
    Relay4Restarted,
    /// The same of the DHCPv6 client's room.
    Dhcp6ClientRestarted,
    /// The same of the liveness thread.
    LivenessRestarted,
    /// A virtual router has this state now; said again when its addresses or its MAC have changed.
    VirtualRouter {
        /// Which.
        id: GroupId,
        /// Its state.
        state: State,
    },
    /// What a BFD session says of the path to its peer.
    BfdPath {
        /// Which.
        session: bfd::SessionId,
        /// What it says.
        path: bfd::Path,
    },
    /// A prefix is delegated: a route leads to it.
    DelegatedUp {
        /// Of this router.
        vrf: VrfId,
        /// The prefix.
        prefix: Ipv6Net,
        /// The interface towards a link-local gateway.
        interface: String,
        /// The requesting router, or the relay agent before it.
        gateway: Ipv6Addr,
    },
    /// A prefix is not delegated any more.
    DelegatedDown {
        /// Of this router.
        vrf: VrfId,
        /// The prefix.
        prefix: Ipv6Net,
    },
    /// All that an uplink has been given by DHCPv6.
    Held(Box<dhcp6_client::Held>),
    /// A link went up or down, or its device is gone.
    LinkState {
        /// The device.
        port: PortId,
        /// Whether frames can pass.
        up: bool,
    },
    /// A question or order of the API.
    Request(Request),
    /// Stop.
    Shutdown,
}

/// Senders to every room; cheap to clone.
#[derive(Clone, Debug)]
pub struct Bus {
    nd: mpsc::UnboundedSender<NdMessage>,
    nd_packets: mpsc::Sender<Packet>,
    ra: mpsc::UnboundedSender<RaMessage>,
    ra_packets: mpsc::Sender<Packet>,
    mld: mpsc::UnboundedSender<MldMessage>,
    mld_packets: mpsc::Sender<Packet>,
    dhcp6: mpsc::UnboundedSender<Dhcp6Message>,
    dhcp6_packets: mpsc::Sender<Packet>,
    dhcp4: mpsc::UnboundedSender<Dhcp4Message>,
    dhcp4_packets: mpsc::Sender<Packet>,
    hears_arp: Arc<AtomicBool>,
    hears_leases: Arc<AtomicBool>,
    relays: relay::Senders,
    dhcp6_client: mpsc::UnboundedSender<Dhcp6ClientMessage>,
    dhcp6_client_packets: mpsc::Sender<Packet>,
    reassembly: mpsc::UnboundedSender<ReassemblyMessage>,
    fragments: mpsc::Sender<Packet>,
    liveness: crossbeam_channel::Sender<LivenessMessage>,
    pair: PairHandle,
    engine: crossbeam_channel::Sender<EngineMessage>,
    events: Events,
    lost: Arc<AtomicU64>,
}

/// The inboxes that belong to the senders.
#[derive(Debug)]
pub struct Inboxes {
    /// The ND room's.
    pub nd: Inbox<NdMessage>,
    /// The RA room's.
    pub ra: Inbox<RaMessage>,
    /// The MLD room's.
    pub mld: Inbox<MldMessage>,
    /// The DHCPv6 server's room's.
    pub dhcp6: Inbox<Dhcp6Message>,
    /// The DHCPv4 server's room's.
    pub dhcp4: Inbox<Dhcp4Message>,
    /// Those of the DHCP relays' rooms.
    pub relays: relay::RelayInboxes,
    /// The DHCPv6 client's room's.
    pub dhcp6_client: Inbox<Dhcp6ClientMessage>,
    /// The reassembly room's.
    pub reassembly: Inbox<ReassemblyMessage>,
    /// The liveness thread's.
    pub liveness: crossbeam_channel::Receiver<LivenessMessage>,
    /// That of the room of the pair.
    pub pair: PairInbox,
    /// The engine's.
    pub engine: crossbeam_channel::Receiver<EngineMessage>,
    /// That of those who listen to changes of state.
    pub events: EventInbox,
}

/// A room's inbox.
#[derive(Debug)]
pub struct Inbox<M> {
    /// Events and questions.
    pub messages: mpsc::UnboundedReceiver<M>,
    /// Packets.
    pub packets: mpsc::Receiver<Packet>,
}

impl Bus {
    /// The bus and the inboxes it leads to.
    pub fn new() -> (Self, Inboxes) {
        let (nd, nd_messages) = mpsc::unbounded_channel();
        let (ra, ra_messages) = mpsc::unbounded_channel();
        let (mld, mld_messages) = mpsc::unbounded_channel();
        let (nd_packets, nd_packets_out) = mpsc::channel(PACKETS);
        let (ra_packets, ra_packets_out) = mpsc::channel(PACKETS);
        let (mld_packets, mld_packets_out) = mpsc::channel(PACKETS);
        let (dhcp6, dhcp6_messages) = mpsc::unbounded_channel();
        let (dhcp6_packets, dhcp6_packets_out) = mpsc::channel(PACKETS);
        let (dhcp4, dhcp4_messages) = mpsc::unbounded_channel();
        let (dhcp4_packets, dhcp4_packets_out) = mpsc::channel(PACKETS);
        let (relays, relay_inboxes) = relay::channels();
        let (dhcp6_client, dhcp6_client_messages) = mpsc::unbounded_channel();
        let (dhcp6_client_packets, dhcp6_client_packets_out) = mpsc::channel(PACKETS);
        let (reassembly, reassembly_messages) = mpsc::unbounded_channel();
        let (fragments, fragments_out) = mpsc::channel(PACKETS);
        let (liveness, liveness_inbox) = crossbeam_channel::unbounded();
        let (pair, pair_inbox) = PairHandle::new();
        let (engine, engine_inbox) = crossbeam_channel::unbounded();
        let (events, event_inbox) = Events::new();
        let bus = Self {
            nd,
            nd_packets,
            ra,
            ra_packets,
            mld,
            mld_packets,
            dhcp6,
            dhcp6_packets,
            dhcp4,
            dhcp4_packets,
            hears_arp: Arc::default(),
            hears_leases: Arc::default(),
            relays,
            dhcp6_client,
            dhcp6_client_packets,
            reassembly,
            fragments,
            liveness,
            pair,
            engine,
            events,
            lost: Arc::default(),
        };
        let inboxes = Inboxes {
            nd: Inbox {
                messages: nd_messages,
                packets: nd_packets_out,
            },
            ra: Inbox {
                messages: ra_messages,
                packets: ra_packets_out,
            },
            mld: Inbox {
                messages: mld_messages,
                packets: mld_packets_out,
            },
            dhcp6: Inbox {
                messages: dhcp6_messages,
                packets: dhcp6_packets_out,
            },
            dhcp4: Inbox {
                messages: dhcp4_messages,
                packets: dhcp4_packets_out,
            },
            relays: relay_inboxes,
            dhcp6_client: Inbox {
                messages: dhcp6_client_messages,
                packets: dhcp6_client_packets_out,
            },
            reassembly: Inbox {
                messages: reassembly_messages,
                packets: fragments_out,
            },
            liveness: liveness_inbox,
            pair: pair_inbox,
            engine: engine_inbox,
            events: event_inbox,
        };
        (bus, inboxes)
    }

    /// Tells the ND room. A room that has ended does not listen: the process is stopping.
    pub fn nd(&self, event: nd::Event<'static>) {
        let _ = self.nd.send(NdMessage::Event(event));
    }

    /// Tells the RA room.
    pub fn ra(&self, event: ra::Event<'static>) {
        let _ = self.ra.send(RaMessage::Event(event));
    }

    /// Tells the MLD room.
    pub fn mld(&self, event: mld::Event<'static>) {
        let _ = self.mld.send(MldMessage::Event(event));
    }

    /// Tells the same room, of IPv4.
    pub fn igmp(&self, event: igmp::Event<'static>) {
        let _ = self.mld.send(MldMessage::Igmp(event));
    }

    /// Tells the DHCPv6 server's room.
    pub fn dhcp6(&self, message: Dhcp6Message) {
        let _ = self.dhcp6.send(message);
    }

    /// Tells the DHCPv4 server's room.
    pub fn dhcp4(&self, message: Dhcp4Message) {
        let _ = self.dhcp4.send(message);
    }

    /// Tells the DHCPv6 client's room.
    pub fn dhcp6_client(&self, event: dhcp6_client::Event<'static>) {
        let _ = self.dhcp6_client.send(Dhcp6ClientMessage::Event(event));
    }

    /// Tells the liveness thread.
    pub fn liveness(&self, message: LivenessMessage) {
        let _ = self.liveness.send(message);
    }

    /// Tells the liveness thread of VRRP.
    pub fn vrrp(&self, event: vrrp::Event<'static>) {
        self.liveness(LivenessMessage::Vrrp(event));
    }

    /// The way to the room of the pair.
    pub const fn pair(&self) -> &PairHandle {
        &self.pair
    }

    /// Where changes of state are told, and listened to.
    pub const fn events(&self) -> &Events {
        &self.events
    }

    /// Tells the liveness thread of BFD.
    pub fn bfd(&self, event: bfd::Event<'static>) {
        self.liveness(LivenessMessage::Bfd(event));
    }

    /// Tells the engine.
    pub fn engine(&self, message: EngineMessage) {
        let _ = self.engine.send(message);
    }

    /// Offers a packet to the ND room; one that does not fit is lost and counted.
    pub fn offer_nd(&self, packet: Packet) {
        self.offer(&self.nd_packets, packet);
    }

    /// Offers a packet to the RA room.
    pub fn offer_ra(&self, packet: Packet) {
        self.offer(&self.ra_packets, packet);
    }

    /// Offers a packet to the MLD room.
    pub fn offer_mld(&self, packet: Packet) {
        self.offer(&self.mld_packets, packet);
    }

    /// Offers a DHCPv6 message to its room: the relay's where one is, otherwise the server's.
    pub fn offer_dhcp6(&self, packet: Packet) {
        if let Some(packet) = self.offer_relay6(packet) {
            self.offer(&self.dhcp6_packets, packet);
        }
    }

    /// Offers a DHCPv4 message to its room: the relay's where one is, otherwise the server's.
    pub fn offer_dhcp4(&self, packet: Packet) {
        if packet.arp {
            self.offer(&self.dhcp4_packets, packet);
        } else if let Some(packet) = self.offer_relay4(packet) {
            self.offer(&self.dhcp4_packets, packet);
        }
    }

    /// Whether the DHCPv4 server waits for answers by ARP: its room hears them then.
    pub fn hears_arp(&self) -> bool {
        self.hears_arp.load(Ordering::Relaxed)
    }

    /// Says whether it does.
    pub fn hear_arp(&self, hears: bool) {
        self.hears_arp.store(hears, Ordering::Relaxed);
    }

    /// Has the rooms of DHCP servers tell the engine of leases from now on, and of those there are; or of none.
    pub fn hear_leases(&self, hears: bool) {
        self.hears_leases.store(hears, Ordering::Relaxed);
        if hears {
            self.dhcp6(Dhcp6Message::TellLeases);
            self.dhcp4(Dhcp4Message::TellLeases);
        }
    }

    /// Tells the engine of leases, if it wants to hear of them.
    pub fn leases(&self, leases: impl Iterator<Item = Leasing>) {
        if self.hears_leases.load(Ordering::Relaxed) {
            let leases: Vec<Leasing> = leases.collect();
            if !leases.is_empty() {
                self.engine(EngineMessage::Leases(leases));
            }
        }
    }

    /// Offers a DHCPv6 message to the client's room.
    pub fn offer_dhcp6_client(&self, packet: Packet) {
        self.offer(&self.dhcp6_client_packets, packet);
    }

    /// Offers a fragment to the reassembly room.
    pub fn offer_fragment(&self, packet: Packet) {
        self.offer(&self.fragments, packet);
    }

    /// Packets that a room had no room for.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// What the ND room knows; empty when it does not answer.
    pub async fn nd_snapshot(&self) -> NdSnapshot {
        let (reply, answer) = oneshot::channel();
        let _ = self.nd.send(NdMessage::Snapshot(reply));
        answer.await.unwrap_or_default()
    }

    /// What the RA room knows.
    pub async fn ra_snapshot(&self) -> RaSnapshot {
        let (reply, answer) = oneshot::channel();
        let _ = self.ra.send(RaMessage::Snapshot(reply));
        answer.await.unwrap_or_default()
    }

    /// Returns when the RA room has handled all it has been told so far. For threads that are not Tokio's.
    pub fn ra_settled(&self) {
        let (reply, answer) = oneshot::channel();
        let _ = self.ra.send(RaMessage::Snapshot(reply));
        let _ = answer.blocking_recv();
    }

    /// Asks the DHCPv6 server's room; `None` when it does not answer.
    pub async fn ask_dhcp6<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dhcp6::Machine) -> T + Send + 'static,
    ) -> Option<T> {
        let (question, answer) = Question::new(question);
        self.dhcp6(Dhcp6Message::Ask(question));
        answer.await.ok()
    }

    /// Asks the DHCPv6 client's room; `None` when it does not answer.
    pub async fn ask_dhcp6_client<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dhcp6_client::Machine) -> T + Send + 'static,
    ) -> Option<T> {
        let (question, answer) = ClientQuestion::new(question);
        let _ = self.dhcp6_client.send(Dhcp6ClientMessage::Ask(question));
        answer.await.ok()
    }

    /// Returns when the DHCPv6 client's room has handled all it has been told so far. For threads that are not Tokio's.
    pub fn dhcp6_client_settled(&self) {
        let (question, answer) = ClientQuestion::new(|_| ());
        let _ = self.dhcp6_client.send(Dhcp6ClientMessage::Ask(question));
        let _ = answer.blocking_recv();
    }

    /// Gives the DHCPv6 server an order; `None` when it does not answer.
    pub async fn order_dhcp6(
        &self,
        event: dhcp6::Event<'static>,
    ) -> Option<Result<(), OrderError>> {
        let (reply, answer) = oneshot::channel();
        self.dhcp6(Dhcp6Message::Order(Box::new((event, reply))));
        answer.await.ok()
    }

    /// Asks the DHCPv4 server's room; `None` when it does not answer.
    pub async fn ask_dhcp4<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dhcp4::Machine) -> T + Send + 'static,
    ) -> Option<T> {
        let (question, answer) = Question::new(question);
        self.dhcp4(Dhcp4Message::Ask(question));
        answer.await.ok()
    }

    /// Gives the DHCPv4 server an order; `None` when it does not answer.
    pub async fn order_dhcp4(
        &self,
        event: dhcp4::Event<'static>,
    ) -> Option<Result<(), OrderError>> {
        let (reply, answer) = oneshot::channel();
        self.dhcp4(Dhcp4Message::Order(Box::new((event, reply))));
        answer.await.ok()
    }

    /// What the reassembly room counted.
    pub async fn reassembly_counters(&self) -> reassembly::Counters {
        let (reply, answer) = oneshot::channel();
        let _ = self.reassembly.send(ReassemblyMessage::Snapshot(reply));
        answer.await.unwrap_or_default()
    }

    /// Returns when the liveness thread has handled all it has been told so far. For threads that are not Tokio's.
    pub fn liveness_settled(&self) {
        let (reply, answer) = oneshot::channel();
        self.liveness(LivenessMessage::Settled(reply));
        let _ = answer.blocking_recv();
    }

    /// Leaves all virtual routers to others; returns when they have been told.
    pub async fn leave_virtual_routers(&self) {
        let (reply, answer) = oneshot::channel();
        self.vrrp(vrrp::Event::Shutdown);
        self.bfd(bfd::Event::Shutdown);
        self.liveness(LivenessMessage::Settled(reply));
        let _ = answer.await;
    }

    /// What the liveness thread knows of BFD sessions.
    pub async fn bfd_snapshot(&self) -> BfdSnapshot {
        let (reply, answer) = oneshot::channel();
        self.liveness(LivenessMessage::BfdSnapshot(reply));
        answer.await.unwrap_or_default()
    }

    /// What the liveness thread knows of virtual routers.
    pub async fn vrrp_snapshot(&self) -> VrrpSnapshot {
        let (reply, answer) = oneshot::channel();
        self.liveness(LivenessMessage::Snapshot(reply));
        answer.await.unwrap_or_default()
    }

    /// Has the RA room say goodbye; returns when it has.
    pub async fn ra_shutdown(&self) {
        let (reply, answer) = oneshot::channel();
        let _ = self.ra.send(RaMessage::Shutdown(reply));
        let _ = answer.await;
    }

    fn offer(&self, to: &mpsc::Sender<Packet>, packet: Packet) {
        if to.try_send(packet).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An address as the dataplane writes it: IPv4 as an IPv4-mapped address.
pub fn unmapped(address: [u8; 16]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(address)).to_canonical()
}
