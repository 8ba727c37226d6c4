//! DHCPv4 with clients, a relay and an attacker that we did not write.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::Context;
use lab::dhclient::{Dhclient, Setup};
use lab::{Host, Lab, Result, Router, wait_for};
use serde_json::Value;

/// No leases.
const NONE: [Value; 0] = [];
const LIMIT: Duration = Duration::from_secs(60);

/// The router's configuration, up to the tables of its interface.
const ROUTER: &str = r#"
[[device]]
name = "lan"
kind = "af_packet"
interface = "va"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["192.0.2.1/24"]
"#;

const SUBNET: &str = r#"
[[router.interface.subnet]]
prefix = "192.0.2.0/24"
pools = [{ start = "192.0.2.50", end = "192.0.2.150" }]
allocation = "random"
dns_servers = ["192.0.2.53"]
domain_search = ["lab.example"]
routes = [{ destination = "10.0.0.0/8", gateway = "192.0.2.3" }]
"#;

/// Hosts on a segment with the router's `lan0`.
struct Net {
    lab: Lab,
    segment: Host,
    r: Router,
}

impl Net {
    /// Starts the router with these tables of its interface.
    fn start(name: &str, tables: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        let (segment, r) = (lab.segment("sw")?, lab.router("r")?);
        lab.attach(&segment, &r, "va")?;
        r.start(&format!("{ROUTER}{tables}"))?;
        Ok(Self { lab, segment, r })
    }

    fn host(&self, name: &str) -> Result<Host> {
        let host = self.lab.host(name)?;
        self.lab.attach(&self.segment, &host, "eth0")?;
        Ok(host)
    }

    /// The leases in this state, as the router shows them.
    fn leases(&self, state: &str) -> Result<Vec<Value>> {
        let leases = self.r.ctl("show leases")?;
        let all = leases.as_array().cloned().unwrap_or_default();
        Ok(all.into_iter().filter(|l| l["state"] == state).collect())
    }

    /// What the server counted on a link.
    fn counted(&self, link: &str) -> Result<Value> {
        let counters = self.r.ctl("show counters")?;
        let links = counters["dhcp4"].as_array().cloned().unwrap_or_default();
        let found = links.into_iter().find(|l| l["interface"] == link);
        found.with_context(|| format!("nothing was counted on {link}: {counters}"))
    }

    fn event(&self, link: &str, event: &str) -> Result<u64> {
        Ok(self.counted(link)?["events"][event].as_u64().unwrap_or(0))
    }
}

/// What dhclient asks for; classless routes have no name with it.
const DHCLIENT_CONF: &str = "option routes code 121 = array of unsigned integer 8;\n\
    request subnet-mask, routers, domain-name-servers, domain-search, routes, interface-mtu;\n\
    timeout 15;\nretry 5;\ninitial-interval 1;\nbackoff-cutoff 2;\n";

/// dhclient that gives up when it gets nothing.
fn dhclient(lab: &Lab, host: &Host, name: &str) -> Result<Dhclient> {
    dhclient_with(lab, host, name, true, ":")
}

/// The same, which may go on asking; `bound`: what its script does besides when it has an address.
fn dhclient_with(lab: &Lab, host: &Host, name: &str, once: bool, bound: &str) -> Result<Dhclient> {
    let cases = format!(
        "PREINIT) ip link set $interface up ;;\n\
         BOUND|REBOOT|RENEW|REBIND) ip -4 addr replace $new_ip_address/24 dev $interface; {bound} ;;\n\
         RELEASE|EXPIRE|STOP) ip -4 addr flush dev $interface ;;"
    );
    let setup = Setup {
        words: "-4",
        once,
        conf: DHCLIENT_CONF,
        cases: &cases,
    };
    setup.start(lab, host, name)
}

fn mac(host: &Host) -> Result<String> {
    let text = host.ok("cat /sys/class/net/eth0/address")?;
    Ok(text.trim().to_owned())
}

