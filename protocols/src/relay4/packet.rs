//! Messages as bytes, as far as a relay looks into them (RFC 2131 section 2).
//!
//! ```text
//!  op (1) htype (1) hlen (1) hops (1)   xid (4)   secs (2) flags (2)   ciaddr (4) yiaddr (4) siaddr (4) giaddr (4)
//!  chaddr (16)   sname (64)   file (128)   magic cookie (4)   options: code (1) length (1) data, pad 0, end 255
//! ```
//!
//! A relay changes octets in place and moves nothing but the end of the options.

use std::net::Ipv4Addr;

use wire::MacAddr;

/// Octets before the options, magic cookie included.
pub const HEADER: usize = 240;
/// Least octets of a message: what BOOTP has (RFC 951), and some clients want.
pub const MIN_MESSAGE: usize = 300;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const HOPS: usize = 3;
const GIADDR: usize = 24;
/// Relay Agent Information (RFC 3046).
const AGENT: u8 = 82;
const MESSAGE_TYPE: u8 = 53;
const PAD: u8 = 0;
const END: u8 = 255;

/// Sub-option Circuit ID (RFC 3046).
pub const CIRCUIT_ID: u8 = 1;
/// Sub-option Remote ID (RFC 3046).
pub const REMOTE_ID: u8 = 2;
/// Sub-option link selection (RFC 3527).
pub const LINK_SELECTION: u8 = 5;
/// Sub-option relay agent flags (RFC 5010).
pub const FLAGS: u8 = 10;
/// Sub-option server identifier override (RFC 5107).
pub const SERVER_OVERRIDE: u8 = 11;

/// Why a message is not relayed. The label is the rule's name in counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Invalid {
    /// Shorter than its fixed header and magic cookie.
    #[error("shorter than its header")]
    ShortMessage,
    /// Neither a request nor a reply.
    #[error("op is neither 1 nor 2")]
    Op,
    /// Not DHCP: no magic cookie.
    #[error("no magic cookie")]
    Cookie,
    /// A hardware address longer than its field.
    #[error("hardware address longer than its field")]
    HardwareAddress,
    /// An option whose length runs beyond the message.
    #[error("an option runs beyond its end")]
    TruncatedOption,
    /// No end option (RFC 2131 section 4.1).
    #[error("no end of options")]
    NoEnd,
    /// Two Relay Agent Informations, or two message types.
    #[error("an option that may stand once stands twice")]
    DuplicateOption,
    /// A message type option that is not one octet.
    #[error("an option has a wrong length")]
    OptionLength,
    /// Relay Agent Information that is not made of sub-options.
    #[error("damaged relay agent information")]
    AgentOption,
    /// From a client, a message that only servers send.
    #[error("not a message of a client")]
    NotClientMessage,
    /// From a server, a message that only clients send.
    #[error("not a message of a server")]
    NotServerMessage,
    /// hops has reached the limit (RFC 1542 section 4.1.1).
    #[error("hop limit reached")]
    HopLimit,
    /// A client that says one of our addresses is its relay (RFC 3046 section 2.1).
    #[error("giaddr is one of ours")]
    SpoofedGiaddr,
    /// A message of a relay that is none by configuration.
    #[error("a relay that is not trusted")]
    UntrustedRelay,
    /// A client's message with Relay Agent Information in it (RFC 3046 section 2.1).
    #[error("relay agent information of a client")]
    UntrustedAgentOption,
    /// From an address that is no server by configuration.
    #[error("an answer of an unknown server")]
    UnknownServer,
    /// An answer for a giaddr that is none of ours.
    #[error("unknown giaddr")]
    UnknownGiaddr,
    /// An answer for a Circuit ID that is none of ours, or for none where several links share a giaddr.
    #[error("unknown Circuit ID")]
    UnknownCircuitId,
    /// Relayed, it would be longer than the MTU of its way.
    #[error("longer than the MTU")]
    TooLong,
}

