//! Router advertisements as real tools decode them.

use lab::topology::{TWO_NETWORKS, TwoNetworks};
use lab::{Lab, Result, wait_for};
use std::time::Duration;

#[test]
fn rdisc6_reads_every_field_that_was_configured() -> Result<()> {
    let lab = Lab::new("rdisc6")?;
    let net = TwoNetworks::wire(&lab)?;
    let full = r#"[router.interface.ra]
enabled = true
cur_hop_limit = 61
managed = true
other_config = true
default_lifetime = 1200
reachable_time = 30000
retrans_timer = 1500
preference = "high"
mtu = 1480
rdnss = [{ servers = ["2001:db8::53", "2001:db8::54"], lifetime = 600 }]
dnssl = [{ domains = ["lab.example.org", "example.net"], lifetime = 500 }]
route = [{ prefix = "2001:db8:f00::/40", preference = "low", lifetime = 700 }]
pref64 = [{ prefix = "64:ff9b::/96", lifetime = 1800 }]
captive_portal = "https://portal.example/api"
[[router.interface.ra.prefix]]
prefix = "2001:db8:1::/64"
valid_lifetime = 7200
preferred_lifetime = 3600
[[router.interface.ra.prefix]]
prefix = "2001:db8:1:1::/64"
autonomous = false
"#;
    let config = TWO_NETWORKS.replacen(
        "[router.interface.ra]\nenabled = true\n[[router.interface.ra.prefix]]\nprefix = \"2001:db8:1::/64\"\n",
        full,
        1,
    );
    net.r.start(&config)?;
    net.a.link_local("eth0")?;
    let text = wait_for(Duration::from_secs(10), "a solicited advertisement", || {
        net.a.ok("rdisc6 -1 -r 3 -w 2000 eth0").ok()
    })?;
    for wanted in [
        "Hop limit                 :           61",
        "Stateful address conf.    :          Yes",
        "Stateful other conf.      :          Yes",
        "Router preference         :         high",
        "Router lifetime           :         1200",
        "Reachable time            :        30000",
        "Retransmit time           :         1500",
        "2001:db8:1::/64",
        "Valid time              :         7200",
        "Pref. time              :         3600",
        "2001:db8:1:1::/64",
        "MTU                      :         1480",
        "2001:db8::53",
        "2001:db8::54",
        "DNS servers lifetime    :          600",
        "lab.example.org example.net",
        "2001:db8:f00::/40",
        "Route preference        :          low",
        "Source link-layer address",
    ] {
        assert!(text.contains(wanted), "`{wanted}` is not in\n{text}");
    }
    net.r.assert_balanced()
}

#[test]
fn the_last_advertisement_says_goodbye() -> Result<()> {
    let lab = Lab::new("final")?;
    let net = TwoNetworks::start(&lab, "")?;
    let default = || net.a.ok("ip -6 route show default");
    assert!(
        default()?.contains("via fe80::"),
        "no default route by RA: {}",
        default()?
    );
    net.r.stop()?;
    wait_for(Duration::from_secs(3), "the default route to go", || {
        (!default().ok()?.contains("via fe80::")).then_some(())
    })
}

#[test]
fn a_second_router_is_noticed_and_its_differences_are_told() -> Result<()> {
    let lab = Lab::new("radvd")?;
    let (a, other, r) = (lab.host("a")?, lab.host("other")?, lab.router("r")?);
    let segment = lab.segment("lan")?;
    lab.attach(&segment, &a, "eth0")?;
    lab.attach(&segment, &other, "eth0")?;
    lab.attach(&segment, &r, "va")?;
    r.start(
        r#"
[[device]]
name = "lan"
kind = "af_packet"
interface = "va"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64"]
[router.interface.ra]
enabled = true
cur_hop_limit = 64
[[router.interface.ra.prefix]]
prefix = "2001:db8:1::/64"
"#,
    )?;
    a.wait_slaac("eth0", "2001:db8:1:")?;
    other.ok("sysctl -qw net.ipv6.conf.all.forwarding=1")?;
    other.link_local("eth0")?;
    let config = lab.dir().join("radvd.conf");
    std::fs::write(
        &config,
        "interface eth0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvCurHopLimit 32;\n\
         AdvManagedFlag on; prefix 2001:db8:1::/64 { AdvValidLifetime 1000; AdvPreferredLifetime 500; };\n\
         prefix 2001:db8:2::/64 { }; };\n",
    )?;
    let pid = lab.dir().join("radvd.pid");
    let _radvd = other.spawn(&format!(
        "radvd -C {} -p {} -m stderr -n -u root",
        config.display(),
        pid.display()
    ))?;
    let seen = wait_for(Duration::from_secs(15), "radvd to be noticed", || {
        let ra = r.ctl("show ra").ok()?;
        let lan = ra
            .as_array()?
            .iter()
            .find(|i| i["interface"] == "lan0")?
            .clone();
        (!lan["foreign"].as_array()?.is_empty()).then_some(lan)
    })?;
    let text = seen.to_string();
    for what in ["cur_hop_limit", "managed"] {
        assert!(
            text.contains(what),
            "the inconsistency in {what} is not told: {text}"
        );
    }
    // The host listens to both.
    a.wait_slaac("eth0", "2001:db8:2:")?;
    r.assert_balanced()
}
