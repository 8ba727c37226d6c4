//! Row 8, the host's part: a fixed address on a SLAAC or stateless subnet. The host really ends up with the chosen address,
//! beside those it forms itself, and is reachable at it; its neighbours form theirs and are given nothing.

use lab::dhcp_client::{Client, Kind, Want};
use lab::{Lab, Result};

fn config(mode: &str, ports: &str) -> String {
    format!(
        r#"
[[device]]
name = "lan"
kind = "af_packet"
interface = "v1"
[[device]]
name = "wan"
kind = "af_packet"
interface = "v2"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:8::1/64"]
[[router.interface.subnet]]
prefix = "2001:db8:8::/64"
ra_mode = "{mode}"
address_mode = "{mode}"
dns_servers = ["2001:db8::53"]
{ports}
[[router.interface]]
name = "wan0"
device = "wan"
addresses = ["2001:db8:80::1/64"]
[router.interface.ra]
enabled = true
"#
    )
}

/// Whether hosts get the addresses that were chosen for them, under one mode.
fn chosen(mode: &str, name: &str) -> Result<()> {
    let lab = Lab::new(name)?;
    let (segment, far, r) = (lab.segment("lan")?, lab.host("far")?, lab.router("r")?);
    lab.attach(&segment, &r, "v1")?;
    lab.link(&far, "eth0", &r, "v2")?;
    // dhcpcd and systemd-networkd follow what advertisements say; dhclient and dibbler ask for what they are told to.
    let mut hosts = Vec::new();
    let mut ports = String::new();
    for (i, kind) in Kind::ALL.into_iter().enumerate() {
        let host = lab.host(kind.label())?;
        lab.attach(&segment, &host, "eth0")?;
        let mac = host.ok("cat /sys/class/net/eth0/address")?;
        let address = format!("2001:db8:8::c0de:{i}");
        ports.push_str(&format!(
            "[[router.interface.port]]\nname = \"{}\"\nmac = \"{}\"\naddresses = [\"{address}\"]\n",
            kind.label(),
            mac.trim()
        ));
        hosts.push((kind, host, address));
    }
    let stranger = lab.host("stranger")?;
    lab.attach(&segment, &stranger, "eth0")?;
    r.start(&config(mode, &ports))?;
    let outside = far.wait_slaac("eth0", "2001:db8:80:")?;

    let mut clients = Vec::new();
    for (kind, host, address) in &hosts {
        let client = Client::start(&lab, host, "chosen", *kind, Want::Address)?;
        let got = client.wait_address(host, "eth0", "2001:db8:8::c0de:")?;
        assert_eq!(got.to_string(), *address, "{}", kind.label());
        // Reachable at it from a network away, and from it.
        assert_eq!(far.ping(address, 3)?, 3, "{}", kind.label());
        assert_eq!(
            host.ping(&format!("-I {address} {outside}"), 3)?,
            3,
            "{}",
            kind.label()
        );
        // What it forms itself is there too, and works.
        let formed = lab::wait_for(
            std::time::Duration::from_secs(15),
            "an address that the host forms itself",
            || {
                let all = host.global_ipv6("eth0").ok()?;
                all.into_iter()
                    .find(|formed| formed.to_string() != *address)
            },
        )?;
        assert_eq!(far.ping(&formed.to_string(), 3)?, 3, "{}", kind.label());
        clients.push(client);
    }
    // A neighbour with no port forms an address, hears that it has nothing to ask for, and is given none when it asks.
    let formed = stranger.wait_slaac("eth0", "2001:db8:8:")?;
    assert_eq!(far.ping(&formed.to_string(), 3)?, 3);
    let advert = stranger.ok("rdisc6 -1 -r 3 -w 2000 eth0")?;
    assert!(
        advert.contains("Stateful address conf.    :           No"),
        "{advert}"
    );
    let leases = r.ctl("show leases")?;
    let all = leases.as_array().cloned().unwrap_or_default();
    let bound = all.iter().filter(|lease| lease["state"] == "bound").count();
    assert_eq!(bound, hosts.len(), "{leases}");
    r.assert_balanced()
}

#[test]
fn row_08_a_fixed_address_on_a_slaac_subnet() -> Result<()> {
    chosen("slaac", "row08slaac")
}

#[test]
fn row_08_a_fixed_address_on_a_stateless_subnet() -> Result<()> {
    chosen("dhcpv6-stateless", "row08stateless")
}
