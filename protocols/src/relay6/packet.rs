//! Messages as bytes, as far as a relay looks into them.
//!
//! ```text
//!  client, server   msg-type (1)   transaction-id (3)   options ...
//!  relay            msg-type (1)   hop-count (1)   link-address (16)   peer-address (16)   options, one the Relay Message
//! ```
//!
//! Nothing recurses: envelopes are opened in a loop that ends at [`MAX_LAYERS`].

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use crate::dhcp6_wire::{Budget, Fault, Tlvs, exactly, once, split};

/// HOP_COUNT_LIMIT (RFC 8415 section 7.6).
pub const HOP_COUNT_LIMIT: u8 = 8;
/// Envelopes that a message may have when hop-count runs from 0 to the limit.
const MAX_LAYERS: usize = HOP_COUNT_LIMIT as usize + 1;
/// Octets before the options of a relay message.
pub(super) const HEADER: usize = 34;

/// Message types (RFC 8415 section 7.3) that a relay tells apart.
pub mod kind {
    /// Advertise.
    pub const ADVERTISE: u8 = 2;
    /// Reply.
    pub const REPLY: u8 = 7;
    /// Release.
    pub const RELEASE: u8 = 8;
    /// Reconfigure.
    pub const RECONFIGURE: u8 = 10;
    /// Information-request.
    pub const INFORMATION_REQUEST: u8 = 11;
    /// Relay-forward.
    pub const RELAY_FORWARD: u8 = 12;
    /// Relay-reply.
    pub const RELAY_REPLY: u8 = 13;
}

/// Option codes that a relay reads or writes.
pub(super) mod code {
    pub const CLIENT_ID: u16 = 1;
    pub const RELAY_MSG: u16 = 9;
    pub const INTERFACE_ID: u16 = 18;
    pub const IA_PD: u16 = 25;
    pub const IA_PREFIX: u16 = 26;
    pub const REMOTE_ID: u16 = 37;
    pub const SUBSCRIBER_ID: u16 = 38;
    pub const CLIENT_LINKLAYER_ADDR: u16 = 79;
    pub const RELAY_SOURCE_PORT: u16 = 135;
}

/// Why a message is not relayed. The label is the rule's name in counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Invalid {
    /// Shorter than the fixed header of its kind (RFC 8415 sections 8 and 9).
    #[error("shorter than its header")]
    ShortMessage,
    /// From a client's side, a message that only servers send.
    #[error("not a message of a client")]
    NotClientMessage,
    /// From a server, a message that only clients and relays send.
    #[error("not a message of a server")]
    NotServerMessage,
    /// An option whose length runs beyond what holds it.
    #[error("an option runs beyond its end")]
    TruncatedOption,
    /// An option shorter or longer than its format.
    #[error("an option has a wrong length")]
    OptionLength,
    /// An option that may stand once stands twice.
    #[error("an option that may stand once stands twice")]
    DuplicateOption,
    /// More than 512 options.
    #[error("too many options")]
    TooManyOptions,
    /// A Relay-forward or Relay-reply without a Relay Message option (RFC 8415 section 9).
    #[error("a relayed message without a message")]
    RelayEmpty,
    /// The message inside of an envelope is damaged.
    #[error("the message inside is damaged")]
    NestedDamage,
    /// More envelopes, one in the other, than HOP_COUNT_LIMIT allows, whatever hop-count says.
    #[error("too many envelopes")]
    RelayTooDeep,
    /// hop-count has reached HOP_COUNT_LIMIT (RFC 8415 section 19.1.2).
    #[error("hop limit reached")]
    HopLimit,
    /// A Relay-forward from an address that is no relay by configuration.
    #[error("a relay that is not trusted")]
    UntrustedRelay,
    /// Sent from an address that cannot be answered.
    #[error("source address is not unicast")]
    Source,
    /// A client's message that was sent to us alone.
    #[error("sent by unicast")]
    Unicast,
    /// A Relay-reply from an address that is no server by configuration.
    #[error("an answer of an unknown server")]
    UnknownServer,
    /// A Relay-reply from the port of clients (RFC 8415 section 7.2).
    #[error("an answer from the port of clients")]
    ClientPort,
    /// A Relay-reply for an Interface-Id that is none of ours.
    #[error("unknown Interface-Id")]
    UnknownInterfaceId,
    /// A Relay-reply without Interface-Id, and with a link-address that is none of ours.
    #[error("unknown link-address")]
    UnknownLinkAddress,
    /// Relayed, it would fit neither an option nor a datagram.
    #[error("longer than a datagram")]
    TooLong,
    /// A delegated prefix that no route may lead to: of no length, multicast, link-local, or longer than 128 bits.
    #[error("a prefix that cannot be delegated")]
    Prefix,
    /// A client was delegated more prefixes than the relay keeps for it or for its link.
    #[error("too many delegated prefixes")]
    TooManyPrefixes,
    /// A delegation while what the store holds is not known yet, or could not be stored a moment ago.
    #[error("the delegation cannot be stored now")]
    NotStored,
}