#[test]
fn dhclient_gets_all_renews_keeps_its_lease_over_the_routers_death_and_gives_it_back() -> Result<()>
{
    let tables = format!("{SUBNET}lease_time = 60\nt1 = 8\n[router.interface.dhcp4]\nmtu = 1400\n");
    let net = Net::start("dhcp4isc", &tables)?;
    let a = net.host("a")?;
    let client = dhclient(&net.lab, &a, "first")?;
    let address = client.told("new_ip_address")?;
    assert!(address.starts_with("192.0.2."), "{address}");
    for (name, value) in [
        ("new_subnet_mask", "255.255.255.0"),
        ("new_domain_name_servers", "192.0.2.53"),
        ("new_domain_search", "lab.example."),
        ("new_routes", "8 10 192 0 2 3 0 192 0 2 1"),
        ("new_interface_mtu", "1400"),
        ("new_dhcp_lease_time", "60"),
    ] {
        assert_eq!(client.told(name)?, value, "{name}");
    }
    assert_eq!(a.ping("192.0.2.1", 3)?, 3);
    let before = net.leases("bound")?;
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(before[0]["resource"], address.as_str());
    assert_eq!(before[0]["kind"], "address4");
    assert_eq!(before[0]["mac"], mac(&a)?.as_str());
    let log = client.daemon.log();
    assert!(!log.contains("bad udp checksum"), "{log}");
    client.wait_told("reason=RENEW")?;
    assert!(net.event("lan0", "leases_renewed")? >= 1);

    net.r.crash()?;
    net.r.restart()?;
    let after = net.leases("bound")?;
    assert_eq!(after.len(), 1, "{after:?}");
    assert_eq!(after[0]["resource"], address.as_str());
    // The same machine without a memory gets the same address, out of a hundred that are chosen from by chance.
    drop(client);
    a.ok("ip -4 addr flush dev eth0")?;
    let again = dhclient(&net.lab, &a, "second")?;
    assert_eq!(again.told("new_ip_address")?, address);
    assert_eq!(net.leases("bound")?.len(), 1);
    let pools = net.r.ctl("show pools")?;
    assert_eq!(
        (pools[0]["bound"].as_u64(), pools[0]["size"].as_str()),
        (Some(1), Some("101"))
    );
    again.release(&a)?;
    wait_for(LIMIT, "the lease to be given back", || {
        net.leases("bound").ok()?.is_empty().then_some(())
    })?;
    assert_eq!(net.leases("released")?[0]["resource"], address.as_str());
    // By hand.
    net.r
        .hextetctl("lease add 192.0.2.222 --client 01020000000009")?;
    assert_eq!(net.leases("bound")?[0]["resource"], "192.0.2.222");
    net.r.hextetctl("lease release 192.0.2.222")?;
    assert_eq!(net.leases("bound")?, NONE);
    net.r.assert_balanced()
}

#[test]
fn dhcpcd_gets_address_routes_and_names_and_gives_them_back() -> Result<()> {
    let net = Net::start("dhcp4cd", SUBNET)?;
    let a = net.host("a")?;
    let file = |name: &str| net.lab.dir().join(name);
    for directory in ["run", "lib"] {
        std::fs::create_dir(file(directory))?;
    }
    let (conf, start, told) = (file("conf"), file("start.sh"), file("told"));
    let script = file("script.sh");
    std::fs::write(&script, format!("#!/bin/sh\nenv >> {}\n", told.display()))?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    std::fs::write(
        &conf,
        format!(
            "duid\noption subnet_mask, routers, domain_name_servers, domain_search, classless_static_routes\n\
             noipv4ll\nscript {}\n",
            script.display()
        ),
    )?;
    let text = format!(
        "mount --bind {} /run\nmount --bind {} /var/lib/dhcpcd\nexec dhcpcd -4 -B -d -f {} eth0\n",
        file("run").display(),
        file("lib").display(),
        conf.display()
    );
    std::fs::write(&start, text)?;
    let client = a.spawn(&format!("unshare -m sh {}", start.display()))?;
    let said = || format!("dhcpcd said:\n{}", client.log());
    let address = wait_for(LIMIT, "dhcpcd to have an address", || {
        a.ipv4("eth0").ok()?.first().copied()
    })
    .with_context(said)?;
    let routes = wait_for(LIMIT, "dhcpcd to have a default route", || {
        let routes = a.ok("ip -4 route").ok()?;
        routes.contains("default via 192.0.2.1").then_some(routes)
    })
    .with_context(said)?;
    assert!(routes.contains("10.0.0.0/8 via 192.0.2.3"), "{routes}");
    // Its script is run after the routes are there.
    for word in [
        "new_domain_name_servers=192.0.2.53",
        "new_domain_search=lab.example",
    ] {
        wait_for(LIMIT, word, || {
            let text = std::fs::read_to_string(&told).ok()?;
            text.contains(word).then_some(())
        })?;
    }
    let bound = net.leases("bound")?;
    assert_eq!(bound.len(), 1);
    assert_eq!(bound[0]["resource"], address.to_string());
    // RFC 4361: an IAID and a DUID.
    assert!(bound[0]["client"].as_str().unwrap_or("").starts_with("ff"));
    // dhcpcd takes its address away while the Release may still wait for the router's MAC: then it never leaves.
    assert!(0 < a.ping("192.0.2.1", 3)?);
    a.ok(&format!("kill -ALRM {}", client.pid()))?;
    wait_for(LIMIT, "dhcpcd to release", || {
        net.leases("bound").ok()?.is_empty().then_some(())
    })
    .with_context(said)?;
    net.r.assert_balanced()
}

