//! Neighbour discovery options (RFC 4861 section 4.6 and the RFCs named at each kind).
//!
//! ```text
//! +---------------+---------------+
//! |     type      | length in 8s  |  ... data, padded to a multiple of 8
//! +---------------+---------------+
//! ```
//!
//! [`Options`] walks them in place. A length of zero, or one beyond the packet, makes the whole
//! message invalid (RFC 4861 section 6.1) and ends the walk; an option whose content is wrong is an
//! error of its own, which a receiver ignores with the option. Kinds unknown here are kept.

use std::net::Ipv6Addr;

use thiserror::Error;

use crate::addr::v6;
use crate::ether::MacAddr;

mod emit;
mod list;

pub use list::{AddressList, DomainList, DomainName};

/// Option types (IANA "IPv6 neighbor discovery option formats").
pub mod kind {
    /// Source link-layer address.
    pub const SOURCE_LINK_LAYER: u8 = 1;
    /// Target link-layer address.
    pub const TARGET_LINK_LAYER: u8 = 2;
    /// Prefix information.
    pub const PREFIX_INFORMATION: u8 = 3;
    /// Redirected header.
    pub const REDIRECTED_HEADER: u8 = 4;
    /// MTU.
    pub const MTU: u8 = 5;
    /// Nonce (RFC 3971).
    pub const NONCE: u8 = 14;
    /// Route information (RFC 4191).
    pub const ROUTE_INFORMATION: u8 = 24;
    /// Recursive DNS servers (RFC 8106).
    pub const RDNSS: u8 = 25;
    /// More flags of router advertisements (RFC 5175).
    pub const RA_FLAGS: u8 = 26;
    /// DNS search list (RFC 8106).
    pub const DNSSL: u8 = 31;
    /// Captive portal (RFC 8910).
    pub const CAPTIVE_PORTAL: u8 = 37;
    /// The NAT64 prefix (RFC 8781).
    pub const PREF64: u8 = 38;
}

/// An option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NdOption<'a> {
    /// The sender's address on the link.
    SourceLinkLayer(MacAddr),
    /// The target's address on the link.
    TargetLinkLayer(MacAddr),
    /// A prefix of the link.
    PrefixInformation(PrefixInformation),
    /// The packet that was redirected, as much as was quoted.
    RedirectedHeader(&'a [u8]),
    /// The MTU that all nodes of the link should use.
    Mtu(u32),
    /// Ties an advertisement to a solicitation (RFC 3971 section 5.3.2); loop detection in RFC
    /// 7527.
    Nonce(&'a [u8]),
    /// A route through the sender (RFC 4191 section 2.3).
    RouteInformation(RouteInformation),
    /// Recursive DNS servers (RFC 8106 section 5.1).
    Rdnss {
        /// Seconds; [`INFINITE_LIFETIME`] for ever, 0 no more.
        lifetime: u32,
        /// At least one.
        servers: AddressList<'a>,
    },
    /// DNS search list (RFC 8106 section 5.2).
    Dnssl {
        /// Seconds; [`INFINITE_LIFETIME`] for ever, 0 no more.
        lifetime: u32,
        /// At least one.
        domains: DomainList<'a>,
    },
    /// The NAT64 prefix (RFC 8781 section 4).
    Pref64(Pref64),
    /// The URI of the captive portal's API (RFC 8910 section 2.3).
    CaptivePortal(&'a str),
    /// Bits 8 to 55 of the flags of a router advertisement (RFC 5175 section 4), none of them
    /// assigned.
    RaFlags([u8; 6]),
    /// A kind that is not known here.
    Unknown {
        /// Option type.
        kind: u8,
        /// All bytes after type and length, padding included.
        data: &'a [u8],
    },
}

/// A lifetime that never ends, in seconds.
pub const INFINITE_LIFETIME: u32 = u32::MAX;

/// A prefix information option (RFC 4861 section 4.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixInformation {
    /// Leading bits of `prefix` that count, 0 to 128.
    pub prefix_len: u8,
    /// L: addresses of the prefix are on the link.
    pub on_link: bool,
    /// A: hosts may make addresses of the prefix (RFC 4862).
    pub autonomous: bool,
    /// R: `prefix` is the router's whole address (RFC 6275 section 7.2).
    pub router_address: bool,
    /// P: hosts may ask for a prefix of their own by DHCPv6 (RFC 9762).
    pub dhcpv6_pd_preferred: bool,
    /// Seconds; [`INFINITE_LIFETIME`] for ever.
    pub valid_lifetime: u32,
    /// Seconds; [`INFINITE_LIFETIME`] for ever.
    pub preferred_lifetime: u32,
    /// The prefix; the bits after `prefix_len` are as received.
    pub prefix: Ipv6Addr,
}

/// A route information option (RFC 4191 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteInformation {
    /// Leading bits of `prefix` that count, 0 to 128.
    pub prefix_len: u8,
    /// Whether to prefer this router.
    pub preference: Preference,
    /// Seconds; [`INFINITE_LIFETIME`] for ever, 0 no more.
    pub lifetime: u32,
    /// The destination; bits after `prefix_len` are zero (a sender's are cleared).
    pub prefix: Ipv6Addr,
}

