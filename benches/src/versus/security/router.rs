//! hextetd with a machine plugged in.

use super::super::api::Api;
use super::super::feed::Feed;
use super::super::program::{Packets, Program};
use super::super::{MBUFS, WORKER_CORE, stop};
use super::feeds::Feeds;
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// The machine's MAC and address: those of the feed's packets.
pub const MACHINE: &str = "02:00:00:00:00:fe";
pub const ADDRESS: &str = "2001:db8:ffff::1";
/// The MAC of the world's device.
pub const WORLD: &str = "02:70:63:61:70:01";
/// Flows that a port may have where every packet is to begin one.
pub const FEW_FLOWS: u32 = 1_000;

/// What the machine's port has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// There is none.
    Open,
    /// Guard and groups, so many flows.
    Stateful(usize),
    /// The guard, and groups that let everything pass and remember nothing.
    Guard,
    /// Guard and groups of so many rules, and a quota so small that every packet begins a flow.
    New(usize),
}

/// Whether the world answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    Never,
    Always,
    /// Until all flows have had one.
    AtFirst,
}

/// A router to start.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    feeds: &'a Feeds,
    port: Port,
    answers: Answers,
    /// Buffers have room for the feed's packets only.
    short: bool,
}

impl<'a> Setup<'a> {
    /// Without a port.
    pub fn new(feeds: &'a Feeds) -> Self {
        Self {
            feeds,
            port: Port::Open,
            answers: Answers::Never,
            short: false,
        }
    }

    /// With this port.
    pub fn with(self, port: Port) -> Self {
        Self { port, ..self }
    }

    /// With answers.
    pub fn answered(self, answers: Answers) -> Self {
        Self { answers, ..self }
    }

    /// With short buffers.
    pub fn short(self) -> Self {
        Self {
            short: true,
            ..self
        }
    }

    /// Flows that there are to be.
    pub fn flows(&self) -> Option<usize> {
        match self.port {
            Port::Stateful(n) => Some(n),
            _ => None,
        }
    }

    /// Starts it, and waits until it forwards.
    ///
    /// # Errors
    /// When it does not.
    pub fn start(&self, name: &'static str, dir: &Path) -> Result<Program> {
        let (socket, config) = prepare(name, dir)?;
        let answers = self.answers != Answers::Never;
        std::fs::write(&config, self.configuration(&socket, answers))?;
        let api = Api(socket.clone());
        let packets = match self.answers {
            Answers::Always => Packets::HextetBoth(api.clone(), ["feed", "answers"]),
            _ => Packets::HextetAcross(api.clone(), ["feed", "world"]),
        };
        let program = spawn(name, dir, &config, packets)?;
        if self.answers == Answers::AtFirst {
            program.resume()?;
            established(&api)?;
            std::fs::write(&config, self.configuration(&socket, false))?;
            api.post_text("/v1/reload", "")?;
            program.pause()?;
        }
        Ok(program)
    }

    fn configuration(&self, socket: &Path, answers: bool) -> String {
        let (memory, mbufs, size) = match (self.short, self.port) {
            (true, Port::Stateful(n)) => (800 + n / 1000, 2 * n as u32 + MBUFS, "mbuf_size = 128"),
            _ => (1400, MBUFS, ""),
        };
        let mut text = system(socket, memory, mbufs);
        let _ = writeln!(text, "{size}");
        device(&mut text, "feed", Some(&self.feeds.requests));
        let world = match self.answers {
            Answers::Always => "answers",
            _ => "world",
        };
        if world == "world" {
            device(&mut text, "world", None);
        }
        if answers {
            device(&mut text, "answers", Some(&self.feeds.answers));
        }
        if self.port != Port::Open {
            secured(&mut text, self.port);
        }
        machine(&mut text);
        if answers && world != "answers" {
            text.push_str(
                r#"
[[router.interface]]
name = "answers"
device = "answers"
mac = "02:70:63:61:70:01"
addresses = ["2001:db8:fffc::2/48"]
"#,
            );
        }
        let place = format!("device = \"{world}\"");
        self::world(&mut text, &place, WORLD, &self.feeds.requests);
        text
    }
}

/// Waits until all flows that a question finds have had an answer.
fn established(api: &Api) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        stop::sleep(Duration::from_millis(500))?;
        let flows = api.get("/v1/flows?limit=1000")?;
        let flows = flows.as_array().context("no list of flows")?;
        let answered = |flow: &&serde_json::Value| flow["state"] != "unreplied";
        if flows.len() == 1000 && flows.iter().all(|flow| answered(&flow)) {
            return Ok(());
        }
        ensure!(
            Instant::now() < end,
            "only {} of {} flows are established",
            flows.iter().filter(answered).count(),
            flows.len()
        );
    }
}

/// The socket and the configuration of a hextetd that has forgotten what was before.
pub fn prepare(name: &str, dir: &Path) -> Result<(std::path::PathBuf, std::path::PathBuf)> {
    let _ = std::fs::remove_dir_all(dir.join(format!("{name}-security.state")));
    let path = |what: &str| dir.join(format!("{name}-security.{what}"));
    Ok((path("sock"), path("toml")))
}

/// Starts hextetd and waits until its packets are moving.
pub fn spawn(name: &'static str, dir: &Path, config: &Path, packets: Packets) -> Result<Program> {
    let bin = std::env::current_exe()?.with_file_name("hextetd");
    let mut command = Command::new(bin);
    command.arg("--config").arg(config);
    let log = dir.join(format!("{name}-security.log"));
    let mut hextet = Program::spawn(name, &command, &log, packets)?;
    hextet.settle(&["hextet-w0".to_owned()], Duration::from_secs(180))?;
    Ok(hextet)
}

