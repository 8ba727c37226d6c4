//! The appliance: the API's questions answered by the engine, the rooms and the workers' counters.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{
    Accounting, AddLease, AddRoute, BfdSession, Binding, BindingQuery, CaptureRequest, Counters,
    DelRoute, Delegation, Denied, Device, DhcpClient, DhcpClientOrdered, Drop, DropAt, Event,
    ExplainQuery, Flow, FlowQuery, FlowUsage, IdlePolicy, ImportLeases, Interface, Lease,
    LeaseChanges, LeaseExport, LeaseImported, LeasePool, LeaseQuery, NeighFlush, NeighFlushed,
    Neighbor, NeighborOrigin, Network, NudState, OrderDhcpClient, PairSync, Port, PortBinding,
    RaState, Relay, ReleaseLease, ReloadRequest, ReloadResponse, Route, RouteBatch, RouteChanges,
    RouteExplain, RouteQuery, SecurityGroup, Station, StationQuery, Status, TraceEvent,
    TraceRequest, VirtualRouter, Vtep, Worker, WorkerQueue,
};
use dataplane::counters::WorkerCounters;
use dataplane::drop::DropReason;
use tables::id::PortId;
use tokio::sync::mpsc;

use crate::api::{Appliance, Error};
use crate::bus::Bus;
use crate::config;
use crate::engine::{Engine, EngineHandle, ReloadOutcome, api_mac};
use crate::injector::Injector;
use crate::model::Idle;
use crate::observe::Observers;
use crate::rooms::punt;
use ::lease::Disk;
use protocols::nd;

mod bfd;
mod counters;
mod delegation;
mod dhcp_client;
mod lease;
mod network;
mod ra;
mod relay;
mod reload;
mod security;
mod sync;
mod vrrp;

/// Implements the API's trait; see the module.
#[derive(Debug)]
pub struct Router {
    /// The engine.
    pub engine: EngineHandle,
    /// The rooms.
    pub bus: Bus,
    /// Counters, by worker.
    pub counters: Vec<Arc<WorkerCounters>>,
    /// The way to the workers.
    pub injector: Arc<Injector>,
    /// The leases' store; `None` when it cannot be used.
    pub disk: Option<Arc<Disk>>,
    /// What the punt thread counts.
    pub punts: Arc<punt::Counters>,
    /// Traces and captures.
    pub observers: Observers,
    /// When the process started.
    pub started: Instant,
    /// The configuration file, as given.
    pub config_file: PathBuf,
    /// Held by whoever reloads it.
    pub reloading: tokio::sync::Mutex<()>,
    /// What idle workers do.
    pub idle: Idle,
    /// CPUs that workers are pinned to.
    pub cpus: Vec<Option<usize>>,
}

impl Router {
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let answer = self.engine.ask(question).await;
        answer.ok_or_else(|| Error::Unavailable("the router is stopping".into()))
    }
}

