//! The packet handle.
//!
//! # Invariant
//!
//! An [`Mbuf`] points to a live `struct rte_mbuf`. It is born in [`RxQueue::rx_burst`],
//! [`Mempool::alloc_bulk`] or [`Mempool::alloc`], and dies exactly once: accepted by
//! [`TxQueue::tx_burst`], or freed. Between the two exactly one thread uses it.
//!
//! The handle is `Copy` so that bursts can be sorted, compacted and kept in arrays without
//! drop flags; so the compiler does not guard this invariant, the packet path does, and its
//! accounting (pool in-use count, conservation equation) is tested. Code that is not on the
//! packet path has no business with this type.
//!
//! A chain's later segments are reached by [`Mbuf::next`] and die with the first.
//!
//! [`RxQueue::rx_burst`]: crate::RxQueue::rx_burst
//! [`TxQueue::tx_burst`]: crate::TxQueue::tx_burst
//! [`Mempool::alloc_bulk`]: crate::Mempool::alloc_bulk
//! [`Mempool::alloc`]: crate::Mempool::alloc

use std::fmt;
use std::ptr::{self, NonNull};
use std::slice;

use dpdk_sys::rte_mbuf;

use crate::Mempool;

/// Bits of [`Mbuf::ol_flags`].
///
/// `RX_*` are said by the driver about a received packet, `TX_*` asked of the driver of the port
/// that sends it. Checksum states are two bits each; compare under their mask.
pub mod flags {
    use dpdk_sys as c;

    /// The packet carried a VLAN tag; [`super::Mbuf::vlan_tci`] is valid.
    pub const RX_VLAN: u64 = c::HEXTET_MBUF_F_RX_VLAN;
    /// ... and the tag is no longer in the data.
    pub const RX_VLAN_STRIPPED: u64 = c::HEXTET_MBUF_F_RX_VLAN_STRIPPED;
    /// [`super::Mbuf::rss_hash`] is valid.
    pub const RX_RSS_HASH: u64 = c::HEXTET_MBUF_F_RX_RSS_HASH;
    /// Mask of the IPv4 header checksum's state.
    pub const RX_IP_CKSUM_MASK: u64 = c::HEXTET_MBUF_F_RX_IP_CKSUM_MASK;
    /// The IPv4 header checksum is wrong.
    pub const RX_IP_CKSUM_BAD: u64 = c::HEXTET_MBUF_F_RX_IP_CKSUM_BAD;
    /// The IPv4 header checksum was verified.
    pub const RX_IP_CKSUM_GOOD: u64 = c::HEXTET_MBUF_F_RX_IP_CKSUM_GOOD;
    /// Mask of the TCP/UDP checksum's state.
    pub const RX_L4_CKSUM_MASK: u64 = c::HEXTET_MBUF_F_RX_L4_CKSUM_MASK;
    /// The TCP/UDP checksum is wrong.
    pub const RX_L4_CKSUM_BAD: u64 = c::HEXTET_MBUF_F_RX_L4_CKSUM_BAD;
    /// The TCP/UDP checksum was verified.
    pub const RX_L4_CKSUM_GOOD: u64 = c::HEXTET_MBUF_F_RX_L4_CKSUM_GOOD;
    /// The checksum field holds only the pseudo-header's sum, the data is known to be intact:
    /// a virtual machine left the sum to whoever sends the packet on a wire.
    pub const RX_L4_CKSUM_NONE: u64 = c::HEXTET_MBUF_F_RX_L4_CKSUM_NONE;
    /// Several segments in one packet; [`super::Mbuf::tso_segsz`] is the payload of each.
    pub const RX_LRO: u64 = c::HEXTET_MBUF_F_RX_LRO;
    /// Insert [`super::Mbuf::vlan_tci`] when sending.
    pub const TX_VLAN: u64 = c::HEXTET_MBUF_F_TX_VLAN;
    /// The packet is IPv4 (needed by the other `TX_*` requests).
    pub const TX_IPV4: u64 = c::HEXTET_MBUF_F_TX_IPV4;
    /// The packet is IPv6 (needed by the other `TX_*` requests).
    pub const TX_IPV6: u64 = c::HEXTET_MBUF_F_TX_IPV6;
    /// Compute the IPv4 header checksum.
    pub const TX_IP_CKSUM: u64 = c::HEXTET_MBUF_F_TX_IP_CKSUM;
    /// Complete the TCP checksum over the pseudo-header's sum already in the field.
    pub const TX_TCP_CKSUM: u64 = c::HEXTET_MBUF_F_TX_TCP_CKSUM;
    /// Complete the UDP checksum, likewise.
    pub const TX_UDP_CKSUM: u64 = c::HEXTET_MBUF_F_TX_UDP_CKSUM;
    /// Mask of the two above.
    pub const TX_L4_MASK: u64 = c::HEXTET_MBUF_F_TX_L4_MASK;
    /// Cut the TCP payload into segments of [`super::Mbuf::tso_segsz`].
    pub const TX_TCP_SEG: u64 = c::HEXTET_MBUF_F_TX_TCP_SEG;
    /// Cut the UDP payload into datagrams of [`super::Mbuf::tso_segsz`].
    pub const TX_UDP_SEG: u64 = c::HEXTET_MBUF_F_TX_UDP_SEG;
    /// Every `TX_*` request.
    pub const TX_MASK: u64 = c::HEXTET_MBUF_F_TX_OFFLOAD_MASK;
    /// The buffer belongs to another mbuf or to nobody's pool: kept by every change of flags.
    pub const ATTACHED_MASK: u64 = c::HEXTET_MBUF_F_INDIRECT | c::HEXTET_MBUF_F_EXTERNAL;
}

