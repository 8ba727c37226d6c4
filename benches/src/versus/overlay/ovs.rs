//! Open vSwitch: the tunnel's bridge above, the underlay's below, joined by a patch; or one bridge that learns.

use super::{OURS, Overlay, STATIONS, Tunnel, VNI, mac, station};
use crate::versus::feed::Feed;
use crate::versus::ovs::{Control, Switch};
use crate::versus::rounds::Contestant;
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::path::Path;

/// Starts it.
///
/// # Errors
/// When it is not installed, does not start, or keeps missing.
pub fn start(overlay: Overlay, feed: &Feed, dir: &Path) -> Result<Vec<Contestant>> {
    match overlay {
        Overlay::Switch => switch(feed, dir),
        Overlay::Decap(tunnel) => routed(tunnel, false, feed, dir),
        Overlay::Encap(tunnel) => routed(tunnel, true, feed, dir),
    }
}

fn routed(tunnel: Tunnel, encap: bool, feed: &Feed, dir: &Path) -> Result<Vec<Contestant>> {
    let switch = Switch::launch(dir, &["feed"])?;
    let [own, peer] = tunnel.ends();
    switch.bridge("br0", &[])?;
    switch.bridge("br-phy", &["other-config:hwaddr=02:70:63:61:70:00"])?;
    // Its own port has the VTEP's address: what is sent there for a tunnel is unpacked.
    let len = if own.is_ipv6() { 48 } else { 16 };
    let address = format!("{own}/{len}");
    let nodad: &[&str] = if own.is_ipv6() { &["nodad"] } else { &[] };
    let add = [&["addr", "add", &address, "dev", "br-phy"], nodad].concat();
    switch.run("ip", &add)?;
    switch.run("ip", &["link", "set", "br-phy", "up"])?;
    for (bridge, port, peer) in [("br0", "below", "above"), ("br-phy", "above", "below")] {
        let to = format!("options:peer={peer}");
        switch.port(bridge, port, &["type=patch", &to])?;
    }
    let remote = format!("options:remote_ip={peer}");
    let key = format!("options:key={VNI}");
    let kind = format!("type={}", tunnel.kind());
    switch.port("br0", "tunnel", &[&kind, &remote, &key])?;
    let control = switch.control();
    control.ask(
        "tnl/neigh/set",
        &["br-phy", &peer.to_string(), "02:00:00:00:ff:01"],
    )?;
    let below = match encap {
        false => "in_port=feed,actions=LOCAL\nin_port=above,actions=output:feed\n",
        true => "in_port=feed,actions=output:above\nin_port=LOCAL,actions=output:feed\n",
    };
    // The feed comes last, and the rules before it: under traffic they are slow to load.
    switch.flows("br0", &rules(encap, feed))?;
    switch.feed("br-phy", feed)?;
    switch.flows("br-phy", below)?;
    switch.contestants()
}

/// A rule for each route: into the tunnel, or to the bridge below.
fn rules(encap: bool, feed: &Feed) -> String {
    let (from, ours, to) = match encap {
        false => ("tunnel", mac(OURS), "below"),
        true => ("below", "02:70:63:61:70:00".to_owned(), "tunnel"),
    };
    let source = match encap {
        false => "02:70:63:61:70:00".to_owned(),
        true => mac(OURS),
    };
    let mut text = String::new();
    for (prefix, via) in feed.table.routes() {
        let len = prefix.split_once('/').map_or("0", |(_, len)| len);
        let len: u32 = len.parse().unwrap_or(0);
        let _ = writeln!(
            text,
            "priority={},in_port={from},dl_dst={ours},ipv6,ipv6_dst={prefix},actions=dec_ttl,mod_dl_src:{source},mod_dl_dst:{},output:{to}",
            100 + len,
            mac(station(3, via as usize))
        );
    }
    text
}

fn switch(feed: &Feed, dir: &Path) -> Result<Vec<Contestant>> {
    let switch = Switch::launch(dir, &["out"])?;
    switch.bridge(
        "br0",
        &[
            "other-config:mac-table-size=131072",
            "other-config:mac-aging-time=3600",
        ],
    )?;
    let null = ["type=dpdk", "options:dpdk-devargs=\"net_null1,no-rx=1\""];
    switch.port("br0", "out", &null)?;
    switch.flows("br0", "actions=NORMAL\n")?;
    // Its stations send nothing: it is told of them.
    let control = switch.control();
    (0..STATIONS)
        .try_for_each(|number| tell(&control, number))
        .context("stations of the second port")?;
    switch.feed("br0", feed)?;
    switch.contestants()
}

fn tell(control: &Control, number: usize) -> Result<()> {
    let mac = mac(station(2, number));
    control.ask("fdb/add", &["br0", "out", "0", &mac]).map(drop)
}
