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
    // Larger than the MTU: the router puts the fragments together and cuts its reply. A packet socket's fan-out has put
    // an IPv4 packet together already, as far as its ring's slots reach.
    for (address, size) in [
        ("2001:db8:1::1", 3000),
        ("2001:db8:2::1", 60_000),
        (&format!("{link_local}%eth0"), 3000),
        ("192.0.2.1", 1800),
    ] {
        let told = net
            .a
            .ok(&format!("ping -n -c 3 -i 0.2 -W 2 -s {size} {address}"))?;
        assert!(told.contains(" 3 received"), "{told}");
    }
    net.r.assert_balanced()
}

#[test]
fn overlapping_fragments_get_no_answer() -> Result<()> {
    let lab = Lab::new("overlap")?;
    let net = TwoNetworks::start(&lab, "")?;
    assert_eq!(net.a.ping("2001:db8:1::1", 1)?, 1);
    let script = lab.dir().join("overlap.py");
    std::fs::write(
        &script,
        r"
import sys, warnings
warnings.filterwarnings('ignore')
from scapy.all import *
own, host, router = '2001:db8:1::1', sys.argv[1], sys.argv[2]
request = bytes(IPv6(src=host, dst=own)/ICMPv6EchoRequest(id=77, data=b'x'*192))[40:]
def ask(id, spans):
    hear = AsyncSniffer(iface='eth0', lfilter=lambda p: ICMPv6EchoReply in p and p[ICMPv6EchoReply].id == 77,
                        count=1, timeout=2)
    hear.start(); time.sleep(0.5)
    for begin, end in spans:
        head = IPv6ExtHdrFragment(nh=58, id=id, offset=begin//8, m=int(end < len(request)))
        sendp(Ether(dst=router)/IPv6(src=host, dst=own)/head/Raw(request[begin:end]), iface='eth0', verbose=False)
    hear.join()
    return len(hear.results)
assert ask(1, [(0, 96), (96, 200)]) == 1, 'whole'
assert ask(2, [(96, 200), (0, 96)]) == 1, 'last first'
assert ask(3, [(0, 96), (88, 200), (96, 200)]) == 0, 'overlap'
",
    )?;
    let interfaces = net.r.ctl("show interfaces")?;
    let mac = interfaces
        .as_array()
        .into_iter()
        .flatten()
        .find(|i| i["name"] == "lan0")
        .and_then(|i| i["mac"].as_str())
        .expect("the interface has a MAC");
    let host = net.a_ipv6()?;
    net.a.ok(&format!(
        "/usr/bin/python3 {} {host} {mac}",
        script.display()
    ))?;
    let counters = net.r.ctl("show counters")?;
    assert_eq!(counters["punted"]["fragment"], 7, "{counters}");
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
