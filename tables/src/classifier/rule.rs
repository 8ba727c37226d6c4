//! Rules as they are written, and packets as they are asked about.

use crate::id::RuleId;

/// A set of addresses: the members of a security group, or an address group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct SetId(pub u32);

/// Which upper-layer protocol a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Every one.
    Any,
    /// This one, by its IANA number.
    Number(u8),
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// Anybody of the rule's family.
    Any,
    /// An address in a prefix. Host order; of IPv4 the low 32 bits count (so an IPv4-mapped address will do), and `len` is at most
    /// 32. Bits beyond `len` do not count, a `len` that is too great is taken for the greatest.
    Prefix {
        /// The prefix.
        address: u128,
        /// Its length in bits.
        len: u8,
    },
    /// An address of this set.
    Set(SetId),
}

/// A rule: what it matches may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// What it is told by.
    pub id: RuleId,
    /// IPv6, else IPv4.
    pub v6: bool,
    /// The upper-layer protocol.
    pub protocol: Protocol,
    /// Destination ports, both ends included; of ICMP and ICMPv6 `type << 8 | code`, so that a type alone is the range
    /// `type << 8..=type << 8 | 255`. A range that ends before it begins matches nothing.
    pub ports: Option<(u16, u16)>,
    /// The other end.
    pub remote: Remote,
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// IPv6, else IPv4.
    pub v6: bool,
    /// Upper-layer protocol, behind any extension headers.
    pub protocol: u8,
    /// Destination port, or `type << 8 | code`; `None` where there is none or it cannot be seen: then no rule with ports matches.
    pub port: Option<u16>,
    /// The address of the other end, host order; of IPv4 the low 32 bits count.
    pub remote: u128,
}

/// An address as prefixes are compared: its first bit is the highest one in both families.
#[inline(always)]
pub(super) const fn align(v6: bool, address: u128) -> u128 {
    if v6 { address } else { address << 96 }
}

/// A length that is not too great.
pub(super) const fn clamp(v6: bool, len: u8) -> u8 {
    let most = if v6 { 128 } else { 32 };
    if len < most { len } else { most }
}
