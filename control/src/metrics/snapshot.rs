//! Everything that a scrape exposes, asked of the appliance once.

use api::{
    Accounting, BfdSession, Counters, Delegation, Device, DhcpClient, Drop, FlowQuery, FlowUsage,
    Interface, LeasePool, Network, PairSync, Port, PortBinding, RaState, SecurityGroup, Status,
    VirtualRouter, Vtep, Worker,
};

use crate::api::{Appliance, Error};

/// The appliance's answers.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// See [`Appliance::status`].
    pub status: Status,
    /// See [`Appliance::devices`].
    pub devices: Vec<Device>,
    /// See [`Appliance::interfaces`].
    pub interfaces: Vec<Interface>,
    /// See [`Appliance::networks`].
    pub networks: Vec<Network>,
    /// See [`Appliance::vteps`].
    pub vteps: Vec<Vtep>,
    /// See [`Appliance::ports`].
    pub ports: Vec<Port>,
    /// See [`Appliance::port_bindings`]; all of them.
    pub port_bindings: Vec<PortBinding>,
    /// See [`Appliance::security_groups`].
    pub security_groups: Vec<SecurityGroup>,
    /// See [`Appliance::flow_usage`].
    pub flow_usage: FlowUsage,
    /// See [`Appliance::workers`].
    pub workers: Vec<Worker>,
    /// See [`Appliance::drops`].
    pub drops: Vec<Drop>,
    /// See [`Appliance::ra`].
    pub ra: Vec<RaState>,
    /// See [`Appliance::sync`].
    pub syncs: Vec<PairSync>,
    /// See [`Appliance::vrrp`].
    pub vrrp: Vec<VirtualRouter>,
    /// See [`Appliance::bfd`].
    pub bfd: Vec<BfdSession>,
    /// See [`Appliance::pools`].
    pub pools: Vec<LeasePool>,
    /// See [`Appliance::delegations`].
    pub delegations: Vec<Delegation>,
    /// See [`Appliance::dhcp_clients`].
    pub dhcp_clients: Vec<DhcpClient>,
    /// See [`Appliance::counters`].
    pub counters: Counters,
    /// See [`Appliance::accounting`].
    pub accounting: Vec<Accounting>,
}

impl Snapshot {
    /// Asks for all of it; the parts are taken one after the other, so sums of different parts may differ by the
    /// packets of that moment.
    pub async fn take<A: Appliance>(appliance: &A) -> Result<Self, Error> {
        let all = FlowQuery {
            limit: Some(u64::MAX),
            ..FlowQuery::default()
        };
        Ok(Self {
            status: appliance.status().await?,
            devices: appliance.devices().await?,
            interfaces: appliance.interfaces().await?,
            networks: appliance.networks().await?,
            vteps: appliance.vteps().await?,
            ports: appliance.ports().await?,
            port_bindings: appliance.port_bindings(all).await?,
            security_groups: appliance.security_groups(None).await?,
            flow_usage: appliance.flow_usage().await?,
            workers: appliance.workers().await?,
            drops: appliance.drops().await?,
            ra: appliance.ra().await?,
            syncs: appliance.sync().await?,
            vrrp: appliance.vrrp().await?,
            bfd: appliance.bfd().await?,
            pools: appliance.pools().await?,
            delegations: appliance.delegations().await?,
            dhcp_clients: appliance.dhcp_clients().await?,
            counters: appliance.counters().await?,
            accounting: appliance.accounting().await?,
        })
    }
}
