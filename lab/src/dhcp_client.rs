//! Stock DHCP clients on a lab host, each with a private memory: what they were told is read from what they leave behind.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::{Daemon, Host, Lab, Result, wait_for};

/// How long a client may take: the slowest waits for duplicate address detection and random delays of a second.
const LIMIT: Duration = Duration::from_secs(30);

/// A client of another house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ISC dhclient, which asks for what its command line says.
    Dhclient,
    /// dhcpcd, which asks for what the router advertisement says.
    Dhcpcd,
    /// dibbler, which asks for what its file says.
    Dibbler,
    /// systemd-networkd, which asks for what the router advertisement says.
    Networkd,
}

impl Kind {
    /// All.
    pub const ALL: [Kind; 4] = [Kind::Dhclient, Kind::Dhcpcd, Kind::Dibbler, Kind::Networkd];

    /// Its name in messages and files.
    pub const fn label(self) -> &'static str {
        match self {
            Kind::Dhclient => "dhclient",
            Kind::Dhcpcd => "dhcpcd",
            Kind::Dibbler => "dibbler",
            Kind::Networkd => "networkd",
        }
    }
}

/// What the client is to get, for those clients that must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// An address, and settings.
    Address,
    /// Settings alone.
    Settings,
    /// A delegated prefix, and a /64 of it on a second interface, `lan0`; dhcpcd asks for an address too.
    Prefix,
}

/// A running client.
#[derive(Debug)]
pub struct Client {
    /// Its process.
    pub daemon: Daemon,
    kind: Kind,
    told: PathBuf,
}

impl Client {
    /// Starts one on `eth0` with an empty memory; its DUID is that of its MAC where that can be said.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(lab: &Lab, host: &Host, name: &str, kind: Kind, want: Want) -> Result<Self> {
        host.link_local("eth0")?;
        let dir = lab.dir().join(format!("{name}-{}", kind.label()));
        std::fs::create_dir_all(&dir)?;
        let told = dir.join("told");
        std::fs::write(&told, "")?;
        let script = dir.join("script");
        std::fs::write(&script, script_text(kind, &told))?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        let command = match kind {
            Kind::Dhclient => dhclient(&dir, &script, want)?,
            Kind::Dhcpcd => dhcpcd(&dir, &script, want)?,
            Kind::Dibbler => dibbler(&dir, &script, want)?,
            Kind::Networkd => networkd(&dir, want)?,
        };
        let daemon = host.spawn(&command)?;
        Ok(Self { daemon, kind, told })
    }

    /// All that it was told so far, as text in its own words.
    pub fn told(&self) -> String {
        match self.kind {
            // Its state files stand in its own mount namespace.
            Kind::Networkd => {
                let root = PathBuf::from(format!("/proc/{}/root", self.daemon.pid()));
                let links = root.join("run/systemd/netif/links");
                let files = std::fs::read_dir(links).into_iter().flatten().flatten();
                let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
                texts.collect::<Vec<_>>().join("\n")
            }
            _ => std::fs::read_to_string(&self.told).unwrap_or_default(),
        }
    }

    /// Waits until it was told something that has `text` in it.
    ///
    /// # Errors
    /// When it was not within half a minute; the message has what it said.
    pub fn wait_told(&self, text: &str) -> Result<()> {
        let what = format!("{} to be told {text}", self.kind.label());
        wait_for(LIMIT, &what, || self.told().contains(text).then_some(())).with_context(|| {
            format!(
                "it was told:\n{}\nit said:\n{}",
                self.told(),
                self.daemon.log()
            )
        })
    }

    /// Waits until it has said something that has `text` in it.
    ///
    /// # Errors
    /// When it has not within half a minute; the message has what it said.
    pub fn wait_log(&self, text: &str) -> Result<()> {
        let what = format!("{} to say {text}", self.kind.label());
        let said = || self.daemon.log().contains(text).then_some(());
        wait_for(LIMIT, &what, said).with_context(|| format!("it said:\n{}", self.daemon.log()))
    }

    /// Waits until its host has an address on `dev` that begins with `prefix`.
    ///
    /// # Errors
    /// When it has none within half a minute; the message has what the client said.
    pub fn wait_address(&self, host: &Host, dev: &str, prefix: &str) -> Result<std::net::Ipv6Addr> {
        let what = format!("an address in {prefix} by {}", self.kind.label());
        let found = wait_for(LIMIT, &what, || {
            let addresses = host.global_ipv6(dev).ok()?;
            addresses
                .into_iter()
                .find(|a| a.to_string().starts_with(prefix))
        });
        found.with_context(|| {
            format!(
                "it was told:\n{}\nit said:\n{}",
                self.told(),
                self.daemon.log()
            )
        })
    }
}

/// A script that writes down what the client tells it. dhclient leaves the address to its script.
fn script_text(kind: Kind, told: &Path) -> String {
    let address = match kind {
        Kind::Dhclient => {
            "case $reason in\nBOUND6|RENEW6|REBIND6) [ -z \"$new_ip6_address\" ] || \
             ip -6 addr replace $new_ip6_address/$new_ip6_prefixlen dev $interface nodad ;;\nesac\n"
        }
        _ => "",
    };
    format!("#!/bin/sh\nenv >> {}\n{address}exit 0\n", told.display())
}

