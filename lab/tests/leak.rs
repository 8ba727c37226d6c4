//! Routes into another router's table: two tenants with the same addresses, a service that one of them is told of.
//!
//! ```text
//!   a:eth0 ── va [red]  ─┐
//!                        ├ one process ─ [shared] vb ── eth0:b   2001:db8:2::2, 198.51.100.2
//!   c:eth0 ── vc [blue] ─┘
//! ```

use std::time::Duration;

use anyhow::ensure;
use lab::{Host, Lab, Result, Router, binary};

/// `red` and `shared` are routes of these two.
fn config(red: &str, shared: &str) -> String {
    let mut text = String::new();
    for device in ["va", "vb", "vc"] {
        text += &format!(
            "[[device]]\nname = \"{device}\"\nkind = \"af_packet\"\ninterface = \"{device}\"\n"
        );
    }
    for (tenant, device, routes) in [("red", "va", red), ("blue", "vc", "")] {
        text += &format!(
            "[[router]]\nname = \"{tenant}\"\n[[router.interface]]\nname = \"{tenant}0\"\ndevice = \"{device}\"\n\
             addresses = [\"2001:db8:1::1/64\", \"192.0.2.1/24\"]\n{routes}\n"
        );
    }
    text += &format!(
        "[[router]]\nname = \"shared\"\n[[router.interface]]\nname = \"shared0\"\ndevice = \"vb\"\n\
         addresses = [\"2001:db8:2::1/64\", \"198.51.100.1/24\"]\n{shared}\n"
    );
    text
}

/// Routes to these prefixes in another router.
fn routes(prefixes: [&str; 2], router: &str) -> String {
    prefixes
        .map(|prefix| format!("[[router.route]]\nprefix = \"{prefix}\"\nrouter = \"{router}\"\n"))
        .concat()
}

const SERVICE: [&str; 2] = ["2001:db8:2::/64", "198.51.100.0/24"];
const TENANT: [&str; 2] = ["2001:db8:1::/64", "192.0.2.0/24"];
const SERVERS: [&str; 2] = ["2001:db8:2::2", "198.51.100.2"];

fn reload(r: &Router, config: &str) -> Result<()> {
    r.configure(config)?;
    r.hextetctl("reload").map(drop)
}

fn unreachable_from(host: &Host) -> Result<()> {
    for server in SERVERS {
        assert_eq!(host.ping(server, 2)?, 0, "{server}");
    }
    Ok(())
}

#[test]
fn what_was_told_crosses_and_only_with_a_way_back() -> Result<()> {
    let lab = Lab::new("leak")?;
    let (a, b, c, r) = (
        lab.host("a")?,
        lab.host("b")?,
        lab.host("c")?,
        lab.router("r")?,
    );
    for (host, device) in [(&a, "va"), (&b, "vb"), (&c, "vc")] {
        lab.link(host, "eth0", &r, device)?;
    }
    for host in [&a, &c] {
        host.address("eth0", "2001:db8:1::2/64")?;
        host.address("eth0", "192.0.2.2/24")?;
        host.ok("ip -6 route add default via 2001:db8:1::1")?;
        host.route("default via 192.0.2.1")?;
    }
    b.address("eth0", "2001:db8:2::2/64")?;
    b.address("eth0", "198.51.100.2/24")?;
    b.ok("ip -6 route add default via 2001:db8:2::1")?;
    b.route("default via 198.51.100.1")?;

    // Nobody is told of anything.
    r.start(&config("", ""))?;
    unreachable_from(&a)?;
    // Red is told; what the server answers finds no way.
    let there = routes(SERVICE, "shared");
    reload(&r, &config(&there, ""))?;
    unreachable_from(&a)?;
    ensure!(r.dropped("ip6_no_route")? > 0 && r.dropped("ip4_no_route")? > 0);
    // With the way back both talk, by one hop each; blue, with the same addresses, was never told.
    let back = routes(TENANT, "red");
    reload(&r, &config(&there, &back))?;
    for server in SERVERS {
        assert_eq!(a.ping(server, 5)?, 5, "{server}");
    }
    let sent = b.ok("ping -n -c 3 -i 0.2 -W 3 2001:db8:1::2")?;
    ensure!(sent.contains("ttl=63"), "{sent}");
    // Errors come from the tenant's own router.
    let short = a.run("ping -n -c 1 -W 3 -t 1 2001:db8:2::2")?;
    ensure!(
        short.stdout.contains("From 2001:db8:1::1"),
        "{}",
        short.stdout
    );
    let unknown = a.run("ping -n -c 1 -W 8 2001:db8:2::77")?;
    ensure!(
        unknown.stdout.contains("From 2001:db8:1::1"),
        "{}",
        unknown.stdout
    );
    unreachable_from(&c)?;

    let shown = r.ctl("show routes --router red 2001:db8:2::/64")?;
    assert_eq!(shown[0]["kind"], "router", "{shown:#}");
    assert_eq!(shown[0]["to_router"], "shared", "{shown:#}");
    assert_eq!(shown[0]["installed"], true, "{shown:#}");
    let why = r.ctl("show route explain --router red 2001:db8:2::2")?;
    let text = why["why"].as_str().unwrap_or_default();
    ensure!(
        text.contains("is looked up further in router shared"),
        "{why:#}"
    );
    assert_eq!(why["exits"][0]["interface"], "shared0", "{why:#}");
    let ctl = binary("hextetctl")?;
    let ctl = format!("{} --socket {}", ctl.display(), r.socket().display());
    let mut trace = r.spawn(
        &format!("timeout 10 {ctl} --json trace --interface red0 --dst 2001:db8:2::2 --count 1"),
        "trace.log",
    )?;
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(a.ping(SERVERS[0], 1)?, 1);
    trace.wait(Duration::from_secs(12))?;
    ensure!(trace.log().contains("of router shared"), "{}", trace.log());

    // What is taken back does not cross any more.
    reload(&r, &config("", &back))?;
    unreachable_from(&a)?;
    // A circle of default routes: each packet ends, under its name.
    let six = "[[router.route]]\nprefix = \"::/0\"\nrouter = ";
    let circle = [format!("{six}\"shared\"\n"), format!("{six}\"red\"\n")];
    r.configure(&config(&circle[0], &circle[1]))?;
    ensure!(r.hextetctl("reload").is_err(), "it is refused");
    let narrow = "[[router.route]]\nprefix = \"2001:db8:9::/48\"\nrouter = \"red\"\n";
    reload(&r, &config(&circle[0], narrow))?;
    assert_eq!(a.ping("2001:db8:9::9", 2)?, 0);
    ensure!(r.dropped("router_loop")? >= 2);
    r.assert_balanced()
}
