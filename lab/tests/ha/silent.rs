//! The backup is silent: nothing that only the active router may say comes from it, at boot, over time, or when roles change.

use std::time::Duration;

use lab::{Lab, Result, wait_for};

use lab::pair::{Pair, Settings, are, config};

/// Reads a capture of a router's own port and says every frame that a backup must not send: from a virtual MAC, a router
/// advertisement, or anything that names a virtual address. Frames before `until` (a marker) are looked at.
const JUDGE: &str = r#"
import sys
from scapy.all import rdpcap, Ether, IPv6, ICMPv6ND_RA, ICMPv6ND_NA, ICMPv6ND_NS, ARP, Raw
from scapy.layers.inet6 import ICMPv6MLReport2
virtual = ["2001:db8:1::1", "fe80::200:5eff:fe00:23d", "192.0.2.1"]
groups = ["ff02::1:ff00:1", "ff02::1:ff00:23d"]
own = sys.argv[2]
seen = bad = 0
for p in rdpcap(sys.argv[1]):
    if p.src != own and not p.src.startswith("00:00:5e:00:0"):
        continue
    seen += 1
    said = None
    if p.src.startswith("00:00:5e:00:0"): said = "frame from a virtual MAC"
    elif ICMPv6ND_RA in p: said = "router advertisement"
    elif ICMPv6ND_NA in p and p[ICMPv6ND_NA].tgt in virtual: said = "neighbour advertisement"
    elif ICMPv6ND_NS in p and p[IPv6].src == "::" and p[ICMPv6ND_NS].tgt in virtual: said = "duplicate detection"
    elif ARP in p and p[ARP].psrc in virtual: said = "ARP"
    elif IPv6 in p and p[IPv6].src in virtual: said = "packet from a virtual address"
    elif IPv6 in p and p[IPv6].nh == 112: said = "VRRP advertisement"
    elif ICMPv6MLReport2 in p and any(r.dst in groups for r in p[ICMPv6MLReport2].records): said = "MLD report"
    if said:
        bad += 1
        print(said, p.summary())
print("seen", seen, "bad", bad)
"#;

#[test]
fn the_backup_says_nothing_that_is_the_active_routers() -> Result<()> {
    let lab = Lab::new("ha-silent")?;
    let net = Pair::wire(&lab)?;
    let settings = Settings::default();
    net.one.start(&config(2, 200, &settings))?;
    are(&net.one, "active")?;
    // From before its first frame.
    let pcap = lab.dir().join("two.pcap");
    let file = pcap.display();
    let own = net.two.ok("cat /sys/class/net/va/address")?;
    // At the link: what the router hands to its own port passes by captures there.
    let mut capture = net.links[0].spawn(&format!(
        "tcpdump -i p3 -Q in -U -w {file} --immediate-mode"
    ))?;
    wait_for(Duration::from_secs(5), "the capture to begin", || {
        capture.log().contains("listening").then_some(())
    })?;
    net.two.start(&config(3, 190, &settings))?;
    are(&net.two, "backup")?;
    net.host.wait_slaac("eth0", "2001:db8:1:")?;
    // Hosts ask for the virtual addresses and for routers all the while; the active one is asked for its own.
    for _ in 0..10 {
        net.host.ok("ip neigh flush all")?;
        assert_eq!(net.host.ping("2001:db8:2::80", 2)?, 2);
        assert_eq!(net.host.ping("198.51.100.80", 2)?, 2);
        net.host.ok("rdisc6 -1 -r 1 -w 1000 eth0")?;
    }
    capture.signal(nix::sys::signal::Signal::SIGINT)?;
    capture.wait(Duration::from_secs(5))?;
    let judge = lab.dir().join("judge.py");
    std::fs::write(&judge, JUDGE)?;
    let said = net.host.ok(&format!(
        "/usr/bin/python3 {} {file} {}",
        judge.display(),
        own.trim()
    ))?;
    let last = said.lines().last().unwrap_or_default();
    assert!(last.ends_with("bad 0"), "{said}");
    assert!(
        !last.starts_with("seen 0 "),
        "it has addresses of its own to test: {said}"
    );
    Ok(())
}
