//! What a router on the way of a tunnel's outer packets says of their size: ICMPv6 Packet Too Big (RFC 8201), ICMP fragmentation
//! needed (RFC 1191).
//!
//! Anybody can send us such a message. It is believed as far as what it quotes goes: an outer packet that we could have sent, longer
//! than what the message allows.

use std::net::IpAddr;

use tables::id::VrfId;
use wire::ipv4::Ipv4Header;
use wire::ipv6::Ipv6Header;

use crate::forwarding::network::{Ends, Networks, Tunnel, TunnelKind, mapped};
use crate::icmp::{PROTOCOL_ICMP, PROTOCOL_ICMPV6};

/// Bytes of an ICMP header.
const ICMP: usize = 8;
const UDP: u8 = 17;
const GRE: u8 = 47;
/// Common MTUs below Ethernet's, for routers that do not say theirs (RFC 1191 section 7).
const PLATEAUS: [u32; 4] = [1492, 1006, 576, 0];

/// An outer packet of ours that did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooBig {
    /// Our address.
    pub local: IpAddr,
    /// The peer's.
    pub remote: IpAddr,
    /// UDP port of the peer; `None` for GRE.
    pub port: Option<u16>,
    /// VXLAN, Geneve: the VNI, as far as the quotation goes; GRE: the key, if there is one.
    pub key: Option<u32>,
    /// What fits, bytes of the outer IP packet.
    pub mtu: u32,
}

/// Reads a message, from its IP header on. `None` if it is another, or not about a packet that a tunnel could have sent.
/// Checksums are the caller's to verify.
pub fn read(packet: &[u8]) -> Option<TooBig> {
    match packet.first()? >> 4 {
        6 => {
            let (header, rest) = Ipv6Header::parse(packet).ok()?;
            let said: &[u8; ICMP] = rest.first_chunk()?;
            let is_it = header.next_header().0 == PROTOCOL_ICMPV6 && said[..2] == [2, 0];
            let mtu = u32::from_be_bytes([said[4], said[5], said[6], said[7]]);
            let told = is_it.then(|| quoted6(rest.get(ICMP..)?, mtu)).flatten();
            told.filter(|told| told.local == header.destination())
        }
        4 => {
            let whole = Ipv4Header::parse(packet).ok()?;
            let rest = packet.get(whole.header.header_len()..)?;
            let said: &[u8; ICMP] = rest.first_chunk()?;
            let is_it = whole.header.protocol().0 == PROTOCOL_ICMP && said[..2] == [3, 4];
            let mtu = u16::from_be_bytes([said[6], said[7]]);
            let told = is_it.then(|| quoted4(rest.get(ICMP..)?, mtu.into()));
            told.flatten()
                .filter(|told| told.local == whole.header.destination())
        }
        _ => None,
    }
}

fn quoted6(quote: &[u8], mtu: u32) -> Option<TooBig> {
    let header: &[u8; 40] = quote.first_chunk()?;
    let len = 40 + u32::from(u16::from_be_bytes([header[4], header[5]]));
    let address = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 16] = header.get(at..at + 16)?.try_into().ok()?;
        Some(IpAddr::from(octets))
    };
    let ends = [address(8)?, address(24)?];
    let is_it = header[0] >> 4 == 6 && mtu < len;
    is_it
        .then(|| upper(ends, header[6], &quote[40..], mtu))
        .flatten()
}

fn quoted4(quote: &[u8], mtu: u32) -> Option<TooBig> {
    let header: &[u8; 20] = quote.first_chunk()?;
    let len = u32::from(u16::from_be_bytes([header[2], header[3]]));
    let address = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 4] = header.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::from(octets))
    };
    let ends = [address(12)?, address(16)?];
    let mtu = match mtu {
        0 => PLATEAUS.into_iter().find(|plateau| *plateau < len)?,
        mtu => mtu,
    };
    // Ours have no options and must not be fragmented.
    let is_it = header[0] == 0x45 && header[6] & 0x40 != 0 && mtu < len;
    is_it
        .then(|| upper(ends, header[9], &quote[20..], mtu))
        .flatten()
}

