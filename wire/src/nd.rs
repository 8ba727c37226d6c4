//! Neighbour discovery messages (RFC 4861 section 4): checked on receipt, written whole.
//!
//! ```text
//!  type, code 0, checksum | 32 bits                       | then, before the options
//!  133  RS                | reserved                      |
//!  134  RA                | hop limit, MOH Prf P, lifetime| reachable (4), retrans (4)
//!  135  NS                | reserved                      | target (16)
//!  136  NA                | R S O                         | target (16)
//!  137  redirect          | reserved                      | target (16), destination (16)
//! ```
//!
//! [`parse`] applies the validity rules of RFC 4861 sections 6.1, 7.1 and 8.1, each a variant of
//! [`NdError`] so that each is counted apart. One rule is left to the receiver, who alone knows:
//! that a redirect comes from the current first hop.

use std::net::Ipv6Addr;

use thiserror::Error;
use zerocopy::IntoBytes;

use crate::addr::v6;
use crate::checksum;
use crate::error::{EmitError, room};
use crate::ext_header;
use crate::icmpv6::{self, message};
use crate::ipv6::{Ipv6Header, Protocol};
use crate::nd_option::{NdOption, OptionError, Options, Preference, kind};

/// The hop limit of every ND packet: one that crossed a router has less (RFC 4861 section 3.1).
pub const HOP_LIMIT: u8 = 255;

/// The fixed part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// A host asks for advertisements.
    RouterSolicitation,
    /// A router says what it is and what hosts shall do.
    RouterAdvertisement(RouterAdvertisement),
    /// A node asks for the link-layer address of a target, or whether it is still there.
    NeighborSolicitation {
        /// The address asked for.
        target: Ipv6Addr,
    },
    /// A node says its link-layer address.
    NeighborAdvertisement(NeighborAdvertisement),
    /// A router knows a better first hop.
    Redirect {
        /// The better first hop, or the destination itself when it is on the link.
        target: Ipv6Addr,
        /// Where the packets go.
        destination: Ipv6Addr,
    },
}

/// A router advertisement (RFC 4861 section 4.2), without its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouterAdvertisement {
    /// The hop limit hosts should use; 0: unspecified.
    pub cur_hop_limit: u8,
    /// M: addresses are to be had by DHCPv6.
    pub managed: bool,
    /// O: other configuration is to be had by DHCPv6.
    pub other_config: bool,
    /// H: the router is a home agent (RFC 6275 section 7.1).
    pub home_agent: bool,
    /// Prf: how much to prefer this router (RFC 4191 section 2.2); the reserved value reads as
    /// medium.
    pub preference: Preference,
    /// P: the advertisement was proxied (RFC 4389 section 4.1.3.3).
    pub proxy: bool,
    /// Seconds for which the router is a default router; 0: it is not.
    pub router_lifetime: u16,
    /// Milliseconds for which a neighbour counts as reachable; 0: unspecified.
    pub reachable_time: u32,
    /// Milliseconds between solicitations; 0: unspecified.
    pub retrans_timer: u32,
}

/// A neighbour advertisement (RFC 4861 section 4.4), without its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeighborAdvertisement {
    /// R: the sender is a router.
    pub router: bool,
    /// S: the answer to a solicitation.
    pub solicited: bool,
    /// O: replaces the link-layer address that the receiver has.
    pub override_flag: bool,
    /// The address spoken of.
    pub target: Ipv6Addr,
}

/// What the IPv6 header around a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Who sent the packet.
    pub source: Ipv6Addr,
    /// Where it went.
    pub destination: Ipv6Addr,
    /// Must be 255.
    pub hop_limit: u8,
}

impl From<&Ipv6Header> for Envelope {
    fn from(header: &Ipv6Header) -> Self {
        Envelope {
            source: header.source(),
            destination: header.destination(),
            hop_limit: header.hop_limit(),
        }
    }
}

/// A valid message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// What the IPv6 header said.
    pub envelope: Envelope,
    /// The fixed part.
    pub message: Message,
    /// The options, whose lengths hold.
    pub options: Options<'a>,
}

