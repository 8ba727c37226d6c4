//! The IPv4 header and its options (RFC 791 section 3.1).
//!
//! ```text
//!  0                   1                   2                   3
//! +-------+-------+---------------+-------------------------------+
//! |version|  IHL  |DSCP / ECN     |          total length         |
//! +-------+-------+---------------+-----+-------------------------+
//! |         identification        |0 D M|     fragment offset     |
//! +---------------+---------------+-----+-------------------------+
//! |  time to live |    protocol   |        header checksum        |
//! +---------------+---------------+-------------------------------+
//! |                       source address (4)                      |
//! |                     destination address (4)                   |
//! |                    options, up to 40 bytes                    |
//! +---------------------------------------------------------------+
//! ```

use std::net::Ipv4Addr;

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum;
use crate::error::{DecodeError, Header};
use crate::ipv6::Protocol;

/// What every IPv4 host must be able to receive, and the size limit of ICMP errors (RFC 1812
/// section 4.3.2.3).
pub const MIN_REASSEMBLY: usize = 576;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;

/// The fixed part of the IPv4 header.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct Ipv4Header {
    version_ihl: u8,
    tos: u8,
    total_len: U16,
    identification: U16,
    flags_offset: U16,
    ttl: u8,
    protocol: u8,
    checksum: U16,
    source: [u8; 4],
    destination: [u8; 4],
}

/// An IPv4 packet whose lengths hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Packet<'a> {
    /// The fixed header.
    pub header: &'a Ipv4Header,
    /// The option bytes, possibly none.
    pub options: Options<'a>,
    /// The bytes after the header, without what a link padded.
    pub payload: &'a [u8],
}

impl Ipv4Header {
    /// Length in bytes, without options.
    pub const LEN: usize = 20;

    /// A header to send, without options, not fragmented, *don't fragment* clear, checksum filled.
    pub fn new(
        source: Ipv4Addr,
        destination: Ipv4Addr,
        protocol: Protocol,
        ttl: u8,
        payload_len: u16,
    ) -> Self {
        let mut header = Ipv4Header {
            version_ihl: 0x45,
            tos: 0,
            total_len: U16::new(payload_len.saturating_add(Ipv4Header::LEN as u16)),
            identification: U16::ZERO,
            flags_offset: U16::ZERO,
            ttl,
            protocol: protocol.0,
            checksum: U16::ZERO,
            source: source.octets(),
            destination: destination.octets(),
        };
        header.fill_checksum();
        header
    }

