//! Starts the workers, opens devices, and hands the control plane its ends of everything.
//!
//! # Which worker serves which queue
//!
//! Receive queue *q* of the *p*-th port belongs to worker (*p* + *q*) mod *workers*; so does transmit queue *q*. A
//! worker that has no transmit queue on a port (the device has fewer than there are workers) hands its packets to the
//! worker of queue (*worker* mod *queues*).

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dpdk::{Eal, Link, Mempool, MulticastFilter, PortStats};
use rtrb::{Producer, RingBuffer};
use tables::binding::BindingWriter;
use tables::fdb::FdbWriter;
use tables::flow::{FlowPeer, FlowTable, Pairing};
use tables::group::GroupWriter;
use tables::id::PortId;
use tables::lpm::LpmWriter;
use tables::next_hop::NextHopWriter;
use tables::publish::{Published, Qsbr};

use crate::claim::{ClaimConsumer, claim_ring};
use crate::counters::{CounterSizes, NO_PORT, WorkerCounters};
use crate::denied::{DeniedConsumer, denied_ring};
use crate::forwarding::Forwarding;
use crate::guard::{BookWriter, NoteConsumer, note_ring};
use crate::inject::{InjectProducer, inject_ring};
use crate::learn::{HeardConsumer, learn_ring};
use crate::observer::{Watch, observer};
use crate::ports::{self, DeviceSpec, OpenPort};
use crate::punt::{PuntConsumer, PuntRingSize, punt_ring};
use crate::secure;
use crate::stages::tx::{Handoff, Outlet, TxPorts};
use crate::stages::{flood, hold, icmp_error, punt};
use crate::state::{Backlog, Tables, Trash, WorkerState};
use crate::worker::{Command, Shared, Worker};

mod error;
mod options;

pub use error::{DeviceError, StartError};
pub use options::DataplaneOptions;

/// The control plane's ends.
pub struct ControlSide {
    /// Punted packets, by worker.
    pub punts: Vec<PuntConsumer>,
    /// Those of urgent packets, by worker.
    pub urgent_punts: Vec<PuntConsumer>,
    /// Requests, by worker. Neighbour verdicts go to every worker, packets to any one.
    pub injects: Vec<InjectProducer>,
    /// Those that go before the others, by worker.
    pub urgent_injects: Vec<InjectProducer>,
    /// Counters, by worker.
    pub counters: Vec<Arc<WorkerCounters>>,
    /// Traces and captures, by worker; armed by [`Forwarding::watch`].
    pub watches: Vec<Watch>,
    /// IPv6 routes.
    pub lpm6: LpmWriter<u128>,
    /// IPv4 routes.
    pub lpm4: LpmWriter<u32>,
    /// Next hops.
    pub next_hops: NextHopWriter,
    /// Next-hop groups.
    pub groups: GroupWriter,
    /// Where the stations of networks are.
    pub stations: FdbWriter,
    /// Notes of stations that workers heard elsewhere, by worker.
    pub heard: Vec<HeardConsumer>,
    /// Who has which address in networks.
    pub bindings: BindingWriter,
    /// Notes of addresses that stations claim, by worker.
    pub claims: Vec<ClaimConsumer>,
    /// Which addresses are whose, at the ports of tenants' machines.
    pub book: BookWriter,
    /// Notes of addresses that machines begin to use, by worker.
    pub notes: Vec<NoteConsumer>,
    /// Flows of tenants' machines.
    pub flows: Arc<FlowTable>,
    /// The flows of the other router of a pair, and what tells it of ours.
    pub flow_peer: Option<FlowPeer>,
    /// Notes of packets that ports did not let pass, by worker.
    pub denied: Vec<DeniedConsumer>,
    /// Grace periods of all tables.
    pub qsbr: Arc<Qsbr>,
    /// Ports and interfaces.
    pub forwarding: Arc<Published<Forwarding>>,
}

struct WorkerHandle {
    thread: Option<JoinHandle<()>>,
    commands: Producer<Command>,
    shared: Arc<Shared>,
    sent: u64,
}

/// The running packet path.
pub struct Dataplane {
    workers: Vec<WorkerHandle>,
    ports: Vec<Option<OpenPort>>,
    pool: Mempool,
    eal: Arc<Eal>,
}

/// How long a worker may take to obey a command; it does so once a round.
const OBEDIENCE: Duration = Duration::from_secs(2);
/// Commands on their way to a worker.
const COMMANDS: usize = 1024;

