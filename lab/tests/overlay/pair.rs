//! Two of our routers joined by VXLAN over IPv6: hosts of a tenant at both.
//!
//! ```text
//!   a:eth0 ── va [r1] vu ── the underlay ── vu [r2] vb ── eth0:b     network blue, VNI 77
//!   c:eth0 ── vc [r1]                          [r2] vd ── eth0:d     network red, VNI 78
//! ```
//!
//! r1 has the gateway of blue: 2001:db8:1::1 and 10.1.0.1, with advertisements and DHCPv4.

use std::time::Duration;

use anyhow::{Context, ensure};
use lab::dhclient::{Dhclient, Setup};
use lab::marker::{self, Listener};
use lab::session::{Session, echo_server};
use lab::vxlan::Vxlan;
use lab::{Host, Lab, LinkOptions, Result, Router, wait_for};
use serde_json::Value;

use crate::{advertised_mtu, full_size, mac, slaac};

/// One of the routers; `peers` are what red is stretched to beside the other router.
fn config(own: &str, other: &str, locals: [&str; 2], mtu: u32, more: &str) -> String {
    let [blue, red] = locals;
    format!(
        r#"
[[device]]
name = "up"
kind = "af_packet"
interface = "vu"
mtu = {mtu}
[[device]]
name = "{blue}"
kind = "af_packet"
interface = "{blue}"
[[device]]
name = "{red}"
kind = "af_packet"
interface = "{red}"

[[network]]
name = "blue"
segments = [{{ kind = "flat", device = "{blue}" }}, {{ kind = "vxlan", vni = 77, vteps = ["other"] }}]
[[network]]
name = "red"
segments = [{{ kind = "flat", device = "{red}" }}, {{ kind = "vxlan", vni = 78, vteps = ["other"] }}]

[[vtep]]
name = "other"
kind = "vxlan"
router = "underlay"
local = "{own}"
remote = "{other}"
mtu = {mtu}
[[router]]
name = "underlay"
[[router.interface]]
name = "up0"
device = "up"
addresses = ["{own}/64"]
{more}
"#
    )
}