/// A packet. See the [module](self) for the one rule.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mbuf(NonNull<rte_mbuf>);

// SAFETY: an mbuf has one user at a time (module invariant); pools accept frees from any thread.
unsafe impl Send for Mbuf {}

impl Mbuf {
    pub(crate) fn from_raw(raw: *mut rte_mbuf) -> Option<Self> {
        NonNull::new(raw).map(Mbuf)
    }

    pub(crate) fn raw(self) -> *mut rte_mbuf {
        self.0.as_ptr()
    }

    #[inline(always)]
    fn get(&self) -> &rte_mbuf {
        // SAFETY: live and used by one thread (module invariant).
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    fn get_mut(&mut self) -> &mut rte_mbuf {
        // SAFETY: as above; the reference ends before another is made, within one accessor.
        unsafe { self.0.as_mut() }
    }

    /// Fetches the header's first cache line ahead of use.
    #[inline(always)]
    pub fn prefetch(self) {
        prefetch(self.0.as_ptr().cast());
    }

    /// Fetches the packet's first cache line ahead of use. Reads the header: prefetch that first.
    #[inline(always)]
    pub fn prefetch_data(self) {
        prefetch(self.data_ptr());
    }

    /// The packet's first byte.
    #[inline(always)]
    pub fn data_ptr(self) -> *mut u8 {
        let m = self.get();
        m.buf_addr.cast::<u8>().wrapping_add(m.data_off as usize)
    }

    /// Octets of this segment.
    #[inline(always)]
    pub fn data_len(self) -> u16 {
        self.get().data_len
    }

    /// Octets of the whole packet.
    #[inline(always)]
    pub fn pkt_len(self) -> u32 {
        self.get().pkt_len
    }

    /// Segments of the packet, 1 for most.
    #[inline(always)]
    pub fn nb_segs(self) -> u16 {
        self.get().nb_segs
    }

    /// The next segment of the chain.
    #[inline(always)]
    pub fn next(self) -> Option<Mbuf> {
        Mbuf::from_raw(self.get().next)
    }

    /// The DPDK port the packet came from.
    #[inline(always)]
    pub fn port(self) -> u16 {
        self.get().port
    }

    /// Says where the packet came from (for packets that the router makes itself).
    #[inline(always)]
    pub fn set_port(&mut self, port: u16) {
        self.get_mut().port = port;
    }

    /// What the driver said and what is asked of the next one; see [`flags`].
    #[inline(always)]
    pub fn ol_flags(self) -> u64 {
        self.get().ol_flags
    }

    /// Replaces the flags. Keep [`flags::ATTACHED_MASK`].
    #[inline(always)]
    pub fn set_ol_flags(&mut self, flags: u64) {
        self.get_mut().ol_flags = flags;
    }

    /// The VLAN tag's control information, host order; valid with [`flags::RX_VLAN`].
    #[inline(always)]
    pub fn vlan_tci(self) -> u16 {
        self.get().vlan_tci
    }

    /// Sets the tag that [`flags::TX_VLAN`] asks to insert.
    #[inline(always)]
    pub fn set_vlan_tci(&mut self, tci: u16) {
        self.get_mut().vlan_tci = tci;
    }

    /// `RTE_PTYPE_*` as the driver classified the packet; 0 if it did not.
    #[inline(always)]
    pub fn packet_type(self) -> u32 {
        self.get().packet_type
    }

    /// Replaces the packet type.
    #[inline(always)]
    pub fn set_packet_type(&mut self, packet_type: u32) {
        self.get_mut().packet_type = packet_type;
    }

    /// The device's hash of the flow; valid with [`flags::RX_RSS_HASH`].
    #[inline(always)]
    pub fn rss_hash(self) -> u32 {
        self.get().rss
    }

    /// Header lengths and segment size as one word: see [`tx_offload`].
    #[inline(always)]
    pub fn tx_offload(self) -> u64 {
        self.get().tx_offload
    }

    /// Sets the word that [`tx_offload`] builds.
    #[inline(always)]
    pub fn set_tx_offload(&mut self, word: u64) {
        self.get_mut().tx_offload = word;
    }

    /// Payload octets of each segment of an [`flags::RX_LRO`] or [`flags::TX_TCP_SEG`] packet.
    #[inline(always)]
    pub fn tso_segsz(self) -> u16 {
        (self.get().tx_offload >> 24) as u16
    }

    /// Free octets before the packet.
    #[inline(always)]
    pub fn headroom(self) -> u16 {
        self.get().data_off
    }

    /// Free octets after this segment's data.
    #[inline(always)]
    pub fn tailroom(self) -> u16 {
        let m = self.get();
        m.buf_len
            .saturating_sub(m.data_off)
            .saturating_sub(m.data_len)
    }

    /// Makes room for `n` octets before the packet; the new octets are unspecified.
    /// False, and nothing changed, if the headroom is smaller.
    #[inline(always)]
    #[must_use]
    pub fn prepend(&mut self, n: u16) -> bool {
        let m = self.get_mut();
        let Some(data_off) = m.data_off.checked_sub(n) else {
            return false;
        };
        let Some(data_len) = m.data_len.checked_add(n) else {
            return false;
        };
        m.data_off = data_off;
        m.data_len = data_len;
        m.pkt_len += n as u32;
        true
    }

    /// Removes `n` octets from the packet's start. False if the first segment is shorter.
    #[inline(always)]
    #[must_use]
    pub fn adj(&mut self, n: u16) -> bool {
        let m = self.get_mut();
        let Some(data_len) = m.data_len.checked_sub(n) else {
            return false;
        };
        m.data_off += n;
        m.data_len = data_len;
        m.pkt_len -= n as u32;
        true
    }

    /// Adds `n` unspecified octets at the packet's end. False if the last segment has no room.
    #[must_use]
    pub fn append(&mut self, n: u16) -> bool {
        let mut last = self.last();
        if last.tailroom() < n {
            return false;
        }
        last.get_mut().data_len += n;
        self.get_mut().pkt_len += n as u32;
        true
    }

    /// Removes `n` octets from the packet's end. False if the last segment is shorter.
    #[must_use]
    pub fn trim(&mut self, n: u16) -> bool {
        let mut last = self.last();
        let Some(data_len) = last.data_len().checked_sub(n) else {
            return false;
        };
        last.get_mut().data_len = data_len;
        self.get_mut().pkt_len -= n as u32;
        true
    }

    /// Cuts the packet to its first `len` octets (link-layer padding, snap length). Segments
    /// that become empty stay in the chain. False if the packet is shorter.
    #[must_use]
    pub fn truncate(&mut self, len: u32) -> bool {
        if len > self.pkt_len() {
            return false;
        }
        let mut left = len;
        let mut segment = Some(*self);
        while let Some(mut s) = segment {
            let keep = left.min(s.data_len() as u32);
            s.get_mut().data_len = keep as u16;
            left -= keep;
            segment = s.next();
        }
        self.get_mut().pkt_len = len;
        true
    }

    /// The first segment's octets.
    #[inline(always)]
    pub fn data(&self) -> &[u8] {
        // SAFETY: the driver or our own accessors keep data_off + data_len within the buffer.
        unsafe { slice::from_raw_parts(self.data_ptr(), self.data_len() as usize) }
    }

    /// The buffer's first `N` octets from the packet's start on, whether the packet is so long or not: beyond its end
    /// they are what the buffer held before. `None` if the buffer ends before.
    ///
    /// For checks of headers at fixed places, many at once; look at [`Mbuf::data_len`] before believing the outcome.
    #[inline(always)]
    pub fn head<const N: usize>(&self) -> Option<&[u8; N]> {
        let m = self.get();
        if m.data_off as usize + N > m.buf_len as usize {
            return None;
        }
        // SAFETY: the octets are within the buffer; pools are made of memory that the system has zeroed.
        Some(unsafe { &*self.data_ptr().cast::<[u8; N]>() })
    }

    /// The first segment's octets, to be changed.
    #[inline(always)]
    pub fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: as `data`; one user at a time (module invariant).
        unsafe { slice::from_raw_parts_mut(self.data_ptr(), self.data_len() as usize) }
    }

