//! The DHCPv6 client against servers that we did not write: Kea, dnsmasq, and one that answers nonsense.

use std::time::Duration;

use anyhow::Context;
use lab::{Daemon, Host, Lab, Result, Router, wait_for};
use serde_json::Value;

const SECONDS: Duration = Duration::from_secs(30);

const CONFIG: &str = r#"
[[device]]
name = "wan"
kind = "af_packet"
interface = "va"

[[router]]
name = "main"

[[router.interface]]
name = "wan0"
device = "wan"
[router.interface.dhcp6_client]
"#;

/// An upstream and the router, on one wire.
struct Uplink {
    lab: Lab,
    upstream: Host,
    router: Router,
}

impl Uplink {
    fn wire(name: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        let (upstream, router) = (lab.host("isp")?, lab.router("r")?);
        lab.link(&upstream, "eth0", &router, "va")?;
        upstream.address("eth0", "2001:db8:f::1/64")?;
        upstream.link_local("eth0")?;
        Ok(Self {
            lab,
            upstream,
            router,
        })
    }

    /// The router with these keys of its client.
    fn start(&self, keys: &str) -> Result<()> {
        self.router.start(&format!("{CONFIG}{keys}\n"))
    }

    /// Kea with an address pool and a prefix pool, and these timers in seconds: T1, T2, preferred, valid. Its leases outlive it.
    fn kea(&self, timers: [u32; 4]) -> Result<Daemon> {
        let dir = self.lab.dir().display().to_string();
        let [t1, t2, preferred, valid] = timers;
        let text = format!(
            r#"{{ "Dhcp6": {{
  "interfaces-config": {{ "interfaces": ["eth0"] }},
  "server-id": {{ "type": "LL", "persist": false }},
  "lease-database": {{ "type": "memfile", "name": "{dir}/kea.csv", "lfc-interval": 0 }},
  "renew-timer": {t1}, "rebind-timer": {t2}, "preferred-lifetime": {preferred}, "valid-lifetime": {valid},
  "option-data": [ {{ "name": "dns-servers", "data": "2001:db8:f::53" }}, {{ "name": "domain-search", "data": "isp.example" }} ],
  "subnet6": [ {{ "id": 1, "subnet": "2001:db8:f::/64", "interface": "eth0",
    "pools": [ {{ "pool": "2001:db8:f::1000-2001:db8:f::1fff" }} ],
    "pd-pools": [ {{ "prefix": "2001:db8:8000::", "prefix-len": 40, "delegated-len": 56 }} ] }} ],
  "loggers": [ {{ "name": "kea-dhcp6", "severity": "INFO", "output_options": [ {{ "output": "stdout", "flush": true }} ] }} ]
}} }}"#
        );
        let file = self.lab.dir().join("kea.json");
        std::fs::write(&file, text)?;
        let daemon = self.upstream.spawn(&format!(
            "env KEA_PIDFILE_DIR={dir} KEA_LOCKFILE_DIR={dir} kea-dhcp6 -c {}",
            file.display()
        ))?;
        wait_for(SECONDS, "Kea to start", || {
            daemon.log().contains("DHCP6_STARTED").then_some(())
        })
        .with_context(|| daemon.log())?;
        Ok(daemon)
    }

    /// The uplink as the router shows it.
    fn shown(&self) -> Result<Value> {
        Ok(self.router.ctl("show dhcp-client")?[0].take())
    }

    /// The uplink once it is so.
    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_for(SECONDS, what, || {
            self.shown().ok().filter(|uplink| is_so(uplink))
        })
        .with_context(|| format!("the uplink is {:?}\n{}", self.shown(), self.router.log()))
    }

    fn bound(&self) -> Result<Value> {
        self.until("the uplink to be bound", |uplink| {
            uplink["state"] == "bound"
        })
    }

    fn invalid(&self, rule: &str) -> Result<u64> {
        let counters = self.router.ctl("show counters")?;
        Ok(counters["dhcp6_client"][0]["invalid"][rule]
            .as_u64()
            .unwrap_or(0))
    }
}

