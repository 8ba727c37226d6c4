//! Two of our routers: who is active, and what a host notices when that changes.

use std::time::Duration;

use lab::{Lab, Result, Router, wait_for};

use lab::pair::{Pair, Settings, are, config, without_virtual_routers};

const SERVER6: &str = "2001:db8:2::80";
const SERVER4: &str = "198.51.100.80";

#[test]
fn the_backup_takes_over_and_gives_back() -> Result<()> {
    let lab = Lab::new("ha-pair")?;
    let net = Pair::start(&lab, &Settings::default())?;
    for server in [SERVER6, SERVER4] {
        assert_eq!(
            net.host.ping(server, 3)?,
            3,
            "{server} by the active router"
        );
    }
    let neighbor = net.host.ok("ip neigh show 192.0.2.1")?;
    assert!(neighbor.contains("00:00:5e:00:01:3d"), "{neighbor}");
    let routes = net.host.ok("ip -6 route show default")?;
    assert!(
        routes.contains("via fe80::200:5eff:fe00:23d"),
        "the default router is the virtual one: {routes}"
    );

    // An operator sees where a virtual address is.
    let virtual_is = |router: &Router, state: &str| -> Result<()> {
        let shown = router.ctl("show addresses")?;
        for address in ["2001:db8:1::1/64", "192.0.2.1/24"] {
            let mut all = shown.as_array().into_iter().flatten();
            let found = all.find(|row| row["address"] == address);
            let row = found.unwrap_or_else(|| panic!("no {address}: {shown}"));
            assert_eq!(
                (row["origin"].as_str(), row["vrid"].as_u64()),
                (Some("virtual"), Some(61))
            );
            assert_eq!(row["state"], state, "{address}");
        }
        Ok(())
    };
    virtual_is(&net.one, "active")?;
    virtual_is(&net.two, "backup")?;

    net.one.crash()?;
    net.two.settled()?;
    are(&net.two, "active")?;
    virtual_is(&net.two, "active")?;
    for server in [SERVER6, SERVER4] {
        assert_eq!(net.host.ping(server, 3)?, 3, "{server} by the other router");
    }
    let routes = net.host.ok("ip -6 route show default")?;
    assert_eq!(
        routes.matches("via").count(),
        1,
        "still one router: {routes}"
    );

    net.one.start(&config(2, 200, &Settings::default()))?;
    net.settle("active", "backup")?;
    for server in [SERVER6, SERVER4] {
        assert_eq!(net.host.ping(server, 3)?, 3, "{server} by the first again");
    }
    net.one.assert_balanced()?;
    net.two.assert_balanced()
}

#[test]
fn a_router_that_stops_says_so() -> Result<()> {
    let lab = Lab::new("ha-stop")?;
    // Nobody would notice by silence within half a minute.
    let slow = Settings {
        interval: "10s",
        ..Settings::default()
    };
    let net = Pair::wire(&lab)?;
    net.one.start(&config(2, 200, &slow))?;
    net.two.start(&config(3, 199, &slow))?;
    wait_for(Duration::from_secs(60), "one to be active", || {
        are(&net.one, "active").ok()
    })?;
    are(&net.two, "backup")?;
    net.host.wait_slaac("eth0", "2001:db8:1:")?;
    assert_eq!(net.host.ping(SERVER6, 2)?, 2);
    net.one.stop()?;
    // Skew_Time of priority 199: 2.2 s.
    are(&net.two, "active")?;
    assert_eq!(net.host.ping(SERVER6, 2)?, 2);
    let routes = net.host.ok("ip -6 route show default")?;
    assert!(
        routes.contains("via fe80::200:5eff:fe00:23d"),
        "hosts are not told to leave: {routes}"
    );
    Ok(())
}

