//! Sizes: who is told what fits, and how, when a packet does not fit a tunnel or what is behind it.

use std::time::Duration;

use lab::vxlan::Vxlan;
use lab::{Host, Lab, LinkOptions, Result, wait_for};
use serde_json::Value;

use crate::{CONFIG, Outer, Site, advertised_mtu, peer_host, slaac};

/// A peer with VXLAN over IPv6; its device's MTU is what the host believes before it hears the router.
fn start(lab: &Lab, site: &Site, config: &str) -> Result<Host> {
    let k = peer_host(lab, site, "k")?;
    site.r.start(config)?;
    Vxlan {
        dev: "vx0",
        vni: 77,
        local: Outer::V6.peer().parse()?,
        remote: Outer::V6.ours().parse()?,
        checksum: true,
        mtu: 1500,
    }
    .create(&k)?;
    Ok(k)
}

#[test]
fn hosts_learn_the_networks_mtu_and_who_is_beyond_is_told_by_packet_too_big() -> Result<()> {
    let lab = Lab::new("omtu")?;
    let site = Site::wire(&lab)?;
    let blue = crate::blue("vxlan", Outer::V6, "");
    let k = start(&lab, &site, &format!("{CONFIG}{blue}"))?;
    let inside = slaac(&k, "vx0", "2001:db8:1:")?;
    slaac(&site.far, "eth0", "2001:db8:9:")?;
    // Hosts of the network know before they send; the one beyond is none of it.
    site.a.wait_slaac("eth0", "2001:db8:1:")?;
    assert_eq!(advertised_mtu(&site.a, "eth0")?, 1430);
    assert_eq!(advertised_mtu(&k, "vx0")?, 1430);
    assert_eq!(advertised_mtu(&site.far, "eth0")?, 1500);
    assert_eq!(site.far.ping(&inside, 2)?, 2);
    let before = site.r.dropped("ip6_packet_too_big")?;
    site.far
        .run(&format!("ping -n -c 2 -i 0.2 -W 1 -M do -s 1452 {inside}"))?;
    assert_eq!(path_mtu(&site.far, &inside)?, Some(1430));
    assert!(before < site.r.dropped("ip6_packet_too_big")?);
    // With IPv4 it is the other message.
    k.address("vx0", "10.1.0.11/24")?;
    k.route("default via 10.1.0.1")?;
    k.ok("ip link set vx0 mtu 1430")?;
    assert_eq!(site.far.ping("10.1.0.11", 2)?, 2);
    site.far
        .run("ping -n -c 2 -i 0.2 -W 1 -M do -s 1472 10.1.0.11")?;
    assert_eq!(path_mtu(&site.far, "10.1.0.11")?, Some(1430));
    site.r.assert_balanced()
}

#[test]
fn packet_too_big_finds_its_way_back_into_the_tunnel() -> Result<()> {
    let lab = Lab::new("ptb-in")?;
    let site = Site::wire(&lab)?;
    let config = CONFIG.replace("device = \"wide\"", "device = \"wide\"\nmtu = 1280");
    let blue = crate::blue("vxlan", Outer::V6, "");
    let k = start(&lab, &site, &format!("{config}{blue}"))?;
    slaac(&k, "vx0", "2001:db8:1:")?;
    let far = slaac(&site.far, "eth0", "2001:db8:9:")?;
    k.address("vx0", "10.1.0.11/24")?;
    k.route("default via 10.1.0.1")?;
    k.ok("ip link set vx0 mtu 1430")?;
    for to in [far.as_str(), "10.9.0.2"] {
        assert_eq!(k.ping(to, 2)?, 2, "{to}");
        k.run(&format!("ping -n -c 2 -i 0.2 -W 1 -M do -s 1372 {to}"))?;
        assert_eq!(path_mtu(&k, to)?, Some(1280), "{to}");
    }
    assert_eq!(site.peer_counter("too_big")?, 0);
    site.r.assert_balanced()
}

/// A path that is narrower than the vtep says: no outer packet is fragmented, and what is lost is counted.
#[test]
fn what_does_not_fit_the_path_of_the_tunnel_is_counted_told_and_not_fragmented() -> Result<()> {
    let lab = Lab::new("narrow")?;
    let (a, r) = (lab.host("a")?, lab.router("r")?);
    let under = lab.segment("under")?;
    lab.attach(&under, &r, "vu")?;
    let (far, jumbo) = (lab.host("far")?, LinkOptions { mtu: 1600 });
    lab.link_with(&a, "eth0", &r, "vl", jumbo)?;
    lab.link(&far, "eth0", &r, "vw")?;
    let site = Site { a, far, r, under };
    // The peer is said to be reached by 1570 bytes; the underlay's interface carries 1500.
    let blue = crate::blue("vxlan", Outer::V6, "mtu = 1570");
    let k = start(&lab, &site, &format!("{CONFIG}{blue}"))?;
    let inside = slaac(&k, "vx0", "2001:db8:1:")?;
    site.a.wait_slaac("eth0", "2001:db8:1:")?;
    assert_eq!(advertised_mtu(&site.a, "eth0")?, 1500);
    assert_eq!(site.a.ping(&inside, 2)?, 2);
    // One that just fits, and one that does not: the host is told what does by our interface on its network.
    assert_eq!(crate::full_size(&site.a, &inside, 1430)?, 3);
    let before = site.r.dropped("tunnel_too_big")?;
    assert_eq!(crate::full_size(&site.a, &inside, 1431)?, 0);
    wait_for(Duration::from_secs(5), "the host to be told", || {
        (path_mtu(&site.a, &inside).ok()? == Some(1430)).then_some(())
    })?;
    let dropped = site.r.dropped("tunnel_too_big")? - before;
    assert!(0 < dropped, "it was told of nothing that was dropped");
    assert_eq!(site.peer_counter("too_big")?, dropped);
    site.r.assert_balanced()
}

/// The path MTU that a host has learned.
pub(crate) fn path_mtu(host: &Host, to: &str) -> Result<Option<u64>> {
    let family = if to.contains(':') { "-6" } else { "-4" };
    let route: Value = serde_json::from_str(&host.ok(&format!("ip -j {family} route get {to}"))?)?;
    let metrics = route[0]["metrics"].as_array().into_iter().flatten();
    let mut mtus = metrics.filter_map(|m| m["mtu"].as_u64());
    Ok(mtus.next())
}
