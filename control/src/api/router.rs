//! Paths to methods of the appliance.

use std::sync::Arc;

use api::{
    Accounting, AddLease, AddRoute, BfdSession, Binding, BindingQuery, Counters, DelRoute,
    Delegation, Denied, Device, DhcpClient, DhcpClientOrdered, Drop, ExplainQuery, Flow, FlowQuery,
    FlowUsage, ImportLeases, Interface, InterfaceAddress, Lease, LeaseChanges, LeaseExport,
    LeaseFormat, LeasePool, LeaseQuery, NeighFlush, NeighFlushed, Neighbor, Network,
    OrderDhcpClient, PairSync, Port, PortBinding, RaState, Relay, ReleaseLease, ReloadRequest,
    Route, RouteBatch, RouteChanges, RouteExplain, RouteQuery, SecurityGroup, Station,
    StationQuery, Status, VirtualRouter, Vtep, Worker,
};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio_util::sync::CancellationToken;

use super::body::{JsonBody, TextBody};
use super::params::Params;
use super::{Appliance, Error, check, stream};

/// What every handler gets.
struct Server<A> {
    appliance: Arc<A>,
    /// Ends the streams, which would otherwise outlive a graceful shutdown.
    stop: CancellationToken,
}

// Derived, it would ask for `A: Clone`.
impl<A> Clone for Server<A> {
    fn clone(&self) -> Self {
        Self {
            appliance: Arc::clone(&self.appliance),
            stop: self.stop.clone(),
        }
    }
}

type Answer<T> = Result<Json<T>, Error>;

/// The API on an appliance; `stop` ends its streams.
pub fn router<A: Appliance>(appliance: Arc<A>, stop: CancellationToken) -> Router {
    Router::new()
        .route("/v1/status", get(status::<A>))
        .route("/v1/devices", get(devices::<A>))
        .route("/v1/interfaces", get(interfaces::<A>))
        .route("/v1/ports", get(ports::<A>))
        .route("/v1/ports/bindings", get(port_bindings::<A>))
        .route("/v1/ports/denied", get(denied::<A>))
        .route("/v1/security-groups", get(security_groups::<A>))
        .route("/v1/flows", get(flows::<A>))
        .route("/v1/flows/usage", get(flow_usage::<A>))
        .route("/v1/networks", get(networks::<A>))
        .route("/v1/stations", get(stations::<A>))
        .route("/v1/bindings", get(bindings::<A>))
        .route("/v1/vteps", get(vteps::<A>))
        .route("/v1/addresses", get(addresses::<A>))
        .route(
            "/v1/routes",
            get(routes::<A>).post(add_route::<A>).delete(del_route::<A>),
        )
        .route("/v1/routes/explain", get(explain::<A>))
        .route("/v1/routes/batch", post(change_routes::<A>))
        .route("/v1/neighbors", get(neighbors::<A>))
        .route("/v1/neighbors/flush", post(flush_neighbors::<A>))
        .route("/v1/vrrp", get(vrrp::<A>))
        .route("/v1/sync", get(sync::<A>))
        .route("/v1/bfd", get(bfd::<A>))
        .route("/v1/ra", get(ra::<A>))
        .route(
            "/v1/leases",
            get(leases::<A>)
                .post(add_lease::<A>)
                .delete(release_lease::<A>),
        )
        .route("/v1/leases/export", get(export_leases::<A>))
        .route("/v1/leases/import", post(import_leases::<A>))
        .route("/v1/pools", get(pools::<A>))
        .route("/v1/delegations", get(delegations::<A>))
        .route("/v1/relays", get(relays::<A>))
        .route(
            "/v1/dhcp-client",
            get(dhcp_clients::<A>).post(order_dhcp_client::<A>),
        )
        .route("/v1/workers", get(workers::<A>))
        .route("/v1/drops", get(drops::<A>))
        .route("/v1/counters", get(counters::<A>))
        .route("/v1/accounting", get(accounting::<A>))
        .route("/v1/reload", post(reload::<A>))
        .route("/v1/events", get(events::<A>))
        .route("/v1/trace", get(trace::<A>))
        .route("/v1/capture", get(capture::<A>))
        .fallback(|uri: Uri| async move { Error::NoSuchPath(uri.path().to_owned()) })
        .method_not_allowed_fallback(|uri: Uri| async move {
            Error::NoSuchMethod(uri.path().to_owned())
        })
        // `JsonBody` has its own limit.
        .layer(DefaultBodyLimit::disable())
        .with_state(Server { appliance, stop })
}

