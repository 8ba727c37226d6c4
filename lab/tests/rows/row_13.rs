//! Row 13: security groups match IPv6, ICMPv6, TCP, UDP. Stateful and stateless rules, ICMPv6 type and code, port ranges, extension
//! headers, remote groups; both the packet that must pass and the one that must not.

use lab::Daemon;
use lab::{Host, Lab, Result, Router, wait_for};
use std::time::Duration;

const PLACES: &str = r#"
[[device]]
name = "vm"
kind = "af_packet"
interface = "v1"
[[device]]
name = "friend"
kind = "af_packet"
interface = "v2"
[[device]]
name = "other"
kind = "af_packet"
interface = "v3"
[[device]]
name = "up"
kind = "af_packet"
interface = "v4"

[[network]]
name = "lan"
segments = [
  { kind = "flat", device = "vm" },
  { kind = "flat", device = "friend" },
  { kind = "flat", device = "other" },
]

[[router]]
name = "main"
[[router.interface]]
name = "lan0"
network = "lan"
addresses = ["2001:db8:13::1/64", "192.0.2.1/24"]
[[router.interface]]
name = "up0"
device = "up"
addresses = ["2001:db8:14::1/64", "198.51.100.1/24"]

[[security_group]]
name = "out"
[[security_group.rule]]
direction = "egress"
ethertype = "ipv6"
[[security_group.rule]]
direction = "egress"
ethertype = "ipv4"
[[security_group]]
name = "friends"
"#;

/// A rule of a group, for both families unless it is ICMP's or has a prefix.
fn rule(direction: &str, words: &str) -> String {
    let families: &[&str] = match words {
        w if w.contains("icmpv6") || w.contains("2001:") => &["ipv6"],
        w if w.contains("icmp") => &["ipv4"],
        _ => &["ipv6", "ipv4"],
    };
    let one = |family: &&str| {
        format!(
            "[[security_group.rule]]\ndirection = \"{direction}\"\nethertype = \"{family}\"\n{words}\n"
        )
    };
    families.iter().map(one).collect()
}

fn range(protocol: &str, min: u16, max: u16) -> String {
    format!("protocol = \"{protocol}\"\nport_range_min = {min}\nport_range_max = {max}")
}

/// A group of the VM.
fn group(stateful: bool, rules: &[String]) -> String {
    format!(
        "[[security_group]]\nname = \"vm\"\nstateful = {stateful}\n{}",
        rules.concat()
    )
}

/// Who is in the group `friends`.
fn ports(friends: &[&str]) -> String {
    let port = |(name, last, v4): (&str, &str, u8)| {
        let groups = match name {
            "vm" => "[\"vm\"]",
            name if friends.contains(&name) => "[\"out\", \"friends\"]",
            _ => "[\"out\"]",
        };
        format!(
            "[[port]]\nname = \"{name}\"\ndevice = \"{name}\"\nmac_address = \"02:00:00:00:13:{last}\"\n\
             fixed_ips = [\"2001:db8:13::{last}\", \"192.0.2.{v4}\"]\nsecurity_groups = {groups}\n"
        )
    };
    [("vm", "a1", 10), ("friend", "b1", 11), ("other", "c1", 12)]
        .map(port)
        .concat()
}

