//! Floods from one LAN, and a client on another that gets its lease all the same.

use std::time::Duration;

use anyhow::Context;
use lab::topology::TwoNetworks;
use lab::{Daemon, Host, Lab, Result, wait_for};

/// Two LANs with leases. The flooded one may have 500 messages a second: far less than one host can send.
const CONFIG: &str = r#"
[forwarding]
dhcp_per_device = 500
dhcp_per_device_burst = 64

[[device]]
name = "lan"
kind = "af_packet"
interface = "va"

[[device]]
name = "wan"
kind = "af_packet"
interface = "vb"

[[router]]
name = "main"

[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64"]
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
ra_mode = "dhcpv6-stateful"
address_mode = "dhcpv6-stateful"
pools = [{ start = "2001:db8:1::1:0:0", end = "2001:db8:1::1:ffff:ffff" }]

[[router.interface]]
name = "wan0"
device = "wan"
addresses = ["2001:db8:2::1/64"]
[[router.interface.subnet]]
prefix = "2001:db8:2::/64"
ra_mode = "dhcpv6-stateful"
address_mode = "dhcpv6-stateful"
pools = [{ start = "2001:db8:2::1000", end = "2001:db8:2::ffff" }]
"#;

/// Sends a packet as fast as it can until it is ended: a Solicit of ever new clients, or a router solicitation.
const FLOODER: &str = r"
import socket, struct, sys, warnings
warnings.filterwarnings('ignore')
from scapy.all import *
from scapy.layers.dhcp6 import *
own = sys.argv[2]
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(('eth0', 0))
if sys.argv[1] == 'rs':
    frames = [bytes(Ether(dst='33:33:00:00:00:02', src=get_if_hwaddr('eth0')) / IPv6(src=own, dst='ff02::2', hlim=255) / ICMPv6ND_RS())]
else:
    def solicit(n):
        duid = DUID_LL(lladdr='02:66:00:00:%02x:%02x' % (n >> 8, n & 255))
        return bytes(Ether(dst='33:33:00:01:00:02', src=get_if_hwaddr('eth0')) / IPv6(src=own, dst='ff02::1:2', hlim=1)
            / UDP(sport=546, dport=547) / DHCP6_Solicit(trid=n) / DHCP6OptClientId(duid=duid) / DHCP6OptElapsedTime()
            / DHCP6OptRapidCommit() / DHCP6OptIA_NA(iaid=1))
    frames = [solicit(n) for n in range(1000)]
print('flooding', flush=True)
while True:
    for frame in frames:
        try:
            raw.send(frame)
        except OSError:
            pass
";

fn flood(lab: &Lab, from: &Host, what: &str) -> Result<Daemon> {
    let own = from.link_local("eth0")?;
    let script = lab.dir().join("flooder.py");
    std::fs::write(&script, FLOODER)?;
    let flood = from.spawn(&format!(
        "/usr/bin/python3 {} {what} {own}",
        script.display()
    ))?;
    wait_for(Duration::from_secs(20), "the flood to begin", || {
        flood.log().contains("flooding").then_some(())
    })?;
    Ok(flood)
}

/// A dhclient on b gets an address of its pool.
fn b_gets_a_lease(lab: &Lab, net: &TwoNetworks, name: &str) -> Result<()> {
    net.b.link_local("eth0")?;
    let file = |kind: &str| {
        lab.dir()
            .join(format!("{name}.{kind}"))
            .display()
            .to_string()
    };
    std::fs::write(file("leases"), "")?;
    let client = net.b.spawn(&format!(
        "dhclient -6 -1 -d -D LL -sf /bin/true -lf {} -pf {} -cf /dev/null eth0",
        file("leases"),
        file("pid")
    ))?;
    let told = wait_for(
        Duration::from_secs(40),
        "dhclient to be given an address",
        || {
            let leases = std::fs::read_to_string(file("leases")).ok()?;
            leases.contains("iaaddr 2001:db8:2::").then_some(())
        },
    );
    told.with_context(|| client.log())
}

/// What the policer of a class and port has dropped.
fn policed(net: &TwoNetworks) -> Result<u64> {
    net.r.dropped("punt_policed")
}

#[test]
fn a_flood_of_solicits_on_one_lan_leaves_the_other_its_leases() -> Result<()> {
    let lab = Lab::new("dhcp6flood")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r.start(CONFIG)?;
    let flood = flood(&lab, &net.a, "dhcp6")?;
    wait_for(Duration::from_secs(10), "the policer to bite", || {
        (1000 < policed(&net).ok()?).then_some(())
    })?;
    let before = policed(&net)?;
    b_gets_a_lease(&lab, &net, "first")?;
    assert!(before < policed(&net)?, "the flood went on meanwhile");
    let pools = net.r.ctl("show leases --limit 100000 2001:db8:2::/64")?;
    assert_eq!(pools.as_array().map(Vec::len), Some(1), "{pools}");
    drop(flood);
    net.r.assert_balanced()
}

#[test]
fn a_flood_of_router_solicitations_leaves_the_other_lan_its_advertisements() -> Result<()> {
    let lab = Lab::new("rsflood")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r.start(CONFIG)?;
    let flood = flood(&lab, &net.a, "rs")?;
    wait_for(Duration::from_secs(10), "the policer to bite", || {
        (1000 < policed(&net).ok()?).then_some(())
    })?;
    let before = policed(&net)?;
    let heard = net.b.ok("rdisc6 -1 -r 5 -w 3000 eth0")?;
    assert!(heard.contains("Stateful address conf."), "{heard}");
    b_gets_a_lease(&lab, &net, "second")?;
    assert!(before < policed(&net)?, "the flood went on meanwhile");
    drop(flood);
    net.r.assert_balanced()
}
