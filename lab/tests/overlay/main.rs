//! Overlays with peers of other houses: the kernel's VXLAN, and Open vSwitch's VXLAN, Geneve and GRE, over IPv6 and IPv4.
//!
//! ```text
//!   a:eth0 ── vl [r] vu ── (the underlay) ── the peer, and hosts behind it
//!                  vw ── eth0:far
//! ```
//!
//! Router `tenant` has interfaces on network blue (a and what is behind the peer: 2001:db8:1::/64, 10.1.0.0/24) and to
//! far (2001:db8:9::/64, 10.9.0.0/24); router `underlay` is fd66::1 and 192.0.2.1.

mod gre;
mod kernel;
mod mtu;
mod multicast;
mod ovs;
mod pair;
mod path_mtu;
mod refused;
mod suppress;

use std::net::Ipv6Addr;

use lab::{Host, Lab, Result, Router, ping_received};
use serde_json::Value;

const CONFIG: &str = r#"
[[device]]
name = "up"
kind = "af_packet"
interface = "vu"
[[device]]
name = "lan"
kind = "af_packet"
interface = "vl"
[[device]]
name = "wide"
kind = "af_packet"
interface = "vw"

[[router]]
name = "underlay"
[[router.interface]]
name = "up0"
device = "up"
addresses = ["fd66::1/64", "192.0.2.1/24"]

[[router]]
name = "tenant"
[[router.interface]]
name = "blue0"
network = "blue"
addresses = ["2001:db8:1::1/64", "10.1.0.1/24"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:1::/64"
[[router.interface]]
name = "far0"
device = "wide"
addresses = ["2001:db8:9::1/64", "10.9.0.1/24"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:9::/64"
"#;

/// Family of the outer packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outer {
    V6,
    V4,
}

impl Outer {
    /// The router's address on the underlay.
    const fn ours(self) -> &'static str {
        match self {
            Outer::V6 => "fd66::1",
            Outer::V4 => "192.0.2.1",
        }
    }

    /// The peer's.
    const fn peer(self) -> &'static str {
        match self {
            Outer::V6 => "fd66::3",
            Outer::V4 => "192.0.2.3",
        }
    }
}

/// The router with a local host on network blue and one behind another interface.
struct Site {
    a: Host,
    far: Host,
    r: Router,
    under: Host,
}

impl Site {
    /// Wires it; the router is not started.
    fn wire(lab: &Lab) -> Result<Self> {
        let (a, far, r) = (lab.host("a")?, lab.host("far")?, lab.router("r")?);
        let under = lab.segment("under")?;
        lab.attach(&under, &r, "vu")?;
        lab.link(&a, "eth0", &r, "vl")?;
        lab.link(&far, "eth0", &r, "vw")?;
        a.address("eth0", "10.1.0.10/24")?;
        a.route("default via 10.1.0.1")?;
        far.address("eth0", "10.9.0.2/24")?;
        far.route("default via 10.9.0.1")?;
        Ok(Self { a, far, r, under })
    }

    /// Starts the router: network blue has VNI or key 77 at vtep `peer` of this kind; `more` are keys of the vtep.
    fn start(&self, kind: &str, outer: Outer, more: &str) -> Result<()> {
        self.r
            .start(&format!("{CONFIG}{}", blue(kind, outer, more)))
    }

    /// All that stations of a network want: `host` has `dev` in blue behind the peer, and `mtu` is the network's.
    fn talks(&self, host: &Host, dev: &str, mtu: u32) -> Result<()> {
        host.address(dev, "10.1.0.11/24")?;
        host.route("default via 10.1.0.1")?;
        let a = self.a.wait_slaac("eth0", "2001:db8:1:")?;
        let b = host.wait_slaac(dev, "2001:db8:1:")?;
        let far = self.far.wait_slaac("eth0", "2001:db8:9:")?;
        for (host, dev) in [(&self.a, "eth0"), (host, dev)] {
            assert_eq!(advertised_mtu(host, dev)?, mtu);
            // IPv4 hosts are told by hand, as the kernel's default is not the network's.
            host.ok(&format!("ip link set {dev} mtu {mtu}"))?;
        }
        for (from, to) in [
            (&self.a, vec![b.to_string(), "10.1.0.11".to_owned()]),
            (host, vec![a.to_string(), "10.1.0.10".to_owned()]),
            (
                host,
                vec!["2001:db8:1::1".to_owned(), "10.1.0.1".to_owned()],
            ),
            (host, vec![far.to_string(), "10.9.0.2".to_owned()]),
            (&self.far, vec![b.to_string(), "10.1.0.11".to_owned()]),
        ] {
            for to in to {
                assert_eq!(from.ping(&to, 5)?, 5, "{to}");
                assert_eq!(full_size(from, &to, mtu)?, 3, "{to} with {mtu} bytes");
            }
        }
        self.shows(host, dev, mtu)
    }