async fn status<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Status> {
    p.finish()?;
    s.appliance.status().await.map(Json)
}

async fn devices<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<Device>> {
    p.finish()?;
    s.appliance.devices().await.map(Json)
}

async fn interfaces<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<Interface>> {
    p.finish()?;
    s.appliance.interfaces().await.map(Json)
}

async fn addresses<A: Appliance>(
    State(s): State<Server<A>>,
    p: Params,
) -> Answer<Vec<InterfaceAddress>> {
    p.finish()?;
    let rows = s
        .appliance
        .interfaces()
        .await?
        .into_iter()
        .flat_map(|interface| {
            let Interface {
                name,
                router,
                addresses,
                ..
            } = interface;
            addresses.into_iter().map(move |address| InterfaceAddress {
                interface: name.clone(),
                router: router.clone(),
                address,
            })
        });
    Ok(Json(rows.collect()))
}

async fn ports<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<Port>> {
    p.finish()?;
    s.appliance.ports().await.map(Json)
}

/// The parameters that select flows and bindings of ports.
fn flow_query(mut p: Params) -> Result<FlowQuery, Error> {
    let query = FlowQuery {
        port: p.name("port")?,
        limit: p.parsed("limit")?,
    };
    p.finish()?;
    Ok(query)
}

async fn port_bindings<A: Appliance>(
    State(s): State<Server<A>>,
    p: Params,
) -> Answer<Vec<PortBinding>> {
    s.appliance.port_bindings(flow_query(p)?).await.map(Json)
}

async fn denied<A: Appliance>(State(s): State<Server<A>>, mut p: Params) -> Answer<Vec<Denied>> {
    let port = p.name("port")?;
    p.finish()?;
    let port = port.ok_or_else(|| Error::invalid("port", "missing"))?;
    s.appliance.denied(port).await.map(Json)
}

async fn security_groups<A: Appliance>(
    State(s): State<Server<A>>,
    mut p: Params,
) -> Answer<Vec<SecurityGroup>> {
    let name = p.name("name")?;
    p.finish()?;
    s.appliance.security_groups(name).await.map(Json)
}

async fn flows<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<Flow>> {
    s.appliance.flows(flow_query(p)?).await.map(Json)
}

async fn flow_usage<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<FlowUsage> {
    p.finish()?;
    s.appliance.flow_usage().await.map(Json)
}

async fn networks<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<Network>> {
    p.finish()?;
    s.appliance.networks().await.map(Json)
}

async fn stations<A: Appliance>(State(s): State<Server<A>>, mut p: Params) -> Answer<Vec<Station>> {
    let query = StationQuery {
        network: p.name("network")?,
        mac: p.parsed("mac")?,
        limit: p.parsed("limit")?,
    };
    p.finish()?;
    s.appliance.stations(query).await.map(Json)
}

async fn bindings<A: Appliance>(State(s): State<Server<A>>, mut p: Params) -> Answer<Vec<Binding>> {
    let query = BindingQuery {
        network: p.name("network")?,
        address: p.parsed("address")?,
        limit: p.parsed("limit")?,
    };
    p.finish()?;
    s.appliance.bindings(query).await.map(Json)
}

async fn vteps<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<Vtep>> {
    p.finish()?;
    s.appliance.vteps().await.map(Json)
}

