//! UDP (RFC 768).
//!
//! ```text
//!  0                   1                   2                   3
//! +-------------------------------+-------------------------------+
//! |          source port          |       destination port        |
//! +-------------------------------+-------------------------------+
//! |            length             |           checksum            |
//! +-------------------------------+-------------------------------+
//! ```

use std::net::{IpAddr, SocketAddr};

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::Sum;
use crate::error::{DecodeError, EmitError, Header, room};
use crate::ext_header;
use crate::ipv4::Ipv4Header;
use crate::ipv6::{Ipv6Header, Protocol};

/// The UDP header.
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct UdpHeader {
    source_port: U16,
    destination_port: U16,
    len: U16,
    checksum: U16,
}

impl UdpHeader {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// A header to send. `len` counts the header; the checksum is computed by the caller
    /// ([`crate::checksum::Sum::finish_udp`]), 0 for none, which IPv6 allows only to tunnels: see
    /// [`ZeroChecksum`].
    pub fn new(source_port: u16, destination_port: u16, len: u16, checksum: u16) -> Self {
        UdpHeader {
            source_port: U16::new(source_port),
            destination_port: U16::new(destination_port),
            len: U16::new(len),
            checksum: U16::new(checksum),
        }
    }

    /// The header at the start of `bytes`, and its payload as its length says. The checksum is not
    /// looked at.
    pub fn parse(bytes: &[u8]) -> Result<(&UdpHeader, &[u8]), DecodeError> {
        let (header, rest) = UdpHeader::parse_prefix(bytes)?;
        let len = usize::from(header.len.get());
        if len < UdpHeader::LEN {
            return Err(DecodeError::field(Header::Udp, "length", 4, len as u32));
        }
        let payload = rest
            .get(..len - UdpHeader::LEN)
            .ok_or(DecodeError::Truncated {
                header: Header::Udp,
                need: len,
                have: bytes.len(),
            })?;
        Ok((header, payload))
    }

    /// The header alone, as the first fragment or a quote has it, and all that follows.
    pub fn parse_prefix(bytes: &[u8]) -> Result<(&UdpHeader, &[u8]), DecodeError> {
        UdpHeader::ref_from_prefix(bytes).map_err(|_| DecodeError::Truncated {
            header: Header::Udp,
            need: UdpHeader::LEN,
            have: bytes.len(),
        })
    }

    /// The sender's port; 0 when it wants no answer.
    pub fn source_port(&self) -> u16 {
        self.source_port.get()
    }

    /// The receiver's port.
    pub fn destination_port(&self) -> u16 {
        self.destination_port.get()
    }

    /// Bytes of header and payload; 0 in a jumbogram.
    pub fn len_field(&self) -> u16 {
        self.len.get()
    }

    /// The checksum; 0 for none.
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// What a receiver owes to the checksum, where a zero one is `zero`.
    ///
    /// To permit zero is not to want it: another checksum is verified all the same (RFC 6936
    /// section 4).
    pub fn checksum_duty(&self, zero: ZeroChecksum) -> ChecksumDuty {
        match (self.checksum.get(), zero) {
            (0, ZeroChecksum::Permitted) => ChecksumDuty::Nothing,
            (0, ZeroChecksum::Refused) => ChecksumDuty::Drop,
            _ => ChecksumDuty::Verify,
        }
    }
}

/// Whether a datagram may come without a checksum, and so with 0 in its field.
///
/// Over IPv6 nothing but this checksum covers the addresses. A tunnel that goes without has to look
/// at them: RFC 6936 section 4 has its end take zero only at a port that is configured for it, and
/// only from and to the addresses that its tunnels have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ZeroChecksum {
    /// Over IPv4 (RFC 768); over IPv6 at the port of a tunnel that is configured so (RFC 6935
    /// section 5).
    Permitted,
    /// Over IPv6 everywhere else (RFC 8200 section 8.1).
    Refused,
}

/// What a receiver owes to a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumDuty {
    /// There is none, and none is needed.
    Nothing,
    /// It is to be verified, here ([`crate::checksum::is_valid_v6`], [`Sum`]) or by the device.
    Verify,
    /// There is none where there must be one: the datagram is dropped, and counted.
    Drop,
}

