//! What a change of the table costs its writer, alone and in batches.
//!
//! Changes are withdrawals, announcements and new next hops of routes drawn evenly, a third each, of the whole table; time
//! is taken of each. Batches of 1,000 are withdrawn and announced again: `coalesced`, the routes of one neighbourhood, as a
//! provider's come in a burst; `scattered`, routes drawn evenly. A reader passes a quiescent state after each change or
//! batch. In the end lookups are compared with the routes.

use super::engine::Hextet;
use super::table::{Family, Table};
use super::{Report, Selection, VRF, qualified};
use crate::versus::meter::{tsc, tsc_ghz};
use anyhow::{Result, ensure};
use serde::Serialize;
use tables::lpm::Prefix;
use tables::testing::{Random, Route, uniform_trace};

/// Names of the scenarios.
pub const SCENARIOS: [&str; 4] = [
    "lpm6/160k/update",
    "lpm6/230k/update",
    "lpm4/900k/update",
    "file/update",
];

/// Changes in a batch.
const BATCH: usize = 1000;

/// The figures of a table.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Family and table.
    pub table: String,
    /// Microseconds of a change: mean, median, 99th percentile, longest.
    pub mean_us: f64,
    /// Median.
    pub p50_us: f64,
    /// 99 % take no longer.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
    /// Changes a second, one after the other.
    pub per_s: f64,
    /// Changes a second in batches of neighbours.
    pub coalesced_per_s: f64,
    /// Changes a second in batches drawn evenly.
    pub scattered_per_s: f64,
}

impl Figures {
    /// The closing line.
    pub fn line(&self) -> String {
        format!(
            "update {} mean_us {:.2} p50_us {:.2} p99_us {:.2} max_us {:.0} per_s {:.0} coalesced {:.0} scattered {:.0}",
            self.table,
            self.mean_us,
            self.p50_us,
            self.p99_us,
            self.max_us,
            self.per_s,
            self.coalesced_per_s,
            self.scattered_per_s
        )
    }
}

/// Measures the tables that are wanted.
///
/// # Errors
/// When a change fails, or a lookup goes wrong after them.
pub fn run(selection: &Selection, report: &mut Report) -> Result<()> {
    family::<u128>(selection, report)?;
    family::<u32>(selection, report)
}

fn family<F: Family>(selection: &Selection, report: &mut Report) -> Result<()> {
    for name in Table::<F>::names(selection) {
        let scenario = format!("{}/update", qualified::<F>(name));
        let listed = SCENARIOS.iter().any(|listed| scenario.ends_with(listed));
        if listed && selection.wants(&scenario, name == "160k") {
            let figures = table(&Table::<F>::make(name, selection), selection.quick)?;
            println!("\n{}", figures.line());
            report.changes.push(figures);
        }
    }
    Ok(())
}

/// Changes of a table, an endless sequence.
struct Churn<F: Family> {
    random: Random,
    present: Vec<Route<F>>,
    withdrawn: Vec<Route<F>>,
    turn: usize,
}

impl<F: Family> Churn<F> {
    /// Routes that are away at any time, so that an announcement is not of what was withdrawn last.
    const AWAY: usize = 1000;

    /// Makes the next change.
    fn step(&mut self, hextet: &mut Hextet<F>) -> Result<()> {
        self.turn += 1;
        match self.turn % 3 {
            0 => self.withdraw(hextet),
            1 if Self::AWAY < self.withdrawn.len() => {
                let route = take(&mut self.random, &mut self.withdrawn);
                self.present.push(route);
                hextet.writer.insert(VRF, route.0, route.1)?;
                Ok(())
            }
            1 => self.withdraw(hextet),
            _ => {
                let at = self.random.below(self.present.len() as u64) as usize;
                let (prefix, next_hop) = &mut self.present[at];
                next_hop.0 = next_hop.0 % 1000 + 1;
                hextet.writer.insert(VRF, *prefix, *next_hop)?;
                Ok(())
            }
        }
    }

    fn withdraw(&mut self, hextet: &mut Hextet<F>) -> Result<()> {
        let route = take(&mut self.random, &mut self.present);
        self.withdrawn.push(route);
        hextet.writer.remove(VRF, &route.0)?;
        Ok(())
    }
}

fn take<T>(random: &mut Random, from: &mut Vec<T>) -> T {
    let at = random.below(from.len() as u64) as usize;
    from.swap_remove(at)
}