impl Appliance for Router {
    async fn status(&self) -> Result<Status, Error> {
        // Must answer although the engine may be busy: it is given a moment, then reported.
        let asked = self.engine.ask(|engine| {
            (
                engine.warnings().to_vec(),
                engine.not_ready(),
                engine.dpdk_version(),
            )
        });
        let mut not_ready = Vec::new();
        let (warnings, dpdk_version) =
            match tokio::time::timeout(Duration::from_secs(2), asked).await {
                Ok(Some((warnings, waiting, version))) => {
                    not_ready.extend(waiting);
                    (warnings, version)
                }
                Ok(None) => {
                    not_ready.push("the router is stopping".into());
                    (Vec::new(), String::new())
                }
                Err(_) => {
                    not_ready.push("the engine does not answer".into());
                    (Vec::new(), String::new())
                }
            };
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").into(),
            dpdk_version,
            pid: std::process::id(),
            uptime_ms: millis(self.started.elapsed()),
            config_file: self.config_file.display().to_string(),
            ready: not_ready.is_empty(),
            not_ready,
            warnings,
        })
    }

    async fn devices(&self) -> Result<Vec<Device>, Error> {
        let views = self.ask(|engine| engine.device_views()).await?;
        Ok(views
            .into_iter()
            .map(|(port, mut device, stats)| {
                device.counters = self.device_counters(port, stats);
                device
            })
            .collect())
    }

    async fn interfaces(&self) -> Result<Vec<Interface>, Error> {
        let views = self.ask(|engine| engine.interfaces()).await?;
        Ok(views
            .into_iter()
            .map(|view| Interface {
                counters: self.interface_counters(view.id),
                ..view.shown
            })
            .collect())
    }

    async fn routes(&self, query: RouteQuery) -> Result<Vec<Route>, Error> {
        self.ask(move |engine| engine.routes(&query)).await?
    }

    async fn explain(&self, query: ExplainQuery) -> Result<RouteExplain, Error> {
        let (mut explain, exits) = self.ask(move |engine| engine.explain(&query)).await??;
        let known = self.bus.nd_snapshot().await.neighbors;
        for (exit, (iface, addr)) in explain.exits.iter_mut().zip(exits) {
            if let Some(neighbor) = known.iter().find(|n| n.iface == iface && n.addr == addr) {
                exit.neighbor_state = Some(nud(neighbor.state));
                exit.mac = neighbor.mac.map(api_mac);
            }
        }
        Ok(explain)
    }

    async fn add_route(&self, route: AddRoute) -> Result<RouteChanges, Error> {
        self.ask(move |engine| engine.add_route(route)).await?
    }

    async fn del_route(&self, route: DelRoute) -> Result<RouteChanges, Error> {
        self.ask(move |engine| engine.del_route(route)).await?
    }

    async fn change_routes(&self, batch: RouteBatch) -> Result<RouteChanges, Error> {
        self.ask(move |engine| engine.change_routes(&batch)).await?
    }

    async fn neighbors(&self) -> Result<Vec<Neighbor>, Error> {
        let known = self.bus.nd_snapshot().await.neighbors;
        self.ask(move |engine| {
            let mut shown: Vec<Neighbor> = known
                .into_iter()
                .filter_map(|n| {
                    let origin = if n.state == nd::State::Permanent {
                        NeighborOrigin::Static
                    } else {
                        NeighborOrigin::Learned
                    };
                    Some(Neighbor {
                        router: engine.router_name(n.iface)?,
                        interface: engine.interface_name(n.iface)?,
                        address: n.addr,
                        mac: n.mac.map(api_mac),
                        state: nud(n.state),
                        is_router: n.router,
                        age_ms: millis(n.in_state),
                        origin,
                    })
                })
                .collect();
            shown.sort_by(|a, b| (&a.interface, a.address).cmp(&(&b.interface, b.address)));
            shown
        })
        .await
    }

    async fn flush_neighbors(&self, flush: NeighFlush) -> Result<NeighFlushed, Error> {
        let iface = match flush.interface.clone() {
            None => None,
            Some(name) => {
                let found = self
                    .ask({
                        let name = name.clone();
                        move |engine| engine.interface_id(&name)
                    })
                    .await?;
                let missing =
                    || Error::not_found("interface", format!("there is no interface `{name}`"));
                Some(found.ok_or_else(missing)?)
            }
        };
        let addr = flush.address;
        let flushed = |n: &nd::NeighborSnapshot| {
            n.state != nd::State::Permanent
                && iface.is_none_or(|iface| n.iface == iface)
                && addr.is_none_or(|addr| n.addr == addr)
        };
        let before = self
            .bus
            .nd_snapshot()
            .await
            .neighbors
            .iter()
            .filter(|n| flushed(n))
            .count();
        self.bus.nd(nd::Event::Flush { iface, addr });
        Ok(NeighFlushed {
            flushed: before as u64,
        })
    }

    async fn ra(&self) -> Result<Vec<RaState>, Error> {
        let known = self.bus.ra_snapshot().await;
        let now = Instant::now();
        self.ask(move |engine| ra::states(engine, known, now)).await
    }

    async fn leases(&self, query: LeaseQuery) -> Result<Vec<Lease>, Error> {
        self.lease_list(query).await
    }

    async fn delegations(&self) -> Result<Vec<Delegation>, Error> {
        self.ask(|engine| delegation::list(engine)).await
    }

    async fn pools(&self) -> Result<Vec<LeasePool>, Error> {
        self.pool_list().await
    }

    async fn ports(&self) -> Result<Vec<Port>, Error> {
        self.port_list().await
    }

    async fn port_bindings(&self, query: FlowQuery) -> Result<Vec<PortBinding>, Error> {
        self.ask(move |engine| engine.port_binding_list(&query))
            .await?
    }

    async fn denied(&self, port: String) -> Result<Vec<Denied>, Error> {
        self.ask(move |engine| engine.denied_list(&port)).await?
    }

    async fn security_groups(&self, name: Option<String>) -> Result<Vec<SecurityGroup>, Error> {
        self.group_list(name).await
    }

    async fn flows(&self, query: FlowQuery) -> Result<Vec<Flow>, Error> {
        self.flow_list(query).await
    }

    async fn flow_usage(&self) -> Result<FlowUsage, Error> {
        self.ask(|engine| engine.flow_usage()).await
    }

    async fn networks(&self) -> Result<Vec<Network>, Error> {
        self.network_list().await
    }

    async fn stations(&self, query: StationQuery) -> Result<Vec<Station>, Error> {
        self.ask(move |engine| engine.station_list(&query)).await?
    }

    async fn bindings(&self, query: BindingQuery) -> Result<Vec<Binding>, Error> {
        self.ask(move |engine| engine.binding_list(&query)).await?
    }

    async fn vteps(&self) -> Result<Vec<Vtep>, Error> {
        self.vtep_list().await
    }

    async fn sync(&self) -> Result<Vec<PairSync>, Error> {
        let Some(pair) = self.ask(|engine| engine.model().pair.clone()).await? else {
            return Ok(Vec::new());
        };
        let known = self.bus.pair().snapshot().await;
        Ok(known
            .map(|known| sync::of(&pair, known))
            .into_iter()
            .collect())
    }

    async fn bfd(&self) -> Result<Vec<BfdSession>, Error> {
        let known = self.bus.bfd_snapshot().await;
        let now = Instant::now();
        self.ask(move |engine| bfd::sessions(engine, known, now))
            .await
    }

    async fn vrrp(&self) -> Result<Vec<VirtualRouter>, Error> {
        let known = self.bus.vrrp_snapshot().await;
        let now = Instant::now();
        self.ask(move |engine| vrrp::virtual_routers(engine, known, now))
            .await
    }

    async fn relays(&self) -> Result<Vec<Relay>, Error> {
        self.relay_list().await
    }

    async fn dhcp_clients(&self) -> Result<Vec<DhcpClient>, Error> {
        self.dhcp_client_list().await
    }

    async fn order_dhcp_client(&self, order: OrderDhcpClient) -> Result<DhcpClientOrdered, Error> {
        self.dhcp_client_order(order).await
    }

    async fn add_lease(&self, lease: AddLease) -> Result<LeaseChanges, Error> {
        self.lease_add(lease).await
    }

    async fn export_leases(&self, query: LeaseExport) -> Result<String, Error> {
        self.lease_export(query).await
    }

    async fn import_leases(&self, import: ImportLeases) -> Result<LeaseImported, Error> {
        self.lease_import(import).await
    }

    async fn release_lease(&self, release: ReleaseLease) -> Result<LeaseChanges, Error> {
        self.lease_release(release).await
    }

    async fn workers(&self) -> Result<Vec<Worker>, Error> {
        let queues = self.ask(|engine| engine.worker_queues()).await?;
        let idle_policy = match self.idle {
            Idle::Adaptive => IdlePolicy::Adaptive,
            Idle::Poll => IdlePolicy::Poll,
        };
        Ok(self
            .counters
            .iter()
            .enumerate()
            .map(|(id, counters)| {
                let run = &counters.run;
                let ratio = |a: u64, b: u64| if b == 0 { 0.0 } else { a as f64 / b as f64 };
                let (busy, packets) = (run.busy_cycles.get(), run.packets.get());
                Worker {
                    id: id as u16,
                    cpu: self.cpus.get(id).copied().flatten().map(|cpu| cpu as u16),
                    idle_policy,
                    load: ratio(busy, run.total_cycles.get()),
                    cycles_per_packet: ratio(busy, packets),
                    burst_average: ratio(packets, run.bursts.get()),
                    packets,
                    polls: run.polls.get(),
                    polls_empty: run.empty_polls.get(),
                    cycles_busy: busy,
                    queues: queues
                        .iter()
                        .filter(|(worker, _, _)| *worker == id)
                        .map(|(_, device, queue)| WorkerQueue {
                            device: device.clone(),
                            queue: *queue,
                        })
                        .collect(),
                }
            })
            .collect())
    }

    async fn drops(&self) -> Result<Vec<Drop>, Error> {
        let names = self.ask(|engine| engine.device_names()).await?;
        let count = |port: PortId, reason: DropReason| {
            self.counters
                .iter()
                .map(|w| w.port(port).drops[reason.index()].get())
                .sum::<u64>()
        };
        Ok(DropReason::ALL
            .iter()
            .map(|&reason| {
                let devices: Vec<DropAt> = names
                    .iter()
                    .map(|(port, name)| DropAt {
                        device: name.clone(),
                        packets: count(*port, reason),
                    })
                    .filter(|at| at.packets != 0)
                    .collect();
                let every = |w: &Arc<WorkerCounters>| {
                    w.ports
                        .iter()
                        .map(|p| p.drops[reason.index()].get())
                        .sum::<u64>()
                };
                Drop {
                    reason: reason.label().into(),
                    help: reason.help().into(),
                    total: self.counters.iter().map(every).sum(),
                    devices,
                }
            })
            .collect())
    }

    async fn counters(&self) -> Result<Counters, Error> {
        self.all_counters().await
    }

    async fn accounting(&self) -> Result<Vec<Accounting>, Error> {
        Ok(self.quiet_books().await)
    }

    async fn reload(&self, request: ReloadRequest) -> Result<ReloadResponse, Error> {
        let dry_run = request.dry_run;
        // One after the other: what was read first is not applied last.
        let _turn = self.reloading.lock().await;
        let file = self.config_file.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&file)).await;
        let loaded = loaded.map_err(|error| Error::Unavailable(error.to_string()))?;
        let outcome = self
            .ask(move |engine| engine.reload(loaded, dry_run))
            .await?;
        Ok(match outcome {
            ReloadOutcome::Refused(faults) => ReloadResponse {
                applied: false,
                changes: Vec::new(),
                faults,
            },
            ReloadOutcome::Applied { changes, old, .. } => {
                let changes = self
                    .ask(move |engine| reload::told(&changes, &old, engine.model()))
                    .await?;
                ReloadResponse {
                    applied: !dry_run,
                    changes,
                    faults: Vec::new(),
                }
            }
        })
    }

    async fn events(&self, count: Option<u64>) -> Result<mpsc::Receiver<Event>, Error> {
        Ok(self.bus.events().listen(count))
    }

    async fn trace(&self, request: TraceRequest) -> Result<mpsc::Receiver<TraceEvent>, Error> {
        self.observers.trace(&self.engine, request).await
    }

    async fn capture(&self, request: CaptureRequest) -> Result<mpsc::Receiver<Vec<u8>>, Error> {
        self.observers.capture(&self.engine, request).await
    }
}

/// A neighbour's state in the API's words.
pub(crate) fn nud(state: nd::State) -> NudState {
    match state {
        nd::State::Incomplete => NudState::Incomplete,
        nd::State::Reachable => NudState::Reachable,
        nd::State::Stale => NudState::Stale,
        nd::State::Delay => NudState::Delay,
        nd::State::Probe => NudState::Probe,
        nd::State::Unreachable => NudState::Unreachable,
        nd::State::Failed => NudState::Failed,
        nd::State::Permanent => NudState::Permanent,
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
