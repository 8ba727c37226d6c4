//! Hextet as its users run it: `hextetd` with a configuration, every feature on.

use super::api::Api;
use super::feed::Feed;
use super::program::{Packets, Program};
use super::table::{LINK4, Table};
use super::{MBUFS, WORKER_CORE};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Starts hextetd on a feed.
///
/// # Errors
/// When it is not built or does not move packets.
pub fn start(feed: &Feed, dir: &Path) -> Result<Program> {
    let bin = std::env::current_exe()?
        .parent()
        .context("no folder")?
        .to_owned();
    let socket = dir.join("hextet.sock");
    let config = dir.join("hextetd.toml");
    std::fs::write(&config, configuration(feed, dir, &socket))?;
    let mut command = Command::new(bin.join("hextetd"));
    command.arg("--config").arg(&config);
    let packets = Packets::Hextet(Api(socket), &["feed"]);
    let mut hextet = Program::spawn("hextet", &command, &dir.join("hextet.log"), packets)?;
    hextet.settle(&["hextet-w0".to_owned()], Duration::from_secs(180))?;
    Ok(hextet)
}

fn configuration(feed: &Feed, dir: &Path, socket: &Path) -> String {
    let mut text = format!(
        r#"[system]
name = "versus"
cpus = [{WORKER_CORE}]
idle = "poll"
memory = 1400
mbufs = {MBUFS}
state_dir = "{}"
api_socket = "{}"

[[device]]
name = "feed"
kind = "pcap"
rx = "{}"
infinite = true

[[router]]
name = "main"
[[router.interface]]
name = "feed0"
device = "feed"
mac = "02:70:63:61:70:00"
addresses = ["2001:db8:ffff::2/48", "198.18.0.2/15"]
redirects = false # the feed is a hairpin: each packet would be due a redirect
"#,
        dir.join("hextet-state").display(),
        socket.display(),
        feed.pcap.display(),
    );
    let gateway = |number: u32| match *feed.table {
        Table::V6(_) => format!("2001:db8:ffff:1::{number:x}"),
        Table::V4(_) => Ipv4Addr::from_bits(LINK4 | 1 << 16 | number).to_string(),
    };
    for number in 1..=feed.table.n_next_hops() {
        let _ = write!(
            text,
            "[[router.interface.neighbor]]\naddress = \"{}\"\nmac = \"02:00:00:00:{:02x}:{:02x}\"\n",
            gateway(number),
            number >> 8,
            number & 0xff
        );
    }
    for (prefix, via) in feed.table.routes() {
        let via = gateway(via);
        let _ = write!(
            text,
            "[[router.route]]\nprefix = \"{prefix}\"\nvia = \"{via}\"\ninterface = \"feed0\"\n"
        );
    }
    text
}
