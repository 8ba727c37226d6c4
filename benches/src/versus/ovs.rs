//! Open vSwitch on DPDK's datapath as a router: one rule for each route, in a network namespace and with a database, sockets
//! and memory of its own, so that a system's Open vSwitch is left alone.
//!
//! It is one process and two contestants: with its exact-match cache as it comes, and without, which is faster when there
//! are more flows than the cache holds. The megaflows that its slow path makes from the rules are all made before the first
//! window; then the revalidators rest, because to them a stopped process looks like flows that nobody uses.

use super::feed::Feed;
use super::program::{Packets, Program};
use super::rounds::Contestant;
use super::stop;
use super::table::Table;
use super::{MAIN_CORE, WORKER_CORE};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Debian's build with DPDK; the name without a path may lead to the other one.
const SWITCHES: [&str; 2] = [
    "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk",
    "ovs-vswitchd",
];
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
/// MiB of huge pages: its packet buffers, which hold the feed too.
const MEMORY: u32 = 1300;
/// Its names.
pub const NAMES: [&str; 2] = ["ovs-dpdk", "ovs-dpdk-noemc"];

/// `ovs-vswitchd`'s control socket.
#[derive(Clone, Debug)]
pub struct Control {
    socket: PathBuf,
    /// The ports that packets come by ...
    into: &'static [&'static str],
    /// ... and those that they leave by.
    out: &'static [&'static str],
}

impl Control {
    /// What a command of `ovs-appctl` prints.
    ///
    /// # Errors
    /// When there is no answer, or an error.
    pub fn ask(&self, command: &str, arguments: &[&str]) -> Result<String> {
        let mut stream = UnixStream::connect(&self.socket)
            .with_context(|| format!("connecting to {}", self.socket.display()))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let request = json!({ "id": 0, "method": command, "params": arguments });
        stream.write_all(request.to_string().as_bytes())?;
        let mut answers = serde_json::Deserializer::from_reader(stream).into_iter::<Value>();
        let answer = answers.next().context("no answer")??;
        let result = answer["result"].as_str().map(str::to_owned);
        result.with_context(|| format!("{command}: {}", answer["error"]))
    }

    /// Received by the feed, and sent where its packets leave.
    ///
    /// # Errors
    /// When there is no such port.
    pub fn packets(&self) -> Result<(u64, u64)> {
        let text = self.ask("dpctl/show", &["-s"])?;
        let of = |name| {
            port_packets(&text, name).with_context(|| format!("no counters of {name} in {text}"))
        };
        let sum = |ports: &[&'static str], which: fn((u64, u64)) -> u64| {
            ports
                .iter()
                .map(|&port| of(port).map(which))
                .sum::<Result<u64>>()
        };
        Ok((sum(self.into, |of| of.0)?, sum(self.out, |of| of.1)?))
    }

    /// Packets that went to the slow path.
    fn misses(&self) -> Result<u64> {
        let text = self.ask(
            "dpif-netdev/pmd-stats-show",
            &["-pmd", &WORKER_CORE.to_string()],
        )?;
        misses(&text).with_context(|| format!("no misses in {text}"))
    }
}

/// `RX packets` and `TX packets` of a port in what `dpctl/show -s` prints.
fn port_packets(text: &str, name: &str) -> Option<(u64, u64)> {
    let start = format!(": {name} (");
    let port = text
        .split("\n  port ")
        .find(|part| part.lines().next().is_some_and(|l| l.contains(&start)))?;
    let number = |label: &str| -> Option<u64> {
        let rest = port.split(label).nth(1)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    Some((number("RX packets:")?, number("TX packets:")?))
}

/// The sum of lines that begin with `miss with`.
fn misses(text: &str) -> Option<u64> {
    let lines = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("miss with "));
    let numbers = lines.map(|line| line.split(": ").nth(1)?.trim().parse::<u64>().ok());
    numbers
        .collect::<Option<Vec<u64>>>()
        .filter(|n| !n.is_empty())
        .map(|n| n.iter().sum())
}

