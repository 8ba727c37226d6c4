//! The switch side of a virtual machine's port.

use std::path::PathBuf;

use super::{DeviceSpec, Driver, Fault, socket};

/// A vhost-user backend: the virtual machine (or a virtio_user device) is the other end.
///
/// What the guest leaves unfinished (`VIRTIO_NET_F_CSUM`, `HOST_UFO`, with `tso` also `HOST_TSO4` and `HOST_TSO6`) is
/// finished: open checksums by the driver as it receives, large packets by [`dpdk::offload`] as they leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VhostUser {
    /// The control socket.
    pub socket: PathBuf,
    /// The virtual machine listens and we connect, and again when it comes back.
    pub client: bool,
    /// Let the guest's virtual IOMMU limit what we may touch.
    pub iommu_support: bool,
    /// Allow migration that copies memory after the switch.
    pub postcopy_support: bool,
    /// Let the guest send TCP packets larger than its MTU.
    pub tso: bool,
}

impl Driver for VhostUser {
    fn label(&self) -> &'static str {
        "vhost_user"
    }

    fn device_name(&self, unit: u32) -> String {
        format!("net_vhost{unit}")
    }

    fn arguments(&self, spec: &DeviceSpec) -> Vec<String> {
        let bit = |name: &str, on: bool| format!("{name}={}", on as u8);
        vec![
            format!("iface={}", self.socket.display()),
            format!("queues={}", spec.queues),
            bit("client", self.client),
            bit("iommu-support", self.iommu_support),
            bit("postcopy-support", self.postcopy_support),
            bit("tso", self.tso),
        ]
    }

    fn check(&self, _spec: &DeviceSpec, _hugepages: bool) -> Result<(), Fault> {
        match self.client {
            true => socket::check_path(&self.socket),
            false => socket::clear_to_listen(&self.socket),
        }
    }

    fn program_mac(&self) -> bool {
        false
    }
}
