//! IP in GRE: a router's interface that is a tunnel, with Open vSwitch at the other end.

use lab::{Lab, Result, wait_for};
use std::time::Duration;

use crate::{CONFIG, Outer, Site, full_size, mac, ovs, slaac};

#[test]
fn ip_in_gre_over_ipv6() -> Result<()> {
    // 1500 less IPv6 40 and GRE with key 8.
    ip_in_gre(Outer::V6, 1452)
}

#[test]
fn ip_in_gre_over_ipv4() -> Result<()> {
    ip_in_gre(Outer::V4, 1472)
}

fn ip_in_gre(outer: Outer, mtu: u32) -> Result<()> {
    let lab = Lab::new("gre")?;
    let site = Site::wire(&lab)?;
    let peer = ovs::peer(&lab, &site)?;
    // The switch's own interface is the other end: what the tunnel gives goes there with its MAC, and back.
    peer.bridge("br-gre")?;
    peer.host.ok(&format!("ip link set br-gre up mtu {mtu}"))?;
    peer.vsctl(&format!(
        "add-port br-gre gre0 -- set interface gre0 ofport_request=5 type=gre options:packet_type=legacy_l3 \
         options:local_ip={} options:remote_ip={} options:key=5",
        outer.peer(),
        outer.ours()
    ))?;
    let own = mac(&peer.host, "br-gre")?;
    peer.flows(
        "br-gre",
        &[
            &format!("in_port=5,actions=mod_dl_dst:{own},output:LOCAL"),
            "in_port=LOCAL,ip,actions=output:5",
            "in_port=LOCAL,ipv6,actions=output:5",
        ],
    )?;
    for (address, router, beyond) in [
        ("2001:db8:5::2/64", "2001:db8:5::1", "2001:db8:9::/64"),
        ("10.5.0.2/24", "10.5.0.1", "10.9.0.0/24"),
    ] {
        peer.host.address("br-gre", address)?;
        // Nobody resolves addresses in the tunnel.
        peer.host.ok(&format!(
            "ip neigh add {router} lladdr 02:00:00:00:00:01 dev br-gre"
        ))?;
        peer.host.route(&format!("{beyond} via {router}"))?;
    }
    let blue = crate::blue("gre", outer, "");
    let tunnel = r#"
[[router.interface]]
name = "hq0"
gre = { vtep = "peer", key = 5 }
addresses = ["2001:db8:5::1/64", "10.5.0.1/24"]
"#;
    site.r.start(&format!("{CONFIG}{tunnel}{blue}"))?;
    let far = slaac(&site.far, "eth0", "2001:db8:9:")?;
    for to in ["2001:db8:5::1", "10.5.0.1", &far, "10.9.0.2"] {
        assert_eq!(peer.host.ping(to, 5)?, 5, "{to}");
        assert_eq!(full_size(&peer.host, to, mtu)?, 3, "{to}");
    }
    for to in ["2001:db8:5::2", "10.5.0.2"] {
        assert_eq!(site.far.ping(to, 5)?, 5, "{to}");
        assert_eq!(full_size(&site.far, to, mtu)?, 3, "{to}");
    }
    // One byte more, and who sends is told what fits.
    let headers = 48;
    let size = mtu + 1 - headers;
    let told = site.far.run(&format!(
        "ping -n -c 2 -i 0.2 -W 1 -M do -s {size} 2001:db8:5::2"
    ))?;
    assert!(
        told.stdout.contains(&format!("mtu={mtu}")) || told.stdout.contains(&format!("mtu: {mtu}")),
        "{told:?}"
    );
    let interfaces = site.r.ctl("show interfaces")?;
    let hq0 = interfaces
        .as_array()
        .into_iter()
        .flatten()
        .find(|i| i["name"] == "hq0")
        .cloned()
        .unwrap_or_default();
    assert_eq!((&hq0["vtep"], &hq0["mtu"]), (&"peer".into(), &mtu.into()));
    let counted = |counter: &str| site.peer_counter(counter);
    assert!(20 < counted("rx_packets")? && 20 < counted("tx_packets")?);
    // Without the key it is no packet of the tunnel.
    let before = site.r.dropped("tunnel_unknown_network")?;
    peer.vsctl("set interface gre0 options:key=6")?;
    wait_for(Duration::from_secs(5), "the switch's other key", || {
        let lost = peer.host.ping("10.5.0.1", 1).ok()? == 0;
        let grown = before < site.r.dropped("tunnel_unknown_network").ok()?;
        (lost && grown).then_some(())
    })?;
    site.r.assert_balanced()
}
