//! Row 1: all topologies in a multi-tenant environment. Two tenants with the *same* addresses on VLAN, GRE and VXLAN
//! segments, each over IPv4 and over IPv6 transport, against a peer VTEP that is not ours; nothing crosses from one tenant to
//! the other, broadcasts included.

use std::time::Duration;

use lab::marker::{self, KINDS, Listener};
use lab::ovs::{Ovs, Tunnel};
use lab::{Daemon, Host, Lab, Result, Router, ping_received};
use serde_json::Value;

/// A place of a tenant's host, the same in both tenants: MAC and addresses follow from its number.
struct Spot {
    name: &'static str,
    number: u8,
    /// Kind and ends of the tunnel that leads there; `None`: on a wire of ours.
    tunnel: Option<(&'static str, &'static str, &'static str)>,
}

/// All segments of both networks. `lan` is a device, `vlan` a VLAN of a trunk, the others are tunnels; all but `lan` end at
/// Open vSwitch.
const SPOTS: [Spot; 6] = [
    Spot::new("lan", 1, None),
    Spot::new("vlan", 2, None),
    Spot::new("vxlan6", 3, Some(("vxlan", "fd66::1", "fd66::3"))),
    Spot::new("vxlan4", 4, Some(("vxlan", "192.0.2.1", "192.0.2.3"))),
    Spot::new("gre6", 5, Some(("gre", "fd66::1", "fd66::3"))),
    Spot::new("gre4", 6, Some(("gre", "192.0.2.1", "192.0.2.3"))),
];

impl Spot {
    const fn new(
        name: &'static str,
        number: u8,
        tunnel: Option<(&'static str, &'static str, &'static str)>,
    ) -> Self {
        Self {
            name,
            number,
            tunnel,
        }
    }

    fn mac(&self) -> String {
        format!("02:00:00:00:01:0{}", self.number)
    }

    fn ipv6(&self) -> String {
        format!("2001:db8:1::{}", self.number)
    }

    fn ipv4(&self) -> String {
        format!("10.1.0.1{}", self.number)
    }
}

/// Name, VLAN, and VNI or key.
const TENANTS: [(&str, u16, u32); 2] = [("blue", 100, 77), ("red", 200, 78)];

/// A host of a tenant.
struct Member {
    tenant: &'static str,
    spot: &'static Spot,
    host: Host,
}

impl Member {
    /// Its marker.
    fn name(&self) -> String {
        format!("{}-{}", self.tenant, self.spot.name)
    }

