//! The runtime: starts the rooms, keeps them running, stops them.
//!
//! ```text
//!   main ─► load config ─► Dataplane::start ─► threads: workers (dataplane), engine, punt, liveness
//!                                           └► Tokio:   nd, ra, mld, dhcp6, dhcp4, relays, dhcp6_client, reassembly, API and metrics servers, signals
//!   SIGTERM, SIGINT ─► final advertisements ─► rooms stop ─► engine stops ─► workers stop ─► devices close
//!   SIGHUP ─► reload
//! ```
//!
//! A room that panics is started again and configured anew. A worker that ends is fatal: the process ends with an error
//! and its supervisor starts it into the stored intent.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use dataplane::{ControlSide, Dataplane};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::api::{Appliance, Socket};
use crate::appliance::Router;
use crate::bus::{Bus, EngineMessage, Inboxes};
use crate::compile::devices;
use crate::engine::{Engine, EngineHandle, Parts};
use crate::injector::Injector;
use crate::model::{Device, Model, Workers};
use crate::observe::Observers;
use crate::publish::{Publisher, Writers};
use crate::rooms::binding::Bindings;
use crate::rooms::dhcp4::{self, Dhcp4Task};
use crate::rooms::dhcp6::{Dhcp6Task, Means};
use crate::rooms::dhcp6_client::{self, Dhcp6ClientTask};
use crate::rooms::fdb::Stations;
use crate::rooms::lease::peer::Way;
use crate::rooms::liveness::Liveness;
use crate::rooms::mld::MldTask;
use crate::rooms::nd::NdTask;
use crate::rooms::pair::{Keeper, Keepers, PairTask};
use crate::rooms::ra::RaTask;
use crate::rooms::reassembly::ReassemblyTask;
use crate::rooms::relay4::Relay4Task;
use crate::rooms::relay6::{self, Relay6Task};
use crate::rooms::savi::Guards;
use crate::rooms::{punt, supervise};
use crate::store::{ServerIdentity, Store, leases};
use crate::{config, metrics};
use lease::{Disk, Half};
use pair::key::Key;
use pair::record::Kind;
use protocols::dhcp6::{Identity, Secret};

/// How long the last advertisements may take to leave.
const FAREWELL: Duration = Duration::from_millis(100);
/// How long an ended lease is kept for its last holder.
const RETENTION: Duration = Duration::from_secs(7 * 86_400);
/// How often the workers' health is looked at.
const HEALTH: Duration = Duration::from_millis(500);

/// Runs the router until it is told to stop.
///
/// # Errors
/// When it cannot start (one sentence says what to do), or when a worker died.
pub fn run(file: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let loaded = config::load(file)?;
    crate::log::init(&loaded.model.system.log)?;
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    if !nix::unistd::geteuid().is_root() {
        warn!("not running as root: devices of the kernel need CAP_NET_ADMIN and CAP_NET_RAW");
    }
    let model = loaded.model;
    let store = Arc::new(Store::open(&model.system.state_dir).map_err(chain)?);
    let specs: Vec<_> = model.devices.iter().map(Device::spec).collect();
    let (dataplane, side) = Dataplane::start(&devices::options(&model), &specs).map_err(chain)?;
    tell_start(&dataplane, &model);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("hextet-tokio")
        .enable_all()
        .build()?;
    let warnings = loaded.warnings.iter().map(ToString::to_string).collect();
    let house = House {
        file: file.to_owned(),
        started,
        model,
        warnings,
        store,
        dataplane,
        side,
    };
    runtime.block_on(house.live())
}

/// Says every fault of a configuration file.
///
/// # Errors
/// When it has any: all of them, a line each.
pub fn check(file: &Path) -> anyhow::Result<()> {
    match config::load(file) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                println!("warning: {warning}");
            }
            println!("{}: no faults", file.display());
            Ok(())
        }
        Err(config::LoadError::Faults(faults)) => {
            for fault in &faults.0 {
                eprintln!("{fault}");
            }
            let n = faults.0.len();
            bail!(
                "{}: {n} fault{}",
                file.display(),
                if n == 1 { "" } else { "s" }
            )
        }
        Err(error) => Err(error.into()),
    }
}

/// Everything that is started.
struct House {
    file: PathBuf,
    started: Instant,
    model: Model,
    warnings: Vec<String>,
    store: Arc<Store>,
    dataplane: Dataplane,
    side: ControlSide,
}

