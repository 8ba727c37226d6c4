//! The goals that `make versus` is measured by, and whether they hold: said, not enforced.

use super::report::Ratio;
use serde_json::Value;

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
    goal("stateful6/100k", "ovs-dpdk", 6.5),
    goal("stateful6/100k", "ovs-dpdk-noemc", 6.5),
    // At most 1.5 times, 1.15 times what it costs without the port.
    goal("stateful6/100k", "hextet-open", 0.667),
    goal("guards6", "hextet-open", 0.87),
    // At most twice as much as with 100,000 flows.
    goal("stateful6/4m", "hextet-100k", 0.5),
    goal("stateful6/4m", "1-gibibyte", 1.0),
    goal("newflows6", "ovs-dpdk", 5.0),
    goal("newflows6", "ovs-dpdk-noemc", 5.0),
    // At most 1.3 times as much as with ten rules.
    goal("newflows6/10k-rules", "hextet-10-rules", 0.77),
    // The share of one of two ports that always have packets; a fiftieth is the meter's.
    goal("synflood6", "alone", 0.49),
    goal("vxlan6-decap/few", "ovs-dpdk", 4.5),
    goal("vxlan6-decap/few", "ovs-dpdk-noemc", 4.5),
    goal("vxlan4-decap/few", "ovs-dpdk", 4.5),
    goal("vxlan4-decap/few", "ovs-dpdk-noemc", 4.5),
    goal("gre6-decap/few", "ovs-dpdk", 4.5),
    goal("gre6-decap/few", "ovs-dpdk-noemc", 4.5),
    goal("gre4-decap/few", "ovs-dpdk", 4.5),
    goal("gre4-decap/few", "ovs-dpdk-noemc", 4.5),
    goal("l2/64k-macs", "ovs-dpdk", 3.0),
    goal("l2/64k-macs", "ovs-dpdk-noemc", 3.0),
    goal("dhcp6/exchange", "kea", 5.0),
    goal("dhcp6/exchange/p99", "kea", 1.0),
    goal("dhcp6/prefix", "kea", 5.0),
    goal("dhcp6/prefix/p99", "kea", 1.0),
    goal("dhcp6/renew", "kea", 5.0),
    goal("dhcp6/renew/p99", "kea", 1.0),
    goal("dhcp6/load", "3-seconds", 1.0),
    goal("dhcp6/load", "300-megabytes", 1.0),
    goal("tenants/load", "5-seconds", 1.0),
    goal("tenants/load", "100-ms-a-change", 1.0),
    goal("tenants/load", "500-megabytes", 1.0),
    goal("failover/loss", "50-ms-median", 1.0),
    goal("failover/loss", "150-ms-p99", 1.0),
    goal("failover/loss", "keepalived", 1.0),
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

/// A figure of the lookups to keep on one side of a limit.
struct Bound {
    what: &'static str,
    /// Its value in the report of the lookups.
    value: fn(&Value) -> Option<f64>,
    limit: Limit,
}

#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

const BOUNDS: &[Bound] = &[
    Bound {
        what: "memory lpm6/160k, bytes",
        value: |report| memory(report, "lpm6/160k", "hextet"),
        limit: Limit::AtMost(4e6),
    },
    Bound {
        what: "memory lpm4/900k, share of rte_fib's",
        value: |report| {
            let ours = memory(report, "lpm4/900k", "hextet")?;
            Some(ours / memory(report, "lpm4/900k", "fib")?)
        },
        limit: Limit::AtMost(0.1),
    },
    Bound {
        what: "memory of a VRF of four routes, bytes",
        value: |report| memory(report, "lpm6/4-route-vrf", "hextet"),
        // "About a kibibyte".
        limit: Limit::AtMost(1100.0),
    },
    Bound {
        what: "update lpm6/160k, mean microseconds",
        value: |report| entry(&report["changes"], "lpm6/160k")?["mean_us"].as_f64(),
        limit: Limit::AtMost(2.0),
    },
    Bound {
        what: "update lpm6/160k, microseconds of 99 %",
        value: |report| entry(&report["changes"], "lpm6/160k")?["p99_us"].as_f64(),
        limit: Limit::AtMost(20.0),
    },
    Bound {
        what: "update lpm6/160k, coalesced a second",
        value: |report| entry(&report["changes"], "lpm6/160k")?["coalesced_per_s"].as_f64(),
        limit: Limit::AtLeast(500_000.0),
    },
    Bound {
        what: "4,000 VRFs, seconds to load",
        value: |report| report["tenants"]["load_s"].as_f64(),
        limit: Limit::AtMost(2.0),
    },
    Bound {
        what: "4,000 VRFs, bytes of the process",
        value: |report| report["tenants"]["process_bytes"].as_f64(),
        limit: Limit::AtMost(100e6),
    },
];

