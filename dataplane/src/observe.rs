//! Which packets a trace or a capture is about, and what a packet looks like in one line.
//!
//! A [`Summary`] is read from the first bytes of a packet without trusting any of them; a [`Filter`] is compared with
//! it. Both are only used while something is armed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tables::id::IfaceId;

#[cfg(test)]
mod tests;

/// An address prefix of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The network's address; bits beyond `len` are ignored.
    pub address: IpAddr,
    /// Bits that count.
    pub len: u8,
}

impl Prefix {
    /// Whether `address` is of the prefix's family and within it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V6(net), IpAddr::V6(host)) => {
                let differ = net.to_bits() ^ host.to_bits();
                differ.leading_zeros() >= u32::from(self.len).min(128)
            }
            (IpAddr::V4(net), IpAddr::V4(host)) => {
                let differ = net.to_bits() ^ host.to_bits();
                differ.leading_zeros() >= u32::from(self.len).min(32)
            }
            _ => false,
        }
    }
}

/// All conditions must hold; an absent one always does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Received on this interface.
    pub iface: Option<IfaceId>,
    /// Source within this prefix.
    pub src: Option<Prefix>,
    /// Destination within this prefix.
    pub dst: Option<Prefix>,
    /// Upper-layer protocol.
    pub protocol: Option<u8>,
}

impl Filter {
    /// Whether a packet that came in by `iface` and looks like `summary` is meant.
    pub fn matches(&self, iface: IfaceId, summary: &Summary) -> bool {
        let within = |prefix: Option<Prefix>, address: fn(&Addresses) -> IpAddr| {
            prefix.is_none_or(|prefix| match &summary.addresses {
                Some(addresses) => prefix.contains(address(addresses)),
                None => false,
            })
        };
        self.iface.is_none_or(|wanted| wanted == iface)
            && self
                .protocol
                .is_none_or(|wanted| summary.protocol == Some(wanted))
            && within(self.src, |addresses| addresses.src)
            && within(self.dst, |addresses| addresses.dst)
    }
}

/// Source and destination of an IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
}

/// What the first bytes of a packet say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Addresses, if it is an IP packet.
    pub addresses: Option<Addresses>,
    /// Upper-layer protocol, behind any extension headers.
    pub protocol: Option<u8>,
    /// Source and destination port, or type and code of ICMP; absent in later fragments and other protocols.
    pub ports: Option<(u16, u16)>,
    /// Hop limit or TTL.
    pub hop_limit: u8,
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const FRAGMENT: u8 = 44;
const ICMPV6: u8 = 58;

impl Summary {
    /// Reads a packet from its IP header on. Anything else than IP, or a header cut short, has no addresses.
    pub fn of(l3: &[u8]) -> Summary {
        match l3.first().map(|first| first >> 4) {
            Some(6) => Self::v6(l3),
            Some(4) => Self::v4(l3),
            _ => None,
        }
        .unwrap_or_default()
    }

    fn v6(l3: &[u8]) -> Option<Summary> {
        let header: &[u8; 40] = l3.first_chunk()?;
        let address = |at: usize| Some(IpAddr::V6(Ipv6Addr::from(*l3.get(at..)?.first_chunk()?)));
        let addresses = Some(Addresses {
            src: address(8)?,
            dst: address(24)?,
        });
        let (protocol, upper) = upper_layer_v6(l3);
        Some(Summary {
            addresses,
            protocol: Some(protocol),
            ports: upper.and_then(|at| ports(protocol, l3.get(at..)?)),
            hop_limit: header[7],
        })
    }

    fn v4(l3: &[u8]) -> Option<Summary> {
        let header: &[u8; 20] = l3.first_chunk()?;
        let address = |at: usize| Some(IpAddr::V4(Ipv4Addr::from(*l3.get(at..)?.first_chunk()?)));
        let addresses = Some(Addresses {
            src: address(12)?,
            dst: address(16)?,
        });
        let first = u16::from_be_bytes([header[6], header[7]]) & 0x1fff == 0;
        let upper = l3
            .get(usize::from(header[0] & 0x0f) * 4..)
            .filter(|_| first);
        Some(Summary {
            addresses,
            protocol: Some(header[9]),
            ports: upper.and_then(|upper| ports(header[9], upper)),
            hop_limit: header[8],
        })
    }
}

/// The protocol behind the extension headers and where it starts; as far as the bytes reach, and no further than eight
/// headers. A later fragment has no upper layer to look at.
fn upper_layer_v6(l3: &[u8]) -> (u8, Option<usize>) {
    let (mut next, mut at) = (l3[6], 40);
    for _ in 0..8 {
        let unit = match next {
            0 | 43 | 60 | 135 | 139 | 140 => 8,
            51 => 4,
            FRAGMENT => 0,
            _ => return (next, Some(at)),
        };
        let Some(head) = l3.get(at..at + 4) else {
            return (next, None);
        };
        if next == FRAGMENT && u16::from_be_bytes([head[2], head[3]]) & 0xfff8 != 0 {
            return (head[0], None);
        }
        at += 8 + usize::from(head[1]) * unit;
        next = head[0];
    }
    (next, None)
}

fn ports(protocol: u8, upper: &[u8]) -> Option<(u16, u16)> {
    match protocol {
        TCP | UDP => {
            let [a, b, c, d] = *upper.first_chunk()?;
            Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
        }
        ICMP | ICMPV6 => {
            let [kind, code] = *upper.first_chunk()?;
            Some((kind.into(), code.into()))
        }
        _ => None,
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(Addresses { src, dst }), Some(protocol)) = (self.addresses, self.protocol) else {
            return f.write_str("not IP");
        };
        write!(f, "{src} > {dst} ")?;
        match (protocol, self.ports) {
            (TCP, Some((from, to))) => write!(f, "tcp {from} > {to}"),
            (UDP, Some((from, to))) => write!(f, "udp {from} > {to}"),
            (ICMP, Some((kind, code))) => write!(f, "icmp type {kind} code {code}"),
            (ICMPV6, Some((kind, code))) => write!(f, "icmp6 type {kind} code {code}"),
            (protocol, _) => write!(f, "protocol {protocol}"),
        }?;
        write!(f, " hop limit {}", self.hop_limit)
    }
}
