//! The engine: *what is the router now?* Owner of the intent, of the tables and of the devices.
//!
//! ```text
//!   config, API ──► Engine ──► compile (pure) ──► publish ──► tables ──► workers
//!   nd, links ────►   │
//!                     └──► nd, ra, mld, dhcp6, dhcp4, relays, dhcp6_client (configuration)
//! ```
//!
//! One thread, one inbox: changes happen one after the other, so that a question of the API sees the router whole.
//! What is configured and what uplinks are delegated make the model together (`delegation`): it is applied by difference,
//! whichever of them has changed. It blocks where it must (the store's disk, a device that opens); packets do not wait for it.
//!
//! Invariants: nothing is acknowledged before it is stored; a change that is refused has changed nothing; an own address
//! is used only while duplicate detection says `Valid`.

mod addresses;
mod bfd;
mod configure;
mod delegation;
mod devices;
mod dhcp4;
mod dhcp6;
mod dhcp6_client;
mod guards;
mod network_views;
mod networks;
mod pair;
mod relay;
mod routes;
mod security;
mod security_views;
mod views;
mod vrrp;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use dataplane::Dataplane;
use dataplane::counters::WorkerCounters;
use dataplane::denied::DeniedConsumer;
use dataplane::forwarding::Forwarding;
use tables::flow::FlowTable;
use tables::id::{IfaceId, PortId, VrfId};
use tables::publish::Published;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use crate::bus::{Bus, EngineMessage};
use crate::compile::routes::{Change, Rib};
use crate::injector::Injector;
use crate::model::{Indexed, Interface, Model};
use crate::publish::Publisher;
use crate::rooms::binding::Bindings;
use crate::rooms::dhcp6::Sources;
use crate::rooms::fdb::Stations;
use crate::rooms::savi::Guards;
use crate::store::Store;
use protocols::nd::AddressState;
use protocols::{igmp, mld, nd, path_mtu, ra};

pub use configure::ReloadOutcome;
pub use views::{InterfaceView, api_mac};

/// How often retired table memory is taken back.
const RECLAIM: Duration = Duration::from_millis(20);
/// How long a busy inbox keeps workers from hearing what has changed of addresses.
const PUBLISH: Duration = Duration::from_millis(20);
/// How often the links are looked at.
const LINKS: Duration = Duration::from_millis(200);
/// The same where a virtual router may have to be left to another.
const QUICK_LINKS: Duration = Duration::from_millis(10);
/// How often neighbours are told that they are in use.
const SAMPLE: Duration = Duration::from_secs(1);

/// A question or an order, answered by what it captured.
pub struct Request(Box<dyn FnOnce(&mut Engine) + Send>);

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Request")
    }
}

/// Sends questions to the engine; cheap to clone.
#[derive(Clone, Debug)]
pub struct EngineHandle(Bus);

impl EngineHandle {
    /// A handle to the engine behind this bus.
    pub fn new(bus: Bus) -> Self {
        Self(bus)
    }

    /// Runs `question` on the engine's thread; `None` when the engine has stopped.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let request = Request(Box::new(move |engine| {
            let _ = reply.send(question(engine));
        }));
        self.0.engine(EngineMessage::Request(request));
        answer.await.ok()
    }
}

/// See the module.
pub struct Engine {
    bus: Bus,
    injector: Arc<Injector>,
    dataplane: Dataplane,
    counters: Vec<Arc<WorkerCounters>>,
    forwarding: Arc<Published<Forwarding>>,
    places: Option<devices::Places>,
    publisher: Publisher,
    stations: Stations,
    bindings: Bindings,
    paths: path_mtu::Machine,
    security: security::State,
    guards: Guards,
    store: Arc<Store>,
    /// What tells this node from others; MAC addresses are made of it.
    node: Vec<u8>,
    config: PathBuf,
    /// What is configured.
    intent: Arc<Indexed>,
    /// What is configured, with what is delegated to the router.
    model: Arc<Indexed>,
    delegation: delegation::Delegation,
    warnings: Vec<String>,
    ribs: HashMap<VrfId, Rib>,
    addresses: HashMap<(IfaceId, IpAddr), AddressState>,
    links: HashMap<PortId, bool>,
    /// Interfaces on networks and tunnels that were told to be up.
    carried: HashSet<IfaceId>,
    virtual_routers: vrrp::VirtualRouters,
    sessions: bfd::Sessions,
    /// Stations of networks are behind: virtual routers have changed.
    stations_stale: bool,
    /// What the other router of a pair was told, and has told.
    peer: pair::Peer,
    /// Since when the workers' snapshot is behind.
    stale: Option<Instant>,
    reloads: Reloads,
    observer: devices::Observer,
    /// What the DHCPv6 server was last told.
    sources: Sources,
    /// Link-local addresses of uplinks that the DHCPv6 client was told are up.
    uplinks: BTreeMap<IfaceId, Ipv6Addr>,
}

