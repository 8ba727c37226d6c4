//! Packets that must not be believed, made by scapy beside FRR, while its session is up.

use std::time::Duration;

use lab::{Lab, Result, wait_for};
use serde_json::Value;

use crate::net::{LEFT, Net, config};
use crate::peers::Frr;

/// Each: its name, and the counter that tells of it.
const ATTACKS: &[(&str, &str)] = &[
    ("hop_limit", "drop:bfd_hop_limit"),
    ("ttl", "drop:bfd_hop_limit"),
    ("checksum", "drop:udp_bad_checksum"),
    ("udp_length", "drop:udp_bad_length"),
    ("truncated", "short_packet"),
    ("length", "length"),
    ("version", "version"),
    ("multiplier", "detect_mult"),
    ("multipoint", "multipoint"),
    ("poll_final", "poll_and_final"),
    ("my_discriminator", "my_discriminator"),
    ("your_discriminator", "your_discriminator"),
    ("wrong_discriminator", "unknown_session"),
    ("stranger", "wrong_peer"),
    ("stranger_begins", "unknown_session"),
    ("authenticated", "auth_unexpected"),
];

/// A packet that would take the session down, but for one flaw.
const SEND: &str = r#"
import sys
from scapy.all import Ether, IP, IPv6, UDP, Raw, sendp
kind, mac, ours = sys.argv[1], sys.argv[2], int(sys.argv[3])
def bfd(version=1, state=1, flags=0, mult=3, length=24, my=7, your=ours, tail=b""):
    head = bytes([version << 5, state << 6 | flags, mult, length])
    words = [my, your, 1000000, 1000000, 0]
    return head + b"".join(w.to_bytes(4, "big") for w in words) + tail
def six(payload, hlim=255, src="2001:db8:2::2", **udp):
    ip = IPv6(src=src, dst="2001:db8:2::1", hlim=hlim)
    return Ether(dst=mac) / ip / UDP(sport=49999, dport=3784, **udp) / Raw(payload)
packet = {
    "hop_limit": lambda: six(bfd(), hlim=254),
    "ttl": lambda: Ether(dst=mac) / IP(src="198.51.100.2", dst="198.51.100.1", ttl=254) / UDP(sport=49999, dport=3784) / Raw(bfd()),
    "checksum": lambda: six(bfd(), chksum=1),
    "udp_length": lambda: six(bfd(), len=200),
    "truncated": lambda: six(bfd()[:20]),
    "length": lambda: six(bfd(length=28)),
    "version": lambda: six(bfd(version=0)),
    "multiplier": lambda: six(bfd(mult=0)),
    "multipoint": lambda: six(bfd(flags=1)),
    "poll_final": lambda: six(bfd(flags=0x30)),
    "my_discriminator": lambda: six(bfd(my=0)),
    "your_discriminator": lambda: six(bfd(state=3, your=0)),
    "wrong_discriminator": lambda: six(bfd(your=ours ^ 1)),
    "stranger": lambda: six(bfd(), src="2001:db8:2::66"),
    "stranger_begins": lambda: six(bfd(your=0), src="2001:db8:2::66"),
    "authenticated": lambda: six(bfd(flags=4, length=27, tail=b"\x01\x03\x01")),
}[kind]()
sendp([packet] * 5, iface="eth0", verbose=False)
"#;

/// How often a rule was broken, by all sessions and by strangers.
fn counted(net: &Net, rule: &str) -> Result<u64> {
    if let Some(reason) = rule.strip_prefix("drop:") {
        return net.r.dropped(reason);
    }
    let shown = net.r.ctl("show bfd")?;
    let sessions = shown.as_array().into_iter().flatten();
    let of = |session: &Value, kind: &str| session[kind][rule].as_u64().unwrap_or(0);
    let of_left = sessions.filter(|session| session["interface"] == "left0");
    let both = of_left.map(|session| of(session, "invalid") + of(session, "strays"));
    Ok(both.sum())
}

#[test]
fn forged_packets_are_counted_and_not_believed() -> Result<()> {
    let lab = Lab::new("bfd-hostile")?;
    let net = Net::wire(&lab)?;
    // Slow enough that a busy machine is no failure: what is asked here is what takes a session down.
    let slow = config("", "").replace("interval = 10\n", "interval = 300\n");
    net.r.start(&slow)?;
    net.r.settled()?;
    let _frr = Frr::start(&lab, &net.frr)?;
    for peer in LEFT {
        net.settles(peer, "up", "up")?;
    }
    let before = net.session(LEFT[0])?;
    let ours = before["local_discriminator"].as_u64().unwrap_or_default();
    let mac = net.r.ok("cat /sys/class/net/vb/address")?;
    let script = lab.dir().join("send.py");
    std::fs::write(&script, SEND)?;
    for (attack, rule) in ATTACKS {
        let was = counted(&net, rule)?;
        net.frr.ok(&format!(
            "/usr/bin/python3 {} {attack} {} {ours}",
            script.display(),
            mac.trim()
        ))?;
        let what = format!("{attack} to be counted as {rule}");
        wait_for(Duration::from_secs(5), &what, || {
            (was + 5 <= counted(&net, rule).ok()?).then_some(())
        })?;
        let now = net.session(LEFT[0])?;
        assert_eq!(now["state"], "up", "{attack}: {now:#}");
        assert_eq!(
            now["remote"]["discriminator"], before["remote"]["discriminator"],
            "{attack}"
        );
    }
    let after = net.session(LEFT[0])?;
    assert_eq!(
        after["counters"]["failures"], before["counters"]["failures"],
        "{after:#}"
    );
    net.r.assert_balanced()
}
