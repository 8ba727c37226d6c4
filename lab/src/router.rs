//! A router: a namespace with `hextetd` in it.

use crate::process::{self, Daemon};
use crate::{Node, Result, netns, wait_for};
use anyhow::{Context, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// A router; dropping it stops the daemon and removes the namespace.
#[derive(Debug)]
pub struct Router {
    netns: String,
    name: String,
    dir: PathBuf,
    daemon: RefCell<Option<Daemon>>,
}

impl Node for Router {
    fn netns(&self) -> &str {
        &self.netns
    }

    fn is_host(&self) -> bool {
        false
    }
}

impl Router {
    pub(crate) fn create(netns: &str, name: &str, lab_dir: &Path) -> Result<Self> {
        netns::add(netns)?;
        // The kernel must not answer on the router's own wires.
        netns::exec(
            netns,
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 \
             net.ipv4.conf.all.arp_ignore=8 net.ipv6.conf.lo.disable_ipv6=0",
        )?
        .ok()?;
        let dir = lab_dir.join(name);
        std::fs::create_dir_all(&dir)?;
        Ok(Self {
            netns: netns.to_owned(),
            name: name.to_owned(),
            dir,
            daemon: RefCell::new(None),
        })
    }

    /// The router's directory: config, socket, state, log.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The configuration file's path.
    pub fn config_path(&self) -> PathBuf {
        self.dir.join("hextetd.toml")
    }

    /// The API socket's path.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("api.sock")
    }

    /// Writes the configuration: a `[system]` table of this lab's paths, then `body`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, body: &str) -> Result<()> {
        let text = format!(
            "[system]\nname = \"{}\"\nidle = \"adaptive\"\nmemory = 192\nhugepages = \"never\"\n\
             state_dir = \"{dir}/state\"\napi_socket = \"{dir}/api.sock\"\nmetrics = \"[::1]:9461\"\n\n{body}",
            self.name,
            dir = self.dir.display()
        );
        std::fs::write(self.config_path(), text).context("writing the router's configuration")
    }

    /// Writes the configuration and starts `hextetd`; returns when it is ready.
    ///
    /// # Errors
    /// When it does not get ready; its log is in the message.
    pub fn start(&self, body: &str) -> Result<()> {
        self.configure(body)?;
        self.restart()
    }

    /// Starts `hextetd` with the configuration already written; returns when its addresses are in use.
    ///
    /// # Errors
    /// When it does not get ready; its log is in the message.
    pub fn restart(&self) -> Result<()> {
        self.restart_with(|| Ok(()))
    }

    /// Starts `hextetd` with the configuration already written; it is not waited for.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&self) -> Result<()> {
        let daemon = Daemon::spawn(
            &format!(
                "ip netns exec {} {} --config {}",
                self.netns,
                binary("hextetd")?.display(),
                self.config_path().display()
            ),
            &self.dir.join("hextetd.log"),
        )?;
        *self.daemon.borrow_mut() = Some(daemon);
        Ok(())
    }

    /// The process id of `hextetd`, if it was started.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.borrow().as_ref().map(Daemon::pid)
    }

    /// As [`Router::restart`]; `at_once` runs before it is waited for, and gives what is returned.
    ///
    /// # Errors
    /// When it does not get ready; its log is in the message.
    pub fn restart_with<T>(&self, at_once: impl FnOnce() -> Result<T>) -> Result<T> {
        self.launch()?;
        let given = at_once().with_context(|| format!("hextetd said:\n{}", self.log()))?;
        let ready = wait_for(Duration::from_secs(30), "hextetd to be ready", || {
            if !self.daemon.borrow_mut().as_mut()?.is_running() {
                return Some(false);
            }
            let status = self.ctl("show status").ok()?;
            (status["ready"] == Value::Bool(true)).then_some(true)
        });
        match ready {
            Ok(true) => self.settled().map(|()| given),
            Ok(false) => bail!("hextetd ended at once; it said:\n{}", self.log()),
            Err(error) => Err(error.context(format!("hextetd said:\n{}", self.log()))),
        }
    }

    /// Waits until duplicate detection has judged every own address (RFC 5227 takes up to 7 s for IPv4).
    ///
    /// # Errors
    /// When one is still tentative after 15 s.
    pub fn settled(&self) -> Result<()> {
        wait_for(
            Duration::from_secs(15),
            "every own address to pass duplicate detection",
            || {
                let interfaces = self.ctl("show interfaces").ok()?;
                let up = interfaces.as_array()?.iter().filter(|i| i["state"] == "up");
                let mut addresses = up.filter_map(|i| i["addresses"].as_array()).flatten();
                addresses.all(|a| a["state"] != "tentative").then_some(())
            },
        )
    }

    /// What `hextetd` has logged.
    pub fn log(&self) -> String {
        self.daemon
            .borrow()
            .as_ref()
            .map(Daemon::log)
            .unwrap_or_default()
    }

    /// Runs `hextetctl --json ARGS` and gives what it printed, parsed.
    ///
    /// # Errors
    /// When it fails; what it said is in the message.
    pub fn ctl(&self, args: &str) -> Result<Value> {
        let text = self.hextetctl(&format!("--json {args}"))?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text)
            .with_context(|| format!("hextetctl {args} printed no JSON:\n{text}"))
    }

    /// Runs `hextetctl ARGS` as a person would and gives the text.
    ///
    /// # Errors
    /// When it fails; what it said is in the message.
    pub fn hextetctl(&self, args: &str) -> Result<String> {
        let command = format!(
            "{} --socket {} {args}",
            binary("hextetctl")?.display(),
            self.socket().display()
        );
        Ok(process::run(&command)?.ok()?.stdout)
    }

    /// Fetches the Prometheus page.
    ///
    /// # Errors
    /// When the exporter does not answer.
    pub fn metrics(&self) -> Result<String> {
        Ok(
            netns::exec(&self.netns, "curl -sf http://[::1]:9461/metrics")?
                .ok()?
                .stdout,
        )
    }

    /// Runs a command in the router's namespace.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub fn ok(&self, command: &str) -> Result<String> {
        Ok(netns::exec(&self.netns, command)?.ok()?.stdout)
    }

    /// Starts a command in the router's namespace (a capture, say).
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, command: &str, log: &str) -> Result<Daemon> {
        Daemon::spawn(
            &format!("ip netns exec {} {command}", self.netns),
            &self.dir.join(log),
        )
    }

    /// Total of one drop reason, over all devices.
    ///
    /// # Errors
    /// When the reason does not exist or the router does not answer.
    pub fn dropped(&self, reason: &str) -> Result<u64> {
        let drops = self.ctl("show drops")?;
        drops
            .as_array()
            .into_iter()
            .flatten()
            .find(|drop| drop["reason"] == reason)
            .and_then(|drop| drop["total"].as_u64())
            .with_context(|| format!("no drop reason named {reason} in {drops}"))
    }

    /// Asserts the conservation equation of every worker once the traffic has come to rest.
    ///
    /// # Errors
    /// When a packet is not accounted for within 5 s.
    pub fn assert_balanced(&self) -> Result<()> {
        let mut last = Value::Null;
        let balanced = wait_for(
            Duration::from_secs(5),
            "every packet to be accounted for",
            || {
                last = self.ctl("show accounting").ok()?;
                let workers = last.as_array()?;
                let all = !workers.is_empty()
                    && workers.iter().all(|w| w["balanced"] == Value::Bool(true));
                all.then_some(())
            },
        );
        balanced.with_context(|| format!("the equation does not hold: {last:#}"))
    }

    /// Stops `hextetd` by SIGTERM as an operator does, and returns how it ended.
    ///
    /// # Errors
    /// When it does not end within 10 s.
    pub fn stop(&self) -> Result<ExitStatus> {
        let Some(mut daemon) = self.daemon.borrow_mut().take() else {
            bail!("hextetd is not running")
        };
        daemon.signal(Signal::SIGTERM)?;
        let status = daemon.wait(Duration::from_secs(10))?;
        ensure!(
            status.success(),
            "hextetd ended with {status}:\n{}",
            daemon.log()
        );
        Ok(status)
    }

    /// Sends a signal to `hextetd`.
    ///
    /// # Errors
    /// When it is not running.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        match self.daemon.borrow().as_ref() {
            Some(daemon) => daemon.signal(signal),
            None => bail!("hextetd is not running"),
        }
    }

    /// SIGKILL: the crash that must lose nothing acknowledged.
    ///
    /// # Errors
    /// When it is not running.
    pub fn crash(&self) -> Result<()> {
        let Some(mut daemon) = self.daemon.borrow_mut().take() else {
            bail!("hextetd is not running")
        };
        daemon.signal(Signal::SIGKILL)?;
        daemon.wait(Duration::from_secs(10)).map(drop)
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- hextetd of {} said:\n{}", self.name, self.log());
        }
        drop(self.daemon.borrow_mut().take());
        netns::delete(&self.netns);
    }
}

/// The path of one of our binaries: beside the test's own, or in `HEXTET_BIN_DIR`.
///
/// # Errors
/// When it has not been built, and says how.
pub fn binary(name: &str) -> Result<PathBuf> {
    let dirs = match std::env::var_os("HEXTET_BIN_DIR") {
        Some(dir) => vec![PathBuf::from(dir)],
        None => {
            let exe = std::env::current_exe()?;
            exe.ancestors()
                .skip(1)
                .take(2)
                .map(Path::to_owned)
                .collect()
        }
    };
    dirs.iter()
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .with_context(|| {
            format!("{name} is not built: run `cargo build --bins` first (looked in {dirs:?})")
        })
}
