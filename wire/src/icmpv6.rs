//! ICMPv6 (RFC 4443): types, codes, who may be answered, and whole error packets.
//!
//! ```text
//!  0                   1                   2                   3
//! +---------------+---------------+-------------------------------+
//! |     type      |     code      |           checksum            |
//! +---------------+---------------+-------------------------------+
//! |  errors: MTU, pointer or 0;  echo: identifier, sequence       |
//! +---------------------------------------------------------------+
//! |  errors: as much of the offending packet as fits in 1280 bytes|
//! ```

use std::net::Ipv6Addr;

use thiserror::Error;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::addr::v6;
use crate::checksum::{self, Sum};
use crate::error::{DecodeError, EmitError, Header, room};
use crate::ext_header;
use crate::ipv6::{Ipv6Header, MIN_MTU, Protocol};

/// Message types (IANA "ICMPv6 type numbers").
pub mod message {
    /// Error: destination unreachable.
    pub const DESTINATION_UNREACHABLE: u8 = 1;
    /// Error: packet too big.
    pub const PACKET_TOO_BIG: u8 = 2;
    /// Error: time exceeded.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Error: parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 128;
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 129;
    /// Multicast listener query (MLDv1 and v2).
    pub const MLD_QUERY: u8 = 130;
    /// Multicast listener report (MLDv1).
    pub const MLD_REPORT: u8 = 131;
    /// Multicast listener done (MLDv1).
    pub const MLD_DONE: u8 = 132;
    /// Router solicitation.
    pub const ROUTER_SOLICITATION: u8 = 133;
    /// Router advertisement.
    pub const ROUTER_ADVERTISEMENT: u8 = 134;
    /// Neighbour solicitation.
    pub const NEIGHBOR_SOLICITATION: u8 = 135;
    /// Neighbour advertisement.
    pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
    /// Redirect.
    pub const REDIRECT: u8 = 137;
    /// Multicast listener report (MLDv2).
    pub const MLDV2_REPORT: u8 = 143;
}

/// The four bytes that open every ICMPv6 message.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct Icmpv6Header {
    message_type: u8,
    code: u8,
    checksum: U16,
}

impl Icmpv6Header {
    /// Length in bytes.
    pub const LEN: usize = 4;

    /// The header at the start of `bytes`, and the body.
    pub fn parse(bytes: &[u8]) -> Result<(&Icmpv6Header, &[u8]), DecodeError> {
        Icmpv6Header::ref_from_prefix(bytes).map_err(|_| DecodeError::Truncated {
            header: Header::Icmpv6,
            need: Icmpv6Header::LEN,
            have: bytes.len(),
        })
    }

    /// As [`Icmpv6Header::parse`], when the checksum matches too.
    pub fn parse_verified<'a>(
        source: &Ipv6Addr,
        destination: &Ipv6Addr,
        bytes: &'a [u8],
    ) -> Result<(&'a Icmpv6Header, &'a [u8]), DecodeError> {
        let parsed = Icmpv6Header::parse(bytes)?;
        if !checksum::is_valid_v6(source, destination, Protocol::ICMPV6, bytes) {
            return Err(DecodeError::Checksum {
                header: Header::Icmpv6,
            });
        }
        Ok(parsed)
    }

    /// The type; see [`message`].
    pub fn message_type(&self) -> u8 {
        self.message_type
    }

    /// The code, whose meaning depends on the type.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// The checksum as it stands.
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }
}

/// Whether a message type is an error (RFC 4443 section 2.1).
pub const fn is_error(message_type: u8) -> bool {
    message_type < 128
}

/// Whether a message type belongs to neighbour discovery (RFC 4861).
pub const fn is_neighbor_discovery(message_type: u8) -> bool {
    matches!(
        message_type,
        message::ROUTER_SOLICITATION..=message::REDIRECT
    )
}

/// Whether a message type belongs to multicast listener discovery (RFC 2710, RFC 3810).
pub const fn is_listener_discovery(message_type: u8) -> bool {
    matches!(
        message_type,
        message::MLD_QUERY..=message::MLD_DONE | message::MLDV2_REPORT
    )
}

/// Why a destination is unreachable (RFC 4443 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Unreachable {
    /// No route.
    NoRoute = 0,
    /// Communication is administratively prohibited.
    Prohibited = 1,
    /// The destination is beyond the scope of the source.
    BeyondScope = 2,
    /// The address does not answer.
    Address = 3,
    /// Nobody listens on the port.
    Port = 4,
    /// The source failed ingress or egress policy.
    SourcePolicy = 5,
    /// A route rejects the destination.
    RejectRoute = 6,
}

