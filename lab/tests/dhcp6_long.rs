//! DHCPv6 messages longer than a packet: the Linux kernel cuts the question and puts the answer together.

use anyhow::Context;
use lab::topology::{TWO_NETWORKS, TwoNetworks};
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

/// Prints the length of a client's message as the relay hands it on, and answers with as long an Advertise.
const SERVER: &str = r"
import socket, struct
def options(data):
    found, at = {}, 0
    while at < len(data):
        code, n = struct.unpack('!HH', data[at:at + 4])
        found[code] = data[at + 4:at + 4 + n]
        at += 4 + n
    return found
def option(code, data):
    return struct.pack('!HH', code, len(data)) + data
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(('2001:db8:2::53', 547))
while True:
    relayed, relay = s.recvfrom(65535)
    outer = options(relayed[34:])
    asked = outer[9]
    print('relayed', relayed[0], len(asked), len(options(asked[4:])[60009]), flush=True)
    answer = bytes([2]) + asked[1:4] + option(1, options(asked[4:])[1]) + option(2, bytes([0, 3, 0, 1, 2, 0, 0, 0, 0, 0x53]))
    answer += option(60001, b'z' * 3000)
    s.sendto(bytes([13]) + relayed[1:34] + option(18, outer[18]) + option(9, answer), relay)
";

/// Asks with a long Solicit until it is answered, and prints the lengths of both and the answer's type.
const ASK: &str = r"
import socket, struct, sys
own, index = sys.argv[1], socket.if_nametoindex('eth0')
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind((own, 546, 0, index))
s.settimeout(3)
m = bytes([1, 0, 0, 7]) + struct.pack('!HH', 1, 10) + bytes([0, 3, 0, 1, 2, 0, 0, 0, 0, 0x42])
m += struct.pack('!HH', 60009, 3000) + b'x' * 3000
for _ in range(5):
    s.sendto(m, ('ff02::1:2', 547, 0, index))
    try:
        answer = s.recv(65535)
        print(len(m), len(answer), answer[0], answer[3])
        break
    except socket.timeout:
        pass
";

/// The relay makes them longer still. Kernels cut and put together at both ends.
#[test]
fn long_questions_and_answers_pass_the_relay() -> Result<()> {
    let lab = Lab::new("relay6long")?;
    let net = TwoNetworks::wire(&lab)?;
    let relay = "\n[router.interface.dhcp6_relay]\nservers = [\"2001:db8:2::53\"]\n\n[[router.interface]]\nname = \"wan0\"";
    let text = TWO_NETWORKS.replace("\n[[router.interface]]\nname = \"wan0\"", relay);
    assert!(text.contains(relay), "the topology's text has changed");
    net.r.start(&text)?;
    net.b.address("eth0", "2001:db8:2::53/64")?;
    net.b.wait_slaac("eth0", "2001:db8:2:")?;
    let own = net.a.link_local("eth0")?;
    let file = |name: &str, script: &str| -> Result<String> {
        let path = lab.dir().join(name);
        std::fs::write(&path, script)?;
        Ok(path.display().to_string())
    };
    let server = net
        .b
        .spawn(&format!("/usr/bin/python3 {}", file("server.py", SERVER)?))?;
    let said = net
        .a
        .ok(&format!("/usr/bin/python3 {} {own}", file("ask.py", ASK)?))
        .with_context(|| server.log())?;
    assert_eq!(said.trim(), "3022 3036 2 7", "{}", server.log());
    assert!(
        server.log().contains("relayed 12 3022 3000"),
        "{}",
        server.log()
    );
    net.r.assert_balanced()
}