fn dhclient(dir: &Path, script: &Path, want: Want) -> Result<String> {
    let leases = dir.join("leases");
    std::fs::write(&leases, "")?;
    let options = match want {
        Want::Address => "",
        Want::Settings => "-S",
        Want::Prefix => "-P",
    };
    Ok(format!(
        "dhclient -6 {options} -D LL -d -1 -sf {} -lf {} -pf {} -cf /dev/null eth0",
        script.display(),
        leases.display(),
        dir.join("pid").display()
    ))
}

fn dhcpcd(dir: &Path, script: &Path, want: Want) -> Result<String> {
    let mut conf = format!(
        "duid ll\nscript {}\nnoipv4\nnoipv4ll\nnodelay\nnodev\nslaac hwaddr\noption dhcp6_name_servers, dhcp6_domain_search\n\
         allowinterfaces eth0 lan0\n",
        script.display()
    );
    conf.push_str("interface eth0\nipv6rs\n");
    if want == Want::Prefix {
        conf.push_str("ia_na 1\nia_pd 2 lan0/0/64\n");
    }
    conf.push_str("interface lan0\nnoipv6rs\n");
    let file = dir.join("dhcpcd.conf");
    std::fs::write(&file, conf)?;
    let (run, lib) = private(dir)?;
    std::fs::create_dir_all("/var/lib/dhcpcd")?;
    Ok(format!(
        "unshare -m sh -c 'mount --bind {run} /run; mount --bind {lib} /var/lib/dhcpcd; \
         exec dhcpcd -6 -B -d -f {}'",
        file.display()
    ))
}

fn dibbler(dir: &Path, script: &Path, want: Want) -> Result<String> {
    let asks = match want {
        Want::Address => "ia\noption dns-server\noption domain",
        Want::Settings => "stateless\noption dns-server\noption domain",
        Want::Prefix => "pd",
    };
    let (run, lib) = private(dir)?;
    let etc = dir.join("etc");
    std::fs::create_dir_all(&etc)?;
    let downlink = if want == Want::Prefix {
        "downlink-prefix-ifaces \"lan0\"\n"
    } else {
        ""
    };
    let conf = format!(
        "log-level 7\nlog-mode short\nduid-type duid-ll\ninactive-mode\nscript \"{}\"\n{downlink}iface eth0 {{\n{asks}\n}}\n",
        script.display()
    );
    std::fs::write(etc.join("client.conf"), conf)?;
    for mount in ["/etc/dibbler", "/var/lib/dibbler", "/var/log/dibbler"] {
        std::fs::create_dir_all(mount)?;
    }
    // It writes down its servers in resolv.conf, as the host's own.
    let resolv = dir.join("resolv.conf");
    std::fs::write(&resolv, "")?;
    Ok(format!(
        "unshare -m sh -c 'mount --bind {etc} /etc/dibbler; mount --bind {lib} /var/lib/dibbler; \
         mount --bind {run} /var/log/dibbler; mount --bind {resolv} /etc/resolv.conf; exec dibbler-client run'",
        etc = etc.display(),
        resolv = resolv.display()
    ))
}

fn networkd(dir: &Path, want: Want) -> Result<String> {
    let files = dir.join("network");
    std::fs::create_dir_all(&files)?;
    let mut eth0 = String::from(
        "[Match]\nName=eth0\n[Network]\nIPv6AcceptRA=yes\nLinkLocalAddressing=ipv6\nDHCP=no\n[IPv6AcceptRA]\nUseDNS=yes\n\
         [DHCPv6]\nDUIDType=link-layer\nUseDNS=yes\n",
    );
    if want == Want::Prefix {
        eth0.push_str("PrefixDelegationHint=::/56\nWithoutRA=solicit\n");
        let lan0 = "[Match]\nName=lan0\n[Network]\nDHCPPrefixDelegation=yes\nLinkLocalAddressing=ipv6\n\
                    ConfigureWithoutCarrier=yes\n[DHCPPrefixDelegation]\nUplinkInterface=eth0\nAssign=yes\nAnnounce=no\n";
        std::fs::write(files.join("lan0.network"), lan0)?;
    }
    std::fs::write(files.join("eth0.network"), eth0)?;
    // Without udev it waits for ever unless /sys cannot be written to.
    Ok(format!(
        "unshare -m --propagation private sh -c 'mount -t tmpfs t /run; \
         mkdir -p /run/systemd/network /run/systemd/netif/leases /run/systemd/netif/links /run/systemd/netif/lldp; \
         cp {}/*.network /run/systemd/network/; chown -R systemd-network /run/systemd; \
         mount -o remount,ro /sys; exec env SYSTEMD_LOG_LEVEL=debug /lib/systemd/systemd-networkd'",
        files.display()
    ))
}

/// Folders that stand for the client's /run and its state.
fn private(dir: &Path) -> Result<(String, String)> {
    let (run, lib) = (dir.join("run"), dir.join("lib"));
    std::fs::create_dir_all(&run)?;
    std::fs::create_dir_all(&lib)?;
    Ok((run.display().to_string(), lib.display().to_string()))
}
