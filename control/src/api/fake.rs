//! An appliance without a router: it serves the samples, and keeps what it was asked to change.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::{
    Accounting, AddLease, AddRoute, BfdSession, Binding, BindingQuery, CaptureRequest, Counters,
    DelRoute, Delegation, Denied, Device, DhcpClient, DhcpClientOrdered, Drop, Event, ExplainQuery,
    Flow, FlowQuery, FlowUsage, ImportLeases, Interface, Lease, LeaseChanges, LeaseExport,
    LeaseFault, LeaseFormat, LeaseImported, LeasePool, LeaseQuery, NeighFlush, NeighFlushed,
    Neighbor, Network, OrderDhcpClient, PairSync, Port, PortBinding, RaState, Relay, ReleaseLease,
    ReloadRequest, ReloadResponse, Route, RouteBatch, RouteChange, RouteChanges, RouteExplain,
    RouteNextHop, RouteQuery, RouteSource, SecurityGroup, Station, StationQuery, Status,
    TraceEvent, TraceRequest, VirtualRouter, Vtep, Worker, sample,
};
use ipnet::IpNet;
use lease::export::{self, Format};
use tokio::sync::mpsc;

use super::{Appliance, Error};

/// The fake.
#[derive(Debug)]
pub struct Fake {
    routes: Mutex<Vec<Route>>,
    /// Answers of the next reloads, last first; the sample when there is none.
    pub reloads: Mutex<Vec<ReloadResponse>>,
    /// What `status` says.
    pub status: Mutex<Status>,
    /// Requests for traces and captures, in text.
    pub watched: Mutex<Vec<String>>,
    /// Traces under way whose client has not hung up.
    pub traces: &'static AtomicUsize,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            routes: Mutex::new(sample::routes()),
            reloads: Mutex::default(),
            status: Mutex::new(sample::status()),
            watched: Mutex::default(),
            traces: Box::leak(Box::default()),
        }
    }
}

const POISONED: &str = "no test panics while it holds the lock";

impl Fake {
    /// The routes as they are now.
    pub fn routes_now(&self) -> Vec<Route> {
        self.routes.lock().expect(POISONED).clone()
    }

    fn add(routes: &mut Vec<Route>, route: AddRoute) -> Result<RouteChanges, Error> {
        let router = known_router(route.router)?;
        let same = |r: &&mut Route| r.router == router && r.prefix == route.prefix;
        let next_hops = route.next_hops.into_iter().map(|hop| RouteNextHop {
            interface: hop.interface,
            via: hop.via,
            weight: hop.weight,
            resolved: false,
        });
        let new = Route {
            to_router: None,
            router: router.clone(),
            prefix: route.prefix,
            source: RouteSource::Api,
            distance: 1,
            kind: route.kind,
            next_hops: next_hops.collect(),
            installed: true,
        };
        match routes.iter_mut().find(same) {
            Some(old) if old.source != RouteSource::Api => Err(Error::conflict(
                "prefix",
                format!("{} is a {} route", old.prefix, old.source),
            )),
            Some(old) => {
                *old = new;
                Ok(RouteChanges {
                    replaced: 1,
                    ..RouteChanges::default()
                })
            }
            None => {
                routes.push(new);
                Ok(RouteChanges {
                    added: 1,
                    ..RouteChanges::default()
                })
            }
        }
    }

    fn del(routes: &mut Vec<Route>, route: DelRoute) -> Result<RouteChanges, Error> {
        let router = known_router(route.router)?;
        let before = routes.len();
        routes.retain(|r| {
            (&r.router, r.prefix, r.source) != (&router, route.prefix, RouteSource::Api)
        });
        match before - routes.len() {
            0 => {
                let message = format!("router {router} has no route {} of the API", route.prefix);
                Err(Error::not_found("prefix", message))
            }
            _ => Ok(RouteChanges {
                deleted: 1,
                ..RouteChanges::default()
            }),
        }
    }
}

