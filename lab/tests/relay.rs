//! DHCP relays between real clients and real servers: Kea and dnsmasq behind us, dhclient and dhcpcd before us.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use lab::dhclient::{Dhclient, Setup};
use lab::topology::TwoNetworks;
use lab::{Daemon, Host, Lab, Result, Router, wait_for};

const SECONDS: Duration = Duration::from_secs(40);
/// The server on host b.
const SERVER: &str = "2001:db8:2::53";

const RELAY6: &str = r#"
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
ra_mode = "dhcpv6-stateful"
[router.interface.dhcp6_relay]
servers = ["2001:db8:2::53"]
"#;

const RELAY4: &str = "[router.interface.dhcp4_relay]\nservers = [\"198.51.100.2\"]\n";

/// [`lab::topology::TWO_NETWORKS`] with `tables` on the interface to host a.
fn config(tables: &str) -> String {
    let lan = format!("addresses = [\"2001:db8:1::1/64\", \"192.0.2.1/24\"]\n{tables}\n");
    let advertised = "addresses = [\"2001:db8:1::1/64\", \"192.0.2.1/24\"]\n[router.interface.ra]\nenabled = true\n\
        [[router.interface.ra.prefix]]\nprefix = \"2001:db8:1::/64\"\n";
    let text = lab::topology::TWO_NETWORKS.replace(advertised, &lan);
    assert!(text.contains(&lan), "the topology's text has changed");
    text
}

/// dhclient that ends when it gets nothing.
fn dhclient(lab: &Lab, host: &Host, name: &str, words: &str) -> Result<Dhclient> {
    host.link_local("eth0")?;
    let setup = Setup {
        words,
        once: true,
        ..Setup::default()
    };
    setup.start(lab, host, name)
}

/// Kea on host b; `kind` is 4 or 6.
fn kea(lab: &Lab, host: &Host, kind: u8, config: &str) -> Result<Daemon> {
    let dir = lab.dir().display();
    let file = lab.dir().join(format!("kea{kind}.json"));
    let text = config.replace("$DIR", &dir.to_string());
    std::fs::write(&file, text)?;
    let daemon = host.spawn(&format!(
        "env KEA_PIDFILE_DIR={dir} KEA_LOCKFILE_DIR={dir} kea-dhcp{kind} -c {}",
        file.display()
    ))?;
    let started = format!("DHCP{kind}_STARTED");
    let up = wait_for(SECONDS, "Kea to start", || {
        daemon.log().contains(&started).then_some(())
    });
    up.with_context(|| format!("Kea said:\n{}", daemon.log()))?;
    Ok(daemon)
}

/// It gives something only to clients of whom the relay says on which interface they are and what their MAC is.
const KEA6: &str = r#"{"Dhcp6": {
  "interfaces-config": {"interfaces": ["eth0/2001:db8:2::53"]},
  "server-id": {"type": "LLT", "persist": false},
  "lease-database": {"type": "memfile", "name": "$DIR/kea6.csv"},
  "client-classes": [{"name": "relayed",
    "test": "relay6[0].option[18].hex == 'lan0' and relay6[0].option[79].exists"}],
  "valid-lifetime": 600, "preferred-lifetime": 300,
  "subnet6": [{"id": 1, "subnet": "2001:db8:1::/64", "client-class": "relayed",
    "pools": [{"pool": "2001:db8:1::1000-2001:db8:1::1fff"}],
    "pd-pools": [{"prefix": "2001:db8:a000::", "prefix-len": 40, "delegated-len": 56}]}],
  "loggers": [{"name": "kea-dhcp6", "severity": "INFO", "output_options": [{"output": "stdout", "flush": true}]}]
}}"#;

const KEA4: &str = r#"{"Dhcp4": {
  "interfaces-config": {"interfaces": ["eth0"], "dhcp-socket-type": "udp"},
  "lease-database": {"type": "memfile", "name": "$DIR/kea4.csv"},
  "client-classes": [{"name": "relayed", "test": "relay4[1].hex == 'lan0'"}],
  "valid-lifetime": 600,
  "subnet4": [{"id": 1, "subnet": "192.0.2.0/24", "client-class": "relayed",
    "option-data": [{"name": "routers", "data": "192.0.2.1"}],
    "pools": [{"pool": "192.0.2.50-192.0.2.99"}]}],
  "loggers": [{"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout", "flush": true}]}]
}}"#;

