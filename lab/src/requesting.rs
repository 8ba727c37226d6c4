//! Real requesting routers: clients that are delegated prefixes.

use std::path::{Path, PathBuf};

use crate::{Daemon, Host, Lab, Result};

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// dhcpcd.
    Dhcpcd,
    /// WIDE's dhcp6c.
    Wide,
    /// dibbler-client.
    Dibbler,
}

impl Program {
    /// All of them, each with a name for its host.
    pub const ALL: [(Program, &'static str); 3] = [
        (Program::Dhcpcd, "dhcpcd"),
        (Program::Wide, "wide"),
        (Program::Dibbler, "dibbler"),
    ];

    /// Starts it on a host that asks on `eth0` and has a network of its own on `lan0`, which is made here. Its files are
    /// private to it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(self, lab: &Lab, host: &Host, name: &str) -> Result<Daemon> {
        host.link_local("eth0")?;
        host.ok("ip link add lan0 type veth peer name lan0p")?;
        host.ok("ip link set lan0 up")?;
        host.ok("ip link set lan0p up")?;
        host.link_local("lan0")?;
        let dir = lab.dir().join(format!("requesting-{name}"));
        std::fs::create_dir_all(&dir)?;
        let command = match self {
            Program::Dhcpcd => dhcpcd(&dir)?,
            Program::Wide => wide(&dir)?,
            Program::Dibbler => dibbler(&dir)?,
        };
        host.spawn(&format!("unshare -m sh -c '{command}'"))
    }
}

/// Makes a directory that shall be mounted over `over`, and says how.
fn private(dir: &Path, name: &str, over: &str) -> Result<(PathBuf, String)> {
    let own = dir.join(name);
    std::fs::create_dir_all(&own)?;
    let mount = format!("mkdir -p {over}; mount --bind {} {over}; ", own.display());
    Ok((own, mount))
}

fn dhcpcd(dir: &Path) -> Result<String> {
    let (_, run) = private(dir, "run", "/run")?;
    let (_, lib) = private(dir, "lib", "/var/lib/dhcpcd")?;
    let conf = dir.join("dhcpcd.conf");
    let text = "duid\nnoipv6rs\nscript /bin/true\nallowinterfaces eth0 lan0\n\
        interface eth0\nipv6rs\nia_na 1\nia_pd 2 lan0/0/64\n";
    std::fs::write(&conf, text)?;
    Ok(format!(
        "{run}{lib}exec dhcpcd -6 -B -d -f {} eth0",
        conf.display()
    ))
}

fn wide(dir: &Path) -> Result<String> {
    let (_, lib) = private(dir, "lib", "/var/lib/dhcpv6")?;
    let conf = dir.join("dhcp6c.conf");
    let text = "interface eth0 { send ia-na 0; send ia-pd 0; };\nid-assoc na 0 { };\n\
        id-assoc pd 0 { prefix-interface lan0 { sla-id 1; sla-len 8; }; };\n";
    std::fs::write(&conf, text)?;
    let pid = dir.join("pid");
    Ok(format!(
        "{lib}exec dhcp6c -f -D -c {} -p {} eth0",
        conf.display(),
        pid.display()
    ))
}

fn dibbler(dir: &Path) -> Result<String> {
    let (etc, mount_etc) = private(dir, "etc", "/etc/dibbler")?;
    let (_, lib) = private(dir, "lib", "/var/lib/dibbler")?;
    let (_, log) = private(dir, "log", "/var/log/dibbler")?;
    let text = "inactive-mode\nlog-level 7\nlog-mode short\nduid-type duid-ll\n\
        downlink-prefix-ifaces \"lan0\"\niface \"eth0\" {\n ia\n pd\n}\n";
    std::fs::write(etc.join("client.conf"), text)?;
    Ok(format!("{mount_etc}{lib}{log}exec dibbler-client run"))
}
