//! A port that receives what it sends.

use super::{DeviceSpec, Driver};

/// A software ring from its transmit queues to its receive queues: tests and benches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ring;

impl Driver for Ring {
    fn label(&self) -> &'static str {
        "ring"
    }

    fn device_name(&self, unit: u32) -> String {
        format!("net_ring{unit}")
    }

    fn arguments(&self, _spec: &DeviceSpec) -> Vec<String> {
        Vec::new()
    }

    fn program_mac(&self) -> bool {
        false
    }
}
