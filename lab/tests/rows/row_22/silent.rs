//! The backup is silent: nothing that only the active router may say comes from it, from before its first frame on, while hosts ask
//! for a minute, and again once it has been active and is backup anew.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lab::pair::{Pair, Settings, are, config};
use lab::{Lab, Result, wait_for};

/// How long hosts ask in each phase.
const ASK: Duration = Duration::from_secs(60);

/// Reads a capture of a router's own port and says every frame that a backup must not send: from a virtual MAC, a router
/// advertisement, or anything that names a virtual address. Frames within the phases (`FROM-TO`, seconds) are looked at.
const JUDGE: &str = r#"
import sys
from scapy.all import PcapReader, Ether, IPv6, ICMPv6ND_RA, ICMPv6ND_NA, ICMPv6ND_NS, ARP
from scapy.layers.inet6 import ICMPv6MLReport2
virtual = ["2001:db8:1::1", "fe80::200:5eff:fe00:23d", "192.0.2.1"]
groups = ["ff02::1:ff00:1", "ff02::1:ff00:23d"]
own = sys.argv[2]
phases = [tuple(map(float, a.split("-"))) for a in sys.argv[3:]]
def member(r): # CHANGE_TO_INCLUDE_MODE of no source is how one that was active leaves (RFC 3810 section 5.2.12)
    return r.dst in groups and not (r.rtype == 3 and not r.sources)
seen = [0] * len(phases)
active = bad = 0
for p in PcapReader(sys.argv[1]):
    if p.src != own and not p.src.startswith("00:00:5e:00:0"):
        continue
    phase = [n for n, (a, b) in enumerate(phases) if a <= float(p.time) < b]
    said = None
    if p.src.startswith("00:00:5e:00:0"): said = "frame from a virtual MAC"
    elif ICMPv6ND_RA in p: said = "router advertisement"
    elif ICMPv6ND_NA in p and p[ICMPv6ND_NA].tgt in virtual: said = "neighbour advertisement"
    elif ICMPv6ND_NS in p and p[IPv6].src == "::" and p[ICMPv6ND_NS].tgt in virtual: said = "duplicate detection"
    elif ARP in p and p[ARP].psrc in virtual: said = "ARP"
    elif IPv6 in p and p[IPv6].src in virtual: said = "packet from a virtual address"
    elif IPv6 in p and p[IPv6].nh == 112: said = "VRRP advertisement"
    elif ICMPv6MLReport2 in p and any(member(r) for r in p[ICMPv6MLReport2].records): said = "MLD report"
    if not phase:
        active += said is not None
        continue
    seen[phase[0]] += 1
    if said:
        bad += 1
        print("phase", phase[0], said, p.summary())
print("active", active, "seen", *seen, "bad", bad)
"#;

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

/// The host asks for virtual addresses, routers and the backup's own address all the while.
fn ask(net: &Pair) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < ASK {
        net.host.ok("ip neigh flush all")?;
        assert_eq!(net.host.ping("2001:db8:2::80", 2)?, 2);
        assert_eq!(net.host.ping("198.51.100.80", 2)?, 2);
        assert_eq!(
            net.host.ping("2001:db8:1::3", 2)?,
            2,
            "the backup itself answers"
        );
        net.host.ok("rdisc6 -1 -r 1 -w 1000 eth0")?;
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

#[test]
fn the_backup_says_nothing_that_is_the_active_routers() -> Result<()> {
    let lab = Lab::new("r22-silent")?;
    let net = Pair::wire(&lab)?;
    let settings = Settings::default();
    net.one.start(&config(2, 200, &settings))?;
    are(&net.one, "active")?;
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
    let boots = now();
    net.two.start(&config(3, 190, &settings))?;
    are(&net.two, "backup")?;
    net.host.wait_slaac("eth0", "2001:db8:1:")?;
    ask(&net)?;

    let fails = now();
    net.one.crash()?;
    are(&net.two, "active")?;
    assert_eq!(net.host.ping("2001:db8:2::80", 2)?, 2);
    net.one.start(&config(2, 200, &settings))?;
    net.settle("active", "backup")?;
    let returned = now();
    ask(&net)?;
    let ends = now();

    capture.signal(nix::sys::signal::Signal::SIGINT)?;
    capture.wait(Duration::from_secs(5))?;
    let judge = lab.dir().join("judge.py");
    std::fs::write(&judge, JUDGE)?;
    let said = net.host.ok(&format!(
        "/usr/bin/python3 {} {file} {} {boots}-{fails} {returned}-{ends}",
        judge.display(),
        own.trim()
    ))?;
    let last = said.lines().last().unwrap_or_default();
    let words: Vec<&str> = last.split(' ').collect();
    let ["active", active, "seen", first, second, "bad", bad] = words[..] else {
        panic!("{said}");
    };
    assert_eq!(bad, "0", "{said}");
    for (seen, what) in [
        (active, "what an active router says, in between"),
        (first, "frames of its own before"),
        (second, "frames of its own after"),
    ] {
        let seen: u32 = seen.parse()?;
        assert!(10 < seen, "{what}: {said}");
    }
    Ok(())
}