async fn routes<A: Appliance>(State(s): State<Server<A>>, mut p: Params) -> Answer<Vec<Route>> {
    let query = RouteQuery {
        router: p.name("router")?,
        prefix: p.prefix("prefix")?,
    };
    p.finish()?;
    s.appliance.routes(query).await.map(Json)
}

async fn explain<A: Appliance>(State(s): State<Server<A>>, mut p: Params) -> Answer<RouteExplain> {
    let router = p.name("router")?;
    let address = p
        .address("address")?
        .ok_or_else(|| Error::invalid("address", "missing"))?;
    p.finish()?;
    s.appliance
        .explain(ExplainQuery { router, address })
        .await
        .map(Json)
}

async fn add_route<A: Appliance>(
    State(s): State<Server<A>>,
    p: Params,
    JsonBody(route): JsonBody<AddRoute>,
) -> Answer<RouteChanges> {
    p.finish()?;
    check::add(&route)?;
    s.appliance.add_route(route).await.map(Json)
}

async fn del_route<A: Appliance>(
    State(s): State<Server<A>>,
    mut p: Params,
) -> Answer<RouteChanges> {
    let router = p.name("router")?;
    let prefix = p
        .prefix("prefix")?
        .ok_or_else(|| Error::invalid("prefix", "missing"))?;
    p.finish()?;
    let route = DelRoute { router, prefix };
    check::delete(&route)?;
    s.appliance.del_route(route).await.map(Json)
}

async fn change_routes<A: Appliance>(
    State(s): State<Server<A>>,
    p: Params,
    JsonBody(batch): JsonBody<RouteBatch>,
) -> Answer<RouteChanges> {
    p.finish()?;
    check::batch(&batch)?;
    s.appliance.change_routes(batch).await.map(Json)
}

async fn neighbors<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<Neighbor>> {
    p.finish()?;
    s.appliance.neighbors().await.map(Json)
}

async fn flush_neighbors<A: Appliance>(
    State(s): State<Server<A>>,
    p: Params,
    JsonBody(flush): JsonBody<NeighFlush>,
) -> Answer<NeighFlushed> {
    p.finish()?;
    s.appliance.flush_neighbors(flush).await.map(Json)
}

async fn ra<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<RaState>> {
    p.finish()?;
    s.appliance.ra().await.map(Json)
}

async fn leases<A: Appliance>(State(s): State<Server<A>>, mut p: Params) -> Answer<Vec<Lease>> {
    let query = LeaseQuery {
        router: p.name("router")?,
        pool: p.name("pool")?,
        client: p.name("client")?,
        within: p.prefix("within")?,
        kind: p.parsed("kind")?,
        limit: p.parsed("limit")?,
    };
    p.finish()?;
    s.appliance.leases(query).await.map(Json)
}

async fn delegations<A: Appliance>(
    State(s): State<Server<A>>,
    p: Params,
) -> Answer<Vec<Delegation>> {
    p.finish()?;
    s.appliance.delegations().await.map(Json)
}

async fn pools<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<LeasePool>> {
    p.finish()?;
    s.appliance.pools().await.map(Json)
}

async fn sync<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<PairSync>> {
    p.finish()?;
    s.appliance.sync().await.map(Json)
}

async fn bfd<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<BfdSession>> {
    p.finish()?;
    s.appliance.bfd().await.map(Json)
}

async fn vrrp<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<VirtualRouter>> {
    p.finish()?;
    s.appliance.vrrp().await.map(Json)
}

async fn relays<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<Relay>> {
    p.finish()?;
    s.appliance.relays().await.map(Json)
}

async fn add_lease<A: Appliance>(
    State(s): State<Server<A>>,
    p: Params,
    JsonBody(lease): JsonBody<AddLease>,
) -> Answer<LeaseChanges> {
    p.finish()?;
    s.appliance.add_lease(lease).await.map(Json)
}

async fn release_lease<A: Appliance>(
    State(s): State<Server<A>>,
    mut p: Params,
) -> Answer<LeaseChanges> {
    let resource = p
        .name("resource")?
        .ok_or_else(|| Error::invalid("resource", "missing"))?;
    let router = p.name("router")?;
    p.finish()?;
    let release = ReleaseLease { resource, router };
    s.appliance.release_lease(release).await.map(Json)
}

