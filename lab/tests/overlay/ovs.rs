//! Open vSwitch: Ethernet in VXLAN, in Geneve and in GRE, hosts behind its bridge.

use std::time::Duration;

use lab::ovs::{Ovs, Tunnel};
use lab::{Lab, Result, wait_for};

use crate::{Outer, Site};

#[test]
fn ovs_vxlan_over_ipv6() -> Result<()> {
    ovs("vxlan", Outer::V6, 1430, "")
}

#[test]
fn ovs_vxlan_over_ipv4() -> Result<()> {
    ovs("vxlan", Outer::V4, 1450, "options:csum=true")
}

#[test]
fn ovs_geneve_over_ipv6() -> Result<()> {
    ovs("geneve", Outer::V6, 1430, "")
}

#[test]
fn ovs_geneve_over_ipv4() -> Result<()> {
    ovs("geneve", Outer::V4, 1450, "options:csum=true")
}

#[test]
fn ovs_gre_with_a_key_over_ipv6() -> Result<()> {
    // 1500 less IPv6 40, GRE with key 8, Ethernet 14.
    ovs("gre", Outer::V6, 1438, "")
}

#[test]
fn ovs_gre_with_a_key_over_ipv4() -> Result<()> {
    ovs("gre", Outer::V4, 1458, "")
}

/// `more` are options of the switch's end.
fn ovs(kind: &str, outer: Outer, mtu: u32, more: &str) -> Result<()> {
    let lab = Lab::new("ovs")?;
    let site = Site::wire(&lab)?;
    let peer = peer(&lab, &site)?;
    let h = lab.host("h")?;
    lab.link(&h, "eth0", &peer, "ph")?;
    peer.bridge("br-blue")?;
    peer.port("br-blue", "ph", "")?;
    let tunnel = Tunnel {
        kind,
        local: outer.peer(),
        remote: outer.ours(),
        key: 77,
        more,
    };
    peer.tunnel("br-blue", "tun0", tunnel)?;
    site.start(kind, outer, "")?;
    site.talks(&h, "eth0", mtu)?;
    for counter in ["rx_packets", "tx_packets"] {
        wait_for(
            Duration::from_secs(15),
            "the switch to have counted",
            || (40 < peer.counted("tun0", counter).ok()?).then_some(()),
        )?;
    }
    site.r.assert_balanced()
}

/// A switch on the underlay with the peer's addresses.
pub fn peer(lab: &Lab, site: &Site) -> Result<Ovs> {
    let peer = Ovs::start(lab, "peer")?;
    lab.attach(&site.under, &peer, "eth0")?;
    let (v6, v4) = (Outer::V6.peer(), Outer::V4.peer());
    peer.underlay("eth0", &[&format!("{v6}/64"), &format!("{v4}/24")])?;
    Ok(peer)
}
