//! keepalived as the other router: both IP versions, both roles.

use std::time::Duration;

use lab::{Daemon, Host, Lab, Result, wait_for};

use crate::net::{Settings, are, config};

/// A keepalived in a namespace of its own, on the same two links.
struct Peer {
    host: Host,
    daemon: Option<Daemon>,
    config: std::path::PathBuf,
}

impl Peer {
    fn wire(lab: &Lab, lan: &Host, up: &Host) -> Result<Self> {
        let host = lab.host("keepalived")?;
        host.ok("sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1")?;
        lab.attach(lan, &host, "va")?;
        lab.attach(up, &host, "vb")?;
        for (dev, net6, net4) in [
            ("va", "2001:db8:1::", "192.0.2."),
            ("vb", "2001:db8:2::", "198.51.100."),
        ] {
            host.address(dev, &format!("{net6}9/64"))?;
            host.address(dev, &format!("{net4}9/24"))?;
            host.link_local(dev)?;
        }
        let config = lab.dir().join("keepalived.conf");
        Ok(Self {
            host,
            daemon: None,
            config,
        })
    }

    fn start(&mut self, priority: u8, version: u8, extra: &str) -> Result<()> {
        let instance = |name: &str, dev: &str, vrid: u8, six: bool, addresses: &str| {
            let native = if six { "native_ipv6" } else { "" };
            let interval = if version == 2 { "1" } else { "0.1" };
            format!(
                "vrrp_instance {name} {{ state BACKUP\n interface {dev}\n use_vmac v{name}\n virtual_router_id {vrid}\n priority {priority}\n \
                 version {version}\n advert_int {interval}\n {native}\n accept\n {extra}\n virtual_ipaddress {{\n{addresses}\n}}\n}}\n"
            )
        };
        let mut text = "global_defs { vrrp_garp_master_refresh 1 }\n".to_owned();
        if version == 3 {
            text += &instance(
                "l6",
                "va",
                61,
                true,
                "fe80::200:5eff:fe00:23d\n2001:db8:1::1/64",
            );
            text += &instance(
                "u6",
                "vb",
                62,
                true,
                "fe80::200:5eff:fe00:23e\n2001:db8:2::1/64",
            );
        }
        text += &instance("l4", "va", 61, false, "192.0.2.1/24");
        text += &instance("u4", "vb", 62, false, "198.51.100.1/24");
        std::fs::write(&self.config, text)?;
        let (file, dir) = (self.config.display(), self.config.with_extension(""));
        let dir = dir.display();
        self.daemon = Some(self.host.spawn(&format!(
            "keepalived -n -l -P -f {file} -p {dir}.pid -r {dir}.vrrp"
        ))?);
        Ok(())
    }

