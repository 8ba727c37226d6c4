//! ARP for IPv4 over Ethernet (RFC 826), probes and announcements (RFC 5227).
//!
//! ```text
//!  0                   1                   2                   3
//! +-------------------------------+-------------------------------+
//! |      hardware type (1)        |      protocol type (0x0800)   |
//! +---------------+---------------+-------------------------------+
//! |  hw len (6)   | proto len (4) |          operation            |
//! +---------------+---------------+-------------------------------+
//! |  sender hardware address (6)  ...  sender protocol address (4)|
//! |  target hardware address (6)  ...  target protocol address (4)|
//! +---------------------------------------------------------------+
//! ```

use std::net::Ipv4Addr;

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{DecodeError, Header};
use crate::ether::{EtherType, MacAddr};

/// What an ARP packet asks or says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
}

/// An ARP packet for IPv4 over Ethernet.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct ArpPacket {
    hardware_type: U16,
    protocol_type: U16,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16,
    sender_mac: MacAddr,
    sender_ip: [u8; 4],
    target_mac: MacAddr,
    target_ip: [u8; 4],
}

const HARDWARE_ETHERNET: u16 = 1;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

impl ArpPacket {
    /// Length in bytes.
    pub const LEN: usize = 28;

    /// A packet of any kind; see [`ArpPacket::request`], [`ArpPacket::reply`] and
    /// [`ArpPacket::announcement`].
    pub fn new(
        operation: Operation,
        sender: (MacAddr, Ipv4Addr),
        target: (MacAddr, Ipv4Addr),
    ) -> Self {
        let operation = match operation {
            Operation::Request => REQUEST,
            Operation::Reply => REPLY,
        };
        ArpPacket {
            hardware_type: U16::new(HARDWARE_ETHERNET),
            protocol_type: U16::new(EtherType::IPV4.0),
            hardware_len: 6,
            protocol_len: 4,
            operation: U16::new(operation),
            sender_mac: sender.0,
            sender_ip: sender.1.octets(),
            target_mac: target.0,
            target_ip: target.1.octets(),
        }
    }

    /// Who has `target`? With an unspecified sender address this is a probe (RFC 5227 section 1.1).
    pub fn request(sender_mac: MacAddr, sender_ip: Ipv4Addr, target: Ipv4Addr) -> Self {
        ArpPacket::new(
            Operation::Request,
            (sender_mac, sender_ip),
            (MacAddr::ZERO, target),
        )
    }

    /// `sender_mac` has `sender_ip`, said to the one who asked.
    pub fn reply(sender_mac: MacAddr, sender_ip: Ipv4Addr, asker: (MacAddr, Ipv4Addr)) -> Self {
        ArpPacket::new(Operation::Reply, (sender_mac, sender_ip), asker)
    }

    /// `mac` has `ip`, said to all (RFC 5227 section 3: a request for the sender's own address).
    pub fn announcement(mac: MacAddr, ip: Ipv4Addr) -> Self {
        ArpPacket::new(Operation::Request, (mac, ip), (MacAddr::ZERO, ip))
    }

    /// The packet at the start of an Ethernet payload, whose padding is ignored.
    ///
    /// The sender must be one station (RFC 1812 section 3.3.2); its address may be unspecified (a
    /// probe), but neither a group nor a broadcast.
    pub fn parse(payload: &[u8]) -> Result<&ArpPacket, DecodeError> {
        const H: Header = Header::Arp;
        let (arp, _) = ArpPacket::ref_from_prefix(payload).map_err(|_| DecodeError::Truncated {
            header: H,
            need: ArpPacket::LEN,
            have: payload.len(),
        })?;
        let constants = [
            (
                "hardware type",
                0,
                arp.hardware_type.get(),
                HARDWARE_ETHERNET,
            ),
            (
                "protocol type",
                2,
                arp.protocol_type.get(),
                EtherType::IPV4.0,
            ),
            ("hardware address length", 4, u16::from(arp.hardware_len), 6),
            ("protocol address length", 5, u16::from(arp.protocol_len), 4),
        ];
        for (field, offset, value, wanted) in constants {
            if value != wanted {
                return Err(DecodeError::field(H, field, offset, u32::from(value)));
            }
        }
        let operation = arp.operation.get();
        if operation != REQUEST && operation != REPLY {
            return Err(DecodeError::field(H, "operation", 6, u32::from(operation)));
        }
        if !arp.sender_mac.is_station() {
            let start = u32::from(arp.sender_mac.0[0]);
            return Err(DecodeError::field(H, "sender hardware address", 8, start));
        }
        let sender = arp.sender_ip();
        if sender.is_multicast() || sender.is_broadcast() || sender.is_loopback() {
            return Err(DecodeError::field(
                H,
                "sender protocol address",
                14,
                sender.to_bits(),
            ));
        }
        Ok(arp)
    }

