//! A client's message, read in one walk that names every way to be malformed.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use wire::MacAddr;

use super::option::{Invalid, MAX_OPTIONS, Tlvs, code};
use super::relay::RelayAgent;

/// Octets of the fixed fields (RFC 2131 figure 1), without the cookie.
pub const FIXED: usize = 236;
/// The first four octets of the options field (RFC 2131 section 3).
pub const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// `op` of clients' messages.
pub const BOOTREQUEST: u8 = 1;
/// `op` of servers' messages.
pub const BOOTREPLY: u8 = 2;
/// Hardware type of Ethernet.
pub const ETHERNET: u8 = 1;
/// Where `sname` and `file` stand.
pub(super) const SNAME: std::ops::Range<usize> = 44..108;
pub(super) const FILE: std::ops::Range<usize> = 108..236;
/// Most hops (RFC 1542 section 4.1.1).
const MAX_HOPS: u8 = 16;
/// The broadcast flag (RFC 2131 figure 2).
const BROADCAST: u16 = 0x8000;
/// Least Maximum DHCP Message Size (RFC 2132 section 9.10), which holds where a client names none.
pub(super) const MIN_SIZE: u16 = 576;

/// What a client may send to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageType {
    /// Who has an address for me?
    Discover,
    /// I take, or keep, this one.
    Request,
    /// Somebody else uses it.
    Decline,
    /// I do not need it any longer.
    Release,
    /// I have an address; what else is there to know?
    Inform,
}

/// Message types of servers, as they stand on the wire.
pub(super) const OFFER: u8 = 2;
pub(super) const ACK: u8 = 5;
pub(super) const NAK: u8 = 6;

impl MessageType {
    /// The type with this number (RFC 2132 section 9.6).
    ///
    /// # Errors
    /// When only servers send it, or nobody.
    pub fn new(number: u8) -> Result<Self, Invalid> {
        match number {
            1 => Ok(Self::Discover),
            3 => Ok(Self::Request),
            4 => Ok(Self::Decline),
            7 => Ok(Self::Release),
            8 => Ok(Self::Inform),
            OFFER | ACK | NAK => Err(Invalid::WrongDirection),
            _ => Err(Invalid::UnknownType),
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is.
    pub kind: MessageType,
    /// Hardware type.
    pub htype: u8,
    /// Hardware address, as long as `hlen` says.
    pub chaddr: &'a [u8],
    /// Transaction.
    pub xid: [u8; 4],
    /// Seconds since the client began.
    pub secs: u16,
    /// All flags.
    pub flags: u16,
    /// The client's address, if it has one that it can answer ARP for; else 0.0.0.0.
    pub ciaddr: Ipv4Addr,
    /// The relay closest to the client, or 0.0.0.0.
    pub giaddr: Ipv4Addr,
    /// Client-identifier.
    pub client_id: Option<Cow<'a, [u8]>>,
    /// Requested IP Address.
    pub requested: Option<Ipv4Addr>,
    /// Server Identifier.
    pub server_id: Option<Ipv4Addr>,
    /// IP Address Lease Time, seconds.
    pub lease_time: Option<u32>,
    /// Parameter Request List.
    pub parameters: Option<Cow<'a, [u8]>>,
    /// How long an answer may be, headers of IP and UDP included.
    pub max_size: u16,
    /// Host Name.
    pub host_name: Option<Cow<'a, [u8]>>,
    /// Whether Rapid Commit is there.
    pub rapid_commit: bool,
    /// Relay Agent Information, and what is in it.
    pub relay_info: Option<Cow<'a, [u8]>>,
    /// The parts of it that the server looks at.
    pub agent: RelayAgent,
}

impl<'a> Message<'a> {
    /// Reads a UDP payload.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn read(payload: &'a [u8]) -> Result<Self, Invalid> {
        let (fixed, rest) = payload
            .split_first_chunk::<FIXED>()
            .ok_or(Invalid::ShortMessage)?;
        let (cookie, options) = rest.split_first_chunk().ok_or(Invalid::ShortMessage)?;
        let [op, htype, hlen, hops, ..] = *fixed;
        if op != BOOTREQUEST {
            return Err(Invalid::Op);
        }
        if htype == 0 {
            return Err(Invalid::HardwareType);
        }
        let chaddr = fixed[28..44]
            .get(..hlen.into())
            .ok_or(Invalid::HardwareLength)?;
        if htype == ETHERNET {
            let mac = MacAddr(chaddr.try_into().map_err(|_| Invalid::HardwareLength)?);
            if !mac.is_station() {
                return Err(Invalid::HardwareAddress);
            }
        }
        if hops > MAX_HOPS {
            return Err(Invalid::Hops);
        }
        if *cookie != COOKIE {
            return Err(Invalid::NoCookie);
        }
        let u16_at = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let address =
            |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        let options = Options::read(fixed, options)?;
        let number = options.array::<1>(code::MESSAGE_TYPE)?;
        let [number] = number.ok_or(Invalid::NoMessageType)?;
        let kind = MessageType::new(number)?;
        let relay_info = options.get(code::RELAY_INFO);
        let agent = RelayAgent::read(relay_info.as_deref().unwrap_or_default())?;
        let message = Message {
            kind,
            htype,
            chaddr,
            xid: [fixed[4], fixed[5], fixed[6], fixed[7]],
            secs: u16_at(8),
            flags: u16_at(10),
            ciaddr: address(12),
            giaddr: address(24),
            client_id: options.get(code::CLIENT_ID),
            requested: options
                .array(code::REQUESTED_ADDRESS)?
                .map(Ipv4Addr::from)
                .filter(|address| !address.is_unspecified()),
            server_id: options.array(code::SERVER_ID)?.map(Ipv4Addr::from),
            lease_time: options.array(code::LEASE_TIME)?.map(u32::from_be_bytes),
            parameters: options.get(code::PARAMETERS),
            max_size: options
                .array(code::MAX_SIZE)?
                .map_or(MIN_SIZE, |size| u16::from_be_bytes(size).max(MIN_SIZE)),
            host_name: options.get(code::HOST_NAME),
            rapid_commit: options.array::<0>(code::RAPID_COMMIT)?.is_some(),
            relay_info,
            agent,
        };
        message.check()?;
        Ok(message)
    }

    /// What each kind of message must have (RFC 2131 table 5).
    fn check(&self) -> Result<(), Invalid> {
        match &self.client_id {
            Some(id) if !(2..=255).contains(&id.len()) => return Err(Invalid::ClientIdLength),
            None if self.chaddr.is_empty() => return Err(Invalid::NoClient),
            _ => {}
        }
        let has_ciaddr = !self.ciaddr.is_unspecified();
        for address in [Some(self.ciaddr).filter(|_| has_ciaddr), self.requested]
            .into_iter()
            .flatten()
        {
            if !is_host(address) {
                return Err(Invalid::ClientAddress);
            }
        }
        if !self.giaddr.is_unspecified() && !is_host(self.giaddr) {
            return Err(Invalid::RelayAddress);
        }
        match self.kind {
            MessageType::Discover => Ok(()),
            MessageType::Request if self.requested.is_none() && !has_ciaddr => {
                Err(Invalid::NoRequestedAddress)
            }
            MessageType::Decline | MessageType::Release if self.server_id.is_none() => {
                Err(Invalid::NoServerId)
            }
            MessageType::Decline if self.requested.is_none() => Err(Invalid::NoRequestedAddress),
            MessageType::Release | MessageType::Inform if !has_ciaddr => {
                Err(Invalid::NoClientAddress)
            }
            MessageType::Request
            | MessageType::Decline
            | MessageType::Release
            | MessageType::Inform => Ok(()),
        }
    }

    /// Whether the client asks for an option. One that sends no list wants what there is.
    pub fn requests(&self, code: u8) -> bool {
        match &self.parameters {
            Some(list) => list.contains(&code),
            None => !matches!(
                code,
                code::ROUTES | code::ROUTES_MS | code::IPV6_ONLY | code::TFTP_SERVER
            ),
        }
    }

    /// Whether the client cannot hear unicast before it has an address (RFC 2131 section 4.1).
    pub fn broadcast(&self) -> bool {
        self.flags & BROADCAST != 0
    }

    /// Whether it came through a relay.
    pub fn is_relayed(&self) -> bool {
        !self.giaddr.is_unspecified()
    }

    /// The client's Ethernet address.
    pub fn mac(&self) -> Option<MacAddr> {
        let mac = self.chaddr.try_into().ok().map(MacAddr);
        mac.filter(|_| self.htype == ETHERNET)
    }
}

/// Whether a host may have this address.
pub(super) fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.octets()[0] == 0
        || address.octets()[0] >= 240)
}