fn table<F: Family>(table: &Table<F>, quick: bool) -> Result<Figures> {
    let tsc_ghz = tsc_ghz();
    let count = if quick { 60_000 } else { 300_000 };
    let mut hextet = Hextet::new(table)?;
    let mut churn = Churn {
        random: Random::new(7),
        present: table.routes.clone(),
        withdrawn: Vec::new(),
        turn: 0,
    };
    for _ in 0..4 * Churn::<F>::AWAY {
        churn.step(&mut hextet)?;
        hextet.reader.quiescent();
    }
    let mut us = Vec::with_capacity(count);
    for _ in 0..count {
        let began = tsc();
        churn.step(&mut hextet)?;
        us.push((tsc() - began) as f64 / tsc_ghz / 1000.0);
        hextet.reader.quiescent();
    }
    us.sort_by(f64::total_cmp);
    let mean_us = us.iter().sum::<f64>() / count as f64;
    compare(&hextet, table)?;

    // Whole again, so that every route of a batch is there to be withdrawn.
    let mut hextet = Hextet::new(table)?;
    let n = table.routes.len();
    let batches = if quick { 40 } else { 200 };
    let mut random = Random::new(8);
    let mut together = || {
        let at = random.below((n - BATCH) as u64) as usize;
        table.routes[at..at + BATCH].to_vec()
    };
    let coalesced_per_s = per_s(&mut hextet, batches, &mut together, tsc_ghz)?;
    let mut random = Random::new(9);
    let mut apart = || {
        let at = |_| table.routes[random.below(n as u64) as usize];
        (0..BATCH).map(at).collect()
    };
    let scattered_per_s = per_s(&mut hextet, batches, &mut apart, tsc_ghz)?;
    compare(&hextet, table)?;
    Ok(Figures {
        table: qualified::<F>(table.name),
        mean_us,
        p50_us: us[count / 2],
        p99_us: us[count * 99 / 100],
        max_us: us[count - 1],
        per_s: 1e6 / mean_us,
        coalesced_per_s,
        scattered_per_s,
    })
}

/// Changes a second when batches are withdrawn and announced again.
fn per_s<F: Family>(
    hextet: &mut Hextet<F>,
    batches: usize,
    draw: &mut dyn FnMut() -> Vec<Route<F>>,
    tsc_ghz: f64,
) -> Result<f64> {
    let mut cycles = 0;
    for _ in 0..batches {
        let routes = draw();
        for announce in [false, true] {
            let began = tsc();
            hextet.writer.begin();
            for (prefix, next_hop) in &routes {
                match announce {
                    true => hextet.writer.insert(VRF, *prefix, *next_hop)?,
                    false => hextet.writer.remove(VRF, prefix)?,
                };
            }
            hextet.writer.commit()?;
            cycles += tsc() - began;
            hextet.reader.quiescent();
        }
    }
    Ok((2 * BATCH * batches) as f64 * tsc_ghz * 1e9 / cycles as f64)
}

/// Compares lookups with the routes.
fn compare<F: Family>(hextet: &Hextet<F>, table: &Table<F>) -> Result<()> {
    for addr in uniform_trace(&table.routes, 100_000, 10) {
        let route = hextet
            .writer
            .explain(VRF, addr)
            .map_or(0, |(_, next_hop)| next_hop.0);
        let found = hextet.find(VRF, addr).0;
        let addr = Prefix::host(addr);
        ensure!(
            found == route,
            "after changes {addr} finds {found} instead of {route}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lpm_versus::Selection;
    use crate::versus::options::Options;

    #[test]
    fn churn_keeps_the_table_whole_but_for_what_is_away() {
        let all = Table::<u32>::make("10k", &Selection::from(&Options::default()));
        let mut hextet = Hextet::new(&all).unwrap();
        let (random, present) = (Random::new(1), all.routes.clone());
        let mut churn = Churn {
            random,
            present,
            withdrawn: Vec::new(),
            turn: 0,
        };
        for _ in 0..5000 {
            churn.step(&mut hextet).unwrap();
            hextet.reader.quiescent();
        }
        assert!(
            (999..=1002).contains(&churn.withdrawn.len()),
            "{}",
            churn.withdrawn.len()
        );
        assert_eq!(
            hextet.writer.len(VRF),
            all.routes.len() - churn.withdrawn.len()
        );
        compare(&hextet, &all).unwrap();
    }
}
