//! Neighbour discovery and ARP with real kernels, conflicts and scans.

use lab::topology::{TWO_NETWORKS, TwoNetworks};
use lab::{Lab, Result, wait_for};
use std::time::Duration;

#[test]
fn a_duplicate_of_our_address_is_detected_and_not_used() -> Result<()> {
    let lab = Lab::new("dad")?;
    let net = TwoNetworks::wire(&lab)?;
    // The host holds the router's address before the router starts.
    net.a.address("eth0", "2001:db8:1::1/64")?;
    net.r.start(TWO_NETWORKS)?;
    wait_for(
        Duration::from_secs(10),
        "the duplicate to be reported",
        || {
            let interfaces = net.r.ctl("show interfaces").ok()?;
            let lan = interfaces
                .as_array()?
                .iter()
                .find(|i| i["name"] == "lan0")?;
            let address = lan["addresses"].as_array()?.iter().find(|a| {
                a["address"]
                    .as_str()
                    .is_some_and(|a| a.starts_with("2001:db8:1::1"))
            })?;
            (address["state"] == "duplicate").then_some(())
        },
    )?;
    // The other addresses live on.
    net.b.wait_slaac("eth0", "2001:db8:2:")?;
    assert_eq!(net.b.ping("2001:db8:2::1", 2)?, 2);
    net.r.assert_balanced()
}

#[test]
fn our_address_is_defended_against_a_newcomer() -> Result<()> {
    let lab = Lab::new("defend")?;
    let net = TwoNetworks::start(&lab, "")?;
    net.a.ok("ip addr add 2001:db8:1::1/64 dev eth0")?;
    wait_for(Duration::from_secs(5), "the host's DAD to fail", || {
        net.a
            .ok("ip -6 addr show dev eth0")
            .ok()?
            .contains("dadfailed")
            .then_some(())
    })?;
    net.r.assert_balanced()
}

#[test]
fn a_scan_of_a_64_neither_evicts_nor_starves_the_living() -> Result<()> {
    let lab = Lab::new("scan")?;
    let net = TwoNetworks::start(&lab, "")?;
    let b = net.b_ipv6()?;
    assert_eq!(net.a.ping(&b, 2)?, 2);
    // A scan from a towards b's network: every address wants to be resolved by the router.
    let (scan, enough) = (lab.dir().join("scan.py"), lab.dir().join("enough"));
    std::fs::write(
        &scan,
        "import os,socket,sys,time\n\
         s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\n\
         end=time.time()+6\n\
         i=0\n\
         while time.time()<end or not os.path.exists(sys.argv[1]):\n\
         \x20   for _ in range(50):\n\
         \x20       i+=1; s.sendto(b'x',('2001:db8:2::%x:%x'%(i>>16,i&0xffff),9))\n\
         \x20   time.sleep(0.01)\n\
         print(i)\n",
    )?;
    let mut scanner = net.a.spawn(&format!(
        "/usr/bin/python3 {} {}",
        scan.display(),
        enough.display()
    ))?;
    std::thread::sleep(Duration::from_millis(500));
    let alive = net.a.run(&format!("ping -n -c 40 -i 0.1 -W 2 {b}"))?;
    assert_eq!(
        lab::ping_received(&alive.stdout),
        40,
        "the live flow lost packets: {}",
        alive.stdout
    );
    // A newcomer on the scanned network is resolved while the scan goes on, for who asks again.
    net.b.address("eth0", "2001:db8:2::beef/64")?;
    wait_for(
        Duration::from_secs(60),
        "the newcomer to be resolved",
        || {
            let found = net.a.ping("2001:db8:2::beef", 5).ok()?;
            (0 < found).then_some(())
        },
    )?;
    std::fs::write(&enough, "")?;
    scanner.wait(Duration::from_secs(15))?;
    let sent: u64 = scanner.log().trim().parse()?;
    assert!(
        5_000 < sent,
        "the scan was too slow to mean anything: {sent}"
    );
    let refused = net.r.dropped("hold_full")?
        + net.r.dropped("glean_limited")?
        + net.r.dropped("neighbour_failed")?;
    assert!(
        0 < refused,
        "nothing was refused of {sent} scanned addresses"
    );
    let table = net.r.ctl("show neighbors")?;
    let entries = table.as_array().map_or(0, Vec::len);
    assert!(entries < 4096, "the cache grew to {entries}");
    // Everything held is let go in the end.
    net.r.assert_balanced()
}

