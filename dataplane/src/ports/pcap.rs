//! Capture files as a wire: replay and record.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{DeviceSpec, Driver, Fault, LINK_HEADER, socket};

/// Receives the packets of a file, writes what it sends into another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pcap {
    /// The packets to receive; `None`: never any.
    pub rx: Option<PathBuf>,
    /// Where sent packets go (overwritten); `None`: dropped.
    pub tx: Option<PathBuf>,
    /// Receive the file again and again. Its packets are kept in buffers of the pool.
    pub infinite: bool,
}

impl Driver for Pcap {
    fn label(&self) -> &'static str {
        "pcap"
    }

    fn device_name(&self, unit: u32) -> String {
        format!("net_pcap{unit}")
    }

    fn arguments(&self, _spec: &DeviceSpec) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(rx) = &self.rx {
            arguments.push(format!("rx_pcap={}", rx.display()));
        }
        if let Some(tx) = &self.tx {
            arguments.push(format!("tx_pcap={}", tx.display()));
        }
        if self.infinite && self.rx.is_some() {
            arguments.push("infinite_rx=1".to_owned());
        }
        arguments
    }

    fn check(&self, _spec: &DeviceSpec, _hugepages: bool) -> Result<(), Fault> {
        if let Some(path) = &self.rx {
            File::open(path).map_err(|source| Fault::File {
                path: path.clone(),
                source,
            })?;
            socket::check_comma(path)?;
        }
        if let Some(path) = &self.tx {
            socket::check_comma(path)?;
            socket::check_directory(path)?;
        }
        Ok(())
    }

    /// No packet of the file is longer than it says.
    fn min_data_room(&self, spec: &DeviceSpec) -> u16 {
        let longest = spec.mtu.saturating_add(LINK_HEADER);
        let longest_of_file = self.rx.as_deref().and_then(longest_packet);
        longest_of_file.map_or(longest, |of_file| of_file.min(longest))
    }

    fn max_queues(&self) -> u16 {
        1
    }

    fn program_mac(&self) -> bool {
        false
    }
}

/// The longest packet that a capture file may have, by its header (classic pcap, either byte order); `None` if it is something else.
fn longest_packet(path: &Path) -> Option<u16> {
    const SNAPLEN: usize = 16;
    let mut header = [0; 24];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    let (magic, _) = header.split_first_chunk()?;
    let snaplen = header[SNAPLEN..].first_chunk()?;
    let longest = match magic {
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => u32::from_le_bytes(*snaplen),
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] => u32::from_be_bytes(*snaplen),
        _ => return None,
    };
    // Some writers have 0 for "no limit".
    (longest != 0).then(|| longest.try_into().unwrap_or(u16::MAX))
}
