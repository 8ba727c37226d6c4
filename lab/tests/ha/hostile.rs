//! Advertisements that must not be believed, made by scapy, while a host talks through the active router.

use lab::{Lab, Result};
use serde_json::Value;

use lab::pair::{Pair, Settings, are, config};

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

/// A machine behind a port.
const PORT: &str = "[[security_group]]\nname = \"all\"\n\
    [[security_group.rule]]\ndirection = \"egress\"\nethertype = \"ipv6\"\n\
    [[security_group.rule]]\ndirection = \"egress\"\nethertype = \"ipv4\"\n\
    [[security_group.rule]]\ndirection = \"ingress\"\nethertype = \"ipv6\"\n\
    [[port]]\nname = \"vm\"\ndevice = \"lan\"\nsecurity_groups = [\"all\"]\n";

/// Advertisements that have no fault, from the machine's own addresses: of our virtual routers, and of one of its own.
const TAKE_OVER: &str = r#"
import sys
from scapy.all import Ether, IP, IPv6, Raw, sendp, in6_chksum, checksum, get_if_hwaddr
link_local, vrid = sys.argv[1], int(sys.argv[2])
mac = get_if_hwaddr("eth0")
def message(addresses, count):
    return bytes([0x31, vrid, 255, count]) + (10).to_bytes(2, "big") + b"\0\0" + addresses
m = message(bytes.fromhex("fe8000000000000002005efffe00023d" "20010db8000100000000000000000001"), 2)
m = m[:6] + in6_chksum(112, IPv6(src=link_local, dst="ff02::12"), m).to_bytes(2, "big") + m[8:]
six = Ether(src=mac, dst="33:33:00:00:00:12") / IPv6(src=link_local, dst="ff02::12", nh=112, hlim=255) / Raw(m)
m = message(bytes([192, 0, 2, 1]), 1)
pseudo = bytes([192, 0, 2, 80, 224, 0, 0, 18, 0, 112, 0, len(m)])
m = m[:6] + checksum(pseudo + m).to_bytes(2, "big") + m[8:]
four = Ether(src=mac, dst="01:00:5e:00:00:12") / IP(src="192.0.2.80", dst="224.0.0.18", proto=112, ttl=255) / Raw(m)
sendp([six, four] * 20, iface="eth0", inter=0.05, verbose=False)
"#;

#[test]
fn a_machine_behind_a_port_is_no_virtual_router_of_ours() -> Result<()> {
    let lab = Lab::new("ha-guard")?;
    let net = Pair::wire(&lab)?;
    let settings = Settings {
        tables: PORT.into(),
        ..Settings::default()
    };
    net.one.start(&config(2, 200, &settings))?;
    are(&net.one, "active")?;
    net.host.wait_slaac("eth0", "2001:db8:1:")?;
    // Its addresses are known by then.
    for server in ["2001:db8:2::80", "198.51.100.80"] {
        assert_eq!(net.host.ping(server, 2)?, 2);
    }
    let script = lab.dir().join("take-over.py");
    std::fs::write(&script, TAKE_OVER)?;
    let link_local = net.host.link_local("eth0")?;
    let advertise = |vrid: u8| {
        let script = script.display();
        net.host
            .ok(&format!("/usr/bin/python3 {script} {link_local} {vrid}"))
    };
    advertise(61)?;
    assert_eq!(net.one.dropped("vrrp_guard")?, 40);
    are(&net.one, "active")?;
    let shown = net.one.ctl("show vrrp")?;
    for group in shown.as_array().into_iter().flatten() {
        assert_eq!(
            group["transitions"], 1,
            "it was active all the while: {group}"
        );
    }
    // One of its own, with other machines, is its own matter.
    advertise(99)?;
    assert_eq!(net.one.dropped("vrrp_guard")?, 40);
    // Nor does it get a virtual address.
    net.host.ok("ip addr add 2001:db8:1::1/64 dev eth0 nodad")?;
    let claims = net.one.dropped("nd_spoofed")? + net.one.dropped("address_claimed")?;
    net.host
        .run("ndisc6 -q -1 -r 1 -w 200 -s 2001:db8:1::1 2001:db8:1::2 eth0")?;
    let after = net.one.dropped("nd_spoofed")? + net.one.dropped("address_claimed")?;
    assert!(claims < after, "it may not speak as the virtual router");
    net.one.assert_balanced()
}
