//! Many tenants on one node: how long hextetd takes to start with them, how long it is busy with one change, and how much
//! memory it has.
//!
//! ```text
//!   4,000 networks ── 4,000 VNIs to 200 peers each
//!                  ── 50,000 places on a trunk, by two tags
//!                  ── 4,000 interfaces, of 250 routers
//! ```
//!
//! There is no peer: the limits are.

use super::meter;
use super::report::{Memory, Outcome, Ratio, median};
use super::scenario::Bench;
use anyhow::{Context, Result, ensure};
use lab::{Lab, Router};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// The scenario.
pub const NAME: &str = "tenants/load";
const NETWORKS: usize = 4000;
const PORTS: usize = 50_000;
const VTEPS: usize = 200;
const ROUTERS: usize = 250;
/// VLANs of each service VLAN that are used.
const VLANS: usize = 4000;
/// What it may cost at most: a start, a change, memory.
const LOAD: f64 = 5.0;
const CHANGE: f64 = 0.1;
const BYTES: f64 = 500e6;
/// The limits, as peers.
const PEERS: [&str; 3] = ["5-seconds", "100-ms-a-change", "500-megabytes"];

/// What one round took.
struct Round {
    /// Start to readiness, beyond a start without tenants, s.
    load: f64,
    /// The engine busy with a new network, s.
    change: f64,
    /// The whole reload of the file with the new network, as its user waits for it, s.
    reload: f64,
    /// Resident memory beyond that without tenants, bytes.
    memory: f64,
}

/// Runs it.
///
/// # Errors
/// None: what goes wrong is in the outcome.
pub fn run(bench: &Bench<'_>) -> Result<Outcome> {
    println!("\n{NAME}: {NETWORKS} networks, {PORTS} places on a trunk, {VTEPS} peers");
    let mut outcome = Outcome {
        scenario: NAME.to_owned(),
        load_average: meter::load_average(),
        ..Outcome::default()
    };
    let (rounds, _) = bench.options.rounds();
    let rounds: Result<Vec<Round>> = (0..rounds.min(3)).map(|_| round()).collect();
    let rounds = match rounds {
        Ok(rounds) => rounds,
        Err(error) => {
            outcome.failed = Some(format!("{error:#}"));
            return Ok(outcome);
        }
    };
    let all = |figure: fn(&Round) -> f64| rounds.iter().map(figure).collect::<Vec<f64>>();
    let (load, change) = (all(|r| r.load), all(|r| r.change));
    let (reload, memory) = (all(|r| r.reload), all(|r| r.memory));
    let note = format!(
        "{:.2} s to start, {:.0} ms for a change (its file read, checked and applied: {:.0} ms), {:.0} MB more",
        median(&load),
        median(&change) * 1e3,
        median(&reload) * 1e3,
        median(&memory) / 1e6
    );
    println!("  {note}");
    outcome.notes.push(note);
    outcome.memory.push(Memory {
        name: "hextet".to_owned(),
        bytes: median(&memory) as u64,
        what: format!("resident memory of hextetd with {NETWORKS} networks, less that with none"),
    });
    let ratio = |peer, limit: f64, figures: &[f64]| {
        let ratios: Vec<f64> = figures.iter().map(|f| limit / f.max(1e-3)).collect();
        Ratio::of(NAME, peer, &ratios)
    };
    outcome.ratios = vec![
        ratio(PEERS[0], LOAD, &load),
        ratio(PEERS[1], CHANGE, &change),
        ratio(PEERS[2], BYTES, &memory),
    ];
    Ok(outcome)
}

fn round() -> Result<Round> {
    let lab = Lab::new("tenants")?;
    let (up, trunk) = (lab.host("up")?, lab.host("trunk")?);
    let router = lab.router("r")?;
    lab.link(&up, "eth0", &router, "vu")?;
    lab.link(&trunk, "eth0", &router, "vt")?;
    let (empty_load, empty_memory) = start(&router, &config(0, 0, 0))?;
    router.crash()?;
    let full = config(NETWORKS, PORTS, VTEPS);
    let (load, memory) = start(&router, &full)?;
    let late = "[[network]]\nname = \"late\"\nsegments = [{ kind = \"qinq\", device = \"trunk\", outer = 100, vlan = 1 }]\n";
    router.configure(&(full + late))?;
    let began = Instant::now();
    router.ctl("reload")?;
    let reload = began.elapsed();
    let networks = router.ctl("show networks")?;
    let n = networks.as_array().map_or(0, Vec::len);
    ensure!(n == NETWORKS + 1, "{n} networks after the change");
    let change = applied(&router.log()).context("no line of the log says how long it took")?;
    router.crash()?;
    Ok(Round {
        load: (load.saturating_sub(empty_load)).as_secs_f64(),
        change: change.as_secs_f64(),
        reload: reload.as_secs_f64(),
        memory: memory.saturating_sub(empty_memory) as f64,
    })
}

/// Starts hextetd; how long until its addresses are in use, and its resident memory then.
fn start(router: &Router, config: &str) -> Result<(Duration, u64)> {
    let began = Instant::now();
    router.start(config)?;
    let took = began.elapsed();
    let pid = router.pid().context("hextetd has ended")?;
    Ok((took, meter::memory(pid).0))
}

/// How long the engine was busy with the last reload.
fn applied(log: &str) -> Option<Duration> {
    let line = log
        .lines()
        .rfind(|line| line.contains("configuration reloaded"))?;
    let digits = line.split("ms=").nth(1)?;
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().map(Duration::from_millis)
}

fn config(networks: usize, ports: usize, vteps: usize) -> String {
    let mut text = String::from(
        "[[device]]\nname = \"up\"\nkind = \"af_packet\"\ninterface = \"vu\"\n\
         [[device]]\nname = \"trunk\"\nkind = \"af_packet\"\ninterface = \"vt\"\n\
         [[router]]\nname = \"underlay\"\n[[router.interface]]\nname = \"up0\"\ndevice = \"up\"\n\
         addresses = [\"fd66::1/64\"]\n",
    );
    // Writing to a string does not fail.
    for n in 0..vteps {
        let _ = write!(
            text,
            "[[vtep]]\nname = \"v{n}\"\ngroup = \"fabric\"\nkind = \"vxlan\"\nrouter = \"underlay\"\nlocal = \"fd66::1\"\n\
             remote = \"fd66::{:x}\"\nmtu = 1600\n",
            n + 0x100
        );
    }
    for n in 0..networks {
        let _ = write!(
            text,
            "[[network]]\nname = \"n{n}\"\nmtu = 1500\nsegments = [\n  {{ kind = \"vxlan\", vni = {}, vteps = [\"fabric\"] }},\n",
            n + 1
        );
        for place in (0..ports).skip(n).step_by(networks) {
            let (outer, vlan) = (1 + place / VLANS, 1 + place % VLANS);
            let _ = writeln!(
                text,
                "  {{ kind = \"qinq\", device = \"trunk\", outer = {outer}, vlan = {vlan} }},"
            );
        }
        text.push_str("]\n");
    }
    for router in 0..networks.min(ROUTERS) {
        let _ = write!(text, "[[router]]\nname = \"t{router}\"\n");
        for n in (0..networks).skip(router).step_by(ROUTERS) {
            let _ = write!(
                text,
                "[[router.interface]]\nname = \"i{n}\"\nnetwork = \"n{n}\"\naddresses = [\"2001:db8:{n:x}::1/64\"]\n\
                 [router.interface.ra]\nenabled = true\n[[router.interface.ra.prefix]]\nprefix = \"2001:db8:{n:x}::/64\"\n"
            );
        }
    }
    text
}