impl Invalid {
    /// Every class, for counters that start at zero and for the tests.
    pub const ALL: [Invalid; 22] = [
        Invalid::ShortMessage,
        Invalid::NotClientMessage,
        Invalid::NotServerMessage,
        Invalid::TruncatedOption,
        Invalid::OptionLength,
        Invalid::DuplicateOption,
        Invalid::TooManyOptions,
        Invalid::RelayEmpty,
        Invalid::NestedDamage,
        Invalid::RelayTooDeep,
        Invalid::HopLimit,
        Invalid::UntrustedRelay,
        Invalid::Source,
        Invalid::Unicast,
        Invalid::UnknownServer,
        Invalid::ClientPort,
        Invalid::UnknownInterfaceId,
        Invalid::UnknownLinkAddress,
        Invalid::TooLong,
        Invalid::Prefix,
        Invalid::TooManyPrefixes,
        Invalid::NotStored,
    ];

    /// The rule's name in counters.
    pub const fn label(self) -> &'static str {
        match self {
            Invalid::ShortMessage => "short_message",
            Invalid::NotClientMessage => "not_client_message",
            Invalid::NotServerMessage => "not_server_message",
            Invalid::TruncatedOption => "truncated_option",
            Invalid::OptionLength => "option_length",
            Invalid::DuplicateOption => "duplicate_option",
            Invalid::TooManyOptions => "too_many_options",
            Invalid::RelayEmpty => "relay_empty",
            Invalid::NestedDamage => "nested_damage",
            Invalid::RelayTooDeep => "relay_too_deep",
            Invalid::HopLimit => "hop_limit",
            Invalid::UntrustedRelay => "untrusted_relay",
            Invalid::Source => "source",
            Invalid::Unicast => "unicast",
            Invalid::UnknownServer => "unknown_server",
            Invalid::ClientPort => "client_port",
            Invalid::UnknownInterfaceId => "unknown_interface_id",
            Invalid::UnknownLinkAddress => "unknown_link_address",
            Invalid::TooLong => "too_long",
            Invalid::Prefix => "prefix",
            Invalid::TooManyPrefixes => "too_many_prefixes",
            Invalid::NotStored => "not_stored",
        }
    }
}

impl From<Fault> for Invalid {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Truncated => Invalid::TruncatedOption,
            Fault::Length => Invalid::OptionLength,
            Fault::Duplicate => Invalid::DuplicateOption,
            Fault::TooMany => Invalid::TooManyOptions,
        }
    }
}

/// A relay message: an envelope and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Relays passed before the one that wrote it.
    pub hop_count: u8,
    /// An address of the link, or unspecified.
    pub link_address: Ipv6Addr,
    /// Whom the message came from, or goes to.
    pub peer_address: Ipv6Addr,
    /// How the relay calls the interface.
    pub interface_id: Option<&'a [u8]>,
    /// The port of the relay behind (RFC 8357).
    pub source_port: Option<u16>,
    /// The message in it.
    pub message: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads a relay message; its type has been looked at.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let (header, options) = bytes
            .split_first_chunk::<HEADER>()
            .ok_or(Invalid::ShortMessage)?;
        let address = |at: usize| {
            Ipv6Addr::from(<[u8; 16]>::try_from(&header[at..at + 16]).unwrap_or_default())
        };
        let (mut message, mut interface_id, mut source_port) = (None, None, None);
        let mut budget = Budget::default();
        for option in Tlvs(options) {
            let (code, data) = option?;
            budget.spend()?;
            match code {
                code::RELAY_MSG => once(&mut message, data)?,
                code::INTERFACE_ID => once(&mut interface_id, data)?,
                code::RELAY_SOURCE_PORT => {
                    once(&mut source_port, u16::from_be_bytes(exactly(data)?))?;
                }
                _ => {}
            }
        }
        Ok(Self {
            hop_count: header[1],
            link_address: address(2),
            peer_address: address(18),
            interface_id,
            source_port,
            message: message.ok_or(Invalid::RelayEmpty)?,
        })
    }
}