#[test]
fn a_port_gets_its_own_address_and_a_pool_gives_no_address_twice() -> Result<()> {
    let two = SUBNET.replace("192.0.2.150", "192.0.2.51");
    let lab = Lab::new("dhcp4port")?;
    let (segment, r) = (lab.segment("sw")?, lab.router("r")?);
    lab.attach(&segment, &r, "va")?;
    let net = Net { lab, segment, r };
    let port = net.host("port")?;
    // Outside of the pool.
    let table = format!(
        "[[router.interface.port]]\nname = \"p\"\nmac = \"{}\"\naddresses = [\"192.0.2.200\"]\n",
        mac(&port)?
    );
    net.r.start(&format!("{ROUTER}{two}{table}"))?;
    let client = dhclient(&net.lab, &port, "port")?;
    assert_eq!(client.told("new_ip_address")?, "192.0.2.200");
    let (a, b, c) = (net.host("a")?, net.host("b")?, net.host("c")?);
    let first = dhclient(&net.lab, &a, "a")?;
    let second = dhclient(&net.lab, &b, "b")?;
    let mut given = [
        first.told("new_ip_address")?,
        second.told("new_ip_address")?,
    ];
    given.sort();
    assert_eq!(given, ["192.0.2.50", "192.0.2.51"]);
    let mut third = dhclient(&net.lab, &c, "c")?;
    let status = third.daemon.wait(LIMIT)?;
    assert!(!status.success(), "{}", third.daemon.log());
    assert!(net.event("lan0", "no_address")? >= 1);
    assert_eq!(net.leases("bound")?.len(), 3);
    // What one gives back another gets.
    second.release(&b)?;
    let again = dhclient(&net.lab, &c, "again")?;
    assert!(given.contains(&again.told("new_ip_address")?));
    net.r.assert_balanced()
}

#[test]
fn an_address_that_somebody_uses_is_not_given() -> Result<()> {
    let two = SUBNET.replace("192.0.2.150", "192.0.2.51");
    let net = Net::start("dhcp4arp", &two)?;
    let (squatter, a) = (net.host("squatter")?, net.host("a")?);
    squatter.address("eth0", "192.0.2.50/24")?;
    let client = dhclient(&net.lab, &a, "a")?;
    assert_eq!(client.told("new_ip_address")?, "192.0.2.51");
    // By chance it is tried first, or not at all: the next client has no choice.
    let b = net.host("b")?;
    let mut none = dhclient(&net.lab, &b, "b")?;
    assert!(!none.daemon.wait(LIMIT)?.success());
    assert!(net.event("lan0", "probes")? >= 2);
    assert_eq!(net.event("lan0", "conflicts")?, 1);
    assert_eq!(net.leases("declined")?[0]["resource"], "192.0.2.50");
    assert!(net.r.log().contains("in use by another station"));
    net.r.assert_balanced()
}

