//! A port without other end.

use super::{DeviceSpec, Driver};

/// Receives frames of zeros as fast as it is asked, drops what it sends: tests and benches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Null {
    /// Octets of each received frame.
    pub frame_len: u16,
    /// Receive nothing at all.
    pub no_rx: bool,
}

impl Default for Null {
    fn default() -> Self {
        Null {
            frame_len: 64,
            no_rx: false,
        }
    }
}

impl Driver for Null {
    fn label(&self) -> &'static str {
        "null"
    }

    fn device_name(&self, unit: u32) -> String {
        format!("net_null{unit}")
    }

    fn arguments(&self, _spec: &DeviceSpec) -> Vec<String> {
        let mut arguments = vec![format!("size={}", self.frame_len)];
        if self.no_rx {
            arguments.push("no-rx=1".to_owned());
        }
        arguments
    }

    fn program_mac(&self) -> bool {
        false
    }
}
