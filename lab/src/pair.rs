//! Two routers that stand for one, between a host and a server.
//!
//! ```text
//!                       ┌─ va [one] vb ─┐
//!   host:eth0 ── lan ───┤               ├─── up ── eth0:server
//!                       └─ va [two] vb ─┘
//!   2001:db8:1::/64, 192.0.2.0/24      2001:db8:2::/64, 198.51.100.0/24
//!   one is ::2 and .2, two is ::3 and .3; the virtual router is ::1 and .1 on both sides
//! ```

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::Context;

use crate::{Host, Lab, Result, Router, wait_for};

const KEY: &str = "2f8a91c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f\n";

/// Keys of the lan interface: addresses are leased, over both IP versions, and renewed after eight seconds.
pub const LEASING: &str = r#"
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
ra_mode = "dhcpv6-stateful"
address_mode = "dhcpv6-stateful"
pools = [{ start = "2001:db8:1::1000", end = "2001:db8:1::10ff" }]
preferred_lifetime = 60
valid_lifetime = 90
t1 = 8
t2 = 40
[[router.interface.subnet]]
prefix = "192.0.2.0/24"
pools = [{ start = "192.0.2.100", end = "192.0.2.199" }]
lease_time = 90
t1 = 8
"#;

/// A group of who may begin sessions and be asked nothing, and the head of a port of the lan that has it. The other router is on its link.
pub const OUTWARD: &str = r#"
[[security_group]]
name = "outward"
[[security_group.rule]]
direction = "egress"
ethertype = "ipv6"
[[security_group.rule]]
direction = "egress"
ethertype = "ipv4"
[[port]]
name = "vm"
device = "lan"
security_groups = ["outward"]
trusted = ["vrrp"]
"#;

/// How the virtual routers are set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Time between advertisements.
    pub interval: &'static str,
    /// Keys for each `[[router.interface.vrrp]]` table.
    pub keys: String,
    /// Tables before the first router.
    pub tables: String,
    /// Keys and tables of the lan interface, before its virtual routers.
    pub lan: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: "100ms",
            keys: "accept = true\n".into(),
            tables: String::new(),
            lan: String::new(),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Pair {
    /// The host on 2001:db8:1::/64.
    pub host: Host,
    /// The server on 2001:db8:2::/64.
    pub server: Host,
    /// The links, lan and up; their ports p1, p2 and p3 lead to the host or server, to one, and to two.
    pub links: [Host; 2],
    /// The first router.
    pub one: Router,
    /// The second one.
    pub two: Router,
}

impl Pair {
    /// Wires everything; no router runs.
    ///
    /// # Errors
    /// When a tool refuses.
    pub fn wire(lab: &Lab) -> Result<Self> {
        let net = Self::wire_hosts(lab)?;
        let [lan, up] = &net.links;
        for router in [&net.one, &net.two] {
            lab.attach(lan, router, "va")?;
            lab.attach(up, router, "vb")?;
        }
        Ok(net)
    }

    /// Wires the host and the server: for routers that are not ours.
    ///
    /// # Errors
    /// When a tool refuses.
    pub fn wire_hosts(lab: &Lab) -> Result<Self> {
        let (host, server) = (lab.host("host")?, lab.host("server")?);
        let (one, two) = (lab.router("one")?, lab.router("two")?);
        let (lan, up) = (lab.segment("lan")?, lab.segment("up")?);
        lab.attach(&lan, &host, "eth0")?;
        lab.attach(&up, &server, "eth0")?;
        server.address("eth0", "2001:db8:2::80/64")?;
        server.address("eth0", "198.51.100.80/24")?;
        server.route("2001:db8:1::/64 via 2001:db8:2::1")?;
        server.route("192.0.2.0/24 via 198.51.100.1")?;
        host.address("eth0", "192.0.2.80/24")?;
        host.route("default via 192.0.2.1")?;
        Ok(Self {
            host,
            server,
            links: [lan, up],
            one,
            two,
        })
    }

    /// Wires everything, and a link between the routers on which they tell each other what they know ([`synced`]).
    ///
    /// # Errors
    /// When a tool refuses.
    pub fn wire_synced(lab: &Lab) -> Result<Self> {
        let net = Self::wire(lab)?;
        lab.link(&net.one, "sync", &net.two, "sync")?;
        for (router, number) in [(&net.one, 2), (&net.two, 3)] {
            router.ok("sysctl -qw net.ipv6.conf.sync.disable_ipv6=0")?;
            router.ok(&format!("ip addr add fd00::{number}/64 dev sync nodad"))?;
        }
        let key = lab.dir().join("pair.key");
        std::fs::write(&key, KEY)?;
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
        Ok(net)
    }

