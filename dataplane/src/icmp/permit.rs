//! May this packet be answered by an ICMP error at all?
//!
//! The rules keep errors from breeding errors and from being reflected at a crowd: RFC 4443 section 2.4(e) and
//! RFC 1812 section 4.3.2.7. A broken packet that cannot be judged is not answered.

use super::{Cause, PROTOCOL_ICMP, PROTOCOL_ICMPV6, V6_REDIRECT};

/// Why no error is sent about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Silence {
    /// Too short or broken to be judged.
    Malformed,
    /// It is an ICMP error or a redirect itself.
    AboutError,
    /// Its destination is a multicast or broadcast address.
    GroupDestination,
    /// It came as a link-layer multicast or broadcast.
    LinkGroup,
    /// Its source does not name a single node.
    Source,
    /// It is a fragment other than the first (IPv4).
    LaterFragment,
    /// This family has no message for the cause.
    NoMessage,
}

/// What the link and the interface know about a packet beyond its own bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The destination MAC had the group bit set.
    pub link_group: bool,
    /// The IPv4 destination is the directed broadcast of a connected prefix.
    pub directed_broadcast: bool,
    /// The source is one of our anycast addresses or a directed broadcast: not a single node.
    pub source_not_unique: bool,
}

/// Offset of the upper-layer header and its protocol, as far as the bytes at hand show it.
///
/// `None` when a header is cut off. A fragment other than the first yields the protocol 44: what follows is data.
fn upper_v6(packet: &[u8]) -> Option<(u8, usize)> {
    let mut next = *packet.get(6)?;
    let mut at = 40;
    loop {
        let head = packet.get(at..at + 8);
        match next {
            // Hop-by-hop, routing, destination options, mobility, HIP, shim6: length in units of 8 bytes.
            0 | 43 | 60 | 135 | 139 | 140 => {
                let head = head?;
                next = head[0];
                at += (usize::from(head[1]) + 1) * 8;
            }
            44 => {
                let head = head?;
                if u16::from_be_bytes([head[2], head[3]]) & 0xfff8 != 0 {
                    return Some((44, at));
                }
                next = head[0];
                at += 8;
            }
            // Authentication header: length in units of 4 bytes, less two.
            51 => {
                let head = head?;
                next = head[0];
                at += (usize::from(head[1]) + 2) * 4;
            }
            _ => return Some((next, at)),
        }
    }
}

/// RFC 4443 section 2.4(e): whether an ICMPv6 error about `packet` (from the IPv6 header on) may be sent.
pub fn v6(packet: &[u8], cause: Cause, arrival: Arrival) -> Result<(), Silence> {
    if packet.len() < 40 {
        return Err(Silence::Malformed);
    }
    // (e.6) The source must name a single node.
    let source = &packet[8..24];
    let unspecified_or_loopback = source[..15] == [0; 15] && source[15] <= 1;
    if source[0] == 0xff || unspecified_or_loopback || arrival.source_not_unique {
        return Err(Silence::Source);
    }
    // (e.3) to (e.5): two errors may answer a group, so that path MTU discovery works for multicast and a host can
    // report options it does not know.
    let group_allowed = matches!(
        cause,
        Cause::TooBig { .. }
            | Cause::Option {
                even_multicast: true,
                ..
            }
    );
    if !group_allowed {
        if packet[24] == 0xff {
            return Err(Silence::GroupDestination);
        }
        if arrival.link_group {
            return Err(Silence::LinkGroup);
        }
    }
    // (e.1) and (e.2): types below 128 are errors.
    match upper_v6(packet) {
        Some((PROTOCOL_ICMPV6, at)) => match packet.get(at) {
            Some(&kind) if kind >= 128 && kind != V6_REDIRECT => Ok(()),
            Some(_) => Err(Silence::AboutError),
            None => Err(Silence::Malformed),
        },
        Some(_) => Ok(()),
        // RFC 7112 asks for an answer to exactly the packets whose chain ends too early, and a field in an
        // extension header may be at fault before the chain's end is known.
        None if matches!(
            cause,
            Cause::HeaderChain | Cause::Field { .. } | Cause::Option { .. }
        ) =>
        {
            Ok(())
        }
        None => Err(Silence::Malformed),
    }
}

/// ICMP types that are queries or answers (RFC 792, 950, 1256); every other type counts as an error.
const fn is_v4_query(kind: u8) -> bool {
    matches!(kind, 0 | 8..=10 | 13..=18)
}

/// RFC 1812 section 4.3.2.7: whether an ICMP error about `packet` (from the IPv4 header on) may be sent.
pub fn v4(packet: &[u8], cause: Cause, arrival: Arrival) -> Result<(), Silence> {
    let header_len = match packet.first() {
        Some(first) => usize::from(first & 0x0f) * 4,
        None => return Err(Silence::Malformed),
    };
    if header_len < 20 || packet.len() < header_len {
        return Err(Silence::Malformed);
    }
    if cause.v4().is_none() {
        return Err(Silence::NoMessage);
    }
    // "This" network, loopback, multicast, reserved and limited broadcast name no single node.
    if matches!(packet[12], 0 | 127 | 224..=255) || arrival.source_not_unique {
        return Err(Silence::Source);
    }
    if packet[16] >= 224 || arrival.directed_broadcast {
        return Err(Silence::GroupDestination);
    }
    if arrival.link_group {
        return Err(Silence::LinkGroup);
    }
    if u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff != 0 {
        return Err(Silence::LaterFragment);
    }
    if packet[9] == PROTOCOL_ICMP {
        match packet.get(header_len) {
            Some(&kind) if is_v4_query(kind) => {}
            Some(_) => return Err(Silence::AboutError),
            None => return Err(Silence::Malformed),
        }
    }
    Ok(())
}
