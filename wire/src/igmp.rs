//! Internet group management: the queries and reports of versions 2 (RFC 2236) and 3 (RFC 3376).
//!
//! ```text
//! query 0x11, report 0x16, leave 0x17         report of version 3, 0x22
//! +--------+--------+-----------------+       +--------+--------+-----------------+
//! | type   | max rsp| checksum        |       | type   |reserved| checksum        |
//! | group (4)                         |       | reserved        | records         |
//! +- version 3 queries only: ---------+       | record: type, aux len, sources (2) |
//! | S, QRV | QQIC   | sources         |       |   group (4), sources (4 each), aux  |
//! ```
//!
//! LIMIT: sources are skipped, not read: the router listens to groups from any source.

use std::net::Ipv4Addr;

use zerocopy::IntoBytes;

use crate::addr::v4;
use crate::checksum;
use crate::error::{DecodeError, EmitError, Header, room};
use crate::ipv4::{Ipv4Header, option};
use crate::ipv6::Protocol;
use crate::mld::RecordType;

const QUERY: u8 = 0x11;
const REPORT_V1: u8 = 0x12;
const REPORT_V2: u8 = 0x16;
const LEAVE: u8 = 0x17;
const REPORT_V3: u8 = 0x22;

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// A router asks which groups are listened to.
    Query {
        /// Tenths of a second within which to answer.
        max_response_time: u32,
        /// The group asked about; unspecified for all.
        group: Ipv4Addr,
        /// 1, 2 or 3.
        version: u8,
    },
    /// A listener of one group (versions 1 and 2).
    Report {
        /// The group.
        group: Ipv4Addr,
    },
    /// A listener left a group (version 2).
    Leave {
        /// The group.
        group: Ipv4Addr,
    },
    /// A listener's groups (version 3).
    ReportV3 {
        /// How many group records.
        n_records: u16,
    },
}

/// Reads an IGMP message that starts at `bytes` and ends with the packet, checksum included.
pub fn parse(bytes: &[u8]) -> Result<Message, DecodeError> {
    const H: Header = Header::Igmp;
    let &[message_type, code, _, _, g3, g2, g1, g0, ..] = bytes else {
        return Err(DecodeError::Truncated {
            header: H,
            need: 8,
            have: bytes.len(),
        });
    };
    if !checksum::is_valid(bytes) {
        return Err(DecodeError::Checksum { header: H });
    }
    let group = Ipv4Addr::new(g3, g2, g1, g0);
    let is_general_query = message_type == QUERY && group.is_unspecified();
    if message_type != REPORT_V3 && !is_general_query && !group.is_multicast() {
        return Err(DecodeError::field(H, "group address", 4, group.to_bits()));
    }
    match message_type {
        QUERY => {
            // The version is told by length and code (RFC 3376 section 7.1).
            let (version, max_response_time) = match (bytes.len(), code) {
                (8, 0) => (1, 100),
                (8, code) => (2, u32::from(code)),
                (12.., code) => (3, expand(code)),
                (have, _) => {
                    return Err(DecodeError::Truncated {
                        header: H,
                        need: 12,
                        have,
                    });
                }
            };
            Ok(Message::Query {
                max_response_time,
                group,
                version,
            })
        }
        REPORT_V1 | REPORT_V2 => Ok(Message::Report { group }),
        LEAVE => Ok(Message::Leave { group }),
        REPORT_V3 => Ok(Message::ReportV3 {
            n_records: u16::from_be_bytes([g1, g0]),
        }),
        other => Err(DecodeError::field(H, "type", 0, u32::from(other))),
    }
}

/// The value of a code whose upper half is a floating point number (RFC 3376 section 4.1.1).
const fn expand(code: u8) -> u32 {
    if code < 128 {
        return code as u32;
    }
    ((code & 0xf) as u32 | 0x10) << (((code >> 4) & 7) + 3)
}

/// IPv4 header with the router alert option (RFC 2113).
const IP_LEN: usize = Ipv4Header::LEN + 4;

/// Bytes of a packet that [`write_report`] writes for so many records.
pub const fn report_len(n_records: usize) -> usize {
    IP_LEN + 8 + 8 * n_records
}

