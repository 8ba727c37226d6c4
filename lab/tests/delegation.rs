//! A provider delegates prefixes to the router: what its hosts have of it, and what they have when it changes or fails.

use std::net::Ipv6Addr;
use std::time::Duration;

use lab::provider::{CUSTOMER, NEW, OLD, Provider, WORLD};
use lab::session::{Session, echo_server};
use lab::{Lab, Result, wait_for};

const LONG: Duration = Duration::from_secs(60);
/// T1 and T2 of seconds, lifetimes of minutes.
const LIVELY: [u32; 4] = [3, 6, 600, 1200];

#[test]
fn hosts_have_addresses_of_it_and_the_rest_of_it_is_unreachable() -> Result<()> {
    let lab = Lab::new("pdhosts")?;
    let net = Provider::wire(&lab)?;
    let _kea = net.kea(&lab, OLD, LIVELY)?;
    net.r.start(CUSTOMER)?;
    let address = net.host_address("2001:db8:a")?;
    assert_eq!(net.host.ping(WORLD, 3)?, 3);
    assert_eq!(net.isp.ping(&address.to_string(), 3)?, 3);

    // What the host is told never outlives the delegation, and is capped below that.
    let told = net.host.ok("rdisc6 -1 -r 3 -w 2000 eth0")?;
    let seconds = |name: &str| -> Option<u32> {
        let line = told.lines().find(|line| line.contains(name))?;
        line.split(':')
            .nth(1)?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    };
    let (valid, preferred) = (seconds("Valid time"), seconds("Pref. time"));
    assert!(valid.is_some_and(|s| 1150 < s && s <= 1200), "{told}");
    assert!(preferred.is_some_and(|s| 550 < s && s <= 600), "{told}");

    // The uplink has an address of its own, and no on-link prefix with it.
    let addresses = net.r.ctl("show addresses")?;
    let uplink = addresses.as_array().into_iter().flatten();
    let uplink: Vec<&str> = uplink
        .filter(|a| a["interface"] == "wan0")
        .filter_map(|a| a["address"].as_str())
        .filter(|a| a.starts_with("2001:db8:f:"))
        .collect();
    assert_eq!(uplink.len(), 1, "{addresses}");
    assert!(uplink[0].ends_with("/128"), "{addresses}");

    // Not assigned: answered here, and not sent back to where it came from.
    let subnets = net.subnets()?;
    assert_eq!(subnets.len(), 1, "{subnets:?}");
    let prefix = subnets[0].split('/').next().unwrap_or_default();
    let outside = prefix.parse::<Ipv6Addr>()?.to_bits() | 0xff << 64;
    let outside = Ipv6Addr::from_bits(outside);
    for host in [&net.isp, &net.host] {
        let said = host
            .run(&format!("ping -n -c 2 -i 0.3 -W 2 {outside}"))?
            .stdout;
        // Code 6, reject route to destination (RFC 4443 section 3.1), for which ping has no words.
        assert!(
            said.contains("Destination unreachable: Unknown code 6"),
            "{outside}: {said}"
        );
        assert!(!said.contains("Time exceeded"), "{said}");
    }
    let shown = net.r.hextetctl("show delegations")?;
    assert!(
        shown.contains("held") && shown.contains("preferred"),
        "{shown}"
    );
    let metrics = net.r.metrics()?;
    let metric = "hextet_delegated_subnets{interface=\"lan0\",state=\"preferred\"} 1";
    assert!(metrics.contains(metric), "{metrics}");
    net.r.assert_balanced()
}