/// A datagram with its addresses, over either version of IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram<'a> {
    /// From where. Of the same IP version as `destination`; flow labels and scopes are not looked at.
    pub source: SocketAddr,
    /// Where to.
    pub destination: SocketAddr,
    /// What it carries.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// The datagram in a whole packet that begins with its IP header, behind extension headers or options. Checksums
    /// are not looked at.
    ///
    /// Errors: what is wrong with the first header that cannot be read; `next header` of a packet that is no UDP, or a
    /// fragment.
    pub fn parse(packet: &'a [u8]) -> Result<Self, DecodeError> {
        let is_ipv6 = packet.first().is_some_and(|byte| byte >> 4 == 6);
        let (source, destination, segment): (IpAddr, IpAddr, _) = if is_ipv6 {
            let (header, payload) = Ipv6Header::parse(packet)?;
            let end = Ipv6Header::LEN + payload.len();
            let segment = upper6(&packet[..end])?;
            (header.source().into(), header.destination().into(), segment)
        } else {
            let packet = Ipv4Header::parse(packet)?;
            let header = packet.header;
            let protocol = header.protocol();
            if protocol != Protocol::UDP || header.is_fragment() {
                return Err(DecodeError::field(
                    Header::Ipv4,
                    "protocol",
                    9,
                    u32::from(protocol.0),
                ));
            }
            (
                header.source().into(),
                header.destination().into(),
                packet.payload,
            )
        };
        let (udp, payload) = UdpHeader::parse(segment)?;
        Ok(Datagram {
            source: SocketAddr::new(source, udp.source_port()),
            destination: SocketAddr::new(destination, udp.destination_port()),
            payload,
        })
    }

    /// Bytes of the packet that carries it.
    pub fn packet_len(&self) -> usize {
        let ip = match self.source {
            SocketAddr::V6(_) => Ipv6Header::LEN,
            SocketAddr::V4(_) => Ipv4Header::LEN,
        };
        ip + UdpHeader::LEN + self.payload.len()
    }

    /// Writes a whole packet, from its IP header on, with its checksums, and returns its length. The
    /// IPv4 packet is atomic: *don't fragment* is set and its identification is 0 (RFC 6864
    /// section 4.1).
    ///
    /// Errors: a buffer that is too small, more payload than a datagram can have, addresses of two
    /// versions of IP.
    pub fn write(&self, buf: &mut [u8], hop_limit: u8) -> Result<usize, EmitError> {
        let len = self.packet_len();
        let value = |field| EmitError::Value {
            field,
            value: len as u64,
        };
        let udp_len = UdpHeader::LEN + self.payload.len();
        let udp_field = u16::try_from(udp_len).map_err(|_| value("length"))?;
        let buf = room(buf, len)?;
        let ip_len = len - udp_len;
        let sum = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let header =
                    Ipv6Header::new(&source, &destination, Protocol::UDP, hop_limit, udp_field);
                buf[..ip_len].copy_from_slice(header.as_bytes());
                Sum::pseudo_v6(&source, &destination, Protocol::UDP, udp_len)
            }
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                u16::try_from(len).map_err(|_| value("total length"))?;
                let header =
                    Ipv4Header::new(source, destination, Protocol::UDP, hop_limit, udp_field)
                        .with_fragment(0, true, false, 0);
                buf[..ip_len].copy_from_slice(header.as_bytes());
                Sum::pseudo_v4(source, destination, Protocol::UDP, udp_len)
            }
            _ => return Err(value("address of another IP version")),
        };
        let header = |sum| {
            let (from, to) = (self.source.port(), self.destination.port());
            UdpHeader::new(from, to, udp_field, sum)
        };
        let mut sum = sum;
        sum.add(header(0).as_bytes());
        sum.add(self.payload);
        let (head, tail) = buf[ip_len..].split_at_mut(UdpHeader::LEN);
        head.copy_from_slice(header(sum.finish_udp()).as_bytes());
        tail.copy_from_slice(self.payload);
        Ok(len)
    }
}