    /// The packet and its segments, first to last.
    pub fn segments(self) -> impl Iterator<Item = Mbuf> {
        std::iter::successors(Some(self), |segment| segment.next())
    }

    /// Copies the packet, across segments, as far as `out` reaches; how many octets were copied.
    pub fn copy_to(self, out: &mut [u8]) -> usize {
        let mut done = 0;
        for segment in self.segments() {
            let data = segment.data();
            let n = data.len().min(out.len() - done);
            out[done..done + n].copy_from_slice(&data[..n]);
            done += n;
            if done == out.len() {
                break;
            }
        }
        done
    }

    /// A packet of its own with the same octets and the same notes of its driver, in buffers of `pool`; `None` when it has none
    /// left.
    pub fn copy(self, pool: &Mempool) -> Option<Mbuf> {
        // SAFETY: both are live; the copy reads the packet and owns what it returns.
        Mbuf::from_raw(unsafe { dpdk_sys::rte_pktmbuf_copy(self.raw(), pool.raw(), 0, u32::MAX) })
    }

    /// Gathers a chain into its first segment. False, and nothing changed, if the tail does not
    /// fit there. After true, [`Mbuf::data`] is the whole packet.
    #[must_use]
    pub fn linearize(&mut self) -> bool {
        let rest = self.pkt_len().saturating_sub(self.data_len() as u32);
        if self.nb_segs() == 1 {
            return true;
        }
        if rest > self.tailroom() as u32 {
            return false;
        }
        let tail = self.next();
        for segment in tail.into_iter().flat_map(Mbuf::segments) {
            let n = segment.data_len();
            let end = self.data_ptr().wrapping_add(self.data_len() as usize);
            // SAFETY: `rest` octets fit in the tailroom, and segments do not share buffers.
            unsafe { ptr::copy_nonoverlapping(segment.data_ptr(), end, n as usize) };
            self.get_mut().data_len += n;
        }
        let m = self.get_mut();
        m.next = ptr::null_mut();
        m.nb_segs = 1;
        if let Some(mut tail) = tail {
            tail.free_as_chain();
        }
        true
    }