#[test]
fn kea_gives_an_address_and_a_prefix_which_outlive_the_routers_death() -> Result<()> {
    let net = Uplink::wire("pdkea")?;
    let kea = net.kea([1000, 2000, 3000, 4000])?;
    net.start("prefix = [{ length = 56 }]")?;
    let first = net.bound()?;
    let address = first["addresses"][0]["resource"].to_string();
    assert!(address.starts_with("\"2001:db8:f::1"), "{address}");
    let prefix = &first["prefixes"][0];
    let text = prefix["resource"].to_string();
    assert!(
        text.starts_with("\"2001:db8:80") && text.ends_with("/56\""),
        "{text}"
    );
    assert_eq!(first["dns_servers"][0], "2001:db8:f::53");
    assert_eq!(first["domain_search"][0], "isp.example");
    let metrics = net.router.metrics()?;
    assert!(
        metrics.contains("hextet_dhcp_client_state{interface=\"wan0\",state=\"bound\"} 1"),
        "{metrics}"
    );

    // Nobody can tell the router anew what it had: it must know.
    drop(kea);
    net.router.crash()?;
    net.router.restart()?;
    let kept = net.shown()?;
    assert_eq!(kept["prefixes"], first["prefixes"]);
    assert_eq!(kept["addresses"], first["addresses"]);
    let unheard = net.bound()?;
    assert_eq!(
        unheard["prefixes"], first["prefixes"],
        "silence changes nothing"
    );

    // The server is back, and makes it last longer.
    let kea = net.kea([1000, 2000, 3000, 4000])?;
    net.router.hextetctl("dhcp-client renew wan0")?;
    let renewed = net.until("the lease to be renewed", |uplink| {
        uplink["state"] == "bound"
            && uplink["prefixes"][0]["valid_until"] != first["prefixes"][0]["valid_until"]
    })?;
    assert_eq!(renewed["prefixes"][0]["resource"], prefix["resource"]);

    // A configuration without the client gives back what it had.
    net.router
        .configure(&CONFIG.replace("[router.interface.dhcp6_client]\n", ""))?;
    net.router.ctl("reload")?;
    wait_for(SECONDS, "Kea to hear the release", || {
        let log = kea.log();
        (log.contains("DHCP6_RELEASE_NA") && log.contains("DHCP6_RELEASE_PD")).then_some(())
    })
    .with_context(|| kea.log())?;
    net.router.assert_balanced()
}

#[test]
fn an_upstream_that_vanishes_is_missed_only_when_the_lease_ends() -> Result<()> {
    let net = Uplink::wire("pdgone")?;
    let kea = net.kea([4, 6, 10, 14])?;
    net.start("prefix = [{ length = 56 }]")?;
    let first = net.bound()?;
    // It is renewed while the server is there.
    net.until("a renewal", |uplink| {
        uplink["state"] == "bound"
            && uplink["prefixes"][0]["valid_until"] != first["prefixes"][0]["valid_until"]
    })?;
    drop(kea);
    net.until("all servers to be asked", |uplink| {
        uplink["state"] == "rebinding" && uplink["prefixes"][0]["deprecated"] == false
    })?;
    let after = net.until("the search for another server", |uplink| {
        uplink["state"] == "soliciting"
    })?;
    assert_eq!(
        after["prefixes"][0]["resource"],
        first["prefixes"][0]["resource"]
    );
    assert_eq!(after["prefixes"][0]["deprecated"], true, "and still valid");
    net.until("the end of the lease", |uplink| {
        uplink["prefixes"].as_array().is_some_and(Vec::is_empty)
    })?;
    let _kea = net.kea([1000, 2000, 3000, 4000])?;
    net.bound()?;
    Ok(())
}

#[test]
fn dnsmasq_gives_an_address_and_takes_it_back() -> Result<()> {
    let net = Uplink::wire("pdmasq")?;
    let dir = net.lab.dir().display().to_string();
    let dnsmasq = net.upstream.spawn(&format!(
        "dnsmasq -k --conf-file=/dev/null --port=0 --interface=eth0 --bind-dynamic --except-interface=lo \
         --dhcp-range=2001:db8:f::100,2001:db8:f::1ff,64,5m --dhcp-option=option6:dns-server,[2001:db8:f::53] \
         --dhcp-leasefile={dir}/leases --pid-file={dir}/dnsmasq.pid --log-dhcp --log-facility=- --user=root"
    ))?;
    net.start("prefix = []\nrapid_commit = true")?;
    let first = net.bound()?;
    let address = first["addresses"][0]["resource"].to_string();
    assert!(address.starts_with("\"2001:db8:f::1"), "{address}");
    assert_eq!(first["dns_servers"][0], "2001:db8:f::53");
    // After a restart an address alone is confirmed, and dnsmasq says that it is right.
    net.router.crash()?;
    net.router.restart()?;
    wait_for(SECONDS, "dnsmasq to confirm", || {
        dnsmasq.log().contains("DHCPCONFIRM").then_some(())
    })
    .with_context(|| dnsmasq.log())?;
    let confirmed = net.bound()?;
    assert_eq!(confirmed["addresses"], first["addresses"]);
    net.router.hextetctl("dhcp-client release wan0")?;
    net.until("the release", |uplink| uplink["state"] == "released")?;
    wait_for(SECONDS, "dnsmasq to hear the release", || {
        dnsmasq.log().contains("DHCPRELEASE").then_some(())
    })
    .with_context(|| dnsmasq.log())?;
    Ok(())
}

