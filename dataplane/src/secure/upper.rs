//! What a security rule is asked about a packet: addresses, protocol, ports, behind whatever extension headers there are.

use wire::ext_header::{self, ChainError};
use wire::ipv4::Ipv4Header;

use crate::drop::DropReason;
use crate::forwarding::network::mapped;

/// IP protocol numbers: ICMP.
pub const ICMP: u8 = 1;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// DCCP.
pub const DCCP: u8 = 33;
/// ICMPv6.
pub const ICMPV6: u8 = 58;
/// SCTP.
pub const SCTP: u8 = 132;
/// UDP-Lite.
pub const UDPLITE: u8 = 136;

/// Bytes of an IPv6 header.
const HEADER6: usize = 40;

/// An IP packet as rules and flows see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// Whether it is IPv6.
    pub v6: bool,
    /// Source, IPv4 as an IPv4-mapped address.
    pub source: u128,
    /// Destination, as the source.
    pub destination: u128,
    /// Upper-layer protocol, behind any extension headers.
    pub protocol: u8,
    /// Where its header begins, from the IP header on. Means nothing in a later fragment.
    pub offset: usize,
    /// Bytes of the IP packet, headers included.
    pub len: usize,
    /// What the upper-layer header says.
    pub says: Says,
    /// Which piece of which packet it is; `None` for whole ones and atomic fragments (RFC 6946).
    pub piece: Option<Piece>,
}

/// A fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Identification.
    pub id: u32,
    /// Where its bytes stand in the fragmentable part.
    pub start: u16,
    /// How many there are.
    pub len: u16,
    /// Whether later ones follow.
    pub more: bool,
}

/// What the first bytes of an upper-layer header say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// Nothing that rules ask for; or it is a later fragment.
    Nothing,
    /// Source and destination port.
    Ports(u16, u16),
    /// An echo request or reply, or another ICMP query and its answer: type, code and identifier.
    Query(u8, u8, u16),
    /// An ICMP error about a packet that it cites: type and code.
    Error(u8, u8),
    /// Any other ICMP message: type and code.
    Message(u8, u8),
}

impl Upper {
    /// Reads a packet from its IP header on. `bytes` may end before the packet does, as a first segment may.
    ///
    /// # Errors
    /// What rules ask for cannot be told: such a packet passes no filter (RFC 7112, RFC 7113).
    pub fn read(bytes: &[u8]) -> Result<Self, DropReason> {
        match bytes.first().map(|byte| byte >> 4) {
            Some(6) => Self::read6(bytes),
            Some(4) => Self::read4(bytes),
            _ => Err(DropReason::Ip6Truncated),
        }
    }

    fn read6(bytes: &[u8]) -> Result<Self, DropReason> {
        let header = bytes.first_chunk::<HEADER6>();
        let header = header.ok_or(DropReason::Ip6Truncated)?;
        let address = |at: usize| {
            let mut octets = [0; 16];
            octets.copy_from_slice(&header[at..at + 16]);
            u128::from_be_bytes(octets)
        };
        let len = HEADER6 + usize::from(u16::from_be_bytes([header[4], header[5]]));
        let chain = ext_header::walk(bytes).map_err(undecidable)?;
        let piece = chain.fragment.filter(|fragment| !fragment.is_atomic());
        let piece = piece.map(|fragment| Piece {
            id: fragment.identification,
            start: fragment.offset,
            len: len.saturating_sub(fragment.at + 8) as u16,
            more: fragment.more,
        });
        Self {
            v6: true,
            source: address(8),
            destination: address(24),
            protocol: chain.protocol.0,
            offset: chain.offset,
            len,
            says: Says::Nothing,
            piece,
        }
        .listen(bytes)
    }

