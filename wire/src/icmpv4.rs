//! ICMP for IPv4 (RFC 792, RFC 1812 section 4.3): types, codes, who may be answered, and whole
//! error packets.
//!
//! ```text
//!  0                   1                   2                   3
//! +---------------+---------------+-------------------------------+
//! |     type      |     code      |           checksum            |
//! +---------------+---------------+-------------------------------+
//! |  errors: pointer, MTU or 0;  echo: identifier, sequence       |
//! +---------------------------------------------------------------+
//! |  errors: as much of the offending packet as fits in 576 bytes |
//! ```

use std::net::Ipv4Addr;

use thiserror::Error;
use zerocopy::IntoBytes;

use crate::addr::v4;
use crate::checksum::{self, Sum};
use crate::error::{DecodeError, EmitError, Header, room};
use crate::ipv4::{Ipv4Header, MIN_REASSEMBLY};
use crate::ipv6::Protocol;

/// Message types (IANA "ICMP type numbers").
pub mod message {
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Error: destination unreachable.
    pub const DESTINATION_UNREACHABLE: u8 = 3;
    /// Error: source quench, deprecated.
    pub const SOURCE_QUENCH: u8 = 4;
    /// Error: redirect.
    pub const REDIRECT: u8 = 5;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 8;
    /// Error: time exceeded.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Error: parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 12;
}

/// Whether a message type is an error.
pub const fn is_error(message_type: u8) -> bool {
    matches!(message_type, 3 | 4 | 5 | 11 | 12)
}

/// Whether a message type is a question or an answer to one; the rest are errors or unknown.
const fn is_query(message_type: u8) -> bool {
    matches!(message_type, 0 | 8..=10 | 13..=18 | 42 | 43)
}

/// Why a destination is unreachable (RFC 792, RFC 1812 section 5.2.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Unreachable {
    /// No route.
    Net = 0,
    /// The address does not answer.
    Host = 1,
    /// The protocol is not spoken.
    Protocol = 2,
    /// Nobody listens on the port.
    Port = 3,
    /// A source route failed.
    SourceRouteFailed = 5,
    /// Communication is administratively prohibited.
    Prohibited = 13,
}

/// An error to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorMessage {
    /// The packet cannot be delivered.
    DestinationUnreachable(Unreachable),
    /// The packet must not be fragmented and does not fit the next link, whose MTU this is (RFC
    /// 1191).
    FragmentationNeeded(u16),
    /// The TTL ran out in transit.
    TtlExceeded,
    /// A fragment was missing too long.
    ReassemblyTimeExceeded,
    /// A header field is wrong: its offset in the packet.
    ParameterProblem(u8),
    /// A better first hop on the link, for this host.
    RedirectHost(Ipv4Addr),
}

impl ErrorMessage {
    /// Type, code and the 32-bit field.
    pub const fn fields(self) -> (u8, u8, u32) {
        match self {
            ErrorMessage::DestinationUnreachable(code) => {
                (message::DESTINATION_UNREACHABLE, code as u8, 0)
            }
            ErrorMessage::FragmentationNeeded(mtu) => {
                (message::DESTINATION_UNREACHABLE, 4, mtu as u32)
            }
            ErrorMessage::TtlExceeded => (message::TIME_EXCEEDED, 0, 0),
            ErrorMessage::ReassemblyTimeExceeded => (message::TIME_EXCEEDED, 1, 0),
            ErrorMessage::ParameterProblem(at) => {
                (message::PARAMETER_PROBLEM, 0, (at as u32) << 24)
            }
            ErrorMessage::RedirectHost(gateway) => (message::REDIRECT, 1, gateway.to_bits()),
        }
    }
}

/// Why a packet must not be answered with an error (RFC 1812 section 4.3.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Silence {
    /// It is not a whole IPv4 header.
    #[error("not an IPv4 packet")]
    NotIpv4,
    /// It is itself an ICMP error.
    #[error("answers an ICMP error")]
    IcmpError,
    /// It went to a group or to all on the link.
    #[error("answers a multicast or broadcast packet")]
    Multicast,
    /// Its source is not one node: unspecified, loopback, multicast, reserved, broadcast.
    #[error("source is not one node")]
    SourceNotOneNode,
    /// It is a fragment other than the first.
    #[error("answers a later fragment")]
    LaterFragment,
}

/// Whether `offending` may be answered with an error; `link_multicast`: it came to a group or
/// broadcast MAC.
///
/// That its destination is not the broadcast address of a connected network is the caller's to
/// know.
pub fn may_be_answered(offending: &[u8], link_multicast: bool) -> Result<(), Silence> {
    let packet = Ipv4Header::parse_prefix(offending).map_err(|_| Silence::NotIpv4)?;
    let header = packet.header;
    let (source, destination) = (header.source().to_bits(), header.destination().to_bits());
    if v4::is_unspecified(source) || v4::is_martian_source(source) {
        return Err(Silence::SourceNotOneNode);
    }
    let multicast = v4::is_multicast(destination) || v4::is_limited_broadcast(destination);
    if multicast || link_multicast {
        return Err(Silence::Multicast);
    }
    if header.fragment_offset() != 0 {
        return Err(Silence::LaterFragment);
    }
    if header.protocol() == Protocol::ICMPV4
        && !packet
            .payload
            .first()
            .is_some_and(|&message_type| is_query(message_type))
    {
        return Err(Silence::IcmpError);
    }
    Ok(())
}