/// Host b as a server: its address, and a way to host a's network.
fn server(net: &TwoNetworks) -> Result<()> {
    net.b.address("eth0", &format!("{SERVER}/64"))?;
    net.b.wait_slaac("eth0", "2001:db8:2:").map(drop)
}

/// How often a relay has counted a class of drops.
fn dropped(r: &Router, relay: &str, link: &str, class: &str) -> Result<u64> {
    let counters = r.ctl("show counters")?;
    let links = counters[relay].as_array().cloned().unwrap_or_default();
    let of = links.iter().find(|on| on["interface"] == link);
    Ok(of.and_then(|on| on["invalid"][class].as_u64()).unwrap_or(0))
}

/// Waits for a class of drops to be counted.
fn wait_dropped(r: &Router, relay: &str, link: &str, class: &str, count: u64) -> Result<()> {
    let counted = wait_for(SECONDS, &format!("{count} drops by {class}"), || {
        (dropped(r, relay, link, class).ok()? == count).then_some(())
    });
    counted.with_context(|| r.hextetctl("show counters").unwrap_or_default())
}

/// A UDP datagram with the bytes of a fuzzer's seed, which scapy has written.
fn send(host: &Host, seed: &str, from: &str, port: u16, to: &str) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds/relay6")
        .join(seed);
    let script = format!(
        "import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); \
         s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); \
         i = socket.if_nametoindex(\"eth0\"); s.bind((\"{from}\", {port}, 0, i if \"{from}\".startswith(\"fe80\") else 0)); \
         s.sendto(open(\"{}\", \"rb\").read(), (\"{to}\", 547, 0, i))",
        file.display()
    );
    host.ok(&format!("/usr/bin/python3 -c '{script}'"))
        .map(drop)
}

#[test]
fn a_delegated_prefix_is_routed_through_the_relay_over_its_death_until_its_release() -> Result<()> {
    let lab = Lab::new("relay6pd")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r.start(&config(RELAY6))?;
    server(&net)?;
    let kea = kea(&lab, &net.b, 6, KEA6)?;
    let client = dhclient(&lab, &net.a, "pd", "-6 -N -P -D LL")?;
    let address = client.told("new_ip6_address").with_context(|| kea.log())?;
    assert!(address.starts_with("2001:db8:1::1"), "{address}");
    let prefix = client.told("new_ip6_prefix")?;
    assert!(
        prefix.starts_with("2001:db8:a0") && prefix.ends_with("/56"),
        "{prefix}"
    );
    let inside = prefix.replace("::/56", "::1");
    net.a.ok(&format!("ip -6 addr add {inside}/128 dev lo"))?;
    let reached = |when: &str| -> Result<()> {
        let route = wait_for(SECONDS, "the route", || {
            let routes = net.r.ctl(&format!("show routes {prefix}")).ok()?;
            routes[0].is_object().then_some(routes)
        })
        .with_context(|| when.to_owned())?;
        assert_eq!(route[0]["source"], "delegated", "{when}: {route}");
        assert_eq!(
            route[0]["next_hops"][0]["interface"], "lan0",
            "{when}: {route}"
        );
        assert_eq!(net.b.ping(&inside, 3)?, 3, "{when}");
        let relays = net.r.ctl("show relays")?;
        assert_eq!(
            relays[0]["prefixes"][0]["prefix"],
            prefix.as_str(),
            "{when}: {relays}"
        );
        Ok(())
    };
    reached("delegated")?;
    net.r.crash()?;
    net.r.restart()?;
    net.b.wait_slaac("eth0", "2001:db8:2:")?;
    reached("after the crash")?;
    let metrics = net.r.metrics()?;
    assert!(
        metrics.contains("hextet_dhcp_relay_events_total"),
        "{metrics}"
    );

    client.release(&net.a)?;
    wait_for(SECONDS, "the route to go", || {
        let routes = net.r.ctl(&format!("show routes {prefix}")).ok()?;
        routes.as_array()?.is_empty().then_some(())
    })?;
    assert_eq!(
        net.r.ctl("show relays")?[0]["prefixes"],
        serde_json::json!([])
    );
    net.r.assert_balanced()
}

