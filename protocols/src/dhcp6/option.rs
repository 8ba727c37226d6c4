//! Option codes, and the classes of malformed messages.

use crate::dhcp6_wire::{DuidFault, Fault};

/// Option codes this room reads or writes, as IANA's registry of DHCPv6 options has them.
pub mod code {
    /// Client Identifier (RFC 8415 section 21.2).
    pub const CLIENT_ID: u16 = 1;
    /// Server Identifier (RFC 8415 section 21.3).
    pub const SERVER_ID: u16 = 2;
    /// Identity Association for Non-temporary Addresses (RFC 8415 section 21.4).
    pub const IA_NA: u16 = 3;
    /// Identity Association for Temporary Addresses (RFC 8415 section 21.5).
    pub const IA_TA: u16 = 4;
    /// IA Address (RFC 8415 section 21.6).
    pub const IA_ADDR: u16 = 5;
    /// Option Request (RFC 8415 section 21.7).
    pub const ORO: u16 = 6;
    /// Preference (RFC 8415 section 21.8).
    pub const PREFERENCE: u16 = 7;
    /// Elapsed Time (RFC 8415 section 21.9).
    pub const ELAPSED_TIME: u16 = 8;
    /// Relay Message (RFC 8415 section 21.10).
    pub const RELAY_MSG: u16 = 9;
    /// Authentication (RFC 8415 section 21.11).
    pub const AUTH: u16 = 11;
    /// Status Code (RFC 8415 section 21.13).
    pub const STATUS_CODE: u16 = 13;
    /// Rapid Commit (RFC 8415 section 21.14).
    pub const RAPID_COMMIT: u16 = 14;
    /// Vendor Class (RFC 8415 section 21.16).
    pub const VENDOR_CLASS: u16 = 16;
    /// Vendor-specific Information (RFC 8415 section 21.17).
    pub const VENDOR_OPTS: u16 = 17;
    /// Interface-Id (RFC 8415 section 21.18).
    pub const INTERFACE_ID: u16 = 18;
    /// Reconfigure Message (RFC 8415 section 21.19).
    pub const RECONF_MSG: u16 = 19;
    /// Reconfigure Accept (RFC 8415 section 21.20).
    pub const RECONF_ACCEPT: u16 = 20;
    /// DNS Recursive Name Server (RFC 3646 section 3).
    pub const DNS_SERVERS: u16 = 23;
    /// Domain Search List (RFC 3646 section 4).
    pub const DOMAIN_LIST: u16 = 24;
    /// Identity Association for Prefix Delegation (RFC 8415 section 21.21).
    pub const IA_PD: u16 = 25;
    /// IA Prefix (RFC 8415 section 21.22).
    pub const IA_PREFIX: u16 = 26;
    /// Information Refresh Time (RFC 8415 section 21.23).
    pub const INFORMATION_REFRESH_TIME: u16 = 32;
    /// Relay Agent Remote-ID (RFC 4649).
    pub const REMOTE_ID: u16 = 37;
    /// Relay Agent Subscriber-ID (RFC 4580).
    pub const SUBSCRIBER_ID: u16 = 38;
    /// Client FQDN (RFC 4704).
    pub const CLIENT_FQDN: u16 = 39;
    /// Echo Request (RFC 4994).
    pub const ERO: u16 = 43;
    /// NTP Server (RFC 5908).
    pub const NTP_SERVER: u16 = 56;
    /// Boot File Uniform Resource Locator (RFC 5970 section 3.1).
    pub const BOOTFILE_URL: u16 = 59;
    /// Boot File Parameters (RFC 5970 section 3.2).
    pub const BOOTFILE_PARAM: u16 = 60;
    /// Prefix Exclude (RFC 6603).
    pub const PD_EXCLUDE: u16 = 67;
    /// Client Link-Layer Address (RFC 6939).
    pub const CLIENT_LINKLAYER_ADDR: u16 = 79;
    /// SOL_MAX_RT (RFC 8415 section 21.24).
    pub const SOL_MAX_RT: u16 = 82;
    /// INF_MAX_RT (RFC 8415 section 21.25).
    pub const INF_MAX_RT: u16 = 83;
    /// Relay Source Port (RFC 8357).
    pub const RELAY_SOURCE_PORT: u16 = 135;
    /// Address Registration Option (RFC 9686 section 4.1), without data: the server takes registrations.
    pub const ADDR_REG_ENABLE: u16 = 148;
}