/// Reloads since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reloads {
    /// Applied.
    pub applied: u64,
    /// Refused.
    pub refused: u64,
}

/// What the engine starts from.
pub struct Parts {
    /// The bus.
    pub bus: Bus,
    /// The way to the workers.
    pub injector: Arc<Injector>,
    /// The running dataplane.
    pub dataplane: Dataplane,
    /// Its counters, by worker.
    pub counters: Vec<Arc<WorkerCounters>>,
    /// Where its snapshot of ports and interfaces is published.
    pub forwarding: Arc<Published<Forwarding>>,
    /// The tables.
    pub publisher: Publisher,
    /// Where stations are.
    pub stations: Stations,
    /// Who has which address.
    pub bindings: Bindings,
    /// Flows of tenants' machines.
    pub flows: Arc<FlowTable>,
    /// Whose addresses are, at ports.
    pub guards: Guards,
    /// What workers tell of packets that ports did not let pass.
    pub denied: Vec<DeniedConsumer>,
    /// What tells this node from others.
    pub node: Vec<u8>,
    /// What survives a crash.
    pub store: Arc<Store>,
    /// The configuration file, for reloads.
    pub config: PathBuf,
    /// Its warnings.
    pub warnings: Vec<String>,
}

impl Engine {
    /// An engine with an empty model; [`Engine::start`] gives it one.
    pub fn new(parts: Parts, model: &Model) -> Self {
        let Parts {
            bus,
            injector,
            dataplane,
            counters,
            forwarding,
            publisher,
            stations,
            bindings,
            flows,
            denied,
            guards,
            node,
            store,
            config,
            warnings,
        } = parts;
        let empty = Model {
            vteps: Vec::new(),
            networks: Vec::new(),
            routers: Vec::new(),
            ports: Vec::new(),
            ..model.clone()
        };
        let empty = Arc::new(Indexed::from(empty));
        Self {
            bus,
            injector,
            dataplane,
            counters,
            forwarding,
            places: None,
            publisher,
            stations,
            bindings,
            paths: path_mtu::Machine::default(),
            security: security::State::new(flows, denied),
            guards,
            store,
            node,
            config,
            intent: Arc::clone(&empty),
            model: empty,
            delegation: delegation::Delegation::default(),
            warnings,
            ribs: HashMap::new(),
            addresses: HashMap::new(),
            links: HashMap::new(),
            carried: HashSet::new(),
            virtual_routers: vrrp::VirtualRouters::default(),
            sessions: bfd::Sessions::default(),
            stations_stale: false,
            peer: pair::Peer::default(),
            stale: None,
            reloads: Reloads::default(),
            observer: devices::Observer::default(),
            sources: Sources::default(),
            uplinks: BTreeMap::new(),
        }
    }

