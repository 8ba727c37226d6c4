//! Advertisements that must not be believed, made by scapy, while a host talks through the active router.

use lab::{Lab, Result};
use serde_json::Value;

use lab::pair::{Pair, Settings};

/// Each: its name, and the counter that tells of it.
const ATTACKS: &[(&str, &str)] = &[
    ("hop_limit", "drop:vrrp_hop_limit"),
    ("checksum", "checksum"),
    ("type", "type"),
    ("version", "version"),
    ("length", "length"),
    ("count", "length"),
    ("no_address", "address_count"),
    ("interval", "interval"),
    ("source", "source"),
    ("unknown_vrid", "unknown_vrid"),
    ("own_source", "own_source"),
    ("unicast", "destination"),
    ("auth", "auth_type"),
];

const SEND: &str = r#"
import sys
from scapy.all import Ether, IP, IPv6, Raw, sendp, in6_chksum, checksum
kind, own, mac, unicast = sys.argv[1:5]
def six(prio=255, vrid=61, vt=0x31, count=2, interval=10, hlim=255, src="fe80::bad", dst="ff02::12", addresses=None, flaw=0, cut=0):
    a = bytes.fromhex("fe8000000000000002005efffe00023d" "20010db8000100000000000000000001") if addresses is None else addresses
    m = bytes([vt, vrid, prio, count]) + interval.to_bytes(2, "big") + b"\0\0" + a
    if cut: m = m[:-cut]
    s = in6_chksum(112, IPv6(src=src, dst=dst), m) ^ flaw
    m = m[:6] + s.to_bytes(2, "big") + m[8:]
    ether = "33:33:00:00:00:12" if dst == "ff02::12" else mac
    return Ether(src="02:bad:0:0:0:1".replace("bad", "ba"), dst=ether) / IPv6(src=src, dst=dst, nh=112, hlim=hlim) / Raw(m)
def four(vt=0x21, auth=1):
    m = bytes([vt, 61, 255, 1, auth, 1, 0, 0]) + bytes([192, 0, 2, 1]) + bytes(8)
    m = m[:6] + checksum(m).to_bytes(2, "big") + m[8:]
    return Ether(src="02:ba:0:0:0:1", dst="01:00:5e:00:00:12") / IP(src="192.0.2.66", dst="224.0.0.18", proto=112, ttl=255) / Raw(m)
packet = {
    "hop_limit": lambda: six(hlim=254),
    "checksum": lambda: six(flaw=1),
    "type": lambda: six(vt=0x32),
    "version": lambda: six(vt=0x21),
    "length": lambda: six(cut=8),
    "count": lambda: six(count=9),
    "no_address": lambda: six(count=0, addresses=b""),
    "interval": lambda: six(interval=0),
    "source": lambda: six(src="2001:db8:1::bad"),
    "unknown_vrid": lambda: six(vrid=77),
    "own_source": lambda: six(src=own),
    "unicast": lambda: six(dst=unicast),
    "auth": lambda: four(),
}[kind]()
sendp([packet] * 5, iface="eth0", verbose=False)
"#;

/// How often a rule was broken, over all virtual routers and the interface.
fn counted(net: &Pair, rule: &str) -> Result<u64> {
    if let Some(reason) = rule.strip_prefix("drop:") {
        return net.one.dropped(reason);
    }
    let shown = net.one.ctl("show vrrp")?;
    let groups = shown.as_array().into_iter().flatten();
    let of = |group: &Value| {
        group["invalid"][rule].as_u64().unwrap_or(0) + group["strays"][rule].as_u64().unwrap_or(0)
    };
    Ok(groups.map(of).sum())
}

#[test]
fn forged_advertisements_are_counted_and_not_believed() -> Result<()> {
    let lab = Lab::new("ha-hostile")?;
    let net = Pair::start(&lab, &Settings::default())?;
    let own = "fe80::2";
    let shown = net.one.ctl("show vrrp")?;
    let source = shown[0]["source"].as_str().unwrap_or(own).to_owned();
    let mac = net.one.ok("cat /sys/class/net/va/address")?;
    let script = lab.dir().join("send.py");
    std::fs::write(&script, SEND)?;
    let transitions = |net: &Pair| -> Result<u64> {
        let shown = net.one.ctl("show vrrp")?;
        let groups = shown.as_array().into_iter().flatten();
        Ok(groups.map(|g| g["transitions"].as_u64().unwrap_or(0)).sum())
    };
    let before = transitions(&net)?;
    for (attack, rule) in ATTACKS {
        let was = counted(&net, rule)?;
        net.host.ok(&format!(
            "/usr/bin/python3 {} {attack} {source} {} {source}",
            script.display(),
            mac.trim()
        ))?;
        let now = counted(&net, rule)?;
        assert!(was + 5 <= now, "{attack}: {rule} counted {was}, then {now}");
        assert_eq!(net.host.ping("2001:db8:2::80", 1)?, 1, "{attack}");
    }
    assert_eq!(transitions(&net)?, before, "no advertisement was believed");
    net.settle("active", "backup")
}