/// The table of the process, open at its end.
pub fn system(socket: &Path, memory: usize, mbufs: u32) -> String {
    format!(
        "[system]\nname = \"versus\"\ncpus = [{WORKER_CORE}]\nidle = \"poll\"\nmemory = {memory}\nmbufs = {mbufs}\n\
         state_dir = \"{}\"\napi_socket = \"{}\"\n",
        socket.with_extension("state").display(),
        socket.display(),
    )
}

/// A device that receives a feed, or nothing.
pub fn device(text: &mut String, name: &str, feed: Option<&Feed>) {
    let kind = match feed {
        Some(feed) => format!(
            "\"pcap\"\nrx = \"{}\"\ninfinite = true",
            feed.pcap.display()
        ),
        None => "\"null\"".to_owned(),
    };
    let _ = write!(text, "\n[[device]]\nname = \"{name}\"\nkind = {kind}\n");
}

/// The router, with an interface for the machine that sends the requests.
pub fn machine(text: &mut String) {
    let _ = write!(
        text,
        r#"
[[router]]
name = "main"
[[router.interface]]
name = "machine"
device = "feed"
mac = "02:70:63:61:70:00"
addresses = ["2001:db8:ffff::2/48"]
[[router.interface.neighbor]]
address = "{ADDRESS}"
mac = "{MACHINE}"
"#
    );
}

/// Its interface for the world at a place (`device` and perhaps `vlan`), with the routes of a feed, by neighbours there.
pub fn world(text: &mut String, place: &str, mac: &str, feed: &Feed) {
    let _ = write!(
        text,
        r#"
[[router.interface]]
name = "world"
{place}
mac = "{mac}"
addresses = ["2001:db8:fffe::2/48"]
"#
    );
    let gateway = |number: u32| format!("2001:db8:fffe:1::{number:x}");
    for number in 1..=feed.table.n_next_hops() {
        let (address, [.., a, b]) = (gateway(number), number.to_be_bytes());
        let _ = write!(
            text,
            "[[router.interface.neighbor]]\naddress = \"{address}\"\nmac = \"02:00:00:00:{a:02x}:{b:02x}\"\n"
        );
    }
    for (prefix, via) in feed.table.routes() {
        let via = gateway(via);
        let _ = write!(
            text,
            "[[router.route]]\nprefix = \"{prefix}\"\nvia = \"{via}\"\ninterface = \"world\"\n"
        );
    }
}

/// The machine's port and its group.
fn secured(text: &mut String, port: Port) {
    let (stateful, rules, max_flows) = match port {
        Port::Stateful(n) => (true, 1, n as u32 + n as u32 / 50),
        Port::Open | Port::Guard => (false, 1, FEW_FLOWS),
        Port::New(rules) => (true, rules, FEW_FLOWS),
    };
    let room = max_flows.max(262_144).next_power_of_two();
    let _ = write!(
        text,
        r#"
[security]
max_flows = {room}
[[port]]
name = "machine"
device = "feed"
mac_address = "{MACHINE}"
fixed_ips = ["{ADDRESS}"]
security_groups = ["tenant"]
max_flows = {max_flows}
[[security_group]]
name = "tenant"
stateful = {stateful}
"#
    );
    let mut rule = |direction: &str, more: &str| {
        let _ = write!(
            text,
            "[[security_group.rule]]\ndirection = \"{direction}\"\nethertype = \"ipv6\"\n{more}"
        );
    };
    if port == Port::Guard {
        rule("ingress", "");
        return rule("egress", "");
    }
    // The last one is that which lets the packets pass; those before are of other ports and of other remotes.
    for number in 1..rules {
        let (a, b) = (number >> 8, number & 0xff);
        rule(
            "egress",
            &format!(
                "protocol = \"tcp\"\nport_range_min = {0}\nport_range_max = {0}\nremote_ip_prefix = \"2001:db8:{a:x}:{b:x}::/64\"\n",
                1 + number
            ),
        );
    }
    rule("egress", "protocol = \"udp\"\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_its_rules_and_a_router_without_one_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let feeds = Feeds::write(dir.path(), 10).unwrap();
        let setup = Setup::new(&feeds);
        let socket = dir.path().join("x.sock");
        let text = |setup: Setup<'_>, answers| setup.configuration(&socket, answers);
        let open = text(setup, false);
        assert!(!open.contains("[[port]]") && open.contains("\"null\""));
        assert_eq!(open.matches("[[router.route]]").count(), 8);
        let many = text(setup.with(Port::New(10_000)), false);
        assert!(many.contains("[[port]]") && many.contains("\"null\""));
        assert_eq!(many.matches("[[security_group.rule]]").count(), 10_000);
        let first = setup.with(Port::Stateful(10)).answered(Answers::AtFirst);
        assert!(
            text(first, true).contains("answers.pcap") && text(first, true).contains("\"null\"")
        );
        assert!(!text(first, false).contains("answers"));
        let both = first.answered(Answers::Always);
        assert!(
            text(both, true).contains("answers.pcap") && !text(both, true).contains("\"null\"")
        );
        let short = text(both.with(Port::Stateful(4_000_000)).short(), true);
        assert!(short.contains("mbuf_size = 128") && short.contains("mbufs = 8262144"));
        assert!(short.contains("max_flows = 4194304"));
    }
}