    /// Handles messages until it is told to stop.
    pub fn run(mut self, inbox: &Receiver<EngineMessage>) -> Dataplane {
        let mut reclaimed = Instant::now();
        let mut looked = reclaimed;
        let mut sampled = reclaimed;
        loop {
            let (rest, links) = match self.has_virtual_routers() {
                true => (QUICK_LINKS, QUICK_LINKS),
                false => (RECLAIM, LINKS),
            };
            let patience = self.stale.map_or(rest, |_| Duration::ZERO);
            let idle = match inbox.recv_timeout(patience) {
                Ok(EngineMessage::Shutdown) | Err(RecvTimeoutError::Disconnected) => {
                    return self.dataplane;
                }
                Ok(message) => {
                    self.handle(message);
                    false
                }
                Err(RecvTimeoutError::Timeout) => true,
            };
            let now = Instant::now();
            if let Some(since) = self.stale
                && (idle || PUBLISH <= now - since)
            {
                if std::mem::take(&mut self.stations_stale) {
                    self.follow_networks();
                }
                self.publish_forwarding();
            }
            if RECLAIM <= now - reclaimed {
                self.publisher.reclaim();
                self.hear_stations();
                self.hear_denials();
                self.tick_guards();
                reclaimed = now;
            }
            if links <= now - looked {
                self.look_at_links();
                looked = now;
            }
            if SAMPLE <= now - sampled {
                self.sample_use();
                self.delegations_due();
                self.age_paths();
                self.tell_peer();
                sampled = now;
            }
        }
    }

    fn handle(&mut self, message: EngineMessage) {
        match message {
            // What the ND room said before it heard that the interface is gone.
            EngineMessage::NeighborUp { iface, .. } if self.model.interface(iface).is_none() => {}
            EngineMessage::NeighborUp { iface, addr, mac } => {
                self.tell_neighbor(iface, addr, Some(mac));
                self.tell_bfd_neighbor(iface, addr, Some(mac));
                let done = self.publisher.neighbor_up(iface, addr, mac);
                self.told("neighbour", done);
            }
            EngineMessage::NeighborDown { iface, addr } => {
                self.tell_neighbor(iface, addr, None);
                self.tell_bfd_neighbor(iface, addr, None);
                let done = self.publisher.neighbor_down(iface, addr);
                self.told("neighbour", done);
            }
            EngineMessage::Release { iface, addr } => self.injector.release(iface, addr),
            EngineMessage::Fail { iface, addr } => self.injector.fail(iface, addr),
            EngineMessage::AddressState { iface, addr, state } => {
                self.address_state(iface, addr, state)
            }
            EngineMessage::LinkState { port, up } => self.link_state(port, up),
            EngineMessage::NdRestarted => self.configure_nd(),
            EngineMessage::RaRestarted => self.configure_ra(),
            EngineMessage::MldRestarted => self.configure_mld(),
            EngineMessage::Dhcp6Restarted => {
                self.configure_dhcp6();
                self.tell_servers_all();
            }
            EngineMessage::Dhcp4Restarted => {
                self.configure_dhcp4();
                self.tell_servers_all();
            }
            EngineMessage::Relay6Restarted => {
                self.configure_relay6();
                self.tell_servers_all();
            }
            EngineMessage::Relay4Restarted => {
                self.configure_relay4();
                self.tell_servers_all();
            }
            EngineMessage::Dhcp6ClientRestarted => self.configure_dhcp6_client(),
            EngineMessage::LivenessRestarted => self.configure_liveness(),
            EngineMessage::VirtualRouter { id, state } => self.virtual_router(id, state),
            EngineMessage::DelegatedUp {
                vrf,
                prefix,
                interface,
                gateway,
            } => self.delegated_up(vrf, prefix, &interface, gateway),
            EngineMessage::DelegatedDown { vrf, prefix } => self.delegated_down(vrf, prefix),
            EngineMessage::Pair(message) => self.keep(message),
            EngineMessage::Leases(leases) => self.hear_leases(&leases),
            EngineMessage::TooBig { vrf, told } => self.path_too_big(vrf, &told),
            EngineMessage::BfdPath { session, path } => self.session_path(session, path),
            EngineMessage::Held(held) => self.held(&held),
            EngineMessage::Request(Request(question)) => question(self),
            EngineMessage::Shutdown => unreachable!("handled by the loop"),
        }
    }

