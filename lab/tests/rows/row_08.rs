//! Row 8: a fixed address on a SLAAC or stateless subnet. The host really ends up with the chosen address, beside those it
//! forms itself, and is reachable at it; anti-spoof (`urpf = "station"`) accepts all of them, temporary and stable-opaque ones
//! too, within a limit, and nobody else's.

use lab::dhcp_client::{Client, Kind, Want};
use lab::{Lab, Result};

fn config(mode: &str, ports: &str) -> String {
    format!(
        r#"
[[device]]
name = "lan"
kind = "af_packet"
interface = "v1"
[[device]]
name = "wan"
kind = "af_packet"
interface = "v2"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:8::1/64"]
urpf = "station"
[router.interface.nd]
max_per_station = 8
[[router.interface.subnet]]
prefix = "2001:db8:8::/64"
ra_mode = "{mode}"
address_mode = "{mode}"
dns_servers = ["2001:db8::53"]
{ports}
[[router.interface]]
name = "wan0"
device = "wan"
addresses = ["2001:db8:80::1/64"]
[router.interface.ra]
enabled = true
"#
    )
}

/// Whether hosts get the addresses that were chosen for them, under one mode.
fn chosen(mode: &str, name: &str) -> Result<()> {
    let lab = Lab::new(name)?;
    let (segment, far, r) = (lab.segment("lan")?, lab.host("far")?, lab.router("r")?);
    lab.attach(&segment, &r, "v1")?;
    lab.link(&far, "eth0", &r, "v2")?;
    // dhcpcd and systemd-networkd follow what advertisements say; dhclient and dibbler ask for what they are told to.
    let mut hosts = Vec::new();
    let mut ports = String::new();
    for (i, kind) in Kind::ALL.into_iter().enumerate() {
        let host = lab.host(kind.label())?;
        lab.attach(&segment, &host, "eth0")?;
        let mac = host.ok("cat /sys/class/net/eth0/address")?;
        let address = format!("2001:db8:8::c0de:{i}");
        ports.push_str(&format!(
            "[[router.interface.port]]\nname = \"{}\"\nmac = \"{}\"\naddresses = [\"{address}\"]\n",
            kind.label(),
            mac.trim()
        ));
        hosts.push((kind, host, address));
    }
    let stranger = lab.host("stranger")?;
    lab.attach(&segment, &stranger, "eth0")?;
    r.start(&config(mode, &ports))?;
    let outside = far.wait_slaac("eth0", "2001:db8:80:")?;

    let mut clients = Vec::new();
    for (kind, host, address) in &hosts {
        let client = Client::start(&lab, host, "chosen", *kind, Want::Address)?;
        let got = client.wait_address(host, "eth0", "2001:db8:8::c0de:")?;
        assert_eq!(got.to_string(), *address, "{}", kind.label());
        // Reachable at it from a network away, and from it.
        assert_eq!(far.ping(address, 3)?, 3, "{}", kind.label());
        assert_eq!(
            host.ping(&format!("-I {address} {outside}"), 3)?,
            3,
            "{}",
            kind.label()
        );
        // What it forms itself is there too, and works.
        let formed = lab::wait_for(
            std::time::Duration::from_secs(15),
            "an address that the host forms itself",
            || {
                let all = host.global_ipv6("eth0").ok()?;
                all.into_iter()
                    .find(|formed| formed.to_string() != *address)
            },
        )?;
        assert_eq!(far.ping(&formed.to_string(), 3)?, 3, "{}", kind.label());
        clients.push(client);
    }
    // A neighbour with no port forms an address, hears that it has nothing to ask for, and is given none when it asks.
    let formed = stranger.wait_slaac("eth0", "2001:db8:8:")?;
    assert_eq!(far.ping(&formed.to_string(), 3)?, 3);
    let advert = stranger.ok("rdisc6 -1 -r 3 -w 2000 eth0")?;
    assert!(
        advert.contains("Stateful address conf.    :           No"),
        "{advert}"
    );
    let leases = r.ctl("show leases")?;
    let all = leases.as_array().cloned().unwrap_or_default();
    let bound = all.iter().filter(|lease| lease["state"] == "bound").count();
    assert_eq!(bound, hosts.len(), "{leases}");
    r.assert_balanced()
}