/// What outlives the switch itself: namespace and database.
#[derive(Debug)]
struct Surroundings {
    dir: PathBuf,
    namespace: String,
    database: Option<Child>,
}

impl Surroundings {
    fn new(dir: &Path) -> Result<Surroundings> {
        let dir = dir.join("ovs");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir)?;
        let namespace = format!("versus-ovs-{}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &namespace]))?;
        let mut surroundings = Surroundings {
            dir,
            namespace,
            database: None,
        };
        let database = surroundings.dir.join("conf.db");
        run(Command::new("ovsdb-tool")
            .arg("create")
            .arg(&database)
            .arg(SCHEMA))?;
        let log = File::create(surroundings.dir.join("ovsdb.log"))?;
        let child = surroundings
            .command("ovsdb-server")
            .arg(format!(
                "--remote=punix:{}",
                surroundings.socket().display()
            ))
            .arg(format!(
                "--unixctl={}",
                surroundings.dir.join("ovsdb.ctl").display()
            ))
            .arg(database)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting ovsdb-server")?;
        surroundings.database = Some(child);
        let end = Instant::now() + Duration::from_secs(5);
        while !surroundings.socket().exists() {
            ensure!(Instant::now() < end, "ovsdb-server makes no socket");
            stop::sleep(Duration::from_millis(50))?;
        }
        Ok(surroundings)
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("db.sock")
    }

    /// A program in the namespace, with files of its own, killed if this process dies.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &self.namespace,
            "setpriv",
            "--pdeathsig",
            "KILL",
            program,
        ]);
        for folder in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"] {
            command.env(folder, &self.dir);
        }
        command
    }

    fn vsctl(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.command("ovs-vsctl");
        command
            .arg(format!("--db=unix:{}", self.socket().display()))
            .args(arguments);
        run(&mut command)
    }
}

impl Drop for Surroundings {
    fn drop(&mut self) {
        if let Some(database) = &mut self.database {
            let _ = database.kill();
            let _ = database.wait();
        }
        let _ = run(Command::new("ip").args(["netns", "del", &self.namespace]));
    }
}

/// A switch on its way to two contestants: started, then given bridges, ports and rules, and the feed last.
#[derive(Debug)]
pub struct Switch {
    around: Surroundings,
    control: Control,
    program: Program,
}

