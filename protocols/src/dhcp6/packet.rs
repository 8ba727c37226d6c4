//! A client's message as bytes.
//!
//! ```text
//!  0                   1                   2                   3
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |    msg-type   |               transaction-id                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       options, RFC 8415 section 21 ...        |
//! ```
//!
//! One walk reads and checks: nothing is copied but numbers, nothing recurses (the format nests three deep), and each
//! way to be wrong has its name in [`Invalid`].

use std::net::Ipv6Addr;

use super::option::{Invalid, code};
use crate::dhcp6_wire::{Budget, MAX_IAS, MAX_LEASES, Tlvs, duid, exactly, once, split};

/// Message types (RFC 8415 section 7.3) that clients send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageType {
    /// 1: who can give me something?
    Solicit,
    /// 3: I take what you advertised.
    Request,
    /// 4: are my addresses still right on this link?
    Confirm,
    /// 5: longer, please; to the server that gave it.
    Renew,
    /// 6: longer, please; to any server.
    Rebind,
    /// 8: I do not need it any more.
    Release,
    /// 9: somebody else has this address.
    Decline,
    /// 11: tell me the other settings.
    InformationRequest,
    /// 36: I have formed this address (RFC 9686).
    AddrRegInform,
}

impl MessageType {
    fn read(byte: u8) -> Result<Self, Invalid> {
        Ok(match byte {
            1 => MessageType::Solicit,
            3 => MessageType::Request,
            4 => MessageType::Confirm,
            5 => MessageType::Renew,
            6 => MessageType::Rebind,
            8 => MessageType::Release,
            9 => MessageType::Decline,
            11 => MessageType::InformationRequest,
            36 => MessageType::AddrRegInform,
            ADVERTISE | REPLY | RECONFIGURE | RELAY_REPLY | ADDR_REG_REPLY => {
                return Err(Invalid::WrongDirection);
            }
            _ => return Err(Invalid::UnknownType),
        })
    }

    /// Its number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            MessageType::Solicit => 1,
            MessageType::Request => 3,
            MessageType::Confirm => 4,
            MessageType::Renew => 5,
            MessageType::Rebind => 6,
            MessageType::Release => 8,
            MessageType::Decline => 9,
            MessageType::InformationRequest => 11,
            MessageType::AddrRegInform => 36,
        }
    }
}

/// Message type of an Advertise.
pub const ADVERTISE: u8 = 2;
/// Message type of a Reply.
pub const REPLY: u8 = 7;
/// Message type of a Reconfigure.
pub const RECONFIGURE: u8 = 10;
/// Message type of a Relay-forward.
pub const RELAY_FORWARD: u8 = 12;
/// Message type of a Relay-reply.
pub const RELAY_REPLY: u8 = 13;
/// Message type of an ADDR-REG-REPLY (RFC 9686 section 4.3).
pub const ADDR_REG_REPLY: u8 = 37;

/// Kinds of identity associations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IaKind {
    /// Non-temporary addresses.
    Na,
    /// Temporary addresses. RFC 9915 has dropped them; clients that ask still get them where a subnet allows.
    Ta,
    /// Delegated prefixes.
    Pd,
}

/// One identity association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ia {
    /// What it asks for.
    pub kind: IaKind,
    /// Its number, unique among those of its kind and client.
    pub iaid: u32,
    /// Where its addresses or prefixes stand in [`Message::asked`].
    from: usize,
    to: usize,
}

/// An address or prefix that a client names: a hint, or what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The address, or the prefix with the bits after its length cleared; `::` is a hint of the length alone.
    pub address: Ipv6Addr,
    /// 128 for an address.
    pub len: u8,
}

/// An address that a client has formed, as it registers it (RFC 9686 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered<'a> {
    /// The address.
    pub address: Ipv6Addr,
    /// How long it is preferred from now on, seconds.
    pub preferred: u32,
    /// How long it is valid from now on, seconds; 0: it is not used any more.
    pub valid: u32,
    /// The data of its IA Address option, which the answer repeats.
    pub(super) data: &'a [u8],
}

/// The Client FQDN option (RFC 4704 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fqdn<'a> {
    /// Flags: S 1, O 2, N 4.
    pub flags: u8,
    /// The name in labels; without the empty label at its end it is a part of a name.
    pub name: &'a [u8],
}

