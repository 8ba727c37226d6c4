//! A daemon of FRR in a namespace of its own, with the zebra that tells it of interfaces.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::{Daemon, Host, Lab, Node, Result, wait_for};

/// Where FRR has its daemons.
const BIN: &str = "/usr/lib/frr";

/// See the module.
#[derive(Debug)]
pub struct Frr {
    name: &'static str,
    /// Words for the daemon besides those of every one.
    words: String,
    dir: PathBuf,
    zebra: Daemon,
    daemon: Option<Daemon>,
}

impl Frr {
    /// Starts zebra, and the daemon `name` with its configuration.
    ///
    /// # Errors
    /// When one of them does not start.
    pub fn start(lab: &Lab, host: &Host, name: &'static str, config: &str) -> Result<Self> {
        let dir = lab.dir().join(format!("frr-{}", host.netns()));
        std::fs::create_dir(&dir)?;
        std::fs::write(dir.join(format!("{name}.conf")), config)?;
        std::fs::write(dir.join("zebra.conf"), "")?;
        // The daemons do not run as root.
        let shown = dir.display();
        host.ok(&format!("chmod 711 {}", lab.dir().display()))?;
        host.ok(&format!("chown -R frr:frr {shown}"))?;
        let zebra = host.spawn(&format!(
            "{BIN}/zebra -z {shown}/zserv.api --vty_socket {shown} -i {shown}/zebra.pid -f {shown}/zebra.conf \
             -u frr -g frr --log file:{shown}/zebra.log"
        ))?;
        wait_for(Duration::from_secs(10), "zebra to listen", || {
            dir.join("zserv.api").exists().then_some(())
        })?;
        let words = match name {
            "bfdd" => format!("--bfdctl {shown}/bfdd.sock"),
            _ => String::new(),
        };
        let mut frr = Self {
            name,
            words,
            dir,
            zebra,
            daemon: None,
        };
        frr.again(host)?;
        Ok(frr)
    }

    /// Starts the daemon.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn again(&mut self, host: &Host) -> Result<()> {
        let (name, dir, words) = (self.name, self.dir.display(), &self.words);
        self.daemon = Some(host.spawn(&format!(
            "{BIN}/{name} -z {dir}/zserv.api --vty_socket {dir} -i {dir}/{name}.pid -f {dir}/{name}.conf \
             -u frr -g frr {words} --log file:{dir}/{name}.log"
        ))?);
        Ok(())
    }

    /// Kills the daemon as a crash would; its links stay up.
    ///
    /// # Errors
    /// When it does not end.
    pub fn crash(&mut self) -> Result<()> {
        self.end(Signal::SIGKILL)
    }

    /// Stops the daemon as an operator does.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Signal::SIGTERM)
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal(signal)?;
            daemon.wait(Duration::from_secs(5))?;
        }
        // What a crash leaves, it refuses to start over.
        let _ = std::fs::remove_file(self.dir.join(format!("{}.pid", self.name)));
        Ok(())
    }

    /// Ends zebra too.
    ///
    /// # Errors
    /// When it does not end.
    pub fn end_all(mut self) -> Result<()> {
        self.crash()?;
        self.zebra.signal(Signal::SIGKILL)?;
        self.zebra.wait(Duration::from_secs(5))?;
        std::fs::remove_dir_all(&self.dir)?;
        Ok(())
    }

    /// Runs commands of its CLI.
    ///
    /// # Errors
    /// When it refuses one.
    pub fn vtysh(&self, host: &Host, commands: &[&str]) -> Result<String> {
        let words: Vec<_> = commands.iter().map(|c| format!("-c '{c}'")).collect();
        let dir = self.dir.display();
        let line = format!("vtysh --vty_socket {dir} {}", words.join(" "));
        let script = self.dir.join("vtysh.sh");
        std::fs::write(&script, line)?;
        host.ok(&format!("sh {}", script.display()))
    }
}
