//! The traffic class of IPv6, which IPv4 calls type of service: its two fields (RFC 2474, RFC
//! 3168), and what tunnels do with them (RFC 2983, RFC 6040).
//!
//! ```text
//!  0   1   2   3   4   5   6   7
//! +---+---+---+---+---+---+---+---+
//! |         DSCP          |  ECN  |
//! +---+---+---+---+---+---+---+---+
//! ```
//!
//! VXLAN, GRE and Geneve have a header between the two IP headers; the rules of IP in IP hold for
//! them all the same (RFC 9601 section 3).

use thiserror::Error;

use crate::checksum;
use crate::error::{DecodeError, Header};
use crate::ipv4::Ipv4Header;
use crate::ipv6::Ipv6Header;

/// Explicit congestion notification (RFC 3168 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ecn {
    /// The ends do not understand ECN: congestion drops the packet.
    NotEct = 0b00,
    /// ECN-capable transport, the second codepoint.
    Ect1 = 0b01,
    /// ECN-capable transport, the usual codepoint.
    Ect0 = 0b10,
    /// Congestion experienced.
    Ce = 0b11,
}

impl Ecn {
    /// The lower two bits of a traffic class.
    pub const fn of(class: u8) -> Self {
        match class & 0b11 {
            0b00 => Ecn::NotEct,
            0b01 => Ecn::Ect1,
            0b10 => Ecn::Ect0,
            _ => Ecn::Ce,
        }
    }
}

/// A differentiated services codepoint: 6 bits (RFC 2474 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Dscp(u8);

/// A number that 6 bits cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("DSCP {0} is not one of 0 to 63")]
pub struct DscpError(pub u8);

impl Dscp {
    /// The upper six bits of a traffic class.
    pub const fn of(class: u8) -> Self {
        Dscp(class >> 2)
    }

    /// 0 to 63.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Dscp {
    type Error = DscpError;

    fn try_from(value: u8) -> Result<Self, DscpError> {
        if value > 63 {
            Err(DscpError(value))
        } else {
            Ok(Dscp(value))
        }
    }
}

/// The traffic class with these fields.
pub const fn join(dscp: Dscp, ecn: Ecn) -> u8 {
    dscp.0 << 2 | ecn as u8
}

/// How the ends of a tunnel relate the codepoints of its two headers (RFC 2983 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DscpMode {
    /// One codepoint for both: copied on entry, and copied back on exit, changed on the way or not.
    Uniform,
    /// Two codepoints: the outer one is that of the tunnel, the inner one crosses it untouched.
    Pipe(Dscp),
}

impl DscpMode {
    /// The outer codepoint on entry.
    pub const fn outer(self, inner: Dscp) -> Dscp {
        match self {
            DscpMode::Uniform => inner,
            DscpMode::Pipe(tunnel) => tunnel,
        }
    }

    /// The inner codepoint on exit.
    pub const fn inner(self, inner: Dscp, outer: Dscp) -> Dscp {
        match self {
            DscpMode::Uniform => outer,
            DscpMode::Pipe(_) => inner,
        }
    }
}

/// What a tunnel's entry writes into the outer ECN field (RFC 6040 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EcnMode {
    /// The exit is known to propagate ECN: the inner field is copied.
    Normal,
    /// The exit may not know ECN, and would lose a congestion mark: no marks are invited.
    Compatibility,
}

/// The outer ECN field on entry (RFC 6040 section 4.1, figure 3).
///
/// A frame that carries no IP packet counts as [`Ecn::NotEct`].
pub const fn encapsulate(inner: Ecn, mode: EcnMode) -> Ecn {
    match mode {
        EcnMode::Normal => inner,
        EcnMode::Compatibility => Ecn::NotEct,
    }
}

/// What becomes of a packet at a tunnel's exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decapsulated {
    /// It goes on.
    Forward {
        /// The ECN field that the inner header gets.
        ecn: Ecn,
        /// No standard makes this combination: to be counted.
        alarm: Option<Alarm>,
    },
    /// It is dropped, as congestion of a transport without ECN has to be (the outer header says CE,
    /// the inner one Not-ECT). No standard makes this combination either: the drop is to be
    /// counted under its own name.
    Drop,
}

