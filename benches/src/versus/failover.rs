//! How long a host's way is broken when the active one of two routers is killed, beside two Linux routers under keepalived: `make failover`
//! in short.

use super::meter;
use super::report::{Outcome, Ratio, median};
use super::scenario::Bench;
use anyhow::Result;
use lab::failover::{self, Breaks, Kind, percentile};

/// The scenario.
pub const NAME: &str = "failover/loss";
/// What may be lost, ms.
const MEDIAN: f64 = 50.0;
const P99: f64 = 150.0;

/// Runs it.
///
/// # Errors
/// None: what goes wrong is in the outcome.
pub fn run(bench: &Bench<'_>) -> Result<Outcome> {
    let rounds = if bench.options.quick { 5 } else { 20 };
    println!("\n{NAME}: the active router is killed, advertisements every 10 ms, {rounds} rounds");
    let mut outcome = Outcome {
        scenario: NAME.to_owned(),
        load_average: meter::load_average(),
        ..Outcome::default()
    };
    println!("  hextet");
    let ours = match failover::ours(Kind::Kill, rounds) {
        Ok(breaks) => both(&breaks),
        Err(error) => {
            outcome.failed = Some(format!("{error:#}"));
            return Ok(outcome);
        }
    };
    let of = |figures: &[u64], per_cent| percentile(figures, per_cent).max(1) as f64;
    outcome.notes.push(said("hextet", &ours));
    outcome.ratios = vec![
        Ratio::of(NAME, "50-ms-median", &[MEDIAN / of(&ours, 50)]),
        Ratio::of(NAME, "150-ms-p99", &[P99 / of(&ours, 99)]),
    ];
    if bench.options.peers.wants("keepalived") {
        println!("  keepalived");
        let ratio = match failover::keepalived(rounds) {
            Ok(breaks) => {
                let theirs = both(&breaks);
                outcome.notes.push(said("keepalived", &theirs));
                let pairs = theirs.iter().zip(&ours);
                let ratios: Vec<f64> = pairs
                    .map(|(theirs, ours)| *theirs as f64 / (*ours).max(1) as f64)
                    .collect();
                Ratio::of(NAME, "keepalived", &ratios)
            }
            Err(error) => Ratio::not_run(NAME, "keepalived", &format!("{error:#}")),
        };
        outcome.ratios.push(ratio);
    }
    for note in &outcome.notes {
        println!("  {note}");
    }
    Ok(outcome)
}

/// Of both IP versions.
fn both(breaks: &Breaks) -> Vec<u64> {
    [&breaks.v6[..], &breaks.v4].concat()
}

fn said(who: &str, breaks: &[u64]) -> String {
    let figures: Vec<f64> = breaks.iter().map(|ms| *ms as f64).collect();
    format!(
        "{who}: {} ms in the median, {} ms at most, of {} breaks",
        median(&figures),
        percentile(breaks, 100),
        breaks.len()
    )
}
