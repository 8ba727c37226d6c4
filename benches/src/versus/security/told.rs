//! What it costs a worker that another router is told of flows, a hundred thousand new ones a second.
//!
//! ```text
//!   machine: feed ──────────► router ──► VLAN 100 of the feed's device: the world
//!            feed ◄───────────  │    ◄── VLAN 100: answers
//!                               └── told ──► another hextetd, on the main core
//! ```
//!
//! All comes by one device, so that a connection's segments are in order: its first segment, the answer to it (from then on it is told),
//! and a reset (it is over, which is told too). Between them are packets both ways of flows that are there. The quota lets no flow that is
//! over stay, so each round of the feed begins all its connections anew. Beside it, the same router without a pair.

use super::super::api::Api;
use super::super::feed::{self, Feed};
use super::super::program::{Packets, Program};
use super::super::report::Outcome;
use super::super::rounds::Hook;
use super::super::scenario::Bench;
use super::super::{MAIN_CORE, MBUFS, stop};
use super::Found;
use super::feeds::{Feeds, answer, syn};
use super::router::{self, ADDRESS, MACHINE};
use anyhow::{Context, Result, ensure};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Flows that are there.
const OLD: usize = 20_000;
/// Packets of such flows between two new connections.
const BETWEEN: usize = 50;
/// Flows beyond those that are there which the port may have.
const ROOM: usize = 64;
/// VLAN of the world.
const WORLD: u16 = 100;
const TAGGED: usize = feed::FRAME6 + 4;
/// Records a second that must be seen to have been told: two of a flow.
const RECORDS: f64 = 200_000.0;
const PORTS: [u16; 2] = [9462, 9463];

/// Runs it.
///
/// # Errors
/// When this program was asked to stop, or the feed cannot be made.
pub fn run(name: &str, bench: &Bench<'_>) -> Result<Outcome> {
    println!(
        "\n{name}: {OLD} flows, and a new connection every {} packets",
        BETWEEN + 3
    );
    let feeds = Feeds::write(bench.dir, OLD + OLD * 2 / BETWEEN)?;
    let feed = write(&feeds, bench.dir)?;
    let mut found = Found::new(name, bench);
    found.start(
        "hextet-alone",
        |dir| start("hextet-alone", &feed, None, dir),
        Some(super::filled(OLD)),
    )?;
    let (peer, config) = other(bench.dir)?;
    let told = Rc::new(RefCell::new((Instant::now(), 0, Vec::new())));
    found.start(
        "hextet",
        |dir| start("hextet", &feed, Some(&config), dir),
        Some(begins(Rc::clone(&told))),
    )?;
    if let Some(ours) = found.contestants.iter_mut().find(|c| c.name == "hextet") {
        ours.after = Some(ends(Rc::clone(&told)));
    }
    let mut outcome = found.compare(None)?;
    drop(peer);
    let rates = told.borrow().2.clone();
    let note = format!(
        "{:.0} records of flows told a second, two for each flow",
        super::super::report::median(&rates)
    );
    println!("  {note}");
    outcome.notes.push(note);
    Ok(outcome)
}

/// When a window began, what had been told by then, and the records a second of each window.
type Told = Rc<RefCell<(Instant, u64, Vec<f64>)>>;

/// Records of flows that were told so far; the other router must hear them.
fn records(program: &Program) -> Result<u64> {
    let sync = program.api().context("no API")?.get("/v1/sync")?;
    ensure!(sync[0]["connected"] == true, "nobody is told: {sync}");
    let kinds = sync[0]["kinds"].as_array().context("no kinds")?;
    let flows = kinds.iter().find(|kind| kind["kind"] == "flow");
    let sent = flows.and_then(|flows| flows["counters"]["sent"].as_u64());
    sent.with_context(|| format!("no records of flows: {sync}"))
}

/// Waits until the other router is told, and notes the beginning of a window.
fn begins(told: Told) -> Hook {
    Box::new(move |program| {
        let end = Instant::now() + Duration::from_secs(30);
        let first = loop {
            // It was stopped while another one had its turn, and may have to connect anew.
            match records(program) {
                Ok(records) => break records,
                Err(error) if end < Instant::now() => return Err(error),
                Err(_) => stop::sleep(Duration::from_millis(50))?,
            }
        };
        let mut told = told.borrow_mut();
        (told.0, told.1) = (Instant::now(), first);
        Ok(())
    })
}

/// Notes how many were told in a window; too few are no measurement.
fn ends(told: Told) -> Hook {
    Box::new(move |program| {
        let mut told = told.borrow_mut();
        let rate = (records(program)? - told.1) as f64 / told.0.elapsed().as_secs_f64();
        ensure!(RECORDS <= rate, "only {rate:.0} records were told a second");
        told.2.push(rate);
        Ok(())
    })
}

/// A frame of the world: by its VLAN, to the device's own MAC.
fn of_the_world(frame: &[u8]) -> Vec<u8> {
    let mut tagged = frame.to_vec();
    tagged[..6].copy_from_slice(&feed::FEED_MAC);
    let [a, b] = WORLD.to_be_bytes();
    tagged.splice(12..12, [0x81, 0x00, a, b]);
    tagged
}

