//! How a device of the configuration becomes a DPDK port.
//!
//! A [`DeviceSpec`] says what the operator wants. Its kind (one small file each) turns that into
//! the string that DPDK plugs, checks first what the host must offer, so that a fault is one
//! sentence that says what to do, and knows the driver's habits. [`open`] does the rest.
//!
//! | kind | other end | queues | largest MTU | tags | own MAC | group filter |
//! |---|---|---|---|---|---|---|
//! | [`Pci`] | a network card, vfio-pci or mlx5 | device | device | any | set | exact or all |
//! | [`AfPacket`] | a kernel interface (veth, NIC) | many (fanout) | 9000+ | 802.1Q; an outer 802.1ad arrives as 802.1Q | set | promiscuous |
//! | [`AfXdp`] | a kernel interface, faster on NICs | interface's | 3542 | any, if the peer keeps them in the frame | refused: promiscuous | promiscuous |
//! | [`Tap`] | the host's own network stack | 16 | 1504 | any | the router's differs from the interface's | list |
//! | [`Memif`] | another process, shared memory | many | 9000+ | any | free | receives all |
//! | [`VhostUser`] | a virtual machine or container | many | 9000+ | any | free | receives all |
//! | [`VirtioUser`] | a vhost-user backend (a switch) | many | 9000+ | any | set | backend's |
//! | [`Pcap`] | capture files | 1 | 9000+ | any | free | receives all |
//! | [`Ring`], [`Null`] | nothing: benches and tests | 16, many | 9000+ | any | free | receives all |
//!
//! LIMIT: frames larger than one buffer need a pool with larger buffers
//! ([`DeviceSpec::min_data_room`]) unless the device scatters.

mod af_packet;
mod af_xdp;
mod error;
mod memif;
mod null;
mod open;
mod pcap;
mod pci;
mod ring;
mod socket;
mod tap;
mod vhost_user;
mod virtio_user;

pub use af_packet::AfPacket;
pub use af_xdp::AfXdp;
pub use error::{Fault, OpenError};
pub use memif::{Memif, MemifRole};
pub use null::Null;
pub use open::{DeviceState, Notice, OpenPort, open};
pub use pcap::Pcap;
pub use pci::Pci;
pub use ring::Ring;
pub use tap::Tap;
pub use vhost_user::VhostUser;
pub use virtio_user::VirtioUser;

/// Octets that a frame has besides its packet: link header and two tags.
const LINK_HEADER: u16 = 14 + 2 * 4;

/// A device as the operator wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSpec {
    /// Its name in the configuration; for messages.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Receive queues, and as many transmit queues for each worker to have its own.
    pub queues: u16,
    /// Octets of the largest packet, without the link header.
    pub mtu: u16,
    /// The router's MAC address on it; `None`: the device's own.
    pub mac: Option<[u8; 6]>,
    /// Descriptors of each receive queue.
    pub rx_desc: u16,
    /// Descriptors of each transmit queue.
    pub tx_desc: u16,
}

impl DeviceSpec {
    /// A device with one queue and the usual sizes.
    pub fn new(name: impl Into<String>, kind: impl Into<DeviceKind>) -> Self {
        DeviceSpec {
            name: name.into(),
            kind: kind.into(),
            queues: 1,
            mtu: 1500,
            mac: None,
            rx_desc: 512,
            tx_desc: 512,
        }
    }

    /// The string that DPDK plugs. `unit` tells devices of one driver apart.
    pub fn eal_string(&self, unit: u32) -> String {
        let driver = self.kind.driver();
        let mut string = driver.device_name(unit);
        for argument in driver.arguments(self) {
            string.push(',');
            string.push_str(&argument);
        }
        string
    }

    /// The room for packet octets that every buffer of the pool it receives into must have.
    pub fn min_data_room(&self) -> u16 {
        self.kind.driver().min_data_room(self)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident),* $(,)?) => {
        /// What a device is.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum DeviceKind {
            $($(#[$doc])* $kind($kind),)*
        }

        impl DeviceKind {
            fn driver(&self) -> &dyn Driver {
                match self {
                    $(DeviceKind::$kind(kind) => kind,)*
                }
            }
        }

        $(impl From<$kind> for DeviceKind {
            fn from(kind: $kind) -> Self {
                DeviceKind::$kind(kind)
            }
        })*
    };
}

kinds! {
    /// A PCI device, bound to vfio-pci (or a Mellanox card with its kernel driver).
    Pci,
    /// A kernel interface through packet sockets.
    AfPacket,
    /// A TAP interface of the host.
    Tap,
    /// A kernel interface through AF_XDP.
    AfXdp,
    /// Shared memory with another process.
    Memif,
    /// The switch side of a virtual machine's port.
    VhostUser,
    /// The machine side of a vhost-user port.
    VirtioUser,
    /// Capture files as a wire.
    Pcap,
    /// A port that receives what it sends.
    Ring,
    /// A port that receives empty frames for ever and drops what it sends.
    Null,
}

impl DeviceKind {
    /// The kind's name in the configuration.
    pub fn label(&self) -> &'static str {
        self.driver().label()
    }
}

/// What a kind knows about its driver.
trait Driver {
    /// Name in the configuration.
    fn label(&self) -> &'static str;

    /// Name that DPDK chooses the driver by.
    fn device_name(&self, unit: u32) -> String;

    /// Options of the driver, `key=value` each.
    fn arguments(&self, spec: &DeviceSpec) -> Vec<String>;

    /// Whether the host offers what the driver needs. May remove what a crash left behind.
    fn check(&self, _spec: &DeviceSpec, _hugepages: bool) -> Result<(), Fault> {
        Ok(())
    }

    /// Room for packet octets needed in each buffer.
    fn min_data_room(&self, spec: &DeviceSpec) -> u16 {
        spec.mtu.saturating_add(LINK_HEADER)
    }

    /// Whether the driver can tell its link's state.
    fn knows_link(&self) -> bool {
        true
    }

    /// The kernel interface behind it, to be set up with our MTU.
    fn interface(&self) -> Option<&str> {
        None
    }

    /// Most queues, if the driver does not say so itself.
    fn max_queues(&self) -> u16 {
        u16::MAX
    }

    /// Whether the driver passes frames larger than the limit it states.
    fn passes_more_than_stated(&self) -> bool {
        false
    }

    /// The router's MAC address if the operator gives none.
    fn default_mac(&self, device: [u8; 6]) -> [u8; 6] {
        device
    }

    /// Whether the device should be told the router's MAC address.
    fn program_mac(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
