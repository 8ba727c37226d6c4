//! Traces and captures: what the workers saw, told to whoever asks.
//!
//! One trace and one capture at a time: a second asker is told so. Each runs on a thread of Tokio's blocking pool while
//! its reader listens; when it ends, by count, by hang-up or by the router's end, the workers are disarmed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api::{
    CapturePoint, CaptureRequest, PacketFilter, Protocol, TraceEvent, TraceRequest, TraceStep,
};
use dataplane::capture::{CaptureFilter, CaptureReader, MAX_SNAPLEN, PcapngWriter};
use dataplane::graph::Stage;
use dataplane::observe::{Filter, Prefix};
use dataplane::trace::{Assembler, Outcome, Step, Trace};
use tables::id::{IfaceId, NextHopId, PortId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::Error;
use crate::engine::EngineHandle;

/// Events that may wait for a slow reader; further ones are missed.
const WAITING: usize = 256;
/// How often the workers' rings are emptied.
const PERIOD: Duration = Duration::from_millis(5);

/// The control plane's ends of all workers' trace and capture rings.
#[derive(Clone, Debug)]
pub struct Observers {
    traces: Shared<Assembler>,
    captures: Shared<CaptureReader>,
    clock: WallClock,
    stop: CancellationToken,
    missed: Arc<AtomicU64>,
}

/// Rings that one asker at a time may have.
type Shared<T> = Arc<Mutex<Option<Vec<T>>>>;

/// Names of what events speak of.
#[derive(Clone, Debug, Default)]
struct Names {
    ports: HashMap<PortId, String>,
    ifaces: HashMap<IfaceId, String>,
}

impl Names {
    fn port(&self, port: PortId) -> Option<String> {
        self.ports.get(&port).cloned()
    }

    fn iface(&self, iface: IfaceId) -> Option<String> {
        self.ifaces.get(&iface).cloned()
    }
}

impl Observers {
    /// Takes the rings, one of each per worker.
    pub fn new(
        traces: Vec<Assembler>,
        captures: Vec<CaptureReader>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            traces: Arc::new(Mutex::new(Some(traces))),
            captures: Arc::new(Mutex::new(Some(captures))),
            clock: WallClock::start(),
            stop,
            missed: Arc::default(),
        }
    }

    /// Trace events thrown away because their reader did not keep up.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Arms a trace.
    ///
    /// # Errors
    /// When its filter names an interface that does not exist, or another trace runs.
    pub async fn trace(
        &self,
        engine: &EngineHandle,
        request: TraceRequest,
    ) -> Result<mpsc::Receiver<TraceEvent>, Error> {
        let (filter, names) = resolve(engine, request.filter).await?;
        let mut rings = Lease::take(&self.traces, "trace")?;
        drain(&mut rings.rings, |ring| ring.pop().is_some());
        ask(engine, move |engine| engine.set_trace(Some(filter))).await?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let (engine, stop, clock) = (engine.clone(), self.stop.clone(), self.clock);
        let missed = self.missed.clone();
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let mut left = request.count.unwrap_or(u64::MAX);
            while 0 < left && !sender.is_closed() && !stop.is_cancelled() {
                for (worker, ring) in rings.rings.iter_mut().enumerate() {
                    while let Some(trace) = ring.pop().filter(|_| 0 < left) {
                        let next_hops = trace.steps.iter().filter_map(next_hop).collect();
                        let told = runtime.block_on(tell(&engine, trace.start.iface, next_hops));
                        let event = event(worker, trace, &names, &told, clock);
                        if sender.try_send(event).is_ok() {
                            left -= 1;
                        } else if !sender.is_closed() {
                            missed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
                std::thread::sleep(PERIOD);
            }
            let _ = runtime.block_on(ask(&engine, |engine| engine.set_trace(None)));
        });
        Ok(receiver)
    }

    /// Arms a capture: pieces of a pcapng file.
    ///
    /// # Errors
    /// When its filter names an interface that does not exist, or another capture runs.
    pub async fn capture(
        &self,
        engine: &EngineHandle,
        request: CaptureRequest,
    ) -> Result<mpsc::Receiver<Vec<u8>>, Error> {
        let (filter, names) = resolve(engine, request.filter).await?;
        let listens = |point| request.point == CapturePoint::All || request.point == point;
        let snaplen = request.snaplen.unwrap_or(MAX_SNAPLEN).min(MAX_SNAPLEN);
        let armed = CaptureFilter {
            filter,
            rx: listens(CapturePoint::Rx),
            tx: listens(CapturePoint::Tx),
            drops: listens(CapturePoint::Drop),
            snaplen,
        };
        let mut rings = Lease::take(&self.captures, "capture")?;
        drain(&mut rings.rings, |ring| ring.pop().is_some());
        let mut file = PcapngWriter::new(Vec::new(), snaplen)
            .map_err(|error| Error::Internal(format!("pcapng: {error}")))?;
        ask(engine, move |engine| engine.set_capture(Some(armed))).await?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let (engine, stop, clock) = (engine.clone(), self.stop.clone(), self.clock);
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let mut left = request.count.unwrap_or(u64::MAX);
            while 0 < left && !sender.is_closed() && !stop.is_cancelled() {
                for ring in &mut rings.rings {
                    while 0 < left
                        && let Some(packet) = ring.pop()
                    {
                        let name = |port, iface| {
                            names
                                .iface(iface)
                                .or_else(|| names.port(port))
                                .unwrap_or_else(|| "unknown".into())
                        };
                        if file
                            .packet(&packet, clock.since_epoch(packet.meta.time), name)
                            .is_ok()
                        {
                            left -= 1;
                        }
                    }
                }
                let piece = std::mem::take(file.get_mut());
                if !piece.is_empty() && sender.blocking_send(piece).is_err() {
                    break;
                }
                std::thread::sleep(PERIOD);
            }
            let _ = runtime.block_on(ask(&engine, |engine| engine.set_capture(None)));
        });
        Ok(receiver)
    }
}

