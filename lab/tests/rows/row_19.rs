//! Row 19: prefix delegation. Upstream Kea delegates to our client: subnets get prefixes, hosts renumber when it changes,
//! old prefix deprecated not cut; downstream routers (dhcpcd, wide-dhcpv6, dibbler) are delegated prefixes by us and their
//! routes are installed, also through a relay, also after a restart.

use std::time::Duration;

use anyhow::Context;
use lab::provider::{CUSTOMER, NEW, OLD, Provider, WORLD};
use lab::requesting::Program;
use lab::session::{Session, echo_server};
use lab::{Daemon, Host, Lab, Result, Router, wait_for};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn row_19_kea_delegates_to_us_and_a_new_prefix_does_not_cut_the_old() -> Result<()> {
    let lab = Lab::new("row19up")?;
    let net = Provider::wire(&lab)?;
    let kea = net.kea(&lab, OLD, [3, 6, 600, 1200])?;
    net.r.start(CUSTOMER)?;
    let old = net.host_address("2001:db8:a")?;
    assert_eq!(net.host.ping(WORLD, 3)?, 3);
    assert_eq!(net.isp.ping(&old.to_string(), 3)?, 3);

    let _server = echo_server(&net.isp)?;
    let session = Session::open(&net.host, WORLD)?;
    assert_eq!(session.source()?, old.to_string());
    drop(kea);
    let _kea = net.kea(&lab, NEW, [3, 6, 600, 1200])?;
    let new = net.host_address("2001:db8:b")?;
    net.deprecated(old)?;
    session.goes_on()?;
    let next = Session::open(&net.host, WORLD)?;
    assert_eq!(next.source()?, new.to_string());
    session.goes_on()?;
    assert_eq!(session.source()?, old.to_string());
    net.r.assert_balanced()
}

/// Our router: a network of its own on `v1`, one behind a relay agent on `v2`, and the rest of the world on `v3`.
const DELEGATING: &str = r#"
[[device]]
name = "v1"
kind = "af_packet"
interface = "v1"
[[device]]
name = "v2"
kind = "af_packet"
interface = "v2"
[[device]]
name = "v3"
kind = "af_packet"
interface = "v3"

[[router]]
name = "main"

[[router.interface]]
name = "lan0"
device = "v1"
addresses = ["2001:db8:1::1/64"]
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
ra_mode = "dhcpv6-stateful"
address_mode = "dhcpv6-stateful"
[[router.interface.dhcp6.prefix_pool]]
prefix = "2001:db8:8000::/40"
length = 56

[[router.interface]]
name = "relays0"
device = "v2"
addresses = ["2001:db8:2::1/64"]
[router.interface.dhcp6]
relays = ["2001:db8:2::2/128"]

