//! The attacks where nobody stands between: they do reach a victim, and the ear hears them.

use super::launch::{ROUTER_MAC, VICTIM, launch};
use super::table::{ATTACKS, Stir};
use lab::attack::Ear;
use lab::{Lab, Result, wait_for};
use std::time::Duration;

/// What is not for the victim's link, comes with the router's own MAC, or is what an honest neighbour may say too.
const UNHEARD: [&str; 4] = [
    "ndpexhaust26",
    "ndpexhaust26 -r",
    "redir6",
    "fake_mld26 add",
];

#[test]
fn the_attacks_reach_a_victim_on_a_bridge_that_guards_nobody() -> Result<()> {
    let lab = Lab::new("bare")?;
    let segment = lab.segment("lan")?;
    let [router, victim, attacker] = ["router", "victim", "attacker"].map(|name| lab.host(name));
    let (router, victim, attacker) = (router?, victim?, attacker?);
    for (host, mac, address) in [
        (&router, ROUTER_MAC, "2001:db8:1::1/64"),
        (&victim, "02:00:00:00:01:0a", "2001:db8:1::a/64"),
        (&attacker, "02:00:00:00:01:66", "2001:db8:1::66/64"),
    ] {
        lab.attach(&segment, host, "eth0")?;
        host.ok("ip link set eth0 down")?;
        host.ok(&format!("ip link set eth0 address {mac}"))?;
        host.ok("ip link set eth0 up")?;
        host.address("eth0", address)?;
    }
    attacker.address("eth0", "192.0.2.66/24")?;
    victim.address("eth0", "192.0.2.10/24")?;
    attacker.route("default via 2001:db8:1::1")?;
    let own = attacker.link_local("eth0")?.to_string();
    assert_eq!(attacker.ping(VICTIM, 1)?, 1);
    let neighbours = [(
        "02:00:00:00:01:66".to_owned(),
        vec![own, "2001:db8:1::66".to_owned(), "192.0.2.66".to_owned()],
    )];
    let only = std::env::var("HEXTET_ATTACK").unwrap_or_default();
    let mut silent = Vec::new();
    for attack in ATTACKS.iter().filter(|a| a.name.contains(&only)) {
        if attack.stir != Stir::Nothing || UNHEARD.contains(&attack.name) {
            continue;
        }
        // Floods leave the victim without room for neighbours: what comes next may find nobody at first.
        let mut said = String::new();
        let mut heard = false;
        for _ in 0..4 {
            victim.ok("ip -6 neigh flush dev eth0")?;
            let mut ear = Ear::start(&victim, ROUTER_MAC, &neighbours)?;
            let running = launch(&attacker, lab.dir(), attack)?;
            let first = wait_for(Duration::from_secs(attack.seconds), attack.name, || {
                ear.heard().ok()?.first().cloned()
            });
            said = running.log();
            drop(running);
            ear.stop()?;
            heard = first.is_ok();
            if heard {
                break;
            }
        }
        if !heard {
            silent.push(format!(
                "{} ({}, for {:?}): {said}",
                attack.name, attack.tries, attack.counters
            ));
        }
    }
    assert!(silent.is_empty(), "not heard: {}", silent.join("\n"));
    Ok(())
}
