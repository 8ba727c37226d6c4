//! Multicast listener discovery, versions 1 (RFC 2710) and 2 (RFC 3810).
//!
//! ```text
//! query 130, report 131, done 132             report of version 2, 143
//! +--------+--------+-----------------+       +--------+--------+-----------------+
//! | type   | code   | checksum        |       | type   |reserved| checksum        |
//! | max. response   | reserved        |       | reserved        | records         |
//! | group (16)                        |       | record: type, aux len, sources (2) |
//! +- version 2 queries only: ---------+       |   group (16), sources (16 each),    |
//! | S, QRV | QQIC   | sources         |       |   auxiliary data                    |
//! | source (16) each                  |       | ...                                 |
//! ```
//!
//! All are sent with hop limit 1 from a link-local address, behind a hop-by-hop router alert.

use std::net::Ipv6Addr;

use zerocopy::IntoBytes;

use crate::addr::v6;
use crate::checksum;
use crate::error::{DecodeError, EmitError, Header, room};
use crate::ext_header;
use crate::icmpv6::{self, message};
use crate::ipv6::{Ipv6Header, Protocol};
use crate::nd_option::AddressList;

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A router asks which groups are listened to.
    Query(Query<'a>),
    /// A listener of one group (version 1).
    Report {
        /// The group.
        group: Ipv6Addr,
    },
    /// A listener left a group (version 1).
    Done {
        /// The group.
        group: Ipv6Addr,
    },
    /// A listener's groups and sources (version 2).
    ReportV2(Records<'a>),
}

/// A query of either version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// Milliseconds within which to answer.
    pub max_response_delay: u32,
    /// The group asked about; unspecified for all groups.
    pub group: Ipv6Addr,
    /// What only version 2 says.
    pub v2: Option<QueryV2<'a>>,
}

/// The part of a query that version 1 does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryV2<'a> {
    /// S: routers do not reset their timers for this query.
    pub suppress: bool,
    /// QRV: the querier's robustness variable.
    pub robustness: u8,
    /// Seconds between the querier's general queries.
    pub query_interval: u32,
    /// The sources asked about; `None` for all.
    pub sources: Option<AddressList<'a>>,
}

/// What a record of a version 2 report says (RFC 3810 section 5.2.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RecordType {
    /// The listener wants these sources.
    ModeIsInclude = 1,
    /// The listener wants all but these sources.
    ModeIsExclude = 2,
    /// The listener changed to include.
    ChangeToInclude = 3,
    /// The listener changed to exclude.
    ChangeToExclude = 4,
    /// More sources are wanted.
    AllowNewSources = 5,
    /// Sources are not wanted any more.
    BlockOldSources = 6,
}

impl RecordType {
    const fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            1 => RecordType::ModeIsInclude,
            2 => RecordType::ModeIsExclude,
            3 => RecordType::ChangeToInclude,
            4 => RecordType::ChangeToExclude,
            5 => RecordType::AllowNewSources,
            6 => RecordType::BlockOldSources,
            _ => return None,
        })
    }
}

/// A record of a version 2 report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What is said; `None` for a type that is not known, which a receiver ignores.
    pub record_type: Option<RecordType>,
    /// The group spoken of.
    pub group: Ipv6Addr,
    /// The sources spoken of, if any.
    pub sources: Option<AddressList<'a>>,
}

/// The records of a version 2 report; lengths were checked when the report was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Records<'a> {
    bytes: &'a [u8],
    n_left: u16,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        if self.n_left == 0 {
            return None;
        }
        let (record, rest) = split_record(self.bytes)?;
        self.bytes = rest;
        self.n_left -= 1;
        Some(record)
    }
}

/// The first record of `bytes` and what follows; `None` when it is not whole.
fn split_record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (&[record_type, aux_words, n1, n0], rest) = bytes.split_first_chunk::<4>()?;
    let (group, rest) = rest.split_first_chunk::<16>()?;
    let n_sources = usize::from(u16::from_be_bytes([n1, n0]));
    let (sources, rest) = rest.split_at_checked(n_sources * 16)?;
    let rest = rest.get(usize::from(aux_words) * 4..)?;
    let record = Record {
        record_type: RecordType::from_u8(record_type),
        group: (*group).into(),
        sources: AddressList::from_wire(sources),
    };
    Some((record, rest))
}

