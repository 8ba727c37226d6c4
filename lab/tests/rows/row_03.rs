//! Row 3: external L2 VLAN straight to a VM. A port on a provider VLAN hears the upstream router's RA (radvd), takes its
//! address from it, and reaches the world; our router sends no RA there.

use lab::{Lab, Result, wait_for};
use std::time::Duration;

/// The provider network is VLAN 300 of the trunk and the VM's port, and nothing of our routers is on it. The tenant's network
/// beside it has our router, which advertises.
const CONFIG: &str = r#"
[[device]]
name = "trunk"
kind = "af_packet"
interface = "vt"
[[device]]
name = "vm"
kind = "af_packet"
interface = "vm"
[[device]]
name = "tenant"
kind = "af_packet"
interface = "vn"

[[network]]
name = "provider"
segments = [{ kind = "vlan", device = "trunk", vlan = 300 }, { kind = "flat", device = "vm" }]
[[network]]
name = "tenant"
segments = [{ kind = "flat", device = "tenant" }, { kind = "vlan", device = "trunk", vlan = 400 }]

[[router]]
name = "main"
[[router.interface]]
name = "tenant0"
network = "tenant"
addresses = ["2001:db8:4::1/64"]
[router.interface.ra]
enabled = true
max_interval = 4
[[router.interface.ra.prefix]]
prefix = "2001:db8:4::/64"
"#;

const RADVD: &str = "interface eth0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; \
    prefix 2001:db8:300::/64 { }; };\n";

#[test]
fn row_03_a_port_on_a_provider_vlan_hears_the_upstream_router_and_not_ours() -> Result<()> {
    let lab = Lab::new("row03")?;
    let (upstream, vm, tenant) = (lab.host("up")?, lab.host("vm")?, lab.host("tenant")?);
    let r = lab.router("r")?;
    lab.link(&upstream, "eth0", &r, "vt")?;
    upstream.tag("eth0", 300)?;
    lab.link(&vm, "eth0", &r, "vm")?;
    lab.link(&tenant, "eth0", &r, "vn")?;
    // The upstream router, with the world behind it.
    upstream.ok("sysctl -qw net.ipv6.conf.all.forwarding=1")?;
    upstream.address("eth0", "2001:db8:300::1/64")?;
    upstream.address("eth0", "203.0.113.1/24")?;
    upstream.address("lo", "2001:db8:ffff::1/128")?;
    upstream.address("lo", "198.51.100.1/32")?;
    let from = upstream.link_local("eth0")?.to_string();
    let mut ear = vm.spawn(
        "timeout 25 tcpdump --immediate-mode -n -U -i eth0 -c 4 'icmp6 and ip6[40] == 134'",
    )?;
    wait_for(Duration::from_secs(5), "tcpdump", || {
        ear.log().contains("listening on").then_some(())
    })?;
    r.start(CONFIG)?;
    let (file, pid) = (lab.dir().join("radvd.conf"), lab.dir().join("radvd.pid"));
    std::fs::write(&file, RADVD)?;
    let _radvd = upstream.spawn(&format!(
        "radvd -C {} -p {} -m stderr -n",
        file.display(),
        pid.display()
    ))?;
    // The VM has its address and its way out from upstream.
    let own = vm.wait_slaac("eth0", "2001:db8:300:")?;
    let default = vm.ok("ip -6 route show default")?;
    assert_eq!(default.lines().count(), 1, "{default}");
    assert!(default.contains(&format!("via {from} ")), "{default}");
    assert_eq!(vm.ping("2001:db8:ffff::1", 5)?, 5);
    assert_eq!(upstream.ping(&own.to_string(), 3)?, 3);
    vm.address("eth0", "203.0.113.2/24")?;
    vm.route("default via 203.0.113.1")?;
    assert_eq!(vm.ping("198.51.100.1", 3)?, 3);
    // Our router advertises in the tenant's network all the while, and never there.
    tenant.wait_slaac("eth0", "2001:db8:4:")?;
    let heard = ear.wait(Duration::from_secs(30))?;
    assert!(heard.success(), "few advertisements: {}", ear.log());
    let log = ear.log();
    for line in log
        .lines()
        .filter(|line| line.contains("router advertisement"))
    {
        assert!(line.contains(&format!(" {from} > ")), "{line}");
    }
    assert_eq!(vm.global_ipv6("eth0")?, [own]);
    let upstream_addresses = upstream.global_ipv6("eth0")?;
    assert_eq!(
        upstream_addresses,
        ["2001:db8:300::1".parse::<std::net::Ipv6Addr>()?]
    );
    // The tenant's host hears nothing of the provider's.
    let tenants = tenant.global_ipv6("eth0")?;
    assert!(
        tenants
            .iter()
            .all(|a| a.to_string().starts_with("2001:db8:4:")),
        "{tenants:?}"
    );
    r.assert_balanced()
}
