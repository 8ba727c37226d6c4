//! Which packets are plain: the checks of the parse stage that a transit packet must pass, all at once.
//!
//! No check branches: a packet that fails one is rare, and a branch for each would cost every packet. What can be said
//! byte by byte of the first 64 bytes is one comparison of vectors ([`Shape`]).

use dpdk::{Mbuf, mbuf, offload};

use super::LINK;
use crate::forwarding::MacAddr;

/// What the lane has to know of a packet of one family.
#[derive(Clone, Copy)]
pub(super) struct Looked {
    /// The first half of the destination, as [`tables::lpm::Address::high`] has it.
    pub high: u64,
    /// Bytes of the IP packet.
    pub len: u32,
    /// Whether nothing is left to ask but its route, if it is [`ordinary`].
    pub plain: bool,
}

/// Bytes of a frame that a [`Shape`] tells about.
const HEAD: usize = 64;

/// What the bytes of a plain frame's headers can be.
#[repr(align(64))]
pub(super) struct Shape {
    /// Bits that are known ...
    mask: [u8; HEAD],
    /// ... and their values.
    value: [u8; HEAD],
    /// Least and greatest value of each byte.
    least: [u8; HEAD],
    most: [u8; HEAD],
}

impl Shape {
    const ANY: Self = Self {
        mask: [0; HEAD],
        value: [0; HEAD],
        least: [0; HEAD],
        most: [0xff; HEAD],
    };

    /// Our MAC as destination and a station's as source.
    fn for_us(mac: &MacAddr) -> Self {
        let mut shape = Self::ANY;
        shape.mask[..6].fill(0xff);
        shape.value[..6].copy_from_slice(mac);
        shape.mask[6] = 1;
        shape
    }

    /// A frame of IPv6 with a hop limit to spare, and no address of fe00::/7 or above (link-local, multicast).
    pub fn ip6(mac: &MacAddr) -> Self {
        let mut shape = Self::for_us(mac);
        shape.mask[12..LINK].fill(0xff);
        shape.value[12..LINK].copy_from_slice(&[0x86, 0xdd]);
        (shape.mask[LINK], shape.value[LINK]) = (0xf0, 0x60);
        shape.least[LINK + 7] = 2;
        (shape.most[LINK + 8], shape.most[LINK + 24]) = (0xfd, 0xfd);
        shape
    }

    /// A frame of IPv4 without options, unfragmented, with a TTL to spare, and no address of 0.0.0.0/8 or 224.0.0.0/3.
    pub fn ip4(mac: &MacAddr) -> Self {
        let mut shape = Self::for_us(mac);
        shape.mask[12..LINK].fill(0xff);
        shape.value[12..LINK].copy_from_slice(&[0x08, 0x00]);
        (shape.mask[LINK], shape.value[LINK]) = (0xff, 0x45);
        shape.mask[LINK + 6..LINK + 8].copy_from_slice(&[0x3f, 0xff]);
        shape.least[LINK + 8] = 2;
        for address in [LINK + 12, LINK + 16] {
            (shape.least[address], shape.most[address]) = (1, 223);
        }
        shape
    }

    /// Whether these bytes have the shape.
    #[inline(always)]
    fn fits(&self, head: &[u8; HEAD]) -> bool {
        let faults: [u8; HEAD] = std::array::from_fn(|k| {
            ((head[k] ^ self.value[k]) & self.mask[k])
                | self.least[k].saturating_sub(head[k])
                | head[k].saturating_sub(self.most[k])
        });
        faults == [0; HEAD]
    }
}

/// `N` bytes at an offset that is known when this is compiled.
#[inline(always)]
fn at<const N: usize, const M: usize>(header: &[u8; M], offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[offset..offset + N]);
    bytes
}

/// Whether the frame's EtherType is IPv6's.
#[inline(always)]
pub(super) fn is_ip6(mbuf: &Mbuf) -> bool {
    mbuf.data().get(12..LINK) == Some(&[0x86, 0xdd])
}

/// The destination of a packet that was found to be a plain IPv6 packet.
#[inline(always)]
pub(super) fn destination6(mbuf: &Mbuf) -> u128 {
    let header = mbuf.data().first_chunk::<{ LINK + 40 }>();
    header.map_or(0, |header| u128::from_be_bytes(at(header, LINK + 24)))
}