fn fault(fault: export::Fault) -> LeaseFault {
    LeaseFault {
        line: fault.line as u64,
        field: fault.field,
        message: fault.why,
    }
}

fn known_router(router: Option<String>) -> Result<String, Error> {
    match router.as_deref() {
        None | Some("main") => Ok("main".into()),
        Some("blue") => Ok("blue".into()),
        Some(other) => Err(Error::not_found(
            "router",
            format!("there is no router `{other}`: main, blue"),
        )),
    }
}

impl Appliance for Fake {
    async fn status(&self) -> Result<Status, Error> {
        Ok(self.status.lock().expect(POISONED).clone())
    }

    async fn devices(&self) -> Result<Vec<Device>, Error> {
        Ok(sample::devices())
    }

    async fn interfaces(&self) -> Result<Vec<Interface>, Error> {
        Ok(sample::interfaces())
    }

    async fn routes(&self, query: RouteQuery) -> Result<Vec<Route>, Error> {
        let router = query
            .router
            .map(|router| known_router(Some(router)))
            .transpose()?;
        let mut routes = self.routes_now();
        routes.retain(|route| {
            router.as_ref().is_none_or(|router| *router == route.router)
                && query
                    .prefix
                    .is_none_or(|prefix| prefix.contains(&route.prefix))
        });
        Ok(routes)
    }

    async fn explain(&self, query: ExplainQuery) -> Result<RouteExplain, Error> {
        let router = known_router(query.router)?;
        Ok(RouteExplain {
            router,
            address: query.address,
            ..sample::explain()
        })
    }

    async fn add_route(&self, route: AddRoute) -> Result<RouteChanges, Error> {
        Self::add(&mut self.routes.lock().expect(POISONED), route)
    }

    async fn del_route(&self, route: DelRoute) -> Result<RouteChanges, Error> {
        Self::del(&mut self.routes.lock().expect(POISONED), route)
    }

    async fn change_routes(&self, batch: RouteBatch) -> Result<RouteChanges, Error> {
        let mut routes = self.routes.lock().expect(POISONED);
        let mut changed = routes.clone();
        let mut sum = RouteChanges::default();
        for (index, change) in batch.changes.into_iter().enumerate() {
            let (done, name) = match change {
                RouteChange::Add(route) => (Self::add(&mut changed, route), "add"),
                RouteChange::Delete(route) => (Self::del(&mut changed, route), "delete"),
            };
            let done = done.map_err(|e| e.within(&format!("changes[{index}].{name}")))?;
            sum.added += done.added;
            sum.replaced += done.replaced;
            sum.deleted += done.deleted;
        }
        *routes = changed;
        Ok(sum)
    }

    async fn neighbors(&self) -> Result<Vec<Neighbor>, Error> {
        Ok(sample::neighbors())
    }

    async fn flush_neighbors(&self, flush: NeighFlush) -> Result<NeighFlushed, Error> {
        if let Some(interface) = &flush.interface
            && !sample::interfaces()
                .iter()
                .any(|known| known.name == *interface)
        {
            return Err(Error::not_found(
                "interface",
                format!("there is no `{interface}`"),
            ));
        }
        let meant = |n: &&Neighbor| {
            flush
                .interface
                .as_ref()
                .is_none_or(|name| *name == n.interface)
                && flush.address.is_none_or(|address| address == n.address)
        };
        Ok(NeighFlushed {
            flushed: sample::neighbors().iter().filter(meant).count() as u64,
        })
    }

    async fn ra(&self) -> Result<Vec<RaState>, Error> {
        Ok(sample::ra())
    }

