//! Option codes, and the classes of malformed and of senseless messages.

use crate::dhcp6_wire::{DuidFault, Fault};

/// Option codes this room reads or writes, as IANA's registry of DHCPv6 options has them.
pub mod code {
    /// Client Identifier (RFC 8415 section 21.2).
    pub const CLIENT_ID: u16 = 1;
    /// Server Identifier (RFC 8415 section 21.3).
    pub const SERVER_ID: u16 = 2;
    /// Identity Association for Non-temporary Addresses (RFC 8415 section 21.4).
    pub const IA_NA: u16 = 3;
    /// Identity Association for Temporary Addresses (RFC 8415 section 21.5); never asked for.
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
    /// Server Unicast (RFC 8415 section 21.12): obsolete by RFC 9915, and not followed.
    pub const UNICAST: u16 = 12;
    /// Status Code (RFC 8415 section 21.13).
    pub const STATUS_CODE: u16 = 13;
    /// Rapid Commit (RFC 8415 section 21.14).
    pub const RAPID_COMMIT: u16 = 14;
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
    /// Simple Network Time Protocol servers (RFC 4075).
    pub const SNTP_SERVERS: u16 = 31;
    /// Information Refresh Time (RFC 8415 section 21.23).
    pub const INFORMATION_REFRESH_TIME: u16 = 32;
    /// NTP Server (RFC 5908).
    pub const NTP_SERVER: u16 = 56;
    /// Prefix Exclude (RFC 6603).
    pub const PD_EXCLUDE: u16 = 67;
    /// SOL_MAX_RT (RFC 8415 section 21.24).
    pub const SOL_MAX_RT: u16 = 82;
    /// INF_MAX_RT (RFC 8415 section 21.25).
    pub const INF_MAX_RT: u16 = 83;
}

/// Whether option `code` belongs to the protocol itself, or is asked for without being configured.
pub(super) fn is_of_the_protocol(code: u16) -> bool {
    matches!(
        code,
        0..=14 | 18..=20 | 23..=26 | 31 | 32 | 56 | 67 | 82 | 83
    )
}

/// What can be wrong with a message so that nothing of it is used. The label is the rule's name in counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Invalid {
    /// Shorter than its fixed header (RFC 8415 section 8).
    #[error("shorter than its header")]
    ShortMessage,
    /// A message type that no RFC gives to clients.
    #[error("unknown message type")]
    UnknownType,
    /// A message that only clients and relays send (RFC 8415 section 16).
    #[error("a message of clients, sent to a client")]
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
    /// More options than the room reads.
    #[error("too many options")]
    TooManyOptions,
    /// More identity associations than the room reads.
    #[error("too many identity associations")]
    TooManyIas,
    /// More addresses and prefixes than the room reads.
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
    /// No Client Identifier (RFC 8415 sections 16.3, 16.10, 16.11).
    #[error("no client identifier")]
    NoClientId,
    /// No Server Identifier (RFC 8415 sections 16.3, 16.10, 16.11).
    #[error("no server identifier")]
    NoServerId,
    /// Not sent from a unicast address.
    #[error("source address is not unicast")]
    Source,
    /// For another client's DUID.
    #[error("for another client")]
    ForeignClient,
    /// A transaction-id that belongs to no exchange of now.
    #[error("of no exchange that is under way")]
    ForeignTransaction,
    /// An answer of another server than the one that was asked.
    #[error("of a server that was not asked")]
    OtherServer,
    /// An answer of a kind that does not fit to what was asked; a Reply to a Solicit without Rapid Commit too.
    #[error("not an answer to what was asked")]
    Unexpected,
    /// A Reconfigure without the option that says what to do (RFC 8415 section 16.11).
    #[error("a Reconfigure that does not say what to do")]
    NoReconfMsg,
    /// A Reconfigure that was not sent to an address of the client (RFC 8415 section 16.11).
    #[error("a Reconfigure sent by multicast")]
    Multicast,
    /// A Reconfigure to a client that does not take them, or has no key.
    #[error("a Reconfigure that was not agreed upon")]
    NotAgreed,
    /// A Reconfigure without a right digest (RFC 8415 section 20.4.3).
    #[error("a Reconfigure whose digest is wrong")]
    Digest,
    /// A Reconfigure that came before (RFC 8415 section 20.3).
    #[error("a Reconfigure that was replayed")]
    Replayed,
}