impl Dataplane {
    /// Starts DPDK and the workers, and opens the devices; the *n*-th becomes port *n*. Call it once per process.
    pub fn start(
        options: &DataplaneOptions,
        devices: &[DeviceSpec],
    ) -> Result<(Self, ControlSide), StartError> {
        let n = options.workers.len();
        if n == 0 {
            return Err(StartError::NoWorkers);
        }
        let eal = Arc::new(Eal::init(&options.eal)?);
        let pool = Mempool::new(
            &eal,
            "packets",
            options.buffers,
            256,
            options.buffer_size,
            None,
        )?;
        // One more: whoever has the flows of the other router of a pair.
        let qsbr = Qsbr::new(n + 1);
        let (lpm6, lpm6_reader) = LpmWriter::new(options.max_vrfs, qsbr.clone())?;
        let (lpm4, lpm4_reader) = LpmWriter::new(options.max_vrfs, qsbr.clone())?;
        let (next_hops, next_hop_table) = NextHopWriter::new(options.max_next_hops, qsbr.clone())?;
        let (groups, group_table) = GroupWriter::new(options.max_groups, qsbr.clone())?;
        let seed = RandomState::new().hash_one(options.max_stations);
        let (stations, fdb) = FdbWriter::new(options.max_stations, seed);
        let (bindings, owners) = BindingWriter::new(options.max_bindings, seed);
        let pairing = Pairing {
            flows: options.max_peer_flows,
            notes: options.change_ring,
        };
        let (flows, flow_workers, flow_peer) =
            FlowTable::paired(options.max_flows, n, &qsbr, seed.rotate_left(7), &pairing)
                .map_err(StartError::Flows)?;
        let (book_writer, book) = BookWriter::new(
            options.max_bindings,
            options.max_anchors,
            seed.rotate_left(11),
        );
        let forwarding = Arc::new(Published::new(qsbr.clone(), Box::default()));
        let tables = Tables {
            lpm6: lpm6_reader,
            lpm4: lpm4_reader,
            next_hops: next_hop_table,
            groups: group_table,
            fdb,
            bindings: owners,
            book,
            flows: flows.clone(),
            forwarding: forwarding.clone(),
        };
        let mut control = ControlSide {
            punts: Vec::new(),
            urgent_punts: Vec::new(),
            injects: Vec::new(),
            urgent_injects: Vec::new(),
            counters: Vec::new(),
            watches: Vec::new(),
            lpm6,
            lpm4,
            next_hops,
            groups,
            stations,
            heard: Vec::new(),
            bindings,
            claims: Vec::new(),
            book: book_writer,
            notes: Vec::new(),
            flows,
            flow_peer,
            denied: Vec::new(),
            qsbr: qsbr.clone(),
            forwarding,
        };
        let mut dataplane = Self {
            workers: Vec::new(),
            ports: Vec::new(),
            pool,
            eal,
        };
        let outputs = handoff_rings(n, options.handoff_ring);
        let parts = outputs.into_iter().zip(flow_workers);
        for (index, (cpu, (tx, flows))) in options.workers.iter().zip(parts).enumerate() {
            let reader = qsbr.register()?;
            let (punt_in, punt_out) = punt_ring(index as u16, options.punt_ring);
            let (urgent_in, urgent_out) = punt_ring(index as u16, PuntRingSize::URGENT);
            let (inject_in, inject_out) = inject_ring(options.inject_ring);
            let (express_in, express_out) = inject_ring(options.inject_ring);
            let (learner, heard) = learn_ring(options.learn_ring);
            control.heard.push(heard);
            let (claims, claimed) = claim_ring(options.learn_ring);
            control.claims.push(claimed);
            let (denials, denied) = denied_ring(options.learn_ring);
            control.denied.push(denied);
            let (notes, noted) = note_ring(options.learn_ring);
            control.notes.push(noted);
            let (commands_in, commands_out) = RingBuffer::new(COMMANDS);
            let counters = Arc::new(WorkerCounters::new(CounterSizes {
                interfaces: options.max_interfaces,
                next_hops: options.max_next_hops,
                networks: options.max_networks,
                tunnels: options.max_tunnels,
                anchors: options.max_anchors,
                rules: options.max_rules,
            }));
            control.punts.push(punt_out);
            control.urgent_punts.push(urgent_out);
            control.injects.push(inject_in);
            control.urgent_injects.push(express_in);
            control.counters.push(counters.clone());
            let (observer, watch) = observer();
            control.watches.push(watch);
            let state = WorkerState {
                index: index as u16,
                counters,
                pool: dataplane.pool.clone(),
                backlog: Backlog::new(options.backlog),
                tx,
                punts: punt::Punts::new(punt_in, urgent_in),
                icmp: icmp_error::State::default(),
                hold: hold::State::default(),
                flood: flood::State::new(options.max_networks),
                learner,
                claims,
                secure: secure::State::new(flows, notes, denials, options.max_anchors, seed),
                observer,
                trash: Trash::default(),
            };
            let worker = Worker::new(
                state,
                tables.clone(),
                reader,
                [express_out, inject_out],
                commands_out,
                options.idle,
            );
            dataplane.launch(worker, *cpu, commands_in)?;
        }
        for device in devices {
            dataplane.add_device(device)?;
        }
        Ok((dataplane, control))
    }