/// How bad a combination of inner and outer ECN is that is currently unused (RFC 6040 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// `(!)` in the figure: a later standard may give it a meaning.
    PossiblyDangerous,
    /// `(!!!)` in the figure: something on the way changes what it must not.
    Dangerous,
}

/// What a tunnel's exit does for the ECN fields of the two headers (RFC 6040 section 4.2, figure
/// 4). Of a frame that carries no IP packet there is nothing to ask.
pub const fn decapsulate(inner: Ecn, outer: Ecn) -> Decapsulated {
    DECAPSULATION[inner as usize][outer as usize]
}

/// A row for each inner field, a column for each outer one, both in the order of their bits.
const DECAPSULATION: [[Decapsulated; 4]; 4] = {
    use Alarm::{Dangerous, PossiblyDangerous};
    use Ecn::{Ce, Ect0, Ect1, NotEct};
    const fn to(ecn: Ecn) -> Decapsulated {
        Decapsulated::Forward { ecn, alarm: None }
    }
    const fn odd(ecn: Ecn, alarm: Alarm) -> Decapsulated {
        let alarm = Some(alarm);
        Decapsulated::Forward { ecn, alarm }
    }
    #[rustfmt::skip]
    let table = [
        //      Not-ECT      ECT(1)                  ECT(0)                        CE
        /* Not-ECT */
        [to(NotEct), odd(NotEct, Dangerous), odd(NotEct, Dangerous),       Decapsulated::Drop],
        /* ECT(1) */
        [to(Ect1),   to(Ect1),               odd(Ect1, PossiblyDangerous), to(Ce)],
        /* ECT(0) */
        [to(Ect0),   to(Ect1),               to(Ect0),                     to(Ce)],
        /* CE */
        [to(Ce),     odd(Ce, Dangerous),     to(Ce),                       to(Ce)],
    ];
    table
};

/// The traffic class of a packet that begins with an IP header of either version.
///
/// Errors: a packet shorter than its fixed header; `version`.
pub fn read(packet: &[u8]) -> Result<u8, DecodeError> {
    let (b0, b1, is_ipv6) = first_bytes(packet)?;
    Ok(if is_ipv6 { b0 << 4 | b1 >> 4 } else { b1 })
}

/// Gives a packet that begins with an IP header another traffic class. The checksum of an IPv4
/// header is updated (RFC 1624), so that one that was wrong stays so.
///
/// Errors as of [`read`]; the packet is unchanged then.
pub fn replace(packet: &mut [u8], class: u8) -> Result<(), DecodeError> {
    let (b0, b1, is_ipv6) = first_bytes(packet)?;
    if is_ipv6 {
        packet[0] = b0 & 0xf0 | class >> 4;
        packet[1] = class << 4 | b1 & 0x0f;
    } else if class != b1 {
        let old = u16::from_be_bytes([packet[10], packet[11]]);
        let word = |class| u16::from_be_bytes([b0, class]);
        let new = checksum::update_u16(old, word(b1), word(class));
        packet[1] = class;
        packet[10..12].copy_from_slice(&new.to_be_bytes());
    }
    Ok(())
}

/// The first two bytes of an IP packet that has a whole fixed header, and whether it is IPv6.
fn first_bytes(packet: &[u8]) -> Result<(u8, u8, bool), DecodeError> {
    let version = packet.first().map_or(4, |byte| byte >> 4);
    let (header, need) = match version {
        6 => (Header::Ipv6, Ipv6Header::LEN),
        4 => (Header::Ipv4, Ipv4Header::LEN),
        other => {
            let version = u32::from(other);
            return Err(DecodeError::field(Header::Ipv4, "version", 0, version));
        }
    };
    DecodeError::need(header, need, packet.len())?;
    Ok((packet[0], packet[1], version == 6))
}

#[cfg(test)]
mod tests;
