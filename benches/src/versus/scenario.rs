//! The scenarios: a table, a trace, and who takes part.

use super::feed::{self, Feed};
use super::options::Options;
use super::report::{Memory, Outcome, Ratio, row};
use super::rounds::{self, Contestant};
use super::table::{Table, Trace};
use super::{hextet, l3fwd, ovs, stop, testpmd};
use anyhow::{Result, anyhow, bail, ensure};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

/// One scenario of packets in transit.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Such as `transit6/160k/uniform`.
    pub name: String,
    /// The table's size as it stands in the name, or `file`.
    size: &'static str,
    trace: Trace,
    ipv6: bool,
}

/// All scenarios of this run: those that were asked for.
pub fn all(options: &Options) -> Vec<Scenario> {
    let mut sizes = vec![
        (true, "8"),
        (true, "160k"),
        (true, "230k"),
        (false, "8"),
        (false, "900k"),
    ];
    if let Some(file) = &options.table {
        sizes.extend((!file.v6.is_empty()).then_some((true, "file")));
        sizes.extend((!file.v4.is_empty()).then_some((false, "file")));
    }
    let traces = [Trace::Uniform, Trace::Zipf];
    let scenarios = sizes.into_iter().flat_map(|(ipv6, size)| {
        traces.map(|trace| Scenario {
            name: format!(
                "transit{}/{size}/{}",
                if ipv6 { 6 } else { 4 },
                trace.name()
            ),
            size,
            trace,
            ipv6,
        })
    });
    scenarios.filter(|s| options.only.wants(&s.name)).collect()
}

/// The peers of every scenario, the floor first; those of one row are one process.
const PEERS: [&[&str]; 4] = [&["testpmd"], &["l3fwd-fib"], &["l3fwd-lpm"], &ovs::NAMES];

/// What all scenarios of a run share.
#[derive(Debug)]
pub struct Bench<'a> {
    /// What was asked for.
    pub options: &'a Options,
    /// A folder that goes away at the end.
    pub dir: &'a Path,
    /// The compiled l3fwd, or why there is none.
    pub l3fwd: Result<PathBuf>,
}

impl Scenario {
    fn table(&self, options: &Options) -> Table {
        match (self.ipv6, self.size) {
            (true, "8") => Table::few6(),
            (true, "160k") => Table::internet6(160_000),
            (true, "230k") => Table::internet6(230_000),
            (false, "8") => Table::few4(),
            (false, "900k") => Table::internet4(900_000),
            (true, _) => Table::V6(options.table.clone().unwrap_or_default().v6),
            (false, _) => Table::V4(options.table.clone().unwrap_or_default().v4),
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// When this program was asked to stop, or the feed cannot be made. What goes wrong with a contestant is in the
    /// outcome.
    pub fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let options = bench.options;
        let table = Rc::new(self.table(options));
        let feed = Feed::write(table, self.trace, &bench.dir.join("feed.pcap"))?;
        println!(
            "\n{}: {} routes, {} packets of {} bytes",
            self.name,
            feed.table.len(),
            feed::N_PACKETS,
            feed.frame_len()
        );
        let mut outcome = Outcome {
            scenario: self.name.clone(),
            ..Outcome::default()
        };
        let (mut contestants, mut absent) = (Vec::new(), Vec::new());
        for names in PEERS {
            let wanted = |name: &&str| options.peers.wants(name);
            if !names.iter().any(wanted) {
                continue;
            }
            match self.timed(names[0], || self.start(names[0], &feed, bench))? {
                Ok(peers) => contestants.extend(peers.into_iter().filter(|p| wanted(&p.name))),
                Err(why) => {
                    let names = names.iter().filter(|name| wanted(name));
                    absent.extend(names.map(|name| Ratio::not_run(&self.name, name, &why)));
                }
            }
        }
        match self.timed("hextet", || {
            Ok(Contestant::plain(
                "hextet",
                hextet::start(&feed, bench.dir)?,
            ))
        })? {
            Ok(ours) => contestants.push(ours),
            Err(why) => outcome.failed = Some(why),
        }
        let (rounds, length) = options.rounds();
        let records = rounds::run(&contestants, rounds, length, options.tsc_ghz)?;
        for (record, contestant) in records.iter().zip(&contestants) {
            let (rss, huge) = contestant.program.memory();
            outcome.memory.push(Memory {
                name: record.name.to_owned(),
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
                (Some(ours), None) => peer.against(ours, &self.name),
                (_, why) => {
                    let why = why.as_deref().unwrap_or("unknown");
                    Ratio::not_run(
                        &self.name,
                        peer.name,
                        &format!("Hextet itself failed: {why}"),
                    )
                }
            };
            outcome.ratios.push(ratio);
        }
        outcome.ratios.extend(absent);
        Ok(outcome)
    }

    /// Starts a contestant, and says how long it took or why it failed.
    fn timed<T>(
        &self,
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

    fn start(&self, name: &'static str, feed: &Feed, bench: &Bench<'_>) -> Result<Vec<Contestant>> {
        let large = matches!(self.size, "160k" | "230k" | "900k" | "file");
        let program = match name.strip_prefix("l3fwd-") {
            Some("lpm") if !self.ipv6 && large => {
                bail!("rte_lpm adds in quadratic time: a full table does not load in minutes")
            }
            Some(lookup) => {
                let binary = bench.l3fwd.as_ref().map_err(|e| anyhow!("{e:#}"))?;
                l3fwd::start(binary, name, lookup, feed, bench.dir)?
            }
            None if name == ovs::NAMES[0] => {
                ensure!(
                    !(large && bench.options.quick),
                    "QUICK: its rules take a minute to load"
                );
                ensure!(
                    feed.table.len() <= OVS_RULES,
                    "more than {OVS_RULES} rules take minutes to load"
                );
                return ovs::start(feed, bench.dir);
            }
            None => testpmd::start(feed, bench.dir)?,
        };
        Ok(vec![Contestant::plain(name, program)])
    }
}

/// Most rules that Open vSwitch is asked to take: loading takes longer than in proportion.
const OVS_RULES: usize = 250_000;
