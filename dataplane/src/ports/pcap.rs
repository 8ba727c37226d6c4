//! Capture files as a wire: replay and record.

use std::fs::File;
use std::path::PathBuf;

use super::{DeviceSpec, Driver, Fault, socket};

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

    fn max_queues(&self) -> u16 {
        1
    }

    fn program_mac(&self) -> bool {
        false
    }
}
