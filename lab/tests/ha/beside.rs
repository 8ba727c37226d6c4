//! keepalived as the other router: both IP versions, both roles.

use std::time::Duration;

use lab::keepalived::{Keepalived, Told};
use lab::pair::{Settings, are, config};
use lab::{Lab, Result, wait_for};

#[test]
fn keepalived_and_ours_back_each_other_up() -> Result<()> {
    both_roles("ha-keepalived", 3, &Settings::default())
}

#[test]
fn keepalived_of_version_2_is_understood() -> Result<()> {
    let settings = Settings {
        interval: "1s",
        keys: "accept = true\nversion = 2\n".into(),
        ..Settings::default()
    };
    both_roles("ha-keepalived2", 2, &settings)
}

fn both_roles(name: &str, version: u8, settings: &Settings) -> Result<()> {
    let lab = Lab::new(name)?;
    let (host, server, one) = (lab.host("host")?, lab.host("server")?, lab.router("one")?);
    let links = [lab.segment("lan")?, lab.segment("up")?];
    let [lan, up] = &links;
    lab.attach(lan, &host, "eth0")?;
    lab.attach(up, &server, "eth0")?;
    lab.attach(lan, &one, "va")?;
    lab.attach(up, &one, "vb")?;
    server.address("eth0", "2001:db8:2::80/64")?;
    server.address("eth0", "198.51.100.80/24")?;
    server.route("2001:db8:1::/64 via 2001:db8:2::1")?;
    server.route("192.0.2.0/24 via 198.51.100.1")?;
    host.address("eth0", "2001:db8:1::80/64")?;
    host.address("eth0", "192.0.2.80/24")?;
    host.route("default via 2001:db8:1::1")?;
    host.route("default via 192.0.2.1")?;
    let mut peer = Keepalived::wire(&lab, &links, "keepalived", 9)?;
    let told = |priority| Told {
        priority,
        version,
        interval: if version == 2 { "1" } else { "0.1" },
    };
    let text = config(2, 200, settings);
    let text = if version == 2 { only_ipv4(&text) } else { text };
    one.start(&text)?;
    are(&one, "active")?;
    let servers: &[&str] = if version == 2 {
        &["198.51.100.80"]
    } else {
        &["2001:db8:2::80", "198.51.100.80"]
    };
    let reached = |by: &str| -> Result<()> {
        for server in servers {
            assert!(2 <= host.ping(server, 3)?, "{server} by {by}");
        }
        Ok(())
    };
    reached("ours")?;

    // It comes with a lower priority and stays backup.
    peer.start(told(100))?;
    std::thread::sleep(Duration::from_secs(5));
    are(&one, "active")?;
    peer.is_backup()
        .ok_or_else(|| anyhow::anyhow!("keepalived has the addresses of an active router"))?;
    reached("ours, with keepalived as backup")?;

    // Ours dies; it comes back and preempts.
    one.crash()?;
    wait_for(Duration::from_secs(20), "keepalived to take over", || {
        peer.is_master()
    })?;
    reached("keepalived")?;
    one.start(&text)?;
    are(&one, "active")?;
    wait_for(Duration::from_secs(10), "keepalived to give back", || {
        peer.is_backup()
    })?;
    reached("ours again")?;

    // Ours stops: priority 0 is believed at once.
    one.stop()?;
    wait_for(Duration::from_secs(10), "keepalived to take over", || {
        peer.is_master()
    })?;
    reached("keepalived, after ours stopped")?;

    // Now it goes first: ours is backup until it dies.
    peer.crash()?;
    peer.start(told(250))?;
    one.start(&text)?;
    wait_for(Duration::from_secs(20), "keepalived to be master", || {
        peer.is_master()
    })?;
    are(&one, "backup")?;
    reached("keepalived, with ours as backup")?;
    peer.crash()?;
    are(&one, "active")?;
    reached("ours, after keepalived died")?;
    one.assert_balanced()
}

/// A configuration without its IPv6 virtual routers.
fn only_ipv4(text: &str) -> String {
    let mut tables = text.split("[[router.interface.vrrp]]");
    let first = tables.next().unwrap_or_default().to_owned();
    tables.fold(first, |text, table| {
        match table.contains("2001:db8") && !table.contains("[[router.interface]]") {
            true => text,
            false => match table.split_once("[[router.interface]]") {
                Some((group, rest)) if group.contains("2001:db8") => {
                    text + "[[router.interface]]" + rest
                }
                _ => text + "[[router.interface.vrrp]]" + table,
            },
        }
    })
}
