//! Geneve (RFC 8926 section 3.4): a frame or packet of a numbered network in UDP, with options.
//!
//! ```text
//!  0                   1                   2                   3
//! +---+-----------+-+-+-----------+-------------------------------+
//! |ver|  opt len  |O|C|  reserved |         protocol type         |
//! +---+-----------+-+-+-----------+---------------+---------------+
//! |     virtual network identifier (VNI)          |   reserved    |
//! +-----------------------------------------------+---------------+
//! |         option class          |    type       |  R  |  length |
//! |                   option data, then more options              |
//! +---------------------------------------------------------------+
//! ```
//!
//! Both lengths count units of 4 bytes and leave out the fixed header in front of them.
//!
//! LIMIT: options are read, not written.

use thiserror::Error;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ether::EtherType;
use crate::vxlan::Vni;

/// The UDP port of a Geneve tunnel endpoint (RFC 8926 section 3.3; IANA).
pub const PORT: u16 = 6081;

/// The most bytes of options that a header can have.
pub const MAX_OPTIONS_LEN: usize = 63 * 4;

/// *Control packet*.
const CONTROL: u8 = 0x80;
/// *Critical options present*.
const CRITICAL: u8 = 0x40;

/// Why bytes are no Geneve packet that we take. Each variant is one rule; [`GeneveError::class`]
/// names it for counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum GeneveError {
    /// Shorter than the header and the options that it announces.
    #[error("{have} bytes where {need} are needed")]
    Truncated {
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// Another version than 0.
    #[error("version {0} instead of 0")]
    Version(u8),
    /// An option that ends after the options do.
    #[error("option at byte {at} is longer than the options")]
    OptionLength {
        /// Its place, from the start of the options.
        at: usize,
    },
    /// A critical option that is not known (RFC 8926 section 3.5).
    #[error("critical option of class {class:#06x}, type {kind:#04x}, is not known")]
    UnknownCriticalOption {
        /// Who defined it.
        class: u16,
        /// Which one, critical bit included.
        kind: u8,
    },
}

impl GeneveError {
    /// The rule's name in counters.
    pub const fn class(&self) -> &'static str {
        match self {
            GeneveError::Truncated { .. } => "truncated",
            GeneveError::Version(_) => "version",
            GeneveError::OptionLength { .. } => "option_length",
            GeneveError::UnknownCriticalOption { .. } => "unknown_critical_option",
        }
    }
}

/// The fixed part of the Geneve header.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct GeneveHeader {
    version_options_len: u8,
    flags: u8,
    protocol: U16,
    vni: [u8; 3],
    reserved: u8,
}

/// A Geneve packet whose lengths hold, as far as the header tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenevePacket<'a> {
    /// The fixed header.
    pub header: &'a GeneveHeader,
    /// The options, possibly none.
    pub options: Options<'a>,
    /// What follows the options.
    pub payload: &'a [u8],
}

impl GeneveHeader {
    /// Length in bytes, without options.
    pub const LEN: usize = 8;

    /// A header to send, without options; what is reserved is zero.
    pub fn new(vni: Vni, protocol: EtherType) -> Self {
        GeneveHeader {
            version_options_len: 0,
            flags: 0,
            protocol: U16::new(protocol.0),
            vni: vni.octets(),
            reserved: 0,
        }
    }

    /// The header as bytes, for a template of outer headers.
    pub fn to_bytes(self) -> [u8; GeneveHeader::LEN] {
        zerocopy::transmute!(self)
    }

