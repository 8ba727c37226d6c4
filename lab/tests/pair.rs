//! Two routers of a pair: what one knows of the flows of tenants' machines, the other knows.
//!
//! ```text
//!                       ┌─ va [one] vb ─┐
//!   host:eth0 ── lan ───┤     sync      ├─── up ── eth0:server
//!                       └─ va [two] vb ─┘
//!   2001:db8:1::/64, 192.0.2.0/24      2001:db8:2::/64, 198.51.100.0/24; one is ::2 and .2, two is ::3 and .3
//! ```
//!
//! The host is a tenant's machine: it is at the port `web-of-tenant` of both. Which router it and the server use, their routes say.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use lab::session::{Session, echo_server};
use lab::{Host, Lab, Result, Router, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);
const SERVER6: &str = "2001:db8:2::80";
const SERVER4: &str = "198.51.100.80";
const KEY: &str = "8f14e45fceea167a5a36dedd4bea2543c9f0f895fb98ab9159f51fd0297e236d";
/// A machine that may do everything, and be asked nothing.
const OUTWARD: &str = "[[security_group]]\nname = \"outward\"\n\
    [[security_group.rule]]\ndirection = \"egress\"\nethertype = \"ipv6\"\n\
    [[security_group.rule]]\ndirection = \"egress\"\nethertype = \"ipv4\"\n";
/// A machine that may do nothing.
const NOTHING: &str = "[[security_group]]\nname = \"outward\"\n";

struct Net {
    host: Host,
    server: Host,
    _links: [Host; 2],
    one: Router,
    two: Router,
}

impl Net {
    fn wire(lab: &Lab) -> Result<Self> {
        let (host, server) = (lab.host("host")?, lab.host("server")?);
        let (one, two) = (lab.router("one")?, lab.router("two")?);
        let (lan, up) = (lab.segment("lan")?, lab.segment("up")?);
        lab.attach(&lan, &host, "eth0")?;
        lab.attach(&up, &server, "eth0")?;
        for router in [&one, &two] {
            lab.attach(&lan, router, "va")?;
            lab.attach(&up, router, "vb")?;
        }
        lab.link(&one, "sync", &two, "sync")?;
        for (router, number) in [(&one, 1), (&two, 2)] {
            router.ok("sysctl -qw net.ipv6.conf.sync.disable_ipv6=0")?;
            router.ok(&format!("ip addr add fd00::{number}/64 dev sync nodad"))?;
        }
        host.address("eth0", "2001:db8:1::80/64")?;
        host.address("eth0", "192.0.2.80/24")?;
        server.address("eth0", "2001:db8:2::80/64")?;
        server.address("eth0", "198.51.100.80/24")?;
        let net = Self {
            host,
            server,
            _links: [lan, up],
            one,
            two,
        };
        net.lead_by(2)?;
        Ok(net)
    }

    /// Both use the router whose addresses end with this number.
    fn lead_by(&self, number: u8) -> Result<()> {
        for (end, v6, v4) in [
            (&self.host, "2001:db8:1", "192.0.2"),
            (&self.server, "2001:db8:2", "198.51.100"),
        ] {
            end.ok(&format!("ip -6 route replace default via {v6}::{number}"))?;
            end.ok(&format!("ip route replace default via {v4}.{number}"))?;
        }
        Ok(())
    }

    /// Both routers, told of each other.
    fn start(lab: &Lab) -> Result<Self> {
        let net = Self::wire(lab)?;
        start(&net.one, 1, KEY, OUTWARD)?;
        start(&net.two, 2, KEY, OUTWARD)?;
        connected(&net.one, true)?;
        connected(&net.two, true)?;
        Ok(net)
    }

    /// A session by each family.
    fn sessions(&self) -> Result<[Session; 2]> {
        Ok([
            Session::open(&self.host, SERVER6)?,
            Session::open(&self.host, SERVER4)?,
        ])
    }
}

/// Starts a router, which writes its key first.
fn start(router: &Router, number: u8, key: &str, groups: &str) -> Result<()> {
    let file = router.dir().join("pair.key");
    std::fs::write(&file, key)?;
    router.ok(&format!("chmod 600 {}", file.display()))?;
    router.start(&config(router, number, groups))
}

