//! Option codes, and the classes of malformed messages.

/// Option codes this room reads or writes, as IANA's registry of BOOTP and DHCP options has them.
pub mod code {
    /// Pad (RFC 2132 section 3.1).
    pub const PAD: u8 = 0;
    /// Subnet Mask (RFC 2132 section 3.3).
    pub const SUBNET_MASK: u8 = 1;
    /// Router (RFC 2132 section 3.5).
    pub const ROUTER: u8 = 3;
    /// Domain Name Server (RFC 2132 section 3.8).
    pub const DNS_SERVERS: u8 = 6;
    /// Host Name (RFC 2132 section 3.14).
    pub const HOST_NAME: u8 = 12;
    /// Domain Name (RFC 2132 section 3.17).
    pub const DOMAIN_NAME: u8 = 15;
    /// Interface MTU (RFC 2132 section 5.1).
    pub const MTU: u8 = 26;
    /// Broadcast Address (RFC 2132 section 5.3).
    pub const BROADCAST: u8 = 28;
    /// Network Time Protocol Servers (RFC 2132 section 8.3).
    pub const NTP_SERVERS: u8 = 42;
    /// Requested IP Address (RFC 2132 section 9.1).
    pub const REQUESTED_ADDRESS: u8 = 50;
    /// IP Address Lease Time (RFC 2132 section 9.2).
    pub const LEASE_TIME: u8 = 51;
    /// Option Overload (RFC 2132 section 9.3).
    pub const OVERLOAD: u8 = 52;
    /// DHCP Message Type (RFC 2132 section 9.6).
    pub const MESSAGE_TYPE: u8 = 53;
    /// Server Identifier (RFC 2132 section 9.7).
    pub const SERVER_ID: u8 = 54;
    /// Parameter Request List (RFC 2132 section 9.8).
    pub const PARAMETERS: u8 = 55;
    /// Message (RFC 2132 section 9.9).
    pub const MESSAGE: u8 = 56;
    /// Maximum DHCP Message Size (RFC 2132 section 9.10).
    pub const MAX_SIZE: u8 = 57;
    /// Renewal (T1) Time Value (RFC 2132 section 9.11).
    pub const T1: u8 = 58;
    /// Rebinding (T2) Time Value (RFC 2132 section 9.12).
    pub const T2: u8 = 59;
    /// Client-identifier (RFC 2132 section 9.14).
    pub const CLIENT_ID: u8 = 61;
    /// TFTP Server Name (RFC 2132 section 9.4).
    pub const TFTP_SERVER: u8 = 66;
    /// Bootfile Name (RFC 2132 section 9.5).
    pub const BOOT_FILE: u8 = 67;
    /// Rapid Commit (RFC 4039).
    pub const RAPID_COMMIT: u8 = 80;
    /// Relay Agent Information (RFC 3046).
    pub const RELAY_INFO: u8 = 82;
    /// IPv6-Only Preferred (RFC 8925).
    pub const IPV6_ONLY: u8 = 108;
    /// Domain Search (RFC 3397).
    pub const DOMAIN_SEARCH: u8 = 119;
    /// Classless Static Route (RFC 3442).
    pub const ROUTES: u8 = 121;
    /// The same under the code that Microsoft's clients used before RFC 3442.
    pub const ROUTES_MS: u8 = 249;
    /// End (RFC 2132 section 3.2).
    pub const END: u8 = 255;
}

/// What can be wrong with a message so that nothing of it is used. The label is the rule's name in counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Invalid {
    /// Shorter than the fixed fields and the magic cookie (RFC 2131 section 2).
    #[error("shorter than its fixed fields")]
    ShortMessage,
    /// An `op` that is not BOOTREQUEST: a message of servers, or none at all.
    #[error("not a BOOTREQUEST")]
    Op,
    /// Hardware type 0, which is reserved.
    #[error("a reserved hardware type")]
    HardwareType,
    /// A hardware address longer than its field, or an Ethernet address that has not 6 octets.
    #[error("a hardware address of a wrong length")]
    HardwareLength,
    /// An Ethernet address that no station can have: a group, or all zeros.
    #[error("a hardware address that is no station's")]
    HardwareAddress,
    /// Another cookie than 99.130.83.99 (RFC 2131 section 3).
    #[error("no magic cookie")]
    NoCookie,
    /// An option whose length runs beyond what holds it.
    #[error("an option runs beyond its end")]
    TruncatedOption,
    /// An option shorter or longer than its format.
    #[error("an option has a wrong length")]
    OptionLength,
    /// An option of a fixed length that stands more than once.
    #[error("an option that may stand once stands twice")]
    DuplicateOption,
    /// More than [`MAX_OPTIONS`] options.
    #[error("too many options")]
    TooManyOptions,
    /// An Option Overload that is not 1 to 3, or in an overloaded field (RFC 2132 section 9.3).
    #[error("a wrong option overload")]
    Overload,
    /// No DHCP Message Type: plain BOOTP, which is not served.
    #[error("no message type")]
    NoMessageType,
    /// A message type that no RFC gives to servers.
    #[error("unknown message type")]
    UnknownType,
    /// A message that only servers send: Offer, Ack, Nak.
    #[error("a message of servers, sent to a server")]
    WrongDirection,
    /// A Client-identifier of less than 2 octets (RFC 2132 section 9.14) or more than 255.
    #[error("a client identifier of a wrong length")]
    ClientIdLength,
    /// Neither client identifier nor hardware address.
    #[error("neither client identifier nor hardware address")]
    NoClient,
    /// No Server Identifier where one must be: Decline, Release (RFC 2131 table 5).
    #[error("no server identifier")]
    NoServerId,
    /// Neither Requested IP Address nor ciaddr in a Request, or none in a Decline.
    #[error("no requested address")]
    NoRequestedAddress,
    /// No ciaddr where one must be: Release, Inform.
    #[error("no client address")]
    NoClientAddress,
    /// A client's address that no station can have.
    #[error("a client address that is not unicast")]
    ClientAddress,
    /// Sent from an address that no station can have.
    #[error("source address is not unicast")]
    Source,
    /// More than 16 hops (RFC 1542 section 4.1.1).
    #[error("too many hops")]
    Hops,
    /// A giaddr that is no relay's: not unicast, or our own.
    #[error("a relay address that is no relay's")]
    RelayAddress,
    /// Relay Agent Information that ends within a sub-option, or has one of a wrong length.
    #[error("malformed relay agent information")]
    RelayInfo,
    /// A giaddr, or Relay Agent Information, of somebody who is no relay by configuration.
    #[error("a relay that is not trusted")]
    UntrustedRelay,
}

