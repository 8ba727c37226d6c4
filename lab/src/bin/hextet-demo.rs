//! `make demo`: two real Linux hosts, the router between them, and what happens, in plain words.
//!
//! KEEP=1 leaves everything up and tells how to look around; Ctrl-C cleans up.

use anyhow::{Context, bail, ensure};
use lab::dhcp_client::{Client, Kind, Want};
use lab::topology::{TWO_NETWORKS, TwoNetworks};
use lab::{Host, Lab, Node, Result, binary, wait_for};
use std::time::{Duration, Instant};

fn main() -> Result<()> {
    let keep = std::env::var_os("KEEP").is_some_and(|v| !v.is_empty() && v != "0");
    let began = Instant::now();
    let lab = Lab::new("demo")?;

    step(
        "Two hosts, a and b, and a customer's router c, each on its own wire; the router r between them",
    );
    println!("{PICTURE}");
    let net = TwoNetworks::wire(&lab)?;

    step("Starting hextetd: one polling DPDK worker on two AF_PACKET devices");
    let c = customer(&lab, &net)?;
    net.r.start(&format!("{TWO_NETWORKS}{CUSTOMER}"))?;
    show(&net.r.hextetctl("show interfaces")?);

    step("The hosts hear the router's advertisements and give themselves addresses (SLAAC)");
    let (a6, b6) = (net.a_ipv6()?, net.b_ipv6()?);
    println!("    a  {a6}\n    b  {b6}");
    show(&net.a.ok("ip -6 route show default")?);

    step("a pings b, IPv6 then IPv4");
    for address in [b6.as_str(), "198.51.100.2"] {
        let text = net.a.ok(&format!("ping -n -c 4 -i 0.2 -W 2 {address}"))?;
        show(&text);
        ensure!(lab::ping_received(&text) == 4, "a ping was not answered");
    }

    step(
        "c, a dhcpcd, asks by DHCPv6: an address for its uplink, and a prefix for the network behind it",
    );
    let client = Client::start(&lab, &c, "customer", Kind::Dhcpcd, Want::Prefix)?;
    let uplink = client.wait_address(&c, "eth0", "2001:db8:3:")?;
    let behind = client.wait_address(&c, "lan0", "2001:db8:c0")?;
    println!("    c  {uplink} on its uplink\n    c  {behind} on the network behind it");
    for command in ["show leases", "show pools"] {
        println!("  $ hextetctl {command}");
        show(&net.r.hextetctl(command)?);
    }
    println!("  The delegated prefix is routed to c; a reaches the network behind it:");
    show(
        &net.a
            .ok(&format!("traceroute -6 -n -q 1 -N 1 -w 2 {behind}"))?,
    );
    ensure!(
        net.a.ping(&behind.to_string(), 3)? == 3,
        "a ping was not answered"
    );

    step("a traces the way to b: the router is the first hop");
    show(&net.a.ok(&format!("traceroute -6 -n -q 1 -N 1 -w 2 {b6}"))?);
    show(&net.a.ok("traceroute -4 -n -q 1 -N 1 -w 2 198.51.100.2")?);

    step("TCP through the router for two seconds each (iperf3)");
    let _server = net.b.spawn("iperf3 -s")?;
    wait_for(Duration::from_secs(5), "iperf3 to listen", || {
        net.b.ok("ss -ltn").ok()?.contains(":5201").then_some(())
    })?;
    for address in [b6.as_str(), "198.51.100.2"] {
        let json = net.a.ok(&format!("iperf3 -J -t 2 -c {address}"))?;
        let result: serde_json::Value = serde_json::from_str(&json)?;
        let rate = result["end"]["sum_received"]["bits_per_second"]
            .as_f64()
            .unwrap_or(0.0);
        ensure!(0.0 < rate, "no TCP byte arrived");
        println!("    {:<40} {:>8.0} Mbit/s", address, rate / 1e6);
    }

    step("What the router knows and counted");
    for command in [
        "show neighbors",
        "show routes",
        "show workers",
        "show drops",
        "show accounting",
    ] {
        println!("  $ hextetctl {command}");
        show(&net.r.hextetctl(command)?);
    }
    show(&net.r.hextetctl(&format!("route explain {b6}"))?);
    net.r.assert_balanced()?;
    println!("  Every packet is accounted for.");

    if keep {
        play(&lab, &net)?;
    } else {
        step("Stopping: a last advertisement tells the hosts that the router leaves");
        net.r.stop()?;
        wait_for(Duration::from_secs(3), "a's default route to go", || {
            let routes = net.a.ok("ip -6 route show default").ok()?;
            (!routes.contains("via fe80::")).then_some(())
        })?;
        println!("  a has dropped its default route. Everything is cleaned up.");
    }
    println!(
        "\nDone in {:.0} s. To keep it up and look around: make demo KEEP=1",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// The customer's router, on a wire of its own, with a network behind it.
fn customer(lab: &Lab, net: &TwoNetworks) -> Result<Host> {
    let c = lab.host("c")?;
    lab.link(&c, "eth0", &net.r, "vc")?;
    c.ok("ip link add lan0 type veth peer name lan1")?;
    c.ok("ip link set lan0 up")?;
    c.ok("ip link set lan1 up")?;
    Ok(c)
}

/// The router's side of it: a stateful subnet, and prefixes to delegate.
const CUSTOMER: &str = r#"
[[router.interface]]
name = "cust0"
device = "cust"
addresses = ["2001:db8:3::1/64"]
[[router.interface.subnet]]
prefix = "2001:db8:3::/64"
ra_mode = "dhcpv6-stateful"
address_mode = "dhcpv6-stateful"
dns_servers = ["2001:db8:3::53"]
[router.interface.dhcp6]
[[router.interface.dhcp6.prefix_pool]]
prefix = "2001:db8:c000::/40"
length = 56

[[device]]
name = "cust"
kind = "af_packet"
interface = "vc"
"#;

const PICTURE: &str = "
     host a                    router r                     host b
   ┌────────┐        ┌──────────────────────────┐        ┌────────┐
   │  eth0  ├────────┤ lan0   hextetd     wan0  ├────────┤  eth0  │
   └────────┘        └──────────────────────────┘        └────────┘
       2001:db8:1::/64  ::1              ::1  2001:db8:2::/64
       192.0.2.0/24      .1               .1  198.51.100.0/24
                               │ cust0
                               │   2001:db8:3::/64, DHCPv6: addresses and prefixes
                          ┌────┴───┐
                          │  eth0  │ router c ── lan0, the network behind it
                          └────────┘
";

fn step(words: &str) {
    println!("\n\u{2022} {words}");
}

fn show(text: &str) {
    for line in text.trim_matches('\n').lines() {
        println!("    {line}");
    }
}

/// Leaves the lab up until Ctrl-C.
fn play(lab: &Lab, net: &TwoNetworks) -> Result<()> {
    let ctl = binary("hextetctl")?;
    step("It stays up. In another terminal (as root):");
    println!(
        "    alias ctl='{ctl} --socket {socket}'\n    \
         ctl --help                       what can be asked\n    \
         ctl trace                        packets' way through the graph, live\n    \
         ip netns exec {a} ping {b6}      packets from a to b\n    \
         ip netns exec {r} curl -s http://[::1]:9461/metrics\n    \
         files of this run: {dir}\n\n  Ctrl-C ends it and cleans up.",
        ctl = ctl.display(),
        socket = net.r.socket().display(),
        a = net.a.netns(),
        r = net.r.netns(),
        b6 = net.b_ipv6()?,
        dir = lab.dir().display(),
    );
    wait_for_interrupt().context("waiting for Ctrl-C")
}

fn wait_for_interrupt() -> Result<()> {
    use nix::sys::signal::{SigSet, Signal};
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    match signals.wait()? {
        Signal::SIGINT | Signal::SIGTERM => Ok(()),
        other => bail!("woken by {other}"),
    }
}