fn config(router: &Router, number: u8, groups: &str) -> String {
    let (other, own) = (3 - number, number + 1);
    format!(
        r#"
[pair]
local = "[fd00::{number}]:9462"
peer = "[fd00::{other}]:9462"
key_file = "{dir}/pair.key"
[[device]]
name = "lan"
kind = "af_packet"
interface = "va"
[[device]]
name = "up"
kind = "af_packet"
interface = "vb"
{groups}
[[port]]
name = "web-of-tenant"
device = "lan"
fixed_ips = ["2001:db8:1::80", "192.0.2.80"]
security_groups = ["outward"]
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::{own}/64", "192.0.2.{own}/24"]
[[router.interface]]
name = "up0"
device = "up"
addresses = ["2001:db8:2::{own}/64", "198.51.100.{own}/24"]
"#,
        dir = router.dir().display()
    )
}

/// What a router says of its pair.
fn sync(router: &Router) -> Result<Value> {
    let shown = router.ctl("show sync")?;
    let first = shown.as_array().and_then(|all| all.first()).cloned();
    first.context("a router of no pair")
}

/// Of flows.
fn of_flows(router: &Router) -> Result<Value> {
    let sync = sync(router)?;
    let kinds = sync["kinds"].as_array().cloned().unwrap_or_default();
    let flows = kinds.into_iter().find(|kind| kind["kind"] == "flow");
    flows.context("no word of flows")
}

fn connected(router: &Router, is: bool) -> Result<()> {
    wait_for(
        LIMIT,
        "the routers of the pair to be connected, or not",
        || (sync(router).ok()?["connected"] == is).then_some(()),
    )
}

/// Flows to the echo server that a router has, with this state, and that its own rules have not been asked about (`stale`), or have.
fn flows(router: &Router, state: &str, stale: bool) -> Result<usize> {
    let shown = router.ctl("show flows")?;
    let flows = shown.as_array().context("no list of flows")?;
    let wanted = |flow: &&Value| {
        flow["remote_port"] == 7 && flow["state"] == state && flow["stale"] == stale
    };
    Ok(flows.iter().filter(wanted).count())
}

fn wait_flows(router: &Router, state: &str, stale: bool, n: usize) -> Result<()> {
    let what = format!("{n} flows {state}, stale: {stale}");
    wait_for(LIMIT, &what, || {
        (flows(router, state, stale).ok()? == n).then_some(())
    })
    .with_context(|| router.hextetctl("show flows").unwrap_or_default())
}

#[test]
fn a_session_goes_on_through_the_other_router_and_back() -> Result<()> {
    let lab = Lab::new("pair-flows")?;
    let net = Net::start(&lab)?;
    let _server = echo_server(&net.server)?;
    let sessions = net.sessions()?;
    wait_flows(&net.one, "established", false, 2)?;
    wait_flows(&net.two, "established", true, 2)?;
    assert_eq!(sync(&net.two)?["kept_flows"], 2);
    // The path moves, and back, and once more: each time the other one takes the flows over.
    for (number, now, before) in [
        (3, &net.two, &net.one),
        (2, &net.one, &net.two),
        (3, &net.two, &net.one),
    ] {
        net.lead_by(number)?;
        for session in &sessions {
            session.goes_on()?;
        }
        wait_flows(now, "established", false, 2)?;
        wait_flows(before, "established", true, 2)?;
        assert_eq!(sync(before)?["kept_flows"], 2);
        assert_eq!(now.dropped("flow_invalid")?, 0);
    }
    // What ends at one ends at the other.
    drop(sessions);
    for router in [&net.one, &net.two] {
        wait_for(LIMIT, "the flows to be over", || {
            (flows(router, "established", true).ok()? == 0
                && flows(router, "established", false).ok()? == 0)
                .then_some(())
        })?;
    }
    for router in [&net.one, &net.two] {
        let sync = sync(router)?;
        assert_eq!(sync["same_config"], true);
        assert_eq!(of_flows(router)?["counters"]["refused"], 0);
        assert_eq!(of_flows(router)?["counters"]["dropped"], 0);
        let metrics = router.metrics()?;
        assert!(metrics.contains("hextet_sync_connected 1"), "{metrics}");
        router.assert_balanced()?;
    }
    Ok(())
}

