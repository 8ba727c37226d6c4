//! The appliance as the API and the metrics see it.

use std::future::Future;

use api::{
    Accounting, AddLease, AddRoute, BfdSession, Binding, BindingQuery, CaptureRequest, Counters,
    DelRoute, Delegation, Denied, Device, DhcpClient, DhcpClientOrdered, Drop, Event, ExplainQuery,
    Flow, FlowQuery, FlowUsage, ImportLeases, Interface, Lease, LeaseChanges, LeaseExport,
    LeaseImported, LeasePool, LeaseQuery, NeighFlush, NeighFlushed, Neighbor, Network,
    OrderDhcpClient, PairSync, Port, PortBinding, RaState, Relay, ReleaseLease, ReloadRequest,
    ReloadResponse, Route, RouteBatch, RouteChanges, RouteExplain, RouteQuery, SecurityGroup,
    Station, StationQuery, Status, TraceEvent, TraceRequest, VirtualRouter, Vtep, Worker,
};
use tokio::sync::mpsc;

use super::Error;

/// What the runtime offers to the API and to the metrics exporter.
///
/// Requests arrive checked for everything that can be told without knowing the appliance (see `check`); what is left
/// to the implementation is whether the names exist and whether the change contradicts what is there. A method that
/// returns an error has changed nothing.
pub trait Appliance: Send + Sync + 'static {
    /// How the appliance fares; must answer even when a worker does not.
    fn status(&self) -> impl Future<Output = Result<Status, Error>> + Send;

    /// Devices, in the order of the configuration.
    fn devices(&self) -> impl Future<Output = Result<Vec<Device>, Error>> + Send;

    /// Interfaces, in the order of the configuration.
    fn interfaces(&self) -> impl Future<Output = Result<Vec<Interface>, Error>> + Send;

    /// Ports of tenants' machines, in the order of the configuration.
    fn ports(&self) -> impl Future<Output = Result<Vec<Port>, Error>> + Send;

    /// Addresses of links with ports that the query selects, by link and address.
    fn port_bindings(
        &self,
        query: FlowQuery,
    ) -> impl Future<Output = Result<Vec<PortBinding>, Error>> + Send;

    /// The last packets of a port that did not pass, the newest first.
    fn denied(&self, port: String) -> impl Future<Output = Result<Vec<Denied>, Error>> + Send;

    /// Security groups, in the order of the configuration; with a name, that one.
    fn security_groups(
        &self,
        name: Option<String>,
    ) -> impl Future<Output = Result<Vec<SecurityGroup>, Error>> + Send;

    /// Flows that the query selects.
    fn flows(&self, query: FlowQuery) -> impl Future<Output = Result<Vec<Flow>, Error>> + Send;

    /// How full the table of flows is.
    fn flow_usage(&self) -> impl Future<Output = Result<FlowUsage, Error>> + Send;

    /// Layer-2 networks, in the order of the configuration.
    fn networks(&self) -> impl Future<Output = Result<Vec<Network>, Error>> + Send;

    /// Stations that the query selects, by network and address.
    fn stations(
        &self,
        query: StationQuery,
    ) -> impl Future<Output = Result<Vec<Station>, Error>> + Send;

    /// Bindings that the query selects, by network and address.
    fn bindings(
        &self,
        query: BindingQuery,
    ) -> impl Future<Output = Result<Vec<Binding>, Error>> + Send;

    /// Peers of tunnels, in the order of the configuration.
    fn vteps(&self) -> impl Future<Output = Result<Vec<Vtep>, Error>> + Send;

    /// Routes that the query selects, by router and prefix.
    fn routes(&self, query: RouteQuery) -> impl Future<Output = Result<Vec<Route>, Error>> + Send;

    /// Why packets to an address go where they go.
    fn explain(
        &self,
        query: ExplainQuery,
    ) -> impl Future<Output = Result<RouteExplain, Error>> + Send;

    /// Adds a route, or replaces the API's own for the same prefix.
    fn add_route(
        &self,
        route: AddRoute,
    ) -> impl Future<Output = Result<RouteChanges, Error>> + Send;

    /// Deletes a route of the API.
    fn del_route(
        &self,
        route: DelRoute,
    ) -> impl Future<Output = Result<RouteChanges, Error>> + Send;

    /// Makes all changes, in order, or none. An error's field starts with `changes[N]`.
    fn change_routes(
        &self,
        batch: RouteBatch,
    ) -> impl Future<Output = Result<RouteChanges, Error>> + Send;

    /// Neighbours, by interface and address.
    fn neighbors(&self) -> impl Future<Output = Result<Vec<Neighbor>, Error>> + Send;

    /// Forgets learned neighbours.
    fn flush_neighbors(
        &self,
        flush: NeighFlush,
    ) -> impl Future<Output = Result<NeighFlushed, Error>> + Send;

    /// Router advertisement, interface by interface.
    fn ra(&self) -> impl Future<Output = Result<Vec<RaState>, Error>> + Send;

    /// Leases that the query selects, by resource.
    fn leases(&self, query: LeaseQuery) -> impl Future<Output = Result<Vec<Lease>, Error>> + Send;

    /// Subnets and prefix pools that are leased out, link by link.
    fn pools(&self) -> impl Future<Output = Result<Vec<LeasePool>, Error>> + Send;

    /// Prefixes that are delegated to us, by router, uplink and prefix.
    fn delegations(&self) -> impl Future<Output = Result<Vec<Delegation>, Error>> + Send;

    /// The other router of a pair, if there is one.
    fn sync(&self) -> impl Future<Output = Result<Vec<PairSync>, Error>> + Send;

    /// BFD sessions, by interface and peer.
    fn bfd(&self) -> impl Future<Output = Result<Vec<BfdSession>, Error>> + Send;

    /// Virtual routers, by interface, IP version and VRID.
    fn vrrp(&self) -> impl Future<Output = Result<Vec<VirtualRouter>, Error>> + Send;

    /// Links that DHCP is relayed for, by interface and family.
    fn relays(&self) -> impl Future<Output = Result<Vec<Relay>, Error>> + Send;

    /// Gives a lease; it is on disk when this returns.
    fn add_lease(
        &self,
        lease: AddLease,
    ) -> impl Future<Output = Result<LeaseChanges, Error>> + Send;

    /// All leases as a file.
    fn export_leases(
        &self,
        query: LeaseExport,
    ) -> impl Future<Output = Result<String, Error>> + Send;

    /// Imports a file of leases, all or none; on disk when this returns. Faults of the file are an answer, not an error.
    fn import_leases(
        &self,
        import: ImportLeases,
    ) -> impl Future<Output = Result<LeaseImported, Error>> + Send;

    /// Ends the lease of a resource, or lifts its quarantine; on disk when this returns.
    fn release_lease(
        &self,
        release: ReleaseLease,
    ) -> impl Future<Output = Result<LeaseChanges, Error>> + Send;

    /// The DHCPv6 client's uplinks, by name.
    fn dhcp_clients(&self) -> impl Future<Output = Result<Vec<DhcpClient>, Error>> + Send;

    /// Gives an uplink's client an order.
    fn order_dhcp_client(
        &self,
        order: OrderDhcpClient,
    ) -> impl Future<Output = Result<DhcpClientOrdered, Error>> + Send;

    /// Workers.
    fn workers(&self) -> impl Future<Output = Result<Vec<Worker>, Error>> + Send;

    /// Every drop reason with its count, zero or not.
    fn drops(&self) -> impl Future<Output = Result<Vec<Drop>, Error>> + Send;

    /// Everything else that is counted.
    fn counters(&self) -> impl Future<Output = Result<Counters, Error>> + Send;

    /// The books of every worker, each read between two bursts of that worker.
    fn accounting(&self) -> impl Future<Output = Result<Vec<Accounting>, Error>> + Send;

    /// Reads the configuration file again. Faults of the file are an answer, not an error.
    fn reload(
        &self,
        request: ReloadRequest,
    ) -> impl Future<Output = Result<ReloadResponse, Error>> + Send;

    /// Tells changes of state from now on, at most `count`; it ends as a trace does.
    fn events(
        &self,
        count: Option<u64>,
    ) -> impl Future<Output = Result<mpsc::Receiver<Event>, Error>> + Send;

    /// Starts a trace; it ends when the receiver is dropped, or when the sender is.
    fn trace(
        &self,
        request: TraceRequest,
    ) -> impl Future<Output = Result<mpsc::Receiver<TraceEvent>, Error>> + Send;

    /// Starts a capture: pieces of a pcapng file, to be joined. It ends as a trace does.
    fn capture(
        &self,
        request: CaptureRequest,
    ) -> impl Future<Output = Result<mpsc::Receiver<Vec<u8>>, Error>> + Send;
}
