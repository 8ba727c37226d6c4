//! Why a device cannot be used, in one sentence that says what to do.

use std::io;
use std::path::PathBuf;

use dpdk::{PlugError, PortError};

/// A device of the configuration could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("device {device}: {fault}")]
pub struct OpenError {
    /// Its name in the configuration.
    pub device: String,
    /// What is wrong.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a device.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The kernel interface is missing.
    #[error(
        "there is no interface {interface} in the router's network namespace; create it or \
         correct the configuration"
    )]
    NoInterface {
        /// The interface.
        interface: String,
    },
    /// Packet sockets, taps and the like need privileges.
    #[error("{what} needs the capability {capability}; run as root or grant it")]
    NoPermission {
        /// What was to be used.
        what: &'static str,
        /// The capability, as capabilities(7) spells it.
        capability: &'static str,
    },
    /// The kernel lacks the TUN/TAP device.
    #[error("/dev/net/tun is missing; load the kernel module tun")]
    NoTun,
    /// The name is too long for the kernel.
    #[error("the interface name {interface:?} is not usable: 1 to 15 letters, digits, . _ or -")]
    BadInterfaceName {
        /// The name.
        interface: String,
    },
    /// The directory of a socket or file is missing.
    #[error("the directory of {} does not exist; create it", path.display())]
    NoDirectory {
        /// The socket or file.
        path: PathBuf,
    },
    /// A live process listens there.
    #[error("another process already listens on {}", path.display())]
    SocketInUse {
        /// The socket.
        path: PathBuf,
    },
    /// Nobody listens there.
    #[error("nobody listens on {}; start the other end first", path.display())]
    NobodyListens {
        /// The socket.
        path: PathBuf,
    },
    /// The kernel's limit for socket paths.
    #[error("the socket path {} is longer than 107 octets", path.display())]
    PathTooLong {
        /// The socket.
        path: PathBuf,
    },
    /// DPDK splits its options at commas.
    #[error("{value:?} contains a comma, which DPDK cannot take")]
    Comma {
        /// The name or path.
        value: String,
    },
    /// The capture file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No such PCI device.
    #[error("there is no PCI device {address}; list them with lspci -D")]
    NoPciDevice {
        /// Its address.
        address: String,
    },
    /// The PCI device belongs to the kernel.
    #[error(
        "PCI device {address} is bound to {}, not to vfio-pci; bind it with \
         dpdk-devbind.py --bind=vfio-pci {address}",
        driver.as_deref().unwrap_or("no driver")
    )]
    PciDriver {
        /// Its address.
        address: String,
        /// The driver that holds it.
        driver: Option<String>,
    },
    /// Not a PCI address.
    #[error("{address:?} is not a PCI address such as 0000:03:00.0")]
    BadPciAddress {
        /// What was given.
        address: String,
    },
    /// Zero-copy shares huge pages.
    #[error("zero_copy needs huge pages; reserve some (sysctl vm.nr_hugepages=N) or turn it off")]
    NoHugepages,
    /// The kind has fewer queues.
    #[error("{wanted} queues are asked for, a device of kind {kind} has at most {max}")]
    TooManyQueues {
        /// The kind.
        kind: &'static str,
        /// Asked for.
        wanted: u16,
        /// The limit.
        max: u16,
    },
    /// Some of the interface's queues would stay with the kernel.
    #[error(
        "interface {interface} spreads packets over {has} queues and {taken} are taken; set \
         queues = {has}, or run ethtool -L {interface} with fewer"
    )]
    QueuesLeft {
        /// The interface.
        interface: String,
        /// Queues it uses.
        has: u32,
        /// Queues asked for.
        taken: u16,
    },
    /// The device cannot carry such packets.
    #[error("the MTU {mtu} is asked for, the device carries at most {max}")]
    MtuTooLarge {
        /// Asked for.
        mtu: u16,
        /// The limit.
        max: u16,
    },
    /// The pool's buffers are too small.
    #[error(
        "an MTU of {mtu} needs buffers of {needed} octets here and they have {have}; raise the \
         buffer size or lower the MTU"
    )]
    BuffersTooSmall {
        /// The MTU.
        mtu: u16,
        /// Needed for it.
        needed: u16,
        /// There.
        have: u16,
    },
    /// The kernel refused to set the interface up.
    #[error("cannot {operation} interface {interface}: {source}")]
    Interface {
        /// The interface.
        interface: String,
        /// What was tried.
        operation: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// DPDK refused the device.
    #[error(transparent)]
    Plug(#[from] PlugError),
    /// DPDK refused an operation.
    #[error(transparent)]
    Port(#[from] PortError),
}
