//! The same router on other kinds of device, on VLAN tags, and with source checks.

use lab::topology::{TWO_NETWORKS, TwoNetworks};
use lab::{Lab, Node, Result, wait_for};
use std::time::Duration;

#[test]
fn tap_devices_carry_hosts() -> Result<()> {
    let lab = Lab::new("tap")?;
    let (a, b, r) = (lab.host("a")?, lab.host("b")?, lab.router("r")?);
    let config = TWO_NETWORKS
        .replace(
            "kind = \"af_packet\"\ninterface = \"va\"",
            "kind = \"tap\"\ninterface = \"ta\"\nmac = \"02:00:00:00:01:01\"",
        )
        .replace(
            "kind = \"af_packet\"\ninterface = \"vb\"",
            "kind = \"tap\"\ninterface = \"tb\"\nmac = \"02:00:00:00:01:02\"",
        );
    r.start(&config)?;
    for (host, tap, mac) in [
        (&a, "ta", "02:00:00:00:00:0a"),
        (&b, "tb", "02:00:00:00:00:0b"),
    ] {
        r.ok(&format!(
            "ip link set {tap} netns {} name eth0",
            host.netns()
        ))?;
        host.ok(&format!("ip link set eth0 address {mac}"))?;
        host.ok("ip link set eth0 up")?;
    }
    let b6 = b.wait_slaac("eth0", "2001:db8:2:")?;
    a.wait_slaac("eth0", "2001:db8:1:")?;
    assert_eq!(a.ping(&b6.to_string(), 3)?, 3);
    // IPv4 fragments reach the router as such here, which a packet socket does not let them.
    a.ok("ip addr add 192.0.2.2/24 dev eth0")?;
    let told = a.ok("ping -n -c 3 -i 0.2 -W 2 -s 3000 192.0.2.1")?;
    assert!(told.contains(" 3 received"), "{told}");
    r.assert_balanced()
}

#[test]
fn af_xdp_devices_carry_hosts() -> Result<()> {
    let lab = Lab::new("xdp")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r.start(&TWO_NETWORKS.replace("af_packet", "af_xdp"))?;
    net.a.wait_slaac("eth0", "2001:db8:1:")?;
    let b6 = net.b.wait_slaac("eth0", "2001:db8:2:")?;
    assert_eq!(net.a.ping(&b6.to_string(), 3)?, 3);
    assert_eq!(net.a.ping("198.51.100.2", 3)?, 3);
    net.r.assert_balanced()
}

#[test]
fn two_workers_share_a_device_with_two_queues() -> Result<()> {
    let lab = Lab::new("workers")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r
        .configure(&TWO_NETWORKS.replace("\ninterface = ", "\nqueues = 2\ninterface = "))?;
    let config =
        std::fs::read_to_string(net.r.config_path())?.replacen("idle =", "workers = 2\nidle =", 1);
    std::fs::write(net.r.config_path(), config)?;
    net.r.restart()?;
    net.a.wait_slaac("eth0", "2001:db8:1:")?;
    let b6 = net.b.wait_slaac("eth0", "2001:db8:2:")?.to_string();
    assert_eq!(net.a.ping(&b6, 5)?, 5);
    let _server = net.b.spawn("iperf3 -s")?;
    wait_for(Duration::from_secs(5), "iperf3 to listen", || {
        net.b.ok("ss -ltn").ok()?.contains(":5201").then_some(())
    })?;
    net.a.ok(&format!("iperf3 -t 1 -P 8 -c {b6}"))?;
    let workers = net.r.ctl("show accounting")?;
    let busy = workers
        .as_array()
        .into_iter()
        .flatten()
        .filter(|w| 0 < w["rx"].as_u64().unwrap_or(0))
        .count();
    assert_eq!(busy, 2, "{workers:#}");
    net.r.assert_balanced()
}

