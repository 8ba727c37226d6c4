//! Row 15: anti-spoofing of source IPv6 and MAC. Forged sources, inside extension headers and fragments too, are dropped by name;
//! allowed address pairs pass.

use lab::{Host, Lab, Result, Router, wait_for};
use std::time::Duration;

const CONFIG: &str = r#"
[[device]]
name = "vm"
kind = "af_packet"
interface = "v1"
[[device]]
name = "peer"
kind = "af_packet"
interface = "v2"
[[device]]
name = "up"
kind = "af_packet"
interface = "v3"

[[network]]
name = "lan"
segments = [{ kind = "flat", device = "vm" }, { kind = "flat", device = "peer" }]

[[security_group]]
name = "all"
[[security_group.rule]]
direction = "egress"
ethertype = "ipv6"
[[security_group.rule]]
direction = "egress"
ethertype = "ipv4"
[[security_group.rule]]
direction = "ingress"
ethertype = "ipv6"
[[security_group.rule]]
direction = "ingress"
ethertype = "ipv4"

[[port]]
name = "vm"
device = "vm"
mac_address = "02:00:00:00:15:0a"
fixed_ips = ["2001:db8:15::a", "192.0.2.10"]
allowed_address_pairs = [
  { ip_address = "2001:db8:99::/64" },
  { ip_address = "203.0.113.7" },
  { ip_address = "2001:db8:15::77", mac_address = "00:00:5e:00:02:01" },
]
security_groups = ["all"]
[[port]]
name = "peer"
device = "peer"
mac_address = "02:00:00:00:15:0b"
fixed_ips = ["2001:db8:15::b", "192.0.2.11"]
security_groups = ["all"]

[[router]]
name = "main"
[[router.interface]]
name = "lan0"
network = "lan"
mac = "02:00:00:00:15:01"
addresses = ["2001:db8:15::1/64", "192.0.2.1/24"]
urpf = "off"
[[router.interface]]
name = "up0"
device = "up"
addresses = ["2001:db8:16::1/64", "198.51.100.1/24"]
[[router.route]]
prefix = "2001:db8:99::/64"
via = "2001:db8:15::a"
[[router.route]]
prefix = "203.0.113.0/24"
via = "192.0.2.10"
"#;

/// Sends UDP to `far` and to the peer, each packet as somebody; the payload is its number.
const FORGE: &str = r#"
import sys, warnings
warnings.filterwarnings("ignore")
from scapy.all import *
what = sys.argv[1]
own, other, router, peer = "02:00:00:00:15:0a", "02:00:00:00:15:0b", "02:00:00:00:15:01", "02:00:00:00:15:0b"
def shapes(n, source):
    p = IPv6(src=source, dst="2001:db8:16::2")
    u = UDP(sport=7, dport=7777)/(b"%04d" % n + bytes(60))
    f = lambda m, offset: IPv6ExtHdrFragment(id=n, offset=offset, m=m)
    yield p/u
    yield p/IPv6ExtHdrDestOpt(options=PadN(optdata=bytes(4)))/u
    yield p/IPv6ExtHdrHopByHop(options=PadN(optdata=bytes(4)))/u
    yield p/f(1, 0)/u
    yield p/IPv6ExtHdrDestOpt(options=PadN(optdata=bytes(4)))/f(1, 0)/u
    yield p/f(0, 9)/IPv6ExtHdrDestOpt(options=PadN(optdata=bytes(4)))/u
def four(n, source):
    p = IP(src=source, dst="198.51.100.2", id=100 + n)
    u = UDP(sport=7, dport=7777)/(b"%04d" % n + bytes(60))
    yield p/u
    # Two fragments, which the kernel puts together before an AF_PACKET device has them: one packet.
    yield from fragment(p/u, 40)
send = lambda mac, p: sendp(Ether(src=mac, dst=router)/p, iface="eth0", verbose=False)
if what == "forged":
    for n, source in enumerate(["2001:db8:15::b", "2001:db8:15::1", "2001:db8:16::2", "2001:db8:77::1", "::1"]):
        for p in shapes(n, source):
            send(own, p)
elif what == "forged4":
    for n, source in enumerate(["192.0.2.11", "192.0.2.1", "203.0.113.8", "8.8.8.8"]):
        for p in four(n, source):
            send(own, p)
elif what == "mac":
    for mac in [other, router, "02:00:00:00:15:99"]:
        for p in shapes(1, "2001:db8:15::a"):
            send(mac, p)
        for p in four(1, "192.0.2.10"):
            send(mac, p)
elif what == "pair-mac":
    # The pair's address with another MAC than the pair's.
    for p in shapes(1, "2001:db8:15::77"):
        send(own, p)
elif what == "pairs":
    for n, source in enumerate(["2001:db8:15::a", "2001:db8:99::1", "2001:db8:99:0:ffff::5"]):
        p = IPv6(src=source, dst="2001:db8:16::2")
        u = UDP(sport=7, dport=7777)/(b"pair %d" % n)
        send(own, p/u)
        send(own, p/IPv6ExtHdrDestOpt(options=PadN(optdata=bytes(4)))/UDP(sport=7, dport=7777)/(b"dest %d" % n))
        whole = p/IPv6ExtHdrFragment(id=40 + n)/UDP(sport=7, dport=7777)/(b"frag %d" % n + bytes(200))
        for part in fragment6(whole, 150):
            send(own, part)
    send("00:00:5e:00:02:01", IPv6(src="2001:db8:15::77", dst="2001:db8:16::2")/UDP(sport=7, dport=7777)/b"vrrp")
    for n, source in enumerate(["192.0.2.10", "203.0.113.7"]):
        send(own, IP(src=source, dst="198.51.100.2")/UDP(sport=7, dport=7777)/(b"four %d" % n))
