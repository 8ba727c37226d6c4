//! A packet, read byte by byte and without the decoders of `wire`.

use crate::drop::DropReason;
use DropReason as R;

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const DCCP: u8 = 33;
pub const ICMPV6: u8 = 58;
pub const SCTP: u8 = 132;
pub const UDPLITE: u8 = 136;

/// Extension headers of a packet at most.
const MOST_HEADERS: usize = 8;

/// What an upper-layer header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// Nothing that counts.
    Nothing,
    /// Source and destination.
    Ports(u16, u16),
    /// An ICMP query or its answer, with its identifier.
    Query { is_answer: bool, id: u16 },
    /// An ICMP error.
    Error,
    /// Another ICMP message, of this type.
    Message(u8),
}

/// A fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub id: u32,
    pub start: usize,
    pub len: usize,
    pub more: bool,
}

/// A packet.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    pub v6: bool,
    pub source: u128,
    pub destination: u128,
    pub hop_limit: u8,
    pub protocol: u8,
    /// Bytes that it says it has.
    pub len: usize,
    /// Its upper layer, as far as it is there, and as long as it says.
    pub upper: &'a [u8],
    pub upper_len: usize,
    pub piece: Option<Piece>,
    pub says: Says,
    /// What rules compare with their ports.
    pub port: Option<u16>,
}

pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from(*bytes.get(at)?) << 8 | u16::from(*bytes.get(at + 1)?))
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16_at(bytes, at)?) << 16 | u32::from(u16_at(bytes, at + 2)?))
}

fn number(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .fold(0, |sum, &byte| sum << 8 | u128::from(byte))
}

impl<'a> Reading<'a> {
    pub fn of(bytes: &'a [u8]) -> Result<Self, DropReason> {
        match bytes.first() {
            Some(0x60..=0x6f) => Self::of6(bytes),
            Some(0x40..=0x4f) => Self::of4(bytes),
            _ => Err(R::Ip6Truncated),
        }
    }

    fn of4(bytes: &'a [u8]) -> Result<Self, DropReason> {
        if bytes.len() < 20 {
            return Err(R::Ip4Truncated);
        }
        let header_len = 4 * usize::from(bytes[0] & 15);
        let len = usize::from(bytes[2]) << 8 | usize::from(bytes[3]);
        if header_len < 20 || len < header_len || bytes.len() < header_len {
            return Err(R::Ip4Truncated);
        }
        let start = 8 * (usize::from(bytes[6] & 0x1f) << 8 | usize::from(bytes[7]));
        let more = bytes[6] & 0x20 != 0;
        let piece = (start != 0 || more).then(|| Piece {
            id: u32::from(bytes[4]) << 8 | u32::from(bytes[5]),
            start,
            len: len - header_len,
            more,
        });
        Self {
            v6: false,
            source: 0xffff_0000_0000 | number(&bytes[12..16]),
            destination: 0xffff_0000_0000 | number(&bytes[16..20]),
            hop_limit: bytes[8],
            protocol: bytes[9],
            len,
            upper: &bytes[header_len..bytes.len().min(len)],
            upper_len: len - header_len,
            piece,
            says: Says::Nothing,
            port: None,
        }
        .with_upper()
    }

