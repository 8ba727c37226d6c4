//! Open vSwitch in userspace: a switch and tunnel endpoint of another house.
//!
//! ```text
//!   hosts ── pN [br-NAME] tunnels ┐
//!                                 [br-phys: the underlay addresses] eth0 ── the underlay
//! ```
//!
//! Its bridges switch as they are (`NORMAL`); tunnels find their way by the addresses and routes of `br-phys`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::Signal;

use crate::{Daemon, Host, Lab, Node, Result, wait_for};

/// The name without "alternatives": with the DPDK build installed that may be the other program.
const VSWITCHD: &str = "/usr/lib/openvswitch-switch/ovs-vswitchd";
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// A tunnel of a bridge.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel<'a> {
    /// `vxlan`, `geneve`, or `gre` (Ethernet in GRE).
    pub kind: &'a str,
    /// Its own end.
    pub local: &'a str,
    /// The peer's.
    pub remote: &'a str,
    /// VNI or GRE key.
    pub key: u32,
    /// More words of `options`, such as `options:csum=true`; or none.
    pub more: &'a str,
}

/// A switch: a namespace with its own database and daemon. Dropping it ends both, then removes the namespace.
#[derive(Debug)]
pub struct Ovs {
    switch: Daemon,
    database: Daemon,
    dir: PathBuf,
    /// The namespace; hosts and routers are wired to it as to a host.
    pub host: Host,
}

impl Node for Ovs {
    fn netns(&self) -> &str {
        self.host.netns()
    }

    fn is_host(&self) -> bool {
        true
    }
}

impl Ovs {
    /// Starts one without bridges.
    ///
    /// # Errors
    /// When it does not start; what it said is in the message.
    pub fn start(lab: &Lab, name: &str) -> Result<Self> {
        let host = lab.host(name)?;
        let dir = lab.dir().join(name);
        std::fs::create_dir_all(&dir)?;
        let file = dir.join("conf.db");
        host.ok(&format!("ovsdb-tool create {} {SCHEMA}", file.display()))?;
        let socket = socket(&dir);
        let env = environment(&dir);
        let database = host.spawn(&format!(
            "{env} ovsdb-server {} --remote=punix:{} --pidfile=db.pid --unixctl={}/db.ctl",
            file.display(),
            socket.display(),
            dir.display(),
        ))?;
        wait_for(Duration::from_secs(10), "the switch's database", || {
            socket.exists().then_some(())
        })
        .with_context(|| format!("it said:\n{}", database.log()))?;
        host.ok(&format!("{} --no-wait init", vsctl(&dir)))?;
        let switch = host.spawn(&format!(
            "{env} {VSWITCHD} unix:{} --pidfile=vs.pid --unixctl={}/vs.ctl",
            socket.display(),
            dir.display(),
        ))?;
        let ovs = Self {
            switch,
            database,
            dir,
            host,
        };
        // A daemon that has taken its first configuration answers without `--no-wait`.
        ovs.vsctl("set open_vswitch . external_ids:lab=true")
            .with_context(|| format!("it said:\n{}", ovs.switch.log()))?;
        Ok(ovs)
    }

    /// Changes its configuration by `ovs-vsctl`, and waits until the daemon has it.
    ///
    /// # Errors
    /// When it refuses.
    pub fn vsctl(&self, words: &str) -> Result<String> {
        self.host
            .ok(&format!("{} --timeout=15 {words}", vsctl(&self.dir)))
    }

    /// Adds a bridge; its own interface is down, so that it is no station.
    ///
    /// # Errors
    /// When it refuses.
    pub fn bridge(&self, name: &str) -> Result<()> {
        self.vsctl(&format!(
            "add-br {name} -- set bridge {name} datapath_type=netdev"
        ))
        .map(drop)
    }

    /// Puts `dev` into a bridge; `more` may be `tag=100`: untagged there, and tagged on ports without a tag.
    ///
    /// # Errors
    /// When it refuses.
    pub fn port(&self, bridge: &str, dev: &str, more: &str) -> Result<()> {
        // The kernel sees what comes in as well, and must not answer for the bridge.
        self.host.ok(&format!(
            "sysctl -qw net.ipv6.conf.{dev}.disable_ipv6=1 net.ipv4.conf.{dev}.arp_ignore=1"
        ))?;
        self.vsctl(&format!("add-port {bridge} {dev} {more}"))
            .map(drop)
    }

    /// Makes `dev` the underlay: `br-phys` has it and these addresses (`ADDR/LEN`).
    ///
    /// # Errors
    /// When it refuses.
    pub fn underlay(&self, dev: &str, addresses: &[&str]) -> Result<()> {
        self.bridge("br-phys")?;
        self.port("br-phys", dev, "")?;
        self.host.ok("ip link set br-phys up")?;
        for address in addresses {
            self.host.address("br-phys", address)?;
        }
        Ok(())
    }

    /// Adds a tunnel named `name` to a bridge.
    ///
    /// # Errors
    /// When it refuses.
    pub fn tunnel(&self, bridge: &str, name: &str, tunnel: Tunnel<'_>) -> Result<()> {
        self.vsctl(&format!(
            "add-port {bridge} {name} -- set interface {name} type={} options:local_ip={} options:remote_ip={} \
             options:key={} {}",
            tunnel.kind, tunnel.local, tunnel.remote, tunnel.key, tunnel.more
        ))
        .map(drop)
    }

    /// Replaces the flows of a bridge by these, as `ovs-ofctl` takes them.
    ///
    /// # Errors
    /// When it refuses.
    pub fn flows(&self, bridge: &str, flows: &[&str]) -> Result<()> {
        let file = self.dir.join(format!("{bridge}.flows"));
        std::fs::write(&file, flows.join("\n") + "\n")?;
        let management = self.dir.join(format!("{bridge}.mgmt"));
        self.host
            .ok(&format!(
                "ovs-ofctl replace-flows unix:{} {}",
                management.display(),
                file.display()
            ))
            .map(drop)
    }

    /// What it counted of an interface, such as `rx_packets`; it writes that down every five seconds.
    ///
    /// # Errors
    /// When there is no such interface or counter.
    pub fn counted(&self, interface: &str, counter: &str) -> Result<u64> {
        let text = self.vsctl(&format!("get interface {interface} statistics:{counter}"))?;
        Ok(text.trim().parse()?)
    }
}

impl Drop for Ovs {
    fn drop(&mut self) {
        // The switch first: it would complain of its database for seconds.
        for daemon in [&mut self.switch, &mut self.database] {
            let _ = daemon.signal(Signal::SIGTERM);
            let _ = daemon.wait(Duration::from_secs(5));
        }
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("db.sock")
}

fn environment(dir: &Path) -> String {
    let dir = dir.display();
    format!("env OVS_RUNDIR={dir} OVS_LOGDIR={dir} OVS_DBDIR={dir}")
}

fn vsctl(dir: &Path) -> String {
    format!(
        "{} ovs-vsctl --db=unix:{}",
        environment(dir),
        socket(dir).display()
    )
}
