//! Row 16: rogue router advertisements on tenant and provider networks. Attack tools' never reach a neighbour, with extension headers
//! and in fragments too; the legitimate upstream's do.

use lab::attack::Ear;
use lab::{Host, Lab, Result, Router, wait_for};
use std::time::Duration;

/// The provider's network is VLAN 300 of the trunk, where its router is, and two ports; the tenant's has our router, and two ports.
const CONFIG: &str = r#"
[[device]]
name = "trunk"
kind = "af_packet"
interface = "vt"
[[device]]
name = "p1"
kind = "af_packet"
interface = "p1"
[[device]]
name = "p2"
kind = "af_packet"
interface = "p2"
[[device]]
name = "t1"
kind = "af_packet"
interface = "t1"
[[device]]
name = "t2"
kind = "af_packet"
interface = "t2"

[[network]]
name = "provider"
segments = [
  { kind = "vlan", device = "trunk", vlan = 300 },
  { kind = "flat", device = "p1" },
  { kind = "flat", device = "p2" },
]
[[network]]
name = "tenant"
segments = [{ kind = "flat", device = "t1" }, { kind = "flat", device = "t2" }]

[[port]]
name = "p1"
device = "p1"
[[port]]
name = "p2"
device = "p2"
[[port]]
name = "t1"
device = "t1"
[[port]]
name = "t2"
device = "t2"

[[router]]
name = "main"
[[router.interface]]
name = "tenant0"
network = "tenant"
addresses = ["2001:db8:4::1/64"]
[router.interface.ra]
enabled = true
max_interval = 4
[[router.interface.ra.prefix]]
prefix = "2001:db8:4::/64"
"#;

const RADVD: &str = "interface eth0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; \
    prefix 2001:db8:300::/64 { }; };\n";

/// As thc-ipv6 knows to hide them.
const EVASIONS: [&str; 7] = ["", "-E H", "-E H111", "-E D", "-E O", "-E o", "-E F"];