/// The feed.
fn write(feeds: &Feeds, dir: &Path) -> Result<Feed> {
    const UPPER: usize = 54;
    let requests: Vec<Vec<u8>> = feeds.requests().collect();
    let (old, new) = requests.split_at(OLD);
    let mut new = new.iter();
    let mut frames = Vec::new();
    for (n, request) in old.iter().enumerate() {
        frames.push(request.clone());
        frames.push(of_the_world(&answer(request)));
        if n % (BETWEEN / 2) > 0 {
            continue;
        }
        let Some(request) = new.next() else {
            continue;
        };
        let first = syn(request);
        let mut accepted = answer(&first);
        accepted[UPPER + 4..UPPER + 12].copy_from_slice(&[0, 0, 0x10, 0, 0, 0, 0, 2]);
        accepted[UPPER + 13] = 0x12;
        let mut reset = first.clone();
        reset[UPPER + 4..UPPER + 12].copy_from_slice(&[0, 0, 0, 2, 0, 0, 0x10, 1]);
        reset[UPPER + 13] = 0x14;
        frames.extend([first, of_the_world(&accepted), reset]);
    }
    let (table, pcap) = (feeds.requests.table.clone(), dir.join("told.pcap"));
    feed::write_frames(&pcap, TAGGED, frames.into_iter())?;
    Ok(Feed { pcap, table })
}

/// A router of two: it knows where the other one is, and its key.
fn pair(text: &mut String, number: usize, dir: &Path) {
    let [local, peer] = [PORTS[number], PORTS[1 - number]];
    let _ = write!(
        text,
        "\n[pair]\nlocal = \"[::1]:{local}\"\npeer = \"[::1]:{peer}\"\nkey_file = \"{}\"\nrate = 10000000\n",
        dir.join("pair.key").display()
    );
}

/// Starts the router that is told, on the main core; it receives nothing.
fn other(dir: &Path) -> Result<(Other, std::path::PathBuf)> {
    use std::os::unix::fs::PermissionsExt;
    let key = dir.join("pair.key");
    std::fs::write(&key, "0123456789abcdef".repeat(4))?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    let (socket, config) = router::prepare("told", dir)?;
    let mut text = format!(
        "[system]\nname = \"told\"\ncpus = [{MAIN_CORE}]\nidle = \"adaptive\"\nmemory = 192\nhugepages = \"never\"\n\
         state_dir = \"{}\"\napi_socket = \"{}\"\n",
        socket.with_extension("state").display(),
        socket.display()
    );
    pair(&mut text, 1, dir);
    router::device(&mut text, "feed", None);
    secured(&mut text);
    router::machine(&mut text);
    std::fs::write(&config, text)?;
    let bin = std::env::current_exe()?.with_file_name("hextetd");
    let log = std::fs::File::create(dir.join("told.log"))?;
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(bin)
        .arg("--config")
        .arg(&config)
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok((Other(child), dir.to_owned()))
}

/// The router that is told.
struct Other(std::process::Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(name: &'static str, feed: &Feed, told: Option<&Path>, dir: &Path) -> Result<Program> {
    let (socket, config) = router::prepare(name, dir)?;
    std::fs::write(&config, configuration(feed, told, &socket))?;
    let packets = Packets::Hextet(Api(socket), &["feed"]);
    router::spawn(name, dir, &config, packets)
}

fn configuration(feed: &Feed, told: Option<&Path>, socket: &Path) -> String {
    let mut text = router::system(socket, 1400, MBUFS);
    if let Some(dir) = told {
        pair(&mut text, 0, dir);
    }
    router::device(&mut text, "feed", Some(feed));
    secured(&mut text);
    router::machine(&mut text);
    let place = format!("device = \"feed\"\nvlan = {WORLD}");
    router::world(&mut text, &place, "02:70:63:61:70:00", feed);
    text
}

fn secured(text: &mut String) {
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
max_flows = {}
[[security_group]]
name = "tenant"
[[security_group.rule]]
direction = "egress"
ethertype = "ipv6"
"#,
        OLD + ROOM
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_begins_is_answered_and_ends() {
        let dir = tempfile::tempdir().unwrap();
        let feeds = Feeds::write(dir.path(), OLD + 2).unwrap();
        let made = write(&feeds, dir.path()).unwrap();
        let bytes = std::fs::read(&made.pcap).unwrap();
        let len = 2 * OLD + 3 * 2;
        let tagged = OLD + 2;
        assert_eq!(bytes.len(), 24 + len * (16 + feed::FRAME6) + 4 * tagged);
        let text = configuration(&made, Some(dir.path()), &dir.path().join("x.sock"));
        assert!(text.contains("[pair]") && text.contains("vlan = 100"));
        let alone = configuration(&made, None, &dir.path().join("x.sock"));
        assert!(!alone.contains("[pair]"));
    }
}
