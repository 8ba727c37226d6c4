//! Hextet with a network: learning on, every feature on.

use super::{OURS, Overlay, STATIONS, VNI, mac, station};
use crate::versus::api::Api;
use crate::versus::feed::Feed;
use crate::versus::program::{Packets, Program};
use crate::versus::{MBUFS, WORKER_CORE};
use anyhow::Result;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Starts it.
///
/// # Errors
/// When it is not built or does not move packets.
pub fn start(overlay: Overlay, feed: &Feed, dir: &Path) -> Result<Program> {
    let path = |what: &str| dir.join(format!("hextet-overlay.{what}"));
    let (socket, config, state) = (path("sock"), path("toml"), path("state"));
    let _ = std::fs::remove_dir_all(&state);
    std::fs::write(&config, configuration(overlay, feed, &state, &socket))?;
    let bin = std::env::current_exe()?.with_file_name("hextetd");
    let mut command = Command::new(bin);
    command.arg("--config").arg(&config);
    let packets = match overlay {
        Overlay::Switch => Packets::HextetAcross(Api(socket), ["feed", "out"]),
        _ => Packets::Hextet(Api(socket), &["feed"]),
    };
    let mut hextet = Program::spawn("hextet", &command, &path("log"), packets)?;
    hextet.settle(&["hextet-w0".to_owned()], Duration::from_secs(180))?;
    Ok(hextet)
}

fn configuration(overlay: Overlay, feed: &Feed, state: &Path, socket: &Path) -> String {
    let mut text = format!(
        r#"[system]
name = "versus"
cpus = [{WORKER_CORE}]
idle = "poll"
memory = 1400
mbufs = {MBUFS}
max_stations = 131072
state_dir = "{}"
api_socket = "{}"

[[device]]
name = "feed"
kind = "pcap"
rx = "{}"
infinite = true
"#,
        state.display(),
        socket.display(),
        feed.pcap.display()
    );
    let (tunnel, encap) = match overlay {
        Overlay::Switch => {
            switch(&mut text);
            return text;
        }
        Overlay::Decap(tunnel) => (tunnel, false),
        Overlay::Encap(tunnel) => (tunnel, true),
    };
    let [own, peer] = tunnel.ends();
    let kind = tunnel.kind();
    // What the feed has no checksums of is taken without; what is sent has them, as it comes.
    let checksum = if tunnel.vxlan && !encap {
        "udp_checksum = false\n"
    } else {
        ""
    };
    let _ = write!(
        text,
        r#"
[[vtep]]
name = "peer"
kind = "{kind}"
router = "main"
local = "{own}"
remote = "{peer}"
{checksum}
[[network]]
name = "red"
segments = [{{ kind = "{kind}", vni = {VNI}, vteps = ["peer"] }}]
"#
    );
    let gateways = 1..=feed.table.n_next_hops();
    if encap {
        text.push_str("stations = [\n");
        for number in gateways.clone() {
            let mac = mac(station(3, number as usize));
            let _ = writeln!(text, "  {{ mac = \"{mac}\", vtep = \"peer\" }},");
        }
        text.push_str("]\n");
    }
    let _ = write!(
        text,
        r#"
[[router]]
name = "main"
[[router.interface]]
name = "feed0"
device = "feed"
mac = "02:70:63:61:70:00"
addresses = ["2001:db8:ffff::2/48", "198.18.0.2/16"]
redirects = false
[[router.interface.neighbor]]
address = "{peer}"
mac = "02:00:00:00:ff:01"
"#
    );
    let neighbours = |text: &mut String, link: &str| {
        for number in gateways.clone() {
            let mac = mac(station(3, number as usize));
            let _ = write!(
                text,
                "[[router.interface.neighbor]]\naddress = \"2001:db8:{link}:1::{number:x}\"\nmac = \"{mac}\"\n"
            );
        }
    };
    if !encap {
        neighbours(&mut text, "ffff");
    }
    let _ = write!(
        text,
        r#"[[router.interface]]
name = "red0"
network = "red"
mac = "{}"
addresses = ["2001:db8:fffd::1/48"]
redirects = false
"#,
        mac(OURS)
    );
    if encap {
        neighbours(&mut text, "fffd");
    }
    let (link, interface) = if encap {
        ("fffd", "red0")
    } else {
        ("ffff", "feed0")
    };
    for (prefix, via) in feed.table.routes() {
        let _ = write!(
            text,
            "[[router.route]]\nprefix = \"{prefix}\"\nvia = \"2001:db8:{link}:1::{via:x}\"\ninterface = \"{interface}\"\n"
        );
    }
    text
}

/// Two devices, and where the stations of the second are, which send nothing.
fn switch(text: &mut String) {
    text.push_str(
        r#"
[[device]]
name = "out"
kind = "null"
no_rx = true

[[network]]
name = "red"
max_stations = 131072
segments = [{ kind = "flat", device = "feed" }, { kind = "flat", device = "out" }]
stations = [
"#,
    );
    for number in 0..STATIONS {
        let mac = mac(station(2, number));
        let _ = writeln!(text, "  {{ mac = \"{mac}\", device = \"out\" }},");
    }
    text.push_str("]\n");
}