/// What the drivers said of a burst's packets, summed up.
#[derive(Clone, Copy, Default)]
pub(super) struct Said {
    flags: u64,
    segments: u16,
}

impl Said {
    #[inline(always)]
    pub fn add(&mut self, mbuf: &Mbuf) {
        self.flags |= mbuf.ol_flags();
        self.segments |= mbuf.nb_segs();
    }

    /// Whether every packet may be [`ordinary`] by what was summed up; if not, each must be asked.
    #[inline(always)]
    pub fn nothing_special(self) -> bool {
        use mbuf::flags::{
            RX_L4_CKSUM_MASK, RX_L4_CKSUM_NONE, RX_LRO, RX_VLAN_STRIPPED, TX_TCP_SEG,
        };
        (self.segments == 1)
            & (self.flags & (RX_VLAN_STRIPPED | RX_LRO | TX_TCP_SEG) == 0)
            & (self.flags & RX_L4_CKSUM_MASK != RX_L4_CKSUM_NONE)
    }
}

/// One segment, no tag taken out of the data, no batch of segments, no checksum left to us.
pub(super) fn ordinary(mbuf: &Mbuf) -> bool {
    (mbuf.nb_segs() == 1)
        & (mbuf.ol_flags() & mbuf::flags::RX_VLAN_STRIPPED == 0)
        & !offload::needs_finishing(*mbuf)
}

/// Whether transit needs no look at this next header: all but extension headers.
static UPPER_LAYER: [bool; 256] = {
    let mut table = [true; 256];
    let extensions = [0, 43, 44, 51, 60, 135, 139, 140];
    let mut k = 0;
    while k < extensions.len() {
        table[extensions[k]] = false;
        k += 1;
    }
    table
};

/// Looks at an IPv6 packet of this [`Shape::ip6`]. `None` if its buffer is too short for one.
#[inline(always)]
pub(super) fn plain6(mbuf: &Mbuf, shape: &Shape) -> Option<Looked> {
    let head = mbuf.head::<HEAD>()?;
    let len = u32::from(u16::from_be_bytes(at(head, LINK + 4))) + 40;
    let high = u64::from_be_bytes(at(head, LINK + 24));
    let source = u16::from_ne_bytes(at(head, LINK + 8));
    let plain = shape.fits(head)
        & (len + LINK as u32 <= mbuf.pkt_len())
        // A jumbo frame's, or more than the length noted can hold.
        & (len <= u32::from(u16::MAX))
        & UPPER_LAYER[head[LINK + 6] as usize]
        // 0000::/16: unspecified, loopback, mapped.
        & (source != 0)
        & (high >> 48 != 0);
    Some(Looked { high, len, plain })
}

/// Looks at an IPv4 packet of this [`Shape::ip4`]. `None` if its buffer is too short for one.
#[inline(always)]
pub(super) fn plain4(mbuf: &Mbuf, shape: &Shape) -> Option<Looked> {
    let head = mbuf.head::<HEAD>()?;
    let source = u32::from_be_bytes(at(head, LINK + 12));
    let destination = u32::from_be_bytes(at(head, LINK + 16));
    let len = u32::from(u16::from_be_bytes(at(head, LINK + 2)));
    // Not 127.0.0.0/8, 169.254.0.0/16.
    let routable = |a: u32| (a >> 24 != 127) & (a >> 16 != 0xa9fe);
    let plain = shape.fits(head)
        & (len >= 20)
        & (len + LINK as u32 <= mbuf.pkt_len())
        & routable(source)
        & routable(destination)
        & intact(mbuf, head);
    Some(Looked {
        high: u64::from(destination),
        len,
        plain,
    })
}

/// Whether the IPv4 header's checksum is right, by the device's word or our own sum.
#[inline(always)]
fn intact(mbuf: &Mbuf, head: &[u8; HEAD]) -> bool {
    use mbuf::flags::{RX_IP_CKSUM_GOOD, RX_IP_CKSUM_MASK};
    let words = [0, 4, 8, 12, 16].map(|k| u64::from(u32::from_le_bytes(at(head, LINK + k))));
    let sum: u64 = words.iter().sum();
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    (mbuf.ol_flags() & RX_IP_CKSUM_MASK == RX_IP_CKSUM_GOOD) | (sum == 0xffff)
}