impl Switch {
    /// Starts it without a bridge. `out` is the port that the feed's packets will leave by.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn launch(dir: &Path, out: &'static [&'static str]) -> Result<Self> {
        Self::launch_with(dir, &["feed"], out)
    }

    /// The same, with feeds at both ends: `feed` and `second`.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn between(dir: &Path) -> Result<Self> {
        const BOTH: &[&str] = &["feed", "second"];
        Self::launch_with(dir, BOTH, BOTH)
    }

    fn launch_with(
        dir: &Path,
        into: &'static [&'static str],
        out: &'static [&'static str],
    ) -> Result<Self> {
        let binary = SWITCHES.into_iter().find(|path| Path::new(path).exists());
        let binary =
            binary.context("no Open vSwitch with DPDK (Debian package openvswitch-switch-dpdk)")?;
        let around = Surroundings::new(dir)?;
        let config = [
            "dpdk-init=true".to_owned(),
            format!("pmd-cpu-mask=0x{:x}", 1 << WORKER_CORE),
            format!("dpdk-lcore-mask=0x{:x}", 1 << MAIN_CORE),
            format!("dpdk-socket-mem={MEMORY}"),
            "dpdk-extra=--no-pci --in-memory".to_owned(),
            "max-idle=3600000".to_owned(),
            "flow-limit=200000".to_owned(),
        ];
        let config = config.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((&pair, ""));
            format!("other_config:{key}=\"{value}\"")
        });
        let mut set = vec!["--no-wait", "set", "Open_vSwitch", "."];
        set.extend(config.iter().map(String::as_str));
        around.vsctl(&["--no-wait", "init"])?;
        around.vsctl(&set)?;
        let control = Control {
            socket: around.dir.join("vswitchd.ctl"),
            into,
            out,
        };
        let mut command = around.command(binary);
        command
            .arg(format!("unix:{}", around.socket().display()))
            .arg(format!("--unixctl={}", control.socket.display()));
        let log = dir.join("ovs.log");
        let program = Program::spawn(NAMES[0], &command, &log, Packets::Ovs(control.clone()))?;
        Ok(Self {
            around,
            control,
            program,
        })
    }

    /// Its control socket.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Adds a bridge with such columns; without rules it forwards nothing.
    ///
    /// # Errors
    /// When it is refused.
    pub fn bridge(&self, name: &str, columns: &[&str]) -> Result<()> {
        let add = [
            "--timeout=30",
            "add-br",
            name,
            "--",
            "set",
            "bridge",
            name,
            "datapath_type=netdev",
            "fail-mode=secure",
        ];
        let arguments = [&add, columns].concat();
        self.around
            .vsctl(&arguments)
            .with_context(|| self.program.said())
    }

    /// Adds a port with such columns of its interface.
    ///
    /// # Errors
    /// When it is refused.
    pub fn port(&self, bridge: &str, name: &str, columns: &[&str]) -> Result<()> {
        let add = [
            "--timeout=60",
            "add-port",
            bridge,
            name,
            "--",
            "set",
            "Interface",
            name,
        ];
        let arguments = [&add, columns].concat();
        self.around
            .vsctl(&arguments)
            .with_context(|| self.program.said())
    }

    /// Takes a port away.
    ///
    /// # Errors
    /// When it is refused.
    pub fn remove_port(&self, bridge: &str, name: &str) -> Result<()> {
        let arguments = ["--timeout=60", "del-port", bridge, name];
        self.around
            .vsctl(&arguments)
            .with_context(|| self.program.said())
    }

    /// Adds rules, one a line.
    ///
    /// # Errors
    /// When they are refused.
    pub fn flows(&self, bridge: &str, rules: &str) -> Result<()> {
        let file = self.around.dir.join("rules");
        std::fs::write(&file, rules)?;
        let mut command = self.around.command("ovs-ofctl");
        run(command.args(["--names", "add-flows", bridge]).arg(&file))
    }

    /// Runs a program in its namespace.
    ///
    /// # Errors
    /// When that fails.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        run(self.around.command(program).args(arguments))
    }

    /// Adds the feed, as port `feed`.
    ///
    /// # Errors
    /// When it is refused.
    pub fn feed(&self, bridge: &str, feed: &Feed) -> Result<()> {
        self.feed_numbered(bridge, "feed", feed, 0)
    }

    /// Adds a feed, one of several, as a port of this name.
    ///
    /// # Errors
    /// When it is refused.
    pub fn feed_numbered(
        &self,
        bridge: &str,
        name: &str,
        feed: &Feed,
        number: usize,
    ) -> Result<()> {
        // Unquoted, its commas would begin further options.
        let devargs = format!("options:dpdk-devargs=\"{}\"", feed.vdev_numbered(number));
        self.port(bridge, name, &["type=dpdk", &devargs])
    }

    /// Waits until it forwards the feed by its fast path, then stops it.
    ///
    /// # Errors
    /// When it does not, or keeps missing.
    pub fn contestants(mut self) -> Result<Vec<Contestant>> {
        self.program.settle(
            &[format!("pmd-c{WORKER_CORE:02}/id:")],
            Duration::from_secs(30),
        )?;
        self.program.resume()?;
        let missing = quiet(&self.control);
        self.control.ask("revalidator/pause", &[])?;
        self.program.pause()?;
        missing?;
        let (switch, around) = (Rc::new(self.program), Rc::new(self.around));
        // One in so many packets enters the cache, 100 as it comes; 0 is none, and then it is not asked either.
        let contestant = |(name, probability): (&'static str, &'static str)| {
            let around = around.clone();
            let set = move |_: &Program| {
                let value = format!("other_config:emc-insert-inv-prob={probability}");
                around.vsctl(&["--no-wait", "set", "Open_vSwitch", ".", &value])
            };
            Contestant {
                name,
                program: switch.clone(),
                thread: 0,
                before: Some(Box::new(set)),
                after: None,
            }
        };
        Ok([(NAMES[0], "100"), (NAMES[1], "0")].map(contestant).into())
    }
}

