//! From contestants to an outcome: rounds, rows, ratios.

use super::options::Options;
use super::report::{Memory, Outcome, Ratio, row};
use super::rounds::{self, Contestant};
use super::{meter, stop};
use anyhow::Result;
use std::time::Instant;

/// Starts a contestant, and says how long it took or why it failed.
///
/// # Errors
/// Only when this program was asked to stop.
pub fn timed<T>(
    name: &str,
    start: impl FnOnce() -> Result<T>,
) -> Result<std::result::Result<T, String>> {
    let began = Instant::now();
    match start() {
        Ok(contestant) => {
            let took = began.elapsed().as_secs_f64();
            println!("  {name:<16} forwards by all routes {took:.1} s after its start");
            Ok(Ok(contestant))
        }
        Err(error) => {
            stop::check()?;
            println!("  {name:<16} not run: {error:#}");
            Ok(Err(format!("{error:#}")))
        }
    }
}

/// Measures all against `hextet`, which is the last, unless it `failed` to start.
///
/// # Errors
/// Only when this program was asked to stop.
pub fn compare(
    scenario: &str,
    contestants: &[Contestant],
    absent: Vec<Ratio>,
    failed: Option<String>,
    options: &Options,
) -> Result<Outcome> {
    let mut outcome = Outcome {
        scenario: scenario.to_owned(),
        failed,
        load_average: meter::load_average(),
        ..Outcome::default()
    };
    let (rounds, length) = options.rounds();
    let records = rounds::run(contestants, rounds, length, options.tsc_ghz)?;
    for contestant in contestants {
        let (rss, huge) = contestant.program.memory();
        outcome.memory.push(Memory {
            name: contestant.name.to_owned(),
            bytes: rss + huge,
            what: "the process: resident and huge pages".to_owned(),
        });
    }
    let measured = records.iter().filter(|r| !r.cycles().is_empty());
    outcome.figures = measured.map(|r| r.figures(options.tsc_ghz)).collect();
    outcome.figures.iter().for_each(|f| println!("{}", row(f)));
    let (ours, peers) = match records.split_last() {
        Some((ours, peers)) if ours.name == "hextet" => (Some(ours), peers),
        _ => (None, records.as_slice()),
    };
    if let Some(why) = ours.and_then(rounds::Record::void) {
        outcome.failed = Some(why);
    }
    for peer in peers {
        let ratio = match (ours, &outcome.failed) {
            (Some(ours), None) => peer.against(ours, scenario),
            (_, why) => {
                let why = why.as_deref().unwrap_or("unknown");
                Ratio::not_run(scenario, peer.name, &format!("Hextet itself failed: {why}"))
            }
        };
        outcome.ratios.push(ratio);
    }
    outcome.ratios.extend(absent);
    Ok(outcome)
}
