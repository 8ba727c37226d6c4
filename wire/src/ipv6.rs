//! The fixed IPv6 header (RFC 8200 section 3).
//!
//! ```text
//!  0                   1                   2                   3
//! +-------+---------------+---------------------------------------+
//! |version| traffic class |              flow label               |
//! +-------+---------------+-------+---------------+---------------+
//! |        payload length         |  next header  |   hop limit   |
//! +-------------------------------+---------------+---------------+
//! |                      source address (16)                      |
//! |                    destination address (16)                   |
//! +---------------------------------------------------------------+
//! ```

use std::net::Ipv6Addr;

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{DecodeError, Header};

/// The smallest MTU of a link that carries IPv6 (RFC 8200 section 5).
pub const MIN_MTU: usize = 1280;

/// A protocol number: IPv4's *protocol*, IPv6's *next header*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Protocol(pub u8);

impl Protocol {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: Protocol = Protocol(0);
    /// ICMP for IPv4.
    pub const ICMPV4: Protocol = Protocol(1);
    /// Internet group management.
    pub const IGMP: Protocol = Protocol(2);
    /// IPv4 in IP.
    pub const IPV4: Protocol = Protocol(4);
    /// TCP.
    pub const TCP: Protocol = Protocol(6);
    /// UDP.
    pub const UDP: Protocol = Protocol(17);
    /// IPv6 in IP.
    pub const IPV6: Protocol = Protocol(41);
    /// IPv6 routing header.
    pub const ROUTING: Protocol = Protocol(43);
    /// IPv6 fragment header.
    pub const FRAGMENT: Protocol = Protocol(44);
    /// Generic routing encapsulation.
    pub const GRE: Protocol = Protocol(47);
    /// Encapsulating security payload: what follows is opaque.
    pub const ESP: Protocol = Protocol(50);
    /// Authentication header.
    pub const AH: Protocol = Protocol(51);
    /// ICMPv6.
    pub const ICMPV6: Protocol = Protocol(58);
    /// Nothing follows.
    pub const NO_NEXT_HEADER: Protocol = Protocol(59);
    /// IPv6 destination options.
    pub const DESTINATION_OPTIONS: Protocol = Protocol(60);
    /// OSPF.
    pub const OSPF: Protocol = Protocol(89);
    /// VRRP.
    pub const VRRP: Protocol = Protocol(112);
    /// SCTP.
    pub const SCTP: Protocol = Protocol(132);
    /// IPv6 mobility header.
    pub const MOBILITY: Protocol = Protocol(135);
    /// Host identity protocol.
    pub const HIP: Protocol = Protocol(139);
    /// Shim6.
    pub const SHIM6: Protocol = Protocol(140);
}

/// The fixed IPv6 header.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct Ipv6Header {
    version_class_label: U32,
    payload_len: U16,
    next_header: u8,
    hop_limit: u8,
    source: [u8; 16],
    destination: [u8; 16],
}

impl Ipv6Header {
    /// Length in bytes.
    pub const LEN: usize = 40;

    /// A header to send, with traffic class and flow label 0.
    pub fn new(
        source: &Ipv6Addr,
        destination: &Ipv6Addr,
        next_header: Protocol,
        hop_limit: u8,
        payload_len: u16,
    ) -> Self {
        Ipv6Header {
            version_class_label: U32::new(6 << 28),
            payload_len: U16::new(payload_len),
            next_header: next_header.0,
            hop_limit,
            source: source.octets(),
            destination: destination.octets(),
        }
    }

    /// The header at the start of `packet`, and its payload without what a link padded.
    ///
    /// An error when the version is not 6 or the payload is not all there. A jumbogram (RFC 2675)
    /// has payload length 0 and so an empty payload here; [`crate::ext_header::walk`] names it.
    pub fn parse(packet: &[u8]) -> Result<(&Ipv6Header, &[u8]), DecodeError> {
        let (header, rest) = Ipv6Header::parse_prefix(packet)?;
        let payload_len = header.payload_len();
        let payload = rest.get(..payload_len).ok_or(DecodeError::Truncated {
            header: Header::Ipv6,
            need: Ipv6Header::LEN + payload_len,
            have: packet.len(),
        })?;
        Ok((header, payload))
    }