impl House {
    async fn live(self) -> anyhow::Result<()> {
        let Self {
            file,
            started,
            model,
            warnings,
            store,
            dataplane,
            side,
        } = self;
        let (
            bus,
            Inboxes {
                nd,
                ra,
                mld,
                dhcp6,
                dhcp4,
                relays,
                dhcp6_client,
                reassembly,
                liveness: liveness_inbox,
                pair: pair_inbox,
                engine: engine_inbox,
                events,
            },
        ) = Bus::new();
        let injector = Arc::new(Injector::new(side.injects, side.urgent_injects));
        let own = identity(&store)?;
        let means = Means {
            bus: bus.clone(),
            injector: injector.clone(),
            disk: lease_store(&model),
            identity: identity_of_server(&own, &model),
            peer: peer(&model, &bus),
        };
        let disk = means.disk.clone();
        let means4 = dhcp4::Means {
            bus: bus.clone(),
            injector: injector.clone(),
            disk: means.disk.clone(),
            identity: identity4(&means.identity),
            peer: means.peer.clone(),
        };
        let mut keepers = keepers(&bus);
        if let Some((_, way)) = means.peer.clone() {
            keepers.insert(Kind::Lease, Box::new(move |what| way.keep(what)));
        }
        let relay_means = relay6::Means {
            bus: bus.clone(),
            injector: injector.clone(),
            disk: relay_store(&model),
        };
        let client_means = dhcp6_client::Means {
            bus: bus.clone(),
            injector: injector.clone(),
            store: store.clone(),
            duid: own.duid.clone(),
        };
        // It ends with the process.
        tokio::spawn(events.run());
        let stop = CancellationToken::new();
        let stop_punt = Arc::new(AtomicBool::new(false));
        let counters = side.counters.clone();

        let publisher = Publisher::new(Writers {
            lpm6: side.lpm6,
            lpm4: side.lpm4,
            next_hops: side.next_hops,
            groups: side.groups,
        })?;
        let parts = Parts {
            bus: bus.clone(),
            injector: injector.clone(),
            dataplane,
            counters: counters.clone(),
            forwarding: side.forwarding,
            publisher,
            stations: Stations::new(
                side.stations,
                side.heard,
                model.system.max_stations as usize,
            ),
            bindings: Bindings::new(
                side.bindings,
                side.claims,
                model.system.max_stations as usize,
            ),
            flows: side.flows,
            denied: side.denied,
            guards: Guards::new(side.book, side.notes, protocols::savi::Timing::default()),
            node: own.duid.clone(),
            store,
            config: file.clone(),
            warnings,
        };
        let mut engine = Engine::new(parts, &model);
        let handle = EngineHandle::new(bus.clone());

        // The socket first: a second hextetd must fail before it disturbs the first.
        let socket = Socket::bind(&model.system.api_socket).await?;
        let metrics_listener = match model.system.metrics {
            Some(address) => Some(metrics::bind(address).await?),
            None => None,
        };

        let nd_inbox = Arc::new(Mutex::new(nd));
        let ra_inbox = Arc::new(Mutex::new(ra));
        let mld_inbox = Arc::new(Mutex::new(mld));
        let dhcp6_inbox = Arc::new(Mutex::new(dhcp6));
        let dhcp4_inbox = Arc::new(Mutex::new(dhcp4));
        let relay6_inbox = Arc::new(Mutex::new(relays.v6));
        let relay4_inbox = Arc::new(Mutex::new(relays.v4));
        let dhcp6_client_inbox = Arc::new(Mutex::new(dhcp6_client));
        let fragments = Arc::new(Mutex::new(reassembly));
        let rooms = tokio::spawn({
            let (bus, injector, stop) = (bus.clone(), injector.clone(), stop.clone());
            async move {
                let nd = supervise(
                    "nd",
                    stop.clone(),
                    || NdTask::run(bus.clone(), injector.clone(), nd_inbox.clone()),
                    || bus.engine(EngineMessage::NdRestarted),
                );
                let ra = supervise(
                    "ra",
                    stop.clone(),
                    || RaTask::run(bus.clone(), injector.clone(), ra_inbox.clone()),
                    || bus.engine(EngineMessage::RaRestarted),
                );
                let mld = supervise(
                    "mld",
                    stop.clone(),
                    || MldTask::run(injector.clone(), mld_inbox.clone()),
                    || bus.engine(EngineMessage::MldRestarted),
                );
                let dhcp6 = supervise(
                    "dhcp6",
                    stop.clone(),
                    || Dhcp6Task::run(means.clone(), dhcp6_inbox.clone()),
                    || bus.engine(EngineMessage::Dhcp6Restarted),
                );
                let dhcp4 = supervise(
                    "dhcp4",
                    stop.clone(),
                    || Dhcp4Task::run(means4.clone(), dhcp4_inbox.clone()),
                    || bus.engine(EngineMessage::Dhcp4Restarted),
                );
                let relay6 = supervise(
                    "relay6",
                    stop.clone(),
                    || Relay6Task::run(relay_means.clone(), relay6_inbox.clone()),
                    || bus.engine(EngineMessage::Relay6Restarted),
                );
                let relay4 = supervise(
                    "relay4",
                    stop.clone(),
                    || Relay4Task::run(injector.clone(), relay4_inbox.clone()),
                    || bus.engine(EngineMessage::Relay4Restarted),
                );
                let dhcp6_client = supervise(
                    "dhcp6_client",
                    stop.clone(),
                    || Dhcp6ClientTask::run(client_means.clone(), dhcp6_client_inbox.clone()),
                    || bus.engine(EngineMessage::Dhcp6ClientRestarted),
                );
                // It has no configuration: nobody needs to know that it started again.
                let reassembly = supervise(
                    "reassembly",
                    stop.clone(),
                    || ReassemblyTask::run(bus.clone(), injector.clone(), fragments.clone()),
                    || (),
                );
                tokio::join!(
                    nd,
                    ra,
                    mld,
                    dhcp6,
                    dhcp4,
                    relay6,
                    relay4,
                    dhcp6_client,
                    reassembly
                );
            }
        });

        let punt_counters = Arc::new(punt::Counters::default());
        let punt_thread = std::thread::Builder::new()
            .name("hextet-punt".into())
            .spawn({
                let (bus, counters, stop) = (bus.clone(), punt_counters.clone(), stop_punt.clone());
                move || punt::run(side.punts, &bus, &counters, &stop)
            })?;
        let liveness = Liveness {
            punts: side.urgent_punts,
            inbox: liveness_inbox,
            bus: bus.clone(),
            injector: injector.clone(),
            stop: stop_punt.clone(),
        };
        let liveness_thread = std::thread::Builder::new()
            .name("hextet-liveness".into())
            .spawn(move || liveness.run())?;
        let pair_thread = match (&model.pair, side.flow_peer) {
            (Some(pair), Some(flows)) => {
                let means = crate::rooms::pair::Means {
                    pair: pair.clone(),
                    flows,
                    reader: side.qsbr.register()?,
                    inbox: pair_inbox,
                    keepers,
                    events: bus.events().clone(),
                    stop: stop.clone(),
                };
                let thread = std::thread::Builder::new().name("hextet-pair".into());
                Some(thread.spawn(move || PairTask::run(means))?)
            }
            // Nobody listens to what would be told.
            _ => None,
        };
        let system = model.system.clone();
        let engine_thread = std::thread::Builder::new()
            .name("hextet-engine".into())
            .spawn(move || {
                engine.start(model);
                engine.run(&engine_inbox)
            })?;

        let (traces, captures) = side
            .watches
            .into_iter()
            .map(|watch| (watch.traces, watch.captures))
            .unzip();
        let appliance = Arc::new(Router {
            engine: handle.clone(),
            bus: bus.clone(),
            counters,
            injector: injector.clone(),
            disk,
            punts: punt_counters.clone(),
            observers: Observers::new(traces, captures, stop.clone()),
            started,
            config_file: file.to_owned(),
            reloading: tokio::sync::Mutex::default(),
            idle: system.idle,
            cpus: devices::worker_cpus(&system.workers),
        });
        let api = tokio::spawn(socket.serve(appliance.clone(), stop.clone()));
        let exporter = metrics_listener.map(|listener| {
            tokio::spawn(metrics::serve(listener, appliance.clone(), stop.clone()))
        });

        wait_until_configured(&handle).await?;
        info!(config = %file.display(), "ready");
        // Without a service manager there is nobody to tell.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);

        let ended = until_told(&handle, &appliance).await;
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        info!("stopping");
        // Others take over at once; what we advertised for virtual routers is theirs to go on with.
        bus.leave_virtual_routers().await;
        let _ = handle.ask(|_| ()).await;
        bus.ra_shutdown().await;
        tokio::time::sleep(FAREWELL).await;
        stop.cancel();
        stop_punt.store(true, Ordering::Relaxed);
        bus.engine(EngineMessage::Shutdown);
        let _ = tokio::join!(rooms, api);
        if let Some(exporter) = exporter {
            let _ = exporter.await;
        }
        let joined = tokio::task::spawn_blocking(move || {
            let _ = punt_thread.join();
            let _ = liveness_thread.join();
            if let Some(thread) = pair_thread {
                let _ = thread.join();
            }
            engine_thread.join()
        })
        .await?;
        let Ok(dataplane) = joined else {
            bail!("the engine failed")
        };
        for fault in dataplane.stop() {
            warn!(
                fault = format!("{:#}", anyhow::Error::from(fault)),
                "while stopping"
            );
        }
        ended
    }
}