    /// What the router says of the network and the peer after traffic in both directions.
    fn shows(&self, host: &Host, dev: &str, mtu: u32) -> Result<()> {
        let station = |mac: String, at: &str| (mac, at.to_owned());
        for learned in [
            station(mac(&self.a, "eth0")?, "lan"),
            station(mac(host, dev)?, "peer"),
        ] {
            let fdb = self.learned("blue")?;
            assert!(fdb.contains(&learned), "{learned:?} is not in {fdb:?}");
        }
        let networks = self.r.ctl("show networks")?;
        let blue = &networks[0];
        assert_eq!(blue["name"], "blue");
        assert_eq!(blue["mtu"], mtu);
        assert_eq!(blue["segments"][1]["vni"], 77);
        assert_eq!(blue["segments"][1]["vteps"][0], "peer");
        for counter in ["rx_frames", "tx_frames", "flooded_frames"] {
            assert!(0 < count(&blue["counters"], counter), "{blue:#}");
        }
        let vteps = self.r.ctl("show vteps")?;
        let peer = &vteps[0];
        assert_eq!(
            (&peer["name"], &peer["networks"]),
            (&"peer".into(), &1.into())
        );
        // Pings of 1,000 bytes and more went both ways.
        for counter in ["rx", "tx"] {
            let packets = count(&peer["counters"], &format!("{counter}_packets"));
            let bytes = count(&peer["counters"], &format!("{counter}_bytes"));
            assert!(40 < packets && 40_000 < bytes, "{peer:#}");
        }
        assert_eq!(count(&peer["counters"], "too_big"), 0, "{peer:#}");
        // People read the same.
        for (what, words) in [
            ("networks", ["blue", "77"]),
            ("vteps", ["peer", peer["remote"].as_str().unwrap_or("?")]),
            ("fdb --network blue", ["peer", "lan"]),
        ] {
            let text = self.r.hextetctl(&format!("show {what}"))?;
            for word in words {
                assert!(text.contains(word), "`{word}` is not in\n{text}");
            }
        }
        Ok(())
    }

    /// Stations that were learned: MAC and place.
    fn learned(&self, network: &str) -> Result<Vec<(String, String)>> {
        let stations = self.r.ctl(&format!("show fdb --network {network}"))?;
        let stations = stations.as_array().cloned().unwrap_or_default();
        let learned = stations.iter().filter(|s| s["is_static"] == false);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(learned.map(|s| (text(&s["mac"]), text(&s["at"]))).collect())
    }

    /// A counter of vtep `peer`.
    fn peer_counter(&self, counter: &str) -> Result<u64> {
        let vteps = self.r.ctl("show vteps")?;
        Ok(count(&vteps[0]["counters"], counter))
    }
}

/// Network blue, and its peer.
fn blue(kind: &str, outer: Outer, more: &str) -> String {
    format!(
        r#"
[[network]]
name = "blue"
segments = [{{ kind = "flat", device = "lan" }}, {{ kind = "{kind}", vni = 77, vteps = ["peer"] }}]
[[vtep]]
name = "peer"
kind = "{kind}"
router = "underlay"
local = "{}"
remote = "{}"
{more}
"#,
        outer.ours(),
        outer.peer()
    )
}

/// A host on the underlay with the peer's addresses.
fn peer_host(lab: &Lab, site: &Site, name: &str) -> Result<Host> {
    let host = lab.host(name)?;
    lab.attach(&site.under, &host, "eth0")?;
    for (address, len) in [(Outer::V6.peer(), 64), (Outer::V4.peer(), 24)] {
        host.address("eth0", &format!("{address}/{len}"))?;
    }
    Ok(host)
}

/// Answers to three pings that fill packets of `mtu` bytes and must not be fragmented.
fn full_size(from: &Host, to: &str, mtu: u32) -> Result<u32> {
    let headers = if to.contains(':') { 48 } else { 28 };
    let size = mtu - headers;
    let ping = from.run(&format!("ping -n -c 3 -i 0.1 -W 2 -M do -s {size} {to}"))?;
    Ok(ping_received(&ping.stdout))
}

/// The link MTU that a host took from a router advertisement.
fn advertised_mtu(host: &Host, dev: &str) -> Result<u32> {
    let text = host.ok(&format!("cat /proc/sys/net/ipv6/conf/{dev}/mtu"))?;
    Ok(text.trim().parse()?)
}

fn mac(host: &Host, dev: &str) -> Result<String> {
    let text = host.ok(&format!("cat /sys/class/net/{dev}/address"))?;
    Ok(text.trim().to_owned())
}

fn count(counters: &Value, name: &str) -> u64 {
    counters[name].as_u64().unwrap_or(0)
}

/// A host's global address that the router advertised, as text.
fn slaac(host: &Host, dev: &str, prefix: &str) -> Result<String> {
    host.wait_slaac(dev, prefix)
        .map(|a: Ipv6Addr| a.to_string())
}