/// Reads the MLD message in a packet that starts at its IPv6 header, and checks what RFC 2710
/// section 3 and RFC 3810 section 5 ask for: hop limit 1, link-local source (a report may come from
/// the unspecified address, RFC 3590), the router alert, the checksum, lengths.
pub fn parse_packet(packet: &[u8]) -> Result<Message<'_>, DecodeError> {
    const H: Header = Header::Mld;
    let (header, _) = Ipv6Header::parse(packet)?;
    let chain = ext_header::walk(packet)
        .map_err(|_| DecodeError::field(H, "header chain", 6, u32::from(header.next_header().0)))?;
    if chain.protocol != Protocol::ICMPV6 || chain.fragment.is_some() {
        return Err(DecodeError::field(
            H,
            "next header",
            6,
            u32::from(chain.protocol.0),
        ));
    }
    if header.hop_limit() != 1 {
        return Err(DecodeError::field(
            H,
            "hop limit",
            7,
            u32::from(header.hop_limit()),
        ));
    }
    if ext_header::router_alert(packet, &chain).is_none() {
        return Err(DecodeError::field(H, "router alert", Ipv6Header::LEN, 0));
    }
    let (source, destination) = (header.source(), header.destination());
    let icmp = &packet[chain.offset..Ipv6Header::LEN + header.payload_len()];
    if !checksum::is_valid_v6(&source, &destination, Protocol::ICMPV6, icmp) {
        return Err(DecodeError::Checksum { header: H });
    }
    let message = parse(icmp)?;
    let may_be_unspecified = matches!(message, Message::Report { .. } | Message::ReportV2(_));
    let source_fits =
        v6::is_link_local(source.to_bits()) || (may_be_unspecified && source.is_unspecified());
    if !source_fits {
        return Err(DecodeError::field(
            H,
            "source",
            8,
            u32::from(source.octets()[0]),
        ));
    }
    Ok(message)
}

/// Reads an MLD message that starts at the ICMPv6 header, lengths alone checked.
pub fn parse(icmp: &[u8]) -> Result<Message<'_>, DecodeError> {
    const H: Header = Header::Mld;
    DecodeError::need(H, 8, icmp.len())?;
    let message_type = icmp[0];
    if message_type == message::MLDV2_REPORT {
        let n_records = u16::from_be_bytes([icmp[6], icmp[7]]);
        let records = &icmp[8..];
        let mut rest = records;
        for _ in 0..n_records {
            let (_, after) = split_record(rest).ok_or(DecodeError::Truncated {
                header: H,
                need: icmp.len() - rest.len() + 20,
                have: icmp.len(),
            })?;
            rest = after;
        }
        return Ok(Message::ReportV2(Records {
            bytes: records,
            n_left: n_records,
        }));
    }
    if !icmpv6::is_listener_discovery(message_type) {
        return Err(DecodeError::field(H, "type", 0, u32::from(message_type)));
    }
    DecodeError::need(H, 24, icmp.len())?;
    let mut group = [0; 16];
    group.copy_from_slice(&icmp[8..24]);
    let group = Ipv6Addr::from(group);
    let is_general_query = message_type == message::MLD_QUERY && group.is_unspecified();
    if !is_general_query && !group.is_multicast() {
        return Err(DecodeError::field(
            H,
            "multicast address",
            8,
            u32::from(icmp[8]),
        ));
    }
    match message_type {
        message::MLD_REPORT => Ok(Message::Report { group }),
        message::MLD_DONE => Ok(Message::Done { group }),
        _ => Ok(Message::Query(parse_query(icmp, group)?)),
    }
}

/// The version of a query is told by its length (RFC 3810 section 8.1).
fn parse_query(icmp: &[u8], group: Ipv6Addr) -> Result<Query<'_>, DecodeError> {
    let code = u16::from_be_bytes([icmp[4], icmp[5]]);
    if icmp.len() == 24 {
        return Ok(Query {
            max_response_delay: u32::from(code),
            group,
            v2: None,
        });
    }
    DecodeError::need(Header::Mld, 28, icmp.len())?;
    let n_sources = usize::from(u16::from_be_bytes([icmp[26], icmp[27]]));
    let need = 28 + n_sources * 16;
    DecodeError::need(Header::Mld, need, icmp.len())?;
    let v2 = QueryV2 {
        suppress: icmp[24] & 8 != 0,
        robustness: icmp[24] & 7,
        query_interval: expand(u32::from(icmp[25]), 4),
        sources: AddressList::from_wire(&icmp[28..need]),
    };
    Ok(Query {
        max_response_delay: expand(u32::from(code), 12),
        group,
        v2: Some(v2),
    })
}

