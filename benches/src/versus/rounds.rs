//! Turns: every contestant gets one window a round, each round in another order, so that a change of the machine's
//! mood, and whatever a neighbour leaves in the caches, meets all alike.

use super::program::{Program, Window};
use super::report::{self, Figures, Ratio};
use super::stop;
use anyhow::Result;
use std::io::Write as _;
use std::rc::Rc;
use std::time::Duration;

/// Runs before or after each of a contestant's windows.
pub type Hook = Box<dyn Fn(&Program) -> Result<()>>;

/// One who takes turns: a program, and how it is set for this contestant's windows.
pub struct Contestant {
    /// Its name in the report.
    pub name: &'static str,
    /// The process; two contestants may be one process in two modes.
    pub program: Rc<Program>,
    /// Which of its polling threads is measured.
    pub thread: usize,
    /// Called before each window, with the process running.
    pub before: Option<Hook>,
    /// Called after each window, with the process still running.
    pub after: Option<Hook>,
}

impl Contestant {
    /// A program as it is.
    pub fn plain(name: &'static str, program: Program) -> Contestant {
        Contestant {
            name,
            program: Rc::new(program),
            thread: 0,
            before: None,
            after: None,
        }
    }

    fn window(&self, length: Duration, tsc_ghz: f64) -> Result<Window> {
        let hook = |hook: &Option<Hook>| hook.as_ref().map_or(Ok(()), |hook| hook(&self.program));
        self.program.resume()?;
        hook(&self.before)?;
        let windows = self.program.measure(WARM_UP, length, tsc_ghz);
        hook(&self.after)?;
        self.program.pause()?;
        Ok(windows?[self.thread])
    }
}

/// What runs before a window is measured: the caches are filled anew.
const WARM_UP: Duration = Duration::from_millis(200);

/// A contestant's windows, a round each; `None` where it failed.
#[derive(Clone, Debug)]
pub struct Record {
    /// Who.
    pub name: &'static str,
    /// Windows by round.
    pub windows: Vec<Option<Window>>,
    /// Why it was taken out.
    pub failed: Option<String>,
}

/// A contestant that sends less than this share of what it receives is void: a fast drop looks like a fast router.
pub const SENT: f64 = 0.999;

impl Record {
    /// Cycles per packet of the rounds that were measured.
    pub fn cycles(&self) -> Vec<f64> {
        self.windows
            .iter()
            .flatten()
            .map(|w| w.cycles_per_packet)
            .collect()
    }

    /// Its worst share of packets sent.
    pub fn sent_share(&self) -> f64 {
        self.windows
            .iter()
            .flatten()
            .fold(f64::INFINITY, |worst, w| worst.min(w.sent_share))
    }

    /// Its row.
    pub fn figures(&self, tsc_ghz: f64) -> Figures {
        report::figures(self.name, &self.cycles(), self.sent_share(), tsc_ghz)
    }

    /// Why its figures do not count, if so.
    pub fn void(&self) -> Option<String> {
        if let Some(why) = &self.failed {
            return Some(why.clone());
        }
        let share = self.sent_share();
        (share < SENT).then(|| format!("it sent only {:.2} % of what it received", share * 100.0))
    }

    /// This one as a peer of ours.
    pub fn against(&self, ours: &Record, scenario: &str) -> Ratio {
        if let Some(why) = self.void() {
            return Ratio::not_run(scenario, self.name, &why);
        }
        let pairs = self.windows.iter().zip(&ours.windows);
        let ratios: Vec<f64> = pairs
            .filter_map(|(t, o)| Some((*t)?.cycles_per_packet / (*o)?.cycles_per_packet))
            .collect();
        Ratio::of(scenario, self.name, &ratios)
    }
}

/// Who begins is another one each round.
fn order(n: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..n).map(move |i| (i + round) % n)
}

/// Lets all take their turns. A contestant that fails is taken out; the others go on.
///
/// # Errors
/// Only when this program was asked to stop.
pub fn run(
    contestants: &[Contestant],
    rounds: usize,
    length: Duration,
    tsc_ghz: f64,
) -> Result<Vec<Record>> {
    let record = |c: &Contestant| Record {
        name: c.name,
        windows: Vec::new(),
        failed: None,
    };
    let mut records: Vec<Record> = contestants.iter().map(record).collect();
    for round in 0..rounds {
        print!(
            "{} {}/{rounds}",
            if round == 0 { "  round" } else { "," },
            round + 1
        );
        std::io::stdout().flush()?;
        for i in order(contestants.len(), round) {
            if records[i].failed.is_some() {
                records[i].windows.push(None);
                continue;
            }
            match contestants[i].window(length, tsc_ghz) {
                Ok(window) => records[i].windows.push(Some(window)),
                Err(error) => {
                    stop::check()?;
                    let _ = contestants[i].program.pause();
                    records[i].windows.push(None);
                    records[i].failed = Some(format!("{error:#}"));
                }
            }
        }
    }
    println!();
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &'static str, cycles: &[f64], sent_share: f64) -> Record {
        let window = |&cycles_per_packet| {
            Some(Window {
                cycles_per_packet,
                sent_share,
                wall_mpps: 1.0,
            })
        };
        Record {
            name,
            windows: cycles.iter().map(window).collect(),
            failed: None,
        }
    }

    #[test]
    fn everybody_is_first_once() {
        let firsts: Vec<usize> = (0..4).filter_map(|round| order(4, round).next()).collect();
        assert_eq!(firsts, [0, 1, 2, 3]);
        assert_eq!(order(3, 5).collect::<Vec<_>>(), [2, 0, 1]);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let ours = record("hextet", &[100.0, 200.0, 100.0], 1.0);
        let peer = record("l3fwd-fib", &[110.0, 240.0, 90.0], 1.0);
        assert_eq!(peer.against(&ours, "s").ratio, Some(1.1));
    }

    #[test]
    fn a_round_that_one_of_them_missed_does_not_count() {
        let mut ours = record("hextet", &[100.0, 100.0], 1.0);
        let mut peer = record("l3fwd-fib", &[110.0, 300.0], 1.0);
        ours.windows[1] = None;
        assert_eq!(peer.against(&ours, "s").ratio, Some(1.1));
        peer.failed = Some("it died".to_owned());
        assert_eq!(
            peer.against(&ours, "s").line(),
            "versus s l3fwd-fib not-run it died"
        );
    }

    #[test]
    fn a_fast_drop_is_no_fast_router() {
        let ours = record("hextet", &[100.0], 1.0);
        let peer = record("l3fwd-fib", &[50.0], 0.5);
        assert_eq!(peer.against(&ours, "s").ratio, None);
    }
}