/// Answers each message of a client with what the numbered case says: first nonsense of every kind, then a right answer.
const LIAR: &str = r#"
from scapy.all import *
from scapy.layers.dhcp6 import *
me = DHCP6OptServerId(duid=DUID_LL(lladdr="02:00:00:00:00:99"))
other = DHCP6OptClientId(duid=DUID_LL(lladdr="02:00:00:00:00:98"))
def pd(iaid, *prefixes, t1=1000, t2=2000):
    return DHCP6OptIA_PD(iaid=iaid, T1=t1, T2=t2, iapdopt=[
        DHCP6OptIAPrefix(prefix=p, plen=l, preflft=pr, validlft=v) for p, l, pr, v in prefixes])
def answers(p):
    trid, cid = p[DHCP6_Solicit].trid, p[DHCP6OptClientId].copy()
    cid.remove_payload()
    iaid = p[DHCP6OptIA_PD].iaid
    adv = lambda *o: reduce(lambda a, b: a / b, (DHCP6_Advertise(trid=trid), cid, me) + o)
    good = ("2001:db8:7700::", 56, 3000, 4000)
    yield bytes(adv(pd(iaid, good)))[:-7]
    yield DHCP6_Advertise(trid=trid ^ 1) / cid / me / pd(iaid, good)
    yield DHCP6_Advertise(trid=trid) / other / me / pd(iaid, good)
    yield DHCP6_Advertise(trid=trid) / cid / pd(iaid, good)
    yield DHCP6_Reply(trid=trid) / cid / me / pd(iaid, good)
    yield adv(pd(iaid, good, t1=20, t2=10))
    yield adv(pd(iaid, ("fe80::", 64, 10, 20)))
    yield adv(pd(iaid, ("2001:db8::", 96, 10, 20)))
    yield adv(pd(iaid, ("2001:db8:7700::", 56, 30, 20)))
    yield adv(pd(iaid + 5, good))
from functools import reduce
def on(p):
    if DHCP6_Solicit not in p: return
    for a in answers(p):
        head = Ether(dst=p[Ether].src) / IPv6(src="fe80::99", dst=p[IPv6].src)
        sendp(head / UDP(sport=547, dport=546) / a, iface="eth0", verbose=0)
    print("ANSWERED", flush=True)
print("LISTENING", flush=True)
sniff(iface="eth0", filter="udp port 547", prn=on)
"#;

#[test]
fn nonsense_is_survived_and_counted_by_its_name() -> Result<()> {
    let net = Uplink::wire("pdliar")?;
    let script = net.lab.dir().join("liar.py");
    std::fs::write(&script, LIAR)?;
    let liar = net
        .upstream
        .spawn(&format!("/usr/bin/python3 {}", script.display()))?;
    wait_for(SECONDS, "the liar to listen", || {
        liar.log().contains("LISTENING").then_some(())
    })
    .with_context(|| liar.log())?;
    net.start("address = false\nprefix = [{ length = 56 }]")?;
    wait_for(SECONDS, "an answer", || {
        liar.log().contains("ANSWERED").then_some(())
    })
    .with_context(|| liar.log())?;
    for rule in [
        "truncated_option",
        "foreign_transaction",
        "foreign_client",
        "no_server_id",
        "unexpected",
        "t1_beyond_t2",
        "prefix_block",
        "prefix_length",
        "preferred_beyond_valid",
    ] {
        wait_for(SECONDS, rule, || {
            net.invalid(rule).ok().filter(|count| *count > 0)
        })
        .with_context(|| format!("{:?}\n{}", net.router.ctl("show counters"), liar.log()))?;
    }
    let uplink = net.shown()?;
    assert_eq!(uplink["state"], "soliciting");
    assert_eq!(uplink["prefixes"].as_array().map(Vec::len), Some(0));
    // An honest server is heard beside it.
    let _kea = net.kea([1000, 2000, 3000, 4000])?;
    let bound = net.bound()?;
    let text = bound["prefixes"][0]["resource"].to_string();
    assert!(text.starts_with("\"2001:db8:80"), "{text}");
    net.router.assert_balanced()
}
