//! Turns, and what is made of their figures.

use super::engine::{BURST, Engine};
use super::table::{Family, Trace};
use crate::versus::report::Spread;
use anyhow::{Context, Result, ensure};
use dpdk::Eal;
use dpdk::peers::Words;
use serde::Serialize;
use std::hint::black_box;

/// Words of the ring of packet buffers: 16 MiB.
const RING: usize = 2 << 20;
/// Words from a buffer to the next: a 2 KiB data room behind a header of 128 bytes.
const STRIDE: usize = (2048 + 128) / 8;

/// Packet buffers, to have caches as a router's receive loop leaves them.
pub struct Ring {
    words: Words,
    at: usize,
}

impl Ring {
    /// A ring in the memory where packets are.
    ///
    /// # Errors
    /// When DPDK's heap has no memory.
    pub fn new(eal: &Eal) -> Result<Self> {
        Ok(Self {
            words: Words::zeroed(eal, RING)?,
            at: 0,
        })
    }

    /// Reads two lines of each of the next `count` buffers.
    #[inline(always)]
    pub fn touch(&mut self, count: usize) {
        let mut sum = 0u64;
        for _ in 0..count {
            sum = sum
                .wrapping_add(self.words[self.at])
                .wrapping_add(self.words[self.at + 8]);
            // A multiple of two lines, so that the second line too is below the end.
            self.at = (self.at + STRIDE) & (RING - 1);
        }
        black_box(sum);
    }
}

/// An engine's figures in one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Who.
    pub name: String,
    /// Median cycles per lookup.
    pub cycles_per_lookup: f64,
    /// The first and third quartile.
    pub quartiles: (f64, f64),
    /// Million lookups a second at the TSC's rate.
    pub mlps: f64,
    /// Every repetition, in order.
    pub repetitions: Vec<f64>,
}

impl Figures {
    /// Sums up an engine's repetitions.
    pub fn new(name: &str, repetitions: Vec<f64>, tsc_ghz: f64) -> Self {
        let Spread {
            p25,
            median: cycles_per_lookup,
            p75,
        } = Spread::of(&repetitions);
        Self {
            name: name.to_owned(),
            cycles_per_lookup,
            quartiles: (p25, p75),
            mlps: tsc_ghz * 1000.0 / cycles_per_lookup,
            repetitions,
        }
    }

    /// A row of the table.
    pub fn row(&self) -> String {
        format!(
            "  {:<12} {:>7.1} cycles/lookup  (quartiles {:.1} to {:.1})  {:>6.1} Mlps",
            self.name, self.cycles_per_lookup, self.quartiles.0, self.quartiles.1, self.mlps
        )
    }
}

/// Every address of a trace looked up by an engine in its present way.
pub fn answers<F: Family>(engine: &mut dyn Engine<F>, trace: &Trace<F>) -> Vec<u32> {
    let mut all = Vec::with_capacity(trace.native.len());
    let n = trace.native.len();
    for at in (0..n).step_by(BURST) {
        let burst = BURST.min(n - at);
        engine.look_up(trace, at..at + burst);
        all.extend((0..burst).map(|place| engine.answer(place)));
    }
    all
}

/// Has an engine answer for a whole trace and compares.
///
/// # Errors
/// At the first answer that is not `expected`.
pub fn check<F: Family>(
    engine: &mut dyn Engine<F>,
    way: usize,
    trace: &Trace<F>,
    expected: &[u32],
) -> Result<()> {
    let name = engine.ways()[way];
    engine.select(way).with_context(|| name.to_owned())?;
    let theirs = answers(engine, trace);
    let differs = theirs.iter().zip(expected).position(|(a, b)| a != b);
    if let Some(at) = differs {
        let addr = tables::lpm::Prefix::host(trace.native[at]);
        ensure!(
            false,
            "{name} says {} for {addr}, hextet {}",
            theirs[at],
            expected[at]
        );
    }
    Ok(())
}

/// Lookups by which an engine's turn begins, untimed: the one before has taken the cache.
const WARM_UP: usize = 1 << 17;

/// Cycles per lookup of each engine in each of its ways, by repetition; they take turns.
///
/// # Errors
/// When an engine cannot look up in one of its ways.
pub fn take_turns<F: Family>(
    engines: &mut [Box<dyn Engine<F>>],
    trace: &Trace<F>,
    burst: usize,
    mut ring: Option<&mut Ring>,
    repetitions: usize,
) -> Result<Vec<Vec<f64>>> {
    let order: Vec<(usize, usize)> = engines
        .iter()
        .enumerate()
        .flat_map(|(e, engine)| (0..engine.ways().len()).map(move |way| (e, way)))
        .collect();
    let mut cycles = vec![Vec::with_capacity(repetitions); order.len()];
    for repetition in 0..repetitions {
        for k in 0..order.len() {
            // Each time another begins, so that none is always after the same.
            let k = (k + repetition) % order.len();
            let engine = &mut engines[order[k].0];
            engine.select(order[k].1)?;
            engine.turn(
                trace,
                WARM_UP.min(trace.native.len()),
                burst,
                ring.as_deref_mut(),
            );
            cycles[k].push(engine.turn(trace, trace.native.len(), burst, ring.as_deref_mut()));
        }
    }
    Ok(cycles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lpm_versus::Selection;
    use crate::lpm_versus::engine::Hextet;
    use crate::lpm_versus::table::Table;
    use crate::versus::options::Options;

    #[test]
    fn a_wrong_answer_ends_the_run() {
        let table = Table::<u32>::make("10k", &Selection::from(&Options::default()));
        let trace = Trace::make("uniform", &table.routes);
        let mut hextet = Hextet::new(&table).unwrap();
        let mut expected = answers(&mut hextet, &trace);
        assert!(
            expected.iter().all(|&next_hop| next_hop != 0),
            "each address has a route"
        );
        check(&mut hextet, 0, &trace, &expected).unwrap();
        expected[777] += 1;
        let error = check(&mut hextet, 0, &trace, &expected)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("hextet says"), "{error}");
        let mut engines: Vec<Box<dyn Engine<u32>>> = vec![Box::new(hextet)];
        let cycles = take_turns(&mut engines, &trace, 32, None, 2).unwrap();
        assert!(
            cycles.len() == 1 && cycles[0].iter().all(|&c| c > 0.0),
            "{cycles:?}"
        );
    }
}
