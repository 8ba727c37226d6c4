//! How an IPv4 packet is cut to fit a smaller MTU (RFC 791 section 3.2): arithmetic and headers, no mbuf.
//!
//! A fragment of a fragment keeps its place in the original datagram, and the last piece keeps the "more fragments"
//! flag it came with. All pieces carry the identification of the packet: the host that reassembles knows no other.

#[cfg(test)]
mod tests;

/// Longest IPv4 header, with options.
pub const MAX_HEADER: usize = 60;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// Why a packet cannot be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// The sender forbids it.
    #[error("the packet has the don't-fragment flag")]
    DontFragment,
    /// Not even eight octets of payload fit beside the header.
    #[error("MTU {mtu} has no room for a header of {header_len} octets and one unit of payload")]
    MtuTooSmall {
        /// The next hop's MTU, octets.
        mtu: usize,
        /// The packet's header, octets.
        header_len: usize,
    },
    /// The bytes are not an IPv4 header, or the lengths contradict each other.
    #[error("not a whole IPv4 header")]
    Malformed,
    /// A piece would lie beyond the largest datagram.
    #[error("the fragments would pass the end of the largest datagram")]
    TooLong,
}

/// One piece of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where its payload starts in the packet's payload, octets; a multiple of eight.
    pub start: usize,
    /// Octets of payload.
    pub len: usize,
}

/// How one packet is to be cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The packet's header as it came.
    header: [u8; MAX_HEADER],
    header_len: usize,
    /// Header of all pieces but the first: options whose type has the copied bit.
    later: [u8; MAX_HEADER],
    later_len: usize,
    payload_len: usize,
    mtu: usize,
}

impl Plan {
    /// Plans the cut of the packet of `packet_len` octets whose header begins `head`, so that no piece exceeds `mtu`.
    pub fn new(head: &[u8], packet_len: usize, mtu: usize) -> Result<Plan, FragmentError> {
        let header_len = usize::from(head.first().ok_or(FragmentError::Malformed)? & 0x0f) * 4;
        let source = head.get(..header_len).filter(|h| h.len() >= 20);
        let source = source.ok_or(FragmentError::Malformed)?;
        let payload_len = packet_len
            .checked_sub(header_len)
            .ok_or(FragmentError::Malformed)?;
        let flags = u16::from_be_bytes([source[6], source[7]]);
        if flags & DONT_FRAGMENT != 0 {
            return Err(FragmentError::DontFragment);
        }
        if mtu < header_len + 8 {
            return Err(FragmentError::MtuTooSmall { mtu, header_len });
        }
        if usize::from(flags & OFFSET_MASK) * 8 + payload_len > usize::from(u16::MAX) {
            return Err(FragmentError::TooLong);
        }
        let mut header = [0; MAX_HEADER];
        header[..header_len].copy_from_slice(source);
        let mut later = [0; MAX_HEADER];
        later[..20].copy_from_slice(&source[..20]);
        let later_len = 20 + copied_options(&source[20..], &mut later[20..]);
        later[0] = 0x40 | (later_len / 4) as u8;
        Ok(Plan {
            header,
            header_len,
            later,
            later_len,
            payload_len,
            mtu,
        })
    }

    /// Octets of the packet's own header: the payload starts there.
    pub fn header_len(&self) -> usize {
        self.header_len
    }

    /// The pieces in order. Together they are the payload, each but the last a multiple of eight octets.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + use<> {
        let (payload_len, mtu) = (self.payload_len, self.mtu);
        let mut header_len = self.header_len;
        let later_len = self.later_len;
        let mut start = 0;
        std::iter::from_fn(move || {
            if start >= payload_len {
                return None;
            }
            let left = payload_len - start;
            let room = mtu - header_len;
            let len = if left <= room { left } else { room & !7 };
            let piece = Piece { start, len };
            start += len;
            header_len = later_len;
            Some(piece)
        })
    }

    /// The header of `piece`, its checksum included: octets and how many of them count.
    pub fn header(&self, piece: Piece) -> ([u8; MAX_HEADER], usize) {
        let (mut header, len) = if piece.start == 0 {
            (self.header, self.header_len)
        } else {
            (self.later, self.later_len)
        };
        let original = u16::from_be_bytes([header[6], header[7]]);
        let last = piece.start + piece.len == self.payload_len;
        let more = if last {
            original & MORE_FRAGMENTS
        } else {
            MORE_FRAGMENTS
        };
        let offset = (original & OFFSET_MASK) + (piece.start / 8) as u16;
        header[2..4].copy_from_slice(&((len + piece.len) as u16).to_be_bytes());
        header[6..8].copy_from_slice(&(more | offset).to_be_bytes());
        header[10..12].fill(0);
        let sum = wire::checksum::checksum(&header[..len]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        (header, len)
    }
}

/// Copies the options whose type says so (RFC 791 section 3.1, copied flag) and pads to whole words; octets written.
/// Options that run past the header end the copy: parse has let the packet pass, and a receiver of the first fragment
/// sees them as they came.
fn copied_options(options: &[u8], out: &mut [u8]) -> usize {
    let (mut at, mut written) = (0, 0);
    while let Some(&kind) = options.get(at) {
        let len = match kind {
            0 => break,
            1 => 1,
            _ => match options.get(at + 1) {
                Some(&len) if len >= 2 => usize::from(len),
                _ => break,
            },
        };
        let Some(option) = options.get(at..at + len) else {
            break;
        };
        if kind & 0x80 != 0 {
            out[written..written + len].copy_from_slice(option);
            written += len;
        }
        at += len;
    }
    // The rest of the last word is end-of-list, which is zero and already there.
    written.next_multiple_of(4)
}
