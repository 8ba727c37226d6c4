//! Routes follow their next hops' sessions.

use std::time::Duration;

use lab::{Lab, Result, wait_for};

use crate::net::{LEFT, Net, RIGHT, config};
use crate::peers::{Bird, Frr};

/// Ours, as FRR knows them.
const OURS: [&str; 2] = ["2001:db8:2::1", "198.51.100.1"];

fn up(net: &Net, frr: &Frr<'_>) -> Result<()> {
    for (peer, ours) in LEFT.into_iter().zip(OURS) {
        net.settles(peer, "up", "up")?;
        frr.says(ours, "status", "up")?;
    }
    Ok(())
}

/// Waits until our priority in the virtual router is this one.
fn priority(net: &Net, expected: u64) -> Result<()> {
    let what = format!("the virtual router's priority to be {expected}");
    wait_for(Duration::from_secs(10), &what, || {
        let shown = net.r.ctl("show vrrp").ok()?;
        (shown[0]["priority"] == expected).then_some(())
    })
}

#[test]
fn both_ends_agree_and_what_was_never_up_withdraws_nothing() -> Result<()> {
    let lab = Lab::new("bfd-agree")?;
    let net = Net::wire(&lab)?;
    net.r.start(&config("", ""))?;
    net.r.settled()?;
    // Nobody answers yet.
    for peer in LEFT {
        net.settles(peer, "down", "untold")?;
    }
    net.leads_to(LEFT)?;
    priority(&net, 60)?;
    let frr = Frr::start(&lab, &net.frr)?;
    up(&net, &frr)?;
    priority(&net, 100)?;
    for (peer, ours) in LEFT.into_iter().zip(OURS) {
        // Timers are agreed on a moment after the session is up.
        let mut last = Default::default();
        wait_for(Duration::from_secs(10), "the timers to be agreed", || {
            last = net.session(peer).ok()?;
            let agreed = last["transmit_interval_us"] == 10_000
                && last["detection_time_us"] == 30_000
                && last["polling"] == false;
            agreed.then_some(())
        })?;
        let theirs = frr.session(ours)?;
        assert_eq!(
            last["remote"]["discriminator"], theirs["id"],
            "{last:#} {theirs:#}"
        );
        assert_eq!(last["local_discriminator"], theirs["remote-id"]);
        assert_eq!(theirs["remote-receive-interval"], 10, "{theirs:#}");
        assert_eq!(theirs["remote-transmit-interval"], 10, "{theirs:#}");
        assert_eq!(theirs["remote-detect-multiplier"], 3, "{theirs:#}");
    }
    let text = net.r.hextetctl("show bfd")?;
    assert!(
        text.contains("2001:db8:2::2") && text.contains("30 ms"),
        "{text}"
    );
    let metrics = net.r.metrics()?;
    let line = "hextet_bfd_state{interface=\"left0\",peer=\"2001:db8:2::2\",state=\"up\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    // The router stops: it is no failure, and FRR knows.
    net.r.assert_balanced()?;
    net.r.stop()?;
    for ours in OURS {
        frr.says(ours, "status", "down")?;
        let told = frr.session(ours)?;
        let why = told["diagnostic"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains("neighbor signaled"), "{told:#}");
    }
    Ok(())
}

#[test]
fn routes_leave_a_neighbour_that_dies_and_return_to_it() -> Result<()> {
    let lab = Lab::new("bfd-dies")?;
    let net = Net::wire(&lab)?;
    net.r.start(&config("", ""))?;
    net.r.settled()?;
    let mut frr = Frr::start(&lab, &net.frr)?;
    up(&net, &frr)?;
    net.leads_to(LEFT)?;
    // Its kernel would go on to forward: only BFD knows.
    frr.crash()?;
    for peer in LEFT {
        let told = net.settles(peer, "down", "failed")?;
        assert_eq!(told["diagnostic"], "detection_time_expired", "{told:#}");
    }
    net.leads_to(RIGHT)?;
    priority(&net, 60)?;
    let log = net.r.log();
    assert!(log.contains("BFD session has failed"), "{log}");
    frr.again()?;
    up(&net, &frr)?;
    net.leads_to(LEFT)?;
    priority(&net, 100)?;
    // A wire that is cut behind a switch: our own link stays up.
    net.left.ok("ip link set p2 down")?;
    for peer in LEFT {
        net.settles(peer, "down", "failed")?;
    }
    net.leads_to(RIGHT)?;
    net.left.ok("ip link set p2 up")?;
    up(&net, &frr)?;
    net.leads_to(LEFT)?;
    // Our own link.
    net.left.ok("ip link set p1 down")?;
    for peer in LEFT {
        net.settles(peer, "down", "failed")?;
    }
    net.leads_to(RIGHT)?;
    net.left.ok("ip link set p1 up")?;
    up(&net, &frr)?;
    net.leads_to(LEFT)?;
    net.r.assert_balanced()
}

