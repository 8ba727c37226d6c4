//! Row 18: a mix of several IPv4 and IPv6 networks. A host on two IPv4, two IPv6 and two dual networks at once; on wires, and
//! over VLAN and VXLAN.

use super::{Config, vxlan_nics};
use lab::{Host, Lab, Result, Router};

const NETWORKS: [&[&str]; 6] = [
    &["10.1.0.1/24"],
    &["10.2.0.1/24"],
    &["2001:db8:3::1/64"],
    &["2001:db8:4::1/64"],
    &["10.5.0.1/24", "2001:db8:5::1/64"],
    &["10.6.0.1/24", "2001:db8:6::1/64"],
];
const FAR: &[&str] = &["10.9.0.1/24", "2001:db8:9::1/64"];

#[test]
fn row_18_a_host_on_two_ipv4_two_ipv6_and_two_dual_networks_at_once() -> Result<()> {
    let lab = Lab::new("row18")?;
    let (host, far, r) = (lab.host("host")?, lab.host("far")?, lab.router("r")?);
    let mut config = Config::default();
    for (i, addresses) in NETWORKS.iter().enumerate() {
        lab.link(&host, &format!("eth{i}"), &r, &format!("v{i}"))?;
        config = config.interface(&format!("v{i}"), addresses);
    }
    lab.link(&far, "eth0", &r, "vfar")?;
    r.start(&config.interface("vfar", FAR).text())?;
    let devs = [0, 1, 2, 3, 4, 5].map(|i| format!("eth{i}"));
    all_flows_at_once(&host, &devs, &far, &r)
}

/// One network of each kind is over VLAN, the other over VXLAN.
#[test]
fn row_18_the_same_over_vlan_and_vxlan() -> Result<()> {
    let lab = Lab::new("row18o")?;
    let (host, far, r) = (lab.host("host")?, lab.host("far")?, lab.router("r")?);
    lab.link(&host, "eth0", &r, "vu")?;
    vxlan_nics(&host, "fd66::3", "fd66::1", 3)?;
    let mut config = Config::default()
        .interface("vu", &["fd66::1/64"])
        .vtep("host", "fd66::1", "fd66::3");
    let mut devs = [const { String::new() }; 6];
    for (i, addresses) in NETWORKS.iter().enumerate() {
        let (name, half) = (format!("n{i}"), i / 2);
        if i % 2 == 0 {
            let (dev, port) = (format!("eth{}", 1 + half), format!("v{half}"));
            lab.link(&host, &dev, &r, &port)?;
            host.tag(&dev, 100)?;
            let segment = format!("kind = \"vlan\", device = \"{port}\", vlan = 100");
            config = config.device(&port).network(&name, &segment, addresses);
            devs[i] = dev;
        } else {
            let segment = format!("kind = \"vxlan\", vni = {}, vteps = [\"host\"]", 10 + half);
            config = config.network(&name, &segment, addresses);
            devs[i] = format!("vx{half}");
        }
    }
    lab.link(&far, "eth0", &r, "vfar")?;
    r.start(&config.interface("vfar", FAR).text())?;
    all_flows_at_once(&host, &devs, &far, &r)
}

/// Pings on all networks in both families and both directions at the same time; the host has `devs` in [`NETWORKS`].
fn all_flows_at_once(host: &Host, devs: &[String; 6], far: &Host, r: &Router) -> Result<()> {
    far.address("eth0", "10.9.0.2/24")?;
    far.route("default via 10.9.0.1")?;
    let far6 = far.wait_slaac("eth0", "2001:db8:9:")?;
    let mut flows = Vec::new();
    for (i, (dev, addresses)) in devs.iter().zip(NETWORKS).enumerate() {
        for address in addresses {
            let from = if let Some(net) = address.strip_suffix(".1/24") {
                let own = format!("{net}.2");
                host.address(dev, &format!("{own}/24"))?;
                host.ok(&format!("ip rule add from {own} table {}", 100 + i))?;
                host.ok(&format!(
                    "ip route add default via {net}.1 dev {dev} table {}",
                    100 + i
                ))?;
                flows.push(host.spawn(&format!("ping -n -c 10 -i 0.1 -W 2 -I {own} 10.9.0.2"))?);
                own
            } else {
                let prefix = address.trim_end_matches(":1/64");
                let own = host.wait_slaac(dev, prefix)?.to_string();
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
