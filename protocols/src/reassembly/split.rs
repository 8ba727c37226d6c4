//! A reply cut to what every link carries.

use wire::ipv4::Ipv4Header;
use wire::ipv6::{Ipv6Header, MIN_MTU, Protocol};
use zerocopy::IntoBytes;

use super::packet::FRAGMENT_HEADER;

/// The packet, or its fragments in order: each at most 1,280 octets. The packet is one of our own: without extension
/// headers, options or fragment header.
pub(super) fn split(packet: Vec<u8>, identification: u32) -> Vec<Vec<u8>> {
    match packet.first().map(|first| first >> 4) {
        Some(6) if packet.len() <= MIN_MTU => vec![packet],
        Some(6) => split6(&packet, identification),
        Some(4) => split4(&packet, identification as u16),
        _ => Vec::new(),
    }
}

fn split6(packet: &[u8], identification: u32) -> Vec<Vec<u8>> {
    const ROOM: usize = (MIN_MTU - Ipv6Header::LEN - FRAGMENT_HEADER) & !7;
    let (header, payload) = packet.split_at(Ipv6Header::LEN);
    let n = payload.len().div_ceil(ROOM);
    let piece = |(place, data): (usize, &[u8])| {
        let more = u16::from(place + 1 < n);
        let word = (place * ROOM) as u16 | more;
        let mut piece = Vec::with_capacity(MIN_MTU);
        piece.extend_from_slice(header);
        piece[4..6].copy_from_slice(&((FRAGMENT_HEADER + data.len()) as u16).to_be_bytes());
        piece[6] = Protocol::FRAGMENT.0;
        piece.extend_from_slice(&[header[6], 0]);
        piece.extend_from_slice(&word.to_be_bytes());
        piece.extend_from_slice(&identification.to_be_bytes());
        piece.extend_from_slice(data);
        piece
    };
    payload.chunks(ROOM).enumerate().map(piece).collect()
}

fn split4(packet: &[u8], identification: u16) -> Vec<Vec<u8>> {
    const ROOM: usize = (MIN_MTU - Ipv4Header::LEN) & !7;
    let Ok(parsed) = Ipv4Header::parse(packet) else {
        return Vec::new();
    };
    let (header, payload) = (parsed.header, parsed.payload);
    let n = payload.len().div_ceil(ROOM);
    let piece = |(place, data): (usize, &[u8])| {
        let ip = Ipv4Header::new(
            header.source(),
            header.destination(),
            header.protocol(),
            header.ttl(),
            data.len() as u16,
        )
        .with_tos(header.tos())
        .with_fragment(identification, false, place + 1 < n, (place * ROOM) as u16);
        [ip.as_bytes(), data].concat()
    };
    payload.chunks(ROOM).enumerate().map(piece).collect()
}
