//! Medians, spreads, ratios; a table for people, JSON for machines, one closing line per scenario and peer.

use serde::{Deserialize, Serialize};

/// The middle of some figures and the middle half of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// A quarter of the figures is below.
    pub p25: f64,
    /// The median.
    pub median: f64,
    /// A quarter of the figures is above.
    pub p75: f64,
}

impl Spread {
    /// Of some figures; zeros of none.
    pub fn of(figures: &[f64]) -> Spread {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        Spread {
            p25: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            p75: quantile(&sorted, 0.75),
        }
    }
}

/// A quantile of sorted figures, between neighbours by straight line; 0 of none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let at = share * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

/// The median of some figures; 0 of none.
pub fn median(figures: &[f64]) -> f64 {
    Spread::of(figures).median
}

/// A contestant's figures in one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Who.
    pub name: String,
    /// Median cycles per packet, feed included.
    pub cycles_per_packet: f64,
    /// The middle half of the windows, in cycles per packet.
    pub spread: (f64, f64),
    /// Median million packets a second at the TSC's rate.
    pub mpps: f64,
    /// The middle half of the windows, in Mpps.
    pub mpps_spread: (f64, f64),
    /// Packets sent as a share of those received, the worst window.
    pub sent_share: f64,
    /// Every window in order, in cycles per packet.
    pub windows: Vec<f64>,
}

/// Sums up a contestant's windows (cycles per packet).
pub fn figures(name: &str, windows: &[f64], sent_share: f64, tsc_ghz: f64) -> Figures {
    let cycles = Spread::of(windows);
    let mpps: Vec<f64> = windows.iter().map(|w| tsc_ghz * 1000.0 / w).collect();
    let mpps = Spread::of(&mpps);
    Figures {
        name: name.to_owned(),
        cycles_per_packet: cycles.median,
        spread: (cycles.p25, cycles.p75),
        mpps: mpps.median,
        mpps_spread: (mpps.p25, mpps.p75),
        sent_share,
        windows: windows.to_vec(),
    }
}

/// A row of the table.
pub fn row(figures: &Figures) -> String {
    format!(
        "  {:<16} {:>7.1} cycles/packet ({:.1} to {:.1})  {:>6.2} Mpps ({:.2} to {:.2})  sent {:.2} %",
        figures.name,
        figures.cycles_per_packet,
        figures.spread.0,
        figures.spread.1,
        figures.mpps,
        figures.mpps_spread.0,
        figures.mpps_spread.1,
        figures.sent_share * 100.0
    )
}

/// A peer measured against Hextet.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Ratio {
    /// The scenario.
    pub scenario: String,
    /// The peer.
    pub peer: String,
    /// Median over rounds of peer's cycles / Hextet's cycles; above 1 Hextet is faster. `None`: it did not run.
    pub ratio: Option<f64>,
    /// The middle half of the rounds' ratios.
    pub spread: Option<(f64, f64)>,
    /// Why it did not run.
    pub not_run: Option<String>,
}

impl Ratio {
    /// Of each round's peer's cycles / Hextet's cycles.
    pub fn of(scenario: &str, peer: &str, rounds: &[f64]) -> Ratio {
        if rounds.is_empty() {
            return Ratio::not_run(scenario, peer, "no round was whole");
        }
        let ratios = Spread::of(rounds);
        Ratio {
            scenario: scenario.to_owned(),
            peer: peer.to_owned(),
            ratio: Some(ratios.median),
            spread: Some((ratios.p25, ratios.p75)),
            not_run: None,
        }
    }

    /// Of a peer that did not run, or whose figures are void; never a pass.
    pub fn not_run(scenario: &str, peer: &str, why: &str) -> Ratio {
        Ratio {
            scenario: scenario.to_owned(),
            peer: peer.to_owned(),
            ratio: None,
            spread: None,
            not_run: Some(why.to_owned()),
        }
    }

    /// The closing line, as programs read it.
    pub fn line(&self) -> String {
        match (self.ratio, &self.not_run) {
            (Some(ratio), _) => format!("versus {} {} {ratio:.2}", self.scenario, self.peer),
            (None, why) => {
                let why = why.as_deref().and_then(|why| why.lines().next());
                let why = why.unwrap_or("unknown");
                format!("versus {} {} not-run {why}", self.scenario, self.peer)
            }
        }
    }
}

/// Memory of a table in a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// Whose table.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// What is counted.
    pub what: String,
}

/// All that one scenario gave.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// The scenario.
    pub scenario: String,
    /// Contestants, Hextet's last.
    pub figures: Vec<Figures>,
    /// Peers against Hextet: the closing lines.
    pub ratios: Vec<Ratio>,
    /// Memory, where it can be known.
    pub memory: Vec<Memory>,
    /// The load average when it began.
    pub load_average: String,
    /// What else was seen, in words.
    pub notes: Vec<String>,
    /// Hextet itself did not do its work: the whole run fails.
    pub failed: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn the_spread_is_the_middle_half() {
        let spread = Spread::of(&[5.0, 1.0, 2.0, 4.0, 3.0]);
        assert_eq!((spread.p25, spread.median, spread.p75), (2.0, 3.0, 4.0));
        let one = Spread::of(&[7.0]);
        assert_eq!((one.p25, one.median, one.p75), (7.0, 7.0, 7.0));
        // One wild window moves neither.
        let wild = Spread::of(&[5.0, 1.0, 2.0, 400.0, 3.0]);
        assert_eq!((wild.p25, wild.median, wild.p75), (2.0, 3.0, 5.0));
    }

    #[test]
    fn windows_become_cycles_and_mpps() {
        let figures = figures("hextet", &[100.0, 200.0, 400.0], 1.0, 2.0);
        assert_eq!(figures.cycles_per_packet, 200.0);
        assert_eq!(figures.spread, (150.0, 300.0));
        assert_eq!(figures.mpps, 10.0);
        assert_eq!(figures.mpps_spread, (7.5, 15.0));
    }

    #[test]
    fn a_ratio_is_one_line() {
        let ratio = Ratio::of("transit6/8/uniform", "l3fwd-fib", &[0.9, 1.1, 1.0]);
        assert_eq!(ratio.line(), "versus transit6/8/uniform l3fwd-fib 1.00");
        assert_eq!(ratio.spread, Some((0.95, 1.05)));
    }

    #[test]
    fn a_peer_that_did_not_run_is_never_a_pass() {
        let why = "no source\nsecond line";
        let ratio = Ratio::not_run("transit6/8/uniform", "l3fwd-fib", why);
        assert_eq!(
            ratio.line(),
            "versus transit6/8/uniform l3fwd-fib not-run no source"
        );
        assert_eq!(
            Ratio::of("transit6/8/uniform", "l3fwd-fib", &[]).ratio,
            None
        );
    }
}
