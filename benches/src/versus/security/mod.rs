//! The port of a tenant's machine in the packet path: guard, security groups and flows, beside Open vSwitch's connection tracking and
//! beside Hextet itself without the port.
//!
//! ```text
//!   machine: net_pcap0 ── requests ──►  router  ──► net_null0: the world
//!                                               ◄── net_pcap1: answers, until every flow is established
//! ```
//!
//! The machine is plugged straight into an interface of the router, so that what the port costs is what is more than `hextet-open`, the
//! same router without it. Answers come until each flow has had one; then their device is taken away, so that what is measured is one feed
//! as in the other scenarios. Where it says `two-way` (and with four million flows) they go on, and half of the packets meet the port on
//! their way in: two feeds, whose packets displace each other from the caches, are dearer for everybody.

mod conntrack;
mod feeds;
mod flood;
mod router;

use super::ovs::NAMES;
use super::program::Program;
use super::report::{Memory, Outcome, Ratio};
use super::rounds::{Contestant, Hook};
use super::scenario::Bench;
use super::{compare, feed, stop};
use anyhow::{Context, Result, ensure};
use feeds::Feeds;
use router::{Answers, Port, Setup};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Guard and groups, flows that are established.
    Established,
    /// Guard and groups, so many flows, packets of both directions.
    TwoWay(usize),
    /// The guard alone: its groups are asked for nothing, as rules without state let all pass.
    Guard,
    /// Guard and groups of so many rules; every packet begins a flow.
    New(usize),
    /// Another machine's flood beside established flows.
    Flood,
}

/// Scenarios.
pub const SCENARIOS: [(&str, Scene); 7] = [
    ("stateful6/100k", Scene::Established),
    ("stateful6/100k/two-way", Scene::TwoWay(FEW)),
    ("stateful6/4m", Scene::TwoWay(MANY)),
    ("guards6", Scene::Guard),
    ("newflows6", Scene::New(RULES)),
    ("newflows6/10k-rules", Scene::New(10_000)),
    ("synflood6", Scene::Flood),
];

const FEW: usize = 100_000;
/// As many as fit, with room to spare, into a table of 2^22.
const MANY: usize = 4_000_000;
/// Rules that ten thousand are compared with.
const RULES: usize = 10;
/// What four million flows may take.
const GIBIBYTE: (&str, f64) = ("1-gibibyte", (1 << 30) as f64);

/// Runs a scenario.
///
/// # Errors
/// When this program was asked to stop, or the feeds cannot be made.
pub fn run(name: &str, scene: Scene, bench: &Bench<'_>) -> Result<Outcome> {
    if scene == Scene::Flood {
        return flood::run(name, bench);
    }
    let n = match scene {
        Scene::TwoWay(n) => n,
        _ => FEW,
    };
    println!("\n{name}: {n} flows, {} bytes a packet", feed::FRAME6);
    let feeds = Feeds::write(bench.dir, n)?;
    let mut found = Found::new(name, bench);
    let setup = Setup::new(&feeds);
    match scene {
        Scene::Established => {
            found.switches(|| conntrack::established(&feeds, bench.dir, true))?;
            found.hextet("hextet-open", &setup)?;
            let ours = setup.with(Port::Stateful(n)).answered(Answers::AtFirst);
            found.hextet("hextet", &ours)?;
        }
        Scene::TwoWay(MANY) => {
            // Packets and buffers are as small for both, so that it is the flows that make the difference.
            let few = Feeds::write(&subfolder(bench, "few")?, FEW)?;
            let short = |feeds, n| {
                let setup = Setup::new(feeds).with(Port::Stateful(n));
                setup.answered(Answers::Always).short()
            };
            found.hextet("hextet-100k", &short(&few, FEW))?;
            found.hextet("hextet", &short(&feeds, MANY))?;
        }
        Scene::TwoWay(n) => {
            found.switches(|| conntrack::established(&feeds, bench.dir, false))?;
            let setup = setup.answered(Answers::Always);
            found.hextet("hextet-open", &setup)?;
            found.hextet("hextet", &setup.with(Port::Stateful(n)))?;
        }
        Scene::New(rules) => {
            if rules == RULES {
                found.switches(|| conntrack::all_new(&feeds, bench.dir))?;
            } else {
                found.hextet("hextet-10-rules", &setup.with(Port::New(RULES)))?;
            }
            found.hextet("hextet", &setup.with(Port::New(rules)))?;
        }
        Scene::Guard | Scene::Flood => {
            found.hextet("hextet-open", &setup)?;
            found.hextet("hextet", &setup.with(Port::Guard))?;
        }
    }
    let limit = (scene == Scene::TwoWay(MANY)).then_some(GIBIBYTE);
    found.compare(limit)
}

