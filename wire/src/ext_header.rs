//! IPv6 extension headers (RFC 8200 section 4): from the fixed header to the upper layer, within
//! bounds.
//!
//! ```text
//! +-------------+--------------+----------------+
//! | next header | length in 8s | options ...    |   hop-by-hop, destination
//! +-------------+--------------+------+---------+
//! | next header | length in 8s | type | seg left|   routing
//! +-------------+--------------+------+---------+
//! | next header | reserved     | offset      |M |   fragment
//! |               identification                |
//! +-------------+--------------+----------------+
//! | next header | length in 4s, less 2  | ...   |   authentication
//! +-------------+--------------+----------------+
//! ```

use thiserror::Error;

use crate::ipv6::{Ipv6Header, Protocol};

/// Extension headers a packet may have here; hosts and routers may limit them (RFC 8504 section
/// 5.3).
pub const MAX_HEADERS: u8 = 8;

/// What the walk found. All offsets count from the start of the IPv6 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// The upper-layer protocol, [`Protocol::NO_NEXT_HEADER`], or, in a fragment other than the
    /// first, what its fragment header names (which may be another extension header).
    pub protocol: Protocol,
    /// Where that protocol's bytes start.
    pub offset: usize,
    /// Where the *next header* field that names it stands (the pointer of a parameter problem about
    /// it).
    pub protocol_field: usize,
    /// The fragment header, if any.
    pub fragment: Option<Fragment>,
    /// The hop-by-hop options header, if any: where it starts and ends.
    pub hop_by_hop: Option<(usize, usize)>,
    /// The last routing header, if any.
    pub routing: Option<Routing>,
    /// How many extension headers were passed.
    pub n_headers: u8,
}

/// A fragment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Where the fragment header starts.
    pub at: usize,
    /// Where this piece stands in the original's fragmentable part, in bytes.
    pub offset: u16,
    /// Whether a later piece follows.
    pub more: bool,
    /// Common to all pieces of a packet.
    pub identification: u32,
}

impl Fragment {
    /// Whether this piece has the start of the upper layer.
    pub fn is_first(&self) -> bool {
        self.offset == 0
    }

    /// Whether this piece is the whole packet (RFC 6946).
    pub fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }
}

/// A routing header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routing {
    /// Where it starts.
    pub at: usize,
    /// Its type: 2 mobile IPv6, 3 RPL, 4 segment routing.
    pub kind: u8,
    /// Nodes still to visit.
    pub segments_left: u8,
}

impl Chain {
    /// Whether the bytes at `offset` are the start of an upper-layer header.
    pub fn has_upper_layer(&self) -> bool {
        self.protocol != Protocol::NO_NEXT_HEADER && self.fragment.is_none_or(|f| f.is_first())
    }
}

/// Why a chain cannot be walked. Offsets count from the start of the IPv6 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ChainError {
    /// The packet ends inside the header at this offset.
    #[error("the packet ends inside the extension header at byte {at}")]
    Truncated {
        /// Where the incomplete header starts.
        at: usize,
    },
    /// More than [`MAX_HEADERS`] extension headers.
    #[error("more than {MAX_HEADERS} extension headers, the next at byte {at}")]
    TooManyHeaders {
        /// Where the first header too many starts.
        at: usize,
    },
    /// Hop-by-hop options not directly behind the fixed header (RFC 8200 section 4.1).
    #[error("hop-by-hop options are not first, named by byte {field}")]
    HopByHopNotFirst {
        /// Where the next-header field with the value 0 stands: the pointer of the parameter
        /// problem.
        field: usize,
    },
    /// A type 0 routing header with segments left (RFC 5095 section 3).
    #[error("type 0 routing header at byte {at}")]
    RoutingType0 {
        /// Where the routing header starts.
        at: usize,
    },
    /// A first fragment without the whole header chain, the upper layer included (RFC 7112 section
    /// 5).
    #[error("first fragment without the whole header chain, which breaks off at byte {at}")]
    FirstFragmentIncomplete {
        /// Where the header that is not whole starts.
        at: usize,
    },
    /// A second fragment header.
    #[error("second fragment header at byte {at}")]
    SecondFragmentHeader {
        /// Where it starts.
        at: usize,
    },
    /// A jumbogram (RFC 2675), which is not supported.
    #[error("jumbo payload")]
    JumboPayload,
}

