//! Two tenants whose routers lease out the very same prefixes: each has its own leases of the same addresses, and what happens
//! to those of one is nothing to the other.

use std::time::Duration;

use anyhow::{Context, ensure};
use lab::dhclient::{Dhclient, Setup};
use lab::ovs::Ovs;
use lab::{Host, Lab, Result, Router, binary, wait_for};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(45);

/// Name and VLAN of a tenant.
const TENANTS: [(&str, u16); 2] = [("blue", 100), ("red", 200)];

/// Each tenant has a network on its VLAN of one trunk, and a router of its own that leases out what the other's does.
fn config() -> String {
    let mut text =
        String::from("[[device]]\nname = \"trunk\"\nkind = \"af_packet\"\ninterface = \"vt\"\n");
    for (tenant, vlan) in TENANTS {
        text += &format!(
            r#"
[[network]]
name = "{tenant}"
segments = [{{ kind = "vlan", device = "trunk", vlan = {vlan} }}]
[[router]]
name = "{tenant}"
[[router.interface]]
name = "{tenant}0"
network = "{tenant}"
addresses = ["2001:db8:1::1/64", "192.0.2.1/24"]
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
ra_mode = "dhcpv6-stateful"
address_mode = "dhcpv6-stateful"
pools = [{{ start = "2001:db8:1::1000", end = "2001:db8:1::1fff" }}]
[[router.interface.subnet]]
prefix = "192.0.2.0/24"
pools = [{{ start = "192.0.2.50", end = "192.0.2.150" }}]
[[router.interface.dhcp6.prefix_pool]]
prefix = "2001:db8:8000::/40"
length = 56
"#
        );
    }
    text
}

/// A host takes its IPv6 address with the subnet: no router advertisement says what is on link.
const CASES: &str = "BOUND6|RENEW6|REBIND6) [ -z \"$new_ip6_address\" ] || \
    ip -6 addr replace $new_ip6_address/64 dev $interface nodad ;;\n\
    BOUND|RENEW|REBIND|REBOOT) ip -4 addr replace $new_ip_address/24 dev $interface ;;";

/// A tenant's host, and what it has leased.
struct Tenant {
    name: &'static str,
    host: Host,
    clients: [Dhclient; 2],
    /// IPv6 address, IPv4 address, prefix.
    leased: [String; 3],
}

impl Tenant {
    fn ask(lab: &Lab, name: &'static str, host: Host) -> Result<Self> {
        host.link_local("eth0")?;
        let client = |words, kind: &str| {
            let setup = Setup {
                words,
                once: true,
                cases: CASES,
                ..Setup::default()
            };
            setup.start(lab, &host, &format!("{name}-{kind}"))
        };
        let (six, four) = (client("-6 -N -P -D LL", "six")?, client("-4", "four")?);
        let leased = [
            six.told("new_ip6_address")?,
            four.told("new_ip_address")?,
            six.told("new_ip6_prefix")?,
        ];
        let clients = [six, four];
        Ok(Self {
            name,
            host,
            clients,
            leased,
        })
    }

    fn talks(&self) -> Result<()> {
        for address in ["2001:db8:1::1", "192.0.2.1"] {
            let received = self.host.ping(address, 3)?;
            assert_eq!(received, 3, "{} to {address}", self.name);
        }
        Ok(())
    }
}

/// Leases that a router shows: resource and state, sorted; all of them say that they are its own.
fn leases(r: &Router, router: &str) -> Result<Vec<(String, String)>> {
    let leases = r.ctl(&format!("show leases --router {router}"))?;
    let leases = leases.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all = Vec::new();
    for lease in &leases {
        assert_eq!(lease["router"], router, "{lease:#}");
        all.push((text(&lease["resource"]), text(&lease["state"])));
    }
    all.sort();
    Ok(all)
}

