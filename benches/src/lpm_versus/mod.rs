//! Route lookups alone, ours beside DPDK's: `rte_fib6` and `rte_lpm6`, `rte_fib` and `rte_lpm`, linked in.
//!
//! ```text
//!   table.rs    routes, and the addresses to look up     lookups.rs   the scenarios, run and reported
//!   engine.rs   the contestants behind one trait         changes.rs   what a change of the table costs
//!   measure.rs  turns, medians                           tenants.rs   many VRFs
//! ```
//!
//! All engines of a scenario hold the same routes in one process and take turns; what is reported is the median of cycles
//! per lookup and the median of the ratios of one repetition each. Before that, every engine's answer for every address of
//! the trace is compared with ours, and a difference ends the run.
//!
//! An engine gets its addresses as it wants them, in an array, which is what a router's receive loop makes of a burst:
//! `rte_fib6` and `rte_lpm6` as 16 bytes in network order, the others as integers. Ours is called by `Lpm::lookup_burst`, the
//! fast lane's lookup behind a call like theirs. `rte_fib6` and `rte_fib` look up by AVX-512 only if EAL allows it and they
//! are told to: both is done, and an engine that declines does not run.
//!
//! Scenarios are named `lpm6/<table>/<trace>/<hot|polluted>/b<burst>`. `polluted`: before each burst two cache lines of each
//! of as many packet buffers are read, from a ring of 16 MiB, as a router would have read them; only the lookup is timed.
//!
//! The program is `lpm-versus` (`src/bin`), a process of its own because EAL keeps what it has taken; `versus` runs it and
//! reads its report.

pub mod changes;
pub mod engine;
pub mod lookups;
pub mod measure;
pub mod table;
pub mod tenants;

use crate::versus::options::{Only, Options};
use crate::versus::report::Ratio;
use crate::versus::stop;
use crate::versus::table::RouteFile;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::process::Command;
use std::time::Duration;
use table::Family;

/// Names the file that the report goes to.
pub const REPORT: &str = "HEXTET_LPM_REPORT";

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Which scenarios.
    only: Only,
    /// Which peers.
    peers: Only,
    /// Fewer repetitions, and if nothing is chosen, fewer scenarios.
    pub quick: bool,
    /// The user's own table, measured as `file` beside the generated ones.
    pub file: Option<RouteFile>,
}

impl From<&Options> for Selection {
    fn from(options: &Options) -> Self {
        Self {
            only: options.only.clone(),
            peers: options.peers.clone(),
            quick: options.quick,
            file: options.table.clone(),
        }
    }
}

impl Selection {
    /// Whether a scenario of this name is wanted. `small`: it is one of the few of a quick run.
    pub fn wants(&self, name: &str, small: bool) -> bool {
        self.only.wants(name) && (small || !self.quick || !self.only.is_empty())
    }

    /// Whether any scenario here is wanted.
    pub fn wants_any(&self) -> bool {
        let lookups = lookups::names::<u128>(self).chain(lookups::names::<u32>(self));
        let others = changes::SCENARIOS.iter().chain(&tenants::SCENARIOS);
        lookups
            .chain(
                others
                    .filter(|name| self.wants(name, true))
                    .map(|&name| name.to_owned()),
            )
            .next()
            .is_some()
    }
}

/// The figures of a table's size.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// Family and table.
    pub table: String,
    /// Whose.
    pub engine: String,
    /// Bytes.
    pub bytes: usize,
}

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Cycles per lookup by scenario.
    pub scenarios: Vec<lookups::Scenario>,
    /// The peers by ours.
    pub ratios: Vec<Ratio>,
    /// Bytes by table.
    pub memory: Vec<Memory>,
    /// What changes cost, by table.
    pub changes: Vec<changes::Figures>,
    /// Many VRFs.
    pub tenants: Option<tenants::Figures>,
    /// The closing lines.
    pub lines: Vec<String>,
}

impl Report {
    /// Makes the closing lines: `versus <scenario> <peer> <ratio>`, `memory <table> <engine> <bytes>`, `update <table> …`
    /// and `vrfs <number> …`.
    fn close(&mut self) {
        self.lines.splice(0..0, self.ratios.iter().map(Ratio::line));
        let line = |m: &Memory| format!("memory {} {} {}", m.table, m.engine, m.bytes);
        self.lines.extend(self.memory.iter().map(line));
        self.lines
            .extend(self.changes.iter().map(changes::Figures::line));
        self.lines
            .extend(self.tenants.iter().map(tenants::Figures::line));
    }
}

/// Runs what is selected, prints as it goes.
///
/// # Errors
/// When Hextet's own table fails, or engines answer differently.
pub fn run(selection: &Selection) -> Result<Report> {
    let eal = engine::start()?;
    let mut report = Report::default();
    lookups::family::<u128>(&eal, selection, &mut report)?;
    lookups::family::<u32>(&eal, selection, &mut report)?;
    changes::run(selection, &mut report)?;
    tenants::run(selection, &mut report)?;
    report.close();
    Ok(report)
}

/// Runs what is selected in a process of its own, whose report is given back as JSON; `None` if nothing is.
///
/// # Errors
/// When it fails.
pub fn in_process(options: &Options) -> Result<Option<serde_json::Value>> {
    if !Selection::from(options).wants_any() {
        return Ok(None);
    }
    let report = tempfile::NamedTempFile::new()?;
    let program = std::env::current_exe()?.with_file_name("lpm-versus");
    let mut child = Command::new(&program)
        .env(REPORT, report.path())
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if let Err(stopped) = stop::sleep(Duration::from_millis(100)) {
            child.kill()?;
            child.wait()?;
            return Err(stopped);
        }
    };
    ensure!(status.success(), "lpm-versus ended with {status}");
    Ok(Some(serde_json::from_slice(&std::fs::read(
        report.path(),
    )?)?))
}

/// The VRF that tables are measured in.
const VRF: tables::id::VrfId = tables::id::VrfId(0);

/// A table's name with its family's.
fn qualified<F: Family>(table: &str) -> String {
    format!("{}/{table}", F::NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(only: &str, quick: bool) -> Selection {
        let (only, peers) = (Only::parse(only), Only::default());
        Selection {
            only,
            peers,
            quick,
            file: None,
        }
    }

    #[test]
    fn what_is_chosen_by_name_runs_even_in_a_quick_run() {
        let name = "lpm6/230k/uniform/hot/b64";
        assert!(selection("", false).wants(name, false));
        assert!(!selection("", true).wants(name, false));
        assert!(selection("", true).wants(name, true));
        assert!(selection("transit,230k/uni", true).wants(name, false));
        assert!(!selection("transit", false).wants(name, true));
        assert!(!selection("transit6/160k", false).wants_any());
    }

    #[test]
    fn the_names_are_those_of_the_report() {
        let names: Vec<_> = lookups::names::<u128>(&selection("", false)).collect();
        assert_eq!(names.len(), 5 * 3 * 2 * 2);
        assert!(names.contains(&"lpm6/160k/zipf64k/polluted/b32".to_owned()));
        let names: Vec<_> = lookups::names::<u32>(&selection("900k/zipf1m/hot", false)).collect();
        assert_eq!(
            names,
            ["lpm4/900k/zipf1m/hot/b32", "lpm4/900k/zipf1m/hot/b64"]
        );
    }
}
