//! A fragment as bytes.

use std::net::IpAddr;

use tables::id::{IfaceId, VrfId};
use wire::addr::{v4, v6};
use wire::ext_header;
use wire::ipv4::Ipv4Header;
use wire::ipv6::{Ipv6Header, Protocol};

/// Octets of the IPv6 fragment header.
pub(super) const FRAGMENT_HEADER: usize = 8;

/// What the pieces of one datagram have in common (RFC 8200 section 4.5, RFC 791 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    vrf: VrfId,
    /// The interface, when an address means something on its link only.
    zone: Option<IfaceId>,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    identification: u32,
    /// IPv4 only: identifications are counted per protocol.
    protocol: u8,
}

/// One piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// Everything before `data`: the IP header and what follows it up to the fragment header, included.
    pub(super) head: &'a [u8],
    /// The piece itself.
    pub(super) data: &'a [u8],
    /// Where it stands in the datagram, octets.
    pub(super) start: usize,
    /// Whether a later piece follows.
    pub(super) more: bool,
}

/// What a fragment can have wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The headers are broken, or it is no fragment. The dataplane sends none of these.
    #[error("not a fragment")]
    NotAFragment,
    /// Not the last piece, and no multiple of 8 octets.
    #[error("length is no multiple of 8")]
    Length,
    /// No data.
    #[error("empty")]
    Empty,
}

impl Fault {
    /// The rule's name in counters.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Fault::NotAFragment => "not_a_fragment",
            Fault::Length => "length",
            Fault::Empty => "empty",
        }
    }
}

/// Reads a fragment, from its IP header on.
pub(super) fn read(vrf: VrfId, iface: IfaceId, packet: &[u8]) -> Result<(Key, Piece<'_>), Fault> {
    let (key, piece) = match packet.first().map(|first| first >> 4) {
        Some(6) => read6(vrf, iface, packet),
        Some(4) => read4(vrf, iface, packet),
        _ => None,
    }
    .ok_or(Fault::NotAFragment)?;
    match piece.data.len() {
        0 => Err(Fault::Empty),
        len if piece.more && len % 8 != 0 => Err(Fault::Length),
        _ => Ok((key, piece)),
    }
}

fn read6(vrf: VrfId, iface: IfaceId, packet: &[u8]) -> Option<(Key, Piece<'_>)> {
    let (header, _) = Ipv6Header::parse(packet).ok()?;
    let packet = packet.get(..Ipv6Header::LEN + header.payload_len())?;
    let fragment = ext_header::walk(packet).ok()?.fragment?;
    let (head, data) = packet.split_at_checked(fragment.at + FRAGMENT_HEADER)?;
    let (source, destination) = (header.source(), header.destination());
    let on_link = [source, destination]
        .iter()
        .any(|address| v6::is_link_local(address.to_bits()));
    let key = Key {
        vrf,
        zone: on_link.then_some(iface),
        source: source.into(),
        destination: destination.into(),
        identification: fragment.identification,
        protocol: 0,
    };
    let piece = Piece {
        head,
        data,
        start: fragment.offset.into(),
        more: fragment.more,
    };
    Some((key, piece))
}

fn read4(vrf: VrfId, iface: IfaceId, packet: &[u8]) -> Option<(Key, Piece<'_>)> {
    let parsed = Ipv4Header::parse(packet).ok()?;
    let header = parsed.header;
    if !header.is_fragment() {
        return None;
    }
    let (source, destination) = (header.source(), header.destination());
    let on_link = [source, destination]
        .iter()
        .any(|address| v4::is_link_local(address.to_bits()));
    let key = Key {
        vrf,
        zone: on_link.then_some(iface),
        source: source.into(),
        destination: destination.into(),
        identification: header.identification().into(),
        protocol: header.protocol().0,
    };
    let piece = Piece {
        head: packet.get(..header.header_len())?,
        data: parsed.payload,
        start: header.fragment_offset(),
        more: header.more_fragments(),
    };
    Some((key, piece))
}

/// The whole packet: the first piece's headers, no longer those of a fragment, and the data. `None` if it would be too
/// long.
pub(super) fn whole(head: &[u8], data: impl Iterator<Item = u8>) -> Option<Vec<u8>> {
    let is_v6 = head.first()? >> 4 == 6;
    let (kept, removed) = if is_v6 {
        head.split_at_checked(head.len().checked_sub(FRAGMENT_HEADER)?)?
    } else {
        (head, &[][..])
    };
    let mut packet = kept.to_vec();
    packet.extend(data);
    if is_v6 {
        let len = u16::try_from(packet.len().checked_sub(Ipv6Header::LEN)?).ok()?;
        packet[4..6].copy_from_slice(&len.to_be_bytes());
        // The header in front of the fragment header names what followed it.
        let at = field_before_fragment(kept)?;
        packet[at] = *removed.first()?;
    } else {
        let len = u16::try_from(packet.len()).ok()?;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        packet[6..8].fill(0);
        packet[10..12].fill(0);
        let sum = wire::checksum::checksum(&packet[..head.len()]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    Some(packet)
}

/// Where the *next header* field stands that names the fragment header, in the headers before it.
fn field_before_fragment(headers: &[u8]) -> Option<usize> {
    let (mut field, mut at) = (6, Ipv6Header::LEN);
    while Protocol(*headers.get(field)?) != Protocol::FRAGMENT {
        // Hop-by-hop, destination and routing headers; no other kind stands before a fragment header.
        field = at;
        at += 8 + 8 * usize::from(*headers.get(at + 1)?);
    }
    Some(field)
}
