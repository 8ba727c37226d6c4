//! The safe face of DPDK, and the only crate that may touch `dpdk-sys`.
//!
//! ```text
//!   Eal ──┬── Mempool ──── Mbuf          one EAL a process; pools give packet buffers
//!         └── Port ──┬──── RxQueue       a configured device; each queue handle has one owner
//!                    └──── TxQueue
//! ```
//!
//! What the types promise:
//!
//! * [`Eal`] is initialised at most once per process, on a thread of its own, so that no thread
//!   of the caller loses its CPU affinity. Pools and ports keep it alive.
//! * A port cannot be stopped or closed while a queue handle is out, so a burst never meets a
//!   closed port.
//! * [`Mbuf`] is the one exception to Rust's rules, made for speed: a `Copy` handle whose single
//!   death the packet path must see to. Its module states the invariant.
//! * Every C error becomes a typed error with an [`Errno`], translated in one place.
//!
//! Nothing here is called per packet but [`Mbuf`]'s accessors (plain loads and stores) and
//! [`offload`], which looks at one word of a packet before it does anything.
#![allow(unsafe_code)] // foreign calls and mbuf memory; each block names who upholds its safety

mod eal;
mod errno;
mod events;
pub mod mbuf;
mod mempool;
pub mod netdev;
pub mod offload;
#[cfg(feature = "peers")]
pub mod peers;
mod port;
mod port_config;
mod queue;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use eal::{
    Device, Eal, EalError, EalOptions, Hugepages, LogLevel, LogSink, Pci, PlugError, ThreadGuard,
};
pub use errno::Errno;
pub use events::PortEvents;
pub use mbuf::Mbuf;
pub use mempool::{HEADROOM, Mempool, MempoolError};
pub use port::{Link, MulticastFilter, Port, PortError, PortInfo, PortStats};
pub use port_config::{Configured, Offloads, PortConfig};
pub use queue::{RxQueue, TxQueue};
