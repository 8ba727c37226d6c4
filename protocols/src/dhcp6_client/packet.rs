//! A server's message as bytes.
//!
//! ```text
//!  0                   1                   2                   3
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |    msg-type   |               transaction-id                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       options, RFC 8415 section 21 ...        |
//! ```
//!
//! One walk reads and checks. What breaks the format makes the message invalid, under the name of the rule; what is only
//! senseless is left out, and named too: a bad prefix must not cost the router its address.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::given;
use super::held::Settings;
use super::option::{Invalid, LeftOut, code};
use super::settings;
use crate::dhcp6_wire::{Budget, MAX_IAS, MAX_LEASES, Tlvs, duid, exactly, once, split};

/// Most options of those that the configuration asks for by code.
const MAX_ASKED: usize = 64;

/// Message types (RFC 8415 section 7.3) that servers send to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// 2: this is what I could give you.
    Advertise,
    /// 7: this is what you have.
    Reply,
    /// 10: ask me again.
    Reconfigure,
}

impl MessageType {
    fn read(byte: u8) -> Result<Self, Invalid> {
        Ok(match byte {
            2 => MessageType::Advertise,
            7 => MessageType::Reply,
            10 => MessageType::Reconfigure,
            1 | 3..=6 | 8 | 9 | 11..=13 => return Err(Invalid::WrongDirection),
            _ => return Err(Invalid::UnknownType),
        })
    }
}

/// Status codes (RFC 8415 section 21.13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// 0, or no Status Code option.
    #[default]
    Success,
    /// 2: no address for this association.
    NoAddrsAvail,
    /// 3: the server does not know this association.
    NoBinding,
    /// 4: not of this link.
    NotOnLink,
    /// 5: the client sent by unicast. It never does.
    UseMulticast,
    /// 6: no prefix for this association.
    NoPrefixAvail,
    /// 1, and every code that no client of ours expects.
    Failed(u16),
}

impl Status {
    fn read(data: &[u8]) -> Result<Self, Invalid> {
        let (number, _message) = split::<2>(data)?;
        Ok(match u16::from_be_bytes(number) {
            0 => Status::Success,
            2 => Status::NoAddrsAvail,
            3 => Status::NoBinding,
            4 => Status::NotOnLink,
            5 => Status::UseMulticast,
            6 => Status::NoPrefixAvail,
            other => Status::Failed(other),
        })
    }
}

/// Kinds of identity associations that the client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IaKind {
    /// Non-temporary addresses.
    Na,
    /// Delegated prefixes.
    Pd,
}

/// One identity association.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ia {
    /// What it gives.
    pub kind: IaKind,
    /// Its number, unique among those of its kind.
    pub iaid: u32,
    /// Seconds until Renew; 0: as the client likes.
    pub t1: u32,
    /// Seconds until Rebind; 0: as the client likes.
    pub t2: u32,
    /// What the server says of it.
    pub status: Status,
    /// Its addresses or prefixes, those withdrawn (valid lifetime 0) too.
    pub leases: Vec<Given>,
}

/// An address or prefix in an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// The address, or the prefix with the bits after its length cleared.
    pub address: Ipv6Addr,
    /// 128 for an address.
    pub len: u8,
    /// Preferred lifetime, seconds.
    pub preferred: u32,
    /// Valid lifetime, seconds; 0: withdrawn.
    pub valid: u32,
    /// The part of a prefix that stays the uplink's (RFC 6603).
    pub exclude: Option<Ipv6Net>,
}