/// The rings while one asker has them; given back when it is done.
struct Lease<T> {
    rings: Vec<T>,
    home: Shared<T>,
}

impl<T> Lease<T> {
    fn take(home: &Shared<T>, what: &str) -> Result<Self, Error> {
        let mut guard = home
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match guard.take() {
            Some(rings) => Ok(Self {
                rings,
                home: home.clone(),
            }),
            None => Err(Error::conflict(what, format!("another {what} is running"))),
        }
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        let rings = std::mem::take(&mut self.rings);
        *self
            .home
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(rings);
    }
}

/// Throws away what an earlier asker left.
fn drain<T>(rings: &mut [T], pop: impl Fn(&mut T) -> bool) {
    for ring in rings {
        while pop(ring) {}
    }
}

async fn ask<T: Send + 'static>(
    engine: &EngineHandle,
    question: impl FnOnce(&mut crate::engine::Engine) -> T + Send + 'static,
) -> Result<T, Error> {
    engine
        .ask(question)
        .await
        .ok_or_else(|| Error::Unavailable("the router is stopping".into()))
}

/// A filter of the API in the dataplane's terms, and the names that events will need.
async fn resolve(engine: &EngineHandle, filter: PacketFilter) -> Result<(Filter, Names), Error> {
    let wanted = filter.interface.clone();
    let (iface, names) = ask(engine, move |engine| {
        let iface = wanted.as_deref().map(|name| engine.interface_id(name));
        let names = Names {
            ports: engine.device_names().into_iter().collect(),
            ifaces: engine
                .model()
                .interfaces()
                .map(|(_, i)| (i.id, i.name.clone()))
                .collect(),
        };
        (iface, names)
    })
    .await?;
    let iface = match iface {
        None => None,
        Some(Some(iface)) => Some(iface),
        Some(None) => {
            let name = filter.interface.unwrap_or_default();
            return Err(Error::not_found(
                "interface",
                format!("there is no interface `{name}`"),
            ));
        }
    };
    let prefix = |net: ipnet::IpNet| Prefix {
        address: net.addr(),
        len: net.prefix_len(),
    };
    let armed = Filter {
        iface,
        src: filter.src.map(prefix),
        dst: filter.dst.map(prefix),
        protocol: filter.protocol.map(|p| p.0),
    };
    Ok((armed, names))
}