impl Invalid {
    /// Every class, for counters that start at zero and for the tests.
    pub const ALL: [Invalid; 19] = [
        Invalid::ShortMessage,
        Invalid::Op,
        Invalid::Cookie,
        Invalid::HardwareAddress,
        Invalid::TruncatedOption,
        Invalid::NoEnd,
        Invalid::DuplicateOption,
        Invalid::OptionLength,
        Invalid::AgentOption,
        Invalid::NotClientMessage,
        Invalid::NotServerMessage,
        Invalid::HopLimit,
        Invalid::SpoofedGiaddr,
        Invalid::UntrustedRelay,
        Invalid::UntrustedAgentOption,
        Invalid::UnknownServer,
        Invalid::UnknownGiaddr,
        Invalid::UnknownCircuitId,
        Invalid::TooLong,
    ];

    /// The rule's name in counters.
    pub const fn label(self) -> &'static str {
        match self {
            Invalid::ShortMessage => "short_message",
            Invalid::Op => "op",
            Invalid::Cookie => "cookie",
            Invalid::HardwareAddress => "hardware_address",
            Invalid::TruncatedOption => "truncated_option",
            Invalid::NoEnd => "no_end",
            Invalid::DuplicateOption => "duplicate_option",
            Invalid::OptionLength => "option_length",
            Invalid::AgentOption => "agent_option",
            Invalid::NotClientMessage => "not_client_message",
            Invalid::NotServerMessage => "not_server_message",
            Invalid::HopLimit => "hop_limit",
            Invalid::SpoofedGiaddr => "spoofed_giaddr",
            Invalid::UntrustedRelay => "untrusted_relay",
            Invalid::UntrustedAgentOption => "untrusted_agent_option",
            Invalid::UnknownServer => "unknown_server",
            Invalid::UnknownGiaddr => "unknown_giaddr",
            Invalid::UnknownCircuitId => "unknown_circuit_id",
            Invalid::TooLong => "too_long",
        }
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// 1: a client.
    Request,
    /// 2: a server.
    Reply,
}

/// DHCP message types (RFC 2132 section 9.6) that a relay tells apart.
pub mod kind {
    /// DHCPDISCOVER.
    pub const DISCOVER: u8 = 1;
    /// DHCPOFFER.
    pub const OFFER: u8 = 2;
    /// DHCPREQUEST.
    pub const REQUEST: u8 = 3;
    /// DHCPDECLINE.
    pub const DECLINE: u8 = 4;
    /// DHCPACK.
    pub const ACK: u8 = 5;
    /// DHCPNAK.
    pub const NAK: u8 = 6;
    /// DHCPRELEASE.
    pub const RELEASE: u8 = 7;
    /// DHCPINFORM.
    pub const INFORM: u8 = 8;
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Who speaks.
    pub op: Op,
    /// Its DHCP message type; none of BOOTP.
    pub kind: Option<u8>,
    /// Relays passed.
    pub hops: u8,
    /// Whether the client wants to be answered by broadcast.
    pub broadcast: bool,
    /// The client's address.
    pub ciaddr: Ipv4Addr,
    /// Its address to be.
    pub yiaddr: Ipv4Addr,
    /// Its first relay.
    pub giaddr: Ipv4Addr,
    /// Its MAC, when its hardware is Ethernet.
    pub mac: Option<MacAddr>,
    /// Relay Agent Information, its sub-options not looked at yet.
    pub agent: Option<&'a [u8]>,
    bytes: &'a [u8],
    /// Where Relay Agent Information stands, and behind it.
    agent_at: Option<(usize, usize)>,
    /// Where the end option stands.
    end: usize,
}