/// Sends UDP to `far` from the stranger, each packet as somebody else; `h` is that of a neighbour's own making.
const FORGE: &str = r#"
import sys, warnings
warnings.filterwarnings("ignore")
from scapy.all import *
router, far, chosen, formed = sys.argv[1:5]
me = get_if_hwaddr("eth0")
e = Ether(src=me, dst=router)
u = UDP(sport=7, dport=7777)/(b"x" * 64)
for n, p in enumerate([
    IPv6(src=chosen, dst=far)/u,
    IPv6(src=formed, dst=far)/u,
    IPv6(src=chosen, dst=far)/IPv6ExtHdrDestOpt()/u,
    IPv6(src=chosen, dst=far)/IPv6ExtHdrFragment(id=9, offset=0, m=1)/u,
    IPv6(src=formed, dst=far)/IPv6ExtHdrFragment(id=9, offset=9, m=0)/(b"y" * 64),
]):
    sendp(e/p, iface="eth0", verbose=False)
# As nobody of the link, and as a station of another link.
sendp(e/IPv6(src="2001:db8:8::dead", dst=far)/u, iface="eth0", verbose=False)
sendp(e/IPv6(src="2001:db8:80::99", dst=far)/u, iface="eth0", verbose=False)
# And claims both addresses, so that what is for them comes here.
for address in (chosen, formed):
    na = IPv6(src=address, dst="ff02::1", hlim=255)/ICMPv6ND_NA(tgt=address, R=0, S=0, O=1)/ICMPv6NDOptDstLLAddr(lladdr=me)
    sendp(Ether(src=me, dst="33:33:00:00:00:01")/na, iface="eth0", count=3, inter=0.05, verbose=False)
"#;

