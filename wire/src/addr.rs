//! What an address is: scopes and special ranges, as cheap questions on host-order integers.
//!
//! Take `u128` from `Ipv6Addr::to_bits` and `u32` from `Ipv4Addr::to_bits`. The ranges are those of
//! the IANA special-purpose address registries (RFC 6890), RFC 4291 and RFC 7346.
//!
//! Documentation and benchmarking ranges (2001:db8::/32, 192.0.2.0/24, 198.18.0.0/15, ...) are
//! *not* martians here: laboratories route them, and a border that must not can say so in a route.

/// IPv6 addresses.
pub mod v6 {
    use std::net::Ipv6Addr;

    /// `::`
    pub const UNSPECIFIED: u128 = 0;
    /// `::1`
    pub const LOOPBACK: u128 = 1;
    /// All nodes on the link, `ff02::1`.
    pub const ALL_NODES: u128 = 0xff02 << 112 | 1;
    /// All routers on the link, `ff02::2`.
    pub const ALL_ROUTERS: u128 = 0xff02 << 112 | 2;
    /// All MLDv2-capable routers, `ff02::16` (RFC 3810 section 5.2.14).
    pub const ALL_MLDV2_ROUTERS: u128 = 0xff02 << 112 | 0x16;
    /// DHCPv6 relay agents and servers on the link, `ff02::1:2` (RFC 8415 section 7.1).
    pub const ALL_DHCP_RELAY_AGENTS_AND_SERVERS: u128 = 0xff02 << 112 | 0x1_0002;
    /// DHCPv6 servers of the site, `ff05::1:3` (RFC 8415 section 7.1).
    pub const ALL_DHCP_SERVERS: u128 = 0xff05 << 112 | 0x1_0003;
    /// `ff02::1:ff00:0/104`, the solicited-node groups (RFC 4291 section 2.7.1).
    pub const SOLICITED_NODE_PREFIX: u128 = 0xff02 << 112 | 0x1_ff00_0000;

    /// How far a multicast packet may go (RFC 7346 section 2), ordered from near to far.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    #[repr(u8)]
    pub enum MulticastScope {
        /// 0: must not be sent; a packet received is dropped (RFC 4291 section 2.7).
        Reserved0 = 0,
        /// 1: never leaves the node.
        InterfaceLocal = 1,
        /// 2: never leaves the link.
        LinkLocal = 2,
        /// 3: a realm.
        RealmLocal = 3,
        /// 4: the smallest scope that is configured by hand.
        AdminLocal = 4,
        /// 5: a site.
        SiteLocal = 5,
        /// 6, 7, 9 to 13: unassigned.
        Unassigned = 7,
        /// 8: an organization.
        OrganizationLocal = 8,
        /// 14, and 15, which is treated as 14.
        Global = 14,
    }

    /// Whether `address` starts with the first `len` bits (1 to 128) of `prefix`.
    #[inline]
    const fn within(address: u128, prefix: u128, len: u32) -> bool {
        (address ^ prefix) >> (128 - len) == 0
    }

    /// `::`
    #[inline]
    pub const fn is_unspecified(a: u128) -> bool {
        a == UNSPECIFIED
    }

    /// `::1`
    #[inline]
    pub const fn is_loopback(a: u128) -> bool {
        a == LOOPBACK
    }

    /// `ff00::/8`
    #[inline]
    pub const fn is_multicast(a: u128) -> bool {
        within(a, 0xff << 120, 8)
    }

    /// `fe80::/10`: valid on one link, never forwarded (RFC 4291 section 2.5.6).
    #[inline]
    pub const fn is_link_local(a: u128) -> bool {
        within(a, 0xfe80 << 112, 10)
    }

    /// `fc00::/7`: unique local (RFC 4193).
    #[inline]
    pub const fn is_unique_local(a: u128) -> bool {
        within(a, 0xfc << 120, 7)
    }

    /// `::ffff:0:0/96`: IPv4-mapped, never on the wire (RFC 6890).
    #[inline]
    pub const fn is_v4_mapped(a: u128) -> bool {
        within(a, 0xffff << 32, 96)
    }

    /// `::/96` but `::` and `::1`: IPv4-compatible, deprecated (RFC 4291 section 2.5.5.1).
    #[inline]
    pub const fn is_v4_compatible(a: u128) -> bool {
        a >> 32 == 0 && a > LOOPBACK
    }

    /// `2001:db8::/32` and `3fff::/20`: documentation (RFC 3849, RFC 9637).
    #[inline]
    pub const fn is_documentation(a: u128) -> bool {
        within(a, 0x2001_0db8 << 96, 32) || within(a, 0x3fff << 112, 20)
    }

    /// `ff02::1:ff00:0/104`.
    #[inline]
    pub const fn is_solicited_node(a: u128) -> bool {
        within(a, SOLICITED_NODE_PREFIX, 104)
    }

    /// The solicited-node group of a unicast or anycast address (RFC 4291 section 2.7.1).
    #[inline]
    pub const fn solicited_node(a: u128) -> u128 {
        SOLICITED_NODE_PREFIX | (a & 0x00ff_ffff)
    }

    /// The scope of a multicast address, `None` for others.
    #[inline]
    pub const fn multicast_scope(a: u128) -> Option<MulticastScope> {
        if !is_multicast(a) {
            return None;
        }
        Some(match (a >> 112) & 0xf {
            0 => MulticastScope::Reserved0,
            1 => MulticastScope::InterfaceLocal,
            2 => MulticastScope::LinkLocal,
            3 => MulticastScope::RealmLocal,
            4 => MulticastScope::AdminLocal,
            5 => MulticastScope::SiteLocal,
            8 => MulticastScope::OrganizationLocal,
            14 | 15 => MulticastScope::Global,
            _ => MulticastScope::Unassigned,
        })
    }