/// All options of a message, in order: the options field, then `file`, then `sname` (RFC 3396 section 5).
struct Options<'a>(Vec<(u8, &'a [u8])>);

impl<'a> Options<'a> {
    fn read(fixed: &'a [u8; FIXED], field: &'a [u8]) -> Result<Self, Invalid> {
        let mut options = Options(Vec::new());
        options.field(field)?;
        let overload = match options.array::<1>(code::OVERLOAD)? {
            None => return Ok(options),
            Some([overload @ 1..=3]) => overload,
            Some(_) => return Err(Invalid::Overload),
        };
        for (bit, field) in [(1, FILE), (2, SNAME)] {
            if overload & bit != 0 {
                options.field(&fixed[field])?;
            }
        }
        let overloads = options.0.iter().filter(|(code, _)| *code == code::OVERLOAD);
        match overloads.count() {
            1 => Ok(options),
            _ => Err(Invalid::Overload),
        }
    }

    fn field(&mut self, bytes: &'a [u8]) -> Result<(), Invalid> {
        for option in Tlvs(bytes) {
            if self.0.len() == MAX_OPTIONS {
                return Err(Invalid::TooManyOptions);
            }
            self.0.push(option?);
        }
        Ok(())
    }

    /// The data of an option; its parts are put together (RFC 3396 section 7).
    fn get(&self, code: u8) -> Option<Cow<'a, [u8]>> {
        let mut parts = self.0.iter().filter(|(c, _)| *c == code).map(|(_, d)| *d);
        let first = Cow::Borrowed(parts.next()?);
        Some(parts.fold(first, |mut whole, part| {
            whole.to_mut().extend_from_slice(part);
            whole
        }))
    }

    /// The data of an option of exactly `N` octets.
    fn array<const N: usize>(&self, code: u8) -> Result<Option<[u8; N]>, Invalid> {
        let Some(data) = self.get(code) else {
            return Ok(None);
        };
        let several = self.0.iter().filter(|(c, _)| *c == code).count() > 1;
        match <[u8; N]>::try_from(data.as_ref()) {
            Ok(data) if N > 0 || !several => Ok(Some(data)),
            _ if several => Err(Invalid::DuplicateOption),
            _ => Err(Invalid::OptionLength),
        }
    }
}

#[cfg(test)]
mod tests;