    /// Opens a device and has the workers serve it, under the first free number.
    pub fn add_device(&mut self, spec: &DeviceSpec) -> Result<PortId, DeviceError> {
        let vacant = self.ports.iter().position(Option::is_none);
        let id = PortId(vacant.unwrap_or(self.ports.len()) as u16);
        self.add_device_as(id, spec)?;
        Ok(id)
    }

    /// Opens a device and has the workers serve it, under this number, which must be free.
    pub fn add_device_as(&mut self, id: PortId, spec: &DeviceSpec) -> Result<(), DeviceError> {
        if id >= NO_PORT {
            return Err(DeviceError::TooMany(spec.name.clone()));
        }
        if self.port(id).is_some() {
            return Err(DeviceError::Taken(id));
        }
        let place = id.index();
        let mut open = ports::open(spec, &self.eal, &self.pool)?;
        let offloads = open.configured.offloads;
        let mut commands = Vec::new();
        let (queues, workers) = (usize::from(spec.queues.max(1)), self.workers.len());
        for queue in 0..queues {
            let worker = (place + queue) % workers;
            let rx = open.port.rx_queue(queue as u16)?;
            commands.push((worker, Command::Receive(id, rx)));
            if queue < workers {
                let tx = open.port.tx_queue(queue as u16)?;
                commands.push((worker, Command::Connect(id, Outlet::Queue(tx), offloads)));
            }
        }
        for distance in queues..workers {
            let worker = (place + distance) % workers;
            let owner = (place + worker % queues) % workers;
            commands.push((worker, Command::Connect(id, Outlet::Peer(owner), offloads)));
        }
        if self.ports.len() <= place {
            self.ports.resize_with(place + 1, || None);
        }
        self.ports[place] = Some(open);
        // Outputs first: no packet arrives for a port that a worker cannot reach yet.
        commands.sort_by_key(|(_, command)| matches!(command, Command::Receive(..)));
        for (worker, command) in commands {
            self.command(worker, command)?;
        }
        self.await_obedience()
    }

    /// Has the workers let the port go, and closes it.
    pub fn remove_device(&mut self, id: PortId) -> Result<(), DeviceError> {
        if self.port(id).is_none() {
            return Err(DeviceError::NoPort(id));
        }
        for worker in 0..self.workers.len() {
            self.command(worker, Command::Disconnect(id))?;
        }
        self.await_obedience()?;
        match self.ports[id.index()].take() {
            Some(open) => Ok(open.close()?),
            None => Err(DeviceError::NoPort(id)),
        }
    }

    /// An open port: its MAC address, what the device can, notices.
    pub fn port(&self, id: PortId) -> Option<&OpenPort> {
        self.ports.get(id.index())?.as_ref()
    }

    /// Every open port.
    pub fn ports(&self) -> impl Iterator<Item = (PortId, &OpenPort)> {
        let numbered = self.ports.iter().enumerate();
        numbered.filter_map(|(n, port)| Some((PortId(n as u16), port.as_ref()?)))
    }

    /// The port's link.
    pub fn link(&self, id: PortId) -> Result<Link, DeviceError> {
        Ok(self.port(id).ok_or(DeviceError::NoPort(id))?.port.link()?)
    }

    /// The device's own counters.
    pub fn stats(&self, id: PortId) -> Result<PortStats, DeviceError> {
        Ok(self.port(id).ok_or(DeviceError::NoPort(id))?.port.stats()?)
    }

    /// Lets these multicast MAC addresses in, and says how.
    pub fn set_multicast(
        &mut self,
        id: PortId,
        groups: &[[u8; 6]],
    ) -> Result<MulticastFilter, DeviceError> {
        match self.ports.get_mut(id.index()) {
            Some(Some(open)) => Ok(open.set_multicast(groups)),
            _ => Err(DeviceError::NoPort(id)),
        }
    }

