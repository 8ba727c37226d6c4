//! VLAN tags: 802.1Q, and 802.1ad (QinQ) stacks of two.
//!
//! ```text
//! +-----------+-------------------+-----------+-----+---+-----------+-----------+
//! | dst (6)   | src (6)           | 0x8100 or | PCP |DEI| VLAN id   | type (2)  |  ...
//! |           |                   | 0x88a8    | (3) |(1)| (12)      |           |
//! +-----------+-------------------+-----------+-----+---+-----------+-----------+
//!                                 the outer type, then one tag of 4 bytes
//! ```

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{DecodeError, Header};
use crate::ether::{EtherHeader, EtherType};

/// The 12 bits that name a VLAN: 1 to 4094. 0 means priority only, 4095 is reserved.
pub const MAX_VLAN_ID: u16 = 4094;

/// The four bytes after an ether type that is a VLAN's: the tag, and the type of what follows.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct VlanTag {
    control: U16,
    ether_type: U16,
}

impl VlanTag {
    /// Length in bytes.
    pub const LEN: usize = 4;

    /// A tag to send; of `id` 12 bits count, of `priority` 3.
    pub fn new(id: u16, priority: u8, ether_type: EtherType) -> Self {
        let control = u16::from(priority & 7) << 13 | (id & 0x0fff);
        VlanTag {
            control: U16::new(control),
            ether_type: U16::new(ether_type.0),
        }
    }

    /// The tag at the start of what follows a VLAN's ether type, and the rest.
    pub fn parse(bytes: &[u8]) -> Result<(&VlanTag, &[u8]), DecodeError> {
        VlanTag::ref_from_prefix(bytes).map_err(|_| DecodeError::Truncated {
            header: Header::Vlan,
            need: VlanTag::LEN,
            have: bytes.len(),
        })
    }

    /// The VLAN; 0 for a tag that only carries a priority.
    pub fn id(&self) -> u16 {
        self.control.get() & 0x0fff
    }

    /// PCP: 0 to 7.
    pub fn priority(&self) -> u8 {
        (self.control.get() >> 13) as u8
    }

    /// DEI: the frame may be dropped first.
    pub fn drop_eligible(&self) -> bool {
        self.control.get() & 0x1000 != 0
    }

    /// What follows the tag.
    pub fn ether_type(&self) -> EtherType {
        EtherType(self.ether_type.get())
    }
}

/// The tags of a frame, outer first, and where its payload starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanStack {
    /// The outer tag's VLAN id, if there is a tag.
    pub outer: Option<u16>,
    /// The inner tag's VLAN id, if there are two.
    pub inner: Option<u16>,
    /// What the payload is. Still a VLAN's when there are more than two tags.
    pub ether_type: EtherType,
    /// Where the payload starts in the frame.
    pub offset: usize,
}

/// Reads the Ethernet header of `frame` and at most two tags behind it.
pub fn parse_stack(frame: &[u8]) -> Result<VlanStack, DecodeError> {
    let (header, mut rest) = EtherHeader::parse(frame)?;
    let ether_type = header.ether_type();
    let mut stack = VlanStack {
        outer: None,
        inner: None,
        ether_type,
        offset: EtherHeader::LEN,
    };
    while stack.ether_type.is_vlan() && stack.inner.is_none() {
        let (tag, after) = VlanTag::parse(rest)?;
        let level = if stack.outer.is_none() {
            &mut stack.outer
        } else {
            &mut stack.inner
        };
        *level = Some(tag.id());
        stack.ether_type = tag.ether_type();
        stack.offset += VlanTag::LEN;
        rest = after;
    }
    Ok(stack)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(types_and_tags: &[u8]) -> Vec<u8> {
        [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], types_and_tags].concat()
    }

    #[test]
    fn tag_both_ways() {
        let bytes = [0xb0, 0x64, 0x86, 0xdd, 0x60];
        let (tag, rest) = VlanTag::parse(&bytes).unwrap();
        assert_eq!(
            (tag.id(), tag.priority(), tag.drop_eligible()),
            (100, 5, true)
        );
        assert_eq!((tag.ether_type(), rest), (EtherType::IPV6, &[0x60][..]));
        assert_eq!(
            VlanTag::new(100, 5, EtherType::IPV6).as_bytes(),
            [0xa0, 0x64, 0x86, 0xdd]
        );
    }

    #[test]
    fn stacks() {
        let plain = parse_stack(&frame(&[0x86, 0xdd])).unwrap();
        assert_eq!((plain.outer, plain.inner, plain.offset), (None, None, 14));
        let one = parse_stack(&frame(&[0x81, 0, 0, 10, 0x08, 0])).unwrap();
        assert_eq!((one.outer, one.inner, one.offset), (Some(10), None, 18));
        assert_eq!(one.ether_type, EtherType::IPV4);
        let two = parse_stack(&frame(&[0x88, 0xa8, 0, 10, 0x81, 0, 0, 20, 0x86, 0xdd])).unwrap();
        assert_eq!((two.outer, two.inner, two.offset), (Some(10), Some(20), 22));
        let three = [
            0x88, 0xa8, 0, 10, 0x81, 0, 0, 20, 0x81, 0, 0, 30, 0x86, 0xdd,
        ];
        assert_eq!(
            parse_stack(&frame(&three)).unwrap().ether_type,
            EtherType::VLAN
        );
        let short = DecodeError::Truncated {
            header: Header::Vlan,
            need: 4,
            have: 3,
        };
        assert_eq!(parse_stack(&frame(&[0x81, 0, 0, 10, 0x08])), Err(short));
    }
}