#[test]
fn an_address_that_a_client_declines_is_not_given_again() -> Result<()> {
    let two = SUBNET.replace("192.0.2.150", "192.0.2.51");
    let net = Net::start(
        "dhcp4dec",
        &format!("{two}[router.interface.dhcp4]\nprobe = 0\n"),
    )?;
    let a = net.host("a")?;
    // The script says once that somebody uses the address.
    let mark = net.lab.dir().join("mark");
    let once = format!(
        "[ -e {mark} ] || {{ touch {mark}; ip -4 addr flush dev $interface; exit 1; }}",
        mark = mark.display()
    );
    let client = dhclient_with(&net.lab, &a, "a", false, &once)?;
    let declined = wait_for(LIMIT, "the address to be declined", || {
        net.leases("declined").ok()?.first().cloned()
    })
    .with_context(|| format!("dhclient said:\n{}", client.daemon.log()))?;
    let bound = wait_for(LIMIT, "another address", || {
        net.leases("bound").ok()?.first().cloned()
    })
    .with_context(|| format!("dhclient said:\n{}", client.daemon.log()))?;
    assert_ne!(declined["resource"], bound["resource"]);
    assert_eq!(net.event("lan0", "leases_declined")?, 1);
    net.r.assert_balanced()
}

/// `(rule, scapy expression of a payload)`; `b(...)` is a BOOTP header, `d(...)` options.
const CASES: &[(&str, &str)] = &[
    ("short_message", "Raw(b'\\x01'*100)"),
    ("op", "b(op=2)/d('discover')"),
    ("hardware_type", "b(htype=0)/d('discover')"),
    ("hardware_length", "b(hlen=17)/d('discover')"),
    ("hardware_address", "b(chaddr=b'\\xff'*6)/d('discover')"),
    (
        "no_cookie",
        "b(options=b'abcd')/Raw(b'\\x35\\x01\\x01\\xff')",
    ),
    ("truncated_option", "b()/Raw(b'\\x35\\x01\\x01\\x0c\\x40a')"),
    ("option_length", "b()/Raw(b'\\x35\\x02\\x01\\x01\\xff')"),
    (
        "duplicate_option",
        "b()/Raw(b'\\x35\\x01\\x01\\x35\\x01\\x01\\xff')",
    ),
    (
        "too_many_options",
        "b()/Raw(b'\\x35\\x01\\x01'+b'\\xc8\\x00'*300+b'\\xff')",
    ),
    (
        "overload",
        "b()/Raw(b'\\x35\\x01\\x01\\x34\\x01\\x09\\xff')",
    ),
    ("no_message_type", "b()/Raw(b'\\x0c\\x01a\\xff')"),
    ("unknown_type", "b()/Raw(b'\\x35\\x01\\x63\\xff')"),
    ("wrong_direction", "b()/d('ack')"),
    (
        "client_id_length",
        "b()/Raw(b'\\x35\\x01\\x01\\x3d\\x01\\x01\\xff')",
    ),
    ("no_client", "b(htype=32,hlen=0)/d('discover')"),
    ("no_server_id", "b(ciaddr='192.0.2.60')/d('release')"),
    ("no_requested_address", "b()/d('request')"),
    ("no_client_address", "b()/d('inform')"),
    ("client_address", "b(ciaddr='224.0.0.9')/d('request')"),
    ("hops", "b(hops=99)/d('discover')"),
    ("relay_address", "b(giaddr='192.0.2.1')/d('discover')"),
    (
        "relay_info",
        "b()/Raw(b'\\x35\\x01\\x01\\x52\\x02\\x01\\x09\\xff')",
    ),
    ("untrusted_relay", "b(giaddr='192.0.2.77')/d('discover')"),
];

