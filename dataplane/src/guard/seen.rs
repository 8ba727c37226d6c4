//! A frame as a guard sees it.

use crate::forwarding::MacAddr;

/// What is to be seen of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Who sent it, as it says.
    pub source: MacAddr,
    /// The EtherType behind the tags of the anchor's place, host order.
    pub ether_type: u16,
    /// From the layer-3 header on, as much as lies in the first buffer.
    pub packet: &'a [u8],
    /// Whether that is all.
    pub is_whole: bool,
}

impl<'a> Seen<'a> {
    /// The frame whose first bytes are `head`, with its layer-3 header at `l3`, behind the EtherType; `len` bytes long. `None` if it is
    /// no frame.
    #[inline]
    pub fn of(head: &'a [u8], l3: usize, len: usize) -> Option<Self> {
        let source = *head.get(6..12)?.first_chunk()?;
        let ether_type = head.get(l3.checked_sub(2)?..l3)?;
        let ether_type = u16::from_be_bytes([ether_type[0], ether_type[1]]);
        Some(Self {
            source,
            ether_type,
            packet: head.get(l3..)?,
            is_whole: len <= head.len(),
        })
    }
}
