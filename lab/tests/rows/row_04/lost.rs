//! The loss of a router: both routers know all tenants, each is active for its own, and the one that is left is active for all.

use anyhow::Context;
use lab::ovs::{Ovs, Tunnel};
use lab::pair::are;
use lab::{Host, Lab, Result, Router, wait_for};
use std::time::Duration;

use super::{TENANTS, Tenant, WORLD, base, provider, underlay};

/// The configuration of one of the routers: every tenant, as one of two that stand for its gateway and for its way out.
fn config(number: usize) -> String {
    let mut text = base(underlay(number));
    for tenant in &TENANTS {
        let Tenant {
            name,
            number: n,
            home,
            ..
        } = tenant;
        let (own, priority) = (number + 2, if *home == number { 200 } else { 100 });
        let segment = tenant.segment();
        let group = |vrid: u8, address: &str| {
            format!(
                "[[router.interface.vrrp]]\nvrid = {vrid}\naddresses = [\"{address}\"]\npriority = {priority}\n\
                 advertisement_interval = \"100ms\"\naccept = true\n"
            )
        };
        text += &format!(
            r#"
[[network]]
name = "{name}"
segments = [{{ {segment} }}]
[[router]]
name = "{name}"
[[router.interface]]
name = "{name}0"
network = "{name}"
addresses = ["2001:db8:{n}::fe0{own}/64", "10.{n}.0.25{own}/24"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:{n}::/64"
{}{}
[[router.interface]]
name = "{name}-ext"
network = "external"
addresses = ["2001:db8:e::{n}{own}/64", "198.51.100.{n}{own}/24"]
{}{}
[[router.route]]
prefix = "::/0"
via = "2001:db8:e::1"
[[router.route]]
prefix = "0.0.0.0/0"
via = "198.51.100.1"
"#,
            group(*n, &format!("2001:db8:{n}::1")),
            group(*n, &format!("10.{n}.0.1")),
            group(100 + n, &format!("2001:db8:e::{n}0")),
            group(100 + n, &format!("198.51.100.{n}0")),
        );
    }
    text
}

/// A tenant's host at the switch: on its VLAN, which both trunks carry, or behind tunnels to both routers.
fn attach(lab: &Lab, peer: &Ovs, tenant: &Tenant) -> Result<Host> {
    let host = lab.host(tenant.name)?;
    let port = format!("p{}", tenant.name);
    lab.link(&host, "eth0", peer, &port)?;
    match tenant.kind {
        "vlan" => peer.port("br-trunk", &port, &format!("tag={}", tenant.vlan()))?,
        kind => {
            let bridge = format!("br-{}", tenant.name);
            peer.bridge(&bridge)?;
            peer.port(&bridge, &port, "")?;
            for number in 0..2 {
                let tunnel = Tunnel {
                    kind,
                    local: "fd66::3",
                    remote: underlay(number),
                    key: tenant.number.into(),
                    more: "",
                };
                peer.tunnel(&bridge, &format!("t{number}{}", tenant.name), tunnel)?;
            }
        }
    }
    tenant.settle(&host)?;
    Ok(host)
}

/// Waits until each router is active for these tenants, and for no other.
fn shared(routers: &[Router; 2]) -> Result<()> {
    for (number, router) in routers.iter().enumerate() {
        let settled = wait_for(
            Duration::from_secs(30),
            "each to be active for its own",
            || {
                let shown = router.ctl("show vrrp").ok()?;
                let groups = shown.as_array()?;
                let right = groups.iter().all(|group| {
                    let tenant = TENANTS.iter().find(|t| group["router"] == t.name);
                    let home = tenant.is_some_and(|tenant| tenant.home == number);
                    group["state"] == if home { "active" } else { "backup" }
                });
                (groups.len() == 4 * TENANTS.len() && right).then_some(())
            },
        );
        settled.with_context(|| router.hextetctl("show vrrp").unwrap_or_default())?;
    }
    Ok(())
}

#[test]
fn row_04_losing_one_moves_its_tenants() -> Result<()> {
    let lab = Lab::new("lost")?;
    let (under, external) = (lab.segment("under")?, lab.segment("ext")?);
    let routers = [lab.router("r1")?, lab.router("r2")?];
    let isp = provider(&lab, &external)?;
    let peer = Ovs::start(&lab, "peer")?;
    lab.attach(&under, &peer, "eth0")?;
    peer.underlay("eth0", &["fd66::3/64"])?;
    peer.bridge("br-trunk")?;
    for (number, router) in routers.iter().enumerate() {
        lab.attach(&under, router, "vu")?;
        lab.attach(&external, router, "ve")?;
        let port = format!("ptrunk{number}");
        lab.link(&peer, &port, router, "vt")?;
        peer.port("br-trunk", &port, "")?;
    }
    let mut hosts = Vec::new();
    for tenant in &TENANTS {
        hosts.push(attach(&lab, &peer, tenant)?);
    }
    for (number, router) in routers.iter().enumerate() {
        router.start(&config(number))?;
    }
    shared(&routers)?;
    let reached = |when: &str| -> Result<()> {
        for (tenant, host) in TENANTS.iter().zip(&hosts) {
            let number = tenant.number;
            let own = host.wait_slaac("eth0", &format!("2001:db8:{number}:"))?;
            for world in WORLD {
                // The switches on the way learn where the virtual router is by what it says.
                let what = format!("{when}: {} to reach {world}", tenant.name);
                wait_for(Duration::from_secs(10), &what, || {
                    (host.ping(world, 1).ok()? == 1).then_some(())
                })?;
                assert_eq!(
                    host.ping(world, 3)?,
                    3,
                    "{when}: {} to {world}",
                    tenant.name
                );
            }
            for own in [own.to_string(), format!("10.{number}.0.2")] {
                assert_eq!(
                    isp.ping(&own, 3)?,
                    3,
                    "{when}: the world to {}",
                    tenant.name
                );
            }
        }
        Ok(())
    };
    reached("both there")?;
    for lost in [0, 1] {
        routers[lost].crash()?;
        are(&routers[1 - lost], "active")?;
        reached("one lost")?;
        routers[lost].start(&config(lost))?;
        shared(&routers)?;
        reached("both again")?;
    }
    routers.iter().try_for_each(Router::assert_balanced)
}
