//! The goals that `make versus` is measured by, and whether they hold: said, not enforced.

use super::report::Ratio;

/// A ratio to reach.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// The scenario.
    pub scenario: &'static str,
    /// The peer.
    pub peer: &'static str,
    /// The least ratio.
    pub at_least: f64,
    /// One that would be nice.
    pub stretch: bool,
}

const fn goal(scenario: &'static str, peer: &'static str, at_least: f64) -> Goal {
    Goal {
        scenario,
        peer,
        at_least,
        stretch: false,
    }
}

const fn stretch(scenario: &'static str, peer: &'static str, at_least: f64) -> Goal {
    Goal {
        scenario,
        peer,
        at_least,
        stretch: true,
    }
}

/// All of them. Open vSwitch is named twice: with its exact-match cache, and without, whichever suits it.
pub const GOALS: &[Goal] = &[
    goal("lpm6/160k/uniform/hot/b32", "fib6-avx512", 2.5),
    goal("lpm6/230k/uniform/hot/b32", "fib6-avx512", 2.5),
    goal("lpm6/160k/zipf64k/hot/b32", "fib6-avx512", 1.3),
    goal("lpm6/160k/zipf1m/hot/b32", "fib6-avx512", 1.3),
    goal("lpm6/230k/zipf64k/hot/b32", "fib6-avx512", 1.3),
    goal("lpm6/230k/zipf1m/hot/b32", "fib6-avx512", 1.3),
    goal("lpm6/1k/uniform/hot/b32", "fib6-avx512", 1.0),
    goal("lpm6/10k/uniform/hot/b32", "fib6-avx512", 1.0),
    goal("lpm6/160k/uniform/polluted/b32", "fib6-avx512", 1.7),
    goal("lpm6/230k/uniform/polluted/b32", "fib6-avx512", 1.7),
    goal("lpm4/900k/uniform/hot/b32", "fib-avx512", 1.2),
    goal("transit6/160k/uniform", "l3fwd-fib", 1.0),
    stretch("transit6/160k/uniform", "l3fwd-fib", 1.1),
    goal("transit6/160k/uniform", "ovs-dpdk", 8.0),
    goal("transit6/160k/uniform", "ovs-dpdk-noemc", 8.0),
    goal("transit6/230k/uniform", "l3fwd-fib", 1.0),
    stretch("transit6/230k/uniform", "l3fwd-fib", 1.1),
    goal("transit6/230k/uniform", "ovs-dpdk", 8.0),
    goal("transit6/230k/uniform", "ovs-dpdk-noemc", 8.0),
    goal("transit6/160k/zipf", "l3fwd-fib", 1.1),
    goal("transit6/230k/zipf", "l3fwd-fib", 1.1),
    goal("transit6/8/uniform", "l3fwd-fib", 0.83),
    goal("transit6/8/uniform", "l3fwd-lpm", 0.83),
    goal("transit6/8/uniform", "ovs-dpdk", 3.7),
    goal("transit6/8/uniform", "ovs-dpdk-noemc", 3.7),
    goal("transit4/8/uniform", "l3fwd-fib", 0.83),
    goal("transit4/8/uniform", "l3fwd-lpm", 0.83),
    goal("transit4/900k/uniform", "l3fwd-fib", 1.0),
    // At most a tenth slower.
    goal("transit6/160k/uniform+churn", "at-rest", 0.9),
];

/// What became of a goal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Reached, with this ratio.
    Held(f64),
    /// Not reached.
    Missed(f64),
    /// The peer did not run: nothing was shown.
    NotRun,
}

impl Goal {
    /// What some ratios say of this goal; `None` if its scenario was not part of the run.
    pub fn judge(&self, ratios: &[Ratio]) -> Option<Verdict> {
        let ratio = ratios
            .iter()
            .find(|r| r.scenario == self.scenario && r.peer == self.peer)?;
        Some(match ratio.ratio {
            Some(ratio) if self.at_least <= ratio => Verdict::Held(ratio),
            Some(ratio) => Verdict::Missed(ratio),
            None => Verdict::NotRun,
        })
    }
}

