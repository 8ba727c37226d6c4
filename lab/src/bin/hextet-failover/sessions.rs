//! TCP sessions of a machine with security groups, when the active router of a pair dies and comes back.

use std::time::Duration;

use lab::crowd::{self, Crowd};
use lab::failover::percentile;
use lab::pair::{OUTWARD, Pair, Settings, are, connected, synced};
use lab::{Lab, Result, Router, wait_for};

const SERVERS: [&str; 2] = ["2001:db8:2::80", "198.51.100.80"];

/// Runs it: what was seen, as a sentence.
pub fn run(n: usize, rounds: usize) -> Result<String> {
    println!("==> sessions: {n} TCP sessions of a machine with security groups; {rounds} rounds");
    let lab = Lab::new("failover-s")?;
    let net = Pair::wire_synced(&lab)?;
    net.host.address("eth0", "2001:db8:1::80/64")?;
    net.host.route("default via 2001:db8:1::1")?;
    let settings = Settings {
        interval: "10ms",
        tables: format!("{OUTWARD}fixed_ips = [\"2001:db8:1::80\", \"192.0.2.80\"]\n"),
        ..Settings::default()
    };
    let text = synced(&lab, 2, 200, &settings);
    net.one.start(&text)?;
    net.two.start(&synced(&lab, 3, 190, &settings))?;
    net.settle("active", "backup")?;
    connected(&net.one, true)?;
    let _server = crowd::server(&net.server)?;
    let mut crowd = Crowd::open(&net.host, &SERVERS, n)?;
    let (mut lost, mut new, mut invalid) = (0, Vec::new(), 0);
    for round in 0..rounds {
        known(&net.two, crowd.len())?;
        net.one.crash()?;
        for server in SERVERS {
            new.push(crowd::first_new(&net.host, server)?.as_millis() as u64);
        }
        are(&net.two, "active")?;
        let by_two = crowd.speak();
        invalid += net.two.dropped("flow_invalid")?;
        net.one.restart()?;
        net.settle("active", "backup")?;
        let by_one = crowd.speak();
        invalid += net.one.dropped("flow_invalid")?;
        println!(
            "    round {:>3}: {by_two} lost when it died, {by_one} when it came back; new sessions after {} and {} ms",
            round + 1,
            new[2 * round],
            new[2 * round + 1]
        );
        lost += by_two + by_one;
    }
    net.two.assert_balanced()?;
    Ok(format!(
        "{n} TCP sessions, {rounds} deaths and returns: {lost} lost, {invalid} of their packets not believed. A new session after {} ms in \
         the median, {} ms at most.",
        percentile(&new, 50),
        percentile(&new, 100)
    ))
}

/// Waits until a router was told of so many flows.
fn known(router: &Router, n: usize) -> Result<()> {
    wait_for(
        Duration::from_secs(60),
        "the sessions to be known at the other router",
        || {
            let kept = router.ctl("show sync").ok()?[0]["kept_flows"].as_u64()?;
            (n as u64 <= kept).then_some(())
        },
    )
}
