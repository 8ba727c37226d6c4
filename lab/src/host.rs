//! A Linux host: a namespace whose kernel is the real peer.

use crate::process::{Daemon, Output};
use crate::{Node, Result, netns, wait_for};
use std::cell::Cell;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A host; dropping it removes its namespace.
#[derive(Debug)]
pub struct Host {
    netns: String,
    dir: PathBuf,
    ports: Cell<u32>,
    logs: Cell<u32>,
}

impl Node for Host {
    fn netns(&self) -> &str {
        &self.netns
    }

    fn is_host(&self) -> bool {
        true
    }
}

impl Host {
    pub(crate) fn create(netns: &str, dir: &Path) -> Result<Self> {
        netns::add(netns)?;
        Ok(Self {
            netns: netns.to_owned(),
            dir: dir.to_owned(),
            ports: Cell::new(0),
            logs: Cell::new(0),
        })
    }

    pub(crate) fn next_port(&self) -> String {
        self.ports.set(self.ports.get() + 1);
        format!("p{}", self.ports.get())
    }

    /// Runs a command on the host and waits; its failure is the caller's to judge.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, command: &str) -> Result<Output> {
        netns::exec(&self.netns, command)
    }

    /// Runs a command that must succeed; gives its standard output.
    ///
    /// # Errors
    /// When it fails; what it said is in the message.
    pub fn ok(&self, command: &str) -> Result<String> {
        Ok(self.run(command)?.ok()?.stdout)
    }

    /// Starts a daemon on the host.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, command: &str) -> Result<Daemon> {
        self.logs.set(self.logs.get() + 1);
        let log = self
            .dir
            .join(format!("{}-{}.log", self.netns, self.logs.get()));
        Daemon::spawn(&format!("ip netns exec {} {command}", self.netns), &log)
    }

    /// A file of the host's own, by the end of its name.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{}-{name}", self.netns))
    }

    /// Starts a Python program on the host, with the words of `args`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn python(&self, program: &str, args: &str) -> Result<Daemon> {
        let n = self.logs.get() + 1;
        let file = self.dir.join(format!("{}-{n}.py", self.netns));
        std::fs::write(&file, program)?;
        self.spawn(&format!("/usr/bin/python3 {} {args}", file.display()))
    }

    /// Gives an interface an IPv6 or IPv4 address (`ADDR/LEN`), usable at once.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn address(&self, dev: &str, address: &str) -> Result<()> {
        let nodad = if address.contains(':') { " nodad" } else { "" };
        self.ok(&format!("ip addr add {address} dev {dev}{nodad}"))
            .map(drop)
    }

    /// Adds a route: `PREFIX via GATEWAY`.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn route(&self, route: &str) -> Result<()> {
        let family = if route.contains(':') { "-6 " } else { "" };
        self.ok(&format!("ip {family}route add {route}")).map(drop)
    }

    /// Global IPv6 addresses of an interface that have passed DAD.
    ///
    /// # Errors
    /// When `ip` fails or speaks in riddles.
    pub fn global_ipv6(&self, dev: &str) -> Result<Vec<Ipv6Addr>> {
        self.addresses(dev, "-6", "scope global")
    }

    /// The interface's link-local address, once it has passed DAD.
    ///
    /// # Errors
    /// When there is none within 15 s.
    pub fn link_local(&self, dev: &str) -> Result<Ipv6Addr> {
        wait_for(Duration::from_secs(15), "a link-local address", || {
            self.addresses(dev, "-6", "scope link")
                .ok()?
                .first()
                .copied()
        })
    }

    /// IPv4 addresses of an interface.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn ipv4(&self, dev: &str) -> Result<Vec<Ipv4Addr>> {
        self.addresses(dev, "-4", "scope global")
    }

    /// Addresses that can be used; `which` are words of `ip addr show` that choose among them.
    fn addresses<A: std::str::FromStr>(
        &self,
        dev: &str,
        family: &str,
        which: &str,
    ) -> Result<Vec<A>> {
        let json = self.ok(&format!("ip -j {family} addr show dev {dev} {which}"))?;
        let links: serde_json::Value = serde_json::from_str(&json)?;
        let mut found = Vec::new();
        for info in links[0]["addr_info"].as_array().into_iter().flatten() {
            let usable = info["tentative"].as_bool() != Some(true)
                && info["dadfailed"].as_bool() != Some(true)
                && info["deprecated"].as_bool() != Some(true);
            if let (true, Some(Ok(address))) = (usable, info["local"].as_str().map(str::parse)) {
                found.push(address);
            }
        }
        Ok(found)
    }

    /// Waits until the interface has a global address by SLAAC within `prefix` (its first hextets as text). An
    /// address that the test gave it does not count: with the advertised one the host has its default route too.
    ///
    /// # Errors
    /// When none comes within 15 s.
    pub fn wait_slaac(&self, dev: &str, prefix: &str) -> Result<Ipv6Addr> {
        wait_for(
            Duration::from_secs(15),
            &format!("an address in {prefix} by router advertisement"),
            || {
                let advertised: Vec<Ipv6Addr> =
                    self.addresses(dev, "-6", "scope global dynamic").ok()?;
                let mut within = advertised.into_iter();
                within.find(|a| a.to_string().starts_with(prefix))
            },
        )
    }

    /// Pings `count` times, 100 ms apart; gives the number of answers.
    ///
    /// # Errors
    /// When ping itself cannot run.
    pub fn ping(&self, address: &str, count: u32) -> Result<u32> {
        let output = self.run(&format!("ping -n -c {count} -i 0.1 -W 2 {address}"))?;
        Ok(ping_received(&output.stdout))
    }
}

/// The number of answers in ping's summary line.
pub fn ping_received(stdout: &str) -> u32 {
    stdout
        .lines()
        .find_map(|line| {
            line.split(", ")
                .find_map(|part| part.strip_suffix(" received"))
        })
        .and_then(|n| n.parse().ok())
        .unwrap_or(0)
}

impl Drop for Host {
    fn drop(&mut self) {
        netns::delete(&self.netns);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn pings_are_counted() {
        let text = "3 packets transmitted, 2 received, 33% packet loss, time 2003ms";
        assert_eq!(super::ping_received(text), 2);
    }
}
