//! A path that is narrower than the vtep says, and a router on it that tells us so: hosts hear of it within the tunnel.
//!
//! ```text
//!   a ── [r] ── (the underlay) ── m ── 1400 ── k
//! ```

use std::time::Duration;

use lab::vxlan::Vxlan;
use lab::{Lab, LinkOptions, Result, wait_for};

use crate::mtu::path_mtu;
use crate::{CONFIG, Outer, Site, count, full_size, slaac};

#[test]
fn hosts_hear_of_a_narrow_path_over_ipv6() -> Result<()> {
    narrow(Outer::V6)
}

#[test]
fn hosts_hear_of_a_narrow_path_over_ipv4() -> Result<()> {
    narrow(Outer::V4)
}

fn narrow(outer: Outer) -> Result<()> {
    let lab = Lab::new("pathmtu")?;
    let site = Site::wire(&lab)?;
    let (m, k) = (lab.host("m")?, lab.host("k")?);
    lab.attach(&site.under, &m, "eth0")?;
    lab.link_with(&m, "eth1", &k, "eth0", LinkOptions { mtu: 1400 })?;
    for (host, dev, address) in [
        (&m, "eth0", "fd66::9/64"),
        (&m, "eth0", "192.0.2.9/24"),
        (&m, "eth1", "fd77::9/64"),
        (&m, "eth1", "198.51.100.9/24"),
        (&k, "eth0", "fd77::3/64"),
        (&k, "eth0", "198.51.100.3/24"),
    ] {
        host.address(dev, address)?;
    }
    m.ok("sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1")?;
    k.route("fd66::/64 via fd77::9")?;
    k.route("192.0.2.0/24 via 198.51.100.9")?;
    let (remote, packing) = match outer {
        Outer::V6 => ("fd77::3", 70),
        Outer::V4 => ("198.51.100.3", 50),
    };
    let routes = "\n[[router.route]]\nprefix = \"fd77::/64\"\nvia = \"fd66::9\"\n\
                  [[router.route]]\nprefix = \"198.51.100.0/24\"\nvia = \"192.0.2.9\"\n";
    let tenant = "[[router]]\nname = \"tenant\"";
    let config = CONFIG.replace(tenant, &format!("{routes}\n{tenant}"));
    let blue = crate::blue("vxlan", outer, "").replace(outer.peer(), remote);
    site.r.start(&format!("{config}{blue}"))?;
    Vxlan {
        dev: "vx0",
        vni: 77,
        local: remote.parse()?,
        remote: outer.ours().parse()?,
        checksum: true,
        mtu: 1400 - packing,
    }
    .create(&k)?;
    k.address("vx0", "10.1.0.11/24")?;
    let inside = slaac(&k, "vx0", "2001:db8:1:")?;
    site.a.wait_slaac("eth0", "2001:db8:1:")?;
    let vtep = || Ok::<_, anyhow::Error>(site.r.ctl("show vteps")?[0].clone());
    assert_eq!(vtep()?["path_mtu"], serde_json::Value::Null);
    // What fills the network does not fit the path: m says so to us, and we to the host.
    let full = 1500 - packing;
    for to in [inside.as_str(), "10.1.0.11"] {
        assert_eq!(site.a.ping(to, 2)?, 2, "{to}");
        let _ = full_size(&site.a, to, full)?;
        wait_for(Duration::from_secs(5), "the path MTU", || {
            (vtep().ok()?["path_mtu"] == 1400).then_some(())
        })?;
        let _ = full_size(&site.a, to, full)?;
        assert_eq!(
            path_mtu(&site.a, to)?,
            Some(u64::from(1400 - packing)),
            "{to}"
        );
        assert_eq!(full_size(&site.a, to, 1400 - packing)?, 3, "{to}");
    }
    let said = vtep()?;
    assert_eq!(count(&said["path_events"], "lowered"), 1, "{said:#}");
    let left = count(&said, "path_mtu_seconds");
    assert!((1..=600).contains(&left), "{said:#}");
    assert!(0 < count(&said["counters"], "too_big"), "{said:#}");
    // A far host's packets are routed into the tunnel: it hears the same.
    let far = slaac(&site.far, "eth0", "2001:db8:9:")?;
    assert_eq!(k.ping(&far, 2)?, 2);
    let _ = full_size(&site.far, &inside, full)?;
    assert_eq!(
        path_mtu(&site.far, &inside)?,
        Some(u64::from(1400 - packing))
    );
    site.r.assert_balanced()
}