    async fn leases(&self, query: LeaseQuery) -> Result<Vec<Lease>, Error> {
        let mut leases = sample::leases();
        leases.retain(|lease| {
            let resource: IpNet = lease
                .resource
                .parse()
                .or_else(|_| lease.resource.parse::<IpAddr>().map(IpNet::from))
                .expect("a sample resource");
            (query.router.is_none() || query.router == lease.router)
                && (query.pool.is_none() || query.pool == lease.pool)
                && query.client.as_ref().is_none_or(|id| *id == lease.client)
                && query.within.is_none_or(|net| net.contains(&resource))
                && query.kind.is_none_or(|kind| kind == lease.kind)
        });
        leases.truncate(query.limit.unwrap_or(1000) as usize);
        Ok(leases)
    }

    async fn delegations(&self) -> Result<Vec<Delegation>, Error> {
        Ok(sample::delegations())
    }

    async fn pools(&self) -> Result<Vec<LeasePool>, Error> {
        Ok(sample::pools())
    }

    async fn ports(&self) -> Result<Vec<Port>, Error> {
        Ok(sample::ports())
    }

    async fn port_bindings(&self, query: FlowQuery) -> Result<Vec<PortBinding>, Error> {
        let mut bindings = sample::port_bindings();
        bindings.retain(|binding| query.port.is_none() || query.port == binding.port);
        bindings.truncate(query.limit.unwrap_or(1000) as usize);
        Ok(bindings)
    }

    async fn denied(&self, port: String) -> Result<Vec<Denied>, Error> {
        if sample::ports().iter().all(|known| known.name != port) {
            return Err(Error::not_found("port", format!("there is no port {port}")));
        }
        Ok(sample::denied())
    }

    async fn security_groups(&self, name: Option<String>) -> Result<Vec<SecurityGroup>, Error> {
        let mut groups = sample::security_groups();
        groups.retain(|group| name.as_ref().is_none_or(|name| *name == group.name));
        Ok(groups)
    }

    async fn flows(&self, query: FlowQuery) -> Result<Vec<Flow>, Error> {
        let mut flows = sample::flows();
        flows.retain(|flow| query.port.as_ref().is_none_or(|port| *port == flow.port));
        flows.truncate(query.limit.unwrap_or(1000) as usize);
        Ok(flows)
    }

    async fn flow_usage(&self) -> Result<FlowUsage, Error> {
        Ok(sample::flow_usage())
    }

    async fn networks(&self) -> Result<Vec<Network>, Error> {
        Ok(sample::networks())
    }

    async fn bindings(&self, query: BindingQuery) -> Result<Vec<Binding>, Error> {
        let mut bindings = sample::bindings();
        bindings.retain(|binding| {
            let network = query.network.as_ref();
            network.is_none_or(|network| *network == binding.network)
                && query
                    .address
                    .is_none_or(|address| address == binding.address)
        });
        bindings.truncate(query.limit.unwrap_or(1000) as usize);
        Ok(bindings)
    }

    async fn stations(&self, query: StationQuery) -> Result<Vec<Station>, Error> {
        let mut stations = sample::stations();
        stations.retain(|station| {
            let network = query.network.as_ref();
            network.is_none_or(|network| *network == station.network)
                && query.mac.is_none_or(|mac| mac == station.mac)
        });
        stations.truncate(query.limit.unwrap_or(1000) as usize);
        Ok(stations)
    }

    async fn vteps(&self) -> Result<Vec<Vtep>, Error> {
        Ok(sample::vteps())
    }

    async fn sync(&self) -> Result<Vec<PairSync>, Error> {
        Ok(sample::syncs())
    }

    async fn bfd(&self) -> Result<Vec<BfdSession>, Error> {
        Ok(sample::bfd_sessions())
    }

    async fn vrrp(&self) -> Result<Vec<VirtualRouter>, Error> {
        Ok(sample::virtual_routers())
    }

    async fn relays(&self) -> Result<Vec<Relay>, Error> {
        Ok(sample::relays())
    }

    async fn dhcp_clients(&self) -> Result<Vec<DhcpClient>, Error> {
        Ok(sample::dhcp_clients())
    }