#[test]
fn row_08_anti_spoof_accepts_what_a_host_has_and_nothing_else() -> Result<()> {
    let lab = Lab::new("row08spoof")?;
    let (segment, far, r) = (lab.segment("lan")?, lab.host("far")?, lab.router("r")?);
    lab.attach(&segment, &r, "v1")?;
    lab.link(&far, "eth0", &r, "v2")?;
    let (owner, stranger) = (lab.host("owner")?, lab.host("stranger")?);
    // Stable-opaque addresses (RFC 7217) and temporary ones (RFC 8981).
    for host in [&owner, &stranger] {
        host.ok(
            "sysctl -qw net.ipv6.conf.default.addr_gen_mode=3 net.ipv6.conf.default.use_tempaddr=2",
        )?;
        lab.attach(&segment, host, "eth0")?;
    }
    let mac = owner.ok("cat /sys/class/net/eth0/address")?;
    let port = format!(
        "[[router.interface.port]]\nname = \"owner\"\nmac = \"{}\"\naddresses = [\"2001:db8:8::c0de\"]\n",
        mac.trim()
    );
    r.start(&config("slaac", &port))?;
    let outside = far.wait_slaac("eth0", "2001:db8:80:")?;
    let client = Client::start(&lab, &owner, "owner", Kind::Dhclient, Want::Address)?;
    client.wait_address(&owner, "eth0", "2001:db8:8::c0de")?;
    let own = lab::wait_for(
        std::time::Duration::from_secs(20),
        "a chosen, a stable-opaque and a temporary address",
        || owner.global_ipv6("eth0").ok().filter(|all| all.len() >= 3),
    )?;
    for address in &own {
        assert_eq!(
            owner.ping(&format!("-I {address} {outside}"), 3)?,
            3,
            "{address}"
        );
    }
    let formed = own
        .iter()
        .map(ToString::to_string)
        .find(|a| a != "2001:db8:8::c0de");
    let formed = formed.unwrap_or_default();

    // As others: nothing arrives, each under its name.
    stranger.wait_slaac("eth0", "2001:db8:8:")?;
    let heard = far.spawn("tcpdump -l -n -i eth0 udp port 7777 or ip6[6]==44 or ip6[6]==60")?;
    lab::wait_for(
        std::time::Duration::from_secs(5),
        "tcpdump to listen",
        || heard.log().contains("listening").then_some(()),
    )?;
    let script = lab.dir().join("forge.py");
    std::fs::write(&script, FORGE)?;
    let interfaces = r.ctl("show interfaces")?;
    let lan = interfaces
        .as_array()
        .into_iter()
        .flatten()
        .find(|i| i["name"] == "lan0");
    let router = lan.and_then(|i| i["mac"].as_str()).unwrap_or_default();
    let before = (
        r.dropped("source_station")?,
        r.dropped("source_unknown")?,
        r.dropped("urpf")?,
    );
    stranger.ok(&format!(
        "/usr/bin/python3 {} {router} {outside} 2001:db8:8::c0de {formed}",
        script.display()
    ))?;
    lab::wait_for(
        std::time::Duration::from_secs(15),
        "nobody to answer for the invented source",
        || (r.dropped("source_unknown").ok()? > before.1).then_some(()),
    )?;
    assert_eq!(r.dropped("source_station")? - before.0, 5);
    assert_eq!(r.dropped("urpf")? - before.2, 1);
    let arrived = heard
        .log()
        .lines()
        .filter(|line| line.contains("IP6"))
        .count();
    assert_eq!(arrived, 0, "{}", heard.log());
    // The same from who has the address arrives: tcpdump would have shown the others.
    owner.ok(&format!(
        "sh -c 'echo mine | socat - UDP6-SENDTO:[{outside}]:7777,bind=[2001:db8:8::c0de]'"
    ))?;
    lab::wait_for(
        std::time::Duration::from_secs(5),
        "the owner's own packet",
        || heard.log().contains("2001:db8:8::c0de").then_some(()),
    )?;
    // The claims have moved nothing.
    for address in ["2001:db8:8::c0de", formed.as_str()] {
        assert_eq!(far.ping(address, 3)?, 3, "{address}");
    }

    // A station has so many addresses, and no more.
    let mut passed = 0;
    for n in 0..12 {
        let address = format!("2001:db8:8::f:{n}");
        stranger.address("eth0", &format!("{address}/64"))?;
        passed += u32::from(stranger.ping(&format!("-I {address} {outside}"), 1)? > 0);
    }
    assert!(
        (1..8).contains(&passed),
        "{passed} of 12 more addresses passed"
    );
    let theirs = stranger.ok("cat /sys/class/net/eth0/address")?;
    let neighbors = r.ctl("show neighbors")?;
    let all = neighbors.as_array().cloned().unwrap_or_default();
    let has = all.iter().filter(|n| n["mac"] == theirs.trim()).count();
    assert_eq!(has, 8, "{neighbors}");
    r.assert_balanced()
}

#[test]
fn row_08_a_fixed_address_on_a_slaac_subnet() -> Result<()> {
    chosen("slaac", "row08slaac")
}

#[test]
fn row_08_a_fixed_address_on_a_stateless_subnet() -> Result<()> {
    chosen("dhcpv6-stateless", "row08stateless")
}