const GATEWAY: &str = r#"
[[router]]
name = "tenant"
[[router.interface]]
name = "blue0"
network = "blue"
addresses = ["2001:db8:1::1/64", "10.1.0.1/24"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:1::/64"
[[router.interface.subnet]]
prefix = "10.1.0.0/24"
pools = [{ start = "10.1.0.50", end = "10.1.0.99" }]
"#;

struct Pair {
    a: Host,
    b: Host,
    c: Host,
    d: Host,
    r1: Router,
    r2: Router,
}

impl Pair {
    /// Wires hosts and routers but the underlay.
    fn wire(lab: &Lab) -> Result<Self> {
        let (a, b, c, d) = (
            lab.host("a")?,
            lab.host("b")?,
            lab.host("c")?,
            lab.host("d")?,
        );
        let (r1, r2) = (lab.router("r1")?, lab.router("r2")?);
        for (host, router, dev) in [
            (&a, &r1, "va"),
            (&b, &r2, "vb"),
            (&c, &r1, "vc"),
            (&d, &r2, "vd"),
        ] {
            lab.link(host, "eth0", router, dev)?;
        }
        let pair = Self { a, b, c, d, r1, r2 };
        Ok(pair)
    }

    /// Starts both routers over an underlay of this MTU.
    fn start(&self, mtu: u32) -> Result<()> {
        let one = config("fd66::1", "fd66::2", ["va", "vc"], mtu, GATEWAY);
        let two = config("fd66::2", "fd66::1", ["vb", "vd"], mtu, "");
        self.r2.start(&two)?;
        self.r1.start(&one)
    }

    /// Where a router has learned a station of blue to be.
    fn at(router: &Router, mac: &str) -> Result<String> {
        let stations = router.ctl("show fdb --network blue")?;
        let mut all = stations.as_array().into_iter().flatten();
        let found = all.find(|s| s["mac"] == mac && s["is_static"] == false);
        let at = found.and_then(|s| s["at"].as_str()).map(str::to_owned);
        at.with_context(|| format!("{mac} is not in {stations:#}"))
    }

    /// Waits until both routers know where a and b are.
    fn learned(&self) -> Result<()> {
        for (host, places) in [(&self.a, ["va", "other"]), (&self.b, ["other", "vb"])] {
            let mac = mac(host, "eth0")?;
            for (router, place) in [&self.r1, &self.r2].into_iter().zip(places) {
                let what = format!("{mac} to be learned at {place}");
                wait_for(Duration::from_secs(5), &what, || {
                    (Self::at(router, &mac).ok()? == place).then_some(())
                })?;
            }
        }
        Ok(())
    }

    /// What either router has dropped, as text.
    fn losses(&self) -> String {
        let of = |router: &Router| {
            let drops = router.ctl("show drops").unwrap_or_default();
            let lost = drops.as_array().into_iter().flatten();
            let lost = lost.filter(|drop| drop["total"] != 0);
            let words = lost.map(|drop| format!("{} {}", drop["reason"], drop["total"]));
            words.collect::<Vec<_>>().join(", ")
        };
        format!("r1 has dropped {}; r2 {}", of(&self.r1), of(&self.r2))
    }

    fn balanced(&self) -> Result<()> {
        self.r1.assert_balanced()?;
        self.r2.assert_balanced()
    }
}

#[test]
fn tcp_fills_a_path_of_1500_bytes_inside_where_the_underlay_carries_more() -> Result<()> {
    fills(1600, 1500)
}

#[test]
fn tcp_fills_a_path_of_1500_bytes_outside_as_hosts_learn_the_smaller_mtu() -> Result<()> {
    fills(1500, 1430)
}

fn fills(outside: u32, inside: u32) -> Result<()> {
    let lab = Lab::new("fills")?;
    let pair = Pair::wire(&lab)?;
    let wide = LinkOptions { mtu: outside };
    lab.link_with(&pair.r1, "vu", &pair.r2, "vu", wide)?;
    pair.start(outside)?;
    let mut clients = Vec::new();
    for (name, host) in [("a", &pair.a), ("b", &pair.b)] {
        slaac(host, "eth0", "2001:db8:1:")?;
        assert_eq!(advertised_mtu(host, "eth0")?, inside);
        // IPv4 is told by DHCP. The device's MTU is IPv4's; for IPv6 the advertised one holds.
        clients.push(dhclient(&lab, host, name)?);
        let mtu = host.ok("cat /sys/class/net/eth0/mtu")?;
        assert_eq!(mtu.trim(), inside.to_string());
    }
    let b6 = slaac(&pair.b, "eth0", "2001:db8:1:")?;
    let b4 = pair
        .b
        .ipv4("eth0")?
        .first()
        .context("an IPv4 lease")?
        .to_string();
    let _server = pair.b.spawn("iperf3 -s -J")?;
    wait_for(Duration::from_secs(5), "iperf3 to listen", || {
        pair.b.ok("ss -ltn").ok()?.contains(":5201").then_some(())
    })?;
    for to in [&b6, &b4] {
        assert_eq!(full_size(&pair.a, to, inside)?, 3, "{to}");
        for direction in ["", "-R"] {
            // What makes a path stall does so again; a machine that had no time for the hosts may have some now.
            moves(&pair.a, to, direction)
                .or_else(|_| moves(&pair.a, to, direction))
                .with_context(|| pair.losses())?;
        }
    }
    for router in [&pair.r1, &pair.r2] {
        for reason in ["l2_too_big", "tunnel_too_big"] {
            assert_eq!(router.dropped(reason)?, 0, "{reason}");
        }
    }
    pair.learned()?;
    pair.balanced()
}

/// A TCP transfer of five seconds: bytes arrive in every one of them. What the sender's socket takes is another matter: it
/// takes much at once, and then nothing for a while.
fn moves(from: &Host, to: &str, direction: &str) -> Result<()> {
    let client = format!("iperf3 -c {to} -C cubic -t 5 -i 1 -J --get-server-output {direction}");
    let text = from.ok(&client)?;
    let report: Value = serde_json::from_str(&text)?;
    let receiver = match direction {
        "-R" => &report,
        _ => &report["server_output_json"],
    };
    let intervals = receiver["intervals"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let whole = intervals.iter().map(|interval| &interval["sum"]);
    let whole = whole.filter(|sum| sum["seconds"].as_f64().is_some_and(|s| 0.9 < s));
    let bytes: Vec<u64> = whole.filter_map(|sum| sum["bytes"].as_u64()).collect();
    let again = &report["end"]["sum_sent"]["retransmits"];
    ensure!(4 <= bytes.len(), "few intervals: {text}");
    ensure!(
        bytes.iter().all(|&b| 0 < b),
        "{to} {direction}: {bytes:?}, {again} segments sent again"
    );
    Ok(())
}

/// dhclient, whose script does with address and MTU what a distribution's would; returns when it has done so.
fn dhclient(lab: &Lab, host: &Host, name: &str) -> Result<Dhclient> {
    let setup = Setup {
        words: "-4",
        once: true,
        conf: "request subnet-mask, routers, interface-mtu;\ninitial-interval 1;\n",
        cases: "BOUND|RENEW|REBIND|REBOOT) ip link set $interface mtu $new_interface_mtu\n\
            ip -4 addr replace $new_ip_address/24 dev $interface ;;",
    };
    let client = setup.start(lab, host, name)?;
    wait_for(Duration::from_secs(20), "an IPv4 lease", || {
        host.ipv4("eth0").ok()?.first().copied()
    })
    .with_context(|| client.daemon.log())?;
    Ok(client)
}

/// kill -9 of either router: the same TCP connections go on when it is back, and nobody of another tenant hears anything.
#[test]
fn a_router_that_was_killed_is_back_and_flows_go_on_and_nothing_leaks() -> Result<()> {
    let lab = Lab::new("killed")?;
    let pair = Pair::wire(&lab)?;
    let under = lab.segment("under")?;
    lab.attach(&under, &pair.r1, "vu")?;
    lab.attach(&under, &pair.r2, "vu")?;
    // A host of another house that pretends: it has both VNIs, and is nobody's peer.
    let x = lab.host("x")?;
    lab.attach(&under, &x, "eth0")?;
    x.address("eth0", "fd66::9/64")?;
    for (dev, vni) in [("vx77", 77), ("vx78", 78)] {
        Vxlan {
            dev,
            vni,
            local: "fd66::9".parse()?,
            remote: "fd66::1".parse()?,
            checksum: true,
            mtu: 1430,
        }
        .create(&x)?;
    }
    pair.start(1500)?;
    pair.a.address("eth0", "10.1.0.10/24")?;
    pair.b.address("eth0", "10.1.0.11/24")?;
    slaac(&pair.a, "eth0", "2001:db8:1:")?;
    let b6 = slaac(&pair.b, "eth0", "2001:db8:1:")?;
    let (mac_a, mac_b) = (mac(&pair.a, "eth0")?, mac(&pair.b, "eth0")?);
    let mac_d = mac(&pair.d, "eth0")?;
    let _server = echo_server(&pair.b)?;
    let sessions = [
        Session::open(&pair.a, &b6)?,
        Session::open(&pair.a, "10.1.0.11")?,
    ];
    pair.learned()?;
    let strangers = [
        Listener::start(&pair.c, "eth0")?,
        Listener::start(&pair.d, "eth0")?,
        Listener::start(&x, "vx77")?,
        Listener::start(&x, "vx78")?,
    ];
    let friend = Listener::start(&pair.b, "eth0")?;
    // They do hear their own.
    marker::call(&pair.c, "eth0", "red", &mac_d)?;
    strangers[1].hears("red", &marker::KINDS)?;
    marker::call(&pair.a, "eth0", "blue-0", &mac_b)?;
    friend.hears("blue-0", &["broadcast", "known"])?;
    for (round, killed) in [(1, &pair.r2), (2, &pair.r1)] {
        killed.crash()?;
        // All call while it is away, and as it comes.
        marker::call(&pair.a, "eth0", &format!("blue-{round}-away"), &mac_b)?;
        marker::call(&pair.b, "eth0", &format!("blue-{round}-away"), &mac_a)?;
        killed.restart_with(|| {
            marker::call(&pair.a, "eth0", &format!("blue-{round}-comes"), &mac_b)?;
            marker::call(&pair.b, "eth0", &format!("blue-{round}-comes"), &mac_a)
        })?;
        for session in &sessions {
            session.goes_on()?;
        }
        pair.learned()?;
        let back = format!("blue-{round}-back");
        marker::call(&pair.a, "eth0", &back, &mac_b)?;
        friend.hears(&back, &["broadcast", "multicast6", "arp", "nd", "known"])?;
    }
    marker::call(&pair.c, "eth0", "red-again", &mac_d)?;
    strangers[1].hears("red-again", &marker::KINDS)?;
    for stranger in &strangers {
        let heard = stranger.heard();
        assert!(heard.iter().all(|mark| mark.contains("red")), "{heard:?}");
    }
    // Nor did those who pretend get in.
    marker::call(&x, "vx77", "stranger", &mac_a)?;
    wait_for(Duration::from_secs(3), "the stranger to be refused", || {
        (0 < pair.r1.dropped("tunnel_unknown_peer").ok()?).then_some(())
    })?;
    assert!(!friend.heard().iter().any(|mark| mark.contains("stranger")));
    pair.balanced()
}