/// A line for each goal that this run says something about, and one that counts all.
pub fn lines(ratios: &[Ratio]) -> Vec<String> {
    let (mut held, mut missed, mut not_run, mut other) = (0, 0, 0, 0);
    let mut lines = Vec::new();
    for goal in GOALS {
        let count = if goal.stretch { &mut 0 } else { &mut other };
        let word = match goal.judge(ratios) {
            None => {
                *count += 1;
                continue;
            }
            Some(verdict) => {
                let (count, word) = match verdict {
                    Verdict::Held(ratio) => (&mut held, format!("{ratio:.2} held")),
                    // Never rounded up to the goal.
                    Verdict::Missed(ratio) => (
                        &mut missed,
                        format!("{:.2} MISSED", (ratio * 100.0).floor() / 100.0),
                    ),
                    Verdict::NotRun => (&mut not_run, "not-run".to_owned()),
                };
                *count += u32::from(!goal.stretch);
                word
            }
        };
        let stretch = if goal.stretch { " (stretch)" } else { "" };
        lines.push(format!(
            "goal {} {} >= {:.2}: {word}{stretch}",
            goal.scenario, goal.peer, goal.at_least
        ));
    }
    lines.push(format!(
        "goals: {held} held, {missed} missed, {not_run} not run, {other} not in this run"
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(scenario: &str, peer: &str, ratio: f64) -> Ratio {
        Ratio::of(scenario, peer, &[ratio])
    }

    #[test]
    fn a_goal_is_held_missed_or_not_shown() {
        let goal = goal("transit6/8/uniform", "l3fwd-fib", 0.83);
        let judge = |r| goal.judge(&[r]);
        assert_eq!(
            judge(ratio("transit6/8/uniform", "l3fwd-fib", 0.83)),
            Some(Verdict::Held(0.83))
        );
        assert_eq!(
            judge(ratio("transit6/8/uniform", "l3fwd-fib", 0.82)),
            Some(Verdict::Missed(0.82))
        );
        assert_eq!(
            judge(Ratio::not_run(
                "transit6/8/uniform",
                "l3fwd-fib",
                "no source"
            )),
            Some(Verdict::NotRun)
        );
        assert_eq!(judge(ratio("transit6/8/uniform", "l3fwd-lpm", 9.0)), None);
        assert_eq!(judge(ratio("transit6/8/zipf", "l3fwd-fib", 9.0)), None);
    }

    #[test]
    fn a_miss_is_never_hidden() {
        let ratios = [
            ratio("transit6/160k/uniform", "l3fwd-fib", 0.999),
            Ratio::not_run("transit6/160k/uniform", "ovs-dpdk", "no package"),
            ratio("transit6/160k/uniform", "ovs-dpdk-noemc", 8.5),
        ];
        let lines = lines(&ratios);
        assert_eq!(
            lines[..4],
            [
                "goal transit6/160k/uniform l3fwd-fib >= 1.00: 0.99 MISSED",
                "goal transit6/160k/uniform l3fwd-fib >= 1.10: 0.99 MISSED (stretch)",
                "goal transit6/160k/uniform ovs-dpdk >= 8.00: not-run",
                "goal transit6/160k/uniform ovs-dpdk-noemc >= 8.00: 8.50 held",
            ]
        );
        let all = GOALS.iter().filter(|g| !g.stretch).count();
        assert_eq!(
            lines[4],
            format!(
                "goals: 1 held, 1 missed, 1 not run, {} not in this run",
                all - 3
            )
        );
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn no_goal_stands_twice() {
        let mut seen = std::collections::HashSet::new();
        assert!(
            GOALS
                .iter()
                .all(|g| seen.insert((g.scenario, g.peer, g.stretch)))
        );
    }
}
