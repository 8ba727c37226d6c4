//! Layer-2 networks: stations hear each other through the router, and the router is one of them.

use std::time::Duration;

use lab::{Host, Lab, Result, Router, wait_for};
use serde_json::Value;

/// Blue is two devices; red is a VLAN of a trunk and a device of its own. Green is an interface as ever.
const CONFIG: &str = r#"
[[device]]
name = "a"
kind = "af_packet"
interface = "va"
[[device]]
name = "b"
kind = "af_packet"
interface = "vb"
[[device]]
name = "trunk"
kind = "af_packet"
interface = "vt"
[[device]]
name = "d"
kind = "af_packet"
interface = "vd"
[[device]]
name = "e"
kind = "af_packet"
interface = "ve"

[[network]]
name = "blue"
segments = [{ kind = "flat", device = "a" }, { kind = "flat", device = "b" }]
[[network]]
name = "red"
segments = [{ kind = "vlan", device = "trunk", vlan = 100 }, { kind = "flat", device = "d" }]

[[router]]
name = "main"
[[router.interface]]
name = "blue0"
network = "blue"
addresses = ["2001:db8:1::1/64", "192.0.2.1/24"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:1::/64"
[[router.interface]]
name = "red0"
network = "red"
addresses = ["2001:db8:2::1/64"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:2::/64"
[[router.interface]]
name = "green0"
device = "e"
addresses = ["2001:db8:3::1/64"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:3::/64"
"#;

struct Net {
    a: Host,
    b: Host,
    c: Host,
    d: Host,
    e: Host,
    r: Router,
}

impl Net {
    /// Hosts a and b in blue; c, on the trunk in VLAN 100, and d in red; e in green.
    fn start(lab: &Lab, config: &str) -> Result<Self> {
        let (a, b) = (lab.host("a")?, lab.host("b")?);
        let (c, d, e) = (lab.host("c")?, lab.host("d")?, lab.host("e")?);
        let r = lab.router("r")?;
        lab.link(&a, "eth0", &r, "va")?;
        lab.link(&b, "eth0", &r, "vb")?;
        lab.link(&c, "eth0", &r, "vt")?;
        lab.link(&d, "eth0", &r, "vd")?;
        lab.link(&e, "eth0", &r, "ve")?;
        c.tag("eth0", 100)?;
        r.start(config)?;
        Ok(Self { a, b, c, d, e, r })
    }

    /// Stations of a network that were learned: MAC and place.
    fn learned(&self, network: &str) -> Result<Vec<(String, String)>> {
        let stations = self.r.ctl(&format!("show fdb --network {network}"))?;
        let stations = stations.as_array().cloned().unwrap_or_default();
        let learned = stations
            .iter()
            .filter(|s| s["is_static"] == Value::Bool(false));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(learned.map(|s| (text(&s["mac"]), text(&s["at"]))).collect())
    }
}

fn mac(host: &Host, dev: &str) -> Result<String> {
    let text = host.ok(&format!("cat /sys/class/net/{dev}/address"))?;
    Ok(text.trim().to_owned())
}

#[test]
fn stations_of_a_network_reach_each_other_the_router_and_what_is_behind_it() -> Result<()> {
    let lab = Lab::new("networks")?;
    let net = Net::start(&lab, CONFIG)?;
    let _ = net.a.wait_slaac("eth0", "2001:db8:1:")?;
    let b = net.b.wait_slaac("eth0", "2001:db8:1:")?;
    let e = net.e.wait_slaac("eth0", "2001:db8:3:")?;
    // From station to station, learned on the way.
    assert_eq!(net.a.ping(&b.to_string(), 5)?, 5);
    let (mac_a, mac_b) = (mac(&net.a, "eth0")?, mac(&net.b, "eth0")?);
    wait_for(
        Duration::from_secs(3),
        "both stations to be learned",
        || {
            let learned = net.learned("blue").ok()?;
            let has = |mac: &str, at: &str| learned.contains(&(mac.to_owned(), at.to_owned()));
            (has(&mac_a, "a") && has(&mac_b, "b")).then_some(())
        },
    )?;
    // IPv4 too, by ARP.
    net.a.address("eth0", "192.0.2.10/24")?;
    net.b.address("eth0", "192.0.2.11/24")?;
    assert_eq!(net.a.ping("192.0.2.11", 3)?, 3);
    assert_eq!(net.a.ping("192.0.2.1", 3)?, 3);
    // The router is a station, and routes to an interface that is on no network.
    assert_eq!(net.a.ping("2001:db8:1::1", 3)?, 3);
    assert_eq!(net.a.ping(&e.to_string(), 5)?, 5);
    assert_eq!(net.e.ping(&b.to_string(), 5)?, 5);
    let networks = net.r.ctl("show networks")?;
    let blue = &networks[0];
    assert_eq!((&blue["name"], &blue["up"]), (&"blue".into(), &true.into()));
    for counter in ["rx_frames", "tx_frames", "flooded_frames"] {
        let count = blue["counters"][counter].as_u64().unwrap_or(0);
        assert!(0 < count, "{counter} of\n{networks:#}");
    }
    let books = net.r.ctl("show accounting")?;
    let replicated = books[0]["replicated"].as_u64().unwrap_or(0);
    assert!(0 < replicated, "nothing was replicated: {books:#}");
    net.r.assert_balanced()
}

#[test]
fn a_vlan_of_a_trunk_and_a_device_are_one_network_beside_another() -> Result<()> {
    let lab = Lab::new("networks-vlan")?;
    let net = Net::start(&lab, CONFIG)?;
    let c = net.c.wait_slaac("eth0", "2001:db8:2:")?;
    let d = net.d.wait_slaac("eth0", "2001:db8:2:")?;
    let a = net.a.wait_slaac("eth0", "2001:db8:1:")?;
    assert_eq!(net.c.ping(&d.to_string(), 5)?, 5);
    assert_eq!(net.d.ping(&c.to_string(), 5)?, 5);
    assert_eq!(net.d.ping("2001:db8:2::1", 3)?, 3);
    // From network to network by the router.
    assert_eq!(net.a.ping(&c.to_string(), 5)?, 5);
    assert_eq!(net.d.ping(&a.to_string(), 5)?, 5);
    let at = (mac(&net.c, "eth0")?, "trunk.100".to_owned());
    let learned = net.learned("red")?;
    assert!(learned.contains(&at), "{learned:?}");
    // A station of one network is none of the other, though it has an address there.
    net.a.address("eth0", "2001:db8:2::a/64")?;
    assert_eq!(net.a.ping(&d.to_string(), 2)?, 0);
    net.r.assert_balanced()
}

#[test]
fn a_reload_moves_a_device_to_another_network_and_forgets_who_was_there() -> Result<()> {
    let lab = Lab::new("networks-reload")?;
    let net = Net::start(&lab, CONFIG)?;
    net.a.wait_slaac("eth0", "2001:db8:1:")?;
    let b = net.b.wait_slaac("eth0", "2001:db8:1:")?;
    assert_eq!(net.a.ping(&b.to_string(), 3)?, 3);
    let moved = CONFIG
        .replace(", { kind = \"flat\", device = \"b\" }", "")
        .replace(
            "{ kind = \"flat\", device = \"d\" }",
            "{ kind = \"flat\", device = \"d\" }, { kind = \"flat\", device = \"b\" }",
        );
    net.r.configure(&moved)?;
    net.r.ctl("reload")?;
    let mac_b = mac(&net.b, "eth0")?;
    let blue = net.learned("blue")?;
    assert!(blue.iter().all(|(mac, _)| *mac != mac_b), "{blue:?}");
    assert_eq!(net.a.ping(&b.to_string(), 2)?, 0);
    net.b.wait_slaac("eth0", "2001:db8:2:")?;
    let d = net.d.wait_slaac("eth0", "2001:db8:2:")?;
    assert_eq!(net.b.ping(&d.to_string(), 5)?, 5);
    let red = net.learned("red")?;
    assert!(red.contains(&(mac_b, "b".to_owned())), "{red:?}");
    net.r.assert_balanced()
}