    fn read4(bytes: &[u8]) -> Result<Self, DropReason> {
        let packet = Ipv4Header::parse_prefix(bytes).map_err(|_| DropReason::Ip4Truncated)?;
        let header = packet.header;
        let payload = header.total_len().saturating_sub(header.header_len());
        let piece = header.is_fragment().then(|| Piece {
            id: header.identification().into(),
            start: header.fragment_offset() as u16,
            len: payload as u16,
            more: header.more_fragments(),
        });
        Self {
            v6: false,
            source: mapped(header.source().into()),
            destination: mapped(header.destination().into()),
            protocol: header.protocol().0,
            offset: header.header_len(),
            len: header.total_len(),
            says: Says::Nothing,
            piece,
        }
        .listen(bytes)
    }

    /// Reads what an ICMP error cites of a packet (RFC 4443 section 2.4 c, RFC 792): as much as there is of it. `None` if that does not
    /// tell its flow.
    pub fn cited(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes).ok().filter(|upper| !upper.is_later())
    }

    /// Whether it is a fragment other than the first.
    pub fn is_later(&self) -> bool {
        self.piece.is_some_and(|piece| piece.start != 0)
    }

    /// Reads the upper-layer header.
    fn listen(mut self, bytes: &[u8]) -> Result<Self, DropReason> {
        if self.is_later() {
            return Ok(self);
        }
        let end = bytes.len().min(self.len);
        let upper = bytes.get(self.offset..end).unwrap_or_default();
        let word = |at: usize| {
            upper
                .get(at..at + 2)
                .map(|w| u16::from_be_bytes([w[0], w[1]]))
        };
        self.says = match self.protocol {
            TCP | UDP | UDPLITE | SCTP | DCCP => match (word(0), word(2)) {
                (Some(source), Some(destination)) => Says::Ports(source, destination),
                _ => return Err(DropReason::UpperLayerTruncated),
            },
            // RFC 1858: flags in the first fragment, where they are looked at.
            ICMP | ICMPV6 if (self.protocol == ICMPV6) == self.v6 => {
                let &[kind, code, ..] = upper else {
                    return Err(DropReason::UpperLayerTruncated);
                };
                match (self.v6, kind) {
                    (true, 128 | 129) | (false, 0 | 8 | 13..=18) => match word(4) {
                        Some(id) => Says::Query(kind, code, id),
                        None => return Err(DropReason::UpperLayerTruncated),
                    },
                    (true, 1..=4) | (false, 3 | 4 | 5 | 11 | 12) => Says::Error(kind, code),
                    _ => Says::Message(kind, code),
                }
            }
            _ => Says::Nothing,
        };
        Ok(self)
    }

    /// Whether it is the answer to an ICMP query.
    pub fn is_answer(&self) -> bool {
        match (self.says, self.v6) {
            (Says::Query(kind, _, _), true) => kind == 129,
            (Says::Query(kind, _, _), false) => matches!(kind, 0 | 14 | 16 | 18),
            _ => false,
        }
    }

    /// What rules compare with their port range: the destination port, or type and code of an ICMP message.
    pub fn port(&self) -> Option<u16> {
        match self.says {
            Says::Nothing => None,
            Says::Ports(_, destination) => Some(destination),
            Says::Query(kind, code, _) | Says::Error(kind, code) | Says::Message(kind, code) => {
                Some(u16::from_be_bytes([kind, code]))
            }
        }
    }
}

fn undecidable(error: ChainError) -> DropReason {
    match error {
        ChainError::Truncated { .. } => DropReason::Ip6ExtensionTruncated,
        ChainError::TooManyHeaders { .. } => DropReason::Ip6ExtensionTooMany,
        ChainError::HopByHopNotFirst { .. } => DropReason::Ip6HopByHopNotFirst,
        ChainError::RoutingType0 { .. } => DropReason::Ip6RoutingHeader0,
        ChainError::FirstFragmentIncomplete { .. } => DropReason::Ip6FirstFragmentIncomplete,
        ChainError::SecondFragmentHeader { .. } => DropReason::Ip6FragmentMalformed,
        ChainError::JumboPayload => DropReason::Ip6Jumbogram,
    }
}