impl Invalid {
    /// Every class, for counters that start at zero and for the tests.
    pub const ALL: [Invalid; 24] = [
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
        Invalid::Source,
        Invalid::ForeignClient,
        Invalid::ForeignTransaction,
        Invalid::OtherServer,
        Invalid::Unexpected,
        Invalid::NoReconfMsg,
        Invalid::Multicast,
        Invalid::NotAgreed,
        Invalid::Digest,
        Invalid::Replayed,
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
            Invalid::Source => "source",
            Invalid::ForeignClient => "foreign_client",
            Invalid::ForeignTransaction => "foreign_transaction",
            Invalid::OtherServer => "other_server",
            Invalid::Unexpected => "unexpected",
            Invalid::NoReconfMsg => "no_reconf_msg",
            Invalid::Multicast => "multicast",
            Invalid::NotAgreed => "not_agreed",
            Invalid::Digest => "digest",
            Invalid::Replayed => "replayed",
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

/// A part of a valid message that makes no sense: it is left out, and counted beside the malformed ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LeftOut {
    /// T1 is greater than T2 (RFC 8415 sections 21.4 and 21.21): the whole association.
    T1BeyondT2,
    /// The preferred lifetime is greater than the valid one (RFC 8415 sections 21.6 and 21.22).
    PreferredBeyondValid,
    /// A prefix of a length that holds no /64 subnet, or of a registry's size.
    PrefixLength,
    /// A link-local, multicast, loopback or unspecified prefix.
    PrefixBlock,
    /// An address that no interface can have.
    Address,
    /// An association that was not asked for.
    ForeignIa,
    /// An excluded prefix that is no part of the delegated one (RFC 6603 section 4.2).
    Exclude,
    /// More leases than one association may hold.
    TooManyLeases,
    /// A maximum retransmission time out of 60 to 86,400 seconds (RFC 8415 sections 21.24 and 21.25).
    MaxRt,
    /// A domain name that is none, or that no host could have (RFC 1035 section 3.1, RFC 8415 section 10).
    DomainName,
}

impl LeftOut {
    /// All.
    pub const ALL: [LeftOut; 10] = [
        LeftOut::T1BeyondT2,
        LeftOut::PreferredBeyondValid,
        LeftOut::PrefixLength,
        LeftOut::PrefixBlock,
        LeftOut::Address,
        LeftOut::ForeignIa,
        LeftOut::Exclude,
        LeftOut::TooManyLeases,
        LeftOut::MaxRt,
        LeftOut::DomainName,
    ];

    /// The rule's name in counters.
    pub const fn label(self) -> &'static str {
        match self {
            LeftOut::T1BeyondT2 => "t1_beyond_t2",
            LeftOut::PreferredBeyondValid => "preferred_beyond_valid",
            LeftOut::PrefixLength => "prefix_length",
            LeftOut::PrefixBlock => "prefix_block",
            LeftOut::Address => "address",
            LeftOut::ForeignIa => "foreign_ia",
            LeftOut::Exclude => "exclude",
            LeftOut::TooManyLeases => "too_many_leases_of_one_ia",
            LeftOut::MaxRt => "max_rt",
            LeftOut::DomainName => "domain_name",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_distinct() {
        let invalid = Invalid::ALL.iter().map(|i| i.label());
        let labels: std::collections::BTreeSet<_> = invalid
            .chain(LeftOut::ALL.iter().map(|l| l.label()))
            .collect();
        assert_eq!(labels.len(), Invalid::ALL.len() + LeftOut::ALL.len());
    }
}
