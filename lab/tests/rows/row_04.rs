//! Row 4: two of our routers share an external network. Tenants on VLANs and on overlays, spread over the routers, reach the
//! world through it; `lost` takes one of the routers away.
//!
//! ```text
//!   hosts ── [Open vSwitch] ── trunks, tunnels ── [r1] [r2] ── ve ── (external) ── eth0:isp, the world
//! ```

use lab::ovs::{Ovs, Tunnel};
use lab::{Host, Lab, Result, Router};

mod lost;

/// The world, behind the provider.
const WORLD: [&str; 2] = ["2001:db8:ffff::1", "203.0.113.1"];

/// A tenant: its router is `home`, its number is in its addresses, and its hosts are on a VLAN or behind a tunnel.
struct Tenant {
    name: &'static str,
    number: u8,
    home: usize,
    kind: &'static str,
}

const TENANTS: [Tenant; 5] = [
    Tenant::new("blue", 1, 0, "vlan"),
    Tenant::new("red", 2, 0, "vxlan"),
    Tenant::new("green", 3, 1, "vlan"),
    Tenant::new("grey", 4, 1, "vxlan"),
    Tenant::new("gold", 5, 1, "gre"),
];

impl Tenant {
    const fn new(name: &'static str, number: u8, home: usize, kind: &'static str) -> Self {
        Self {
            name,
            number,
            home,
            kind,
        }
    }

    /// Its network, and its router with an interface there and one on the external network.
    fn config(&self) -> String {
        let Self { name, number, .. } = self;
        let segment = self.segment();
        format!(
            r#"
[[network]]
name = "{name}"
segments = [{{ {segment} }}]
[[router]]
name = "{name}"
[[router.interface]]
name = "{name}0"
network = "{name}"
addresses = ["2001:db8:{number}::1/64", "10.{number}.0.1/24"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:{number}::/64"
[[router.interface]]
name = "{name}-ext"
network = "external"
addresses = ["2001:db8:e::{number}0/64", "198.51.100.{number}0/24"]
[[router.route]]
prefix = "::/0"
via = "2001:db8:e::1"
[[router.route]]
prefix = "0.0.0.0/0"
via = "198.51.100.1"
"#
        )
    }

    /// What carries its network.
    fn segment(&self) -> String {
        let number = self.number;
        match self.kind {
            "vlan" => format!("kind = \"vlan\", device = \"vt\", vlan = {}", self.vlan()),
            kind => format!("kind = \"{kind}\", vni = {number}, vteps = [\"{kind}\"]"),
        }
    }

    /// Gives its host what it has of IPv4.
    fn settle(&self, host: &Host) -> Result<()> {
        let number = self.number;
        host.address("eth0", &format!("10.{number}.0.2/24"))?;
        host.route(&format!("default via 10.{number}.0.1"))
    }

    fn vlan(&self) -> u32 {
        100 * u32::from(self.number)
    }
}

/// What a router has beside its tenants.
fn base(own: &str) -> String {
    let mut text = String::new();
    for dev in ["vu", "vt", "ve"] {
        text +=
            &format!("[[device]]\nname = \"{dev}\"\nkind = \"af_packet\"\ninterface = \"{dev}\"\n");
    }
    text += &format!(
        "[[network]]\nname = \"external\"\nsegments = [{{ kind = \"flat\", device = \"ve\" }}]\n\
         [[router]]\nname = \"underlay\"\n[[router.interface]]\nname = \"up0\"\ndevice = \"vu\"\n\
         addresses = [\"{own}/64\"]\n"
    );
    for kind in ["vxlan", "gre"] {
        text += &format!(
            "[[vtep]]\nname = \"{kind}\"\nkind = \"{kind}\"\nrouter = \"underlay\"\nlocal = \"{own}\"\n\
             remote = \"fd66::3\"\n"
        );
    }
    text
}

#[test]
fn row_04_tenants_of_two_routers_reach_the_external_network_from_vlans_and_overlays() -> Result<()>
{
    let lab = Lab::new("external")?;
    let (under, external) = (lab.segment("under")?, lab.segment("ext")?);
    let routers = [lab.router("r1")?, lab.router("r2")?];
    let isp = provider(&lab, &external)?;
    let peer = Ovs::start(&lab, "peer")?;
    lab.attach(&under, &peer, "eth0")?;
    peer.underlay("eth0", &["fd66::3/64"])?;
    for (number, router) in routers.iter().enumerate() {
        lab.attach(&under, router, "vu")?;
        lab.attach(&external, router, "ve")?;
        let port = format!("ptrunk{number}");
        lab.link(&peer, &port, router, "vt")?;
        // VLANs are a router's own: nothing goes from trunk to trunk.
        peer.bridge(&format!("br-trunk{number}"))?;
        peer.port(&format!("br-trunk{number}"), &port, "")?;
    }
    let mut hosts = Vec::new();
    for tenant in &TENANTS {
        hosts.push(attach(&lab, &peer, tenant)?);
    }
    for (number, router) in routers.iter().enumerate() {
        let mut text = base(underlay(number));
        let own = TENANTS.iter().filter(|tenant| tenant.home == number);
        text.extend(own.map(Tenant::config));
        router.start(&text)?;
    }
    for (tenant, host) in TENANTS.iter().zip(&hosts) {
        let number = tenant.number;
        let own = host.wait_slaac("eth0", &format!("2001:db8:{number}:"))?;
        for world in WORLD {
            assert_eq!(host.ping(world, 5)?, 5, "{} to {world}", tenant.name);
        }
        for own in [own.to_string(), format!("10.{number}.0.2")] {
            assert_eq!(isp.ping(&own, 5)?, 5, "the world to {}", tenant.name);
        }
        // Answers of 1500 bytes do not fit an overlay: the world is told once what does.
        let big = format!("ping -n -i 0.2 -W 2 -s 1452 {}", WORLD[0]);
        host.run(&format!("{big} -c 1"))?;
        let sent = host.run(&format!("{big} -c 3"))?;
        assert_eq!(lab::ping_received(&sent.stdout), 3, "{}", tenant.name);
    }
    routers.iter().try_for_each(Router::assert_balanced)
}

const fn underlay(number: usize) -> &'static str {
    ["fd66::1", "fd66::2"][number]
}

