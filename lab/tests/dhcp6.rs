//! DHCPv6 with the client of ISC: addresses, settings and prefixes, and what of them outlives the router's death.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use lab::topology::TwoNetworks;
use lab::{Daemon, Host, Lab, Result, wait_for};

const SECONDS: Duration = Duration::from_secs(30);

/// [`lab::topology::TWO_NETWORKS`] with a DHCPv6 server on the first one.
fn config(lan: &str) -> String {
    let dhcp = format!("addresses = [\"2001:db8:1::1/64\", \"192.0.2.1/24\"]\n{lan}\n");
    let advertised = "addresses = [\"2001:db8:1::1/64\", \"192.0.2.1/24\"]\n[router.interface.ra]\nenabled = true\n\
        [[router.interface.ra.prefix]]\nprefix = \"2001:db8:1::/64\"\n";
    let text = lab::topology::TWO_NETWORKS.replace(advertised, &dhcp);
    assert!(text.contains(lan), "the topology's text has changed");
    text
}

const STATEFUL: &str = r#"
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
ra_mode = "dhcpv6-stateful"
address_mode = "dhcpv6-stateful"
dns_servers = ["2001:db8::53"]
domain_search = ["lab.example"]
pools = [{ start = "2001:db8:1::1000", end = "2001:db8:1::ffff" }]
allocation = "random"
"#;

/// A running dhclient; its script writes what it is told to a file, and gives the interface its address.
struct Dhclient {
    daemon: Daemon,
    told: PathBuf,
}

impl Dhclient {
    /// Starts one with an empty memory; its DUID is that of its MAC.
    fn start(lab: &Lab, host: &Host, name: &str, options: &str) -> Result<Self> {
        host.link_local("eth0")?;
        let file = |kind: &str| lab.dir().join(format!("{name}.{kind}"));
        let (script, told) = (file("sh"), file("told"));
        let text = format!(
            "#!/bin/sh\nenv >> {told}\ncase $reason in\n\
             BOUND6|RENEW6|REBIND6) [ -z \"$new_ip6_address\" ] || \
             ip -6 addr replace $new_ip6_address/$new_ip6_prefixlen dev $interface nodad ;;\nesac\nexit 0\n",
            told = told.display()
        );
        std::fs::write(&script, text)?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        std::fs::write(file("leases"), "")?;
        std::fs::write(&told, "")?;
        let daemon = host.spawn(&format!(
            "dhclient -6 {options} -D LL -d -sf {} -lf {} -pf {} -cf /dev/null eth0",
            script.display(),
            file("leases").display(),
            file("pid").display(),
        ))?;
        Ok(Self { daemon, told })
    }

    /// What it was told under this name, once it was.
    fn told(&self, name: &str) -> Result<String> {
        let key = format!("{name}=");
        let found = wait_for(SECONDS, &format!("the client to be told {name}"), || {
            let text = std::fs::read_to_string(&self.told).ok()?;
            let mut lines = text.lines().rev();
            lines.find_map(|line| line.strip_prefix(&key).map(str::to_owned))
        });
        found.with_context(|| format!("dhclient said:\n{}", self.daemon.log()))
    }
}

/// The leases in use, as the router shows them.
fn leases(net: &TwoNetworks) -> Result<Vec<serde_json::Value>> {
    let leases = net.r.ctl("show leases")?;
    let all = leases.as_array().cloned().unwrap_or_default();
    Ok(all.into_iter().filter(|l| l["state"] == "bound").collect())
}

#[test]
fn a_client_gets_an_address_and_keeps_it_over_the_routers_death() -> Result<()> {
    let lab = Lab::new("dhcp6na")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r.start(&config(STATEFUL))?;
    let client = Dhclient::start(&lab, &net.a, "first", "-1")?;
    let address = client.told("new_ip6_address")?;
    assert!(address.starts_with("2001:db8:1::"), "{address}");
    assert_eq!(client.told("new_dhcp6_name_servers")?, "2001:db8::53");
    assert_eq!(client.told("new_dhcp6_domain_search")?, "lab.example.");
    let flags = net.a.ok("rdisc6 -1 -r 3 -w 2000 eth0")?;
    assert!(
        flags.contains("Stateful address conf.    :          Yes"),
        "{flags}"
    );
    assert_eq!(net.a.ping(&format!("-I {address} 2001:db8:1::1"), 3)?, 3);
    assert!(!net.a.global_ipv6("eth0")?.is_empty());

    let before = leases(&net)?;
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(before[0]["resource"], address.as_str());
    net.r.crash()?;
    net.r.restart()?;
    let after = leases(&net)?;
    assert_eq!(after, before, "what was told before the crash");

    // The same machine without a memory gets the same address, out of 61440 that are chosen from by chance.
    drop(client);
    net.a.ok("ip -6 addr flush dev eth0 scope global")?;
    let again = Dhclient::start(&lab, &net.a, "second", "-1")?;
    assert_eq!(again.told("new_ip6_address")?, address);
    assert_eq!(leases(&net)?.len(), 1);
    let pools = net.r.ctl("show pools")?;
    assert_eq!(
        (pools[0]["bound"].as_u64(), pools[0]["size"].as_str()),
        (Some(1), Some("61440"))
    );
    net.r.assert_balanced()
}

