//! Row 5: IPv4 and IPv6 on a NIC. One NIC with two subnets; two NICs on two networks. On wires, and on networks over VLAN and
//! VXLAN.

use super::{Config, vxlan_nics};
use lab::{Host, Lab, Result};

/// The router's addresses where `one` has its NIC, where `two` has its first and its second, and where `far` is.
const ADDRESSES: [&[&str]; 4] = [
    &[
        "2001:db8:1::1/64",
        "2001:db8:11::1/64",
        "10.1.0.1/24",
        "10.11.0.1/24",
    ],
    &["2001:db8:2::1/64", "10.2.0.1/24"],
    &["2001:db8:3::1/64", "10.3.0.1/24"],
    &["2001:db8:4::1/64", "10.4.0.1/24"],
];

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
    let mut config = Config::default();
    for (dev, addresses) in ["v1", "v2", "v3", "v4"].into_iter().zip(ADDRESSES) {
        config = config.interface(dev, addresses);
    }
    r.start(&config.text())?;
    all_are_reached((&one, "eth0"), (&two, ["eth0", "eth1"]), &far)?;
    r.assert_balanced()
}

#[test]
fn row_05_the_same_on_networks_over_vlan_and_vxlan() -> Result<()> {
    let lab = Lab::new("row05o")?;
    let (one, two, far, r) = (
        lab.host("one")?,
        lab.host("two")?,
        lab.host("far")?,
        lab.router("r")?,
    );
    lab.link(&one, "eth0", &r, "v1")?;
    one.tag("eth0", 100)?;
    // The first NIC of `two` is over VXLAN, on an underlay of its own; the second is in a VLAN.
    lab.link(&two, "eth0", &r, "v2")?;
    vxlan_nics(&two, "fd66::3", "fd66::1", 1)?;
    lab.link(&two, "eth1", &r, "v3")?;
    two.tag("eth1", 300)?;
    lab.link(&far, "eth0", &r, "v4")?;
    let [at_one, first, second, at_far] = ADDRESSES;
    let config = Config::default()
        .device("v1")
        .device("v3")
        .interface("v2", &["fd66::1/64"])
        .interface("v4", at_far)
        .vtep("two", "fd66::1", "fd66::3")
        .network("n1", "kind = \"vlan\", device = \"v1\", vlan = 100", at_one)
        .network("n2", "kind = \"vxlan\", vni = 10, vteps = [\"two\"]", first)
        .network("n3", "kind = \"vlan\", device = \"v3\", vlan = 300", second);
    r.start(&config.text())?;
    all_are_reached((&one, "eth0"), (&two, ["vx0", "eth1"]), &far)?;
    r.assert_balanced()
}

/// Both subnets of one's NIC and both NICs of two, in both families, from far.
fn all_are_reached(
    (one, nic): (&Host, &str),
    (two, nics): (&Host, [&str; 2]),
    far: &Host,
) -> Result<()> {
    // One NIC, two subnets of each family.
    one.address(nic, "10.1.0.2/24")?;
    one.address(nic, "10.11.0.2/24")?;
    one.route("default via 10.1.0.1")?;
    let first = one.wait_slaac(nic, "2001:db8:1:")?;
    let second = one.wait_slaac(nic, "2001:db8:11:")?;
    // Two NICs, two networks.
    let [nic2, nic3] = nics;
    two.address(nic2, "10.2.0.2/24")?;
    two.address(nic3, "10.3.0.2/24")?;
    let third = two.wait_slaac(nic2, "2001:db8:2:")?;
    let fourth = two.wait_slaac(nic3, "2001:db8:3:")?;
    two.route("10.4.0.0/24 via 10.2.0.1")?;
    // A reply must leave by the NIC of its address: rules as any multi-homed host has them.
    for (table, dev, address, gateway) in [
        ("102", nic2, "10.2.0.2", "10.2.0.1"),
        ("103", nic3, "10.3.0.2", "10.3.0.1"),
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
    Ok(())
}