/// A server's message whose format is right and that names client and server (RFC 8415 section 16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is.
    pub kind: MessageType,
    /// transaction-id: that of the client's message; 0 in a Reconfigure.
    pub xid: [u8; 3],
    /// For whom it is.
    pub client_id: &'a [u8],
    /// Who sent it.
    pub server_id: &'a [u8],
    /// 0 without the option.
    pub preference: u8,
    /// What the server says of the whole.
    pub status: Status,
    /// It commits at once.
    pub rapid_commit: bool,
    /// Identity associations, in order, but those that make no sense.
    pub ias: Vec<Ia>,
    /// Seconds.
    pub sol_max_rt: Option<u32>,
    /// Seconds.
    pub inf_max_rt: Option<u32>,
    /// Seconds.
    pub information_refresh_time: Option<u32>,
    /// The message type a Reconfigure asks for.
    pub reconf_msg: Option<u8>,
    /// The Authentication option's data and where it begins in the message.
    pub auth: Option<(usize, &'a [u8])>,
    /// Settings, but for the options that the configuration asks for by code.
    pub settings: Settings,
    /// What was left out.
    pub left_out: Vec<LeftOut>,
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a message of a server, from its msg-type on.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let (&[kind, x, y, z], options) = bytes
            .split_first_chunk::<4>()
            .ok_or(Invalid::ShortMessage)?;
        let mut message = Message {
            kind: MessageType::read(kind)?,
            xid: [x, y, z],
            client_id: &[],
            server_id: &[],
            preference: 0,
            status: Status::Success,
            rapid_commit: false,
            ias: Vec::new(),
            sol_max_rt: None,
            inf_max_rt: None,
            information_refresh_time: None,
            reconf_msg: None,
            auth: None,
            settings: Settings::default(),
            left_out: Vec::new(),
            bytes,
        };
        let (mut client, mut server, mut status, mut preference) = (None, None, None, None);
        let (mut budget, mut leases) = (Budget::default(), 0);
        let (mut dns, mut search) = (None, None);
        let mut tlvs = Tlvs(options);
        while let Some(option) = tlvs.next() {
            let (code, data) = option?;
            budget.spend()?;
            match code {
                code::CLIENT_ID => once(&mut client, duid(data)?)?,
                code::SERVER_ID => once(&mut server, duid(data)?)?,
                code::IA_NA => message.read_ia(IaKind::Na, data, &mut budget, &mut leases)?,
                code::IA_PD => message.read_ia(IaKind::Pd, data, &mut budget, &mut leases)?,
                code::IA_ADDR | code::IA_PREFIX | code::RELAY_MSG => {
                    return Err(Invalid::MisplacedOption);
                }
                code::PREFERENCE => once(&mut preference, exactly::<1>(data)?[0])?,
                code::STATUS_CODE => once(&mut status, Status::read(data)?)?,
                code::RAPID_COMMIT => {
                    exactly::<0>(data)?;
                    message.rapid_commit = true;
                }
                code::AUTH => {
                    let at = bytes.len() - tlvs.0.len() - data.len();
                    once(&mut message.auth, (at, data))?;
                }
                code::RECONF_MSG => once(&mut message.reconf_msg, exactly::<1>(data)?[0])?,
                code::SOL_MAX_RT => once(&mut message.sol_max_rt, number(data)?)?,
                code::INF_MAX_RT => once(&mut message.inf_max_rt, number(data)?)?,
                code::INFORMATION_REFRESH_TIME => {
                    once(&mut message.information_refresh_time, number(data)?)?;
                }
                code::DNS_SERVERS => once(&mut dns, data)?,
                code::DOMAIN_LIST => once(&mut search, data)?,
                code::NTP_SERVER => {
                    settings::read_ntp(data, &mut message.settings, &mut message.left_out)?;
                }
                code::SNTP_SERVERS => settings::read_sntp(data, &mut message.settings)?,
                // What the client has no use for, and what it does not know; Server Unicast too.
                _ => {}
            }
        }
        message.client_id = client.ok_or(Invalid::NoClientId)?;
        message.server_id = server.ok_or(Invalid::NoServerId)?;
        message.status = status.unwrap_or_default();
        message.preference = preference.unwrap_or_default();
        settings::read_dns(dns.unwrap_or_default(), &mut message.settings)?;
        settings::read_search(
            search.unwrap_or_default(),
            &mut message.settings,
            &mut message.left_out,
        );
        for max_rt in [&mut message.sol_max_rt, &mut message.inf_max_rt] {
            // RFC 8415 sections 21.24 and 21.25: a value out of range is ignored.
            if max_rt
                .take_if(|seconds| !(60..=86_400).contains(seconds))
                .is_some()
            {
                message.left_out.push(LeftOut::MaxRt);
            }
        }
        Ok(message)
    }

    fn read_ia(
        &mut self,
        kind: IaKind,
        data: &[u8],
        budget: &mut Budget,
        leases: &mut usize,
    ) -> Result<(), Invalid> {
        if self.ias.len() == MAX_IAS {
            return Err(Invalid::TooManyIas);
        }
        let (head, options) = split::<12>(data)?;
        let mut words = head.chunks_exact(4).map(word);
        let mut next = || words.next().unwrap_or_default();
        let mut ia = Ia {
            kind,
            iaid: next(),
            t1: next(),
            t2: next(),
            status: Status::Success,
            leases: Vec::new(),
        };
        let mut status = None;
        for option in Tlvs(options) {
            let (code, data) = option?;
            budget.spend()?;
            let lease = match (code, kind) {
                (code::IA_ADDR, IaKind::Na) => self.read_address(data, budget)?,
                (code::IA_PREFIX, IaKind::Pd) => self.read_prefix(data, budget)?,
                (code::STATUS_CODE, _) => {
                    once(&mut status, Status::read(data)?)?;
                    continue;
                }
                (code, _) if belongs_elsewhere(code) => return Err(Invalid::MisplacedOption),
                _ => continue,
            };
            *leases += 1;
            if *leases > MAX_LEASES {
                return Err(Invalid::TooManyLeases);
            }
            ia.leases.extend(lease);
        }
        ia.status = status.unwrap_or_default();
        // RFC 8415 sections 21.4 and 21.21.
        if ia.t1 > ia.t2 && ia.t2 > 0 {
            self.left_out.push(LeftOut::T1BeyondT2);
        } else {
            self.ias.push(ia);
        }
        Ok(())
    }

    /// An IA Address option (RFC 8415 section 21.6); `None` when it makes no sense.
    fn read_address(&mut self, data: &[u8], budget: &mut Budget) -> Result<Option<Given>, Invalid> {
        let (address, rest) = split::<16>(data)?;
        let (lifetimes, options) = split::<8>(rest)?;
        let (status, _) = read_inner(options, budget)?;
        let given = Given {
            address: Ipv6Addr::from(address),
            len: 128,
            preferred: word(&lifetimes[..4]),
            valid: word(&lifetimes[4..]),
            exclude: None,
        };
        let fault = (!given::is_assignable(given.address)).then_some(LeftOut::Address);
        Ok(self.judge(given, status, fault))
    }

    /// An IA Prefix option (RFC 8415 section 21.22); `None` when it makes no sense.
    fn read_prefix(&mut self, data: &[u8], budget: &mut Budget) -> Result<Option<Given>, Invalid> {
        let (lifetimes, rest) = split::<8>(data)?;
        let ([len], rest) = split::<1>(rest)?;
        let (address, options) = split::<16>(rest)?;
        let (status, exclude) = read_inner(options, budget)?;
        let mask = u128::MAX
            .checked_shl(128 - u32::from(len.min(128)))
            .unwrap_or(0);
        let address = Ipv6Addr::from(u128::from_be_bytes(address) & mask);
        let fault = match () {
            () if !super::config::PREFIX_LENGTHS.contains(&len) => Some(LeftOut::PrefixLength),
            () if !given::is_delegable(address, len) => Some(LeftOut::PrefixBlock),
            () => None,
        };
        let mut given = Given {
            address,
            len,
            preferred: word(&lifetimes[..4]),
            valid: word(&lifetimes[4..]),
            exclude: None,
        };
        if let (None, Some(exclude)) = (fault, exclude) {
            given.exclude = read_exclude(&given, exclude);
            if given.exclude.is_none() {
                self.left_out.push(LeftOut::Exclude);
            }
        }
        Ok(self.judge(given, status, fault))
    }

    fn judge(&mut self, given: Given, status: Status, fault: Option<LeftOut>) -> Option<Given> {
        let lifetimes = given.preferred > given.valid;
        let fault = fault.or(lifetimes.then_some(LeftOut::PreferredBeyondValid));
        self.left_out.extend(fault);
        (fault.is_none() && status == Status::Success).then_some(given)
    }

    /// The options with these codes, as they came.
    pub fn options(&self, codes: &[u16]) -> Vec<(u16, Box<[u8]>)> {
        Tlvs(&self.bytes[4..])
            .filter_map(Result::ok)
            .filter(|(code, _)| codes.contains(code))
            .take(MAX_ASKED)
            .map(|(code, data)| (code, Box::from(data)))
            .collect()
    }

    /// The whole message.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Status Code and Prefix Exclude, if there, of the options of an address or prefix.