#[test]
fn a_stateless_client_gets_settings_and_no_lease() -> Result<()> {
    let lab = Lab::new("dhcp6sl")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r.start(&config(&STATEFUL.replace("dhcpv6-stateful", "dhcpv6-stateless").replace(
        "pools = [{ start = \"2001:db8:1::1000\", end = \"2001:db8:1::ffff\" }]\nallocation = \"random\"\n",
        "",
    )))?;
    net.a.wait_slaac("eth0", "2001:db8:1:")?;
    let client = Dhclient::start(&lab, &net.a, "stateless", "-S -1")?;
    assert_eq!(client.told("new_dhcp6_name_servers")?, "2001:db8::53");
    assert_eq!(client.told("new_dhcp6_domain_search")?, "lab.example.");
    assert_eq!(leases(&net)?, [serde_json::Value::Null; 0]);
    net.r.assert_balanced()
}

#[test]
fn a_port_gets_its_own_address_and_nobody_elses() -> Result<()> {
    let lab = Lab::new("dhcp6port")?;
    let net = TwoNetworks::wire(&lab)?;
    let mac = net.a.ok("cat /sys/class/net/eth0/address")?;
    // Outside of the pool.
    let port = format!(
        "[[router.interface.port]]\nname = \"a\"\nmac = \"{}\"\naddresses = [\"2001:db8:1::abc:42\"]\n",
        mac.trim()
    );
    net.r.start(&config(&format!("{STATEFUL}{port}")))?;
    let client = Dhclient::start(&lab, &net.a, "port", "-1")?;
    assert_eq!(client.told("new_ip6_address")?, "2001:db8:1::abc:42");
    net.r.assert_balanced()
}

/// The P flag (RFC 9762), as scapy reads it: its layer calls the bits behind L, A and R reserved.
const READ_FLAGS: &str = r#"
import subprocess
from scapy.all import *
heard = AsyncSniffer(iface="eth0", lfilter=lambda p: p.haslayer(ICMPv6NDOptPrefixInfo), count=1, timeout=15)
heard.start()
time.sleep(0.5)
subprocess.run("rdisc6 -1 -r 3 -w 2000 eth0", shell=True)
heard.join()
option = heard.results[0][ICMPv6NDOptPrefixInfo]
print("flags", option.L, option.A, option.res1)
"#;

#[test]
fn hosts_are_told_to_ask_for_a_prefix_of_their_own_and_get_it() -> Result<()> {
    let lab = Lab::new("dhcp6host")?;
    let net = TwoNetworks::wire(&lab)?;
    let own = "[[router.interface.subnet]]\nprefix = \"2001:db8:1::/64\"\nra_mode = \"slaac\"\nprefer_delegation = true\n\
        [[router.interface.dhcp6.prefix_pool]]\nprefix = \"2001:db8:8000::/40\"\nlength = 64\n";
    net.r.start(&config(own))?;
    net.a.wait_slaac("eth0", "2001:db8:1:")?;
    net.b.wait_slaac("eth0", "2001:db8:2:")?;
    let script = lab.dir().join("flags.py");
    std::fs::write(&script, READ_FLAGS)?;
    let told = net
        .a
        .ok(&format!("/usr/bin/python3 {}", script.display()))?;
    // On the link, for those who form addresses too, and the first of the bits behind R.
    assert!(told.contains("flags 1 1 16"), "{told}");
    let client = Dhclient::start(&lab, &net.a, "host", "-N -P -1")?;
    let prefix = client.told("new_ip6_prefix")?;
    assert!(
        prefix.starts_with("2001:db8:80") && prefix.ends_with("/64"),
        "{prefix}"
    );
    let inside = prefix.replace("::/64", "::1");
    net.a.ok(&format!("ip -6 addr add {inside}/128 dev lo"))?;
    assert_eq!(net.b.ping(&inside, 3)?, 3);
    net.r.assert_balanced()
}

#[test]
fn a_delegated_prefix_is_routed_to_its_client_also_after_the_routers_death() -> Result<()> {
    let lab = Lab::new("dhcp6pd")?;
    let net = TwoNetworks::wire(&lab)?;
    let pool =
        "[[router.interface.dhcp6.prefix_pool]]\nprefix = \"2001:db8:8000::/40\"\nlength = 56\n";
    net.r.start(&config(&format!("{STATEFUL}{pool}")))?;
    net.b.wait_slaac("eth0", "2001:db8:2:")?;
    let client = Dhclient::start(&lab, &net.a, "pd", "-N -P -1")?;
    let prefix = client.told("new_ip6_prefix")?;
    assert!(
        prefix.starts_with("2001:db8:80") && prefix.ends_with("/56"),
        "{prefix}"
    );
    let inside = prefix.replace("::/56", "::1");
    net.a.ok(&format!("ip -6 addr add {inside}/128 dev lo"))?;
    let reached = |when: &str| -> Result<()> {
        let routes = net.r.ctl(&format!("show routes {prefix}"))?;
        assert_eq!(routes[0]["source"], "delegated", "{when}: {routes}");
        assert_eq!(
            routes[0]["next_hops"][0]["interface"], "lan0",
            "{when}: {routes}"
        );
        assert_eq!(net.b.ping(&inside, 3)?, 3, "{when}");
        Ok(())
    };
    reached("delegated")?;
    let pd = net.r.hextetctl("show pd")?;
    assert!(pd.contains(&prefix) && pd.contains("lan0"), "{pd}");
    net.r.crash()?;
    net.r.restart()?;
    net.b.wait_slaac("eth0", "2001:db8:2:")?;
    reached("after the crash")?;

    // Ended by hand: the route goes with it.
    net.r.hextetctl(&format!("lease release {prefix}"))?;
    wait_for(SECONDS, "the route to go", || {
        let routes = net.r.ctl(&format!("show routes {prefix}")).ok()?;
        routes.as_array()?.is_empty().then_some(())
    })?;
    net.r.assert_balanced()
}