/// The value of a code whose upper half is a floating point number (RFC 3810 sections 5.1.3 and
/// 5.1.9): one bit set, three of exponent, `mantissa_bits` of mantissa.
fn expand(code: u32, mantissa_bits: u32) -> u32 {
    let float = 1 << (mantissa_bits + 3);
    if code < float {
        return code;
    }
    let mantissa = code & ((1 << mantissa_bits) - 1) | 1 << mantissa_bits;
    let exponent = (code >> mantissa_bits) & 7;
    mantissa << (exponent + 3)
}

/// The hop-by-hop header of every MLD packet: router alert for MLD, then two bytes of padding.
const ROUTER_ALERT_HEADER: [u8; 8] = [
    Protocol::ICMPV6.0,
    0,
    ext_header::option::ROUTER_ALERT,
    2,
    0,
    0,
    1,
    0,
];

/// Bytes of a packet that [`write_report`] writes for so many records.
pub const fn report_len(n_records: usize) -> usize {
    Ipv6Header::LEN + ROUTER_ALERT_HEADER.len() + 8 + 20 * n_records
}

/// Writes a whole version 2 report, from the IPv6 header on, and returns its length.
///
/// The records have no sources: "change to exclude none" joins a group, "change to include none"
/// leaves it. `source` is link-local, or unspecified while that address is tentative.
pub fn write_report(
    buf: &mut [u8],
    source: &Ipv6Addr,
    records: &[(RecordType, Ipv6Addr)],
) -> Result<usize, EmitError> {
    let len = report_len(records.len());
    let field = u16::try_from(len - Ipv6Header::LEN).map_err(|_| EmitError::Value {
        field: "record count",
        value: records.len() as u64,
    })?;
    let buf = room(buf, len)?;
    let destination = Ipv6Addr::from_bits(v6::ALL_MLDV2_ROUTERS);
    let icmp = write_headers(buf, source, &destination, field);
    icmp[..6].copy_from_slice(&[message::MLDV2_REPORT, 0, 0, 0, 0, 0]);
    icmp[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
    for (slot, (record_type, group)) in icmp[8..].chunks_exact_mut(20).zip(records) {
        slot[..4].copy_from_slice(&[*record_type as u8, 0, 0, 0]);
        slot[4..].copy_from_slice(&group.octets());
    }
    icmpv6::fill_checksum(source, &destination, icmp);
    Ok(len)
}

/// Bytes of a packet that [`write_report_v1`] or [`write_done`] writes.
pub const V1_LEN: usize = Ipv6Header::LEN + ROUTER_ALERT_HEADER.len() + 24;

/// Writes a whole version 1 report, from the IPv6 header on, and returns its length. It goes to the
/// group itself; `source` is as in [`write_report`].
pub fn write_report_v1(
    buf: &mut [u8],
    source: &Ipv6Addr,
    group: &Ipv6Addr,
) -> Result<usize, EmitError> {
    write_v1(buf, source, group, message::MLD_REPORT, group)
}

/// Writes a whole done message (version 1), from the IPv6 header on, and returns its length. It goes
/// to all routers; `source` is link-local.
pub fn write_done(buf: &mut [u8], source: &Ipv6Addr, group: &Ipv6Addr) -> Result<usize, EmitError> {
    let destination = Ipv6Addr::from_bits(v6::ALL_ROUTERS);
    write_v1(buf, source, &destination, message::MLD_DONE, group)
}

fn write_v1(
    buf: &mut [u8],
    source: &Ipv6Addr,
    destination: &Ipv6Addr,
    message_type: u8,
    group: &Ipv6Addr,
) -> Result<usize, EmitError> {
    let buf = room(buf, V1_LEN)?;
    let icmp = write_headers(buf, source, destination, (V1_LEN - Ipv6Header::LEN) as u16);
    icmp[..8].copy_from_slice(&[message_type, 0, 0, 0, 0, 0, 0, 0]);
    icmp[8..24].copy_from_slice(&group.octets());
    icmpv6::fill_checksum(source, destination, icmp);
    Ok(V1_LEN)
}

/// Writes the IPv6 header and the router alert; returns what is left for the message.
fn write_headers<'b>(
    buf: &'b mut [u8],
    source: &Ipv6Addr,
    destination: &Ipv6Addr,
    payload_len: u16,
) -> &'b mut [u8] {
    let ip = Ipv6Header::new(source, destination, Protocol::HOP_BY_HOP, 1, payload_len);
    buf[..40].copy_from_slice(ip.as_bytes());
    buf[40..48].copy_from_slice(&ROUTER_ALERT_HEADER);
    &mut buf[48..]
}

#[cfg(test)]
mod tests;
