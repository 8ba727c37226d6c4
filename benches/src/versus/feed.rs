//! The feed: a pcap file that `net_pcap` preloads into mbufs, and the routes that its packets meet.

use anyhow::{Context, Result};
use std::io::{BufWriter, Write};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use tables::testing::bgp6;

/// `net_pcap0`'s own MAC, which the frames are addressed to.
pub const FEED_MAC: [u8; 6] = [0x02, 0x70, 0x63, 0x61, 0x70, 0x00];
/// The prefix of documentation (RFC 3849), which the feed's own subnet is taken from.
const LINK: u128 = 0x2001_0db8 << 96;
/// Packets in a feed.
pub const N_PACKETS: usize = 65_536;
/// Bytes of a frame: Ethernet 14, IPv6 40, UDP 8, 16 of payload.
pub const FRAME: usize = 78;

/// A route of the table under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Network address, host bits zero.
    pub addr: u128,
    /// Prefix length.
    pub len: u8,
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv6Addr::from_bits(self.addr), self.len)
    }
}

/// A feed on disk with its table.
#[derive(Debug)]
pub struct Feed {
    /// Scenario name, as `transit6/8/uniform`.
    pub name: &'static str,
    /// The pcap file.
    pub pcap: PathBuf,
    /// The table.
    pub routes: Vec<Route>,
}

/// A small deterministic generator (SplitMix64): the same feed on every machine.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }
}

/// Eight connected /64s.
pub fn few_routes() -> Vec<Route> {
    (0..8u128)
        .map(|i| Route {
            addr: LINK | (i + 1) << 64,
            len: 64,
        })
        .collect()
}

/// A table shaped like the IPv6 Internet's: 160,000 routes of /20 to /64.
pub fn full_table() -> Vec<Route> {
    bgp6(160_000, 1, 1)
        .into_iter()
        .map(|(prefix, _)| Route {
            addr: prefix.addr(),
            len: prefix.len(),
        })
        // Nothing of the subnet between the feed and its routers.
        .filter(|route| (route.addr ^ LINK) >> (128 - route.len.min(32)) != 0)
        .collect()
}

impl Feed {
    /// Writes a feed whose packets choose a route uniformly and fill its host bits.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn uniform(name: &'static str, routes: Vec<Route>, dir: &Path) -> Result<Self> {
        let pcap = dir.join(format!("{}.pcap", name.replace('/', "-")));
        let mut random = Random(7);
        let destinations = (0..N_PACKETS).map(|_| {
            let route = routes[random.below(routes.len())];
            let noise = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
            let host_bits = u128::MAX.checked_shr(u32::from(route.len)).unwrap_or(0);
            // Never the subnet-router anycast address, which is the router's own.
            route.addr | (noise & host_bits).max(2)
        });
        write_pcap(&pcap, destinations).with_context(|| format!("writing {}", pcap.display()))?;
        Ok(Self { name, pcap, routes })
    }
}

fn write_pcap(path: &Path, destinations: impl Iterator<Item = u128>) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    // Classic pcap, little endian, Ethernet.
    out.write_all(&0xa1b2_c3d4_u32.to_le_bytes())?;
    out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
    out.write_all(&65_535_u32.to_le_bytes())?;
    out.write_all(&1_u32.to_le_bytes())?;
    for (i, destination) in destinations.enumerate() {
        let frame = frame(destination, i as u16);
        let length = (FRAME as u32).to_le_bytes();
        out.write_all(&[0; 8])?;
        out.write_all(&length)?;
        out.write_all(&length)?;
        out.write_all(&frame)?;
    }
    out.flush()
}

/// One UDP packet over IPv6 with a right checksum.
fn frame(destination: u128, port: u16) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    frame[..6].copy_from_slice(&FEED_MAC);
    frame[6..12].copy_from_slice(&[0x02, 0, 0, 0, 0, 0xfe]);
    frame[12..14].copy_from_slice(&[0x86, 0xdd]);
    frame[14] = 0x60;
    frame[18..20].copy_from_slice(&((FRAME - 54) as u16).to_be_bytes());
    frame[20] = 17;
    frame[21] = 64;
    frame[22..38].copy_from_slice(&(0x2001_0db8_ffff_u128 << 80 | 1).to_be_bytes());
    frame[38..54].copy_from_slice(&destination.to_be_bytes());
    frame[54..56].copy_from_slice(&port.to_be_bytes());
    frame[56..58].copy_from_slice(&9_u16.to_be_bytes());
    frame[58..60].copy_from_slice(&((FRAME - 54) as u16).to_be_bytes());
    let pseudo = frame[22..FRAME]
        .chunks(2)
        .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
    let mut sum: u32 = pseudo.sum::<u32>() + 17 + (FRAME - 54) as u32;
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !(sum as u16);
    frame[60..62].copy_from_slice(&if checksum == 0 { 0xffff } else { checksum }.to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_table_is_full_and_leaves_the_link_alone() {
        let routes = full_table();
        assert!(
            (159_900..=160_000).contains(&routes.len()),
            "{}",
            routes.len()
        );
        assert!(
            routes
                .iter()
                .all(|r| r.len <= 64 && r.addr >> 96 != LINK >> 96)
        );
    }

    #[test]
    fn a_feed_holds_its_packets_and_each_meets_a_route() {
        let dir = tempfile::tempdir().unwrap();
        let feed = Feed::uniform("transit6/8/uniform", few_routes(), dir.path()).unwrap();
        let bytes = std::fs::read(&feed.pcap).unwrap();
        assert_eq!(bytes.len(), 24 + N_PACKETS * (16 + FRAME));
        for packet in bytes[24..].chunks(16 + FRAME).step_by(997) {
            let to = u128::from_be_bytes(packet[16 + 38..16 + 54].try_into().unwrap());
            assert!(
                feed.routes
                    .iter()
                    .any(|r| (to ^ r.addr) >> (128 - r.len) == 0),
                "{to:x}"
            );
        }
    }
}
