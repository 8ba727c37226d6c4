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
    start_on("testpmd", std::slice::from_ref(feed), dir)
}

/// Starts testpmd on one or two feeds, with a polling thread for each: the second shares the main core.
///
/// # Errors
/// When it is not installed or does not move packets.
pub fn start_on(name: &'static str, feeds: &[Feed], dir: &Path) -> Result<Program> {
    let prefix = format!("versus-{name}-{}", std::process::id());
    let mut command = Command::new("dpdk-testpmd");
    let cpus = [WORKER_CORE, MAIN_CORE];
    let lcores = cpus.iter().take(feeds.len()).enumerate();
    let lcores: String = lcores.map(|(i, cpu)| format!(",{}@{cpu}", i + 1)).collect();
    command
        .arg(format!("--lcores=0@{MAIN_CORE}{lcores}"))
        .args(["--main-lcore", "0"])
        .args(["--no-pci", "--huge-unlink", "--file-prefix", &prefix])
        .args(
            feeds
                .iter()
                .enumerate()
                .map(|(i, feed)| format!("--vdev={}", feed.vdev_numbered(i))),
        )
        .args([
            "--",
            "--auto-start",
            "--forward-mode=io",
            "--burst=32",
            "--no-flush-rx",
        ])
        .arg("--port-topology=loop")
        .arg(format!("--nb-cores={}", feeds.len()))
        .arg(format!("--total-num-mbufs={}", MBUFS * feeds.len() as u32))
        .arg("--stats-period=1000");
    let log = dir.join(format!("{name}.log"));
    let packets = Packets::Telemetry(telemetry(&prefix), feeds.len());
    let mut testpmd = Program::spawn(name, &command, &log, packets)?;
    // The name changed in DPDK 22.11.
    let names = |name: &str| {
        (1..=feeds.len())
            .map(|i| format!("{name}-{i}"))
            .collect::<Vec<_>>()
    };
    testpmd
        .settle(&names("rte-worker"), Duration::from_secs(20))
        .or_else(|_| testpmd.settle(&names("lcore-worker"), Duration::from_secs(20)))?;
    Ok(testpmd)
}

/// The telemetry socket of a DPDK process run by root with this file prefix.
pub fn telemetry(prefix: &str) -> PathBuf {
    PathBuf::from(format!("/var/run/dpdk/{prefix}/dpdk_telemetry.v2"))
}
