//! Wirings that many tests share.

use crate::{Host, Lab, LinkOptions, Result, Router};

/// Two hosts, each on its own network, and the router between them:
///
/// ```text
///   a:eth0 ──── va [r] vb ──── eth0:b
///   2001:db8:1::/64 ┘ └ 2001:db8:2::/64      the router is ::1 on both
///   192.0.2.0/24    ┘ └ 198.51.100.0/24      the router is .1 on both, the host .2
/// ```
///
/// IPv6 addresses of the hosts come by router advertisement.
#[derive(Debug)]
pub struct TwoNetworks {
    /// The host on 2001:db8:1::/64.
    pub a: Host,
    /// The host on 2001:db8:2::/64.
    pub b: Host,
    /// The router.
    pub r: Router,
}

/// The router's configuration for [`TwoNetworks`]; tests append to it.
pub const TWO_NETWORKS: &str = r#"
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
addresses = ["2001:db8:1::1/64", "192.0.2.1/24"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:1::/64"

[[router.interface]]
name = "wan0"
device = "wan"
addresses = ["2001:db8:2::1/64", "198.51.100.1/24"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:2::/64"
"#;

impl TwoNetworks {
    /// Wires the hosts and the router; the router is not started.
    ///
    /// # Errors
    /// When a namespace or a wire cannot be made.
    pub fn wire(lab: &Lab) -> Result<Self> {
        Self::wire_with(lab, LinkOptions::default(), LinkOptions::default())
    }

    /// The same with link options for a's and b's wire.
    ///
    /// # Errors
    /// When a namespace or a wire cannot be made.
    pub fn wire_with(lab: &Lab, a_link: LinkOptions, b_link: LinkOptions) -> Result<Self> {
        let (a, b, r) = (lab.host("a")?, lab.host("b")?, lab.router("r")?);
        lab.link_with(&a, "eth0", &r, "va", a_link)?;
        lab.link_with(&b, "eth0", &r, "vb", b_link)?;
        a.address("eth0", "192.0.2.2/24")?;
        b.address("eth0", "198.51.100.2/24")?;
        a.route("default via 192.0.2.1")?;
        b.route("default via 198.51.100.1")?;
        Ok(Self { a, b, r })
    }

    /// Wires, starts the router with [`TWO_NETWORKS`] and `extra`, and waits for both hosts' SLAAC addresses.
    ///
    /// # Errors
    /// When the router does not start or a host gets no address.
    pub fn start(lab: &Lab, extra: &str) -> Result<Self> {
        let net = Self::wire(lab)?;
        net.r.start(&format!("{TWO_NETWORKS}{extra}"))?;
        net.a.wait_slaac("eth0", "2001:db8:1:")?;
        net.b.wait_slaac("eth0", "2001:db8:2:")?;
        Ok(net)
    }

    /// Host a's SLAAC address.
    ///
    /// # Errors
    /// When it has none (any more).
    pub fn a_ipv6(&self) -> Result<String> {
        Ok(self.a.wait_slaac("eth0", "2001:db8:1:")?.to_string())
    }

    /// Host b's SLAAC address.
    ///
    /// # Errors
    /// When it has none (any more).
    pub fn b_ipv6(&self) -> Result<String> {
        Ok(self.b.wait_slaac("eth0", "2001:db8:2:")?.to_string())
    }
}
