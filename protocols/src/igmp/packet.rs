//! The packets this room sends and reads; what is in them is `wire::igmp`'s to say.

use std::net::Ipv4Addr;

use wire::addr::v4;
use wire::error::DecodeError;
use wire::igmp::{self, Message};
use wire::ipv4::Ipv4Header;
use wire::ipv6::Protocol;
use wire::mld::RecordType;

/// All routers, to which a leave goes.
pub(super) const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
/// All routers that speak version 3, to which its reports go.
pub(super) const ALL_V3_ROUTERS: Ipv4Addr = Ipv4Addr::from_bits(v4::ALL_IGMPV3_ROUTERS);
/// Records that fit a report on any link (576 bytes, RFC 791).
pub(super) const RECORDS: usize = (576 - igmp::report_len(0)) / 8;

/// Reads a packet, from its IP header on. The rule that it broke, if it broke one.
pub(super) fn read(packet: &[u8]) -> Result<Message, &'static str> {
    let ip = Ipv4Header::parse(packet).map_err(|error| class(&error))?;
    if ip.header.protocol() != Protocol::IGMP {
        return Err("protocol");
    }
    igmp::parse(ip.payload).map_err(|error| class(&error))
}

/// A report of version 3.
pub(super) fn report(source: Ipv4Addr, records: &[(RecordType, Ipv4Addr)]) -> Vec<u8> {
    let mut packet = vec![0; igmp::report_len(records.len())];
    // Room is exact, and the callers send no more than `RECORDS`.
    let written = igmp::write_report(&mut packet, source, records);
    debug_assert_eq!(written, Ok(packet.len()));
    packet
}

/// A report of version 2, to the group itself.
pub(super) fn report_v2(source: Ipv4Addr, group: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0; igmp::V2_LEN];
    let written = igmp::write_report_v2(&mut packet, source, group);
    debug_assert_eq!(written, Ok(packet.len()));
    packet
}

/// A leave, to all routers.
pub(super) fn leave(source: Ipv4Addr, group: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0; igmp::V2_LEN];
    let written = igmp::write_leave(&mut packet, source, group);
    debug_assert_eq!(written, Ok(packet.len()));
    packet
}

fn class(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::Truncated { .. } => "length",
        DecodeError::Field { field, .. } => field,
        DecodeError::Checksum { .. } => "checksum",
    }
}

/// Whether listeners of this group are told.
pub(super) fn is_told(group: &Ipv4Addr) -> bool {
    group.is_multicast() && group.to_bits() != v4::ALL_SYSTEMS
}
