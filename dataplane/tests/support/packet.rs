//! Packets for tests, right unless a test breaks them.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An Ethernet header; an `ether_type` of 0 leaves the last two bytes for others to fill.
pub fn ethernet(to: [u8; 6], from: [u8; 6], vids: &[u16], ether_type: u16) -> Vec<u8> {
    let mut out = [to, from].concat();
    for (n, vid) in vids.iter().enumerate() {
        let outer = n + 1 < vids.len();
        out.extend_from_slice(if outer { &[0x88, 0xa8] } else { &[0x81, 0x00] });
        out.extend_from_slice(&vid.to_be_bytes());
    }
    out.extend_from_slice(&ether_type.to_be_bytes());
    out
}

/// A packet that is built by changing a right one.
#[derive(Clone, Debug)]
pub struct Packet {
    pub to: [u8; 6],
    pub from: [u8; 6],
    pub vids: Vec<u16>,
    pub ether_type: u16,
    pub l3: Vec<u8>,
    pub padding: usize,
}

pub const SENDER: [u8; 6] = [2, 0, 0, 0, 7, 7];

impl Packet {
    fn around(to: [u8; 6], ether_type: u16, l3: Vec<u8>) -> Self {
        Self {
            to,
            from: SENDER,
            vids: Vec::new(),
            ether_type,
            l3,
            padding: 0,
        }
    }

    /// IPv6 and UDP with `size` bytes of data.
    pub fn udp6(to: [u8; 6], source: &str, destination: &str, size: usize) -> Self {
        let mut udp = vec![0x30, 0x39, 0, 53];
        udp.extend_from_slice(&((size + 8) as u16).to_be_bytes());
        udp.extend_from_slice(&[0x12, 0x34]);
        udp.resize(size + 8, 0xab);
        Self::ip6(to, source, destination, 17, &udp)
    }

    /// IPv6 around `payload`, hop limit 64.
    pub fn ip6(to: [u8; 6], source: &str, destination: &str, next: u8, payload: &[u8]) -> Self {
        let mut l3 = vec![0x60, 0, 0, 0];
        l3.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        l3.extend_from_slice(&[next, 64]);
        l3.extend_from_slice(&source.parse::<Ipv6Addr>().unwrap().octets());
        l3.extend_from_slice(&destination.parse::<Ipv6Addr>().unwrap().octets());
        l3.extend_from_slice(payload);
        Self::around(to, 0x86dd, l3)
    }

    /// IPv4 and UDP with `size` bytes of data.
    pub fn udp4(to: [u8; 6], source: &str, destination: &str, size: usize) -> Self {
        let mut udp = vec![0x30, 0x39, 0, 53];
        udp.extend_from_slice(&((size + 8) as u16).to_be_bytes());
        udp.extend_from_slice(&[0, 0]);
        udp.resize(size + 8, 0xcd);
        Self::ip4(to, source, destination, 17, &udp)
    }

    /// IPv4 around `payload`, TTL 64.
    pub fn ip4(to: [u8; 6], source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Self {
        let mut l3 = vec![0x45, 0];
        l3.extend_from_slice(&((payload.len() + 20) as u16).to_be_bytes());
        l3.extend_from_slice(&[0x12, 0x34, 0, 0, 64, protocol, 0, 0]);
        l3.extend_from_slice(&source.parse::<Ipv4Addr>().unwrap().octets());
        l3.extend_from_slice(&destination.parse::<Ipv4Addr>().unwrap().octets());
        l3.extend_from_slice(payload);
        Self::around(to, 0x0800, l3).summed()
    }

    /// Sets bytes of the IP header.
    pub fn set(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.l3[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Makes the IPv4 header checksum right.
    pub fn summed(mut self) -> Self {
        let header = usize::from(self.l3[0] & 0xf) * 4;
        self.l3[10..12].fill(0);
        let sum = wire::checksum::checksum(&self.l3[..header]);
        self.l3[10..12].copy_from_slice(&sum.to_be_bytes());
        self
    }

    pub fn to(mut self, mac: [u8; 6]) -> Self {
        self.to = mac;
        self
    }

    pub fn from(mut self, mac: [u8; 6]) -> Self {
        self.from = mac;
        self
    }

    pub fn tagged(mut self, vids: &[u16]) -> Self {
        self.vids = vids.to_vec();
        self
    }

    pub fn ether_type(mut self, ether_type: u16) -> Self {
        self.ether_type = ether_type;
        self
    }

    pub fn padded(mut self, n: usize) -> Self {
        self.padding = n;
        self
    }

    /// Cuts the packet, not its length field.
    pub fn cut(mut self, len: usize) -> Self {
        self.l3.truncate(len);
        self
    }

    /// Puts IPv4 options behind the header.
    pub fn options(mut self, options: &[u8]) -> Self {
        assert_eq!(options.len() % 4, 0);
        self.l3.splice(20..20, options.iter().copied());
        self.l3[0] += options.len() as u8 / 4;
        let len = u16::from_be_bytes([self.l3[2], self.l3[3]]) + options.len() as u16;
        self.set(2, &len.to_be_bytes()).summed()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = ethernet(self.to, self.from, &self.vids, self.ether_type);
        out.extend_from_slice(&self.l3);
        out.resize(out.len() + self.padding, 0);
        out
    }
}
