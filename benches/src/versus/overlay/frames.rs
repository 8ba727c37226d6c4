//! The feed's frames.

use super::{OURS, Overlay, SENDERS, STATIONS, Tunnel, VNI, station};
use crate::versus::feed::{FEED_MAC, checksum, frame};
use std::net::IpAddr;
use tables::testing::Random;

/// From whom outer packets come on the link.
const PEER: [u8; 6] = [0x02, 0, 0, 0, 0xff, 0x01];

/// One frame for each destination.
pub fn of(overlay: Overlay, destinations: &[IpAddr]) -> Vec<Vec<u8>> {
    let mut random = Random::new(1);
    let frames = destinations.iter().enumerate().map(|(number, to)| {
        let mut plain = frame(*to);
        match overlay {
            Overlay::Encap(_) => plain,
            Overlay::Decap(tunnel) => {
                plain[..6].copy_from_slice(&OURS);
                plain[6..12].copy_from_slice(&station(1, number % SENDERS));
                packed(tunnel, number, &plain)
            }
            Overlay::Switch => {
                let mut any = || random.below(STATIONS as u64) as usize;
                plain[..6].copy_from_slice(&station(2, any()));
                plain[6..12].copy_from_slice(&station(1, any()));
                plain
            }
        }
    });
    frames.collect()
}

/// An outer packet around a frame. No UDP checksum, as RFC 6935 has it; the source port spreads the flows.
fn packed(tunnel: Tunnel, number: usize, inner: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    if tunnel.vxlan {
        let port = 49_152 | (number as u16 & 0x3fff);
        payload.extend(port.to_be_bytes());
        payload.extend(4789_u16.to_be_bytes());
        payload.extend((inner.len() as u16 + 16).to_be_bytes());
        payload.extend([0, 0, 0x08, 0, 0, 0]);
        payload.extend((VNI << 8).to_be_bytes());
    } else {
        payload.extend([0x20, 0, 0x65, 0x58]);
        payload.extend(VNI.to_be_bytes());
    }
    payload.extend_from_slice(inner);
    let protocol = if tunnel.vxlan { 17 } else { 47 };
    let len = payload.len() as u16;
    let mut outer = [FEED_MAC, PEER].concat();
    match tunnel.ends() {
        [IpAddr::V6(own), IpAddr::V6(peer)] => {
            outer.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            outer.extend(len.to_be_bytes());
            outer.extend([protocol, 64]);
            outer.extend(peer.octets());
            outer.extend(own.octets());
        }
        [IpAddr::V4(own), IpAddr::V4(peer)] => {
            outer.extend([0x08, 0x00, 0x45, 0]);
            outer.extend((len + 20).to_be_bytes());
            outer.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
            outer.extend(peer.octets());
            outer.extend(own.octets());
            let sum = checksum(&outer[14..], 0);
            outer[24..26].copy_from_slice(&sum.to_be_bytes());
        }
        _ => {}
    }
    outer.extend(payload);
    outer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::versus::overlay::tunnel;
    use crate::versus::table::{Table, Trace};

    #[test]
    fn outer_packets_are_as_long_as_they_say() {
        let destinations = Table::few6().destinations(Trace::Uniform, 100);
        for (kind, len) in [
            (tunnel(true, true), 148),
            (tunnel(true, false), 128),
            (tunnel(false, true), 140),
            (tunnel(false, false), 120),
        ] {
            let frames = of(Overlay::Decap(kind), &destinations);
            assert!(frames.iter().all(|frame| frame.len() == len));
            let at = if kind.ipv6 { 18 } else { 16 };
            let said = u16::from_be_bytes([frames[0][at], frames[0][at + 1]]) as usize;
            assert_eq!(said + if kind.ipv6 { 54 } else { 14 }, len);
            let inner = &frames[1][len - 78..];
            assert_eq!(
                (&inner[..6], &inner[6..12]),
                (&OURS[..], &station(1, 1)[..])
            );
        }
    }

    #[test]
    fn frames_go_from_one_group_of_stations_to_the_other() {
        let destinations = Table::few6().destinations(Trace::Uniform, 10_000);
        let frames = of(Overlay::Switch, &destinations);
        let senders: std::collections::HashSet<_> = frames.iter().map(|f| &f[6..12]).collect();
        assert!(7_000 < senders.len(), "{}", senders.len());
        assert!(frames.iter().all(|f| f[3] == 2 && f[9] == 1));
    }
}
