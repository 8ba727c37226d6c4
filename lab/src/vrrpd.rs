//! FRR's vrrpd: a router beside ours on both links of [`crate::pair`].
//!
//! It speaks for addresses of macvlan devices that it finds by their virtual MAC addresses, and has zebra take them down while it is
//! backup.

use serde_json::Value;

use crate::beside::{Beside, forward, linux_router};
use crate::frr::Frr;
use crate::{Host, Lab, Result};

/// Each macvlan: its device, the last octets of its MAC, and its addresses.
const MACVLANS: [(&str, &str, &str, &[&str]); 4] = [
    ("l4", "va", "01:3d", &["192.0.2.1/24"]),
    ("u4", "vb", "01:3e", &["198.51.100.1/24"]),
    (
        "l6",
        "va",
        "02:3d",
        &["fe80::200:5eff:fe00:23d/64", "2001:db8:1::1/64"],
    ),
    (
        "u6",
        "vb",
        "02:3e",
        &["fe80::200:5eff:fe00:23e/64", "2001:db8:2::1/64"],
    ),
];

/// See the module.
#[derive(Debug)]
pub struct Vrrpd<'a> {
    lab: &'a Lab,
    /// Its namespace.
    pub host: Host,
    frr: Option<Frr>,
}

impl<'a> Vrrpd<'a> {
    /// A router on both links whose own addresses end with `number`.
    ///
    /// # Errors
    /// When a tool refuses.
    pub fn wire(lab: &'a Lab, links: &[Host; 2], name: &str, number: u8) -> Result<Self> {
        let host = linux_router(lab, links, name, number)?;
        // A kernel that answers for any of its addresses on any of its devices would answer with its own MAC.
        host.ok("sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2")?;
        for (name, dev, mac, addresses) in MACVLANS {
            host.ok(&format!(
                "ip link add {name} link {dev} type macvlan mode bridge"
            ))?;
            host.ok(&format!("ip link set {name} address 00:00:5e:00:{mac}"))?;
            // Its advertisements come from a link-local address of its own.
            host.ok(&format!("ip link set {name} addrgenmode random"))?;
            host.ok(&format!("sysctl -qw net.ipv6.conf.{name}.accept_dad=0"))?;
            host.ok(&format!("ip link set {name} protodown on"))?;
            host.ok(&format!("ip link set {name} up"))?;
            for address in addresses {
                host.address(name, address)?;
            }
        }
        Ok(Self {
            lab,
            host,
            frr: None,
        })
    }

    fn config(priority: u8) -> String {
        let interface = |dev: &str, vrid: u8, addresses: [&str; 3]| {
            let [v4, link_local, v6] = addresses;
            format!(
                "interface {dev}\n vrrp {vrid} version 3\n vrrp {vrid} priority {priority}\n \
                 vrrp {vrid} advertisement-interval 100\n vrrp {vrid} ip {v4}\n vrrp {vrid} ipv6 {link_local}\n \
                 vrrp {vrid} ipv6 {v6}\nexit\n"
            )
        };
        let lan = ["192.0.2.1", "fe80::200:5eff:fe00:23d", "2001:db8:1::1"];
        let up = ["198.51.100.1", "fe80::200:5eff:fe00:23e", "2001:db8:2::1"];
        interface("va", 61, lan) + &interface("vb", 62, up)
    }

    /// Whether all its virtual routers have this status (`Master`, `Backup`).
    ///
    /// # Errors
    /// When it does not say.
    pub fn are(&self, status: &str) -> Result<bool> {
        let Some(frr) = &self.frr else {
            return Ok(false);
        };
        let said: Value = serde_json::from_str(&frr.vtysh(&self.host, &["show vrrp json"])?)?;
        let all: Vec<&Value> = said.as_array().into_iter().flatten().collect();
        let each = |one: &&Value| one["v4"]["status"] == status && one["v6"]["status"] == status;
        Ok(all.len() == 2 && all.iter().all(each))
    }
}

impl Beside for Vrrpd<'_> {
    fn start(&mut self, priority: u8) -> Result<()> {
        forward(&self.host, true)?;
        let config = Self::config(priority);
        self.frr = Some(Frr::start(self.lab, &self.host, "vrrpd", &config)?);
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        match &mut self.frr {
            Some(frr) => frr.stop(),
            None => Ok(()),
        }
    }

    fn crash(&mut self) -> Result<()> {
        if let Some(frr) = self.frr.take() {
            frr.end_all()?;
        }
        // Its addresses would go on to answer.
        for (name, ..) in MACVLANS {
            self.host.ok(&format!("ip link set {name} protodown on"))?;
        }
        forward(&self.host, false)
    }

    fn is_active(&self) -> bool {
        self.are("Master").unwrap_or(false)
    }

    fn is_backup(&self) -> bool {
        self.are("Backup").unwrap_or(false)
    }
}