/// The UDP segment of a whole IPv6 packet.
fn upper6(packet: &[u8]) -> Result<&[u8], DecodeError> {
    let broken = |offset| DecodeError::field(Header::Extension, "next header", offset, 0);
    let chain = ext_header::walk(packet).map_err(|_| broken(0))?;
    let is_fragment = chain.fragment.is_some_and(|fragment| !fragment.is_atomic());
    if chain.protocol != Protocol::UDP || is_fragment {
        return Err(DecodeError::field(
            Header::Extension,
            "next header",
            chain.protocol_field,
            u32::from(chain.protocol.0),
        ));
    }
    packet.get(chain.offset..).ok_or(broken(chain.offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram<'a>(source: &str, destination: &str, payload: &'a [u8]) -> Datagram<'a> {
        Datagram {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            payload,
        }
    }

    fn written(datagram: &Datagram<'_>, hop_limit: u8) -> Result<Vec<u8>, EmitError> {
        let mut packet = vec![0; datagram.packet_len()];
        let len = datagram.write(&mut packet, hop_limit)?;
        assert_eq!(len, packet.len());
        Ok(packet)
    }

    #[test]
    fn datagrams_are_written_and_read_back_over_both_versions_of_ip() {
        for len in [0, 1, 2, 300, 1232] {
            let payload: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
            for (source, destination) in [
                ("[fe80::1]:547", "[fe80::2]:546"),
                ("192.0.2.1:67", "255.255.255.255:68"),
            ] {
                let sent = datagram(source, destination, &payload);
                let packet = written(&sent, 64).unwrap();
                assert_eq!(packet.len(), sent.packet_len());
                assert_eq!(Datagram::parse(&packet), Ok(sent));
                let (sum, udp) = match sent.source {
                    SocketAddr::V6(_) => {
                        let (header, udp) = Ipv6Header::parse(&packet).unwrap();
                        assert_eq!(header.hop_limit(), 64);
                        let (from, to) = (header.source(), header.destination());
                        let sum = Sum::pseudo_v6(&from, &to, Protocol::UDP, udp.len());
                        (sum, udp)
                    }
                    SocketAddr::V4(_) => {
                        let ip = Ipv4Header::parse(&packet).unwrap();
                        assert_eq!(ip.verify_checksum(), Ok(()));
                        assert!(ip.header.dont_fragment() && !ip.header.is_fragment());
                        let (from, to) = (ip.header.source(), ip.header.destination());
                        let sum = Sum::pseudo_v4(from, to, Protocol::UDP, ip.payload.len());
                        (sum, ip.payload)
                    }
                };
                let mut sum = sum;
                sum.add(udp);
                assert!(sum.is_valid(), "{source} {len}");
            }
        }
    }

    #[test]
    fn a_datagram_that_cannot_be_sent_says_why() {
        let good = datagram("[fe80::1]:547", "[fe80::2]:546", &[1, 2, 3]);
        assert_eq!(
            good.write(&mut [0; 50], 1),
            Err(EmitError::NoRoom { need: 51, have: 50 })
        );
        let mixed = datagram("[fe80::1]:547", "192.0.2.1:67", &[]);
        assert!(matches!(
            written(&mixed, 1),
            Err(EmitError::Value { field, .. }) if field.contains("version")
        ));
        let long = vec![0; 65_528];
        let error = |field, value| Err(EmitError::Value { field, value });
        assert_eq!(
            written(&datagram("[fe80::1]:1", "[fe80::2]:2", &long), 1),
            error("length", 65_576)
        );
        assert_eq!(
            written(&datagram("192.0.2.1:1", "192.0.2.2:2", &long[..65_510]), 1),
            error("total length", 65_538)
        );
    }

    #[test]
    fn extension_headers_are_passed_over_and_other_packets_named() {
        let sent = datagram("[fe80::1]:547", "[fe80::2]:546", &[1, 2, 3]);
        let mut packet = written(&sent, 64).unwrap();
        packet[6] = 60;
        packet[5] += 8;
        packet.splice(40..40, [17, 0, 1, 4, 0, 0, 0, 0]);
        assert_eq!(Datagram::parse(&packet), Ok(sent));
        packet[40] = 58;
        let offset = 40;
        assert_eq!(
            Datagram::parse(&packet),
            Err(DecodeError::field(
                Header::Extension,
                "next header",
                offset,
                58
            ))
        );
        let mut fragment = written(&sent, 64).unwrap();
        fragment[6] = 44;
        fragment[5] += 8;
        fragment.splice(40..40, [17, 0, 0, 1, 0, 0, 0, 9]);
        assert!(Datagram::parse(&fragment).is_err());
        let mut piece = written(&datagram("192.0.2.1:1", "192.0.2.2:2", &[1]), 9).unwrap();
        piece[6] = 0x20;
        assert!(Datagram::parse(&piece).is_err());
        assert!(Datagram::parse(&[]).is_err());
    }

    #[test]
    fn both_ways() {
        let bytes = [0x14, 0xe9, 0x00, 0x35, 0x00, 0x0a, 0xbe, 0xef, 1, 2, 3];
        let (header, payload) = UdpHeader::parse(&bytes).unwrap();
        assert_eq!(
            (header.source_port(), header.destination_port()),
            (5353, 53)
        );
        assert_eq!((header.checksum(), payload), (0xbeef, &[1, 2][..]));
        assert_eq!(UdpHeader::new(5353, 53, 10, 0xbeef).as_bytes(), &bytes[..8]);
    }

    #[test]
    fn only_a_tunnel_over_ipv6_goes_without_checksum() {
        let duty = |sum, zero| UdpHeader::new(1, 4789, 8, sum).checksum_duty(zero);
        let (permitted, refused) = (ZeroChecksum::Permitted, ZeroChecksum::Refused);
        assert_eq!(duty(0, permitted), ChecksumDuty::Nothing);
        assert_eq!(duty(0, refused), ChecksumDuty::Drop);
        for sum in [1, 0x8000, 0xffff] {
            assert_eq!(duty(sum, permitted), ChecksumDuty::Verify);
            assert_eq!(duty(sum, refused), ChecksumDuty::Verify);
        }
    }

    #[test]
    fn bad_lengths() {
        let with_len = |len| UdpHeader::new(1, 2, len, 0);
        let error = |len| UdpHeader::parse(with_len(len).as_bytes()).unwrap_err();
        assert_eq!(error(7), DecodeError::field(Header::Udp, "length", 4, 7));
        assert_eq!(
            error(9),
            DecodeError::Truncated {
                header: Header::Udp,
                need: 9,
                have: 8
            }
        );
        assert!(UdpHeader::parse_prefix(&[0; 7]).is_err());
    }
}
