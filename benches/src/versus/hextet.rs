//! Hextet as its users run it: `hextetd` with a configuration, every feature on.

use super::api::Api;
use super::feed::Feed;
use super::program::{Packets, Program};
use super::table::{LINK4, LINK6, Table};
use super::{MBUFS, WORKER_CORE};
use anyhow::Result;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Workers and devices of a hextetd: device `i` is read by worker `i`, if there are so many.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The CPU of each worker.
    pub cpus: Vec<usize>,
    /// The feed of each device; one without receives nothing.
    pub feeds: Vec<Option<PathBuf>>,
}

/// Starts hextetd on a feed.
///
/// # Errors
/// When it is not built or does not move packets.
pub fn start(feed: &Feed, dir: &Path) -> Result<Program> {
    let layout = Layout {
        cpus: vec![WORKER_CORE],
        feeds: vec![Some(feed.pcap.clone())],
    };
    start_on(&feed.table, &layout, "main", dir)
}

/// Starts hextetd; routes are dealt out to its devices as the table's parts are to feeds. `name` keeps its files apart from
/// another's.
///
/// # Errors
/// When it is not built or does not move packets.
pub fn start_on(table: &Table, layout: &Layout, name: &str, dir: &Path) -> Result<Program> {
    let bin = std::env::current_exe()?;
    let socket = dir.join(format!("hextet-{name}.sock"));
    let config = dir.join(format!("hextet-{name}.toml"));
    let state = dir.join(format!("hextet-{name}.state"));
    // Routes of the API that an earlier scenario left would come back.
    let _ = std::fs::remove_dir_all(&state);
    std::fs::write(&config, configuration(table, layout, &state, &socket))?;
    let mut command = Command::new(bin.with_file_name("hextetd"));
    command.arg("--config").arg(&config);
    let n_workers = layout.cpus.len();
    let packets = Packets::Hextet(Api(socket), &DEVICES[..n_workers]);
    let log = dir.join(format!("hextet-{name}.log"));
    let mut hextet = Program::spawn("hextet", &command, &log, packets)?;
    let threads: Vec<_> = (0..n_workers).map(|i| format!("hextet-w{i}")).collect();
    hextet.settle(&threads, Duration::from_secs(180))?;
    Ok(hextet)
}

/// Devices; their interfaces are `feed0` and `feed1`.
const DEVICES: [&str; 2] = ["feed", "second"];

fn configuration(table: &Table, layout: &Layout, state: &Path, socket: &Path) -> String {
    let mut text = format!(
        r#"[system]
name = "versus"
cpus = {cpus:?}
idle = "poll"
memory = 1400
mbufs = {MBUFS}
state_dir = "{state}"
api_socket = "{socket}"
"#,
        cpus = layout.cpus,
        state = state.display(),
        socket = socket.display(),
    );
    for (device, feed) in DEVICES.iter().zip(&layout.feeds) {
        let kind = match feed {
            Some(pcap) => format!("\"pcap\"\nrx = \"{}\"\ninfinite = true", pcap.display()),
            None => "\"null\"".to_owned(),
        };
        let _ = write!(text, "\n[[device]]\nname = \"{device}\"\nkind = {kind}\n");
    }
    text.push_str("\n[[router]]\nname = \"main\"\n");
    for (i, device) in DEVICES[..layout.feeds.len()].iter().enumerate() {
        let _ = write!(
            text,
            r#"[[router.interface]]
name = "feed{i}"
device = "{device}"
mac = "02:70:63:61:70:00"
addresses = ["{}/48", "{}/16"]
redirects = false # the feed is a hairpin: each packet would be due a redirect
"#,
            address6(i, 0, 2),
            address4(i, 2)
        );
        for number in 1..=table.n_next_hops() {
            let _ = write!(
                text,
                "[[router.interface.neighbor]]\naddress = \"{}\"\nmac = \"02:00:00:00:{:02x}:{:02x}\"\n",
                gateway(table, i, number),
                number >> 8,
                number & 0xff
            );
        }
    }
    for (i, _) in layout.feeds.iter().enumerate() {
        let part = if layout.feeds.len() == 1 {
            None
        } else {
            Some(table.part(i as u32))
        };
        for (prefix, via) in part.as_ref().unwrap_or(table).routes() {
            let via = gateway(table, i, via);
            let _ = write!(
                text,
                "[[router.route]]\nprefix = \"{prefix}\"\nvia = \"{via}\"\ninterface = \"feed{i}\"\n"
            );
        }
    }
    text
}

/// The address of a next hop on an interface.
fn gateway(table: &Table, interface: usize, number: u32) -> String {
    match table {
        Table::V6(_) => address6(interface, 1, number),
        Table::V4(_) => address4(interface, number << 2),
    }
}

/// 2001:db8:ffff::/48 is the first interface's link, 2001:db8:fffe::/48 the second's.
fn address6(interface: usize, subnet: u128, host: u32) -> String {
    let link = LINK6 | (0xffff - interface as u128) << 80;
    Ipv6Addr::from_bits(link | subnet << 64 | u128::from(host)).to_string()
}

/// 198.18.0.0/16 and 198.19.0.0/16.
fn address4(interface: usize, host: u32) -> String {
    Ipv4Addr::from_bits(LINK4 | (interface as u32) << 16 | host).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_feed_takes_all_routes() {
        let layout = Layout {
            cpus: vec![1],
            feeds: vec![Some("a.pcap".into())],
        };
        let text = configuration(&Table::few6(), &layout, Path::new("s"), Path::new("a"));
        assert_eq!(text.matches("[[router.route]]").count(), 8);
        assert_eq!(text.matches("interface = \"feed0\"").count(), 8);
        assert!(text.contains("addresses = [\"2001:db8:ffff::2/48\", \"198.18.0.2/16\"]"));
        assert!(text.contains("via = \"2001:db8:ffff:1::8\""));
    }

    #[test]
    fn two_feeds_share_the_routes() {
        let layout = Layout {
            cpus: vec![1, 0],
            feeds: vec![Some("a.pcap".into()), None],
        };
        let table = Table::internet6(300);
        let text = configuration(&table, &layout, Path::new("s"), Path::new("a"));
        assert_eq!(text.matches("[[router.route]]").count(), table.len());
        let of_second = text.matches("interface = \"feed1\"").count();
        assert_eq!(of_second, table.part(1).len());
        assert!(text.contains("cpus = [1, 0]") && text.contains("kind = \"null\""));
    }
}