    /// The packet at the start of `bytes`. The checksum is not verified: see
    /// [`Ipv4Packet::verify_checksum`].
    pub fn parse(bytes: &[u8]) -> Result<Ipv4Packet<'_>, DecodeError> {
        let packet = Ipv4Header::parse_prefix(bytes)?;
        let total_len = packet.header.total_len();
        DecodeError::need(Header::Ipv4, total_len, bytes.len())?;
        let payload = &bytes[packet.header.header_len()..total_len];
        Ok(Ipv4Packet { payload, ..packet })
    }

    /// As [`Ipv4Header::parse`], of a packet that may be cut short (the one quoted by an ICMP
    /// error): the payload is all that follows the header.
    pub fn parse_prefix(bytes: &[u8]) -> Result<Ipv4Packet<'_>, DecodeError> {
        const H: Header = Header::Ipv4;
        let (header, rest) =
            Ipv4Header::ref_from_prefix(bytes).map_err(|_| DecodeError::Truncated {
                header: H,
                need: Ipv4Header::LEN,
                have: bytes.len(),
            })?;
        let (version, ihl) = (header.version_ihl >> 4, header.version_ihl & 0xf);
        if version != 4 {
            return Err(DecodeError::field(H, "version", 0, u32::from(version)));
        }
        if ihl < 5 {
            return Err(DecodeError::field(H, "IHL", 0, u32::from(ihl)));
        }
        let header_len = header.header_len();
        if header.total_len() < header_len {
            return Err(DecodeError::field(
                H,
                "total length",
                2,
                u32::from(header.total_len.get()),
            ));
        }
        DecodeError::need(H, header_len, bytes.len())?;
        let (options, payload) = rest.split_at(header_len - Ipv4Header::LEN);
        Ok(Ipv4Packet {
            header,
            options: Options(options),
            payload,
        })
    }

    /// Bytes of this header with its options.
    pub fn header_len(&self) -> usize {
        usize::from(self.version_ihl & 0xf) * 4
    }

    /// Differentiated services code point and ECN.
    pub fn tos(&self) -> u8 {
        self.tos
    }

    /// Bytes of the whole packet.
    pub fn total_len(&self) -> usize {
        usize::from(self.total_len.get())
    }

    /// Common to all fragments of a packet.
    pub fn identification(&self) -> u16 {
        self.identification.get()
    }

    /// Whether routers must not fragment the packet.
    pub fn dont_fragment(&self) -> bool {
        self.flags_offset.get() & DONT_FRAGMENT != 0
    }

    /// Whether a later fragment follows.
    pub fn more_fragments(&self) -> bool {
        self.flags_offset.get() & MORE_FRAGMENTS != 0
    }

    /// Where this fragment's payload stands in the whole, in bytes.
    pub fn fragment_offset(&self) -> usize {
        usize::from(self.flags_offset.get() & 0x1fff) * 8
    }

    /// Whether this is a piece of a packet.
    pub fn is_fragment(&self) -> bool {
        self.more_fragments() || self.fragment_offset() != 0
    }

    /// Links the packet may still cross.
    pub fn ttl(&self) -> u8 {
        self.ttl
    }

    /// What follows this header.
    pub fn protocol(&self) -> Protocol {
        Protocol(self.protocol)
    }

    /// The header checksum as it stands.
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// Who sent the packet.
    pub fn source(&self) -> Ipv4Addr {
        self.source.into()
    }

    /// Where it goes.
    pub fn destination(&self) -> Ipv4Addr {
        self.destination.into()
    }

    /// The same header with another identification and fragment word; `offset` in bytes, a multiple
    /// of 8.
    #[must_use]
    pub fn with_fragment(
        mut self,
        identification: u16,
        dont: bool,
        more: bool,
        offset: u16,
    ) -> Self {
        self.identification.set(identification);
        let flags = if dont { DONT_FRAGMENT } else { 0 } | if more { MORE_FRAGMENTS } else { 0 };
        self.flags_offset.set(flags | (offset / 8));
        self.fill_checksum();
        self
    }

    /// The same header with another service field.
    #[must_use]
    pub fn with_tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self.fill_checksum();
        self
    }

    /// Fills the checksum of a header without options.
    fn fill_checksum(&mut self) {
        self.checksum = U16::ZERO;
        self.checksum = U16::new(checksum::checksum(self.as_bytes()));
    }
}

impl Ipv4Packet<'_> {
    /// Whether the header, options included, is intact.
    pub fn verify_checksum(&self) -> Result<(), DecodeError> {
        let mut sum = checksum::Sum::new();
        sum.add(self.header.as_bytes());
        sum.add(self.options.0);
        if sum.is_valid() {
            Ok(())
        } else {
            Err(DecodeError::Checksum {
                header: Header::Ipv4,
            })
        }
    }
}

/// Option numbers, with their copied flag and class (IANA "IP Option Numbers").
pub mod option {
    /// End of the list.
    pub const END: u8 = 0;
    /// One byte of padding.
    pub const NOP: u8 = 1;
    /// Record route.
    pub const RECORD_ROUTE: u8 = 7;
    /// Timestamp.
    pub const TIMESTAMP: u8 = 68;
    /// Loose source route.
    pub const LOOSE_SOURCE_ROUTE: u8 = 131;
    /// Strict source route.
    pub const STRICT_SOURCE_ROUTE: u8 = 137;
    /// Router alert (RFC 2113).
    pub const ROUTER_ALERT: u8 = 148;
}

/// The options of an IPv4 header: an iterator that ends at the end of the list or at the first
/// fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options<'a>(&'a [u8]);

/// One option other than padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Option<'a> {
    /// Number, with copied flag and class; see [`option`].
    pub kind: u8,
    /// Bytes after kind and length.
    pub data: &'a [u8],
}

impl Ipv4Option<'_> {
    /// Whether every fragment carries the option, not only the first (RFC 791 section 3.1).
    pub const fn is_copied(&self) -> bool {
        self.kind & 0x80 != 0
    }
}

impl<'a> Options<'a> {
    /// The option bytes as they stand, padding included.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a loose or strict source route is asked for, which routers refuse by default (RFC
    /// 7126 section 4.3).
    pub fn has_source_route(&self) -> bool {
        self.flatten().any(|o| {
            matches!(
                o.kind,
                option::LOOSE_SOURCE_ROUTE | option::STRICT_SOURCE_ROUTE
            )
        })
    }