#[test]
fn who_is_no_server_and_who_is_no_relay_is_dropped_by_name() -> Result<()> {
    let lab = Lab::new("relay6bad")?;
    let net = TwoNetworks::wire(&lab)?;
    // The seeds call their link so.
    let named = |more: &str| config(&format!("{RELAY6}interface_id = \"lan\"\n{more}"));
    net.r.start(&named(""))?;
    server(&net)?;
    net.b.address("eth0", "2001:db8:2::66/64")?;
    send(
        &net.b,
        "reply_delegates",
        "2001:db8:2::66",
        547,
        "2001:db8:1::1",
    )?;
    wait_dropped(&net.r, "dhcp6_relay", "elsewhere", "unknown_server", 1)?;
    send(&net.b, "reply_delegates", SERVER, 546, "2001:db8:1::1")?;
    wait_dropped(&net.r, "dhcp6_relay", "elsewhere", "client_port", 1)?;
    let routes = net.r.ctl("show routes 2001:db8:a000::/56")?;
    assert_eq!(
        routes,
        serde_json::json!([]),
        "nobody who was not asked delegates"
    );

    let client = net.a.link_local("eth0")?.to_string();
    for (seed, class) in [
        ("relayed", "untrusted_relay"),
        ("relayed_32", "untrusted_relay"),
        ("advertise", "not_client_message"),
    ] {
        let before = dropped(&net.r, "dhcp6_relay", "lan0", class)?;
        send(&net.a, seed, &client, 547, "ff02::1:2")?;
        wait_dropped(&net.r, "dhcp6_relay", "lan0", class, before + 1)?;
    }
    // Relays are allowed: what is nested too deep still goes nowhere.
    net.r.configure(&named("relays = [\"fe80::/10\"]\n"))?;
    net.r.hextetctl("reload")?;
    for (seed, class) in [
        ("relayed_32", "hop_limit"),
        ("relayed_32_counting_none", "relay_too_deep"),
    ] {
        send(&net.a, seed, &client, 547, "ff02::1:2")?;
        wait_dropped(&net.r, "dhcp6_relay", "lan0", class, 1)?;
    }
    send(&net.a, "relayed", &client, 547, "ff02::1:2")?;
    wait_for(SECONDS, "a trusted relay to be heard", || {
        let counters = net.r.ctl("show counters").ok()?;
        let links = counters["dhcp6_relay"].as_array()?.clone();
        let lan = links.iter().find(|on| on["interface"] == "lan0")?;
        (lan["events"]["relay_forwards"] == 1).then_some(())
    })?;
    net.r.assert_balanced()
}

