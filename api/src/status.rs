//! How the appliance fares as a whole.

use serde::{Deserialize, Serialize};

/// The appliance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Hextet's version.
    pub version: String,
    /// Version of the DPDK that runs.
    pub dpdk_version: String,
    /// Process id.
    pub pid: u32,
    /// Milliseconds since the start.
    pub uptime_ms: u64,
    /// The configuration file in force.
    pub config_file: String,
    /// Whether the configuration is applied and every worker polls.
    pub ready: bool,
    /// What is missing, a sentence each, while not ready.
    pub not_ready: Vec<String>,
    /// What works, but less well than it could: no hugepages, a device that refused an offload.
    pub warnings: Vec<String>,
}
