//! Leases in a file: out of a router, and into one that has forgotten them, whose clients notice nothing.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use lab::dhclient::{APPLY, Dhclient, Setup};
use lab::dhcp6::{Clients, Plan, Watch, What};
use lab::{Host, Lab, Output, Result, Router, binary, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(30);

/// One of each to give, chosen by chance where there is a choice: who has it keeps it from all others.
const CONFIG: &str = r#"
[[device]]
name = "lan"
kind = "af_packet"
interface = "va"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64", "192.0.2.1/24"]
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
address_mode = "dhcpv6-stateful"
ra_mode = "dhcpv6-stateful"
pools = [{ start = "2001:db8:1::1000", end = "2001:db8:1::1000" }]
preferred_lifetime = 300
valid_lifetime = 600
t1 = 8
[[router.interface.subnet]]
prefix = "192.0.2.0/24"
pools = [{ start = "192.0.2.50", end = "192.0.2.50" }]
lease_time = 600
t1 = 8
[router.interface.dhcp4]
probe = 0
[[router.interface.dhcp6.prefix_pool]]
prefix = "2001:db8:8000::/40"
length = 56
allocation = "random"
preferred_lifetime = 300
valid_lifetime = 600
t1 = 8
"#;

const FORMATS: [&str; 2] = ["csv", "json"];

/// dhclient that goes on asking.
fn dhclient(lab: &Lab, host: &Host, name: &str, words: &str) -> Result<Dhclient> {
    host.link_local("eth0")?;
    let setup = Setup {
        words,
        cases: APPLY,
        ..Setup::default()
    };
    setup.start(lab, host, name)
}

fn import(r: &Router, file: &Path) -> Result<Output> {
    let ctl = binary("hextetctl")?;
    let (ctl, socket) = (ctl.display(), r.socket());
    let (socket, file) = (socket.display(), file.display());
    lab::run(&format!("{ctl} --socket {socket} lease import {file}"))
}

/// The router without what it knows of leases, and with all else: its identity, say.
fn forget(r: &Router) -> Result<()> {
    for entry in std::fs::read_dir(r.dir().join("state"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("leases.") {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn count(r: &Router) -> Result<usize> {
    let leases = r.ctl("show leases")?;
    Ok(leases.as_array().map_or(0, Vec::len))
}

/// Where the route to the prefix leads.
fn route(r: &Router, prefix: &str) -> Result<Value> {
    let routes = r.ctl(&format!("show routes {prefix}"))?;
    Ok(routes[0]["next_hops"][0]["interface"].clone())
}

#[test]
fn a_router_that_lost_its_leases_goes_on_from_a_file_and_nobody_notices() -> Result<()> {
    let lab = Lab::new("leases")?;
    let (segment, r) = (lab.segment("sw")?, lab.router("r")?);
    let (a, b) = (lab.host("a")?, lab.host("b")?);
    lab.attach(&segment, &r, "va")?;
    lab.attach(&segment, &a, "eth0")?;
    lab.attach(&segment, &b, "eth0")?;
    r.start(CONFIG)?;
    let six = dhclient(&lab, &a, "six", "-6 -N -P -D LL")?;
    let four = dhclient(&lab, &a, "four", "-4")?;
    let prefix = six.told("new_ip6_prefix")?;
    six.wait_told("new_ip6_address=2001:db8:1::1000")?;
    four.wait_told("new_ip_address=192.0.2.50")?;
    // Still: what they have outlives the router, and when they go on it is time to renew.
    six.daemon.signal(Signal::SIGSTOP)?;
    four.daemon.signal(Signal::SIGSTOP)?;
    assert_eq!(count(&r)?, 3);

    let file = |format: &str| lab.dir().join(format!("leases.{format}"));
    let mut exported = Vec::new();
    for format in FORMATS {
        let text = r.hextetctl(&format!("lease export --format {format}"))?;
        for what in ["2001:db8:1::1000", "192.0.2.50", prefix.as_str(), "lan0"] {
            ensure!(text.contains(what), "no {what} in the export:\n{text}");
        }
        std::fs::write(file(format), &text)?;
        exported.push((format, text));
    }
    let of_six = r.hextetctl("leases export --family ipv6")?;
    ensure!(!of_six.contains("192.0.2.50"), "{of_six}");

    for (format, text) in &exported {
        r.stop()?;
        forget(&r)?;
        r.restart()?;
        assert_eq!(count(&r)?, 0, "all is forgotten");
        assert_eq!(route(&r, &prefix)?, Value::Null);

        // One that cannot be, of IPv4, keeps those of IPv6 out, too. It is the last line with a lease.
        let faulty = lab.dir().join("faulty");
        std::fs::write(&faulty, text.replace("192.0.2.50", "192.0.2.51"))?;
        let refused = import(&r, &faulty)?;
        assert_eq!(refused.status.code(), Some(3), "{}", refused.stderr);
        let fault = "faulty:4: resource: no pool of main 192.0.2.0/24 has it";
        ensure!(refused.stdout.contains(fault), "{}", refused.stdout);
        ensure!(
            refused.stderr.contains("nothing was changed"),
            "{}",
            refused.stderr
        );
        assert_eq!(count(&r)?, 0, "nothing of it was imported");

        let done = import(&r, &file(format))?.ok()?;
        // At once: what is acknowledged is on disk.
        r.crash()?;
        assert_eq!(done.stdout, "3 added, 0 replaced, 0 unchanged\n");
        r.restart()?;
        let again = r.hextetctl(&format!("lease export --format {format}"))?;
        assert_eq!(&again, text, "what was imported is there, and nothing else");
        let no_news = import(&r, &file(format))?.ok()?;
        assert_eq!(no_news.stdout, "0 added, 0 replaced, 3 unchanged\n");
    }

    // An import routes to a prefix, as a grant does.
    r.stop()?;
    forget(&r)?;
    r.restart()?;
    import(&r, &file("csv"))?.ok()?;
    wait_for(LIMIT, "the route to the delegated prefix", || {
        (route(&r, &prefix).ok()? == "lan0").then_some(())
    })?;

    // Nobody else gets any of it.
    let plan = Plan {
        what: What::Address,
        renew: &[],
        first: 0,
        count: 3,
        window: 3,
        length: Duration::from_secs(3),
        patience: Duration::from_secs(1),
    };
    let tally = Clients::on(&b, "eth0")?.run(&plan, &Watch::default())?;
    assert!(tally.begun == 3 && tally.granted.is_empty(), "{tally:?}");
    let other = dhclient(&lab, &b, "other", "-4")?;
    wait_for(
        LIMIT,
        "another client to be told that nothing is left",
        || {
            let counters = r.ctl("show counters").ok()?;
            let links = counters["dhcp4"].as_array()?;
            (links[0]["events"]["no_address"].as_u64()? > 0).then_some(())
        },
    )?;
    assert!(!other.knows("reason=BOUND"), "{}", other.daemon.log());
    drop(other);

    // Its clients go on as if nothing had been.
    six.daemon.signal(Signal::SIGCONT)?;
    four.daemon.signal(Signal::SIGCONT)?;
    six.wait_told("reason=RENEW6")?;
    four.wait_told("reason=RENEW")?;
    assert_eq!(six.told("new_ip6_address")?, "2001:db8:1::1000");
    assert_eq!(six.told("new_ip6_prefix")?, prefix);
    assert_eq!(four.told("new_ip_address")?, "192.0.2.50");
    for (client, end) in [
        (&six, "reason=EXPIRE6"),
        (&six, "reason=REBIND6"),
        (&four, "reason=EXPIRE"),
    ] {
        assert!(!client.knows(end), "{}", client.daemon.log());
    }
    assert_eq!(count(&r)?, 3);

    // What they have renewed since is newer than the file, and stays.
    let late = import(&r, &file("csv"))?.ok()?;
    assert_eq!(late.stdout, "0 added, 0 replaced, 3 unchanged\n");
    let counters = r.ctl("show counters")?;
    assert_eq!(counters["dhcp6"][0]["events"]["leases_imported"], 2);
    assert_eq!(counters["dhcp4"][0]["events"]["leases_imported"], 1);
    r.assert_balanced()
}
