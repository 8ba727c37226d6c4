//! What is asked of a port, and what it grants.

use dpdk_sys as c;

use crate::mempool::Mempool;
use crate::port::PortInfo;

/// Work that a device may do instead of the router. As a request: do it if you can; as an
/// answer ([`Configured::offloads`]): it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// Verify IPv4, TCP and UDP checksums of received packets. Not granted by vhost and virtio,
    /// which know no IPv4 checksum: there the driver itself completes what a guest left open.
    pub rx_checksum: bool,
    /// Spread a frame larger than a buffer over several. Asked of the device only if frames of
    /// the MTU do not fit in one, because drivers then use a slower path.
    pub rx_scatter: bool,
    /// Spread flows over the receive queues. Asked only if there are several.
    pub rss: bool,
    /// Take the VLAN tag out of received frames.
    pub vlan_strip: bool,
    /// Put a VLAN tag in when sending.
    pub vlan_insert: bool,
    /// Fill in the IPv4 header checksum.
    pub tx_ipv4_checksum: bool,
    /// Complete TCP and UDP checksums.
    pub tx_l4_checksum: bool,
    /// Cut large TCP packets into segments.
    pub tx_tcp_segmentation: bool,
    /// Send packets of several segments.
    pub tx_multi_segment: bool,
    /// Free sent buffers in bulk. Ask for it only if every packet sent by a queue has one
    /// segment and comes from one pool.
    pub tx_fast_free: bool,
}

macro_rules! offload_bits {
    ($side:ident: $($field:ident = $($bit:ident)|+),* $(,)?) => {
        /// Bits as DPDK has them.
        pub(crate) fn $side(&self) -> u64 {
            let mut bits = 0;
            $(if self.$field { bits |= $(c::$bit)|+; })*
            bits
        }
    };
}

impl Offloads {
    /// What the router asks of every port: all but the VLAN ones (it handles tags itself) and
    /// fast free (several pools and chained packets may meet in a queue).
    pub const USUAL: Offloads = Offloads {
        rx_checksum: true,
        rx_scatter: true,
        rss: true,
        vlan_strip: false,
        vlan_insert: false,
        tx_ipv4_checksum: true,
        tx_l4_checksum: true,
        tx_tcp_segmentation: true,
        tx_multi_segment: true,
        tx_fast_free: false,
    };

    offload_bits! { rx_bits:
        rx_checksum = HEXTET_ETH_RX_OFFLOAD_IPV4_CKSUM
            | HEXTET_ETH_RX_OFFLOAD_UDP_CKSUM | HEXTET_ETH_RX_OFFLOAD_TCP_CKSUM,
        rx_scatter = HEXTET_ETH_RX_OFFLOAD_SCATTER,
        vlan_strip = HEXTET_ETH_RX_OFFLOAD_VLAN_STRIP,
    }

    offload_bits! { tx_bits:
        vlan_insert = HEXTET_ETH_TX_OFFLOAD_VLAN_INSERT,
        tx_ipv4_checksum = HEXTET_ETH_TX_OFFLOAD_IPV4_CKSUM,
        tx_l4_checksum = HEXTET_ETH_TX_OFFLOAD_UDP_CKSUM | HEXTET_ETH_TX_OFFLOAD_TCP_CKSUM,
        tx_tcp_segmentation = HEXTET_ETH_TX_OFFLOAD_TCP_TSO,
        tx_multi_segment = HEXTET_ETH_TX_OFFLOAD_MULTI_SEGS,
        tx_fast_free = HEXTET_ETH_TX_OFFLOAD_MBUF_FAST_FREE,
    }

