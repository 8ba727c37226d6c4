//! The liveness thread: runs the machines that say who is alive, and hears who else is.
//!
//! ```text
//!   workers ── urgent punt rings ──► this thread ──► urgent inject rings ──► workers
//!   engine ──── LivenessMessage ───►    │
//!                                       ├──► VirtualMacs: workers forward for a virtual router, or not, at once
//!                                       ├──► EngineMessage::VirtualRouter: addresses, advertisements, servers
//!                                       └──► EngineMessage::BfdPath: routes, tracks
//! ```
//!
//! A thread of its own, of real-time priority where the system allows it, because an advertisement that is late by 30 ms
//! hands a router's work to another: neither the Tokio rooms nor the engine can delay it. What came is read before timers
//! are looked at. It polls, as workers do not wake anybody: at a fraction of the shortest interval, and hardly at all while
//! there is nothing to run.

use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use api::{Happening, VrrpState};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use dataplane::forwarding::VirtualMacs;
use dataplane::punt::{PuntClass, PuntConsumer};
use protocols::vrrp::{Action, Counters, Event, Family, GroupId, Machine, Snapshot, State, Why};
use tables::id::IfaceId;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::sync::oneshot;
use tracing::{error, info, warn};
use wire::MacAddr;

use super::nd::seed;
use crate::bus::{Bus, EngineMessage};
use crate::injector::{Frame, Injector};

mod bfd;

pub use bfd::BfdSnapshot;

/// Of SCHED_FIFO: above what runs there by default, below the kernel's own threads.
const PRIORITY: u8 = 10;
/// How long the thread sleeps at most while it has something to run, and at least.
const PAUSE: [Duration; 2] = [Duration::from_micros(200), Duration::from_millis(5)];
/// Times in the shortest interval that it looks.
const LOOKS: u32 = 20;
/// How long it sleeps when it has nothing to run.
const IDLE: Duration = Duration::from_millis(50);

/// To the thread.
#[derive(Debug)]
pub enum LivenessMessage {
    /// An event of VRRP without packet bytes.
    Vrrp(Event<'static>),
    /// Where it is said which virtual MAC addresses of an interface are ours.
    Macs {
        /// The interface.
        iface: IfaceId,
        /// The place.
        macs: Arc<VirtualMacs>,
    },
    /// An event of BFD without packet bytes.
    Bfd(protocols::bfd::Event<'static>),
    /// Where a BFD peer is on its link.
    Neighbor {
        /// The interface.
        iface: IfaceId,
        /// The peer.
        addr: IpAddr,
        /// Its MAC; `None`: it is not known any more.
        mac: Option<MacAddr>,
    },
    /// What is known, for the API.
    Snapshot(oneshot::Sender<VrrpSnapshot>),
    /// The same of BFD.
    BfdSnapshot(oneshot::Sender<BfdSnapshot>),
    /// Answered when everything that was said before is done.
    Settled(oneshot::Sender<()>),
}

/// The answer to [`LivenessMessage::Snapshot`].
#[derive(Debug, Default)]
pub struct VrrpSnapshot {
    /// Virtual routers.
    pub groups: Vec<Snapshot>,
    /// What came to each interface for none of them.
    pub strays: Vec<(IfaceId, Counters)>,
}

/// What the thread works with.
pub struct Liveness {
    /// Rings of urgent punts, by worker.
    pub punts: Vec<PuntConsumer>,
    /// From the engine and the API.
    pub inbox: Receiver<LivenessMessage>,
    /// To the engine.
    pub bus: Bus,
    /// To the workers.
    pub injector: Arc<Injector>,
    /// Set to end the thread.
    pub stop: Arc<AtomicBool>,
}

impl Liveness {
    /// Runs until told to stop. A machine that panics is made anew, and configured anew by the engine.
    pub fn run(mut self) {
        // Without it short sleeps are some times as long.
        let _ = nix::sys::prctl::set_timerslack(1);
        let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
        let priority = ThreadPriority::Crossplatform(PRIORITY.try_into().unwrap_or_default());
        let raised = set_thread_priority_and_policy(thread_native_id(), priority, policy);
        let mut told = raised.is_ok();
        loop {
            let ended = catch_unwind(AssertUnwindSafe(|| Room::new(&mut self, &mut told).run()));
            if ended.is_ok() {
                return;
            }
            error!(room = "liveness", "room failed and is started again");
            self.bus.engine(EngineMessage::LivenessRestarted);
        }
    }
}

/// One life of the machine.
struct Room<'a> {
    of: &'a mut Liveness,
    /// Whether it has real-time priority, or it was said that it has not.
    told: &'a mut bool,
    vrrp: Machine,
    bfd: bfd::Sessions,
    macs: HashMap<IfaceId, Arc<VirtualMacs>>,
    /// States of virtual routers, as they were told last.
    states: HashMap<GroupId, State>,
    actions: Vec<Action>,
}

impl<'a> Room<'a> {
    fn new(of: &'a mut Liveness, told: &'a mut bool) -> Self {
        Self {
            of,
            told,
            vrrp: Machine::default(),
            bfd: bfd::Sessions::new(seed()),
            macs: HashMap::new(),
            states: HashMap::new(),
            actions: Vec::new(),
        }
    }

