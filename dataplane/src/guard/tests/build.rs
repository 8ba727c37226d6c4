//! Frames, byte by byte.

use super::HOST;

/// An extension header.
#[derive(Clone, Copy, Debug)]
pub enum Ext {
    HopByHop,
    /// Destination options of so many times 8 bytes.
    Destination(u8),
    /// Type 4, no segments left.
    Routing,
    Auth,
    /// Offset in bytes, and whether more follows.
    Fragment(u16, bool),
}

impl Ext {
    fn protocol(self) -> u8 {
        match self {
            Ext::HopByHop => 0,
            Ext::Destination(_) => 60,
            Ext::Routing => 43,
            Ext::Auth => 51,
            Ext::Fragment(..) => 44,
        }
    }

    fn bytes(self, next: u8) -> Vec<u8> {
        match self {
            Ext::HopByHop => vec![next, 0, 1, 4, 0, 0, 0, 0],
            Ext::Destination(eights) => {
                let mut bytes = vec![0; usize::from(eights) * 8];
                bytes[..2].copy_from_slice(&[next, eights - 1]);
                bytes
            }
            Ext::Routing => vec![next, 0, 4, 0, 0, 0, 0, 0],
            Ext::Auth => vec![next, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1],
            Ext::Fragment(offset, more) => {
                let word = (offset | u16::from(more)).to_be_bytes();
                vec![next, 0, word[0], word[1], 0, 0, 0, 9]
            }
        }
    }
}

pub fn eth(source: [u8; 6], ether_type: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1];
    frame.extend(source);
    frame.extend(ether_type.to_be_bytes());
    frame.extend(packet);
    frame
}

/// An IPv6 packet.
#[derive(Clone, Debug)]
pub struct Six {
    pub source: u128,
    pub destination: u128,
    pub hop_limit: u8,
    pub ext: Vec<Ext>,
    pub protocol: u8,
    pub upper: Vec<u8>,
}

impl Six {
    pub fn packet(&self) -> Vec<u8> {
        let (mut next, mut rest) = (self.protocol, self.upper.clone());
        for ext in self.ext.iter().rev() {
            rest = [ext.bytes(next), rest].concat();
            next = ext.protocol();
        }
        let len = (rest.len() as u16).to_be_bytes();
        let mut packet = vec![0x60, 0, 0, 0, len[0], len[1], next, self.hop_limit];
        packet.extend(self.source.to_be_bytes());
        packet.extend(self.destination.to_be_bytes());
        packet.extend(rest);
        packet
    }

    /// From the host's MAC.
    pub fn frame(&self) -> Vec<u8> {
        self.frame_of(HOST)
    }

    pub fn frame_of(&self, mac: [u8; 6]) -> Vec<u8> {
        eth(mac, 0x86dd, &self.packet())
    }

    pub fn behind(&self, ext: &[Ext]) -> Six {
        Six {
            ext: ext.to_vec(),
            ..self.clone()
        }
    }

    pub fn from(&self, source: u128) -> Six {
        Six {
            source,
            ..self.clone()
        }
    }

    pub fn to(&self, destination: u128) -> Six {
        Six {
            destination,
            ..self.clone()
        }
    }
}

/// An ICMPv6 message of a type, whose body follows the checksum; hop limit 255.
pub fn icmp(source: u128, destination: u128, kind: u8, body: &[u8]) -> Six {
    Six {
        source,
        destination,
        hop_limit: 255,
        ext: Vec::new(),
        protocol: 58,
        upper: [&[kind, 0, 0, 0], body].concat(),
    }
}

/// A message of neighbour discovery: reserved, target, and a link-layer address under an option type.
pub fn nd(
    source: u128,
    destination: u128,
    kind: u8,
    target: Option<u128>,
    link_layer: Option<(u8, [u8; 6])>,
) -> Six {
    let mut body = vec![0; if kind == 134 { 12 } else { 4 }];
    if let Some(target) = target {
        body.extend(target.to_be_bytes());
    }
    if kind == 137 {
        body.extend([0x20; 16]);
    }
    if let Some((option, mac)) = link_layer {
        body.extend([option, 1]);
        body.extend(mac);
    }
    icmp(source, destination, kind, &body)
}

pub fn udp6(source: u128, destination: u128, from: u16, to: u16, payload: &[u8]) -> Six {
    Six {
        source,
        destination,
        hop_limit: 64,
        ext: Vec::new(),
        protocol: 17,
        upper: udp(from, to, payload),
    }
}

pub fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    let mut udp = Vec::new();
    for word in [from, to, len, 0] {
        udp.extend(word.to_be_bytes());
    }
    udp.extend(payload);
    udp
}

/// An IPv4 packet; `fragment` in bytes, and whether more follows.
pub fn v4(
    source: u128,
    destination: u128,
    protocol: u8,
    fragment: (u16, bool),
    upper: &[u8],
) -> Vec<u8> {
    let len = (20 + upper.len() as u16).to_be_bytes();
    let word = ((fragment.0 / 8) | (u16::from(fragment.1) << 13)).to_be_bytes();
    let mut packet = vec![
        0x45, 0, len[0], len[1], 0, 9, word[0], word[1], 64, protocol, 0, 0,
    ];
    packet.extend((source as u32).to_be_bytes());
    packet.extend((destination as u32).to_be_bytes());
    packet.extend(upper);
    eth(HOST, 0x0800, &packet)
}

pub fn arp(mac: [u8; 6], operation: u8, sender: ([u8; 6], u128), target: u128) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, operation];
    packet.extend(sender.0);
    packet.extend((sender.1 as u32).to_be_bytes());
    packet.extend([0; 6]);
    packet.extend((target as u32).to_be_bytes());
    eth(mac, 0x0806, &packet)
}

/// A message of DHCPv4 to where messages of its kind go.
pub fn dhcp4(op: u8, giaddr: [u8; 4], chaddr: [u8; 6]) -> Vec<u8> {
    let mut message = vec![op, 1, 6, 0];
    message.extend([0; 20]);
    message.extend(giaddr);
    message.extend(chaddr);
    message.extend([0; 206]);
    message
}
