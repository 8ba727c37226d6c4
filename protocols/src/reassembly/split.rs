//! A packet of our own cut to what a link carries.

use wire::ipv4::Ipv4Header;
use wire::ipv6::{Ipv6Header, Protocol};
use zerocopy::IntoBytes;

use super::packet::FRAGMENT_HEADER;

/// The packet, or its fragments in order: each at most `mtu` octets, which are 68 or more (RFC 791), over IPv6 1,280. The
/// packet is one of our own: without extension headers, options or fragment header.
pub fn split(packet: Vec<u8>, mtu: usize, identification: u32) -> Vec<Vec<u8>> {
    match packet.first().map(|first| first >> 4) {
        Some(6) if packet.len() <= mtu => vec![packet],
        Some(6) => split6(&packet, mtu, identification),
        Some(4) => split4(&packet, mtu, identification as u16),
        _ => Vec::new(),
    }
}

fn split6(packet: &[u8], mtu: usize, identification: u32) -> Vec<Vec<u8>> {
    let room = (mtu - Ipv6Header::LEN - FRAGMENT_HEADER) & !7;
    let (header, payload) = packet.split_at(Ipv6Header::LEN);
    let n = payload.len().div_ceil(room);
    let piece = |(place, data): (usize, &[u8])| {
        let more = u16::from(place + 1 < n);
        let word = (place * room) as u16 | more;
        let mut piece = Vec::with_capacity(mtu);
        piece.extend_from_slice(header);
        piece[4..6].copy_from_slice(&((FRAGMENT_HEADER + data.len()) as u16).to_be_bytes());
        piece[6] = Protocol::FRAGMENT.0;
        piece.extend_from_slice(&[header[6], 0]);
        piece.extend_from_slice(&word.to_be_bytes());
        piece.extend_from_slice(&identification.to_be_bytes());
        piece.extend_from_slice(data);
        piece
    };
    payload.chunks(room).enumerate().map(piece).collect()
}

fn split4(packet: &[u8], mtu: usize, identification: u16) -> Vec<Vec<u8>> {
    let room = (mtu - Ipv4Header::LEN) & !7;
    let Ok(parsed) = Ipv4Header::parse(packet) else {
        return Vec::new();
    };
    let (header, payload) = (parsed.header, parsed.payload);
    let n = payload.len().div_ceil(room);
    let piece = |(place, data): (usize, &[u8])| {
        let ip = Ipv4Header::new(
            header.source(),
            header.destination(),
            header.protocol(),
            header.ttl(),
            data.len() as u16,
        )
        .with_tos(header.tos())
        .with_fragment(identification, false, place + 1 < n, (place * room) as u16);
        [ip.as_bytes(), data].concat()
    };
    payload.chunks(room).enumerate().map(piece).collect()
}
