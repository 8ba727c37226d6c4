//! A tenant's virtual machine on a vhost-user port: a Linux guest in QEMU, its virtio NIC and its offloads.
//!
//! In [`port`] the port is an interface's, QEMU connects to the router and there are two queues; in [`network`] it belongs
//! to a network that VXLAN stretches to a Linux host, and the router connects to QEMU. Either side is killed and comes back.

mod judge;
mod network;
mod port;

use std::time::Duration;

use anyhow::{Context, ensure};
use lab::session::Session;
use lab::vm::Vm;
use lab::{Host, Lab, Result, Router, wait_for};

/// The guest's MAC address.
const MAC: &str = "52:54:00:00:00:0a";
const MEBIBYTES: u32 = 3;

/// Both ends of a conversation, and their addresses: IPv6, IPv4.
struct Ends<'a> {
    lab: &'a Lab,
    vm: &'a Vm,
    at: [String; 2],
    host: &'a Host,
    host_at: [String; 2],
}

impl Ends<'_> {
    /// Files go both ways over TCP in both families, and are the same on arrival.
    fn transfers(&self) -> Result<()> {
        let make = "dd if=/dev/urandom of=/tmp/data bs=1M count";
        self.vm.ok(&format!("{make}={MEBIBYTES}"))?;
        let sum = md5(&self.vm.ok("md5sum /tmp/data")?)?;
        for (at, host_at) in self.at.iter().zip(&self.host_at) {
            self.out(host_at, &sum)
                .with_context(|| format!("from the guest to {host_at}"))?;
            self.back(at, &sum)
                .with_context(|| format!("to {at} of the guest"))?;
        }
        Ok(())
    }

    fn out(&self, to: &str, sum: &str) -> Result<()> {
        let got = self.lab.dir().join("got");
        let (family, _) = socat(to);
        let listen = format!(
            "socat -u {family}-LISTEN:5000,reuseaddr CREATE:{}",
            got.display()
        );
        let mut server = self.host.spawn(&listen)?;
        wait_for(Duration::from_secs(5), "socat to listen", || {
            self.host
                .ok("ss -ltn")
                .ok()?
                .contains(":5000")
                .then_some(())
        })?;
        self.vm.ok(&format!("nc {to} 5000 </tmp/data"))?;
        server.wait(Duration::from_secs(20))?;
        let found = md5(&self.host.ok(&format!("md5sum {}", got.display()))?)?;
        ensure!(found == sum, "{found} has arrived, not {sum}");
        Ok(())
    }

    /// Sends back what [`Ends::out`] has received.
    fn back(&self, to: &str, sum: &str) -> Result<()> {
        self.vm
            .ok("nc -l -p 5001 </dev/null >/tmp/back 2>/dev/null &")?;
        wait_for(Duration::from_secs(5), "the guest to listen", || {
            self.vm
                .ok("netstat -ltn")
                .ok()?
                .contains(":5001")
                .then_some(())
        })?;
        let (family, address) = socat(to);
        let got = self.lab.dir().join("got");
        let send = format!(
            "timeout 60 socat -u OPEN:{} {family}:{address}:5001",
            got.display()
        );
        self.host.ok(&send)?;
        wait_for(Duration::from_secs(10), "the guest to have it all", || {
            (self.vm.run("pidof nc").ok()?.0 != 0).then_some(())
        })?;
        let found = md5(&self.vm.ok("md5sum /tmp/back")?)?;
        ensure!(found == sum, "{found} has arrived, not {sum}");
        Ok(())
    }

    /// Pings from the guest, in both families.
    fn talk(&self) -> Result<()> {
        for to in &self.host_at {
            ensure!(self.vm.ping(to, 3)? == 3, "the guest does not reach {to}");
        }
        Ok(())
    }

    /// Connections live through the router's death, in both families, and the guest does not lift a finger.
    fn sessions_outlive(&self, r: &Router) -> Result<()> {
        let Self { vm, host, at, .. } = self;
        vm.ok("nc -ll -p 7 -e tee </dev/null >/dev/null 2>&1 &")?;
        let sessions = [Session::open(host, &at[0])?, Session::open(host, &at[1])?];
        r.crash()?;
        let what = "the guest to lose its carrier";
        wait_for(Duration::from_secs(10), what, || {
            let link = vm.ok("ip link show eth0").ok()?;
            link.contains("NO-CARRIER").then_some(())
        })?;
        r.restart()?;
        sessions.iter().try_for_each(Session::goes_on)
    }

    /// No packet has reached either end with a wrong checksum.
    fn no_wrong_checksums(&self) -> Result<()> {
        let (guest, host) = (
            self.vm.ok("cat /proc/net/snmp /proc/net/snmp6")?,
            self.host.ok("cat /proc/net/snmp /proc/net/snmp6")?,
        );
        for (end, text) in [("the guest", guest), ("the host", host)] {
            let counters = csum_errors(&text);
            ensure!(6 <= counters.len(), "{end} has counters {counters:?}");
            for (name, count) in counters {
                ensure!(count == 0, "{end} has {name} {count}");
            }
        }
        Ok(())
    }
}

