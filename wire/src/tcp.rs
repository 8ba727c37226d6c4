//! The fixed part of TCP (RFC 9293 section 3.1).
//!
//! ```text
//!  0                   1                   2                   3
//! +-------------------------------+-------------------------------+
//! |          source port          |       destination port        |
//! +-------------------------------+-------------------------------+
//! |                        sequence number                        |
//! |                     acknowledgment number                     |
//! +-------+-------+---------------+-------------------------------+
//! |offset | rsrvd |CWR..FIN flags |            window             |
//! +-------+-------+---------------+-------------------------------+
//! |           checksum            |        urgent pointer         |
//! +-------------------------------+-------------------------------+
//! ```

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{DecodeError, Header};

/// Bits of [`TcpHeader::flags`].
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Opens a connection.
    pub const SYN: u8 = 0x02;
    /// Breaks a connection.
    pub const RST: u8 = 0x04;
    /// Hand the data over at once.
    pub const PSH: u8 = 0x08;
    /// The acknowledgment number counts.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer counts.
    pub const URG: u8 = 0x20;
    /// ECN echo.
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced.
    pub const CWR: u8 = 0x80;
}

/// The fixed part of the TCP header.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct TcpHeader {
    source_port: U16,
    destination_port: U16,
    sequence: U32,
    acknowledgment: U32,
    data_offset: u8,
    flags: u8,
    window: U16,
    checksum: U16,
    urgent: U16,
}

impl TcpHeader {
    /// Length in bytes, without options.
    pub const LEN: usize = 20;

    /// The header at the start of `bytes`, its options, and the data. The checksum is not looked
    /// at.
    pub fn parse(bytes: &[u8]) -> Result<(&TcpHeader, &[u8], &[u8]), DecodeError> {
        let (header, rest) =
            TcpHeader::ref_from_prefix(bytes).map_err(|_| DecodeError::Truncated {
                header: Header::Tcp,
                need: TcpHeader::LEN,
                have: bytes.len(),
            })?;
        let header_len = header.header_len();
        if header_len < TcpHeader::LEN {
            let words = u32::from(header.data_offset >> 4);
            return Err(DecodeError::field(Header::Tcp, "data offset", 12, words));
        }
        DecodeError::need(Header::Tcp, header_len, bytes.len())?;
        let (options, data) = rest.split_at(header_len - TcpHeader::LEN);
        Ok((header, options, data))
    }

    /// The sender's port.
    pub fn source_port(&self) -> u16 {
        self.source_port.get()
    }

    /// The receiver's port.
    pub fn destination_port(&self) -> u16 {
        self.destination_port.get()
    }

    /// Number of the first data byte, or of the SYN.
    pub fn sequence(&self) -> u32 {
        self.sequence.get()
    }

    /// Number of the next byte expected, when ACK is set.
    pub fn acknowledgment(&self) -> u32 {
        self.acknowledgment.get()
    }

    /// Bytes of this header with its options.
    pub fn header_len(&self) -> usize {
        usize::from(self.data_offset >> 4) * 4
    }

    /// See [`flag`].
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Bytes the sender can take, unscaled.
    pub fn window(&self) -> u16 {
        self.window.get()
    }

    /// The checksum as it stands.
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rustfmt::skip]
    const SYN: [u8; 24] = [
        0x9c, 0x40, 0x01, 0xbb, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0,
        0x60, 0x02, 0xfa, 0xf0, 0xab, 0xcd, 0, 0, 2, 4, 5, 0xa0,
    ];

    #[test]
    fn a_syn_is_read() {
        let (header, options, data) = TcpHeader::parse(&SYN).unwrap();
        assert_eq!(
            (header.source_port(), header.destination_port()),
            (40000, 443)
        );
        assert_eq!(
            (header.sequence(), header.flags()),
            (0x1122_3344, flag::SYN)
        );
        assert_eq!((header.window(), header.checksum()), (64240, 0xabcd));
        assert_eq!((options, data), (&[2, 4, 5, 0xa0][..], &[][..]));
        assert_eq!(header.as_bytes(), &SYN[..20]);
    }

    #[test]
    fn bad_data_offset() {
        let mut bytes = SYN;
        bytes[12] = 0x40;
        let error = DecodeError::field(Header::Tcp, "data offset", 12, 4);
        assert_eq!(TcpHeader::parse(&bytes), Err(error));
        bytes[12] = 0x70;
        let error = DecodeError::Truncated {
            header: Header::Tcp,
            need: 28,
            have: 24,
        };
        assert_eq!(TcpHeader::parse(&bytes), Err(error));
    }
}
