//! Routes of every kind: ECMP, recursive, blackhole, unreachable, prohibit.

use lab::topology::TwoNetworks;
use lab::{Lab, Result};

#[test]
fn blackhole_is_silent_and_the_others_answer() -> Result<()> {
    let lab = Lab::new("kinds")?;
    let net = TwoNetworks::start(
        &lab,
        r#"
[[router.route]]
prefix = "2001:db8:b::/48"
kind = "blackhole"
[[router.route]]
prefix = "2001:db8:c::/48"
kind = "unreachable"
[[router.route]]
prefix = "2001:db8:d::/48"
kind = "prohibit"
[[router.route]]
prefix = "203.0.113.0/26"
kind = "blackhole"
[[router.route]]
prefix = "203.0.113.64/26"
kind = "unreachable"
[[router.route]]
prefix = "203.0.113.128/26"
kind = "prohibit"
"#,
    )?;
    let said = |address: &str| -> Result<String> {
        Ok(net.a.run(&format!("ping -n -c 1 -W 1 {address}"))?.stdout)
    };
    for silent in ["2001:db8:b::1", "203.0.113.1"] {
        let text = said(silent)?;
        assert!(!text.contains("From"), "{silent}: {text}");
    }
    let cases = [
        // RFC 4443 code 6, "reject route to destination": this ping has no words for it.
        ("2001:db8:c::1", "From 2001:db8:1::1", "Unknown code 6"),
        (
            "2001:db8:d::1",
            "From 2001:db8:1::1",
            "Administratively prohibited",
        ),
        ("2001:db8:ffff::1", "From 2001:db8:1::1", "No route"),
        (
            "203.0.113.65",
            "From 192.0.2.1",
            "Destination Host Unreachable",
        ),
        ("203.0.113.129", "From 192.0.2.1", "Packet filtered"),
        ("203.0.113.190", "From 192.0.2.1", "Packet filtered"),
        ("8.8.8.8", "From 192.0.2.1", "Destination Net Unreachable"),
    ];
    for (address, from, why) in cases {
        let text = said(address)?;
        assert!(
            text.contains(from) && text.contains(why),
            "{address}: wanted {why}, got {text}"
        );
    }
    assert_eq!(net.r.dropped("blackhole")?, 2);
    assert_eq!(net.r.dropped("unreachable")?, 2);
    assert_eq!(net.r.dropped("prohibited")?, 3);
    net.r.assert_balanced()
}

#[test]
fn a_recursive_route_follows_its_gateway() -> Result<()> {
    let lab = Lab::new("recursive")?;
    let net = TwoNetworks::start(
        &lab,
        r#"
[[router.route]]
prefix = "2001:db8:9::/48"
via = "2001:db8:8::1"
[[router.route]]
prefix = "2001:db8:8::/48"
via = "2001:db8:2::b"
interface = "wan0"
"#,
    )?;
    net.b.address("eth0", "2001:db8:2::b/64")?;
    net.b.address("lo", "2001:db8:9::9/128")?;
    assert_eq!(net.a.ping("2001:db8:9::9", 3)?, 3);
    let why = net.r.ctl("show route explain 2001:db8:9::9")?;
    assert_eq!(why["prefix"], "2001:db8:9::/48", "{why:#}");
    net.r.assert_balanced()
}

