//! A router that is not ours beside ours: who is active, when, and whether a host reaches a server all the while.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;

use crate::pair::{are, config};
use crate::{Host, Lab, Node, Result, Router, netns, pair, wait_for};

const LIMIT: Duration = Duration::from_secs(20);

/// A router with all virtual routers of [`crate::pair`], whose own addresses end with 9.
pub trait Beside {
    /// Starts it with a priority.
    ///
    /// # Errors
    /// When it cannot be started.
    fn start(&mut self, priority: u8) -> Result<()>;
    /// Stops it in good order: it says so, if it knows how.
    ///
    /// # Errors
    /// When it does not stop.
    fn stop(&mut self) -> Result<()>;
    /// Ends it as a power failure would; it can be started again.
    ///
    /// # Errors
    /// When a tool refuses.
    fn crash(&mut self) -> Result<()>;
    /// Whether it is active for all.
    fn is_active(&self) -> bool;
    /// Whether it is backup for all.
    fn is_backup(&self) -> bool;
}

/// A host, a server, ours, and the links to which the other one comes.
#[derive(Debug)]
pub struct Bed {
    /// On 2001:db8:1::/64.
    pub host: Host,
    /// On 2001:db8:2::/64.
    pub server: Host,
    /// Ours, which does not run.
    pub ours: Router,
    /// lan and up.
    pub links: [Host; 2],
    /// Addresses of the server that must be reached.
    pub servers: &'static [&'static str],
}

impl Bed {
    /// Wires everything.
    ///
    /// # Errors
    /// When a tool refuses.
    pub fn wire(lab: &Lab) -> Result<Self> {
        let (host, server, ours) = (lab.host("host")?, lab.host("server")?, lab.router("one")?);
        let links = [lab.segment("lan")?, lab.segment("up")?];
        let [lan, up] = &links;
        lab.attach(lan, &host, "eth0")?;
        lab.attach(up, &server, "eth0")?;
        lab.attach(lan, &ours, "va")?;
        lab.attach(up, &ours, "vb")?;
        server.address("eth0", "2001:db8:2::80/64")?;
        server.address("eth0", "198.51.100.80/24")?;
        server.route("2001:db8:1::/64 via 2001:db8:2::1")?;
        server.route("192.0.2.0/24 via 198.51.100.1")?;
        host.address("eth0", "2001:db8:1::80/64")?;
        host.address("eth0", "192.0.2.80/24")?;
        host.route("default via 2001:db8:1::1")?;
        host.route("default via 192.0.2.1")?;
        Ok(Self {
            host,
            server,
            ours,
            links,
            servers: &["2001:db8:2::80", "198.51.100.80"],
        })
    }

    /// The server is reached.
    ///
    /// # Errors
    /// When two of three pings are not answered.
    pub fn reached(&self, by: &str) -> Result<()> {
        for server in self.servers {
            let answered = self.host.ping(server, 3)?;
            ensure!(2 <= answered, "{server} by {by}: {answered} of 3");
        }
        Ok(())
    }

    /// Both roles, preemption, death and farewell, of ours with the configuration `text` and of the other one.
    ///
    /// # Errors
    /// When one of them is not what it must be, or the server is not reached.
    pub fn both_roles(&self, text: &str, other: &mut impl Beside) -> Result<()> {
        let ours = &self.ours;
        ours.start(text)?;
        are(ours, "active")?;
        self.reached("ours")?;

        // It comes with a lower priority and stays backup.
        other.start(100)?;
        std::thread::sleep(Duration::from_secs(5));
        are(ours, "active")?;
        ensure!(other.is_backup(), "it is not backup of an active router");
        self.reached("ours, with the other as backup")?;

        // Ours dies; it comes back and preempts.
        ours.crash()?;
        active(other)?;
        self.reached("the other")?;
        ours.start(text)?;
        are(ours, "active")?;
        backup(other)?;
        self.reached("ours again")?;

        // Ours stops: priority 0 is believed at once.
        ours.stop()?;
        active(other)?;
        self.reached("the other, after ours stopped")?;

        // Now it goes first: ours is backup until it dies, and until it says that it stops.
        other.crash()?;
        other.start(250)?;
        ours.start(text)?;
        active(other)?;
        are(ours, "backup")?;
        self.reached("the other, with ours as backup")?;
        other.crash()?;
        are(ours, "active")?;
        self.reached("ours, after the other died")?;
        other.start(250)?;
        active(other)?;
        are(ours, "backup")?;
        self.reached("the other, which has preempted ours")?;
        other.stop()?;
        are(ours, "active")?;
        self.reached("ours, after the other stopped")?;
        ours.assert_balanced()
    }