/// What is quoted behind the IP header.
fn upper([local, remote]: [IpAddr; 2], protocol: u8, rest: &[u8], mtu: u32) -> Option<TooBig> {
    let word = |at: usize| -> Option<u32> {
        let bytes: [u8; 4] = rest.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    };
    let (port, key) = match protocol {
        UDP => (Some(word(0)? as u16), word(12).map(|word| word >> 8)),
        GRE => {
            let has_key = word(0)? & 0x2000_0000 != 0;
            (None, if has_key { word(4) } else { None })
        }
        _ => return None,
    };
    Some(TooBig {
        local,
        remote,
        port,
        key,
        mtu,
    })
}

impl Networks {
    /// The tunnel that could have sent a packet, if there is one, and if what is quoted of its contents is right.
    pub fn sender(&self, vrf: VrfId, told: &TooBig) -> Option<&Tunnel> {
        let kind = match told.port {
            Some(port) => self.on_port(vrf, port)?,
            None => TunnelKind::Gre,
        };
        let tunnel = self.between(&Ends {
            vrf,
            kind,
            local: mapped(told.local),
            remote: mapped(told.remote),
        })?;
        let carries = |key| {
            let network = self.by_vni(vrf, kind, key);
            network.is_some_and(|network| network.vni(tunnel.id) == Some(key))
                || self.routed(tunnel.id, Some(key)).is_some()
        };
        let keyless = kind != TunnelKind::Gre || self.routed(tunnel.id, None).is_some();
        told.key.map_or(keyless, carries).then_some(tunnel)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const LOCAL6: Ipv6Addr = Ipv6Addr::new(0xfd66, 0, 0, 0, 0, 0, 0, 1);
    const REMOTE6: Ipv6Addr = Ipv6Addr::new(0xfd66, 0, 0, 0, 0, 0, 0, 3);

    /// An ICMP error with this word, about an outer packet of `len` bytes.
    fn message(is6: bool, kind: [u8; 2], word: u32, outer: &[u8]) -> Vec<u8> {
        let len = 8 + outer.len() as u16;
        let mut packet = match is6 {
            true => {
                let mut header = vec![0x60, 0, 0, 0, 0, 0, 58, 64];
                header[4..6].copy_from_slice(&len.to_be_bytes());
                header.extend_from_slice(&[0xfd; 16]);
                header.extend_from_slice(&LOCAL6.octets());
                header
            }
            false => {
                let total = (20 + len).to_be_bytes();
                let mut header = vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 1, 0, 0];
                header.extend_from_slice(&[192, 0, 2, 9, 192, 0, 2, 1]);
                let sum = wire::checksum::checksum(&header).to_be_bytes();
                header[10..12].copy_from_slice(&sum);
                header
            }
        };
        packet.extend_from_slice(&[kind[0], kind[1], 0, 0]);
        packet.extend_from_slice(&word.to_be_bytes());
        packet.extend_from_slice(outer);
        packet
    }

    /// The beginning of an outer packet of 1500 bytes.
    fn outer(is6: bool, protocol: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = match is6 {
            true => {
                let mut header = vec![0x60, 0, 0, 0, 5, 0xb4, protocol, 64];
                header.extend_from_slice(&LOCAL6.octets());
                header.extend_from_slice(&REMOTE6.octets());
                header
            }
            false => {
                let header = [0x45, 0, 5, 0xdc, 0, 0, 0x40, 0, 64, protocol, 0, 0];
                [&header[..], &[192, 0, 2, 1, 192, 0, 2, 3]].concat()
            }
        };
        packet.extend_from_slice(rest);
        packet
    }

    const VXLAN: [u8; 16] = [0xc0, 1, 0x12, 0xb5, 5, 0, 0, 0, 8, 0, 0, 0, 0, 0, 77, 0];
    const GRE_77: [u8; 8] = [0x20, 0, 0x65, 0x58, 0, 0, 0, 77];

