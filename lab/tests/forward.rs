//! Hosts get their addresses by router advertisement and talk through the router in both families.

use lab::topology::TwoNetworks;
use lab::{Lab, Result, wait_for};
use std::time::Duration;

#[test]
fn slaac_hosts_ping_through_the_router_in_both_families() -> Result<()> {
    let lab = Lab::new("ping")?;
    let net = TwoNetworks::start(&lab, "")?;
    // The very first packet of each flow waits for the neighbour: nothing may be lost.
    assert_eq!(net.a.ping(&net.b_ipv6()?, 5)?, 5);
    assert_eq!(net.b.ping(&net.a_ipv6()?, 5)?, 5);
    assert_eq!(net.a.ping("198.51.100.2", 5)?, 5);
    assert_eq!(net.b.ping("192.0.2.2", 5)?, 5);
    net.r.assert_balanced()
}

#[test]
fn the_router_answers_echo_at_every_own_address() -> Result<()> {
    let lab = Lab::new("echo")?;
    let net = TwoNetworks::start(&lab, "")?;
    let link_local = net.r.ctl("show interfaces")?[0]["addresses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|a| a["address"].as_str())
        .find(|a| a.starts_with("fe80:"))
        .map(|a| a.split('/').next().unwrap_or(a).to_owned())
        .expect("the interface has a link-local address");
    for address in [
        "2001:db8:1::1",
        "2001:db8:2::1", // the far side's address, too
        "2001:db8:1::",  // subnet-router anycast, RFC 4291 section 2.6.1
        "192.0.2.1",
        "198.51.100.1",
        &format!("{link_local}%eth0"),
        "ff02::1%eth0",
        "ff02::2%eth0",
    ] {
        assert_eq!(net.a.ping(address, 2)?, 2, "echo to {address}");
    }
    // Larger than the MTU: fragments of our own making on the host, answered whole or not at all, but accounted for.
    net.a.run("ping -n -c 1 -W 1 -s 3000 2001:db8:1::1")?;
    net.r.assert_balanced()
}

#[test]
fn tcp_and_udp_flow_in_both_families() -> Result<()> {
    let lab = Lab::new("iperf")?;
    let net = TwoNetworks::start(&lab, "")?;
    let _server = net.b.spawn("iperf3 -s")?;
    wait_for(Duration::from_secs(5), "iperf3 to listen", || {
        net.b.ok("ss -ltn").ok()?.contains(":5201").then_some(())
    })?;
    for address in [net.b_ipv6()?, "198.51.100.2".to_owned()] {
        let tcp: serde_json::Value =
            serde_json::from_str(&net.a.ok(&format!("iperf3 -J -t 2 -c {address}"))?)?;
        let received = tcp["end"]["sum_received"]["bytes"].as_u64().unwrap_or(0);
        assert!(
            1_000_000 < received,
            "TCP to {address} stalled: {received} bytes"
        );
        let udp: serde_json::Value = serde_json::from_str(
            &net.a
                .ok(&format!("iperf3 -J -u -b 20M -l 1200 -t 2 -c {address}"))?,
        )?;
        let sum = &udp["end"]["sum"];
        let (packets, lost) = (sum["packets"].as_u64(), sum["lost_packets"].as_u64());
        assert!(1000 < packets.unwrap_or(0), "UDP to {address}: {sum}");
        assert!(
            lost.unwrap_or(u64::MAX) * 100 <= packets.unwrap_or(0),
            "UDP to {address}: {sum}"
        );
    }
    net.r.assert_balanced()
}

#[test]
fn traceroute_shows_the_router_in_both_families() -> Result<()> {
    let lab = Lab::new("traceroute")?;
    let net = TwoNetworks::start(&lab, "")?;
    let b = net.b_ipv6()?;
    let six = net.a.ok(&format!("traceroute -6 -n -q 1 -N 1 -w 2 {b}"))?;
    assert!(six.contains(" 1  2001:db8:1::1 "), "{six}");
    assert!(six.contains(&format!(" 2  {b} ")), "{six}");
    let four = net.a.ok("traceroute -4 -n -q 1 -N 1 -w 2 198.51.100.2")?;
    assert!(four.contains(" 1  192.0.2.1 "), "{four}");
    assert!(four.contains(" 2  198.51.100.2 "), "{four}");
    assert!(2 <= net.r.dropped("ip6_hop_limit_exceeded")? + net.r.dropped("ip4_ttl_exceeded")?);
    net.r.assert_balanced()
}
