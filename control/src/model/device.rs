//! Devices: how packets enter and leave.

use std::path::PathBuf;

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
}

/// The driver of a device with its options, in the terms of the configuration (see `config::schema`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each field is the key of the same name in config::schema"
)]
pub enum DeviceKind {
    /// A network card or virtual function.
    Pci {
        address: String,
        options: Option<String>,
    },
    /// An interface of the kernel, shared.
    AfPacket {
        interface: String,
        block_size: Option<u32>,
        frame_size: Option<u32>,
        frame_count: u32,
        qdisc_bypass: bool,
    },
    /// A new TAP interface.
    Tap { interface: String, persist: bool },
    /// An interface of the kernel, taken by XDP.
    AfXdp {
        interface: String,
        start_queue: u16,
        force_copy: bool,
        busy_budget: u16,
    },
    /// Shared memory with another process.
    Memif {
        role: MemifRole,
        socket: PathBuf,
        id: u32,
        ring_size: u8,
        zero_copy: bool,
        secret: Option<String>,
    },
    /// Backend of a virtual machine's network card.
    VhostUser {
        socket: PathBuf,
        client: bool,
        iommu: bool,
        tso: bool,
    },
    /// Driver's side of a vhost backend.
    VirtioUser {
        socket: PathBuf,
        server: bool,
        queue_size: u16,
    },
    /// Files of packets.
    Pcap {
        rx: Option<PathBuf>,
        tx: Option<PathBuf>,
        infinite: bool,
    },
    /// A loop: what is sent is received.
    Ring,
    /// Nothing, or zeroes.
    Null {
        packet_size: u16,
        copy: bool,
        no_rx: bool,
    },
}

/// Who makes the memif socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemifRole {
    /// We do.
    Server,
    /// The other side does.
    Client,
}