    fn of6(bytes: &'a [u8]) -> Result<Self, DropReason> {
        if bytes.len() < 40 {
            return Err(R::Ip6Truncated);
        }
        let payload_len = usize::from(bytes[4]) << 8 | usize::from(bytes[5]);
        let len = 40 + payload_len;
        if payload_len == 0 && bytes[6] == 0 {
            return Err(R::Ip6Jumbogram);
        }
        let there = &bytes[..bytes.len().min(len)];
        let (mut next, mut at, mut headers) = (bytes[6], 40, 0);
        let mut piece: Option<Piece> = None;
        // The reason why a chain ends too early depends on what it is a chain of.
        let broken = |piece: Option<Piece>| match piece {
            Some(Piece {
                start: 0,
                more: true,
                ..
            }) => R::Ip6FirstFragmentIncomplete,
            _ => R::Ip6ExtensionTruncated,
        };
        while piece.is_none_or(|piece| piece.start == 0)
            && matches!(next, 0 | 43 | 44 | 51 | 60 | 135 | 139 | 140)
        {
            if next == 0 && headers > 0 {
                return Err(R::Ip6HopByHopNotFirst);
            }
            headers += 1;
            if headers > MOST_HEADERS {
                return Err(R::Ip6ExtensionTooMany);
            }
            if next == 44 && piece.is_some() {
                return Err(R::Ip6FragmentMalformed);
            }
            let header = &there[at..];
            if header.len() < 4 {
                return Err(broken(piece));
            }
            let header_len = match next {
                44 => 8,
                51 => 8 + 4 * usize::from(header[1]),
                _ => 8 + 8 * usize::from(header[1]),
            };
            if header.len() < header_len {
                return Err(broken(piece));
            }
            if next == 43 && header[2] == 0 && header[3] != 0 {
                return Err(R::Ip6RoutingHeader0);
            }
            if next == 44 {
                let word = usize::from(header[2]) << 8 | usize::from(header[3]);
                piece = Some(Piece {
                    id: number(&header[4..8]) as u32,
                    start: word / 8 * 8,
                    len: len - at - 8,
                    more: word & 1 != 0,
                });
            }
            next = header[0];
            at += header_len;
        }
        let upper = &there[at..];
        let need = match next {
            TCP => 20,
            UDP | ICMPV6 | 50 => 8,
            59 => 0,
            _ => 1,
        };
        if piece.is_some_and(|piece| piece.start == 0 && piece.more) && upper.len() < need {
            return Err(R::Ip6FirstFragmentIncomplete);
        }
        Self {
            v6: true,
            source: number(&bytes[8..24]),
            destination: number(&bytes[24..40]),
            hop_limit: bytes[7],
            protocol: next,
            len,
            upper,
            upper_len: len - at,
            // One that is all of its packet is no fragment (RFC 6946).
            piece: piece.filter(|piece| piece.start != 0 || piece.more),
            says: Says::Nothing,
            port: None,
        }
        .with_upper()
    }

    pub fn is_later(&self) -> bool {
        self.piece.is_some_and(|piece| piece.start != 0)
    }

    fn with_upper(mut self) -> Result<Self, DropReason> {
        if self.is_later() {
            return Ok(self);
        }
        let short = R::UpperLayerTruncated;
        match self.protocol {
            TCP | UDP | UDPLITE | SCTP | DCCP => {
                let source = u16_at(self.upper, 0).ok_or(short)?;
                let destination = u16_at(self.upper, 2).ok_or(short)?;
                self.says = Says::Ports(source, destination);
                self.port = Some(destination);
            }
            ICMPV6 if self.v6 => {
                self.port = Some(u16_at(self.upper, 0).ok_or(short)?);
                self.says = match self.upper[0] {
                    1..=4 => Says::Error,
                    kind @ (128 | 129) => Says::Query {
                        is_answer: kind == 129,
                        id: u16_at(self.upper, 4).ok_or(short)?,
                    },
                    kind => Says::Message(kind),
                };
            }
            ICMP if !self.v6 => {
                self.port = Some(u16_at(self.upper, 0).ok_or(short)?);
                self.says = match self.upper[0] {
                    3 | 4 | 5 | 11 | 12 => Says::Error,
                    // Echo, timestamp, information and address mask.
                    kind @ (0 | 8 | 13..=18) => Says::Query {
                        is_answer: matches!(kind, 0 | 14 | 16 | 18),
                        id: u16_at(self.upper, 4).ok_or(short)?,
                    },
                    kind => Says::Message(kind),
                };
            }
            _ => {}
        }
        Ok(self)
    }
}