    /// As [`Ipv6Header::parse`], of a packet that may be cut short (the one quoted by an ICMPv6
    /// error): also returns all the bytes that follow.
    pub fn parse_prefix(packet: &[u8]) -> Result<(&Ipv6Header, &[u8]), DecodeError> {
        let (header, rest) =
            Ipv6Header::ref_from_prefix(packet).map_err(|_| DecodeError::Truncated {
                header: Header::Ipv6,
                need: Ipv6Header::LEN,
                have: packet.len(),
            })?;
        if header.version() != 6 {
            let version = u32::from(header.version());
            return Err(DecodeError::field(Header::Ipv6, "version", 0, version));
        }
        Ok((header, rest))
    }

    /// 6, when parsed.
    pub fn version(&self) -> u8 {
        (self.version_class_label.get() >> 28) as u8
    }

    /// Differentiated services code point and ECN (RFC 2474, RFC 3168).
    pub fn traffic_class(&self) -> u8 {
        (self.version_class_label.get() >> 20) as u8
    }

    /// 20 bits (RFC 6437).
    pub fn flow_label(&self) -> u32 {
        self.version_class_label.get() & 0x000f_ffff
    }

    /// Bytes after this header.
    pub fn payload_len(&self) -> usize {
        usize::from(self.payload_len.get())
    }

    /// What follows this header.
    pub fn next_header(&self) -> Protocol {
        Protocol(self.next_header)
    }

    /// Links the packet may still cross.
    pub fn hop_limit(&self) -> u8 {
        self.hop_limit
    }

    /// Who sent the packet.
    pub fn source(&self) -> Ipv6Addr {
        self.source.into()
    }

    /// Where it goes, or the next node of a routing header.
    pub fn destination(&self) -> Ipv6Addr {
        self.destination.into()
    }

    /// The same header with another traffic class.
    #[must_use]
    pub fn with_traffic_class(mut self, class: u8) -> Self {
        let rest = self.version_class_label.get() & !(0xff << 20);
        self.version_class_label.set(rest | u32::from(class) << 20);
        self
    }

    /// The same header with another flow label, of which 20 bits count.
    #[must_use]
    pub fn with_flow_label(mut self, label: u32) -> Self {
        let rest = self.version_class_label.get() & !0x000f_ffff;
        self.version_class_label.set(rest | (label & 0x000f_ffff));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let mut bytes = [0u8; 42];
        bytes[..8].copy_from_slice(&[0x6a, 0xb1, 0x23, 0x45, 0, 1, 17, 64]);
        bytes[8..24].copy_from_slice(&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        bytes[24..40].copy_from_slice(&"ff02::5".parse::<Ipv6Addr>().unwrap().octets());
        bytes[40] = 0x77;
        let (header, payload) = Ipv6Header::parse(&bytes).unwrap();
        assert_eq!(
            (header.traffic_class(), header.flow_label()),
            (0xab, 0x12345)
        );
        assert_eq!(
            (header.next_header(), header.hop_limit()),
            (Protocol::UDP, 64)
        );
        assert_eq!(
            payload,
            [0x77],
            "the byte after the payload is the link's padding"
        );
        let built = Ipv6Header::new(
            &header.source(),
            &header.destination(),
            Protocol::UDP,
            64,
            1,
        )
        .with_flow_label(0x12345)
        .with_traffic_class(0xab);
        assert_eq!(built.as_bytes(), &bytes[..40]);
    }

    #[test]
    fn bad_lengths_and_version() {
        let header = Ipv6Header::new(
            &Ipv6Addr::LOCALHOST,
            &Ipv6Addr::LOCALHOST,
            Protocol::UDP,
            1,
            8,
        );
        let mut bytes = [0u8; 47];
        bytes[..40].copy_from_slice(header.as_bytes());
        let truncated = |need, have| DecodeError::Truncated {
            header: Header::Ipv6,
            need,
            have,
        };
        assert_eq!(Ipv6Header::parse(&bytes), Err(truncated(48, 47)));
        assert_eq!(Ipv6Header::parse(&bytes[..39]), Err(truncated(40, 39)));
        assert!(Ipv6Header::parse_prefix(&bytes).is_ok());
        bytes[0] = 0x45;
        assert_eq!(
            Ipv6Header::parse(&bytes),
            Err(DecodeError::field(Header::Ipv6, "version", 0, 4))
        );
    }
}
