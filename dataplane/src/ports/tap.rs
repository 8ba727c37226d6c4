//! A TAP interface of the host: the way to its own network stack.

use std::path::Path;

use super::{DeviceSpec, Driver, Fault};

/// A TAP interface that the router creates. It disappears with the router, unless persistent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tap {
    /// The interface's name.
    pub interface: String,
    /// Keep the interface when the router ends.
    pub persist: bool,
}

impl Driver for Tap {
    fn label(&self) -> &'static str {
        "tap"
    }

    fn device_name(&self, unit: u32) -> String {
        format!("net_tap{unit}")
    }

    fn arguments(&self, _spec: &DeviceSpec) -> Vec<String> {
        let mut arguments = vec![format!("iface={}", self.interface)];
        if self.persist {
            arguments.push("persist".to_owned());
        }
        arguments
    }

    fn check(&self, _spec: &DeviceSpec, _hugepages: bool) -> Result<(), Fault> {
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !(1..=15).contains(&self.interface.len()) || !self.interface.chars().all(usable) {
            return Err(Fault::BadInterfaceName {
                interface: self.interface.clone(),
            });
        }
        if !Path::new("/dev/net/tun").exists() {
            return Err(Fault::NoTun);
        }
        Ok(())
    }

    /// The driver gives its own MAC address to the host's end too, and two neighbours cannot
    /// share one: the router takes the next address instead. The device filters nothing.
    fn default_mac(&self, mut device: [u8; 6]) -> [u8; 6] {
        device[5] ^= 1;
        device
    }

    /// The host's end may be moved into another namespace, where the driver cannot see it and says that the link is
    /// down, although frames pass.
    fn knows_link(&self) -> bool {
        false
    }

    /// Telling the driver would change the host's end.
    fn program_mac(&self) -> bool {
        false
    }

    fn max_queues(&self) -> u16 {
        16
    }
}