/// Starts it on a feed, as a router.
///
/// # Errors
/// When it is not installed, does not start, or keeps missing.
pub fn start(feed: &Feed, dir: &Path) -> Result<Vec<Contestant>> {
    let switch = Switch::launch(dir, &["feed"])?;
    switch.bridge("br0", &[])?;
    // Before the feed comes: under traffic it takes some two hundred a second.
    switch.flows("br0", &rules_of(feed))?;
    switch.feed("br0", feed)?;
    switch.contestants()
}

/// Waits until next to no packet goes to the slow path.
fn quiet(control: &Control) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let before = control.misses()?;
        stop::sleep(Duration::from_secs(1))?;
        let missed = control.misses()? - before;
        if missed < 50 {
            return Ok(());
        }
        ensure!(
            Instant::now() < end,
            "{missed} packets a second still go to its slow path"
        );
    }
}

fn rules_of(feed: &Feed) -> String {
    let field = match *feed.table {
        Table::V6(_) => "ipv6,ipv6_dst",
        Table::V4(_) => "ip,nw_dst",
    };
    let mut text = String::new();
    for (prefix, via) in feed.table.routes() {
        let len: u32 = prefix
            .split_once('/')
            .and_then(|p| p.1.parse().ok())
            .unwrap_or(0);
        let _ = writeln!(
            text,
            "priority={},{field}={prefix},actions=dec_ttl,mod_dl_src:02:70:63:61:70:00,mod_dl_dst:02:00:00:00:{:02x}:{:02x},IN_PORT",
            100 + len,
            via >> 8,
            via & 0xff
        );
    }
    text
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("running {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{:?}: {said}",
        command.get_program()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOW: &str = "netdev@ovs-netdev:\n  lookups: hit:5 missed:1 lost:0\n  flows: 1\n  port 0: ovs-netdev (tap)\n    \
        RX packets:0 errors:0 dropped:0 overruns:0 frame:0\n    TX packets:0 errors:0 dropped:0 aborted:0 carrier:0\n  \
        port 2: feed (dpdk: configured_rx_queues=1)\n    RX packets:12 errors:0 dropped:0 overruns:0 frame:0\n    \
        TX packets:11 errors:0 dropped:0 aborted:0 carrier:0\n    collisions:0\n";

    #[test]
    fn a_ports_packets_are_read() {
        assert_eq!(port_packets(SHOW, "feed"), Some((12, 11)));
        assert_eq!(port_packets(SHOW, "ovs-netdev"), Some((0, 0)));
        assert_eq!(port_packets(SHOW, "fee"), None);
    }

    #[test]
    fn misses_are_summed() {
        let text = "pmd thread numa_id 0 core_id 1:\n  packets received: 9\n  miss with success upcall: 3\n  miss with failed upcall: 4\n";
        assert_eq!(misses(text), Some(7));
        assert_eq!(misses("packets received: 9\n"), None);
    }

    #[test]
    fn a_rule_is_made_of_each_route() {
        let dir = tempfile::tempdir().unwrap();
        let feed = Feed {
            pcap: dir.path().join("x"),
            table: Rc::new(Table::few4()),
        };
        let rules = rules_of(&feed);
        assert_eq!(rules.lines().count(), 8);
        assert_eq!(
            rules.lines().next().unwrap(),
            "priority=124,ip,nw_dst=10.0.1.0/24,actions=dec_ttl,mod_dl_src:02:70:63:61:70:00,mod_dl_dst:02:00:00:00:00:01,IN_PORT"
        );
    }
}