    async fn order_dhcp_client(&self, order: OrderDhcpClient) -> Result<DhcpClientOrdered, Error> {
        let known = sample::dhcp_clients();
        if known
            .iter()
            .all(|uplink| uplink.interface != order.interface)
        {
            let message = format!("{} is no uplink", order.interface);
            return Err(Error::not_found("interface", message));
        }
        Ok(DhcpClientOrdered {
            interface: order.interface,
        })
    }

    async fn add_lease(&self, _: AddLease) -> Result<LeaseChanges, Error> {
        Ok(LeaseChanges {
            added: 1,
            ..LeaseChanges::default()
        })
    }

    async fn export_leases(&self, query: LeaseExport) -> Result<String, Error> {
        Ok(sample::lease_file(query.format).to_owned())
    }

    async fn import_leases(&self, import: ImportLeases) -> Result<LeaseImported, Error> {
        let format = match import.format {
            Some(LeaseFormat::Csv) => Format::Csv,
            Some(_) => Format::Json,
            None => Format::of(&import.text),
        };
        Ok(match export::import(format, &import.text) {
            Ok(leases) => LeaseImported {
                added: leases.len() as u64,
                ..LeaseImported::default()
            },
            Err(error) => LeaseImported {
                faults: error.faults.into_iter().map(fault).collect(),
                ..LeaseImported::default()
            },
        })
    }

    async fn release_lease(&self, release: ReleaseLease) -> Result<LeaseChanges, Error> {
        let ReleaseLease { resource, router } = release;
        let is_it = |lease: &Lease| {
            lease.resource == resource && (router.is_none() || lease.router == router)
        };
        if !sample::leases().iter().any(is_it) {
            let message = format!("there is no lease of {resource}");
            return Err(Error::not_found("resource", message));
        }
        Ok(LeaseChanges {
            released: 1,
            ..LeaseChanges::default()
        })
    }

    async fn workers(&self) -> Result<Vec<Worker>, Error> {
        Ok(sample::workers())
    }

    async fn drops(&self) -> Result<Vec<Drop>, Error> {
        Ok(sample::drops())
    }

    async fn counters(&self) -> Result<Counters, Error> {
        Ok(sample::counters())
    }

    async fn accounting(&self) -> Result<Vec<Accounting>, Error> {
        Ok(sample::accounting())
    }

    async fn reload(&self, request: ReloadRequest) -> Result<ReloadResponse, Error> {
        let mut response = self
            .reloads
            .lock()
            .expect(POISONED)
            .pop()
            .unwrap_or_else(sample::reload);
        response.applied &= !request.dry_run;
        Ok(response)
    }

    async fn events(&self, count: Option<u64>) -> Result<mpsc::Receiver<Event>, Error> {
        let (sender, receiver) = mpsc::channel(16);
        let count = count.map_or(usize::MAX, |count| count as usize);
        for event in sample::events().into_iter().take(count) {
            // The channel has room for all of them.
            let _ = sender.try_send(event);
        }
        Ok(receiver)
    }

    async fn trace(&self, request: TraceRequest) -> Result<mpsc::Receiver<TraceEvent>, Error> {
        self.watched
            .lock()
            .expect(POISONED)
            .push(request.query().on("trace"));
        let (sender, receiver) = mpsc::channel(4);
        let traces = self.traces;
        traces.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let events = sample::trace().into_iter().cycle();
            let count = request.count.map_or(usize::MAX, |count| count as usize);
            for event in events.take(count) {
                if sender.send(event).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            traces.fetch_sub(1, Ordering::SeqCst);
        });
        Ok(receiver)
    }

    async fn capture(&self, request: CaptureRequest) -> Result<mpsc::Receiver<Vec<u8>>, Error> {
        self.watched
            .lock()
            .expect(POISONED)
            .push(request.query().on("capture"));
        let (sender, receiver) = mpsc::channel(4);
        for piece in sample::capture() {
            // The channel has room for all of them.
            let _ = sender.try_send(piece);
        }
        Ok(receiver)
    }
}
