//! What can go wrong when the packet path starts or a device comes or goes.

use dpdk::{EalError, MempoolError};
use tables::group::GroupError;
use tables::id::PortId;
use tables::lpm::LpmError;
use tables::next_hop::NextHopError;
use tables::publish::TooManyReaders;

use crate::ports::OpenError;

/// Why the packet path did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// DPDK did not.
    #[error(transparent)]
    Eal(#[from] EalError),
    /// No packet buffers.
    #[error(transparent)]
    Pool(#[from] MempoolError),
    /// No routing table.
    #[error(transparent)]
    Lpm(#[from] LpmError),
    /// No next-hop table.
    #[error(transparent)]
    NextHops(#[from] NextHopError),
    /// No group table.
    #[error(transparent)]
    Groups(#[from] GroupError),
    /// No flow table.
    #[error("cannot reserve the flow table: {0}")]
    Flows(#[source] std::io::Error),
    /// No place among the tables' readers.
    #[error(transparent)]
    Readers(#[from] TooManyReaders),
    /// A worker's thread.
    #[error("cannot start the thread of worker {worker}: {source}")]
    Thread {
        /// The worker.
        worker: usize,
        /// Why.
        source: std::io::Error,
    },
    /// A worker cannot be bound to its CPU.
    #[error("cannot bind worker {worker} to CPU {cpu}: {source}")]
    Pin {
        /// The worker.
        worker: usize,
        /// The CPU.
        cpu: usize,
        /// Why.
        source: std::io::Error,
    },
    /// No worker was asked for.
    #[error("at least one worker is needed")]
    NoWorkers,
    /// A device.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// Why a device was not added or removed.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// It cannot be opened or closed.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A queue cannot be had.
    #[error(transparent)]
    Port(#[from] dpdk::PortError),
    /// There are as many devices as can be counted.
    #[error("device {0:?} is one too many")]
    TooMany(String),
    /// The number is in use.
    #[error("port {0} is open already")]
    Taken(PortId),
    /// No such port.
    #[error("there is no port {0}")]
    NoPort(PortId),
    /// A worker did not let the port go.
    #[error("worker {worker} does not answer")]
    Worker {
        /// The worker.
        worker: usize,
    },
}
