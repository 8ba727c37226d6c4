//! The port of a tenant's machine in the packet path: guard, security groups and established flows, beside Open vSwitch's connection
//! tracking and beside Hextet itself without the port.
//!
//! ```text
//!   machine: net_pcap0 ── requests ──►  router  ──► net_pcap1: the world
//!                      ◄── answers ───          ◄──
//! ```
//!
//! Both devices have a feed (but where every packet begins a flow): to each request there is its answer, so that every flow is established, and half of the packets meet the port
//! on their way in, half on their way out. The machine is plugged straight into an interface of the router, so that what the port costs is
//! what is more than `hextet-open`, the same router without it.

use super::api::Api;
use super::feed::{self, Feed};
use super::ovs::Switch;
use super::program::{Packets, Program};
use super::report::{Outcome, Ratio};
use super::rounds::Contestant;
use super::scenario::Bench;
use super::table::{Table, Trace};
use super::{MBUFS, WORKER_CORE, compare};
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

/// What the port has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Guard and groups.
    Stateful,
    /// The guard alone: its groups are asked for nothing, as rules without state let all pass.
    Guard,
    /// Guard and groups of so many rules, and a quota so small that every packet begins a flow.
    New(usize),
}

/// Scenarios.
pub const SCENARIOS: [(&str, Port); 4] = [
    ("stateful6/100k", Port::Stateful),
    ("guards6", Port::Guard),
    ("newflows6", Port::New(10)),
    ("newflows6/10k-rules", Port::New(10_000)),
];

/// Packets of each feed, of as many flows.
const FLOWS: usize = 100_000;
/// Flows that a port may have where every packet is to begin one.
const FEW_FLOWS: u32 = 1_000;
/// The machine's MAC and address: those of the feed's packets.
const MACHINE: &str = "02:00:00:00:00:fe";
const ADDRESS: &str = "2001:db8:ffff::1";
/// The second device's MAC, as `net_pcap1` makes it up.
const SECOND: [u8; 6] = [0x02, 0x70, 0x63, 0x61, 0x70, 0x01];
/// Hextet without the port.
const OPEN: &str = "hextet-open";

/// Runs a scenario.
///
/// # Errors
/// When this program was asked to stop, or the feeds cannot be made.
pub fn run(name: &str, port: Port, bench: &Bench<'_>) -> Result<Outcome> {
    let feeds = Feeds::write(bench.dir)?;
    println!("\n{name}: {FLOWS} flows, {} bytes a packet", feed::FRAME6);
    // Flows that are forgotten at once have no answers that pass.
    let answered = !matches!(port, Port::New(_));
    let (mut contestants, mut absent) = (Vec::new(), Vec::new());
    let wanted = |peer: &str| bench.options.peers.wants(peer);
    let names = super::ovs::NAMES;
    if port == Port::Stateful && names.iter().any(|name| wanted(name)) {
        match compare::timed(names[0], || conntrack(&feeds, bench.dir))? {
            Ok(peers) => contestants.extend(peers.into_iter().filter(|peer| wanted(peer.name))),
            Err(why) => {
                let names = names.iter().filter(|name| wanted(name));
                absent.extend(names.map(|peer| Ratio::not_run(name, peer, &why)));
            }
        }
    }
    if wanted(OPEN) {
        let rest = match port {
            // The same with ten rules is what ten thousand are compared with.
            Port::New(rules) if 10 < rules => Some(Port::New(10)),
            _ => None,
        };
        match compare::timed(OPEN, || start(OPEN, rest, answered, &feeds, bench.dir))? {
            Ok(peer) => contestants.push(Contestant::plain(OPEN, peer)),
            Err(why) => absent.push(Ratio::not_run(name, OPEN, &why)),
        }
    }
    let mut failed = None;
    let ours = || start("hextet", Some(port), answered, &feeds, bench.dir);
    match compare::timed("hextet", ours)? {
        Ok(ours) => contestants.push(Contestant::plain("hextet", ours)),
        Err(why) => failed = Some(why),
    }
    compare::compare(name, &contestants, absent, failed, bench.options)
}

