//! Medians, spreads, ratios; a table for people, JSON for machines, one closing line per scenario and peer.

use serde::Serialize;

/// A contestant's figures in one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Who.
    pub name: String,
    /// Median cycles per packet, feed included.
    pub cycles_per_packet: f64,
    /// Smallest and largest window.
    pub spread: (f64, f64),
    /// Million packets a second at the TSC's rate.
    pub mpps: f64,
    /// Packets sent as a share of those received, the worst window.
    pub sent_share: f64,
    /// Every window, in order.
    pub windows: Vec<f64>,
}

/// A peer measured against Hextet.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    /// The scenario.
    pub scenario: String,
    /// The peer.
    pub peer: String,
    /// Median over rounds of peer's cycles / Hextet's cycles; above 1 Hextet is faster. `None`: it did not run.
    pub ratio: Option<f64>,
    /// Why it did not run.
    pub not_run: Option<String>,
}

impl Ratio {
    /// The closing line.
    pub fn line(&self) -> String {
        match (self.ratio, &self.not_run) {
            (Some(ratio), _) => format!("versus {} {} {ratio:.2}", self.scenario, self.peer),
            (None, why) => {
                let why = why
                    .as_deref()
                    .unwrap_or("unknown")
                    .lines()
                    .next()
                    .unwrap_or("unknown");
                format!("versus {} {} not-run {why}", self.scenario, self.peer)
            }
        }
    }
}

/// The median of some figures; 0 of none.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Sums up a contestant's windows.
pub fn figures(name: &str, windows: &[f64], sent_share: f64, tsc_ghz: f64) -> Figures {
    let cycles_per_packet = median(windows);
    Figures {
        name: name.to_owned(),
        cycles_per_packet,
        spread: windows
            .iter()
            .fold((f64::MAX, f64::MIN), |(low, high), &w| {
                (low.min(w), high.max(w))
            }),
        mpps: tsc_ghz * 1000.0 / cycles_per_packet,
        sent_share,
        windows: windows.to_vec(),
    }
}

/// A row of the table.
pub fn row(figures: &Figures) -> String {
    format!(
        "  {:<12} {:>7.1} cycles/packet  ({:.1} to {:.1})  {:>6.2} Mpps  sent {:.2} %",
        figures.name,
        figures.cycles_per_packet,
        figures.spread.0,
        figures.spread.1,
        figures.mpps,
        figures.sent_share * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_peer_that_did_not_run_is_never_a_pass() {
        let ratio = Ratio {
            scenario: "transit6/8/uniform".into(),
            peer: "l3fwd-fib".into(),
            ratio: None,
            not_run: Some("no source\nsecond line".into()),
        };
        assert_eq!(
            ratio.line(),
            "versus transit6/8/uniform l3fwd-fib not-run no source"
        );
    }
}
