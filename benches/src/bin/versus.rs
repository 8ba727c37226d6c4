//! `make versus`: see the `versus` module for the method.

use anyhow::{Context, Result, bail};
use benches::lpm_versus;
use benches::versus::options::Options;
use benches::versus::pages::HugePages;
use benches::versus::report::Outcome;
use benches::versus::scenario::{self, Bench};
use benches::versus::{MAIN_CORE, l3fwd, meter, stop};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Pages of 2 MiB: Hextet 1.4 GiB, testpmd 0.7 GiB, each l3fwd up to 1.7 GiB with its tables.
const HUGE_PAGES: u64 = 3072;

fn main() -> Result<()> {
    stop::on_signals()?;
    let mut options = Options::from_env()?;
    options.tsc_ghz = meter::tsc_ghz();
    let dir = tempfile::Builder::new()
        .prefix("hextet-versus-")
        .tempdir()?;
    let l3fwd = match &options.l3fwd {
        Some(binary) => l3fwd::compile_once(binary, dir.path()),
        None => l3fwd::compile(dir.path()),
    };
    // Contestants and what they start stay on the main core; only polling threads bind themselves to theirs.
    let mut cpus = CpuSet::new();
    cpus.set(MAIN_CORE)?;
    sched_setaffinity(Pid::from_raw(0), &cpus).context("two CPUs are needed")?;
    let _pages = HugePages::reserve(HUGE_PAGES)?;
    let (rounds, length) = options.rounds();
    println!(
        "{}, TSC {:.3} GHz, {rounds} rounds of {} ms windows, load average {}",
        meter::cpu_model(),
        options.tsc_ghz,
        length.as_millis(),
        meter::load_average()
    );
    // Before the contestants below take their memory.
    let lookups = lpm_versus::in_process(&options)?;
    let bench = Bench {
        options: &options,
        dir: dir.path(),
        l3fwd,
    };
    let mut outcomes = Vec::new();
    for scenario in scenario::all(&options) {
        outcomes.push(scenario.run(&bench)?);
        write_json(&options, &outcomes, lookups.as_ref())?;
    }
    println!(
        "\nratio = peer's cycles / Hextet's cycles, feed included; above 1 Hextet is faster (target/versus.json)"
    );
    for ratio in outcomes.iter().flat_map(|o| &o.ratios) {
        println!("{}", ratio.line());
    }
    let lines = lookups
        .as_ref()
        .and_then(|report| report["lines"].as_array());
    for line in lines.into_iter().flatten().filter_map(|line| line.as_str()) {
        println!("{line}");
    }
    let failed: Vec<String> = outcomes
        .iter()
        .filter_map(|o| Some(format!("{}: {}", o.scenario, o.failed.as_ref()?)))
        .collect();
    if !failed.is_empty() {
        bail!("Hextet itself failed: {}", failed.join("; "));
    }
    Ok(())
}

fn write_json(
    options: &Options,
    outcomes: &[Outcome],
    lookups: Option<&serde_json::Value>,
) -> Result<()> {
    let json = serde_json::json!({
        "tsc_ghz": options.tsc_ghz,
        "scenarios": outcomes,
        "lookups": lookups,
    });
    std::fs::create_dir_all("target")?;
    std::fs::write("target/versus.json", serde_json::to_string_pretty(&json)?)?;
    Ok(())
}