    /// Lets every multicast frame in, or every frame: for groups, or own unicast addresses, that cannot be listed. A
    /// device that refuses has no filter as a rule and receives them all the same; the caller tells the operator.
    pub fn open_filter(
        &mut self,
        id: PortId,
        all_multicast: bool,
        promiscuous: bool,
    ) -> Result<(), DeviceError> {
        match self.ports.get_mut(id.index()) {
            Some(Some(open)) => {
                open.port.set_promiscuous(promiscuous)?;
                match open.port.set_all_multicast(all_multicast) {
                    // Promiscuous, it hears every group.
                    Err(_) if promiscuous => Ok(()),
                    set => Ok(set?),
                }
            }
            _ => Err(DeviceError::NoPort(id)),
        }
    }

    /// The pool of packet buffers.
    pub fn pool(&self) -> &Mempool {
        &self.pool
    }

    /// DPDK.
    pub fn eal(&self) -> &Eal {
        &self.eal
    }

    /// How many workers run.
    pub fn n_workers(&self) -> usize {
        self.workers.len()
    }

    /// A worker that has ended although nobody told it to: the packet path is broken.
    pub fn dead_worker(&self) -> Option<usize> {
        self.workers
            .iter()
            .position(|w| w.thread.as_ref().is_none_or(JoinHandle::is_finished))
    }

    /// Stops the workers and closes the devices. Returns what went wrong on the way, which does not stop it.
    pub fn stop(mut self) -> Vec<DeviceError> {
        let mut faults = self.halt();
        for open in self.ports.drain(..).flatten() {
            faults.extend(open.close().err().map(DeviceError::from));
        }
        faults
    }

    fn halt(&mut self) -> Vec<DeviceError> {
        for worker in &self.workers {
            worker.shared.stop.store(true, Ordering::Relaxed);
        }
        let mut faults = Vec::new();
        for (index, worker) in self.workers.iter_mut().enumerate() {
            let panicked = worker
                .thread
                .take()
                .is_some_and(|thread| thread.join().is_err());
            if panicked {
                faults.push(DeviceError::Worker { worker: index });
            }
        }
        faults
    }

    fn launch(
        &mut self,
        worker: Worker,
        cpu: Option<usize>,
        commands: Producer<Command>,
    ) -> Result<(), StartError> {
        let index = self.workers.len();
        let shared = worker.shared.clone();
        let eal = self.eal.clone();
        let (report, reported) = crossbeam_channel::bounded(1);
        let main = move || {
            let pinned = cpu.map_or(Ok(()), crate::worker::pin);
            let ready = pinned.is_ok();
            // The starter waits for this; it cannot be gone.
            let _ = report.send(pinned);
            if ready {
                // Without a place in DPDK the pools work all the same, only without their cache.
                let _registered = eal.register_thread();
                // Without it naps are 50 us longer than they were meant to be.
                let _ = nix::sys::prctl::set_timerslack(1);
                worker.run();
            }
        };
        let thread = std::thread::Builder::new()
            .name(format!("hextet-w{index}"))
            .spawn(main)
            .map_err(|source| StartError::Thread {
                worker: index,
                source,
            })?;
        self.workers.push(WorkerHandle {
            thread: Some(thread),
            commands,
            shared,
            sent: 0,
        });
        match (reported.recv(), cpu) {
            (Ok(Err(source)), Some(cpu)) => Err(StartError::Pin {
                worker: index,
                cpu,
                source,
            }),
            _ => Ok(()),
        }
    }

    fn command(&mut self, worker: usize, command: Command) -> Result<(), DeviceError> {
        let handle = &mut self.workers[worker];
        handle
            .commands
            .push(command)
            .map_err(|_| DeviceError::Worker { worker })?;
        handle.sent += 1;
        Ok(())
    }

    fn await_obedience(&self) -> Result<(), DeviceError> {
        let begin = Instant::now();
        for (worker, handle) in self.workers.iter().enumerate() {
            while handle.shared.done.load(Ordering::Acquire) < handle.sent {
                if begin.elapsed() > OBEDIENCE {
                    return Err(DeviceError::Worker { worker });
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        Ok(())
    }
}

impl Drop for Dataplane {
    fn drop(&mut self) {
        self.halt();
    }
}

/// A ring from every worker to every other.
fn handoff_rings(n: usize, capacity: usize) -> Vec<TxPorts> {
    let mut to: Vec<Vec<Producer<Handoff>>> = (0..n).map(|_| Vec::new()).collect();
    let mut owed: Vec<Vec<rtrb::Consumer<Handoff>>> = (0..n).map(|_| Vec::new()).collect();
    for sender in &mut to {
        for receiver in &mut owed {
            let (producer, consumer) = RingBuffer::new(if n == 1 { 1 } else { capacity });
            sender.push(producer);
            receiver.push(consumer);
        }
    }
    to.into_iter()
        .zip(owed)
        .map(|(peers, owed)| TxPorts::new(peers, owed))
        .collect()
}
