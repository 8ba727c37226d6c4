//! Workers: the polling threads of the dataplane.

use serde::{Deserialize, Serialize};

use crate::word::words;

words! {
    /// What a worker does when there is nothing to do.
    IdlePolicy {
        /// Polls on: lowest latency, a whole core.
        Poll = "poll",
        /// Sleeps, and wakes quickly.
        Adaptive = "adaptive",
    }
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Its number.
    pub id: u16,
    /// The CPU it is pinned to; absent when it floats.
    #[serde(default)]
    pub cpu: Option<u16>,
    /// What it does when idle.
    pub idle_policy: IdlePolicy,
    /// Share of the last second in which it handled packets, 0 to 1.
    pub load: f64,
    /// CPU cycles for a packet, averaged over the last second in which there were any; 0 before the first.
    pub cycles_per_packet: f64,
    /// Packets for a poll that found any, averaged likewise.
    pub burst_average: f64,
    /// Packets handled.
    pub packets: u64,
    /// Polls of its queues.
    pub polls: u64,
    /// Polls that found nothing.
    pub polls_empty: u64,
    /// CPU cycles spent on packets.
    pub cycles_busy: u64,
    /// Receive queues it serves.
    pub queues: Vec<WorkerQueue>,
}

/// A receive queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerQueue {
    /// The device.
    pub device: String,
    /// Number of the queue on the device.
    pub queue: u16,
}
