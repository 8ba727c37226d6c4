//! Sizes and choices of the packet path.

use dpdk::EalOptions;

use crate::punt::PuntRingSize;
use crate::worker::Idle;

/// How to start.
#[derive(Clone, Debug)]
pub struct DataplaneOptions {
    /// DPDK.
    pub eal: EalOptions,
    /// One worker per element: the CPU it is pinned to, or `None` for wherever the kernel puts it.
    pub workers: Vec<Option<usize>>,
    /// What idle workers do.
    pub idle: Idle,
    /// Packet buffers in all.
    pub buffers: u32,
    /// Bytes of packet that a buffer holds.
    pub buffer_size: u16,
    /// Routing domains at most.
    pub max_vrfs: usize,
    /// Interfaces at most; ids are below it.
    pub max_interfaces: usize,
    /// Next hops at most.
    pub max_next_hops: usize,
    /// Next-hop groups at most.
    pub max_groups: usize,
    /// Layer-2 networks at most; ids are below it.
    pub max_networks: usize,
    /// Tunnels at most; ids are below it.
    pub max_tunnels: usize,
    /// Stations of all networks at most.
    pub max_stations: usize,
    /// Addresses of stations, of all networks, at most.
    pub max_bindings: usize,
    /// Ports of tenants at most; ids of anchors are below it.
    pub max_anchors: usize,
    /// Rules of security groups at most; ids are below it.
    pub max_rules: usize,
    /// Flows at most, of all workers; a power of two.
    pub max_flows: usize,
    /// Flows of the other router of a pair at most; 0: there is no other.
    pub max_peer_flows: usize,
    /// Notes of flows that change that wait for the other router, at each worker.
    pub change_ring: usize,
    /// Notes that each worker's rings hold: of stations heard, of addresses claimed, and of packets denied.
    pub learn_ring: usize,
    /// Punt ring of each worker.
    pub punt_ring: PuntRingSize,
    /// Requests that each inject ring holds.
    pub inject_ring: usize,
    /// Packets made or released by a worker that can wait for the graph.
    pub backlog: usize,
    /// Packets that a ring between two workers holds.
    pub handoff_ring: usize,
}

impl Default for DataplaneOptions {
    fn default() -> Self {
        Self {
            eal: EalOptions::default(),
            workers: vec![None],
            idle: Idle::default(),
            buffers: 16_383,
            buffer_size: 2048,
            max_vrfs: 256,
            max_interfaces: 1024,
            max_next_hops: 65_536,
            max_groups: 1024,
            max_networks: 4096 + 1,
            max_tunnels: 1024,
            max_stations: 65_536,
            max_bindings: 65_536,
            max_anchors: 1024,
            max_rules: 16_384,
            max_flows: 1 << 16,
            max_peer_flows: 0,
            change_ring: 1 << 16,
            learn_ring: 4096,
            punt_ring: PuntRingSize::default(),
            inject_ring: 1024,
            backlog: 8192,
            handoff_ring: 1024,
        }
    }
}