/// Why a message is not valid. Each variant is one rule; [`NdError::class`] names it for counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum NdError {
    /// Not an IPv6 packet whose header chain leads to ICMPv6.
    #[error("not an ICMPv6 packet")]
    NotIcmpv6,
    /// Not one of the five ND types.
    #[error("ICMPv6 type {0} is not neighbour discovery")]
    NotNd(u8),
    /// Sent in fragments (RFC 6980 section 5).
    #[error("neighbour discovery in a fragment")]
    Fragmented,
    /// The hop limit is not 255: the packet crossed a router.
    #[error("hop limit {0} instead of 255")]
    HopLimit(u8),
    /// The ICMPv6 checksum is wrong.
    #[error("checksum is wrong")]
    Checksum,
    /// The code is not 0.
    #[error("code {0} instead of 0")]
    Code(u8),
    /// Shorter than the fixed part of its type.
    #[error("{have} bytes where {need} are needed")]
    Length {
        /// Bytes the fixed part has.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// An option of length zero.
    #[error("option at byte {at} has length zero")]
    ZeroLengthOption {
        /// Its place, from the start of the options.
        at: usize,
    },
    /// An option that ends after the message.
    #[error("option at byte {at} is longer than the message")]
    TruncatedOption {
        /// Its place, from the start of the options.
        at: usize,
    },
    /// The target is a multicast address.
    #[error("target is multicast")]
    TargetMulticast,
    /// From the unspecified address, yet with a source link-layer address.
    #[error("unspecified source with a source link-layer address")]
    UnspecifiedSourceWithLinkLayer,
    /// A solicitation from the unspecified address (DAD) that went elsewhere than to a
    /// solicited-node group.
    #[error("unspecified source and not to a solicited-node group")]
    UnspecifiedSourceNotSolicitedNode,
    /// The source is multicast.
    #[error("source is multicast")]
    SourceMulticast,
    /// A solicited advertisement to a group.
    #[error("solicited advertisement to a group")]
    SolicitedToMulticast,
    /// An advertisement by a router or a redirect whose source is not link-local.
    #[error("source is not link-local")]
    SourceNotLinkLocal,
    /// A redirect of a multicast destination.
    #[error("redirect of a multicast destination")]
    DestinationMulticast,
    /// A redirect whose target is neither link-local nor the destination.
    #[error("target is neither link-local nor the destination")]
    TargetNotRouter,
}

impl NdError {
    /// The rule's name in counters.
    pub const fn class(&self) -> &'static str {
        match self {
            NdError::NotIcmpv6 => "not_icmpv6",
            NdError::NotNd(_) => "not_nd",
            NdError::Fragmented => "fragmented",
            NdError::HopLimit(_) => "hop_limit",
            NdError::Checksum => "checksum",
            NdError::Code(_) => "code",
            NdError::Length { .. } => "length",
            NdError::ZeroLengthOption { .. } => "zero_length_option",
            NdError::TruncatedOption { .. } => "truncated_option",
            NdError::TargetMulticast => "target_multicast",
            NdError::UnspecifiedSourceWithLinkLayer => "unspecified_source_with_link_layer",
            NdError::UnspecifiedSourceNotSolicitedNode => "unspecified_source_not_solicited_node",
            NdError::SourceMulticast => "source_multicast",
            NdError::SolicitedToMulticast => "solicited_to_multicast",
            NdError::SourceNotLinkLocal => "source_not_link_local",
            NdError::DestinationMulticast => "destination_multicast",
            NdError::TargetNotRouter => "target_not_router",
        }
    }
}

impl From<OptionError> for NdError {
    fn from(error: OptionError) -> Self {
        match error {
            OptionError::ZeroLength { at } => NdError::ZeroLengthOption { at },
            OptionError::Truncated { at }
            | OptionError::BadLength { at, .. }
            | OptionError::BadValue { at, .. } => NdError::TruncatedOption { at },
        }
    }
}

/// Reads and checks the ND message in a packet that starts at its IPv6 header.
pub fn parse_packet(packet: &[u8]) -> Result<Received<'_>, NdError> {
    let (header, _) = Ipv6Header::parse(packet).map_err(|_| NdError::NotIcmpv6)?;
    let chain = ext_header::walk(packet).map_err(|_| NdError::NotIcmpv6)?;
    if chain.protocol != Protocol::ICMPV6 {
        return Err(NdError::NotIcmpv6);
    }
    if chain.fragment.is_some() {
        return Err(NdError::Fragmented);
    }
    let end = Ipv6Header::LEN + header.payload_len();
    parse(Envelope::from(header), &packet[chain.offset..end])
}