    /// Wires and starts everything: one is active, two is backup.
    ///
    /// # Errors
    /// When a tool refuses, or the routers do not settle.
    pub fn start(lab: &Lab, settings: &Settings) -> Result<Self> {
        let net = Self::wire(lab)?;
        net.one.start(&config(2, 200, settings))?;
        net.two.start(&config(3, 190, settings))?;
        net.settle("active", "backup")?;
        net.host.wait_slaac("eth0", "2001:db8:1:")?;
        Ok(net)
    }

    /// Waits until all virtual routers of one and of two have these states.
    ///
    /// # Errors
    /// When they do not within 20 seconds.
    pub fn settle(&self, one: &str, two: &str) -> Result<()> {
        are(&self.one, one)?;
        are(&self.two, two)
    }
}

/// Waits until all virtual routers of a router have this state.
///
/// # Errors
/// When they do not within 20 seconds.
pub fn are(router: &Router, state: &str) -> Result<()> {
    wait_for(
        Duration::from_secs(20),
        &format!("virtual routers to be {state}"),
        || {
            let shown = router.ctl("show vrrp").ok()?;
            let groups = shown.as_array()?;
            let all = groups.iter().all(|group| group["state"] == state);
            (!groups.is_empty() && all).then_some(())
        },
    )
}

/// Waits until a router can talk to the other one of its pair, or cannot.
///
/// # Errors
/// When that does not come within a minute; what it shows is in the message.
pub fn connected(router: &Router, is: bool) -> Result<()> {
    let shown = || router.ctl("show sync");
    let what = format!("the pair to be connected: {is}");
    let waited = wait_for(Duration::from_secs(60), &what, || {
        let connected = shown().ok()?[0]["connected"].as_bool()?;
        (connected == is).then_some(())
    });
    waited.with_context(|| format!("it shows {:?}", shown()))
}

/// The configuration of a router that has the other one told what it knows; of [`Pair::wire_synced`].
pub fn synced(lab: &Lab, number: u8, priority: u8, settings: &Settings) -> String {
    let other = 5 - number;
    let tables = format!(
        "[pair]\nlocal = \"[fd00::{number}]:9462\"\npeer = \"[fd00::{other}]:9462\"\nkey_file = \"{}\"\n{}",
        lab.dir().join("pair.key").display(),
        settings.tables
    );
    let settings = Settings {
        tables,
        ..settings.clone()
    };
    let text = config(number, priority, &settings);
    if settings.lan.contains("router.interface.subnet") {
        // The subnet says what is advertised.
        let advertised = "[[router.interface.ra.prefix]]\nprefix = \"2001:db8:1::/64\"\n";
        return text.replace(advertised, "");
    }
    text
}

/// The configuration of a router whose addresses end with `number`.
pub fn config(number: u8, priority: u8, settings: &Settings) -> String {
    let Settings {
        interval,
        keys,
        tables,
        lan,
    } = settings;
    let group = |vrid: u8, addresses: &str| {
        format!(
            "[[router.interface.vrrp]]\nvrid = {vrid}\naddresses = [{addresses}]\npriority = {priority}\n\
             advertisement_interval = \"{interval}\"\n{keys}"
        )
    };
    let lan_groups = group(61, "\"2001:db8:1::1\"") + &group(61, "\"192.0.2.1\"");
    let up_groups = group(62, "\"2001:db8:2::1\"") + &group(62, "\"198.51.100.1\"");
    format!(
        r#"
[[device]]
name = "lan"
kind = "af_packet"
interface = "va"
[[device]]
name = "up"
kind = "af_packet"
interface = "vb"
{tables}
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::{number}/64", "192.0.2.{number}/24"]
{lan}
[router.interface.ra]
enabled = true
max_interval = 4
[[router.interface.ra.prefix]]
prefix = "2001:db8:1::/64"
{lan_groups}
[[router.interface]]
name = "up0"
device = "up"
addresses = ["2001:db8:2::{number}/64", "198.51.100.{number}/24"]
{up_groups}
"#
    )
}

/// A configuration without its virtual routers.
pub fn without_virtual_routers(config: &str) -> String {
    let (mut kept, mut skips) = (String::new(), false);
    for line in config.lines() {
        if line.starts_with('[') {
            skips = line.starts_with("[[router.interface.vrrp");
        }
        if !skips {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}
