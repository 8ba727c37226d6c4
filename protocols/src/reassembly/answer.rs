//! What a whole packet is answered with.

use std::net::Ipv6Addr;

use wire::addr::{v4, v6};
use wire::checksum;
use wire::ipv4::Ipv4Header;
use wire::ipv6::{Ipv6Header, Protocol};
use wire::udp::UdpHeader;
use wire::{ext_header, icmpv4, icmpv6};

/// Hop limit of what we send.
const HOP_LIMIT: u8 = 64;
/// Where DHCPv6 servers and relay agents listen (RFC 8415 section 7.2).
const DHCP6_SERVER_PORT: u16 = 547;

/// What becomes of a whole packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// An echo reply, not cut yet.
    Echo(Vec<u8>),
    /// A message for the DHCPv6 server or relay agent.
    Dhcp6,
    /// Nobody listens on its port.
    PortUnreachable,
    /// Its upper layer is broken.
    Malformed,
    /// Nobody here takes it.
    Unclaimed,
}

/// Judges a whole packet for one of our addresses.
pub(super) fn answer(packet: &[u8]) -> Answer {
    let answer = match packet.first().map(|first| first >> 4) {
        Some(6) => answer6(packet),
        _ => answer4(packet),
    };
    answer.unwrap_or(Answer::Malformed)
}

fn answer6(packet: &[u8]) -> Option<Answer> {
    let (header, _) = Ipv6Header::parse(packet).ok()?;
    let chain = ext_header::walk(packet).ok()?;
    let message = packet.get(chain.offset..)?;
    let (source, own) = (header.source(), header.destination());
    match chain.protocol {
        Protocol::UDP => return udp6(&source, &own, message),
        Protocol::ICMPV6 => {}
        _ => return Some(Answer::Unclaimed),
    }
    if !checksum::is_valid_v6(&source, &own, Protocol::ICMPV6, message) {
        return None;
    }
    let one_node =
        !v6::is_unspecified(source.to_bits()) && !v6::is_martian_source(source.to_bits());
    if message.first() != Some(&icmpv6::message::ECHO_REQUEST) || !one_node {
        return Some(Answer::Unclaimed);
    }
    if message.get(1) != Some(&0) {
        return None;
    }
    let echo = icmpv6::Echo {
        reply: true,
        ..icmpv6::Echo::parse(message).ok()?
    };
    let mut reply = vec![0; Ipv6Header::LEN + message.len()];
    echo.write(&mut reply, &own, &source, HOP_LIMIT).ok()?;
    Some(Answer::Echo(reply))
}

fn udp6(source: &Ipv6Addr, own: &Ipv6Addr, segment: &[u8]) -> Option<Answer> {
    let (header, _) = UdpHeader::parse_prefix(segment).ok()?;
    if header.destination_port() != DHCP6_SERVER_PORT {
        return Some(Answer::PortUnreachable);
    }
    let (header, _) = UdpHeader::parse(segment).ok()?;
    let segment = segment.get(..usize::from(header.len_field()))?;
    let is_intact =
        header.checksum() != 0 && checksum::is_valid_v6(source, own, Protocol::UDP, segment);
    is_intact.then_some(Answer::Dhcp6)
}

fn answer4(packet: &[u8]) -> Option<Answer> {
    let parsed = Ipv4Header::parse(packet).ok()?;
    let (header, message) = (parsed.header, parsed.payload);
    let (source, own) = (header.source(), header.destination());
    match header.protocol() {
        Protocol::UDP => return Some(Answer::PortUnreachable),
        Protocol::ICMPV4 => {}
        _ => return Some(Answer::Unclaimed),
    }
    if !checksum::is_valid(message) {
        return None;
    }
    let one_node =
        !v4::is_unspecified(source.to_bits()) && !v4::is_martian_source(source.to_bits());
    if message.get(..2) != Some(&[icmpv4::message::ECHO_REQUEST, 0]) || !one_node {
        return Some(Answer::Unclaimed);
    }
    let echo = icmpv4::Echo {
        reply: true,
        ..icmpv4::Echo::parse(message).ok()?
    };
    let mut reply = vec![0; Ipv4Header::LEN + message.len()];
    echo.write(&mut reply, own, source, HOP_LIMIT).ok()?;
    Some(Answer::Echo(reply))
}

/// An error of this room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// A fragment was missing too long.
    TimeExceeded,
    /// A length is no multiple of 8.
    Length,
    /// Nobody listens on the port.
    PortUnreachable,
}

/// The ICMP error about a packet for one of our addresses; `None` where none may be sent.
pub(super) fn error(offending: &[u8], error: Error) -> Option<Vec<u8>> {
    match offending.first()? >> 4 {
        6 => error6(offending, error),
        _ => error4(offending, error),
    }
}

fn error6(offending: &[u8], error: Error) -> Option<Vec<u8>> {
    use icmpv6::ErrorMessage;
    let message = match error {
        Error::TimeExceeded => ErrorMessage::ReassemblyTimeExceeded,
        // 4: the payload length.
        Error::Length => ErrorMessage::ErroneousHeader(4),
        Error::PortUnreachable => ErrorMessage::DestinationUnreachable(icmpv6::Unreachable::Port),
    };
    icmpv6::may_be_answered(offending, message, false).ok()?;
    let (header, _) = Ipv6Header::parse_prefix(offending).ok()?;
    let (own, to) = (header.destination(), header.source());
    let mut packet = vec![0; icmpv6::ERROR_HEADERS_LEN + icmpv6::MAX_QUOTE];
    let len = icmpv6::write_error(&mut packet, message, &own, &to, HOP_LIMIT, offending).ok()?;
    packet.truncate(len);
    Some(packet)
}

fn error4(offending: &[u8], error: Error) -> Option<Vec<u8>> {
    use icmpv4::ErrorMessage;
    let message = match error {
        Error::TimeExceeded => ErrorMessage::ReassemblyTimeExceeded,
        // 2: the total length.
        Error::Length => ErrorMessage::ParameterProblem(2),
        Error::PortUnreachable => ErrorMessage::DestinationUnreachable(icmpv4::Unreachable::Port),
    };
    icmpv4::may_be_answered(offending, false).ok()?;
    let header = Ipv4Header::parse_prefix(offending).ok()?.header;
    let (own, to) = (header.destination(), header.source());
    let mut packet = vec![0; icmpv4::ERROR_HEADERS_LEN + icmpv4::MAX_QUOTE];
    let len = icmpv4::write_error(&mut packet, message, own, to, HOP_LIMIT, offending).ok()?;
    packet.truncate(len);
    Some(packet)
}