/// A datagram to port 547, sorted by direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Of a client.
    Client {
        /// Its message type.
        kind: u8,
        /// Its transaction-id; meaningless for types that are not known.
        xid: [u8; 3],
    },
    /// A Relay-forward of another relay, its inside not looked at yet.
    Relayed(Envelope<'a>),
    /// A Relay-reply, its inside not looked at yet.
    Reply(Envelope<'a>),
}

impl<'a> Message<'a> {
    /// Reads a whole payload.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Invalid> {
        match bytes.first() {
            None => Err(Invalid::ShortMessage),
            Some(&kind::RELAY_FORWARD) => Envelope::read(bytes).map(Message::Relayed),
            Some(&kind::RELAY_REPLY) => Envelope::read(bytes).map(Message::Reply),
            Some(&kind) => {
                let xid = simple(bytes)?;
                if is_from_server(kind) {
                    return Err(Invalid::NotClientMessage);
                }
                Ok(Message::Client { kind, xid })
            }
        }
    }
}

/// Checks what stands in a Relay-forward: further envelopes, and at last a client's message.
///
/// # Errors
/// [`Invalid::RelayTooDeep`], or [`Invalid::NestedDamage`] for whatever else.
pub fn check_nested(mut bytes: &[u8]) -> Result<(), Invalid> {
    // Two are the envelope around it, and the one that this relay adds.
    for _ in 2..MAX_LAYERS {
        match Message::read(bytes) {
            Ok(Message::Client { .. }) => return Ok(()),
            Ok(Message::Relayed(envelope)) => bytes = envelope.message,
            Ok(Message::Reply(_)) | Err(_) => return Err(Invalid::NestedDamage),
        }
    }
    match Message::read(bytes) {
        Ok(Message::Client { .. }) => Ok(()),
        Ok(Message::Relayed(_)) => Err(Invalid::RelayTooDeep),
        Ok(Message::Reply(_)) | Err(_) => Err(Invalid::NestedDamage),
    }
}

/// Whom the message in a Relay-reply is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A client.
    Client {
        /// Message type.
        kind: u8,
        /// transaction-id.
        xid: [u8; 3],
    },
    /// The relay behind us.
    Relay,
}

impl Answer {
    /// Reads the message in a Relay-reply.
    pub fn read(mut bytes: &[u8]) -> Result<Self, Invalid> {
        let mut answer = None;
        for _ in 0..MAX_LAYERS {
            match bytes.first() {
                Some(&kind::RELAY_REPLY) => {
                    let envelope = Envelope::read(bytes).map_err(|_| Invalid::NestedDamage)?;
                    answer.get_or_insert(Answer::Relay);
                    bytes = envelope.message;
                }
                Some(&kind) => {
                    let xid = simple(bytes).map_err(|_| Invalid::NestedDamage)?;
                    if is_from_client(kind) {
                        return Err(Invalid::NotServerMessage);
                    }
                    return Ok(answer.unwrap_or(Answer::Client { kind, xid }));
                }
                None => return Err(Invalid::NestedDamage),
            }
        }
        Err(Invalid::RelayTooDeep)
    }
}

/// The transaction-id of a message of clients or servers. Types that are not known are not looked into (RFC 7283).
fn simple(bytes: &[u8]) -> Result<[u8; 3], Invalid> {
    let (&[kind, x, y, z], options) = bytes
        .split_first_chunk::<4>()
        .ok_or(Invalid::ShortMessage)?;
    if kind <= kind::INFORMATION_REQUEST {
        let mut budget = Budget::default();
        for option in Tlvs(options) {
            option?;
            budget.spend()?;
        }
    }
    Ok([x, y, z])
}

