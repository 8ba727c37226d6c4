//! Route lookups beside DPDK's: see the `lpm_versus` module for the method. `make versus` runs it; alone it takes the same
//! `ONLY`, `PEERS`, `QUICK` and `TABLE` from its environment.

use anyhow::Result;
use benches::lpm_versus::{self, REPORT, Selection};
use benches::versus::options::Options;
use benches::versus::pages::HugePages;
use benches::versus::{WORKER_CORE, meter};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Pages of 2 MiB for the largest table in both IPv6 peers: 1.8 GiB.
const HUGE_PAGES: u64 = 1200;

fn main() -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(WORKER_CORE)?;
    sched_setaffinity(Pid::from_raw(0), &cpus)?;
    let _pages = HugePages::reserve(HUGE_PAGES)?;
    println!(
        "Lookups: {}, TSC {:.3} GHz, load average {}",
        meter::cpu_model(),
        meter::tsc_ghz(),
        meter::load_average()
    );
    let report = lpm_versus::run(&Selection::from(&Options::from_env()?))?;
    match std::env::var_os(REPORT) {
        Some(path) => std::fs::write(path, serde_json::to_vec(&report)?)?,
        None => {
            println!("\nratio = peer's cycles / Hextet's cycles; above 1 Hextet is faster");
            report.lines.iter().for_each(|line| println!("{line}"));
        }
    }
    Ok(())
}
