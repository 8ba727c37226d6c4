//! Multicast listener discovery: the kernel's bridge as a switch that snoops (RFC 4541), and as querier.

use lab::{Host, Lab, Result, wait_for};
use std::time::Duration;

/// A router on `va` with addresses of 2001:db8:1::/64.
fn configuration(addresses: &str) -> String {
    format!(
        "[[device]]\nname = \"lan\"\nkind = \"af_packet\"\ninterface = \"va\"\n\
         [[router]]\nname = \"main\"\n\
         [[router.interface]]\nname = \"lan0\"\ndevice = \"lan\"\naddresses = [{addresses}]\n"
    )
}

/// A segment whose bridge snoops and asks, by queries of this version.
fn snooping_segment(lab: &Lab, version: u8) -> Result<Host> {
    let segment = lab.segment("lan")?;
    // A querier needs a link-local source.
    segment.ok("sysctl -qw net.ipv6.conf.br0.disable_ipv6=0")?;
    // Hundredths of a second: a query each 5 s, and a group that nobody answers for is forgotten after 12 s.
    segment.ok(&format!(
        "ip link set br0 type bridge mcast_snooping 1 mcast_querier 1 mcast_mld_version {version} \
         mcast_query_interval 500 mcast_query_response_interval 200 \
         mcast_startup_query_interval 200 mcast_membership_interval 1200"
    ))?;
    wait_for(Duration::from_secs(10), "the bridge's address", || {
        let shown = segment.ok("ip -6 addr show dev br0 scope link").ok()?;
        (shown.contains("fe80") && !shown.contains("tentative")).then_some(())
    })?;
    Ok(segment)
}

/// Whether the bridge has `group` on `port`.
fn has(segment: &Host, port: &str, group: &str) -> Result<bool> {
    let mdb: serde_json::Value = serde_json::from_str(&segment.ok("bridge -j mdb show dev br0")?)?;
    let entries = mdb[0]["mdb"].as_array().into_iter().flatten();
    let mut of_port = entries.filter(|entry| entry["port"] == port);
    Ok(of_port.any(|entry| entry["grp"] == group))
}

/// The bridge's ports.
fn ports(segment: &Host) -> Result<Vec<String>> {
    let shown: serde_json::Value =
        serde_json::from_str(&segment.ok("ip -j link show master br0")?)?;
    let mut ports: Vec<String> = shown
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|link| link["ifname"].as_str().map(Into::into))
        .collect();
    ports.sort();
    Ok(ports)
}

fn a_snooping_switch_learns_groups_and_forgets_them(name: &str, version: u8) -> Result<()> {
    let lab = Lab::new(name)?;
    let segment = snooping_segment(&lab, version)?;
    let (host, r) = (lab.host("a")?, lab.router("r")?);
    lab.attach(&segment, &r, "va")?;
    let port = ports(&segment)?.remove(0);
    lab.attach(&segment, &host, "eth0")?;
    host.address("eth0", "2001:db8:1::10/64")?;
    let both = configuration("\"2001:db8:1::1:2345/64\", \"2001:db8:1::2:6789/64\"");
    r.start(&both)?;

    for group in ["ff02::1:ff01:2345", "ff02::1:ff02:6789", "ff02::2"] {
        wait_for(Duration::from_secs(10), group, || {
            has(&segment, &port, group).ok()?.then_some(())
        })?;
    }
    // Longer than the bridge remembers a group without an answer.
    std::thread::sleep(Duration::from_secs(14));
    assert!(
        has(&segment, &port, "ff02::1:ff01:2345")?,
        "queries are not answered"
    );
    // The solicitation goes through the bridge by its group alone: nobody has spoken for long.
    assert_eq!(host.ping("2001:db8:1::1:2345", 2)?, 2);
    assert_eq!(host.ping("2001:db8:1::2:6789", 2)?, 2);

    r.configure(&configuration("\"2001:db8:1::1:2345/64\""))?;
    r.hextetctl("reload")?;
    wait_for(Duration::from_secs(10), "the group to be left", || {
        (!has(&segment, &port, "ff02::1:ff02:6789").ok()?).then_some(())
    })?;
    assert!(has(&segment, &port, "ff02::1:ff01:2345")?, "left too much");
    assert_eq!(host.ping("2001:db8:1::1:2345", 2)?, 2);
    r.assert_balanced()
}

#[test]
fn a_snooping_switch_of_version_2() -> Result<()> {
    a_snooping_switch_learns_groups_and_forgets_them("mld2", 2)
}

#[test]
fn a_snooping_switch_of_version_1() -> Result<()> {
    a_snooping_switch_learns_groups_and_forgets_them("mld1", 1)
}