/// A client's message that has passed RFC 8415 section 16, but for the comparison of the Server Identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is.
    pub kind: MessageType,
    /// transaction-id, to be copied into the answer.
    pub xid: [u8; 3],
    /// The client's DUID; missing only in Information-requests.
    pub client_id: Option<&'a [u8]>,
    /// The DUID of the server that it is for.
    pub server_id: Option<&'a [u8]>,
    /// Identity associations, in order.
    pub ias: Vec<Ia>,
    /// Addresses and prefixes of all identity associations.
    asked: Vec<Asked>,
    /// What is registered; in nothing but a registration, and there always.
    pub registered: Option<Registered<'a>>,
    /// Option Request: codes of two octets each.
    oro: &'a [u8],
    /// How long the client has tried, hundredths of a second.
    pub elapsed: u16,
    /// The client takes a Reply to its Solicit.
    pub rapid_commit: bool,
    /// The client takes Reconfigure messages.
    pub reconfigure_accept: bool,
    /// The client's name.
    pub fqdn: Option<Fqdn<'a>>,
    /// The enterprise number of its first Vendor Class option.
    pub vendor: Option<u32>,
}

impl<'a> Message<'a> {
    /// Reads a message of a client, from its msg-type on.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let (&[kind, x, y, z], options) = bytes
            .split_first_chunk::<4>()
            .ok_or(Invalid::ShortMessage)?;
        let mut message = Message {
            kind: MessageType::read(kind)?,
            xid: [x, y, z],
            client_id: None,
            server_id: None,
            ias: Vec::new(),
            asked: Vec::new(),
            registered: None,
            oro: &[],
            elapsed: 0,
            rapid_commit: false,
            reconfigure_accept: false,
            fqdn: None,
            vendor: None,
        };
        let (mut budget, mut oro, mut elapsed) = (Budget::default(), None, None);
        for option in Tlvs(options) {
            let (code, data) = option?;
            budget.spend()?;
            match code {
                code::CLIENT_ID => once(&mut message.client_id, duid(data)?)?,
                code::SERVER_ID => once(&mut message.server_id, duid(data)?)?,
                code::IA_NA => message.read_ia(IaKind::Na, data, &mut budget)?,
                code::IA_TA => message.read_ia(IaKind::Ta, data, &mut budget)?,
                code::IA_PD => message.read_ia(IaKind::Pd, data, &mut budget)?,
                code::IA_ADDR if message.kind == MessageType::AddrRegInform => {
                    once(&mut message.registered, read_registered(data, &mut budget)?)?;
                }
                code::IA_ADDR | code::IA_PREFIX | code::RELAY_MSG => {
                    return Err(Invalid::MisplacedOption);
                }
                code::ORO if data.len() % 2 == 0 => once(&mut oro, data)?,
                code::ORO => return Err(Invalid::OptionLength),
                code::ELAPSED_TIME => once(&mut elapsed, u16::from_be_bytes(exactly(data)?))?,
                code::RAPID_COMMIT => {
                    exactly::<0>(data)?;
                    message.rapid_commit = true;
                }
                code::RECONF_ACCEPT => {
                    exactly::<0>(data)?;
                    message.reconfigure_accept = true;
                }
                code::CLIENT_FQDN => once(&mut message.fqdn, read_fqdn(data)?)?,
                code::VENDOR_CLASS => {
                    let (enterprise, _) = split::<4>(data)?;
                    message.vendor.get_or_insert(u32::from_be_bytes(enterprise));
                }
                // What clients say and this server has no use for, and what it does not know.
                _ => {}
            }
        }
        if message.kind == MessageType::AddrRegInform && oro.is_some() {
            return Err(Invalid::UnexpectedRequest);
        }
        message.oro = oro.unwrap_or_default();
        message.elapsed = elapsed.unwrap_or_default();
        message.check()?;
        Ok(message)
    }

    /// RFC 8415 section 16 and RFC 9686 section 4.2.1: which identifiers each message must and must not have.
    fn check(&self) -> Result<(), Invalid> {
        use MessageType::*;
        let (needs_client, server) = match self.kind {
            Solicit | Confirm | Rebind | AddrRegInform => (true, Some(false)),
            Request | Renew | Release | Decline => (true, Some(true)),
            InformationRequest => (false, None),
        };
        if needs_client && self.client_id.is_none() {
            return Err(Invalid::NoClientId);
        }
        match (server, self.server_id) {
            (Some(true), None) => return Err(Invalid::NoServerId),
            (Some(false), Some(_)) => return Err(Invalid::UnexpectedServerId),
            _ => {}
        }
        if matches!(self.kind, InformationRequest | AddrRegInform) && !self.ias.is_empty() {
            return Err(Invalid::UnexpectedIa);
        }
        if self.kind == AddrRegInform && self.registered.is_none() {
            return Err(Invalid::NoAddress);
        }
        Ok(())
    }

    fn read_ia(
        &mut self,
        kind: IaKind,
        data: &'a [u8],
        budget: &mut Budget,
    ) -> Result<(), Invalid> {
        let (iaid, options) = match kind {
            IaKind::Ta => split::<4>(data)?,
            IaKind::Na | IaKind::Pd => {
                // T1 and T2 of a client are wishes that RFC 8415 sections 21.4 and 21.21 let servers ignore.
                let ([a, b, c, d, ..], options) = split::<12>(data)?;
                ([a, b, c, d], options)
            }
        };
        let iaid = u32::from_be_bytes(iaid);
        if self.ias.len() == MAX_IAS {
            return Err(Invalid::TooManyIas);
        }
        if self.ias.iter().any(|ia| (ia.kind, ia.iaid) == (kind, iaid)) {
            return Err(Invalid::DuplicateOption);
        }
        let from = self.asked.len();
        for option in Tlvs(options) {
            let (code, data) = option?;
            budget.spend()?;
            let (asked, inner) = match (code, kind) {
                (code::IA_ADDR, IaKind::Na | IaKind::Ta) => {
                    let (address, rest) = split::<16>(data)?;
                    let (_lifetimes, inner) = split::<8>(rest)?;
                    let address = Ipv6Addr::from(address);
                    (Asked { address, len: 128 }, inner)
                }
                (code::IA_PREFIX, IaKind::Pd) => {
                    let (_lifetimes, rest) = split::<8>(data)?;
                    let ([len], rest) = split::<1>(rest)?;
                    let (address, inner) = split::<16>(rest)?;
                    if len > 128 {
                        return Err(Invalid::PrefixLength);
                    }
                    let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
                    let address = Ipv6Addr::from(u128::from_be_bytes(address) & mask);
                    (Asked { address, len }, inner)
                }
                (code, _) if belongs_elsewhere(code) => return Err(Invalid::MisplacedOption),
                _ => continue,
            };
            for option in Tlvs(inner) {
                budget.spend()?;
                if belongs_elsewhere(option?.0) {
                    return Err(Invalid::MisplacedOption);
                }
            }
            if self.asked.len() == MAX_LEASES {
                return Err(Invalid::TooManyLeases);
            }
            self.asked.push(asked);
        }
        let to = self.asked.len();
        self.ias.push(Ia {
            kind,
            iaid,
            from,
            to,
        });
        Ok(())
    }

    /// The addresses or prefixes that `ia` names, in order.
    pub fn asked(&self, ia: &Ia) -> &[Asked] {
        &self.asked[ia.from..ia.to]
    }

    /// Whether the client wants option `code` (Option Request, RFC 8415 section 21.7).
    pub fn requests(&self, code: u16) -> bool {
        let wanted = code.to_be_bytes();
        self.oro.chunks_exact(2).any(|chunk| chunk == wanted)
    }
}

