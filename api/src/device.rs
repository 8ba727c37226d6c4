//! Devices: how packets enter and leave.

use serde::{Deserialize, Serialize};

use crate::Mac;
use crate::word::words;

words! {
    /// What a device is made of.
    DeviceKind {
        /// A physical or virtual function on the PCI bus.
        Pci = "pci",
        /// A Linux interface read through AF_PACKET.
        AfPacket = "af_packet",
        /// A Linux interface read through AF_XDP.
        AfXdp = "af_xdp",
        /// A Linux tap that the router creates.
        Tap = "tap",
        /// Shared memory with another process.
        Memif = "memif",
        /// A virtual machine's virtio queue; we are the host.
        VhostUser = "vhost_user",
        /// A virtio queue of a vhost back end; we are the guest.
        VirtioUser = "virtio_user",
        /// Packets from and to capture files.
        Pcap = "pcap",
        /// A ring in memory.
        Ring = "ring",
        /// Takes everything, gives what the bench asks.
        Null = "null",
    }
}

words! {
    /// How a device fares.
    DeviceState {
        /// Started and polled.
        Running = "running",
        /// Configured but not started.
        Stopped = "stopped",
        /// Was there and disappeared: unplugged, or its peer went away.
        Gone = "gone",
    }
}

words! {
    /// Who does the work of an offload.
    OffloadPlace {
        /// The device.
        Hardware = "hardware",
        /// A worker, because the device cannot.
        Software = "software",
        /// Nobody: not asked for.
        Off = "off",
    }
}

words! {
    /// How a device is told which multicast frames we want.
    MulticastMode {
        /// Address by address.
        Filter = "filter",
        /// Every multicast frame: asked for, or the fallback after a refusal.
        AllMulticast = "all_multicast",
        /// Every frame.
        Promiscuous = "promiscuous",
    }
}

/// A port of the dataplane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Name in the configuration.
    pub name: String,
    /// What it is made of.
    pub kind: DeviceKind,
    /// How it fares.
    pub state: DeviceState,
    /// The DPDK driver that runs it, such as `net_tap`.
    pub driver: String,
    /// DPDK port id.
    pub port: u16,
    /// Its own Ethernet address.
    pub mac: Mac,
    /// Largest layer-3 packet, bytes.
    pub mtu: u16,
    /// The link.
    pub link: Link,
    /// Receive queues in use.
    pub rx_queues: u16,
    /// Transmit queues in use.
    pub tx_queues: u16,
    /// Each offload the router knows, and who does it.
    pub offloads: Vec<Offload>,
    /// Multicast reception.
    pub multicast: MulticastFilter,
    /// Counters of the device itself.
    pub counters: DeviceCounters,
}

/// A device's link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Whether it carries frames.
    pub up: bool,
    /// Megabits a second; absent when the device does not tell.
    #[serde(default)]
    pub speed_mbps: Option<u32>,
    /// Whether both directions run at once; absent when the device does not tell.
    #[serde(default)]
    pub full_duplex: Option<bool>,
}

/// One offload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offload {
    /// Its name, such as `rx_checksum`, `tx_checksum`, `vlan_strip`, `tso`.
    pub name: String,
    /// Who does it.
    pub place: OffloadPlace,
}

/// Which multicast frames a device lets through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MulticastFilter {
    /// The mode in force.
    pub mode: MulticastMode,
    /// Addresses we listen to, whether or not the device filters them.
    pub macs: Vec<Mac>,
    /// Why the device refused to filter, when `mode` is the fallback for that.
    #[serde(default)]
    pub refused: Option<String>,
}

/// What a device counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCounters {
    /// Frames received.
    pub rx_packets: u64,
    /// Bytes of the frames received.
    pub rx_bytes: u64,
    /// Frames the device received and found broken.
    pub rx_errors: u64,
    /// Frames the device dropped because no worker took them in time.
    pub rx_missed: u64,
    /// Frames dropped because no mbuf was free.
    pub rx_no_mbuf: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Bytes of the frames sent.
    pub tx_bytes: u64,
    /// Frames the device failed to send.
    pub tx_errors: u64,
}
