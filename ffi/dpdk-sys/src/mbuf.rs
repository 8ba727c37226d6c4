//! `struct rte_mbuf`, field by field, and the proof that C agrees.

use core::ffi::c_void;
use core::mem::{offset_of, size_of};

use crate::bindings as c;

/// A packet buffer's header: two cache lines, followed by headroom and data in the same element
/// of the pool. Only the fields that the router uses have names.
#[allow(non_camel_case_types)]
#[repr(C, align(64))]
pub struct rte_mbuf {
    /// Start of the segment's buffer (headroom included).
    pub buf_addr: *mut c_void,
    /// The same address as the device sees it.
    pub buf_iova: u64,
    /// Offset of the packet's first byte from `buf_addr`.
    pub data_off: u16,
    /// References to this segment.
    pub refcnt: u16,
    /// Segments of the packet; valid in the first only.
    pub nb_segs: u16,
    /// The port it was received on.
    pub port: u16,
    /// `RTE_MBUF_F_*`.
    pub ol_flags: u64,
    /// `RTE_PTYPE_*`.
    pub packet_type: u32,
    /// Octets of all segments.
    pub pkt_len: u32,
    /// Octets of this segment.
    pub data_len: u16,
    /// VLAN tag control information in host order, valid with `RX_VLAN`.
    pub vlan_tci: u16,
    /// Hash of the flow, valid with `RX_RSS_HASH`.
    pub rss: u32,
    hash_high: u32,
    /// The outer tag, valid with `RX_QINQ`.
    pub vlan_tci_outer: u16,
    /// Octets of the segment's buffer (headroom included).
    pub buf_len: u16,
    /// The pool it returns to.
    pub pool: *mut c::rte_mempool,
    /// The next segment or null.
    pub next: *mut rte_mbuf,
    /// Header lengths and segment size for the device, as one word.
    pub tx_offload: u64,
    shinfo: *mut c_void,
    /// Octets between this header and the buffer.
    pub priv_size: u16,
    timesync: u16,
    dynfield1: [u32; 9],
}

macro_rules! same_offset {
    ($($field:ident = $c:ident),* $(,)?) => {
        $(const _: () = assert!(
            offset_of!(rte_mbuf, $field) == c::$c,
            concat!("struct rte_mbuf of this DPDK has another layout: ", stringify!($field))
        );)*
    };
}

same_offset! {
    buf_addr = HEXTET_MBUF_OFFSET_BUF_ADDR,
    data_off = HEXTET_MBUF_OFFSET_DATA_OFF,
    refcnt = HEXTET_MBUF_OFFSET_REFCNT,
    nb_segs = HEXTET_MBUF_OFFSET_NB_SEGS,
    port = HEXTET_MBUF_OFFSET_PORT,
    ol_flags = HEXTET_MBUF_OFFSET_OL_FLAGS,
    packet_type = HEXTET_MBUF_OFFSET_PACKET_TYPE,
    pkt_len = HEXTET_MBUF_OFFSET_PKT_LEN,
    data_len = HEXTET_MBUF_OFFSET_DATA_LEN,
    vlan_tci = HEXTET_MBUF_OFFSET_VLAN_TCI,
    rss = HEXTET_MBUF_OFFSET_RSS,
    vlan_tci_outer = HEXTET_MBUF_OFFSET_VLAN_TCI_OUTER,
    buf_len = HEXTET_MBUF_OFFSET_BUF_LEN,
    pool = HEXTET_MBUF_OFFSET_POOL,
    next = HEXTET_MBUF_OFFSET_NEXT,
    tx_offload = HEXTET_MBUF_OFFSET_TX_OFFLOAD,
    priv_size = HEXTET_MBUF_OFFSET_PRIV_SIZE,
}
const _: () = assert!(size_of::<rte_mbuf>() == c::HEXTET_MBUF_SIZE);
