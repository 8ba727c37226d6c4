//! Devices: how packets enter and leave.

use dataplane::ports::{DeviceKind, DeviceSpec};
use tables::id::PortId;
use wire::ether::MacAddr;

/// A port of the dataplane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: PortId,
    /// Its name.
    pub name: String,
    /// The driver and its options.
    pub kind: DeviceKind,
    /// Receive queues, at least 1.
    pub queues: u16,
    /// Longest layer-3 packet, bytes.
    pub mtu: u16,
    /// MAC address to take, when not the device's own.
    pub mac: Option<MacAddr>,
    /// Descriptors of each receive queue.
    pub rx_desc: u16,
    /// Descriptors of each transmit queue.
    pub tx_desc: u16,
}

impl Device {
    /// What the dataplane opens.
    pub fn spec(&self) -> DeviceSpec {
        DeviceSpec {
            name: self.name.clone(),
            kind: self.kind.clone(),
            queues: self.queues,
            mtu: self.mtu,
            mac: self.mac.map(MacAddr::octets),
            rx_desc: self.rx_desc,
            tx_desc: self.tx_desc,
        }
    }
}
