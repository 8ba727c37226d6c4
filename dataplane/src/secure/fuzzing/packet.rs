//! Packets out of a few bytes each: of the same few ends, so that they meet flows, rules and each other's fragments.

use super::bytes::Bytes;
use crate::denied::Direction;
use crate::secure::naive::Offered;
use tables::id::AnchorId;

/// Other ends of IPv6. What is said to a group comes from none.
pub const PEERS6: [u128; 8] = [
    0x2001_0db8_8000 << 80 | 1,
    0x2001_0db8_8000 << 80 | 2,
    0x2001_0db8_8000 << 80 | 5,
    0x2001_0db8_8001 << 80 | 1,
    0xfe80 << 112 | 1,
    0xff02 << 112 | 1,
    0xff02 << 112 | 0x1_0002,
    0xffff << 32 | 0x1400_0001,
];
/// Other ends of IPv4.
pub const PEERS4: [u32; 8] = [
    0x1400_0001,
    0x1400_0002,
    0x1400_0005,
    0x1400_0101,
    0xa9fe_0001,
    0xe000_0001,
    0xffff_ffff,
    0x0a01_0001,
];
const LOCAL6: [u128; 2] = [0x2001_0db8_0001 << 80 | 0x10, 0xfe80 << 112 | 0x10];
const LOCAL4: [u32; 2] = [0x0a01_000a, 0x0a01_000b];

/// Ports that rules and packets have.
pub const PORTS: [u16; 16] = [
    0, 1, 22, 53, 67, 68, 80, 443, 546, 547, 1000, 1001, 0x0800, 0x8000, 0xff00, 0xffff,
];
/// Types of ICMP messages, of either version.
pub const TYPES: [u8; 16] = [
    0, 1, 3, 4, 8, 11, 13, 14, 128, 129, 130, 133, 134, 135, 136, 143,
];
/// Upper-layer protocols, and what is none.
pub const PROTOCOLS: [u8; 16] = [17, 6, 58, 1, 132, 136, 33, 99, 17, 6, 58, 1, 50, 59, 44, 60];

/// A packet, and how it reaches the port.
pub struct Made {
    pub offered: Offered,
    /// The lane is asked first.
    pub in_lane: bool,
    /// Where its first buffer ends.
    pub cut: Option<usize>,
}

/// Ends of a packet.
#[derive(Clone, Copy)]
struct Ends {
    v6: bool,
    source: u128,
    destination: u128,
}

impl Ends {
    fn reverse(self) -> Self {
        Self {
            v6: self.v6,
            source: self.destination,
            destination: self.source,
        }
    }

    /// A packet without extension headers or options.
    fn packet(self, protocol: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
        if self.v6 {
            let len = payload.len() as u16;
            return [
                &[0x60, 0, 0, 0][..],
                &len.to_be_bytes(),
                &[protocol, hop_limit],
                &self.source.to_be_bytes(),
                &self.destination.to_be_bytes(),
                payload,
            ]
            .concat();
        }
        let len = 20 + payload.len() as u16;
        [
            &[0x45, 0][..],
            &len.to_be_bytes(),
            &[0, 7, 0, 0, hop_limit, protocol, 0, 0],
            &(self.source as u32).to_be_bytes(),
            &(self.destination as u32).to_be_bytes(),
            payload,
        ]
        .concat()
    }
}

/// The machine at an interface, and the one at a place of a network.
pub const INTERFACES: AnchorId = AnchorId(1);
pub const NETWORKS: AnchorId = AnchorId(2);

/// Where a packet is asked about, and whether no router has forwarded it.
fn place(choice: u8) -> (AnchorId, Direction, bool) {
    let direction = match choice & 1 {
        0 => Direction::Egress,
        _ => Direction::Ingress,
    };
    match choice & 2 {
        0 => (INTERFACES, direction, direction == Direction::Egress),
        _ => (NETWORKS, direction, true),
    }
}

