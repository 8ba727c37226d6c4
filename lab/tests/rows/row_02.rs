//! Row 2: IPv6 VM to VM only. IPv6-only hosts switch within a network and route between networks of a tenant, at full MTU; no
//! IPv4 anywhere.

use anyhow::Context;
use lab::{Host, Lab, Result, ping_received};
use std::time::Duration;

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
name = "c"
kind = "af_packet"
interface = "vc"

[[network]]
name = "front"
segments = [{ kind = "flat", device = "a" }, { kind = "flat", device = "b" }]
[[network]]
name = "back"
segments = [{ kind = "flat", device = "c" }]

[[router]]
name = "tenant"
[[router.interface]]
name = "front0"
network = "front"
addresses = ["2001:db8:1::1/64"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:1::/64"
[[router.interface]]
name = "back0"
network = "back"
addresses = ["2001:db8:2::1/64"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:2::/64"
"#;

#[test]
fn row_02_ipv6_only_hosts_within_a_network_and_between_networks() -> Result<()> {
    let lab = Lab::new("row02")?;
    let (a, b, c) = (lab.host("a")?, lab.host("b")?, lab.host("c")?);
    let r = lab.router("r")?;
    let mut ears = Vec::new();
    for (host, dev) in [(&a, "va"), (&b, "vb"), (&c, "vc")] {
        lab.link(host, "eth0", &r, dev)?;
        ears.push(host.spawn(
            "timeout 60 tcpdump --immediate-mode -n -l -i eth0 'ip or arp or (ip6 and udp port 5300)'",
        )?);
    }
    for ear in &ears {
        lab::wait_for(Duration::from_secs(5), "tcpdump", || {
            ear.log().contains("listening on").then_some(())
        })?;
    }
    r.start(CONFIG)?;
    let b6 = b.wait_slaac("eth0", "2001:db8:1:")?.to_string();
    let a6 = a.wait_slaac("eth0", "2001:db8:1:")?.to_string();
    let c6 = c.wait_slaac("eth0", "2001:db8:2:")?.to_string();
    for (from, to) in [(&a, &b6), (&b, &a6), (&a, &c6), (&c, &b6)] {
        assert_eq!(from.ping(to, 5)?, 5, "{to}");
        // 1500 bytes, whole.
        assert_eq!(full(from, to, 1452)?, 3, "{to}");
    }
    // Within the network nobody routes: the hop limit arrives as it left. Between networks it is one less.
    assert_eq!(hop_limit(&a, &b6)?, 64);
    assert_eq!(hop_limit(&a, &c6)?, 63);
    for host in [&a, &b, &c] {
        assert_eq!(host.ipv4("eth0")?, Vec::<std::net::Ipv4Addr>::new());
    }
    // Nor did anybody send a frame of IPv4; the captures do hear, as a last word in IPv6 shows.
    for (from, to) in [(&a, &b6), (&b, &a6), (&a, &c6)] {
        from.ok(&format!(
            "socat -u SYSTEM:'echo word' UDP6-SENDTO:[{to}]:5300"
        ))?;
    }
    for ear in &ears {
        lab::wait_for(Duration::from_secs(5), "the capture to hear", || {
            ear.log().contains(".5300: UDP").then_some(())
        })
        .with_context(|| ear.log())?;
        let log = ear.log();
        assert!(!log.contains(" ARP, ") && !log.contains(" IP "), "{log}");
    }
    r.assert_balanced()
}

fn full(from: &Host, to: &str, size: u32) -> Result<u32> {
    let ping = from.run(&format!("ping -n -c 3 -i 0.1 -W 2 -M do -s {size} {to}"))?;
    Ok(ping_received(&ping.stdout))
}

/// The hop limit of an answer.
fn hop_limit(from: &Host, to: &str) -> Result<u32> {
    let said = from.ok(&format!("ping -n -c 1 -W 2 {to}"))?;
    let value = said
        .split("ttl=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    Ok(value.unwrap_or_default().parse()?)
}
