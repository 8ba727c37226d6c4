//! Layer-2 networks: packets into tunnels and out of them, with a route between, and frames that are switched.
//!
//! ```text
//!   decap   feed ─ outer packet to our VTEP ─► frame to our interface on the network ─► route ─► feed
//!   encap   feed ─ packet ─► route ─► neighbour on the network, whose station is behind the VTEP ─► outer packet ─► feed
//!   l2      feed ─ frame ─► a station on the second device
//! ```

use super::feed::{self, Feed};
use super::report::{Outcome, Ratio};
use super::rounds::Contestant;
use super::scenario::Bench;
use super::table::{Table, Trace};
use super::{compare, testpmd};
use anyhow::Result;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;

mod frames;
mod hextet;
mod ovs;

/// What is done with the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// Packets of a tunnel are unpacked and routed.
    Decap(Tunnel),
    /// Packets are routed and packed.
    Encap(Tunnel),
    /// Frames are switched.
    Switch,
}

/// A kind of tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// GRE if not VXLAN.
    pub vxlan: bool,
    /// Whether the outer packets are IPv6.
    pub ipv6: bool,
}

const fn tunnel(vxlan: bool, ipv6: bool) -> Tunnel {
    Tunnel { vxlan, ipv6 }
}

/// Scenarios, each with the size of its table.
pub const SCENARIOS: [(&str, Overlay, Option<usize>); 8] = [
    ("vxlan6-decap/few", Overlay::Decap(tunnel(true, true)), None),
    (
        "vxlan6-decap/160k",
        Overlay::Decap(tunnel(true, true)),
        Some(160_000),
    ),
    (
        "vxlan4-decap/few",
        Overlay::Decap(tunnel(true, false)),
        None,
    ),
    ("gre6-decap/few", Overlay::Decap(tunnel(false, true)), None),
    ("gre4-decap/few", Overlay::Decap(tunnel(false, false)), None),
    ("vxlan6-encap/few", Overlay::Encap(tunnel(true, true)), None),
    ("gre6-encap/few", Overlay::Encap(tunnel(false, true)), None),
    ("l2/64k-macs", Overlay::Switch, None),
];

/// The network's identifier.
const VNI: u32 = 100;
/// The MAC of our interface on the network.
const OURS: [u8; 6] = [0x02, 0x70, 0x63, 0x61, 0x70, 0x64];
/// Stations behind the VTEP that send.
const SENDERS: usize = 64;
/// Stations on each of the two devices.
const STATIONS: usize = 32_768;

/// A station's MAC: those of one group differ from those of another.
fn station(group: u8, number: usize) -> [u8; 6] {
    let [.., a, b] = (number as u32).to_be_bytes();
    [0x02, 0x00, 0x5e, group, a, b]
}

fn mac(octets: [u8; 6]) -> String {
    octets.map(|octet| format!("{octet:02x}")).join(":")
}

impl Tunnel {
    /// Our VTEP's address and the peer's.
    fn ends(self) -> [IpAddr; 2] {
        let ends = if self.ipv6 {
            ["2001:db8:ffff::2", "2001:db8:ffff:2::1"]
        } else {
            ["198.18.0.2", "198.18.255.1"]
        };
        ends.map(|end| end.parse().expect("an address"))
    }

    fn kind(self) -> &'static str {
        if self.vxlan { "vxlan" } else { "gre" }
    }
}

/// Runs a scenario.
///
/// # Errors
/// When this program was asked to stop, or the feed cannot be made.
pub fn run(
    name: &str,
    overlay: Overlay,
    routes: Option<usize>,
    bench: &Bench<'_>,
) -> Result<Outcome> {
    let table = Rc::new(routes.map_or_else(Table::few6, Table::internet6));
    let frames = frames::of(
        overlay,
        &table.destinations(Trace::Uniform, feed::N_PACKETS),
    );
    let pcap: PathBuf = bench.dir.join("feed.pcap");
    feed::write_frames(&pcap, 65_535, frames.iter().cloned())?;
    println!(
        "\n{name}: {} routes, {} packets of {} bytes",
        table.len(),
        frames.len(),
        frames.first().map_or(0, Vec::len)
    );
    let feed = Feed { pcap, table };
    let (mut contestants, mut absent) = (Vec::new(), Vec::new());
    let wanted = |name: &str| bench.options.peers.wants(name);
    let mut add = |names: &[&'static str], peers: Result<Vec<Contestant>, String>| match peers {
        Ok(peers) => contestants.extend(peers.into_iter().filter(|peer| wanted(peer.name))),
        Err(why) => {
            let names = names.iter().filter(|name| wanted(name));
            absent.extend(names.map(|peer| Ratio::not_run(name, peer, &why)));
        }
    };
    if wanted("testpmd") {
        let started = compare::timed("testpmd", || testpmd::start(&feed, bench.dir))?;
        add(
            &["testpmd"],
            started.map(|program| vec![Contestant::plain("testpmd", program)]),
        );
    }
    let names = super::ovs::NAMES;
    if names.iter().any(|name| wanted(name)) {
        let started = compare::timed(names[0], || ovs::start(overlay, &feed, bench.dir))?;
        add(&names, started);
    }
    let mut failed = None;
    match compare::timed("hextet", || hextet::start(overlay, &feed, bench.dir))? {
        Ok(ours) => contestants.push(Contestant::plain("hextet", ours)),
        Err(why) => failed = Some(why),
    }
    compare::compare(name, &contestants, absent, failed, bench.options)
}