/// Bytes as a packet, whatever they are.
pub fn raw(bytes: &mut Bytes<'_>) -> Made {
    let choice = bytes.next();
    let (anchor, direction, switched) = place(choice);
    let ether_type = match choice >> 2 & 7 {
        0..=2 => 0x86dd,
        3..=5 => 0x0800,
        6 => 0x0806,
        _ => u16::from(bytes.next()) << 8 | 0x47,
    };
    let is_ip = matches!(ether_type, 0x86dd | 0x0800);
    let len = usize::from(bytes.next());
    Made {
        offered: Offered {
            // A router forwards nothing else.
            anchor: if is_ip { anchor } else { NETWORKS },
            direction,
            switched: switched || !is_ip,
            ether_type,
            bytes: bytes.take(len).to_vec(),
        },
        in_lane: choice & 0x80 != 0,
        cut: None,
    }
}

/// A packet as hosts, and those who mean no good, send it.
pub fn made(bytes: &mut Bytes<'_>) -> Made {
    let choice = bytes.next();
    let (anchor, direction, switched) = place(choice);
    let v6 = choice & 4 != 0;
    let (peer, kind) = bytes.halves();
    let (local_port, remote_port) = bytes.halves();
    let (local, peer) = match v6 {
        true => (LOCAL6[peer >> 3], PEERS6[peer & 7]),
        false => (LOCAL4[peer >> 3].into(), PEERS4[peer & 7].into()),
    };
    let ends = match direction {
        Direction::Egress => Ends {
            v6,
            source: local,
            destination: peer,
        },
        Direction::Ingress => Ends {
            v6,
            source: peer,
            destination: local,
        },
    };
    let ports = match direction {
        Direction::Egress => (PORTS[local_port], PORTS[remote_port]),
        Direction::Ingress => (PORTS[remote_port], PORTS[local_port]),
    };
    let protocol = PROTOCOLS[kind];
    let upper = upper(bytes, ends, protocol, ports);
    let hop_limit = match choice & 0x18 {
        0 => 64,
        8 => 1,
        _ => 255,
    };
    let packet = dressed(bytes, ends, protocol, hop_limit, &upper);
    Made {
        offered: Offered {
            anchor,
            direction,
            switched,
            ether_type: if v6 { 0x86dd } else { 0x0800 },
            bytes: packet,
        },
        in_lane: choice & 0x80 != 0,
        cut: (choice & 0x40 != 0).then(|| usize::from(bytes.next())),
    }
}

/// Header and data of an upper layer.
fn upper(bytes: &mut Bytes<'_>, ends: Ends, protocol: u8, (from, to): (u16, u16)) -> Vec<u8> {
    let ports = [from.to_be_bytes(), to.to_be_bytes()].concat();
    match protocol {
        6 => {
            // Flags that count, and numbers near each other.
            let flags = bytes.next();
            let (sequence, acknowledgment) = bytes.halves();
            let options: &[u8] = match flags & 2 {
                0 => &[],
                _ => &[2, 4, 5, 0xa0, 1, 3, 3, 7],
            };
            let len = 5 + options.len() as u8 / 4;
            let number = |low: usize| (100 * low as u32).to_be_bytes();
            let (sequence, acknowledgment) = (number(sequence), number(acknowledgment));
            let head = [
                &ports[..],
                &sequence,
                &acknowledgment,
                &[len << 4, flags, 0, 200, 0, 0, 0, 0],
                options,
            ];
            let mut segment = head.concat();
            segment.resize(segment.len() + usize::from(flags >> 6) * 50, 0x55);
            segment
        }
        132 => {
            let (tag, chunk) = bytes.halves();
            let initiate = bytes.next() & 3;
            let tail = [0, 0, 0, 0, chunk as u8, 0, 0, 20, 0, 0, 0, initiate];
            [&ports[..], &[0, 0, 0, tag as u8 & 3], &tail, &[7; 16]].concat()
        }
        1 | 58 => {
            let (kind, code) = bytes.halves();
            let head = [TYPES[kind], code as u8 & 1, 0, 0];
            let id = (from ^ to).to_be_bytes();
            let mut message = [&head[..], &id, &[0, 1]].concat();
            match TYPES[kind] {
                // What was sent the other way, or is said to have been.
                1 | 3 | 4 | 11 => {
                    let (cited, _) = bytes.halves();
                    let protocol = PROTOCOLS[cited];
                    let ends = ends.reverse();
                    // ICMP errors do not cite themselves.
                    let cited = match protocol {
                        1 | 58 => {
                            [&[bytes.of(&[8, 128, 0, 129]), 0, 0, 0], &id[..], &[0, 1]].concat()
                        }
                        _ => [to.to_be_bytes(), from.to_be_bytes(), [0; 2], [0, 100]].concat(),
                    };
                    message.extend(ends.packet(protocol, 64, &cited));
                }
                _ => message.resize(32, 0x11),
            }
            message
        }
        17 | 33 | 136 => [&ports[..], &[0, 40, 0, 0], &[0x22; 48]].concat(),
        _ => vec![0x33; 40],
    }
}