/// Listens with TCP and UDP on every port that is given, and answers what comes.
const SERVER: &str = r#"
import socket, sys, threading
def udp(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", port))
    while True:
        data, peer = s.recvfrom(4000)
        print("got", port, data.rstrip(b"\0").decode(), flush=True)
        s.sendto(b"answer", peer)
def tcp(port):
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        c, _ = s.accept()
        threading.Thread(target=serve, args=(c,), daemon=True).start()
def serve(c):
    try:
        while data := c.recv(4000):
            c.sendall(data)
    except OSError:
        pass
    c.close()
for word in sys.argv[1:]:
    for work in (udp, tcp):
        threading.Thread(target=work, args=(int(word),), daemon=True).start()
import time
time.sleep(0.5)
print("listening", flush=True)
time.sleep(600)
"#;

/// Asks, and exits with 0 if there was an answer.
const ASK: &str = r#"
import socket, sys
kind, to, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in to else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
if len(sys.argv) > 4:
    s.bind(("", int(sys.argv[4])))
s.settimeout(1.2)
try:
    s.connect((to, port))
    s.send(b"ask")
    sys.exit(0 if s.recv(100) else 1)
except OSError:
    sys.exit(1)
"#;

/// Packets that no tool sends: UDP behind headers and in fragments, ICMPv6 of a code.
const ODD: &str = r#"
import sys, warnings
warnings.filterwarnings("ignore")
from scapy.all import *
source, to, mac, port, word = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
e, p, pad = Ether(src=get_if_hwaddr("eth0"), dst=mac), IPv6(src=source, dst=to), PadN(optdata=bytes(4))
send = lambda x: sendp(e/x, iface="eth0", verbose=False)
u = lambda name, n=0: UDP(sport=7, dport=port)/((word + name).encode() + bytes(n))
send(p/u("plain"))
send(p/IPv6ExtHdrDestOpt(options=pad)/u("dest"))
send(p/IPv6ExtHdrHopByHop(options=pad)/IPv6ExtHdrDestOpt(options=pad)/u("nested"))
send(p/IPv6ExtHdrFragment(id=3, m=0, offset=0)/u("atomic"))
for part in fragment6(p/IPv6ExtHdrFragment(id=port)/u("parts", 2000), 1280):
    send(part)
"#;

/// Bursts of an echo request, a solicitation that goes to everybody, and another request; each request begins a flow.
const BURSTS_OF: &str = r#"
import sys, time, warnings
warnings.filterwarnings("ignore")
from scapy.all import *
mac, link = get_if_hwaddr("eth0"), conf.L2socket(iface="eth0")
to_all = Ether(src=mac, dst="33:33:00:00:00:02")/IPv6(src="fe80::ff:fe00:13b1", dst="ff02::2")/ICMPv6ND_RS()
ask = lambda n: Ether(src=mac, dst="02:00:00:00:13:a1")/IPv6(src="2001:db8:13::b1", dst="2001:db8:13::a1")/ICMPv6EchoRequest(id=n)
for n in range(int(sys.argv[1])):
    for frame in [bytes(ask(1000 + 2 * n)), bytes(to_all), bytes(ask(1001 + 2 * n))]:
        link.send(frame)
    time.sleep(0.1)
print("sent", flush=True)
time.sleep(600)
"#;

/// Long enough for what must come.
const SECONDS: Duration = Duration::from_secs(10);

struct Net {
    vm: Host,
    friend: Host,
    other: Host,
    far: Host,
    r: Router,
    _servers: Vec<Daemon>,
    ear: Daemon,
    ask: String,
    odd: String,
}

const VM: [&str; 2] = ["2001:db8:13::a1", "192.0.2.10"];
const FAR: [&str; 2] = ["2001:db8:14::2", "198.51.100.2"];

impl Net {
    fn start(lab: &Lab, config: &str) -> Result<Self> {
        let (vm, friend, other) = (lab.host("vm")?, lab.host("friend")?, lab.host("other")?);
        let (far, r) = (lab.host("far")?, lab.router("r")?);
        for (host, dev, last, v4) in [
            (&vm, "v1", "a1", 10),
            (&friend, "v2", "b1", 11),
            (&other, "v3", "c1", 12),
        ] {
            lab.link(host, "eth0", &r, dev)?;
            host.ok("ip link set eth0 down")?;
            host.ok(&format!("ip link set eth0 address 02:00:00:00:13:{last}"))?;
            host.ok("ip link set eth0 up")?;
            host.address("eth0", &format!("2001:db8:13::{last}/64"))?;
            host.address("eth0", &format!("192.0.2.{v4}/24"))?;
            host.route("default via 2001:db8:13::1")?;
            host.route("default via 192.0.2.1")?;
        }
        lab.link(&far, "eth0", &r, "v4")?;
        far.address("eth0", "2001:db8:14::2/64")?;
        far.address("eth0", "198.51.100.2/24")?;
        far.route("default via 2001:db8:14::1")?;
        far.route("default via 198.51.100.1")?;
        r.start(config)?;
        for host in [&friend, &other] {
            wait_for(Duration::from_secs(10), "far to answer", || {
                let answers = host.ping(FAR[0], 1).ok()?;
                (answers == 1).then_some(())
            })?;
        }
        let words = "79 80 81 82 5000 5005 5010 5011 6000 7000";
        let ear = vm.python(SERVER, words)?;
        let servers = vec![far.python(SERVER, words)?];
        for server in servers.iter().chain([&ear]) {
            wait_for(Duration::from_secs(10), "a server", || {
                server.log().contains("listening").then_some(())
            })?;
        }
        let write = |name: &str, text: &str| -> Result<String> {
            let file = lab.dir().join(name);
            std::fs::write(&file, text)?;
            Ok(format!("/usr/bin/python3 {}", file.display()))
        };
        let (ask, odd) = (write("ask.py", ASK)?, write("odd.py", ODD)?);
        Ok(Self {
            vm,
            friend,
            other,
            far,
            r,
            _servers: servers,
            ear,
            ask,
            odd,
        })
    }

    fn asks(&self, host: &Host, words: &str) -> Result<bool> {
        Ok(host.run(&format!("{} {words}", self.ask))?.status.success())
    }

    /// Whether `host` gets answers from the VM by both families; they must agree.
    fn reaches(&self, host: &Host, kind: &str, port: u16) -> Result<bool> {
        let [six, four] = VM.map(|to| self.asks(host, &format!("{kind} {to} {port}")));
        let (six, four) = (six?, four?);
        assert_eq!(six, four, "{kind} {port}: IPv6 {six}, IPv4 {four}");
        Ok(six)
    }

    /// Which of the odd packets from `host` to a port of the VM arrived.
    fn odd(
        &self,
        host: &Host,
        source: &str,
        mac: &str,
        port: u16,
        word: &str,
    ) -> Result<Vec<String>> {
        host.ok(&format!(
            "{} {source} {} {mac} {port} {word}",
            self.odd, VM[0]
        ))?;
        std::thread::sleep(Duration::from_millis(700));
        let start = format!("got {port} {word}");
        let log = self.ear.log();
        let arrived = log.lines().filter_map(|line| line.strip_prefix(&start));
        Ok(arrived.map(str::to_owned).collect())
    }

    /// ICMPv6 messages of a type that the VM's kernel has taken.
    fn heard(&self, kind: u8) -> Result<u64> {
        let counters = self.vm.ok("cat /proc/net/snmp6")?;
        let name = format!("Icmp6InType{kind} ");
        // There is no line before the first.
        let line = counters.lines().find_map(|line| line.strip_prefix(&name));
        Ok(line.map_or(Ok(0), |count| count.trim().parse())?)
    }

    /// What can be told of packets that did not come: for the message of a failure.
    fn seen(&self) -> Result<String> {
        let mut text = self.vm.ok("cat /proc/net/snmp6")?;
        for what in ["drops", "devices", "flows", "ports", "accounting"] {
            text += &self.r.hextetctl(&format!("show {what}"))?;
        }
        Ok(text)
    }

    fn reload(&self, config: &str) -> Result<()> {
        self.r.configure(config)?;
        self.r.hextetctl("reload").map(drop)
    }
}

const SHAPES: [&str; 5] = ["plain", "dest", "nested", "atomic", "parts"];

fn stateful() -> Vec<String> {
    vec![
        rule("ingress", &range("tcp", 80, 81)),
        rule(
            "ingress",
            &format!("{}\nremote_group = \"friends\"", range("udp", 5000, 5010)),
        ),
        rule("ingress", &range("icmpv6", 128, 0)),
        rule("ingress", &range("icmp", 8, 0)),
        rule("egress", &range("udp", 7000, 7000)),
    ]
}

fn config(stateful: bool, rules: &[String], friends: &[&str]) -> String {
    format!("{PLACES}{}{}", group(stateful, rules), ports(friends))
}

#[test]
fn row_13_stateful_groups_let_pass_what_rules_say_and_nothing_else() -> Result<()> {
    let lab = Lab::new("row13")?;
    let net = Net::start(&lab, &config(true, &stateful(), &["friend"]))?;
    // Port ranges, from outside and from beside, by both families: the ends are in, what is next to them is not.
    for (port, passes) in [(79, false), (80, true), (81, true), (82, false)] {
        assert_eq!(net.reaches(&net.far, "tcp", port)?, passes, "tcp {port}");
        assert!(!net.reaches(&net.far, "udp", port)?, "udp {port}");
    }
    assert!(net.reaches(&net.other, "tcp", 80)?);
    // Remote group: friends alone.
    for (port, passes) in [(5000, true), (5010, true), (5011, false)] {
        assert_eq!(net.reaches(&net.friend, "udp", port)?, passes, "udp {port}");
        assert!(!net.reaches(&net.other, "udp", port)?, "udp {port}");
        assert!(!net.reaches(&net.far, "udp", port)?, "udp {port}");
    }
    // What the VM begins itself: to one port, and the answers come back.
    for to in FAR {
        assert!(net.asks(&net.vm, &format!("udp {to} 7000"))?, "{to}");
        assert!(!net.asks(&net.vm, &format!("udp {to} 6000"))?, "{to}");
        assert!(!net.asks(&net.vm, &format!("tcp {to} 7000"))?, "{to}");
    }
    // ICMPv6 by type and code: echo requests come in, and are answered; out they do not go.
    for to in VM {
        assert_eq!(net.far.ping(to, 3)?, 3, "{to}");
    }
    for to in FAR {
        assert_eq!(net.vm.ping(to, 2)?, 0, "{to}");
    }
    // Behind extension headers and in fragments: as plain.
    let mac = "02:00:00:00:13:a1";
    let friend = "2001:db8:13::b1";
    assert_eq!(net.odd(&net.friend, friend, mac, 5005, "in-")?, SHAPES);
    assert!(net.odd(&net.friend, friend, mac, 5011, "no-")?.is_empty());
    let other = "2001:db8:13::c1";
    assert!(net.odd(&net.other, other, mac, 5005, "other-")?.is_empty());
    assert!(0 < net.r.dropped("ingress_denied")?);
    assert!(0 < net.r.dropped("egress_denied")?);
    net.r.assert_balanced()
}

/// Echo requests of code 1 and messages of other types do not reach the VM; code 0 does.
#[test]
fn row_13_icmpv6_is_matched_by_type_and_code() -> Result<()> {
    let lab = Lab::new("row13codes")?;
    let net = Net::start(&lab, &config(true, &stateful(), &["friend"]))?;
    let send = |kind: u8, code: u8| {
        net.friend.ok(&format!(
            "/usr/bin/python3 -c 'from scapy.all import *; sendp(Ether(dst=\"02:00:00:00:13:a1\")/IPv6(src=\"2001:db8:13::b1\", \
             dst=\"2001:db8:13::a1\")/ICMPv6EchoRequest(type={kind}, code={code}), iface=\"eth0\", verbose=False)'"
        ))
    };
    let denied = net.r.dropped("ingress_denied")?;
    for (kind, code) in [(128, 1), (139, 0), (200, 0)] {
        send(kind, code)?;
        assert_eq!(net.heard(kind)?, 0, "type {kind}, code {code}");
    }
    send(128, 0)?;
    let heard = wait_for(SECONDS, "the request that passes", || {
        net.heard(128).ok().filter(|&heard| heard != 0)
    });
    assert_eq!(heard.ok(), Some(1), "{}", net.seen()?);
    assert_eq!([net.heard(139)?, net.heard(200)?], [0, 0]);
    assert_eq!(net.r.dropped("ingress_denied")? - denied, 3);
    net.r.assert_balanced()
}

/// What goes to one machine and what goes to all, in the same bursts: none is lost.
#[test]
fn row_13_packets_among_multicast_all_arrive() -> Result<()> {
    const BURSTS: u64 = 40;
    let lab = Lab::new("row13bursts")?;
    let net = Net::start(&lab, &config(true, &stateful(), &["friend"]))?;
    let sender = net.friend.python(BURSTS_OF, &BURSTS.to_string())?;
    wait_for(Duration::from_secs(60), "the sender", || {
        sender.log().contains("sent").then_some(())
    })?;
    let heard = wait_for(SECONDS, "the last request", || {
        net.heard(128).ok().filter(|&heard| heard == 2 * BURSTS)
    });
    assert!(heard.is_ok(), "{} {}", net.heard(128)?, net.seen()?);
    net.r.assert_balanced()
}

#[test]
fn row_13_stateless_groups_are_asked_for_every_packet() -> Result<()> {
    let lab = Lab::new("row13stateless")?;
    let inward = [
        rule("ingress", &range("udp", 6000, 6001)),
        rule("ingress", &range("tcp", 80, 80)),
    ];
    let net = Net::start(&lab, &config(false, &inward, &[]))?;
    // The question comes, the answer has no rule.
    assert!(!net.reaches(&net.far, "udp", 6000)?);
    assert!(net.ear.log().contains("got 6000 ask"), "{}", net.ear.log());
    assert!(!net.reaches(&net.far, "tcp", 80)?);
    assert!(!net.reaches(&net.far, "udp", 5000)?);
    assert!(!net.ear.log().contains("got 5000"), "{}", net.ear.log());
    // With rules for both directions there are answers; ports outside have none.
    let both = [
        rule("ingress", &range("udp", 6000, 6001)),
        rule("ingress", &range("tcp", 80, 80)),
        rule("egress", &range("udp", 6100, 6100)),
        rule("egress", &range("tcp", 1024, 65535)),
    ];
    net.reload(&config(false, &both, &[]))?;
    for to in VM {
        assert!(net.asks(&net.far, &format!("udp {to} 6000 6100"))?, "{to}");
        assert!(!net.asks(&net.far, &format!("udp {to} 6000 6101"))?, "{to}");
    }
    assert!(net.reaches(&net.far, "tcp", 80)?);
    // Behind extension headers and in fragments: what passes plain passes.
    let router = net.r.ctl("show interfaces")?;
    let all = router.as_array().cloned().unwrap_or_default();
    let up = all.iter().find(|i| i["name"] == "up0");
    let mac = up.and_then(|i| i["mac"].as_str()).unwrap_or_default();
    assert_eq!(net.odd(&net.far, FAR[0], mac, 6000, "in-")?, SHAPES);
    assert!(net.odd(&net.far, FAR[0], mac, 5000, "no-")?.is_empty());
    net.r.assert_balanced()
}

/// A sender that goes on, one packet in 20 ms; the count of what arrived is in the server's log.
const STREAM: &str = r#"
import socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.connect((sys.argv[1], int(sys.argv[2])))
while True:
    try:
        s.send(b"stream")
    except OSError:
        pass
    time.sleep(0.02)
"#;

impl Net {
    fn streamed(&self, port: u16) -> usize {
        self.ear
            .log()
            .matches(&format!("got {port} stream"))
            .count()
    }

    /// Whether packets of the streams to this port keep coming; with both answers some time is given first.
    fn flows(&self, port: u16) -> bool {
        std::thread::sleep(Duration::from_millis(300));
        let before = self.streamed(port);
        std::thread::sleep(Duration::from_millis(700));
        before < self.streamed(port)
    }
}

#[test]
fn row_13_a_rule_and_a_membership_that_are_revoked_stop_their_flows_at_once() -> Result<()> {
    let lab = Lab::new("row13revoked")?;
    let friends = rule(
        "ingress",
        &format!("{}\nremote_group = \"friends\"", range("udp", 5000, 5010)),
    );
    let tcp = rule("ingress", &range("tcp", 80, 81));
    let udp = rule("ingress", &range("udp", 6000, 6000));
    let all = [friends.clone(), tcp.clone(), udp.clone()];
    let net = Net::start(&lab, &config(true, &all, &["friend"]))?;
    let mut streams = Vec::new();
    for to in VM {
        streams.push(net.friend.python(STREAM, &format!("{to} 5000"))?);
        streams.push(net.far.python(STREAM, &format!("{to} 6000"))?);
    }
    let connected = net.far.python(
        "import socket, time\ns = socket.create_connection((\"2001:db8:13::a1\", 80), timeout=5)\nwhile True:\n    s.send(b'x')\n    \
         s.recv(10)\n    print('echoed', flush=True)\n    time.sleep(0.05)\n",
        "",
    )?;
    wait_for(Duration::from_secs(10), "all streams", || {
        let echoed = connected.log().contains("echoed");
        (echoed && net.flows(5000) && net.flows(6000)).then_some(())
    })?;
    // The rule for port 6000 and that for TCP are gone: both flows were established.
    net.reload(&config(true, std::slice::from_ref(&friends), &["friend"]))?;
    let echoes = || connected.log().matches("echoed").count();
    std::thread::sleep(Duration::from_millis(200));
    let before = (net.streamed(6000), echoes());
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!((net.streamed(6000), echoes()), before);
    assert!(net.flows(5000), "what is still allowed goes on");
    // The friend is none any more; then it is one again.
    net.reload(&config(true, std::slice::from_ref(&friends), &[]))?;
    assert!(!net.flows(5000));
    net.reload(&config(true, std::slice::from_ref(&friends), &["friend"]))?;
    assert!(net.flows(5000));
    net.reload(&config(true, &all, &["friend"]))?;
    assert!(net.flows(6000) && net.flows(5000));
    net.r.assert_balanced()
}