/// The leases' store. Without it the router does everything else, and gives no leases rather than forget them.
fn lease_store(model: &Model) -> Option<Arc<Disk>> {
    match leases::open(&model.system.state_dir, model) {
        Ok(disk) => Some(Arc::new(disk)),
        Err(error) => {
            let error = chain(error);
            error!(%error, "no DHCP leases are given");
            None
        }
    }
}

/// The store of prefixes delegated behind the DHCPv6 relay: other servers' leases, which ours must not take for its own.
fn relay_store(model: &Model) -> Option<Arc<Disk>> {
    match leases::open_relayed(&model.system.state_dir.join("relay"), model) {
        Ok(disk) => Some(Arc::new(disk)),
        Err(error) => {
            let error = chain(error);
            error!(%error, "no delegation passes the DHCPv6 relay");
            None
        }
    }
}

/// Who keeps what the other router of a pair tells, but for flows.
fn keepers(bus: &Bus) -> Keepers {
    let engine = |_| {
        let bus = bus.clone();
        let keeper: Keeper = Box::new(move |message| bus.engine(EngineMessage::Pair(message)));
        keeper
    };
    let kinds = [Kind::Neighbor, Kind::Station, Kind::Binding];
    kinds.map(|kind| (kind, engine(kind))).into()
}

