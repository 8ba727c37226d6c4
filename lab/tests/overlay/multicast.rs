//! Flooding by a multicast group of the underlay, with the kernel's `vxlan … group` as peers: one copy for all, the group is joined,
//! and only who is named is listened to.

use std::time::Duration;

use lab::{Daemon, Host, Lab, Result, wait_for};

use crate::{CONFIG, Outer, Site, full_size};

/// Says what is sent on the underlay: groups joined, and by whom which frames for everybody are tunnelled, and where to.
const LISTEN: &str = r#"
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 3))
print("listening", flush=True)
def text(octets):
    return socket.inet_ntop(socket.AF_INET6 if len(octets) == 16 else socket.AF_INET, octets)
while True:
    frame, who = s.recvfrom(65535)
    if who[2] == 4: continue
    packet = frame[14:]
    if frame[12:14] == b"\x86\xdd":
        source, target, ttl = packet[8:24], packet[24:40], packet[7]
        # A report has a hop-by-hop header with a router alert.
        if packet[6] == 0 and packet[48] == 143:
            for n in range(packet[54] * 256 + packet[55]):
                print("report", text(packet[60 + 20 * n:76 + 20 * n]), "from", frame[6:12].hex(":"), flush=True)
        if packet[6] != 17: continue
        udp = packet[40:]
    elif frame[12:14] == b"\x08\x00":
        source, target, ttl = packet[12:16], packet[16:20], packet[8]
        if packet[9] == 2 and packet[24] == 0x22:
            for n in range(packet[30] * 256 + packet[31]):
                print("report", text(packet[36 + 8 * n:40 + 8 * n]), "from", frame[6:12].hex(":"), flush=True)
        if packet[9] != 17: continue
        udp = packet[20:]
    else: continue
    inner = udp[16:]
    if udp[2:4] == b"\x12\xb5" and inner[:6] == b"\xff" * 6 and inner[12:14] == b"\x08\x06":
        wanted = text(inner[38:42])
        print("arp", wanted, "from", text(source), "to", text(target), "mac", frame[:6].hex(), "ttl", ttl, flush=True)
"#;

const fn group(outer: Outer) -> &'static str {
    match outer {
        Outer::V6 => "ff05::77",
        Outer::V4 => "239.1.2.77",
    }
}

/// The n-th peer's address, from 3.
fn address(outer: Outer, n: u32) -> String {
    match outer {
        Outer::V6 => format!("fd66::{n}"),
        Outer::V4 => format!("192.0.2.{n}"),
    }
}

/// A host on the underlay with VXLAN of the kernel's that floods by the group, and an address in network blue.
fn peer(lab: &Lab, site: &Site, outer: Outer, n: u32) -> Result<Host> {
    let host = lab.host(&format!("k{n}"))?;
    lab.attach(&site.under, &host, "eth0")?;
    let len = if outer == Outer::V6 { 64 } else { 24 };
    let own = address(outer, n);
    host.address("eth0", &format!("{own}/{len}"))?;
    let checksum = match outer {
        Outer::V6 => "noudp6zerocsumtx noudp6zerocsumrx",
        Outer::V4 => "udpcsum",
    };
    host.ok(&format!(
        "ip link add vx0 type vxlan id 77 local {own} group {} dev eth0 dstport 4789 ttl 4 {checksum}",
        group(outer)
    ))?;
    host.ok("ip link set vx0 mtu 1430")?;
    host.ok("ip link set vx0 up")?;
    host.address("vx0", &format!("10.1.0.{}/24", 10 + n))?;
    host.address("vx0", &format!("2001:db8:1::{n}:1/64"))?;
    Ok(host)
}

fn listen(host: &Host) -> Result<Daemon> {
    let daemon = host.python(LISTEN, "")?;
    wait_for(Duration::from_secs(5), "a capture", || {
        daemon.log().contains("listening").then_some(())
    })?;
    Ok(daemon)
}