fn entry<'a>(list: &'a Value, table: &str) -> Option<&'a Value> {
    list.as_array()?
        .iter()
        .find(|entry| entry["table"] == table)
}

fn memory(report: &Value, table: &str, engine: &str) -> Option<f64> {
    let list = report["memory"].as_array()?;
    let entry = list
        .iter()
        .find(|entry| entry["table"] == table && entry["engine"] == engine)?;
    entry["bytes"].as_f64()
}

impl Bound {
    /// The line, and whether it holds.
    fn judge(&self, report: &Value) -> Option<(String, bool)> {
        let value = (self.value)(report)?;
        let (sign, limit, holds) = match self.limit {
            Limit::AtMost(limit) => ("<=", limit, value <= limit),
            Limit::AtLeast(limit) => (">=", limit, limit <= value),
        };
        let word = if holds { "held" } else { "MISSED" };
        Some((
            format!("goal {} {sign} {limit}: {value:.3} {word}", self.what),
            holds,
        ))
    }
}

/// How many goals came to what, stretches left out.
#[derive(Default)]
struct Counts {
    held: u32,
    missed: u32,
    not_run: u32,
    other: u32,
}

/// A line for each goal that this run says something about, and one that counts all. `lookups` is the report of
/// `lpm_versus`.
pub fn lines(ratios: &[Ratio], lookups: Option<&Value>) -> Vec<String> {
    let mut counts = Counts::default();
    let mut lines = Vec::new();
    for goal in GOALS {
        let verdict = goal.judge(ratios);
        if !goal.stretch {
            *match verdict {
                Some(Verdict::Held(_)) => &mut counts.held,
                Some(Verdict::Missed(_)) => &mut counts.missed,
                Some(Verdict::NotRun) => &mut counts.not_run,
                None => &mut counts.other,
            } += 1;
        }
        let word = match verdict {
            None => continue,
            Some(Verdict::Held(ratio)) => format!("{ratio:.2} held"),
            // Never rounded up to the goal.
            Some(Verdict::Missed(ratio)) => {
                format!("{:.2} MISSED", (ratio * 100.0).floor() / 100.0)
            }
            Some(Verdict::NotRun) => "not-run".to_owned(),
        };
        let stretch = if goal.stretch { " (stretch)" } else { "" };
        lines.push(format!(
            "goal {} {} >= {:.2}: {word}{stretch}",
            goal.scenario, goal.peer, goal.at_least
        ));
    }
    for bound in BOUNDS {
        match lookups.and_then(|report| bound.judge(report)) {
            Some((line, holds)) => {
                *if holds {
                    &mut counts.held
                } else {
                    &mut counts.missed
                } += 1;
                lines.push(line);
            }
            None => counts.other += 1,
        }
    }
    lines.push(format!(
        "goals: {} held, {} missed, {} not run, {} not in this run",
        counts.held, counts.missed, counts.not_run, counts.other
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
        let lines = lines(&ratios, None);
        assert_eq!(
            lines[..4],
            [
                "goal transit6/160k/uniform l3fwd-fib >= 1.00: 0.99 MISSED",
                "goal transit6/160k/uniform l3fwd-fib >= 1.10: 0.99 MISSED (stretch)",
                "goal transit6/160k/uniform ovs-dpdk >= 8.00: not-run",
                "goal transit6/160k/uniform ovs-dpdk-noemc >= 8.00: 8.50 held",
            ]
        );
        let all = GOALS.iter().filter(|g| !g.stretch).count() + BOUNDS.len();
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
    fn figures_of_the_lookups_are_held_to_their_limits() {
        let report = serde_json::json!({
            "memory": [
                { "table": "lpm6/160k", "engine": "hextet", "bytes": 3_900_000 },
                { "table": "lpm4/900k", "engine": "hextet", "bytes": 8_000_000 },
                { "table": "lpm4/900k", "engine": "fib", "bytes": 64_000_000 },
            ],
            "changes": [{ "table": "lpm6/160k", "mean_us": 1.5, "p99_us": 25.0, "coalesced_per_s": 600_000.0 }],
            "tenants": null,
        });
        let lines = lines(&[], Some(&report));
        let words: Vec<&str> = lines
            .iter()
            .filter_map(|l| l.split(' ').next_back())
            .collect();
        assert_eq!(words, ["held", "MISSED", "held", "MISSED", "held", "run"]);
        assert_eq!(
            lines[1],
            "goal memory lpm4/900k, share of rte_fib's <= 0.1: 0.125 MISSED"
        );
        assert_eq!(
            lines[5],
            format!(
                "goals: 3 held, 2 missed, 0 not run, {} not in this run",
                lines_of_ratios() + 3
            )
        );
    }

    fn lines_of_ratios() -> usize {
        GOALS.iter().filter(|g| !g.stretch).count()
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