    /// Whether frames of another host get here: its tenant's, but not from one tunnel to another.
    fn should_hear(&self, other: &Member) -> bool {
        let both_behind_tunnels = self.spot.tunnel.is_some() && other.spot.tunnel.is_some();
        self.tenant == other.tenant && self.spot.name != other.spot.name && !both_behind_tunnels
    }
}

#[test]
fn row_01_tenants_with_the_same_addresses_on_every_kind_of_segment_never_meet() -> Result<()> {
    let lab = Lab::new("row01")?;
    let r = lab.router("r")?;
    let peer = Ovs::start(&lab, "peer")?;
    lab.link(&peer, "eth0", &r, "vu")?;
    peer.underlay("eth0", &["fd66::3/64", "192.0.2.3/24"])?;
    // A switch that knows VLANs: the trunk is a port without a tag.
    peer.bridge("br-trunk")?;
    lab.link(&peer, "ptrunk", &r, "vt")?;
    peer.port("br-trunk", "ptrunk", "")?;
    let mut members = Vec::new();
    for (tenant, vlan, vni) in TENANTS {
        for spot in &SPOTS {
            let host = lab.host(&format!("{tenant}{}", spot.number))?;
            match spot {
                Spot { name: "lan", .. } => {
                    lab.link(&host, "eth0", &r, &format!("v{tenant}"))?;
                }
                Spot { tunnel: None, .. } => {
                    let port = format!("p{tenant}vlan");
                    lab.link(&host, "eth0", &peer, &port)?;
                    peer.port("br-trunk", &port, &format!("tag={vlan}"))?;
                }
                Spot {
                    tunnel: Some((kind, ours, theirs)),
                    name,
                    ..
                } => {
                    let (bridge, port) = (format!("{tenant}-{name}"), format!("p{tenant}{name}"));
                    lab.link(&host, "eth0", &peer, &port)?;
                    peer.bridge(&bridge)?;
                    peer.port(&bridge, &port, "")?;
                    let tunnel = Tunnel {
                        kind,
                        local: theirs,
                        remote: ours,
                        key: vni,
                        more: "",
                    };
                    peer.tunnel(&bridge, &format!("t{tenant}{name}"), tunnel)?;
                }
            }
            dress(&host, spot)?;
            members.push(Member { tenant, spot, host });
        }
    }
    r.start(&config())?;
    for member in &members {
        // The router's advertisement reaches every kind of segment; both tenants have the same prefix.
        member.host.wait_slaac("eth0", "2001:db8:1:")?;
    }
    everybody_talks_within_its_tenant(&members)?;
    nothing_crosses(&members)?;
    the_router_keeps_them_apart(&r)?;
    r.assert_balanced()
}

/// The same MAC and addresses as the host of the other tenant in this place.
fn dress(host: &Host, spot: &Spot) -> Result<()> {
    host.ok(&format!("ip link set eth0 down address {}", spot.mac()))?;
    host.ok("ip link set eth0 up")?;
    host.address("eth0", &format!("{}/64", spot.ipv6()))?;
    host.address("eth0", &format!("{}/24", spot.ipv4()))?;
    // What fits the narrowest tunnel, VXLAN over IPv6; IPv6 learns it.
    host.ok("ip link set eth0 mtu 1430").map(drop)
}

/// Both tenants' networks have all segments; each has a router (VRF) of its own, with the same addresses and MAC.
fn config() -> String {
    let mut text = String::new();
    for dev in ["vu", "vt", "vblue", "vred"] {
        text +=
            &format!("[[device]]\nname = \"{dev}\"\nkind = \"af_packet\"\ninterface = \"{dev}\"\n");
    }
    text += "[[router]]\nname = \"underlay\"\n[[router.interface]]\nname = \"up0\"\ndevice = \"vu\"\n\
             addresses = [\"fd66::1/64\", \"192.0.2.1/24\"]\n";
    for spot in &SPOTS {
        if let Some((kind, ours, theirs)) = spot.tunnel {
            text += &format!(
                "[[vtep]]\nname = \"{}\"\nkind = \"{kind}\"\nrouter = \"underlay\"\nlocal = \"{ours}\"\n\
                 remote = \"{theirs}\"\n",
                spot.name
            );
        }
    }
    for (tenant, vlan, vni) in TENANTS {
        text += &format!(
            r#"
[[network]]
name = "{tenant}"
segments = [
  {{ kind = "flat", device = "v{tenant}" }},
  {{ kind = "vlan", device = "vt", vlan = {vlan} }},
  {{ kind = "vxlan", vni = {vni}, vteps = ["vxlan6", "vxlan4"] }},
  {{ kind = "gre", vni = {vni}, vteps = ["gre6", "gre4"] }},
]
[[router]]
name = "{tenant}"
[[router.interface]]
name = "{tenant}0"
network = "{tenant}"
mac = "02:00:00:00:01:ff"
addresses = ["2001:db8:1::ff/64", "10.1.0.1/24"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:1::/64"
"#
        );
    }
    text
}

/// Hosts of both tenants ping at the same time, from every place to every other that it can reach and to the router.
fn everybody_talks_within_its_tenant(members: &[Member]) -> Result<()> {
    let mut pings: Vec<(String, Daemon)> = Vec::new();
    for to in members {
        for from in members.iter().filter(|from| to.should_hear(from)) {
            for address in [to.spot.ipv6(), to.spot.ipv4()] {
                let ping = format!("ping -n -c 5 -i 0.2 -W 3 {address}");
                pings.push((
                    format!("{} to {}", from.name(), to.name()),
                    from.host.spawn(&ping)?,
                ));
            }
        }
        for address in ["2001:db8:1::ff", "10.1.0.1"] {
            let ping = format!("ping -n -c 5 -i 0.2 -W 3 {address}");
            pings.push((
                format!("{} to the router", to.name()),
                to.host.spawn(&ping)?,
            ));
        }
    }
    for (who, ping) in &mut pings {
        ping.wait(Duration::from_secs(20))?;
        assert_eq!(ping_received(&ping.log()), 5, "{who}: {}", ping.log());
    }
    Ok(())
}

/// Every host in turn sends frames of every kind; its tenant hears them where it should, and nobody of the other ever.
fn nothing_crosses(members: &[Member]) -> Result<()> {
    let listeners: Result<Vec<Listener>> = members
        .iter()
        .map(|member| Listener::start(&member.host, "eth0"))
        .collect();
    let listeners = listeners?;
    for member in members {
        // A station that both tenants have, in the place that all reach.
        let known = match member.spot.name {
            "lan" => SPOTS[1].mac(),
            _ => SPOTS[0].mac(),
        };
        marker::call(&member.host, "eth0", &member.name(), &known)?;
    }
    let to_all: Vec<&str> = KINDS.into_iter().filter(|kind| *kind != "known").collect();
    for (member, listener) in members.iter().zip(&listeners) {
        for other in members.iter().filter(|other| member.should_hear(other)) {
            listener.hears(&other.name(), &to_all)?;
        }
        if member.spot.name == "lan" {
            for other in members.iter().filter(|other| member.should_hear(other)) {
                listener.hears(&other.name(), &["known"])?;
            }
        }
    }
    // All have been heard where they should be: what crossed would have been heard, too.
    for (member, listener) in members.iter().zip(&listeners) {
        for mark in listener.heard() {
            let allowed = members
                .iter()
                .filter(|other| member.should_hear(other))
                .any(|other| mark.ends_with(&format!(" {}", other.name())));
            assert!(allowed, "{} heard {mark}", member.name());
        }
    }
    Ok(())
}

/// The FDB has the same stations twice, each in its own tenant's place.
fn the_router_keeps_them_apart(r: &Router) -> Result<()> {
    for (tenant, vlan, _) in TENANTS {
        let stations = r.ctl(&format!("show fdb --network {tenant}"))?;
        let stations = stations.as_array().cloned().unwrap_or_default();
        let learned = stations.iter().filter(|s| s["is_static"] == false);
        assert_eq!(learned.count(), SPOTS.len(), "{stations:#?}");
        for spot in &SPOTS {
            let at = match spot.name {
                "lan" => format!("v{tenant}"),
                "vlan" => format!("vt.{vlan}"),
                name => name.to_owned(),
            };
            let is = |s: &&Value| s["mac"] == spot.mac();
            let station = stations.iter().find(is).cloned().unwrap_or_default();
            assert_eq!(station["at"], at, "{station:#}");
            assert_eq!(station["moves"], 0, "{station:#}");
        }
    }
    Ok(())
}