[[router.interface]]
name = "far0"
device = "v3"
addresses = ["2001:db8:3::1/64"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:3::/64"

[[router.remote_link]]
name = "behind"
[[router.remote_link.subnet]]
prefix = "2001:db8:77::/64"
address_mode = "dhcpv6-stateful"
[[router.remote_link.dhcp6.prefix_pool]]
prefix = "2001:db8:9000::/40"
length = 56

[[router.route]]
prefix = "2001:db8:77::/64"
via = "2001:db8:2::2"
"#;

/// The delegated prefixes in use.
fn delegated(r: &Router) -> Result<Vec<String>> {
    let leases = r.ctl("show leases --kind prefix")?;
    let bound = leases.as_array().into_iter().flatten();
    let bound = bound.filter(|lease| lease["state"] == "bound");
    let prefixes = bound.filter_map(|lease| lease["resource"].as_str());
    Ok(prefixes.map(str::to_owned).collect())
}

/// A downstream router with what it was delegated.
struct Asking {
    host: Host,
    client: Daemon,
    prefix: String,
    /// An address in it.
    inside: String,
}

/// One of each program on a segment; returns when all are delegated a prefix of `pool` (its first hextets).
fn ask(lab: &Lab, segment: &Host, r: &Router, link: &str, pool: &str) -> Result<Vec<Asking>> {
    let mut asking: Vec<Asking> = Vec::new();
    for (program, name) in Program::ALL {
        let name = format!("{name}{link}");
        let host = lab.host(&name)?;
        lab.attach(segment, &host, "eth0")?;
        let client = program.start(lab, &host, &name)?;
        // What none of those before it has.
        let prefix = wait_for(LONG, &format!("{name} to be delegated a prefix"), || {
            let new = |prefix: &String| {
                let known = |other: &Asking| other.prefix == *prefix;
                prefix.starts_with(pool) && !asking.iter().any(known)
            };
            delegated(r).ok()?.into_iter().find(new)
        });
        let prefix = prefix.with_context(|| {
            let leases = r.hextetctl("show leases").unwrap_or_default();
            format!(
                "{leases}\n{name} said:\n{}\nhextetd said:\n{}",
                client.log(),
                r.log()
            )
        })?;
        // Whatever the program does with it: this address is inside.
        let inside = prefix.replace("::/56", ":99::1");
        host.ok(&format!("ip -6 addr add {inside}/128 dev lo nodad"))?;
        asking.push(Asking {
            host,
            client,
            prefix,
            inside,
        });
    }
    Ok(asking)
}

/// Every prefix is routed, and an address in it answers.
fn reached(asking: &[Asking], r: &Router, far: &Host, when: &str) -> Result<()> {
    assert_eq!(asking.len(), Program::ALL.len());
    for Asking {
        client,
        prefix,
        inside,
        ..
    } in asking
    {
        let routes = r.ctl(&format!("show routes {prefix}"))?;
        assert_eq!(routes[0]["source"], "delegated", "{when}: {routes}");
        let n_answers = far.ping(inside, 3)?;
        let said = client.log();
        assert_eq!(
            n_answers, 3,
            "{when}: {inside}: {routes}\nits client said:\n{said}"
        );
    }
    Ok(())
}

#[test]
fn row_19_downstream_routers_are_delegated_prefixes_by_us_also_through_a_relay_and_after_a_restart()
-> Result<()> {
    let lab = Lab::new("row19down")?;
    let (lan, behind) = (lab.segment("lan")?, lab.segment("behind")?);
    let (relay, far, r) = (lab.host("relay")?, lab.host("far")?, lab.router("r")?);
    lab.attach(&lan, &r, "v1")?;
    lab.attach(&behind, &relay, "eth0")?;
    lab.link(&relay, "eth1", &r, "v2")?;
    lab.link(&far, "eth0", &r, "v3")?;
    relay.ok("sysctl -qw net.ipv6.conf.all.forwarding=1")?;
    relay.address("eth0", "2001:db8:77::1/64")?;
    relay.address("eth1", "2001:db8:2::2/64")?;
    relay.route("default via 2001:db8:2::1")?;
    r.start(DELEGATING)?;
    far.wait_slaac("eth0", "2001:db8:3:")?;

    // On our own link.
    let near = ask(&lab, &lan, &r, "", "2001:db8:80")?;
    reached(&near, &r, &far, "on our link")?;

    // Behind a relay agent, which is a router with advertisements of its own.
    let radvd = lab.dir().join("radvd.conf");
    std::fs::write(
        &radvd,
        "interface eth0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 600; AdvManagedFlag on;\n\
         prefix 2001:db8:77::/64 { AdvOnLink on; AdvAutonomous off; }; };\n",
    )?;
    let _radvd = relay.spawn(&format!(
        "radvd -C {} -p {}/radvd.pid -m stderr -n -u root",
        radvd.display(),
        lab.dir().display()
    ))?;
    relay.link_local("eth0")?;
    relay.link_local("eth1")?;
    let pid = lab.dir().join("dhcrelay.pid");
    let _dhcrelay = relay.spawn(&format!(
        "dhcrelay -6 -d -pf {} -l eth0 -u 2001:db8:2::1%eth1",
        pid.display()
    ))?;
    let remote = ask(&lab, &behind, &r, "r", "2001:db8:90")?;
    // This agent installs no routes (RFC 8987 is not its business): its own way to its clients is given by hand.
    for Asking { host, prefix, .. } in &remote {
        let client = host.link_local("eth0")?;
        relay.route(&format!("{prefix} via {client} dev eth0"))?;
    }
    reached(&remote, &r, &far, "through a relay")?;
    for Asking { prefix, .. } in &remote {
        let routes = r.ctl(&format!("show routes {prefix}"))?;
        assert_eq!(
            routes[0]["next_hops"][0]["interface"], "relays0",
            "{routes}"
        );
    }

    // The clients hear nothing of a restart, and need not.
    r.crash()?;
    r.restart()?;
    far.wait_slaac("eth0", "2001:db8:3:")?;
    reached(&near, &r, &far, "on our link, after a restart")?;
    reached(&remote, &r, &far, "through a relay, after a restart")?;
    r.assert_balanced()
}