/// Walks the extension headers of `packet`, which starts at an IPv6 header that has been checked.
///
/// Bytes beyond the payload length are not looked at. The walk is bounded by [`MAX_HEADERS`].
pub fn walk(packet: &[u8]) -> Result<Chain, ChainError> {
    let Ok((header, _)) = Ipv6Header::parse_prefix(packet) else {
        return Err(ChainError::Truncated { at: 0 });
    };
    if header.payload_len() == 0 && header.next_header() == Protocol::HOP_BY_HOP {
        return Err(ChainError::JumboPayload);
    }
    let end = packet.len().min(Ipv6Header::LEN + header.payload_len());
    let mut walk = Walk {
        bytes: &packet[..end],
        chain: Chain {
            protocol: header.next_header(),
            offset: Ipv6Header::LEN,
            // The next-header field of the fixed header.
            protocol_field: 6,
            fragment: None,
            hop_by_hop: None,
            routing: None,
            n_headers: 0,
        },
    };
    while walk.step()? {}
    walk.check_upper_layer()?;
    Ok(walk.chain)
}

struct Walk<'a> {
    bytes: &'a [u8],
    chain: Chain,
}

impl Walk<'_> {
    /// Passes one extension header; false when the upper layer (or a later fragment's body) is
    /// reached.
    fn step(&mut self) -> Result<bool, ChainError> {
        let at = self.chain.offset;
        match self.chain.protocol {
            Protocol::HOP_BY_HOP => {
                if self.chain.n_headers > 0 {
                    return Err(ChainError::HopByHopNotFirst {
                        field: self.chain.protocol_field,
                    });
                }
                let header = self.pass(8)?;
                self.chain.hop_by_hop = Some((at, at + header.len));
            }
            Protocol::ROUTING => {
                let header = self.pass(8)?;
                let (kind, segments_left) = (header.first_four[2], header.first_four[3]);
                if kind == 0 && segments_left > 0 {
                    return Err(ChainError::RoutingType0 { at });
                }
                self.chain.routing = Some(Routing {
                    at,
                    kind,
                    segments_left,
                });
            }
            Protocol::DESTINATION_OPTIONS
            | Protocol::MOBILITY
            | Protocol::HIP
            | Protocol::SHIM6 => {
                self.pass(8)?;
            }
            Protocol::AH => {
                self.pass(4)?;
            }
            Protocol::FRAGMENT => return self.pass_fragment(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn pass_fragment(&mut self) -> Result<bool, ChainError> {
        let at = self.chain.offset;
        self.count(at)?;
        if self.chain.fragment.is_some() {
            return Err(ChainError::SecondFragmentHeader { at });
        }
        let Some(&[next, _, o1, o0, i3, i2, i1, i0]) = self.bytes.get(at..at + 8) else {
            return Err(self.broken_off(at));
        };
        let word = u16::from_be_bytes([o1, o0]);
        let fragment = Fragment {
            at,
            offset: word & 0xfff8,
            more: word & 1 != 0,
            identification: u32::from_be_bytes([i3, i2, i1, i0]),
        };
        self.chain.fragment = Some(fragment);
        self.advance(next, at, 8);
        Ok(fragment.is_first())
    }

    /// Passes a header whose length byte counts units of `unit` bytes.
    fn pass(&mut self, unit: usize) -> Result<Passed, ChainError> {
        let at = self.chain.offset;
        self.count(at)?;
        let Some(&first_four) = self
            .bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk::<4>())
        else {
            return Err(self.broken_off(at));
        };
        let [next, len, ..] = first_four;
        // Lengths leave out the first 8 bytes: one unit of 8, two of 4 (RFC 4302 section 2.2).
        let len = 8 + usize::from(len) * unit;
        if self.bytes.len() < at + len {
            return Err(self.broken_off(at));
        }
        self.advance(next, at, len);
        Ok(Passed { first_four, len })
    }

    fn count(&mut self, at: usize) -> Result<(), ChainError> {
        if self.chain.n_headers == MAX_HEADERS {
            return Err(ChainError::TooManyHeaders { at });
        }
        self.chain.n_headers += 1;
        Ok(())
    }

    fn advance(&mut self, next: u8, at: usize, len: usize) {
        self.chain.protocol = Protocol(next);
        self.chain.protocol_field = at;
        self.chain.offset = at + len;
    }

    /// The chain ends too early at `at`: of a first fragment that is a fault of its own.
    fn broken_off(&self, at: usize) -> ChainError {
        match self.chain.fragment {
            Some(fragment) if fragment.is_first() && fragment.more => {
                ChainError::FirstFragmentIncomplete { at }
            }
            _ => ChainError::Truncated { at },
        }
    }

    /// A first fragment has the whole upper-layer header too.
    fn check_upper_layer(&self) -> Result<(), ChainError> {
        let chain = &self.chain;
        let Some(fragment) = chain.fragment else {
            return Ok(());
        };
        if !fragment.is_first() || !fragment.more {
            return Ok(());
        }
        let need = match chain.protocol {
            Protocol::TCP => TCP_MIN,
            Protocol::UDP | Protocol::ICMPV6 | Protocol::ESP => 8,
            Protocol::NO_NEXT_HEADER => 0,
            _ => 1,
        };
        if self.bytes.len() < chain.offset + need {
            return Err(ChainError::FirstFragmentIncomplete { at: chain.offset });
        }
        Ok(())
    }
}

/// Bytes of a TCP header without options.
const TCP_MIN: usize = 20;

struct Passed {
    first_four: [u8; 4],
    len: usize,
}

/// Option types of hop-by-hop and destination options headers.
pub mod option {
    /// One byte of padding.
    pub const PAD1: u8 = 0;
    /// Several bytes of padding.
    pub const PADN: u8 = 1;
    /// Router alert (RFC 2711).
    pub const ROUTER_ALERT: u8 = 5;
    /// Jumbo payload (RFC 2675).
    pub const JUMBO_PAYLOAD: u8 = 0xc2;
}

/// The options of a hop-by-hop or destination options header, padding left out; ends at the first
/// that does not fit.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a>(&'a [u8]);

/// The options of the header that `header` holds whole, its first two bytes included (see
/// [`Chain::hop_by_hop`]).
pub fn options(header: &[u8]) -> Options<'_> {
    Options(header.get(2..).unwrap_or(&[]))
}