/// How much a router or route is preferred (RFC 4191 section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Preference {
    /// 01
    High,
    /// 00
    #[default]
    Medium,
    /// 11
    Low,
}

impl Preference {
    /// From the two bits on the wire; `None` for the reserved value 10.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits & 3 {
            0b01 => Some(Preference::High),
            0b00 => Some(Preference::Medium),
            0b11 => Some(Preference::Low),
            _ => None,
        }
    }

    /// The two bits on the wire.
    pub const fn to_bits(self) -> u8 {
        match self {
            Preference::High => 0b01,
            Preference::Medium => 0b00,
            Preference::Low => 0b11,
        }
    }
}

/// A NAT64 prefix (RFC 8781 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pref64 {
    /// Seconds, a multiple of 8 up to [`Pref64::MAX_LIFETIME`] (sent divided by 8, rounded up).
    pub lifetime: u16,
    /// 32, 40, 48, 56, 64 or 96.
    pub prefix_len: u8,
    /// The prefix; bits after `prefix_len` are zero (a sender's are cleared).
    pub prefix: Ipv6Addr,
}

impl Pref64 {
    /// The longest lifetime the 13 bits hold, in seconds.
    pub const MAX_LIFETIME: u16 = 65528;
    /// Prefix lengths by prefix length code.
    const LENGTHS: [u8; 6] = [96, 64, 56, 48, 40, 32];
}

/// Why an option cannot be read. Offsets count from the start of the options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum OptionError {
    /// An option of length zero: the message is invalid (RFC 4861 section 4.6).
    #[error("option at byte {at} has length zero")]
    ZeroLength {
        /// Where the option starts.
        at: usize,
    },
    /// An option longer than what is left of the message: the message is invalid.
    #[error("option at byte {at} is longer than the message")]
    Truncated {
        /// Where the option starts.
        at: usize,
    },
    /// A known option of a length it cannot have: the option is ignored.
    #[error("option {kind} at byte {at} cannot be {len} bytes long")]
    BadLength {
        /// Where the option starts.
        at: usize,
        /// Option type.
        kind: u8,
        /// Its length in bytes.
        len: usize,
    },
    /// A known option with a value it cannot have: the option is ignored.
    #[error("option {kind} at byte {at}: {field} is wrong")]
    BadValue {
        /// Where the option starts.
        at: usize,
        /// Option type.
        kind: u8,
        /// The name the RFC gives the field.
        field: &'static str,
    },
}

impl OptionError {
    /// Whether the whole message is invalid, not only the option.
    pub const fn is_fatal(self) -> bool {
        matches!(
            self,
            OptionError::ZeroLength { .. } | OptionError::Truncated { .. }
        )
    }
}