#[test]
fn what_is_tracked_lowers_the_priority() -> Result<()> {
    let lab = Lab::new("ha-track")?;
    let settings = Settings {
        keys:
            "accept = true\n[[router.interface.vrrp.track]]\ninterface = \"up0\"\ndecrement = 150\n"
                .into(),
        ..Settings::default()
    };
    let net = Pair::start(&lab, &settings)?;
    assert_eq!(net.host.ping(SERVER6, 2)?, 2);
    // Its own link fails; the lan's virtual routers follow.
    net.one.ok("ip link set vb down")?;
    are(&net.two, "active")?;
    wait_for(Duration::from_secs(5), "the lan's to be backup", || {
        let shown = net.one.ctl("show vrrp").ok()?;
        let lan = shown
            .as_array()?
            .iter()
            .filter(|g| g["interface"] == "lan0");
        lan.clone()
            .all(|g| g["state"] == "backup" && g["priority"] == 50)
            .then_some(())
    })?;
    assert_eq!(net.host.ping(SERVER6, 2)?, 2);
    net.one.ok("ip link set vb up")?;
    net.settle("active", "backup")?;
    assert_eq!(net.host.ping(SERVER6, 2)?, 2);
    Ok(())
}

#[test]
fn an_address_that_does_not_accept_is_found_and_says_nothing() -> Result<()> {
    let lab = Lab::new("ha-accept")?;
    let settings = Settings {
        keys: String::new(),
        ..Settings::default()
    };
    let net = Pair::start(&lab, &settings)?;
    for (gateway, server) in [("2001:db8:1::1", SERVER6), ("192.0.2.1", SERVER4)] {
        assert_eq!(net.host.ping(server, 2)?, 2, "it forwards");
        assert_eq!(net.host.ping(gateway, 2)?, 0, "{gateway} answers nothing");
        let neighbor = net.host.ok(&format!("ip neigh show {gateway}"))?;
        assert!(
            neighbor.contains("00:00:5e:00:0"),
            "{gateway} is found: {neighbor}"
        );
    }
    assert!(4 <= net.one.dropped("unaccepted_address")?);
    net.one.assert_balanced()
}

#[test]
fn virtual_routers_come_change_and_go_with_a_reload() -> Result<()> {
    let lab = Lab::new("ha-reload")?;
    let net = Pair::wire(&lab)?;
    let with = config(2, 200, &Settings::default());
    let without = without_virtual_routers(&with);
    let reload = |text: &str| -> Result<()> {
        net.one.configure(text)?;
        net.one.hextetctl("reload").map(drop)
    };
    let reached = |address: &str| -> Result<bool> {
        net.host.ok("ip neigh flush all")?;
        Ok(net.host.ping(address, 2)? == 2)
    };
    net.one.start(&without)?;
    net.host.wait_slaac("eth0", "2001:db8:1:")?;
    assert!(!reached("192.0.2.1")?, "it is not there yet");
    reload(&with)?;
    are(&net.one, "active")?;
    for address in ["192.0.2.1", "2001:db8:1::1", SERVER6, SERVER4] {
        assert!(reached(address)?, "{address} with virtual routers");
    }
    wait_for(
        Duration::from_secs(10),
        "the virtual router to be advertised",
        || {
            let routes = net.host.ok("ip -6 route show default").ok()?;
            routes.contains("via fe80::200:5eff:fe00:23d").then_some(())
        },
    )?;
    // Others of the same virtual routers.
    reload(
        &with
            .replace("\"192.0.2.1\"", "\"192.0.2.99\"")
            .replace("2001:db8:1::1\"", "2001:db8:1::99\""),
    )?;
    for address in ["192.0.2.99", "2001:db8:1::99"] {
        assert!(reached(address)?, "{address} after the change");
    }
    for address in ["192.0.2.1", "2001:db8:1::1"] {
        assert!(!reached(address)?, "{address} is gone");
    }
    reload(&without)?;
    assert_eq!(net.one.ctl("show vrrp")?.as_array().map(Vec::len), Some(0));
    for address in ["192.0.2.99", "2001:db8:1::99"] {
        assert!(!reached(address)?, "{address} is gone too");
    }
    assert!(reached("192.0.2.2")?, "the router is not");
    net.one.assert_balanced()
}
