//! Ethernet II.
//!
//! ```text
//! +-------------------+-------------------+-----------+
//! | destination (6)   | source (6)        | type (2)  | payload ...
//! +-------------------+-------------------+-----------+
//! ```

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{DecodeError, Header};

/// A 48-bit MAC address.
#[derive(
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
)]
#[repr(transparent)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);
    /// `00:00:00:00:00:00`, which no station has.
    pub const ZERO: MacAddr = MacAddr([0; 6]);

    /// The bytes, in wire order.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether the group bit is set: multicast or broadcast.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether this is the broadcast address.
    pub const fn is_broadcast(self) -> bool {
        matches!(self.0, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    }

    /// Whether this can be the address of one station: neither a group nor all zeros.
    pub const fn is_station(self) -> bool {
        !self.is_multicast() && !matches!(self.0, [0, 0, 0, 0, 0, 0])
    }

    /// Where an IPv6 multicast group lives on Ethernet: `33:33` and its last 32 bits (RFC 2464
    /// section 7).
    pub const fn for_ipv6_multicast(group: &Ipv6Addr) -> MacAddr {
        let g = group.octets();
        MacAddr([0x33, 0x33, g[12], g[13], g[14], g[15]])
    }

    /// Where an IPv4 multicast group lives on Ethernet: `01:00:5e` and its last 23 bits (RFC 1112
    /// section 6.4).
    pub const fn for_ipv4_multicast(group: Ipv4Addr) -> MacAddr {
        let g = group.octets();
        MacAddr([0x01, 0x00, 0x5e, g[1] & 0x7f, g[2], g[3]])
    }

    /// The modified EUI-64 interface identifier (RFC 4291 appendix A): `ff:fe` in the middle,
    /// universal bit inverted.
    pub const fn interface_id(self) -> [u8; 8] {
        let m = self.0;
        [m[0] ^ 0x02, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]]
    }

    /// The link-local address with this station's interface identifier (RFC 2464 section 5).
    pub const fn link_local(self) -> Ipv6Addr {
        Ipv6Addr::from_bits((0xfe80 << 112) | u64::from_be_bytes(self.interface_id()) as u128)
    }
}

impl From<[u8; 6]> for MacAddr {
    fn from(octets: [u8; 6]) -> Self {
        MacAddr(octets)
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = self.0;
        write!(
            f,
            "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
            m[0], m[1], m[2], m[3], m[4], m[5]
        )
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a MAC address is six pairs of hexadecimal digits with ':' or '-' between, as 02:00:00:00:00:01"
)]
pub struct MacAddrParseError;

impl FromStr for MacAddr {
    type Err = MacAddrParseError;

    fn from_str(s: &str) -> Result<Self, MacAddrParseError> {
        let separator = if s.contains('-') { '-' } else { ':' };
        let mut octets = [0; 6];
        let mut parts = s.split(separator);
        for octet in &mut octets {
            let part = parts.next().ok_or(MacAddrParseError)?;
            // `from_str_radix` would accept a sign.
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(MacAddrParseError);
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| MacAddrParseError)?;
        }
        if parts.next().is_some() {
            Err(MacAddrParseError)
        } else {
            Ok(MacAddr(octets))
        }
    }
}

/// What an Ethernet frame or a VLAN tag carries, in host order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub const IPV4: EtherType = EtherType(0x0800);
    /// ARP (RFC 826).
    pub const ARP: EtherType = EtherType(0x0806);
    /// An Ethernet frame within a tunnel: transparent Ethernet bridging (RFC 1701, RFC 7637 section
    /// 3.2).
    pub const TRANSPARENT_BRIDGING: EtherType = EtherType(0x6558);
    /// A customer VLAN tag (802.1Q).
    pub const VLAN: EtherType = EtherType(0x8100);
    /// IPv6 (RFC 2464).
    pub const IPV6: EtherType = EtherType(0x86dd);
    /// A service VLAN tag, the outer one of QinQ (802.1ad).
    pub const QINQ: EtherType = EtherType(0x88a8);
    /// Link layer discovery (802.1AB).
    pub const LLDP: EtherType = EtherType(0x88cc);

    /// Whether this is a VLAN tag of either kind.
    pub const fn is_vlan(self) -> bool {
        matches!(self, EtherType::VLAN | EtherType::QINQ)
    }

    /// Whether the field is an 802.3 length rather than a type: a frame with LLC, which IP does not
    /// use here.
    pub const fn is_length(self) -> bool {
        self.0 < 0x0600
    }
}