/// Two gateways lead to b; each flow stays on one path, and both paths are used.
#[test]
fn ecmp_spreads_flows_and_keeps_each_on_one_path() -> Result<()> {
    let lab = Lab::new("ecmp")?;
    let (a, b) = (lab.host("a")?, lab.host("b")?);
    let (left, right, r) = (lab.host("left")?, lab.host("right")?, lab.router("r")?);
    lab.link(&a, "eth0", &r, "va")?;
    lab.link(&left, "eth0", &r, "vl")?;
    lab.link(&right, "eth0", &r, "vr")?;
    lab.link(&left, "eth1", &b, "eth0")?;
    lab.link(&right, "eth1", &b, "eth1")?;
    a.address("eth0", "2001:db8:1::a/64")?;
    a.route("default via 2001:db8:1::1")?;
    for (gateway, subnet, far) in [
        (&left, "2001:db8:11", "2001:db8:21"),
        (&right, "2001:db8:12", "2001:db8:22"),
    ] {
        gateway.ok("sysctl -qw net.ipv6.conf.all.forwarding=1")?;
        gateway.address("eth0", &format!("{subnet}::2/64"))?;
        gateway.address("eth1", &format!("{far}::1/64"))?;
        gateway.route(&format!("2001:db8:b::/48 via {far}::b"))?;
        gateway.route(&format!("default via {subnet}::1"))?;
    }
    b.address("eth0", "2001:db8:21::b/64")?;
    b.address("eth1", "2001:db8:22::b/64")?;
    b.address("lo", "2001:db8:b::b/128")?;
    b.route("default via 2001:db8:21::1")?;
    let interface = |name: &str, dev: &str, address: &str| {
        format!(
            "[[router.interface]]\nname = \"{name}\"\ndevice = \"{dev}\"\naddresses = [\"{address}\"]\n"
        )
    };
    let device = |dev: &str| {
        format!("[[device]]\nname = \"{dev}\"\nkind = \"af_packet\"\ninterface = \"{dev}\"\n")
    };
    r.start(&format!(
        "{}{}{}[[router]]\nname = \"main\"\n{}{}{}\
         [[router.route]]\nprefix = \"2001:db8:b::/48\"\nnext_hops = [\n  \
         {{ via = \"2001:db8:11::2\", interface = \"left0\" }},\n  \
         {{ via = \"2001:db8:12::2\", interface = \"right0\" }},\n]\n",
        device("va"),
        device("vl"),
        device("vr"),
        interface("lan0", "va", "2001:db8:1::1/64"),
        interface("left0", "vl", "2001:db8:11::1/64"),
        interface("right0", "vr", "2001:db8:12::1/64"),
    ))?;

    // 32 flows of 20 packets each, told apart by their source port.
    let script = "import socket,time\n\
        for port in range(6000,6032):\n\
        \x20   s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM); s.bind(('::',port))\n\
        \x20   for _ in range(20): s.sendto(b'x'*32,('2001:db8:b::b',9000)); time.sleep(0.001)\n";
    let path = lab.dir().join("flows.py");
    std::fs::write(&path, script)?;
    let sniff = "from scapy.all import *\nimport sys\n\
        p=sniff(iface=['eth0','eth1'],filter='ip6 and udp dst port 9000',count=640,timeout=15)\n\
        seen={}\n\
        for x in p: seen.setdefault(x[UDP].sport,set()).add(x.sniffed_on)\n\
        print(len(p),len(seen),sum(len(v)>1 for v in seen.values()),\
        len([1 for v in seen.values() if v=={'eth0'}]))\n";
    let sniff_path = lab.dir().join("sniff.py");
    std::fs::write(&sniff_path, sniff)?;
    // Both gateways are resolved before the flows are counted.
    assert!(0 < a.ping("2001:db8:b::b", 8)?);
    let mut listener = b.spawn(&format!("/usr/bin/python3 -u {}", sniff_path.display()))?;
    std::thread::sleep(std::time::Duration::from_secs(3));
    a.ok(&format!("/usr/bin/python3 {}", path.display()))?;
    listener.wait(std::time::Duration::from_secs(25))?;
    let log = listener.log();
    let numbers: Vec<u32> = log
        .lines()
        .last()
        .unwrap_or("")
        .split_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect();
    let &[packets, flows, split, on_left] = numbers.as_slice() else {
        panic!("no figures in {log}")
    };
    assert_eq!((packets, flows), (640, 32), "lost on the way");
    assert_eq!(split, 0, "a flow took both paths");
    assert!(
        (4..=28).contains(&on_left),
        "{on_left} of 32 flows on the left path"
    );
    r.assert_balanced()
}

#[test]
fn the_config_shows_what_it_made() -> Result<()> {
    let lab = Lab::new("show")?;
    let net = TwoNetworks::start(&lab, "")?;
    let routes = net.r.ctl("show routes")?;
    let prefixes: Vec<&str> = routes
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|r| r["prefix"].as_str())
        .collect();
    for wanted in [
        "2001:db8:1::/64",
        "2001:db8:2::/64",
        "192.0.2.0/24",
        "2001:db8:1::1/128",
    ] {
        assert!(
            prefixes.contains(&wanted),
            "{wanted} is not in {prefixes:?}"
        );
    }
    net.r.assert_balanced()
}