/// Requests of the machine, and the answers to them.
struct Feeds {
    requests: Feed,
    answers: Feed,
}

impl Feeds {
    fn write(dir: &Path) -> Result<Self> {
        let table = Rc::new(Table::few6());
        let requests: Vec<_> = table
            .destinations(Trace::Uniform, FLOWS)
            .into_iter()
            .map(feed::frame)
            .collect();
        let answers: Vec<_> = requests.iter().map(|request| answer(request)).collect();
        let feed = |name: &str, frames: &[Vec<u8>]| {
            let pcap = dir.join(name);
            feed::write_frames(&pcap, frames)?;
            Ok::<_, anyhow::Error>(Feed {
                pcap,
                table: table.clone(),
            })
        };
        Ok(Self {
            requests: feed("requests.pcap", &requests)?,
            answers: feed("answers.pcap", &answers)?,
        })
    }
}

/// The answer to a request over IPv6 and UDP: both ends change places.
fn answer(request: &[u8]) -> Vec<u8> {
    const ADDRESSES: std::ops::Range<usize> = 22..54;
    const PORTS: std::ops::Range<usize> = 54..58;
    let mut answer = request.to_vec();
    answer[..6].copy_from_slice(&SECOND);
    answer[ADDRESSES].rotate_left(16);
    answer[PORTS].rotate_left(2);
    answer
}

/// Starts hextetd, with the port or without, and with answers or without.
fn start(
    name: &'static str,
    port: Option<Port>,
    answered: bool,
    feeds: &Feeds,
    dir: &Path,
) -> Result<Program> {
    let path = |what: &str| dir.join(format!("{name}-security.{what}"));
    let (socket, config, state) = (path("sock"), path("toml"), path("state"));
    let _ = std::fs::remove_dir_all(&state);
    let text = configuration(port, answered, feeds, &state, &socket);
    std::fs::write(&config, text)?;
    let bin = std::env::current_exe()?.with_file_name("hextetd");
    let mut command = Command::new(bin);
    command.arg("--config").arg(&config);
    let devices = ["feed", "second"];
    let packets = match answered {
        true => Packets::HextetBoth(Api(socket), devices),
        false => Packets::HextetAcross(Api(socket), devices),
    };
    let mut hextet = Program::spawn(name, &command, &path("log"), packets)?;
    hextet.settle(&["hextet-w0".to_owned()], Duration::from_secs(180))?;
    Ok(hextet)
}

fn configuration(
    port: Option<Port>,
    answered: bool,
    feeds: &Feeds,
    state: &Path,
    socket: &Path,
) -> String {
    let mut text = format!(
        r#"[system]
name = "versus"
cpus = [{WORKER_CORE}]
idle = "poll"
memory = 1400
mbufs = {MBUFS}
state_dir = "{}"
api_socket = "{}"
"#,
        state.display(),
        socket.display(),
    );
    let answers = answered.then_some(&feeds.answers);
    for (device, feed) in [("feed", Some(&feeds.requests)), ("second", answers)] {
        let kind = match feed {
            Some(feed) => format!(
                "\"pcap\"\nrx = \"{}\"\ninfinite = true",
                feed.pcap.display()
            ),
            None => "\"null\"".to_owned(),
        };
        let _ = write!(text, "\n[[device]]\nname = \"{device}\"\nkind = {kind}\n");
    }
    if let Some(port) = port {
        secured(&mut text, port);
    }
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
[[router.interface]]
name = "world"
device = "second"
mac = "02:70:63:61:70:01"
addresses = ["2001:db8:fffe::2/48"]
"#
    );
    let table = &feeds.requests.table;
    let gateway = |number: u32| format!("2001:db8:fffe:1::{number:x}");
    for number in 1..=table.n_next_hops() {
        let (address, [.., a, b]) = (gateway(number), number.to_be_bytes());
        let _ = write!(
            text,
            "[[router.interface.neighbor]]\naddress = \"{address}\"\nmac = \"02:00:00:00:{a:02x}:{b:02x}\"\n"
        );
    }
    for (prefix, via) in table.routes() {
        let via = gateway(via);
        let _ = write!(
            text,
            "[[router.route]]\nprefix = \"{prefix}\"\nvia = \"{via}\"\ninterface = \"world\"\n"
        );
    }
    text
}