/// What the tools do not send, in nested headers, in an atomic fragment, and in two fragments that are whole together.
const FORGE: &str = r#"
import sys, warnings
warnings.filterwarnings("ignore")
from scapy.all import *
me, own = get_if_hwaddr("eth0"), sys.argv[1]
pad = lambda n: PadN(optdata=bytes(n))
ip = IPv6(src=own, dst="ff02::1", hlim=255)
ra = ICMPv6ND_RA(routerlifetime=1800)/ICMPv6NDOptSrcLLAddr(lladdr=me)/ICMPv6NDOptPrefixInfo(prefix="2001:db8:bad::")
nested = IPv6ExtHdrHopByHop(options=pad(4))/IPv6ExtHdrDestOpt(options=pad(4))/IPv6ExtHdrRouting(type=253, segleft=0)
frames = [
    ip/nested/IPv6ExtHdrDestOpt(options=pad(4))/ra,
    ip/IPv6ExtHdrFragment(m=0, offset=0)/ra,
    ip/IPv6ExtHdrHopByHop(options=pad(4))/IPv6ExtHdrFragment(m=0, offset=0)/IPv6ExtHdrDestOpt(options=pad(4))/ra,
]
# By hand: scapy's own fragmenting knows no destination options in between.
whole = bytes(ip/IPv6ExtHdrDestOpt(options=pad(4))/ra)[40:]
for cut in (8, 16, 24, 32):
    frames.append(ip/IPv6ExtHdrFragment(id=cut, m=1, offset=0, nh=60)/Raw(whole[:cut]))
    frames.append(ip/IPv6ExtHdrFragment(id=cut, m=0, offset=cut // 8, nh=60)/Raw(whole[cut:]))
for f in frames:
    sendp(Ether(src=me, dst="33:33:00:00:00:01")/f, iface="eth0", verbose=False)
"#;

/// Everything that an attacker has, while a neighbour listens and has its addresses and its router from elsewhere.
fn attack(lab: &Lab, r: &Router, victim: &Host, attacker: &Host, upstream_mac: &str) -> Result<()> {
    let own = attacker.link_local("eth0")?.to_string();
    let mac = attacker.ok("cat /sys/class/net/eth0/address")?;
    let mut addresses = vec![own.clone()];
    let global = attacker.global_ipv6("eth0")?;
    addresses.extend(global.iter().map(ToString::to_string));
    let mut ear = Ear::start(victim, upstream_mac, &[(mac.trim().to_owned(), addresses)])?;
    let before = (victim.global_ipv6("eth0")?, routers(victim)?);
    let (guarded, undecided) = (r.dropped("ra_guard")?, r.dropped("guard_undecidable")?);
    for evasion in EVASIONS {
        let counted = r.dropped("ra_guard")? + r.dropped("guard_undecidable")?;
        attacker.run(&format!(
            "timeout -k 1 4 atk6-fake_router26 -A 2001:db8:bad::/64 -n 2 -i 1 {evasion} eth0"
        ))?;
        let now = r.dropped("ra_guard")? + r.dropped("guard_undecidable")?;
        assert!(counted < now, "fake_router26 {evasion} was not counted");
    }
    attacker.run(
        "timeout -k 1 2 ra6 -i eth0 -s fe80::bad -d ff02::1 -P 2001:db8:bad::/64#LA#300#300 -e",
    )?;
    let script = lab.dir().join("forge.py");
    std::fs::write(&script, FORGE)?;
    attacker.ok(&format!("/usr/bin/python3 {} {own}", script.display()))?;
    std::thread::sleep(Duration::from_millis(500));
    assert!(guarded < r.dropped("ra_guard")?);
    assert!(undecided < r.dropped("guard_undecidable")?);
    let heard = ear.heard()?;
    assert!(heard.is_empty(), "{heard:#?}");
    ear.stop()?;
    assert_eq!((victim.global_ipv6("eth0")?, routers(victim)?), before);
    Ok(())
}

/// The default routes' gateways.
fn routers(host: &Host) -> Result<Vec<String>> {
    let text = host.ok("ip -6 route show default")?;
    let gateways = text.lines().filter_map(|line| line.split(' ').nth(2));
    Ok(gateways.map(str::to_owned).collect())
}

/// A neighbour hears two more advertisements of its router.
fn hears(victim: &Host, from: &str) -> Result<()> {
    let mut ear = victim.spawn(
        "timeout 25 tcpdump --immediate-mode -n -U -i eth0 -c 2 'icmp6 and ip6[40] == 134'",
    )?;
    ear.wait(Duration::from_secs(30))?;
    let log = ear.log();
    let heard: Vec<&str> = log
        .lines()
        .filter(|l| l.contains("router advertisement"))
        .collect();
    assert_eq!(heard.len(), 2, "{log}");
    for line in heard {
        assert!(line.contains(&format!(" {from} > ")), "{line}");
    }
    Ok(())
}

#[test]
fn row_16_rogue_advertisements_reach_nobody_and_the_upstreams_do() -> Result<()> {
    let lab = Lab::new("row16")?;
    let r = lab.router("r")?;
    let upstream = lab.host("up")?;
    lab.link(&upstream, "eth0", &r, "vt")?;
    upstream.tag("eth0", 300)?;
    let hosts = ["p1", "p2", "t1", "t2"].map(|name| lab.host(name));
    let [p1, p2, t1, t2] = hosts;
    let (p1, p2, t1, t2) = (p1?, p2?, t1?, t2?);
    for (host, dev) in [(&p1, "p1"), (&p2, "p2"), (&t1, "t1"), (&t2, "t2")] {
        lab.link(host, "eth0", &r, dev)?;
    }
    upstream.ok("sysctl -qw net.ipv6.conf.all.forwarding=1")?;
    upstream.address("eth0", "2001:db8:300::1/64")?;
    let from = upstream.link_local("eth0")?.to_string();
    let upstream_mac = upstream.ok("cat /sys/class/net/eth0/address")?;
    r.start(CONFIG)?;
    let (file, pid) = (lab.dir().join("radvd.conf"), lab.dir().join("radvd.pid"));
    std::fs::write(&file, RADVD)?;
    let _radvd = upstream.spawn(&format!(
        "radvd -C {} -p {} -m stderr -n",
        file.display(),
        pid.display()
    ))?;
    for host in [&p1, &p2] {
        host.wait_slaac("eth0", "2001:db8:300:")?;
    }
    for host in [&t1, &t2] {
        host.wait_slaac("eth0", "2001:db8:4:")?;
    }
    wait_for(Duration::from_secs(10), "the provider's router", || {
        let answers = p1.ping("2001:db8:300::1", 1).ok()?;
        (answers == 1).then_some(())
    })?;
    attack(&lab, &r, &p1, &p2, upstream_mac.trim())?;
    hears(&p1, &from)?;
    let interfaces = r.ctl("show interfaces")?;
    let ours = &interfaces[0];
    let ours = ours["mac"].as_str().unwrap_or_default().to_owned();
    attack(&lab, &r, &t1, &t2, &ours)?;
    let ll = routers(&t1)?;
    assert_eq!(ll.len(), 1, "{ll:?}");
    hears(&t1, &ll[0])?;
    assert_eq!(p1.ping("2001:db8:300::1", 3)?, 3);
    assert_eq!(t1.ping("2001:db8:4::1", 3)?, 3);
    r.assert_balanced()
}