#[test]
fn a_session_that_is_switched_off_withdraws_nothing() -> Result<()> {
    let lab = Lab::new("bfd-off")?;
    let net = Net::wire(&lab)?;
    net.r.start(&config("", ""))?;
    net.r.settled()?;
    let frr = Frr::start(&lab, &net.frr)?;
    up(&net, &frr)?;
    let shutdown = |word: &str| {
        let peers = OURS
            .into_iter()
            .zip(LEFT)
            .map(|(ours, theirs)| format!("peer {ours} local-address {theirs} interface eth0"));
        for peer in peers {
            frr.vtysh(&["configure terminal", "bfd", &peer, word])?;
        }
        lab::Result::Ok(())
    };
    // Over there.
    shutdown("shutdown")?;
    for peer in LEFT {
        let told = net.settles(peer, "down", "switched_off")?;
        assert_eq!(told["diagnostic"], "neighbor_signaled_down", "{told:#}");
    }
    net.leads_to(LEFT)?;
    priority(&net, 100)?;
    shutdown("no shutdown")?;
    up(&net, &frr)?;
    // And here.
    net.r.configure(&config("enabled = false", ""))?;
    net.r.hextetctl("reload")?;
    for (peer, ours) in LEFT.into_iter().zip(OURS) {
        net.settles(peer, "admin_down", "switched_off")?;
        frr.says(ours, "status", "down")?;
        let told = frr.says(ours, "remote-diagnostic", "administratively down")?;
        assert_eq!(
            told["diagnostic"], "neighbor signaled session down",
            "{told:#}"
        );
    }
    net.leads_to(LEFT)?;
    // Routes that are not to be withdrawn are not.
    net.r.configure(&config("withdraw_routes = false", ""))?;
    net.r.hextetctl("reload")?;
    up(&net, &frr)?;
    net.left.ok("ip link set p2 down")?;
    for peer in LEFT {
        net.settles(peer, "down", "failed")?;
    }
    let why = net.r.ctl("show route explain 2001:db8:9::9")?;
    assert!(
        why["exits"].to_string().contains("\"2001:db8:2::2\""),
        "{why:#}"
    );
    Ok(())
}

#[test]
fn bird_and_ours_believe_each_other_with_the_same_key_alone() -> Result<()> {
    let lab = Lab::new("bfd-bird")?;
    let net = Net::wire(&lab)?;
    let key = "key = \"hextet\"\nkey_id = 7\n";
    net.r.start(&config("", key))?;
    net.r.settled()?;
    let auth = |password: &str| {
        format!("authentication meticulous keyed sha1; password \"{password}\" {{ id 7; }};")
    };
    let bird = Bird::start(&lab, &net.bird, &auth("hextet"))?;
    for peer in RIGHT {
        let told = net.settles(peer, "up", "up")?;
        assert_eq!(told["authenticated"], true);
    }
    bird.is_up()?;
    drop(bird);
    for peer in RIGHT {
        net.settles(peer, "down", "failed")?;
    }
    // Another key: not believed, and counted.
    let _bird = Bird::start(&lab, &net.bird, &auth("hextex"))?;
    wait_for(Duration::from_secs(10), "a digest to be refused", || {
        let told = net.session(RIGHT[0]).ok()?;
        (0 < told["invalid"]["auth_digest"].as_u64()?).then_some(())
    })?;
    for peer in RIGHT {
        assert_eq!(net.session(peer)?["state"], "down");
    }
    // The other kind.
    net.r
        .configure(&config("", &format!("{key}auth = \"keyed-sha1\"\n")))?;
    net.r.hextetctl("reload")?;
    drop(_bird);
    let keyed = auth("hextet").replace("meticulous ", "");
    let bird = Bird::start(&lab, &net.bird, &keyed)?;
    bird.is_up()?;
    for peer in RIGHT {
        net.settles(peer, "up", "up")?;
    }
    net.r.assert_balanced()
}
