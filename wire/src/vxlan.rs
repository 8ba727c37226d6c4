//! VXLAN (RFC 7348 section 5): an Ethernet frame of a numbered network in UDP.
//!
//! ```text
//!  0                   1                   2                   3
//! +-+-+-+-+-+-+-+-+-----------------------------------------------+
//! |R|R|R|R|I|R|R|R|                   reserved                    |
//! +-+-+-+-+-+-+-+-+-------------------------------+---------------+
//! |      VXLAN network identifier (VNI)           |   reserved    |
//! +-----------------------------------------------+---------------+
//! ```

use std::fmt;

use thiserror::Error;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The UDP port of a VXLAN tunnel endpoint (RFC 7348 section 5; IANA).
pub const PORT: u16 = 4789;

/// The bit that says that the VNI counts.
const FLAG_VNI: u8 = 0x08;

/// The 24-bit number of an overlay network: a VXLAN network identifier, a Geneve virtual network
/// identifier, an NVGRE virtual subnet identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vni(u32);

/// A number that 24 bits cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("VNI {0} is not one of 0 to {max}", max = Vni::MAX.0)]
pub struct VniError(pub u32);

impl Vni {
    /// The largest.
    pub const MAX: Vni = Vni(0x00ff_ffff);

    /// The number as the header has it, in wire order.
    pub const fn from_octets([b2, b1, b0]: [u8; 3]) -> Self {
        Vni(u32::from_be_bytes([0, b2, b1, b0]))
    }

    /// As the header has it, in wire order.
    pub const fn octets(self) -> [u8; 3] {
        let [_, b2, b1, b0] = self.0.to_be_bytes();
        [b2, b1, b0]
    }

    /// 0 to 2^24 - 1.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Vni {
    type Error = VniError;

    fn try_from(value: u32) -> Result<Self, VniError> {
        if value > Vni::MAX.0 {
            Err(VniError(value))
        } else {
            Ok(Vni(value))
        }
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why bytes are no VXLAN packet. Each variant is one rule; [`VxlanError::class`] names it for
/// counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum VxlanError {
    /// Shorter than the header.
    #[error("{have} bytes where {need} are needed", need = VxlanHeader::LEN)]
    Truncated {
        /// Bytes there.
        have: usize,
    },
    /// The I flag is clear, so that the packet belongs to no network.
    #[error("flags {flags:#04x} without the VNI flag")]
    NoVniFlag {
        /// The flags found.
        flags: u8,
    },
}

impl VxlanError {
    /// The rule's name in counters.
    pub const fn class(&self) -> &'static str {
        match self {
            VxlanError::Truncated { .. } => "truncated",
            VxlanError::NoVniFlag { .. } => "no_vni_flag",
        }
    }
}

/// The VXLAN header.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct VxlanHeader {
    flags: u8,
    reserved: [u8; 3],
    vni: [u8; 3],
    reserved2: u8,
}

impl VxlanHeader {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// A header to send; what is reserved is zero.
    pub const fn new(vni: Vni) -> Self {
        VxlanHeader {
            flags: FLAG_VNI,
            reserved: [0; 3],
            vni: vni.octets(),
            reserved2: 0,
        }
    }

    /// The header as bytes, for a template of outer headers.
    pub fn to_bytes(self) -> [u8; VxlanHeader::LEN] {
        zerocopy::transmute!(self)
    }

    /// The header at the start of a datagram's payload, and the inner frame.
    ///
    /// The I flag must be set; the other flags and what is reserved are ignored (RFC 7348 section
    /// 5). Extensions that give them a meaning have a port of their own or are agreed on by both
    /// ends.
    pub fn parse(bytes: &[u8]) -> Result<(&VxlanHeader, &[u8]), VxlanError> {
        let (header, frame) = VxlanHeader::ref_from_prefix(bytes)
            .map_err(|_| VxlanError::Truncated { have: bytes.len() })?;
        if header.flags & FLAG_VNI == 0 {
            return Err(VxlanError::NoVniFlag {
                flags: header.flags,
            });
        }
        Ok((header, frame))
    }

    /// The network that the inner frame belongs to.
    pub const fn vni(&self) -> Vni {
        Vni::from_octets(self.vni)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Scapy: VXLAN(flags=8, vni=0x123456)/Ether(02:00:00:00:00:02 > 02:00:00:00:00:01, type=0x9000).
    const PACKET: [u8; 22] = [
        0x08, 0, 0, 0, 0x12, 0x34, 0x56, 0, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x90, 0,
    ];

    #[test]
    fn both_ways() {
        let (header, frame) = VxlanHeader::parse(&PACKET).unwrap();
        assert_eq!(header.vni(), Vni::try_from(0x12_3456).unwrap());
        assert_eq!(frame, &PACKET[8..]);
        let built = VxlanHeader::new(header.vni());
        assert_eq!(built.to_bytes(), PACKET[..8]);
        assert_eq!(built.as_bytes(), &PACKET[..8]);
        let (_, nothing) = VxlanHeader::parse(&PACKET[..8]).unwrap();
        assert!(nothing.is_empty());
    }

    #[test]
    fn only_the_vni_flag_is_looked_at() {
        // Scapy: VXLAN(flags=0x88, gpid=7, vni=1, reserved2=255), a group policy.
        let grouped = [0x88, 0, 0, 7, 0, 0, 1, 0xff];
        let (header, _) = VxlanHeader::parse(&grouped).unwrap();
        assert_eq!(header.vni().get(), 1);
        for flags in (0..=255u8).filter(|flags| flags & 8 == 0) {
            let mut bytes = PACKET;
            bytes[0] = flags;
            let error = VxlanHeader::parse(&bytes).unwrap_err();
            assert_eq!(error, VxlanError::NoVniFlag { flags });
            assert_eq!(error.class(), "no_vni_flag");
        }
    }

    #[test]
    fn too_short() {
        for have in 0..8 {
            let error = VxlanHeader::parse(&PACKET[..have]).unwrap_err();
            assert_eq!(error, VxlanError::Truncated { have });
            assert_eq!(error.class(), "truncated");
        }
    }

    #[test]
    fn a_vni_has_24_bits() {
        assert_eq!(Vni::try_from(0xff_ffff), Ok(Vni::MAX));
        let error = Vni::try_from(0x100_0000).unwrap_err();
        assert_eq!(error, VniError(0x100_0000));
        assert_eq!(
            error.to_string(),
            "VNI 16777216 is not one of 0 to 16777215"
        );
        assert_eq!(Vni::MAX.to_string(), "16777215");
        assert_eq!(Vni::from_octets([1, 2, 3]).get(), 0x01_0203);
        assert_eq!(Vni::from_octets([1, 2, 3]).octets(), [1, 2, 3]);
    }
    proptest! {
        #[test]
        fn what_is_written_is_read(
            vni in 0u32..1 << 24,
            frame in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let vni = Vni::try_from(vni).unwrap();
            let bytes = [&VxlanHeader::new(vni).to_bytes()[..], &frame].concat();
            let (header, inner) = VxlanHeader::parse(&bytes).unwrap();
            prop_assert_eq!((header.vni(), inner), (vni, &frame[..]));
        }
    }
}
