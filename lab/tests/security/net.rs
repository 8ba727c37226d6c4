//! The network that is attacked: a victim, a peer and an attacker plugged into one network, the router on it, and an uplink.

use super::launch::{ROUTER_LL, ROUTER_MAC, UPLINK};
use lab::attack::{Ear, Echo, Knowledge};
use lab::{Host, Lab, Result, Router, wait_for};
use std::time::Duration;

/// Nothing comes to the victim that it did not ask for; the attacker may send whatever the guards let it, and hears everything.
const CONFIG: &str = r#"
[[device]]
name = "victim"
kind = "af_packet"
interface = "vv"
[[device]]
name = "peer"
kind = "af_packet"
interface = "vp"
[[device]]
name = "attacker"
kind = "af_packet"
interface = "va"
[[device]]
name = "uplink"
kind = "af_packet"
interface = "vu"

[[network]]
name = "shared"
segments = [
  { kind = "flat", device = "victim" },
  { kind = "flat", device = "peer" },
  { kind = "flat", device = "attacker" },
]

[[security_group]]
name = "asks"
[[security_group.rule]]
direction = "egress"
ethertype = "ipv6"
[[security_group.rule]]
direction = "egress"
ethertype = "ipv4"
[[security_group]]
name = "hears"
[[security_group.rule]]
direction = "ingress"
ethertype = "ipv6"
[[security_group.rule]]
direction = "ingress"
ethertype = "ipv4"

[[port]]
name = "victim"
device = "victim"
mac_address = "02:00:00:00:01:0a"
fixed_ips = ["2001:db8:1::a", "192.0.2.10"]
security_groups = ["asks"]
[[port]]
name = "peer"
device = "peer"
mac_address = "02:00:00:00:01:0b"
fixed_ips = ["2001:db8:1::b", "192.0.2.11"]
security_groups = ["asks"]
[[port]]
name = "attacker"
device = "attacker"
mac_address = "02:00:00:00:01:66"
fixed_ips = ["2001:db8:1::66", "192.0.2.66"]
security_groups = ["asks", "hears"]

[[router]]
name = "main"
[[router.interface]]
name = "shared0"
network = "shared"
mac = "02:00:00:00:01:01"
addresses = ["2001:db8:1::1/64", "192.0.2.1/24"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:1::/64"
[[router.interface]]
name = "up0"
device = "uplink"
addresses = ["2001:db8:2::1/64", "198.51.100.1/24"]
"#;

/// It, running.
pub struct Net {
    pub victim: Host,
    pub peer: Host,
    pub attacker: Host,
    _uplink: Host,
    pub r: Router,
    pub echo: Echo,
}

impl Net {
    /// Starts all: hosts have their addresses, and know the router.
    pub fn start(lab: &Lab) -> Result<Self> {
        let (victim, peer) = (lab.host("victim")?, lab.host("peer")?);
        let (attacker, uplink) = (lab.host("attacker")?, lab.host("uplink")?);
        let r = lab.router("r")?;
        for (host, dev, last, v4) in [
            (&victim, "vv", "a", 10),
            (&peer, "vp", "b", 11),
            (&attacker, "va", "66", 66),
        ] {
            lab.link(host, "eth0", &r, dev)?;
            let mac = format!("02:00:00:00:01:{last:0>2}");
            for command in [
                "ip link set eth0 down".to_owned(),
                format!("ip link set eth0 address {mac}"),
                "ip link set eth0 up".to_owned(),
            ] {
                host.ok(&command)?;
            }
            host.address("eth0", &format!("2001:db8:1::{last}/64"))?;
            host.address("eth0", &format!("192.0.2.{v4}/24"))?;
            host.route("default via 192.0.2.1")?;
        }
        lab.link(&uplink, "eth0", &r, "vu")?;
        uplink.address("eth0", &format!("{UPLINK}/64"))?;
        uplink.address("eth0", "198.51.100.2/24")?;
        uplink.route("default via 2001:db8:2::1")?;
        uplink.route("default via 198.51.100.1")?;
        r.start(CONFIG)?;
        for host in [&victim, &peer, &attacker] {
            host.wait_slaac("eth0", "2001:db8:1:")?;
            wait_for(Duration::from_secs(10), "the uplink to answer", || {
                let answers = host.ping(&format!("-I eth0 {UPLINK}"), 1).ok()?;
                (answers == 1).then_some(())
            })?;
        }
        let echo = Echo::start(&uplink)?;
        Ok(Self {
            victim,
            peer,
            attacker,
            _uplink: uplink,
            r,
            echo,
        })
    }

    /// Listens at the victim for whatever is neither the router's nor what an honest neighbour says.
    pub fn ear(&self) -> Result<Ear> {
        let mut neighbours = Vec::new();
        for (host, last) in [(&self.peer, "0b"), (&self.attacker, "66")] {
            let mut own = vec![host.link_local("eth0")?.to_string()];
            let global = host.global_ipv6("eth0")?;
            own.extend(global.iter().map(ToString::to_string));
            let v4 = host.ipv4("eth0")?;
            own.extend(v4.iter().map(ToString::to_string));
            // As SI6's tools form it: nobody has it, so the attacker may.
            own.push(format!("fe80::200:ff:fe00:1{last}"));
            neighbours.push((format!("02:00:00:00:01:{last}"), own));
        }
        Ear::start(&self.victim, ROUTER_MAC, &neighbours)
    }

    /// What the victim knows, the router among it: it is asked first.
    pub fn knowledge(&self) -> Result<Knowledge> {
        self.victim
            .run(&format!("ping -n -c 1 -W 2 {ROUTER_LL}%eth0"))?;
        Knowledge::of(&self.victim, ROUTER_LL, UPLINK)
    }
}
