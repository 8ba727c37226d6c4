//! Why bytes are not the header they claim to be, and why a packet cannot be written.

use thiserror::Error;

/// The header a decoder was reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Header {
    /// Ethernet II.
    Ether,
    /// An 802.1Q or 802.1ad tag.
    Vlan,
    /// ARP for IPv4 over Ethernet.
    Arp,
    /// The fixed IPv4 header and its options.
    Ipv4,
    /// The fixed IPv6 header.
    Ipv6,
    /// An IPv6 extension header.
    Extension,
    /// ICMP for IPv4.
    Icmpv4,
    /// ICMPv6.
    Icmpv6,
    /// Multicast listener discovery.
    Mld,
    /// Internet group management.
    Igmp,
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

impl std::fmt::Display for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Header::Ether => "Ethernet",
            Header::Vlan => "VLAN tag",
            Header::Arp => "ARP",
            Header::Ipv4 => "IPv4",
            Header::Ipv6 => "IPv6",
            Header::Extension => "IPv6 extension header",
            Header::Icmpv4 => "ICMP",
            Header::Icmpv6 => "ICMPv6",
            Header::Mld => "MLD",
            Header::Igmp => "IGMP",
            Header::Udp => "UDP",
            Header::Tcp => "TCP",
        })
    }
}

/// Why a header could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes end before the header does.
    #[error("{header}: {have} bytes where {need} are needed")]
    Truncated {
        /// The header that was being read.
        header: Header,
        /// Bytes needed, from the start of that header.
        need: usize,
        /// Bytes there, from the start of that header.
        have: usize,
    },
    /// A field has a value that the header cannot have.
    #[error("{header}: {field} (byte {offset}) cannot be {value}")]
    Field {
        /// The header that was being read.
        header: Header,
        /// The name the RFC gives the field.
        field: &'static str,
        /// Its place, in bytes from the start of that header.
        offset: usize,
        /// The value found.
        value: u32,
    },
    /// The checksum does not match.
    #[error("{header}: checksum is wrong")]
    Checksum {
        /// The header that was being read.
        header: Header,
    },
}

impl DecodeError {
    /// `Ok` when `have` bytes suffice for `need`.
    pub(crate) const fn need(header: Header, need: usize, have: usize) -> Result<(), DecodeError> {
        if have < need {
            Err(DecodeError::Truncated { header, need, have })
        } else {
            Ok(())
        }
    }

    /// A field with an impossible value.
    pub(crate) fn field(header: Header, field: &'static str, offset: usize, value: u32) -> Self {
        DecodeError::Field {
            header,
            field,
            offset,
            value,
        }
    }
}

/// Why a packet could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EmitError {
    /// The buffer is too small.
    #[error("{have} bytes of room where {need} are needed")]
    NoRoom {
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// A value that its field cannot hold.
    #[error("{field} cannot be {value}")]
    Value {
        /// The name the RFC gives the field.
        field: &'static str,
        /// The value asked for.
        value: u64,
    },
    /// A domain name that DNS cannot encode (RFC 1035 section 3.1).
    #[error("domain name {index} of the search list is not a valid name")]
    DomainName {
        /// Which name of the list, from 0.
        index: usize,
    },
}

/// The first `need` bytes of `buf`, or how much room is missing.
pub(crate) fn room(buf: &mut [u8], need: usize) -> Result<&mut [u8], EmitError> {
    let have = buf.len();
    buf.get_mut(..need).ok_or(EmitError::NoRoom { need, have })
}