    /// Whether a router on the way is asked to look (RFC 2113).
    pub fn has_router_alert(&self) -> bool {
        self.flatten().any(|o| o.kind == option::ROUTER_ALERT)
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<Ipv4Option<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&kind, rest) = self.0.split_first()?;
            match kind {
                option::END => {
                    self.0 = &[];
                    return None;
                }
                option::NOP => self.0 = rest,
                _ => break,
            }
        }
        let bytes = std::mem::take(&mut self.0);
        let kind = bytes[0];
        let Some(&len) = bytes.get(1) else {
            let truncated = DecodeError::Truncated {
                header: Header::Ipv4,
                need: 2,
                have: 1,
            };
            return Some(Err(truncated));
        };
        if len < 2 {
            // The offset of a fault counts from the start of the option.
            return Some(Err(DecodeError::field(
                Header::Ipv4,
                "option length",
                1,
                u32::from(len),
            )));
        }
        let Some((option, rest)) = bytes.split_at_checked(usize::from(len)) else {
            let need = usize::from(len);
            return Some(Err(DecodeError::Truncated {
                header: Header::Ipv4,
                need,
                have: bytes.len(),
            }));
        };
        self.0 = rest;
        Some(Ok(Ipv4Option {
            kind,
            data: &option[2..],
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IGMP query header with router alert.
    const WITH_ALERT: [u8; 28] = [
        0x46, 0xc0, 0x00, 0x1c, 0x12, 0x34, 0x40, 0x00, 0x01, 0x02, 0x00, 0x00, 192, 0, 2, 1, 224,
        0, 0, 1, 0x94, 0x04, 0x00, 0x00, 0xde, 0xad, 0xbe, 0xef,
    ];

    #[test]
    fn header_and_options_are_read() {
        let mut bytes = WITH_ALERT;
        let sum = checksum::checksum(&bytes[..24]);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        let packet = Ipv4Header::parse(&bytes).unwrap();
        packet.verify_checksum().unwrap();
        assert_eq!(
            (packet.header.header_len(), packet.header.total_len()),
            (24, 28)
        );
        assert!(packet.header.dont_fragment() && !packet.header.is_fragment());
        assert_eq!(packet.payload, [0xde, 0xad, 0xbe, 0xef]);
        assert!(packet.options.has_router_alert() && !packet.options.has_source_route());
        assert!(packet.options.flatten().all(|option| option.is_copied()));
        bytes[8] -= 1;
        assert!(
            Ipv4Header::parse(&bytes)
                .unwrap()
                .verify_checksum()
                .is_err()
        );
        let updated = checksum::update_ttl_decremented(sum);
        bytes[10..12].copy_from_slice(&updated.to_be_bytes());
        Ipv4Header::parse(&bytes)
            .unwrap()
            .verify_checksum()
            .unwrap();
    }

    #[test]
    fn a_built_header_is_valid() {
        let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let header =
            Ipv4Header::new(a, b, Protocol::UDP, 64, 0).with_fragment(7, false, true, 1480);
        let packet = Ipv4Header::parse(header.as_bytes()).unwrap();
        packet.verify_checksum().unwrap();
        assert_eq!(
            (
                packet.header.fragment_offset(),
                packet.header.identification()
            ),
            (1480, 7)
        );
        assert!(packet.header.more_fragments());
    }

    #[test]
    fn bad_lengths_are_named() {
        let field = |bytes: &[u8]| match Ipv4Header::parse(bytes) {
            Err(DecodeError::Field { field, .. }) => field,
            Err(DecodeError::Truncated { .. }) => "truncated",
            other => panic!("{other:?}"),
        };
        let with = |offset: usize, value: u8| {
            let mut bytes = WITH_ALERT;
            bytes[offset] = value;
            bytes
        };
        assert_eq!(field(&with(0, 0x66)), "version");
        assert_eq!(field(&with(0, 0x44)), "IHL");
        assert_eq!(field(&with(0, 0x4f)), "total length");
        assert_eq!(field(&with(3, 23)), "total length");
        assert_eq!(field(&with(3, 29)), "truncated");
        assert_eq!(field(&WITH_ALERT[..19]), "truncated");
    }

    #[test]
    fn option_walk_stays_inside() {
        let walk = |bytes: &[u8]| {
            Options(bytes)
                .map(|o| o.map(|o| o.kind))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            walk(&[1, 1, 7, 3, 4, 0, 7]),
            [Ok(7)],
            "padding is skipped, the end ends"
        );
        let zero = DecodeError::field(Header::Ipv4, "option length", 1, 0);
        assert_eq!(
            walk(&[131, 0, 131, 3, 4]),
            [Err(zero)],
            "a zero length ends the walk"
        );
        let short = |need, have| {
            Err(DecodeError::Truncated {
                header: Header::Ipv4,
                need,
                have,
            })
        };
        assert_eq!(walk(&[68, 4, 5]), [short(4, 3)]);
        assert_eq!(walk(&[1, 68]), [short(2, 1)]);
    }
}
