//! The lab: real Linux hosts in network namespaces around a real `hextetd`.
//!
//! A test reads like the wiring it makes:
//!
//! ```no_run
//! # use lab::{Lab, Result};
//! # fn main() -> Result<()> {
//! let lab = Lab::new("example")?;
//! let host = lab.host("a")?;
//! let router = lab.router("r1")?;
//! lab.link(&host, "eth0", &router, "va")?;
//! router.start("[[device]]\nname = \"lan\"\nkind = \"af_packet\"\ninterface = \"va\"\n")?;
//! host.ok("ping -6 -c 1 2001:db8:1::1")?;
//! router.assert_balanced()?;
//! # Ok(()) }
//! ```
//!
//! Everything a lab makes carries the prefix `hx<pid>-`: namespaces, and one temporary directory for sockets, logs and
//! leases. Dropping the lab ends what it started, by pid, and removes it all; a lab that starts sweeps what a crashed one
//! left. Nothing ever appears in the root namespace.

pub mod adverts;
pub mod attack;
pub mod beside;
pub mod crowd;
pub mod deaths;
pub mod dhclient;
pub mod dhcp6;
pub mod dhcp_client;
pub mod failover;
pub mod frr;
mod host;
pub mod kea;
pub mod keepalived;
pub mod marker;
mod netns;
pub mod ovs;
pub mod paced;
pub mod pair;
mod process;
pub mod provider;
pub mod requesting;
mod router;
pub mod session;
pub mod topology;
mod vlan;
pub mod vm;
pub mod vrrpd;
pub mod vxlan;
pub mod wait;

pub use host::{Host, ping_received};
pub use process::{Daemon, Output, run};
pub use router::{Router, binary};
pub use wait::wait_for;

use std::path::Path;

/// Lab errors are read by people: a chain of sentences.
pub type Result<T> = anyhow::Result<T>;

/// One topology; see the crate's documentation.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    dir: tempfile::TempDir,
}

/// What a veth end can be plugged into: a host or a router.
pub trait Node {
    /// The network namespace's name.
    fn netns(&self) -> &str;
    /// True for hosts: their kernel speaks on the link, so transmit offloads must be off (a kernel hands out
    /// partial checksums otherwise, which an AF_PACKET peer cannot see).
    fn is_host(&self) -> bool;
}

/// How a link is made; `Default` is an ordinary 1500-byte wire.
#[derive(Clone, Copy, Debug)]
pub struct LinkOptions {
    /// MTU of both ends, bytes.
    pub mtu: u32,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self { mtu: 1500 }
    }
}

impl Lab {
    /// Begins a lab. `name` appears in the temporary directory's name only.
    ///
    /// # Errors
    /// Fails without root or without the `ip` tool, and says so.
    pub fn new(name: &str) -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            anyhow::bail!("the lab makes network namespaces: run it as root (sudo)");
        }
        netns::sweep_stale()?;
        let dir = tempfile::Builder::new()
            .prefix(&format!("hextet-lab-{name}-"))
            .tempdir()?;
        Ok(Self {
            prefix: format!("hx{}-", std::process::id()),
            dir,
        })
    }

    /// The lab's own directory, for configs, sockets and logs.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A host: a namespace with loopback up, as a fresh Linux machine.
    ///
    /// # Errors
    /// When the namespace cannot be made.
    pub fn host(&self, name: &str) -> Result<Host> {
        Host::create(&format!("{}{name}", self.prefix), self.dir())
    }

    /// A namespace for a router; [`Router::start`] runs `hextetd` in it.
    ///
    /// # Errors
    /// When the namespace cannot be made.
    pub fn router(&self, name: &str) -> Result<Router> {
        Router::create(&format!("{}{name}", self.prefix), name, self.dir())
    }

    /// A wire between two nodes.
    ///
    /// # Errors
    /// When `ip` or `ethtool` refuses.
    pub fn link(&self, a: &dyn Node, a_dev: &str, b: &dyn Node, b_dev: &str) -> Result<()> {
        self.link_with(a, a_dev, b, b_dev, LinkOptions::default())
    }

    /// A wire with options.
    ///
    /// # Errors
    /// When `ip` or `ethtool` refuses.
    pub fn link_with(
        &self,
        a: &dyn Node,
        a_dev: &str,
        b: &dyn Node,
        b_dev: &str,
        options: LinkOptions,
    ) -> Result<()> {
        netns::veth((a.netns(), a_dev), (b.netns(), b_dev), options.mtu)?;
        for (node, dev) in [(a, a_dev), (b, b_dev)] {
            if node.is_host() {
                netns::exec(node.netns(), &format!("ethtool -K {dev} tx off"))?.ok()?;
            }
            netns::exec(node.netns(), &format!("ip link set {dev} up"))?.ok()?;
        }
        Ok(())
    }

    /// A layer-2 segment: a namespace with a bridge, to which [`Lab::attach`] plugs nodes.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn segment(&self, name: &str) -> Result<Host> {
        let segment = Host::create(&format!("{}{name}", self.prefix), self.dir())?;
        // The bridge is a wire, not a host: it must not speak.
        segment.ok(
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
        )?;
        segment.ok("ip link add br0 type bridge mcast_snooping 0")?;
        segment.ok("ip link set br0 up")?;
        Ok(segment)
    }

    /// Plugs `node`'s `dev` into a segment.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn attach(&self, segment: &Host, node: &dyn Node, dev: &str) -> Result<()> {
        let port = segment.next_port();
        self.link_with(node, dev, segment, &port, LinkOptions::default())?;
        segment.ok(&format!("ip link set {port} master br0"))?;
        Ok(())
    }
}