/// Bytes in front of the quoted packet: IPv4 header, ICMP header, 32-bit field.
pub const ERROR_HEADERS_LEN: usize = Ipv4Header::LEN + 8;

/// How much of an offending packet is quoted at most.
pub const MAX_QUOTE: usize = MIN_REASSEMBLY - ERROR_HEADERS_LEN;

/// Precedence "internetwork control", as routers mark their errors (RFC 1812 section 4.3.2.5).
const ERROR_TOS: u8 = 0xc0;

/// The headers to put in front of `quoted`, at most [`MAX_QUOTE`] bytes of the offending packet,
/// checksums included: for senders that keep the packet in place.
pub fn error_headers(
    message: ErrorMessage,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    ttl: u8,
    quoted: &[u8],
) -> [u8; ERROR_HEADERS_LEN] {
    let quoted = &quoted[..quoted.len().min(MAX_QUOTE)];
    let (message_type, code, field) = message.fields();
    let len = (8 + quoted.len()) as u16;
    let ip = Ipv4Header::new(source, destination, Protocol::ICMPV4, ttl, len).with_tos(ERROR_TOS);
    let mut sum = Sum::new();
    sum.add_u16(u16::from_be_bytes([message_type, code]));
    sum.add_u32(field);
    sum.add(quoted);
    let mut headers = [0; ERROR_HEADERS_LEN];
    headers[..20].copy_from_slice(ip.as_bytes());
    headers[20] = message_type;
    headers[21] = code;
    headers[22..24].copy_from_slice(&sum.finish().to_be_bytes());
    headers[24..28].copy_from_slice(&field.to_be_bytes());
    headers
}

/// Writes a whole error packet, from the IPv4 header on, and returns its length.
///
/// `offending` is quoted up to a total of 576 bytes (RFC 1812 section 4.3.2.3); give it without
/// link padding. Ask [`may_be_answered`] first.
pub fn write_error(
    buf: &mut [u8],
    message: ErrorMessage,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    ttl: u8,
    offending: &[u8],
) -> Result<usize, EmitError> {
    let quoted = &offending[..offending.len().min(MAX_QUOTE)];
    let len = ERROR_HEADERS_LEN + quoted.len();
    let buf = room(buf, len)?;
    let headers = error_headers(message, source, destination, ttl, quoted);
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
    /// Reads an ICMP message that starts at `bytes` and ends with the packet, checksum included.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let &[message_type, _, _, _, i1, i0, s1, s0, ref data @ ..] = bytes else {
            let have = bytes.len();
            return Err(DecodeError::Truncated {
                header: Header::Icmpv4,
                need: 8,
                have,
            });
        };
        let reply = match message_type {
            message::ECHO_REQUEST => false,
            message::ECHO_REPLY => true,
            other => {
                return Err(DecodeError::field(
                    Header::Icmpv4,
                    "type",
                    0,
                    u32::from(other),
                ));
            }
        };
        if !checksum::is_valid(bytes) {
            return Err(DecodeError::Checksum {
                header: Header::Icmpv4,
            });
        }
        let (identifier, sequence) = (u16::from_be_bytes([i1, i0]), u16::from_be_bytes([s1, s0]));
        Ok(Echo {
            reply,
            identifier,
            sequence,
            data,
        })
    }

    /// Writes a whole packet, from the IPv4 header on, and returns its length.
    pub fn write(
        &self,
        buf: &mut [u8],
        source: Ipv4Addr,
        destination: Ipv4Addr,
        ttl: u8,
    ) -> Result<usize, EmitError> {
        let len = Ipv4Header::LEN + 8 + self.data.len();
        if len > usize::from(u16::MAX) {
            return Err(EmitError::Value {
                field: "total length",
                value: len as u64,
            });
        }
        let buf = room(buf, len)?;
        let payload_len = (len - Ipv4Header::LEN) as u16;
        let ip = Ipv4Header::new(source, destination, Protocol::ICMPV4, ttl, payload_len);
        buf[..20].copy_from_slice(ip.as_bytes());
        let message_type = if self.reply {
            message::ECHO_REPLY
        } else {
            message::ECHO_REQUEST
        };
        buf[20..24].copy_from_slice(&[message_type, 0, 0, 0]);
        buf[24..26].copy_from_slice(&self.identifier.to_be_bytes());
        buf[26..28].copy_from_slice(&self.sequence.to_be_bytes());
        buf[28..].copy_from_slice(self.data);
        let sum = checksum::checksum(&buf[20..]);
        buf[22..24].copy_from_slice(&sum.to_be_bytes());
        Ok(len)
    }
}

#[cfg(test)]
mod tests;
