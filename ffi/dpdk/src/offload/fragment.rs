//! A UDP datagram of a virtual machine cut into fragments (RFC 791 section 3.2, RFC 8200 section 4.5).

use std::sync::atomic::{AtomicU32, Ordering};

use crate::mbuf::Mbuf;
use crate::mempool::Mempool;

use super::layout::Layout;
use super::segment::{Reader, copy, get16, keep_marks, put16};
use super::{Egress, OffloadError, checksum};

/// Octets of an IPv6 fragment header.
const FRAGMENT_HEADER: usize = 8;
const FRAGMENT: u8 = 44;
const MORE_FRAGMENTS: u16 = 0x2000;
/// All that stands in front of UDP: link header, tags, IP header with options or extension headers.
const LONGEST: usize = 256;

/// Tells datagrams between two hosts apart.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Octets that a fragment's headers have more than the datagram's.
pub(super) fn extra(layout: &Layout) -> usize {
    if layout.is_ipv4 { 0 } else { FRAGMENT_HEADER }
}

/// Cuts `packet` into fragments of `size` octets of its IP payload at most and frees it. A checksum that was left open
/// is completed first: it is that of the whole.
pub(super) fn cut(
    packet: Mbuf,
    layout: &Layout,
    size: u16,
    egress: &Egress,
    pool: &Mempool,
    mut sink: impl FnMut(Mbuf),
) -> Result<(), OffloadError> {
    let mut packet = packet;
    let mut headers = [0; LONGEST];
    let end = layout.l4 + extra(layout);
    let headers = headers.get_mut(..end).ok_or(OffloadError::Headers)?;
    let buffer = match egress.offloads.tx_multi_segment {
        true => u16::MAX,
        false => pool.data_room().saturating_sub(end as u16),
    };
    // Offsets count in units of eight octets.
    let size = (size.min(buffer) & !7) as usize;
    if size == 0 {
        return Err(OffloadError::SegmentTooLarge);
    }
    if super::is_open(packet) {
        checksum::complete(&mut packet, layout);
    }
    headers[..layout.l4].copy_from_slice(&packet.data()[..layout.l4]);
    let identification = identification(packet.data(), layout);
    let total = packet.pkt_len() as usize - layout.l4;
    let mut reader = Reader::new(packet, layout.l4);
    let mut done = 0;
    while done < total {
        let len = size.min(total - done);
        let more = done + len < total;
        match layout.is_ipv4 {
            true => write_ipv4(headers, layout, (done, len, more), identification as u16),
            false => write_ipv6(headers, layout, (done, len, more), identification),
        }
        let mut fragment = copy(headers, &mut reader, len, pool)?;
        keep_marks(packet, &mut fragment);
        sink(fragment);
        done += len;
    }
    packet.free();
    Ok(())
}

/// That of the guest over IPv4, if it has chosen one; else a count, and in IPv6's upper half the datagram's checksum.
fn identification(packet: &[u8], layout: &Layout) -> u32 {
    match layout.is_ipv4.then(|| get16(packet, layout.l3 + 4)) {
        Some(chosen) if chosen != 0 => u32::from(chosen),
        _ => {
            let count = NEXT.fetch_add(1, Ordering::Relaxed) & 0xffff;
            u32::from(get16(packet, layout.l4 + 6)) << 16 | count
        }
    }
}

/// Where the fragment begins in the IP payload, its octets, and whether more follow.
type Place = (usize, usize, bool);

fn write_ipv4(headers: &mut [u8], layout: &Layout, (at, len, more): Place, identification: u16) {
    let l3 = layout.l3;
    put16(headers, l3 + 2, (layout.l4 - l3 + len) as u16);
    put16(headers, l3 + 4, identification);
    let flag = if more { MORE_FRAGMENTS } else { 0 };
    put16(headers, l3 + 6, (at / 8) as u16 | flag);
    put16(headers, l3 + 10, 0);
    let sum = checksum::sum(&headers[l3..layout.l4]);
    put16(headers, l3 + 10, !sum);
}

fn write_ipv6(headers: &mut [u8], layout: &Layout, (at, len, more): Place, identification: u32) {
    let (l3, l4) = (layout.l3, layout.l4);
    put16(
        headers,
        l3 + 4,
        (l4 + FRAGMENT_HEADER - l3 - 40 + len) as u16,
    );
    let protocol = match headers[layout.protocol_at] {
        FRAGMENT => headers[l4],
        protocol => protocol,
    };
    headers[layout.protocol_at] = FRAGMENT;
    headers[l4..l4 + 2].copy_from_slice(&[protocol, 0]);
    put16(headers, l4 + 2, at as u16 | more as u16);
    headers[l4 + 4..l4 + 8].copy_from_slice(&identification.to_be_bytes());
}
