//! A failover, as `hextetctl monitor` tells of it.

use std::time::Duration;

use lab::pair::{Pair, Settings, are};
use lab::{Lab, Result, Router, binary, wait_for};
use serde_json::Value;

const LOG: &str = "monitor.jsonl";

/// What was told so far.
fn told(router: &Router) -> Vec<Value> {
    let text = std::fs::read_to_string(router.dir().join(LOG)).unwrap_or_default();
    let lines = text.lines();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

#[test]
fn a_failover_is_told_as_it_happens() -> Result<()> {
    let lab = Lab::new("ha-monitor")?;
    let net = Pair::start(&lab, &Settings::default())?;
    let monitor = format!(
        "{} --socket {} --json monitor",
        binary("hextetctl")?.display(),
        net.two.socket().display()
    );
    let _monitor = net.two.spawn(&monitor, LOG)?;
    // It listens when it hears of something.
    wait_for(Duration::from_secs(20), "the monitor to listen", || {
        net.two.ok("ip link set vb down").ok()?;
        net.two.ok("ip link set vb up").ok()?;
        told(&net.two)
            .iter()
            .any(|record| record["event"] == "link")
            .then_some(())
    })?;
    are(&net.two, "backup")?;
    let before = told(&net.two).len();
    net.one.crash()?;
    are(&net.two, "active")?;
    let of_lan = |record: &Value| record["interface"] == "lan0" && record["vrid"] == 61;
    wait_for(Duration::from_secs(5), "both takeovers to be told", || {
        let all = told(&net.two);
        let new = all[before..].iter().filter(|record| of_lan(record));
        let taken = new.filter(|record| {
            record["event"] == "virtual_router"
                && record["from"] == "backup"
                && record["to"] == "active"
                && record["why"] == "nobody advertised for too long"
                && record["time"]
                    .as_str()
                    .is_some_and(|time| time.ends_with('Z'))
        });
        let mut versions: Vec<_> = taken.filter_map(|r| r["ip_version"].as_u64()).collect();
        versions.sort_unstable();
        (versions == [4, 6]).then_some(())
    })
}
