//! The loop of one worker: one pinned thread that never locks, allocates, logs or makes a system call while there is
//! work.
//!
//! ```text
//!   round:  every receive queue ─► frame ─► lane, graph
//!           inject ring · hold timers · hand-offs · backlog ─► graph
//!           flush output ports · free buffers · quiescent
//! ```
//!
//! Adaptive idle: after many rounds without work the worker says that it reads no table (so that writers need not
//! wait for it) and sleeps for 20 µs, then longer, up to 200 µs.
//!
//! # Invariant (of the unsafe code)
//!
//! The `run_*` functions are entered only after the processor was found to have their features.
#![allow(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dpdk::{Offloads, RxQueue};
use rtrb::Consumer;
use tables::id::PortId;
#[cfg(target_arch = "x86_64")]
use tables::lpm::{Avx2, Avx512};
use tables::lpm::{Scalar, Simd};
use tables::publish::Reader;

use crate::frame::{BURST, Frame};
use crate::graph::{self, Stage};
use crate::inject::{Inject, InjectConsumer};
use crate::lane::{Lane, enter_all};
use crate::secure;
use crate::stages::tx::Outlet;
use crate::stages::{hold, inject};
use crate::state::{Context, Tables, WorkerState};
use turns::Turns;

pub mod clock;
mod turns;

/// What a worker does when there is nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Idle {
    /// Polls on: the lowest latency, a whole CPU.
    Poll,
    /// Sleeps in short naps while idle.
    #[default]
    Adaptive,
}

/// Rounds without work before an adaptive worker sleeps.
const PATIENCE: u32 = 512;
/// First and longest nap, and how many are taken before the next longer one: an exchange with the control plane comes
/// back while naps are still short.
const NAP: [Duration; 2] = [Duration::from_micros(20), Duration::from_micros(200)];
const NAPS: u32 = 8;
/// Requests taken from each inject ring in one round.
const INJECTS_PER_ROUND: usize = 64;

/// A change of the worker's ports. Nothing in it is allocated.
pub enum Command {
    /// Receive from this queue.
    Receive(PortId, RxQueue),
    /// Send to this port this way, by a device that does so much.
    Connect(PortId, Outlet, Offloads),
    /// Forget the port and give its queues back.
    Disconnect(PortId),
}

/// What a worker shares with whoever started it. In a line of its own, as it looks here every round.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Shared {
    /// Set once to end the loop.
    pub stop: AtomicBool,
    /// Commands carried out.
    pub done: AtomicU64,
}

/// A worker, ready to run on a thread of its own.
pub struct Worker {
    /// What the stages work with.
    pub state: WorkerState,
    /// The tables.
    pub tables: Tables,
    /// Its registration with the tables.
    pub reader: Reader,
    /// Requests of the control plane: those that go before the others first.
    pub injects: [InjectConsumer; 2],
    /// Changes of its ports.
    pub commands: Consumer<Command>,
    /// Stop flag and acknowledgements.
    pub shared: Arc<Shared>,
    /// What to do when idle.
    pub idle: Idle,
    receive: Turns<(PortId, RxQueue)>,
    frame: Box<Frame>,
    lane: Box<Lane>,
    hz: u64,
}

/// Receive queues a worker can poll.
const MAX_QUEUES: usize = 256;
/// One over the seconds that a queue's packets may take more than another's: 50 µs, some bursts.
const SLICES: u64 = 20_000;

impl Worker {
    /// A worker without ports.
    pub fn new(
        state: WorkerState,
        tables: Tables,
        reader: Reader,
        injects: [InjectConsumer; 2],
        commands: Consumer<Command>,
        idle: Idle,
    ) -> Self {
        Self {
            state,
            tables,
            reader,
            injects,
            commands,
            shared: Arc::default(),
            idle,
            receive: Turns::new(MAX_QUEUES, clock::hz() / SLICES),
            frame: Frame::new(),
            lane: Lane::new(),
            hz: clock::hz(),
        }
    }