    /// Kills it and the child that speaks VRRP, as a power failure would.
    fn crash(&mut self) -> Result<()> {
        let child = std::fs::read_to_string(self.config.with_extension("vrrp"))?;
        if let Some(mut daemon) = self.daemon.take() {
            self.host
                .ok(&format!("kill -9 {} {}", daemon.pid(), child.trim()))?;
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

    /// Whether it has all virtual addresses.
    fn is_master(&self) -> Option<()> {
        let addresses = self.host.ok("ip -o addr show").ok()?;
        let config = std::fs::read_to_string(&self.config).ok()?;
        let all = VIRTUAL.iter().filter(|address| config.contains(**address));
        all.into_iter()
            .all(|address| addresses.contains(address))
            .then_some(())
    }

    /// Whether it has none.
    fn is_backup(&self) -> Option<()> {
        let addresses = self.host.ok("ip -o addr show").ok()?;
        let mut all = VIRTUAL.iter();
        all.all(|address| !addresses.contains(address))
            .then_some(())
    }
}

/// Virtual addresses as `ip` shows them.
const VIRTUAL: [&str; 4] = [
    "192.0.2.1/24",
    "198.51.100.1/24",
    "2001:db8:1::1/64",
    "2001:db8:2::1/64",
];

#[test]
fn keepalived_and_ours_back_each_other_up() -> Result<()> {
    both_roles("ha-keepalived", 3, "", &Settings::default())
}

#[test]
fn keepalived_of_version_2_is_understood() -> Result<()> {
    let settings = Settings {
        interval: "1s",
        keys: "accept = true\nversion = 2\n".into(),
        ..Settings::default()
    };
    both_roles("ha-keepalived2", 2, "", &settings)
}

fn both_roles(name: &str, version: u8, extra: &str, settings: &Settings) -> Result<()> {
    let lab = Lab::new(name)?;
    let (host, server, one) = (lab.host("host")?, lab.host("server")?, lab.router("one")?);
    let (lan, up) = (lab.segment("lan")?, lab.segment("up")?);
    lab.attach(&lan, &host, "eth0")?;
    lab.attach(&up, &server, "eth0")?;
    lab.attach(&lan, &one, "va")?;
    lab.attach(&up, &one, "vb")?;
    server.address("eth0", "2001:db8:2::80/64")?;
    server.address("eth0", "198.51.100.80/24")?;
    server.route("2001:db8:1::/64 via 2001:db8:2::1")?;
    server.route("192.0.2.0/24 via 198.51.100.1")?;
    host.address("eth0", "2001:db8:1::80/64")?;
    host.address("eth0", "192.0.2.80/24")?;
    host.route("default via 2001:db8:1::1")?;
    host.route("default via 192.0.2.1")?;
    let mut peer = Peer::wire(&lab, &lan, &up)?;
    let text = config(2, 200, settings);
    let text = if version == 2 { only_ipv4(&text) } else { text };
    one.start(&text)?;
    are(&one, "active")?;
    let servers: &[&str] = if version == 2 {
        &["198.51.100.80"]
    } else {
        &["2001:db8:2::80", "198.51.100.80"]
    };
    let reached = |by: &str| -> Result<()> {
        for server in servers {
            assert!(2 <= host.ping(server, 3)?, "{server} by {by}");
        }
        Ok(())
    };
    reached("ours")?;

    // It comes with a lower priority and stays backup.
    peer.start(100, version, extra)?;
    std::thread::sleep(Duration::from_secs(5));
    are(&one, "active")?;
    peer.is_backup()
        .ok_or_else(|| anyhow::anyhow!("keepalived has the addresses of an active router"))?;
    reached("ours, with keepalived as backup")?;

    // Ours dies; it comes back and preempts.
    one.crash()?;
    wait_for(Duration::from_secs(20), "keepalived to take over", || {
        peer.is_master()
    })?;
    reached("keepalived")?;
    one.start(&text)?;
    are(&one, "active")?;
    wait_for(Duration::from_secs(10), "keepalived to give back", || {
        peer.is_backup()
    })?;
    reached("ours again")?;

    // Ours stops: priority 0 is believed at once.
    one.stop()?;
    wait_for(Duration::from_secs(10), "keepalived to take over", || {
        peer.is_master()
    })?;
    reached("keepalived, after ours stopped")?;

    // Now it goes first: ours is backup until it dies.
    peer.crash()?;
    peer.start(250, version, extra)?;
    one.start(&text)?;
    wait_for(Duration::from_secs(20), "keepalived to be master", || {
        peer.is_master()
    })?;
    are(&one, "backup")?;
    reached("keepalived, with ours as backup")?;
    peer.crash()?;
    are(&one, "active")?;
    reached("ours, after keepalived died")?;
    one.assert_balanced()
}

/// A configuration without its IPv6 virtual routers.
fn only_ipv4(text: &str) -> String {
    let mut tables = text.split("[[router.interface.vrrp]]");
    let first = tables.next().unwrap_or_default().to_owned();
    tables.fold(first, |text, table| {
        match table.contains("2001:db8") && !table.contains("[[router.interface]]") {
            true => text,
            false => match table.split_once("[[router.interface]]") {
                Some((group, rest)) if group.contains("2001:db8") => {
                    text + "[[router.interface]]" + rest
                }
                _ => text + "[[router.interface.vrrp]]" + table,
            },
        }
    })
}
