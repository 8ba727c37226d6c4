//! A kernel interface through AF_XDP: faster than packet sockets where the NIC's driver helps.
//!
//! LIMIT: when the device is closed, the driver (DPDK 22.11) does not give back the buffers that
//! lie in the kernel's fill ring, about 2048 a queue: removing and adding such a device while
//! running costs that many buffers each time.

use dpdk::netdev;

use super::{DeviceSpec, Driver, Fault};

/// A kernel interface through AF_XDP sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AfXdp {
    /// The interface.
    pub interface: String,
    /// The first of the interface's queues that is taken.
    pub start_queue: u16,
    /// Packets per busy-poll system call; 0 turns busy polling off. `None`: the driver's choice.
    pub busy_budget: Option<u16>,
    /// Copy packets even if the NIC could share its memory.
    pub force_copy: bool,
}

impl Driver for AfXdp {
    fn label(&self) -> &'static str {
        "af_xdp"
    }

    fn device_name(&self, unit: u32) -> String {
        format!("net_af_xdp{unit}")
    }

    fn arguments(&self, spec: &DeviceSpec) -> Vec<String> {
        let mut arguments = vec![
            format!("iface={}", self.interface),
            format!("start_queue={}", self.start_queue),
            format!("queue_count={}", spec.queues),
        ];
        if let Some(budget) = self.busy_budget {
            arguments.push(format!("busy_budget={budget}"));
        }
        if self.force_copy {
            arguments.push("force_copy=1".to_owned());
        }
        arguments
    }

    fn check(&self, spec: &DeviceSpec, _hugepages: bool) -> Result<(), Fault> {
        if !netdev::exists(&self.interface) {
            return Err(Fault::NoInterface {
                interface: self.interface.clone(),
            });
        }
        if !netdev::may_open_packet_sockets() {
            return Err(Fault::NoPermission {
                what: "af_xdp",
                capability: "CAP_NET_RAW",
            });
        }
        // Packets of a queue without a socket go to the kernel: flows would vanish silently.
        match netdev::receive_queues(&self.interface) {
            Some(has) if has > self.start_queue as u32 + spec.queues as u32 => {
                Err(Fault::QueuesLeft {
                    interface: self.interface.clone(),
                    has,
                    taken: spec.queues,
                })
            }
            _ => Ok(()),
        }
    }

    fn interface(&self) -> Option<&str> {
        Some(&self.interface)
    }
}