/// Whether option `code` may not stand inside of an IA, or of an address or prefix in one.
fn belongs_elsewhere(code: u16) -> bool {
    matches!(
        code,
        code::CLIENT_ID
            | code::SERVER_ID
            | code::IA_NA
            | code::IA_TA
            | code::IA_ADDR
            | code::IA_PD
            | code::IA_PREFIX
            | code::RELAY_MSG
    )
}

fn read_registered<'a>(data: &'a [u8], budget: &mut Budget) -> Result<Registered<'a>, Invalid> {
    let (address, rest) = split::<16>(data)?;
    let (preferred, rest) = split::<4>(rest)?;
    let (valid, inner) = split::<4>(rest)?;
    for option in Tlvs(inner) {
        budget.spend()?;
        if belongs_elsewhere(option?.0) {
            return Err(Invalid::MisplacedOption);
        }
    }
    Ok(Registered {
        address: address.into(),
        preferred: u32::from_be_bytes(preferred),
        valid: u32::from_be_bytes(valid),
        data,
    })
}

fn read_fqdn(data: &[u8]) -> Result<Fqdn<'_>, Invalid> {
    let ([flags], name) = split::<1>(data)?;
    if name.len() > 255 {
        return Err(Invalid::DomainName);
    }
    let mut rest = name;
    while let Some((&len, after)) = rest.split_first() {
        // Two high bits would be compression, which RFC 8415 section 10 forbids.
        if len > 63 || (len == 0 && !after.is_empty()) {
            return Err(Invalid::DomainName);
        }
        rest = after.get(usize::from(len)..).ok_or(Invalid::DomainName)?;
    }
    Ok(Fqdn { flags, name })
}
