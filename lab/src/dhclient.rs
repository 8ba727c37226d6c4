//! ISC dhclient on a lab host, with an empty memory: its script writes down all that it is told.
//!
//! For what any client must get see `dhcp_client`; here a test says word by word what is asked for, and what becomes of it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::{Daemon, Host, Lab, Result, wait_for};

/// How long it may take to hear something: it sends again after growing delays.
const LIMIT: Duration = Duration::from_secs(60);

/// The shell's cases by `$reason` for a script that gives the interface what was leased.
pub const APPLY: &str = "BOUND6|RENEW6|REBIND6) [ -z \"$new_ip6_address\" ] || \
    ip -6 addr replace $new_ip6_address/128 dev $interface nodad ;;\n\
    BOUND|RENEW|REBIND|REBOOT) ip -4 addr replace $new_ip_address/24 dev $interface ;;";

/// How one is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup<'a> {
    /// Words of its command line that say what it asks for, such as `-6 -N -P -D LL`.
    pub words: &'a str,
    /// It ends when it gets nothing.
    pub once: bool,
    /// Its configuration file.
    pub conf: &'a str,
    /// The shell's cases by `$reason` that its script has besides writing down what it is told.
    pub cases: &'a str,
}

/// A running one.
#[derive(Debug)]
pub struct Dhclient {
    /// Its process.
    pub daemon: Daemon,
    told: PathBuf,
    command: String,
}

impl Setup<'_> {
    /// Starts one on a host's `eth0`; its files are called `name`.
    ///
    /// # Errors
    /// When its files cannot be written or it does not start.
    pub fn start(self, lab: &Lab, host: &Host, name: &str) -> Result<Dhclient> {
        let file = |kind: &str| lab.dir().join(format!("{name}.{kind}"));
        let (script, told) = (file("sh"), file("told"));
        let text = format!(
            "#!/bin/sh\nenv >> {}\ncase $reason in\n{}\nesac\nexit 0\n",
            told.display(),
            self.cases
        );
        std::fs::write(&script, text)?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        std::fs::write(file("leases"), "")?;
        std::fs::write(file("conf"), self.conf)?;
        std::fs::write(&told, "")?;
        let command = format!(
            "dhclient {} -sf {} -lf {} -pf {} -cf {}",
            self.words,
            script.display(),
            file("leases").display(),
            file("pid").display(),
            file("conf").display(),
        );
        let once = if self.once { "-1" } else { "" };
        let daemon = host.spawn(&format!("{command} -d {once} eth0"))?;
        Ok(Dhclient {
            daemon,
            told,
            command,
        })
    }
}

impl Dhclient {
    /// The last value that it was told under a name, once it was.
    ///
    /// # Errors
    /// When it is not told any; what it said is in the message.
    pub fn told(&self, name: &str) -> Result<String> {
        let key = format!("{name}=");
        let found = wait_for(LIMIT, &format!("dhclient to be told {name}"), || {
            let text = std::fs::read_to_string(&self.told).ok()?;
            let mut lines = text.lines().rev();
            lines.find_map(|line| line.strip_prefix(&key).map(str::to_owned))
        });
        found.with_context(|| self.said())
    }

    /// All values that it was told under a name, once each.
    pub fn all_told(&self, name: &str) -> BTreeSet<String> {
        let text = std::fs::read_to_string(&self.told).unwrap_or_default();
        let key = format!("{name}=");
        let values = text.lines().filter_map(|line| line.strip_prefix(&key));
        values.map(str::to_owned).collect()
    }

    /// Whether its script was told this so far, as `name=value`.
    pub fn knows(&self, line: &str) -> bool {
        let text = std::fs::read_to_string(&self.told).unwrap_or_default();
        text.lines().any(|known| known == line)
    }

    /// Waits until its script was told this, as `name=value`.
    ///
    /// # Errors
    /// When it is not; what it said is in the message.
    pub fn wait_told(&self, line: &str) -> Result<()> {
        let what = format!("dhclient to be told {line}");
        wait_for(LIMIT, &what, || self.knows(line).then_some(())).with_context(|| self.said())
    }

    /// Ends it, and gives back what it has.
    ///
    /// # Errors
    /// When it cannot.
    pub fn release(self, host: &Host) -> Result<()> {
        let Self {
            daemon, command, ..
        } = self;
        drop(daemon);
        host.ok(&format!("{command} -r eth0")).map(drop)
    }

    fn said(&self) -> String {
        format!("dhclient said:\n{}", self.daemon.log())
    }
}
