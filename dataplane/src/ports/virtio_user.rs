//! The machine side of a vhost-user port: the router as a guest of a virtual switch.

use std::path::PathBuf;

use super::{DeviceSpec, Driver, Fault, socket};

/// A virtio device on a vhost-user socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtioUser {
    /// The backend's socket.
    pub path: PathBuf,
    /// We listen and the backend connects.
    pub server: bool,
    /// Packed rings (virtio 1.1) instead of split ones.
    pub packed_vq: bool,
}

impl Driver for VirtioUser {
    fn label(&self) -> &'static str {
        "virtio_user"
    }

    fn device_name(&self, unit: u32) -> String {
        format!("net_virtio_user{unit}")
    }

    fn arguments(&self, spec: &DeviceSpec) -> Vec<String> {
        let size = spec
            .rx_desc
            .max(spec.tx_desc)
            .clamp(64, 1024)
            .next_power_of_two();
        let mut arguments = vec![
            format!("path={}", self.path.display()),
            format!("queues={}", spec.queues),
            format!("queue_size={size}"),
        ];
        if let Some([a, b, c, d, e, f]) = spec.mac {
            arguments.push(format!(
                "mac={a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"
            ));
        }
        if self.server {
            arguments.push("server=1".to_owned());
        }
        if self.packed_vq {
            arguments.push("packed_vq=1".to_owned());
        }
        arguments
    }

    fn check(&self, _spec: &DeviceSpec, _hugepages: bool) -> Result<(), Fault> {
        match self.server {
            true => socket::clear_to_listen(&self.path),
            false => socket::check_listening(&self.path),
        }
    }

    /// It went in as an option.
    fn program_mac(&self) -> bool {
        false
    }
}
