//! Generic routing encapsulation (RFC 2784), with key and sequence number (RFC 2890), over both
//! versions of IP (RFC 7676).
//!
//! ```text
//!  0                   1                   2                   3
//! +-+-+-+-+-+-+-----------+-------+-------------------------------+
//! |C|R|K|S|s|r|  reserved | vers. |         protocol type         |
//! +-+-+-+-+-+-+-----------+-------+-------------------------------+
//! |      checksum, if C           |     reserved, if C            |
//! +-------------------------------+-------------------------------+
//! |                         key, if K                             |
//! +---------------------------------------------------------------+
//! |                   sequence number, if S                       |
//! +---------------------------------------------------------------+
//! ```
//!
//! R, s and r are bits of RFC 1701 (routing, strict source route, recursion control), which is not
//! implemented.

use thiserror::Error;

use crate::checksum::Sum;
use crate::error::{EmitError, room};
use crate::ether::EtherType;
use crate::vxlan::Vni;

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
/// Bits 4 and 5, which RFC 2784 section 2.3 has a receiver refuse along with the routing bit.
const REFUSED: u16 = 0x0c00;
const VERSION: u16 = 0x0007;

/// Why bytes are no GRE packet that we take. Each variant is one rule; [`GreError::class`] names it
/// for counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum GreError {
    /// Shorter than the header that its flags announce.
    #[error("{have} bytes where {need} are needed")]
    Truncated {
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// Another version than 0; 1 is that of PPTP (RFC 2637).
    #[error("version {0} instead of 0")]
    Version(u8),
    /// The routing bit of RFC 1701.
    #[error("with routing, as only RFC 1701 has it")]
    Routing,
    /// A bit of 4 and 5, which must be zero (RFC 2784 section 2.3).
    #[error("flags {0:#06x} with a reserved bit that must be zero")]
    ReservedBit(u16),
    /// The checksum is wrong.
    #[error("checksum is wrong")]
    Checksum,
}

impl GreError {
    /// The rule's name in counters.
    pub const fn class(&self) -> &'static str {
        match self {
            GreError::Truncated { .. } => "truncated",
            GreError::Version(_) => "version",
            GreError::Routing => "routing",
            GreError::ReservedBit(_) => "reserved_bit",
            GreError::Checksum => "checksum",
        }
    }
}

/// What a GRE header says; of 4 to 16 bytes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GreHeader {
    /// What follows: [`EtherType::TRANSPARENT_BRIDGING`] for an Ethernet frame, [`EtherType::IPV4`],
    /// [`EtherType::IPV6`] (RFC 7676 section 3.1), or anything else.
    pub protocol: EtherType,
    /// Over header and payload. Over IPv6 it is absent unless asked for (RFC 7676 section 2.1).
    pub checksum: Option<u16>,
    /// Which of the flows between two endpoints this is (RFC 2890 section 2.1).
    pub key: Option<u32>,
    /// How many packets came before on this tunnel (RFC 2890 section 2.2).
    pub sequence: Option<u32>,
}

/// A GRE packet whose header holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrePacket<'a> {
    /// What the header says.
    pub header: GreHeader,
    /// What follows the header.
    pub payload: &'a [u8],
    /// The header as it stands: its checksum covers the reserved bits too.
    header_bytes: &'a [u8],
}

impl GreHeader {
    /// Length in bytes of a header without options.
    pub const MIN_LEN: usize = 4;
    /// Length in bytes of a header with all options.
    pub const MAX_LEN: usize = 16;

    /// A header to send, without options.
    pub const fn new(protocol: EtherType) -> Self {
        GreHeader {
            protocol,
            checksum: None,
            key: None,
            sequence: None,
        }
    }