/// Hosts behind a tagged trunk: the tag is put on and taken off by scapy on the host, and by the router on its side.
#[test]
fn a_vlan_interface_answers_with_its_tag() -> Result<()> {
    let lab = Lab::new("vlan")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r.start(&format!(
        "{TWO_NETWORKS}\n[[router.interface]]\nname = \"v100\"\ndevice = \"lan\"\nvlan = 100\n\
         addresses = [\"2001:db8:100::1/64\", \"10.100.0.1/24\"]\n\
         [[router.interface]]\nname = \"q\"\ndevice = \"lan\"\nouter_vlan = 200\nvlan = 7\n\
         addresses = [\"2001:db8:207::1/64\"]\n"
    ))?;
    net.a.wait_slaac("eth0", "2001:db8:1:")?;
    let script = lab.dir().join("vlan.py");
    std::fs::write(
        &script,
        r"
import sys, warnings
warnings.filterwarnings('ignore')
from scapy.all import *
mac = get_if_hwaddr('eth0')
def ask(tags, packet, what, tgt=None):
    # The kernel takes the tag out of received frames; scapy puts it back, but a BPF filter would not see it.
    hear = AsyncSniffer(iface='eth0', lfilter=lambda p: Dot1Q in p and p.src != mac and 
                        (p[ICMPv6ND_NA].tgt == tgt if ICMPv6ND_NA in p else ARP in p and p[ARP].pdst == '10.100.0.9'),
                        count=1, timeout=3)
    hear.start(); time.sleep(0.5)
    sendp(Ether(src=mac, dst='33:33:ff:00:00:01' if what != 'arp' else 'ff:ff:ff:ff:ff:ff')/tags/packet,
          iface='eth0', verbose=False)
    hear.join()
    answer = hear.results[0] if hear.results else None
    print(what, answer.summary() if answer else None)
    return answer
ns = lambda t, s: IPv6(src=s, dst='ff02::1:ff00:1', hlim=255)/ICMPv6ND_NS(tgt=t)/ICMPv6NDOptSrcLLAddr(lladdr=mac)
one = ask(Dot1Q(vlan=100), ns('2001:db8:100::1', '2001:db8:100::a'), 'ns', '2001:db8:100::1')
assert one and one[Dot1Q].vlan == 100 and ICMPv6ND_NA in one
arp = ask(Dot1Q(vlan=100), ARP(psrc='10.100.0.9', pdst='10.100.0.1', hwsrc=mac), 'arp')
assert arp and arp[Dot1Q].vlan == 100 and arp[ARP].op == 2
two = ask(Dot1Q(type=0x8100, vlan=200)/Dot1Q(vlan=7), ns('2001:db8:207::1', '2001:db8:207::a'), 'qinq', '2001:db8:207::1')
assert two and two.getlayer(Dot1Q, 1).vlan == 7
wrong = ask(Dot1Q(vlan=101), ns('2001:db8:100::1', '2001:db8:100::a'), 'wrong', '2001:db8:100::1')
assert wrong is None
",
    )?;
    net.a
        .ok(&format!("/usr/bin/python3 {}", script.display()))?;
    assert!(1 <= net.r.dropped("unknown_vlan")?);
    net.r.assert_balanced()
}

#[test]
fn strict_urpf_drops_a_forged_source_and_lets_the_right_one_pass() -> Result<()> {
    let lab = Lab::new("urpf")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r.start(&TWO_NETWORKS.replace(
        "name = \"lan0\"\ndevice = \"lan\"",
        "name = \"lan0\"\ndevice = \"lan\"\nurpf = \"strict\"",
    ))?;
    net.a.wait_slaac("eth0", "2001:db8:1:")?;
    let b6 = net.b.wait_slaac("eth0", "2001:db8:2:")?.to_string();
    assert_eq!(net.a.ping(&b6, 3)?, 3);
    assert_eq!(net.a.ping("198.51.100.2", 3)?, 3);
    net.a.address("lo", "2001:db8:2::f00/128")?;
    net.a.address("lo", "198.51.100.77/32")?;
    net.a
        .run(&format!("ping -n -c 2 -i 0.2 -W 1 -I 2001:db8:2::f00 {b6}"))?;
    net.a
        .run("ping -n -c 2 -i 0.2 -W 1 -I 198.51.100.77 198.51.100.2")?;
    assert_eq!(net.r.dropped("urpf")?, 4);
    net.r.assert_balanced()
}