impl Invalid {
    /// Every class, for counters that start at zero and for the tests.
    pub const ALL: [Invalid; 25] = [
        Invalid::ShortMessage,
        Invalid::Op,
        Invalid::HardwareType,
        Invalid::HardwareLength,
        Invalid::HardwareAddress,
        Invalid::NoCookie,
        Invalid::TruncatedOption,
        Invalid::OptionLength,
        Invalid::DuplicateOption,
        Invalid::TooManyOptions,
        Invalid::Overload,
        Invalid::NoMessageType,
        Invalid::UnknownType,
        Invalid::WrongDirection,
        Invalid::ClientIdLength,
        Invalid::NoClient,
        Invalid::NoServerId,
        Invalid::NoRequestedAddress,
        Invalid::NoClientAddress,
        Invalid::ClientAddress,
        Invalid::Source,
        Invalid::Hops,
        Invalid::RelayAddress,
        Invalid::RelayInfo,
        Invalid::UntrustedRelay,
    ];

    /// The rule's name in counters.
    pub const fn label(self) -> &'static str {
        match self {
            Invalid::ShortMessage => "short_message",
            Invalid::Op => "op",
            Invalid::HardwareType => "hardware_type",
            Invalid::HardwareLength => "hardware_length",
            Invalid::HardwareAddress => "hardware_address",
            Invalid::NoCookie => "no_cookie",
            Invalid::TruncatedOption => "truncated_option",
            Invalid::OptionLength => "option_length",
            Invalid::DuplicateOption => "duplicate_option",
            Invalid::TooManyOptions => "too_many_options",
            Invalid::Overload => "overload",
            Invalid::NoMessageType => "no_message_type",
            Invalid::UnknownType => "unknown_type",
            Invalid::WrongDirection => "wrong_direction",
            Invalid::ClientIdLength => "client_id_length",
            Invalid::NoClient => "no_client",
            Invalid::NoServerId => "no_server_id",
            Invalid::NoRequestedAddress => "no_requested_address",
            Invalid::NoClientAddress => "no_client_address",
            Invalid::ClientAddress => "client_address",
            Invalid::Source => "source",
            Invalid::Hops => "hops",
            Invalid::RelayAddress => "relay_address",
            Invalid::RelayInfo => "relay_info",
            Invalid::UntrustedRelay => "untrusted_relay",
        }
    }
}

/// Most options of one message: a client has a few dozen.
pub const MAX_OPTIONS: usize = 256;

/// The options of one field, up to its end mark (RFC 2132 section 2).
///
/// Gives code and data of each; after an option that runs beyond the end it gives the error and then nothing. The end mark
/// may be missing: there are clients that leave it out.
#[derive(Clone, Debug)]
pub struct Tlvs<'a>(pub &'a [u8]);

impl<'a> Iterator for Tlvs<'a> {
    type Item = Result<(u8, &'a [u8]), Invalid>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&code, rest) = self.0.split_first()?;
            match code {
                code::PAD => self.0 = rest,
                code::END => {
                    self.0 = &[];
                    return None;
                }
                code => {
                    let split = rest
                        .split_first()
                        .and_then(|(len, rest)| rest.split_at_checked(usize::from(*len)));
                    let Some((data, rest)) = split else {
                        self.0 = &[];
                        return Some(Err(Invalid::TruncatedOption));
                    };
                    self.0 = rest;
                    return Some(Ok((code, data)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_follow_each_other_up_to_the_end() {
        let bytes = [0, 0, 53, 1, 1, 0, 61, 2, 9, 8, 255, 12, 200];
        let read: Vec<_> = Tlvs(&bytes).collect();
        assert_eq!(read, [Ok((53, &[1][..])), Ok((61, &[9, 8][..]))]);
        for cut in [&[53][..], &[53, 2, 1], &[0, 61, 255]] {
            let read: Vec<_> = Tlvs(cut).collect();
            assert_eq!(read, [Err(Invalid::TruncatedOption)], "{cut:?}");
        }
        assert_eq!(Tlvs(&[53, 0]).count(), 1, "the end mark may be missing");
        assert_eq!(Tlvs(&[]).count(), 0);
    }

    #[test]
    fn labels_are_distinct() {
        let labels: std::collections::BTreeSet<_> =
            Invalid::ALL.iter().map(|i| i.label()).collect();
        assert_eq!(labels.len(), Invalid::ALL.len());
    }
}
