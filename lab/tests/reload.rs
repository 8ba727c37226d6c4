//! Reloads that add, remove and bring back devices, interfaces and what depends on them.

use lab::topology::{TWO_NETWORKS, TwoNetworks};
use lab::{Lab, Result, wait_for};
use std::time::Duration;

/// A third network, on the device `vc`.
const DMZ: &str = r#"
[[router.interface]]
name = "dmz0"
device = "dmz"
addresses = ["2001:db8:5::1/64"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:5::/64"

[[device]]
name = "dmz"
kind = "af_packet"
interface = "vc"
"#;

/// Whether the routing table has a prefix in use.
fn has_route(net: &TwoNetworks, prefix: &str) -> bool {
    let routes = net.r.ctl("show routes").unwrap_or_default();
    let mut routes = routes.as_array().into_iter().flatten();
    routes.any(|route| route["prefix"] == prefix && route["installed"] == true)
}

#[test]
fn an_interface_comes_and_goes_with_its_routes_and_advertisements() -> Result<()> {
    let lab = Lab::new("dmz")?;
    let net = TwoNetworks::start(&lab, "")?;
    let c = lab.host("c")?;
    lab.link(&c, "eth0", &net.r, "vc")?;
    net.r.configure(&format!("{TWO_NETWORKS}{DMZ}"))?;
    net.r.hextetctl("reload")?;
    net.r.settled()?;
    let c6 = c.wait_slaac("eth0", "2001:db8:5:")?.to_string();
    assert_eq!(net.a.ping(&c6, 3)?, 3);
    assert_eq!(net.a.ping("2001:db8:5::", 2)?, 2, "subnet-router anycast");
    net.r
        .hextetctl(&format!("route add 2001:db8:99::/48 via {c6} dev dmz0"))?;
    assert!(has_route(&net, "2001:db8:99::/48"));

    // Gone: the hosts there hear it, and the API's route rests.
    net.r.configure(TWO_NETWORKS)?;
    net.r.hextetctl("reload")?;
    wait_for(
        Duration::from_secs(3),
        "the last advertisement to be heard",
        || {
            let default = c.ok("ip -6 route show default").ok()?;
            default.trim().is_empty().then_some(())
        },
    )?;
    assert!(!has_route(&net, "2001:db8:99::/48"));
    assert!(!has_route(&net, "2001:db8:5::/64"));
    assert_eq!(net.a.ping(&net.b_ipv6()?, 2)?, 2);

    // Back: so is the route.
    net.r.configure(&format!("{TWO_NETWORKS}{DMZ}"))?;
    net.r.hextetctl("reload")?;
    net.r.settled()?;
    wait_for(Duration::from_secs(5), "the API's route to return", || {
        has_route(&net, "2001:db8:99::/48").then_some(())
    })?;
    wait_for(Duration::from_secs(10), "c's default route", || {
        let default = c.ok("ip -6 route show default").ok()?;
        default.contains("via fe80").then_some(())
    })?;
    assert_eq!(net.a.ping(&c6, 3)?, 3);
    let log = net.r.log();
    assert!(!log.contains("refused a change"), "{log}");
    net.r.assert_balanced()
}

#[test]
fn a_device_that_was_lost_is_opened_again_by_a_reload() -> Result<()> {
    let lab = Lab::new("lost")?;
    let net = TwoNetworks::start(&lab, "")?;
    assert_eq!(net.a.ping(&net.b_ipv6()?, 1)?, 1);
    net.r.ok("ip link del vb")?;
    wait_for(Duration::from_secs(5), "the device to be gone", || {
        net.r.log().contains("device has disappeared").then_some(())
    })?;

    // While it is not there, a reload goes on without it and says so.
    net.r.hextetctl("reload")?;
    let warnings = net.r.ctl("show status")?["warnings"].to_string();
    assert!(warnings.contains("device wan did not open"), "{warnings}");
    assert_eq!(net.a.ping("2001:db8:1::1", 2)?, 2);

    lab.link(&net.b, "eth0", &net.r, "vb")?;
    net.b.address("eth0", "198.51.100.2/24")?;
    net.b.route("default via 198.51.100.1")?;
    net.r.hextetctl("reload")?;
    net.r.settled()?;
    assert_eq!(net.r.ctl("show status")?["warnings"].to_string(), "[]");
    assert_eq!(net.a.ping(&net.b_ipv6()?, 3)?, 3);
    assert_eq!(net.a.ping("198.51.100.2", 3)?, 3);
    net.r.assert_balanced()
}

#[test]
fn a_reload_replaces_the_log_filter() -> Result<()> {
    let lab = Lab::new("log")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r.configure(TWO_NETWORKS)?;
    let loud = std::fs::read_to_string(net.r.config_path())?;
    let quiet = loud.replacen("idle =", "log = \"error\"\nidle =", 1);
    std::fs::write(net.r.config_path(), quiet)?;
    net.r.restart()?;
    assert_eq!(net.r.log(), "");
    std::fs::write(net.r.config_path(), loud)?;
    net.r.hextetctl("reload")?;
    let log = net.r.log();
    assert!(log.contains("configuration reloaded"), "{log}");
    Ok(())
}
