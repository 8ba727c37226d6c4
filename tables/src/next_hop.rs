//! The next-hop table: what a route's `NextHopId` stands for.
//!
//! Readers pay two dependent loads (slot, record). A record is immutable while readers may hold it: a change
//! writes a free record and stores its number into the slot, so that any number of routes change their next hop by
//! one store (prefix-independent convergence); the old record is reused after a grace period.

use crate::id::{IfaceId, PortId};

/// Bytes of the longest layer-2 header a next hop can prepend: Ethernet with two VLAN tags.
pub const MAX_HEADER: usize = 22;

/// What happens to a packet that takes this next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NextHopKind {
    /// No route: answered with ICMP no route. Only id 0 has it.
    NoRoute = 0,
    /// A resolved neighbour: prepend `header`, send out of `port`.
    Forward = 1,
    /// An ECMP group: `gateway` is unused, `group` names the members.
    Group = 2,
    /// One of our own addresses.
    Local = 3,
    /// A connected prefix: resolve the packet's destination on `iface`.
    Glean = 4,
    /// A gateway whose link-layer address is not known yet: resolve `gateway` on `iface`.
    Incomplete = 5,
    /// Dropped silently (RFC 6666 discard).
    Blackhole = 6,
    /// Dropped with ICMP unreachable (no route / host).
    Unreachable = 7,
    /// Dropped with ICMP administratively prohibited.
    Prohibit = 8,
}

/// One next hop: one cache line, plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct NextHop {
    /// Destination MAC, source MAC, VLAN tags if any, EtherType last; `header_len` bytes, network order. The
    /// EtherType is written by the rewrite stage for the packet's family, so one record serves both.
    pub header: [u8; MAX_HEADER],
    /// Bytes of `header` in use: 14, 18 or 22.
    pub header_len: u8,
    /// What to do.
    pub kind: NextHopKind,
    /// Port to send from (`Forward`).
    pub port: PortId,
    /// Outgoing interface (`Forward`, `Glean`, `Incomplete`); the interface that owns the address (`Local`).
    pub iface: IfaceId,
    /// Layer-3 MTU of the interface, bytes: longer packets get Packet Too Big or are fragmented.
    pub mtu: u16,
    /// Index of the group's buckets (`Group`).
    pub group: u16,
    /// Address to resolve (`Incomplete`): IPv6, or IPv4 in its last 4 bytes as an IPv4-mapped address.
    pub gateway: [u8; 16],
}

const _: () = assert!(size_of::<NextHop>() == 64);