/// Writes a whole version 3 report, from the IPv4 header on, and returns its length.
///
/// The records have no sources: "change to exclude none" joins a group, "change to include none"
/// leaves it.
pub fn write_report(
    buf: &mut [u8],
    source: Ipv4Addr,
    records: &[(RecordType, Ipv4Addr)],
) -> Result<usize, EmitError> {
    let len = report_len(records.len());
    let total_len = u16::try_from(len).map_err(|_| EmitError::Value {
        field: "record count",
        value: records.len() as u64,
    })?;
    let buf = room(buf, len)?;
    let destination = Ipv4Addr::from_bits(v4::ALL_IGMPV3_ROUTERS);
    let igmp = around(buf, source, destination, total_len);
    igmp[..6].copy_from_slice(&[REPORT_V3, 0, 0, 0, 0, 0]);
    igmp[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
    for (slot, (record_type, group)) in igmp[8..].chunks_exact_mut(8).zip(records) {
        slot[..4].copy_from_slice(&[*record_type as u8, 0, 0, 0]);
        slot[4..].copy_from_slice(&group.octets());
    }
    let sum = checksum::checksum(igmp);
    igmp[2..4].copy_from_slice(&sum.to_be_bytes());
    Ok(len)
}

/// Bytes of a packet of version 2.
pub const V2_LEN: usize = IP_LEN + 8;

/// Writes a whole version 2 report, from the IPv4 header on, and returns its length. It goes to the group itself
/// (RFC 2236 section 3).
pub fn write_report_v2(
    buf: &mut [u8],
    source: Ipv4Addr,
    group: Ipv4Addr,
) -> Result<usize, EmitError> {
    write_v2(buf, source, group, REPORT_V2, group)
}

/// Writes a whole leave of version 2, from the IPv4 header on, and returns its length. It goes to all routers.
pub fn write_leave(buf: &mut [u8], source: Ipv4Addr, group: Ipv4Addr) -> Result<usize, EmitError> {
    write_v2(buf, source, Ipv4Addr::new(224, 0, 0, 2), LEAVE, group)
}

fn write_v2(
    buf: &mut [u8],
    source: Ipv4Addr,
    destination: Ipv4Addr,
    message_type: u8,
    group: Ipv4Addr,
) -> Result<usize, EmitError> {
    let buf = room(buf, V2_LEN)?;
    let igmp = around(buf, source, destination, V2_LEN as u16);
    igmp[..4].copy_from_slice(&[message_type, 0, 0, 0]);
    igmp[4..].copy_from_slice(&group.octets());
    let sum = checksum::checksum(igmp);
    igmp[2..4].copy_from_slice(&sum.to_be_bytes());
    Ok(V2_LEN)
}

/// Writes the IP header of a packet, which is as long as `buf`: TTL 1, a router alert. What comes behind it.
fn around(buf: &mut [u8], source: Ipv4Addr, destination: Ipv4Addr, total_len: u16) -> &mut [u8] {
    let payload_len = total_len - Ipv4Header::LEN as u16;
    let ip = Ipv4Header::new(source, destination, Protocol::IGMP, 1, payload_len).with_tos(0xc0);
    buf[..20].copy_from_slice(ip.as_bytes());
    // Version 4, six words of header; the checksum covers the option too.
    buf[0] = 0x46;
    buf[20..24].copy_from_slice(&[option::ROUTER_ALERT, 4, 0, 0]);
    buf[10..12].fill(0);
    let sum = checksum::checksum(&buf[..IP_LEN]);
    buf[10..12].copy_from_slice(&sum.to_be_bytes());
    &mut buf[IP_LEN..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_of_all_versions() {
        let query = |body: &[u8]| {
            let mut bytes = body.to_vec();
            let sum = checksum::checksum(&bytes);
            bytes[2..4].copy_from_slice(&sum.to_be_bytes());
            parse(&bytes)
        };
        let expected = |version, max_response_time, group| {
            Ok(Message::Query {
                max_response_time,
                group,
                version,
            })
        };
        let (all, one) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(239, 1, 2, 3));
        assert_eq!(query(&[0x11, 0, 0, 0, 0, 0, 0, 0]), expected(1, 100, all));
        assert_eq!(
            query(&[0x11, 100, 0, 0, 239, 1, 2, 3]),
            expected(2, 100, one)
        );
        assert_eq!(
            query(&[0x11, 0x8a, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0]),
            expected(3, 208, all)
        );
        assert!(
            query(&[0x11, 100, 0, 0, 10, 1, 2, 3]).is_err(),
            "not a group"
        );
        assert!(
            query(&[0x11, 100, 0, 0, 0, 0, 0, 0, 0]).is_err(),
            "between two versions"
        );
        assert_eq!(
            query(&[0x17, 0, 0, 0, 239, 1, 2, 3]),
            Ok(Message::Leave { group: one })
        );
        assert_eq!(
            query(&[0x16, 0, 0, 0, 239, 1, 2, 3]),
            Ok(Message::Report { group: one })
        );
        assert!(parse(&[0x11, 0, 0, 0, 0, 0, 0, 0]).is_err(), "checksum");
    }

    #[test]
    fn messages_of_version_2_are_whole_and_valid() {
        let (source, group) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(239, 1, 2, 3));
        let mut buf = [0xee; V2_LEN];
        assert_eq!(write_report_v2(&mut buf, source, group), Ok(V2_LEN));
        let packet = Ipv4Header::parse(&buf).unwrap();
        packet.verify_checksum().unwrap();
        assert!(packet.options.has_router_alert());
        assert_eq!(
            (packet.header.ttl(), packet.header.destination()),
            (1, group)
        );
        assert_eq!(parse(packet.payload), Ok(Message::Report { group }));
        assert_eq!(write_leave(&mut buf, source, group), Ok(V2_LEN));
        let packet = Ipv4Header::parse(&buf).unwrap();
        let all_routers = Ipv4Addr::new(224, 0, 0, 2);
        assert_eq!(packet.header.destination(), all_routers);
        assert_eq!(parse(packet.payload), Ok(Message::Leave { group }));
        assert!(write_leave(&mut buf[..V2_LEN - 1], source, group).is_err());
    }

    #[test]
    fn a_report_is_whole_and_valid() {
        let group = Ipv4Addr::new(224, 0, 0, 2);
        let records = [(RecordType::ChangeToExclude, group)];
        let mut buf = [0xee; 64];
        let len = write_report(&mut buf, Ipv4Addr::new(192, 0, 2, 1), &records).unwrap();
        let packet = Ipv4Header::parse(&buf[..len]).unwrap();
        packet.verify_checksum().unwrap();
        assert!(packet.options.has_router_alert());
        assert_eq!((packet.header.ttl(), packet.header.total_len()), (1, len));
        assert_eq!(
            parse(packet.payload),
            Ok(Message::ReportV3 { n_records: 1 })
        );
        assert_eq!(packet.payload[8..], [4, 0, 0, 0, 224, 0, 0, 2]);
        assert!(write_report(&mut buf[..len - 1], group, &records).is_err());
    }
}