async fn export_leases<A: Appliance>(
    State(s): State<Server<A>>,
    mut p: Params,
) -> Result<Response, Error> {
    let query = LeaseExport {
        format: p.parsed("format")?.unwrap_or(LeaseFormat::Csv),
        family: p.parsed("family")?,
    };
    p.finish()?;
    let kind = match query.format {
        LeaseFormat::Csv => "text/csv; charset=utf-8",
        LeaseFormat::Json | LeaseFormat::Unknown => "application/json",
    };
    let text = s.appliance.export_leases(query).await?;
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}

async fn import_leases<A: Appliance>(
    State(s): State<Server<A>>,
    mut p: Params,
    TextBody(text): TextBody,
) -> Result<Response, Error> {
    let format = p.parsed("format")?;
    p.finish()?;
    let import = ImportLeases { format, text };
    let imported = s.appliance.import_leases(import).await?;
    Ok((status_of(imported.faults.is_empty()), Json(imported)).into_response())
}

/// What is wrong with a file is an answer of its own kind.
fn status_of(is_sound: bool) -> StatusCode {
    match is_sound {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

async fn dhcp_clients<A: Appliance>(
    State(s): State<Server<A>>,
    p: Params,
) -> Answer<Vec<DhcpClient>> {
    p.finish()?;
    s.appliance.dhcp_clients().await.map(Json)
}

async fn order_dhcp_client<A: Appliance>(
    State(s): State<Server<A>>,
    p: Params,
    JsonBody(order): JsonBody<OrderDhcpClient>,
) -> Answer<DhcpClientOrdered> {
    p.finish()?;
    s.appliance.order_dhcp_client(order).await.map(Json)
}

async fn workers<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<Worker>> {
    p.finish()?;
    s.appliance.workers().await.map(Json)
}

async fn drops<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Vec<Drop>> {
    p.finish()?;
    s.appliance.drops().await.map(Json)
}

async fn counters<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Answer<Counters> {
    p.finish()?;
    s.appliance.counters().await.map(Json)
}

async fn accounting<A: Appliance>(
    State(s): State<Server<A>>,
    p: Params,
) -> Answer<Vec<Accounting>> {
    p.finish()?;
    s.appliance.accounting().await.map(Json)
}

async fn reload<A: Appliance>(
    State(s): State<Server<A>>,
    p: Params,
    JsonBody(request): JsonBody<ReloadRequest>,
) -> Result<Response, Error> {
    p.finish()?;
    let response = s.appliance.reload(request).await?;
    Ok((status_of(response.faults.is_empty()), Json(response)).into_response())
}

async fn events<A: Appliance>(
    State(s): State<Server<A>>,
    mut p: Params,
) -> Result<Response, Error> {
    let count = p.parsed("count")?;
    p.finish()?;
    if count == Some(0) {
        return Err(Error::invalid("count", "must be 1 or more"));
    }
    let records = s.appliance.events(count).await?;
    Ok(stream::respond(
        records,
        line,
        "application/x-ndjson",
        &s.stop,
    ))
}

async fn trace<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Result<Response, Error> {
    let events = s.appliance.trace(p.trace()?).await?;
    Ok(stream::respond(
        events,
        line,
        "application/x-ndjson",
        &s.stop,
    ))
}

async fn capture<A: Appliance>(State(s): State<Server<A>>, p: Params) -> Result<Response, Error> {
    let pieces = s.appliance.capture(p.capture()?).await?;
    Ok(stream::respond(
        pieces,
        Bytes::from,
        "application/x-pcapng",
        &s.stop,
    ))
}

/// A record as a line of JSON.
fn line<T: serde::Serialize>(event: T) -> Bytes {
    // A struct with string keys only cannot fail to serialize; were it to, the line would be left out.
    let mut line = serde_json::to_vec(&event).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}