"#;

/// Prints what comes.
const EAR: &str = r#"
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 7777))
print("listening", flush=True)
while True:
    data, source = s.recvfrom(2000)
    print("got", data.rstrip(b"\0").decode(), source[0], flush=True)
"#;

struct Net {
    vm: Host,
    far: Host,
    r: Router,
}

fn start(lab: &Lab) -> Result<Net> {
    let (vm, peer) = (lab.host("vm")?, lab.host("peer")?);
    let (far, r) = (lab.host("far")?, lab.router("r")?);
    for (host, dev, last, v4) in [(&vm, "v1", "0a", 10), (&peer, "v2", "0b", 11)] {
        lab.link(host, "eth0", &r, dev)?;
        host.ok("ip link set eth0 down")?;
        host.ok(&format!("ip link set eth0 address 02:00:00:00:15:{last}"))?;
        host.ok("ip link set eth0 up")?;
        let last = last.trim_start_matches('0');
        host.address("eth0", &format!("2001:db8:15::{last}/64"))?;
        host.address("eth0", &format!("192.0.2.{v4}/24"))?;
        host.route("default via 2001:db8:15::1")?;
        host.route("default via 192.0.2.1")?;
    }
    lab.link(&far, "eth0", &r, "v3")?;
    far.address("eth0", "2001:db8:16::2/64")?;
    far.address("eth0", "198.51.100.2/24")?;
    far.route("default via 2001:db8:16::1")?;
    far.route("default via 198.51.100.1")?;
    r.start(CONFIG)?;
    for host in [&vm, &peer] {
        wait_for(Duration::from_secs(10), "far to answer", || {
            let answers = host.ping("2001:db8:16::2", 1).ok()?;
            (answers == 1).then_some(())
        })?;
        assert_eq!(host.ping("198.51.100.2", 3)?, 3);
    }
    drop(peer);
    Ok(Net { vm, far, r })
}

#[test]
fn row_15_forged_sources_are_dropped_by_name_and_pairs_pass() -> Result<()> {
    let lab = Lab::new("row15")?;
    let net = start(&lab)?;
    let script = lab.dir().join("forge.py");
    std::fs::write(&script, FORGE)?;
    let ear = net.far.python(EAR, "")?;
    let counter = net.far.spawn(
        "tcpdump -l -n -i eth0 inbound and (udp or ip6[6]==44 or ip6[6]==60 or ip6[6]==0)",
    )?;
    wait_for(Duration::from_secs(10), "the ears", || {
        (ear.log().contains("listening") && counter.log().contains("listening")).then_some(())
    })?;
    let forge = |what: &str| {
        net.vm
            .ok(&format!("/usr/bin/python3 {} {what}", script.display()))
    };
    // Nothing of what is forged arrives, and each packet has its name.
    for (what, reason, packets) in [
        ("forged", "ip6_source_spoofed", 30),
        ("forged4", "ip4_source_spoofed", 8),
        ("mac", "mac_spoofed", 24),
        ("pair-mac", "ip6_source_spoofed", 6),
    ] {
        let before = net.r.dropped(reason)?;
        forge(what)?;
        let counted = wait_for(Duration::from_secs(5), reason, || {
            let n = net.r.dropped(reason).ok()? - before;
            (packets <= n).then_some(n)
        });
        let drops = net.r.hextetctl("show drops")?;
        assert_eq!(
            counted.ok(),
            Some(packets),
            "{what}: {reason}\n{drops}\n{}",
            counter.log()
        );
    }
    let heard: Vec<String> = counter
        .log()
        .lines()
        .filter(|line| line.contains("IP") && line.contains(" > ") && !line.contains("ICMP"))
        .map(str::to_owned)
        .collect();
    assert!(heard.is_empty(), "{heard:#?}");
    assert_eq!(ear.log().lines().count(), 1, "{}", ear.log());

    // What is the port's own arrives, and so do its pairs: behind extension headers and in fragments too.
    forge("pairs")?;
    for (word, source) in [
        ("pair 0", "2001:db8:15::a"),
        ("dest 0", "2001:db8:15::a"),
        ("frag 0", "2001:db8:15::a"),
        ("pair 1", "2001:db8:99::1"),
        ("dest 1", "2001:db8:99::1"),
        ("frag 1", "2001:db8:99::1"),
        ("pair 2", "2001:db8:99:0:ffff::5"),
        ("dest 2", "2001:db8:99:0:ffff::5"),
        ("frag 2", "2001:db8:99:0:ffff::5"),
        ("vrrp", "2001:db8:15::77"),
        ("four 0", "::ffff:192.0.2.10"),
        ("four 1", "::ffff:203.0.113.7"),
    ] {
        let line = format!("got {word} {source}");
        let arrived = wait_for(Duration::from_secs(5), &line, || {
            ear.log().contains(&line).then_some(())
        });
        assert!(
            arrived.is_ok(),
            "{line} is not in\n{}{}",
            ear.log(),
            net.r.hextetctl("show drops")?
        );
    }
    net.r.assert_balanced()
}