    #[test]
    fn what_fits_is_read_with_whose_packet_did_not() {
        let told = |is6: bool, port, key, mtu| {
            let ends = match is6 {
                true => ["fd66::1", "fd66::3"],
                false => ["192.0.2.1", "192.0.2.3"],
            };
            let [local, remote] = ends.map(|end| end.parse().unwrap());
            Some(TooBig {
                local,
                remote,
                port,
                key,
                mtu,
            })
        };
        let vxlan6 = message(true, [2, 0], 1400, &outer(true, UDP, &VXLAN));
        assert_eq!(read(&vxlan6), told(true, Some(4789), Some(77), 1400));
        let gre6 = message(true, [2, 0], 1300, &outer(true, GRE, &GRE_77));
        assert_eq!(read(&gre6), told(true, None, Some(77), 1300));
        let vxlan4 = message(false, [3, 4], 1400, &outer(false, UDP, &VXLAN));
        assert_eq!(read(&vxlan4), told(false, Some(4789), Some(77), 1400));
        // Routers need not quote more than eight bytes of IPv4's contents.
        let short = message(false, [3, 4], 1400, &outer(false, UDP, &VXLAN[..8]));
        assert_eq!(read(&short), told(false, Some(4789), None, 1400));
        let silent = message(false, [3, 4], 0, &outer(false, GRE, &GRE_77));
        assert_eq!(read(&silent), told(false, None, Some(77), 1492));
    }

    #[test]
    fn what_no_tunnel_could_have_sent_is_no_news() {
        let right = outer(true, UDP, &VXLAN);
        let right4 = outer(false, UDP, &VXLAN);
        let mut fragmentable = right4.clone();
        fragmentable[6] = 0;
        let cases = [
            message(true, [1, 0], 1400, &right),
            message(true, [2, 1], 1400, &right),
            message(true, [2, 0], 1500, &right),
            message(true, [2, 0], 1400, &right[..39]),
            message(true, [2, 0], 1400, &right[..43]),
            message(true, [2, 0], 1400, &outer(true, 6, &VXLAN)),
            message(true, [2, 0], 1400, &right4),
            message(false, [3, 3], 1400, &right4),
            message(false, [3, 4], 1500, &right4),
            message(false, [3, 4], 1400, &fragmentable),
            message(false, [3, 4], 1400, &right),
            vec![],
            vec![0x60],
            vec![0x45; 20],
        ];
        for (n, packet) in cases.iter().enumerate() {
            assert_eq!(read(packet), None, "{n}");
        }
        let whole = message(true, [2, 0], 1400, &right);
        let mut to_another = whole.clone();
        to_another[39] = 9;
        assert_eq!(read(&to_another), None);
        for len in 0..40 + 8 + 40 + 4 {
            assert_eq!(read(&whole[..len]), None, "{len}");
        }
    }

    use proptest::prelude::*;

    proptest! {
        /// Bytes from anywhere, some of them close to a right message: no panic, and nothing is believed that does not shrink.
        #[test]
        fn no_bytes_break_it(
            mut bytes in prop::collection::vec(any::<u8>(), 0..120),
            like in 0..3_usize,
            changes in prop::collection::vec((0..120_usize, any::<u8>()), 0..4),
        ) {
            match like {
                0 => bytes = message(true, [2, 0], 1400, &outer(true, UDP, &VXLAN)),
                1 => bytes = message(false, [3, 4], 1400, &outer(false, GRE, &GRE_77)),
                _ => {}
            }
            for (at, byte) in changes {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            for len in 0..=bytes.len() {
                if let Some(told) = read(&bytes[..len]) {
                    prop_assert!(told.mtu < 40 + 0xffff);
                    prop_assert_eq!(told.local.is_ipv6(), told.remote.is_ipv6());
                }
            }
        }
    }
}
