//! A pair of ours fails over: a tenant's TCP sessions go on through the other router, under the same rules, and what it has by DHCP stays.

use std::time::Duration;

use lab::dhclient::{APPLY, Dhclient, Setup};
use lab::pair::{LEASING, OUTWARD, Pair, Settings, are, connected, synced};
use lab::session::{Session, echo_server};
use lab::{Host, Lab, Result, Router, wait_for};

const LIMIT: Duration = Duration::from_secs(60);
const SERVERS: [&str; 2] = ["2001:db8:2::80", "198.51.100.80"];

fn config(lab: &Lab, number: u8, priority: u8) -> String {
    let settings = Settings {
        tables: OUTWARD.to_owned(),
        lan: LEASING.to_owned(),
        ..Settings::default()
    };
    synced(lab, number, priority, &settings)
}

/// Sessions of the machine that a router knows as established: as it has judged them by its own rules, or as it was told.
fn sessions_of(router: &Router, told: bool) -> Option<usize> {
    let shown = router.ctl("show flows").ok()?;
    let flows = shown.as_array()?.iter();
    let own = flows.filter(|flow| {
        flow["remote_port"] == 7 && flow["state"] == "established" && flow["stale"] == told
    });
    Some(own.count())
}

/// Waits until a router has let what a client has last longer than it knew before.
fn renewed(router: &Router, leased: &[String]) -> Result<()> {
    let starts = || -> Option<Vec<String>> {
        let shown = router.ctl("show leases").ok()?;
        let all = shown.as_array()?;
        let of = |what: &String| {
            let lease = all.iter().find(|lease| lease["resource"] == **what)?;
            (lease["state"] == "bound").then(|| lease["starts"].as_str().map(str::to_owned))?
        };
        leased.iter().map(of).collect()
    };
    let mut before = None;
    wait_for(LIMIT, "the leases to be renewed", || {
        let now = starts()?;
        let before = before.get_or_insert_with(|| now.clone());
        let mut pairs = before.iter().zip(&now);
        pairs.all(|(was, is)| was < is).then_some(())
    })
}

/// The machine gets its addresses.
fn lease(lab: &Lab, host: &Host) -> Result<[(Dhclient, &'static str, String); 2]> {
    let setup = |words| Setup {
        words,
        cases: APPLY,
        ..Setup::default()
    };
    let six = setup("-6 -N -D LL").start(lab, host, "vm6")?;
    let four = setup("-4").start(lab, host, "vm4")?;
    let v6 = six.told("new_ip6_address")?;
    let v4 = four.told("new_ip_address")?;
    Ok([(six, "new_ip6_address", v6), (four, "new_ip_address", v4)])
}

#[test]
fn sessions_and_leases_live_through_the_loss_and_the_return_of_a_router() -> Result<()> {
    let lab = Lab::new("r22-alive")?;
    let net = Pair::wire_synced(&lab)?;
    let host = &net.host;
    host.ok("ip addr flush dev eth0 scope global")?;
    net.one.start(&config(&lab, 2, 200))?;
    net.two.start(&config(&lab, 3, 100))?;
    net.settle("active", "backup")?;
    connected(&net.one, true)?;
    host.link_local("eth0")?;
    let clients = lease(&lab, host)?;
    let leased = clients.each_ref().map(|(_, _, address)| address.clone());
    host.route("default via 192.0.2.1")?;
    let _server = echo_server(&net.server)?;
    let mut sessions = Vec::new();
    for server in SERVERS {
        sessions.push(Session::open(host, server)?);
    }
    for (session, address) in sessions.iter().zip(&leased) {
        assert!(session.source()?.ends_with(address.as_str()));
    }
    let others = |router: &Router, n: usize| {
        wait_for(
            LIMIT,
            "the sessions to be known at the other router",
            || (router.ctl("show sync").ok()?[0]["kept_flows"] == n).then_some(()),
        )
    };
    others(&net.two, 2)?;

    let goes_on = |router: &Router, sessions: &[Session]| -> Result<()> {
        for session in sessions {
            session.goes_on()?;
        }
        assert_eq!(
            sessions_of(router, false),
            Some(sessions.len()),
            "judged by rules of its own: {}",
            router.hextetctl("show flows")?
        );
        assert_eq!(router.dropped("flow_invalid")?, 0);
        renewed(router, &leased)?;
        for (client, name, address) in &clients {
            assert_eq!(client.told(name)?, *address);
            for reason in ["EXPIRE6", "DEPREF6", "EXPIRE", "FAIL", "NBI"] {
                assert!(!client.knows(&format!("reason={reason}")), "{reason}");
            }
        }
        Ok(())
    };
    net.one.crash()?;
    are(&net.two, "active")?;
    // New ones work at once, by the same rules.
    for server in SERVERS {
        sessions.push(Session::open(host, server)?);
    }
    for address in &leased {
        assert_eq!(net.server.ping(address, 3)?, 0, "asked from outside");
    }
    assert!(0 < net.two.dropped("ingress_denied")?);
    goes_on(&net.two, &sessions)?;

    net.one.start(&config(&lab, 2, 200))?;
    net.settle("active", "backup")?;
    goes_on(&net.one, &sessions)?;
    others(&net.two, sessions.len())?;
    net.one.assert_balanced()?;
    net.two.assert_balanced()
}