    /// Whether a packet to this address stays on the link or the node: link-local unicast,
    /// loopback, or multicast of scope 0, 1 or 2.
    #[inline]
    pub const fn stays_on_link(a: u128) -> bool {
        is_link_local(a) || a == LOOPBACK || (is_multicast(a) && (a >> 112) & 0xf <= 2)
    }

    /// Whether no packet on a wire may come from here: multicast, loopback, IPv4-mapped or
    /// -compatible.
    ///
    /// The unspecified source is legal for some packets to us (DAD, RS, MLD) and is asked for
    /// apart.
    #[inline]
    pub const fn is_martian_source(a: u128) -> bool {
        is_multicast(a) || is_low_martian(a)
    }

    /// Whether no packet on a wire may go here: unspecified, loopback, IPv4-mapped or -compatible,
    /// multicast of scope 0 or 1.
    #[inline]
    pub const fn is_martian_destination(a: u128) -> bool {
        a == UNSPECIFIED || is_low_martian(a) || (is_multicast(a) && (a >> 112) & 0xf <= 1)
    }

    /// Loopback, IPv4-compatible, IPv4-mapped: all have 80 zero bits, so that a global address
    /// costs one test.
    #[inline]
    const fn is_low_martian(a: u128) -> bool {
        a >> 48 == 0 && a != UNSPECIFIED && (a >> 32 == 0 || a >> 32 == 0xffff)
    }

    /// The mask of a prefix length from 0 to 128.
    #[inline]
    pub const fn mask(len: u8) -> u128 {
        if len == 0 {
            0
        } else {
            u128::MAX << (128 - len as u32)
        }
    }

    /// The address with the bits after the first `len` cleared.
    pub const fn truncated(address: &Ipv6Addr, len: u8) -> Ipv6Addr {
        Ipv6Addr::from_bits(address.to_bits() & mask(len))
    }
}

/// IPv4 addresses.
pub mod v4 {
    /// `255.255.255.255`
    pub const LIMITED_BROADCAST: u32 = u32::MAX;
    /// All systems on the link, `224.0.0.1`.
    pub const ALL_SYSTEMS: u32 = 0xe000_0001;
    /// All routers on the link, `224.0.0.2`.
    pub const ALL_ROUTERS: u32 = 0xe000_0002;
    /// Where IGMPv3 reports go, `224.0.0.22` (RFC 3376 section 4.2.14).
    pub const ALL_IGMPV3_ROUTERS: u32 = 0xe000_0016;

    /// `0.0.0.0`
    #[inline]
    pub const fn is_unspecified(a: u32) -> bool {
        a == 0
    }

    /// `127.0.0.0/8`
    #[inline]
    pub const fn is_loopback(a: u32) -> bool {
        a >> 24 == 127
    }

    /// `224.0.0.0/4`
    #[inline]
    pub const fn is_multicast(a: u32) -> bool {
        a >> 28 == 0xe
    }

    /// `224.0.0.0/24`: never forwarded, whatever the TTL (RFC 5771 section 4).
    #[inline]
    pub const fn is_link_multicast(a: u32) -> bool {
        a >> 8 == 0x00e0_0000
    }

    /// `255.255.255.255`
    #[inline]
    pub const fn is_limited_broadcast(a: u32) -> bool {
        a == LIMITED_BROADCAST
    }

    /// `169.254.0.0/16`: never forwarded (RFC 3927 section 2.7).
    #[inline]
    pub const fn is_link_local(a: u32) -> bool {
        a >> 16 == 0xa9fe
    }

    /// `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16` (RFC 1918).
    #[inline]
    pub const fn is_private(a: u32) -> bool {
        a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8
    }

    /// `100.64.0.0/10`: shared by carriers (RFC 6598).
    #[inline]
    pub const fn is_shared(a: u32) -> bool {
        a >> 22 == 0x6440_0000 >> 22
    }

    /// `0.0.0.0/8`: "this network"; of it only `0.0.0.0` appears, as the source of a host without
    /// an address.
    #[inline]
    pub const fn is_this_network(a: u32) -> bool {
        a >> 24 == 0
    }

    /// `240.0.0.0/4` but the limited broadcast: reserved (RFC 1112 section 4).
    #[inline]
    pub const fn is_reserved(a: u32) -> bool {
        a >> 28 == 0xf && a != LIMITED_BROADCAST
    }

    /// Whether a packet to this address stays on the link: link-local, the limited broadcast, local
    /// multicast.
    #[inline]
    pub const fn stays_on_link(a: u32) -> bool {
        is_link_local(a) || is_limited_broadcast(a) || is_link_multicast(a)
    }

    /// Whether no packet on a wire may come from here (RFC 1812 section 5.3.7): `0.0.0.0/8` but
    /// `0.0.0.0` itself, loopback, multicast, reserved, broadcast.
    ///
    /// `0.0.0.0` is legal for some packets to us (DHCP) and is asked for apart.
    #[inline]
    pub const fn is_martian_source(a: u32) -> bool {
        (is_this_network(a) && a != 0) || is_loopback(a) || a >= 0xe000_0000
    }

    /// Whether no packet on a wire may go here: `0.0.0.0/8`, loopback, reserved.
    #[inline]
    pub const fn is_martian_destination(a: u32) -> bool {
        is_this_network(a) || is_loopback(a) || is_reserved(a)
    }

    /// The mask of a prefix length from 0 to 32.
    #[inline]
    pub const fn mask(len: u8) -> u32 {
        if len == 0 {
            0
        } else {
            u32::MAX << (32 - len as u32)
        }
    }
}

#[cfg(test)]
mod tests;