#[test]
fn a_router_that_dies_loses_no_session_and_has_them_again_when_it_is_back() -> Result<()> {
    let lab = Lab::new("pair-death")?;
    let net = Net::start(&lab)?;
    let _server = echo_server(&net.server)?;
    let sessions = net.sessions()?;
    wait_flows(&net.two, "established", true, 2)?;
    net.one.crash()?;
    connected(&net.two, false)?;
    wait_flows(&net.two, "established", true, 2)?;
    net.lead_by(3)?;
    for session in &sessions {
        session.goes_on()?;
    }
    wait_flows(&net.two, "established", false, 2)?;
    // Another process: it has nothing, and is told all.
    start(&net.one, 1, KEY, OUTWARD)?;
    wait_flows(&net.one, "established", true, 2)?;
    net.lead_by(2)?;
    for session in &sessions {
        session.goes_on()?;
    }
    wait_flows(&net.two, "established", true, 2)?;
    let counters = of_flows(&net.two)?["counters"].clone();
    assert!(
        2 <= counters["bulks_sent"].as_u64().unwrap_or(0),
        "{counters}"
    );
    assert_eq!(net.one.dropped("flow_invalid")?, 0);
    Ok(())
}

#[test]
fn what_our_rules_forbid_does_not_pass_whatever_the_other_router_says() -> Result<()> {
    let lab = Lab::new("pair-rules")?;
    let net = Net::wire(&lab)?;
    start(&net.one, 1, KEY, OUTWARD)?;
    start(&net.two, 2, KEY, NOTHING)?;
    connected(&net.two, true)?;
    let _server = echo_server(&net.server)?;
    let session = Session::open(&net.host, SERVER6)?;
    wait_flows(&net.two, "established", true, 1)?;
    net.lead_by(3)?;
    let denied = || -> Result<u64> {
        Ok(net.two.dropped("egress_denied")? + net.two.dropped("ingress_denied")?)
    };
    wait_for(LIMIT, "the flow to be refused", || {
        (0 < denied().ok()? && flows(&net.two, "established", true).ok()? == 0).then_some(())
    })?;
    // The host sends again and again, and nothing passes.
    let before = denied()?;
    wait_for(LIMIT, "more to be refused", || {
        (before + 2 <= denied().ok()?).then_some(())
    })?;
    assert_eq!(flows(&net.two, "established", false)?, 0);
    assert_eq!(flows(&net.two, "established", true)?, 0);
    // The router that allows it still does.
    net.lead_by(2)?;
    session.goes_on()
}

#[test]
fn who_has_another_key_or_lets_others_read_it_is_told_nothing() -> Result<()> {
    let lab = Lab::new("pair-key")?;
    let net = Net::wire(&lab)?;
    start(&net.one, 1, KEY, OUTWARD)?;
    start(&net.two, 2, &KEY.replace('8', "9"), OUTWARD)?;
    for router in [&net.one, &net.two] {
        wait_for(LIMIT, "the wrong key to be noticed", || {
            let sync = sync(router).ok()?;
            let told = sync["fault"].as_str()?.contains("key");
            (told && 0 < sync["counters"]["wrong_key"].as_u64()?).then_some(())
        })?;
        assert_eq!(sync(router)?["connected"], false);
    }
    let _server = echo_server(&net.server)?;
    let _session = Session::open(&net.host, SERVER6)?;
    wait_flows(&net.one, "established", false, 1)?;
    assert_eq!(flows(&net.two, "established", true)?, 0);
    net.two.stop()?;
    // A key that everybody can read is none; the router works without.
    let key = net.two.dir().join("pair.key");
    std::fs::write(&key, KEY)?;
    net.two.ok(&format!("chmod 644 {}", key.display()))?;
    net.two.restart()?;
    let fault = sync(&net.two)?["fault"].clone();
    let fault = fault.as_str().unwrap_or_default();
    assert!(
        fault.contains("pair.key_file") && fault.contains("mode 644"),
        "{fault}"
    );
    net.lead_by(3)?;
    assert_eq!(net.host.ping(SERVER4, 3)?, 3);
    net.two.stop()?;
    net.two.ok(&format!("chmod 600 {}", key.display()))?;
    net.two.restart()?;
    connected(&net.two, true)
}

