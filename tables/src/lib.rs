//! Read-mostly tables of the packet path: no DPDK, no Tokio, no clock; testable anywhere.

pub mod id;
pub mod next_hop;