/// The counters of wrong checksums in the text of /proc/net/snmp and snmp6.
fn csum_errors(text: &str) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    for (line, next) in lines.iter().zip(lines.iter().skip(1).chain([&Vec::new()])) {
        // IPv4: a line of names and one of numbers; IPv6: a name and a number.
        let same = line.first() == next.first();
        for (at, name) in line
            .iter()
            .enumerate()
            .filter(|(_, name)| name.contains("InCsumErrors"))
        {
            let number = if same { next.get(at) } else { line.get(1) };
            if let Some(Ok(count)) = number.map(|number| number.parse()) {
                found.push((format!("{} {name}", line[0]), count));
            }
        }
    }
    found
}

/// The address type of socat for a literal, and how it is written.
fn socat(address: &str) -> (&'static str, String) {
    match address.contains(':') {
        true => ("TCP6", format!("[{address}]")),
        false => ("TCP4", address.to_owned()),
    }
}

fn md5(text: &str) -> Result<String> {
    let sum = text.split_whitespace().next();
    sum.map(str::to_owned).context("no checksum")
}

/// What the guest's NIC does for its kernel.
const OFFLOADS: [&str; 5] = ["tx", "sg", "tso", "gso", "gro"];

/// Turns the offloads of the guest's NIC on or off; returns what then holds of checksums and TCP segmentation.
fn offload(vm: &Vm, on: bool) -> Result<[bool; 2]> {
    for feature in OFFLOADS {
        let word = if on { "on" } else { "off" };
        vm.ok(&format!("ethtool -K eth0 {feature} {word}"))?;
    }
    let features = vm.ok("ethtool -k eth0")?;
    let holds = |name: &str| {
        features
            .lines()
            .any(|line| line.trim().starts_with(&format!("{name}: on")))
    };
    Ok([
        holds("tx-checksum-ip-generic"),
        holds("tcp-segmentation-offload"),
    ])
}

/// Gives the guest the addresses that DHCP hands out, and the MTU, as a distribution's script would.
fn dhclient(vm: &Vm, options: &str) -> Result<()> {
    vm.ok("printf '%s\\n' '#!/bin/sh' \
           '[ -z \"$new_interface_mtu\" ] || /usr/bin/ip link set $interface mtu $new_interface_mtu' \
           '[ -z \"$new_ip_address\" ] || /usr/bin/ip addr replace $new_ip_address/24 dev $interface' \
           '[ -z \"$new_routers\" ] || /usr/bin/ip route replace default via $new_routers' \
           '[ -z \"$new_ip6_address\" ] || /usr/bin/ip addr replace $new_ip6_address/128 dev $interface nodad' \
           >/tmp/script; chmod 755 /tmp/script")?;
    vm.ok("echo 'request subnet-mask, routers, interface-mtu; initial-interval 1;' >/tmp/conf")?;
    vm.ok(&format!(
        "dhclient {options} -1 -sf /tmp/script -cf /tmp/conf eth0"
    ))?;
    Ok(())
}
