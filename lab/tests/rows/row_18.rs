//! Row 18: a mix of several IPv4 and IPv6 networks. A host on two IPv4, two IPv6 and two dual networks at once.

use super::Config;
use lab::{Lab, Result};

#[test]
fn row_18_a_host_on_two_ipv4_two_ipv6_and_two_dual_networks_at_once() -> Result<()> {
    let lab = Lab::new("row18")?;
    let (host, far, r) = (lab.host("host")?, lab.host("far")?, lab.router("r")?);
    let networks: [&[&str]; 6] = [
        &["10.1.0.1/24"],
        &["10.2.0.1/24"],
        &["2001:db8:3::1/64"],
        &["2001:db8:4::1/64"],
        &["10.5.0.1/24", "2001:db8:5::1/64"],
        &["10.6.0.1/24", "2001:db8:6::1/64"],
    ];
    let mut config = Config::default();
    for (i, addresses) in networks.iter().enumerate() {
        lab.link(&host, &format!("eth{i}"), &r, &format!("v{i}"))?;
        config = config.interface(&format!("v{i}"), addresses);
    }
    lab.link(&far, "eth0", &r, "vfar")?;
    r.start(
        &config
            .interface("vfar", &["10.9.0.1/24", "2001:db8:9::1/64"])
            .text(),
    )?;
    far.address("eth0", "10.9.0.2/24")?;
    far.route("default via 10.9.0.1")?;
    let far6 = far.wait_slaac("eth0", "2001:db8:9:")?;
    let mut flows = Vec::new();
    for (i, addresses) in networks.iter().enumerate() {
        let dev = format!("eth{i}");
        for address in *addresses {
            let from = if let Some(net) = address.strip_suffix(".1/24") {
                let own = format!("{net}.2");
                host.address(&dev, &format!("{own}/24"))?;
                host.ok(&format!("ip rule add from {own} table {}", 100 + i))?;
                host.ok(&format!(
                    "ip route add default via {net}.1 dev {dev} table {}",
                    100 + i
                ))?;
                flows.push(host.spawn(&format!("ping -n -c 10 -i 0.1 -W 2 -I {own} 10.9.0.2"))?);
                own
            } else {
                let prefix = address.trim_end_matches(":1/64");
                let own = host.wait_slaac(&dev, prefix)?.to_string();
                flows.push(host.spawn(&format!("ping -n -c 10 -i 0.1 -W 2 -I {own} {far6}"))?);
                own
            };
            flows.push(far.spawn(&format!("ping -n -c 10 -i 0.1 -W 2 {from}"))?);
        }
    }
    assert_eq!(flows.len(), 16);
    for mut flow in flows {
        flow.wait(std::time::Duration::from_secs(15))?;
        assert_eq!(lab::ping_received(&flow.log()), 10, "{}", flow.log());
    }
    r.assert_balanced()
}
