//! The scenarios of lookups, run and reported.

use super::engine::{Engine, Hextet, NotRun};
use super::measure::{Figures, Ring, answers, check, take_turns};
use super::table::{FILE, Family, Peers, Table, Trace};
use super::{Memory, Report, Selection, qualified};
use crate::versus::meter::tsc_ghz;
use crate::versus::report::Ratio;
use anyhow::Result;
use dpdk::Eal;
use serde::Serialize;
use std::time::Instant;

/// A scenario with its figures.
#[derive(Clone, Debug, Serialize)]
pub struct Scenario {
    /// Its name.
    pub scenario: String,
    /// Every engine's.
    pub figures: Vec<Figures>,
}

const STATES: [&str; 2] = ["hot", "polluted"];
const BURSTS: [(&str, usize); 2] = [("b32", 32), ("b64", 64)];

/// One combination of trace, cache and burst.
#[derive(Clone, Copy)]
struct Kind {
    trace: &'static str,
    state: &'static str,
    burst: (&'static str, usize),
}

impl Kind {
    fn all() -> impl Iterator<Item = Kind> {
        Trace::<u128>::NAMES.into_iter().flat_map(|trace| {
            STATES.into_iter().flat_map(move |state| {
                BURSTS.into_iter().map(move |burst| Kind {
                    trace,
                    state,
                    burst,
                })
            })
        })
    }

    fn name<F: Family>(self, table: &str) -> String {
        let Kind {
            trace,
            state,
            burst: (burst, _),
        } = self;
        format!("{}/{table}/{trace}/{state}/{burst}", F::NAME)
    }

    /// Whether a quick run has it.
    fn is_quick(self) -> bool {
        self.trace != "zipf1m" && self.burst.1 == 32
    }
}

/// The combinations wanted of a table.
fn wanted<F: Family>(table: &'static str, selection: &Selection) -> impl Iterator<Item = Kind> {
    let quick = F::QUICK.contains(&table) || table == FILE;
    Kind::all()
        .filter(move |kind| selection.wants(&kind.name::<F>(table), quick && kind.is_quick()))
}

/// The names of the scenarios wanted of a family.
pub fn names<F: Family>(selection: &Selection) -> impl Iterator<Item = String> {
    Table::<F>::names(selection)
        .flat_map(move |table| wanted::<F>(table, selection).map(move |kind| kind.name::<F>(table)))
}

/// Runs the scenarios of a family.
///
/// # Errors
/// When our own table fails, or engines answer differently.
pub fn family<F: Family>(eal: &Eal, selection: &Selection, report: &mut Report) -> Result<()> {
    for name in Table::<F>::names(selection) {
        let kinds: Vec<Kind> = wanted::<F>(name, selection).collect();
        if !kinds.is_empty() {
            table(
                eal,
                &Table::<F>::make(name, selection),
                &kinds,
                selection,
                report,
            )?;
        }
    }
    Ok(())
}

fn table<F: Family>(
    eal: &Eal,
    table: &Table<F>,
    kinds: &[Kind],
    selection: &Selection,
    report: &mut Report,
) -> Result<()> {
    println!(
        "\n{}: {} routes",
        qualified::<F>(table.name),
        table.routes.len()
    );
    let began = Instant::now();
    let ours: Box<dyn Engine<F>> = Box::new(Hextet::new(table)?);
    println!(
        "  hextet holds them after {:.0} ms",
        began.elapsed().as_secs_f64() * 1e3
    );
    let began = Instant::now();
    let Peers {
        engines: peers,
        mut absent,
    } = F::peers(eal, table, selection);
    println!(
        "  its peers after {:.0} ms",
        began.elapsed().as_secs_f64() * 1e3
    );
    let mut engines = vec![ours];
    engines.extend(peers);
    decline(&mut engines, &mut absent);
    for engine in &engines {
        memory::<F>(table.name, engine.as_ref(), report);
    }
    let repetitions = if selection.quick { 5 } else { 11 };
    let tsc_ghz = tsc_ghz();
    let mut ring = Ring::new(eal)?;
    let mut trace: Option<(&str, Trace<F>)> = None;
    for kind in kinds {
        let trace = match &trace {
            Some((name, trace)) if *name == kind.trace => trace,
            _ => {
                let made = Trace::make(kind.trace, &table.routes);
                compare(&mut engines, &made)?;
                &trace.insert((kind.trace, made)).1
            }
        };
        let ring = (kind.state == "polluted").then_some(&mut ring);
        let cycles = take_turns(&mut engines, trace, kind.burst.1, ring, repetitions)?;
        let names = engines.iter().flat_map(|engine| engine.ways());
        let figures: Vec<_> = names
            .zip(cycles)
            .map(|(name, cycles)| Figures::new(name, cycles, tsc_ghz))
            .collect();
        let scenario = kind.name::<F>(table.name);
        println!("\n{scenario}");
        figures.iter().for_each(|f| println!("{}", f.row()));
        report.ratios.extend(ratios(&scenario, &figures, &absent));
        report.scenarios.push(Scenario { scenario, figures });
    }
    Ok(())
}

/// Takes out the engines that refuse one of their ways: they would look up otherwise than their name says.
fn decline<F: Family>(engines: &mut Vec<Box<dyn Engine<F>>>, absent: &mut Vec<NotRun>) {
    engines.retain_mut(|engine| {
        let mut ways = 0..engine.ways().len();
        match ways.find_map(|way| engine.select(way).err()) {
            None => true,
            Some(error) => {
                absent.extend(NotRun::all(engine.ways(), &error));
                false
            }
        }
    });
}

/// Compares all answers with ours, the first engine's.
fn compare<F: Family>(engines: &mut [Box<dyn Engine<F>>], trace: &Trace<F>) -> Result<()> {
    let expected = answers(engines[0].as_mut(), trace);
    for engine in &mut engines[1..] {
        for way in 0..engine.ways().len() {
            check(engine.as_mut(), way, trace, &expected)?;
        }
    }
    Ok(())
}

/// Notes the bytes of a table: in use by `fib6` and, as it must be reserved, by `fib6-reserved`.
fn memory<F: Family>(table: &str, engine: &dyn Engine<F>, report: &mut Report) {
    let (bytes, reserved) = engine.bytes();
    let name = engine.ways()[0].trim_end_matches("-avx512");
    let mut note = |engine: String, bytes| {
        println!("  {engine:<14} {bytes:>11} bytes");
        report.memory.push(Memory {
            table: qualified::<F>(table),
            engine,
            bytes,
        });
    };
    note(name.to_owned(), bytes);
    if let Some(bytes) = reserved {
        note(format!("{name}-reserved"), bytes);
    }
}

fn ratios(scenario: &str, figures: &[Figures], absent: &[NotRun]) -> Vec<Ratio> {
    let ours = &figures[0].repetitions;
    let measured = figures[1..].iter().map(|peer| {
        let each: Vec<f64> = peer
            .repetitions
            .iter()
            .zip(ours)
            .map(|(p, o)| p / o)
            .collect();
        Ratio::of(scenario, &peer.name, &each)
    });
    let not_run = absent
        .iter()
        .map(|absent| Ratio::not_run(scenario, absent.name, &absent.why));
    measured.chain(not_run).collect()
}