/// A folder of its own for a second pair of feeds.
fn subfolder(bench: &Bench<'_>, name: &str) -> Result<PathBuf> {
    let dir = bench.dir.join(name);
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// Who takes part.
struct Found<'a> {
    name: &'a str,
    bench: &'a Bench<'a>,
    contestants: Vec<Contestant>,
    absent: Vec<Ratio>,
    failed: Option<String>,
}

impl<'a> Found<'a> {
    fn new(name: &'a str, bench: &'a Bench<'a>) -> Self {
        Self {
            name,
            bench,
            contestants: Vec::new(),
            absent: Vec::new(),
            failed: None,
        }
    }

    /// Starts Open vSwitch, if it is wanted.
    fn switches(&mut self, start: impl FnOnce() -> Result<Vec<Contestant>>) -> Result<()> {
        let wanted = |name: &str| self.bench.options.peers.wants(name);
        if !NAMES.iter().any(|name| wanted(name)) {
            return Ok(());
        }
        match compare::timed(NAMES[0], start)? {
            Ok(peers) => {
                let peers = peers.into_iter().filter(|peer| wanted(peer.name));
                self.contestants.extend(peers);
            }
            Err(why) => {
                let names = NAMES.iter().filter(|name| wanted(name));
                let absent = names.map(|peer| Ratio::not_run(self.name, peer, &why));
                self.absent.extend(absent);
            }
        }
        Ok(())
    }

    /// Starts Hextet with this setup, itself or as a peer that is wanted.
    fn hextet(&mut self, name: &'static str, setup: &Setup<'_>) -> Result<()> {
        let before = setup.flows().map(filled);
        self.start(name, |dir| setup.start(name, dir), before)
    }

    /// Starts a Hextet, itself or as a peer that is wanted.
    fn start(
        &mut self,
        name: &'static str,
        start: impl FnOnce(&Path) -> Result<Program>,
        before: Option<Hook>,
    ) -> Result<()> {
        let is_ours = name == "hextet";
        if !is_ours && !self.bench.options.peers.wants(name) {
            return Ok(());
        }
        match compare::timed(name, || start(self.bench.dir))? {
            Ok(program) => self.contestants.push(Contestant {
                before,
                ..Contestant::plain(name, program)
            }),
            Err(why) if is_ours => self.failed = Some(why),
            Err(why) => self.absent.push(Ratio::not_run(self.name, name, &why)),
        }
        Ok(())
    }

    /// Measures all; `limit` is a peer that Hextet's memory beside its packet buffers is compared with.
    fn compare(self, limit: Option<(&str, f64)>) -> Result<Outcome> {
        let options = self.bench.options;
        let (name, contestants) = (self.name, &self.contestants);
        let mut outcome = compare::compare(name, contestants, self.absent, self.failed, options)?;
        if let Some((peer, most)) = limit
            && options.peers.wants(peer)
            && let Some(ours) = contestants.iter().find(|c| c.name == "hextet")
        {
            let (resident, _) = ours.program.memory();
            let ratio = most / resident as f64;
            outcome.ratios.push(Ratio::of(name, peer, &[ratio]));
            outcome.memory.push(Memory {
                name: ours.name.to_owned(),
                bytes: resident,
                what: "the process without its packet buffers: resident".to_owned(),
            });
        }
        Ok(outcome)
    }
}

/// Waits before a window until nearly all flows are in the table.
fn filled(flows: usize) -> Hook {
    Box::new(move |program| {
        let api = program.api().context("no API")?;
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let found = api.get("/v1/flows/usage")?["flows"].as_u64();
            if flows as u64 * 99 / 100 <= found.context("no number of flows")? {
                return Ok(());
            }
            ensure!(
                Instant::now() < end,
                "{found:?} of {flows} flows after a minute"
            );
            stop::sleep(Duration::from_millis(100))?;
        }
    })
}
