//! keepalived: a router beside ours on both links of [`crate::pair`], or one of a pair of its own.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::beside::{Beside, forward, linux_router};
use crate::{Daemon, Host, Lab, Result};

/// Virtual addresses as `ip` shows them.
const VIRTUAL: [&str; 4] = [
    "192.0.2.1/24",
    "198.51.100.1/24",
    "2001:db8:1::1/64",
    "2001:db8:2::1/64",
];

/// A keepalived in a namespace of its own.
#[derive(Debug)]
pub struct Keepalived {
    /// Its namespace.
    pub host: Host,
    daemon: Option<Daemon>,
    config: PathBuf,
}

/// What it is told.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Of all its virtual routers.
    pub priority: u8,
    /// 2: IPv4 only; 3.
    pub version: u8,
    /// Time between advertisements, seconds.
    pub interval: &'static str,
}

impl Keepalived {
    /// A router on both links whose own addresses end with `number`.
    ///
    /// # Errors
    /// When a tool refuses.
    pub fn wire(lab: &Lab, links: &[Host; 2], name: &str, number: u8) -> Result<Self> {
        let host = linux_router(lab, links, name, number)?;
        let config = lab.dir().join(format!("{name}.conf"));
        Ok(Self {
            host,
            daemon: None,
            config,
        })
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self, told: Told) -> Result<()> {
        let Told {
            priority,
            version,
            interval,
        } = told;
        let instance = |name: &str, dev: &str, vrid: u8, addresses: &str| {
            let native = if name.ends_with('6') {
                "native_ipv6"
            } else {
                ""
            };
            format!(
                "vrrp_instance {name} {{ state BACKUP\n interface {dev}\n use_vmac v{name}\n virtual_router_id {vrid}\n \
                 priority {priority}\n version {version}\n advert_int {interval}\n {native}\n accept\n \
                 virtual_ipaddress {{\n{addresses}\n}}\n}}\n"
            )
        };
        let mut text = "global_defs { vrrp_garp_master_refresh 1 }\n".to_owned();
        if version == 3 {
            let addresses = "fe80::200:5eff:fe00:23d\n2001:db8:1::1/64";
            text += &instance("l6", "va", 61, addresses);
            let addresses = "fe80::200:5eff:fe00:23e\n2001:db8:2::1/64";
            text += &instance("u6", "vb", 62, addresses);
        }
        text += &instance("l4", "va", 61, "192.0.2.1/24");
        text += &instance("u4", "vb", 62, "198.51.100.1/24");
        forward(&self.host, true)?;
        std::fs::write(&self.config, text)?;
        let (file, dir) = (self.config.display(), self.config.with_extension(""));
        let dir = dir.display();
        let command = format!("keepalived -n -l -P -f {file} -p {dir}.pid -r {dir}.vrrp");
        self.daemon = Some(self.host.spawn(&command)?);
        Ok(())
    }

    /// Kills it and the child that speaks VRRP; its kernel forwards nothing from then on, as a router's that ends with its process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn fail(&mut self) -> Result<()> {
        let child = std::fs::read_to_string(self.config.with_extension("vrrp"))?;
        let Some(daemon) = &self.daemon else {
            bail!("keepalived is not running")
        };
        daemon.signal(Signal::SIGKILL)?;
        kill(Pid::from_raw(child.trim().parse()?), Signal::SIGKILL)?;
        forward(&self.host, false)
    }

    /// Kills it and the child that speaks VRRP, and takes its virtual addresses away, as a power failure would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn crash(&mut self) -> Result<()> {
        let child = std::fs::read_to_string(self.config.with_extension("vrrp"))?;
        if let Some(mut daemon) = self.daemon.take() {
            // One of them may be dead already.
            let _ = self
                .host
                .run(&format!("kill -9 {} {}", daemon.pid(), child.trim()))?;
            daemon.wait(Duration::from_secs(5))?;
        }
        for left in ["pid", "vrrp"] {
            let _ = std::fs::remove_file(self.config.with_extension(left));
        }
        // Its addresses would go on to answer.
        for dev in ["vl6", "vu6", "vl4", "vu4"] {
            let _ = self.host.run(&format!("ip link del {dev}"))?;
        }
        Ok(())
    }

    /// Stops it as an operator does: it says that it goes.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal(Signal::SIGTERM)?;
            daemon.wait(Duration::from_secs(5))?;
        }
        Ok(())
    }

    /// Whether it has all virtual addresses.
    pub fn is_master(&self) -> Option<()> {
        let addresses = self.host.ok("ip -o addr show").ok()?;
        let config = std::fs::read_to_string(&self.config).ok()?;
        let all = VIRTUAL.iter().filter(|address| config.contains(**address));
        all.into_iter()
            .all(|address| addresses.contains(address))
            .then_some(())
    }

    /// Whether it has none.
    pub fn is_backup(&self) -> Option<()> {
        let addresses = self.host.ok("ip -o addr show").ok()?;
        let mut all = VIRTUAL.iter();
        all.all(|address| !addresses.contains(address))
            .then_some(())
    }
}

/// A [`Keepalived`] that stands beside ours.
#[derive(Debug)]
pub struct Other {
    /// It.
    pub keepalived: Keepalived,
    /// What it is told but for its priority.
    pub told: Told,
}

impl Beside for Other {
    fn start(&mut self, priority: u8) -> Result<()> {
        let told = self.told;
        self.keepalived.start(Told { priority, ..told })
    }

    fn stop(&mut self) -> Result<()> {
        self.keepalived.stop()
    }

    fn crash(&mut self) -> Result<()> {
        self.keepalived.crash()
    }

    fn is_active(&self) -> bool {
        self.keepalived.is_master().is_some()
    }

    fn is_backup(&self) -> bool {
        self.keepalived.is_backup().is_some()
    }
}