#[test]
fn each_malformed_message_is_counted_under_its_name() -> Result<()> {
    let net = Net::start("dhcp4bad", SUBNET)?;
    let a = net.host("a")?;
    let script = net.lab.dir().join("send.py");
    let mut text = "import logging\nlogging.getLogger('scapy').setLevel(logging.ERROR)\n\
        from scapy.all import *\nm = bytes.fromhex('020000000099')\n\
        def b(**k):\n    f = dict(op=1, htype=1, hlen=6, xid=7, chaddr=m, options=b'c\\x82Sc')\n    f.update(k)\n    return BOOTP(**f)\n\
        def d(t):\n    return DHCP(options=[('message-type', t), 'end'])\n\
        e = Ether(src='02:00:00:00:00:99', dst='ff:ff:ff:ff:ff:ff')/IP(src='0.0.0.0', dst='255.255.255.255')/UDP(sport=68, dport=67)\n"
        .to_owned();
    for (_, expression) in CASES {
        text.push_str(&format!(
            "sendp(e/{expression}, iface='eth0', verbose=False)\n"
        ));
    }
    std::fs::write(&script, text)?;
    a.ok("ip link set eth0 up")?;
    a.ok(&format!("/usr/bin/python3 {}", script.display()))?;
    let expected: BTreeMap<String, Value> = CASES
        .iter()
        .map(|(rule, _)| ((*rule).to_owned(), 1.into()))
        .collect();
    let counted = wait_for(LIMIT, "each rule to be broken once", || {
        let invalid = net.counted("lan0").ok()?["invalid"].clone();
        let invalid: BTreeMap<String, Value> = serde_json::from_value(invalid).ok()?;
        (invalid.len() == expected.len()).then_some(invalid)
    })
    .with_context(|| format!("{:?}", net.counted("lan0")))?;
    assert_eq!(counted, expected);
    assert_eq!(net.leases("offered")?, NONE);
    assert_eq!(net.event("lan0", "offers")?, 0);
    let metrics = net.r.metrics()?;
    let line = "hextet_dhcp_invalid_total{server=\"dhcp4\",link=\"lan0\",rule=\"no_cookie\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    net.r.assert_balanced()
}

#[test]
fn a_client_behind_the_relay_of_isc_is_served() -> Result<()> {
    let lab = Lab::new("dhcp4rel")?;
    let (near, far, r) = (lab.segment("near")?, lab.segment("far")?, lab.router("r")?);
    lab.attach(&near, &r, "va")?;
    let (relay, client) = (lab.host("relay")?, lab.host("client")?);
    lab.attach(&near, &relay, "eth1")?;
    lab.attach(&far, &relay, "eth0")?;
    lab.attach(&far, &client, "eth0")?;
    relay.address("eth1", "192.0.2.7/24")?;
    relay.address("eth0", "203.0.113.1/24")?;
    relay.ok("sysctl -qw net.ipv4.ip_forward=1")?;
    let tables = r#"
[router.interface.dhcp4]
relays = ["192.0.2.7"]
[[router.route]]
prefix = "203.0.113.0/24"
via = "192.0.2.7"
[[router.remote_link]]
name = "far"
[[router.remote_link.subnet]]
prefix = "203.0.113.0/24"
gateway = "203.0.113.1"
pools = [{ start = "203.0.113.50", end = "203.0.113.150" }]
lease_time = 60
t1 = 8
"#;
    r.start(&format!("{ROUTER}{tables}"))?;
    let net = Net {
        lab,
        segment: near,
        r,
    };
    let agent = relay.spawn("dhcrelay -4 -d -a --no-pid -id eth0 -iu eth1 192.0.2.1")?;
    let dhclient = dhclient_with(
        &net.lab,
        &client,
        "client",
        true,
        "ip -4 route replace default via 203.0.113.1",
    )?;
    let address = dhclient
        .told("new_ip_address")
        .with_context(|| format!("dhcrelay said:\n{}", agent.log()))?;
    assert!(address.starts_with("203.0.113."), "{address}");
    assert_eq!(dhclient.told("new_dhcp_server_identifier")?, "192.0.2.1");
    let bound = net.leases("bound")?;
    assert_eq!(bound.len(), 1);
    assert_eq!(bound[0]["resource"], address.as_str());
    assert!(net.event("far", "relayed")? >= 2);
    // It renews by unicast, past the relay.
    dhclient.wait_told("reason=RENEW")?;
    assert!(net.event("far", "leases_renewed")? >= 1);
    assert_eq!(net.counted("lan0")?["invalid"], serde_json::json!({}));
    net.r.assert_balanced()
}