/// The next hop that a step's detail is; only the routing stage has one.
fn next_hop(step: &Step) -> Option<NextHopId> {
    let is_route = step.stage == Stage::Route.label();
    (is_route && step.detail != 0).then_some(NextHopId(step.detail))
}

/// Why a stage sent a packet where it did.
fn detail(step: &Step, next_hops: &HashMap<NextHopId, String>) -> String {
    match next_hop(step) {
        Some(id) => next_hops
            .get(&id)
            .cloned()
            .unwrap_or_else(|| id.to_string()),
        // The stages that ask security groups say which rule let it pass.
        None if step.detail != 0 => format!("rule {}", step.detail),
        None => String::new(),
    }
}

/// Next hops in words, as they are now, a moment after the packet that came in by `from`.
async fn tell(
    engine: &EngineHandle,
    from: IfaceId,
    ids: Vec<NextHopId>,
) -> HashMap<NextHopId, String> {
    if ids.is_empty() {
        return HashMap::new();
    }
    let told = move |engine: &mut crate::engine::Engine| {
        let told = |id: NextHopId| (id, engine.next_hop_told(id, from));
        ids.into_iter().map(told).collect()
    };
    engine.ask(told).await.unwrap_or_default()
}

fn event(
    worker: usize,
    trace: Trace,
    names: &Names,
    next_hops: &HashMap<NextHopId, String>,
    clock: WallClock,
) -> TraceEvent {
    let Trace {
        start,
        steps,
        outcome,
    } = trace;
    let outcome = match outcome {
        Outcome::Tx(port) => format!(
            "tx {}",
            names.port(port).unwrap_or_else(|| port.to_string())
        ),
        other => other.to_string(),
    };
    let summary = &start.summary;
    TraceEvent {
        time_ns: u64::try_from(clock.since_epoch(start.time).as_nanos()).unwrap_or(u64::MAX),
        worker: worker as u16,
        device: names.port(start.port),
        interface: names.iface(start.iface),
        length: start.len,
        src: summary.addresses.map(|a| a.src),
        dst: summary.addresses.map(|a| a.dst),
        protocol: summary.protocol.map(Protocol),
        summary: summary.to_string(),
        steps: steps
            .into_iter()
            .map(|step| TraceStep {
                stage: step.stage.into(),
                verdict: step.verdict.into(),
                detail: detail(&step, next_hops),
            })
            .collect(),
        outcome,
    }
}

/// Translates the workers' ticks to wall-clock time.
#[derive(Clone, Copy, Debug)]
struct WallClock {
    ticks: u64,
    since_epoch: Duration,
}

impl WallClock {
    fn start() -> Self {
        Self {
            ticks: dataplane::ticks(),
            since_epoch: now(),
        }
    }

    /// The moment of a tick count. The rate is measured over the router's life so far.
    fn since_epoch(&self, ticks: u64) -> Duration {
        let (later, now) = (dataplane::ticks(), now());
        let passed = now.saturating_sub(self.since_epoch).as_nanos();
        let per = u128::from(later.wrapping_sub(self.ticks)).max(1);
        let ago = u128::from(later.saturating_sub(ticks)) * passed / per;
        now.saturating_sub(Duration::from_nanos(u64::try_from(ago).unwrap_or(0)))
    }
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
