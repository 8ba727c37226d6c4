//! The packet path: polled workers that take packets from devices and forward, answer, punt or drop each of them.
//!
//! ```text
//!   rx ─► classify ─┬─ plain packets ─► lane (one dense loop) ─┬─► tx
//!                   └─ the rest ──────► graph (stages) ────────┘
//! ```
//!
//! Read `graph` first, it is the picture; then `worker`, the loop around it. `drop` lists every reason for which a
//! packet can be dropped.

pub mod capture;
pub mod claim;
pub mod counters;
mod dataplane;
pub mod denied;
pub mod drop;
pub mod forwarding;
pub mod fragment;
pub mod frame;
#[cfg(test)]
mod fuzz_files;
pub mod graph;
pub mod graph_doc;
pub mod guard;
pub mod hold;
pub mod icmp;
pub mod inject;
pub mod lane;
pub mod learn;
pub mod observe;
pub mod observer;
pub mod path_mtu;
pub mod ports;
pub mod punt;
pub mod secure;
pub mod stages;
pub mod state;
pub mod trace;
pub mod worker;

pub use dataplane::{ControlSide, Dataplane, DataplaneOptions, DeviceError, StartError};
pub use dpdk::{EalOptions, Hugepages, Link, MulticastFilter, Pci, PortStats};
pub use worker::Idle;
pub use worker::clock::{hz, ticks};
