//! A large TCP packet cut into segments, by copying.

use crate::mbuf::{Mbuf, flags};
use crate::mempool::Mempool;

use super::checksum;
use super::layout::Layout;
use super::{Egress, OffloadError};

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// Cuts `packet` into segments of `size` payload octets at most and frees it.
pub(super) fn cut(
    packet: Mbuf,
    layout: &Layout,
    size: u16,
    egress: &Egress,
    pool: &Mempool,
    mut sink: impl FnMut(Mbuf),
) -> Result<(), OffloadError> {
    let size = match egress.offloads.tx_multi_segment {
        true => size,
        false => match pool.data_room().checked_sub(layout.payload as u16) {
            None | Some(0) => return Err(OffloadError::SegmentTooLarge),
            Some(room) => size.min(room),
        },
    };
    let total = packet.pkt_len() as usize - layout.payload;
    let mut reader = Reader::new(packet, layout.payload);
    let mut done = 0;
    let mut index = 0;
    while done < total {
        let len = (size as usize).min(total - done);
        let mut segment = copy(&packet.data()[..layout.payload], &mut reader, len, pool)?;
        let place = Place {
            index,
            offset: done as u32,
            len,
            last: done + len == total,
        };
        write_headers(&mut segment, layout, &place);
        segment.set_ol_flags(flags::RX_L4_CKSUM_GOOD);
        keep_marks(packet, &mut segment);
        sink(segment);
        done += len;
        index += 1;
    }
    packet.free();
    Ok(())
}

/// Where a segment stands in the row.
struct Place {
    index: u16,
    offset: u32,
    len: usize,
    last: bool,
}

fn write_headers(segment: &mut Mbuf, layout: &Layout, place: &Place) {
    let frame = segment.data_mut();
    let l3 = layout.l3;
    let ip_len = layout.payload - l3 + place.len;
    if layout.is_ipv4 {
        put16(frame, l3 + 2, ip_len as u16);
        let id = get16(frame, l3 + 4).wrapping_add(place.index);
        put16(frame, l3 + 4, id);
        put16(frame, l3 + 10, 0);
        let sum = checksum::sum(&frame[l3..layout.l4]);
        put16(frame, l3 + 10, !sum);
    } else {
        put16(frame, l3 + 4, (ip_len - 40) as u16);
    }
    let l4 = layout.l4;
    let sequence = u32::from_be_bytes([frame[l4 + 4], frame[l4 + 5], frame[l4 + 6], frame[l4 + 7]]);
    let sequence = sequence.wrapping_add(place.offset);
    frame[l4 + 4..l4 + 8].copy_from_slice(&sequence.to_be_bytes());
    if !place.last {
        frame[l4 + 13] &= !(FIN | PSH);
    }
    if place.index > 0 {
        frame[l4 + 13] &= !CWR;
    }
    let l4_len = (layout.payload - l4 + place.len) as u16;
    layout.write_checksum(frame, layout.pseudo_header_sum(l4_len));
    let value = checksum::field(checksum::sum_from(*segment, l4), layout.protocol);
    layout.write_checksum(segment.data_mut(), value);
}

/// What is known of a packet beside its octets holds for its pieces too.
pub(super) fn keep_marks(packet: Mbuf, piece: &mut Mbuf) {
    let kept = packet.ol_flags() & (flags::TX_VLAN | flags::RX_VLAN | flags::RX_VLAN_STRIPPED);
    piece.set_ol_flags(piece.ol_flags() | kept);
    piece.set_vlan_tci(packet.vlan_tci());
    piece.set_port(packet.port());
}

/// A new packet of these headers and the reader's next `len` octets; a chain if one buffer does
/// not hold them.
pub(super) fn copy(
    headers: &[u8],
    reader: &mut Reader,
    len: usize,
    pool: &Mempool,
) -> Result<Mbuf, OffloadError> {
    let mut first = pool.alloc().ok_or(OffloadError::NoBuffers)?;
    let room = first.tailroom() as usize;
    let head = headers.len();
    let taken = len.min(room.saturating_sub(head));
    if head > room || !first.append((head + taken) as u16) {
        first.free();
        return Err(OffloadError::SegmentTooLarge);
    }
    let data = first.data_mut();
    data[..head].copy_from_slice(headers);
    reader.read(&mut data[head..]);
    let mut left = len - taken;
    while left > 0 {
        let Some(mut more) = pool.alloc() else {
            first.free();
            return Err(OffloadError::NoBuffers);
        };
        let n = left.min(more.tailroom() as usize);
        let fits = more.append(n as u16);
        debug_assert!(fits, "n is no more than the tailroom");
        reader.read(more.data_mut());
        first.chain(more);
        left -= n;
    }
    Ok(first)
}

/// Reads a packet's octets in order across its segments.
pub(super) struct Reader {
    segment: Option<Mbuf>,
    at: usize,
}

impl Reader {
    /// From octet `from` of the first segment on.
    pub(super) fn new(packet: Mbuf, from: usize) -> Self {
        Reader {
            segment: Some(packet),
            at: from,
        }
    }

    /// Fills `out`; the caller asks for no more than there is.
    fn read(&mut self, out: &mut [u8]) {
        let mut done = 0;
        while let Some(segment) = self.segment {
            let data = segment.data();
            let n = (data.len() - self.at).min(out.len() - done);
            out[done..done + n].copy_from_slice(&data[self.at..self.at + n]);
            done += n;
            self.at += n;
            if done == out.len() {
                return;
            }
            self.segment = segment.next();
            self.at = 0;
        }
    }
}

pub(super) fn get16(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

pub(super) fn put16(frame: &mut [u8], at: usize, value: u16) {
    frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
}
