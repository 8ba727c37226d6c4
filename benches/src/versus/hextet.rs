//! Hextet as its users run it: `hextetd` with a configuration, every feature on.

use super::contestant::{Contestant, Packets};
use super::feed::Feed;
use super::{MBUFS, WORKER_CORE};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Starts hextetd on a feed.
///
/// # Errors
/// When it is not built or does not move packets.
pub fn start(feed: &Feed, dir: &Path) -> Result<Contestant> {
    let bin = std::env::current_exe()?
        .parent()
        .context("no folder")?
        .to_owned();
    let socket = dir.join("hextet.sock");
    let config = dir.join("hextetd.toml");
    std::fs::write(&config, configuration(feed, dir, &socket))?;
    let mut command = Command::new(bin.join("hextetd"));
    command.arg("--config").arg(&config);
    let packets = Packets::Hextet {
        ctl: bin.join("hextetctl"),
        socket,
    };
    let mut hextet = Contestant::spawn("hextet", &mut command, &dir.join("hextet.log"), packets)?;
    hextet.settle("hextet-w0")?;
    Ok(hextet)
}

/// Next hops that the routes are spread over: fewer would flatter tables that merge equal neighbours.
const N_NEXT_HOPS: usize = 1000;

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
addresses = ["2001:db8:ffff::2/48"]
redirects = false # the feed is a hairpin: each packet would be due a redirect
"#,
        dir.join("hextet-state").display(),
        socket.display(),
        feed.pcap.display(),
    );
    let n_next_hops = N_NEXT_HOPS.min(feed.routes.len());
    for i in 0..n_next_hops {
        let _ = write!(
            text,
            "[[router.interface.neighbor]]\naddress = \"2001:db8:ffff:1::{:x}\"\nmac = \"02:00:00:00:{:02x}:{:02x}\"\n",
            i + 1,
            i >> 8,
            i & 0xff
        );
    }
    for (i, route) in feed.routes.iter().enumerate() {
        let via = i.wrapping_mul(2_654_435_761) % n_next_hops + 1;
        let _ = write!(
            text,
            "[[router.route]]\nprefix = \"{route}\"\nvia = \"2001:db8:ffff:1::{via:x}\"\ninterface = \"feed0\"\n"
        );
    }
    text
}