#[test]
fn a_peer_that_does_nothing_slows_nobody() -> Result<()> {
    let lab = Lab::new("pair-stopped")?;
    let net = Net::start(&lab)?;
    let _server = echo_server(&net.server)?;
    let session = Session::open(&net.host, SERVER6)?;
    let pid = net.two.pid().context("no process")?;
    let pid = Pid::from_raw(pid as i32);
    kill(pid, Signal::SIGSTOP)?;
    // Many flows meanwhile, of which nobody hears: names that are asked for, and answered.
    let answers = net.server.python(ANSWERS, "")?;
    wait_for(LIMIT, "the answering machine", || {
        answers.log().contains("listening").then_some(())
    })?;
    let begun = Instant::now();
    let asked = net.host.python(ASKS, SERVER6)?;
    let mut most = 0;
    let said = wait_for(Duration::from_secs(60), "all to be answered", || {
        let queued = of_flows(&net.one).ok()?;
        most = most.max(queued["queued_bytes"].as_u64()?);
        let log = asked.log();
        let line = log.lines().find(|line| line.starts_with("answered"))?;
        Some(line.to_owned())
    })?;
    assert_eq!(said, "answered 20000", "in {:?}", begun.elapsed());
    assert!(most <= 1 << 20, "{most} bytes wait");
    session.goes_on()?;
    connected(&net.one, false)?;
    kill(pid, Signal::SIGCONT)?;
    connected(&net.one, true)?;
    wait_for(LIMIT, "all flows to be told", || {
        let there = sync(&net.two).ok()?["kept_flows"].as_u64()?;
        (10_000 < there).then_some(())
    })?;
    net.one.assert_balanced()?;
    ensure!(of_flows(&net.one)?["phase"] == "current");
    Ok(())
}

/// Answers every datagram.
const ANSWERS: &str = r#"
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind(("::", 5353))
print("listening", flush=True)
while True:
    data, who = s.recvfrom(64)
    s.sendto(data, who)
"#;

/// Asks 20,000 times, each from another port and asked again if need be, and says how often it was answered.
const ASKS: &str = r#"
import socket, sys
n = 0
for port in range(20000, 40000):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", port))
    s.settimeout(2)
    for attempt in range(3):
        s.sendto(b"%d" % port, (sys.argv[1], 5353))
        try:
            s.recv(64)
            n += 1
            break
        except TimeoutError:
            pass
    s.close()
print("answered", n, flush=True)
"#;

#[test]
fn nobody_on_the_way_can_read_it() -> Result<()> {
    let lab = Lab::new("pair-secret")?;
    let net = Net::wire(&lab)?;
    let file = lab.dir().join("sync.pcap");
    let capture = net.one.spawn(
        &format!("tcpdump -U -i sync -w {}", file.display()),
        "tcpdump.log",
    )?;
    wait_for(LIMIT, "tcpdump", || {
        capture.log().contains("listening").then_some(())
    })?;
    start(&net.one, 1, KEY, OUTWARD)?;
    start(&net.two, 2, KEY, OUTWARD)?;
    connected(&net.one, true)?;
    let _server = echo_server(&net.server)?;
    let _sessions = net.sessions()?;
    wait_flows(&net.two, "established", true, 2)?;
    let bytes = wait_for(LIMIT, "what was captured", || {
        let bytes = std::fs::read(&file).ok()?;
        (10_000 < bytes.len()).then_some(bytes)
    })?;
    let host: std::net::Ipv6Addr = "2001:db8:1::80".parse()?;
    for secret in [
        b"web-of-tenant".as_slice(),
        b"[fd00::1]:9462",
        &host.octets(),
        &[192, 0, 2, 80],
    ] {
        let found = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(
            !found,
            "{} is there in plain",
            String::from_utf8_lossy(secret)
        );
    }
    // It is this connection that was captured.
    let port = 9462_u16.to_be_bytes();
    assert!(bytes.windows(2).any(|window| window == port));
    Ok(())
}
