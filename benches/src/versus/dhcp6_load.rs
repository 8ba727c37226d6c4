//! A million DHCPv6 leases on disk: how much longer hextetd then takes to start, and how much more memory it has.
//!
//! The store is written by the crate that hextetd uses. Two starts of hextetd, one with an empty store and one with that, are
//! compared: from the start of the process to the log's line that leases are loaded. There is no peer: the limits are.

use super::report::{Memory, Outcome, Ratio};
use super::scenario::Bench;
use super::{dhcp6, meter};
use anyhow::{Context, Result, ensure};
use lab::{Lab, Router, wait_for};
use lease::{Book, ClientId, Disk, Holder, Kind, Lease, Pool, RealmId, ScopeId, Wall};
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// The scenario.
pub const NAME: &str = "dhcp6/load";
const LEASES: u32 = 1_000_000;
/// What it may cost at most.
const SECONDS: f64 = 3.0;
const BYTES: f64 = 300e6;
/// The limits, as peers.
const PEERS: [&str; 2] = ["3-seconds", "300-megabytes"];

/// Runs it.
///
/// # Errors
/// When the store cannot be made.
pub fn run(bench: &Bench<'_>) -> Result<Outcome> {
    println!("\n{NAME}: {LEASES} leases");
    let mut outcome = Outcome {
        scenario: NAME.to_owned(),
        load_average: meter::load_average(),
        ..Outcome::default()
    };
    let full = bench.dir.join("leases");
    fill(&full)?;
    let (mut times, mut sizes) = (Vec::new(), Vec::new());
    let (rounds, _) = bench.options.rounds();
    for _ in 0..rounds.min(3) {
        let both = start(None).and_then(|empty| Ok((empty, start(Some(&full))?)));
        match both {
            Ok((empty, full)) => {
                times.push((full.0 - empty.0).as_secs_f64());
                sizes.push(full.1.saturating_sub(empty.1) as f64);
            }
            Err(error) => {
                outcome.failed = Some(format!("{error:#}"));
                return Ok(outcome);
            }
        }
    }
    let (time, size) = (super::report::median(&times), super::report::median(&sizes));
    let note = format!("{LEASES} leases: {time:.2} s and {:.0} MB more", size / 1e6);
    println!("  {note}");
    outcome.notes.push(note);
    outcome.memory.push(Memory {
        name: "hextet".to_owned(),
        bytes: size as u64,
        what: "resident memory of hextetd with a million leases, less that with none".to_owned(),
    });
    outcome.ratios = vec![
        Ratio::of(
            NAME,
            PEERS[0],
            &times
                .iter()
                .map(|t| SECONDS / t.max(1e-3))
                .collect::<Vec<_>>(),
        ),
        Ratio::of(
            NAME,
            PEERS[1],
            &sizes.iter().map(|s| BYTES / s.max(1.0)).collect::<Vec<_>>(),
        ),
    ];
    Ok(outcome)
}

/// Starts hextetd; how long until it had its leases, and its resident memory then.
fn start(leases: Option<&Path>) -> Result<(Duration, u64)> {
    let lab = Lab::new("load")?;
    let (host, router) = (lab.host("a")?, lab.router("r")?);
    lab.link(&host, "eth0", &router, "va")?;
    if let Some(leases) = leases {
        let state = router.dir().join("state");
        std::fs::create_dir_all(&state)?;
        for file in std::fs::read_dir(leases)? {
            let file = file?;
            std::fs::copy(file.path(), state.join(file.file_name()))?;
        }
    }
    router.configure(dhcp6::HEXTET)?;
    let began = Instant::now();
    let (loaded, known) = loaded(&router, began)?;
    let expected = if leases.is_some() { LEASES } else { 0 };
    ensure!(
        known == expected,
        "{known} leases of {expected} were loaded"
    );
    let pid = router.pid().context("hextetd has ended")?;
    Ok((loaded, meter::memory(pid).0))
}

/// Starts it and waits for the line of the log.
fn loaded(router: &Router, began: Instant) -> Result<(Duration, u32)> {
    router.restart_with(|| {
        wait_for(Duration::from_secs(120), "leases to be loaded", || {
            let log = router.log();
            let line = log
                .lines()
                .find(|line| line.contains("DHCPv6 leases loaded"))?;
            let digits = line.split("leases=").nth(1)?;
            let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
            Some((began.elapsed(), digits.parse().ok()?))
        })
    })
}

/// A store with leases as clients of a network that has run for a while have them.
fn fill(directory: &Path) -> Result<()> {
    let disk = Disk::open(directory)?;
    let scope = ScopeId::of(RealmId::of("main"), "main 2001:db8:1::/64");
    let (first, last): (Ipv6Addr, Ipv6Addr) = (
        "2001:db8:1::1:0:0".parse()?,
        "2001:db8:1::ffff:ffff:ffff".parse()?,
    );
    let mut book = Book::new(Duration::from_secs(3600));
    book.set_pool(scope, Pool::v6(&[first..=last], &[])?);
    let now = Wall::from(SystemTime::now());
    let mut batch = Vec::new();
    for n in 0..LEASES {
        let holder = Holder {
            client: ClientId::new(&lab::dhcp6::duid(n))?,
            iaid: n,
            kind: Kind::Na,
        };
        let random = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let resource = book
            .free(scope, &holder, None, random)
            .context("nothing is free")?;
        let valid = now.after(86_400 + n.wrapping_mul(7919) % 3600);
        let lease = Lease::bound(resource, holder, scope, now, now.after(43_200), valid);
        batch.push(book.put(lease));
        if batch.len() == 10_000 || n + 1 == LEASES {
            disk.commit(&batch)?;
            batch.clear();
        }
    }
    Ok(())
}