    /// Appends `tail` to this packet's chain; the tail dies as a packet of its own.
    pub fn chain(&mut self, tail: Mbuf) {
        let mut last = self.last();
        last.get_mut().next = tail.raw();
        let (segments, len) = (tail.nb_segs(), tail.pkt_len());
        let m = self.get_mut();
        m.nb_segs += segments;
        m.pkt_len += len;
    }

    /// Returns the packet, all its segments, to their pool.
    pub fn free(self) {
        // SAFETY: live; by the module invariant this is its one death.
        unsafe { dpdk_sys::rte_pktmbuf_free(self.raw()) };
    }

    /// Returns many packets to their pools in as few calls as there are runs of one pool.
    #[inline]
    pub fn free_bulk(packets: &[Mbuf]) {
        if packets.is_empty() {
            return;
        }
        // SAFETY: Mbuf is transparent over a non-null pointer; C only reads the array; each
        // packet dies once here (module invariant). A slice never exceeds u32::MAX packets.
        unsafe {
            let array = packets.as_ptr().cast::<*mut rte_mbuf>().cast_mut();
            dpdk_sys::rte_pktmbuf_free_bulk(array, packets.len() as u32);
        }
    }

    /// The address as a number, to tell packets apart in a trace or a test.
    pub fn addr(self) -> usize {
        self.0.as_ptr() as usize
    }

    fn last(self) -> Mbuf {
        let mut last = self;
        while let Some(next) = last.next() {
            last = next;
        }
        last
    }

    /// Frees segments that were cut off a packet: the first of them must count the others.
    fn free_as_chain(&mut self) {
        let segments = self.segments().count() as u16;
        self.get_mut().nb_segs = segments;
        self.free();
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf")
            .field("port", &self.port())
            .field("pkt_len", &self.pkt_len())
            .field("nb_segs", &self.nb_segs())
            .finish_non_exhaustive()
    }
}

/// The word of [`Mbuf::set_tx_offload`]: octets of the link header (7 bits), the network header
/// (9 bits) and the transport header (8 bits), and the payload of each segment (16 bits).
#[inline(always)]
pub const fn tx_offload(l2_len: u16, l3_len: u16, l4_len: u16, tso_segsz: u16) -> u64 {
    (l2_len as u64 & 0x7f)
        | (l3_len as u64 & 0x1ff) << 7
        | (l4_len as u64 & 0xff) << 16
        | (tso_segsz as u64) << 24
}

#[inline(always)]
fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests;
