//! The kernel's VXLAN: with outer UDP checksums and without, over IPv6 and IPv4.

use std::time::Duration;

use lab::vxlan::Vxlan;
use lab::{Daemon, Host, Lab, Result, wait_for};

use crate::{Outer, Site, peer_host};

#[test]
fn kernel_vxlan_over_ipv6_with_checksums() -> Result<()> {
    kernel_vxlan(Outer::V6, true)
}

#[test]
fn kernel_vxlan_over_ipv6_without_checksums() -> Result<()> {
    kernel_vxlan(Outer::V6, false)
}

#[test]
fn kernel_vxlan_over_ipv4_with_checksums() -> Result<()> {
    kernel_vxlan(Outer::V4, true)
}

#[test]
fn kernel_vxlan_over_ipv4_without_checksums() -> Result<()> {
    kernel_vxlan(Outer::V4, false)
}

fn kernel_vxlan(outer: Outer, checksum: bool) -> Result<()> {
    let lab = Lab::new("kvxlan")?;
    let site = Site::wire(&lab)?;
    let k = peer_host(&lab, &site, "k")?;
    site.start("vxlan", outer, &format!("udp_checksum = {checksum}"))?;
    Vxlan {
        dev: "vx0",
        vni: 77,
        local: outer.peer().parse()?,
        remote: outer.ours().parse()?,
        checksum,
        mtu: 1500,
    }
    .create(&k)?;
    let judge = Judge::start(&k)?;
    let mtu = match outer {
        // 1500 less 40 or 20, UDP 8, VXLAN 8, Ethernet 14.
        Outer::V6 => 1430,
        Outer::V4 => 1450,
    };
    site.talks(&k, "vx0", mtu)?;
    let word = if checksum { "right" } else { "absent" };
    let both = [outer.ours(), outer.peer()].map(|from| format!("{from} {word}"));
    assert_eq!(judge.seen(), both);
    site.r.assert_balanced()
}

/// Judges the UDP checksum of every packet to port 4789, and says once of each source what it has seen.
const JUDGE: &str = r#"
import socket, struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 3))
seen = set()
print("listening", flush=True)
while True:
    frame = s.recv(65535)
    kind, packet = frame[12:14], frame[14:]
    if kind == b"\x86\xdd" and packet[6] == 17:
        family, addresses, udp = socket.AF_INET6, packet[8:40], packet[40:]
    elif kind == b"\x08\x00" and packet[9] == 17:
        family, addresses, udp = socket.AF_INET, packet[12:20], packet[20:]
    else: continue
    length = struct.unpack("!H", udp[4:6])[0]
    if udp[2:4] != b"\x12\xb5": continue
    data = addresses + struct.pack("!II", length, 17) + udp[:length] + b"\0" * (length % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    word = "absent" if udp[6:8] == b"\0\0" else "right" if total == 0xffff else "wrong"
    verdict = "%s %s" % (socket.inet_ntop(family, addresses[:len(addresses) // 2]), word)
    if verdict not in seen:
        seen.add(verdict)
        print("seen", verdict, flush=True)
"#;

/// What was seen of UDP checksums on the underlay.
struct Judge(Daemon);

impl Judge {
    fn start(k: &Host) -> Result<Self> {
        let daemon = k.python(JUDGE, "")?;
        wait_for(Duration::from_secs(5), "a capture", || {
            daemon.log().contains("listening").then_some(())
        })?;
        Ok(Self(daemon))
    }

    /// `ADDRESS absent|right|wrong`, sorted.
    fn seen(&self) -> Vec<String> {
        let log = self.0.log();
        let seen = log.lines().filter_map(|line| line.strip_prefix("seen "));
        let mut seen: Vec<String> = seen.map(str::to_owned).collect();
        seen.sort();
        seen
    }
}
