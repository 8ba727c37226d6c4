//! Which packets are plain: the checks of the parse stage that a transit packet must pass, all at once.
//!
//! No check branches: a packet that fails one is rare, and a branch for each would cost every packet. What can be said
//! byte by byte of the first 64 bytes is one comparison of vectors ([`Shape`]). The rest is noted of every packet
//! ([`Notes`]), and then judged of many packets at a time, by loops that the compiler turns into vectors.

use dpdk::{Mbuf, mbuf, offload};
use tables::lpm::Simd;
use tables::lpm::arch::Tags;

use super::LINK;
use crate::forwarding::MacAddr;
use crate::frame::BURST;

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
    fn fits<S: Simd>(&self, simd: S, head: &[u8; HEAD]) -> bool {
        let faults: [u8; HEAD] = std::array::from_fn(|k| {
            ((head[k] ^ self.value[k]) & self.mask[k])
                | self.least[k].saturating_sub(head[k])
                | head[k].saturating_sub(self.most[k])
        });
        simd.matching(&Tags(faults), 0xff, 0) == u64::MAX
    }
}

/// `N` bytes at an offset that is known when this is compiled.
#[inline(always)]
pub(super) fn at<const N: usize, const M: usize>(header: &[u8; M], offset: usize) -> [u8; N] {
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

/// Headers that transit does not pass over: extension headers.
const EXTENSIONS: [u8; 8] = [0, 43, 44, 51, 60, 135, 139, 140];

/// What is noted of packets of one family, by their number in the frame. As long as a packet has not been judged it is as
/// the packet has it, most significant byte first.
pub(super) struct Notes {
    /// The first half of the destination, as [`tables::lpm::Address::high`] has it; of IPv4 the destination.
    pub high: [u64; BURST],
    /// Bytes of the IP packet; of IPv6 those behind its header, until it is judged.
    pub len: [u16; BURST],
    /// Bytes of the frame.
    frame_len: [u32; BURST],
    /// The source; of IPv6 its first 16 bits.
    source: [u32; BURST],
    /// The sum of an IPv4 header's words of 32 bits.
    sum: [u64; BURST],
    /// What follows an IPv6 header.
    next_header: [u8; BURST],
    /// 0 where the packet has the [`Shape`].
    misshapen: [u8; BURST],
}

impl Notes {
    pub const NONE: Self = Self {
        high: [0; BURST],
        len: [0; BURST],
        frame_len: [0; BURST],
        source: [0; BURST],
        sum: [0; BURST],
        next_header: [0; BURST],
        misshapen: [0; BURST],
    };

    /// Notes what is to be judged of a packet.
    #[inline(always)]
    pub fn note<const V6: bool, S: Simd>(
        &mut self,
        simd: S,
        number: usize,
        mbuf: &Mbuf,
        shape: &Shape,
    ) {
        let number = number & (BURST - 1);
        let Some(head) = mbuf.head::<HEAD>() else {
            self.misshapen[number] = 1;
            return;
        };
        self.misshapen[number] = u8::from(!shape.fits(simd, head));
        self.frame_len[number] = mbuf.pkt_len();
        if V6 {
            self.high[number] = u64::from_ne_bytes(at(head, LINK + 24));
            self.len[number] = u16::from_ne_bytes(at(head, LINK + 4));
            self.source[number] = u32::from(u16::from_ne_bytes(at(head, LINK + 8)));
            self.next_header[number] = head[LINK + 6];
        } else {
            let words = [0, 4, 8, 12, 16].map(|k| u32::from_le_bytes(at(head, LINK + k)));
            self.high[number] = u64::from(u32::from_ne_bytes(at(head, LINK + 16)));
            self.len[number] = u16::from_ne_bytes(at(head, LINK + 2));
            self.source[number] = u32::from_ne_bytes(at(head, LINK + 12));
            self.sum[number] = words.into_iter().map(u64::from).sum();
        }
    }

    /// Judges what has been noted: which packets are plain, if they are [`ordinary`]. Of numbers of which nothing was noted
    /// it says nothing of worth.
    #[inline(always)]
    pub fn judge<const V6: bool, S: Simd>(&mut self, simd: S) -> u64 {
        let mut faults = Tags(self.misshapen);
        if V6 {
            self.judge6(&mut faults.0);
        } else {
            self.judge4(&mut faults.0);
        }
        simd.matching(&faults, 0xff, 0)
    }

    /// WHY several loops: each is over numbers of one width, as vectors are.
    #[inline(always)]
    fn judge6(&mut self, faults: &mut [u8; BURST]) {
        for (k, fault) in faults.iter_mut().enumerate() {
            let len = u32::from(u16::from_be(self.len[k])) + 40;
            // Longer than a frame can be, a jumbogram's, or more than the length noted can hold.
            let too_long = (len + LINK as u32 > self.frame_len[k]) | (len > u32::from(u16::MAX));
            // 0000::/16: unspecified, loopback, mapped.
            *fault |= u8::from(too_long | (self.source[k] == 0));
        }
        for len in &mut self.len {
            *len = u16::from_be(*len).wrapping_add(40);
        }
        for (high, fault) in self.high.iter_mut().zip(&mut *faults) {
            *high = u64::from_be(*high);
            *fault |= u8::from(*high >> 48 == 0);
        }
        for extension in EXTENSIONS {
            for (next_header, fault) in self.next_header.iter().zip(&mut *faults) {
                *fault |= u8::from(*next_header == extension);
            }
        }
    }

    #[inline(always)]
    fn judge4(&mut self, faults: &mut [u8; BURST]) {
        // 127.0.0.0/8, 169.254.0.0/16.
        let special = |a: u32| (a >> 24 == 127) | (a >> 16 == 0xa9fe);
        for (k, fault) in faults.iter_mut().enumerate() {
            let len = u32::from(u16::from_be(self.len[k]));
            let source = u32::from_be(self.source[k]);
            let destination = u32::from_be(self.high[k] as u32);
            let bad_len = (len < 20) | (len + LINK as u32 > self.frame_len[k]);
            *fault |= u8::from(bad_len | special(source) | special(destination));
        }
        for len in &mut self.len {
            *len = u16::from_be(*len);
        }
        for high in &mut self.high {
            *high = u64::from(u32::from_be(*high as u32));
        }
        for (&sum, fault) in self.sum.iter().zip(&mut *faults) {
            let sum = (sum >> 32) + (sum & 0xffff_ffff);
            let sum = (sum >> 16) + (sum & 0xffff);
            let sum = (sum >> 16) + (sum & 0xffff);
            let sum = (sum >> 16) + (sum & 0xffff);
            *fault |= u8::from(sum != 0xffff);
        }
    }
}
