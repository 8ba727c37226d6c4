//! Row 7: a chosen address on a stateful port, out of the pool. The host gets it by DHCPv6; the pool never hands it out,
//! also after a restart and after the pool was full.

use lab::dhcp_client::{Client, Kind, Want};
use lab::{Lab, Result};

/// Two addresses to give; one of them is the port's, so that a client without a port can only get the other.
fn config(mac: &str) -> String {
    format!(
        r#"
[[device]]
name = "lan"
kind = "af_packet"
interface = "v1"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:7::1/64"]
[[router.interface.subnet]]
prefix = "2001:db8:7::/64"
ra_mode = "dhcpv6-stateful"
address_mode = "dhcpv6-stateful"
dns_servers = ["2001:db8::53"]
pools = [{{ start = "2001:db8:7::10", end = "2001:db8:7::11" }}]
[[router.interface.port]]
name = "chosen"
mac = "{mac}"
addresses = ["2001:db8:7::10"]
"#
    )
}

#[test]
fn row_07_a_chosen_address_out_of_the_pool() -> Result<()> {
    let lab = Lab::new("row07")?;
    let (segment, r) = (lab.segment("lan")?, lab.router("r")?);
    lab.attach(&segment, &r, "v1")?;
    let (owner, first, second) = (lab.host("owner")?, lab.host("first")?, lab.host("second")?);
    for host in [&owner, &first, &second] {
        lab.attach(&segment, host, "eth0")?;
    }
    let mac = owner.ok("cat /sys/class/net/eth0/address")?;
    r.start(&config(mac.trim()))?;

    // A stranger gets what is left, and the next one nothing although the port's address is in the pool and in nobody's use.
    let stranger = Client::start(&lab, &first, "first", Kind::Dhclient, Want::Address)?;
    let got = stranger.wait_address(&first, "eth0", "2001:db8:7::")?;
    assert_eq!(got.to_string(), "2001:db8:7::11");
    let refused = |name: &str| -> Result<()> {
        let before = no_addresses(&r)?;
        let client = Client::start(&lab, &second, name, Kind::Dhclient, Want::Address)?;
        lab::wait_for(
            std::time::Duration::from_secs(30),
            "the server to answer that nothing is left",
            || (no_addresses(&r).ok()? > before).then_some(()),
        )?;
        drop(client);
        assert!(second.global_ipv6("eth0")?.is_empty(), "{name}");
        Ok(())
    };
    refused("full")?;

    // The owner gets it by DHCPv6.
    let client = Client::start(&lab, &owner, "owner", Kind::Dhcpcd, Want::Address)?;
    let own = client.wait_address(&owner, "eth0", "2001:db8:7::")?;
    assert_eq!(own.to_string(), "2001:db8:7::10");
    assert_eq!(owner.ping("-I 2001:db8:7::10 2001:db8:7::1", 3)?, 3);
    refused("in-use")?;

    // A restart, and the owner gone: still nobody else gets it.
    drop(client);
    r.crash()?;
    r.restart()?;
    refused("restarted")?;
    let leases = r.ctl("show leases")?;
    let lease = leases.as_array().and_then(|all| {
        let mut all = all.iter();
        all.find(|lease| lease["resource"] == "2001:db8:7::10")
    });
    assert_eq!(lease.map(|l| l["mac"].clone()), Some(mac.trim().into()));
    owner.ok("ip -6 addr flush dev eth0 scope global")?;
    let client = Client::start(&lab, &owner, "again", Kind::Networkd, Want::Address)?;
    let own = client.wait_address(&owner, "eth0", "2001:db8:7::")?;
    assert_eq!(own.to_string(), "2001:db8:7::10");
    r.assert_balanced()
}

/// How often clients were told that no address is left.
fn no_addresses(r: &lab::Router) -> Result<u64> {
    let text = r.metrics()?;
    let of = |line: &str| line.starts_with("hextet_dhcp_") && line.contains("\"no_addrs_avail\"");
    let line = text.lines().find(|line| of(line));
    let value = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    Ok(value.unwrap_or_default() as u64)
}