    /// What a device with these capabilities can do. A group of checksums counts only whole.
    pub(crate) fn of_capabilities(rx: u64, tx: u64, rss: u64) -> Self {
        let all = |have: u64, bits: u64| have & bits == bits;
        let one = |f: fn(&mut Offloads)| {
            let mut o = Offloads::default();
            f(&mut o);
            o
        };
        Offloads {
            rx_checksum: all(rx, one(|o| o.rx_checksum = true).rx_bits()),
            rx_scatter: all(rx, one(|o| o.rx_scatter = true).rx_bits()),
            rss: rss & RSS_FLOWS != 0,
            vlan_strip: all(rx, one(|o| o.vlan_strip = true).rx_bits()),
            vlan_insert: all(tx, one(|o| o.vlan_insert = true).tx_bits()),
            tx_ipv4_checksum: all(tx, one(|o| o.tx_ipv4_checksum = true).tx_bits()),
            tx_l4_checksum: all(tx, one(|o| o.tx_l4_checksum = true).tx_bits()),
            tx_tcp_segmentation: all(tx, one(|o| o.tx_tcp_segmentation = true).tx_bits()),
            tx_multi_segment: all(tx, one(|o| o.tx_multi_segment = true).tx_bits()),
            tx_fast_free: all(tx, one(|o| o.tx_fast_free = true).tx_bits()),
        }
    }

    fn and(self, other: Offloads) -> Self {
        Offloads {
            rx_checksum: self.rx_checksum && other.rx_checksum,
            rx_scatter: self.rx_scatter && other.rx_scatter,
            rss: self.rss && other.rss,
            vlan_strip: self.vlan_strip && other.vlan_strip,
            vlan_insert: self.vlan_insert && other.vlan_insert,
            tx_ipv4_checksum: self.tx_ipv4_checksum && other.tx_ipv4_checksum,
            tx_l4_checksum: self.tx_l4_checksum && other.tx_l4_checksum,
            tx_tcp_segmentation: self.tx_tcp_segmentation && other.tx_tcp_segmentation,
            tx_multi_segment: self.tx_multi_segment && other.tx_multi_segment,
            tx_fast_free: self.tx_fast_free && other.tx_fast_free,
        }
    }
}

/// The flows that RSS spreads: by addresses, and by ports where there are any.
pub(crate) const RSS_FLOWS: u64 =
    c::HEXTET_ETH_RSS_IP | c::HEXTET_ETH_RSS_TCP | c::HEXTET_ETH_RSS_UDP;

/// How to set a port up.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// Descriptors of a receive queue; brought within the device's limits.
    pub rx_desc: u16,
    /// Descriptors of a transmit queue; brought within the device's limits.
    pub tx_desc: u16,
    /// Octets of the largest packet, without the link header.
    pub mtu: u16,
    /// Offloads to use where the device has them.
    pub wanted: Offloads,
}

impl Default for PortConfig {
    fn default() -> Self {
        PortConfig {
            rx_queues: 1,
            tx_queues: 1,
            rx_desc: 512,
            tx_desc: 512,
            mtu: 1500,
            wanted: Offloads::USUAL,
        }
    }
}

/// What a port was set up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configured {
    /// The offloads in use.
    pub offloads: Offloads,
    /// The MTU that the device was told. Smaller than asked for where a driver states a limit
    /// of its own (af_packet and tap say 1500); such drivers may pass larger frames all the same.
    pub mtu: u16,
    /// Descriptors of each receive queue.
    pub rx_desc: u16,
    /// Descriptors of each transmit queue.
    pub tx_desc: u16,
}

/// Link header with two VLAN tags, and the frame check sequence.
const FRAME_OVERHEAD: u32 = 14 + 8 + 4;

impl PortConfig {
    /// The offloads to enable on a device with `info` receiving into `pool`.
    pub(crate) fn grant(&self, info: &PortInfo, pool: &Mempool) -> Offloads {
        let mut granted = self.wanted.and(info.offloads);
        granted.rss &= self.rx_queues > 1;
        granted.rx_scatter &= self.mtu as u32 + FRAME_OVERHEAD > pool.data_room() as u32;
        granted.tx_fast_free &= !granted.tx_multi_segment;
        granted
    }
}
