//! The floor: `dpdk-testpmd` in io mode, which moves packets and looks at none.

use super::feed::Feed;
use super::program::{Packets, Program};
use super::{MAIN_CORE, MBUFS, WORKER_CORE};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Starts testpmd on a feed.
///
/// # Errors
/// When it is not installed or does not move packets.
pub fn start(feed: &Feed, dir: &Path) -> Result<Program> {
    let prefix = format!("versus-testpmd-{}", std::process::id());
    let mut command = Command::new("dpdk-testpmd");
    command
        .args([
            "-l",
            &format!("{MAIN_CORE},{WORKER_CORE}"),
            "--main-lcore",
            &MAIN_CORE.to_string(),
        ])
        .args(["--no-pci", "--huge-unlink", "--file-prefix", &prefix])
        .arg(format!("--vdev={}", feed.vdev()))
        .args([
            "--",
            "--auto-start",
            "--forward-mode=io",
            "--burst=32",
            "--no-flush-rx",
        ])
        .args([
            "--port-topology=loop",
            &format!("--total-num-mbufs={MBUFS}"),
            "--stats-period=1000",
        ]);
    let mut testpmd = Program::spawn(
        "testpmd",
        &command,
        &dir.join("testpmd.log"),
        Packets::Telemetry(telemetry(&prefix)),
    )?;
    // The name changed in DPDK 22.11.
    let names = [
        format!("rte-worker-{WORKER_CORE}"),
        format!("lcore-worker-{WORKER_CORE}"),
    ];
    testpmd
        .settle(&names[..1], Duration::from_secs(20))
        .or_else(|_| testpmd.settle(&names[1..], Duration::from_secs(20)))?;
    Ok(testpmd)
}

/// The telemetry socket of a DPDK process run by root with this file prefix.
pub fn telemetry(prefix: &str) -> PathBuf {
    PathBuf::from(format!("/var/run/dpdk/{prefix}/dpdk_telemetry.v2"))
}
