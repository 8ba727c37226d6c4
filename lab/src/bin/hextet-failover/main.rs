//! `make failover`: what is noticed of it when one of two routers fails?
//!
//! Breaks of the way between a host and a server in milliseconds, every one of them, beside two Linux routers under keepalived; TCP
//! sessions that are lost; and what becomes of leases when routers die at random.
//!
//!     ROUNDS=20      rounds of each kind of failure
//!     DEATHS=100     deaths at random
//!     SESSIONS=10000 sessions that are open when the router dies
//!     ONLY=kill,...  kill, hang, link, power, stop, keepalived, sessions, random

mod sessions;

use std::time::Duration;

use anyhow::Context;
use lab::deaths::{self, Plan};
use lab::failover::{self, Breaks, KINDS, percentile};
use lab::{Result, adverts};

fn main() -> Result<()> {
    let rounds = number("ROUNDS", 20)?;
    let only = std::env::var("ONLY").unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only.split(',').any(|one| one == name);
    let mut results = Vec::new();
    for (kind, name, what) in KINDS.into_iter().filter(|(_, name, _)| wanted(name)) {
        println!("==> {name}: {what}; {rounds} rounds");
        results.push((name, failover::ours(kind, rounds)?));
    }
    if wanted("keepalived") {
        println!(
            "==> keepalived: two Linux routers; it is killed and its kernel forwards no more; {rounds} rounds"
        );
        results.push(("keepalived", failover::keepalived(rounds)?));
    }
    let sessions = match wanted("sessions") {
        true => Some(sessions::run(number("SESSIONS", 10_000)?, rounds.min(5))?),
        false => None,
    };
    let random = match wanted("random") {
        true => Some(random(number("DEATHS", 100)?)?),
        false => None,
    };
    print(&results);
    for line in sessions.into_iter().chain(random) {
        println!("\n{line}");
    }
    Ok(())
}

/// A number that the environment gives.
fn number(name: &str, default: usize) -> Result<usize> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().with_context(|| format!("{name}={text}")),
        _ => Ok(default),
    }
}

fn print(results: &[(&str, Breaks)]) {
    if results.is_empty() {
        return;
    }
    println!(
        "\nMilliseconds that the way there and back was broken, advertisements every 10 ms:\n"
    );
    println!(
        "{:<12} {:<6} {:>6} {:>7} {:>5} {:>5} {:>5}   all",
        "", "", "rounds", "median", "p90", "p99", "max"
    );
    for (name, breaks) in results {
        for (what, breaks) in [
            ("IPv6", &breaks.v6),
            ("IPv4", &breaks.v4),
            ("back", &breaks.back),
        ] {
            let mut all = breaks.clone();
            all.sort_unstable();
            let all: Vec<String> = all.iter().map(u64::to_string).collect();
            let [median, p90, p99, max] = [50, 90, 99, 100].map(|of| percentile(breaks, of));
            println!(
                "{name:<12} {what:<6} {:>6} {median:>7} {p90:>5} {p99:>5} {max:>5}   {}",
                breaks.len(),
                all.join(" ")
            );
        }
    }
}

/// Routers die at random while machines get addresses.
fn random(rounds: usize) -> Result<String> {
    println!(
        "==> random: either router is killed at any time, also while it starts; {rounds} deaths"
    );
    let seen = deaths::run(
        "failover-r",
        Plan {
            rounds,
            interval: "10ms",
            every: Duration::from_millis(10),
            seed: std::process::id().into(),
        },
    )?;
    let splits: Vec<u64> = seen
        .splits
        .iter()
        .map(|split| split.as_micros() as u64)
        .collect();
    let longest = adverts::longest(&seen.splits).unwrap_or_default();
    Ok(format!(
        "{rounds} deaths at random: {} leases, none lost, none given twice. Two routers were active at once {} times, for {:.1} ms in the \
         median, {:.1} ms at most (a router takes over after {:.1} ms of silence).",
        seen.leases,
        splits.len(),
        percentile(&splits, 50) as f64 / 1e3,
        longest.as_secs_f64() * 1e3,
        seen.timer.as_secs_f64() * 1e3,
    ))
}