/// Reads and checks the ND message `icmp`, which starts at the ICMPv6 header and ends with the
/// packet.
pub fn parse(envelope: Envelope, icmp: &[u8]) -> Result<Received<'_>, NdError> {
    let need = |need| {
        let have = icmp.len();
        if have < need {
            Err(NdError::Length { need, have })
        } else {
            Ok(())
        }
    };
    need(8)?;
    let (message_type, code) = (icmp[0], icmp[1]);
    let fixed_len = match message_type {
        message::ROUTER_SOLICITATION => 8,
        message::ROUTER_ADVERTISEMENT => 16,
        message::NEIGHBOR_SOLICITATION | message::NEIGHBOR_ADVERTISEMENT => 24,
        message::REDIRECT => 40,
        other => return Err(NdError::NotNd(other)),
    };
    // The rules common to all five. The hop limit comes first: it costs nothing and keeps strangers
    // off.
    if envelope.hop_limit != HOP_LIMIT {
        return Err(NdError::HopLimit(envelope.hop_limit));
    }
    if !checksum::is_valid_v6(
        &envelope.source,
        &envelope.destination,
        Protocol::ICMPV6,
        icmp,
    ) {
        return Err(NdError::Checksum);
    }
    if code != 0 {
        return Err(NdError::Code(code));
    }
    need(fixed_len)?;
    if envelope.source.is_multicast() {
        return Err(NdError::SourceMulticast);
    }
    let options = Options::new(&icmp[fixed_len..]);
    options.check()?;

    let message = match message_type {
        message::ROUTER_SOLICITATION => Message::RouterSolicitation,
        message::ROUTER_ADVERTISEMENT => Message::RouterAdvertisement(read_advertisement(icmp)),
        message::NEIGHBOR_SOLICITATION => Message::NeighborSolicitation {
            target: read_address(&icmp[8..]),
        },
        message::NEIGHBOR_ADVERTISEMENT => Message::NeighborAdvertisement(NeighborAdvertisement {
            router: icmp[4] & 0x80 != 0,
            solicited: icmp[4] & 0x40 != 0,
            override_flag: icmp[4] & 0x20 != 0,
            target: read_address(&icmp[8..]),
        }),
        _ => Message::Redirect {
            target: read_address(&icmp[8..]),
            destination: read_address(&icmp[24..]),
        },
    };
    check(&envelope, &message, &options)?;
    Ok(Received {
        envelope,
        message,
        options,
    })
}

/// The rules of one type each (RFC 4861 sections 6.1.1, 6.1.2, 7.1.1, 7.1.2, 8.1).
fn check(envelope: &Envelope, message: &Message, options: &Options<'_>) -> Result<(), NdError> {
    let from_unspecified = envelope.source.is_unspecified();
    let link_local = |address: &Ipv6Addr| v6::is_link_local(address.to_bits());
    match message {
        Message::RouterSolicitation => {
            if from_unspecified && options.has(kind::SOURCE_LINK_LAYER) {
                return Err(NdError::UnspecifiedSourceWithLinkLayer);
            }
        }
        Message::RouterAdvertisement(_) => {
            if !link_local(&envelope.source) {
                return Err(NdError::SourceNotLinkLocal);
            }
        }
        Message::NeighborSolicitation { target } => {
            if target.is_multicast() {
                return Err(NdError::TargetMulticast);
            }
            if from_unspecified {
                if !v6::is_solicited_node(envelope.destination.to_bits()) {
                    return Err(NdError::UnspecifiedSourceNotSolicitedNode);
                }
                if options.has(kind::SOURCE_LINK_LAYER) {
                    return Err(NdError::UnspecifiedSourceWithLinkLayer);
                }
            }
        }
        Message::NeighborAdvertisement(advertisement) => {
            if advertisement.target.is_multicast() {
                return Err(NdError::TargetMulticast);
            }
            if envelope.destination.is_multicast() && advertisement.solicited {
                return Err(NdError::SolicitedToMulticast);
            }
        }
        Message::Redirect {
            target,
            destination,
        } => {
            if !link_local(&envelope.source) {
                return Err(NdError::SourceNotLinkLocal);
            }
            if destination.is_multicast() {
                return Err(NdError::DestinationMulticast);
            }
            if !link_local(target) && target != destination {
                return Err(NdError::TargetNotRouter);
            }
        }
    }
    Ok(())
}

/// The first 16 bytes as an address; the caller has checked that they are there.
fn read_address(bytes: &[u8]) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&bytes[..16]);
    octets.into()
}