#[test]
fn two_routers_of_one_process_keep_the_same_addresses_apart() -> Result<()> {
    let lab = Lab::new("vrf")?;
    let (a, b, c, r) = (
        lab.host("a")?,
        lab.host("b")?,
        lab.host("c")?,
        lab.router("r")?,
    );
    lab.link(&a, "eth0", &r, "va")?;
    lab.link(&b, "eth0", &r, "vb")?;
    lab.link(&c, "eth0", &r, "vc")?;
    let device = |d: &str| {
        format!("[[device]]\nname = \"{d}\"\nkind = \"af_packet\"\ninterface = \"{d}\"\n")
    };
    let interface = |i: &str, d: &str, address: &str| {
        format!(
            "[[router.interface]]\nname = \"{i}\"\ndevice = \"{d}\"\naddresses = [\"{address}\"]\n"
        )
    };
    r.start(&format!(
        "{}{}{}[[router]]\nname = \"red\"\n{}{}[[router]]\nname = \"blue\"\n{}",
        device("va"),
        device("vb"),
        device("vc"),
        interface("red0", "va", "2001:db8:1::1/64"),
        interface("red1", "vb", "2001:db8:2::1/64"),
        interface("blue0", "vc", "2001:db8:1::1/64"),
    ))?;
    a.address("eth0", "2001:db8:1::a/64")?;
    a.route("default via 2001:db8:1::1")?;
    b.address("eth0", "2001:db8:2::b/64")?;
    b.route("default via 2001:db8:2::1")?;
    c.address("eth0", "2001:db8:1::a/64")?;
    c.route("default via 2001:db8:1::1")?;
    assert_eq!(a.ping("2001:db8:2::b", 3)?, 3);
    // c has a's address in the other router: it reaches its own gateway and never b.
    assert_eq!(c.ping("2001:db8:1::1", 2)?, 2);
    assert_eq!(c.ping("2001:db8:2::b", 2)?, 0);
    r.assert_balanced()
}

#[test]
fn a_wire_that_goes_down_is_reported_and_survived() -> Result<()> {
    let lab = Lab::new("down")?;
    let net = TwoNetworks::start(&lab, "")?;
    assert_eq!(net.a.ping(&net.b_ipv6()?, 1)?, 1);
    net.r.ok("ip link set vb down")?;
    wait_for(
        Duration::from_secs(5),
        "the link to be reported down",
        || {
            let devices = net.r.ctl("show devices").ok()?;
            let wan = devices
                .as_array()?
                .iter()
                .find(|d| d["name"] == "wan")?
                .clone();
            (wan["link"]["up"] == false).then_some(())
        },
    )?;
    net.r.ok("ip link set vb up")?;
    wait_for(Duration::from_secs(20), "traffic to flow again", || {
        let b6 = net.b_ipv6().ok()?;
        (net.a.ping(&b6, 1).ok()? == 1).then_some(())
    })?;
    net.r.assert_balanced()
}

#[test]
fn a_device_that_disappears_is_reported_and_the_others_go_on() -> Result<()> {
    let lab = Lab::new("gone")?;
    let net = TwoNetworks::start(&lab, "")?;
    net.r.ok("ip link del vb")?;
    wait_for(
        Duration::from_secs(5),
        "the device to be reported gone",
        || {
            let devices = net.r.ctl("show devices").ok()?;
            let wan = devices
                .as_array()?
                .iter()
                .find(|d| d["name"] == "wan")?
                .clone();
            (wan["state"] == "gone").then_some(())
        },
    )?;
    assert_eq!(net.a.ping("2001:db8:1::1", 3)?, 3);
    assert!(
        net.r.log().contains("device has disappeared"),
        "{}",
        net.r.log()
    );
    net.r.assert_balanced()
}