impl<'a> Iterator for Options<'a> {
    /// Option type and data.
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&kind, rest) = std::mem::take(&mut self.0).split_first()?;
            if kind == option::PAD1 {
                self.0 = rest;
                continue;
            }
            let (&len, rest) = rest.split_first()?;
            let (data, rest) = rest.split_at_checked(usize::from(len))?;
            self.0 = rest;
            if kind != option::PADN {
                return Some((kind, data));
            }
        }
    }
}

/// The value of the router alert among the hop-by-hop options of `packet` (0 is MLD, RFC 2711
/// section 2.1).
pub fn router_alert(packet: &[u8], chain: &Chain) -> Option<u16> {
    let (start, end) = chain.hop_by_hop?;
    options(packet.get(start..end)?).find_map(|(kind, data)| match (kind, data) {
        (option::ROUTER_ALERT, &[high, low]) => Some(u16::from_be_bytes([high, low])),
        _ => None,
    })
}

/// Where the first option stands that its node may not pass over (RFC 8200 section 4.2): one that is not known here and
/// whose type does not begin with the bits 00. Hop-by-hop and destination options up to the chain's end are looked at.
pub fn refused_option(packet: &[u8], chain: &Chain) -> Option<usize> {
    let mut next = Protocol(*packet.get(6)?);
    let mut at = Ipv6Header::LEN;
    while at < chain.offset {
        let &[following, units] = packet.get(at..)?.first_chunk()?;
        let len = match next {
            Protocol::FRAGMENT => 8,
            Protocol::AH => 8 + usize::from(units) * 4,
            _ => 8 + usize::from(units) * 8,
        };
        if matches!(next, Protocol::HOP_BY_HOP | Protocol::DESTINATION_OPTIONS) {
            let (mut place, end) = (at + 2, at + len);
            while place < end {
                let kind = *packet.get(place)?;
                if kind >> 6 != 0 {
                    return Some(place);
                }
                place += match kind {
                    option::PAD1 => 1,
                    _ => 2 + usize::from(*packet.get(place + 1)?),
                };
            }
        }
        (next, at) = (Protocol(following), at + len);
    }
    None
}

#[cfg(test)]
mod tests;