/// The options of a message, in order. The iterator ends after a fatal error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Options<'a> {
    /// The options in `bytes`, which follow the fixed part of a message.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Options { bytes, at: 0 }
    }

    /// Whether every length fits: the check that makes a message valid.
    pub fn check(&self) -> Result<(), OptionError> {
        let mut walk = *self;
        while let Some(option) = walk.next_raw() {
            option?;
        }
        Ok(())
    }

    /// The options that can be read, faulty ones left out, as a receiver acts on them.
    pub fn readable(&self) -> impl Iterator<Item = NdOption<'a>> + use<'a> {
        self.flatten()
    }

    /// The first source link-layer address.
    pub fn source_link_layer(&self) -> Option<MacAddr> {
        self.readable().find_map(|o| match o {
            NdOption::SourceLinkLayer(mac) => Some(mac),
            _ => None,
        })
    }

    /// The first target link-layer address.
    pub fn target_link_layer(&self) -> Option<MacAddr> {
        self.readable().find_map(|o| match o {
            NdOption::TargetLinkLayer(mac) => Some(mac),
            _ => None,
        })
    }

    /// Whether an option of this type is there, readable or not.
    pub fn has(&self, kind: u8) -> bool {
        let mut walk = *self;
        std::iter::from_fn(|| walk.next_raw())
            .flatten()
            .any(|raw| raw.kind == kind)
    }

    /// The next option, unread.
    fn next_raw(&mut self) -> Option<Result<Raw<'a>, OptionError>> {
        if self.bytes.is_empty() {
            return None;
        }
        let at = self.at;
        let bytes = std::mem::take(&mut self.bytes);
        let &[kind, units, ..] = bytes else {
            return Some(Err(OptionError::Truncated { at }));
        };
        if units == 0 {
            return Some(Err(OptionError::ZeroLength { at }));
        }
        let len = usize::from(units) * 8;
        let Some((option, rest)) = bytes.split_at_checked(len) else {
            return Some(Err(OptionError::Truncated { at }));
        };
        self.bytes = rest;
        self.at = at + len;
        Some(Ok(Raw {
            at,
            kind,
            data: &option[2..],
        }))
    }
}

/// An option whose length holds.
struct Raw<'a> {
    at: usize,
    kind: u8,
    /// Everything after type and length: 6 bytes or more.
    data: &'a [u8],
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<NdOption<'a>, OptionError>;

    fn next(&mut self) -> Option<Self::Item> {
        let raw = self.next_raw()?;
        Some(raw.and_then(|Raw { at, kind, data }| {
            read(kind, data).map_err(|fault| match fault {
                Fault::Length => OptionError::BadLength {
                    at,
                    kind,
                    len: data.len() + 2,
                },
                Fault::Value(field) => OptionError::BadValue { at, kind, field },
            })
        }))
    }
}

/// What is wrong with one option.
enum Fault {
    Length,
    Value(&'static str),
}

fn read(kind: u8, data: &[u8]) -> Result<NdOption<'_>, Fault> {
    Ok(match kind {
        kind::SOURCE_LINK_LAYER => NdOption::SourceLinkLayer(MacAddr(exactly(data)?)),
        kind::TARGET_LINK_LAYER => NdOption::TargetLinkLayer(MacAddr(exactly(data)?)),
        kind::PREFIX_INFORMATION => read_prefix_information(data)?,
        // Six reserved bytes precede the packet.
        kind::REDIRECTED_HEADER => NdOption::RedirectedHeader(&data[6..]),
        kind::MTU => {
            let [_, _, mtu @ ..]: [u8; 6] = exactly(data)?;
            NdOption::Mtu(u32::from_be_bytes(mtu))
        }
        kind::NONCE => NdOption::Nonce(data),
        kind::ROUTE_INFORMATION => read_route_information(data)?,
        kind::RDNSS => {
            let (lifetime, list) = lifetime_and_list(data)?;
            let servers = AddressList::from_wire(list).ok_or(Fault::Length)?;
            NdOption::Rdnss { lifetime, servers }
        }
        kind::DNSSL => {
            let (lifetime, list) = lifetime_and_list(data)?;
            let domains = DomainList::from_wire(list).ok_or(Fault::Value("domain names"))?;
            NdOption::Dnssl { lifetime, domains }
        }
        kind::RA_FLAGS => NdOption::RaFlags(exactly(data)?),
        kind::CAPTIVE_PORTAL => {
            // Padded with NUL bytes, which no URI contains.
            let end = data
                .iter()
                .rposition(|&b| b != 0)
                .map_or(0, |last| last + 1);
            match std::str::from_utf8(&data[..end]) {
                Ok(uri) if !uri.is_empty() && uri.bytes().all(|b| b.is_ascii_graphic()) => {
                    NdOption::CaptivePortal(uri)
                }
                _ => return Err(Fault::Value("URI")),
            }
        }
        kind::PREF64 => read_pref64(data)?,
        _ => NdOption::Unknown { kind, data },
    })
}

