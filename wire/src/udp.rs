//! UDP (RFC 768).
//!
//! ```text
//!  0                   1                   2                   3
//! +-------------------------------+-------------------------------+
//! |          source port          |       destination port        |
//! +-------------------------------+-------------------------------+
//! |            length             |           checksum            |
//! +-------------------------------+-------------------------------+
//! ```

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{DecodeError, Header};

/// The UDP header.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct UdpHeader {
    source_port: U16,
    destination_port: U16,
    len: U16,
    checksum: U16,
}

impl UdpHeader {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// A header to send. `len` counts the header; the checksum is computed by the caller
    /// ([`crate::checksum::Sum::finish_udp`]), 0 for none, which IPv6 does not allow (RFC 8200
    /// section 8.1).
    pub fn new(source_port: u16, destination_port: u16, len: u16, checksum: u16) -> Self {
        UdpHeader {
            source_port: U16::new(source_port),
            destination_port: U16::new(destination_port),
            len: U16::new(len),
            checksum: U16::new(checksum),
        }
    }

    /// The header at the start of `bytes`, and its payload as its length says. The checksum is not
    /// looked at.
    pub fn parse(bytes: &[u8]) -> Result<(&UdpHeader, &[u8]), DecodeError> {
        let (header, rest) = UdpHeader::parse_prefix(bytes)?;
        let len = usize::from(header.len.get());
        if len < UdpHeader::LEN {
            return Err(DecodeError::field(Header::Udp, "length", 4, len as u32));
        }
        let payload = rest
            .get(..len - UdpHeader::LEN)
            .ok_or(DecodeError::Truncated {
                header: Header::Udp,
                need: len,
                have: bytes.len(),
            })?;
        Ok((header, payload))
    }

    /// The header alone, as the first fragment or a quote has it, and all that follows.
    pub fn parse_prefix(bytes: &[u8]) -> Result<(&UdpHeader, &[u8]), DecodeError> {
        UdpHeader::ref_from_prefix(bytes).map_err(|_| DecodeError::Truncated {
            header: Header::Udp,
            need: UdpHeader::LEN,
            have: bytes.len(),
        })
    }

    /// The sender's port; 0 when it wants no answer.
    pub fn source_port(&self) -> u16 {
        self.source_port.get()
    }

    /// The receiver's port.
    pub fn destination_port(&self) -> u16 {
        self.destination_port.get()
    }

    /// Bytes of header and payload; 0 in a jumbogram.
    pub fn len_field(&self) -> u16 {
        self.len.get()
    }

    /// The checksum; 0 for none.
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let bytes = [0x14, 0xe9, 0x00, 0x35, 0x00, 0x0a, 0xbe, 0xef, 1, 2, 3];
        let (header, payload) = UdpHeader::parse(&bytes).unwrap();
        assert_eq!(
            (header.source_port(), header.destination_port()),
            (5353, 53)
        );
        assert_eq!((header.checksum(), payload), (0xbeef, &[1, 2][..]));
        assert_eq!(UdpHeader::new(5353, 53, 10, 0xbeef).as_bytes(), &bytes[..8]);
    }

    #[test]
    fn bad_lengths() {
        let with_len = |len| UdpHeader::new(1, 2, len, 0);
        let error = |len| UdpHeader::parse(with_len(len).as_bytes()).unwrap_err();
        assert_eq!(error(7), DecodeError::field(Header::Udp, "length", 4, 7));
        assert_eq!(
            error(9),
            DecodeError::Truncated {
                header: Header::Udp,
                need: 9,
                have: 8
            }
        );
        assert!(UdpHeader::parse_prefix(&[0; 7]).is_err());
    }
}