fn read_advertisement(icmp: &[u8]) -> RouterAdvertisement {
    let word = |at: usize| u32::from_be_bytes([icmp[at], icmp[at + 1], icmp[at + 2], icmp[at + 3]]);
    let flags = icmp[5];
    RouterAdvertisement {
        cur_hop_limit: icmp[4],
        managed: flags & 0x80 != 0,
        other_config: flags & 0x40 != 0,
        home_agent: flags & 0x20 != 0,
        preference: Preference::from_bits(flags >> 3).unwrap_or_default(),
        proxy: flags & 0x04 != 0,
        router_lifetime: u16::from_be_bytes([icmp[6], icmp[7]]),
        reachable_time: word(8),
        retrans_timer: word(12),
    }
}

impl Message {
    /// The ICMPv6 type.
    pub const fn message_type(&self) -> u8 {
        match self {
            Message::RouterSolicitation => message::ROUTER_SOLICITATION,
            Message::RouterAdvertisement(_) => message::ROUTER_ADVERTISEMENT,
            Message::NeighborSolicitation { .. } => message::NEIGHBOR_SOLICITATION,
            Message::NeighborAdvertisement(_) => message::NEIGHBOR_ADVERTISEMENT,
            Message::Redirect { .. } => message::REDIRECT,
        }
    }

    /// Bytes before the options, ICMPv6 header included.
    pub const fn fixed_len(&self) -> usize {
        match self {
            Message::RouterSolicitation => 8,
            Message::RouterAdvertisement(_) => 16,
            Message::NeighborSolicitation { .. } | Message::NeighborAdvertisement(_) => 24,
            Message::Redirect { .. } => 40,
        }
    }

    /// Fills the bytes after the ICMPv6 header up to the options; `icmp` is zero before.
    fn fill(&self, icmp: &mut [u8]) {
        match self {
            Message::RouterSolicitation => {}
            Message::RouterAdvertisement(ra) => {
                icmp[4] = ra.cur_hop_limit;
                icmp[5] = (ra.managed as u8) << 7
                    | (ra.other_config as u8) << 6
                    | (ra.home_agent as u8) << 5
                    | ra.preference.to_bits() << 3
                    | (ra.proxy as u8) << 2;
                icmp[6..8].copy_from_slice(&ra.router_lifetime.to_be_bytes());
                icmp[8..12].copy_from_slice(&ra.reachable_time.to_be_bytes());
                icmp[12..16].copy_from_slice(&ra.retrans_timer.to_be_bytes());
            }
            Message::NeighborSolicitation { target } => {
                icmp[8..24].copy_from_slice(&target.octets());
            }
            Message::NeighborAdvertisement(na) => {
                icmp[4] = (na.router as u8) << 7
                    | (na.solicited as u8) << 6
                    | (na.override_flag as u8) << 5;
                icmp[8..24].copy_from_slice(&na.target.octets());
            }
            Message::Redirect {
                target,
                destination,
            } => {
                icmp[8..24].copy_from_slice(&target.octets());
                icmp[24..40].copy_from_slice(&destination.octets());
            }
        }
    }
}

/// Writes a whole packet at the start of `buf`, from the IPv6 header on, hop limit 255, and returns
/// its length.
///
/// Room for every packet that fits an MTU is [`packet_len`]. The rules of [`parse`] are the
/// caller's to keep.
pub fn write(
    buf: &mut [u8],
    source: &Ipv6Addr,
    destination: &Ipv6Addr,
    message: &Message,
    options: &[NdOption<'_>],
) -> Result<usize, EmitError> {
    let len = packet_len(message, options);
    let payload_len = len - Ipv6Header::LEN;
    let field = u16::try_from(payload_len).map_err(|_| EmitError::Value {
        field: "payload length",
        value: payload_len as u64,
    })?;
    let buf = room(buf, len)?;
    let (ip, icmp) = buf.split_at_mut(Ipv6Header::LEN);
    let header = Ipv6Header::new(source, destination, Protocol::ICMPV6, HOP_LIMIT, field);
    ip.copy_from_slice(header.as_bytes());
    let mut at = message.fixed_len();
    icmp[..at].fill(0);
    icmp[0] = message.message_type();
    message.fill(icmp);
    for option in options {
        at += option.write(&mut icmp[at..])?;
    }
    icmpv6::fill_checksum(source, destination, icmp);
    Ok(len)
}

/// Bytes that [`write()`] writes.
pub fn packet_len(message: &Message, options: &[NdOption<'_>]) -> usize {
    let options_len: usize = options.iter().map(NdOption::encoded_len).sum();
    Ipv6Header::LEN + message.fixed_len() + options_len
}

#[cfg(test)]
mod tests;
