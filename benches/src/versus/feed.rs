//! The feed: a pcap file that `net_pcap` preloads into mbufs, and the table that its packets meet.

use super::table::{LINK4, LINK6, Table, Trace};
use anyhow::{Context, Result};
use std::io::{BufWriter, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// `net_pcap0`'s own MAC, which the frames are addressed to.
pub const FEED_MAC: [u8; 6] = [0x02, 0x70, 0x63, 0x61, 0x70, 0x00];
/// Packets in a feed.
pub const N_PACKETS: usize = 65_536;
/// Bytes of a frame of IPv6: Ethernet 14, IPv6 40, UDP 8, 16 of payload.
pub const FRAME6: usize = 78;
/// Bytes of a frame of IPv4: Ethernet 14, IPv4 20, UDP 8, 22 of payload.
pub const FRAME4: usize = 64;

/// A feed on disk with its table.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The pcap file.
    pub pcap: PathBuf,
    /// The table.
    pub table: Rc<Table>,
}

impl Feed {
    /// Writes a feed of [`N_PACKETS`] packets.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(table: Rc<Table>, trace: Trace, pcap: &Path) -> Result<Self> {
        let destinations = table.destinations(trace, N_PACKETS);
        write_pcap(pcap, &destinations).with_context(|| format!("writing {}", pcap.display()))?;
        Ok(Self {
            pcap: pcap.to_owned(),
            table,
        })
    }

    /// Bytes of each frame.
    pub fn frame_len(&self) -> usize {
        match *self.table {
            Table::V6(_) => FRAME6,
            Table::V4(_) => FRAME4,
        }
    }

    /// What makes DPDK open this feed.
    pub fn vdev(&self) -> String {
        self.vdev_numbered(0)
    }

    /// The same as one of several.
    pub fn vdev_numbered(&self, number: usize) -> String {
        format!(
            "net_pcap{number},rx_pcap={},infinite_rx=1",
            self.pcap.display()
        )
    }
}

/// Writes a feed of one UDP packet for each destination.
pub(super) fn write_pcap(path: &Path, destinations: &[IpAddr]) -> std::io::Result<()> {
    write(path, 65_535, destinations.iter().map(|to| frame(*to)))
}

/// Writes a feed of frames, none of which has more than so many bytes.
///
/// # Errors
/// When the file cannot be written.
pub fn write_frames(
    path: &Path,
    longest: usize,
    frames: impl Iterator<Item = Vec<u8>>,
) -> Result<()> {
    write(path, longest as u32, frames).with_context(|| format!("writing {}", path.display()))
}

/// Writes a classic pcap file, little endian, Ethernet.
fn write(path: &Path, longest: u32, frames: impl Iterator<Item = Vec<u8>>) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    out.write_all(&0xa1b2_c3d4_u32.to_le_bytes())?;
    out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
    out.write_all(&longest.to_le_bytes())?;
    out.write_all(&1_u32.to_le_bytes())?;
    for frame in frames {
        let length = (frame.len() as u32).to_le_bytes();
        out.write_all(&[0; 8])?;
        out.write_all(&length)?;
        out.write_all(&length)?;
        out.write_all(&frame)?;
    }
    out.flush()
}

/// One UDP packet to a destination. Its source port follows from it, so that a flow is the same five-tuple every time.
pub fn frame(destination: IpAddr) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME6);
    frame.extend(FEED_MAC);
    frame.extend([0x02, 0, 0, 0, 0, 0xfe]);
    let pseudo = match destination {
        IpAddr::V6(to) => {
            let length = FRAME6 - 14 - 40;
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, length as u8, 17, 64]);
            frame.extend((LINK6 | 0xffff << 80 | 1).to_be_bytes());
            frame.extend(to.octets());
            udp(&mut frame, port(to.to_bits()), length);
            22
        }
        IpAddr::V4(to) => {
            let length = FRAME4 - 14 - 20;
            frame.extend([
                0x08,
                0x00,
                0x45,
                0,
                0,
                length as u8 + 20,
                0,
                0,
                0x40,
                0,
                64,
                17,
                0,
                0,
            ]);
            frame.extend((LINK4 | 1).to_be_bytes());
            frame.extend(to.octets());
            let checksum = checksum(&frame[14..], 0);
            frame[24..26].copy_from_slice(&checksum.to_be_bytes());
            udp(&mut frame, port(u128::from(to.to_bits())), length);
            26
        }
    };
    let at = if destination.is_ipv6() { 54 } else { 34 };
    let udp_length = (frame.len() - at) as u32;
    let checksum = checksum(&frame[pseudo..], 17 + udp_length);
    let checksum = if checksum == 0 { 0xffff } else { checksum };
    frame[at + 6..at + 8].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// A UDP header without its checksum, and a payload of zeros.
fn udp(frame: &mut Vec<u8>, port: u16, length: usize) {
    frame.extend(port.to_be_bytes());
    frame.extend(9_u16.to_be_bytes());
    frame.extend((length as u16).to_be_bytes());
    frame.resize(frame.len() + length - 6, 0);
}

fn port(destination: u128) -> u16 {
    let folded = (destination >> 64) as u64 ^ destination as u64;
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u16
}

/// The Internet checksum of some bytes and a sum to start with (RFC 1071).
pub fn checksum(bytes: &[u8], start: u32) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | w.get(1).map_or(0, |&b| b.into()));
    let mut sum = start + words.sum::<u32>();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_holds_its_packets() {
        let dir = tempfile::tempdir().unwrap();
        for (table, len) in [(Table::few6(), FRAME6), (Table::few4(), FRAME4)] {
            let path = dir.path().join("feed.pcap");
            let feed = Feed::write(Rc::new(table), Trace::Uniform, &path).unwrap();
            assert_eq!(feed.frame_len(), len);
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(bytes.len(), 24 + N_PACKETS * (16 + len));
            let expected = feed.table.destinations(Trace::Uniform, N_PACKETS);
            for (packet, to) in bytes[24..].chunks(16 + len).zip(expected).step_by(997) {
                match to {
                    IpAddr::V6(to) => assert_eq!(packet[16 + 38..16 + 54], to.octets()),
                    IpAddr::V4(to) => assert_eq!(packet[16 + 30..16 + 34], to.octets()),
                }
            }
        }
    }

    #[test]
    fn lengths_and_checksums_are_right() {
        let frame6 = frame("2a00:1::7".parse().unwrap());
        assert_eq!(frame6.len(), FRAME6);
        assert_eq!(frame6[18..20], [0, 24]);
        assert_eq!(frame6[58..60], [0, 24]);
        // A right checksum makes the whole sum to zero.
        assert_eq!(checksum(&frame6[22..], 17 + 24), 0);
        let frame4 = frame("203.0.113.9".parse().unwrap());
        assert_eq!(frame4.len(), FRAME4);
        assert_eq!(frame4[16..18], [0, 50]);
        assert_eq!(checksum(&frame4[14..34], 0), 0);
        assert_eq!(checksum(&frame4[26..], 17 + 30), 0);
    }

    #[test]
    fn a_flow_is_the_same_five_tuple_every_time() {
        let to = "2a00:1::7".parse().unwrap();
        assert_eq!(frame(to), frame(to));
        let ports: std::collections::HashSet<u16> =
            (0..1000).map(|i| port(0x2a00 << 112 | i)).collect();
        assert!(900 < ports.len(), "{} ports of 1000 flows", ports.len());
    }
}