fn expected(leased: &[String; 3], state: &str) -> Vec<(String, String)> {
    let mut all: Vec<_> = leased
        .iter()
        .map(|resource| (resource.clone(), state.to_owned()))
        .collect();
    all.sort();
    all
}

/// Whether a router has a route to the prefix.
fn has_route(r: &Router, router: &str, prefix: &str) -> Result<bool> {
    let routes = r.ctl(&format!("show routes --router {router}"))?;
    let routes = routes.as_array().cloned().unwrap_or_default();
    Ok(routes.iter().any(|route| route["prefix"] == prefix))
}

#[test]
fn the_same_addresses_are_leased_in_two_routers_and_each_lease_lives_by_itself() -> Result<()> {
    let lab = Lab::new("tenantsdhcp")?;
    let r = lab.router("r")?;
    let switch = Ovs::start(&lab, "sw")?;
    switch.bridge("br0")?;
    lab.link(&switch, "ptrunk", &r, "vt")?;
    switch.port("br0", "ptrunk", "")?;
    let mut hosts = Vec::new();
    for (tenant, vlan) in TENANTS {
        let host = lab.host(tenant)?;
        let port = format!("p{tenant}");
        lab.link(&host, "eth0", &switch, &port)?;
        switch.port("br0", &port, &format!("tag={vlan}"))?;
        // As a cloned machine: the same MAC, and so the same identifiers.
        host.ok("ip link set eth0 down address 02:00:00:00:01:0a")?;
        host.ok("ip link set eth0 up")?;
        hosts.push((tenant, host));
    }
    r.start(&config())?;
    let mut tenants = Vec::new();
    for (tenant, host) in hosts {
        tenants.push(Tenant::ask(&lab, tenant, host)?);
    }
    let [blue, red] = <[Tenant; 2]>::try_from(tenants)
        .ok()
        .context("two tenants")?;
    assert_eq!(blue.leased, red.leased, "both have the same");
    let leased = blue.leased.clone();
    let prefix = leased[2].clone();
    for tenant in [&blue, &red] {
        tenant.talks()?;
        assert_eq!(leases(&r, tenant.name)?, expected(&leased, "bound"));
        ensure!(has_route(&r, tenant.name, &prefix)?, "{}", tenant.name);
    }
    let file = r.hextetctl("lease export")?;
    for resource in &leased {
        for tenant in ["blue", "red"] {
            let row = format!("{resource},{tenant},");
            ensure!(file.contains(&row), "no {row} in {file}");
        }
    }
    // Which one is meant has to be said.
    let (ctl, socket) = (binary("hextetctl")?, r.socket());
    let release = format!(
        "{} --socket {} lease release",
        ctl.display(),
        socket.display()
    );
    let refused = lab::run(&format!("{release} {}", leased[0]))?;
    ensure!(
        !refused.status.success() && refused.stderr.contains("blue, red"),
        "{refused:?}"
    );

    r.crash()?;
    r.restart()?;
    for tenant in [&blue, &red] {
        assert_eq!(leases(&r, tenant.name)?, expected(&leased, "bound"));
        ensure!(has_route(&r, tenant.name, &prefix)?, "{}", tenant.name);
        tenant.talks()?;
    }

    let Tenant { host, clients, .. } = red;
    for client in clients {
        client.release(&host)?;
    }
    let released = expected(&leased, "released");
    wait_for(LIMIT, "what red gave back", || {
        (leases(&r, "red").ok()? == released).then_some(())
    })?;
    assert_eq!(leases(&r, "blue")?, expected(&leased, "bound"));
    ensure!(!has_route(&r, "red", &prefix)?, "its route is gone");
    ensure!(has_route(&r, "blue", &prefix)?, "the other's is not");
    blue.talks()?;
    r.ok(&format!("{release} {} --router blue", leased[1]))?;
    let state = leases(&r, "blue")?;
    let given_back = (leased[1].clone(), "released".to_owned());
    ensure!(state.contains(&given_back), "{state:?}");
    r.assert_balanced()
}