/// An error to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorMessage {
    /// The packet cannot be delivered.
    DestinationUnreachable(Unreachable),
    /// The packet does not fit the next link, whose MTU this is.
    PacketTooBig(u32),
    /// The hop limit ran out in transit.
    HopLimitExceeded,
    /// A fragment was missing too long.
    ReassemblyTimeExceeded,
    /// A header field is wrong: its offset in the packet.
    ErroneousHeader(u32),
    /// A next header is not known: the offset of the field that names it.
    UnrecognizedNextHeader(u32),
    /// An option is not known: its offset.
    UnrecognizedOption(u32),
    /// A first fragment has not the whole header chain (RFC 7112 section 5): where the chain breaks
    /// off.
    IncompleteHeaderChain(u32),
}

impl ErrorMessage {
    /// Type, code and the 32-bit field.
    pub const fn fields(self) -> (u8, u8, u32) {
        match self {
            ErrorMessage::DestinationUnreachable(code) => {
                (message::DESTINATION_UNREACHABLE, code as u8, 0)
            }
            ErrorMessage::PacketTooBig(mtu) => (message::PACKET_TOO_BIG, 0, mtu),
            ErrorMessage::HopLimitExceeded => (message::TIME_EXCEEDED, 0, 0),
            ErrorMessage::ReassemblyTimeExceeded => (message::TIME_EXCEEDED, 1, 0),
            ErrorMessage::ErroneousHeader(at) => (message::PARAMETER_PROBLEM, 0, at),
            ErrorMessage::UnrecognizedNextHeader(at) => (message::PARAMETER_PROBLEM, 1, at),
            ErrorMessage::UnrecognizedOption(at) => (message::PARAMETER_PROBLEM, 2, at),
            ErrorMessage::IncompleteHeaderChain(at) => (message::PARAMETER_PROBLEM, 3, at),
        }
    }

    /// Whether the error may answer a multicast packet (RFC 4443 section 2.4(e.3)).
    const fn may_answer_multicast(self) -> bool {
        matches!(
            self,
            ErrorMessage::PacketTooBig(_) | ErrorMessage::UnrecognizedOption(_)
        )
    }
}

/// Why a packet must not be answered with an error (RFC 4443 section 2.4(e)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Silence {
    /// It is not a whole IPv6 header.
    #[error("not an IPv6 packet")]
    NotIpv6,
    /// It is itself an ICMPv6 error.
    #[error("answers an ICMPv6 error")]
    IcmpError,
    /// It is a redirect.
    #[error("answers a redirect")]
    Redirect,
    /// It went to a multicast group, or to all on the link.
    #[error("answers a multicast or broadcast packet")]
    Multicast,
    /// Its source is not one node: unspecified, multicast, loopback.
    #[error("source is not one node")]
    SourceNotOneNode,
    /// It is a fragment other than the first, whose sender gets the answer to the first.
    #[error("answers a later fragment")]
    LaterFragment,
}