/// Peers 3 and 4 are named, and the group that all flood by.
fn config(outer: Outer) -> String {
    let ours = outer.ours();
    let vtep = |name: &str, remote: &str, more: &str| {
        format!(
            "[[vtep]]\nname = \"{name}\"\nkind = \"vxlan\"\nrouter = \"underlay\"\nlocal = \"{ours}\"\nremote = \"{remote}\"\n{more}\n"
        )
    };
    format!(
        "{CONFIG}\n[[network]]\nname = \"blue\"\nsegments = [{{ kind = \"flat\", device = \"lan\" }}, \
         {{ kind = \"vxlan\", vni = 77, vteps = [\"k3\", \"k4\"], flood = \"all\" }}]\n{}{}{}",
        vtep("k3", &address(outer, 3), ""),
        vtep("k4", &address(outer, 4), ""),
        vtep("all", group(outer), "interface = \"up0\"\nhop_limit = 7"),
    )
}

#[test]
fn a_group_of_ipv6_carries_what_is_for_everybody() -> Result<()> {
    by_group(Outer::V6)
}

#[test]
fn a_group_of_ipv4_carries_what_is_for_everybody() -> Result<()> {
    by_group(Outer::V4)
}

fn by_group(outer: Outer) -> Result<()> {
    let lab = Lab::new("group")?;
    let site = Site::wire(&lab)?;
    let (k3, k4) = (peer(&lab, &site, outer, 3)?, peer(&lab, &site, outer, 4)?);
    let stranger = peer(&lab, &site, outer, 5)?;
    let heard = listen(&k3)?;
    site.r.start(&config(outer))?;
    let said = |line: &str| heard.log().lines().any(|l| l == line);
    // The peers report it too: ours has our device's address.
    let devices = site.r.ctl("show devices")?;
    let own = devices[0]["mac"].as_str().unwrap_or_default();
    let joined = format!("report {} from {own}", group(outer));
    wait_for(Duration::from_secs(10), "a report of the group", || {
        said(&joined).then_some(())
    })?;
    site.a.wait_slaac("eth0", "2001:db8:1:")?;
    site.a.ok("ip link set eth0 mtu 1430")?;
    site.a.address("eth0", "2001:db8:1::a/64")?;
    // Both peers, in both directions and families: who was asked for by the group answers by unicast.
    for (host, n) in [(&k3, 3), (&k4, 4)] {
        for to in [format!("10.1.0.{}", 10 + n), format!("2001:db8:1::{n}:1")] {
            assert_eq!(site.a.ping(&to, 3)?, 3, "{to}");
            assert_eq!(full_size(&site.a, &to, 1430)?, 3, "{to}");
        }
        host.ok("ip neigh flush dev vx0")?;
        for to in ["10.1.0.10", "2001:db8:1::a", "10.1.0.1", "2001:db8:1::1"] {
            assert_eq!(host.ping(to, 3)?, 3, "{to}");
        }
    }
    // A question for nobody went out once, to the group.
    let before = heard.log().matches("arp 10.1.0.99 ").count();
    assert_eq!(before, 0);
    site.a.run("ping -n -c 1 -W 1 10.1.0.99")?;
    let log = heard.log();
    let asked: Vec<&str> = log
        .lines()
        .filter(|l| l.starts_with("arp 10.1.0.99 "))
        .collect();
    assert!(!asked.is_empty(), "{log}");
    let flooded = site.r.ctl("show vteps")?;
    let mac = match outer {
        Outer::V6 => "333300000077",
        Outer::V4 => "01005e01024d",
    };
    let once = format!("from {} to {} mac {mac} ttl 7", outer.ours(), group(outer));
    assert!(asked.iter().all(|line| line.ends_with(&once)), "{asked:?}");
    assert!(
        asked.len() <= 3,
        "one for each time that the host asks: {asked:?}"
    );
    assert!(
        0 < crate::count(&flooded[2]["counters"], "tx_packets"),
        "{flooded:#}"
    );
    // Who is not named is not listened to, by the group neither.
    let before = site.r.dropped("tunnel_unknown_peer")?;
    assert_eq!(stranger.ping("10.1.0.10", 2)?, 0);
    assert!(before < site.r.dropped("tunnel_unknown_peer")?);
    let text = site.r.hextetctl("show networks")?;
    assert!(text.contains("floods by all"), "{text}");
    site.r.assert_balanced()
}