/// The Ethernet II header, without VLAN tags.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct EtherHeader {
    destination: MacAddr,
    source: MacAddr,
    ether_type: U16,
}

impl EtherHeader {
    /// Length in bytes.
    pub const LEN: usize = 14;

    /// A header to send.
    pub fn new(destination: MacAddr, source: MacAddr, ether_type: EtherType) -> Self {
        EtherHeader {
            destination,
            source,
            ether_type: U16::new(ether_type.0),
        }
    }

    /// The header at the start of `frame`, and what follows.
    pub fn parse(frame: &[u8]) -> Result<(&EtherHeader, &[u8]), DecodeError> {
        EtherHeader::ref_from_prefix(frame).map_err(|_| DecodeError::Truncated {
            header: Header::Ether,
            need: EtherHeader::LEN,
            have: frame.len(),
        })
    }

    /// Where the frame goes.
    pub fn destination(&self) -> MacAddr {
        self.destination
    }

    /// Who sent it.
    pub fn source(&self) -> MacAddr {
        self.source
    }

    /// What follows.
    pub fn ether_type(&self) -> EtherType {
        EtherType(self.ether_type.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addr_text_both_ways() {
        let mac: MacAddr = "02:AB:cd:00:1f:ff".parse().unwrap();
        assert_eq!(mac.0, [0x02, 0xab, 0xcd, 0x00, 0x1f, 0xff]);
        assert_eq!(mac.to_string(), "02:ab:cd:00:1f:ff");
        assert_eq!("02-ab-cd-00-1f-ff".parse(), Ok(mac));
        for bad in [
            "",
            "02:ab",
            "02:ab:cd:00:1f:ff:00",
            "+2:ab:cd:00:1f:ff",
            "2:ab:cd:00:1f:ff",
            "02:ab-cd:00:1f:ff",
        ] {
            assert_eq!(bad.parse::<MacAddr>(), Err(MacAddrParseError), "{bad}");
        }
    }

    #[test]
    fn addresses_derived_from_a_mac() {
        // The example of RFC 4291 appendix A, and what Linux gives 52:54:00:12:34:56.
        let mac: MacAddr = "52:54:00:12:34:56".parse().unwrap();
        assert_eq!(
            mac.link_local(),
            "fe80::5054:ff:fe12:3456".parse::<Ipv6Addr>().unwrap()
        );
    }

    #[test]
    fn groups_on_ethernet() {
        let all_nodes = "ff02::1".parse().unwrap();
        assert_eq!(
            MacAddr::for_ipv6_multicast(&all_nodes).to_string(),
            "33:33:00:00:00:01"
        );
        // 224.128.x and 224.0.x share a MAC: only 23 bits are taken.
        let group = Ipv4Addr::new(239, 129, 2, 3);
        assert_eq!(
            MacAddr::for_ipv4_multicast(group).to_string(),
            "01:00:5e:01:02:03"
        );
        assert!(MacAddr::for_ipv4_multicast(group).is_multicast());
        assert!(!MacAddr::ZERO.is_station());
    }

    #[test]
    fn header_both_ways() {
        let bytes = [0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x86, 0xdd, 0x60];
        let (header, rest) = EtherHeader::parse(&bytes).unwrap();
        assert_eq!(header.ether_type(), EtherType::IPV6);
        assert_eq!(header.source().to_string(), "02:00:00:00:00:09");
        assert_eq!(rest, [0x60]);
        let built = EtherHeader::new(header.destination(), header.source(), EtherType::IPV6);
        assert_eq!(built.as_bytes(), &bytes[..14]);
        assert_eq!(
            EtherHeader::parse(&bytes[..13]),
            Err(DecodeError::Truncated {
                header: Header::Ether,
                need: 14,
                have: 13
            })
        );
    }
}