/// All of `data`, when it has the one length that the option can have.
fn exactly<const N: usize>(data: &[u8]) -> Result<[u8; N], Fault> {
    data.try_into().map_err(|_| Fault::Length)
}

fn be32(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .take(4)
        .fold(0, |value, &byte| value << 8 | u32::from(byte))
}

/// Up to 16 bytes of an address, the rest zero.
fn address(bytes: &[u8]) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets[..bytes.len()].copy_from_slice(bytes);
    octets.into()
}

/// Two reserved bytes, a lifetime, and the list that follows.
fn lifetime_and_list(data: &[u8]) -> Result<(u32, &[u8]), Fault> {
    match data.split_at_checked(6) {
        Some((head, list)) if !list.is_empty() => Ok((be32(&head[2..]), list)),
        _ => Err(Fault::Length),
    }
}

fn read_prefix_information(data: &[u8]) -> Result<NdOption<'_>, Fault> {
    let data: [u8; 30] = exactly(data)?;
    let (prefix_len, flags) = (data[0], data[1]);
    if prefix_len > 128 {
        return Err(Fault::Value("prefix length"));
    }
    Ok(NdOption::PrefixInformation(PrefixInformation {
        prefix_len,
        on_link: flags & 0x80 != 0,
        autonomous: flags & 0x40 != 0,
        router_address: flags & 0x20 != 0,
        dhcpv6_pd_preferred: flags & 0x10 != 0,
        valid_lifetime: be32(&data[2..]),
        preferred_lifetime: be32(&data[6..]),
        prefix: address(&data[14..]),
    }))
}

fn read_route_information(data: &[u8]) -> Result<NdOption<'_>, Fault> {
    // The prefix field is 0, 8 or 16 bytes long, and long enough for the prefix.
    if !matches!(data.len(), 6 | 14 | 22) {
        return Err(Fault::Length);
    }
    let (prefix_len, field) = (data[0], &data[6..]);
    if prefix_len > 128 || usize::from(prefix_len) > field.len() * 8 {
        return Err(Fault::Value("prefix length"));
    }
    // The reserved value means: ignore the option (RFC 4191 section 2.3).
    let preference = Preference::from_bits(data[1] >> 3).ok_or(Fault::Value("preference"))?;
    let lifetime = be32(&data[2..]);
    let prefix = v6::truncated(&address(field), prefix_len);
    Ok(NdOption::RouteInformation(RouteInformation {
        prefix_len,
        preference,
        lifetime,
        prefix,
    }))
}

fn read_pref64(data: &[u8]) -> Result<NdOption<'_>, Fault> {
    let [s1, s0, prefix @ ..]: [u8; 14] = exactly(data)?;
    let scaled = u16::from_be_bytes([s1, s0]);
    let code = usize::from(scaled & 7);
    let &prefix_len = Pref64::LENGTHS
        .get(code)
        .ok_or(Fault::Value("prefix length code"))?;
    let prefix = v6::truncated(&address(&prefix), prefix_len);
    // The 13 bits of lifetime stand above the code: cleared of it they are the lifetime in seconds.
    Ok(NdOption::Pref64(Pref64 {
        lifetime: scaled & !7,
        prefix_len,
        prefix,
    }))
}

#[cfg(test)]
mod tests;
