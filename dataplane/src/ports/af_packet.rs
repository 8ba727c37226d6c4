//! A kernel interface through packet sockets: works on every interface and every kernel.

use dpdk::netdev;

use super::{DeviceSpec, Driver, Fault, LINK_HEADER};

/// A kernel interface, read and written through memory-mapped packet sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AfPacket {
    /// The interface.
    pub interface: String,
    /// Send past the kernel's queueing discipline: faster, but without its traffic shaping.
    pub qdisc_bypass: bool,
}

/// Page size that ring blocks are made of.
const PAGE: u32 = 4096;
/// What the kernel and the driver put before a frame in its slot, rounded up.
const SLOT_HEADER: u32 = 96;
/// What the driver subtracts from a slot to know how large a frame may be.
const DRIVER_HEADER: u32 = 32;

impl AfPacket {
    /// Octets of a ring slot that holds a frame of this MTU. Multiples of 2048 divide a small
    /// number of pages.
    pub(super) fn slot(mtu: u16) -> u32 {
        (mtu as u32 + LINK_HEADER as u32 + SLOT_HEADER).next_multiple_of(2048)
    }

    /// Octets of a ring block: the smallest whole number of slots that fills whole pages.
    pub(super) fn block(slot: u32) -> u32 {
        (1..)
            .map(|n| n * slot)
            .find(|block| block.is_multiple_of(PAGE))
            .unwrap_or(PAGE * slot)
    }
}

impl Driver for AfPacket {
    fn label(&self) -> &'static str {
        "af_packet"
    }

    fn device_name(&self, unit: u32) -> String {
        format!("net_af_packet{unit}")
    }

    fn arguments(&self, spec: &DeviceSpec) -> Vec<String> {
        let slot = Self::slot(spec.mtu);
        let block = Self::block(slot);
        let slots = (spec.rx_desc.max(spec.tx_desc).max(64) as u32).next_multiple_of(block / slot);
        let mut arguments = vec![
            format!("iface={}", self.interface),
            format!("qpairs={}", spec.queues),
            format!("framesz={slot}"),
            format!("blocksz={block}"),
            format!("framecnt={slots}"),
        ];
        if self.qdisc_bypass {
            arguments.push("qdisc_bypass=1".to_owned());
        }
        arguments
    }

    fn check(&self, _spec: &DeviceSpec, _hugepages: bool) -> Result<(), Fault> {
        if !netdev::exists(&self.interface) {
            return Err(Fault::NoInterface {
                interface: self.interface.clone(),
            });
        }
        if !netdev::may_open_packet_sockets() {
            return Err(Fault::NoPermission {
                what: "af_packet",
                capability: "CAP_NET_RAW",
            });
        }
        Ok(())
    }

    fn min_data_room(&self, spec: &DeviceSpec) -> u16 {
        (Self::slot(spec.mtu) - DRIVER_HEADER).min(u16::MAX as u32) as u16
    }

    fn interface(&self) -> Option<&str> {
        Some(&self.interface)
    }

    fn passes_more_than_stated(&self) -> bool {
        true
    }
}
