//! Leases and delegated prefixes of a pair: whatever happens to one router, clients of ISC go on with what they have at the other.
//!
//! ```text
//!   host, late ── lan ── one, two ── up ── server          one:sync ═══ sync:two
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use lab::dhclient::{APPLY, Dhclient, Setup};
use lab::{Host, Lab, Result, Router, wait_for};

use lab::pair::{self, LEASING, Pair, Settings, are, connected};

const LIMIT: Duration = Duration::from_secs(60);

/// Prefixes are delegated as addresses are leased.
const PREFIXES: &str = r#"
[[router.interface.dhcp6.prefix_pool]]
prefix = "2001:db8:8000::/40"
length = 56
preferred_lifetime = 60
valid_lifetime = 90
t1 = 8
t2 = 40
"#;

/// The configuration of one of the two.
fn config(lab: &Lab, number: u8, priority: u8) -> String {
    let settings = Settings {
        lan: [LEASING, PREFIXES].concat(),
        ..Settings::default()
    };
    pair::synced(lab, number, priority, &settings)
}

/// Wires everything, and the way between the routers.
fn wire(lab: &Lab) -> Result<Pair> {
    let net = Pair::wire_synced(lab)?;
    net.server.route("2001:db8:8000::/40 via 2001:db8:2::1")?;
    Ok(net)
}

fn start(lab: &Lab, net: &Pair) -> Result<()> {
    net.one.start(&config(lab, 2, 200))?;
    net.two.start(&config(lab, 3, 100))?;
    net.settle("active", "backup")?;
    connected(&net.one, true)
}

/// Begin and end of each lease in use that a router knows, by what is leased.
fn leases(router: &Router) -> Result<BTreeMap<String, (String, String)>> {
    let shown = router.ctl("show leases")?;
    let all = shown.as_array().into_iter().flatten();
    let text = |lease: &serde_json::Value, key: &str| lease[key].as_str().unwrap_or("").to_owned();
    let bound = all.filter(|lease| lease["state"] == "bound");
    Ok(bound
        .map(|lease| {
            let times = (text(lease, "starts"), text(lease, "ends"));
            (text(lease, "resource"), times)
        })
        .collect())
}

/// Clients of a host, and what they have.
struct Clients {
    six: Dhclient,
    four: Dhclient,
    /// Address, prefix and IPv4 address, as leases are shown.
    has: [String; 3],
}

impl Clients {
    fn start(lab: &Lab, host: &Host, name: &str) -> Result<Self> {
        host.link_local("eth0")?;
        let setup = |words| Setup {
            words,
            cases: APPLY,
            ..Setup::default()
        };
        let six = setup("-6 -N -P -D LL").start(lab, host, &format!("{name}6"))?;
        let four = setup("-4").start(lab, host, &format!("{name}4"))?;
        let has = [
            six.told("new_ip6_address")?,
            six.told("new_ip6_prefix")?,
            four.told("new_ip_address")?,
        ];
        Ok(Self { six, four, has })
    }

    /// Waits until a router has let all last longer than it now knows, and sees that the clients were told of nothing else.
    fn go_on(&self, router: &Router) -> Result<()> {
        let before = leases(router)?;
        wait_for(LIMIT, "all leases to be renewed", || {
            let now = leases(router).ok()?;
            let renewed = |what: &String| {
                let (starts, _) = now.get(what)?;
                before
                    .get(what)
                    .is_none_or(|(was, _)| was < starts)
                    .then_some(())
            };
            self.has
                .iter()
                .all(|what| renewed(what).is_some())
                .then_some(())
        })?;
        for (client, keys) in [
            (&self.six, &["new_ip6_address", "new_ip6_prefix"][..]),
            (&self.four, &["new_ip_address"]),
        ] {
            for key in keys {
                let told = client.told(key)?;
                assert!(
                    self.has.contains(&told),
                    "{key} is {told}, not of {:?}",
                    self.has
                );
            }
            for reason in ["EXPIRE6", "DEPREF6", "EXPIRE", "FAIL", "NBI"] {
                assert!(!client.knows(&format!("reason={reason}")), "{reason}");
            }
        }
        Ok(())
    }
}

/// Which half an address or prefix is of.
fn is_odd(leased: &str) -> bool {
    match leased.split_once('/') {
        Some((prefix, _)) => {
            let bits: std::net::Ipv6Addr = prefix.parse().expect("a prefix");
            bits.to_bits() >> 72 & 1 == 1
        }
        None => {
            let last = leased.rsplit(['.', ':']).next().unwrap_or("");
            let radix = if leased.contains(':') { 16 } else { 10 };
            u32::from_str_radix(last, radix).expect("an address") % 2 == 1
        }
    }
}

