//! The scenarios: a table, a trace, and who takes part.

use super::feed::{self, Feed};
use super::options::Options;
use super::report::{Outcome, Ratio};
use super::rounds::Contestant;
use super::table::{Table, Trace};
use super::{
    churn, compare, dhcp6, dhcp6_load, failover, hextet, l3fwd, overlay, ovs, security, tenants,
    testpmd, two_workers,
};
use anyhow::{Result, anyhow, bail, ensure};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// One scenario of packets in transit.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Such as `transit6/160k/uniform`.
    pub name: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A table against peers.
    Transit {
        /// The table's size as it stands in the name, or `file`.
        size: &'static str,
        trace: Trace,
        ipv6: bool,
    },
    Churn,
    TwoWorkers,
    /// What is done, and the size of the table if it is not a few routes.
    Overlay(overlay::Overlay, Option<usize>),
    /// The port of a tenant's machine.
    Security(security::Scene),
    Dhcp6(dhcp6::Exchange),
    Dhcp6Load,
    Tenants,
    Failover,
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
    let transit = sizes.into_iter().flat_map(|(ipv6, size)| {
        traces.map(|trace| Scenario {
            name: format!(
                "transit{}/{size}/{}",
                if ipv6 { 6 } else { 4 },
                trace.name()
            ),
            kind: Kind::Transit { size, trace, ipv6 },
        })
    });
    let special = [
        (churn::NAME, Kind::Churn),
        (two_workers::NAME, Kind::TwoWorkers),
    ];
    let dhcp6 = dhcp6::SCENARIOS.map(|(name, exchange)| (name, Kind::Dhcp6(exchange)));
    let load = (dhcp6_load::NAME, Kind::Dhcp6Load);
    let overlays =
        overlay::SCENARIOS.map(|(name, overlay, routes)| (name, Kind::Overlay(overlay, routes)));
    let tenants = (tenants::NAME, Kind::Tenants);
    let failover = (failover::NAME, Kind::Failover);
    let security = security::SCENARIOS.map(|(name, scene)| (name, Kind::Security(scene)));
    let special = special
        .into_iter()
        .chain(overlays)
        .chain(security)
        .chain(dhcp6);
    let special = special.chain([load, tenants, failover]);
    let special = special.map(|(name, kind)| Scenario {
        name: name.to_owned(),
        kind,
    });
    let scenarios: Vec<_> = transit.chain(special).collect();
    let names: Vec<_> = scenarios.iter().map(|s| s.name.clone()).collect();
    let wanted = |s: &Scenario| options.only.wants_of(&s.name, &names);
    scenarios.into_iter().filter(wanted).collect()
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
    /// Whether contestants take hugepages.
    pub fn needs_pages(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Dhcp6(_) | Kind::Dhcp6Load | Kind::Tenants | Kind::Failover
        )
    }

    /// Runs it.
    ///
    /// # Errors
    /// When this program was asked to stop, or the feed cannot be made. What goes wrong with a contestant is in the
    /// outcome.
    pub fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        match self.kind {
            Kind::Churn => churn::run(bench),
            Kind::TwoWorkers => two_workers::run(bench),
            Kind::Overlay(overlay, routes) => overlay::run(&self.name, overlay, routes, bench),
            Kind::Security(scene) => security::run(&self.name, scene, bench),
            Kind::Dhcp6Load => dhcp6_load::run(bench),
            Kind::Tenants => tenants::run(bench),
            Kind::Failover => failover::run(bench),
            Kind::Dhcp6(exchange) => dhcp6::run(&self.name, exchange, bench),
            Kind::Transit { size, trace, ipv6 } => {
                let table = Rc::new(table(ipv6, size, bench.options));
                let feed = Feed::write(table, trace, &bench.dir.join("feed.pcap"))?;
                self.transit(&feed, bench)
            }
        }
    }

    fn transit(&self, feed: &Feed, bench: &Bench<'_>) -> Result<Outcome> {
        let options = bench.options;
        println!(
            "\n{}: {} routes, {} packets of {} bytes",
            self.name,
            feed.table.len(),
            feed::N_PACKETS,
            feed.frame_len()
        );
        let (mut contestants, mut absent) = (Vec::new(), Vec::new());
        for names in PEERS {
            let wanted = |name: &&str| options.peers.wants(name);
            if !names.iter().any(wanted) {
                continue;
            }
            match compare::timed(names[0], || start(names[0], feed, bench))? {
                Ok(peers) => contestants.extend(peers.into_iter().filter(|p| wanted(&p.name))),
                Err(why) => {
                    let names = names.iter().filter(|name| wanted(name));
                    absent.extend(names.map(|name| Ratio::not_run(&self.name, name, &why)));
                }
            }
        }
        let mut failed = None;
        match compare::timed("hextet", || hextet::start(feed, bench.dir))? {
            Ok(ours) => contestants.push(Contestant::plain("hextet", ours)),
            Err(why) => failed = Some(why),
        }
        compare::compare(&self.name, &contestants, absent, failed, options)
    }
}

