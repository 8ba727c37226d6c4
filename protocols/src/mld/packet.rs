//! The packets this room sends, and the names of the rules that received ones break. They are read by `wire::mld`.

use std::net::Ipv6Addr;

use wire::addr::v6;
use wire::error::DecodeError;
use wire::ipv6::MIN_MTU;
use wire::mld::{self, RecordType};

/// All routers, to which a done message goes.
pub(super) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::from_bits(v6::ALL_ROUTERS);
/// All routers that speak version 2, to which its reports go.
pub(super) const ALL_MLDV2_ROUTERS: Ipv6Addr = Ipv6Addr::from_bits(v6::ALL_MLDV2_ROUTERS);

/// Records that fit a report on any link: longer lists take several (RFC 3810 section 5.2.15).
pub(super) const RECORDS: usize = (MIN_MTU - mld::report_len(0)) / 20;

/// A report of version 2.
pub(super) fn report(source: Ipv6Addr, records: &[(RecordType, Ipv6Addr)]) -> Vec<u8> {
    let mut packet = vec![0; mld::report_len(records.len())];
    // Room is exact, and the callers send no more than `RECORDS`.
    let written = mld::write_report(&mut packet, &source, records);
    debug_assert_eq!(written, Ok(packet.len()));
    packet
}

/// A report of version 1.
pub(super) fn report_v1(source: Ipv6Addr, group: Ipv6Addr) -> Vec<u8> {
    let mut packet = vec![0; mld::V1_LEN];
    let written = mld::write_report_v1(&mut packet, &source, &group);
    debug_assert_eq!(written, Ok(packet.len()));
    packet
}

/// A done message.
pub(super) fn done(source: Ipv6Addr, group: Ipv6Addr) -> Vec<u8> {
    let mut packet = vec![0; mld::V1_LEN];
    let written = mld::write_done(&mut packet, &source, &group);
    debug_assert_eq!(written, Ok(packet.len()));
    packet
}

/// The rule that a packet broke.
pub(super) fn class(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::Truncated { .. } => "length",
        DecodeError::Field { field, .. } => field,
        DecodeError::Checksum { .. } => "checksum",
    }
}

/// Whether listeners of this group are told (RFC 3810 section 6).
pub(super) fn is_told(group: &Ipv6Addr) -> bool {
    let scope = group.octets()[1] & 0xf;
    group.is_multicast() && 2 <= scope && group.to_bits() != v6::ALL_NODES
}
