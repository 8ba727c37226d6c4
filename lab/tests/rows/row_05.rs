//! Row 5: IPv4 and IPv6 on a NIC. One NIC with two subnets; two NICs on two networks.

use super::Config;
use lab::{Lab, Result};

#[test]
fn row_05_one_nic_with_two_subnets_and_two_nics_on_two_networks() -> Result<()> {
    let lab = Lab::new("row05")?;
    let (one, two, far, r) = (
        lab.host("one")?,
        lab.host("two")?,
        lab.host("far")?,
        lab.router("r")?,
    );
    lab.link(&one, "eth0", &r, "v1")?;
    lab.link(&two, "eth0", &r, "v2")?;
    lab.link(&two, "eth1", &r, "v3")?;
    lab.link(&far, "eth0", &r, "v4")?;
    r.start(
        &Config::default()
            .interface(
                "v1",
                &[
                    "2001:db8:1::1/64",
                    "2001:db8:11::1/64",
                    "10.1.0.1/24",
                    "10.11.0.1/24",
                ],
            )
            .interface("v2", &["2001:db8:2::1/64", "10.2.0.1/24"])
            .interface("v3", &["2001:db8:3::1/64", "10.3.0.1/24"])
            .interface("v4", &["2001:db8:4::1/64", "10.4.0.1/24"])
            .text(),
    )?;
    // One NIC, two subnets of each family.
    one.address("eth0", "10.1.0.2/24")?;
    one.address("eth0", "10.11.0.2/24")?;
    one.route("default via 10.1.0.1")?;
    let first = one.wait_slaac("eth0", "2001:db8:1:")?;
    let second = one.wait_slaac("eth0", "2001:db8:11:")?;
    // Two NICs, two networks.
    two.address("eth0", "10.2.0.2/24")?;
    two.address("eth1", "10.3.0.2/24")?;
    let third = two.wait_slaac("eth0", "2001:db8:2:")?;
    let fourth = two.wait_slaac("eth1", "2001:db8:3:")?;
    two.route("10.4.0.0/24 via 10.2.0.1")?;
    // A reply must leave by the NIC of its address: rules as any multi-homed host has them.
    for (table, dev, address, gateway) in [
        ("102", "eth0", "10.2.0.2", "10.2.0.1"),
        ("103", "eth1", "10.3.0.2", "10.3.0.1"),
    ] {
        two.ok(&format!("ip rule add from {address} table {table}"))?;
        two.ok(&format!(
            "ip route add default via {gateway} dev {dev} table {table}"
        ))?;
    }
    far.address("eth0", "10.4.0.2/24")?;
    far.route("default via 10.4.0.1")?;
    far.wait_slaac("eth0", "2001:db8:4:")?;
    for address in [first, second, third, fourth] {
        assert_eq!(far.ping(&address.to_string(), 3)?, 3, "{address}");
    }
    for address in ["10.1.0.2", "10.11.0.2", "10.2.0.2", "10.3.0.2"] {
        assert_eq!(far.ping(address, 3)?, 3, "{address}");
    }
    r.assert_balanced()
}