    /// What the packet is.
    pub fn operation(&self) -> Operation {
        if self.operation.get() == REQUEST {
            Operation::Request
        } else {
            Operation::Reply
        }
    }

    /// The station that sent it.
    pub fn sender_mac(&self) -> MacAddr {
        self.sender_mac
    }

    /// The address it says it has; unspecified in a probe.
    pub fn sender_ip(&self) -> Ipv4Addr {
        self.sender_ip.into()
    }

    /// The station it is meant for; meaningless in a request.
    pub fn target_mac(&self) -> MacAddr {
        self.target_mac
    }

    /// The address asked for, or the asker's in a reply.
    pub fn target_ip(&self) -> Ipv4Addr {
        self.target_ip.into()
    }

    /// Whether this asks if anybody uses an address before taking it (RFC 5227).
    pub fn is_probe(&self) -> bool {
        self.operation() == Operation::Request && self.sender_ip().is_unspecified()
    }

    /// Whether this announces the sender's own address (gratuitous ARP, either operation).
    pub fn is_announcement(&self) -> bool {
        self.sender_ip == self.target_ip && !self.sender_ip().is_unspecified()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request as Linux sends it: 192.0.2.1 asks for 192.0.2.2.
    const REQUEST_BYTES: [u8; 28] = [
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 192, 0,
        2, 1, 0, 0, 0, 0, 0, 0, 192, 0, 2, 2,
    ];

    #[test]
    fn request_both_ways() {
        let arp = ArpPacket::parse(&REQUEST_BYTES).unwrap();
        assert_eq!(arp.operation(), Operation::Request);
        assert_eq!(arp.sender_mac().to_string(), "52:54:00:12:34:56");
        assert_eq!(
            (arp.sender_ip(), arp.target_ip()),
            (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2))
        );
        assert!(!arp.is_probe() && !arp.is_announcement());
        let built = ArpPacket::request(arp.sender_mac(), arp.sender_ip(), arp.target_ip());
        assert_eq!(built.as_bytes(), REQUEST_BYTES);
    }

    #[test]
    fn reply_and_announcement() {
        let (mac, ip) = (MacAddr([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(10, 0, 0, 1));
        let asker = (MacAddr([2, 0, 0, 0, 0, 2]), Ipv4Addr::new(10, 0, 0, 2));
        let reply = ArpPacket::reply(mac, ip, asker);
        let read = ArpPacket::parse(reply.as_bytes()).unwrap();
        assert_eq!(
            (read.operation(), read.target_mac(), read.target_ip()),
            (Operation::Reply, asker.0, asker.1)
        );
        assert!(ArpPacket::announcement(mac, ip).is_announcement());
        assert!(ArpPacket::request(mac, Ipv4Addr::UNSPECIFIED, ip).is_probe());
    }

    #[test]
    fn each_bad_field_is_named() {
        let cases: [(usize, u8, &str); 8] = [
            (1, 6, "hardware type"),
            (3, 1, "protocol type"),
            (4, 8, "hardware address length"),
            (5, 16, "protocol address length"),
            (7, 3, "operation"),
            (8, 0x33, "sender hardware address"),
            (14, 224, "sender protocol address"),
            (14, 127, "sender protocol address"),
        ];
        for (offset, value, wanted) in cases {
            let mut bytes = REQUEST_BYTES;
            bytes[offset] = value;
            match ArpPacket::parse(&bytes) {
                Err(DecodeError::Field {
                    header: Header::Arp,
                    field,
                    ..
                }) => assert_eq!(field, wanted),
                other => panic!("{wanted}: {other:?}"),
            }
        }
        let short = DecodeError::Truncated {
            header: Header::Arp,
            need: 28,
            have: 27,
        };
        assert_eq!(ArpPacket::parse(&REQUEST_BYTES[..27]), Err(short));
    }
}