fn read_inner<'a>(
    options: &'a [u8],
    budget: &mut Budget,
) -> Result<(Status, Option<&'a [u8]>), Invalid> {
    let (mut status, mut exclude) = (None, None);
    for option in Tlvs(options) {
        let (code, data) = option?;
        budget.spend()?;
        match code {
            code::STATUS_CODE => once(&mut status, Status::read(data)?)?,
            code::PD_EXCLUDE => once(&mut exclude, data)?,
            code if belongs_elsewhere(code) => return Err(Invalid::MisplacedOption),
            _ => {}
        }
    }
    Ok((status.unwrap_or_default(), exclude))
}

/// Prefix Exclude (RFC 6603 section 4.2): the excluded prefix' length, and its bits after those of the delegated prefix.
fn read_exclude(given: &Given, data: &[u8]) -> Option<Ipv6Net> {
    let (&len, subnet) = data.split_first()?;
    if len <= given.len || len > 128 {
        return None;
    }
    let bits = u32::from(len - given.len);
    if subnet.len() != bits.div_ceil(8) as usize {
        return None;
    }
    let mut octets = [0; 16];
    octets[..subnet.len()].copy_from_slice(subnet);
    let subnet = u128::from_be_bytes(octets) >> (128 - bits) << (128 - u32::from(len));
    Ipv6Net::new(Ipv6Addr::from(u128::from(given.address) | subnet), len).ok()
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

fn number(data: &[u8]) -> Result<u32, Invalid> {
    Ok(u32::from_be_bytes(exactly(data)?))
}

fn word(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |n, octet| n << 8 | u32::from(*octet))
}

#[cfg(test)]
mod tests;