/// Message types that servers alone send, as IANA's registry has them: Advertise, Reply, Reconfigure, the answers to leasequery,
/// DHCPv4-response, Reconfigure-Reply, and the answer to address registration.
const fn is_from_server(kind: u8) -> bool {
    matches!(
        kind,
        kind::ADVERTISE | kind::REPLY | kind::RECONFIGURE | 15..=17 | 19 | 21 | 37
    )
}

/// Message types that clients and relays alone send.
const fn is_from_client(kind: u8) -> bool {
    matches!(
        kind,
        0 | 1 | 3
            ..=6 | kind::RELEASE
                | 9
                | kind::INFORMATION_REQUEST
                | kind::RELAY_FORWARD
                | 14
                | 18
                | 20
                | 22
                | 36
    )
}

/// A prefix of an IA_PD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delegated {
    /// Its identity association.
    pub iaid: u32,
    /// The prefix.
    pub prefix: Ipv6Net,
    /// Seconds; all ones: for ever.
    pub preferred: u32,
    /// Seconds; 0: not delegated any more.
    pub valid: u32,
}

/// What a Reply delegates, or a Release gives back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delegation<'a> {
    /// The client's DUID.
    pub client: &'a [u8],
    /// Prefixes of all IA_PDs.
    pub prefixes: Vec<Delegated>,
}

impl<'a> Delegation<'a> {
    /// Reads the IA_PDs of a client's or server's message whose header has been looked at.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let options = bytes.get(4..).ok_or(Invalid::ShortMessage)?;
        let (mut found, mut client, mut budget) = (Self::default(), None, Budget::default());
        for option in Tlvs(options) {
            let (code, data) = option?;
            budget.spend()?;
            match code {
                code::CLIENT_ID => once(&mut client, data)?,
                code::IA_PD => found.read_ia(data, &mut budget)?,
                _ => {}
            }
        }
        found.client = client.unwrap_or_default();
        Ok(found)
    }

    fn read_ia(&mut self, data: &'a [u8], budget: &mut Budget) -> Result<(), Invalid> {
        let ([a, b, c, d, ..], options) = split::<12>(data)?;
        let iaid = u32::from_be_bytes([a, b, c, d]);
        for option in Tlvs(options) {
            let (code, data) = option?;
            budget.spend()?;
            if code != code::IA_PREFIX {
                continue;
            }
            let (fixed, _) = split::<25>(data)?;
            let word = |at: usize| {
                u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]])
            };
            let (preferred, valid, len) = (word(0), word(4), fixed[8]);
            let address = <[u8; 16]>::try_from(&fixed[9..]).unwrap_or_default();
            let prefix = Ipv6Net::new(address.into(), len)
                .map_err(|_| Invalid::Prefix)?
                .trunc();
            // RFC 8415 section 21.22: a preferred lifetime beyond the valid one makes the option void.
            if preferred <= valid {
                self.prefixes.push(Delegated {
                    iaid,
                    prefix,
                    preferred,
                    valid,
                });
            }
        }
        Ok(())
    }
}

/// A relay message being written.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// The header.
    pub(super) fn new(kind: u8, hop_count: u8, link: Ipv6Addr, peer: Ipv6Addr) -> Self {
        let mut bytes = Vec::with_capacity(512);
        bytes.extend([kind, hop_count]);
        bytes.extend(link.octets());
        bytes.extend(peer.octets());
        Self(bytes)
    }

    /// An option; its parts together are its data.
    ///
    /// # Errors
    /// [`Invalid::TooLong`] when no option holds them.
    pub(super) fn option(&mut self, code: u16, parts: &[&[u8]]) -> Result<(), Invalid> {
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        let len = u16::try_from(len).map_err(|_| Invalid::TooLong)?;
        self.0.extend(code.to_be_bytes());
        self.0.extend(len.to_be_bytes());
        parts.iter().for_each(|part| self.0.extend_from_slice(part));
        Ok(())
    }

    /// The message.
    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests;
