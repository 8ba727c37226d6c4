//! `make versus`: see the `versus` module for the method.

use anyhow::{Context, Result, ensure};
use benches::lpm_versus;
use benches::versus::options::Options;
use benches::versus::pages::HugePages;
use benches::versus::report::{Outcome, Ratio};
use benches::versus::scenario::{self, Bench};
use benches::versus::{MAIN_CORE, goal, l3fwd, machine, meter, stop};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::process::ExitCode;

/// Pages of 2 MiB: Hextet 1.4 GiB, testpmd 0.7 GiB, each l3fwd up to 1.7 GiB with its tables, Open vSwitch 1.3 GiB.
const HUGE_PAGES: u64 = 3584;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("versus: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
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
    let scenarios = scenario::all(&options);
    let needs_pages = scenarios.iter().any(scenario::Scenario::needs_pages) || scenarios.is_empty();
    let _pages = needs_pages
        .then(|| HugePages::reserve(HUGE_PAGES))
        .transpose()?;
    let (rounds, length) = options.rounds();
    println!(
        "{}, TSC {:.3} GHz, {rounds} rounds of {} ms windows, load average {}",
        meter::cpu_model(),
        options.tsc_ghz,
        length.as_millis(),
        meter::load_average()
    );
    let mut report = Report {
        machine: machine::describe(options.tsc_ghz),
        ..Report::default()
    };
    // A process of its own, before the contestants below take their memory.
    match lpm_versus::in_process(&options) {
        Ok(lookups) => report.lookups = lookups,
        Err(error) => report.errors.push(format!("lookups: {error:#}")),
    }
    let bench = Bench {
        options: &options,
        dir: dir.path(),
        l3fwd,
    };
    for scenario in scenarios {
        match scenario.run(&bench) {
            Ok(outcome) => report.scenarios.push(outcome),
            Err(error) => report.errors.push(format!("{}: {error:#}", scenario.name)),
        }
        report.write()?;
        if stop::asked() {
            break;
        }
    }
    report.close();
    report.verdict()
}

/// Everything that was measured, as it stands in `target/versus.json`.
#[derive(Debug, Default, serde::Serialize)]
struct Report {
    machine: serde_json::Value,
    scenarios: Vec<Outcome>,
    lookups: Option<serde_json::Value>,
    errors: Vec<String>,
}

impl Report {
    fn write(&self) -> Result<()> {
        std::fs::create_dir_all("target")?;
        std::fs::write("target/versus.json", serde_json::to_string_pretty(self)?)?;
        Ok(())
    }

    /// The closing lines, for programs too.
    fn close(&self) {
        println!(
            "\nratio = peer's cycles / Hextet's cycles, feed included, or Hextet's exchanges a second / peer's; above 1 Hextet is faster (target/versus.json)"
        );
        let mut ratios: Vec<Ratio> = self
            .scenarios
            .iter()
            .flat_map(|o| o.ratios.clone())
            .collect();
        ratios.iter().for_each(|ratio| println!("{}", ratio.line()));
        if let Some(lookups) = &self.lookups {
            let lines = lookups["lines"].as_array().into_iter().flatten();
            lines
                .filter_map(|line| line.as_str())
                .for_each(|line| println!("{line}"));
            let theirs = serde_json::from_value(lookups["ratios"].clone());
            ratios.extend::<Vec<Ratio>>(theirs.unwrap_or_default());
        }
        for outcome in &self.scenarios {
            for memory in &outcome.memory {
                println!(
                    "memory {} {} {}",
                    outcome.scenario, memory.name, memory.bytes
                );
            }
            outcome
                .notes
                .iter()
                .for_each(|note| println!("note {}: {note}", outcome.scenario));
        }
        goal::lines(&ratios, self.lookups.as_ref())
            .iter()
            .for_each(|line| println!("{line}"));
    }

    /// Missed goals are said above; an error is only that Hextet itself failed.
    fn verdict(mut self) -> Result<()> {
        let failed = |o: &Outcome| Some(format!("{}: {}", o.scenario, o.failed.as_ref()?));
        self.errors.extend(self.scenarios.iter().filter_map(failed));
        ensure!(self.errors.is_empty(), "{}", self.errors.join("; "));
        Ok(())
    }
}
