//! A contestant: a process with one polling thread, run in turns.

use super::meter::{self, Reading};
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How a contestant's packets are counted.
#[derive(Clone, Debug)]
pub enum Packets {
    /// A DPDK telemetry socket.
    Telemetry(PathBuf),
    /// `hextetctl --socket PATH --json show devices`: cheaper than the books, which wait for a quiet moment.
    Hextet {
        /// The tool.
        ctl: PathBuf,
        /// hextetd's API socket.
        socket: PathBuf,
    },
}

/// A running (or stopped) contestant.
#[derive(Debug)]
pub struct Contestant {
    /// Its name in the report.
    pub name: &'static str,
    child: Child,
    log: PathBuf,
    thread: Option<u32>,
    packets: Packets,
}

/// One measured window.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// TSC cycles per packet sent.
    pub cycles_per_packet: f64,
    /// Packets sent as a share of those received.
    pub sent_share: f64,
}

impl Contestant {
    /// Starts a process; its output goes to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(
        name: &'static str,
        command: &mut Command,
        log: &Path,
        packets: Packets,
    ) -> Result<Self> {
        let out = File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self {
            name,
            child,
            log: log.to_owned(),
            thread: None,
            packets,
        })
    }

    /// Waits until its polling thread (of this name) moves packets, then stops it.
    ///
    /// # Errors
    /// When it ends or moves nothing within a minute; what it said is in the message.
    pub fn settle(&mut self, thread: &str) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.said());
            }
            self.thread = meter::thread_named(self.child.id(), thread).ok();
            if let (Some(_), Ok((_, tx))) = (self.thread, self.count())
                && 1_000_000 < tx
                && self.ready()
            {
                return self.signal(Signal::SIGSTOP);
            }
            ensure!(
                Instant::now() < end,
                "{} moves no packets:\n{}",
                self.name,
                self.said()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Lets it run for one window and stops it again.
    ///
    /// # Errors
    /// When it ends meanwhile.
    pub fn window(&mut self, warm_up: Duration, length: Duration, tsc_ghz: f64) -> Result<Window> {
        self.signal(Signal::SIGCONT)?;
        std::thread::sleep(warm_up);
        let first = self.read()?;
        std::thread::sleep(length);
        let last = self.read()?;
        self.signal(Signal::SIGSTOP)?;
        let (rx, tx) = ((last.rx - first.rx) as f64, (last.tx - first.tx) as f64);
        ensure!(
            0.0 < tx,
            "{} sent nothing in a window:\n{}",
            self.name,
            self.said()
        );
        Ok(Window {
            cycles_per_packet: (last.cpu_ns - first.cpu_ns) as f64 * tsc_ghz / tx,
            sent_share: tx / rx,
        })
    }

    fn read(&self) -> Result<Reading> {
        let tid = self.thread.context("not settled")?;
        // The counters lie between two clock readings, of which the middle is taken: asking takes time.
        let before = meter::cpu_ns(self.child.id(), tid)?;
        let (rx, tx) = self.count()?;
        let after = meter::cpu_ns(self.child.id(), tid)?;
        Ok(Reading {
            cpu_ns: u64::midpoint(before, after),
            rx,
            tx,
        })
    }

    fn count(&self) -> Result<(u64, u64)> {
        match &self.packets {
            Packets::Telemetry(socket) => meter::telemetry_packets(socket),
            Packets::Hextet { ctl, socket } => {
                let devices = meter::hextetctl(ctl, socket, "devices")?;
                let sum = |field: &str| -> u64 {
                    devices
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(|device| device["counters"][field].as_u64())
                        .sum()
                };
                Ok((sum("rx_packets"), sum("tx_packets")))
            }
        }
    }

    /// Whether all of its routes are in place; only Hextet can be asked.
    fn ready(&self) -> bool {
        match &self.packets {
            Packets::Telemetry(_) => true,
            Packets::Hextet { ctl, socket } => meter::hextetctl(ctl, socket, "status")
                .is_ok_and(|status| status["ready"] == serde_json::Value::Bool(true)),
        }
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal)
            .with_context(|| format!("signalling {}", self.name))
    }

    fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        let _ = self.signal(Signal::SIGCONT);
        let _ = self.signal(Signal::SIGTERM);
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
