//! One attack after the other, beside a transfer.

use super::launch::{ROUTER_MAC, UPLINK, launch};
use super::net::Net;
use super::table::{ATTACKS, Attack, NOTHING, Stir};
use lab::attack::Transfer;
use lab::{Lab, Result, wait_for};
use std::time::Duration;

/// Those that are `wanted`. What fails is told of every attack, not of the first alone.
pub fn attacks(name: &str, wanted: impl Fn(&Attack) -> bool) -> Result<()> {
    let lab = Lab::new(name)?;
    let mut net = Net::start(&lab)?;
    let before = net.knowledge()?;
    assert_eq!(before.router_mac.as_deref(), Some(ROUTER_MAC));
    let mut faults = Vec::new();
    for attack in ATTACKS.iter().filter(|attack| wanted(attack)) {
        let mut ear = net.ear()?;
        let (counted, mut wrong) = match one(&net, attack) {
            Ok(counted) => (counted, Vec::new()),
            Err(error) => (String::new(), vec![format!("{error:#}")]),
        };
        let frames = ear.heard()?;
        ear.stop()?;
        if !frames.is_empty() && attack.seen == NOTHING {
            wrong.push(format!("the victim heard {frames:#?}"));
        }
        let after = net.knowledge()?;
        if after != before {
            wrong.push(format!("the victim knows {after:#?}, not {before:#?}"));
        }
        println!("{:<34} {counted} {}", attack.name, wrong.join("; "));
        faults.extend(wrong.into_iter().map(|w| format!("{}: {w}", attack.name)));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(net.echo.is_running());
    bindings(&net)?;
    net.r.assert_balanced()
}

/// Every address of the victim is bound to its port and MAC, and none of them to the attacker's.
fn bindings(net: &Net) -> Result<()> {
    let bound = net.r.ctl("show port-bindings")?;
    let own = net.victim.global_ipv6("eth0")?;
    for address in own.iter().chain([&net.victim.link_local("eth0")?]) {
        let text = address.to_string();
        let all = bound.as_array().into_iter().flatten();
        let holders: Vec<_> = all
            .filter(|b| b["address"] == text.as_str())
            .map(|b| (b["port"].as_str(), b["mac"].as_str()))
            .collect();
        assert_eq!(
            holders,
            [(Some("victim"), Some("02:00:00:00:01:0a"))],
            "{bound:#}"
        );
    }
    Ok(())
}

/// Runs an attack; gives what was counted.
fn one(net: &Net, attack: &Attack) -> Result<String> {
    let before: Vec<u64> = totals(net, attack.counters)?;
    let length = Duration::from_secs(attack.seconds);
    let transfer = Transfer::start(&net.victim, UPLINK, length)?;
    // What it did to itself before is no help to it now.
    net.attacker.ok("ip -6 neigh flush dev eth0")?;
    let mut running = launch(&net.attacker, net.r.dir(), attack)?;
    stir(net, attack.stir)?;
    // How it ends is its own affair: most never do by themselves.
    running.wait(length + Duration::from_secs(4))?;
    let bytes = transfer.complete()?;
    let risen = wait_for(Duration::from_secs(3), "the counters", || {
        let now = totals(net, attack.counters).ok()?;
        let risen: Vec<u64> = now.iter().zip(&before).map(|(n, b)| n - b).collect();
        risen.iter().all(|&n| 0 < n).then_some(risen)
    });
    let Ok(risen) = risen else {
        anyhow::bail!(
            "no {} was counted; the tool said: {}; drops: {}",
            attack.counters.join(", "),
            running.log(),
            net.r.hextetctl("show drops")?
        );
    };
    let pairs: Vec<String> = attack
        .counters
        .iter()
        .zip(risen)
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
    Ok(format!("{} ({bytes} bytes)", pairs.join(", ")))
}

/// Each of these drops, in all.
fn totals(net: &Net, counters: &[&str]) -> Result<Vec<u64>> {
    counters.iter().map(|name| net.r.dropped(name)).collect()
}

/// Makes victim and peer do what the attacker waits for.
fn stir(net: &Net, stir: Stir) -> Result<()> {
    match stir {
        Stir::Nothing => {}
        Stir::Resolves => {
            std::thread::sleep(Duration::from_secs(1));
            for host in [&net.victim, &net.peer] {
                host.run("ip -6 neigh del 2001:db8:1::1 dev eth0")?;
                host.run("ping -n -c 2 -i 0.2 -W 1 2001:db8:1::1")?;
            }
            net.peer.run("ping -n -c 2 -i 0.2 -W 1 2001:db8:1::a")?;
        }
        Stir::NewAddress => {
            std::thread::sleep(Duration::from_secs(1));
            net.victim.ok("ip addr add 2001:db8:1::a:1/64 dev eth0")?;
            let passed = wait_for(Duration::from_secs(6), "duplicate detection", || {
                let text = net.victim.ok("ip -6 addr show dev eth0").ok()?;
                let line = text.lines().find(|l| l.contains("2001:db8:1::a:1/"))?;
                (!line.contains("tentative")).then(|| line.to_owned())
            });
            net.victim.ok("ip addr del 2001:db8:1::a:1/64 dev eth0")?;
            let line = passed?;
            anyhow::ensure!(!line.contains("dadfailed"), "denied its address: {line}");
        }
        Stir::AsksDhcp => {
            std::thread::sleep(Duration::from_secs(1));
            let file = net.r.dir().join("leases");
            let pid = net.r.dir().join("pid");
            net.victim.run(&format!(
                "timeout 2 dhclient -6 -1 -d -lf {} -pf {} -sf /bin/true eth0",
                file.display(),
                pid.display()
            ))?;
        }
    }
    Ok(())
}
