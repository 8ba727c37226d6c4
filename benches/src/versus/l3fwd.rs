//! The peer: DPDK's own `l3fwd`, compiled from Debian's example source in a temporary folder and thrown away.
//!
//! Its constants are too small for a full table and one receive offload is missing from the feed's driver; those few
//! numbers are raised, nothing else is touched.

use super::WORKER_CORE;
use super::feed::Feed;
use super::program::{Packets, Program};
use super::table::Table;
use super::testpmd::telemetry;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SOURCE: &str = "/usr/share/dpdk/examples/l3fwd";
/// Headers that the examples share; l3fwd's Makefile looks for them beside it.
const COMMON: &str = "/usr/share/dpdk/examples/common";

/// `(file, shipped, needed)`.
const CONSTANTS: &[(&str, &str, &str)] = &[
    (
        "l3fwd_lpm.c",
        "IPV6_L3FWD_LPM_MAX_RULES         1024",
        "IPV6_L3FWD_LPM_MAX_RULES         (1 << 19)",
    ),
    (
        "l3fwd_lpm.c",
        "IPV6_L3FWD_LPM_NUMBER_TBL8S (1 << 16)",
        "IPV6_L3FWD_LPM_NUMBER_TBL8S 400000",
    ),
    (
        "l3fwd_lpm.c",
        "IPV4_L3FWD_LPM_MAX_RULES         1024",
        "IPV4_L3FWD_LPM_MAX_RULES         (1 << 20)",
    ),
    (
        "l3fwd_fib.c",
        "config_ipv4.max_routes = (1 << 16)",
        "config_ipv4.max_routes = (1 << 20)",
    ),
    (
        "l3fwd_fib.c",
        "config.max_routes = (1 << 16) - 1",
        "config.max_routes = (1 << 19)",
    ),
    (
        "l3fwd_fib.c",
        "config.trie.num_tbl8 = (1 << 15)",
        "config.trie.num_tbl8 = 400000",
    ),
    ("main.c", "(unsigned)8192)", "(unsigned)262144)"),
    (
        "main.c",
        ".offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM",
        ".offloads = 0",
    ),
];

/// Compiles l3fwd below `dir`.
///
/// # Errors
/// When its source is not installed (Debian: dpdk-doc) or does not compile.
pub fn compile(dir: &Path) -> Result<PathBuf> {
    ensure!(
        Path::new(SOURCE).is_dir(),
        "no {SOURCE} (Debian package dpdk-doc)"
    );
    let work = dir.join("l3fwd");
    run(Command::new("cp").args(["-rL", SOURCE, COMMON]).arg(dir))?;
    for (file, shipped, needed) in CONSTANTS {
        let path = work.join(file);
        let text = std::fs::read_to_string(&path)?;
        ensure!(
            text.contains(shipped),
            "{file} of this DPDK does not say `{shipped}`"
        );
        std::fs::write(&path, text.replace(shipped, needed))?;
    }
    run(Command::new("make").arg("-C").arg(&work).arg("shared"))?;
    Ok(work.join("build/l3fwd"))
}

/// The l3fwd that was compiled to `binary` before, or else is now.
///
/// # Errors
/// As [`compile`].
pub fn compile_once(binary: &Path, dir: &Path) -> Result<PathBuf> {
    if !binary.exists() {
        std::fs::copy(compile(dir)?, binary)
            .with_context(|| format!("leaving l3fwd at {}", binary.display()))?;
    }
    Ok(binary.canonicalize()?)
}

/// Starts l3fwd on a feed; `lookup` is `fib` or `lpm`.
///
/// # Errors
/// When it does not move packets.
pub fn start(
    binary: &Path,
    name: &'static str,
    lookup: &str,
    feed: &Feed,
    dir: &Path,
) -> Result<Program> {
    let routes = feed.table.routes();
    let lines: String = routes
        .iter()
        .map(|(prefix, _)| format!("R{prefix} 0\n"))
        .collect();
    // It wants routes of both families.
    let (lines6, lines4) = match *feed.table {
        Table::V6(_) => (lines.as_str(), "R198.18.0.0/24 0\n"),
        Table::V4(_) => ("R2001:db8::/64 0\n", lines.as_str()),
    };
    let (rules6, rules4) = (
        dir.join(format!("{name}-rules6")),
        dir.join(format!("{name}-rules4")),
    );
    std::fs::write(&rules6, lines6)?;
    std::fs::write(&rules4, lines4)?;
    let prefix = format!("versus-{name}-{}", std::process::id());
    let mut command = Command::new(binary);
    command
        .args([
            "-l",
            &WORKER_CORE.to_string(),
            "--no-pci",
            "--huge-unlink",
            "--file-prefix",
            &prefix,
        ])
        .arg(format!("--vdev={}", feed.vdev()))
        // Without it rte_fib6's vector lookup silently stays scalar.
        .arg("--force-max-simd-bitwidth=512")
        .args(["--", "-p", "0x1", "-P", &format!("--lookup={lookup}")])
        .arg(format!("--config=(0,0,{WORKER_CORE})"))
        .arg("--parse-ptype")
        .arg(format!("--rule_ipv4={}", rules4.display()))
        .arg(format!("--rule_ipv6={}", rules6.display()));
    let mut l3fwd = Program::spawn(
        name,
        &command,
        &dir.join(format!("{name}.log")),
        Packets::Telemetry(telemetry(&prefix), 1),
    )?;
    // Its only lcore is the main one: the process's first thread.
    l3fwd.settle(&["l3fwd".to_owned()], Duration::from_secs(120))?;
    Ok(l3fwd)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("running {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