/// The same on a network with ports, whose guards are what decides: no reverse path is asked.
const PORTS: &str = r#"
[[device]]
name = "owner"
kind = "af_packet"
interface = "v1"
[[device]]
name = "stranger"
kind = "af_packet"
interface = "v3"
[[device]]
name = "wan"
kind = "af_packet"
interface = "v2"
[[network]]
name = "lan"
segments = [{ kind = "flat", device = "owner" }, { kind = "flat", device = "stranger" }]
[[security_group]]
name = "all"
[[security_group.rule]]
direction = "egress"
ethertype = "ipv6"
[[security_group.rule]]
direction = "ingress"
ethertype = "ipv6"
[[port]]
name = "owner"
device = "owner"
mac_address = "02:00:00:00:08:0a"
max_addresses = 8
security_groups = ["all"]
[[port]]
name = "stranger"
device = "stranger"
mac_address = "02:00:00:00:08:0b"
security_groups = ["all"]
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
network = "lan"
mac = "02:00:00:00:08:01"
addresses = ["2001:db8:8::1/64"]
[[router.interface.subnet]]
prefix = "2001:db8:8::/64"
ra_mode = "slaac"
address_mode = "slaac"
[[router.interface.port]]
name = "owner"
mac = "02:00:00:00:08:0a"
addresses = ["2001:db8:8::c0de"]
[[router.interface]]
name = "wan0"
device = "wan"
addresses = ["2001:db8:80::1/64"]
[router.interface.ra]
enabled = true
"#;

#[test]
fn row_08_a_ports_guard_accepts_what_its_host_has_within_a_limit_and_nothing_else() -> Result<()> {
    let lab = Lab::new("row08port")?;
    let (far, r) = (lab.host("far")?, lab.router("r")?);
    let (owner, stranger) = (lab.host("owner")?, lab.host("stranger")?);
    for (host, dev, last) in [(&owner, "v1", "0a"), (&stranger, "v3", "0b")] {
        host.ok(
            "sysctl -qw net.ipv6.conf.default.addr_gen_mode=3 net.ipv6.conf.default.use_tempaddr=2",
        )?;
        lab.link(host, "eth0", &r, dev)?;
        host.ok("ip link set eth0 down")?;
        host.ok(&format!("ip link set eth0 address 02:00:00:00:08:{last}"))?;
        host.ok("ip link set eth0 up")?;
    }
    lab.link(&far, "eth0", &r, "v2")?;
    r.start(PORTS)?;
    let outside = far.wait_slaac("eth0", "2001:db8:80:")?;
    let client = Client::start(&lab, &owner, "owner", Kind::Dhclient, Want::Address)?;
    client.wait_address(&owner, "eth0", "2001:db8:8::c0de")?;
    let own = lab::wait_for(
        std::time::Duration::from_secs(20),
        "a chosen, a stable-opaque and a temporary address",
        || owner.global_ipv6("eth0").ok().filter(|all| all.len() >= 3),
    )?;
    for address in &own {
        let from = format!("-I {address} {outside}");
        assert_eq!(owner.ping(&from, 3)?, 3, "{address}");
        assert_eq!(far.ping(&address.to_string(), 3)?, 3, "{address}");
    }
    // Nobody else gets through with them, nor takes them.
    stranger.wait_slaac("eth0", "2001:db8:8:")?;
    let spoofed = r.dropped("ip6_source_spoofed")?;
    for address in &own {
        stranger.address("eth0", &format!("{address}/128"))?;
        let from = format!("-I {address} {outside}");
        assert_eq!(stranger.ping(&from, 2)?, 0, "{address}");
        stranger.ok(&format!("ip addr del {address}/128 dev eth0"))?;
        assert_eq!(far.ping(&address.to_string(), 2)?, 2, "{address}");
    }
    assert!(own.len() as u64 * 2 <= r.dropped("ip6_source_spoofed")? - spoofed);
    // So many addresses, and no more.
    let mut passed = 0;
    for n in 0..12 {
        let address = format!("2001:db8:8::f:{n}");
        owner.address("eth0", &format!("{address}/64"))?;
        passed += u32::from(owner.ping(&format!("-I {address} {outside}"), 3)? > 0);
    }
    assert!(
        (1..8).contains(&passed),
        "{passed} of 12 more addresses passed"
    );
    r.assert_balanced()
}