    /// Runs until told to stop.
    pub fn run(mut self) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("lzcnt") {
            if let Some(simd) = Avx512::detect() {
                // SAFETY: the processor has the features (invariant).
                return unsafe { run_avx512(&mut self, simd) };
            }
            if let Some(simd) = Avx2::detect() {
                // SAFETY: the processor has the features (invariant).
                return unsafe { run_avx2(&mut self, simd) };
            }
        }
        self.poll(Scalar);
    }

    /// The loop itself, compiled once per instruction set.
    #[inline(always)]
    fn poll<S: Simd>(&mut self, simd: S) {
        let mut idle_rounds = 0;
        let mut before = clock::ticks();
        while !self.shared.stop.load(Ordering::Relaxed) {
            let busy = self.round(simd, before) > 0;
            let now = clock::ticks();
            let run = &self.state.counters.run;
            run.polls.add(1);
            run.total_cycles.add(now - before);
            if busy {
                run.busy_cycles.add(now - before);
                idle_rounds = 0;
            } else {
                run.empty_polls.add(1);
                idle_rounds += 1;
                if self.idle == Idle::Adaptive && idle_rounds > PATIENCE {
                    self.nap(idle_rounds - PATIENCE);
                    before = clock::ticks();
                    self.state.counters.run.total_cycles.add(before - now);
                    continue;
                }
            }
            before = now;
        }
        // What was received has been dealt with; what is held, or half made, is freed with its owner.
        self.receive.retain(|_| false);
        self.state.close();
    }

    /// One round; how many packets and requests it dealt with.
    #[inline(always)]
    pub fn round<S: Simd>(&mut self, simd: S, now: u64) -> usize {
        let cx = self.tables.read(&self.reader, now, self.hz);
        let (frame, state) = (&mut *self.frame, &mut self.state);
        state.observer.follow(&cx);
        let mut work = 0;
        let mut round = self.receive.begin(now);
        for turn in self.receive.iter_mut() {
            if !round.may(turn) {
                continue;
            }
            let (port, queue) = &mut turn.of;
            // SAFETY: `rx_burst` initialises as many packets as it says.
            let n = unsafe { frame.receive(|out| queue.rx_burst(out)) };
            if n > 0 {
                process(simd, &cx, frame, Some(&mut self.lane), state, *port);
                work += n;
            }
            round.end(turn, n > 0, clock::ticks);
        }
        self.receive.finish(&round);
        for injects in &mut self.injects {
            work += carry_out(&cx, state, injects);
        }
        hold::expire(&cx, state);
        secure::tick(&cx, state);
        work += state.tx.take_over(&state.counters, &mut state.trash);
        work += drain_backlog(&cx, frame, state);
        state.tx.flush(&state.counters, &mut state.trash);
        state.trash.empty();
        if !self.commands.is_empty() {
            self.obey();
        }
        self.reader.quiescent();
        work
    }

    #[cold]
    fn obey(&mut self) {
        while let Ok(command) = self.commands.pop() {
            match command {
                Command::Receive(port, queue) => {
                    if self.receive.len() < MAX_QUEUES {
                        self.receive.push((port, queue));
                    }
                }
                Command::Connect(port, outlet, offloads) => {
                    self.state.tx.set_offloads(port, offloads);
                    self.state.tx.connect(port, Some(outlet));
                }
                Command::Disconnect(port) => {
                    self.receive.retain(|(from, _)| *from != port);
                    self.state.tx.connect(port, None);
                }
            }
            self.shared.done.fetch_add(1, Ordering::Release);
        }
    }

    #[cold]
    fn nap(&mut self, rounds: u32) {
        self.state.counters.run.sleeps.add(1);
        let offline = self.reader.offline();
        let longer = rounds.div_ceil(NAPS).min(NAP[1].as_micros() as u32);
        std::thread::sleep((NAP[0] * longer).min(NAP[1]));
        offline.online();
    }
}

/// Carries out requests of the control plane; how many.
fn carry_out(cx: &Context<'_>, state: &mut WorkerState, injects: &mut InjectConsumer) -> usize {
    for done in 0..INJECTS_PER_ROUND {
        let Some(request) = injects.pop() else {
            return done;
        };
        match request {
            Inject::Frame { port, bytes } => {
                inject::frame(state, port, &bytes);
                injects.give_back(bytes);
            }
            Inject::Network {
                network,
                iface,
                bytes,
            } => {
                inject::network(state, network, iface, &bytes);
                injects.give_back(bytes);
            }
            Inject::Routed { vrf, bytes } => {
                inject::routed(state, vrf, &bytes);
                injects.give_back(bytes);
            }
            Inject::Release { iface, address } => hold::release(cx, state, iface, address),
            Inject::Fail { iface, address } => hold::fail(cx, state, iface, address),
        }
    }
    INJECTS_PER_ROUND
}

/// Deals with the packets that `port` has just delivered into the frame; without a lane, all in the graph.
#[inline(always)]
pub fn process<S: Simd>(
    simd: S,
    cx: &Context<'_>,
    frame: &mut Frame,
    lane: Option<&mut Lane>,
    w: &mut WorkerState,
    port: PortId,
) {
    w.counters.run.bursts.add(1);
    w.counters.run.packets.add(frame.len() as u64);
    frame.observed = cx.forwarding.port(port).is_some_and(|port| port.observed);
    let (n, bytes) = match lane {
        Some(lane) => lane.run(simd, cx, frame, w, port),
        None => enter_all(cx, frame, port),
    };
    w.counters.port(port).rx.add(n, bytes);
    let enters = [Stage::Admit, Stage::Switch, Stage::Parse];
    if enters.iter().any(|&stage| !frame.waiting(stage).is_empty()) {
        graph::run(cx, frame, w);
    }
}

/// Runs the graph over what waits in the backlog, until nothing does.
pub fn drain_backlog(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) -> usize {
    let mut entered = 0;
    while !w.backlog.is_empty() {
        frame.clear();
        frame.observed = cx.forwarding.is_watched();
        while frame.len() < BURST {
            let Some(entry) = w.backlog.pop() else { break };
            entered += 1;
            if let Err(mbuf) = frame.push(entry.mbuf, entry.meta, entry.stage) {
                unreachable!("a frame with room refused {mbuf:?}");
            }
        }
        graph::run(cx, frame, w);
    }
    entered
}

/// The loop compiled for AVX2.
///
/// # Safety
/// The processor has AVX2, BMI1, BMI2, LZCNT and POPCNT.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn run_avx2(worker: &mut Worker, simd: Avx2) {
    worker.poll(simd);
}

/// The loop compiled for AVX-512 with byte and word instructions on vectors of any length.
///
/// # Safety
/// The processor has AVX-512 F, BW, DQ and VL, and all that [`run_avx2`] needs.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn run_avx512(worker: &mut Worker, simd: Avx512) {
    worker.poll(simd);
}

/// Binds the calling thread to one CPU.
pub(crate) fn pin(cpu: usize) -> std::io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(std::io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: all-zero is an empty set; `cpu` is within it; the call reads the set.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if result == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}
