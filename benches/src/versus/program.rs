//! A contestant's process, with one or more polling threads, run in turns.

use super::api::Api;
use super::meter;
use super::ovs::Control;
use super::stop;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How a contestant's packets are counted, port by port: each polling thread has one port.
#[derive(Clone, Debug)]
pub enum Packets {
    /// A DPDK telemetry socket, and the number of ports.
    Telemetry(PathBuf, usize),
    /// `GET /v1/devices`, the devices in this order.
    Hextet(Api, &'static [&'static str]),
    /// The same, of two devices: received by the first, sent by the second.
    HextetAcross(Api, [&'static str; 2]),
    /// The same, of two devices that one worker reads: received and sent by either.
    HextetBoth(Api, [&'static str; 2]),
    /// Open vSwitch's own control socket.
    Ovs(Control),
}

/// A running (or stopped) process.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
    threads: Vec<u32>,
    packets: Packets,
}

/// What one polling thread did in a window.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// TSC cycles per packet sent.
    pub cycles_per_packet: f64,
    /// Packets sent as a share of those received.
    pub sent_share: f64,
    /// Packets sent a second of wall clock, in millions: below what the cycles say when the CPU was shared.
    pub wall_mpps: f64,
}

impl Program {
    /// Starts a process; its output goes to `log`. It is killed if this one dies first.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(
        name: &'static str,
        command: &Command,
        log: &Path,
        packets: Packets,
    ) -> Result<Self> {
        let out = File::create(log)?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(command.get_program())
            .args(command.get_args())
            .envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))))
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self {
            name,
            child,
            log: log.to_owned(),
            threads: Vec::new(),
            packets,
        })
    }

    /// Waits until its polling threads (of these names) move packets, then stops it.
    ///
    /// # Errors
    /// When it ends or moves nothing in time; what it said is in the message.
    pub fn settle(&mut self, threads: &[String], patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}: {}", self.name, self.said());
            }
            let pid = self.child.id();
            let found = threads
                .iter()
                .map(|name| meter::thread_named(pid, name))
                .collect();
            if let Ok::<Vec<u32>, _>(found) = found
                && let Ok(counts) = self.count()
                && counts.iter().all(|(_, tx)| 1_000_000 < *tx)
                && self.ready()
            {
                self.threads = found;
                return self.pause();
            }
            ensure!(
                Instant::now() < end,
                "{} moves no packets: {}",
                self.name,
                self.said()
            );
            stop::sleep(Duration::from_millis(200))?;
        }
    }

    /// Measures it while it runs; a window for each polling thread.
    ///
    /// # Errors
    /// When it ends meanwhile.
    pub fn measure(
        &self,
        warm_up: Duration,
        length: Duration,
        tsc_ghz: f64,
    ) -> Result<Vec<Window>> {
        stop::sleep(warm_up)?;
        let (began, first) = (Instant::now(), self.read()?);
        stop::sleep(length)?;
        let (elapsed, last) = (began.elapsed(), self.read()?);
        let window = |(first, last): (&Reading, &Reading)| {
            let (rx, tx) = ((last.rx - first.rx) as f64, (last.tx - first.tx) as f64);
            ensure!(
                0.0 < tx,
                "{} sent nothing in a window: {}",
                self.name,
                self.said()
            );
            Ok(Window {
                cycles_per_packet: (last.cpu_ns - first.cpu_ns) as f64 * tsc_ghz / tx,
                sent_share: tx / rx,
                wall_mpps: tx / elapsed.as_secs_f64() / 1e6,
            })
        };
        first.iter().zip(&last).map(window).collect()
    }

    /// hextetd's API.
    pub fn api(&self) -> Option<&Api> {
        match &self.packets {
            Packets::Hextet(api, _)
            | Packets::HextetAcross(api, _)
            | Packets::HextetBoth(api, _) => Some(api),
            _ => None,
        }
    }

    /// Continues it after [`Program::pause`].
    ///
    /// # Errors
    /// When it is gone.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Stops it until [`Program::resume`].
    ///
    /// # Errors
    /// When it is gone.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// `(rss, huge pages)` in bytes.
    pub fn memory(&self) -> (u64, u64) {
        meter::memory(self.child.id())
    }

    fn read(&self) -> Result<Vec<Reading>> {
        let pid = self.child.id();
        let clocks = || -> Result<Vec<u64>> {
            self.threads
                .iter()
                .map(|&tid| meter::cpu_ns(pid, tid))
                .collect()
        };
        // The counters lie between two clock readings, of which the middle is taken: asking takes time.
        let before = clocks()?;
        let counts = self.count()?;
        let after = clocks()?;
        ensure!(
            counts.len() == after.len(),
            "{} ports, {} threads",
            counts.len(),
            after.len()
        );
        let clocks = before
            .into_iter()
            .zip(after)
            .map(|(b, a)| u64::midpoint(b, a));
        let readings = clocks.zip(counts);
        Ok(readings
            .map(|(cpu_ns, (rx, tx))| Reading { cpu_ns, rx, tx })
            .collect())
    }

    fn count(&self) -> Result<Vec<(u64, u64)>> {
        match &self.packets {
            Packets::Ovs(control) => Ok(vec![control.packets()?]),
            Packets::Telemetry(socket, ports) => (0..*ports)
                .map(|port| meter::telemetry_packets(socket, port))
                .collect(),
            Packets::Hextet(api, names) => {
                let devices = api.get("/v1/devices")?;
                names.iter().map(|name| device(&devices, name)).collect()
            }
            Packets::HextetAcross(api, [from, to]) => {
                let devices = api.get("/v1/devices")?;
                let ((rx, _), (_, tx)) = (device(&devices, from)?, device(&devices, to)?);
                Ok(vec![(rx, tx)])
            }
            Packets::HextetBoth(api, [one, other]) => {
                let devices = api.get("/v1/devices")?;
                let (one, other) = (device(&devices, one)?, device(&devices, other)?);
                Ok(vec![(one.0 + other.0, one.1 + other.1)])
            }
        }
    }

    /// Whether all of its routes are in place; only Hextet can be asked.
    fn ready(&self) -> bool {
        match &self.packets {
            Packets::Telemetry(..) | Packets::Ovs(_) => true,
            Packets::Hextet(api, _)
            | Packets::HextetAcross(api, _)
            | Packets::HextetBoth(api, _) => api
                .get("/v1/status")
                .is_ok_and(|status| status["ready"] == true),
        }
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal)
            .with_context(|| format!("signalling {}", self.name))
    }

    /// The last it said, in one line.
    pub fn said(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(4000)..]);
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(3)..].join(" / ")
    }
}

/// `(received, sent)` of a device in the API's list.
fn device(devices: &serde_json::Value, name: &str) -> Result<(u64, u64)> {
    let mut all = devices.as_array().into_iter().flatten();
    let device = all.find(|device| device["name"] == name);
    let counters = &device.with_context(|| format!("no device {name}"))?["counters"];
    let field = |f: &str| counters[f].as_u64().with_context(|| format!("no {f}"));
    Ok((field("rx_packets")?, field("tx_packets")?))
}

/// One reading: a polling thread's CPU time and its port's packets since the start.
#[derive(Clone, Copy, Debug)]
struct Reading {
    cpu_ns: u64,
    rx: u64,
    tx: u64,
}

impl Program {
    /// Ends it: asked first, killed after five seconds.
    fn end(&mut self) {
        let _ = self.resume();
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

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
        // DPDK leaves its run-time folder behind.
        if let Packets::Telemetry(socket, _) = &self.packets
            && let Some(folder) = socket.parent()
        {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