/// Which half of what is free the DHCP servers give beside those of the other router, and the way there.
fn peer(model: &Model, bus: &Bus) -> Option<(Half, Arc<Way>)> {
    let pair = model.pair.as_ref()?;
    // Both know both addresses, and that they differ.
    let half = match pair.local < pair.peer {
        true => Half::Even,
        false => Half::Odd,
    };
    Some((half, Way::new(bus.clone())))
}

/// Who the DHCP servers are: of a pair both routers are the same ones.
fn identity_of_server(own: &Identity, model: &Model) -> Identity {
    let key = model.pair.as_ref().map(|pair| Key::read(&pair.key_file));
    match key {
        Some(Ok(key)) => Identity::of_pair(key.bytes(), RETENTION),
        Some(Err(error)) => {
            let error = chain(error);
            error!(%error, "the DHCPv6 server is another one than that of the other router");
            own.clone()
        }
        None => own.clone(),
    }
}

/// Who this router is to DHCPv6.
fn identity(store: &Store) -> anyhow::Result<Identity> {
    let ServerIdentity { duid, secret } = store.server_identity().map_err(chain)?;
    Ok(Identity {
        duid,
        secret: Secret(secret),
        retention: RETENTION,
    })
}

/// What the DHCPv4 server keeps over restarts: made from what the other server keeps.
fn identity4(identity: &Identity) -> protocols::dhcp4::Identity {
    let key = u128::from_be_bytes(identity.secret.key(b"4"));
    protocols::dhcp4::Identity {
        secret: [(key >> 64) as u64, key as u64],
        retention: identity.retention,
    }
}

/// Returns once the engine has applied the configuration: it answers questions after that.
async fn wait_until_configured(engine: &EngineHandle) -> anyhow::Result<()> {
    engine
        .ask(|_| ())
        .await
        .context("the engine failed while it configured the router")
}

/// Waits for SIGTERM or SIGINT; SIGHUP reloads. A dead worker ends the process with an error.
async fn until_told(engine: &EngineHandle, appliance: &Arc<Router>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut health = tokio::time::interval(HEALTH);
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => {
                if let Err(error) = appliance.reload(api::ReloadRequest { dry_run: false }).await {
                    error!(%error, "reload");
                }
            }
            _ = health.tick() => match engine.ask(|engine| engine.dead_worker()).await {
                Some(None) => {}
                Some(Some(worker)) => bail!("worker {worker} has ended: the packet path is broken"),
                None => bail!("the engine has ended"),
            },
        }
    }
}

fn tell_start(dataplane: &Dataplane, model: &Model) {
    if !dataplane.eal().hugepages() && model.system.hugepages == crate::model::Hugepages::Auto {
        warn!("no free hugepages: running on ordinary memory (vm.nr_hugepages reserves some)");
    }
    for (port, open) in dataplane.ports() {
        let name = &open.spec().name;
        info!(device = %name, %port, driver = %open.info.driver, mac = %wire::MacAddr(open.mac), "device");
        for notice in &open.notices {
            warn!(device = %name, "{notice}");
        }
    }
    match &model.system.workers {
        Workers::Count(n) => info!(workers = n, idle = ?model.system.idle, "polling"),
        Workers::Cpus(cpus) => info!(?cpus, idle = ?model.system.idle, "polling"),
    }
}

/// An error with its causes in one line.
fn chain(error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
    anyhow::anyhow!("{:#}", anyhow::Error::from(error))
}