fn table(ipv6: bool, size: &str, options: &Options) -> Table {
    match (ipv6, size) {
        (true, "8") => Table::few6(),
        (true, "160k") => Table::internet6(160_000),
        (true, "230k") => Table::internet6(230_000),
        (false, "8") => Table::few4(),
        (false, "900k") => Table::internet4(900_000),
        (true, _) => Table::V6(options.table.clone().unwrap_or_default().v6),
        (false, _) => Table::V4(options.table.clone().unwrap_or_default().v4),
    }
}

/// More routes than this: a peer may need long to load them.
const LARGE: usize = 20_000;
/// Most rules that Open vSwitch is asked to take: 160,000 take 40 s, 230,000 more than in proportion.
const OVS_RULES: usize = 250_000;

/// Starts a peer, or a process that is several.
fn start(name: &'static str, feed: &Feed, bench: &Bench<'_>) -> Result<Vec<Contestant>> {
    let n_routes = feed.table.len();
    let large = LARGE < n_routes;
    let program = match name.strip_prefix("l3fwd-") {
        Some("lpm") if large && matches!(*feed.table, Table::V4(_)) => {
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
                n_routes <= OVS_RULES,
                "{n_routes} rules take many minutes to load"
            );
            return ovs::start(feed, bench.dir);
        }
        None => testpmd::start(feed, bench.dir)?,
    };
    Ok(vec![Contestant::plain(name, program)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::versus::options::Only;
    use crate::versus::table::RouteFile;

    #[test]
    fn the_scenarios_are_those_of_the_report() {
        let names =
            |options: &Options| all(options).into_iter().map(|s| s.name).collect::<Vec<_>>();
        let mut options = Options::default();
        assert_eq!(
            names(&options),
            [
                "transit6/8/uniform",
                "transit6/8/zipf",
                "transit6/160k/uniform",
                "transit6/160k/zipf",
                "transit6/230k/uniform",
                "transit6/230k/zipf",
                "transit4/8/uniform",
                "transit4/8/zipf",
                "transit4/900k/uniform",
                "transit4/900k/zipf",
                "transit6/160k/uniform+churn",
                "transit6/160k/uniform/2-workers",
                "vxlan6-decap/few",
                "vxlan6-decap/160k",
                "vxlan4-decap/few",
                "gre6-decap/few",
                "gre4-decap/few",
                "vxlan6-encap/few",
                "gre6-encap/few",
                "l2/64k-macs",
                "stateful6/100k",
                "stateful6/100k/two-way",
                "stateful6/4m",
                "guards6",
                "newflows6",
                "newflows6/10k-rules",
                "synflood6",
                "dhcp6/exchange",
                "dhcp6/prefix",
                "dhcp6/renew",
                "dhcp6/load",
                "tenants/load",
                "failover/loss",
            ]
        );
        options.table = RouteFile::parse("2a00:1::/32").ok();
        options.only = Only::parse("file,churn");
        assert_eq!(
            names(&options),
            [
                "transit6/file/uniform",
                "transit6/file/zipf",
                "transit6/160k/uniform+churn"
            ]
        );
    }
}