/// Both know the same leases.
fn agree(net: &Pair, has: &[String]) -> Result<()> {
    wait_for(LIMIT, "both to know the same leases", || {
        let (one, two) = (leases(&net.one).ok()?, leases(&net.two).ok()?);
        let all = has.iter().all(|what| one.contains_key(what));
        (all && one == two).then_some(())
    })
}

/// A packet to what is behind the delegated prefix reaches it, and comes back.
fn prefix_works(net: &Pair, prefix: &str) -> Result<()> {
    let inside = prefix.replace("::/56", "::1");
    net.host
        .ok(&format!("ip -6 addr replace {inside}/128 dev lo"))?;
    let ping = format!("ping -6 -c 3 -i 0.2 -W 2 -I {inside} 2001:db8:2::80");
    wait_for(LIMIT, "the delegated prefix to be reached", || {
        net.host.run(&ping).ok()?.ok().ok().map(drop)
    })
}

#[test]
fn the_other_router_lets_all_of_it_last() -> Result<()> {
    let lab = Lab::new("ha-leases")?;
    let net = wire(&lab)?;
    start(&lab, &net)?;
    let clients = Clients::start(&lab, &net.host, "host")?;
    for leased in &clients.has {
        assert!(!is_odd(leased), "{leased} is of the half of one");
    }
    agree(&net, &clients.has)?;
    let routes = net.two.ctl(&format!("show routes {}", clients.has[1]))?;
    assert_eq!(
        routes[0]["source"], "delegated",
        "the backup has the route, too: {routes}"
    );
    prefix_works(&net, &clients.has[1])?;

    net.one.crash()?;
    are(&net.two, "active")?;
    clients.go_on(&net.two)?;
    prefix_works(&net, &clients.has[1])?;
    // Somebody new gets something, and nothing of the other half.
    let late = lab.host("late")?;
    lab.attach(&net.links[0], &late, "eth0")?;
    let others = Clients::start(&lab, &late, "late")?;
    for leased in &others.has {
        assert!(is_odd(leased), "{leased} is of the half of two");
    }

    // It comes back, learns what it has missed, and goes on with it.
    net.one.start(&config(&lab, 2, 200))?;
    net.settle("active", "backup")?;
    connected(&net.one, true)?;
    let all = [&clients.has[..], &others.has[..]].concat();
    agree(&net, &all)?;
    clients.go_on(&net.one)?;
    others.go_on(&net.one)?;
    prefix_works(&net, &clients.has[1])?;
    agree(&net, &all)
}

#[test]
fn what_one_gave_alone_is_kept_when_they_can_talk_again() -> Result<()> {
    let lab = Lab::new("ha-split")?;
    let net = wire(&lab)?;
    start(&lab, &net)?;
    let clients = Clients::start(&lab, &net.host, "host")?;
    agree(&net, &clients.has)?;
    // Neither hears the other: both are active, each on its side of the wire.
    let late = lab.host("late")?;
    let side = lab.segment("side")?;
    lab.attach(&side, &late, "eth0")?;
    net.one.ok("ip link set sync down")?;
    for (segment, port) in [(&net.links[0], "p3"), (&net.links[1], "p3")] {
        segment.ok(&format!("ip link set {port} nomaster"))?;
    }
    // The side of two: what was its port of the lan, and a host.
    lab.link(&net.links[0], "way", &side, "way")?;
    net.links[0].ok("ip link add br1 type bridge mcast_snooping 0")?;
    net.links[0].ok("ip link set br1 up")?;
    net.links[0].ok("ip link set p3 master br1")?;
    net.links[0].ok("ip link set way master br1")?;
    side.ok("ip link set way master br0")?;
    are(&net.one, "active")?;
    are(&net.two, "active")?;
    connected(&net.one, false)?;
    let others = Clients::start(&lab, &late, "late")?;
    for leased in &others.has {
        assert!(is_odd(leased), "{leased} is of the half of two");
    }
    clients.go_on(&net.one)?;
    others.go_on(&net.two)?;

    net.one.ok("ip link set sync up")?;
    net.one.ok("ip addr replace fd00::2/64 dev sync nodad")?;
    for (segment, port) in [
        (&net.links[0], "p3"),
        (&net.links[0], "way"),
        (&net.links[1], "p3"),
    ] {
        segment.ok(&format!("ip link set {port} master br0"))?;
    }
    net.settle("active", "backup")?;
    connected(&net.one, true)?;
    let all = [&clients.has[..], &others.has[..]].concat();
    agree(&net, &all)?;
    clients.go_on(&net.one)?;
    others.go_on(&net.one)?;
    agree(&net, &all)
}
