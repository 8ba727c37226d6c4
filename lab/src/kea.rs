//! Kea's DHCPv6 server on a host: the provider's side of prefix delegation.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use crate::{Daemon, Host, Lab, Result, wait_for};

/// What it gives, on the link of `eth0`.
#[derive(Clone, Copy, Debug)]
pub struct KeaConfig<'a> {
    /// What is delegated, a /56 each: `PREFIX/LENGTH`; `None`: no prefixes.
    pub pool: Option<&'a str>,
    /// T1, T2, preferred and valid lifetime, seconds.
    pub times: [u32; 4],
}

/// A running server. Its leases stay in the lab's directory, so that the next one has them.
#[derive(Debug)]
pub struct Kea {
    daemon: Daemon,
}

impl Kea {
    /// Starts it; addresses come out of 2001:db8:f::/64, one of which `eth0` must have.
    ///
    /// # Errors
    /// When it does not start; what it said is in the message.
    pub fn start(lab: &Lab, host: &Host, config: KeaConfig<'_>) -> Result<Self> {
        host.link_local("eth0")?;
        let dir: PathBuf = lab.dir().join("kea");
        std::fs::create_dir_all(&dir)?;
        let pools: Vec<_> = config
            .pool
            .and_then(|pool| pool.split_once('/'))
            .map(|(prefix, len)| {
                let len: u8 = len.parse().unwrap_or(0);
                json!({"prefix": prefix, "prefix-len": len, "delegated-len": 56})
            })
            .into_iter()
            .collect();
        let [t1, t2, preferred, valid] = config.times;
        let text = json!({"Dhcp6": {
            "interfaces-config": {"interfaces": ["eth0"]},
            "lease-database": {"type": "memfile", "persist": true, "name": dir.join("leases")},
            // The same server in every life: a client renews with the one it knows.
            "server-id": {"type": "LL", "persist": false},
            "renew-timer": t1, "rebind-timer": t2,
            "preferred-lifetime": preferred, "valid-lifetime": valid,
            "subnet6": [{
                "id": 1, "interface": "eth0", "subnet": "2001:db8:f::/64",
                "pools": [{"pool": "2001:db8:f::100 - 2001:db8:f::1ff"}],
                "pd-pools": pools,
            }],
            "loggers": [{
                "name": "kea-dhcp6", "severity": "INFO",
                "output_options": [{"output": "stdout", "flush": true}],
            }],
        }});
        let file = dir.join("kea.json");
        std::fs::write(&file, text.to_string())?;
        let daemon = host.spawn(&format!(
            "env KEA_PIDFILE_DIR={dir} KEA_LOCKFILE_DIR={dir} kea-dhcp6 -c {}",
            file.display(),
            dir = dir.display(),
        ))?;
        let kea = Self { daemon };
        wait_for(Duration::from_secs(15), "Kea to start", || {
            kea.daemon.log().contains("DHCP6_STARTED").then_some(())
        })
        .with_context(|| format!("it said:\n{}", kea.daemon.log()))?;
        Ok(kea)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.daemon.log()
    }
}
