//! `make versus`: see the `versus` module for the method.

use anyhow::{Context, Result};
use benches::lpm_versus;
use benches::versus::contestant::Contestant;
use benches::versus::feed::{self, Feed, Route};
use benches::versus::pages::HugePages;
use benches::versus::report::{self, Ratio};
use benches::versus::{MAIN_CORE, hextet, l3fwd, meter, testpmd};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::path::Path;
use std::time::{Duration, Instant};

/// A name, the peers that run in it, and its routes. l3fwd's LPM for IPv6 is slower than its FIB and loads a full table
/// slowly: it is compared in the small one only.
type Scenario = (&'static str, &'static [&'static str], fn() -> Vec<Route>);
const SCENARIOS: [Scenario; 2] = [
    (
        "transit6/8/uniform",
        &["testpmd", "l3fwd-fib", "l3fwd-lpm"],
        feed::few_routes,
    ),
    (
        "transit6/160k/uniform",
        &["testpmd", "l3fwd-fib"],
        feed::full_table,
    ),
];

/// Pages of 2 MiB: Hextet 1.4 GiB, testpmd and each l3fwd about 0.7 GiB, a full FIB as much again.
const HUGE_PAGES: u64 = 2560;

fn main() -> Result<()> {
    let quick = flag("QUICK");
    let only = std::env::var("ONLY").unwrap_or_default();
    let (rounds, length) = if quick { (3, 300) } else { (7, 1000) };
    let dir = tempfile::Builder::new()
        .prefix("hextet-versus-")
        .tempdir()?;
    // Contestants and what they start stay on the main core; only polling threads bind themselves to theirs.
    let mut cpus = CpuSet::new();
    cpus.set(MAIN_CORE)?;
    sched_setaffinity(Pid::from_raw(0), &cpus).context("two CPUs are needed")?;
    let _pages = HugePages::reserve(HUGE_PAGES)?;
    let tsc_ghz = meter::tsc_ghz();
    println!(
        "{}, TSC {tsc_ghz:.3} GHz, {rounds} rounds of {length} ms windows, load average {}",
        meter::cpu_model(),
        std::fs::read_to_string("/proc/loadavg")?
            .split(' ')
            .next()
            .unwrap_or("?")
    );
    // Before the contestants below take their memory.
    let lookups = lpm_versus::in_process()?;
    let l3fwd = l3fwd::compile(dir.path());
    let mut ratios = Vec::new();
    let mut results = Vec::new();
    for (name, peers, routes) in SCENARIOS {
        if !name.contains(&only) {
            continue;
        }
        let feed = Feed::uniform(name, routes(), dir.path())?;
        println!(
            "\n{name}: {} routes, {} packets of {} bytes",
            feed.routes.len(),
            feed::N_PACKETS,
            feed::FRAME
        );
        let outcome = scenario(
            &feed,
            peers,
            &l3fwd,
            dir.path(),
            rounds,
            Duration::from_millis(length),
            tsc_ghz,
        )?;
        ratios.extend(outcome.0);
        results.push(serde_json::json!({ "scenario": name, "figures": outcome.1 }));
    }
    let json = serde_json::json!({ "tsc_ghz": tsc_ghz, "scenarios": results, "ratios": ratios, "lookups": lookups });
    std::fs::create_dir_all("target")?;
    std::fs::write("target/versus.json", serde_json::to_string_pretty(&json)?)?;
    println!(
        "\nratio = peer's cycles / Hextet's cycles, feed included; above 1 Hextet is faster (target/versus.json)"
    );
    for ratio in &ratios {
        println!("{}", ratio.line());
    }
    let lines = lookups
        .as_ref()
        .and_then(|report| report["lines"].as_array());
    for line in lines.into_iter().flatten().filter_map(|line| line.as_str()) {
        println!("{line}");
    }
    Ok(())
}

type Outcome = (Vec<Ratio>, Vec<report::Figures>);

fn scenario(
    feed: &Feed,
    names: &[&'static str],
    l3fwd: &Result<std::path::PathBuf>,
    dir: &Path,
    rounds: u32,
    length: Duration,
    tsc_ghz: f64,
) -> Result<Outcome> {
    let began = Instant::now();
    let mut ours = hextet::start(feed, dir).context("Hextet itself must run")?;
    println!(
        "  hextetd forwards by all routes {:.1} s after its start",
        began.elapsed().as_secs_f64()
    );
    let mut absent = Vec::new();
    let mut peers: Vec<Contestant> = Vec::new();
    for &name in names {
        let peer = match name.strip_prefix("l3fwd-") {
            Some(lookup) => compiled(l3fwd).and_then(|b| l3fwd::start(b, name, lookup, feed, dir)),
            None => testpmd::start(feed, dir),
        };
        match peer {
            Ok(peer) => peers.push(peer),
            Err(error) => absent.push((name, format!("{error:#}"))),
        }
    }
    let warm_up = Duration::from_millis(200);
    let mut windows = vec![Vec::new(); peers.len() + 1];
    let mut shares = vec![f64::MAX; peers.len() + 1];
    for _ in 0..rounds {
        for (i, contestant) in peers.iter_mut().chain([&mut ours]).enumerate() {
            let window = contestant.window(warm_up, length, tsc_ghz)?;
            windows[i].push(window.cycles_per_packet);
            shares[i] = shares[i].min(window.sent_share);
        }
    }
    let names = peers.iter().map(|p| p.name).chain(["hextet"]);
    let figures: Vec<_> = names
        .zip(windows.iter().zip(&shares))
        .map(|(name, (windows, &share))| report::figures(name, windows, share, tsc_ghz))
        .collect();
    figures.iter().for_each(|f| println!("{}", report::row(f)));
    let our_windows = &windows[peers.len()];
    let our_share = shares[peers.len()];
    anyhow::ensure!(
        0.999 < our_share,
        "Hextet sent only {:.2} % of what it received",
        our_share * 100.0
    );
    let mut ratios: Vec<Ratio> = peers
        .iter()
        .zip(windows.iter().zip(&shares))
        .map(|(peer, (theirs, &share))| {
            let per_round: Vec<f64> = theirs.iter().zip(our_windows).map(|(t, o)| t / o).collect();
            // A fast drop looks like a fast router.
            let valid = 0.999 < share;
            Ratio {
                scenario: feed.name.to_owned(),
                peer: peer.name.to_owned(),
                ratio: valid.then(|| report::median(&per_round)),
                not_run: (!valid)
                    .then(|| format!("it sent only {:.2} % of what it received", share * 100.0)),
            }
        })
        .collect();
    ratios.extend(absent.into_iter().map(|(name, why)| Ratio {
        scenario: feed.name.to_owned(),
        peer: name.to_owned(),
        ratio: None,
        not_run: Some(why),
    }));
    Ok((ratios, figures))
}

fn compiled(l3fwd: &Result<std::path::PathBuf>) -> Result<&Path> {
    l3fwd
        .as_deref()
        .map_err(|error| anyhow::anyhow!("{error:#}"))
}

fn flag(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| !value.is_empty() && value != "0")
}