#[test]
fn the_first_packets_wait_for_resolution_and_none_is_lost() -> Result<()> {
    let lab = Lab::new("hold")?;
    let net = TwoNetworks::start(&lab, "")?;
    net.b.address("eth0", "2001:db8:2::77/64")?;
    // Four packets back to back to an address the router has never seen.
    let output = net.a.run("ping -n -c 4 -i 0.002 -W 3 2001:db8:2::77")?;
    assert_eq!(lab::ping_received(&output.stdout), 4, "{}", output.stdout);
    let output = net.a.run("ping -n -c 4 -i 0.002 -W 3 198.51.100.2")?;
    assert_eq!(lab::ping_received(&output.stdout), 4, "{}", output.stdout);
    net.r.assert_balanced()
}

#[test]
fn an_unresolvable_neighbour_is_answered_with_address_unreachable() -> Result<()> {
    let lab = Lab::new("noneigh")?;
    let net = TwoNetworks::start(&lab, "")?;
    let six = net.a.run("ping -n -c 1 -W 6 2001:db8:2::dead")?.stdout;
    assert!(
        six.contains("From 2001:db8:1::1") && six.contains("Address unreachable"),
        "{six}"
    );
    let four = net.a.run("ping -n -c 1 -W 6 198.51.100.99")?.stdout;
    assert!(
        four.contains("From 192.0.2.1") && four.contains("Destination Host Unreachable"),
        "{four}"
    );
    assert!(2 <= net.r.dropped("neighbour_failed")?);
    net.r.assert_balanced()
}

#[test]
fn a_static_neighbour_needs_no_resolution_and_proxy_nd_answers() -> Result<()> {
    let lab = Lab::new("static")?;
    let net = TwoNetworks::wire(&lab)?;
    net.b.ok("ip link set eth0 address 02:00:00:00:00:0b")?;
    net.b.address("eth0", "2001:db8:2::5/64")?;
    let config = TWO_NETWORKS
        .replace(
            "name = \"wan0\"\ndevice = \"wan\"",
            "name = \"wan0\"\ndevice = \"wan\"\nneighbor = [{ address = \"2001:db8:2::5\", mac = \"02:00:00:00:00:0b\" }]",
        )
        .replace(
            "name = \"lan0\"\ndevice = \"lan\"",
            "name = \"lan0\"\ndevice = \"lan\"\nproxy_nd = [\"2001:db8:1:0:ff::/80\"]",
        );
    net.r.start(&config)?;
    net.a.wait_slaac("eth0", "2001:db8:1:")?;
    assert_eq!(net.a.ping("2001:db8:2::5", 2)?, 2);
    let neighbors = net.r.ctl("show neighbors")?;
    let fixed = neighbors
        .as_array()
        .into_iter()
        .flatten()
        .find(|n| n["address"] == "2001:db8:2::5")
        .expect("the static neighbour is listed");
    assert_eq!(fixed["mac"], "02:00:00:00:00:0b");
    // The router answers for the proxied range and for nothing else.
    for (address, answered) in [("2001:db8:1:0:ff::9", true), ("2001:db8:1:0:fe::9", false)] {
        net.a.run(&format!("ping -n -c 2 -i 1 -W 1 {address}"))?;
        let entry = net.a.ok(&format!("ip -6 neigh show {address}"))?;
        assert_eq!(entry.contains("lladdr"), answered, "{entry}");
    }
    net.r.assert_balanced()
}

#[test]
fn a_neighbour_that_changes_its_mac_is_followed() -> Result<()> {
    let lab = Lab::new("move")?;
    let net = TwoNetworks::start(&lab, "")?;
    net.b.address("eth0", "2001:db8:2::c/64")?;
    assert_eq!(net.a.ping("2001:db8:2::c", 2)?, 2);
    net.b.ok("ip link set eth0 address 02:00:00:00:00:cc")?;
    // The host speaks from its new MAC: its solicitation tells the router (RFC 4861 section 7.2.3).
    net.b.ok("ip -6 neigh flush dev eth0")?;
    let spoke = net
        .b
        .run("ping -n -c 3 -i 0.2 -W 2 -I 2001:db8:2::c 2001:db8:2::1")?;
    // The advertisement may be there before the workers know of the new MAC: then the first answer goes to the old one.
    assert!(2 <= lab::ping_received(&spoke.stdout));
    wait_for(Duration::from_secs(5), "the new MAC to be learnt", || {
        let neighbors = net.r.ctl("show neighbors").ok()?;
        let c = neighbors
            .as_array()?
            .iter()
            .find(|n| n["address"] == "2001:db8:2::c")?
            .clone();
        (c["mac"] == "02:00:00:00:00:cc").then_some(())
    })?;
    assert_eq!(net.a.ping("2001:db8:2::c", 2)?, 2);
    net.r.assert_balanced()
}
