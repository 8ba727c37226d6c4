//! What no peer may send is dropped by name, and nobody hears it: strangers, networks of others, broken encapsulations.

use std::time::Duration;

use anyhow::Context;
use lab::marker::Listener;
use lab::{Host, Lab, Result, wait_for};
use serde_json::Value;

use crate::{CONFIG, Site};

/// Blue is stretched to peers `peer` over VXLAN and GRE; red to `west` alone, which has no business in blue.
const NETWORKS: &str = r#"
[[network]]
name = "blue"
mtu = 1400
segments = [
  { kind = "flat", device = "lan" },
  { kind = "vxlan", vni = 77, vteps = ["peer", "peer4"] },
  { kind = "gre", vni = 77, vteps = ["gre", "gre4"] },
]
[[network]]
name = "red"
segments = [{ kind = "vxlan", vni = 78, vteps = ["west"] }, { kind = "gre", vni = 78, vteps = ["grewest"] }]
"#;

const VTEPS: [(&str, &str, &str, &str); 6] = [
    ("peer", "vxlan", "fd66::1", "fd66::3"),
    ("peer4", "vxlan", "192.0.2.1", "192.0.2.3"),
    ("west", "vxlan", "fd66::1", "fd66::4"),
    ("gre", "gre", "fd66::1", "fd66::3"),
    ("gre4", "gre", "192.0.2.1", "192.0.2.3"),
    ("grewest", "gre", "fd66::1", "fd66::4"),
];

/// `(drop reason, scapy expression)`. `v6`/`v4` are outer headers up to UDP, `g6`/`g4` up to IP, from the peer or from who is
/// named; `inner` is a broadcast frame with the marker of the case.
const BAD: &[(&str, &str)] = &[
    // Strangers, some with a source that a peer of another kind or family has.
    ("tunnel_unknown_peer", "v6('fd66::99')/VXLAN(vni=77)/inner"),
    (
        "tunnel_unknown_peer",
        "v4('192.0.2.99')/VXLAN(vni=77)/inner",
    ),
    ("tunnel_unknown_peer", "v4('192.0.2.4')/VXLAN(vni=78)/inner"),
    (
        "tunnel_unknown_peer",
        "g6('fd66::99')/GRE(proto=0x6558,key_present=1,key=77)/inner",
    ),
    (
        "tunnel_unknown_peer",
        "g4('192.0.2.99')/GRE(proto=0x6558,key_present=1,key=77)/inner",
    ),
    // Peers in a network that is not theirs.
    ("tunnel_not_member", "v6()/VXLAN(vni=78)/inner"),
    ("tunnel_not_member", "v6('fd66::4')/VXLAN(vni=77)/inner"),
    (
        "tunnel_not_member",
        "g6('fd66::4')/GRE(proto=0x6558,key_present=1,key=77)/inner",
    ),
    ("tunnel_unknown_network", "v6()/VXLAN(vni=79)/inner"),
    ("tunnel_unknown_network", "v6()/VXLAN(vni=0)/inner"),
    (
        "tunnel_unknown_network",
        "g6()/GRE(proto=0x6558,key_present=1,key=79)/inner",
    ),
    ("tunnel_unknown_network", "g6()/GRE(proto=0x6558)/inner"),
    (
        "tunnel_unknown_network",
        "g6()/GRE(proto=0x86dd,key_present=1,key=77)/IPv6(src='2001:db8:1::77',dst='ff02::1')/UDP()/mark",
    ),
    // Broken headers.
    ("tunnel_malformed", "v6()/VXLAN(flags=0,vni=77)/inner"),
    ("tunnel_malformed", "v6()/Raw(b'\\x08\\x00\\x00\\x00\\x00')"),
    (
        "tunnel_malformed",
        "g6()/GRE(routing_present=1,proto=0x6558,key_present=1,key=77)/inner",
    ),
    (
        "tunnel_malformed",
        "g6()/GRE(version=1,proto=0x6558,key_present=1,key=77)/inner",
    ),
    ("tunnel_malformed", "g6()/Raw(b'\\x20\\x00\\x65')"),
    (
        "tunnel_unsupported",
        "g6()/GRE(proto=0x88cc,key_present=1,key=77)/inner",
    ),
    (
        "tunnel_checksum",
        "g6()/GRE(chksum_present=1,chksum=0x1234,proto=0x6558,key_present=1,key=77)/inner",
    ),
    ("tunnel_checksum", "v6(chksum=0x1234)/VXLAN(vni=77)/inner"),
    ("tunnel_checksum", "v6(chksum=0)/VXLAN(vni=77)/inner"),
    ("tunnel_checksum", "v4(chksum=0x1234)/VXLAN(vni=77)/inner"),
    // What is inside.
    ("frame_truncated", "v6()/VXLAN(vni=77)/Raw(b'\\xff'*6)"),
    (
        "tunnel_inner_tag",
        "v6()/VXLAN(vni=77)/Ether(dst='ff:ff:ff:ff:ff:ff',src=station)/Dot1Q(vlan=5)/mark",
    ),
    (
        "source_mac_multicast",
        "v6()/VXLAN(vni=77)/Ether(dst='ff:ff:ff:ff:ff:ff',src='33:33:00:00:00:01',type=0x88b5)/mark",
    ),
    (
        "l2_own_source",
        "v6()/VXLAN(vni=77)/Ether(dst='ff:ff:ff:ff:ff:ff',src=gateway,type=0x88b5)/mark",
    ),
    ("l2_too_big", "v6()/VXLAN(vni=77)/inner/Raw(b'x'*1400)"),
    // A tunnel in a tunnel leads to the tenant's router, which has nothing of the underlay.
    (
        "ip6_no_route",
        "v6()/VXLAN(vni=77)/Ether(dst=gateway,src='02:00:00:00:00:77')/IPv6(src='2001:db8:1::77',dst='fd66::1')\
         /UDP(sport=50000,dport=4789)/VXLAN(vni=77)/inner",
    ),
    (
        "ip4_no_route",
        "v4()/VXLAN(vni=77)/Ether(dst=gateway,src='02:00:00:00:00:77')/IP(src='10.1.0.77',dst='192.0.2.1')\
         /UDP(sport=50000,dport=4789)/VXLAN(vni=77)/inner",
    ),
    (
        "tunnel_ecn",
        "v6(tc=3)/VXLAN(vni=77)/Ether(dst='ff:ff:ff:ff:ff:ff',src=station)/IPv6(src='fe80::77',dst='ff02::1')/UDP()/mark",
    ),
];