    fn run(&mut self) {
        while !self.of.stop.load(Ordering::Relaxed) {
            self.read_punts();
            let now = Instant::now();
            if self.vrrp.next_deadline().is_some_and(|due| due <= now) {
                self.handle(Event::Timer);
            }
            if self.bfd.next_deadline().is_some_and(|due| due <= now) {
                self.handle_bfd(protocols::bfd::Event::Timer);
            }
            match self.of.inbox.recv_timeout(self.pause()) {
                Ok(message) => self.message(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// How long nothing is looked at.
    fn pause(&self) -> Duration {
        let shortest = [self.vrrp.shortest_interval(), self.bfd.shortest_interval()];
        let Some(shortest) = shortest.into_iter().flatten().min() else {
            return IDLE;
        };
        let pause = (shortest / LOOKS).clamp(PAUSE[0], PAUSE[1]);
        let due = [self.vrrp.next_deadline(), self.bfd.next_deadline()];
        due.into_iter().flatten().min().map_or(pause, |due| {
            pause.min(due.saturating_duration_since(Instant::now()))
        })
    }

    fn read_punts(&mut self) {
        for worker in 0..self.of.punts.len() {
            // Bounded by the ring, which is emptied faster than a policer lets it be filled.
            while let Some((class, iface, packet)) = self.punt(worker) {
                let packet = &packet;
                if class == PuntClass::Vrrp {
                    self.handle(Event::Packet { iface, packet });
                } else {
                    let (bus, injector) = (&self.of.bus, &self.of.injector);
                    self.bfd.packet(bus, injector, iface, packet);
                }
            }
        }
    }

    /// The oldest urgent packet of a worker, its slot given back.
    fn punt(&mut self, worker: usize) -> Option<(PuntClass, IfaceId, Vec<u8>)> {
        let punt = self.of.punts[worker].pop()?;
        Some((punt.meta.class, punt.meta.iface, punt.l3().to_vec()))
    }

    fn message(&mut self, message: LivenessMessage) {
        match message {
            LivenessMessage::Vrrp(event) => {
                if matches!(event, Event::Configure { .. }) {
                    self.tell_priority();
                }
                self.handle(event);
            }
            LivenessMessage::Bfd(event) => {
                if matches!(event, protocols::bfd::Event::Configure { .. }) {
                    self.tell_priority();
                }
                self.handle_bfd(event);
            }
            LivenessMessage::Neighbor { iface, addr, mac } => self.bfd.neighbor(iface, addr, mac),
            LivenessMessage::BfdSnapshot(reply) => {
                let _ = reply.send(self.bfd.snapshot());
            }
            LivenessMessage::Macs { iface, macs } => {
                self.macs.insert(iface, macs);
            }
            LivenessMessage::Snapshot(reply) => {
                let strays = self.vrrp.strays();
                let _ = reply.send(VrrpSnapshot {
                    groups: self.vrrp.snapshot(),
                    strays: strays.map(|(iface, c)| (iface, c.clone())).collect(),
                });
            }
            LivenessMessage::Settled(reply) => {
                let _ = reply.send(());
            }
        }
    }

    /// Says once that it has no real-time priority, if it has none.
    fn tell_priority(&mut self) {
        if !std::mem::replace(self.told, true) {
            warn!(
                "the liveness thread has no real-time priority (CAP_SYS_NICE): a busy machine may delay advertisements"
            );
        }
    }

    fn handle_bfd(&mut self, event: protocols::bfd::Event<'_>) {
        self.bfd.handle(&self.of.bus, &self.of.injector, event);
    }

    fn handle(&mut self, event: Event<'_>) {
        let mut actions = std::mem::take(&mut self.actions);
        self.vrrp.on_event(Instant::now(), event, &mut actions);
        for action in actions.drain(..) {
            self.carry_out(action);
        }
        self.actions = actions;
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Become { id, state, why } => self.become_(id, state, why),
            Action::Send {
                iface,
                source_mac,
                dst_mac,
                ether_type,
                packet,
            } => self.of.injector.send_urgently(&Frame {
                iface,
                src_mac: Some(source_mac),
                dst_mac,
                ether_type,
                packet: &packet,
            }),
            Action::Route { iface, packet } => self.of.injector.route_urgently(iface, packet),
        }
    }

    /// First the workers, then everybody else.
    fn become_(&mut self, id: GroupId, state: State, why: Why) {
        let mac = protocols::vrrp::virtual_mac(id.family, id.vrid);
        let active = state == State::Active;
        if let Some(macs) = self.macs.get(&id.iface) {
            let has_it = self.vrrp.mac(id) == Some(mac);
            // While the process stops, what still comes to us is forwarded: the link sends it to the other once that has spoken.
            if why != Why::Stopped {
                macs.set(&mac.octets(), active && has_it);
            }
        }
        let message = EngineMessage::VirtualRouter { id, state };
        self.of.bus.engine(message);
        let interface = self.of.injector.name(id.iface);
        let family = match id.family {
            Family::V6 => "ipv6",
            Family::V4 => "ipv4",
        };
        let was = match why {
            Why::Removed => self.states.remove(&id),
            _ => self.states.insert(id, state),
        };
        let from = was.unwrap_or(State::Initialize);
        if from != state {
            self.of.bus.events().tell(Happening::VirtualRouter {
                interface: interface.clone(),
                vrid: id.vrid,
                ip_version: if id.family == Family::V6 { 6 } else { 4 },
                from: shown(from),
                to: shown(state),
                why: why.to_string(),
            });
        }
        let (vrid, state) = (id.vrid, state.label());
        match why {
            Why::Silence => warn!(%interface, family, vrid, state, "virtual router: {why}"),
            _ => info!(%interface, family, vrid, state, "virtual router: {why}"),
        }
    }
}

/// A state in the API's words.
const fn shown(state: State) -> VrrpState {
    match state {
        State::Initialize => VrrpState::Initialize,
        State::Backup => VrrpState::Backup,
        State::Active => VrrpState::Active,
    }
}