/// An ADDR-REG-INFORM (RFC 9686) as scapy writes it: from an address, about an address, for so many seconds.
const REGISTER: &str = r#"
import sys
from scapy.all import *
source, address, valid = sys.argv[1], sys.argv[2], int(sys.argv[3])
client = DHCP6OptClientId(duid=DUID_LL(lladdr=get_if_hwaddr("eth0")))
option = DHCP6OptIAAddress(addr=address, preflft=valid // 2, validlft=valid)
inform = bytes([36, 1, 2, 3]) + bytes(client) + bytes(option)
is_answer = lambda p: p.haslayer(UDP) and p[UDP].dport == 546 and p[IPv6].dst == source
heard = AsyncSniffer(iface="eth0", lfilter=is_answer, count=1, timeout=4)
heard.start()
time.sleep(0.5)
sendp(Ether(src=get_if_hwaddr("eth0"), dst="33:33:00:01:00:02") / IPv6(src=source, dst="ff02::1:2", hlim=1)
      / UDP(sport=546, dport=547) / Raw(inform), iface="eth0", verbose=0)
heard.join()
for answer in heard.results:
    said = bytes(answer[UDP].payload)
    print("type", said[0], "xid", said[1:4].hex(), "same address", bytes(option) in said)
"#;

const STATELESS: &str = r#"
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
ra_mode = "dhcpv6-stateless"
address_mode = "dhcpv6-stateless"
"#;

#[test]
fn a_host_on_a_port_registers_the_address_that_it_has_formed() -> Result<()> {
    let lab = Lab::new("dhcp6reg")?;
    let net = TwoNetworks::wire(&lab)?;
    let port = "[[port]]\nname = \"a\"\ndevice = \"lan\"\n";
    net.r.start(&format!("{}{port}", config(STATELESS)))?;
    net.a.wait_slaac("eth0", "2001:db8:1:")?;
    // A machine that nobody has met boots: of what it says, from its duplicate detection on, nothing is lost.
    net.a.ok("ip link set eth0 down")?;
    let spoofed = net.r.dropped("ip6_source_spoofed")?;
    net.a.ok("ip link set eth0 address 02:00:00:00:09:86")?;
    net.a.ok("ip link set eth0 up")?;
    let own = net.a.wait_slaac("eth0", "2001:db8:1:")?.to_string();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(net.r.dropped("ip6_source_spoofed")?, spoofed);

    let script = lab.dir().join("register.py");
    std::fs::write(&script, REGISTER)?;
    let register = |address: &str, valid: u32| {
        let script = script.display();
        net.a.ok(&format!(
            "/usr/bin/python3 {script} {own} {address} {valid}"
        ))
    };
    let registered = || -> Result<Vec<String>> {
        let leases = net.r.ctl("show leases")?;
        let all = leases.as_array().cloned().unwrap_or_default();
        let registered = all.iter().filter(|l| l["state"] == "registered");
        Ok(registered
            .map(|l| l["resource"].as_str().unwrap_or_default().into())
            .collect())
    };
    let answer = register(&own, 3600)?;
    let told = [
        "show drops",
        "show counters",
        "show guards",
        "show port-bindings",
        "why-dropped a",
    ];
    let told = told.map(|what| net.r.hextetctl(what).unwrap_or_default());
    let registration = "type 37 xid 010203 same address True";
    assert_eq!(answer.trim(), registration, "{}", told.concat());
    assert_eq!(registered()?, std::slice::from_ref(&own));
    // Somebody else's is not its to register.
    assert_eq!(register("2001:db8:1::bad", 3600)?, "");
    let counters = net.r.hextetctl("show counters")?;
    assert!(counters.contains("foreign_address"), "{counters}");
    net.r.crash()?;
    net.r.restart()?;
    assert_eq!(registered()?, std::slice::from_ref(&own), "after the crash");
    let answer = wait_for(SECONDS, "the registration to be taken back", || {
        register(&own, 0).ok().filter(|answer| !answer.is_empty())
    })?;
    assert_eq!(answer.trim(), "type 37 xid 010203 same address True");
    assert_eq!(registered()?, NOTHING);
    net.r.assert_balanced()
}

const NOTHING: [String; 0] = [];