    /// Duplicate detection has spoken: the address is used from now on, or not any more.
    fn address_state(&mut self, iface: IfaceId, addr: IpAddr, state: AddressState) {
        // The ND room may not have heard yet that the address, or the interface, is gone.
        let ours = self.model.interface(iface).is_some_and(|interface| {
            let own = addresses::own_addresses(interface, self.mac(interface));
            own.iter().any(|own| own.addr == addr)
        });
        if !ours {
            return;
        }
        if self.addresses.insert((iface, addr), state) == Some(state) {
            return;
        }
        if let IpAddr::V6(v6) = addr
            && v6.is_unicast_link_local()
        {
            let addr = (state == AddressState::Valid).then_some(v6);
            self.tell_advertiser(iface);
            self.bus.mld(mld::Event::LinkLocal { iface, addr });
        }
        self.tell_vrrp_source(iface);
        if self.has_virtual_routers() {
            self.follow_tracks();
        }
        self.follow_sessions(iface);
        self.tell_duplicate(iface, addr, state);
        self.refresh_link(iface);
        // A router with thousands of interfaces hears of thousands of addresses at once.
        self.stale.get_or_insert_with(Instant::now);
    }

    fn link_state(&mut self, port: PortId, up: bool) {
        if self.links.insert(port, up) == Some(up) {
            return;
        }
        let device = self
            .model
            .device(port)
            .map(|d| d.name.clone())
            .unwrap_or_default();
        self.bus.events().tell(api::Happening::Link {
            device: device.clone(),
            up,
        });
        if up {
            info!(%device, "link is up");
        } else {
            warn!(%device, "link is down");
        }
        if !up {
            self.forget_stations(port);
        }
        let on_port: Vec<Interface> = self
            .model
            .interfaces()
            .filter(|(_, i)| i.carrier.device() == Some(port))
            .map(|(_, i)| i.clone())
            .collect();
        for interface in &on_port {
            self.tell_link(interface, up);
            self.refresh_link(interface.id);
        }
        self.publish_forwarding();
        self.look_at_carriers();
        self.follow_tracks();
    }

    fn tell_link(&self, interface: &Interface, up: bool) {
        let iface = interface.id;
        if interface.carrier.is_tunnel() {
            return;
        }
        self.bus.vrrp(protocols::vrrp::Event::Link { iface, up });
        if !interface.bfd.is_empty() {
            self.bus.bfd(match up {
                true => protocols::bfd::Event::LinkUp { iface },
                false => protocols::bfd::Event::LinkDown { iface },
            });
        }
        if up {
            // First the groups: duplicate detection listens to them (RFC 4862 section 5.4.2).
            self.bus.mld(mld::Event::LinkUp { iface });
            self.bus.igmp(igmp::Event::LinkUp { iface });
            self.bus.nd(nd::Event::LinkUp { iface });
            self.bus.ra(ra::Event::LinkUp { iface });
        } else {
            self.bus.mld(mld::Event::LinkDown { iface });
            self.bus.igmp(igmp::Event::LinkDown { iface });
            self.bus.nd(nd::Event::LinkDown { iface });
            self.bus.ra(ra::Event::LinkDown { iface });
        }
    }

    /// Neighbours whose next hop carried packets since the last look are asked whether they are still there.
    fn sample_use(&mut self) {
        let counters = &self.counters;
        let packets = |id| {
            counters
                .iter()
                .map(|worker| worker.next_hop(id).packets.get())
                .sum()
        };
        for (iface, addr) in self.publisher.sample_use(packets) {
            self.bus.nd(nd::Event::InUse { iface, addr });
        }
    }

    /// Writes the changes of a routing table.
    fn publish_routes(&mut self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        self.publisher.begin();
        for change in changes {
            let done = self
                .publisher
                .route(change.vrf, change.prefix, change.resolution.as_ref());
            self.told("route", done);
        }
        let done = self.publisher.commit();
        self.told("routes", done);
        if self.has_virtual_routers() {
            self.follow_tracks();
        }
    }

    /// A table that refuses is full: the operator must know, and the router goes on with what it has.
    fn told(&self, what: &'static str, done: Result<(), crate::publish::PublishError>) {
        if let Err(error) = done {
            error!(what, error = %anyhow::Error::from(error).root_cause(), "the dataplane's tables refused a change");
        }
    }
}