/// The packet, with what is in front of its upper layer; or one of its fragments.
fn dressed(
    bytes: &mut Bytes<'_>,
    ends: Ends,
    protocol: u8,
    hop_limit: u8,
    upper: &[u8],
) -> Vec<u8> {
    let dress = bytes.next();
    let v6 = ends.v6;
    let extended = |protocol: u8, payload: &[u8]| -> (u8, Vec<u8>) {
        let options = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0];
        match dress >> 5 {
            1 => (60, [&options(protocol), payload].concat()),
            2 => (0, [&options(60)[..], &options(protocol), payload].concat()),
            3 => (43, [&[protocol, 0, 4, 0, 0, 0, 0, 0], payload].concat()),
            4 => (
                51,
                [&[protocol, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], payload].concat(),
            ),
            5 => (135, [&options(protocol), payload].concat()),
            _ => (protocol, payload.to_vec()),
        }
    };
    let options = |packet: Vec<u8>| match dress >> 5 {
        0 | 6 | 7 => packet,
        n => with_options(&packet, usize::from(n)),
    };
    if dress & 8 == 0 {
        let mut packet = match v6 {
            true => {
                let (next, payload) = extended(protocol, upper);
                ends.packet(next, hop_limit, &payload)
            }
            false => options(ends.packet(protocol, hop_limit, upper)),
        };
        if dress & 7 == 7 {
            // Cut off somewhere, its lengths as they were.
            let left = usize::from(bytes.next());
            packet.truncate(left);
        }
        return packet;
    }
    // Of the fragmentable part, which has at most 128 bytes: from unit 0 to 7, and so many units.
    let shape = bytes.next();
    let whole = match (v6, dress & 4 != 0) {
        (true, true) => extended(protocol, upper),
        _ => (protocol, upper.to_vec()),
    };
    let mut payload = whole.1;
    payload.resize(128, 0x44);
    let start = 8 * usize::from(shape & 7);
    let len = match shape >> 3 & 3 {
        0 => 8,
        1 => 16,
        2 => 40,
        _ => 64 - start,
    };
    let more = shape & 0x20 != 0;
    let short = usize::from(shape >> 6 == 3);
    let piece = &payload[start..start + len - short];
    let id = dress & 3;
    if v6 {
        let word = (start as u16 | u16::from(more)).to_be_bytes();
        let head = [whole.0, 0, word[0], word[1], 0, 0, 0, id];
        let fragment = [&head, piece].concat();
        return match dress & 4 {
            // In front of the fragment header.
            0 => {
                let (next, payload) = extended(44, &fragment);
                ends.packet(next, hop_limit, &payload)
            }
            _ => ends.packet(44, hop_limit, &fragment),
        };
    }
    let mut packet = ends.packet(protocol, hop_limit, piece);
    let word = ((start as u16 / 8) | (u16::from(more) << 13)).to_be_bytes();
    packet[5] = id;
    packet[6..8].copy_from_slice(&word);
    options(packet)
}

/// An IPv4 packet with so many words of options.
fn with_options(packet: &[u8], words: usize) -> Vec<u8> {
    let (header, payload) = packet.split_at(20);
    let mut packet = [header, &vec![1; 4 * words], payload].concat();
    packet[0] += words as u8;
    let len = (packet.len() as u16).to_be_bytes();
    packet[2..4].copy_from_slice(&len);
    packet
}
