//! A customer's router behind a provider that delegates prefixes to it.

use std::net::Ipv6Addr;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::kea::{Kea, KeaConfig};
use crate::{Host, Lab, Result, Router, wait_for};

const LONG: Duration = Duration::from_secs(40);

/// A provider's router with a host behind it, ours, and a host on our side:
///
/// ```text
///   isp:eth0 ──── vw [r] vl ──── eth0:host
///   fe80::1, 2001:db8:f::1     fe80::2 on vw
///   2001:db8:ffff::1 (the world)
/// ```
///
/// The provider routes 2001:db8:a00::/40 and 2001:db8:b00::/40 to us, whatever its server says.
#[derive(Debug)]
pub struct Provider {
    /// The provider.
    pub isp: Host,
    /// The customer's host.
    pub host: Host,
    /// Our router.
    pub r: Router,
}

/// The host in the world.
pub const WORLD: &str = "2001:db8:ffff::1";
/// What is delegated at first.
pub const OLD: &str = "2001:db8:a00::/40";
/// What is delegated later.
pub const NEW: &str = "2001:db8:b00::/40";

/// The router's configuration; the host's link advertises every 4 s.
pub const CUSTOMER: &str = r#"
[[device]]
name = "wan"
kind = "af_packet"
interface = "vw"

[[device]]
name = "lan"
kind = "af_packet"
interface = "vl"

[[router]]
name = "main"

[[router.interface]]
name = "wan0"
device = "wan"
link_local = "fe80::2"
[router.interface.dhcp6_client]
address = true
prefix = [{ length = 56 }]

[[router.interface]]
name = "lan0"
device = "lan"
[router.interface.ra]
enabled = true
max_interval = 4
[[router.interface.delegated]]
uplink = "wan0"
ra_mode = "slaac"

[[router.route]]
prefix = "::/0"
via = "fe80::1"
interface = "wan0"
"#;

impl Provider {
    /// Wires all of it; neither the router nor a server is started.
    ///
    /// # Errors
    /// When a namespace or a wire cannot be made.
    pub fn wire(lab: &Lab) -> Result<Self> {
        let (isp, host, r) = (lab.host("isp")?, lab.host("host")?, lab.router("r")?);
        lab.link(&isp, "eth0", &r, "vw")?;
        lab.link(&host, "eth0", &r, "vl")?;
        isp.ok("sysctl -qw net.ipv6.conf.all.forwarding=1")?;
        isp.address("eth0", "fe80::1/64")?;
        isp.address("eth0", "2001:db8:f::1/64")?;
        isp.address("lo", &format!("{WORLD}/128"))?;
        for prefix in [OLD, NEW] {
            isp.route(&format!("{prefix} via fe80::2 dev eth0"))?;
        }
        Ok(Self { isp, host, r })
    }

    /// A server of the provider's.
    ///
    /// # Errors
    /// When it does not start.
    pub fn kea(&self, lab: &Lab, pool: &str, times: [u32; 4]) -> Result<Kea> {
        let pool = Some(pool);
        Kea::start(lab, &self.isp, KeaConfig { pool, times })
    }

    /// Waits until the host has a preferred address that begins with `prefix`.
    ///
    /// # Errors
    /// When it has none after 40 s; what the router knows is in the message.
    pub fn host_address(&self, prefix: &str) -> Result<Ipv6Addr> {
        let what = format!("the host to have a preferred address in {prefix}");
        let found = wait_for(LONG, &what, || {
            let all = self.host.global_ipv6("eth0").ok()?;
            all.into_iter().find(|a| a.to_string().starts_with(prefix))
        });
        found.with_context(|| {
            let shown = self.r.hextetctl("show delegations").unwrap_or_default();
            format!("{shown}\nhextetd said:\n{}", self.r.log())
        })
    }

    /// The kernel's flags of the host's global addresses, each with the address.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn host_flags(&self) -> Result<Vec<(String, bool)>> {
        let text = self.host.ok("ip -j -6 addr show dev eth0 scope global")?;
        let links: Value = serde_json::from_str(&text)?;
        let all = links[0]["addr_info"].as_array().cloned();
        let flags = all.unwrap_or_default().into_iter().map(|info| {
            let address = info["local"].as_str().unwrap_or_default().to_owned();
            (address, info["deprecated"].as_bool() == Some(true))
        });
        Ok(flags.collect())
    }

    /// Waits until the host holds `address` as deprecated: it is there, and used for no new session.
    ///
    /// # Errors
    /// When that is not so after 40 s.
    pub fn deprecated(&self, address: Ipv6Addr) -> Result<()> {
        let wanted = (address.to_string(), true);
        let found = wait_for(LONG, &format!("the host to deprecate {address}"), || {
            self.host_flags().ok()?.contains(&wanted).then_some(())
        });
        found.with_context(|| format!("it has {:?}", self.host_flags()))
    }

    /// The subnets of delegated prefixes as the router shows them: `PREFIX preferred|deprecated`.
    ///
    /// # Errors
    /// When the router does not answer.
    pub fn subnets(&self) -> Result<Vec<String>> {
        let shown = self.r.ctl("show delegations")?;
        let delegations = shown.as_array().cloned().unwrap_or_default();
        let of = |d: Value| d["subnets"].as_array().cloned().unwrap_or_default();
        let word = |subnet: &Value| {
            let word = match subnet["deprecated"].as_bool() {
                Some(true) => "deprecated",
                _ => "preferred",
            };
            format!("{} {word}", subnet["prefix"].as_str().unwrap_or_default())
        };
        let mut all: Vec<String> = delegations
            .into_iter()
            .flat_map(of)
            .map(|s| word(&s))
            .collect();
        all.sort();
        Ok(all)
    }
}