    /// The packet at the start of an IP packet's payload. The checksum is not looked at: see
    /// [`GrePacket::verify_checksum`].
    ///
    /// Bits 6 to 12 and the word behind the checksum are ignored, as RFC 2784 sections 2.3 and 2.6
    /// want.
    pub fn parse(bytes: &[u8]) -> Result<GrePacket<'_>, GreError> {
        let have = bytes.len();
        let need = GreHeader::MIN_LEN;
        let Some((&[f1, f0, p1, p0], _)) = bytes.split_first_chunk() else {
            return Err(GreError::Truncated { need, have });
        };
        let flags = u16::from_be_bytes([f1, f0]);
        // First of all: the other bits of another version mean something else.
        if flags & VERSION != 0 {
            return Err(GreError::Version((flags & VERSION) as u8));
        }
        if flags & ROUTING != 0 {
            return Err(GreError::Routing);
        }
        if flags & REFUSED != 0 {
            return Err(GreError::ReservedBit(flags));
        }
        let need = header_len(flags);
        let Some((header_bytes, payload)) = bytes.split_at_checked(need) else {
            return Err(GreError::Truncated { need, have });
        };
        let mut words = header_bytes[GreHeader::MIN_LEN..]
            .as_chunks()
            .0
            .iter()
            .map(|&word| u32::from_be_bytes(word));
        let mut word_if = |flag| (flags & flag != 0).then(|| words.next()).flatten();
        Ok(GrePacket {
            header: GreHeader {
                protocol: EtherType(u16::from_be_bytes([p1, p0])),
                checksum: word_if(CHECKSUM).map(|word| (word >> 16) as u16),
                key: word_if(KEY),
                sequence: word_if(SEQUENCE),
            },
            payload,
            header_bytes,
        })
    }

    /// Length in bytes.
    pub const fn encoded_len(&self) -> usize {
        header_len(self.flags())
    }

    /// The header as bytes, for a template of outer headers, and how many of them count. The
    /// checksum is written as it is given; what is reserved is zero.
    pub fn to_bytes(&self) -> ([u8; GreHeader::MAX_LEN], usize) {
        let mut bytes = [0; GreHeader::MAX_LEN];
        bytes[..2].copy_from_slice(&self.flags().to_be_bytes());
        bytes[2..4].copy_from_slice(&self.protocol.0.to_be_bytes());
        let checksum = self.checksum.map(|sum| u32::from(sum) << 16);
        let words = [checksum, self.key, self.sequence].into_iter().flatten();
        let (slots, _) = bytes[GreHeader::MIN_LEN..].as_chunks_mut();
        for (slot, word) in slots.iter_mut().zip(words) {
            *slot = word.to_be_bytes();
        }
        (bytes, self.encoded_len())
    }

    /// Writes the header and returns its length; the rest of `buf` is left as it is.
    pub fn write(&self, buf: &mut [u8]) -> Result<usize, EmitError> {
        let (bytes, len) = self.to_bytes();
        room(buf, len)?.copy_from_slice(&bytes[..len]);
        Ok(len)
    }

    /// The same header with the checksum of itself and the payload, whose pieces come one after the
    /// other.
    #[must_use]
    pub fn with_checksum<'a>(mut self, payload: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.checksum = Some(0);
        let (bytes, len) = self.to_bytes();
        self.checksum = Some(sum(&bytes[..len], payload).finish());
        self
    }

    const fn flags(&self) -> u16 {
        let mut flags = 0;
        if self.checksum.is_some() {
            flags |= CHECKSUM;
        }
        if self.key.is_some() {
            flags |= KEY;
        }
        if self.sequence.is_some() {
            flags |= SEQUENCE;
        }
        flags
    }
}

impl GrePacket<'_> {
    /// Bytes of the header with its options.
    pub const fn header_len(&self) -> usize {
        self.header_bytes.len()
    }

    /// Whether header and payload are intact, which a receiver must know of a packet that has a
    /// checksum (RFC 2784 section 2.5); one without passes.
    ///
    /// `payload` is all that follows the header, piece by piece: [`GrePacket::payload`] when the
    /// packet is in one piece, without what a link padded.
    pub fn verify_checksum<'a>(
        &self,
        payload: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), GreError> {
        if self.header.checksum.is_none() || sum(self.header_bytes, payload).is_valid() {
            Ok(())
        } else {
            Err(GreError::Checksum)
        }
    }
}

/// The key of NVGRE (RFC 7637 section 3.2): the virtual subnet, and 8 bits of entropy about the
/// inner flow.
pub const fn nvgre_key(vsid: Vni, flow_id: u8) -> u32 {
    vsid.get() << 8 | flow_id as u32
}

/// Virtual subnet and flow of an NVGRE key.
pub const fn nvgre_ids(key: u32) -> (Vni, u8) {
    let [b3, b2, b1, flow_id] = key.to_be_bytes();
    (Vni::from_octets([b3, b2, b1]), flow_id)
}

const fn header_len(flags: u16) -> usize {
    let n_options = (flags & (CHECKSUM | KEY | SEQUENCE)).count_ones();
    GreHeader::MIN_LEN + 4 * n_options as usize
}

fn sum<'a>(header: &[u8], payload: impl IntoIterator<Item = &'a [u8]>) -> Sum {
    let mut sum = Sum::new();
    sum.add(header);
    for piece in payload {
        sum.add(piece);
    }
    sum
}

#[cfg(test)]
mod tests;
