//! DHCPv6 messages longer than a packet: the Linux kernel cuts the question and puts the answer together.

use lab::topology::TwoNetworks;
use lab::{Lab, Result};

/// A server with more to say than the MTU.
fn config() -> String {
    let option = |code: u32| format!("{{ code = {code}, hex = \"{}\" }}", "5a".repeat(1200));
    format!(
        r#"
[[device]]
name = "lan"
kind = "af_packet"
interface = "va"

[[router]]
name = "main"

[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64"]
[router.interface.dhcp6]
options = [{}, {}]
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
ra_mode = "dhcpv6-stateful"
address_mode = "dhcpv6-stateful"
pools = [{{ start = "2001:db8:1::1000", end = "2001:db8:1::ffff" }}]
"#,
        option(60_001),
        option(60_002)
    )
}

/// Prints, for each question, the lengths of it and of its answer, the answer's type, and the options in it.
const CLIENT: &str = r"
import socket, struct, sys, warnings
warnings.filterwarnings('ignore')
from scapy.layers.dhcp6 import *
own, index = sys.argv[1], socket.if_nametoindex('eth0')
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind((own, 546, 0, index))
s.settimeout(3)
client = DHCP6OptClientId(duid=DUID_LL(lladdr='02:00:00:00:00:42'))
asked = DHCP6OptOptReq(reqopts=[60001, 60002])
long = struct.pack('!HH', 60009, 3000) + b'x' * 3000
server = address = None
for kind in DHCP6_Solicit, DHCP6_Request:
    m = kind(trid=7) / client / asked / DHCP6OptElapsedTime()
    if server:
        m = m / server
    m = bytes(m / DHCP6OptIA_NA(iaid=1)) + long
    for _ in range(5):
        s.sendto(m, ('ff02::1:2', 547, 0, index))
        try:
            answer = s.recv(65535)
            break
        except socket.timeout:
            pass
    codes, at = [], 4
    while at < len(answer):
        code, n = struct.unpack('!HH', answer[at:at + 4])
        codes.append(code)
        if code == 2:
            server = DHCP6OptServerId(answer[at:at + 4 + n])
        at += 4 + n
    print(len(m), len(answer), answer[0], *codes)
";

#[test]
fn long_questions_are_heard_and_long_answers_arrive() -> Result<()> {
    let lab = Lab::new("dhcp6long")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r.start(&config())?;
    let own = net.a.link_local("eth0")?;
    let script = lab.dir().join("client.py");
    std::fs::write(&script, CLIENT)?;
    let said = net
        .a
        .ok(&format!("/usr/bin/python3 {} {own}", script.display()))?;
    let lines: Vec<Vec<u32>> = said
        .lines()
        .map(|line| {
            line.split(' ')
                .filter_map(|word| word.parse().ok())
                .collect()
        })
        .collect();
    assert_eq!(lines.len(), 2, "{said}");
    for (line, kind) in lines.iter().zip([2, 7]) {
        let [asked, answered, is, codes @ ..] = line.as_slice() else {
            panic!("{said}");
        };
        assert!(3000 < *asked && 2400 < *answered, "{said}");
        assert_eq!(*is, kind, "{said}");
        assert!(codes.contains(&60_001) && codes.contains(&60_002), "{said}");
    }
    let leases = net.r.ctl("show leases")?;
    assert_eq!(leases[0]["client"], "00030001020000000042", "{leases}");
    net.r.assert_balanced()
}
