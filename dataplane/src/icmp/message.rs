//! The bytes of ICMP errors and redirects.
//!
//! A message is a fixed head that we write and a quotation: the offending packet itself, cut where the RFC says. The
//! head is returned as an array so that it can be prepended to the offender in place.

use std::net::{Ipv4Addr, Ipv6Addr};

use wire::checksum::{Sum, checksum};

use super::{Code, PROTOCOL_ICMP, PROTOCOL_ICMPV6, V4_REDIRECT, V6_REDIRECT};

/// Bytes of an IPv6 header and the fixed part of an ICMPv6 error.
pub const V6_HEAD: usize = 48;
/// Bytes of an IPv4 header and the fixed part of an ICMP error.
pub const V4_HEAD: usize = 28;
/// Longest ICMPv6 error: the minimum IPv6 MTU (RFC 4443 section 2.4(c)).
pub const V6_MAX: usize = 1280;
/// Longest ICMP error (RFC 1812 section 4.3.2.3).
pub const V4_MAX: usize = 576;
/// Hop limit of the errors we originate.
pub const HOP_LIMIT: u8 = 64;
/// Hop limit that neighbour discovery demands (RFC 4861).
pub const ND_HOP_LIMIT: u8 = 255;
/// Bytes of an ICMPv6 redirect before its redirected-header quotation: IPv6 header, redirect, target link-layer
/// address option and the head of the redirected-header option.
pub const V6_REDIRECT_HEAD: usize = 40 + 40 + 8 + 8;
/// RFC 1812 section 4.3.2.5: errors go with precedence 6, internetwork control.
const V4_TOS: u8 = 0xc0;

/// How many bytes of an offending IPv6 packet of `len` bytes an error quotes.
pub const fn quote_v6(len: usize) -> usize {
    if len < V6_MAX - V6_HEAD {
        len
    } else {
        V6_MAX - V6_HEAD
    }
}

/// How many bytes of an offending IPv4 packet of `len` bytes an error quotes.
pub const fn quote_v4(len: usize) -> usize {
    if len < V4_MAX - V4_HEAD {
        len
    } else {
        V4_MAX - V4_HEAD
    }
}

/// How many bytes of a redirected IPv6 packet a redirect quotes: whole units of 8 bytes (RFC 4861 section 4.6.3).
pub const fn quote_redirect_v6(len: usize) -> usize {
    let len = if len < V6_MAX - V6_REDIRECT_HEAD {
        len
    } else {
        V6_MAX - V6_REDIRECT_HEAD
    };
    len & !7
}

fn ipv6_header(
    head: &mut [u8],
    payload_len: usize,
    hop_limit: u8,
    source: Ipv6Addr,
    destination: Ipv6Addr,
) {
    head[0] = 0x60;
    head[4..6].copy_from_slice(&(payload_len as u16).to_be_bytes());
    head[6] = PROTOCOL_ICMPV6;
    head[7] = hop_limit;
    head[8..24].copy_from_slice(&source.octets());
    head[24..40].copy_from_slice(&destination.octets());
}

/// Writes the ICMPv6 checksum of the message that `head` (IPv6 header included) and `tail` make.
fn seal_v6(head: &mut [u8], tail: &[u8]) {
    let mut sum = Sum::new();
    sum.add_u32((head.len() - 40 + tail.len()) as u32);
    sum.add_u32(PROTOCOL_ICMPV6.into());
    // The addresses of the pseudo header and the message follow each other.
    sum.add(&head[8..]);
    sum.add(tail);
    head[42..44].copy_from_slice(&sum.finish().to_be_bytes());
}

/// Head of an ICMPv6 error that quotes `quote` (already cut with [`quote_v6`]).
pub fn error_v6(
    code: Code,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    quote: &[u8],
) -> [u8; V6_HEAD] {
    let mut head = [0; V6_HEAD];
    ipv6_header(&mut head, 8 + quote.len(), HOP_LIMIT, source, destination);
    head[40] = code.kind;
    head[41] = code.code;
    head[44..48].copy_from_slice(&code.word.to_be_bytes());
    seal_v6(&mut head, quote);
    head
}

/// Head of an ICMP error that quotes `quote` (already cut with [`quote_v4`]).
///
/// The datagram is atomic (RFC 6864: "don't fragment", identification 0): no link that carries IPv4 is narrower than
/// 576 bytes in practice, and no identification need be kept unique.
pub fn error_v4(
    code: Code,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    quote: &[u8],
) -> [u8; V4_HEAD] {
    let mut head = [0; V4_HEAD];
    head[0] = 0x45;
    head[1] = V4_TOS;
    head[2..4].copy_from_slice(&((V4_HEAD + quote.len()) as u16).to_be_bytes());
    head[6] = 0x40;
    head[8] = HOP_LIMIT;
    head[9] = PROTOCOL_ICMP;
    head[12..16].copy_from_slice(&source.octets());
    head[16..20].copy_from_slice(&destination.octets());
    let sum = checksum(&head[..20]);
    head[10..12].copy_from_slice(&sum.to_be_bytes());
    head[20] = code.kind;
    head[21] = code.code;
    head[24..28].copy_from_slice(&code.word.to_be_bytes());
    let mut sum = Sum::new();
    sum.add(&head[20..]);
    sum.add(quote);
    head[22..24].copy_from_slice(&sum.finish().to_be_bytes());
    head
}

/// What a redirect tells the host about a better first hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedirectV6 {
    /// Our link-local address on the interface: hosts accept a redirect only from it (RFC 4861 section 8.1).
    pub source: Ipv6Addr,
    /// The host: source of the redirected packet.
    pub host: Ipv6Addr,
    /// The better first hop: a router's link-local address, or the destination itself if it is on the link.
    pub target: Ipv6Addr,
    /// The better first hop's MAC.
    pub target_mac: [u8; 6],
    /// Destination of the redirected packet.
    pub destination: Ipv6Addr,
}

/// Head of an ICMPv6 redirect (RFC 4861 section 4.5) that quotes `quote` (already cut with [`quote_redirect_v6`]).
pub fn redirect_v6(redirect: &RedirectV6, quote: &[u8]) -> [u8; V6_REDIRECT_HEAD] {
    let mut head = [0; V6_REDIRECT_HEAD];
    let payload_len = V6_REDIRECT_HEAD - 40 + quote.len();
    ipv6_header(
        &mut head,
        payload_len,
        ND_HOP_LIMIT,
        redirect.source,
        redirect.host,
    );
    head[40] = V6_REDIRECT;
    head[48..64].copy_from_slice(&redirect.target.octets());
    head[64..80].copy_from_slice(&redirect.destination.octets());
    // Target link-layer address: type 2, one unit of 8 bytes.
    head[80] = 2;
    head[81] = 1;
    head[82..88].copy_from_slice(&redirect.target_mac);
    // Redirected header: type 4, its own 8 bytes and the quotation.
    head[88] = 4;
    head[89] = (1 + quote.len() / 8) as u8;
    seal_v6(&mut head, quote);
    head
}

/// Code of an ICMP redirect for the host (RFC 1812 section 4.3.3.2: routers send only host redirects).
pub fn redirect_v4(gateway: Ipv4Addr) -> Code {
    Code {
        kind: V4_REDIRECT,
        code: 1,
        word: gateway.to_bits(),
    }
}