/// What looks odd and is right.
const GOOD: &[&str] = &[
    "v6()/VXLAN(vni=77)/inner",
    "v4()/VXLAN(vni=77)/inner",
    "v4(chksum=0)/VXLAN(vni=77)/inner",
    // RFC 7348 section 5: reserved bits are ignored.
    "v6()/Raw(bytes.fromhex('ffaabbcc00004da5'))/inner",
    "g6()/GRE(proto=0x6558,key_present=1,key=77)/inner",
    "g4()/GRE(proto=0x6558,key_present=1,key=77)/inner",
    "g6()/GRE(chksum_present=1,proto=0x6558,key_present=1,key=77)/inner",
    "g6()/GRE(seqnum_present=1,sequence_number=7,proto=0x6558,key_present=1,key=77)/inner",
];

#[test]
fn what_no_peer_may_send_is_dropped_by_name_and_nobody_hears_it() -> Result<()> {
    let lab = Lab::new("refused")?;
    let site = Site::wire(&lab)?;
    let x = lab.host("x")?;
    lab.attach(&site.under, &x, "eth0")?;
    site.r.start(&format!("{CONFIG}{NETWORKS}{}", vteps()))?;
    site.a.wait_slaac("eth0", "2001:db8:1:")?;
    let sender = Sender::new(&lab, &site, &x)?;
    let listener = Listener::start(&site.a, "eth0")?;
    for (number, packet) in GOOD.iter().enumerate() {
        let name = format!("good-{number}");
        sender.send(packet, &name)?;
        listener.hears(&name, &["inner"]).context(*packet)?;
    }
    let mut wrong = Vec::new();
    for (number, (reason, packet)) in BAD.iter().enumerate() {
        let before = drops(&site)?;
        sender.send(packet, &format!("bad-{number}"))?;
        let expected = vec![(String::from(*reason), 3)];
        let mut grown = Vec::new();
        let dropped = wait_for(Duration::from_secs(2), reason, || {
            grown = grew(&before, &drops(&site).ok()?);
            (grown == expected).then_some(())
        });
        if dropped.is_err() {
            wrong.push(format!("{reason}, {packet}: {grown:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let heard = listener.heard();
    assert!(heard.iter().all(|mark| !mark.contains("bad")), "{heard:?}");
    // Nor did anybody learn of a station from them: the good ones had another.
    let fdb = site.r.ctl("show fdb")?;
    let learned = |mac: &str| fdb.to_string().contains(mac);
    assert!(
        learned("02:00:00:00:00:77") && !learned("02:00:00:00:00:66"),
        "{fdb:#}"
    );
    site.r.assert_balanced()
}

fn vteps() -> String {
    let one = |(name, kind, local, remote): &(&str, &str, &str, &str)| {
        format!(
            "[[vtep]]\nname = \"{name}\"\nkind = \"{kind}\"\nrouter = \"underlay\"\nlocal = \"{local}\"\n\
             remote = \"{remote}\"\n"
        )
    };
    VTEPS.iter().map(one).collect()
}

type Drops = Vec<(String, u64)>;

fn drops(site: &Site) -> Result<Drops> {
    let drops = site.r.ctl("show drops")?;
    let one = |d: &Value| Some((d["reason"].as_str()?.to_owned(), d["total"].as_u64()?));
    Ok(drops
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(one)
        .collect())
}

/// What has grown of drops that have to do with frames and tunnels, and by how much.
fn grew(before: &Drops, after: &Drops) -> Drops {
    let growth = |(name, count): &(String, u64)| {
        let was = before
            .iter()
            .find(|(n, _)| n == name)
            .map_or(0, |(_, c)| *c);
        (name.clone(), count - was)
    };
    // Hosts go on looking for listeners and routers meanwhile, and no peer is there to be found.
    let quiet = |name: &str| {
        let others = ["ip", "icmp", "neighbour", "hold"];
        others.iter().any(|other| name.starts_with(other)) && !name.ends_with("_no_route")
    };
    let grown = after.iter().map(growth);
    grown.filter(|(name, by)| 0 < *by && !quiet(name)).collect()
}

const PROGRAM: &str = r"
import sys, warnings
warnings.filterwarnings('ignore')
from scapy.all import *
r, gateway, expression, name, station = sys.argv[1:6]
ether = Ether(dst=r, src=get_if_hwaddr('eth0'))
def v6(src='fd66::3', tc=0, **udp):
    return ether/IPv6(src=src, dst='fd66::1', tc=tc)/UDP(sport=50000, dport=4789, **udp)
def v4(src='192.0.2.3', **udp):
    return ether/IP(src=src, dst='192.0.2.1')/UDP(sport=50000, dport=4789, **udp)
def g6(src='fd66::3'):
    return ether/IPv6(src=src, dst='fd66::1', nh=47)
def g4(src='192.0.2.3'):
    return ether/IP(src=src, dst='192.0.2.1', proto=47)
mark = Raw(('<inner %s>' % name).encode())
inner = Ether(dst='ff:ff:ff:ff:ff:ff', src=station, type=0x88b5)/mark
sendp(eval(open(expression).read()), iface='eth0', count=3, inter=0.01, verbose=False)
";

/// Sends what scapy can express to the router's interface on the underlay.
struct Sender<'a> {
    x: &'a Host,
    program: String,
    expression: String,
    macs: String,
}

impl<'a> Sender<'a> {
    fn new(lab: &Lab, site: &Site, x: &'a Host) -> Result<Self> {
        let path = |name: &str| lab.dir().join(name).display().to_string();
        let (program, expression) = (path("send.py"), path("packet.py"));
        std::fs::write(&program, PROGRAM)?;
        let interfaces = site.r.ctl("show interfaces")?;
        let mac_of = |name: &str| {
            let mut all = interfaces.as_array().into_iter().flatten();
            let found = all.find(|i| i["name"] == name)?;
            found["mac"].as_str().map(str::to_owned)
        };
        let macs = [mac_of("up0"), mac_of("blue0")];
        let macs: Option<Vec<String>> = macs.into_iter().collect();
        let macs = macs.context("interfaces with MAC addresses")?.join(" ");
        Ok(Self {
            x,
            program,
            expression,
            macs,
        })
    }

    /// Sends three packets; `name` is in the marker.
    fn send(&self, packet: &str, name: &str) -> Result<()> {
        std::fs::write(&self.expression, packet)?;
        let station = match name.starts_with("good") {
            true => "02:00:00:00:00:77",
            false => "02:00:00:00:00:66",
        };
        let words = self.macs.split_once(' ').context("two addresses")?;
        self.x
            .ok(&format!(
                "/usr/bin/python3 {} {} {} {} {name} {station}",
                self.program, words.0, words.1, self.expression
            ))
            .map(drop)
    }
}
