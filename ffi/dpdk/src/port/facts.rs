//! What is known of a port.

use crate::errno::Errno;
use crate::port_config::Offloads;

/// What a device is and can do.
#[derive(Clone, Debug)]
pub struct PortInfo {
    /// The driver, as `net_af_packet`.
    pub driver: String,
    /// The kernel's interface behind it, 0 if there is none.
    pub if_index: u32,
    /// Most receive queues.
    pub max_rx_queues: u16,
    /// Most transmit queues.
    pub max_tx_queues: u16,
    /// The largest MTU that the driver admits to; see [`Configured::mtu`](crate::Configured::mtu).
    pub max_mtu: u16,
    /// MAC addresses it can filter besides its own (1 means only its own).
    pub max_mac_addrs: u32,
    /// What it can do for us.
    pub offloads: Offloads,
    /// Its NUMA node, if it has one.
    pub socket: Option<u32>,
}

/// State of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whether it carries packets.
    pub up: bool,
    /// Mbit/s; `None` if the device does not know.
    pub speed_mbps: Option<u32>,
    /// Both directions at once.
    pub full_duplex: bool,
}

/// The device's own counters since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Octets received; some drivers do not count them.
    pub rx_bytes: u64,
    /// Packets dropped because no descriptor was free: the workers were too slow.
    pub rx_missed: u64,
    /// Packets dropped because they were damaged.
    pub rx_errors: u64,
    /// Packets dropped because the pool was exhausted.
    pub rx_no_buffer: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Octets sent; some drivers do not count them.
    pub tx_bytes: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
}

/// How a port lets the wanted multicast groups in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MulticastFilter {
    /// The device filters exactly the given addresses.
    Exact,
    /// The device refused a list or an address of it: it now receives every multicast frame.
    AllMulticast {
        /// Why it refused.
        refused: Errno,
    },
    /// It refused that too: it now receives every frame.
    Promiscuous {
        /// Why it refused.
        refused: Errno,
    },
    /// It refused everything. Such a device (tap, memif, ...) has no filter and receives all.
    Unfiltered {
        /// Why it refused.
        refused: Errno,
    },
}