    /// The packet at the start of a datagram's payload. What is reserved is ignored.
    ///
    /// The options are not looked at: before it takes the payload, a receiver asks
    /// [`Options::check`], and [`GeneveHeader::is_control`].
    pub fn parse(bytes: &[u8]) -> Result<GenevePacket<'_>, GeneveError> {
        let truncated = |need| GeneveError::Truncated {
            need,
            have: bytes.len(),
        };
        let (header, rest) =
            GeneveHeader::ref_from_prefix(bytes).map_err(|_| truncated(GeneveHeader::LEN))?;
        if header.version() != 0 {
            return Err(GeneveError::Version(header.version()));
        }
        let (options, payload) = rest
            .split_at_checked(header.options_len())
            .ok_or(truncated(header.header_len()))?;
        Ok(GenevePacket {
            header,
            options: Options::new(options),
            payload,
        })
    }

    /// 0, when parsed.
    pub const fn version(&self) -> u8 {
        self.version_options_len >> 6
    }

    /// Bytes of options: 0 to [`MAX_OPTIONS_LEN`].
    pub const fn options_len(&self) -> usize {
        (self.version_options_len & 0x3f) as usize * 4
    }

    /// Bytes of this header with its options.
    pub const fn header_len(&self) -> usize {
        GeneveHeader::LEN + self.options_len()
    }

    /// O: a message between tunnel endpoints, whose payload is not to be forwarded.
    pub const fn is_control(&self) -> bool {
        self.flags & CONTROL != 0
    }

    /// C: at least one option is critical, so that an endpoint that reads no options has to drop
    /// the packet.
    pub const fn has_critical_options(&self) -> bool {
        self.flags & CRITICAL != 0
    }

    /// What follows the options: [`EtherType::TRANSPARENT_BRIDGING`] for an Ethernet frame.
    pub fn protocol(&self) -> EtherType {
        EtherType(self.protocol.get())
    }

    /// The network that the payload belongs to.
    pub const fn vni(&self) -> Vni {
        Vni::from_octets(self.vni)
    }
}

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneveOption<'a> {
    /// Who defined it (IANA "Geneve Option Class").
    pub class: u16,
    /// Which one of its class, critical bit included.
    pub kind: u8,
    /// Its data: a multiple of 4 bytes, at most 124.
    pub data: &'a [u8],
}

impl GeneveOption<'_> {
    /// Whether an endpoint that does not know the option has to drop the packet.
    pub const fn is_critical(&self) -> bool {
        self.kind & 0x80 != 0
    }
}

/// The options of a Geneve header: an iterator that ends at the end of the options or at the first
/// fault; of 63 steps at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options<'a> {
    bytes: &'a [u8],
    /// Where the next one starts.
    at: usize,
}

impl<'a> Options<'a> {
    /// The options in `bytes`, which hold nothing else.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Options { bytes, at: 0 }
    }

    /// Whether an endpoint that knows the options that `is_known` says may take the packet (RFC
    /// 8926 section 3.5): they fill the length in the header, and those that are critical are
    /// known. The option's own bit decides, whatever the C bit of the header says.
    ///
    /// Errors: [`GeneveError::OptionLength`], [`GeneveError::UnknownCriticalOption`].
    pub fn check(self, is_known: impl Fn(&GeneveOption<'_>) -> bool) -> Result<(), GeneveError> {
        for option in self {
            let option = option?;
            if option.is_critical() && !is_known(&option) {
                let GeneveOption { class, kind, .. } = option;
                return Err(GeneveError::UnknownCriticalOption { class, kind });
            }
        }
        Ok(())
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<GeneveOption<'a>, GeneveError>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
        // A fault ends the walk.
        self.at = self.bytes.len();
        let fault = Some(Err(GeneveError::OptionLength { at }));
        let Some((&[c1, c0, kind, len], after)) = rest.split_first_chunk() else {
            return fault;
        };
        // Three bits are reserved, and ignored.
        let data_len = usize::from(len & 0x1f) * 4;
        let Some(data) = after.get(..data_len) else {
            return fault;
        };
        self.at = at + 4 + data_len;
        Some(Ok(GeneveOption {
            class: u16::from_be_bytes([c1, c0]),
            kind,
            data,
        }))
    }
}

#[cfg(test)]
mod tests;
