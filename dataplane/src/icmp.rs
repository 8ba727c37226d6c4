//! ICMP errors as pure functions: which error answers a drop, may it be sent, from which address, in which bytes.
//!
//! No mbuf, no clock and no table here: packets are byte slices that begin at the IP header. The stage
//! `stages::icmp_error` joins these functions to the packet path.
//!
//! RFC 4443 (ICMPv6), RFC 7112 (code 3 of parameter problem), RFC 4861 section 8 (redirect), RFC 792 and RFC 1812
//! section 4.3 (ICMP), RFC 1191 section 4 (next-hop MTU). Not done: RFC 4884 extensions, source quench (RFC 6633).

pub mod limit;
pub mod message;
pub mod permit;
pub mod source;

#[cfg(test)]
mod tests;

/// Type of an ICMPv6 destination unreachable (RFC 4443 section 3.1).
pub const V6_UNREACHABLE: u8 = 1;
/// Type of an ICMPv6 packet too big (RFC 4443 section 3.2).
pub const V6_PACKET_TOO_BIG: u8 = 2;
/// Type of an ICMPv6 time exceeded (RFC 4443 section 3.3).
pub const V6_TIME_EXCEEDED: u8 = 3;
/// Type of an ICMPv6 parameter problem (RFC 4443 section 3.4).
pub const V6_PARAMETER_PROBLEM: u8 = 4;
/// Type of an ICMPv6 echo request (RFC 4443 section 4.1).
pub const V6_ECHO_REQUEST: u8 = 128;
/// Type of an ICMPv6 echo reply (RFC 4443 section 4.2).
pub const V6_ECHO_REPLY: u8 = 129;
/// Type of an ICMPv6 redirect (RFC 4861 section 4.5).
pub const V6_REDIRECT: u8 = 137;
/// Type of an ICMP destination unreachable (RFC 792).
pub const V4_UNREACHABLE: u8 = 3;
/// Type of an ICMP redirect (RFC 792).
pub const V4_REDIRECT: u8 = 5;
/// Type of an ICMP echo request (RFC 792).
pub const V4_ECHO_REQUEST: u8 = 8;
/// Type of an ICMP time exceeded (RFC 792).
pub const V4_TIME_EXCEEDED: u8 = 11;
/// Type of an ICMP parameter problem (RFC 792).
pub const V4_PARAMETER_PROBLEM: u8 = 12;

/// Next-header value of ICMPv6.
pub const PROTOCOL_ICMPV6: u8 = 58;
/// Protocol number of ICMP.
pub const PROTOCOL_ICMP: u8 = 1;

/// Why a packet could not go on, in words that both families share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The routing table holds no route to the destination.
    NoRoute,
    /// Forbidden by policy (a prohibit route, a filter).
    Prohibited,
    /// The source's scope does not reach the destination (IPv6).
    BeyondScope,
    /// The neighbour did not answer.
    AddressUnreachable,
    /// No listener on the transport port of one of our own addresses.
    PortUnreachable,
    /// No listener for the transport protocol; `pointer` is the offset of the next-header field.
    ProtocolUnreachable {
        /// Offset of the offending byte from the start of the IP header.
        pointer: u32,
    },
    /// The source address failed the ingress policy (uRPF).
    SourcePolicy,
    /// A configured unreachable route.
    RejectRoute,
    /// Longer than the next hop's MTU, and the packet may not be fragmented here.
    TooBig {
        /// MTU of the link that did not take the packet, bytes.
        mtu: u32,
    },
    /// Hop limit (TTL) used up.
    HopLimit,
    /// A header field with an impossible value.
    Field {
        /// Offset of the offending byte from the start of the IP header.
        pointer: u32,
    },
    /// A next header that no one here understands.
    NextHeader {
        /// Offset of the offending byte from the start of the IP header.
        pointer: u32,
    },
    /// An unrecognised option whose type asks for an answer (RFC 8200 section 4.2, action bits 10 or 11).
    Option {
        /// Offset of the offending byte from the start of the IP header.
        pointer: u32,
        /// Action bits 10: the answer is due even when the destination is multicast.
        even_multicast: bool,
    },
    /// The first fragment lacks the upper-layer header (RFC 7112).
    HeaderChain,
}

/// First eight bytes of an ICMP message, without the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// The 32-bit word after the checksum: MTU, pointer, identifier and sequence number, or zero.
    pub word: u32,
}

impl Code {
    const fn new(kind: u8, code: u8, word: u32) -> Self {
        Self { kind, code, word }
    }
}

impl Cause {
    /// The ICMPv6 error that answers this cause.
    pub const fn v6(self) -> Code {
        match self {
            Self::NoRoute => Code::new(V6_UNREACHABLE, 0, 0),
            Self::Prohibited => Code::new(V6_UNREACHABLE, 1, 0),
            Self::BeyondScope => Code::new(V6_UNREACHABLE, 2, 0),
            Self::AddressUnreachable => Code::new(V6_UNREACHABLE, 3, 0),
            Self::PortUnreachable => Code::new(V6_UNREACHABLE, 4, 0),
            Self::SourcePolicy => Code::new(V6_UNREACHABLE, 5, 0),
            Self::RejectRoute => Code::new(V6_UNREACHABLE, 6, 0),
            Self::TooBig { mtu } => Code::new(V6_PACKET_TOO_BIG, 0, mtu),
            Self::HopLimit => Code::new(V6_TIME_EXCEEDED, 0, 0),
            Self::Field { pointer } => Code::new(V6_PARAMETER_PROBLEM, 0, pointer),
            Self::NextHeader { pointer } | Self::ProtocolUnreachable { pointer } => {
                Code::new(V6_PARAMETER_PROBLEM, 1, pointer)
            }
            Self::Option { pointer, .. } => Code::new(V6_PARAMETER_PROBLEM, 2, pointer),
            Self::HeaderChain => Code::new(V6_PARAMETER_PROBLEM, 3, 0),
        }
    }

    /// The ICMP error that answers this cause, if IPv4 knows it.
    pub const fn v4(self) -> Option<Code> {
        Some(match self {
            Self::NoRoute => Code::new(V4_UNREACHABLE, 0, 0),
            Self::AddressUnreachable | Self::RejectRoute => Code::new(V4_UNREACHABLE, 1, 0),
            Self::ProtocolUnreachable { .. } => Code::new(V4_UNREACHABLE, 2, 0),
            Self::PortUnreachable => Code::new(V4_UNREACHABLE, 3, 0),
            // RFC 1191 section 4: the MTU fills the low 16 bits of the word.
            Self::TooBig { mtu } => {
                Code::new(V4_UNREACHABLE, 4, if mtu > 0xffff { 0xffff } else { mtu })
            }
            // RFC 1812 section 5.2.7.1: 13, communication administratively prohibited.
            Self::Prohibited | Self::SourcePolicy => Code::new(V4_UNREACHABLE, 13, 0),
            Self::HopLimit => Code::new(V4_TIME_EXCEEDED, 0, 0),
            // RFC 792: the pointer is the first byte of the word.
            Self::Field { pointer } | Self::Option { pointer, .. } if pointer <= 0xff => {
                Code::new(V4_PARAMETER_PROBLEM, 0, pointer << 24)
            }
            Self::Field { .. }
            | Self::Option { .. }
            | Self::NextHeader { .. }
            | Self::BeyondScope
            | Self::HeaderChain => return None,
        })
    }
}