/// What can be wrong with a message so that nothing of it is used. The label is the rule's name in counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Invalid {
    /// Shorter than the fixed header of its kind (RFC 8415 sections 8 and 9).
    #[error("shorter than its header")]
    ShortMessage,
    /// A message type that no RFC gives to servers.
    #[error("unknown message type")]
    UnknownType,
    /// A message that only servers send: Advertise, Reply, Reconfigure, Relay-reply (RFC 8415 section 16).
    #[error("a message of servers, sent to a server")]
    WrongDirection,
    /// An option whose length runs beyond what holds it.
    #[error("an option runs beyond its end")]
    TruncatedOption,
    /// An option shorter or longer than its format.
    #[error("an option has a wrong length")]
    OptionLength,
    /// An option that may stand once stands twice (RFC 8415 section 21).
    #[error("an option that may stand once stands twice")]
    DuplicateOption,
    /// More than [`MAX_OPTIONS`](crate::dhcp6_wire::MAX_OPTIONS) options.
    #[error("too many options")]
    TooManyOptions,
    /// More than [`MAX_IAS`](crate::dhcp6_wire::MAX_IAS) identity associations.
    #[error("too many identity associations")]
    TooManyIas,
    /// More than [`MAX_LEASES`](crate::dhcp6_wire::MAX_LEASES) addresses and prefixes.
    #[error("too many addresses")]
    TooManyLeases,
    /// An IA in an IA, an address outside of one, or a prefix where an address belongs.
    #[error("an option where it may not stand")]
    MisplacedOption,
    /// A DUID without a type and at least one octet of value (RFC 8415 section 11.1).
    #[error("DUID too short")]
    ShortDuid,
    /// A DUID of more than 130 octets, type included (RFC 8415 section 11.1).
    #[error("DUID too long")]
    LongDuid,
    /// No Client Identifier where one must be (RFC 8415 section 16).
    #[error("no client identifier")]
    NoClientId,
    /// No Server Identifier where one must be.
    #[error("no server identifier")]
    NoServerId,
    /// A Server Identifier where none may be: Solicit, Confirm, Rebind.
    #[error("a server identifier in a message to all servers")]
    UnexpectedServerId,
    /// An IA in an Information-request (RFC 8415 section 16.12) or a registration.
    #[error("an IA where none may be")]
    UnexpectedIa,
    /// A registration without an IA Address (RFC 9686 section 4.2.1).
    #[error("a registration without an address")]
    NoAddress,
    /// A registration of another address than the one that it was sent from.
    #[error("a registration of another address than its source")]
    ForeignAddress,
    /// A registration that requests options.
    #[error("a registration that requests options")]
    UnexpectedRequest,
    /// A prefix longer than 128 bits.
    #[error("a prefix longer than 128 bits")]
    PrefixLength,
    /// A domain name that is none (RFC 1035 section 3.1).
    #[error("a domain name that is none")]
    DomainName,
    /// Sent from an address that cannot be answered.
    #[error("source address is not unicast")]
    Source,
    /// A message to all servers sent to a unicast address (RFC 8415 section 18.4).
    #[error("sent by unicast")]
    Unicast,
    /// More relays than HOP_COUNT_LIMIT allows (RFC 8415 section 7.6).
    #[error("too many relays")]
    RelayTooDeep,
    /// A Relay-forward without a Relay Message option (RFC 8415 section 9.1).
    #[error("a relayed message without a message")]
    RelayEmpty,
    /// A Relay-forward from an address that is no relay by configuration.
    #[error("a relay that is not trusted")]
    UntrustedRelay,
}

impl Invalid {
    /// Every class, for counters that start at zero and for the tests.
    pub const ALL: [Invalid; 26] = [
        Invalid::ShortMessage,
        Invalid::UnknownType,
        Invalid::WrongDirection,
        Invalid::TruncatedOption,
        Invalid::OptionLength,
        Invalid::DuplicateOption,
        Invalid::TooManyOptions,
        Invalid::TooManyIas,
        Invalid::TooManyLeases,
        Invalid::MisplacedOption,
        Invalid::ShortDuid,
        Invalid::LongDuid,
        Invalid::NoClientId,
        Invalid::NoServerId,
        Invalid::UnexpectedServerId,
        Invalid::UnexpectedIa,
        Invalid::NoAddress,
        Invalid::ForeignAddress,
        Invalid::UnexpectedRequest,
        Invalid::PrefixLength,
        Invalid::DomainName,
        Invalid::Source,
        Invalid::Unicast,
        Invalid::RelayTooDeep,
        Invalid::RelayEmpty,
        Invalid::UntrustedRelay,
    ];

    /// The rule's name in counters.
    pub const fn label(self) -> &'static str {
        match self {
            Invalid::ShortMessage => "short_message",
            Invalid::UnknownType => "unknown_type",
            Invalid::WrongDirection => "wrong_direction",
            Invalid::TruncatedOption => "truncated_option",
            Invalid::OptionLength => "option_length",
            Invalid::DuplicateOption => "duplicate_option",
            Invalid::TooManyOptions => "too_many_options",
            Invalid::TooManyIas => "too_many_ias",
            Invalid::TooManyLeases => "too_many_leases",
            Invalid::MisplacedOption => "misplaced_option",
            Invalid::ShortDuid => "short_duid",
            Invalid::LongDuid => "long_duid",
            Invalid::NoClientId => "no_client_id",
            Invalid::NoServerId => "no_server_id",
            Invalid::UnexpectedServerId => "unexpected_server_id",
            Invalid::UnexpectedIa => "unexpected_ia",
            Invalid::NoAddress => "no_address",
            Invalid::ForeignAddress => "foreign_address",
            Invalid::UnexpectedRequest => "unexpected_request",
            Invalid::PrefixLength => "prefix_length",
            Invalid::DomainName => "domain_name",
            Invalid::Source => "source",
            Invalid::Unicast => "unicast",
            Invalid::RelayTooDeep => "relay_too_deep",
            Invalid::RelayEmpty => "relay_empty",
            Invalid::UntrustedRelay => "untrusted_relay",
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

impl From<DuidFault> for Invalid {
    fn from(fault: DuidFault) -> Self {
        match fault {
            DuidFault::Short => Invalid::ShortDuid,
            DuidFault::Long => Invalid::LongDuid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_distinct() {
        let labels: std::collections::BTreeSet<_> =
            Invalid::ALL.iter().map(|i| i.label()).collect();
        assert_eq!(labels.len(), Invalid::ALL.len());
    }
}