/// Whether `offending` may be answered with `error`; `link_multicast`: it came to a group or
/// broadcast MAC.
///
/// When the header chain is broken the packet is answered, unless what is to be seen of it forbids.
pub fn may_be_answered(
    offending: &[u8],
    error: ErrorMessage,
    link_multicast: bool,
) -> Result<(), Silence> {
    let (header, _) = Ipv6Header::parse_prefix(offending).map_err(|_| Silence::NotIpv6)?;
    let (source, destination) = (header.source().to_bits(), header.destination().to_bits());
    if v6::is_unspecified(source) || v6::is_martian_source(source) {
        return Err(Silence::SourceNotOneNode);
    }
    if (v6::is_multicast(destination) || link_multicast) && !error.may_answer_multicast() {
        return Err(Silence::Multicast);
    }
    let Ok(chain) = ext_header::walk(offending) else {
        return Ok(());
    };
    if chain.fragment.is_some_and(|f| !f.is_first()) {
        return match error {
            // Too big is true of every piece, and path MTU discovery needs one answer.
            ErrorMessage::PacketTooBig(_) => Ok(()),
            _ => Err(Silence::LaterFragment),
        };
    }
    if chain.protocol == Protocol::ICMPV6 {
        match offending.get(chain.offset) {
            Some(&message::REDIRECT) => return Err(Silence::Redirect),
            Some(&message_type) if is_error(message_type) => return Err(Silence::IcmpError),
            // A type that cannot be seen might be an error.
            None => return Err(Silence::IcmpError),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Bytes in front of the quoted packet: IPv6 header, ICMPv6 header, 32-bit field.
pub const ERROR_HEADERS_LEN: usize = Ipv6Header::LEN + 8;

/// How much of an offending packet is quoted at most: the error fits in the smallest MTU.
pub const MAX_QUOTE: usize = MIN_MTU - ERROR_HEADERS_LEN;

/// The headers to put in front of `quoted`, at most [`MAX_QUOTE`] bytes of the offending packet,
/// checksum included: for senders that keep the packet in place.
pub fn error_headers(
    message: ErrorMessage,
    source: &Ipv6Addr,
    destination: &Ipv6Addr,
    hop_limit: u8,
    quoted: &[u8],
) -> [u8; ERROR_HEADERS_LEN] {
    let quoted = &quoted[..quoted.len().min(MAX_QUOTE)];
    let (message_type, code, field) = message.fields();
    let len = 8 + quoted.len();
    let mut sum = Sum::pseudo_v6(source, destination, Protocol::ICMPV6, len);
    sum.add_u16(u16::from_be_bytes([message_type, code]));
    sum.add_u32(field);
    sum.add(quoted);
    let ip = Ipv6Header::new(source, destination, Protocol::ICMPV6, hop_limit, len as u16);
    let mut headers = [0; ERROR_HEADERS_LEN];
    headers[..40].copy_from_slice(ip.as_bytes());
    headers[40] = message_type;
    headers[41] = code;
    headers[42..44].copy_from_slice(&sum.finish().to_be_bytes());
    headers[44..48].copy_from_slice(&field.to_be_bytes());
    headers
}

/// Writes a whole error packet, from the IPv6 header on, and returns its length.
///
/// `offending` is quoted up to a total of 1280 bytes (RFC 4443 section 2.4(c)); give it without
/// link padding. Ask [`may_be_answered`] first.
pub fn write_error(
    buf: &mut [u8],
    message: ErrorMessage,
    source: &Ipv6Addr,
    destination: &Ipv6Addr,
    hop_limit: u8,
    offending: &[u8],
) -> Result<usize, EmitError> {
    let quoted = &offending[..offending.len().min(MAX_QUOTE)];
    let len = ERROR_HEADERS_LEN + quoted.len();
    let buf = room(buf, len)?;
    let headers = error_headers(message, source, destination, hop_limit, quoted);
    buf[..ERROR_HEADERS_LEN].copy_from_slice(&headers);
    buf[ERROR_HEADERS_LEN..].copy_from_slice(quoted);
    Ok(len)
}

/// An echo request or reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Whether this is the reply.
    pub reply: bool,
    /// Tells the askers of a host apart.
    pub identifier: u16,
    /// Counts the requests of an asker.
    pub sequence: u16,
    /// Comes back unchanged.
    pub data: &'a [u8],
}

impl<'a> Echo<'a> {
    /// Reads an ICMPv6 message that starts at `bytes`; the checksum is not looked at.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let &[message_type, _, _, _, i1, i0, s1, s0, ref data @ ..] = bytes else {
            let have = bytes.len();
            return Err(DecodeError::Truncated {
                header: Header::Icmpv6,
                need: 8,
                have,
            });
        };
        let reply = match message_type {
            message::ECHO_REQUEST => false,
            message::ECHO_REPLY => true,
            other => {
                return Err(DecodeError::field(
                    Header::Icmpv6,
                    "type",
                    0,
                    u32::from(other),
                ));
            }
        };
        let (identifier, sequence) = (u16::from_be_bytes([i1, i0]), u16::from_be_bytes([s1, s0]));
        Ok(Echo {
            reply,
            identifier,
            sequence,
            data,
        })
    }

    /// Writes a whole packet, from the IPv6 header on, and returns its length.
    pub fn write(
        &self,
        buf: &mut [u8],
        source: &Ipv6Addr,
        destination: &Ipv6Addr,
        hop_limit: u8,
    ) -> Result<usize, EmitError> {
        let payload_len = 8 + self.data.len();
        let field = u16::try_from(payload_len).map_err(|_| EmitError::Value {
            field: "payload length",
            value: payload_len as u64,
        })?;
        let len = Ipv6Header::LEN + payload_len;
        let buf = room(buf, len)?;
        let ip = Ipv6Header::new(source, destination, Protocol::ICMPV6, hop_limit, field);
        buf[..40].copy_from_slice(ip.as_bytes());
        let message_type = if self.reply {
            message::ECHO_REPLY
        } else {
            message::ECHO_REQUEST
        };
        buf[40..44].copy_from_slice(&[message_type, 0, 0, 0]);
        buf[44..46].copy_from_slice(&self.identifier.to_be_bytes());
        buf[46..48].copy_from_slice(&self.sequence.to_be_bytes());
        buf[48..].copy_from_slice(self.data);
        fill_checksum(source, destination, &mut buf[40..]);
        Ok(len)
    }
}

/// Fills the checksum of an ICMPv6 message.
pub(crate) fn fill_checksum(source: &Ipv6Addr, destination: &Ipv6Addr, message: &mut [u8]) {
    message[2..4].fill(0);
    let sum = checksum::checksum_v6(source, destination, Protocol::ICMPV6, message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
}

#[cfg(test)]
mod tests;