/// The machine's port and its group.
fn secured(text: &mut String, port: Port) {
    let (stateful, rules, max_flows) = match port {
        Port::Stateful => (true, 1, 2 * FLOWS as u32),
        Port::Guard => (false, 1, FEW_FLOWS),
        Port::New(rules) => (true, rules, FEW_FLOWS),
    };
    let _ = write!(
        text,
        r#"
[security]
max_flows = 262144
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

/// Open vSwitch with connection tracking, as OpenStack's firewall driver has it: what is not tracked is, what is new is committed if a rule
/// lets it begin, what is established goes on.
fn conntrack(feeds: &Feeds, dir: &Path) -> Result<Vec<Contestant>> {
    let switch = Switch::between(dir)?;
    switch.bridge("br0", &[])?;
    let mut rules = String::from(
        "table=0,priority=10,ipv6,ct_state=-trk,actions=ct(table=1,zone=1)\n\
         table=1,priority=1,actions=drop\n",
    );
    for (prefix, via) in feeds.requests.table.routes() {
        let length = prefix
            .split_once('/')
            .and_then(|(_, length)| length.parse().ok());
        let length: u32 = length.context("a prefix without a length")?;
        let [.., a, b] = via.to_be_bytes();
        let forward = format!(
            "dec_ttl,mod_dl_src:02:70:63:61:70:01,mod_dl_dst:02:00:00:00:{a:02x}:{b:02x},output:second"
        );
        let matches = format!(
            "table=1,priority={},ipv6,in_port=feed,dl_src={MACHINE},ipv6_src={ADDRESS},ipv6_dst={prefix}",
            100 + length
        );
        let _ = writeln!(rules, "{matches},ct_state=+est+trk,actions={forward}");
        let _ = writeln!(
            rules,
            "{matches},ct_state=+new+trk,actions=ct(commit,zone=1),{forward}"
        );
    }
    let _ = writeln!(
        rules,
        "table=1,priority=100,ipv6,in_port=second,ipv6_dst={ADDRESS},ct_state=+est+trk,actions=dec_ttl,mod_dl_src:02:70:63:61:70:00,mod_dl_dst:{MACHINE},output:feed"
    );
    switch.feed_numbered("br0", "second", &feeds.answers, 1)?;
    switch.feed("br0", &feeds.requests)?;
    switch.flows("br0", &rules)?;
    let contestants = switch.contestants()?;
    ensure!(!contestants.is_empty(), "no contestant");
    Ok(contestants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_both_ends_in_each_other_s_place() {
        let request = feed::frame("2001:db8:8000::7".parse().unwrap());
        let answer = answer(&request);
        assert_eq!(answer[22..38], request[38..54]);
        assert_eq!(answer[38..54], request[22..38]);
        assert_eq!(
            (answer[54..56].to_vec(), answer[56..58].to_vec()),
            (request[56..58].to_vec(), request[54..56].to_vec())
        );
        assert_eq!(answer[..6], SECOND);
        assert_eq!(answer[58..], request[58..]);
    }

    #[test]
    fn the_port_is_there_when_it_is_asked_for() {
        let dir = std::env::temp_dir().join(format!("versus-security-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let feeds = Feeds::write(&dir).unwrap();
        let file = dir.join("x");
        let open = configuration(None, true, &feeds, &file, &file);
        let many = configuration(Some(Port::New(10_000)), false, &feeds, &file, &file);
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(!open.contains("[[port]]") && !open.contains("\"null\""));
        assert!(many.contains("[[port]]") && many.contains("\"null\""));
        assert_eq!(many.matches("[[security_group.rule]]").count(), 10_000);
        assert_eq!(open.matches("[[router.route]]").count(), 8);
    }
}