#[test]
fn a_session_over_the_old_prefix_lives_on_and_new_ones_use_the_new() -> Result<()> {
    let lab = Lab::new("pdrenum")?;
    let net = Provider::wire(&lab)?;
    let kea = net.kea(&lab, OLD, LIVELY)?;
    net.r.start(CUSTOMER)?;
    let old = net.host_address("2001:db8:a")?;
    let _server = echo_server(&net.isp)?;
    let session = Session::open(&net.host, WORLD)?;
    assert_eq!(session.source()?, old.to_string());

    drop(kea);
    let _kea = net.kea(&lab, NEW, LIVELY)?;
    let new = net.host_address("2001:db8:b")?;
    net.deprecated(old)?;
    session.goes_on()?;
    let next = Session::open(&net.host, WORLD)?;
    assert_eq!(next.source()?, new.to_string());
    let subnets = net.subnets()?;
    assert_eq!(subnets.len(), 2, "{subnets:?}");
    assert!(
        subnets[0].ends_with("deprecated") && subnets[1].ends_with("preferred"),
        "{subnets:?}"
    );

    // Its end is on its way: less than two hours, counting down.
    let shown = net.host.ok("ip -6 addr show dev eth0 scope global")?;
    let line = shown
        .lines()
        .skip_while(|line| !line.contains(&old.to_string()))
        .nth(1);
    let valid = line.and_then(|line| {
        line.split_whitespace()
            .nth(1)?
            .strip_suffix("sec")?
            .parse::<u32>()
            .ok()
    });
    assert!(valid.is_some_and(|s| s <= 1200), "{shown}");

    // Neither is lost by the death of the router.
    net.r.crash()?;
    net.r.restart()?;
    assert_eq!(net.subnets()?, subnets);
    session.goes_on()?;
    next.goes_on()?;
    net.deprecated(old)?;
    net.r.assert_balanced()
}

/// RFC 4429: a host may use its address before duplicate detection ends, ours or its own.
#[test]
fn a_host_that_does_not_wait_is_served_at_once() -> Result<()> {
    let lab = Lab::new("pdhasty")?;
    let net = Provider::wire(&lab)?;
    let _kea = net.kea(&lab, OLD, LIVELY)?;
    net.host.ok("sysctl -qw net.ipv6.conf.eth0.accept_dad=0")?;
    net.r.start(CUSTOMER)?;
    let address = net.host_address("2001:db8:a")?;
    let first = net
        .host
        .run(&format!("ping -n -c 3 -i 0.1 -W 1 -I {address} {WORLD}"))?;
    assert_eq!(lab::ping_received(&first.stdout), 3, "{}", first.stdout);
    net.r.assert_balanced()
}

#[test]
fn what_changed_while_the_router_was_dead_is_told_to_its_hosts() -> Result<()> {
    let lab = Lab::new("pdflash")?;
    let net = Provider::wire(&lab)?;
    let kea = net.kea(&lab, OLD, LIVELY)?;
    net.r.start(CUSTOMER)?;
    let old = net.host_address("2001:db8:a")?;
    let before = net.subnets()?;
    net.r.crash()?;
    net.r.restart()?;
    assert_eq!(net.subnets()?, before, "the same prefix, the same subnet");
    assert_eq!(net.host_address("2001:db8:a")?, old);
    assert_eq!(net.host.ping(WORLD, 3)?, 3);

    // Flash renumbering (RFC 8978): nobody withdraws the old prefix but us, who remember it.
    net.r.crash()?;
    drop(kea);
    let _kea = net.kea(&lab, NEW, LIVELY)?;
    net.r.restart()?;
    net.host_address("2001:db8:b")?;
    net.deprecated(old)?;
    assert_eq!(net.host.ping(WORLD, 3)?, 3);
    net.r.assert_balanced()
}

#[test]
fn without_a_provider_all_is_well_until_the_prefix_ends() -> Result<()> {
    let lab = Lab::new("pdgone")?;
    let net = Provider::wire(&lab)?;
    let kea = net.kea(&lab, OLD, [3, 6, 20, 30])?;
    net.r.start(CUSTOMER)?;
    net.host_address("2001:db8:a")?;
    drop(kea);
    assert_eq!(
        net.host.ping(WORLD, 10)?,
        10,
        "its server is gone, the prefix is not"
    );
    let still = net.subnets()?;
    assert_eq!(still.len(), 1, "{still:?}");
    wait_for(LONG, "the host to deprecate its address", || {
        net.host_flags()
            .ok()?
            .iter()
            .all(|(_, deprecated)| *deprecated)
            .then_some(())
    })?;
    wait_for(
        LONG,
        "the prefix to end on the host and on the router",
        || {
            let host = net.host_flags().ok()?;
            let router = net.subnets().ok()?;
            (host.is_empty() && router.is_empty()).then_some(())
        },
    )?;
    let routes = net.r.ctl("show routes 2001:db8:a00::/40")?;
    assert_eq!(routes.as_array().map(Vec::len), Some(0), "{routes}");
    // The provider is back, and so are the addresses.
    let _kea = net.kea(&lab, OLD, LIVELY)?;
    net.host_address("2001:db8:a")?;
    assert_eq!(net.host.ping(WORLD, 3)?, 3);
    net.r.assert_balanced()
}