    /// Two of one priority: who is there stays; of two that are active, the one with the greater address does.
    ///
    /// # Errors
    /// When both stay, or none.
    pub fn of_one_priority(
        &self,
        settings: &pair::Settings,
        other: &mut impl Beside,
        cut: &str,
    ) -> Result<()> {
        let ours = &self.ours;
        ours.start(&config(2, 150, settings))?;
        are(ours, "active")?;
        other.start(150)?;
        wait_for(LIMIT, "the other to be backup", || {
            other.is_backup().then_some(())
        })?;
        are(ours, "active")?;
        // Neither hears the other for a while: both are active.
        for link in &self.links {
            link.ok(&format!("ip link set {cut} nomaster"))?;
        }
        active(other)?;
        are(ours, "active")?;
        for link in &self.links {
            link.ok(&format!("ip link set {cut} master br0"))?;
        }
        // Addresses decide: 192.0.2.9 is greater than ours, and of link-local ones one is.
        for (end, v4) in [(&self.host, "192.0.2.9"), (&self.server, "198.51.100.9")] {
            let what = "one of two to give way in each family";
            wait_for(LIMIT, what, || {
                let heard = advertisers(end).ok()?;
                (heard.len() == 2 && heard.iter().any(|source| source == v4)).then_some(())
            })?;
        }
        self.reached("one of them")
    }
}

/// A Linux router on both links, whose own addresses end with `number`.
///
/// # Errors
/// When a tool refuses.
pub(crate) fn linux_router(lab: &Lab, links: &[Host; 2], name: &str, number: u8) -> Result<Host> {
    let host = lab.host(name)?;
    let devices = [
        ("va", "2001:db8:1::", "192.0.2."),
        ("vb", "2001:db8:2::", "198.51.100."),
    ];
    for (link, (dev, net6, net4)) in links.iter().zip(devices) {
        lab.attach(link, &host, dev)?;
        host.address(dev, &format!("{net6}{number}/64"))?;
        host.address(dev, &format!("{net4}{number}/24"))?;
        host.link_local(dev)?;
    }
    forward(&host, true)?;
    Ok(host)
}

/// Whether a host's kernel forwards.
///
/// # Errors
/// When it refuses.
pub(crate) fn forward(host: &Host, on: bool) -> Result<()> {
    let value = if on { "1" } else { "0" };
    netns::within(host.netns(), || {
        for key in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            std::fs::write(format!("/proc/sys/net/{key}"), value)?;
        }
        Ok(())
    })
}

/// Who advertises on a host's link within a second or so, over both IP versions.
fn advertisers(host: &Host) -> Result<BTreeSet<String>> {
    let heard = host.run("timeout 1 tcpdump -nn -l -i eth0 ip proto 112 or ip6 proto 112")?;
    let sources = heard.stdout.lines().filter_map(|line| {
        let (_, rest) = line.split_once(" IP")?;
        let (source, _) = rest.split_once(" > ")?;
        Some(source.trim_start_matches('6').trim().to_owned())
    });
    Ok(sources.collect())
}

fn active(other: &impl Beside) -> Result<()> {
    wait_for(LIMIT, "the other to be active", || {
        other.is_active().then_some(())
    })
}

fn backup(other: &impl Beside) -> Result<()> {
    wait_for(LIMIT, "the other to be backup", || {
        other.is_backup().then_some(())
    })
}