#[test]
fn a_dhcpv4_client_is_served_by_kea_behind_the_relay() -> Result<()> {
    let lab = Lab::new("relay4kea")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r.start(&config(RELAY4))?;
    let kea = kea(&lab, &net.b, 4, KEA4)?;
    net.a.ok("ip addr flush dev eth0 scope global")?;
    let client = dhclient(&lab, &net.a, "v4", "-4")?;
    let address = client.told("new_ip_address").with_context(|| kea.log())?;
    assert!(address.starts_with("192.0.2."), "{address}");
    assert_eq!(client.told("new_routers")?, "192.0.2.1");
    let counters = net.r.ctl("show counters")?;
    let relay = &counters["dhcp4_relay"][0];
    assert_eq!(relay["interface"], "lan0", "{counters}");
    for event in ["discovers", "offers", "requests", "acks"] {
        let count = relay["events"][event].as_u64();
        assert!(Some(1) <= count, "{event}: {relay}");
    }
    // Another host answers in the server's place.
    let script = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
        s.bind((\"198.51.100.66\", 67)); \
        s.sendto(open(\"SEED\", \"rb\").read(), (\"192.0.2.1\", 67))";
    let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/relay4/offer");
    let script = script.replace("SEED", &seed.display().to_string());
    net.b.address("eth0", "198.51.100.66/24")?;
    net.b.ok(&format!("/usr/bin/python3 -c '{script}'"))?;
    wait_dropped(&net.r, "dhcp4_relay", "elsewhere", "unknown_server", 1)?;
    net.r.assert_balanced()
}

#[test]
fn dhcpcd_is_served_by_dnsmasq_behind_both_relays() -> Result<()> {
    let lab = Lab::new("relaymasq")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r.start(&config(&format!("{RELAY6}{RELAY4}")))?;
    server(&net)?;
    // It answers from whichever address the kernel chooses: there must be only the one that we believe.
    net.b.ok("sysctl -qw net.ipv6.conf.eth0.autoconf=0")?;
    net.b.ok("ip -6 addr flush dev eth0 scope global")?;
    net.b.address("eth0", &format!("{SERVER}/64"))?;
    let dir = lab.dir().display().to_string();
    let dnsmasq = net.b.spawn(&format!(
        "dnsmasq -k --conf-file=/dev/null --port=0 --interface=eth0 --bind-dynamic --except-interface=lo \
         --dhcp-range=2001:db8:1::1000,2001:db8:1::1fff,64,5m --dhcp-range=192.0.2.50,192.0.2.99,255.255.255.0,5m \
         --dhcp-leasefile={dir}/masq.leases --pid-file={dir}/masq.pid --log-facility=- --log-dhcp --user=root"
    ))?;
    net.a.ok("ip addr flush dev eth0 scope global")?;
    net.a.link_local("eth0")?;
    for sub in ["run", "lib"] {
        std::fs::create_dir_all(lab.dir().join(sub))?;
    }
    std::fs::write(
        lab.dir().join("dhcpcd.conf"),
        "duid\nnoipv4ll\nscript /bin/true\nallowinterfaces eth0\ninterface eth0\nipv6rs\nia_na 1\n",
    )?;
    let dhcpcd = net.a.spawn(&format!(
        "unshare -m sh -c 'mount --bind {dir}/run /run; mount --bind {dir}/lib /var/lib/dhcpcd; \
         exec dhcpcd -B -d -f {dir}/dhcpcd.conf eth0'"
    ))?;
    let both = wait_for(SECONDS, "dhcpcd to have an address of each family", || {
        let v4 = net.a.ipv4("eth0").ok()?;
        let v6 = net.a.global_ipv6("eth0").ok()?;
        let v6 = v6
            .iter()
            .find(|a| a.to_string().starts_with("2001:db8:1::1"))?;
        Some((v4.first()?.to_string(), v6.to_string()))
    });
    let (v4, v6) = both.with_context(|| {
        format!(
            "dhcpcd said:\n{}\ndnsmasq said:\n{}",
            dhcpcd.log(),
            dnsmasq.log()
        )
    })?;
    assert!(v4.starts_with("192.0.2."), "{v4}");
    assert_eq!(net.a.ping("192.0.2.1", 2)?, 2);
    assert_eq!(net.a.ping(&format!("-I {v6} 2001:db8:1::1"), 2)?, 2);
    net.r.assert_balanced()
}

/// A second router behind the first: `a ── lan0 [r] wan0 ── up0 [r2]`.
#[test]
fn our_relay_before_our_server() -> Result<()> {
    let lab = Lab::new("relaychain")?;
    let (a, r, r2) = (lab.host("a")?, lab.router("r")?, lab.router("r2")?);
    lab.link(&a, "eth0", &r, "va")?;
    lab.link(&r, "vb", &r2, "vc")?;
    let relay = config(&RELAY6.replace(SERVER, "2001:db8:2::2"));
    r.start(&relay)?;
    r2.start(
        r#"
[[device]]
name = "up"
kind = "af_packet"
interface = "vc"
[[router]]
name = "main"
[[router.interface]]
name = "up0"
device = "up"
addresses = ["2001:db8:2::2/64"]
[router.interface.dhcp6]
relays = ["2001:db8:1::1"]
[[router.remote_link]]
name = "far"
[[router.remote_link.subnet]]
prefix = "2001:db8:1::/64"
address_mode = "dhcpv6-stateful"
pools = [{ start = "2001:db8:1::1000", end = "2001:db8:1::1fff" }]
[[router.remote_link.dhcp6.prefix_pool]]
prefix = "2001:db8:a000::/40"
length = 56
[[router.route]]
prefix = "2001:db8:1::/64"
via = "2001:db8:2::1"
"#,
    )?;
    let client = dhclient(&lab, &a, "chain", "-6 -N -P -D LL")?;
    let address = client.told("new_ip6_address").with_context(|| r2.log())?;
    assert!(address.starts_with("2001:db8:1::1"), "{address}");
    let prefix = client.told("new_ip6_prefix")?;
    // Both have a route: the relay to the client, the server to the relay.
    for (router, interface) in [(&r, "lan0"), (&r2, "up0")] {
        let routes = router.ctl(&format!("show routes {prefix}"))?;
        assert_eq!(routes[0]["source"], "delegated", "{routes}");
        assert_eq!(
            routes[0]["next_hops"][0]["interface"], interface,
            "{routes}"
        );
    }
    let leases = r2.ctl("show leases")?;
    let resources = leases.as_array().into_iter().flatten();
    let mut resources: Vec<_> = resources.map(|lease| lease["resource"].clone()).collect();
    resources.sort_by_key(ToString::to_string);
    let mut expected = [address, prefix].map(serde_json::Value::from);
    expected.sort_by_key(ToString::to_string);
    assert_eq!(resources, expected, "{leases}");
    r.assert_balanced()?;
    r2.assert_balanced()
}