/// The provider's router: the way to the world, and to each tenant by its router's external address.
fn provider(lab: &Lab, external: &Host) -> Result<Host> {
    let isp = lab.host("isp")?;
    lab.attach(external, &isp, "eth0")?;
    isp.ok("sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1")?;
    isp.address("eth0", "2001:db8:e::1/64")?;
    isp.address("eth0", "198.51.100.1/24")?;
    isp.address("lo", &format!("{}/128", WORLD[0]))?;
    isp.address("lo", &format!("{}/32", WORLD[1]))?;
    for Tenant { number, .. } in &TENANTS {
        isp.route(&format!("2001:db8:{number}::/64 via 2001:db8:e::{number}0"))?;
        isp.route(&format!("10.{number}.0.0/24 via 198.51.100.{number}0"))?;
    }
    Ok(isp)
}

/// A tenant's host at the switch, on its VLAN or behind its tunnel.
fn attach(lab: &Lab, peer: &Ovs, tenant: &Tenant) -> Result<Host> {
    let host = lab.host(tenant.name)?;
    let port = format!("p{}", tenant.name);
    lab.link(&host, "eth0", peer, &port)?;
    match tenant.kind {
        "vlan" => {
            let bridge = format!("br-trunk{}", tenant.home);
            peer.port(&bridge, &port, &format!("tag={}", tenant.vlan()))?;
        }
        kind => {
            let bridge = format!("br-{}", tenant.name);
            peer.bridge(&bridge)?;
            peer.port(&bridge, &port, "")?;
            let tunnel = Tunnel {
                kind,
                local: "fd66::3",
                remote: underlay(tenant.home),
                key: tenant.number.into(),
                more: "",
            };
            peer.tunnel(&bridge, &format!("t{}", tenant.name), tunnel)?;
        }
    }
    tenant.settle(&host)?;
    Ok(host)
}