impl<'a> Message<'a> {
    /// Reads a whole payload.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let header = bytes.first_chunk::<HEADER>().ok_or(Invalid::ShortMessage)?;
        let address =
            |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
        let op = match header[0] {
            1 => Op::Request,
            2 => Op::Reply,
            _ => return Err(Invalid::Op),
        };
        if header[236..] != COOKIE {
            return Err(Invalid::Cookie);
        }
        if 16 < header[2] {
            return Err(Invalid::HardwareAddress);
        }
        let station = <[u8; 6]>::try_from(&header[28..34]).map(MacAddr);
        let is_ethernet = header[1..3] == [1, 6];
        let mut message = Self {
            op,
            kind: None,
            hops: header[HOPS],
            broadcast: header[10] & 0x80 != 0,
            ciaddr: address(12),
            yiaddr: address(16),
            giaddr: address(GIADDR),
            mac: station.ok().filter(|mac| is_ethernet && mac.is_station()),
            agent: None,
            bytes,
            agent_at: None,
            end: HEADER,
        };
        message.read_options()?;
        Ok(message)
    }

    fn read_options(&mut self) -> Result<(), Invalid> {
        let mut at = HEADER;
        loop {
            match self.bytes.get(at..) {
                None | Some([]) => return Err(Invalid::NoEnd),
                Some([PAD, ..]) => at += 1,
                Some([END, ..]) => {
                    self.end = at;
                    return Ok(());
                }
                Some([code, len, rest @ ..]) => {
                    let data = rest
                        .get(..usize::from(*len))
                        .ok_or(Invalid::TruncatedOption)?;
                    let next = at + 2 + data.len();
                    match *code {
                        AGENT => {
                            once(&mut self.agent, data)?;
                            self.agent_at = Some((at, next));
                        }
                        MESSAGE_TYPE => match *data {
                            [kind] => once(&mut self.kind, kind)?,
                            _ => return Err(Invalid::OptionLength),
                        },
                        _ => {}
                    }
                    at = next;
                }
                Some([_]) => return Err(Invalid::TruncatedOption),
            }
        }
    }

    /// The same without Relay Agent Information.
    pub fn without_agent(&self) -> Vec<u8> {
        self.rewritten(None)
    }

    /// The same with this Relay Agent Information instead of what it has.
    pub(super) fn with_agent(&self, agent: &[u8]) -> Vec<u8> {
        self.rewritten(Some(agent))
    }

    /// The same, octet by octet.
    pub(super) fn as_it_is(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }

    /// Options up to the end but for the agent's; then the agent's, which is the last one (RFC 3046 section 2.1).
    fn rewritten(&self, agent: Option<&[u8]>) -> Vec<u8> {
        let (from, to) = self.agent_at.unwrap_or((self.end, self.end));
        let mut out = Vec::with_capacity(self.end + 64);
        out.extend_from_slice(self.bytes.get(..from).unwrap_or_default());
        out.extend_from_slice(self.bytes.get(to..self.end).unwrap_or_default());
        if let Some(agent) = agent {
            // `Config::validate` bounds what we write.
            out.extend([AGENT, agent.len() as u8]);
            out.extend_from_slice(agent);
        }
        out.push(END);
        if out.len() < MIN_MESSAGE {
            out.resize(MIN_MESSAGE, PAD);
        }
        out
    }
}

/// Writes hops into a message that has been read.
pub(super) fn set_hops(bytes: &mut [u8], hops: u8) {
    if let Some(at) = bytes.get_mut(HOPS) {
        *at = hops;
    }
}

/// Writes giaddr into a message that has been read.
pub(super) fn set_giaddr(bytes: &mut [u8], giaddr: Ipv4Addr) {
    if let Some(at) = bytes.get_mut(GIADDR..GIADDR + 4) {
        at.copy_from_slice(&giaddr.octets());
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Invalid> {
    match slot.replace(value) {
        Some(_) => Err(Invalid::DuplicateOption),
        None => Ok(()),
    }
}

/// The data of a sub-option of Relay Agent Information; the first one, if there are several.
///
/// # Errors
/// [`Invalid::AgentOption`] when a sub-option runs beyond the end.
pub fn sub_option(mut agent: &[u8], wanted: u8) -> Result<Option<&[u8]>, Invalid> {
    let mut found = None;
    while let [code, rest @ ..] = agent {
        let (len, rest) = rest.split_first().ok_or(Invalid::AgentOption)?;
        let (data, rest) = rest
            .split_at_checked(usize::from(*len))
            .ok_or(Invalid::AgentOption)?;
        if *code == wanted {
            found.get_or_insert(data);
        }
        agent = rest;
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
